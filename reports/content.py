"""What the report says, as blocks made from evidence and findings alone.

A finding's sentence is printed as it stands. Everything that is said of the run as a whole is said in the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from audit.records import Evidence, Finding, Judgements
from audit.wording import N_, SOURCE, _, language
from reports.attachment import manifest_of
from reports.background import how_to_read, methods, what_they_do_not_mean
from reports.blocks import Document, Text
from reports.by_measure import appendix, checks, measure_sections
from reports.case import Case
from reports.circuits import circuit_pages
from reports.colophon import exclusions, licences, provenance, reproduction, run_manifest
from reports.contests import marked
from reports.evidence_index import evidence_index
from reports.features import feature_pages
from reports.finding_pages import Pages, finding_pages
from reports.glossary import glossary
from reports.judgements import fitting, front_of_people, people_pages
from reports.not_tested import not_tested
from reports.people import Told
from reports.summary import front, summary
from reports.words import in_row

# Details that a copy may leave out. What limits the findings is in every copy: checks, methods, what was not tested.
PARTS = {
    # i18n: parts of the report that a copy may leave out, within a list
    "circuits": N_("circuits inside the model"),
    "features": N_("features inside the model"),
    "items": N_("the items behind the findings"),
    "appendix": N_("the appendix of exploratory results"),
}


def report(
    evidence: Evidence,
    findings: tuple[Finding, ...],
    *,
    command: str,
    can_draw: Callable[[str], bool],
    spelled_out: Callable[[str], str],
    judgements: Judgements | None = None,
    without: Collection[str] = (),
    signed_by: str = "",
) -> Document:
    """The whole report, in the language in use.

    Args:
        evidence: of the run.
        findings: what it means, in the order to print.
        command: that makes the run again.
        can_draw: whether the medium can show a text as its readers write it.
        spelled_out: names the characters of a text that the medium cannot show.
        judgements: what people say of the findings; None where nobody was asked.
        without: names of PARTS that this copy does not have; its front says so.
        signed_by: who is to sign the file when it is complete; "" where nobody is named.

    Raises:
        RunError: the judgements are of another run.
    """
    judgements = fitting(evidence, judgements)
    case = Case(evidence, marked(findings, judgements), command, can_draw, spelled_out, judgements)
    told = None if judgements is None else Told.of(case, judgements)
    pages = Pages.of(case, told, with_items="items" not in without)
    model = evidence.manifest.model
    return Document(
        title=_("Audit of {model}", model=model.name),
        subtitle=_("Stereotypes, cultural knowledge and value frameworks, language by language"),
        # i18n: at the head of every page
        running=_("{model} · run {run}", model=model.name, run=evidence.manifest.run_id),
        language=language(),
        manifest=manifest_of(evidence, findings, judgements),
        front=(*front(case, signed_by=signed_by), *front_of_people(told), *_translated(), *_left_out(without)),
        blocks=(
            *summary(case),
            *how_to_read(),
            *finding_pages(pages),
            *people_pages(told, pages=pages.ids),
            *checks(case),
            *measure_sections(case),
            *(circuit_pages(case) if "circuits" not in without else ()),
            *(feature_pages(case) if "features" not in without else ()),
            *what_they_do_not_mean(case),
            *not_tested(case),
            *methods(case),
            *provenance(case),
            *exclusions(case),
            *run_manifest(case),
            *reproduction(case),
            *licences(case),
            *glossary(case, without=without),
            *(appendix(case) if "appendix" not in without else ()),
            *evidence_index(case, pages=pages.ids, without=without),
        ),
    )


def _translated() -> tuple[Text, ...]:
    """The line of the front that says whose words a report in another language than English is in."""
    if language() == SOURCE:
        return ()
    text = _(
        "This report's own sentences were translated from English by a machine, and no speaker of the language has "
        "reviewed them. Where the two differ, the English report holds."
    )
    return (Text(text=text, style="small"),)


def _left_out(without: Collection[str]) -> tuple[Text, ...]:
    """The line of the front that names what this copy does not have."""
    parts = [_(title) for name, title in PARTS.items() if name in without]
    if not parts:
        return ()
    text = _("Left out of this copy: {parts}. The full report has them.", parts=in_row(parts))
    return (Text(text=text, style="small"),)
