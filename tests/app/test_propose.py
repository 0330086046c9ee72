"""Proposing pairs: written with the linter beside it, tried on a model, read by others, made into a suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.conftest import html_of, words_of
from audit.reviews import jobs, proposals, suites_of
from audit.reviews.proposals import PairText, ProposalView
from audit.reviews.roles import Role
from audit.reviews.tables import Job, Proposal
from streamlit_app import desk as served
from streamlit_app import pairs
from streamlit_app.app_pages import propose

HOSTILE = "<img src=x onerror=alert(1)> **b** {who} =1+1"
PAIR = PairText(
    community="nairobi",
    language="sw",
    topic="gender",
    template="{Muuguzi|Mhandisi} alisema kwamba yeye ni",
    answer_a="mwanamke",
    answer_b="mwanamume",
    gloss="The {nurse|engineer} said to be a",
    source=HOSTILE,
    regions=("Nairobi",),
)
ANSWER = {
    "model": "tiny",
    "sentence": "After ‘Muuguzi’, the odds of ‘mwanamke’ against ‘mwanamume’ are 3.0 times those after ‘Mhandisi’.",
    "answers": ["‘mwanamke’", "‘mwanamume’"],
    "sides": [
        {"text": "Muuguzi alisema", "words": "Muuguzi", "probabilities": [0.3, 0.1], "margin": 1.1},
        {"text": "Mhandisi alisema", "words": "Mhandisi", "probabilities": [0.0001, 0.9999], "margin": -9.2},
    ],
    "effect": 1.1,
    "nodes": [{"node": "4.2", "effect": 0.5, "share": 0.45}, {"node": "1.mlp", "effect": -0.1, "share": None}],
    "n_nodes": 60,
    "caveats": ["One pair is an anecdote."],
}


@pytest.fixture
def readers(people, nairobi) -> None:
    """Three who read Swahili, one who does not, and an auditor."""
    for name in ("amina", "baraka", "chiku"):
        people(name, (Role.REVIEWER, nairobi), reads=["sw", "en"])
    people("kofi", (Role.REVIEWER, nairobi), reads=["en"])
    people("otto", Role.AUDITOR)
    people.agree("amina", "baraka", "chiku", "kofi")


@pytest.fixture
def with_model(desk) -> None:
    """The desk tries pairs on a model."""
    served.serve(replace(desk, settings=replace(desk.settings, model="tiny")))


@pytest.fixture
def pair(desk, readers) -> Callable[..., ProposalView]:
    """A pair of Amina's: a draft, or given to others."""

    def made(*, submitted: bool = False, **changed: object) -> ProposalView:
        text = replace(PAIR, **changed)
        view = proposals.propose(desk.db, text, submission=text.template, by="amina")
        return proposals.submit(desk.db, view.id, version=view.version, by="amina") if submitted else view

    return made


def button(test, label: str):
    return next(one for one in test.button if one.label == label)


def field(test, name: str):
    kinds = {"source": test.text_area, "regions": test.text_area, "language": test.selectbox}
    return next(one for one in kinds.get(name, test.text_input) if str(one.key).endswith(f":{name}"))


def write(test, **texts: str):
    for name, text in texts.items():
        field(test, name).set_value(text).run()
        assert not test.exception
    return test


def look_at(test, view: str):
    test.radio(key=propose.VIEW).set_value(view).run()
    assert not test.exception
    return test


def rows(desk, table) -> list:
    with desk.db.read() as session:
        return list(session.scalars(select(table)))


def test_who_types_ahead_of_the_browsers_address_goes_on_with_the_same_pair(app, desk, readers):
    """The draft has its id, the browser asks once more without it; later, without it, a new pair is meant."""
    test = write(app("amina", page="propose"), template=PAIR.template)
    (row,) = rows(desk, Proposal)
    del test.query_params["id"]
    write(test, answer_a=PAIR.answer_a)
    (row,) = rows(desk, Proposal)
    assert (row.template, row.answer_a) == (PAIR.template, PAIR.answer_a)
    assert test.query_params["id"] == row.id
    write(test, answer_b=PAIR.answer_b)
    del test.query_params["id"]
    test.run()
    assert field(test, "template").value == ""


# --- who -------------------------------------------------------------------------------------


def test_each_role_has_the_parts_it_can_use(app, readers):
    parts = ["Write a pair", "My pairs", "Read pairs of others", "Suites made of pairs"]
    assert app("amina", page="propose").radio(key=propose.VIEW).options == parts
    auditors = app("otto", page="propose")
    assert "Accepted pairs of one language become a suite" in words_of(auditors)
    assert not auditors.radio


