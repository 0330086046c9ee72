"""Differences in what the models answer: per-item scores of the measures' own making, subtracted item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.special import expit

from audit.comparison.pairing import Compared, Pair, Sides, Two, compared, rows_in
from audit.errors import TooFewItems
from audit.measures.capacity import level
from audit.measures.culture import LN2, capacity, facts_of, gaps, hill_numbers, mean_by_culture, pool
from audit.measures.judgement import (
    RIGHTS,
    RIGHTS_TOPIC,
    dilemma_margins,
    leans,
    neutral_spread,
    statement_effects,
    strengths,
)
from audit.measures.statistics import LEVEL, clustered_mean, sign_flip_p, t_interval
from audit.measures.stereotype import cell_means, effects, scales
from audit.measures.view import Cube, Floats, Mask, View, in_every, mean_by, measured, present, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.wording import Number, said

Z = 1.959963984540054  # of a 95 % interval


def mean_of(
    measure: str,
    cube: Cube,
    scope: Scope,
    values: Floats,
    rows: Mask,
    *,
    unit: str,
    per: str = "templates",
    clusters: NDArray[Any] | None = None,
    n_tests: int = 1,
) -> Measurement:
    """Mean over clusters of some rows' values, against none."""
    labels = cube.template if clusters is None else clusters
    try:
        result = clustered_mean(values[rows], labels[rows], unit=unit, null=0.0, n_tests=n_tests, per=per)
    except TooFewItems as few:
        return undefined(measure, scope, few.reason, cube.ids(rows))
    return measured(measure, scope, result, cube.ids(rows))


# --- reading --------------------------------------------------------------------------------


def competence(pair: Pair) -> Iterator[Compared]:
    """Share of templates read rightly, B - A: exact sign-flip (McNemar's test where a template has one item)."""
    for two in pair.of(Kind.COMPETENCE):
        right = [_right(cube, view.floor) for cube, view in ((two.a, pair.a), (two.b, pair.b))]
        sides = Sides.of(right[0], right[1])
        for language in two.cube.languages:
            rows, scope = rows_in(two.cube, sides.change, language), Scope(language=language, suite=two.cube.suite)
            shares = [mean_by(values[rows], two.cube.template[rows])[0] for values in (sides.a, sides.b)]
            if len(shares[0]) < 2:
                one = undefined("competence", scope, said("fewer than two templates were scored in both runs"))
                yield Compared(measurement=one, value_a=None, value_b=None, floor=None)
                continue
            estimate, power = paired_shares(shares[0], shares[1], n_items=int(rows.sum()))
            one = measured("competence", scope, (estimate, power), two.cube.ids(rows))
            yield Compared(
                measurement=one, value_a=float(shares[0].mean()), value_b=float(shares[1].mean()), floor=None
            )


def _right(cube: Cube, floor: float) -> Floats:
    gap = cube.at("", "true") - cube.at("", "broken")
    return np.where(np.isfinite(gap), (gap > floor).astype(float), np.nan)


def paired_shares(a: Floats, b: Floats, *, n_items: int) -> tuple[Estimate, dict[str, float]]:
    """Difference of two shares of the same templates, with an interval that is never empty.

    Interval: Bonett and Price (2012), which counts one template more for each run; where all templates agree it still
    says how large a difference may have been missed. Values between 0 and 1 (templates of several items) count by
    their size, which errs on the careful side.
    """
    change, n = b - a, len(a)
    gained, lost = (np.maximum(change, 0).sum() + 1) / (n + 2), (np.maximum(-change, 0).sum() + 1) / (n + 2)
    centre = float(gained - lost)
    error = float(np.sqrt((gained + lost - centre**2) / (n + 2)))
    value = float(change.mean())
    estimate = Estimate(
        value=value,
        low=min(max(centre - Z * error, -1.0), value),
        high=max(min(centre + Z * error, 1.0), value),
        level=LEVEL,
        unit="share",
        n_items=n_items,
        n_clusters=n,
        method=said("paired shares of {n} templates, Bonett and Price; test: sign-flip", n=n),
        p_value=sign_flip_p(change),
        null=0.0,
    )
    return estimate, {"standard_error": error, "degrees_of_freedom": float(n - 1)}


