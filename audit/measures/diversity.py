"""Over how many cultures is a representation spread? Hill numbers, with and without the cultures' similarity.

Measured capacities are true ones plus noise, and noise makes any set look less even than it is. So the number is not
that of the measured capacities but of capacities that are plausible given them (see `plausible`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from audit.errors import RunError
from audit.measures.capacity import NOT_READ, culture_suite, facet_square
from audit.measures.culture import below_zero, facts_of, hill_numbers, pool, shuffles
from audit.measures.feature_tables import CULTURE_LENSES, UNITS, above_control, latent_note, lenses_of
from audit.measures.statistics import ALPHA, LEVEL
from audit.measures.view import Cube, Floats, Mask, View, measured, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.wording import said

PLAUSIBLE = 600  # sets of capacities drawn for an interval
ROUNDS = 20  # of the Gibbs sampler before its draws are used
ORDERS = (0.0, 1.0, 2.0)
PROFILE = tuple(float(q) for q in np.arange(0, 4.25, 0.25))


# --- the numbers themselves ---------------------------------------------------------------------


def diversity(capacities: Floats, order: float, similarity: Floats | None = None) -> Floats:
    """Diversity of order q of the shares of capacity: (..., groups) -> (...).

    Without `similarity` the Hill number (sum p^q)^(1/(1-q)) (Hill 1973): how many equally represented groups would be
    as diverse. With it, (sum p (Zp)^(q-1))^(1/(1-q)) (Leinster and Cobbold 2012, Ecology 93, 477-489): how many equally
    represented groups that have nothing in common. The limits at q = 1 are exp(-sum p log p), exp(-sum p log Zp).

    Args:
        capacities: those below zero count as zero (no group has less than no share); NaN where all of them do.
        order: q; 0 counts whatever is there, the larger the more common groups weigh.
        similarity: Z (groups, groups), 0 nothing in common to 1 the same, with ones on the diagonal.
    """
    kept = np.maximum(capacities, 0.0)
    total = kept.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = kept / total
        ordinary = p if similarity is None else p @ np.asarray(similarity).T
        there = p > 0
        if order == 1:
            inner = np.where(there, -p * np.log(np.where(there, ordinary, 1.0)), 0.0).sum(axis=-1)
            found = np.exp(inner)
        else:
            inner = np.where(there, p * np.where(there, ordinary, 1.0) ** (order - 1), 0.0).sum(axis=-1)
            found = inner ** (1 / (1 - order))
    return np.asarray(np.where(total[..., 0] > 0, found, np.nan))


def similarity_matrix(table: pd.DataFrame, names: Sequence[str], language: str) -> Floats | None:
    """Z from the overlaps of some targets: symmetric, clipped to [0, 1], ones on the diagonal.

    Those of the language where it has any, else those of all languages; None where a pair has none.
    """
    of = table[table["language"] == language]
    if not len(of):
        of = table[table["language"] == ""]
    z = np.full((len(names), len(names)), np.nan)
    place = {name: number for number, name in enumerate(names)}
    for one, other, overlap in of[["target", "other_target", "overlap"]].itertuples(index=False, name=None):
        if one in place and other in place:
            z[place[one], place[other]] = overlap
    z = np.where(np.isfinite(z), np.where(np.isfinite(z.T), (z + z.T) / 2, z), z.T)
    np.fill_diagonal(z, 1.0)
    return np.clip(z, 0.0, 1.0) if np.isfinite(z).all() else None


# --- what is plausible --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Values of some groups (cultures, frameworks), a handful for each."""

    values: Floats  # (n,)
    group: NDArray[Any]  # (n,)
    block: NDArray[Any]  # (n,) names of groups are exchangeable within it if groups do not differ
    spread: float  # SD of a value around its group
    degrees: int  # of freedom, of the spread
    between_blocks: float = 0.0  # mean square between blocks, where all groups move together from block to block

    @property
    def names(self) -> NDArray[Any]:
        """The groups, sorted."""
        return np.unique(self.group)

    def means(self, values: Floats | None = None) -> Floats:
        """Mean of each group: (groups,), or (draws, groups) of rearranged values."""
        belongs = (self.group[:, None] == self.names[None, :]).astype(float)
        return np.asarray((self.values if values is None else values) @ (belongs / belongs.sum(axis=0)))

    def shifts(self, draws: int) -> Floats:
        """How far other blocks like these would move all groups together: (draws, 1).

        Drawn from the variance between blocks that is left when the spread's own share is taken out, both mean squares
        being drawn themselves.
        """
        blocks = len(np.unique(self.block))
        if not self.between_blocks > 0 or blocks < 2:
            return np.zeros((draws, 1))
        rng = np.random.default_rng([43, draws])
        between = self.between_blocks * (blocks - 1) / rng.chisquare(blocks - 1, (draws, 1))
        rest = self.spread**2 * self.degrees / rng.chisquare(self.degrees, (draws, 1))
        variance = np.maximum(between - rest, 0.0) / len(self.values)
        return np.asarray(rng.normal(size=(draws, 1)) * np.sqrt(variance))

    def shuffled(self) -> Floats:
        """Means with the groups' names shuffled within each block: (draws, groups)."""
        drawn = np.empty((len(shuffles(0, 1)), len(self.values)))
        for number, block in enumerate(np.unique(self.block)):
            rows = np.flatnonzero(self.block == block)
            drawn[:, rows] = self.values[rows][shuffles(number, len(rows))]
        return self.means(drawn)


