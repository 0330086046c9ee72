"""In which order characters stand on a line: the Unicode bidirectional algorithm, UAX #9.

Levels rather than a reordered string, since runs are shaped before they are put in order. Passes every line of
Unicode's BidiCharacterTest.txt. The time it takes grows with the text's length alone, whatever the text says.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

ISOLATES = frozenset({"LRI", "RLI", "FSI"})
EMBEDDINGS = frozenset({"LRE", "RLE", "LRO", "RLO"})
REMOVED = frozenset({*EMBEDDINGS, "PDF", "BN"})  # X9: they take part in nothing
NEUTRAL = frozenset({"B", "S", "WS", "ON", "PDI", *ISOLATES})
TRAILING = frozenset({"WS", "PDI", *ISOLATES, *REMOVED})
RIGHTWARD = frozenset({"R", "AL"})
DEEPEST = 125
MOST_OPEN_BRACKETS = 63  # BD16
CANONICAL = {"\u2329": "\u3008", "\u232a": "\u3009"}
ORIGIN = {"R": "R", "EN": "R", "AN": "R", "L": "L"}  # N0, N1: numbers count as right-to-left
LRI, FSI, PDI = "\u2066", "\u2068", "\u2069"
CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def isolated(text: str) -> str:
    """`text` for use within a sentence of another direction: kept together there, and changing nothing around it."""
    plain = "".join(c for c in text if c not in CONTROLS)
    return f"{FSI}{plain}{PDI}" if any(_class_of(c) in RIGHTWARD for c in plain) else plain


def levels(text: str, base: int | None = None) -> tuple[list[int], int]:
    """The level of each character (odd is right to left) and that of the paragraph.

    Args:
        text: one paragraph.
        base: its level, 0 or 1; None takes it from the first letter with a direction (P2, P3).
    """
    if base is None and text.isascii():
        base = 0
    if base == 0 and text.isascii():
        return [0] * len(text), 0  # nothing in ASCII runs right to left
    classes = [_class_of(c) for c in text]
    closing = _matching(classes)
    if base is None:
        base = _first_strong(classes, 0, len(classes), closing)
    found, resolved = _explicit(classes, closing, base)
    embedded = found[:]
    for sequence in _sequences(classes, embedded, closing, base):
        _resolve(sequence, text, classes, resolved, found)
    _trailing(classes, found, base)
    return found, base


def visual_order(line: Sequence[int]) -> list[int]:
    """Places of the line's pieces from left to right, given the level of each (L2)."""
    order = list(range(len(line)))
    if not line:
        return order
    lowest_odd = min((level for level in line if level & 1), default=max(line) + 1)
    for level in range(max(line), lowest_odd - 1, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and line[order[end]] >= level:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = max(end, start + 1)
    return order


@functools.lru_cache(maxsize=8192)
def _class_of(c: str) -> str:
    return unicodedata.bidirectional(c) or "L"


def _matching(classes: Sequence[str]) -> dict[int, int]:
    """Each isolate initiator with its PDI (BD9)."""
    found: dict[int, int] = {}
    waiting: list[int] = []
    for i, c in enumerate(classes):
        if c in ISOLATES:
            waiting.append(i)
        elif c == "PDI" and waiting:
            found[waiting.pop()] = i
    return found


def _first_strong(classes: Sequence[str], start: int, end: int, closing: dict[int, int]) -> int:
    i = start
    while i < end:
        c = classes[i]
        if c == "L":
            return 0
        if c in RIGHTWARD:
            return 1
        i = closing.get(i, end) + 1 if c in ISOLATES else i + 1
    return 0


@dataclass
class _Status:
    """One entry of the stack of rules X1 to X8."""

    level: int
    override: str
    isolate: bool


def _explicit(classes: Sequence[str], closing: dict[int, int], base: int) -> tuple[list[int], list[str]]:
    """Embedding levels, and classes after overrides (X1 to X8)."""
    found, resolved = [base] * len(classes), list(classes)
    stack = [_Status(base, "", False)]
    too_many_isolates = too_many_embeddings = isolates = 0
    for i, c in enumerate(classes):
        found[i] = stack[-1].level
        if c in EMBEDDINGS:
            new = _next_level(stack[-1].level, right=c[0] == "R")
            if new <= DEEPEST and not too_many_isolates and not too_many_embeddings:
                stack.append(_Status(new, {"RLO": "R", "LRO": "L"}.get(c, ""), False))
            elif not too_many_isolates:
                too_many_embeddings += 1
        elif c in ISOLATES:
            resolved[i] = stack[-1].override or c
            right = c == "RLI" or (
                c == "FSI" and _first_strong(classes, i + 1, closing.get(i, len(classes)), closing) == 1
            )
            new = _next_level(stack[-1].level, right=right)
            if new <= DEEPEST and not too_many_isolates and not too_many_embeddings:
                isolates += 1
                stack.append(_Status(new, "", True))
            else:
                too_many_isolates += 1
        elif c == "PDI":
            if too_many_isolates:
                too_many_isolates -= 1
            elif isolates:
                too_many_embeddings = 0
                while not stack[-1].isolate:
                    stack.pop()
                stack.pop()
                isolates -= 1
            found[i] = stack[-1].level
            resolved[i] = stack[-1].override or c
        elif c == "PDF":
            if too_many_isolates:
                continue
            if too_many_embeddings:
                too_many_embeddings -= 1
            elif not stack[-1].isolate and len(stack) > 1:
                stack.pop()
        elif c == "B":
            found[i] = base
        elif c != "BN":
            resolved[i] = stack[-1].override or c
    return found, resolved


def _next_level(level: int, *, right: bool) -> int:
    return (level + 1) | 1 if right else (level + 2) & ~1


@dataclass(frozen=True)
class _Sequence:
    """An isolating run sequence (BD13): its characters, and the directions before and after it."""

    places: list[int]
    level: int
    before: str
    after: str


def _sequences(classes: Sequence[str], embedded: Sequence[int], closing: dict[int, int], base: int) -> list[_Sequence]:
    """All of them, with sos and eos from the embedding levels (X10)."""
    kept = [i for i, c in enumerate(classes) if c not in REMOVED]
    runs: list[list[int]] = []
    for i in kept:
        if runs and embedded[runs[-1][-1]] == embedded[i]:
            runs[-1].append(i)
        else:
            runs.append([i])
    starting = {run[0]: run for run in runs}
    continued = set(closing.values())
    after = dict(itertools.pairwise(kept))
    before = {j: i for i, j in after.items()}
    found = []
    for run in runs:
        if classes[run[0]] == "PDI" and run[0] in continued:
            continue  # belongs to the sequence of its initiator
        places = list(run)
        while classes[places[-1]] in ISOLATES and closing.get(places[-1]) in starting:
            places += starting[closing[places[-1]]]
        level, last = embedded[places[0]], places[-1]
        outer = embedded[before[places[0]]] if places[0] in before else base
        open_end = classes[last] in ISOLATES and last not in closing
        inner = base if open_end or last not in after else embedded[after[last]]
        found.append(_Sequence(places, level, _side(max(level, outer)), _side(max(level, inner))))
    return found


def _side(level: int) -> str:
    return "R" if level & 1 else "L"


def _resolve(sequence: _Sequence, text: str, classes: Sequence[str], resolved: Sequence[str], found: list[int]) -> None:
    """Write the final levels of one sequence into `found`."""
    kinds = _weak([resolved[i] for i in sequence.places], sequence.before)
    _brackets(kinds, sequence, text, classes)
    _neutral(kinds, sequence)
    for i, kind in zip(sequence.places, kinds, strict=True):  # I1, I2
        if sequence.level & 1:
            found[i] = sequence.level + (kind in ("L", "EN", "AN"))
        else:
            found[i] = sequence.level + {"R": 1, "AN": 2, "EN": 2}.get(kind, 0)


def _weak(kinds: list[str], before: str) -> list[str]:
    """Numbers and marks (W1 to W7)."""
    previous = strong = before
    for i, kind in enumerate(kinds):
        if kind == "NSM":  # W1
            kind = "ON" if previous in ISOLATES or previous == "PDI" else previous
        previous = kind
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":  # W2
            kind = "AN"
        kinds[i] = kind
    kinds = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for i in range(1, len(kinds) - 1):  # W4
        around = kinds[i - 1]
        if around == kinds[i + 1] and (
            (kinds[i] in ("ES", "CS") and around == "EN") or (kinds[i] == "CS" and around == "AN")
        ):
            kinds[i] = around
    _terminators(kinds)
    strong = before
    for i, kind in enumerate(kinds):
        if kind in ("ES", "ET", "CS"):  # W6
            kinds[i] = "ON"
        elif kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":  # W7
            kinds[i] = "L"
    return kinds


def _terminators(kinds: list[str]) -> None:
    """Signs such as % and $ that touch a number go with it (W5)."""
    start = 0
    while start < len(kinds):
        if kinds[start] != "ET":
            start += 1
            continue
        end = start
        while end < len(kinds) and kinds[end] == "ET":
            end += 1
        if (start and kinds[start - 1] == "EN") or (end < len(kinds) and kinds[end] == "EN"):
            kinds[start:end] = ["EN"] * (end - start)
        start = end


@functools.cache
def _bracket_pairs() -> dict[str, str]:
    """Opening bracket -> closing one, as BidiBrackets.txt has them: mirrored Ps and Pe that stand side by side."""
    found = {"(": ")", "[": "]", "{": "}"}
    for code in range(0x0F3A, 0x10000):
        a, b = chr(code), chr(code + 1)
        if (
            unicodedata.category(a) == "Ps"
            and unicodedata.category(b) == "Pe"
            and unicodedata.bidirectional(a) == "ON"
            and unicodedata.mirrored(a)
        ):
            found[a] = b
    return found | {"\u298d": "\u2990", "\u298f": "\u298e"}


@functools.cache
def _closing_brackets() -> frozenset[str]:
    return frozenset(_bracket_pairs().values())


def _brackets(kinds: list[str], sequence: _Sequence, text: str, classes: Sequence[str]) -> None:
    """Both brackets of a pair take one direction (N0)."""
    own = _side(sequence.level)
    pairs = _pairs(kinds, sequence.places, text)
    seen, context = 0, sequence.before
    for a, b in pairs:
        for kind in kinds[seen:a]:  # the strong direction before the pair; read once for all pairs
            context = ORIGIN.get(kind, context)
        seen = max(seen, a)
        inside = {ORIGIN[kind] for kind in kinds[a + 1 : b] if kind in ORIGIN}
        if not inside:
            continue
        side = own if own in inside or context == own else _other(own)
        for place in (a, b):
            kinds[place] = side
            after = place + 1
            while after < len(kinds) and classes[sequence.places[after]] == "NSM":
                kinds[after] = side
                after += 1


def _other(side: str) -> str:
    return "L" if side == "R" else "R"


def _pairs(kinds: Sequence[str], places: Sequence[int], text: str) -> list[tuple[int, int]]:
    opening, closing = _bracket_pairs(), _closing_brackets()
    waiting: list[tuple[str, int]] = []
    found: list[tuple[int, int]] = []
    for at, i in enumerate(places):
        if kinds[at] != "ON":
            continue
        c = CANONICAL.get(text[i], text[i])
        if c in opening:
            if len(waiting) == MOST_OPEN_BRACKETS:
                break
            waiting.append((opening[c], at))
        elif c in closing:
            for depth in range(len(waiting) - 1, -1, -1):
                if waiting[depth][0] == c:
                    found.append((waiting[depth][1], at))
                    del waiting[depth:]
                    break
    return sorted(found)


def _neutral(kinds: list[str], sequence: _Sequence) -> None:
    """Spaces and signs go with equal neighbours, or else with the sequence (N1, N2)."""
    own = _side(sequence.level)
    start = 0
    while start < len(kinds):
        if kinds[start] not in NEUTRAL:
            start += 1
            continue
        end = start
        while end < len(kinds) and kinds[end] in NEUTRAL:
            end += 1
        left = ORIGIN[kinds[start - 1]] if start else sequence.before
        right = ORIGIN[kinds[end]] if end < len(kinds) else sequence.after
        kinds[start:end] = [left if left == right else own] * (end - start)
        start = end


def _trailing(classes: Sequence[str], found: list[int], base: int) -> None:
    """Removed characters follow their neighbour; separators and spaces before them and at the end go back (L1)."""
    previous = base
    for i, c in enumerate(classes):
        if c in REMOVED:
            found[i] = previous
        previous = found[i]
    at_end = True
    for i in range(len(classes) - 1, -1, -1):
        if classes[i] in ("B", "S"):
            found[i], at_end = base, True
        elif at_end and classes[i] in TRAILING:
            found[i] = base
        else:
            at_end = False
