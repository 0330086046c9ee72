"""Contests: somebody says that a finding is wrong, and is owed a reasoned reply by a date.

    from                   step                         to                    who                 next within
    -                      file (reasons)               filed                 whoever may         7 days
    filed                  admit                        admitted              auditor, admin      14 days
    filed                  refuse (reasons)             refused               auditor, admin      14 days, to appeal
    admitted               answer (reasons)             answered              auditor             14 days
    answered, unanswered   take                         as it was             independent         as it was
    answered, unanswered   uphold, uphold in part,      upheld, partly,       independent         14 days, to appeal
                           reject (reasons)             rejected
    refused, upheld,       appeal (reasons)             appealed              who filed it        30 days
    partly, rejected
    appealed               uphold, uphold in part,      upheld, partly,       board               final
                           reject (reasons)             rejected
    filed, admitted,       withdraw                     withdrawn             who filed it        final
    answered, unanswered

MOVES below is this table. Independent is a steward or auditor who neither filed, admitted nor answered the contest and
belongs to no community that speaks in it: the one in whose name it was filed or, filed in nobody's, those of who filed
it. Nobody admits, refuses or answers what they filed, and a member of the board who took part before leaves the appeal
to another.

Silence must not bury a contest. When a date passes, the desk itself takes a step, "deadline passed":

- filed, and neither admitted nor refused: admitted by default;
- admitted, and not answered: unanswered, and open to be decided without an answer;
- not decided: stays open and is listed as overdue; another may then take it from whoever had;
- decided or refused, and not appealed: final.

`sweep` takes these steps for all contests. Every step by a person takes them first for its own contest, so what is
allowed depends on the clock alone and not on when the sweep ran. A date that follows counts from the moment of the
step, not from the date that passed: a desk that was switched off takes nobody's time to answer.

A step is given the version of the contest that its author saw; if it has changed since, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from audit.errors import ConflictError, DeskError, NotAllowedError
from audit.records import ContestRecord
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.roles import Action, Actor, permitted
from audit.reviews.seen import note_seen, open_to, waiting
from audit.reviews.tables import Contest, ContestStep, FindingRow, Grant, IssuedReport, Person, new_id
from audit.reviews.terms import require_agreed
from audit.reviews.words import clean


class State(StrEnum):
    """Where a contest stands."""

    FILED = "filed"
    REFUSED = "refused"
    ADMITTED = "admitted"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"  # to be decided all the same
    UPHELD = "upheld"
    PARTLY = "partly"
    REJECTED = "rejected"
    APPEALED = "appealed"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """What somebody did to a contest."""

    FILE = "file"
    ADMIT = "admit"
    REFUSE = "refuse"
    ANSWER = "answer"
    TAKE = "take"
    UPHOLD = "uphold"
    UPHOLD_IN_PART = "uphold in part"
    REJECT = "reject"
    APPEAL = "appeal"
    WITHDRAW = "withdraw"
    DEADLINE = "deadline passed"  # nobody's


DAYS_TO_ADMIT, DAYS_TO_ANSWER, DAYS_TO_DECIDE, DAYS_TO_APPEAL, DAYS_OF_BOARD = 7, 14, 14, 14, 30


@dataclass(frozen=True)
class Move:
    """A line of the table: who may take which step, from where, to where."""

    step: Step
    before: tuple[State, ...]
    after: State | None  # None: stays where it is
    who: Action | None  # None: only who filed it
    days: int | None = None  # in which the next step is due; None: no next step, or the date stays (take)
    reasons: bool = True
    apart_from: tuple[Step, ...] = ()  # not those who took one of these


_DECIDED = (State.UPHELD, State.PARTLY, State.REJECTED)
_TO_DECIDE = (State.ANSWERED, State.UNANSWERED)
_VERDICTS = ((Step.UPHOLD, State.UPHELD), (Step.UPHOLD_IN_PART, State.PARTLY), (Step.REJECT, State.REJECTED))
_FILED_ONLY = (Step.FILE,)
_BEFORE_DECISION = (Step.FILE, Step.ADMIT, Step.ANSWER)
_BEFORE_APPEAL = (*_BEFORE_DECISION, Step.REFUSE, *(step for step, _ in _VERDICTS))

MOVES = (
    Move(Step.ADMIT, (State.FILED,), State.ADMITTED, Action.ADMIT_CONTEST, DAYS_TO_ANSWER, False, _FILED_ONLY),
    Move(Step.REFUSE, (State.FILED,), State.REFUSED, Action.ADMIT_CONTEST, DAYS_TO_APPEAL, True, _FILED_ONLY),
    Move(Step.ANSWER, (State.ADMITTED,), State.ANSWERED, Action.ANSWER_CONTEST, DAYS_TO_DECIDE, True, _FILED_ONLY),
    Move(Step.TAKE, _TO_DECIDE, None, Action.DECIDE_CONTEST, None, False, _BEFORE_DECISION),
    *(
        Move(step, _TO_DECIDE, verdict, Action.DECIDE_CONTEST, DAYS_TO_APPEAL, True, _BEFORE_DECISION)
        for step, verdict in _VERDICTS
    ),
    Move(Step.APPEAL, (State.REFUSED, *_DECIDED), State.APPEALED, None, DAYS_OF_BOARD),
    *(
        Move(step, (State.APPEALED,), verdict, Action.DECIDE_APPEAL, None, True, _BEFORE_APPEAL)
        for step, verdict in _VERDICTS
    ),
    Move(Step.WITHDRAW, (State.FILED, State.ADMITTED, *_TO_DECIDE), State.WITHDRAWN, None, None, False),
)

# Where a contest goes by itself when its date passes, and how many days the next step then has.
_BY_DEFAULT: Mapping[State, tuple[State, int]] = {
    State.FILED: (State.ADMITTED, DAYS_TO_ANSWER),
    State.ADMITTED: (State.UNANSWERED, DAYS_TO_DECIDE),
}
# Admitted and not decided, or under appeal, from the least to the furthest along: the finding is marked.
OPEN = (State.ADMITTED, State.UNANSWERED, State.ANSWERED, State.APPEALED)
# Somebody other than who filed it is owed a step.
AWAITING = (State.FILED, *OPEN)
_LATE_STAYS = (*_TO_DECIDE, State.APPEALED)

_PAST: Mapping[Step, str] = {
    Step.FILE: "filed",
    Step.ADMIT: "admitted",
    Step.REFUSE: "refused",
    Step.ANSWER: "answered",
    Step.TAKE: "taken",
    Step.UPHOLD: "upheld",
    Step.UPHOLD_IN_PART: "upheld in part",
    Step.REJECT: "rejected",
    Step.APPEAL: "appealed",
    Step.WITHDRAW: "withdrawn",
    Step.DEADLINE: "deadline passed",
}


@dataclass(frozen=True, kw_only=True)
class StepTaken:
    """A step, as everybody may read it."""

    number: int  # from 1
    step: Step
    by: str  # pseudonym; "" for a date that passed
    words: str
    at: datetime
    erased: bool  # its author withdrew consent: the words are gone


@dataclass(frozen=True, kw_only=True)
class ContestView:
    """A contest as one person sees it."""

    id: str
    run: str
    finding: str
    community: str  # "" where it was filed in the name of none
    state: State
    due: datetime | None  # of the next step; None: closed
    overdue: bool
    filed_by: str  # pseudonym
    handler: str  # pseudonym of who decides it; "" nobody yet
    mine: bool
    steps: tuple[StepTaken, ...]
    may: tuple[Step, ...]  # what this person can do now
    version: int  # to be given back with a step


# --- steps -----------------------------------------------------------------------------------


def file(
    db: Database, run: str, finding: str, *, words: str, submission: str, by: str, community: str = ""
) -> ContestView:
    """Say that a finding is wrong, and why.

    Args:
        db: the desk.
        run: id of the run.
        finding: id of the finding.
        words: the reasons.
        submission: made by the page once per form; the same one again gives back the same contest.
        by: id of the person.
        community: in whose name; "" for their own.

    Raises:
        NotAllowedError: no role that allows it, or not in that community.
        DeskError: no such finding, no reasons, or they have an open contest of this finding already.
    """
    reasons = _reasons(words, step=Step.FILE)
    once = clean(submission, what="submission", limit=80)

    def work(session: Session) -> ContestView:
        actor = permitted(session, by, Action.FILE_CONTEST, community=community)
        if community and community not in actor.communities():
            raise NotAllowedError(f"{actor.pseudonym} is not of {community}; contest in the name of your own community")
        _require_terms(session, actor)
        row = session.scalar(select(Contest).where(Contest.submission == once))
        if row is not None and row.filed_by != by:
            raise ConflictError("submission: another person's form has this number; open the form again")
        if row is None:
            row = _filed(session, run, finding, actor=actor, community=community, submission=once, at=db.now())
            _step(session, row, Step.FILE, by=by, words=reasons, at=db.now())
        return _view(session, row, actor=actor, now=db.now())

    return db.in_write(work)


def admit(db: Database, contest: str, *, version: int, by: str, words: str = "") -> ContestView:
    """Take a contest up: the finding is marked as contested from now on. Raises as `answer` does."""
    return _move(db, contest, Step.ADMIT, who=Action.ADMIT_CONTEST, words=words, version=version, by=by)


def refuse(db: Database, contest: str, *, words: str, version: int, by: str) -> ContestView:
    """Not take a contest up, with reasons. Raises as `answer` does."""
    return _move(db, contest, Step.REFUSE, who=Action.ADMIT_CONTEST, words=words, version=version, by=by)


def answer(db: Database, contest: str, *, words: str, version: int, by: str) -> ContestView:
    """Say what the auditors hold of it.

    Args:
        db: the desk.
        contest: its id.
        words: the reasons.
        version: of the contest as the person saw it.
        by: id of the person.

    Raises:
        NotAllowedError: no role that allows it, or they filed the contest themselves.
        ConflictError: the contest has changed since they saw it; nothing was written.
        DeskError: no such contest, no reasons, or a contest that stands where this step does not begin.
    """
    return _move(db, contest, Step.ANSWER, who=Action.ANSWER_CONTEST, words=words, version=version, by=by)


def take(db: Database, contest: str, *, version: int, by: str) -> ContestView:
    """Say that one will decide it: others then leave it, unless its date passes. Raises as `decide` does."""
    return _move(db, contest, Step.TAKE, who=Action.DECIDE_CONTEST, words="", version=version, by=by)


def decide(db: Database, contest: str, *, verdict: Step, words: str, version: int, by: str) -> ContestView:
    """Uphold, uphold in part, or reject, with reasons. What is upheld marks issued reports of the run for re-issue.

    Raises:
        NotAllowedError: no role that allows it, not independent, or another person has taken it.
        ConflictError: the contest has changed since they saw it; nothing was written.
        DeskError: no such contest, no reasons, no such verdict, or a contest that is not ready to be decided.
    """
    return _move(db, contest, _verdict(verdict), who=Action.DECIDE_CONTEST, words=words, version=version, by=by)


def appeal(db: Database, contest: str, *, words: str, version: int, by: str) -> ContestView:
    """Ask the board to decide anew; only who filed it can. Raises as `answer` does."""
    return _move(db, contest, Step.APPEAL, who=None, words=words, version=version, by=by)


def decide_appeal(db: Database, contest: str, *, verdict: Step, words: str, version: int, by: str) -> ContestView:
    """The board's decision, which is final. Raises as `decide` does."""
    return _move(db, contest, _verdict(verdict), who=Action.DECIDE_APPEAL, words=words, version=version, by=by)


