"""The findings that were fixed before the run and have no page: without evidence, or neither yes nor no and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audit.findings import CIRCUITS, CULTURES, FAMILY_LEVEL, STEREOTYPES, anywhere
from audit.findings.words import Words
from audit.measures.capacity import beats_random_model
from audit.measures.circuits import beats_random
from audit.measures.stereotype import beats_controls
from audit.records import Finding, Undefined, Verdict
from audit.wording import N_, _, spoken
from reports.blocks import Block, Heading, Text
from reports.case import Case, grouped_by_measure
from reports.summary import barred_reason
from reports.words import count, everything, in_series, measure_name, started, verdict_name

ABSENT = N_("Looked for and not found")
OTHERS = N_("Findings that say neither yes nor no")


def undecided(case: Case, findings: Sequence[Finding], words: Words) -> tuple[Block, ...]:
    """What says neither yes nor no, grouped by measure and reason.

    Args:
        case: of the report.
        findings: fixed before the run, and without a page of their own.
        words: of the run, for the rules of verdicts that look at its texts.
    """
    if not findings:
        return ()
    blocks: list[Block] = [
        Heading(text=_(OTHERS), level=1, new_page=True),
        Text(
            text=_(
                "They were fixed before the run, and the run cannot answer them. That is neither good nor bad news. "
                "Numbers stand in the tables by measure, under the same ids."
            )
        ),
    ]
    for verdict in (Verdict.NOT_INTERPRETABLE, Verdict.INSUFFICIENT):
        found = [f for f in findings if f.verdict is verdict]
        if found:
            blocks.append(Heading(text=f"{started(verdict_name(verdict))} ({count(len(found))})", level=2))
        for measure, group in grouped_by_measure(found).items():
            blocks.append(Heading(text=measure_name(measure), level=3))
            for reason, same in _by_reason(case, group, words).items():
                blocks.append(Text(text=_("{reason}:", reason=started(reason))))
                blocks.append(Text(text=in_series(_named(case, f) for f in same), style="small"))
    return tuple(blocks)


def absent(case: Case, findings: Sequence[Finding]) -> tuple[Block, ...]:
    """What was looked for and not found, grouped by measure: too many of one kind for a page each."""
    if not findings:
        return ()
    blocks: list[Block] = [
        Heading(text=_(ABSENT), level=1, new_page=True),
        Text(
            text=_(
                "They were fixed before the run; an effect that matters would have been found in four of five such "
                "audits, and was not. Numbers stand in the tables by measure, under the same ids."
            )
        ),
    ]
    for measure, group in grouped_by_measure(findings).items():
        blocks.append(Heading(text=f"{measure_name(measure)} ({count(len(group))})", level=2))
        blocks.append(Text(text=in_series(_named(case, f) for f in group), style="small"))
    return tuple(blocks)


def _named(case: Case, finding: Finding) -> str:
    return f"{case.where(finding) or everything()} {case.short_id(finding)}"


def _by_reason(case: Case, group: Iterable[Finding], words: Words) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in group:
        found.setdefault(case.spelled_out(why(finding, words)), []).append(finding)
    return found


def why(finding: Finding, words: Words) -> str:
    """Why a finding says neither yes nor no, by the rules that gave it its verdict."""
    if finding.verdict is Verdict.NOT_INTERPRETABLE:
        return spoken(anywhere(barred_reason(finding)))
    measurement, result, p = finding.measurement, finding.measurement.result, finding.p_adjusted
    if isinstance(result, Undefined):
        return spoken(result.reason)
    if p is None or result.null is None:
        return _("nothing is tested here")
    if measurement.measure in CULTURES and words.mostly_translated(measurement):
        return _("most of its texts are translations, which cannot carry a claim about a culture")
    if p < FAMILY_LEVEL:
        if measurement.measure in STEREOTYPES and not beats_controls(measurement):
            return _("not told apart from swaps without social meaning")
        if measurement.measure in CIRCUITS and not beats_random(measurement):
            return _("not told apart from random circuits of the same make-up")
        if not beats_random_model(measurement):
            return _("a model with random weights reaches as much")
        return _("smaller than the noise of the computation")
    if result.margin is None or result.detectable is None or result.detectable > result.margin:
        return _("too few items, or too much spread: an effect that matters could have been missed")
    return _("the interval does not rule out an effect that matters, and chance could explain the number")
