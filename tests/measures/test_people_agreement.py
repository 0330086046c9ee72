"""Agreement: Krippendorff's published numbers, a slow twin, what is refused; and whether the community matters."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from audit.measures import agreement
from audit.measures.agreement import (
    METRICS,
    NO_PAIR,
    ONE_VALUE,
    agreements,
    alpha_estimate,
    community_difference,
    cross_estimate,
    krippendorff_alpha,
)
from audit.measures.people import JUDGEMENT, SEVERITY, answers
from audit.records import Estimate, Undefined
from tests.measures.people_sample import agreeing, crowd, from_rows, judgements, voice


# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, example C: four observers, twelve units, five values.
# Zero: not observed.
def published() -> np.ndarray:
    observers = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
        (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
    )
    counts = np.zeros((12, 5))
    for row in observers:
        for unit, value in enumerate(row):
            if value:
                counts[unit, value - 1] += 1
    return counts


def slow_alpha(counts: np.ndarray, *, metric: str) -> float:
    """From the definition, pair by pair: 1 - mean disagreement within units / mean disagreement of any two answers."""
    units = [[v for v in range(counts.shape[1]) for _ in range(int(row[v]))] for row in counts if row.sum() >= 2]
    everything = [v for unit in units for v in unit]

    def apart(c: int, k: int) -> float:
        if metric == "nominal":
            return float(c != k)
        low, high = min(c, k), max(c, k)
        between = sum(everything.count(g) for g in range(low, high + 1))
        return (between - (everything.count(low) + everything.count(high)) / 2) ** 2

    n = len(everything)
    observed = sum(2 * sum(apart(c, k) for c, k in combinations(u, 2)) / (len(u) - 1) for u in units) / n
    expected = 2 * sum(apart(c, k) for c, k in combinations(everything, 2)) / (n * (n - 1))
    return 1 - observed / expected


# --- alpha -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metric", "value"), [("nominal", 0.7434), ("ordinal", 0.8154)])
def test_alpha_of_the_published_example_is_the_published_one(metric, value):
    assert krippendorff_alpha(published(), metric=metric) == pytest.approx(value, abs=5e-5)


def test_alpha_by_hand():
    # aa, ad: in the one 0 of 1 pairs differ, in the other 1 of 1, so observed 1/2; of a, a, a, d 3 of 6 pairs: 1/2.
    assert krippendorff_alpha(np.array([[2, 0], [1, 1]]), metric="nominal") == pytest.approx(0.0)
    # aa, dd: observed 0.
    assert krippendorff_alpha(np.array([[2, 0], [0, 2]]), metric="nominal") == pytest.approx(1.0)
    # ad, ad: observed 1; of a, d, a, d 4 of 6 pairs differ: 1 - 6/4.
    assert krippendorff_alpha(np.array([[1, 1], [1, 1]]), metric="nominal") == pytest.approx(-0.5)


@pytest.mark.parametrize("metric", METRICS)
def test_alpha_is_what_pairs_counted_one_by_one_give(metric):
    rng = np.random.default_rng(0)
    for _ in range(25):
        counts = rng.integers(0, 3, size=(int(rng.integers(2, 9)), int(rng.integers(2, 6))))
        found = krippendorff_alpha(counts, metric=metric)
        if isinstance(found, float):
            assert found == pytest.approx(slow_alpha(counts, metric=metric), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (np.zeros((0, 3)), NO_PAIR),
        (np.array([[1, 0, 0], [0, 1, 0]]), NO_PAIR),
        (np.array([[3, 0, 0], [2, 0, 0]]), ONE_VALUE),
    ],
)
def test_alpha_that_cannot_be_told_is_neither_zero_nor_one(metric, counts, reason):
    assert krippendorff_alpha(counts, metric=metric) == Undefined(reason=reason)
    assert alpha_estimate(counts, metric=metric) == Undefined(reason=reason)


def test_seven_findings_give_no_interval_and_so_no_estimate():
    found = alpha_estimate(np.array([[2, 1]] * 6 + [[0, 3]]), metric="nominal")
    assert found == Undefined(
        reason="7 findings were judged by two or more people; an interval that holds what it promises needs 8"
    )


def test_one_answer_alone_on_a_finding_changes_nothing():
    counts = agreeing(np.random.default_rng(1), alpha=0.5, shares=(0.3, 0.3, 0.4), people=4, findings=20)
    alone = np.vstack([counts, np.eye(3)])
    assert alpha_estimate(alone, metric="ordinal") == alpha_estimate(counts, metric="ordinal")


@pytest.mark.parametrize("metric", METRICS)
def test_the_standard_error_is_that_of_leaving_each_finding_out(metric):
    """The derivative by hand of log(1 - alpha) against a small change of one finding's weight."""
    counts = agreeing(np.random.default_rng(2), alpha=0.4, shares=(0.2, 0.3, 0.5), people=5, findings=30)
    pairs = agreement.coincidences(counts)
    value, error = agreement._log_disagreement(pairs, np.ones((1, 30)), metric=metric)
    assert float(value[0]) == pytest.approx(np.log(1 - slow_alpha(counts, metric=metric)))
    nudged = np.ones((30, 30)) + 1e-6 * np.eye(30)
    slopes = (agreement._log_disagreement(pairs, nudged, metric=metric)[0] - value) / 1e-6
    by_hand = np.sqrt(((slopes - slopes.mean()) ** 2).sum() * 30 / 29)
    assert float(error[0]) == pytest.approx(by_hand, rel=1e-4)


