"""What people say of the findings: agreement, judgements side by side, dissent in its own words, contests.

No section of a report without judgements. Everything here is read from `records.Judgements` by the statistics of
`audit.measures`; groups of fewer than three people are shown apart nowhere.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

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
from audit.suites.languages import language_name
from audit.wording import _, ngettext
from reports import judgement_charts
from reports.blocks import Block, Bullets, Column, Columns, Facts, Group, Heading, Picture, Quote, Table, Text
from reports.case import Case, title_of
from reports.chart_tables import bar_counts
from reports.circuit_charts import percent
from reports.judgement_charts import Bars, Interval
from reports.text import is_legible, isolated
from reports.typesetting.bidi import LRI, PDI
from reports.typesetting.breaks import graphemes
from reports.words import humanised, in_row, in_series, interval, listed, number, p_value

TITLE = "What people say"
CONTESTED = "Contested: "
MOST_BARS = 8  # communities in the picture of one finding
MOST_IN_TABLE = 150
MOST_DISSENT = 60  # further findings whose dissent is quoted
STEPS = {
    "file": "filed",
    "admit": "admitted",
    "refuse": "refused",
    "answer": "answered",
    "take": "taken to decide",
    "uphold": "upheld",
    "uphold in part": "upheld in part",
    "reject": "rejected",
    "appeal": "appealed",
    "withdraw": "withdrawn",
}
MEANING = {
    "filed": "filed, not yet admitted",
    "unanswered": "not answered in time, to be decided all the same",
    "partly": "upheld in part",
    "appealed": "appealed, the board decides",
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
        replace(f, sentence=CONTESTED + f.sentence, caveats=(*f.caveats, _caveat(open_[f.id]))) if f.id in open_ else f
        for f in findings
    )


def _caveat(contest: ContestRecord) -> str:
    filed = f", filed {contest.steps[0][1]}," if contest.steps else ""
    due = f"; next step due {contest.due}" if contest.due else ""
    return f"Contested: the contest{filed} is {_state(contest)}{due}. See “{TITLE}”."


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
    text = f"People: {_many(n, 'judgement')} of {_many(findings, 'finding')}"
    contested = len(told.case.contested)
    text += f"; {_many(contested, 'finding')} contested, marked wherever listed" if contested else "; none contested"
    return (Text(text=f"{text}. See “{TITLE}”.", style="small"),)


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
            return "other communities together"
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
        Heading(text=TITLE, level=1, new_page=True),
        *_lead(told),
        *_contests(told),
        *_agreement(told),
        *_severity(told),
        *_findings(told, pages),
    )


def _lead(told: Told) -> tuple[Block, ...]:
    judgements = told.judgements
    rows = [
        ("As of", f"event {judgements.as_of} of the desk's log, hash {judgements.head or 'none'}"),
        ("Judgements", f"{len(told.voices)}, of {_many(len({v.finding for v in told.voices}), 'finding')}"),
        ("Communities", _communities(told)),
        ("Withdrawn", _withdrawn(judgements.withdrawn)),
    ]
    if told.gone:
        rows.append(("Left out", f"{_many(told.gone, 'judgement')} of findings that this run no longer has"))
    texts = (
        "People judged the findings one by one, without seeing what others had said. Their answers are shown side by "
        "side and are never merged into one label: what most people say is not thereby right. A judgement says whether "
        "the reviewer agrees with the finding; severity, how much harm they think it does.",
        f"A community of fewer than {LEAST} people on a finding is shown together with others, or not at all. What "
        "people say now is shown; agreement and differences are computed from their first judgements, made before they "
        "saw anybody else's.",
    )
    return (Facts(rows=tuple(rows)), *(Text(text=text) for text in texts))


def _communities(told: Told) -> str:
    table = answers(told.judgements, JUDGEMENT)
    people = table.groupby("community")["person"].nunique()
    shown = [f"{told.name(c)} ({int(people[c])})" for c in communities_apart(table)]
    rest = any(is_together(v.community) or v.community not in people.index for v in told.voices) or len(people) > len(
        shown
    )
    return listed([*shown, *(["smaller ones, together"] if rest else [])])


def _withdrawn(n: int) -> str:
    if not n:
        return "none"
    verb = "was" if n == 1 else "were"
    return f"{_many(n, 'judgement')} {verb} taken out because people withdrew their consent; no number here knows them"


# --- contests ----------------------------------------------------------------------------------


def _contests(told: Told) -> tuple[Block, ...]:
    contests = sorted(told.judgements.contests, key=lambda c: (not c.open, c.steps[0][1] if c.steps else "", c.id))
    head = Heading(text="Contests", level=2)
    if not contests:
        return (head, Text(text="No finding of this run has been contested."))
    open_ = sum(c.open for c in contests)
    text = (
        f"{_many(len(contests), 'contest')}, of which {open_} admitted and not yet decided. A finding with such a "
        "contest is marked “Contested” wherever this report lists it."
    )
    return (head, Text(text=text), *(block for contest in contests for block in _contest(told, contest)))


def _contest(told: Told, contest: ContestRecord) -> tuple[Block, ...]:
    finding = told.findings[contest.finding]
    due = f"; next step due {contest.due}" if contest.due else ""
    known = contest.community in told.judgements.communities
    by = f" · {told.name(contest.community)}" if known and not is_together(contest.community) else ""
    lines = tuple(
        (f"{when} · {STEPS.get(step, step)}", _words(told, words, language="")) for step, when, words in contest.steps
    )
    languages = tuple("" if words else "en" for _, _, words in contest.steps)
    first: list[Heading | Text | Bullets | Facts | Quote] = [Text(text=finding.sentence)]
    return (
        Group(
            blocks=(
                *first,
                Quote(title=f"Contest {contest.id[:8]}{by}: {_state(contest)}{due}", lines=lines, languages=languages),
            )
        ),
    )


def _state(contest: ContestRecord) -> str:
    return MEANING.get(contest.state, contest.state)


# --- agreement ---------------------------------------------------------------------------------


def _agreement(told: Told) -> tuple[Block, ...]:
    found = [a for a in agreements(told.judgements) if a.metric == "ordinal"]
    blocks: list[Block] = [
        Heading(text="Do people agree?", level=2),
        Text(
            text="Alpha is 1 where people always give the same answer, 0 where they agree no more than by chance, and "
            "below 0 where they contradict each other (Krippendorff; answers in their order). Within: any two people "
            "of one community. Between: one of each of two communities. Low agreement is no fault of anybody's: it "
            "says that the question has more than one answer."
        ),
    ]
    dots = tuple(
        Interval(
            label=_who(told, a),
            panel=humanised(a.question),
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
        return "everybody"
    if agreement.other:
        return f"{told.name(agreement.community)} – {told.name(agreement.other)}"
    return told.name(agreement.community)


def _agreement_alt(dots: Sequence[Interval]) -> str:
    kinds = {dot.kind for dot in dots}
    text = "Agreement (alpha) with its 95 % interval. Dashed line: chance."
    return text + (" Hollow: between two communities." if "between" in kinds else "")


def _agreement_table(told: Told, found: Sequence[Agreement]) -> Table:
    columns = (
        Column(title="Who", width=3),
        Column(title="People", width=0.9, align="right"),
        Column(title="Judgement: alpha", width=1.3, align="right"),
        Column(title="95 % interval", width=1.8, align="right"),
        Column(title="Findings", width=1, align="right"),
        Column(title="Severity: alpha", width=1.3, align="right"),
        Column(title="95 % interval", width=1.8, align="right"),
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
        "–" if people is None else str(people),
        *_alpha_cells(judged),
        "–" if n is None else str(n),
        *_alpha_cells(severe),
    )


def _alpha_cells(agreement: Agreement | None) -> tuple[str, str]:
    if agreement is None or isinstance(agreement.result, Undefined):
        return "undefined", "–"
    return number(agreement.result.value, decimals=2), interval(agreement.result, decimals=2)


def _no_agreement(told: Told, found: Sequence[Agreement]) -> list[Block]:
    """Each reason for a missing number once, with the rows that it holds for; and how intervals were made."""
    reasons: dict[str, list[str]] = {}
    for agreement in found:
        if isinstance(agreement.result, Undefined):
            reasons.setdefault(agreement.result.reason, []).append(f"{_who(told, agreement)} ({agreement.question})")
    methods = sorted({a.result.method for a in found if isinstance(a.result, Estimate)})
    texts = [f"Undefined: {reason} ({'; '.join(rows)})." for reason, rows in reasons.items()]
    texts += [f"Intervals: {'; '.join(methods[:4])}."] if methods else []
    return [Text(text=text, style="small") for text in texts]


def _difference_text(told: Told, question: Question) -> str:
    found = community_difference(told.judgements, question=question)
    what = "judge" if question is JUDGEMENT else "rate the severity of"
    if isinstance(found, Undefined):
        return f"Whether communities {what} findings differently cannot be said: {found.reason}."
    bounds = f"95 % interval {percent(found.low)} to {percent(found.high)}, {_p(found.p_value)}"
    if found.p_value is not None and found.p_value <= 1 - found.level:
        further = "further apart" if found.value >= 0 else "closer together"
        return (
            f"Communities {what} findings differently: two people of different communities lie "
            f"{percent(abs(found.value))} of the scale {further} than two of the same one ({bounds})."
        )
    return (
        f"No systematic difference was found in how communities {what} findings: two people of different communities "
        f"lie {percent(found.value)} of the scale further apart than two of the same one ({bounds})."
    )


# --- severity ----------------------------------------------------------------------------------


def _p(p: float | None) -> str:
    """A p value within a sentence, never broken over two lines."""
    printed = p_value(p)
    words = f"p {printed[0]} {printed[1:]}" if printed.startswith("<") else f"p = {printed}"
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def _severity(told: Told) -> tuple[Block, ...]:
    named = communities_apart(answers(told.judgements, SEVERITY))
    found = {c: severity_association(told.judgements, told.case.findings, community=c) for c in ("", *named)}
    text = (
        "Do people find those findings worse that the audit measured as stronger? Compared are pairs of findings that "
        "one person judged and whose sizes compare (same measure and unit, for effects in nats the same language). "
        "Concordance: how many more of these pairs have the stronger finding called worse than called less bad; 1 is "
        "always, 0 is no connection."
    )
    head = (Heading(text="Severity and measured strength", level=2), Text(text=text))
    if all(isinstance(result, Undefined) for result in found.values()):
        pooled = found[""]
        assert isinstance(pooled, Undefined)
        return (*head, Text(text=f"It cannot be said: {pooled.reason}."))
    columns = (
        Column(title="Who", width=3),
        Column(title="Concordance", width=1.4, align="right"),
        Column(title="95 % interval", width=2, align="right"),
        Column(title="p", width=1, align="right"),
        Column(title="Findings", width=1, align="right"),
        Column(title="Pairs", width=1, align="right"),
    )
    rows = tuple(_severity_row(told, community, result) for community, result in found.items())
    reasons = [
        Text(text=f"Undefined: {result.reason} ({told.name(c) if c else 'everybody'}).", style="small")
        for c, result in found.items()
        if isinstance(result, Undefined)
    ]
    return (*head, Table(columns=columns, rows=rows), *reasons)


def _severity_row(told: Told, community: str, result: Estimate | Undefined) -> tuple[str, ...]:
    who = told.name(community) if community else "everybody"
    if isinstance(result, Undefined):
        return (who, "undefined", "–", "–", "–", "–")
    value, bounds = number(result.value, decimals=2), interval(result, decimals=2)
    return (who, value, bounds, p_value(result.p_value), str(result.n_clusters), str(result.n_items))


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
        steps = in_row(f"{_(STEPS.get(step, step))} {when}" for step, when, _words in contest.steps)
        known = contest.community in told.judgements.communities and not is_together(contest.community)
        by = told.name(contest.community) if known else ""
        parts = [in_row(part for part in (_(_state(contest)), by) if part), steps]
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
        shares = "; ".join(_prevalence_words(told, entry) for entry in where)
        texts.append(f"“Common” or “some” where they live (95 % interval): {shares}.")
    return texts


def _told_words(told: Told, id_: str, *, room: Room = FULL) -> list[Quote]:
    """People's words on a finding: those who differ beside the others."""
    report = next((r for r in told.minorities if r.finding == id_), None)
    return _quotes(told, report, room) if report is not None else _agreed(told, id_, room)


