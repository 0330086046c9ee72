"""The desk's database: opened, migrated, read and written, the same on SQLite and PostgreSQL.

One writer at a time, on both. Every write adds an event to one chain (audit.reviews.events), so writes have an order
anyway; taking turns from the start makes each read-then-write safe without retries. SQLite takes its turn by
BEGIN IMMEDIATE (measured: with a plain BEGIN, most writers fail on "database is locked"; with the driver's own mode,
reads happen outside the transaction). PostgreSQL takes it by an advisory lock in READ COMMITTED: the statements after
the lock see everything that was committed before it. SERIALIZABLE would abort all but one of the writers that meet at
the head of the chain, and a snapshot taken while waiting for the lock would be stale.

Writes are therefore short: read, check, write, commit; nothing slow inside.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import filelock
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from audit.errors import ConflictError, DeskError
from audit.reviews import migrations

T = TypeVar("T")
WAIT_S = 15  # how long a writer waits for its turn
IDLE_S = 60  # how long a writer may hold its turn without saying anything to a PostgreSQL server
MIGRATION_WAIT_S = 120
NO_DESK = "no desk is there yet; check the name, or make one by starting: plural-audit app"
TRIES = 5  # of a transaction that the database asks to repeat
# Of PostgreSQL's advisory locks, which belong to one database: the turn of a writer.
TURN = int.from_bytes(hashlib.sha256(b"plural-audit desk").digest()[:8], signed=True)
REPEATABLE = {"40001", "40P01"}  # serialisation failure, deadlock: rolled back for certain
# File systems on which SQLite's shared memory and locks do not hold between machines.
NETWORK_FILE_SYSTEMS = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class Database:
    """An open desk. Safe to share between threads; sessions are not."""

    def __init__(self, engine: Engine, *, place: str, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self.place = place  # its URL without the password, for messages
        self._clock = clock
        self._here = threading.local()
        if engine.dialect.name == "sqlite":
            reading = engine.execution_options(sqlite_begin="BEGIN", sqlite_query_only=1)
        else:  # a snapshot, so that two reads of one page agree
            reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._readers = sessionmaker(reading, expire_on_commit=False, autoflush=False)
        self._writers = sessionmaker(engine, expire_on_commit=False)

    def now(self) -> datetime:
        """The moment by the desk's clock, aware, in UTC. Tests move it."""
        return self._clock().astimezone(UTC)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment and cannot write. Take what you need out of it: rows end with it.

        Raises:
            DeskError: the database does not answer.
        """
        with self._in_words(), self._readers() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one write transaction, alone: committed at the end, or rolled back by any exception.

        Raises:
            ConflictError: a row with a version was changed by another since it was read.
            DeskError: others write for too long, or the database does not answer.
        """
        with self._in_words(), self._transaction() as session:
            yield session

    def in_write(self, work: Callable[[Session], T]) -> T:
        """What `work` returns, done in one write transaction; repeated if the database asks for it.

        `work` may run several times: it changes nothing but the session it is given.

        Raises:
            ConflictError: as `write`.
            DeskError: as `write`.
        """
        with self._in_words():
            for _ in range(TRIES - 1):
                try:
                    with self._transaction() as session:
                        return work(session)
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) not in REPEATABLE:
                        raise
            with self._transaction() as session:
                return work(session)

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        assert not getattr(self._here, "writing", False), "a write inside a write would wait for itself"
        self._here.writing = True
        try:
            with self._writers.begin() as session:
                take_turn(session.connection())
                yield session
        finally:
            self._here.writing = False

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What went wrong with the database, in one line for whoever uses the desk."""
        try:
            yield
        except StaleDataError:
            raise ConflictError(
                "somebody else, or another tab, changed this first; nothing was written: reload it and look again"
            ) from None
        except (DataError, UnicodeEncodeError):  # NUL on PostgreSQL, half characters on both
            raise DeskError("what was sent holds characters that no text holds; remove them and try again") from None
        except NoConnectionLeft:
            raise DeskError(f"{self.place}: too many pages ask at once; try again in a moment") from None
        except DBAPIError as error:
            if is_busy(error):
                raise DeskError(
                    f"{self.place}: others have been writing for {WAIT_S} seconds; nothing was written, try again"
                ) from None
            if isinstance(error, OperationalError) or error.connection_invalidated:
                raise DeskError(
                    f"{self.place}: the database does not answer ({reason_of(error)}); "
                    "try again: what was saved is not saved twice"
                ) from None
            raise


def open_database(url: str, *, clock: Callable[[], datetime] = utc_now, make: bool = True) -> Database:
    """The desk at `url`, made if it is not there, its tables brought to this version.

    Args:
        url: `sqlite:///path/desk.db` or `postgresql+psycopg://user@host/name`. The folder of the file is made.
        clock: gives the present moment, aware.
        make: False refuses where there is no desk yet: a mistyped name must not look like an empty desk.

    Raises:
        DeskError: the URL does not name a database that can hold a desk, its driver is missing, the server does not
            answer, or a newer version of plural-audit made it.
    """
    parsed = as_url(url)
    place = parsed.render_as_string(hide_password=True)
    if not make and parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        raise DeskError(f"{place}: {NO_DESK}")
    engine = connect_to(parsed, place=place)
    try:
        with migration_lock(parsed, place=place):
            migrate(engine, place=place, make=make)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, place=place, clock=clock)


def as_url(url: str) -> URL:
    """The URL, with the driver we use, if it can hold a desk.

    Raises:
        DeskError: another kind of database, one in memory, or not a URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DeskError(f"{url}: not the URL of a database; write sqlite:///FILE or postgresql+psycopg://...") from None
    kind = parsed.get_backend_name()
    if kind in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise DeskError(f"{kind}: the desk keeps its data in SQLite or PostgreSQL; write sqlite:///FILE")
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise DeskError(f"{url}: a desk needs a file, or it forgets everything; write sqlite:///FILE")
    return parsed.set(drivername="sqlite")


