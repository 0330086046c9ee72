"""A catalogue in letters of no language: what it leaves in Latin letters was never given to translators."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from babel.messages import Catalog
from babel.messages.pofile import write_po

from audit import wording
from audit.catalogues import Catalogue, messages

IN_PLACE_OF = "hi"  # its names of languages and its dates have no Latin letters


def catalogue_in_other_letters(folder: Path) -> Catalogue:
    """Everything that the code says, each letter turned into one of no language, in place of Hindi."""
    made = dataclasses.replace(wording.CATALOGUE, locale=folder)
    catalog = Catalog(locale=IN_PLACE_OF)
    for message in messages(wording.CATALOGUE.extracted()):
        forms = message.id if isinstance(message.id, tuple) else (message.id,)
        turned = tuple(without_letters(form) for form in forms)
        catalog.add(message.id, turned if len(turned) > 1 else turned[0], context=message.context)
    write_catalogue(made, catalog)
    return made


def write_catalogue(made: Catalogue, catalog: Catalog) -> None:
    """Keep `catalog` where `made` looks for it."""
    made.file(IN_PLACE_OF).parent.mkdir(parents=True)
    with made.file(IN_PLACE_OF).open("wb") as out:
        write_po(out, catalog)


def without_letters(message: str) -> str:
    """A message with other letters, its placeholders as they are."""
    return "".join(
        part if part.startswith("{") else re.sub("[A-Za-z]", "ж", part) for part in re.split(r"(\{\w+\})", message)
    )
