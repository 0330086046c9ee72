"""What people say, in the report: side by side, in their own words, marked where contested, and nobody who is alone."""

from __future__ import annotations

import dataclasses
import io
import re

import judgement_sample as people
import pytest
import report_sample as sample

from audit.errors import RunError
from audit.records import Judgements, Voice
from reports import build_pdf, charts, content, judgement_charts, text
from reports.blocks import Bullets, Columns, Dot, Facts, Group, Heading, Picture, Plot, Quote, Sheet, Table, Text
from reports.case import Case
from reports.contests import marked
from reports.judgement_charts import Bars, Interval
from reports.judgements import people_pages
from reports.people import TITLE, Told
from reports.people_words import FULL, PAGE, on_page

pypdf = pytest.importorskip("pypdf")


def told_of(judgements, findings=None):
    findings = marked(sample.findings() if findings is None else findings, judgements)
    case = Case(sample.evidence(), findings, "run", text.can_draw, text.spelled_out, judgements)
    return Told.of(case, judgements)


def pages(judgements, findings=None, own=None):
    """The section, for a report in which the findings `own` have a page of their own; all, where none are named."""
    told = told_of(judgements, findings)
    return people_pages(told, pages={f.id for f in told.case.findings} if own is None else own)


def sheet_of(judgements, finding):
    """What the page of one finding says of people."""
    told = told_of(judgements)
    return on_page(told, told.findings[finding])


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


def words_of(blocks):
    """All that is said in `blocks`, in order."""
    found = []
    for b in flat(blocks):
        if isinstance(b, Text | Heading):
            found.append(b.text)
        if isinstance(b, Picture):
            found.append(b.alt)
        if isinstance(b, Bullets):
            found += b.items
        if isinstance(b, Table | Facts):
            found += [" ".join(str(cell) for cell in row) for row in b.rows]
        if isinstance(b, Quote):
            found += [b.title, *(f"{name}: {said}" for name, said in b.lines)]
    return "\n".join(found)


def part(blocks, title):
    """Blocks under the heading that begins with `title`, up to the next of its level."""
    start = next(i for i, b in enumerate(blocks) if isinstance(b, Heading) and b.text.startswith(title))
    level, rest = blocks[start].level, blocks[start + 1 :]
    return rest[: next((i for i, b in enumerate(rest) if isinstance(b, Heading) and b.level <= level), len(rest))]


def svg_texts(chart):
    return [re.sub(r"<[^>]*>", "", t) for t in re.findall(r"<text[^>]*>(.*?)</text>", charts.svg(chart), re.DOTALL)]


@pytest.fixture(scope="module")
def judged() -> Judgements:
    return people.judgements()


@pytest.fixture(scope="module")
def blocks(judged):
    return pages(judged)


def test_a_report_without_judgements_has_the_same_blocks_as_ever():
    said = {"command": "", "can_draw": text.can_draw, "spelled_out": text.spelled_out}
    document = content.report(sample.evidence(), sample.findings(), **said)
    assert document == content.report(sample.evidence(), sample.findings(), **said, judgements=None)
    assert TITLE not in words_of(document.blocks)
    assert "Contested" not in words_of((*document.front, *document.blocks))


def test_judgements_of_another_run_are_refused_by_name():
    other = people.judgements(run_id="0000")
    with pytest.raises(RunError, match="the judgements are of run 0000, the evidence of run 7f3a9c1e5b2d"):
        content.report(
            sample.evidence(), (), command="", can_draw=text.can_draw, spelled_out=text.spelled_out, judgements=other
        )


# --- as of, contests, marks --------------------------------------------------------------------


def test_the_section_says_as_of_which_event_and_how_many_were_withdrawn(blocks, judged):
    said = words_of(blocks)
    assert f"event 812 of the desk's log, hash {'9c' * 32}" in said
    assert "3 judgements were taken out because people withdrew their consent" in said
    assert "Judgements 216, of 18 findings" in said  # 12 people on 18 findings
    assert "Dattawan Kano (4), Mathare Youth Forum (5) and smaller ones, together" in said