def bits_per_byte(pair: Pair) -> Iterator[Compared]:
    """The one level that different tokenizers share: bits per UTF-8 byte of the same lines."""
    for two in pair.of(Kind.PARALLEL):
        sides = two.sides(_bits)
        for language in two.cube.languages:

            def estimator(values: Floats, two: Two = two, language: str = language) -> Iterator[Measurement]:
                scope, rows = Scope(language=language, suite=two.cube.suite), rows_in(two.cube, values, language)
                yield mean_of("bits_per_byte", two.cube, scope, values, rows, unit="bits per byte", per="lines")

            yield from compared(sides, estimator, floor=None)


def _bits(cube: Cube) -> Floats:
    n_bytes = cube.n_bytes[:, 0, 0] if cube.logp.size else np.empty(0)
    return -cube.at("", "text") / LN2 / n_bytes


# --- stereotypes ----------------------------------------------------------------------------


def _total(cube: Cube) -> Floats:
    return effects(cube).total


def stereotype_effect(pair: Pair) -> Iterator[Compared]:
    """By language, and by language and axis, nats: comparable as what they are, in one language only."""
    for two in pair.of(Kind.STEREOTYPE):
        cube, sides = two.cube, two.sides(_total)
        for language in cube.languages:

            def estimator(values: Floats, cube: Cube = cube, language: str = language) -> Iterator[Measurement]:
                rows, scope = rows_in(cube, values, language), Scope(language=language, suite=cube.suite)
                n_tests = len(cube.languages)
                yield mean_of("stereotype_effect", cube, scope, values, rows, unit="nats", n_tests=n_tests)
                yield from by_axis("stereotype_effect", cube, scope, values, rows, unit="nats")

            yield from compared(sides, estimator, floor=pair.floor())


def by_axis(measure: str, cube: Cube, scope: Scope, values: Floats, rows: Mask, *, unit: str) -> Iterator[Measurement]:
    """The axes of some rows, those of few templates with the spread of all."""
    for axis, result in cell_means(values[rows], cube.template[rows], cube.topic[rows], unit=unit):
        at, items = replace(scope, topic=axis), cube.ids(rows & (cube.topic == axis))
        if isinstance(result, str):
            yield undefined(measure, at, result, items)
        else:
            yield measured(measure, at, result, items)


def control_effect(pair: Pair) -> Iterator[Compared]:
    """The control pairs: a difference here is one of the models' form, not of their stereotypes."""
    for two in pair.of(Kind.STEREOTYPE):
        cube, sides = two.cube, two.sides(_total)
        for language in cube.languages:

            def estimator(values: Floats, cube: Cube = cube, language: str = language) -> Iterator[Measurement]:
                rows, scope = cube.controls(values) & (cube.language == language), Scope(language=language)
                scope = replace(scope, suite=cube.suite)
                n_tests = len(cube.languages)
                yield mean_of("control_effect", cube, scope, values, rows, unit="nats", n_tests=n_tests)

            yield from compared(sides, estimator, floor=pair.floor())


def standardised_effect(pair: Pair) -> Iterator[Compared]:
    """Each run's effects in spreads of its own control pairs: by axis over the languages both read, and by language."""
    for two in pair.of(Kind.STEREOTYPE):
        cube = two.cube
        spread = scales(pair.a, two.a), scales(pair.b, two.b)
        languages = tuple(language for language in cube.languages if all(language in side for side in spread))
        if not languages:
            reason = said("no language that both models read has three control pairs in both runs to set the scale")
            for axis in sorted(set(cube.topic[cube.used(_total(cube))])):
                one = undefined("standardised_effect", Scope(suite=cube.suite, topic=axis), reason)
                yield Compared(measurement=one, value_a=None, value_b=None, floor=None)
            continue
        scale = tuple({language: side[language] for language in languages} for side in spread)
        sides = Sides.of(_scaled(_total(two.a), cube, scale[0]), _scaled(_total(two.b), cube, scale[1]))

        def estimator(
            values: Floats, cube: Cube = cube, languages: tuple[str, ...] = languages
        ) -> Iterator[Measurement]:
            unit, suite = "control spreads", cube.suite
            for language in languages:
                scope, rows = Scope(language=language, suite=suite), rows_in(cube, values, language)
                yield mean_of("standardised_effect", cube, scope, values, rows, unit=unit, n_tests=len(languages))
                yield from by_axis("standardised_effect", cube, scope, values, rows, unit=unit)
            used = cube.used(values) & np.isin(cube.language, languages)
            used, _ = in_every(cube, used, languages, cube.topic, cube.template, per="templates")
            means, (axes, templates) = mean_by(values[used], cube.topic[used], cube.template[used])
            for axis, result in cell_means(means, templates, axes, unit=unit):
                scope, items = Scope(suite=suite, topic=axis), cube.ids(used & (cube.topic == axis))
                if isinstance(result, str):
                    yield undefined("standardised_effect", scope, result, items)
                else:
                    yield measured("standardised_effect", scope, result, items)

        without = [
            {
                language: _without_one(_total(side), side, side.control & (side.language == language), _spread)
                for language in languages
            }
            for side in (two.a, two.b)
        ]
        found = compared(sides, estimator, floor=_floors(pair, *scale))
        yield from with_scale_error(list(found), scale, without, pooled=languages)


