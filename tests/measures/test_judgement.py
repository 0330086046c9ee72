"""Paraphrases must agree before a dilemma's margin says anything; pooled judgements rest on the same languages."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from audit.measures import prepare
from audit.measures.judgement import (
    NOT_AGREEING,
    _balanced,
    _exchangeable_p,
    agrees,
    content_tracking,
    dilemma_lean,
    language_dependent_judgement,
    language_shift,
    paraphrase_agreement,
    values_lean,
)
from audit.records import Estimate, Kind, Undefined
from tests.measures.synthetic import evidence_from, synthetic_evidence

SMALL = {"with_pairs": False, "with_parallel": False}


def evidence_of(margins, *, controls=(), position=0.5, noise_floor=0.0):
    """Dilemmas from their two margins by language, x against y and y against x in turn, in languages that are read."""
    observations, items = [], []
    for language, pairs in margins.items():
        for i in range(10):
            row = {"suite": "c", "language": language, "item": f"c{i}"}
            items.append(row | {"kind": "competence"})
            observations += [row | {"context": "", "answer": a, "logp": p} for a, p in (("true", -1), ("broken", -2))]
        for i, both in enumerate([*pairs, *controls]):
            row = {"suite": "d", "language": language, "item": f"d{i:02}"}
            a, b = ("individual-rights", "ubuntu") if i % 2 else ("ubuntu", "individual-rights")
            kind = {"kind": "dilemma", "topic": "individual-collective", "control": i >= len(pairs)}
            items.append(row | kind | {"framework": a, "other_framework": b})
            for paraphrase, margin in enumerate(both, start=1):
                for order, liking in (("ab", position), ("ba", -position)):
                    cell = row | {"context": f"{paraphrase}/{order}"}
                    observations += [
                        cell | {"answer": "a", "logp": -3.0 + margin + liking},
                        cell | {"answer": "b", "logp": -3.0},
                    ]
    return evidence_from(observations, items, noise_floor=noise_floor)


AGREEING = [(1.0, 0.8), (-0.5, -0.7), (1.2, 1.0), (-0.3, -0.2), (0.6, 0.9), (0.4, 0.4), (-1.1, -0.8)]
OPPOSED = [(1.0, -0.8), (-0.5, 0.7), (1.2, -1.0), (-0.3, 0.2), (0.6, -0.9), (0.4, -0.4), (-1.1, 0.8)]


def test_agreement_by_hand():
    evidence = evidence_of({"en": [(1.0, 2.0), (-2.0, -1.0)]}, controls=[(0.3, -0.4)], position=0.5, noise_floor=0.01)
    (found,) = paraphrase_agreement(prepare(evidence))
    assert found.result.value == pytest.approx(4 / 5)  # (2 + 2) / sqrt((1 + 4) (4 + 1))
    assert found.result.p_value == pytest.approx(2 / 4)  # products 2 and 2: of four sign patterns, ++ and --
    assert found.details["position_bias"] == pytest.approx(0.5)
    assert found.details["rms_margin"] == pytest.approx(math.sqrt(10 / 4))
    assert found.details["rms_control_margin"] == pytest.approx(math.sqrt((0.09 + 0.16) / 2))
    assert found.details["noise_floor"] == pytest.approx(2 * 0.01 / math.sqrt(10 / 4))
    assert found.result.n_items == 2  # the control is not one of them


def test_it_does_not_matter_which_option_is_called_a():
    turned = [(-one, -other) if i % 3 else (one, other) for i, (one, other) in enumerate(AGREEING)]
    results = [paraphrase_agreement(prepare(evidence_of({"en": rows})))[0].result for rows in (AGREEING, turned)]
    assert results[0].value == pytest.approx(results[1].value)
    assert results[0].p_value == pytest.approx(results[1].p_value)
    assert agrees(results[0])


def test_opposed_and_too_few_paraphrases_do_not_agree():
    opposed = paraphrase_agreement(prepare(evidence_of({"en": OPPOSED})))[0].result
    assert opposed.p_value < 0.05  # reliably so, but the wrong way
    assert opposed.value < 0
    assert not agrees(opposed)
    assert not agrees(paraphrase_agreement(prepare(evidence_of({"en": AGREEING[:5]})))[0].result)  # 2 / 2^5 > 0.05
    alone = paraphrase_agreement(prepare(evidence_of({"en": AGREEING[:1]})))[0].result
    assert isinstance(alone, Undefined)
    assert not agrees(alone)


def test_margins_without_content_agree_in_no_more_than_their_share_of_languages():
    rng = np.random.default_rng(0)
    evidence = evidence_of({f"l{i}": rng.normal(size=(10, 2)).tolist() for i in range(100)})
    passed = [agrees(m.result) for m in paraphrase_agreement(prepare(evidence))]
    assert np.mean(passed) <= 0.06  # two-sided 0.05, of which only the upper half passes; 100 languages


def test_pooled_judgements_use_only_languages_whose_paraphrases_agree():
    view = prepare(evidence_of({"en": AGREEING, "es": AGREEING, "sw": OPPOSED}))
    pooled = [m for m in dilemma_lean(view) if not m.scope.language]
    assert all("over English, Spanish; without Swahili" in m.notes for m in pooled)
    alone = prepare(evidence_of({"en": AGREEING, "es": AGREEING}))
    assert [m.result for m in pooled] == [m.result for m in dilemma_lean(alone) if not m.scope.language]
    (dependence,) = language_dependent_judgement(view)
    assert "over English, Spanish; without Swahili" in dependence.notes
    assert {"position_bias_en", "paraphrase_agreement_es"} <= set(dependence.details)
    assert "paraphrase_agreement_sw" not in dependence.details
    # What speaks of one language is still computed; the gate bars it.
    assert any(m.scope.language == "sw" and isinstance(m.result, Estimate) for m in dilemma_lean(view))
    assert any(m.scope.other_language == "sw" and isinstance(m.result, Estimate) for m in language_shift(view))


def test_choosing_languages_by_their_answers_earns_no_smaller_p():
    """The p-value is at least that among all readable languages, which were not chosen by the answers."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(7, 2)).tolist()
    view = prepare(evidence_of({"en": AGREEING, "es": [(-a, -b) for a, b in AGREEING], "sw": noise}))
    cube = view.of(Kind.DILEMMA)[0]
    everyone = _exchangeable_p(_balanced(cube, ("en", "es", "sw"))[0])
    chosen = _exchangeable_p(_balanced(cube, ("en", "es"))[0])
    (found,) = language_dependent_judgement(view)
    assert "over English, Spanish; without Swahili" in found.notes
    assert chosen != everyone
    assert found.result.p_value == max(chosen, everyone)


