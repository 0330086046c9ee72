from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import inspect, select, text

from audit.errors import ConflictError, DeskError, NotAllowedError
from audit.reviews import accounts, events
from audit.reviews.accounts import TooManyAttemptsError
from audit.reviews.database import Database
from audit.reviews.roles import Role
from audit.reviews.tables import Event, Person

GOOD = "four plain words here"
OTHER = "another four plain words"


@pytest.fixture(autouse=True)
def quick_hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 that costs next to nothing."""
    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def admin(db: Database) -> str:
    """Id of the admin "root-user" with the password GOOD."""
    secret = accounts.first_admin(db)
    assert secret is not None
    return who(db, accounts.set_up(db, secret, login="root-user", pseudonym="Root", password=GOOD))


@pytest.fixture
def amina(db: Database, admin: str) -> str:
    """Id of a reviewer of nairobi, "amina" with the password GOOD."""
    accounts.create_community(db, "nairobi", name="Nairobi", languages=["sw", "en"], by=admin)
    secret = accounts.invite(db, role=Role.REVIEWER, community="nairobi", by=admin)
    return who(db, accounts.accept_invitation(db, secret, login="Amina", pseudonym="Amina K", password=GOOD))


def who(db: Database, secret: str) -> str:
    actor = accounts.person_of(db, secret)
    assert actor is not None
    return actor.id


def sign_in(db: Database, password: str = GOOD, *, login: str = "amina", address: str = "10.0.0.1") -> str:
    return accounts.sign_in(db, login=login, password=password, address=address)


def fail(db: Database, n: int, *, login: str = "amina", address: str = "10.0.0.1") -> None:
    for _ in range(n):
        with pytest.raises(DeskError, match="the login or the password is not right; check both and try again"):
            sign_in(db, "wrong wrong wrong", login=login, address=address)


def kinds(db: Database) -> list[str]:
    with db.read() as session:
        assert events.verify_chain(session) is None
        return list(session.scalars(select(Event.kind).order_by(Event.number)))


# --- first start -----------------------------------------------------------------------------


def test_the_first_admin_is_made_by_a_secret_that_works_once(db: Database) -> None:
    secret = accounts.first_admin(db)
    signed_in = accounts.set_up(db, secret, login="Root", pseudonym="Root", password=GOOD)
    assert accounts.person_of(db, signed_in).grants == {(Role.ADMIN, "")}
    assert accounts.first_admin(db) is None  # there is one now
    with pytest.raises(DeskError, match="this link was used already; ask whoever sent it for a new one"):
        accounts.set_up(db, secret, login="second", pseudonym="Second", password=GOOD)
    assert kinds(db) == ["invitation made", "account made", "role given"]


def test_a_set_up_secret_lasts_a_day_and_only_the_newest_works(db: Database, clock: Any) -> None:
    old, new = accounts.first_admin(db), accounts.first_admin(db)
    with pytest.raises(DeskError, match="this link was revoked"):
        accounts.set_up(db, old, login="root-user", pseudonym="Root", password=GOOD)
    clock.forward(hours=24)
    with pytest.raises(DeskError, match="this link has expired"):
        accounts.set_up(db, new, login="root-user", pseudonym="Root", password=GOOD)


def test_two_who_open_the_set_up_link_at_once_make_one_admin(db: Database) -> None:
    secret = accounts.first_admin(db)

    def open_it(number: int) -> bool:
        try:
            accounts.set_up(db, secret, login=f"admin{number}", pseudonym=f"Admin {number}", password=GOOD)
        except DeskError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(open_it, range(4))) == [False, False, False, True]


def test_an_admin_who_lost_the_password_sets_a_new_one_by_a_new_set_up_link(db: Database, admin: str) -> None:
    before = sign_in(db, login="root-user")
    secret = accounts.set_up_link(db)
    assert who(db, accounts.set_up(db, secret, login="root-user", pseudonym="", password=OTHER)) == admin
    assert accounts.person_of(db, before) is None
    assert who(db, sign_in(db, OTHER, login="root-user")) == admin


def test_a_set_up_link_takes_over_nobody_elses_account(db: Database, amina: str) -> None:
    with pytest.raises(DeskError, match="login: 'amina' is taken"):
        accounts.set_up(db, accounts.set_up_link(db), login="amina", pseudonym="X Y", password=OTHER)
    assert who(db, sign_in(db)) == amina


def test_an_invitation_is_no_set_up_link(db: Database, admin: str) -> None:
    secret = accounts.invite(db, role=Role.ADMIN, by=admin)
    with pytest.raises(DeskError, match="this is no set-up link"):
        accounts.set_up(db, secret, login="root-user", pseudonym="Root", password=OTHER)


def test_no_secret_and_no_password_is_in_the_database(db: Database, amina: str) -> None:
    held = [accounts.invite_from_command_line(db, role=Role.AUDITOR), sign_in(db), GOOD]
    with db.read() as session:
        for table in inspect(session.connection()).get_table_names():
            content = str(session.execute(text(f"SELECT * FROM {table}")).all())
            assert not [secret for secret in held if secret in content]


# --- invitations -----------------------------------------------------------------------------


def test_an_invitation_gives_its_role_once_and_says_so_before(db: Database, admin: str, amina: str) -> None:
    secret = accounts.invite(db, role=Role.STEWARD, community="nairobi", by=admin)
    shown = accounts.invitation(db, secret)
    assert (shown.role, shown.community_name, shown.made_by, shown.state) == (Role.STEWARD, "Nairobi", "Root", "open")
    signed_in = accounts.accept_invitation(db, secret, login="baraka", pseudonym="Baraka", password=GOOD)
    assert accounts.person_of(db, signed_in).grants == {(Role.STEWARD, "nairobi")}
    with pytest.raises(DeskError, match="was used already"):
        accounts.invitation(db, secret)
    assert [one.state for one in accounts.invitations(db, by=admin)].count("used") == 3  # with the admin's and amina's


def test_an_invitation_expires_and_can_be_revoked(db: Database, admin: str, clock: Any) -> None:
    first, second = (accounts.invite(db, role=Role.BOARD, by=admin, days=2) for _ in range(2))
    accounts.revoke_invitation(db, accounts.invitation(db, first).id, by=admin)
    with pytest.raises(DeskError, match="was revoked"):
        accounts.invitation(db, first)
    clock.forward(days=2)
    with pytest.raises(DeskError, match="has expired"):
        accounts.invitation(db, second)
    with pytest.raises(DeskError, match="this link is unknown"):
        accounts.invitation(db, "made up")


def test_no_community_is_called_like_small_ones_put_together(db: Database, admin: str) -> None:
    with pytest.raises(DeskError, match="stands for small communities put together"):
        accounts.create_community(db, "others", name="The others", languages=["sw"], by=admin)


def test_stewards_invite_to_their_own_community_only(db: Database, admin: str, amina: str) -> None:
    accounts.grant(db, amina, role=Role.STEWARD, community="nairobi", by=admin)
    accounts.create_community(db, "kisumu", name="Kisumu", languages=["luo"], by=admin)
    assert accounts.invite(db, role=Role.REVIEWER, community="nairobi", by=amina)
    with pytest.raises(NotAllowedError, match="Amina K may not invite people for kisumu"):
        accounts.invite(db, role=Role.REVIEWER, community="kisumu", by=amina)
    with pytest.raises(NotAllowedError, match="invites reviewers and stewards of their own community only"):
        accounts.invite(db, role=Role.ADMIN, by=amina)
    accounts.invite(db, role=Role.REVIEWER, community="kisumu", by=admin)
    assert [one.community for one in accounts.invitations(db, by=amina)] == ["nairobi", "nairobi"]


def test_who_may_not_invite_any_more_has_invited_nobody(db: Database, admin: str, amina: str) -> None:
    accounts.grant(db, amina, role=Role.STEWARD, community="nairobi", by=admin)
    secret = accounts.invite(db, role=Role.REVIEWER, community="nairobi", by=amina)
    accounts.revoke(db, amina, role=Role.STEWARD, community="nairobi", by=admin)
    with pytest.raises(DeskError, match="whoever sent this link may not invite any more"):
        accounts.accept_invitation(db, secret, login="eve", pseudonym="Eve", password=GOOD)


@pytest.mark.parametrize(
    ("role", "community", "message"),
    [
        (Role.REVIEWER, "", "reviewer: is so in a community; name it"),
        (Role.AUDITOR, "nairobi", "auditor: is so everywhere; name no community"),
        (Role.REVIEWER, "atlantis", "atlantis: no such community; make it first"),
    ],
)
def test_a_role_and_its_place_fit_together(db: Database, amina: str, role: Role, community: str, message: str) -> None:
    with pytest.raises(DeskError, match=message):
        accounts.invite_from_command_line(db, role=role, community=community)


def test_somebody_with_an_account_joins_a_second_community(db: Database, admin: str, amina: str) -> None:
    accounts.create_community(db, "kisumu", name="Kisumu", languages=["luo"], by=admin)
    accounts.join(db, accounts.invite(db, role=Role.REVIEWER, community="kisumu", by=admin), by=amina)
    assert accounts.profile(db, by=amina).grants == ((Role.REVIEWER, "kisumu"), (Role.REVIEWER, "nairobi"))


@pytest.mark.parametrize(
    ("login", "pseudonym", "password", "message"),
    [
        ("AMINA", "Somebody", GOOD, "login: 'amina' is taken; choose another"),
        ("eve", "amina k", GOOD, "pseudonym: 'amina k' is taken; choose another"),
        ("eve", "ＡＭＩＮＡ Ｋ", GOOD, "pseudonym: .* is taken"),  # full-width letters
        ("eve", "Ami\u200bna  K", GOOD, "pseudonym: .* is taken"),  # looks the same
        ("eve", "System", GOOD, "pseudonym: .* is taken"),  # the log's own words for who is no person
        ("eve", "command line", GOOD, "pseudonym: .* is taken"),
        ("e", "Eve", GOOD, "login: write 3 to 64 characters without spaces"),
        ("e v e", "Eve", GOOD, "login: write 3 to 64"),
        ("eve", "E", GOOD, "pseudonym: write 2 to 40 characters; it need not be your name"),
        ("eve", "\u202e\u200b", GOOD, "pseudonym: write 2 to 40"),  # nothing that can be seen
        ("eve", "a\nb", GOOD, "pseudonym: has a line break"),
        ("eve\x00", "Eve", GOOD, r"login: character 4 is U\+0000"),
        ("eve", "Eve", "eleven char", "password: 11 characters; write 12 or more"),
        ("eve", "Eve", "x" * 1001, "password: 1001 characters; write 1000 at most"),
        ("evelyn-adhiambo", "Eve", "Evelyn-Adhiambo", "password: is the login; choose another"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_invitation_still_works(
    db: Database, amina: str, login: str, pseudonym: str, password: str, message: str
) -> None:
    secret = accounts.invite_from_command_line(db, role=Role.BOARD)
    with pytest.raises(DeskError, match=message):
        accounts.accept_invitation(db, secret, login=login, pseudonym=pseudonym, password=password)
    assert accounts.accept_invitation(db, secret, login="eve-2", pseudonym="Eve 2", password=GOOD)


# --- signing in ------------------------------------------------------------------------------


def test_who_signs_in_is_known_by_the_secret_until_they_sign_out(db: Database, amina: str) -> None:
    first, second = sign_in(db, login=" AMINA "), sign_in(db)
    assert who(db, first) == who(db, second) == amina
    accounts.sign_out(db, first)
    accounts.sign_out(db, first)  # again: nothing
    assert accounts.person_of(db, first) is None
    assert who(db, second) == amina
    accounts.sign_out_everywhere(db, by=amina)
    assert accounts.person_of(db, second) is None
    assert accounts.person_of(db, "") is None


def test_a_sign_in_lasts_twelve_hours_and_never_more_than_a_week(db: Database, amina: str, clock: Any) -> None:
    day = sign_in(db)
    year = accounts.sign_in(db, login="amina", password=GOOD, address="", lasting=timedelta(days=365))
    clock.forward(hours=11, minutes=59)
    assert who(db, day) == amina
    clock.forward(minutes=1)
    assert accounts.person_of(db, day) is None
    clock.forward(days=6, hours=11, minutes=59)
    assert who(db, year) == amina
    clock.forward(minutes=1)
    assert accounts.person_of(db, year) is None


def test_the_sixth_try_at_a_login_waits_until_the_first_failure_is_fifteen_minutes_old(
    db: Database, amina: str, clock: Any
) -> None:
    fail(db, 1)
    clock.forward(minutes=5)
    fail(db, 4)
    with pytest.raises(TooManyAttemptsError) as caught:
        sign_in(db)  # though the password is right
    assert str(caught.value) == "too many sign-ins failed; try again after 09:15 UTC, in 10 minutes"
    assert caught.value.minutes == 10
    clock.forward(minutes=10)
    assert who(db, sign_in(db)) == amina


def test_who_guesses_at_a_login_does_not_keep_its_owner_out(db: Database, amina: str) -> None:
    fail(db, 5, address="10.0.0.2")
    with pytest.raises(TooManyAttemptsError):
        sign_in(db, address="10.0.0.2")
    assert who(db, sign_in(db, address="10.0.0.1")) == amina


def test_fifty_failures_from_many_addresses_close_the_door_to_a_login(db: Database, amina: str) -> None:
    for place in range(10):
        fail(db, 5, address=f"10.0.1.{place}")
    with pytest.raises(TooManyAttemptsError):
        sign_in(db, address="10.0.0.1")


def test_twenty_failures_close_the_door_to_an_address_whatever_the_login(db: Database, amina: str) -> None:
    for i in range(20):
        fail(db, 1, login=f"guess{i}")
    with pytest.raises(TooManyAttemptsError):
        sign_in(db)
    assert who(db, sign_in(db, address="10.0.0.9")) == amina


def test_guesses_at_once_are_counted_like_guesses_in_a_row(db: Database, amina: str) -> None:
    def guess(_: int) -> str:
        try:
            sign_in(db, "wrong wrong wrong")
        except TooManyAttemptsError:
            return "closed"
        except DeskError:
            return "wrong"
        return "in"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(12)))
    assert (answers.count("wrong"), answers.count("closed")) == (5, 7)


def test_success_forgets_the_failures_of_that_login_and_no_others(db: Database, admin: str, amina: str) -> None:
    fail(db, 4)
    sign_in(db)
    fail(db, 5, login="root-user")
    sign_in(db)  # an account of one's own must not open the door to guessing another's
    with pytest.raises(TooManyAttemptsError):
        sign_in(db, login="root-user")


def test_an_unknown_login_gets_the_answer_and_the_work_of_a_wrong_password(
    db: Database, amina: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []

    class Watched(PasswordHasher):
        def verify(self, *arguments: object) -> bool:
            verified.append(1)
            return super().verify(*arguments)

    monkeypatch.setattr(accounts, "HASHER", Watched(time_cost=1, memory_cost=8, parallelism=1))
    fail(db, 1, login="nobody")
    fail(db, 1, login="amina")
    assert len(verified) == 2


def test_what_is_typed_at_the_door_is_not_kept(db: Database, amina: str) -> None:
    fail(db, 1, login="my password by mistake")
    with db.read() as session:
        assert "mistake" not in str(session.execute(text("SELECT * FROM attempts")).all())


@pytest.mark.parametrize("hostile", ["' OR 1=1 --", "\x00", "\ud800", "a" * 10**6, "<script>"])
def test_hostile_sign_ins_are_simply_wrong(db: Database, amina: str, hostile: str) -> None:
    fail(db, 1, login=hostile)
    with pytest.raises(DeskError, match="not right"):
        sign_in(db, hostile)


def test_a_password_is_the_same_from_every_keyboard(db: Database, admin: str) -> None:
    secret = accounts.invite(db, role=Role.BOARD, by=admin)
    accounts.accept_invitation(db, secret, login="chloe", pseudonym="Chloé", password="mot de passe cafe\u0301")
    assert sign_in(db, "mot de passe café", login="chloe")


def test_a_hash_of_weaker_parameters_is_renewed_at_sign_in(
    db: Database, amina: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> str:
        with db.read() as session:
            return session.get(Person, amina).password_hash

    assert "t=1" in kept()
    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    sign_in(db)
    assert "m=16,t=2" in kept()
    assert who(db, sign_in(db)) == amina


def test_a_form_is_made_for_one_sign_in() -> None:
    token = accounts.csrf_token("secret")
    assert token == hmac.new(b"secret", b"plural-audit form", hashlib.sha256).hexdigest()
    assert accounts.csrf_fits("secret", token)
    for secret, sent in [("other", token), ("secret", ""), ("", accounts.csrf_token("")), ("secret", "\ud800é")]:
        assert not accounts.csrf_fits(secret, sent)


# --- OIDC ------------------------------------------------------------------------------------


def oidc(db: Database, subject: str = "s-1", name: str = "Amina Wanjiru", **more: str) -> str:
    return accounts.oidc_person(db, issuer="https://id.example", subject=subject, name=name, **more)


def test_a_new_subject_gets_an_account_without_roles_under_a_made_up_pseudonym(db: Database, admin: str) -> None:
    actor = accounts.person_of(db, oidc(db))
    assert actor.grants == frozenset()
    assert actor.pseudonym.startswith("reader-")
    account = accounts.profile(db, by=actor.id)
    assert (account.login, account.has_password) == ("amina-wanjiru", False)
    assert who(db, oidc(db, name="Amina Married")) == actor.id  # the subject is who it is, not the name
    second = accounts.profile(db, by=who(db, oidc(db, "s-2")))
    assert second.login == "amina-wanjiru-2"


def test_roles_come_from_our_rows_and_an_invitation_can_be_brought_along(db: Database, admin: str) -> None:
    signed_in = oidc(db, invitation=accounts.invite(db, role=Role.AUDITOR, by=admin))
    assert accounts.person_of(db, signed_in).grants == {(Role.AUDITOR, "")}
    assert accounts.person_of(db, oidc(db)).grants == {(Role.AUDITOR, "")}


def test_a_disabled_subject_stays_outside(db: Database, admin: str) -> None:
    person = who(db, oidc(db))
    accounts.disable(db, person, by=admin)
    with pytest.raises(NotAllowedError, match="this account may not sign in"):
        oidc(db)


def test_a_subject_has_no_password_to_guess_or_to_reset(db: Database, admin: str) -> None:
    person = who(db, oidc(db))
    fail(db, 1, login="amina-wanjiru")
    with pytest.raises(DeskError, match="another provider signs them in"):
        accounts.reset_password(db, person, by=admin)
    with pytest.raises(DeskError, match="this account has no password"):
        accounts.change_password(db, old="", new=GOOD, by=person)


def test_a_provider_that_names_nobody_is_refused_and_odd_names_are_not(db: Database) -> None:
    with pytest.raises(DeskError, match="the provider named no person"):
        oidc(db, subject="")
    assert accounts.profile(db, by=who(db, oidc(db, name="\x00\u202e"))).login == "somebody"


# --- one's own account -----------------------------------------------------------------------


def test_a_profile_is_changed_and_the_log_names_fields_only(db: Database, amina: str) -> None:
    before = accounts.profile(db, by=amina)
    after = accounts.edit_profile(
        db,
        version=before.version,
        by=amina,
        region=" Kibera ",
        reads=["sw", "en", "sw"],
        daily_limit=10,
        shortcuts=True,
    )
    assert (after.region, after.reads, after.daily_limit, after.shortcuts) == ("Kibera", ("sw", "en"), 10, True)
    assert after.version == before.version + 1
    assert accounts.profile(db, by=amina) == after
    with db.read() as session:
        last = session.scalars(select(Event).order_by(Event.number.desc()).limit(1)).one()
        assert (last.kind, last.facts) == (
            "profile changed",
            {"fields": ["daily_limit", "reads", "region", "shortcuts"]},
        )


def test_a_change_from_an_old_tab_is_refused(db: Database, amina: str) -> None:
    version = accounts.profile(db, by=amina).version
    accounts.edit_profile(db, version=version, by=amina, region="Kibera")
    with pytest.raises(ConflictError, match="changed in another tab; nothing was written"):
        accounts.edit_profile(db, version=version, by=amina, region="Kisumu")
    assert accounts.profile(db, by=amina).region == "Kibera"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("daily_limit", 101, "cards a day: 101 does not fit; write 1 to 100"),
        ("daily_limit", 0, "cards a day: 0 does not fit"),
        ("ui_language", "en'><script>", "not the code of a language"),
        ("reads", ["sw", "Swahili"], "'Swahili': not the code of a language"),
        ("pseudonym", "ROOT", "pseudonym: 'ROOT' is taken"),
        ("region", "x" * 201, "region: 201 characters, 200 fit; shorten it"),
    ],
)
def test_a_field_that_does_not_fit_changes_nothing(
    db: Database, amina: str, field: str, value: object, message: str
) -> None:
    before = accounts.profile(db, by=amina)
    with pytest.raises(DeskError, match=message):
        accounts.edit_profile(db, version=before.version, by=amina, **{field: value})
    assert accounts.profile(db, by=amina) == before


def test_a_new_password_ends_every_sign_in(db: Database, amina: str) -> None:
    elsewhere = sign_in(db)
    here = accounts.change_password(db, old=GOOD, new=OTHER, by=amina)
    assert accounts.person_of(db, elsewhere) is None
    assert who(db, here) == amina
    fail(db, 1)
    sign_in(db, OTHER)
    with pytest.raises(DeskError):
        sign_in(db, GOOD)


def test_the_old_password_cannot_be_guessed_from_a_stolen_sign_in(db: Database, amina: str) -> None:
    for _ in range(5):
        with pytest.raises(DeskError, match="the old password is not right"):
            accounts.change_password(db, old="guess guess guess", new=OTHER, by=amina)
    with pytest.raises(TooManyAttemptsError):
        accounts.change_password(db, old=GOOD, new=OTHER, by=amina)


# --- people ----------------------------------------------------------------------------------


def test_roles_are_given_and_taken_and_count_at_once(db: Database, admin: str, amina: str) -> None:
    secret = sign_in(db)
    accounts.grant(db, amina, role=Role.BOARD, by=admin)
    assert (Role.BOARD, "") in accounts.person_of(db, secret).grants
    accounts.revoke(db, amina, role=Role.BOARD, by=admin)
    assert accounts.person_of(db, secret).grants == {(Role.REVIEWER, "nairobi")}
    with pytest.raises(DeskError, match="does not hold the role board"):
        accounts.revoke(db, amina, role=Role.BOARD, by=admin)


def test_the_last_admin_cannot_be_removed_in_any_way(db: Database, admin: str, amina: str) -> None:
    for remove in (
        lambda: accounts.disable(db, admin, by=admin),
        lambda: accounts.revoke(db, admin, role=Role.ADMIN, by=admin),
    ):
        with pytest.raises(DeskError, match="this is the last admin"):
            remove()
    accounts.grant(db, amina, role=Role.ADMIN, by=admin)
    accounts.disable(db, admin, by=amina)
    with pytest.raises(DeskError, match="this is the last admin"):  # the disabled one does not count
        accounts.revoke(db, amina, role=Role.ADMIN, by=amina)


def test_two_admins_who_remove_each_other_at_once_leave_one(db: Database, admin: str, amina: str) -> None:
    accounts.grant(db, amina, role=Role.ADMIN, by=admin)

    def remove(pair: tuple[str, str]) -> bool:
        try:
            accounts.revoke(db, pair[1], role=Role.ADMIN, by=pair[0])
        except DeskError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, [(admin, amina), (amina, admin)])) == [False, True]


def test_a_disabled_person_is_outside_at_once_and_can_be_let_in_again(db: Database, admin: str, amina: str) -> None:
    secret = sign_in(db)
    accounts.disable(db, amina, by=admin)
    assert accounts.person_of(db, secret) is None
    fail(db, 1)  # the right password is not even told to be right
    with pytest.raises(DeskError, match="not right"):
        sign_in(db)
    accounts.enable(db, amina, by=admin)
    assert who(db, sign_in(db)) == amina
    assert accounts.person_of(db, secret) is None  # the old one stays ended


def test_who_withdrew_is_not_brought_back(db: Database, admin: str, person: Callable[..., str]) -> None:
    person("gone", status="withdrawn")
    with pytest.raises(DeskError, match="Gone: has withdrawn, and nothing of theirs is changed any more"):
        accounts.enable(db, "gone", by=admin)


def test_a_reset_password_opens_the_door_once_told(db: Database, admin: str, amina: str) -> None:
    fail(db, 5)
    fresh = accounts.reset_password(db, amina, by=admin)
    assert len(fresh) >= 12
    assert who(db, sign_in(db, fresh)) == amina


def test_admins_see_accounts_and_stewards_their_community_without_logins(db: Database, admin: str, amina: str) -> None:
    accounts.grant(db, amina, role=Role.STEWARD, community="nairobi", by=admin)
    assert [one.login for one in accounts.people(db, by=admin)] == ["amina", "root-user"]
    assert [(one.login, one.pseudonym) for one in accounts.people(db, community="nairobi", by=amina)] == [
        ("", "Amina K")
    ]
    with pytest.raises(NotAllowedError, match="may not manage people"):
        accounts.people(db, by=amina)


@pytest.mark.parametrize(
    "act",
    [
        lambda db, me: accounts.grant(db, me, role=Role.ADMIN, by=me),
        lambda db, me: accounts.revoke(db, me, role=Role.REVIEWER, community="nairobi", by=me),
        lambda db, me: accounts.disable(db, me, by=me),
        lambda db, me: accounts.enable(db, me, by=me),
        lambda db, me: accounts.reset_password(db, me, by=me),
        lambda db, me: accounts.people(db, by=me),
        lambda db, me: accounts.invite(db, role=Role.REVIEWER, community="nairobi", by=me),
        lambda db, me: accounts.invitations(db, by=me),
        lambda db, me: accounts.create_community(db, "x", name="X", languages=["en"], by=me),
        lambda db, me: accounts.edit_community(db, "nairobi", name="X", languages=["en"], regions=[], about="", by=me),
    ],
)
def test_a_reviewer_administers_nothing(db: Database, amina: str, act: Callable[[Database, str], object]) -> None:
    before = kinds(db)
    with pytest.raises(NotAllowedError, match="Amina K may not"):
        act(db, amina)
    assert kinds(db) == before


# --- communities -----------------------------------------------------------------------------


def test_a_community_is_made_changed_and_read_by_everybody(db: Database, admin: str, amina: str) -> None:
    made = accounts.create_community(
        db,
        "mombasa",
        name=" Pwani ",
        languages=["sw"],
        regions=["Pwani", "", "Pwani"],
        about="On the\r\ncoast",
        by=admin,
    )
    assert (made.name, made.regions, made.about) == ("Pwani", ("Pwani",), "On the\ncoast")
    accounts.edit_community(db, "mombasa", name="Pwani", languages=["sw", "ar"], regions=[], about="", by=admin)
    assert [(one.id, one.languages) for one in accounts.communities(db, by=amina)] == [
        ("nairobi", ("sw", "en")),
        ("mombasa", ("sw", "ar")),
    ]
    with db.read() as session:
        last = session.scalars(select(Event).order_by(Event.number.desc()).limit(1)).one()
        assert last.facts == {"fields": ["about", "languages", "regions"]}


@pytest.mark.parametrize(
    ("community", "name", "languages", "message"),
    [
        ("nairobi", "Other", ["en"], "nairobi: there is a community with this id"),
        ("other", "Nairobi", ["en"], "Nairobi: another community has this name"),
        ("Not An Id", "Other", ["en"], "'Not An Id': not an id; write small latin letters"),
        ("other", " ", ["en"], "name of the community: is empty"),
        ("other", "Other", [], "Other: reviews in no language; name one or more"),
    ],
)
def test_a_community_that_does_not_fit_is_refused(
    db: Database, admin: str, amina: str, community: str, name: str, languages: list[str], message: str
) -> None:
    with pytest.raises(DeskError, match=message):
        accounts.create_community(db, community, name=name, languages=languages, by=admin)


def test_an_admin_ends_the_sign_ins_of_somebody_who_may_sign_in_again(db, person, community):
    person("root", Role.ADMIN)
    person("amina", (Role.REVIEWER, community("nairobi")))
    with db.write() as session:
        secrets_ = [accounts._new_sign_in(session, "amina", db.now()) for _ in range(2)]
    with pytest.raises(NotAllowedError, match="may not manage people"):
        accounts.end_sign_ins(db, "root", by="amina")
    accounts.end_sign_ins(db, "amina", by="root")
    assert [accounts.person_of(db, secret) for secret in secrets_] == [None, None]
    with db.write() as session:
        again = accounts._new_sign_in(session, "amina", db.now())
    assert accounts.person_of(db, again).id == "amina"
