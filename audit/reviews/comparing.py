"""Two runs side by side: which findings speak of the same thing, which one run alone has, and what tests found.

Findings are the same where measure and scope are. Two intervals beside each other are no test of their difference,
since both runs asked much the same items and their errors go together. Tests are made by the worker
(audit.comparison, item by item) and kept as a file of the desk's folder; here they are read.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.comparison import Difference, Outcome
from audit.comparison.files import FORMAT, Differences, read_differences
from audit.errors import DeskError, RunError
from audit.records import Finding
from audit.reviews.database import Database
from audit.reviews.library import GONE, PER_PAGE_MOST, read_findings, run_of
from audit.reviews.roles import Action, permitted
from audit.reviews.tables import FindingRow
from audit.runs import canonical

FOLDER = "comparisons"  # of the desk's folder; what lies there can be made again, so no backup holds it
CHANGED = (Outcome.HIGHER, Outcome.LOWER)
_COLUMNS = ("measure", "language", "suite", "topic", "culture", "framework")
_WITHIN = ("other_language", "other_framework", "lens")  # of the scope, which have no column


class Which(StrEnum):
    """Which findings are looked at."""

    BOTH = "in both runs"
    FIRST = "in the first run only"
    SECOND = "in the second run only"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What both runs, or one of them, say of one thing."""

    first: Finding | None
    second: Finding | None
    shared: int  # items that both rest on
    items: int  # that either rests on
    difference: Difference | None = None  # second minus first, as tested; None where nothing was


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One page of two runs side by side."""

    rows: tuple[Compared, ...]
    counts: Mapping[Which, int]  # of findings under the filters
    differing: int  # of those in both, how many have another verdict
    changed: int  # of those in both, how many were tested to be higher or lower in the second
    unseen: int  # measures that were tested to be so and that no finding of both runs speaks of
    total: int  # rows that could be paged through
    page: int  # from 1; the last one where a later one was asked for
    pages: int
    measures: tuple[str, ...]  # that either run has, in the order of the reports
    languages: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    id: str
    verdict: str


_Key = tuple[str, ...]


def compare(
    db: Database,
    first: str,
    second: str,
    *,
    which: Which = Which.BOTH,
    measure: str = "",
    language: str = "",
    differing_only: bool = False,
    tested: Differences | None = None,
    changed_only: bool = False,
    page: int = 1,
    per_page: int = 50,
    by: str,
) -> Comparison:
    """One page of what two runs say of the same things, in the order of the first one's report.

    Args:
        db: the desk.
        first: id of a run.
        second: id of another one.
        which: findings of both, or of one only.
        measure: "" for all.
        language: "" for all.
        differing_only: only those in both whose verdicts differ.
        tested: the differences between these runs, where they were tested.
        changed_only: only those in both that were tested to be higher or lower in the second.
        page: from 1.
        per_page: rows.
        by: who reads.

    Raises:
        DeskError: no such run here, the same run twice, or a page that makes no sense.
        NotAllowedError: `by` may not read findings.
    """
    if first == second:
        raise DeskError(f"run {first}: is compared with itself; choose two runs")
    if not 1 <= per_page <= PER_PAGE_MOST or page < 1:
        raise DeskError(f"compare: page {page} of {per_page}; ask from page 1, 1 to {PER_PAGE_MOST} rows")
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        a, b = _entries(session, first), _entries(session, second)
        keys = [key for key in dict.fromkeys([*a, *b]) if _fits(key, measure, language)]
        kinds = {
            key: Which.BOTH if key in a and key in b else Which.FIRST if key in a else Which.SECOND for key in keys
        }
        other = {key for key in keys if kinds[key] is Which.BOTH and a[key].verdict != b[key].verdict}
        differences = {_key(one): one for one in tested.differences} if tested else {}
        moved = {key for key, one in differences.items() if one.verdict in CHANGED and _fits(key, measure, language)}
        changed = {key for key in keys if kinds[key] is Which.BOTH and key[:-1] in moved}
        wanted = [
            key
            for key in keys
            if kinds[key] is which and (key in other or not differing_only) and (key in changed or not changed_only)
        ]
        pages = max(1, math.ceil(len(wanted) / per_page))
        page = min(page, pages)
        shown = wanted[(page - 1) * per_page : page * per_page]
        left = read_findings(session, first, [a[key].id for key in shown if key in a])
        right = read_findings(session, second, [b[key].id for key in shown if key in b])
        counts = Counter(kinds.values())
        every = dict.fromkeys([*a, *b])
        return Comparison(
            rows=tuple(
                _compared(
                    left[a[key].id] if key in a else None,
                    right[b[key].id] if key in b else None,
                    differences.get(key[:-1]),
                )
                for key in shown
            ),
            counts={one: counts[one] for one in Which},
            differing=len(other),
            changed=len(changed),
            unseen=len(moved - {key[:-1] for key in changed}),
            total=len(wanted),
            page=page,
            pages=pages,
            measures=tuple(dict.fromkeys(key[0] for key in every)),
            languages=tuple(sorted({key[1] for key in every if key[1]})),
        )


# --- differences that were tested -------------------------------------------------------------


def differences_between(db: Database, first: str, second: str, *, folder: Path, by: str) -> Differences | None:
    """The differences between two runs as the worker kept them; None where they were not tested yet.

    They say nothing of what people judged: whoever may read the findings may read them.

    Args:
        db: the desk.
        first: id of a run.
        second: id of the run from which the first is subtracted.
        folder: of the desk.
        by: who reads.

    Raises:
        DeskError: no such run here.
        NotAllowedError: `by` may not read findings.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        file = place(session, first, second, folder=folder)
    return kept(file)