def withdraw(db: Database, contest: str, *, version: int, by: str, words: str = "") -> ContestView:
    """Take one's own contest back, as long as nothing is decided. Raises as `answer` does."""
    return _move(db, contest, Step.WITHDRAW, who=None, words=words, version=version, by=by)


def sweep(db: Database) -> int:
    """Take the steps that follow from dates that passed. Does nothing when it is called again.

    Returns:
        How many steps were taken.
    """
    with db.read() as session:
        late = session.scalars(select(Contest.id).where(Contest.due_at < db.now()).order_by(Contest.due_at)).all()
    return sum(_swept(db, contest) for contest in late)


def leave(session: Session, *, person: str, at: datetime) -> None:
    """What becomes of contests when somebody withdraws consent; called in that transaction, before words are erased.

    What they filed and nobody has decided is withdrawn; an appeal stays with the board, which reads what others said.
    What they had taken is free again.
    """
    involved = select(Contest).where((Contest.filed_by == person) | (Contest.handler == person)).order_by(Contest.id)
    for row in session.scalars(involved).all():
        _settle(session, row, now=at)
        for move in _moves_from(row):
            if move.step == Step.WITHDRAW and row.filed_by == person:
                _follow(session, row, move, by=person, words="", now=at)
        if row.handler == person and row.state in _TO_DECIDE:
            row.handler = None
            facts = {"state": row.state}
            events.append(session, at=at, actor=person, kind="contest given back", subject=row.id, facts=facts)


