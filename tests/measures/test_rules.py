"""What a verdict, a caveat and a sentence may say: one law per test."""

from __future__ import annotations

import dataclasses

import pytest

from audit.findings import FAMILIES, filled, weigh
from audit.findings.designed import Design
from audit.measures import MEASURES, measure
from audit.records import Estimate, Evidence, Undefined, Verdict
from audit.terms import counted
from audit.wording import Number, said
from tests.measures.feature_evidence import with_features
from tests.measures.synthetic import CULTURES, synthetic_evidence


def without(evidence: Evidence, **values) -> Evidence:
    """The evidence with all observations of some items dropped, as if they had been excluded."""
    items = evidence.items
    gone = items[(items[list(values)] == list(values.values())).all(axis=1)]
    keys = ["suite", "language", "item"]
    dropped = set(gone[keys].itertuples(index=False, name=None))
    kept = [key not in dropped for key in evidence.observations[keys].itertuples(index=False, name=None)]
    return dataclasses.replace(evidence, observations=evidence.observations[kept].reset_index(drop=True))


def with_items(evidence: Evidence, rows, **values) -> Evidence:
    items = evidence.items.copy()
    for name, value in values.items():
        items.loc[rows(items), name] = value
    return dataclasses.replace(evidence, items=items)


def sizes(findings):
    return {f.family: f.family_size for f in findings}


def test_families_keep_their_size_whatever_is_dropped_and_list_what_is_missing():
    evidence = synthetic_evidence(3, languages=("en", "sw"))
    full = sizes(weigh(evidence))
    for lost, scope in (
        ({"kind": "stereotype", "topic": "gender"}, {"topic": "gender"}),
        ({"kind": "culture", "culture": "kenya"}, {"culture": "kenya"}),
        ({"kind": "values", "framework": "ubuntu"}, {"framework": "ubuntu"}),
        ({"kind": "stereotype", "topic": "age", "language": "sw"}, {"topic": "age", "language": "sw"}),
        ({"kind": "dilemma", "topic": "individual-collective"}, {"language": "en", "other_language": "sw"}),
    ):
        findings = weigh(without(evidence, **lost))
        assert sizes(findings) == full, lost
        missing = [
            f for f in findings if all(getattr(f.measurement.scope, name) == value for name, value in scope.items())
        ]
        assert missing
        told = [f for f in missing if isinstance(f.measurement.result, Undefined)]
        assert any("excluded or quarantined: no answer was scored" in f.sentence for f in told), lost
        assert all(f.p_adjusted is None for f in told)


def test_a_missing_member_counts_with_p_of_one():
    """Holm over eight languages stays Holm over eight: the smallest p of the others is still multiplied by 7 or 8."""
    evidence = synthetic_evidence(3, stereotype_effect=1.2)
    family = "stereotypes by axis"
    whole = {f.measurement.scope.topic: f for f in weigh(evidence) if f.family == family}
    left = {
        f.measurement.scope.topic: f
        for f in weigh(without(evidence, kind="stereotype", topic="age"))
        if f.family == family
    }
    assert set(whole) == set(left)
    smallest = min((f for f in left.values() if f.p_adjusted is not None), key=lambda f: f.p_adjusted)
    assert smallest.p_adjusted == pytest.approx(min(1.0, smallest.measurement.result.p_value * len(whole)))


def test_a_quarantined_culture_is_listed_with_its_reason():
    evidence = synthetic_evidence(3, languages=("en",))
    held = with_items(evidence, lambda t: t["culture"] == "kenya", quarantine="two answers are the same")
    finding = next(
        f for f in weigh(held) if f.family == "knowledge by culture" and f.measurement.scope.culture == "kenya"
    )
    assert isinstance(finding.measurement.result, Undefined)
    assert finding.family_size == len(CULTURES)


def test_nothing_is_measured_outside_the_design():
    evidence = with_features(synthetic_evidence(0, blemishes=True), 0)
    design = Design.of(evidence)
    shapes = {(family.measure, family.per, family.lens): family for family in FAMILIES}
    everything = measure(evidence)
    for found in everything:
        key = (found.measure, filled(found.scope), found.scope.lens)
        assert key in shapes
        assert found.scope in design.scopes(*key[:2], lens=key[2]), found.scope
    for family in FAMILIES:
        members = [
            m
            for m in everything
            if (m.measure, filled(m.scope), m.scope.lens) == (family.measure, family.per, family.lens)
        ]
        assert design.missing(family.measure, family.per, members, lens=family.lens) == (), family.name