def plausible(measured: Floats, error: float, degrees: int, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Sets of true capacities that are plausible given measured ones: two samples of the shape of `measured`.

    Both take the measured capacity of a group as its true one plus normal noise, whose variance is itself drawn, and
    learn from the other groups how far true ones differ (empirical Bayes). In the first sample all true capacities come
    from one normal distribution. In the second each is exactly zero with some probability, drawn by Gibbs sampling: a
    model that represents half of the cultures and not at all the others is no normal distribution.

    Args:
        measured: (draws, groups); a row for each set that is drawn.
        error: standard error of a measured capacity.
        degrees: of freedom of `error`.
        seed: same seed and arguments, same samples.
    """
    draws, k = measured.shape
    rng = np.random.default_rng([41, seed, k])
    error = max(error, 1e-9 * float(np.abs(measured).max()))  # values that are all alike leave some room for noise
    noise = error**2 * degrees / rng.chisquare(degrees, (draws, 1))
    mean, variance = measured.mean(axis=1, keepdims=True), measured.var(axis=1, ddof=1, keepdims=True)
    # One normal distribution: its mean and variance, then each capacity drawn toward it.
    between = np.maximum(variance * (k - 1) / rng.chisquare(k - 1, (draws, 1)) - noise, 0.0)
    centre = mean + rng.normal(size=(draws, 1)) * np.sqrt((between + noise) / k)
    weight = between / (between + noise)
    alike = centre + weight * (measured - centre) + rng.normal(size=(draws, k)) * np.sqrt(weight * noise)
    # Zero, or a normal distribution; weak priors at twice the scale of what was measured.
    scale = np.maximum(variance, error**2)
    absent, centre = np.full((draws, 1), 0.5), np.maximum(mean, 0.0)
    between = auxiliary = scale
    for _ in range(ROUNDS):
        around = between + noise
        odds = np.log(absent) - np.log1p(-absent) - 0.5 * np.log(noise) - 0.5 * np.maximum(measured, 0.0) ** 2 / noise
        odds = odds + 0.5 * np.log(around) + 0.5 * (measured - centre) ** 2 / around
        there = rng.random((draws, k)) < 1 / (1 + np.exp(np.clip(odds, -500, 500)))
        weight = between / around
        drawn = centre + weight * (measured - centre) + rng.normal(size=(draws, k)) * np.sqrt(weight * noise)
        n = there.sum(axis=1, keepdims=True)
        absent = np.clip(rng.beta(1 + k - n, 1 + n), 1e-9, 1 - 1e-9)
        precision = n / around + 1 / (4 * scale)
        pull = (measured * there).sum(axis=1, keepdims=True) / around + mean / (4 * scale)
        centre = pull / precision + rng.normal(size=(draws, 1)) / np.sqrt(precision)
        squares = (there * (drawn - centre) ** 2).sum(axis=1, keepdims=True)
        between = np.clip((1 / auxiliary + squares / 2) / rng.gamma((n + 1) / 2), 1e-8 * scale, 1e4 * scale)
        auxiliary = (1 / scale + 1 / between) / rng.gamma(1.0, size=(draws, 1))
    return alike, np.where(there, drawn, 0.0)


def _rarefied(groups: Groups) -> tuple[Floats, int, bool]:
    """Means with equally many values for every group (PLAUSIBLE, groups), how many, and whether some were left out."""
    counts = np.array([(groups.group == name).sum() for name in groups.names])
    fewest = int(counts.min())
    if (counts == fewest).all():
        return np.tile(groups.means(), (PLAUSIBLE, 1)), fewest, False
    rng = np.random.default_rng([42, len(groups.values)])
    columns = []
    for name in groups.names:
        own = groups.values[groups.group == name]
        picked = np.argsort(rng.random((PLAUSIBLE, len(own))), axis=1)[:, :fewest]  # a subset for each draw
        columns.append(own[picked].mean(axis=1))
    return np.stack(columns, axis=1), fewest, True


@dataclass(frozen=True, kw_only=True, eq=False)
class Spreading:
    """How capacity is spread over some groups: what was measured, what is plausible, what chance would make of it."""

    names: NDArray[Any]
    means: Floats  # (groups,) as measured
    samples: tuple[Floats, Floats]  # as `plausible`
    shuffled: Floats  # (draws, groups)
    rarefied: bool

    def interval(self, of: Callable[[Floats], Floats]) -> tuple[float, float, float]:
        """Median over both samples of a figure of the capacities, and the hull of both samples' 95 % intervals."""
        figures = [found[np.isfinite(found)] for found in (of(sample) for sample in self.samples)]
        bounds = np.array([np.quantile(f, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) for f in figures if len(f)])
        return float(np.median(np.concatenate(figures))), float(bounds[:, 0].min()), float(bounds[:, 1].max())


def spreading(groups: Groups) -> Spreading | str:
    """How capacity is spread over the groups, or why that cannot be said."""
    if len(groups.names) < 2:
        return said("diversity needs two groups that were measured")
    if groups.degrees < 1:
        return said("nothing tells how far a value scatters around its group; add items")
    means = groups.means()
    if not (means > 0).any():
        return said("nothing is represented above the control")
    if not _anything(groups, means):
        return said("what is represented is not told apart from nothing, so there is nothing to be spread")
    sets, n, rarefied = _rarefied(groups)
    alike, absent = plausible(sets, groups.spread / np.sqrt(n), groups.degrees)
    shifts = groups.shifts(len(sets))
    return Spreading(
        names=groups.names,
        means=means,
        samples=(alike + shifts, np.where(absent == 0, 0.0, absent + shifts)),
        shuffled=groups.shuffled(),
        rarefied=rarefied,
    )


def _anything(groups: Groups, means: Floats) -> bool:
    """Is the mean of all groups, or that of one group (Bonferroni), above zero by a one-sided t test at 0.05?

    Shares of what is not there are shares of noise.
    """
    counts = np.array([(groups.group == name).sum() for name in groups.names])
    errors = groups.spread / np.sqrt(counts)
    of_all = float(np.sqrt((errors**2).sum())) / len(means)
    reach = special.stdtrit(groups.degrees, 1 - ALPHA), special.stdtrit(groups.degrees, 1 - ALPHA / len(means))
    return bool(means.mean() > reach[0] * of_all or (means > reach[1] * errors).any())


def evenness_test(spread: Spreading) -> tuple[float, float, float]:
    """One-sided p-value of "less even than chance", the mean of the shuffles and their SD, all of order 1."""
    observed = float(hill_numbers(spread.means)[1])
    drawn = hill_numbers(spread.shuffled)[:, 1]
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):  # chance alone leaves nothing above zero, so no arrangement is as even
        return 1.0, float("nan"), float("nan")
    p = (int((drawn <= observed + 1e-12).sum()) + 1) / (len(drawn) + 1)
    return p, float(drawn.mean()), float(drawn.std(ddof=1))


