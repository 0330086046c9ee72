"""How much of each value framework can be read from, or steered in, the model; and how evenly.

Lenses: *probe* and *latents* (bits above the control task: endorsing against rejecting statements, by a probe fitted on
other languages and other templates) and *steering* (how far a dilemma moves toward the framework's option per step
along the framework's direction, beyond random directions, in their spreads).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.errors import RunError, TooFewItems
from audit.measures.capacity import NOT_READ, above_only
from audit.measures.competence import readable
from audit.measures.diversity import Groups, Spreading, diversity, evenness_test, spreading
from audit.measures.feature_tables import (
    FRAMEWORK_LENSES,
    LATENTS,
    PROBE,
    RANDOM_MODEL,
    STEERING,
    UNITS,
    above_control,
    latent_note,
    lenses_of,
    row_of,
)
from audit.measures.statistics import LEVEL, clustered_mean, pooled_mean, pooled_spread
from audit.measures.view import Cube, Floats, Mask, View, in_every, mean_by, measured, over, present, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.terms import noun
from audit.wording import said

FEWEST_DIRECTIONS = 4  # random ones: fewer tell neither their mean nor their spread


@dataclass(frozen=True, kw_only=True, eq=False)
class Framed:
    """What one lens reads of frameworks on the items of a suite; a dilemma counts for both of its frameworks."""

    cube: Cube
    lens: str
    values: Floats  # (n,)
    row: NDArray[np.intp]  # (n,) of the cube
    framework: NDArray[np.object_]  # (n,)

    @property
    def per(self) -> str:
        """What the independent units are, a plural noun of audit.terms."""
        return "dilemmas" if self.lens == STEERING else "statements"

    @property
    def language(self) -> NDArray[np.object_]:
        """Of each value."""
        return np.asarray(self.cube.language[self.row], dtype=object)

    @property
    def template(self) -> NDArray[np.object_]:
        """Of each value."""
        return np.asarray(self.cube.template[self.row], dtype=object)

    def ids(self, rows: Mask) -> tuple[str, ...]:
        """The items behind some values."""
        chosen = np.zeros(len(self.cube.item), dtype=bool)
        chosen[self.row[rows]] = True
        return self.cube.ids(chosen)

    def frameworks(self) -> list[str]:
        """All that the suite has items for."""
        usable = ~self.cube.control & ~self.cube.held
        both = [*self.cube.framework[usable], *self.cube.other_framework[usable]]
        return sorted({str(name) for name in both if name})

    def groups(self, rows: Mask) -> Groups:
        """Frameworks as groups: a unit counts once, the mean over the languages."""
        values, (framework, _) = mean_by(self.values[rows], self.framework[rows], self.template[rows])
        spread, degrees = pooled_spread(values, framework)
        one = np.zeros(len(values), dtype=np.int64)
        return Groups(values=values, group=framework, block=one, spread=spread, degrees=degrees)


def framed(view: View) -> Iterator[Framed]:
    """The suites of values and dilemmas, through each lens they were looked at."""
    for cube in view.of(Kind.VALUES):
        for lens in lenses_of(view, cube, (PROBE, LATENTS)):
            values = above_control(view, cube, lens)
            row = np.flatnonzero(cube.used(values))
            yield Framed(cube=cube, lens=lens, values=values[row], row=row, framework=cube.framework[row])
    for cube in view.of(Kind.DILEMMA):
        if lenses_of(view, cube, (STEERING,)):
            yield _steered(view, cube)


def _steered(view: View, cube: Cube) -> Framed:
    """Slope along the framework's direction minus the mean of the random ones, in SDs of the random ones.

    The SD is taken within items and pooled over a language's items, for the eight random directions of a single item
    hardly tell theirs; it puts languages on one scale.
    """
    table = view.evidence.steering
    table = table[(table["suite"] == cube.suite) & np.isfinite(table["slope"].to_numpy(dtype=float))]
    again = table.duplicated(["language", "item", "framework", "direction"])
    if again.any():
        item = table[again].iloc[0]["item"]
        raise RunError(f"steering: a slope of item {item} of suite {cube.suite} appears twice; gather again")
    row = row_of(cube, table)
    table, row = table[row >= 0], row[row >= 0]
    code, names = pd.factorize(table["framework"].to_numpy(dtype=object), sort=True)
    cell, place = np.unique(row * max(len(names), 1) + code, return_inverse=True)
    slope, random = table["slope"].to_numpy(dtype=float), table["direction"].to_numpy(dtype=np.int64) > 0
    n = np.bincount(place[random], minlength=len(cell))
    mean = np.bincount(place[random], weights=slope[random], minlength=len(cell)) / np.maximum(n, 1)
    own = np.full(len(cell), np.nan)
    own[place[~random]] = slope[~random]
    squares = np.bincount(place[random], weights=(slope[random] - mean[place[random]]) ** 2, minlength=len(cell))
    at, framework = (
        (cell // max(len(names), 1)).astype(np.intp),
        np.asarray(names, dtype=object)[cell % max(len(names), 1)],
    )
    usable = (n >= FEWEST_DIRECTIONS) & np.isfinite(own) & ~cube.control[at] & ~cube.held[at]
    usable &= (cube.framework[at] == framework) | (cube.other_framework[at] == framework)
    spread = np.full(len(cell), np.nan)
    for language in cube.languages:
        mine = usable & (cube.language[at] == language)
        if mine.any() and squares[mine].sum() > 0:
            spread[mine] = np.sqrt(squares[mine].sum() / (n[mine] - 1).sum())
    usable &= np.isfinite(spread)
    values = (own - mean)[usable] / spread[usable]
    return Framed(cube=cube, lens=STEERING, values=values, row=at[usable], framework=framework[usable])


def pooled(view: View, of: Framed) -> tuple[Mask, tuple[str, ...], str]:
    """Values of the units that every readable language has; notes that say which; a reason where there is none."""
    cube = of.cube
    rows = np.isin(of.language, readable(view, cube))
    have = np.zeros(len(cube.item), dtype=bool)
    have[of.row[rows]] = True
    usable = present(cube, have)
    if not usable:
        return (
            rows,
            (),
            said("no language of the suite passes the competence bar with {units} that were read", units=noun(of.per)),
        )
    kept, lost = in_every(cube, have, usable, cube.template, per=of.per)
    rows = rows & kept[of.row]
    if not rows.any():
        return rows, (), said("none of the {units} was read in every readable language", units=noun(of.per))
    note = over(usable, without=sorted(set(cube.languages) - set(usable)))
    # i18n: each statement (or dilemma) counts as one, however many languages it is asked in
    once = said("{units} count once: the mean over the readable languages", units=noun(of.per))
    return rows, (note, once, *lost), ""


# --- level and differences ----------------------------------------------------------------------


def framework_capacity(view: View) -> tuple[Measurement, ...]:
    """Bits above the control task of each framework, and of all by language; lenses probe and latents."""
    return tuple(
        m for of in framed(view) if of.lens != STEERING for m in _levels(view, of, "framework_capacity", of.lens)
    )


def steering_capacity(view: View) -> tuple[Measurement, ...]:
    """How far steering along a framework's direction moves dilemmas toward its option, in spreads of random ones."""
    return tuple(m for of in framed(view) if of.lens == STEERING for m in _levels(view, of, "steering_capacity", ""))


