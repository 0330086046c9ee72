"""Circuits of one stereotype suite: chosen on some templates, judged on the others, compared across languages.

    screen    every node, by gradients
    exact     the best of each language and of all, and some drawn at random: patched one by one
    choose    per language and over all: nodes ranked by what they carry of the choosing templates' effects; as many
              kept as carry most of it
    judge     on the other templates: by size, beside random circuits of the same make-up, set to means; and the
              circuits of the other languages
    describe  edges between the nodes kept, and readings of the residual stream

Folds, circuits and random draws follow from the content of the suite alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import groupby
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.circuits.looking import Look, Looker, Portion, Screened
from audit.circuits.selection import (
    N_FOLDS,
    SIZES,
    Nodes,
    Ranked,
    as_nodes,
    candidates,
    folds_of,
    kept_size,
    random_circuits,
    ranking,
    turned,
)
from audit.errors import UnsupportedModelError
from audit.progress import Reporter
from audit.records import (
    CIRCUIT_COLUMNS,
    EDGE_COLUMNS,
    EXCLUSION_COLUMNS,
    MLP,
    NODE_COLUMNS,
    PATCH_COLUMNS,
    POOLED,
    READING_COLUMNS,
    WHOLE,
    Item,
    Suite,
)
from audit.sharing import Job

Floats = NDArray[np.float64]
_Asked = tuple[str, int, int, Look]  # circuit, size, draw, what is patched
# How nodes are patched one by one: only those that the screening names and a random sample, or all of them.
Depth = Literal["screened", "exact"]

ITEMS_PER_PORTION = 20
N_OWN, N_POOLED = 16, 12  # nodes patched for a language's own estimate, and for that over all languages
N_DRAWN = 12  # nodes patched because they were drawn at random, to measure the error of the estimate
N_RANDOM = 24  # random circuits beside each circuit and fold: with the circuit, 25 x 25 sums of two folds
EDGE_ITEMS = 12  # of a language
MOST_EDGES = 24


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a suite's study leaves: tables with the columns that records.py names."""

    nodes: pd.DataFrame
    circuits: pd.DataFrame
    patches: pd.DataFrame
    edges: pd.DataFrame
    readings: pd.DataFrame
    exclusions: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False)
class _Items:
    """The items of one language that were patched, in the order of their portions. Shapes: n items."""

    portions: tuple[Portion, ...]
    names: tuple[str, ...]
    place: Mapping[Portion, slice]
    fold: NDArray[np.int64]
    control: NDArray[np.bool_]
    total: Floats  # m(base) - m(counterpart), nats
    screened: Floats  # (n, layers, heads + 1)
    exact: Floats  # the same, NaN where not patched

    def choosing(self, fold: int) -> NDArray[np.bool_]:
        """Items that have a say in the choice of a fold's circuit."""
        return ~self.control & (self.fold != fold)

    def mean(self, effects: Floats, fold: int) -> Floats:
        """Mean effect of each node over the choosing items, each turned to the item's own sign."""
        chosen = self.choosing(fold)
        return np.asarray(turned(effects[chosen], self.total[chosen]).mean(axis=0))


@dataclass(frozen=True, kw_only=True)
class _Circuit:
    """A ranking and how much of it is kept."""

    ranked: tuple[Ranked, ...]
    size: int
    sizes: tuple[int, ...]

    def nodes(self, shape: tuple[int, int], size: int | None = None) -> Nodes:
        return as_nodes(self.ranked, size=self.size if size is None else size, shape=shape)


@dataclass(kw_only=True, eq=False)
class _Rows:
    """Rows of the tables as they come."""

    patches: list[tuple[Any, ...]] = field(default_factory=list)
    edges: list[pd.DataFrame] = field(default_factory=list)
    readings: list[pd.DataFrame] = field(default_factory=list)


