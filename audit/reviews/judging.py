"""One person, one card at a time: judged blind, then shown what others said.

A card holds the finding and nothing that anybody said of it. What is typed is kept as a draft until it is submitted; a
submission is one review however often it is sent. After their own judgement (or after skipping for good) a person may
read the others', and may change their mind: the next revision, beside the first.

A day has as many cards as the person's limit, by the UTC day; what was begun may be finished. Skipping costs nothing;
it counts as a card only where the reason is that it was distressing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from audit.errors import ConflictError, DeskError, NotAllowedError
from audit.records import Voice
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.library import FindingView, row_of, run_of, view_of
from audit.reviews.roles import Action, Actor, Role, permitted
from audit.reviews.seen import has_seen, note_seen, open_to
from audit.reviews.summary import handle_of, names_of, told
from audit.reviews.tables import Assignment, Draft, ItemReview, Person, Review, new_id
from audit.reviews.terms import agreed, require_agreed
from audit.reviews.words import clean
from audit.runs import canonical

JUDGEMENTS = ("agree", "partly", "disagree", "cannot say")
PREVALENCE = ("common", "some", "rare", "absent", "cannot say", "")
WORDINGS = ("natural", "awkward", "wrong")
SKIP_REASONS = ("distressing", "language", "not for me", "other")
MOST_A_DAY = 100  # cards; a person's own limit may be lower, not higher
MOST_LISTED = 50
COMMENT_LIMIT = 4000  # characters
DRAFT_LIMIT = 60_000  # bytes of JSON
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a person says of a finding."""

    judgement: str  # one of JUDGEMENTS
    severity: int | None = None  # 0 no harm .. 4 severe; None: not said
    prevalence: str = ""  # does it exist where they live: one of PREVALENCE
    comment: str = ""
    comment_language: str = ""  # BCP 47 code
    items: Mapping[tuple[str, str], str] = field(default_factory=dict)  # ("suite/item", language) -> one of WORDINGS


@dataclass(frozen=True, kw_only=True)
class QueueEntry:
    """A card that waits."""

    assignment: str
    run: str
    finding: str
    community: str
    begun: bool  # there is a draft


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What a person was asked to judge and has not yet."""

    entries: tuple[QueueEntry, ...]  # the next ones, at most MOST_LISTED; only begun ones once the limit is reached
    left: int
    done_today: int  # cards that count
    limit: int
    limit_reached: bool
    agreed: bool  # to the present text of consent; without it nothing is taken


@dataclass(frozen=True, kw_only=True)
class Card:
    """One finding to be judged: nothing on it comes from others' judgements."""

    assignment: str
    community: str
    view: FindingView  # without contest and counts
    draft: Mapping[str, Any]  # {} where nothing is begun
    version: int  # of the draft, to be given back when saving; 0 where nothing is begun


class DraftConflictError(ConflictError):
    """Another tab saved the draft in between; what it saved is here, so that neither is lost."""

    def __init__(self, *, draft: Mapping[str, Any], version: int) -> None:
        super().__init__("draft: another tab has saved it since; compare the two, then save again")
        self.draft = draft
        self.version = version


@dataclass(frozen=True, kw_only=True)
class OwnReview:
    """One revision of a person's own judgement."""

    id: str
    revision: int
    judgement: Judgement
    region: str
    submitted_at: datetime
    hidden: str  # a moderator's reason for hiding the comment from others


@dataclass(frozen=True, kw_only=True)
class ReviewView:
    """A judgement as others may read it (audit.reviews.summary)."""

    voice: Voice  # `person` is a number within this finding
    community: str  # the name it is shown under
    wordings: tuple[tuple[str, str, str], ...]  # (item, language, wording)
    hidden: str  # a moderator's reason for hiding the comment
    own: bool
    id: str  # for hide_comment; "" for who may not moderate


# --- the queue ---------------------------------------------------------------------------------


