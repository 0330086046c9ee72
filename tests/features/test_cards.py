"""What a card says of an SAE is what slow and obvious code says."""

import dataclasses
import math
import warnings

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from audit.errors import DictionaryError, UsageError
from audit.features import cards
from audit.features.cards import Card, flags, judge, read_card, write_card
from audit.features.saes import load
from features.small import HOOK, LATENTS, WIDTH, small_sae

TEXTS = {
    "en": ("the war and the peace", "bread is in the house of the elder", "rain"),
    "sw": ("mkate uko nyumbani kwa mzee", "mvua inanyesha"),
}


@pytest.fixture
def dictionary(tmp_path, audited):
    small_sae(tmp_path / "sae", hook=HOOK)
    return load(tmp_path / "sae", model=audited)


def changed(folder, **weights):
    """The same SAE with some of its weights replaced."""
    file = folder / "sae_weights.safetensors"
    save_file(load_file(file) | {name: value.contiguous() for name, value in weights.items()}, file)


def slow_losses(audited, text, put):
    """-log P of each token but BOS and the first, one text at a time, from all logits; the stream after layer 1 put."""
    ids = torch.tensor([audited.encode(text)])

    def hook(_module, _inputs, output):
        states = (output if isinstance(output, torch.Tensor) else output[0]).clone()
        states[0, 1:] = put(states[0, 1:])
        return states if isinstance(output, torch.Tensor) else (states, *output[1:])

    handle = audited.adapter.layers[1].register_forward_hook(hook)
    with torch.inference_mode():
        logps = audited.model(ids).logits.double().log_softmax(dim=-1)
    handle.remove()
    return [-float(logps[0, at, ids[0, at + 1]]) for at in range(1, ids.shape[1] - 1)]


def test_losses_are_those_of_the_slow_way(audited, dictionary):
    puts = {
        "loss_model": lambda states: states,
        "loss_sae": lambda states: dictionary.decode(dictionary.encode(states)),
        "loss_ablated": torch.zeros_like,
    }
    rows = judge(dictionary, audited, TEXTS).set_index("language")
    for language, texts in TEXTS.items():
        for column, put in puts.items():
            each = [loss for text in texts for loss in slow_losses(audited, text, put)]
            assert rows.loc[language, column] == pytest.approx(sum(each) / len(each), rel=1e-4)
    room = rows["loss_ablated"] - rows["loss_model"]
    expected = ((rows["loss_ablated"] - rows["loss_sae"]) / room).where(room > 0)
    pd.testing.assert_series_equal(rows["loss_recovered"], expected, check_names=False)


def test_explained_variance_and_l0_are_those_of_sae_lens(audited, dictionary):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sae_lens.evals import ExplainedVarianceCalculator

    rows = judge(dictionary, audited, TEXTS).set_index("language")
    alive = torch.zeros(LATENTS, dtype=torch.bool)
    for language, texts in TEXTS.items():
        theirs, active = ExplainedVarianceCalculator(), []
        for text in texts:
            stream = cards_stream(audited, text)
            latents = dictionary.sae.encode(stream)
            theirs.add_batch(sae_output=dictionary.sae(stream), hidden_acts=stream)
            active.append(latents > 0)
        assert rows.loc[language, "explained_variance"] == pytest.approx(theirs.compute(), abs=1e-5)
        assert rows.loc[language, "l0"] == pytest.approx(float(torch.cat(active).sum(dim=1).double().mean()))
        assert rows.loc[language, "n_tokens"] == sum(len(audited.encode(text)) - 1 for text in texts)
        alive |= torch.cat(active).any(dim=0)
    assert rows["dead_share"].to_list() == pytest.approx([1 - float(alive.double().mean())] * 2)


def cards_stream(audited, text):
    from audit.features import training

    return training.read(audited, 1, torch.tensor([audited.encode(text)]))


def test_an_sae_that_says_everything_recovers_everything(tmp_path, audited):
    """32 of 48 latents hold one value each, above a constant far below all values; 16 are never active."""
    small_sae(tmp_path / "sae", hook=HOOK)
    one, none = torch.eye(WIDTH), torch.zeros(LATENTS - WIDTH, WIDTH)
    low = torch.full((WIDTH,), -1000.0)
    changed(
        tmp_path / "sae",
        W_enc=torch.cat([one, none]).T,
        W_dec=torch.cat([one, none]),
        b_enc=torch.zeros(LATENTS),
        b_dec=low,
        threshold=torch.zeros(LATENTS),
    )
    rows = judge(load(tmp_path / "sae", model=audited), audited, TEXTS)
    assert rows["explained_variance"].to_list() == pytest.approx([1, 1], abs=1e-4)
    assert rows["loss_sae"].to_list() == pytest.approx(rows["loss_model"].to_list(), abs=1e-3)
    assert set(rows["l0"]) == {32.0}
    assert rows["dead_share"].to_list() == pytest.approx([16 / 48] * 2)


