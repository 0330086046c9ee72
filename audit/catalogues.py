"""Gettext catalogues kept as text: extracted from code, brought up to date, checked, and compiled in memory.

English sentences are the ids of `<locale>/<language>/LC_MESSAGES/<domain>.po`. Sentences are whole and their
placeholders named: word order is the translator's. No binary files are kept.
"""

from __future__ import annotations

import functools
import gettext as gnu
import io
import string
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = "en"
LANGUAGES = (SOURCE, "fr", "es", "ar", "hi", "sw", "zh", "id")
ENGLISH = gnu.NullTranslations()
AT_LENGTH = 100  # characters, at which lines of a .po file are broken


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The sentences of one part of the project, and what they are in each language."""

    domain: str  # of its files: desk -> desk.pot, desk.po
    locale: Path  # the folder of its languages
    code: Sequence[Path]  # folders whose Python says the sentences
    keywords: Mapping[str, Any]  # functions that take sentences, as Babel names their arguments
    command: str  # that brings the catalogues up to date
    further: Callable[[], Sequence[tuple[str, str]]] = tuple  # (context, sentence) that stand in no code

    # --- in use ----------------------------------------------------------------------------------

    def of(self, language: str) -> gnu.NullTranslations:
        """The catalogue of one language; the English sentences themselves where there is none."""
        if language == SOURCE or language not in LANGUAGES or not (file := self.file(language)).is_file():
            return ENGLISH
        return _compiled(file, language)

    def file(self, language: str) -> Path:
        """Where a language's catalogue is, or would be."""
        return self.locale / language / "LC_MESSAGES" / f"{self.domain}.po"

    # --- kept up to date -------------------------------------------------------------------------

    def extracted(self) -> Catalog:
        """Every sentence of the code, with the files that say it."""
        catalog = Catalog(project="plural-audit", charset="utf-8")
        for folder in self.code:
            found = extract_from_dir(
                folder, method_map=[("**.py", "python")], keywords=self.keywords, comment_tags=("i18n:",)
            )
            for file, _line, message, comments, context in sorted(found, key=lambda row: (row[0], row[1])):
                if message:
                    where = file.replace("\\", "/") if len(self.code) == 1 else f"{folder.name}/{file}"
                    catalog.add(message, locations=[(where, 0)], auto_comments=comments, context=context)
        for context, sentence in self.further():
            catalog.add(sentence, context=context or None)
        return catalog

    def extract(self) -> None:
        """Write the .pot, and bring each catalogue to it: what is new is added empty, what is gone is taken out."""
        template = self.extracted()
        self.locale.mkdir(exist_ok=True)
        with (self.locale / f"{self.domain}.pot").open("wb") as out:
            write_po(out, template, width=AT_LENGTH, omit_header=True, include_lineno=False, sort_by_file=True)
        for code in LANGUAGES:
            file = self.file(code)
            if file.is_file():
                catalog = read(file, code)
                catalog.update(template, no_fuzzy_matching=True)
                with file.open("wb") as out:
                    write_po(
                        out, catalog, width=AT_LENGTH, include_lineno=False, sort_by_file=True, ignore_obsolete=True
                    )

    def check(self) -> Iterator[str]:
        """What is wrong with the catalogues, one line each: file, sentence, fact."""
        template = self.extracted()
        pot = self.locale / f"{self.domain}.pot"
        kept = {key(one) for one in messages(read(pot, SOURCE))} if pot.is_file() else set()
        if kept != {key(one) for one in messages(template)}:
            yield f"{pot.name}: not what the code says now; run: {self.command} extract"
        for code in LANGUAGES:
            if code != SOURCE:
                yield from self.check_language(code, template)

    def check_language(self, code: str, template: Catalog) -> Iterator[str]:
        """What is wrong with one language's catalogue."""
        file = self.file(code)
        if not file.is_file():
            yield f"{code}/{file.name}: there is no catalogue; translate {len(template)} sentences of {self.domain}.pot"
            return
        catalog = read(file, code)
        translated = {key(one): one for one in messages(catalog)}
        for wanted in messages(template):
            one = translated.pop(key(wanted), None)
            fact = "missing" if one is None else fault(one, n_forms=catalog.num_plurals)
            if fact:
                yield f"{code}/{file.name}: {_first(wanted.id)!r}: {fact}"
        for one in translated.values():
            yield f"{code}/{file.name}: {_first(one.id)!r}: stale, the code does not say it any more"

    def main(self, arguments: list[str], *, usage: str) -> int:
        """Run `extract` or `check`; the exit code."""
        if arguments == ["extract"]:
            self.extract()
            return 0
        if arguments == ["check"]:
            problems = list(self.check())
            sys.stdout.write("".join(f"{line}\n" for line in problems))
            return 1 if problems else 0
        sys.stderr.write(usage)
        return 2


@functools.cache
def _compiled(file: Path, language: str) -> gnu.NullTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, read(file, language))
    compiled.seek(0)
    translations = gnu.GNUTranslations(compiled)
    translations.add_fallback(gnu.NullTranslations())
    return translations


def fault(message: Message, *, n_forms: int) -> str:
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


@functools.lru_cache(maxsize=4096)
def placeholders(text: str) -> frozenset[str]:
    """Names in braces; what is broken, or more than a name, counts as itself, so that it never matches."""
    try:
        parts = [part[1:] for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError:
        return frozenset({text})
    return frozenset(
        text if spec or conversion or not str(name).isidentifier() else str(name) for name, spec, conversion in parts
    )


def messages(catalog: Catalog) -> Iterator[Message]:
    """The sentences of a catalogue, without its header."""
    return (one for one in catalog if one.id)


def key(message: Message) -> tuple[str, str]:
    """What tells one sentence of a catalogue from another: its context and its English."""
    return (message.context or "", _first(message.id))


def read(file: Path, code: str) -> Catalog:
    """A catalogue's file."""
    with file.open("rb") as source:
        return read_po(source, locale=code)


def _forms(text: object) -> tuple[str, ...]:
    """A message's text, or its plural forms; ("",) where there is none."""
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text or ""),)


def _first(ids: object) -> str:
    return _forms(ids)[0]
