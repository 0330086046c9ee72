"""What people say finding by finding: answers side by side, and dissent in its own words."""

from __future__ import annotations

import functools
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from audit import wording
from audit.measures.dissent import MinorityReport, Words, differences
from audit.measures.people import (
    CANNOT_SAY,
    JUDGEMENT,
    LEAST,
    NOT_SAID,
    SEVERITY,
    Prevalence,
    by_community,
    is_together,
)
from audit.records import Finding, Undefined
from audit.wording import LanguageName, _, ngettext
from reports import judgement_charts
from reports.blocks import Block, Column, Columns, Group, Heading, Picture, Quote, Table, Text
from reports.case import title_of
from reports.chart_tables import bar_counts
from reports.judgement_charts import Bars
from reports.people import TITLE, Told, answer_name, p_within, short_name
from reports.text import is_legible, isolated
from reports.typesetting.bidi import FSI, PDI
from reports.typesetting.breaks import graphemes
from reports.words import (
    between,
    count,
    in_row,
    in_series,
    named,
    percent,
    started,
    together,
)

MOST_BARS = 8  # communities in the picture of one finding
MOST_IN_TABLE = 150
MOST_DISSENT = 60  # further findings whose dissent is quoted


@dataclass(frozen=True)
class Room:
    """How many people of one side of a finding are quoted, and how much of a comment."""

    people: int
    characters: int


FULL, PAGE = Room(people=12, characters=900), Room(people=1, characters=160)


def finding_by_finding(told: Told, pages: Collection[str]) -> tuple[Block, ...]:
    """People's words on each finding; the answers to findings that have no page of their own as a table."""
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
    drawn = functools.partial(judgement_charts.answered, bars[:MOST_BARS])
    pictured: tuple[Block, ...] = (
        Heading(text=_(TITLE), level=3),
        Picture(draw=drawn, alt=_bars_alt(bars[:MOST_BARS]), data=bar_counts(bars)),
        *(Text(text=text, style="small") for text in _more_bars(bars)),
    )
    quotes = _told_words(told, finding.id, room=PAGE)
    beside = (Columns(columns=tuple((quote,) for quote in quotes)),) if len(quotes) > 1 else tuple(quotes)
    return (Group(blocks=pictured), *beside)


def _more_bars(bars: Sequence[Bars]) -> list[str]:
    left = len(bars) - MOST_BARS
    return (
        [ngettext("{n} more community is in the desk.", "{n} more communities are in the desk.", left)]
        if left > 0
        else []
    )


def differs_and_exists(told: Told, id_: str) -> list[str]:
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
        label=short_name(told, str(row["community"])),
        people=people("people"),
        judged={value: people(value) for value in (*reversed(JUDGEMENT.values), CANNOT_SAY)},
        severe={value: people(f"severity {value}") for value in (*SEVERITY.values, NOT_SAID)},
    )


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
            p=p_within(d.p_adjusted),
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
            named(short_name(told, w.community), answer_name(w.judgement)),
            in_their_words(told, w.comment, language=w.language, room=room),
            w.language,
        )
        for w in voiced[: room.people]
    ]
    if len(voiced) > room.people:
        lines.append(("", _more_comments(len(voiced) - room.people, room), wording.language()))
    if silent and room is not PAGE:  # its title has their number
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


def in_their_words(told: Told, text: str, *, language: str, room: Room = FULL) -> str:
    """Somebody's words as they wrote them, in their script.

    Cut where long; signs without a face, such as emoji, spelled out; pointed to where the letters have none.
    """
    if not text:
        return _("(no words)")
    if not (told.case.can_draw(text) or is_legible(text)):
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
            short_name(told, str(row["community"])),
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
