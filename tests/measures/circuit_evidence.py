"""Tables of what was seen inside an imaginary model, to go with the evidence of synthetic.py.

The model is additive: each node carries a part of each item's own effect, the parts of an item sum to one, and a
circuit carries the sum of its nodes' parts. So every share is one that we planted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from audit.measures import prepare
from audit.measures.stereotype import effects
from audit.measures.view import Cube
from audit.records import (
    CIRCUIT_COLUMNS,
    EDGE_COLUMNS,
    MLP,
    NODE_COLUMNS,
    PATCH_COLUMNS,
    POOLED,
    READING_COLUMNS,
    WHOLE,
    Evidence,
    Kind,
)

DRAWS = 50
SIZES = (1, 2, 4, 8, 16)
BEST = 8  # patched exactly because screening ranks them first
DRAWN = 8  # patched exactly because they were drawn
UNIVERSAL = (3, 7, 12)  # nodes planted in every language's circuit; a fourth is the language's own


@dataclass(frozen=True)
class _Language:
    """One language of one suite: its items, and which part of each item's effect each node carries."""

    code: str
    items: np.ndarray  # (n,)
    fold: np.ndarray  # (n,)
    control: np.ndarray  # (n,)
    te: np.ndarray  # (n,) nats
    parts: np.ndarray  # (n, nodes), rows sum to 1

    def scores(self, chosen: np.ndarray) -> np.ndarray:
        """Mean over some items of each node's effect, each item turned to its own sign."""
        return (np.abs(self.te)[:, None] * self.parts)[chosen & ~self.control].mean(axis=0)


def with_circuits(
    evidence: Evidence,
    seed: int = 0,
    *,
    carried: float | None = 0.6,
    control_carried: float = 0.25,
    kept: int = 4,
    spread: float = 0.04,
    unevenness: float = 0.3,
    exact_everywhere: bool = False,
    skip: tuple[str, ...] = (),
) -> Evidence:
    """The evidence with nodes, circuits, patches, edges and readings added to its stereotype suites.

    Args:
        evidence: of synthetic.py; its model's numbers of layers and heads are used (4 x 4 heads and 4 MLPs).
        seed: same seed and arguments, same tables.
        carried: share of the items' effects that the four planted nodes of a language carry; None for a model in
            which a "circuit" is one more random draw of nodes.
        control_carried: the same for control pairs (without planted nodes they have the parts of all other items).
        kept: size of every circuit (the 80 % rule of the engine is not followed).
        spread: SD over templates and languages of the part that a node carries.
        unevenness: spread of the parts of the other nodes, relative to their mean.
        exact_everywhere: every node patched, not only the best and those drawn.
        skip: languages in which nobody looked inside.
    """
    rng = np.random.default_rng([31, seed])
    view = prepare(evidence)
    layers, heads = evidence.manifest.model.n_layers, evidence.manifest.model.n_heads
    nodes = np.array([(layer, head) for layer in range(layers) for head in (*range(heads), MLP)])
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in ("nodes", "circuits", "patches", "edges", "readings")}
    for cube in view.of(Kind.STEREOTYPE):
        shares = {"carried": carried, "control_carried": control_carried, "spread": spread, "unevenness": unevenness}
        spoken = [
            _language(cube, code, number, len(nodes), rng, **shares)
            for number, code in enumerate(cube.languages)
            if code not in skip
        ]
        ranks = _ranks(spoken, rng, chosen_by_effect=carried is not None)
        parts = {
            "nodes": _nodes(spoken, nodes, rng, exact_everywhere),
            "circuits": _circuits(spoken, ranks, nodes, kept),
            "patches": _patches(spoken, ranks, nodes, kept, rng),
            "edges": _edges(spoken, ranks, nodes, layers, rng),
            "readings": _readings(spoken, layers, heads, rng),
        }
        for name, table in parts.items():
            table.insert(0, "suite", cube.suite)
            tables[name].append(table)
    columns = {
        "nodes": NODE_COLUMNS,
        "circuits": CIRCUIT_COLUMNS,
        "patches": PATCH_COLUMNS,
        "edges": EDGE_COLUMNS,
        "readings": READING_COLUMNS,
    }
    return replace(
        evidence, **{name: _typed(pd.concat(tables[name], ignore_index=True), columns[name]) for name in tables}
    )


def _typed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    return table[list(columns)].astype(dict(columns))


