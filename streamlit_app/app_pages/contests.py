"""Contests: which there are, one with its steps and whose turn it is, and the form for the step one may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import streamlit as st
from markupsafe import Markup

from audit.errors import AuditError, ConflictError
from audit.reviews import accounts, contests, library
from audit.reviews.contests import ContestView, State, Step, StepTaken
from audit.reviews.roles import Action, Actor
from audit.reviews.words import LIMIT
from streamlit_app import drafts, frame, texts
from streamlit_app.app_pages.finding import STATES
from streamlit_app.shown import badge, block, code, in_label, of_finding, paragraph, put, said
from streamlit_app.texts import N_, _, ngettext

PER_PAGE = 20
UNSENT = "contest_unsent"  # key of the session's state: by contest, words of a step that came too late

# Who moves next, by where a contest stands, and what follows if nobody does.
TURNS = {
    State.FILED: N_(
        "An auditor or an administrator admits it, or refuses it with reasons. If nobody does, it counts as admitted."
    ),
    State.ADMITTED: N_("An auditor answers, with reasons. If nobody does, it is decided without an answer."),
    State.ANSWERED: N_(
        "Somebody who had no part in it and belongs to no community that speaks in it decides, with reasons. If nobody "
        "does, it stays open and is listed as late."
    ),
    State.UNANSWERED: N_(
        "Nobody answered in time. Somebody who had no part in it and belongs to no community that speaks in it "
        "decides, with reasons."
    ),
    State.APPEALED: N_("The board decides, with reasons. Its decision is final."),
    State.REFUSED: N_("Whoever filed it may appeal to the board. If they do not, it is closed."),
    State.UPHELD: N_("Whoever filed it may appeal to the board. If they do not, the decision is final."),
    State.PARTLY: N_("Whoever filed it may appeal to the board. If they do not, the decision is final."),
    State.REJECTED: N_("Whoever filed it may appeal to the board. If they do not, the decision is final."),
}
DONE = {
    Step.FILE: N_("{name} contested the finding on {day}."),
    Step.ADMIT: N_("{name} admitted the contest on {day}."),
    Step.REFUSE: N_("{name} refused the contest on {day}."),
    Step.ANSWER: N_("{name} answered on {day}."),
    Step.TAKE: N_("{name} took over the decision on {day}."),
    Step.UPHOLD: N_("{name} upheld the contest on {day}."),
    Step.UPHOLD_IN_PART: N_("{name} upheld the contest in part on {day}."),
    Step.REJECT: N_("{name} rejected the contest on {day}."),
    Step.APPEAL: N_("{name} appealed to the board on {day}."),
    Step.WITHDRAW: N_("{name} took the contest back on {day}."),
    Step.DEADLINE: N_("The date passed without a step; the desk noted it on {day}."),
}
CHOICES = {
    Step.ADMIT: N_("Admit: it will be answered, and the finding is marked as contested"),
    Step.REFUSE: N_("Refuse: it will not be answered"),
    Step.ANSWER: N_("Answer it"),
    Step.TAKE: N_("Take over the decision, to decide later"),
    Step.UPHOLD: N_("Uphold: the contest is right"),
    Step.UPHOLD_IN_PART: N_("Uphold in part"),
    Step.REJECT: N_("Reject: the finding stands"),
    Step.APPEAL: N_("Appeal to the board"),
    Step.WITHDRAW: N_("Take my contest back"),
}
NO_REASONS = (Step.ADMIT, Step.TAKE, Step.WITHDRAW)  # needed, that is
OWED = tuple(step for step in CHOICES if step not in (Step.WITHDRAW, Step.APPEAL))  # to somebody else
TERMS = (
    N_(
        "Anybody who judges, answers for or oversees findings may contest one, with reasons. The reasons are read by "
        "all."
    ),
    N_(
        "Admitting a contest means that it will be answered and decided. From then on the finding is marked as "
        "contested on every page and in every report."
    ),
    N_("The answer is the auditors' view of it. It must give reasons."),
    N_(
        "The decision is made by somebody independent: who neither filed, admitted nor answered the contest, and "
        "belongs to no community that speaks in it."
    ),
    N_("Whoever filed it may appeal once more, to the board. What the board decides is final."),
    N_(
        "Every step has a date. When it passes, the contest moves on by itself or is listed as late; silence does not "
        "bury it."
    ),
    N_("If a contest is upheld, even in part, reports of that run are marked to be issued anew."),
)


def page() -> None:
    """One contest (?id=), the form to file one (?run= and ?finding=), or the list."""
    frame.title(_("Contests"))
    asked = {name: str(st.query_params.get(name, "")) for name in ("id", "run", "finding")}
    if asked["id"]:
        put_contest(asked["id"])
    elif asked["run"] and asked["finding"]:
        put_filing(asked["run"], asked["finding"])
    else:
        put_list()
    with st.expander(_("How a contest goes")):
        put(
            Markup("<ol class='desk-list'>{}</ol>").format(
                Markup("").join(Markup("<li>{}</li>").format(_(one)) for one in TERMS)
            )
        )


# --- the list --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """A part of the list: its name, what is in it, and for whom it is."""

    title: str
    holds: Callable[[ContestView], bool]
    needs: Action = Action.READ_FINDINGS


LISTS: Mapping[str, Choice] = {
    "turn": Choice(N_("Waiting for me"), lambda one: any(step in one.may for step in OWED)),
    "mine": Choice(N_("Filed by me"), lambda one: one.mine, Action.FILE_CONTEST),
    "admit": Choice(N_("To admit"), lambda one: one.state is State.FILED, Action.ADMIT_CONTEST),
    "answer": Choice(N_("To answer"), lambda one: one.state is State.ADMITTED, Action.ANSWER_CONTEST),
    "decide": Choice(
        N_("To decide"), lambda one: one.state in (State.ANSWERED, State.UNANSWERED), Action.DECIDE_CONTEST
    ),
    "appeals": Choice(N_("Appeals"), lambda one: one.state is State.APPEALED, Action.DECIDE_APPEAL),
    "late": Choice(N_("Late"), lambda one: one.overdue),
    "open": Choice(N_("All open"), lambda one: one.state in contests.AWAITING),
    "closed": Choice(N_("Decided and closed"), lambda one: one.state not in contests.AWAITING),
}


def put_list() -> None:
    """Contests by what they wait for; the date that comes next is first."""
    me = frame.me()
    known = contests.contests(frame.db(), by=me.id)
    if not known:
        put(
            paragraph(_("Nobody has contested a finding yet.")),
            paragraph(_("To contest one, open it and choose “Contest this finding”.")),
        )
        frame.link("findings", _("All findings"), icon=":material/search:")
        return
    parts = {name: [one for one in known if part.holds(one)] for name, part in LISTS.items() if me.may(part.needs)}
    st.session_state.setdefault("contest_list", next((name for name, held in parts.items() if held), "open"))
    chosen = st.radio(
        _("Which contests"),
        list(parts),
        format_func=lambda name: f"{_(LISTS[name].title)} ({texts.number(len(parts[name]))})",
        key="contest_list",
        persist_state="session",
        horizontal=True,
    )
    found = parts[chosen]
    if not found:
        put(paragraph(_("There is none of these now.")))
        return
    pages = -(-len(found) // PER_PAGE)
    number = st.pagination(pages, key=f"contest_page:{chosen}") if pages > 1 else 1
    for one in found[(number - 1) * PER_PAGE : number * PER_PAGE]:
        put_row(one)


def put_row(one: ContestView) -> None:
    """A contest in the list."""
    with st.container(border=True):
        put(
            marks(one),
            Markup('<p class="desk-text">{}</p>').format(sentence_of(one.run, one.finding)),
            block(_shortened(one.steps[0])),
            paragraph(_("Contested by {name}."), kind="quiet", name=one.filed_by),
            deadline(one),
        )
        frame.link("contests", _("Open contest {id}", id=one.id[:8]), id=one.id)


def _shortened(step: StepTaken, *, most: int = 240) -> str:
    return step.words if len(step.words) <= most else step.words[: most - 1] + "…"


def marks(one: ContestView) -> Markup:
    """Where it stands, as words on a ground."""
    found = [badge(_(STATES[one.state]))]
    if one.overdue:
        found.append(badge(_("Late")))
    if one.mine:
        found.append(badge(_("Filed by you")))
    return Markup("<p>{}</p>").format(Markup(" ").join(found))


def sentence_of(run: str, finding: str) -> Markup:
    """The sentence of the finding; its id where its run was made anew without it."""
    found = library.findings(frame.db(), run, [finding], by=frame.me().id).get(finding)
    return (
        of_finding(found.sentence) if found else said(_("Finding {id} of run {run}"), id=code(finding), run=code(run))
    )


def deadline(one: ContestView) -> Markup:
    """By when the next step is due, in words and as a date."""
    if one.due is None:
        return paragraph(_("Closed: no step follows."), kind="quiet")
    return paragraph(until(one.due, now=frame.db().now()), kind="quiet")


def until(due: datetime, *, now: datetime) -> str:
    """A date that comes or has passed, with how far it is away."""
    day, days = texts.day(due), (due.date() - now.date()).days
    if due < now and days == 0:
        return _("The next step was due earlier today, {day}.", day=day)
    if due < now:
        return ngettext(
            "The next step was due on {day}, {n} day ago.",
            "The next step was due on {day}, {n} days ago.",
            -days,
            day=day,
        )
    if days == 0:
        return _("The next step is due today, {day}.", day=day)
    return ngettext(
        "The next step is due on {day}, in {n} day.", "The next step is due on {day}, in {n} days.", days, day=day
    )


# --- one contest -----------------------------------------------------------------------------


def put_contest(id_: str) -> None:
    """What was said, whose turn it is, until when, and the form for what this person may do."""
    one = contests.contest(frame.db(), id_, by=frame.me().id)
    frame.link("contests", _("All contests"), icon=":material/list:")
    names = community_names(frame.me())
    put(marks(one), Markup('<p class="desk-lead">{}</p>').format(sentence_of(one.run, one.finding)))
    if one.community:
        put(
            paragraph(
                _("Filed in the name of {community}."), kind="quiet", community=names.get(one.community, one.community)
            )
        )
    frame.link("finding", _("Open the finding"), icon=":material/article:", run=one.run, id=one.finding)
    frame.section(_("What was said"))
    put(Markup("").join(step_words(step) for step in one.steps))
    frame.section(_("What comes next"))
    if one.due is None:
        put(paragraph(_("Nothing: this contest is closed.")))
    else:
        put(paragraph(_(TURNS[one.state])), deadline(one))
        if one.handler and one.state in (State.ANSWERED, State.UNANSWERED):
            put(paragraph(_("{name} has taken over the decision."), name=one.handler))
    moved = has_moved(one)
    if one.may:
        put_form(one, moved=moved)


def step_words(step: StepTaken) -> Markup:
    """A step: who, when, in which words."""
    who = step.by or _("The desk")
    line = said(_(DONE[step.step]), name=who, day=texts.day(step.at))
    inside = Markup("")
    if step.erased:
        inside = paragraph(_("The words were removed, because their author withdrew consent."), kind="quiet")
    elif step.words:
        inside = block(step.words)
    return Markup('<section class="desk-prompt"><p class="desk-label">{}. {}</p>{}</section>').format(
        texts.number(step.number), line, inside
    )


def has_moved(one: ContestView) -> bool:
    """Whether the contest has changed since this person saw it; then nothing is sent, and what was written is shown.

    A step is for the contest as its author saw it, so what was seen is remembered here, not read anew with the click.
    """
    prefix, unsent = f"contest:{one.id}", st.session_state.setdefault(UNSENT, {})
    moved = bool(st.session_state.get(f"{prefix}:seen", one.version) != one.version)
    st.session_state[f"{prefix}:seen"] = one.version
    if moved:
        st.session_state.pop(f"{prefix}:step", None)
        if written := st.session_state.get(f"{prefix}:words"):
            unsent[one.id] = written
        st.warning(
            _(
                "Somebody else, or another tab of yours, was faster. Nothing of yours was sent; the contest above is "
                "as it stands now."
            )
        )
    if one.id in unsent:
        put(paragraph(_("What you had written and not sent:")), block(unsent[one.id]))
        if st.button(_("I do not need it any more"), key=f"{prefix}:forget"):
            del unsent[one.id]
            st.rerun()
    return moved


def put_form(one: ContestView, *, moved: bool) -> None:
    """The steps this person may take now, and the reasons for one of them."""
    frame.section(_("What you can do"))
    if not frame.agreed(frame.me()):
        return
    with st.form(f"contest:{one.id}"):
        step = st.radio(
            _("Step"),
            list(one.may),
            index=0 if len(one.may) == 1 else None,
            format_func=lambda step: _(CHOICES[step]),
            key=f"contest:{one.id}:step",
        )
        reasons = st.text_area(
            _("Reasons, in any language"),
            key=f"contest:{one.id}:words",
            max_chars=LIMIT,
            help=_(
                "Everybody here reads them, and they stand in the report. Needed for every step but admitting, taking "
                "over and taking back."
            ),
        )
        sent = st.form_submit_button(_("Take this step"), type="primary")
    if not sent or moved:
        return
    if step is None:
        st.warning(_("Choose a step."))
    elif step not in NO_REASONS and not (reasons or "").strip():
        st.warning(_("Give your reasons; whoever reads this is owed them."))
    else:
        take(one, step, reasons or "")


def take(one: ContestView, step: Step, reasons: str) -> None:
    """Take the step; if the contest moves in this moment, nothing is written and the page is shown anew."""
    try:
        _moves(one, reasons)[step](version=one.version, by=frame.me().id)
    except ConflictError:
        st.rerun()
    except AuditError as error:
        st.error(in_label(str(error)))
        return
    st.session_state[UNSENT].pop(one.id, None)
    drafts.forget(f"contest:{one.id}")
    st.toast(_("Done."))
    st.rerun()


def _moves(one: ContestView, reasons: str) -> dict[Step, Callable[..., ContestView]]:
    """The library's function for each step."""
    judge: Callable[..., ContestView] = contests.decide_appeal if one.state is State.APPEALED else contests.decide
    verdicts = (Step.UPHOLD, Step.UPHOLD_IN_PART, Step.REJECT)
    simple: dict[Step, Callable[..., ContestView]] = {
        Step.ADMIT: contests.admit,
        Step.REFUSE: contests.refuse,
        Step.ANSWER: contests.answer,
        Step.APPEAL: contests.appeal,
        Step.WITHDRAW: contests.withdraw,
    }
    return {
        Step.TAKE: partial(contests.take, frame.db(), one.id),
        **{step: partial(move, frame.db(), one.id, words=reasons) for step, move in simple.items()},
        **{step: partial(judge, frame.db(), one.id, verdict=step, words=reasons) for step in verdicts},
    }


