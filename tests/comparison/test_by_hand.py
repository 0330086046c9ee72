"""Two runs of a few hand-written items: every number is worked out in sight."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from audit.comparison import Comparison, Difference, Outcome, compare
from audit.comparison.behaviour import paired_shares
from audit.errors import UsageError
from audit.records import Estimate, Evidence
from tests.measures.synthetic import evidence_from

EFFECTS_A = {"t1": 0.2, "t2": -0.1, "t3": 0.4, "t4": 0.0}
EFFECTS_B = {"t1": 1.2, "t2": 0.4, "t3": 1.9, "t4": 1.0}  # by 1.0, 0.5, 1.5, 1.0 more


def run(name: str, effects: dict[str, float], *, words: str = "", right: int = 12, floor: float = 0.0) -> Evidence:
    """A run of one stereotype axis in English whose items have these effects, nats; every other word is the same."""
    observations, items = [], []
    for template, effect in effects.items():
        ask = [{"context": "base", "prompt": f"the {template} {words}", "answers": {"a": [" x"], "b": [" y"]}}]
        place = {"suite": "s", "language": "en", "item": f"{template}-i"}
        items.append({**place, "kind": "stereotype", "template": template, "topic": "gender", "texts": json.dumps(ask)})
        for context, margin in (("base", effect / 2), ("counterpart", -effect / 2)):
            observations += [
                {**place, "context": context, "answer": "a", "logp": margin / 2 - 3.0},
                {**place, "context": context, "answer": "b", "logp": -margin / 2 - 3.0},
            ]
    for number in range(12):
        place = {"suite": "c", "language": "en", "item": f"c{number}"}
        items.append({**place, "kind": "competence", "topic": "plain", "texts": f'["{number}"]'})
        gap = 1.0 if number < right else -1.0
        observations += [
            {**place, "context": "", "answer": "true", "logp": -3.0 + gap},
            {**place, "context": "", "answer": "broken", "logp": -3.0},
        ]
    evidence = evidence_from(observations, items, noise_floor=floor)
    return replace(evidence, manifest=replace(evidence.manifest, run_id=name))


def of(comparison: Comparison, measure: str, **scope: str) -> Difference:
    """The one difference of a measure and scope."""
    (found,) = (
        one
        for one in comparison.differences
        if one.measure == measure and all(getattr(one.scope, name) == value for name, value in scope.items())
    )
    return found


def by_language(comparison: Comparison) -> Difference:
    return of(comparison, "stereotype_effect", language="en", topic="")


def estimate_of(difference: Difference) -> Estimate:
    assert isinstance(difference.estimate, Estimate)
    return difference.estimate


def test_a_difference_is_the_mean_over_templates_of_b_minus_a():
    found = by_language(compare(run("a", EFFECTS_A), run("b", EFFECTS_B)))
    result = estimate_of(found)
    assert result.value == pytest.approx(1.0)  # (1.0 + 0.5 + 1.5 + 1.0) / 4
    assert found.value_a == pytest.approx(0.125)  # (0.2 - 0.1 + 0.4 + 0.0) / 4
    assert found.value_b == pytest.approx(1.125)  # (1.2 + 0.4 + 1.9 + 1.0) / 4
    # SD of 1, .5, 1.5, 1 is sqrt((0 + .25 + .25 + 0) / 3) = .408; / sqrt(4) = .204; t(3) at 97.5 % is 3.182
    assert (result.low, result.high) == pytest.approx((1 - 3.182 * 0.2041, 1 + 3.182 * 0.2041), abs=1e-3)
    assert (found.n_items, found.n_templates) == (4, 4)


def test_a_mean_weighs_templates_and_not_items():
    """Two items of one template carry one template's evidence."""
    a, b = run("a", EFFECTS_A), run("b", EFFECTS_B)
    same = {"t1-i": "t", "t2-i": "t", "t3-i": "t3-i", "t4-i": "t4-i"}

    def merged(evidence: Evidence) -> Evidence:
        template = [
            same.get(item, old) for item, old in zip(evidence.items["item"], evidence.items["template"], strict=True)
        ]
        return replace(evidence, items=evidence.items.assign(template=template).astype({"template": "string"}))

    found = by_language(compare(merged(a), merged(b)))
    assert estimate_of(found).value == pytest.approx(13 / 12)  # ((1.0 + 0.5) / 2 + 1.5 + 1.0) / 3
    assert found.n_templates == 3