def test_contests_stand_with_their_state_dates_and_words(blocks):
    said = words_of(part(blocks, "Contests"))
    assert "2 contests, of which 1 admitted and not yet decided." in said
    assert "Contest c1c1c1c1 · Dattawan Kano: answered; next step due 2026-12-09" in said
    assert "2026-11-18 · filed: The English sentences use names that nobody in Kano bears." in said
    assert "Contest c2c2c2c2 · Mathare Youth Forum: rejected" in said
    assert said.index("c1c1c1c1") < said.index("c2c2c2c2")  # open ones first


def test_a_contest_of_a_community_that_cannot_be_shown_apart_does_not_name_it():
    contest = dataclasses.replace(people.contests()[0], community="elsewhere")
    said = words_of(part(pages(people.judgements(contests=(contest,))), "Contests"))
    assert "Contest c1c1c1c1: answered" in said
    assert "elsewhere" not in said


def test_a_contested_finding_is_marked_wherever_it_is_listed(judged):
    document = content.report(
        sample.evidence(),
        sample.findings(),
        command="",
        can_draw=text.can_draw,
        spelled_out=text.spelled_out,
        judgements=judged,
    )
    every = list(flat((*document.front, *document.blocks)))
    sentence = "Sentence about stereotype_effect in en gender: evidence."
    said = [s for b in every if isinstance(b, Bullets) for s in b.items]
    said += [b.text for b in every if isinstance(b, Text)]
    told = [s for s in said if sentence in s]
    assert len(told) >= 2  # its page, and its contest
    assert all(s == f"Contested: {sentence}" for s in told)
    rows = [row for b in every if isinstance(b, Table) for row in b.rows if row[:2] == ("Contested: English", "Gender")]
    dots = [d for b in every if isinstance(b, Plot) for d in b.dots if isinstance(d, Dot) and "Contested" in d.label]
    assert len(rows) == 1
    assert [(d.panel, d.label) for d in dots] == [("English", "Contested: Gender")]
    caveats = [s for b in every if isinstance(b, Bullets) for s in b.items if s.startswith("Contested: the contest")]
    assert caveats == [
        f"Contested: the contest, filed 2026-11-18, is answered; next step due 2026-12-09. See “{TITLE}”."
    ]
    assert "216 judgements of 18 findings; 1 finding contested" in words_of(document.front)


def test_a_decided_contest_marks_nothing():
    decided = people.judgements(contests=people.contests()[1:])
    assert marked(sample.findings(), decided) == sample.findings()


# --- agreement ---------------------------------------------------------------------------------


def test_agreement_is_told_within_and_between_communities_with_intervals(blocks):
    (table,) = [b for b in part(blocks, "Do people agree?") if isinstance(b, Table)]
    who = [row[0] for row in table.rows]
    assert who == ["everybody", "Dattawan Kano", "Mathare Youth Forum", "Dattawan Kano – Mathare Youth Forum"]
    assert all(
        re.fullmatch(r"−?\d\.\d\d", row[2]) and re.fullmatch(r"−?\d\.\d\d to \d\.\d\d", row[3]) for row in table.rows
    )
    assert [row[1] for row in table.rows] == ["12", "4", "5", "9"]
    assert "Intervals: bootstrap of 18 findings." in words_of(part(blocks, "Do people agree?"))


def test_whether_communities_differ_is_said_with_its_interval_and_p(blocks):
    said = words_of(part(blocks, "Do people agree?"))
    assert re.search(
        r"two people of different communities lie −?\d+ % of the scale .* \(95 % interval .*, p\s[=<]\s", said
    )


def test_what_cannot_be_told_says_why():
    few = people.judgements()
    one = dataclasses.replace(few, voices=tuple(v for v in few.voices if v.finding == people.LONE))
    said = words_of(pages(one))
    why = "1 finding was judged by two or more people; an interval that holds what it promises needs 8"
    assert f"Undefined: {why}" in said
    assert "Whether communities judge findings differently cannot be said" in said
    assert "It cannot be said: 0 findings were judged by somebody who judged another comparable one too" in said


# --- finding by finding ------------------------------------------------------------------------


def test_words_on_contested_findings_come_first(blocks):
    heads = [b.text for b in part(blocks, "Finding by finding") if isinstance(b, Heading)]
    assert heads[0] == f"Stereotype effect: English · Gender · {people.CONTESTED[:8]}"
    assert "Further findings" not in heads


