"""What people said of a run, as others may read it: the one place where rows of people become data about them.

Four things are kept from being told, by `told`, which the pages, the report, the statistics and the export all use:

- *Small groups.* In the table of one finding a community of fewer than three judgements is put together with others
  (`audit.measures.people.shown_groups`); where there are fewer than three in all, nothing is shown. A region is shown
  only within a community that is, and only if the same rule allows it among that community's regions in every finding
  of the run where it occurs: shown here and kept back there, it could be carried over by who is who.
- *Who is who.* A person is a number in one table. The same person has another number wherever they are shown under
  other labels, and a new one for each finding where they are among the "others": else the number would carry what is
  kept back in one finding over from another.
- *Who is counted.* Judgements that came from another desk are groups of their own: whoever brings two made-up ones
  would otherwise lift the only one here over the line, and know it from theirs.
- *When.* No times: they could be laid beside the log.

What this cannot hide is what changes between two moments: who keeps yesterday's table can compare it with today's.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from audit.measures.people import shown_groups
from audit.records import Judgements, Voice
from audit.reviews import contests, events
from audit.reviews.database import Database
from audit.reviews.library import GONE, run_of
from audit.reviews.roles import Action, permitted
from audit.reviews.seen import note_seen, open_to
from audit.reviews.tables import Community, FindingRow, ItemReview, Review

OTHERS = "other communities"  # how the group of small communities is named in English
IMPORTED = "import "  # how the submission of a judgement begins that came from another desk (exchange.py)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A judgement as others may read it, and what the library itself needs to know of it."""

    voice: Voice
    id: str  # of this person's judgement of this finding: the same in every export, and says nothing
    token: str  # tells people apart like `voice.person`, and stays the same from one table of the run to the next
    wordings: tuple[tuple[str, str, str], ...]  # (item, language, wording) that the reviewer gave
    hidden: str  # a moderator's reason for hiding the comment
    gone: bool  # the run no longer has the finding
    review: str  # `handle_of` the latest revision: for who may moderate it, never for readers
    author: str  # id of the person: never leaves the library


def judgements_of(db: Database, run: str, *, by: str | None) -> Judgements:
    """All that people said of a run's findings, as of now.

    A reviewer or steward gets the findings that they have judged or skipped themselves, whatever other roles they hold.
    That anybody else has read them is written down: they cannot judge this run later (`assigning.has_seen`).

    Args:
        db: the desk.
        run: its id.
        by: who reads it; None for the command line and for work without a reader, as a report.

    Raises:
        DeskError: no such run here.
        NotAllowedError: `by` may not read reviews.
    """
    with db.read() as session:
        run_of(session, run)
        blind = by is not None and bool(permitted(session, by, Action.READ_REVIEWS).communities())
        table = [one for one in told(session, run) if not one.gone]
        contested = contests.records(session, run)
        if by is not None and blind:
            open_ = open_to(session, by, run=run)
            table = numbered([one for one in table if one.voice.finding in open_])
            contested = tuple(one for one in contested if one.finding in open_)
        head = events.head(session)
        judgements = Judgements(
            run_id=run,
            as_of=head.number,
            head=head.hash,
            communities=names_of(session, {one.voice.community for one in table}),
            voices=tuple(one.voice for one in table),
            contests=contested,
            withdrawn=_withdrawn(session, run),
        )
    if by is not None and not blind and judgements.voices:
        note_seen(db, person=by, run=run)
    return judgements


def names_of(session: Session, groups: Iterable[str]) -> dict[str, str]:
    """Names of the groups that judgements are shown under."""
    known = {row.id: row.name for row in session.execute(select(Community.id, Community.name))}
    return {group: known.get(group, OTHERS) for group in sorted(groups)}


def _withdrawn(session: Session, run: str) -> int:
    pairs = select(Review.finding_id, Review.person_id).where(Review.run_id == run, Review.erased_at.is_not(None))
    return session.scalar(select(func.count()).select_from(pairs.distinct().subquery())) or 0


# --- the one table -----------------------------------------------------------------------------


def told(session: Session, run: str, *, finding: str = "") -> list[Told]:
    """The latest judgement of each person on each finding (or on one), as others may read it.

    In the order of the report; within a finding in an order that says nothing. Findings that the run no longer has come
    last and are marked.
    """
    table = tell(run, _rows(session, run), secrets=_secrets(session, run), wordings=_wordings(session, run))
    return numbered([one for one in table if one.voice.finding == finding]) if finding else table


# finding -> its place in the report, and each person's revisions
Histories = Mapping[str, tuple[int, Sequence[Sequence[Review]]]]


