"""States, pushes and set latents, each against the slow and obvious way: whole sequences, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.features.activations import Asked, all_states, edited_logps, filled, first_token, last_states
from audit.features.steering import Choice, Setting, choice_of, latents_set, pulls, random_directions, steered_margins
from audit.models import AuditedModel

LAYER = 1
TEXTS = ("the", "the cat and the dog", "in a house", "a", "the dog is in the house and on the way", "on it")


class Coder:
    """A TopK SAE of random directions."""

    def __init__(self, width: int, n_latents: int = 64) -> None:
        self.directions = torch.randn(n_latents, width, generator=torch.Generator().manual_seed(0))
        self.directions /= self.directions.norm(dim=1, keepdim=True)

    def encode(self, resid: torch.Tensor) -> torch.Tensor:
        values = (resid @ self.directions.T).relu()
        kept = values.topk(8, dim=1)
        return torch.zeros_like(values).scatter(1, kept.indices, kept.values)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents @ self.directions


@pytest.fixture
def ids(audited: AuditedModel) -> list[tuple[int, ...]]:
    return [audited.encode(text) for text in TEXTS]


def slowly(audited: AuditedModel, text: tuple[int, ...], edit=None) -> tuple[torch.Tensor, torch.Tensor]:
    """States after the layer and logits of one text, by transformers alone; `edit` changes the states."""
    seen = []

    def hook(_module, _inputs, output):
        states = output if isinstance(output, torch.Tensor) else output[0]
        if edit is not None:
            states = edit(states.clone())
        seen.append(states)
        return states if isinstance(output, torch.Tensor) else (states, *output[1:])

    handle = audited.adapter.layers[LAYER].register_forward_hook(hook)
    try:
        logits = audited.model(torch.tensor([text]), use_cache=False).logits[0]
    finally:
        handle.remove()
    return seen[0][0], logits


def test_texts_read_together_give_what_each_gives_alone(audited, ids):
    together, apart = last_states(audited, LAYER, ids), [slowly(audited, one)[0] for one in ids]
    assert together == pytest.approx(torch.stack([states[-1] for states in apart]).numpy(), abs=1e-4)
    for found, states in zip(all_states(audited, LAYER, ids), apart, strict=True):
        assert found == pytest.approx(states[first_token(audited) :].numpy(), abs=1e-4)


def test_the_order_of_texts_changes_nothing(audited, ids):
    assert torch.equal(last_states(audited, LAYER, ids).flip(0), last_states(audited, LAYER, ids[::-1]))


def test_a_row_is_filled_up_on_the_right():
    assert filled([(1, 2), (3, 4, 5)], device="cpu").tolist() == [[1, 2, 2], [3, 4, 5]]


def test_no_hook_is_left_behind(audited, ids):
    last_states(audited, LAYER, ids)
    pulls(audited, LAYER, [choice_of(one, (5,), (6,)) for one in ids])
    assert not audited.adapter.layers[LAYER]._forward_hooks


def test_a_slope_is_what_small_steps_give(audited, ids):
    """(m(+h) - m(-h)) / 2h of whole runs with the push added at every token after BOS.

    In float64, but Gemma's norms round to float32 all the same: a step of 0.01 leaves an error of some 1e-5.
    """
    model = audited.model.double()
    try:
        # Every other label has a first token that both share; it is not pushed.
        choices = [Choice(prompt=one, shared=(7,) * (n % 2), labels=(40, 41)) for n, one in enumerate(ids)]
        found = pulls(audited, LAYER, choices)
        push = torch.randn(found.gradients.shape[1], generator=torch.Generator().manual_seed(1)).double()
        push /= push.norm()
        first, h = first_token(audited), 1e-2

        def margin(choice, alpha):
            def add(states):
                states[:, first : len(choice.prompt)] += alpha * push
                return states

            logits = slowly(audited, choice.fed, add)[1][-1]
            return float(logits[40] - logits[41])

        slopes = (found.gradients.double() @ push).tolist()
        steps = [(margin(one, h) - margin(one, -h)) / (2 * h) for one in choices]
        assert slopes == pytest.approx(steps, rel=1e-3, abs=2e-4)
        assert found.margins.tolist() == pytest.approx([margin(one, 0.0) for one in choices], abs=1e-5)
        stepped = steered_margins(audited, LAYER, choices, 0.5 * push)
        assert stepped.tolist() == pytest.approx([margin(one, 0.5) for one in choices], abs=1e-5)
    finally:
        model.float()


def test_labels_that_differ_before_their_end_are_no_choice():
    assert choice_of((1,), (5, 6), (5, 7)) == Choice(prompt=(1,), shared=(5,), labels=(6, 7))
    assert choice_of((1,), (5, 6), (4, 6)) is None
    assert choice_of((1,), (5,), (5, 6)) is None


def test_setting_latents_to_what_they_are_changes_nothing(audited, ids):
    coder = Coder(32)
    states = last_states(audited, LAYER, ids[:1])
    own = coder.encode(states)[0]
    edit = latents_set(coder, [Setting(), Setting(tuple(range(64)), tuple(own.tolist()))])
    assert edit(states, torch.ones(1, dtype=torch.long)) == pytest.approx(states.numpy(), abs=1e-5)


def test_an_ablated_latent_takes_away_what_it_writes(audited, ids):
    """x' = x - z_i d_i: the SAE's error stays."""
    coder = Coder(32)
    states = last_states(audited, LAYER, ids[:1])
    own = coder.encode(states)[0]
    latent = int(own.argmax())
    edit = latents_set(coder, [Setting(), Setting((latent,), (0.0,))])
    expected = states - own[latent] * coder.directions[latent]
    assert edit(states, torch.ones(1, dtype=torch.long)) == pytest.approx(expected.numpy(), abs=1e-5)


def test_edited_answers_are_those_of_whole_runs_one_by_one(audited, ids):
    coder, first = Coder(32), first_token(audited)
    settings = [Setting(), Setting((3, 5), (0.0, 0.0)), Setting((7,), (4.0,))]
    edit = latents_set(coder, settings)
    answers = [(40,), (41, 42), (43, 44, 45)]
    asked = [
        Asked(prompt=prompt, answer=answer, edit=number) for prompt in ids for answer in answers for number in (0, 1, 2)
    ]
    found = edited_logps(audited, LAYER, asked, edit)
    for one, logp in zip(asked, found, strict=True):

        def change(states, one=one):
            if one.edit:
                some = states[0, first : len(one.prompt)]
                states[0, first : len(one.prompt)] = edit(some, torch.full((len(some),), one.edit))
            return states

        logits = slowly(audited, one.prompt + one.answer, change)[1].log_softmax(dim=-1)
        places = range(len(one.prompt) - 1, len(one.prompt) + len(one.answer) - 1)
        expected = sum(float(logits[place, token]) for place, token in zip(places, one.answer, strict=True))
        assert logp == pytest.approx(expected, abs=1e-3)


def test_random_directions_lie_where_the_states_do():
    """States that differ in the first dimension alone give directions along it, of length 1."""
    states = np.zeros((20, 5))
    states[:, 0] = np.arange(20)
    found = random_directions(states, n=4, seed=[0])
    assert np.abs(found) == pytest.approx(np.tile([1.0, 0, 0, 0, 0], (4, 1)))
