"""Where the words behind a measurement come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from audit.findings.gate import Gate
from audit.measures.view import View
from audit.records import Measurement

MOST = 0.5  # of the texts translated: more than that cannot carry a claim about a culture


class Text(NamedTuple):
    """An item's words in one language."""

    unreviewed: bool  # written by a machine and reviewed by no native speaker
    translated: bool
    regions: tuple[str, ...]  # where the stereotype is documented


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts of a run that support anything: scored and not quarantined."""

    texts: Mapping[tuple[str, str], Text]  # ("suite/item", language)
    gate: Gate

    @classmethod
    def of(cls, view: View, gate: Gate) -> Words:
        """The texts of a run."""
        counted = {
            (f"{cube.suite}/{item}", language)
            for cube in view.cubes
            for item, language in zip(cube.item[~cube.held], cube.language[~cube.held], strict=True)
        }
        table = view.evidence.items
        names = ("suite", "item", "language", "author", "reviewed", "origin", "regions")
        texts = {}
        for suite, item, language, author, reviewed, origin, regions in zip(
            *(table[name].tolist() for name in names), strict=True
        ):
            key = (f"{suite}/{item}", language)
            if key in counted:
                where = tuple(region.strip() for region in regions.split(";") if region.strip())
                texts[key] = Text(author == "machine" and reviewed == 0, origin == "translated", where)
        return cls(texts=texts, gate=gate)

    def behind(self, measurement: Measurement) -> list[Text]:
        """The texts that a measurement rests on: its items, in the languages that it pools."""
        languages = self.gate.languages_behind(measurement)
        keys = ((item, language) for item in measurement.items for language in languages)
        return [self.texts[key] for key in keys if key in self.texts]

    def mostly_translated(self, measurement: Measurement) -> bool:
        """More than half of the texts behind it are translations."""
        texts = self.behind(measurement)
        return sum(text.translated for text in texts) > MOST * len(texts)

    def regions(self, measurement: Measurement) -> Counter[str]:
        """Region -> how many items are documented for it; an item counts once, however many languages it has."""
        languages = self.gate.languages_behind(measurement)
        found: Counter[str] = Counter()
        for item in measurement.items:
            texts = (self.texts[item, language] for language in languages if (item, language) in self.texts)
            found.update({region for text in texts for region in text.regions})
        return found
