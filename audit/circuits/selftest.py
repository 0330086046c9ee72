"""How well circuits find what is known to be there: stereotypes planted through one component, and nothing planted.

Each plant changes one component of the model (planting.py); then every node is patched on every item, in every language
of the plant, as `run --circuits exact` does, and three questions are put:

    alone     does the planted component stand above the others by the score that chooses circuits?
    the twin  does its effect toward the stereotype differ from that in the same model without the plant?
    shams     do plants that push half of the templates the other way, or labels shuffled in the unplanted model, raise
              an alarm?

Nodes that bring the planted component what it reads carry the planted effect in truth, although nothing was changed in
them; they are counted apart, by where they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from audit.circuits.pairs import Pair, batches
from audit.circuits.patching import Batch, effects_of, single_nodes
from audit.circuits.planting import Case, Plan, Planted, Survey, legibility, planted
from audit.circuits.selection import turned
from audit.errors import ModelError, TooFewItems, UsageError
from audit.progress import Reporter
from audit.records import MLP, node_name
from audit.runs import ShardCache, content_key

Floats = NDArray[np.float64]

STRENGTHS = (0.5, 1.0, 2.0)
# Planted by default, in layers from a third of the depth on: what is written below hardly reaches the answers directly.
N_HEADS, N_MLPS, LOWEST = 3, 1, 1 / 3
TRIES = 6  # nodes tried for each of them
N_SHUFFLES = 1000
LEVEL = 0.05  # of a language's test of all nodes together, by Holm
STRONG = 1.0  # nats from which on the targets hold
TARGET_AUROC, TARGET_ALARMS = 0.95, 0.05
FEWEST_TEMPLATES = 4


@dataclass(frozen=True, kw_only=True)
class PlantRow:
    """One plant as seen in one language."""

    node: str
    nats: float  # asked for: rise of the mean effect over all cases of the plant
    sham: bool  # half of the templates pushed away from the stereotype: nothing is there on average
    weights_changed: float  # norm of the change over the norm of the weights that it changes
    language: str
    n_items: int
    n_templates: int
    rise: float  # of the mean effect in this language, nats
    score: float  # of the planted component against the unplanted twin, nats
    rank_alone: int  # of the planted component among all nodes, from 1
    rank_twin: int
    auroc_alone: float
    auroc_twin: float
    found: bool  # the planted component's change differs from 0
    strongest: str  # the node of the largest change
    n_found: int  # nodes whose change differs from 0
    n_below: int  # of them, those that run before the planted one
    n_above: int


@dataclass(frozen=True, kw_only=True)
class ShuffleRow:
    """Shuffled labels in the unplanted model: how often some node is called found."""

    language: str
    n_templates: int
    n_shuffles: int
    alarms: float  # share of the shuffles


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """What a self-test leaves."""

    model: str
    weights_sha256: str
    languages: tuple[str, ...]
    topics: tuple[str, ...]
    n_nodes: int
    plants: tuple[PlantRow, ...]
    shuffles: tuple[ShuffleRow, ...]
    left_out: tuple[str, ...]  # components through which no such effect can be planted, with the reason

    @property
    def auroc(self) -> float | None:
        """Mean over plants of STRONG nats or more and their languages, against the twin; None without any."""
        found = [row.auroc_twin for row in self.plants if not row.sham and row.nats >= STRONG]
        return float(np.mean(found)) if found else None

    @property
    def alarms(self) -> float | None:
        """Share of shuffles with an alarm, the mean over languages."""
        return float(np.mean([row.alarms for row in self.shuffles])) if self.shuffles else None

    @property
    def passed(self) -> bool:
        """Both targets are met; a target that was not measured is not met."""
        auroc, alarms = self.auroc, self.alarms
        return auroc is not None and alarms is not None and auroc >= TARGET_AUROC and alarms <= TARGET_ALARMS


def self_test(
    known: Survey,
    *,
    topics: Sequence[str] = (),
    strengths: Sequence[float] = STRENGTHS,
    nodes: Sequence[tuple[int, int]] = (),
    cache: ShardCache,
    versions: Mapping[str, str],
    reporter: Reporter,
) -> SelfTest:
    """Plant, look, compare; and look for what is not there.

    Args:
        known: the unedited model on the items of a stereotype suite.
        topics: axes to plant on, and look at; none: all.
        strengths: nats by which each plant raises the mean effect; for each node a sham of the largest is added.
        nodes: (layer, head) to plant through, head -1 for an MLP; none: some that can be read well, spread over depth.
        cache: keeps every plant that was looked at, so that a self-test that was stopped goes on.
        versions: what else decides numbers.
        reporter: told what is done.

    Raises:
        TooFewItems: a language with fewer than FEWEST_TEMPLATES templates.
        UsageError: a node the model does not have, or a strength that is not positive.
        ModelError: nothing can be planted in this model.
    """
    _require(known, topics, strengths, nodes)
    test = _SelfTest(known, topics, cache, versions, reporter)
    plans_per_node = len(strengths) + 1
    wanted = [(node,) for node in nodes] if nodes else _proposals(known, test.plan)
    reporter.stage("unplanted model", total=len(test.cases), unit="items")
    twin = test.twin()
    reporter.stage("planting", total=len(wanted) * plans_per_node, unit="plants")
    rows: list[PlantRow] = []
    left_out: list[str] = []
    for alternatives in wanted:
        found, why = test.plant_one_of(alternatives, strengths, twin)
        rows += found
        left_out += why
        if missing := plans_per_node - len(found) // len(test.languages):  # could not be planted
            reporter.advance(missing)
    if not rows:
        raise ModelError(f"{known.audited.record.name}: nothing could be planted; {'; '.join(left_out)}")
    return SelfTest(
        model=known.audited.record.name,
        weights_sha256=known.audited.record.weights_sha256,
        languages=test.languages,
        topics=test.topics,
        n_nodes=twin.shape[1],
        plants=tuple(rows),
        shuffles=tuple(test.shuffled(language, twin) for language in test.languages),
        left_out=tuple(left_out),
    )


def _plantable(known: Survey, topics: Sequence[str]) -> list[Case]:
    return [case for case in known.cases if not case.control and (not topics or case.topic in topics)]


def _require(
    known: Survey, topics: Sequence[str], strengths: Sequence[float], nodes: Sequence[tuple[int, int]]
) -> None:
    if not strengths or any(not nats > 0 for nats in strengths):
        raise UsageError("--nats: a plant needs a strength above 0; give numbers such as 0.5,1,2")
    adapter = known.replay.adapter
    for layer, head in nodes:
        if not (0 <= layer < adapter.n_layers and MLP <= head < adapter.n_heads):
            raise UsageError(
                f"--nodes: there is no {node_name(layer, head)}; layers are 0 to {adapter.n_layers - 1}, "
                f"heads 0 to {adapter.n_heads - 1}"
            )
    axes = {case.topic for case in known.cases if not case.control}
    if strange := sorted(set(topics) - axes):
        raise UsageError(f"--axes: the suite has no {', '.join(strange)}; there are {', '.join(sorted(axes))}")
    templates: dict[str, set[str]] = {}
    for case in _plantable(known, topics):
        templates.setdefault(case.language, set()).add(case.template)
    if not templates:
        raise TooFewItems("the suite has no items but controls that can be patched; nothing can be planted")
    for language, names in templates.items():
        if len(names) < FEWEST_TEMPLATES:
            raise TooFewItems(f"{language}: {len(names)} templates; a self-test needs {FEWEST_TEMPLATES}")


class _SelfTest:
    def __init__(
        self,
        known: Survey,
        topics: Sequence[str],
        cache: ShardCache,
        versions: Mapping[str, str],
        reporter: Reporter,
    ) -> None:
        self.known, self.cache, self.reporter = known, cache, reporter
        self.versions = versions
        self.cases = _plantable(known, topics)
        self.languages = tuple(sorted({case.language for case in self.cases}))
        self.topics = tuple(sorted({case.topic for case in self.cases}))
        self.adapter = known.replay.adapter
        # Without a place yet.
        self.plan = Plan(layer=0, head=MLP, topics=self.topics, languages=self.languages, nats=0.0)

    def twin(self) -> Floats:
        """Effect of every node on every case of the unedited model, (cases, nodes)."""
        asked = {"look": "unplanted", "topics": self.topics}  # other axes, other cases
        kept = self._kept(asked, lambda: {"effects": self._look(tell=True).tolist()})
        return np.array(kept["effects"], dtype=float)

    def plant_one_of(
        self, nodes: Iterable[tuple[int, int]], strengths: Sequence[float], twin: Floats
    ) -> tuple[list[PlantRow], list[str]]:
        """The rows of the first node through which anything can be planted, and what could not be planted."""
        why = []
        for layer, head in nodes:
            rows: list[PlantRow] = []
            strongest = 0.0
            for nats in sorted(strengths):
                plan = replace(self.plan, layer=layer, head=head, nats=nats)
                try:
                    rows += self._rows(plan, twin)
                except ModelError as cannot:
                    why.append(str(cannot))
                    break
                strongest = nats
                self.reporter.advance(1)
            if strongest:
                sham = replace(self.plan, layer=layer, head=head, nats=strongest, turned=_half(self.cases))
                try:
                    rows += self._rows(sham, twin)
                except ModelError as cannot:
                    why.append(f"sham: {cannot}")
                self.reporter.advance(1)
                return rows, why
        return [], why

    def _rows(self, plan: Plan, twin: Floats) -> list[PlantRow]:
        asked = {"look": "plant", "plan": asdict(plan)}
        kept = self._kept(asked, lambda: self._plant(plan))
        if "cannot" in kept:
            raise ModelError(kept["cannot"])
        effects, rises = (np.array(kept[name], dtype=float) for name in ("effects", "rises"))
        return [self._row(plan, language, effects, twin, rises, kept["share"]) for language in self.languages]

    def _plant(self, plan: Plan) -> dict[str, Any]:
        try:
            with planted(self.known, plan) as there:
                return {"effects": self._look().tolist(), "rises": self._rises(there), "share": there.share}
        except ModelError as cannot:  # kept as well, so that it is not tried again
            return {"cannot": str(cannot)}

    def _rises(self, there: Planted) -> list[float]:
        return there.changes[self._chosen].tolist()

    @property
    def _chosen(self) -> NDArray[np.bool_]:
        """Which of the surveyed cases are looked at."""
        return np.array([self.plan.chooses(case) for case in self.known.cases])

    def _look(self, *, tell: bool = False) -> Floats:
        """Effect of every node on every case of the model as it is now, (cases, nodes) nats."""
        nodes = single_nodes(self.adapter.n_layers, self.adapter.n_heads)
        found: dict[Pair, Floats] = {}
        for some in batches([case.pair for case in self.cases]):
            effects = effects_of(Batch.of(self.known.replay, some), nodes).T.double().cpu().numpy()
            found.update(zip(some, effects, strict=True))
            if tell:
                self.reporter.advance(len(some))
        return np.stack([found[case.pair] for case in self.cases])

    def _kept(self, asked: Mapping[str, Any], make: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
        cases = [
            [c.language, c.topic, c.template, c.control, c.pair.base, c.pair.counterpart, c.pair.answers]
            for c in self.known.cases
        ]
        record = self.known.audited.record
        return self.cache.kept(content_key(record, versions=self.versions, content={**asked, "cases": cases}), make)

    # --- what is found ------------------------------------------------------------------------

    def _of(self, language: str) -> NDArray[np.intp]:
        return np.flatnonzero([case.language == language for case in self.cases])

    def _row(self, plan: Plan, language: str, effects: Floats, twin: Floats, rises: Floats, share: float) -> PlantRow:
        mine = self._of(language)
        place = plan.layer * (self.adapter.n_heads + 1) + (self.adapter.n_heads if plan.head == MLP else plan.head)
        totals = self.known.effects[self._chosen][mine] + rises[mine]
        alone = turned(effects[mine], totals).mean(axis=0)
        change = by_template(effects[mine] - twin[mine], [self.cases[number].template for number in mine])
        mean, found = change.mean(axis=0), found_nodes(change)
        layer, column = np.divmod(np.arange(len(mean)), self.adapter.n_heads + 1)
        step = 2 * layer + (column == self.adapter.n_heads)  # a layer's heads run side by side, then its MLP
        return PlantRow(
            node=node_name(plan.layer, plan.head),
            nats=plan.nats,
            sham=bool(plan.turned),
            weights_changed=share,
            language=language,
            n_items=len(mine),
            n_templates=len(change),
            rise=float(rises[mine].mean()),
            score=float(mean[place]),
            rank_alone=rank(alone, place),
            rank_twin=rank(mean, place),
            auroc_alone=auroc(alone, place),
            auroc_twin=auroc(mean, place),
            found=bool(found[place]),
            strongest=self._name(int(mean.argmax())),
            n_found=int(found.sum()),
            n_below=int((found & (step < step[place])).sum()),
            n_above=int((found & (step > step[place])).sum()),
        )

    def _name(self, place: int) -> str:
        layer, column = divmod(place, self.adapter.n_heads + 1)
        return node_name(layer, MLP if column == self.adapter.n_heads else column)

    def shuffled(self, language: str, twin: Floats) -> ShuffleRow:
        """How often nodes are found when it is a coin's throw, template by template, which group is the base."""
        mine = self._of(language)
        values = by_template(twin[mine], [self.cases[number].template for number in mine])
        rng = np.random.default_rng([0, len(values)])
        alarms = [found_nodes(values * rng.choice([-1.0, 1.0], size=(len(values), 1))).any() for _ in range(N_SHUFFLES)]
        return ShuffleRow(
            language=language, n_templates=len(values), n_shuffles=N_SHUFFLES, alarms=float(np.mean(alarms))
        )