# --- the measure --------------------------------------------------------------------------------


def representation_diversity(view: View) -> tuple[Measurement, ...]:
    """Effective number of cultures (order 1), pooled and by language, in each lens.

    Null: as many as there are. Test, one-sided: less even than with the cultures' names shuffled within each facet.
    """
    found: list[Measurement] = []
    for cube in view.of(Kind.CULTURE):
        for lens in lenses_of(view, cube, CULTURE_LENSES):
            values = above_control(view, cube, lens)
            rows, notes, reason = pool(view, cube, values)
            scope = Scope(suite=cube.suite, lens=lens)
            if reason:
                found.append(undefined("representation_diversity", scope, reason))
            else:
                found.append(_diversity(view, cube, values, rows, scope, notes))
            for language in cube.languages:
                mine = cube.used(values) & (cube.language == language)
                at = Scope(language=language, suite=cube.suite, lens=lens)
                found.append(_diversity(view, cube, values, mine, at, ()))
    return tuple(found)


def culture_groups(values: Floats, cube: Cube, rows: Mask) -> Groups:
    """The cultures' facts as groups; names are exchangeable within a facet."""
    facts = facts_of(values, cube, rows)
    spread, degrees = facts.spread
    moving = facet_square(facts) if degrees >= 1 and len(np.unique(facts.facets)) > 1 else 0.0
    return Groups(
        values=facts.values,
        group=facts.cultures,
        block=facts.facets,
        spread=spread,
        degrees=degrees,
        between_blocks=moving,
    )


