"""Frameworks: capacity, steering and their evenness by hand."""

from __future__ import annotations

import numpy as np
import pytest

from audit.errors import RunError
from audit.findings import weigh
from audit.measures import prepare
from audit.measures.balance import (
    balance_table,
    framework_balance,
    framework_capacity,
    framework_difference,
    steering_capacity,
    steering_difference,
)
from audit.records import Estimate, Kind, Undefined, Verdict
from tests.measures.feature_evidence import by_hand, tables_from, with_features
from tests.measures.synthetic import FRAMEWORKS, synthetic_evidence
from tests.measures.test_by_hand import only

STATEMENTS = [{"item": f"{f}{i}", "topic": f, "framework": f} for f in "xyz" for i in range(2)]
BITS = {"x0": 0.2, "x1": 0.4, "y0": 0.5, "y1": 0.9, "z0": 0.1, "z1": 0.1}


def statements(bits=BITS):
    rows = [
        {"suite": "s", "language": "en", "item": item, "context": context, "lens": "probe", "target": item[0]}
        | {"bits": value + shift, "control_bits": -0.1}
        for item, value in bits.items()
        for context, shift in (("endorse/1", 0.05), ("reject/1", -0.05))  # cancels in the mean
    ]
    return prepare(tables_from(by_hand(Kind.VALUES, STATEMENTS), capacities=rows))


def test_capacity_of_a_framework_is_the_mean_over_its_statements_above_control():
    y = only(framework_capacity(statements()), suite="s", framework="y", lens="probe")
    assert y.result.value == pytest.approx(0.8)  # (0.5 + 0.9) / 2 + 0.1
    # Spread around frameworks: squares 2 x (0.1^2 + 0.2^2 + 0) = 0.1 over 3 degrees
    assert y.details["standard_error"] == pytest.approx(np.sqrt(0.1 / 3) / np.sqrt(2))
    english = only(framework_capacity(statements()), suite="s", language="en", lens="probe")
    assert english.result.value == pytest.approx(2.2 / 6 + 0.1)


def test_every_pair_of_frameworks_has_a_difference_with_the_common_spread():
    found = framework_difference(statements())
    assert len(found) == 3
    xy = only(found, suite="s", framework="x", other_framework="y", lens="probe")
    assert xy.result.value == pytest.approx(-0.4)  # 0.3 - 0.7
    assert xy.details["standard_error"] == pytest.approx(np.sqrt(0.1 / 3))  # sqrt(1/2 + 1/2) times the spread
    assert xy.result.n_clusters == 4


def test_balance_by_hand():
    found = only(framework_balance(statements()), suite="s", lens="probe")
    c = np.array([0.4, 0.8, 0.2])  # above control; shares 2/7, 4/7, 1/7
    p = c / c.sum()
    assert found.details["as_measured"] == pytest.approx(np.exp(-(p * np.log(p)).sum()) / 3)
    assert (found.details["smallest"], found.details["largest"]) == pytest.approx((0.2, 0.8))
    assert found.result.null == 1.0
    assert found.result.low <= found.result.value <= found.result.high <= 1.0


DILEMMAS = [{"item": f"d{i}", "topic": "t", "framework": "x", "other_framework": "y"} for i in range(3)]


def steered(own, random, items=DILEMMAS):
    """own: (item, framework) -> slope along the framework's direction; random: slopes along four random ones."""
    rows = [
        {"suite": "s", "language": "en", "item": item, "framework": framework, "direction": number, "slope": slope}
        for (item, framework), value in own.items()
        for number, slope in enumerate([value, *random])
    ]
    return tables_from(by_hand(Kind.DILEMMA, items), steering=rows)


OWN = {("d0", "x"): 3.0, ("d1", "x"): 5.0, ("d2", "x"): 4.0, ("d0", "y"): 0.0, ("d1", "y"): 1.0, ("d2", "y"): -1.0}