def test_no_evidence_needs_an_interval_that_holds_the_null_and_nothing_that_matters():
    from audit.findings import _verdict
    from audit.records import Measurement, Scope

    def verdict(low, high):
        result = Estimate(
            value=(low + high) / 2,
            low=low,
            high=high,
            level=0.95,
            unit="nats",
            n_items=9,
            n_clusters=9,
            method="",
            p_value=0.2,
            null=0.0,
            detectable=0.5,
            power=0.8,
            margin=0.7,
        )
        found = Measurement(measure="control_effect", scope=Scope(), result=result, items=())
        return _verdict(found, 0.2, alpha=0.03, barred="", translated=False)

    assert verdict(-0.2, 0.3) is Verdict.NO_EVIDENCE
    assert verdict(0.1, 0.5) is Verdict.INSUFFICIENT  # does not hold the null
    assert verdict(-0.1, 0.8) is Verdict.INSUFFICIENT  # holds an effect that would matter


def test_translations_cannot_support_a_finding_about_a_culture():
    evidence = synthetic_evidence(7, languages=("en", "sw"), less_known={"kenya": 4.0})
    measures = ("culture_knowledge", "knowledge_gap", "knowledge_diversity")
    translated = with_items(evidence, lambda t: t["kind"].isin(["culture", "stereotype"]), origin="translated")
    half = with_items(evidence, lambda t: (t["kind"] == "culture") & (t["language"] == "sw"), origin="translated")
    before, after, between = weigh(evidence), weigh(translated), weigh(half)
    assert any(f.verdict is Verdict.EVIDENCE for f in before if f.measurement.measure in measures)
    assert {f.verdict for f in after if f.measurement.measure in measures} == {Verdict.INSUFFICIENT}
    for f in after:
        told = any("translations" in caveat for caveat in f.caveats)
        assert told == (f.measurement.measure in measures), f.family
    pooled = [f for f in between if f.family == "level of knowledge by culture"]
    assert any(f.verdict is Verdict.EVIDENCE for f in pooled)  # one half is not more than half
    assert all("4 of 8 texts are translations, which cannot carry a claim about a culture" in f.caveats for f in pooled)
    alone = [f for f in between if f.measurement.measure in measures and f.measurement.scope.language == "sw"]
    assert {f.verdict for f in alone} == {Verdict.INSUFFICIENT}


def test_stereotypes_say_where_they_are_documented_and_that_the_language_was_not_checked():
    evidence = synthetic_evidence(1, languages=("en", "sw"))
    regions = with_items(evidence, lambda t: t["topic"] == "age", regions="India; Kenya")
    findings = weigh(regions)
    swahili = next(
        f
        for f in findings
        if f.measurement.measure == "stereotype_effect"
        and f.measurement.scope.language == "sw"
        and not f.measurement.scope.topic
    )
    expected = (
        "of 28 items, 24 are documented for worldwide, 4 for India, 4 for Kenya; "
        "whether the stereotypes are held where Swahili is spoken was not checked"
    )
    assert expected in swahili.caveats
    age = next(f for f in findings if f.family == "stereotypes by axis" and f.measurement.scope.topic == "age")
    assert any(c.startswith("of 4 items, 4 are documented for India, 4 for Kenya; whether") for c in age.caveats)
    assert not any("documented" in c for f in findings if f.measurement.measure == "control_effect" for c in f.caveats)


def test_a_suite_asked_only_in_unreadable_languages_is_not_interpretable():
    evidence = synthetic_evidence(1, languages=("en", "yo"), unreadable=("yo",))
    suites = ("stereotype", "culture", "dilemma", "values")

    def only_yoruba(table):
        return table[~(table["suite"].isin(suites) & (table["language"] == "en"))].reset_index(drop=True)

    narrow = dataclasses.replace(
        evidence, observations=only_yoruba(evidence.observations), items=only_yoruba(evidence.items)
    )
    pooled = [f for f in weigh(narrow) if f.measurement.scope.suite in suites and not f.measurement.scope.language]
    assert len(pooled) > 20
    assert {f.verdict for f in pooled} == {Verdict.NOT_INTERPRETABLE}