def _levels(view: View, of: Framed, measure: str, named: str) -> Iterator[Measurement]:
    cube, unit = of.cube, UNITS[of.lens]
    for language in cube.languages:
        scope, rows = Scope(language=language, suite=cube.suite, lens=named), of.language == language
        try:
            if not rows.any():
                raise TooFewItems(NOT_READ)
            result, power = clustered_mean(of.values[rows], of.template[rows], unit=unit, null=0.0, per=of.per)
        except TooFewItems as few:
            yield undefined(measure, scope, few.reason, of.ids(rows))
            continue
        if named:
            result = above_only(result)
        notes = latent_note(view, cube, of.lens, language)
        details = _against_random(view, of, rows, framework="")
        yield measured(measure, scope, (result, power), of.ids(rows), notes=notes, details=details)
    rows, notes, reason = pooled(view, of)
    groups = of.groups(rows) if not reason else None
    for framework in of.frameworks():
        scope = Scope(suite=cube.suite, framework=framework, lens=named)
        mine = rows & (of.framework == framework)
        try:
            if groups is None or not mine.any():
                raise TooFewItems(reason or NOT_READ)
            result, power = level(of, groups, framework)
        except TooFewItems as few:
            yield undefined(measure, scope, few.reason, of.ids(mine))
            continue
        spoken = sorted(set(of.language[mine].tolist()))
        details = {f"in_{one}": float(of.values[mine & (of.language == one)].mean()) for one in spoken}
        details |= _against_random(view, of, rows, framework=framework)
        told = (*notes, *latent_note(view, cube, of.lens, ""))
        if named:
            result = above_only(result)
        yield measured(measure, scope, (result, power), of.ids(mine), notes=told, details=details)


