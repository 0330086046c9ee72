"""Exact counterfactual patching: the base run with the values of some nodes taken from the counterpart run.

All patches of a batch go through the layers in one walk. A patch enters at the lowest layer it changes, with the base's
residual stream, and from there its rows run side by side with those that entered before: layers below a patch are never
run again, and matrices stay large enough to be multiplied at full speed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from audit.circuits.pairs import Pair, Start
from audit.circuits.replay import Replay, Tails
from audit.errors import UnsupportedModelError

# A set of nodes: (layers, heads + 1) with the MLP in the last column.
Nodes = NDArray[np.bool_]

# Tokens that go through a layer at once: enough for a fast matrix product, few enough to stay in the processor's cache.
CHUNK_TOKENS = 576
# Tokens of all rows of a walk; what it holds of them is one residual stream.
WALK_TOKENS = 24_576
# Largest accepted difference between the base's margin from replayed layers and from a plain forward, in nats.
TOLERANCE = {torch.float32: 2e-3, torch.float64: 1e-6}
_HALF_TOLERANCE = 0.3


@dataclass(frozen=True, eq=False)
class Record:
    """What the layers of one side of a batch computed on its tails."""

    entering: tuple[Float[Tensor, "b t d"], ...]  # residual stream before each layer, and after the last
    heads: tuple[Float[Tensor, "b t z"], ...]  # input of each attention output projection
    attention: tuple[Float[Tensor, "b t d"], ...]  # its output
    mlp: tuple[Float[Tensor, "b t d"], ...]  # output of each MLP module
    margins: Float[Tensor, " b"]


@dataclass(frozen=True, eq=False)
class Donor:
    """Values to patch in, laid out like the base's tails."""

    heads: tuple[Float[Tensor, "b t z"], ...]
    mlp: tuple[Float[Tensor, "b t d"], ...]
    matched: Bool[Tensor, "b t"]  # positions that have a donor; the others keep their own values


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of pairs with both runs recorded."""

    replay: Replay
    pairs: tuple[Pair, ...]
    tails: Tails  # of the base
    base: Record
    counterpart_tails: Tails
    counterpart: Record

    @classmethod
    def of(cls, replay: Replay, pairs: Sequence[Pair], *, start: Start = "difference") -> Batch:
        """Run both sides of some pairs and keep what their layers computed.

        Raises:
            UnsupportedModelError: the replayed layers do not give the model's own margins.
        """
        tails, other = replay.tails(pairs, start=start)
        base, counterpart = record(replay, tails), record(replay, other)
        return cls(
            replay=replay,
            pairs=tuple(pairs),
            tails=tails,
            base=base,
            counterpart_tails=other,
            counterpart=counterpart,
        )

    @property
    def effects(self) -> Float[Tensor, " b"]:
        """m(base) - m(counterpart), nats."""
        return self.base.margins - self.counterpart.margins

    def turned(self) -> Batch:
        """The same batch with the counterpart as base."""
        return replace(
            self,
            pairs=tuple(pair.turned() for pair in self.pairs),
            tails=self.counterpart_tails,
            base=self.counterpart,
            counterpart_tails=self.tails,
            counterpart=self.base,
        )

    def donor(self) -> Donor:
        """The counterpart's values at the base's positions, counted from the right."""
        index, matched = opposite(self.tails, self.counterpart_tails)
        return Donor(
            heads=tuple(_take(value, index) for value in self.counterpart.heads),
            mlp=tuple(_take(value, index) for value in self.counterpart.mlp),
            matched=matched,
        )


def opposite(base: Tails, other: Tails) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
    """For every position of the base's tails its position in the other's, and whether there is one.

    Positions before the first difference of either prompt have none: what both prompts share stays as it is.
    """
    shift = other.prompt - base.prompt
    index = torch.arange(base.ids.shape[1], device=base.ids.device)[None, :] + shift[:, None]
    matched = base.real & (index >= 0)
    index = index.clamp(0, other.ids.shape[1] - 1)
    there = other.positions.gather(1, index)
    matched &= (base.positions >= base.differs[:, None]) & (there >= other.differs[:, None])
    return index, matched


def _take(values: Tensor, index: Tensor) -> Tensor:
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[-1]))


@torch.no_grad()
def record(replay: Replay, tails: Tails) -> Record:
    """Run the layers on the tails and keep what patching needs of them."""
    adapter = replay.adapter
    entering, heads, attention, mlp = [tails.embedded], [], [], []

    def see_heads(value: Tensor) -> Tensor:
        heads.append(value.clone())
        return value

    def see_mlp(value: Tensor) -> Tensor:
        mlp.append(value.clone())
        return value

    for layer in range(adapter.n_layers):
        entering.append(replay.layer(layer, entering[-1], tails, on_heads=see_heads, on_mlp=see_mlp, whole=True))
        attention.append(adapter.attention_outputs[layer](heads[-1]))
    margins = replay.margins(entering[-1], tails)
    return Record(tuple(entering), tuple(heads), tuple(attention), tuple(mlp), margins)


@torch.no_grad()
def patched_margins(batch: Batch, sets: Sequence[Nodes], *, donor: Donor | None = None) -> Float[Tensor, "sets b"]:
    """Margins of the base with each set of nodes taken from the donor (default: the counterpart).

    Args:
        batch: b pairs, recorded.
        sets: sets of nodes; an empty set gives the base's own margins.
        donor: values to patch in.

    Returns:
        Nats, one row per set.
    """
    donor = batch.donor() if donor is None else donor
    n_pairs, n_tokens = batch.tails.ids.shape
    at_once = max(1, WALK_TOKENS // (n_pairs * n_tokens))
    # Sets that enter at like layers walk together, so that none waits long for the others.
    order = sorted(range(len(sets)), key=lambda number: entry(sets[number]))
    out = torch.empty(len(sets), n_pairs, device=batch.tails.ids.device)
    for begin in range(0, len(order), at_once):
        some = order[begin : begin + at_once]
        out[some] = _Walk(batch, donor, np.stack([sets[number] for number in some])).run()
    return out


def entry(nodes: Nodes) -> int:
    """The lowest layer that a set changes; the number of layers for an empty set."""
    changed = np.flatnonzero(nodes.any(axis=1))
    return int(changed[0]) if len(changed) else len(nodes)


class _Walk:
    """One walk of some sets, sorted by entry, through the layers. Rows are set by set, pair by pair."""

    def __init__(self, batch: Batch, donor: Donor, sets: NDArray[np.bool_]) -> None:
        self.batch, self.donor, self.sets = batch, donor, sets
        self.replay, self.tails = batch.replay, batch.tails
        self.n_pairs, self.n_tokens = batch.tails.ids.shape
        self.entries = np.array([entry(one) for one in sets])
        rows = torch.arange(len(sets) * self.n_pairs, device=batch.tails.ids.device)
        self.which = rows % self.n_pairs
        self.x = torch.empty(len(rows), self.n_tokens, batch.base.entering[0].shape[-1], dtype=self.replay.dtype)
        self.x = self.x.to(rows.device)

    def run(self) -> Float[Tensor, "sets b"]:
        inside = 0  # sets that have entered
        n_layers = self.replay.adapter.n_layers
        for layer in range(n_layers):
            until = int(np.searchsorted(self.entries, layer, side="right"))
            for rows in self._chunks(0, inside):
                self.x[rows] = self._go_on(layer, rows)
            with_heads: NDArray[np.bool_] = np.any(self.sets[inside:until, layer, :-1], axis=1)
            for first, last, heads in _stretches(with_heads, inside):
                for rows in self._chunks(first, last):
                    self.x[rows] = self._enter(layer, rows, heads=heads)
            inside = until
        for rows in self._chunks(inside, len(self.sets)):  # empty sets
            self.x[rows] = self.batch.base.entering[-1][self.which[rows]]
        margins = [self.replay.margins(self.x[rows], self.tails, self.which[rows]) for rows in self._read_chunks()]
        return torch.cat(margins).view(len(self.sets), self.n_pairs)

    def _chunks(self, first: int, last: int, tokens: int = CHUNK_TOKENS) -> list[slice]:
        """Rows of the sets from `first` to `last`, a chunk of tokens at a time."""
        begin, end = first * self.n_pairs, last * self.n_pairs
        size = max(1, tokens // self.n_tokens)
        n = -(-(end - begin) // size)
        # Even chunks: a short last one would be slow.
        edges = [begin + (end - begin) * number // n for number in range(n + 1)] if n > 0 else []
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    def _read_chunks(self) -> list[slice]:
        return self._chunks(0, len(self.sets), tokens=WALK_TOKENS // 4)

    def _go_on(self, layer: int, rows: slice) -> Tensor:
        return self.replay.layer(
            layer,
            self.x[rows],
            self.tails,
            self.which[rows],
            on_heads=self._on_heads(layer, rows),
            on_mlp=self._on_mlp(layer, rows),
        )

    def _enter(self, layer: int, rows: slice, *, heads: bool) -> Tensor:
        """First layer of some rows: everything but the patched nodes' own values is known from the base."""
        which, base = self.which[rows], self.batch.base
        on_heads, on_mlp = self._on_heads(layer, rows), self._on_mlp(layer, rows)
        mlp = None
        if heads:
            assert on_heads is not None
            attention = self.replay.adapter.attention_outputs[layer](on_heads(base.heads[layer][which]))
        else:  # the MLP alone: it reads what it read in the base, so all is known
            assert on_mlp is not None
            attention, mlp = base.attention[layer][which], on_mlp(base.mlp[layer][which])
        x = base.entering[layer][which]
        return self.replay.layer(layer, x, self.tails, which, attention=attention, mlp=mlp, on_mlp=on_mlp)

    def _on_heads(self, layer: int, rows: slice) -> Callable[[Tensor], Tensor] | None:
        chosen = self._chosen(layer, rows, slice(None, -1))  # (rows, heads)
        if chosen is None:
            return None
        which, dim = self.which[rows], self.replay.adapter.head_dim
        take = self.donor.matched[which][:, :, None] & chosen.repeat_interleave(dim, dim=1)[:, None, :]
        return lambda heads: torch.where(take, self.donor.heads[layer][which], heads)

    def _on_mlp(self, layer: int, rows: slice) -> Callable[[Tensor], Tensor] | None:
        chosen = self._chosen(layer, rows, slice(-1, None))
        if chosen is None:
            return None
        which = self.which[rows]
        take = (self.donor.matched[which] & chosen)[:, :, None]
        return lambda out: torch.where(take, self.donor.mlp[layer][which], out)

    def _chosen(self, layer: int, rows: slice, columns: slice) -> Tensor | None:
        """Which nodes of the layer each row patches, or None if no row patches any."""
        first, last = rows.start // self.n_pairs, -(-rows.stop // self.n_pairs)
        if not self.sets[first:last, layer, columns].any():
            return None
        numbers = np.arange(rows.start, rows.stop) // self.n_pairs
        return torch.from_numpy(self.sets[numbers, layer, columns]).to(self.x.device)


