"""Training gives each language an equal say, goes on where it was stopped, and leaves what sae-lens itself can load."""

import dataclasses
import json
import random
import warnings

import pytest
import torch

from audit.errors import DictionaryError, UsageError
from audit.features import training
from audit.features.saes import load
from audit.features.training import Recipe, packed_rows, read_texts, train
from audit.models import AuditedModel

RECIPE = Recipe(layer=1, n_latents=64, l0=6, n_tokens=6000, batch=200, context=24, forward="float32")
WORDS = ["the", "and", "is", "on", "in", "war", "peace", "bread", "rain", "elder", "house", "of", "a"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Checkpoints go where nobody else's are; blocks are small, and each ends with a checkpoint."""
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training, "BLOCK_TOKENS", 1000)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture
def texts(tmp_path):
    """Much English, little Swahili."""
    return read_texts(written(tmp_path / "texts", en=200, sw=20))


def written(folder, **n_lines):
    folder.mkdir()
    for language, n in n_lines.items():
        chosen = random.Random(language)
        lines = [" ".join(chosen.choice(WORDS) for _ in range(12)) for _ in range(n)]
        (folder / f"{language}.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def weights_of(folder):
    return (folder / "sae_weights.safetensors").read_bytes()


def test_a_training_that_is_stopped_ends_with_the_same_weights(tmp_path, audited, texts, monkeypatch):
    train(audited, RECIPE, texts, out=tmp_path / "undisturbed")
    step, steps = training._step, []

    def stopped(trainer, batch):
        if len(steps) == 13:
            raise KeyboardInterrupt
        steps.append(batch)
        return step(trainer, batch)

    monkeypatch.setattr(training, "_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(audited, RECIPE, texts, out=tmp_path / "stopped")
    assert not (tmp_path / "stopped").exists()  # whole or absent
    n_before = len(steps)
    monkeypatch.setattr(training, "_step", lambda trainer, batch: steps.append(batch) or step(trainer, batch))
    train(audited, RECIPE, texts, out=tmp_path / "stopped")
    # A block of 1008 tokens holds 5 steps of 200: 13 steps end two blocks, and 3 steps more are lost.
    assert (n_before, len(steps)) == (13, 13 + 30 - 10)
    assert weights_of(tmp_path / "stopped") == weights_of(tmp_path / "undisturbed")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_damaged_checkpoint_counts_as_absent(tmp_path, audited, texts):
    train(audited, RECIPE, texts, out=tmp_path / "undisturbed")
    key = json.loads((tmp_path / "undisturbed" / "recipe.json").read_text())["key"]
    (tmp_path / "cache" / "sae-training" / f"{key}.safetensors").write_bytes(b"cut off")
    train(audited, RECIPE, texts, out=tmp_path / "again")
    assert weights_of(tmp_path / "again") == weights_of(tmp_path / "undisturbed")


@pytest.mark.parametrize("architecture", training.ARCHITECTURES)
def test_what_is_trained_is_what_sae_lens_loads(tmp_path, audited, texts, architecture):
    recipe = dataclasses.replace(RECIPE, architecture=architecture)
    dictionary = train(audited, recipe, texts, out=tmp_path / "sae")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sae_lens

        theirs = sae_lens.SAE.load_from_disk(tmp_path / "sae")
    stream = training.read(audited, 1, torch.randint(3, 250, (20, 24), generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(dictionary.encode(stream), theirs.encode(stream))
    torch.testing.assert_close(dictionary.decode(dictionary.encode(stream)), theirs(stream))
    assert (dictionary.layer, dictionary.n_latents, dictionary.trained_on) == (1, 64, "m")
    assert (tmp_path / "sae" / "sae_weights.safetensors").stat().st_size < 2 * 2 * 64 * 32 + 4 * 200 + 1000


def test_training_explains_more_than_its_beginning(tmp_path, audited, texts):
    """Of the stream's variance about its mean, in its own units: the scaling under which it trains is folded back."""

    def explained(n_tokens):
        recipe = dataclasses.replace(RECIPE, n_tokens=n_tokens)
        dictionary = train(audited, recipe, texts, out=tmp_path / str(n_tokens))
        stream = training.read(audited, 1, packed_rows(audited, texts.lines["en"], recipe)[:40])
        spread = (stream - stream.mean(dim=0)).pow(2).sum()
        active = (dictionary.encode(stream) > 0).sum(dim=1).double().mean()
        return 1 - float(dictionary.error(stream).pow(2).sum() / spread), float(active)

    before, _ = explained(400)
    after, l0 = explained(20_000)
    assert before + 0.2 < after < 1
    assert 4 < l0 < 9  # 6 were asked for


def test_every_language_has_as_many_rows_in_every_block(audited, texts):
    """Swahili has a tenth of the English text: its rows come round again, in another order."""
    rows = {language: packed_rows(audited, texts.lines[language], RECIPE) for language in ("en", "sw")}
    each = training.rows_per_block(2, RECIPE.context)
    assert each == 21  # 1000 tokens / (2 languages x 24), rounded
    blocks = training._blocks(audited, RECIPE, texts, start=0)
    seen = torch.cat([next(blocks) for _ in range(3)])
    for number, language in enumerate(("en", "sw")):
        mine = torch.cat([seen[2 * each * block :][number * each : (number + 1) * each] for block in range(3)])
        known = {tuple(row) for row in rows[language].tolist()}
        assert all(tuple(row[1:]) in known for row in mine.tolist())
        counts = dict.fromkeys(known, 0)
        for row in mine.tolist():
            counts[tuple(row[1:])] += 1
        n_turns = 3 * each // len(rows[language])
        assert set(counts.values()) <= {n_turns, n_turns + 1}
    assert (seen[:, 0] == audited.begin[0]).all()


def test_a_block_is_the_same_whoever_asks_first(audited, texts):
    blocks = training._blocks(audited, RECIPE, texts, start=0)
    next(blocks)
    torch.testing.assert_close(next(blocks), next(training._blocks(audited, RECIPE, texts, start=1)))


def test_what_is_read_is_the_stream_after_the_layer_without_bos(audited):
    """Beside the slow way: all layers, all positions, then taken away."""
    rows = torch.tensor([[1, 10, 20, 30], [1, 40, 50, 60]])
    kept = []
    handle = audited.adapter.layers[1].register_forward_hook(lambda _m, _i, out: kept.append(out))
    with torch.inference_mode():
        audited.model(rows)
    handle.remove()
    whole = kept[0] if isinstance(kept[0], torch.Tensor) else kept[0][0]
    torch.testing.assert_close(training.read(audited, 1, rows), whole[:, 1:].reshape(6, -1))


def test_layers_above_the_one_that_is_read_are_not_run(audited):
    ran = []
    handle = audited.adapter.layers[2].register_forward_hook(lambda *_: ran.append(1))
    training.read(audited, 1, torch.tensor([[1, 10, 20]]))
    handle.remove()
    assert not ran


def test_the_result_of_the_same_recipe_is_left_as_it_is(tmp_path, audited, texts, monkeypatch):
    first = train(audited, RECIPE, texts, out=tmp_path / "sae")
    monkeypatch.setattr(training, "_step", None)  # no step could be taken
    assert train(audited, RECIPE, texts, out=tmp_path / "sae").digest == first.digest
    other = dataclasses.replace(RECIPE, seed=1)
    with pytest.raises(DictionaryError, match="holds something else"):
        train(audited, other, texts, out=tmp_path / "sae")


def test_the_recipe_names_the_model_the_texts_and_the_seed(tmp_path, audited, texts):
    train(audited, RECIPE, texts, out=tmp_path / "sae")
    kept = json.loads((tmp_path / "sae" / "recipe.json").read_text())
    assert kept["recipe"] == dataclasses.asdict(RECIPE)
    assert kept["model"]["weights_sha256"] == audited.record.weights_sha256
    assert {language: one["sha256"] for language, one in kept["texts"].items()} == dict(texts.sha256)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer": 3}, "m has layers 0 to 2"),
        ({"l0": 64}, "fewer active ones"),
        ({"n_tokens": 100}, "less than one step"),
        ({"context": 600}, "m reads 512"),
        ({"architecture": "gated"}, "no such architecture"),
        ({"forward": "float8"}, "no such precision"),
        ({"passes": 0}, "at least once"),
        ({"context": 400}, "sw.txt: fewer than 400 tokens"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_by_name(tmp_path, audited, change, said):
    texts = read_texts(written(tmp_path / "some", en=200, sw=8))
    with pytest.raises(UsageError, match=said):
        train(audited, dataclasses.replace(RECIPE, **change), texts, out=tmp_path / "sae")


def test_texts_are_refused_by_file_and_reason(tmp_path):
    with pytest.raises(UsageError, match=r"no <language>\.txt in it"):
        read_texts(tmp_path / "nowhere")
    folder = written(tmp_path / "some", en=3)
    (folder / "sw.txt").write_bytes(b"abc\xff")
    with pytest.raises(UsageError, match=r"sw\.txt: not UTF-8 \(byte 3\)"):
        read_texts(folder)
    (folder / "sw.txt").write_text(" \n")
    with pytest.raises(UsageError, match=r"sw\.txt: empty"):
        read_texts(folder)


def test_half_precision_is_taken_only_where_it_is_faster_and_harmless(audited, texts, monkeypatch):
    recipe = dataclasses.replace(RECIPE, forward="auto")
    took = iter([1.0, 1.2, 0.5, 0.7, 1.0, 1.2, 0.9, 0.9, 1.0, 1.2, 0.5, 0.5])  # twice each; the quicker one counts
    monkeypatch.setattr(training, "_seconds", lambda *_: next(took))
    assert training.choose_forward(audited, recipe, texts) == "bfloat16"  # half the time
    assert training.choose_forward(audited, recipe, texts) == "float32"  # nine tenths of it
    monkeypatch.setattr(training, "HARMLESS", 0.0)
    assert training.choose_forward(audited, recipe, texts) == "float32"  # as fast as the first, but it moves


def test_the_command_line_trains_judges_and_shows_the_card(tmp_path, tiny_folder, monkeypatch, capsys):
    from audit.cli import main

    def called(*words):
        monkeypatch.setattr("sys.argv", ["plural-audit", "sae", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr()

    texts, out = written(tmp_path / "some", en=200, sw=150), tmp_path / "mine"
    model = ("--model", tiny_folder)
    code, _ = called("card", out, *model)
    assert code == 64  # nothing is kept there yet
    size = ("--layer", 1, "--latents", 64, "--l0", 6, "--tokens", 4000)
    code, said = called("train", *model, *size, "--text", texts, "--out", out)
    assert (code, said.out.strip()) == (0, str(out))
    code, _ = called("card", out, *model, "--text", texts, "--languages", "sw", "--tokens", 60, "--save")
    assert code == 0
    code, said = called("card", out, *model, "--json")
    card = json.loads(said.out)
    assert (code, [row["language"] for row in card["rows"]]) == (0, ["sw"])
    assert card["digest"] == load(out, model=AuditedModel.load(str(tiny_folder))).digest
    code, said = called("card", out, *model, "--text", texts, "--languages", "xx")
    assert (code, "no xx.txt in it" in said.err) == (64, True)