def _against_random(view: View, of: Framed, rows: Mask, *, framework: str) -> dict[str, float]:
    """Latents beside those of a randomly re-initialised model on the same items: its bits, one-sided p; {} if none."""
    if of.lens != LATENTS:
        return {}
    random = above_control(view, of.cube, RANDOM_MODEL)[of.row]
    beyond, both = replace(of, values=of.values - random), rows & np.isfinite(random)
    try:
        if not both.any():
            return {}
        if framework:
            result, _ = level(of, beyond.groups(both), framework)
            both = both & (of.framework == framework)
        else:
            result, _ = clustered_mean(beyond.values[both], of.template[both], unit="bits", null=0.0, per=of.per)
    except TooFewItems:
        return {}
    p = float(result.p_value or 0.0) / 2
    return {
        "random_model_bits": float(random[both].mean()),
        "p_against_random_model": p if result.value > 0 else 1 - p,
    }


def level(of: Framed, groups: Groups, framework: str) -> tuple[Estimate, dict[str, float]]:
    """Mean of one framework's units, the spread pooled over frameworks."""
    own = groups.values[groups.group == framework]
    return pooled_mean(
        own,
        spread=groups.spread,
        degrees_of_freedom=groups.degrees,
        unit=UNITS[of.lens],
        null=0.0,
        n_items=len(own),
        per=of.per,
        borrowed_from="frameworks",
    )


def framework_difference(view: View) -> tuple[Measurement, ...]:
    """Every framework against every other, bits; over the readable languages; lenses probe and latents."""
    return tuple(
        m for of in framed(view) if of.lens != STEERING for m in differences(view, of, "framework_difference", of.lens)
    )


def steering_difference(view: View) -> tuple[Measurement, ...]:
    """The same of steering, in spreads of random directions."""
    return tuple(
        m for of in framed(view) if of.lens == STEERING for m in differences(view, of, "steering_difference", "")
    )


def differences(view: View, of: Framed, measure: str, named: str) -> Iterator[Measurement]:
    """Every framework against every other, over the readable languages."""
    rows, notes, reason = pooled(view, of)
    groups = of.groups(rows) if not reason else None
    for one, other in combinations(of.frameworks(), 2):
        scope = Scope(suite=of.cube.suite, framework=one, other_framework=other, lens=named)
        mine = rows & np.isin(of.framework, [one, other])
        if groups is None:
            yield undefined(measure, scope, reason)
            continue
        left, right = (groups.values[groups.group == name] for name in (one, other))
        if not len(left) or not len(right) or groups.degrees < 1:
            yield undefined(measure, scope, NOT_READ, of.ids(mine))
            continue
        # A mean of one "cluster" that is the contrast, with the contrast's own error.
        contrast = np.array([left.mean() - right.mean()])
        result, power = pooled_mean(
            contrast,
            spread=groups.spread,
            degrees_of_freedom=groups.degrees,
            weight=float(np.sqrt(1 / len(left) + 1 / len(right))),
            unit=UNITS[of.lens],
            null=0.0,
            n_items=len(left) + len(right),
            per=of.per,
            borrowed_from="frameworks",
        )
        result = replace(result, n_clusters=len(left) + len(right))
        details = {"first": float(left.mean()), "second": float(right.mean())}
        told = (*notes, *latent_note(view, of.cube, of.lens, ""))
        yield measured(measure, scope, (result, power), of.ids(mine), notes=told, details=details)


# --- balance ------------------------------------------------------------------------------------


def framework_balance(view: View) -> tuple[Measurement, ...]:
    """Evenness of the frameworks' capacities (Hill number of order 1 / number of frameworks), pooled and by language.

    Null: 1, all alike. Test, one-sided: less even than with the frameworks' names shuffled over the items.
    """
    found: list[Measurement] = []
    for of in framed(view):
        rows, notes, reason = pooled(view, of)
        scope = Scope(suite=of.cube.suite, lens=of.lens)
        if reason:
            found.append(undefined("framework_balance", scope, reason))
        else:
            found.append(_balance(view, of, rows, scope, notes))
        found += [
            _balance(view, of, of.language == language, replace(scope, language=language), ())
            for language in of.cube.languages
        ]
    return tuple(found)


