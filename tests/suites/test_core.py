"""The core of a suite: what the short audit asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import pipeline
from audit.errors import SuiteError
from audit.pipeline import Request
from audit.suites import core_languages, load_suite
from audit.suites.changes import difference, version_of
from suites.writing import DECLARATION, header

PLACES = ("mexico", "japan", "peru")


def of_three_cultures(root: Path, *, core: str = "") -> Path:
    """Foods and dances of three cultures, in English and German."""
    folder = root / "culture"
    folder.mkdir()
    cultures = "".join(f'[[culture]]\nid = "{id_}"\nname = "{id_}"\ncontinent = "c"\n' for id_ in PLACES)
    items = "".join(
        f'[[item]]\nid = "{facet}.{id_}"\ntopic = "{facet}"\nculture = "{id_}"\n'
        for facet in ("food", "dance")
        for id_ in PLACES
    )
    (folder / "suite.toml").write_text(f'name = "culture"\nkind = "culture"{DECLARATION}{core}{cultures}{items}')
    where = "[where]\n" + "".join(f'{id_} = "in {id_}"\n' for id_ in PLACES)
    facets = "".join(
        f'[facet.{facet}]\nwordings = ["A {facet} {{}} is"]\nneutral = ["A {facet} is"]\n'
        for facet in ("food", "dance")
    )
    words = "".join(
        f'[[item]]\nid = "{facet}.{id_}"\nanswer = ["{answer}"]\n'
        for facet, answers in {"food": ("pozole", "sushi", "ceviche"), "dance": ("jarabe", "bugaku", "huayno")}.items()
        for id_, answer in zip(PLACES, answers, strict=True)
    )
    for code in ("en", "de"):
        (folder / f"{code}.toml").write_text(header(code) + where + facets + words)
    return folder


CORE = '[core]\nlanguages = ["en"]\nitems = ["food.mexico", "food.japan"]\n'


def test_a_short_audit_asks_the_core_alone_and_its_cultures_are_the_only_candidates(tmp_path: Path) -> None:
    folder = of_three_cultures(tmp_path, core=CORE)
    core, whole = load_suite(folder, languages=["en"], core=True), load_suite(folder, languages=["en"])
    assert [item.id for item in core.items] == ["food.japan", "food.mexico"]
    assert {tuple(ask.answers) for item in core.items for ask in item.asks} == {("mexico", "japan")}
    assert {tuple(ask.answers) for item in whole.items for ask in item.asks} == {PLACES}
    assert len(whole.items) == 6
    assert core.record.digest != whole.record.digest


def test_a_suite_without_a_core_is_asked_whole(tmp_path: Path) -> None:
    folder = of_three_cultures(tmp_path)
    assert load_suite(folder, core=True) == load_suite(folder)
    assert core_languages(folder) == ("de", "en")


def test_a_core_of_an_item_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = of_three_cultures(tmp_path, core=CORE.replace("food.japan", "food.cuba"))
    with pytest.raises(SuiteError, match=r'\[core\] names "food.cuba", which is no item'):
        load_suite(folder)


def test_languages_are_those_of_the_core_unless_others_or_all_items_are_asked_for(tmp_path: Path) -> None:
    suite = (str(of_three_cultures(tmp_path, core=CORE)),)
    asked = {
        "short": Request(suites=suite),
        "short in German": Request(suites=suite, languages=("de",)),
        "all": Request(suites=suite, items="all"),
    }
    languages = {name: pipeline.load_suites(request)[0].languages for name, request in asked.items()}
    assert languages == {"short": ("en",), "short in German": ("de",), "all": ("de", "en")}
    (all_of_it,) = pipeline.load_suites(asked["all"])
    assert len(all_of_it.items) == 12


def test_what_is_absent_from_a_language_and_not_of_the_core_is_not_told_of_a_short_audit(tmp_path: Path) -> None:
    folder = of_three_cultures(tmp_path, core=CORE)
    german = (folder / "de.toml").read_text().replace('[[item]]\nid = "dance.peru"\nanswer = ["huayno"]\n', "")
    reason = "no such dance is danced where it is spoken"
    (folder / "de.toml").write_text(f'{german}[[absent]]\nid = "dance.peru"\nreason = "{reason}"\n')
    assert load_suite(folder).record.absent == {"de": {"dance.peru": reason}}
    assert load_suite(folder, core=True).record.absent == {}


def test_every_builtin_suite_has_a_core_in_the_eight_languages_of_the_interface() -> None:
    suites = {suite.record.name: suite for suite in pipeline.load_suites(Request())}
    assert set(suites) == {"competence", "culture", "dilemma", "stereotype", "values"}
    for suite in suites.values():
        assert suite.languages == ("ar", "en", "es", "fr", "hi", "id", "sw", "zh")


def test_a_change_of_the_core_is_told_though_no_item_changed(tmp_path: Path) -> None:
    """Before: mexico and japan; now: japan and peru. Of a suite without a core, all six items are asked."""
    folders = {}
    for name, core in (("old", CORE), ("new", CORE.replace("food.mexico", "food.peru")), ("none", "")):
        (tmp_path / name).mkdir()
        folders[name] = version_of(str(of_three_cultures(tmp_path / name, core=core)))
    found = difference(folders["old"], folders["new"])
    assert (found.changes, found.core_added, found.core_removed) == ((), ("food.peru",), ("food.mexico",))
    gone = difference(folders["old"], folders["none"])
    assert (len(gone.core_added), gone.core_removed) == (4, ())
    same = difference(folders["old"], folders["old"])
    assert (same.core_added, same.core_removed) == ((), ())
