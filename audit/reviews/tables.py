"""What the community desk keeps: the tables, the same on SQLite and PostgreSQL.

Truth is in two places that check each other. Rows hold what people wrote; `events` is the append-only log of what
happened, each event chained to the one before by its hash and holding the digest of what was written, never the words.
So a person's words can be taken out (they may withdraw) and the chain still proves that nothing else was touched.

Every invariant is a constraint here, not a check in a page: two clicks, two tabs and two processes meet the database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Moment(TypeDecorator[datetime]):
    """A point in time: aware in Python, UTC in the database. SQLite gives back naive ones, which are UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """Refuse what has no time zone; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value}: a moment needs its time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The tables below. Constraints are named, so that migrations can find them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment, str: Text, dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


def new_id() -> str:
    """An id that says nothing about what it names."""
    return uuid4().hex


# --- people ----------------------------------------------------------------------------------


class Community(Base):
    """A group of people in whose name reviews are given."""

    __tablename__ = "communities"

    id: Mapped[str] = mapped_column(primary_key=True)  # a short name of latin letters: "nairobi-youth"
    name: Mapped[str] = mapped_column(unique=True)  # as its people write it
    about: Mapped[str] = mapped_column(default="")
    languages: Mapped[list[str]]  # in which it reviews
    regions: Mapped[list[str]]
    created_at: Mapped[datetime]


class Person(Base):
    """Somebody who may sign in. Others see the pseudonym only."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(unique=True)  # case-folded
    pseudonym: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str | None]  # argon2; None where another provider signs them in, or nobody may
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)  # "issuer subject"
    status: Mapped[str]  # active | disabled | withdrawn
    ui_language: Mapped[str] = mapped_column(default="en")
    reads: Mapped[list[str]]  # languages they can judge
    region: Mapped[str] = mapped_column(default="")  # where they live, in their words; a review keeps its own copy
    shortcuts: Mapped[bool] = mapped_column(default=False)  # keys for the review queue: off unless asked for
    daily_limit: Mapped[int] = mapped_column(default=40)  # stereotype cards a day; a person may set it lower
    consent_at: Mapped[datetime | None]
    consent_version: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form
    __table_args__ = (CheckConstraint("status IN ('active', 'disabled', 'withdrawn')", name="status"),)


class Grant(Base):
    """A role that a person holds: in one community (reviewer, steward), or everywhere ("": auditor, board, admin)."""

    __tablename__ = "grants"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    community: Mapped[str] = mapped_column(primary_key=True, default="")  # id of a community, or ""
    granted_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("role IN ('reviewer', 'steward', 'auditor', 'board', 'admin')", name="role"),
        CheckConstraint("(community <> '') = (role IN ('reviewer', 'steward'))", name="place"),
    )


class Invitation(Base):
    """A link by which one person makes an account. Only the digest of its secret is kept."""

    __tablename__ = "invitations"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    community: Mapped[str] = mapped_column(default="")
    made_by: Mapped[str | None] = mapped_column(ForeignKey("people.id"))  # None: the command line
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_by: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    revoked_at: Mapped[datetime | None]


class SignIn(Base):
    """One browser that is signed in. The cookie holds the secret, the row its digest."""

    __tablename__ = "sign_ins"

    secret_sha256: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Attempt(Base):
    """A sign-in that failed; many of them in a short time close the door for a while."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    login_sha256: Mapped[str] = mapped_column(index=True)  # not the login: people type passwords there
    address: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime]


# --- what is judged --------------------------------------------------------------------------


class Run(Base):
    """A run whose findings can be judged here. The run folder stays the truth; this is its index."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    folder: Mapped[str]
    model: Mapped[str]
    languages: Mapped[list[str]]
    findings_sha256: Mapped[str]
    imported_at: Mapped[datetime]


class FindingRow(Base):
    """A finding as the desk searches it: copied from findings.json, never edited."""

    __tablename__ = "findings"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]  # in findings.json: the order of the report
    measure: Mapped[str]
    suite: Mapped[str]
    language: Mapped[str]  # "" speaks of several
    topic: Mapped[str]
    culture: Mapped[str]
    framework: Mapped[str]
    verdict: Mapped[str]
    confirmatory: Mapped[bool]
    sentence: Mapped[str]
    searched: Mapped[str]  # what search looks in, case-folded
    content: Mapped[dict[str, Any]]  # the finding as in findings.json

    __table_args__ = (Index("ix_findings_filter", "run_id", "verdict", "language", "measure", "place"),)


