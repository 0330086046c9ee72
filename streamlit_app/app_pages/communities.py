"""What communities say of a run, side by side: who judged, do they agree, where do they differ, who thinks alike.

Every number is the library's (audit.measures.people and its neighbours). Nothing is merged into one label.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TypeVar

import streamlit as st
from markupsafe import Markup

from audit.measures.agreement import Agreement, agreements, community_difference
from audit.measures.people import (
    JUDGEMENT,
    SEVERITY,
    Question,
    answers,
    communities_apart,
)
from audit.measures.severity import severity_association
from audit.records import Estimate, Finding, Judgements, Undefined
from audit.reviews import accounts, library, summary
from audit.reviews.library import RunView
from streamlit_app import dissent, figures, frame, opinions, people_pictures, texts
from streamlit_app.dissent import group_name
from streamlit_app.shown import paragraph, put, said, table, words
from streamlit_app.texts import N_, _, ngettext

READ = "judgements_read"  # key of the session's state: runs whose judgements this person asked to see
QUESTIONS = {JUDGEMENT: N_("Is the finding right?"), SEVERITY: N_("How much harm is it?")}
Told = TypeVar("Told")


def page() -> None:
    """The run in view, as communities see it."""
    frame.title(_("Communities"))
    run = frame.choose_run()
    if run is None:
        return
    put(
        paragraph(
            _(
                "People judged the findings one by one, without seeing what others had said. Here their answers stand "
                "side by side. Where people differ, nobody is outvoted: disagreement is a result."
            ),
            kind="lead",
        )
    )
    if not _may_be_shown(run):
        return
    told = summary.judgements_of(frame.db(), run.id, by=frame.me().id)
    if frame.me().communities():
        put(
            paragraph(
                _("You see the findings that you have judged or skipped yourself; more come as you judge."),
                kind="quiet",
            )
        )
    put_who(told)
    if not told.voices:
        return
    spoken_of = library.findings(frame.db(), run.id, {voice.finding for voice in told.voices}, by=frame.me().id)
    put_agreement(told)
    put_difference(told)
    dissent.put_dissent(told, spoken_of, run=run.id)
    put_severity(told, spoken_of)
    dissent.put_prevalence(told, spoken_of)
    opinions.put_map(told, spoken_of)


def _may_be_shown(run: RunView) -> bool:
    """Whether somebody who never judges asked to see the judgements: that they have read them is written down."""
    if frame.me().communities():
        return True
    asked = st.session_state.setdefault(READ, set())
    if run.id not in asked:
        put(
            paragraph(
                _(
                    "Reading what people said is written down: whoever has read it cannot judge findings of this run "
                    "later."
                )
            )
        )
        if st.button(_("Show what people said")):
            asked.add(run.id)
            st.rerun()
    return run.id in asked


# --- who -------------------------------------------------------------------------------------


def put_who(told: Judgements) -> None:
    """How many people of each community judged, and of how many findings."""
    frame.section(_("Who has judged"))
    if not told.voices:
        put(paragraph(_("Nothing can be shown yet: no finding has been judged by three people or more.")))
        return
    apart = communities_apart(answers(told, JUDGEMENT))
    voices = {one: [voice for voice in told.voices if voice.community == one] for one in apart}
    rows: list[tuple[str | Markup, ...]] = [
        (
            group_name(told, one),
            texts.number(len({voice.person for voice in said_by})),
            texts.number(len({voice.finding for voice in said_by})),
            texts.number(len(said_by)),  # who cannot say has judged too, as in the report
        )
        for one, said_by in voices.items()
    ]
    few = [one for one in accounts.communities(frame.db(), by=frame.me().id) if one.id not in apart]
    rows += [(words(one.name), _("fewer than three shown apart"), "–", "–") for one in few]
    put(
        table(_("People who judged"), (_("Community"), _("People"), _("Findings"), _("Judgements")), rows),
        paragraph(
            _(
                "Where fewer than three people of a community judged a finding, they are shown together with others, "
                "so that nobody can be recognised."
            ),
            kind="quiet",
        ),
    )
    if told.withdrawn:
        put(
            paragraph(
                ngettext(
                    "{n} judgement was taken out because its author withdrew; no number here knows it.",
                    "{n} judgements were taken out because their authors withdrew; no number here knows them.",
                    told.withdrawn,
                ),
                kind="quiet",
            )
        )


# --- agreement -------------------------------------------------------------------------------


def put_agreement(told: Judgements) -> None:
    """Agreement within each community and between each two: number, interval, and what it means."""
    frame.section(_("Do people agree?"))
    put(
        paragraph(
            _(
                "Agreement (Krippendorff's alpha) is 1 where people always give the same answer, 0 where they agree no "
                "more than chance would have it, and below 0 where they contradict each other. Low agreement is no "
                "fault of anybody's: it says that the question has more than one answer. The numbers rest on first "
                "judgements only, made before anybody saw what others said."
            )
        )
    )
    found = [one for one in agreements_of(Kept(told)) if one.metric == "ordinal"]
    for question, title in QUESTIONS.items():
        rows = [one for one in found if one.question == question.name]
        frame.section(_(title), level=3)
        drawn = people_pictures.agreement_chart([(_who(told, one), one) for one in rows])
        if drawn is not None:
            st.altair_chart(drawn[0], alt=drawn[1], theme=None)
        put(_agreement_table(told, rows, title=_(title)))


def _agreement_table(told: Judgements, rows: list[Agreement], *, title: str) -> Markup:
    cells: list[tuple[str | Markup, ...]] = [
        (
            _who(told, one),
            "–" if one.people is None else texts.number(one.people),
            texts.number(one.result.n_clusters) if isinstance(one.result, Estimate) else "–",
            figures.with_interval(one.result),
            meaning(one),
        )
        for one in rows
    ]
    header = (_("Who"), _("People"), _("Findings"), _("Agreement and its interval"), _("What it means"))
    return table(_("Agreement: {question}", question=title), header, cells)


def _who(told: Judgements, one: Agreement) -> Markup | str:
    if not one.community:
        return _("Everybody")
    first = group_name(told, one.community)
    if not one.other:
        return said(_("Within {community}"), community=first)
    return said(_("Between {community} and {other}"), community=first, other=group_name(told, one.other))


def meaning(one: Agreement) -> str:
    """What the number allows one to say. The bounds 0.8 and 0.667 are those that Krippendorff gives."""
    result = one.result
    if isinstance(result, Undefined):
        return _("Too little was judged to say whether they agree.")
    if result.high < 0:
        return _("They contradict each other more than chance would.")
    if result.low <= 0:
        return _("These judgements do not tell it from chance.")
    if result.value >= 0.8:
        return _("They nearly always answer alike.")
    if result.value >= 0.667:
        return _("They mostly answer alike.")
    if result.value >= 0.333:
        return _("They answer alike more often than not, and often differ.")
    return _("A little more alike than chance: they mostly differ.")


def put_difference(told: Judgements) -> None:
    """Does it matter which community one asks?"""
    frame.section(_("Does it matter which community is asked?"))
    put(
        paragraph(
            _(
                "How much further apart two people of different communities are than two of the same one, as a share "
                "of the whole scale: 0 is no difference. Chance: how often exchanging people between communities at "
                "random would give as much; a value below 0.05 is hard to put down to chance."
            )
        )
    )
    rows: list[tuple[str | Markup, ...]] = []
    for question, title in QUESTIONS.items():
        result = difference_of(Kept(told), question)
        seen = isinstance(result, Estimate)
        rows.append(
            (
                _(title),
                figures.with_interval(result),
                figures.chance(result.p_value) if isinstance(result, Estimate) else "–",
                _difference_meaning(result) if seen else _("It cannot be said yet."),
            )
        )
    header = (_("Question"), _("Further apart by"), _("Chance"), _("What it means"))
    put(table(_("Between communities against within them"), header, rows))


def _difference_meaning(result: Estimate | Undefined) -> str:
    if isinstance(result, Estimate) and result.p_value is not None and result.p_value <= 0.05:
        return _("Communities judge differently.")
    return _("No difference between communities was seen. With few people a real one is easily missed.")


# --- severity and what was measured ----------------------------------------------------------


def put_severity(told: Judgements, spoken_of: Mapping[str, Finding]) -> None:
    """Are findings that were measured as stronger felt to be worse?"""
    frame.section(_("Is what was measured as stronger felt to be worse?"))
    put(
        paragraph(
            _(
                "Pairs of findings that one person judged and that can be compared. 1: the stronger finding is always "
                "called worse; 0: severity has nothing to do with the measured strength; below 0: the weaker is called "
                "worse. The measure counts what the model does, people say what it does to them: the two need not go "
                "together."
            )
        )
    )
    scopes = ["", *communities_apart(answers(told, SEVERITY))]
    results = {one: association_of(Kept(told, findings=spoken_of), one) for one in scopes}
    rows: list[tuple[str | Markup, ...]] = [
        (
            group_name(told, one) if one else _("Everybody"),
            texts.number(result.n_items) if isinstance(result, Estimate) else "–",
            figures.with_interval(result),
            figures.chance(result.p_value) if isinstance(result, Estimate) else "–",
        )
        for one, result in results.items()
    ]
    header = (_("Who"), _("Pairs compared"), _("Concordance and its interval"), _("Chance"))
    put(table(_("Severity said by people and strength measured"), header, rows))


# --- computed once ---------------------------------------------------------------------------


class Kept:
    """Judgements as a key of the caches below: the same words of the same run are computed once, whoever reads them."""

    def __init__(self, told: Judgements, *, findings: Mapping[str, Finding] | None = None) -> None:
        self.told, self.findings = told, dict(findings or {})
        self._key = (told.run_id, told.voices, tuple(sorted(self.findings)))
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self._hash == other._hash and self._key == other._key

    def __hash__(self) -> int:
        return self._hash


@functools.lru_cache(maxsize=32)
def agreements_of(kept: Kept) -> tuple[Agreement, ...]:
    """See audit.measures.agreement."""
    return agreements(kept.told, metrics=("ordinal",))


@functools.lru_cache(maxsize=64)
def difference_of(kept: Kept, question: Question) -> Estimate | Undefined:
    """See audit.measures.agreement."""
    return community_difference(kept.told, question=question)


@functools.lru_cache(maxsize=128)
def association_of(kept: Kept, community: str) -> Estimate | Undefined:
    """See audit.measures.severity."""
    return severity_association(kept.told, tuple(kept.findings.values()), community=community)
