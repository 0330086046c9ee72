"""Which nodes make a circuit, and what it is compared with. Numbers in, sets of nodes out; no model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.records import MLP

Floats = NDArray[np.float64]
Nodes = NDArray[np.bool_]  # (layers, heads + 1), the MLP in the last column

N_FOLDS = 2
SIZES = (1, 2, 4, 8, 16, 32)
KEEPS = 0.8  # of the choosing items' effect: the smallest size that carries it is kept


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One node in the order of a choice."""

    layer: int
    head: int  # MLP (-1) for an MLP
    score: float  # mean effect on the choosing items, each turned to the item's own sign


def folds_of(topics: Mapping[str, str]) -> dict[str, int]:
    """Template -> fold, balanced within each topic, the same for every language.

    Within a topic templates alternate in the order of a digest of their name, so that the order of a file does not
    decide.
    """
    folds = {}
    by_topic: dict[str, list[str]] = {}
    for template in sorted(topics, key=_digest):
        by_topic.setdefault(topics[template], []).append(template)
    first = 0
    for _, templates in sorted(by_topic.items()):
        for number, template in enumerate(templates):
            folds[template] = (first + number) % N_FOLDS
        first += len(templates)  # topics of one template each are balanced too
    return folds


def turned(effects: Floats, total: Floats) -> Floats:
    """Effects of nodes with each item's sign turned to its own total effect: positive means "carries it".

    Args:
        effects: (items, ...) nats.
        total: (items,) effect of each item, nats.
    """
    return np.sign(total).reshape(-1, *[1] * (effects.ndim - 1)) * effects


def candidates(screened: Floats, *, n: int) -> Nodes:
    """The `n` nodes with the largest estimated mean effect: those to patch exactly. `screened`: (layers, heads + 1)."""
    chosen = np.zeros(screened.shape, dtype=bool)
    chosen.flat[np.argsort(-screened, axis=None, kind="stable")[:n]] = True
    return chosen


def ranking(exact: Floats, screened: Floats, *, n: int = SIZES[-1]) -> tuple[Ranked, ...]:
    """Nodes in the order in which a circuit takes them up.

    First those patched exactly that carry the effect, by their mean effect; then, to draw the curve on, the others by
    their estimate, and last those that were found to work against it.

    Args:
        exact: (layers, heads + 1) mean turned effect, NaN where not patched.
        screened: the same from gradients; NaN where there is none.
        n: how many at most.
    """
    verified = np.isfinite(exact)
    tier = np.where(verified & (exact > 0), 0, np.where(verified, 2, 1))
    score = np.where(verified, exact, np.where(np.isfinite(screened), screened, -np.inf))
    order = np.lexsort((-score.ravel(), tier.ravel()))[:n]
    return tuple(_ranked(int(place), score) for place in order if np.isfinite(score.flat[place]))


def _ranked(place: int, score: Floats) -> Ranked:
    layer, column = np.unravel_index(place, score.shape)
    head = MLP if column == score.shape[1] - 1 else int(column)
    return Ranked(layer=int(layer), head=head, score=float(score.flat[place]))


def as_nodes(ranked: Sequence[Ranked], *, size: int, shape: tuple[int, int]) -> Nodes:
    """The first `size` nodes of a ranking as a set."""
    nodes = np.zeros(shape, dtype=bool)
    for one in ranked[:size]:
        nodes[one.layer, one.head] = True  # head -1 is the last column
    return nodes


def kept_size(lost: Mapping[int, float], total: float) -> int:
    """The smallest size whose circuit carries KEEPS of the choosing items' effect, or the largest there is.

    Args:
        lost: size -> summed turned effect lost with the circuit, over the choosing items.
        total: summed absolute effect of the same items.
    """
    enough = [size for size in sorted(lost) if lost[size] >= KEEPS * total]
    return enough[0] if enough and total > 0 else max(lost)


def random_circuits(nodes: Nodes, *, n: int, seed: Sequence[int]) -> list[Nodes]:
    """Circuits of the same make-up: as many heads and as many MLPs, drawn anew from all there are."""
    rng = np.random.default_rng(list(seed))
    n_layers, n_columns = nodes.shape
    n_heads, n_mlps = int(nodes[:, :-1].sum()), int(nodes[:, -1].sum())
    drawn = []
    for _ in range(n):
        one = np.zeros_like(nodes)
        heads = rng.choice(n_layers * (n_columns - 1), size=n_heads, replace=False)
        one[heads // (n_columns - 1), heads % (n_columns - 1)] = True
        one[rng.choice(n_layers, size=n_mlps, replace=False), -1] = True
        drawn.append(one)
    return drawn


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
