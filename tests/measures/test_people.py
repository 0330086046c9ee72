"""What people said, counted: distributions, prevalence, dissent, and severity beside strength."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from audit.measures.dissent import differences, exact_p, minority_reports
from audit.measures.people import SEVERITY, answers, communities_apart, distributions, prevalence, without_few
from audit.measures.severity import severity_association
from audit.records import Estimate, Undefined, Verdict
from tests.measures.people_sample import finding, from_rows, judgements, voice

# --- distributions -----------------------------------------------------------------------------


def test_distributions_count_what_people_say_now_by_community():
    told = judgements(
        [
            voice("f", 1, "a", "agree", severity=3),
            voice("f", 2, "a", "agree", severity=0, blind="disagree", revised=True),
            voice("f", 3, "a", "cannot say"),
            voice("f", 4, "b", "partly", severity=3),
            voice("f", 5, "b", "disagree", severity=3),
            voice("f", 6, "b", "disagree", severity=4),
            voice("g", 1, "a", "agree"),
            voice("g", 4, "b", "agree"),
        ],
        communities={"a": "Ana", "b": "Bea"},
    )
    table = distributions(told)
    assert list(table["finding"]) == ["f", "f"]  # two people spoke of g: nothing is shown
    first, second = table.to_dict("records")
    assert (first["community"], first["name"], first["people"], first["revised"]) == ("a", "Ana", 3, 1)
    assert [first[v] for v in ("agree", "partly", "disagree", "cannot say")] == [2, 0, 0, 1]
    assert [first[f"severity {v}"] for v in ("0", "1", "2", "3", "4", "not said")] == [1, 0, 0, 1, 0, 1]
    assert [second[v] for v in ("agree", "partly", "disagree", "cannot say")] == [0, 1, 2, 0]
    assert [second[f"severity {v}"] for v in ("3", "4", "not said")] == [2, 1, 0]


def test_a_small_community_is_shown_with_another_one_and_never_by_what_remains():
    told = from_rows(
        {f"a{i}": ("a", "a") for i in range(4)} | {"b0": ("b", "d")} | {f"c{i}": ("c", "p") for i in range(3)}
    )
    rows = distributions(told).to_dict("records")
    assert [(r["community"], r["people"], r["disagree"]) for r in rows] == [("a", 4, 0), ("others", 4, 1)]


def test_no_judgements_are_an_empty_table_with_its_columns():
    table = distributions(judgements([]))
    assert len(table) == 0
    assert {"finding", "community", "agree", "severity 4"} <= set(table.columns)


def test_of_everybody_one_or_two_people_of_small_communities_are_left_out():
    rows = [voice("f", i, "a", severity=1) for i in range(3)]
    two = [voice("f", 8, "b", severity=1), voice("f", 9, "c", severity=1)]
    third = voice("f", 10, "d", severity=1)
    assert communities_apart(answers(judgements(rows + two), SEVERITY)) == ("a",)
    assert len(without_few(answers(judgements(rows + two), SEVERITY))) == 3
    assert len(without_few(answers(judgements([*rows, *two, third]), SEVERITY))) == 6


# --- prevalence --------------------------------------------------------------------------------


def test_prevalence_by_region_is_the_share_of_some_and_common_with_the_exact_interval():
    def lives(person, region, said):
        return voice("f", person, region=region, prevalence=said)

    told = judgements(
        [
            *(lives(i, "Nairobi", said) for i, said in enumerate(("common", "some", "some", "rare"))),
            lives(5, "  nairobi ", "cannot say"),
            lives(6, "Kisumu", "absent"),
            lives(7, "kisumu", "common"),
            lives(8, "Mombasa", "absent"),
        ]
    )
    first, second = prevalence(told)
    assert (first.region, dict(first.counts)) == ("Nairobi", {"absent": 0, "rare": 1, "some": 2, "common": 1})
    assert first.result.value == 3 / 4
    assert (first.result.low, first.result.high) == pytest.approx((0.1941, 0.9937), abs=1e-4)  # Clopper-Pearson, 3 of 4
    assert (second.region, second.result.value, second.result.n_items) == ("others", 1 / 3, 3)  # 2 + 1 people


def test_prevalence_of_which_two_people_spoke_is_not_told():
    assert prevalence(judgements([voice("f", i, region="x", prevalence="some") for i in range(2)])) == ()


def test_people_whose_region_is_not_told_are_a_group_without_a_name():
    told = judgements([voice("f", i, region="", prevalence="rare") for i in range(3)])
    (found,) = prevalence(told)
    assert (found.region, found.result.value) == ("", 0.0)


# --- differences on one finding ----------------------------------------------------------------


def slow_p(own, rest):
    """Every way to deal the answers out to people, one by one."""
    answers_ = [v for v, n in enumerate(np.add(own, rest)) for _ in range(n)]
    n = sum(own)

    def distance(chosen):
        mine = [answers_[i] for i in chosen]
        others = [answers_[i] for i in range(len(answers_)) if i not in chosen]
        steps = range(len(own) - 1)
        return np.mean([(np.mean([v <= s for v in mine]) - np.mean([v <= s for v in others])) ** 2 for s in steps])

    far = [distance(set(chosen)) for chosen in combinations(range(len(answers_)), n)]
    place = np.cumsum([0, *np.add(own, rest)])
    seen = distance({int(place[v]) + i for v, k in enumerate(own) for i in range(k)})
    return np.mean(np.array(far) >= seen - 1e-12), np.mean(np.array(far) >= max(far) - 1e-12)


@pytest.mark.parametrize(
    ("own", "rest"), [((0, 0, 4), (4, 0, 0)), ((1, 2, 1), (3, 0, 3)), ((3, 0, 3), (0, 5, 0)), ((0, 1, 2), (2, 2, 1))]
)
def test_the_exact_test_counts_every_deal_of_the_answers(own, rest):
    assert exact_p(own, rest) == pytest.approx(slow_p(own, rest))


def test_four_against_four_at_opposite_ends_is_two_of_seventy_deals():
    p, least = exact_p((0, 0, 4), (4, 0, 0))
    assert p == least == pytest.approx(2 / 70)


def test_communities_at_both_ends_differ_from_one_in_the_middle():
    """The same mean, another distribution. As far apart: this, its mirror, and 2 x C(8, 4) of a shift by one step."""
    assert exact_p((4, 0, 4), (0, 8, 0))[0] == pytest.approx((2 + 2 * 70) / 12870)


def test_a_difference_that_three_and_three_people_could_not_show_is_undefined_and_no_test():
    told = from_rows({f"a{i}": ("a", "aa") for i in range(3)} | {f"b{i}": ("b", "dd") for i in range(3)})
    found = differences(told)
    assert len(found) == 4
    assert {d.p_value for d in found} == {
        Undefined(reason="with 3 and 3 people who answered so, no difference could be seen")
    }
    assert not any(d.differs for d in found)


def test_differences_are_corrected_over_all_that_could_be_seen():
    """Four against four, two communities and two findings: p 2/70 twice for f0, p 1 twice for f1; BH: 4/2 x 2/70."""
    told = from_rows(
        {f"a{i}": ("a", "a" + "ad"[i % 2]) for i in range(4)} | {f"b{i}": ("b", "d" + "ad"[i % 2]) for i in range(4)}
    )
    by = {(d.finding, d.community): d for d in differences(told)}
    assert by["f0", "a"].p_adjusted == pytest.approx(4 / 2 * 2 / 70)
    assert by["f1", "a"].p_adjusted == pytest.approx(1.0)
    assert dict(by["f0", "a"].own) == {"disagree": 0, "partly": 0, "agree": 4}
    assert dict(by["f0", "a"].rest) == {"disagree": 4, "partly": 0, "agree": 0}
    assert by["f0", "a"].distance == 1.0


# --- minority reports --------------------------------------------------------------------------


def test_one_who_differs_is_heard_beside_the_others():
    told = judgements(
        [
            *(
                voice("f", i, "a", "agree", comment="It is so." if i == 0 else "", comment_language="en")
                for i in range(4)
            ),
            voice("f", 9, "b", "disagree", comment="Sio kweli.", comment_language="sw"),
            *(voice("f", 10 + i, "b", "agree") for i in range(2)),
            voice("f", 20, "b", "cannot say"),
        ]
    )
    (found,) = minority_reports(told)
    assert found.most == "agree"
    assert dict(found.counts) == {"agree": 6, "partly": 0, "disagree": 1, "cannot say": 1}
    (lone,) = found.dissenting
    assert (lone.community, lone.judgement, lone.comment, lone.language) == ("b", "disagree", "Sio kweli.", "sw")
    assert [w.comment for w in found.agreeing if w.comment] == ["It is so."]
    assert len(found.agreeing) == 6
    assert found.communities == ()


def test_one_of_a_small_community_who_differs_is_heard_without_its_name():
    told = from_rows({f"a{i}": ("a", "a") for i in range(4)} | {"b0": ("b", "d"), "c0": ("c", "a"), "c1": ("c", "a")})
    (found,) = minority_reports(told)
    assert [w.community for w in found.dissenting] == ["others"]  # b and c: 1 + 2


def test_where_two_people_spoke_nothing_is_shown_and_where_all_agree_nobody_dissents():
    assert minority_reports(from_rows({"1": ("a", "a"), "2": ("a", "d")})) == ()
    assert minority_reports(from_rows({str(i): ("a", "a") for i in range(5)})) == ()


def test_no_answer_is_called_the_most_where_two_are_equally_many():
    (found,) = minority_reports(from_rows({str(i): ("a", "ad"[i % 2]) for i in range(4)}))
    assert found.most == ""
    assert len(found.dissenting) == 4
    assert found.agreeing == ()


def test_findings_that_communities_judge_otherwise_come_first():
    rows = {f"a{i}": ("a", "pa") for i in range(6)} | {f"b{i}": ("b", ("p" if i < 2 else "a") + "d") for i in range(6)}
    found = minority_reports(from_rows(rows))
    assert [report.finding for report in found] == ["f1", "f0"]
    assert [{d.community for d in report.communities} for report in found] == [{"a", "b"}, set()]


# --- severity beside strength ------------------------------------------------------------------


def rated(people):
    """person -> severity of findings f0, f1, ... ; a community of all."""
    return judgements(
        [voice(f"f{i}", p, severity=s) for p, row in people.items() for i, s in enumerate(row) if s is not None]
    )


SIZES = [finding(f"f{i}", 0.1 * (i + 1)) for i in range(8)]


def test_concordance_by_hand():
    """Severity 0 for the four weakest, 4 for the four strongest: of 28 pairs 16 are concordant, 12 tied."""
    told = rated(dict.fromkeys("xyz", (0, 0, 0, 0, 4, 4, 4, 4)))
    found = severity_association(told, SIZES)
    assert found.value == pytest.approx(16 / 28)
    assert (found.n_items, found.n_clusters, found.null) == (3 * 28, 8, 0.0)
    assert found.low <= found.value <= found.high <= 1
    back = severity_association(told, [finding(f"f{i}", 0.8 - 0.1 * i) for i in range(8)])
    assert back.value == pytest.approx(-16 / 28)


def test_the_p_value_is_the_share_of_exchanges_of_strengths():
    """Of the 70 ways to place the four worst among eight strengths 2 are as far apart: p near 2/70."""
    found = severity_association(rated(dict.fromkeys("xyz", (0, 0, 0, 0, 4, 4, 4, 4))), SIZES)
    assert found.p_value == pytest.approx(2 / 70, abs=0.008)


def test_a_strict_and_a_lenient_person_count_alike():
    """Each person is compared with themselves alone: their levels do not matter, only their order."""
    lenient = rated({"x": (0, 0, 0, 0, 1, 1, 1, 1), "y": (0, 0, 0, 0, 1, 1, 1, 1), "z": (3, 3, 3, 3, 4, 4, 4, 4)})
    assert severity_association(lenient, SIZES).value == pytest.approx(16 / 28)


def test_severity_that_grows_with_every_finding_is_one_and_not_certain():
    """Each of 5 people rates two neighbours only; all 21 pairs concordant. 4 separate pairs: 2 x 0.025 ** 0.25 - 1."""
    people = {str(i): [1 + (j > i) if j in (i, i + 1) else None for j in range(8)] for i in range(7)}
    found = severity_association(rated(people), SIZES)
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(2 * 0.025**0.25 - 1)


def test_sizes_in_nats_of_two_languages_are_never_compared():
    told = rated(dict.fromkeys("xyz", (0, 0, 0, 0, 4, 4, 4, 4)))
    apart = [finding(f"f{i}", 0.1 * (i + 1), language=f"l{i}") for i in range(8)]
    found = severity_association(told, apart)
    assert isinstance(found, Undefined)
    assert found.reason.startswith("0 findings were judged by somebody who judged another comparable one too")
    bits = [finding(f"f{i}", 0.1 * (i + 1), language=f"l{i}", unit="bits") for i in range(8)]
    assert isinstance(severity_association(told, bits), Estimate)


def test_strength_is_the_distance_from_the_null_and_what_cannot_be_interpreted_has_none():
    told = rated(dict.fromkeys("xyz", (0, 0, 0, 0, 4, 4, 4, 4, 2)))
    mirrored = [finding(f"f{i}", (-1) ** i * 0.1 * (i + 1)) for i in range(8)]
    barred = finding("f8", 9.0, verdict=Verdict.NOT_INTERPRETABLE)
    assert severity_association(told, [*mirrored, barred]).value == pytest.approx(16 / 28)


@pytest.mark.parametrize(
    ("people", "community", "reason"),
    [
        ({"x": range(5), "y": range(5)}, "", "an association needs 3 people, 0 answered"),
        (dict.fromkeys("xyz", (1,) * 8), "", "everybody gave one and the same severity to all findings that compare"),
        (dict.fromkeys("xyz", (1,) * 8), "b", "fewer than 3 people of this community said how severe findings are"),
    ],
)
def test_an_association_that_cannot_be_told_says_why(people, community, reason):
    assert severity_association(rated(people), SIZES, community=community) == Undefined(reason=reason)


def test_the_association_is_what_pairs_counted_one_by_one_give():
    rng = np.random.default_rng(0)
    people = {p: [int(s) if rng.random() < 0.8 else None for s in rng.integers(0, 5, 12)] for p in "vwxyz"}
    sizes = rng.permutation(12) / 10
    found = severity_association(rated(people), [finding(f"f{i}", s) for i, s in enumerate(sizes)])
    concordant = pairs = 0
    for row in people.values():
        for i, j in permutations(range(12), 2):
            if row[i] is not None and row[j] is not None and sizes[i] > sizes[j]:
                pairs += 1
                concordant += int(np.sign(row[i] - row[j]))
    assert found.value == pytest.approx(concordant / pairs)
