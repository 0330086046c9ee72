"""Known ways in which patching tools give wrong numbers without saying so, each held off by a law."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
import torch

from audit.circuits.pairs import Pair
from audit.circuits.patching import Batch, Donor, effects_of, patched_margins
from audit.circuits.plain import plain_margin, plain_margins
from audit.circuits.replay import Replay
from tests.circuits.conftest import WINDOW
from tests.circuits.shapes import (
    EQUAL,
    PAIRS,
    UNEQUAL,
    all_nodes,
    made,
    one_node,
    random_sets,
)

NEAR = 1e-4


@pytest.mark.parametrize("name", ["llama", "gemma3", "qwen2", "gpt2"])
def test_each_query_head_is_a_node_of_its_own_where_keys_are_shared(models, name):
    """Trap: grouped-query attention, whose heads are then counted or cut by key-value head.

    A head whose output is nothing at every position is a head whose columns of the output projection are nothing.
    """
    audited = models(name)
    adapter, pair = audited.adapter, EQUAL[0]
    batch = Batch.of(Replay(adapter), [pair], start="whole")
    nothing = [torch.zeros_like(value) for value in batch.base.heads]
    donor = Donor(heads=tuple(nothing), mlp=batch.base.mlp, matched=batch.tails.real)
    weight = adapter.attention_outputs[1].weight  # Linear: (d, heads); GPT-2's Conv1D: (heads, d)
    kept, found = weight.detach().clone(), []
    for head in range(adapter.n_heads):
        (margin,) = patched_margins(batch, [one_node(audited, 1, head)], donor=donor)
        columns = slice(head * adapter.head_dim, (head + 1) * adapter.head_dim)
        try:
            with torch.no_grad():
                (weight if name == "gpt2" else weight.T)[columns] = 0
            expected = plain_margin(audited, pair)
        finally:
            with torch.no_grad():
                weight.copy_(kept)
        assert float(margin[0]) == pytest.approx(expected, abs=NEAR)
        found.append(float(margin[0]))
    assert len({round(value, 3) for value in found}) == adapter.n_heads  # heads of one group differ too
    assert name == "gpt2" or adapter.n_kv_heads == adapter.n_heads // 2


def test_what_is_recorded_is_what_the_model_itself_computes(audited, replay):
    """Traps: folded or centred norm weights, norms that multiply by 1 + w, hooks on modules that return tuples.

    Every kept value equals what hooks on the untouched model see in a whole sequence, in the model's own basis.
    """
    adapter = audited.adapter
    for pair in (EQUAL[0], UNEQUAL[5]):
        batch = Batch.of(replay, [pair])
        seen: dict[tuple[str, int], torch.Tensor] = {}
        handles = []
        for layer in range(adapter.n_layers):

            def before(_module, inputs, *, key, seen=seen):
                seen[key] = inputs[0][0].clone()

            def after(_module, _inputs, output, *, key, seen=seen):
                seen[key] = output[0].clone()

            for module, hook, kind in (
                (adapter.attention_outputs[layer], before, "heads"),
                (adapter.layers[layer], before, "entering"),
            ):
                handles.append(module.register_forward_pre_hook(with_key(hook, (kind, layer))))
            for module, kind in ((adapter.attention_outputs[layer], "attention"), (adapter.mlps[layer], "mlp")):
                handles.append(module.register_forward_hook(with_key(after, (kind, layer))))
        try:
            with torch.no_grad():
                audited.model(torch.tensor([pair.base]), use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        begin, end = pair.starts("difference")[0], len(pair.base)
        for (kind, layer), value in seen.items():
            kept = getattr(batch.base, kind)[layer][0, : end - begin]
            assert kept.numpy() == pytest.approx(value[begin:].numpy(), abs=1e-4, rel=1e-4), (kind, layer)


def with_key(hook, key):
    return lambda *given: hook(*given, key=key)


@pytest.mark.parametrize(("name", "adds_up"), [("llama", True), ("gpt2", True), ("gemma2", False), ("gemma3", False)])
def test_writes_of_two_heads_add_up_only_without_a_norm_behind_them(models, name, adds_up):
    """Trap: post-norms. There a head's write is not its share of the projection: the norm of the sum comes between.

    Heads are patched before the projection and the layer's own norm is applied to the new sum.
    """
    audited = models(name)
    replay = Replay(audited.adapter)
    batch = Batch.of(replay, EQUAL[:1])
    donor, width = batch.donor(), audited.adapter.head_dim

    def written(*heads: int) -> torch.Tensor:
        values = batch.base.heads[1].clone()
        for head in heads:
            columns = slice(head * width, (head + 1) * width)
            values[:, :, columns] = donor.heads[1][:, :, columns]
        attention = audited.adapter.attention_outputs[1](values)
        still = torch.zeros_like(batch.base.mlp[1])
        return replay.layer(1, batch.base.entering[1], batch.tails, attention=attention, mlp=still)

    with torch.no_grad():
        together = written(0, 1) - written()
        apart = (written(0) - written()) + (written(1) - written())
    gap = float((together - apart).abs().max() / together.abs().max())
    assert (gap < 1e-5) if adds_up else (gap > 1e-3)
    for heads in ((0,), (1,), (0, 1)):
        nodes = sum(one_node(audited, 1, head) for head in heads).astype(bool)
        expected = plain_margin(audited, EQUAL[0], nodes=nodes)
        assert float(patched_margins(batch, [nodes])[0, 0]) == pytest.approx(expected, abs=NEAR)


@pytest.mark.parametrize(("name", "sliding"), [("gemma3", (0, 1)), ("gemma2", (0, 2)), ("mistral", (0, 1, 2))])
def test_each_layer_keeps_its_own_window(models, name, sliding):
    """Trap: layers that see only so far back. Started again in the middle, each still sees as many keys as it did."""
    audited = models(name)
    pair = UNEQUAL[5]
    tails, _ = Replay(audited.adapter).tails([pair])
    last = int(tails.prompt[0]) - 1  # the query that answers are read from
    for layer, mask in enumerate(tails.masks):
        seen = int((mask[0, 0, last] == 0).sum())
        assert seen == (WINDOW if layer in sliding else len(pair.base)), layer


def test_each_layer_keeps_its_own_rotation(models):
    """Trap: Gemma 3 turns keys of sliding layers by another base than those of full ones."""
    tails, _ = Replay(models("gemma3").adapter).tails([EQUAL[4]])
    turns = [next(value for key, value in call.items() if "position_embeddings" in key) for call in tails.calls]
    assert torch.equal(turns[0][0], turns[1][0])
    assert not torch.allclose(turns[0][0], turns[2][0])


def test_capped_logits_are_capped_before_they_are_subtracted(models):
    """Trap: soft caps. Differences of capped logits are not those of uncapped ones, and attention is capped too."""
    audited = models("gemma2")
    replay = Replay(audited.adapter)
    batch = Batch.of(replay, PAIRS)
    assert batch.base.margins.numpy() == pytest.approx(plain_margins(audited, PAIRS).numpy(), abs=NEAR)
    uncapped = Replay(dataclasses.replace(audited.adapter, logit_cap=None)).margins(
        batch.base.entering[-1], batch.tails
    )
    assert float((uncapped - batch.base.margins).abs().max()) > 0.1
    single = [number for number, pair in enumerate(PAIRS) if not any(pair.continuations) and len(pair.answers[0]) == 1]
    assert len(single) > 3
    cap = audited.adapter.logit_cap
    assert float(batch.base.margins[single].abs().max()) <= 2 * cap
    assert audited.model.config._attn_implementation == "eager"  # the other implementations cannot cap scores


@pytest.mark.parametrize("name", ["gemma3", "qwen2", "gpt2"])
def test_tied_embeddings_are_neither_changed_nor_untied(models, name):
    """Trap: one matrix embeds and unembeds. What is patched or interpolated is its output, never the matrix."""
    audited = models(name)
    adapter = audited.adapter
    assert adapter.unembedding.weight is adapter.embedding.weight
    before = adapter.embedding.weight.detach().clone()
    batch = Batch.of(Replay(adapter), PAIRS)
    effects_of(batch, random_sets(audited, 2))
    batch.tails.embedded.add_(1.0)  # what the layers read is a copy
    assert torch.equal(adapter.embedding.weight, before)
    assert adapter.unembedding.weight is adapter.embedding.weight


def test_embeddings_enter_scaled_as_the_architecture_scales_them(models):
    """Trap: Gemma multiplies embeddings by the root of their width; a restart must not do it twice or not at all."""
    adapter = models("gemma3").adapter
    tails, _ = Replay(adapter).tails(EQUAL)
    expected = adapter.embedding.weight[tails.ids] * np.sqrt(32)  # hidden_size 32
    assert tails.embedded.numpy() == pytest.approx(expected.numpy(), rel=1e-5)


def test_padding_may_hold_anything(llama):
    """Trap: padding that is attended to, summed, or read as the last position.

    Batches fill up with token 0, which no pair holds. Whatever its embedding, not one bit of a margin changes.
    """
    weight = llama.adapter.embedding.weight
    assert all(0 not in (*pair.base, *pair.counterpart) for pair in PAIRS)
    replay, sets = Replay(llama.adapter), random_sets(llama, 3)
    batch = Batch.of(replay, PAIRS)
    assert not batch.tails.real.all()
    before, kept = patched_margins(batch, sets), weight[0].detach().clone()
    try:
        with torch.no_grad():
            weight[0] = 100 * torch.randn(len(kept), generator=torch.Generator().manual_seed(0))
        after = patched_margins(Batch.of(replay, PAIRS), sets)
    finally:
        with torch.no_grad():
            weight[0] = kept
    assert torch.equal(before, after)


def test_each_row_reads_its_own_last_position(audited, replay):
    """Trap: right padding and index -1. The first read position is the prompt's last token, however wide the row."""
    tails, _ = replay.tails(PAIRS)
    for row, pair in enumerate(PAIRS):
        reads = tails.reads[row].nonzero()[:, 0].tolist()
        assert int(tails.ids[row, reads[0]]) == pair.base[-1]
        assert tails.ids[row, reads[1:]].tolist() == [token for fed in pair.continuations for token in fed]
        assert int(tails.positions[row, reads[0]]) == len(pair.base) - 1


