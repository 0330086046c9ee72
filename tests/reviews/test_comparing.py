"""Two runs side by side: what is the same thing, what one run alone has, and never a number of the difference."""

from __future__ import annotations

from dataclasses import replace

import pytest
from desk_run import ITEMS, estimate, evidence, made, write_run

from audit.errors import DeskError, NotAllowedError
from audit.records import Verdict
from audit.reviews.comparing import Which, compare
from audit.reviews.library import import_run
from audit.reviews.roles import Role

OLD = (
    made("o1", topic="gender"),
    made("o2", topic="age", verdict=Verdict.NO_EVIDENCE),
    made("o3", language="en", topic="gender"),
    made("o4", language="en", other_language="sw", measure="language_shift", topic=""),
    made("o5", topic="class"),
)
NEW = (
    made("n2", topic="age"),
    made("n1", topic="gender", items=ITEMS[1:]),
    made("n4", language="en", other_language="ar", measure="language_shift", topic=""),
    made("n3", language="en", topic="gender"),
)


@pytest.fixture
def two(db, tmp_path, person) -> tuple[str, str]:
    person("bodil", Role.BOARD)
    seen = evidence()
    manifest = replace(seen.manifest, run_id="b" * len(seen.manifest.run_id))
    old = import_run(db, write_run(tmp_path / "old", OLD, seen=seen), by=None).run
    new = import_run(db, write_run(tmp_path / "new", NEW, seen=replace(seen, manifest=manifest)), by=None).run
    return old, new


def pairs(found) -> list[tuple[str, str]]:
    return [(row.first.id if row.first else "", row.second.id if row.second else "") for row in found.rows]


def test_findings_are_the_same_where_measure_and_whole_scope_are(db, two):
    """o4 and n4 differ in nothing but the other language, which no column of the table holds."""
    found = compare(db, *two, by="bodil")
    assert pairs(found) == [("o1", "n1"), ("o2", "n2"), ("o3", "n3")]
    assert found.counts == {Which.BOTH: 3, Which.FIRST: 2, Which.SECOND: 1}
    assert pairs(compare(db, *two, which=Which.FIRST, by="bodil")) == [("o4", ""), ("o5", "")]
    assert pairs(compare(db, *two, which=Which.SECOND, by="bodil")) == [("", "n4")]


def test_both_estimates_stand_as_they_are_with_the_items_they_share(db, two):
    row = compare(db, *two, by="bodil").rows[0]
    assert (row.first.measurement.result, row.second.measurement.result) == (estimate(0.5), estimate(0.5))
    assert (row.shared, row.items) == (3, 4)


def test_filters_and_verdicts_that_differ(db, two):
    assert pairs(compare(db, *two, language="en", by="bodil")) == [("o3", "n3")]
    assert compare(db, *two, measure="language_shift", by="bodil").counts[Which.BOTH] == 0
    found = compare(db, *two, differing_only=True, by="bodil")
    assert (pairs(found), found.differing) == ([("o2", "n2")], 1)
    assert found.languages == ("en", "sw")
    assert found.measures == ("stereotype_effect", "language_shift")


def test_pages_hold_every_row_once(db, two):
    pages = [compare(db, *two, page=number, per_page=2, by="bodil") for number in (1, 2, 9)]
    assert [pairs(one) for one in pages] == [[("o1", "n1"), ("o2", "n2")], [("o3", "n3")], [("o3", "n3")]]
    assert [(one.page, one.pages, one.total) for one in pages] == [(1, 2, 3), (2, 2, 3), (2, 2, 3)]


def test_what_cannot_be_compared_is_refused(db, two, person):
    person("nobody")
    with pytest.raises(DeskError, match="is compared with itself"):
        compare(db, two[0], two[0], by="bodil")
    with pytest.raises(DeskError, match="not at this desk"):
        compare(db, two[0], "gone", by="bodil")
    with pytest.raises(DeskError, match="ask from page 1"):
        compare(db, *two, page=0, by="bodil")
    with pytest.raises(NotAllowedError):
        compare(db, *two, by="nobody")
