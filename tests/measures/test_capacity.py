"""Capacity inside the model: only what is above the control task and above an untrained model counts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audit.errors import RunError
from audit.findings import weigh
from audit.findings.designed import FEATURES
from audit.measures import prepare
from audit.measures.capacity import (
    beats_random_model,
    capacity_map,
    level_spread,
    pathway_capacity,
    representation_capacity,
    representation_gap,
)
from audit.measures.culture import Facts
from audit.measures.feature_tables import above_control, sae_quality
from audit.records import Kind, Undefined, Verdict
from tests.measures.feature_evidence import by_hand, tables_from, with_features
from tests.measures.synthetic import CULTURES, synthetic_evidence
from tests.measures.test_by_hand import only


def cultures(names=("a", "b"), facets=("food", "dress")):
    return [{"item": f"{f}.{c}", "topic": f, "culture": c} for f in facets for c in names]


def read(bits, *, control=0.0, lens="probe", language="en", context="practice", **more):
    """Rows of `capacities`: item -> bits."""
    return [
        {"suite": "s", "language": language, "item": item, "context": context, "lens": lens, "layer": 1}
        | {"target": item.partition(".")[2], "bits": value, "control_bits": control}
        | more
        for item, value in bits.items()
    ]


BITS = {"food.a": 1.0, "dress.a": 2.0, "food.b": 0.0, "dress.b": 0.6}


def view_of(*rows, items=None):
    return prepare(
        tables_from(by_hand(Kind.CULTURE, items or cultures()), capacities=[r for some in rows for r in some])
    )


def test_capacity_is_the_mean_of_bits_above_the_control_task():
    view = view_of(read(BITS, control=-0.2))
    a = only(representation_capacity(view), suite="s", culture="a", lens="probe")
    assert a.result.value == pytest.approx(1.7)  # (1 + 2) / 2 - (-0.2)
    assert a.result.unit == "bits"
    english = only(representation_capacity(view), suite="s", language="en", lens="probe")
    # Facets are the units: food (1.0 + 0.0) / 2 = 0.5, dress (2.0 + 0.6) / 2 = 1.3, and the control.
    assert english.result.value == pytest.approx(0.9 + 0.2)
    assert english.result.n_clusters == 2
    # t(1): half the distance of two facets, 0.4, times 12.706
    assert english.result.high - english.result.value == pytest.approx(0.4 * 12.7062, rel=1e-4)


def test_a_gap_is_the_distance_to_the_others_of_the_same_facet():
    gap = only(representation_gap(view_of(read(BITS))), suite="s", culture="a", lens="probe")
    assert gap.result.value == pytest.approx(1.2)  # ((1.0 - 0.0) + (2.0 - 0.6)) / 2
    assert gap.result.p_value == pytest.approx(0.5)  # of the 2 x 2 ways to name one per facet, two lie as far out


def test_contexts_and_layers_of_an_item_are_averaged():
    twice = [*read(BITS), *read({k: v + 1 for k, v in BITS.items()}, layer=2)]
    assert above_control(view_of(twice), view_of(twice).of(Kind.CULTURE)[0], "probe") == pytest.approx(
        [2.5, 1.1, 1.5, 0.5]  # dress.a, dress.b, food.a, food.b, each with half a bit more
    )


def test_what_is_not_measured_is_not_zero():
    view = view_of(read(BITS | {"food.a": float("nan")}))
    a = only(representation_capacity(view), suite="s", culture="a", lens="probe")
    assert isinstance(a.result, Undefined) or a.result.n_items == 1
    values = above_control(view, view.of(Kind.CULTURE)[0], "probe")
    assert np.isnan(values).sum() == 1
    no_control = view_of(read(BITS, control=float("nan")))
    assert np.isnan(above_control(no_control, no_control.of(Kind.CULTURE)[0], "probe")).all()


def test_an_item_about_another_target_tells_nothing_of_its_own():
    other = read({"food.a": 9.0}, target="b")
    view = view_of([*read({k: v for k, v in BITS.items() if k != "food.a"}), *other])
    assert np.isnan(above_control(view, view.of(Kind.CULTURE)[0], "probe")[2])


def test_an_item_that_was_read_twice_is_refused():
    with pytest.raises(RunError, match=r"capacities: item food\.a of suite s appears twice"):
        representation_capacity(view_of([*read(BITS), *read({"food.a": 1.0})]))


def test_the_pathway_keeps_its_own_unit():
    rows = [*read(BITS), *read(BITS, lens="pathway", control=float("nan"))]
    found = only(pathway_capacity(view_of(rows)), suite="s", culture="a")
    assert found.result.unit == "control spreads"
    assert {m.scope.lens for m in representation_capacity(view_of(rows))} == {"probe"}


def test_the_level_of_a_culture_counts_facets_and_facts():
    """Exactly the expected mean squares of the two-way layout; slow and obvious: each culture's own variance."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 6)) + rng.normal(size=(4, 1))
    facets, names = np.repeat([*"fghi"], 6), np.tile([*"abcdef"], 4)
    spread, degrees = level_spread(Facts(values=values.ravel(), facets=facets, cultures=names))
    assert spread**2 == pytest.approx(values.var(axis=0, ddof=1).mean())
    assert 3 <= degrees <= 18  # between facets alone (3) and facts alone (6 x 3)


