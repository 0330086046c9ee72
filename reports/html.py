"""The report as one HTML file that asks nobody for anything: no script, no font, no picture from elsewhere.

The same document as the PDF's, and the same charts, as SVG whose texts stay texts: any script is the browser's own.
Everything that is not made here is escaped, and stands in a block of its own, so that no control of direction reaches
what is beside it.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any

from babel import UnknownLocaleError
from markupsafe import Markup, escape

from audit.records import Verdict
from audit.wording import _, direction, speaking
from reports.blocks import (
    Block,
    Bullets,
    Column,
    Columns,
    Counts,
    Document,
    Facts,
    Group,
    Heading,
    Marked,
    Picture,
    Plot,
    Quote,
    Sheet,
    Table,
    Text,
)
from reports.charts import charts_of, null_text, svg
from reports.svg import inline
from reports.typesetting.bidi import CONTROLS
from reports.words import number, verdict_name

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)
WIDTH = 481.0  # points, that charts are drawn for
MAGNIFIED = 1.5  # pixels of a screen for a point: letters of 8 points have 12
NARROW = 190.0  # points; a picture no wider fits on any screen
MOST_STILL = 2  # columns; a table of more may be wider than a small screen, and scrolls by itself
COLUMN = 5.5  # em, least width of a column of such a table
SIGNS = {
    Verdict.EVIDENCE: '<circle cx="6" cy="6" r="5"/>',
    Verdict.NO_EVIDENCE: '<path d="M1.5 1.5h9v9h-9z"/>',
    Verdict.INSUFFICIENT: '<path d="M6 1l5.5 10h-11z"/>',
    Verdict.NOT_INTERPRETABLE: '<path d="M4.3 .8h3.4v3.5h3.5v3.4H7.7v3.5H4.3V7.7H.8V4.3h3.5z"/>',
}


def render(document: Document) -> bytes:
    """The file of `document`: UTF-8, the same bytes for the same document."""
    with speaking(document.language):
        return str(_Page(document).whole()).encode()


# --- elements --------------------------------------------------------------------------------


def can_show(text: str) -> bool:
    """Whether a browser shows all of `text`: what no HTML may hold aside, it finds a face or says that it has none."""
    return not any(map(_is_barred, text))


def shown(text: str) -> str:
    """`text` with one kind of line end, and with the characters that no HTML may hold spelled out."""
    lines = "\n".join(text.splitlines()) + ("\n" if text.endswith("\n") else "")
    return "".join(f"[U+{ord(c):04X}]" if _is_barred(c) else c for c in lines)


def element(tag: str, *children: str | Markup, **attributes: str | int | None) -> Markup:
    """An element; texts among `children` are escaped.

    Attributes whose value is None are left out; an underscore in a name is a hyphen, one at its end nothing.
    """
    named = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    told = Markup("").join(Markup(' {}="{}"').format(name, shown(str(value))) for name, value in named)
    inner = Markup("").join(child if isinstance(child, Markup) else escape(shown(child)) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), told, inner)  # noqa: S704 - tags are ours


def _is_barred(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs")


def _language(code: str) -> dict[str, str]:
    """Attributes of words in a language; of an unknown one, their first letter gives the direction."""
    try:
        return {"lang": code, "dir": direction(code)}
    except (UnknownLocaleError, ValueError, TypeError):
        return {"lang": "", "dir": "auto"}


# --- the page --------------------------------------------------------------------------------


class _Page:
    """One file; counts its headings, tables and figures as it goes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.direction = direction(document.language)
        self.n_headings = self.n_tables = self.n_figures = 0
        self.place = ""  # text of the nearest heading above
        self.levels: list[int] = []  # of the headings that are open, as the document has them
        self.headings: list[tuple[int, str, str]] = []  # level, id and text of each heading

    def whole(self) -> Markup:
        """All of it."""
        document = self.document
        front = self._flow(document.front)
        self.headings.clear()  # the title page is no part of the contents
        body = self._sections(document.blocks)
        return Markup("<!DOCTYPE html>\n{}\n").format(
            element("html", self._head(), "\n", self._body(front, body), **_language(document.language))
        )

    def _head(self) -> Markup:
        title = "".join(c for c in self.document.title if c not in CONTROLS)
        style = resources.files("reports").joinpath("html_style.css").read_text(encoding="utf-8")
        return element(
            "head",
            Markup('<meta charset="utf-8">'),
            Markup('<meta http-equiv="Content-Security-Policy" content="{}">').format(POLICY),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'),
            Markup('<meta name="generator" content="plural-audit">'),
            element("title", title),
            element("style", Markup(style)),  # noqa: S704 - a file of ours
        )

    def _body(self, front: Markup, body: Markup) -> Markup:
        document = self.document
        # i18n: small line above the report's title
        kicker = _("PLURAL-AUDIT · MODEL AUDIT REPORT")
        return element(
            "body",
            element("a", _("Skip to the report"), class_="skip", href="#report"),
            _signs(),
            "\n",
            element(
                "header",
                element("p", kicker, class_="kicker"),
                element("h1", document.title),
                element("p", document.subtitle, class_="subtitle"),
            ),
            "\n",
            self._contents(),
            "\n",
            element("main", element("div", front, class_="front"), body, id="report", tabindex="-1"),
            "\n",
            element("footer", element("p", document.running)),
        )

    def _contents(self) -> Markup:
        chapters: list[tuple[str, str, list[Markup]]] = []
        for level, id_, text in self.headings:
            if level == 1:
                chapters.append((id_, text, []))
            elif level == 2 and chapters:
                chapters[-1][2].append(element("li", element("a", text, href=f"#{id_}")))
        items = [
            element("li", element("a", text, href=f"#{id_}"), *([element("ol", *within)] if within else []))
            for id_, text, within in chapters
        ]
        return element(
            "nav", element("h2", _("Contents"), id="contents"), element("ol", *items), aria_labelledby="contents"
        )

    def _sections(self, blocks: Sequence[Block]) -> Markup:
        """Blocks in sections, each from a heading of level 1 to the next."""
        starts = [i for i, block in enumerate(blocks) if isinstance(block, Heading) and block.level == 1]
        bounds = [*starts, len(blocks)]
        first = self._flow(blocks[: bounds[0]])
        sections = [element("section", self._flow(blocks[i:j])) for i, j in itertools.pairwise(bounds)]
        return Markup("\n").join([first, *sections])

    def _flow(self, blocks: Sequence[Block]) -> Markup:
        return Markup("\n").join(self._set(block) for block in blocks)

    def _set(self, block: Block) -> Markup:
        """A block; each kind has its method, `test_html` looks whether all have."""
        setters: dict[type, Callable[[Any], Markup]] = {
            Heading: self._heading,
            Text: self._text,
            Bullets: self._bullets,
            Facts: self._facts,
            Counts: self._counts,
            Table: self._table,
            Plot: self._plot,
            Picture: self._picture,
            Quote: self._quote,
            Marked: self._marked,
            Group: self._group,
            Sheet: self._sheet,
            Columns: self._columns,
        }
        return setters[type(block)](block)

    # --- texts -------------------------------------------------------------------------------

    def _heading(self, block: Heading) -> Markup:
        """One level below the heading above it at most: nobody is led over a step that is not there."""
        while self.levels and self.levels[-1] >= block.level:
            self.levels.pop()
        self.levels.append(block.level)
        self.place = block.text
        self.n_headings += 1
        id_ = f"section-{self.n_headings}"
        self.headings.append((block.level, id_, block.text))
        return element(f"h{len(self.levels) + 1}", block.text, id=id_)

    def _text(self, block: Text) -> Markup:
        if block.style == "code":
            return element("pre", element("code", block.text), dir="ltr")
        return element("p", block.text, class_=None if block.style == "body" else block.style)

    def _bullets(self, block: Bullets) -> Markup:
        if not block.marks:
            return element("ul", *(element("li", text) for text in block.items))
        items = (
            element("li", _verdict(mark), element("p", text))
            for text, mark in zip(block.items, block.marks, strict=True)
        )
        return element("ul", *items, class_="judged", role="list")

    def _facts(self, block: Facts) -> Markup:
        rows = (element("div", element("dt", name), element("dd", value)) for name, value in block.rows)
        return element("dl", *rows, class_="facts")

    def _counts(self, block: Counts) -> Markup:
        tiles = (
            element("li", element("strong", str(n)), Markup(" "), _verdict(verdict)) for verdict, n in block.counts
        )
        return element("ul", *tiles, class_="counts", role="list")

    def _quote(self, block: Quote) -> Markup:
        lines = (
            (name, element("dd", words, class_="words", **attributes))
            for (name, words), attributes in zip(block.lines, self._languages(block), strict=True)
        )
        return self._words(block.title, lines)

    def _marked(self, block: Marked) -> Markup:
        lines = (
            (name, element("dd", *_grounds(runs), class_="words", **attributes))
            for (name, runs), attributes in zip(block.lines, self._languages(block), strict=True)
        )
        return self._words(block.title, lines)

    def _languages(self, block: Quote | Marked) -> list[dict[str, str]]:
        """Attributes of each line; none where it is in the report's own language."""
        own = self.document.language
        codes = block.languages or (own,) * len(block.lines)
        return [{} if code == own else _language(code) for code in codes]

    def _words(self, title: str, lines: Iterator[tuple[str, Markup]]) -> Markup:
        rows = (element("div", element("dt", name), words) for name, words in lines)
        return element("div", element("p", title, class_="quoted"), element("dl", *rows), class_="quote")

    # --- blocks of blocks --------------------------------------------------------------------

    def _group(self, block: Group) -> Markup:
        return element("div", self._flow(block.blocks), class_="group")

    def _sheet(self, block: Sheet) -> Markup:
        return element("div", self._flow((*block.blocks, *block.spare)), class_="sheet")

    def _columns(self, block: Columns) -> Markup:
        shares = block.shares or (1.0,) * len(block.columns)
        tracks = " ".join(f"minmax(0, {share:g}fr)" for share in shares)
        columns = (element("div", self._flow(blocks)) for blocks in block.columns)
        return element("div", *columns, class_="columns", style=f"--columns: {tracks}")

    # --- tables and figures ------------------------------------------------------------------

    def _table(self, block: Table) -> Markup:
        self.n_tables += 1
        if not self.place:
            return self._rows(block, _("Table {n}", n=self.n_tables), id_=f"table-{self.n_tables}")
        title = _("Table {n}: {section}", n=self.n_tables, section=self.place)
        return self._rows(block, title, id_=f"table-{self.n_tables}")

    def _rows(self, block: Table, title: str, *, id_: str) -> Markup:
        """The table, in a region of its own that scrolls where the screen is too narrow."""
        total = sum(column.width for column in block.columns)
        tracks = (Markup('<col style="inline-size:{}%">').format(f"{100 * c.width / total:.1f}") for c in block.columns)
        heads = (element("th", c.title, scope="col", class_=_aligned(c.align)) for c in block.columns)
        rows = [
            element(
                "tr",
                *(
                    self._cell(value, align=column.align, first=not i)
                    for i, (value, column) in enumerate(zip(row, block.columns, strict=True))
                ),
            )
            for row in block.rows
        ]
        scrolls = len(block.columns) > MOST_STILL
        whole = element(
            "table",
            element("caption", title, id=id_),
            element("colgroup", *tracks),
            element("thead", element("tr", *heads)),
            element("tbody", Markup("\n").join(rows)),
            style=f"min-inline-size:{COLUMN * len(block.columns):g}em" if scrolls else None,
        )
        return _scrolling(whole, named_by=id_) if scrolls else whole

    def _cell(self, value: str | Verdict, *, align: str, first: bool) -> Markup:
        tag, scope = ("th", "row") if first else ("td", None)
        if isinstance(value, Verdict):
            return element(tag, _verdict(value), scope=scope)
        # A number keeps its sign before it also where the page runs from right to left.
        text = element("span", value, dir="auto") if align == "right" and self.direction == "rtl" else value
        return element(tag, text, scope=scope, class_=_aligned(align))

    def _plot(self, block: Plot) -> Markup:
        caption = f"{block.alt} {null_text(block)}"
        return self._figure(charts_of(block, width=WIDTH), caption, data=_dots(block))

    def _picture(self, block: Picture) -> Markup:
        return self._figure([block.draw(WIDTH)], block.alt, data=block.data)

    def _figure(self, charts: Sequence[Any], caption: str, *, data: Table | None) -> Markup:
        self.n_figures += 1
        name = f"figure-{self.n_figures}"
        drawn = [svg(chart) for chart in charts]
        pictures = [inline(one, name=f"{name}-{i}", magnified=MAGNIFIED) for i, one in enumerate(drawn, start=1)]
        caption_id = f"{name}-caption"
        picture = element("div", *pictures, class_="chart", role="img", aria_labelledby=caption_id)
        title = _("Figure {n}.", n=self.n_figures)
        numbers: tuple[Markup, ...] = ()
        if data is not None and data.rows:
            summary = _("Numbers of figure {n}", n=self.n_figures)
            rows = self._rows(data, summary, id_=f"{name}-numbers")
            numbers = (element("details", element("summary", summary), rows),)
        words = (
            element("span", title, class_="n"),
            Markup(" "),
            element("span", caption, dir=self.direction, class_="told"),
        )
        told = element("figcaption", *words, id=caption_id)
        wide = max(_width(one) for one in drawn) > NARROW
        shown_in = _scrolling(picture, named_by=caption_id) if wide else picture
        return element("figure", shown_in, told, *numbers, id=name)


