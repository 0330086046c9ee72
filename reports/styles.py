"""Papers, colours and sizes of the report. One accent colour, which keeps its order in grey."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reports.charts import GREY, INK
from reports.typesetting.paragraph import Style

ACCENT = "#1F4E79"
TINT = "#F3F6F9"
GROUNDS = ("", "#E1ECF5", "#B4D1E7", "#7FB2D6")  # of words, by strength; all leave dark letters readable


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A sheet and its margins, in points."""

    wide: float
    high: float
    margin: float = 57.0  # 20 mm

    @property
    def width(self) -> float:
        """Of what is set on it."""
        return self.wide - 2 * self.margin

    @property
    def height(self) -> float:
        """Of what is set on it, without running head and foot."""
        return self.high - 2 * self.margin - 22


PAPERS = {"a4": Paper(wide=595.28, high=841.89), "letter": Paper(wide=612, high=792)}


def styles() -> dict[str, Style]:
    """Of all kinds of text, by name."""
    made = [
        _style("kicker", 8.5, 12, colour=ACCENT, bold=True),
        _style("title", 25, 31, space_before=8, space_after=6, colour=ACCENT, bold=True),
        _style("subtitle", 11.5, 16, colour=GREY, space_after=10),
        _style("h1", 17, 22, space_before=18, space_after=8, colour=ACCENT, bold=True),
        _style("h2", 11.5, 15, space_before=12, space_after=5, bold=True),
        _style("h3", 9.5, 13, space_before=10, space_after=3, bold=True),
        _style("body", 9.5, 14, space_after=6),
        _style("lead", 11, 16.5, space_after=8),
        _style("small", 8, 11.5, colour=GREY, space_after=4),
        _style("caption", 8, 11.5, colour=GREY),
        _style("code", 8.5, 13, ground=TINT, padding=7, space_before=8, space_after=10, indent=7),
        _style("item", 9.5, 14, space_after=3),
        _style("bullet", 9.5, 14, colour=ACCENT),
        _style("label", 8.5, 12.5, colour=GREY),
        _style("cell", 8.5, 12.5),
        _style("number", 8.5, 12.5, align="right"),
        _style("contents", 9, 13),
        _style("page", 9, 13, align="right"),
        _style("head", 8, 11, colour=ACCENT, bold=True),
        _style("head-number", 8, 11, colour=ACCENT, align="right", bold=True),
        _style("count", 22, 26, bold=True),
        _style("tile", 8.5, 11.5),
        _style("quote-title", 8, 11.5, bold=True),
        _style("quote", 9, 13),
        _style("running", 8, 10, colour=GREY),
    ]
    return {found.name: found for found in made}


def mirrored(found: dict[str, Style]) -> dict[str, Style]:
    """The same for a document that runs from right to left, whatever language one of its texts is in.

    Numbers in columns stay at the right, where their digits are compared, and commands at the left.
    """
    turned = {name: replace(one, align="right") for name, one in found.items()}
    return {**turned, **{name: replace(found[name], align="left") for name in ("page", "code")}}


def _style(  # the sizes are points: of the letters, and from line to line
    name: str, size: float, leading: float, *, colour: str = INK, **more: object
) -> Style:
    return Style(name=name, size=size, leading=leading, colour=colour, **more)  # type: ignore[arg-type]