# --- numbers ---------------------------------------------------------------------------------


def by_template(values: Floats, templates: Sequence[str]) -> Floats:
    """Mean of the rows of each template, (templates, nodes): the independent units."""
    names = np.array(templates)
    return np.stack([values[names == name].mean(axis=0) for name in sorted(set(templates))])


def found_nodes(change: Floats) -> NDArray[np.bool_]:
    """Nodes whose mean over templates differs from 0: Student's t, two-sided, Holm over nodes at LEVEL.

    Args:
        change: (templates, nodes) nats. A node that never changes is not found.
    """
    n = len(change)
    mean, spread = change.mean(axis=0), change.std(axis=0, ddof=1)
    t = np.divide(mean * np.sqrt(n), spread, out=np.zeros_like(mean), where=spread > 0)
    p = 2 * stats.t.sf(np.abs(t), n - 1)
    order = np.argsort(p, kind="stable")
    passed = np.logical_and.accumulate(p[order] * (len(p) - np.arange(len(p))) <= LEVEL)
    found = np.zeros(len(p), dtype=bool)
    found[order[passed]] = True
    return found


def rank(scores: Floats, place: int) -> int:
    """From 1: how high the node's score stands; ties count against it."""
    return int((scores >= scores[place]).sum())


def auroc(scores: Floats, place: int) -> float:
    """Share of the other nodes whose score is lower than the node's, ties by half."""
    others = np.delete(scores, place)
    return float(((others < scores[place]) + 0.5 * (others == scores[place])).mean())


