"""Which comments a moderator is shown."""

from __future__ import annotations

from itertools import count

import pytest

from audit.errors import ConflictError, NotAllowedError
from audit.reviews import judging
from audit.reviews.judging import Judgement
from audit.reviews.moderating import comments
from audit.reviews.roles import Role
from audit.reviews.seen import has_seen
from audit.reviews.tables import Assignment

FORMS = count(1)


@pytest.fixture
def judge(db, run, community, person):
    """`judge("sw-1", "amina", community="nairobi")`: she says her name in her comment."""
    for name in ("nairobi", "lima", "accra"):
        community(name, languages=["sw"])
    person("admin", Role.ADMIN)
    made = set()

    def judge(finding: str, name: str, *, community: str = "nairobi", role: Role = Role.REVIEWER, comment: str = ""):
        if name not in made:
            person(name, (role, community), reads=["sw"])
            made.add(name)
        with db.write() as session:
            row = Assignment(
                run_id=run, finding_id=finding, person_id=name, community=community, state="open", place=1,
                made_at=db.now(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            card = row.id
        said = Judgement(judgement="agree", comment=comment)
        return judging.submit(db, card, said, submission=f"form-{next(FORMS)}", by=name)

    return judge


def test_a_steward_sees_comments_of_their_community_on_findings_they_have_judged(db, run, judge):
    for finding in ("sw-1", "sw-2"):
        for name in ("amina", "baraka", "chebet"):
            judge(finding, name, comment=f"{name} on {finding}")
            judge(finding, f"{name}-l", community="lima", comment="from lima")
    judge("sw-1", "stella", role=Role.STEWARD)
    assert sorted(one.comment for one in comments(db, run, by="stella")) == [
        "amina on sw-1",
        "baraka on sw-1",
        "chebet on sw-1",
    ]
    assert not has_seen_by(db, "stella", run)


def test_a_steward_learns_of_no_comment_of_small_communities_whether_it_is_of_theirs(db, run, judge, handle):
    """Two of lima and one of accra are shown together: what a steward of lima may hide would say which is which."""
    for name in ("amina", "baraka", "chebet", "dalila"):
        judge("sw-1", name, comment="n")
    mine, other = judge("sw-1", "l1", community="lima", comment="l1"), judge("sw-1", "a1", community="accra")
    judge("sw-1", "lena", community="lima", role=Role.STEWARD)
    assert comments(db, run, by="lena") == ()
    refusals = []
    for review in (mine, other):
        with pytest.raises(NotAllowedError) as caught:
            judging.hide_comment(db, handle(review), reason="because", by="lena")
        refusals.append(str(caught.value))
    assert refusals == ["Lena may not hide comments that are not shown as their community's; ask an admin"] * 2


def test_a_comment_of_small_communities_together_is_shown_without_saying_whose_it_is(db, run, judge):
    for name in ("amina", "baraka", "chebet", "dalila"):
        judge("sw-1", name, comment="n")
    for place, name in (("lima", "l1"), ("lima", "l2"), ("accra", "a1")):
        judge("sw-1", name, community=place, comment=name)
    found = {one.comment: one.community for one in comments(db, run, by="admin")}
    assert found == {"n": "Nairobi", "l1": "other communities", "l2": "other communities", "a1": "other communities"}


def test_of_fewer_than_three_judgements_there_is_nothing_to_moderate(db, run, judge):
    judge("sw-1", "amina", comment="a")
    judge("sw-1", "baraka", comment="b")
    assert comments(db, run, by="admin") == ()
    assert not has_seen_by(db, "admin", run)


def test_an_admin_sees_all_and_it_is_written_down_and_a_hidden_one_is_told_with_its_reason(db, run, judge, handle):
    reviews = [handle(judge("sw-1", name, comment=name)) for name in ("amina", "baraka", "chebet")]
    judging.hide_comment(db, reviews[0], reason="names a person", by="admin")
    found = {(one.comment, one.hidden) for one in comments(db, run, by="admin")}
    assert found == {("", "names a person"), ("baraka", ""), ("chebet", "")}
    assert has_seen_by(db, "admin", run)
    with pytest.raises(ConflictError, match="another moderator"):
        judging.hide_comment(db, reviews[0], reason="something else", by="admin")


def test_who_moderates_nothing_is_refused(db, run, judge, person):
    person("bodil", Role.BOARD)
    person("ada", Role.AUDITOR)
    judge("sw-1", "amina")
    for name in ("bodil", "ada", "amina"):
        with pytest.raises(NotAllowedError, match="may not hide comments"):
            comments(db, run, by=name)


def has_seen_by(db, name: str, run: str) -> bool:
    with db.read() as session:
        return has_seen(session, person=name, run=run)
