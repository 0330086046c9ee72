"""What a person agrees to, and how they take it back: their words go, the proof that they were there stays.

Withdrawing empties rows rather than removing them: reviews, steps of contests, proposals and what was said of proposals
become shells without words, judgement, region or salt. The chain of events keeps their digests, which nobody can guess
from without the salt. Numbers change by themselves, since they are computed from rows; reports that were issued on the
old ones are marked to be made anew.

What is not reached: reports that were printed, exports and backups made before, suites that were published with a
person's pair in them (they are named), and words of others who quote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from audit.errors import DeskError, NotAllowedError
from audit.reviews import contests, events
from audit.reviews.database import Database
from audit.reviews.roles import Action, permitted
from audit.reviews.tables import (
    Assignment,
    Base,
    Contest,
    ContestStep,
    Draft,
    Grant,
    Invitation,
    IssuedReport,
    ItemReview,
    Job,
    Person,
    Proposal,
    ProposalReview,
    Review,
    SignIn,
    new_id,
)
from audit.reviews.terms import CONSENT_VERSION, agreed

LEFT = "a person withdrew consent"  # why a report is to be issued anew


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """What withdrawing took out."""

    reviews: int  # judgements, each revision counted
    runs: tuple[str, ...]  # that had words or judgements of the person
    reports: int  # newly marked to be issued anew
    published: tuple[str, ...]  # suite versions that hold a pair of theirs: take it out by hand


def give(db: Database, *, by: str) -> None:
    """Agree to the present text; again is no change.

    Raises:
        NotAllowedError: no such person, or one who may not sign in.
    """

    def work(session: Session) -> None:
        person = _active(session, by)
        if agreed(person):
            return
        person.consent_at, person.consent_version = db.now(), CONSENT_VERSION
        facts = {"version": CONSENT_VERSION}
        events.append(session, at=db.now(), actor=by, kind="consent given", subject=by, facts=facts)

    db.in_write(work)


def withdraw(db: Database, *, by: str, person: str | None = None) -> Withdrawn:
    """Take everything out that a person said, and close their account for good.

    Args:
        db: the desk.
        by: the person; or an admin, for somebody who asked them to.
        person: for whom, where it is not `by`.

    Raises:
        DeskError: no such person, or one who has withdrawn already.
        NotAllowedError: `by` may not sign in, or is no admin and asks for somebody else.
    """
    whose = person or by

    def work(session: Session) -> Withdrawn:
        if whose == by:
            _active(session, by)
        else:
            permitted(session, by, Action.MANAGE_PEOPLE)
        leaver = session.get(Person, whose)
        if leaver is None or leaver.status == "withdrawn":
            raise DeskError(
                f"person {whose[:12]!r}: not at this desk, or has withdrawn already; nothing is left to remove"
            )
        now = db.now()
        contests.leave(session, person=whose, at=now)
        reviews, runs, published = _erase(session, whose, at=now)
        reports = _mark_reports(session, runs)
        _close(session, leaver, at=now)
        facts = {"reviews": reviews, "runs": runs, "reports": reports}
        events.append(session, at=now, actor=by, kind="consent withdrawn", subject=whose, facts=facts)
        return Withdrawn(reviews=reviews, runs=tuple(runs), reports=reports, published=tuple(published))

    done = db.in_write(work)
    _overwrite(db)
    return done


def _active(session: Session, person: str) -> Person:
    row = session.get(Person, person)
    if row is None or row.status != "active":
        raise NotAllowedError("this account may not sign in; ask whoever runs the desk")
    return row


# --- what is taken out -------------------------------------------------------------------------


def _erase(session: Session, person: str, *, at: datetime) -> tuple[int, list[str], list[str]]:
    """Empty everything the person wrote.

    Returns:
        Reviews erased, runs that are affected, suite versions that hold a pair of theirs.
    """
    reviews = session.scalars(select(Review).where(Review.person_id == person, Review.erased_at.is_(None))).all()
    for review in reviews:
        _empty(review, at=at)
        review.submission, review.hidden_reason = f"erased {new_id()}", ""
    _remove(session, ItemReview, ItemReview.review_id, (review.id for review in reviews))
    steps = session.execute(
        select(ContestStep, Contest.run_id)
        .join(Contest, Contest.id == ContestStep.contest_id)
        .where(ContestStep.person_id == person, ContestStep.erased_at.is_(None))
    )
    contested = set()
    for step, run in steps.all():
        contested.add(run)
        _empty(step, at=at)
    published = _erase_proposals(session, person, at=at)
    mine = session.scalars(select(Assignment).where(Assignment.person_id == person)).all()
    _remove(session, Draft, Draft.assignment_id, (assignment.id for assignment in mine))
    for assignment in mine:
        assignment.state, assignment.skip_reason = "withdrawn", ""  # its place is free for somebody else
    _erase_jobs(session, person, at=at)
    return len(reviews), sorted({review.run_id for review in reviews} | contested), published


def _erase_proposals(session: Session, person: str, *, at: datetime) -> list[str]:
    published = []
    for proposal in session.scalars(select(Proposal).where(Proposal.person_id == person)):
        if proposal.published:
            published.append(proposal.published)
        _empty(proposal, at=at)
        proposal.effect, proposal.state = None, "withdrawn"
        proposal.submission = f"erased {new_id()}"
        _erase_answers(session, proposal, at=at)
    for review in session.scalars(select(ProposalReview).where(ProposalReview.person_id == person)):
        _empty(review, at=at)
    return sorted(set(published))


def _erase_answers(session: Session, proposal: Proposal, *, at: datetime) -> None:
    """The proposer's answers to what others said. Those reviews stand, so they are sealed anew, under another salt."""
    answered = select(ProposalReview).where(ProposalReview.proposal_id == proposal.id, ProposalReview.answer != "")
    for review in session.scalars(answered).all():
        review.answer, review.salt = "", new_id()
        facts = events.seal(session, review)
        events.append(
            session, at=at, actor=proposal.person_id, kind="answer taken out", subject=proposal.id, facts=facts
        )