# --- where to plant --------------------------------------------------------------------------


def _half(cases: Sequence[Case]) -> tuple[str, ...]:
    """Every other template of each axis."""
    by_topic: dict[str, list[str]] = {}
    for case in cases:
        names = by_topic.setdefault(case.topic, [])
        if case.template not in names:
            names.append(case.template)
    return tuple(name for names in by_topic.values() for name in sorted(names)[::2])


def _proposals(known: Survey, plan: Plan) -> list[tuple[tuple[int, int], ...]]:
    """For each plant, nodes to try in turn: those that tell the groups apart best."""
    adapter = known.replay.adapter
    parts = np.array_split(np.arange(round(LOWEST * adapter.n_layers), adapter.n_layers), N_HEADS)
    places = [[(int(layer), head) for layer in part for head in range(adapter.n_heads)] for part in parts]
    places += [[(int(layer), MLP) for layer in parts[N_HEADS // 2]]] * N_MLPS
    found = []
    for many in places:
        told = {node: legibility(known, replace(plan, layer=node[0], head=node[1])) for node in many}
        found.append(tuple(sorted(told, key=lambda node: (-told[node], node))[:TRIES]))
    return found


def parse_nodes(text: str) -> tuple[tuple[int, int], ...]:
    """Nodes as people write them: "14.1, MLP 11" is head 1 of layer 14 and the MLP of layer 11.

    Raises:
        UsageError: a word that names no node.
    """
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        bare = word.lower().removeprefix("head").removeprefix("mlp").strip()
        layer, dot, head = bare.partition(".")
        is_mlp = word.lower().startswith("mlp")
        if not layer.isdecimal() or bool(dot) == is_mlp or (dot and not head.isdecimal()):
            raise UsageError(f"--nodes: {word!r} names no node; write 14.1 for head 1 of layer 14, MLP 11 for an MLP")
        found.append((int(layer), MLP if is_mlp else int(head)))
    return tuple(found)
