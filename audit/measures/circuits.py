"""Circuits as tables, for pictures: how much by size, which nodes, what carries over, which parts are common.

The measures themselves are in circuit_shares.py and circuit_nodes.py; every share here is judged on held-out
templates like theirs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.errors import TooFewItems
from audit.measures.circuit_nodes import (
    EXACT,
    SCREENED,
    circuit_overlap,
    screening_error,
    turned,
)
from audit.measures.circuit_shares import (
    Share,
    beats_random,
    circuit_controls,
    circuit_share,
    circuit_strength,
    circuit_sufficiency,
    circuit_transfer,
    judged_share,
)
from audit.measures.circuit_tables import NECESSITY, SUFFICIENCY, Inside, inside_of, looked_inside
from audit.measures.competence import readable, unreadable
from audit.measures.view import View
from audit.records import POOLED, WHOLE, node_name

__all__ = [
    "beats_random",
    "circuit_controls",
    "circuit_overlap",
    "circuit_share",
    "circuit_strength",
    "circuit_sufficiency",
    "circuit_transfer",
    "curve",
    "looked_inside",
    "node_map",
    "parts",
    "screening_error",
    "transfer_matrix",
]

UNIVERSAL, SHARED, SPECIFIC = "universal", "shared", "language-specific"


def curve(view: View, suite: str, language: str) -> pd.DataFrame:
    """Held-out share of the effect by the number of nodes in the circuit chosen in a language.

    Returns:
        Columns `size` (nodes; a mean where the folds keep different numbers), `part` (necessity | sufficiency),
        `share`, `low`, `high` (95 % over templates), and `random_mean`, `random_low`, `random_high` (2.5 to 97.5 % of
        the random circuits of the kept size; NaN at all other sizes). No row where nothing was judged.

    Raises:
        RunError: the run did not look inside on such a suite.
    """
    inside = inside_of(view, suite)
    rows = []
    for part in (NECESSITY, SUFFICIENCY):
        kept = inside.mean_size(language)
        sizes: dict[float, int | None] = {float(size): size for size in inside.sizes(language)}
        if np.isfinite(kept):
            sizes[kept] = None  # as judged: each fold at its own size, beside its random circuits
        for size, of in sorted(sizes.items()):
            share = _share(view, inside, language, language, part=part, size=of)
            if share is not None:
                rows.append({"size": size, "part": part} | _figures(share))
    columns = ["size", "part", "share", "low", "high", "random_mean", "random_low", "random_high"]
    return pd.DataFrame(rows, columns=columns)


def _share(
    view: View, inside: Inside, circuit: str, language: str, *, part: str = NECESSITY, size: int | None = None
) -> Share | None:
    random = None if size is not None or circuit != language else inside.random(language, part=part)
    effect = inside.effect(circuit, part=part, size=size)
    try:
        return judged_share(view, inside, inside.real(language), effect, random)
    except TooFewItems:
        return None


def _figures(share: Share) -> dict[str, float]:
    estimate, nan = share.estimate, float("nan")
    return {
        "share": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "random_mean": nan if estimate.null is None else estimate.null,
        "random_low": share.details.get("random_low", nan),
        "random_high": share.details.get("random_high", nan),
    }


def node_map(view: View, suite: str, language: str) -> pd.DataFrame:
    """What each node alone carries in a language: nats, on average over items turned to their own effect.

    Returns:
        Columns `layer`, `head` (-1: the MLP), `effect`, `basis` (exact where the node was patched on every item,
        otherwise screened: estimated from gradients), and `size` (mean of the items' own effects without their signs,
        nats: what `effect` is a part of). No row where nobody looked.

    Raises:
        RunError: the run did not look inside on such a suite.
    """
    inside = inside_of(view, suite)
    columns = ["layer", "head", "effect", "basis", "size"]
    exact, screened = (turned(inside, language, basis) for basis in (EXACT, SCREENED))
    if exact is None or screened is None or not len(exact.row):
        return pd.DataFrame(columns=columns)
    nodes = inside.nodes[language]
    patched = np.isfinite(exact.score)
    return pd.DataFrame(
        {
            "layer": nodes.layer,
            "head": nodes.head,
            "effect": np.where(patched, exact.score, screened.score),
            "basis": np.where(patched, EXACT, SCREENED),
            "size": float(np.abs(inside.total[exact.row]).mean()),
        }
    )


def transfer_matrix(view: View, suite: str) -> pd.DataFrame:
    """Share of the effect in each language that passes through each circuit, the language's own among them.

    Returns:
        One row per circuit and language: columns `chosen` (a language, or POOLED), `judged`, `share`, `low`, `high`
        (NaN where nothing was judged), `interpretable` (the model reads both languages).

    Raises:
        RunError: the run did not look inside on such a suite.
    """
    inside = inside_of(view, suite)
    read = readable(view, inside.cube)
    rows = []
    for chosen in (*inside.cube.languages, POOLED):
        for judged in inside.cube.languages:
            share = _share(view, inside, chosen, judged)
            found = (float("nan"),) * 3
            if share is not None:
                found = share.estimate.value, share.estimate.low, share.estimate.high
            rows.append((chosen, judged, *found, judged in read and chosen in (*read, POOLED)))
    return pd.DataFrame(rows, columns=["chosen", "judged", "share", "low", "high", "interpretable"])


def parts(view: View, suite: str) -> pd.DataFrame:
    """The nodes that the circuits of the readable languages keep, and which languages keep them.

    The circuits are those chosen on all templates: a list of what was chosen, not a test of it.

    Returns:
        Columns `node` ("head 9.2"), `layer`, `head`, `class` (universal: kept in every readable language that has a
        circuit, two or more of them; shared: in some; language-specific: in one), `languages` (codes, joined by ", ")
        and `score` (mean over those languages, nats). The most widely kept first.

    Raises:
        RunError: the run did not look inside on such a suite.
    """
    inside_of(view, suite)
    table = view.evidence.circuits
    table = table[(table["suite"] == suite) & (table["fold"] == WHOLE) & table["kept"] & (table["circuit"] != POOLED)]
    table = table[~table["circuit"].isin(list(unreadable(view)))]
    have = set(table["circuit"])
    columns = (table[name].tolist() for name in ("layer", "head", "circuit", "score"))
    kept: dict[tuple[int, int], dict[str, float]] = {}
    for layer, head, language, score in zip(*columns, strict=True):
        kept.setdefault((layer, head), {})[language] = score
    order = sorted(kept, key=lambda node: (-len(kept[node]), -np.mean(list(kept[node].values())), node))
    rows = [
        (
            node_name(*node),
            *node,
            _class(len(kept[node]), len(have)),
            ", ".join(sorted(kept[node])),
            float(np.mean(list(kept[node].values()))),
        )
        for node in order
    ]
    return pd.DataFrame(rows, columns=["node", "layer", "head", "class", "languages", "score"])


def _class(n: int, of: int) -> str:
    if n == 1:
        return SPECIFIC
    return UNIVERSAL if n == of else SHARED
