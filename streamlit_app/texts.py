"""The desk's own sentences in the languages of its interface.

English sentences are the ids of the catalogues `locale/<language>/LC_MESSAGES/desk.po`; these are compiled in memory,
so no binary files are kept. Sentences are whole and their placeholders named: word order is the translator's.

python -m streamlit_app.texts extract    writes desk.pot from the code, and adds what is new to each catalogue
python -m streamlit_app.texts check      says what is missing, stale, or has other placeholders; exit code 1 if any
"""

from __future__ import annotations

import gettext as gnu
import sys
from datetime import datetime
from pathlib import Path

from babel import Locale, dates, lists, numbers

from audit import catalogues
from audit.catalogues import SOURCE, Catalogue

LANGUAGES = catalogues.LANGUAGES
STATE = "ui_language"  # key of the session's state that holds the language in use


# --- in use ----------------------------------------------------------------------------------


def of(language: str) -> gnu.NullTranslations:
    """The catalogue of one language; the English sentences themselves where it has none."""
    return CATALOGUE.of(language)


def language() -> str:
    """Language of the interface in this session; English outside of one."""
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    if get_script_run_ctx(suppress_warning=True) is None:
        return SOURCE
    return str(st.session_state.get(STATE, SOURCE))


def _(message: str, **values: object) -> str:
    """`message` in the session's language, its named placeholders filled with `values`."""
    return _filled(of(language()).gettext(message), values)


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """The form for `n`, which also fills {n} as a number is written in the language."""
    return _filled(of(language()).ngettext(one, many, n), {"n": number(n), **values})


def pgettext(context: str, message: str) -> str:
    """`message` as it reads in `context`: a single word is another one elsewhere."""
    return of(language()).pgettext(context, message)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name
    """`message` unchanged: marks what is translated later, where it is shown."""
    return message


def _filled(text: str, values: dict[str, object]) -> str:
    return text.format(**values) if values else text


def direction(code: str) -> str:
    """Ltr or rtl."""
    return str(Locale.parse(code, sep="-").text_direction)


def name_of(code: str, *, language: str = "") -> str:
    """A language's name in the language of the interface, or its code where CLDR has none."""
    names = Locale.parse(language or globals()["language"]()).languages
    return str(names.get(code.replace("-", "_"), code))


def own_name(code: str) -> str:
    """A language's name in itself."""
    return Locale.parse(code, sep="-").get_language_name() or code


def number(value: float, *, decimals: int = 0) -> str:
    """A number as the language writes it, with a true minus sign that stays before it in right-to-left text too."""
    pattern = "#,##0." + "0" * decimals if decimals else "#,##0"
    text: str = numbers.format_decimal(value, format=pattern, locale=language())
    text = text.replace("-", "−")
    return f"\u2066{text}\u2069" if "−" in text and direction(language()) == "rtl" else text


def percent(share: float) -> str:
    """A share (0 to 1) as whole percent."""
    text: str = numbers.format_percent(share, locale=language())
    return text


def listed(things: list[str]) -> str:
    """Things as a list of the language: "a, b and c"."""
    text: str = lists.format_list(things, locale=language())
    return text


def day(moment: datetime) -> str:
    """The date of a moment (UTC), its month in words so that no order of numbers misleads."""
    text: str = dates.format_date(moment, format="long", locale=language())
    return text


def minute(moment: datetime) -> str:
    """Date and time of a moment, in UTC and saying so."""
    text: str = dates.format_datetime(moment, format="medium", locale=language())
    return f"{text} UTC"


def chosen(*wishes: str | None) -> str:
    """The first wish that is a language of the interface, by itself or by its main part ("ar-EG"); else English."""
    for wish in wishes:
        code = (wish or "").replace("_", "-").split("-")[0].lower()
        if code in LANGUAGES:
            return code
    return SOURCE


def accepted(header: str) -> tuple[str, ...]:
    """Languages of an Accept-Language header, best first."""
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:500].split(",")):
        code, _sep, quality = part.strip().partition(";q=")
        try:
            weighed.append((-float(quality or 1), place, code))
        except ValueError:
            continue
    return tuple(code for _quality, _place, code in sorted(weighed) if code)


# --- catalogues ------------------------------------------------------------------------------

CATALOGUE = Catalogue(
    domain="desk",
    locale=Path(__file__).parent / "locale",
    code=(Path(__file__).parent,),
    keywords={"_": None, "t": None, "N_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "gettext": None},
    command="python -m streamlit_app.texts",
)

if __name__ == "__main__":
    sys.exit(CATALOGUE.main(sys.argv[1:], usage=__doc__ or ""))
