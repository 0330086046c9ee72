"""The HTML report says what its document says, and nothing in it is more than words."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import get_args

import circuit_sample
import feature_sample
import html_sample
import judgement_sample
import pytest
import report_sample as sample

from audit.records import Verdict
from reports import blocks, build_html, circuits, content, html, judgement_charts, svg
from reports.blocks import Block, Columns, Document, Group, Heading, Picture, Sheet, Table, Text
from reports.charts import COLOURS
from reports.styles import GROUNDS
from reports.typesetting.bidi import CONTROLS

COMMAND = "plural-audit run --model imaginary-270m --languages en,sw"
EMPTY = {"meta", "col", "br", "hr"}
LOADING = {"script", "link", "img", "image", "iframe", "object", "embed", "audio", "video", "source", "base", "form"}


@dataclasses.dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = dataclasses.field(default_factory=list)

    def all(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.all()

    def of(self, *tags: str) -> list[Element]:
        return [one for one in self.all() if one.tag in tags]

    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)


class Reader(HTMLParser):
    """The tree of a page; ends in an error where tags do not close what they open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag, attrs):
        made = Element(tag, dict(attrs))
        self.open[-1].children.append(made)
        if tag not in EMPTY:
            self.open.append(made)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


def read(page: bytes) -> Element:
    reader = Reader()
    reader.feed(page.decode("utf-8"))
    reader.close()
    assert len(reader.open) == 1
    return reader.open[0]


def flat(found: tuple[Block, ...]) -> Iterator[Block]:
    """Blocks, and those within them."""
    for block in found:
        yield block
        if isinstance(block, Group):
            yield from flat(block.blocks)
        if isinstance(block, Sheet):
            yield from flat((*block.blocks, *block.spare))
        if isinstance(block, Columns):
            yield from flat(tuple(one for column in block.columns for one in column))


def of_words(*texts: str) -> Document:
    return dataclasses.replace(
        html_sample.document(), front=(), blocks=tuple(b for text in texts for b in html_sample.with_words(text))
    )


@pytest.fixture(scope="module", params=["en", "ar"])
def page(request: pytest.FixtureRequest) -> Element:
    return read(html.render(html_sample.document(request.param)))


@pytest.fixture(scope="module")
def document() -> Document:
    return content.report(
        sample.evidence(),
        sample.findings(),
        command=COMMAND,
        can_draw=html.can_show,
        spelled_out=html.shown,
        judgements=judgement_sample.judgements(),
    )


# --- every kind of block ---------------------------------------------------------------------


def test_each_kind_of_block_is_in_the_sample_and_can_be_shown():
    document = html_sample.document(hostile=())
    kinds = {type(block) for block in flat((*document.front, *document.blocks))}
    assert kinds == set(get_args(Block))
    assert html.render(document)


def test_a_kind_of_block_that_is_not_known_stops_the_page():
    unknown = dataclasses.make_dataclass("Unknown", ["text"])(text="x")
    with pytest.raises(KeyError, match="Unknown"):
        html.render(dataclasses.replace(html_sample.document(), blocks=(unknown,)))


def test_the_page_says_what_the_document_says(document):
    shown = read(html.render(document)).text()
    for block in flat((*document.front, *document.blocks)):
        if isinstance(block, Heading | Text):
            assert html.shown(block.text) in shown
        if isinstance(block, Table):
            assert all(cell in shown for row in block.rows for cell in row if isinstance(cell, str))
        if isinstance(block, blocks.Quote):
            assert all(words in shown for _, words in block.lines)


# --- words stay words ------------------------------------------------------------------------