def test_what_both_prompts_end_with_lies_opposite_itself():
    """Trap: prompts of unequal length compared position by position from the left, one word against the next."""
    from audit.circuits.plain import donors

    for pair in PAIRS:
        opposite = donors(pair, len(pair.base))
        for place in range(len(pair.base) - pair.suffix, len(pair.base)):
            assert pair.base[place] == pair.counterpart[opposite[place]]
        assert all(place >= pair.starts("difference")[0] for place in opposite)  # the shared beginning is not patched


def test_positions_without_an_opposite_keep_their_own_values(audited, replay):
    """Trap: silent padding. A longer slot's first tokens have no donor: what stands there can be no number at all."""
    batch = Batch.of(replay, PAIRS)
    donor = batch.donor()
    holes = ~donor.matched[:, :, None]
    assert (holes.squeeze(-1) & batch.tails.real).any()
    nothing = Donor(
        heads=tuple(value.masked_fill(holes, float("nan")) for value in donor.heads),
        mlp=tuple(value.masked_fill(holes, float("nan")) for value in donor.mlp),
        matched=donor.matched,
    )
    sets = [*random_sets(audited, 2), all_nodes(audited)]
    assert torch.equal(patched_margins(batch, sets, donor=nothing), patched_margins(batch, sets))


def test_answers_with_the_same_first_token_differ_by_their_later_ones(llama):
    """Trap: metrics of the first token alone. Here it is the same, and all of the margin is in the second.

    Worked with the model's own logits: log P(7 | prompt 6) - log P(8 | prompt 6).
    """
    pair = made("same first token", 3, (1, 1), 3, (((6, 7),), ((6, 8),)))
    with torch.no_grad():
        logits = llama.model(torch.tensor([[*pair.base, 6]])).logits[0, -1]
    batch = Batch.of(Replay(llama.adapter), [pair])
    assert float(batch.base.margins[0]) == pytest.approx(float(logits[7] - logits[8]), abs=1e-5)
    assert abs(float(batch.base.margins[0])) > 0.01


