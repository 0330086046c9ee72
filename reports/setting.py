"""Blocks of a report as flowables of reportlab's platypus, with what each is in the structure of the document."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.graphics.shapes import Circle, Drawing, Polygon, Rect
from reportlab.lib.colors import HexColor
from reportlab.platypus import CondPageBreak, HRFlowable, KeepTogether, PageBreak, Spacer
from reportlab.platypus import Table as Rows

from audit.records import Verdict
from audit.wording import _, direction, spoken
from reports.blocks import (
    Block,
    Bullets,
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
from reports.charts import COLOURS, HAIR, charts_of, null_text, vector
from reports.styles import ACCENT, GROUNDS, TINT, Paper, mirrored, styles
from reports.text import checked
from reports.typesetting.boxes import SideBySide, Signed, loose, stacked
from reports.typesetting.drawing import Chart
from reports.typesetting.paragraph import Paragraph, Span, text_width, widest_word
from reports.typesetting.structure import Node
from reports.words import verdict_name

SHORT_TABLE = 14  # rows; a table no longer than this stays on one page
QUOTE_BEGINS = 60  # points that a title of words needs below it, not to stand alone at a page's foot
LABELS = 118.0  # points, of the column of names beside values
NARROW = 300.0  # points; on less, a name stands above its words and not beside them
BETWEEN = 22.0  # points between columns of blocks
CELL_PAD = 9.0  # points between columns of a table
MEASURED = 3  # cells of a column that are measured
SIGN_WIDE = 6  # spaces that are about as wide as a verdict's sign
RIGHT_TO_LEFT = ("R", "AL")


@dataclass(frozen=True)
class Section:
    """A heading that the outline leads to."""

    key: str
    title: str
    level: int  # 0 or 1


class Title(Paragraph):
    """A heading; where it is drawn, the document has a place to go to."""

    section: Section | None = None
    pages: dict[str, int] | None = None  # where the pages of sections are noted

    def draw(self) -> None:
        """Write it and note the place."""
        super().draw()
        if self.section is None or self.pages is None:
            return
        self.pages[self.section.key] = self.canv.getPageNumber()
        self.canv.bookmarkHorizontal(self.section.key, 0, self.height + 6)
        self.canv.addOutlineEntry(self.section.title, self.section.key, self.section.level, closed=True)


class Setter:
    """Blocks to flowables, for one document on one paper. Charts are drawn once and set in every pass."""

    def __init__(self, document: Document, paper: Paper) -> None:
        self.document, self.paper = document, paper
        self.turned = direction(document.language) == "rtl"
        self.own_styles = styles()  # of words in another language, which keep their direction
        self.styles = mirrored(self.own_styles) if self.turned else self.own_styles
        self.sections = _sections(document.blocks)
        self.pages: dict[str, int] = {}  # of sections, as the last story was drawn
        self.structure = Node(tag="Document")
        self._charts: dict[tuple[int, float], list[Chart]] = {}
        self._begin()

    def _begin(self) -> None:
        self.pages = {}
        self.structure = self._under = Node(tag="Document")
        self._width, self._place = self.paper.width, "title page"
        self._levels: list[int] = []  # of the headings that the next block is under

    def story(self, pages: dict[str, int]) -> list[Any]:
        """Fresh flowables of the whole report; `pages` gives each section's page for the table of contents."""
        self._begin()
        document = self.document
        front = [
            Spacer(1, 36),
            self._paragraph(_("PLURAL-AUDIT · MODEL AUDIT REPORT"), "kicker"),
            self._paragraph(document.title, "title", tag="Title"),
            self._paragraph(document.subtitle, "subtitle"),
            HRFlowable(width="100%", thickness=1.6, color=ACCENT, spaceBefore=4, spaceAfter=0),
            Spacer(1, 16),
            *self._flow(document.front),
            Spacer(1, 14),
            # On one page: its columns are read one after the other.
            KeepTogether([self._paragraph(_("Contents"), "h2", tag=self._heading_tag(1)), self._contents(pages)]),
        ]
        return front + self._flow(document.blocks)

    # --- where things stand --------------------------------------------------------------------

    @contextlib.contextmanager
    def _within(self, tag: str, **more: str) -> Iterator[Node]:
        """What is set within is part of a new element of the structure."""
        before = self._under
        self._under = made = before.add(tag, **more)
        yield made
        self._under = before

    @contextlib.contextmanager
    def _on(self, width: float) -> Iterator[None]:
        """What is set within is `width` points wide."""
        before, self._width = self._width, width
        yield
        self._width = before

    def _contents(self, pages: dict[str, int]) -> Any:
        entries = []
        with self._within("TOC"):
            for section in (s for s in self.sections.values() if s.level == 0):
                with self._within("TOCI"), self._within("Reference"), self._within("Link") as link:
                    title = self._paragraph(section.title, "contents", link=section.key, node=link)
                    number = str(pages.get(section.key, ""))
                    entries.append([title, self._paragraph(number, "page", link=section.key, node=link)])
        half = (len(entries) + 1) // 2
        right = entries[half:] + [["", ""]] * (2 * half - len(entries))
        rows = [[*left, "", *other] for left, other in zip(entries[:half], right, strict=True)]
        across = (self._width - 30) / 2
        pads = [("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]
        return self._grid(rows or [["", "", "", "", ""]], [across - 30, 30, 30, across - 30, 30], pads)

    def _flow(self, blocks: Sequence[Block]) -> list[Any]:
        flowables: list[Any] = []
        for i, block in enumerate(blocks):
            begins = isinstance(block, Heading) and block.new_page
            if i and isinstance(blocks[i - 1], Sheet) and not begins:
                flowables.append(CondPageBreak(self.paper.height - 1))
            if isinstance(block, Heading):
                self._place = f'section "{block.text}"' if block.level == 1 else self._place
                flowables.append(PageBreak() if block.new_page else CondPageBreak(self._room(blocks[i:])))
            if isinstance(block, Quote):
                flowables.append(CondPageBreak(QUOTE_BEGINS))
            flowables += self._set(block)
        return flowables

    def _room(self, blocks: Sequence[Block]) -> float:
        """Height that a heading and what belongs to its first lines need: no heading stands alone at a page's foot."""
        levels = self._levels.copy()
        with self._within("Div"):  # what is set to measure it is never drawn, so the structure will not have it
            found = min(self.paper.height - 10, self._needed(blocks))
        self._levels = levels
        return found

    def _needed(self, blocks: Sequence[Block]) -> float:
        need = 0.0
        for i, block in enumerate(blocks):
            if i and isinstance(block, Heading) and isinstance(blocks[0], Heading) and block.level <= blocks[0].level:
                break
            if isinstance(block, Picture):
                caption = stacked([self._paragraph(block.alt, "caption")], self._width)
                return need + self._drawn(block)[0].height + caption + 18
            if isinstance(block, Plot):
                return need + self._drawn(block)[0].height + 40
            if isinstance(block, Table):
                first = Table(columns=block.columns, rows=block.rows[: SHORT_TABLE + 1])  # 220 points hold no more
                return need + min(220.0, stacked([self._table(first)], self._width) + 14)
            if not isinstance(block, Heading | Text):
                return need + 60
            need += stacked(self._set(block), self._width) + 8
            if isinstance(block, Text) and need > 200:
                break
        return need

    # --- blocks --------------------------------------------------------------------------------

    def _set(self, block: Block) -> list[Any]:
        if isinstance(block, Heading):
            return [self._heading(block)]
        if isinstance(block, Text):
            return [self._paragraph(block.text, block.style)]
        if isinstance(block, Bullets):
            return [*self._bullets(block), Spacer(1, 4)]
        if isinstance(block, Facts):
            return [self._facts(block), Spacer(1, 6)]
        if isinstance(block, Counts):
            return [self._counts(block), Spacer(1, 6)]
        if isinstance(block, Table):
            whole = len(block.rows) <= SHORT_TABLE
            return [Spacer(1, 4), KeepTogether([self._table(block)]) if whole else self._table(block), Spacer(1, 8)]
        if isinstance(block, Plot):
            return self._plot(block)
        if isinstance(block, Picture):
            return self._picture(block)
        if isinstance(block, Quote):
            return [self._quote(block), Spacer(1, 6)]
        if isinstance(block, Marked):
            return [KeepTogether([self._marked(block), Spacer(1, 8)])]
        if isinstance(block, Sheet):
            return self._sheet(block)
        if isinstance(block, Columns):
            return [self._columns(block), Spacer(1, 6)]
        return [KeepTogether(loose(self._all(block.blocks)))]  # a group within one would never fit

    def _all(self, blocks: Sequence[Block]) -> list[Any]:
        return [f for block in blocks for f in self._set(block)]

    def _sheet(self, block: Sheet) -> list[Any]:
        """A page of its own, filled from `spare` as far as it goes, with a line on what has no room."""
        high = self.paper.height
        flowables = self._all(block.blocks)
        spare = [self._set(inner) for inner in block.spare]
        notes = [self._paragraph(text, "small") for text in block.cut]
        needed = [_at_most(of, self._width) for of in spare]
        room = high - _at_most(flowables, self._width)
        if sum(needed) > room:
            room -= max((_at_most([note], self._width) for note in notes), default=0.0)
        shown = 0
        for of, takes in zip(spare, needed, strict=True):
            if takes <= room:
                flowables += of
                room, shown = room - takes, shown + 1
        if notes and shown < len(spare):
            flowables.append(notes[len(spare) - shown - 1])
        return [CondPageBreak(high - 1), *flowables]

    def _columns(self, block: Columns) -> Any:
        shares = block.shares or (1.0,) * len(block.columns)
        room = self._width - BETWEEN * (len(shares) - 1)
        widths = [room * share / sum(shares) for share in shares]
        columns = []
        for inner, width in zip(block.columns, widths, strict=True):
            with self._within("Div"), self._on(width):
                columns.append(self._all(inner))
        return SideBySide(columns, widths, gap=BETWEEN, turned=self.turned)

    def _paragraph(
        self, text: str, style: str, *, tag: str = "P", scope: str = "", link: str = "", node: Node | None = None
    ) -> Paragraph:
        """A paragraph in the document's language."""
        return self._in_language(Paragraph, text, style, tag=tag, scope=scope, link=link, node=node)

    def _in_language(
        self,
        kind: type[Paragraph],
        text: str,
        style: str,
        *,
        tag: str,
        scope: str = "",
        link: str = "",
        node: Node | None = None,
    ) -> Paragraph:
        words = checked(spoken(text), place=self._place)
        return kind(
            words,
            self.styles[style],
            language=self.document.language,
            link=link,
            base=self.base(words),
            node=node or self._under.add(tag, scope=scope),
        )

    def base(self, words: str) -> int:
        """Level of a text of the document's own: right to left only where it holds a letter that runs so.

        A number, an interval, or a name alone in a right-to-left report keeps the order in which it is written.
        """
        return int(self.turned and any(unicodedata.bidirectional(c) in RIGHT_TO_LEFT for c in words))

    def _words(self, text: str | Sequence[Span], language: str) -> Paragraph:
        """Words in a language of their own, or of a language that nobody says ("")."""
        if isinstance(text, str):
            text = checked(text, place=self._place)
        named = language if language != self.document.language else ""
        node = self._under.add("P", language=named)
        return Paragraph(text, self.own_styles["quote"], language=language, node=node)

    def _heading(self, block: Heading) -> Any:
        tag = self._heading_tag(block.level)
        found = self._in_language(Title, block.text, f"h{block.level}", tag=tag)
        assert isinstance(found, Title)
        found.section, found.pages = self.sections.get(id(block)), self.pages
        return found

    def _heading_tag(self, level: int) -> str:
        """H1 to H6; a level that a section leaves out is not left out in the structure."""
        while self._levels and self._levels[-1] >= level:
            self._levels.pop()
        self._levels.append(level)
        return f"H{len(self._levels)}"

    def _bullets(self, block: Bullets) -> list[Any]:
        found = []
        with self._within("L"):
            for i, text in enumerate(block.items):
                with self._within("LI"):
                    if block.marks:
                        with self._within("Lbl"):
                            mark: Any = _sign(
                                block.marks[i], self._under.add("Figure", alt=verdict_name(block.marks[i]))
                            )
                    else:
                        mark = self._paragraph("•", "bullet", tag="Lbl")
                    found.append(self._signed(mark, self._paragraph(text, "item", tag="LBody"), gap=14))
        return found

    def _signed(self, sign: Any, body: Paragraph, *, gap: float = 12) -> Any:
        return Signed(sign, body, gap=gap, turned=self.turned)

    def _facts(self, block: Facts) -> Any:
        rows = []
        with self._within("Table"):
            for name, value in block.rows:
                with self._within("TR"):
                    label = self._paragraph(name, "label", tag="TH", scope="Row")
                    rows.append([label, self._paragraph(value, "cell", tag="TD")])
        labels = min(LABELS, self._width * 0.4)
        pads = [("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5)]
        return self._grid(rows, [labels, self._width - labels], [*pads, ("RIGHTPADDING", (0, 0), (0, -1), 6)])

    def _counts(self, block: Counts) -> Any:
        numbers, words = [], []
        with self._within("L"):
            for verdict, n in block.counts:
                with self._within("LI"), self._within("LBody"):
                    numbers.append(self._paragraph(str(n), "count"))
                    words.append(self._signed(_sign(verdict), self._paragraph(verdict_name(verdict), "tile"), gap=13))
        pads = [("LEFTPADDING", (0, 0), (-1, -1), 10), ("RIGHTPADDING", (0, 0), (-1, -1), 10)]
        style = [("BACKGROUND", (0, 0), (-1, -1), TINT), *pads]
        style += [("TOPPADDING", (0, 0), (-1, 0), 8), ("BOTTOMPADDING", (0, 1), (-1, 1), 10)]
        return self._grid([numbers, words], [self._width / len(block.counts)] * len(block.counts), style)

    def _table(self, block: Table) -> Any:
        widths = self._column_widths(block)
        with self._within("Table"):
            with self._within("TR"):
                rows: list[list[Any]] = [
                    [
                        self._paragraph(
                            c.title, "head-number" if c.align == "right" else "head", tag="TH", scope="Column"
                        )
                        for c in block.columns
                    ]
                ]
            for row in block.rows:
                with self._within("TR"):
                    rows.append([self._cell(v, c.align) for v, c in zip(row, block.columns, strict=True)])
        lines = [
            ("LINEBELOW", (0, 0), (-1, 0), 0.9, ACCENT),
            ("LINEBELOW", (0, 1), (-1, -1), 0.3, HAIR),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("TOPPADDING", (0, 0), (-1, -1), 2.4),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.8),
            ("RIGHTPADDING", (0, 0), (-2, -1), 8),
        ]
        return self._grid(rows, widths, lines, repeat=1)

    def _cell(self, value: str | Verdict, align: str) -> Any:
        if isinstance(value, Verdict):
            return self._signed(_sign(value), self._paragraph(verdict_name(value), "cell", tag="TD"))
        return self._paragraph(value, "number" if align == "right" else "cell", tag="TD")

    def _column_widths(self, block: Table) -> list[float]:
        """No word is cut where there is room; then no line, as far as it goes; what is left goes by the shares."""
        texts = [self._texts(block, i) for i in range(len(block.columns))]
        measured = [[widest_word(t, s, bold=b, language=self.document.language) for t, s, b in some] for some in texts]
        least = [max(words) + CELL_PAD for words in measured]
        lines = [[text_width(t, s, bold=b, language=self.document.language) for t, s, b in some[1:]] for some in texts]
        whole = [
            max(low, min(max(of, default=0.0) + CELL_PAD, self._width)) for low, of in zip(least, lines, strict=True)
        ]
        room = self._width - sum(whole)
        if room >= 0:
            shares = sum(column.width for column in block.columns)
            return [w + room * c.width / shares for w, c in zip(whole, block.columns, strict=True)]
        least = _lowered(least, self._width)
        room = self._width - sum(least)
        wish = [w - low for w, low in zip(whole, least, strict=True)]
        return [low + room * w / sum(wish) for low, w in zip(least, wish, strict=True)]

    def _texts(self, block: Table, column: int) -> list[tuple[str, float, bool]]:
        """A column's heading and its longest cells, by number of letters; size and weight of each."""
        head, cell, sign = self.styles["head"], self.styles["cell"], "\u00a0" * SIGN_WIDE
        cells = (row[column] for row in block.rows)
        told = {sign + verdict_name(c) if isinstance(c, Verdict) else spoken(c) for c in cells}
        longest = sorted(told, key=lambda text: (-len(text), text))[:MEASURED]
        by_word = sorted(told, key=lambda text: (-max(map(len, text.split()), default=0), text))[:MEASURED]
        lines = [line for text in (*longest, *by_word) for line in text.split("\n")]
        return [(spoken(block.columns[column].title), head.size, True), *((line, cell.size, False) for line in lines)]

    def _plot(self, block: Plot) -> list[Any]:
        says = _("{picture} {null}", picture=spoken(block.alt), null=null_text(block))
        charts, caption = self._figures(self._drawn(block), says)
        return [Spacer(1, 5), *charts[:-1], KeepTogether([charts[-1], Spacer(1, 3), caption]), Spacer(1, 4)]

    def _picture(self, block: Picture) -> list[Any]:
        charts, caption = self._figures(self._drawn(block), spoken(block.alt))
        return [KeepTogether([Spacer(1, 5), *charts, Spacer(1, 3), caption, Spacer(1, 6)])]

    def _figures(self, drawn: Sequence[Chart], says: str) -> tuple[list[Any], Any]:
        """The charts of one picture and its caption, which is what a listener hears of it."""
        charts = []
        for n, chart in enumerate(drawn, start=1):
            part = _("{picture} (part {n} of {total})", picture=says, n=n, total=len(drawn)) if len(drawn) > 1 else says
            with self._within("Figure", alt=part) as node:
                charts.append(chart.of(node))
                if n == len(drawn):
                    caption = self._paragraph(says, "caption", tag="Caption")
        return charts, caption

    def _drawn(self, block: Plot | Picture) -> list[Chart]:
        key, width, most = (id(block), self._width), self._width, self.paper.height
        if key not in self._charts and isinstance(block, Picture):
            self._charts[key] = [Chart(vector(block.draw(width), width=width, height=most - 80))]
        elif key not in self._charts and isinstance(block, Plot):
            found = charts_of(block, width=width)
            self._charts[key] = [Chart(vector(one, width=width, height=most - 60)) for one in found]
        return self._charts[key]

    def _quote(self, block: Quote) -> Any:
        languages = block.languages or (self.document.language,) * len(block.lines)
        rows = []
        with self._within("BlockQuote"):
            title = self._paragraph(block.title, "quote-title")
            for (name, words), language in zip(block.lines, languages, strict=True):
                label = self._paragraph(name, "label")
                rows.append([label, self._words(spoken(words), language)])
        return self._beside_line(title, rows)

    def _marked(self, block: Marked) -> Any:
        languages = block.languages or (self.document.language,) * len(block.lines)
        rows = []
        with self._within("BlockQuote"):
            title = self._paragraph(block.title, "quote-title")
            for (name, runs), language in zip(block.lines, languages, strict=True):
                checked("".join(words for words, _strength in runs), place=self._place)
                label = self._paragraph(name, "label")
                rows.append([label, self._words(_grounds(runs), language)])
        return self._beside_line(title, rows)

    def _beside_line(self, title: Paragraph, lines: list[list[Any]]) -> Any:
        """Words under a title, with a line beside them; in a narrow column names stand above their words."""
        if self._width < NARROW:
            named = [[label] if label.says else [] for label, _words in lines]
            rows = [
                [title],
                *([one] for (_label, words), name in zip(lines, named, strict=True) for one in (*name, words)),
            ]
            widths = [self._width]
        else:
            # A cell over two columns is what stands in the left one.
            head = ["", title] if self.turned else [title, ""]
            rows, widths = [head, *lines], [LABELS, self._width - LABELS]
        style = [
            ("SPAN", (0, 0), (-1, 0)),
            ("LINEBEFORE", (0, 0), (0, -1), 1.6, ACCENT),
            ("LEFTPADDING", (0, 0), (0, -1), 9),
            ("LEFTPADDING", (0, 0), (-1, 0), 9),
            *([("RIGHTPADDING", (0, 1), (0, -1), 6)] if len(widths) > 1 else []),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ]
        return self._grid(rows, widths, style)

    def _grid(
        self, rows: list[list[Any]], widths: list[float], style: list[tuple[Any, ...]], *, repeat: int = 0
    ) -> Any:
        """A table without padding of its own; in a right-to-left document its first column is the rightmost."""
        bare = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]
        style = [*bare, ("VALIGN", (0, 0), (-1, -1), "TOP"), *style]
        side = "LEFT"
        if self.turned:
            rows, widths, side = [row[::-1] for row in rows], widths[::-1], "RIGHT"
            style = [_turned(command) for command in style]
        return Rows(rows, colWidths=widths, style=style, repeatRows=repeat, hAlign=side, splitInRow=1)


def _lowered(widths: Sequence[float], total: float) -> list[float]:
    """Widths of no more than `total` together: the widest are made equal, the others stay."""
    left = total
    for n, wide in enumerate(sorted(widths)):
        most = left / (len(widths) - n)
        if wide > most:
            return [min(one, most) for one in widths]
        left -= wide
    return list(widths)


def _turned(command: tuple[Any, ...]) -> tuple[Any, ...]:
    """A table's command for columns in reverse order."""
    name, (left, top), (right, foot), *more = command
    swapped = {
        "LEFTPADDING": "RIGHTPADDING",
        "RIGHTPADDING": "LEFTPADDING",
        "LINEBEFORE": "LINEAFTER",
        "LINEAFTER": "LINEBEFORE",
    }
    return (swapped.get(name, name), (-1 - right, top), (-1 - left, foot), *more)


def _sections(blocks: Sequence[Block]) -> dict[int, Section]:
    """Headings of levels 1 and 2 by id; what comes before the first section is in none."""
    found: dict[int, Section] = {}
    first = second = 0
    for heading in _headings(blocks):
        if heading.level == 1:
            first, second = first + 1, 0
            found[id(heading)] = Section(f"s{first}", spoken(heading.text), 0)
        elif heading.level == 2 and first:
            second += 1
            found[id(heading)] = Section(f"s{first}.{second}", spoken(heading.text), 1)
    return found


def _headings(blocks: Sequence[Block]) -> Iterator[Heading]:
    for block in blocks:
        if isinstance(block, Heading):
            yield block
        elif isinstance(block, Group):
            yield from _headings(block.blocks)
        elif isinstance(block, Sheet):
            yield from _headings((*block.blocks, *block.spare))
        elif isinstance(block, Columns):
            for column in block.columns:
                yield from _headings(column)


def _at_most(flowables: Sequence[Any], width: float) -> float:
    """What flowables take of a page, at most: spaces that meet are counted twice."""
    singles = loose(flowables)
    return float(sum(f.getSpaceBefore() + stacked([f], width) + f.getSpaceAfter() for f in singles))


def _grounds(runs: Sequence[tuple[str, int]]) -> list[Span]:
    """Words on their grounds; spaces before and after a word have none."""
    spans = []
    for words, strength in runs:
        bare = words.strip()
        before, after = words[: len(words) - len(words.lstrip())], words[len(words.rstrip()) :] if bare else ""
        bold = strength == len(GROUNDS) - 1
        spans += [Span(text=before), Span(text=bare, bold=bold, ground=GROUNDS[strength]), Span(text=after)]
    return [span for span in spans if span.text]


def _sign(verdict: Verdict, node: Node | None = None) -> Chart:
    """The verdict's shape and colour, as in the charts; beside its words it needs no node."""
    found = Drawing(7.2, 7.2)
    fill = {"fillColor": HexColor(COLOURS[verdict]), "strokeColor": None}
    if verdict is Verdict.EVIDENCE:
        found.add(Circle(3.6, 3.6, 3.1, **fill))
    elif verdict is Verdict.NO_EVIDENCE:
        found.add(Rect(0.9, 0.9, 5.4, 5.4, **fill))
    elif verdict is Verdict.INSUFFICIENT:
        found.add(Polygon([0.4, 0.7, 6.8, 0.7, 3.6, 6.4], **fill))
    else:
        found.add(Rect(2.6, 0.5, 2, 6.2, **fill))
        found.add(Rect(0.5, 2.6, 6.2, 2, **fill))
    return Chart(found, node)
