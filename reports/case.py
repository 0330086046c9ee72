"""What every part of the report reads: one run, its findings, and the orders and titles that parts share."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.measures import INSTRUMENT
from audit.records import Estimate, Evidence, Finding, Judgements, SuiteRecord, Verdict
from audit.wording import N_, _
from reports.words import (
    all_labels,
    listed,
    measure_name,
    named,
    scope_fields,
    scope_word,
    target_name,
    verdict_name,
)

STRENGTH = tuple(Verdict)  # evidence first
SHORT_ID = 8  # characters of an id in a table, where they tell the ids of the run apart
APPENDIX = N_("Appendix: exploratory estimates")


@dataclass(frozen=True)
class Case:
    """What every section reads."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    command: str
    can_draw: Callable[[str], bool]
    spelled_out: Callable[[str], str]
    judgements: Judgements | None = None  # what people say; None where nobody was asked

    @functools.cached_property
    def contested(self) -> frozenset[str]:
        """Ids of findings with a contest that is admitted and not yet decided."""
        return frozenset(c.finding for c in self.judgements.contests if c.open) if self.judgements else frozenset()

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes, in the order of the run."""
        return self.evidence.manifest.languages

    @functools.cached_property
    def labels(self) -> Mapping[str, str]:
        """English names of topics, cultures and frameworks by id."""
        return all_labels(self.evidence.manifest.suites)

    @functools.cached_property
    def id_length(self) -> int:
        """Characters that tell the ids of the run's findings apart, eight at least."""
        ids = {f.id for f in self.findings}
        longest = max(map(len, ids), default=SHORT_ID)
        return next((n for n in range(SHORT_ID, longest) if len({id_[:n] for id_ in ids}) == len(ids)), longest)

    def short_id(self, finding: Finding) -> str:
        """A finding's id as tables print it."""
        return finding.id[: self.id_length]

    def where(self, finding: Finding) -> str:
        """A finding's scope without its suite; empty where it holds for everything."""
        scope = finding.measurement.scope
        names = [name for name in scope_fields(scope) if name != "suite"]
        return " · ".join(scope_word(scope, name, labels=self.labels) for name in names)

    def target(self, identifier: str) -> str:
        """A topic, culture or framework, by the name that its suite gives it."""
        return target_name(identifier, self.labels)

    def suites_of(self, finding: Finding) -> tuple[SuiteRecord, ...]:
        """The suites a finding rests on, by its scope or else by its items."""
        names = {finding.measurement.scope.suite} - {""} or {i.split("/")[0] for i in finding.measurement.items}
        return tuple(suite for suite in self.evidence.manifest.suites if suite.name in names)

    @functools.cached_property
    def checks(self) -> tuple[Finding, ...]:
        """Findings on the instrument itself."""
        return tuple(f for f in self.findings if f.measurement.measure in INSTRUMENT)

    @functools.cached_property
    def substance(self) -> tuple[Finding, ...]:
        """Findings on the model: all but the checks."""
        return tuple(f for f in self.findings if f.measurement.measure not in INSTRUMENT)


def verdict_counts(findings: Iterable[Finding]) -> tuple[tuple[Verdict, int], ...]:
    """Every verdict with the number of its findings, also where that is none."""
    counted = Counter(f.verdict for f in findings)
    return tuple((verdict, counted[verdict]) for verdict in Verdict)


def counted_verdicts(findings: Iterable[Finding]) -> str:
    """How many findings have which verdict, as a list in words."""
    return listed(
        # i18n: how many have a verdict, as in "3 insufficient evidence"
        _("{count} {verdict}", count=n, verdict=verdict_name(verdict))
        for verdict, n in verdict_counts(findings)
        if n
    )


def surest_first(finding: Finding) -> tuple[bool, float, float, str]:
    """Key to sort by: confirmatory, then smaller adjusted p, then larger distance from the null, then id."""
    result = finding.measurement.result
    p = 1.0 if finding.p_adjusted is None else finding.p_adjusted
    size = abs(result.value - (result.null or 0.0)) if isinstance(result, Estimate) else 0.0
    return (not finding.confirmatory, p, -size, finding.id)


def in_turn(findings: Sequence[Finding]) -> list[Finding]:
    """The surest of each measure, then the second of each, and so on; confirmatory before exploratory."""
    queues: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=surest_first):
        queues.setdefault(finding.measurement.measure, []).append(finding)
    rounds = [
        (turn, not f.confirmatory, place, f)
        for place, queue in enumerate(queues.values())
        for turn, f in enumerate(queue)
    ]
    return [f for *_rank, f in sorted(rounds, key=lambda entry: entry[:3])]


def grouped_by_measure(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings of each measure, measures in the order in which they first come."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.measurement.measure, []).append(finding)
    return groups


def title_of(case: Case, finding: Finding) -> str:
    """The measure and the scope of a finding, as a heading."""
    measure, where = measure_name(finding.measurement.measure), case.where(finding)
    return named(measure, where) if where else measure