# --- reading ---------------------------------------------------------------------------------


def contest(db: Database, contest: str, *, by: str) -> ContestView:
    """One contest, and what this person can do with it. Who reads it cannot judge its finding blind later.

    Raises:
        NotAllowedError: no role that reads findings, or a card on that finding waits for them: it is judged blind.
        DeskError: no such contest.
    """
    with db.read() as session:
        actor = permitted(session, by, Action.READ_FINDINGS)
        row = _row(session, contest)
        if _of(row) in waiting(session, by) and row.filed_by != by:
            raise NotAllowedError(f"{_name(row)}: shown after your own judgement; judge the finding first, or skip it")
        view = _view(session, row, actor=actor, now=db.now())
        judged = view.finding in open_to(session, by, run=view.run)
    if not view.mine and not judged:
        note_seen(db, person=by, run=view.run, finding=view.finding)
    return view


def contests(
    db: Database, *, by: str, run: str | None = None, finding: str | None = None, state: State | None = None
) -> tuple[ContestView, ...]:
    """Contests, those whose next step is due first at the beginning and closed ones at the end.

    Those on findings that wait in this person's queue are left out: what others say of them is shown after their own.
    To people of communities the words of others are not in the list: whoever opens a contest has read of its finding.

    Raises:
        NotAllowedError: no role that reads findings.
    """
    chosen = select(Contest).order_by(Contest.due_at.is_(None), Contest.due_at, Contest.id)
    for column, value in ((Contest.run_id, run), (Contest.finding_id, finding), (Contest.state, state)):
        if value is not None:
            chosen = chosen.where(column == value)
    with db.read() as session:
        actor = permitted(session, by, Action.READ_FINDINGS)
        cards = waiting(session, by)
        rows = [row for row in session.scalars(chosen) if row.filed_by == by or _of(row) not in cards]
        views = [_view(session, row, actor=actor, now=db.now()) for row in rows]
        return tuple(_without_words(session, one, actor=actor) for one in views)


