"""What the audit says, in the languages that people read.

A sentence is kept as what it says: an English message with named placeholders, and their values (`Said`). Wherever a
`str` is wanted it is its English; `spoken` says it in another language. So findings are weighed once, kept with their
words, and read in any language that has a catalogue, `locale/<language>/LC_MESSAGES/audit.po`.

    reason = said("rests on only {n} templates", n=3)      # kept: in a Finding, a note, an Undefined
    with speaking("fr"):
        spoken(reason)                                     # in French, with French numbers
        _("Page {page} of {pages}", page=1, pages=9)       # said at once, in French

python -m audit.wording extract    writes audit.pot from the code, and adds what is new to each catalogue
python -m audit.wording check      says what is missing, stale, or has other placeholders; exit code 1 if any
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, SupportsIndex

from babel import Locale, UnknownLocaleError, dates, lists, numbers

from audit.catalogues import LANGUAGES as LANGUAGES
from audit.catalogues import SOURCE as SOURCE
from audit.catalogues import Catalogue, placeholders

LONGEST = 10_000  # characters of a sentence that a file holds
LABEL = "label"  # context of the names that suites give to axes, cultures and frameworks
_current: ContextVar[str] = ContextVar("language", default=SOURCE)


# --- values of a sentence --------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A figure, rounded where it is said; what rounds to zero has no sign."""

    value: float
    decimals: int = 2
    signed: bool = False


@dataclass(frozen=True)
class Share:
    """A share between 0 and 1, said in whole per cent."""

    value: float


@dataclass(frozen=True)
class LanguageName:
    """A language, said by its name."""

    code: str


@dataclass(frozen=True)
class Label:
    """The name that a suite gives to an axis, a culture, a framework: translated where the catalogue has it."""

    name: str


@dataclass(frozen=True)
class Listed:
    """Several values as a list of the language: "a, b and c", or "a, b, c" where nothing joins the last to the rest."""

    things: tuple[Value, ...]
    joined: bool = True


class Said(str):
    """A sentence that can be said in another language; as a `str`, its English.

    `plural` is the English form for other numbers than one, "" where the sentence counts nothing; the number it turns
    on is the value named `n`.
    """

    __slots__ = ("message", "plural", "values")
    message: str
    plural: str
    values: Mapping[str, Value]

    def __new__(cls, message: str, plural: str = "", values: Mapping[str, Value] | None = None) -> Said:
        """The sentence of `message`, its placeholders filled from `values`."""
        known = dict(values or {})
        made = super().__new__(cls, _filled(_form(message, plural, known, SOURCE), known, SOURCE))
        made.message, made.plural, made.values = message, plural, known
        return made

    def __reduce_ex__(self, _protocol: SupportsIndex) -> tuple[Any, ...]:
        return (type(self), (self.message, self.plural, dict(self.values)))

    def __deepcopy__(self, _memo: object) -> Said:
        return self


Value = str | int | Said | Number | Share | LanguageName | Label | Listed


# --- saying ----------------------------------------------------------------------------------


def said(message: str, **values: Value) -> Said:
    """A sentence to keep: `message`, its named placeholders filled with `values`."""
    return Said(message, values=values)


def said_n(one: str, many: str, n: int, **values: Value) -> Said:
    """A sentence to keep that counts: the form for `n`, which also fills {n}."""
    return Said(one, many, {"n": n, **values})


def in_turn(clauses: Sequence[str]) -> str:
    """Several clauses as one, each complete in itself: "one; another; a third"."""
    if len(clauses) == 1:
        return clauses[0]
    # i18n: two complete clauses side by side
    return said("{first}; {rest}", first=clauses[0], rest=in_turn(clauses[1:]))


def spoken(text: str) -> str:
    """A kept sentence in the language in use; text that is no kept sentence as it is."""
    if not isinstance(text, Said) or _current.get() == SOURCE:
        return str(text)
    language = _current.get()
    return _filled(_form(text.message, text.plural, text.values, language), text.values, language)


def _(message: str, **values: Value) -> str:
    """`message` in the language in use, its named placeholders filled with `values`."""
    return spoken(Said(message, values=values)) if values else CATALOGUE.of(_current.get()).gettext(message)


def ngettext(one: str, many: str, n: int, **values: Value) -> str:
    """The form for `n` in the language in use, which also fills {n}."""
    return spoken(Said(one, many, {"n": n, **values}))


def pgettext(context: str, message: str) -> str:
    """`message` in the language in use, as it reads in `context`: a single word is another one elsewhere."""
    return CATALOGUE.of(_current.get()).pgettext(context, message)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name
    """`message` unchanged: marks what is translated later, where it is said, by `_` or `said`."""
    return message


