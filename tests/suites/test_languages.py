from __future__ import annotations

import pytest

from audit.errors import SuiteError
from audit.suites import language, language_name


def test_the_languages_of_the_public_sets_have_names_scripts_and_a_direction() -> None:
    codes = [
        *("en", "es", "fr", "de", "pt", "ru", "tr", "ar", "fa", "ur", "hi", "bn", "ta"),
        *("zh", "ja", "ko", "id", "vi", "th", "sw", "yo", "ha", "am", "zu", "tl"),
    ]
    languages = [language(code) for code in codes]
    assert all(x.name and x.autonym and x.scripts for x in languages)
    assert {x.code for x in languages if x.direction == "rtl"} == {"ar", "fa", "ur"}
    assert {x.code for x in languages if x.joiner == ""} == {"zh", "ja", "th"}


@pytest.mark.parametrize(
    ("code", "name", "scripts"),
    [
        ("sw", "Swahili", ("Latn",)),
        ("ja", "Japanese", ("Hani", "Hira", "Kana")),
        ("ko", "Korean", ("Hang", "Hani")),
        ("am", "Amharic", ("Ethi",)),
        ("pt-BR", "Brazilian Portuguese", ("Latn",)),
        ("zh-Hant", "Traditional Chinese", ("Hani",)),
        ("sr-Latn", "Serbian (Latin)", ("Latn",)),
    ],
)
def test_script_and_name_are_those_of_the_code(code: str, name: str, scripts: tuple[str, ...]) -> None:
    found = language(code)
    assert (found.name, found.scripts) == (name, scripts)


def test_share_in_script_counts_letters_only() -> None:
    assert language("ru").share_in_script("Да, ok! 123") == 0.5  # 2 of 4 letters
    assert language("ja").share_in_script("スーパー") == 1  # the long-vowel mark belongs to kana
    assert language("hi").share_in_script("123 !") is None


def test_a_code_that_cldr_does_not_know_is_refused() -> None:
    for code in ("qqx", "", "english", "../en"):
        with pytest.raises(SuiteError, match="is no language"):
            language(code)


def test_a_language_without_a_name_is_called_by_its_code() -> None:
    assert (language_name("sw"), language_name("xx-none")) == ("Swahili", "xx-none")
