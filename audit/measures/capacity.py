"""How much of each culture can be read from inside the model, lens by lens.

Bits above a control task for the probe and the latents; spreads of control swaps for the pathway, which is never mixed
with bits. The knowledge lens is `culture_knowledge` and `knowledge_gap` in culture.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.errors import RunError, TooFewItems
from audit.measures.competence import readable
from audit.measures.culture import Facts, facts_of, gaps, pool
from audit.measures.feature_tables import (
    CULTURE_LENSES,
    LATENTS,
    PATHWAY,
    PROBE,
    RANDOM_MODEL,
    UNITS,
    above_control,
    latent_note,
    lenses_of,
)
from audit.measures.statistics import ALPHA, clustered_mean, pooled_mean
from audit.measures.view import Cube, Floats, Mask, View, measured, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.wording import said

NOT_READ = said("no item was read through this lens")


# --- the level of a culture ---------------------------------------------------------------------


def level_spread(facts: Facts) -> tuple[float, float]:
    """SD of one fact around its culture's own level, and its degrees of freedom.

    Facets differ as wholes (a probe is judged on a facet that it was not trained on) and facts within them, so two mean
    squares make it up: MS(facets) / C + MS(rest) (C - 1) / C with C cultures to a facet, exact where every culture has
    every facet; degrees of freedom by Satterthwaite (1946).
    """
    rest, degrees = facts.spread
    n, n_facets, n_cultures = len(facts.values), len(np.unique(facts.facets)), len(facts.names)
    if degrees < 1 or n_facets < 2:
        return float("nan"), 0.0
    between = facet_square(facts)
    share = 1 / (n / n_facets) if n_cultures > 1 else 1.0
    parts = np.array([share * between, (1 - share) * rest**2])
    total = float(parts.sum())
    if total <= 0:
        return 0.0, float(degrees)
    return float(np.sqrt(total)), total**2 / float(parts[0] ** 2 / (n_facets - 1) + parts[1] ** 2 / degrees)


def facet_square(facts: Facts) -> float:
    """Mean square between facets: of their means around the cultures' own levels, facts in all; needs two facets."""
    rest, degrees = facts.spread
    within = facts.values - _group_means(facts.values, facts.cultures)
    return (float(within @ within) - rest**2 * degrees) / (len(np.unique(facts.facets)) - 1)


def _group_means(values: Floats, groups: NDArray[Any]) -> Floats:
    _, code = np.unique(groups, return_inverse=True)
    return np.asarray((np.bincount(code, weights=values) / np.bincount(code))[code])


def level(facts: Facts, culture: str, *, unit: str) -> tuple[Estimate, dict[str, float]]:
    """Mean of one culture's facts, its error from facets and facts of all cultures (`level_spread`)."""
    own = facts.values[facts.cultures == culture]
    spread, degrees = level_spread(facts)
    return pooled_mean(
        own,
        spread=spread,
        degrees_of_freedom=int(degrees),
        unit=unit,
        null=0.0,
        n_items=len(own),
        per="facts",
        borrowed_from="cultures",
    )


def above_only(result: Estimate) -> Estimate:
    """The estimate with a one-sided p-value: more than the null.

    A probe that is sure and wrong loses bits; that tells of the probe and is no finding about the model.
    """
    if result.p_value is None or result.null is None:
        return result
    p = result.p_value / 2
    # i18n: {method} is how an interval was computed and a test made; the test is one-sided
    method = said("{method}, one-sided", method=result.method)
    return replace(result, p_value=p if result.value > result.null else 1 - p, method=method)


def representation_capacity(view: View) -> tuple[Measurement, ...]:
    """Bits above the control task, by language and by culture (over the readable languages), in lenses probe, latents.

    By language the facets are the units, for one probe reads a whole facet that it was not fitted on.
    """
    return tuple(
        found
        for cube in view.of(Kind.CULTURE)
        for lens in lenses_of(view, cube, (PROBE, LATENTS))
        for found in _capacities(view, cube, lens, measure="representation_capacity", named=lens)
    )


