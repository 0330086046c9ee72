"""How much of the effect on held-out templates passes through a circuit, beside random circuits of the same make-up.

Nodes are patched from the run on the counterpart's prompt. The share of a circuit is the sum over items of its effects,
each turned to the sign of the item's own effect, divided by the sum of the items' own effects without their signs. The
whole model has share 1; a circuit that works against the effect has a negative one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audit.errors import TooFewItems
from audit.measures.circuit_tables import MEAN, NECESSITY, SUFFICIENCY, Inside, looked_inside
from audit.measures.statistics import ALPHA, clustered_mean, tested
from audit.measures.stereotype import cell_means, welch
from audit.measures.view import Floats, Mask, View, measured, undefined
from audit.records import POOLED, WHOLE, Estimate, Measurement, Scope
from audit.wording import LanguageName, Number, Said, Value, said

FEWEST_TEMPLATES = 4
LARGEST_WEIGHT = 0.9  # of one template in the sum of effects
FEWEST_DRAWS = 20  # of random circuits in a fold; fewer could not tell the best 5 %


@dataclass(frozen=True, kw_only=True, eq=False)
class Carried:
    """What a circuit and the random ones beside it carry of some items' effects, nats."""

    own: Floats  # (n,) the items' own effects
    effect: Floats  # (n,)
    random: Floats  # (n, draws); no draws where none are compared
    template: NDArray[np.object_]
    fold: NDArray[np.int64]


class Random(NamedTuple):
    """A sum over items beside the same sum for random circuits: each draw of a fold with each draw of the others."""

    expected: Floats  # (n,) mean over draws
    sums: Floats  # (combinations,) without the circuit itself
    p: float  # share of the combinations, the circuit's own counted in each fold, that reach the circuit's sum


def against_random(
    values: Floats, random: Floats, fold: NDArray[np.int64], *, two_sided: bool = False
) -> Random | None:
    """The circuit's sum among those of random circuits; None with fewer than 20 draws in a fold.

    If the circuit were one more draw, its place among the draws would be random in each fold apart, so the p-value is
    that of a permutation test stratified by fold: (draws + 1) ^ folds combinations, all counted.

    Args:
        values: (n,) the circuit's.
        random: (n, draws) those of random circuits; draws that lack one of a fold's items do not count there.
        fold: (n,) of each item.
        two_sided: compare sums without their signs.
    """
    expected = np.empty(len(values))
    alone, joined = np.zeros(1), np.zeros(1)
    for number in np.unique(fold):
        rows = fold == number
        draws = random[rows]
        draws = draws[:, np.isfinite(draws).all(axis=0)]
        if draws.shape[1] < FEWEST_DRAWS:
            return None
        expected[rows] = draws.mean(axis=1)
        sums = draws.sum(axis=0)
        alone = np.add.outer(alone, sums).ravel()
        joined = np.add.outer(joined, np.append(sums, values[rows].sum())).ravel()
    observed, slack = float(values.sum()), 1e-10 * float(np.abs(values).sum())
    reach = np.abs(joined) >= abs(observed) - slack if two_sided else joined >= observed - slack
    return Random(expected, alone, float(reach.mean()))


def beats_random(measurement: Measurement) -> bool:
    """The circuit carries more than 95 % of the random circuits of the same make-up do."""
    return measurement.details.get("p_against_random", 1.0) < ALPHA


# --- the share ----------------------------------------------------------------------------------


class Share(NamedTuple):
    """A share with its figures, and one point per template whose mean it is."""

    estimate: Estimate
    details: dict[str, float]
    points: Floats