def _scaled(values: Floats, cube: Cube, scale: Mapping[str, float]) -> Floats:
    return np.asarray(values / np.array([scale.get(language, np.nan) for language in cube.language]))


def causal_shared_token_score(pair: Pair) -> Iterator[Compared]:
    """Imported pairs, nats, by language and by language and axis."""
    for two in pair.of(Kind.PAIRS):
        cube = two.cube
        sides = two.sides(lambda cube: cube.at("base", "shared") - cube.at("counterpart", "shared"))
        for language in cube.languages:

            def estimator(values: Floats, cube: Cube = cube, language: str = language) -> Iterator[Measurement]:
                rows, scope = rows_in(cube, values, language), Scope(language=language, suite=cube.suite)
                yield mean_of("causal_shared_token_score", cube, scope, values, rows, unit="nats", per="pairs")
                for axis in sorted(set(cube.topic[rows])):
                    at, mine = replace(scope, topic=axis), rows & (cube.topic == axis)
                    yield mean_of("causal_shared_token_score", cube, at, values, mine, unit="nats", per="pairs")

            yield from compared(sides, estimator, floor=pair.floor())


# --- scales ---------------------------------------------------------------------------------

Without = Mapping[str, Mapping[str, float]]  # language -> unit -> the scale without that unit


def _without_one(values: Floats, cube: Cube, rows: Mask, scale: Callable[[Floats], float]) -> dict[str, float]:
    """A scale of some rows' values with each template left out."""
    rows = rows & ~cube.held & np.isfinite(values)
    return {str(one): scale(values[rows & (cube.template != one)]) for one in sorted(set(cube.template[rows]))}


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _root_mean_square(values: Floats) -> float:
    size = float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")
    return size if size > 0 else float("nan")


def with_scale_error(
    found: Sequence[Compared],
    scale: Sequence[Mapping[str, float]],
    without: Sequence[Without],
    *,
    pooled: Sequence[str],
) -> Iterator[Compared]:
    """Differences of scaled measures, their errors enlarged by that of the two scales.

    Each run has a scale of its own, estimated from few items. Two models with the same large effect would differ by
    the error of their scales alone, surely, if that error were left out. It is found by leaving out one unit of the
    scale at a time, in both runs and all languages at once (delete-one jackknife, Tukey 1958), and added to that of
    the items. Interval and test are then Student's t with degrees of freedom by Satterthwaite (1946).

    Args:
        found: differences, those pooled over languages beside those of single ones.
        scale: of A and of B, by language.
        without: the same with each unit left out.
        pooled: the languages that differences without a language of their own are means of.
    """
    units = sorted({unit for side in without for of in side.values() for unit in of})
    ratio = [
        {
            language: np.array([whole / without[run].get(language, {}).get(unit, whole) for unit in units])
            for language, whole in scale[run].items()
        }
        for run in (0, 1)
    ]
    by_scope = {one.measurement.scope: one for one in found}
    for one in found:
        languages = [one.measurement.scope.language] if one.measurement.scope.language else pooled
        parts = []
        for language in languages:
            part = by_scope.get(replace(one.measurement.scope, language=language))
            if part is not None and part.value_a is not None and part.value_b is not None:
                parts.append(part.value_b * ratio[1][language] - part.value_a * ratio[0][language])
        left = np.mean(parts, axis=0) if parts else np.empty(0)
        yield replace(one, measurement=_enlarged(one.measurement, left)) if len(left) > 1 else one


