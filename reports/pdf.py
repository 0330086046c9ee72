"""The report on A4 paper: blocks set with reportlab's platypus.

Same document, same bytes: no clock, no random ids, faces embedded from the package.
"""

from __future__ import annotations

import copy
import functools
import io
from collections.abc import Sequence
from typing import Any

from audit.records import Verdict
from reports.blocks import (
    Block,
    Bullets,
    Counts,
    Document,
    Facts,
    Heading,
    Marked,
    Picture,
    Plot,
    Quote,
    Sheet,
    Table,
    Text,
)
from reports.charts import COLOURS, GREY, HAIR, INK, charts_of, null_text, vector
from reports.text import checked

ACCENT = "#1F4E79"
TINT = "#F3F6F9"
MARGIN = 57.0  # points: 20 mm
WIDTH = 595.28 - 2 * MARGIN
HEIGHT = 841.89 - 2 * MARGIN - 22
SHORT_TABLE = 14  # rows; a table no longer than this stays on one page
MOST_PASSES = 6
QUOTE_BEGINS = 60  # points that a title of words needs below it, not to stand alone at a page's foot
GROUNDS = ("", "#E1ECF5", "#B4D1E7", "#7FB2D6")  # of words, by strength; all leave dark letters readable


def render(document: Document) -> bytes:
    """The PDF of `document`.

    Raises:
        ResourceError: a text holds a character that no bundled face can draw.
    """
    setter = _Setter(document)
    pages: dict[str, int] = {}
    total = 0
    for _ in range(MOST_PASSES):  # page numbers move the contents list, which may move the pages: until they rest
        found = _Pass(setter, pages=pages, total=total)
        data = found.build()
        if (found.pages, found.total) == (pages, total):
            return data
        pages, total = found.pages, found.total
    raise AssertionError("page numbers did not come to rest")


class _Pass:
    """One setting of the whole document with page numbers known from the pass before."""

    def __init__(self, setter: _Setter, *, pages: dict[str, int], total: int) -> None:
        self.setter, self.known, self.known_total = setter, pages, total
        self.pages: dict[str, int] = {}
        self.total = 0

    def build(self) -> bytes:
        from reportlab.lib.pagesizes import A4
        from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

        buffer = io.BytesIO()
        document = self.setter.document
        template = BaseDocTemplate(
            buffer,
            pagesize=A4,
            invariant=1,
            lang="en",
            title=document.title,
            subject=document.subtitle,
            author="plural-audit",
            creator="plural-audit",
            pageCompression=1,
        )
        template.afterFlowable = functools.partial(self._after, template)
        frame = Frame(
            MARGIN, MARGIN, WIDTH, HEIGHT, id="body", leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
        )
        plain = PageTemplate(id="page", frames=[frame], onPage=self._furniture)
        template.addPageTemplates([plain])
        template.build(self.setter.story(self.known))
        self.total = template.page
        return buffer.getvalue()

    def _after(self, template: Any, flowable: Any) -> None:
        key = getattr(flowable, "section_key", None)
        if key is None:
            return
        self.pages[key] = template.page
        canvas = template.canv
        canvas.bookmarkPage(key)
        canvas.addOutlineEntry(flowable.section_title, key, 0, 0)

    def _furniture(self, canvas: Any, template: Any) -> None:
        """Running head and page number."""
        from reports.typesetting.paragraph import cut, draw_text, text_width

        style = self.setter.styles["running"]
        top = 841.89 - MARGIN + 14
        if template.page > 1:
            running = cut(self.setter.document.running, WIDTH, style.size)
            draw_text(canvas, running, x=MARGIN, y=top - 1, size=style.size, colour=style.colour, base=0)
            canvas.setStrokeColor(HAIR)
            canvas.setLineWidth(0.5)
            canvas.line(MARGIN, top - 5, MARGIN + WIDTH, top - 5)
        foot = f"Page {template.page} of {self.known_total}"
        left = MARGIN + WIDTH - text_width(foot, style.size)
        draw_text(canvas, foot, x=left, y=MARGIN - 28, size=style.size, colour=style.colour)


