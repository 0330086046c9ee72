"""What the control pairs decide about stereotypes, and which languages supply a pooled effect: worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from audit.findings import weigh
from audit.measures import prepare
from audit.measures.competence import unreadable
from audit.measures.stereotype import (
    beats_controls,
    shares_of_languages,
    standardised_effect,
    stereotype_effect,
    welch,
    without_one_language,
)
from audit.records import Scope, Undefined, Verdict
from tests.measures.synthetic import evidence_from
from tests.measures.test_by_hand import only, reads, rows, stereotypes, two_by_two


def english(findings, measure="stereotype_effect"):
    return next(f for f in findings if f.measurement.measure == measure and f.measurement.scope.language == "en")


def in_languages(te, *, control=(0.1, -0.1, 0.3)):
    """Social effects by language and template, the same three control pairs in each language."""
    observations, items = [], []
    for language, effects in te.items():
        seen, asked = reads(language)
        observations, items = observations + seen, items + asked
        named = {**{f"s{n}": e for n, e in effects.items()}, **{f"k{n}": e for n, e in enumerate(control)}}
        for item, effect in named.items():
            observations += rows("s", item, two_by_two(effect), language=language)
            plain = {"suite": "s", "kind": "stereotype", "language": language, "item": item}
            items.append(plain | {"control": item.startswith("k"), "topic": "gender"})
    return evidence_from(observations, items)


def test_welch_is_that_of_scipy():
    one, other = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 0.25, 1.0])
    p, error, degrees = welch(one, other)
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert p == pytest.approx(expected.pvalue)
    assert degrees == pytest.approx(expected.df)
    assert error == pytest.approx(math.sqrt(one.var(ddof=1) / 3 + other.var(ddof=1) / 4))
    assert all(math.isnan(figure) for figure in welch(one, other[:1]))
    assert welch(np.zeros(3), np.zeros(3))[0] == 1.0
    assert welch(np.ones(3), np.zeros(3))[0] == 0.0


def test_the_comparison_with_control_pairs_is_told_by_language_and_axis():
    found = stereotype_effect(prepare(evidence_from(*stereotypes([1.0, 2.0, 1.5], [0.1, -0.1, 0.3]))))
    expected = stats.ttest_ind([1.0, 2.0, 1.5], [0.1, -0.1, 0.3], equal_var=False).pvalue
    for scope in ({"language": "en"}, {"language": "en", "topic": "gender"}):
        member = only(found, suite="s", **scope)
        assert member.details["p_beats_controls"] == pytest.approx(expected)
        assert beats_controls(member)


def test_two_control_pairs_are_too_few_to_compare_with():
    found = only(
        stereotype_effect(prepare(evidence_from(*stereotypes([1.0, 2.0], [0.1, -0.1])))), language="en", suite="s"
    )
    assert "p_beats_controls" not in found.details
    assert found.details["n_controls"] == 2
    assert not beats_controls(found)


def test_an_effect_that_control_pairs_have_too_is_never_evidence():
    social = [1.0, 1.2] * 10  # far from zero by any test
    same = english(weigh(evidence_from(*stereotypes(social, [1.0, 1.2, 1.1, 1.1]))))
    assert same.p_adjusted < 0.001
    assert same.verdict is Verdict.INSUFFICIENT
    assert any("+1.10 against +1.10 nats in 4 control pairs, p = 1.000" in caveat for caveat in same.caveats)
    more = english(weigh(evidence_from(*stereotypes(social, [2.0, 2.2, 2.1, 2.0]))))
    assert more.measurement.details["p_beats_controls"] < 0.05  # apart, but it is the controls that move more
    assert more.verdict is Verdict.INSUFFICIENT
    less = english(weigh(evidence_from(*stereotypes(social, [0.0, 0.2, -0.1, 0.0]))))
    assert less.verdict is Verdict.EVIDENCE
    assert not any("no evidence of an effect is claimed" in caveat for caveat in less.caveats)


def test_without_control_pairs_neither_evidence_nor_its_absence_is_claimed():
    for social in ([1.0, 1.2] * 10, [0.01, -0.01] * 10):
        bare = english(weigh(evidence_from(*stereotypes(social))))
        assert bare.verdict is Verdict.INSUFFICIENT
        assert bare.measurement.result.detectable is None
        assert any(caveat.startswith("no control pairs to compare with") for caveat in bare.caveats)


def test_what_would_have_been_found_counts_the_comparison_with_the_controls():
    """28 quiet templates alone would see little effects; four control pairs that scatter by nats would not let them."""
    quiet = english(weigh(evidence_from(*stereotypes([0.1, -0.1] * 14, [3.0, -3.0, 2.0, -2.0]))))
    assert quiet.measurement.result.detectable > 2
    assert quiet.verdict is Verdict.INSUFFICIENT


def test_only_templates_scored_in_every_pooled_language_are_pooled():
    view = prepare(in_languages({"en": {1: 1.0, 2: 2.0, 3: 50.0}, "sw": {1: 0.2, 2: 0.4}}))
    found = only(standardised_effect(view), suite="s", topic="gender")
    assert found.result.value == pytest.approx((1.5 + 0.3) / 2 / 0.2)  # control spread 0.2 in both
    assert found.items == ("s/s1", "s/s2")
    assert "over English, Swahili" in found.notes
    assert any(note.startswith("1 of 3 templates left out") for note in found.notes)


def test_an_axis_without_a_template_in_every_language_has_no_number():
    view = prepare(in_languages({"en": {1: 1.0, 2: 2.0}, "sw": {3: 0.2, 4: 0.4}}))
    found = only(standardised_effect(view), suite="s", topic="gender")
    assert isinstance(found.result, Undefined)
    assert found.result.reason == "no template was scored in all of English, Swahili"


def test_the_languages_that_supply_a_pooled_effect_are_named():
    view = prepare(in_languages({"en": {1: 3.0, 2: 3.0}, "sw": {1: -1.0, 2: -1.0}, "hi": {1: 1.0, 2: 1.0}}))
    found = only(standardised_effect(view), suite="s", topic="gender")
    assert found.result.value == pytest.approx(5.0)  # (3 - 1 + 1) / 3 / 0.2
    assert found.details["share_en"] == pytest.approx(0.6)  # 3 of 3 + 1 + 1
    assert found.details["lowest_without_one_language"] == pytest.approx(0.0)  # without English: (-1 + 1) / 2
    assert found.details["highest_without_one_language"] == pytest.approx(10.0)  # without Swahili: (3 + 1) / 2 / 0.2
    assert any(note.startswith("English supplies 60% of it") for note in found.notes)
    pair = prepare(in_languages({"en": {1: 2.0, 2: 2.0}, "sw": {1: 2.0, 2: 2.0}, "hi": {1: 1.0, 2: 1.0}}))
    notes = only(standardised_effect(pair), suite="s", topic="gender").notes
    assert any(note.startswith("English and Swahili supply 80% of it") for note in notes)  # 4 of 5


def test_shares_of_nothing_are_undefined_and_one_language_cannot_be_left_out():
    assert shares_of_languages({"en": 0.0, "sw": 0.0}) == {}
    assert without_one_language({"en": 1.0}) == {}


def test_every_competence_suite_has_to_be_passed_and_the_reasons_are_joined():
    observations, items = reads(n=10, right=10)
    for suite, right in (("d", 5), ("e", 4)):
        seen, asked = reads(n=10, right=right)
        observations += [row | {"suite": suite} for row in seen]
        items += [row | {"suite": suite} for row in asked]
    reason = unreadable(prepare(evidence_from(observations, items)))["en"]
    assert "50% of the items of d" in reason
    assert "; the model told true from broken sentences in only 40% of the items of e" in reason
    assert unreadable(prepare(evidence_from(*reads()))) == {}


def test_the_competence_verdict_is_the_bar_and_nothing_else():
    """6 of 6 passes (exact lower bound 0.54) although p = 0.03 is not below the family's 0.03."""
    findings = weigh(evidence_from(*reads(n=6, right=6)))
    assert findings[0].p_adjusted == pytest.approx(2 / 2**6)
    assert findings[0].verdict is Verdict.EVIDENCE
    assert findings[0].measurement.scope == Scope(suite="c", language="en")
