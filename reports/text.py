"""Text on its way into the PDF: checked against the faces so that nothing is ever drawn as a box, and cut to a width.

What the faces draw is drawn in its own script (`reports.typesetting`). A character that no face has stops the build by
name, but in words that are quoted from elsewhere, where it is spelled out.
"""

from __future__ import annotations

import unicodedata

from audit.errors import ResourceError
from reports.typesetting.bidi import isolated
from reports.typesetting.faces import FONT_DIR, LATIN, face, first_missing, is_drawn, named
from reports.typesetting.shaping import prepared

__all__ = ["FONT_DIR", "can_draw", "checked", "is_legible", "is_plain", "isolated", "label", "spelled_out", "width"]
LONGEST_PLACE = 60  # characters of a text in an error
LABEL_SIZE = 8.0  # points, of labels in charts


def can_draw(text: str) -> bool:
    """Whether the bundled faces set `text` as its readers write it.

    False for characters that no face has, and for a mark without a letter before it.
    """
    plain = prepared(text)
    return _first_missing(plain) is None and not (plain and unicodedata.category(plain[0]) in ("Mn", "Me", "Mc"))


def is_legible(text: str) -> bool:
    """Whether what the faces lack in `text` are signs alone, such as emoji: it can be read with them spelled out."""
    return all(is_drawn(c) or not unicodedata.category(c).startswith(("L", "M")) for c in text)


def is_plain(text: str) -> bool:
    """Whether the Latin face alone draws it."""
    return face(LATIN).draws(text)


def spelled_out(text: str) -> str:
    """`text` with each character that cannot be drawn named, as in "[U+1F600]": for words quoted from elsewhere."""
    return "".join(c if is_drawn(c) else f"[U+{ord(c):04X}]" for c in prepared(text))


def checked(text: str, *, place: str) -> str:
    """`text`, all of which the faces draw.

    Raises:
        ResourceError: they lack a character; the message gives its name and where it stands.
    """
    c = _first_missing(prepared(text))
    if c is None:
        return text
    at = max(0, text.find(c))
    begin = max(0, at - LONGEST_PLACE // 2)
    around = spelled_out(text[begin : begin + LONGEST_PLACE]).replace("\n", " ")
    shown = f"{'…' if begin else ''}{around}{'…' if len(text) > begin + LONGEST_PLACE else ''}"
    raise ResourceError(
        f'report, {place}: "{shown}" holds {named(c)}, which no bundled face can draw; '
        "write it in a script that docs/report.md lists"
    )


def width(text: str, size: float = LABEL_SIZE, *, bold: bool = False) -> float:
    """Of a text on one line, in points."""
    from reports.typesetting.paragraph import text_width

    return text_width(spelled_out(text), size, bold=bold)


def label(text: str, most: float, size: float = LABEL_SIZE, *, bold: bool = False) -> str:
    """`text` as a label of a chart: on one line no wider than `most` points, cut between letters where it must be."""
    from reports.typesetting.paragraph import cut

    return cut(spelled_out(text), most, size, bold=bold)


def _first_missing(text: str) -> str | None:
    return None if text.isascii() and text.isprintable() else first_missing(text)
