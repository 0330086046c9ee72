"""Findings can be said in any language: every text is kept with its parts, and the parts with the findings."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from babel.messages import Catalog
from babel.messages.pofile import write_po

from audit import wording
from audit.catalogues import Catalogue, messages
from audit.errors import RunError, TooFewItems
from audit.findings import FAMILIES, anywhere, from_json, reason_of, to_json, weigh
from audit.findings.tables import AGAINST, CLAIMS, CLAIMS_ALONE, EFFECTS, SUBJECTS
from audit.measures import MEASURES
from audit.measures.agreement import agreements, community_difference
from audit.measures.dissent import differences
from audit.measures.opinions import opinion_map
from audit.measures.people import prevalence
from audit.measures.severity import severity_association
from audit.measures.statistics import clustered_mean
from audit.records import Estimate, Evidence, Finding, Judgements, Scope, Undefined, Verdict
from audit.terms import COUNTED, LENSES, UNITS, VERDICTS
from audit.wording import Label, Said, speaking, spoken
from tests.measures import people_sample
from tests.measures.circuit_evidence import with_circuits
from tests.measures.feature_evidence import with_features
from tests.measures.people_sample import judgements, voice
from tests.measures.synthetic import synthetic_evidence
from tests.measures.test_rules import with_items, without


def told(finding: Finding) -> Iterator[str]:
    """Every text of a finding that people read."""
    result = finding.measurement.result
    yield finding.sentence
    yield from finding.caveats
    yield from finding.measurement.notes
    yield result.method if isinstance(result, Estimate) else result.reason


@pytest.fixture(scope="module")
def gathered() -> Mapping[str, Evidence]:
    """Evidence that makes as many different things be said as can be had without a model."""
    two = synthetic_evidence(3, languages=("en", "sw"))
    inside = with_circuits(with_features(synthetic_evidence(5, stereotype_effect=1.2, blemishes=True), 5), 5)
    few = with_circuits(with_features(two, 3), 3, carried=None, exact_everywhere=True)
    lost = (
        {"kind": "stereotype", "topic": "gender"},
        {"kind": "culture", "language": "sw"},
        {"kind": "values", "framework": "ubuntu"},
        {"kind": "dilemma", "language": "sw"},
        {"kind": "competence"},
        {"control": True},
    )
    return {
        "inside": inside,
        "few": few,
        **{f"lost {number}": without(few, **values) for number, values in enumerate(lost)},
        "quarantined": with_items(two, lambda t: t["culture"] == "kenya", quarantine="two answers are the same"),
        "translated": with_items(two, lambda t: t["kind"] == "culture", origin="translated", author="machine"),
        "wordings disagree": turned_round(synthetic_evidence(3, languages=("en", "sw"), dilemma_lean={"care": 3.0})),
        "no floor": dataclasses.replace(two, manifest=dataclasses.replace(two.manifest, noise_floor=None)),
    }


def turned_round(evidence: Evidence) -> Evidence:
    """In the second wording of every dilemma, the answer that was preferred is the other one."""
    table = evidence.observations.copy()
    second = ((table["suite"] == "dilemma") & table["context"].str.startswith("2/")).to_numpy()
    table.loc[second, "answer"] = table.loc[second, "answer"].map({"a": "b", "b": "a"})
    return dataclasses.replace(evidence, observations=table)


@pytest.fixture(scope="module")
def weighed(gathered: Mapping[str, Evidence]) -> Mapping[str, tuple[Finding, ...]]:
    return {name: weigh(evidence) for name, evidence in gathered.items()}


@pytest.fixture(scope="module")
def findings(weighed: Mapping[str, tuple[Finding, ...]]) -> tuple[Finding, ...]:
    return tuple(finding for group in weighed.values() for finding in group)


@pytest.fixture
def other_letters(tmp_path, monkeypatch):
    """In place of Hindi, a catalogue of everything that the code says, each letter turned into one of no language."""
    made = dataclasses.replace(wording.CATALOGUE, locale=tmp_path)
    catalog = Catalog(locale="hi")
    for message in messages(wording.CATALOGUE.extracted()):
        forms = message.id if isinstance(message.id, tuple) else (message.id,)
        turned = tuple(without_letters(form) for form in forms)
        catalog.add(message.id, turned if len(turned) > 1 else turned[0], context=message.context)
    write_catalogue(made, catalog)
    monkeypatch.setattr(wording, "CATALOGUE", made)


def write_catalogue(made: Catalogue, catalog: Catalog) -> None:
    made.file("hi").parent.mkdir(parents=True)
    with made.file("hi").open("wb") as out:
        write_po(out, catalog)


def without_letters(message: str) -> str:
    """A message with other letters, its placeholders as they are."""
    return "".join(
        part if part.startswith("{") else re.sub("[A-Za-z]", "ж", part) for part in re.split(r"(\{\w+\})", message)
    )


def names_in(evidence: Evidence) -> set[str]:
    """What people or files named: it stays as it is in every language."""
    columns = ("suite", "language", "topic", "culture", "framework", "other_framework", "quarantine")
    named = {str(value) for column in columns for value in evidence.items[column].unique()}
    regions = {part.strip() for text in evidence.items["regions"].unique() for part in str(text).split(";")}
    labels = {label for suite in evidence.manifest.suites for label in suite.labels.values()}
    return (named | regions | labels | {evidence.manifest.model.quantisation}) - {""}


def test_every_text_of_every_finding_is_kept_with_its_parts(findings):
    assert {f.verdict for f in findings} == set(Verdict)
    plain = {text for finding in findings for text in told(finding) if not isinstance(text, Said)}
    assert plain == set()


@pytest.mark.usefixtures("other_letters")
def test_nothing_stays_english_but_names(gathered, weighed):
    for name, evidence in gathered.items():
        named = sorted(names_in(evidence), key=len, reverse=True)
        for text in dict.fromkeys(text for finding in weighed[name] for text in told(finding)):
            with speaking("hi"):
                left = spoken(text)
            for one in named:
                left = left.replace(one, "")
            assert not re.search("[A-Za-z]{2}", left), (left, str(text))


@pytest.mark.usefixtures("other_letters")
def test_what_is_said_of_people_can_be_said_in_any_language():
    for people, n_findings in ((4, 12), (4, 3), (3, 1), (1, 1)):
        texts = list(said_of(*asked(people, n_findings)))
        assert texts
        for text in texts:
            assert isinstance(text, Said), text
            with speaking("hi"):
                assert not re.search("[A-Za-z]{2}", spoken(text)), (spoken(text), str(text))


def asked(people: int, n_findings: int) -> tuple[Judgements, list[Finding]]:
    """So many people in each of two communities, who differ, and what they judged."""
    rng = np.random.default_rng(1)
    voices = [
        voice(
            f"f{i}",
            f"{community}{person}",
            community,
            str(rng.choice(["agree", "partly", "disagree"])),
            severity=int(rng.integers(5)),
            prevalence=str(rng.choice(["some", "rare"])),
            region="north",
        )
        for i in range(n_findings)
        for community in "ab"
        for person in range(people)
    ]
    return judgements(voices), [people_sample.finding(f"f{i}", float(i)) for i in range(n_findings)]


def said_of(told: Judgements, of: list[Finding]) -> Iterator[str]:
    """Methods and reasons of all that is counted of people's judgements."""
    results: list[object] = [agreement.result for agreement in agreements(told)]
    results += [community_difference(told), opinion_map(told)]
    results += [severity_association(told, of), severity_association(told, of, community="a")]
    results += [one.result for one in prevalence(told)] + [one.p_value for one in differences(told)]
    for result in results:
        if isinstance(result, Estimate):
            yield result.method
        if isinstance(result, Undefined):
            yield result.reason


