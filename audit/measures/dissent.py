"""Where people differ on one finding: communities that judge it otherwise, and everybody's own words, side by side.

No answer is counted as the right one. What most people say is named only so that the others can be heard beside it.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from audit.measures.people import CANNOT_SAY, JUDGEMENT, by_community, is_together, shown_groups, voices_by_finding
from audit.measures.statistics import ALPHA, benjamini_hochberg
from audit.records import Judgements, Undefined, Voice
from audit.wording import said

# --- does a community judge this finding otherwise? --------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One community's judgements of one finding beside those of everybody else."""

    finding: str
    community: str
    own: Mapping[str, int]  # judgement -> people; blind ones
    rest: Mapping[str, int]
    distance: float  # 0: the same distribution, 1: all of the one at one end of the scale, all others at the other
    p_value: float | Undefined  # Undefined: too few people for any difference to be seen
    p_adjusted: float | None  # after Benjamini and Hochberg, over all that could be seen in the run

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance, with at most 5 % false alarms among those raised."""
        return self.p_adjusted is not None and self.p_adjusted <= ALPHA


def differences(judgements: Judgements) -> tuple[Difference, ...]:
    """Every community of three or more on a finding against everybody else who judged it, by their blind judgements.

    Test: exact, over all ways to deal the answers out to people, given how many there are of each. Tests that could not
    come below 0.05 however people had answered are no part of the family (known from the counts of people and answers
    alone: Gilbert 2005, JRSS C 54, 143-158); the others are corrected together.
    """
    found = [d for finding, voices in voices_by_finding(judgements).items() for d in _differences(finding, voices)]
    tested = [d.p_value for d in found if not isinstance(d.p_value, Undefined)]
    adjusted = iter(benjamini_hochberg(tested) if tested else ())
    return tuple(d if isinstance(d.p_value, Undefined) else replace(d, p_adjusted=float(next(adjusted))) for d in found)


def _differences(finding: str, voices: tuple[Voice, ...]) -> Iterator[Difference]:
    answered = [v for v in voices if v.blind in JUDGEMENT.values]
    shown = shown_groups(Counter(v.community for v in answered))
    names = sorted({name for name in shown.values() if name and not is_together(name)})
    for name in names:
        own = Counter(v.blind for v in answered if v.community == name)
        rest = Counter(v.blind for v in answered if v.community != name)
        if not rest:
            continue
        a, b = (tuple(counts[value] for value in JUDGEMENT.values) for counts in (own, rest))
        p, least = exact_p(a, b)
        few = said("with {n} and {m} people who answered so, no difference could be seen", n=sum(a), m=sum(b))
        yield Difference(
            finding=finding,
            community=name,
            own=dict(zip(JUDGEMENT.values, a, strict=True)),
            rest=dict(zip(JUDGEMENT.values, b, strict=True)),
            distance=float(_distance(np.array([a]), np.array([b]))[0]),
            p_value=p if least <= ALPHA else Undefined(reason=few),
            p_adjusted=None,
        )


@functools.lru_cache(maxsize=4096)
def exact_p(own: tuple[int, ...], rest: tuple[int, ...]) -> tuple[float, float]:
    """P-value of "the two groups answer alike" and the least that it could have been with these totals.

    Every table with the same number of people and of each answer is listed with its probability (multivariate
    hypergeometric). Distance: see `_distance`; it sees a shift along the scale and also people moving to both its ends.

    Args:
        own: people per answer, answers in the order of the scale.
        rest: the same of the other group.
    """
    totals, people = np.add(own, rest), sum(own)
    tables = np.array(list(_tables(tuple(int(n) for n in totals), people)))
    ways = np.array([math.prod(math.comb(int(n), int(k)) for n, k in zip(totals, t, strict=True)) for t in tables])
    shares = np.array([w / math.comb(int(totals.sum()), people) for w in ways.tolist()])
    far = _distance(tables, totals - tables)
    seen = _distance(np.array([own]), np.array([rest]))[0]
    return float(min(1.0, shares[far >= seen - 1e-12].sum())), float(shares[far >= far.max() - 1e-12].sum())


def _tables(totals: tuple[int, ...], people: int) -> Iterator[tuple[int, ...]]:
    """All ways to take `people` from `totals`."""
    if len(totals) == 1:
        if people <= totals[0]:
            yield (people,)
        return
    for n in range(max(0, people - sum(totals[1:])), min(totals[0], people) + 1):
        for others in _tables(totals[1:], people - n):
            yield (n, *others)


def _distance(own: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Mean squared difference of the two cumulative distributions over the steps of the scale: (tables,), 0 to 1."""
    a, b = (np.cumsum(x / x.sum(axis=1, keepdims=True), axis=1)[:, :-1] for x in (own, rest))
    return np.asarray(((a - b) ** 2).mean(axis=1))


# --- everybody's own words ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Words:
    """What one person said of a finding, under the name that their community may be shown by."""

    community: str
    judgement: str
    comment: str  # "" where they gave none
    language: str


@dataclass(frozen=True, kw_only=True)
class MinorityReport:
    """A finding that people do not judge alike: those who differ from the most, and the others beside them."""

    finding: str
    most: str  # what most people say now; "" where no answer has more people than each other
    counts: Mapping[str, int]  # judgement -> people, "cannot say" among them
    dissenting: tuple[Words, ...]  # everybody whose judgement is another than `most`; everybody where there is none
    agreeing: tuple[Words, ...]  # who say what most say
    communities: tuple[Difference, ...]  # that differ from the rest by more than chance


def minority_reports(judgements: Judgements) -> tuple[MinorityReport, ...]:
    """Every finding on which somebody differs, with all words said: where a community differs first, then by dissent.

    One person who differs is enough: nobody is outvoted into silence. Where fewer than three people spoke of a finding
    nothing is shown, and a person's community is named only where it can be shown apart on that finding. Who cannot say
    is counted, and neither agrees nor dissents.
    """
    differing: dict[str, list[Difference]] = {}
    for difference in differences(judgements):
        if difference.differs:
            differing.setdefault(difference.finding, []).append(difference)
    found = []
    for finding, voices in voices_by_finding(judgements).items():
        report = _report(finding, voices, tuple(differing.get(finding, ())))
        if report is not None:
            found.append(report)
    return tuple(sorted(found, key=_importance))  # stable: ties in the order of the voices


def _report(finding: str, voices: tuple[Voice, ...], differing: tuple[Difference, ...]) -> MinorityReport | None:
    told = [
        Words(community=name, judgement=v.judgement, comment=v.comment, language=v.comment_language)
        for name, members in by_community(voices).items()
        for v in members
    ]
    if not told:
        return None
    counts = Counter(words.judgement for words in told)
    ranked = Counter({value: counts[value] for value in JUDGEMENT.values}).most_common()
    most = ranked[0][0] if ranked[0][1] > ranked[1][1] else ""
    dissenting = tuple(w for w in told if w.judgement not in (most, CANNOT_SAY))
    if not dissenting and not differing:
        return None
    return MinorityReport(
        finding=finding,
        most=most,
        counts={value: counts[value] for value in (*reversed(JUDGEMENT.values), CANNOT_SAY)},
        dissenting=dissenting,
        agreeing=tuple(w for w in told if most and w.judgement == most),
        communities=differing,
    )


def _importance(report: MinorityReport) -> tuple[bool, float]:
    answered = sum(n for value, n in report.counts.items() if value != CANNOT_SAY)
    return not report.communities, -len(report.dissenting) / max(answered, 1)
