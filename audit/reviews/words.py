"""What people type: kept as they wrote it, within limits that every database, page and report can hold."""

from __future__ import annotations

import re
import unicodedata

from audit.errors import DeskError

LIMIT = 4000  # characters of a comment, about two pages
LINE_LIMIT = 200  # of a name, a region, a reason
PARAGRAPH_ENDS = re.compile(r"([\n\r\x1c-\x1e\x85\u2029])")  # where Unicode's bidi algorithm starts anew
EMBEDDINGS, POP_EMBEDDING = frozenset("\u202a\u202b\u202d\u202e"), "\u202c"
ISOLATES, POP_ISOLATE = frozenset("\u2066\u2067\u2068"), "\u2069"
INVISIBLE = frozenset({"Cf", "Zs", "Zl", "Zp"})  # categories of what shows nothing by itself


def clean(text: str, *, what: str, limit: int = LIMIT) -> str:
    """The text in Unicode's composed form, without space around it; "" where nothing in it can be seen.

    A line break becomes one line feed. All else that may stand in a text stays: markup, formulas, bidi controls.

    Args:
        text: as typed.
        what: names the field in a message: "comment".
        limit: most characters.

    Raises:
        DeskError: too long, or holds control characters or halves of characters.
    """
    _require_short(text, what=what, limit=limit)  # before any work is done on it
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    for place, character in enumerate(lines, start=1):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
            raise DeskError(
                f"{what}: character {place} is U+{ord(character):04X}, which no text holds; remove it and try again"
            )
    composed = unicodedata.normalize("NFC", lines).strip()
    _require_short(composed, what=what, limit=limit)
    return composed if any(unicodedata.category(character) not in INVISIBLE for character in composed) else ""


def line(text: str, *, what: str, limit: int = LINE_LIMIT) -> str:
    """As `clean`, for what is one line: a name, a reason.

    Raises:
        DeskError: as `clean`; or it has a line break or a tab.
    """
    cleaned = clean(text, what=what, limit=limit)
    if re.search(r"[\n\t\u2028\u2029]", cleaned):
        raise DeskError(f"{what}: has a line break or a tab; write it on one line")
    return cleaned


def shown(text: str) -> str:
    """The text with every bidi embedding and isolate closed where its paragraph ends, and what closes nothing left out.

    So what somebody wrote cannot turn around the words that a page shows beside it.
    """
    parts = PARAGRAPH_ENDS.split(text)
    return "".join(part if PARAGRAPH_ENDS.fullmatch(part) else _closed(part) for part in parts)


def _closed(paragraph: str) -> str:
    kept: list[str] = []
    still_open: list[str] = []  # what would close each thing that is open, the innermost last
    for character in paragraph:
        if character in EMBEDDINGS:
            still_open.append(POP_EMBEDDING)
        elif character in ISOLATES:
            still_open.append(POP_ISOLATE)
        elif character == POP_EMBEDDING:
            if still_open[-1:] != [POP_EMBEDDING]:
                continue  # closes nothing: an isolate around it shields what is outside
            still_open.pop()
        elif character == POP_ISOLATE:
            if POP_ISOLATE not in still_open:
                continue
            while still_open[-1] != POP_ISOLATE:  # embeddings opened inside an isolate end with it
                kept.append(still_open.pop())
            still_open.pop()
        kept.append(character)
    return "".join([*kept, *reversed(still_open)])


def _require_short(text: str, *, what: str, limit: int) -> None:
    if len(text) > limit:
        raise DeskError(f"{what}: {len(text)} characters, {limit} fit; shorten it")
