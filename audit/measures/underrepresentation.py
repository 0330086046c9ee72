"""Is a culture represented less than the others in two lenses at least?

One lens alone is a property of the lens as much as of the model: it is told, and never called underrepresentation.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.measures.capacity import pathway_gap, representation_gap
from audit.measures.competence import competence, readable
from audit.measures.culture import facts_of, knowledge_gap, pool
from audit.measures.feature_tables import CULTURE_LENSES, KNOWLEDGE, LATENTS, PATHWAY, PROBE, above_control, lenses_of
from audit.measures.statistics import ALPHA, LEVEL, t_interval
from audit.measures.view import Cube, Floats, View, measured, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.terms import lens_name
from audit.wording import said

FEWEST_LENSES = 2
FEWEST_LANGUAGES = 4  # for a slope on competence
SAME_COMPETENCE = said("the readable languages do not differ in competence, so it is no covariate")


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One culture against the others in one lens, in spreads of a fact."""

    lens: str
    value: float
    error: float
    degrees: float
    p_below: float  # one-sided: below the others
    items: tuple[str, ...]
    notes: tuple[str, ...]
    n: int

    def interval(self, level: float) -> tuple[float, float]:
        """Student's t at a level."""
        return t_interval(self.value, self.error, self.degrees, level)


def partial_conjunction_p(p_values: Floats, at_least: int) -> float:
    """P-value of "fewer than `at_least` of these hold": (n - u + 1) times the u-th smallest.

    Valid however the tests depend on each other (Benjamini and Heller 2008, Biometrics 64, 1215-1222, Bonferroni form).
    """
    ordered = np.sort(np.asarray(p_values, dtype=float))
    return float(min(1.0, (len(ordered) - at_least + 1) * ordered[at_least - 1]))


def underrepresentation(view: View) -> tuple[Measurement, ...]:
    """The second-lowest of a culture's gaps over the lenses, in spreads of a fact; pooled, and by language and culture.

    Below zero with its interval: the culture is below the others in two lenses at least. Every comparison is within a
    language and facet, so a language's competence (the same for all cultures in it) cannot make a gap; how gaps change
    with competence is told beside.
    """
    return tuple(m for cube in view.of(Kind.CULTURE) for m in _underrepresentation(view, cube))


def _underrepresentation(view: View, cube: Cube) -> Iterator[Measurement]:
    lenses = lenses_of(view, cube, CULTURE_LENSES)
    if not lenses:
        return
    gaps = _gaps(view, cube)
    slopes = {lens: _slopes(view, cube, lens) for lens in lenses}
    for language in ("", *cube.languages):
        for culture in sorted(set(cube.culture[~cube.control & ~cube.held])):
            scope = Scope(language=language, suite=cube.suite, culture=culture)
            own = gaps.get((language, culture), [])
            if len(own) < FEWEST_LENSES:
                yield undefined("underrepresentation", scope, _too_few(own), own[0].items if own else ())
                continue
            yield _combined(scope, own, slopes if not language else {})


def _too_few(own: list[Gap]) -> str:
    if not own:
        return said("no lens could be measured; underrepresentation needs {n}", n=FEWEST_LENSES)
    return said(
        "only one lens ({lens}) could be measured; underrepresentation needs {n}",
        lens=lens_name(own[0].lens),
        n=FEWEST_LENSES,
    )


def _gaps(view: View, cube: Cube) -> dict[tuple[str, str], list[Gap]]:
    """(language, culture) -> its gaps in the lenses that were measured; each lens in its own spread of a fact."""
    found: dict[tuple[str, str], list[Gap]] = {}
    sources = (
        (KNOWLEDGE, knowledge_gap),
        (PROBE, representation_gap),
        (LATENTS, representation_gap),
        (PATHWAY, pathway_gap),
    )
    for lens, measure in sources:
        values = above_control(view, cube, lens) if lens in lenses_of(view, cube, CULTURE_LENSES) else None
        if values is None:
            continue
        spreads = _spreads(view, cube, values)
        for m in measure(view):
            named = m.scope.lens in ("", lens)
            if m.scope.suite != cube.suite or not named or not isinstance(m.result, Estimate):
                continue
            spread = spreads.get(m.scope.language, float("nan"))
            if not spread > 0 or m.result.p_value is None:
                continue
            value, p = m.result.value / spread, m.result.p_value
            found.setdefault((m.scope.language, m.scope.culture), []).append(
                Gap(
                    lens=lens,
                    value=value,
                    error=m.details["standard_error"] / spread,
                    degrees=m.details["degrees_of_freedom"],
                    p_below=p / 2 if value < 0 else 1 - p / 2,
                    items=m.items,
                    notes=m.notes,
                    n=m.result.n_clusters,
                )
            )
    return found


def _spreads(view: View, cube: Cube, values: Floats) -> dict[str, float]:
    """Language -> SD of a fact around facet and culture; "" for the readable ones."""
    found = {}
    rows, _, reason = pool(view, cube, values)
    if not reason:
        found[""] = facts_of(values, cube, rows).spread[0]
    for language in cube.languages:
        mine = cube.used(values) & (cube.language == language)
        if mine.any():
            found[language] = facts_of(values, cube, mine).spread[0]
    return found