def test_the_p_of_a_dozen_templates_is_counted_over_all_patterns_of_signs():
    """Changes -1, 2, 3 .. 12: 4 of the 4096 patterns reach their sum."""
    changes = [-1.0, *(float(number) for number in range(2, 13))]
    effects = {f"t{number:02}": 0.0 for number in range(12)}
    after = dict(zip(effects, changes, strict=True))
    found = by_language(compare(run("a", effects), run("b", after)))
    # The sum is 78 - 2 = 76. Two patterns reach 76: all plus (78), and the 1 turned (76); turning the 2 leaves 74.
    # As many reach -76, so p = 4 / 4096.
    assert found.p == pytest.approx(4 / 4096)
    assert found.p == pytest.approx(slow_sign_flip(changes))
    assert "exact sign-flip" in estimate_of(found).method


def slow_sign_flip(changes: list[float]) -> float:
    """Every pattern of signs, one by one."""
    sums = [
        abs(sum(s * c for s, c in zip(signs, changes, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(changes))
    ]
    return sum(one >= abs(sum(changes)) - 1e-9 for one in sums) / len(sums)


def test_paired_shares_by_hand():
    """Of ten templates B alone gets three right and A alone one: (3 - 1) / 10, and McNemar's exact p."""
    a = np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 0], dtype=float)
    b = np.array([1, 1, 1, 0, 1, 1, 1, 1, 0, 0], dtype=float)
    result, _ = paired_shares(a, b, n_items=10)
    assert result.value == pytest.approx(0.2)
    # Of the four that differ: P(at least 3 of 4, or at most 1) = 2 * (4 + 1) / 16
    assert result.p_value == pytest.approx(0.625)
    # Bonett and Price: (3 + 1) / 12 and (1 + 1) / 12; centre 2 / 12, error sqrt((6 / 12 - (2 / 12)^2) / 12)
    error = np.sqrt((6 / 12 - (2 / 12) ** 2) / 12)
    assert (result.low, result.high) == pytest.approx((2 / 12 - 1.96 * error, 2 / 12 + 1.96 * error), abs=1e-4)


def test_shares_that_agree_wholly_still_have_an_interval():
    result, _ = paired_shares(np.ones(32), np.ones(32), n_items=32)
    assert (result.value, result.p_value) == (0.0, 1.0)
    assert result.low < -0.05
    assert result.high > 0.05


def test_a_difference_within_the_noise_of_both_runs_is_a_tie():
    """Each run's effects move by up to 0.6 nats with the batch: a difference of 0.001 is none, however sure."""
    effects = {f"t{number:02}": 0.1 * number for number in range(20)}
    after = {template: effect + 0.001 * (1 + (number % 2)) for number, (template, effect) in enumerate(effects.items())}
    sure = by_language(compare(run("a", effects), run("b", after)))
    noisy = by_language(compare(run("a", effects, floor=0.6), run("b", after, floor=0.6)))
    assert sure.verdict is Outcome.HIGHER
    assert noisy.verdict is Outcome.INDISTINGUISHABLE
    assert noisy.noise_floor == pytest.approx(1.2)
    assert any("tie" in note for note in noisy.notes)
    assert noisy.detectable == pytest.approx(1.2)  # nothing smaller counts


def test_the_run_that_does_not_read_the_language_is_named():
    reads, guesses = run("a", EFFECTS_A), run("b", EFFECTS_B, right=6)
    for pair, named in (((reads, guesses), "in run B"), ((guesses, reads), "in run A")):
        found = by_language(compare(*pair))
        assert found.verdict is Outcome.NOT_INTERPRETABLE
        assert found.p_adjusted is None
        assert any(note.startswith(named) and "6" not in note[:6] for note in found.notes)


def test_reading_itself_is_compared_where_one_model_does_not_read():
    found = of(compare(run("a", EFFECTS_A, right=3), run("b", EFFECTS_B)), "competence", language="en")
    assert found.verdict is Outcome.HIGHER
    assert estimate_of(found).value == pytest.approx(0.75)  # (12 - 3) / 12


