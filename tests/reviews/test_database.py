from __future__ import annotations

import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, func, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from audit.errors import ConflictError, DeskError
from audit.reviews import database, events, migrations
from audit.reviews.database import Database, as_url, file_system_of, make_private, open_database
from audit.reviews.tables import Attempt, Base, Community, Event, Person

WRITERS, EACH = 8, 50


def add_attempt(db: Database, address: str = "first") -> int:
    with db.write() as session:
        row = Attempt(login_sha256="", address=address, at=db.now())
        session.add(row)
        session.flush()
        return row.id


# --- writers ---------------------------------------------------------------------------------


def test_eight_writers_who_read_before_they_write_lose_and_double_nothing(db: Database) -> None:
    """400 transactions each read a counter, add 1 and log it: it ends at 400, and the chain is whole."""
    with db.write() as session:
        session.add(Community(id="counter", name="0", languages=[], regions=[], created_at=db.now()))
    seen: list[int] = []

    def count_on(session: Session) -> int:
        row = session.get(Community, "counter")
        number = int(row.name) + 1
        row.name = str(number)
        events.append(session, at=db.now(), actor="x", kind="counted", subject="counter", facts={"number": number})
        return number

    def work(_: int) -> None:
        seen.extend(db.in_write(count_on) for _ in range(EACH))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    with db.read() as session:
        assert session.get(Community, "counter").name == "400"
        assert session.scalar(select(func.count()).select_from(Event)) == 400
        assert events.verify_chain(session) is None
    assert sorted(seen) == list(range(1, 401))


def test_a_reader_neither_waits_for_a_writer_nor_sees_what_is_not_committed(db: Database) -> None:
    with db.write() as session:
        session.add(Attempt(login_sha256="", address="x", at=db.now()))
        session.flush()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(count_attempts, db).result(timeout=5) == 0
    assert count_attempts(db) == 1


def count_attempts(db: Database) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(Attempt))


def test_a_reader_sees_one_moment(db: Database) -> None:
    add_attempt(db)
    with db.read() as session:
        before = session.scalar(select(func.count()).select_from(Attempt))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(add_attempt, db, "second").result(timeout=5)
        assert session.scalar(select(func.count()).select_from(Attempt)) == before == 1
    assert count_attempts(db) == 2


def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises((DBAPIError, DeskError)), db.read() as session:
        session.execute(text("DELETE FROM attempts"))
    assert add_attempt(db) == 1  # the connection that a reader used writes again


def test_an_exception_inside_a_write_leaves_nothing(db: Database) -> None:
    def work(session: Session) -> None:
        session.add(Attempt(login_sha256="", address="x", at=db.now()))
        session.flush()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.in_write(work)
    assert count_attempts(db) == 0
    assert add_attempt(db) > 0  # and the turn was given back


def test_a_write_inside_a_write_is_our_mistake_and_does_not_hang(db: Database) -> None:
    with pytest.raises(AssertionError, match="would wait for itself"), db.write(), db.write():
        pass


def test_a_row_that_another_changed_first_is_a_conflict(db: Database) -> None:
    with db.write() as session:
        person = Person(id="p", login="p", pseudonym="P", status="active", reads=[], created_at=db.now())
        session.add(person)
    with db.write() as session:
        session.get(Person, "p").region = "Kisumu"
    person.region = "Nairobi"  # as it was read before the other's change
    with pytest.raises(ConflictError, match="nothing was written: reload"), db.write() as session:
        session.add(person)
    with db.read() as session:
        assert session.get(Person, "p").region == "Kisumu"


