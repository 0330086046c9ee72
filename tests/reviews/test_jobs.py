"""Jobs: asked once, begun once, ended once, also when workers die."""

from __future__ import annotations

import threading
from itertools import count

import pytest
from sqlalchemy import func, select

from audit.errors import AuditError, ConflictError, DeskError, NotAllowedError, UsageError
from audit.reviews import events, jobs, proposals
from audit.reviews.jobs import Issue
from audit.reviews.proposals import PairText
from audit.reviews.roles import Role
from audit.reviews.tables import Event, IssuedReport, Run

NUMBERS = count(1)
PAIR = PairText(
    community="nairobi",
    language="sw",
    topic="family",
    template="Katika familia hiyo, {mama|baba} hupenda",
    answer_a="mapishi",
    answer_b="mapato",
)


@pytest.fixture
def desk(db, community, person):
    community("nairobi")
    person("amina", (Role.REVIEWER, "nairobi"), reads=["sw", "en"])
    person("bakari", (Role.REVIEWER, "nairobi"))
    person("ada", Role.AUDITOR)
    with db.write() as session:
        session.add(
            Run(id="run-1", folder="r", model="tiny", languages=["en"], findings_sha256="0" * 64, imported_at=db.now())
        )
    return db


def pair(number=0):
    return {"template": "The {nurse|engineer} said that", "answers": ["she", f"he{number or ''}"], "language": "en"}


def asked(desk, number=0, *, by="amina"):
    return jobs.ask(desk, "try", pair(number), by=by)


# --- asking ----------------------------------------------------------------------------------


def test_jobs_are_begun_in_the_order_in_which_they_were_asked_and_ended_once(desk, clock):
    first = asked(desk)
    clock.forward(seconds=1)
    second = asked(desk, by="bakari")
    assert [jobs.job(desk, second, by="bakari").ahead, jobs.job(desk, first, by="amina").ahead] == [1, 0]
    task = jobs.next_job(desk)
    assert (task.id, task.kind, task.asked) == (first, "try", pair())
    assert jobs.job(desk, first, by="amina").state == "running"
    jobs.finish(desk, first, answer={"effect": 0.5})
    done = jobs.job(desk, first, by="amina")
    assert (done.state, done.answer, done.ended_at) == ("done", {"effect": 0.5}, clock.now)
    with pytest.raises(ConflictError, match="is done, not running"):
        jobs.fail(desk, first, error="late")
    assert jobs.next_job(desk).id == second
    jobs.fail(desk, second, error="two\nlines")
    assert jobs.job(desk, second, by="bakari").error == "two lines"
    assert jobs.next_job(desk) is None


def test_a_person_has_three_jobs_waiting_at_most_and_others_are_not_kept_from_asking(desk, clock):
    for number in range(3):
        asked(desk, number)
    clock.forward(seconds=1)
    with pytest.raises(DeskError, match="3 of yours wait already"):
        asked(desk, 3)
    asked(desk, 3, by="bakari")
    jobs.next_job(desk)
    assert asked(desk, 3)  # one of amina's is running, so two wait


def test_a_double_click_is_one_job(desk):
    assert asked(desk) == asked(desk)
    assert asked(desk) != asked(desk, by="bakari")


def test_a_job_is_seen_by_who_asked_for_it(desk):
    one = asked(desk)
    with pytest.raises(DeskError, match="not one of yours"):
        jobs.job(desk, one, by="ada")
    assert [job.id for job in jobs.own_jobs(desk, by="amina")] == [one]
    assert jobs.own_jobs(desk, by="ada") == ()


