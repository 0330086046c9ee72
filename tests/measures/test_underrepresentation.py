"""Two lenses at least: one alone is told as such."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from audit.findings import weigh
from audit.measures import prepare
from audit.measures.underrepresentation import partial_conjunction_p, underrepresentation
from audit.records import Kind, Undefined, Verdict
from tests.measures.feature_evidence import by_hand, tables_from, with_features
from tests.measures.synthetic import synthetic_evidence
from tests.measures.test_by_hand import only
from tests.measures.test_capacity import cultures, read


def test_two_lenses_need_the_second_smallest_p_value():
    assert partial_conjunction_p(np.array([0.001, 0.2, 0.9]), 2) == pytest.approx(0.4)  # 2 x 0.2
    assert partial_conjunction_p(np.array([0.001, 0.002, 0.9, 0.8]), 2) == pytest.approx(0.006)  # 3 x 0.002
    assert partial_conjunction_p(np.array([0.3, 0.9]), 2) == pytest.approx(0.9)
    assert partial_conjunction_p(np.array([0.01, 0.02, 0.03]), 1) == pytest.approx(0.03)  # Bonferroni


def test_the_partial_conjunction_holds_its_level_when_one_lens_has_an_effect():
    """One true effect among three tests: "two or more" is raised in at most 5 %, however they depend."""
    rng = np.random.default_rng(0)
    null = rng.uniform(size=(20_000, 1))
    dependent = np.hstack([np.zeros((20_000, 1)), null, null])  # both nulls are the same test
    independent = np.hstack([np.zeros((20_000, 1)), rng.uniform(size=(20_000, 2))])
    for p in (dependent, independent):
        raised = np.mean([partial_conjunction_p(row, 2) < 0.05 for row in p])
        assert raised <= 0.053


def test_the_second_lowest_gap_is_the_number():
    """Probe: a is 1.2 below b on average; latents: 0.4 below. The second-lowest of two is the higher."""
    items = cultures("abc", ("food", "dress", "feast"))
    rng = np.random.default_rng(0)
    noise = {f"{f}.{c}": rng.normal(0, 0.1) for f, c in product(("food", "dress", "feast"), "abc")}
    rows = [
        *read({k: v - 1.2 * k.endswith("a") for k, v in noise.items()}),
        *read({k: v - 0.4 * k.endswith("a") for k, v in noise.items()}, lens="latents"),
    ]
    view = prepare(tables_from(by_hand(Kind.CULTURE, items), capacities=rows))
    a = only(underrepresentation(view), suite="s", culture="a")
    assert a.details["gap_probe"] < a.details["gap_latents"] == a.result.value < 0
    assert a.result.p_value == pytest.approx(max(a.details["p_below_probe"], a.details["p_below_latents"]))
    assert any("read the same layer" in note for note in a.notes)


def test_one_lens_is_not_enough_to_say_anything():
    view = prepare(tables_from(by_hand(Kind.CULTURE, cultures()), capacities=read({"food.a": 1.0, "dress.a": 1.2})))
    found = only(underrepresentation(view), suite="s", culture="a")
    assert isinstance(found.result, Undefined)
    assert "underrepresentation needs 2" in found.result.reason


def test_a_culture_below_in_one_lens_is_told_and_not_called_underrepresented():
    plain = synthetic_evidence(2, languages=("en", "es", "sw"), with_pairs=False, with_parallel=False)
    one = weigh(with_features(plain, 2, probe={"kenya": -2.0}))
    kenya = next(
        f for f in one if f.family == "underrepresentation by culture" and f.measurement.scope.culture == "kenya"
    )
    assert kenya.verdict is not Verdict.EVIDENCE
    assert any("below the others in one lens only (probe)" in caveat for caveat in kenya.caveats)
    assert "is underrepresented" not in " ".join(f.sentence for f in one)
    two = weigh(with_features(plain, 2, probe={"kenya": -2.0}, pathway={"kenya": -2.0}))
    kenya = next(
        f for f in two if f.family == "underrepresentation by culture" and f.measurement.scope.culture == "kenya"
    )
    assert kenya.verdict is Verdict.EVIDENCE
    assert "Kenya is underrepresented: below the other cultures in two lenses at least (" in kenya.sentence


def test_competence_is_a_covariate_where_it_can_be_one():
    """Languages that are read equally well say so; with different shares right each culture has a slope."""
    alike = with_features(synthetic_evidence(0, right=1.0), 0)
    differ = with_features(synthetic_evidence(0, right=0.9), 0)
    few = with_features(synthetic_evidence(0, languages=("en", "es")), 0)
    notes, slopes, short = (
        only(underrepresentation(prepare(e)), suite="culture", culture="kenya") for e in (alike, differ, few)
    )
    assert any("do not differ in competence" in note for note in notes.notes)
    assert "slope_on_competence_probe" in slopes.details
    assert any("a slope on competence needs 4" in note for note in short.notes)


def test_a_slope_on_competence_equals_a_slow_regression_of_gaps():
    """In a complete layout the slope is that of the culture's gaps (times 13/14) on the shares right."""
    from audit.measures.capacity import representation_gap
    from audit.measures.competence import competence

    view = prepare(with_features(synthetic_evidence(4, right=0.9), 4))
    read_ = {m.scope.language: m.result.value for m in competence(view)}
    gaps = {
        m.scope.language: m.result.value
        for m in representation_gap(view)
        if m.scope.culture == "kenya" and m.scope.lens == "probe" and m.scope.language
    }
    found = only(underrepresentation(view), suite="culture", culture="kenya")
    pooled = {name.code for name in found.notes[0].values["languages"].things}
    read_languages = sorted(set(gaps) & pooled)
    x = np.array([read_[language] for language in read_languages])
    y = np.array([gaps[language] for language in read_languages])
    slope = np.polyfit(x, y, 1)[0] * 13 / 14
    assert found.details["slope_on_competence_probe"] == pytest.approx(slope / 10)
