"""Accounts: who may sign in, with what, and which roles they hold.

A secret is handed out once, and only its digest is kept: of a sign-in (the cookie), of an invitation, of the set-up.
Passwords are kept as argon2id hashes. Signing in and out is not in the log: a log that is kept for ever would tell when
people of a community were at work, and nobody's right to judge rests on it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from audit.errors import ConflictError, DeskError, NotAllowedError
from audit.measures.people import is_together
from audit.reviews import events, words
from audit.reviews.database import Database
from audit.reviews.roles import IN_COMMUNITY, Action, Role, permitted
from audit.reviews.roles import Actor as Actor  # what `person_of` gives
from audit.reviews.tables import Attempt, Community, Grant, Invitation, Person, SignIn

SIGNED_IN_FOR = timedelta(hours=12)  # whether or not the person does anything meanwhile
SIGNED_IN_AT_MOST = timedelta(days=7)
SET_UP_WITHIN = timedelta(hours=24)
INVITED_FOR_DAYS = 14
ATTEMPT_WINDOW = timedelta(minutes=15)
ATTEMPTS_PER_LOGIN, ATTEMPTS_PER_ADDRESS = 5, 20  # of one login from one address; of all logins from one address
ATTEMPTS_FROM_EVERYWHERE = 50  # of one login: five would let any stranger keep its owner out
PASSWORD_LEAST, PASSWORD_MOST = 12, 1000  # characters; the most, so that nobody makes the server hash a megabyte
DAILY_MOST = 100  # cards a day; see judging.py
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
COMMUNITY_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NOT_RIGHT = "the login or the password is not right; check both and try again"

HASHER = PasswordHasher()  # argon2id with the library's parameters (RFC 9106, low memory: 64 MiB)
AT_ONCE = threading.BoundedSemaphore(4)  # fifty people who sign in together must not take 3 GB


class TooManyAttemptsError(DeskError):
    """Too many sign-ins failed in a short time; the door is closed until `until`."""

    def __init__(self, *, until: datetime, now: datetime) -> None:
        self.until = until
        self.minutes = max(1, -(-int((until - now).total_seconds()) // 60))  # to wait, rounded up
        super().__init__(f"too many sign-ins failed; try again after {until:%H:%M} UTC, in {self.minutes} minutes")


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person's account, as they and the administrators see it."""

    id: str
    login: str  # "" where a steward looks
    pseudonym: str
    status: str  # active | disabled | withdrawn
    grants: tuple[tuple[Role, str], ...]  # (role, community or "")
    ui_language: str
    reads: tuple[str, ...]
    region: str
    shortcuts: bool
    daily_limit: int
    consent_at: datetime | None
    consent_version: str
    created_at: datetime
    has_password: bool  # False: another provider signs them in, or nobody may
    version: int  # hand it back with an edit


@dataclass(frozen=True, kw_only=True)
class Invited:
    """An invitation, without its secret."""

    id: str
    role: Role
    community: str  # id, or ""
    community_name: str
    made_by: str  # pseudonym, or "command line"
    made_at: datetime
    expires_at: datetime
    state: str  # open | used | revoked | expired


@dataclass(frozen=True, kw_only=True)
class CommunityRecord:
    """A community, as everybody may read it."""

    id: str
    name: str
    about: str
    languages: tuple[str, ...]
    regions: tuple[str, ...]
    created_at: datetime


# --- first start, invitations ----------------------------------------------------------------


def first_admin(db: Database) -> str | None:
    """The secret of a set-up link, if nobody administers the desk yet; None if somebody does.

    It opens `/auth/set-up` once, within a day; the secrets given out before stop working.
    """
    with db.read() as session:
        if _admins(session):
            return None
    return set_up_link(db)


