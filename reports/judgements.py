"""What people say of the findings: agreement, judgements side by side, dissent in its own words, contests.

No section of a report without judgements. Everything here is read from `records.Judgements` by the statistics of
`audit.measures`; groups of fewer than three people are shown apart nowhere.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from audit import wording
from audit.errors import RunError
from audit.measures.agreement import Agreement, agreements, community_difference
from audit.measures.dissent import MinorityReport, Words, differences, minority_reports
from audit.measures.people import (
    CANNOT_SAY,
    JUDGEMENT,
    LEAST,
    NOT_SAID,
    SEVERITY,
    Prevalence,
    Question,
    answers,
    by_community,
    communities_apart,
    distributions,
    is_together,
    prevalence,
)
from audit.measures.severity import severity_association
from audit.records import ContestRecord, Estimate, Evidence, Finding, Judgements, Undefined, Voice
from audit.wording import N_, LanguageName, _, ngettext, said, spoken
from reports import judgement_charts
from reports.blocks import Block, Column, Columns, Facts, Group, Heading, Picture, Quote, Table, Text
from reports.case import Case, title_of
from reports.chart_tables import bar_counts
from reports.judgement_charts import Bars, Interval
from reports.text import is_legible, isolated
from reports.typesetting.bidi import FSI, PDI
from reports.typesetting.breaks import graphemes
from reports.words import (
    NO_NUMBER,
    between,
    count,
    in_row,
    in_series,
    interval,
    level_of,
    listed,
    named,
    number,
    p_value,
    percent,
    started,
    together,
)

TITLE = N_("What people say")
CONTESTED = N_("Contested: {sentence}")
MOST_BARS = 8  # communities in the picture of one finding
MOST_IN_TABLE = 150
MOST_DISSENT = 60  # further findings whose dissent is quoted
STEPS = {
    # i18n: this and the next: what happened to a contest, that is to an objection against a finding
    "file": N_("filed"),
    "admit": N_("admitted"),
    "refuse": N_("refused"),
    "answer": N_("answered"),
    "take": N_("taken to decide"),
    "uphold": N_("upheld"),
    "uphold in part": N_("upheld in part"),
    "reject": N_("rejected"),
    "appeal": N_("appealed"),
    "withdraw": N_("withdrawn"),
    "deadline passed": N_("deadline passed"),
}
STATES = {  # of a contest
    "filed": N_("filed, not yet admitted"),
    "refused": N_("refused"),
    "admitted": N_("admitted"),
    "answered": N_("answered"),
    "unanswered": N_("not answered in time, to be decided all the same"),
    "upheld": N_("upheld"),
    "partly": N_("upheld in part"),
    "rejected": N_("rejected"),
    "appealed": N_("appealed, the board decides"),
    "withdrawn": N_("withdrawn"),
}
ANSWERS = {  # to the questions that people are asked
    # i18n: what a person thinks of a finding
    "agree": N_("agree"),
    # i18n: a person agrees with a finding in part
    "partly": N_("partly"),
    "disagree": N_("disagree"),
    "cannot say": N_("cannot say"),
    "not said": N_("not said"),
}
QUESTIONS = {
    # i18n: what people are asked: whether the finding is right
    "judgement": N_("judgement"),
    # i18n: what people are asked: how much harm they think it does
    "severity": N_("severity"),
}


DIFFERENCE = {  # whether communities differ: what is said of each question
    "judgement": {
        "undefined": N_("Whether communities judge findings differently cannot be said: {reason}."),
        "further": N_(
            "Communities judge findings differently: two people of different communities lie {share} of the scale "
            "further apart than two of the same one ({bounds})."
        ),
        "closer": N_(
            "Communities judge findings differently: two people of different communities lie {share} of the scale "
            "closer together than two of the same one ({bounds})."
        ),
        "none": N_(
            "No systematic difference was found in how communities judge findings: two people of different communities "
            "lie {share} of the scale further apart than two of the same one ({bounds})."
        ),
    },
    "severity": {
        "undefined": N_("Whether communities rate the severity of findings differently cannot be said: {reason}."),
        "further": N_(
            "Communities rate the severity of findings differently: two people of different communities lie {share} of "
            "the scale further apart than two of the same one ({bounds})."
        ),
        "closer": N_(
            "Communities rate the severity of findings differently: two people of different communities lie {share} of "
            "the scale closer together than two of the same one ({bounds})."
        ),
        "none": N_(
            "No systematic difference was found in how communities rate the severity of findings: two people of "
            "different communities lie {share} of the scale further apart than two of the same one ({bounds})."
        ),
    },
}


@dataclass(frozen=True)
class Room:
    """How many people of one side of a finding are quoted, and how much of a comment."""

    people: int
    characters: int


FULL, PAGE = Room(people=12, characters=900), Room(people=2, characters=180)


# --- marks elsewhere in the report -------------------------------------------------------------


def marked(findings: Iterable[Finding], judgements: Judgements | None) -> tuple[Finding, ...]:
    """The findings with a mark before the sentence of each one that is contested, and a caveat that says since when."""
    open_ = {c.finding: c for c in judgements.contests if c.open} if judgements is not None else {}
    return tuple(
        replace(f, sentence=said(CONTESTED, sentence=f.sentence), caveats=(*f.caveats, _caveat(open_[f.id])))
        if f.id in open_
        else f
        for f in findings
    )


def _caveat(contest: ContestRecord) -> str:
    values = {"state": said(STATES.get(contest.state, contest.state)), "section": said(TITLE)}
    filed = contest.steps[0][1] if contest.steps else ""
    if filed and contest.due:
        text = N_("Contested: the contest, filed {filed}, is {state}; next step due {due}. See “{section}”.")
        return said(text, **values, filed=filed, due=contest.due)
    if filed:
        return said(N_("Contested: the contest, filed {filed}, is {state}. See “{section}”."), **values, filed=filed)
    if contest.due:
        text = N_("Contested: the contest is {state}; next step due {due}. See “{section}”.")
        return said(text, **values, due=contest.due)
    return said(N_("Contested: the contest is {state}. See “{section}”."), **values)


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


# --- the section -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What the parts of the section read, and the pages of single findings."""

    case: Case
    judgements: Judgements  # of findings that the report has
    gone: int  # judgements of findings that it has not

    @classmethod
    def of(cls, case: Case, judgements: Judgements) -> Told:
        """What the judgements say of the findings that the report has."""
        known = {f.id for f in case.findings}
        voices = tuple(v for v in judgements.voices if v.finding in known)
        contests = tuple(c for c in judgements.contests if c.finding in known)
        kept = replace(judgements, voices=voices, contests=contests)
        return cls(case, kept, len(judgements.voices) - len(voices))

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Judgements of findings that the report has."""
        return self.judgements.voices

    @functools.cached_property
    def findings(self) -> Mapping[str, Finding]:
        """By id."""
        return {f.id: f for f in self.case.findings}

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """Answers by finding and community."""
        return distributions(self.judgements)

    @functools.cached_property
    def prevalence(self) -> Mapping[str, tuple[Prevalence, ...]]:
        """Whether people say that it exists where they live, by finding."""
        found: dict[str, tuple[Prevalence, ...]] = {}
        for entry in prevalence(self.judgements):
            found[entry.finding] = (*found.get(entry.finding, ()), entry)
        return found

    @functools.cached_property
    def minorities(self) -> tuple[MinorityReport, ...]:
        """Findings on which somebody differs."""
        return minority_reports(self.judgements)

    def name(self, community: str) -> str:
        """A community as its people write it, where the faces can draw it; otherwise its id."""
        if is_together(community):
            return _("other communities together")
        name = self.judgements.communities.get(community, community)
        return isolated(name) if self.case.can_draw(name) else self.case.spelled_out(community)


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
        *_contests(told),
        *_agreement(told),
        *_severity(told),
        *_findings(told, pages),
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


# --- contests ----------------------------------------------------------------------------------


def _contests(told: Told) -> tuple[Block, ...]:
    contests = sorted(told.judgements.contests, key=lambda c: (not c.open, c.steps[0][1] if c.steps else "", c.id))
    head = Heading(text=_("Contests"), level=2)
    if not contests:
        return (head, Text(text=_("No finding of this run has been contested.")))
    open_ = sum(c.open for c in contests)
    text = ngettext(
        "{n} contest, of which {open} admitted and not yet decided. A finding with such a contest is marked "
        "“Contested” wherever this report lists it.",
        "{n} contests, of which {open} admitted and not yet decided. A finding with such a contest is marked "
        "“Contested” wherever this report lists it.",
        len(contests),
        open=open_,
    )
    return (head, Text(text=text), *(block for contest in contests for block in _contest(told, contest)))


def _contest(told: Told, contest: ContestRecord) -> tuple[Block, ...]:
    finding = told.findings[contest.finding]
    known = contest.community in told.judgements.communities and not is_together(contest.community)
    # i18n: {id} is the number of a contest
    name = _("Contest {id}", id=contest.id[:8])
    who = " · ".join([name, *([told.name(contest.community)] if known else [])])
    due = [_("next step due {date}", date=contest.due)] if contest.due else []
    lines = tuple(
        (f"{when} · {step_name(step)}", _words(told, words, language="")) for step, when, words in contest.steps
    )
    languages = tuple("" if words else wording.language() for _step, _when, words in contest.steps)
    title = named(who, in_series([_state(contest), *due]))
    return (Group(blocks=(Text(text=spoken(finding.sentence)), Quote(title=title, lines=lines, languages=languages))),)


def _state(contest: ContestRecord) -> str:
    return _(STATES.get(contest.state, contest.state))


def step_name(step: str) -> str:
    """What happened to a contest."""
    return _(STEPS.get(step, step))


# --- agreement ---------------------------------------------------------------------------------


def _agreement(told: Told) -> tuple[Block, ...]:
    found = [a for a in agreements(told.judgements) if a.metric == "ordinal"]
    blocks: list[Block] = [
        Heading(text=_("Do people agree?"), level=2),
        Text(
            text=_(
                "Alpha is 1 where people always give the same answer, 0 where they agree no more than by chance, and "
                "below 0 where they contradict each other (Krippendorff; answers in their order). Within: any two "
                "people of one community. Between: one of each of two communities. Low agreement is no fault of "
                "anybody's: it says that the question has more than one answer."
            )
        ),
    ]
    dots = tuple(
        Interval(
            label=_who(told, a),
            panel=started(_(QUESTIONS[a.question])),
            kind="between" if a.other else "within",
            value=a.result.value,
            low=a.result.low,
            high=a.result.high,
        )
        for a in found
        if isinstance(a.result, Estimate)
    )
    if dots:
        blocks.append(Picture(draw=functools.partial(judgement_charts.agreement, dots), alt=_agreement_alt(dots)))
    blocks += [_agreement_table(told, found), *_no_agreement(told, found)]
    blocks += [Text(text=_difference_text(told, question)) for question in (JUDGEMENT, SEVERITY)]
    return tuple(blocks)


def _who(told: Told, agreement: Agreement) -> str:
    if not agreement.community:
        return everybody()
    if agreement.other:
        return f"{told.name(agreement.community)} – {told.name(agreement.other)}"
    return told.name(agreement.community)


def everybody() -> str:
    """All who judged, whatever their community."""
    return _("everybody")


def _agreement_alt(dots: Sequence[Interval]) -> str:
    kinds = {dot.kind for dot in dots}
    text = _("Agreement (alpha) with its 95 % interval. Dashed line: chance.")
    return together(text, _("Hollow: between two communities.") if "between" in kinds else "")


def _agreement_table(told: Told, found: Sequence[Agreement]) -> Table:
    columns = (
        Column(title=_("Who"), width=3),
        Column(title=_("People"), width=0.9, align="right"),
        Column(title=_("Judgement: alpha"), width=1.3, align="right"),
        Column(title=_("95 % interval"), width=1.8, align="right"),
        Column(title=_("Findings"), width=1, align="right"),
        Column(title=_("Severity: alpha"), width=1.3, align="right"),
        Column(title=_("95 % interval"), width=1.8, align="right"),
    )
    rows: dict[tuple[str, str], dict[str, Agreement]] = {}
    for agreement in found:
        rows.setdefault((agreement.community, agreement.other), {})[agreement.question] = agreement
    return Table(columns=columns, rows=tuple(_agreement_row(told, by) for by in rows.values()))


def _agreement_row(told: Told, by: Mapping[str, Agreement]) -> tuple[str, ...]:
    any_ = next(iter(by.values()))
    judged, severe = (by.get(q.name) for q in (JUDGEMENT, SEVERITY))
    n = judged.result.n_clusters if judged is not None and isinstance(judged.result, Estimate) else None
    people = any_.people
    return (
        _who(told, any_),
        NO_NUMBER if people is None else count(people),
        *_alpha_cells(judged),
        NO_NUMBER if n is None else count(n),
        *_alpha_cells(severe),
    )


def _alpha_cells(agreement: Agreement | None) -> tuple[str, str]:
    if agreement is None or isinstance(agreement.result, Undefined):
        return _("undefined"), NO_NUMBER
    return number(agreement.result.value, decimals=2), interval(agreement.result, decimals=2)


def _no_agreement(told: Told, found: Sequence[Agreement]) -> list[Block]:
    """Each reason for a missing number once, with the rows that it holds for; and how intervals were made."""
    reasons: dict[str, list[str]] = {}
    for agreement in found:
        if isinstance(agreement.result, Undefined):
            row = f"{_who(told, agreement)} ({_(QUESTIONS[agreement.question])})"
            reasons.setdefault(agreement.result.reason, []).append(row)
    methods = sorted({a.result.method for a in found if isinstance(a.result, Estimate)})
    texts = [
        _("Undefined: {reason} ({rows}).", reason=spoken(reason), rows=in_series(rows))
        for reason, rows in reasons.items()
    ]
    texts += [_("Intervals: {methods}.", methods=in_series(map(spoken, methods[:4])))] if methods else []
    return [Text(text=text, style="small") for text in texts]


def _difference_text(told: Told, question: Question) -> str:
    found = community_difference(told.judgements, question=question)
    messages = DIFFERENCE[question.name]
    if isinstance(found, Undefined):
        return _(messages["undefined"], reason=spoken(found.reason))
    bounds = _(
        "{level} interval {bounds}, {p}",
        level=level_of(found),
        bounds=between(percent(found.low), percent(found.high)),
        p=_p(found.p_value),
    )
    if found.p_value is not None and found.p_value <= 1 - found.level:
        which = "further" if found.value >= 0 else "closer"
        return _(messages[which], share=percent(abs(found.value)), bounds=bounds)
    return _(messages["none"], share=percent(found.value), bounds=bounds)


# --- severity ----------------------------------------------------------------------------------


def _p(p: float | None) -> str:
    """A p value within a sentence, never broken over two lines."""
    printed = p_value(p)
    words = f"p < {printed[1:]}" if printed.startswith("<") else f"p = {printed}"
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def _severity(told: Told) -> tuple[Block, ...]:
    named = communities_apart(answers(told.judgements, SEVERITY))
    found = {c: severity_association(told.judgements, told.case.findings, community=c) for c in ("", *named)}
    text = _(
        "Do people find those findings worse that the audit measured as stronger? Compared are pairs of findings that "
        "one person judged and whose sizes compare (same measure and unit, for effects in nats the same language). "
        "Concordance: how many more of these pairs have the stronger finding called worse than called less bad; 1 is "
        "always, 0 is no connection."
    )
    head = (Heading(text=_("Severity and measured strength"), level=2), Text(text=text))
    if all(isinstance(result, Undefined) for result in found.values()):
        pooled = found[""]
        assert isinstance(pooled, Undefined)
        return (*head, Text(text=_("It cannot be said: {reason}.", reason=spoken(pooled.reason))))
    columns = (
        Column(title=_("Who"), width=3),
        Column(title=_("Concordance"), width=1.4, align="right"),
        Column(title=_("95 % interval"), width=2, align="right"),
        Column(title="p", width=1, align="right"),
        Column(title=_("Findings"), width=1, align="right"),
        Column(title=_("Pairs"), width=1, align="right"),
    )
    rows = tuple(_severity_row(told, community, result) for community, result in found.items())
    reasons = [
        Text(
            text=_(
                "Undefined: {reason} ({rows}).",
                reason=spoken(result.reason),
                rows=told.name(c) if c else everybody(),
            ),
            style="small",
        )
        for c, result in found.items()
        if isinstance(result, Undefined)
    ]
    return (*head, Table(columns=columns, rows=rows), *reasons)


def _severity_row(told: Told, community: str, result: Estimate | Undefined) -> tuple[str, ...]:
    who = told.name(community) if community else everybody()
    if isinstance(result, Undefined):
        return (who, _("undefined"), *[NO_NUMBER] * 4)
    value, bounds = number(result.value, decimals=2), interval(result, decimals=2)
    return (who, value, bounds, p_value(result.p_value), count(result.n_clusters), count(result.n_items))


# --- finding by finding ------------------------------------------------------------------------


def _findings(told: Told, pages: Collection[str]) -> tuple[Block, ...]:
    head = Heading(text=_("Finding by finding"), level=2)
    ids = list(dict.fromkeys(told.table["finding"]))
    if not ids:
        text = _("No finding was judged by {n} people, so no judgement is shown.", n=LEAST)
        return (head, Text(text=text))
    order = _order(told, ids)
    text = _(
        "The answers of each community stand on the page of each finding. Here are people's words: on contested "
        "findings first, then on those that communities judge differently, then by the share of people who differ."
    )
    blocks: list[Block] = [head, Text(text=text)]
    for id_ in order:
        quotes = _told_words(told, id_) if id_ in pages else []
        if quotes:
            finding = told.findings[id_]
            blocks += [
                Heading(text=f"{title_of(told.case, finding)} · {told.case.short_id(finding)}", level=3),
                *quotes,
            ]
    return (*blocks, *_other_findings(told, [id_ for id_ in order if id_ not in pages]))


def on_page(told: Told, finding: Finding) -> tuple[Block, ...]:
    """What people say of one finding, as much as its own page has room for; empty where fewer than three judged it."""
    rows = told.table[told.table["finding"] == finding.id]
    if not len(rows):
        return ()
    bars = tuple(_bars(told, row) for row in rows.to_dict("records"))
    drawn = functools.partial(judgement_charts.distributions, bars[:MOST_BARS])
    blocks: list[Block] = [
        Heading(text=_(TITLE), level=3),
        Picture(draw=judgement_charts.key, alt=_("What the colours stand for; numbers in the bars are people.")),
        Picture(draw=drawn, alt=_bars_alt(bars[:MOST_BARS]), data=bar_counts(bars)),
        *(Text(text=text, style="small") for text in (*_more_bars(bars), *_beside_bars(told, finding.id))),
    ]
    sides = [(quote,) for quote in _told_words(told, finding.id, room=PAGE)]
    return (Group(blocks=tuple(blocks)), *((Columns(columns=tuple(sides)),) if len(sides) > 1 else sum(sides, ())))


def contests_on_page(told: Told, finding: Finding) -> tuple[str, ...]:
    """Each contest of a finding: its state, who filed it, and the dates of its steps."""
    lines = []
    for contest in (c for c in told.judgements.contests if c.finding == finding.id):
        # i18n: what happened to a contest, and on which date
        steps = in_row(_("{step} {date}", step=step_name(step), date=when) for step, when, _words in contest.steps)
        known = contest.community in told.judgements.communities and not is_together(contest.community)
        by = told.name(contest.community) if known else ""
        parts = [in_row(part for part in (_state(contest), by) if part), steps]
        if contest.due:
            parts.append(_("next step due {date}", date=contest.due))
        lines.append(in_series(part for part in parts if part))
    return tuple(lines)


def _more_bars(bars: Sequence[Bars]) -> list[str]:
    left = len(bars) - MOST_BARS
    return (
        [ngettext("{n} more community is in the desk.", "{n} more communities are in the desk.", left)]
        if left > 0
        else []
    )


def _beside_bars(told: Told, id_: str) -> list[str]:
    """Who judges the finding otherwise than the others, and where people say that it exists."""
    texts = _differs_text(told, next((r for r in told.minorities if r.finding == id_), None))
    where = told.prevalence.get(id_, ())
    if where:
        shares = in_series(_prevalence_words(told, entry) for entry in where)
        # i18n: how many people say that the stereotype is common, or that some hold it, where they live
        texts.append(_("“Common” or “some” where they live (95 % interval): {shares}.", shares=shares))
    return texts


def _told_words(told: Told, id_: str, *, room: Room = FULL) -> list[Quote]:
    """People's words on a finding: those who differ beside the others."""
    report = next((r for r in told.minorities if r.finding == id_), None)
    return _quotes(told, report, room) if report is not None else _agreed(told, id_, room)