class Assignment(Base):
    """A finding that a person was asked to judge, in the name of one community."""

    __tablename__ = "assignments"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str]
    finding_id: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    community: Mapped[str] = mapped_column(ForeignKey("communities.id"))
    state: Mapped[str]  # open | done | skipped | withdrawn
    place: Mapped[int]  # in the person's queue
    skip_reason: Mapped[str] = mapped_column(default="")  # distressing | language | not for me | other
    made_by: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["run_id", "finding_id"], ["findings.run_id", "findings.id"]),
        UniqueConstraint("run_id", "finding_id", "person_id"),
        CheckConstraint("state IN ('open', 'done', 'skipped', 'withdrawn')", name="state"),
        Index("ix_assignments_queue", "person_id", "state", "place"),
    )


class Draft(Base):
    """What a person has begun to say and not yet submitted: nobody else sees it."""

    __tablename__ = "drafts"

    assignment_id: Mapped[str] = mapped_column(ForeignKey("assignments.id"), primary_key=True)
    content: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Review(Base):
    """One person's judgement of one finding. Never edited: a changed mind is the next revision, both are kept."""

    __tablename__ = "reviews"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str]
    finding_id: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    community: Mapped[str] = mapped_column(ForeignKey("communities.id"))
    revision: Mapped[int]  # 1: blind, before anything of others was shown
    judgement: Mapped[str]  # agree | partly | disagree | cannot say
    severity: Mapped[int | None]  # 0 no harm .. 4 severe; None: not said
    prevalence: Mapped[str]  # does it exist where the reviewer lives: common | some | rare | absent | cannot say | ""
    region: Mapped[str]  # where the reviewer lived when they said so
    comment: Mapped[str]
    comment_language: Mapped[str]
    submission: Mapped[str] = mapped_column(unique=True)  # made by the page once per form: a double click is one review
    submitted_at: Mapped[datetime]
    hidden_reason: Mapped[str] = mapped_column(
        default=""
    )  # a moderator's; the judgement counts on, the words are hidden
    salt: Mapped[str] = mapped_column(default=new_id)  # of the digest in the log (events.seal); emptied with the words
    erased_at: Mapped[datetime | None]  # consent was withdrawn: words and judgement are gone

    __table_args__ = (
        ForeignKeyConstraint(["run_id", "finding_id"], ["findings.run_id", "findings.id"]),
        UniqueConstraint("run_id", "finding_id", "person_id", "revision"),
        CheckConstraint("judgement IN ('agree', 'partly', 'disagree', 'cannot say', '')", name="judgement"),
        CheckConstraint("severity IS NULL OR (severity >= 0 AND severity <= 4)", name="severity"),
        CheckConstraint("prevalence IN ('common', 'some', 'rare', 'absent', 'cannot say', '')", name="prevalence"),
        Index("ix_reviews_finding", "run_id", "finding_id"),
    )


class ItemReview(Base):
    """What a reviewer said of one of the finding's items: are the words right?"""

    __tablename__ = "item_reviews"

    review_id: Mapped[str] = mapped_column(ForeignKey("reviews.id"), primary_key=True)
    item: Mapped[str] = mapped_column(primary_key=True)  # "suite/item"
    language: Mapped[str] = mapped_column(primary_key=True)
    wording: Mapped[str]  # natural | awkward | wrong

    __table_args__ = (CheckConstraint("wording IN ('natural', 'awkward', 'wrong', '')", name="wording"),)


# --- contests, proposals ---------------------------------------------------------------------


class Contest(Base):
    """A claim that a finding is wrong, owed a reasoned reply by a date."""

    __tablename__ = "contests"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str]
    finding_id: Mapped[str]
    filed_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    community: Mapped[str] = mapped_column(default="")
    state: Mapped[str]  # audit.reviews.contests.State
    due_at: Mapped[datetime | None]  # of the next step; None when closed
    handler: Mapped[str | None] = mapped_column(ForeignKey("people.id"))  # who must decide: neither filed nor answered
    submission: Mapped[str] = mapped_column(unique=True)
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "finding_id"], ["findings.run_id", "findings.id"]),
        Index("ix_contests_finding", "run_id", "finding_id"),
        Index("ix_contests_state", "state", "due_at"),
    )