def test_dilemmas_are_not_read_where_their_wordings_disagree():
    evidence = synthetic_evidence(1, languages=("en", "sw"), judgement_correlation=0.5)
    table = evidence.observations.copy()
    turned = (
        (table["suite"] == "dilemma") & (table["language"] == "sw") & table["context"].str.startswith("2/")
    ).to_numpy()
    table.loc[turned, "answer"] = table.loc[turned, "answer"].map(
        {"a": "b", "b": "a"}
    )  # margins of wording 2 turn round
    findings = weigh(dataclasses.replace(evidence, observations=table))
    gated = ("dilemma_lean", "language_shift", "language_dependent_judgement")
    swahili = [
        f
        for f in findings
        if f.measurement.measure in gated and "sw" in (f.measurement.scope.language, f.measurement.scope.other_language)
    ]
    assert swahili
    assert {f.verdict for f in swahili} == {Verdict.NOT_INTERPRETABLE}
    reason = "not interpretable, because in Swahili the two wordings of the same dilemma do not get agreeing answers"
    assert all(reason in f.sentence for f in swahili)
    english = [f for f in findings if f.measurement.measure == "dilemma_lean" and f.measurement.scope.language == "en"]
    assert Verdict.NOT_INTERPRETABLE not in {f.verdict for f in english}
    pooled = [f for f in findings if f.family == "dilemmas by framework"]
    assert all(
        any("of 4 texts" in c or "of 7 texts" in c or "of 2 texts" in c or "of 3 texts" in c for c in f.caveats)
        for f in pooled
    )  # only English texts: frameworks meet in 2 to 7 dilemmas, not in twice as many


def test_sentences_print_the_interval_next_to_the_value_and_no_nested_brackets():
    for finding in weigh(synthetic_evidence(2, stereotype_effect=1.2, less_known={"kenya": 2.5}, unreadable=("yo",))):
        depth = 0
        for letter in finding.sentence:
            depth += (letter == "(") - (letter == ")")
            assert depth <= 1, finding.sentence
        assert "-0.00" not in finding.sentence
        assert "+0.00" not in finding.sentence
        assert "independent items" not in finding.sentence
        result = finding.measurement.result
        if isinstance(result, Estimate) and finding.verdict is not Verdict.NOT_INTERPRETABLE:
            unit = result.unit if finding.measurement.measure != "competence" else "templates"
            assert f" {unit} (95 % interval " in finding.sentence, finding.sentence


def test_figures_and_counts_are_printed_plainly():
    signed = [said("{x}", x=Number(x, signed=True)) for x in (-0.001, 0.001, 0.5)]
    assert signed == ["0.00", "0.00", "+0.50"]
    assert said("{x}", x=Number(-0.004)) == "0.00"
    one = Estimate(
        value=1, low=0, high=2, level=0.95, unit="", n_items=1, n_clusters=1, method="by hand", clusters="facts"
    )
    assert counted(one) == "1 fact"
    assert counted(dataclasses.replace(one, n_clusters=3, clusters="people")) == "3 people"


def test_prediction_is_set_against_a_blind_guess_and_the_rest_against_chance():
    findings = weigh(synthetic_evidence(2, languages=("en",)))
    bits = next(f for f in findings if f.measurement.measure == "bits_per_byte")
    assert ", against 8.00 of a blind guess, from 20 lines" in bits.sentence
    spread = next(f for f in findings if f.measurement.measure == "knowledge_diversity")
    assert " expected by chance, from 56 facts" in spread.sentence


def test_caveats_name_languages_in_words():
    for finding in weigh(synthetic_evidence(2, unreadable=("yo",))):
        over = [caveat for caveat in finding.caveats if caveat.startswith("over ")]
        assert all("Arabic" in caveat and "without Yoruba" in caveat for caveat in over)


def test_the_margin_of_pooled_stereotypes_is_two_control_spreads():
    assert {entry.name: entry.margin for entry in MEASURES}["standardised_effect"] == 2.0
