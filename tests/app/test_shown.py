"""What people wrote stands on a page as text, whatever it holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlit_app import shown

HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "<img src=x onerror=alert(1)>",
    "{who}{0}%s",
    "[link](javascript:alert(1)) **bold** `code` $x$ :smile:",
    "=HYPERLINK(1)",
    "‮gnitirw desrever",
    "مرحبا <b>",
)
TAG = re.compile(r"</?([a-z]+)[^<>]*>")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_bring_no_tag_but_ours(text):
    for made in (shown.words(text, language='"><x'), shown.said("By {who}", who=text), shown.block(text)):
        assert set(TAG.findall(str(made))) <= {"bdi", "div"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_in_tables_and_lists_bring_no_tag_but_ours(text):
    table = shown.table(text, (text, "b"), [(text, shown.words(text))])
    assert set(TAG.findall(str(table))) <= {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "bdi"}
    assert set(TAG.findall(str(shown.bullets(text)))) == {"ul", "li"}
    assert set(TAG.findall(str(shown.facts((text, text))))) == {"dl", "dt", "dd"}


def test_words_keep_their_own_language_and_direction():
    assert shown.words("مرحبا", language="ar") == '<bdi dir="auto" lang="ar">مرحبا</bdi>'
    assert shown.english("A & B") == '<bdi dir="ltr" lang="en">A &amp; B</bdi>'


def test_an_override_that_somebody_left_open_ends_with_their_words():
    assert shown.words("a\u202eb") == '<bdi dir="auto">a\u202eb\u202c</bdi>'


def test_our_sentence_is_escaped_and_its_values_are_isolated():
    made = shown.said("By <{who}>", who="A<b>")
    assert made == 'By &lt;<bdi dir="auto">A&lt;b&gt;</bdi>&gt;'


@given(st.text(max_size=80))
def test_no_text_is_markdown_in_a_label(text):
    """Every sign that Markdown knows is disarmed, and nothing else is changed but spaces."""
    made = shown.in_label(text)
    assert re.sub(r"\\([\\`*_{}\[\]()#+\-.!|~>$:<&])", r"\1", made) == " ".join(shown.closed(text).split())
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<$:]", made)


def test_bars_say_their_counts_and_are_no_wider_than_the_largest():
    made = str(shown.bars("Findings", [("a", 4, "plain"), ("b", 1, "plain"), ("c", 0, "plain")]))
    assert re.findall(r'desk-count">(\d+)<', made) == ["4", "1", "0"]
    assert re.findall(r"inline-size:(\d+)%", made) == ["100", "25", "0"]
