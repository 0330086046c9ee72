"""Two runs laid side by side: only the items that both were asked in the same words, and scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from audit.comparison.records import NotComparable
from audit.errors import UsageError
from audit.findings.gate import Gate
from audit.measures import prepare
from audit.measures.judgement import content_tracking, paraphrase_agreement
from audit.measures.view import KEYS, Cube, Floats, Mask, View
from audit.records import Evidence, Kind, Measurement, Undefined
from audit.wording import said

# What decides which effect an item measures; provenance and review counts do not.
DESIGN = (
    "kind",
    "template",
    "topic",
    "control",
    "base_group",
    "counterpart_group",
    "culture",
    "framework",
    "other_framework",
)
ANSWER = [*KEYS, "context", "answer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """One number per row in each run, shape (n,); NaN in both where either has none."""

    a: Floats
    b: Floats

    @classmethod
    def of(cls, a: Floats, b: Floats) -> Sides:
        """Both sides, cut to the rows that both have."""
        both = np.isfinite(a) & np.isfinite(b)
        return cls(a=np.where(both, a, np.nan), b=np.where(both, b, np.nan))

    @property
    def change(self) -> Floats:
        """B - A."""
        return self.b - self.a


@dataclass(frozen=True, kw_only=True, eq=False)
class Two:
    """One suite in both runs; row for row the same item in the same language."""

    a: Cube
    b: Cube

    @property
    def cube(self) -> Cube:
        """What both have in common: labels, not numbers."""
        return self.a

    def sides(self, score: Callable[[Cube], Floats]) -> Sides:
        """A score of each run's answers."""
        return Sides.of(score(self.a), score(self.b))


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Both runs, cut to the same items; what either model does not read counts as read by neither."""

    a: View
    b: View
    gate_a: Gate  # of the whole runs
    gate_b: Gate
    same: tuple[str, ...]  # "suite/language/item"
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    not_comparable: tuple[NotComparable, ...]

    def of(self, kind: Kind) -> Iterator[Two]:
        """The suites of one kind."""
        return (Two(a=a, b=b) for a, b in zip(self.a.of(kind), self.b.of(kind), strict=True))

    def floor(self, per_nat_a: float = 1.0, per_nat_b: float = 1.0) -> float | None:
        """How far a difference moves when nothing but batches changes, in a unit with so many to a nat in each run."""
        floors = [view.evidence.manifest.noise_floor for view in (self.a, self.b)]
        if floors[0] is None or floors[1] is None:
            return None
        return floors[0].value * per_nat_a + floors[1].value * per_nat_b

    def passing(self, cube: Cube, check: str) -> tuple[str, ...]:
        """Languages of a suite that both models read and in which both pass a check of the instrument."""
        failed = {**self.gate_a.failed[check], **self.gate_b.failed[check]}
        unread = self.a.unread or {}
        return tuple(one for one in cube.languages if one not in unread and (cube.suite, one) not in failed)

    def barred(self, measurement: Measurement) -> str:
        """Why neither may be read into this difference, naming the run; "" if it may."""
        for run, gate in (("A", self.gate_a), ("B", self.gate_b)):
            if reason := gate.reason(measurement):
                return _of_run(run, reason)
        return ""


def _of_run(run: str, reason: str) -> str:
    return said("in run {run}: {reason}", run=run, reason=reason)


def pair(a: Evidence, b: Evidence) -> Pair:
    """Lay two runs side by side.

    Items are the same where suite, language, id, words and place in the design agree and both runs scored the same
    answers; the versions of the suites may differ. An item held back in either run is held back in both.

    Raises:
        UsageError: the same run twice, or nothing in common.
        RunError: tables that do not fit together.
    """
    if a.manifest.run_id == b.manifest.run_id:
        raise UsageError(f"{a.manifest.run_id}: the same run twice; name two runs to compare")
    whole_a, whole_b = prepare(a), prepare(b)  # before anything is cut: refuses tables that do not fit together
    gate_a, gate_b = _gate(whole_a), _gate(whole_b)
    both = a.items.merge(b.items, on=KEYS, how="outer", suffixes=("_a", "_b"), indicator="where")
    both = both.sort_values(KEYS, kind="stable", ignore_index=True)
    found = both[both["where"] == "both"].reset_index(drop=True)
    reasons = _reasons(a, b, found)
    comparable = np.array([not reason for reason in reasons], dtype=bool)
    same = found[comparable]
    if not len(same):
        why = f"; {reasons[0]}" if reasons else ""
        runs = f"{a.manifest.run_id} and {b.manifest.run_id}"
        raise UsageError(f"{runs}: no item in common{why}; compare runs of the same suites and languages")
    unread: dict[str, str] = {}
    for run, gate in (("A", gate_a), ("B", gate_b)):
        for language, reason in gate.unread.items():
            unread.setdefault(language, _of_run(run, reason))
    held = same["quarantine_a"].where(same["quarantine_a"] != "", same["quarantine_b"])
    keys = pd.MultiIndex.from_frame(same[KEYS])
    quarantine = pd.Series(held.to_numpy(), index=keys)
    views = [replace(prepare(_cut(one, quarantine)), unread=unread) for one in (a, b)]
    return Pair(
        a=views[0],
        b=views[1],
        gate_a=gate_a,
        gate_b=gate_b,
        same=_names(same),
        only_a=_names(both[both["where"] == "left_only"]),
        only_b=_names(both[both["where"] == "right_only"]),
        not_comparable=tuple(
            NotComparable(what=name, reason=reason)
            for name, reason in zip(_names(found), reasons, strict=True)
            if reason
        ),
    )


def _gate(view: View) -> Gate:
    checks = {"content_tracking": content_tracking(view), "paraphrase_agreement": paraphrase_agreement(view)}
    return Gate.of(view, checks)


def _names(table: pd.DataFrame) -> tuple[str, ...]:
    return tuple("/".join(key) for key in table[KEYS].itertuples(index=False, name=None))


# --- the same item --------------------------------------------------------------------------


def _reasons(a: Evidence, b: Evidence, found: pd.DataFrame) -> list[str]:
    """Per item of both runs, why it cannot be compared; "" if it can."""
    keys: list[tuple[str, ...]] = list(found[KEYS].itertuples(index=False, name=None))
    digests = [{suite.name: suite.digest for suite in one.manifest.suites} for one in (a, b)]
    same_words = [
        _same_words(one, other, same_suite=digests[0].get(key[0]) == digests[1].get(key[0]))
        for key, one, other in zip(keys, found["texts_a"], found["texts_b"], strict=True)
    ]
    differs = {name: (found[f"{name}_a"] != found[f"{name}_b"]).tolist() for name in DESIGN}
    scored = [_keys(one.observations) for one in (a, b)]
    excluded = [_excluded(one) for one in (a, b)]
    unequal = _unequal(a.observations, b.observations)

    def reason(number: int, key: tuple[str, ...]) -> str:
        if same_words[number]:
            return same_words[number]
        for column, rows in differs.items():
            if rows[number]:
                return said("its {column} is not the same in both runs", column=column.replace("_", " "))
        for run, seen, why in zip("AB", scored, excluded, strict=True):
            if key not in seen:
                told = why.get(key, said("no answer was scored"))
                return said("not scored in run {run}: {reason}", run=run, reason=told)
        return said("not the same answers were scored in both runs") if key in unequal else ""

    return [reason(number, key) for number, key in enumerate(keys)]


def _same_words(one: str, other: str, *, same_suite: bool) -> str:
    """Why two items cannot be taken to have the same words; "" if they can."""
    if not one or not other:
        if same_suite:
            return ""
        return said("the suite's licence keeps its texts out of run folders, and the suites' digests differ")
    if one == other or json.loads(one) == json.loads(other):
        return ""
    return said("its words are not the same in both runs")


def _keys(table: pd.DataFrame) -> set[tuple[str, ...]]:
    return set(table[KEYS].drop_duplicates().itertuples(index=False, name=None))


def _unequal(one: pd.DataFrame, other: pd.DataFrame) -> set[tuple[str, ...]]:
    """Items of which one run scored an answer that the other did not."""
    merged = one[ANSWER].merge(other[ANSWER], how="outer", indicator="where")
    return _keys(merged[merged["where"] != "both"])


def _excluded(evidence: Evidence) -> dict[tuple[str, ...], str]:
    table = evidence.exclusions[evidence.exclusions["stage"] == "observe"]
    columns = (table[name].tolist() for name in (*KEYS, "reason"))
    return {(suite, language, item): reason for suite, language, item, reason in zip(*columns, strict=True)}


def _cut(evidence: Evidence, quarantine: pd.Series[str]) -> Evidence:
    """The evidence on some items alone, each held back for the reason given, if any."""
    tables: dict[str, Any] = {}
    for one in fields(Evidence):
        table = getattr(evidence, one.name)
        if isinstance(table, pd.DataFrame) and set(KEYS) <= set(table.columns):
            index = pd.MultiIndex.from_frame(table[KEYS])
            kept = index.isin(quarantine.index)
            tables[one.name] = table[kept]
            if one.name == "items":
                held = quarantine.reindex(index[kept]).to_numpy()
                tables[one.name] = table[kept].assign(quarantine=pd.array(held, dtype="string"))
    return replace(evidence, **tables)


# --- what an estimator says of a change -------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A measurement of B - A, and the same measure in each run on the same rows."""

    measurement: Measurement
    value_a: float | None
    value_b: float | None
    floor: float | None  # in the unit of the measurement
    notes: tuple[str, ...] = ()


Estimator = Callable[[Floats], Iterator[Measurement]]


def compared(
    sides: Sides, estimator: Estimator, *, floor: float | Mapping[str, float | None] | None, notes: tuple[str, ...] = ()
) -> Iterator[Compared]:
    """What a linear estimator says of the change of every row, and of each run.

    Measures are weighted sums of their items' scores, so the measure of the differences is the difference of the
    measures; its error, which knows that the items are the same, comes from the differences.

    Args:
        sides: scores of the same rows in both runs.
        estimator: gives the measurements of one number per row; NaN rows are left out.
        floor: noise floor of a difference; by language where it depends on that.
        notes: on all of them.
    """
    values = [{one.scope: one.result for one in estimator(side)} for side in (sides.a, sides.b)]
    for one in estimator(sides.change):
        of = [side.get(one.scope) for side in values]
        a, b = (None if result is None or isinstance(result, Undefined) else result.value for result in of)
        here = floor.get(one.scope.language) if isinstance(floor, Mapping) else floor
        yield Compared(measurement=one, value_a=a, value_b=b, floor=here, notes=notes)


def rows_in(cube: Cube, values: Floats, language: str) -> Mask:
    """Rows of a language that support a difference."""
    return np.asarray(cube.used(values) & (cube.language == language))