def _without_words(session: Session, one: ContestView, *, actor: Actor) -> ContestView:
    if one.mine or not actor.communities() or one.finding in open_to(session, actor.id, run=one.run):
        return one
    return replace(one, steps=tuple(replace(step, words="") for step in one.steps))


def _of(row: Contest) -> tuple[str, str]:
    return row.run_id, row.finding_id


def overdue(db: Database, *, by: str) -> tuple[ContestView, ...]:
    """Contests in which somebody is late, the latest first.

    Raises:
        NotAllowedError: no role that reads findings.
    """
    return tuple(one for one in contests(db, by=by) if one.overdue)


def open_marks(session: Session, run: str) -> dict[str, State]:
    """Findings of a run that are contested now, with the state of the contest that is furthest along."""
    rows = session.execute(
        select(Contest.finding_id, Contest.state).where(Contest.run_id == run, Contest.state.in_(OPEN))
    ).all()
    ordered = sorted(((finding, State(state)) for finding, state in rows), key=lambda one: OPEN.index(one[1]))
    return dict(ordered)  # the last one stands


def records(session: Session, run: str) -> tuple[ContestRecord, ...]:
    """Contests of a run as report, gate and statistics read them, by finding, then in the order of filing."""
    rows = session.scalars(select(Contest).where(Contest.run_id == run)).all()
    taken = {row.id: _steps(session, row) for row in rows}
    return tuple(
        ContestRecord(
            id=row.id,
            finding=row.finding_id,
            community=row.community,
            state=row.state,
            open=row.state in OPEN,
            due="" if row.due_at is None else row.due_at.date().isoformat(),
            steps=tuple((step.step, step.at.date().isoformat(), step.words) for step in taken[row.id]),
        )
        for row in sorted(rows, key=lambda row: (row.finding_id, taken[row.id][0].at, row.id))
    )


# --- how a step is taken ---------------------------------------------------------------------


def _move(
    db: Database, contest: str, step: Step, *, who: Action | None, words: str, version: int, by: str
) -> ContestView:
    needed = any(move.reasons for move in MOVES if (move.step, move.who) == (step, who))
    said = _reasons(words, step=step) if needed else clean(words, what="words")

    def work(session: Session) -> ContestView:
        now = db.now()
        actor = permitted(session, by, who or Action.READ_FINDINGS)
        row = _row(session, contest)
        if not _taken_already(session, row, step, by=by, words=said, version=version):
            if row.version != version:
                raise ConflictError(f"{_name(row)}: somebody else, or another tab, was first; read it again")
            _settle(session, row, now=now)
            move = _legal(row, step, who=who)
            if reason := _why_not(session, row, move, actor=actor, now=now):
                raise NotAllowedError(f"{_name(row)}: {reason}")
            if said:
                _require_terms(session, actor)
            _follow(session, row, move, by=by, words=said, now=now)
        return _view(session, row, actor=actor, now=now)

    return db.in_write(work)


