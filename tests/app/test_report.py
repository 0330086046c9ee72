"""The page of reports: asked once, waited for, listed with what they know."""

from __future__ import annotations

import hashlib
import re

import pytest

from app.conftest import html_of, judge, words_of
from audit import pipeline
from audit.commands import command_of
from audit.errors import DeskError
from audit.reviews import consent, issued, jobs
from audit.reviews.jobs import Issue
from audit.reviews.roles import Role
from audit.reviews.seen import has_seen
from audit.runs import RunFolder
from streamlit_app.app_pages import report

CONTENT = b"%PDF-1.4 a report"


@pytest.fixture
def ada(people) -> str:
    return people("ada", Role.AUDITOR)


def button(test, label: str):
    return next(one for one in test.button if one.label == label)


def asked(desk, by: str = "ada"):
    return jobs.own_jobs(desk.db, by=by)


def work(desk, run: str) -> None:
    """What the worker does with the job that waits."""
    task = jobs.next_job(desk.db)
    folder = desk.settings.reports
    folder.mkdir(exist_ok=True)
    (folder / "one.pdf").write_bytes(CONTENT)
    issue = Issue(run=run, file="one.pdf", sha256=hashlib.sha256(CONTENT).hexdigest(), as_of=4)
    jobs.finish(desk.db, task.id, answer={}, issue=issue)


def test_a_report_is_asked_for_with_what_was_chosen(app, desk, ada, run_folder):
    test = app("ada", page="report")
    assert "It is said in the language that you choose" in words_of(test)
    test.checkbox[0].set_value(False)
    test.multiselect[0].set_value(["circuits", "items"])
    next(one for one in test.selectbox if one.label == "Language of the report").set_value("sw")
    button(test, "Make the report").click().run()
    assert not test.exception
    (job,) = asked(desk)
    assert (job.kind, job.asked) == (
        "report",
        {
            "run": run_folder.name,
            "judgements": False,
            "without": ["features", "appendix"],
            "language": "sw",
            "sign": False,
        },
    )
    assert "Waiting for the worker." in words_of(test)


def test_a_desk_that_has_a_key_offers_to_sign_with_it(app, desk, ada, monkeypatch):
    monkeypatch.setattr(report, "signer", lambda: "Board of Nairobi")
    test = app("ada", page="report")
    assert "Signed by Board of Nairobi" in [one.label for one in test.checkbox]
    button(test, "Make the report").click().run()
    (job,) = asked(desk)
    assert job.asked["sign"] is True


def test_a_second_click_asks_for_nothing_new(app, desk, ada):
    """The form that was sent is gone: while a report is made there is no other form to send."""
    test = app("ada", page="report")
    again = button(test, "Make the report")
    again.click().run()
    assert "Make the report" not in [one.label for one in test.button]
    test.run()
    assert len(asked(desk)) == 1


def test_who_waits_long_is_told_that_no_worker_may_be_there(app, desk, ada, clock):
    test = app("ada", page="report")
    button(test, "Make the report").click().run()
    clock.forward(seconds=21)
    test.run()
    assert "no worker is running" in words_of(test)


def test_a_report_that_is_ready_is_listed_with_its_digest_and_what_it_knows(app, desk, ada, run_folder):
    test = app("ada", page="report")
    assert "No report of this run has been issued." in words_of(test)
    button(test, "Make the report").click().run()
    work(desk, run_folder.name)
    test.run()
    assert "The report is ready" in test.success[0].value
    words = " ".join(words_of(test).split())
    assert hashlib.sha256(CONTENT).hexdigest() in words
    assert "event 4 of the desk's log" in words
    assert "by Ada" in words
    (link,) = re.findall(r'href="(/reports/\w+\.pdf)"', html_of(test))
    assert link == f"/reports/{issued.reports(desk.db, run_folder.name, by='ada')[0].id}.pdf"
    assert "To be issued again" not in words
    assert "Make the report" in [one.label for one in test.button]


def test_listing_reports_is_not_reading_them(app, desk, ada, run_folder):
    test = app("ada", page="report")
    button(test, "Make the report").click().run()
    work(desk, run_folder.name)
    test.run()
    with desk.db.read() as session:
        assert not has_seen(session, person="ada", run=run_folder.name)


def test_a_report_that_a_withdrawal_outdates_says_why_it_is_to_be_issued_again(
    app, desk, ada, people, nairobi, run_folder
):
    finding = next(
        one
        for one in pipeline.read_findings(RunFolder(run_folder))
        if one.measurement.measure == "stereotype_effect" and one.measurement.scope.language == "sw"
    )
    people("amina", (Role.REVIEWER, nairobi), reads=["sw"])
    judge(desk.db, run_folder.name, finding.id, nairobi, by="amina", comment="Siri")
    test = app("ada", page="report")
    button(test, "Make the report").click().run()
    work(desk, run_folder.name)
    consent.withdraw(desk.db, by="amina")
    words = " ".join(words_of(app("ada", page="report")).split())
    assert "To be issued again because somebody withdrew what they had said" in words


def test_what_the_worker_could_not_make_is_said_in_its_words(app, desk, ada):
    test = app("ada", page="report")
    button(test, "Make the report").click().run()
    jobs.fail(desk.db, jobs.next_job(desk.db).id, error="report: <b>no</b> fonts; install plural-audit[report]")
    test.run()
    assert "could not be made" in test.error[0].value
    assert "report: <b>no</b> fonts" in words_of(test)
    assert "Make the report" in [one.label for one in test.button]


def test_the_command_that_makes_the_run_again_is_the_reports_own(app, ada, run_folder):
    manifest = RunFolder(run_folder).read_evidence().manifest
    assert app("ada", page="report").code[0].value == command_of(manifest)


def test_three_that_wait_are_enough(app, desk, ada, run_folder):
    for part in ("circuits", "features", "items"):
        jobs.ask(desk.db, "report", {"run": run_folder.name, "without": [part]}, by="ada")
    test = app("ada", page="report")
    button(test, "Make the report").click().run()
    assert "3 of yours wait already" in test.error[0].value
    with pytest.raises(DeskError):
        jobs.ask(desk.db, "report", {"run": run_folder.name}, by="ada")


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.STEWARD, Role.ADMIN])
def test_who_may_not_issue_reports_is_refused(app, people, nairobi, role):
    people("somebody", (role, nairobi) if role is not Role.ADMIN else role)
    assert "needs a role that you do not have" in app("somebody", page="report").error[0].value