def tell(
    run: str,
    rows: Histories,
    *,
    secrets: Mapping[str, str],
    wordings: Mapping[str, tuple[tuple[str, str, str], ...]],
) -> list[Told]:
    """`told`, of rows at hand.

    Args:
        run: its id.
        rows: what people said, by finding.
        secrets: person -> what only the database knows of them.
        wordings: review -> (item, language, wording).
    """
    table: list[Told] = []
    names = {id_: _names(histories) for id_, (_, histories) in rows.items()}
    kept_back = {pair for id_, (_, histories) in rows.items() for pair in _kept_back(histories, names[id_])}
    for id_, (place, histories) in rows.items():
        communities = names[id_]
        for history in histories:
            last = history[-1]
            community = communities[_group(last)]
            if not community:
                continue
            region = "" if apart(last, community) or (*_group(last), last.region) in kept_back else last.region
            secret, alone = secrets[last.person_id], id_ if apart(last, community) else ""
            table.append(
                Told(
                    voice=_voice(history, finding=id_, community=community, region=region),
                    id=_token(run, secret, "judgement", id_),
                    token=_token(run, secret, "person", community, alone),
                    wordings=wordings.get(last.id, ()),
                    hidden=last.hidden_reason,
                    gone=place == GONE,
                    review=handle_of(last.id, last.salt),
                    author=last.person_id,
                )
            )
    table.sort(key=lambda one: (one.gone, rows[one.voice.finding][0], one.voice.finding, one.token))
    return numbered(table)


def _group(review: Review) -> tuple[bool, str]:
    """Whose judgement it counts among: of another desk or of this one, and of which community."""
    return review.submission.startswith(IMPORTED), review.community


def _names(histories: Sequence[Sequence[Review]]) -> dict[tuple[bool, str], str]:
    """Group -> the name it is shown under in the table of one finding; "" where it is not."""
    counts = Counter(_group(one[-1]) for one in histories)
    found: dict[tuple[bool, str], str] = {}
    for imported in (False, True):
        of_one_desk = {community: n for (elsewhere, community), n in counts.items() if elsewhere is imported}
        found |= {(imported, community): name for community, name in shown_groups(of_one_desk).items()}
    return found


def apart(review: Review, community: str) -> bool:
    """Whether a judgement is shown under another name than its community's own."""
    return review.community != community


def numbered(table: Sequence[Told]) -> list[Told]:
    """The same with people numbered from 1, in an order that says nothing of them."""
    numbers = {token: str(place) for place, token in enumerate(sorted({one.token for one in table}), start=1)}
    return [replace(one, voice=replace(one.voice, person=numbers[one.token])) for one in table]


def _rows(session: Session, run: str) -> Histories:
    chosen = (
        select(Review, FindingRow.place)
        .join(FindingRow, and_(FindingRow.run_id == Review.run_id, FindingRow.id == Review.finding_id))
        .where(Review.run_id == run, Review.erased_at.is_(None))
        .order_by(FindingRow.place, Review.finding_id, Review.person_id, Review.revision)
    )
    places: dict[str, int] = {}
    histories: dict[str, dict[str, list[Review]]] = defaultdict(lambda: defaultdict(list))
    for review, place in session.execute(chosen):
        places[review.finding_id] = place
        histories[review.finding_id][review.person_id].append(review)
    return {id_: (places[id_], [*people.values()]) for id_, people in histories.items()}


def _secrets(session: Session, run: str) -> dict[str, str]:
    """Person -> what only the database knows of them: the salt of their first judgement of the run."""
    chosen = (
        select(Review.person_id, Review.salt)
        .where(Review.run_id == run, Review.erased_at.is_(None))
        .order_by(Review.submitted_at.desc(), Review.id.desc())
    )
    return {person: salt for person, salt in session.execute(chosen)}  # noqa: C416 - the earliest one stays


def _wordings(session: Session, run: str) -> dict[str, tuple[tuple[str, str, str], ...]]:
    chosen = (
        select(ItemReview)
        .join(Review, Review.id == ItemReview.review_id)
        .where(Review.run_id == run, ItemReview.wording != "")
        .order_by(ItemReview.review_id, ItemReview.item, ItemReview.language)
    )
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in session.scalars(chosen):
        found[row.review_id].append((row.item, row.language, row.wording))
    return {id_: tuple(rows) for id_, rows in found.items()}


def _kept_back(
    histories: Sequence[Sequence[Review]], communities: Mapping[tuple[bool, str], str]
) -> set[tuple[bool, str, str]]:
    """Group and region that may not be shown in one finding, of groups that are shown by their community's name."""
    within: dict[tuple[bool, str], Counter[str]] = defaultdict(Counter)
    for history in histories:
        if not apart(history[-1], communities[_group(history[-1])]):
            within[_group(history[-1])][history[-1].region] += 1
    return {
        (*group, region)
        for group, counts in within.items()
        for region, name in shown_groups(counts).items()
        if name != region
    }


def _voice(history: Sequence[Review], *, finding: str, community: str, region: str) -> Voice:
    first, last = history[0], history[-1]
    return Voice(
        finding=finding,
        person="",  # `numbered` knows it
        community=community,
        judgement=last.judgement,
        severity=last.severity,
        prevalence=last.prevalence,
        region=region,
        comment="" if last.hidden_reason else last.comment,
        comment_language="" if last.hidden_reason else last.comment_language,
        revised=len(history) > 1,
        blind=first.judgement,
        blind_severity=first.severity,
    )


def handle_of(review: str, salt: str) -> str:
    """What moderators and the log of hidden comments name a review by.

    Not its id: that stands in the log beside its author, so whoever reads both could tell who wrote a comment.
    """
    return _token(salt, "comment", review)


def _token(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
