"""Estimates with honest uncertainty for few independent units.

Every function takes values whose rows may depend on each other within a *cluster* (a template, a fact, an item in
several languages). It first takes the mean of each cluster, so copies and translations of one template carry one
template's evidence, and then works on the cluster means, which are independent by design.

Intervals were chosen by simulated coverage (tests/measures/test_statistics.py): Student's t on cluster means stays in
93-97 % for symmetric effects but falls below 90 % for skewed ones; the studentised bootstrap holds both from eight
clusters on. Tests are exact wherever counting all arrangements is possible.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from audit.errors import TooFewItems
from audit.records import Estimate
from audit.terms import noun, so_many
from audit.wording import Said, said

Floats = NDArray[np.float64]

LEVEL = 0.95
ALPHA = 0.05
RESAMPLES = 4999  # of clusters, for intervals
ARRANGEMENTS = 19999  # for permutation tests that cannot be counted out
FEWEST_FOR_BOOTSTRAP = 8  # below, resamples repeat too often; Student's t is wider there
FINENESS = 50  # a sign-flip test is used if its smallest p-value is a fiftieth of the corrected level, or smaller
LARGEST_HALF = 2**16  # sums kept per half when counting all arrangements

# --- means ------------------------------------------------------------------------------------


def cluster_means(values: Sequence[float] | Floats, clusters: Sequence[Any] | NDArray[Any]) -> Floats:
    """Mean of each cluster, in order of first appearance: shape (n_clusters,)."""
    x = np.asarray(values, dtype=float)
    if len(clusters) != len(x):
        raise ValueError(f"{len(x)} values but {len(clusters)} cluster labels; one label per value")
    first: dict[Any, int] = {}
    codes = np.array([first.setdefault(label, len(first)) for label in clusters], dtype=np.int64)
    return np.bincount(codes, weights=x) / np.bincount(codes) if len(x) else np.empty(0)


def clustered_mean(
    values: Sequence[float] | Floats,
    clusters: Sequence[Any] | NDArray[Any],
    *,
    unit: str,
    null: float | None = None,
    n_tests: int = 1,
    per: str = "templates",
    level: float = LEVEL,
) -> tuple[Estimate, dict[str, float]]:
    """Mean over clusters of the cluster's mean, its interval and, where `null` is given, a two-sided p-value.

    Every cluster weighs the same, however many items it has. Interval: studentised bootstrap of clusters (Efron and
    Tibshirani 1993, chapter 12), below eight clusters Student's t. Test: exact sign-flip of clusters around `null`
    where that is fine enough for 0.05 / `n_tests`, otherwise Student's t. (With few clusters the sign-flip test has few
    p-values to choose from and finds less than the power calculation promises; at a fiftieth the loss is below 3 %.)

    Args:
        values: one per item.
        clusters: one label per item; equal labels are not independent.
        unit: of the values, as printed.
        null: value that would mean "nothing there".
        n_tests: how many tests the family has; decides only whether the sign-flip test is fine enough.
        per: what the clusters are, a plural noun of audit.terms.
        level: of the interval.

    Returns:
        The estimate, and `standard_error` and `degrees_of_freedom` for the power calculation.

    Raises:
        TooFewItems: fewer than two clusters; an interval would claim certainty.
    """
    means = cluster_means(values, clusters)
    n = len(means)
    if n < 2:
        raise TooFewItems(
            said(
                "an interval needs 2 independent {units}, got {n}; widen the scope or add {units}", units=noun(per), n=n
            )
        )
    value, error = float(means.mean()), float(means.std(ddof=1) / np.sqrt(n))
    if n >= FEWEST_FOR_BOOTSTRAP:
        low, high = studentised_interval(means, level=level)
        # i18n: how an interval was computed; {number} is as in "12 templates"
        method = said(
            "clustered on {units}, studentised bootstrap of {number}", units=noun(per), number=so_many(n, per)
        )
    else:
        low, high = t_interval(value, error, n - 1, level)
        # i18n: Student's t distribution with so many degrees of freedom
        method = said("clustered on {units}, t({degrees})", units=noun(per), degrees=n - 1)
    p = None
    if null is not None:
        if 2.0 ** (1 - n) * FINENESS <= ALPHA / n_tests:
            exact = _countable([2] * n)
            # i18n: names of a statistical test that turns signs around, all ways of doing so or a sample of them
            p, how = sign_flip_p(means - null), said("exact sign-flip") if exact else said("sampled sign-flip")
        else:
            # i18n: Student's t distribution with so many degrees of freedom
            p, how = _t_p(value - null, error, n - 1), said("t({degrees})", degrees=n - 1)
        method = tested(method, how)
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        unit=unit,
        n_items=len(values),
        n_clusters=n,
        method=method,
        p_value=p,
        null=null,
        clusters=per,
    )
    return estimate, {"standard_error": error, "degrees_of_freedom": float(n - 1)}


def tested(method: str, test: Said) -> Said:
    """A method with the test that was made beside its interval."""
    # i18n: {interval} is how the interval was computed, {test} which test was made
    return said("{interval}; test: {test}", interval=method, test=test)


def studentised_interval(values: Floats, *, level: float = LEVEL) -> tuple[float, float]:
    """Bootstrap-t interval of a mean. The same resamples serve every call of one length: same input, same bytes."""
    n = len(values)
    mean = float(values.mean())
    centred = values - mean
    error = float(centred.std(ddof=1) / np.sqrt(n))
    if error <= 1e-15 * max(1.0, abs(mean)):
        return mean, mean
    counts = _resample_counts(n)
    means = counts @ centred / n
    variances = np.maximum(counts @ centred**2 / n - means**2, 0) * n / (n - 1)
    usable = variances > 1e-12 * error**2
    ratios = means[usable] / np.sqrt(variances[usable] / n)
    lower, upper = _tails(ratios, level)
    return mean - upper * error, mean - lower * error


def _tails(values: Floats, level: float) -> tuple[float, float]:
    """Quantiles that leave (1 - level) / 2 on either side; those of the negated values are exactly these, negated."""
    place = (len(values) - 1) * (1 - level) / 2
    below, share = int(place), place - int(place)

    def lower(ordered: Floats) -> float:
        return float(ordered[below] + share * (ordered[below + 1] - ordered[below]))

    ordered = np.sort(values)
    return lower(ordered), -lower(-ordered[::-1])


@functools.lru_cache(maxsize=256)
def _resample_counts(n: int) -> Floats:
    """How often each of `n` units is drawn in each resample: shape (RESAMPLES, n)."""
    rng = np.random.default_rng([20, n])
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)


def pooled_mean(
    means: Floats,
    *,
    spread: float,
    degrees_of_freedom: int,
    unit: str,
    null: float,
    n_items: int,
    weight: float | None = None,
    per: str = "templates",
    borrowed_from: str,
    level: float = LEVEL,
) -> tuple[Estimate, dict[str, float]]:
    """Mean of a handful of cluster means whose spread is borrowed from sister cells.

    Three or four templates cannot tell their own spread; taken together with those of the other cells they can.
    Assumes that the cells spread alike.

    Args:
        means: one per cluster in this cell.
        spread: SD of a cluster around its own cell's mean, pooled over cells.
        degrees_of_freedom: of `spread`.
        unit: as printed.
        null: value that would mean "nothing there".
        n_items: items behind `means`.
        weight: factor on the standard error, where the estimate is a contrast (default 1).
        per: what the clusters are, a plural noun of audit.terms.
        borrowed_from: what the cells are that share the spread, likewise.
        level: of the interval.

    Raises:
        TooFewItems: no cluster, or no degree of freedom.
    """
    n = len(means)
    if n < 1 or degrees_of_freedom < 1:
        raise TooFewItems(
            said(
                "{n} {units} and {degrees} degrees of freedom; add {units} to the suite",
                n=n,
                units=noun(per),
                degrees=max(degrees_of_freedom, 0),
            )
        )
    value = float(np.mean(means))
    error = float(spread / np.sqrt(n)) * (1.0 if weight is None else weight)
    low, high = t_interval(value, error, degrees_of_freedom, level)
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        unit=unit,
        n_items=n_items,
        n_clusters=n,
        method=said(
            "clustered on {units}, spread pooled over {cells}, t({degrees})",
            units=noun(per),
            cells=noun(borrowed_from),
            degrees=degrees_of_freedom,
        ),
        p_value=_t_p(value - null, error, degrees_of_freedom),
        null=null,
        clusters=per,
    )
    return estimate, {"standard_error": error, "degrees_of_freedom": float(degrees_of_freedom)}


def pooled_spread(values: Floats, cells: NDArray[Any]) -> tuple[float, int]:
    """SD of values around their own cell's mean, and its degrees of freedom (n - number of cells)."""
    _, codes = np.unique(cells, return_inverse=True)
    counts = np.bincount(codes)
    residuals = values - (np.bincount(codes, weights=values) / counts)[codes]
    degrees = len(values) - len(counts)
    return (float(np.sqrt(residuals @ residuals / degrees)) if degrees > 0 else float("nan")), degrees