def test_an_answer_of_more_tokens_pays_for_each_of_them(llama):
    """Trap: logits summed without their normalisers. log P(5) - log P(6) - log P(7 | 6), each a log-softmax."""
    pair = made("one against two", 3, (1, 1), 3, (((5,),), ((6, 7),)))
    with torch.no_grad():
        logits = llama.model(torch.tensor([[*pair.base, 6]])).logits[0]
    logps = torch.log_softmax(logits, dim=-1)
    by_hand = logps[-2, 5] - logps[-2, 6] - logps[-1, 7]
    batch = Batch.of(Replay(llama.adapter), [pair])
    assert float(batch.base.margins[0]) == pytest.approx(float(by_hand), abs=1e-5)


def test_alternatives_do_not_see_each_other(audited, replay):
    """Trap: answers side by side in one row. Each one's probability is what it is without the others."""
    several = made("several", 4, (2, 1), 3, (((5, 6, 7), (8, 9)), ((6, 5), (9, 9, 5))))
    sets = random_sets(audited, 2)
    together = patched_margins(Batch.of(replay, [several]), sets)
    reference = (6,)  # of the same prompt, in every row: log-odds of each alternative against it
    odds = []
    for alternatives in several.answers:
        alone = [dataclasses.replace(several, answers=((one,), (reference,))) for one in alternatives]
        odds.append(torch.logsumexp(patched_margins(Batch.of(replay, alone), sets), dim=1))
    assert together[:, 0].numpy() == pytest.approx((odds[0] - odds[1]).numpy(), abs=NEAR)


