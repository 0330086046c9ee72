"""Logit lens, attention to the slot, probes: laws they keep, slow twins they equal, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from audit.circuits import readings
from audit.circuits.pairs import batches
from audit.circuits.patching import Batch
from audit.circuits.plain import plain_margins
from audit.circuits.readings import ATTENTION, LENS, PROBE, SHUFFLED, attention_to_slot, eager, logit_lens, probe
from audit.circuits.replay import Replay
from audit.models import AuditedModel
from audit.models.spelling import Ids
from audit.records import READING_COLUMNS, Item
from tests.circuits.conftest import WINDOW
from tests.circuits.shapes import EQUAL, PAIRS, WITH_SUFFIX, made


def item(name: str, *, template: str = "", topic: str = "gender", control: bool = False, quarantine: str = "") -> Item:
    return Item(
        id=name,
        language="en",
        template=template or name,
        topic=topic,
        control=control,
        asks=(),
        origin="native",
        author="machine",
        reviewed=0,
        quarantine=quarantine,
    )


def read(batched: list[Batch], items: list[Item], *, seed: int = 0) -> Any:
    return readings.readings_of(batched, items, suite="s", language="en", seed=seed)


def values(table: Any, what: str) -> np.ndarray:
    return table[table["what"] == what].sort_values(["layer", "head"])["value"].to_numpy()


def outputs(audited: AuditedModel, modules: Iterable[torch.nn.Module], prompt: Ids) -> list[torch.Tensor]:
    """What modules give for one prompt run by itself, each (tokens, d)."""
    found: list[torch.Tensor] = []
    with ExitStack() as hooks:
        for module in modules:
            keep = module.register_forward_hook(lambda _m, _i, out: found.append(out[0]))
            hooks.callback(keep.remove)
        audited.model(torch.tensor([prompt]), use_cache=False)
    return found


# --- the table -----------------------------------------------------------------------------------


def test_every_reading_has_a_row_for_each_layer_and_attention_for_each_head(audited, replay):
    pairs = EQUAL
    table = read([Batch.of(replay, pairs)], [item(pair.item) for pair in pairs])
    assert dict(table.dtypes.astype(str)) == dict(READING_COLUMNS)
    layers, heads = audited.adapter.n_layers, audited.adapter.n_heads
    counts = {LENS: layers, ATTENTION: layers * heads, PROBE: layers, SHUFFLED: layers}
    assert table["what"].value_counts().to_dict() == counts
    assert (table.loc[table["what"] != ATTENTION, "head"] == -1).all()
    assert (table["n_items"] == len(pairs)).all()
    assert table["value"].notna().all()


def test_neither_the_order_of_batches_nor_their_size_changes_the_rows(llama):
    pairs = [made(f"p{n}", 3, (2, 2), 3) for n in range(6)]
    items = [item(pair.item) for pair in pairs]
    replay = Replay(llama.adapter)
    one = [Batch.of(replay, pairs)]
    several = [Batch.of(replay, some) for some in (pairs[4:], pairs[:4])]
    assert read(several[::-1], items).equals(read(several, items[::-1]))
    for what in (LENS, ATTENTION):
        assert values(read(one, items), what) == pytest.approx(values(read(several, items), what), abs=1e-5)


def test_controls_and_quarantined_items_are_in_no_reading(llama):
    pairs = [made(f"p{n}", 3, (2, 2), 3) for n in range(6)]
    replay = Replay(llama.adapter)
    items = [item("p0", control=True), item("p1", quarantine="a name"), *(item(f"p{n}") for n in range(2, 6))]
    table = read([Batch.of(replay, pairs)], items)
    alone = read([Batch.of(replay, pairs[2:])], items)
    assert (table["n_items"] == 4).all()
    assert table["value"].to_numpy() == pytest.approx(alone["value"].to_numpy(), abs=1e-5)


def test_what_no_item_has_is_not_a_number_and_says_that_no_item_counted(llama):
    pairs = [made(f"p{n}", 3, (0, 2), 3) for n in range(3)]  # no base has a token of its own; three templates only
    table = read([Batch.of(Replay(llama.adapter), pairs)], [item(pair.item) for pair in pairs]).set_index("what")
    assert table.loc[LENS, "n_items"].eq(3).all()
    assert table.loc[LENS, "value"].notna().all()
    for what in (ATTENTION, PROBE, SHUFFLED):
        assert table.loc[what, "n_items"].eq(0).all()
        assert table.loc[what, "value"].isna().all()


def test_no_batches_give_no_rows():
    table = read([], [item("p0")])
    assert len(table) == 0
    assert dict(table.dtypes.astype(str)) == dict(READING_COLUMNS)


# --- logit lens ----------------------------------------------------------------------------------


def test_after_the_last_layer_the_lens_reads_the_whole_effect(audited, replay, monkeypatch):
    """Mean |TE|, with TE from plain forwards; answers of several tokens and alternatives included."""
    monkeypatch.setattr(readings, "LENS_ITEMS", len(PAIRS))
    table = read([Batch.of(replay, some) for some in batches(PAIRS)], [item(pair.item) for pair in PAIRS])
    turned = [pair.turned() for pair in PAIRS]
    effects = plain_margins(audited, PAIRS) - plain_margins(audited, turned)
    assert values(table, LENS)[-1] == pytest.approx(float(effects.abs().mean()), abs=1e-3)


@torch.no_grad()
def test_the_lens_reads_twelve_items_one_of_each_topic_in_turn(llama):
    """Of 10 on gender and 4 on age: all 4 of age, the first 8 of gender; whatever else was patched beside them."""
    pairs = [made(f"p{n:02}", 3, (2, 2), 3) for n in range(14)]
    items = [item(pair.item, topic="gender" if n < 10 else "age") for n, pair in enumerate(pairs)]
    replay = Replay(llama.adapter)
    table = read([Batch.of(replay, pairs[:6]), Batch.of(replay, pairs[6:])], items)
    assert table.loc[table["what"] == LENS, "n_items"].eq(12).all()
    assert table.loc[table["what"] == ATTENTION, "n_items"].eq(14).all()
    chosen = Batch.of(replay, pairs[:8] + pairs[10:])
    assert values(table, LENS) == pytest.approx(logit_lens(chosen).mean(dim=1).tolist(), abs=1e-5)


def test_the_lens_is_the_final_norm_and_the_unembedding_on_each_layers_stream(llama):
    """Its slow twin: whole forwards, the model's own hidden states, all logits; answers of one token."""
    pair = made("x", 4, (2, 3), 5)
    batch = Batch.of(Replay(llama.adapter), [pair])
    expected = torch.zeros(llama.adapter.n_layers)
    for prompt, sign in ((pair.base, 1), (pair.counterpart, -1)):
        ends = outputs(llama, llama.model.model.layers, prompt)
        logps = [llama.model.lm_head(llama.model.model.norm(end[-1])).log_softmax(dim=0) for end in ends]
        expected += sign * torch.stack([logp[5] - logp[6] for logp in logps])  # answers a and b of ONE_TOKEN
    expected *= torch.sign(expected[-1])
    assert logit_lens(batch)[:, 0].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@torch.no_grad()
