"""What happens to answers when a direction is added to the residual stream, or latents are set to other values.

Both are experiments on this model and these texts: they show that the answer hangs on the direction, not that the model
holds the view that gave the direction its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from audit.features.activations import Edited, at_layer, filled, first_token, like_length_batches
from audit.models import AuditedModel
from audit.models.spelling import Ids

Floats = NDArray[np.float64]

N_RANDOM = 32  # random directions beside each framework's
UNIT = 0.1  # of the mean norm of the residual stream


@dataclass(frozen=True, kw_only=True)
class Pulls:
    """What prompts with two labels give at one layer."""

    margins: Float[Tensor, " n"]  # log P(first label) - log P(second label), nats
    states: Float[Tensor, "n d"]  # residual stream after the layer at the last token
    gradients: Float[Tensor, "n d"]  # of the margin, summed over the tokens that are steered


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A prompt and two labels that differ in one token, the last of each."""

    prompt: Ids
    shared: Ids  # what both labels begin with, as bytes of one script do
    labels: tuple[int, int]

    @property
    def fed(self) -> Ids:
        """What is run: the next token decides."""
        return self.prompt + self.shared


def choice_of(prompt: Ids, first: Ids, second: Ids) -> Choice | None:
    """The choice between two labels; None where they differ in more than their last token."""
    if len(first) != len(second) or first[:-1] != second[:-1] or first == second:
        return None
    return Choice(prompt=prompt, shared=first[:-1], labels=(first[-1], second[-1]))


def pulls(audited: AuditedModel, layer: int, choices: Sequence[Choice]) -> Pulls:
    """Margins of two labels and how they answer to a small push at all prompt tokens after BOS.

    The derivative of the margin by alpha, with alpha * v added to the residual stream after `layer` at each of those
    tokens, is the gradient summed over the tokens, times v. One backward pass through the layers above therefore gives
    the slope at alpha = 0 for any number of directions; steps of any size need a forward pass each.

    Args:
        audited: the model.
        layer: after which the push is given.
        choices: prompts and labels; what labels share is not pushed.
    """
    adapter, first = audited.adapter, first_token(audited)
    found: dict[Choice, tuple[Tensor, Tensor, Tensor]] = {}
    for batch in _batches_of(choices):
        leaves: list[Tensor] = []

        def cut(states: Tensor, leaves: list[Tensor] = leaves) -> Tensor:
            # Nothing below requires a gradient, so the graph begins here.
            leaves.append(states.detach().requires_grad_(True))
            return leaves[0]

        with torch.enable_grad(), at_layer(adapter.layers[layer], cut):
            margins = _margins(audited, batch)
            (gradient,) = torch.autograd.grad(margins.sum(), leaves)
        for row, one in enumerate(batch):
            n_prompt = len(one.prompt)
            pushed = gradient[row, first:n_prompt].float().sum(dim=0).cpu()
            end = leaves[0][row, n_prompt - 1].detach().float().cpu()
            found[one] = margins[row].detach().float().cpu(), end, pushed
    columns = [torch.stack([found[one][number] for one in choices]) for number in range(3)]
    return Pulls(margins=columns[0], states=columns[1], gradients=columns[2])


@torch.inference_mode()
def steered_margins(
    audited: AuditedModel, layer: int, choices: Sequence[Choice], push: Float[Tensor, " d"]
) -> Float[Tensor, " n"]:
    """Margins with `push` added after `layer` at all prompt tokens after BOS: a forward pass each, the obvious way."""
    first = first_token(audited)
    found: dict[Choice, Tensor] = {}
    for batch in _batches_of(choices):

        def add(states: Tensor, batch: Sequence[Choice] = batch) -> Tensor:
            new = states.clone()
            for row, one in enumerate(batch):
                new[row, first : len(one.prompt)] += push.to(states)
            return new

        with at_layer(audited.adapter.layers[layer], add):
            found |= dict(zip(batch, _margins(audited, batch).float().cpu(), strict=True))
    return torch.stack([found[one] for one in choices])


def _batches_of(choices: Sequence[Choice]) -> Iterator[list[Choice]]:
    by_text: dict[Ids, list[Choice]] = {}
    for one in sorted(set(choices), key=lambda one: (one.labels, len(one.prompt))):
        by_text.setdefault(one.fed, []).append(one)
    for texts in like_length_batches(list(by_text)):
        yield [one for text in texts for one in by_text[text]]


def _margins(audited: AuditedModel, batch: Sequence[Choice]) -> Float[Tensor, " n"]:
    """Log P(first label) - log P(second label): what both share and the normaliser cancel."""
    device = audited.model.device
    last = torch.tensor([len(one.fed) - 1 for one in batch], device=device)
    hidden = audited.adapter.hidden(filled([one.fed for one in batch], device=device))
    ends = hidden[torch.arange(len(batch), device=device), last]
    logits = audited.adapter.candidate_logits(ends, torch.tensor([one.labels for one in batch], device=device))
    return logits[:, 0] - logits[:, 1]


def unit_direction(values: Floats) -> Floats:
    """A direction at length 1; of a zero vector nothing can be made, it stays."""
    norm = float(np.linalg.norm(values))
    return values / norm if norm > 0 else values


def random_directions(states: Floats, *, n: int, seed: Sequence[int]) -> Floats:
    """Directions of length 1 drawn from the states' own covariance, (n, d).

    A random mixture of the (centred) states: directions in which texts differ at all. Directions drawn evenly from all
    of space would mostly lie where the stream never moves, and any direction made of texts would beat them.
    """
    centred = states - states.mean(axis=0)
    mixtures = np.random.default_rng(list(seed)).standard_normal((n, len(centred))) @ centred
    return np.stack([unit_direction(one) for one in mixtures]) if n else np.empty((0, states.shape[1]))


# --- setting latents ----------------------------------------------------------------------------


class Coder(Protocol):
    """The part of an SAE that is needed here."""

    def encode(self, resid: Float[Tensor, "n d"]) -> Float[Tensor, "n latents"]:
        """Activations of the latents."""

    def decode(self, latents: Float[Tensor, "n latents"]) -> Float[Tensor, "n d"]:
        """The residual stream that the latents stand for."""


@dataclass(frozen=True)
class Setting:
    """Some latents and the values they are set to; with none, nothing is changed."""

    latents: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


def latents_set(dictionary: Coder, settings: Sequence[Setting]) -> Edited:
    """An edit that sets some latents and leaves what the SAE does not reconstruct as it is.

    x' = x + decode(z') - decode(z): the SAE's error stays in, so setting latents to what they are changes nothing.
    Edit number n is setting n of `settings`.
    """

    def edit(states: Tensor, which: Tensor) -> Tensor:
        found = dictionary.encode(states)
        new = found.clone()
        for number in which.unique().tolist():
            rows = (which == number).nonzero()[:, 0]
            setting = settings[number]
            index = torch.tensor(setting.latents, dtype=torch.long, device=new.device)
            new[rows[:, None], index[None, :]] = torch.tensor(setting.values, device=new.device).to(new)
        return states + (dictionary.decode(new) - dictionary.decode(found)).to(states)

    return edit
