"""Who may do what: one table, asked by every function that reads or writes for somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.errors import NotAllowedError
from audit.reviews.tables import Grant, Person


class Role(StrEnum):
    """What a person is here. Reviewers and stewards are so in a community, the others everywhere."""

    REVIEWER = "reviewer"  # judges findings, contests, proposes
    STEWARD = "steward"  # besides, invites, assigns and moderates in their community
    AUDITOR = "auditor"  # brings runs, answers contests, issues reports
    BOARD = "board"  # reads everything that is not personal; decides appeals
    ADMIN = "admin"  # people and settings; judges nothing


IN_COMMUNITY = (Role.REVIEWER, Role.STEWARD)


class Action(StrEnum):
    """What can be done. The words are those of the message that refuses it."""

    READ_FINDINGS = "read findings"
    REVIEW = "review findings"
    READ_REVIEWS = "read reviews"  # reviewers and stewards besides only where their own is given (judging.py)
    ASSIGN = "assign reviews"
    MODERATE = "hide comments"
    FILE_CONTEST = "contest a finding"
    ADMIT_CONTEST = "admit a contest"
    ANSWER_CONTEST = "answer a contest"
    DECIDE_CONTEST = "decide a contest"  # and neither have filed, admitted nor answered it (contests.py)
    DECIDE_APPEAL = "decide an appeal"
    PROPOSE = "propose a pair"
    REVIEW_PROPOSAL = "review a proposed pair"
    PUBLISH_SUITE = "make a suite of accepted pairs"
    TRY_PAIR = "try a pair on the model"
    IMPORT_RUN = "bring a run to the desk"
    MAKE_REPORT = "issue a report"
    EXPORT = "export judgements"
    READ_LOG = "read the log"
    INVITE = "invite people"
    MANAGE_PEOPLE = "manage people"
    MANAGE_COMMUNITIES = "manage communities"


_EVERYONE = frozenset(Role)
_PEOPLE = frozenset({Role.REVIEWER, Role.STEWARD})
MATRIX: Mapping[Action, frozenset[Role]] = {
    Action.READ_FINDINGS: _EVERYONE,
    Action.REVIEW: _PEOPLE,
    Action.READ_REVIEWS: _EVERYONE,
    Action.ASSIGN: frozenset({Role.STEWARD, Role.AUDITOR, Role.ADMIN}),
    Action.MODERATE: frozenset({Role.STEWARD, Role.ADMIN}),
    Action.FILE_CONTEST: frozenset({Role.REVIEWER, Role.STEWARD, Role.AUDITOR, Role.BOARD}),
    Action.ADMIT_CONTEST: frozenset({Role.AUDITOR, Role.ADMIN}),
    Action.ANSWER_CONTEST: frozenset({Role.AUDITOR}),
    Action.DECIDE_CONTEST: frozenset({Role.STEWARD, Role.AUDITOR}),
    Action.DECIDE_APPEAL: frozenset({Role.BOARD}),
    Action.PROPOSE: frozenset({Role.REVIEWER, Role.STEWARD}),
    Action.REVIEW_PROPOSAL: _PEOPLE,
    Action.PUBLISH_SUITE: frozenset({Role.AUDITOR}),
    Action.TRY_PAIR: frozenset({Role.REVIEWER, Role.STEWARD, Role.AUDITOR}),
    Action.IMPORT_RUN: frozenset({Role.AUDITOR, Role.ADMIN}),
    Action.MAKE_REPORT: frozenset({Role.AUDITOR, Role.BOARD}),
    Action.EXPORT: frozenset({Role.AUDITOR, Role.ADMIN}),
    Action.READ_LOG: frozenset({Role.AUDITOR, Role.BOARD, Role.ADMIN}),
    Action.INVITE: frozenset({Role.STEWARD, Role.ADMIN}),
    Action.MANAGE_PEOPLE: frozenset({Role.ADMIN}),
    Action.MANAGE_COMMUNITIES: frozenset({Role.ADMIN}),
}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person who is signed in, with the roles they hold now."""

    id: str
    pseudonym: str
    grants: frozenset[tuple[Role, str]]  # (role, community or "")

    def communities(self, *roles: Role) -> tuple[str, ...]:
        """Ids of the communities in which they hold one of `roles` (all community roles if none is named), sorted."""
        wanted = roles or IN_COMMUNITY
        return tuple(sorted({community for role, community in self.grants if role in wanted and community}))

    def may(self, action: Action, *, community: str = "") -> bool:
        """Whether one of their roles allows it. With a community, roles held in another one do not count."""
        allowed = MATRIX[action]
        return any(role in allowed and (not held or not community or held == community) for role, held in self.grants)


def permitted(session: Session, person: str, action: Action, *, community: str = "") -> Actor:
    """The person as an actor, if they may do that now: roles are read in the transaction that acts on them.

    Args:
        session: of the transaction that goes on to read or write.
        person: id.
        action: what they ask for.
        community: in whose name or place; "" where the action has none.

    Raises:
        NotAllowedError: no such person, a disabled one, or no role that allows it.
    """
    row = session.get(Person, person)
    if row is None or row.status != "active":
        raise NotAllowedError("this account may not sign in; ask whoever runs the desk")
    held = session.execute(select(Grant.role, Grant.community).where(Grant.person_id == person)).all()
    actor = Actor(
        id=row.id, pseudonym=row.pseudonym, grants=frozenset((Role(role), community) for role, community in held)
    )
    if not actor.may(action, community=community):
        where = f" for {community}" if community else ""
        raise NotAllowedError(f"{row.pseudonym} may not {action}{where}; ask whoever runs the desk for the role")
    return actor
