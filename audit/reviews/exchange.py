"""Judgements out of the desk and into another, and its logs: open formats, one line a judgement.

What is exported is what others may read (audit.reviews.summary): small groups are put together, people are tokens that
say nothing. So an export can be published, and what another desk imports is no more than that.

JSON Lines, each line an object by itself:

    {"format": "plural-audit judgements 1", "id": ..., "run": ..., "finding": ..., "person": token,
     "community": id, or "" where small communities were put together, "community_name": ..., "judgement": ...,
     "severity": 0..4 or null, "prevalence": ..., "region": ..., "comment": ..., "comment_language": ...,
     "revised": true or false, "blind": the first judgement, "items": [[item, language, wording], ...],
     "hidden": a moderator's reason, "current": whether the run still has the finding}

The CSV has the same columns; what a spreadsheet would run as a formula gets an apostrophe before it, at the beginning
of a cell and where a spreadsheet that expects semicolons or tabs would begin another one. JSON Lines are exact.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.errors import DeskError, NotAllowedError
from audit.escaping import for_spreadsheet
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.library import GONE, run_of
from audit.reviews.roles import Action, permitted
from audit.reviews.seen import note_seen, open_to
from audit.reviews.summary import IMPORTED, Told, handle_of, names_of, told
from audit.reviews.tables import Community, Event, FindingRow, ItemReview, Person, Review, new_id
from audit.reviews.words import clean

FORMAT = "plural-audit judgements 1"
MOST_BYTES = 20_000_000
MOST_LINES = 50_000
MOST_NAMED = 20  # bad lines in one message
_SOURCE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


# --- out ---------------------------------------------------------------------------------------


def export_jsonl(db: Database, run: str, *, by: str | None) -> bytes:
    """All judgements of a run as JSON Lines.

    Args:
        db: the desk.
        run: its id.
        by: an auditor or admin; None for the command line.

    Raises:
        DeskError: no such run here.
        NotAllowedError: `by` may not export; or reviews besides, and has not judged everything that others have.
    """
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in _exported(db, run, by=by)]
    return _handed_out(db, run, "".join(f"{line}\n" for line in lines).encode(), kind="JSON Lines", by=by)


def export_csv(db: Database, run: str, *, by: str | None) -> bytes:
    """All judgements of a run as CSV. Raises as `export_jsonl`."""
    rows = [{**row, "items": json.dumps(row["items"], ensure_ascii=False)} for row in _exported(db, run, by=by)]
    return _handed_out(db, run, as_csv(list(Line.model_fields), rows), kind="CSV", by=by)


def event_log(db: Database, *, by: str | None) -> bytes:
    """Every event as JSON Lines, with all that its hash covers: anybody can check the chain.

    Raises:
        NotAllowedError: `by` may not read the log.
    """
    with db.read() as session:
        if by is not None:
            permitted(session, by, Action.READ_LOG)
        rows = [
            {
                "number": event.number,
                "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
                "actor": event.actor,
                "kind": event.kind,
                "subject": event.subject,
                "facts": event.facts,
                "previous": event.previous,
                "hash": event.hash,
            }
            for event in session.scalars(select(Event).order_by(Event.number))
        ]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def moderation_log(db: Database, *, by: str | None) -> bytes:
    """Which comments were hidden, when, by whom and why, as CSV. Whose they were is not in it.

    Raises:
        NotAllowedError: `by` may not read the log.
    """
    columns = ("date", "run", "finding", "moderator", "reason")
    with db.read() as session:
        if by is not None:
            permitted(session, by, Action.READ_LOG)
        hidden = session.execute(select(Review.id, Review.salt, Review.hidden_reason).where(Review.hidden_reason != ""))
        reasons = {handle_of(id_, salt): reason for id_, salt, reason in hidden}
        rows = session.execute(
            select(Event, Person.pseudonym)
            .outerjoin(Person, Person.id == Event.actor)
            .where(Event.kind == "comment hidden")
            .order_by(Event.number)
        )
        return as_csv(
            columns,
            [
                {
                    "date": event.at.date().isoformat(),
                    "run": event.facts["run"],
                    "finding": event.facts["finding"],
                    "moderator": pseudonym or event.actor,
                    "reason": reasons.get(event.subject, "its author withdrew"),
                }
                for event, pseudonym in rows
            ],
        )


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> bytes:
    """Rows as CSV that no spreadsheet runs."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _disarmed(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _disarmed(value: object) -> object:
    return for_spreadsheet(value) if isinstance(value, str) else value