def test_findings_without_a_page_have_their_counts_in_a_table(judged):
    """Six of 18 have none: a row for each of two communities and for the others together."""
    own = [f.id for f in sample.findings() if f.measurement.measure == "stereotype_effect"][:12]
    blocks = pages(judged, own=own)
    (table,) = [b for b in part(blocks, "Further findings") if isinstance(b, Table)]
    assert len(table.rows) == 6 * 3


def test_a_page_has_the_answers_of_each_community_and_a_few_words_of_both_sides(judged):
    blocks = sheet_of(judged, people.LONE)
    (picture,) = [b for b in flat(blocks) if isinstance(b, Picture)]
    assert "Dattawan Kano (4): 4 agree. Mathare Youth Forum (5): 4 agree, 1 disagree." in picture.alt
    said = words_of(blocks)
    assert "Who differs: 1 person\nMathare Youth Forum: disagree: Not in my quarter." in said
    assert "Who says what most say (“agree”): 11 people" in said


def test_a_page_quotes_one_of_each_side_and_counts_the_others(judged):
    voices = tuple(dataclasses.replace(v, comment="so " * 100, comment_language="en") for v in judged.voices)
    said = words_of(sheet_of(dataclasses.replace(judged, voices=voices), people.LONE))
    assert f"… [cut here; {300 - PAGE.characters} more characters: see {TITLE}]" in said
    assert f"10 more comments: see “{TITLE}”." in said  # 11 agree


def test_a_finding_that_fewer_than_three_judged_has_nothing_of_people_on_its_page(judged):
    two = tuple(v for v in judged.voices if v.person in ("1", "2"))
    assert sheet_of(dataclasses.replace(judged, voices=two), people.LONE) == ()


def test_one_who_differs_is_quoted_beside_the_others(judged):
    lone = dataclasses.replace(judged, voices=tuple(v for v in judged.voices if v.finding == people.LONE), contests=())
    said = words_of(pages(lone))
    assert "Who differs: 1 person\nMathare Youth Forum: disagree: Not in my quarter." in said
    assert "Who says what most say (“agree”): 11 people" in said


def test_one_who_differs_on_a_finding_without_a_page_is_quoted_too(judged):
    said = words_of(part(pages(judged, own=()), "Who differs on them"))
    assert "Stereotype effect: Swahili · Age (most say “agree”): 1 person" in said
    assert "Mathare Youth Forum: disagree: Not in my quarter." in said


def test_words_stand_in_their_own_script_and_markup_is_shown_as_written(blocks):
    said = words_of(part(blocks, "Stereotype effect: English · Gender"))
    assert people.ARABIC in said
    assert people.HOSTILE in said
    assert all(text.can_draw(line) for line in words_of(blocks).splitlines())
    quotes = [b for b in flat(blocks) if isinstance(b, Quote) and b.languages]
    told = {(words, of) for q in quotes for (_, words), of in zip(q.lines, q.languages, strict=True)}
    assert {(people.ARABIC, "ar"), (people.HOSTILE, "en")} <= told


@pytest.mark.parametrize(
    ("comment", "shown"),
    [
        ("True \U0001f600", "True [U+1F600]"),  # a sign without a face is spelled out
        ("ខ្មែរ", "original words in Khmer: see the desk or its export."),  # letters without one are pointed to
    ],
)
def test_words_that_the_faces_do_not_draw_are_spelled_out_or_pointed_to(judged, comment, shown):
    voices = tuple(dataclasses.replace(v, comment=comment, comment_language="km") for v in judged.voices)
    said = words_of(pages(dataclasses.replace(judged, voices=voices)))
    assert shown in said
    assert comment not in said


def test_a_name_in_another_script_stands_in_it_and_apart_from_the_number_after_it():
    names = {**people.COMMUNITIES, "mathare-youth": "متحدون"}
    said = words_of(pages(people.judgements(communities=names)))
    assert "\u2068متحدون\u2069 (5)" in said
    unknown = {**people.COMMUNITIES, "mathare-youth": "ខ្មែរ"}
    assert "mathare-youth (5)" in words_of(pages(people.judgements(communities=unknown)))