# --- filing ----------------------------------------------------------------------------------


def put_filing(run: str, finding: str) -> None:
    """The form that contests a finding; the way to one's own contest of it where that is still open."""
    me = frame.me()
    put(Markup('<p class="desk-lead">{}</p>').format(sentence_of(run, finding)))
    frame.link("finding", _("Open the finding"), icon=":material/article:", run=run, id=finding)
    own = [one for one in contests.contests(frame.db(), run=run, finding=finding, by=me.id) if one.mine]
    if waiting := [one for one in own if one.state in contests.AWAITING]:
        put(paragraph(_("You have contested this finding already, and it is not closed yet.")))
        frame.link("contests", _("Open my contest"), icon=":material/gavel:", id=waiting[0].id)
        return
    if not me.may(Action.FILE_CONTEST):
        put(paragraph(_("Your role does not contest findings. Ask somebody who judges them.")))
        return
    frame.section(_("Contest this finding"))
    put(
        paragraph(
            _(
                "Say what is wrong: the prompts, what they are taken to mean, the numbers, or the sentence. You are "
                "owed a reply with reasons by a date, and somebody independent decides."
            )
        )
    )
    put_filing_form(run, finding, me)


def put_filing_form(run: str, finding: str, me: Actor) -> None:
    """Reasons, and in whose name."""
    if not frame.agreed(me):
        return
    prefix = f"filing:{run}:{finding}"
    form, names = drafts.held(prefix), community_names(me)
    with st.form(prefix):
        reasons = st.text_area(
            _("What is wrong with it, in any language"),
            key=f"{prefix}:words",
            max_chars=LIMIT,
            height=200,
            help=_("Everybody here reads it under the name that others see of you, and it stands in the report."),
        )
        community = st.radio(
            _("In whose name?"),
            ["", *me.communities()],
            format_func=lambda one: in_label(names.get(one) or one) if one else _("My own"),
            key=f"{prefix}:community",
            help=_("In the name of a community: nobody who belongs to it decides the contest."),
        )
        sent = st.form_submit_button(_("Contest it"), type="primary")
    if not sent:
        return
    if not (reasons or "").strip():
        st.warning(_("Give your reasons; whoever reads this is owed them."))
        return
    try:
        filed = contests.file(
            frame.db(), run, finding, words=reasons or "", community=community, submission=form.submission, by=me.id
        )
    except AuditError as error:
        st.error(in_label(str(error)))
        return
    drafts.forget(prefix)
    st.toast(_("Filed."))
    st.query_params.from_dict({"id": filed.id})
    st.rerun()


def community_names(me: Actor) -> dict[str, str]:
    """Names of communities by id."""
    return {one.id: one.name for one in accounts.communities(frame.db(), by=me.id)}