def test_an_item_with_other_words_is_not_compared_and_is_told():
    a, b = run("a", EFFECTS_A), run("b", EFFECTS_B)
    changed = b.items["texts"].where(b.items["item"] != "t3-i", '[{"context": "base", "prompt": "another"}]')
    comparison = compare(a, replace(b, items=b.items.assign(texts=changed)))
    assert estimate_of(by_language(comparison)).value == pytest.approx(2.5 / 3)  # (1.0 + 0.5 + 1.0) / 3
    (told,) = (one for one in comparison.not_comparable if one.what == "s/en/t3-i")
    assert told.reason == "its words are not the same in both runs"
    assert "s/en/t3-i" not in comparison.same_items


def test_the_same_words_in_another_order_of_keys_are_the_same():
    a, b = run("a", EFFECTS_A), run("b", EFFECTS_B)
    turned = [
        json.dumps([dict(reversed(ask.items())) for ask in json.loads(text)]) if kind == "stereotype" else text
        for text, kind in zip(b.items["texts"], b.items["kind"], strict=True)
    ]
    comparison = compare(a, replace(b, items=b.items.assign(texts=turned).astype({"texts": "string"})))
    assert len(comparison.same_items) == 16


def test_an_item_of_another_design_is_not_compared():
    a, b = run("a", EFFECTS_A), run("b", EFFECTS_B)
    topic = b.items["topic"].where(b.items["item"] != "t1-i", "age")
    comparison = compare(a, replace(b, items=b.items.assign(topic=topic)))
    reasons = {one.what: one.reason for one in comparison.not_comparable}
    assert reasons["s/en/t1-i"] == "its topic is not the same in both runs"


def test_an_item_that_one_run_did_not_score_names_the_run_and_why():
    a, b = run("a", EFFECTS_A), run("b", EFFECTS_B)
    gone = b.exclusions.copy()
    gone.loc[0] = ["s", "en", "t1-i", "observe", "answers merge with the prompt"]
    b = replace(b, observations=b.observations[b.observations["item"] != "t1-i"], exclusions=gone.astype("string"))
    comparison = compare(a, b)
    reasons = {one.what: one.reason for one in comparison.not_comparable}
    assert reasons["s/en/t1-i"] == "not scored in run B: answers merge with the prompt"
    assert by_language(comparison).n_items == 3


def test_items_of_one_run_alone_are_listed():
    less = {name: effect for name, effect in EFFECTS_B.items() if name != "t4"}
    comparison = compare(run("a", EFFECTS_A), run("b", less))
    assert (comparison.only_a, comparison.only_b) == (("s/en/t4-i",), ())


def test_an_item_held_back_in_either_run_is_held_back_in_both():
    a, b = run("a", EFFECTS_A), run("b", EFFECTS_B)
    held = b.items["quarantine"].where(b.items["item"] != "t3-i", "two answers are alike")
    for pair in ((a, replace(b, items=b.items.assign(quarantine=held))),):
        assert estimate_of(by_language(compare(*pair))).value == pytest.approx(2.5 / 3)


def test_texts_that_the_licence_keeps_away_need_the_same_digest():
    a, b = (replace(one, items=one.items.assign(texts="")) for one in (run("a", EFFECTS_A), run("b", EFFECTS_B)))
    assert len(compare(a, b).same_items) == 16
    suites = tuple(replace(suite, digest="other") for suite in b.manifest.suites)
    other = replace(b, manifest=replace(b.manifest, suites=suites))
    with pytest.raises(UsageError, match=r"no item in common; the suite's licence keeps its texts out"):
        compare(a, other)


def test_the_same_run_twice_is_refused():
    with pytest.raises(UsageError, match="a: the same run twice; name two runs to compare"):
        compare(run("a", EFFECTS_A), run("a", EFFECTS_B))


def test_runs_without_a_common_item_are_refused():
    with pytest.raises(UsageError, match="a and b: no item in common"):
        compare(run("a", EFFECTS_A, right=0), without_competence(run("b", {"u1": 1.0, "u2": 2.0})))


def without_competence(evidence: Evidence) -> Evidence:
    items, seen = evidence.items, evidence.observations
    return replace(evidence, items=items[items["suite"] == "s"], observations=seen[seen["suite"] == "s"])


def test_missing_is_never_zero():
    """One template is no evidence of a difference: undefined, with a reason, and no p-value."""
    found = by_language(compare(run("a", {"t1": 0.0}), run("b", {"t1": 3.0})))
    assert found.verdict is Outcome.UNDEFINED
    assert found.p is found.detectable is found.p_adjusted is found.value_a is None
