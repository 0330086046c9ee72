"""One card at a time: blind first, once however often it is sent, nothing that was typed is lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from threading import Thread

import pytest
from sqlalchemy import func, select

from audit.errors import ConflictError, DeskError, NotAllowedError
from audit.reviews import assigning, events, judging, logbook
from audit.reviews.judging import DraftConflictError, Judgement
from audit.reviews.roles import Role
from audit.reviews.tables import Assignment, Draft, Event, Grant, ItemReview, Person, Review

FORMS = count(1)
AGREE = Judgement(
    judgement="agree", severity=3, prevalence="common", comment="Ndiyo, mara nyingi.", comment_language="sw"
)


@pytest.fixture
def desk(db, community, person):
    """Nairobi with four reviewers and a steward, Lima with one reviewer, and everybody who judges nothing."""
    community("nairobi", languages=["sw", "en"])
    community("lima", languages=["sw"])
    for name in ("amina", "baraka", "chebet", "dalila"):
        person(name, (Role.REVIEWER, "nairobi"), reads=["sw", "en"], region="Nairobi")
    person("stella", (Role.STEWARD, "nairobi"), reads=["sw"], region="Nairobi")
    person("diego", (Role.REVIEWER, "lima"), reads=["sw"], region="Lima")
    person("ada", Role.AUDITOR)
    person("board", Role.BOARD)
    person("admin", Role.ADMIN)
    return db


@pytest.fixture
def card(desk, run):
    """Give a card: `card("amina", "sw-1")` is the id of the assignment."""

    def give(name, finding="sw-1", community="nairobi"):
        with desk.write() as session:
            place = (session.scalar(select(func.max(Assignment.place))) or 0) + 1
            row = Assignment(
                run_id=run,
                finding_id=finding,
                person_id=name,
                community=community,
                state="open",
                place=place,
                made_at=desk.now(),
            )
            session.add(row)
            session.flush()
            return row.id

    return give


@pytest.fixture
def judged(desk, card):
    """Have people judge: `judged("sw-1", "amina", "baraka")`."""

    def judge(finding, *people, community="nairobi", said=AGREE):
        return [
            judging.submit(desk, card(name, finding, community), said, submission=f"form-{next(FORMS)}", by=name)
            for name in people
        ]

    return judge


def number_of(db, what, **wanted):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(what).filter_by(**wanted))


def kinds(db):
    with db.read() as session:
        return [event.kind for event in session.scalars(select(Event).order_by(Event.number))]


# --- submitting --------------------------------------------------------------------------------


def test_a_judgement_is_kept_as_it_was_said_with_the_region_of_that_day_and_sealed_in_the_log(desk, run, card):
    said = replace(AGREE, items={("stereotype/gender-1", "sw"): "awkward"})
    review = judging.submit(desk, card("amina"), said, submission="form", by="amina")
    with desk.write() as session:
        session.get(Person, "amina").region = "Kisumu"
    own = judging.own_reviews(desk, run, "sw-1", by="amina")
    assert [(one.id, one.revision, one.judgement, one.region) for one in own] == [(review, 1, said, "Nairobi")]
    with desk.read() as session:
        assert events.verify_chain(session) is None
        assert events.verify_words(session) is None
        facts = session.scalars(select(Event).filter_by(kind="review submitted")).one().facts
    assert "Ndiyo" not in str(facts)
    assert "agree" not in str(facts)


def test_a_double_click_is_one_review(desk, card):
    given = card("amina")
    first = judging.submit(desk, given, AGREE, submission="form", by="amina")
    assert judging.submit(desk, given, AGREE, submission="form", by="amina") == first
    assert number_of(desk, Review) == 1
    assert kinds(desk).count("review submitted") == 1


def test_a_double_click_at_the_same_moment_is_one_review(desk, card):
    given, made = card("amina"), []

    def click():
        made.append(judging.submit(desk, given, AGREE, submission="form", by="amina"))

    threads = [Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len(set(made)) == 1
    assert number_of(desk, Review) == 1


def test_a_second_form_for_a_judged_card_is_refused_and_nothing_changes(desk, card):
    given = card("amina")
    judging.submit(desk, given, AGREE, submission="form", by="amina")
    with pytest.raises(ConflictError, match="sw-1: you have judged it already; revise it"):
        judging.submit(desk, given, Judgement(judgement="disagree"), submission="other form", by="amina")
    assert number_of(desk, Review, judgement="agree") == 1


def test_a_form_counts_for_one_finding_and_one_person(desk, card):
    judging.submit(desk, card("amina"), AGREE, submission="form", by="amina")
    for name, finding in (("amina", "sw-2"), ("baraka", "sw-1")):
        with pytest.raises(ConflictError, match="for another finding"):
            judging.submit(desk, card(name, finding), AGREE, submission="form", by=name)
    assert number_of(desk, Review) == 1


def test_what_fails_halfway_leaves_nothing(desk, card, monkeypatch):
    """As if the process were killed after the rows and before the event."""
    given = card("amina")
    judging.save_draft(desk, given, {"comment": "half"}, version=0, by="amina")

    def dies(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(events, "append", dies)
    with pytest.raises(KeyboardInterrupt):
        judging.submit(desk, given, AGREE, submission="form", by="amina")
    monkeypatch.undo()
    assert (number_of(desk, Review), number_of(desk, ItemReview), number_of(desk, Draft)) == (0, 0, 1)
    assert number_of(desk, Assignment, state="open") == 1
    assert judging.submit(desk, given, AGREE, submission="form", by="amina")


def test_nobody_judges_somebody_elses_card(desk, card):
    given = card("amina")
    for act in (
        lambda: judging.submit(desk, given, AGREE, submission="form", by="baraka"),
        lambda: judging.save_draft(desk, given, {}, version=0, by="baraka"),
        lambda: judging.skip(desk, given, reason="other", by="baraka"),
        lambda: judging.card(desk, given, by="baraka"),
    ):
        with pytest.raises(NotAllowedError, match="was given to somebody else"):
            act()
    with pytest.raises(NotAllowedError, match="may not review findings"):
        judging.submit(desk, given, AGREE, submission="form", by="ada")
    with pytest.raises(DeskError, match="card 'nope': not at this desk"):
        judging.card(desk, "nope", by="amina")


def test_who_is_no_longer_in_the_community_judges_nothing_in_its_name(desk, card):
    given = card("amina")
    with desk.write() as session:
        session.delete(session.get(Grant, ("amina", "reviewer", "nairobi")))
        session.add(Grant(person_id="amina", role="reviewer", community="lima", granted_at=desk.now()))
    with pytest.raises(NotAllowedError, match="for nairobi"):
        judging.submit(desk, given, AGREE, submission="form", by="amina")


def test_without_consent_nothing_is_taken(desk, card):
    given = card("amina")
    with desk.write() as session:
        session.get(Person, "amina").consent_at = None
    for act in (
        lambda: judging.submit(desk, given, AGREE, submission="form", by="amina"),
        lambda: judging.save_draft(desk, given, {"comment": "x"}, version=0, by="amina"),
    ):
        with pytest.raises(DeskError, match="consent: not given yet"):
            act()
    assert judging.queue(desk, by="amina").agreed is False
    assert (number_of(desk, Review), number_of(desk, Draft)) == (0, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"judgement": "maybe"}, "judgement 'maybe': choose one of: agree, partly, disagree, cannot say"),
        ({"judgement": ""}, "judgement '': choose one of"),
        ({"severity": 5}, "severity 5: give 0"),
        ({"severity": -1}, "severity -1: give 0"),
        ({"severity": True}, "severity True: give 0"),
        ({"prevalence": "often"}, "prevalence 'often': choose one of: common, some, rare, absent, cannot say"),
        ({"comment_language": "<script>"}, "language '<script>': not a code"),
        ({"comment": "a\x00b"}, "comment: character 2 is U\\+0000"),
        ({"comment": "x" * 1_000_000}, "comment: 1000000 characters, 4000 fit"),
        ({"items": {("stereotype/gender-1", "sw"): "bad"}}, "wording 'bad': choose one of"),
        ({"items": {("stereotype/none-1", "sw"): "wrong"}}, "item 'stereotype/none-1' in 'sw': not behind this"),
        ({"items": {("stereotype/gender-1", "xx"): "wrong"}}, "in 'xx': not behind this finding"),
    ],
)
def test_what_the_form_does_not_offer_is_refused_in_one_line(desk, card, change, reason):
    with pytest.raises(DeskError, match=reason) as refused:
        judging.submit(desk, card("amina"), replace(AGREE, **change), submission="form", by="amina")
    assert "\n" not in str(refused.value)
    assert number_of(desk, Review) == 0


@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script><b>",
        "\u202eevil\u202c \u2067abc",
        '=HYPERLINK("http://x")',
        "'); DROP TABLE reviews; --",
        "{{7*7}} ${x} %s \\x00",
        "سلام — नमस्ते — 你好 👩🏾‍🌾",
    ],
)
def test_hostile_words_are_data(desk, run, card, words):
    judging.submit(desk, card("amina"), replace(AGREE, comment=words), submission="form", by="amina")
    assert judging.own_reviews(desk, run, "sw-1", by="amina")[0].judgement.comment == words
    with desk.read() as session:
        assert events.verify_words(session) is None


# --- drafts ------------------------------------------------------------------------------------


def test_a_draft_comes_back_and_ends_with_the_submission(desk, card):
    given = card("amina")
    assert judging.card(desk, given, by="amina").version == 0
    version = judging.save_draft(desk, given, {"comment": "half a thou", "severity": 2}, version=0, by="amina")
    shown = judging.card(desk, given, by="amina")
    assert (shown.draft, shown.version) == ({"comment": "half a thou", "severity": 2}, version)
    judging.submit(desk, given, AGREE, submission="form", by="amina")
    assert number_of(desk, Draft) == 0
    with pytest.raises(ConflictError, match="judged it already"):
        judging.save_draft(desk, given, {"comment": "late"}, version=version, by="amina")


def test_of_two_tabs_the_second_learns_what_the_first_saved_and_neither_is_lost(desk, card):
    given = card("amina")
    version = judging.save_draft(desk, given, {"comment": "common start"}, version=0, by="amina")
    saved = judging.save_draft(desk, given, {"comment": "first tab"}, version=version, by="amina")
    with pytest.raises(DraftConflictError, match="another tab has saved it since") as refused:
        judging.save_draft(desk, given, {"comment": "second tab"}, version=version, by="amina")
    assert (refused.value.draft, refused.value.version) == ({"comment": "first tab"}, saved)
    again = judging.save_draft(desk, given, {"comment": "both"}, version=refused.value.version, by="amina")
    assert judging.card(desk, given, by="amina").version == again


def test_two_tabs_that_both_begin_do_not_overwrite_each_other(desk, card):
    given = card("amina")
    judging.save_draft(desk, given, {"comment": "first tab"}, version=0, by="amina")
    with pytest.raises(DraftConflictError):
        judging.save_draft(desk, given, {"comment": "second tab"}, version=0, by="amina")


def test_a_draft_sent_again_after_a_dropped_connection_is_no_conflict(desk, card):
    given = card("amina")
    version = judging.save_draft(desk, given, {"comment": "x"}, version=0, by="amina")
    assert judging.save_draft(desk, given, {"comment": "x"}, version=0, by="amina") == version


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"comment": "a\x00"}, "draft: character 2 is U\\+0000"),
        ({"comment": "x" * 5000}, "draft: 5000 characters, 4000 fit"),
        ({str(number): "x" * 100 for number in range(1000)}, "bytes, at most 60000 are kept"),
        ({"severity": float("nan")}, "holds what is not text, number or list"),
        ({"when": object()}, "holds what is not text, number or list"),
    ],
)
def test_a_draft_that_cannot_be_kept_is_refused_in_one_line(desk, card, content, reason):
    with pytest.raises(DeskError, match=reason):
        judging.save_draft(desk, card("amina"), content, version=0, by="amina")
    assert number_of(desk, Draft) == 0


# --- the queue ---------------------------------------------------------------------------------


def test_the_queue_is_in_order_and_counts_what_is_left(desk, card):
    given = [card("amina", f"sw-{number}") for number in (3, 1, 2)]
    card("baraka", "sw-4")
    judging.save_draft(desk, given[1], {"comment": "x"}, version=0, by="amina")
    queue = judging.queue(desk, by="amina")
    assert [(entry.finding, entry.begun) for entry in queue.entries] == [
        ("sw-3", False),
        ("sw-1", True),
        ("sw-2", False),
    ]
    assert (queue.left, queue.done_today, queue.limit_reached) == (3, 0, False)
    judging.submit(desk, given[0], AGREE, submission="form", by="amina")
    queue = judging.queue(desk, by="amina")
    assert [entry.finding for entry in queue.entries] == ["sw-1", "sw-2"]
    assert (queue.left, queue.done_today) == (2, 1)


def test_a_card_shows_nothing_that_others_did(desk, run, card, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    view = judging.card(desk, card("dalila"), by="dalila").view
    assert (view.reviews, view.contest) == (None, "")
    assert view.finding.id == "sw-1"
    assert len(view.items) == 4


def test_the_days_limit_stops_the_queue_until_midnight_utc_and_lets_what_was_begun_be_finished(desk, card, clock):
    with desk.write() as session:
        session.get(Person, "amina").daily_limit = 2
    given = [card("amina", f"sw-{number}") for number in range(1, 5)]
    judging.save_draft(desk, given[2], {"comment": "begun"}, version=0, by="amina")
    for number in (0, 1):
        judging.submit(desk, given[number], AGREE, submission=f"form {number}", by="amina")
    queue = judging.queue(desk, by="amina")
    assert (queue.limit, queue.limit_reached, queue.left) == (2, True, 2)
    assert [entry.finding for entry in queue.entries] == ["sw-3"]
    with pytest.raises(DeskError, match="2 cards today, which is your limit; the next ones are there tomorrow"):
        judging.card(desk, given[3], by="amina")
    assert judging.card(desk, given[2], by="amina").draft == {"comment": "begun"}
    judging.submit(desk, given[2], AGREE, submission="form 2", by="amina")
    clock.forward(hours=14, minutes=59)  # 23:59 UTC
    assert judging.queue(desk, by="amina").limit_reached is True
    clock.forward(minutes=1)
    assert judging.queue(desk, by="amina").limit_reached is False
    assert judging.card(desk, given[3], by="amina").view.finding.id == "sw-4"


def test_nobodys_limit_is_above_a_hundred(desk):
    with desk.write() as session:
        session.get(Person, "amina").daily_limit = 5000
    assert judging.queue(desk, by="amina").limit == 100


@pytest.mark.parametrize(("reason", "counted"), [("distressing", 1), ("not for me", 0), ("language", 0), ("other", 0)])
def test_skipping_costs_nothing_and_counts_as_a_card_only_where_it_distressed(desk, card, reason, counted):
    given = card("amina")
    judging.save_draft(desk, given, {"comment": "x"}, version=0, by="amina")
    judging.skip(desk, given, reason=reason, by="amina")
    judging.skip(desk, given, reason=reason, by="amina")  # a double click
    queue = judging.queue(desk, by="amina")
    assert (queue.left, queue.done_today) == (0, counted)
    assert number_of(desk, Draft) == 0
    assert kinds(desk).count("review skipped") == 1
    with pytest.raises(DeskError, match="was skipped, it is no longer in your queue"):
        judging.submit(desk, given, AGREE, submission="form", by="amina")


def test_a_reason_for_skipping_is_one_of_four(desk, card):
    with pytest.raises(DeskError, match="choose one of: distressing, language, not for me, other"):
        judging.skip(desk, card("amina"), reason="bored", by="amina")


# --- blind -------------------------------------------------------------------------------------


def test_others_judgements_are_shown_after_ones_own(desk, run, card, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    given = card("dalila")
    for name in ("dalila", "stella", "diego"):
        with pytest.raises(NotAllowedError, match="sw-1: others' judgements are shown after your own"):
            judging.reviews_of(desk, run, "sw-1", by=name)
    judging.submit(desk, given, Judgement(judgement="disagree"), submission="mine", by="dalila")
    shown = judging.reviews_of(desk, run, "sw-1", by="dalila")
    assert sorted(view.voice.judgement for view in shown) == ["agree", "agree", "agree", "disagree"]
    assert [view.voice.judgement for view in shown if view.own] == ["disagree"]


@pytest.mark.parametrize("name", ["ada", "board", "admin"])
def test_who_judges_nothing_reads_and_the_log_knows(desk, run, judged, name):
    judged("sw-1", "amina", "baraka", "chebet")
    assert len(judging.reviews_of(desk, run, "sw-1", by=name)) == 3
    judging.reviews_of(desk, run, "sw-1", by=name)
    assert kinds(desk).count("judgements read") == 1


def test_another_role_does_not_lift_the_blind_of_a_reviewer(desk, run, judged, person):
    person("both", Role.AUDITOR, Role.ADMIN, (Role.REVIEWER, "lima"), reads=["sw"])
    judged("sw-1", "amina", "baraka", "chebet")
    with pytest.raises(NotAllowedError, match="after your own"):
        judging.reviews_of(desk, run, "sw-1", by="both")


def test_who_skipped_reads_and_can_never_judge_it(desk, run, card, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    given = card("dalila")
    judging.skip(desk, given, reason="not for me", by="dalila")
    assert len(judging.reviews_of(desk, run, "sw-1", by="dalila")) == 3
    with pytest.raises(DeskError, match="no longer in your queue"):
        judging.submit(desk, given, AGREE, submission="form", by="dalila")
    done = assigning.assign(desk, run, community="nairobi", findings=["sw-1"], overlap=5, seed=1, by="stella")
    assert number_of(desk, Assignment, person_id="dalila") == 1
    assert done.short[0].asked == 4  # the three, and stella


def test_who_read_as_an_auditor_cannot_judge_as_a_reviewer_later(desk, run, card, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    judging.reviews_of(desk, run, "sw-1", by="ada")
    with desk.write() as session:
        session.add(Grant(person_id="ada", role="reviewer", community="nairobi", granted_at=desk.now()))
    given = card("ada")
    with pytest.raises(NotAllowedError, match="cannot be judged blind; skip it"):
        judging.card(desk, given, by="ada")
    with pytest.raises(NotAllowedError, match="cannot be judged blind; skip it"):
        judging.submit(desk, given, AGREE, submission="form", by="ada")
    assert judging.submit(desk, card("ada", "sw-2"), AGREE, submission="other", by="ada")


def test_fewer_than_three_judgements_are_not_shown_and_reading_nothing_is_no_reading(desk, run, judged):
    judged("sw-1", "amina", "baraka")
    assert judging.reviews_of(desk, run, "sw-1", by="ada") == ()
    assert judging.reviews_of(desk, run, "sw-1", by="amina") == ()
    assert judging.own_reviews(desk, run, "sw-1", by="amina")[0].judgement == AGREE
    assert "judgements read" not in kinds(desk)


def test_a_small_community_is_shown_with_others_without_region(desk, run, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    judged("sw-1", "diego", community="lima", said=replace(AGREE, judgement="disagree"))
    shown = judging.reviews_of(desk, run, "sw-1", by="ada")
    assert {(view.community, view.voice.region) for view in shown} == {("other communities", "")}
    assert len(shown) == 4
    judged("sw-2", "amina", "baraka", "chebet")
    assert {(view.community, view.voice.region) for view in judging.reviews_of(desk, run, "sw-2", by="ada")} == {
        ("Nairobi", "Nairobi")
    }


# --- changing one's mind -----------------------------------------------------------------------


def test_a_changed_mind_is_the_next_revision_and_the_blind_one_stays(desk, run, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    second = judging.revise(desk, run, "sw-1", Judgement(judgement="disagree"), submission="again", by="amina")
    assert judging.revise(desk, run, "sw-1", Judgement(judgement="partly"), submission="again", by="amina") == second
    own = judging.own_reviews(desk, run, "sw-1", by="amina")
    assert [(one.revision, one.judgement.judgement) for one in own] == [(1, "agree"), (2, "disagree")]
    voices = [view.voice for view in judging.reviews_of(desk, run, "sw-1", by="amina") if view.own]
    assert [(voice.judgement, voice.blind, voice.revised) for voice in voices] == [("disagree", "agree", True)]
    with desk.read() as session:
        assert events.verify_words(session) is None


def test_only_who_judged_can_revise(desk, run, card):
    card("amina")
    with pytest.raises(NotAllowedError, match="only who judged it can revise"):
        judging.revise(desk, run, "sw-1", AGREE, submission="again", by="amina")


# --- moderation --------------------------------------------------------------------------------


def test_a_hidden_comment_is_hidden_from_others_and_its_judgement_counts_on(desk, run, judged, handle):
    review = handle(judged("sw-1", "amina", "baraka", "chebet")[0])
    judging.hide_comment(desk, review, reason="names a person", by="stella")
    judging.hide_comment(desk, review, reason="names a person", by="stella")
    shown = judging.reviews_of(desk, run, "sw-1", by="ada")
    assert sorted((view.voice.comment, view.hidden) for view in shown) == [
        ("", "names a person"),
        ("Ndiyo, mara nyingi.", ""),
        ("Ndiyo, mara nyingi.", ""),
    ]
    assert [view.voice.judgement for view in shown] == ["agree"] * 3
    own = judging.own_reviews(desk, run, "sw-1", by="amina")[0]
    assert (own.judgement.comment, own.hidden) == ("Ndiyo, mara nyingi.", "names a person")
    assert kinds(desk).count("comment hidden") == 1


def test_comments_are_hidden_by_stewards_of_the_community_and_admins_with_a_reason(desk, judged, handle):
    (review,) = map(handle, judged("sw-1", "diego", community="lima"))
    for name in ("amina", "stella", "ada", "board", "diego"):
        with pytest.raises(NotAllowedError, match="may not hide comments"):
            judging.hide_comment(desk, review, reason="because", by=name)
    with pytest.raises(DeskError, match="reason: empty; say why"):
        judging.hide_comment(desk, review, reason=" \n", by="admin")
    judging.hide_comment(desk, review, reason="because", by="admin")
    with pytest.raises(ConflictError, match="another moderator has hidden it already"):
        judging.hide_comment(desk, review, reason="for another reason", by="admin")


@pytest.mark.parametrize(("name", "named"), [("admin", True), ("ada", False), ("board", False), ("amina", False)])
def test_only_who_may_moderate_learns_which_review_it_is(desk, run, judged, handle, name, named):
    reviews = judged("sw-1", "amina", "baraka", "chebet")
    shown = {view.id for view in judging.reviews_of(desk, run, "sw-1", by=name)}
    assert shown == (set(map(handle, reviews)) if named else {""})


def test_nothing_in_the_log_leads_from_a_hidden_comment_to_its_author(desk, judged, handle):
    """Everything in the log about the comment says what the log says of no author."""
    review = judged("sw-1", "amina", "baraka", "chebet")[0]
    judging.hide_comment(desk, handle(review), reason="names a person", by="admin")
    log = logbook.read(desk, by="board", per_page=200).entries
    (hidden,) = (entry for entry in log if entry.kind == "comment hidden")
    assert hidden.subject == handle(review)
    others = [entry for entry in log if entry is not hidden]
    assert review in repr(others)  # the author's own event names the review
    assert review not in repr(hidden)
    assert hidden.subject not in repr(others)


def test_what_was_agreed_to_before_the_text_changed_takes_no_judgement(desk, card):
    with desk.write() as session:
        session.get_one(Person, "amina").consent_version = "2025-01"
    mine = card("amina")
    with pytest.raises(DeskError, match="consent: not given yet, or to an older text"):
        judging.submit(desk, mine, AGREE, submission="form", by="amina")
