"""The report for readers who do not see the page, and for archives: what the file holds, and that a lack is found.

No validator of PDF/UA or PDF/A could be had: `tagging.problems` looks for what can be looked for, and here each of its
looks is shown something to find.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator

import all_blocks
import pikepdf
import pytest
from pikepdf import Name

from reports import pdf, tagging
from reports.typesetting.structure import Node, Piece

LANGUAGES = ("en", "ar", "zh")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {language: pdf.render(all_blocks.document(language)) for language in LANGUAGES}


@pytest.fixture(scope="module")
def opened(files) -> Iterator[dict[str, pikepdf.Pdf]]:
    found = {language: pikepdf.open(io.BytesIO(data)) for language, data in files.items()}
    yield found
    for one in found.values():
        one.close()


def elements(opened: pikepdf.Pdf, tag: str) -> list[pikepdf.Object]:
    return [e for e in tagging._elements(opened.Root.StructTreeRoot.K) if str(e.S) == f"/{tag}"]


def changed(data: bytes, change: Callable[[pikepdf.Pdf], object]) -> bytes:
    with pikepdf.open(io.BytesIO(data)) as opened:
        change(opened)
        out = io.BytesIO()
        opened.save(out)
    return out.getvalue()


# --- what is there --------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_missing_from_a_document_of_all_blocks(files, language):
    assert tagging.problems(files[language]) == ()


def test_the_same_document_is_the_same_bytes(files):
    assert pdf.render(all_blocks.document("en")) == files["en"]


def test_reading_order_is_that_of_the_blocks_whatever_the_columns(files, tmp_path):
    """poppler, an implementation that is not ours, reads the structure: left column, then right column."""
    if not shutil.which("pdfinfo"):
        pytest.skip("poppler is not there")
    (tmp_path / "a.pdf").write_bytes(files["en"])
    command = ["pdfinfo", "-struct-text", str(tmp_path / "a.pdf")]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    assert told.stderr == ""
    say = all_blocks.ENGLISH
    words = ["The items were written", "plural-audit run", say["agree"], say["dissent"], "Arabic 0", "Arabic 59"]
    places = [told.stdout.index(f'"{one}' if one.startswith("Arabic") else one) for one in words]
    assert places == sorted(places)


def test_headings_leave_out_no_level_though_the_document_does(opened):
    """Title page: "Contents" at the first level; then levels 1, 3, 2 and, on the sheet, 2: H1, H2, H2, H2."""
    tags = [str(e.S)[1:] for e in tagging._elements(opened["en"].Root.StructTreeRoot.K)]
    assert [t for t in tags if re.fullmatch(r"H\d", t)] == ["H1", "H1", "H2", "H2", "H2"]


def test_the_head_of_a_table_is_read_once_though_it_stands_on_two_pages(opened):
    heads = [e for e in elements(opened["en"], "TH") if e.A.Scope == Name.Column]
    assert len(heads) == 3
    assert [len(e.K) for e in heads] == [1, 1, 1]
    pages = opened["en"].pages
    heads_of_pages = [p.Contents.read_bytes().count(b"/Artifact <</Type /Pagination /Subtype /Header>>") for p in pages]
    assert max(heads_of_pages) == 1 + 3  # running head, and the head of the table again


def test_quotes_say_their_own_language(opened):
    assert {str(e.Lang) for e in elements(opened["en"], "P") if "/Lang" in e} == {"ar"}
    assert {str(e.Lang) for e in elements(opened["ar"], "P") if "/Lang" in e} == {"en"}
    assert str(opened["ar"].Root.Lang) == "ar"


def test_pictures_are_told_in_words_and_say_where_they_stand(opened):
    figures = [e for e in elements(opened["en"], "Figure") if "/A" in e and "/BBox" in e.A]
    said = [str(e.Alt) for e in figures]
    assert said.count(all_blocks.ENGLISH["picture"]) == 1
    assert any(text.startswith(all_blocks.ENGLISH["picture"]) and "no effect is 0" in text for text in said)
    for figure in figures:
        left, foot, right, top = map(float, figure.A.BBox)
        assert 0 < left < right < 595.28
        assert 0 < foot < top < 841.89


def test_verdict_signs_before_sentences_are_told_in_words(opened):
    alts = [str(e.Alt) for e in elements(opened["en"], "Figure")]
    assert "evidence" in alts
    assert "not interpretable" in alts


def test_what_did_not_fit_on_a_sheet_is_not_read_either(opened):
    marks, loose = tagging._painted(opened["en"].pages[-1])
    assert loose == 0
    assert len(marks) == 4  # heading, sentence, the spare that fits, the line on what does not


def test_the_manifest_is_attached_and_said_to_be_the_documents_data(opened):
    attached = opened["en"].attachments[tagging.MANIFEST]
    assert json.loads(attached.get_file().read_bytes()) == all_blocks.MANIFEST
    assert attached.obj.AFRelationship == Name.Data
    assert attached.get_file().mime_type == "application/json"
    assert [str(one.F) for one in opened["en"].Root.AF] == [tagging.MANIFEST]


def test_no_manifest_attaches_nothing():
    opened = pikepdf.open(io.BytesIO(pdf.render(all_blocks.document(manifest=None, blocks=()))))
    assert len(opened.attachments) == 0
    assert "/AF" not in opened.Root


def test_outlines_have_sections_and_what_is_in_them(opened):
    with opened["en"].open_outline() as outline:
        (section,) = outline.root
        assert section.title == all_blocks.ENGLISH["section"]
        assert [child.title for child in section.children] == [
            all_blocks.ENGLISH["second"],
            all_blocks.ENGLISH["section"],  # on the sheet
        ]


def test_title_author_and_subject_are_said_in_both_places_even_with_markup_in_them():
    made = pdf.render(all_blocks.document(title="A <b>&amp; </rdf:li> B", subtitle='"s" & t', blocks=()))
    with pikepdf.open(io.BytesIO(made)) as opened, opened.open_metadata() as told:
        assert told["dc:title"] == "A <b>&amp; </rdf:li> B" == str(opened.docinfo["/Title"])
        assert told["dc:description"] == '"s" & t' == str(opened.docinfo["/Subject"])
        assert told["dc:creator"] == ["plural-audit"]
        assert (told["pdfuaid:part"], told["pdfaid:part"], told["pdfaid:conformance"]) == ("1", "3", "A")


def test_no_text_uses_a_glyph_that_is_missing_and_glyphs_are_as_wide_as_the_file_says(opened):
    """Archival PDFs forbid .notdef, and widths that differ by more than a thousandth of the size."""
    from fontTools.ttLib import TTFont

    fonts = {str(f.BaseFont): f for page in opened["ar"].pages for f in page.Resources.Font.values()}
    assert any("Arabic" in name for name in fonts)
    for font in fonts.values():
        inner = font.DescendantFonts[0]
        face = TTFont(io.BytesIO(inner.FontDescriptor.FontFile2.read_bytes()))
        glyphs, upem = inner.CIDToGIDMap.read_bytes(), face["head"].unitsPerEm
        widths = list(inner.W[1])
        assert len(widths) > 1
        for code in range(1, len(widths)):
            glyph = int.from_bytes(glyphs[2 * code : 2 * code + 2], "big")
            assert glyph != 0
            wide = face["hmtx"][face.getGlyphName(glyph)][0] * 1000 / upem
            assert wide == pytest.approx(float(widths[code]), abs=1)


def test_every_code_of_a_font_says_something(opened):
    for font in {str(f.BaseFont): f for page in opened["ar"].pages for f in page.Resources.Font.values()}.values():
        told = {int(code, 16) for code in re.findall(rb"<([0-9A-F]{4})> <[0-9A-F]+>", font.ToUnicode.read_bytes())}
        assert told - {0} == set(range(1, len(font.DescendantFonts[0].W[1])))


# --- that a lack is found -------------------------------------------------------------------------


def first(opened: pikepdf.Pdf, tag: str) -> pikepdf.Object:
    return next(e for e in tagging._elements(opened.Root.StructTreeRoot.K) if str(e.S) == f"/{tag}")


def unmarked(opened: pikepdf.Pdf) -> None:
    page = opened.pages[1]
    page.Contents = opened.make_stream(page.Contents.read_bytes() + b"\n0 0 10 10 re f")


def unknown_mark(opened: pikepdf.Pdf) -> None:
    page = opened.pages[1]
    page.Contents = opened.make_stream(page.Contents.read_bytes() + b"\n/P <</MCID 999>> BDC 0 0 9 9 re f EMC")


def strange_font(opened: pikepdf.Pdf) -> None:
    page = opened.pages[1]
    page.Contents = opened.make_stream(b"/F9 12 Tf\n" + page.Contents.read_bytes())


def link(opened: pikepdf.Pdf) -> pikepdf.Object:
    return opened.pages[0].Annots[0]


def other_metadata(opened: pikepdf.Pdf) -> None:
    packet = opened.Root.Metadata.read_bytes().replace(b"<pdfaid:part>3", b"<pdfaid:part>2")
    opened.Root.Metadata = opened.make_stream(packet)


def other_title(opened: pikepdf.Pdf) -> None:
    packet = re.sub(rb"<dc:title>.*</dc:title>", b"", opened.Root.Metadata.read_bytes())
    opened.Root.Metadata = opened.make_stream(packet)


def font(opened: pikepdf.Pdf) -> pikepdf.Object:
    return next(iter(opened.pages[1].Resources.Font.values()))


BREAKS: dict[str, tuple[Callable[[pikepdf.Pdf], object], str]] = {
    "something painted outside all marks": (unmarked, "page 2: 1 things painted that are neither"),
    "a mark that no element holds": (unknown_mark, "page 2: mark 999 leads to no element"),
    "an element that does not hold its mark": (
        lambda p: first(p, "H1").__setitem__("/K", pikepdf.Array([])),
        "leads to no element",
    ),
    "no way from marks to elements": (
        lambda p: p.Root.StructTreeRoot.__delitem__("/ParentTree"),
        "leads to no element",
    ),
    "a picture without words": (lambda p: first(p, "Figure").__delitem__("/Alt"), "Figure without a text"),
    "a heading cell without what it heads": (lambda p: first(p, "TH").__delitem__("/A"), "says not what it heads"),
    "a cell outside a row": (lambda p: first(p, "TR").__setitem__("/S", Name.Div), "TH within Div"),
    "a heading that skips a level": (lambda p: first(p, "H2").__setitem__("/S", Name.H4), "H4 after H1"),
    "no language": (lambda p: p.Root.__delitem__("/Lang"), "no language"),
    "not said to be tagged": (lambda p: p.Root.__delitem__("/MarkInfo"), "not said to be tagged"),
    "no structure": (lambda p: p.Root.__delitem__("/StructTreeRoot"), "no structure"),
    "the file's name for its title": (lambda p: p.Root.__delitem__("/ViewerPreferences"), "file name would be shown"),
    "no colour profile": (lambda p: p.Root.__delitem__("/OutputIntents"), "no colour profile"),
    "links out of order": (lambda p: p.pages[2].obj.__delitem__("/Tabs"), "page 3: links are not reached"),
    "an attachment of no relation": (
        lambda p: p.attachments[tagging.MANIFEST].obj.__delitem__("/AFRelationship"),
        "nothing says what it is",
    ),
    "no metadata": (lambda p: p.Root.__delitem__("/Metadata"), "no metadata"),
    "another part of the standard": (other_metadata, "pdfaid:part is not 3"),
    "no title": (other_title, "metadata: no title"),
    "a font that is not embedded": (
        lambda p: font(p).DescendantFonts[0].FontDescriptor.__delitem__("/FontFile2"),
        "not embedded",
    ),
    "a font that says nothing": (lambda p: font(p).__delitem__("/ToUnicode"), "say nothing when copied"),
    "a font that is not there": (strange_font, "page 2: font /F9 is used and not there"),
    "a link without words": (lambda p: link(p).__delitem__("/Contents"), "says not where it leads"),
    "a link outside the structure": (lambda p: link(p).__delitem__("/StructParent"), "a link outside the structure"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_lack_is_found(files, what):
    change, told = BREAKS[what]
    found = tagging.problems(changed(files["en"], change))
    assert any(told in one for one in found), found


def test_damaged_syntax_is_found(files):
    def cut(opened: pikepdf.Pdf) -> None:
        opened.pages[1].Contents = opened.make_stream(b"not flate", Filter=Name.FlateDecode)

    with pytest.raises(pikepdf.PdfError):
        tagging.problems(b"no PDF at all")
    assert tagging.problems(changed(files["en"], cut)) != ()


# --- the tree -------------------------------------------------------------------------------------


def test_what_was_never_drawn_is_pruned_but_not_the_empty_cell_of_a_drawn_row():
    root = Node(tag="Document")
    row = root.add("Table").add("TR")
    row.add("TD").kids.append(Piece(0, 0))
    row.add("TD")
    root.add("P")
    root.add("Table").add("TR").add("TD")
    kept = root.pruned()
    assert [kid.tag for kid in kept.kids] == ["Table"]
    assert [cell.tag for cell in kept.kids[0].kids[0].kids] == ["TD", "TD"]


def test_an_alternative_text_with_brackets_and_accents_is_kept():
    node = Node(tag="Document", kids=[Node(tag="Figure", alt="(é) \\ ع")])
    opened = pikepdf.new()
    opened.add_blank_page()
    tagging._write_structure(opened, node)
    assert str(first(opened, "Figure").Alt) == "(é) \\ ع"
