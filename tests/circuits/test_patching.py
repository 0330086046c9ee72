"""The fast engine against its slow twin, and the laws that patched margins obey."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.circuits import patching
from audit.circuits.pairs import Pair, batches
from audit.circuits.patching import Batch, Donor, check, effects_of, patched_margins, single_nodes, sufficiency_of
from audit.circuits.plain import donors, plain_effects, plain_margin, plain_margins
from audit.circuits.replay import Replay, answering
from audit.errors import ModelError
from tests.circuits.conftest import EVERY
from tests.circuits.shapes import (
    EQUAL,
    PAIRS,
    SEVERAL,
    UNEQUAL,
    all_nodes,
    made,
    no_nodes,
    one_node,
    random_sets,
)

NEAR = 1e-4  # nats: float32 sums in another order
# Hypothesis runs one model many times; models are made once and never change.
GENERATED = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def near(expected: torch.Tensor, *, within: float = NEAR):
    return pytest.approx(expected.numpy(), abs=within)


# --- fast equals slow ------------------------------------------------------------------------


def test_margins_equal_those_of_whole_sequences(audited, replay):
    """All shapes in one batch: other prefixes, other lengths, answers of one to three tokens."""
    batch = Batch.of(replay, PAIRS)
    assert batch.base.margins.numpy() == near(plain_margins(audited, PAIRS))
    assert batch.counterpart.margins.numpy() == near(plain_margins(audited, [pair.turned() for pair in PAIRS]))


def test_every_single_node_equals_a_plain_forward_of_it(audited, replay):
    pairs = (EQUAL[2], UNEQUAL[1], UNEQUAL[5])  # alternatives; unequal slots; beyond the window
    sets = single_nodes(audited.adapter.n_layers, audited.adapter.n_heads)
    found = effects_of(Batch.of(replay, pairs), sets)
    expected = plain_effects(audited, pairs, sets)
    assert found.numpy() == near(expected)
    assert float(expected.abs().max()) > 100 * NEAR  # the nodes do something


def test_random_sets_and_their_complements_equal_plain_forwards(audited, replay):
    few = random_sets(audited, 2)
    sets = [*few, *(~nodes for nodes in few)]
    found = effects_of(Batch.of(replay, PAIRS), sets)
    assert found.numpy() == near(plain_effects(audited, PAIRS, sets))


def test_what_a_set_alone_brings_back_is_what_the_counterpart_gains_by_it_in_plain_forwards(audited, replay):
    """m(counterpart with the set from the base) - m(counterpart): the turned pair's loss with its sign changed."""
    pairs = [*EQUAL[:2], UNEQUAL[1]]
    sets = [no_nodes(audited), *random_sets(audited, 2, seed=3), all_nodes(audited)]
    batch = Batch.of(replay, pairs)
    found = sufficiency_of(batch, sets)
    assert found.numpy() == near(-plain_effects(audited, [pair.turned() for pair in pairs], sets))
    assert found[0].tolist() == [0.0] * len(pairs)


def test_patching_at_the_last_position_alone_equals_plain_forwards(audited, replay):
    """Continuations of the answers count as last positions too: an answer's later tokens are predicted there."""
    sets = [*random_sets(audited, 2, seed=1), all_nodes(audited)]
    found = effects_of(Batch.of(replay, PAIRS, start="last"), sets)
    assert found.numpy() == near(plain_effects(audited, PAIRS, sets, start="last"))


tokens = st.lists(st.integers(10, 30), max_size=6).map(tuple)  # few kinds of tokens: slots, prefix and suffix meet
answers = st.lists(st.lists(st.integers(5, 9), min_size=1, max_size=3).map(tuple), min_size=1, max_size=3, unique=True)


