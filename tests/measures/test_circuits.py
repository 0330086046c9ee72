"""Circuits: shares worked by hand, what may be judged, and what a finding may claim."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit.errors import RunError, TooFewItems
from audit.findings import weigh
from audit.findings.designed import INSIDE
from audit.measures import prepare
from audit.measures.circuit_nodes import between_sorts, correlation, exchangeable_p
from audit.measures.circuit_shares import Carried, against_random, share_of
from audit.measures.circuits import (
    circuit_controls,
    circuit_overlap,
    circuit_share,
    circuit_strength,
    circuit_sufficiency,
    circuit_transfer,
    curve,
    node_map,
    parts,
    screening_error,
    transfer_matrix,
)
from audit.records import CIRCUIT_COLUMNS, NODE_COLUMNS, PATCH_COLUMNS, POOLED, WHOLE, Undefined, Verdict
from tests.measures.circuit_evidence import DRAWS, with_circuits
from tests.measures.synthetic import evidence_from, synthetic_evidence
from tests.measures.test_by_hand import only, stereotypes


def carried(own, effect, *, random=None, fold=None, template=None):
    n = len(own)
    return Carried(
        own=np.array(own, dtype=float),
        effect=np.array(effect, dtype=float),
        random=np.empty((n, 0)) if random is None else np.array(random, dtype=float),
        template=np.array([f"t{i}" for i in range(n)] if template is None else template, dtype=object),
        fold=np.zeros(n, dtype=np.int64) if fold is None else np.array(fold),
    )


def by_hand(social, effects, *, controls=(), on_controls=(), random=0.0, noise_floor=0.0, drop=()):
    """One language, items in folds 0, 1, 0, 1 ..., a circuit of one head; 50 random circuits with a constant effect."""
    base = evidence_from(*stereotypes(social, controls), noise_floor=noise_floor)
    rows = []
    named = {f"s{i}": e for i, e in enumerate(effects)} | {f"k{i}": e for i, e in enumerate(on_controls)}
    for place, (item, effect) in enumerate(named.items()):
        plain = {"suite": "s", "language": "en", "item": item, "circuit": "en", "fold": place % 2}
        plain |= {"part": "necessity", "ablation": "counterfactual", "size": 1}
        if item not in drop:
            rows.append(plain | {"draw": 0, "effect": effect})
        if item.startswith("s"):
            rows += [plain | {"draw": draw, "effect": random} for draw in range(1, DRAWS + 1)]
    patches = pd.DataFrame(rows)[list(PATCH_COLUMNS)].astype(dict(PATCH_COLUMNS))
    kept = {"suite": "s", "circuit": "en", "rank": 1, "layer": 0, "head": 1, "score": 1.0, "kept": True}
    circuits = pd.DataFrame([kept | {"fold": fold} for fold in (0, 1, WHOLE)])
    return dataclasses.replace(base, patches=patches, circuits=circuits.astype(dict(CIRCUIT_COLUMNS)))


def circuit_findings(evidence):
    return [f for f in weigh(evidence) if f.measurement.measure in INSIDE]


# --- the share ----------------------------------------------------------------------------------


def test_the_share_turns_each_effect_to_the_sign_of_its_own_item():
    """0.5 + 1.0 + 0.5 + 1.0 = 3 of 1 + 2 + 1 + 2 = 6, though the effects themselves cancel."""
    view = prepare(by_hand([1.0, 2.0, -1.0, -2.0], [0.5, 1.0, -0.5, -1.0]))
    found = only(circuit_share(view), suite="s", language="en")
    assert found.result.value == pytest.approx(0.5)
    assert found.result.null == pytest.approx(0.0)
    assert found.result.n_clusters == 4
    assert found.details["size"] == 1.0
    strength = only(circuit_strength(view), suite="s", language="en")
    assert strength.result.value == pytest.approx(0.0)  # (0.5 + 1.0 - 0.5 - 1.0) / 4: as much against as toward
    assert strength.details["share"] == pytest.approx(0.5)


def test_a_circuit_against_the_effect_has_a_negative_share():
    share = share_of(carried([1.0, 1.0, -2.0, -4.0], [-0.5, -0.5, 1.0, 2.0]))
    assert share.estimate.value == pytest.approx(-0.5)  # -(0.5 + 0.5 + 1 + 2) / 8


def test_the_points_of_a_share_are_those_of_leaving_each_template_out():
    """The residuals are proportional to the delete-one changes of the ratio, the slow and obvious way."""
    rng = np.random.default_rng(0)
    own, effect = rng.normal(0.3, 1, 9), rng.normal(0.2, 0.5, 9)
    share = share_of(carried(own, effect))
    turned, size = np.sign(own) * effect, np.abs(own)
    value = turned.sum() / size.sum()
    left = np.array([np.delete(turned, i).sum() / np.delete(size, i).sum() for i in range(9)])
    slow = 8 * (value - left)
    assert share.points - share.points.mean() == pytest.approx(slow - slow.mean())
    assert share.estimate.value == pytest.approx(value)


def test_copies_of_an_item_add_no_certainty():
    rng = np.random.default_rng(1)
    own, effect = rng.normal(0.5, 1, 10), rng.normal(0.3, 0.5, 10)
    names = [f"t{i}" for i in range(10)]
    once = share_of(carried(own, effect, template=names)).estimate
    thrice = share_of(carried(np.tile(own, 3), np.tile(effect, 3), template=names * 3)).estimate
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    assert thrice.n_clusters == 10


def test_the_full_circuit_has_share_one():
    own = np.array([1.0, -2.0, 3.0, 0.5, -0.1])
    estimate = share_of(carried(own, own)).estimate
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("own", "floor", "message"),
    [
        ([1.0, 2.0, 1.0], 0.0, "judged on 3 templates; a share needs 4"),
        ([0.01, -0.02, 0.01, 0.02], 0.05, "no larger than the noise floor"),
        ([100.0, 0.1, 0.1, 0.1], 0.0, "one of 4 templates has 99.7% of the effect"),
    ],
)
def test_no_share_where_there_is_nothing_to_share(own, floor, message):
    with pytest.raises(TooFewItems, match=message):
        share_of(carried(own, own), floor=floor)


# --- random circuits ----------------------------------------------------------------------------


def test_the_place_among_random_circuits_is_that_of_all_combinations_over_folds():
    rng = np.random.default_rng(2)
    values, random, fold = rng.normal(0.5, 1, 6), rng.normal(0, 1, (6, 25)), np.array([0, 0, 1, 0, 1, 1])
    found = against_random(values, random, fold)
    sums = [
        [values[fold == f].sum(), *(random[fold == f][:, draw].sum() for draw in range(25))] for f in (0, 1)
    ]  # slow and obvious: the circuit's own sum first, then 25 random ones
    slow = [one + other for one, other in product(*sums)]
    assert found.p == pytest.approx(np.mean([value >= values.sum() - 1e-12 for value in slow]))
    assert len(found.sums) == 25 * 25
    assert found.expected == pytest.approx(random.mean(axis=1))


def test_luck_in_one_fold_alone_does_not_beat_random_circuits():
    """Far above all in fold 0 and in the middle in fold 1: no combination of random ones reaches it, but p is not 0."""
    random = np.tile(np.arange(1.0, 51.0), (2, 1))
    found = against_random(np.array([1000.0, 25.5]), random, np.array([0, 1]))
    assert found.sums.max() < 1025.5
    assert found.p == pytest.approx(26 / 51**2)  # itself, and its lucky fold with the 25 better ones of the other


def test_fewer_than_twenty_whole_draws_in_a_fold_compare_with_nothing():
    random = np.zeros((2, 20))
    assert against_random(np.ones(2), random, np.array([0, 1])) is not None
    random[0, 0] = np.nan
    assert against_random(np.ones(2), random, np.array([0, 1])) is None


def test_the_p_value_is_the_larger_of_both_tests():
    own = np.linspace(0.8, 1.2, 20)
    fold = np.arange(20) % 2
    some_do_better = np.tile(np.where(np.arange(50) < 10, 0.9, 0.1), (20, 1))
    share = share_of(carried(own, 0.6 * own, random=some_do_better, fold=fold))
    # Own effects are 1 on average, 10 in a fold; 12 are reached by two of the ten better draws (100 ways), by the
    # circuit in one fold with a better draw in the other (20 ways), and by the circuit in both.
    assert share.estimate.p_value == share.details["p_against_random"] == pytest.approx(121 / 51**2)
    assert share.estimate.null == pytest.approx(0.26)  # (10 * 0.9 + 40 * 0.1) / 50


# --- what is judged -----------------------------------------------------------------------------


def test_evidence_without_circuits_has_no_circuit_findings_and_the_same_others():
    evidence = synthetic_evidence(0, languages=("en", "sw"))
    plain = weigh(evidence)
    assert not [f for f in plain if f.measurement.measure in INSIDE]
    others = [f for f in weigh(with_circuits(evidence)) if f.measurement.measure not in INSIDE]
    assert [(f.id, f.verdict, f.p_adjusted, f.family_size) for f in others] == [
        (f.id, f.verdict, f.p_adjusted, f.family_size) for f in plain
    ]


def test_a_missing_effect_is_missing_and_never_zero():
    whole = by_hand([1.0, 1.0, 1.0, 1.0, 1.0], [0.5] * 5)
    without = by_hand([1.0, 1.0, 1.0, 1.0, 1.0], [0.5] * 5, drop=("s4",))
    for evidence, n in ((whole, 5), (without, 4)):
        found = only(circuit_share(prepare(evidence)), suite="s", language="en")
        assert found.result.value == pytest.approx(0.5)  # 4 of 5 at 0.5 would be 0.4 with a zero
        assert found.result.n_items == n
    assert found.notes == ("1 of 5 items left out: not patched in every circuit compared",)


def test_a_quarantined_item_supports_nothing():
    evidence = by_hand([1.0, 1.0, 1.0, 1.0, 9.0], [0.5] * 4 + [9.0])
    items = evidence.items.copy()
    items.loc[items["item"] == "s4", "quarantine"] = "answers differ in length"
    held = dataclasses.replace(evidence, items=items)
    found = only(circuit_share(prepare(held)), suite="s", language="en")
    assert found.result.value == pytest.approx(0.5)
    assert "s/s4" not in found.items
    assert found.notes == ("1 quarantined item left out",)


def test_the_fold_that_chose_is_never_judged():
    evidence = by_hand([1.0] * 6, [0.5] * 6)
    displayed = evidence.patches[evidence.patches["draw"] == 0].assign(fold=WHOLE, effect=9.0)
    patches = pd.concat([evidence.patches, displayed], ignore_index=True)
    found = circuit_share(prepare(dataclasses.replace(evidence, patches=patches)))
    assert only(found, suite="s", language="en").result.value == pytest.approx(0.5)


def test_a_template_judged_in_both_folds_is_refused():
    evidence = by_hand([1.0] * 4, [0.5] * 4)
    again = evidence.patches[(evidence.patches["item"] == "s0") & (evidence.patches["draw"] == 0)].assign(fold=1)
    patches = pd.concat([evidence.patches, again], ignore_index=True)
    with pytest.raises(RunError, match="template s0 of suite s is judged in two folds"):
        circuit_share(prepare(dataclasses.replace(evidence, patches=patches)))


def test_an_effect_that_appears_twice_is_refused():
    evidence = by_hand([1.0] * 4, [0.5] * 4)
    patches = pd.concat([evidence.patches, evidence.patches[:1]], ignore_index=True)
    with pytest.raises(RunError, match="on item s0 of suite s appears twice"):
        circuit_share(prepare(dataclasses.replace(evidence, patches=patches)))


def test_the_order_of_rows_does_not_matter():
    evidence = with_circuits(synthetic_evidence(2, languages=("en", "sw"), with_pairs=False, with_parallel=False))
    names = ("nodes", "circuits", "patches")
    shuffled = {name: getattr(evidence, name).sample(frac=1, random_state=3).reset_index(drop=True) for name in names}
    assert circuit_findings(dataclasses.replace(evidence, **shuffled)) == circuit_findings(evidence)


def test_a_language_where_nobody_looked_is_listed_with_the_reason():
    evidence = with_circuits(synthetic_evidence(2, languages=("en", "sw")), skip=("sw",))
    found = circuit_findings(evidence)
    told = {f.measurement.measure: f for f in found if f.measurement.scope.language == "sw"}
    assert isinstance(told["circuit_share"].measurement.result, Undefined)
    assert "no circuit chosen in Swahili was judged in Swahili" in told["circuit_share"].sentence
    assert told["circuit_share"].family_size == 2
    assert set(told) == set(INSIDE) - {"circuit_overlap"}  # whose pair is filed under English
    overlap = next(f for f in found if f.measurement.measure == "circuit_overlap")
    assert "no node was looked at in Swahili" in overlap.sentence


def test_a_language_that_is_not_read_bars_every_circuit_measure_there():
    evidence = with_circuits(synthetic_evidence(2, languages=("en", "es", "sw"), unreadable=("sw",)))
    for finding in circuit_findings(evidence):
        scope = finding.measurement.scope
        barred = "sw" in (scope.language, scope.other_language)
        assert (finding.verdict is Verdict.NOT_INTERPRETABLE) == barred, finding.sentence


# --- control pairs, transfer --------------------------------------------------------------------


def general_path(finding):
    return [caveat for caveat in finding.caveats if caveat.startswith("not known to be special to stereotypes")]


def test_a_circuit_that_carries_control_pairs_as_well_is_called_a_general_path():
    social, controls = list(np.linspace(0.8, 1.6, 14)), [1.0, 1.2, -0.9, 1.1, -1.0, 0.8]
    wobble = 1 + 0.1 * np.tile([1.0, -1.0], 7)
    for share, general in ((0.6, True), (0.7, True), (0.05, False)):
        evidence = by_hand(
            social,
            0.6 * np.array(social) * wobble,
            controls=controls,
            on_controls=share * np.array(controls) * (1 + 0.1 * np.tile([1.0, -1.0], 3)),
        )
        view = prepare(evidence)
        assert circuit_controls(view)[0].result.value == pytest.approx(share, abs=0.02)
        assert circuit_controls(view)[0].result.null == pytest.approx(0.6, abs=0.02)
        finding = next(f for f in weigh(evidence) if f.measurement.measure == "circuit_share")
        assert bool(general_path(finding)) == general, share


def test_unjudged_control_pairs_leave_it_open_whether_a_circuit_is_special():
    evidence = by_hand(list(np.linspace(0.8, 1.6, 14)), [0.5] * 14)
    finding = next(f for f in weigh(evidence) if f.measurement.measure == "circuit_share")
    assert "could not be told (no control pair was judged)" in general_path(finding)[0]


def test_transfer_is_the_share_of_the_other_languages_circuit():
    evidence = with_circuits(synthetic_evidence(4, languages=("en", "sw"), with_pairs=False, with_parallel=False))
    found = only(circuit_transfer(prepare(evidence)), suite="stereotype", language="en", other_language="sw")
    table = evidence.patches
    rows = table[(table["language"] == "sw") & (table["circuit"] == "en") & (table["part"] == "necessity")]
    seen = evidence.observations[(evidence.observations["suite"] == "stereotype")]
    logp = seen[seen["language"] == "sw"].pivot(index="item", columns=["context", "answer"], values="logp")
    te = (logp["base"]["a"] - logp["base"]["b"]) - (logp["counterpart"]["a"] - logp["counterpart"]["b"])
    own = te.loc[rows["item"]].to_numpy()
    assert found.result.value == pytest.approx((np.sign(own) * rows["effect"]).sum() / np.abs(own).sum())
    assert found.details["share_of_own"] == pytest.approx(found.result.value / found.details["own_share"])


def test_a_larger_circuit_is_not_tested_against_smaller_random_ones():
    evidence = with_circuits(synthetic_evidence(4, languages=("en", "sw"), with_pairs=False, with_parallel=False))
    for finding in circuit_findings(evidence):
        scope, result = finding.measurement.scope, finding.measurement.result
        if finding.measurement.measure != "circuit_transfer" or scope.language == "":
            continue
        kept = evidence.circuits[evidence.circuits["kept"] & (evidence.circuits["fold"] != WHOLE)]
        mlps = kept.assign(mlp=kept["head"] == -1).groupby(["circuit", "fold"])["mlp"].sum()
        # All circuits keep four nodes: no larger means as many MLPs in each fold.
        fits = (mlps[scope.language] == mlps[scope.other_language]).all()
        assert (result.null is not None) == fits
        if not fits:
            assert finding.verdict is Verdict.INSUFFICIENT


def test_sufficiency_without_random_circuits_claims_nothing():
    evidence = with_circuits(synthetic_evidence(4, languages=("en",)))
    found = only(circuit_sufficiency(prepare(evidence)), suite="stereotype", language="en")
    assert found.result.p_value is None
    finding = next(f for f in circuit_findings(evidence) if f.measurement.measure == "circuit_sufficiency")
    assert finding.verdict is Verdict.INSUFFICIENT
    assert any("not compared with random circuits" in caveat for caveat in finding.caveats)


# --- nodes --------------------------------------------------------------------------------------


def test_exact_effects_are_compared_where_both_languages_have_them_all():
    evidence = synthetic_evidence(5, languages=("en", "sw"), with_pairs=False, with_parallel=False)
    for everywhere, word in ((True, "exact"), (False, "estimates from gradients")):
        found = circuit_overlap(prepare(with_circuits(evidence, exact_everywhere=everywhere)))
        assert len(found) == 1
        assert word in found[0].notes[0]
        assert found[0].result.low <= found[0].result.value <= found[0].result.high


def test_overlap_is_spearman_of_the_mean_oriented_effects():
    evidence = with_circuits(
        synthetic_evidence(5, languages=("en", "sw"), with_pairs=False, with_parallel=False), exact_everywhere=True
    )
    found = only(circuit_overlap(prepare(evidence)), suite="stereotype", language="en", other_language="sw")
    real = evidence.nodes[~evidence.nodes["item"].str.startswith("control")]
    # An additive model: an item's effects sum to its own effect, whose sign they are turned to.
    sign = np.sign(real.groupby(["language", "item"])["exact"].transform("sum"))
    score = (sign * real["exact"]).groupby([real["language"], real["layer"], real["head"]]).mean()
    assert found.result.value == pytest.approx(stats.spearmanr(score["en"], score["sw"]).statistic)
    assert found.details["top_shared_by_chance"] == pytest.approx(64 / 20)


def test_unrelated_nodes_of_a_common_template_effect_are_no_overlap():
    """Chance effects that both languages share by their templates, and nothing else: no small p-values."""
    base = synthetic_evidence(5, languages=("en", "sw"), with_pairs=False, with_parallel=False)
    looked = with_circuits(base, exact_everywhere=True)
    keys = looked.nodes[["item", "layer", "head"]].drop_duplicates()
    values, p_values = [], []
    for seed in range(40):
        chance = keys.assign(chance=np.random.default_rng(seed).normal(size=len(keys)))
        nodes = looked.nodes.merge(chance, on=["item", "layer", "head"])
        own = np.sign(nodes.groupby(["language", "item"])["exact"].transform("sum"))
        nodes = nodes.assign(exact=own * nodes["chance"])[list(NODE_COLUMNS)].astype(dict(NODE_COLUMNS))
        found = circuit_overlap(prepare(dataclasses.replace(looked, nodes=nodes)))[0]
        values.append(found.result.value)
        p_values.append(found.result.p_value)
    assert np.mean(values) > 0.9  # the correlation itself is fooled
    assert np.mean(np.array(p_values) < 0.05) <= 0.15  # 2 expected of 40
    assert 0.3 < np.mean(p_values) < 0.7


def test_shuffling_within_sorts_is_worked_out_without_shuffling():
    rng = np.random.default_rng(6)
    x, y, sort = rng.normal(size=40), rng.normal(size=40), np.arange(40) < 10
    x, y = x + 2 * sort, y + 2 * sort

    def shuffled():
        order = np.arange(40)
        for kind in (True, False):
            order[sort == kind] = rng.permutation(order[sort == kind])
        return y[order]

    many = np.array([correlation(x, shuffled()) for _ in range(4000)])
    null = between_sorts(x, y, sort=sort)
    assert null == pytest.approx(many.mean(), abs=0.01)
    slow = np.mean(np.abs(many - null) >= abs(correlation(x, y) - null))
    assert exchangeable_p([x], [y], sort=sort) == pytest.approx(slow, abs=0.03)


def test_the_screening_error_tells_what_the_estimate_misses():
    evidence = with_circuits(synthetic_evidence(5, languages=("en",), with_pairs=False, with_parallel=False))
    drawn = evidence.nodes["drawn"]
    half = evidence.nodes.assign(screened=evidence.nodes["exact"].where(drawn) * 0.5)
    found = screening_error(prepare(dataclasses.replace(evidence, nodes=half)))[0]
    assert found.result.value == pytest.approx(1.0)  # halves rank alike
    assert found.details["share_missed"] == pytest.approx(0.5)
    against = half.assign(screened=-half["screened"])
    found = screening_error(prepare(dataclasses.replace(evidence, nodes=against)))[0]
    assert found.result.value == pytest.approx(-1.0)
    assert found.details["share_missed"] == pytest.approx(1.0)  # the wrong sign sees nothing


# --- tables for pictures --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view():
    return prepare(
        with_circuits(synthetic_evidence(7, languages=("en", "es", "sw"), unreadable=("sw",), with_parallel=False))
    )


def test_the_curve_meets_the_measure_at_the_kept_size(view):
    table = curve(view, "stereotype", "en")
    assert list(table.columns) == ["size", "part", "share", "low", "high", "random_mean", "random_low", "random_high"]
    share = only(circuit_share(view), suite="stereotype", language="en").result
    kept = table[(table["part"] == "necessity") & (table["size"] == 4)].iloc[0]
    assert kept["share"] == pytest.approx(share.value)
    assert kept["random_mean"] == pytest.approx(share.null)
    assert kept["random_low"] < kept["random_mean"] < kept["random_high"]
    assert table[table["size"] != 4]["random_mean"].isna().all()


def test_the_node_map_says_what_was_patched_and_what_was_estimated(view):
    table = node_map(view, "stereotype", "en")
    assert len(table) == 20
    nodes = view.evidence.nodes
    patched = nodes[(nodes["language"] == "en") & nodes["exact"].notna()][["layer", "head"]].drop_duplicates()
    assert (table["basis"] == "exact").sum() == len(patched)
    assert np.isfinite(table["effect"]).all()


def test_the_transfer_matrix_has_every_circuit_in_every_language_and_says_what_is_not_read(view):
    table = transfer_matrix(view, "stereotype")
    assert len(table) == 4 * 3
    unread = table[~table["interpretable"]]
    assert set(zip(unread["chosen"], unread["judged"], strict=True)) == {
        *(("sw", other) for other in ("en", "es", "sw")),
        *((other, "sw") for other in ("en", "es", POOLED)),
    }


def test_parts_name_only_languages_that_are_read(view):
    table = parts(view, "stereotype")
    assert set(table["languages"]) <= {"en", "es", "en, es"}
    assert set(table[table["languages"] == "en, es"]["class"]) == {"universal"}
    assert set(table[table["languages"] != "en, es"]["class"]) == {"language-specific"}


def test_a_suite_on_which_nobody_looked_inside_is_refused_by_name(view):
    with pytest.raises(RunError, match="suite values: nothing was seen inside"):
        curve(view, "values", "en")