def folds(cube: Cube) -> dict[str, int]:
    """Template -> fold, balanced by topic, controls apart from the others."""
    seen = sorted({(bool(c), t, name) for c, t, name in zip(cube.control, cube.topic, cube.template, strict=True)})
    return {name: place % 2 for place, (_, _, name) in enumerate(seen)}


def _language(
    cube: Cube,
    code: str,
    number: int,
    n_nodes: int,
    rng: np.random.Generator,
    *,
    carried: float | None,
    control_carried: float,
    spread: float,
    unevenness: float,
) -> _Language:
    te = effects(cube).total
    rows = (cube.language == code) & np.isfinite(te)
    fold_of = folds(cube)
    control = cube.control[rows]
    others = [node for node in range(n_nodes) if node not in UNIVERSAL]
    circuit = np.zeros(n_nodes, dtype=bool)
    circuit[[*UNIVERSAL, others[number * 3 % len(others)]]] = True

    def weights(share: float | None) -> np.ndarray:
        raw = np.abs(1 + unevenness * rng.normal(size=n_nodes))
        if share is None:
            return raw / raw.sum()
        return np.where(circuit, share * raw / raw[circuit].sum(), (1 - share) * raw / raw[~circuit].sum())

    own = weights(carried)
    mean = own if carried is None else np.where(control[:, None], weights(control_carried), own)
    noise = rng.normal(0, spread, (len(control), n_nodes))
    return _Language(
        code=code,
        items=cube.item[rows],
        fold=np.array([fold_of[name] for name in cube.template[rows]]),
        control=control,
        te=te[rows],
        parts=mean + noise - noise.mean(axis=1, keepdims=True),
    )


def _ranks(
    spoken: list[_Language], rng: np.random.Generator, *, chosen_by_effect: bool
) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """(circuit, fold) -> nodes in the order of their choice, and the scores of all nodes."""
    found = {}
    for fold in (0, 1, WHOLE):
        scores = {one.code: one.scores(one.fold != fold) for one in spoken}
        scores[POOLED] = np.mean(list(scores.values()), axis=0)
        for circuit, score in scores.items():
            order = np.argsort(-score, kind="stable") if chosen_by_effect else rng.permutation(len(score))
            found[circuit, fold] = (order, score)
    return found


