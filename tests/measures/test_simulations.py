"""What the verdicts promise, tried on audits whose truth is known."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from audit.errors import TooFewItems
from audit.findings import FAMILIES, weigh
from audit.findings.designed import INSIDE
from audit.measures import prepare
from audit.measures.circuit_shares import Carried, share_of
from audit.measures.statistics import clustered_mean, detectable_distance
from audit.measures.stereotype import standardised_effect, stereotype_effect
from audit.records import Kind, Verdict
from tests.measures.circuit_evidence import with_circuits
from tests.measures.synthetic import synthetic_evidence

# Families that speak of things that are there in every imaginary model: it reads, it knows, it tells true from false,
# it answers paraphrases alike. The nulls of those counted here are tried in test_culture.py and test_judgement.py.
PRESENT = (
    "reading by language",
    "prediction by language",
    "level of knowledge by language",
    "level of knowledge by culture",
    "content tracking by language",
    "paraphrase agreement by language",
)
AUDITS = 400


@pytest.mark.slow
def test_audits_of_a_model_without_effects_raise_few_alarms():
    """Each family raises an alarm in at most 5 % of 400 null audits."""
    alarms: Counter[str] = Counter()
    for seed in range(AUDITS):
        findings = weigh(synthetic_evidence(1000 + seed, with_parallel=False))
        alarms.update({f.family for f in findings if f.verdict is Verdict.EVIDENCE})
    quiet = [family.name for family in FAMILIES if family.name not in PRESENT]
    for name in quiet:
        print(f"{name:40} {alarms[name] / AUDITS:.3f}")  # noqa: T201
        assert alarms[name] / AUDITS <= 0.05, name


@pytest.mark.slow
@pytest.mark.parametrize("n", [4, 10, 14, 28])
def test_an_effect_of_the_detectable_size_is_found_as_often_as_promised(n: int):
    """0.8 of the time, in a family of eight; whichever test the number of clusters allows."""
    rng = np.random.default_rng(n)
    alpha = 0.05 / 8
    distance = detectable_distance(1 / np.sqrt(n), n - 1, alpha=alpha)
    trials = 1500
    hits = 0
    for _ in range(trials):
        estimate, _ = clustered_mean(rng.normal(distance, 1, n), list(range(n)), unit="nats", null=0.0, n_tests=8)
        hits += estimate.p_value <= alpha
    assert 0.76 <= hits / trials <= 0.84, hits / trials


@pytest.mark.slow
def test_planted_effects_are_found_in_whole_audits():
    """Effects of the size that a typical audit calls detectable come out as evidence in about four of five."""
    # One audit's languages share their templates, so its spreads err together; six audits even that out.
    null = [f for seed in range(6) for f in weigh(synthetic_evidence(seed, with_pairs=False, with_parallel=False))]

    def size(measure):
        return np.mean(
            [
                f.measurement.result.detectable
                for f in null
                if f.confirmatory and f.measurement.measure == measure and f.measurement.result.detectable is not None
            ]
        )

    stereotype, lean = size("stereotype_effect"), size("values_lean")
    trials, hits = 60, Counter[str]()
    for seed in range(trials):
        findings = weigh(
            synthetic_evidence(
                3000 + seed,
                stereotype_effect={"en": stereotype},
                # a lean is taken against the mean of all eight, itself included
                values_lean={"ubuntu": lean * 8 / 7},
                with_pairs=False,
                with_parallel=False,
            )
        )
        for f in findings:
            if not f.confirmatory or f.verdict is not Verdict.EVIDENCE:
                continue
            scope = f.measurement.scope
            hits["stereotype"] += f.measurement.measure == "stereotype_effect" and scope.language == "en"
            hits["lean"] += f.measurement.measure == "values_lean" and scope.framework == "ubuntu"
    for name in ("stereotype", "lean"):
        print(name, hits[name] / trials)  # noqa: T201
        assert stats.binomtest(hits[name], trials, 0.8, alternative="less").pvalue > 0.005, (name, hits[name])


@pytest.mark.slow
def test_cell_intervals_cover_as_promised():
    """93 to 97 % hold the planted value: 300 audits of eight languages and seven axes."""
    by_language, by_cell = [], []
    for seed in range(300):
        view = prepare(
            synthetic_evidence(
                5000 + seed, stereotype_effect=0.5, correlation=0.0, with_pairs=False, with_parallel=False
            )
        )
        for m in stereotype_effect(view):
            held = m.result.low <= 0.5 <= m.result.high
            (by_cell if m.scope.topic else by_language).append(held)
    assert len(by_language) == 300 * 8
    assert 0.93 <= np.mean(by_language) <= 0.97, np.mean(by_language)
    assert 0.93 <= np.mean(by_cell) <= 0.97, np.mean(by_cell)


def _only_stereotypes(evidence):
    """Without the suites that nobody looks inside of, and that take most of the time."""
    kept = {
        name: getattr(evidence, name)[getattr(evidence, name)["suite"].isin(["stereotype", "competence"])]
        for name in ("items", "observations")
    }
    return replace(evidence, **{name: table.reset_index(drop=True) for name, table in kept.items()})


def _audit_inside(seed, **planted):
    evidence = _only_stereotypes(synthetic_evidence(seed, with_pairs=False, with_parallel=False))
    return weigh(with_circuits(evidence, seed, **planted))


@pytest.mark.slow
@pytest.mark.parametrize("unevenness", [0.3, 1.0])
def test_circuits_that_are_one_more_random_draw_raise_few_alarms(unevenness: float):
    """Each family of circuits raises an alarm in at most 5 % of 200 audits; nodes differ little, or much."""
    alarms: Counter[str] = Counter()
    audits = 200
    for seed in range(audits):
        findings = _audit_inside(7000 + seed, carried=None, unevenness=unevenness)
        alarms.update({f.family for f in findings if f.verdict is Verdict.EVIDENCE})
    # The estimate does rank nodes as patching does, in every imaginary model.
    quiet = [f.name for f in FAMILIES if f.measure in INSIDE and f.measure != "screening_error"]
    for name in quiet:
        print(f"{name:40} {alarms[name] / audits:.3f}")  # noqa: T201
        assert alarms[name] / audits <= 0.05, name


@pytest.mark.slow
def test_a_planted_circuit_is_found_and_its_share_told():
    """Four of twenty nodes carry 0.6 of the effect, less of that of control pairs: found in nearly all languages."""
    found, values = [], []
    for seed in range(20):
        members = [f for f in _audit_inside(8000 + seed, carried=0.6) if f.family == "circuits by language"]
        found += [f.verdict is Verdict.EVIDENCE for f in members]
        values += [f.measurement.result.value for f in members]
    print(np.mean(found), np.mean(values))  # noqa: T201
    assert np.mean(found) >= 0.95
    assert np.mean(values) == pytest.approx(0.6, abs=0.03)  # held-out choice: no winner's curse


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 8, 12, 28])
def test_intervals_of_shares_cover_as_promised(n: int):
    """92 to 97 % hold the share where effects scatter as in real audits (SD of their sizes 0.9 of the mean)."""
    rng = np.random.default_rng(n)
    held = []
    for _ in range(2000):
        own = rng.normal(0.4, 1.0, n) * np.exp(rng.normal(0, 0.5, n))
        effect = own * rng.normal(0.6, 0.3, n) + rng.normal(0, 0.3, n)
        labels, none = np.array([str(i) for i in range(n)], dtype=object), np.empty((n, 0))
        carried = Carried(own=own, effect=effect, random=none, template=labels, fold=np.zeros(n, dtype=np.int64))
        try:
            estimate = share_of(carried).estimate
        except TooFewItems:  # one template has nearly all of the effect
            continue
        held.append(estimate.low <= 0.6 <= estimate.high)
    print(n, len(held), np.mean(held))  # noqa: T201
    assert 0.92 <= np.mean(held) <= 0.97, np.mean(held)


def test_languages_that_share_their_templates_are_not_taken_for_independent_evidence():
    """With effects common to all languages, eight languages tell an axis no better than one."""
    one = synthetic_evidence(11, languages=("en",), correlation=1.0, with_pairs=False, with_parallel=False)
    eight = synthetic_evidence(11, correlation=1.0, with_pairs=False, with_parallel=False)
    widths = [
        np.mean([m.result.high - m.result.low for m in standardised_effect(prepare(evidence))])
        for evidence in (one, eight)
    ]
    assert widths[1] == pytest.approx(widths[0])


def test_a_full_weigh_takes_less_than_a_second_and_a_half():
    evidence = synthetic_evidence(0)
    weigh(evidence)
    start = time.process_time()
    weigh(evidence)
    assert time.process_time() - start < 1.5


def test_the_fixture_plants_what_it_says():
    view = prepare(synthetic_evidence(0, stereotype_effect={"gender": 3.0}))
    cube = view.of(Kind.STEREOTYPE)[0]
    assert len(cube.item) == 8 * 38
    gender = [m.result.value for m in stereotype_effect(view) if m.scope.topic == "gender"]
    other = [m.result.value for m in stereotype_effect(view) if m.scope.topic == "age"]
    assert np.mean(gender) - np.mean(other) > 2
    assert clustered_mean(gender, list(range(8)), unit="nats")[0].p_value is None
