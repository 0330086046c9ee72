"""The desk's sentences: extracted, translated, never glued."""

from __future__ import annotations

import pytest
from babel.messages import Catalog

from audit.measures import MEASURES
from audit.records import Verdict
from audit.reviews import terms
from streamlit_app import plain, texts
from streamlit_app.app_pages import me
from streamlit_app.shown import VERDICT_CLASSES, VERDICT_SIGNS, VERDICT_WORDS

TRANSLATED = [code for code in texts.LANGUAGES if texts._file(code).is_file()]


def catalog(language: str, *rows: tuple[object, object]) -> Catalog:
    made = Catalog(locale=language)
    for message, translation in rows:
        made.add(message, translation)
    return made


def test_the_template_is_what_the_code_says():
    assert [line for line in texts.check() if line.startswith("desk.pot")] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_catalogue_there_is_says_everything(code):
    assert list(texts.check_language(code, texts.extracted())) == []


@pytest.mark.parametrize(
    ("message", "translation", "fault"),
    [
        ("Filed by {who}", "Déposé par {qui}", "placeholders ['qui'] where the sentence has ['who']"),
        ("Filed by {who}", "Déposé", "placeholders [] where the sentence has ['who']"),
        ("Filed", "", "missing, or not all plural forms are there"),
        ("Filed", "<b>Déposé</b>", "holds markup"),
        ("Filed by {who}", "Déposé par {who", "placeholders ['Déposé par {who'] where the sentence has ['who']"),
        (("{n} item", "{n} items"), ("un élément", "{n} éléments"), ""),
        (("{n} item", "{n} items"), ("un élément", "{m} éléments"), "placeholders ['m'] where the sentence has ['n']"),
        ("Filed by {who}", "Déposé par {who}", ""),
    ],
)
def test_a_translation_with_other_placeholders_is_named(message, translation, fault):
    one = next(iter(texts._messages(catalog("fr", (message, translation)))))
    assert texts._fault(one, n_forms=2) == fault


def test_what_the_code_says_no_more_is_stale_and_what_is_new_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "LOCALE", tmp_path)
    file = tmp_path / "fr" / "LC_MESSAGES" / "desk.po"
    file.parent.mkdir(parents=True)
    with file.open("wb") as out:
        texts.write_po(out, catalog("fr", ("Old", "Vieux"), ("Kept", "Gardé")))
    found = list(texts.check_language("fr", catalog("en", ("Kept", ""), ("New", ""))))
    assert found == ["fr/desk.po: 'New': missing", "fr/desk.po: 'Old': stale, the code does not say it any more"]


def test_sentences_come_from_the_catalogue_with_the_plural_form_of_their_number(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "LOCALE", tmp_path)
    file = tmp_path / "ar" / "LC_MESSAGES" / "desk.po"
    file.parent.mkdir(parents=True)
    forms = tuple(f"شكل {number} {{n}}" for number in range(6))
    with file.open("wb") as out:
        texts.write_po(out, catalog("ar", (("{n} finding", "{n} findings"), forms)))
    texts.of.cache_clear()
    try:
        arabic = texts.of("ar")
        assert [arabic.ngettext("{n} finding", "{n} findings", n)[4] for n in (0, 1, 2, 3, 100, 11)] == list("012345")
        assert arabic.gettext("Not there") == "Not there"
    finally:
        texts.of.cache_clear()


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
