"""The desk's own sentences in the languages of its interface.

English sentences are the ids of the catalogues `locale/<language>/LC_MESSAGES/desk.po`; these are compiled in memory,
so no binary files are kept. Sentences are whole and their placeholders named: word order is the translator's.

python -m streamlit_app.texts extract    writes desk.pot from the code, and adds what is new to each catalogue
python -m streamlit_app.texts check      says what is missing, stale, or has other placeholders; exit code 1 if any
"""

from __future__ import annotations

import functools
import gettext as gnu
import io
import string
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from babel import Locale, dates, lists, numbers
from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

LANGUAGES = ("en", "fr", "es", "ar", "hi", "sw", "zh", "id")
SOURCE = "en"
CODE = Path(__file__).parent
LOCALE = CODE / "locale"
STATE = "ui_language"  # key of the session's state that holds the language in use
KEYWORDS = {"_": None, "t": None, "N_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "gettext": None}


# --- in use ----------------------------------------------------------------------------------


@functools.cache
def of(language: str) -> gnu.NullTranslations:
    """The catalogue of one language; the English sentences themselves where it has none."""
    file = _file(language)
    if language == SOURCE or language not in LANGUAGES or not file.is_file():
        return gnu.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, _read(file, language))
    compiled.seek(0)
    translations = gnu.GNUTranslations(compiled)
    translations.add_fallback(gnu.NullTranslations())
    return translations


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


def extracted() -> Catalog:
    """Every sentence of the code, with the files that say it."""
    catalog = Catalog(project="plural-audit", charset="utf-8")
    found = extract_from_dir(CODE, method_map=[("**.py", "python")], keywords=KEYWORDS, comment_tags=("i18n:",))
    for file, _line, message, comments, context in sorted(found, key=lambda row: (row[0], row[1])):
        if message:
            catalog.add(message, locations=[(file.replace("\\", "/"), 0)], auto_comments=comments, context=context)
    return catalog


def extract() -> None:
    """Write desk.pot, and bring each catalogue to it: what is new is added empty, what is gone is taken out."""
    template = extracted()
    LOCALE.mkdir(exist_ok=True)
    with (LOCALE / "desk.pot").open("wb") as out:
        write_po(out, template, width=100, omit_header=True, include_lineno=False, sort_by_file=True)
    for code in LANGUAGES:
        file = _file(code)
        if file.is_file():
            catalog = _read(file, code)
            catalog.update(template, no_fuzzy_matching=True)
            with file.open("wb") as out:
                write_po(out, catalog, width=100, include_lineno=False, sort_by_file=True, ignore_obsolete=True)


def check() -> Iterator[str]:
    """What is wrong with the catalogues, one line each: file, sentence, fact."""
    template = extracted()
    pot = LOCALE / "desk.pot"
    kept = {_key(one) for one in _messages(_read(pot, SOURCE))} if pot.is_file() else set()
    if kept != {_key(one) for one in _messages(template)}:
        yield f"{pot.name}: not what the code says now; run: python -m streamlit_app.texts extract"
    for code in LANGUAGES:
        if code != SOURCE:
            yield from check_language(code, template)


def check_language(code: str, template: Catalog) -> Iterator[str]:
    """What is wrong with one catalogue."""
    file = _file(code)
    if not file.is_file():
        yield f"{code}/desk.po: there is no catalogue; translate {len(template)} sentences of desk.pot"
        return
    catalog = _read(file, code)
    translated = {_key(one): one for one in _messages(catalog)}
    for wanted in _messages(template):
        one = translated.pop(_key(wanted), None)
        fact = "missing" if one is None else _fault(one, n_forms=catalog.num_plurals)
        if fact:
            yield f"{code}/desk.po: {_first(wanted.id)!r}: {fact}"
    for one in translated.values():
        yield f"{code}/desk.po: {_first(one.id)!r}: stale, the code does not say it any more"


def _fault(message: Message, *, n_forms: int) -> str:
    """What is wrong with a translated message, "" if nothing."""
    forms, sources = _forms(message.string), _forms(message.id)
    if message.fuzzy:
        return "marked fuzzy; read it and take the mark away"
    if not all(forms) or (len(sources) > 1 and len(forms) != n_forms):
        return "missing, or not all plural forms are there"
    wanted = placeholders(sources[-1])
    # A form for one or two may say the number in words; every other placeholder must be there.
    spare = {"n"} if len(sources) > 1 else set()
    for form in forms:
        has = placeholders(form)
        if has - wanted or wanted - has - spare:
            return f"placeholders {sorted(has)} where the sentence has {sorted(wanted)}"
        if ("<" in form or ">" in form) and not ("<" in sources[-1] or ">" in sources[-1]):
            return "holds markup"
    return ""


def _forms(text: object) -> tuple[str, ...]:
    """A message's text, or its plural forms; ("",) where there is none."""
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text or ""),)


def placeholders(text: str) -> set[str]:
    """Names in braces; a broken or numbered one counts as itself, so that it never matches."""
    try:
        return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return {text}


def _messages(catalog: Catalog) -> Iterator[Message]:
    return (one for one in catalog if one.id)


def _key(message: Message) -> tuple[str, str]:
    return (message.context or "", _first(message.id))


def _first(ids: object) -> str:
    return _forms(ids)[0]


def _file(code: str) -> Path:
    return LOCALE / code / "LC_MESSAGES" / "desk.po"


def _read(file: Path, code: str) -> Catalog:
    with file.open("rb") as source:
        return read_po(source, locale=code)


def main(arguments: list[str]) -> int:
    """Run one of the two commands."""
    if arguments == ["extract"]:
        extract()
        return 0
    if arguments == ["check"]:
        problems = list(check())
        sys.stdout.write("".join(f"{line}\n" for line in problems))
        return 1 if problems else 0
    sys.stderr.write(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
