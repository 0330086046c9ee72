from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from audit.errors import DeskError
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.events import GENESIS, Head
from audit.reviews.roles import Role
from audit.reviews.tables import Event, Proposal

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def log(db: Database, n: int = 5) -> list[str]:
    """Hashes of `n` events."""
    with db.write() as session:
        return [
            events.append(session, at=AT, actor="amina", kind="counted", subject=f"s{i}", facts={"i": i}).hash
            for i in range(1, n + 1)
        ]


def problem(db: Database, **arguments: object) -> str:
    with db.read() as session:
        return str(events.verify_chain(session, **arguments))


def tamper(db: Database, *statements: object) -> None:
    """As somebody who owns the database would: past the triggers."""
    off = {
        "sqlite": ["DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete"],
        "postgresql": ["DROP TRIGGER events_only_added ON events"],
    }
    with db.write() as session:
        for statement in off[db.engine.dialect.name]:
            session.execute(text(statement))
        for statement in statements:
            session.execute(statement)


# --- the chain -------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_canonical_json_of_everything_in_the_event(db: Database) -> None:
    """Worked by hand: printf of the JSON below, piped into sha256sum."""
    with db.write() as session:
        east = timezone(timedelta(hours=3))
        row = events.append(
            session, at=datetime(2026, 3, 2, 12, 0, tzinfo=east), actor="amina", kind="k", subject="s", facts={"b": "ü"}
        )
        assert row.previous == GENESIS
        assert events.hash_of(row) == row.hash == HAND


# {"actor":"amina","at":"2026-03-02T09:00:00.000000+00:00","facts":{"b":"ü"},"kind":"k","number":1,"previous":"000…",
# "subject":"s"} without line breaks, 64 zeros
HAND = "88e26a89affb03b090de9a3815f3867bb18dcf13d62bb77c12f864e807508d45"


def test_each_event_follows_the_one_before_and_the_chain_of_a_new_desk_is_whole(db: Database) -> None:
    assert problem(db) == "None"
    hashes = log(db, 3)
    with db.read() as session:
        rows = session.query(Event).order_by(Event.number).all()
        assert [row.number for row in rows] == [1, 2, 3]
        assert [row.previous for row in rows] == [GENESIS, hashes[0], hashes[1]]
        assert events.head(session) == Head(number=3, hash=hashes[2])
    assert problem(db) == "None"


@pytest.mark.tampers
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", AT + timedelta(seconds=1)),
        ("actor", "baraka"),
        ("kind", "counted twice"),
        ("subject", "s4"),
        ("facts", {"i": 4}),
        ("hash", "f" * 64),
    ],
)
def test_a_changed_field_is_found(db: Database, column: str, value: object) -> None:
    log(db)
    tamper(db, update(Event).where(Event.number == 3).values({column: value}))
    assert problem(db).startswith("event 3: was changed")


@pytest.mark.tampers
def test_a_changed_link_is_found(db: Database) -> None:
    log(db)
    tamper(db, update(Event).where(Event.number == 3).values(previous="f" * 64))
    assert problem(db) == "event 3: does not follow the event before it"


@pytest.mark.tampers
@pytest.mark.parametrize("number", [1, 3])
def test_a_removed_event_is_found(db: Database, number: int) -> None:
    log(db)
    tamper(db, delete(Event).where(Event.number == number))
    assert problem(db) == f"event {number}: is missing"


@pytest.mark.tampers
def test_a_removed_event_is_found_though_the_later_ones_close_the_gap(db: Database) -> None:
    log(db)
    close = [update(Event).where(Event.number == n).values(number=n - 1) for n in (4, 5)]
    tamper(db, delete(Event).where(Event.number == 3), *close)
    assert problem(db) == "event 3: does not follow the event before it"


@pytest.mark.tampers
def test_two_events_that_changed_places_are_found(db: Database) -> None:
    log(db)
    moves = [(3, 30), (4, 3), (30, 4)]
    tamper(db, *(update(Event).where(Event.number == old).values(number=new) for old, new in moves))
    assert problem(db) == "event 3: does not follow the event before it"


def test_an_end_that_was_cut_off_is_found_by_a_head_written_down_elsewhere(db: Database) -> None:
    hashes = log(db)
    tamper(db, delete(Event).where(Event.number == 5))
    assert problem(db) == "None"  # a chain cannot show it by itself
    assert problem(db, heads={2: hashes[1], 5: hashes[4]}) == "event 5: is missing: the log once had 5 events"