def _order(told: Told, ids: Sequence[str]) -> list[str]:
    minorities = {report.finding: place for place, report in enumerate(told.minorities)}
    return sorted(ids, key=lambda id_: (id_ not in told.case.contested, minorities.get(id_, len(minorities))))


def _bars(told: Told, row: Mapping[Hashable, object]) -> Bars:
    def people(column: str) -> int:
        return int(str(row[column]))

    return Bars(
        label=_short_name(told, str(row["community"])),
        people=people("people"),
        judged={value: people(value) for value in (*reversed(JUDGEMENT.values), CANNOT_SAY)},
        severe={value: people(f"severity {value}") for value in (*SEVERITY.values, NOT_SAID)},
    )


def _short_name(told: Told, community: str) -> str:
    # i18n: several small communities together
    return _("others") if is_together(community) else told.name(community)


def _bars_alt(bars: Sequence[Bars]) -> str:
    return together(
        *(
            # i18n: a community, its number of people, and how many of them gave which answer
            _("{community} ({people}): {answers}.", community=b.label, people=b.people, answers=_counted(b.judged))
            for b in bars
        )
    )


def _counted(judged: Mapping[str, int]) -> str:
    # i18n: so many people gave an answer, as in "4 agree"
    return in_row(_("{n} {answer}", n=n, answer=answer_name(value)) for value, n in judged.items() if n)