def t_interval(value: float, error: float, degrees: float, level: float) -> tuple[float, float]:
    """Student's t interval of a value with a standard error."""
    reach = float(special.stdtrit(degrees, (1 + level) / 2)) * error
    return value - reach, value + reach


def _t_p(distance: float, error: float, degrees: float) -> float:
    if error <= 1e-15 * max(1.0, abs(distance)):
        return 1.0 if distance == 0 else 0.0
    return float(2 * special.stdtr(degrees, -abs(distance) / error))


# --- exact tests ------------------------------------------------------------------------------


def sign_flip_p(values: Floats) -> float:
    """Two-sided p-value of "symmetric around zero": share of all sign patterns with a sum at least as far from zero.

    Counted exactly up to 32 values (sums of each half are listed and matched); beyond, sampled with (b + 1) / (m + 1).
    """
    x = np.asarray(values, dtype=float)
    if _countable([2] * len(x)):
        return tail_share([np.array([-v, v]) for v in x], float(x.sum()))
    far = np.abs(_signs(len(x)) @ x) >= abs(float(x.sum())) - _slack([x])
    return (int(far.sum()) + 1) / (ARRANGEMENTS + 1)


@functools.lru_cache(maxsize=16)
def _signs(n: int) -> Floats:
    """Random sign patterns: shape (ARRANGEMENTS, n)."""
    return np.random.default_rng([21, n]).choice(np.array([-1.0, 1.0]), size=(ARRANGEMENTS, n))