def pathway_capacity(view: View) -> tuple[Measurement, ...]:
    """Effect of swapping the culture's name through the kept circuit, in spreads of control swaps."""
    return tuple(
        found
        for cube in view.of(Kind.CULTURE)
        for lens in lenses_of(view, cube, (PATHWAY,))
        for found in _capacities(view, cube, lens, measure="pathway_capacity", named="")
    )


def _capacities(view: View, cube: Cube, lens: str, *, measure: str, named: str) -> Iterator[Measurement]:
    values, unit = above_control(view, cube, lens), UNITS[lens]
    beyond = values - above_control(view, cube, RANDOM_MODEL) if lens == LATENTS else np.full(len(values), np.nan)
    for language in cube.languages:
        scope = Scope(language=language, suite=cube.suite, lens=named)
        rows = cube.used(values) & (cube.language == language)
        if not rows.any():
            yield undefined(measure, scope, NOT_READ)
            continue
        try:
            result, power = clustered_mean(values[rows], cube.topic[rows], unit=unit, null=0.0, per="facets")
        except TooFewItems as few:
            yield undefined(measure, scope, few.reason, cube.ids(rows))
            continue
        details = _against_random(lens, beyond, values, cube, rows, culture="")
        notes = (*cube.held_note(cube.language == language), *latent_note(view, cube, lens, language))
        if named:
            result = above_only(result)
        yield measured(measure, scope, (result, power), cube.ids(rows), notes=notes, details=details)
    yield from _by_culture(view, cube, lens, values, beyond, measure=measure, named=named)


def _by_culture(
    view: View, cube: Cube, lens: str, values: Floats, beyond: Floats, *, measure: str, named: str
) -> Iterator[Measurement]:
    rows, notes, reason = pool(view, cube, values)
    facts = facts_of(values, cube, rows) if not reason else None
    for culture in sorted(set(cube.culture[~cube.control & ~cube.held])):
        scope = Scope(suite=cube.suite, culture=culture, lens=named)
        mine = rows & (cube.culture == culture)
        try:
            if facts is None or not mine.any():
                raise TooFewItems(reason or NOT_READ)
            result, power = level(facts, culture, unit=UNITS[lens])
        except TooFewItems as few:
            yield undefined(measure, scope, few.reason, cube.ids(mine))
            continue
        details = {f"in_{one}": float(values[mine & (cube.language == one)].mean()) for one in _present(cube, mine)}
        details |= _against_random(lens, beyond, values, cube, rows, culture=culture)
        told = (*notes, *latent_note(view, cube, lens, ""))
        if named:
            result = above_only(result)
        yield measured(measure, scope, (result, power), cube.ids(mine), notes=told, details=details)


def _present(cube: Cube, rows: Mask) -> list[str]:
    return sorted(set(cube.language[rows]))


def _against_random(
    lens: str, beyond: Floats, values: Floats, cube: Cube, rows: Mask, *, culture: str
) -> dict[str, float]:
    """Latents beside those of a randomly re-initialised model on the same items: its bits, one-sided p; {} if none."""
    both = rows & np.isfinite(beyond)
    if lens != LATENTS or not both.any():
        return {}
    try:
        if culture:
            result, _ = level(facts_of(beyond, cube, both), culture, unit="bits")
            both = both & (cube.culture == culture)
        else:
            result, _ = clustered_mean(beyond[both], cube.topic[both], unit="bits", null=0.0, per="facets")
    except TooFewItems:
        return {}
    p = float(result.p_value or 0.0) / 2
    random = float((values - beyond)[both].mean())
    return {"random_model_bits": random, "p_against_random_model": p if result.value > 0 else 1 - p}


def beats_random_model(measurement: Measurement) -> bool:
    """The latents hold more than those of a randomly re-initialised model; true of all that is not about latents."""
    if (
        measurement.measure not in ("representation_capacity", "framework_capacity")
        or measurement.scope.lens != LATENTS
    ):
        return True
    return measurement.details.get("p_against_random_model", 1.0) < ALPHA


# --- the gap to the others ----------------------------------------------------------------------