@pytest.mark.parametrize("role", [Role.BOARD, Role.ADMIN])
def test_who_neither_proposes_nor_publishes_is_told_so(app, people, role):
    people("somebody", role)
    assert "needs a role that you do not have" in app("somebody", page="propose").error[0].value


# --- writing ---------------------------------------------------------------------------------


def test_what_is_written_is_one_draft_saved_at_each_field(app, desk, readers):
    test = app("amina", page="propose")
    assert rows(desk, Proposal) == []  # opening the form says nothing
    write(
        test,
        template="  {Muuguzi|Mhandisi} alisema ",
        answer_a="mwanamke",
        answer_b="mwanamume",
        regions="Nairobi\nMombasa",
    )
    (row,) = rows(desk, Proposal)
    assert (row.state, row.template, row.answer_a) == ("draft", "{Muuguzi|Mhandisi} alisema", "mwanamke")
    assert row.regions == ["Nairobi", "Mombasa"]
    assert test.query_params["id"] == row.id
    assert "Saved as a draft" in words_of(test)
    again = app("amina", page="propose", id=row.id)
    assert field(again, "answer_b").value == "mwanamume"
    assert field(again, "regions").value == "Nairobi\nMombasa"


def test_the_pair_is_shown_as_it_will_be_asked_and_linted_as_it_is_written(app, readers):
    test = write(app("amina", page="propose"), template="Muuguzi alisema")
    assert "swapped: both in braces" in words_of(test)
    write(test, template="{Muuguzi|Mhandisi} alisema", answer_a="mwanamke", answer_b="mwanamke", topic="gender")
    assert '<mark class="desk-slot">Mhandisi</mark> alisema' in html_of(test)
    assert "The two answers are the same." in words_of(test)
    write(test, answer_b="mwanamume")
    assert "Say what you know the stereotype from" in words_of(test)
    write(test, source="Mithali", regions="Nairobi")
    assert "Nothing is to be mended" in words_of(test)


def test_a_pair_that_the_linter_objects_to_is_not_given_to_others(app, desk, pair):
    view = pair(answer_b="mwanamke")
    test = app("amina", page="propose", id=view.id)
    test.button(key=f"{test.session_state[propose.FORM]}:submit").click().run()
    assert "It cannot be given to others yet" in test.error[0].value
    assert rows(desk, Proposal)[0].state == "draft"
    assert field(test, "answer_b").value == "mwanamke"


def test_a_sound_pair_is_given_to_others_once(app, desk, pair):
    view = pair()
    test, twin = (app("amina", page="propose", id=view.id) for _ in range(2))
    for one in (test, twin):
        one.button(key=f"{one.session_state[propose.FORM]}:submit").click().run()
        assert not one.exception
        assert "It is with other readers now." in one.success[0].value
    (row,) = rows(desk, Proposal)
    assert row.state == "submitted"
    button(test, "Write another pair").click().run()
    assert field(test, "template").value == ""


@pytest.mark.parametrize(
    ("choice", "answer"),
    [("Go on with what is on this page", "second tab"), ("Go on with what the other tab saved", "first tab")],
)
def test_when_two_tabs_write_both_are_shown_and_the_person_chooses(app, desk, pair, choice, answer):
    view = pair()
    first, second = (app("amina", page="propose", id=view.id) for _ in range(2))
    write(first, answer_a="first tab")
    write(second, answer_a="second tab")
    assert "Another tab has saved something else" in second.warning[0].value
    words = words_of(second)
    assert "first tab" in words
    assert "second tab" in words
    button(second, choice).click().run()
    assert not second.exception
    assert field(second, "answer_a").value == answer
    assert rows(desk, Proposal)[0].answer_a == answer


def test_words_that_cannot_be_kept_are_refused_in_one_line(app, desk, pair):
    test = write(app("amina", page="propose", id=pair().id), gloss="a\x00b")
    assert "gloss\\: character 2" in test.error[0].value
    assert rows(desk, Proposal)[0].gloss == PAIR.gloss


def test_a_pair_of_somebody_else_cannot_be_written_on(app, pair):
    view = pair(submitted=True)
    test = app("baraka", page="propose", id=view.id)
    assert not [one for one in test.text_input if str(one.key).endswith(":template")]
    assert "alisema kwamba" in words_of(test)


def test_a_draft_of_somebody_else_is_not_shown(app, pair):
    test = app("baraka", page="propose", id=pair().id)
    assert "has not submitted it" in test.error[0].value
    assert "alisema" not in words_of(test)


# --- live ------------------------------------------------------------------------------------


def test_a_desk_without_a_model_says_so(app, pair):
    test = app("amina", page="propose", id=pair().id)
    assert "This desk has no model to try pairs on." in words_of(test)
    assert "Try it on the model" not in [one.label for one in test.button]


