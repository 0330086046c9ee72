"""Mean ablation: nodes set to what they are on average over a language's prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audit.circuits.patching import Batch, Donor, Nodes, patched_margins
from audit.circuits.replay import Tails

SLOT, SUFFIX, ANSWER = range(3)


@dataclass(frozen=True, eq=False)
class Means:
    """Mean values of every node by the role of the position, over both prompts of every pair."""

    heads: tuple[Float[Tensor, "roles z"], ...]
    mlp: tuple[Float[Tensor, "roles d"], ...]


def means_of(batches: Sequence[Batch]) -> Means:
    """Means over some pairs, every real token once.

    A role that no token has gives zeros, which nothing asks for.
    """
    sums: list[Tensor] = []
    counts = torch.zeros(3, device=batches[0].tails.ids.device)
    for batch in batches:
        for tails, record in ((batch.tails, batch.base), (batch.counterpart_tails, batch.counterpart)):
            roles, real = roles_of(tails)[tails.real], tails.real
            counts.index_add_(0, roles, torch.ones_like(roles, dtype=counts.dtype))
            values = [value[real] for value in (*record.heads, *record.mlp)]
            sums = sums or [torch.zeros(3, value.shape[-1], device=value.device, dtype=value.dtype) for value in values]
            for total, value in zip(sums, values, strict=True):
                total.index_add_(0, roles, value)
    means = [total / counts.clamp(min=1).to(total.dtype)[:, None] for total in sums]
    n_layers = len(batches[0].base.heads)
    return Means(heads=tuple(means[:n_layers]), mlp=tuple(means[n_layers:]))


def roles_of(tails: Tails) -> Int[Tensor, "b t"]:
    """Whether a position is of the slot, of the suffix, or of an answer (padding: any)."""
    number = torch.arange(tails.ids.shape[1], device=tails.ids.device)[None, :]
    suffix = torch.tensor([pair.suffix for pair in tails.pairs], device=tails.ids.device)
    end = tails.prompt[:, None]
    return torch.where(number >= end, ANSWER, torch.where(number >= end - suffix[:, None], SUFFIX, SLOT))


def mean_ablated_effects(batch: Batch, sets: Sequence[Nodes], means: Means) -> Float[Tensor, "sets b"]:
    """Effect lost when each set is set to its means from the slot on, in both runs: TE - TE(ablated), nats."""
    base = patched_margins(batch, sets, donor=_donor(means, batch.tails))
    turned = batch.turned()
    counterpart = patched_margins(turned, sets, donor=_donor(means, turned.tails))
    return batch.effects[None, :] - (base - counterpart)


def _donor(means: Means, tails: Tails) -> Donor:
    roles = roles_of(tails)
    return Donor(
        heads=tuple(value[roles] for value in means.heads),
        mlp=tuple(value[roles] for value in means.mlp),
        matched=tails.real,
    )
