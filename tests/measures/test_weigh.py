from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from audit.errors import RunError
from audit.findings import FAMILIES, filled, findings_table, from_json, to_json, weigh
from audit.findings.designed import FEATURES, INSIDE
from audit.measures import MEASURES
from audit.measures.statistics import benjamini_hochberg, holm
from audit.records import Estimate, Finding, Measurement, Scope, Undefined, Verdict
from tests.measures.synthetic import LANGUAGES, evidence_from, synthetic_evidence
from tests.measures.test_by_hand import stereotypes


@pytest.fixture(scope="module")
def planted() -> tuple[Finding, ...]:
    return weigh(
        synthetic_evidence(
            7,
            stereotype_effect=1.2,
            less_known={"kenya": 2.5},
            values_lean={"ubuntu": 2.0},
            dilemma_lean={"care": 3.0},
            individual_lean={"zh": -3.0},
            unreadable=("yo",),
            blemishes=True,
        )
    )


def found(findings, measure, **scope) -> Finding:
    suite = {"suite": next(f.measurement.scope.suite for f in findings if f.measurement.measure == measure)}
    return next(
        f for f in findings if f.measurement.measure == measure and f.measurement.scope == Scope(**suite, **scope)
    )


def test_every_measurement_is_in_exactly_one_family(planted):
    shapes = [(family.measure, family.per, family.lens) for family in FAMILIES]
    assert len(shapes) == len(set(shapes))
    assert {measure for measure, _, _ in shapes} == {entry.name for entry in MEASURES}
    assert all((family.lens != "") == ("lens" in family.per) for family in FAMILIES)
    for finding in planted:
        scope = finding.measurement.scope
        assert (finding.measurement.measure, filled(scope), scope.lens) in shapes
    assert len({finding.id for finding in planted}) == len(planted)


def test_confirmatory_findings_come_first_and_the_order_is_that_of_the_families(planted):
    assert [f.confirmatory for f in planted] == sorted((f.confirmatory for f in planted), reverse=True)
    names = list(dict.fromkeys(f.family for f in planted))
    outside = [f for f in FAMILIES if f.measure not in (*INSIDE, *FEATURES)]  # nobody looked inside
    assert names == [f.name for f in sorted(outside, key=lambda f: not f.confirmatory)]


def test_planted_effects_are_found_and_said_in_their_direction(planted):
    gap = found(planted, "knowledge_gap", culture="kenya")
    assert gap.verdict is Verdict.EVIDENCE
    assert "Kenya are known less well" in gap.sentence
    assert "knowledge lens only" in gap.sentence
    assert "underrepresented" not in " ".join(f.sentence for f in planted)
    assert found(planted, "values_lean", framework="ubuntu").verdict is Verdict.EVIDENCE
    assert "leans toward the options of care" in found(planted, "dilemma_lean", framework="care").sentence
    shifts = [f for f in planted if f.measurement.measure == "language_shift" and f.verdict is Verdict.EVIDENCE]
    assert shifts
    assert all(f.sentence.split(":")[0].endswith("than in Chinese") and "rights more" in f.sentence for f in shifts)
    stereotype = found(planted, "stereotype_effect", language="en")
    assert stereotype.verdict is Verdict.EVIDENCE
    assert "+" in stereotype.sentence
    assert stereotype.sentence.endswith("from 28 templates.")


def test_the_opposite_direction_is_told_too():
    findings = weigh(synthetic_evidence(1, stereotype_effect=-1.5))
    assert "opposite to those the stereotypes name" in found(findings, "stereotype_effect", language="en").sentence


def test_an_unreadable_language_is_never_good_news(planted):
    yoruba = [
        f
        for f in planted
        if "yo" in (f.measurement.scope.language, f.measurement.scope.other_language)
        and f.measurement.measure != "bits_per_byte"
    ]
    assert len(yoruba) > 40
    assert {f.verdict for f in yoruba} == {Verdict.NOT_INTERPRETABLE}
    assert "would not be good news" in found(planted, "stereotype_effect", language="yo").sentence
    assert all(f.p_adjusted is None for f in yoruba if f.measurement.measure != "competence")
    pooled = found(planted, "standardised_effect", topic="gender")
    assert pooled.caveats[0].endswith("without Yoruba")