def test_an_interval_is_that_of_a_bootstrap_over_findings():
    counts = agreeing(np.random.default_rng(3), alpha=0.5, shares=(0.3, 0.3, 0.4), people=5, findings=40)
    found = alpha_estimate(counts, metric="nominal")
    assert isinstance(found, Estimate)
    assert (found.method, found.n_clusters, found.n_items) == ("bootstrap of 40 findings", 40, 200)
    assert -1 <= found.low < found.value < found.high <= 1
    assert found == alpha_estimate(counts, metric="nominal")


def test_full_agreement_on_ten_findings_is_not_certain():
    """With none of 10 divided, up to 1 - 0.025 ** 0.1 = 0.3085 of findings may be; expected 10/19 (of 20 answers)."""
    counts = np.array([[2, 0]] * 5 + [[0, 2]] * 5)
    found = alpha_estimate(counts, metric="nominal")
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(1 - 0.30850 / (10 / 19), abs=1e-4)
    assert found.method == "exact binomial of the 0 of 10 findings that people differ on"


# --- between communities -----------------------------------------------------------------------


def slow_cross(first: np.ndarray, second: np.ndarray) -> float:
    """Nominal, pair by pair; each finding once."""
    rows = [(a, b) for a, b in zip(first, second, strict=True) if a.sum() and b.sum()]

    def differ(a: np.ndarray, b: np.ndarray) -> float:
        pairs = [(c != k) * a[c] * b[k] for c in range(len(a)) for k in range(len(b))]
        return sum(pairs) / (a.sum() * b.sum())

    observed = np.mean([differ(a, b) for a, b in rows])
    expected = np.mean([differ(a, b) for a, _ in rows for _, b in rows])
    return float(1 - observed / expected)


def test_agreement_between_communities_is_that_of_all_pairs_of_one_each():
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, 3, size=(20, 3)), rng.integers(0, 3, size=(20, 3))
    found = cross_estimate(first, second, metric="nominal")
    assert found.value == pytest.approx(slow_cross(first, second))
    assert found.low < found.value < found.high


def test_communities_that_agree_within_and_contradict_each_other_have_alpha_one_within_and_minus_one_between():
    """Findings in turn: a says agree where b says disagree. Nominal, two answers: observed 1, expected 1/2."""
    found = from_rows(
        {f"a{i}": ("a", "adadadadad") for i in range(3)} | {f"b{i}": ("b", "dadadadada") for i in range(3)}
    )
    by = {(a.community, a.other): a.result for a in agreements(found, questions=(JUDGEMENT,), metrics=("nominal",))}
    assert by["a", ""].value == by["b", ""].value == 1.0
    assert by["a", "b"].value == pytest.approx(-1.0)
    assert by["", ""].value < 0


def test_communities_of_two_are_in_no_number_and_named_nowhere():
    rows = {f"a{i}": ("a", "adpadpadpa") for i in range(3)} | {f"b{i}": ("b", "aapddpaapa") for i in range(4)}
    without = agreements(from_rows(rows))
    with_two = agreements(from_rows(rows | {"c1": ("c", "dddddddddd"), "c2": ("c", "pppppppppp")}))
    assert with_two == without
    assert {(a.community, a.other) for a in without} == {("", ""), ("a", ""), ("b", ""), ("a", "b")}


