"""Comments that somebody may hide: found here, hidden by `judging.hide_comment`."""

from __future__ import annotations

from dataclasses import dataclass

from audit.reviews.database import Database
from audit.reviews.library import run_of
from audit.reviews.roles import Action, Actor, Role, permitted
from audit.reviews.seen import note_seen, open_to
from audit.reviews.summary import Told, names_of, numbered, told


@dataclass(frozen=True, kw_only=True)
class Comment:
    """What somebody wrote beside a judgement, as others may read it."""

    review: str  # for hide_comment
    finding: str
    community: str  # the name it is shown under
    person: str  # a number within this list
    comment: str  # "" where it is hidden
    language: str
    hidden: str  # a moderator's reason


def comments(db: Database, run: str, *, by: str) -> tuple[Comment, ...]:
    """Comments of a run, in the order of the report: those that stand and those that were hidden.

    Stewards see those shown under the name of their own community, of findings that they have judged or skipped
    themselves; those of small communities that are shown together are an admin's (see `judging.hide_comment`). An
    admin sees all of them, and it is written down that they did. Of a finding that fewer than three people judged
    there are none: nobody sees them elsewhere either.

    Raises:
        DeskError: no such run here.
        NotAllowedError: `by` moderates nothing.
    """
    with db.read() as session:
        actor = permitted(session, by, Action.MODERATE)
        run_of(session, run)
        table = told(session, run)
        blind = bool(actor.communities())
        if blind:
            open_ = open_to(session, by, run=run)
            table = numbered([one for one in table if one.voice.finding in open_])
        names = names_of(session, {one.voice.community for one in table})
        found = tuple(
            Comment(
                review=one.review,
                finding=one.voice.finding,
                community=names[one.voice.community],
                person=one.voice.person,
                comment=one.voice.comment,
                language=one.voice.comment_language,
                hidden=one.hidden,
            )
            for one in table
            if (one.voice.comment or one.hidden) and _theirs(one, actor)
        )
    if table and not blind:
        note_seen(db, person=by, run=run)
    return found


def _theirs(one: Told, actor: Actor) -> bool:
    return (Role.ADMIN, "") in actor.grants or one.voice.community in actor.communities(Role.STEWARD)
