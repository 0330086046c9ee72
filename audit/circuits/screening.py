"""An estimate of every node's effect from gradients: a few backward passes instead of one patch per node."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from audit.circuits.patching import Batch, Record, opposite
from audit.circuits.replay import Replay, Tails

STEPS = 5


def screen(batch: Batch, *, steps: int = STEPS) -> Float[Tensor, "b layers nodes"]:
    """First-order estimate of IE for every head and, in the last column, every MLP (nats).

    The difference of a node's values between base and counterpart, times the gradient of the margin at the node, summed
    over the tail's positions (attribution patching: Nanda 2023; Syed et al. 2023, arXiv 2310.10348). The gradient is
    averaged over `steps` midpoints between the embeddings of both prompts (integrated gradients: Hanna et al. 2024,
    arXiv 2403.17806) where all slots of the batch have equal lengths; otherwise over the base and the counterpart run.
    Saturated and mutually cancelling paths are missed (Kramar et al. 2024, arXiv 2403.00745): what is screened is
    verified by patching, never reported alone.
    """
    replay, donor = batch.replay, batch.donor()
    if torch.equal(batch.tails.prompt, batch.counterpart_tails.prompt):
        one, other = batch.tails.embedded, batch.counterpart_tails.embedded
        shares = [(step + 0.5) / steps for step in range(steps)]
        runs = [_gradients(replay, batch.tails, other + share * (one - other)) for share in shares]
    else:
        index, matched = opposite(batch.tails, batch.counterpart_tails)
        there = _gradients(replay, batch.counterpart_tails, batch.counterpart_tails.embedded)
        spread = index[:, :, None]
        moved = [value.gather(1, spread.expand(-1, -1, value.shape[-1])) * matched[:, :, None] for value in there]
        runs = [_gradients(replay, batch.tails, batch.tails.embedded), moved]
    means = [torch.stack(values).mean(dim=0) for values in zip(*runs, strict=True)]
    return _contracted(batch.base, donor.heads, donor.mlp, donor.matched, means, n_heads=replay.adapter.n_heads)


def _gradients(replay: Replay, tails: Tails, embedded: Tensor) -> list[Tensor]:
    """Gradient of the sum of margins at the input of each output projection, then at each MLP's output."""
    heads: list[Tensor] = []
    mlp: list[Tensor] = []

    def see(kept: list[Tensor], value: Tensor) -> Tensor:
        kept.append(value)
        return value

    with torch.enable_grad():
        x = embedded.detach().requires_grad_(True)
        for layer in range(replay.adapter.n_layers):
            x = replay.layer(layer, x, tails, on_heads=lambda v: see(heads, v), on_mlp=lambda v: see(mlp, v))
        total = replay.margins(x, tails).sum()
        return list(torch.autograd.grad(total, [*heads, *mlp]))


def _contracted(
    base: Record,
    donor_heads: tuple[Tensor, ...],
    donor_mlp: tuple[Tensor, ...],
    matched: Tensor,
    gradients: list[Tensor],
    *,
    n_heads: int,
) -> Float[Tensor, "b layers nodes"]:
    n_layers = len(base.heads)
    layers = []
    for layer in range(n_layers):
        there = matched[:, :, None]
        by_head = ((base.heads[layer] - donor_heads[layer]) * gradients[layer] * there).sum(dim=1)
        by_mlp = ((base.mlp[layer] - donor_mlp[layer]) * gradients[n_layers + layer] * there).sum(dim=(1, 2))
        layers.append(torch.cat((by_head.unflatten(1, (n_heads, -1)).sum(dim=2), by_mlp[:, None]), dim=1))
    return torch.stack(layers, dim=1)
