"""Do people find stronger findings worse? Rank association of severity with what was measured.

Severity is never averaged over people into one label for a finding: the pairs compared are of two findings that one
person judged. So a strict and a lenient person count alike, and nobody's scale is laid on another's. Within a pair the
measured strengths must compare as well: the same measure, suite, lens and unit, and for effects in nats the same
language. The statistic is Somers' D (Somers 1962, Am. Sociol. Rev. 27, 799-811) of severity on strength over the pairs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.measures.people import LEAST, SEVERITY, answers, communities_apart, undefined_for_few, without_few
from audit.measures.resampling import Floats, bootstrap_t, too_few, weighted_error
from audit.measures.statistics import LEVEL
from audit.records import Estimate, Finding, Judgements, Undefined, Verdict
from audit.terms import so_many
from audit.wording import N_, N_n, said

REARRANGEMENTS = 4999
FEWEST_REARRANGEMENTS = 499  # of many findings, which take long
MOST_WORK = 500_000_000  # pairs looked at while rearranging
MOST_NUMBERS = 1_000_000  # of them held at once
SIZE_WITHIN_A_LANGUAGE = ("nats", "bits per byte")  # units whose sizes do not compare between languages
JUDGED_BESIDE_ANOTHER = N_n(
    "{n} finding was judged by somebody who judged another comparable one too",
    "{n} findings were judged by somebody who judged another comparable one too",
)
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
            return Undefined(
                reason=said("fewer than {least} people of this community said how severe findings are", least=LEAST)
            )
        table = table[table["community"] == community]
    people = int(table["person"].nunique())
    if people < LEAST:
        return undefined_for_few(people, N_("an association needs {least} people, {n} answered"))
    strengths = pd.DataFrame(
        [(f.id, _stratum(f), s) for f in findings if (s := _strength(f)) is not None], columns=["finding", "on", "size"]
    )
    table = table.merge(strengths, on="finding")
    strata = [_Stratum.of(rows) for _, rows in table.groupby("on", sort=True)]
    return _association(strata, people=people, level=level)


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


@dataclass(frozen=True)
class _Stratum:
    """Findings whose strengths compare, and what people said of each two of them; matrices are (findings, findings)."""

    sizes: Floats
    sides: Floats  # people who call the row's finding worse, less those who call it less bad
    both: Floats  # people who judged both

    @classmethod
    def of(cls, table: pd.DataFrame) -> _Stratum:
        """From rows of person, finding, size, value."""
        judged = table.drop_duplicates("finding").sort_values("finding")
        place = {finding: i for i, finding in enumerate(judged["finding"])}
        n = len(place)
        sides, both = np.zeros((n, n)), np.zeros((n, n))
        for _, rows in table.groupby("person", sort=False):
            where = np.array([place[finding] for finding in rows["finding"]], dtype=int)
            given = rows["value"].to_numpy(dtype=float)
            sides[np.ix_(where, where)] += np.sign(given[:, None] - given[None, :])
            both[np.ix_(where, where)] += 1 - np.eye(len(where))
        return cls(judged["size"].to_numpy(dtype=float), sides, both)

    def compared(self) -> tuple[Floats, Floats]:
        """Concordance and number of the pairs of unequal strength, of findings that are in any such pair."""
        stronger = _signs(self.sizes)
        concordance, pairs = stronger * self.sides, np.abs(stronger) * self.both
        used = pairs.sum(axis=1) > 0
        return concordance[np.ix_(used, used)], pairs[np.ix_(used, used)]


def _association(strata: Sequence[_Stratum], *, people: int, level: float) -> Estimate | Undefined:
    blocks = [stratum.compared() for stratum in strata]
    n = sum(len(pairs) for _, pairs in blocks)
    if (reason := too_few(n, JUDGED_BESIDE_ANOTHER)) is not None:
        return Undefined(reason=reason)
    if not any(stratum.sides.any() for stratum in strata):
        return Undefined(reason=said("everybody gave one and the same severity to all findings that compare"))
    total = sum(float(pairs.sum()) for _, pairs in blocks)
    value = sum(float(concordance.sum()) for concordance, _ in blocks) / total
    if abs(value) < 1:
        low, high, method = bootstrap_t(functools.partial(_fisher, blocks), n=n, level=level)
        low, high = float(np.tanh(low)), float(np.tanh(high))
    else:
        # All pairs point one way. Of n findings n // 2 pairs are independent: had a share p of pairs pointed the other
        # way, none would have been seen with probability (1 - p) ** (n // 2).
        share = 1 - ((1 - level) / 2) ** (1 / (n // 2))
        low, high = sorted((value, value * (1 - 2 * share)))
        method = said("exact bound from {n} separate pairs of {number}", n=n // 2, number=so_many(n, "findings"))
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        level=level,
        unit=UNIT,
        n_items=round(total / 2),
        n_clusters=n,
        # i18n: {people} is as in "12 people"; {interval} is how the interval was computed
        method=said(
            "pairs within {people}; {interval}; test: strengths exchanged",
            people=so_many(people, "people"),
            interval=method,
        ),
        p_value=_permutation_p(strata),
        null=0.0,
        clusters="findings",
    )


def _fisher(blocks: Sequence[tuple[Floats, Floats]], weights: Floats) -> tuple[Floats, Floats]:
    """Fisher's z of the concordance and its standard error, for sets of weights of the findings of all blocks."""
    ends = np.cumsum([len(pairs) for _, pairs in blocks])[:-1]
    each = np.split(weights, ends, axis=1)
    above = np.concatenate([w @ concordance for w, (concordance, _) in zip(each, blocks, strict=True)], axis=1)
    below = np.concatenate([w @ pairs for w, (_, pairs) in zip(each, blocks, strict=True)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = (below * weights).sum(axis=1)
        value = (above * weights).sum(axis=1) / total
        influence = 2 * (above - value[:, None] * below) / total[:, None]
        return np.arctanh(value), weighted_error(weights, influence) / (1 - value**2)


def _permutation_p(strata: Sequence[_Stratum]) -> float:
    """Share of exchanges of strengths within strata that give at least so much concordance, (b + 1) / (m + 1)."""
    cells = sum(len(stratum.sizes) ** 2 for stratum in strata)
    m = max(FEWEST_REARRANGEMENTS, min(REARRANGEMENTS, MOST_WORK // cells))
    rng = np.random.default_rng([32, cells])
    seen = sum(float((_signs(stratum.sizes) * stratum.sides).sum()) for stratum in strata)
    sums = np.zeros(m)
    for stratum in strata:
        k = len(stratum.sizes)
        at_once = max(1, MOST_NUMBERS // k**2)
        for start in range(0, m, at_once):
            n = min(at_once, m - start)
            dealt = rng.permuted(np.broadcast_to(stratum.sizes, (n, k)), axis=1)
            sums[start : start + n] += (_signs(dealt) * stratum.sides).sum(axis=(1, 2))
    reached = int((np.abs(sums) >= abs(seen) - 1e-9).sum())
    return (reached + 1) / (m + 1)


def _signs(sizes: Floats) -> Floats:
    """Which of each two is stronger: (..., findings, findings)."""
    return np.asarray(np.sign(sizes[..., :, None] - sizes[..., None, :]))
