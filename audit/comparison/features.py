"""Differences in what can be read inside the models: probes, pathways and steering; latents where the SAE is shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.comparison.behaviour import culture_gaps, culture_levels, mean_of
from audit.comparison.pairing import Compared, Pair, Sides, Two, compared, rows_in
from audit.errors import TooFewItems
from audit.measures.activation import Place, placed
from audit.measures.balance import Framed, differences, framed, level, pooled
from audit.measures.feature_tables import LATENTS, PATHWAY, PROBE, STEERING, UNITS, above_control, lenses_of
from audit.measures.statistics import clustered_mean, pooled_mean, pooled_spread
from audit.measures.view import Cube, Floats, measured, undefined
from audit.records import Kind, Measurement, Scope
from audit.wording import said

NOT_READ = said("nothing was read through this lens in both runs")


def other_sae(pair: Pair) -> str:
    """Why latents cannot be compared: they are not of one and the same SAE; "" if they are."""
    settings = [view.evidence.manifest.settings for view in (pair.a, pair.b)]
    named = [tuple(one.get(name) for name in ("sae", "sae_digest")) for one in settings]
    layers = [
        sorted(set(zip(view.evidence.saes["sae"], view.evidence.saes["layer"], strict=True)))
        for view in (pair.a, pair.b)
    ]
    if not layers[0] or not layers[1]:
        return said("not comparable: no SAE was looked at in one of the runs")
    if named[0] != named[1] or layers[0] != layers[1]:
        return said("not comparable: different SAE")
    return ""


def _lenses(pair: Pair, two: Two, of: tuple[str, ...]) -> tuple[str, ...]:
    """Lenses that both runs looked through, latents only where the SAE is shared."""
    in_b = lenses_of(pair.b, two.b, of)
    common = tuple(lens for lens in lenses_of(pair.a, two.a, of) if lens in in_b)
    return tuple(lens for lens in common if lens != LATENTS or not other_sae(pair))


def _layers(pair: Pair, suite: str, lens: str) -> tuple[str, ...]:
    """A note where the runs read after different layers."""
    read = []
    for view in (pair.a, pair.b):
        table = view.evidence.capacities
        mine = table[(table["suite"] == suite) & (table["lens"] == lens)]
        read.append(", ".join(str(layer) for layer in sorted(set(mine["layer"].tolist()))))
    if read[0] == read[1]:
        return ()
    return (said("read after layer {a} in A and after layer {b} in B", a=read[0], b=read[1]),)


# --- cultures -------------------------------------------------------------------------------


def representation_capacity(pair: Pair) -> Iterator[Compared]:
    """Bits above the control task; by language (facets are the units) and by culture."""
    yield from _levels(pair, "representation_capacity", (PROBE, LATENTS), named=True)


def pathway_capacity(pair: Pair) -> Iterator[Compared]:
    """The same of the pathway, in spreads of each run's own control swaps."""
    yield from _levels(pair, "pathway_capacity", (PATHWAY,), named=False)


def _levels(pair: Pair, measure: str, lenses: tuple[str, ...], *, named: bool) -> Iterator[Compared]:
    for two in pair.of(Kind.CULTURE):
        for lens in _lenses(pair, two, lenses):

            def estimator(values: Floats, cube: Cube = two.cube, lens: str = lens) -> Iterator[Measurement]:
                unit, name = UNITS[lens], lens if named else ""
                for language in cube.languages:
                    scope = Scope(language=language, suite=cube.suite, lens=name)
                    rows = rows_in(cube, values, language)
                    yield mean_of(measure, cube, scope, values, rows, unit=unit, per="facets", clusters=cube.topic)
                yield from culture_levels(measure, pair.a, cube, values, unit=unit, lens=name)

            notes = _layers(pair, two.cube.suite, lens)
            yield from compared(_read(pair, two, lens), estimator, floor=None, notes=notes)


def _read(pair: Pair, two: Two, lens: str) -> Sides:
    return Sides.of(above_control(pair.a, two.a, lens), above_control(pair.b, two.b, lens))