def test_an_sae_that_says_nothing_recovers_nothing(tmp_path, audited):
    """Its reconstruction is zero, which is what the ablation puts there."""
    small_sae(tmp_path / "sae", hook=HOOK)
    changed(tmp_path / "sae", W_dec=torch.zeros(LATENTS, WIDTH) + 1e-30, b_dec=torch.zeros(WIDTH))
    rows = judge(load(tmp_path / "sae", model=audited), audited, TEXTS)
    assert rows["loss_sae"].to_list() == pytest.approx(rows["loss_ablated"].to_list(), rel=1e-5)
    assert all(math.isnan(share) or abs(share) < 1e-3 for share in rows["loss_recovered"])


def test_texts_judged_together_are_texts_judged_alone(audited, dictionary, monkeypatch):
    """Padding has no say."""
    together = judge(dictionary, audited, TEXTS)
    monkeypatch.setattr(cards, "BATCH_TOKENS", 1)
    monkeypatch.setattr(cards, "ENCODED_AT_ONCE", 1)
    pd.testing.assert_frame_equal(judge(dictionary, audited, TEXTS), together, rtol=1e-4)


def test_texts_are_taken_in_order_until_there_are_enough(audited, dictionary):
    first = len(audited.encode(TEXTS["en"][0])) - 1
    rows = judge(dictionary, audited, {"en": TEXTS["en"]}, n_tokens=first)
    assert rows["n_tokens"].to_list() == [first]


def test_losses_may_rest_on_fewer_texts_than_the_rest(audited, dictionary):
    first = len(audited.encode(TEXTS["en"][0])) - 1
    some = judge(dictionary, audited, {"en": TEXTS["en"]}, loss_tokens=first).iloc[0]
    every = judge(dictionary, audited, {"en": TEXTS["en"]}).iloc[0]
    alone = judge(dictionary, audited, {"en": TEXTS["en"][:1]}).iloc[0]
    losses = ["loss_recovered", "loss_model", "loss_sae", "loss_ablated"]
    rest = ["n_tokens", "explained_variance", "l0", "dead_share"]
    assert some[losses].to_list() == pytest.approx(alone[losses].to_list(), nan_ok=True)
    assert some[rest].to_list() == pytest.approx(every[rest].to_list(), rel=1e-5)


def test_a_language_without_a_text_to_predict_is_refused(audited, dictionary):
    with pytest.raises(UsageError, match="sw: no text has two tokens"):
        judge(dictionary, audited, {"en": TEXTS["en"], "sw": ("", "a")})


def rows_of(recovered, *, dead=0.05):
    one = {"sae": "s", "layer": 1, "n_tokens": 10, "explained_variance": 0.8, "l0": 5.0, "dead_share": dead}
    losses = {"loss_model": 3.0, "loss_sae": 3.5, "loss_ablated": 12.0}
    return pd.DataFrame([{**one, **losses, "language": lang, "loss_recovered": x} for lang, x in recovered.items()])


def test_what_falls_short_is_flagged_by_language():
    assert flags(rows_of({"en": 0.95, "sw": 0.76})) == ()  # mean 0.855
    assert flags(rows_of({"en": 0.98, "sw": 0.74})) == ("sw: loss recovered is 0.74, below 0.75",)
    assert flags(rows_of({"en": 0.8, "sw": 0.8}, dead=0.2)) == (
        "loss recovered is 0.80 on average, below 0.85",
        "20% of the latents are never active, more than 10%",
    )
    assert "sw: loss recovered is nan, below 0.75" in flags(rows_of({"en": 0.9, "sw": math.nan}))


def test_a_card_comes_back_as_it_was_kept(tmp_path, audited, dictionary):
    rows = judge(dictionary, audited, TEXTS)
    card = Card(digest=dictionary.digest, text="held out", sha256={"en": "e", "sw": "s"}, rows=rows)
    write_card(tmp_path, card)
    kept = read_card(tmp_path)
    assert (kept.digest, kept.text, kept.sha256, kept.flags) == (card.digest, card.text, card.sha256, card.flags)
    pd.testing.assert_frame_equal(kept.rows, rows, atol=1e-6)
    assert read_card(tmp_path / "nowhere") is None
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(DictionaryError, match="not valid JSON"):
        read_card(tmp_path)


def test_what_is_undefined_is_said_and_never_zero(tmp_path, audited, dictionary):
    rows = judge(dictionary, audited, TEXTS).assign(loss_recovered=math.nan)
    card = Card(digest="d", text="t", sha256={}, rows=rows)
    write_card(tmp_path, card)
    assert '"loss_recovered": null' in (tmp_path / "card.json").read_text()
    assert {row["loss_recovered"] for row in cards.table(card)} == {"undefined"}


def test_the_error_term_closes_the_gap_whatever_the_sae(audited, dictionary):
    """With its error kept, an SAE changes no prediction."""
    text = TEXTS["en"][1]
    whole = slow_losses(audited, text, lambda x: dictionary.decode(dictionary.encode(x)) + dictionary.error(x))
    assert whole == pytest.approx(slow_losses(audited, text, lambda x: x), abs=1e-4)


def test_a_dictionary_is_frozen(dictionary):
    with pytest.raises(dataclasses.FrozenInstanceError):
        dictionary.layer = 2
