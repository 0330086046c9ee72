"""Contests of findings: the marks that they leave in the report, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from audit import wording
from audit.measures.people import is_together
from audit.records import ContestRecord, Finding, Judgements
from audit.wording import N_, Said, _, ngettext, said, spoken
from reports.blocks import Block, Group, Heading, Quote, Text
from reports.people import TITLE, Told
from reports.people_words import in_their_words
from reports.words import (
    in_row,
    in_series,
    named,
)

CONTESTED = N_("Contested: {sentence}")
STEPS = {
    # i18n: a contest, that is an objection against a finding, was filed
    "file": N_("filed"),
    # i18n: an objection was admitted
    "admit": N_("admitted"),
    # i18n: an objection was refused a hearing
    "refuse": N_("refused"),
    # i18n: an objection was answered by the operators
    "answer": N_("answered"),
    # i18n: somebody took an objection to decide on it
    "take": N_("taken to decide"),
    # i18n: an objection was upheld
    "uphold": N_("upheld"),
    "uphold in part": N_("upheld in part"),
    # i18n: an objection was rejected
    "reject": N_("rejected"),
    # i18n: the decision on an objection was appealed
    "appeal": N_("appealed"),
    # i18n: an objection was withdrawn
    "withdraw": N_("withdrawn"),
    # i18n: a deadline for an objection passed
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


def marked(findings: Iterable[Finding], judgements: Judgements | None) -> tuple[Finding, ...]:
    """The findings with a mark before the sentence of each one that is contested, and a caveat that says since when."""
    open_ = {c.finding: c for c in judgements.contests if c.open} if judgements is not None else {}
    return tuple(
        replace(f, sentence=said(CONTESTED, sentence=f.sentence), caveats=(*f.caveats, _caveat(open_[f.id])))
        if f.id in open_
        else f
        for f in findings
    )


def unmarked(finding: Finding) -> Finding:
    """The finding as it was before `marked`, but for its caveats."""
    sentence = finding.sentence
    if not isinstance(sentence, Said) or sentence.message != CONTESTED:
        return finding
    inner = sentence.values["sentence"]
    assert isinstance(inner, str)
    return replace(finding, sentence=inner)


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


def contest_pages(told: Told) -> tuple[Block, ...]:
    """Every contest with its state and its steps, open ones first."""
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
        (f"{when} · {step_name(step)}", in_their_words(told, words, language="")) for step, when, words in contest.steps
    )
    languages = tuple("" if words else wording.language() for _step, _when, words in contest.steps)
    title = named(who, in_series([_state(contest), *due]))
    return (Group(blocks=(Text(text=spoken(finding.sentence)), Quote(title=title, lines=lines, languages=languages))),)


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


def _state(contest: ContestRecord) -> str:
    return _(STATES.get(contest.state, contest.state))


def step_name(step: str) -> str:
    """What happened to a contest."""
    return _(STEPS.get(step, step))
