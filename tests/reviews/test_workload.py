"""How far judging has come, by community and language."""

from __future__ import annotations

import pytest

from audit.errors import DeskError, NotAllowedError
from audit.reviews import judging
from audit.reviews.assigning import assign
from audit.reviews.judging import Judgement
from audit.reviews.roles import Role
from audit.reviews.workload import Workload, workload


@pytest.fixture
def places(db, community, person):
    community("nairobi", languages=["sw", "en", "yo"])
    community("lima", languages=["en"])
    for name, reads in (("amina", ["sw", "en"]), ("baraka", ["sw"]), ("chebet", ["sw", "sw"])):
        person(name, (Role.REVIEWER, "nairobi"), reads=reads)
    person("gone", (Role.REVIEWER, "nairobi"), reads=["sw"], status="disabled")
    person("stella", (Role.STEWARD, "lima"), reads=["en"])
    person("ada", Role.AUDITOR)
    return db


def test_readers_who_are_active_are_counted_and_what_is_lacking_is_said(places, run):
    """6 findings of Swahili with evidence, 4 without and one that says nothing; Yoruba is not in the run."""
    found = {(one.community, one.language): one for one in workload(places, run, by="ada")}
    assert set(found) == {("nairobi", "sw"), ("nairobi", "en"), ("lima", "en")}
    assert found["nairobi", "sw"] == Workload(
        community="nairobi", name="Nairobi", language="sw", readers=3, findings=11, open=0, done=0
    )
    assert {key: one.lacks for key, one in found.items()} == {
        ("nairobi", "sw"): 0,
        ("nairobi", "en"): 2,
        ("lima", "en"): 2,
    }


def test_work_that_is_open_and_done_is_counted(places, run):
    assign(places, run, community="nairobi", findings=["sw-1", "sw-2"], overlap=3, seed=1, by="ada")
    card = judging.queue(places, by="baraka").entries[0].assignment
    judging.submit(places, card, Judgement(judgement="agree"), submission="once", by="baraka")
    sw = next(one for one in workload(places, run, by="ada") if one.language == "sw")
    assert (sw.open, sw.done) == (5, 1)


def test_a_steward_sees_their_own_community_and_a_reviewer_none(places, run):
    assert [one.community for one in workload(places, run, by="stella")] == ["lima"]
    with pytest.raises(NotAllowedError, match="may not assign reviews"):
        workload(places, run, by="amina")
    with pytest.raises(DeskError, match="not at this desk"):
        workload(places, "gone", by="ada")