def study(
    suite: Suite,
    margins: Mapping[tuple[str, str], tuple[float, float]],
    *,
    looker: Looker,
    depth: Depth,
    readable: Collection[str],
    reporter: Reporter,
) -> Study:
    """Look inside the model on a stereotype suite.

    Languages that the model does not read are looked at too, but nothing is tested on them (no random circuits), and
    they have no say in the circuit over all languages.

    Args:
        suite: of kind stereotype.
        margins: (language, item) -> m(base), m(counterpart) in nats, of the items that were scored.
        looker: asks the model.
        depth: which nodes are patched one by one.
        readable: languages that the model reads.
        reporter: told what is done.

    Returns:
        Tables; where the model cannot be looked into, empty ones and every item among the exclusions, with the reason.
    """
    portions = plan(suite, margins)
    try:
        return _Study(suite.record.name, portions, looker, depth, readable, reporter).run()
    except UnsupportedModelError as cannot:
        reporter.say(f"not looked inside: {cannot}")
        excluded = [(one.language, item.id, str(cannot)) for one in portions for item in one.items]
        return Study(
            nodes=_table([], NODE_COLUMNS),
            circuits=_table([], CIRCUIT_COLUMNS),
            patches=_table([], PATCH_COLUMNS),
            edges=_table([], EDGE_COLUMNS),
            readings=_table([], READING_COLUMNS),
            exclusions=_excluded(suite.record.name, excluded),
        )


def plan(suite: Suite, margins: Mapping[tuple[str, str], tuple[float, float]]) -> tuple[Portion, ...]:
    """Portions of the suite's items that were scored and are not held back, the same whatever other suites are run."""
    # A template that somebody put under two topics has the first, whatever the order of items.
    topics = sorted((item.template, "" if item.control else item.topic) for item in suite.items)
    folds = folds_of(dict(reversed(topics)))

    def place(item: Item) -> tuple[str, bool, int]:
        return item.language, item.control, folds[item.template]

    usable = [item for item in suite.items if not item.quarantine and (item.language, item.id) in margins]
    found = []
    for (language, control, fold), group in groupby(sorted(usable, key=lambda i: (place(i), i.id)), key=place):
        many = tuple(group)
        for begin in range(0, len(many), ITEMS_PER_PORTION):
            some = many[begin : begin + ITEMS_PER_PORTION]
            known = tuple(margins[language, item.id] for item in some)
            found.append(Portion(language=language, fold=fold, control=control, items=some, margins=known))
    return tuple(found)


