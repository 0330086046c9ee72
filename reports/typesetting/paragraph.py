"""Paragraphs of shaped text for reportlab's platypus, and single lines for charts and running heads.

Glyphs are placed one by one and written in reading order, so that the text layer reads as the text does while the page
shows it in visual order.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reportlab.lib.colors import toColor
from reportlab.platypus import Flowable

from reports.typesetting import bidi
from reports.typesetting.breaks import graphemes
from reports.typesetting.embedding import EmbeddedFace, embedded
from reports.typesetting.faces import LATIN, SIGNS
from reports.typesetting.shaping import Cluster, Run, Shaped, base_of, prepared, shape
from reports.typesetting.structure import Node

LAID_OUT = (LATIN, SIGNS)  # the styles' leadings are made for these faces
KERN = 0.6  # thousandths of the size; smaller differences are not worth a number
ELLIPSIS = "…"
MARK = "\u200f"  # right-to-left mark: a letter without a shape


@dataclass(frozen=True, kw_only=True)
class Span:
    """Words of one look; `ground` is the colour behind them."""

    text: str
    bold: bool = False
    ground: str = ""


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a paragraph looks; lengths in points."""

    name: str
    size: float
    leading: float
    bold: bool = False
    colour: str = "#000000"
    align: Literal["start", "left", "right"] = "start"  # start: where the paragraph's direction begins
    space_before: float = 0
    space_after: float = 0
    ground: str = ""
    padding: float = 0
    indent: float = 0  # on both sides


@dataclass(frozen=True)
class _Line:
    """One line of a paragraph: which part of which of its stretches between line ends."""

    part: int
    start: int
    end: int
    top: float  # from the line's upper edge to its baseline
    height: float


@dataclass(frozen=True)
class _Text:
    """All that is set in a paragraph, shaped: stretches between line ends, and grounds by stretch."""

    parts: tuple[Shaped, ...]
    grounds: tuple[tuple[tuple[int, int, str], ...], ...]