def representation_gap(pair: Pair) -> Iterator[Compared]:
    """Bits of a culture against the others', pooled and by language."""
    yield from _gaps(pair, "representation_gap", (PROBE, LATENTS), named=True)


def pathway_gap(pair: Pair) -> Iterator[Compared]:
    """The same of the pathway."""
    yield from _gaps(pair, "pathway_gap", (PATHWAY,), named=False)


def _gaps(pair: Pair, measure: str, lenses: tuple[str, ...], *, named: bool) -> Iterator[Compared]:
    for two in pair.of(Kind.CULTURE):
        for lens in _lenses(pair, two, lenses):

            def estimator(values: Floats, cube: Cube = two.cube, lens: str = lens) -> Iterator[Measurement]:
                name = lens if named else ""
                return culture_gaps(measure, pair.a, cube, values, unit=UNITS[lens], lens=name)

            notes = _layers(pair, two.cube.suite, lens)
            yield from compared(_read(pair, two, lens), estimator, floor=None, notes=notes)


# --- activation -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Texts:
    """Practice texts that both runs placed; shape (n,)."""

    language: NDArray[Any]
    facet: NDArray[Any]
    culture: NDArray[Any]
    sides: Sides


def context_activation(pair: Pair) -> Iterator[Compared]:
    """AUROC: the place of each practice text among those of its facet, which is what the measure is a mean of."""
    if other_sae(pair):
        return
    for two in pair.of(Kind.CULTURE):
        by_key = [
            {(one.language, one.facet, one.culture): one for one in placed(view, cube)}
            for view, cube in ((pair.a, two.a), (pair.b, two.b))
        ]
        keys = sorted(set(by_key[0]) & set(by_key[1]))
        if keys:
            yield from _activation(pair, two.cube, _texts(keys, by_key))


def _texts(keys: list[tuple[str, str, str]], by_key: list[dict[tuple[str, str, str], Place]]) -> _Texts:
    language, facet, culture = (np.array(labels, dtype=object) for labels in zip(*keys, strict=True))
    a, b = (np.array([one[key].value for key in keys]) for one in by_key)
    return _Texts(language=language, facet=facet, culture=culture, sides=Sides.of(a, b))


def _activation(pair: Pair, cube: Cube, texts: _Texts) -> Iterator[Compared]:
    read = [one for one in cube.languages if one not in (pair.a.unread or {})]
    spoken = [one for one in read if (texts.language == one).any()]
    counts: dict[tuple[str, str], int] = {}
    for language, *fact in zip(texts.language, texts.facet, texts.culture, strict=True):
        counts[fact[0], fact[1]] = counts.get((fact[0], fact[1]), 0) + (language in spoken)
    everywhere = np.array(
        [counts[fact] == len(spoken) > 0 for fact in zip(texts.facet, texts.culture, strict=True)], dtype=bool
    )

    def estimator(values: Floats) -> Iterator[Measurement]:
        pooled_rows = everywhere & np.isin(texts.language, spoken)
        yield from _by_culture(cube, texts, values, pooled_rows, Scope(suite=cube.suite))
        for language in cube.languages:
            rows, scope = texts.language == language, Scope(language=language, suite=cube.suite)
            try:
                result = clustered_mean(values[rows], texts.facet[rows], unit="AUROC", null=0.0, per="facets")
            except TooFewItems as few:
                yield undefined("context_activation", scope, few.reason)
            else:
                yield measured("context_activation", scope, result, ())
            yield from _by_culture(cube, texts, values, rows, scope)

    yield from compared(texts.sides, estimator, floor=None)


def _by_culture(
    cube: Cube, texts: _Texts, values: Floats, rows: NDArray[np.bool_], scope: Scope
) -> Iterator[Measurement]:
    """Facts (means over languages) of each culture, their spread pooled over cultures."""
    facts: dict[tuple[str, str], list[float]] = {}
    for row in np.flatnonzero(rows):
        facts.setdefault((texts.culture[row], texts.facet[row]), []).append(values[row])
    means = np.array([np.mean(many) for many in facts.values()])
    labels = np.array([culture for culture, _ in facts], dtype=object)
    spread, degrees = pooled_spread(means, labels) if len(facts) else (float("nan"), 0)
    for culture in sorted(set(cube.culture[~cube.control & ~cube.held])):
        own, at = means[labels == culture], replace(scope, culture=culture)
        try:
            result = pooled_mean(
                own,
                spread=spread,
                degrees_of_freedom=degrees,
                unit="AUROC",
                null=0.0,
                n_items=len(own),
                per="facts",
                borrowed_from="cultures",
            )
        except TooFewItems as few:
            yield undefined("context_activation", at, few.reason)
        else:
            yield measured("context_activation", at, result, ())


