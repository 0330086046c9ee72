"""Two runs side by side: which findings speak of the same thing, and which one run alone has.

Findings are the same where measure and scope are. Nothing is computed of the difference: two intervals beside each
other are no test, since both runs asked much the same items and their errors go together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.errors import DeskError
from audit.records import Finding
from audit.reviews.database import Database
from audit.reviews.library import GONE, PER_PAGE_MOST, read_findings, run_of
from audit.reviews.roles import Action, permitted
from audit.reviews.tables import FindingRow

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


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One page of two runs side by side."""

    rows: tuple[Compared, ...]
    counts: Mapping[Which, int]  # of findings under the filters
    differing: int  # of those in both, how many have another verdict
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
        keys = [key for key in dict.fromkeys([*a, *b]) if measure in ("", key[0]) and language in ("", key[1])]
        kinds = {
            key: Which.BOTH if key in a and key in b else Which.FIRST if key in a else Which.SECOND for key in keys
        }
        other = {key for key in keys if kinds[key] is Which.BOTH and a[key].verdict != b[key].verdict}
        wanted = [key for key in keys if kinds[key] is which and (key in other or not differing_only)]
        pages = max(1, math.ceil(len(wanted) / per_page))
        page = min(page, pages)
        shown = wanted[(page - 1) * per_page : page * per_page]
        left = read_findings(session, first, [a[key].id for key in shown if key in a])
        right = read_findings(session, second, [b[key].id for key in shown if key in b])
        counts = Counter(kinds.values())
        every = dict.fromkeys([*a, *b])
        return Comparison(
            rows=tuple(
                _compared(left[a[key].id] if key in a else None, right[b[key].id] if key in b else None)
                for key in shown
            ),
            counts={one: counts[one] for one in Which},
            differing=len(other),
            total=len(wanted),
            page=page,
            pages=pages,
            measures=tuple(dict.fromkeys(key[0] for key in every)),
            languages=tuple(sorted({key[1] for key in every if key[1]})),
        )


def _which(first: bool, second: bool) -> Which:
    if first and second:
        return Which.BOTH
    return Which.FIRST if first else Which.SECOND


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


def _compared(first: Finding | None, second: Finding | None) -> Compared:
    a, b = (set(one.measurement.items) if one else set() for one in (first, second))
    return Compared(first=first, second=second, shared=len(a & b), items=len(a | b))