def test_where_no_paraphrases_agree_nothing_is_pooled():
    view = prepare(evidence_of({"en": OPPOSED, "sw": OPPOSED}))
    pooled = [m.result for m in dilemma_lean(view) if not m.scope.language]
    pooled += [m.result for m in language_dependent_judgement(view)]
    assert len(pooled) == 3
    assert all(result == Undefined(reason=NOT_AGREEING) for result in pooled)


def test_a_pooled_dilemma_comes_from_the_same_languages_as_all_others():
    evidence = evidence_of({"en": AGREEING, "sw": [*AGREEING, (0.7, 0.5)]})
    lost = "1 of 8 dilemmas left out: not scored in every pooled language"
    view = prepare(evidence)
    pooled = [m for m in dilemma_lean(view) if not m.scope.language]
    assert pooled[0].result.n_clusters == 7
    assert all(lost in m.notes for m in (*pooled, *language_dependent_judgement(view)))


def test_a_pooled_statement_comes_from_the_same_languages_as_all_others():
    evidence = synthetic_evidence(0, **SMALL)
    seen = evidence.observations
    gone = (seen["item"] == "care-1") & (seen["language"] == "sw") & (seen["suite"] == "values")
    view = prepare(replace(evidence, observations=seen[~gone].reset_index(drop=True)))
    for m in values_lean(view):
        if not m.scope.language:
            assert "1 of 48 statements left out: not scored in every pooled language" in m.notes
            assert m.result.n_clusters == (5 if m.scope.framework == "care" else 6)


def test_noise_floors_are_in_the_unit_of_the_measure_and_absent_where_none_was_measured():
    measures = (content_tracking, values_lean, paraphrase_agreement, dilemma_lean, language_shift)
    view = prepare(synthetic_evidence(0, noise_floor=0.01, **SMALL))
    for m in (m for measure in measures for m in measure(view)):
        assert m.details["noise_floor"] > 0
        if m.measure == "content_tracking":
            assert m.details["noise_floor"] == pytest.approx(0.01 / m.details["neutral_spread"])
        if m.measure == "language_shift":
            assert m.details["noise_floor"] == pytest.approx(0.01 / 4)
    without = prepare(synthetic_evidence(0, noise_floor=None, **SMALL))
    assert not any("noise_floor" in m.details for measure in measures for m in measure(without))


def test_a_dilemma_lean_has_its_noise_floor_in_typical_margins():
    found = dilemma_lean(prepare(evidence_of({"en": AGREEING}, noise_floor=0.01)))
    typical = math.sqrt(np.mean([((one + other) / 2) ** 2 for one, other in AGREEING]))
    assert all(m.details["noise_floor"] == pytest.approx(0.01 / typical) for m in found)


def test_a_shift_says_that_wordings_differ_and_how_far_they_agree():
    for m in language_shift(prepare(evidence_of({"en": AGREEING, "sw": OPPOSED}))):
        assert any("a shift may come from the wording" in note for note in m.notes)
        assert m.details["paraphrase_agreement_en"] > 0 > m.details["paraphrase_agreement_sw"]
        assert m.details["position_bias_en"] == pytest.approx(0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(14, 0.90), (28, 0.92)])
def test_the_interval_of_agreement_covers_roughly_as_promised(n: int, least: float):
    """Normal margins with correlation 0.5, 600 languages; the docs state what it does."""
    rng = np.random.default_rng(n)
    held = []
    for _ in range(6):
        common, own = rng.normal(size=(100, n, 1)), rng.normal(size=(100, n, 2))
        margins = np.sqrt(0.5) * (common + own)
        evidence = evidence_of({f"l{i}": rows.tolist() for i, rows in enumerate(margins)})
        held += [m.result.low <= 0.5 <= m.result.high for m in paraphrase_agreement(prepare(evidence))]
    print(n, np.mean(held))  # noqa: T201
    assert least <= np.mean(held) <= 0.98
