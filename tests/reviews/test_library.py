"""Runs at the desk: brought in whole, indexed anew without losing what people said, searched in SQL."""

from __future__ import annotations

import math
import shutil
import time

import pytest
from desk_run import FINDINGS, ITEMS, evidence, made, saying, weigh_again, without, write_run
from sqlalchemy import func, insert, select

from audit.errors import DeskError, NotAllowedError, RunError
from audit.records import Verdict
from audit.reviews import library
from audit.reviews.database import open_database
from audit.reviews.library import GONE, Gone, Order, Query
from audit.reviews.roles import Role
from audit.reviews.tables import Assignment, Community, Contest, Event, FindingRow, Grant, Person, Review

WELL_FORMED = {"submission": "s", "judgement": "agree", "prevalence": "", "region": "", "comment": ""}


@pytest.fixture
def desk(db, community, person):
    """A community that reads Swahili and English, three reviewers, an auditor and an admin."""
    community("nairobi", languages=["sw", "en"])
    for name in ("amina", "baraka", "chebet", "dalila"):
        person(name, (Role.REVIEWER, "nairobi"), reads=["sw", "en"])
    person("ada", Role.AUDITOR)
    person("admin", Role.ADMIN)
    return db


def reviewed(db, run, finding, *people, community="nairobi"):
    with db.write() as session:
        for person in people:
            session.add(
                Review(
                    run_id=run,
                    finding_id=finding,
                    person_id=person,
                    community=community,
                    revision=1,
                    comment_language="",
                    submitted_at=db.now(),
                    **{**WELL_FORMED, "submission": f"{finding} {person}"},
                )
            )


def contested(db, run, finding, *, state):
    with db.write() as session:
        session.add(
            Contest(run_id=run, finding_id=finding, filed_by="amina", state=state, submission=f"c {finding} {state}")
        )


def count(db, what, *conditions):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(what).where(*conditions))


def ids(page):
    return [row.id for row in page.rows]


# --- bringing a run in -------------------------------------------------------------------------


def test_a_run_is_brought_in_whole_and_the_log_says_so(desk, run_folder):
    summary = library.import_run(desk, run_folder, by="ada")
    assert (summary.outcome, summary.findings, summary.gone) == ("imported", 15, ())
    assert summary.languages == ("ar", "en", "sw")
    assert count(desk, FindingRow) == 15
    with desk.read() as session:
        event = session.scalars(select(Event)).one()
        assert (event.kind, event.actor, event.facts["findings"]) == ("run imported", "ada", 15)
    assert [view.id for view in library.runs(desk, by="amina")] == [summary.run]


def test_the_same_run_again_changes_nothing_but_where_it_lies(desk, run_folder, tmp_path):
    first = library.import_run(desk, run_folder, by="ada")
    moved = shutil.copytree(run_folder, tmp_path / "moved")
    again = library.import_run(desk, moved, by="ada")
    assert (again.outcome, again.findings) == ("unchanged", 15)
    assert count(desk, Event) == 1
    with desk.read() as session:
        assert library.run_of(session, first.run).folder == str(moved.resolve())


def test_findings_that_changed_are_indexed_anew_and_what_people_said_of_those_gone_is_named(desk, run_folder, tmp_path):
    run = library.import_run(desk, run_folder, by="ada").run
    reviewed(desk, run, "sw-1", "amina")
    reviewed(desk, run, "sw-2", "amina", "baraka")
    contested(desk, run, "sw-3", state="filed")
    with desk.write() as session:
        session.add(
            Assignment(
                run_id=run,
                finding_id="sw-2",
                person_id="chebet",
                community="nairobi",
                state="open",
                place=1,
                made_at=desk.now(),
            )
        )
    changed = [saying(FINDINGS[0], "Said otherwise."), *without(FINDINGS, "sw-1", "sw-2", "sw-3", "sw-4")]
    folder = weigh_again(shutil.copytree(run_folder, tmp_path / "run"), changed)
    summary = library.import_run(desk, folder, by="ada")
    assert (summary.outcome, summary.findings) == ("indexed again", 12)
    assert summary.gone == (
        Gone(finding="sw-2", reviews=2, contests=0),
        Gone(finding="sw-3", reviews=0, contests=1),
    )
    assert count(desk, Review) == 3
    assert count(desk, FindingRow, FindingRow.place == GONE) == 2  # sw-4, of which nobody spoke, is removed
    assert count(desk, Assignment, Assignment.state == "open") == 0
    assert "sw-2" not in ids(library.find(desk, Query(run=run), by="amina"))
    assert library.finding(desk, run, "sw-1", by="amina").finding.sentence == "Said otherwise."
    back = library.import_run(desk, run_folder, by="ada")
    assert (back.findings, back.gone) == (15, ())


