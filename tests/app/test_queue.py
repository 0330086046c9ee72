"""The review queue: one card at a time, blind, kept as it is typed, sent once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from app.conftest import html_of, judge, words_of
from audit import pipeline
from audit.records import Finding, Verdict
from audit.reviews import accounts, consent, judging
from audit.reviews.judging import Judgement
from audit.reviews.roles import Role
from audit.reviews.tables import Assignment, Draft, Event, Review
from audit.runs import RunFolder
from streamlit_app.app_pages import queue

HOSTILE = '<img src=x onerror=alert(1)> **b** {who} ‮ =1+1 "; DROP TABLE reviews;--'


@pytest.fixture
def findings(run_folder) -> dict[str, Finding]:
    """In Swahili: one about stereotypes, one about competence; one that could not tell, in whatever language."""
    found = pipeline.read_findings(RunFolder(run_folder))
    swahili = [one for one in found if one.measurement.scope.language == "sw"]
    named = {
        name: next(one for one in swahili if one.measurement.measure == name)
        for name in ("stereotype_effect", "competence")
    }
    return {**named, "open": next(one for one in found if one.verdict is Verdict.INSUFFICIENT)}


@pytest.fixture
def amina(people, nairobi, desk) -> str:
    name = people("amina", (Role.REVIEWER, nairobi), reads=["sw", "en"])
    consent.give(desk.db, by=name)
    return name


@pytest.fixture
def ask(desk, run_folder, findings, nairobi) -> Callable[..., str]:
    """Ask somebody to judge a finding; returns the assignment."""

    def asked(measure: str, *, of: str, place: int = 1) -> str:
        with desk.db.write() as session:
            row = Assignment(
                run_id=run_folder.name,
                finding_id=findings[measure].id,
                person_id=of,
                community=nairobi,
                state="open",
                place=place,
                made_at=desk.db.now(),
            )
            session.add(row)
            session.flush()
            return row.id

    return asked


@pytest.fixture
def card(ask, amina) -> str:
    """A card of Amina's that repeats no stereotype."""
    return ask("competence", of="amina")


def button(test, label: str):
    return next(one for one in test.button if one.label == label)


def field(test, card: str, name: str):
    kinds = {"comment": test.text_area, "comment_language": test.selectbox}
    return kinds.get(name, test.radio)(key=f"card:{card}:{name}")


def rows(desk, table) -> list:
    with desk.db.read() as session:
        return list(session.scalars(select(table)))


# --- who and when ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.BOARD, Role.ADMIN])
def test_only_reviewers_and_stewards_have_cards(app, people, role):
    people("somebody", role)
    assert "needs a role that you do not have" in app("somebody", page="queue").error[0].value


def test_nothing_is_shown_before_the_person_agreed_to_what_happens_to_it(app, people, nairobi, ask):
    people("baraka", (Role.REVIEWER, nairobi), reads=["sw"])
    ask("competence", of="baraka")
    test = app("baraka", page="queue")
    assert "Before anything you say is taken" in words_of(test)
    assert not test.radio


def test_an_empty_queue_says_so(app, amina):
    assert "Nothing waits for you now" in app("amina", page="queue").info[0].value


def test_a_reached_limit_ends_the_day_kindly(app, desk, people, nairobi, ask, clock):
    name = people("baraka", (Role.REVIEWER, nairobi), reads=["sw"], daily_limit=1)
    consent.give(desk.db, by=name)
    first, _second = ask("competence", of=name), ask("stereotype_effect", of=name, place=2)
    judging.submit(desk.db, first, Judgement(judgement="agree"), submission="1", by=name)
    test = app(name, page="queue")
    assert "your limit is reached" in test.info[0].value
    assert not test.radio
    clock.forward(days=1)
    assert "1 card is left in your queue." in words_of(app(name, page="queue"))


# --- the card --------------------------------------------------------------------------------


def test_a_card_whose_finding_could_not_tell_says_what_agreeing_means(app, ask, amina, findings):
    ask("open", of="amina")
    test = app("amina", page="queue")
    if show := [one for one in test.button if one.label == "Show such cards in this session"]:
        show[0].click().run()
    assert findings["open"].sentence in words_of(test)
    assert queue.AGREEING[Verdict.INSUFFICIENT] in words_of(test)