def _combined(scope: Scope, gaps: list[Gap], slopes: Mapping[str, Mapping[str, float] | str]) -> Measurement:
    """The second-lowest gap. If all the lenses' intervals hold at level 1 - 0.05 / n together, so does theirs."""
    order = FEWEST_LENSES - 1
    bounds = np.array([gap.interval(1 - (1 - LEVEL) / len(gaps)) for gap in gaps])
    ranked = sorted(gaps, key=lambda gap: gap.value)
    second = ranked[order]
    p = partial_conjunction_p(np.array([gap.p_below for gap in gaps]), FEWEST_LENSES)
    estimate = Estimate(
        value=second.value,
        low=float(np.sort(bounds[:, 0])[order]),
        high=float(np.sort(bounds[:, 1])[order]),
        level=LEVEL,
        unit="fact spreads",
        n_items=sum(gap.n for gap in gaps),
        n_clusters=min(gap.n for gap in gaps),
        method=said(
            "second-lowest of {n} lenses, clustered on facts, interval simultaneous over lenses; one-sided test that "
            "two lenses are below: partial conjunction",
            n=len(gaps),
        ),
        p_value=p,
        null=0.0,
        clusters="facts",
    )
    details: dict[str, float] = {}
    for gap in gaps:
        details |= {f"gap_{gap.lens}": gap.value, f"p_below_{gap.lens}": gap.p_below}
    widest = max(gaps, key=lambda gap: gap.error)
    details |= {"standard_error": widest.error, "degrees_of_freedom": widest.degrees}
    notes = [*dict.fromkeys(note for gap in gaps for note in gap.notes)]
    low = {ranked[0].lens, ranked[1].lens}
    if low == {PROBE, LATENTS}:
        notes.append(
            said("the two lowest lenses, probe and latents, read the same layer, so they are hardly two views")
        )
    if p >= ALPHA and len(gaps) * ranked_p(gaps)[0] < ALPHA:
        first = min(gaps, key=lambda gap: gap.p_below)
        notes.append(
            said(
                "below the others in one lens only ({lens}): told, and not called underrepresentation",
                lens=lens_name(first.lens),
            )
        )
    for lens, found in slopes.items():
        if isinstance(found, str):
            notes.append(said("competence as covariate, {lens}: {why}", lens=lens_name(lens), why=found))
        elif scope.culture in found:
            details[f"slope_on_competence_{lens}"] = found[scope.culture]
    return measured(
        "underrepresentation", scope, (estimate, {}), second.items, notes=tuple(dict.fromkeys(notes)), details=details
    )


def ranked_p(gaps: list[Gap]) -> list[float]:
    """One-sided p-values, the smallest first."""
    return sorted(gap.p_below for gap in gaps)


# --- competence as covariate --------------------------------------------------------------------


def _slopes(view: View, cube: Cube, lens: str) -> dict[str, float] | str:
    """Culture -> how its gap changes with the competence of the language, per 0.1 share right; or why none is told.

    Ordinary least squares (statsmodels) of the items on language, facet, culture, and culture x competence, competence
    centred over the readable languages; deviations from the mean culture. Language effects take up competence itself.
    """
    values = above_control(view, cube, lens)
    rows, _, reason = pool(view, cube, values)
    if reason:
        return reason
    right = {
        m.scope.language: m.result.value
        for m in competence(view)
        if isinstance(m.result, Estimate) and m.scope.language in readable(view, cube)
    }
    spoken = sorted(set(cube.language[rows]))
    if len(spoken) < FEWEST_LANGUAGES:
        return said(
            "{n} readable languages; a slope on competence needs {least}", n=len(spoken), least=FEWEST_LANGUAGES
        )
    share = np.array([right[language] for language in cube.language[rows]])
    if np.ptp(share) == 0:
        return SAME_COMPETENCE
    cultures = sorted(set(cube.culture[rows]))
    deviation = _deviations(cube.culture[rows], cultures)
    design = np.hstack(
        [
            _dummies(cube.language[rows]),
            _dummies(cube.topic[rows])[:, 1:],
            deviation,
            deviation * (share - share.mean())[:, None],
        ]
    )
    if np.linalg.matrix_rank(design) < design.shape[1] or len(design) <= design.shape[1]:
        return said("the design is singular: effects of culture and of competence cannot be told apart")
    from statsmodels.regression.linear_model import OLS  # here, for it takes a second to import

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a fit that statsmodels warns of is no fit
        try:
            fit = OLS(values[rows], design).fit()
        except (Warning, np.linalg.LinAlgError) as problem:
            return said("the model could not be fitted ({problem})", problem=str(problem))
    own = np.asarray(fit.params)[-(len(cultures) - 1) :]
    slopes = [*own, -own.sum()]
    return {culture: float(slope) / 10 for culture, slope in zip(cultures, slopes, strict=True)}


def _dummies(labels: NDArray[Any]) -> Floats:
    return np.asarray(labels[:, None] == np.unique(labels)[None, :], dtype=float)


def _deviations(labels: NDArray[Any], names: list[str]) -> Floats:
    """Deviation coding: one column for each name but the last, which is minus one in all."""
    table = np.asarray(labels[:, None] == np.array(names, dtype=object)[None, :], dtype=float)
    return np.asarray(table[:, :-1] - table[:, -1:])