# --- frameworks -----------------------------------------------------------------------------


def _framed(pair: Pair) -> Iterator[tuple[Framed, Sides]]:
    """What both runs read of frameworks, the same units in the same order; no values of their own."""
    in_b = {(of.cube.suite, of.lens): of for of in framed(pair.b)}
    for a in framed(pair.a):
        b = in_b.get((a.cube.suite, a.lens))
        if b is None or (a.lens == LATENTS and other_sae(pair)):
            continue
        place = {key: n for n, key in enumerate(zip(b.row.tolist(), b.framework.tolist(), strict=True))}
        keys = list(zip(a.row.tolist(), a.framework.tolist(), strict=True))
        mine = [n for n, key in enumerate(keys) if key in place]
        theirs = [place[keys[n]] for n in mine]
        sides = Sides.of(a.values[mine], b.values[theirs])
        yield replace(a, values=sides.change, row=a.row[mine], framework=a.framework[mine]), sides


def framework_capacity(pair: Pair) -> Iterator[Compared]:
    """Bits above the control task of each framework, and of all by language."""
    yield from _framework_levels(pair, "framework_capacity", named=True)


def steering_capacity(pair: Pair) -> Iterator[Compared]:
    """The same of steering, in spreads of each run's own random directions."""
    yield from _framework_levels(pair, "steering_capacity", named=False)


def _framework_levels(pair: Pair, measure: str, *, named: bool) -> Iterator[Compared]:
    for of, sides in _framed(pair):
        if (of.lens == STEERING) == named:
            continue

        def estimator(values: Floats, units: Framed = of) -> Iterator[Measurement]:
            of = replace(units, values=values)
            cube, unit, name = of.cube, UNITS[of.lens], of.lens if named else ""
            for language in cube.languages:
                scope, rows = Scope(language=language, suite=cube.suite, lens=name), of.language == language
                try:
                    result = clustered_mean(values[rows], of.template[rows], unit=unit, null=0.0, per=of.per)
                except TooFewItems as few:
                    yield undefined(measure, scope, few.reason, of.ids(rows))
                else:
                    yield measured(measure, scope, result, of.ids(rows))
            rows, notes, reason = pooled(pair.a, of)
            groups = of.groups(rows) if not reason else None
            for framework in of.frameworks():
                scope, mine = (
                    Scope(suite=cube.suite, framework=framework, lens=name),
                    rows & (of.framework == framework),
                )
                try:
                    if groups is None or not mine.any():
                        raise TooFewItems(reason or NOT_READ)
                    result = level(of, groups, framework)
                except TooFewItems as few:
                    yield undefined(measure, scope, few.reason, of.ids(mine))
                else:
                    yield measured(measure, scope, result, of.ids(mine), notes=notes)

        yield from compared(sides, estimator, floor=None, notes=_layers(pair, of.cube.suite, of.lens))


def framework_difference(pair: Pair) -> Iterator[Compared]:
    """Every framework against every other, bits."""
    yield from _framework_differences(pair, "framework_difference", named=True)


def steering_difference(pair: Pair) -> Iterator[Compared]:
    """The same of steering."""
    yield from _framework_differences(pair, "steering_difference", named=False)


def _framework_differences(pair: Pair, measure: str, *, named: bool) -> Iterator[Compared]:
    for of, sides in _framed(pair):
        if (of.lens == STEERING) == named:
            continue

        def estimator(values: Floats, of: Framed = of) -> Iterator[Measurement]:
            return differences(pair.a, replace(of, values=values), measure, of.lens if named else "")

        yield from compared(sides, estimator, floor=None, notes=_layers(pair, of.cube.suite, of.lens))
