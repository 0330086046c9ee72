"""On paper: both directions mirror each other, papers have their sizes, columns stand side by side and run on.

Places are read back with poppler, an implementation that is not ours.
"""

from __future__ import annotations

import math
from pathlib import Path

import all_blocks
import poppler
import pytest

from audit.errors import UsageError
from reports import pdf
from reports.blocks import Block, Column, Columns, Document, Facts, Heading, Quote, Table, Text
from reports.setting import Setter, _lowered
from reports.styles import PAPERS

A4, LETTER, MARGIN = (595.28, 841.89), (612.0, 792.0), 57.0
Boxes = list[tuple[float, float, float, float, str]]


@pytest.fixture(autouse=True)
def _poppler() -> None:
    poppler.needed()


def built(path: Path, *blocks: Block, language: str = "en", paper: str = "a4") -> Path:
    head = Heading(text="Head", level=1, new_page=True)
    made = Document(title="T", subtitle="s", running="run", front=(), blocks=(head, *blocks), language=language)
    path.write_bytes(pdf.render(made, paper=paper))
    return path


def at(boxes: Boxes, word: str) -> tuple[float, float, float, float]:
    """Place of the first such word: left, top, right, bottom."""
    return next(box[:4] for box in boxes if poppler.bare(box[4]) == word)


# --- papers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("paper", "size"), [("a4", A4), ("letter", LETTER)])
def test_all_stands_within_the_margins_of_the_paper(tmp_path, paper, size):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf.render(all_blocks.document(), paper=paper))
    boxes = poppler.boxes(path)
    picture = poppler.picture(path, dpi=72)
    assert picture.shape == (math.ceil(size[1]), math.ceil(size[0]))
    assert min(left for left, *_ in boxes) >= MARGIN - 1
    assert max(right for _, _, right, *_ in boxes) <= size[0] - MARGIN + 1


def test_a_paper_that_is_not_there_is_refused_by_name():
    with pytest.raises(UsageError, match=r'"a3"; choose one of: a4, letter'):
        pdf.render(all_blocks.document(), paper="a3")


# --- direction ------------------------------------------------------------------------------------


def test_columns_of_a_table_stand_in_the_documents_direction(tmp_path):
    columns = (Column(title="one", width=1), Column(title="two", width=1), Column(title="three", width=1))
    table = Table(columns=columns, rows=(("a", "b", "c"),))
    for language, expected in (("en", ["a", "b", "c"]), ("ar", ["c", "b", "a"])):
        boxes = poppler.boxes(built(tmp_path / "a.pdf", table, language=language), page=2)
        assert sorted("abc", key=lambda word: at(boxes, word)[0]) == expected


def test_a_right_to_left_page_is_the_mirror_of_a_left_to_right_one(tmp_path):
    """Heading, names and values, running head and foot: as far from the right as the others are from the left."""
    facts = Facts(rows=(("name", "value"),))
    left, right = (
        poppler.boxes(built(tmp_path / "a.pdf", facts, Text(text="text"), language=language), page=2)
        for language in ("en", "ar")
    )
    for word in ("Head", "name", "value", "text", "run"):
        assert A4[0] - at(right, word)[2] == pytest.approx(at(left, word)[0], abs=1), word
    assert at(left, "2")[2] > 500  # "Page 2 of 2"
    assert at(right, "2")[2] < 100


def test_the_line_beside_a_quote_and_its_title_change_sides(tmp_path):
    quote = Quote(title="title", lines=(("name", "words"),), languages=("en",))
    ink = {}
    for language in ("en", "ar"):
        path = built(tmp_path / "a.pdf", quote, language=language)
        boxes = poppler.boxes(path, page=2)
        top = round(at(boxes, "title")[1])
        dark = (poppler.picture(path, dpi=72, page=2)[top : top + 20] < 160).all(axis=0)
        (ink[language],) = [i for i, full in enumerate(dark) if full and not dark[i - 1]]
        near = at(boxes, "title")[0] if language == "en" else A4[0] - at(boxes, "title")[2]
        assert near == pytest.approx(MARGIN + 9, abs=1.5)
    assert ink["en"] == pytest.approx(MARGIN, abs=2)
    assert ink["ar"] == pytest.approx(A4[0] - MARGIN, abs=2)


def test_a_quote_keeps_its_own_direction_in_either_document(tmp_path):
    quote = Quote(title="t", lines=(("n", "It ends here."), ("n", "ينتهي هنا.")), languages=("en", "ar"))
    for language in ("en", "ar"):
        boxes = poppler.boxes(built(tmp_path / "a.pdf", quote, language=language), page=2)
        values = MARGIN + 118 if language == "en" else MARGIN
        ends = A4[0] - MARGIN if language == "en" else A4[0] - MARGIN - 118
        assert at(boxes, "It")[0] == pytest.approx(values, abs=1)
        assert at(boxes, "It")[0] < at(boxes, "here.")[0]
        first, second = (next(box for box in boxes if letter in box[4]) for letter in ("ت", "ا"))
        assert first[2] == pytest.approx(ends, abs=1)
        assert second[2] <= first[0] + 1