def answer_name(value: str) -> str:
    """One of the answers that people give."""
    return _(ANSWERS.get(value, value))


def _differs_text(told: Told, report: MinorityReport | None) -> list[str]:
    if report is None or not report.communities:
        return []
    return [
        ngettext(
            "{community} judges this finding otherwise than everybody else (adjusted {p}; the only comparison of a "
            "community with the rest).",
            "{community} judges this finding otherwise than everybody else (adjusted {p}; one of {n} comparisons of a "
            "community with the rest).",
            _tested(told),
            community=told.name(d.community),
            p=_p(d.p_adjusted),
        )
        for d in report.communities
    ]


def _tested(told: Told) -> int:
    return sum(not isinstance(d.p_value, Undefined) for d in differences(told.judgements))


def _prevalence_words(told: Told, entry: Prevalence) -> str:
    exists = entry.counts["some"] + entry.counts["common"]
    # i18n: so many of all who live in a region, with the interval of the share, as in "Kano 3 of 5 (20 % to 90 %)"
    return _(
        "{region} {part} of {whole} ({interval})",
        region=_region(told, entry.region),
        part=exists,
        whole=entry.result.n_items,
        interval=between(percent(entry.result.low), percent(entry.result.high)),
    )


def _region(told: Told, region: str) -> str:
    if not region:
        return _("region not told")
    if is_together(region):
        return _("other regions together")
    return isolated(region) if told.case.can_draw(region) else told.case.spelled_out(region)


