"""Judgements out and in, and the logs: open, safe in a spreadsheet, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from itertools import count

import pytest
from sqlalchemy import func, select
from sqlalchemy.event import listen

from audit.errors import DeskError, NotAllowedError
from audit.reviews import assigning, consent, events, exchange, judging, library
from audit.reviews.database import open_database
from audit.reviews.judging import Judgement
from audit.reviews.roles import Role
from audit.reviews.seen import has_seen
from audit.reviews.summary import judgements_of
from audit.reviews.tables import Assignment, Community, Event, Person, Review

FORMS = count(1)


@pytest.fixture
def desk(db, community, person):
    community("nairobi", languages=["sw", "en"])
    community("lima", languages=["sw"])
    for name in ("amina", "baraka", "chebet"):
        person(name, (Role.REVIEWER, "nairobi"), reads=["sw", "en"], region="Nairobi")
    person("stella", (Role.STEWARD, "nairobi"), reads=["sw"], region="Nairobi")
    person("diego", (Role.REVIEWER, "lima"), reads=["sw"], region="Lima")
    person("ada", Role.AUDITOR)
    person("board", Role.BOARD)
    person("admin", Role.ADMIN)
    return db


@pytest.fixture
def judged(desk, run):
    """sw-1: three of Nairobi and one of Lima. sw-2: all four of Nairobi, one of whom changed their mind."""
    for finding, community, overlap in (("sw-1", "nairobi", 3), ("sw-2", "nairobi", 4), ("sw-1", "lima", 1)):
        assigning.assign(
            desk, run, community=community, findings=[finding], overlap=overlap, seed=1, by="ada", share=0.0
        )
    with desk.read() as session:
        cards = session.execute(select(Assignment.id, Assignment.person_id, Assignment.finding_id)).all()
    for card, name, finding in cards:
        said = Judgement(
            judgement="agree",
            severity=2,
            comment=f"=1+{name}",
            comment_language="sw",
            items={("stereotype/gender-1", "sw"): "awkward"},
        )
        judging.submit(desk, card, said, submission=f"{name} {finding}", by=name)
    judging.revise(desk, run, "sw-2", Judgement(judgement="disagree"), submission="again", by="amina")
    return desk


def lines(content):
    return [json.loads(line) for line in content.decode().splitlines()]


def number_of(db, what, *conditions):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(what).where(*conditions))


# --- out ---------------------------------------------------------------------------------------


def test_a_line_is_a_judgement_as_others_may_read_it(judged, run):
    rows = lines(exchange.export_jsonl(judged, run, by="ada"))
    assert len(rows) == 8
    assert {(row["finding"], row["community"], row["community_name"], row["region"]) for row in rows} == {
        ("sw-1", "", "other communities", ""),  # Lima's one judgement would stand apart
        ("sw-2", "nairobi", "Nairobi", "Nairobi"),
    }
    assert [(row["judgement"], row["blind"]) for row in rows if row["revised"]] == [("disagree", "agree")]
    assert rows[0]["items"] == [["stereotype/gender-1", "sw", "awkward"]]
    assert {row["current"] for row in rows} == {True}
    text = exchange.export_jsonl(judged, run, by="ada").decode()
    with judged.read() as session:
        secret = [*session.scalars(select(Review.id)), *session.scalars(select(Review.salt))]
    assert not [word for word in secret if word in text]


def test_the_csv_has_the_same_rows_and_no_cell_that_a_spreadsheet_runs(judged, run):
    rows = list(csv.DictReader(io.StringIO(exchange.export_csv(judged, run, by="ada").decode(), newline="")))
    same = lines(exchange.export_jsonl(judged, run, by="ada"))
    assert [row["id"] for row in rows] == [row["id"] for row in same]
    assert [row["comment"] for row in rows] == ["'" + row["comment"] if row["comment"] else "" for row in same]
    assert json.loads(rows[0]["items"]) == same[0]["items"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=A1", "'=A1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\n=1", "\n'=1"),
        ("＝1", "'＝1"),  # full width, which some spreadsheets read as the sign itself
        ("no;=1+1", "no;'=1+1"),  # where semicolons separate cells, a comma does not end this one
        ("no\n @x", "no\n '@x"),
        ("a=1", "a=1"),
        ("a; b - c", "a; b - c"),
        ('two\nlines, "and" more', 'two\nlines, "and" more'),
        (3, "3"),
        (None, ""),
    ],
)
def test_a_cell_comes_back_from_csv_as_it_was_unless_it_is_a_formula(cell, written):
    content = exchange.as_csv(["x"], [{"x": cell}]).decode()
    assert next(csv.DictReader(io.StringIO(content, newline="")))["x"] == written


def test_an_export_is_in_the_log_and_who_made_it_has_read_the_run(judged, run):
    content = exchange.export_jsonl(judged, run, by="ada")
    with judged.read() as session:
        event = session.scalars(select(Event).filter_by(kind="judgements exported")).one()
        assert (event.actor, event.subject, event.facts["bytes"]) == ("ada", run, len(content))
        assert has_seen(session, person="ada", run=run, finding="sw-5")


def test_who_may_not_export_does_not_and_a_reviewer_only_what_they_have_judged(judged, run, person):
    for name in ("amina", "stella", "board"):
        with pytest.raises(NotAllowedError, match="may not export judgements"):
            exchange.export_jsonl(judged, run, by=name)
    person("both", Role.AUDITOR, (Role.REVIEWER, "lima"), reads=["sw"])
    with pytest.raises(NotAllowedError, match="have not judged 2 findings that others have"):
        exchange.export_csv(judged, run, by="both")


def test_the_event_log_carries_all_that_its_hashes_cover(judged):
    rows = lines(exchange.event_log(judged, by="board"))
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    for before, row in zip([None, *rows], rows, strict=False):
        event = Event(**{**row, "at": datetime.fromisoformat(row["at"])})
        assert events.hash_of(event) == row["hash"]
        assert row["previous"] == (before["hash"] if before else events.GENESIS)
    with pytest.raises(NotAllowedError, match="may not read the log"):
        exchange.event_log(judged, by="stella")


def test_the_moderation_log_says_what_was_hidden_by_whom_and_why_and_not_whose_it_was(judged, run, handle):
    with judged.read() as session:
        review = session.scalar(select(Review.id).filter_by(person_id="chebet", finding_id="sw-2"))
    judging.hide_comment(judged, handle(review), reason="=names a neighbour", by="stella")
    content = exchange.moderation_log(judged, by="admin").decode()
    assert content == f"date,run,finding,moderator,reason\r\n2026-03-02,{run},sw-2,Stella,'=names a neighbour\r\n"
    consent.withdraw(judged, by="chebet")
    assert "its author withdrew" in exchange.moderation_log(judged, by="admin").decode()
    with pytest.raises(NotAllowedError, match="may not read the log"):
        exchange.moderation_log(judged, by="baraka")


# --- in ----------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path, run_folder):
    """Another desk with the same run and the community nairobi."""
    db = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    library.import_run(db, run_folder, by=None)
    with db.write() as session:
        session.add(Community(id="nairobi", name="Nairobi", languages=["sw"], regions=[], created_at=db.now()))
    yield db
    db.close()


def test_what_another_desk_imports_is_what_was_exported(judged, run, other):
    content = exchange.export_jsonl(judged, run, by="ada")
    done = exchange.import_judgements(other, content, source="nairobi-desk", by=None)
    assert (done.new, done.known, done.differing) == (8, 0, ())
    here, there = judgements_of(judged, run, by=None), judgements_of(other, run, by=None)

    def said(judgements):
        return sorted(
            (voice.finding, voice.judgement, voice.comment, voice.region, voice.revised, voice.blind)
            for voice in judgements.voices
        )

    assert said(here) == said(there)
    assert there.communities == {"nairobi": "Nairobi", "nairobi-desk-others": "Other communities (nairobi-desk)"}
    wordings = [
        sorted(row["items"] for row in lines(one)) for one in (content, exchange.export_jsonl(other, run, by=None))
    ]
    assert wordings[0] == wordings[1] == [[], *[[["stereotype/gender-1", "sw", "awkward"]]] * 7]  # one revised without
    assert number_of(other, Person, Person.status != "disabled") == 0


def test_the_same_file_again_adds_nothing_and_what_says_something_else_is_named(judged, run, other):
    content = exchange.export_jsonl(judged, run, by="ada")
    exchange.import_judgements(other, content, source="a", by=None)
    again = exchange.import_judgements(other, content, source="a", by=None)
    assert (again.new, again.known, again.differing) == (0, 8, ())
    rows = lines(content)
    rows[2]["comment"] = "changed on the way"
    changed = "\n".join(json.dumps(row) for row in rows).encode()
    third = exchange.import_judgements(other, changed, source="a", by=None)
    assert (third.new, third.known, third.differing) == (0, 7, (3,))
    assert number_of(other, Review, Review.comment == "changed on the way") == 0


LINE = {
    "format": "plural-audit judgements 1",
    "id": "v1",
    "finding": "sw-1",
    "person": "p1",
    "community": "nairobi",
    "community_name": "Nairobi",
    "judgement": "agree",
    "severity": None,
    "prevalence": "",
    "region": "",
    "comment": "",
    "comment_language": "",
    "revised": False,
    "blind": "agree",
    "items": [],
    "hidden": "",
    "current": True,
}


def sent(db, run, *changes, raw=()):
    rows = [json.dumps({**LINE, "run": run, **change}) for change in changes]
    return exchange.import_judgements(db, "\n".join([*rows, *raw]).encode(), source="a", by="ada")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"judgement": "maybe"}, "line 2: judgement: Input should be 'agree'"),
        ({"severity": "3"}, "line 2: severity: Input should be a valid integer"),
        ({"severity": 9}, "line 2: severity: Input should be less than or equal to 4"),
        ({"extra": 1}, "line 2: extra: Extra inputs are not permitted"),
        ({"format": "something else"}, "line 2: format: Input should be"),
        ({"comment": "x" * 5000}, "line 2: comment: String should have at most 4000 characters"),
        ({"comment": "a\x00b"}, "line 2: comment: character 2 is U\\+0000"),
        ({"finding": "nope"}, "line 2: finding 'nope' of run"),
        ({"community": "atlantis"}, "line 2: community 'atlantis' is not at this desk"),
        ({"items": [["stereotype/x", "sw", "wrong"]]}, "line 2: item 'stereotype/x' is not behind finding 'sw-1'"),
        ({"blind": "partly"}, "line 2: was not revised, yet its blind judgement is another"),
        ({"id": "v1"}, "line 2: the same id and finding as line 1"),
        ({"person": "p1"}, "line 2: the same person and finding as line 1"),
    ],
)
def test_a_wrong_line_is_named_with_its_number_and_nothing_is_imported(desk, run, change, reason):
    with pytest.raises(DeskError, match=reason) as refused:
        sent(desk, run, {}, {"id": "v2", "person": "p2", **change})
    assert "\n" not in str(refused.value)
    assert "nothing was imported" in str(refused.value)
    assert number_of(desk, Review) == 0


def test_many_wrong_lines_are_counted(desk, run):
    with pytest.raises(DeskError, match=r"line 1: .*; and 5 more; nothing was imported"):
        sent(desk, run, raw=["{}"] * 25)


@pytest.mark.parametrize(
    "raw", ["not json", "[]", "null", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]
)
def test_what_is_no_line_is_refused_in_one_line(desk, run, raw):
    with pytest.raises(DeskError, match="import: line 1: ") as refused:
        sent(desk, run, raw=[raw])
    assert len(str(refused.value)) < 400


def test_a_file_that_is_too_large_or_empty_is_refused(desk, run):
    with pytest.raises(DeskError, match="20000001 bytes, at most 20000000 are taken"):
        exchange.import_judgements(desk, b" " * 20_000_001, source="a", by="ada")
    with pytest.raises(DeskError, match="50001 lines, at most 50000 are taken"):
        exchange.import_judgements(desk, b"x\n" * 50_001, source="a", by="ada")
    with pytest.raises(DeskError, match="no lines"):
        exchange.import_judgements(desk, b"\n\n", source="a", by="ada")


@pytest.mark.parametrize("source", ["", "A", "a b", "-a", "a" * 50, "../x"])
def test_a_source_is_a_short_name(desk, source):
    with pytest.raises(DeskError, match="not a short name"):
        exchange.import_judgements(desk, b"{}", source=source, by="ada")


def test_only_auditors_and_admins_import(desk, run):
    for name in ("amina", "stella", "board"):
        with pytest.raises(NotAllowedError):
            exchange.import_judgements(desk, b"{}", source="a", by=name)
    assert sent(desk, run, {}).new == 1


def test_hostile_words_are_imported_as_data_and_nobody_can_sign_in_as_their_author(desk, run):
    words = "<script>x</script> \u202e'); DROP TABLE reviews;--"
    assert sent(desk, run, {"comment": words}).new == 1
    with desk.read() as session:
        row = session.scalars(select(Review)).one()
        author = session.get(Person, row.person_id)
        assert row.comment == words
        assert (author.status, author.password_hash, author.oidc_subject) == ("disabled", None, None)
        assert events.verify_chain(session) is None


def made_up(run, *numbers):
    """Lines of as many people of Nairobi, who all agree."""
    line = {
        "format": exchange.FORMAT, "run": run, "finding": "sw-3", "community": "nairobi", "community_name": "Nairobi",
        "judgement": "agree", "severity": None, "prevalence": "", "region": "Nairobi", "comment": "",
        "comment_language": "", "revised": False, "blind": "agree", "items": [], "hidden": "", "current": True,
    }  # fmt: skip
    return "\n".join(json.dumps({**line, "id": f"i{n}", "person": f"p{n}"}) for n in numbers).encode()


def test_made_up_judgements_from_elsewhere_bring_nobody_here_over_the_line(desk, run):
    """One person of Nairobi has judged; two that an auditor brings under Nairobi's name do not show her apart."""
    assigning.assign(desk, run, community="nairobi", findings=["sw-3"], overlap=1, seed=1, by="ada")
    with desk.read() as session:
        card = session.scalars(select(Assignment).filter_by(finding_id="sw-3")).one()
    said = Judgement(judgement="disagree", comment="only mine", comment_language="sw")
    judging.submit(desk, card.id, said, submission="mine", by=card.person_id)
    exchange.import_judgements(desk, made_up(run, 1, 2), source="elsewhere", by="ada")
    assert judging.reviews_of(desk, run, "sw-3", by="board") == ()
    exchange.import_judgements(desk, made_up(run, 3), source="elsewhere", by="ada")
    shown = judging.reviews_of(desk, run, "sw-3", by="board")
    assert [(one.voice.judgement, one.voice.region) for one in shown] == [("agree", "Nairobi")] * 3


def test_a_long_import_asks_the_database_no_more_often_than_a_short_one(desk, run):
    """While it writes, everybody else who writes waits."""
    asked = []
    listen(desk.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    counts = []
    for source, n in (("short", 20), ("long", 400)):
        asked.clear()
        assert exchange.import_judgements(desk, made_up(run, *range(n)), source=source, by="ada").new == n
        counts.append(len(asked))
    assert counts[1] == counts[0]
