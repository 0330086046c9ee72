"""Backup and restore: one .zip that any desk can be made from again, on either database.

    backup.zip  manifest.json          version of the tables, head of the log, rows and SHA-256 of each member
                tables/<name>.jsonl    a row a line, canonical JSON, in the order of its key
                files/...              issued reports and the desk's suites, as they lie in its folder

It is taken in one read transaction while the desk runs, and holds what the desk holds: pseudonyms and logins, words,
the argon2 hashes of passwords (without them nobody could sign in after a restore). So it is as private as the desk, and
only its owner may read the file. Left out are sign-ins (people sign in again) and failed attempts. Run folders are not
in it: they are results, kept where they are made. A backup keeps the words of somebody who withdrew after it was made:
delete backups when they are no longer needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import JSON, Connection, DateTime, MetaData, Table, select
from sqlalchemy.orm import Session

from audit.errors import DeskError
from audit.reviews import database, events, migrations
from audit.reviews.database import Database
from audit.reviews.events import Head
from audit.reviews.tables import Attempt, Base, SignIn
from audit.runs import canonical

FORMAT = "plural-audit desk backup 1"
MANIFEST = "manifest.json"
LEFT_OUT = frozenset({SignIn.__tablename__, Attempt.__tablename__})
FOLDERS = ("reports", "suites")  # of the desk's folder: what cannot be made again
PORTION = 500  # rows at a time
GROWTH_MOST, GROWTH_FREE = 200, 10_000_000  # times that a member may grow when unpacked, and bytes that may in any case


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a backup holds."""

    made_at: datetime
    tables: str  # version of the tables
    head: Head  # of the log
    rows: Mapping[str, int]  # table -> rows
    files: int

    def __str__(self) -> str:
        return (
            f"{sum(self.rows.values())} rows, {self.files} files, {self.head.number} events, head {self.head.hash[:12]}"
        )


# --- backup ----------------------------------------------------------------------------------


def backup(db: Database, file: Path, *, folder: Path | None = None, even_if_damaged: bool = False) -> Summary:
    """Write everything the desk holds into a new file, whole or not at all.

    Args:
        db: the desk, which may be in use.
        file: the .zip to make.
        folder: of the desk, with its reports and suites; None leaves them out.
        even_if_damaged: also when the log does not verify, to have something to look into.

    Raises:
        DeskError: the file is there already or cannot be written, or the log does not verify.
    """
    if file.exists():
        raise DeskError(f"{file}: is there already; name a new file, so that no backup is lost")
    try:
        with _whole(file) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            return _write(db, archive, folder=folder, even_if_damaged=even_if_damaged)
    except OSError as error:
        raise DeskError(f"{file}: {error.strerror or error}; name a file that can be written") from None


def _write(db: Database, archive: zipfile.ZipFile, *, folder: Path | None, even_if_damaged: bool) -> Summary:
    members: dict[str, dict[str, object]] = {}
    rows: dict[str, int] = {}
    with db.read() as session:
        head = events.head(session) if even_if_damaged else events.require_whole(session, place=db.place)
        for table in Base.metadata.sorted_tables:
            if table.name not in LEFT_OUT:
                name = f"tables/{table.name}.jsonl"
                rows[table.name], members[name] = _write_table(session, archive, table, name=name)
    files = dict(_files(folder)) if folder else {}
    for name, path in files.items():
        content = path.read_bytes()
        archive.writestr(name, content)
        members[name] = {"sha256": hashlib.sha256(content).hexdigest()}
    summary = Summary(made_at=db.now(), tables=_newest(), head=head, rows=rows, files=len(files))
    manifest = {
        "format": FORMAT,
        "made_at": summary.made_at.isoformat(),
        "tables": summary.tables,
        "head": asdict(head),
        "members": members,
    }
    archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return summary