class Paragraph(Flowable):  # type: ignore[misc] # reportlab has no types
    """A paragraph in any script, broken into lines, split over pages where it must be."""

    def __init__(
        self,
        text: str | Sequence[Span],
        style: Style,
        *,
        language: str = "en",
        link: str = "",
        base: int | None = None,
        node: Node | None = None,
    ) -> None:
        """Shape it.

        Args:
            text: what it says; line ends are kept.
            style: how it looks.
            language: BCP 47 code; "" leaves faces and direction to the text itself.
            link: key of the bookmark that a click on it leads to; it needs a node.
            base: level, where it is not that of the language.
            node: what it is in the structure of the document, on a `TaggedCanvas`; None on others.

        Raises:
            ResourceError: no face has a character; the message names it.
        """
        super().__init__()
        spans = (Span(text=text, bold=style.bold),) if isinstance(text, str) else tuple(text)
        level = base_of(language) if base is None else base
        self._set(_shaped(spans, language, level), style, link, node, None)

    def _set(self, text: _Text, style: Style, link: str, node: Node | None, kept: tuple[_Line, ...] | None) -> None:
        self.text, self.style, self.link, self.node = text, style, link, node
        self._drawn = False
        self.lines: tuple[_Line, ...] = kept or ()
        self._span = ((kept[0].part, kept[0].start), (kept[-1].part, kept[-1].end)) if kept else None
        self._laid_for = -1.0

    @property
    def says(self) -> str:
        """All of its text, also where this is only a piece of it."""
        return "\n".join(part.text for part in self.text.parts)

    def getSpaceBefore(self) -> float:  # noqa: N802 - reportlab's name
        """Space above, in points."""
        return self.style.space_before

    def getSpaceAfter(self) -> float:  # noqa: N802
        """Space below, in points."""
        return self.style.space_after

    def wrap(self, width: float, height: float) -> tuple[float, float]:  # noqa: ARG002
        """Break into lines of `width`."""
        if width != self._laid_for:
            inner = max(1.0, width - 2 * self.style.indent)
            lines = _laid_out(self.text, self.style, inner)
            if self._span is not None:
                first, last = self._span
                lines = tuple(x for x in lines if first <= (x.part, x.start) and (x.part, x.end) <= last)
            self.lines, self._laid_for = lines, width
        self.width, self.height = width, sum(line.height for line in self.lines)
        return width, self.height

    def split(self, width: float, height: float) -> list[Any]:
        """Two paragraphs, the first no higher than `height`; none where less than two lines would fit, or all."""
        self.wrap(width, height)
        fits, used = 0, 0.0
        for line in self.lines:
            if used + line.height > height + 1e-6:
                break
            used += line.height
            fits += 1
        if fits <= 1 or fits >= len(self.lines):  # a table that asks counts on two pieces or none
            return []
        found = []
        for lines in (self.lines[:fits], self.lines[fits:]):
            piece = Paragraph.__new__(Paragraph)
            Flowable.__init__(piece)
            piece._set(self.text, self.style, self.link, self.node, lines)
            found.append(piece)
        return found

    def draw(self) -> None:
        """Write the lines onto the page."""
        canvas, style = self.canv, self.style
        if getattr(canvas, "draft", False):
            return
        if style.ground:
            canvas.setFillColor(toColor(style.ground))
            canvas.rect(
                style.indent - style.padding,
                -style.padding,
                self.width - 2 * (style.indent - style.padding),
                self.height + 2 * style.padding,
                stroke=0,
                fill=1,
            )
        if self.node is None:
            self._write()
        elif self._drawn:  # platypus draws the head of a table again on each page
            with canvas.artifact("Header"):
                self._write()
        else:
            with canvas.part_of(self.node):
                self._write()
            if self.link:
                canvas.link(self.node, key=self.link, says=self.says, box=(0, 0, self.width, self.height))
        self._drawn = True

    def _write(self) -> None:
        canvas, style = self.canv, self.style
        inner, y = self.width - 2 * style.indent, self.height
        for line in self.lines:
            part = self.text.parts[line.part]
            wide = part.width(line.start, part.visible_end(line.start, line.end)) * style.size / 1000
            rightmost = part.base & 1 if style.align == "start" else style.align == "right"
            x = style.indent + (inner - wide if rightmost else 0)
            y -= line.top
            grounds = self.text.grounds[line.part]
            draw_line(
                canvas, part, (line.start, line.end), x=x, y=y, size=style.size, colour=style.colour, grounds=grounds
            )
            y -= line.height - line.top


@functools.lru_cache(maxsize=8192)
def _shaped(spans: tuple[Span, ...], language: str, base: int | None) -> _Text:
    """Spans as stretches between line ends. The first stretch with a direction gives it to all, as one paragraph."""
    texts = [prepared(span.text) for span in spans]
    whole = "".join(texts)
    if base is None:
        base = bidi.levels(whole.replace("\n", " "), None)[1]
    shaped, grounds = [], []
    at = 0
    for words in whole.split("\n"):
        look = _looks(spans, texts, at, at + len(words))
        bold: bool | tuple[tuple[int, int], ...] = tuple((a, b) for a, b, span in look if span.bold)
        if bold in ((), ((0, len(words)),)):
            bold = bool(bold)
        last = at + len(words) == len(whole)
        # A line end is a space to those who read the structure.
        shaped.append(shape(words if last or not words else words + " ", language=language, base=base, bold=bold))
        grounds.append(_kept_grounds(words, [(a, b, span.ground) for a, b, span in look if span.ground]))
        at += len(words) + 1
    return _Text(tuple(shaped), tuple(grounds))


def _looks(spans: Sequence[Span], texts: Sequence[str], start: int, end: int) -> list[tuple[int, int, Span]]:
    """The parts of the spans within a stretch, counted from its start."""
    found, at = [], 0
    for span, text in zip(spans, texts, strict=True):
        a, b = max(at, start), min(at + len(text), end)
        if a < b:
            found.append((a - start, b - start, span))
        at += len(text)
    return found


