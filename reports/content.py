"""What the report says, as blocks made from evidence and findings alone.

A finding's sentence is printed as it stands. Everything that is said of the run as a whole is said in the parts.
"""

from __future__ import annotations

from collections.abc import Callable

from audit.records import Evidence, Finding, Judgements
from reports.background import how_to_read, methods, what_they_do_not_mean
from reports.behind import evidence_pages
from reports.blocks import Document
from reports.by_measure import appendix, checks, measure_sections
from reports.case import Case
from reports.circuits import circuit_pages
from reports.colophon import exclusions, licences, provenance, reproduction, run_manifest
from reports.features import feature_pages
from reports.judgements import fitting, front_of_people, marked, people_pages
from reports.summary import front, summary


def report(
    evidence: Evidence,
    findings: tuple[Finding, ...],
    *,
    command: str,
    can_draw: Callable[[str], bool],
    spelled_out: Callable[[str], str],
    judgements: Judgements | None = None,
) -> Document:
    """The whole report.

    Args:
        evidence: of the run.
        findings: what it means, in the order to print.
        command: that makes the run again.
        can_draw: whether the medium can show a text as its readers write it.
        spelled_out: names the characters of a text that the medium cannot show.
        judgements: what people say of the findings; None where nobody was asked.

    Raises:
        RunError: the judgements are of another run.
    """
    judgements = fitting(evidence, judgements)
    case = Case(evidence, marked(findings, judgements), command, can_draw, spelled_out, judgements)
    model = evidence.manifest.model
    return Document(
        title=f"Audit of {model.name}",
        subtitle="Stereotypes, cultural knowledge and value frameworks, language by language",
        running=f"{model.name} · run {evidence.manifest.run_id}",
        front=(*front(case), *front_of_people(case)),
        blocks=(
            *summary(case),
            *how_to_read(),
            *people_pages(case),
            *checks(case),
            *measure_sections(case),
            *circuit_pages(case),
            *feature_pages(case),
            *evidence_pages(case, confirmatory=True, title="The items behind the findings"),
            *what_they_do_not_mean(case),
            *methods(case),
            *provenance(case),
            *exclusions(case),
            *run_manifest(case),
            *reproduction(case),
            *licences(case),
            *appendix(case),
        ),
    )