def _order(told: Told, ids: Sequence[str]) -> list[str]:
    minorities = {report.finding: place for place, report in enumerate(told.minorities)}
    return sorted(ids, key=lambda id_: (id_ not in told.case.contested, minorities.get(id_, len(minorities))))


def _bars(told: Told, row: Mapping[Hashable, object]) -> Bars:
    def count(column: str) -> int:
        return int(str(row[column]))

    return Bars(
        label=_short_name(told, str(row["community"])),
        people=count("people"),
        judged={value: count(value) for value in (*reversed(JUDGEMENT.values), CANNOT_SAY)},
        severe={value: count(f"severity {value}") for value in (*SEVERITY.values, NOT_SAID)},
    )


def _short_name(told: Told, community: str) -> str:
    return "others" if is_together(community) else told.name(community)


def _bars_alt(bars: Sequence[Bars]) -> str:
    told = [f"{b.label} ({b.people}): {', '.join(f'{n} {value}' for value, n in b.judged.items() if n)}" for b in bars]
    return f"{'. '.join(told)}."


def _differs_text(told: Told, report: MinorityReport | None) -> list[str]:
    if report is None or not report.communities:
        return []
    return [
        f"{told.name(d.community)} judges this finding otherwise than everybody else (adjusted "
        f"{_p(d.p_adjusted)}; one of {_tested(told)} comparisons of a community with the rest)."
        for d in report.communities
    ]


