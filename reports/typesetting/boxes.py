"""Flowables of several parts: a sign before a paragraph, and columns side by side. Both split over pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, PageBreak

from reports.typesetting.paragraph import Paragraph

ENDLESS = 1e6  # points


class Signed(Flowable):  # type: ignore[misc] # reportlab has no types
    """A paragraph with a sign beside its first line, where it begins: left, or right in a `turned` document."""

    def __init__(self, sign: Any | None, body: Paragraph, *, gap: float, turned: bool = False) -> None:
        super().__init__()
        self.sign, self.body, self.gap, self.turned = sign, body, gap, turned

    def getSpaceBefore(self) -> float:  # noqa: N802 - reportlab's name
        """Space above, in points."""
        return self.body.getSpaceBefore()

    def getSpaceAfter(self) -> float:  # noqa: N802
        """Space below, in points."""
        return self.body.getSpaceAfter()

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """As high as the paragraph."""
        self.width, self.height = width, self.body.wrap(width - self.gap, height)[1]
        return width, self.height

    def split(self, width: float, height: float) -> list[Any]:
        """The sign stays with the first lines."""
        pieces = self.body.split(width - self.gap, height)
        if len(pieces) < 2:
            return [self] if pieces else []
        signs = (self.sign, *(None,) * (len(pieces) - 1))
        return [Signed(s, p, gap=self.gap, turned=self.turned) for s, p in zip(signs, pieces, strict=True)]

    def draw(self) -> None:
        """Sign, then paragraph."""
        if self.sign is not None:
            wide, high = self.sign.wrap(self.gap, ENDLESS)
            left = self.width - wide if self.turned else 0
            line = self.body.style.leading
            self.sign.drawOn(self.canv, left, self.height - high - max(0.0, (line - high) / 2))
        self.body.drawOn(self.canv, 0 if self.turned else self.gap, 0)


class SideBySide(Flowable):  # type: ignore[misc]
    """Columns of flowables, all beginning at one height; each runs on to the next page on its own."""

    def __init__(self, columns: Sequence[Sequence[Any]], widths: Sequence[float], *, gap: float, turned: bool) -> None:
        super().__init__()
        self.columns = [loose(column) for column in columns]
        self.widths, self.gap, self.turned = widths, gap, turned

    def wrap(self, width: float, height: float) -> tuple[float, float]:  # noqa: ARG002
        """As high as its highest column."""
        self.width = width
        self.height = max((stacked(c, w) for c, w in zip(self.columns, self.widths, strict=True)), default=0.0)
        return width, self.height

    def split(self, width: float, height: float) -> list[Any]:
        """What fits of each column, and the rest; none where nothing of any does."""
        if self.wrap(width, height)[1] <= height:
            return [self]
        first, rest = [], []
        for column, wide in zip(self.columns, self.widths, strict=True):
            fits, left = self._parted(column, wide, height)
            first.append(fits)
            rest.append(left)
        if not any(first):
            return []
        return [SideBySide(part, self.widths, gap=self.gap, turned=self.turned) for part in (first, rest)]

    def _parted(self, column: list[Any], wide: float, room: float) -> tuple[list[Any], list[Any]]:
        used = after = 0.0
        for i, one in enumerate(column):
            space = max(after, one.getSpaceBefore()) if i else 0.0
            high = one.wrapOn(self.canv, wide, ENDLESS)[1]
            if used + space + high > room:
                pieces = one.splitOn(self.canv, wide, room - used - space)
                cut = len(pieces) > 1
                return column[:i] + pieces[:cut], [*(pieces[1:] if cut else [one]), *column[i + 1 :]]
            used, after = used + space + high, one.getSpaceAfter()
        return column, []

    def draw(self) -> None:
        """Column by column, from where the document begins its lines."""
        at = 0.0
        for column, wide in zip(self.columns, self.widths, strict=True):
            left = self.width - at - wide if self.turned else at
            y, after = self.height, 0.0
            for i, one in enumerate(column):
                y -= max(after, one.getSpaceBefore()) if i else 0.0
                y -= one.wrapOn(self.canv, wide, ENDLESS)[1]
                one.drawOn(self.canv, left, y)
                after = one.getSpaceAfter()
            at += wide + self.gap


def stacked(flowables: Sequence[Any], width: float) -> float:
    """Height of flowables one under the other; of two spaces that meet, the larger counts."""
    high: float = 0
    after: float = 0
    for i, one in enumerate(loose(flowables)):
        high += max(after, one.getSpaceBefore()) if i else 0.0
        high += one.wrap(width, ENDLESS)[1]
        after = one.getSpaceAfter()
    return high


def loose(flowables: Sequence[Any]) -> list[Any]:
    """Without what only tells a page where to end: groups as their members, no breaks."""
    found: list[Any] = []
    for one in flowables:
        if isinstance(one, KeepTogether):
            found += loose(one._content)
        elif not isinstance(one, CondPageBreak | PageBreak):
            found.append(one)
    return found