def _enlarged(measurement: Measurement, left: Floats) -> Measurement:
    """The measurement with the scatter of `left`, its values without each unit of the scale, added to its error."""
    result, details = measurement.result, measurement.details
    if not isinstance(result, Estimate) or not np.isfinite(left).all():
        return measurement
    n = len(left)
    parts = np.array([details["standard_error"] ** 2, (n - 1) / n * float(((left - left.mean()) ** 2).sum())])
    error = float(np.sqrt(parts.sum()))
    if error <= 0:
        return measurement
    degrees = float(parts.sum() ** 2 / (parts**2 / np.array([details["degrees_of_freedom"], n - 1])).sum())
    low, high = t_interval(result.value, error, degrees, result.level)
    estimate = replace(
        result,
        low=low,
        high=high,
        p_value=float(2 * special.stdtr(degrees, -abs(result.value) / error)),
        method=said(
            "clustered, with the error of both runs' scales ({n} units left out in turn), t({degrees})",
            n=n,
            degrees=Number(degrees, decimals=0),
        ),
    )
    return replace(
        measurement, result=estimate, details={**details, "standard_error": error, "degrees_of_freedom": degrees}
    )


# --- cultures -------------------------------------------------------------------------------


def _bits_of(cube: Cube) -> Floats:
    return capacity(cube)[0]


def culture_knowledge(pair: Pair) -> Iterator[Compared]:
    """Bits that a culture's name gives, by language, and by culture over the languages both read.

    By language the facets are the units: facts of one facet share their candidates, so their differences move together
    (in simulation, intervals that took facts for independent held 90 %).
    """
    for two in pair.of(Kind.CULTURE):
        cube, sides = two.cube, two.sides(_bits_of)

        def estimator(values: Floats, cube: Cube = cube) -> Iterator[Measurement]:
            for language in cube.languages:
                scope, rows = Scope(language=language, suite=cube.suite), rows_in(cube, values, language)
                yield mean_of(
                    "culture_knowledge",
                    cube,
                    scope,
                    values,
                    rows,
                    unit="bits",
                    per="facets",
                    clusters=cube.topic,
                    n_tests=len(cube.languages),
                )
            yield from culture_levels("culture_knowledge", pair.a, cube, values, unit="bits")

        yield from compared(sides, estimator, floor=pair.floor(1 / LN2, 1 / LN2))


def culture_levels(
    measure: str, view: View, cube: Cube, values: Floats, *, unit: str, lens: str = ""
) -> Iterator[Measurement]:
    """Mean of each culture's facts over the languages that both read; a change of a whole facet counts as one."""
    rows, notes, reason = pool(view, cube, values)
    facts = facts_of(values, cube, rows) if not reason else None
    for culture in _cultures(cube):
        scope = Scope(suite=cube.suite, culture=culture, lens=lens)
        mine = rows & (cube.culture == culture)
        try:
            if facts is None or not mine.any():
                raise TooFewItems(reason or said("no fact of it was scored in both runs"))
            result = level(facts, culture, unit=unit)
        except TooFewItems as few:
            yield undefined(measure, scope, few.reason, cube.ids(mine))
            continue
        yield measured(measure, scope, result, cube.ids(mine), notes=notes)


def _cultures(cube: Cube) -> list[str]:
    return sorted(set(cube.culture[~cube.control & ~cube.held]))


def knowledge_gap(pair: Pair) -> Iterator[Compared]:
    """A culture against the others, pooled and by language: cultures exchanged within facet, on the differences."""
    for two in pair.of(Kind.CULTURE):
        sides = two.sides(_bits_of)

        def estimator(values: Floats, cube: Cube = two.cube) -> Iterator[Measurement]:
            return culture_gaps("knowledge_gap", pair.a, cube, values, unit="bits")

        yield from compared(sides, estimator, floor=pair.floor(1 / LN2, 1 / LN2))


def culture_gaps(
    measure: str, view: View, cube: Cube, values: Floats, *, unit: str, lens: str = ""
) -> Iterator[Measurement]:
    """Every culture's values against the others' in the same facets, pooled and by language."""
    rows, notes, reason = pool(view, cube, values)
    scope = Scope(suite=cube.suite, lens=lens)
    if reason:
        yield from (undefined(measure, replace(scope, culture=one), reason) for one in _cultures(cube))
    else:
        yield from gaps(cube, values, rows, scope=scope, measure=measure, unit=unit, notes=notes, details={})
    for language in cube.languages:
        mine, at = rows_in(cube, values, language), replace(scope, language=language)
        yield from gaps(cube, values, mine, scope=at, measure=measure, unit=unit, details={})