def _tested(told: Told) -> int:
    return sum(not isinstance(d.p_value, Undefined) for d in differences(told.judgements))


def _prevalence_words(told: Told, entry: Prevalence) -> str:
    exists = entry.counts["some"] + entry.counts["common"]
    share = f"{percent(entry.result.low)} to {percent(entry.result.high)}"
    return f"{_region(told, entry.region)} {exists} of {entry.result.n_items} ({share})"


def _region(told: Told, region: str) -> str:
    if not region:
        return "region not told"
    if is_together(region):
        return "other regions together"
    return isolated(region) if told.case.can_draw(region) else told.case.spelled_out(region)


def _quotes(told: Told, report: MinorityReport, room: Room) -> list[Quote]:
    sides: tuple[tuple[str, tuple[Words, ...]], ...]
    if report.most:
        sides = (
            ("Who differs", report.dissenting),
            (f"Who says what most say (“{report.most}”)", report.agreeing),
        )
    else:
        sides = (("No answer has most people; all in their own words", report.dissenting),)
    return [_quote(told, title, words, room) for title, words in sides if any(w.comment for w in words)]


def _agreed(told: Told, id_: str, room: Room) -> list[Quote]:
    """Words on a finding where nobody differs."""
    words = tuple(
        Words(community=name, judgement=v.judgement, comment=v.comment, language=v.comment_language)
        for name, members in by_community([v for v in told.voices if v.finding == id_]).items()
        for v in members
        if v.comment
    )
    return [_quote(told, "In their own words", words, room)] if words else []