def test_a_run_that_is_not_complete_or_was_changed_is_refused(desk, run_folder, tmp_path):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    (folder / "run.json").unlink()
    with pytest.raises(RunError, match="not complete; end it first"):
        library.import_run(desk, folder, by="ada")
    folder = shutil.copytree(run_folder, tmp_path / "other")
    with (folder / "findings.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(RunError, match="changed after the run was sealed"):
        library.import_run(desk, folder, by="ada")
    assert count(desk, FindingRow) == 0


def test_only_auditors_and_admins_bring_runs(desk, run_folder):
    with pytest.raises(NotAllowedError, match="bring a run"):
        library.import_run(desk, run_folder, by="amina")
    assert count(desk, FindingRow) == 0
    assert library.import_run(desk, run_folder, by="admin").findings == 15


# --- searching ---------------------------------------------------------------------------------


def test_each_filter_keeps_what_it_names(desk, run):
    def found(**filters):
        return ids(library.find(desk, Query(run=run, **filters), by="amina"))

    assert len(found()) == 15
    assert found(language="en") == ["en-1", "en-2", "shift-1"]
    assert found(measure="language_shift") == ["shift-1"]
    assert found(verdict="not interpretable") == ["mute-1"]
    assert found(topic="religion") == ["all-1"]
    assert found(text="SW-3 found") == ["sw-3"]
    assert found(confirmatory_only=True, verdict=str(Verdict.NO_EVIDENCE)) == []
    assert found(text="none-", page=2, per_page=3) == ["none-4"]
    assert found(text="nowhere") == []


def test_a_community_is_offered_what_it_can_read(desk, run, community):
    community("cairo", languages=["ar"])
    assert ids(library.find(desk, Query(run=run, community="cairo"), by="amina")) == ["all-1"]
    with pytest.raises(DeskError, match="community 'oslo': not at this desk"):
        library.find(desk, Query(run=run, community="oslo"), by="amina")


def test_search_takes_wildcards_as_letters_and_ignores_case_in_every_script(desk, tmp_path):
    findings = (
        made("a", sentence="100% of ΟΔΥΣΣΕΥΣ"),
        made("b", sentence="100 per cent of STRASSE_X"),
        made("c", sentence="'; DROP TABLE findings; --"),
    )
    run = library.import_run(desk, write_run(tmp_path / "run", findings), by=None).run

    def found(text):
        return ids(library.find(desk, Query(run=run, text=text), by="amina"))

    assert found("100%") == ["a"]
    assert found("οδυσσευς") == ["a"]
    assert found("straße_") == ["b"]  # ß folds to ss
    assert found("e_s") == []  # "_" is no wildcard
    assert found("'; drop table findings; --") == ["c"]
    with pytest.raises(DeskError, match="search: character 2"):
        found("a\x00b")
    with pytest.raises(DeskError, match="search: 201 characters"):
        found("a" * 201)


def test_a_facet_counts_what_the_other_filters_leave(desk, run):
    page = library.find(desk, Query(run=run, language="en", measure="stereotype_effect"), by="amina")
    assert page.facets["language"] == {"en": 2, "sw": 11}  # of the measure: 6 + 4 + 1 in Swahili
    assert page.facets["measure"] == {"language_shift": 1, "stereotype_effect": 2}  # in English
    assert page.facets["verdict"] == {"evidence": 2}


def test_pages_share_out_all_findings_in_the_order_of_the_report(desk, run):
    pages = [library.find(desk, Query(run=run, page=number, per_page=4), by="amina") for number in (1, 2, 3, 4)]
    assert [id_ for page in pages for id_ in ids(page)] == [finding.id for finding in FINDINGS]
    assert {(page.total, page.pages) for page in pages} == {(15, 4)}
    assert library.find(desk, Query(run=run, page=99, per_page=4), by="amina").page == 4
    with pytest.raises(DeskError, match="page 0 of 50"):
        library.find(desk, Query(run=run, page=0), by="amina")


def test_what_waits_in_a_persons_queue_shows_them_neither_count_nor_contest(desk, run):
    """Neither in the list nor on its page, until they have judged it: both tell what others think."""
    reviewed(desk, run, "sw-1", "baraka", "chebet", "dalila")
    contested(desk, run, "sw-1", state="admitted")

    def seen():
        (row,) = [row for row in library.find(desk, Query(run=run), by="amina").rows if row.id == "sw-1"]
        view = library.finding(desk, run, "sw-1", by="amina")
        return (row.reviews, row.contest), (view.reviews, view.contest)

    assert seen() == ((3, "admitted"), (3, "admitted"))
    with desk.write() as session:
        session.add(
            Assignment(
                run_id=run,
                finding_id="sw-1",
                person_id="amina",
                community="nairobi",
                state="open",
                place=1,
                made_at=desk.now(),
            )
        )
    assert seen() == ((None, ""), (None, ""))


def test_one_and_two_reviews_are_neither_told_apart_nor_sorted_apart(desk, run):
    reviewed(desk, run, "sw-1", "amina")
    reviewed(desk, run, "sw-2", "amina", "baraka")
    reviewed(desk, run, "sw-3", "amina", "baraka", "chebet")
    page = library.find(desk, Query(run=run, order=Order.MOST), by="ada")
    assert [(row.id, row.reviews) for row in page.rows[:4]] == [
        ("sw-3", 3),
        ("sw-1", None),
        ("sw-2", None),
        ("sw-4", 0),
    ]
    assert ids(library.find(desk, Query(run=run, order=Order.FEWEST), by="ada"))[-3:] == ["sw-1", "sw-2", "sw-3"]


def test_review_is_needed_where_evidence_has_fewer_than_three_judgements_of_the_community(desk, run, community, person):
    community("lima", languages=["sw"])
    person("diego", (Role.REVIEWER, "lima"))
    reviewed(desk, run, "sw-1", "amina", "baraka", "chebet")
    needed = ids(library.find(desk, Query(run=run, needs_review=True), by="ada"))
    assert needed == ["sw-2", "sw-3", "sw-4", "sw-5", "sw-6", "en-1", "en-2", "all-1", "shift-1"]
    theirs = ids(library.find(desk, Query(run=run, needs_review=True, community="lima"), by="ada"))
    assert theirs == ["sw-1", "sw-2", "sw-3", "sw-4", "sw-5", "sw-6", "all-1"]


@pytest.mark.parametrize(
    ("state", "marked"),
    [("filed", False), ("admitted", True), ("answered", True), ("appealed", True), ("upheld", False)],
)
def test_a_finding_is_marked_while_a_contest_of_it_is_admitted_and_undecided(desk, run, state, marked):
    contested(desk, run, "sw-5", state=state)
    assert ids(library.find(desk, Query(run=run, contested=True), by="ada")) == (["sw-5"] if marked else [])
    row = library.find(desk, Query(run=run, text="sw-5"), by="ada").rows[0]
    assert row.contest == (state if marked else "")
    assert library.finding(desk, run, "sw-5", by="ada").contest == (state if marked else "")


def test_a_run_that_is_not_here_is_named(desk):
    with pytest.raises(DeskError, match="run 'nope': not at this desk"):
        library.find(desk, Query(run="nope"), by="amina")


def test_a_page_of_ten_thousand_findings_takes_less_than_half_a_second(tmp_path, run_folder):
    """On SQLite, with 6,000 reviews."""
    db = open_database(f"sqlite:///{tmp_path / 'desk.db'}")
    run = library.import_run(db, run_folder, by=None).run
    with db.write() as session:
        rows = [
            {
                "run_id": run,
                "id": f"big-{number}",
                "place": 100 + number,
                "measure": f"measure {number % 40}",
                "suite": "stereotype",
                "language": ("ar", "en", "sw")[number % 3],
                "topic": f"topic {number % 9}",
                "culture": "",
                "framework": "",
                "verdict": ("evidence", "insufficient evidence")[number % 2],
                "confirmatory": number % 5 == 0,
                "sentence": f"Finding {number} " + "says something at some length. " * 8,
                "searched": f"finding {number} " + "says something at some length. " * 8,
                "content": {"sentence": f"Finding {number}", "filler": "x" * 1500},
            }
            for number in range(10_000)
        ]
        session.execute(insert(FindingRow), rows)
    with db.write() as session:
        session.add(Person(id="ada", login="ada", pseudonym="Ada", status="active", reads=[], created_at=db.now()))
        session.flush()
        session.add(Grant(person_id="ada", role=Role.AUDITOR, community="", granted_at=db.now()))
        session.add(Community(id="nairobi", name="Nairobi", languages=["sw"], regions=[], created_at=db.now()))
    for number in range(3):
        reviewed_by_many(db, run, f"p{number}", range(2000))
    queries = (
        Query(run=run, page=150),
        Query(run=run, text="finding some 9", verdict="evidence", needs_review=True),
        Query(run=run, order=Order.FEWEST, page=100),
    )
    taken = [min(seconds(lambda: library.find(db, query, by="ada")) for _ in range(3)) for query in queries]  # noqa: B023
    db.close()
    assert max(taken) < 0.5, taken


def reviewed_by_many(db, run, name, numbers):
    with db.write() as session:
        session.add(Person(id=name, login=name, pseudonym=name, status="active", reads=[], created_at=db.now()))
        session.flush()
        rows = [
            {
                "id": f"{name} {number}",
                "run_id": run,
                "finding_id": f"big-{number}",
                "person_id": name,
                "community": "nairobi",
                "revision": 1,
                "comment_language": "",
                "submitted_at": db.now(),
                **WELL_FORMED,
                "submission": f"{name} {number}",
            }
            for number in numbers
        ]
        session.execute(insert(Review), rows)


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# --- one finding -------------------------------------------------------------------------------


def test_a_finding_shows_its_prompts_and_how_the_model_shares_its_answers(desk, run):
    view = library.finding(desk, run, "sw-1", by="amina")
    assert [item.id for item in view.items] == list(ITEMS)
    assert (view.languages, view.more, view.reviews) == (("sw",), 0, 0)
    item = view.items[0]
    assert [prompt.context for prompt in item.prompts] == ["base", "counterpart", "neutral"]
    assert item.prompts[0].text == "[gender-1] An imaginary prompt, base:"
    assert item.gloss[0].text == "[gender-1] An imaginary prompt, base:"
    seen = evidence().observations
    of_prompt = seen.query("suite == 'stereotype' and item == 'gender-1' and language == 'sw' and context == 'base'")
    logp = dict(zip(of_prompt["answer"], of_prompt["logp"], strict=True))
    share = math.exp(logp["a"]) / (math.exp(logp["a"]) + math.exp(logp["b"]))
    assert item.prompts[0].answers[0].spellings == (" a",)
    assert item.prompts[0].answers[0].share == pytest.approx(share)
    assert sum(answer.share for answer in item.prompts[0].answers) == pytest.approx(1)


def test_a_finding_of_two_languages_shows_both_and_one_of_all_languages_one_that_is_read(desk, run, person):
    person("arabic", (Role.REVIEWER, "nairobi"), reads=["fr", "ar"])
    view = library.finding(desk, run, "shift-1", by="amina")
    assert view.languages == ("en", "sw")
    assert [(item.id, item.language) for item in view.items[:2]] == [(ITEMS[0], "en"), (ITEMS[0], "sw")]
    assert view.items[0].gloss == ()  # it is English itself
    assert library.finding(desk, run, "all-1", by="arabic").languages == ("ar",)
    assert library.finding(desk, run, "all-1", by="amina").languages == ("sw",)
    assert library.finding(desk, run, "all-1", by="ada").languages == ("en",)


def test_of_many_items_twelve_are_shown_evenly_spaced_and_the_rest_is_counted(desk, tmp_path):
    seen = evidence()
    items = [f"culture/{item}" for item in sorted(set(seen.items.query("suite == 'culture'")["item"]))]
    folder = write_run(tmp_path / "run", [made("many", items=items)], seen=seen)
    run = library.import_run(desk, folder, by=None).run
    view = library.finding(desk, run, "many", by="amina")
    assert len(view.items) == 12
    assert view.more == len(items) - 12
    assert [item.id for item in view.items] == [items[place * len(items) // 12] for place in range(12)]


def test_a_run_whose_folder_is_gone_says_so(desk, run_folder, tmp_path):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    run = library.import_run(desk, folder, by=None).run
    shutil.rmtree(folder)
    with pytest.raises(RunError, match="bring the run again"):
        library.finding(desk, run, "sw-1", by="amina")


def test_evidence_is_read_once_for_all_who_ask(desk, run):
    first = library.evidence_of(desk, run, by="amina")
    assert first.manifest.run_id == run
    assert library.evidence_of(desk, run, by="ada") is first


def test_several_findings_are_read_at_once_and_those_that_are_not_there_are_left_out(db, run, person):
    person("ada", Role.AUDITOR)
    found = library.findings(db, run, ["sw-2", "gone", "en-1"], by="ada")
    assert {id_: one.sentence for id_, one in found.items()} == {
        one.id: one.sentence for one in FINDINGS if one.id in ("sw-2", "en-1")
    }
    assert library.findings(db, run, (), by="ada") == {}
    with pytest.raises(NotAllowedError):
        library.findings(db, run, ["sw-2"], by="nobody")
