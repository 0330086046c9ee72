"""Work that takes longer than a page may wait: asked for here, done by the worker (audit.workbench), read here.

waiting --next_job--> running --finish--> done
                      running --fail-->   failed
                      running --recover, when the worker that had it died--> waiting, or failed after three tries
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audit.errors import ConflictError, DeskError
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.proposals import LIMITS, asked_of, keep_effect
from audit.reviews.roles import Action, permitted
from audit.reviews.tables import Event, IssuedReport, Job, Run, new_id
from audit.reviews.words import clean
from audit.suites.languages import language
from audit.suites.pair_text import parse_answer, parse_template

MOST_WAITING = 3  # of one person
MOST_BEGUN = 3  # a job that two workers died of is given to a third, and then to none
MOST_ASKED = 8000  # characters of what is asked, as JSON
ACTIONS: Mapping[str, Action] = {
    "try": Action.TRY_PAIR,
    "report": Action.MAKE_REPORT,
    "compare": Action.READ_FINDINGS,  # nothing of what people judged is in it
}
# Events after which a report that does not know them is to be made anew.
OUTDATES = ("contest upheld", "contest upheld in part", "consent withdrawn")


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as who asked for it sees it."""

    id: str
    kind: str  # try | report | compare
    asked: Mapping[str, Any]
    state: str  # waiting | running | done | failed
    ahead: int  # jobs that come before it while it waits
    answer: Mapping[str, Any] | None
    error: str
    asked_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job as the worker sees it."""

    id: str
    kind: str
    asked: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Issue:
    """A report that a job made."""

    run: str
    file: str  # name in the desk's folder of reports
    sha256: str
    as_of: int  # number of the last event that it knows
    language: str = "en"  # that it is said in
    signed_by: str = ""  # as the certificate names them; "": nobody


# --- asking ----------------------------------------------------------------------------------


def ask(db: Database, kind: str, asked: Mapping[str, Any], *, by: str) -> str:
    """Ask for work; the same again, while it still waits, is the same job.

    Args:
        db: the desk.
        kind: try: `asked` holds template, answers (two) and language. report: it holds the run, and what else the
            report is made with. compare: it holds the ids of two runs, first and second.
        asked: JSON.
        by: id of the person.

    Returns:
        Id of the job.

    Raises:
        NotAllowedError: no role that allows it.
        UsageError: a template or answer that cannot be read.
        DeskError: no such kind or run, something left out, the same run twice, or the person has three jobs waiting.
    """
    if kind not in ACTIONS:
        raise DeskError(f"job {kind!r}: no such kind; ask for {' or '.join(ACTIONS)}")
    wanted = _CHECKED[kind](asked)

    def work(session: Session) -> str:
        permitted(session, by, ACTIONS[kind])
        for run in _runs_of(kind, wanted):
            if session.get(Run, run) is None:
                raise DeskError(f"run {run[:12]!r}: not at this desk; bring it here first")
        return _queued(session, kind, wanted, by=by, at=db.now())

    return db.in_write(work)


def try_proposal(db: Database, proposal: str, *, by: str) -> str:
    """Ask for a trial of a proposed pair; its answer is kept beside the pair unless the words change meanwhile.

    Raises:
        NotAllowedError: no role that tries pairs.
        UsageError: a template or answer that cannot be read.
        DeskError: no such pair, or the person has three jobs waiting.
    """

    def work(session: Session) -> str:
        permitted(session, by, Action.TRY_PAIR)
        wanted = {**_pair(asked_of(session, proposal, by=by)), "proposal": proposal}
        return _queued(session, "try", wanted, by=by, at=db.now())

    return db.in_write(work)


def job(db: Database, id_: str, *, by: str) -> JobView:
    """A job of one's own.

    Raises:
        NotAllowedError: no role at the desk.
        DeskError: no such job of theirs.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        row = session.get(Job, id_)
        if row is None or row.asked_by != by:
            raise DeskError(f"job {id_[:12]!r}: not one of yours; ask again")
        return _view(session, row)


