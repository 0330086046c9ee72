"""Text to glyphs: runs of one face, script and direction, shaped by HarfBuzz, with each letter's width known.

Shapes are remembered, so that a text that is set twice, or stands on many pages, is shaped once.
"""

from __future__ import annotations

import bisect
import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from audit.errors import ResourceError
from reports.typesetting import bidi
from reports.typesetting.breaks import breaks, graphemes
from reports.typesetting.faces import LATIN, Face, choice, face, is_drawn, named, script_of

JOINING = frozenset({"Arab", "Syrc", "Mong", "Nkoo", "Adlm"})  # letters that look at their neighbours
CONTEXT = 5  # neighbours that HarfBuzz looks at
MOST_MARKS = 6  # on one letter that stand where the face puts them; more are kept within the line
HIGHEST, LOWEST = 350, -350  # thousandths of the size by which such marks may be moved
LINE_ENDS = ("\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c")
LANGUAGES_OF = {
    "Hang": "ko",
    "Hani": "zh-Hans",
    "Arab": "ar",
    "Hebr": "he",
    "Deva": "hi",
    "Beng": "bn",
    "Taml": "ta",
    "Telu": "te",
    "Thai": "th",
    "Ethi": "am",
}
RIGHT_TO_LEFT = frozenset({"ar", "fa", "ur", "he", "ps", "sd", "ug", "yi", "ckb", "dv"})


class Glyph(NamedTuple):
    """A glyph and how far from its letter's origin it stands, in thousandths of the size."""

    id: int
    x: int
    y: int


class Cluster(NamedTuple):
    """Characters drawn as one: where they stand in the run's text, how wide they are, and their glyphs."""

    start: int
    end: int
    advance: float
    glyphs: tuple[Glyph, ...]
    safe: bool  # the run may be cut before it without another look