class _Setter:
    """Blocks to flowables. Plots are drawn once and set in every pass."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.styles = _styles()
        self._plots: dict[int, list[Any]] = {}
        self._place = "title page"
        self._sections = [b for b in document.blocks if isinstance(b, Heading) and b.level == 1]

    def story(self, pages: dict[str, int]) -> list[Any]:
        """Fresh flowables of the whole report; `pages` gives each section's page for the table of contents."""
        from reportlab.platypus import Spacer

        document = self.document
        self._place = "title page"
        front = [
            Spacer(1, 36),
            self._paragraph("PLURAL-AUDIT · MODEL AUDIT REPORT", "kicker"),
            self._paragraph(document.title, "title"),
            self._paragraph(document.subtitle, "subtitle"),
            _rule(),
            Spacer(1, 16),
            *self._flow(document.front),
            Spacer(1, 14),
            self._paragraph("Contents", "h2"),
            self._contents(pages),
        ]
        return front + self._flow(document.blocks)

    def _contents(self, pages: dict[str, int]) -> Any:
        entries = [
            [
                self._paragraph(heading.text, "contents", link=f"s{i}"),
                self._paragraph(str(pages.get(f"s{i}", "")), "right"),
            ]
            for i, heading in enumerate(self._sections)
        ]
        half = (len(entries) + 1) // 2
        right = entries[half:] + [["", ""]] * (2 * half - len(entries))
        rows = [[*left, "", *other] for left, other in zip(entries[:half], right, strict=True)]
        across = (WIDTH - 30) / 2
        pads = [("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]
        return _grid(rows, [across - 30, 30, 30, across - 30, 30], pads)

    def _flow(self, blocks: Sequence[Block]) -> list[Any]:
        from reportlab.platypus import CondPageBreak

        flowables: list[Any] = []
        for i, block in enumerate(blocks):
            if isinstance(block, Heading):
                self._place = f'section "{block.text}"' if block.level == 1 else self._place
                flowables += self._page_break() if block.new_page else [CondPageBreak(self._room(blocks[i:]))]
            if isinstance(block, Quote):
                flowables.append(CondPageBreak(QUOTE_BEGINS))
            flowables += self._set(block)
        return flowables

    def _page_break(self) -> list[Any]:
        from reportlab.platypus import PageBreak

        return [PageBreak()]

    def _room(self, blocks: Sequence[Block]) -> float:
        """Height that a heading and what belongs to its first lines need: no heading stands alone at a page's foot."""
        need = 0.0
        for i, block in enumerate(blocks):
            if i and isinstance(block, Heading) and isinstance(blocks[0], Heading) and block.level <= blocks[0].level:
                break
            if isinstance(block, Picture):
                caption = self._paragraph(block.alt, "caption").wrap(WIDTH, HEIGHT)[1]
                return float(min(HEIGHT - 10, need + self._drawings(block)[0].height + caption + 18))
            if isinstance(block, Plot):
                return float(min(HEIGHT - 10, need + self._drawings(block)[0].height + 40))
            if isinstance(block, Table):
                return float(min(HEIGHT - 10, need + min(220, self._table(block).wrap(WIDTH, HEIGHT)[1] + 14)))
            if not isinstance(block, Heading | Text):
                return float(min(HEIGHT - 10, need + 60))
            need += sum(f.wrap(WIDTH, HEIGHT)[1] + f.getSpaceBefore() + f.getSpaceAfter() for f in self._set(block))
            if isinstance(block, Text) and need > 200:
                break
        return float(min(HEIGHT - 10, need))

    def _set(self, block: Block) -> list[Any]:
        from reportlab.platypus import KeepTogether, Spacer

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
        return [KeepTogether([f for inner in block.blocks for f in self._set(inner)])]

    def _sheet(self, block: Sheet) -> list[Any]:
        """A page of its own, filled from `spare` as far as it goes, with a line on what has no room."""
        from reportlab.platypus import CondPageBreak

        flowables = [f for inner in block.blocks for f in self._set(inner)]
        notes = [self._paragraph(text, "small") for text in block.cut]
        spare = [self._set(inner) for inner in block.spare]
        room = HEIGHT - sum(map(_height, flowables))
        if sum(_height(f) for of in spare for f in of) > room:
            room -= max(map(_height, notes), default=0.0)
        shown = 0
        for of in spare:
            needed = sum(map(_height, of))
            if needed <= room:
                flowables += of
                room, shown = room - needed, shown + 1
        if notes and shown < len(spare):
            flowables.append(notes[len(spare) - shown - 1])
        whole_page = CondPageBreak(HEIGHT - 1)
        return [whole_page, *flowables, whole_page]

    def _paragraph(self, text: str, style: str, *, language: str = "en", link: str = "") -> Any:
        from reports.typesetting.paragraph import Paragraph

        return Paragraph(checked(text, place=self._place), self.styles[style], language=language, link=link)

    def _heading(self, block: Heading) -> Any:
        found = self._paragraph(block.text, f"h{block.level}")
        if block.level == 1 and block in self._sections:
            found.section_key = f"s{next(i for i, h in enumerate(self._sections) if h is block)}"
            found.section_title = block.text
        return found

    def _bullets(self, block: Bullets) -> list[Any]:
        rows = []
        for i, text in enumerate(block.items):
            mark = _sign(block.marks[i]) if block.marks else self._paragraph("•", "bullet")
            rows.append([mark, self._paragraph(text, "item")])
        return [_grid([row], [14, WIDTH - 14], [("VALIGN", (0, 0), (-1, -1), "TOP")]) for row in rows]

    def _facts(self, block: Facts) -> Any:
        rows = [[self._paragraph(name, "label"), self._paragraph(value, "cell")] for name, value in block.rows]
        return _grid(
            rows, [118, WIDTH - 118], [("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5)]
        )

    def _counts(self, block: Counts) -> Any:
        share = WIDTH / len(block.counts)
        numbers = [self._paragraph(str(n), "count") for _, n in block.counts]
        words = [
            _grid([[_sign(v), self._paragraph(str(v), "tile")]], [13, share - 13 - 20], []) for v, _ in block.counts
        ]
        pads = [("LEFTPADDING", (0, 0), (-1, -1), 10), ("RIGHTPADDING", (0, 0), (-1, -1), 10)]
        style = [("BACKGROUND", (0, 0), (-1, -1), TINT), ("VALIGN", (0, 0), (-1, -1), "TOP"), *pads]
        style += [("TOPPADDING", (0, 0), (-1, 0), 8), ("BOTTOMPADDING", (0, 1), (-1, 1), 10)]
        return _grid([numbers, words], [share] * len(block.counts), style)

    def _table(self, block: Table) -> Any:
        widths = _column_widths(block)
        head = [self._paragraph(c.title, "head-right" if c.align == "right" else "head") for c in block.columns]
        rows = [
            [
                self._cell(value, column.align, width)
                for value, column, width in zip(row, block.columns, widths, strict=True)
            ]
            for row in block.rows
        ]
        lines = [
            ("LINEBELOW", (0, 0), (-1, 0), 0.9, ACCENT),
            ("LINEBELOW", (0, 1), (-1, -1), 0.3, HAIR),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("VALIGN", (0, 1), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 2.4),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.8),
            ("RIGHTPADDING", (0, 0), (-2, -1), 8),
        ]
        return _grid([head, *rows], widths, lines, repeat=1)

    def _cell(self, value: str | Verdict, align: str, width: float) -> Any:
        if isinstance(value, Verdict):
            return _grid([[_sign(value), self._paragraph(str(value), "cell")]], [12, width - 12], [])
        return self._paragraph(value, "right" if align == "right" else "cell")

    def _plot(self, block: Plot) -> list[Any]:
        from reportlab.platypus import KeepTogether, Spacer

        drawings = [copy.copy(d) for d in self._drawings(block)]  # platypus leaves marks on what it has placed
        caption = self._paragraph(f"{block.alt} {null_text(block)}", "caption")
        return [Spacer(1, 5), *drawings[:-1], KeepTogether([drawings[-1], Spacer(1, 3), caption]), Spacer(1, 4)]

    def _picture(self, block: Picture) -> list[Any]:
        from reportlab.platypus import KeepTogether, Spacer

        drawn = copy.copy(self._drawings(block)[0])
        return [KeepTogether([Spacer(1, 5), drawn, Spacer(1, 3), self._paragraph(block.alt, "caption"), Spacer(1, 6)])]

    def _drawings(self, block: Plot | Picture) -> list[Any]:
        from reports.typesetting.drawing import Chart

        if id(block) not in self._plots and isinstance(block, Picture):
            self._plots[id(block)] = [Chart(vector(block.draw(WIDTH), width=WIDTH, height=HEIGHT - 80))]
        if isinstance(block, Plot) and id(block) not in self._plots:
            self._plots[id(block)] = [
                Chart(vector(one, width=WIDTH, height=HEIGHT - 60)) for one in charts_of(block, width=WIDTH)
            ]
        return self._plots[id(block)]

    def _quote(self, block: Quote) -> Any:
        languages = block.languages or ("en",) * len(block.lines)
        rows = [
            [self._paragraph(name, "label"), self._paragraph(words, "quote", language=language)]
            for (name, words), language in zip(block.lines, languages, strict=True)
        ]
        return self._words(block.title, rows)

    def _marked(self, block: Marked) -> Any:
        from reports.typesetting.paragraph import Paragraph

        languages = block.languages or ("en",) * len(block.lines)
        rows = []
        for (name, runs), language in zip(block.lines, languages, strict=True):
            checked("".join(words for words, _ in runs), place=self._place)
            spans = _grounds(runs)
            rows.append([self._paragraph(name, "label"), Paragraph(spans, self.styles["quote"], language=language)])
        return self._words(block.title, rows)

    def _words(self, title: str, lines: list[list[Any]]) -> Any:
        """Words of items under a title, with a line beside them."""
        rows = [[self._paragraph(title, "quote-title"), ""], *lines]
        style = [
            ("SPAN", (0, 0), (1, 0)),
            ("LINEBEFORE", (0, 0), (0, -1), 1.6, ACCENT),
            ("LEFTPADDING", (0, 0), (0, -1), 9),
            ("RIGHTPADDING", (0, 1), (0, -1), 6),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
        return _grid(rows, [118, WIDTH - 118], style)


def _grid(rows: list[list[Any]], widths: list[float], style: list[tuple[Any, ...]], *, repeat: int = 0) -> Any:
    """A table without padding of its own."""
    from reportlab.platypus import Table as Rows

    bare = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]
    top = [("VALIGN", (0, 0), (-1, -1), "TOP")]
    return Rows(rows, colWidths=widths, style=[*bare, *top, *style], repeatRows=repeat, hAlign="LEFT", splitInRow=1)


def _column_widths(block: Table) -> list[float]:
    """Shares of the width, but no column narrower than the longest word of its heading."""
    from reports.typesetting.paragraph import text_width

    pad = 9.0
    least = [max(text_width(word, 8, bold=True) for word in c.title.split() or [""]) + pad for c in block.columns]
    total = sum(column.width for column in block.columns)
    widths = [max(WIDTH * c.width / total, low) for c, low in zip(block.columns, least, strict=True)]
    spare = [w - low for w, low in zip(widths, least, strict=True)]
    excess = sum(widths) - WIDTH
    if excess <= 0 or sum(spare) <= 0:
        return [w * WIDTH / sum(widths) for w in widths]
    return [w - excess * s / sum(spare) for w, s in zip(widths, spare, strict=True)]


def _grounds(runs: Sequence[tuple[str, int]]) -> list[Any]:
    """Words on their grounds; spaces before and after a word have none."""
    from reports.typesetting.paragraph import Span

    spans = []
    for words, strength in runs:
        bare = words.strip()
        before, after = words[: len(words) - len(words.lstrip())], words[len(words.rstrip()) :] if bare else ""
        bold = strength == len(GROUNDS) - 1
        spans += [Span(text=before), Span(text=bare, bold=bold, ground=GROUNDS[strength]), Span(text=after)]
    return [span for span in spans if span.text]


def _height(flowable: Any) -> float:
    """What a flowable takes of a page, at most: spaces that meet are counted twice."""
    return float(flowable.wrapOn(None, WIDTH, HEIGHT)[1] + flowable.getSpaceBefore() + flowable.getSpaceAfter())


def _rule() -> Any:
    from reportlab.platypus import HRFlowable

    return HRFlowable(width="100%", thickness=1.6, color=ACCENT, spaceBefore=4, spaceAfter=0)


def _sign(verdict: Verdict) -> Any:
    """The verdict's shape and colour, as in the charts."""
    from reportlab.graphics.shapes import Circle, Drawing, Polygon, Rect
    from reportlab.lib.colors import HexColor

    found = Drawing(11, 9)
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
    return found


def _styles() -> dict[str, Any]:
    from reports.typesetting.paragraph import Style

    def style(name: str, size: float, leading: float, **more: Any) -> Style:
        return Style(name=name, size=size, leading=leading, **{"colour": INK, **more})

    made = [
        style("kicker", 8.5, 12, colour=ACCENT, bold=True),
        style("title", 25, 31, space_before=8, space_after=6, colour=ACCENT, bold=True),
        style("subtitle", 11.5, 16, colour=GREY, space_after=10),
        style("h1", 17, 22, space_before=18, space_after=8, colour=ACCENT, bold=True),
        style("h2", 11.5, 15, space_before=12, space_after=5, bold=True),
        style("h3", 9.5, 13, space_before=10, space_after=3, bold=True),
        style("body", 9.5, 14, space_after=6),
        style("lead", 11, 16.5, space_after=8),
        style("small", 8, 11.5, colour=GREY, space_after=4),
        style("caption", 8, 11.5, colour=GREY),
        style("code", 8.5, 13, ground=TINT, padding=7, space_before=8, space_after=10, indent=7),
        style("item", 9.5, 14, space_after=3),
        style("bullet", 9.5, 14, colour=ACCENT),
        style("label", 8.5, 12.5, colour=GREY),
        style("cell", 8.5, 12.5),
        style("right", 8.5, 12.5, right=True),
        style("contents", 9, 13),
        style("head", 8, 11, colour=ACCENT, bold=True),
        style("head-right", 8, 11, colour=ACCENT, right=True, bold=True),
        style("count", 22, 26, bold=True),
        style("tile", 8.5, 11.5),
        style("quote-title", 8, 11.5, bold=True),
        style("quote", 9, 13),
        style("running", 8, 10, colour=GREY),
    ]
    return {found.name: found for found in made}