def test_an_effect_is_the_base_minus_the_patched_base(llama):
    """Trap: signs. m(base) - m(base with the counterpart's nodes): positive where the nodes held the margin up."""
    batch = Batch.of(Replay(llama.adapter), EQUAL)
    sets = random_sets(llama, 2)
    by_hand = [[plain_margin(llama, pair) - plain_margin(llama, pair, nodes=nodes) for pair in EQUAL] for nodes in sets]
    assert effects_of(batch, sets).numpy() == pytest.approx(np.array(by_hand), abs=NEAR)
    total = [plain_margin(llama, pair) - plain_margin(llama, pair.turned()) for pair in EQUAL]
    assert batch.effects.numpy() == pytest.approx(np.array(total), abs=NEAR)


def test_patching_into_the_base_and_into_the_counterpart_are_two_numbers(llama):
    """Trap: noising and denoising taken for one. The nodes' share differs, only the total effect is the same."""
    replay, sets = Replay(llama.adapter), random_sets(llama, 2)
    one = effects_of(Batch.of(replay, EQUAL), sets)
    other = -effects_of(Batch.of(replay, [pair.turned() for pair in EQUAL]), sets)
    assert float((one - other).abs().max()) > 0.01


def test_a_pair_without_a_difference_has_effects_of_nothing_not_of_rounding(llama):
    """Trap: shares of an effect that is not there. Every effect is a true zero, so a rule can find and drop them."""
    same = Pair(item="same", base=(20, 21, 22), counterpart=(20, 21, 22), answers=(((5,),), ((6, 7),)))
    batch = Batch.of(Replay(llama.adapter), [same])
    assert float(batch.effects[0]) == 0.0
    assert effects_of(batch, [*random_sets(llama, 3), all_nodes(llama)]).numpy() == pytest.approx(0, abs=2e-6)


def test_recorded_values_do_not_follow_later_runs(audited, replay):
    """Trap: caches that are views, or patches written in place: a record changes when the next batch is run."""
    batch = Batch.of(replay, EQUAL)
    record = batch.base
    before = [value.clone() for kind in (record.heads, record.mlp, record.attention, record.entering) for value in kind]
    patched_margins(Batch.of(replay, UNEQUAL), random_sets(audited, 2))
    donor = batch.donor()
    donor.heads[0].zero_()
    donor.mlp[0].zero_()
    after = [value for kind in (record.heads, record.mlp, record.attention, record.entering) for value in kind]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert float(batch.counterpart.heads[0].abs().max()) > 0


def test_an_architecture_whose_layers_share_keys_or_take_no_cache_is_refused(llama):
    """Trap: hooks silently ignored. What the engine cannot restart it refuses by name."""
    from audit.errors import ModelError

    class Bare(torch.nn.Module):
        def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
            return hidden_states

    assert "past_key_values" not in inspect.signature(Bare.forward).parameters
    bare = dataclasses.replace(
        llama.adapter, layers=(Bare(), *llama.adapter.layers[1:]), architecture="BareForCausalLM"
    )
    with pytest.raises(ModelError, match=r"^BareForCausalLM: .*no key-value cache"):
        Replay(bare)