def N_n(one: str, many: str) -> tuple[str, str]:  # noqa: N802 - as above
    """Two forms unchanged: marks what is translated later, where it is said, by `ngettext` or `said_n`."""
    return one, many


def label(name: str) -> str:
    """A suite's name for an axis, a culture, a framework, in the language in use."""
    return pgettext(LABEL, name) if name else name


@contextlib.contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in `language` within the block; English where it has no catalogue."""
    before = _current.set(language if CATALOGUE.file(language).is_file() else SOURCE)
    try:
        yield
    finally:
        _current.reset(before)


def language() -> str:
    """The language in use."""
    return _current.get()


# --- as a language writes it -----------------------------------------------------------------


def direction(code: str) -> str:
    """Ltr or rtl."""
    return str(Locale.parse(code, sep="-").text_direction)


def name_of(code: str) -> str:
    """A language's name in the language in use, or its code where CLDR has none."""
    return _named(code, _current.get())


def number(value: float, *, decimals: int = 0, signed: bool = False) -> str:
    """A figure as the language in use writes it; what rounds to zero has no sign."""
    return _written(Number(value, decimals, signed), _current.get())


def share(value: float) -> str:
    """A share between 0 and 1, in whole per cent, as the language in use writes it."""
    return _written(Share(value), _current.get())


def listed(things: Sequence[str]) -> str:
    """Things as a list of the language in use."""
    return _written(Listed(tuple(things)), _current.get())


def day(moment: date) -> str:
    """A date, its month in words so that no order of numbers misleads."""
    return str(dates.format_date(moment, format="long", locale=_current.get()))


def _form(message: str, plural: str, values: Mapping[str, Value], language: str) -> str:
    catalogue = CATALOGUE.of(language)
    if not plural:
        return catalogue.gettext(message)
    n = values["n"]
    assert isinstance(n, int)
    return catalogue.ngettext(message, plural, n)


def _filled(text: str, values: Mapping[str, Value], language: str) -> str:
    if not values:
        return text
    rtl = language != SOURCE and direction(language) == "rtl"
    written = {name: _written(value, language) for name, value in values.items()}
    # A value of the other direction must not pull the words around it out of their order.
    return text.format(**{name: f"\u2068{value}\u2069" if rtl else value for name, value in written.items()})


def _written(value: Value, language: str) -> str:
    if isinstance(value, Said):
        return _filled(_form(value.message, value.plural, value.values, language), value.values, language)
    if isinstance(value, Number):
        return _figure(value, language)
    if isinstance(value, Share):
        return f"{value.value:.0%}" if language == SOURCE else str(numbers.format_percent(value.value, locale=language))
    if isinstance(value, LanguageName):
        return _named(value.code, language)
    if isinstance(value, Label):
        return CATALOGUE.of(language).pgettext(LABEL, value.name) if value.name else value.name
    if isinstance(value, Listed):
        return _list([_written(one, language) for one in value.things], language, joined=value.joined)
    if isinstance(value, int) and language != SOURCE:
        return str(numbers.format_decimal(value, locale=language))
    return str(value)


def _figure(figure: Number, language: str) -> str:
    # As a float of Python: numpy rounds halves that are none. Adding 0.0 takes the sign from zero.
    value = round(float(figure.value), figure.decimals) + 0.0
    text = f"{value:.{figure.decimals}f}"
    if language != SOURCE:
        pattern = "#,##0." + "0" * figure.decimals if figure.decimals else "#,##0"
        text = str(numbers.format_decimal(value, format=pattern, locale=language)).replace("-", "−")
    return f"+{text}" if figure.signed and value > 0 else text


def _list(things: list[str], language: str, *, joined: bool) -> str:
    if not joined and things:  # what CLDR puts between two in the middle of a list
        between = Locale.parse(language).list_patterns["standard"]["middle"]
        return functools.reduce(lambda one, other: str(between).replace("{0}", one).replace("{1}", other), things)
    if language != SOURCE:
        return str(lists.format_list(things, locale=language))
    return " and ".join([*([", ".join(things[:-1])] if things[:-1] else []), *things[-1:]])


@functools.lru_cache(maxsize=1024)
def _named(code: str, language: str) -> str:
    try:
        own = Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError):
        return code
    names = Locale.parse(language, sep="-")
    return names.languages.get(code.replace("-", "_")) or own.get_display_name(names) or code


# --- kept ------------------------------------------------------------------------------------


