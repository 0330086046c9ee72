"""Conflict of frameworks and what latents do, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from audit.measures import prepare
from audit.measures.conflict import FEWEST_NEUTRAL, framework_conflict
from audit.measures.latent_tables import latent_effect, latent_kinds, latent_sharing, top_contexts
from audit.records import Kind, Undefined
from tests.measures.feature_evidence import by_hand, tables_from, with_features
from tests.measures.synthetic import evidence_from, synthetic_evidence
from tests.measures.test_by_hand import only

PAIRS = {"d0": "xy", "d1": "yz", "d2": "zx", "d3": "xy"}


def dilemmas(high, *, n_neutral=FEWEST_NEUTRAL, contexts=("1/ab",)):
    """`high`: dilemma -> frameworks that are highly active on it. Neutral scores are 0, 0.05, ... 0.95."""
    dilemma = by_hand(
        Kind.DILEMMA,
        [{"item": d, "topic": "t", "framework": p[0], "other_framework": p[1]} for d, p in PAIRS.items()],
    )
    values = [{"suite": "v", "kind": "values", "language": "en", "item": f"v{i}"} for i in range(n_neutral)]
    items = [*dilemma.items.to_dict("records"), *values]
    observations = [
        *dilemma.observations.to_dict("records"),
        *(
            {"suite": "v", "language": "en", "item": v["item"], "context": "x", "answer": "a", "logp": -1.0}
            for v in values
        ),
    ]
    scores = [
        {"suite": "v", "language": "en", "item": v["item"], "context": "neutral/1", "target": f, "score": i / 20}
        for i, v in enumerate(values)
        for f in "xyz"
    ]
    scores += [
        {"suite": "s", "language": "en", "item": d, "context": context, "target": f, "score": 2.0 * (f in high[d])}
        for d in PAIRS
        for context in contexts
        for f in "xyz"
    ]
    return prepare(tables_from(evidence_from(observations, items), scores=scores))


def test_conflict_is_the_share_of_dilemmas_with_both_of_their_frameworks_active():
    high = {"d0": "xy", "d1": "yz", "d2": "z", "d3": ""}
    found = only(framework_conflict(dilemmas(high)), suite="s", language="en")
    assert found.result.value == 0.5  # d0 and d1
    assert found.details["one_of_the_two"] == pytest.approx(5 / 8)
    # Null: all ways to deal the four pairs out to the four dilemmas.
    pairs = list(PAIRS.values())
    dealt = [
        np.mean([set(pairs[o]) <= set(h) for o, h in zip(order, high.values(), strict=True)])
        for order in permutations(range(4))
    ]
    assert found.result.null == pytest.approx(np.mean(dealt), abs=0.01)
    assert found.result.n_clusters == 4


def test_both_orders_of_a_dilemma_are_one_dilemma():
    found = only(
        framework_conflict(dilemmas({"d0": "xy", "d1": "", "d2": "", "d3": ""}, contexts=("1/ab", "1/ba"))),
        suite="s",
        language="en",
    )
    assert found.result.value == 0.25
    assert found.result.n_clusters == 4


def test_no_conflict_at_all_is_not_certainty():
    found = only(framework_conflict(dilemmas(dict.fromkeys(PAIRS, ""))), suite="s", language="en")
    assert found.result.value == 0.0
    assert found.result.high == pytest.approx(1 - 0.025 ** (1 / 4))  # exact 95 % bound of 0 of 4


def test_too_few_neutral_statements_set_no_threshold():
    found = framework_conflict(dilemmas(dict.fromkeys(PAIRS, "xyz"), n_neutral=FEWEST_NEUTRAL - 1))
    assert all(isinstance(m.result, Undefined) for m in found)
    assert "fewer than 20 neutral statements" in only(found, suite="s", language="en").result.reason


# --- latents ------------------------------------------------------------------------------------


def test_the_effect_of_latents_is_beyond_that_of_random_ones():
    items = [{"item": f"i{k}", "topic": "food", "culture": "a"} for k in range(4)]
    rows = [
        {"suite": "s", "language": "en", "item": f"i{k}", "target": "a", "act": act, "effect": effect}
        for k in range(4)
        for act, effect in (("ablate", 0.5 + k / 10), ("ablate random", 0.1), ("clamp", 0.3))
    ]
    rows.append({"suite": "s", "language": "en", "item": "i0", "target": "b", "act": "ablate", "effect": 99.0})
    found = only(
        latent_effect(prepare(tables_from(by_hand(Kind.CULTURE, items), causal=rows))), suite="s", language="en"
    )
    assert found.result.value == pytest.approx(0.55)  # mean of 0.4, 0.5, 0.6, 0.7
    assert found.details["clamp"] == pytest.approx(0.3)


def test_kinds_are_counted_beside_what_chance_would_make():
    view = prepare(with_features(synthetic_evidence(0, languages=("en", "es")), 0))
    table = latent_kinds(view, "culture").set_index("kind")
    assert list(table["n"]) == [10, 10, 10, 10]
    assert table["share"].sum() == pytest.approx(1.0)
    assert table.loc["content-specific", "with_content"] == 10
    assert table.loc["neither", "by_chance"] == pytest.approx(0.5)  # 5 % of 10
    assert latent_kinds(view, "nothing").empty


def test_latents_whose_activity_was_not_split_are_of_no_kind_and_are_not_counted_as_none_of_each():
    evidence = with_features(synthetic_evidence(0, languages=("en", "es")), 0)
    unsplit = evidence.latents.assign(kind="", share_content=np.nan, p_content=np.nan)
    assert latent_kinds(prepare(replace(evidence, latents=unsplit)), "culture").empty


def test_sharing_counts_latents_by_the_set_of_languages():
    view = prepare(with_features(synthetic_evidence(0, languages=("en", "es", "sw")), 0))
    table = latent_sharing(view, "culture").set_index("languages")
    assert table.loc["en,es,sw", "n"] == 30
    assert table.loc["en,es,sw", "n_content"] == 20
    assert table.loc["en", ["n", "n_languages"]].tolist() == [10, 1]


def test_top_texts_keep_their_tokens_only_where_the_licence_allows():
    evidence = with_features(synthetic_evidence(0, languages=("en", "es")), 0)
    table = top_contexts(prepare(evidence), "culture")
    assert set(table["rank"]) == {1, 2, 3, 4, 5}
    assert table["tokens"].iloc[0][1][0] == " a practice"
    target = table["target"].iloc[0]
    assert set(top_contexts(prepare(evidence), "culture", target)["target"]) == {target}
    bare = [row | {"text": ""} for row in evidence.contexts.to_dict("records")]
    assert all(
        tokens == [] for tokens in top_contexts(prepare(tables_from(evidence, contexts=bare)), "culture")["tokens"]
    )
    assert json.loads(evidence.contexts["text"].iloc[0])