@pytest.mark.parametrize(
    ("wrong", "error", "fact"),
    [
        ({"template": "The nurse said"}, UsageError, "no slot"),
        ({"answers": ["she"]}, DeskError, "not two"),
        ({"answers": "he"}, DeskError, "not two"),
        ({"answers": ["she", " "]}, DeskError, "one is empty"),
        ({"answers": ["she|", "he"]}, UsageError, "an alternative is empty"),
        ({"language": "xx-yy"}, AuditError, "no language"),
        ({"template": "x" * 500}, DeskError, "400 fit"),
        ({"template": "The {nurse|engineer}\x00"}, DeskError, "U\\+0000"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_it_waits(desk, wrong, error, fact):
    with pytest.raises(error, match=fact):
        jobs.ask(desk, "try", {**pair(), **wrong}, by="amina")
    assert jobs.next_job(desk) is None


def test_only_those_who_may_do_it_themselves_ask_for_it(desk):
    with pytest.raises(NotAllowedError, match="may not issue a report"):
        jobs.ask(desk, "report", {"run": "run-1"}, by="amina")
    with pytest.raises(DeskError, match="no such kind"):
        jobs.ask(desk, "shell", {}, by="ada")
    with pytest.raises(DeskError, match="run 'run-2': not at this desk"):
        jobs.ask(desk, "report", {"run": "run-2"}, by="ada")
    with pytest.raises(DeskError, match="8000 fit"):
        jobs.ask(desk, "report", {"run": "run-1", "title": "x" * 9000}, by="ada")
    with pytest.raises(DeskError, match="is no JSON"):
        jobs.ask(desk, "report", {"run": "run-1", "x": float("nan")}, by="ada")


# --- workers ---------------------------------------------------------------------------------


def test_what_a_dead_worker_left_is_begun_again_twice_and_then_given_up(desk):
    one = asked(desk)
    for _ in range(2):
        assert jobs.next_job(desk).id == one
        assert jobs.recover(desk) == 1
        assert jobs.job(desk, one, by="amina").state == "waiting"
    assert jobs.next_job(desk).id == one
    assert jobs.recover(desk) == 0
    given_up = jobs.job(desk, one, by="amina")
    assert given_up.state == "failed"
    assert given_up.error == "the desk stopped 3 times while it worked on this; ask for something smaller"
    assert jobs.recover(desk) == 0


def test_two_workers_at_once_do_not_begin_the_same_job(desk):
    ids = {asked(desk, number) for number in range(3)}
    begun: list[str] = []
    ready = threading.Barrier(3)

    def work() -> None:
        ready.wait()
        begun.append(jobs.next_job(desk).id)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == sorted(ids)


def test_a_report_is_issued_in_the_moment_in_which_its_job_is_done(desk):
    one = jobs.ask(desk, "report", {"run": "run-1"}, by="ada")
    jobs.next_job(desk)
    with desk.read() as session:
        as_of = events.head(session).number
    issue = Issue(run="run-1", file="r.pdf", sha256="ab" * 32, as_of=as_of)
    jobs.finish(desk, one, answer={"file": "r.pdf"}, issue=issue)
    with desk.read() as session:
        (report,) = session.scalars(select(IssuedReport)).all()
        assert (report.run_id, report.file, report.as_of, report.made_by, report.reissue_reason) == (
            "run-1",
            "r.pdf",
            as_of,
            "ada",
            "",
        )
        last = session.scalar(select(Event).order_by(Event.number.desc()).limit(1))
        assert (last.kind, last.actor, last.facts["report"]) == ("report issued", "ada", report.id)


@pytest.mark.parametrize("kind", ["consent withdrawn", "contest upheld", "contest upheld in part"])
def test_a_report_that_does_not_know_what_happened_meanwhile_is_marked_from_the_start(desk, kind):
    one = jobs.ask(desk, "report", {"run": "run-1"}, by="ada")
    jobs.next_job(desk)
    with desk.write() as session:
        as_of = events.head(session).number
        events.append(session, at=desk.now(), actor="amina", kind=kind, subject="x", facts={})
    jobs.finish(desk, one, answer={}, issue=Issue(run="run-1", file="r.pdf", sha256="ab" * 32, as_of=as_of))
    with desk.read() as session:
        assert session.scalar(select(IssuedReport.reissue_reason)) == "something changed while it was made"


def test_what_was_said_of_a_proposed_pair_is_kept_beside_it(desk):
    one = proposals.propose(desk, PAIR, submission="form", by="amina")
    job = jobs.try_proposal(desk, one.id, by="amina")
    task = jobs.next_job(desk)
    assert task.asked["template"] == PAIR.template
    jobs.finish(desk, job, answer={"effect": 2.0, "model": "tiny"})
    assert proposals.proposal(desk, one.id, by="amina").effect == {"effect": 2.0, "model": "tiny"}
    with pytest.raises(DeskError, match="has not submitted it"):
        jobs.try_proposal(desk, one.id, by="bakari")


def test_each_turn_of_a_job_is_an_event_that_holds_no_words(desk):
    jobs.finish(desk, asked(desk) and jobs.next_job(desk).id, answer={})
    with desk.read() as session:
        assert session.scalars(select(Event.kind).order_by(Event.number)).all() == ["job asked", "job done"]
        assert session.scalar(select(func.count()).select_from(Event)) == 2
        assert "nurse" not in str([event.facts for event in session.scalars(select(Event))])
