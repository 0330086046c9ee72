"""What happens to answers when a direction is added to the residual stream, or latents are set to other values.

Both are experiments on this model and these texts: they show that the answer hangs on the direction, not that the model
holds the view that gave the direction its name.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """What a batch of two-label prompts gives at one layer."""

    margins: Float[Tensor, " n"]  # log P(first label) - log P(second label), nats
    states: Float[Tensor, "n d"]  # residual stream after the layer at the last token
    gradients: Float[Tensor, "n d"]  # of the margin, summed over the tokens that are steered


def pulls(audited: AuditedModel, layer: int, prompts: Sequence[tuple[Ids, int, int]]) -> Pulls:
    """Margins of two single-token labels and how they answer to a small push at all prompt tokens after BOS.

    The derivative of the margin by alpha, with alpha * v added to the residual stream after `layer` at each of those
    tokens, is the gradient summed over the tokens, times v. One backward pass through the layers above therefore gives
    the slope at alpha = 0 for any number of directions; steps of any size need a forward pass each.

    Args:
        audited: the model.
        layer: after which the push is given.
        prompts: tokens of a prompt and its two labels' tokens.
    """
    adapter, first = audited.adapter, first_token(audited)
    labels = {ids: (a, b) for ids, a, b in prompts}
    found: dict[Ids, tuple[Tensor, Tensor, Tensor]] = {}
    for batch in like_length_batches([ids for ids, _, _ in prompts]):
        leaves: list[Tensor] = []

        def cut(states: Tensor, leaves: list[Tensor] = leaves) -> Tensor:
            # Nothing below requires a gradient, so the graph begins here.
            leaves.append(states.detach().requires_grad_(True))
            return leaves[0]

        device = audited.model.device
        last = torch.tensor([len(ids) - 1 for ids in batch], device=device)
        rows = torch.arange(len(batch), device=device)
        with torch.enable_grad(), at_layer(adapter.layers[layer], cut):
            hidden = adapter.hidden(filled(batch, device=device))[rows, last]
            logits = adapter.candidate_logits(hidden, torch.tensor([labels[ids] for ids in batch], device=device))
            margins = logits[:, 0] - logits[:, 1]
            (gradient,) = torch.autograd.grad(margins.sum(), leaves)
        # What fills a row up has no gradient: the margin does not see it.
        pushed = gradient[:, first:].float().sum(dim=1).cpu()
        ends = leaves[0].detach()[rows, last].float().cpu()
        found |= dict(zip(batch, zip(margins.detach().float().cpu(), ends, pushed, strict=True), strict=True))
    columns = [torch.stack([found[ids][number] for ids, _, _ in prompts]) for number in range(3)]
    return Pulls(margins=columns[0], states=columns[1], gradients=columns[2])


@torch.inference_mode()
def steered_margins(
    audited: AuditedModel, layer: int, prompts: Sequence[tuple[Ids, int, int]], push: Float[Tensor, " d"]
) -> Float[Tensor, " n"]:
    """Margins with `push` added after `layer` at all prompt tokens after BOS: a forward pass each, the obvious way."""
    adapter, first = audited.adapter, first_token(audited)
    labels = {ids: (a, b) for ids, a, b in prompts}
    found: dict[Ids, Tensor] = {}

    def add(states: Tensor) -> Tensor:
        new = states.clone()
        new[:, first:] += push.to(states)
        return new

    for batch in like_length_batches([ids for ids, _, _ in prompts]):
        with at_layer(adapter.layers[layer], add):
            hidden = adapter.hidden(filled(batch, device=audited.model.device))
        hidden = torch.stack([row[len(ids) - 1] for ids, row in zip(batch, hidden, strict=True)])
        chosen = torch.tensor([labels[ids] for ids in batch], device=hidden.device)
        logits = adapter.candidate_logits(hidden, chosen).float().cpu()
        found |= dict(zip(batch, logits[:, 0] - logits[:, 1], strict=True))
    return torch.stack([found[ids] for ids, _, _ in prompts])


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
