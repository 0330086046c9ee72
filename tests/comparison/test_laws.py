"""Laws that hold for every measure at once, on evidence of imaginary models with everything in it."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from audit.comparison import Comparison, Outcome, compare
from audit.comparison.files import as_content
from audit.comparison.weighing import COMPARED, FAMILIES, REFUSED
from audit.findings import weigh
from audit.measures import MEASURES
from audit.records import Estimate, Evidence, Undefined
from audit.runs import canonical
from tests.measures.circuit_evidence import with_circuits
from tests.measures.feature_evidence import with_features
from tests.measures.synthetic import synthetic_evidence

LANGUAGES = ("en", "es", "sw")
NUMBERS = ("value", "low", "high", "p_value")


def everything(seed: int, **planted: object) -> Evidence:
    evidence = synthetic_evidence(seed, languages=LANGUAGES, judgement_correlation=0.8, **planted)  # type: ignore[arg-type]
    return with_circuits(with_features(evidence, seed, probe=0.5, frameworks=0.4), seed, exact_everywhere=True)


@pytest.fixture(scope="module")
def runs() -> tuple[Evidence, Evidence]:
    return everything(1), everything(2, stereotype_effect={"gender": 3.0})


@pytest.fixture(scope="module")
def comparison(runs: tuple[Evidence, Evidence]) -> Comparison:
    return compare(*runs)


def test_every_measure_of_the_catalogue_is_compared_or_refused_with_a_reason():
    assert {measure.name for measure in MEASURES} == {*COMPARED, *REFUSED}
    assert not set(COMPARED) & set(REFUSED)
    assert {family.measure for family in FAMILIES} == set(COMPARED)


def test_every_compared_measure_finds_something_to_compare(comparison: Comparison):
    assert {one.measure for one in comparison.differences if isinstance(one.estimate, Estimate)} == set(COMPARED)


def test_swapping_the_runs_negates_everything_exactly(runs: tuple[Evidence, Evidence], comparison: Comparison):
    back = compare(runs[1], runs[0])
    turned = {Outcome.HIGHER: Outcome.LOWER, Outcome.LOWER: Outcome.HIGHER}
    for one, other in zip(comparison.differences, back.differences, strict=True):
        assert (one.measure, one.scope, one.family_size) == (other.measure, other.scope, other.family_size)
        assert (one.p, one.p_adjusted, one.detectable) == (other.p, other.p_adjusted, other.detectable)
        assert (one.value_a, one.value_b) == (other.value_b, other.value_a)
        assert other.verdict is turned.get(one.verdict, one.verdict)
        if isinstance(one.estimate, Estimate) and isinstance(other.estimate, Estimate):
            assert one.estimate.value == -other.estimate.value
            assert (one.estimate.low, one.estimate.high) == (-other.estimate.high, -other.estimate.low)
    for node, twin in zip(comparison.nodes, back.nodes, strict=True):
        assert (node.layer, node.head, node.estimate.value) == (twin.layer, twin.head, -twin.estimate.value)
        assert node.p_adjusted == twin.p_adjusted


def test_the_order_of_rows_does_not_matter(runs: tuple[Evidence, Evidence], comparison: Comparison):
    def shuffled(evidence: Evidence, seed: int) -> Evidence:
        tables = {
            one.name: table.sample(frac=1, random_state=seed)
            for one in fields(Evidence)
            if isinstance(table := getattr(evidence, one.name), pd.DataFrame)
        }
        return replace(evidence, **tables)

    again = compare(shuffled(runs[0], 1), shuffled(runs[1], 2))
    assert again.same_items == comparison.same_items
    for one, other in zip(comparison.differences, again.differences, strict=True):
        assert (one.scope, one.verdict) == (other.scope, other.verdict)
        if isinstance(one.estimate, Estimate) and isinstance(other.estimate, Estimate):
            for name in NUMBERS:
                assert getattr(one.estimate, name) == pytest.approx(getattr(other.estimate, name), abs=1e-9)


def test_a_difference_is_the_difference_of_the_measures(comparison: Comparison):
    """Linear measures: B - A of the estimate is the estimate of B - A."""
    for one in comparison.differences:
        if isinstance(one.estimate, Estimate) and one.value_a is not None and one.value_b is not None:
            assert one.estimate.value == pytest.approx(one.value_b - one.value_a, abs=1e-9), (one.measure, one.scope)


def test_values_of_each_run_are_those_of_its_own_findings(runs: tuple[Evidence, Evidence]):
    """With the same items in both runs, nothing is lost by comparing: each side is the run's own estimate."""
    found = [{(f.measurement.measure, f.measurement.scope): f for f in weigh(one)} for one in runs]
    comparison = compare(*runs, findings_a=tuple(found[0].values()), findings_b=tuple(found[1].values()))
    checked = set()
    for one in comparison.differences:
        key = (one.measure, one.scope)
        for side, value, id_ in ((found[0], one.value_a, one.finding_a), (found[1], one.value_b, one.finding_b)):
            if value is not None and key in side:
                result = side[key].measurement.result
                assert isinstance(result, Estimate)
                assert value == pytest.approx(result.value, abs=1e-9), key
                assert id_ == side[key].id
                checked.add(one.measure)
    # Those pooled over languages may rest on fewer: a language has to pass in both runs.
    assert checked == set(COMPARED)


def test_a_planted_difference_is_found_where_it_was_planted(comparison: Comparison):
    (found,) = (
        one for one in comparison.differences if one.family == "stereotypes by axis" and one.scope.topic == "gender"
    )
    assert found.verdict is Outcome.HIGHER