def place(session: Session, first: str, second: str, *, folder: Path) -> Path:
    """Where the differences of two runs lie: another place once either has other findings, or the library is another.

    Raises:
        DeskError: no such run here.
    """
    findings = [run_of(session, run).findings_sha256 for run in (first, second)]
    made_by = [importlib.metadata.version("plural-audit"), FORMAT]
    decides = {"runs": [first, second], "findings": findings, "made by": made_by}
    name = hashlib.sha256(canonical(decides)).hexdigest()
    return folder / FOLDER / f"{name}.json"


def kept(file: Path) -> Differences | None:
    """What lies there; None where nothing does, or a damaged file, which is made again."""
    try:
        return _kept(file, file.stat().st_mtime_ns)
    except (OSError, RunError):
        return None


@lru_cache(maxsize=4)
def _kept(file: Path, _written: int) -> Differences:
    return read_differences(file)


def _key(one: Difference) -> _Key:
    return (one.measure, *(getattr(one.scope, name) for name in (*_COLUMNS[1:], *_WITHIN)))


def _fits(key: _Key, measure: str, language: str) -> bool:
    return measure in ("", key[0]) and language in ("", key[1])


# --- findings -----------------------------------------------------------------------------------


def _entries(session: Session, run: str) -> dict[_Key, _Entry]:
    """What the run speaks of -> its finding; a second finding of the same thing is another entry."""
    run_of(session, run)
    scope = FindingRow.content["measurement"]["scope"]
    rows = session.execute(
        select(
            FindingRow.id,
            FindingRow.verdict,
            *(getattr(FindingRow, name) for name in _COLUMNS),
            *(scope[name].as_string() for name in _WITHIN),
        )
        .where(FindingRow.run_id == run, FindingRow.place != GONE)
        .order_by(FindingRow.place)
    ).all()
    seen: Counter[_Key] = Counter()
    entries: dict[_Key, _Entry] = {}
    for id_, verdict, *parts in rows:
        key = tuple(str(part or "") for part in parts)
        seen[key] += 1
        entries[(*key, str(seen[key]))] = _Entry(id_, verdict)
    return entries


def _compared(first: Finding | None, second: Finding | None, difference: Difference | None) -> Compared:
    a, b = (set(one.measurement.items) if one else set() for one in (first, second))
    return Compared(
        first=first,
        second=second,
        shared=len(a & b),
        items=len(a | b),
        difference=difference if first and second else None,
    )
