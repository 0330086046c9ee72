"""What people say of the findings: agreement, judgements side by side, dissent in its own words, contests.

No section of a report without judgements. Everything here is read from `records.Judgements` by the statistics of
`audit.measures`; groups of fewer than three people are shown apart nowhere.
"""

from __future__ import annotations

from collections.abc import Collection

from audit.errors import RunError
from audit.measures.people import JUDGEMENT, LEAST, answers, communities_apart, is_together
from audit.records import Evidence, Judgements
from audit.wording import _, ngettext
from reports.blocks import Block, Facts, Heading, Text
from reports.contests import contest_pages
from reports.people import TITLE, Told
from reports.people_agreement import agreement_pages, severity_pages
from reports.people_words import finding_by_finding
from reports.words import (
    count,
    listed,
)


def fitting(evidence: Evidence, judgements: Judgements | None) -> Judgements | None:
    """The judgements, if they are of this run.

    Raises:
        RunError: they are of another one.
    """
    run = evidence.manifest.run_id
    if judgements is not None and judgements.run_id != run:
        raise RunError(
            f"report: the judgements are of run {judgements.run_id}, the evidence of run {run}; "
            "take the judgements of this run from the desk"
        )
    return judgements


def front_of_people(told: Told | None) -> tuple[Block, ...]:
    """The line of the title page that says how many people spoke, and what is contested."""
    if told is None:
        return ()
    n = len(told.voices)
    findings = len({v.finding for v in told.voices})
    contested = len(told.case.contested)
    spoke = _("{judgements} of {findings}", judgements=_judgements(n), findings=_findings_in_words(findings))
    marks = (
        ngettext(
            "{n} finding contested, marked wherever listed", "{n} findings contested, marked wherever listed", contested
        )
        if contested
        else _("none contested")
    )
    text = _("People: {spoke}; {contested}. See “{section}”.", spoke=spoke, contested=marks, section=_(TITLE))
    return (Text(text=text, style="small"),)


def _judgements(n: int) -> str:
    return ngettext("{n} judgement", "{n} judgements", n)


def _findings_in_words(n: int) -> str:
    return ngettext("{n} finding", "{n} findings", n)


def people_pages(told: Told | None, *, pages: Collection[str]) -> tuple[Block, ...]:
    """The section on judgements; empty for a report without them.

    Args:
        told: what the section reads; None where nobody was asked.
        pages: ids of findings that have a page of their own, with the answers of each community.
    """
    if told is None:
        return ()
    return (
        Heading(text=_(TITLE), level=1, new_page=True),
        *_lead(told),
        *contest_pages(told),
        *agreement_pages(told),
        *severity_pages(told),
        *finding_by_finding(told, pages),
    )


def _lead(told: Told) -> tuple[Block, ...]:
    judgements = told.judgements
    rows = [
        # i18n: until which event of the log what people say is counted
        (
            _("As of"),
            # i18n: {event} is a number that names an event, {hash} its digest
            _("event {event} of the desk's log, hash {hash}", event=str(judgements.as_of), hash=judgements.head)
            if judgements.head
            else _("event {event} of the desk's log, hash none", event=str(judgements.as_of)),
        ),
        (
            _("Judgements"),
            ngettext(
                "{judgements}, of {n} finding",
                "{judgements}, of {n} findings",
                len({v.finding for v in told.voices}),
                judgements=count(len(told.voices)),
            ),
        ),
        (_("Communities"), _communities(told)),
        (_("Withdrawn"), _withdrawn(judgements.withdrawn)),
    ]
    if told.gone:
        gone = ngettext(
            "{n} judgement of findings that this run no longer has",
            "{n} judgements of findings that this run no longer has",
            told.gone,
        )
        rows.append((_("Left out"), gone))
    texts = (
        _(
            "People judged the findings one by one, without seeing what others had said. Their answers are shown side "
            "by side and are never merged into one label: what most people say is not thereby right. A judgement says "
            "whether the reviewer agrees with the finding; severity, how much harm they think it does."
        ),
        ngettext(
            "A community of fewer than {n} person on a finding is shown together with others, or not at all. What "
            "people say now is shown; agreement and differences are computed from their first judgements, made before "
            "they saw anybody else's.",
            "A community of fewer than {n} people on a finding is shown together with others, or not at all. What "
            "people say now is shown; agreement and differences are computed from their first judgements, made before "
            "they saw anybody else's.",
            LEAST,
        ),
    )
    return (Facts(rows=tuple(rows)), *(Text(text=text) for text in texts))


def _communities(told: Told) -> str:
    table = answers(told.judgements, JUDGEMENT)
    people = table.groupby("community")["person"].nunique()
    shown = [f"{told.name(c)} ({count(int(people[c]))})" for c in communities_apart(table)]
    rest = any(is_together(v.community) or v.community not in people.index for v in told.voices) or len(people) > len(
        shown
    )
    return listed([*shown, *([_("smaller ones, together")] if rest else [])])


def _withdrawn(n: int) -> str:
    if not n:
        # i18n: no judgement was withdrawn
        return _("none")
    return ngettext(
        "{n} judgement was taken out because people withdrew their consent; no number here knows them",
        "{n} judgements were taken out because people withdrew their consent; no number here knows them",
        n,
    )