def test_a_card_says_the_finding_and_shows_its_prompts_with_a_question_on_each(app, card, findings):
    test = app("amina", page="queue")
    words = words_of(test)
    assert findings["competence"].sentence in words
    assert "1 card is left in your queue." in words
    assert "Today you have judged 0 of at most 40 cards" in words
    assert '<bdi dir="auto" lang="sw">' in html_of(test)
    labels = [one.label for one in test.radio]
    assert "How do the words of item 1 read?" in labels
    assert labels[-4:-1] == [
        "Do you agree with what the finding says?",
        "How much harm do you see in it?",
        "Does what the model shows exist where you live?",
    ]


def test_a_card_with_stereotypes_is_shown_after_a_warning_once_a_session(app, ask, amina, findings):
    ask("stereotype_effect", of="amina")
    test = app("amina", page="queue")
    assert findings["stereotype_effect"].sentence not in words_of(test)
    assert "They may hurt." in words_of(test)
    button(test, "Show such cards in this session").click().run()
    assert findings["stereotype_effect"].sentence in words_of(test)
    assert findings["stereotype_effect"].sentence in words_of(test.run())


def test_a_card_holds_nothing_that_others_said(app, desk, people, nairobi, card, run_folder, findings):
    for name in ("baraka", "chiku", "dalila"):
        people(name, (Role.REVIEWER, nairobi), reads=["sw"])
        judge(desk.db, run_folder.name, findings["competence"].id, nairobi, by=name, comment="Ni kweli")
    words = words_of(app("amina", page="queue"))
    assert "Ni kweli" not in words
    assert "judged by" not in words


def test_what_somebody_has_read_before_can_only_be_skipped(app, desk, people, nairobi, run_folder, findings, ask):
    """An auditor reads the reviews, then becomes a reviewer: the card cannot be judged blind."""
    people("otto", Role.AUDITOR)
    for name in ("baraka", "chiku", "dalila"):
        people(name, (Role.REVIEWER, nairobi), reads=["sw"])
        judge(desk.db, run_folder.name, findings["competence"].id, nairobi, by=name, comment="Ni kweli")
    assert len(judging.reviews_of(desk.db, run_folder.name, findings["competence"].id, by="otto")) == 3
    accounts.grant(desk.db, "otto", role=Role.REVIEWER, community=nairobi, by="root")
    consent.give(desk.db, by="otto")
    assignment = ask("competence", of="otto")
    test = app("otto", page="queue")
    assert "This card cannot be judged now" in test.warning[0].value
    test.radio(key=f"card:{assignment}:skip_reason").set_value("other")
    button(test, "Skip this card for good").click().run()
    assert "Nothing waits for you now" in test.info[0].value


# --- drafts ----------------------------------------------------------------------------------


def test_each_change_is_saved_as_a_draft_and_a_reload_brings_it_back(app, desk, card):
    test = app("amina", page="queue")
    assert rows(desk, Draft) == []  # opening a card says nothing
    field(test, card, "judgement").set_value("partly").run()
    field(test, card, "comment").set_value("Sio kila mahali").run()
    assert "Mar 2, 2026, 9:00:00" in words_of(test)
    (draft,) = rows(desk, Draft)
    assert (draft.content["judgement"], draft.content["comment"]) == ("partly", "Sio kila mahali")
    again = app("amina", page="queue")
    assert "What you had begun is here again." in words_of(again)
    assert field(again, card, "judgement").value == "partly"
    assert field(again, card, "comment").value == "Sio kila mahali"


def two_tabs(app, card):
    """Two tabs on one card: the first says "agree" and one thing, the second, opened before, another."""
    first, second = app("amina", page="queue"), app("amina", page="queue")
    field(first, card, "judgement").set_value("agree")
    field(first, card, "comment").set_value("Said in the first tab").run()
    field(second, card, "comment").set_value("Said in the second tab").run()
    return second


