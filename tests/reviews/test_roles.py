from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.errors import NotAllowedError
from audit.reviews.database import Database
from audit.reviews.roles import Action, Actor, Role, permitted

# Written out by hand, not derived from roles.MATRIX: a change there must be meant here too.
#                            reviewer steward auditor board admin
EXPECTED = """
read findings                   yes     yes     yes    yes   yes
review findings                 yes     yes     -      -     -
read reviews                    yes     yes     yes    yes   yes
assign reviews                  -       yes     yes    -     yes
hide comments                   -       yes     -      -     yes
contest a finding               yes     yes     yes    yes   -
admit a contest                 -       -       yes    -     yes
answer a contest                -       -       yes    -     -
decide a contest                -       yes     yes    -     -
decide an appeal                -       -       -      yes   -
propose a pair                  yes     yes     -      -     -
review a proposed pair          yes     yes     -      -     -
make a suite of accepted pairs  -       -       yes    -     -
try a pair on the model         yes     yes     yes    -     -
bring a run to the desk         -       -       yes    -     yes
issue a report                  -       -       yes    yes   -
export judgements               -       -       yes    -     yes
read the log                    -       -       yes    yes   yes
invite people                   -       yes     -      -     yes
manage people                   -       -       -      -     yes
manage communities              -       -       -      -     yes
"""
COLUMNS = (Role.REVIEWER, Role.STEWARD, Role.AUDITOR, Role.BOARD, Role.ADMIN)
CELLS = [
    (" ".join(words[:-5]), role, cell == "yes")
    for words in (row.split() for row in EXPECTED.strip().splitlines())
    for role, cell in zip(COLUMNS, words[-5:], strict=True)
]


def actor_with(*grants: tuple[Role, str]) -> Actor:
    return Actor(id="amina", pseudonym="Amina", grants=frozenset(grants))


def held(role: Role) -> tuple[Role, str]:
    return (role, "nairobi" if role in (Role.REVIEWER, Role.STEWARD) else "")


def test_the_table_speaks_of_every_action_and_role() -> None:
    assert {(action, role) for action, role, _ in CELLS} == {(str(action), role) for action in Action for role in Role}
    assert len(CELLS) == len(Action) * 5


@pytest.mark.parametrize(("action", "role", "may"), CELLS)
def test_a_role_allows_what_the_table_says(action: str, role: Role, may: bool) -> None:
    assert actor_with(held(role)).may(Action(action)) is may
    assert actor_with(held(role)).may(Action(action), community="nairobi") is may


@pytest.mark.parametrize(("action", "role", "may"), CELLS)
def test_a_role_in_one_community_allows_nothing_in_another(action: str, role: Role, may: bool) -> None:
    elsewhere = may and role not in (Role.REVIEWER, Role.STEWARD)
    assert actor_with(held(role)).may(Action(action), community="kisumu") is elsewhere


@pytest.mark.parametrize("action", Action)
def test_nobody_without_a_role_may_do_anything(action: Action) -> None:
    assert not actor_with().may(action)


def test_an_actor_knows_their_communities() -> None:
    actor = actor_with((Role.STEWARD, "nairobi"), (Role.REVIEWER, "kisumu"), (Role.BOARD, ""))
    assert actor.communities() == ("kisumu", "nairobi")
    assert actor.communities(Role.STEWARD) == ("nairobi",)
    assert actor.communities(Role.BOARD) == ()


@pytest.mark.parametrize("role", COLUMNS)
def test_roles_are_read_from_the_database_each_time(
    db: Database, person: Callable[..., str], community: Callable[..., str], role: Role
) -> None:
    community("nairobi")
    person("amina", held(role))
    for action, of, may in CELLS:
        if of != role:
            continue
        with db.read() as session:
            if may:
                assert permitted(session, "amina", Action(action)).grants == {held(role)}
            else:
                with pytest.raises(NotAllowedError, match=f"Amina may not {action}; ask whoever runs the desk"):
                    permitted(session, "amina", Action(action))


@pytest.mark.parametrize("status", ["disabled", "withdrawn"])
def test_an_account_that_is_not_active_may_do_nothing(db: Database, person: Callable[..., str], status: str) -> None:
    person("amina", Role.ADMIN, status=status)
    with db.read() as session, pytest.raises(NotAllowedError, match="this account may not sign in"):
        permitted(session, "amina", Action.READ_FINDINGS)


def test_an_unknown_person_may_do_nothing(db: Database) -> None:
    with db.read() as session, pytest.raises(NotAllowedError, match="this account may not sign in"):
        permitted(session, "nobody", Action.READ_FINDINGS)
