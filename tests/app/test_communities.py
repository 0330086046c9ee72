"""The page of communities: who judged, what may be said of them, whose words stand beside whose."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app.conftest import everything, words_of
from app.crowd import ACCRA, CAIRO, HOSTILE, LIMA, NAIROBI, fill, found
from audit import pipeline
from audit.records import Finding
from audit.reviews.roles import Role
from audit.reviews.seen import has_seen
from audit.runs import RunFolder


@pytest.fixture(scope="module")
def findings(run_folder) -> list[Finding]:
    return found(pipeline.read_findings(RunFolder(run_folder)), n=16)


@pytest.fixture
def crowd(desk, people, run_folder, findings) -> str:
    """Four of Nairobi and four of Cairo have judged sixteen findings, two of Lima as well; Bodil only reads."""
    people("root", Role.ADMIN)
    people("bodil", Role.BOARD)
    fill(desk.db, run_folder.name, findings, NAIROBI, CAIRO, LIMA, admin="root")
    return run_folder.name


def html(test) -> str:
    return "\n".join(str(element.value) for element in everything(test) if element.type == "html")


def opened(app, name: str, run: str, **query: str):
    test = app(name, page="communities", run=run, **query)
    ask = [one for one in test.button if one.label == "Show what people said"]
    if ask:
        ask[0].click().run()
    assert not test.exception, test.exception
    return test


def test_who_only_reads_is_told_first_that_it_is_written_down(app, desk, crowd):
    test = app("bodil", page="communities", run=crowd)
    assert NAIROBI.comment not in words_of(test)
    with desk.db.read() as session:
        assert not has_seen(session, person="bodil", run=crowd)
    next(one for one in test.button if one.label == "Show what people said").click().run()
    assert NAIROBI.comment in words_of(test)
    with desk.db.read() as session:
        assert has_seen(session, person="bodil", run=crowd)


def test_every_section_stands_under_its_heading_in_order(app, crowd):
    assert [one.value for one in opened(app, "bodil", crowd).header] == [
        "Who has judged",
        "Do people agree?",
        "Does it matter which community is asked?",
        "Where people differ",
        "Is what was measured as stronger felt to be worse?",
        "Does it exist where people live?",
        "Who judges alike",
    ]


def test_people_are_counted_by_community_and_two_are_not_shown_apart(app, crowd):
    """Sixteen findings each: 4 x 16 judgements of Nairobi. Lima's two are put with Cairo's four, so neither "
    "stands apart."""
    page = html(opened(app, "bodil", crowd))
    assert '<th scope="row"><bdi dir="auto">Nairobi youth</bdi></th><td>4</td><td>16</td><td>64</td>' in page
    assert '<bdi dir="auto">Lima</bdi></th><td>fewer than three shown apart</td>' in page
    assert '<bdi dir="auto">قراء القاهرة</bdi></th><td>fewer than three shown apart</td>' in page


def test_two_communities_that_differ_are_said_to(app, desk, people, run_folder, findings):
    people("root", Role.ADMIN)
    people("bodil", Role.BOARD)
    fill(desk.db, run_folder.name, findings, NAIROBI, CAIRO, LIMA, ACCRA, admin="root")
    words = " ".join(words_of(opened(app, "bodil", run_folder.name)).split())
    assert "Communities judge differently." in words
    assert "Between قراء القاهرة and Nairobi youth" in words
    assert len(re.findall(r"Person \d+ of Nairobi youth", words)) == 4
    assert len(re.findall(r"Person \d+ of قراء القاهرة", words)) == 4
    assert "of Lima" not in words
    assert "People fall apart in this direction by more than chance." in words


def test_words_of_both_sides_stand_beside_each_other_as_text(app, desk, people, run_folder, findings):
    people("root", Role.ADMIN)
    people("bodil", Role.BOARD)
    hostile = replace(CAIRO, comment=HOSTILE)
    fill(desk.db, run_folder.name, findings, NAIROBI, hostile, admin="root")
    test = opened(app, "bodil", run_folder.name)
    page = html(test)
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; **bold** \u202eabc\u202c" in page
    assert "<script>alert" not in page
    assert '<div class="desk-words" dir="auto" lang="sw">Ni kweli' in page
    assert "**bold**" not in "".join(str(one.value) for one in test.markdown)


def test_a_reviewer_sees_what_they_have_judged_and_nothing_else(app, desk, crowd, people, findings):
    people("nuru", (Role.REVIEWER, "nairobi"))
    test = opened(app, "nuru", crowd)
    assert "Nothing can be shown yet" in words_of(test)
    assert NAIROBI.comment not in words_of(test)
    page = words_of(opened(app, "nairobi-0", crowd))
    assert NAIROBI.comment in page
    assert "You see the findings that you have judged or skipped yourself" in page
    with desk.db.read() as session:
        assert not has_seen(session, person="nuru", run=crowd)


def test_what_has_no_number_says_why(app, desk, people, run_folder, findings):
    """Three people of one community on three findings: no interval that holds, no second community, no map."""
    people("root", Role.ADMIN)
    people("bodil", Role.BOARD)
    fill(desk.db, run_folder.name, findings[:3], replace(NAIROBI, people=3), admin="root")
    words = " ".join(words_of(opened(app, "bodil", run_folder.name)).split())
    assert "Too little was judged to say whether they agree." in words
    assert "an interval that holds what it promises needs 8" in words
    assert "a comparison needs two such" in words
    assert "There is no map yet, because: a map needs 6 people" in words


def test_a_role_without_anything_to_read_here_is_refused(app, people, crowd):
    people("nobody")
    assert "needs a role that you do not have" in app("nobody", page="communities").error[0].value