def share_of(carried: Carried, *, floor: float = 0.0, n_tests: int = 1) -> Share:
    """The share of a circuit, its interval over templates, and its test against random circuits.

    A ratio of sums over templates: interval of its linearised residuals (a_t - share * b_t) / mean(b), with a_t the
    template's sum of turned effects and b_t that of own effects, each enlarged by the template's weight in the sum as
    leaving it out would (delete-one jackknife, Tukey 1958): else few large templates would hide their own scatter.
    Null: mean over the random circuits. The p-value is
    the larger of two: that templates carry no more by the circuit than by the mean random one, and that the circuit is
    one more random one. Without random circuits nothing is tested.

    Args:
        carried: of the items in question.
        floor: noise floor in nats.
        n_tests: size of the family.

    Raises:
        TooFewItems: fewer than four templates, effects no larger than the noise floor, or all of one template.
    """
    n_templates = len(set(carried.template.tolist()))
    if n_templates < FEWEST_TEMPLATES:
        raise TooFewItems(
            said(
                "the circuit was judged on {n} templates; a share needs {least}", n=n_templates, least=FEWEST_TEMPLATES
            )
        )
    size = np.abs(carried.own)
    if size.sum() <= len(size) * floor:
        none = said("the items' own effects are no larger than the noise floor, so there is nothing to share")
        raise TooFewItems(none)
    turned = np.sign(carried.own) * carried.effect
    names, code = np.unique(carried.template.astype(str), return_inverse=True)
    effect, own = (np.bincount(code, weights=values).astype(float) for values in (turned, size))
    value = effect.sum() / own.sum()
    points = value + _residuals(effect, own)
    estimate, _ = clustered_mean(points, names, unit="share")
    estimate = replace(estimate, n_items=len(size))
    random = against_random(turned, np.sign(carried.own)[:, None] * carried.random, carried.fold)
    if random is None:
        return Share(estimate, {}, points)
    beyond = (effect - np.bincount(code, weights=random.expected)) / own.mean()
    test, spread = clustered_mean(beyond, names, unit="share", null=0.0, n_tests=n_tests)
    null = float(value - beyond.mean())
    estimate = replace(
        estimate,
        null=null,
        p_value=max(float(test.p_value or 0.0), random.p),
        # i18n: {test} names a statistical test; a comparison with random circuits was made beside it
        method=tested(estimate.method, said("{test} and random circuits", test=_test_of(test))),
    )
    reached = random.sums / own.sum()
    details = {
        "p_against_random": random.p,
        "reach_of_random": float(reached.max()) - null,
        "random_low": float(np.quantile(reached, ALPHA / 2)),
        "random_high": float(np.quantile(reached, 1 - ALPHA / 2)),
    }
    return Share(estimate, spread | details, points)


def _test_of(estimate: Estimate) -> Value:
    assert isinstance(estimate.method, Said), "clustered_mean says its method by `tested`"
    return estimate.method.values["test"]


def _residuals(effect: Floats, own: Floats) -> Floats:
    """What each template adds to the error of sum(effect) / sum(own), (n,), mean zero."""
    n, weight = len(own), own / own.sum()
    if weight.max() > LARGEST_WEIGHT:
        raise TooFewItems(
            said(
                "one of {n} templates has {percent}% of the effect, so the others tell nothing",
                n=n,
                percent=Number(100 * float(weight.max()), decimals=1),
            )
        )
    residuals = (effect - effect.sum() / own.sum() * own) / own.mean() * (n - 1) / n / (1 - weight)
    return np.asarray(residuals - residuals.mean())


def _plain_share(own: Floats, effect: Floats) -> float:
    """The share without interval or test, over the items that have both numbers; NaN where there is none."""
    known = np.isfinite(own) & np.isfinite(effect)
    size = np.abs(own[known]).sum()
    return float((np.sign(own[known]) * effect[known]).sum() / size) if size > 0 else float("nan")


def _carried(inside: Inside, rows: Mask, effect: Floats, random: Floats) -> tuple[Carried, Mask, tuple[str, ...]]:
    """Of some rows, those that were judged; a note on those that were not."""
    judged = rows & np.isfinite(effect)
    compared = np.asarray(np.isfinite(random).any(axis=1), dtype=bool)
    if compared[judged].any():
        judged &= compared
    lost = int(rows.sum() - judged.sum())
    notes = (
        (said("{n} of {total} items left out: not patched in every circuit compared", n=lost, total=int(rows.sum())),)
        if lost
        else ()
    )
    carried = Carried(
        own=inside.total[judged],
        effect=effect[judged],
        random=random[judged],
        template=inside.cube.template[judged],
        fold=inside.fold[judged],
    )
    return carried, judged, notes


def judged_share(view: View, inside: Inside, rows: Mask, effect: Floats, random: Floats | None) -> Share:
    """The share of what was judged of some rows.

    Raises:
        TooFewItems: as `share_of`.
    """
    carried, _, _ = _carried(inside, rows, effect, _no_draws(inside) if random is None else random)
    return share_of(carried, floor=view.floor)


def _no_draws(inside: Inside) -> Floats:
    return np.empty((len(inside.total), 0))