@dataclass(frozen=True, eq=False)
class Run:
    """A stretch of one face, script and level; its clusters count characters from `start`, in logical order."""

    start: int
    end: int
    level: int
    script: str
    face: Face
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True, eq=False)
class Shaped:
    """A paragraph without line ends, ready to be cut into lines; widths in thousandths of the size."""

    text: str
    base: int  # level of the paragraph: 1 is right to left
    language: str
    runs: tuple[Run, ...]
    reach: tuple[float, ...]  # width of the text up to each character, as if on one endless line
    breaks: tuple[int, ...]

    @functools.cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each run begins."""
        return tuple(run.start for run in self.runs)

    def width(self, start: int, end: int) -> float:
        """Of a stretch, without what its ends would change."""
        return self.reach[end] - self.reach[start]

    def visible_end(self, start: int, end: int) -> int:
        """`end` without the spaces before it."""
        while end > start and self.text[end - 1].isspace():
            end -= 1
        return end

    def lines(self, width: float) -> list[tuple[int, int]]:
        """Cut into lines no wider than `width`: at the last break that fits, or else between letters."""
        found: list[tuple[int, int]] = []
        start, total = 0, len(self.text)
        letters: list[int] | None = None
        while start < total:
            # Every break whose text without trailing spaces may fit lies before the first that is too far.
            at = bisect.bisect_right(self.reach, self.reach[start] + width + 0.01, lo=start) - 1
            last = bisect.bisect_right(self.breaks, at)
            while last < len(self.breaks) and self._fits(start, self.breaks[last], width):
                last += 1
            end = self.breaks[last - 1] if last else start
            if end <= start:
                if letters is None:
                    letters = graphemes(self.text)
                place = bisect.bisect_right(letters, at)
                end = letters[place - 1] if letters[place - 1] > start else letters[bisect.bisect(letters, start)]
            found.append((start, end))
            start = end
        return found or [(0, 0)]

    def _fits(self, start: int, end: int, width: float) -> bool:
        return self.width(start, self.visible_end(start, end)) <= width + 0.01

    def pieces(self, start: int, end: int) -> list[Run]:
        """The runs of a line in logical order, cut to it and shaped anew where the cut changes letters."""
        first = max(0, bisect.bisect_right(self.starts, start) - 1)
        found = []
        for run in self.runs[first:]:
            if run.start >= end:
                break
            a, b = max(start, run.start), min(end, run.end)
            if a < b:
                found.append(run if (a, b) == (run.start, run.end) else self._cut(run, a, b))
        return found

    def _cut(self, run: Run, start: int, end: int) -> Run:
        starts = [c.start for c in run.clusters]
        a, b = start - run.start, end - run.start
        i = bisect.bisect_left(starts, a)
        j = bisect.bisect_left(starts, b)
        clean = (
            i < len(starts)
            and starts[i] == a
            and run.clusters[i].safe
            and (j == len(starts) or (starts[j] == b and run.clusters[j].safe))
        )
        if clean:
            moved = tuple(c._replace(start=c.start - a, end=c.end - a) for c in run.clusters[i:j])
        else:
            moved = _shape_stretch(self.text, start, end, run.face, run.script, self.language, run.level)
        return Run(start, end, run.level, run.script, run.face, moved)


def prepared(text: str) -> str:
    """Composed letters, tabs as spaces, one kind of line end."""
    plain = text
    for end in LINE_ENDS:
        plain = plain.replace(end, "\n")
    return unicodedata.normalize("NFC", plain.replace("\t", " "))


def language_in(text: str, language: str) -> str:
    """`language`, or else the one that the first script of `text` speaks for; ideographs beside kana are Japanese."""
    if language or text.isascii():
        return language
    scripts = dict.fromkeys(script_of(c) for c in text)
    first = next((script for script in scripts if script not in ("Zyyy", "Zinh")), "")
    return "ja" if {"Hira", "Kana"} & set(scripts) else LANGUAGES_OF.get(first, "")


def base_of(language: str) -> int | None:
    """Level of a paragraph by its language; None leaves it to its first letter."""
    if not language:
        return None
    return int(language.split("-")[0] in RIGHT_TO_LEFT)


@functools.lru_cache(maxsize=8192)
def shape(
    text: str, *, language: str = "", base: int | None = 0, bold: tuple[tuple[int, int], ...] | bool = False
) -> Shaped:
    """Shape one paragraph, which holds no line end and is `prepared`.

    Args:
        text: of the paragraph. Controls of direction have their effect and are then gone.
        language: BCP 47 code, which chooses among faces; "" leaves that to the script.
        base: level of the paragraph; None takes it from the first letter with a direction.
        bold: all of it, or the stretches that are.

    Raises:
        ResourceError: no face has a character; the message names it.
    """
    language = language_in(text, language)
    levels, base = bidi.levels(text, base)
    heavy = _flags(len(text), bold)
    kept = [i for i, c in enumerate(text) if c not in bidi.CONTROLS]
    if len(kept) < len(text):
        levels, heavy = [levels[i] for i in kept], [heavy[i] for i in kept]
        text = "".join(text[i] for i in kept)
    faces, scripts = _faces(text, language, heavy), _scripts(text)
    runs: list[Run] = []
    reach = [0.0]
    start = 0
    for i in range(1, len(text) + 1):
        if i < len(text) and (faces[i] is faces[start] and scripts[i] == scripts[start] and levels[i] == levels[start]):
            continue
        if start < i:
            clusters = _shape_stretch(text, start, i, faces[start], scripts[start], language, levels[start])
            runs.append(Run(start, i, levels[start], scripts[start], faces[start], clusters))
            for cluster in clusters:
                reach += [reach[-1] + cluster.advance] * (cluster.end - cluster.start)
        start = i
    return Shaped(text, base, language, tuple(runs), tuple(reach), breaks(text))


def _flags(size: int, bold: tuple[tuple[int, int], ...] | bool) -> list[bool]:
    if isinstance(bold, bool):
        return [bold] * size
    found = [False] * size
    for start, end in bold:
        found[start:end] = [True] * (end - start)
    return found


def _faces(text: str, language: str, heavy: Sequence[bool]) -> list[Face]:
    """A face for each character: one for a letter with its marks; spaces stay with what stands before them."""
    found: list[Face] = []
    for a, b in pairwise(graphemes(text)):
        letter = text[a:b]
        if letter == " " and found and found[-1].bold == heavy[a] and found[-1].draws(letter):
            found.append(found[-1])
            continue
        if script_of(letter[0]) == "Zyyy" and found and not face(LATIN).draws(letter) and found[-1].draws(letter):
            found += [face(found[-1].key, bold=heavy[a])] * (b - a)  # a danda or a wide comma goes with its words
            continue
        key = choice(letter, language) or (_base_choice(letter, language) if b - a > 1 else None)
        if key is not None:
            found += [face(key, bold=heavy[a])] * (b - a)
            continue
        for c in letter:  # no face has all of it: each character in the face that has it
            found.append(face(_needed(c, text, language), bold=heavy[a]))
    return found


def _base_choice(letter: str, language: str) -> str | None:
    """For a letter under many different marks: the face that has the letter, if it has the marks as well."""
    distinct = "".join(dict.fromkeys(letter))
    return choice(distinct, language) if len(distinct) < len(letter) else None


def _needed(c: str, text: str, language: str) -> str:
    found = choice(c, language)
    if found is None:
        if is_drawn(c):
            return LATIN
        raise missing(c, text)
    return found


def missing(c: str, text: str) -> ResourceError:
    """The error that says which character no face has, and within which words it stands."""
    at = max(0, text.find(c))
    around = text[max(0, at - 30) : at + 30]
    shown = "".join(x if is_drawn(x) and x not in bidi.CONTROLS else f"[U+{ord(x):04X}]" for x in around)
    shown = f"{'…' if at > 30 else ''}{shown}{'…' if at + 30 < len(text) else ''}".replace("\n", " ")
    return ResourceError(
        f'report: "{shown}" holds {named(c)}, which no bundled face can draw; '
        "write it in letters of a script that docs/report.md lists"
    )


def _scripts(text: str) -> list[str]:
    """A script for each character; common ones take that of what stands before them, or else after."""
    from fontTools.unicodedata import script_extension

    found: list[str] = []
    previous = ""
    for c in text:
        script = script_of(c)
        if script in ("Zyyy", "Zinh"):
            shared = script_extension(c) - {"Zyyy", "Zinh"} if not c.isascii() else set()
            script = previous if previous and (not shared or previous in shared) else script
        else:
            previous = script
        found.append(script)
    following = "Latn"
    for i in range(len(found) - 1, -1, -1):
        if found[i] in ("Zyyy", "Zinh"):
            found[i] = following
        else:
            following = found[i]
    return found


def _shape_stretch(
    text: str, start: int, end: int, of: Face, script: str, language: str, level: int
) -> tuple[Cluster, ...]:
    joining = script in JOINING
    before = text[max(0, start - CONTEXT) : start] if joining else ""
    after = text[end : end + CONTEXT] if joining else ""
    return _glyphs(of, text[start:end], before, after, script, language, level & 1)


@functools.lru_cache(maxsize=16384)
def _glyphs(
    of: Face, text: str, before: str, after: str, script: str, language: str, right: int
) -> tuple[Cluster, ...]:
    """HarfBuzz's glyphs of one run, by cluster, in logical order."""
    import uharfbuzz as hb

    buffer = hb.Buffer()
    points = [ord(c) for c in before + text + after]
    buffer.add_codepoints(points, item_offset=len(before), item_length=len(text))
    buffer.direction = "rtl" if right else "ltr"
    buffer.script = script
    if language:
        buffer.language = language
    hb.shape(of.font, buffer, {})
    groups: dict[int, list[tuple[int, float, float, float]]] = {}
    unsafe: set[int] = set()
    for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        start = info.cluster - len(before)
        if info.codepoint == 0:
            raise missing(text[start], text)
        groups.setdefault(start, []).append((info.codepoint, place.x_advance, place.x_offset, place.y_offset))
        if info.flags & hb.GlyphFlags.UNSAFE_TO_BREAK:
            unsafe.add(start)
    starts = sorted(groups)
    return tuple(
        _cluster(groups[a], a, b, a not in unsafe, text, of.scale)
        for a, b in zip(starts, [*starts[1:], len(text)], strict=True)
    )


def _cluster(
    group: Sequence[tuple[int, float, float, float]], start: int, end: int, safe: bool, text: str, scale: float
) -> Cluster:
    flood = end - start > MOST_MARKS and sum(map(bool, map(unicodedata.combining, text[start:end]))) > MOST_MARKS
    placed, at = [], 0.0
    whole = sum(advance for _, advance, *_ in group) * scale
    for glyph, advance, x, y in group:
        across, up = (at + x) * scale, y * scale
        if flood:
            across, up = min(whole, max(-whole, across)), min(HIGHEST, max(LOWEST, up))
        placed.append(Glyph(glyph, round(across), round(up)))
        at += advance
    kept = tuple(dict.fromkeys(placed)) if flood else tuple(placed)
    return Cluster(start, end, at * scale, kept, safe)
