"""Where a line may end: Unicode's line breaking (UAX #14), words of Thai, and Korean kept together within words.

The rules are those of Unicode 15.0, the classes those of the `regex` package. Thai words come from budoux.
"""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import regex

SIMPLE = regex.compile(r"[\p{lb=AL}\p{lb=HL}\p{lb=NU}\p{lb=CM}]+[,.]?")  # words without a place to break
THAI = regex.compile(r"[\p{Thai}]+")
GRAPHEME = regex.compile(r"\X")
# fmt: off
CLASSES = (
    "BK", "CR", "LF", "NL", "SP", "ZW", "WJ", "GL", "CB", "BA", "BB", "B2", "HY", "HH", "CL", "CP", "EX",
    "IN", "NS", "OP", "QU", "IS", "NU", "PO", "PR", "SY", "AL", "HL", "CJ", "H2", "H3", "JL", "JV", "JT",
    "ID", "EB", "EM", "RI", "SA", "CM", "ZWJ", "SG", "AI", "XX", "AK", "AP", "AS", "VF", "VI"
)
# fmt: on
PATTERNS = tuple((name, regex.compile(rf"\p{{lb={name}}}")) for name in CLASSES)
# LB1, and classes of later versions as 15.0 has them.
AS_15 = {"AI": "AL", "SG": "AL", "XX": "AL", "CJ": "NS", "AK": "AL", "AS": "AL", "AP": "AL", "HH": "BA"}
WIDE = regex.compile(r"[\p{ea=F}\p{ea=W}\p{ea=H}]")
UNASSIGNED_PICTURE = regex.compile(r"[\p{Extended_Pictographic}&&\p{Cn}]", flags=regex.V1)
HARD = frozenset({"BK", "CR", "LF", "NL"})
UNMARKED = frozenset({*HARD, "SP", "ZW"})  # no mark stands on them
OVER_SPACES = frozenset({("QU", "OP"), ("CL", "NS"), ("CP", "NS"), ("B2", "B2")})  # LB15 to LB17
LETTERS, PICTURES, JAMO = ("AL", "HL"), ("ID", "EB", "EM"), ("JL", "JV", "JT", "H2", "H3")
TOGETHER = frozenset(
    {
        ("SY", "HL"),  # LB21b
        *((a, "NU") for a in LETTERS),  # LB23
        *(("NU", a) for a in LETTERS),
        *(("PR", a) for a in (*PICTURES, *LETTERS, *JAMO)),  # LB23a, LB24, LB27
        *((a, "PO") for a in (*PICTURES, *LETTERS, *JAMO)),
        *(("PO", a) for a in LETTERS),
        *((a, "PR") for a in LETTERS),
        *(("JL", a) for a in ("JL", "JV", "H2", "H3")),  # LB26
        *((a, b) for a in ("JV", "H2") for b in ("JV", "JT")),
        *((a, "JT") for a in ("JT", "H3")),
        *((a, b) for a in LETTERS for b in LETTERS),  # LB28
        *(("IS", a) for a in LETTERS),  # LB29
    }
)
HANGUL = regex.compile(r"\p{Hangul}")


def graphemes(text: str) -> list[int]:
    """Where letters with their marks begin, and the end of the text."""
    if text.isascii():
        return list(range(len(text) + 1))
    return [0, *(found.end() for found in GRAPHEME.finditer(text))] if text else [0]


@functools.lru_cache(maxsize=8192)
def breaks(text: str) -> tuple[int, ...]:
    """Offsets at which a line of `text` may end, the end of the text included; never within a letter and its marks.

    Spaces belong to the line before them. Two Hangul syllables are not parted.
    """
    found = set(_plain(text))
    for stretch in THAI.finditer(text):
        found.update(stretch.start() + offset for offset in _thai_words(stretch.group()))
    if not text.isascii():
        whole = set(graphemes(text))
        found = {i for i in found if i in whole and not _within_hangul(text, i)}
    return tuple(sorted(found))


def _within_hangul(text: str, i: int) -> bool:
    return 0 < i < len(text) and bool(HANGUL.match(text[i - 1]) and HANGUL.match(text[i]))


def _plain(text: str) -> list[int]:
    """As `unicode_breaks`, piece by piece: most texts are words of letters with spaces between them."""
    words = text.split(" ")
    if all(SIMPLE.fullmatch(word) for word in words):
        found, at = [], 0
        for word in words:
            at += len(word) + 1
            found.append(at)
        found[-1] = len(text)
        return found if text else []
    return unicode_breaks(text)


@functools.cache
def _parser() -> object:
    import budoux

    return budoux.load_default_thai_parser()


