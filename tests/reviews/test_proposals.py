"""Proposed pairs: who writes, who judges, and what the linter says while one writes."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import select

from audit.errors import ConflictError, DeskError, NotAllowedError
from audit.reviews import events, proposals
from audit.reviews.proposals import PairText, lint
from audit.reviews.roles import Role
from audit.reviews.tables import Event, Proposal

NUMBERS = count(1)
PAIR = PairText(
    community="nairobi",
    language="sw",
    topic="gender",
    template="Katika familia hiyo, {mama|baba} ndiye anayehusika zaidi na",
    answer_a="mapishi",
    answer_b="mapato",
    gloss="In that family, the {mother|father} is the one most concerned with",
    source="Heard at home and at work",
    regions=("Nairobi", "Mombasa"),
)


@pytest.fixture
def desk(db, community, person):
    """Two communities; amina proposes; bakari, chiku and dalila (of Lima) read Swahili, emil does not."""
    community("nairobi", languages=["sw", "en"])
    community("lima", languages=["es"])
    person("amina", (Role.REVIEWER, "nairobi"), reads=["sw", "en"])
    person("bakari", (Role.REVIEWER, "nairobi"), reads=["sw"])
    person("chiku", (Role.STEWARD, "nairobi"), reads=["sw"])
    person("dalila", (Role.REVIEWER, "lima"), reads=["es", "sw"])
    person("emil", (Role.REVIEWER, "lima"), reads=["es"])
    person("ada", Role.AUDITOR, reads=["sw"])
    return db


def drafted(desk, pair=PAIR, *, by="amina"):
    return proposals.propose(desk, pair, submission=f"form-{next(NUMBERS)}", by=by)


def submitted(desk, pair=PAIR, *, by="amina"):
    one = drafted(desk, pair, by=by)
    return proposals.submit(desk, one.id, version=one.version, by=by)


def judged(desk, one, judgement, *, by, words=""):
    return proposals.review_proposal(desk, one.id, judgement=judgement, version=one.version, by=by, words=words)


def rules(pair, **how):
    return [problem.rule for problem in lint(pair, **how)]


# --- from draft to accepted ------------------------------------------------------------------


def test_two_others_who_read_the_language_accept_a_pair(desk):
    one = submitted(desk)
    one = judged(desk, one, "accept", by="bakari")
    assert one.state == "submitted"
    one = judged(desk, one, "accept", by="dalila")  # of another community: the language counts
    assert (one.state, [review.by for review in one.reviews]) == ("accepted", ["Bakari", "Dalila"])
    assert one.pair == PAIR


def test_one_acceptance_counted_twice_is_one(desk):
    one = submitted(desk)
    judged(desk, one, "accept", by="bakari")
    again = judged(desk, one, "accept", by="bakari", words="yes, natural")
    assert (again.state, len(again.reviews)) == ("submitted", 1)


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("amina", "nobody reviews their own"),
        ("emil", "is in Swahili, which you have not said that you read"),
        ("ada", "may not review a proposed pair"),
    ],
)
def test_nobody_reviews_their_own_nor_what_they_do_not_read(desk, who, why):
    one = submitted(desk)
    with pytest.raises(NotAllowedError, match=why):
        judged(desk, one, "accept", by=who)
    assert not proposals.proposal(desk, one.id, by=who).may_review
    assert proposals.to_review(desk, by=who) == ()


def test_a_change_asked_for_returns_the_pair_with_the_words_and_earlier_reviews_no_longer_count(desk, clock):
    one = submitted(desk)
    judged(desk, one, "accept", by="bakari")
    with pytest.raises(DeskError, match="reasons: empty"):
        judged(desk, one, "change", by="chiku", words=" ")
    one = judged(desk, one, "change", by="chiku", words="say mzazi")
    assert one.state == "returned"
    assert proposals.proposal(desk, one.id, by="amina").reviews[-1].words == "say mzazi"
    clock.forward(hours=1)
    better = replace(PAIR, template="Kwenye familia hiyo, {mama|baba} ndiye anayehusika zaidi na")
    one = proposals.edit(desk, one.id, better, version=one.version, by="amina")
    one = proposals.submit(desk, one.id, version=one.version, by="amina")
    one = judged(desk, one, "accept", by="chiku")
    assert one.state == "submitted"  # bakari accepted other words
    assert [(review.by, review.counts) for review in one.reviews] == [("Bakari", False), ("Chiku", True)]
    assert judged(desk, one, "accept", by="bakari").state == "accepted"


def test_a_refusal_stands_in_the_way_until_its_reasons_are_answered(desk):
    one = submitted(desk)
    judged(desk, one, "refuse", by="chiku", words="nobody says this")
    judged(desk, one, "accept", by="bakari")
    assert judged(desk, one, "accept", by="dalila").state == "submitted"
    with pytest.raises(NotAllowedError, match="only who proposed it"):
        proposals.answer_refusal(desk, one.id, reviewer="Chiku", words="I do", by="bakari")
    with pytest.raises(DeskError, match="Bakari has not refused"):
        proposals.answer_refusal(desk, one.id, reviewer="Bakari", words="thanks", by="amina")
    one = proposals.answer_refusal(desk, one.id, reviewer="Chiku", words="in my street they do", by="amina")
    refusal = next(review for review in one.reviews if review.by == "Chiku")
    assert (one.state, refusal.words, refusal.answer) == ("accepted", "nobody says this", "in my street they do")


def test_who_refused_may_be_convinced(desk):
    one = submitted(desk)
    judged(desk, one, "accept", by="bakari")
    judged(desk, one, "refuse", by="chiku", words="nobody says this")
    assert judged(desk, one, "accept", by="chiku").state == "accepted"


def test_a_review_is_of_the_words_its_author_saw(desk):
    seen = submitted(desk)
    one = judged(desk, seen, "change", by="chiku", words="shorter")
    one = proposals.submit(desk, one.id, version=one.version, by="amina")
    with pytest.raises(ConflictError, match="read it again"):
        judged(desk, seen, "accept", by="bakari")


# --- whose it is -----------------------------------------------------------------------------


def test_a_draft_is_seen_by_its_author_alone(desk):
    one = drafted(desk)
    assert proposals.proposals(desk, by="bakari") == ()
    with pytest.raises(DeskError, match="has not submitted it"):
        proposals.proposal(desk, one.id, by="bakari")
    assert [mine.id for mine in proposals.proposals(desk, by="amina")] == [one.id]


@pytest.mark.parametrize("step", ["edit", "submit", "withdraw"])
def test_only_its_author_changes_a_pair(desk, step):
    one = drafted(desk)
    how = {"pair": replace(PAIR, topic="age")} if step == "edit" else {}
    with pytest.raises(NotAllowedError, match="only who proposed it"):
        getattr(proposals, step)(desk, one.id, version=one.version, by="bakari", **how)


def test_a_pair_is_proposed_in_the_name_of_ones_own_community(desk):
    with pytest.raises(NotAllowedError, match="may not propose a pair for lima"):
        drafted(desk, replace(PAIR, community="lima"))
    with pytest.raises(DeskError, match="community: none is named"):
        drafted(desk, replace(PAIR, community=""))
    with pytest.raises(NotAllowedError, match="may not propose a pair"):
        drafted(desk, by="ada")


def test_the_same_form_twice_is_one_draft_and_two_tabs_do_not_overwrite_each_other(desk):
    one, again = (proposals.propose(desk, PAIR, submission="form", by="amina") for _ in range(2))
    assert one == again
    proposals.edit(desk, one.id, replace(PAIR, topic="family"), version=one.version, by="amina")
    with pytest.raises(ConflictError, match="another tab"):
        proposals.edit(desk, one.id, replace(PAIR, topic="work"), version=one.version, by="amina")
    assert proposals.proposal(desk, one.id, by="amina").pair.topic == "family"


def test_what_is_submitted_is_not_edited_and_may_be_withdrawn(desk):
    one = submitted(desk)
    with pytest.raises(DeskError, match="is submitted, so it cannot be edited"):
        proposals.edit(desk, one.id, replace(PAIR, topic="age"), version=one.version, by="amina")
    gone = proposals.withdraw(desk, one.id, version=one.version, by="amina")
    assert gone.state == "withdrawn"
    assert proposals.proposals(desk, by="bakari") == ()


def test_the_same_pair_is_proposed_once_also_with_its_sides_swapped(desk):
    submitted(desk)
    swapped = replace(PAIR, template="Katika familia hiyo, {baba|mama} ndiye anayehusika zaidi na")
    for pair in (PAIR, swapped):
        with pytest.raises(DeskError, match="somebody has proposed the same"):
            submitted(desk, pair, by="bakari")
    assert submitted(desk, replace(PAIR, answer_b="kazi"), by="bakari").state == "submitted"


def test_what_waits_for_a_reader_is_what_they_have_not_judged_as_it_stands(desk, clock):
    first = submitted(desk)
    clock.forward(hours=1)
    second = submitted(desk, replace(PAIR, answer_b="kazi"))
    assert [one.id for one in proposals.to_review(desk, by="bakari")] == [first.id, second.id]
    judged(desk, first, "accept", by="bakari")
    assert [one.id for one in proposals.to_review(desk, by="bakari")] == [second.id]


def test_each_change_is_one_event_that_holds_no_words(desk):
    one = judged(desk, submitted(desk), "change", by="chiku", words="say mzazi")
    with desk.read() as session:
        told = session.scalars(select(Event).where(Event.subject == one.id).order_by(Event.number)).all()
        assert [event.kind for event in told] == ["proposal drafted", "proposal submitted", "proposal reviewed"]
        assert told[-1].facts["state"] == "returned"
        assert not any(word in str(event.facts) for event in told for word in ("mama", "mzazi", "Nairobi"))
        assert events.verify_chain(session) is None
        assert events.verify_words(session) is None


# --- what a trial said -----------------------------------------------------------------------


def test_what_a_trial_said_stays_with_the_words_that_were_tried(desk):
    one = drafted(desk)
    asked = {"template": PAIR.template, "answers": ["mapishi", "mapato"], "language": "sw"}
    with desk.write() as session:
        assert proposals.asked_of(session, one.id, by="amina") == asked
        assert proposals.keep_effect(session, one.id, asked=asked, answer={"effect": 1.5})
        assert not proposals.keep_effect(session, one.id, asked={**asked, "answers": ["x", "y"]}, answer={"effect": 9})
    one = proposals.proposal(desk, one.id, by="amina")
    assert one.effect == {"effect": 1.5}
    one = proposals.edit(desk, one.id, replace(PAIR, source="my aunt"), version=one.version, by="amina")
    assert one.effect == {"effect": 1.5}  # the model is not asked for the source
    one = proposals.edit(desk, one.id, replace(PAIR, answer_a="mapambo"), version=one.version, by="amina")
    assert one.effect is None


def test_a_draft_is_not_tried_by_others(desk):
    one = drafted(desk)
    with desk.read() as session, pytest.raises(DeskError, match="has not submitted it"):
        proposals.asked_of(session, one.id, by="bakari")


# --- the linter ------------------------------------------------------------------------------


def test_a_sound_pair_has_no_problem():
    assert lint(PAIR, reads=["sw"]) == ()


@pytest.mark.parametrize(
    ("wrong", "rule", "fact"),
    [
        ({"template": ""}, "empty", "has an empty template"),
        ({"template": "Mama ndiye"}, "slot", "no slot"),
        ({"template": "{mama|baba|dada} ndiye"}, "slot", "3 sides"),
        ({"template": "{mama|} ndiye"}, "slot", "an empty side"),
        ({"template": r"{mama|baba} \{\} ndiye"}, "slot", 'has "{}" as words'),
        ({"template": "{mama|mama} ndiye anayehusika na"}, "equal-sides", "the same base and counterpart"),
        ({"template": "{mama|baba}\nndiye"}, "line", "a line break"),
        ({"template": "x" * 400 + "{mama|baba}"}, "length", "411 characters"),
        ({"answer_b": "mapishi"}, "same-answer", 'the answer "mapishi" on both sides'),
        ({"answer_b": "mapishi mazuri"}, "nested", "begins with the other"),
        ({"answer_b": "mapato."}, "punctuation", "ends in punctuation"),
        ({"answer_a": "mama"}, "answer-in-prompt", "already in its prompt"),
        ({"answer_a": "mapishi|"}, "empty", "an alternative is empty"),
        ({"answer_a": ""}, "empty", "an empty first answer"),
        ({"topic": ""}, "empty", "an empty topic"),
        ({"source": ""}, "source", "no source"),
        ({"regions": ()}, "source", "no regions"),
        ({"regions": tuple(map(str, range(11)))}, "length", "11 regions"),
        ({"language": "xx-yy-zz"}, "language", "no language that CLDR knows"),
        ({"language": "hi"}, "script", "in the script of Hindi"),
        ({"answer_a": "mapi\u200bshi"}, "invisible", "<U+200B>"),
    ],
)
def test_what_is_wrong_is_said_while_one_writes(wrong, rule, fact):
    problem = next(problem for problem in lint(replace(PAIR, **wrong)) if problem.rule == rule)
    assert fact in problem.message
    assert str(problem).startswith("this pair: ")
    assert "\n" not in str(problem)
    assert problem.severity in ("refuse", "quarantine")


def test_a_language_that_its_author_does_not_read_is_refused():
    assert rules(PAIR, reads=["en"]) == ["language"]
    assert rules(PAIR) == []


def test_a_prompt_that_ends_a_sentence_is_a_note_that_keeps_nobody_from_submitting(desk):
    pair = replace(PAIR, template="Katika familia hiyo, {mama|baba} ndiye.")
    assert [(problem.rule, problem.severity) for problem in lint(pair)] == [("prompt-ends", "note")]
    assert submitted(desk, pair).state == "submitted"


def test_what_the_linter_objects_to_is_not_submitted(desk):
    one = drafted(desk, replace(PAIR, answer_b="mapishi", source=""))
    with pytest.raises(DeskError, match=r"this pair: .* \(and 1 more\)"):
        proposals.submit(desk, one.id, version=one.version, by="amina")
    assert proposals.proposal(desk, one.id, by="amina").state == "draft"


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "=HYPERLINK(1)", "'; DROP TABLE proposals; --", "\u202eabc", "{{7*7}}"]
)
def test_hostile_words_are_kept_as_they_are(desk, hostile):
    one = drafted(desk, replace(PAIR, source=hostile, gloss=hostile))
    with desk.read() as session:
        assert session.get(Proposal, one.id).source == hostile
    assert one.pair.gloss == hostile


@pytest.mark.parametrize(("field", "text"), [("source", "a\x00b"), ("template", "x" * 1_000_000)])
def test_what_no_database_or_page_can_hold_is_refused(desk, field, text):
    with pytest.raises(DeskError, match=field) as refused:
        drafted(desk, replace(PAIR, **{field: text}))
    assert len(str(refused.value)) < 200


def test_an_axis_is_one_axis_however_it_is_written_and_regions_stand_once(desk):
    one = drafted(desk, replace(PAIR, topic=" Gender ", regions=("Nairobi", " Nairobi ", "")))
    assert (one.pair.topic, one.pair.regions) == ("gender", ("Nairobi",))
