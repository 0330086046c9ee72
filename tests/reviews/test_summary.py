"""What others may read: no small group, no person followed from one finding to the next."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import DeskError, NotAllowedError
from audit.records import Judgements
from audit.reviews import contests, judging
from audit.reviews.roles import Role
from audit.reviews.summary import judgements_of, tell
from audit.reviews.tables import Assignment, Review, new_id

FORMS = count(1)
COMMUNITIES, REGIONS = ("a", "b", "c", "d"), ("", "north", "south", "east")


def review(finding, person, community, region="", *, judgement="agree", revision=1):
    return Review(
        id=new_id(),
        run_id="run",
        finding_id=finding,
        person_id=person,
        community=community,
        revision=revision,
        judgement=judgement,
        severity=None,
        prevalence="",
        region=region,
        comment="",
        comment_language="",
        salt=new_id(),
        submission=new_id(),
        hidden_reason="",
        submitted_at=datetime(2026, 3, 2, tzinfo=UTC),
    )


def table_of(reviews):
    """The table of reviews, one of each person and finding."""
    rows = defaultdict(list)
    for one in reviews:
        rows[one.finding_id].append([one])
    places = {finding: (place, histories) for place, (finding, histories) in enumerate(sorted(rows.items()))}
    secrets = {one.person_id: f"secret of {one.person_id}" for one in reviews}
    return tell("run", places, secrets=secrets, wordings={})


def group(finding, community, n, region="", *, first=1):
    return [review(finding, f"{community}{number}", community, region) for number in range(first, first + n)]


# --- small groups ------------------------------------------------------------------------------


def test_a_group_of_two_cannot_be_had_by_subtracting_the_others():
    """5 of a, 2 of b: shown apart, 7 - 5 = 2 would be b. So they are shown as one."""
    table = table_of([*group("f", "a", 5), *group("f", "b", 2)])
    assert Counter(one.voice.community for one in table) == {"others": 7}


def test_small_groups_are_shown_together_where_they_are_three_and_large_ones_apart():
    table = table_of([*group("f", "a", 5), *group("f", "b", 2), *group("f", "c", 1)])
    assert Counter(one.voice.community for one in table) == {"a": 5, "others": 3}


def test_fewer_than_three_in_all_are_not_shown():
    assert table_of([*group("f", "a", 1), *group("f", "b", 1)]) == []


def test_a_region_is_shown_where_three_of_the_community_share_it_and_the_rest_are_none_or_three():
    """a: 4 north, 2 south: 2 cannot stand apart, nor be what is left. b: 3 east. c: 3 north, 3 south."""
    table = table_of(
        [
            *group("f", "a", 4, "north"),
            *group("f", "a", 2, "south", first=5),
            *group("f", "b", 3, "east"),
            *group("f", "c", 3, "north"),
            *group("f", "c", 3, "south", first=4),
        ]
    )
    counted = Counter((one.voice.community, one.voice.region) for one in table)
    assert counted == {("a", ""): 6, ("b", "east"): 3, ("c", "north"): 3, ("c", "south"): 3}


def test_a_person_cannot_be_followed_into_a_finding_where_their_community_is_kept_back():
    """In f three of a stand apart; in g two of them are among others: their numbers of f must not be there."""
    table = table_of([*group("f", "a", 3), *group("g", "a", 2), *group("g", "b", 4), *group("h", "a", 3)])
    people = defaultdict(set)
    for one in table:
        people[one.voice.finding].add(one.voice.person)
    assert people["f"] == people["h"]  # who is shown the same way can be followed
    assert not people["g"] & people["f"]
    assert Counter(one.voice.community for one in table if one.voice.finding == "g") == {"others": 6}


def test_a_region_that_is_kept_back_in_one_finding_is_kept_back_in_all_so_that_a_person_keeps_their_number():
    """In g two of north could not stand apart: their region is not told in f either, and each is one person in both."""
    table = table_of(
        [
            *group("f", "a", 3, "north"),
            *group("f", "b", 3, "east"),
            *group("g", "a", 2, "north"),
            *group("g", "a", 1, "south", first=4),
        ]
    )
    assert Counter((one.voice.finding, one.voice.community, one.voice.region) for one in table) == {
        ("f", "a", ""): 3,
        ("f", "b", "east"): 3,
        ("g", "a", ""): 3,
    }
    numbers = {finding: {one.voice.person for one in table if one.voice.finding == finding} for finding in "fg"}
    assert len(numbers["f"] & numbers["g"]) == 2


answers = st.lists(
    st.tuples(st.sampled_from("fgh"), st.integers(1, 9), st.sampled_from(COMMUNITIES), st.sampled_from(REGIONS)),
    max_size=50,
    unique_by=lambda answer: (answer[0], answer[1], answer[2]),
)


@settings(max_examples=300, deadline=None)
@given(answers)
def test_from_what_is_shown_no_group_of_one_or_two_can_be_solved(answered):
    """Whatever is added and subtracted: cells of communities, cells of regions within them, totals, followed people."""
    reviews = [review(finding, f"{community}{n}", community, region) for finding, n, community, region in answered]
    table = table_of(reviews)
    in_all = Counter(one.finding_id for one in reviews)
    shown = Counter(one.voice.finding for one in table)
    for finding, n in in_all.items():
        assert shown[finding] == (n if n >= 3 else 0)  # all or nothing: the total leaves nobody over
    by_community = Counter((one.voice.finding, one.voice.community) for one in table)
    by_region = Counter((one.voice.finding, one.voice.community, one.voice.region) for one in table)
    assert min([3, *by_community.values(), *by_region.values()]) >= 3
    # Cells are disjoint, so every sum and difference of them is nobody, or a union of cells of three and more. What a
    # number that is met again could add is the label it had elsewhere: it has the same one wherever it is met.
    labels = defaultdict(set)
    met = defaultdict(set)
    for one in table:
        labels[one.voice.person].add((one.voice.community, one.voice.region))
        met[one.voice.person].add(one.voice.finding)
    assert all(len(one) == 1 for one in labels.values())
    assert all(len(met[person]) == 1 for person, ((community, _),) in labels.items() if community not in COMMUNITIES)
    # A community or region under its own name is complete: nobody of it is among the others.
    truth = Counter((one.finding_id, one.community) for one in reviews)
    assert all(n == truth[key] for key, n in by_community.items() if key[1] in COMMUNITIES)


# --- the record --------------------------------------------------------------------------------


@pytest.fixture
def desk(db, community, person):
    community("nairobi", languages=["sw", "en"])
    community("lima", languages=["sw"])
    for name in ("amina", "baraka", "chebet", "dalila"):
        person(name, (Role.REVIEWER, "nairobi"), reads=["sw", "en"], region="Nairobi")
    person("diego", (Role.REVIEWER, "lima"), reads=["sw"], region="Lima")
    person("ada", Role.AUDITOR)
    return db


@pytest.fixture
def judged(desk, run):
    def judge(finding, *people, community="nairobi", judgement="agree"):
        for name in people:
            with desk.write() as session:
                row = Assignment(
                    id=new_id(),
                    run_id=run,
                    finding_id=finding,
                    person_id=name,
                    community=community,
                    state="open",
                    place=next(FORMS),
                    made_at=desk.now(),
                )
                session.add(row)
            said = judging.Judgement(judgement=judgement, severity=1, comment=f"{name} said")
            judging.submit(desk, row.id, said, submission=f"form-{next(FORMS)}", by=name)

    return judge


def test_the_record_holds_what_was_said_up_to_its_event(desk, run, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    judged("sw-2", "amina", "baraka")
    judged("en-1", "amina", "baraka", "chebet", "dalila", judgement="partly")
    said = judgements_of(desk, run, by=None)
    assert isinstance(said, Judgements)
    assert (said.run_id, said.withdrawn, said.contests) == (run, 0, ())
    assert said.as_of == 10  # the run was brought in, nine judgements
    assert Counter((voice.finding, voice.community, voice.judgement) for voice in said.voices) == {
        ("sw-1", "nairobi", "agree"): 3,
        ("en-1", "nairobi", "partly"): 4,
    }
    assert said.communities == {"nairobi": "Nairobi"}
    assert {voice.region for voice in said.voices} == {"Nairobi"}
    assert sorted({voice.person for voice in said.voices}) == ["1", "2", "3", "4"]
    assert [voice.finding for voice in said.voices] == ["sw-1"] * 3 + ["en-1"] * 4  # the order of the report
    assert judgements_of(desk, run, by=None) == said


def test_communities_that_are_put_together_have_a_name(desk, run, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    judged("sw-1", "diego", community="lima")
    said = judgements_of(desk, run, by=None)
    assert said.communities == {"others": "other communities"}
    assert "diego" not in str([voice.person for voice in said.voices])


def test_numbers_of_people_do_not_follow_the_order_of_their_names_or_of_their_coming():
    orders = set()
    for salt in range(40):
        reviews = group("f", "a", 4)
        secrets = {one.person_id: f"{salt} {one.person_id}" for one in reviews}
        table = tell("run", {"f": (0, [[one] for one in reviews])}, secrets=secrets, wordings={})
        orders.add(tuple(one.author for one in table))
    assert len(orders) > 10  # of 24


def test_a_reviewer_gets_what_they_have_judged_or_skipped_and_no_more(desk, run, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    judged("sw-2", "baraka", "chebet", "dalila")
    assert {voice.finding for voice in judgements_of(desk, run, by="amina").voices} == {"sw-1"}
    assert {voice.finding for voice in judgements_of(desk, run, by="baraka").voices} == {"sw-1", "sw-2"}
    assert judgements_of(desk, run, by="diego").voices == ()


def test_who_has_read_a_run_cannot_judge_it_later(desk, run, judged):
    from audit.reviews.seen import has_seen

    assert judgements_of(desk, run, by="ada").voices == ()
    with desk.read() as session:
        assert not has_seen(session, person="ada", run=run)  # there was nothing to read
    judged("sw-1", "amina", "baraka", "chebet")
    assert len(judgements_of(desk, run, by="ada").voices) == 3
    with desk.read() as session:
        assert has_seen(session, person="ada", run=run, finding="sw-2")
        assert not has_seen(session, person="amina", run=run, finding="sw-2")


def test_the_contests_of_the_run_are_in_it(desk, run):
    contests.file(desk, run, "sw-1", words="not here", submission="c", by="amina", community="nairobi")
    (contest,) = judgements_of(desk, run, by=None).contests
    assert (contest.finding, contest.state, contest.steps[0][2]) == ("sw-1", "filed", "not here")


def test_a_run_that_is_not_here_and_a_person_who_is_not_are_refused(desk, run):
    with pytest.raises(DeskError, match="run 'nope'"):
        judgements_of(desk, "nope", by=None)
    with pytest.raises(NotAllowedError):
        judgements_of(desk, run, by="nobody")


def test_a_reviewer_reads_no_contest_of_a_finding_that_they_still_have_to_judge(desk, run, judged):
    judged("sw-1", "amina", "baraka", "chebet")
    for finding in ("sw-1", "sw-2"):
        contests.file(desk, run, finding, words=f"{finding} is wrong", submission=finding, by="diego")
    assert [one.finding for one in judgements_of(desk, run, by="amina").contests] == ["sw-1"]
    assert [one.finding for one in judgements_of(desk, run, by="ada").contests] == ["sw-1", "sw-2"]
