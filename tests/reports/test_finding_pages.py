"""One page a finding: which have one, what stands on it, that it is one, and where the others are told with why."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import judgement_sample as people
import pytest
import report_sample as sample

from audit.findings.words import Words
from audit.records import CIRCUIT_COLUMNS, LATENT_COLUMNS, WHOLE, Estimate, Finding, Scope, Verdict
from reports import build_pdf, content, finding_pages, text, undecided
from reports.blocks import Bullets, Columns, Facts, Group, Heading, Plot, Quote, Sheet, Table, Text
from reports.case import Case
from reports.finding_pages import PAGES
from reports.items import Effects
from reports.people import Told

pypdf = pytest.importorskip("pypdf")
CLEAR = (Verdict.EVIDENCE, Verdict.NO_EVIDENCE)


def document(findings=None, evidence=None, **more):
    return content.report(
        sample.evidence() if evidence is None else evidence,
        sample.findings() if findings is None else findings,
        command="run",
        can_draw=text.can_draw,
        spelled_out=text.spelled_out,
        **more,
    )


def flat(blocks):
    for block in blocks:
        if isinstance(block, Group):
            yield from flat(block.blocks)
        elif isinstance(block, Sheet):
            yield from flat((*block.blocks, *block.spare))
        elif isinstance(block, Columns):
            yield from flat([inner for column in block.columns for inner in column])
        else:
            yield block


def sheets(found) -> dict[str, Sheet]:
    """By the evidence id that each shows."""
    return {id_of(b): b for b in found.blocks if isinstance(b, Sheet)}


def id_of(sheet: Sheet) -> str:
    (facts,) = [b for b in sheet.blocks if isinstance(b, Facts)]
    return dict(facts.rows)["Evidence id"]


def facts_of(sheet: Sheet) -> dict[str, str]:
    return {name: value for b in flat((sheet,)) if isinstance(b, Facts) for name, value in b.rows}


def one(measure="stereotype_effect", value=0.5, verdict=Verdict.EVIDENCE, *, details=None, scope=None, **result):
    """A finding in English, with changes of its result and details."""
    found = sample.finding(measure, scope or Scope(language="en", suite="stereotype"), value, verdict)
    changed = found.measurement.result
    if isinstance(changed, Estimate):
        changed = dataclasses.replace(changed, **result)
    measurement = dataclasses.replace(found.measurement, result=changed, details=details or {})
    return dataclasses.replace(found, measurement=measurement)


# --- which have a page -------------------------------------------------------------------------


def test_what_was_fixed_before_the_run_and_says_yes_or_no_has_a_page_and_nothing_else_has():
    wanted = {f.id for f in sample.findings() if f.confirmatory and f.verdict in CLEAR} - {
        f.id for f in sample.findings() if f.measurement.measure == "competence"
    }
    assert set(sheets(document())) == wanted


def test_what_three_people_judged_or_somebody_contested_has_a_page_whatever_its_verdict():
    judged = people.judgements()
    found = sheets(document(judgements=judged))
    assert {v.finding for v in judged.voices} <= set(found)
    lead = next(f for f in sample.findings() if not f.confirmatory and f.verdict is Verdict.INSUFFICIENT)
    contest = dataclasses.replace(people.contests()[0], finding=lead.id)
    assert lead.id in sheets(document(judgements=people.judgements(voices=(), contests=(contest,))))


def test_two_people_give_no_page():
    judged = people.judgements(contests=())
    two = dataclasses.replace(judged, voices=tuple(v for v in judged.voices if v.person in ("1", "2")))
    assert set(sheets(document(judgements=two))) == set(sheets(document()))


def test_results_come_before_what_people_judged_and_evidence_before_its_absence():
    """The list in front of the pages has their order."""
    found = document(judgements=people.judgements())
    start = next(i for i, b in enumerate(found.blocks) if isinstance(b, Heading) and b.text == PAGES)
    table = next(b for b in found.blocks[start:] if isinstance(b, Table))
    verdicts = [row[0] for row in table.rows]
    assert verdicts == sorted(verdicts, key=list(Verdict).index)
    assert [row[2] for row in table.rows] == [id_[:8] for id_ in sheets(found)]


def test_of_too_many_the_contested_ones_keep_their_page(monkeypatch):
    monkeypatch.setattr(finding_pages, "MOST_PAGES", 2)
    found = sheets(document(judgements=people.judgements()))
    assert set(found) == {people.CONTESTED, sample.id_of("stereotype_effect-sw-gender")}


# --- what stands on it -------------------------------------------------------------------------


def test_a_page_has_its_sentence_verdict_numbers_and_id():
    """0.5 with 0.3 to 0.7; the smallest that matters is 0.69, and 0.45 would have been found."""
    finding = one(margin=0.69, detectable=0.45)
    sheet = sheets(document((finding,)))[finding.id]
    texts = [b.text for b in sheet.blocks if isinstance(b, Text)]
    assert texts[0] == finding.sentence
    (verdict, *_rest) = [b for b in sheet.blocks if isinstance(b, Bullets)]
    assert verdict.marks == (Verdict.EVIDENCE,)
    assert verdict.items[0].startswith("Evidence: more than chance")
    facts = facts_of(sheet)
    assert facts["Estimate"] == "0.50 nats, 95 % interval 0.30 to 0.70"
    assert facts["Yardstick"] == (
        "no effect is 0; the smallest effect that would matter is 0.69 nats; "
        "0.45 nats would be found in four of five such audits"
    )
    assert facts["Rests on"] == f"12 independent items; suite stereotype, version 1, digest {'c' * 12}"


def test_a_page_without_a_number_says_why_and_draws_nothing():
    finding = one(value=None, verdict=Verdict.INSUFFICIENT)
    judged = people.judgements(contests=(dataclasses.replace(people.contests()[0], finding=finding.id),), voices=())
    sheet = sheets(document((finding,), judgements=judged))[finding.id]
    assert facts_of(sheet)["No number"] == "fewer than two independent items"
    assert "Estimate" not in facts_of(sheet)
    assert not [b for b in flat((sheet,)) if isinstance(b, Plot)]


def test_the_chart_has_the_finding_plain_and_its_family_lighter():
    found = [f for f in sample.findings() if f.measurement.measure == "stereotype_effect"]
    (plot,) = [b for b in flat((next(iter(sheets(document(tuple(found))).values())),)) if isinstance(b, Plot)]
    assert [d.faint for d in plot.dots].count(False) == 1
    assert 1 < len(plot.dots) <= finding_pages.MOST_SIBLINGS + 1
    assert plot.unit == "standard errors from no effect"  # nats of several languages do not compare
    assert plot.margin is None


def test_a_unit_that_compares_is_drawn_as_it_is_with_the_margin_as_ground():
    scope = Scope(suite="culture", culture="kenya")
    finding = dataclasses.replace(one("knowledge_gap", scope=scope, margin=0.5), confirmatory=True)
    (plot,) = [b for b in flat((sheets(document((finding,)))[finding.id],)) if isinstance(b, Plot)]
    assert (plot.unit, plot.null, plot.margin) == ("bits", 0.0, 0.5)
    assert [(d.value, d.low, d.high) for d in plot.dots] == [(0.5, 0.3, 0.7)]


def test_prompts_stand_in_their_own_script_with_the_english_item_before_them():
    finding = one(scope=Scope(language="hi", suite="stereotype"))
    quotes = [b for b in flat((sheets(document((finding,)))[finding.id],)) if isinstance(b, Quote)]
    assert quotes[0].languages == ("en", "en", "hi", "hi")
    assert quotes[0].lines[2] == ("Hindi, base", "जब बच्चा रोया, माँ हमेशा [ उठी | सोए ]")
    assert not [
        b for b in flat((sheets(document((finding,), without=("items",)))[finding.id],)) if isinstance(b, Quote)
    ]


def test_an_item_without_its_english_twin_says_so():
    evidence = sample.evidence()
    kept = evidence.items[(evidence.items["language"] != "en") | (evidence.items["suite"] != "stereotype")]
    observed = evidence.observations
    observed = observed[(observed["language"] != "en") | (observed["suite"] != "stereotype")]
    finding = one(scope=Scope(language="hi", suite="stereotype"))
    changed = dataclasses.replace(evidence, items=kept, observations=observed)
    quotes = [b for b in flat((sheets(document((finding,), changed))[finding.id],)) if isinstance(b, Quote)]
    assert quotes[0].lines[0] == ("English", "no wording of this item in this run.")


def test_long_prompts_are_cut_between_letters_and_say_by_how_much():
    assert finding_pages._cut("x" * 400) == "x" * 400
    assert finding_pages._cut("x" * 460) == "x" * 400 + " … [60 more characters in the run folder]"
    assert finding_pages._cut("e\u0301" * 3, most=3) == "e\u0301 … [4 more characters in the run folder]"


def test_caveats_beyond_four_are_counted():
    finding = dataclasses.replace(one(), caveats=tuple(f"caveat {i}" for i in range(7)))
    *_verdict, caveats = [b for b in sheets(document((finding,)))[finding.id].blocks if isinstance(b, Bullets)]
    assert caveats.items == ("Caveat 0", "Caveat 1", "Caveat 2", "Caveat 3", "3 more caveats are in findings.json.")


def test_a_contest_stands_with_its_state_and_dates():
    facts = facts_of(sheets(document(judgements=people.judgements()))[people.CONTESTED])
    assert facts["Contests"] == (
        "answered, Dattawan Kano; filed 2026-11-18, admitted 2026-11-20, answered 2026-11-25; next step due 2026-12-09"
    )


def test_leading_parts_are_those_of_the_circuit_of_all_templates_in_order_of_rank():
    rows = [
        {"suite": "stereotype", "circuit": "en", "fold": WHOLE, "rank": 2, "layer": 3, "head": -1, "score": 0.2},
        {"suite": "stereotype", "circuit": "en", "fold": WHOLE, "rank": 1, "layer": 9, "head": 2, "score": 0.31},
        {"suite": "stereotype", "circuit": "en", "fold": 0, "rank": 1, "layer": 5, "head": 5, "score": 9.0},
        {"suite": "stereotype", "circuit": "sw", "fold": WHOLE, "rank": 1, "layer": 6, "head": 6, "score": 9.0},
    ]
    beyond = {**rows[0], "rank": 3, "layer": 1, "kept": False}
    table = sample.table([*({**row, "kept": True} for row in rows), beyond], CIRCUIT_COLUMNS)
    evidence = dataclasses.replace(sample.evidence(), circuits=table)
    case = Case(evidence, (), "run", text.can_draw, text.spelled_out)
    assert finding_pages._nodes(case, one()) == [("Leading parts", "head 9.2 (0.31 nats), MLP 3 (0.20 nats)")]
    assert finding_pages._nodes(case, one("values_lean")) == []


def test_latents_are_those_chosen_for_the_target_most_content_first():
    rows = [
        {"suite": "culture", "layer": 9, "latent": 7, "share_content": 0.2, "chosen_for": "kenya,japan"},
        {"suite": "culture", "layer": 9, "latent": 8, "share_content": 0.5, "chosen_for": "kenya"},
        {"suite": "culture", "layer": 9, "latent": 9, "share_content": 0.9, "chosen_for": "kenyatta"},
    ]
    evidence = dataclasses.replace(sample.evidence(), latents=sample.table(rows, LATENT_COLUMNS))
    case = Case(evidence, (), "run", text.can_draw, text.spelled_out)
    finding = one("context_activation", scope=Scope(suite="culture", culture="kenya"))
    assert finding_pages._latents(case, finding) == [
        ("Latents: Kenya", "layer 9, latent 8 (50 % by content); layer 9, latent 7 (20 % by content)")
    ]


# --- the others --------------------------------------------------------------------------------


def why(finding: Finding) -> str:
    effects = Effects.of(sample.evidence())
    return undecided.why(finding, Words.of(effects.view, effects.gate))


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (one(value=None, verdict=Verdict.INSUFFICIENT), "fewer than two independent items"),
        (one(verdict=Verdict.INSUFFICIENT, null=None), "nothing is tested here"),
        (one(verdict=Verdict.INSUFFICIENT, margin=0.5, detectable=0.6), "could have been missed"),
        (one(verdict=Verdict.INSUFFICIENT, margin=0.5), "could have been missed"),  # unknown is not small
        (one(verdict=Verdict.INSUFFICIENT, margin=0.5, detectable=0.4), "does not rule out an effect that matters"),
    ],
)
def test_each_way_to_say_neither_yes_nor_no_has_its_reason(finding, reason):
    assert reason in why(finding)


def test_evidence_that_controls_take_back_says_so():
    """Adjusted p 0.0004 is below the level; the effect does not go farther than that of control pairs."""
    finding = dataclasses.replace(one(details={"p_beats_controls": 0.5}), verdict=Verdict.INSUFFICIENT)
    assert why(finding) == "not told apart from swaps without social meaning"


def test_those_without_a_page_stand_together_with_their_ids_and_each_reason_once():
    found = document().blocks
    start = next(i for i, b in enumerate(found) if isinstance(b, Heading) and b.text == undecided.OTHERS)
    end = next(i for i, b in enumerate(found[start + 1 :], start + 1) if isinstance(b, Heading) and b.level == 1)
    said = "\n".join(b.text for b in found[start:end] if isinstance(b, Text | Heading))
    others = [f for f in sample.findings() if f.confirmatory and f.verdict not in CLEAR]
    others = [f for f in others if f.measurement.measure != "competence"]
    assert all(f.id[:8] in said for f in others)
    assert said.count("Fewer than two independent items:") == 1


# --- all together ------------------------------------------------------------------------------


def test_every_finding_is_in_the_index_with_its_full_id_and_its_place():
    found = document(judgements=people.judgements())
    start = next(i for i, b in enumerate(found.blocks) if isinstance(b, Heading) and b.text == "Index of evidence ids")
    said = "\n".join(b.text for b in found.blocks[start:] if isinstance(b, Text | Heading))
    for finding in sample.findings():
        assert said.count(finding.id) == 1
    for id_ in sheets(found):
        (line,) = [s for s in said.splitlines() if id_ in s]
        assert f"(in “{PAGES}”)" in line


def test_every_row_of_an_estimate_carries_its_id():
    ids = {f.id[:8] for f in sample.findings()}
    tables = [b for b in document().blocks if isinstance(b, Table) and b.columns[-1].title == "Id"]
    rows = [row[-1] for table in tables for row in table.rows]
    assert ids <= set(rows)


def test_ids_that_share_eight_characters_are_printed_longer():
    found = [dataclasses.replace(one(), id=id_) for id_ in ("abcdefgh11xx", "abcdefgh12xx", "bbbbbbbbbbbb")]
    case = Case(sample.evidence(), tuple(found), "run", text.can_draw, text.spelled_out)
    assert [case.short_id(f) for f in found] == ["abcdefgh11", "abcdefgh12", "bbbbbbbbbb"]


def test_the_summary_stays_below_350_words():
    """Also where sentences are as long as real ones, forty words, and everything has evidence."""
    long = " ".join(["word"] * 40)
    many = tuple(dataclasses.replace(f, sentence=f"{long} {i}.") for i, f in enumerate(sample.findings()))
    for findings in (sample.findings(), many):
        found = document(findings).blocks
        start = next(i for i, b in enumerate(found) if isinstance(b, Heading) and b.text == "Summary")
        end = next(i for i, b in enumerate(found[start + 1 :], start + 1) if isinstance(b, Heading) and b.level == 1)
        said = [b.text for b in found[start:end] if isinstance(b, Text | Heading)]
        said += [item for b in found[start:end] if isinstance(b, Bullets) for item in b.items]
        assert len(" ".join(said).split()) <= 350


def test_the_glossary_explains_only_what_the_copy_uses_and_names_sections_that_it_has():
    found = document(judgements=people.judgements(), without=("appendix",))
    titles = {b.text for b in found.blocks if isinstance(b, Heading)}
    start = next(i for i, b in enumerate(found.blocks) if isinstance(b, Heading) and b.text == "Glossary")
    table = next(b for b in found.blocks[start:] if isinstance(b, Table))
    words = [str(row[0]) for row in table.rows]
    assert "Alpha" in words
    assert "Circuit" not in words  # nobody looked inside
    assert {place for row in table.rows for place in str(row[2]).split("; ")} <= titles


def test_what_was_not_tested_names_questions_languages_numbers_and_people():
    found = document().blocks
    start = next(i for i, b in enumerate(found) if isinstance(b, Heading) and b.text == "What was not tested")
    bullets = next(b for b in found[start:] if isinstance(b, Bullets))
    assert "Nobody looked for circuits inside the model." in bullets.items
    assert any(line.startswith("Suite closed-pairs was not asked in Swahili, Hindi, Yoruba") for line in bullets.items)
    assert "One finding that was fixed before the run came to no number: Stereotype effect (1)." in bullets.items
    table = next(b for b in found[start:] if isinstance(b, Table))
    asked = [row[1] for row in table.rows]
    assert "Values lean" in asked
    assert "Stereotype effect" not in asked


@pytest.mark.parametrize("signer", ["", "The ministry"])
def test_the_cover_says_what_can_be_known_of_the_signature(signer):
    facts = next(b for b in document(signed_by=signer).front if isinstance(b, Facts))
    said = dict(facts.rows)["Signature"]
    assert said.startswith("To be signed by The ministry." if signer else "This copy names no signer.")
    assert "plural-audit verify" in said


# --- on paper ----------------------------------------------------------------------------------


def pages_of(path: Path) -> list[str]:
    reader = pypdf.PdfReader(io.BytesIO(path.read_bytes()))
    return [re.sub(r"\s+", " ", page.extract_text()) for page in reader.pages]


def long_judgements():
    """Everybody writes much, and there are twelve communities of three."""
    one_finding = people.CONTESTED
    made = []
    for n in range(36):
        voice = dataclasses.replace(people.judgements().voices[0], finding=one_finding, person=str(n))
        comment, community = "so it is not " * 60, f"community-{n // 3}"
        judgement = ("agree", "partly", "disagree")[n % 3]
        made.append(
            dataclasses.replace(
                voice, comment=comment, comment_language="en", community=community, judgement=judgement, blind=judgement
            )
        )
    names = {f"community-{n}": f"Community number {n}" for n in range(12)}
    return people.judgements(voices=tuple(made), communities=names)


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_a_finding_has_exactly_one_page_however_much_there_is_to_say(tmp_path, paper):
    """Long caveats, a long sentence, long prompts and words: what has no room is counted, with the id."""
    found = []
    for finding in sample.findings():
        caveats = tuple(f"{i} {'a caveat that goes on and on ' * 12}" for i in range(9))
        sentence = f"{finding.sentence} {'It goes on. ' * 15}".strip()
        found.append(dataclasses.replace(finding, caveats=caveats, sentence=sentence))
    evidence = sample.evidence()
    items = evidence.items.copy()
    items["texts"] = items["texts"].str.replace("When the baby cried at night, ", "When the baby cried at night, " * 20)
    path = tmp_path / "report.pdf"
    build_pdf(
        path,
        evidence=dataclasses.replace(evidence, items=items),
        findings=tuple(found),
        command="run",
        judgements=long_judgements(),
        paper=paper,
    )
    told = pages_of(path)
    case = Case(evidence, tuple(found), "run", text.can_draw, text.spelled_out, long_judgements())
    own = finding_pages.Pages.of(case, Told.of(case, long_judgements())).own
    start = next(i for i, said in enumerate(told) if "A finding has a page of its own if" in said)
    for n, finding in enumerate(own, start=1):
        assert f"Evidence id {finding.id}" in told[start + n]
        assert finding.id != people.CONTESTED or "no room on this page: findings.json" in told[start + n]
        assert "Before leaning on this" in told[start + n]
    assert "Findings that say neither yes nor no" in told[start + len(own) + 1]
    assert not any(len(said) < 130 for said in told[start : start + len(own) + 2])  # no page is empty


# --- too many of one kind ------------------------------------------------------------------------


def many(n: int, verdict=Verdict.NO_EVIDENCE) -> list[Finding]:
    """As many findings of one family, each on another axis."""
    return [one(verdict=verdict, scope=Scope(language="en", suite="stereotype", topic=f"axis-{i}")) for i in range(n)]


def section(found, title: str) -> str:
    """All words between a heading and the next of its level."""
    start = next(i for i, b in enumerate(found.blocks) if isinstance(b, Heading) and b.text == title)
    after = found.blocks[start + 1 :]
    end = next((i for i, b in enumerate(after) if isinstance(b, Heading) and b.level == 1), len(after))
    return " ".join(b.text for b in flat(after[:end]) if isinstance(b, Heading | Text))


def test_up_to_eight_findings_without_evidence_of_a_family_have_a_page_each():
    quiet = many(8)
    assert set(sheets(document(tuple(quiet)))) == {f.id for f in quiet}


def test_more_than_eight_share_a_place_and_evidence_of_the_family_keeps_its_page():
    quiet, loud = many(9), one()
    assert loud.family == quiet[0].family
    found = document((*quiet, loud))
    assert set(sheets(found)) == {loud.id}
    told = section(found, undecided.ABSENT)
    assert all(f.id[:8] in told for f in quiet)
    assert loud.id[:8] not in told
    assert "more than 8 findings of one family" in section(found, PAGES)


def test_the_index_says_where_those_are_that_share_a_place():
    quiet = many(9)
    told = section(document(tuple(quiet)), "Index of evidence ids")
    assert f"(in “{undecided.ABSENT}”): " in told
    assert all(f.id in told for f in quiet)


def test_of_leads_the_forty_surest_are_shown_and_the_rest_counted():
    leads = [dataclasses.replace(f, confirmatory=False) for f in many(45, Verdict.INSUFFICIENT)]
    found = document(tuple(leads))
    tables = [b for b in flat(found.blocks) if isinstance(b, Table) and b.columns[-1].title == "Id"]
    (table,) = [b for b in tables if any(row[-1] in {f.id[:8] for f in leads} for row in b.rows)]
    assert len(table.rows) == 40
    index = section(found, "Index of evidence ids")
    assert index.count("(in “findings.json”)") == 1  # the place of the five
    assert sum(f.id in index.split("(in “findings.json”)")[1] for f in leads) == 5
    assert "5 more rows are in findings.json; the surest are shown." in section(
        found, "Appendix: exploratory estimates"
    )
