"""Who is asked to judge what: several people of a community about each finding, so that they may disagree.

Which findings: those with evidence first, in the order of the report, and scattered among them a share of others, so
that reviewers do not learn that whatever comes to them is so. Who: active reviewers and stewards of the community who
read the finding's language, those with the least to do first. Choices that are left are drawn by a seed; the same call
on the same desk asks nobody anything new.

Nobody is asked twice about one finding, not even by another community, and nobody who has already read what others
said of it (`has_seen`). Who skipped a finding, or left, is replaced by somebody else; who comes back may be asked
again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from audit.errors import DeskError
from audit.measures import INSTRUMENT
from audit.records import Verdict
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.library import GONE, OVERLAP, community_of, run_of
from audit.reviews.roles import IN_COMMUNITY, Action, permitted
from audit.reviews.seen import READ
from audit.reviews.tables import Assignment, Event, FindingRow, Grant, Person, Run

SHARE = 0.2  # of what a reviewer is asked about, findings without evidence
WITHOUT_EVIDENCE = 20  # findings given out of a run that has no evidence in a community's languages
FILLERS = (str(Verdict.NO_EVIDENCE), str(Verdict.INSUFFICIENT))  # not interpretable: there is nothing to judge


@dataclass(frozen=True, kw_only=True)
class Short:
    """A finding that too few people can judge."""

    finding: str
    asked: int  # people of the community who were asked and have not declined
    wanted: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """What assigning did."""

    run: str
    community: str
    findings: int  # that were to be judged
    new: int  # people x findings that were added
    released: int  # open ones taken from people who are no longer there
    short: tuple[Short, ...]


@dataclass(frozen=True)
class _Wanted:
    """A finding to be judged, and the languages that one must read for it: all of them, or any where several count."""

    id: str
    languages: frozenset[str]
    all_of_them: bool

    def readable(self, reads: Iterable[str]) -> bool:
        return self.languages <= set(reads) if self.all_of_them else bool(self.languages & set(reads))


def assign(
    db: Database,
    run: str,
    *,
    community: str,
    findings: Sequence[str] | None = None,
    overlap: int = OVERLAP,
    share: float = SHARE,
    at_most: int | None = None,
    seed: int,
    by: str,
) -> Assigned:
    """Ask the people of a community to judge findings of a run.

    Args:
        db: the desk.
        run: its id.
        community: in whose name they judge.
        findings: ids; None for all with evidence in the community's languages, and a share of others.
        overlap: people asked about each finding, 1 to 20.
        share: of all findings chosen, those without evidence; not used where `findings` are named.
        at_most: so many findings, those with evidence in the order of the report first; None for no limit.
        seed: of what is drawn.
        by: a steward of the community, an auditor or an admin.

    Raises:
        DeskError: no such run, community or finding, one in a language that the community does not review, or figures
            that make no sense.
        NotAllowedError: `by` may not assign reviews there.
    """
    if not 1 <= overlap <= 20 or not 0 <= share < 1 or (at_most is not None and at_most < 1):
        raise DeskError(
            f"assigning: overlap {overlap}, share {share}, at most {at_most}; overlap is 1 to 20, share 0 to below 1"
        )

    def work(session: Session) -> Assigned:
        permitted(session, by, Action.ASSIGN, community=community)
        about, theirs = run_of(session, run), community_of(session, community).languages
        possible = _possible(session, about, languages=theirs)
        if findings is None:
            chosen = _chosen(possible, share=share, at_most=at_most, seed=seed)
        else:
            chosen = _named(possible, findings, community=community)
        people = readers_of(session, community)
        released = _release(session, run, community=community, people=people)
        added, short = _shared_out(
            session, about, chosen, community=community, people=people, overlap=overlap, seed=seed
        )
        returned = _returned(session, run, added)
        for place, (person, finding) in enumerate(_in_queue_order(added, chosen), start=_last_place(session) + 1):
            row = returned.get((finding, person)) or Assignment(run_id=run, finding_id=finding, person_id=person)
            row.community, row.state, row.place = community, "open", place
            row.made_by, row.made_at, row.closed_at = by, db.now(), None
            session.add(row)
        done = Assigned(
            run=run, community=community, findings=len(chosen), new=len(added), released=released, short=short
        )
        if added or released:
            facts = {"community": community, "new": len(added), "released": released, "overlap": overlap, "seed": seed}
            events.append(session, at=db.now(), actor=by, kind="reviews assigned", subject=run, facts=facts)
        return done

    return db.in_write(work)


# --- which findings ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Possible:
    wanted: Mapping[str, _Wanted]  # in the order of the report
    verdicts: Mapping[str, str]
    checks: frozenset[str]  # of the instrument: no results, nobody's experience speaks to them


def _possible(session: Session, run: Run, *, languages: Sequence[str]) -> _Possible:
    """Findings of the run that people who read the community's languages can judge."""
    other = FindingRow.content["measurement"]["scope"]["other_language"].as_string()
    rows = session.execute(
        select(FindingRow.id, FindingRow.language, other.label("other"), FindingRow.verdict, FindingRow.measure)
        .where(FindingRow.run_id == run.id, FindingRow.place != GONE)
        .order_by(FindingRow.place)
    ).all()
    theirs = frozenset(languages)
    wanted: dict[str, _Wanted] = {}
    for row in rows:
        named = frozenset(code for code in (row.language, row.other) if code in run.languages)
        one = _Wanted(row.id, named or frozenset(run.languages) & theirs, bool(named))
        if one.languages and one.languages <= theirs:
            wanted[row.id] = one
    checks = frozenset(row.id for row in rows if row.measure in INSTRUMENT)
    return _Possible(wanted, {row.id: row.verdict for row in rows}, checks)