def test_an_unreadable_language_still_counts_in_its_family(planted):
    """The family is fixed before the run: dropping a language must not make the others' correction milder."""
    family = [f for f in planted if f.family == "stereotypes by language"]
    assert {f.family_size for f in family} == {8}
    p = [1.0 if f.measurement.scope.language == "yo" else f.measurement.result.p_value for f in family]
    for finding, adjusted in zip(family, holm(p), strict=True):
        if finding.p_adjusted is not None:
            assert finding.p_adjusted == pytest.approx(adjusted)


def test_exploratory_families_are_corrected_by_benjamini_hochberg(planted):
    family = [f for f in planted if f.family == "control pairs by language"]
    p = [1.0 if f.p_adjusted is None else f.measurement.result.p_value for f in family]
    expected = benjamini_hochberg(p)
    assert all(f.p_adjusted in (None, pytest.approx(e)) for f, e in zip(family, expected, strict=True))
    assert all("exploratory" in " ".join(f.caveats) for f in family)


def test_without_competence_suite_nothing_is_interpretable():
    findings = weigh(synthetic_evidence(0, right=None, with_parallel=False))
    assert {f.verdict for f in findings} == {Verdict.NOT_INTERPRETABLE}


def test_values_are_not_read_where_agreement_does_not_track_content():
    findings = weigh(synthetic_evidence(0, content_signal=0.0, values_lean={"ubuntu": 3.0}))
    gated = [f for f in findings if f.measurement.measure == "values_lean" and f.measurement.scope.language]
    tracked = {
        f.measurement.scope.language
        for f in findings
        if f.measurement.measure == "content_tracking" and f.measurement.result.p_value < 0.05
    }
    assert len(tracked) <= 2
    for finding in gated:
        if finding.measurement.scope.language not in tracked:
            assert finding.verdict is Verdict.NOT_INTERPRETABLE
            assert "plainly true" in finding.sentence


def test_an_effect_within_the_noise_floor_is_never_evidence():
    """Twenty effects of 0.10 and 0.12 nats are far from zero by any test, and nothing but numerical noise."""
    tables = stereotypes([0.10, 0.12] * 10, [0.01, 0.0, -0.01, 0.0])
    above = found(weigh(evidence_from(*tables, noise_floor=0.01)), "stereotype_effect", language="en")
    within = found(weigh(evidence_from(*tables, noise_floor=0.2)), "stereotype_effect", language="en")
    assert above.verdict is Verdict.EVIDENCE
    assert within.p_adjusted == above.p_adjusted < 0.05
    assert within.verdict is Verdict.INSUFFICIENT  # its interval, 0.11 +- 0.005, does not hold zero
    assert within.measurement.result.detectable == 0.2  # not less than the floor
    assert any("100% of the items are ties within the noise floor" in caveat for caveat in within.caveats)


def test_no_evidence_is_claimed_only_where_the_margin_would_have_been_seen():
    findings = weigh(synthetic_evidence(3))
    quiet = [f for f in findings if f.verdict is Verdict.NO_EVIDENCE]
    assert quiet
    for finding in quiet:
        result = finding.measurement.result
        assert result.detectable <= result.margin
        assert result.null - result.margin <= result.low <= result.null <= result.high <= result.null + result.margin
        size = f"an effect of {result.detectable:.2f} {result.unit}"
        assert f"{size} would have been found in four of five such audits" in finding.sentence
    for finding in findings:
        result = finding.measurement.result
        if finding.verdict is Verdict.INSUFFICIENT and isinstance(result, Estimate) and result.detectable is not None:
            inside = result.low <= result.null <= result.high
            near = result.null - result.margin <= result.low and result.high <= result.null + result.margin
            significant = finding.p_adjusted < 0.03
            assert result.detectable > result.margin or not (inside and near) or significant


def test_moving_control_pairs_are_told_on_the_stereotypes_of_that_suite():
    findings = weigh(synthetic_evidence(2, control_effect=2.0))
    assert any("control pairs" in c for c in found(findings, "stereotype_effect", language="en").caveats)


def test_provenance_and_quantisation_are_always_told(planted):
    for finding in planted:
        assert any("quantised" in caveat for caveat in finding.caveats)
    english = found(planted, "stereotype_effect", language="en")
    assert any(c.startswith("28 of 28 texts were written by a machine") for c in english.caveats)
    assert any("1 quarantined item" in c for c in found(planted, "stereotype_effect", language="zh").caveats)
    native = weigh(synthetic_evidence(0, languages=("en",), quantisation="", noise_floor=None))
    assert not any("quantised" in caveat for finding in native for caveat in finding.caveats)
    assert all(any("noise floor" in caveat for caveat in finding.caveats) for finding in native)


