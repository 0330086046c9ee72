"""The desk's sentences: extracted, translated, never glued."""

from __future__ import annotations

import pytest

from audit.measures import MEASURES
from audit.records import Verdict
from audit.reviews import terms
from streamlit_app import plain, texts
from streamlit_app.app_pages import me
from streamlit_app.shown import VERDICT_CLASSES, VERDICT_SIGNS, VERDICT_WORDS

TRANSLATED = [code for code in texts.LANGUAGES if texts.CATALOGUE.file(code).is_file()]


def test_the_template_is_what_the_code_says():
    assert [line for line in texts.CATALOGUE.check() if line.startswith("desk.pot")] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_catalogue_there_is_says_everything(code):
    assert list(texts.CATALOGUE.check_language(code, texts.CATALOGUE.extracted())) == []


@pytest.mark.parametrize(
    ("wishes", "language"),
    [(("", "ar-EG", "fr"), "ar"), (("xx", None, "ZH_hant"), "zh"), (("pt",), "en"), ((), "en")],
)
def test_the_first_wish_that_the_interface_speaks_is_taken(wishes, language):
    assert texts.chosen(*wishes) == language


def test_languages_of_a_browser_are_in_its_own_order():
    assert texts.accepted("fr;q=0.3, sw-KE, en;q=0.9, x;q=y") == ("sw-KE", "en", "fr")


@pytest.mark.parametrize("code", texts.LANGUAGES)
def test_arabic_alone_runs_right_to_left(code):
    assert texts.direction(code) == ("rtl" if code == "ar" else "ltr")


def test_a_minus_stays_before_its_number_in_right_to_left_text(monkeypatch):
    assert texts.number(-1234.567, decimals=1) == "−1,234.6"
    monkeypatch.setattr(texts, "language", lambda: "ar")
    made = texts.number(-2.5, decimals=1)
    assert (made[0], made[-1]) == ("\u2066", "\u2069")
    assert "\u2066" not in texts.number(2.5, decimals=1)


# --- nothing is left without words -----------------------------------------------------------


def test_every_measure_has_a_name_and_says_what_was_looked_at():
    names = {measure.name for measure in MEASURES}
    assert set(plain.LOOKED_AT) == names
    assert set(plain.QUESTIONS) == names


def test_every_unit_is_explained():
    assert {measure.unit for measure in MEASURES} <= set(plain.UNITS)


def test_every_verdict_has_sign_word_colour_and_meaning():
    for table in (VERDICT_SIGNS, VERDICT_WORDS, VERDICT_CLASSES, plain.MAY_BE_SAID):
        assert set(table) == set(Verdict)
    assert len(set(VERDICT_SIGNS.values())) == len(Verdict)


def test_people_agree_to_the_text_that_the_library_keeps():
    assert me.CONSENT == terms.CONSENT