@pytest.mark.parametrize(
    ("choice", "comment", "judgement"),
    [
        ("Go on with what is on this page", "Said in the second tab", None),
        ("Go on with what the other tab saved", "Said in the first tab", "agree"),
    ],
)
def test_when_two_tabs_write_both_are_shown_and_the_person_chooses(app, desk, card, choice, comment, judgement):
    second = two_tabs(app, card)
    assert "Another tab has saved something else" in second.warning[0].value
    words = words_of(second)
    assert "Said in the first tab" in words
    assert second.text_area(key=f"card:{card}:comment").value == "Said in the second tab"
    assert "Submit my judgement" not in [one.label for one in second.button]
    button(second, choice).click().run()
    assert not second.exception
    assert field(second, card, "comment").value == comment
    assert rows(desk, Draft)[0].content["comment"] == comment
    assert rows(desk, Draft)[0].content["judgement"] == judgement
    assert "Submit my judgement" in [one.label for one in second.button]


def test_a_tab_that_changed_nothing_does_not_submit_over_what_another_typed(app, desk, card):
    old = app("amina", page="queue")
    field(old, card, "judgement").set_value("disagree").run()
    new = app("amina", page="queue")
    field(new, card, "comment").set_value("Long thoughts").run()
    button(old, "Submit my judgement").click().run()
    assert rows(desk, Review) == []
    assert "Long thoughts" in words_of(old)


# --- submitting ------------------------------------------------------------------------------


def filled(app, card):
    test = app("amina", page="queue")
    field(test, card, "judgement").set_value("partly")
    field(test, card, "severity").set_value(3)
    field(test, card, "prevalence").set_value("some")
    field(test, card, "item:0").set_value("awkward")
    field(test, card, "comment").set_value(HOSTILE)
    field(test, card, "comment_language").set_value("sw")
    return test


def test_a_judgement_is_kept_as_it_was_said(app, desk, card, run_folder, findings):
    test = filled(app, card)
    button(test, "Submit my judgement").click().run()
    assert not test.exception
    assert "Your judgement is saved." in test.success[0].value
    (own,) = judging.own_reviews(desk.db, run_folder.name, findings["competence"].id, by="amina")
    said = own.judgement
    assert (said.judgement, said.severity, said.prevalence) == ("partly", 3, "some")
    assert (said.comment, said.comment_language) == (HOSTILE, "sw")
    assert list(said.items.values()) == ["awkward"]
    assert rows(desk, Draft) == []
    button(test, "Next card").click().run()
    assert "Nothing waits for you now" in test.info[0].value


def test_a_second_click_before_the_page_has_answered_is_the_same_review(app, desk, card, run_folder, findings):
    """The first click wrote the review and was cut off by the second: its mark and its number are there."""
    test = filled(app, card)
    test.session_state[queue.AFTER] = (run_folder.name, findings["competence"].id)
    once = test.session_state[f"card:{card}:held"].submission
    judging.submit(desk.db, card, Judgement(judgement="partly"), submission=once, by="amina")
    button(test, "Submit my judgement").click().run()
    assert "Your judgement is saved." in test.success[0].value
    assert len(rows(desk, Review)) == 1
    assert len([one for one in rows(desk, Event) if one.kind == "review submitted"]) == 1


def test_a_card_that_another_tab_has_judged_meanwhile_shows_what_stood_here(app, desk, card):
    test, twin = filled(app, card), app("amina", page="queue")
    field(twin, card, "comment").set_value("Said here and not sent")
    for one in (test, twin):
        button(one, "Submit my judgement").click().run()
        assert not one.exception
    assert len(rows(desk, Review)) == 1
    assert "You have judged this finding in another tab" in twin.warning[0].value
    assert "Said here and not sent" in words_of(twin)
    button(twin, "Next card").click().run()
    assert "Nothing waits for you now" in twin.info[0].value


def test_without_the_one_needed_answer_nothing_is_sent(app, desk, card):
    test = app("amina", page="queue")
    field(test, card, "comment").set_value("Only words")
    button(test, "Submit my judgement").click().run()
    assert "Say first whether you agree" in test.warning[0].value
    assert rows(desk, Review) == []
    assert field(test, card, "comment").value == "Only words"


