"""The report in another language: nothing stays English but what is a name, an id or somebody's own words."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Iterator

import feature_sample
import judgement_sample as people
import pytest
import report_sample as sample
from measures.circuit_evidence import with_circuits
from measures.feature_evidence import with_features
from measures.synthetic import synthetic_evidence
from other_letters import IN_PLACE_OF, catalogue_in_other_letters

from audit import wording
from audit.findings import FAMILIES, weigh
from audit.measures import MEASURES
from audit.records import Evidence, Finding, Judgements, Undefined, Verdict
from audit.wording import Said, speaking
from reports import charts, content, text, words
from reports.blocks import Document, Marked, Picture, Quote
from reports.words import humanised, started

WIDTH, COMMAND = 480.0, "plural-audit run"


@pytest.fixture(scope="module")
def other_letters(tmp_path_factory):
    made = catalogue_in_other_letters(tmp_path_factory.mktemp("locale"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wording, "CATALOGUE", made)
        yield


def document(evidence: Evidence, findings: tuple[Finding, ...], judgements: Judgements | None = None) -> Document:
    return content.report(
        evidence,
        findings,
        command=COMMAND,
        can_draw=text.can_draw,
        spelled_out=text.spelled_out,
        judgements=judgements,
    )


def printed(block: object) -> Iterator[str]:
    """Every text that a reader sees in a block or a document, but quotes in languages of their own."""
    if isinstance(block, Verdict):
        yield words.verdict_name(block)  # as every medium prints it
    elif isinstance(block, str):
        yield block
    elif isinstance(block, tuple):
        for one in block:
            yield from printed(one)
    elif isinstance(block, Quote | Marked):
        yield block.title
        for (name, line), language in zip(block.lines, block.languages or ("",) * len(block.lines), strict=True):
            yield name
            if language == IN_PLACE_OF:
                yield from printed(line)
    elif isinstance(block, Picture):
        yield block.alt
        svg = charts.svg(block.draw(WIDTH))
        yield from (
            html.unescape(re.sub(r"<[^>]*>", "", t)) for t in re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
        )
        yield from printed(block.data)
    elif dataclasses.is_dataclass(block):
        for field in dataclasses.fields(block):
            if field.name not in ("align", "style", "language", "manifest"):  # no words
                yield from printed(getattr(block, field.name))


def names_in(evidence: Evidence, findings: tuple[Finding, ...], judgements: Judgements | None) -> set[str]:
    """What people or files named, and what they wrote: it stays as it is in every language."""
    items = evidence.items
    columns = ("suite", "item", "topic", "culture", "framework", "other_framework", "quarantine")
    named = {str(value) for column in columns for value in items[column].unique()}
    named |= {region.strip() for regions in items["regions"].unique() for region in str(regions).split(";")}
    named |= {ask for texts in items["texts"].unique() if texts for ask in strings(json.loads(texts))}
    named |= {f"{row.suite}/{row.item}" for row in items.itertuples()}
    named |= {humanised(name) for name in named if re.fullmatch(r"[\w-]+", name)}
    named |= {str(value) for column in ("reason", "stage") for value in evidence.exclusions[column].unique()}
    named |= set(strings(dataclasses.asdict(evidence.manifest)))
    named |= {str(value) for value in evidence.saes["sae"].unique()}
    named |= {field.name for field in dataclasses.fields(evidence)}  # files of the run
    named |= {suite.digest[:12] for suite in evidence.manifest.suites} | {COMMAND}
    named |= {finding.family for finding in findings} - {family.name for family in FAMILIES}  # of made-up findings
    for finding in findings:
        result = finding.measurement.result
        told = (finding.sentence, *finding.caveats)
        told += (result.reason if isinstance(result, Undefined) else result.method,)
        plain = {str(one) for one in told if not isinstance(one, Said)}
        named |= plain | set(map(started, plain)) | {finding.id[:n] for n in range(8, len(finding.id) + 1)}
    if judgements is not None:
        named |= set(strings(dataclasses.asdict(judgements)))
        named |= {contest.id[:8] for contest in judgements.contests}
    return {one for one in named if re.search("[A-Za-z]", one)}


def strings(plain: object) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
        yield json.dumps(plain)[1:-1]
    elif isinstance(plain, dict):
        for key, value in plain.items():
            yield from strings(key)
            yield from strings(value)
    elif isinstance(plain, list | tuple):
        for one in plain:
            yield from strings(one)


def left_in_english(shown: Document, named: set[str]) -> list[str]:
    """Texts of a document that still have two Latin letters beside each other when names are taken out."""
    alternatives = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
    known = re.compile(rf"(?<![A-Za-z0-9])(?:{alternatives})(?![A-Za-z0-9])")
    return [one for one in dict.fromkeys(printed(shown)) if re.search("[A-Za-z]{2}", known.sub("", one))]


@pytest.mark.usefixtures("other_letters")
def test_nothing_stays_english_in_a_run_that_looked_inside():
    evidence = with_circuits(with_features(synthetic_evidence(5, stereotype_effect=1.2, blemishes=True), 5), 5)
    findings = weigh(evidence)
    with speaking(IN_PLACE_OF):
        shown = document(evidence, findings)
        assert shown.language == IN_PLACE_OF
        assert left_in_english(shown, names_in(evidence, findings, None)) == []


@pytest.mark.usefixtures("other_letters")
def test_nothing_stays_english_in_what_people_said():
    evidence, findings, judgements = sample.evidence(), sample.findings(), people.judgements()
    with speaking(IN_PLACE_OF):
        shown = document(evidence, findings, judgements)
        assert left_in_english(shown, names_in(evidence, findings, judgements)) == []


@pytest.mark.usefixtures("other_letters")
def test_nothing_stays_english_in_what_features_show():
    evidence, findings = feature_sample.evidence(), feature_sample.findings()
    with speaking(IN_PLACE_OF):
        shown = document(evidence, findings)
        assert left_in_english(shown, names_in(evidence, findings, None)) == []


def test_the_families_of_findings_have_names_that_can_be_said(other_letters):
    with speaking(IN_PLACE_OF):
        assert not [f.name for f in FAMILIES if re.search("[A-Za-z]{2}", words.family_name(f.name))]
    assert [words.family_name(f.name) for f in FAMILIES] == [f.name for f in FAMILIES]


def test_every_measure_has_a_name_that_can_be_said(other_letters):
    with speaking(IN_PLACE_OF):
        assert not [m.name for m in MEASURES if re.search("[A-Za-z]{2}", words.measure_name(m.name))]
    assert [words.measure_name(m.name) for m in MEASURES] == [humanised(m.name) for m in MEASURES]


def test_numbers_are_written_as_the_language_writes_them(tmp_path, monkeypatch):
    """1234.5 and 80 % in French: a comma, narrow spaces between thousands and, unbreakable, before the sign."""
    (tmp_path / "fr" / "LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "fr" / "LC_MESSAGES" / "audit.po").write_text('msgid ""\nmsgstr ""\n', encoding="utf-8")
    monkeypatch.setattr(wording, "CATALOGUE", dataclasses.replace(wording.CATALOGUE, locale=tmp_path))
    told = [
        lambda: words.number(-1234.5, decimals=1),
        lambda: words.percent(0.8),
        lambda: words.signed_percent(0.034),
        lambda: words.figure(0.05, 6),
        lambda: words.p_value(0.0004),
        lambda: words.count(9469),
        lambda: words.number(-0.001, decimals=2),
    ]
    assert [one() for one in told] == ["−1234.5", "80 %", "+3 %", "0.05", "<0.001", "9469", "0.00"]
    with speaking("fr"):
        assert [one() for one in told] == [
            "−1\u202f234,5",
            "80\xa0%",
            "+3\xa0%",
            "0,05",
            "<0,001",
            "9\u202f469",
            "0,00",
        ]


def test_sentences_stand_beside_each_other_as_the_language_has_it(tmp_path, monkeypatch):
    assert words.together("One.", "", "Two.") == "One. Two."
    assert words.and_more("abcde", most=3) == "a, b, c and 2 more"
    assert (words.in_row("abc"), words.in_series("abc")) == ("a, b, c", "a; b; c")
    (tmp_path / "zh" / "LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "zh" / "LC_MESSAGES" / "audit.po").write_text('msgid ""\nmsgstr ""\n', encoding="utf-8")
    monkeypatch.setattr(wording, "CATALOGUE", dataclasses.replace(wording.CATALOGUE, locale=tmp_path))
    with speaking("zh"):
        assert words.together("一。", "二。") == "一。二。"
        assert (words.in_row("abc"), words.in_series("abc")) == ("a、b、c", "a；b；c")