def own_jobs(db: Database, *, by: str, most: int = 20) -> tuple[JobView, ...]:
    """The latest jobs of a person, the newest first.

    Raises:
        NotAllowedError: no role at the desk.
    """
    chosen = select(Job).where(Job.asked_by == by).order_by(Job.asked_at.desc(), Job.id).limit(most)
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        return tuple(_view(session, row) for row in session.scalars(chosen))


# --- the worker's side -----------------------------------------------------------------------


def next_job(db: Database) -> Task | None:
    """The job that has waited longest, which is running from now on; None where none waits."""

    def work(session: Session) -> Task | None:
        row = session.scalar(select(Job).where(Job.state == "waiting").order_by(Job.asked_at, Job.id).limit(1))
        if row is None:
            return None
        row.state, row.begun, row.begun_at = "running", row.begun + 1, db.now()
        return Task(id=row.id, kind=row.kind, asked=row.asked)

    with db.read() as session:  # no turn is taken from those who write while nothing waits
        idle = session.scalar(select(func.count()).select_from(Job).where(Job.state == "waiting")) == 0
    return None if idle else db.in_write(work)


def finish(db: Database, id_: str, *, answer: Mapping[str, Any], issue: Issue | None = None) -> None:
    """Keep what came of a job; with `issue`, the report that it made is issued in the same moment.

    A report is made from what the desk held a moment ago. If somebody withdrew consent or a contest was upheld since,
    it is marked for re-issue from the start.

    Raises:
        ConflictError: the job is not running: another worker has it.
    """

    def work(session: Session) -> None:
        row = _running(session, id_)
        row.state, row.answer, row.ended_at = "done", dict(answer), db.now()
        facts: dict[str, object] = {"kind": row.kind}
        if issue is not None:
            report = _issued(session, issue, by=row.asked_by, at=db.now())
            facts |= {"report": report.id, "run": issue.run, "sha256": issue.sha256, "as of": issue.as_of}
        if "proposal" in row.asked:
            asked = {key: value for key, value in row.asked.items() if key != "proposal"}
            facts["kept"] = keep_effect(session, row.asked["proposal"], asked=asked, answer=answer)
        kind = "job done" if issue is None else "report issued"
        actor = events.SYSTEM if issue is None else row.asked_by
        events.append(session, at=db.now(), actor=actor, kind=kind, subject=row.id, facts=facts)

    db.in_write(work)


def fail(db: Database, id_: str, *, error: str) -> None:
    """Say in one line why nothing came of a job.

    Raises:
        ConflictError: the job is not running: another worker has it.
    """

    def work(session: Session) -> None:
        _failed(session, _running(session, id_), error=error, at=db.now())

    db.in_write(work)


def recover(db: Database) -> int:
    """Jobs that a dead worker left running wait again, or fail if workers died of them; called when a worker starts.

    Returns:
        How many wait again.
    """

    def work(session: Session) -> int:
        left = session.scalars(select(Job).where(Job.state == "running").order_by(Job.asked_at, Job.id)).all()
        again = [row for row in left if row.begun < MOST_BEGUN]
        for row in left:
            if row in again:
                row.state = "waiting"
                facts = {"kind": row.kind, "begun": row.begun}
                events.append(
                    session, at=db.now(), actor=events.SYSTEM, kind="job put back", subject=row.id, facts=facts
                )
            else:
                fact = f"the desk stopped {row.begun} times while it worked on this; ask for something smaller"
                _failed(session, row, error=fact, at=db.now())
        return len(again)

    return db.in_write(work)


# --- how ---------------------------------------------------------------------------------------