def _kept_grounds(words: str, grounds: Sequence[tuple[int, int, str]]) -> tuple[tuple[int, int, str], ...]:
    """Grounds counted without the controls of direction, which shaping takes out."""
    if not grounds:
        return ()
    before = [0, *itertools.accumulate(c not in bidi.CONTROLS for c in words)]
    return tuple((before[a], before[b], colour) for a, b, colour in grounds)


@functools.lru_cache(maxsize=8192)
def _laid_out(text: _Text, style: Style, width: float) -> tuple[_Line, ...]:
    thousandths = width * 1000 / style.size
    found = []
    for n, part in enumerate(text.parts):
        for start, end in part.lines(thousandths):
            top, height = _extent(part, start, end, style)
            found.append(_Line(n, start, end, top, height))
    return tuple(found)


def _extent(part: Shaped, start: int, end: int, style: Style) -> tuple[float, float]:
    """Baseline and height of a line: the style's, or more where a face needs more."""
    top, below = style.size, style.leading - style.size
    for run in part.runs:
        if run.end > start and run.start < end and run.face.key not in LAID_OUT:
            top = max(top, run.face.ascent * style.size / 1000 - 0.17 * style.size)
            below = max(below, run.face.descent * style.size / 1000)
    return top, top + below


# --- lines ---------------------------------------------------------------------------------------


def text_width(text: str, size: float, *, bold: bool = False, language: str = "") -> float:
    """Width of one line in points."""
    return _one_line(text, language, bold).reach[-1] * size / 1000


def widest_word(text: str, size: float, *, bold: bool = False, language: str = "") -> float:
    """Width in points of the widest stretch of `text` within which no line may end."""
    shaped = _one_line(text, language, bold)
    stretches = itertools.pairwise([0, *shaped.breaks])
    return max((shaped.width(a, shaped.visible_end(a, b)) for a, b in stretches), default=0.0) * size / 1000


def cut(text: str, width: float, size: float, *, bold: bool = False, language: str = "") -> str:
    """`text` on one line, with an ellipsis where it is wider than `width` points."""
    line = " ".join(prepared(text).split())
    if text_width(line, size, bold=bold, language=language) <= width:
        return line
    shaped = _one_line(line, language, bold)
    room = width - text_width(ELLIPSIS, size, bold=bold)
    fitting = [i for i in graphemes(shaped.text) if i and shaped.width(0, i) * size / 1000 <= room]
    return (shaped.text[: fitting[-1]].rstrip() if fitting else "") + ELLIPSIS


def _one_line(text: str, language: str, bold: bool, base: int | None = None) -> Shaped:
    return shape(prepared(text).replace("\n", " "), language=language, base=base, bold=bold)


def draw_text(
    canvas: Any,
    text: str,
    *,
    x: float,
    y: float,
    size: float,
    bold: bool = False,
    colour: str = "",
    anchor: str = "start",
    base: int | None = None,
) -> None:
    """Write one line with its baseline at `y`; `x` is its start, middle or end from left to right."""
    shaped = _one_line(text, "", bold, base)
    wide = shaped.reach[-1] * size / 1000
    left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
    draw_line(canvas, shaped, (0, len(shaped.text)), x=left, y=y, size=size, colour=colour)