def one_per_block_p(blocks: Sequence[Floats], observed: float) -> float:
    """Two-sided p-value of a sum of one value per block when labels are exchangeable within each block.

    Args:
        blocks: all values of each block (facet), the observed one among them.
        observed: the sum of those that carry the label in question.
    """
    centred = [np.asarray(block, dtype=float) - np.mean(block) for block in blocks]
    distance = observed - float(sum(np.mean(block) for block in blocks))
    if _countable([len(block) for block in blocks]):
        return tail_share(centred, distance)
    rng = np.random.default_rng([22, len(blocks)])
    sums = sum(block[rng.integers(len(block), size=ARRANGEMENTS)] for block in centred)
    return (int((np.abs(sums) >= abs(distance) - _slack(centred)).sum()) + 1) / (ARRANGEMENTS + 1)


def label_permutation_p(values: Floats, labels: NDArray[Any]) -> dict[Any, float]:
    """Two-sided p-value for each label of "its rows' mean is no different": labels exchangeable over rows, sampled.

    Share of seeded rearrangements, (b + 1) / (m + 1), in which the mean of as many rows lies as far from
    the mean of all.
    Labels with equally many rows share one set of rearrangements.

    Raises:
        TooFewItems: fewer than two labels.
    """
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise TooFewItems(said("a comparison needs 2 labels, got {n}; widen the scope", n=len(names)))
    centred = values - values.mean()
    reached = {n: np.sort(np.abs(centred[_subsets(len(values), n)].sum(axis=1))) for n in sorted(set(counts.tolist()))}
    found = {}
    for name, n in zip(names.tolist(), counts.tolist(), strict=True):
        reach = abs(float(centred[labels == name].sum())) - _slack([centred])
        far = ARRANGEMENTS - int(np.searchsorted(reached[n], reach))
        found[name] = (far + 1) / (ARRANGEMENTS + 1)
    return found


