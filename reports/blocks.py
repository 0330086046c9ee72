"""What a report is made of: plain blocks that know nothing of paper or screens.

`content.py` makes them, `pdf.py` sets them. Texts are plain text, never markup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from audit.records import Verdict


@dataclass(frozen=True, kw_only=True)
class Heading:
    """Level 1 starts a section and stands in the table of contents; 2 and 3 are within one."""

    text: str
    level: Literal[1, 2, 3]
    new_page: bool = False


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph."""

    text: str
    style: Literal["body", "lead", "small", "code"] = "body"


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list of sentences; `marks` gives each its verdict's sign, empty for plain dots."""

    items: tuple[str, ...]
    marks: tuple[Verdict, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names and values, two columns."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many findings have each verdict."""

    counts: tuple[tuple[Verdict, int], ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its heading, its share of the width that words and lines leave, and where its cells stand."""

    title: str
    width: float
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of texts; a `Verdict` cell is set with its sign."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str | Verdict, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One estimate of a plot: its labels, value and interval, in the plot's unit."""

    label: str
    panel: str
    value: float
    low: float
    high: float
    verdict: Verdict
    faint: bool = False  # there to compare with: drawn lighter than the others


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Dots with intervals, one row each; `panel` of the dots splits it into small plots that share the scale."""

    title: str
    unit: str
    dots: tuple[Dot, ...]
    null: float | None  # where the dashed line stands; None where the rows have different ones
    null_label: str
    alt: str
    margin: float | None = None  # smallest distance from `null` that would matter; what is nearer has a light ground


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart that is no row of dots; `draw` makes it (Altair) for a width in points."""

    draw: Callable[[float], Any]
    alt: str  # its caption as well
    data: Table | None = None  # its numbers, for a medium with room for them; None where the blocks after it have them


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Words of an item, under the line that says which."""

    title: str
    lines: tuple[tuple[str, str], ...]  # what the line is ("English, base"), and its words
    languages: tuple[str, ...] = ()  # of the words of each line; empty where all are the report's


@dataclass(frozen=True, kw_only=True)
class Marked:
    """Texts whose words have grounds of different strength; 0 is none, 3 the darkest and bold."""

    title: str
    lines: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]  # what the line is, and its words with their strength
    languages: tuple[str, ...] = ()  # of the words of each line; empty where all are the report's


@dataclass(frozen=True, kw_only=True)
class Group:
    """Blocks that stay together where a page allows."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What has a page of its own and no second one.

    `blocks` always stand on it; of `spare` those that still have room, in order. A medium without pages shows all.
    """

    blocks: tuple[Block, ...]
    spare: tuple[Block, ...] = ()
    cut: tuple[str, ...] = ()  # what to say where the last one, two, ... of `spare` have no room


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Blocks side by side, two or three columns of them; where one column runs on to another page, so may the others.

    They are read column by column. A medium that is too narrow shows them one under the other.
    """

    columns: tuple[tuple[Block, ...], ...]
    shares: tuple[float, ...] = ()  # of the width; empty for equal ones


Block = Heading | Text | Bullets | Facts | Counts | Table | Plot | Picture | Quote | Marked | Group | Sheet | Columns


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole report. `blocks` begin after the title page and the table of contents."""

    title: str
    subtitle: str
    running: str  # head of every page
    front: tuple[Block, ...]
    blocks: tuple[Block, ...]
    language: str = "en"  # of all that does not name another; it gives the direction of the whole
    manifest: Mapping[str, Any] | None = None  # what the report rests on, for machines; plain JSON types