def _require_terms(session: Session, actor: Actor) -> None:
    """People of communities speak for themselves: their words are taken only if they agreed to what happens to them."""
    if actor.communities():
        require_agreed(session, actor.id)


def _taken_already(session: Session, row: Contest, step: Step, *, by: str, words: str, version: int) -> bool:
    """Whether this very step is the last one: the second half of a double click."""
    last = _steps(session, row)[-1]
    return row.version > version and (last.step, last.person_id, last.words) == (step, by, words)


def _legal(row: Contest, step: Step, *, who: Action | None) -> Move:
    for move in MOVES:
        if (move.step, move.who) == (step, who) and row.state in move.before and not _final(row):
            return move
    ways = ", ".join(dict.fromkeys(move.step for move in _moves_from(row))) or "nothing"
    raise DeskError(f"{_name(row)}: is {row.state}, so it cannot be {_PAST[step]}; what can be done now: {ways}")


def _moves_from(row: Contest) -> Iterator[Move]:
    return (move for move in MOVES if row.state in move.before and not _final(row))


def _final(row: Contest) -> bool:
    return row.due_at is None


def _why_not(session: Session, row: Contest, move: Move, *, actor: Actor, now: datetime) -> str:
    """Why this person may not take that step, and the way out; "" where they may."""
    if move.who is None:
        return "" if actor.id == row.filed_by else f"only who filed it may {move.step} it; contest the finding yourself"
    if not actor.may(move.who):
        return f"{actor.pseudonym} may not {move.who}; ask whoever runs the desk for the role"
    if any(step.person_id == actor.id and step.step in move.apart_from for step in _steps(session, row)):
        return f"{actor.pseudonym} took part in it before; leave it to somebody else"
    return _why_not_theirs(session, row, move, actor=actor, now=now) if move.who == Action.DECIDE_CONTEST else ""


def _why_not_theirs(session: Session, row: Contest, move: Move, *, actor: Actor, now: datetime) -> str:
    near = sorted(set(actor.communities()) & _speaking(session, row))
    if near:
        return f"{actor.pseudonym} belongs to {near[0]}, which speaks in it; leave it to another community"
    if move.step == Step.TAKE and row.handler == actor.id:
        return f"{actor.pseudonym} has it already; decide it"
    if row.handler not in (None, actor.id) and not _late(row, now=now):
        return "another person has taken it; it is free again when its date passes"
    return ""


def _speaking(session: Session, row: Contest) -> set[str]:
    """Communities that are party to a contest."""
    if row.community:
        return {row.community}
    held = select(Grant.community).where(Grant.person_id == row.filed_by, Grant.community != "")
    return set(session.scalars(held))


def _follow(session: Session, row: Contest, move: Move, *, by: str, words: str, now: datetime) -> None:
    """Move the contest and write the step."""
    if move.who == Action.DECIDE_CONTEST:
        row.handler = by
    if move.after is not None:
        row.state = move.after
        row.due_at = None if move.days is None else now + timedelta(days=move.days)
    marked = _mark_reports(session, row) if move.after in (State.UPHELD, State.PARTLY) else 0
    _step(session, row, move.step, by=by, words=words, at=now, reports=marked)


def _mark_reports(session: Session, row: Contest) -> int:
    """Issued reports of the run say what was found wrong: they are to be made anew. Returns how many are marked."""
    ids = session.scalars(
        select(IssuedReport.id).where(IssuedReport.run_id == row.run_id, IssuedReport.reissue_reason == "")
    ).all()
    session.execute(update(IssuedReport).where(IssuedReport.id.in_(ids)).values(reissue_reason="a contest was upheld"))
    return len(ids)


def _swept(db: Database, contest: str) -> bool:
    def work(session: Session) -> bool:
        return _settle(session, _row(session, contest), now=db.now())

    return db.in_write(work)


