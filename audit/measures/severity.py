"""Do people find stronger findings worse? Rank association of severity with what was measured.

Severity is never averaged over people into one label for a finding: the pairs compared are of two findings that one
person judged. So a strict and a lenient person count alike, and nobody's scale is laid on another's. Within a pair the
measured strengths must compare as well: the same measure, suite, lens and unit, and for effects in nats the same
language. The statistic is Somers' D (Somers 1962, Am. Sociol. Rev. 27, 799-811) of severity on strength over the pairs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.measures.people import LEAST, SEVERITY, answers, communities_apart, undefined_for_few, without_few
from audit.measures.resampling import Floats, bootstrap_t, too_few, weighted_error
from audit.measures.statistics import LEVEL
from audit.records import Estimate, Finding, Judgements, Undefined, Verdict

REARRANGEMENTS = 4999
MOST_NUMBERS = 1_000_000  # held at once while rearranging
SIZE_WITHIN_A_LANGUAGE = ("nats", "bits per byte")  # units whose sizes do not compare between languages
UNIT = "concordance"  # (pairs in which the stronger is worse - those in which it is less bad) / pairs


def severity_association(
    judgements: Judgements, findings: Sequence[Finding], *, community: str = "", level: float = LEVEL
) -> Estimate | Undefined:
    """How much more often a person calls the stronger of two findings worse than less bad.

    Pairs whose strengths are equal say nothing and are left out; equal severities count as neither (so a person who
    gives every finding the same one pulls towards 0). Strength is the distance of a finding's value from its null;
    findings without a number, without a null, and those not interpretable have none. Each pair counts once, so a person
    who judged more findings counts for more.

    Interval: bootstrap of findings on Fisher's z. Test: strengths change places among comparable findings at random
    (two-sided).

    Args:
        judgements: of the run.
        findings: of the run.
        community: id; "" pools the pairs of everybody, each still within one person.
        level: of the interval.

    Returns:
        -1 to 1; 0 is "severity has nothing to do with strength". Undefined where too few people or findings can be
        compared, or where everybody gave the same severity throughout.
    """
    table = without_few(answers(judgements, SEVERITY))
    if community:
        if community not in communities_apart(table):
            return Undefined(reason=f"fewer than {LEAST} people of this community said how severe findings are")
        table = table[table["community"] == community]
    people = int(table["person"].nunique())
    if people < LEAST:
        return undefined_for_few(people, what="an association")
    strengths = pd.DataFrame(
        [(f.id, _stratum(f), s) for f in findings if (s := _strength(f)) is not None], columns=["finding", "on", "size"]
    )
    table = table.merge(strengths, on="finding")
    judged = table.drop_duplicates("finding").sort_values("finding")
    sides, both = _sides(table, ids=list(judged["finding"]))
    sizes, strata = judged["size"].to_numpy(dtype=float), judged["on"].to_numpy(dtype=str)
    return _association(sizes, strata, sides, both, people=people, level=level)


def _strength(finding: Finding) -> float | None:
    result = finding.measurement.result
    if not isinstance(result, Estimate) or result.null is None or finding.verdict is Verdict.NOT_INTERPRETABLE:
        return None
    return abs(result.value - result.null)


def _stratum(finding: Finding) -> str:
    """Findings of one stratum have strengths that compare."""
    scope, result = finding.measurement.scope, finding.measurement.result
    unit = result.unit if isinstance(result, Estimate) else ""
    parts = [finding.measurement.measure, scope.suite, scope.lens, unit]
    if unit.startswith(SIZE_WITHIN_A_LANGUAGE):
        parts += [scope.language, scope.other_language]
    return "\t".join(parts)


def _sides(table: pd.DataFrame, *, ids: list[str]) -> tuple[Floats, Floats]:
    """Of each pair of comparable findings: those who call the first worse less those who call it less bad; all.

    Both have the shape (findings, findings).
    """
    place = {finding: i for i, finding in enumerate(ids)}
    sides, both = np.zeros((len(ids), len(ids))), np.zeros((len(ids), len(ids)))
    for _, rows in table.groupby(["person", "on"], sort=False):
        where = np.array([place[finding] for finding in rows["finding"]], dtype=int)
        said = rows["value"].to_numpy(dtype=float)
        sides[np.ix_(where, where)] += np.sign(said[:, None] - said[None, :])
        both[np.ix_(where, where)] += 1 - np.eye(len(where))
    return sides, both


def _association(
    sizes: Floats, strata: NDArray[np.str_], sides: Floats, both: Floats, *, people: int, level: float
) -> Estimate | Undefined:
    stronger = np.sign(sizes[:, None] - sizes[None, :])
    concordance, pairs = stronger * sides, np.abs(stronger) * both
    used = pairs.sum(axis=1) > 0
    n = int(used.sum())
    if (reason := too_few(n, what="judged by somebody who judged another comparable one too")) is not None:
        return Undefined(reason=reason)
    if not sides.any():
        return Undefined(reason="everybody gave one and the same severity to all findings that compare")
    keep = np.ix_(used, used)
    value = float(concordance.sum() / pairs.sum())
    if abs(value) < 1:
        statistic = functools.partial(_fisher, concordance[keep], pairs[keep])
        low, high, method = bootstrap_t(statistic, n=n, level=level)
        low, high = float(np.tanh(low)), float(np.tanh(high))
    else:
        # All pairs point one way. Of n findings n // 2 pairs are independent: had a share p of pairs pointed the other
        # way, none would have been seen with probability (1 - p) ** (n // 2).
        share = 1 - ((1 - level) / 2) ** (1 / (n // 2))
        low, high = sorted((value, value * (1 - 2 * share)))
        method = f"exact bound from {n // 2} separate pairs of {n} findings"
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        level=level,
        unit=UNIT,
        n_items=round(float(pairs.sum()) / 2),
        n_clusters=n,
        method=f"pairs within {people} people; {method}; test: strengths exchanged",
        p_value=_permutation_p(sizes, strata, sides),
        null=0.0,
    )


def _fisher(concordance: Floats, pairs: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Fisher's z of the concordance and its standard error, for sets of weights of findings."""
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below = weights @ concordance, weights @ pairs
        total = (below * weights).sum(axis=1)
        value = (above * weights).sum(axis=1) / total
        influence = 2 * (above - value[:, None] * below) / total[:, None]
        return np.arctanh(value), weighted_error(weights, influence) / (1 - value**2)


def _permutation_p(sizes: Floats, strata: NDArray[np.str_], sides: Floats) -> float:
    """Share of exchanges of strengths within strata that give at least so much concordance, (b + 1) / (m + 1)."""
    rng = np.random.default_rng([32, len(sizes)])
    seen = float((np.sign(sizes[:, None] - sizes[None, :]) * sides).sum())
    sums = np.zeros(REARRANGEMENTS)
    for stratum in np.unique(strata):
        group = np.flatnonzero(strata == stratum)
        own, at_once = sides[np.ix_(group, group)], max(1, MOST_NUMBERS // len(group) ** 2)
        for start in range(0, REARRANGEMENTS, at_once):
            n = min(at_once, REARRANGEMENTS - start)
            dealt = rng.permuted(np.broadcast_to(sizes[group], (n, len(group))), axis=1)
            signs = np.sign(dealt[:, :, None] - dealt[:, None, :])
            sums[start : start + n] += (signs * own).sum(axis=(1, 2))
    reached = int((np.abs(sums) >= abs(seen) - 1e-9).sum())
    return (reached + 1) / (REARRANGEMENTS + 1)