def _stretches(flags: NDArray[np.bool_], offset: int) -> list[tuple[int, int, bool]]:
    """Runs of equal flags as (first, last, flag), counted from `offset`."""
    edges = [0, *(np.flatnonzero(np.diff(flags.astype(np.int8))) + 1).tolist(), len(flags)]
    pairs = itertools.pairwise(edges)
    return [(offset + a, offset + b, bool(flags[a])) for a, b in pairs if b > a]


# --- what people ask for -------------------------------------------------------------------------


def single_nodes(n_layers: int, n_heads: int) -> list[Nodes]:
    """Every node as a set of its own, layer by layer, the MLP after its layer's heads."""
    out = []
    for layer in range(n_layers):
        for head in range(n_heads + 1):
            nodes = np.zeros((n_layers, n_heads + 1), dtype=bool)
            nodes[layer, head] = True
            out.append(nodes)
    return out


def sufficiency_of(batch: Batch, sets: Sequence[Nodes]) -> Float[Tensor, "sets b"]:
    """What is left of the effect when nothing but a set comes from the base: m(rest from counterpart) - m(counterpart).

    Nats; the set of all nodes gives the whole effect, the empty set what no node carries.
    """
    return patched_margins(batch, [~nodes for nodes in sets]) - batch.counterpart.margins[None, :]


def effects_of(batch: Batch, sets: Sequence[Nodes]) -> Float[Tensor, "sets b"]:
    """IE of each set on each pair: m(base) - m(base with the set from the counterpart), nats."""
    return batch.base.margins[None, :] - patched_margins(batch, sets)


def check(batch: Batch, plain: Float[Tensor, " b"]) -> None:
    """Refuse a batch whose base margins are not those of plain forwards of the same pairs.

    Raises:
        UnsupportedModelError: naming the pair and the difference.
    """
    worst = int((batch.base.margins - plain).abs().argmax())
    apart = float((batch.base.margins[worst] - plain[worst]).abs())
    if not apart <= TOLERANCE.get(batch.replay.dtype, _HALF_TOLERANCE):
        raise UnsupportedModelError(
            f"{batch.replay.adapter.architecture}: layers run one by one give another margin for "
            f"{batch.pairs[worst].item} ({apart:.2g} nats apart); circuits of this architecture are not supported"
        )
