"""What may be drawn, what is named instead, and how labels are cut."""

from __future__ import annotations

import pytest

from audit.errors import ResourceError
from reports import text

KHMER = "\u1780"  # a letter of a script without a face here


@pytest.mark.parametrize(
    "words",
    [
        *("Ẹ kú àárọ̀", "ƙaramin ɓera", "Tiếng Việt", "Ελληνικά", "русский", "a ≥ b → c", "हिन्दी", "বাংলা", "தமிழ்"),
        *("తెలుగు", "العربية", "می‌آیند", "اردو", "עברית", "ไทย", "አማርኛ", "中文", "日本語", "한국어"),
    ],
)
def test_scripts_of_the_languages_are_drawn(words):
    assert text.can_draw(words)
    assert text.spelled_out(words) == words


def test_what_no_face_has_is_not_drawn_and_a_mark_needs_a_letter():
    assert not text.can_draw(f"a{KHMER}")
    assert not text.can_draw("\u0301a")
    assert text.can_draw("o\u0323\u0300")


def test_spelling_out_names_each_character_that_cannot_be_drawn():
    assert text.spelled_out(f"ab{KHMER}c水\U0001f600") == "ab[U+1780]c水[U+1F600]"


def test_words_with_a_sign_that_no_face_has_are_legible_and_words_of_such_letters_are_not():
    assert text.is_legible("so true \U0001f600")
    assert not text.is_legible(f"so {KHMER}")


def test_a_missing_glyph_names_character_and_place_and_way_out():
    said = r'report, section "S": "a\[U\+1780\]" holds U\+1780 \(KHMER LETTER KA\), which no bundled face can draw'
    with pytest.raises(ResourceError, match=said):
        text.checked(f"a{KHMER}", place='section "S"')
    assert text.checked("a水\n", place="") == "a水\n"


@pytest.mark.parametrize(
    "words", ["A long label of a chart that does not fit", "หนึ่งสองสามสี่ห้าหกเจ็ดแปดเก้าสิบ", "ẹ̀" * 40, "وصف طويل جدا " * 5]
)
def test_a_label_is_no_wider_than_its_room_and_ends_after_a_whole_letter(words):
    cut = text.label(words, 60.0)
    assert text.width(cut) <= 60.0
    assert cut.endswith("…")
    assert text.label(cut, 60.0) == cut
    if "ẹ̀" in words:
        assert set(cut.removesuffix("…").replace("ẹ̀", "")) == set()


def test_a_label_that_fits_is_left_as_it_is():
    assert text.label("Kano", 60.0) == "Kano"