def _not_judged(circuit: str, language: str) -> str:
    if circuit == POOLED:
        return said("no circuit chosen over all languages was judged in {language}", language=LanguageName(language))
    return said(
        "no circuit chosen in {chosen_in} was judged in {language}",
        chosen_in=LanguageName(circuit),
        language=LanguageName(language),
    )


def _measured_share(
    view: View,
    inside: Inside,
    measure: str,
    scope: Scope,
    *,
    circuit: str,
    language: str,
    part: str = NECESSITY,
    random: Floats,
    n_tests: int,
) -> Measurement:
    """The share of a circuit in a language as a measurement, or why there is none."""
    cube, effect = inside.cube, inside.effect(circuit, part=part)
    carried, judged, notes = _carried(inside, inside.real(language), effect, random)
    if not judged.any():
        return undefined(measure, scope, _not_judged(circuit, language))
    try:
        share = share_of(carried, floor=view.floor, n_tests=n_tests)
    except TooFewItems as few:
        return undefined(measure, scope, few.reason, cube.ids(judged))
    details = share.details | {"size": inside.mean_size(circuit)}
    details |= view.noise_floor(1 / float(np.abs(carried.own).mean()))
    notes += cube.held_note(inside.of(language))
    return measured(measure, scope, (share.estimate, {}), cube.ids(judged), notes=notes, details=details)


# --- measures -----------------------------------------------------------------------------------


def _cells(view: View) -> Iterator[tuple[Inside, str]]:
    return ((inside, language) for inside in looked_inside(view) for language in inside.cube.languages)


def circuit_share(view: View) -> tuple[Measurement, ...]:
    """Share of the effect that is lost when a language's circuit is patched, on templates that did not choose it."""
    found = []
    for inside, language in _cells(view):
        share = _measured_share(
            view,
            inside,
            "circuit_share",
            Scope(language=language, suite=inside.cube.suite),
            circuit=language,
            language=language,
            random=inside.random(language),
            n_tests=len(inside.cube.languages),
        )
        rows = inside.real(language)
        ablated = _plain_share(inside.total[rows], inside.effect(language, ablation=MEAN)[rows])
        if isinstance(share.result, Estimate) and np.isfinite(ablated):
            share = replace(share, details={**share.details, "mean_ablation_share": ablated})
        found.append(share)
    return tuple(found)


def circuit_sufficiency(view: View) -> tuple[Measurement, ...]:
    """Share of the effect that comes back when a language's circuit alone takes its values from the base group."""
    return tuple(
        _measured_share(
            view,
            inside,
            "circuit_sufficiency",
            Scope(language=language, suite=inside.cube.suite),
            circuit=language,
            language=language,
            part=SUFFICIENCY,
            random=inside.random(language, part=SUFFICIENCY),
            n_tests=len(inside.cube.languages),
        )
        for inside, language in _cells(view)
    )


def circuit_transfer(view: View) -> tuple[Measurement, ...]:
    """Share of the effect in one language that passes through the circuit chosen in another, or over all languages.

    Compared with the random circuits of the language it is judged in where those have at least as many heads and as
    many MLPs; else nothing is tested, for a larger circuit would win by its size.
    """
    found = []
    for inside, language in _cells(view):
        cube = inside.cube
        own = _plain_share(*(values[inside.real(language)] for values in (inside.total, inside.effect(language))))
        others = [other for other in cube.languages if other != language]
        for circuit in (*others, POOLED) if others else ():
            share = _measured_share(
                view,
                inside,
                "circuit_transfer",
                Scope(language="" if circuit == POOLED else circuit, other_language=language, suite=cube.suite),
                circuit=circuit,
                language=language,
                random=inside.random(language) if _no_larger(inside, circuit, language) else _no_draws(inside),
                n_tests=1,
            )
            if isinstance(share.result, Estimate) and own > 0:
                further = {"own_share": own, "share_of_own": share.result.value / own}
                share = replace(share, details={**share.details, **further})
            found.append(share)
    return tuple(found)


def _no_larger(inside: Inside, circuit: str, language: str) -> bool:
    """In each fold, the circuit has no more heads and no more MLPs than the language's own."""
    pairs = [
        (make_up, inside.kept.get((language, fold)))
        for (name, fold), make_up in inside.kept.items()
        if name == circuit and fold != WHOLE
    ]
    return all(own is not None and one.heads <= own.heads and one.mlps <= own.mlps for one, own in pairs)


