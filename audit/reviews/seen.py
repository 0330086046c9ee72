"""Who has read what others said of a finding: they cannot judge it blind any more, and who has not must not read."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.tables import Assignment, Event, Review

READ = "judgements read"  # the event that says that somebody read what others said of a finding, or of a whole run


def open_to(session: Session, person: str, *, run: str) -> frozenset[str]:
    """Findings of which a reviewer may read what others said: they have judged them, or skipped them for good."""
    judged = select(Review.finding_id).where(Review.run_id == run, Review.person_id == person)
    skipped = select(Assignment.finding_id).where(
        Assignment.run_id == run, Assignment.person_id == person, Assignment.state == "skipped"
    )
    return frozenset([*session.scalars(judged), *session.scalars(skipped)])


def waiting(session: Session, person: str) -> set[tuple[str, str]]:
    """(run, finding) of the cards that wait for a person: nothing that others said of them is shown."""
    chosen = select(Assignment.run_id, Assignment.finding_id).where(
        Assignment.person_id == person, Assignment.state == "open"
    )
    return {(run, finding) for run, finding in session.execute(chosen)}


def has_seen(session: Session, *, person: str, run: str, finding: str | None = None) -> bool:
    """Whether somebody has read what others said of a finding (or of the whole run), and so cannot judge it blind."""
    subjects = [run, *([_subject(run, finding)] if finding else [])]
    seen = select(Event.number).where(Event.kind == READ, Event.actor == person, Event.subject.in_(subjects)).limit(1)
    return session.scalar(seen) is not None


def note_seen(db: Database, *, person: str, run: str, finding: str | None = None) -> None:
    """Write down, once, that somebody reads what others said of a finding, or of the whole run."""
    with db.read() as session:
        if has_seen(session, person=person, run=run, finding=finding):
            return

    def work(session: Session) -> None:
        if not has_seen(session, person=person, run=run, finding=finding):
            subject = _subject(run, finding) if finding else run
            events.append(session, at=db.now(), actor=person, kind=READ, subject=subject, facts={})

    db.in_write(work)


def _subject(run: str, finding: str) -> str:
    return f"{run}/{finding}"