def test_a_log_written_anew_is_found_by_a_head_written_down_elsewhere(db: Database) -> None:
    hashes = log(db, 3)
    tamper(db, delete(Event))
    with db.write() as session:
        for i in range(3):
            events.append(session, at=AT, actor="forger", kind="counted", subject=f"s{i}", facts={})
    assert problem(db) == "None"
    assert problem(db, heads={2: hashes[1]}) == "event 2: is another one than was written down elsewhere"


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'x'", "DELETE FROM events"])
def test_the_database_refuses_to_change_the_log(db: Database, statement: str) -> None:
    log(db, 2)
    with pytest.raises(DBAPIError, match="events are only ever added"), db.write() as session:
        session.execute(text(statement))
    assert problem(db) == "None"


def test_an_event_falls_with_the_transaction_that_it_tells_of(db: Database) -> None:
    def work(session: Session) -> None:
        events.append(session, at=AT, actor="x", kind="k", subject="s", facts={})
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        db.in_write(work)
    with db.read() as session:
        assert events.head(session) == Head(number=0, hash=GENESIS)


def test_facts_are_kept_as_they_will_be_read_back(db: Database) -> None:
    with db.write() as session:
        row = events.append(session, at=AT, actor="x", kind="k", subject="s", facts={"t": (1, 2), "f": 0.1, "n": None})
        assert row.facts == {"t": [1, 2], "f": 0.1, "n": None}
    assert problem(db) == "None"


# --- words -----------------------------------------------------------------------------------


@pytest.fixture
def proposal(db: Database, person: Callable[..., str], community: Callable[..., str]) -> str:
    """Id of a proposal whose words are sealed."""
    person("amina", (Role.REVIEWER, community("nairobi")))
    with db.write() as session:
        row = Proposal(
            person_id="amina",
            community="nairobi",
            language="sw",
            topic="t",
            template="{a|b}",
            answer_a="a",
            answer_b="b",
            gloss="",
            source="",
            regions=["Kisumu"],
            state="submitted",
            submission="once",
            made_at=AT,
        )
        session.add(row)
        facts = events.seal(session, row)
        events.append(session, at=AT, actor="amina", kind="pair proposed", subject=row.id, facts=facts)
        assert facts["row"] == ["proposals", row.id]
        return row.id


def words_problem(db: Database) -> str:
    with db.read() as session:
        return str(events.verify_words(session))


def test_the_log_holds_no_words(db: Database, proposal: str) -> None:
    with db.read() as session:
        assert "Kisumu" not in str(session.get(Event, 1).facts)


@pytest.mark.tampers
def test_words_that_were_changed_behind_the_log_are_found(db: Database, proposal: str) -> None:
    assert words_problem(db) == "None"
    with db.write() as session:
        session.get(Proposal, proposal).regions = ["Mombasa"]
    assert words_problem(db) == "event 1: the words in its row of 'proposals' were changed after it was written"
    with db.read() as session, pytest.raises(DeskError, match=r"desk: event 1: .*; keep this database as it is"):
        events.require_whole(session, place="desk")


def test_words_that_were_sealed_anew_are_right(db: Database, proposal: str) -> None:
    with db.write() as session:
        row = session.get(Proposal, proposal)
        row.regions = ["Mombasa"]
        facts = events.seal(session, row)
        events.append(session, at=AT, actor="amina", kind="pair changed", subject=proposal, facts=facts)
    assert words_problem(db) == "None"


@pytest.mark.tampers
def test_erased_words_are_passed_over_and_a_row_that_is_gone_is_not(db: Database, proposal: str) -> None:
    with db.write() as session:
        row = session.get(Proposal, proposal)
        row.template, row.salt, row.erased_at = "", "", AT
    assert words_problem(db) == "None"
    with db.write() as session:
        session.delete(session.get(Proposal, proposal))
    assert words_problem(db) == "event 1: its row of 'proposals' is gone; rows are erased, never removed"


def test_the_same_words_with_another_salt_have_another_digest() -> None:
    """sha256 of {"salt":"s","words":{"a":1}}, by sha256sum."""
    assert events.digest_of({"a": 1}, salt="s") == DIGEST
    assert events.digest_of({"a": 1}, salt="t") != DIGEST


DIGEST = "a3e4903011a2c788306525c2edbf7a7c443aa11309e9fe031905bb81da186e0e"
