"""Diversity: the formulas by hand, and that noise is not taken for unevenness."""

from __future__ import annotations

import numpy as np
import pytest

from audit.measures import prepare
from audit.measures.culture import hill_numbers
from audit.measures.diversity import (
    Groups,
    diversity,
    diversity_profile,
    plausible,
    representation_diversity,
    similarity_matrix,
    spreading,
)
from audit.records import Kind, Undefined
from tests.measures.feature_evidence import by_hand, tables_from, with_features
from tests.measures.synthetic import CULTURES, synthetic_evidence
from tests.measures.test_by_hand import only
from tests.measures.test_capacity import cultures, read


def test_hill_numbers_by_hand():
    c = np.array([2.0, 1.0, 1.0, 0.0, -3.0])  # shares 1/2, 1/4, 1/4; below zero is no share
    assert diversity(c, 0) == pytest.approx(3)
    assert diversity(c, 1) == pytest.approx(2**1.5)  # entropy 1.5 bits
    assert diversity(c, 2) == pytest.approx(8 / 3)  # 1 / (1/4 + 1/16 + 1/16)
    assert hill_numbers(c) == pytest.approx([float(diversity(c, q)) for q in (0, 1, 2)])
    assert np.isnan(diversity(np.array([-1.0, 0.0]), 1))


def test_similar_cultures_count_for_less():
    """Leinster and Cobbold: two equal species with similarity s are 2 / (1 + s) species, whatever the order."""
    for s in (0.0, 0.25, 1.0):
        z = np.array([[1, s], [s, 1]])
        for q in (0, 0.5, 1, 2, 3):
            assert diversity(np.array([0.7, 0.7]), q, z) == pytest.approx(2 / (1 + s))


def test_with_nothing_in_common_similarity_changes_nothing():
    rng = np.random.default_rng(0)
    c = rng.uniform(0, 2, (5, 6))
    for q in (0, 1, 2):
        assert diversity(c, q, np.eye(6)) == pytest.approx(diversity(c, q))


def test_similarity_sensitive_diversity_equals_a_slow_loop():
    rng = np.random.default_rng(1)
    c, z = rng.uniform(0, 2, 5), rng.uniform(0, 1, (5, 5))
    z = (z + z.T) / 2
    np.fill_diagonal(z, 1)
    p = c / c.sum()
    for q in (0.0, 2.0, 3.0):
        slow = sum(p[i] * sum(z[i, j] * p[j] for j in range(5)) ** (q - 1) for i in range(5)) ** (1 / (1 - q))
        assert diversity(c, q, z) == pytest.approx(slow)
    slow = np.exp(-sum(p[i] * np.log(sum(z[i, j] * p[j] for j in range(5))) for i in range(5)))
    assert diversity(c, 1, z) == pytest.approx(slow)
    assert diversity(c, 1 + 1e-6, z) == pytest.approx(slow, rel=1e-4)  # the limit


def test_similarities_are_made_symmetric_clipped_and_complete_or_left_out():
    rows = [
        {"target": "a", "other_target": "b", "overlap": 0.4},
        {"target": "b", "other_target": "a", "overlap": 0.6},
        {"target": "a", "other_target": "c", "overlap": -0.3},
        {"target": "b", "other_target": "c", "overlap": 1.2},
    ]
    evidence = tables_from(by_hand(Kind.CULTURE, cultures()), similarities=[{"suite": "s", **r} for r in rows])
    z = similarity_matrix(evidence.similarities, ["a", "b", "c"], "en")
    assert z == pytest.approx(np.array([[1, 0.5, 0], [0.5, 1, 1], [0, 1, 1]]))
    assert similarity_matrix(evidence.similarities, ["a", "b", "c", "d"], "en") is None


def groups(levels, *, spread=0.3, n=4, seed=0):
    rng = np.random.default_rng(seed)
    names = np.repeat([chr(97 + i) for i in range(len(levels))], n)
    values = np.repeat(levels, n) + rng.normal(0, spread, n * len(levels))
    return Groups(values=values, group=names, block=np.tile(range(n), len(levels)), spread=spread, degrees=39)


def test_noise_is_not_taken_for_unevenness():
    """Fourteen equal cultures, measured with much noise: the plain number says 13, the estimate all fourteen."""
    spread = spreading(groups([1.0] * 14, spread=0.8, seed=3))
    value, low, high = spread.interval(lambda c: diversity(c, 1))
    assert diversity(spread.means, 1) < 13.3
    assert value > 13.3
    assert high == pytest.approx(14, abs=0.01)
    assert low < 14


