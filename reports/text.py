"""Text on its way into the PDF: escaped, and checked against the faces so that nothing is ever drawn as a box.

The bundled faces draw Latin (with Yoruba, Hausa, Vietnamese letters), Greek and Cyrillic. Scripts that need shaping or
right-to-left order are not drawn at all in this version: a wrong letter is worse than a pointer to the original.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path
from xml.sax.saxutils import escape

from audit.errors import ResourceError

FONT_DIR = Path(__file__).parent / "fonts"
REGULAR, BOLD, SIGNS = "NotoSans", "NotoSans-Bold", "NotoSansSC-Signs"
FILES = {REGULAR: "NotoSans-Regular.ttf", BOLD: "NotoSans-Bold.ttf", SIGNS: "NotoSansSC-Signs.ttf"}


def register_faces() -> None:
    """Make the bundled faces known to reportlab, once per process."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    known = set(pdfmetrics.getRegisteredFontNames())
    for name, file in FILES.items():
        if name not in known:
            pdfmetrics.registerFont(TTFont(name, str(FONT_DIR / file)))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


@functools.lru_cache(maxsize=8)
def coverage(name: str) -> frozenset[int]:
    """Code points that the face `name` has a glyph for."""
    from reportlab.pdfbase.ttfonts import TTFontFile

    return frozenset(TTFontFile(str(FONT_DIR / FILES[name])).charToGlyph)


def can_draw(text: str) -> bool:
    """Whether the bundled faces set `text` as its readers write it.

    False for characters without a glyph, and for combining marks that have no precomposed letter: their place over the
    letter needs shaping.
    """
    plain = _prepared(text)
    return all(_face_of(c) is not None and not unicodedata.combining(c) for c in plain if c != "\n")


def spelled_out(text: str) -> str:
    """`text` with each character that cannot be drawn named, as in "[U+6C34]": for fragments quoted in reasons."""
    return "".join(c if c == "\n" or _face_of(c) is not None else f"[U+{ord(c):04X}]" for c in _prepared(text))


def markup(text: str) -> str:
    """`text` as reportlab paragraph markup that shows exactly its characters.

    Raises:
        ResourceError: a character has no glyph in any bundled face; the message names it.
    """
    runs: list[tuple[str, list[str]]] = []
    for c in _prepared(text):
        face = REGULAR if c == "\n" else _face_of(c)
        if face is None:
            raise ResourceError(_missing(c, text))
        if not runs or runs[-1][0] != face:
            runs.append((face, []))
        runs[-1][1].append(c)
    return "".join(_run(face, "".join(chars)) for face, chars in runs)


def _prepared(text: str) -> str:
    """Composed letters, tabs as spaces, one kind of line end, and no invisible format characters."""
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(c for c in lines if unicodedata.category(c) != "Cf")


def _face_of(c: str) -> str | None:
    if ord(c) in coverage(REGULAR) and ord(c) in coverage(BOLD):
        return REGULAR
    return SIGNS if ord(c) in coverage(SIGNS) else None


def _run(face: str, chars: str) -> str:
    safe = escape(chars).replace("\n", "<br/>")
    return f'<font name="{SIGNS}">{safe}</font>' if face == SIGNS else safe


def _missing(c: str, text: str) -> str:
    name = unicodedata.name(c, "a control character or unassigned")
    ascii_only = spelled_out(text)
    shown = ascii_only if len(ascii_only) <= 60 else ascii_only[:59] + "…"
    return (
        f'report: "{shown}" holds U+{ord(c):04X} ({name}), which no bundled face can draw; '
        "write it in Latin, Greek or Cyrillic letters in the suite's labels and texts of its declaration"
    ).replace("\n", " ")