def _quotes(told: Told, report: MinorityReport, room: Room) -> list[Quote]:
    sides: tuple[tuple[str, tuple[Words, ...]], ...]
    if report.most:
        sides = (
            (_("Who differs"), report.dissenting),
            (_("Who says what most say (“{answer}”)", answer=answer_name(report.most)), report.agreeing),
        )
    else:
        sides = ((_("No answer has most people; all in their own words"), report.dissenting),)
    return [_quote(told, title, words, room) for title, words in sides if any(w.comment for w in words)]


def _agreed(told: Told, id_: str, room: Room) -> list[Quote]:
    """Words on a finding where nobody differs."""
    words = tuple(
        Words(community=name, judgement=v.judgement, comment=v.comment, language=v.comment_language)
        for name, members in by_community([v for v in told.voices if v.finding == id_]).items()
        for v in members
        if v.comment
    )
    return [_quote(told, _("In their own words"), words, room)] if words else []


def _quote(told: Told, title: str, words: Sequence[Words], room: Room = FULL) -> Quote:
    voiced = [w for w in words if w.comment]
    silent = len(words) - len(voiced)
    lines = [
        (
            named(_short_name(told, w.community), answer_name(w.judgement)),
            _words(told, w.comment, language=w.language, room=room),
            w.language,
        )
        for w in voiced[: room.people]
    ]
    if len(voiced) > room.people:
        lines.append(("", _more_comments(len(voiced) - room.people, room), wording.language()))
    if silent:
        without = ngettext("{n} person without a comment.", "{n} people without a comment.", silent)
        lines.append(("", without, wording.language()))
    return Quote(
        title=named(title, ngettext("{n} person", "{n} people", len(words))),
        lines=tuple((name, words_) for name, words_, _language in lines),
        languages=tuple(language for *_line, language in lines),
    )


