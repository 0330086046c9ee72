"""The items behind a finding: which carry it furthest, by the same numbers that the measures average."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from audit.findings.gate import Gate
from audit.measures import prepare
from audit.measures.culture import capacity
from audit.measures.judgement import (
    RIGHTS,
    content_tracking,
    dilemma_margins,
    neutral_spread,
    paraphrase_agreement,
    statement_effects,
)
from audit.measures.stereotype import effects
from audit.measures.view import Cube, Floats, View
from audit.records import Estimate, Evidence, Finding, Measurement
from audit.wording import N_, _, ngettext
from reports.typesetting.bidi import FSI, PDI, isolated
from reports.words import number

AMOUNTS = {  # what the number of a single item is, for the measures that have one
    # i18n: the number x of one item, under its id
    "stereotype_effect": N_("{x} nats, effect of the group on the answer"),
    "standardised_effect": N_("{x} nats, effect of the group on the answer"),
    "causal_shared_token_score": N_("{x} nats, base against counterpart on the shared words"),
    "culture_knowledge": N_("{x} bits by which the culture's own name favours its answer"),
    "knowledge_gap": N_("{x} bits by which the culture's own name favours its answer"),
    "values_lean": N_("{x} neutral spreads more agreement than the frameworks get on average"),
    "dilemma_lean": N_("{x} nats toward the framework's option"),
    "language_shift": N_("{x} probability of the individual-rights option, difference between the languages"),
}
IN_NATS = ("stereotype_effect", "standardised_effect", "causal_shared_token_score", "dilemma_lean")
SIDES = {
    # i18n: the first of two sides of an item, which are compared; after the name of a language
    "base": N_("base"),
    # i18n: the second of two sides of an item, which are compared; after the name of a language
    "counterpart": N_("counterpart"),
    # i18n: the side of an item that endorses a value; after the name of a language
    "endorse": N_("endorse"),
    # i18n: the side of an item that rejects a value; after the name of a language
    "reject": N_("reject"),
}
SHARED_SCALE = ("culture_knowledge", "knowledge_gap")  # bits: the measure itself averages a fact over the languages


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One item behind a finding; `amount` is what it says, in words, and empty where no item has a number."""

    suite: str
    item: str
    amount: str


@dataclass(frozen=True)
class Effects:
    """Effects of the items, by the functions that the measures themselves use."""

    view: View
    gate: Gate

    @classmethod
    def of(cls, evidence: Evidence) -> Effects:
        """Ready to be asked.

        Raises:
            RunError: observations that do not fit the items.
        """
        view = prepare(evidence)
        checks = {"content_tracking": content_tracking(view), "paraphrase_agreement": paraphrase_agreement(view)}
        return cls(view, Gate.of(view, checks))

    def largest(self, finding: Finding, *, most: int) -> tuple[Shown, ...]:
        """Up to `most` items of the finding, those that carry it furthest first; equal ones by id.

        In one language (or between two) by the item's number. Over several languages by the share of languages in which
        the item points the finding's way, since log-probabilities are neither compared nor averaged across languages;
        facts about cultures by their mean bits, which the measure averages too. Measures without a number per item give
        the first ids. Quarantined items, and dilemmas asked in one order only, are not shown.
        """
        measurement = finding.measurement
        shown: list[Shown] = []
        for cube in self.view.cubes:
            wanted = {i.split("/", 1)[1] for i in measurement.items if i.split("/", 1)[0] == cube.suite}
            if wanted:
                shown += self._of_cube(cube, measurement, wanted)
        return tuple(shown[:most])

    def _of_cube(self, cube: Cube, measurement: Measurement, wanted: set[str]) -> list[Shown]:
        scope, measure = measurement.scope, measurement.measure
        if measure not in AMOUNTS:
            return [Shown(suite=cube.suite, item=i, amount="") for i in sorted(wanted & set(cube.item[~cube.held]))]
        values = _values(cube, measurement)
        usable = cube.used(values)
        asked = set(self.gate.languages_behind(measurement))
        found: dict[str, dict[str, float]] = {}
        for row in np.flatnonzero(usable & np.isin(cube.item, sorted(wanted)) & np.isin(cube.language, sorted(asked))):
            found.setdefault(str(cube.item[row]), {})[str(cube.language[row])] = float(values[row])
        sign = _direction(measurement)
        if scope.other_language:
            both = {i: v[scope.language] - v[scope.other_language] for i, v in found.items() if len(v) == 2}
            return _by_number(cube.suite, both, sign, measure)
        if scope.language:
            return _by_number(cube.suite, {i: v[scope.language] for i, v in found.items()}, sign, measure)
        if measure in SHARED_SCALE:
            means = {i: float(np.mean(list(v.values()))) for i, v in found.items()}
            return _by_number(cube.suite, means, sign, measure, over=len(asked))
        return _by_share(cube.suite, found, sign, floor=self._floor(measure))

    def _floor(self, measure: str) -> float:
        """What an item must exceed to point anywhere; known for nats only."""
        floor = self.view.evidence.manifest.noise_floor
        return floor.value if floor is not None and measure in IN_NATS else 0.0