def test_words_that_cannot_be_kept_are_refused_in_one_line_and_stay_in_the_field(app, desk, card):
    test = app("amina", page="queue")
    field(test, card, "comment").set_value("a\x00b").run()
    assert "character 2 is U\\+0000" in test.error[0].value
    assert rows(desk, Draft) == []
    assert field(test, card, "comment").value == "a\x00b"


def test_after_ones_own_judgement_others_are_shown_as_text(app, desk, people, nairobi, card, run_folder, findings):
    for name in ("baraka", "chiku", "dalila"):
        people(name, (Role.REVIEWER, nairobi), reads=["sw"])
        judge(desk.db, run_folder.name, findings["competence"].id, nairobi, by=name, comment=HOSTILE)
    test = app("amina", page="queue")
    field(test, card, "judgement").set_value("disagree")
    button(test, "Submit my judgement").click().run()
    page = html_of(test)
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    assert "<img" not in page
    assert "Judgements by community" in page


def test_a_changed_mind_is_the_next_revision_beside_the_first(app, desk, run_folder, findings, card):
    finding = findings["competence"].id
    first = Judgement(judgement="agree", severity=1, comment="Ni kweli", comment_language="sw")
    judging.submit(desk.db, card, first, submission="1", by="amina")
    test = app("amina", page="queue", run=run_folder.name, finding=finding)
    choice = next(one for one in test.radio if one.label.startswith("Do you agree"))
    assert choice.value == "agree"
    choice.set_value("disagree")
    button(test, "Save my changed judgement").click().run()
    assert "Your judgement is saved." in test.success[0].value
    own = judging.own_reviews(desk.db, run_folder.name, finding, by="amina")
    assert [(one.revision, one.judgement.judgement, one.judgement.severity) for one in own] == [
        (1, "agree", 1),
        (2, "disagree", 1),
    ]


def test_leaving_a_judgement_as_it_was_writes_nothing(app, desk, run_folder, findings, card):
    judging.submit(desk.db, card, Judgement(judgement="agree"), submission="1", by="amina")
    test = app("amina", page="queue", run=run_folder.name, finding=findings["competence"].id)
    button(test, "Leave it as it was").click().run()
    assert len(rows(desk, Review)) == 1
    assert "Nothing waits for you now" in test.info[0].value


# --- ways out --------------------------------------------------------------------------------


def test_skipping_needs_a_reason_and_ends_the_card(app, desk, card):
    test = app("amina", page="queue")
    button(test, "Skip this card for good").click().run()
    assert "Choose a reason" in test.warning[0].value
    test.radio(key=f"card:{card}:skip_reason").set_value("distressing")
    button(test, "Skip this card for good").click().run()
    (row,) = rows(desk, Assignment)
    assert (row.state, row.skip_reason) == ("skipped", "distressing")
    assert "Nothing waits for you now" in test.info[0].value


def test_a_card_left_for_later_comes_after_the_others(app, ask, card, findings):
    ask("stereotype_effect", of="amina", place=2)
    test = app("amina", page="queue")
    assert findings["competence"].sentence in words_of(test)
    button(test, "Leave it for later").click().run()
    assert "Before you look" in [one.value for one in test.header]
    assert findings["competence"].sentence not in words_of(test)


def test_keys_are_there_only_for_those_who_asked(app, people, desk, nairobi, ask, card):
    assert not any(":key:" in str(one.key) for one in app("amina", page="queue").button)
    name = people("baraka", (Role.REVIEWER, nairobi), reads=["sw"], shortcuts=True)
    consent.give(desk.db, by=name)
    own = ask("competence", of=name)
    test = app(name, page="queue")
    assert {one.proto.shortcut for one in test.button if one.proto.shortcut} == {"1", "2", "3", "4", "s", "l"}
    test.button(key=f"card:{own}:key:disagree").click().run()
    assert field(test, own, "judgement").value == "disagree"
    assert rows(desk, Draft)[0].content["judgement"] == "disagree"


def test_every_value_of_the_library_has_words():
    assert tuple(queue.JUDGEMENTS) == judging.JUDGEMENTS
    assert set(queue.PREVALENCES) == set(judging.PREVALENCE) - {""}
    assert tuple(queue.WORDINGS) == judging.WORDINGS
    assert tuple(queue.SKIPS) == judging.SKIP_REASONS