def test_families_hold_what_was_asked_and_nothing_twice(comparison: Comparison):
    keys = [(one.measure, one.scope) for one in comparison.differences]
    assert len(keys) == len(set(keys))
    for family in FAMILIES:
        members = [one for one in comparison.differences if one.family == family.name]
        assert all(one.family_size == len(members) for one in members)
        tested = [one for one in members if one.p_adjusted is not None]
        assert all((one.p_adjusted or 0) >= (one.p or 0) for one in tested)


def test_nats_never_cross_languages(comparison: Comparison):
    for one in comparison.differences:
        if isinstance(one.estimate, Estimate) and one.estimate.unit == "nats":
            assert one.scope.language
            assert not one.scope.other_language


def test_a_language_that_neither_reads_is_in_no_pooled_difference():
    unread = compare(
        synthetic_evidence(1, languages=LANGUAGES, unreadable=("sw",)), synthetic_evidence(2, languages=LANGUAGES)
    )
    without = compare(
        synthetic_evidence(1, languages=LANGUAGES, unreadable=("sw",)),
        synthetic_evidence(2, languages=LANGUAGES, unreadable=("sw",)),
    )
    for one, other in zip(unread.differences, without.differences, strict=True):
        if one.scope.language == "sw" and one.measure not in ("competence", "bits_per_byte"):
            assert one.verdict in (Outcome.NOT_INTERPRETABLE, Outcome.UNDEFINED)
            assert one.p_adjusted is None
        elif not one.scope.language and isinstance(one.estimate, Estimate) and isinstance(other.estimate, Estimate):
            assert one.estimate.value == pytest.approx(other.estimate.value)


def test_another_sae_bars_latents_and_nothing_else(runs: tuple[Evidence, Evidence]):
    settings = {**runs[1].manifest.settings, "sae_digest": "of another"}
    other = replace(runs[1], manifest=replace(runs[1].manifest, settings=settings))
    comparison = compare(runs[0], other)
    assert all(one.scope.lens != "latents" for one in comparison.differences)
    assert any(one.scope.lens == "probe" for one in comparison.differences)
    assert {one.what: one.reason for one in comparison.not_comparable}["latents"] == "not comparable: different SAE"


def test_models_of_other_shapes_have_no_nodes_in_common(runs: tuple[Evidence, Evidence]):
    model = replace(runs[1].manifest.model, n_layers=99)
    comparison = compare(runs[0], replace(runs[1], manifest=replace(runs[1].manifest, model=model)))
    assert comparison.nodes == ()
    assert all(isinstance(one.result, Undefined) for one in comparison.likenesses)
    assert any(one.measure == "circuit_share" for one in comparison.differences)  # shares need no common nodes


def test_another_tokenizer_leaves_effects_and_bits_and_is_told(runs: tuple[Evidence, Evidence]):
    model = replace(runs[1].manifest.model, tokenizer_sha256="other")
    comparison = compare(runs[0], replace(runs[1], manifest=replace(runs[1].manifest, model=model)))
    assert any("different tokenizers" in note for note in comparison.notes)


def test_a_run_compared_with_its_own_copy_differs_in_nothing(runs: tuple[Evidence, Evidence]):
    copy = replace(runs[0], manifest=replace(runs[0].manifest, run_id="copy"))
    comparison = compare(runs[0], copy)
    for one in comparison.differences:
        if isinstance(one.estimate, Estimate):
            assert one.estimate.value == 0
            assert one.verdict in (Outcome.INDISTINGUISHABLE, Outcome.NOT_INTERPRETABLE)
    assert {one.verdict for one in comparison.nodes} == {Outcome.INDISTINGUISHABLE}
    for likeness in comparison.likenesses:
        assert isinstance(likeness.result, Estimate)  # the very same circuit, so B's patches answer for A's
    ranks = [
        one.result.value
        for one in comparison.likenesses
        if one.what.startswith("rank") and isinstance(one.result, Estimate)
    ]
    assert ranks == pytest.approx([1.0] * len(ranks))


def test_a_circuit_that_b_never_patched_has_no_share_in_b(runs: tuple[Evidence, Evidence]):
    moved = runs[0].circuits.assign(layer=(runs[0].circuits["layer"] + 1) % 4)
    comparison = compare(replace(runs[0], circuits=moved), runs[1])
    transfers = [one for one in comparison.likenesses if one.what == "A's circuit in B"]
    assert transfers
    for one in transfers:
        assert isinstance(one.result, Undefined)
        assert "never patched" in one.result.reason


def test_the_json_holds_no_number_that_is_none(comparison: Comparison):
    content = as_content(comparison)
    canonical(content)  # refuses NaN and infinities
    assert content["direction"] == "B - A"
    assert len(content["differences"]) == len(comparison.differences)
    first = content["differences"][0]
    assert {"p", "detectable", "n_items", "n_templates", "would_show"} <= set(first)


def test_detectable_grows_with_the_family(runs: tuple[Evidence, Evidence]):
    """One language alone needs no correction, three do."""
    one = [synthetic_evidence(seed, languages=("en",)) for seed in (1, 2)]
    three = [synthetic_evidence(seed, languages=LANGUAGES) for seed in (1, 2)]
    alone, among = (
        next(d for d in compare(*pair).differences if d.family == "stereotypes by language") for pair in (one, three)
    )
    assert alone.family_size == 1
    assert among.family_size == 3
    assert alone.detectable is not None
    assert np.isfinite(alone.detectable)
