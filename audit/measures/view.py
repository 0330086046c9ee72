"""Evidence made ready for counting: one dense array of log-probabilities per suite, one row per item and language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.errors import RunError
from audit.records import Estimate, Evidence, Kind, Measurement, Scope, Undefined
from audit.terms import noun
from audit.wording import LanguageName, Listed, said, said_n

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

KEYS = ["suite", "language", "item"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cube:
    """All that was observed on one suite. Items that were excluded have no row; missing asks are NaN."""

    suite: str
    kind: Kind
    languages: tuple[str, ...]  # all that the suite was asked in, also those of which nothing is left
    language: NDArray[Any]  # (n,) of each row, as are the next
    item: NDArray[Any]
    template: NDArray[Any]
    topic: NDArray[Any]
    culture: NDArray[Any]
    framework: NDArray[Any]
    other_framework: NDArray[Any]
    control: Mask
    held: Mask  # quarantined: supports no finding
    contexts: tuple[str, ...]
    roles: tuple[str, ...]
    logp: Floats  # (n, contexts, roles), nats
    n_tokens: Floats
    n_bytes: Floats

    def at(self, context: str, role: str, *, normalised: bool = False) -> Floats:
        """Log-probability of one role in one context, (n,), NaN where not asked; `normalised`: per token."""
        if context not in self.contexts or role not in self.roles:
            return np.full(len(self.item), np.nan)
        where = (slice(None), self.contexts.index(context), self.roles.index(role))
        return self.logp[where] / self.n_tokens[where] if normalised else self.logp[where]

    def used(self, values: Floats) -> Mask:
        """Rows that support a finding: not a control, not quarantined, and with a number."""
        return ~self.control & ~self.held & np.isfinite(values)

    def controls(self, values: Floats) -> Mask:
        """Control rows with a number."""
        return self.control & ~self.held & np.isfinite(values)

    def ids(self, rows: Mask) -> tuple[str, ...]:
        """The "suite/item" ids of some rows, sorted, each once."""
        return tuple(sorted({f"{self.suite}/{item}" for item in self.item[rows]}))

    def held_note(self, rows: Mask) -> tuple[str, ...]:
        """How many of the rows are quarantined, in words; nothing where none is."""
        n = int((rows & self.held).sum())
        return (said_n("{n} quarantined item left out", "{n} quarantined items left out", n),) if n else ()


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What every measure reads."""

    evidence: Evidence
    cubes: tuple[Cube, ...]
    floor: float  # noise floor in nats; 0.0 where none was measured, which findings say
    unread: Mapping[str, str] | None = None  # languages that are not read, with the reason; None: as competence has it

    def of(self, kind: Kind) -> tuple[Cube, ...]:
        """The suites of one kind."""
        return tuple(cube for cube in self.cubes if cube.kind is kind)

    def noise_floor(self, per_nat: float = 1.0) -> dict[str, float]:
        """The detail `noise_floor` in a measure's own unit, `per_nat` to a nat; empty where none was measured."""
        return {} if self.evidence.manifest.noise_floor is None else {"noise_floor": self.floor * per_nat}


def prepare(evidence: Evidence) -> View:
    """Arrange the evidence for counting.

    Raises:
        RunError: an observation that belongs to no item, or appears twice.
    """
    floor = evidence.manifest.noise_floor
    # Sums and resamples depend on the order of rows; the order of the tables must not matter.
    items, seen = evidence.items.sort_values(KEYS, kind="stable"), evidence.observations
    index = pd.MultiIndex.from_frame(items[KEYS])
    if not index.is_unique:
        twice = map(str, index[index.duplicated()][0])
        raise RunError(f"items: {'/'.join(twice)} appears twice; gather the evidence again")
    row = index.get_indexer(pd.MultiIndex.from_frame(seen[KEYS])) if len(seen) else np.empty(0, dtype=np.int64)
    if (row < 0).any():
        stray = seen.iloc[int(np.argmax(row < 0))]
        place = f"{stray['suite']}/{stray['language']}/{stray['item']}"
        raise RunError(f"observations: {place} is in no item row; gather the evidence again")
    suite_of_row = items["suite"].to_numpy(dtype=object)
    suite_of_seen = suite_of_row[row]
    contexts, roles = (seen[name].to_numpy(dtype=object) for name in ("context", "answer"))
    numbers = {name: seen[name].to_numpy(dtype=float) for name in ("logp", "n_tokens", "n_bytes")}
    columns = {name: items[name].to_numpy(dtype=object) for name in items.columns if name != "texts"}
    cubes = []
    for suite in sorted(set(suite_of_row)):
        mine = suite_of_seen == suite
        cubes.append(
            _cube(
                suite,
                columns,
                rows=np.flatnonzero(suite_of_row == suite),
                row=row[mine],
                context=contexts[mine],
                role=roles[mine],
                numbers={name: values[mine] for name, values in numbers.items()},
            )
        )
    return View(evidence=evidence, cubes=tuple(cubes), floor=0.0 if floor is None else floor.value)


