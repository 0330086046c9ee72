"""Catalogues of sentences: what is wrong with one is named, and forms follow their number."""

from __future__ import annotations

import pytest
from babel.messages import Catalog
from babel.messages.pofile import write_po

from audit import catalogues
from audit.catalogues import Catalogue


def catalog(language: str, *rows: tuple[object, object]) -> Catalog:
    made = Catalog(locale=language)
    for message, translation in rows:
        made.add(message, translation)
    return made


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
    one = next(iter(catalogues.messages(catalog("fr", (message, translation)))))
    assert catalogues.fault(one, n_forms=2) == fault


def written(folder, language: str, *rows: tuple[object, object]) -> Catalogue:
    """A part of the project that has the catalogue of one language."""
    one = Catalogue(domain="desk", locale=folder, code=(), keywords={}, command="")
    one.file(language).parent.mkdir(parents=True)
    with one.file(language).open("wb") as out:
        write_po(out, catalog(language, *rows))
    return one


def test_what_the_code_says_no_more_is_stale_and_what_is_new_is_missing(tmp_path):
    one = written(tmp_path, "fr", ("Old", "Vieux"), ("Kept", "Gardé"))
    found = list(one.check_language("fr", catalog("en", ("Kept", ""), ("New", ""))))
    assert found == ["fr/desk.po: 'New': missing", "fr/desk.po: 'Old': stale, the code does not say it any more"]


def test_sentences_come_from_the_catalogue_with_the_plural_form_of_their_number(tmp_path):
    forms = tuple(f"شكل {number} {{n}}" for number in range(6))
    arabic = written(tmp_path, "ar", (("{n} finding", "{n} findings"), forms)).of("ar")
    assert [arabic.ngettext("{n} finding", "{n} findings", n)[4] for n in (0, 1, 2, 3, 100, 11)] == list("012345")
    assert arabic.gettext("Not there") == "Not there"


def test_extracting_keeps_what_is_translated_adds_what_is_new_and_drops_what_is_gone(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "page.py").write_text('_("Kept")\n_("New {n}")\nngettext("{n} item", "{n} items", n)\n')
    one = written(tmp_path / "locale", "fr", ("Old", "Vieux"), ("Kept", "Gardé"))
    one = Catalogue(
        domain="desk",
        locale=one.locale,
        code=(code,),
        keywords={"_": None, "ngettext": (1, 2)},
        command="",
        further=lambda: [("label", "age")],
    )
    one.extract()
    found = {catalogues.key(m): m.string for m in catalogues.messages(catalogues.read(one.file("fr"), "fr"))}
    assert found == {
        ("", "Kept"): "Gardé",
        ("", "New {n}"): "",
        ("", "{n} item"): ("", ""),
        ("label", "age"): "",
    }
    assert len([line for line in one.check() if line.startswith("fr/")]) == 3  # what is new is not translated yet
    assert not [line for line in one.check() if line.startswith("desk.pot")]
