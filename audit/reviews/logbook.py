"""The log as people read it: a page at a time, with names; and whether it is whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from audit.errors import DeskError
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.events import Head, Problem
from audit.reviews.roles import Action, permitted
from audit.reviews.tables import Event, Person

PER_PAGE_MOST = 200


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One event."""

    number: int
    at: datetime
    actor: str  # pseudonym; "system", "command line"
    kind: str
    subject: str
    facts: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, kw_only=True)
class LogPage:
    """Some events, the newest first."""

    entries: tuple[Entry, ...]
    total: int
    page: int  # from 1; the last one where a later one was asked for
    pages: int
    kinds: tuple[str, ...]  # of all events


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Whether the log and the words it speaks of are as they were written."""

    head: Head
    problem: Problem | None


def read(db: Database, *, kind: str = "", page: int = 1, per_page: int = 50, by: str) -> LogPage:
    """One page of the log.

    Raises:
        DeskError: a page that makes no sense.
        NotAllowedError: `by` may not read the log.
    """
    if not 1 <= per_page <= PER_PAGE_MOST or page < 1:
        raise DeskError(f"log: page {page} of {per_page}; ask from page 1, 1 to {PER_PAGE_MOST} rows")
    conditions = [Event.kind == kind] if kind else []
    with db.read() as session:
        permitted(session, by, Action.READ_LOG)
        total = session.scalar(select(func.count()).select_from(Event).where(*conditions)) or 0
        pages = max(1, math.ceil(total / per_page))
        page = min(page, pages)
        rows = session.execute(
            select(Event, Person.pseudonym)
            .outerjoin(Person, Person.id == Event.actor)
            .where(*conditions)
            .order_by(Event.number.desc())
            .offset((page - 1) * per_page)
            .limit(per_page)
        ).all()
        return LogPage(
            entries=tuple(_entry(event, name) for event, name in rows),
            total=total,
            page=page,
            pages=pages,
            kinds=tuple(session.scalars(select(Event.kind).distinct().order_by(Event.kind))),
        )


def check(db: Database, *, by: str) -> Checked:
    """Whether the chain holds, no issued report knows more than it has, and no words were changed. Reads all of it.

    Raises:
        NotAllowedError: `by` may not read the log.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_LOG)
        problem = events.verify_chain(session) or events.verify_reports(session) or events.verify_words(session)
        return Checked(head=events.head(session), problem=problem)


def _entry(event: Event, pseudonym: str | None) -> Entry:
    return Entry(
        number=event.number,
        at=event.at,
        actor=pseudonym or event.actor,
        kind=event.kind,
        subject=event.subject,
        facts=event.facts,
        hash=event.hash,
    )