@pytest.mark.parametrize("text", html_sample.HOSTILE)
def test_words_are_never_more_than_words(text):
    """Shown exactly, wherever a block takes words; and the page has no element but those of harmless words."""
    page, harmless = (read(html.render(of_words(words))) for words in (text, "harmless"))
    assert Counter(one.tag for one in page.of()) == Counter(one.tag for one in harmless.of())
    kinds = [{one.tag for one in tree.all()} for tree in (page, harmless)]
    assert kinds[0] == kinds[1]
    bodies = [one.text() for tag in ("h2", "p", "code", "li", "dt", "dd", "th", "td", "span") for one in page.of(tag)]
    assert sum(text in one for one in bodies) >= 15
    assert not {name for one in page.all() for name in one.attributes if name.startswith("on")}


def test_what_no_html_may_hold_is_spelled_out():
    assert html.shown("a\x00b\x1b\ud800c") == "a[U+0000]b[U+001B][U+D800]c"
    assert html.shown("one\r\ntwo\u2028three\n") == "one\ntwo\nthree\n"
    assert html.can_show("ក\U0001f600\tx\n")
    assert not html.can_show("\x07")


def test_controls_of_direction_stay_within_the_block_that_somebody_wrote():
    """Words that may hold them never share a paragraph with ours: a verdict stands in a block of its own."""
    page = read(html.render(of_words("\u202ex\u2069")))
    for item in page.of("li"):
        own = [child for child in item.children if isinstance(child, str) and set(child) & CONTROLS]
        assert not own or len(item.children) == 1
    title = page.of("title")[0].text()
    assert not set(title) & CONTROLS


# --- alone -----------------------------------------------------------------------------------


def test_the_page_asks_nobody_for_anything(page):
    assert not page.of(*LOADING)
    policy = next(one for one in page.of("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy")
    assert str(policy.attributes["content"]).startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    for one in page.all():
        for name, value in one.attributes.items():
            assert name not in ("src", "srcset", "action", "ping", "background", "xlink:href", "xmlns")
            assert name != "href" or str(value).startswith("#")
            assert not re.search(r"url\((?!#)", value or "")
    assert not re.search(r"url\(|@import|@font-face", page.of("style")[0].text())


def test_ids_are_unique_and_every_reference_finds_its_own(page):
    ids = Counter(one.attributes["id"] for one in page.all() if "id" in one.attributes)
    assert max(ids.values()) == 1
    wanted = {str(one.attributes["href"]).removeprefix("#") for one in page.all() if "href" in one.attributes}
    wanted |= {str(one.attributes["aria-labelledby"]) for one in page.all() if "aria-labelledby" in one.attributes}
    inner = {m for one in page.all() for v in one.attributes.values() for m in re.findall(r"url\(#([^)]*)\)", v or "")}
    assert wanted | inner <= set(ids)


def test_the_same_document_gives_the_same_bytes_in_every_process():
    code = (
        "import sys, html_sample; from reports import html; "
        "sys.stdout.buffer.write(html.render(html_sample.document()))"
    )
    here = Path(__file__)
    path = os.pathsep.join((str(here.parent), str(here.parents[2])))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "12345"}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert told.stdout == html.render(html_sample.document())


# --- for every reader ------------------------------------------------------------------------