def _balance(view: View, of: Framed, rows: Mask, scope: Scope, notes: tuple[str, ...]) -> Measurement:
    if not rows.any():
        return undefined("framework_balance", scope, NOT_READ)
    groups = of.groups(rows)
    spread = spreading(groups)
    if isinstance(spread, str):
        return undefined("framework_balance", scope, spread, of.ids(rows))
    k = len(spread.names)
    value, low, high = spread.interval(lambda c: diversity(c, 1.0) / k)
    p, by_chance, scatter = evenness_test(spread)
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=LEVEL,
        unit="share of evenness",
        n_items=int(rows.sum()),
        n_clusters=len(set(of.template[rows].tolist())),
        method=said(
            "evenness of order 1 of capacities that are plausible given the measured ones, clustered on {units}; "
            "hull of two empirical Bayes intervals; one-sided test: frameworks shuffled over items",
            units=noun(of.per),
        ),
        p_value=p,
        null=1.0,
        clusters=of.per,
    )
    details = {"as_measured": float(diversity(spread.means, 1.0)) / k, "by_chance": by_chance / k, "n_frameworks": k}
    details |= _ends(spread)
    if scatter > 0:
        details |= {"standard_error": scatter / k, "degrees_of_freedom": float(groups.degrees)}
    told = (*notes, *latent_note(view, of.cube, of.lens, scope.language))
    if below := int((spread.means < 0).sum()):
        told = (
            *told,
            said("{n} of {total} frameworks' capacities lie below zero and count as zero here", n=below, total=k),
        )
    return measured("framework_balance", scope, (estimate, {}), of.ids(rows), notes=told, details=details)


def _ends(spread: Spreading) -> dict[str, float]:
    """Smallest and largest capacity as measured, and the plausible ratio of smallest to largest."""

    def ratio(capacities: Floats) -> Floats:
        kept = np.maximum(capacities, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(kept.min(axis=-1) / kept.max(axis=-1))

    value, low, high = spread.interval(ratio)
    ends = {"smallest": float(spread.means.min()), "largest": float(spread.means.max())}
    return ends | {"smallest_of_largest": value, "smallest_of_largest_low": low, "smallest_of_largest_high": high}


def balance_table(view: View, suite: str, lens: str) -> pd.DataFrame:
    """Capacity of every framework in every language, and over the readable ones.

    Args:
        view: of the run.
        suite: a values suite (probe, latents) or a dilemma suite (steering).
        lens: probe | latents | steering.

    Returns:
        Columns `framework`, `language` ("" for all readable ones), `value`, `low`, `high` (95 %), `unit`, `n`
        (statements or dilemmas), `interpretable` (the model reads the language). Cells that nobody read have NaN.

    Raises:
        RunError: the suite was not looked at through this lens.
    """
    if lens not in FRAMEWORK_LENSES:
        raise RunError(
            f"lens {lens}: frameworks are looked at through {', '.join(FRAMEWORK_LENSES)}; name one of these"
        )
    of = next((one for one in framed(view) if (one.cube.suite, one.lens) == (suite, lens)), None)
    if of is None:
        raise RunError(f"suite {suite}: was not looked at through the lens {lens}; gather again with features")
    in_all, _, reason = pooled(view, of)
    read = readable(view, of.cube)
    table = []
    for language in ("", *of.cube.languages):
        rows = of.language == language if language else in_all & (reason == "")
        groups = of.groups(rows) if rows.any() else None
        for framework in of.frameworks():
            n = 0 if groups is None else int((groups.group == framework).sum())
            value = low = high = float("nan")
            if groups is not None and n:
                value = float(groups.values[groups.group == framework].mean())
                if groups.degrees >= 1:
                    found, _ = level(of, groups, framework)
                    low, high = found.low, found.high
            interpretable = bool(read) if not language else language in read
            table.append((framework, language, value, low, high, UNITS[lens], n, interpretable))
    columns = ["framework", "language", "value", "low", "high", "unit", "n", "interpretable"]
    return pd.DataFrame(table, columns=columns)
