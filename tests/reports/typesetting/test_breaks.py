"""Lines end where Unicode and the languages' readers allow it, and nowhere within a letter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scripts_sample import MIXED, SAMPLES

from reports.typesetting.breaks import breaks, graphemes, unicode_breaks

CONFORMANCE = Path("/usr/share/unicode/auxiliary/LineBreakTest.txt")


def pieces(text):
    ends = breaks(text)
    return [text[a:b] for a, b in zip((0, *ends[:-1]), ends, strict=True)]


def test_every_line_of_the_conformance_file_passes():
    if not CONFORMANCE.exists():
        reason = f"{CONFORMANCE} is not there: apt-get install unicode-data"
        assert not os.environ.get("PLURAL_AUDIT_REQUIRE_UNICODE"), reason
        pytest.skip(reason)
    told, wrong = 0, []
    for line in CONFORMANCE.read_text(encoding="utf-8").splitlines():
        signs = line.partition("#")[0].split()
        if not signs:
            continue
        text, expected = "", []
        for sign in signs:
            if sign == "÷" and text:
                expected.append(len(text))
            elif sign not in "÷×":
                text += chr(int(sign, 16))
        told += 1
        if unicode_breaks(text) != expected:
            wrong.append(line)
    assert told > 7_600
    assert wrong == []


@pytest.mark.parametrize("text", [text for *_, text in SAMPLES] + [MIXED, "a  b", " a", "1,5 km.", "a\u00a0b", ""])
def test_word_by_word_gives_what_the_whole_text_gives(text):
    """The short way for words of letters changes nothing; Thai and Hangul have rules of their own."""
    if not any("\u0e00" <= c <= "\u0e7f" or "\uac00" <= c <= "\ud7a3" for c in text):
        assert list(breaks(text)) == [i for i in unicode_breaks(text) if i in graphemes(text)]


def test_thai_breaks_between_words():
    assert pieces("วันนี้อากาศดี") == ["วัน", "นี้", "อากาศ", "ดี"]  # day, this, weather, good


def test_chinese_and_japanese_break_between_characters_but_not_before_a_stop():
    assert pieces("你好。他") == ["你", "好。", "他"]
    assert pieces("（東京）") == ["（東", "京）"]


def test_korean_breaks_at_spaces_only():
    assert pieces("모든 인간은 자유") == ["모든 ", "인간은 ", "자유"]


def test_a_no_break_space_keeps_its_words_together():
    assert pieces("p\u00a0=\u00a00.05 here") == ["p\u00a0=\u00a00.05 ", "here"]


def test_no_line_ends_within_a_letter_and_its_marks():
    for *_, text in SAMPLES:
        assert set(breaks(text)) <= set(graphemes(text))
