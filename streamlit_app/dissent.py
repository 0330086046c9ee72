"""Where people differ on a finding, in their own words; and where they say that a stereotype exists."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import streamlit as st
from markupsafe import Markup

from audit.measures.dissent import Difference, MinorityReport, Words, differences, minority_reports
from audit.measures.people import (
    CANNOT_SAY,
    JUDGEMENT,
    NOT_SAID,
    SEVERITY,
    Prevalence,
    distributions,
    is_together,
    prevalence,
)
from audit.records import Finding, Judgements, Undefined
from streamlit_app import figures, frame, people_pictures, texts
from streamlit_app.app_pages.finding import JUDGEMENTS, SEVERITIES
from streamlit_app.shown import badge, block, of_finding, paragraph, put, said, table, words
from streamlit_app.texts import N_, _, ngettext

PER_PAGE = 5
MOST_WORDS = 12  # comments of one side that are shown; the others stand on the finding's page
SAID = (*reversed(JUDGEMENT.values), CANNOT_SAY)
EXISTS = {
    "common": N_("common"),
    "some": N_("some hold it"),
    "rare": N_("rare"),
    "absent": N_("absent"),
}


def group_name(told: Judgements, community: str) -> Markup | str:
    """A community's own name, or ours for small ones put together."""
    if is_together(community):
        return _("other communities")
    return words(told.communities.get(community, community))


# --- dissent ---------------------------------------------------------------------------------