def circuit_controls(view: View) -> tuple[Measurement, ...]:
    """Share of the control pairs' own effects that passes through the same circuit, against that of the other items.

    Null: the share on the items that are no controls, itself uncertain: Welch's t of the templates' points of both.
    """
    found = []
    for inside, language in _cells(view):
        cube, scope = inside.cube, Scope(language=language, suite=inside.cube.suite)
        effect, none = inside.effect(language), _no_draws(inside)
        carried, judged, notes = _carried(inside, inside.controls(language), effect, none)
        if not judged.any():
            found.append(undefined("circuit_controls", scope, said("no control pair was judged")))
            continue
        try:
            share = share_of(carried, floor=view.floor)
        except TooFewItems as few:
            why = said("control pairs: {why}", why=few.reason)
            found.append(undefined("circuit_controls", scope, why, cube.ids(judged)))
            continue
        estimate, details = share.estimate, {"size": inside.mean_size(language)}
        try:
            real = share_of(_carried(inside, inside.real(language), effect, none)[0], floor=view.floor)
        except TooFewItems:
            notes += (said("no share of the stereotype items to compare with"),)
        else:
            p, error, degrees = welch(share.points, real.points)
            method = tested(estimate.method, said("Welch's t against the stereotype items"))
            estimate = replace(estimate, null=real.estimate.value, p_value=p, method=method)
            details |= {"standard_error": error, "degrees_of_freedom": degrees}
        details |= view.noise_floor(1 / float(np.abs(carried.own).mean()))
        found.append(
            measured("circuit_controls", scope, (estimate, {}), cube.ids(judged), notes=notes, details=details)
        )
    return tuple(found)


def circuit_strength(view: View) -> tuple[Measurement, ...]:
    """Mean effect carried by a language's circuit, nats toward the stereotype, by language and by language and axis."""
    found: list[Measurement] = []
    for inside, language in _cells(view):
        cube, effect, random = inside.cube, inside.effect(language), inside.random(language)
        scope = Scope(language=language, suite=cube.suite)
        carried, judged, notes = _carried(inside, inside.real(language), effect, random)
        if not judged.any():
            found.append(undefined("circuit_strength", scope, _not_judged(language, language)))
            continue
        result: tuple[Estimate, dict[str, float]] | str
        try:
            if len(set(carried.template.tolist())) < FEWEST_TEMPLATES:
                raise TooFewItems(said("the circuit was judged on fewer than {n} templates", n=FEWEST_TEMPLATES))
            result = clustered_mean(
                carried.effect, carried.template, unit="nats", null=0.0, n_tests=len(cube.languages)
            )
        except TooFewItems as few:
            result = few.reason
        found.append(_strength(view, inside, scope, judged, result, notes + cube.held_note(inside.of(language))))
        for axis, cell in cell_means(carried.effect, carried.template, cube.topic[judged], unit="nats"):
            mine = judged & (cube.topic == axis)
            found.append(_strength(view, inside, replace(scope, topic=axis), mine, cell, ()))
    return tuple(found)


def _strength(
    view: View,
    inside: Inside,
    scope: Scope,
    rows: Mask,
    result: tuple[Estimate, dict[str, float]] | str,
    notes: tuple[str, ...],
) -> Measurement:
    cube, language = inside.cube, scope.language
    if isinstance(result, str):
        return undefined("circuit_strength", scope, result, cube.ids(rows))
    carried, _, _ = _carried(inside, rows, inside.effect(language), inside.random(language))
    _, code, counts = np.unique(carried.template.astype(str), return_inverse=True, return_counts=True)
    weight = 1 / counts[code] / len(counts)  # a template weighs the same, however many items it has
    details = {
        "in_control_spreads": result[0].value / inside.spreads.get(language, float("nan")),
        "share": _plain_share(carried.own, carried.effect),
        "size": inside.mean_size(language),
    }
    random = against_random(weight * carried.effect, weight[:, None] * carried.random, carried.fold, two_sided=True)
    if random is not None:
        details["excess_over_random"] = result[0].value - float(random.expected.sum())
        details["p_against_random"] = random.p
        details["reach_of_random"] = float(np.quantile(np.abs(random.sums), 1 - ALPHA))
    details |= view.noise_floor()
    return measured("circuit_strength", scope, result, cube.ids(rows), notes=notes, details=details)