def draw_line(
    canvas: Any,
    part: Shaped,
    line: tuple[int, int],
    *,
    x: float,
    y: float,
    size: float,
    colour: str = "",
    grounds: Sequence[tuple[int, int, str]] = (),
) -> None:
    """Write a stretch of shaped text from `x` on, its baseline at `y`, in the colour given or else the canvas's."""
    start, end = line
    shown = part.visible_end(start, end)
    pieces = part.pieces(start, shown)
    places, at = [0.0] * len(pieces), x
    wide = [sum(c.advance for c in piece.clusters) * size / 1000 for piece in pieces]
    for i in bidi.visual_order([piece.level for piece in pieces]):
        places[i] = at
        at += wide[i]
    if grounds:
        _draw_grounds(canvas, pieces, places, wide, grounds, y=y, size=size)
    # Spaces at the end of a line have no place on it, but words of two lines must not run together.
    for piece in part.pieces(shown, end):
        pieces.append(piece)
        space = sum(c.advance for c in piece.clusters) * size / 1000
        places.append(x - space if part.base & 1 else at)
        wide.append(space)
    if not pieces:
        return
    out = ["BT"]
    if colour:
        out.insert(0, "{:.4g} {:.4g} {:.4g} rg".format(*toColor(colour).rgb()))
    current = ""
    ordered = sorted(zip(pieces, places, strict=True), key=lambda entry: entry[1])
    for n, (piece, left) in enumerate(ordered):
        font = embedded(piece.face, canvas._doc)
        if font.name != current:
            out.append(f"/{font.name} {size:g} Tf")
            current = font.name
        text = part.text[piece.start : piece.end]
        if not piece.level & 1:
            out.append(_left_to_right(piece, font, text, x=left, y=y))
            continue
        marked = (
            part.base == 1 and (n == 0 or not ordered[n - 1][0].level & 1),
            part.base == 1 and n + 1 < len(ordered) and not ordered[n + 1][0].level & 1,
        )
        out.append(_right_to_left(piece, font, text, x=left, y=y, marked=marked))
    out.append("ET")
    canvas._code.append("\n".join(out))


def _left_to_right(piece: Run, font: EmbeddedFace, text: str, *, x: float, y: float) -> str:
    shown, owed = ["<"], 0.0
    for cluster in piece.clusters:
        code = font.code(cluster, text[cluster.start : cluster.end])
        if abs(owed) >= KERN:
            shown.append(f">{owed:.4g}<")
            owed = 0.0
        shown.append(f"{code:04X}")
        owed += font.advances[code] - cluster.advance
    return f"1 0 0 1 {x:.2f} {y:.2f} Tm [{''.join(shown)}>]TJ"


def _right_to_left(piece: Run, font: EmbeddedFace, text: str, *, x: float, y: float, marked: tuple[bool, bool]) -> str:
    """From left to right as it stands on the page, which is how readers of PDF expect it, and turn it around.

    `marked`: a mark of direction on the left or right, so that they take stops and brackets beside a number or at the
    end of the line for part of what is turned around.
    """
    shown, owed = ["<"], 0.0
    if marked[0]:
        shown.append(f"{font.mark(MARK):04X}")
    for cluster in reversed(piece.clusters):
        if abs(owed) >= KERN:
            shown.append(f">{owed:.4g}<")
            owed = 0.0
        for code in font.codes_right_to_left(cluster, text[cluster.start : cluster.end]):
            shown.append(f"{code:04X}")
            owed += font.advances[code]
        owed -= cluster.advance
    if marked[1]:
        shown.append(f"{font.mark(MARK):04X}")
    return f"1 0 0 1 {x:.2f} {y:.2f} Tm [{''.join(shown)}>]TJ"


def _draw_grounds(
    canvas: Any,
    pieces: Sequence[Run],
    places: Sequence[float],
    wide: Sequence[float],
    grounds: Sequence[tuple[int, int, str]],
    *,
    y: float,
    size: float,
) -> None:
    for piece, left, width in zip(pieces, places, wide, strict=True):
        for a, b, colour in grounds:
            start, end = max(a, piece.start), min(b, piece.end)
            if start >= end:
                continue
            before = _until(piece.clusters, start - piece.start) * size / 1000
            after = _until(piece.clusters, end - piece.start) * size / 1000
            from_x = left + (width - after if piece.level & 1 else before)
            canvas.setFillColor(toColor(colour))
            top = max(0.95, (piece.face.ascent - 170) / 1000 if piece.face.key not in LAID_OUT else 0) * size
            foot = max(0.28, piece.face.descent / 1000 if piece.face.key not in LAID_OUT else 0) * size
            canvas.rect(from_x, y - foot, after - before, top + foot, stroke=0, fill=1)


def _until(clusters: Sequence[Cluster], character: int) -> float:
    """Width of what begins before a character."""
    return sum(c.advance for c in clusters if c.start < character)
