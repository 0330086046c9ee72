"""The faces that come with the package, and which of them draws a character."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import ResourceError

FONT_DIR = Path(__file__).parents[1] / "fonts"
LATIN, SIGNS = "NotoSans", "NotoSansSC-Signs"
# In the order in which they are asked; the first that has a letter and its marks draws them.
FACES = (
    LATIN,
    SIGNS,
    "NotoNaskhArabic",
    "NotoSansArabic",
    "NotoNastaliqUrdu",
    "NotoSansHebrew",
    "NotoSansDevanagari",
    "NotoSansBengali",
    "NotoSansTamil",
    "NotoSansTelugu",
    "NotoSansThai",
    "NotoSansEthiopic",
    "NotoSansSC",
    "NotoSansTC",
    "NotoSansJP",
    "NotoSansKR",
)
FILES = {LATIN: ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf")}  # others: one file, with a weight axis or without
# Languages that share characters and want their own shapes of them, or their own punctuation.
OWN = {
    "ar": "NotoNaskhArabic",
    "fa": "NotoNaskhArabic",
    "ur": "NotoNastaliqUrdu",
    "zh-Hans": "NotoSansSC",
    "zh": "NotoSansSC",
    "zh-Hant": "NotoSansTC",
    "ja": "NotoSansJP",
    "ko": "NotoSansKR",
    "he": "NotoSansHebrew",
    "hi": "NotoSansDevanagari",
    "bn": "NotoSansBengali",
    "ta": "NotoSansTamil",
    "te": "NotoSansTelugu",
    "th": "NotoSansThai",
    "am": "NotoSansEthiopic",
}
BOLDER = {"NotoNaskhArabic": "NotoSansArabic"}  # stands in where bold is wanted and the face has none
LATIN_SCRIPTS = frozenset({"Latn", "Grek", "Cyrl"})
IDEOGRAPHIC = frozenset({"NotoSansSC", "NotoSansTC", "NotoSansJP", "NotoSansKR"})
FIGURES = frozenset("0123456789+-−.,%/[]()=<>")
BOLD_WEIGHT = 700
SHOWN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")  # signs, though of class Cf
# Ascent and descent of what is written as a rule, where a face states those of its tallest stacks of marks.
USUAL = {"NotoNaskhArabic": (1200.0, 580.0), "NotoSansArabic": (1100.0, 450.0)}


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one weight; lengths are thousandths of the size."""

    key: str
    bold: bool  # whether it is bolder than the same face without
    blob: Any  # hb.Face
    font: Any  # hb.Font at this weight
    axes: tuple[tuple[str, float], ...]  # where the variable face stands
    coverage: frozenset[int]
    scale: float  # thousandths of the size in one unit of the face
    ascent: float
    descent: float

    def draws(self, text: str) -> bool:
        """Whether it has a glyph for each character that shows."""
        return all(ord(c) in self.coverage or is_invisible(c) for c in text)

    def advance(self, glyph: int) -> float:
        """Of one glyph on its own."""
        return float(self.font.get_glyph_h_advance(glyph)) * self.scale


@functools.cache
def face(key: str, *, bold: bool = False) -> Face:
    """A face of the package; without a bold weight of its own, the regular one stands in.

    Raises:
        ResourceError: its file is not there.
    """
    import uharfbuzz as hb

    if bold and key in BOLDER:
        key = BOLDER[key]
    files = FILES.get(key, (f"{key}.ttf",))
    path = FONT_DIR / files[-1 if bold else 0]
    if not path.exists():
        raise ResourceError(f"report: the face {path.name} is missing; install plural-audit again")
    blob = hb.Face(hb.Blob.from_file_path(str(path)))
    variable = {axis.tag: axis.default_value for axis in blob.axis_infos}
    if "wght" in variable and bold:
        variable["wght"] = BOLD_WEIGHT
    if bold and len(files) == 1 and "wght" not in variable:
        return face(key)
    font = hb.Font(blob)
    if variable:
        font.set_variations(variable)
    extents, scale = font.get_font_extents("ltr"), 1000 / blob.upem
    ascent, descent = USUAL.get(key, (extents.ascender * scale, -extents.descender * scale))
    return Face(
        key=key,
        bold=bold,
        blob=blob,
        font=font,
        axes=tuple(sorted(variable.items())),
        coverage=frozenset(blob.unicodes),
        scale=scale,
        ascent=ascent,
        descent=descent,
    )


@functools.lru_cache(maxsize=4096)
def is_invisible(c: str) -> bool:
    """Whether a character shows nothing of itself: joiners, controls of direction, selectors of a variant."""
    return (unicodedata.category(c) == "Cf" and c not in SHOWN) or c == "\u034f" or "\ufe00" <= c <= "\ufe0f"


@functools.lru_cache(maxsize=16384)
def script_of(c: str) -> str:
    """ISO 15924 code of a character's script."""
    from fontTools import unicodedata as scripts

    return str(scripts.script(c))


@functools.lru_cache(maxsize=32768)
def choice(letter: str, language: str) -> str | None:
    """Key of the face that draws a letter with its marks in texts of `language`; None where no face has all of it."""
    own = OWN.get(language) or OWN.get(language.split("-")[0])
    # Figures among ideographs are those of the Latin face: of its weight where bold is wanted, and narrow.
    latin = script_of(letter[0]) in LATIN_SCRIPTS or (own in IDEOGRAPHIC and letter[0] in FIGURES)
    order: Sequence[str] = FACES if own is None or latin else (own, *FACES)
    return next((key for key in order if face(key).draws(letter)), None)


def first_missing(text: str) -> str | None:
    """The first character of `text` that no face draws."""
    return next((c for c in text if not is_drawn(c)), None)


@functools.lru_cache(maxsize=32768)
def is_drawn(c: str) -> bool:
    """Whether some face draws the character, or it shows nothing."""
    return c == "\n" or is_invisible(c) or any(ord(c) in face(key).coverage for key in FACES)


def named(c: str) -> str:
    """A character by code point and name."""
    return f"U+{ord(c):04X} ({unicodedata.name(c, 'a control character or unassigned')})"