def queue(db: Database, *, by: str) -> Queue:
    """What waits for a person, in order.

    Raises:
        NotAllowedError: `by` may not review.
    """
    with db.read() as session:
        permitted(session, by, Action.REVIEW)
        person = session.get_one(Person, by)
        mine = Assignment.person_id == by, Assignment.state == "open"
        done, limit = _done_today(session, by, now=db.now()), _limit(person)
        chosen = select(Assignment, Draft.version).outerjoin(Draft, Draft.assignment_id == Assignment.id).where(*mine)
        if done >= limit:
            chosen = chosen.where(Draft.assignment_id.is_not(None))
        rows = session.execute(chosen.order_by(Assignment.place, Assignment.id).limit(MOST_LISTED)).all()
        return Queue(
            entries=tuple(
                QueueEntry(
                    assignment=row.id,
                    run=row.run_id,
                    finding=row.finding_id,
                    community=row.community,
                    begun=version is not None,
                )
                for row, version in rows
            ),
            left=session.scalar(select(func.count()).select_from(Assignment).where(*mine)) or 0,
            done_today=done,
            limit=limit,
            limit_reached=done >= limit,
            agreed=agreed(person),
        )


def card(db: Database, assignment: str, *, by: str) -> Card:
    """The card of an open assignment of one's own, with what was begun.

    Raises:
        DeskError: no such assignment, one that is closed, or no cards are left today.
        NotAllowedError: somebody else's, or they have read what others said.
    """
    with db.read() as session:
        row = _own(session, assignment, by=by)
        _require_open(row)
        _require_blind(session, row)
        draft = session.get(Draft, assignment)
        limit = _limit(session.get_one(Person, by))
        if draft is None and _done_today(session, by, now=db.now()) >= limit:
            raise DeskError(f"queue: {limit} cards today, which is your limit; the next ones are there tomorrow")
        return Card(
            assignment=row.id,
            community=row.community,
            view=_blind(view_of(session, row.run_id, row.finding_id, reader=by)),
            draft=dict(draft.content) if draft else {},
            version=draft.version if draft else 0,
        )


def save_draft(db: Database, assignment: str, content: Mapping[str, Any], *, version: int, by: str) -> int:
    """Keep what is typed so far; nobody else sees it.

    Args:
        db: the desk.
        assignment: its id.
        content: the form, as JSON.
        version: of the draft that the page started from; 0 for none.
        by: whose it is.

    Returns:
        The draft's new version.

    Raises:
        DraftConflictError: another tab saved something else since; it holds that.
        DeskError: no such assignment, one that is closed, too much, or text that cannot be kept.
        NotAllowedError: somebody else's.
    """
    kept = _draft_content(content)

    def work(session: Session) -> int:
        row = _own(session, assignment, by=by)
        _require_open(row)
        require_agreed(session, by)
        draft = session.get(Draft, assignment)
        if draft is None:
            # Version 0 is "none yet". A higher one was submitted or removed, and the form is all there is: keep it.
            draft = Draft(assignment_id=assignment, content=kept, saved_at=db.now())
            session.add(draft)
        elif draft.content == kept:  # sent again after a dropped connection
            return draft.version
        elif draft.version != version:
            raise DraftConflictError(draft=dict(draft.content), version=draft.version)
        else:
            draft.content, draft.saved_at = kept, db.now()
        session.flush()
        return draft.version

    return db.in_write(work)


# --- judging -----------------------------------------------------------------------------------


def submit(db: Database, assignment: str, judgement: Judgement, *, submission: str, by: str) -> str:
    """Judge a finding, blind. The draft ends with it.

    Args:
        db: the desk.
        assignment: its id.
        judgement: what they say.
        submission: made by the page once per form; the same one again gives back the same review.
        by: whose assignment it is.

    Returns:
        The id of the review.

    Raises:
        ConflictError: it was judged already, by another form; nothing was written.
        DeskError: no such assignment, one that was skipped, a judgement that cannot be, or no consent.
        NotAllowedError: somebody else's, or they have read what others said.
    """
    said, once = _checked(judgement), _submission(submission)

    def work(session: Session) -> str:
        row = _own(session, assignment, by=by)
        if known := _known(session, once, run=row.run_id, finding=row.finding_id, by=by):
            return known
        _require_open(row)
        _require_blind(session, row)
        review = _write(
            session,
            said,
            run=row.run_id,
            finding=row.finding_id,
            community=row.community,
            revision=1,
            submission=once,
            by=by,
            at=db.now(),
        )
        row.state, row.closed_at = "done", db.now()
        if draft := session.get(Draft, assignment):
            session.delete(draft)
        return review

    return db.in_write(work)


