"""Screening estimates what patching measures: exact where the rest is linear, first-order everywhere."""

from __future__ import annotations

import pytest
import torch

from audit.circuits.patching import Batch, effects_of, single_nodes
from audit.circuits.replay import Replay
from audit.circuits.screening import screen
from tests.circuits.shapes import EQUAL, PAIRS, UNEQUAL


def exact_of(batch: Batch) -> torch.Tensor:
    adapter = batch.replay.adapter
    sets = single_nodes(adapter.n_layers, adapter.n_heads)
    return effects_of(batch, sets).T.view(len(batch.pairs), adapter.n_layers, -1)


def test_the_estimate_is_the_effect_to_first_order(audited, replay):
    """A counterpart that is the base but for a small step e: estimate and effect differ by about e squared."""
    batch = Batch.of(replay, EQUAL[:3])
    errors = []
    for step in (1e-1, 1e-2):
        near = nearly(replay, batch, step)
        errors.append(float((screen(near, steps=1) - exact_of(near)).abs().max()) / step)
    # Halved or better by a step ten times smaller: a first-order estimate with any wrong term would keep its error.
    assert errors[1] < 0.5 * errors[0] or errors[1] < 2e-3


def nearly(replay: Replay, batch: Batch, step: float) -> Batch:
    """The batch with a counterpart whose embeddings are a step from the base's towards the counterpart's own."""
    from dataclasses import replace

    from audit.circuits.patching import record

    embedded = batch.tails.embedded + step * (batch.counterpart_tails.embedded - batch.tails.embedded)
    tails = replace(batch.tails, embedded=embedded)
    return replace(batch, counterpart_tails=tails, counterpart=record(replay, tails))


def test_a_pairs_estimate_does_not_depend_on_its_company(audited, replay):
    """Pairs of equal and of unequal slots go by different formulas; each keeps its own in a mixed batch."""
    together = screen(Batch.of(replay, PAIRS))
    for row, pair in enumerate(PAIRS):
        alone = screen(Batch.of(replay, [pair]))[0]
        torch.testing.assert_close(together[row], alone, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("pairs", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
def test_nodes_of_the_last_mlp_are_estimated_with_the_right_sign(llama, pairs):
    """Behind the last MLP there is only a norm: where its effect is not small, the estimate has its sign."""
    batch = Batch.of(Replay(llama.adapter), pairs)
    estimate, exact = screen(batch)[:, -1, -1], exact_of(batch)[:, -1, -1]
    large = exact.abs() > 0.2 * exact.abs().max()
    assert bool((estimate.sign() == exact.sign())[large].all())
    assert bool(large.any())


def test_prompts_that_do_not_differ_after_the_first_difference_have_no_estimate(llama):
    """Equal runs: nothing to attribute, and it is zero to the bit."""
    replay = Replay(llama.adapter)
    batch = Batch.of(replay, EQUAL)
    same = type(batch)(replay, batch.pairs, batch.tails, batch.base, batch.tails, batch.base)
    assert float(screen(same).abs().max()) == 0.0


def test_screening_leaves_no_gradient_behind(audited, replay):
    screen(Batch.of(replay, PAIRS))
    assert all(parameter.grad is None for parameter in audited.model.parameters())