def test_findings_survive_json_unchanged(planted):
    text = to_json(planted)
    assert from_json(text) == planted
    assert json.loads(text)[0]["id"] == planted[0].id


def test_no_number_that_is_not_one_is_written(planted):
    broken = dataclasses.replace(
        planted[0], measurement=dataclasses.replace(planted[0].measurement, details={"x": float("nan")})
    )
    with pytest.raises(RunError, match=planted[0].id):
        to_json([broken])
    with pytest.raises(RunError, match="not written by this version"):
        from_json('[{"id": "x"}]')


def test_the_same_evidence_gives_the_same_findings_in_any_row_order():
    evidence = synthetic_evidence(4)
    shuffled = dataclasses.replace(
        evidence,
        observations=evidence.observations.sample(frac=1, random_state=1).reset_index(drop=True),
        items=evidence.items.sample(frac=1, random_state=2).reset_index(drop=True),
    )
    one, other = weigh(evidence), weigh(shuffled)
    assert [f.id for f in one] == [f.id for f in other]
    assert [(f.verdict, f.sentence) for f in one] == [(f.verdict, f.sentence) for f in other]


def test_the_id_changes_with_the_weights_and_the_suite():
    evidence = synthetic_evidence(4, languages=("en", "es"))
    model = dataclasses.replace(evidence.manifest.model, weights_sha256="c" * 64)
    suites = tuple(dataclasses.replace(suite, digest="d" * 64) for suite in evidence.manifest.suites)
    for changed in ({"model": model}, {"suites": suites}):
        manifest = dataclasses.replace(evidence.manifest, **changed)
        other = weigh(dataclasses.replace(evidence, manifest=manifest))
        assert not {f.id for f in other} & {f.id for f in weigh(evidence)}


def test_a_language_with_every_item_excluded_is_listed_not_dropped():
    evidence = synthetic_evidence(4, with_pairs=False, with_parallel=False)
    seen = evidence.observations
    gone = (seen["suite"] == "stereotype") & (seen["language"] == "sw")
    findings = weigh(dataclasses.replace(evidence, observations=seen[~gone].reset_index(drop=True)))
    swahili = found(findings, "stereotype_effect", language="sw")
    assert isinstance(swahili.measurement.result, Undefined)
    assert swahili.verdict is Verdict.INSUFFICIENT
    assert "no number, because" in swahili.sentence


def test_the_table_has_one_row_per_finding(planted):
    table = findings_table(planted)
    assert list(table["id"]) == [f.id for f in planted]
    assert set(table["verdict"]) <= {str(v) for v in Verdict}
    undefined = [isinstance(f.measurement.result, Undefined) for f in planted]
    assert list(table["value"].isna()) == undefined
    assert findings_table(()).empty


def test_sentences_do_not_speak_of_the_model_as_a_person(planted):
    for finding in planted:
        assert finding.sentence[0].isupper()
        assert finding.sentence.endswith(".")
        assert not {"biased", "believes", "thinks", "fair", "safe"} & set(finding.sentence.lower().split())
        assert "nan" not in finding.sentence.split()


def test_languages_of_one_script_or_eight_give_findings():
    assert weigh(synthetic_evidence(0, languages=("en",)))
    assert len(LANGUAGES) == 8


def test_nothing_to_weigh_gives_no_findings():
    evidence = synthetic_evidence(0)
    empty = dataclasses.replace(evidence, observations=evidence.observations[:0], items=evidence.items[:0])
    assert weigh(empty) == ()


def test_a_measurement_is_never_changed_by_weighing():
    evidence = synthetic_evidence(5, languages=("en", "sw"))
    before = evidence.observations.copy(), evidence.items.copy()
    first = weigh(evidence)
    assert evidence.observations.equals(before[0])
    assert evidence.items.equals(before[1])
    assert weigh(evidence) == first
    assert all(isinstance(f.measurement, Measurement) for f in first)


def test_every_measure_has_its_page_with_definition_null_interval_margin_and_limits():
    folder = Path(__file__).parents[2] / "docs" / "measures"
    for entry in MEASURES:
        page = (folder / f"{entry.page or entry.name}.md").read_text(encoding="utf-8")
        assert entry.question in page
        for part in ("Definition", "What is counted", "Null", "Interval", "Margin", "What it does not show"):
            assert f"**{part}" in page, (entry.name, part)