def test_communities_put_together_are_no_community():
    rows = {f"a{i}": ("a", "adpadpadpa") for i in range(3)} | {f"o{i}": ("others", "aapddpaapa") for i in range(3)}
    found = agreements(from_rows(rows), questions=(JUDGEMENT,))
    assert {(a.community, a.other) for a in found} == {("", ""), ("a", "")}
    assert {a.people for a in found if not a.community} == {None}  # numbers of the "others" are new on each finding


def test_cannot_say_is_no_answer_and_a_changed_mind_counts_as_it_was_first():
    told = judgements(
        [
            voice("f", 1, judgement="cannot say"),
            voice("f", 2, judgement="agree", blind="disagree", revised=True),
            voice("f", 3, judgement="partly", severity=4),
        ]
    )
    assert list(answers(told, JUDGEMENT)["value"]) == [0, 1]  # disagree, partly
    assert list(answers(told, SEVERITY)["value"]) == [4]


def test_agreement_can_be_asked_of_some_findings():
    told = from_rows({f"a{i}": ("a", "adpadpadpaaa") for i in range(3)})
    (found,) = (
        a for a in agreements(told, findings={"f0", "f1"}, questions=(JUDGEMENT,), metrics=("nominal",)) if a.community
    )
    assert found.result == Undefined(
        reason="2 findings were judged by two or more people; an interval that holds what it promises needs 8"
    )


# --- does the community matter? ----------------------------------------------------------------


def test_how_much_further_apart_communities_are_by_hand():
    """Nine findings alike: a says agree (2), agree, partly (1); b says disagree (0) three times.

    Between: distances 1, 1, 1/2, each three times: mean 5/6. Within a: 0, 1/2, 1/2; within b: 0, 0, 0: mean 1/6.
    """
    told = from_rows(
        {"1": ("a", "a" * 9), "2": ("a", "a" * 9), "3": ("a", "p" * 9)} | {str(i): ("b", "d" * 9) for i in (4, 5, 6)}
    )
    found = community_difference(told)
    assert found.value == pytest.approx(5 / 6 - 1 / 6)
    assert (found.unit, found.n_clusters, found.n_items) == ("share of the scale", 9, 54)
    # Of the 20 ways to deal six people into two threes this one and its mirror image are furthest apart: p near 1/10.
    assert found.p_value == pytest.approx(0.1, abs=0.02)


def test_rearranging_people_sums_what_pairs_counted_one_by_one_give():
    told = crowd(np.random.default_rng(5), sizes=(4, 3, 3), findings=9)
    pairs = agreement._Pairs(answers(told, JUDGEMENT), n_values=3, metric="ordinal")
    rng = np.random.default_rng(6)
    for _ in range(5):
        labels = rng.permutation(pairs.labels)
        slow = 0.0
        for who, gap in zip(pairs.members, pairs.apart, strict=True):
            every = [(i, j) for i, j in combinations(range(len(who)), 2)]
            mean = np.mean([gap[i, j] for i, j in every]) if every else 0.0
            slow += sum(gap[i, j] - mean for i, j in every if labels[who[i]] != labels[who[j]])
        assert pairs._between(labels[None, :])[0] == pytest.approx(2 * slow)  # each pair stands in it twice
    seen, own = pairs.between_and_within()[0].sum(), pairs._between(pairs.labels[None, :])[0]
    assert own == pytest.approx(2 * seen)


def test_findings_that_one_community_alone_judged_add_nothing_to_a_difference():
    rows = {f"a{i}": ("a", "adpadpadpa") for i in range(3)} | {f"b{i}": ("b", "aapddpaapa") for i in range(3)}
    more = {name: (c, letters + ("dap" if c == "a" else "...")) for name, (c, letters) in rows.items()}
    assert community_difference(from_rows(more)).value == community_difference(from_rows(rows)).value


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({}, "no community has 3 people who answered; a comparison needs two such"),
        (
            {f"a{i}": ("a", "ad") for i in range(3)} | {"b": ("b", "ad")},
            "1 community has 3 people who answered; a comparison needs two such",
        ),
        (
            {f"a{i}": ("a", "aa......") for i in range(3)} | {f"b{i}": ("b", "..dd....") for i in range(3)},
            "0 findings were judged by two people of one community and one of another; an interval that holds what it "
            "promises needs 8",
        ),
    ],
)
def test_a_difference_that_cannot_be_told_says_why(rows, reason):
    assert community_difference(from_rows(rows)) == Undefined(reason=reason)