def test_probes_read_what_leaves_each_layer_at_the_last_position(audited, replay):
    """Its slow twin: each prompt run whole by itself; of unequal lengths, with continuations behind some."""
    pairs = PAIRS[::2]
    found = readings._streams(Batch.of(replay, pairs))
    assert found.shape[:3] == (len(pairs), 2, audited.adapter.n_layers)
    for pair, of_pair in zip(pairs, found, strict=True):
        for prompt, layers in zip((pair.base, pair.counterpart), of_pair, strict=True):
            ends = [out.reshape(-1, out.shape[-1])[-1] for out in outputs(audited, audited.adapter.layers, prompt)]
            assert layers == pytest.approx(torch.stack(ends).numpy(), rel=1e-4, abs=1e-3)


# --- attention -----------------------------------------------------------------------------------


@torch.no_grad()
def test_attention_is_the_softmax_of_each_heads_own_scores(llama):
    """Head by head by hand: rotated queries and keys, keys shared by two heads, slots of unequal length."""
    pair = made("x", 4, (2, 3), 5)
    found = attention_to_slot(Batch.of(Replay(llama.adapter), [pair]))
    assert found is not None
    body, heads, dim = llama.model.model, 4, 8
    by_hand = torch.zeros(llama.adapter.n_layers, heads)
    for prompt, slot in ((pair.base, slice(4, 6)), (pair.counterpart, slice(4, 7))):
        entering = outputs(llama, [layer.input_layernorm for layer in body.layers], prompt)
        angle = torch.arange(len(prompt))[:, None] / 10000.0 ** (torch.arange(0, dim, 2) / dim)  # (n, dim / 2)

        def rotated(x: torch.Tensor, angle: torch.Tensor = angle) -> torch.Tensor:
            one, other = x[:, : dim // 2], x[:, dim // 2 :]
            return torch.cat((one * angle.cos() - other * angle.sin(), other * angle.cos() + one * angle.sin()), dim=1)

        for layer, x in enumerate(entering):
            q, k = body.layers[layer].self_attn.q_proj(x), body.layers[layer].self_attn.k_proj(x)
            for head in range(heads):
                mine, shared = slice(head * dim, (head + 1) * dim), slice(head // 2 * dim, (head // 2 + 1) * dim)
                scores = rotated(k[:, shared]) @ rotated(q[:, mine])[-1] / dim**0.5
                by_hand[layer, head] += scores.softmax(dim=0)[slot].sum() / 2
    assert found[0].flatten().tolist() == pytest.approx(by_hand.flatten().tolist(), abs=1e-5)


@pytest.mark.parametrize("start", ["difference", "whole", "last"])
@torch.no_grad()
def test_attention_equals_what_a_plain_forward_hands_out(audited, replay, start):
    """Windows, caps, norms of queries, keys of several heads, any layout: whole unpadded prompts through the model."""
    pairs = [pair for pair in PAIRS[::2] if pair.base[pair.shared : len(pair.base) - pair.suffix]]
    pairs = [pair for pair in pairs if pair.counterpart[pair.shared : len(pair.counterpart) - pair.suffix]]
    found = attention_to_slot(Batch.of(replay, pairs, start=start))
    assert found is not None
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()
    with eager(audited.adapter.body):
        for pair, shares in zip(pairs, found, strict=True):
            expected = torch.zeros_like(shares)
            for prompt in (pair.base, pair.counterpart):
                out = audited.adapter.body(torch.tensor([prompt]), use_cache=False, output_attentions=True)
                last = torch.stack(out.attentions)[:, 0, :, -1]  # (layers, heads, keys)
                assert last.sum(dim=2).flatten().tolist() == pytest.approx([1.0] * last[..., 0].numel(), abs=1e-5)
                expected += last[:, :, pair.shared : len(prompt) - pair.suffix].sum(dim=2) / 2
            assert shares.flatten().tolist() == pytest.approx(expected.flatten().tolist(), abs=2e-5)


def test_all_attention_goes_to_a_slot_that_is_the_whole_prompt(replay):
    found = attention_to_slot(Batch.of(replay, [made("x", 0, (3, 4), 0)]))
    assert found is not None
    assert found.flatten().tolist() == pytest.approx([1.0] * found.numel(), abs=1e-5)


def test_a_slot_beyond_the_window_gets_no_attention(models):
    pair = made("x", 2, (2, 2), WINDOW)
    found = attention_to_slot(Batch.of(Replay(models("mistral").adapter), [pair]))
    assert found is not None
    assert found.abs().max() == 0


def test_a_pair_with_a_prompt_that_has_no_token_of_its_own_has_no_share(llama):
    pairs = [made("added word", 4, (0, 2), 4), made("other word", 4, (2, 2), 4)]
    found = attention_to_slot(Batch.of(Replay(llama.adapter), pairs))
    assert found is not None
    assert found[0].isnan().all()
    assert found[1].isfinite().all()


def test_the_model_computes_its_attention_as_before_afterwards(audited, replay):
    before = audited.model.config._attn_implementation
    batch = Batch.of(replay, WITH_SUFFIX[:2])
    margins = plain_margins(audited, WITH_SUFFIX[:2])
    hooks = [len(attention._forward_hooks) for attention in audited.adapter.attentions]
    attention_to_slot(batch)
    assert audited.model.config._attn_implementation == before
    assert torch.equal(plain_margins(audited, WITH_SUFFIX[:2]), margins)
    assert [len(attention._forward_hooks) for attention in audited.adapter.attentions] == hooks


def test_the_model_computes_its_attention_as_before_after_an_error(llama):
    seen = []

    def fail() -> None:
        with eager(llama.adapter.body):
            seen.append(llama.model.config._attn_implementation)
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        fail()
    assert seen == ["eager"]
    assert llama.model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("obstacle", ["no such implementation", "no weights", "other values"])
def test_attention_that_cannot_be_had_rightly_is_left_out(llama, monkeypatch, obstacle):
    pairs = [made(f"p{n}", 3, (2, 2), 3) for n in range(4)]
    batch = Batch.of(Replay(llama.adapter), pairs)
    if obstacle == "no such implementation":

        def refuse(_body: Any, kind: str) -> None:
            if kind == "eager":
                raise ValueError(kind)

        monkeypatch.setattr(type(llama.adapter.body), "set_attn_implementation", refuse)
    elif obstacle == "no weights":
        monkeypatch.setattr(type(llama.adapter.body), "set_attn_implementation", lambda *_: None)
    else:
        batch.base.heads[1].mul_(1.01)
    table = read([batch], [item(pair.item) for pair in pairs])
    assert ATTENTION not in set(table["what"])
    assert {LENS, PROBE, SHUFFLED} == set(table["what"])


# --- probes --------------------------------------------------------------------------------------


def streams(n: int, *, planted: float, d: int = 64, seed: int = 0) -> np.ndarray:
    """(n, 2, 1, d): noise of each template's own, and of each prompt's; `planted` along one axis tells base apart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1, 1, d)) + 0.1 * rng.normal(size=(n, 2, 1, d))
    x[:, 0, 0, 0] += planted
    x[:, 1, 0, 0] -= planted
    return x


def test_a_planted_direction_is_found_and_shuffled_labels_are_guessed():
    """Everything right of the truth; of labels that mean nothing, half: 20 draws of 40 templates scatter by 0.02."""
    right, n = probe(streams(40, planted=20.0), [item(f"t{i}") for i in range(40)], seed=0)
    assert n == 40
    assert right[0] == pytest.approx([1.0])
    assert right[1] == pytest.approx([0.5], abs=0.06)


def test_where_nothing_is_planted_the_probe_guesses():
    found = [
        probe(streams(40, planted=0.0, seed=s), [item(f"t{i}") for i in range(40)], seed=0)[0][0] for s in range(10)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)  # 800 prompts


def test_a_probe_never_sees_a_template_in_training_and_test():
    """Each template eight times over: whoever had seen one could say by heart how its labels were shuffled."""
    x = np.repeat(streams(10, planted=0.0), 8, axis=0)
    items = [item(f"i{n}", template=f"t{n // 8}") for n in range(80)]
    right, _ = probe(x, items, seed=0)
    assert right[1] == pytest.approx([0.5], abs=0.12)
    by_heart = [item(f"i{n}") for n in range(80)]  # as if they were templates of their own: the same streams leak
    leaked = readings.cross_validated(
        x[:, :, 0],
        readings._labels([one.template for one in items], seed=[0]),
        fold=np.array(list(readings.folds([one.template for one in by_heart]).values())),
    )
    assert leaked.mean() > 0.9


def test_items_of_one_template_change_places_together_and_the_truth_stays():
    labels = readings._labels(["t0", "t1", "t0", "t1"], seed=[0])
    assert np.array_equal(labels[:2], labels[2:])
    assert (labels[:, 0] == 1).all()
    assert set(labels[:, 1:].ravel()) == {-1.0, 1.0}


def test_the_order_of_items_changes_nothing():
    x, items = streams(24, planted=0.0), [item(f"i{n}", template=f"t{n // 2}") for n in range(24)]
    order = np.random.default_rng(0).permutation(24)
    right, _ = probe(x, items, seed=0)
    mixed, _ = probe(x[order], [items[n] for n in order], seed=0)
    assert mixed.ravel().tolist() == pytest.approx(right.ravel().tolist(), abs=1e-12)


def test_folds_are_whole_templates_of_like_number():
    fold_of = readings.folds([f"t{n % 12}" for n in range(30)])
    assert sorted(fold_of) == sorted(f"t{n}" for n in range(12))
    assert sorted(np.bincount(list(fold_of.values())).tolist()) == [2, 2, 2, 3, 3]
    assert sorted(readings.folds(["a", "b", "c", "d"]).values()) == [0, 1, 2, 3]  # fewer templates than folds


def test_a_probe_is_fitted_on_the_other_folds_alone():
    """Two items by hand: fitted on the one at +-1, asked about the one at +-3 with its labels turned: all wrong."""
    x = np.array([[[1.0], [-1.0]], [[3.0], [-3.0]]])
    right = readings.cross_validated(x, np.array([[1.0, 1.0], [1.0, -1.0]]), fold=np.array([0, 1]))
    assert right.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_streams_that_tell_nothing_count_half():
    right = readings.cross_validated(np.ones((4, 2, 3)), np.ones((4, 1)), fold=np.arange(4))
    assert right.tolist() == [[0.5]] * 4


def test_topics_have_probes_of_their_own_and_weigh_as_many_items_as_they_have():
    """The same direction tells one topic's bases, and the other's counterparts: a common probe would find nothing."""
    x = streams(24, planted=20.0)
    x[:16] = x[:16, ::-1]
    items = [item(f"t{n}", topic="gender" if n < 16 else "age") for n in range(24)]
    assert probe(x, items, seed=0)[0][0] == pytest.approx([1.0])
    x[16:] = 1.0  # says nothing of age
    assert probe(x, items, seed=0)[0][0] == pytest.approx([(16 * 1.0 + 8 * 0.5) / 24])


def test_a_topic_with_three_templates_has_no_probe():
    items = [item(f"t{n}") for n in range(8)] + [item(f"u{n}", topic="age") for n in range(3)]
    right, n = probe(streams(11, planted=20.0), items, seed=0)
    assert n == 8
    assert right[0] == pytest.approx([1.0])


def test_the_same_seed_shuffles_alike_and_another_otherwise():
    x, items = streams(12, planted=0.0), [item(f"t{n}") for n in range(12)]
    same, again, other = (probe(x, items, seed=seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(same, again)
    assert same[0] == other[0]
    assert same[1] != other[1]


def test_a_body_that_is_no_transformers_model_is_told_apart():
    body = SimpleNamespace(config=SimpleNamespace(_attn_implementation="sdpa"))
    with pytest.raises(AttributeError), eager(body):
        pass
