"""What was seen inside the model, arranged by item: what each circuit carries, and what each node does.

A *circuit* is a set of nodes chosen on some templates and judged on the others; nothing here reads a circuit on the
templates that chose it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.errors import RunError
from audit.measures.stereotype import effects, scales
from audit.measures.view import Cube, Floats, Mask, View
from audit.records import MLP, WHOLE, Kind

NECESSITY, SUFFICIENCY = "necessity", "sufficiency"
COUNTERFACTUAL, MEAN = "counterfactual", "mean"
NO_FOLD = -2  # of an item that no circuit was judged on


class MakeUp(NamedTuple):
    """How many nodes of each sort a circuit keeps."""

    heads: int
    mlps: int

    @property
    def size(self) -> int:
        """All its nodes."""
        return self.heads + self.mlps


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One circuit, or the random ones beside it, judged on held-out items by one part and one ablation."""

    row: NDArray[np.intp]  # of the cube
    size: NDArray[np.int64]
    draw: NDArray[np.int64]
    effect: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Nodes:
    """Effects of single nodes on the items of one language, nats; NaN where there is none."""

    layer: NDArray[np.int64]  # (nodes,)
    head: NDArray[np.int64]
    row: NDArray[np.intp]  # (items,) of the cube
    screened: Floats  # (items, nodes)
    exact: Floats
    drawn: Mask  # (nodes,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """One stereotype suite with what was seen inside the model on its items."""

    cube: Cube
    total: Floats  # (n,) each item's own effect, nats
    fold: NDArray[np.int64]  # (n,) the part of the templates an item belongs to
    kept: Mapping[tuple[str, int], MakeUp]  # (circuit, fold) -> what is judged
    judged: Mapping[tuple[str, str, str], Judged]  # (circuit, part, ablation)
    nodes: Mapping[str, Nodes]  # by language
    spreads: Mapping[str, float]  # language -> SD of its control pairs' effects, where it is read and has a scale

    def real(self, language: str) -> Mask:
        """Items that may support a finding in a language."""
        return self.cube.used(self.total) & self.of(language)

    def controls(self, language: str) -> Mask:
        """Control pairs of a language."""
        return self.cube.controls(self.total) & self.of(language)

    def of(self, language: str) -> Mask:
        """All items of a language."""
        return np.array(self.cube.language == language, dtype=bool)

    def effect(
        self,
        circuit: str,
        *,
        part: str = NECESSITY,
        ablation: str = COUNTERFACTUAL,
        size: int | None = None,
    ) -> Floats:
        """What a circuit carries of each item of any language, (n,) nats; `size` None: as many nodes as are kept."""
        found = self._drawn(circuit, part, ablation, size)
        values = np.full(len(self.total), np.nan)
        if found is not None:
            own = found.draw == 0
            values[found.row[own]] = found.effect[own]
        return values

    def random(self, language: str, *, part: str = NECESSITY) -> Floats:
        """What random circuits of the same make-up as the language's own carry of each item, (n, draws) nats.

        A draw is one circuit within a fold; the same number in another fold is another circuit.
        """
        found = self._drawn(language, part, COUNTERFACTUAL, None)
        draws = 0 if found is None or not len(found.draw) else int(found.draw.max())
        values = np.full((len(self.total), draws), np.nan)
        if found is not None:
            beside = found.draw > 0
            values[found.row[beside], found.draw[beside] - 1] = found.effect[beside]
            values[~self.of(language)] = np.nan
        return values

    def sizes(self, circuit: str) -> tuple[int, ...]:
        """The sizes a circuit was judged at."""
        seen = [self.judged[key].size for key in self.judged if key[0] == circuit]
        return tuple(sorted({int(size) for sizes in seen for size in sizes}))

    def mean_size(self, circuit: str) -> float:
        """Nodes kept, on average over folds; NaN where none was chosen."""
        sizes = [make_up.size for (name, fold), make_up in self.kept.items() if name == circuit and fold != WHOLE]
        return float(np.mean(sizes)) if sizes else float("nan")

    def _drawn(self, circuit: str, part: str, ablation: str, size: int | None) -> Judged | None:
        found = self.judged.get((circuit, part, ablation))
        if found is None:
            return None
        if size is None:
            kept = {fold: make_up.size for (name, fold), make_up in self.kept.items() if name == circuit}
            wanted = np.array([kept.get(int(fold), -1) for fold in self.fold])[found.row]
        else:
            wanted = np.full(len(found.row), size)
        these = found.size == wanted
        return Judged(row=found.row[these], size=found.size[these], draw=found.draw[these], effect=found.effect[these])


# One view is asked by every measure; a weak key lets it go with the view.
_INSIDE: weakref.WeakKeyDictionary[View, tuple[Inside, ...]] = weakref.WeakKeyDictionary()


def looked_inside(view: View) -> tuple[Inside, ...]:
    """The stereotype suites with their circuits; nothing where the run did not look inside.

    Raises:
        RunError: a template judged in two folds, or an effect that appears twice.
    """
    if view not in _INSIDE:
        evidence = view.evidence
        seen = any(len(table) for table in (evidence.nodes, evidence.circuits, evidence.patches))
        _INSIDE[view] = tuple(_inside(view, cube) for cube in view.of(Kind.STEREOTYPE)) if seen else ()
    return _INSIDE[view]