def _circuits(spoken, ranks, nodes, kept):  # type: ignore[no-untyped-def]
    tables = []
    for (circuit, fold), (order, score) in ranks.items():
        listed = order[: max(SIZES)]
        rank = np.arange(1, len(listed) + 1)
        tables.append(
            pd.DataFrame(
                {
                    "circuit": circuit,
                    "fold": fold,
                    "rank": rank,
                    "layer": nodes[listed, 0],
                    "head": nodes[listed, 1],
                    "score": score[listed],
                    "kept": rank <= kept,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _nodes(spoken, nodes, rng, exact_everywhere):  # type: ignore[no-untyped-def]
    tables = []
    for one in spoken:
        n, m = one.parts.shape
        exact = one.te[:, None] * one.parts
        screened = exact * rng.normal(0.9, 0.1, (1, m)) + rng.normal(0, 0.01, (n, m))
        best = np.argsort(-(np.sign(one.te)[:, None] * screened).mean(axis=0))[:BEST]
        rest = np.setdiff1d(np.arange(m), best)
        drawn = np.isin(np.arange(m), rng.choice(rest, size=DRAWN, replace=False))
        patched = drawn | np.isin(np.arange(m), best) | exact_everywhere
        tables.append(
            pd.DataFrame(
                {
                    "language": one.code,
                    "item": np.repeat(one.items, m),
                    "layer": np.tile(nodes[:, 0], n),
                    "head": np.tile(nodes[:, 1], n),
                    "screened": screened.ravel(),
                    "exact": np.where(patched, exact, np.nan).ravel(),
                    "drawn": np.tile(drawn, n),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _patches(spoken, ranks, nodes, kept, rng):  # type: ignore[no-untyped-def]
    """Each judged circuit as a mask over nodes; its effect is the item's effect times the sum of its nodes' parts."""
    is_mlp = nodes[:, 1] == MLP
    chunks = []
    for one in spoken:
        for fold in (0, 1):
            mine, real = one.fold == fold, (one.fold == fold) & ~one.control
            own = ranks[one.code, fold][0]
            for row, rows, mask, size in _judged(one, own, ranks, fold, kept, mine, real, is_mlp, rng):
                effect = one.te[rows] * (one.parts[rows] @ mask)
                if row["part"] == "sufficiency":
                    effect = 0.9 * effect + rng.normal(0, 0.02, len(effect))
                if row["ablation"] == "mean":
                    effect = 0.85 * effect + rng.normal(0, 0.02, len(effect))
                chunks.append((one.code, one.items[rows], row, fold, size, effect))
    lengths = [len(effect) for *_, effect in chunks]
    columns = {
        "language": [code for code, *_ in chunks],
        "circuit": [row.get("circuit", code) for code, _, row, *_ in chunks],
        "fold": [fold for _, _, _, fold, _, _ in chunks],
        "part": [row["part"] for _, _, row, *_ in chunks],
        "ablation": [row["ablation"] for _, _, row, *_ in chunks],
        "size": [size for *_, size, _ in chunks],
        "draw": [row.get("draw", 0) for _, _, row, *_ in chunks],
    }
    table = pd.DataFrame({name: np.repeat(np.array(values, dtype=object), lengths) for name, values in columns.items()})
    return table.assign(
        item=np.concatenate([items for _, items, *_ in chunks]),
        effect=np.concatenate([effect for *_, effect in chunks]),
    )


def _judged(one, own, ranks, fold, kept, mine, real, is_mlp, rng) -> Iterator:  # type: ignore[no-untyped-def]
    """What is judged on a fold of a language: labels, item rows, mask, size."""

    def mask(chosen: np.ndarray) -> np.ndarray:
        return np.isin(np.arange(len(is_mlp)), chosen).astype(float)

    plain = {"ablation": "counterfactual"}
    for size in SIZES:
        for part in ("necessity", "sufficiency"):
            # Control pairs are judged at the kept size only.
            yield {"part": part, **plain}, mine if size == kept else real, mask(own[:size]), size
    yield {"part": "necessity", "ablation": "mean"}, real, mask(own[:kept]), kept
    for circuit in sorted({name for name, _ in ranks} - {one.code}):
        chosen = ranks[circuit, fold][0][:kept]
        yield {"part": "necessity", "circuit": circuit, **plain}, real, mask(chosen), kept
    n_mlps = int(is_mlp[own[:kept]].sum())
    for draw in range(1, DRAWS + 1):
        mlps = rng.choice(np.flatnonzero(is_mlp), n_mlps, replace=False)
        heads = rng.choice(np.flatnonzero(~is_mlp), kept - n_mlps, replace=False)
        yield {"part": "necessity", "draw": draw, **plain}, real, mask(np.concatenate([mlps, heads])), kept


def _edges(spoken, ranks, nodes, layers, rng):  # type: ignore[no-untyped-def]
    """From the embedding into each node of the circuit, on to those of later layers, and to the answer."""
    rows = []
    for one in spoken:
        circuit = sorted(map(tuple, nodes[ranks[one.code, WHOLE][0][:6]].tolist()))
        found = []
        for layer, head in circuit:
            found.append((-1, -1, layer, head, "mlp" if head == MLP else "v"))
            found.append((layer, head, layers, -1, "answer"))
            found += [
                (layer, head, to, at, "mlp" if at == MLP else "qkv"[to % 3])
                for to, at in circuit
                if to > layer or (to == layer and at == MLP and head != MLP)
            ]
        for number, edge in enumerate(found):
            score = float(rng.normal(0.15, 0.12))
            exact = score + float(rng.normal(0, 0.02)) if number % 2 else np.nan
            rows.append((one.code, *edge, score, exact, int((~one.control).sum())))
    return pd.DataFrame(rows, columns=[name for name in EDGE_COLUMNS if name != "suite"])


def _readings(spoken, layers, heads, rng):  # type: ignore[no-untyped-def]
    rows = []
    for one in spoken:
        n = int((~one.control).sum())
        mean = float(np.abs(one.te[~one.control]).mean())
        for layer in range(layers):
            depth = (layer + 1) / layers
            rows.append((one.code, "logit lens", layer, -1, mean * depth**2, n))
            rows.append((one.code, "probe", layer, -1, float(np.clip(0.5 + 0.4 * depth, 0, 1)), n))
            rows.append((one.code, "probe of shuffled labels", layer, -1, float(rng.uniform(0.45, 0.55)), n))
            rows += [
                (one.code, "attention to the slot", layer, head, float(rng.beta(1, 4)), n) for head in range(heads)
            ]
    return pd.DataFrame(rows, columns=[name for name in READING_COLUMNS if name != "suite"])
