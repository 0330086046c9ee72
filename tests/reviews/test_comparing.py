"""Two runs side by side: what is the same thing, what one run alone has, and what tests of the differences found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from desk_run import ITEMS, estimate, evidence, made, weigh_again, write_run

from audit.comparison import Difference, NotComparable, Outcome
from audit.comparison.files import Differences, read_differences, write_differences
from audit.errors import DeskError, NotAllowedError, RunError
from audit.records import Scope, Undefined, Verdict
from audit.reviews.comparing import Which, compare, differences_between, place
from audit.reviews.library import import_run
from audit.reviews.roles import Role
from audit.wording import LanguageName, Said, said

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


# --- differences that were tested ----------------------------------------------------------------


def difference(verdict: Outcome, *, language: str = "sw", topic: str = "gender", **other) -> Difference:
    fields = {
        "measure": "stereotype_effect",
        "scope": Scope(language=language, suite="stereotype", topic=topic),
        "family": "by hand",
        "family_size": 2,
        "estimate": replace(estimate(0.5), detectable=0.2, method=said("by {n} hands", n=2)),
        "p_adjusted": 0.01,
        "notes": (said("in {language}", language=LanguageName("sw")), "plain"),
    }
    return Difference(**{**fields, "verdict": verdict, **other})


REASON = Undefined(reason=said("fewer than {n} templates", n=2))
TESTED = Differences(
    differences=(
        difference(Outcome.LOWER),
        difference(Outcome.INDISTINGUISHABLE, topic="age"),
        difference(Outcome.UNDEFINED, language="en", estimate=REASON, p_adjusted=None),
        difference(Outcome.HIGHER, topic="height"),  # no finding speaks of it
        difference(Outcome.HIGHER, topic="class"),  # the first run alone has a finding
    ),
    not_comparable=(NotComparable(what="circuit_overlap", reason=said("within {n} run", n=1)),),
)


def test_a_row_has_the_difference_of_its_measure_and_scope_and_no_other(db, two):
    found = compare(db, *two, tested=TESTED, by="bodil")
    assert [row.difference for row in found.rows] == list(TESTED.differences[:3])
    assert (found.changed, found.unseen) == (1, 2)  # lower on gender; height and class have no row in both
    assert [row.difference for row in compare(db, *two, which=Which.FIRST, tested=TESTED, by="bodil").rows] == [
        None
    ] * 2
    assert [row.difference for row in compare(db, *two, by="bodil").rows] == [None] * 3


def test_rows_that_were_tested_to_have_moved_can_be_asked_for(db, two):
    found = compare(db, *two, tested=TESTED, changed_only=True, by="bodil")
    assert (pairs(found), found.total) == ([("o1", "n1")], 1)
    english = compare(db, *two, tested=TESTED, changed_only=True, language="en", by="bodil")
    assert (english.total, english.changed, english.unseen) == (0, 0, 0)


def test_what_is_kept_is_read_back_as_it_was_with_the_parts_of_its_sentences(tmp_path):
    write_differences(tmp_path / "a.json", TESTED)
    back = read_differences(tmp_path / "a.json")
    assert back == TESTED
    first, third = back.differences[0], back.differences[2]
    for text in (first.notes[0], first.estimate.method, third.estimate.reason, back.not_comparable[0].reason):
        assert isinstance(text, Said)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"value": 0.5', '"value": NaN'),
        ('"value": 0.5', '"value": "0.5"'),
        ('"value": 0.5', '"value": null'),
        ('"value": 0.5', '"value": 1e999'),
        ('"p_adjusted": 0.01', '"p_adjusted": true'),
        ('"verdict": "lower in B"', '"verdict": "better"'),
        ('"measure": "stereotype_effect"', '"measure": 7'),
        ('"language": "en"', '"tongue": "en"'),
        ('"format": 1', '"format": 2'),
        ('"differences": [', '"differences": [[],'),
    ],
)
def test_a_file_that_is_no_such_file_is_refused(tmp_path, old, new):
    file = tmp_path / "a.json"
    write_differences(file, TESTED)
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RunError, match="test them again"):
        read_differences(file)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    write_differences(tmp_path / "a.json", TESTED)
    monkeypatch.setattr("audit.comparison.files.MOST_BYTES", 10)
    with pytest.raises(RunError, match="more than 10 bytes"):
        read_differences(tmp_path / "a.json")


def test_differences_are_those_of_two_runs_in_their_order_with_the_findings_they_have_now(db, two, tmp_path, person):
    assert differences_between(db, *two, folder=tmp_path, by="bodil") is None
    with db.read() as session:
        file = place(session, *two, folder=tmp_path)
    write_differences(file, TESTED)
    assert differences_between(db, *two, folder=tmp_path, by="bodil") == TESTED
    assert differences_between(db, *reversed(two), folder=tmp_path, by="bodil") is None
    file.write_text("{", encoding="utf-8")
    assert differences_between(db, *two, folder=tmp_path, by="bodil") is None  # damaged: they are tested again
    write_differences(file, TESTED)
    import_run(db, weigh_again(tmp_path / "new", NEW[:3]), by=None)
    assert differences_between(db, *two, folder=tmp_path, by="bodil") is None
    person("nobody")
    with pytest.raises(NotAllowedError):
        differences_between(db, *two, folder=tmp_path, by="nobody")
    with pytest.raises(DeskError, match="not at this desk"):
        differences_between(db, two[0], "gone", folder=tmp_path, by="bodil")