def _write_table(
    session: Session, archive: zipfile.ZipFile, table: Table, *, name: str
) -> tuple[int, dict[str, object]]:
    digest, n_rows = hashlib.sha256(), 0
    ordered = select(table).order_by(*table.primary_key).execution_options(yield_per=PORTION)
    with archive.open(name, "w", force_zip64=True) as member:
        for row in session.execute(ordered).mappings():
            line = canonical({key: _as_json(value) for key, value in row.items()}) + b"\n"
            member.write(line)
            digest.update(line)
            n_rows += 1
    return n_rows, {"rows": n_rows, "sha256": digest.hexdigest()}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for kind in FOLDERS:
        for path in sorted((folder / kind).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield f"files/{path.relative_to(folder).as_posix()}", path


# --- reading one -----------------------------------------------------------------------------


def summary_of(file: Path) -> Summary:
    """What a backup says it holds.

    Raises:
        DeskError: it is not a backup.
    """
    with _opened(file) as archive:
        return _summary(_manifest(archive, file))


def restore(file: Path, url: str, *, folder: Path | None = None) -> Summary:
    """Make a desk from a backup, in an empty database: whole, verified, or not at all.

    A backup of an older version is brought to this one.

    Args:
        file: the backup; its database may have been another kind.
        url: of the empty database.
        folder: of the desk, for its reports and suites; files that are there are not touched. None leaves them out.

    Raises:
        DeskError: not a backup, damaged, of a newer version, or the database is not empty.
    """
    parsed = database.as_url(url)
    place = parsed.render_as_string(hide_password=True)
    with _opened(file) as archive:
        manifest = _manifest(archive, file)
        files = _checked_files(archive, manifest, file=file, folder=folder)
        engine = database.connect_to(parsed, place=place)
        try:
            with database.migration_lock(parsed, place=place), database.changing(engine, place=place) as connection:
                _fill(connection, archive, manifest, file=file, place=place)
        finally:
            engine.dispose()
    if folder is not None and files:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # reports hold what people said
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return _summary(manifest)


def _fill(connection: Connection, archive: zipfile.ZipFile, manifest: Any, *, file: Path, place: str) -> None:
    if migrations.state(connection, place=place) is not migrations.State.EMPTY:
        raise DeskError(f"{place}: holds a desk already; name an empty database, a restore replaces nothing")
    migrations.upgrade(connection, place=place, to=str(manifest["tables"]))  # as the tables were when it was made
    reflected = MetaData()
    reflected.reflect(connection)
    members = manifest["members"]
    for table in reflected.sorted_tables:
        name = f"tables/{table.name}.jsonl"
        if table.name not in LEFT_OUT and table.name != migrations.VERSION_TABLE:
            if name not in members:
                raise DeskError(f"{file}: damaged, {name} is not in it; take another backup")
            _read_table(connection, archive, table, name=name, expected=members[name], file=file)
    migrations.upgrade(connection, place=place)
    migrations.require_keys(connection, place=str(file))
    head = _summary(manifest).head
    with Session(connection) as session:
        found = events.require_whole(session, place=str(file), heads={head.number: head.hash} if head.number else {})
        if found != head:
            raise DeskError(
                f"{file}: its log has {found.number} events, its manifest says {head.number}; take another one"
            )


def _read_table(
    connection: Connection,
    archive: zipfile.ZipFile,
    table: Table,
    *,
    name: str,
    expected: Mapping[str, object],
    file: Path,
) -> None:
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type.none_as_null = True  # nothing was said, not the JSON word null
    digest = hashlib.sha256()
    portion: list[dict[str, Any]] = []
    with archive.open(name) as lines:
        for number, line in enumerate(lines, start=1):
            digest.update(line)
            portion.append(_as_row(line, table, where=f"{file}: {name} line {number}"))
            if len(portion) == PORTION:
                connection.execute(table.insert(), portion)
                portion = []
    if portion:
        connection.execute(table.insert(), portion)
    if digest.hexdigest() != expected["sha256"]:
        raise DeskError(f"{file}: {name} is not what was written; take another backup")


def _as_row(line: bytes, table: Table, *, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
        return {
            name: datetime.fromisoformat(value)
            if value is not None and isinstance(table.columns[name].type, DateTime)
            else value
            for name, value in content.items()
        }
    except (ValueError, KeyError, AttributeError, TypeError):
        raise DeskError(f"{where}: is no row of {table.name!r}; take another backup") from None


def _checked_files(archive: zipfile.ZipFile, manifest: Any, *, file: Path, folder: Path | None) -> dict[Path, bytes]:
    """Where each file goes, and its bytes: nothing outside `folder`, nothing that is there, nothing damaged."""
    if folder is None:
        return {}
    found: dict[Path, bytes] = {}
    for name in manifest["members"]:
        parts = PurePosixPath(name).parts
        if parts[0] != "files":
            continue
        if ".." in parts or len(parts) < 3 or parts[1] not in FOLDERS or "\\" in name:
            raise DeskError(f"{file}: {name!r} would lie outside the desk's folder; this backup was tampered with")
        content = archive.read(name)
        if hashlib.sha256(content).hexdigest() != manifest["members"][name]["sha256"]:
            raise DeskError(f"{file}: {name} is not what was written; take another backup")
        target = folder.joinpath(*parts[1:])
        if target.exists() and target.read_bytes() != content:
            raise DeskError(f"{target}: is there already and differs; name an empty folder for the desk")
        found[target] = content
    return found


# --- parts -----------------------------------------------------------------------------------


def _manifest(archive: zipfile.ZipFile, file: Path) -> Any:
    try:
        manifest = json.loads(archive.read(MANIFEST))
        if manifest["format"] != FORMAT:
            raise DeskError(
                f"{file}: its format is {str(manifest['format'])[:40]!r}, not {FORMAT!r}; upgrade plural-audit"
            )
        _summary(manifest)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise DeskError(f"{file}: not a backup of a desk; make one with: plural-audit desk backup FILE") from None
    lacking = sorted(set(manifest["members"]) - set(archive.namelist()))
    if lacking:
        raise DeskError(f"{file}: damaged, {lacking[0]} is not in it; take another backup")
    if manifest["tables"] not in migrations.versions():
        raise DeskError(f"{file}: a newer plural-audit made it (tables {manifest['tables']}); upgrade plural-audit")
    return manifest


def _summary(manifest: Any) -> Summary:
    members = manifest["members"]
    tables = {name: one for name, one in members.items() if name.startswith("tables/")}
    return Summary(
        made_at=datetime.fromisoformat(manifest["made_at"]).astimezone(UTC),
        tables=str(manifest["tables"]),
        head=Head(number=int(manifest["head"]["number"]), hash=str(manifest["head"]["hash"])),
        rows={name.removeprefix("tables/").removesuffix(".jsonl"): int(one["rows"]) for name, one in tables.items()},
        files=len(members) - len(tables),
    )


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            _require_plausible(archive, file)
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError):
        raise DeskError(f"{file}: damaged, or not a backup of a desk; take another one") from None
    except OSError as error:
        raise DeskError(f"{error.filename or file}: {error.strerror or error}; check the file and its folder") from None


def _require_plausible(archive: zipfile.ZipFile, file: Path) -> None:
    """Nothing that would fill memory or disk: rows of a desk shrink to a fiftieth at most, zeros to a thousandth."""
    for member in archive.infolist():
        if member.file_size > max(GROWTH_FREE, GROWTH_MOST * member.compress_size):
            raise DeskError(
                f"{file}: {member.filename[:60]!r} would grow to {member.file_size} bytes; no desk made this backup"
            )


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """A file beside, which only its owner reads, renamed into place when it is complete."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _newest() -> str:
    return migrations.versions()[0]


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def heads_of(files: Sequence[Path]) -> dict[int, str]:
    """Heads of the log that backups wrote down: the log must have gone through each of them.

    Raises:
        DeskError: one is not a backup.
    """
    heads = [summary_of(file).head for file in files]
    return {head.number: head.hash for head in heads if head.number}
