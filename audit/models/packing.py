"""Many token sequences in few forwards: what sequences begin with alike is run once.

Sequences are laid out as a tree. A pack is a piece of that tree in one row, in which each token sees its ancestors and
itself and has the position that it has in its sequence, so the numbers are those of the sequences alone. Nothing is
padded and no keys are kept or copied. (SpecInfer's "tree attention": Miao et al. 2024, arXiv:2305.09781.)
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from audit.models.adapter import Adapter, tolerance_of
from audit.models.spelling import Ids

# Tokens of a pack. Fewer waste weights that are read and not used much, more waste attention to what is masked.
PACK_TOKENS = 512


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Tokens that go through the model together, and where each sequence runs through them."""

    ids: Ids
    parents: Ids  # place of the token before, -1 at the beginning of a sequence
    paths: tuple[tuple[Ids, Ids], ...]  # a sequence, and the place of each of its tokens

    @property
    def branches(self) -> bool:
        """Whether it holds more than one sequence, or one and its beginnings."""
        return self.parents != tuple(range(-1, len(self.ids) - 1))


def packs(sequences: Iterable[Ids], *, most: int, deepest: int) -> Iterator[Pack]:
    """Packs of at most so many tokens (or of one sequence), which hold every sequence once.

    They depend on the set of sequences alone, not on their order.

    Args:
        sequences: token ids, none empty.
        most: tokens of a pack.
        deepest: a sequence longer than this has a pack of its own; 0: every one.
    """
    ids: list[int] = []
    parents: list[int] = []
    paths: list[tuple[Ids, Ids]] = []
    before: Ids = ()

    def made() -> Pack:
        return Pack(ids=tuple(ids), parents=tuple(parents), paths=tuple(paths))

    for sequence in sorted(set(sequences)):
        alone = max(len(sequence), len(before)) > deepest
        shared = 0 if alone else _in_common(before, sequence)
        if ids and (alone or len(ids) + len(sequence) - shared > most):
            yield made()
            ids, parents, paths, shared = [], [], [], 0
        path = list(paths[-1][1][:shared]) if paths else []
        for token in sequence[shared:]:
            parents.append(path[-1] if path else -1)
            path.append(len(ids))
            ids.append(token)
        paths.append((sequence, tuple(path)))
        before = sequence
    if ids:
        yield made()


def _in_common(one: Ids, other: Ids) -> int:
    n = 0
    while n < min(len(one), len(other)) and one[n] == other[n]:
        n += 1
    return n


@torch.inference_mode()
def run(adapter: Adapter, pack: Pack) -> Float[Tensor, "n d"]:
    """Hidden states after the final norm at every token of a pack."""
    device = adapter.unembedding.weight.device
    ids = torch.tensor([pack.ids], device=device)
    if not pack.branches:
        return adapter.hidden(ids)[0]
    seen = torch.zeros(len(pack.ids), len(pack.ids), dtype=torch.bool)
    depth = [0] * len(pack.ids)
    for place, parent in enumerate(pack.parents):
        if parent >= 0:
            seen[place] = seen[parent]
            depth[place] = depth[parent] + 1
        seen[place, place] = True
    dtype = adapter.unembedding.weight.dtype
    hidden_from = torch.full(seen.shape, torch.finfo(dtype).min, dtype=dtype).masked_fill(seen, 0.0)
    out = adapter.body(
        input_ids=ids,
        position_ids=torch.tensor([depth], device=device),
        attention_mask=hidden_from[None, None].to(device),
        use_cache=False,
    )
    states: Tensor = out.last_hidden_state
    return states[0]


@torch.inference_mode()
def deepest_branch(adapter: Adapter) -> int:
    """Up to how many tokens of a sequence a model may be given packs that branch; 0: it must not be.

    It must take positions and a mask of its own (models whose attention is biased by the distance in the row do not),
    which is tried, and no token may be further away than the shortest window that its attention has.
    """
    if "position_ids" not in inspect.signature(adapter.body.forward).parameters:
        return 0
    generator = torch.Generator().manual_seed(0)
    drawn: list[int] = torch.randint(adapter.n_vocab, (12,), generator=generator).tolist()
    stem, one, other = drawn[:4], drawn[4:7], drawn[7:12]
    sequences = [(*stem, *one), (*stem, *other)]
    (pack,) = packs(sequences, most=PACK_TOKENS, deepest=len(drawn))
    alone = [adapter.hidden(torch.tensor([ids], device=adapter.unembedding.weight.device))[0] for ids in sequences]
    scale = float((alone[0][-1] - alone[1][-1]).abs().max())
    together, places = run(adapter, pack), dict(pack.paths)
    moved = max(
        float((together[list(places[ids])] - states).abs().max()) for ids, states in zip(sequences, alone, strict=True)
    )
    right = scale > 0 and moved <= scale * tolerance_of(together.dtype)
    return _shortest_window(adapter.body.config) if right else 0


def _shortest_window(config: Any) -> int:
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((window for window in windows if isinstance(window, int)), default=2**31)