def _cube(
    suite: str,
    columns: dict[str, NDArray[Any]],
    *,
    rows: NDArray[np.intp],
    row: NDArray[np.intp],
    context: NDArray[Any],
    role: NDArray[Any],
    numbers: dict[str, Floats],
) -> Cube:
    languages = tuple(sorted(set(columns["language"][rows])))
    kind = Kind(columns["kind"][rows[0]])
    kept, place = np.unique(row, return_inverse=True)
    context_codes, context_names = pd.factorize(context, sort=True)
    role_codes, role_names = pd.factorize(role, sort=True)
    shape = (len(kept), len(context_names), len(role_names))
    flat = np.ravel_multi_index((place, context_codes, role_codes), shape) if len(row) else np.empty(0, dtype=int)
    if len(np.unique(flat)) < len(flat):
        raise RunError(f"observations: an answer of suite {suite} appears twice; gather the evidence again")
    arrays = {}
    for name, values in numbers.items():
        filled = np.full(int(np.prod(shape)), np.nan)
        filled[flat] = values
        arrays[name] = filled.reshape(shape)
    names = ("language", "item", "template", "topic", "culture", "framework", "other_framework")
    return Cube(
        suite=suite,
        kind=kind,
        languages=languages,
        control=columns["control"][kept].astype(bool),
        held=columns["quarantine"][kept].astype(str) != "",
        contexts=tuple(str(name) for name in context_names),
        roles=tuple(str(name) for name in role_names),
        **{name: columns[name][kept] for name in names},
        **arrays,
    )


# --- shapes that all measures share -------------------------------------------------------------


def undefined(measure: str, scope: Scope, reason: str, items: tuple[str, ...] = ()) -> Measurement:
    """A measurement that has no number, with the reason."""
    return Measurement(measure=measure, scope=scope, result=Undefined(reason=reason), items=items)


def measured(
    measure: str,
    scope: Scope,
    estimate: tuple[Estimate, dict[str, float]],
    items: tuple[str, ...],
    *,
    notes: tuple[str, ...] = (),
    details: dict[str, float] | None = None,
) -> Measurement:
    """A measurement with its estimate; further figures that are not finite are left out, never set to zero."""
    result, spread = estimate
    figures = {name: float(value) for name, value in (details or {}).items() if np.isfinite(value)}
    return Measurement(
        measure=measure, scope=scope, result=result, items=items, notes=notes, details={**spread, **figures}
    )


def present(cube: Cube, rows: Mask) -> tuple[str, ...]:
    """The languages that have at least one of the rows, in the suite's order."""
    return tuple(language for language in cube.languages if (rows & (cube.language == language)).any())


def in_every(
    cube: Cube, rows: Mask, languages: Iterable[str], *labels: NDArray[Any], per: str
) -> tuple[Mask, tuple[str, ...]]:
    """Of some rows, those whose unit (combination of labels) has a row in each language, and a note on the others.

    Otherwise a unit that only the better languages have would be set against one that all have, and a difference of
    languages would pass for one of units.
    """
    keys = list(zip(*(label.tolist() for label in labels), strict=True))
    found = [{keys[row] for row in np.flatnonzero(rows & (cube.language == language))} for language in languages]
    some, everywhere = set[Any]().union(*found), set[Any].intersection(*found) if found else set()
    kept = rows & np.array([key in everywhere for key in keys], dtype=bool)
    lost = len(some) - len(everywhere)
    note = said(
        "{n} of {total} {units} left out: not scored in every pooled language",
        n=lost,
        total=len(some),
        units=noun(per),
    )
    return kept, (note,) if lost else ()


def over(languages: Iterable[str], *, without: Iterable[str]) -> str:
    """A note on the languages that were pooled, and on those that were not."""
    pooled, others = (Listed(tuple(map(LanguageName, codes)), joined=False) for codes in (languages, without))
    if not others.things:
        # i18n: a note on a number that pools languages
        return said("over {languages}", languages=pooled)
    return said("over {languages}; without {others}", languages=pooled, others=others)


def mean_by(values: Floats, *labels: NDArray[Any]) -> tuple[Floats, list[NDArray[Any]]]:
    """Mean of the values for each combination of labels, combinations sorted: means and their labels."""
    columns = [_codes(label) for label in labels]
    shape = tuple(len(names) for _, names in columns)
    flat = np.ravel_multi_index(tuple(codes for codes, _ in columns), shape)
    kept, place = np.unique(flat, return_inverse=True)
    means = np.bincount(place, weights=values) / np.bincount(place)
    codes = np.unravel_index(kept, shape)
    return means, [np.array(names, dtype=object)[code] for (_, names), code in zip(columns, codes, strict=True)]


def _codes(labels: NDArray[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Codes of labels and the labels themselves, sorted (pandas.factorize costs ten times as much on short arrays)."""
    names = sorted(set(labels.tolist()))
    code = {name: number for number, name in enumerate(names)}
    return np.array([code[label] for label in labels.tolist()], dtype=np.int64), names