def test_a_writer_that_waits_too_long_is_told_so(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_S", 1)
    impatient = open_database(db.engine.url.render_as_string(hide_password=False))
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with db.write():
            inside.set()
            done.wait(10)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        inside.wait(10)
        try:
            with pytest.raises(DeskError, match=r"others have been writing for 1 seconds; nothing was written"):
                add_attempt(impatient)
        finally:
            done.set()
        holding.result()
    assert add_attempt(impatient) > 0
    impatient.close()


def test_what_the_database_asks_to_repeat_is_repeated(db: Database) -> None:
    """PostgreSQL rolls one of two transactions back at times; the work is then done once more, not twice."""

    class AskedToRepeatError(Exception):
        sqlstate = "40001"

    tries = []

    def work(session: Session) -> str:
        session.add(Attempt(login_sha256="", address="x", at=db.now()))
        tries.append(1)
        if len(tries) < 3:
            raise DBAPIError("", {}, AskedToRepeatError("could not serialize access"))
        return "done"

    assert db.in_write(work) == "done"
    assert len(tries) == 3
    assert count_attempts(db) == 1


def ask_for(db: Database, person: str) -> Person | None:
    with db.read() as session:
        return session.get(Person, person)


def test_half_characters_in_an_address_are_refused_in_words(db: Database) -> None:
    with pytest.raises(DeskError, match="what was sent holds characters that no text holds; remove them"):
        ask_for(db, "half \ud800")
    assert add_attempt(db) == 1


def test_a_nul_in_an_address_finds_nothing_or_is_refused_in_words(db: Database) -> None:
    if db.engine.dialect.name == "sqlite":
        assert ask_for(db, "nul \x00") is None
        return
    with pytest.raises(DeskError, match="what was sent holds characters that no text holds; remove them"):
        ask_for(db, "nul \x00")


def test_a_process_killed_in_the_middle_leaves_nothing_and_holds_nobody_up(db: Database, desk_url: str) -> None:
    program = (
        "import sys\nfrom audit.reviews.database import *\nfrom audit.reviews.tables import *\n"
        f"db = open_database({desk_url!r})\n"
        "with db.write() as s:\n    s.add(Attempt(login_sha256='', address='killed', at=db.now()))\n    s.flush()\n"
        "    print('inside', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "inside\n"
        process.kill()
    add_attempt(db, "after")
    with db.read() as session:
        assert session.scalars(select(Attempt.address)).all() == ["after"]


def test_moments_come_back_aware_in_utc(db: Database) -> None:
    add_attempt(db)
    with db.read() as session:
        assert session.scalars(select(Attempt.at)).one() == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        assert session.scalars(select(Attempt.at)).one().tzinfo is UTC


def test_foreign_keys_hold_after_opening(db: Database) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"), db.write() as session:
        session.execute(
            text("INSERT INTO grants (person_id, role, community, granted_at) VALUES ('nobody', 'admin', '', :at)"),
            {"at": "2026-03-02 09:00:00"},
        )


# --- opening ---------------------------------------------------------------------------------


def test_migrations_from_nothing_give_the_tables_that_the_code_has(empty_url: str) -> None:
    db = open_database(empty_url)
    with db.engine.begin() as connection:
        command.check(migrations.config_for(connection))  # raises where a difference would be migrated
        assert set(inspect(connection).get_table_names()) == {*Base.metadata.tables, migrations.VERSION_TABLE}
    db.close()


def test_migrations_can_be_undone_and_done_again(empty_url: str) -> None:
    db = open_database(empty_url)
    with db.engine.begin() as connection:
        command.downgrade(migrations.config_for(connection), "base")
        assert inspect(connection).get_table_names() == [migrations.VERSION_TABLE]
    db.close()
    db = open_database(empty_url)
    assert add_attempt(db) == 1
    db.close()


def test_two_processes_that_open_an_empty_place_at_once_make_one_desk(empty_url: str) -> None:
    program = (
        "from audit.reviews.database import open_database\nfrom audit.reviews import events\n"
        f"db = open_database({empty_url!r})\n"
        "with db.write() as s:\n    events.append(s, at=db.now(), actor='x', kind='opened', subject='x', facts={})\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    db = open_database(empty_url)
    with db.read() as session:
        assert events.verify_chain(session) is None
        assert events.head(session).number == 2
    db.close()


def test_a_desk_of_a_newer_version_is_refused(empty_url: str) -> None:
    db = open_database(empty_url)
    with db.engine.begin() as connection:
        connection.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'"))
    db.close()
    with pytest.raises(DeskError, match=r"a newer plural-audit made it \(tables 9999.*; upgrade plural-audit"):
        open_database(empty_url)


def test_a_database_with_somebody_elses_tables_of_our_names_is_refused_and_left_alone(empty_url: str) -> None:
    engine = create_engine(as_url(empty_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE people (name TEXT)"))
    with pytest.raises(DeskError, match="has a table 'people' that is not a desk's; name an empty database"):
        open_database(empty_url)
    assert inspect(engine).get_table_names() == ["people"]
    engine.dispose()


def test_a_file_that_is_no_database_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "desk.db").write_text("no database" * 1000)
    with pytest.raises(DeskError, match=r"desk\.db: cannot be opened \(file is not a database\)"):
        open_database(f"sqlite:///{tmp_path / 'desk.db'}")


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(DeskError, match="cannot be opened") as caught:
        open_database("postgresql+psycopg://me:hunter2@127.0.0.1:1/desk")
    assert "me:***@127.0.0.1:1/desk" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_driver_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DeskError, match=r"psycopg is not installed; pip install 'plural-audit\[app,postgres\]'"):
        open_database("postgresql+psycopg://127.0.0.1:1/desk")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://x/y", "mysql: the desk keeps its data in SQLite or PostgreSQL"),
        ("sqlite://", "a desk needs a file, or it forgets everything"),
        ("sqlite:///:memory:", "a desk needs a file"),
        ("desk.db", "not the URL of a database; write sqlite:///FILE"),
    ],
)
def test_what_cannot_hold_a_desk_is_refused(url: str, message: str) -> None:
    with pytest.raises(DeskError, match=message):
        open_database(url)


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://h/d", "postgresql+psycopg2://h/d"])
def test_any_url_of_a_postgresql_server_is_used_with_our_driver(url: str) -> None:
    assert as_url(url).drivername == "postgresql+psycopg"


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'new' / 'desk.db'}").close()
    assert stat.S_IMODE((tmp_path / "new" / "desk.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700  # reports lie beside it


def test_the_deepest_mount_tells_the_file_system(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(
        "/dev/a / ext4 rw 0 0\nserver:/x /srv/shared nfs4 rw 0 0\n/dev/b /srv/shared/local\\040disk xfs rw 0 0\n"
    )

    def kind(path: str) -> str:
        return file_system_of(Path(path), mounts=tmp_path / "mounts")

    assert kind("/srv/desk.db") == "ext4"
    assert kind("/srv/shared/desk.db") == "nfs4"
    assert kind("/srv/shared/local disk/desk.db") == "xfs"
    assert file_system_of(Path("/x"), mounts=tmp_path / "none") == ""


def test_a_file_on_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(database, "file_system_of", lambda _: "nfs4")
    with pytest.raises(DeskError, match=r"network file system \(nfs4\).*; name a file on a local disk, or a Postgre"):
        make_private(tmp_path / "desk.db")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeskError, match=r"file/desk\.db: .*; name a file in a folder that you may write to"):
        make_private(tmp_path / "file" / "desk.db")


def test_what_a_statement_holds_is_not_in_the_message_of_its_error(db: Database, person: Callable[..., str]) -> None:
    """Errors nobody foresaw are logged whole; what people typed and hashes of passwords are not for logs."""
    person("amina")
    with pytest.raises(IntegrityError) as caught, db.write() as session:
        session.add(
            Person(
                login="amina",
                pseudonym="zebrafish",
                password_hash="zebrafish",
                status="active",
                reads=[],
                created_at=db.now(),
            )
        )
    assert "zebrafish" not in str(caught.value)
