"""The items behind a finding: which had the largest effects, and in which words they were asked."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.records import Estimate, Evidence, Finding, Kind

PIVOT = ["suite", "item", "language"]
UNITS = {
    Kind.STEREOTYPE: "effect of the group on the answer, nats",
    Kind.PAIRS: "base against counterpart on the shared words, nats",
    Kind.VALUES: "agreement with the endorsing against the rejecting statement, nats",
    Kind.DILEMMA: "first option against second, nats",
    Kind.CULTURE: "what naming the culture adds to its answer, nats",
    Kind.COMPETENCE: "true against broken continuation, nats",
}


@dataclass(frozen=True)
class Effects:
    """Effect of each item in each language: columns suite, kind, item, language, effect (nats)."""

    table: pd.DataFrame

    @classmethod
    def of(cls, evidence: Evidence) -> Effects:
        """Effects computed from the observations; quarantined ones and those without their contexts are left out."""
        kinds = evidence.items.drop_duplicates("suite").set_index("suite")["kind"]
        held = evidence.items.loc[evidence.items["quarantine"] != "", PIVOT]
        parts = [
            _of_kind(Kind(kinds[suite]), _unheld(rows, held), items=evidence.items[evidence.items["suite"] == suite])
            for suite, rows in evidence.observations.groupby("suite")
            if suite in kinds.index and Kind(kinds[suite]) in UNITS
        ]
        empty = pd.DataFrame({name: pd.Series(dtype="object") for name in (*PIVOT, "effect", "kind")})
        return cls(
            pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else empty
        )

    def largest(self, finding: Finding, *, most: int, without: tuple[str, ...] = ()) -> pd.DataFrame:
        """Up to `most` items of the finding, the largest effects in its direction first.

        Over several languages, except those in `without`, an item's mean stands for it; `language` is then empty.
        """
        measurement = finding.measurement
        scope = measurement.scope
        table = self.table
        rows = table[(table["suite"] + "/" + table["item"]).isin(set(measurement.items))]
        wanted = [code for code in (scope.language, scope.other_language) if code]
        rows = rows[rows["language"].isin(wanted) if wanted else ~rows["language"].isin(without)]
        means = rows.groupby(["suite", "kind", "item"], sort=True)["effect"].mean().reset_index()
        means["language"] = scope.language if scope.language and not scope.other_language else ""
        size = means["effect"].astype(float) * _direction(measurement.result)
        order = np.lexsort((means["item"], -size.to_numpy(dtype=float)))
        found: pd.DataFrame = means.iloc[order].head(most)
        return found


def _unheld(rows: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Rows of items that are not quarantined."""
    gone = pd.MultiIndex.from_frame(rows[PIVOT]).isin(pd.MultiIndex.from_frame(held))
    return rows[~gone]


def _direction(result: object) -> float:
    if not isinstance(result, Estimate):
        return 1.0
    return -1.0 if result.value < (result.null or 0.0) else 1.0


def _of_kind(kind: Kind, rows: pd.DataFrame, *, items: pd.DataFrame) -> pd.DataFrame:
    if kind is Kind.CULTURE:
        effect = _culture_effects(rows, items=items)
    else:
        wide = rows.pivot_table(index=PIVOT, columns=["context", "answer"], values="logp", aggfunc="first")
        effect = _simple_effects(kind, wide)
    effect = effect[np.isfinite(effect)]
    named: pd.DataFrame = effect.rename("effect").reset_index().assign(kind=str(kind))
    return named


def _simple_effects(kind: Kind, wide: pd.DataFrame) -> pd.Series:
    def cells(start: str, answer: str) -> pd.Series:
        """Mean over the contexts whose names begin with `start`."""
        columns = [c for c in wide.columns if str(c[0]).startswith(start) and c[1] == answer]
        return wide[columns].mean(axis=1) if columns else pd.Series(np.nan, index=wide.index)

    if kind is Kind.STEREOTYPE:
        margins = [cells(side, "a") - cells(side, "b") for side in ("base", "counterpart")]
        return margins[0] - margins[1]
    if kind is Kind.VALUES:
        margins = [cells(side, "agree") - cells(side, "disagree") for side in ("endorse", "reject")]
        return margins[0] - margins[1]
    if kind is Kind.PAIRS:
        return cells("base", "shared") - cells("counterpart", "shared")
    if kind is Kind.DILEMMA:
        return cells("", "a") - cells("", "b")
    return cells("", "true") - cells("", "broken")


def _culture_effects(rows: pd.DataFrame, *, items: pd.DataFrame) -> pd.Series:
    right = items.drop_duplicates("item").set_index("item")["culture"]
    keys = [*PIVOT, "context"]
    peak = rows.groupby(keys)["logp"].transform("max")
    mass = (rows["logp"] - peak).map(math.exp)
    share = rows.assign(lp=rows["logp"] - peak - np.log(mass.groupby([rows[k] for k in keys]).transform("sum")))
    own = share[share["answer"] == share["item"].map(right)]
    side = own["context"].str.startswith("neutral").map({True: "neutral", False: "asked"}).rename("side")
    means = own.groupby([*PIVOT, side])["lp"].mean().unstack()
    missing = pd.Series(np.nan, index=means.index)
    effect: pd.Series = means.get("asked", missing) - means.get("neutral", missing)
    return effect


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
        return tuple((_context_word(str(a["context"])), _sentence(a, culture=culture)) for a in _two(shown)) or None


@functools.lru_cache(maxsize=1024)
def _asks(raw: str) -> tuple[dict[str, object], ...]:
    return tuple(json.loads(raw)) if raw else ()


def _two(asks: list[dict[str, object]]) -> list[dict[str, object]]:
    """The first ask, and the first of another side of the design ("endorse/1" and "reject/1")."""
    first = asks[:1]
    sides = {"base", "counterpart", "endorse", "reject"}
    head = str(first[0]["context"]).split("/")[0] if first else ""
    other = [a for a in asks if (side := str(a["context"]).split("/")[0]) != head and side in sides]
    return first + other[:1]


def _context_word(context: str) -> str:
    return context.split("/")[0] if context.split("/")[0] in ("base", "counterpart", "endorse", "reject") else ""


def _sentence(ask: dict[str, object], *, culture: str) -> str:
    answers = ask["answers"]
    assert isinstance(answers, dict)
    own = {culture: answers[culture]} if culture in answers else answers
    shown = [" / ".join(str(word).strip() for word in words) for words in list(own.values())[:2]]
    rest = len(answers) - len(shown)
    more = f" (and {rest} other answers)" if rest > 0 else ""
    return f"{ask['prompt']} [ {' | '.join(shown)} ]{more}"
