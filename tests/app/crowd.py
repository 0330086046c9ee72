"""People who have judged: two communities that differ, and one too small to be shown apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records import Finding, Verdict
from audit.reviews import accounts, consent, judging
from audit.reviews.database import Database
from audit.reviews.judging import Judgement
from audit.reviews.roles import Role
from audit.reviews.tables import Assignment, Grant, Person

HOSTILE = '<script>alert("x")</script> **bold** \u202eabc'


@dataclass(frozen=True, kw_only=True)
class Community:
    """A community of a crowd."""

    id: str
    name: str
    language: str  # of its comments
    people: int
    comment: str
    region: str


NAIROBI = Community(
    id="nairobi",
    name="Nairobi youth",
    language="sw",
    people=4,
    comment="Ni kweli, tunaiona kila siku.",
    region="Nairobi",
)
CAIRO = Community(
    id="cairo", name="قراء القاهرة", language="ar", people=4, comment="لا أرى هذا في حياتنا اليومية.", region="القاهرة"
)
ACCRA = Community(id="accra", name="Accra", language="en", people=1, comment="Alone in Accra.", region="Accra")
LIMA = Community(id="lima", name="Lima", language="en", people=2, comment="Seen in Lima too.", region="Lima")


def found(findings: Sequence[Finding], *, n: int) -> list[Finding]:
    """The first findings of effects, those with evidence first: they can be judged."""
    known = [one for one in findings if one.measurement.measure == "stereotype_effect"]
    return sorted(known, key=lambda one: one.verdict is not Verdict.EVIDENCE)[:n]


def fill(db: Database, run: str, findings: Sequence[Finding], *communities: Community, admin: str) -> list[str]:
    """Make the communities and their people, and let them judge; returns the people's ids.

    The first community agrees with the even findings and finds them severe, the others disagree there; with the odd
    ones all agree. One person of each community differs on the first finding.
    """
    made = []
    for number, one in enumerate(communities):
        accounts.create_community(
            db, one.id, name=one.name, languages=[one.language, "en"], regions=[one.region], by=admin
        )
        for person in range(one.people):
            name = f"{one.id}-{person}"
            _person(db, name, one)
            made.append(name)
            for place, finding in enumerate(findings):
                against = number > 0 and place % 2 == 0
                said = "disagree" if against != (place == 0 and person == 0) else "agree"
                _judge(db, run, finding.id, one, said=said, place=place, by=name)
    return made


def _person(db: Database, name: str, community: Community) -> None:
    with db.write() as session:
        session.add(
            Person(
                id=name,
                login=name,
                pseudonym=name.title(),
                status="active",
                reads=[community.language, "en", "sw", "ar"],
                region=community.region,
                created_at=db.now(),
            )
        )
        session.flush()
        session.add(Grant(person_id=name, role=Role.REVIEWER, community=community.id, granted_at=db.now()))
    consent.give(db, by=name)


def _judge(db: Database, run: str, finding: str, community: Community, *, said: str, place: int, by: str) -> None:
    with db.write() as session:
        row = Assignment(
            run_id=run,
            finding_id=finding,
            person_id=by,
            community=community.id,
            state="open",
            place=place,
            made_at=db.now(),
        )
        session.add(row)
        session.flush()
        assignment = row.id
    judgement = Judgement(
        judgement=said,
        severity=min(4, place % 5) if said == "agree" else 0,
        prevalence="common" if said == "agree" else "rare",
        comment=community.comment,
        comment_language=community.language,
    )
    judging.submit(db, assignment, judgement, submission=f"{by} {finding}", by=by)