def _named(possible: _Possible, findings: Sequence[str], *, community: str) -> list[_Wanted]:
    for id_ in findings:
        if id_ not in possible.verdicts:
            raise DeskError(f"finding {id_!r}: not in this run; look for it among the findings")
        if id_ not in possible.wanted:
            raise DeskError(f"finding {id_}: {community} does not review its language; ask another community")
    return [possible.wanted[id_] for id_ in dict.fromkeys(findings)]


def _chosen(possible: _Possible, *, share: float, at_most: int | None, seed: int) -> list[_Wanted]:
    """Those with evidence in order, others scattered among them; by the seed alone, so that a second call agrees.

    Where there is no evidence in the community's languages, some of the others: that too is worth a judgement.
    """
    results = [id_ for id_ in possible.wanted if id_ not in possible.checks]
    evidence = [id_ for id_ in results if possible.verdicts[id_] == Verdict.EVIDENCE]
    others = [id_ for id_ in results if possible.verdicts[id_] in FILLERS]
    others.sort(key=lambda id_: drawn(seed, "filler", id_))
    n_others = round(len(evidence) * share / (1 - share)) if evidence else WITHOUT_EVIDENCE
    if at_most is not None and len(evidence) + min(n_others, len(others)) > at_most:
        n_others = min(round(at_most * share) if evidence else at_most, len(others))
        evidence = evidence[: at_most - n_others]
    mixed = {id_: float(place) for place, id_ in enumerate(evidence)}
    for id_ in others[:n_others]:
        mixed[id_] = int(drawn(seed, "place", id_)[:8], 16) / 16**8 * len(evidence)
    return [possible.wanted[id_] for id_ in sorted(mixed, key=lambda id_: (mixed[id_], id_))]


def drawn(seed: int, *what: str) -> str:
    """A number in hex that looks drawn at random and is the same on every machine."""
    return hashlib.sha256("\0".join([str(seed), *what]).encode()).hexdigest()


# --- who ---------------------------------------------------------------------------------------


def readers_of(session: Session, community: str) -> dict[str, list[str]]:
    """Active reviewers and stewards of the community -> languages they read."""
    rows = session.execute(
        select(Person.id, Person.reads)
        .join(Grant, Grant.person_id == Person.id)
        .where(Person.status == "active", Grant.community == community, Grant.role.in_([*map(str, IN_COMMUNITY)]))
        .order_by(Person.id)
    ).all()
    return {row.id: row.reads for row in rows}


