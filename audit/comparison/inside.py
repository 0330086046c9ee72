"""Differences inside the models on stereotype suites: circuits, single nodes, and what carries over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from audit.comparison.behaviour import by_axis, mean_of
from audit.comparison.pairing import Compared, Pair, Sides, compared
from audit.comparison.records import Likeness, NodeChange, Outcome
from audit.errors import TooFewItems
from audit.measures.circuit_nodes import (
    EXACT,
    FEWEST_NODES,
    SCREENED,
    Turned,
    correlation,
    jackknife_correlation,
    reliability,
    turned,
)
from audit.measures.circuit_shares import FEWEST_TEMPLATES, judged_share
from audit.measures.circuit_tables import NECESSITY, SUFFICIENCY, Inside, looked_inside
from audit.measures.statistics import LEVEL, cluster_means, clustered_mean, holm
from audit.measures.view import Floats, Mask, View, measured, undefined
from audit.records import POOLED, WHOLE, Estimate, Measurement, Scope, Undefined
from audit.suites.languages import language_name
from audit.wording import Number, said

RANKS = "rank correlation of node effects"
TRANSFER = "A's circuit in B"


def both_inside(pair: Pair) -> Iterator[tuple[Inside, Inside]]:
    """Stereotype suites that both runs looked inside on, row for row."""
    in_b = {inside.cube.suite: inside for inside in looked_inside(pair.b)}
    return ((a, in_b[a.cube.suite]) for a in looked_inside(pair.a) if a.cube.suite in in_b)


# --- circuits -------------------------------------------------------------------------------


def circuit_share(pair: Pair) -> Iterator[Compared]:
    """Share of the effect lost without the circuit, each run's own circuit on each run's own effects."""
    yield from _shares(pair, "circuit_share", NECESSITY)


def circuit_sufficiency(pair: Pair) -> Iterator[Compared]:
    """Share of the effect that comes back with the circuit alone."""
    yield from _shares(pair, "circuit_sufficiency", SUFFICIENCY)


def circuit_controls(pair: Pair) -> Iterator[Compared]:
    """Share of the control pairs' effects that passes through the circuit."""
    yield from _shares(pair, "circuit_controls", NECESSITY, controls=True)


def _shares(pair: Pair, measure: str, part: str, *, controls: bool = False) -> Iterator[Compared]:
    for a, b in both_inside(pair):
        for language in a.cube.languages:
            scope = Scope(language=language, suite=a.cube.suite)
            rows = a.controls(language) & b.controls(language) if controls else a.real(language) & b.real(language)
            yield _share(pair, measure, scope, (a, b), rows, circuit=language, part=part)


def circuit_transfer(pair: Pair) -> Iterator[Compared]:
    """Share of the effect in one language that passes through the circuit chosen in another, or over all."""
    for a, b in both_inside(pair):
        for language in a.cube.languages:
            others = [other for other in a.cube.languages if other != language]
            for circuit in (*others, POOLED) if others else ():
                scope = Scope(
                    language="" if circuit == POOLED else circuit, other_language=language, suite=a.cube.suite
                )
                rows = a.real(language) & b.real(language)
                yield _share(pair, "circuit_transfer", scope, (a, b), rows, circuit=circuit, part=NECESSITY)