class _Study:
    def __init__(
        self,
        suite: str,
        portions: Sequence[Portion],
        looker: Looker,
        depth: Depth,
        readable: Collection[str],
        reporter: Reporter,
    ) -> None:
        self.suite, self.portions, self.looker, self.depth, self.reporter = suite, portions, looker, depth, reporter
        self.languages = tuple(sorted({portion.language for portion in portions}))
        self.readable = tuple(language for language in self.languages if language in readable)
        self.refused: list[tuple[str, str, str]] = []
        self.rows = _Rows()

    def run(self) -> Study:
        looked = [partial(self._looked, portion) for portion in self.portions]
        if not self.looker.holds(looked):
            self._stage("recording")
            self.looker.record(self.portions, done=self.reporter.advance)
        self._stage("estimating every node", controls=False)
        self._share(zip(self.portions, looked, strict=True))
        found = {language: items for language in self.languages if (items := self._screen(language)) is not None}
        self.languages = tuple(found)
        self.readable = tuple(language for language in self.readable if language in found)
        if not found:
            return self._tables({}, {}, {})
        self.shape: tuple[int, int] = next(iter(found.values())).screened.shape[1:]
        drawn = self._drawn()
        candidate = {one: self._candidates(found, one) for one in self._chosen_for()}
        self._stage("patching nodes", controls=False)
        self._patch_nodes(found, candidate, drawn)
        rankings = {
            (circuit, fold): self._ranking(found, circuit, fold, candidate, drawn)
            for circuit, fold in self._chosen_for()
            if self._has_items(found, circuit, fold)
        }
        self._stage("choosing circuits", controls=False)
        circuits = self._choose(found, rankings)
        self._stage("judging circuits")
        self._judge(found, circuits)
        self._describe(found, circuits)
        return self._tables(found, drawn_of=dict.fromkeys(found, drawn), circuits=circuits)

    def _stage(self, name: str, *, controls: bool = True, total: int | None = None, unit: str = "items") -> None:
        items = sum(len(portion.items) for portion in self.portions if controls or not portion.control)
        self.reporter.stage(f"looking inside: {name}", total=items if total is None else total, unit=unit)

    # --- every node ---------------------------------------------------------------------------

    def _share(self, calls: Iterable[tuple[Portion, Callable[[], object]]], *, controls: bool = False) -> None:
        """Do what calls for portions need; with `controls`, the stage counts those too."""
        jobs = [
            Job(do=call, group=portion.language, size=len(portion.items) if controls or not portion.control else 0)
            for portion, call in calls
        ]
        self.looker.share(jobs, done=self.reporter.advance)

    def _looked(self, portion: Portion) -> Screened:
        # Controls have no say in the choice: nobody would read their estimates.
        return self.looker.aligned(portion) if portion.control else self.looker.screened(portion)

    def _screen(self, language: str) -> _Items | None:
        portions = [portion for portion in self.portions if portion.language == language]
        looks = {}
        for portion in portions:
            looks[portion] = self._looked(portion)
            self.refused += [(language, item, reason) for item, reason in looks[portion].refused]
        looks = {portion: look for portion, look in looks.items() if look.items}
        if not looks:
            return None
        place: dict[Portion, slice] = {}
        names: list[str] = []
        totals: list[float] = []
        begin = 0
        for portion, look in looks.items():
            place[portion] = slice(begin, begin := begin + len(look.items))
            names += look.items
            margin = {item.id: m for item, m in zip(portion.items, portion.margins, strict=True)}
            totals += [margin[item][0] - margin[item][1] for item in look.items]
        repeats = [len(look.items) for look in looks.values()]
        effects = np.concatenate([look.effects for look in looks.values()])
        return _Items(
            portions=tuple(looks),
            names=tuple(names),
            place=place,
            fold=np.repeat([portion.fold for portion in looks], repeats),
            control=np.repeat([portion.control for portion in looks], repeats),
            total=np.array(totals),
            screened=effects,
            exact=np.full_like(effects, np.nan),
        )

    def _chosen_for(self) -> Iterator[tuple[str, int]]:
        """Every circuit and fold, WHOLE last."""
        pooled = (POOLED,) if len(self.readable) > 1 else ()
        return ((circuit, fold) for circuit in (*self.languages, *pooled) for fold in (*range(N_FOLDS), WHOLE))

    def _choosers(self, circuit: str) -> tuple[str, ...]:
        return self.readable if circuit == POOLED else (circuit,)

    def _has_items(self, found: Mapping[str, _Items], circuit: str, fold: int) -> bool:
        """Somebody chooses and, unless nobody judges, somebody is judged."""
        of = [found[language] for language in self._choosers(circuit)]
        judged = fold == WHOLE or any((~items.control & (items.fold == fold)).any() for items in found.values())
        return judged and all(items.choosing(fold).any() for items in of)

    def _mean(self, found: Mapping[str, _Items], circuit: str, fold: int, what: str) -> Floats:
        """Mean turned effect of each node, (layers, heads + 1); over languages, each language weighs the same."""
        of = [found[language] for language in self._choosers(circuit)]
        means = [items.mean(getattr(items, what), fold) for items in of if items.choosing(fold).any()]
        return np.mean(means, axis=0) if means else np.full(self.shape, np.nan)

    def _candidates(self, found: Mapping[str, _Items], one: tuple[str, int]) -> Nodes:
        if self.depth == "exact":
            return np.ones(self.shape, dtype=bool)
        estimate = self._mean(found, *one, "screened")
        n = N_POOLED if one[0] == POOLED else N_OWN
        return candidates(estimate, n=n) if np.isfinite(estimate).all() else np.zeros(self.shape, dtype=bool)

    def _drawn(self) -> Nodes:
        """Nodes drawn at random, the same in every language."""
        nodes = np.zeros(self.shape, dtype=bool)
        places = np.random.default_rng([0, *self.shape]).permutation(nodes.size)[:N_DRAWN]
        nodes.flat[places] = True
        return nodes

    def _patch_nodes(
        self, found: Mapping[str, _Items], candidate: Mapping[tuple[str, int], Nodes], drawn: Nodes
    ) -> None:
        wanted: list[tuple[_Items, Portion, list[tuple[int, int]], list[Look]]] = []
        for language, items in found.items():
            mine = [nodes for (circuit, _), nodes in candidate.items() if circuit in (language, POOLED)]
            nodes = reduce(np.logical_or, mine, drawn)
            places = [(int(layer), int(column)) for layer, column in np.argwhere(nodes)]
            looks = [Look(self._single(place)) for place in places]
            wanted += [(items, portion, places, looks) for portion in items.portions if not portion.control]
        self._share((portion, partial(self.looker.effects, portion, looks)) for _, portion, _, looks in wanted)
        for items, portion, places, looks in wanted:
            effects = self.looker.effects(portion, looks)
            for number, (layer, column) in enumerate(places):
                items.exact[items.place[portion], layer, column] = effects[number]

    def _single(self, place: tuple[int, int]) -> Nodes:
        nodes = np.zeros(self.shape, dtype=bool)
        nodes[place] = True
        return nodes

    # --- circuits -----------------------------------------------------------------------------

    def _ranking(
        self,
        found: Mapping[str, _Items],
        circuit: str,
        fold: int,
        candidate: Mapping[tuple[str, int], Nodes],
        drawn: Nodes,
    ) -> tuple[Ranked, ...]:
        # What was patched for another fold's sake is as good as unknown: that choice has seen the items to be judged.
        known = candidate[circuit, fold] | drawn
        exact = np.where(known, self._mean(found, circuit, fold, "exact"), np.nan)
        return ranking(exact, self._mean(found, circuit, fold, "screened"))

    def _choose(
        self, found: Mapping[str, _Items], rankings: Mapping[tuple[str, int], tuple[Ranked, ...]]
    ) -> dict[tuple[str, int], _Circuit]:
        """How much of each ranking is kept, by what it carries on the choosing items."""
        lost: dict[tuple[str, int], dict[int, float]] = {one: {} for one in rankings}
        total = dict.fromkeys(rankings, 0.0)
        wanted: list[tuple[_Items, Portion, list[tuple[tuple[str, int], int]], list[Look]]] = []
        for language, items in found.items():
            mine = [one for one in rankings if one[1] != WHOLE and language in self._choosers(one[0])]
            for portion in (portion for portion in items.portions if not portion.control):
                asked = [(one, size) for one in mine if one[1] != portion.fold for size in _sizes(rankings[one])]
                looks = [Look(as_nodes(rankings[one], size=size, shape=self.shape)) for one, size in asked]
                wanted.append((items, portion, asked, looks))
        self._share((portion, partial(self.looker.effects, portion, looks)) for _, portion, _, looks in wanted)
        for items, portion, asked, looks in wanted:
            own = items.total[items.place[portion]]
            ranked = list(dict.fromkeys(one for one, _ in asked))
            # Languages weigh alike in what is chosen over all.
            weights = {one: 1 / int(items.choosing(one[1]).sum()) for one in ranked}
            for (one, size), effects in zip(asked, self.looker.effects(portion, looks), strict=True):
                lost[one][size] = lost[one].get(size, 0.0) + weights[one] * float(turned(effects, own).sum())
            for one in ranked:
                total[one] += weights[one] * float(np.abs(own).sum())
        kept = {one: kept_size(lost[one], total[one]) for one in rankings if lost[one]}
        for circuit, fold in rankings:
            if fold == WHOLE:  # shown, never judged: as many nodes as the larger of those that are
                sizes = [kept[circuit, other] for other in range(N_FOLDS) if (circuit, other) in kept]
                if sizes:
                    kept[circuit, WHOLE] = max(sizes)
        return {
            one: _Circuit(ranked=rankings[one], size=size, sizes=tuple(_sizes(rankings[one])))
            for one, size in kept.items()
        }

    def _judge(self, found: Mapping[str, _Items], circuits: Mapping[tuple[str, int], _Circuit]) -> None:
        """The patches of all held-out items."""
        wanted = [
            (items, portion, self._asked(portion, circuits)) for items in found.values() for portion in items.portions
        ]
        self._share(
            ((portion, partial(self._judged, items, portion, asked)) for items, portion, asked in wanted),
            controls=True,
        )
        for items, portion, asked in wanted:
            for (circuit, size, draw, look), values in zip(asked, self._judged(items, portion, asked), strict=True):
                of = (circuit, portion.fold, look.part, look.ablation, size, draw)
                names = items.names[items.place[portion]]
                self.rows.patches += [
                    (self.suite, portion.language, item, *of, float(value))
                    for item, value in zip(names, values, strict=True)
                ]

    def _judged(self, items: _Items, portion: Portion, asked: Sequence[_Asked]) -> Floats:
        language = items.portions if any(look.ablation == "mean" for *_, look in asked) else ()
        return self.looker.effects(portion, [look for *_, look in asked], language=language)

    def _asked(self, portion: Portion, circuits: Mapping[tuple[str, int], _Circuit]) -> list[_Asked]:
        """All that is asked of the held-out items of a portion."""
        own = circuits.get((portion.language, portion.fold))
        asked: list[_Asked] = []
        if own is not None and portion.control:
            asked.append((portion.language, own.size, 0, Look(own.nodes(self.shape))))
        elif not portion.control:
            for circuit, fold in circuits:
                if fold == portion.fold and circuit != portion.language:
                    other = circuits[circuit, fold]
                    asked.append((circuit, other.size, 0, Look(other.nodes(self.shape))))
            if own is not None:
                asked += self._own_looks(portion, own)
        return asked

    def _own_looks(self, portion: Portion, own: _Circuit) -> Iterator[_Asked]:
        language, kept = portion.language, own.nodes(self.shape)
        for size in own.sizes:
            for part in ("necessity", "sufficiency"):
                yield language, size, 0, Look(own.nodes(self.shape, size), part)
        yield language, own.size, 0, Look(kept, ablation="mean")
        if language in self.readable:
            drawn = random_circuits(kept, n=N_RANDOM, seed=[_number(language), portion.fold])
            for draw, nodes in enumerate(drawn, start=1):
                yield language, own.size, draw, Look(nodes)

    # --- descriptions -------------------------------------------------------------------------

    def _describe(self, found: Mapping[str, _Items], circuits: Mapping[tuple[str, int], _Circuit]) -> None:
        edges: dict[str, Callable[[], pd.DataFrame]] = {}
        for circuit in (*found, POOLED):
            whole = circuits.get((circuit, WHOLE))
            if whole is not None:
                nodes = [(one.layer, one.head) for one in whole.ranked[: whole.size]]
                edges[circuit] = partial(self.looker.edges, self._sample(found, circuit), nodes, most=MOST_EDGES)
        readings = {
            language: partial(self.looker.readings, [portion for portion in items.portions if not portion.control])
            for language, items in found.items()
        }
        self._stage("edges and readings", total=len(edges) + len(readings), unit="tables")
        try:
            jobs = [Job(do=call) for call in reversed(edges.values())]  # that of all languages takes longest
            self.looker.share(jobs, done=self.reporter.advance)
            self.rows.edges += [call().assign(suite=self.suite, language=circuit) for circuit, call in edges.items()]
        except UnsupportedModelError as cannot:  # circuits do not rest on edges
            self.reporter.say(f"no edges: {cannot}")
        self.looker.share([Job(do=call) for call in readings.values()], done=self.reporter.advance)
        self.rows.readings += [
            call().assign(suite=self.suite, language=language) for language, call in readings.items()
        ]

    def _sample(self, found: Mapping[str, _Items], circuit: str) -> tuple[Portion, ...]:
        """Items on which a circuit's edges are measured: the same number of each axis as far as they go."""
        languages = self._choosers(circuit)
        each = -(-EDGE_ITEMS // len(languages)) if circuit != POOLED else max(2, EDGE_ITEMS // len(languages))
        return tuple(_spread(found[language], each) for language in languages)

    # --- tables -------------------------------------------------------------------------------

    def _tables(
        self, found: Mapping[str, _Items], drawn_of: Mapping[str, Nodes], circuits: Mapping[tuple[str, int], _Circuit]
    ) -> Study:
        nodes = [_node_rows(self.suite, language, items, drawn_of[language]) for language, items in found.items()]
        kept = [
            (self.suite, circuit, fold, rank, one.layer, one.head, one.score, rank <= chosen.size)
            for (circuit, fold), chosen in circuits.items()
            for rank, one in enumerate(chosen.ranked, start=1)
        ]
        return Study(
            nodes=_joined(nodes, NODE_COLUMNS),
            circuits=_table(kept, CIRCUIT_COLUMNS),
            patches=_table(self.rows.patches, PATCH_COLUMNS),
            edges=_joined(self.rows.edges, EDGE_COLUMNS),
            readings=_joined(self.rows.readings, READING_COLUMNS),
            exclusions=_excluded(self.suite, self.refused),
        )


def _sizes(ranked: Sequence[Ranked]) -> list[int]:
    """The sizes at which a ranking is judged."""
    return [size for size in SIZES if size <= len(ranked)]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _spread(items: _Items, n: int) -> Portion:
    """Up to n items that are no controls, axis by axis in turn."""
    by_topic: dict[str, list[tuple[Item, tuple[float, float]]]] = {}
    kept = set(items.names)
    for portion in items.portions:
        for item, margins in zip(portion.items, portion.margins, strict=True):
            if not portion.control and item.id in kept:
                by_topic.setdefault(item.topic, []).append((item, margins))
    turns = [(number, topic, one) for topic, many in sorted(by_topic.items()) for number, one in enumerate(many)]
    chosen = [one for _, _, one in sorted(turns, key=lambda turn: turn[:2])][:n]
    language = items.portions[0].language
    return Portion(
        language=language,
        fold=WHOLE,
        control=False,
        items=tuple(item for item, _ in chosen),
        margins=tuple(margins for _, margins in chosen),
    )


def _node_rows(suite: str, language: str, items: _Items, drawn: Nodes) -> pd.DataFrame:
    real = ~items.control  # of controls no node alone is known
    n_items, n_layers, n_columns = items.screened[real].shape
    layers, columns = np.divmod(np.arange(n_layers * n_columns), n_columns)
    return pd.DataFrame(
        {
            "suite": suite,
            "language": language,
            "item": np.repeat(np.array(items.names, dtype=object)[real], len(layers)),
            "layer": np.tile(layers, n_items),
            "head": np.tile(np.where(columns == n_columns - 1, MLP, columns), n_items),
            "screened": items.screened[real].ravel(),
            "exact": items.exact[real].ravel(),
            "drawn": np.tile(drawn.ravel(), n_items),
        }
    )


def _excluded(suite: str, refused: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    rows = [(suite, language, item, "circuits", reason) for language, item, reason in refused]
    return _table(rows, EXCLUSION_COLUMNS)


def _table(rows: Sequence[tuple[Any, ...]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(dict(columns))


def _joined(tables: Sequence[pd.DataFrame], columns: Mapping[str, str]) -> pd.DataFrame:
    whole = [table for table in tables if len(table)]
    return pd.concat(whole, ignore_index=True)[list(columns)].astype(dict(columns)) if whole else _table([], columns)
