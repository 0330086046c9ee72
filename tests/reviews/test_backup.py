from __future__ import annotations

import json
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, text

from audit.cli import main
from audit.errors import DeskError
from audit.reviews import accounts, backup, events
from audit.reviews.database import Database, open_database
from audit.reviews.roles import Role
from audit.reviews.tables import Base, Event, Proposal

GOOD = "four plain words here"


@pytest.fixture(autouse=True)
def quick_hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 that costs next to nothing."""
    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def full(db: Database) -> Database:
    """A desk with an admin, a community, a proposal in Arabic with everything hostile, and a log of all that."""
    by = accounts.set_up(db, accounts.set_up_link(db), login="root-user", pseudonym="Root", password=GOOD)
    admin = accounts.person_of(db, by).id
    accounts.create_community(db, "nairobi", name="Nairobi", languages=["sw"], regions=["Kibera"], by=admin)
    with db.write() as session:
        row = Proposal(
            person_id=admin,
            community="nairobi",
            language="ar",
            topic="",
            template="قالت {الممرضة|المهندسة}\n=1+1 '; DROP TABLE people; -- \u202e",
            answer_a="a",
            answer_b="b",
            gloss="",
            source="",
            regions=["Kibera"],
            state="submitted",
            effect={"low": 0.1, "none": None},
            submission="once",
            made_at=db.now(),
        )
        session.add(row)
        facts = events.seal(session, row)
        events.append(session, at=db.now(), actor=admin, kind="pair proposed", subject=row.id, facts=facts)
    return db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A desk's folder with one report, one suite, and its database's file, which is no part of it."""
    (tmp_path / "desk" / "reports").mkdir(parents=True)
    (tmp_path / "desk" / "reports" / "one.pdf").write_bytes(b"%PDF-1")
    (tmp_path / "desk" / "suites" / "s" / "1").mkdir(parents=True)
    (tmp_path / "desk" / "suites" / "s" / "1" / "suite.toml").write_text("x = 1")
    (tmp_path / "desk" / "desk.db").write_bytes(b"live")
    return tmp_path / "desk"


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database beside that of `db`: of the same kind and of the other."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    from reviews import conftest as places

    server = request.getfixturevalue("postgres_server")
    name = f"other_{next(places.NUMBERS)}"
    places.on_server(server, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    yield places.named(server, name)
    places.on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def everything(db: Database) -> dict[str, list[Any]]:
    kept = [table for table in Base.metadata.sorted_tables if table.name not in backup.LEFT_OUT]
    with db.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]
            for table in kept
        }