def _release(session: Session, run: str, *, community: str, people: Mapping[str, object]) -> int:
    """Take open assignments from people who are no longer in the community, so that others get them."""
    left = session.scalars(
        select(Assignment).where(
            Assignment.run_id == run,
            Assignment.community == community,
            Assignment.state == "open",
            Assignment.person_id.not_in([*people]),
        )
    ).all()
    for assignment in left:
        assignment.state = "withdrawn"
    return len(left)


def _shared_out(
    session: Session,
    run: Run,
    chosen: Sequence[_Wanted],
    *,
    community: str,
    people: Mapping[str, Sequence[str]],
    overlap: int,
    seed: int,
) -> tuple[list[tuple[str, str]], tuple[Short, ...]]:
    """(person, finding) to be added, and the findings for which too few people are left.

    Findings that few can judge come first: were they last, those few would already be busy with what others could do.
    """
    session.flush()
    rows = session.execute(
        select(Assignment.finding_id, Assignment.person_id, Assignment.community, Assignment.state).where(
            Assignment.run_id == run.id
        )
    ).all()
    met = {(row.finding_id, row.person_id) for row in rows if row.state != "withdrawn"}
    counted = [row for row in rows if row.state in ("open", "done")]
    load = Counter(row.person_id for row in counted)
    asked = Counter(row.finding_id for row in counted if row.community == community)
    seen = _seen(session, run.id, people)
    added: list[tuple[str, str]] = []
    short: list[Short] = []
    readers = {one.id: [person for person in people if one.readable(people[person])] for one in chosen}
    for one in sorted(chosen, key=lambda one: (len(readers[one.id]), drawn(seed, "order", one.id))):
        free = [p for p in readers[one.id] if (one.id, p) not in met and not seen[p] & {"", one.id}]
        free.sort(key=lambda person: (load[person], drawn(seed, one.id, person)))
        picked = free[: max(0, overlap - asked[one.id])]
        load.update(picked)
        asked[one.id] += len(picked)
        added += [(person, one.id) for person in picked]
        if asked[one.id] < overlap:
            short.append(_short(one, asked[one.id], overlap, community=community, n_readers=len(readers[one.id])))
    order = {one.id: place for place, one in enumerate(chosen)}
    return added, tuple(sorted(short, key=lambda entry: order[entry.finding]))


def _seen(session: Session, run: str, people: Mapping[str, object]) -> dict[str, set[str]]:
    """Person -> findings of which they read what others said; "" for the whole run."""
    rows = session.execute(
        select(Event.actor, Event.subject).where(
            Event.kind == READ,
            Event.actor.in_([*people]),
            or_(Event.subject == run, Event.subject.startswith(f"{run}/", autoescape=True)),
        )
    ).all()
    seen: dict[str, set[str]] = {person: set() for person in people}
    for actor, subject in rows:
        seen[actor].add(subject.removeprefix(run).removeprefix("/"))
    return seen


def _short(one: _Wanted, asked: int, wanted: int, *, community: str, n_readers: int) -> Short:
    joined = (" and " if one.all_of_them else " or ").join(sorted(one.languages))
    fact = f"{n_readers} active in {community} read {joined}"
    if n_readers > asked:
        fact += f"; {n_readers - asked} of them skipped it, judged it elsewhere or read what others said"
    return Short(
        finding=one.id, asked=asked, wanted=wanted, reason=f"{fact}; invite more, or ask fewer about each finding"
    )


def _in_queue_order(added: Sequence[tuple[str, str]], chosen: Sequence[_Wanted]) -> list[tuple[str, str]]:
    order = {one.id: place for place, one in enumerate(chosen)}
    return sorted(added, key=lambda pair: (order[pair[1]], pair[0]))


def _returned(session: Session, run: str, added: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Assignment]:
    """(finding, person) -> what was taken from somebody who is back: a finding stands once in anybody's list."""
    people = {person for person, _ in added}
    rows = session.scalars(
        select(Assignment).where(
            Assignment.run_id == run, Assignment.state == "withdrawn", Assignment.person_id.in_(people)
        )
    )
    return {(row.finding_id, row.person_id): row for row in rows}


def _last_place(session: Session) -> int:
    return session.scalar(select(func.max(Assignment.place))) or 0