def _erase_jobs(session: Session, person: str, *, at: datetime) -> None:
    """What was asked of the model, and answered, holds the words of a pair: also where others tried theirs."""
    theirs = select(Proposal.id).where(Proposal.person_id == person)
    of_theirs = Job.asked["proposal"].as_string().in_(theirs)
    for job in session.scalars(select(Job).where(or_(Job.asked_by == person, of_theirs))).all():
        job.asked, job.answer, job.error = {}, None, ""
        if job.state in ("waiting", "running"):
            job.state, job.error, job.ended_at = "failed", "whoever wrote the words has left", at


def _empty(row: Base, *, at: datetime) -> None:
    """Take the words that a seal covers, and the salt by which its digest could be tried out."""
    filled: Any = row
    for name in events.WRITTEN[type(row)]:
        kept = getattr(filled, name)
        setattr(filled, name, "" if isinstance(kept, str) else [] if isinstance(kept, list) else None)
    filled.salt, filled.erased_at = "", at


def _remove(session: Session, table: type[Base], column: Any, ids: Iterable[str]) -> None:
    session.flush()
    session.execute(delete(table).where(column.in_([*ids])))


def _mark_reports(session: Session, runs: Sequence[str]) -> int:
    standing = session.scalars(
        select(IssuedReport.id).where(IssuedReport.run_id.in_(runs), IssuedReport.reissue_reason == "")
    ).all()
    session.execute(update(IssuedReport).where(IssuedReport.id.in_(standing)).values(reissue_reason=LEFT))
    return len(standing)


def _close(session: Session, person: Person, *, at: datetime) -> None:
    """The account: nothing by which it could be signed in to, or its owner be known."""
    person.login, person.pseudonym = f"withdrawn {person.id}", f"withdrawn {person.id[:8]} {new_id()[:8]}"
    person.password_hash, person.oidc_subject, person.status = None, None, "withdrawn"
    person.region, person.reads, person.consent_at, person.consent_version = "", [], None, ""
    unused = Invitation.made_by == person.id, Invitation.used_by.is_(None), Invitation.revoked_at.is_(None)
    session.execute(update(Invitation).where(*unused).values(revoked_at=at))
    live = SignIn.person_id == person.id, SignIn.revoked_at.is_(None)
    session.execute(update(SignIn).where(*live).values(revoked_at=at))
    session.execute(delete(Grant).where(Grant.person_id == person.id))


def _overwrite(db: Database) -> None:
    """SQLite's log of writes still holds what was there before; a server vacuums in its own time."""
    if db.engine.dialect.name != "sqlite":
        return
    connection = db.engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