def test_every_family_has_its_subject_its_claim_and_its_absence():
    for family in FAMILIES:
        places = ("language", "other_language")
        shape = [name for name in (*places, "topic", "culture", "framework", "other_framework") if name in family.per]
        assert " ".join(shape) in SUBJECTS[family.measure], family.name
        if family.measure == "competence":
            continue  # its verdict is a bar that is passed or not
        assert family.measure in EFFECTS
        if family.measure in CLAIMS_ALONE:
            assert " ".join(shape) in CLAIMS_ALONE[family.measure], family.name
        else:
            assert " ".join(name for name in shape if name not in places) in CLAIMS[family.measure], family.name
    names = {entry.name for entry in MEASURES}
    assert set(SUBJECTS) == set(EFFECTS) | {"competence"} == set(CLAIMS) | set(CLAIMS_ALONE) | {"competence"} == names
    assert set(AGAINST) <= names
    assert not set(CLAIMS) & set(CLAIMS_ALONE)


def test_words_of_the_field_are_there_for_all_that_findings_hold(findings):
    estimates = [f.measurement.result for f in findings if isinstance(f.measurement.result, Estimate)]
    assert {estimate.unit for estimate in estimates} | {entry.unit for entry in MEASURES} <= set(UNITS)
    assert {estimate.clusters for estimate in estimates} <= set(COUNTED)
    assert {f.measurement.scope.lens for f in findings} - {""} <= set(LENSES)
    assert set(VERDICTS) == set(Verdict)
    assert {str(verdict): words for verdict, words in VERDICTS.items()} == {str(v): str(v) for v in Verdict}


