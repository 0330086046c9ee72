"""Sentences that are kept once and said in any language."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from babel.messages import Catalog
from babel.messages.pofile import write_po

from audit import wording
from audit.catalogues import Catalogue
from audit.wording import Label, LanguageName, Listed, Number, Said, Share, said, said_n, speaking, spoken


@pytest.fixture
def french_and_arabic(tmp_path, monkeypatch):
    """Catalogues of a few sentences in place of the real ones."""
    made = Catalogue(domain="audit", locale=tmp_path, code=(), keywords={}, command="")
    rows = {
        "fr": {
            "In {language}: {value} nats": "{value} nats en {language}",
            ("only {n} template", "only {n} templates"): ("{n} modèle seulement", "{n} modèles seulement"),
            "{what}, because {why}": "{what}, parce que {why}",
            "on {axis}": "sur {axis}",
        },
        "ar": {"In {language}: {value} nats": "{value} نات في {language}"},
    }
    for code, sentences in rows.items():
        catalog = Catalog(locale=code)
        for message, translation in sentences.items():
            catalog.add(message, translation)
        if code == "fr":
            catalog.add("age", "âge", context="label")
        made.file(code).parent.mkdir(parents=True)
        with made.file(code).open("wb") as out:
            write_po(out, catalog)
    monkeypatch.setattr(wording, "CATALOGUE", made)


EFFECT = said("In {language}: {value} nats", language=LanguageName("es"), value=Number(-0.4512, signed=True))


def test_a_kept_sentence_is_its_english_wherever_a_text_is_wanted():
    assert EFFECT == "In Spanish: -0.45 nats"
    assert json.dumps({"sentence": EFFECT}) == '{"sentence": "In Spanish: -0.45 nats"}'
    assert f"{EFFECT}." == "In Spanish: -0.45 nats."
    assert spoken(EFFECT) == EFFECT
    assert not isinstance(spoken(EFFECT), Said)


@pytest.mark.usefixtures("french_and_arabic")
def test_it_is_said_in_the_language_in_use_with_its_numbers_and_names():
    with speaking("fr"):
        assert spoken(EFFECT) == "−0,45 nats en espagnol"
        assert wording.language() == "fr"
    assert spoken(EFFECT) == "In Spanish: -0.45 nats"


@pytest.mark.usefixtures("french_and_arabic")
def test_values_stand_apart_in_right_to_left_text():
    with speaking("ar"):
        assert spoken(EFFECT) == "\u2068−0.45\u2069 نات في \u2068الإسبانية\u2069"


@pytest.mark.usefixtures("french_and_arabic")
def test_forms_follow_their_number_in_each_language():
    assert [str(said_n("only {n} template", "only {n} templates", n)) for n in (1, 0, 2)] == [
        "only 1 template",
        "only 0 templates",
        "only 2 templates",
    ]
    with speaking("fr"):
        said_in_french = [spoken(said_n("only {n} template", "only {n} templates", n)) for n in (1, 0, 1200)]
    assert said_in_french == ["1 modèle seulement", "0 modèle seulement", "1\u202f200 modèles seulement"]


@pytest.mark.usefixtures("french_and_arabic")
def test_a_sentence_within_a_sentence_and_a_label_are_translated_too():
    whole = said("{what}, because {why}", what=said("on {axis}", axis=Label("age")), why="x")
    assert whole == "on age, because x"
    with speaking("fr"):
        assert spoken(whole) == "sur âge, parce que x"


@pytest.mark.usefixtures("french_and_arabic")
def test_what_no_catalogue_has_is_said_in_english():
    unknown = said("{n} of {m} are new", n=1, m=2)
    for language in ("fr", "sw", "de", "zh-Hant"):
        with speaking(language):
            assert spoken(unknown) == "1 of 2 are new"


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Number(0.42, signed=True), "+0.42"),
        (Number(-0.004, signed=True), "0.00"),
        (Number(0.004, signed=True), "0.00"),
        (Number(2.5, decimals=0), "2"),
        (Share(0.824), "82%"),
    ],
)
def test_figures_are_rounded_where_they_are_said(figure, text):
    assert said("{x}", x=figure) == text


def test_a_kept_sentence_survives_json_copies_and_pickles():
    whole = said(
        "{a} {b} {c} {d} {e} {f}",
        a=EFFECT,
        b=Share(0.5),
        c=Listed((LanguageName("fr"), Label("age"))),
        d=3,
        e="as it is",
        f=said_n("{n} item", "{n} items", 2),
    )
    assert whole == "In Spanish: -0.45 nats 50% French and age 3 as it is 2 items"
    for again in (
        wording.unpacked(json.loads(json.dumps(wording.packed(whole)))),
        copy.deepcopy(whole),
        pickle.loads(pickle.dumps(whole)),
    ):
        assert again == whole
        assert wording.packed(again) == wording.packed(whole)


@pytest.mark.parametrize("broken", [None, {"says": 3, "with": {}}, {"language": 1}, 1.5, {}])
def test_what_is_no_wording_is_refused(broken):
    with pytest.raises(ValueError, match="is no wording"):
        wording.unpacked(broken)


@pytest.mark.parametrize(
    ("message", "plural", "values"),
    [
        ("{x:>999999999}", "", {"x": "a"}),  # any width
        ("{x.__class__}", "", {"x": "a"}),
        ("{x!r}", "", {"x": "a"}),
        ("{0}", "", {"x": "a"}),
        ("{x", "", {"x": "a"}),
        ("{y}", "", {"x": "a"}),
        ("{n} item", "{m} items", {"n": 1}),
        ("{n} item", "{n} items", {"n": "1"}),
        ("{n} item", 3, {"n": 1}),
    ],
)
def test_a_file_can_put_nothing_but_given_names_into_braces(message, plural, values):
    with pytest.raises(ValueError, match=r"placeholders|no n is given"):
        wording.unpacked({"says": message, "plural": plural, "with": values})


def test_a_wording_nested_without_end_is_refused():
    deep = {"says": "x", "with": {}}
    for _ in range(10_000):
        deep = {"says": "{x}", "with": {"x": deep}}
    with pytest.raises(ValueError, match="nested too deeply"):
        wording.unpacked(deep)


def test_a_wording_that_grows_without_end_is_refused():
    """Sixty steps of doubling would be 2 ** 60 characters."""
    growing: dict[str, object] = {"says": "x", "with": {}}
    for _ in range(60):
        growing = {"says": "{x}{x}", "with": {"x": growing}}
    with pytest.raises(ValueError, match="longer than 10000 characters"):
        wording.unpacked(growing)
    with pytest.raises(ValueError, match="longer than 10000 characters"):
        wording.unpacked({"says": "{x}" * 10_000, "with": {"x": "y"}})


def test_a_file_holds_the_english_beside_the_parts():
    plain = wording.kept(EFFECT)
    assert plain["text"] == "In Spanish: -0.45 nats"
    again = wording.restored(json.loads(json.dumps(plain)))
    assert isinstance(again, Said)
    assert wording.packed(again) == wording.packed(EFFECT)
    assert wording.restored("plain") == wording.kept("plain") == "plain"
    with pytest.raises(ValueError, match="is not what its parts say"):
        wording.restored({**plain, "text": "In Spanish: nothing"})
    with pytest.raises(ValueError, match="is no text"):
        wording.restored(wording.packed(Number(1)))


def test_clauses_stand_in_turn_and_names_without_a_word_between():
    assert wording.in_turn([said("one")]) == "one"
    assert wording.in_turn([said("one"), said("two"), said("three")]) == "one; two; three"
    names = Listed((LanguageName("fr"), LanguageName("es"), LanguageName("sw")), joined=False)
    assert said("over {languages}", languages=names) == "over French, Spanish, Swahili"
    assert said("over {languages}", languages=Listed((), joined=False)) == "over "
    assert wording.unpacked(wording.packed(names)) == names


@pytest.mark.usefixtures("french_and_arabic")
def test_names_in_a_row_stand_as_the_language_puts_them():
    row = said("{names}", names=Listed(("a", "b", "c"), joined=False))
    with speaking("ar"):
        assert spoken(row) == "\u2068a وb وc\u2069"


@pytest.mark.parametrize(
    ("things", "text"), [((), ""), (("a",), "a"), (("a", "b"), "a and b"), (("a", "b", "c"), "a, b and c")]
)
def test_lists_read_as_english_lists(things, text):
    assert wording.listed(things) == text


# --- the catalogues ----------------------------------------------------------------------------


def test_the_template_is_what_the_code_says():
    assert [line for line in wording.CATALOGUE.check() if line.startswith("audit.pot")] == []


@pytest.mark.parametrize("code", [code for code in wording.LANGUAGES if code != wording.SOURCE])
def test_every_language_says_everything(code):
    assert list(wording.CATALOGUE.check_language(code, wording.CATALOGUE.extracted())) == []