def representation_gap(view: View) -> tuple[Measurement, ...]:
    """Bits of a culture minus the mean of the others in the same facets; pooled and by language; probe, latents.

    Interval and test are those of `knowledge_gap`: cultures are exchangeable within a facet if they do not differ.
    """
    return tuple(
        found
        for cube in view.of(Kind.CULTURE)
        for lens in lenses_of(view, cube, (PROBE, LATENTS))
        for found in _gaps(view, cube, lens, measure="representation_gap", named=lens)
    )


def pathway_gap(view: View) -> tuple[Measurement, ...]:
    """The same of the pathway, in spreads of control swaps."""
    return tuple(
        found
        for cube in view.of(Kind.CULTURE)
        for lens in lenses_of(view, cube, (PATHWAY,))
        for found in _gaps(view, cube, lens, measure="pathway_gap", named="")
    )


def _gaps(view: View, cube: Cube, lens: str, *, measure: str, named: str) -> Iterator[Measurement]:
    values, unit = above_control(view, cube, lens), UNITS[lens]
    cultures = sorted(set(cube.culture[~cube.control & ~cube.held]))
    rows, notes, reason = pool(view, cube, values)
    scopes = [
        Scope(suite=cube.suite, lens=named),
        *(Scope(language=x, suite=cube.suite, lens=named) for x in cube.languages),
    ]
    for scope in scopes:
        mine = cube.used(values) & (cube.language == scope.language) if scope.language else rows
        if (reason and not scope.language) or not mine.any():
            why = NOT_READ if scope.language else reason or NOT_READ
            yield from (undefined(measure, replace(scope, culture=culture), why) for culture in cultures)
            continue
        told = (*(() if scope.language else notes), *latent_note(view, cube, lens, scope.language))
        found = gaps(cube, values, mine, scope=scope, measure=measure, unit=unit, notes=told, details={})
        yield from found
        missing = set(cultures) - {one.scope.culture for one in found}
        yield from (undefined(measure, replace(scope, culture=culture), NOT_READ) for culture in sorted(missing))


# --- for pictures -------------------------------------------------------------------------------


def capacity_map(view: View, suite: str, lens: str) -> pd.DataFrame:
    """Capacity of every culture in every language, and over the readable ones.

    Args:
        view: of the run.
        suite: a culture suite.
        lens: knowledge | probe | latents | pathway.

    Returns:
        Columns `culture`, `language` ("" for all readable ones), `value`, `low`, `high` (95 %; NaN where it cannot be
        told), `unit`, `n_facts`, `interpretable` (the model reads the language). Cells that nobody read have NaN.

    Raises:
        RunError: no such suite, or no such lens.
    """
    cube = culture_suite(view, suite, lens)
    values = above_control(view, cube, lens)
    read = readable(view, cube)
    pooled, _, reason = pool(view, cube, values)
    rows = []
    for language in ("", *cube.languages):
        mine = cube.used(values) & (cube.language == language) if language else pooled & (reason == "")
        facts = facts_of(values, cube, mine) if mine.any() else None
        for culture in sorted(set(cube.culture[~cube.control])):
            n = 0 if facts is None else int((facts.cultures == culture).sum())
            value = low = high = float("nan")
            if facts is not None and n:
                value = float(facts.values[facts.cultures == culture].mean())
                try:
                    found, _ = level(facts, culture, unit=UNITS[lens])
                    low, high = found.low, found.high
                except TooFewItems:
                    pass
            interpretable = bool(read) if not language else language in read
            rows.append((culture, language, value, low, high, UNITS[lens], n, interpretable))
    columns = ["culture", "language", "value", "low", "high", "unit", "n_facts", "interpretable"]
    return pd.DataFrame(rows, columns=columns)


def culture_suite(view: View, suite: str, lens: str) -> Cube:
    """The cube of a culture suite that may be looked at through a lens.

    Raises:
        RunError: no such suite, or no such lens.
    """
    if lens not in CULTURE_LENSES:
        raise RunError(f"lens {lens}: cultures are looked at through {', '.join(CULTURE_LENSES)}; name one of these")
    for cube in view.of(Kind.CULTURE):
        if cube.suite == suite:
            return cube
    raise RunError(f"suite {suite}: no culture suite of that name was asked; name one that was")