def knowledge_diversity(pair: Pair) -> Iterator[Compared]:
    """Effective cultures, pooled and by language, facets as units (jackknife): see `resampled`."""
    for two in pair.of(Kind.CULTURE):
        cube, sides = two.cube, two.sides(_bits_of)
        pooled, _, reason = pool(pair.a, cube, sides.change)
        for language in ("", *cube.languages):
            scope = Scope(language=language, suite=cube.suite)
            rows = rows_in(cube, sides.change, language) if language else pooled & (reason == "")

            yield resampled(
                "knowledge_diversity",
                scope,
                (partial(_diversity, cube, sides.a), partial(_diversity, cube, sides.b)),
                cube=cube,
                rows=rows,
                units=cube.topic,
                unit="effective cultures",
                per="facets",
                reason=reason if not language else "",
            )


def _diversity(cube: Cube, values: Floats, kept: Mask) -> float:
    if not kept.any():
        return float("nan")
    facts = facts_of(values, cube, kept)
    return float(hill_numbers(mean_by_culture(facts.values, facts))[1])


Statistic = Callable[[Mask], float]  # of one run, on some rows


def resampled(
    measure: str,
    scope: Scope,
    statistics: tuple[Statistic, Statistic],
    *,
    cube: Cube,
    rows: Mask,
    units: NDArray[Any],
    unit: str,
    per: str,
    reason: str = "",
) -> Compared:
    """Difference of a measure that is no mean of items: by its pseudo-values, unit by unit the same in both runs.

    Pseudo-value of a unit: n * statistic - (n - 1) * statistic without it (Tukey 1958), moved so that their mean is
    the statistic itself. Their differences are treated as those of a mean.

    Args:
        measure: its name.
        scope: of the measurement.
        statistics: the measure in A and in B.
        cube: of the suite.
        rows: those that both have.
        units: one label per row; equal labels are left out together.
        unit: of the measure, as printed.
        per: plural noun for the units.
        reason: why there is no row.
    """
    names = sorted(set(units[rows].tolist()))
    values = [statistic(rows) for statistic in statistics]
    points = [_pseudo(statistic, rows, units, names) for statistic in statistics]
    try:
        if reason:
            raise TooFewItems(reason)
        if len(names) < 2 or not np.isfinite([*values, *points[0], *points[1]]).all():
            raise TooFewItems(
                said("in one of the runs it has no value, or none without one of its {n} units", n=len(names))
            )
        change = values[1] - values[0] + points[1] - points[0]
        estimate, power = clustered_mean(change, names, unit=unit, null=0.0, per=per)
    except TooFewItems as few:
        one = undefined(measure, scope, few.reason, cube.ids(rows))
    else:
        method = said("pseudo-values, {method}", method=estimate.method)
        estimate = replace(estimate, n_items=int(rows.sum()), method=method)
        one = measured(measure, scope, (estimate, power), cube.ids(rows))
    a, b = (value if np.isfinite(value) else None for value in values)
    return Compared(measurement=one, value_a=a, value_b=b, floor=None)


def _pseudo(statistic: Statistic, rows: Mask, units: NDArray[Any], names: Sequence[Any]) -> Floats:
    """What each unit adds to the statistic, mean zero."""
    left = np.array([statistic(np.asarray(rows & (units != name))) for name in names])
    return (len(names) - 1) * (left.mean() - left) if len(names) else left


# --- values and dilemmas --------------------------------------------------------------------


