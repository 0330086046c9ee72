"""Capacity counts what a culture's own name does over what any name does, and its tests hold under their null."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from audit.findings import FAMILY_LEVEL
from audit.measures import prepare
from audit.measures.culture import (
    capacity,
    culture_knowledge,
    knowledge_diversity,
    knowledge_gap,
    name_gains,
    name_permutation,
    name_tables,
)
from audit.measures.statistics import benjamini_hochberg, one_per_block_p
from audit.records import Estimate, Kind, Undefined
from tests.measures.synthetic import CULTURES, FACETS, evidence_from, synthetic_evidence


def reads(language):
    observations = [
        {"suite": "c", "language": language, "item": f"c{i}", "context": "", "answer": answer, "logp": logp}
        for i in range(10)
        for answer, logp in (("true", -1.0), ("broken", -2.0))
    ]
    items = [{"suite": "c", "kind": "competence", "language": language, "item": f"c{i}"} for i in range(10)]
    return observations, items


def evidence_of(scores, *, neutral=0.0, noise_floor=0.0):
    """Scores by (language, facet), each (wordings, named, candidates), nats; cultures are a, b, c, ..."""
    observations, items = [], []
    for language in sorted({language for language, _ in scores}):
        seen, known = reads(language)
        observations, items = observations + seen, items + known
    for (language, facet), table in scores.items():
        wordings, named, candidates = table.shape
        for n in range(named):
            item = f"{facet}.{'abcdefgh'[n]}"
            row = {"suite": "k", "language": language, "item": item}
            items.append(row | {"kind": "culture", "topic": facet, "culture": "abcdefgh"[n]})
            for w, c in product(range(wordings), range(candidates)):
                cell = row | {"answer": "abcdefgh"[c]}
                base = -5.0 - c + neutral
                observations += [
                    cell | {"context": f"neutral/{w + 1}", "logp": base},
                    cell | {"context": f"asked/{w + 1}", "logp": base + table[w, n, c]},
                ]
    return evidence_from(observations, items, noise_floor=noise_floor)


def level(evidence, **scope):
    found = [
        m
        for m in culture_knowledge(prepare(evidence))
        if (m.scope.language, m.scope.culture) == (scope.get("language", ""), scope.get("culture", ""))
    ]
    assert len(found) == 1
    return found[0]


def test_a_change_that_every_name_makes_is_worth_exactly_nothing():
    """However uneven it is: it belongs to the sentence, not to the name."""
    shift = np.array([2.0, -1.0, 0.5, -3.0])
    found = level(evidence_of({("en", f): np.tile(shift, (2, 4, 1)) for f in ("food", "dress")}), language="en")
    assert found.result.value == pytest.approx(0.0, abs=1e-12)
    assert found.result.null == pytest.approx(0.0, abs=1e-12)
    assert found.result.p_value == 1.0


def test_name_gains_by_hand():
    # Naming a doubles a's odds, naming b or c changes nothing: q(a) = 2/4, 1/3, 1/3, mean 7/18.
    gains = name_gains(np.array([[np.log(2), 0, 0], [0, 0, 0], [0, 0, 0]]), np.arange(3))
    assert gains[0, 0] == pytest.approx(np.log2((1 / 2) / (7 / 18)))
    # q(b) = 1/4, 1/3, 1/3, mean 11/36
    assert gains[0, 1] == pytest.approx(np.log2((1 / 4) / (11 / 36)))
    assert gains[1, 1] == pytest.approx(np.log2((1 / 3) / (11 / 36)))


def test_capacity_is_at_most_log2_of_the_candidates():
    sure = name_gains(60 * np.eye(4), np.arange(4))
    assert np.diag(sure) == pytest.approx(2.0)  # log2 4
    rng = np.random.default_rng(0)
    assert name_gains(rng.normal(0, 9, (500, 5, 5)), np.arange(5)).max() <= np.log2(5) + 1e-12


def test_gains_equal_a_slow_loop():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(2, 4, 4))
    cube = prepare(evidence_of({("en", "food"): scores})).of(Kind.CULTURE)[0]
    q = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    slow = [np.mean([np.log2(q[w, n, n] / np.mean([q[w, m, n] for m in range(4)])) for w in (0, 1)]) for n in range(4)]
    assert capacity(cube)[0] == pytest.approx(slow)


def test_the_permutation_null_is_the_mean_over_all_bijections():
    rng = np.random.default_rng(2)
    tables = [name_gains(rng.normal(size=(3, 3)) + 1.5 * np.eye(3), np.arange(3)) for _ in range(2)]
    weights = [np.full(3, 1 / 6)] * 2
    p_value, null = name_permutation(tables, weights)
    bijections = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    sums = [
        sum(table[list(order), range(3)].sum() / 6 for table, order in zip(tables, orders, strict=True))
        for orders in product(bijections, bijections)
    ]
    assert null == pytest.approx(np.mean(sums))
    observed = sum(np.trace(table) for table in tables) / 6
    exact = np.mean(np.abs(np.array(sums) - null) >= abs(observed - null) - 1e-12)
    assert p_value == pytest.approx(exact, abs=0.03)  # 1999 draws
    assert null <= 0  # a name that moves answers at random costs bits


def test_the_level_of_a_culture_is_tested_against_all_names_of_its_facets():
    """Three names in two facets: nine picks, and the own name does most in both: one of nine."""
    scores = {("en", f): np.array([[[2.0, 0, 0], [0.1, 0, 0], [0.0, 0, 0]]]) for f in ("food", "dress")}
    found = level(evidence_of(scores), culture="a")
    gains = name_gains(scores["en", "food"][0], np.arange(3))
    assert found.result.value == pytest.approx(gains[0, 0])
    assert found.result.null == pytest.approx(gains[:, 0].mean())
    assert found.result.p_value == pytest.approx(1 / 9)
    assert "different models" in found.result.method


def test_two_names_are_too_few_to_say_what_any_name_does():
    two, three = np.zeros((1, 2, 2)), np.zeros((1, 3, 3)) + np.eye(3)
    alone = level(evidence_of({("en", "food"): two}), language="en").result
    assert isinstance(alone, Undefined)
    assert "fewer than 3" in alone.reason
    both = level(evidence_of({("en", "food"): two, ("en", "dress"): three}), language="en")
    assert both.result.n_clusters == 3
    assert any("food left out" in note for note in both.notes)


def test_a_quarantined_name_takes_no_part_in_the_mean():
    scores = np.random.default_rng(3).normal(size=(1, 4, 4))
    evidence = evidence_of({("en", "food"): scores})
    items = evidence.items.copy()
    items.loc[items["item"] == "food.d", "quarantine"] = "answers differ in length"
    cube = prepare(replace(evidence, items=items)).of(Kind.CULTURE)[0]
    (table,) = name_tables(cube)
    assert list(cube.culture[table.rows]) == ["a", "b", "c"]
    assert table.mean == pytest.approx(name_gains(scores[0, :3], np.arange(3)))  # d stays a candidate


def test_a_pooled_fact_comes_from_the_same_languages_as_all_others():
    """A fact that one readable language lacks leaves the pool, and the notes count it."""
    rng = np.random.default_rng(4)
    scores = {(language, f): rng.normal(size=(1, 4, 4)) for language in ("en", "sw") for f in ("food", "dress")}
    evidence = evidence_of(scores)
    seen, items = evidence.observations, evidence.items
    evidence = replace(
        evidence,
        observations=seen[~((seen["item"] == "food.d") & (seen["language"] == "sw"))].reset_index(drop=True),
        items=items[~((items["item"] == "food.d") & (items["language"] == "sw"))].reset_index(drop=True),
    )
    lost = "1 of 8 facts left out: not scored in every pooled language"
    found = level(evidence, culture="d")
    assert found.result.n_clusters == 1  # dress only
    assert lost in found.notes
    expected = np.mean([name_gains(scores[language, "dress"][0], np.arange(4))[3, 3] for language in ("en", "sw")])
    assert found.result.value == pytest.approx(expected)
    view = prepare(evidence)
    others = (*knowledge_gap(view), *knowledge_diversity(view))
    pooled = [m for m in others if not m.scope.language and isinstance(m.result, Estimate)]
    assert len(pooled) >= 4
    assert all(lost in m.notes for m in pooled)


def test_the_noise_floor_is_told_in_bits_and_only_where_it_was_measured():
    scores = {("en", "food"): np.eye(3)[None]}
    assert level(evidence_of(scores, noise_floor=np.log(2) / 10), language="en").details["noise_floor"] == (
        pytest.approx(0.1)
    )
    assert "noise_floor" not in level(evidence_of(scores, noise_floor=None), language="en").details


def test_wordings_that_disagree_by_more_than_the_margin_are_noted():
    apart = np.stack([3 * np.eye(3), np.zeros((3, 3))])
    found = level(evidence_of({("en", "food"): apart}), language="en")
    size = name_gains(apart[0], np.arange(3))[0, 0]  # against 0 bits of the other wording
    assert found.details["wording_difference"] == pytest.approx(size)
    assert f"the two wordings differ by {size:.2f} bits on average" in " ".join(found.notes)
    same = level(evidence_of({("en", "food"): apart[[0, 0]]}), language="en")
    assert same.details["wording_difference"] == 0
    assert not any("wordings differ" in note for note in same.notes)


def test_capacities_clipped_at_zero_are_counted_in_a_note():
    scores = np.array([[[3.0, 0, 0], [0, 3.0, 0], [0, 0, -3.0]]])
    (found,) = [m for m in knowledge_diversity(prepare(evidence_of({("en", "food"): scores}))) if m.scope.language]
    assert isinstance(found.result, Estimate)
    assert found.details["below_zero"] == 1
    assert "1 of 3 cultures' capacities lie below zero and count as zero here" in found.notes
    assert "two questions" in found.result.method


def test_names_without_information_raise_few_alarms_whatever_all_names_do():
    """400 audits of 8 languages, 4 facets, 14 cultures: a strong shift common to all names, which differs by candidate,
    and names that move the answers at random. At most 5 % of audits raise an alarm in either family at its level.
    """
    rng = np.random.default_rng(5)
    languages, facets, wordings, k = 8, len(FACETS), 2, len(CULTURES)
    weights = [np.full(k, 1 / (k * facets))] * facets
    by_language = by_culture = 0
    audits = 400
    for _ in range(audits):
        shift = rng.normal(0, 2, (languages, facets, wordings, 1, k))
        shared = rng.normal(0, 0.7, (1, facets, 1, k, k))  # a name's accident is the same in all languages, in part
        own = rng.normal(0, 0.7, (languages, facets, wordings, k, k))
        gains = name_gains(shift + shared + own, np.arange(k)).mean(axis=2)  # (languages, facets, named, answer)
        p_values = [name_permutation(list(tables), weights)[0] for tables in gains]
        by_language += bool((benjamini_hochberg(p_values) < FAMILY_LEVEL).any())
        pooled = gains.mean(axis=0)
        p_values = [
            one_per_block_p(list(pooled[:, :, culture]), float(pooled[:, culture, culture].sum()))
            for culture in range(k)
        ]
        by_culture += bool((benjamini_hochberg(p_values) < FAMILY_LEVEL).any())
    print(by_language / audits, by_culture / audits)  # noqa: T201
    assert by_language / audits <= 0.05
    assert by_culture / audits <= 0.05


def test_a_helpful_name_is_found_where_every_name_also_shifts_the_answers():
    """What the measure was mended for: the shift makes the softmax of each name alone look worse than guessing."""
    rng = np.random.default_rng(6)
    shift = np.array([6.0, 0, 0, 0, 0])
    scores = shift + rng.normal(0, 0.2, (4, 5, 5)) + 1.5 * np.eye(5)
    alone = np.log2(5) + np.log2([np.diag(np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)) for s in scores])
    assert alone.mean() < 0
    gains = name_gains(scores, np.arange(5))
    p_value, null = name_permutation(list(gains), [np.full(5, 1 / 20)] * 4)
    value = np.mean([np.diag(g) for g in gains])
    assert value > 0 > null
    assert p_value == pytest.approx(1 / 2000)


def test_the_synthetic_audit_of_a_model_that_knows_shows_it():
    for m in culture_knowledge(prepare(synthetic_evidence(0, with_pairs=False, with_parallel=False))):
        assert m.result.value > m.result.null
        assert m.result.p_value < 0.05, m.scope
