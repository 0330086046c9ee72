"""Reports that left the desk: which there are, and the bytes of one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from audit.errors import DeskError
from audit.reviews.database import Database
from audit.reviews.roles import Action, permitted
from audit.reviews.seen import note_seen
from audit.reviews.tables import IssuedReport, Person


@dataclass(frozen=True, kw_only=True)
class IssuedView:
    """A report as the desk lists it."""

    id: str
    run: str
    file: str  # its name
    sha256: str
    as_of: int  # number of the last event that it knows
    language: str  # that it is said in
    signed_by: str  # as the certificate names them; "" where nobody signed it
    made_by: str  # pseudonym
    made_at: datetime
    reissue_reason: str  # "" while it stands


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A report with its bytes."""

    record: IssuedView
    content: bytes


def reports(db: Database, run: str, *, by: str) -> tuple[IssuedView, ...]:
    """The reports of a run, the newest first.

    They hold what others judged, so those who still have to judge blind do not read them.

    Raises:
        NotAllowedError: `by` may not issue reports.
    """
    with db.read() as session:
        permitted(session, by, Action.MAKE_REPORT)
        rows = session.execute(
            select(IssuedReport, Person.pseudonym)
            .join(Person, Person.id == IssuedReport.made_by)
            .where(IssuedReport.run_id == run)
            .order_by(IssuedReport.made_at.desc(), IssuedReport.id)
        ).all()
        return tuple(_view(row, name) for row, name in rows)


def report(db: Database, id_: str, *, folder: Path, by: str) -> Issued:
    """One report, its bytes checked against the digest they were issued with.

    It says what others judged, so who has had it in their hands cannot judge that run blind any more: that is noted.

    Args:
        db: the desk.
        id_: of the report.
        folder: the desk's folder of reports.
        by: who reads it.

    Raises:
        DeskError: no such report, or its file is missing or was changed.
        NotAllowedError: `by` may not issue reports.
    """
    with db.read() as session:
        permitted(session, by, Action.MAKE_REPORT)
        row = session.get(IssuedReport, id_)
        if row is None:
            raise DeskError(f"report {id_!r}: not at this desk; choose one from the page Report")
        record = _view(row, session.get_one(Person, row.made_by).pseudonym)
    file = folder / Path(record.file).name  # a name, whatever the row says
    if not file.is_file():
        raise DeskError(f"report {id_}: its file {file.name} is not in the desk's folder; issue it anew")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise DeskError(f"report {id_}: {file.name} is not what was issued; issue it anew")
    note_seen(db, person=by, run=record.run)
    return Issued(record=record, content=content)


def _view(row: IssuedReport, made_by: str) -> IssuedView:
    return IssuedView(
        id=row.id,
        run=row.run_id,
        file=row.file,
        sha256=row.sha256,
        as_of=row.as_of,
        language=row.language,
        signed_by=row.signed_by,
        made_by=made_by,
        made_at=row.made_at,
        reissue_reason=row.reissue_reason,
    )
