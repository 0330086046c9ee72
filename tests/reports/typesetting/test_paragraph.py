"""Paragraphs, cells and labels on paper: what is copied is what was written, what is seen is in order, in no more time.

Texts are read back with poppler, an implementation that is not ours.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import poppler
import pytest
from scripts_sample import MIXED, SAMPLES

from reports.typesetting.paragraph import Paragraph, Span, Style, cut, draw_text, text_width

CELL = Style(name="cell", size=9, leading=13)
REFERENCE = Path(__file__).parent / "page.pgm"
DPI, MOST_APART = 30, 9.0  # greys by which a row of the page may differ; another script differs by more
ROW_HEIGHT = 29.0  # points
LEFT, WIDTH, A4 = 60.0, 475.0, 595.28
RIGHT_TO_LEFT = ("ar", "fa", "ur", "he")


def built(path: Path, flowables: list[object]) -> Path:
    from reportlab.platypus import SimpleDocTemplate

    margins = {f"{side}Margin": 54 for side in ("left", "right", "top", "bottom")}
    SimpleDocTemplate(str(path), invariant=1, **margins).build(flowables)
    return path


def each_on_a_page(path: Path, paragraphs: list[Paragraph]) -> Path:
    from reportlab.platypus import PageBreak

    return built(path, [f for paragraph in paragraphs for f in (paragraph, PageBreak())])


def page_of_languages(path: Path, *, without: str = "") -> Path:
    """All languages on one page, each at its own height."""
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=(595.28, 841.89), invariant=1)
    for n, (code, _, text) in enumerate(SAMPLES):
        if code == without:
            continue
        paragraph = Paragraph(text, CELL, language=code)
        paragraph.wrapOn(canvas, WIDTH, 800)
        paragraph.drawOn(canvas, LEFT, 810 - n * ROW_HEIGHT - paragraph.height)
    canvas.save()
    return path


@pytest.fixture(scope="module", autouse=True)
def _poppler() -> None:
    poppler.needed()


@pytest.fixture(scope="module")
def languages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of_languages(tmp_path_factory.mktemp("page") / "page.pdf")


# --- the text layer -------------------------------------------------------------------------------


def test_what_is_copied_is_what_was_written_in_26_languages(tmp_path):
    paragraphs = [Paragraph(text, CELL, language=code) for code, _, text in SAMPLES]
    found = poppler.pages(each_on_a_page(tmp_path / "a.pdf", paragraphs))
    assert len(SAMPLES) == 26
    wrong = [
        code for (code, _, text), page in zip(SAMPLES, found, strict=True) if poppler.bare(page) != poppler.bare(text)
    ]
    assert wrong == []


def test_on_one_page_each_language_is_found(languages):
    """poppler reads a page in one direction: there, stops and numbers of the other go astray, its words do not."""
    (page,) = poppler.pages(languages)
    found = poppler.bare(page)
    for code, _, text in SAMPLES:
        words = [text] if code not in RIGHT_TO_LEFT else [w.strip(".,،()۔") for w in text.split()]
        for word in words:
            assert poppler.bare(word) in found, (code, word)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_words_of_a_mixed_line_are_found_whichever_way_it_runs(tmp_path, language):
    (page, *_) = poppler.pages(built(tmp_path / "a.pdf", [Paragraph(MIXED, CELL, language=language)]))
    for word in MIXED.split():
        assert poppler.bare(word.strip("()，.")) in poppler.bare(page)


# --- what is seen ---------------------------------------------------------------------------------


def rows_apart(a: np.ndarray, b: np.ndarray) -> list[float]:
    """How far two pictures of the page are apart, for each language: root mean square of greys, a little blurred."""
    apart = []
    for n in range(len(SAMPLES)):
        top = round((841.89 - 810 + n * ROW_HEIGHT) * DPI / 72)
        rows = slice(top, top + round(ROW_HEIGHT * DPI / 72))
        difference = blurred(a[rows].astype(float)) - blurred(b[rows].astype(float))
        apart.append(float(np.sqrt((difference**2).mean())))
    return apart


def blurred(greys: np.ndarray) -> np.ndarray:
    """Means of 2 by 2, so that the rounding of another version of poppler is not seen."""
    return (greys[:-1, :-1] + greys[1:, :-1] + greys[:-1, 1:] + greys[1:, 1:]) / 4


def test_the_page_of_26_languages_looks_as_it_did(languages):
    """The stored picture was looked at, row by row; `python test_paragraph.py` draws it anew."""
    apart = rows_apart(poppler.picture(languages, dpi=DPI), poppler.greys(REFERENCE.read_bytes()))
    wrong = {code: round(value, 1) for (code, *_), value in zip(SAMPLES, apart, strict=True) if value > MOST_APART}
    assert wrong == {}


def test_a_language_that_is_set_otherwise_is_seen(monkeypatch, tmp_path):
    """The comparison can fail: unjoined Arabic, Urdu that is not Nastaliq, a language left out."""
    from reports.typesetting import faces, shaping

    for cached in (faces.choice, shaping.shape):
        cached.cache_clear()
    monkeypatch.setitem(faces.OWN, "ur", "NotoSansArabic")
    monkeypatch.setattr(shaping, "_shape_stretch", unjoined(shaping._shape_stretch))
    from reports.typesetting import paragraph

    paragraph._shaped.cache_clear()
    path = page_of_languages(tmp_path / "page.pdf", without="ko")
    for cached in (faces.choice, shaping.shape, paragraph._shaped):
        cached.cache_clear()
    apart = rows_apart(poppler.picture(path, dpi=DPI), poppler.greys(REFERENCE.read_bytes()))
    seen = {code for (code, *_), value in zip(SAMPLES, apart, strict=True) if value > MOST_APART}
    assert {"ar", "ur", "ko"} <= seen
    assert not {"en", "hi", "zh-Hans", "he"} & seen


def unjoined(shaped):
    """Arabic letter by letter, as if nothing shaped them."""

    def letters(text, start, end, of, script, language, level):
        if of.key != "NotoNaskhArabic":
            return shaped(text, start, end, of, script, language, level)
        found = []
        for i in range(start, end):
            found += [
                c._replace(start=i - start, end=i - start + 1)
                for c in shaped(text[i], 0, 1, of, script, language, level)
            ]
        return tuple(found)

    return letters


def test_every_language_leaves_ink_and_stays_in_its_margins(languages):
    found = poppler.boxes(languages)
    assert min(left for left, *_ in found) >= LEFT - 1
    assert max(right for _, _, right, *_ in found) <= LEFT + WIDTH + 1
    picture = poppler.picture(languages, dpi=60)
    for n in range(len(SAMPLES)):
        top = round((841.89 - 810 + n * ROW_HEIGHT) * 60 / 72)
        assert (picture[top : top + 20] < 128).sum() > 50, SAMPLES[n][0]


def test_right_to_left_paragraphs_stand_at_the_right_and_their_last_line_too(tmp_path):
    path = built(tmp_path / "a.pdf", [Paragraph("שלום עולם", CELL, language="he"), Paragraph("Hello", CELL)])
    found = {text: (left, right) for left, _, right, _, text in poppler.boxes(path)}
    rights = [right for text, (_, right) in found.items() if "Hello" not in text]
    assert max(rights) == pytest.approx(A4 - 54 - 6, abs=1.5)  # reportlab's frame has a padding of 6
    assert found["Hello"][0] == pytest.approx(54 + 6, abs=1.5)


def test_cells_of_a_table_break_and_grow_in_every_script(tmp_path):
    from reportlab.platypus import Table

    rows = [[Paragraph(name, CELL), Paragraph(text, CELL, language=code)] for code, name, text in SAMPLES]
    path = built(tmp_path / "a.pdf", [Table(rows, colWidths=[90, 130], style=[("VALIGN", (0, 0), (-1, -1), "TOP")])])
    pages = poppler.bare("".join(poppler.pages(path)))
    for code, name, text in SAMPLES:
        assert poppler.bare(name) in pages
        if code not in RIGHT_TO_LEFT:
            assert poppler.bare(text)[:12] in pages, code
    words = [box for box in poppler.boxes(path) if box[0] > 240]
    assert max(right for _, _, right, *_ in words) <= A4 / 2 + 110


def test_a_paragraph_splits_over_pages_without_losing_or_repeating_a_line(tmp_path):
    text = " ".join(f"word{i}" for i in range(3000))
    found = poppler.pages(built(tmp_path / "a.pdf", [Paragraph(text, CELL)]))
    assert len(found) > 2
    assert " ".join(" ".join(found).split()) == text


def test_words_on_grounds_join_and_the_ground_is_as_wide_as_they_are(tmp_path):
    spans = [Span(text="مح", ground="#7FB2D6"), Span(text="مد")]
    marked, plain = (Paragraph(given, CELL, language="ar") for given in (spans, "محمد"))
    assert [run.clusters for run in marked.text.parts[0].runs] == [run.clusters for run in plain.text.parts[0].runs]
    assert marked.text.grounds == (((0, 2, "#7FB2D6"),),)
    (ground, plain_page) = (
        poppler.picture(built(tmp_path / n, [p]), dpi=144) for n, p in (("a", marked), ("b", plain))
    )
    columns = np.flatnonzero((ground != plain_page).any(axis=0)) / 2  # points; 144 to the inch
    word = marked.text.parts[0].reach
    assert columns[-1] == pytest.approx(A4 - 54 - 6, abs=1)  # from the right edge of the line, where the word begins
    assert columns[-1] - columns[0] == pytest.approx(word[2] * 9 / 1000, abs=1)


def test_a_line_is_as_high_as_its_face_needs():
    heights = {}
    for code, text in (("en", "a"), ("ur", "ہے"), ("hi", "है")):
        heights[code] = Paragraph(text, CELL, language=code).wrap(200, 200)[1]
    assert heights["en"] == 13
    assert heights["hi"] == 13
    assert heights["ur"] > 18


# --- what must not happen -------------------------------------------------------------------------

HOSTILE = {
    "unbalanced controls": "\u202e\u2067\u202b\u2068 abc \u202d שלום 12 \u2069\u2069\u202c" * 200,
    "deep nesting": "\u2067" * 5_000 + "a",
    "a flood of marks": "a" + "\u0301\u0323\u0489" * 3_000 + " b",
    "floods": ("Z" + "\u0335\u0300\u0316\u0360" * 30) * 60,
    "marks alone": "\u0301" * 2_000,
    "no space": "x" * 10_000,
    "no space, Arabic": "م" * 10_000,
    "no space, Thai": "ก" * 10_000,
    "ideographs": "字" * 10_000,
    "joiners": "a\u200d" * 5_000,
    "spaces": " " * 10_000,
    "brackets": "([{" * 3_000,
    "line ends": "\n" * 300,
    "marks of many scripts": "क\u0301\u0e34\u064b\u05b4" * 50,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_breaks_neither_the_page_nor_the_time(tmp_path, what):
    start = time.process_time()
    text = Paragraph(HOSTILE[what], CELL, language="")
    path = built(tmp_path / "a.pdf", [Paragraph("before", CELL), text, Paragraph("after", CELL)])
    assert time.process_time() - start < 6
    found = poppler.boxes(path)
    assert found[0][-1] == "before"
    assert "after" in " ".join(said for *_, said in found)
    assert min(left for left, *_ in found) >= 0
    assert max(right for _, _, right, *_ in found) <= A4
    ink = poppler.picture(path, dpi=36)
    assert (ink[: 27 - 6] < 128).sum() == 0  # nothing climbs out of the top margin of 54 points
    assert (ink[:, : 27 - 6] < 128).sum() == 0


def test_two_builds_give_the_same_bytes(tmp_path):
    made = []
    for name in "ab":
        paragraphs = [Paragraph(text, CELL, language=code) for code, _, text in SAMPLES]
        made.append(each_on_a_page(tmp_path / f"{name}.pdf", paragraphs).read_bytes())
    assert made[0] == made[1]


def test_shapes_are_remembered_within_a_build():
    """Setting the pages of a report again costs little: that is what the second pass does."""
    times = []
    for _ in range(2):
        start = time.process_time()
        for i in range(300):
            Paragraph(f"Paragraph {i} of a report, with العربية in it and some more words to fill lines.", CELL).wrap(
                120, 500
            )
        times.append(time.process_time() - start)
    assert times[1] < times[0] / 3


# --- lines of charts ------------------------------------------------------------------------------


def test_a_line_of_a_chart_is_anchored_by_its_true_width(tmp_path):
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(400, 200), invariant=1)
    for y, anchor in ((150, "start"), (100, "middle"), (50, "end")):
        draw_text(canvas, "हिन्दी", x=200, y=y, size=10, anchor=anchor)
    canvas.save()
    wide = text_width("हिन्दी", 10)
    found = sorted((top, left) for left, top, *_ in poppler.boxes(tmp_path / "a.pdf"))
    assert [left for _, left in found] == pytest.approx([200, 200 - wide / 2, 200 - wide], abs=0.5)


def test_a_cut_line_ends_in_an_ellipsis_and_after_a_whole_letter():
    assert cut("ẹ̀ẹ̀ẹ̀ẹ̀", 100, 8) == "ẹ̀ẹ̀ẹ̀ẹ̀"
    short = cut("क्षत्रिय" * 10, 40, 8)
    assert short.endswith("…")
    assert text_width(short, 8) <= 40


if __name__ == "__main__":  # draws the stored picture anew: look at it before it is committed
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        pdf = page_of_languages(Path(folder) / "page.pdf")
        command = ["pdftoppm", "-gray", "-r", str(DPI), str(pdf)]
        REFERENCE.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