def set_up_link(db: Database) -> str:
    """The secret of a set-up link, for whoever may use the command line: also for an admin who lost the password.

    It works once, within a day; the secrets given out before stop working.
    """

    def work(session: Session) -> str:
        now = db.now()
        session.execute(
            update(Invitation)
            .where(Invitation.role == Role.ADMIN, Invitation.made_by.is_(None))
            .where(Invitation.used_by.is_(None), Invitation.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return _new_invitation(session, now, role=Role.ADMIN, community="", by=None, until=now + SET_UP_WITHIN)

    return db.in_write(work)


def set_up(db: Database, secret: str, *, login: str, pseudonym: str, password: str, ui_language: str = "en") -> str:
    """Make an admin's account by a set-up link, and sign them in. An admin's own login gets the new password instead.

    Returns:
        The secret of the sign-in.

    Raises:
        DeskError: the link does not work any more, or a field does not fit.
    """
    name = as_login(login)
    new_hash = _hashed(password, login=name)

    def work(session: Session) -> str:
        now, row = db.now(), _open_invitation(session, secret, db.now())
        if row.role != Role.ADMIN or row.made_by is not None:
            raise DeskError("this is no set-up link; open the one that the command line printed")
        person = session.scalar(select(Person).where(Person.login == name))
        if person is None or person.id not in _admins(session):
            return _accept(session, row, now, name, pseudonym, new_hash, ui_language)
        person.password_hash = new_hash
        row.used_by = person.id
        _end_sign_ins(session, person.id, now)
        _log(session, now, events.COMMAND_LINE, "password set by the set-up link", person.id)
        return _new_sign_in(session, person.id, now)

    return db.in_write(work)


def invite(db: Database, *, role: Role, community: str = "", days: int = INVITED_FOR_DAYS, by: str) -> str:
    """Invite somebody to hold `role`: the secret of a link that works once, within `days` days.

    Stewards invite reviewers and stewards of their community, admins anybody.

    Raises:
        NotAllowedError: `by` may not.
        DeskError: the role and the community do not fit together, or there is no such community.
    """

    def work(session: Session) -> str:
        _require_inviter(session, by, role=role, community=community)
        until = db.now() + timedelta(days=_within(days, 1, 90, what="days"))
        return _new_invitation(session, db.now(), role=role, community=community, by=by, until=until)

    return db.in_write(work)


def invite_from_command_line(db: Database, *, role: Role, community: str = "", days: int = INVITED_FOR_DAYS) -> str:
    """As `invite`, for whoever may use the command line on the desk's machine. No page calls this.

    Raises:
        DeskError: as `invite`.
    """

    def work(session: Session) -> str:
        until = db.now() + timedelta(days=_within(days, 1, 90, what="days"))
        return _new_invitation(session, db.now(), role=role, community=community, by=None, until=until)

    return db.in_write(work)


def invitation(db: Database, secret: str) -> Invited:
    """What an invitation's link offers, to be shown before it is accepted.

    Raises:
        DeskError: it does not work any more.
    """
    with db.read() as session:
        return _invited(session, _open_invitation(session, secret, db.now()), db.now())


def accept_invitation(
    db: Database, secret: str, *, login: str, pseudonym: str, password: str, ui_language: str = "en"
) -> str:
    """Make an account by an invitation, with the role it offers, and sign the person in.

    Returns:
        The secret of the sign-in.

    Raises:
        DeskError: the link does not work any more, the login or the pseudonym is taken, or a field does not fit.
    """
    name = as_login(login)
    new_hash = _hashed(password, login=name)

    def work(session: Session) -> str:
        row = _open_invitation(session, secret, db.now())
        return _accept(session, row, db.now(), name, pseudonym, new_hash, ui_language)

    return db.in_write(work)


def join(db: Database, secret: str, *, by: str) -> None:
    """Take the role that an invitation offers, for somebody who has an account already.

    Raises:
        DeskError: the link does not work any more, or the account may not sign in.
    """

    def work(session: Session) -> None:
        row = _open_invitation(session, secret, db.now())
        _use(session, row, _active(session, by).id, db.now())

    db.in_write(work)


def invitations(db: Database, *, by: str) -> tuple[Invited, ...]:
    """Invitations, newest first: all of them for admins, those to their communities for stewards.

    Raises:
        NotAllowedError: `by` may not invite.
    """
    with db.read() as session:
        actor = permitted(session, by, Action.INVITE)
        rows = session.scalars(select(Invitation).order_by(Invitation.made_at.desc(), Invitation.id)).all()
        mine = actor.communities(Role.STEWARD)
        return tuple(_invited(session, row, db.now()) for row in rows if _is_admin(actor) or row.community in mine)


def revoke_invitation(db: Database, invitation: str, *, by: str) -> None:
    """End an invitation that nobody has used.

    Raises:
        NotAllowedError: `by` may not invite there.
        DeskError: there is none, or it was used.
    """

    def work(session: Session) -> None:
        row = session.get(Invitation, invitation)
        if row is None:
            raise DeskError(f"{invitation}: no such invitation; reload the list")
        _require_inviter(session, by, role=Role(row.role), community=row.community)
        if row.used_by is not None:
            raise DeskError("this invitation was used already; take the role from the person instead")
        row.revoked_at = row.revoked_at or db.now()
        _log(session, db.now(), by, "invitation revoked", row.id)

    db.in_write(work)


# --- signing in and out ----------------------------------------------------------------------


def sign_in(db: Database, *, login: str, password: str, address: str, lasting: timedelta = SIGNED_IN_FOR) -> str:
    """The secret of a new sign-in, for the cookie.

    An unknown login takes as long as a wrong password, and gets the same answer.

    Args:
        db: the desk.
        login: as typed.
        password: as typed.
        address: of the browser; failures are counted for it too.
        lasting: how long it holds, whatever the person does; a week at most.

    Raises:
        TooManyAttemptsError: in fifteen minutes, five failures of this login or twenty of any from this address, or
            fifty of this login from everywhere.
        DeskError: not right, or the account may not sign in.
    """
    name = _folded(login)
    attempt = db.in_write(lambda session: _begin_attempt(session, name, address, db.now()))
    with db.read() as session:
        found = session.execute(
            select(Person.id, Person.password_hash, Person.status).where(Person.login == _possible(name))
        ).first()
    fits = _fits(found.password_hash if found else None, password)
    if found is None or not fits or found.status != "active":
        raise DeskError(NOT_RIGHT)
    fresh = _hash(password) if HASHER.check_needs_rehash(found.password_hash) else None

    def work(session: Session) -> str:
        person = _active(session, found.id)
        if person.password_hash != found.password_hash:
            raise DeskError(NOT_RIGHT)  # it was changed meanwhile
        if fresh is not None:
            person.password_hash = fresh
        # what failed from here for other logins stays: one good account must not open the door to guessing others
        session.execute(delete(Attempt).where(or_(Attempt.id == attempt, Attempt.login_sha256 == _sha256(name))))
        return _new_sign_in(session, person.id, db.now(), lasting=lasting)

    return db.in_write(work)


def person_of(db: Database, secret: str) -> Actor | None:
    """Who is signed in with this secret, with the roles they hold now; None if nobody is, or not any more."""
    with db.read() as session:
        row = session.get(SignIn, _sha256(secret))
        if row is None or row.revoked_at is not None or row.expires_at <= db.now():
            return None
        person = session.get(Person, row.person_id)
        if person is None or person.status != "active":
            return None
        return Actor(id=person.id, pseudonym=person.pseudonym, grants=frozenset(_grants(session, person.id)))


def sign_out(db: Database, secret: str) -> None:
    """End one sign-in; nothing happens if it has ended already."""
    with db.write() as session:
        row = session.get(SignIn, _sha256(secret))
        if row is not None and row.revoked_at is None:
            row.revoked_at = db.now()


def sign_out_everywhere(db: Database, *, by: str) -> None:
    """End every sign-in of a person."""
    with db.write() as session:
        _end_sign_ins(session, by, db.now())


def csrf_token(secret: str) -> str:
    """What a form of this sign-in carries, so that another site cannot send it."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), b"plural-audit form", hashlib.sha256).hexdigest()


def csrf_fits(secret: str, token: str) -> bool:
    """Whether a form was made for this sign-in."""
    return bool(secret) and hmac.compare_digest(csrf_token(secret).encode(), token.encode("utf-8", "surrogatepass"))


def oidc_person(db: Database, *, issuer: str, subject: str, name: str, invitation: str | None = None) -> str:
    """The secret of a sign-in for somebody whom another provider vouches for.

    A subject that is new here gets an account without roles, which waits for an admin, or the role of an invitation.
    Others see a made-up pseudonym: the provider's name is for admins, as the login.

    Args:
        db: the desk.
        issuer: of the provider, as it names itself.
        subject: the provider's id of the person: the only thing that is trusted to stay.
        name: as the provider gives it.
        invitation: secret of one that the person came with.

    Raises:
        NotAllowedError: the account was disabled or withdrawn.
        DeskError: the invitation does not work any more.
    """
    if not issuer or not subject:
        raise DeskError("the provider named no person; check its configuration (issuer and subject)")
    known_as = f"{issuer} {subject}"

    def work(session: Session) -> str:
        now = db.now()
        person = session.scalar(select(Person).where(Person.oidc_subject == known_as))
        if person is None:
            login = _free_login(
                session, words.line("".join(filter(str.isprintable, name))[:50], what="name") or "somebody"
            )
            pseudonym = f"reader-{secrets.token_hex(4)}"
            person = _new_person(session, now, login=login, pseudonym=pseudonym, oidc_subject=known_as)
        _active(session, person.id)
        if invitation is not None:
            _use(session, _open_invitation(session, invitation, now), person.id, now)
        return _new_sign_in(session, person.id, now)

    return db.in_write(work)


# --- one's own account -----------------------------------------------------------------------


def profile(db: Database, *, by: str) -> Account:
    """A person's own account.

    Raises:
        NotAllowedError: it may not sign in any more.
    """
    with db.read() as session:
        return _account(session, _active(session, by))


def edit_profile(
    db: Database,
    *,
    version: int,
    by: str,
    pseudonym: str | None = None,
    ui_language: str | None = None,
    reads: Sequence[str] | None = None,
    region: str | None = None,
    shortcuts: bool | None = None,
    daily_limit: int | None = None,
) -> Account:
    """Change one's own account; what is None stays. Consent is given and withdrawn in consent.py.

    Args:
        db: the desk.
        version: of the account that the page showed.
        by: whose it is.
        pseudonym: what others see; nobody else's, in capitals or not.
        ui_language: of the interface.
        reads: languages they can judge.
        region: where they live, in their words.
        shortcuts: keys for the review queue.
        daily_limit: cards a day, at most 100.

    Raises:
        ConflictError: it was changed in another tab; nothing was written.
        DeskError: a field does not fit.
    """

    def work(session: Session) -> Account:
        person = _active(session, by)
        if person.version != version:
            raise ConflictError("your account was changed in another tab; nothing was written: reload it and try again")
        changes: dict[str, Any] = {}
        if pseudonym is not None and pseudonym != person.pseudonym:
            changes["pseudonym"] = _free_pseudonym(session, pseudonym, person=by)
        if ui_language is not None:
            changes["ui_language"] = as_language(ui_language)
        if reads is not None:
            changes["reads"] = list(as_languages(reads))
        if region is not None:
            changes["region"] = words.line(region, what="region")
        if shortcuts is not None:
            changes["shortcuts"] = shortcuts
        if daily_limit is not None:
            changes["daily_limit"] = _within(daily_limit, 1, DAILY_MOST, what="cards a day")
        changed = sorted(field for field, value in changes.items() if getattr(person, field) != value)
        for field in changed:
            setattr(person, field, changes[field])
        if changed:
            _log(session, db.now(), by, "profile changed", by, fields=changed)
        session.flush()  # counts the version up
        return _account(session, person)

    return db.in_write(work)


def change_password(db: Database, *, old: str, new: str, by: str) -> str:
    """A new password. Every sign-in of the person ends; the secret of a new one is returned.

    Raises:
        TooManyAttemptsError: the old one was wrong too often.
        DeskError: the old one is not right, or the new one does not fit.
    """
    with db.read() as session:
        person = _active(session, by)
        login, old_hash = person.login, person.password_hash
    if old_hash is None:
        raise DeskError("this account has no password: another provider signs it in; change it there")
    attempt = db.in_write(lambda session: _begin_attempt(session, login, "", db.now()))
    if not _fits(old_hash, old):
        raise DeskError("the old password is not right; check it and try again")
    new_hash = _hashed(new, login=login)

    def work(session: Session) -> str:
        person = _active(session, by)
        if person.password_hash != old_hash:
            raise ConflictError("the password was changed elsewhere meanwhile; nothing was written: sign in again")
        person.password_hash = new_hash
        session.execute(delete(Attempt).where(Attempt.id == attempt))
        _end_sign_ins(session, by, db.now())
        _log(session, db.now(), by, "password changed", by)
        return _new_sign_in(session, by, db.now())

    return db.in_write(work)


# --- people, for admins ----------------------------------------------------------------------


def people(db: Database, *, community: str = "", by: str) -> tuple[Account, ...]:
    """Accounts by pseudonym: all of them for admins; those with a role in their community for stewards, without logins.

    Raises:
        NotAllowedError: `by` manages neither people nor that community.
    """
    with db.read() as session:
        actor = permitted(session, by, Action.INVITE if community else Action.MANAGE_PEOPLE, community=community)
        rows = select(Person).order_by(Person.pseudonym)
        if community:
            rows = rows.where(Person.id.in_(select(Grant.person_id).where(Grant.community == community)))
        see_logins = _is_admin(actor)
        return tuple(_account(session, row, see_login=see_logins) for row in session.scalars(rows))


def grant(db: Database, person: str, *, role: Role, community: str = "", by: str) -> None:
    """Give a person a role; nothing happens if they hold it.

    Raises:
        NotAllowedError: `by` manages no people.
        DeskError: no such person or community, or they do not fit together.
    """

    def work(session: Session) -> None:
        permitted(session, by, Action.MANAGE_PEOPLE)
        _give(session, _known(session, person).id, role=role, community=community, now=db.now(), by=by)

    db.in_write(work)


def revoke(db: Database, person: str, *, role: Role, community: str = "", by: str) -> None:
    """Take a role from a person; what they did in it stays. The last admin stays one.

    Raises:
        NotAllowedError: `by` manages no people.
        DeskError: they do not hold it, or nobody would administer the desk.
    """

    def work(session: Session) -> None:
        permitted(session, by, Action.MANAGE_PEOPLE)
        row = session.get(Grant, (person, role, community))
        if row is None:
            raise DeskError(f"{person}: does not hold the role {role}; reload the list")
        if role == Role.ADMIN:
            _require_another_admin(session, person)
        session.delete(row)
        _log(session, db.now(), by, "role taken", person, role=role, community=community)

    db.in_write(work)


def disable(db: Database, person: str, *, by: str) -> None:
    """Let a person sign in no more, from this moment; what they wrote stays. The last admin stays.

    Raises:
        NotAllowedError: `by` manages no people.
        DeskError: no such person, or nobody would administer the desk.
    """

    def work(session: Session) -> None:
        permitted(session, by, Action.MANAGE_PEOPLE)
        row = _known(session, person)
        _require_another_admin(session, person)
        if row.status == "active":
            row.status = "disabled"
            _end_sign_ins(session, person, db.now())
            _log(session, db.now(), by, "account disabled", person)

    db.in_write(work)


def enable(db: Database, person: str, *, by: str) -> None:
    """Let a person who was disabled sign in again.

    Raises:
        NotAllowedError: `by` manages no people.
        DeskError: no such person, or they withdrew.
    """

    def work(session: Session) -> None:
        permitted(session, by, Action.MANAGE_PEOPLE)
        row = _known(session, person)
        if row.status == "disabled":
            row.status = "active"
            _log(session, db.now(), by, "account enabled", person)

    db.in_write(work)


def end_sign_ins(db: Database, person: str, *, by: str) -> None:
    """Sign a person out of every browser; they may sign in again.

    Raises:
        NotAllowedError: `by` manages no people.
        DeskError: no such person, or they withdrew.
    """

    def work(session: Session) -> None:
        permitted(session, by, Action.MANAGE_PEOPLE)
        _end_sign_ins(session, _known(session, person).id, db.now())
        _log(session, db.now(), by, "signed out everywhere", person)

    db.in_write(work)


def reset_password(db: Database, person: str, *, by: str) -> str:
    """A new password for somebody who lost theirs: told once, to be handed to them, who then choose their own.

    Raises:
        NotAllowedError: `by` manages no people.
        DeskError: no such person, or another provider signs them in.
    """
    fresh = secrets.token_urlsafe(12)
    new_hash = _hash(fresh)

    def work(session: Session) -> None:
        permitted(session, by, Action.MANAGE_PEOPLE)
        row = _known(session, person)
        if row.oidc_subject is not None:
            raise DeskError(f"{row.pseudonym}: another provider signs them in; the password is changed there")
        row.password_hash = new_hash
        _end_sign_ins(session, person, db.now())
        session.execute(delete(Attempt).where(Attempt.login_sha256 == _sha256(row.login)))
        _log(session, db.now(), by, "password reset", person)

    db.in_write(work)
    return fresh


# --- communities -----------------------------------------------------------------------------


def communities(db: Database, *, by: str) -> tuple[CommunityRecord, ...]:
    """Every community, by name.

    Raises:
        NotAllowedError: the account of `by` may not sign in.
    """
    with db.read() as session:
        _active(session, by)
        return tuple(map(_community, session.scalars(select(Community).order_by(Community.name))))


def create_community(
    db: Database,
    community: str,
    *,
    name: str,
    languages: Sequence[str],
    regions: Sequence[str] = (),
    about: str = "",
    by: str,
) -> CommunityRecord:
    """Make a community.

    Args:
        db: the desk.
        community: its id: small latin letters, digits and hyphens; it stands in tables and never changes.
        name: as its people write it.
        languages: in which it reviews.
        regions: where its people live, in their words.
        about: who they are.
        by: who makes it.

    Raises:
        NotAllowedError: `by` manages no communities.
        DeskError: the id or the name is taken, or a field does not fit.
    """
    if not COMMUNITY_ID.fullmatch(community) or len(community) > 60:
        raise DeskError(f"{community!r}: not an id; write small latin letters, digits and hyphens, as nairobi-youth")
    if is_together(community):
        raise DeskError(f"{community!r}: stands for small communities put together; choose another id")
    columns = _community_columns(name=name, languages=languages, regions=regions, about=about)

    def work(session: Session) -> CommunityRecord:
        permitted(session, by, Action.MANAGE_COMMUNITIES)
        if session.get(Community, community) is not None:
            raise DeskError(f"{community}: there is a community with this id; choose another")
        _require_free_name(session, columns["name"], community=community)
        row = Community(id=community, created_at=db.now(), **columns)
        session.add(row)
        _log(session, db.now(), by, "community made", community)
        return _community(row)

    return db.in_write(work)


def edit_community(
    db: Database,
    community: str,
    *,
    name: str,
    languages: Sequence[str],
    regions: Sequence[str],
    about: str,
    by: str,
) -> CommunityRecord:
    """Write a community's fields anew; its id stays.

    Raises:
        NotAllowedError: `by` manages no communities.
        DeskError: no such community, the name is taken, or a field does not fit.
    """
    columns = _community_columns(name=name, languages=languages, regions=regions, about=about)

    def work(session: Session) -> CommunityRecord:
        permitted(session, by, Action.MANAGE_COMMUNITIES)
        row = _known_community(session, community)
        _require_free_name(session, columns["name"], community=community)
        changed = sorted(field for field, value in columns.items() if getattr(row, field) != value)
        for field in changed:
            setattr(row, field, columns[field])
        if changed:
            _log(session, db.now(), by, "community changed", community, fields=changed)
        return _community(row)

    return db.in_write(work)


# --- what people may choose ------------------------------------------------------------------


def as_login(text: str) -> str:
    """A login as it is kept: case-folded, without spaces.

    Raises:
        DeskError: shorter than 3 or longer than 64 characters, or with a space inside.
    """
    login = _folded(words.line(text, what="login"))
    if not 3 <= len(login) <= 64 or re.search(r"\s", login):
        raise DeskError("login: write 3 to 64 characters without spaces")
    return login


def as_language(code: str) -> str:
    """A language's code, as `sw` or `zh-Hant`.

    Raises:
        DeskError: it has not the form of one.
    """
    if not LANGUAGE.fullmatch(code):
        raise DeskError(f"{code[:20]!r}: not the code of a language; write it as sw, zh-Hant or pt-BR")
    return code


def as_languages(codes: Sequence[str]) -> tuple[str, ...]:
    """Codes without repetition, in the order given.

    Raises:
        DeskError: more than fifty, or one has not the form of a code.
    """
    if len(codes) > 50:
        raise DeskError(f"languages: {len(codes)} were named, 50 fit; name fewer")
    return tuple(dict.fromkeys(map(as_language, codes)))


def require_password(password: str, *, login: str) -> None:
    """Long enough and not the login. No rule asks for signs or capitals: they make passwords that people write down.

    Raises:
        DeskError: it does not fit.
    """
    if len(password) < PASSWORD_LEAST:
        raise DeskError(
            f"password: {len(password)} characters; write {PASSWORD_LEAST} or more, a few words for example"
        )
    if len(password) > PASSWORD_MOST:
        raise DeskError(f"password: {len(password)} characters; write {PASSWORD_MOST} at most")
    if _folded(password) == login:
        raise DeskError("password: is the login; choose another")


# --- parts: invitations ----------------------------------------------------------------------


def _new_invitation(
    session: Session, now: datetime, *, role: Role, community: str, by: str | None, until: datetime
) -> str:
    _require_place(session, role=role, community=community)
    secret = secrets.token_urlsafe(32)
    row = Invitation(
        secret_sha256=_sha256(secret), role=role, community=community, made_by=by, made_at=now, expires_at=until
    )
    session.add(row)
    session.flush()
    _log(session, now, by or events.COMMAND_LINE, "invitation made", row.id, role=role, community=community)
    return secret


def _open_invitation(session: Session, secret: str, now: datetime) -> Invitation:
    row = session.scalar(select(Invitation).where(Invitation.secret_sha256 == _sha256(secret)))
    state = "unknown" if row is None else _state(row, now)
    if row is None or state != "open":
        reason = {"used": "was used already", "revoked": "was revoked", "expired": "has expired"}.get(
            state, "is unknown"
        )
        raise DeskError(f"this link {reason}; ask whoever sent it for a new one")
    if row.made_by is not None:  # an inviter who lost the right to invite invites nobody any more
        try:
            _require_inviter(session, row.made_by, role=Role(row.role), community=row.community)
        except NotAllowedError:
            raise DeskError("whoever sent this link may not invite any more; ask for a new one") from None
    return row


def _state(row: Invitation, now: datetime) -> str:
    if row.used_by is not None:
        return "used"
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at <= now else "open"


def _accept(
    session: Session,
    row: Invitation,
    now: datetime,
    login: str,
    pseudonym: str,
    password_hash: str,
    ui_language: str,
) -> str:
    if session.scalar(select(Person.id).where(Person.login == login)) is not None:
        raise DeskError(f"login: {login!r} is taken; choose another")
    free = _free_pseudonym(session, pseudonym, person="")
    person = _new_person(
        session, now, login=login, pseudonym=free, password_hash=password_hash, ui_language=as_language(ui_language)
    )
    _use(session, row, person.id, now)
    return _new_sign_in(session, person.id, now)


def _use(session: Session, row: Invitation, person: str, now: datetime) -> None:
    row.used_by = person
    actor = row.made_by or events.COMMAND_LINE
    _give(session, person, role=Role(row.role), community=row.community, now=now, by=actor, invitation=row.id)


def _invited(session: Session, row: Invitation, now: datetime) -> Invited:
    maker = session.get(Person, row.made_by) if row.made_by else None
    place = session.get(Community, row.community) if row.community else None
    return Invited(
        id=row.id,
        role=Role(row.role),
        community=row.community,
        community_name=place.name if place else "",
        made_by=maker.pseudonym if maker else events.COMMAND_LINE,
        made_at=row.made_at,
        expires_at=row.expires_at,
        state=_state(row, now),
    )


def _require_inviter(session: Session, by: str, *, role: Role, community: str) -> None:
    actor = permitted(session, by, Action.INVITE, community=community)
    if not _is_admin(actor) and (role not in IN_COMMUNITY or community not in actor.communities(Role.STEWARD)):
        raise NotAllowedError(
            f"{actor.pseudonym} invites reviewers and stewards of their own community only; ask an admin"
        )


# --- parts: people ---------------------------------------------------------------------------


def _new_person(session: Session, now: datetime, **columns: Any) -> Person:
    person = Person(status="active", reads=[], created_at=now, **columns)
    session.add(person)
    session.flush()
    _log(session, now, person.id, "account made", person.id)
    return person


def _known(session: Session, person: str) -> Person:
    row = session.get(Person, person)
    if row is None:
        raise DeskError(f"{person}: no such person; reload the list")
    if row.status == "withdrawn":
        raise DeskError(f"{row.pseudonym}: has withdrawn, and nothing of theirs is changed any more")
    return row


def _active(session: Session, person: str) -> Person:
    row = session.get(Person, person)
    if row is None or row.status != "active":
        raise NotAllowedError("this account may not sign in; ask whoever runs the desk")
    return row


def _account(session: Session, row: Person, *, see_login: bool = True) -> Account:
    return Account(
        id=row.id,
        login=row.login if see_login else "",
        pseudonym=row.pseudonym,
        status=row.status,
        grants=_grants(session, row.id),
        ui_language=row.ui_language,
        reads=tuple(row.reads),
        region=row.region,
        shortcuts=row.shortcuts,
        daily_limit=row.daily_limit,
        consent_at=row.consent_at,
        consent_version=row.consent_version,
        created_at=row.created_at,
        has_password=row.password_hash is not None,
        version=row.version,
    )


def _grants(session: Session, person: str) -> tuple[tuple[Role, str], ...]:
    held = select(Grant.role, Grant.community).where(Grant.person_id == person).order_by(Grant.community, Grant.role)
    return tuple((Role(role), community) for role, community in session.execute(held))


def _give(
    session: Session, person: str, *, role: Role, community: str, now: datetime, by: str, **facts: object
) -> None:
    _require_place(session, role=role, community=community)
    if session.get(Grant, (person, role, community)) is None:
        session.add(Grant(person_id=person, role=role, community=community, granted_at=now))
    _log(session, now, by, "role given", person, role=role, community=community, **facts)


def _require_place(session: Session, *, role: Role, community: str) -> None:
    if role not in IN_COMMUNITY:
        if community:
            raise DeskError(f"{role}: is so everywhere; name no community")
        return
    if not community:
        raise DeskError(f"{role}: is so in a community; name it")
    _known_community(session, community)


def _admins(session: Session) -> set[str]:
    """Ids of the people who can administer the desk now."""
    held = select(Grant.person_id).join(Person, Person.id == Grant.person_id)
    return set(session.scalars(held.where(Grant.role == Role.ADMIN, Person.status == "active")))


def _require_another_admin(session: Session, person: str) -> None:
    if _admins(session) == {person}:
        raise DeskError("this is the last admin: nobody would administer the desk; make another one first")


def _is_admin(actor: Actor) -> bool:
    return any(role == Role.ADMIN for role, _ in actor.grants)


def _free_pseudonym(session: Session, typed: str, *, person: str) -> str:
    pseudonym = words.line(typed, what="pseudonym", limit=40)
    if len(pseudonym) < 2:
        raise DeskError("pseudonym: write 2 to 40 characters; it need not be your name")
    others = session.scalars(select(Person.pseudonym).where(Person.id != person))
    taken = {*map(_looks, others), events.SYSTEM, events.COMMAND_LINE}  # the log names these beside people
    if _looks(pseudonym) in taken:
        raise DeskError(f"pseudonym: {pseudonym!r} is taken; choose another")
    return pseudonym


def _free_login(session: Session, name: str) -> str:
    base = "-".join(_folded(name).split())[:50]
    taken = set(session.scalars(select(Person.login)))
    numbered = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(login for login in numbered if login not in taken)


# --- parts: secrets and passwords ------------------------------------------------------------


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _looks(pseudonym: str) -> str:
    """What two names that look alike share: neither capitals nor what shows nothing makes "AMINA" another Amina."""
    seen = "".join(character for character in pseudonym if unicodedata.category(character) != "Cf")
    return " ".join(_folded(seen).split())


def _possible(login: str) -> str:
    """The login; "", which nobody has, where no account can have it and a database might choke on it."""
    try:
        return as_login(login)
    except DeskError:
        return ""


def _as_typed(password: str) -> bytes:
    """Its composed form, so that a password is the same from every keyboard (RFC 8265)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _hash(password: str) -> str:
    with AT_ONCE:
        return HASHER.hash(_as_typed(password))


def _hashed(password: str, *, login: str) -> str:
    require_password(password, login=login)
    return _hash(password)


def _fits(password_hash: str | None, password: str) -> bool:
    """Whether it is the password. Where there is none, the same work is done, so that the time tells nothing."""
    with AT_ONCE:
        try:
            HASHER.verify(password_hash or _nobodys_hash(), _as_typed(password[: PASSWORD_MOST + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


@cache
def _nobodys_hash() -> str:
    return HASHER.hash(secrets.token_bytes(16))


def _new_sign_in(session: Session, person: str, now: datetime, *, lasting: timedelta = SIGNED_IN_FOR) -> str:
    secret = secrets.token_urlsafe(32)
    session.execute(delete(SignIn).where(SignIn.expires_at < now - SIGNED_IN_AT_MOST))
    session.add(
        SignIn(
            secret_sha256=_sha256(secret),
            person_id=person,
            made_at=now,
            expires_at=now + min(lasting, SIGNED_IN_AT_MOST),
        )
    )
    return secret


def _end_sign_ins(session: Session, person: str, now: datetime) -> None:
    session.execute(
        update(SignIn).where(SignIn.person_id == person, SignIn.revoked_at.is_(None)).values(revoked_at=now)
    )


def _begin_attempt(session: Session, login: str, address: str, now: datetime) -> int:
    """Count a sign-in as failed until it succeeds: many at once are then counted like many in a row."""
    session.execute(delete(Attempt).where(Attempt.at <= now - ATTEMPT_WINDOW))
    of_login, from_here = Attempt.login_sha256 == _sha256(login), Attempt.address == address
    limits = [(and_(of_login, from_here), ATTEMPTS_PER_LOGIN), (of_login, ATTEMPTS_FROM_EVERYWHERE)]
    if address:
        limits.append((from_here, ATTEMPTS_PER_ADDRESS))
    for which, most in limits:
        # the door opens when fewer than `most` are left in the window: when the most-th newest leaves it
        oldest = session.scalar(select(Attempt.at).where(which).order_by(Attempt.at.desc()).offset(most - 1).limit(1))
        if oldest is not None:
            raise TooManyAttemptsError(until=oldest + ATTEMPT_WINDOW, now=now)
    row = Attempt(login_sha256=_sha256(login), address=address, at=now)
    session.add(row)
    session.flush()
    return row.id


# --- parts: communities, the log -------------------------------------------------------------


def _known_community(session: Session, community: str) -> Community:
    row = session.get(Community, community)
    if row is None:
        raise DeskError(f"{community}: no such community; make it first")
    return row


def _community(row: Community) -> CommunityRecord:
    return CommunityRecord(
        id=row.id,
        name=row.name,
        about=row.about,
        languages=tuple(row.languages),
        regions=tuple(row.regions),
        created_at=row.created_at,
    )


def _community_columns(*, name: str, languages: Sequence[str], regions: Sequence[str], about: str) -> Mapping[str, Any]:
    named = words.line(name, what="name of the community")
    if not named:
        raise DeskError("name of the community: is empty; write it as its people do")
    if not languages:
        raise DeskError(f"{named}: reviews in no language; name one or more")
    if len(regions) > 100:
        raise DeskError(f"{named}: {len(regions)} regions, 100 fit; name fewer")
    written = [words.line(region, what="region") for region in regions]
    return {
        "name": named,
        "languages": list(as_languages(languages)),
        "regions": [region for region in dict.fromkeys(written) if region],
        "about": words.clean(about, what="about the community"),
    }


def _require_free_name(session: Session, name: str, *, community: str) -> None:
    taken = select(func.count()).select_from(Community).where(Community.name == name, Community.id != community)
    if session.scalar(taken):
        raise DeskError(f"{name}: another community has this name; choose another")


def _within(number: int, least: int, most: int, *, what: str) -> int:
    if not least <= number <= most:
        raise DeskError(f"{what}: {number} does not fit; write {least} to {most}")
    return number


def _log(session: Session, now: datetime, actor: str, kind: str, subject: str, **facts: object) -> None:
    events.append(session, at=now, actor=actor, kind=kind, subject=subject, facts=facts)
