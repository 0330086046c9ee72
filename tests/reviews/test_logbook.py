"""The log as people read it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from audit.errors import DeskError, NotAllowedError
from audit.reviews import events, logbook
from audit.reviews.roles import Role


@pytest.fixture
def log(db, person):
    """Five events: three of Ada, two of nobody."""
    person("ada", Role.AUDITOR)
    with db.write() as session:
        for number in range(1, 6):
            actor = "ada" if number % 2 else events.SYSTEM
            kind = "odd" if number % 2 else "even"
            events.append(session, at=db.now(), actor=actor, kind=kind, subject=f"s{number}", facts={"n": number})
    return db


def test_the_newest_event_comes_first_with_the_name_of_who_did_it(log):
    found = logbook.read(log, by="ada")
    assert [(one.number, one.actor, one.subject) for one in found.entries] == [
        (5, "Ada", "s5"),
        (4, "system", "s4"),
        (3, "Ada", "s3"),
        (2, "system", "s2"),
        (1, "Ada", "s1"),
    ]
    assert found.kinds == ("even", "odd")
    assert found.entries[0].facts == {"n": 5}


def test_a_page_holds_so_many_and_one_kind_alone_can_be_read(log):
    assert [one.number for one in logbook.read(log, page=2, per_page=2, by="ada").entries] == [3, 2]
    last = logbook.read(log, page=9, per_page=2, by="ada")
    assert ([one.number for one in last.entries], last.page, last.pages) == ([1], 3, 3)
    even = logbook.read(log, kind="even", by="ada")
    assert ([one.number for one in even.entries], even.total) == ([4, 2], 2)
    with pytest.raises(DeskError, match="ask from page 1"):
        logbook.read(log, page=0, by="ada")


def test_a_whole_log_checks_and_says_its_head(log):
    found = logbook.check(log, by="ada")
    assert found.problem is None
    assert (found.head.number, found.head.hash) == (5, logbook.read(log, by="ada").entries[0].hash)


@pytest.mark.tampers
def test_a_changed_event_is_named(log):
    with log.write() as session:
        trigger = "events_no_update" if log.engine.dialect.name == "sqlite" else "events_only_added ON events"
        session.execute(text(f"DROP TRIGGER {trigger}"))
        session.execute(text("UPDATE events SET kind = 'other' WHERE number = 3"))
    assert logbook.check(log, by="ada").problem.number == 3


def test_who_may_not_read_the_log_reads_neither_page_nor_check(log, person, community):
    person("rita", (Role.REVIEWER, community("accra")))
    for read in (logbook.read, logbook.check):
        with pytest.raises(NotAllowedError, match="may not read the log"):
            read(log, by="rita")