def test_half_of_the_cultures_represented_and_half_not_are_half_as_many():
    spread = spreading(groups([1.0] * 7 + [0.0] * 7, spread=0.4, seed=1))
    _, low, high = spread.interval(lambda c: diversity(c, 1))
    assert low <= 7 <= high
    assert diversity(spread.means, 1) > 7.5  # the noise of seven zeros passes for a little of each


def test_plausible_capacities_scatter_less_than_measured_ones():
    """They are drawn toward each other; their mean stays."""
    rng = np.random.default_rng(0)
    measured = rng.normal(1, 0.5, 10)
    alike, _ = plausible(np.tile(measured, (4000, 1)), 0.4, 30)
    assert alike.mean() == pytest.approx(measured.mean(), abs=0.03)
    assert alike.mean(axis=0).std() < measured.std()


def test_cultures_with_more_facts_have_no_louder_say():
    """Rarefied: every draw takes equally many facts of each culture."""
    bits = {f"{f}.{c}": 1.0 + i / 10 for i, f in enumerate(("food", "dress", "feast", "song")) for c in "abc"}
    del bits["song.c"]
    items = cultures(("a", "b", "c"), ("food", "dress", "feast", "song"))
    view = prepare(tables_from(by_hand(Kind.CULTURE, items), capacities=read(bits)))
    found = only(representation_diversity(view), suite="s", lens="probe")
    assert any(note.startswith("rarefied") for note in found.notes)
    assert not any(
        note.startswith("rarefied")
        for m in representation_diversity(prepare(with_features(synthetic_evidence(0, languages=("en",)), 0)))
        for note in m.notes
    )


def test_nothing_above_the_control_has_no_diversity():
    bits = {f"{f}.{c}": -1.0 - (c == "a") / 10 - (f == "food") / 7 for f in ("food", "dress", "feast") for c in "abc"}
    items = cultures(("a", "b", "c"), ("food", "dress", "feast"))
    view = prepare(tables_from(by_hand(Kind.CULTURE, items), capacities=read(bits)))
    found = only(representation_diversity(view), suite="s", lens="probe")
    assert isinstance(found.result, Undefined)
    assert "nothing is represented above the control" in found.result.reason


def test_shares_of_noise_are_no_diversity():
    """Capacities that are not told apart from nothing have no evenness, whatever their noise looks like."""
    assert isinstance(spreading(groups([0.0] * 14, spread=0.8, seed=5)), str)
    assert not isinstance(spreading(groups([0.0] * 13 + [3.0], spread=0.8, seed=5)), str)  # one culture is enough


def test_each_lens_has_a_number_pooled_and_by_language():
    plain = synthetic_evidence(0, languages=("en", "es"))
    view = prepare(with_features(plain, 0, probe=1.0, latents=1.0, pathway=1.0))
    found = representation_diversity(view)
    assert {(m.scope.lens, bool(m.scope.language)) for m in found} == {
        (lens, by) for lens in ("knowledge", "probe", "latents", "pathway") for by in (False, True)
    }
    probe = only(found, suite="culture", lens="probe")
    assert probe.result.null == 14
    assert probe.details["hill_2"] <= probe.details["hill_1"] <= probe.details["hill_0"] <= 14
    assert probe.details["evenness"] == pytest.approx(probe.details["hill_1"] / 14)
    # Any two cultures overlap by 0.2: fourteen equal ones are 14 / (1 + 13 x 0.2) = 3.9
    assert probe.details["similar_1"] == pytest.approx(14 / 3.6, rel=0.05)


def test_a_planted_order_is_kept():
    """The more unevenly capacity is planted, the lower the number."""
    found = []
    for strength in (0.0, 0.5, 1.0):
        planted = {c: 1.0 + strength * (i - 6.5) / 6.5 for i, c in enumerate(CULTURES)}
        view = prepare(with_features(synthetic_evidence(0, languages=("en", "es", "sw")), 0, probe=planted))
        found.append(only(representation_diversity(view), suite="culture", lens="probe").result.value)
    assert found == sorted(found, reverse=True)
    assert found[0] - found[2] > 1


def test_a_profile_falls_with_the_order():
    view = prepare(with_features(synthetic_evidence(0, languages=("en", "es")), 0, probe={"kenya": 2.0, "usa": 1.0}))
    table = diversity_profile(view, "culture", "probe")
    assert (np.diff(table["value"]) <= 0.05).all()
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert (table["similar"] <= table["value"] + 1e-9).all()
    assert len(diversity_profile(view, "culture", "knowledge", "es")) == len(table)
