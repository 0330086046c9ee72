from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import DeskError
from audit.reviews.words import clean, line, shown

LRO, RLO, PDF, RLI, PDI, FSI = "\u202d", "\u202e", "\u202c", "\u2067", "\u2069", "\u2068"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script><b onmouseover=x>",
        '=HYPERLINK("http://x")',
        "'; DROP TABLE people; --",
        "{{7*7}} ${x} %s %(a)s",
        f"{RLO}gnp.exe{LRO}",
        "می\u200cخواهم",  # a zero-width non-joiner is spelling in Persian
        "👩🏽\u200d⚕️ ក្រុម हिन्दी",
        "line one\n\tline two",
    ],
)
def test_hostile_and_rare_text_is_kept_as_it_was_written(text: str) -> None:
    assert clean(text, what="comment") == text


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("a\x00b", 2, "U+0000"),
        ("\x1b[31m", 1, "U+001B"),
        ("ab\x7f", 3, "U+007F"),
        ("\x85", 1, "U+0085"),
        ("a\ud800", 2, "U+D800"),
        ("\r\n\x08", 2, "U+0008"),
    ],
)
def test_control_characters_and_half_characters_are_refused_by_place(text: str, place: int, name: str) -> None:
    with pytest.raises(DeskError) as caught:
        clean(text, what="comment")
    assert str(caught.value) == (f"comment: character {place} is {name}, which no text holds; remove it and try again")


def test_a_megabyte_is_refused_before_it_is_worked_on() -> None:
    with pytest.raises(DeskError) as caught:
        clean("\x00" * 2**20, what="comment")
    assert str(caught.value) == "comment: 1048576 characters, 4000 fit; shorten it"


def test_the_limit_holds_after_composing_too() -> None:
    """U+0958 is excluded from composition: it becomes two characters."""
    assert clean("\u0958" * 2, what="name", limit=4) == "\u0915\u093c" * 2
    with pytest.raises(DeskError, match="name: 4 characters, 3 fit"):
        clean("\u0958" * 2, what="name", limit=3)


def test_two_ways_to_type_a_letter_are_one() -> None:
    assert clean("e\u0301", what="name") == clean("é", what="name") == "é"


def test_line_breaks_of_every_browser_are_one_and_space_around_goes() -> None:
    assert clean("  a\r\nb\rc \n", what="comment") == "a\nb\nc"


@pytest.mark.parametrize("text", ["", " \n", "\u200b\u200e", f"{RLO}{PDF}", "\u00a0\u3000"])
def test_what_nobody_can_see_is_empty(text: str) -> None:
    assert clean(text, what="reason") == ""


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\u2028b"])
def test_a_line_has_no_breaks(text: str) -> None:
    with pytest.raises(DeskError, match="name: has a line break or a tab; write it on one line"):
        line(text, what="name")
    assert line(" a b ", what="name") == "a b"


@pytest.mark.parametrize(
    ("written", "closed"),
    [
        ("plain", "plain"),
        (f"{RLO}abc", f"{RLO}abc{PDF}"),
        (f"{RLO}abc{PDF}", f"{RLO}abc{PDF}"),
        (f"abc{PDF}{PDI}", "abc"),
        (f"{RLI}{RLO}abc", f"{RLI}{RLO}abc{PDF}{PDI}"),
        (f"{RLI}{RLO}abc{PDI}d", f"{RLI}{RLO}abc{PDF}{PDI}d"),  # the isolate's end ends what was opened in it
        (f"{RLO}{FSI}a{PDF}b", f"{RLO}{FSI}ab{PDI}{PDF}"),  # inside an isolate, nothing outside can be closed
        (f"{RLO}one\ntwo{PDF}", f"{RLO}one{PDF}\ntwo"),  # a new paragraph starts with nothing open
    ],
)
def test_what_was_opened_is_closed_and_what_closes_nothing_is_left_out(written: str, closed: str) -> None:
    assert shown(written) == closed


@given(st.text(alphabet=[LRO, RLO, PDF, RLI, PDI, FSI, "a", "\n"]))
def test_nothing_is_open_after_any_text_and_closing_twice_changes_nothing(text: str) -> None:
    once = shown(text)
    assert shown(once) == once
    assert [c for c in once if c in "a\n"] == [c for c in text if c in "a\n"]
    for paragraph in once.split("\n"):
        assert sum(paragraph.count(c) for c in (LRO, RLO)) == paragraph.count(PDF)
        assert sum(paragraph.count(c) for c in (RLI, FSI)) == paragraph.count(PDI)