def _share(
    pair: Pair, measure: str, scope: Scope, both: tuple[Inside, Inside], rows: Mask, *, circuit: str, part: str
) -> Compared:
    """A ratio of sums has no value per item; the points of its templates have, and their mean is the share."""
    a, b = both
    effects = Sides.of(a.effect(circuit, part=part), b.effect(circuit, part=part))
    rows = rows & np.isfinite(effects.change)
    items = a.cube.ids(rows)
    try:
        if not rows.any():
            raise TooFewItems(said("no circuit was judged on these items in both runs"))
        one = judged_share(pair.a, a, rows, effects.a, None)
        other = judged_share(pair.b, b, rows, effects.b, None)
        names = sorted(set(a.cube.template[rows].astype(str)))
        result, power = clustered_mean(other.points - one.points, names, unit="share", null=0.0)
    except TooFewItems as few:
        return Compared(
            measurement=undefined(measure, scope, few.reason, items), value_a=None, value_b=None, floor=None
        )
    result = replace(result, n_items=int(rows.sum()))
    floor = pair.floor(*(1 / float(np.abs(inside.total[rows]).mean()) for inside in both))
    sizes = [inside.mean_size(circuit) for inside in both]
    note = said(
        "a circuit of {a} nodes in A and of {b} in B",
        a=Number(sizes[0], decimals=1),
        b=Number(sizes[1], decimals=1),
    )
    return Compared(
        measurement=measured(measure, scope, (result, power), items),
        value_a=one.estimate.value,
        value_b=other.estimate.value,
        floor=floor,
        notes=(note,),
    )


def circuit_strength(pair: Pair) -> Iterator[Compared]:
    """Mean effect carried by the circuit, nats toward the stereotype, by language and by language and axis."""
    for a, b in both_inside(pair):
        cube = a.cube
        for language in cube.languages:
            sides = Sides.of(a.effect(language), b.effect(language))
            rows = a.real(language) & b.real(language)

            def estimator(
                values: Floats, inside: Inside = a, language: str = language, rows: Mask = rows
            ) -> Iterator[Measurement]:
                cube, mine = inside.cube, rows & np.isfinite(values)
                scope = Scope(language=language, suite=cube.suite)
                if len(set(cube.template[mine].tolist())) < FEWEST_TEMPLATES:
                    reason = said("circuits were judged on fewer than {n} templates in both runs", n=FEWEST_TEMPLATES)
                    yield undefined("circuit_strength", scope, reason, cube.ids(mine))
                    return
                n_tests = len(cube.languages)
                yield mean_of("circuit_strength", cube, scope, values, mine, unit="nats", n_tests=n_tests)
                yield from by_axis("circuit_strength", cube, scope, values, mine, unit="nats")

            yield from compared(sides, estimator, floor=pair.floor())


# --- nodes ----------------------------------------------------------------------------------


def other_shape(pair: Pair) -> str:
    """Why the nodes of the two models are not the same nodes; "" if they are."""
    a, b = (view.evidence.manifest.model for view in (pair.a, pair.b))
    shapes = [(one.architecture, one.n_layers, one.n_heads) for one in (a, b)]
    if shapes[0] == shapes[1]:
        return ""
    return said(
        "not comparable: A is {a}, B is {b}",
        a=said(
            "{architecture} of {layers} x {heads} heads",
            architecture=a.architecture,
            layers=a.n_layers,
            heads=a.n_heads,
        ),
        b=said(
            "{architecture} of {layers} x {heads} heads",
            architecture=b.architecture,
            layers=b.n_layers,
            heads=b.n_heads,
        ),
    )


def _compared_languages(pair: Pair, inside: Inside) -> list[str]:
    return [language for language in inside.cube.languages if language not in (pair.a.unread or {})]


def node_changes(pair: Pair, *, alpha: float) -> Iterator[NodeChange]:
    """Nodes that were patched one by one on the same items in both runs: B - A of the effect, Holm over the nodes.

    Effects keep the sign of the item's own effect in its run (positive: towards the stereotype), so that they are
    parts of what `stereotype_effect` compares.
    """
    if other_shape(pair):
        return
    for a, b in both_inside(pair):
        for language in _compared_languages(pair, a):
            yield from _changes(pair, a, b, language, alpha=alpha)