def _width(drawn: str) -> float:
    """Width of an SVG, in its own unit."""
    return float(drawn.split(' width="', 1)[1].split('"', 1)[0])


def _scrolling(inner: Markup, *, named_by: str) -> Markup:
    """A region that can be scrolled by keys, for it can be focused."""
    return element("div", inner, class_="scroll", role="group", tabindex="0", aria_labelledby=named_by)


def _aligned(align: str) -> str | None:
    return "number" if align == "right" else None


def _dots(block: Plot) -> Table:
    """The numbers of a plot."""
    ends = sorted(abs(dot.high - dot.low) for dot in block.dots)
    decimals = 3 if ends and ends[len(ends) // 2] < 0.2 else 2
    panels = len({dot.panel for dot in block.dots}) > 1
    columns = (
        Column(title=_("Row"), width=2.5),
        *((Column(title=_("Panel"), width=2),) if panels else ()),
        Column(title=block.unit, width=1.5, align="right"),
        Column(title=_("Interval"), width=2, align="right"),
        Column(title=_("Verdict"), width=2.5),
    )
    rows = tuple(
        (
            dot.label,
            *((dot.panel,) if panels else ()),
            number(dot.value, decimals=decimals),
            _("{low} to {high}", low=number(dot.low, decimals=decimals), high=number(dot.high, decimals=decimals)),
            dot.verdict,
        )
        for dot in block.dots
    )
    return Table(columns=columns, rows=rows)


def _grounds(runs: Sequence[tuple[str, int]]) -> Iterator[str | Markup]:
    """Words on their grounds; spaces before and after a word have none."""
    for words, strength in runs:
        bare = words.strip()
        if not strength or not bare:
            yield words
            continue
        before, after = words.split(bare, 1)
        yield from (before, element("mark", bare, class_=f"strength-{strength}"), after)


def _signs() -> Markup:
    """The verdicts' shapes, to be used by name."""
    shapes = (
        Markup('<symbol id="{}" viewBox="0 0 12 12">{}</symbol>').format(_sign_id(v), Markup(shape))  # noqa: S704
        for v, shape in SIGNS.items()
    )
    return element("svg", *shapes, class_="signs", aria_hidden="true")


def _sign_id(verdict: Verdict) -> str:
    return f"sign-{verdict.name.lower().replace('_', '-')}"


def _verdict(verdict: Verdict) -> Markup:
    """Its sign and its words."""
    sign = Markup('<svg class="sign" aria-hidden="true"><use href="#{}"/></svg>').format(_sign_id(verdict))
    return element("span", sign, element("span", verdict_name(verdict)), class_=f"verdict {_sign_id(verdict)}")
