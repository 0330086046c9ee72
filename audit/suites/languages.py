"""What the project needs to know of a language: its names, its scripts, its direction, whether words are separated.

Names, likely scripts and directions are Babel's (Unicode CLDR). The short table below holds only what CLDR does not
say: which languages write without spaces between words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import regex
from babel import Locale, UnknownLocaleError
from babel.core import get_global

from audit.errors import SuiteError

_WRITTEN_WITHOUT_SPACES = frozenset({"zh", "yue", "wuu", "ja", "th", "lo", "km", "my", "bo", "dz"})
_SCRIPTS_OF_MIXED = {  # ISO 15924 codes that stand for more than one Unicode script, or for a variant of one
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}


@dataclass(frozen=True, kw_only=True)
class Language:
    """A language as suites are written in it."""

    code: str  # BCP 47
    name: str  # in English
    autonym: str
    scripts: tuple[str, ...]  # as in the regular expression \\p{Script=...}
    direction: str  # ltr | rtl
    joiner: str  # what stands between a prompt and its answer: " ", or nothing where words are not separated

    def share_in_script(self, text: str) -> float | None:
        """Share of the letters of `text` that belong to the language's scripts; None where it has no letters."""
        letters = regex.findall(r"\p{L}", text)
        if not letters:
            return None
        own = regex.compile("[" + "".join(rf"\p{{Script_Extensions={script}}}" for script in self.scripts) + "]")
        return sum(1 for letter in letters if own.match(letter)) / len(letters)


@cache
def language(code: str) -> Language:
    """The language of a BCP 47 code such as "sw" or "pt-BR".

    Raises:
        SuiteError: CLDR does not know the language, so its script and direction are unknown.
    """
    try:
        locale = Locale.parse(code, sep="-")
        english = Locale("en").languages.get(code.replace("-", "_")) or locale.get_display_name("en")
        likely = get_global("likely_subtags").get(code) or get_global("likely_subtags")[locale.language]
    except (UnknownLocaleError, ValueError, KeyError):
        raise SuiteError(
            f'"{code}" is no language that CLDR knows; use a BCP 47 code such as "sw" or "pt-BR"'
        ) from None
    script = locale.script or likely.split("_")[1]
    base = code.split("-")[0]
    return Language(
        code=code,
        name=english or code,
        autonym=locale.get_language_name() or code,
        scripts=_SCRIPTS_OF_MIXED.get(script, (script,)),
        direction=locale.text_direction,
        joiner="" if base in _WRITTEN_WITHOUT_SPACES else " ",
    )


def language_name(code: str) -> str:
    """English name of a language, or its code where CLDR has none."""
    try:
        return language(code).name
    except SuiteError:
        return code