def _diversity(view: View, cube: Cube, values: Floats, rows: Mask, scope: Scope, notes: tuple[str, ...]) -> Measurement:
    items = cube.ids(rows)
    if not rows.any():
        return undefined("representation_diversity", scope, NOT_READ)
    groups = culture_groups(values, cube, rows)
    spread = spreading(groups)
    if isinstance(spread, str):
        return undefined("representation_diversity", scope, spread, items)
    k = len(spread.names)
    value, low, high = spread.interval(lambda c: diversity(c, 1.0))
    p, by_chance, scatter = evenness_test(spread)
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=LEVEL,
        unit="effective cultures",
        n_items=len(groups.values),
        n_clusters=len(groups.values),
        method=said(
            "Hill number of order 1 of capacities that are plausible given the measured ones, clustered on facts; hull "
            "of two empirical Bayes intervals; one-sided test: cultures shuffled within facet"
        ),
        p_value=p,
        null=float(k),
        clusters="facts",
    )
    z = similarity_matrix(_overlaps(view, cube), [str(name) for name in spread.names], scope.language)
    details = _figures(spread, z) | {
        "by_chance": by_chance,
        "n_cultures": float(k),
        "below_zero": float((spread.means < 0).sum()),
    }
    if scatter > 0:
        details |= {"standard_error": scatter, "degrees_of_freedom": float(groups.degrees)}
    told = (*notes, *latent_note(view, cube, scope.lens, scope.language))
    if details["below_zero"]:
        told = (*told, below_zero(int(details["below_zero"]), of=k))
    if spread.rarefied:
        told = (*told, said("rarefied: random subsets with equally many facts for every culture"))
    if z is None:
        told = (*told, said("no similarity-sensitive diversity: the cultures' latents were not compared"))
    return measured("representation_diversity", scope, (estimate, {}), items, notes=told, details=details)


def _figures(spread: Spreading, z: Floats | None) -> dict[str, float]:
    """The orders 0, 1, 2 as measured and as estimated, with intervals; the same with similarity."""
    found: dict[str, float] = {}
    for q in ORDERS:
        kinds: list[tuple[str, Floats | None]] = [("hill", None)] + ([("similar", z)] if z is not None else [])
        for name, matrix in kinds:

            def figure(c: Floats, q: float = q, matrix: Floats | None = matrix) -> Floats:
                return diversity(c, q, matrix)

            value, low, high = spread.interval(figure)
            key = f"{name}_{q:.0f}"
            found |= {key: value, f"{key}_low": low, f"{key}_high": high}
            found[f"{key}_as_measured"] = float(figure(spread.means))
    found["evenness"] = found["hill_1"] / len(spread.names)
    return found


def _overlaps(view: View, cube: Cube) -> pd.DataFrame:
    table = view.evidence.similarities
    return table[table["suite"] == cube.suite]


# --- for pictures -------------------------------------------------------------------------------


def diversity_profile(view: View, suite: str, lens: str, language: str = "") -> pd.DataFrame:
    """Diversity over the order q, from 0 (all cultures that are there) to 4 (the best represented).

    Args:
        view: of the run.
        suite: a culture suite.
        lens: knowledge | probe | latents | pathway.
        language: a code; "" for all readable languages.

    Returns:
        Columns `q`, `value`, `low`, `high`, `similar`, `similar_low`, `similar_high` (with the overlap of the cultures'
        latents; NaN where they were not compared), `n_cultures`, `unit` (of the capacities). No row where it is
        undefined.

    Raises:
        RunError: no such suite, lens, or language.
    """
    cube = culture_suite(view, suite, lens)
    if language and language not in cube.languages:
        raise RunError(f"suite {suite}: was not asked in {language}; name one of {', '.join(cube.languages)}")
    columns = ["q", "value", "low", "high", "similar", "similar_low", "similar_high", "n_cultures", "unit"]
    values = above_control(view, cube, lens)
    rows, _, reason = pool(view, cube, values)
    if language:
        rows, reason = cube.used(values) & (cube.language == language), ""
    spread = spreading(culture_groups(values, cube, rows)) if rows.any() and not reason else NOT_READ
    if isinstance(spread, str):
        return pd.DataFrame(columns=columns)
    z = similarity_matrix(_overlaps(view, cube), [str(name) for name in spread.names], language)
    table = []
    for q in PROFILE:
        plain = spread.interval(lambda c, q=q: diversity(c, q))  # type: ignore[misc]
        alike = (float("nan"),) * 3
        if z is not None:
            alike = spread.interval(lambda c, q=q: diversity(c, q, z))  # type: ignore[misc]
        table.append((q, *plain, *alike, len(spread.names), UNITS[lens]))
    return pd.DataFrame(table, columns=columns)
