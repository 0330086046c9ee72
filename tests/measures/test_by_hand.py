"""Each measure on a handful of numbers that one can check on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from audit.errors import RunError
from audit.measures import prepare
from audit.measures.competence import bits_per_byte, competence, unreadable
from audit.measures.culture import capacity, culture_knowledge, hill_numbers, knowledge_diversity, knowledge_gap
from audit.measures.judgement import (
    content_tracking,
    dilemma_lean,
    dilemma_margins,
    language_dependent_judgement,
    language_shift,
    values_lean,
    variance_components,
)
from audit.measures.statistics import cluster_means
from audit.measures.stereotype import (
    causal_shared_token_score,
    control_effect,
    effects,
    standardised_effect,
    stereotype_effect,
)
from audit.measures.view import mean_by
from audit.records import Estimate, Kind, Scope, Undefined
from tests.measures.circuit_evidence import with_circuits
from tests.measures.feature_evidence import with_features
from tests.measures.synthetic import CULTURES, FACETS, evidence_from, synthetic_evidence


def rows(suite, item, logp, *, language="en", **more):
    return [
        {
            "suite": suite,
            "language": language,
            "item": item,
            "context": context,
            "answer": answer,
            "logp": value,
            **more,
        }
        for (context, answer), value in logp.items()
    ]


def reads(language="en", n=10, right=10):
    """A competence suite of n items, of which some are right."""
    observations = [
        row
        for i in range(n)
        for row in rows(
            "c", f"c{i}", {("", "true"): -1.0 if i < right else -3.0, ("", "broken"): -2.0}, language=language
        )
    ]
    items = [{"suite": "c", "kind": "competence", "language": language, "item": f"c{i}"} for i in range(n)]
    return observations, items


def two_by_two(te):
    return {("base", "a"): -1 + te, ("base", "b"): -2.0, ("counterpart", "a"): -1.0, ("counterpart", "b"): -2.0}


def stereotypes(social, controls=(), **more):
    observations, items = reads()
    for i, te in enumerate(social):
        observations += rows("s", f"s{i}", two_by_two(te), **more)
        items.append({"suite": "s", "kind": "stereotype", "language": "en", "item": f"s{i}", "topic": "gender"})
    for i, te in enumerate(controls):
        observations += rows("s", f"k{i}", two_by_two(te))
        items.append({"suite": "s", "kind": "stereotype", "language": "en", "item": f"k{i}", "control": True})
    return observations, items


def only(measurements, **scope):
    found = [m for m in measurements if m.scope == Scope(**scope)]
    assert len(found) == 1, [m.scope for m in measurements]
    return found[0]


def test_competence_is_the_share_of_true_sentences_that_are_likelier():
    view = prepare(evidence_from(*reads(n=8, right=6)))
    result = competence(view)[0].result
    assert (result.value, result.n_clusters) == (0.75, 8)  # 6 of 8
    assert result.low == pytest.approx(0.3491, abs=1e-4)  # exact 95 % bound of 6 of 8
    assert "en" in unreadable(view)  # 0.349 is below guessing


def test_a_tie_is_no_success():
    observations, items = reads(n=4, right=4)
    observations[0]["logp"] = observations[1]["logp"] + 0.01
    found = competence(prepare(evidence_from(observations, items, noise_floor=0.05)))[0]
    assert found.result.value == 0.75  # the first of 4 lies within the floor
    assert found.details["share_tied"] == 0.25


def test_a_language_without_competence_suite_is_not_interpretable():
    observations, items = stereotypes([1.0, 2.0])
    items = [item for item in items if item["suite"] == "s"]
    observations = [row for row in observations if row["suite"] == "s"]
    assert "no competence suite" in unreadable(prepare(evidence_from(observations, items)))["en"]


def test_bits_per_byte_by_hand():
    items = [{"suite": "p", "kind": "parallel", "language": "en", "item": f"l{i}"} for i in range(2)]
    observations = rows("p", "l0", {("", "text"): -8 * math.log(2)}, n_bytes=4)  # 8 bits / 4 bytes = 2
    observations += rows("p", "l1", {("", "text"): -8 * math.log(2)}, n_bytes=2)  # 8 bits / 2 bytes = 4
    result = bits_per_byte(prepare(evidence_from(observations, items)))[0].result
    assert result.value == pytest.approx(3.0)  # (2 + 4) / 2


def test_stereotype_effect_by_hand():
    observations, items = stereotypes([1.0, 2.0, -0.5], [0.1, -0.1, 0.3], n_tokens=2)
    found = only(
        stereotype_effect(prepare(evidence_from(observations, items, noise_floor=0.6))), language="en", suite="s"
    )
    assert found.result.value == pytest.approx(2.5 / 3)
    assert found.result.p_value == pytest.approx(stats.ttest_1samp([1.0, 2.0, -0.5], 0).pvalue)
    assert found.details["share_toward"] == pytest.approx(2 / 3)
    assert found.details["share_against"] == 0  # -0.5 lies within the floor of 0.6: a tie, not "against"
    assert found.details["share_tied"] == pytest.approx(1 / 3)
    assert found.details["length_normalised"] == pytest.approx(2.5 / 3 / 2)  # two tokens each
    assert found.details["shared_token"] == pytest.approx(2.5 / 3)  # the whole effect sits in a after base
    assert found.details["control_mean"] == pytest.approx(0.1)
    assert found.details["control_sd"] == pytest.approx(0.2)  # 0, -.2, .2 around 0.1
    assert found.details["in_control_spreads"] == pytest.approx(2.5 / 3 / 0.2)
    assert "pmi" not in found.details  # no neutral context: missing, not zero
    assert found.items == ("s/s0", "s/s1", "s/s2")


def test_pmi_compares_with_the_context_that_names_no_group():
    observations, items = stereotypes([1.0, 2.0])
    for i in range(2):
        observations += rows("s", f"s{i}", {("neutral", "a"): -1.2, ("neutral", "b"): -2.4})
    cube = prepare(evidence_from(observations, items)).of(Kind.STEREOTYPE)[0]
    # (-1 + te + 1.2) - (-2 + 2.4) = te - 0.2
    assert effects(cube).pmi == pytest.approx([0.8, 1.8])


def test_standardised_effect_divides_by_the_spread_of_the_controls():
    observations, items = stereotypes([1.0, 2.0], [0.1, -0.1, 0.3])
    found = only(standardised_effect(prepare(evidence_from(observations, items))), suite="s", topic="gender")
    assert found.result.value == pytest.approx(7.5)  # (1 / 0.2 + 2 / 0.2) / 2


def test_quarantined_items_support_nothing_and_are_counted():
    observations, items = stereotypes([1.0, 2.0, 50.0])
    items[-1]["quarantine"] = "answers differ in length"
    found = only(stereotype_effect(prepare(evidence_from(observations, items))), language="en", suite="s")
    assert found.result.value == pytest.approx(1.5)
    assert found.notes == ("1 quarantined item left out",)


def test_one_template_is_refused_with_the_reason():
    found = only(stereotype_effect(prepare(evidence_from(*stereotypes([1.0])))), language="en", suite="s")
    assert isinstance(found.result, Undefined)
    assert "2 independent templates, got 1" in found.result.reason
    controls = control_effect(prepare(evidence_from(*stereotypes([1.0]))))[0].result
    assert isinstance(controls, Undefined)


def test_causal_shared_token_score_by_hand():
    items = [{"suite": "p", "kind": "pairs", "language": "en", "item": f"p{i}", "topic": "age"} for i in range(2)]
    observations = rows("p", "p0", {("base", "shared"): -5.0, ("counterpart", "shared"): -7.0})  # +2
    observations += rows("p", "p1", {("base", "shared"): -4.0, ("counterpart", "shared"): -3.0})  # -1
    found = only(causal_shared_token_score(prepare(evidence_from(observations, items))), language="en", suite="p")
    assert found.result.value == pytest.approx(0.5)
    assert any("control pairs" in note for note in found.notes)


def facts(boosts, *, language="en"):
    """Two facets x three cultures; boosts[facet][culture] is what asking adds to the right answer, nats."""
    observations, items = reads(language)
    for facet, row in boosts.items():
        for culture, boost in row.items():
            item = f"{facet}.{culture}"
            items.append(
                {
                    "suite": "k",
                    "kind": "culture",
                    "language": language,
                    "item": item,
                    "topic": facet,
                    "culture": culture,
                }
            )
            logp = {("neutral/1", other): -5.0 - i for i, other in enumerate(row)}
            logp |= {("asked/1", other): -5.0 - i + (boost if other == culture else 0.0) for i, other in enumerate(row)}
            observations += rows("k", item, logp, language=language)
    return prepare(evidence_from(observations, items))


def bits(row, own):
    """log2 of q(own answer | own name) against its mean over names; naming n multiplies the odds of n by e^boost."""
    q = [math.exp(b if name == own else 0.0) / (math.exp(b) + len(row) - 1) for name, b in row.items()]
    return math.log2(q[list(row).index(own)] / (sum(q) / len(q)))


BOOSTS = {"food": {"a": 2.0, "b": 1.0, "c": 0.0}, "greeting": {"a": 3.0, "b": 1.5, "c": -1.0}}
BITS = {facet: {name: bits(row, name) for name in row} for facet, row in BOOSTS.items()}


def test_capacity_by_hand():
    view = facts(BOOSTS)
    cube = view.of(Kind.CULTURE)[0]
    capacities = dict(zip(cube.item, capacity(cube)[0], strict=True))
    # q(a) is e^2 / (e^2 + 2) = 0.787 after a, 1 / (e + 2) = 0.212 after b, 1/3 after c: mean 0.444
    assert capacities["food.a"] == pytest.approx(math.log2(0.787 / 0.444), abs=0.003)
    assert capacities["greeting.c"] == pytest.approx(BITS["greeting"]["c"])
    assert capacities == pytest.approx({f"{f}.{name}": value for f, row in BITS.items() for name, value in row.items()})
    by_culture = only(culture_knowledge(view), suite="k", culture="a").result
    assert by_culture.value == pytest.approx((BITS["food"]["a"] + BITS["greeting"]["a"]) / 2)
    by_language = only(culture_knowledge(view), suite="k", language="en").result
    assert by_language.value == pytest.approx(np.mean([value for row in BITS.values() for value in row.values()]))


def test_knowledge_gap_by_hand():
    found = only(knowledge_gap(facts(BOOSTS)), suite="k", culture="c")
    gaps = [row["c"] - (row["a"] + row["b"]) / 2 for row in BITS.values()]
    assert found.result.value == pytest.approx(np.mean(gaps))
    # Nine ways to pick one fact per facet; c has the lowest of both, and nothing lies as far on the other side.
    assert found.result.p_value == pytest.approx(1 / 9)


def test_hill_numbers_by_hand():
    assert hill_numbers(np.array([1.0, 1.0, 1.0, 1.0])) == pytest.approx([4, 4, 4])
    # shares 1/2, 1/4, 1/4: entropy 1.5 bits -> 2^1.5; 1 / (1/4 + 1/16 + 1/16) = 8/3
    assert hill_numbers(np.array([2.0, 1.0, 1.0])) == pytest.approx([3, 2**1.5, 8 / 3])
    assert hill_numbers(np.array([2.0, -1.0])) == pytest.approx([1, 1, 1])  # below guessing counts as nothing
    assert np.isnan(hill_numbers(np.array([-1.0, 0.0]))).all()  # all unknown: undefined, not zero


def test_diversity_of_unknown_cultures_is_undefined():
    misled = {"a": -1.0, "b": -1.0, "c": -1.0}
    view = facts({"food": misled, "greeting": misled})
    result = only(knowledge_diversity(view), suite="k").result
    assert isinstance(result, Undefined)
    assert "no culture" in result.reason


def test_capacity_equals_a_slow_loop_over_dictionaries():
    evidence = synthetic_evidence(3, languages=("en",), with_pairs=False, with_parallel=False)
    cube = prepare(evidence).of(Kind.CULTURE)[0]
    facet, own = FACETS[1], CULTURES[4]
    table = evidence.observations
    table = table[(table["suite"] == "culture") & table["item"].str.startswith(f"{facet}.")]
    names = ("item", "context", "answer", "logp")
    logp = {tuple(key): value for *key, value in zip(*(table[name] for name in names), strict=True)}
    slow = []
    for wording in "12":
        q = {}
        for named in CULTURES:
            asked, neutral = ((f"{facet}.{named}", f"{context}/{wording}") for context in ("asked", "neutral"))
            score = {c: math.exp(logp[*asked, c] - logp[*neutral, c]) for c in CULTURES}
            q[named] = score[own] / sum(score.values())
        slow.append(math.log2(q[own] / (sum(q.values()) / len(q))))
    row = list(cube.item).index(f"{facet}.{own}")
    assert capacity(cube)[0][row] == pytest.approx(np.mean(slow))


def statements(effects_of, controls=(), neutral=(0.0, 1.0, -1.0)):
    observations, items = reads()
    numbered = [(f, e, False) for f, es in effects_of.items() for e in es] + [("", e, True) for e in controls]
    for i, (framework, effect, control) in enumerate(numbered):
        more = {"framework": framework, "control": control}
        items.append({"suite": "v", "kind": "values", "language": "en", "item": f"v{i}", **more})
        margins = {"endorse/1": effect, "reject/1": 0.0, "neutral/1": neutral[i % len(neutral)]}
        logp = {(c, role): m if role == "agree" else 0.0 for c, m in margins.items() for role in ("agree", "disagree")}
        observations += rows("v", f"v{i}", logp)
    return prepare(evidence_from(observations, items))


def test_values_lean_by_hand():
    view = statements({"care": [2.0, 4.0, 3.0], "duty": [0.0, 2.0, 1.0]}, controls=[5.0, 6.0, 7.0])
    found = only(values_lean(view), suite="v", language="en", framework="care")
    # neutrals 0, 1, -1 three times over: variance 6 / 8; spread = sqrt(2 * 0.75). Means 3 and 1, of both 2.
    assert found.result.value == pytest.approx((3 - 2) / math.sqrt(2 * 0.75))
    # SD within frameworks 1, so the SE of (mean - other) / 2 is sqrt(1/3 + 1/3) / 2
    assert found.details["standard_error"] == pytest.approx(math.sqrt(2 / 3) / 2 / math.sqrt(1.5))
    # 20 ways to choose 3 of 0 1 2 2 3 4; sums >= 9 or <= 3: {2,3,4} twice, {0,1,2} twice
    assert found.result.p_value == pytest.approx(4 / 20, abs=0.01)


def test_content_tracking_is_true_against_false():
    tracked = content_tracking(statements({"care": [1.0]}, controls=[1.5, 3.0]))[0].result
    assert tracked.value == pytest.approx(2.25 / math.sqrt(2))  # neutrals 0, 1, -1: spread sqrt(2) * 1
    few = content_tracking(statements({"care": [1.0]}, controls=[2.0], neutral=(0.0,)))[0].result
    assert isinstance(few, Undefined)


def test_no_lean_is_read_where_agreement_does_not_track_content():
    view = statements({"care": [2.0, 4.0], "duty": [0.0, 2.0]}, controls=[1.0, -1.0, 0.0])
    assert isinstance(only(values_lean(view), suite="v", framework="care").result, Undefined)


def dilemmas(margins, *, position=0.5, language="en", topic="other"):
    observations, items = [], []
    for i, (a, b, margin) in enumerate(margins):
        items.append(
            {"suite": "d", "kind": "dilemma", "language": language, "item": f"d{i}", "topic": topic}
            | {"framework": a, "other_framework": b}
        )
        logp = {}
        for paraphrase, shift in (("1", 0.1), ("2", -0.1)):
            for order, liking in (("ab", position), ("ba", -position)):
                logp[f"{paraphrase}/{order}", "a"] = margin + shift + liking
                logp[f"{paraphrase}/{order}", "b"] = 0.0
        observations += rows("d", f"d{i}", logp, language=language)
    return observations, items


def with_reading(*parts):
    observations, items = [], []
    for language in sorted({item["language"] for _, more in parts for item in more}):
        seen, asked = reads(language)
        observations, items = observations + seen, items + asked
    for seen, asked in parts:
        observations, items = observations + seen, items + asked
    return prepare(evidence_from(observations, items))


def test_a_liking_for_the_first_option_cancels():
    cube = with_reading(dilemmas([("x", "y", 0.7)], position=3.0)).of(Kind.DILEMMA)[0]
    margin, liking = dilemma_margins(cube)
    assert margin == pytest.approx(np.array([[0.8, 0.6]]))  # 0.7 + 0.1 and 0.7 - 0.1
    assert liking == pytest.approx(np.array([[3.0, 3.0]]))


def test_dilemma_lean_is_the_paired_comparison_of_statsmodels():
    played = [("x", "y", 1.0), ("y", "z", 2.0), ("x", "z", 2.5), ("z", "x", -2.0), ("y", "x", -0.5)]
    found = [m for m in dilemma_lean(with_reading(dilemmas(played))) if m.scope.language == "en"]
    strengths = np.array([m.result.value for m in found])
    assert strengths.sum() == pytest.approx(0.0)
    size = math.sqrt(sum(m**2 for _, _, m in played) / 5)
    design = np.array([[(a == f) - (b == f) for f in "xy"] for a, b, _ in played], dtype=float)  # z = 0
    fit = sm.OLS(np.array([m for _, _, m in played]) / size, design).fit()
    assert strengths[0] - strengths[2] == pytest.approx(fit.params[0])
    contrast = fit.t_test([2 / 3, -1 / 3])  # x minus the mean of x, y and z
    assert found[0].result.p_value == pytest.approx(float(contrast.pvalue))
    assert (found[0].result.low, found[0].result.high) == pytest.approx(tuple(contrast.conf_int()[0]))
    assert found[0].details["position_bias"] == pytest.approx(0.5)


def test_frameworks_that_never_meet_cannot_be_compared():
    apart = [("x", "y", 1.0), ("x", "y", 2.0), ("z", "w", 1.0), ("z", "w", 0.5), ("w", "z", 0.5), ("y", "x", 1.0)]
    results = [m.result for m in dilemma_lean(with_reading(dilemmas(apart)))]
    assert all(isinstance(result, Undefined) and "meet" in result.reason for result in results)


def test_variance_components_are_those_of_an_independent_decomposition():
    table = np.random.default_rng(2).normal(size=(5, 3, 2)) + np.arange(5)[:, None, None] + np.arange(3)[None, :, None]
    long = [(y, i, j) for (i, j, _), y in np.ndenumerate(table)]
    y = np.array([row[0] for row in long])
    items = np.array([[row[1] == i for i in range(5)] for row in long], dtype=float)
    languages = np.array([[row[2] == j for j in range(3)] for row in long], dtype=float)
    cells = np.array([[(row[1], row[2]) == (i, j) for i in range(5) for j in range(3)] for row in long], dtype=float)

    def residual(*parts):
        design = np.hstack([np.ones((30, 1)), *parts])
        return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())

    within = residual(cells) / 15
    crossed = (residual(items, languages) - residual(cells)) / 8
    by_item = (residual(languages) - residual(items, languages)) / 4
    by_language = (residual(items) - residual(items, languages)) / 2
    slow = [(by_item - crossed) / 6, (by_language - crossed) / 10, (crossed - within) / 2, within]
    assert variance_components(table) == pytest.approx(np.maximum(slow, 0))


def test_identical_answers_in_all_languages_do_not_depend_on_language():
    # Six, so that the paraphrases can agree with p < 0.05 at all: 2 / 2^6
    played = [("x", "y", 1.0), ("y", "x", -2.0), ("x", "y", 0.5)] * 2
    view = with_reading(dilemmas(played), dilemmas(played, language="sw"))
    result = language_dependent_judgement(view)[0].result
    assert result.value == 0.0
    assert result.p_value > 0.5
    alone = language_dependent_judgement(with_reading(dilemmas(played)))[0].result
    assert isinstance(alone, Undefined)
    assert "2 readable languages" in alone.reason


def test_language_shift_by_hand():
    rights, other, topic = "individual-rights", "ubuntu", "individual-collective"
    english = dilemmas([(rights, other, 1.0), (other, rights, -1.0)], topic=topic)  # rights by 1 nat in both
    swahili = dilemmas([(rights, other, 0.0), (other, rights, 2.0)], topic=topic, language="sw")  # 0, and -2
    result = only(language_shift(with_reading(english, swahili)), language="en", other_language="sw", suite="d").result

    def p(margin):
        return (1 / (1 + math.exp(-margin - 0.1)) + 1 / (1 + math.exp(-margin + 0.1))) / 2  # two paraphrases

    assert result.value == pytest.approx(((p(1) - p(0)) + (p(1) - p(-2))) / 2)


def test_an_observation_without_item_is_refused_by_name():
    observations, items = stereotypes([1.0])
    observations[-1]["item"] = "stranger"
    with pytest.raises(RunError, match="s/en/stranger"):
        prepare(evidence_from(observations, items))
    with pytest.raises(RunError, match="appears twice"):
        prepare(evidence_from(*[part + part[-1:] for part in stereotypes([1.0])]))


def test_mean_by_is_the_groupby_of_pandas():
    import pandas as pd

    rng = np.random.default_rng(0)
    values, one, two = rng.normal(size=50), rng.choice(list("abc"), 50), rng.choice(list("xy"), 50)
    means, (first, second) = mean_by(values, one, two)
    slow = pd.Series(values).groupby([one, two]).mean()
    assert list(zip(first, second, strict=True)) == list(slow.index)
    assert means == pytest.approx(slow.to_numpy())
    assert cluster_means(values, one) == pytest.approx(pd.Series(values).groupby(one, sort=False).mean().to_numpy())


def test_every_measure_has_a_number_on_a_full_audit():
    from audit.measures import MEASURES, measure

    found = measure(with_features(with_circuits(synthetic_evidence(0)), probe=1.0, latents=1.0, frameworks=0.5))
    estimated = [m for m in found if isinstance(m.result, Estimate)]
    assert {m.measure for m in estimated} == {entry.name for entry in MEASURES}
    # Where capacity is not told apart from zero there is nothing to spread, or to balance.
    assert {m.measure for m in found if m not in estimated} <= {"representation_diversity", "framework_balance"}
    for m in estimated:
        assert m.result.low <= m.result.value <= m.result.high, m
        assert m.items, m