def connect_to(url: URL, *, place: str) -> Engine:
    """An engine set up for the desk; nothing is asked of the database yet.

    Raises:
        DeskError: the driver is missing, or the file's folder cannot hold it.
    """
    # The parameters of a statement are what people said, and hashes of passwords: an error must not take them to a log.
    shared: dict[str, Any] = {"pool_size": 10, "max_overflow": 20, "pool_timeout": WAIT_S, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        assert url.database is not None
        make_private(Path(url.database))
        engine = create_engine(url, **shared)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        # A connection that the server dropped is found before it is used, not by the person who gets it.
        return create_engine(
            url, **shared, isolation_level="READ COMMITTED", pool_pre_ping=True, connect_args={"connect_timeout": 10}
        )
    except ModuleNotFoundError:
        raise DeskError(f"{place}: psycopg is not installed; pip install 'plural-audit[app,postgres]'") from None


def take_turn(connection: Connection) -> None:
    """Wait until no other writer is at work. SQLite did so when its transaction began."""
    if connection.dialect.name == "sqlite":
        return
    # A page that hangs must not hold everybody's turn; both limits end with this transaction.
    connection.execute(
        text(
            "SELECT set_config('lock_timeout', :wait, true), "
            "set_config('idle_in_transaction_session_timeout', :idle, true)"
        ),
        {"wait": f"{WAIT_S}s", "idle": f"{IDLE_S}s"},
    )
    connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})


# --- SQLite ----------------------------------------------------------------------------------


def make_private(file: Path) -> None:
    """Make the file, if it is not there, so that only its owner reads it: it holds what people said.

    Raises:
        DeskError: it lies on a network file system, or cannot be made.
    """
    kind = file_system_of(file)
    if kind in NETWORK_FILE_SYSTEMS:
        raise DeskError(
            f"{file}: lies on a network file system ({kind}), where SQLite loses writes; "
            "name a file on a local disk, or a PostgreSQL server"
        )
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DeskError(f"{file}: {error.strerror}; name a file in a folder that you may write to") from None


def file_system_of(path: Path, *, mounts: Path = Path("/proc/mounts")) -> str:
    """The kind of file system that holds `path`, as the kernel calls it; "" where that cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found, kind = Path(), ""
    resolved = path.resolve()
    for line in lines:
        _, where, what, *_ = line.split(" ")
        mount = Path(where.replace("\\040", " "))
        # of the mounts above it the deepest counts, and of two at one place the later one
        if resolved.is_relative_to(mount) and len(mount.parts) >= len(found.parts):
            found, kind = mount, what
    return kind


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    # The wait comes first: turning WAL on needs the file for itself. What is erased is overwritten, not only unlinked.
    settings = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")
    for pragma in (f"busy_timeout={WAIT_S * 1000}", *settings):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA query_only={options.get('sqlite_query_only', 0)}")
    connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN IMMEDIATE"))


# --- migrations ------------------------------------------------------------------------------


@contextmanager
def migration_lock(url: URL, *, place: str) -> Iterator[None]:
    """One process at a time brings a file's tables to this version. A server has its own lock: the writers' turn.

    Raises:
        DeskError: another process has been at it for two minutes.
    """
    if url.get_backend_name() != "sqlite":
        yield
        return
    try:
        with filelock.FileLock(f"{url.database}.lock", timeout=MIGRATION_WAIT_S):
            yield
    except filelock.Timeout:
        raise DeskError(
            f"{place}: another process has been opening it for {MIGRATION_WAIT_S} seconds; end that one, then try again"
        ) from None


def migrate(engine: Engine, *, place: str, make: bool = True) -> None:
    """Bring the tables to this version, in one transaction; with `make` False, only where there are some.

    Raises:
        DeskError: the database does not answer, is of a newer version, or is somebody else's.
    """
    # One moment: between two looks another process may make all tables.
    options = {"sqlite_begin": "BEGIN"} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    try:
        with engine.execution_options(**options).connect() as connection:
            _require_unicode(connection, place=place)
            state = migrations.state(connection, place=place)
    except DBAPIError as error:
        raise DeskError(f"{place}: cannot be opened ({reason_of(error)}); check the URL and the server") from None
    if state is migrations.State.EMPTY and not make:
        raise DeskError(f"{place}: {NO_DESK}")
    if state is not migrations.State.CURRENT:
        with changing(engine, place=place) as connection:
            migrations.upgrade(connection, place=place)


@contextmanager
def changing(engine: Engine, *, place: str) -> Iterator[Connection]:
    """A connection in one transaction in which tables may be changed, alone.

    Raises:
        DeskError: the database does not answer, or refuses.
    """
    try:
        with engine.connect() as connection, _foreign_keys_off(connection), connection.begin():
            take_turn(connection)
            yield connection
    except DBAPIError as error:
        raise DeskError(f"{place}: its tables cannot be changed ({reason_of(error)}); nothing was changed") from None


def _require_unicode(connection: Connection, *, place: str) -> None:
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise DeskError(f"{place}: its encoding is {encoding}; make one with: createdb --encoding=UTF8 NAME")


@contextmanager
def _foreign_keys_off(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew; meanwhile its foreign keys would delete what points to it."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


# --- what the driver said --------------------------------------------------------------------


def is_busy(error: DBAPIError) -> bool:
    """Whether another writer held its turn for longer than we wait."""
    return getattr(error.orig, "sqlstate", None) == "55P03" or "database is locked" in str(error.orig)


def reason_of(error: DBAPIError) -> str:
    """The driver's reason, its first line."""
    return (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