def test_long_words_are_cut_and_say_so(judged):
    long = "so " * 1000
    voices = tuple(dataclasses.replace(v, comment=long if v.finding == people.LONE else "") for v in judged.voices)
    said = words_of(pages(dataclasses.replace(judged, voices=voices)))
    assert f"… [cut here; {3000 - FULL.characters} more characters: see the desk]" in said


def test_nobody_of_a_small_community_is_named_or_counted_apart(blocks, judged):
    """Oslo has two people and Lagos one: together three, and shown as others."""
    page = words_of(sheet_of(judged, people.LONE))
    for said in (words_of(blocks), page):
        assert "Oslo" not in said
        assert "Lagos" not in said
    assert "others (3): " in page
    two = dataclasses.replace(judged, voices=tuple(v for v in judged.voices if v.community != "lagos"))
    assert "others (2)" not in words_of(sheet_of(two, people.LONE))


def test_a_finding_of_which_two_people_spoke_is_not_shown(judged):
    def kept(v: Voice) -> bool:
        return v.person in ("1", "2")

    said = words_of(pages(dataclasses.replace(judged, voices=tuple(filter(kept, judged.voices)))))
    assert "No finding was judged by 3 people, so no judgement is shown." in said
    assert "disagree:" not in said


def test_judgements_of_findings_that_the_run_no_longer_has_are_counted_and_left_out(judged):
    kept = tuple(f for f in sample.findings() if f.id != people.LONE)
    said = words_of(pages(judged, kept))
    assert "12 judgements of findings that this run no longer has" in said
    assert "Not in my quarter." not in said


def test_no_judgements_at_all_are_said_and_nothing_breaks():
    said = words_of(pages(people.judgements(voices=(), contests=(), withdrawn=0)))
    assert "No finding of this run has been contested." in said
    assert "Undefined: agreement needs 3 people, 0 answered" in said
    assert "Withdrawn none" in said


# --- pictures ----------------------------------------------------------------------------------


def test_bars_carry_the_counts_and_names_keep_their_number():
    rows = (
        Bars(
            label="A community with a very long name indeed",
            people=6,
            judged={"agree": 3, "partly": 0, "disagree": 2, "cannot say": 1},
            severe={"0": 0, "1": 0, "2": 4, "3": 0, "4": 1, "not said": 1},
        ),
    )
    drawn = svg_texts(judgement_charts.distributions(rows, 480))
    assert sorted(t for t in drawn if t.isdigit()) == ["1", "1", "1", "2", "3", "4"]
    assert any(t.startswith("A community with") and t.endswith("… (6)") for t in drawn)


def test_agreement_is_drawn_for_each_question_with_each_row_named_once():
    rows = [
        Interval(label=label, panel=panel, kind=kind, value=0.4, low=-0.1, high=0.8)
        for panel in ("Judgement", "Severity")
        for label, kind in (("Ana", "within"), ("Ana – Bea", "between"))
    ]
    drawn = svg_texts(judgement_charts.agreement(rows, 480))
    assert [t for t in drawn if t in ("Ana", "Ana – Bea")] == ["Ana", "Ana – Bea"]
    assert {"Judgement", "Severity"} <= set(drawn)


# --- the PDF -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_pdf_holds_the_section_and_is_the_same_bytes_twice(tmp_path, judged):
    said = {"evidence": sample.evidence(), "findings": sample.findings(), "command": "run", "judgements": judged}
    build_pdf(tmp_path / "a.pdf", **said)
    build_pdf(tmp_path / "b.pdf", **said)
    data = (tmp_path / "a.pdf").read_bytes()
    assert data == (tmp_path / "b.pdf").read_bytes()
    found = " ".join(re.sub(r"\s+", " ", p.extract_text()) for p in pypdf.PdfReader(io.BytesIO(data)).pages)
    for words in (
        "What people say",
        "hash 9c9c9c9c",
        "Contest c1c1c1c1 · Dattawan Kano: answered",
        '<b>not</b> so & <font name="x">here</font> =1+1',
        "Not in my quarter.",
    ):
        assert words in found
    assert "Oslo" not in found