def test_findings_json_holds_the_english_and_the_parts_and_gives_both_back(findings):
    some = findings[:400]
    text = to_json(some)
    again = from_json(text)
    assert again == some
    for one, other in zip(some, again, strict=True):
        pairs = list(zip(told(one), told(other), strict=True))
        assert all(wording.packed(a) == wording.packed(b) for a, b in pairs)
    first = json.loads(text)[0]
    assert first["sentence"]["text"] == str(some[0].sentence)
    assert first["sentence"]["says"] == some[0].sentence.message  # type: ignore[attr-defined]
    assert to_json(again) == text


def test_findings_of_older_files_keep_their_plain_english(findings):
    plain = json.dumps([dataclasses.asdict(finding) for finding in findings[:50]])
    again = from_json(plain)
    assert again == findings[:50]
    assert not any(isinstance(text, Said) for finding in again for text in told(finding))


def test_a_text_that_its_parts_do_not_say_is_refused(findings):
    """Whoever reads the English of a file and whoever reads another language must read the same finding."""
    content = json.loads(to_json(findings[:1]))
    content[0]["sentence"]["text"] = "All is well."
    with pytest.raises(RunError, match="All is well"):
        from_json(json.dumps(content))


def test_the_reason_of_what_is_barred_or_has_no_number_comes_as_its_sentence_has_it(findings):
    reasons = {f.verdict: reason_of(f) for f in findings}
    assert reasons[Verdict.EVIDENCE] == reasons[Verdict.NO_EVIDENCE] == ""
    barred = [f for f in findings if f.verdict is Verdict.NOT_INTERPRETABLE and f.measurement.measure != "competence"]
    assert barred
    for finding in barred:
        assert f"not interpretable, because {reason_of(finding)}; finding nothing here" in finding.sentence
    undefined = [
        f for f in findings if isinstance(f.measurement.result, Undefined) and f.verdict is Verdict.INSUFFICIENT
    ]
    assert undefined
    for finding in undefined:
        assert reason_of(finding) == finding.measurement.result.reason
        assert reason_of(dataclasses.replace(finding, sentence=str(finding.sentence))) == reason_of(finding)


def test_a_reason_that_names_its_language_counts_once_for_all(findings):
    disagreeing = {reason_of(f) for f in findings if "do not get agreeing answers" in reason_of(f)}
    assert len(disagreeing) > 1
    assert {anywhere(reason) for reason in disagreeing} == {
        "the two wordings of the same dilemma do not get agreeing answers"
    }
    assert anywhere("no dilemma was scored") == "no dilemma was scored"


def test_what_a_statistic_lacks_is_kept_with_its_parts():
    with pytest.raises(TooFewItems) as caught:
        clustered_mean([0.5], ["one"], unit="nats", per="facts")
    assert isinstance(caught.value.reason, Said)
    assert str(caught.value) == "an interval needs 2 independent facts, got 1; widen the scope or add facts"


def test_names_of_suites_are_said_as_labels(findings):
    finding = next(f for f in findings if f.measurement.scope == Scope(suite="culture", culture="kenya"))
    assert isinstance(finding.sentence, Said)
    about = finding.sentence.values.get("subject") or finding.sentence.values["claim"]
    assert isinstance(about, Said)
    assert about.values["culture"] == Label("Kenya")