@st.composite
def any_pairs(draw) -> Pair:
    prefix, suffix, one, other = (draw(tokens) for _ in range(4))
    base, counterpart = prefix + one + suffix, prefix + other + suffix
    if not base or base == counterpart:
        base = (*base, 31)
    if not counterpart:
        counterpart = (32,)
    return Pair(item="any", base=base, counterpart=counterpart, answers=(tuple(draw(answers)), tuple(draw(answers))))


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
@GENERATED
@given(pairs=st.lists(any_pairs(), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_any_pairs_in_any_company_equal_plain_forwards(models, name, pairs, seed):
    """Also where slot and context share tokens, so that the first difference is not where the slot was written."""
    audited = models(name)
    sets = [random_sets(audited, 3, seed=seed)[seed % 3]]
    found = effects_of(Batch.of(Replay(audited.adapter), pairs), sets)
    assert found.numpy() == near(plain_effects(audited, pairs, sets))


# --- laws ------------------------------------------------------------------------------------


def test_no_node_patched_is_the_base(audited, replay):
    batch = Batch.of(replay, PAIRS)
    assert torch.equal(patched_margins(batch, [no_nodes(audited)])[0], batch.base.margins)


def test_all_nodes_of_equally_long_prompts_carry_the_whole_effect(audited, replay):
    """What follows the slot has the counterpart's tokens already: with its nodes' values it is the counterpart."""
    batch = Batch.of(replay, EQUAL)
    (carried,) = effects_of(batch, [all_nodes(audited)])
    assert carried.numpy() == near(batch.effects)


def test_all_nodes_of_unequal_prompts_carry_the_whole_effect(models):
    """A token's embedding does not know its place: what the layers add is all that differs, and it is the donor's."""
    for name in (name for name in EVERY if name != "gpt2"):
        audited = models(name)
        batch = Batch.of(Replay(audited.adapter), UNEQUAL)
        (carried,) = effects_of(batch, [all_nodes(audited)])
        assert carried.numpy() == near(batch.effects), name


def test_learned_positions_of_unequal_prompts_are_carried_by_no_node(models):
    """They are added to the embedding, which is not patched: some of the effect is left behind, and twin agrees."""
    audited = models("gpt2")
    batch = Batch.of(Replay(audited.adapter), UNEQUAL)
    (carried,) = effects_of(batch, [all_nodes(audited)])
    assert float((carried - batch.effects).abs().min()) > 10 * NEAR
    assert carried.numpy() == near(plain_effects(audited, UNEQUAL, [all_nodes(audited)])[0])


def test_patching_the_bases_own_values_changes_nothing(audited, replay):
    batch = Batch.of(replay, PAIRS)
    own = Donor(heads=batch.base.heads, mlp=batch.base.mlp, matched=batch.tails.real)
    for margins in patched_margins(batch, [*random_sets(audited, 3), all_nodes(audited)], donor=own):
        assert margins.numpy() == near(batch.base.margins, within=2e-5)


def test_a_batch_equals_its_pairs_one_by_one(audited, replay):
    sets = random_sets(audited, 3)
    together = effects_of(Batch.of(replay, PAIRS), sets)
    alone = torch.cat([effects_of(Batch.of(replay, [pair]), sets) for pair in PAIRS], dim=1)
    assert together.numpy() == near(alone, within=2e-5)


def test_the_order_of_sets_does_not_matter(audited, replay):
    batch = Batch.of(replay, PAIRS)
    sets = [*random_sets(audited, 5), no_nodes(audited), *single_nodes(3, audited.adapter.n_heads)[::4]]
    order = np.random.default_rng(0).permutation(len(sets))
    shuffled = patched_margins(batch, [sets[number] for number in order])
    assert shuffled.numpy() == near(patched_margins(batch, sets)[order.tolist()], within=2e-5)


@pytest.mark.parametrize("size", [1, 30, 100])  # less than one row; less than one set; some rows
def test_the_size_of_chunks_does_not_matter(llama, monkeypatch, size):
    batch = Batch.of(Replay(llama.adapter), PAIRS)
    sets = [*random_sets(llama, 4), no_nodes(llama), *single_nodes(3, 4)]
    whole = patched_margins(batch, sets)
    chunked_at = patching._Walk._chunks

    def small_chunks(self, first, last, tokens=size):
        return chunked_at(self, first, last, tokens=min(tokens, size))

    monkeypatch.setattr(patching, "CHUNK_TOKENS", size)
    monkeypatch.setattr(patching, "WALK_TOKENS", 3 * batch.tails.ids.numel())
    monkeypatch.setattr(patching._Walk, "_chunks", small_chunks)
    assert patched_margins(batch, sets).numpy() == near(whole, within=2e-5)


def test_how_pairs_are_batched_does_not_matter(llama):
    sets = random_sets(llama, 3)
    found = {}
    for most_tokens in (1, 40, 4000):
        effects = {}
        for some in batches(PAIRS, most_tokens=most_tokens):
            columns = effects_of(Batch.of(Replay(llama.adapter), some), sets).T
            effects |= {pair.item: column for pair, column in zip(some, columns, strict=True)}
        found[most_tokens] = torch.stack([effects[pair.item] for pair in PAIRS])
    assert found[1].numpy() == near(found[4000], within=2e-5)
    assert found[40].numpy() == near(found[4000], within=2e-5)


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2", "mistral"])
def test_sharing_the_prefix_changes_no_number(models, name):
    """start="whole" runs all tokens, start="difference" takes what comes before the difference from a cache."""
    audited = models(name)
    replay, sets = Replay(audited.adapter), [*random_sets(audited, 3), all_nodes(audited)]
    whole, shared = (effects_of(Batch.of(replay, PAIRS, start=start), sets) for start in ("whole", "difference"))
    assert whole.numpy() == near(shared)


def test_the_turned_pair_has_the_opposite_effect(audited, replay):
    one, other = Batch.of(replay, PAIRS), Batch.of(replay, [pair.turned() for pair in PAIRS])
    assert other.effects.numpy() == near(-one.effects, within=2e-5)
    assert [pair.turned().turned() for pair in PAIRS] == list(PAIRS)


def test_swapped_answers_turn_the_sign_of_every_effect(llama):
    swapped = [Pair(item=p.item, base=p.base, counterpart=p.counterpart, answers=p.answers[::-1]) for p in PAIRS]
    sets, replay = random_sets(llama, 3), Replay(llama.adapter)
    assert effects_of(Batch.of(replay, swapped), sets).numpy() == near(-effects_of(Batch.of(replay, PAIRS), sets))


def test_nodes_after_which_nothing_follows_but_the_answer_add_up_without_a_norm_between(llama):
    """Worked by hand on the last MLP: its effect is the final norm and unembedding of base stream + its difference."""
    pair = made("by hand", 3, (1, 1), 2)
    replay = Replay(llama.adapter)
    batch = Batch.of(replay, [pair])
    stream = batch.base.entering[-1][0, -1] - batch.base.mlp[-1][0, -1] + batch.counterpart.mlp[-1][0, -1]
    normed = llama.model.model.norm(stream)
    by_hand = normed @ (llama.model.lm_head.weight[5] - llama.model.lm_head.weight[6])
    (found,) = patched_margins(batch, [one_node(llama, 2, -1)])
    assert float(found[0]) == pytest.approx(float(by_hand), abs=2e-5)


# --- what it leaves behind -------------------------------------------------------------------


def untouched(audited) -> tuple[list[str], dict[str, torch.Tensor], torch.Tensor]:
    """Names of modules with a forward of their own, all weights and buffers, and the logits of a text."""
    own = [name for name, module in audited.model.named_modules() if "forward" in module.__dict__]
    with torch.no_grad():
        logits = audited.model(torch.arange(3, 23)[None], use_cache=False).logits
    return own, copy.deepcopy(audited.model.state_dict()), logits


def assert_untouched(audited, before) -> None:
    own, weights, logits = untouched(audited)
    assert own == before[0] == []
    assert all(torch.equal(weights[name], value) for name, value in before[1].items())
    assert torch.equal(logits, before[2])
    hooks = [m for m in audited.model.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooks == []


def test_patching_leaves_the_model_as_it_was(audited):
    before = untouched(audited)
    batch = Batch.of(Replay(audited.adapter), PAIRS)
    effects_of(batch, random_sets(audited, 2))
    plain_margin(audited, PAIRS[0], nodes=all_nodes(audited))
    assert_untouched(audited, before)


def test_a_failure_in_the_middle_leaves_the_model_as_it_was(audited, replay):
    before = untouched(audited)
    batch = Batch.of(replay, EQUAL)
    donor = batch.donor()
    broken = Donor(heads=(*donor.heads[:-1], donor.heads[-1][:, :1, :3]), mlp=donor.mlp, matched=donor.matched)
    with pytest.raises(RuntimeError):
        patched_margins(batch, [all_nodes(audited)], donor=broken)
    assert_untouched(audited, before)


def test_a_forward_that_a_module_had_of_its_own_comes_back():
    """Libraries that spread a model over devices put one there."""
    module = torch.nn.Identity()
    own = lambda x: x + 1  # noqa: E731
    module.forward = own
    with answering(module, lambda x: x + 2):
        assert float(module(torch.zeros(()))) == 2
    assert module.forward is own


def test_records_and_donors_are_not_written_to(audited, replay):
    batch = Batch.of(replay, PAIRS)
    donor = batch.donor()
    values = [*batch.base.heads, *batch.base.mlp, *batch.base.attention, *batch.base.entering, *batch.counterpart.heads]
    values += [*batch.counterpart.mlp, *donor.heads, *donor.mlp, *batch.tails.prefix_keys, *batch.tails.prefix_values]
    before = [value.clone() for value in values]
    first = patched_margins(batch, random_sets(audited, 3), donor=donor)
    assert all(torch.equal(value, kept) for value, kept in zip(values, before, strict=True))
    assert torch.equal(patched_margins(batch, random_sets(audited, 3), donor=donor), first)


# --- the check before numbers are believed ---------------------------------------------------


def test_a_batch_that_agrees_with_plain_forwards_is_accepted(audited, replay):
    check(Batch.of(replay, PAIRS), plain_margins(audited, PAIRS))


@pytest.mark.parametrize("wrong", [0.01, -0.01, float("nan")])
def test_a_batch_that_disagrees_is_refused_by_the_name_of_its_pair(llama, wrong):
    plain = plain_margins(llama, EQUAL)
    plain[3] += wrong
    with pytest.raises(ModelError, match="difference at the first token"):
        check(Batch.of(Replay(llama.adapter), EQUAL), plain)


# --- the twin itself -------------------------------------------------------------------------


def test_positions_answer_to_each_other_from_the_right():
    """Prefix 2, slots of 3 and 1, suffix 2, one token of an answer: only the slot's last token has one opposite.

    base         0 1 | 2 3 4 | 5 6 | 7
    counterpart  0 1 |     2 | 3 4 | 5
    """
    pair = made("worked", 2, (3, 1), 2)
    assert donors(pair, 8) == donors(pair, 8, start="whole") == {4: 2, 5: 3, 6: 4, 7: 5}
    assert donors(pair.turned(), 6) == {2: 4, 3: 5, 4: 6, 5: 7}
    assert donors(pair, 8, start="last") == {6: 4, 7: 5}


def test_without_a_slot_only_the_suffix_has_opposites():
    pair = made("worked", 2, (0, 2), 2)  # base 0 1 | 2 3, counterpart 0 1 | 2 3 | 4 5
    assert donors(pair, 4) == {2: 4, 3: 5}
    assert donors(pair.turned(), 6) == {4: 2, 5: 3}


def test_the_twins_margin_is_the_models_own_log_probabilities(llama):
    """Worked with logits: alternatives are added up as probabilities, tokens of an answer multiplied."""
    pair = made("worked", 2, (1, 1), 2, SEVERAL)

    def p(*answer: int) -> float:
        with torch.no_grad():
            logits = llama.model(torch.tensor([[*pair.base, *answer]])).logits[0]
        probabilities = torch.softmax(logits.double(), dim=-1)
        places = range(len(pair.base) - 1, len(pair.base) - 1 + len(answer))
        return float(np.prod([float(probabilities[i, token]) for i, token in zip(places, answer, strict=True)]))

    by_hand = np.log(p(5) + p(6, 7)) - np.log(p(8) + p(9, 5) + p(7, 8, 9))
    assert plain_margin(llama, pair) == pytest.approx(by_hand, abs=1e-5)


def test_the_twin_patches_all_of_the_counterpart_too(audited):
    """The twin is held to the same law: nothing but the difference of the prompts is left out."""
    for pair in (EQUAL[1], EQUAL[4]):
        assert plain_margin(audited, pair, nodes=all_nodes(audited)) == pytest.approx(
            plain_margin(audited, pair.turned()), abs=NEAR
        )
