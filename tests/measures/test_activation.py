"""Context-appropriate activation: places among the texts of a facet, by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from audit.findings import weigh
from audit.measures import prepare
from audit.measures.activation import context_activation, placements
from audit.records import Estimate, Kind, Undefined, Verdict
from tests.measures.feature_evidence import by_hand, tables_from, with_features
from tests.measures.synthetic import synthetic_evidence
from tests.measures.test_by_hand import only
from tests.measures.test_capacity import cultures

FACETS = ("food", "dress")


def scored(own, other, neutral=0.0, *, permuted=0.0):
    """Three cultures; `own`: score of each on its own texts, on the others' `other`, on neutral ones `neutral`."""
    rows = []
    for facet, culture, target in product(FACETS, "abc", "abc"):
        plain = {"suite": "s", "language": "en", "item": f"{facet}.{culture}", "target": target, "permuted": permuted}
        rows.append(plain | {"context": "practice", "score": own[target] if culture == target else other})
        rows.append(plain | {"context": "neutral/1", "score": neutral})
    return prepare(tables_from(by_hand(Kind.CULTURE, cultures("abc", FACETS)), scores=rows))


def test_the_mean_place_is_the_auroc():
    rng = np.random.default_rng(0)
    own, others = rng.normal(1, 1, 1), rng.normal(0, 1, 9)
    auroc = mannwhitneyu(own, others).statistic / 9
    assert placements(np.concatenate([own, others]))[0] == pytest.approx(auroc)
    assert placements(np.array([1.0, 1.0, 0.0]))[0] == pytest.approx(0.75)  # a tie and a win
    assert placements(rng.normal(size=7)).mean() == pytest.approx(0.5)


def test_a_text_is_compared_with_the_others_of_its_facet_and_the_neutral_one_once():
    """a lies above both others and the neutral text: 3 of 3. b ties with the neutral: (2 + 0.5) / 3."""
    view = scored({"a": 2.0, "b": 1.0, "c": 0.0}, other=0.5, neutral=1.0)
    found = context_activation(view)
    assert only(found, suite="s", culture="a").result.value == pytest.approx(1.0)
    assert only(found, suite="s", culture="b").result.value == pytest.approx(2.5 / 3)
    c = only(found, suite="s", culture="c")
    assert c.result.value == pytest.approx(0.0)
    assert (c.details["against_others"], c.details["against_neutral"]) == (0.0, 0.0)
    assert only(found, suite="s", language="en").result.value == pytest.approx((1 + 2.5 / 3 + 0) / 3)


def test_latents_that_are_active_everywhere_tell_nothing():
    view = scored({"a": 7.0, "b": 7.0, "c": 7.0}, other=7.0, neutral=7.0)
    a = only(context_activation(view), suite="s", culture="a")
    assert a.result.value == 0.5
    assert a.result.p_value == 1.0
    assert a.details["uniform"] == 1.0
    assert any(note.startswith("uniform") for note in a.notes)


def test_what_shuffled_labels_reach_is_the_null_where_it_is_more_than_chance():
    plain = with_features(synthetic_evidence(0, languages=("en", "es")), 0, auroc=0.9)
    lucky = with_features(synthetic_evidence(0, languages=("en", "es")), 0, auroc=0.9, permuted_auroc=0.9)
    nulls = [only(context_activation(prepare(e)), suite="culture", culture="kenya").result.null for e in (plain, lucky)]
    assert nulls[0] == pytest.approx(0.5, abs=0.05)
    assert nulls[1] == pytest.approx(0.9, abs=0.05)
    evidence = [f for f in weigh(lucky) if f.family == "activation by culture" and f.verdict is Verdict.EVIDENCE]
    assert not evidence


def test_planted_activity_is_found_for_the_culture_that_has_it():
    auroc = {"kenya": 0.97, "usa": 0.97}
    plain = synthetic_evidence(0, languages=("en", "es", "hi", "sw"), with_pairs=False, with_parallel=False)
    view = with_features(plain, 0, auroc=auroc)
    found = {f.measurement.scope.culture: f for f in weigh(view) if f.family == "activation by culture"}
    assert {c for c, f in found.items() if f.verdict is Verdict.EVIDENCE} == {"kenya", "usa"}
    assert "latents chosen for Kenya are more active" in found["kenya"].sentence


def test_a_culture_alone_in_its_facet_has_no_number():
    items = cultures("a", FACETS)
    rows = [
        {"suite": "s", "language": "en", "item": f"{f}.a", "target": "a", "context": "practice", "score": 1.0}
        for f in FACETS
    ]
    found = context_activation(prepare(tables_from(by_hand(Kind.CULTURE, items), scores=rows)))
    assert all(isinstance(m.result, Undefined) for m in found)
    assert not any(isinstance(m.result, Estimate) for m in found)


def test_planted_aurocs_come_out_in_their_order():
    found = []
    for auroc in (0.5, 0.65, 0.8, 0.95):
        view = prepare(with_features(synthetic_evidence(0, languages=("en", "es")), 0, auroc=auroc))
        values = [m.result.value for m in context_activation(view) if m.scope.language and not m.scope.culture]
        found.append(sum(values) / len(values))
        assert found[-1] == pytest.approx(auroc, abs=0.06)  # 2 languages x 56 places
    assert found == sorted(found)