@pytest.mark.parametrize(
    ("words", "level"), [("−0.31 [−0.50, −0.12]", 0), ("imaginary-270m", 0), ("التقدير −0.31", 1), ("2026-11-22", 0)]
)
def test_figures_and_names_alone_are_not_turned_around(words, level):
    """By UAX #9 alone, in a right-to-left paragraph the minus would stand after its number."""
    assert Setter(all_blocks.document("ar"), PAPERS["a4"]).base(words) == level
    assert Setter(all_blocks.document("en"), PAPERS["a4"]).base(words) == 0


def test_an_interval_in_a_right_to_left_table_reads_from_its_lower_to_its_upper_end(tmp_path):
    table = Table(columns=(Column(title="x", width=1),), rows=(("−0.31 [−0.50, −0.12]",),))
    boxes = poppler.boxes(built(tmp_path / "a.pdf", table, language="ar"), page=2)
    row = [word for *_, word in sorted(boxes) if any(c.isdigit() for c in word) and "." in word]
    assert row == ["−0.31", "[−0.50,", "−0.12]"]


# --- tables ---------------------------------------------------------------------------------------


def test_no_word_of_a_table_is_cut_and_no_line_broken_where_there_is_room(tmp_path):
    """By their shares alone, the last column would have a hundredth of the width."""
    columns = (Column(title="words", width=99), Column(title="id", width=1))
    table = Table(columns=columns, rows=(("some words", "0123456789abcdef insufficient evidence"),))
    boxes = poppler.boxes(built(tmp_path / "a.pdf", table), page=2)
    lines = {round(at(boxes, word)[1]) for word in ("some", "words", "0123456789abcdef", "insufficient", "evidence")}
    assert len({line for line in lines if line > at(boxes, "id")[3]}) == 1


def test_where_a_table_has_too_little_room_lines_are_broken_and_words_are_not(tmp_path):
    columns = tuple(Column(title=f"c{i}", width=1) for i in range(3))
    rows = (("many words " * 30, "0123456789abcdef", "few words"),)
    boxes = poppler.boxes(built(tmp_path / "a.pdf", Table(columns=columns, rows=rows)), page=2)
    said = [word for *_, word in boxes]
    assert said.count("many") == 30
    assert "0123456789abcdef" in said
    assert len({round(top) for _, top, _, _, word in boxes if word == "many"}) > 3


def test_a_word_that_is_wider_than_the_page_leaves_the_other_columns_their_part(tmp_path):
    columns = (Column(title="one", width=1), Column(title="two", width=1))
    boxes = poppler.boxes(built(tmp_path / "a.pdf", Table(columns=columns, rows=(("x" * 400, "short"),))), page=2)
    assert max(right for _, _, right, *_ in boxes) <= A4[0] - MARGIN + 1
    assert "short" in "".join(word for *_, word in boxes if "x" not in word)


def test_of_columns_that_are_too_wide_the_widest_give():
    assert _lowered([10, 300, 200, 20], 230) == [10, 100, 100, 20]  # 230 - 10 - 20 is left for two
    assert _lowered([10, 20], 230) == [10, 20]


# --- columns --------------------------------------------------------------------------------------


def test_columns_stand_side_by_side_in_their_shares(tmp_path):
    """Of 481.28 points 22 are between the columns: the second of 1 to 2 begins at 57 + 459.28 / 3 + 22."""
    columns = Columns(columns=((Text(text="first"),), (Text(text="second"),)), shares=(1, 2))
    boxes = poppler.boxes(built(tmp_path / "a.pdf", columns), page=2)
    assert at(boxes, "first")[1] == at(boxes, "second")[1]
    assert at(boxes, "second")[0] == pytest.approx(57 + 459.28 / 3 + 22, abs=1)
    boxes = poppler.boxes(built(tmp_path / "a.pdf", columns, language="ar"), page=2)
    assert A4[0] - at(boxes, "second")[2] == pytest.approx(57 + 459.28 / 3 + 22, abs=1)


def test_a_column_that_is_longer_than_the_page_runs_on_and_nothing_is_lost(tmp_path):
    long = tuple(Text(text=f"left{i} " * 30) for i in range(60))
    short = (Quote(title="title", lines=(("name", "words " * 200),)), Text(text="end"))
    boxes = []
    path = built(tmp_path / "a.pdf", Columns(columns=(long, short)), Text(text="after"))
    pages = poppler.pages(path)
    for page in range(2, len(pages) + 1):
        boxes += [(page, *box) for box in poppler.boxes(path, page=page)]
    said = [word for *_, word in boxes]
    assert len(pages) > 3
    assert [said.count(f"left{i}") for i in range(60)] == [30] * 60
    assert (said.count("words"), said.count("end"), said.count("after")) == (200, 1, 1)
    assert max(right for *_, right, _, word in boxes if word.startswith("left")) < MARGIN + 230
    assert next(page for page, *_, word in boxes if word == "after") == len(pages)


def test_in_a_narrow_column_a_name_stands_above_its_words(tmp_path):
    quote = Quote(title="title", lines=(("name", "words"),))
    wide = poppler.boxes(built(tmp_path / "a.pdf", quote), page=2)
    narrow = poppler.boxes(built(tmp_path / "b.pdf", Columns(columns=((quote,), (Text(text="x"),)))), page=2)
    assert at(wide, "name")[1] == pytest.approx(at(wide, "words")[1], abs=1)
    assert at(narrow, "name")[3] <= at(narrow, "words")[1] + 3
    assert at(narrow, "name")[0] == at(narrow, "words")[0]