def put_dissent(told: Judgements, spoken_of: Mapping[str, Finding], *, run: str) -> None:
    """Findings on which somebody differs: where a community does first, ten a page."""
    frame.section(_("Where people differ"))
    tested = [one for one in differences(told) if not isinstance(one.p_value, Undefined)]
    found = [one for one in minority_reports(told) if one.finding in spoken_of]
    put(
        paragraph(
            ngettext(
                "{n} finding is judged differently by somebody. One person who differs is enough to stand here.",
                "{n} findings are judged differently by somebody. One person who differs is enough to stand here.",
                len(found),
            )
        ),
        paragraph(
            ngettext(
                "Where a community differs from everybody else by more than chance is said below; {n} such comparison "
                "had enough people to show a difference, and false alarms are held to one in twenty.",
                "Where a community differs from everybody else by more than chance is said below; {n} such comparisons "
                "had enough people to show a difference, and false alarms are held to one in twenty.",
                len(tested),
            ),
            kind="quiet",
        ),
    )
    pages = -(-len(found) // PER_PAGE)
    current = min(int(st.session_state.get("dissent_page") or 1), max(pages, 1))
    table_ = distributions(told)
    for report in found[(current - 1) * PER_PAGE : current * PER_PAGE]:
        counted = table_[table_["finding"] == report.finding]
        with st.container(border=True):
            _put_report(told, report, spoken_of[report.finding], counted.to_dict("records"), run=run)
    if pages > 1:
        st.pagination(pages, key="dissent_page", persist_state="session")


def _put_report(
    told: Judgements,
    report: MinorityReport,
    finding: Finding,
    counted: Sequence[Mapping[Hashable, object]],
    *,
    run: str,
) -> None:
    marks = [badge(_("A community differs"))] if report.communities else []
    put(
        Markup('<p class="desk-text">{} {}</p>').format(Markup(" ").join(marks), of_finding(finding.sentence)),
        *(paragraph_of(told, one) for one in report.communities),
        _counts(told, counted),
    )
    with st.expander(_("How much harm people see in it")):
        put(_severity(told, counted))
    left, right = st.columns(2)
    with left:
        put(_side(told, _("Who differs"), report.dissenting))
    with right:
        if report.most:
            title = _("Who says what most say ({judgement})", judgement=_(JUDGEMENTS[report.most]))
            put(_side(told, title, report.agreeing))
        else:
            put(paragraph(_("No answer has more people than each other one."), kind="quiet"))
    frame.link("finding", _("Open finding {id}", id=finding.id[:8]), run=run, id=finding.id)


def paragraph_of(told: Judgements, one: Difference) -> Markup:
    """One community that judges a finding otherwise."""
    return paragraph(
        _(
            "{community} judges this finding otherwise than everybody else. Chance alone would give as much with a "
            "probability of {chance}, corrected for all comparisons."
        ),
        community=group_name(told, one.community),
        chance=figures.chance(one.p_adjusted),
    )


def _counts(told: Judgements, counted: Sequence[Mapping[Hashable, object]]) -> Markup:
    """Counts by community, with a bar of the same numbers."""
    rows: list[tuple[str | Markup, ...]] = []
    for row in counted:
        counts = {name: int(str(row[name])) for name in SAID}
        community = group_name(told, str(row["community"]))
        rows.append((community, *(texts.number(n) for n in counts.values()), people_pictures.stacked(counts)))
    header = (_("Community"), *(_(JUDGEMENTS[name]) for name in SAID), _("The same as a bar"))
    return table(_("Judgements now, by community"), header, rows)


def _severity(told: Judgements, counted: Sequence[Mapping[Hashable, object]]) -> Markup:
    """How many of each community find it how harmful."""
    values = (*SEVERITY.values, NOT_SAID)
    rows: list[tuple[str | Markup, ...]] = [
        (
            group_name(told, str(row["community"])),
            *(texts.number(int(str(row[f"severity {value}"]))) for value in values),
        )
        for row in counted
    ]
    header = (_("Community"), *(_(word) for word in SEVERITIES), _("not said"))
    return table(_("How much harm people see in it now, by community"), header, rows)


def _side(told: Judgements, title: str, spoken: Sequence[Words]) -> Markup:
    """People's own words of one side; who gave none is counted."""
    with_words = [one for one in spoken if one.comment]
    silent = len(spoken) - len(with_words)
    parts = [Markup('<h4 style="font-size:1em;margin-block:.4rem;padding:0">{}</h4>').format(title)]
    for one in with_words[:MOST_WORDS]:
        who = said(
            _("{community}: {judgement}"),
            community=group_name(told, one.community),
            judgement=_(JUDGEMENTS[one.judgement]),
        )
        parts.append(
            Markup('<section class="desk-prompt"><p class="desk-label">{}</p>{}</section>').format(
                who, block(one.comment, language=one.language)
            )
        )
    if len(with_words) > MOST_WORDS:
        more = len(with_words) - MOST_WORDS
        parts.append(
            paragraph(
                ngettext(
                    "{n} more comment stands on the finding's page.",
                    "{n} more comments stand on the finding's page.",
                    more,
                ),
                kind="quiet",
            )
        )
    if silent:
        parts.append(
            paragraph(ngettext("{n} person without a comment", "{n} people without a comment", silent), kind="quiet")
        )
    return Markup("").join(parts)


# --- prevalence ------------------------------------------------------------------------------


def put_prevalence(told: Judgements, spoken_of: Mapping[str, Finding]) -> None:
    """By region: how many say that what the model does exists where they live."""
    frame.section(_("Does it exist where people live?"))
    found = [one for one in prevalence(told) if one.finding in spoken_of]
    if not found:
        put(paragraph(_("Fewer than three people have said so of any finding.")))
        return
    put(
        paragraph(
            _(
                "Of the people of a region who said whether it exists where they live: how many say that it is common "
                "or that some hold it. This is what these people see around them, not a survey of the region. Regions "
                "of fewer than three people are put together."
            )
        )
    )
    known = list(dict.fromkeys(one.finding for one in found))
    pages = -(-len(known) // PER_PAGE)
    current = min(int(st.session_state.get("prevalence_page") or 1), max(pages, 1))
    for finding in known[(current - 1) * PER_PAGE : current * PER_PAGE]:
        put(
            Markup('<p class="desk-text">{}</p>').format(of_finding(spoken_of[finding].sentence)),
            _by_region([one for one in found if one.finding == finding]),
        )
    if pages > 1:
        st.pagination(pages, key="prevalence_page", persist_state="session")


def _by_region(found: Sequence[Prevalence]) -> Markup:
    rows: list[tuple[str | Markup, ...]] = [
        (_region(one.region), *(texts.number(one.counts[name]) for name in EXISTS), figures.share(one.result))
        for one in found
    ]
    header = (_("Region"), *(_(word) for word in EXISTS.values()), _("Common or some, and its interval"))
    return table(_("Whether it exists where people live, by region"), header, rows)


def _region(region: str) -> Markup | str:
    if not region:
        return _("region not told")
    return _("other regions") if is_together(region) else words(region)