def test_latents_count_only_beyond_those_of_a_random_model():
    learnt = with_features(synthetic_evidence(0, languages=("en", "es")), 1, latents=1.5, random_model=0.0)
    empty = with_features(synthetic_evidence(0, languages=("en", "es")), 1, latents=1.5, random_model=1.5)
    beyond, within = (
        [m for m in representation_capacity(prepare(e)) if m.scope.lens == "latents" and m.scope.culture]
        for e in (learnt, empty)
    )
    assert all(beats_random_model(m) for m in beyond)
    assert sum(beats_random_model(m) for m in within) <= 2  # of 14, at 0.05
    findings = [f for f in weigh(empty) if f.family == "level of representation by culture, latents"]
    unbeaten = [f for f in findings if not beats_random_model(f.measurement)]
    assert {f.verdict for f in unbeaten} == {Verdict.INSUFFICIENT}
    assert all(any("randomly re-initialised model" in c for c in f.caveats) for f in unbeaten)


def test_without_a_random_model_latents_are_no_evidence():
    evidence = with_features(synthetic_evidence(0, languages=("en", "es")), 1, latents=1.5)
    table = evidence.capacities
    table = table[table["lens"] != "latents of a random model"].reset_index(drop=True)
    findings = weigh(dataclasses.replace(evidence, capacities=table))
    levels = [f for f in findings if f.family == "level of representation by culture, latents"]
    assert {f.verdict for f in levels} == {Verdict.INSUFFICIENT}
    assert all("not compared with the latents" in " ".join(f.caveats) for f in levels)


def test_a_language_that_the_sae_stands_for_badly_is_told_wherever_latents_are_read():
    evidence = with_features(synthetic_evidence(0, languages=("en", "sw")), 1, recovered={"sw": 0.6})
    view = prepare(evidence)
    assert sae_quality(view).set_index("language")["flagged"].to_dict() == {"en": False, "sw": True}
    for found in representation_capacity(view):
        told = any("stands badly for Swahili (0.60)" in note for note in found.notes)
        assert told == (found.scope.lens == "latents" and found.scope.language in ("", "sw"))


def test_the_map_has_a_cell_for_each_culture_and_language():
    view = prepare(with_features(synthetic_evidence(0, unreadable=("yo",)), 0, probe={"kenya": 2.0}))
    table = capacity_map(view, "culture", "probe")
    assert len(table) == len(CULTURES) * (1 + 8)
    kenya = table[(table["culture"] == "kenya") & table["interpretable"]]
    assert (kenya["low"] <= kenya["value"]).all()
    assert kenya["value"].mean() == pytest.approx(2.0, abs=0.8)  # two SDs of a mean of four facts
    assert set(table.loc[~table["interpretable"], "language"]) == {"yo"}
    with pytest.raises(RunError, match="lens steering"):
        capacity_map(view, "culture", "steering")
    with pytest.raises(RunError, match="no culture suite"):
        capacity_map(view, "values", "probe")


def test_a_run_that_did_not_look_has_no_such_families():
    findings = weigh(synthetic_evidence(0, languages=("en",)))
    assert not {f.measurement.measure for f in findings} & set(FEATURES)


def test_features_leave_all_other_findings_as_they_are():
    evidence = synthetic_evidence(0, languages=("en", "sw"))
    plain, looked = weigh(evidence), weigh(with_features(evidence, 0))
    assert tuple(f for f in looked if f.measurement.measure not in FEATURES) == plain


def test_the_same_tables_in_any_order_give_the_same_findings():
    evidence = with_features(synthetic_evidence(0, languages=("en", "sw"), with_pairs=False), 0, auroc=0.8)
    shuffled = dataclasses.replace(
        evidence,
        **{
            name: getattr(evidence, name).sample(frac=1, random_state=3).reset_index(drop=True)
            for name in ("capacities", "scores", "steering", "causal", "similarities", "latents", "saes")
        },
    )
    assert [(f.id, f.verdict) for f in weigh(evidence)] == [(f.id, f.verdict) for f in weigh(shuffled)]