def packed(value: Value) -> Any:
    """A value as plain JSON-ready types; `unpacked` reads it back."""
    if isinstance(value, Said):
        values = {name: packed(one) for name, one in value.values.items()}
        return {"says": value.message, **({"plural": value.plural} if value.plural else {}), "with": values}
    if isinstance(value, Number):
        return {"number": value.value, "decimals": value.decimals, "signed": value.signed}
    if isinstance(value, Share):
        return {"share": value.value}
    if isinstance(value, LanguageName):
        return {"language": value.code}
    if isinstance(value, Label):
        return {"label": value.name}
    if isinstance(value, Listed):
        return {"list": [packed(one) for one in value.things], **({} if value.joined else {"joined": False})}
    return value


def unpacked(plain: Any) -> Any:
    """What `packed` wrote. Older files hold plain texts, which stay as they are.

    Raises:
        ValueError: something else.
    """
    try:
        return _unpacked(plain)
    except RecursionError:
        raise ValueError("a wording is nested too deeply") from None


def kept(text: str) -> Any:
    """A text as it stands in a file for others to read: its English, and beside it the parts of a kept sentence."""
    return {"text": str(text), **packed(text)} if isinstance(text, Said) else text


def restored(plain: Any) -> str:
    """The text that `kept` wrote.

    Raises:
        ValueError: something else, or parts that do not give the English beside them.
    """
    text = unpacked(plain)
    if not isinstance(text, str):
        raise ValueError(f"{plain!r} is no text")
    if isinstance(plain, dict) and plain.get("text", text) != text:
        raise ValueError(f"{plain['text']!r} is not what its parts say: {str(text)!r}")
    return text


def _unpacked(plain: Any) -> Any:
    if isinstance(plain, str | int):
        return plain
    match plain:
        case {"says": str(message), "with": dict(values)}:
            return _sentence(message, plain.get("plural", ""), {name: _unpacked(one) for name, one in values.items()})
        case {"number": int(value) | float(value), "decimals": int(decimals), "signed": bool(signed)}:
            return Number(value, decimals, signed)
        case {"share": int(value) | float(value)}:
            return Share(value)
        case {"language": str(code)}:
            return LanguageName(code)
        case {"label": str(name)}:
            return Label(name)
        case {"list": list(things)}:
            return Listed(tuple(_unpacked(one) for one in things), plain.get("joined", True) is True)
    raise ValueError(f"{plain!r} is no wording")


def _sentence(message: str, plural: Any, values: dict[str, Value]) -> Said:
    """A sentence from outside. Only names may stand in its braces: a format could ask for any width or attribute."""
    if max(len(message), len(str(plural))) > LONGEST:
        raise ValueError(f"{message[:40]!r}... is longer than {LONGEST} characters")
    forms = (message, plural) if plural else (message,)
    if not isinstance(plural, str) or not all(placeholders(form) <= set(values) for form in forms if values):
        raise ValueError(f"{message!r} has other placeholders than {sorted(values)}")
    if plural and not isinstance(values.get("n"), int):
        raise ValueError(f"{message!r} counts, but no n is given")
    made = Said(message, plural, values)
    if len(made) > LONGEST:  # sentences within sentences could double at each step
        raise ValueError(f"{message[:40]!r} is longer than {LONGEST} characters as it is said")
    return made


# --- catalogues ------------------------------------------------------------------------------


def _labels_of_suites() -> list[tuple[str, str]]:
    """(context, name) of all that the built-in suites name."""
    import tomllib

    here = Path(__file__).parent
    folder = next(one for one in (here / "prompts", here.parent / "prompts") if one.is_dir())
    found: dict[tuple[str, str], None] = {}
    for file in sorted(folder.glob("*/suite.toml")):
        suite = tomllib.loads(file.read_text(encoding="utf-8"))
        found.update({("", suite[name]): None for name in ("question", "not_shown")})
        found.update(dict.fromkeys((LABEL, name) for name in suite.get("labels", {}).values()))
        parts = [
            part for group in suite.values() if isinstance(group, list) for part in group if isinstance(part, dict)
        ]
        found.update(dict.fromkeys((LABEL, region) for part in parts for region in part.get("regions", ())))
    return list(found)


CATALOGUE = Catalogue(
    domain="audit",
    locale=Path(__file__).parent / "locale",
    code=(Path(__file__).parent, Path(__file__).parent.parent / "reports"),
    keywords={
        "_": None,
        "N_": None,
        "said": None,
        "said_n": (1, 2),
        "N_n": (1, 2),
        "ngettext": (1, 2),
        "pgettext": ((1, "c"), 2),
    },
    command="python -m audit.wording",
    further=_labels_of_suites,
)

if __name__ == "__main__":
    sys.exit(CATALOGUE.main(sys.argv[1:], usage=__doc__ or ""))
