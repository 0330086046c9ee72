"""Order on a line is Unicode's: its conformance file passes whole, and hostile text costs no more than its length."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from reports.typesetting import bidi

CONFORMANCE = Path("/usr/share/unicode/BidiCharacterTest.txt")


def test_every_line_of_the_conformance_file_passes():
    if not CONFORMANCE.exists():
        reason = f"{CONFORMANCE} is not there: apt-get install unicode-data"
        assert not os.environ.get("PLURAL_AUDIT_REQUIRE_UNICODE"), reason
        pytest.skip(reason)
    told, wrong = 0, []
    for line in CONFORMANCE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        codes, direction, paragraph, expected, order = line.split(";")
        text = "".join(chr(int(code, 16)) for code in codes.split())
        found, base = bidi.levels(text, {"0": 0, "1": 1, "2": None}[direction])
        kept = [i for i, level in enumerate(expected.split()) if level != "x"]
        visual = [kept[i] for i in bidi.visual_order([found[i] for i in kept])]
        told += 1
        if (
            base != int(paragraph)
            or [found[i] for i in kept] != [int(level) for level in expected.split() if level != "x"]
            or visual != [int(i) for i in order.split()]
        ):
            wrong.append(line)
    assert told > 91_000
    assert wrong == []


def test_numbers_in_hebrew_stay_left_to_right_and_letters_do_not():
    """אב 12 גד: letters at level 1, digits at 2; on the line from left to right: דג 12 בא."""
    text = "אב 12 גד"
    found, base = bidi.levels(text)
    assert (found, base) == ([1, 1, 1, 2, 2, 1, 1, 1], 1)
    assert "".join(text[i] for i in bidi.visual_order(found)) == "דג 12 בא"


def test_a_name_in_isolation_does_not_move_the_number_after_it():
    """Without isolation "שלום (5)" within English would take its number to the other side."""
    text = f"{bidi.isolated('שלום')} (5)"
    found, _ = bidi.levels(text, 0)
    assert "".join(text[i] for i in bidi.visual_order(found) if text[i] not in bidi.CONTROLS) == "םולש (5)"
    assert bidi.isolated("Kano") == "Kano"


def test_isolation_cannot_be_left_from_within():
    assert bidi.isolated("\u2069ש\u202e") == "\u2068ש\u2069"


@pytest.mark.parametrize(
    "pattern",
    ["\u202b", "\u2067", "\u2068", "\u2067\u202e(", "[(", "([)]", "\u2068a\u2069", "א(", "\u2069\u202c", "( "],
)
def test_hostile_text_takes_time_by_its_length_only(pattern):
    text = (pattern * 20_000)[:20_000] + "אb"
    start = time.process_time()
    found, _ = bidi.levels(text)
    bidi.visual_order(found)
    assert time.process_time() - start < 2
    assert max(found) <= bidi.DEEPEST + 1