def _settle(session: Session, row: Contest, *, now: datetime) -> bool:
    """Take the step that a date that passed brings about, once; says whether there was one."""
    due = row.due_at
    if due is None or not _late(row, now=now):
        return False
    if any(step.step == Step.DEADLINE and step.at >= due for step in _steps(session, row)):
        return False
    state = State(row.state)
    if state in _BY_DEFAULT:
        row.state, days = _BY_DEFAULT[state]
        row.due_at = now + timedelta(days=days)
    elif state not in _LATE_STAYS:
        row.due_at = None
    _step(session, row, Step.DEADLINE, by=None, words="", at=now)
    return True


def _late(row: Contest, *, now: datetime) -> bool:
    return row.due_at is not None and row.due_at < now


def _filed(
    session: Session, run: str, finding: str, *, actor: Actor, community: str, submission: str, at: datetime
) -> Contest:
    if session.get(FindingRow, (run, finding)) is None:
        raise DeskError(f"finding {finding[:12]}: not at this desk; bring its run first")
    open_one = select(Contest).where(
        Contest.run_id == run,
        Contest.finding_id == finding,
        Contest.filed_by == actor.id,
        Contest.state.in_(AWAITING),
    )
    if session.scalar(open_one) is not None:
        raise DeskError(f"finding {finding[:12]}: your contest of it is still open; wait for it or withdraw it")
    row = Contest(
        id=new_id(),
        run_id=run,
        finding_id=finding,
        filed_by=actor.id,
        community=community,
        state=State.FILED,
        due_at=at + timedelta(days=DAYS_TO_ADMIT),
        submission=submission,
    )
    session.add(row)
    session.flush()
    return row


def _step(
    session: Session, row: Contest, step: Step, *, by: str | None, words: str, at: datetime, reports: int = 0
) -> None:
    """Write a step and its one event."""
    number = len(_steps(session, row)) + 1
    taken = ContestStep(contest_id=row.id, number=number, step=step, person_id=by, words=words, at=at)
    session.add(taken)
    facts = {"state": row.state, **events.seal(session, taken), **({"reports to re-issue": reports} if reports else {})}
    kind = f"contest {_PAST[step]}"
    events.append(session, at=at, actor=by or events.SYSTEM, kind=kind, subject=row.id, facts=facts)


def _reasons(words: str, *, step: Step) -> str:
    reasons = clean(words, what="reasons")
    if not reasons:
        raise DeskError(f"reasons: empty; say why, to {step} needs reasons that others can read")
    return reasons


def _verdict(step: Step) -> Step:
    if step not in {verdict for verdict, _ in _VERDICTS}:
        raise DeskError(f"verdict {str(step)!r}: no verdict; choose uphold, uphold in part or reject")
    return Step(step)


# --- rows to records -------------------------------------------------------------------------


def _row(session: Session, contest: str) -> Contest:
    row = session.get(Contest, contest)
    if row is None:
        raise DeskError(f"contest {contest[:12]!r}: not at this desk; choose one from the list")
    return row


def _name(row: Contest) -> str:
    return f"contest {row.id[:8]}"


def _steps(session: Session, row: Contest) -> list[ContestStep]:
    chosen = select(ContestStep).where(ContestStep.contest_id == row.id).order_by(ContestStep.number)
    return list(session.scalars(chosen))


def _view(session: Session, row: Contest, *, actor: Actor, now: datetime) -> ContestView:
    steps = _steps(session, row)
    names = _pseudonyms(session, [row.filed_by, row.handler, *(step.person_id for step in steps)])
    return ContestView(
        id=row.id,
        run=row.run_id,
        finding=row.finding_id,
        community=row.community,
        state=State(row.state),
        due=row.due_at,
        overdue=row.state in AWAITING and _late(row, now=now),
        filed_by=names[row.filed_by],
        handler=names.get(row.handler or "", ""),
        mine=row.filed_by == actor.id,
        steps=tuple(
            StepTaken(
                number=step.number,
                step=Step(step.step),
                by=names.get(step.person_id or "", ""),
                words=step.words,
                at=step.at,
                erased=step.erased_at is not None,
            )
            for step in steps
        ),
        may=tuple(
            dict.fromkeys(
                move.step for move in _moves_from(row) if not _why_not(session, row, move, actor=actor, now=now)
            )
        ),
        version=row.version,
    )


def _pseudonyms(session: Session, people: Iterable[str | None]) -> dict[str, str]:
    wanted = {person for person in people if person}
    rows = session.execute(select(Person.id, Person.pseudonym).where(Person.id.in_(wanted)))
    return {row.id: row.pseudonym for row in rows}
