"""Every finding of the run by its evidence id: what it is on, its verdict, and where the report tells it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from audit.measures import INSTRUMENT
from audit.records import Finding, Verdict
from audit.wording import N_, _
from reports.blocks import Block, Heading, Text
from reports.by_measure import CHECKS
from reports.case import APPENDIX, STRENGTH, Case, grouped_by_measure
from reports.estimates import shown_ids
from reports.finding_pages import PAGES
from reports.undecided import ABSENT, OTHERS
from reports.words import everything, in_series, measure_name, started, verdict_name

TITLE = N_("Index of evidence ids")


def evidence_index(case: Case, *, pages: Collection[str], without: Collection[str] = ()) -> tuple[Block, ...]:
    """All findings, grouped by measure, verdict and the place that tells them.

    Args:
        case: of the report.
        pages: ids of findings that have a page of their own.
        without: parts that this copy does not have.
    """
    blocks: list[Block] = [Heading(text=_(TITLE), level=1, new_page=True), Text(text=_intro(case))]
    leads = grouped_by_measure(f for f in case.substance if not f.confirmatory)
    shown = frozenset[str]().union(*(shown_ids(group) for group in leads.values() if "appendix" not in without))
    for measure, group in grouped_by_measure(case.findings).items():
        blocks.append(Heading(text=measure_name(measure), level=3))
        for (verdict, where), members in _by_place(group, pages=pages, shown=shown).items():
            told = in_series(f"{f.id} {case.where(f) or everything()}" for f in members)
            text = _(
                "{verdict} (in “{section}”): {ids}", verdict=started(verdict_name(verdict)), section=where, ids=told
            )
            blocks.append(Text(text=text, style="small"))
    return tuple(blocks)


def _intro(case: Case) -> str:
    return _(
        "An evidence id is a digest of what a finding rests on: the model's weights, the suite, the items and the "
        "number. The same evidence gives the same id on any machine; findings.json holds everything under it. Tables "
        "print its first {n} characters, which tell all findings of this run apart.",
        n=case.id_length,
    )


def _by_place(
    group: Sequence[Finding], *, pages: Collection[str], shown: Collection[str]
) -> Mapping[tuple[Verdict, str], list[Finding]]:
    found: dict[tuple[Verdict, str], list[Finding]] = {}
    for finding in sorted(group, key=lambda f: (not f.confirmatory, STRENGTH.index(f.verdict))):
        place = _place(finding, pages=pages, shown=shown)
        found.setdefault((finding.verdict, place), []).append(finding)
    return found


def _place(finding: Finding, *, pages: Collection[str], shown: Collection[str]) -> str:
    """Where the report tells a finding; `shown` are the leads in the tables of the appendix."""
    if finding.id in pages:
        return _(PAGES)
    if finding.measurement.measure in INSTRUMENT:
        return _(CHECKS)
    if finding.confirmatory:
        return _(ABSENT) if finding.verdict is Verdict.NO_EVIDENCE else _(OTHERS)
    return _(APPENDIX) if finding.id in shown else _("findings.json")