def test_a_slope_counts_beyond_random_directions_in_their_spread():
    view = prepare(steered(OWN, [-1.0, 1.0, -1.0, 1.0]))  # mean 0, SD sqrt(4 / 3)
    x = only(steering_capacity(view), suite="s", framework="x")
    assert x.result.value == pytest.approx(4.0 / np.sqrt(4 / 3))
    assert x.result.unit == "random spreads"
    shifted = prepare(
        steered({k: v + 2 for k, v in OWN.items()}, [1.0, 3.0, 1.0, 3.0])
    )  # all 2 higher: nothing changes
    assert only(steering_capacity(shifted), suite="s", framework="x").result.value == pytest.approx(x.result.value)
    xy = only(steering_difference(view), suite="s", framework="x", other_framework="y")
    assert xy.result.value == pytest.approx(4.0 / np.sqrt(4 / 3))


def test_three_random_directions_are_no_null():
    found = steering_capacity(prepare(steered(OWN, [-1.0, 1.0, 0.5])))
    assert all(isinstance(m.result, Undefined) for m in found)


def test_a_slope_on_a_framework_that_the_dilemma_does_not_have_is_not_counted():
    view = prepare(steered({**OWN, ("d0", "z"): 99.0}, [-1.0, 1.0, -1.0, 1.0]))
    assert {m.scope.framework for m in steering_capacity(view)} == {"", "x", "y"}


def test_a_slope_that_appears_twice_is_refused():
    evidence = steered(OWN, [-1.0, 1.0, -1.0, 1.0])
    twice = tables_from(evidence, steering=[*evidence.steering.to_dict("records")] * 2)
    with pytest.raises(RunError, match="a slope of item d0 of suite s appears twice"):
        steering_capacity(prepare(twice))


def test_planted_frameworks_are_found_and_said_in_their_direction():
    evidence = with_features(
        synthetic_evidence(0, languages=("en", "es", "hi", "sw"), with_pairs=False, with_parallel=False),
        0,
        frameworks={"ubuntu": 0.8},
        steering={"care": 4.0},
    )
    findings = weigh(evidence)
    pairs = [f for f in findings if f.family == "differences of frameworks, probe" and f.verdict is Verdict.EVIDENCE]
    assert {"ubuntu"} == set.intersection(
        *({f.measurement.scope.framework, f.measurement.scope.other_framework} for f in pairs)
    )
    assert len(pairs) == 7
    assert all(f.confirmatory and f.family_size == 28 for f in pairs)
    assert any("for care than for" in f.sentence or "than for care" in f.sentence for f in findings)
    lens = {f.measurement.scope.lens: f.verdict for f in findings if f.family.startswith("balance of frameworks, ")}
    assert set(lens.values()) == {Verdict.EVIDENCE}


def test_the_table_has_a_cell_for_each_framework_and_language():
    view = prepare(with_features(synthetic_evidence(0, languages=("en", "sw")), 0, frameworks=0.5, steering=2.0))
    for suite, lens in (("values", "probe"), ("values", "latents"), ("dilemma", "steering")):
        table = balance_table(view, suite, lens)
        assert len(table) == len(FRAMEWORKS) * 3
        assert (table["low"] < table["high"]).all()
    with pytest.raises(RunError, match="was not looked at through the lens steering"):
        balance_table(view, "values", "steering")
    assert all(isinstance(m.result, Estimate) for m in framework_balance(view))


def test_planted_balance_comes_out_in_its_order():
    """From all alike to one framework with everything."""
    found = []
    for planted in (
        dict.fromkeys(FRAMEWORKS, 0.5),
        {f: 0.1 + 0.1 * i for i, f in enumerate(FRAMEWORKS)},
        {f: 0.8 * (i < 4) for i, f in enumerate(FRAMEWORKS)},
        {f: 0.8 * (i < 1) for i, f in enumerate(FRAMEWORKS)},
    ):
        view = prepare(with_features(synthetic_evidence(0, languages=("en", "es")), 0, frameworks=planted))
        found.append(only(framework_balance(view), suite="values", lens="probe").result.value)
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.95
    assert found[3] < 0.3