def skip(db: Database, assignment: str, *, reason: str, by: str) -> None:
    """Not judge a finding, for good: it is given to somebody else, and never again to this person.

    Raises:
        DeskError: no such reason or assignment, or one that is judged already.
        NotAllowedError: somebody else's.
    """
    if reason not in SKIP_REASONS:
        raise DeskError(f"skip: {reason!r} is not a reason; choose one of: {', '.join(SKIP_REASONS)}")

    def work(session: Session) -> None:
        row = _own(session, assignment, by=by)
        if row.state == "skipped":
            return
        _require_open(row)
        row.state, row.skip_reason, row.closed_at = "skipped", reason, db.now()
        if draft := session.get(Draft, assignment):
            session.delete(draft)
        # Not the reason: it may be distress, which is nobody's business.
        facts = {"run": row.run_id, "finding": row.finding_id}
        events.append(session, at=db.now(), actor=by, kind="review skipped", subject=row.id, facts=facts)

    db.in_write(work)


def revise(db: Database, run: str, finding: str, judgement: Judgement, *, submission: str, by: str) -> str:
    """Change one's mind: the next revision, beside those before. Idempotent by `submission`, as `submit`.

    Returns:
        The id of the revision.

    Raises:
        ConflictError: the form was sent before, for something else.
        DeskError: no such finding, a judgement that cannot be, or no consent.
        NotAllowedError: they have not judged it yet.
    """
    said, once = _checked(judgement), _submission(submission)

    def work(session: Session) -> str:
        permitted(session, by, Action.REVIEW)
        row_of(session, run, finding)
        if known := _known(session, once, run=run, finding=finding, by=by):
            return known
        last = session.scalars(_revisions(run, finding, by=by).order_by(Review.revision.desc())).first()
        if last is None:
            raise NotAllowedError(f"finding {finding}: only who judged it can revise; judge it first, from your queue")
        permitted(session, by, Action.REVIEW, community=last.community)
        return _write(
            session,
            said,
            run=run,
            finding=finding,
            community=last.community,
            revision=last.revision + 1,
            submission=once,
            by=by,
            at=db.now(),
        )

    return db.in_write(work)


# --- reading -----------------------------------------------------------------------------------


