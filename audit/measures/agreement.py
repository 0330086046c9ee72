"""Do people judge findings alike: within a community, between two, and does it matter which one they belong to.

Agreement within is Krippendorff's alpha. Agreement between two communities is the same quantity for pairs of people of
whom one is of each: cross-replication reliability (Wong, Paritosh and Aroyo 2021, ACL, 7053-7065), used as cross-group
cohesion by GRASP (Prabhakaran et al. 2024, NAACL, 3473-3492, arXiv 2311.05074). Never alpha of two medians: that would
first make one voice of each community. GRASP divides within by between; a ratio runs away where agreement is near zero,
so here the difference of the two disagreements is taken, finding by finding, and tested by exchanging people.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from audit.measures.people import (
    JUDGEMENT,
    LEAST,
    SEVERITY,
    Question,
    answers,
    communities_apart,
    is_together,
    undefined_for_few,
    without_few,
)
from audit.measures.resampling import Floats, bootstrap_t, too_few, weighted_error
from audit.measures.statistics import LEVEL, binomial_interval, tested
from audit.records import Estimate, Judgements, Undefined
from audit.wording import N_, N_n, Said, said

Metric = Literal["nominal", "ordinal"]
METRICS: tuple[Metric, ...] = ("nominal", "ordinal")
FEWEST_DIVIDED = 5  # findings on which people differ; below, resamples tell too little of disagreement
REARRANGEMENTS = 4999  # of people over communities
ALPHA_UNIT = "alpha"
NO_PAIR = said("no finding was judged by two or more people")
ONE_VALUE = said("everybody gave the same answer to everything, so agreement cannot be told from habit")
JUDGED_TWICE = N_n("{n} finding was judged by two or more people", "{n} findings were judged by two or more people")
JUDGED_IN_BOTH = N_n("{n} finding was judged in both communities", "{n} findings were judged in both communities")
JUDGED_WITHIN_AND_ACROSS = N_n(
    "{n} finding was judged by two people of one community and one of another",
    "{n} findings were judged by two people of one community and one of another",
)

# --- Krippendorff's alpha ----------------------------------------------------------------------


def krippendorff_alpha(counts: Floats, *, metric: Metric) -> float | Undefined:
    """Krippendorff's alpha: 1 - observed / expected disagreement (Krippendorff 2011, Computing Krippendorff's Alpha).

    Args:
        counts: (units, values): how many people gave each value to each unit; values ordered. Units with fewer than two
            answers say nothing and are left out.
        metric: what counts as disagreement: any difference, or the squared number of ranks between.

    Returns:
        1 for perfect agreement, 0 for what chance would give, below 0 for systematic disagreement; or why there is
        none: it is never 0 or 1 for want of data.
    """
    pairs = coincidences(counts)
    if not len(pairs):
        return Undefined(reason=NO_PAIR)
    observed, expected, _ = _disagreements(pairs.sum(axis=0), metric=metric)
    if expected <= 0:
        return Undefined(reason=ONE_VALUE)
    return float(1 - observed / expected)


def coincidences(counts: Floats) -> Floats:
    """Pairs of values within each unit with two answers or more: (such units, values, values).

    Each unit weighs as many as it has answers.
    """
    counts = np.asarray(counts, dtype=float)
    people = counts.sum(axis=1)
    n, m = counts[people >= 2], people[people >= 2]
    pairs = n[:, :, None] * n[:, None, :]
    pairs[:, range(n.shape[1]), range(n.shape[1])] -= n
    return np.asarray(pairs / (m - 1)[:, None, None])


def _disagreements(pairs: Floats, *, metric: Metric) -> tuple[Floats, Floats, Floats]:
    """Observed and expected disagreement of sums of coincidences (..., values, values), and the total of answers."""
    margins = pairs.sum(axis=-1)
    total = margins.sum(axis=-1)
    distance = distances(margins, metric=metric)
    observed = (pairs * distance).sum(axis=(-2, -1)) / total
    expected = (margins[..., :, None] * margins[..., None, :] * distance).sum(axis=(-2, -1)) / (total * (total - 1))
    return observed, expected, total


def distances(margins: Floats, *, metric: Metric) -> Floats:
    """Squared distance of values given how often each was used (..., values): (..., values, values)."""
    k = margins.shape[-1]
    if metric == "nominal":
        return np.broadcast_to(1 - np.eye(k), (*margins.shape, k))
    middles = _middles(margins)
    return np.asarray((middles[..., :, None] - middles[..., None, :]) ** 2)


def _middles(margins: Floats) -> Floats:
    """Middle rank of each value: the answers between the middles of two values are what lies between them."""
    return np.asarray(np.cumsum(margins, axis=-1) - margins / 2)


def alpha_estimate(counts: Floats, *, metric: Metric, level: float = LEVEL) -> Estimate | Undefined:
    """Krippendorff's alpha with an interval over findings.

    Resampling is of log(1 - alpha), whose error hardly depends on alpha. Where people differ on fewer than five
    findings, resamples hold too few of them: the interval is then that of the share of findings on which they differ
    (exact binomial), times how far they differ where they do. So full agreement on ten findings does not claim to be
    certain.
    """
    value = krippendorff_alpha(counts, metric=metric)
    if isinstance(value, Undefined):
        return value
    pairs = coincidences(counts)
    n = len(pairs)
    if (reason := too_few(n, JUDGED_TWICE)) is not None:
        return Undefined(reason=reason)
    _, expected, total = (float(x) for x in _disagreements(pairs.sum(axis=0), metric=metric))
    margins = pairs.sum(axis=(0, 1))
    apart = (pairs * distances(margins, metric=metric)).sum(axis=(1, 2)) / pairs.sum(axis=(1, 2))
    divided = int((apart > 0).sum())
    if divided < FEWEST_DIVIDED:
        worst = float(distances(margins, metric=metric).max())
        low, high, method = _few_divided(apart, worst=worst, level=level)
        bounds = 1 - high / expected, 1 - low / expected
    else:
        low, high, method = bootstrap_t(functools.partial(_log_disagreement, pairs, metric=metric), n=n, level=level)
        bounds = 1 - float(np.exp(high)), 1 - float(np.exp(low))
    return Estimate(
        value=value,
        low=max(-1.0, min(bounds[0], value)),
        high=min(1.0, max(bounds[1], value)),
        level=level,
        unit=ALPHA_UNIT,
        n_items=round(total),
        n_clusters=n,
        method=method,
        clusters="findings",
    )


def _few_divided(apart: Floats, *, worst: float, level: float) -> tuple[float, float, Said]:
    """Bounds of the mean disagreement of findings of which few have any.

    Args:
        apart: disagreement on each finding.
        worst: the largest possible; assumed where fewer than two findings tell how far people differ if they do.
        level: of the interval.
    """
    n, differ = len(apart), apart[apart > 0]
    low, high = binomial_interval(len(differ), n, level=level)
    least, most = (float(differ.mean()) if len(differ) else worst), worst
    if len(differ) >= 2:
        reach = float(special.stdtrit(len(differ) - 1, level)) * float(differ.std(ddof=1)) / np.sqrt(len(differ))
        most = min(worst, least + reach)
    method = said("exact binomial of the {n} of {total} findings that people differ on", n=len(differ), total=n)
    return low * least, high * most, method


def _log_disagreement(pairs: Floats, weights: Floats, *, metric: Metric) -> tuple[Floats, Floats]:
    """log(1 - alpha) and its standard error for sets of weights, by the derivative in each finding's coincidences."""
    k = pairs.shape[-1]
    flat = pairs.reshape(len(pairs), k * k)
    sums = (weights @ flat).reshape(len(weights), k, k)
    margins = sums.sum(axis=-1)
    total = margins.sum(axis=-1)
    distance = distances(margins, metric=metric)
    products = margins[:, :, None] * margins[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (sums * distance).sum(axis=(1, 2))
        expected = (products * distance).sum(axis=(1, 2))
        value = np.log(observed) - np.log(expected) + np.log(total - 1)
        by_margin = 2 * (distance * margins[:, None, :]).sum(axis=2)
        slope = distance / observed[:, None, None]
        if metric == "ordinal":  # ranks move with the margins
            by_rank = _through_ranks(sums, margins)
            slope = slope + (by_rank / observed[:, None])[:, :, None]
            by_margin = by_margin + _through_ranks(products, margins)
        slope = slope - (by_margin / expected[:, None])[:, :, None] + (1 / (total - 1))[:, None, None]
        influence = slope.reshape(len(weights), k * k) @ flat.T
        return value, weighted_error(weights, influence)


def _through_ranks(table: Floats, margins: Floats) -> Floats:
    """Derivative of sum(table * distance) by each margin, as far as it moves the middle ranks: (..., values).

    `table` is symmetric. A middle rank grows by one with each answer below it, by a half with one at it.
    """
    middles = _middles(margins)
    k = margins.shape[-1]
    moves = np.tril(np.ones((k, k)), -1) + np.eye(k) / 2  # of the middle of the row by the margin of the column
    pulls = (table * (middles[..., None, :] - middles[..., :, None])).sum(axis=-2)
    return np.asarray(4 * pulls @ moves)


# --- between two communities -------------------------------------------------------------------


def cross_estimate(first: Floats, second: Floats, *, metric: Metric, level: float = LEVEL) -> Estimate | Undefined:
    """Agreement of people of whom one is of each community: 1 - observed / expected disagreement of such pairs.

    1: always the same answer; 0: as any two of their answers to different findings would. Each finding judged in both
    counts once. Ranks are those of all their answers there.

    Args:
        first: (findings, values) answers of the one community; the rows of `second` are the same findings.
        second: of the other one.
        metric: as in `krippendorff_alpha`.
        level: of the interval over findings.
    """
    both = (first.sum(axis=1) > 0) & (second.sum(axis=1) > 0)
    a, b = first[both], second[both]
    n = len(a)
    if (reason := too_few(n, JUDGED_IN_BOTH)) is not None:
        return Undefined(reason=reason)
    distance = distances((a + b).sum(axis=0), metric=metric)
    x, y = (part / part.sum(axis=1, keepdims=True) for part in (a, b))
    apart = np.einsum("uc,ck,uk->u", x, distance, y)
    expected = float(x.mean(axis=0) @ distance @ y.mean(axis=0))
    if expected <= 0:
        return Undefined(reason=ONE_VALUE)
    value = 1 - float(apart.mean()) / expected
    divided = int((apart > 0).sum())
    if divided < FEWEST_DIVIDED:
        low, high, method = _few_divided(apart, worst=float(distance.max()), level=level)
        bounds = 1 - high / expected, 1 - low / expected
    else:
        statistic = functools.partial(_log_cross, x, y, distance, apart)
        low, high, method = bootstrap_t(statistic, n=n, level=level)
        bounds = 1 - float(np.exp(high)), 1 - float(np.exp(low))
    return Estimate(
        value=value,
        low=max(-1.0, min(bounds[0], value)),
        high=min(1.0, max(bounds[1], value)),
        level=level,
        unit=ALPHA_UNIT,
        n_items=int(a.sum() + b.sum()),
        n_clusters=n,
        method=method,
        clusters="findings",
    )


def _log_cross(x: Floats, y: Floats, distance: Floats, apart: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Logarithm of observed over expected disagreement between two communities, and its standard error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        observed, far_x, far_y = weights @ apart, weights @ x @ distance, weights @ y @ distance
        expected = (far_x * (weights @ y)).sum(axis=1)
        value = np.log(observed) + np.log(weights.sum(axis=1)) - np.log(expected)
        influence = apart / observed[:, None] - (far_x @ y.T + far_y @ x.T) / expected[:, None]
        return value, weighted_error(weights, influence)


# --- does the community matter? ----------------------------------------------------------------


def community_difference(
    judgements: Judgements,
    *,
    question: Question = JUDGEMENT,
    metric: Metric = "ordinal",
    findings: Collection[str] | None = None,
    level: float = LEVEL,
) -> Estimate | Undefined:
    """How much further apart two people of different communities judge a finding than two of the same one.

    On each finding: mean distance of pairs from different communities less that of pairs from the same, in shares of
    the scale's length (`metric` nominal: share of pairs that differ at all). Findings are pooled as Mantel and Haenszel
    (1959) pool strata, weighing (pairs between x pairs within) / pairs, so that a finding which only one community
    judged, or an easy one, adds nothing. Interval: over findings. Test: people, each with all their judgements, change
    places between communities at random (one-sided: different communities can differ more than one does in itself, not
    less); people who are lenient or strict throughout therefore raise no alarm.

    Returns:
        0 is "it does not matter whom you ask". Undefined with fewer than two communities of three people, or where too
        few findings have both kinds of pairs.
    """
    table = answers(judgements, question, findings=findings)
    apart = communities_apart(table)
    table = table[table["community"].isin(apart)]
    if len(apart) < 2:
        if apart:
            return Undefined(
                reason=said("1 community has {n} people who answered; a comparison needs two such", n=LEAST)
            )
        return Undefined(reason=said("no community has {n} people who answered; a comparison needs two such", n=LEAST))
    found = _Pairs(table, n_values=len(question.values), metric=metric)
    top, bottom = found.between_and_within()
    n = len(top)
    if (reason := too_few(n, JUDGED_WITHIN_AND_ACROSS)) is not None:
        return Undefined(reason=reason)
    value = float(top.sum() / bottom.sum())
    low, high, method = bootstrap_t(functools.partial(_ratio, top, bottom), n=n, level=level)
    return Estimate(
        value=value,
        low=max(-1.0, low),
        high=min(1.0, high),
        level=level,
        unit="share of the scale" if metric == "ordinal" else "share of pairs",
        n_items=len(table),
        n_clusters=n,
        method=tested(method, said("people exchanged between communities")),
        p_value=found.p_value(),
        null=0.0,
        clusters="findings",
    )


def _ratio(top: Floats, bottom: Floats, weights: Floats) -> tuple[Floats, Floats]:
    above, below = weights @ top, weights @ bottom
    value = above / below
    return value, weighted_error(weights, (top - value[:, None] * bottom) / below[:, None])


class _Pairs:
    """Distances of all pairs of people on each finding."""

    def __init__(self, table: pd.DataFrame, *, n_values: int, metric: Metric) -> None:
        people = table.drop_duplicates("person")
        self.labels: NDArray[np.int64] = np.unique(people["community"].to_numpy(dtype=str), return_inverse=True)[1]
        place = {person: i for i, person in enumerate(people["person"])}
        self.members: list[NDArray[np.int64]] = []
        self.apart: list[Floats] = []
        # Summed over findings: how much further two people lie apart than two who judged the same finding do on average
        self.excess: Floats = np.zeros((len(people), len(people)))
        for _, rows in table.groupby("finding", sort=True):
            who = np.array([place[person] for person in rows["person"]], dtype=np.int64)
            values = rows["value"].to_numpy(dtype=float)
            gap = np.abs(values[:, None] - values[None, :])
            gap = (gap > 0).astype(float) if metric == "nominal" else gap / (n_values - 1)
            self.members.append(who)
            self.apart.append(gap)
            if len(who) >= 2:
                centred = gap - gap.sum() / (len(who) * (len(who) - 1))
                np.fill_diagonal(centred, 0.0)
                self.excess[np.ix_(who, who)] += centred

    def between_and_within(self) -> tuple[Floats, Floats]:
        """Of findings with both kinds of pairs: weight x (mean distance between - within), and weight."""
        top, bottom = [], []
        for who, gap in zip(self.members, self.apart, strict=True):
            own = self.labels[who]
            upper = np.triu(np.ones_like(gap, dtype=bool), 1)
            different = (own[:, None] != own[None, :]) & upper
            alike = upper & ~different
            if different.any() and alike.any():
                bottom.append(different.sum() * alike.sum() / upper.sum())
                top.append(bottom[-1] * (gap[different].mean() - gap[alike].mean()))
        return np.array(top), np.array(bottom)

    def p_value(self) -> float:
        """Share of rearrangements of people over communities whose excess between is at least the one seen.

        (b + 1) / (m + 1), sampled with a fixed seed. The sum of `excess` over pairs between is the pooled top: a
        finding's weight x (between - within) is the sum over its pairs between of distance less mean distance.
        """
        rng = np.random.default_rng([31, len(self.labels)])
        seen = self._between(self.labels[None, :])[0]
        slack = 1e-9 * float(np.abs(self.excess).sum() + 1)
        reached = 0
        for start in range(0, REARRANGEMENTS, 500):
            n = min(500, REARRANGEMENTS - start)
            shuffled = rng.permuted(np.broadcast_to(self.labels, (n, len(self.labels))), axis=1)
            reached += int((self._between(shuffled) >= seen - slack).sum())
        return (reached + 1) / (REARRANGEMENTS + 1)

    def _between(self, labels: NDArray[np.int64]) -> Floats:
        """Sum of excess over ordered pairs with different labels: shape (n,)."""
        total = np.full(len(labels), float(self.excess.sum()))
        for label in range(int(self.labels.max()) + 1):
            own = (labels == label).astype(float)
            total -= ((own @ self.excess) * own).sum(axis=1)
        return total


# --- of a run ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well people agree on one question: all of them, those of one community, or pairs of two communities."""

    question: str
    metric: Metric
    community: str  # "": everybody, whatever their community
    other: str  # "": within
    people: int | None  # None: some of them cannot be told apart from one finding to the next
    result: Estimate | Undefined


def agreements(
    judgements: Judgements,
    *,
    findings: Collection[str] | None = None,
    questions: tuple[Question, ...] = (JUDGEMENT, SEVERITY),
    metrics: tuple[Metric, ...] = METRICS,
) -> tuple[Agreement, ...]:
    """Agreement on each question: of everybody, within each community, and between each two.

    Judgements are the blind ones. Communities of fewer than three are only in the first, if at all
    (`people.without_few`). Agreement of everybody is no summary of the others: it is lower where communities agree in
    themselves and differ from each other.

    Args:
        judgements: of a run.
        findings: ids to look at, as those of one language; None for all.
        questions: to look at.
        metrics: what counts as disagreement.
    """
    found: list[Agreement] = []
    for question in questions:
        table = without_few(answers(judgements, question, findings=findings))
        named = communities_apart(table)
        ids = sorted(set(table["finding"]))
        k = len(question.values)
        by = {name: counted(table[table["community"] == name], findings=ids, n_values=k) for name in named}
        sizes = {name: int(table.loc[table["community"] == name, "person"].nunique()) for name in named}
        everybody, people = counted(table, findings=ids, n_values=k), int(table["person"].nunique())
        known = None if table["community"].map(is_together).any() else people
        for metric in metrics:

            def row(
                community: str,
                other: str,
                n: int | None,
                result: Estimate | Undefined,
                question: Question = question,
                metric: Metric = metric,
            ) -> Agreement:
                return Agreement(
                    question=question.name, metric=metric, community=community, other=other, people=n, result=result
                )

            pooled = alpha_estimate(everybody, metric=metric) if people >= LEAST else _few(people)
            found.append(row("", "", known, pooled))
            found += [row(name, "", sizes[name], alpha_estimate(by[name], metric=metric)) for name in named]
            found += [
                row(a, b, sizes[a] + sizes[b], cross_estimate(by[a], by[b], metric=metric))
                for a, b in combinations(named, 2)
            ]
    return tuple(found)


def _few(people: int) -> Undefined:
    return undefined_for_few(people, N_("agreement needs {least} people, {n} answered"))


def counted(table: pd.DataFrame, *, findings: list[str], n_values: int) -> Floats:
    """(findings, values): how many people gave each answer, from a table of `answers`."""
    place = {finding: i for i, finding in enumerate(findings)}
    counts = np.zeros((len(findings), n_values))
    np.add.at(counts, (table["finding"].map(place).to_numpy(dtype=int), table["value"].to_numpy(dtype=int)), 1)
    return counts