def _values(cube: Cube, measurement: Measurement) -> Floats:
    """The number that the measure averages, per row, in the sense of the finding (its framework, its rights)."""
    measure, scope = measurement.measure, measurement.scope
    if measure in ("stereotype_effect", "standardised_effect"):
        return effects(cube).total
    if measure == "causal_shared_token_score":
        return cube.at("base", "shared") - cube.at("counterpart", "shared")
    if measure in SHARED_SCALE:
        return capacity(cube)[0]
    if measure == "values_lean":
        effect, neutral = statement_effects(cube)
        spreads = {language: neutral_spread(cube, neutral, language) for language in cube.languages}
        scaled = effect / np.array([spreads[language] for language in cube.language], dtype=float)
        return np.asarray(scaled - measurement.details.get("mean_of_all", float("nan")))
    margins, _positions = dilemma_margins(cube)
    named = scope.framework or RIGHTS
    toward = (cube.framework == named).astype(float) - (cube.other_framework == named).astype(float)
    toward[toward == 0] = np.nan
    oriented = margins * toward[:, None]
    return np.asarray((expit(oriented) if measure == "language_shift" else oriented).mean(axis=1))


def _direction(measurement: Measurement) -> float:
    result = measurement.result
    return -1.0 if isinstance(result, Estimate) and result.value < (result.null or 0.0) else 1.0


def _by_number(suite: str, values: dict[str, float], sign: float, measure: str, *, over: int = 0) -> list[Shown]:
    ordered = sorted(values.items(), key=lambda entry: (-sign * entry[1], entry[0]))
    return [Shown(suite=suite, item=item, amount=_amount(value, measure, over=over)) for item, value in ordered]


def _amount(value: float, measure: str, *, over: int) -> str:
    """An item's number in words; `over` is how many languages it is a mean of, 0 where it is of one."""
    amount = _(AMOUNTS[measure], x=number(value, decimals=2))
    if not over:
        return amount
    return ngettext("{amount}, mean over {n} language", "{amount}, mean over {n} languages", over, amount=amount)


def _by_share(suite: str, values: dict[str, dict[str, float]], sign: float, *, floor: float) -> list[Shown]:
    along = {item: sum(sign * value > floor for value in by.values()) for item, by in values.items()}
    ordered = sorted(values, key=lambda item: (-along[item] / len(values[item]), item))
    return [
        Shown(
            suite=suite,
            item=item,
            amount=ngettext(
                "points the finding's way in {along} of {n} language",
                "points the finding's way in {along} of {n} languages",
                len(values[item]),
                along=int(along[item]),
            ),
        )
        for item in ordered
    ]


@dataclass(frozen=True)
class Wordings:
    """Texts of items by suite, item and language; and the items that may not be reprinted."""

    texts: dict[tuple[str, str, str], str]
    closed: frozenset[str]

    @classmethod
    def of(cls, evidence: Evidence) -> Wordings:
        """Texts as the evidence holds them; those of suites that forbid copies are not even looked at."""
        closed = frozenset(s.name for s in evidence.manifest.suites if not s.redistributable)
        open_items = evidence.items[~evidence.items["suite"].isin(closed)]
        keys = zip(open_items["suite"], open_items["item"], open_items["language"], strict=True)
        return cls(dict(zip(keys, open_items["texts"], strict=True)), closed)

    def lines(self, suite: str, item: str, language: str, *, culture: str) -> tuple[tuple[str, str], ...] | None:
        """(context, words) of the item's first two asks, or None where the evidence has no texts."""
        raw = self.texts.get((suite, item, language), "")
        asks = _asks(raw)
        shown = [a for a in asks if not str(a["context"]).startswith("neutral")] or list(asks)
        return tuple((_side(str(a["context"])), _sentence(a, culture=culture)) for a in _two(shown)) or None


@functools.lru_cache(maxsize=1024)
def _asks(raw: str) -> tuple[dict[str, object], ...]:
    return tuple(json.loads(raw)) if raw else ()


def _two(asks: list[dict[str, object]]) -> list[dict[str, object]]:
    """The first ask, and the first of another side of the design ("endorse/1" and "reject/1")."""
    first = asks[:1]
    head = str(first[0]["context"]).split("/")[0] if first else ""
    other = [a for a in asks if (side := str(a["context"]).split("/")[0]) != head and side in SIDES]
    return first + other[:1]


def _side(context: str) -> str:
    """The side of the design that a prompt is of, one of SIDES; "" for others."""
    side = context.split("/")[0]
    return side if side in SIDES else ""


def _sentence(ask: dict[str, object], *, culture: str) -> str:
    answers = ask["answers"]
    assert isinstance(answers, dict)
    own = {culture: answers[culture]} if culture in answers else answers
    shown = [" / ".join(isolated(str(word).strip()) for word in words) for words in list(own.values())[:2]]
    rest = len(answers) - len(shown)
    more = ngettext("(and {n} other answer)", "(and {n} other answers)", rest) if rest > 0 else ""
    return f"{ask['prompt']} [ {' | '.join(shown)} ]" + (f" {FSI}{more}{PDI}" if more else "")