def changed(file: Path, to: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy of a backup with members changed, or left out where `change` gives None."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return to


# --- there and back --------------------------------------------------------------------------


def test_a_restored_desk_is_the_desk_on_either_database(
    full: Database, folder: Path, other_url: str, tmp_path: Path
) -> None:
    made = backup.backup(full, tmp_path / "b.zip", folder=folder)
    assert (made.rows["people"], made.rows["events"], made.files) == (1, 5, 2)
    restored = backup.restore(tmp_path / "b.zip", other_url, folder=tmp_path / "new")
    assert restored == made
    db = open_database(other_url, clock=full.now)
    assert everything(db) == everything(full)
    assert accounts.sign_in(db, login="root-user", password=GOOD, address="")
    with db.write() as session:  # and goes on: the chain and the triggers too
        events.append(session, at=db.now(), actor="x", kind="k", subject="s", facts={})
        assert events.require_whole(session, place="desk").number == 6
    with pytest.raises(Exception, match="events are only ever added"), db.write() as session:
        session.execute(text("DELETE FROM events"))
    db.close()
    assert (tmp_path / "new" / "reports" / "one.pdf").read_bytes() == b"%PDF-1"
    assert (tmp_path / "new" / "suites" / "s" / "1" / "suite.toml").read_text() == "x = 1"
    assert not (tmp_path / "new" / "desk.db").exists()


def test_no_sign_in_is_in_a_backup_and_only_its_owner_reads_it(full: Database, tmp_path: Path) -> None:
    accounts.sign_in(full, login="root-user", password=GOOD, address="10.0.0.1")
    backup.backup(full, tmp_path / "b.zip")
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert {"tables/sign_ins.jsonl", "tables/attempts.jsonl"}.isdisjoint(archive.namelist())
        assert len(archive.namelist()) == len(Base.metadata.tables) - 2 + 1  # and the manifest


def test_a_backup_shows_one_moment_though_others_write(
    full: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write_table = everything(full), backup._write_table

    def write_meanwhile(*arguments: Any, **named: Any) -> Any:
        with full.write() as session:
            events.append(session, at=full.now(), actor="x", kind="k", subject="s", facts={})
        return write_table(*arguments, **named)

    monkeypatch.setattr(backup, "_write_table", write_meanwhile)
    made = backup.backup(full, tmp_path / "b.zip")
    assert made.head.number == made.rows["events"] == len(before["events"]) == 5


def test_a_backup_that_breaks_off_leaves_no_file(
    full: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_write_table", full_disk)
    with pytest.raises(DeskError, match=r"b\.zip: No space left on device; name a file that can be written"):
        backup.backup(full, tmp_path / "to" / "b.zip")
    assert list((tmp_path / "to").iterdir()) == []


def test_no_backup_is_written_over(full: Database, tmp_path: Path) -> None:
    backup.backup(full, tmp_path / "b.zip")
    with pytest.raises(DeskError, match="is there already; name a new file"):
        backup.backup(full, tmp_path / "b.zip")


def test_a_restore_replaces_nothing(full: Database, desk_url: str, folder: Path, tmp_path: Path) -> None:
    backup.backup(full, tmp_path / "b.zip", folder=folder)
    before = everything(full)
    with pytest.raises(DeskError, match="holds a desk already; name an empty database"):
        backup.restore(tmp_path / "b.zip", desk_url)
    assert everything(full) == before


def test_a_file_of_the_folder_that_differs_is_kept_and_stops_the_restore(
    full: Database, folder: Path, empty_url: str, tmp_path: Path
) -> None:
    backup.backup(full, tmp_path / "b.zip", folder=folder)
    (folder / "reports" / "one.pdf").write_bytes(b"another")
    with pytest.raises(DeskError, match=r"one\.pdf: is there already and differs"):
        backup.restore(tmp_path / "b.zip", empty_url, folder=folder)
    assert (folder / "reports" / "one.pdf").read_bytes() == b"another"


# --- what is not whole -----------------------------------------------------------------------


def tampered_log(db: Database) -> None:
    trigger = "events_no_update" if db.engine.dialect.name == "sqlite" else "events_only_added ON events"
    with db.write() as session:
        session.execute(text(f"DROP TRIGGER {trigger}"))
        session.execute(text("UPDATE events SET actor = 'somebody' WHERE number = 2"))


@pytest.mark.tampers
def test_a_desk_that_does_not_verify_is_backed_up_only_when_told_to(full: Database, tmp_path: Path) -> None:
    tampered_log(full)
    with pytest.raises(DeskError, match="event 2: was changed after it was written"):
        backup.backup(full, tmp_path / "b.zip")
    assert backup.backup(full, tmp_path / "b.zip", even_if_damaged=True).rows["events"] == 5
    with pytest.raises(DeskError, match="event 2: was changed after it was written"):
        backup.restore(tmp_path / "b.zip", f"sqlite:///{tmp_path / 'new.db'}")


def rewrite(name: str, old: str, new: str) -> Callable[[str, bytes], bytes]:
    return lambda member, content: content.replace(old.encode(), new.encode()) if member == name else content


def drop(name: str) -> Callable[[str, bytes], bytes | None]:
    return lambda member, content: None if member == name else content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rewrite("tables/people.jsonl", "Root", "Eve!"), "tables/people.jsonl is not what was written"),
        (rewrite("tables/people.jsonl", "{", "["), "tables/people.jsonl line 1: is no row of 'people'"),
        (rewrite("tables/people.jsonl", '"login"', '"no_such"'), "line 1: is no row of 'people'"),
        (rewrite("files/reports/one.pdf", "PDF", "DOC"), "files/reports/one.pdf is not what was written"),
        (rewrite("manifest.json", '"0003"', '"0099"'), r"a newer plural-audit made it \(tables 0099\)"),
        (rewrite("manifest.json", "backup 1", "backup 2"), "its format is 'plural-audit desk backup 2'"),
        (rewrite("manifest.json", '"number": 5', '"number": 6'), "event 6: is missing: the log once had 6 events"),
        (drop("manifest.json"), "not a backup of a desk; make one with"),
        (drop("tables/people.jsonl"), "damaged, tables/people.jsonl is not in it; take another backup"),
        (
            rewrite("manifest.json", "tables/reviews.jsonl", "tables/item_reviews.jsonl"),
            "damaged, tables/reviews.jsonl is not",
        ),
    ],
)
def test_what_was_changed_in_a_backup_is_found_and_nothing_is_restored(
    full: Database, folder: Path, tmp_path: Path, change: Any, message: str
) -> None:
    backup.backup(full, tmp_path / "b.zip", folder=folder)
    file, url = changed(tmp_path / "b.zip", tmp_path / "changed.zip", change), f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(DeskError, match=message):
        backup.restore(file, url, folder=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(DeskError, match="no desk is there yet"):
        open_database(url, make=False)


def test_a_restore_that_fails_leaves_a_server_as_it_was(full: Database, empty_url: str, tmp_path: Path) -> None:
    backup.backup(full, tmp_path / "b.zip")
    change = rewrite("manifest.json", '"number": 5', '"number": 4')  # found last, when every row is in
    with pytest.raises(DeskError, match="event 4: is another one than was written down elsewhere"):
        backup.restore(changed(tmp_path / "b.zip", tmp_path / "changed.zip", change), empty_url)
    backup.restore(tmp_path / "b.zip", empty_url)  # the place is still empty


@pytest.mark.parametrize("name", ["files/../desk.db", "files/reports/../../x", "files/desk.db", "files/reports\\x"])
def test_nothing_is_written_outside_the_folders_of_the_desk(db: Database, tmp_path: Path, name: str) -> None:
    (tmp_path / "desk" / "reports").mkdir(parents=True)
    (tmp_path / "desk" / "reports" / "one.pdf").touch()
    backup.backup(db, tmp_path / "b.zip", folder=tmp_path / "desk")
    with zipfile.ZipFile(tmp_path / "b.zip") as old, zipfile.ZipFile(tmp_path / "bad.zip", "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "manifest.json":
                content = content.replace(b"files/reports/one.pdf", json.dumps(name)[1:-1].encode())
            new.writestr(name if member == "files/reports/one.pdf" else member, content)
    with pytest.raises(DeskError, match="would lie outside the desk's folder; this backup was tampered with"):
        backup.restore(tmp_path / "bad.zip", f"sqlite:///{tmp_path / 'new.db'}", folder=tmp_path / "to" / "desk")
    assert not (tmp_path / "to").exists()


def test_who_rewrites_words_and_the_digests_of_the_file_is_found_by_the_log(
    full: Database, empty_url: str, tmp_path: Path
) -> None:
    """The manifest is made to fit; the seal in the chain, whose head the board wrote down, is not."""
    backup.backup(full, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        forged = archive.read("tables/proposals.jsonl").replace("الممرضة".encode(), "الطبيبة".encode())

    def change(name: str, content: bytes) -> bytes:
        if name == "manifest.json":
            manifest = json.loads(content)
            manifest["members"]["tables/proposals.jsonl"]["sha256"] = sha256(forged).hexdigest()
            return json.dumps(manifest).encode()
        return forged if name == "tables/proposals.jsonl" else content

    file = changed(tmp_path / "b.zip", tmp_path / "forged.zip", change)
    with pytest.raises(DeskError, match="event 5: the words in its row of 'proposals' were changed"):
        backup.restore(file, empty_url)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 broken"])
def test_what_is_no_backup_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(DeskError, match="damaged, or not a backup of a desk"):
        backup.summary_of(tmp_path / "b.zip")
    with pytest.raises(DeskError, match=r"none\.zip: No such file"):
        backup.summary_of(tmp_path / "none.zip")


# --- the command line ------------------------------------------------------------------------


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run `plural-audit desk ...` with a data folder of its own: exit code, standard output and error."""
    monkeypatch.setenv("PLURAL_AUDIT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("PLURAL_AUDIT_DB", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["plural-audit", "desk", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_a_desk_is_backed_up_verified_and_restored_from_the_command_line(
    full: Database, desk_url: str, folder: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    file = tmp_path / "b.zip"
    code, out, _ = call("backup", file, "--db", desk_url, "--folder", folder)
    assert (code, "2 files, 5 events" in out) == (0, True)
    code, out, _ = call("verify", "--db", desk_url, "--since", file)
    with full.read() as session:
        head = events.head(session).hash
    assert (code, out) == (0, f"whole: 5 events, through 1 of 1 backups; head {head}\n")
    assert call("restore", file)[0] == 0  # to the user's own desk
    assert (tmp_path / "data" / "desk" / "reports" / "one.pdf").exists()
    assert call("verify")[:2] == (0, f"whole: 5 events; head {head}\n")
    code, _, err = call("restore", file)
    assert (code, err.count("\n"), "holds a desk already" in err) == (71, 1, True)


def test_a_desk_that_was_cut_back_is_found_by_an_earlier_backup(
    full: Database, desk_url: str, tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    backup.backup(full, tmp_path / "b.zip")
    trigger = "events_no_delete" if full.engine.dialect.name == "sqlite" else "events_only_added ON events"
    with full.write() as session:
        session.execute(text(f"DROP TRIGGER {trigger}"))
        session.execute(text("DELETE FROM events WHERE number = 5"))
    assert call("verify", "--db", desk_url)[0] == 0
    code, _, err = call("verify", "--db", desk_url, "--since", tmp_path / "b.zip")
    assert code == 71
    assert "event 5: is missing: the log once had 5 events; keep this database as it is" in err


def test_links_for_people_are_printed_and_work(
    full: Database, desk_url: str, call: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = call("admin", "--db", desk_url, "--url", "https://desk.example/")
    assert (code, out.startswith("https://desk.example/auth/set-up?secret=")) == (0, True)
    secret = out.strip().partition("secret=")[2]
    assert accounts.set_up(full, secret, login="root-user", pseudonym="", password="another " + GOOD)
    code, out, _ = call("invite", "--role", "reviewer", "--community", "nairobi", "--db", desk_url)
    assert (code, out.startswith("http://127.0.0.1:8501/auth/join?secret=")) == (0, True)
    shown = accounts.invitation(full, out.strip().partition("secret=")[2])
    assert (shown.role, shown.community, shown.made_by) == (Role.REVIEWER, "nairobi", "command line")
    with full.read() as session:
        assert session.scalars(select(Event.actor).order_by(Event.number.desc()).limit(1)).one() == "command line"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["verify"], 71, "no desk is there yet; check the name, or make one by starting: plural-audit app"),
        (["backup", "b.zip"], 71, "no desk is there yet"),
        (["admin"], 71, "no desk is there yet"),
        (
            ["invite", "--role", "king"],
            64,
            "--role king: no such role; one of reviewer,",
        ),
        (["restore", "none.zip"], 71, "none.zip: No such file or directory"),
        (["verify", "--db", "mysql://x/y"], 71, "mysql: the desk keeps its data in SQLite or PostgreSQL"),
    ],
)
def test_a_command_that_cannot_be_done_says_so_in_one_line(
    call: Callable[..., tuple[int, str, str]], tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    got, out, err = call(*words)
    assert (got, out, err.count("\n")) == (code, "", 1)
    assert said in err
    assert not (tmp_path / "data").exists()


def test_a_backup_that_would_fill_the_disk_is_not_unpacked(tmp_path: Path) -> None:
    """Twenty million zeros shrink to some twenty thousand bytes: a thousand times."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(20_000_000))
    with pytest.raises(DeskError, match=r"'manifest.json' would grow to 20000000 bytes; no desk made this backup"):
        backup.restore(tmp_path / "bomb.zip", f"sqlite:///{tmp_path / 'new.db'}")


def test_only_its_owner_enters_the_folder_of_a_restored_desk(full: Database, folder: Path, tmp_path: Path) -> None:
    backup.backup(full, tmp_path / "b.zip", folder=folder)
    backup.restore(tmp_path / "b.zip", f"sqlite:///{tmp_path / 'new.db'}", folder=tmp_path / "restored")
    assert stat.S_IMODE((tmp_path / "restored").stat().st_mode) == 0o700
