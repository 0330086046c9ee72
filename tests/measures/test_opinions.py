"""The map of people: who stands where, who is not on it, and what an axis may claim."""

from __future__ import annotations

import numpy as np
import pytest

from audit.measures import opinions
from audit.measures.opinions import OpinionMap, opinion_map
from audit.records import Undefined
from tests.measures.people_sample import crowd, from_rows, judgements

TWO_CAMPS = {
    "1": ("a", "aaaaaaaa"),
    "2": ("a", "aaaaaaaa"),
    "3": ("a", "aaaaaaaa"),
    "4": ("b", "dddddddd"),
    "5": ("b", "dddddddd"),
    "6": ("b", "dddddddd"),
}


def drawn(rows) -> OpinionMap:
    found = opinion_map(from_rows(rows))
    assert isinstance(found, OpinionMap)
    return found


def test_two_camps_stand_apart_on_the_first_axis_by_the_distance_worked_by_hand():
    """Each says 2 or 0 of eight findings, mean 1: the direction is 1/sqrt(8) each, so a place is 8/sqrt(8)."""
    found = drawn(TWO_CAMPS)
    for place in found.places:
        assert place.at[0] == pytest.approx(8 / np.sqrt(8) if place.community == "a" else -8 / np.sqrt(8))
        assert place.at[1] == pytest.approx(0)
    assert found.axes[0].share == pytest.approx(1)
    assert found.axes[1].share == pytest.approx(0)
    assert found.axes[0].more_than_chance
    assert not found.axes[1].more_than_chance
    assert [weight for _finding, weight in found.axes[0].leading] == pytest.approx([1 / np.sqrt(8)] * 5)


def test_who_judged_half_of_what_the_others_did_stands_as_far_out_as_they():
    """Sixteen findings; person 3 judged eight, all as their camp.

    By hand: on the eight that all judged the mean is 1. On the others two say 2 and three say 0, mean 4/5: distances
    6/5 and -4/5. The first direction is (u, v) on the two halves; person 3's projection is 8 u, stretched by root 2.
    """
    rows = {name: (community, letters * 2) for name, (community, letters) in TWO_CAMPS.items()}
    rows["3"] = ("a", "aaaaaaaa........")
    found = {place.person: place for place in drawn(rows).places}
    x = np.array([[1, 6 / 5], [1, 6 / 5], [1, 0], [-1, -4 / 5], [-1, -4 / 5], [-1, -4 / 5]])
    u, v = np.abs(np.linalg.eigh(x.T @ x)[1][:, -1]) / np.sqrt(8)
    assert found["3"].answered == 8
    assert found["3"].at[0] == pytest.approx(8 * u * np.sqrt(2))
    assert found["1"].at[0] == pytest.approx(8 * u + 8 * v * 6 / 5)


def test_a_community_of_two_is_not_on_the_map_and_enters_no_axis():
    """Two people who say the opposite of everybody move nobody."""
    small = {"7": ("c", "dadadada"), "8": ("c", "adadadad")}
    assert drawn({**TWO_CAMPS, **small}) == drawn(TWO_CAMPS)


def test_a_community_falls_off_where_only_two_of_it_said_enough():
    rows = {
        **TWO_CAMPS,
        "7": ("b", "dddddddd"),
        "8": ("c", "aaaaaaaa"),
        "9": ("c", "dddddddd"),
        "10": ("c", "aaaa...."),
    }
    assert {place.community for place in drawn(rows).places} == {"a", "b"}


def test_people_put_together_are_not_on_the_map():
    rows = {**TWO_CAMPS, **{str(n): ("others", "adadadad") for n in (7, 8, 9)}}
    assert {place.community for place in drawn(rows).places} == {"a", "b"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({}, "0 have them"),
        ({name: TWO_CAMPS[name] for name in ("1", "2", "3", "4", "5")}, "0 have them"),  # b has two, so a is alike
        ({name: (c, "aaaaaaa" + letters[:1]) for name, (c, letters) in TWO_CAMPS.items()}, "0 have them"),
        ({name: (c, letters[:7]) for name, (c, letters) in TWO_CAMPS.items()}, "on which people differ; there are 7"),
    ],
)
def test_there_is_no_map_of_too_few_people_or_of_people_who_do_not_differ(rows, reason):
    found = opinion_map(from_rows(rows) if rows else judgements([]))
    assert isinstance(found, Undefined)
    assert reason in found.reason


def test_the_order_of_judgements_changes_nothing():
    said = crowd(np.random.default_rng(3), sizes=(5, 6), findings=20, shift=1.5)
    turned = judgements(said.voices[::-1])
    assert opinion_map(said) == opinion_map(turned)


def test_exchanging_answers_keeps_who_judged_what_and_how_many_gave_each_answer():
    values = np.array([[2.0, 0.0], [0.0, 2.0], [2.0, np.nan], [np.nan, 1.0]])
    given = np.isfinite(values)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        dealt = opinions._exchanged(values, given, rng=rng)
        assert (np.isfinite(dealt) == given).all()
        assert sorted(dealt[:3, 0]) == [0, 2, 2]
        assert sorted(dealt[[0, 1, 3], 1]) == [0, 1, 2]
        seen.add(tuple(dealt[given]))
    assert len(seen) == 18  # 3 ways for the first finding, 6 for the second


def test_where_people_answer_at_random_the_first_axis_is_no_more_than_chance_in_nineteen_of_twenty():
    rng = np.random.default_rng(11)
    letters = np.array(list("dpa"))
    claims = 0
    for _ in range(60):
        rows = {str(i): ("ab"[i % 2], "".join(letters[rng.integers(0, 3, 20)])) for i in range(10)}
        claims += drawn(rows).axes[0].more_than_chance
    assert claims <= 8  # 3 are expected; 9 or more have a chance of 1 in 300


def test_people_who_fall_into_two_camps_on_a_third_of_the_findings_are_more_than_chance():
    said = crowd(np.random.default_rng(5), sizes=(7, 7), findings=24, shift=2.5, lenient=0.0)
    found = opinion_map(said)
    assert isinstance(found, OpinionMap)
    assert found.axes[0].more_than_chance
    sides = {c: np.mean([p.at[0] for p in found.places if p.community == c]) for c in ("c0", "c1")}
    assert sides["c0"] * sides["c1"] < 0
