"""What may be drawn, and what is named instead."""

from __future__ import annotations

import pytest

from audit.errors import ResourceError
from reports import text


@pytest.mark.parametrize(
    "words", ["Ẹ kú àárọ̀".replace("ọ̀", "ọ"), "ƙaramin ɓera", "Tiếng Việt", "Ελληνικά", "русский", "a ≥ b → c"]
)
def test_latin_greek_and_cyrillic_are_drawn(words):
    assert text.can_draw(words)
    assert text.spelled_out(words) == words


@pytest.mark.parametrize("words", ["हिन्दी", "العربية", "中文", "ไทย", "አማርኛ", "עברית", "தமிழ்"])
def test_scripts_that_need_shaping_or_other_faces_are_not_drawn(words):
    assert not text.can_draw(words)


def test_a_mark_without_a_composed_letter_is_not_drawn_unshaped():
    assert text.can_draw("\u1ecd")  # ọ
    assert not text.can_draw("\u1ecd\u0300")  # ọ̀ exists only as two characters


def test_spelling_out_names_each_character_that_cannot_be_drawn():
    assert text.spelled_out("ab水c") == "ab[U+6C34]c"


def test_markup_escapes_and_switches_face_for_signs():
    assert text.markup("a<b> & c\nd") == "a&lt;b&gt; &amp; c<br/>d"
    assert text.markup("p ≤ 1") == f'p <font name="{text.SIGNS}">≤</font> 1'


def test_invisible_format_characters_are_left_out():
    assert text.markup("a\u200b\u2066b\u2069") == "ab"


def test_a_missing_glyph_names_character_and_way_out():
    with pytest.raises(ResourceError, match=r'"a\[U\+6C34\]" holds U\+6C34 \(CJK UNIFIED IDEOGRAPH-6C34\)'):
        text.markup("a水")