def _pair(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a trial is asked, checked and cleaned."""
    answers = asked.get("answers")
    if not isinstance(answers, Sequence) or isinstance(answers, str) or len(answers) != 2:
        raise DeskError("answers: not two; give both answers that compete")
    template = clean(str(asked.get("template", "")), what="template", limit=LIMITS["template"])
    both = [clean(str(answer), what="answer", limit=LIMITS["answer_a"]) for answer in answers]
    parse_template(template)
    for answer in both:
        if not answer:
            raise DeskError("answers: one is empty; write words")
        parse_answer(answer)
    return {"template": template, "answers": both, "language": language(str(asked.get("language", ""))).code}


def _plain(asked: Mapping[str, Any]) -> dict[str, Any]:
    """JSON of a bearable size."""
    try:
        text = json.dumps(dict(asked), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DeskError(f"job: what is asked is no JSON ({error}); give texts, numbers and lists") from None
    if len(text) > MOST_ASKED:
        raise DeskError(f"job: {len(text)} characters are asked, {MOST_ASKED} fit; ask for less")
    plain: dict[str, Any] = json.loads(text)
    return plain


def _two(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The two runs that are compared, and nothing else: so the same two are the same job."""
    first, second = (str(asked.get(name, "")) for name in ("first", "second"))
    if first == second:
        raise DeskError(f"run {first[:12]!r}: is compared with itself; choose two runs")
    return {"first": first, "second": second}


_CHECKED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "try": _pair,
    "report": _plain,
    "compare": _two,
}


def _runs_of(kind: str, wanted: Mapping[str, Any]) -> list[str]:
    names = {"report": ("run",), "compare": ("first", "second")}
    return [str(wanted.get(name, "")) for name in names.get(kind, ())]


def _queued(session: Session, kind: str, asked: Mapping[str, Any], *, by: str, at: datetime) -> str:
    waiting = session.scalars(select(Job).where(Job.asked_by == by, Job.state == "waiting")).all()
    for row in waiting:
        if (row.kind, row.asked) == (kind, asked):
            return row.id
    if len(waiting) >= MOST_WAITING:
        raise DeskError(f"jobs: {len(waiting)} of yours wait already; ask again when one is done")
    row = Job(id=new_id(), kind=kind, asked_by=by, asked=dict(asked), state="waiting", begun=0, asked_at=at)
    session.add(row)
    session.flush()
    events.append(session, at=at, actor=by, kind="job asked", subject=row.id, facts={"kind": kind})
    return row.id


def _running(session: Session, id_: str) -> Job:
    row = session.get(Job, id_)
    if row is None or row.state != "running":
        state = "gone" if row is None else row.state
        raise ConflictError(f"job {id_[:8]}: is {state}, not running; let one worker serve a desk")
    return row


def _failed(session: Session, row: Job, *, error: str, at: datetime) -> None:
    row.state, row.ended_at = "failed", at
    row.error = " ".join(error.split())[:1000] or "nothing came of it, and nothing was said why; ask again"
    events.append(session, at=at, actor=events.SYSTEM, kind="job failed", subject=row.id, facts={"kind": row.kind})


def _issued(session: Session, issue: Issue, *, by: str, at: datetime) -> IssuedReport:
    since = select(func.count()).select_from(Event).where(Event.number > issue.as_of, Event.kind.in_(OUTDATES))
    outdated = session.scalar(since) != 0
    report = IssuedReport(
        id=new_id(),
        run_id=issue.run,
        sha256=issue.sha256,
        file=issue.file,
        as_of=issue.as_of,
        language=issue.language,
        signed_by=issue.signed_by,
        made_by=by,
        made_at=at,
        reissue_reason="something changed while it was made" if outdated else "",
    )
    session.add(report)
    session.flush()
    return report


def _view(session: Session, row: Job) -> JobView:
    before = select(func.count()).select_from(Job).where(Job.state == "waiting", Job.asked_at < row.asked_at)
    return JobView(
        id=row.id,
        kind=row.kind,
        asked=row.asked,
        state=row.state,
        ahead=(session.scalar(before) or 0) if row.state == "waiting" else 0,
        answer=row.answer,
        error=row.error,
        asked_at=row.asked_at,
        ended_at=row.ended_at,
    )
