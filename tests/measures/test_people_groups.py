"""Who can be shown apart: no group of one or two can be solved from what is shown."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.measures.people import shown_groups

NAMES = ("a", "b", "c", "d", "e", "others")


def solvable(counts, shown) -> list[tuple[str, ...]]:
    """Sets of groups with one or two people whose sum follows from the sums shown and the total, by linear algebra."""
    groups = [g for g, n in counts.items() if n]
    names = sorted({shown[g] for g in groups} - {""})
    sums = [[float(shown[g] == name) for g in groups] for name in names]
    if names:  # where nothing is shown, the total is not shown either
        sums.append([1.0] * len(groups))
    found = []
    for size in range(1, len(groups) + 1):
        for chosen in combinations(groups, size):
            if not 1 <= sum(counts[g] for g in chosen) <= 2 or not sums:
                continue
            target = [float(g in chosen) for g in groups]
            if np.linalg.matrix_rank(np.array([*sums, target])) == np.linalg.matrix_rank(np.array(sums)):
                found.append(chosen)
    return found


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.integers(min_value=0, max_value=6)))
def test_no_one_or_two_people_can_be_solved_from_what_is_shown_with_the_total(counts):
    assert solvable(counts, shown_groups(counts)) == []


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.integers(min_value=0, max_value=6)))
def test_nothing_is_hidden_that_could_be_shown(counts):
    """Only nobody, and fewer than three in all, are not shown; where no group is small, each has its own name."""
    shown = shown_groups(counts)
    total = sum(counts.values())
    assert set(shown) == set(counts)
    assert all((shown[g] != "") == (n > 0 and total >= 3) for g, n in counts.items())
    if all(n == 0 or n >= 3 for n in counts.values()):
        assert all(shown[g] in (g, "") for g in counts)


def test_leaving_a_small_group_out_is_found_to_be_solvable():
    """The check above has teeth: total 6 - a 5 = b 1."""
    assert solvable({"a": 5, "b": 1}, {"a": "a", "b": ""}) == [("b",)]
    assert solvable({"a": 5, "b": 1}, {"a": "a", "b": "b"}) == [("b",)]


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({"a": 3, "b": 4}, {"a": "a", "b": "b"}),
        ({"a": 1, "b": 2, "c": 5}, {"a": "others", "b": "others", "c": "c"}),  # 1 + 2 = 3
        ({"a": 1, "b": 4, "c": 3}, {"a": "others", "b": "b", "c": "others"}),  # 1 < 3: the smallest joins, 1 + 3 = 4
        ({"a": 2, "b": 0, "c": 7}, {"a": "others", "b": "", "c": "others"}),
        ({"a": 1, "b": 1}, {"a": "", "b": ""}),  # two people in all
        ({"others": 4, "b": 2, "c": 2}, {"others": "others", "b": "others together", "c": "others together"}),
        ({}, {}),
    ],
)
def test_groups_are_joined_as_worked_by_hand(counts, shown):
    assert shown_groups(counts) == shown


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        shown_groups({"a": -1})
