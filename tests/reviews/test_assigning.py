"""Who is asked what: enough people about each finding, the load shared, nobody twice, nobody who has seen."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

from audit.errors import DeskError, NotAllowedError
from audit.records import Verdict
from audit.reviews import judging
from audit.reviews.assigning import assign
from audit.reviews.judging import Judgement
from audit.reviews.roles import Role
from audit.reviews.seen import note_seen
from audit.reviews.tables import Assignment, Event, FindingRow, Person

SWAHILI = [f"sw-{number}" for number in range(1, 7)]


@pytest.fixture
def desk(db, community, person):
    """Nairobi reviews Swahili and English with five people who read both; stella is its steward and reads neither."""
    community("nairobi", languages=["sw", "en"])
    for name in ("p1", "p2", "p3", "p4", "p5"):
        person(name, (Role.REVIEWER, "nairobi"), reads=["sw", "en"])
    person("stella", (Role.STEWARD, "nairobi"), reads=[])
    person("ada", Role.AUDITOR)
    return db


def rows(db, **wanted):
    with db.read() as session:
        return session.scalars(select(Assignment).filter_by(**wanted).order_by(Assignment.place)).all()


def given(db, run, **options):
    return assign(db, run, community="nairobi", seed=1, by="stella", **options)


def test_each_finding_has_exactly_the_overlap_and_the_load_is_balanced_within_one(desk, run):
    done = given(desk, run, findings=SWAHILI)
    assert (done.findings, done.new, done.short) == (6, 18, ())
    assert set(Counter(row.finding_id for row in rows(desk)).values()) == {3}
    load = Counter(row.person_id for row in rows(desk))
    assert sorted(load.values()) == [3, 3, 4, 4, 4]  # 18 cards for 5 people
    assert len({(row.finding_id, row.person_id) for row in rows(desk)}) == 18


@pytest.mark.parametrize("seed", range(5))
def test_the_design_holds_for_any_seed_and_overlap(desk, run, seed):
    overlap = 1 + seed % 4
    assign(desk, run, community="nairobi", overlap=overlap, seed=seed, by="ada")
    assert set(Counter(row.finding_id for row in rows(desk)).values()) == {overlap}
    load = Counter(row.person_id for row in rows(desk))
    assert max(load.values()) - min(load[name] for name in ("p1", "p2", "p3", "p4", "p5")) <= 1


def test_the_same_call_again_asks_nobody_anything_new(desk, run):
    first = given(desk, run)
    before = [(row.id, row.place) for row in rows(desk)]
    again = given(desk, run)
    assert first.new == 36  # 10 with evidence and a fifth more without: 12 findings, three people each
    assert again.new == 0
    assert [(row.id, row.place) for row in rows(desk)] == before
    with desk.read() as session:
        assert [event.facts["new"] for event in session.scalars(select(Event).filter_by(kind="reviews assigned"))] == [
            36
        ]


def test_another_seed_draws_other_people(desk, run):
    given(desk, run)
    drawn = {(row.finding_id, row.person_id) for row in rows(desk)}
    with desk.write() as session:
        for row in session.scalars(select(Assignment)):
            session.delete(row)
    assign(desk, run, community="nairobi", seed=2, by="stella")
    assert {(row.finding_id, row.person_id) for row in rows(desk)} != drawn


def test_a_fifth_of_the_cards_shows_no_evidence_and_they_are_not_all_at_the_end(desk, run):
    given(desk, run, share=0.2)
    order = list(dict.fromkeys(row.finding_id for row in rows(desk)))
    fillers = [place for place, id_ in enumerate(order) if id_.startswith("none-")]
    assert (len(order), len(fillers)) == (12, 2)  # 2 of 12: round(10 * 0.2 / 0.8) = 2
    assert min(fillers) < 10
    assert "mute-1" not in order  # not interpretable: there is nothing to judge
    assert [id_ for id_ in order if id_ in SWAHILI] == SWAHILI  # evidence in the order of the report


def test_a_limit_takes_evidence_first_and_keeps_the_share(desk, run):
    given(desk, run, at_most=5, share=0.2)
    order = {row.finding_id for row in rows(desk)}
    assert len(order) == 5
    assert {id_ for id_ in order if not id_.startswith("none-")} == {"sw-1", "sw-2", "sw-3", "sw-4"}


def test_checks_of_the_instrument_are_given_to_nobody_unless_they_are_named(desk, run):
    """sw-1 becomes a statement on the instrument: five of the six in Swahili are left."""
    with desk.write() as session:
        session.get(FindingRow, (run, "sw-1")).measure = "competence"
    assign(desk, run, community="nairobi", overlap=1, seed=0, by="stella")
    with desk.read() as session:
        given = set(session.scalars(select(Assignment.finding_id)))
    assert "sw-1" not in given
    assert {f"sw-{number}" for number in range(2, 7)} <= given
    assert assign(desk, run, community="nairobi", findings=["sw-1"], overlap=1, seed=0, by="stella").new == 1


def test_a_run_without_evidence_in_the_communitys_languages_is_given_out_all_the_same(desk, run):
    with desk.write() as session:
        for row in session.scalars(select(FindingRow).where(FindingRow.verdict == str(Verdict.EVIDENCE))):
            row.verdict = str(Verdict.INSUFFICIENT)
    done = assign(desk, run, community="nairobi", overlap=1, at_most=3, seed=0, by="stella")
    assert done.findings == done.new == 3


def test_only_who_reads_the_language_is_asked_and_what_is_short_says_why(desk, run, community, person):
    community("mixed", languages=["sw", "en"])
    person("english", (Role.REVIEWER, "mixed"), reads=["en"])
    person("both", (Role.REVIEWER, "mixed"), reads=["en", "sw"])
    person("gone", (Role.REVIEWER, "mixed"), reads=["en", "sw"], status="disabled")
    done = assign(
        desk, run, community="mixed", findings=["sw-1", "en-1", "shift-1", "all-1"], overlap=2, seed=1, by="ada"
    )
    asked = {(row.finding_id, row.person_id) for row in rows(desk)}
    assert asked == {
        ("sw-1", "both"),
        ("en-1", "both"),
        ("en-1", "english"),
        ("shift-1", "both"),  # of two languages: both must be read
        ("all-1", "both"),
        ("all-1", "english"),
    }
    assert [(entry.finding, entry.asked, entry.wanted) for entry in done.short] == [("sw-1", 1, 2), ("shift-1", 1, 2)]
    assert done.short[0].reason == "1 active in mixed read sw; invite more, or ask fewer about each finding"
    assert done.short[1].reason == "1 active in mixed read en and sw; invite more, or ask fewer about each finding"


def test_a_finding_in_a_language_the_community_does_not_review_is_refused_and_nothing_is_written(desk, run, community):
    community("cairo", languages=["ar"])
    with pytest.raises(DeskError, match="finding sw-1: cairo does not review its language"):
        assign(desk, run, community="cairo", findings=["all-1", "sw-1"], seed=1, by="ada")
    with pytest.raises(DeskError, match="finding 'nope': not in this run"):
        assign(desk, run, community="cairo", findings=["nope"], seed=1, by="ada")
    assert rows(desk) == []


def test_who_skips_is_replaced_and_never_asked_again(desk, run):
    given(desk, run, findings=["sw-1"])
    card = rows(desk)[0]
    judging.skip(desk, card.id, reason="not for me", by=card.person_id)
    again = given(desk, run, findings=["sw-1"])
    assert again.new == 1
    assert len(rows(desk, state="open")) == 3
    assert [row.state for row in rows(desk, person_id=card.person_id)] == ["skipped"]


def test_who_leaves_is_replaced(desk, run):
    given(desk, run, findings=["sw-1"])
    left = rows(desk)[0].person_id
    with desk.write() as session:
        session.get(Person, left).status = "disabled"
    again = given(desk, run, findings=["sw-1"])
    assert (again.released, again.new) == (1, 1)
    assert [row.state for row in rows(desk, person_id=left)] == ["withdrawn"]
    assert left not in {row.person_id for row in rows(desk, state="open")}


def test_who_comes_back_may_be_asked_again(desk, run):
    given(desk, run, findings=["sw-1"], overlap=5)
    with desk.write() as session:
        session.get(Person, "p1").status = "disabled"
    assert given(desk, run, findings=["sw-1"], overlap=5).released == 1
    assert [row.state for row in rows(desk, person_id="p1")] == ["withdrawn"]
    with desk.write() as session:
        session.get(Person, "p1").status = "active"
    assert given(desk, run, findings=["sw-1"], overlap=5).new == 1
    assert [row.state for row in rows(desk, person_id="p1")] == ["open"]


def test_a_person_of_two_communities_is_asked_once(desk, run, community, person):
    community("coast", languages=["sw"])
    person("bridge", (Role.REVIEWER, "coast"), (Role.REVIEWER, "nairobi"), reads=["sw"])
    done = assign(desk, run, community="coast", findings=["sw-1"], overlap=1, seed=1, by="ada")
    assert done.new == 1
    given(desk, run, findings=["sw-1"], overlap=5)
    assert len(rows(desk, finding_id="sw-1", person_id="bridge")) == 1
    assert len(rows(desk, finding_id="sw-1", community="nairobi")) == 5


def test_who_has_read_what_others_said_is_not_asked(desk, run):
    note_seen(desk, person="p1", run=run, finding="sw-1")
    note_seen(desk, person="p2", run=run)  # of the whole run
    done = given(desk, run, findings=["sw-1", "sw-2"], overlap=4)
    asked = {(row.finding_id, row.person_id) for row in rows(desk)}
    assert ("sw-1", "p1") not in asked
    assert ("sw-2", "p1") in asked
    assert "p2" not in {person for _, person in asked}
    assert [(entry.finding, entry.asked) for entry in done.short] == [("sw-1", 3)]
    assert "2 of them skipped it, judged it elsewhere or read what others said" in done.short[0].reason


def test_what_was_judged_counts_towards_the_overlap(desk, run):
    given(desk, run, findings=["sw-1"], overlap=1)
    card = rows(desk)[0]
    judging.submit(desk, card.id, Judgement(judgement="agree"), submission="one", by=card.person_id)
    assert given(desk, run, findings=["sw-1"], overlap=1).new == 0
    assert given(desk, run, findings=["sw-1"], overlap=3).new == 2


def test_reviewers_and_stewards_of_other_communities_do_not_assign(desk, run, community, person):
    community("lima", languages=["sw"])
    person("other-steward", (Role.STEWARD, "lima"))
    for by in ("p1", "other-steward"):
        with pytest.raises(NotAllowedError, match="may not assign reviews"):
            assign(desk, run, community="nairobi", seed=1, by=by)
    assert rows(desk) == []


@pytest.mark.parametrize("figures", [{"overlap": 0}, {"overlap": 21}, {"share": 1.0}, {"share": -0.1}, {"at_most": 0}])
def test_figures_that_make_no_sense_are_refused(desk, run, figures):
    with pytest.raises(DeskError, match="overlap is 1 to 20"):
        given(desk, run, **figures)