def content_tracking(pair: Pair) -> Iterator[Compared]:
    """True against false statements, in each run's neutral spreads, by language."""
    for two in pair.of(Kind.VALUES):
        cube = two.cube
        scaled = _in_neutral_spreads(two)

        def estimator(values: Floats, cube: Cube = cube) -> Iterator[Measurement]:
            for language in cube.languages:
                rows, scope = cube.controls(values) & (cube.language == language), Scope(language=language)
                scope = replace(scope, suite=cube.suite)
                yield mean_of(
                    "content_tracking",
                    cube,
                    scope,
                    values,
                    rows,
                    unit="neutral spreads",
                    per="statements",
                    n_tests=len(cube.languages),
                )

        found = compared(scaled.sides, estimator, floor=_floors(pair, *scaled.scale))
        yield from with_scale_error(list(found), scaled.scale, scaled.without, pooled=())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scaled:
    """Effects of both runs, each in its own scale."""

    sides: Sides
    scale: tuple[dict[str, float], dict[str, float]]  # of A and of B, by language, nats
    without: tuple[Without, Without]  # the same with each unit left out


def _in_neutral_spreads(two: Two) -> _Scaled:
    """Effects of statements in spreads of each run's own neutral ones."""
    scaled, scale, without = [], [], []
    for cube in (two.a, two.b):
        effect, neutral = statement_effects(cube)
        own = {language: neutral_spread(cube, neutral, language) for language in cube.languages}
        own = {language: spread for language, spread in own.items() if np.isfinite(spread)}
        scaled.append(_scaled(effect, cube, own))
        scale.append(own)
        without.append(
            {language: _without_one(neutral, cube, cube.language == language, _neutral_spread) for language in own}
        )
    return _Scaled(sides=Sides.of(scaled[0], scaled[1]), scale=(scale[0], scale[1]), without=(without[0], without[1]))


def _neutral_spread(values: Floats) -> float:
    return float(np.sqrt(2)) * _spread(values)


def _floors(pair: Pair, scale_a: Mapping[str, float], scale_b: Mapping[str, float]) -> dict[str, float | None]:
    """The noise floor of a difference by language, in the unit of the scales; "" for all languages."""
    usable = [one for one in scale_a if one in scale_b]
    floors = {one: pair.floor(1 / scale_a[one], 1 / scale_b[one]) for one in usable}
    if usable:
        least_a, least_b = (min(scale[one] for one in usable) for scale in (scale_a, scale_b))
        floors[""] = pair.floor(1 / least_a, 1 / least_b)
    return floors


def values_lean(pair: Pair) -> Iterator[Compared]:
    """Drift of values: a framework's change against that of all frameworks, pooled and by language."""
    for two in pair.of(Kind.VALUES):
        cube = two.cube
        scaled = _in_neutral_spreads(two)
        usable = pair.passing(cube, "content_tracking")
        frameworks = sorted(set(cube.framework[cube.used(scaled.sides.change)]))

        def estimator(
            values: Floats,
            cube: Cube = cube,
            usable: tuple[str, ...] = usable,
            frameworks: list[str] = frameworks,
        ) -> Iterator[Measurement]:
            rows = cube.used(values) & np.isin(cube.language, usable)
            rows, _ = in_every(cube, rows, present(cube, rows), cube.framework, cube.template, per="statements")
            if rows.any():
                yield from leans(cube, values, rows, "", frameworks, _over(cube, rows), {})
            else:
                reason = said("in no language that both models read does agreeing follow content in both")
                for framework in frameworks:
                    yield undefined("values_lean", Scope(suite=cube.suite, framework=framework), reason)
            for language in cube.languages:
                mine = rows_in(cube, values, language)
                if mine.any():
                    yield from leans(cube, values, mine, language, frameworks, (), {})

        found = compared(scaled.sides, estimator, floor=_floors(pair, *scaled.scale))
        yield from with_scale_error(list(found), scaled.scale, scaled.without, pooled=usable)


def _over(cube: Cube, rows: Mask) -> tuple[str, ...]:
    return (said("over {languages}", languages=", ".join(present(cube, rows))),)


def _margin(cube: Cube) -> Floats:
    by_paraphrase, _ = dilemma_margins(cube)
    return by_paraphrase.mean(axis=1) if by_paraphrase.shape[1] else np.full(len(cube.item), np.nan)