def _more_comments(n: int, room: Room) -> str:
    if room is PAGE:
        return ngettext(
            "{n} more comment: see “{section}”.", "{n} more comments: see “{section}”.", n, section=_(TITLE)
        )
    return ngettext(
        "{n} more comment stands in the desk and its export.", "{n} more comments stand in the desk and its export.", n
    )


def _words(told: Told, text: str, *, language: str, room: Room = FULL) -> str:
    """Somebody's words as they wrote them, in their script.

    Cut where long; signs without a face, such as emoji, spelled out; pointed to where the letters have none.
    """
    if not text:
        return _("(no words)")
    if not is_legible(text):
        where = (
            _(
                "original words in {language}: see the desk or its export. These faces do not draw the script.",
                language=LanguageName(language),
            )
            if language
            else _("original words: see the desk or its export. These faces do not draw the script.")
        )
        return f"{FSI}{where}{PDI}"
    most = room.characters
    if len(text) <= most:
        return told.case.spelled_out(text)
    end = max(i for i in graphemes(text[: most + 1]) if i <= most)
    cut = told.case.spelled_out(text[:end].rstrip())
    where = _(TITLE) if room is PAGE else _("the desk")
    left = ngettext(
        "… [cut here; {n} more character: see {where}]",
        "… [cut here; {n} more characters: see {where}]",
        len(text) - end,
        where=where,
    )
    return f"{cut} {FSI}{left}{PDI}"


