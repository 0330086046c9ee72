"""The contest desk: filing, each step by who may take it, dates in words, nothing lost when two are at once."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from app.conftest import html_of, words_of
from audit import pipeline
from audit.records import Finding
from audit.reviews import accounts, contests
from audit.reviews.contests import State, Step
from audit.reviews.roles import Role
from audit.runs import RunFolder
from streamlit_app.app_pages import contests as desk_page

HOSTILE = "<script>alert(1)</script> **b** {who} ‮ =1+1"


@pytest.fixture
def finding(run_folder) -> Finding:
    return pipeline.read_findings(RunFolder(run_folder))[0]


@pytest.fixture
def everybody(people, nairobi, desk) -> None:
    """Two of Nairobi, a steward of Accra, two auditors, a member of the board."""
    accounts.create_community(desk.db, "accra", name="Accra", languages=["en"], by="root")
    people("amina", (Role.REVIEWER, nairobi), reads=["sw", "en"])
    people("baraka", (Role.STEWARD, nairobi), reads=["sw"])
    people("kofi", (Role.STEWARD, "accra"))
    people("otto", Role.AUDITOR)
    people("olga", Role.AUDITOR)
    people("bodil", Role.BOARD)
    people.agree("amina", "baraka", "kofi")


@pytest.fixture
def filed(desk, everybody, run_folder, finding) -> contests.ContestView:
    return contests.file(
        desk.db, run_folder.name, finding.id, words=HOSTILE, community="nairobi", submission="1", by="amina"
    )


TO_ADMIT = {Step.ADMIT, Step.REFUSE}


def plain_of(test) -> str:
    """The page as one line, without the spaces that stand where tags were."""
    return re.sub(r" (?=[.,])", "", " ".join(words_of(test).split()))


def step_of(test):
    return next((one for one in test.radio if one.label == "Step"), None)


def take(test, step: Step, words: str = ""):
    step_of(test).set_value(step)
    test.text_area[0].set_value(words)
    next(one for one in test.button if one.label == "Take this step").click().run()
    assert not test.exception
    return test


def file_it(test, words: str, *, community: str = ""):
    test.text_area[0].set_value(words)
    next(one for one in test.radio if one.label == "In whose name?").set_value(community)
    next(one for one in test.button if one.label == "Contest it").click().run()
    assert not test.exception
    return test


# --- filing ----------------------------------------------------------------------------------


def test_a_contest_is_filed_from_the_finding_and_opens(app, desk, everybody, run_folder, finding):
    test = app("amina", page="contests", run=run_folder.name, finding=finding.id)
    assert finding.sentence in words_of(test)
    file_it(test, HOSTILE, community="nairobi")
    (one,) = contests.contests(desk.db, by="amina")
    assert (one.state, one.community, one.steps[0].words) == (State.FILED, "nairobi", HOSTILE)
    assert test.query_params["id"] == one.id
    page = html_of(test)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "Nairobi &lt;b&gt;youth&lt;/b&gt;" in page
    assert "The next step is due on March 9, 2026, in 7 days." in plain_of(test)


def test_filing_needs_reasons(app, desk, everybody, run_folder, finding):
    test = file_it(app("amina", page="contests", run=run_folder.name, finding=finding.id), "  ")
    assert "Give your reasons" in test.warning[0].value
    assert contests.contests(desk.db, by="amina") == ()


def test_a_form_sent_twice_is_one_contest(app, desk, everybody, run_folder, finding):
    """The second click comes with the number of the form that the first was sent with."""
    test = app("amina", page="contests", run=run_folder.name, finding=finding.id)
    once = test.session_state[f"filing:{run_folder.name}:{finding.id}:held"].submission
    contests.file(desk.db, run_folder.name, finding.id, words="Not so", submission=once, by="amina")
    test.run()
    assert "You have contested this finding already" in words_of(test)
    assert len(contests.contests(desk.db, by="amina")) == 1


def test_who_administers_the_desk_does_not_contest(app, everybody, run_folder, finding):
    test = app("root", page="contests", run=run_folder.name, finding=finding.id)
    assert "Your role does not contest findings" in words_of(test)
    assert not test.text_area


def test_a_finding_that_is_not_here_is_refused_in_one_line(app, desk, everybody, run_folder):
    test = file_it(app("amina", page="contests", run=run_folder.name, finding="gone"), "Not so")
    assert "not at this desk" in test.error[0].value


# --- steps -----------------------------------------------------------------------------------


def test_a_contest_goes_from_filing_to_the_boards_final_word(app, desk, filed):
    take(app("otto", page="contests", id=filed.id), Step.ADMIT)
    take(app("otto", page="contests", id=filed.id), Step.ANSWER, "The items are sound.")
    test = take(app("kofi", page="contests", id=filed.id), Step.TAKE)
    assert "Kofi has taken over the decision." in plain_of(test)
    take(app("kofi", page="contests", id=filed.id), Step.REJECT, "The answer holds.")
    take(app("amina", page="contests", id=filed.id), Step.APPEAL, "It does not.")
    test = take(app("bodil", page="contests", id=filed.id), Step.UPHOLD_IN_PART, "Three items do not hold.")
    words = plain_of(test)
    for sentence in (
        "1. Amina contested the finding on March 2, 2026.",
        "2. Otto admitted the contest on March 2, 2026.",
        "3. Otto answered on March 2, 2026. The items are sound.",
        "4. Kofi took over the decision on March 2, 2026.",
        "5. Kofi rejected the contest on March 2, 2026. The answer holds.",
        "6. Amina appealed to the board on March 2, 2026. It does not.",
        "7. Bodil upheld the contest in part on March 2, 2026. Three items do not hold.",
        "Nothing: this contest is closed.",
    ):
        assert sentence in words
    found = contests.contest(desk.db, filed.id, by="amina")
    assert (found.state, found.due) == (State.PARTLY, None)
    assert step_of(test) is None


@pytest.mark.parametrize(
    ("state", "may"),
    [
        (State.FILED, {"amina": {Step.WITHDRAW}, "otto": TO_ADMIT, "olga": TO_ADMIT, "root": TO_ADMIT}),
        (State.ADMITTED, {"amina": {Step.WITHDRAW}, "otto": {Step.ANSWER}, "olga": {Step.ANSWER}}),
        (
            State.ANSWERED,
            {
                "amina": {Step.WITHDRAW},
                "kofi": {Step.TAKE, Step.UPHOLD, Step.UPHOLD_IN_PART, Step.REJECT},
                "olga": {Step.TAKE, Step.UPHOLD, Step.UPHOLD_IN_PART, Step.REJECT},
            },
        ),
    ],
)
def test_each_is_offered_the_steps_they_may_take_and_no_other(app, desk, filed, state, may):
    one = filed
    if state is not State.FILED:
        one = contests.admit(desk.db, one.id, version=one.version, by="otto")
    if state is State.ANSWERED:
        contests.answer(desk.db, one.id, words="So it is", version=one.version, by="otto")
    for name in ("amina", "baraka", "kofi", "otto", "olga", "bodil", "root"):
        radio = step_of(app(name, page="contests", id=filed.id))
        offered = set() if radio is None else set(radio.options)
        assert offered == {desk_page.CHOICES[step] for step in may.get(name, ())}, name


def test_a_step_without_its_reasons_is_not_taken(app, desk, filed):
    test = take(app("otto", page="contests", id=filed.id), Step.REFUSE)
    assert "Give your reasons" in test.warning[0].value
    assert contests.contest(desk.db, filed.id, by="amina").state is State.FILED


def test_when_two_answer_at_once_the_second_keeps_the_words(app, desk, filed):
    contests.admit(desk.db, filed.id, version=filed.version, by="otto")
    first, second = (app(name, page="contests", id=filed.id) for name in ("otto", "olga"))
    for test in (first, second):
        step_of(test).set_value(Step.ANSWER)
    first.text_area[0].set_value("The first answer")
    second.text_area[0].set_value("The second answer")
    for test in (first, second):
        next(one for one in test.button if one.label == "Take this step").click().run()
        assert not test.exception
    assert "Nothing of yours was sent" in second.warning[0].value
    words = words_of(second)
    assert "The first answer" in words
    assert "The second answer" in words
    steps = contests.contest(desk.db, filed.id, by="amina").steps
    assert [one.words for one in steps if one.step is Step.ANSWER] == ["The first answer"]


# --- dates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "sentence"),
    [
        (datetime(2026, 3, 3, 9, tzinfo=UTC), "The next step is due on March 3, 2026, in 1 day."),
        (datetime(2026, 3, 9, 9, tzinfo=UTC), "The next step is due on March 9, 2026, in 7 days."),
        (datetime(2026, 3, 2, 23, tzinfo=UTC), "The next step is due today, March 2, 2026."),
        (datetime(2026, 3, 1, 9, tzinfo=UTC), "The next step was due on March 1, 2026, 1 day ago."),
        (datetime(2026, 3, 2, 8, tzinfo=UTC), "The next step was due earlier today, March 2, 2026."),
    ],
)
def test_dates_are_said_in_words(due, sentence):
    assert desk_page.until(due, now=datetime(2026, 3, 2, 12, tzinfo=UTC)) == sentence


def test_silence_is_shown_as_late_and_as_a_step_of_the_desk(app, desk, filed, clock):
    clock.forward(days=8)
    test = app("olga", page="contests")
    assert "Late" in html_of(test)
    contests.sweep(desk.db)
    test = app("olga", page="contests", id=filed.id)
    words = plain_of(test)
    assert "2. The date passed without a step; the desk noted it on March 10, 2026." in words
    assert "An auditor answers, with reasons." in words


# --- the list --------------------------------------------------------------------------------


def lists_of(test) -> dict[str, int]:
    """The lists that are offered, with what they say they hold."""
    radio = next(one for one in test.radio if one.label == "Which contests")
    return {text.rsplit(" (", 1)[0]: int(text.rsplit("(", 1)[1].rstrip(")")) for text in radio.options}


def test_each_role_has_the_lists_it_works_on(app, desk, filed):
    assert lists_of(app("amina", page="contests")) == {
        "Waiting for me": 0,
        "Filed by me": 1,
        "Late": 0,
        "All open": 1,
        "Decided and closed": 0,
    }
    assert lists_of(app("otto", page="contests")) == {
        "Waiting for me": 1,
        "Filed by me": 0,
        "To admit": 1,
        "To answer": 0,
        "To decide": 0,
        "Late": 0,
        "All open": 1,
        "Decided and closed": 0,
    }
    assert {"Appeals"} <= set(lists_of(app("bodil", page="contests")))


def test_the_list_opens_on_what_waits_for_the_person(app, filed, finding):
    test = app("otto", page="contests")
    assert next(one for one in test.radio if one.label == "Which contests").value == "turn"
    words = words_of(test)
    assert finding.sentence in words
    assert "alert(1)" in words
    assert "<script>alert" not in html_of(test)


def test_a_desk_without_contests_says_how_to_file_one(app, everybody):
    assert "Nobody has contested a finding yet." in words_of(app("amina", page="contests"))


def test_every_step_and_state_of_the_library_has_words():
    assert set(desk_page.DONE) == set(Step)
    assert set(desk_page.CHOICES) == set(Step) - {Step.FILE, Step.DEADLINE}
    assert set(desk_page.TURNS) == set(State) - {State.WITHDRAWN}
    assert set(desk_page.NO_REASONS) == {move.step for move in contests.MOVES if not move.reasons}