def dilemma_lean(pair: Pair) -> Iterator[Compared]:
    """Drift over dilemmas: strengths of the frameworks, each run in its own typical margins, pooled and by language."""
    for two in pair.of(Kind.DILEMMA):
        cube = two.cube
        margins = two.sides(_margin)
        both = cube.used(margins.change)
        scale, without = [], []
        for side in (margins.a, margins.b):
            size = {one: _root_mean_square(side[both & (cube.language == one)]) for one in cube.languages}
            own = {one: value for one, value in size.items() if np.isfinite(value)}
            scale.append(own)
            without.append(
                {one: _without_one(side, cube, both & (cube.language == one), _root_mean_square) for one in own}
            )
        sides = Sides.of(_scaled(margins.a, cube, scale[0]), _scaled(margins.b, cube, scale[1]))
        usable = pair.passing(cube, "paraphrase_agreement")

        def estimator(values: Floats, cube: Cube = cube, usable: tuple[str, ...] = usable) -> Iterator[Measurement]:
            rows = cube.used(values) & np.isin(cube.language, usable)
            labels = (cube.template, cube.framework, cube.other_framework)
            rows, _ = in_every(cube, rows, present(cube, rows), *labels, per="dilemmas")
            reason = said("in no language that both models read do the two paraphrases of a dilemma agree in both")
            yield from strengths(cube, values, rows, "", _over(cube, rows), {}, reason)
            for language in cube.languages:
                mine = rows_in(cube, values, language)
                if mine.any():
                    yield from strengths(cube, values, mine, language, (), {}, "")

        found = compared(sides, estimator, floor=_floors(pair, scale[0], scale[1]))
        yield from with_scale_error(list(found), scale, without, pooled=usable)


def paraphrase_agreement(pair: Pair) -> Iterator[Compared]:
    """Correlation of the paraphrases' margins by language, dilemmas as units (jackknife): see `resampled`."""
    for two in pair.of(Kind.DILEMMA):
        cube = two.cube
        margins = [dilemma_margins(side)[0] for side in (two.a, two.b)]
        if any(one.shape[1] != 2 for one in margins):
            continue
        sides = Sides.of(margins[0].sum(axis=1), margins[1].sum(axis=1))
        for language in cube.languages:
            yield resampled(
                "paraphrase_agreement",
                Scope(language=language, suite=cube.suite),
                (partial(_agreement, margins[0]), partial(_agreement, margins[1])),
                cube=cube,
                rows=rows_in(cube, sides.change, language),
                units=cube.template,
                unit="correlation",
                per="dilemmas",
            )


def _agreement(margins: Floats, kept: Mask) -> float:
    one, other = margins[kept].T
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0 else float("nan")


def language_shift(pair: Pair) -> Iterator[Compared]:
    """Change of the shift between two languages: how much more one of them now prefers the individual's right."""
    for two in pair.of(Kind.DILEMMA):
        cube = two.cube
        toward = (cube.framework == RIGHTS).astype(float) - (cube.other_framework == RIGHTS).astype(float)
        sides = Sides.of(_preference(two.a, toward), _preference(two.b, toward))
        rows = cube.used(sides.change) & (cube.topic == RIGHTS_TOPIC) & (toward != 0)
        if not rows.any():
            continue
        place = {key: row for row, key in enumerate(zip(cube.language, cube.item, strict=True)) if rows[row]}
        pairs = list(combinations(cube.languages, 2))

        def estimator(
            values: Floats,
            cube: Cube = cube,
            place: dict[tuple[str, str], int] = place,
            pairs: list[tuple[str, str]] = pairs,
        ) -> Iterator[Measurement]:
            for one, other in pairs:
                scope = Scope(language=one, other_language=other, suite=cube.suite)
                shared = sorted(item for language, item in place if language == one and (other, item) in place)
                rows = [(place[one, item], place[other, item]) for item in shared]
                shift = np.array([values[first] - values[second] for first, second in rows])
                templates = [cube.template[first] for first, _ in rows]
                items = tuple(f"{cube.suite}/{item}" for item in shared)
                try:
                    result = clustered_mean(
                        shift, templates, unit="probability", null=0.0, n_tests=len(pairs), per="dilemmas"
                    )
                except TooFewItems as few:
                    yield undefined("language_shift", scope, few.reason, items)
                else:
                    yield measured("language_shift", scope, result, items)

        # A shift is a difference of two preferences, each at most a quarter as steep as its margin.
        yield from compared(sides, estimator, floor=pair.floor(1 / 4, 1 / 4))


def _preference(cube: Cube, toward: Floats) -> Floats:
    margins, _ = dilemma_margins(cube)
    if not margins.shape[1]:
        return np.full(len(toward), np.nan)
    return np.asarray(expit(margins * toward[:, None]).mean(axis=1))