def _quote(told: Told, title: str, words: Sequence[Words], room: Room = FULL) -> Quote:
    spoken = [w for w in words if w.comment]
    silent = len(words) - len(spoken)
    lines = [
        (
            f"{_short_name(told, w.community)}: {w.judgement}",
            _words(told, w.comment, language=w.language, room=room),
            w.language,
        )
        for w in spoken[: room.people]
    ]
    if len(spoken) > room.people:
        lines.append(("", _more_comments(len(spoken) - room.people, room), "en"))
    if silent:
        lines.append(("", f"{_many(silent, 'person', 'people')} without a comment.", "en"))
    return Quote(
        title=f"{title}: {_many(len(words), 'person', 'people')}",
        lines=tuple((name, said) for name, said, _ in lines),
        languages=tuple(language for *_, language in lines),
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
        return "(no words)"
    if not is_legible(text):
        named = f" in {language_name(language)}" if language else ""
        return f"{LRI}original words{named}: see the desk or its export. These faces do not draw the script.{PDI}"
    most = room.characters
    if len(text) <= most:
        return told.case.spelled_out(text)
    end = max(i for i in graphemes(text[: most + 1]) if i <= most)
    cut = told.case.spelled_out(text[:end].rstrip())
    where = _(TITLE) if room is PAGE else _("the desk")
    return f"{cut} {LRI}{_('… [cut here; {n} more characters: see {where}]', n=len(text) - end, where=where)}{PDI}"


def _other_findings(told: Told, ids: Sequence[str]) -> list[Block]:
    if not ids:
        return []
    rows = told.table[told.table["finding"].isin(set(ids))]
    place = {id_: n for n, id_ in enumerate(ids)}
    rows = rows.sort_values("finding", key=lambda column: column.map(place), kind="stable")
    columns = (
        Column(title="Finding", width=4),
        Column(title="Community", width=2.2),
        *(Column(title=humanised(value), width=1, align="right") for value in (*JUDGEMENT.values[::-1], CANNOT_SAY)),
    )
    shown = tuple(
        (
            title_of(told.case, told.findings[str(row["finding"])]),
            _short_name(told, str(row["community"])),
            *(str(row[value]) for value in (*JUDGEMENT.values[::-1], CANNOT_SAY)),
        )
        for row in rows.head(MOST_IN_TABLE).to_dict("records")
    )
    blocks: list[Block] = [Heading(text="Further findings", level=3), Table(columns=columns, rows=shown)]
    if len(rows) > MOST_IN_TABLE:
        text = f"{len(rows) - MOST_IN_TABLE} more rows are in the desk and its export."
        blocks.append(Text(text=text, style="small"))
    return [*blocks, *_further_dissent(told, set(ids))]


def _further_dissent(told: Told, ids: set[str]) -> list[Block]:
    """Words of those who differ on findings that have no picture: one against all is not left out for being one."""
    spoken = [r for r in told.minorities if r.finding in ids and any(w.comment for w in r.dissenting)]
    if not spoken:
        return []
    blocks: list[Block] = [Heading(text="Who differs on them, in their own words", level=3)]
    for report in spoken[:MOST_DISSENT]:
        title = title_of(told.case, told.findings[report.finding])
        most = f" (most say “{report.most}”)" if report.most else ""
        blocks.append(_quote(told, f"{title}{most}", report.dissenting))
    if len(spoken) > MOST_DISSENT:
        text = f"Words of dissent on {len(spoken) - MOST_DISSENT} more findings are in the desk and its export."
        blocks.append(Text(text=text, style="small"))
    return blocks


def _many(n: int, one: str, more: str = "") -> str:
    return f"{n} {one}" if n == 1 else f"{n} {more or one + 's'}"