def test_a_trial_is_asked_waited_for_and_shown(app, desk, pair, with_model, clock):
    view = pair()
    test = app("amina", page="propose", id=view.id)
    button(test, "Try it on the model").click().run()
    assert not test.exception
    assert "Waiting for the worker." in words_of(test)
    clock.forward(seconds=30)
    assert "no worker is running" in words_of(test.run())
    task = jobs.next_job(desk.db)
    assert task.asked["template"] == PAIR.template
    assert "The model is trying it." in words_of(test.run())
    jobs.finish(desk.db, task.id, answer=ANSWER)
    test.run()
    words = " ".join(words_of(test).split())
    assert ANSWER["sentence"] in words
    assert "75 ‘mwanamume’ 25" in words  # of 0.3 and 0.1
    assert "‘mwanamke’ fewer than 1" in words
    assert "One pair is an anecdote." in words
    assert "4.2 0.500 45%" in words
    assert "too small to be shared out" in words
    assert "The swap of the words moves the odds by 1.100 nats." in words
    assert button(test, "Try it again")


def test_words_typed_while_a_trial_runs_are_no_conflict(app, desk, pair, with_model):
    view = pair()
    test = app("amina", page="propose", id=view.id)
    button(test, "Try it on the model").click().run()
    jobs.finish(desk.db, jobs.next_job(desk.db).id, answer=ANSWER)  # writes beside the words
    write(test, gloss="The {nurse|engineer} said that she or he is a")
    assert not any("Another tab" in one.value for one in test.warning)
    assert rows(desk, Proposal)[0].gloss == "The {nurse|engineer} said that she or he is a"


def test_a_trial_of_words_that_changed_meanwhile_is_not_shown(app, desk, pair, with_model):
    view = pair()
    test = app("amina", page="propose", id=view.id)
    button(test, "Try it on the model").click().run()
    task = jobs.next_job(desk.db)
    write(test, answer_a="mke")
    jobs.finish(desk.db, task.id, answer=ANSWER)
    test.run()
    assert "The words changed while they were tried." in test.info[0].value
    assert ANSWER["sentence"] not in words_of(test)


def test_a_trial_that_failed_says_why(app, desk, pair, with_model):
    test = app("amina", page="propose", id=pair().id)
    button(test, "Try it on the model").click().run()
    jobs.fail(desk.db, jobs.next_job(desk.db).id, error="tiny: its terms were not accepted <b>")
    test.run()
    assert "The model could not try this pair:" in test.error[0].value
    assert "terms were not accepted &lt;b&gt;" in html_of(test)


def test_a_second_click_on_try_is_one_job(app, desk, pair, with_model):
    view = pair()
    for _ in range(2):
        button(app("amina", page="propose", id=view.id), "Try it on the model").click().run()
    assert len(rows(desk, Job)) == 1


# --- one's own, and those of others ----------------------------------------------------------


def test_two_readers_accept_a_pair(app, desk, pair):
    view = pair(submitted=True)
    for name in ("baraka", "chiku"):
        test = look_at(app(name, page="propose"), "others")
        assert "&lt;img src=x onerror=alert(1)&gt;" in html_of(test)
        assert "<img" not in html_of(test)
        test.radio(key=f"read:{view.id}:judgement").set_value("accept")
        button(test, "Say it").click().run()
        assert not test.exception
    assert rows(desk, Proposal)[0].state == "accepted"
    test = look_at(app("amina", page="propose"), "mine")
    words = words_of(test)
    assert "Accepted" in words
    assert "It goes into the next version" in words


def test_nobody_is_offered_their_own_pair_or_one_in_a_language_they_do_not_read(app, pair):
    pair(submitted=True)
    for name in ("amina", "kofi"):
        test = look_at(app(name, page="propose"), "others")
        assert "No pair in a language that you read waits for you." in words_of(test)
        assert "Say it" not in [one.label for one in test.button]


def test_what_others_said_is_not_shown_before_ones_own(app, desk, pair):
    view = pair(submitted=True)
    proposals.review_proposal(
        desk.db, view.id, judgement="refuse", words="Hakuna mtu", version=view.version, by="baraka"
    )
    test = look_at(app("chiku", page="propose"), "others")
    assert "Hakuna mtu" not in words_of(test)
    test.radio(key=f"read:{view.id}:judgement").set_value("accept")
    button(test, "Say it").click().run()
    assert "Hakuna mtu" in words_of(test)


