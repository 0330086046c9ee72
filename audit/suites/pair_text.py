r"""How a person writes one pair: "The {nurse|engineer} said that", and the alternatives of its two answers.

Terminal, app and suites read it here, so that the same words mean the same everywhere.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from audit.errors import UsageError


@dataclass(frozen=True)
class Slot:
    """A prompt with one slot, its escapes read."""

    before: str
    base: str
    counterpart: str
    after: str

    def filled(self) -> tuple[str, str]:
        """The whole prompt with the base, and with the counterpart."""
        return self.before + self.base + self.after, self.before + self.counterpart + self.after


def parse_slot(text: str) -> Slot:
    r"""A prompt with one slot, in its parts: "The {nurse|engineer} said" has the nurse as base.

    A side of the slot may be empty. Braces and bars that are meant as such are written `\{`, `\}`, `\|`, a backslash
    before one of them `\\`; outside the slot a bar needs none.

    Raises:
        UsageError: not exactly one slot of exactly two sides.
    """
    signs = _unescaped(text)
    places = {mark: [at for at, sign in enumerate(signs) if sign == (mark, False)] for mark in "{}"}
    opened, closed = places["{"], places["}"]
    if not opened and not closed:
        raise UsageError(
            f"prompt {shortened(text)}: no slot; mark the words to swap, as in The {{nurse|engineer}} said"
        )
    if len(opened) != 1 or len(closed) != 1 or closed[0] < opened[0]:
        raise UsageError(
            rf"prompt {shortened(text)}: not exactly one slot {{base|counterpart}}; keep one slot, "
            r"and write \{ and \} for braces that are meant as such"
        )
    begin, end = opened[0], closed[0]
    bars = [at for at in range(begin, end) if signs[at] == ("|", False)]
    if len(bars) != 1:
        raise UsageError(
            rf"prompt {shortened(text)}: the slot has {len(bars) + 1} sides; "
            r"give two, as in {nurse|engineer}, and write \| for a bar that is meant as such"
        )
    spans = signs[:begin], signs[begin + 1 : bars[0]], signs[bars[0] + 1 : end], signs[end + 1 :]
    return Slot(*("".join(sign for sign, _ in span) for span in spans))


def parse_template(text: str) -> tuple[str, str]:
    """Base and counterpart of a prompt with one slot, each whole (`parse_slot`).

    Raises:
        UsageError: not exactly one slot of exactly two sides.
    """
    return parse_slot(text).filled()


def parse_answer(text: str) -> tuple[str, ...]:
    r"""The alternatives of an answer, separated by bars: " she| they". A bar that is meant as such is written `\|`.

    Raises:
        UsageError: an alternative is empty.
    """
    alternatives = [""]
    for sign, escaped in _unescaped(text):
        if sign == "|" and not escaped:
            alternatives.append("")
        else:
            alternatives[-1] += sign
    if not all(alternatives):
        raise UsageError(f"answer {shortened(text)}: an alternative is empty; give words, as in ' she| they'")
    return tuple(alternatives)


def _unescaped(text: str) -> list[tuple[str, bool]]:
    """Characters, and whether a backslash stood before them; other backslashes are characters themselves."""
    signs: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        escaped = text[at] == "\\" and text[at + 1 : at + 2] in ("{", "}", "|", "\\")
        at += escaped
        signs.append((text[at], escaped))
        at += 1
    return signs


# Characters that change the direction of what follows them.
_TURNS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f", "\u061c"}


def isolated(text: str) -> str:
    """Text that keeps its direction to itself: in FSI and PDI if any of it runs from right to left."""
    bare = "".join(sign for sign in text if sign not in _TURNS)
    turns = any(unicodedata.bidirectional(sign) in ("R", "AL", "AN") for sign in bare)
    return f"\u2068{bare}\u2069" if turns else bare


def shortened(text: str) -> str:
    """User text within an error: its beginning, with its spaces to be seen."""
    return repr(isolated(text if len(text) <= 60 else text[:57] + "..."))