@functools.lru_cache(maxsize=4096)
def _thai_words(text: str) -> tuple[int, ...]:
    """Where words end within a stretch of Thai."""
    at, found = 0, []
    for word in _parser().parse(text):  # type: ignore[attr-defined]
        at += len(word)
        found.append(at)
    return tuple(found[:-1])


@functools.lru_cache(maxsize=16384)
def _class_of(c: str) -> str:
    name = next((name for name, pattern in PATTERNS if pattern.match(c)), "AL")
    if name == "SA":
        return "CM" if regex.match(r"[\p{Mn}\p{Mc}]", c) else "AL"
    if name in ("VF", "VI"):
        return "CM"
    return AS_15.get(name, name)


def unicode_breaks(text: str) -> list[int]:
    """Offsets at which UAX #14 allows or demands the end of a line, for the whole text at once."""
    units = _units(text)
    found: list[int] = []
    state = _State()
    for left, right in itertools.pairwise(units):
        state.read(left)
        if not _joined(left, right, state, text):
            found.append(right.start)
    return [*found, len(text)] if text else []


class _Unit(NamedTuple):
    """A character with the marks on it (LB9): its class, where it begins, and whether it ends in a joiner."""

    kind: str
    start: int
    joiner: bool


def _units(text: str) -> list[_Unit]:
    found: list[_Unit] = []
    for i, c in enumerate(text):
        kind = _class_of(c)
        if kind in ("CM", "ZWJ"):
            if found and found[-1].kind not in UNMARKED:
                found[-1] = found[-1]._replace(joiner=kind == "ZWJ")
                continue
            found.append(_Unit("AL", i, kind == "ZWJ"))  # LB10
        else:
            found.append(_Unit(kind, i, False))
    return found


class _State:
    """What rules need of the text before a place: across spaces, within a number, flags in a row."""

    def __init__(self) -> None:
        self.solid = self.before = ""  # classes of the last character that is no space, and of the one before it
        self.number = ""  # "" | "open" within digits and what joins them | "closed" after a bracket that ends them
        self.flags = 0

    def read(self, unit: _Unit) -> None:
        """Go past `unit`."""
        self.flags = self.flags + 1 if unit.kind == "RI" else 0
        if unit.kind == "NU":
            self.number = "open"
        elif unit.kind in ("CL", "CP") and self.number == "open":
            self.number = "closed"
        elif unit.kind not in ("SY", "IS") or self.number == "closed":
            self.number = ""
        if unit.kind != "SP":
            self.before, self.solid = self.solid, unit.kind


def _joined(left: _Unit, right: _Unit, state: _State, text: str) -> bool:
    """Whether no line may end between two units; the rules in their order, the first that says something decides."""
    a, b = left.kind, right.kind
    if a in HARD:  # LB4, LB5
        return a == "CR" and b == "LF"
    if b in HARD or b in ("SP", "ZW"):  # LB6, LB7
        return True
    if state.solid == "ZW":  # LB8
        return False
    if left.joiner or "WJ" in (a, b) or a == "GL":  # LB8a, LB11, LB12
        return True
    if b == "GL" and a not in ("SP", "BA", "HY"):  # LB12a
        return True
    if b in ("CL", "CP", "EX", "IS", "SY") or (state.solid, b) in OVER_SPACES or state.solid == "OP":  # LB13 to LB17
        return True
    if a == "SP":  # LB18
        return False
    if "QU" in (a, b):  # LB19
        return True
    if "CB" in (a, b):  # LB20
        return False
    if b in ("BA", "HY", "NS", "IN") or a == "BB":  # LB21, LB22
        return True
    if state.before == "HL" and a in ("HY", "BA"):  # LB21a
        return True
    return (a, b) in TOGETHER or _number(a, b, right, state, text) or _wide_or_paired(left, right, state, text)


def _number(a: str, b: str, right: _Unit, state: _State, text: str) -> bool:
    """LB25, with numbers as section 8.2 of UAX #14 describes them."""
    if b == "NU":
        return a in ("PR", "PO", "OP", "HY") or state.number == "open"
    if b in ("PO", "PR"):
        return bool(state.number)
    if a in ("PR", "PO") and b in ("OP", "HY"):
        return right.start + 1 < len(text) and _class_of(text[right.start + 1]) == "NU"
    return False


def _wide_or_paired(left: _Unit, right: _Unit, state: _State, text: str) -> bool:
    """LB30 to LB30b."""
    a, b = left.kind, right.kind
    if b == "OP" and a in ("AL", "HL", "NU"):
        return not WIDE.match(text[right.start])
    if a == "CP" and b in ("AL", "HL", "NU"):
        return not WIDE.match(text[left.start])
    if (a, b) == ("RI", "RI"):
        return state.flags % 2 == 1
    return b == "EM" and (a == "EB" or bool(UNASSIGNED_PICTURE.match(text[left.start])))
