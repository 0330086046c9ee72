"""The desk's log, checked to go through the event that a report names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from audit.attestation.checking import Check, differs, ok
from audit.errors import DeskError, ResourceError

if TYPE_CHECKING:
    from audit.reviews.database import Database


def desk_check(desk: str, *, event: int, head: str) -> Check:
    """Whether a desk's log is whole and went through this event.

    Args:
        desk: database URL, or a backup, which is restored into a folder that goes away.
        event: number of the last event that a report knows.
        head: hash of that event.

    Raises:
        DeskError: the desk cannot be opened, or the backup is damaged.
        ResourceError: the desk's libraries are not installed.
    """
    try:
        from audit.reviews import events
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[app]'") from None
    with _opened(desk) as db, db.read() as session:
        try:
            last = events.require_whole(session, place="the log", heads={event: head} if event else {})
        except DeskError as error:
            fact, _, way_out = str(error).partition("; ")
            return differs("judgements", fact, way_out)
    return ok("judgements", f"the desk's log is whole, {last.number} events, and went through event {event}")


@contextmanager
def _opened(desk: str) -> Iterator[Database]:
    from audit.reviews.backup import restore
    from audit.reviews.database import open_database

    with tempfile.TemporaryDirectory(prefix="plural-audit-") as place:
        url = desk
        if Path(desk).is_file():
            url = f"sqlite:///{Path(place) / 'desk.db'}"
            restore(Path(desk), url)
        db = open_database(url, make=False)
        try:
            yield db
        finally:
            db.close()
