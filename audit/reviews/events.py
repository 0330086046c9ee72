"""The log: what happened at the desk, in one order, each event chained to the one before it.

An event's hash is the SHA-256 of the canonical JSON of everything in it, the hash of the event before included; so
whoever changes, removes, adds or reorders an event breaks every hash after it. What a chain cannot show is that its
end was cut off: for that its head is written down elsewhere, in each report and each backup, and `verify_chain` takes
heads.

Words of people are never in an event. It holds their salted digest; the salt stands beside the words in their row and
is erased with them, so that an erased judgement cannot be guessed from its digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audit.errors import DeskError
from audit.reviews.tables import Base, ContestStep, Event, IssuedReport, Proposal, ProposalReview, Review
from audit.runs import canonical

GENESIS = "0" * 64  # what the first event follows
SYSTEM, COMMAND_LINE = "system", "command line"  # actors that are not people

# Which columns of a table are people's words and judgements: those that a seal covers.
WRITTEN: Mapping[type[Base], tuple[str, ...]] = {
    Review: ("judgement", "severity", "prevalence", "region", "comment", "comment_language"),
    ContestStep: ("words",),
    Proposal: ("language", "topic", "template", "answer_a", "answer_b", "gloss", "source", "regions"),
    ProposalReview: ("judgement", "words", "answer"),
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The first thing that is wrong with the log, or with what it speaks of."""

    number: int  # of the event
    reason: str

    def __str__(self) -> str:
        return f"event {self.number}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The end of the chain at some moment: who knows it can tell whether anything before it was changed."""

    number: int  # 0: nothing has happened yet
    hash: str


# --- writing ---------------------------------------------------------------------------------


def append(
    session: Session, *, at: datetime, actor: str, kind: str, subject: str, facts: Mapping[str, object]
) -> Event:
    """Add one event in the caller's transaction: it stands or falls with what it tells of.

    Args:
        session: of a write transaction; writers take turns, so the head that is read here stays the head.
        at: aware.
        actor: id of the person, SYSTEM or COMMAND_LINE.
        kind: what happened, in words: "review submitted".
        subject: id of what it happened to.
        facts: JSON; never words of people: their `digest_of`, or `seal` of the row.
    """
    before = head(session)
    row = Event(
        number=before.number + 1,
        at=at.astimezone(UTC),
        actor=actor,
        kind=kind,
        subject=subject,
        facts=json.loads(canonical(facts)),  # as it will be read back: lists, not tuples
        previous=before.hash,
    )
    row.hash = hash_of(row)
    session.add(row)
    session.flush()
    return row


def digest_of(words: Mapping[str, object], *, salt: str) -> str:
    """What stands in the log for what somebody wrote: it proves the words to who has them, and tells nobody else.

    Args:
        words: field -> what was written.
        salt: secret, kept beside the words and erased with them; a short judgement could be guessed without it.
    """
    return hashlib.sha256(canonical({"salt": salt, "words": dict(words)})).hexdigest()


def seal(session: Session, row: Base) -> dict[str, Any]:
    """Facts that tie an event to the words in a row: `verify_words` finds the row and compares.

    The rows of WRITTEN can be sealed. Their `salt` is made when they are added; who erases a row empties it.
    """
    session.flush()  # gives the row its id and salt
    return {"row": [row.__tablename__, *_key_of(row)], "sha256": _digest_of_row(row)}


# --- checking --------------------------------------------------------------------------------


def head(session: Session) -> Head:
    """The end of the chain as this transaction sees it."""
    last = session.execute(select(Event.number, Event.hash).order_by(Event.number.desc()).limit(1)).first()
    return Head(number=0, hash=GENESIS) if last is None else Head(number=last.number, hash=last.hash)


def hash_of(event: Event) -> str:
    """SHA-256 of the canonical JSON of the event, its own hash left out."""
    content = {
        "number": event.number,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor,
        "kind": event.kind,
        "subject": event.subject,
        "facts": event.facts,
        "previous": event.previous,
    }
    return hashlib.sha256(canonical(content)).hexdigest()


def verify_chain(session: Session, *, heads: Mapping[int, str] | None = None) -> Problem | None:
    """The first event that is wrong, or None where the log is whole.

    Args:
        session: of any transaction.
        heads: number -> hash, as written down elsewhere: shows an end that was cut off or a log written anew.
    """
    known, number, previous = dict(heads or {}), 0, GENESIS
    for event in _in_order(session):
        number += 1
        if event.number != number:
            return Problem(number=number, reason="is missing")
        if event.previous != previous:
            return Problem(number=number, reason="does not follow the event before it")
        if event.hash != hash_of(event):
            return Problem(number=number, reason="was changed after it was written: its hash does not fit what it says")
        if known.get(number, event.hash) != event.hash:
            return Problem(number=number, reason="is another one than was written down elsewhere")
        previous = event.hash
    if known and max(known) > number:
        return Problem(number=number + 1, reason=f"is missing: the log once had {max(known)} events")
    return None


def verify_words(session: Session) -> Problem | None:
    """The first seal that no longer fits its row, or None. Rows that were erased as their author asked are skipped."""
    latest: dict[tuple[str, ...], tuple[int, str]] = {}
    for event in _in_order(session):
        if "row" in event.facts and "sha256" in event.facts:
            latest[tuple(map(str, event.facts["row"]))] = (event.number, event.facts["sha256"])
    tables = {table.__tablename__: table for table in WRITTEN}
    for (name, *key), (number, sha256) in sorted(latest.items(), key=lambda pair: pair[1]):
        row: Any = session.get(tables[name], _typed(tables[name], key)) if name in tables else None
        if row is None:
            return Problem(number=number, reason=f"its row of {name!r} is gone; rows are erased, never removed")
        if row.erased_at is None and _digest_of_row(row) != sha256:
            return Problem(number=number, reason=f"the words in its row of {name!r} were changed after it was written")
    return None


def verify_reports(session: Session) -> Problem | None:
    """The first event that an issued report knows of and the log does not have: its end was cut off; or None."""
    last, known = head(session).number, session.scalar(select(func.max(IssuedReport.as_of))) or 0
    return Problem(number=last + 1, reason=f"is missing: a report knows {known} events") if known > last else None


def require_whole(session: Session, *, place: str, heads: Mapping[int, str] | None = None) -> Head:
    """The head of a log that is whole.

    Raises:
        DeskError: it is not, or words were changed; the first problem is named.
    """
    problem = verify_chain(session, heads=heads) or verify_reports(session) or verify_words(session)
    if problem is not None:
        raise DeskError(f"{place}: {problem}; keep this database as it is and restore the last backup that verifies")
    return head(session)


def _in_order(session: Session) -> Iterator[Event]:
    # In portions, each let go of after it: a long log does not fill the memory.
    last = -1
    while rows := session.scalars(select(Event).where(Event.number > last).order_by(Event.number).limit(500)).all():
        for event in rows:
            yield event
            session.expunge(event)
        last = rows[-1].number


def _key_of(row: Base) -> list[Any]:
    return [getattr(row, column.name) for column in type(row).__mapper__.primary_key]


def _typed(table: type[Base], key: list[str]) -> tuple[Any, ...]:
    columns = table.__mapper__.primary_key
    return tuple(column.type.python_type(part) for column, part in zip(columns, key, strict=True))


def _digest_of_row(row: Any) -> str:
    return digest_of({name: getattr(row, name) for name in WRITTEN[type(row)]}, salt=row.salt)