def _exported(db: Database, run: str, *, by: str | None) -> list[dict[str, Any]]:
    with db.read() as session:
        if by is not None:
            _require_seen_all(session, run, by=by)
        run_of(session, run)
        table = told(session, run)
        names = names_of(session, {one.voice.community for one in table})
        own = set(session.scalars(select(Community.id)))
        rows = [_row(one, run=run, names=names, own=own) for one in table]
    if by is not None and rows:
        note_seen(db, person=by, run=run)
    return rows


def _require_seen_all(session: Session, run: str, *, by: str) -> None:
    actor = permitted(session, by, Action.EXPORT)
    if not actor.communities():
        return
    judged = set(session.scalars(select(Review.finding_id).where(Review.run_id == run, Review.erased_at.is_(None))))
    if unseen := judged - open_to(session, by, run=run):
        raise NotAllowedError(
            f"export: you review yourself and have not judged {len(unseen)} findings that others have; "
            "let somebody export who does not review"
        )


def _row(one: Told, *, run: str, names: Mapping[str, str], own: set[str]) -> dict[str, Any]:
    voice = one.voice
    return {
        "format": FORMAT,
        "id": one.id,
        "run": run,
        "finding": voice.finding,
        "person": one.token,
        "community": voice.community if voice.community in own else "",
        "community_name": names[voice.community],
        "judgement": voice.judgement,
        "severity": voice.severity,
        "prevalence": voice.prevalence,
        "region": voice.region,
        "comment": voice.comment,
        "comment_language": voice.comment_language,
        "revised": voice.revised,
        "blind": voice.blind,
        "items": [list(wording) for wording in one.wordings],
        "hidden": one.hidden,
        "current": not one.gone,
    }


