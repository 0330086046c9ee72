"""Mean ablation: what is averaged, and what is lost when nodes are set to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from audit.circuits.means import ANSWER, SLOT, SUFFIX, mean_ablated_effects, means_of, roles_of
from audit.circuits.pairs import Pair
from audit.circuits.patching import Batch
from audit.circuits.plain import plain_margins
from audit.circuits.replay import Replay
from audit.models import AuditedModel
from audit.models.spelling import Ids
from tests.circuits.shapes import AT_THE_END, EQUAL, ONE_AND_THREE, PAIRS, SEVERAL, UNEQUAL, all_nodes, made, no_nodes
from tests.circuits.shapes import random_sets as some_sets

Values = tuple[list[torch.Tensor], list[torch.Tensor]]  # by layer: heads, MLP; rows are roles

# --- the slow and obvious twin -------------------------------------------------------------------


def role(pair: Pair, prompt: Ids, position: int) -> int | None:
    """By counting: before the difference none, then the slot, the common ending, and what follows the prompt."""
    if position >= len(prompt):
        return ANSWER
    if position >= len(prompt) - pair.suffix:
        return SUFFIX
    return SLOT if position >= min(pair.shared, len(prompt) - 1) else None


@contextmanager
def changing(audited: AuditedModel, change: Any) -> Iterator[None]:
    """Let `change(what, layer, value)` see, and replace, what every node of one sequence gives."""
    adapter = audited.adapter
    with ExitStack() as hooks:
        for layer in range(adapter.n_layers):

            def heads(_module: Any, inputs: Any, *, layer: int = layer) -> Any:
                return (change("heads", layer, inputs[0][0])[None], *inputs[1:])

            def mlp(_module: Any, _inputs: Any, output: torch.Tensor, *, layer: int = layer) -> torch.Tensor:
                return change("mlp", layer, output[0])[None]

            hooks.callback(adapter.attention_outputs[layer].register_forward_pre_hook(heads).remove)
            hooks.callback(adapter.mlps[layer].register_forward_hook(mlp).remove)
        yield


@torch.no_grad()
def plain_means(audited: AuditedModel, pairs: Sequence[Pair]) -> Values:
    """Each prompt once, then each continuation after its prompt: every token from the difference on counts once."""
    kept: dict[tuple[str, int, int], list[torch.Tensor]] = {}
    for pair in pairs:
        for prompt in (pair.base, pair.counterpart):
            for after in ((), *(one for one in pair.continuations if one)):

                def see(what: str, layer: int, value: torch.Tensor) -> torch.Tensor:
                    for position in range(len(prompt) if after else 0, len(prompt + after)):  # noqa: B023
                        if (of := role(pair, prompt, position)) is not None:  # noqa: B023
                            kept.setdefault((what, layer, of), []).append(value[position].double())
                    return value

                with changing(audited, see):
                    audited.model(torch.tensor([prompt + after]), use_cache=False)
    width = {what: next(many[0] for (name, *_), many in kept.items() if name == what) for what in ("heads", "mlp")}

    def mean(what: str, layer: int) -> torch.Tensor:
        rows = [kept.get((what, layer, of), [torch.zeros_like(width[what])]) for of in range(3)]
        return torch.stack([torch.stack(many).mean(dim=0) for many in rows])

    layers = range(audited.adapter.n_layers)
    return [mean("heads", layer) for layer in layers], [mean("mlp", layer) for layer in layers]


@torch.no_grad()
def plain_ablated(audited: AuditedModel, pair: Pair, prompt: Ids, nodes: np.ndarray, means: Values) -> float:
    """The margin after one prompt with nodes set to their means, one forward per alternative."""
    dim = audited.adapter.head_dim

    def ablate(what: str, layer: int, value: torch.Tensor) -> torch.Tensor:
        out = value.clone()
        for position in range(len(value)):
            of = role(pair, prompt, position)
            if of is None:
                continue
            if what == "mlp" and nodes[layer, -1]:
                out[position] = means[1][layer][of]
            for head in np.flatnonzero(nodes[layer, :-1]) if what == "heads" else ():
                columns = slice(head * dim, (head + 1) * dim)
                out[position, columns] = means[0][layer][of, columns].to(out.dtype)
        return out

    sums = []
    for alternatives in pair.answers:
        logps = []
        for answer in alternatives:
            with changing(audited, ablate):
                logits = audited.model(torch.tensor([prompt + answer]), use_cache=False).logits[0].double()
            read = torch.log_softmax(logits, dim=-1)
            logps.append(sum(read[len(prompt) + n - 1, token] for n, token in enumerate(answer)))
        sums.append(torch.logsumexp(torch.stack(logps), dim=0))
    return float(sums[0] - sums[1])


# --- what is averaged ----------------------------------------------------------------------------

TWO = (made("one", 4, (2, 3), 2, ONE_AND_THREE), made("two", 6, (1, 1), 3))


def test_roles_of_a_batch_worked_by_hand(llama):
    """Tails: slot 2, suffix 2, continuation 2 (of an answer of three tokens); slot 1, suffix 3, then padding."""
    batch = Batch.of(Replay(llama.adapter), TWO)
    s, x, a = SLOT, SUFFIX, ANSWER
    assert roles_of(batch.tails)[batch.tails.real].tolist() == [s, s, x, x, a, a, s, x, x, x]
    other = batch.counterpart_tails
    assert roles_of(other)[other.real].tolist() == [s, s, s, x, x, a, a, s, x, x, x]


def test_the_mean_of_a_role_is_over_its_tokens_in_both_prompts_of_every_pair(llama):
    """Slots: 2 + 3 + 1 + 1 tokens; endings: twice 2 + 3; answers: twice 2. Read off the recorded values one by one."""
    batch = Batch.of(Replay(llama.adapter), TWO)
    means = means_of([batch])
    base, other = batch.base.mlp[1], batch.counterpart.mlp[1]
    slot = [base[0, 0], base[0, 1], other[0, 0], other[0, 1], other[0, 2], base[1, 0], other[1, 0]]
    suffix = [base[0, 2], base[0, 3], other[0, 3], other[0, 4], *base[1, 1:4], *other[1, 1:4]]
    answer = [base[0, 4], base[0, 5], other[0, 5], other[0, 6]]
    for of, tokens in ((SLOT, slot), (SUFFIX, suffix), (ANSWER, answer)):
        torch.testing.assert_close(means.mlp[1][of], torch.stack(tokens).mean(dim=0))


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt2", "gpt_neox"])
def test_means_are_those_of_whole_sequences_run_one_by_one(models, architecture):
    audited = models(architecture)
    pairs = (*TWO, EQUAL[2], UNEQUAL[0], AT_THE_END[0])
    means, (heads, mlp) = means_of([Batch.of(Replay(audited.adapter), pairs)]), plain_means(audited, pairs)
    for fast, slow in zip((*means.heads, *means.mlp), (*heads, *mlp), strict=True):
        torch.testing.assert_close(fast.double(), slow, atol=2e-5, rtol=1e-4)


def test_how_pairs_are_batched_changes_no_mean(llama):
    replay = Replay(llama.adapter)
    together = means_of([Batch.of(replay, PAIRS)])
    apart = means_of([Batch.of(replay, [pair]) for pair in reversed(PAIRS)])
    for one, other in zip((*together.heads, *together.mlp), (*apart.heads, *apart.mlp), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_role_that_no_token_has_is_zero_and_asked_for_by_none(llama):
    batch = Batch.of(Replay(llama.adapter), [EQUAL[0]])  # answers of one token: nothing is fed of them
    means = means_of([batch])
    assert not any(value[ANSWER].any() for value in (*means.heads, *means.mlp))
    assert (roles_of(batch.tails)[batch.tails.real] != ANSWER).all()


# --- what is lost --------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt2", "gpt_neox"])
def test_the_effect_lost_is_that_of_whole_sequences_ablated_one_by_one(models, architecture):
    audited = models(architecture)
    pairs = (EQUAL[1], UNEQUAL[0], UNEQUAL[3], AT_THE_END[2])
    means, slow = means_of([batch := Batch.of(Replay(audited.adapter), pairs)]), plain_means(audited, pairs)
    sets = some_sets(audited, 3)
    lost = mean_ablated_effects(batch, sets, means)
    for number, nodes in enumerate(sets):
        for column, pair in enumerate(pairs):
            base, other = (
                plain_ablated(audited, pair, prompt, nodes, slow) for prompt in (pair.base, pair.counterpart)
            )
            expected = float(batch.effects[column]) - (base - other)
            assert float(lost[number, column]) == pytest.approx(expected, abs=3e-4), pair.item


def test_with_every_node_at_its_mean_nothing_of_the_effect_is_left_behind_a_common_ending(audited, replay):
    """Where answers are read both prompts have the same token and then the same means: all of the effect is lost.

    So for slots of equal length in every model, and of any length where positions are no part of the stream.
    """
    pairs = EQUAL if audited.record.architecture.startswith("GPT2") else (*EQUAL, *UNEQUAL)
    batch = Batch.of(replay, pairs)
    lost = mean_ablated_effects(batch, [all_nodes(audited)], means_of([batch]))[0]
    torch.testing.assert_close(lost, batch.effects, atol=2e-4, rtol=1e-4)
    assert batch.effects.abs().max() > 0.1


def test_with_the_slot_at_the_end_the_embedding_is_left(llama):
    """The last token of the slot is read itself; its embedding is no node."""
    batch = Batch.of(Replay(llama.adapter), AT_THE_END[:3])
    lost = mean_ablated_effects(batch, [all_nodes(llama)], means_of([batch]))[0]
    assert ((lost - batch.effects).abs() > 0.01).all()


def test_no_node_at_its_mean_loses_nothing(audited, replay):
    batch = Batch.of(replay, PAIRS)
    lost = mean_ablated_effects(batch, [no_nodes(audited)], means_of([batch]))
    torch.testing.assert_close(lost, torch.zeros_like(lost), atol=1e-6, rtol=0)


def test_which_prompt_is_called_the_base_turns_the_sign_alone(llama):
    batch = Batch.of(Replay(llama.adapter), (*EQUAL, *UNEQUAL))
    means, turned = means_of([batch]), means_of([batch.turned()])
    for one, other in zip((*means.heads, *means.mlp), (*turned.heads, *turned.mlp), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    sets = some_sets(llama, 4)
    lost, back = mean_ablated_effects(batch, sets, means), mean_ablated_effects(batch.turned(), sets, means)
    torch.testing.assert_close(lost, -back)


def test_ablating_changes_nothing_in_the_model(llama):
    before = plain_margins(llama, PAIRS)
    batch = Batch.of(Replay(llama.adapter), (made("x", 3, (2, 2), 2, SEVERAL),))
    mean_ablated_effects(batch, some_sets(llama, 3), means_of([batch]))
    assert torch.equal(plain_margins(llama, PAIRS), before)