def _other_findings(told: Told, ids: Sequence[str]) -> list[Block]:
    if not ids:
        return []
    rows = told.table[told.table["finding"].isin(set(ids))]
    place = {id_: n for n, id_ in enumerate(ids)}
    rows = rows.sort_values("finding", key=lambda column: column.map(place), kind="stable")
    columns = (
        Column(title=_("Finding"), width=4),
        Column(title=_("Community"), width=2.2),
        *(
            Column(title=started(answer_name(value)), width=1, align="right")
            for value in (*JUDGEMENT.values[::-1], CANNOT_SAY)
        ),
    )
    shown = tuple(
        (
            title_of(told.case, told.findings[str(row["finding"])]),
            _short_name(told, str(row["community"])),
            *(count(int(str(row[value]))) for value in (*JUDGEMENT.values[::-1], CANNOT_SAY)),
        )
        for row in rows.head(MOST_IN_TABLE).to_dict("records")
    )
    blocks: list[Block] = [Heading(text=_("Further findings"), level=3), Table(columns=columns, rows=shown)]
    if len(rows) > MOST_IN_TABLE:
        text = ngettext(
            "{n} more row is in the desk and its export.",
            "{n} more rows are in the desk and its export.",
            len(rows) - MOST_IN_TABLE,
        )
        blocks.append(Text(text=text, style="small"))
    return [*blocks, *_further_dissent(told, set(ids))]


def _further_dissent(told: Told, ids: set[str]) -> list[Block]:
    """Words of those who differ on findings that have no picture: one against all is not left out for being one."""
    voiced = [r for r in told.minorities if r.finding in ids and any(w.comment for w in r.dissenting)]
    if not voiced:
        return []
    blocks: list[Block] = [Heading(text=_("Who differs on them, in their own words"), level=3)]
    for report in voiced[:MOST_DISSENT]:
        title = title_of(told.case, told.findings[report.finding])
        if report.most:
            # i18n: a finding, and what most people say of it
            title = _("{finding} (most say “{answer}”)", finding=title, answer=answer_name(report.most))
        blocks.append(_quote(told, title, report.dissenting))
    if len(voiced) > MOST_DISSENT:
        text = ngettext(
            "Words of dissent on {n} more finding are in the desk and its export.",
            "Words of dissent on {n} more findings are in the desk and its export.",
            len(voiced) - MOST_DISSENT,
        )
        blocks.append(Text(text=text, style="small"))
    return blocks