def own_reviews(db: Database, run: str, finding: str, *, by: str) -> tuple[OwnReview, ...]:
    """A person's own judgement of a finding, each revision; () where there is none.

    Raises:
        NotAllowedError: `by` may not read findings.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        rows = session.scalars(_revisions(run, finding, by=by).order_by(Review.revision)).all()
        items = session.scalars(select(ItemReview).where(ItemReview.review_id.in_([row.id for row in rows]))).all()
        return tuple(
            OwnReview(
                id=row.id,
                revision=row.revision,
                judgement=Judgement(
                    judgement=row.judgement,
                    severity=row.severity,
                    prevalence=row.prevalence,
                    comment=row.comment,
                    comment_language=row.comment_language,
                    items={(one.item, one.language): one.wording for one in items if one.review_id == row.id},
                ),
                region=row.region,
                submitted_at=row.submitted_at,
                hidden=row.hidden_reason,
            )
            for row in rows
        )


def reviews_of(db: Database, run: str, finding: str, *, by: str) -> tuple[ReviewView, ...]:
    """What people said of a finding: for reviewers and stewards after their own, or after skipping it for good.

    Empty where fewer than three have judged it. That anybody else has read them is written down: they cannot judge it
    later.

    Raises:
        DeskError: no such finding here.
        NotAllowedError: `by` may not read reviews, or not before their own.
    """
    with db.read() as session:
        actor = permitted(session, by, Action.READ_REVIEWS)
        row_of(session, run, finding)
        blind = bool(actor.communities())
        if blind and finding not in open_to(session, by, run=run):
            raise NotAllowedError(f"finding {finding}: others' judgements are shown after your own; judge it first")
        table = told(session, run, finding=finding)
        names = names_of(session, {one.voice.community for one in table})
        moderates = actor.may(Action.MODERATE)
        views = tuple(
            ReviewView(
                voice=one.voice,
                community=names[one.voice.community],
                wordings=one.wordings,
                hidden=one.hidden,
                own=one.author == by,
                id=one.review if moderates else "",
            )
            for one in table
        )
    if views and not blind:
        note_seen(db, person=by, run=run, finding=finding)
    return views


def hide_comment(db: Database, review: str, *, reason: str, by: str) -> None:
    """Hide a comment from others. The judgement counts on, its author still sees the words and the reason.

    A steward hides what is shown under the name of their community. What is shown under "other communities" is an
    admin's: whether a steward may hide it would tell of which small community it is.

    Args:
        db: the desk.
        review: as `reviews_of` and `moderating.comments` name it (`summary.handle_of`).
        reason: for its author and the readers.
        by: who hides it.

    Raises:
        ConflictError: another moderator has hidden it already.
        DeskError: no such review, or no reason.
        NotAllowedError: `by` is neither steward of that community nor admin.
    """
    why = clean(reason, what="reason", limit=500)
    if not why:
        raise DeskError("reason: empty; say why, the author and the readers will see it")

    def work(session: Session) -> None:
        actor = permitted(session, by, Action.MODERATE)
        row = _by_handle(session, review)
        if row is None:
            raise DeskError(f"review {review[:12]!r}: not at this desk; reload the finding")
        if (Role.ADMIN, "") not in actor.grants and not _shown_as_theirs(session, row, review, actor=actor):
            raise NotAllowedError(
                f"{actor.pseudonym} may not hide comments that are not shown as their community's; ask an admin"
            )
        if row.hidden_reason == why:
            return
        if row.hidden_reason:
            raise ConflictError(f"review {review[:12]}: another moderator has hidden it already; reload the finding")
        row.hidden_reason = why
        facts = {
            "run": row.run_id,
            "finding": row.finding_id,
            "reason": events.digest_of({"reason": why}, salt=row.salt),
        }
        events.append(session, at=db.now(), actor=by, kind="comment hidden", subject=review, facts=facts)

    db.in_write(work)


def _by_handle(session: Session, handle: str) -> Review | None:
    known = select(Review.id, Review.salt).where(Review.erased_at.is_(None))
    found = next((id_ for id_, salt in session.execute(known) if handle_of(id_, salt) == handle), None)
    return None if found is None else session.get(Review, found)


def _shown_as_theirs(session: Session, row: Review, handle: str, *, actor: Actor) -> bool:
    """Whether others read it under the name of a community in which this person is a steward."""
    mine = actor.communities(Role.STEWARD)
    table = told(session, row.run_id, finding=row.finding_id)
    return any(one.review == handle and one.voice.community in mine for one in table)


# --- rows --------------------------------------------------------------------------------------


def _own(session: Session, assignment: str, *, by: str) -> Assignment:
    permitted(session, by, Action.REVIEW)
    row = session.get(Assignment, assignment)
    if row is None:
        raise DeskError(f"card {assignment[:12]!r}: not at this desk; go back to your queue")
    if row.person_id != by:
        raise NotAllowedError(f"card {assignment[:12]}: was given to somebody else; go back to your queue")
    permitted(session, by, Action.REVIEW, community=row.community)
    return row


def _require_open(row: Assignment) -> None:
    if row.state == "done":
        raise ConflictError(f"finding {row.finding_id}: you have judged it already; revise it on its page")
    if row.state != "open":
        raise DeskError(f"finding {row.finding_id}: was {row.state}, it is no longer in your queue; take the next one")


def _require_blind(session: Session, row: Assignment) -> None:
    if has_seen(session, person=row.person_id, run=row.run_id, finding=row.finding_id):
        raise NotAllowedError(
            f"finding {row.finding_id}: you have read what others said of it, so it cannot be judged blind; skip it"
        )


def _write(
    session: Session,
    said: Judgement,
    *,
    run: str,
    finding: str,
    community: str,
    revision: int,
    submission: str,
    by: str,
    at: datetime,
) -> str:
    """One review, its items, and the event that seals them."""
    person = require_agreed(session, by)
    _require_its_items(session, said, run=run, finding=finding)
    row = Review(
        id=new_id(),
        run_id=run,
        finding_id=finding,
        person_id=by,
        community=community,
        revision=revision,
        judgement=said.judgement,
        severity=said.severity,
        prevalence=said.prevalence,
        region=person.region,
        comment=said.comment,
        comment_language=said.comment_language,
        submission=submission,
        submitted_at=at,
    )
    session.add(row)
    session.flush()
    session.add_all(
        ItemReview(review_id=row.id, item=item, language=language, wording=wording)
        for (item, language), wording in sorted(said.items.items())
    )
    wordings = {f"{item} {language}": wording for (item, language), wording in said.items.items()}
    facts = {
        "run": run,
        "finding": finding,
        "revision": revision,
        "items": events.digest_of(wordings, salt=row.salt),
        **events.seal(session, row),
    }
    kind = "review submitted" if revision == 1 else "review revised"
    events.append(session, at=at, actor=by, kind=kind, subject=row.id, facts=facts)
    return row.id


def _known(session: Session, submission: str, *, run: str, finding: str, by: str) -> str:
    """The review that this form made before, or ""."""
    row = session.scalar(select(Review).where(Review.submission == submission))
    if row is None:
        return ""
    if (row.person_id, row.run_id, row.finding_id) != (by, run, finding):
        raise ConflictError("submission: this form was sent before, for another finding; reload the page")
    return row.id


def _revisions(run: str, finding: str, *, by: str) -> Any:
    return select(Review).where(
        Review.run_id == run, Review.finding_id == finding, Review.person_id == by, Review.erased_at.is_(None)
    )


def _require_its_items(session: Session, said: Judgement, *, run: str, finding: str) -> None:
    items = set(row_of(session, run, finding).content["measurement"]["items"])
    languages = run_of(session, run).languages
    for item, language in said.items:
        if item not in items or language not in languages:
            raise DeskError(f"item {item[:60]!r} in {language[:12]!r}: not behind this finding; reload the card")


def _blind(view: FindingView) -> FindingView:
    return replace(view, contest="", reviews=None)


def _done_today(session: Session, person: str, *, now: datetime) -> int:
    counts = or_(Assignment.state == "done", Assignment.skip_reason == "distressing")
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    chosen = select(func.count()).where(Assignment.person_id == person, Assignment.closed_at >= midnight, counts)
    return session.scalar(chosen) or 0


def _limit(person: Person) -> int:
    return min(person.daily_limit, MOST_A_DAY)


# --- what may be said --------------------------------------------------------------------------


def _checked(said: Judgement) -> Judgement:
    """The judgement with its words cleaned.

    Raises:
        DeskError: a value that the form does not offer, or words that cannot be kept.
    """
    if said.judgement not in JUDGEMENTS:
        raise DeskError(f"judgement {said.judgement[:20]!r}: choose one of: {', '.join(JUDGEMENTS)}")
    if said.severity is not None and (type(said.severity) is not int or not 0 <= said.severity <= 4):
        raise DeskError(f"severity {str(said.severity)[:20]}: give 0 (no harm) to 4 (severe), or leave it out")
    if said.prevalence not in PREVALENCE:
        raise DeskError(f"prevalence {said.prevalence[:20]!r}: choose one of: {', '.join(filter(None, PREVALENCE))}")
    if said.comment_language and not _LANGUAGE.fullmatch(said.comment_language):
        raise DeskError(f"language {said.comment_language[:20]!r}: not a code; write one like sw or zh-Hant")
    for wording in said.items.values():
        if wording not in WORDINGS:
            raise DeskError(f"wording {wording[:20]!r}: choose one of: {', '.join(WORDINGS)}")
    return Judgement(
        judgement=said.judgement,
        severity=said.severity,
        prevalence=said.prevalence,
        comment=clean(said.comment, what="comment", limit=COMMENT_LIMIT),
        comment_language=said.comment_language,
        items=dict(said.items),
    )


def _submission(submission: str) -> str:
    once = clean(submission, what="submission", limit=100)
    if not once:
        raise DeskError("submission: empty; reload the page")
    return once


def _draft_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """The form as it can be kept: plain JSON of a bounded size, every text cleaned but not stripped of its sense."""
    try:
        size = len(canonical(dict(content)))
    except (TypeError, ValueError):
        raise DeskError("draft: holds what is not text, number or list; reload the card") from None
    if size > DRAFT_LIMIT:
        raise DeskError(f"draft: {size} bytes, at most {DRAFT_LIMIT} are kept; shorten the comment")
    kept: dict[str, Any] = _cleaned(dict(content))
    return kept


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, what="draft", limit=COMMENT_LIMIT)
    if isinstance(value, Mapping):
        return {clean(str(key), what="draft", limit=200): _cleaned(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(one) for one in value]
    return value