def _changes(pair: Pair, a: Inside, b: Inside, language: str, *, alpha: float) -> Iterator[NodeChange]:
    tables = [_exact(inside, language) for inside in (a, b)]
    found: list[tuple[tuple[int, int], float, float, Estimate]] = []
    nodes = sorted(set(tables[0]) & set(tables[1]))
    for node in nodes:
        sides = Sides.of(tables[0][node], tables[1][node])
        rows = a.real(language) & b.real(language) & np.isfinite(sides.change)
        try:
            estimate, _ = clustered_mean(
                sides.change[rows], a.cube.template[rows], unit="nats", null=0.0, n_tests=len(nodes)
            )
        except TooFewItems:
            continue
        means = [float(cluster_means(side[rows], a.cube.template[rows]).mean()) for side in (sides.a, sides.b)]
        found.append((node, means[0], means[1], estimate))
    adjusted = holm([1.0 if estimate.p_value is None else estimate.p_value for *_, estimate in found])
    for ((layer, head), value_a, value_b, estimate), p in zip(found, adjusted, strict=True):
        yield NodeChange(
            suite=a.cube.suite,
            language=language,
            layer=layer,
            head=head,
            value_a=value_a,
            value_b=value_b,
            estimate=estimate,
            p_adjusted=float(p),
            verdict=outcome(estimate, float(p), pair.floor(), alpha=alpha),
        )


def _exact(inside: Inside, language: str) -> dict[tuple[int, int], Floats]:
    """Node -> its effect on each row of the cube, NaN where it was not patched alone."""
    nodes = inside.nodes.get(language)
    found: dict[tuple[int, int], Floats] = {}
    if nodes is None:
        return found
    for column in np.flatnonzero(np.isfinite(nodes.exact).any(axis=0)):
        values = np.full(len(inside.total), np.nan)
        values[nodes.row] = nodes.exact[:, column]
        found[int(nodes.layer[column]), int(nodes.head[column])] = values
    return found


def outcome(estimate: Estimate, p_adjusted: float, floor: float | None, *, alpha: float) -> Outcome:
    """Which way a difference goes, if it is shown to be one and lies above both runs' noise."""
    if p_adjusted < alpha and abs(estimate.value) > (floor or 0.0):
        return Outcome.HIGHER if estimate.value > 0 else Outcome.LOWER
    return Outcome.INDISTINGUISHABLE


# --- how alike ------------------------------------------------------------------------------


def likenesses(pair: Pair) -> Iterator[Likeness]:
    """By suite and language: how alike the nodes' effects rank, and how much of B's effect A's circuit carries."""
    for a, b in both_inside(pair):
        for language in _compared_languages(pair, a):
            scope = Scope(language=language, suite=a.cube.suite)
            yield _ranks(pair, a, b, scope)
            yield _carried(pair, b, scope)


def _ranks(pair: Pair, a: Inside, b: Inside, scope: Scope) -> Likeness:
    reason = other_shape(pair)
    for basis in (EXACT, SCREENED) if not reason else ():
        scores = _scores(a, b, scope.language, basis)
        if scores is not None:
            return _ranked(*scores, scope, basis)
    reason = reason or said("not every node was looked at on the same items of {n} templates", n=FEWEST_TEMPLATES)
    return Likeness(what=RANKS, scope=scope, result=Undefined(reason=reason))


def _scores(a: Inside, b: Inside, language: str, basis: str) -> tuple[Turned, Turned] | None:
    """The nodes' effects in both runs on the items that both looked at, if every node of every item has one."""
    nodes = [inside.nodes.get(language) for inside in (a, b)]
    if nodes[0] is None or nodes[1] is None or len(nodes[0].layer) < FEWEST_NODES:
        return None
    if not all(np.array_equal(getattr(nodes[0], name), getattr(nodes[1], name)) for name in ("layer", "head")):
        return None
    of = [turned(inside, language, basis) for inside in (a, b)]
    if of[0] is None or of[1] is None:
        return None
    both = np.intersect1d(of[0].row, of[1].row)
    one, other = (_on(side, both) for side in of if side is not None)
    return (one, other) if one.complete and other.complete else None