def _handed_out(db: Database, run: str, content: bytes, *, kind: str, by: str | None) -> bytes:
    facts = {"format": kind, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def work(session: Session) -> None:
        actor = by or events.COMMAND_LINE
        events.append(session, at=db.now(), actor=actor, kind="judgements exported", subject=run, facts=facts)

    db.in_write(work)
    return content


# --- in ----------------------------------------------------------------------------------------

_Id = Annotated[str, Field(min_length=1, max_length=100)]
_Words = Annotated[str, Field(max_length=4000)]
_Said = Literal["agree", "partly", "disagree", "cannot say"]


class Line(BaseModel):
    """A line of the export, as it must be to be imported."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["plural-audit judgements 1"]
    id: _Id
    run: _Id
    finding: _Id
    person: _Id
    community: Annotated[str, Field(max_length=100)]
    community_name: Annotated[str, Field(max_length=200)]
    judgement: _Said
    severity: Annotated[int, Field(ge=0, le=4)] | None
    prevalence: Literal["common", "some", "rare", "absent", "cannot say", ""]
    region: Annotated[str, Field(max_length=200)]
    comment: _Words
    comment_language: Annotated[str, Field(max_length=35)]
    revised: bool
    blind: _Said
    items: Annotated[list[tuple[_Id, _Id, Literal["natural", "awkward", "wrong"]]], Field(max_length=500)]
    hidden: Annotated[str, Field(max_length=500)]
    current: bool


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did."""

    new: int  # judgements added
    known: int  # that were imported before, unchanged
    differing: tuple[
        int, ...
    ]  # lines of judgements that were imported before and say something else: left as they were


def import_judgements(db: Database, content: bytes, *, source: str, by: str | None) -> Imported:
    """Take in what another desk exported (`export_jsonl`): all of it, or nothing where a line is wrong.

    Each token becomes a person who cannot sign in; judgements of communities that were put together are given to one
    community of that source. The same file again adds nothing.

    Args:
        db: the desk; the runs must be here.
        content: JSON Lines.
        source: a short name of the other desk: small latin letters, digits, hyphens.
        by: an auditor or admin; None for the command line.

    Raises:
        DeskError: too large, or wrong lines, each named with its number; nothing was imported.
        NotAllowedError: `by` may not bring data to the desk.
    """
    if not _SOURCE.fullmatch(source):
        raise DeskError(f"source {source[:50]!r}: not a short name; write one like nairobi-desk")
    if len(content) > MOST_BYTES:
        raise DeskError(f"import: {len(content)} bytes, at most {MOST_BYTES} are taken; split the file by run")

    def work(session: Session) -> Imported:
        if by is not None:
            permitted(session, by, Action.IMPORT_RUN)
        lines = _checked(session, content)
        new: list[Line] = []
        known: list[int] = []
        differing: list[int] = []
        earlier = select(Review).where(Review.submission.startswith(f"{IMPORTED}{source} ", autoescape=True))
        kept = {row.submission: row for row in session.scalars(earlier)}  # one question, not one a line: others wait
        for number, line in lines:
            before = kept.get(_submission(source, line))
            if before is None:
                new.append(line)
            else:
                (known if _same(before, line) else differing).append(number)
        _add(session, new, source=source, at=db.now())
        facts = {
            "new": len(new),
            "known": len(known),
            "differing": len(differing),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        actor = by or events.COMMAND_LINE
        events.append(session, at=db.now(), actor=actor, kind="judgements imported", subject=source, facts=facts)
        return Imported(new=len(new), known=len(known), differing=tuple(differing))

    return db.in_write(work)


def _checked(session: Session, content: bytes) -> list[tuple[int, Line]]:
    """The lines with their numbers.

    Raises:
        DeskError: some are wrong.
    """
    good: list[tuple[int, Line]] = []
    bad: list[str] = []
    communities = set(session.scalars(select(Community.id)))
    items: dict[tuple[str, str], frozenset[str] | None] = {}
    for number, line in _parsed(content):
        reason = line if isinstance(line, str) else ""
        if isinstance(line, Line):
            about = line.run, line.finding
            if about not in items:
                items[about] = _items_behind(session, *about)
            reason = _wrong(line, items=items[about], communities=communities)
            good.append((number, line))
        if reason:
            bad.append(f"line {number}: {reason}")
    bad += _twice(good)
    if bad:
        more = f"; and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        raise DeskError(f"import: {'; '.join(bad[:MOST_NAMED])}{more}; nothing was imported: mend these lines")
    return good


def _parsed(content: bytes) -> Iterator[tuple[int, Line | str]]:
    lines = [(number, raw) for number, raw in enumerate(content.split(b"\n"), start=1) if raw.strip()]
    if len(lines) > MOST_LINES:
        raise DeskError(f"import: {len(lines)} lines, at most {MOST_LINES} are taken; split the file by run")
    if not lines:
        raise DeskError("import: no lines; choose a file that a desk exported as JSON Lines")
    for number, raw in lines:
        try:
            yield number, _cleaned(Line.model_validate_json(raw))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "line"
            yield number, f"{place[:60]}: {first['msg'][:120]}"
        except DeskError as error:
            yield number, str(error)


def _cleaned(line: Line) -> Line:
    texts = ("id", "run", "finding", "person", "community", "community_name", "region", "comment", "hidden")
    kept = {name: clean(getattr(line, name), what=name) for name in (*texts, "comment_language")}
    return line.model_copy(update=kept)


def _items_behind(session: Session, run: str, finding: str) -> frozenset[str] | None:
    """Items of a finding; None where the run is not here or has it no more."""
    row = session.get(FindingRow, (run, finding))
    return None if row is None or row.place == GONE else frozenset(row.content["measurement"]["items"])


def _wrong(line: Line, *, items: frozenset[str] | None, communities: set[str]) -> str:
    if items is None:
        return f"finding {line.finding[:40]!r} of run {line.run[:40]!r} is not at this desk"
    if line.community and line.community not in communities:
        return f"community {line.community[:40]!r} is not at this desk"
    strange = [item for item, _, _ in line.items if item not in items]
    if strange:
        return f"item {strange[0][:40]!r} is not behind finding {line.finding[:40]!r}"
    if len({(item, language) for item, language, _ in line.items}) < len(line.items):
        return "names an item twice"
    if line.blind != line.judgement and not line.revised:
        return "was not revised, yet its blind judgement is another"
    return ""


def _twice(lines: Sequence[tuple[int, Line]]) -> list[str]:
    first: dict[tuple[str, ...], int] = {}
    bad = []
    for number, line in lines:
        for key in (("id", line.id), ("person", line.run, line.finding, line.person)):
            if first.setdefault(key, number) != number:
                bad.append(f"line {number}: the same {key[0]} and finding as line {first[key]}")
                break
    return bad


def _add(session: Session, lines: Sequence[Line], *, source: str, at: datetime) -> None:
    """All of them at once: a question to the database for each would hold up everybody who writes."""
    _add_people(session, {line.person for line in lines}, source=source, at=at)
    if not all(line.community for line in lines):
        _add_others(session, source, at=at)
    items: list[ItemReview] = []
    for line in lines:
        reviews = _reviews_of(line, source=source, at=at)
        session.add_all(reviews)
        items += [
            ItemReview(review_id=reviews[-1].id, item=item, language=language, wording=wording)
            for item, language, wording in line.items
        ]
    session.flush()
    session.add_all(items)


def _reviews_of(line: Line, *, source: str, at: datetime) -> list[Review]:
    """The judgement as this desk keeps it, each revision; the latest comes last."""
    shared: dict[str, Any] = {
        "run_id": line.run,
        "finding_id": line.finding,
        "person_id": _person(source, line.person),
        "community": line.community or _others(source),
        "submitted_at": at,
    }
    last = Review(
        id=new_id(),
        revision=2 if line.revised else 1,
        judgement=line.judgement,
        severity=line.severity,
        prevalence=line.prevalence,
        region=line.region,
        comment=line.comment,
        comment_language=line.comment_language,
        hidden_reason=line.hidden,
        submission=_submission(source, line),
        **shared,
    )
    if not line.revised:
        return [last]
    unsaid = {"severity": None, "prevalence": "", "region": "", "comment": "", "comment_language": ""}
    submission = f"{_submission(source, line)} blind"
    return [Review(id=new_id(), revision=1, judgement=line.blind, submission=submission, **unsaid, **shared), last]


def _same(row: Review, line: Line) -> bool:
    names = ("judgement", "severity", "prevalence", "comment")
    return all(getattr(row, name) == getattr(line, name) for name in names)


def _submission(source: str, line: Line) -> str:
    return f"{IMPORTED}{source} {line.id}"


def _person(source: str, token: str) -> str:
    """Id of the person that stands here for somebody of another desk."""
    return hashlib.sha256("\0".join(["import", source, token]).encode()).hexdigest()[:32]


def _add_people(session: Session, tokens: Iterable[str], *, source: str, at: datetime) -> None:
    """Those who are not here yet: nobody can sign in as them."""
    here = set(session.scalars(select(Person.id).where(Person.login.startswith("import "))))
    session.add_all(
        Person(
            id=id_,
            login=f"import {id_}",
            pseudonym=f"{source} {id_[:12]}",
            status="disabled",
            reads=[],
            consent_version=f"given at {source}",
            created_at=at,
        )
        for id_ in sorted({_person(source, token) for token in tokens} - here)
    )
    session.flush()


def _others(source: str) -> str:
    """Id of the community of this source in which its small communities were put together."""
    return f"{source}-others"


def _add_others(session: Session, source: str, *, at: datetime) -> None:
    if session.get(Community, _others(source)) is None:
        name = f"Other communities ({source})"
        session.add(Community(id=_others(source), name=name, languages=[], regions=[], created_at=at))
        session.flush()