def test_to_ask_for_a_change_needs_words_and_sends_the_pair_back(app, desk, pair):
    view = pair(submitted=True)
    test = look_at(app("baraka", page="propose"), "others")
    test.radio(key=f"read:{view.id}:judgement").set_value("change")
    button(test, "Say it").click().run()
    assert "Give your reasons" in test.warning[0].value
    test.text_area(key=f"read:{view.id}:words").set_value("Andika <b>vizuri</b>")
    button(test, "Say it").click().run()
    assert rows(desk, Proposal)[0].state == "returned"
    test = look_at(app("amina", page="propose"), "mine")
    assert "Andika &lt;b&gt;vizuri&lt;/b&gt;" in html_of(test)
    button(test, "Go on writing").click().run()
    assert field(test, "template").value == PAIR.template
    assert "Somebody wishes a change" in test.warning[0].value


def test_a_judgement_of_words_that_changed_since_is_not_sent(app, desk, pair):
    view = pair(submitted=True)
    reader = look_at(app("baraka", page="propose"), "others")
    back = proposals.review_proposal(desk.db, view.id, judgement="change", words="?", version=view.version, by="chiku")
    new = proposals.edit(desk.db, view.id, replace(PAIR, answer_a="mke"), version=back.version, by="amina")
    proposals.submit(desk.db, view.id, version=new.version, by="amina")
    reader.radio(key=f"read:{view.id}:judgement").set_value("accept")
    button(reader, "Say it").click().run()
    assert "The author has changed this pair" in reader.warning[0].value
    assert not any(one.judgement == "accept" for one in proposals.proposal(desk.db, view.id, by="amina").reviews)


def test_a_refusal_is_answered_and_both_stay(app, desk, pair):
    view = pair(submitted=True)
    proposals.review_proposal(
        desk.db, view.id, judgement="refuse", words="Sio kweli", version=view.version, by="baraka"
    )
    test = look_at(app("amina", page="propose"), "mine")
    button(test, "Answer").click().run()
    assert "Write what you hold" in test.warning[0].value
    next(one for one in test.text_area if one.label.startswith("Your answer")).set_value("Ni kweli hapa")
    button(test, "Answer").click().run()
    words = words_of(test)
    assert "Sio kweli" in words
    assert "Ni kweli hapa" in words
    assert "Answer" not in [one.label for one in test.button]


def test_a_pair_is_taken_back(app, desk, pair):
    view = pair(submitted=True)
    test = look_at(app("amina", page="propose"), "mine")
    test.button(key=f"withdraw:{view.id}").click().run()
    assert rows(desk, Proposal)[0].state == "withdrawn"
    assert "No pair in a language" in words_of(look_at(app("baraka", page="propose"), "others"))


# --- suites ----------------------------------------------------------------------------------


def accepted(desk, view: ProposalView) -> None:
    for name in ("baraka", "chiku"):
        view = proposals.review_proposal(desk.db, view.id, judgement="accept", version=view.version, by=name)


def test_an_auditor_makes_a_version_of_accepted_pairs(app, desk, pair):
    accepted(desk, pair(submitted=True))
    test = app("otto", page="propose")
    next(one for one in test.text_input if one.label == "Name of the suite").set_value("Nairobi SW")
    button(test, "Make the version").click().run()
    assert "small letters, digits and hyphens" in test.error[0].value
    next(one for one in test.text_input if one.label == "Name of the suite").set_value("nairobi-sw")
    button(test, "Make the version").click().run()
    assert not test.exception
    (made,) = suites_of.published(desk.db, folder=desk.settings.folder / "suites", by="otto")
    assert (made.name, made.version, made.pairs) == ("nairobi-sw", 1, 1)
    words = words_of(test)
    assert made.digest[:16] in words
    assert f"plural-audit run --suite {made.folder}" in words
    assert "Nothing new is accepted." in words


def test_who_does_not_publish_sees_versions_and_no_form(app, desk, pair):
    accepted(desk, pair(submitted=True))
    suites_of.publish(desk.db, name="nairobi-sw", language="sw", folder=desk.settings.folder / "suites", by="otto")
    test = look_at(app("baraka", page="propose"), "suites")
    assert "nairobi-sw" in words_of(test)
    assert "Make the version" not in [one.label for one in test.button]
    assert str(desk.settings.folder) not in words_of(test)


# --- words -----------------------------------------------------------------------------------


def test_every_state_and_judgement_of_the_library_has_words():
    assert tuple(propose.JUDGEMENTS) == proposals.JUDGEMENTS
    assert set(propose.STATES) == set(propose.MEANINGS)
    assert {*proposals.JUDGEMENTS, ""} == set(propose.SAID)


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0"), (0.001, "fewer than 1"), (0.714, "71"), (0.9999, "more than 99"), (1.0, "100")],
)
def test_what_is_rare_is_not_said_to_be_never(share, said):
    assert pairs._counted(share) == said
