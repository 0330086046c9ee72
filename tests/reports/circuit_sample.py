"""Tables of circuits as large as those of a small real model, invented by formula, for the pictures of the report."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.records import MLP, POOLED, node_name
from reports.circuit_tables import Seen

LANGUAGES = ("en", "es", "sw", "hi", "zh-Hans", "ar")
UNREAD = ("yo",)
SIZES = (1, 2, 4, 8, 16, 32)
KEPT = 8


def seen(
    *,
    languages: tuple[str, ...] = LANGUAGES,
    unread: tuple[str, ...] = UNREAD,
    n_layers: int = 18,
    n_heads: int = 4,
    seed: int = 0,
    **changes: object,
) -> Seen:
    """One suite's tables; `changes` replace them."""
    rng = np.random.default_rng(seed)
    nodes = [(layer, head) for layer in range(n_layers) for head in (*range(n_heads), MLP)]
    plain: dict[str, object] = {
        "suite": "stereotype",
        "n_layers": n_layers,
        "languages": languages,
        "unread": unread,
        "maps": maps(languages, nodes, rng),
        "curves": curves(languages, rng),
        "transfer": transfer(languages, rng),
        "parts": parts(languages, nodes),
        "edges": edges(languages, n_layers, n_heads, rng),
        "readings": readings((*languages, *unread), n_layers, n_heads, rng),
        "draws": 50,
        "exact_everywhere": False,
        "errors": ("Arabic 0.71", "English 0.94"),
    }
    return Seen(**{**plain, **changes})  # type: ignore[arg-type]


def maps(languages: tuple[str, ...], nodes: list[tuple[int, int]], rng: np.random.Generator) -> pd.DataFrame:
    """One strong node for all languages, one of each language's own, one against, many that carry next to nothing."""
    tables = []
    for i, code in enumerate(languages):
        share = rng.normal(0, 0.012, len(nodes))
        share[len(nodes) // 2 + 2] = 0.42
        share[(len(nodes) // 3 + 7 * i) % len(nodes)] = 0.18
        share[(2 * len(nodes) // 3 + 3 * i) % len(nodes)] = -0.12
        basis = np.where(rng.random(len(nodes)) < 0.4, "exact", "screened")
        layer, head = (np.array([node[j] for node in nodes]) for j in (0, 1))
        tables.append(pd.DataFrame({"language": code, "layer": layer, "head": head, "share": share, "basis": basis}))
    return pd.concat(tables, ignore_index=True)


def curves(languages: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for code in languages:
        top = rng.uniform(0.45, 0.95)
        for part in ("necessity", "sufficiency"):
            for size in SIZES:
                share = top * (1 - np.exp(-size / 4)) * (1.0 if part == "necessity" else 0.8)
                beside = size == KEPT and part == "necessity"
                rows.append(
                    {
                        "language": code,
                        "size": size,
                        "part": part,
                        "share": share,
                        "low": share - 0.1,
                        "high": share + 0.1,
                        "random_mean": 0.08 if beside else np.nan,
                        "random_low": -0.02 if beside else np.nan,
                        "random_high": 0.19 if beside else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def transfer(languages: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        {"chosen": a, "judged": b, "share": rng.uniform(0.6, 0.9) if a == b else rng.uniform(-0.05, 0.75)}
        for a in (POOLED, *languages)
        for b in languages
    ]
    return pd.DataFrame(rows)


def parts(languages: tuple[str, ...], nodes: list[tuple[int, int]]) -> pd.DataFrame:
    rows = [(nodes[len(nodes) // 2 + 2], "universal", languages), (nodes[7], "shared", languages[:3])]
    rows += [(nodes[11 + 3 * i], "language-specific", (code,)) for i, code in enumerate(languages)]
    named = [(node_name(*node), *node, kind, ", ".join(codes)) for node, kind, codes in rows]
    return pd.DataFrame(named, columns=["node", "layer", "head", "class", "languages"])


def edges(languages: tuple[str, ...], n_layers: int, n_heads: int, rng: np.random.Generator) -> pd.DataFrame:
    """A circuit of seven nodes and the answer."""
    chosen = [(1, 0), (1, MLP), (4, 2), (7, 1), (7, 3), (9, 2), (9, MLP), (12, 0), (n_layers - 2, MLP)]
    found = [(-1, -1, layer, head) for layer, head in chosen[:4]]
    found += [(*a, *b) for a in chosen for b in chosen if a[0] < b[0] or (a[0] == b[0] and b[1] == MLP != a[1])]
    found += [(layer, head, n_layers, -1) for layer, head in chosen[3:]]
    rows = []
    for code in languages:
        for i, (from_layer, from_head, to_layer, to_head) in enumerate(found):
            reader = "answer" if to_layer == n_layers else "mlp" if to_head == MLP else "qkv"[i % 3]
            score = float(rng.normal(0.1, 0.15)) * (1 + (from_layer == 9) + (to_layer == n_layers))
            exact = score * 0.9 if i % 2 else np.nan
            rows.append(("stereotype", code, from_layer, from_head, to_layer, to_head, reader, score, exact, 40))
    names = [
        "suite",
        "language",
        "from_layer",
        "from_head",
        "to_layer",
        "to_head",
        "reader",
        "score",
        "exact",
        "n_items",
    ]
    return pd.DataFrame(rows, columns=names)


def readings(languages: tuple[str, ...], n_layers: int, n_heads: int, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for code in languages:
        size = rng.uniform(0.3, 3)
        for layer in range(n_layers):
            depth = (layer + 1) / n_layers
            rows.append((code, "logit lens", layer, -1, size * depth**3))
            rows.append((code, "probe", layer, -1, min(0.98, 0.55 + 0.45 * depth + rng.normal(0, 0.02))))
            rows.append((code, "probe of shuffled labels", layer, -1, rng.uniform(0.45, 0.55)))
            rows += [(code, "attention to the slot", layer, head, rng.beta(1, 5)) for head in range(n_heads)]
    table = pd.DataFrame(rows, columns=["language", "what", "layer", "head", "value"])
    return table.assign(suite="stereotype", n_items=40)