class ContestStep(Base):
    """One step of a contest: who did what, in their words."""

    __tablename__ = "contest_steps"

    contest_id: Mapped[str] = mapped_column(ForeignKey("contests.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    step: Mapped[str]  # file | admit | refuse | answer | uphold | uphold in part | reject | appeal | ... (contests.py)
    person_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"))  # None: a deadline passed
    words: Mapped[str]
    at: Mapped[datetime]
    salt: Mapped[str] = mapped_column(default=new_id)  # of the digest in the log (events.seal); emptied with the words
    erased_at: Mapped[datetime | None]


class Proposal(Base):
    """A pair that somebody proposes to ask, in their language."""

    __tablename__ = "proposals"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    community: Mapped[str] = mapped_column(ForeignKey("communities.id"))
    language: Mapped[str]
    topic: Mapped[str]
    template: Mapped[str]  # "The {nurse|engineer} said that"
    answer_a: Mapped[str]
    answer_b: Mapped[str]
    gloss: Mapped[str]  # in English, for those who do not read the language
    source: Mapped[str]  # who holds the stereotype to exist
    regions: Mapped[list[str]]
    state: Mapped[str]  # draft | submitted | accepted | returned | withdrawn
    effect: Mapped[dict[str, Any] | None]  # what the library's `try` said, and of which model
    published: Mapped[str] = mapped_column(default="")  # the suite version that carries it
    submission: Mapped[str] = mapped_column(unique=True)
    made_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]  # last; reviews from before it spoke of other words
    salt: Mapped[str] = mapped_column(default=new_id)  # of the digest in the log (events.seal); emptied with the words
    erased_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'submitted', 'accepted', 'returned', 'withdrawn')", name="state"),
    )


class ProposalReview(Base):
    """What another reader of the language says of a proposed pair."""

    __tablename__ = "proposal_reviews"

    proposal_id: Mapped[str] = mapped_column(ForeignKey("proposals.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    judgement: Mapped[str]  # accept | change | refuse; "" once erased
    words: Mapped[str]
    answer: Mapped[str] = mapped_column(default="")  # the proposer's, to a refusal; it then blocks no more
    at: Mapped[datetime]
    salt: Mapped[str] = mapped_column(default=new_id)  # of the digest in the log (events.seal); emptied with the words
    erased_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("judgement IN ('accept', 'change', 'refuse', '')", name="judgement"),)


# --- work, reports, the log ------------------------------------------------------------------


class Job(Base):
    """Work that takes seconds or more, done by the worker beside the app: a live pair, a report, a comparison."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]  # try | report | compare
    asked_by: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    asked: Mapped[dict[str, Any]]
    state: Mapped[str]  # waiting | running | done | failed
    answer: Mapped[dict[str, Any] | None]
    error: Mapped[str] = mapped_column(default="")
    begun: Mapped[int] = mapped_column(default=0)  # how often; a worker that died leaves it to the next
    asked_at: Mapped[datetime]
    begun_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
        Index("ix_jobs_state", "state", "asked_at"),
    )


class IssuedReport(Base):
    """A report that left the desk, with the judgements as of one event."""

    __tablename__ = "reports"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    sha256: Mapped[str]
    file: Mapped[str]  # name in the desk's folder of reports
    as_of: Mapped[int]  # number of the last event that it knows
    language: Mapped[str] = mapped_column(default="en", server_default="en")  # that it is said in
    signed_by: Mapped[str] = mapped_column(default="", server_default="")  # as the certificate names them; "": nobody
    made_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    reissue_reason: Mapped[str] = mapped_column(default="")  # a person withdrew, a contest was upheld: make it anew


class Event(Base):
    """What happened, in order. Rows are only ever added; audit.reviews.events writes and checks them."""

    __tablename__ = "events"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1, without gaps
    at: Mapped[datetime]
    actor: Mapped[str]  # id of a person; "system", "command line"
    kind: Mapped[str] = mapped_column(index=True)  # "review submitted"
    subject: Mapped[str] = mapped_column(index=True)  # id of what it happened to
    facts: Mapped[dict[str, Any]]  # no words of people; their SHA-256, salted with `salt`, stands for them
    previous: Mapped[str] = mapped_column(unique=True)  # hash of the event before: no two can follow the same one
    hash: Mapped[str] = mapped_column(unique=True)