@functools.lru_cache(maxsize=64)
def _subsets(n: int, k: int) -> NDArray[np.int64]:
    """Random k-subsets of n rows: shape (ARRANGEMENTS, k)."""
    rng = np.random.default_rng([23, n, k])
    return np.argpartition(rng.random((ARRANGEMENTS, n)), k - 1, axis=1)[:, :k].astype(np.int64)


def tail_share(parts: Sequence[Floats], observed: float) -> float:
    """Share of all ways to pick one number per part whose sum is at least as far from zero as `observed`.

    All sums of the first half of the parts and of the second half are listed and sorted; matching the two lists counts
    every combination without listing them (Horowitz and Sahni 1974).
    """
    left, right = _split(list(parts))
    first, second = np.sort(_all_sums(left)), np.sort(_all_sums(right))
    reach = abs(observed) - _slack(parts)
    if reach <= 0:
        return 1.0
    above = len(second) - np.searchsorted(second, reach - first, side="left")
    below = np.searchsorted(second, -reach - first, side="right")
    return float((above.sum() + below.sum()) / (len(first) * len(second)))


def _slack(parts: Sequence[Floats]) -> float:
    """Rounding errors must not break ties with the observed arrangement."""
    return 1e-10 * float(sum(np.abs(part).max() for part in parts)) + 1e-300


def _all_sums(parts: Sequence[Floats]) -> Floats:
    sums = np.zeros(1)
    for part in parts:
        sums = (sums[:, None] + part[None, :]).ravel()
    return sums


def _split(parts: list[Floats]) -> tuple[list[Floats], list[Floats]]:
    return parts[: len(parts) // 2], parts[len(parts) // 2 :]


def _countable(sizes: Sequence[int]) -> bool:
    half = len(sizes) // 2
    return max(math.prod(sizes[:half]), math.prod(sizes[half:])) <= LARGEST_HALF


# --- shares -----------------------------------------------------------------------------------


def binomial_interval(successes: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of a share (Clopper and Pearson 1934).

    Raises:
        TooFewItems: nothing was counted.
    """
    if n < 1:
        raise TooFewItems(said("a share needs 1 item, got 0; add items to the suite"))
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return low, high


def binomial_p(successes: int, n: int, *, null: float = 0.5) -> float:
    """Exact two-sided p-value of a share (scipy.stats.binomtest)."""
    return float(stats.binomtest(successes, n, null).pvalue)


# --- families and power -----------------------------------------------------------------------


def holm(p_values: Sequence[float]) -> Floats:
    """Adjusted p-values that bound the chance of any false alarm in the family (Holm 1979).

    The same numbers as statsmodels' `multipletests`, which collects garbage at each call and so took most of the time
    of weighing.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """Adjusted p-values that bound the share of false alarms among those raised (Benjamini and Hochberg 1995)."""
    return np.asarray(stats.false_discovery_control(p_values, method="bh"), dtype=float)


def detectable_distance(
    standard_error: float, degrees_of_freedom: float, *, alpha: float = ALPHA, power: float = 0.8
) -> float:
    """Smallest distance from the null that a two-sided t test at `alpha` finds with `power`.

    `alpha` is already corrected: for a family of m tests give alpha / m, the first step of Holm and of
    Benjamini-Hochberg, which is what a single true effect has to pass.
    """
    return standard_error * _noncentrality(degrees_of_freedom, alpha, power)


@functools.lru_cache(maxsize=4096)
def _noncentrality(degrees: float, alpha: float, power: float) -> float:
    cut = float(stats.t.ppf(1 - alpha / 2, degrees))
    # The far tail adds less than alpha / 2 and nothing at power 0.8; leaving it out errs on the careful side.
    return float(optimize.brentq(lambda shift: stats.nct.sf(cut, degrees, shift) - power, 0.0, 3 * cut + 10))


def with_detectable(
    estimate: Estimate,
    *,
    standard_error: float,
    degrees_of_freedom: float,
    n_tests: int = 1,
    alpha: float = ALPHA,
    power: float = 0.8,
) -> Estimate:
    """The estimate with the distance from its null that it would have found at alpha / n_tests."""
    distance = detectable_distance(standard_error, degrees_of_freedom, alpha=alpha / n_tests, power=power)
    return replace(estimate, detectable=distance, power=power)