def inside_of(view: View, suite: str) -> Inside:
    """One suite with its circuits.

    Raises:
        RunError: the run did not look inside on such a suite.
    """
    for inside in looked_inside(view):
        if inside.cube.suite == suite:
            return inside
    raise RunError(f"suite {suite}: nothing was seen inside the model on it; gather again with circuits")


def _inside(view: View, cube: Cube) -> Inside:
    evidence = view.evidence
    patches = evidence.patches[(evidence.patches["suite"] == cube.suite) & (evidence.patches["fold"] != WHOLE)]
    circuits = evidence.circuits[(evidence.circuits["suite"] == cube.suite) & evidence.circuits["kept"]]
    row = _place(cube, patches)
    known = row >= 0  # what is in the tables of an excluded item supports nothing
    patches, row = patches[known], row[known]
    return Inside(
        cube=cube,
        total=effects(cube).total,
        fold=_folds(cube, row, patches["fold"].to_numpy(dtype=np.int64)),
        kept=_kept(circuits),
        judged=_judged(cube, row, patches),
        nodes=_nodes(cube, evidence.nodes[evidence.nodes["suite"] == cube.suite]),
        spreads=scales(view, cube),
    )


def _place(cube: Cube, table: pd.DataFrame) -> NDArray[np.intp]:
    """The row of the cube of each row of a table, -1 where it has none."""
    codes, names = zip(
        *(pd.factorize(table[name].to_numpy(dtype=object)) for name in ("language", "item")), strict=True
    )
    of_language, of_item = ({name: code for code, name in enumerate(labels)} for labels in names)
    rows = np.full((len(of_language) + 1, len(of_item) + 1), -1, dtype=np.intp)
    for row, key in enumerate(zip(cube.language.tolist(), cube.item.tolist(), strict=True)):
        rows[of_language.get(key[0], -1), of_item.get(key[1], -1)] = row
    return np.asarray(rows[codes[0], codes[1]])


def _folds(cube: Cube, row: NDArray[np.intp], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each row of the cube; a template has one fold in all languages."""
    of_template: dict[Any, int] = {}
    for template, number in sorted(set(zip(cube.template[row].tolist(), fold.tolist(), strict=True))):
        if of_template.setdefault(template, number) != number:
            place = f"patches: template {template} of suite {cube.suite}"
            raise RunError(f"{place} is judged in two folds, so by its own choice; gather the evidence again")
    return np.array([of_template.get(template, NO_FOLD) for template in cube.template], dtype=np.int64)


def _kept(circuits: pd.DataFrame) -> dict[tuple[str, int], MakeUp]:
    found: dict[tuple[str, int], MakeUp] = {}
    columns = (circuits[name].tolist() for name in ("circuit", "fold", "head"))
    for circuit, fold, head in zip(*columns, strict=True):
        heads, mlps = found.get((circuit, fold), MakeUp(0, 0))
        found[circuit, fold] = MakeUp(heads, mlps + 1) if head == MLP else MakeUp(heads + 1, mlps)
    return found


def _judged(cube: Cube, row: NDArray[np.intp], patches: pd.DataFrame) -> dict[tuple[str, str, str], Judged]:
    labels = [pd.factorize(patches[name].to_numpy(dtype=object)) for name in ("circuit", "part", "ablation")]
    size, draw = (patches[name].to_numpy(dtype=np.int64) for name in ("size", "draw"))
    effect = patches["effect"].to_numpy(dtype=float)
    code = (labels[0][0] * len(labels[1][1]) + labels[1][0]) * len(labels[2][1]) + labels[2][0]
    order = np.lexsort((draw, size, row, code))
    keys = np.stack([code, row, size, draw])[:, order]
    if (again := (np.diff(keys) == 0).all(axis=0)).any():
        twice = cube.item[keys[1, int(np.argmax(again))]]
        raise RunError(f"patches: an effect on item {twice} of suite {cube.suite} appears twice; gather again")
    found = {}
    for rows in np.split(order, np.flatnonzero(np.diff(keys[0])) + 1) if len(order) else []:
        key = tuple(str(names[codes[rows[0]]]) for codes, names in labels)
        found[key[0], key[1], key[2]] = Judged(row=row[rows], size=size[rows], draw=draw[rows], effect=effect[rows])
    return found


def _nodes(cube: Cube, table: pd.DataFrame) -> dict[str, Nodes]:
    row = _place(cube, table)
    table, row = table[row >= 0], row[row >= 0]
    layer, head = (table[name].to_numpy(dtype=np.int64) for name in ("layer", "head"))
    screened, exact = (table[name].to_numpy(dtype=float) for name in ("screened", "exact"))
    drawn, spoken = table["drawn"].to_numpy(dtype=bool), cube.language[row]
    found = {}
    for language in sorted(set(spoken.tolist())):
        mine = np.flatnonzero(spoken == language)
        names, place = np.unique(np.stack([layer[mine], head[mine]]), axis=1, return_inverse=True)
        items, at = np.unique(row[mine], return_inverse=True)
        matrices = []
        for values in (screened, exact):
            matrix = np.full((len(items), names.shape[1]), np.nan)
            matrix[at, place.ravel()] = values[mine]
            matrices.append(matrix)
        picked = np.zeros(names.shape[1], dtype=bool)
        picked[place.ravel()[drawn[mine]]] = True
        found[language] = Nodes(
            layer=names[0], head=names[1], row=items, screened=matrices[0], exact=matrices[1], drawn=picked
        )
    return found
