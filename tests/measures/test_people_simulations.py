"""What the statistics of people promise, tried on people whose agreement and difference are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit.measures.agreement import METRICS, alpha_estimate, community_difference, cross_estimate
from audit.measures.dissent import differences
from audit.measures.severity import severity_association
from audit.records import Estimate
from tests.measures.people_sample import agreeing, crowd, finding, judgements, voice

# alpha, shares of the answers, people, findings, share of findings that a person did not judge
PLANTED = (
    (0.4, (0.3, 0.3, 0.4), 5, 10, 0.0),
    (0.4, (0.2, 0.2, 0.6), 4, 20, 0.3),
    (0.4, (0.2, 0.2, 0.6), 4, 40, 0.3),
    (0.7, (0.1, 0.1, 0.8), 4, 40, 0.2),
    (0.9, (0.3, 0.3, 0.4), 5, 20, 0.0),
    (0.1, (0.2,) * 5, 5, 40, 0.2),
    (0.5, (0.05, 0.1, 0.85), 3, 100, 0.2),
)
TRIALS = 600


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_intervals_of_alpha_hold_the_planted_one_as_promised(metric):
    """At least 93 % of 95 % intervals over all designs, and no design far below."""
    held = {}
    for i, (alpha, shares, people, findings, missing) in enumerate(PLANTED):
        rng = np.random.default_rng([i, 60])
        hits = []
        for _ in range(TRIALS):
            found = alpha_estimate(
                agreeing(rng, alpha=alpha, shares=shares, people=people, findings=findings, missing=missing),
                metric=metric,
            )
            if isinstance(found, Estimate):
                hits.append(found.low <= alpha <= found.high)
        held[alpha, findings] = np.mean(hits)
        print(f"{metric:8} alpha {alpha} on {findings:3} findings: {held[alpha, findings]:.3f} of {len(hits)}")  # noqa: T201
    assert np.mean(list(held.values())) >= 0.93
    assert min(held.values()) >= 0.92, held


@pytest.mark.slow
def test_intervals_of_agreement_between_communities_hold_the_planted_one():
    """Two communities that answer by one model have the same alpha between as within."""
    rng = np.random.default_rng(61)
    hits = []
    for _ in range(TRIALS):
        truth_and_people = agreeing_pair(rng, alpha=0.4, findings=30)
        found = cross_estimate(*truth_and_people, metric="nominal")
        hits.append(found.low <= 0.4 <= found.high)
    print(f"between communities: {np.mean(hits):.3f}")  # noqa: T201
    assert np.mean(hits) >= 0.93


def agreeing_pair(rng, *, alpha, findings):
    """As `agreeing`, the people dealt to two communities of four."""
    shares = (0.3, 0.3, 0.4)
    truth = rng.choice(3, p=shares, size=findings)
    sides = np.zeros((2, findings, 3))
    for person in range(8):
        given = np.where(rng.random(findings) < np.sqrt(alpha), truth, rng.choice(3, p=shares, size=findings))
        sides[person % 2, range(findings), given] += 1
    return sides


@pytest.mark.slow
@pytest.mark.parametrize(
    "design", [{"sizes": (5, 5)}, {"sizes": (6, 4, 3), "lenient": 1.0}, {"sizes": (8, 4), "shares": (0.9, 0.3)}]
)
def test_communities_that_judge_alike_raise_at_most_five_false_alarms_in_a_hundred(design):
    """Also where people are lenient or strict throughout, and where communities judged different findings."""
    rng = np.random.default_rng(62)
    alarms = [community_difference(crowd(rng, findings=16, **design)).p_value <= 0.05 for _ in range(500)]
    print(f"{design}: {np.mean(alarms):.3f}")  # noqa: T201
    assert stats.binomtest(sum(alarms), len(alarms), 0.05, alternative="greater").pvalue > 0.01, np.mean(alarms)


@pytest.mark.slow
def test_a_planted_difference_between_communities_is_found():
    """One community lies lower on a third of 24 findings: by one, two and four spreads of a person's answers."""
    power = {}
    for shift in (0.6, 1.2, 2.4):
        rng = np.random.default_rng(63)
        told = (crowd(rng, sizes=(7, 7), findings=24, shift=shift) for _ in range(100))
        power[shift] = float(np.mean([community_difference(each).p_value <= 0.05 for each in told]))
    print(f"power at a shift of {power}")  # noqa: T201
    assert power[0.6] <= power[1.2] <= power[2.4]
    assert power[2.4] >= 0.8


@pytest.mark.slow
def test_runs_without_differences_on_any_finding_raise_at_most_five_false_alarms_in_a_hundred():
    """An alarm is any finding on which a community is said to differ; people lenient throughout included."""
    rng = np.random.default_rng(64)
    alarms = [any(d.differs for d in differences(crowd(rng, sizes=(8, 8), findings=20))) for _ in range(400)]
    print(f"false alarms on single findings: {np.mean(alarms):.3f} of runs")  # noqa: T201
    assert np.mean(alarms) <= 0.05


@pytest.mark.slow
def test_severity_that_has_nothing_to_do_with_strength_is_seldom_said_to():
    rng = np.random.default_rng(65)
    alarms, held = [], []
    for _ in range(200):
        base, sizes = rng.normal(size=16), rng.random(16)
        rows = [
            voice(f"f{f}", p, severity=int(np.clip(round(2 + base[f] + rng.normal(0, 0.7)), 0, 4)))
            for p in range(4)
            for f in range(16)
            if rng.random() < 0.7
        ]
        found = severity_association(judgements(rows), [finding(f"f{i}", s) for i, s in enumerate(sizes)])
        alarms.append(found.p_value <= 0.05)
        held.append(found.low <= 0 <= found.high)
    print(f"severity: false alarms {np.mean(alarms):.3f}, intervals that hold 0 {np.mean(held):.3f}")  # noqa: T201
    assert stats.binomtest(sum(alarms), len(alarms), 0.05, alternative="greater").pvalue > 0.01
    assert np.mean(held) >= 0.93