def _on(side: Turned, rows: NDArray[np.intp]) -> Turned:
    kept = np.isin(side.row, rows)
    return Turned(effect=side.effect[kept], template=side.template[kept], fold=side.fold[kept], row=side.row[kept])


def _ranked(a: Turned, b: Turned, scope: Scope, basis: str) -> Likeness:
    value = correlation(stats.rankdata(a.score), stats.rankdata(b.score))
    templates = sorted(a.without)
    left = [correlation(a.without[one], b.without[one]) for one in templates]
    if not np.isfinite([value, *left]).all():
        reason = said("the node scores have no spread to rank")
        return Likeness(what=RANKS, scope=scope, result=Undefined(reason=reason))
    low, high = jackknife_correlation(value, left)
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=LEVEL,
        unit="correlation",
        n_items=len(a.row),
        n_clusters=len(templates),
        method=said("jackknife of {n} templates, each left out in both runs at once", n=len(templates)),
    )
    notes = [
        said("node effects are exact")
        if basis == EXACT
        else said("node effects are estimates from gradients, not patched")
    ]
    halves = [reliability(side) for side in (a, b)]
    if min(halves) > 0:
        ceiling = Number(float(np.sqrt(halves[0] * halves[1])))
        notes.append(said("two halves of the templates within a run, stepped up to all: {ceiling}", ceiling=ceiling))
    return Likeness(what=RANKS, scope=scope, result=estimate, notes=tuple(notes))


def _carried(pair: Pair, b: Inside, scope: Scope) -> Likeness:
    """Share of B's effect that passes through A's circuit, from B's patches of the very same nodes; else undefined."""
    language = scope.language
    if reason := other_shape(pair):
        return Likeness(what=TRANSFER, scope=scope, result=Undefined(reason=reason))
    kept = [kept_nodes(view, scope.suite, language) for view in (pair.a, pair.b)]
    if not kept[0] or not kept[1]:
        reason = said("no circuit was chosen in {language} in one of the runs", language=language_name(language))
        return Likeness(what=TRANSFER, scope=scope, result=Undefined(reason=reason))
    if kept[0] != kept[1]:
        shared = sum(len(nodes & kept[1].get(fold, set())) for fold, nodes in kept[0].items())
        size = sum(len(nodes) for nodes in kept[0].values())
        reason = said(
            "B's run never patched A's circuit ({shared} of its {n} nodes, counted over folds, are in B's own); "
            "compare --transfer MODEL asks B's model",
            shared=shared,
            n=size,
        )
        return Likeness(what=TRANSFER, scope=scope, result=Undefined(reason=reason))
    return carried_likeness(pair.b, b, scope, b.effect(language), note=said("B chose the very same nodes"))


def carried_likeness(view: View, b: Inside, scope: Scope, effect: Floats, *, note: str) -> Likeness:
    """Share of B's effects that a circuit carries, given what it carries of each row (NaN where not patched)."""
    try:
        share = judged_share(view, b, b.real(scope.language) & np.isfinite(effect), effect, None)
    except TooFewItems as few:
        return Likeness(what=TRANSFER, scope=scope, result=Undefined(reason=few.reason))
    return Likeness(what=TRANSFER, scope=scope, result=share.estimate, notes=(note,))


def kept_nodes(view: View, suite: str, circuit: str) -> dict[int, set[tuple[int, int]]]:
    """The nodes (layer, head) of a circuit, fold by fold."""
    table = view.evidence.circuits
    table = table[(table["suite"] == suite) & (table["circuit"] == circuit) & table["kept"] & (table["fold"] != WHOLE)]
    found: dict[int, set[tuple[int, int]]] = {}
    for fold, layer, head in zip(table["fold"], table["layer"], table["head"], strict=True):
        found.setdefault(int(fold), set()).add((int(layer), int(head)))
    return found