def test_there_is_one_title_and_no_heading_skips_a_step(page):
    levels = [int(one.tag[1]) for one in page.of("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_contents_lead_to_each_section(page):
    nav = page.of("nav")[0]
    links = [(one.attributes["href"], one.text()) for item in nav.of("li") for one in item.of("a")[:1]]
    headings = {f"#{one.attributes['id']}": one.text() for one in page.of("main")[0].of("h2", "h3", "h4")}
    assert [text for _, text in links if text == headings[_]] == [text for _, text in links]
    assert {one.text() for one in page.of("main")[0].of("h2")} <= {text for _, text in links}


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_the_page_and_words_in_other_languages_say_which_and_run_their_way(language, direction):
    page = read(html.render(html_sample.document(language, hostile=())))
    root = page.of("html")[0].attributes
    assert (root["lang"], root["dir"]) == (language, direction)
    quoted = [one.attributes for one in page.of("dd") if one.attributes.get("class") == "words"][:5]
    told = [(one.get("lang", language), one.get("dir", direction)) for one in quoted]
    assert told == [("en", "ltr"), ("ar", "rtl"), ("ur", "rtl"), ("hi", "ltr"), ("", "auto")]


def test_tables_have_a_caption_and_scoped_headings(page):
    tables = page.of("table")
    assert len(tables) >= 4
    for table in tables:
        assert len(table.of("caption")) == 1
        assert all(one.attributes["scope"] == "col" for one in table.of("thead")[0].of("th"))
        assert [one.attributes["scope"] for one in table.of("tbody")[0].of("th")] == ["row"] * len(
            table.of("tbody")[0].of("tr")
        )


def test_what_may_be_wider_than_a_screen_scrolls_by_itself_and_by_keys(page):
    within = {id(one) for region in page.all() if region.attributes.get("class") == "scroll" for one in region.all()}
    for region in page.all():
        if region.attributes.get("class") == "scroll":
            assert region.attributes["tabindex"] == "0"
            assert region.attributes["aria-labelledby"]
    wide = [table for table in page.of("table") if len(table.of("thead")[0].of("th")) > html.MOST_STILL]
    assert len(wide) >= 2
    assert all(id(table) in within for table in wide)


def test_a_verdict_is_never_a_sign_alone(page):
    verdicts = [one for one in page.of("span") if "verdict" in (one.attributes.get("class") or "").split()]
    assert len(verdicts) >= 3 * len(Verdict)
    for one in verdicts:
        assert one.of("svg")[0].attributes["aria-hidden"] == "true"
        assert one.text().strip()


def test_signs_and_grounds_of_a_light_page_have_the_colours_of_charts_and_paper():
    style = resources.files("reports").joinpath("html_style.css").read_text(encoding="utf-8")
    for verdict, colour in COLOURS.items():
        assert f"--{verdict.name.lower().replace('_', '-')}: {colour.lower()};" in style
    for strength, ground in enumerate(GROUNDS[1:], start=1):
        assert f"--strength-{strength}: {ground.lower()};" in style


def test_a_number_keeps_its_sign_before_it_on_a_page_from_right_to_left():
    page = read(html.render(html_sample.document("ar", hostile=())))
    cell = next(one for one in page.of("td") if one.text() == "−0.12")
    assert cell.of("span")[0].attributes["dir"] == "auto"  # without a letter: from left to right


def test_words_in_a_script_that_no_face_of_the_paper_draws_are_shown_as_they_were_written():
    khmer = "នេះមិនពិតទេ"
    given = judgement_sample.judgements()
    voices = tuple(
        dataclasses.replace(one, comment=khmer, comment_language="km")
        if one.comment == judgement_sample.ARABIC
        else one
        for one in given.voices
    )
    document = content.report(
        sample.evidence(),
        sample.findings(),
        command=COMMAND,
        can_draw=html.can_show,
        spelled_out=html.shown,
        judgements=dataclasses.replace(given, voices=voices),
    )
    told = [line for block in flat(document.blocks) if isinstance(block, blocks.Quote) for line in block.lines]
    assert khmer in [words for _, words in told]
    assert "do not draw the script" not in str(told)


# --- figures ---------------------------------------------------------------------------------


def test_a_figure_has_a_name_a_caption_and_its_numbers(page):
    figures = page.of("figure")
    assert len(figures) >= 2
    for figure in figures:
        chart = next(one for one in figure.all() if one.attributes.get("role") == "img")
        caption = figure.of("figcaption")[0]
        assert chart.attributes["aria-labelledby"] == caption.attributes["id"]
        assert caption.text().strip()
        assert figure.of("details")[0].of("table")


def test_a_caption_runs_as_its_page_does_whatever_it_begins_with():
    plot = dataclasses.replace(html_sample.plot(html_sample.WORDS["ar"]), alt="AUROC: أعلى قيمة في اليابان.")
    arabic = dataclasses.replace(html_sample.document("ar", hostile=()), blocks=(plot,))
    told = read(html.render(arabic)).of("figcaption")[0].of("span")[-1]
    assert told.attributes["dir"] == "rtl"
    assert told.text().startswith("AUROC: ")


def test_numbers_of_a_plot_are_those_of_its_dots():
    """0.1 n with 0.2 to either side; three decimals would say no more."""
    page = read(html.render(html_sample.document("en", hostile=())))
    rows = page.of("figure")[0].of("tbody")[0].of("tr")
    assert [[cell.text() for cell in row.of("th", "td")] for row in rows] == [
        ["Gender 0", "0.00", "−0.20 to 0.20", "evidence"],
        ["Gender 1", "0.10", "−0.10 to 0.30", "no evidence, and we would have seen it"],
        ["Gender 2", "0.20", "0.00 to 0.40", "insufficient evidence"],
        ["Gender 3", "0.30", "0.10 to 0.50", "not interpretable"],
    ]


def test_texts_of_charts_stay_texts_in_their_script():
    page = read(html.render(html_sample.document("ar", hostile=())))
    assert "الجنس 1" in [one.text() for one in page.of("figure")[0].of("text")]


def test_a_chart_loses_what_nobody_sees_and_keeps_what_is_painted():
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" class="marks" width="40" height="20" viewBox="0 0 40 20"><g>'
        '<g role="graphics-object" aria-label="x"><path class="background" d="M0,0h0v0h0Z"/>'
        '<text opacity="0">hidden</text><text opacity="1" font-family="Noto Sans">a &lt; b</text></g>'
        '<path fill="#fff" d="M0.123456,1h2" clip-path="url(#clip17)"/><path fill="#000" display="none" d=""/></g>'
        '<defs><clipPath id="clip17"><rect x="0" y="0" width="9.876" height="5"/></clipPath></defs></svg>'
    )
    assert str(svg.inline(drawn, name="f1", magnified=1.5)) == (
        '<svg viewBox="0 0 40 20" width="60" height="30" aria-hidden="true"><text>a &lt; b</text>'
        '<path fill="#fff" d="M0.12,1h2" clip-path="url(#f1-part-1)"></path>'
        '<defs><clipPath id="f1-part-1"><rect x="0" y="0" width="9.876" height="5"></rect></clipPath></defs></svg>'
    )


def pictures_with_what_follows(found: tuple[Block, ...]) -> Iterator[tuple[Picture, list[Block]]]:
    every = list(flat(found))
    for i, block in enumerate(every):
        if isinstance(block, Picture):
            yield block, every[i + 1 :]


def test_every_picture_brings_its_numbers_or_a_table_follows_it(document):
    """But the key of colours, which has none."""
    features = content.report(
        feature_sample.evidence(),
        feature_sample.findings(),
        command=COMMAND,
        can_draw=html.can_show,
        spelled_out=html.shown,
    )
    inside = circuits.pages_of(circuit_sample.seen())
    checked = 0
    for some in (document.blocks, features.blocks, inside):
        for picture, after in pictures_with_what_follows(some):
            if picture.draw is judgement_charts.key:
                continue
            assert picture.data is not None or any(isinstance(one, Table) for one in after[:3]), picture.alt
            assert picture.data is None or picture.data.rows
            checked += 1
    assert checked >= 8


# --- the file --------------------------------------------------------------------------------


def test_the_file_is_written_whole_and_names_the_run(tmp_path):
    path = tmp_path / "report.html"
    build_html(path, evidence=sample.evidence(), findings=sample.findings(), command=COMMAND)
    page = read(path.read_bytes())
    assert "7f3a9c1e5b2d" in page.of("footer")[0].text()
    assert COMMAND in page.text()
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_texts_of_a_suite_that_forbids_copies_are_not_in_the_file(tmp_path):
    path = tmp_path / "report.html"
    build_html(path, evidence=sample.evidence(), findings=sample.findings(), command=COMMAND)
    assert "SECRET" not in path.read_text(encoding="utf-8")
