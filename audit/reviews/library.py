"""The runs that can be judged here: brought in once, searched in SQL, opened one finding at a time.

The run folder stays the truth. The tables `runs` and `findings` are its index, made anew whenever its findings change;
a finding that people have judged, been asked to judge or contested stays in the table even when the run no longer has
it, out of sight (`GONE`), so that what they wrote keeps the thing it speaks of.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from audit import wording
from audit.catalogues import LANGUAGES
from audit.errors import DeskError, RunError
from audit.findings import from_json, to_plain
from audit.measures.people import LEAST
from audit.records import Evidence, Finding, Manifest, Verdict
from audit.reviews import events
from audit.reviews.contests import OPEN, open_marks
from audit.reviews.database import Database
from audit.reviews.roles import Action, permitted
from audit.reviews.seen import waiting
from audit.reviews.tables import Assignment, Community, Contest, FindingRow, Person, Review, Run
from audit.reviews.words import clean
from audit.runs import RunFolder, manifest_from_dict, sha256_of

GONE = -1  # the place of a finding that its run no longer has
OVERLAP = 3  # people of a community asked about each finding, so that they may disagree
SHOWN_ITEMS = 12
PER_PAGE_MOST = 200
MOST_AT_ONCE = 1000  # ids in one query


# --- bringing a run in -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A finding that people spoke of and the run no longer has."""

    finding: str
    reviews: int  # people whose judgement is kept
    contests: int


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What bringing a run in did."""

    run: str
    model: str
    languages: tuple[str, ...]
    findings: int
    outcome: str  # imported | unchanged | indexed again
    gone: tuple[Gone, ...]


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run as the desk lists it."""

    id: str
    model: str
    languages: tuple[str, ...]
    findings: int
    imported_at: datetime


def import_run(db: Database, folder: Path, *, by: str | None) -> RunSummary:
    """Index a complete run, or index it anew where its findings have changed.

    Reviews hang on a finding's id, which is a digest of what the finding rests on: one that rests on the same evidence
    keeps its reviews, and those of one that is gone are named in the summary.

    Args:
        db: the desk.
        folder: a run folder.
        by: an auditor or admin; None for the command line.

    Raises:
        RunError: the run is not complete, was changed after it was sealed, or is of another version.
        NotAllowedError: `by` may not bring runs.
    """
    manifest, findings, digest = _read(folder)

    def work(session: Session) -> RunSummary:
        if by is not None:
            permitted(session, by, Action.IMPORT_RUN)
        known = session.get(Run, manifest.run_id)
        if known is not None and known.findings_sha256 == digest:
            known.folder = str(folder.resolve())  # the folder may have moved
            return _summary(session, known, "unchanged")
        outcome = "imported" if known is None else "indexed again"
        run = known or Run(id=manifest.run_id)
        run.folder, run.model = str(folder.resolve()), manifest.model.name
        run.languages, run.findings_sha256, run.imported_at = list(manifest.languages), digest, db.now()
        session.add(run)
        session.flush()
        _index(session, manifest, findings)
        summary = _summary(session, run, outcome)
        facts = {"findings": len(findings), "sha256": digest, "gone": [gone.finding for gone in summary.gone]}
        events.append(
            session, at=db.now(), actor=by or events.COMMAND_LINE, kind=f"run {outcome}", subject=run.id, facts=facts
        )
        return summary

    return db.in_write(work)


def runs(db: Database, *, by: str) -> tuple[RunView, ...]:
    """The runs that are here, the one brought last first.

    Raises:
        NotAllowedError: `by` may not read findings.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        here = func.count(FindingRow.id).filter(FindingRow.place != GONE)
        rows = session.execute(
            select(Run, here)
            .outerjoin(FindingRow, FindingRow.run_id == Run.id)
            .group_by(Run.id)
            .order_by(Run.imported_at.desc(), Run.id)
        ).all()
        return tuple(
            RunView(id=run.id, model=run.model, languages=tuple(run.languages), findings=n, imported_at=run.imported_at)
            for run, n in rows
        )


def _read(folder: Path) -> tuple[Manifest, tuple[Finding, ...], str]:
    run = RunFolder(folder)
    if not run.complete:
        raise RunError(f"{folder}: the run is not complete; end it first: plural-audit run")
    run.require_undamaged()
    manifest = manifest_from_dict(json.loads((folder / "evidence.json").read_bytes())["manifest"])
    file = folder / "findings.json"
    return manifest, from_json(file.read_text(encoding="utf-8")), sha256_of(file)


def _index(session: Session, manifest: Manifest, findings: Sequence[Finding]) -> None:
    """Make the table of findings what findings.json says; what people spoke of stays, out of sight."""
    known = {row.id: row for row in session.scalars(select(FindingRow).where(FindingRow.run_id == manifest.run_id))}
    for place, finding in enumerate(findings):
        row = known.pop(finding.id, None) or FindingRow(run_id=manifest.run_id, id=finding.id)
        for name, value in _columns(finding, manifest).items():
            setattr(row, name, value)
        row.place = place
        session.add(row)
    spoken_of = _spoken_of(session, manifest.run_id)
    for row in known.values():
        row.place = GONE
    session.flush()
    idle = [id_ for id_ in known if id_ not in spoken_of]
    if idle:
        session.execute(delete(FindingRow).where(FindingRow.run_id == manifest.run_id, FindingRow.id.in_(idle)))
    for assignment in session.scalars(
        select(Assignment)
        .join(FindingRow, and_(FindingRow.run_id == Assignment.run_id, FindingRow.id == Assignment.finding_id))
        .where(Assignment.run_id == manifest.run_id, Assignment.state == "open", FindingRow.place == GONE)
    ):
        assignment.state = "withdrawn"


def _columns(finding: Finding, manifest: Manifest) -> dict[str, Any]:
    scope = finding.measurement.scope
    return {
        "measure": finding.measurement.measure,
        "suite": scope.suite,
        "language": scope.language,
        "topic": scope.topic,
        "culture": scope.culture,
        "framework": scope.framework,
        "verdict": str(finding.verdict),
        "confirmatory": finding.confirmatory,
        "sentence": str(finding.sentence),
        "searched": _searched(finding, manifest),
        "content": json.loads(json.dumps(to_plain(finding), ensure_ascii=False)),
    }


def _searched(finding: Finding, manifest: Manifest) -> str:
    """What a search looks in: the sentence, the caveats, and the ids and names of what the finding speaks of."""
    scope = vars(finding.measurement.scope)
    labels = {key: label for suite in manifest.suites for key, label in suite.labels.items()}
    named = [value for value in scope.values() if value]
    words = [finding.id, finding.sentence, *finding.caveats, finding.measurement.measure, *named]
    words += [labels[value] for value in named if value in labels]
    for language in LANGUAGES:  # readers search in the language that they read it in
        with wording.speaking(language):
            words.append(wording.spoken(finding.sentence))
    return folded(" \n".join(dict.fromkeys(words)))


def folded(text: str) -> str:
    """Text as it is searched: one form of each letter, no difference of case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _spoken_of(session: Session, run: str) -> set[str]:
    kinds: tuple[type[Review] | type[Assignment] | type[Contest], ...] = (Review, Assignment, Contest)
    return {id_ for kind in kinds for id_ in session.scalars(select(kind.finding_id).where(kind.run_id == run))}


def _summary(session: Session, run: Run, outcome: str) -> RunSummary:
    rows = session.execute(
        select(FindingRow.id, FindingRow.place).where(FindingRow.run_id == run.id).order_by(FindingRow.id)
    ).all()
    gone = [id_ for id_, place in rows if place == GONE]
    reviews = _count(session, Review, func.count(func.distinct(Review.person_id)), run.id)
    contests = _count(session, Contest, func.count(), run.id)
    return RunSummary(
        run=run.id,
        model=run.model,
        languages=tuple(run.languages),
        findings=len(rows) - len(gone),
        outcome=outcome,
        gone=tuple(
            Gone(finding=id_, reviews=reviews.get(id_, 0), contests=contests.get(id_, 0))
            for id_ in gone
            if id_ in reviews or id_ in contests
        ),
    )


def _count(session: Session, kind: type[Review] | type[Contest], what: Any, run: str) -> dict[str, int]:
    counted = session.execute(select(kind.finding_id, what).where(kind.run_id == run).group_by(kind.finding_id))
    return {row[0]: row[1] for row in counted}


# --- searching ---------------------------------------------------------------------------------


class Order(StrEnum):
    """In which order a page lists findings."""

    REPORT = "as in the report"
    FEWEST = "fewest reviews first"
    MOST = "most reviews first"


@dataclass(frozen=True, kw_only=True)
class Query:
    """What a person looks for among the findings of a run; "" and False ask nothing."""

    run: str
    text: str = ""  # words that must all occur
    language: str = ""
    measure: str = ""
    verdict: str = ""
    community: str = ""  # findings in the languages it reviews
    topic: str = ""
    needs_review: bool = False  # evidence, or asked for, and judged by fewer than OVERLAP people (of the community)
    contested: bool = False
    confirmatory_only: bool = False
    order: Order = Order.REPORT
    page: int = 1
    per_page: int = 50


@dataclass(frozen=True, kw_only=True)
class Row:
    """A finding in a list."""

    id: str
    measure: str
    suite: str
    language: str
    topic: str
    culture: str
    framework: str
    verdict: Verdict
    confirmatory: bool
    sentence: str
    reviews: int | None  # people who judged it; None: one or two, too few to say how many
    contest: str  # state of the contest that marks it, or ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some findings, and how many there are of each kind under the other filters."""

    rows: tuple[Row, ...]
    total: int
    page: int  # from 1; the last one where a later one was asked for
    pages: int
    facets: Mapping[str, Mapping[str, int]]  # language, measure, verdict, topic -> value -> findings


FACETS = ("language", "measure", "verdict", "topic")


def find(db: Database, query: Query, *, by: str) -> Page:
    """One page of the findings of a run that fit a query.

    Raises:
        DeskError: no such run or community, or a page that makes no sense.
        NotAllowedError: `by` may not read findings.
    """
    if not 1 <= query.per_page <= PER_PAGE_MOST or query.page < 1:
        raise DeskError(f"findings: page {query.page} of {query.per_page}; ask from page 1, 1 to {PER_PAGE_MOST} rows")
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        run_of(session, query.run)
        conditions = _conditions(session, query)
        total = session.scalar(select(func.count()).select_from(FindingRow).where(*conditions.values())) or 0
        pages = max(1, math.ceil(total / query.per_page))
        page = min(query.page, pages)
        return Page(
            rows=_rows(session, query, conditions.values(), offset=(page - 1) * query.per_page, by=by),
            total=total,
            page=page,
            pages=pages,
            facets={name: _facet(session, name, conditions) for name in FACETS},
        )


def run_of(session: Session, run: str) -> Run:
    """The row of a run.

    Raises:
        DeskError: no such run here.
    """
    row = session.get(Run, run)
    if row is None:
        raise DeskError(f"run {run!r}: not at this desk; an auditor can bring it")
    return row


def row_of(session: Session, run: str, finding: str) -> FindingRow:
    """The row of a finding that the run has.

    Raises:
        DeskError: no such finding, or one that the run no longer has.
    """
    row = session.get(FindingRow, (run, finding))
    if row is None or row.place == GONE:
        raise DeskError(f"finding {finding!r} of run {run!r}: not at this desk; look for it among the findings")
    return row


def community_of(session: Session, community: str) -> Community:
    """The row of a community.

    Raises:
        DeskError: no such community.
    """
    row = session.get(Community, community)
    if row is None:
        raise DeskError(f"community {community!r}: not at this desk; an admin can add it")
    return row


def _conditions(session: Session, query: Query) -> dict[str, ColumnElement[bool]]:
    """What a row must fulfil, each under the name of its filter."""
    conditions: dict[str, ColumnElement[bool]] = {
        "run": and_(FindingRow.run_id == query.run, FindingRow.place != GONE),
    }
    words = folded(clean(query.text, what="search", limit=200)).split()
    if words:
        conditions["text"] = and_(*(FindingRow.searched.contains(word, autoescape=True) for word in words))
    for name in FACETS:
        if wanted := getattr(query, name):
            conditions[name] = getattr(FindingRow, name) == wanted
    if query.community:
        languages = community_of(session, query.community).languages
        conditions["community"] = FindingRow.language.in_(["", *languages])
    if query.confirmatory_only:
        conditions["confirmatory"] = FindingRow.confirmatory.is_(True)
    if query.contested:
        conditions["contested"] = exists().where(*_contests())
    if query.needs_review:
        asked = exists().where(*_of_row(Assignment), Assignment.state == "open", *_in(Assignment, query.community))
        evidence = FindingRow.verdict == str(Verdict.EVIDENCE)
        conditions["needs_review"] = and_(or_(evidence, asked), _judged(query.community) < OVERLAP)
    return conditions


def _of_row(kind: type[Assignment] | type[Review] | type[Contest]) -> tuple[ColumnElement[bool], ...]:
    return kind.run_id == FindingRow.run_id, kind.finding_id == FindingRow.id


def _in(kind: type[Assignment] | type[Review], community: str) -> tuple[ColumnElement[bool], ...]:
    return (kind.community == community,) if community else ()


def _contests() -> tuple[ColumnElement[bool], ...]:
    return *_of_row(Contest), Contest.state.in_(OPEN)


def _judged(community: str = "") -> ColumnElement[int]:
    """How many people judged the finding of a row (of one community)."""
    return (
        select(func.count(func.distinct(Review.person_id)))
        .where(*_of_row(Review), Review.erased_at.is_(None), *_in(Review, community))
        .correlate(FindingRow)
        .scalar_subquery()
    )


def _rows(
    session: Session, query: Query, conditions: Iterable[ColumnElement[bool]], *, offset: int, by: str
) -> tuple[Row, ...]:
    judged = _judged()
    # One and two are not told apart, so they must not sort apart either.
    sorted_by = case((judged == 0, 0), (judged < LEAST, 1), else_=judged)
    orders: dict[Order, list[ColumnElement[Any]]] = {Order.FEWEST: [sorted_by], Order.MOST: [sorted_by.desc()]}
    names = ("id", "measure", "suite", "language", "topic", "culture", "framework", "confirmatory")
    marks, cards = open_marks(session, query.run), waiting(session, by)
    rows = session.execute(
        select(
            *(getattr(FindingRow, name) for name in names),
            FindingRow.verdict,
            FindingRow.content["sentence"].label("sentence"),
            judged.label("judged"),
        )
        .where(*conditions)
        .order_by(*orders.get(query.order, []), FindingRow.place)
        .offset(offset)
        .limit(query.per_page)
    ).all()
    return tuple(
        Row(
            **{name: getattr(row, name) for name in names},
            verdict=Verdict(row.verdict),
            sentence=wording.restored(row.sentence),
            reviews=None if (query.run, row.id) in cards else told_count(row.judged),
            contest="" if (query.run, row.id) in cards else marks.get(row.id, ""),
        )
        for row in rows
    )


def told_count(people: int) -> int | None:
    """How many people, unless that would say something about one or two of them."""
    return people if people == 0 or people >= LEAST else None


def _facet(session: Session, name: str, conditions: Mapping[str, ColumnElement[bool]]) -> dict[str, int]:
    column = getattr(FindingRow, name)
    others = [condition for key, condition in conditions.items() if key != name]
    counted = session.execute(select(column, func.count()).where(*others).group_by(column).order_by(column)).all()
    return {value: n for value, n in counted if value}


# --- one finding -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer that competes after a prompt."""

    role: str
    spellings: tuple[str, ...]  # as they continue the prompt
    share: float | None  # of the probability of all answers of this prompt; None where it was not scored


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What the model was asked."""

    context: str
    text: str
    slot: tuple[int, int] | None  # characters of `text` that differ between the prompts of the item
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class ItemView:
    """An item behind a finding, in one language."""

    id: str  # "suite/item"
    language: str
    control: bool
    origin: str  # native | adapted | translated
    author: str  # person | machine
    reviewed: int
    source: str
    quarantine: str
    withheld: bool  # the licence forbids to copy its words
    prompts: tuple[Prompt, ...]
    gloss: tuple[Prompt, ...]  # the same in English; () where it is English, or has none


@dataclass(frozen=True, kw_only=True)
class FindingView:
    """A finding with the words behind it."""

    run: str
    model: str
    finding: Finding
    languages: tuple[str, ...]  # in which the items are shown
    items: tuple[ItemView, ...]  # at most SHOWN_ITEMS, spread over all of them
    more: int  # items that are not shown
    reviews: int | None  # people who judged it; None: one or two
    contest: str  # state of the contest that marks it, or ""


def finding(db: Database, run: str, id_: str, *, by: str) -> FindingView:
    """One finding, its items' words and what the model made of them.

    Raises:
        DeskError: no such finding here.
        RunError: the run folder is not where it was, or not what was gathered.
        NotAllowedError: `by` may not read findings.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        view = view_of(session, run, id_, reader=by)
        return replace(view, contest="", reviews=None) if (run, id_) in waiting(session, by) else view


def findings(db: Database, run: str, ids: Iterable[str], *, by: str) -> dict[str, Finding]:
    """Several findings of a run by id, those that it has.

    Raises:
        DeskError: no such run here.
        NotAllowedError: `by` may not read findings.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        run_of(session, run)
        return read_findings(session, run, ids)


def read_findings(session: Session, run: str, ids: Iterable[str]) -> dict[str, Finding]:
    """As `findings`, for whoever has asked already whether it is allowed."""
    wanted = list(ids)
    contents: list[Any] = []
    for start in range(0, len(wanted), MOST_AT_ONCE):
        chosen = select(FindingRow.content).where(
            FindingRow.run_id == run, FindingRow.id.in_(wanted[start : start + MOST_AT_ONCE]), FindingRow.place != GONE
        )
        contents += session.scalars(chosen).all()
    return {one.id: one for one in from_json(json.dumps(contents))}


def evidence_of(db: Database, run: str, *, by: str) -> Evidence:
    """The evidence of a run, for charts of what is inside the model. Read once and kept; nobody writes into it.

    Raises:
        DeskError: no such run here.
        RunError: the run folder is not where it was, or not what was gathered.
        NotAllowedError: `by` may not read findings.
    """
    with db.read() as session:
        permitted(session, by, Action.READ_FINDINGS)
        folder = run_of(session, run).folder
    return _shelf(run, folder).evidence


def view_of(session: Session, run: str, id_: str, *, reader: str) -> FindingView:
    """The view of a finding for somebody who may read it: several languages are narrowed to one that they read."""
    row, about = row_of(session, run, id_), run_of(session, run)
    found = from_json(json.dumps([row.content]))[0]
    shelf = _shelf(run, about.folder)
    languages = _languages(found, run=about, reader=session.get_one(Person, reader))
    keys = [item for item in found.measurement.items if any(shelf.has(item, language) for language in languages)]
    shown = spread(keys, most=max(1, SHOWN_ITEMS // len(languages)))
    judged = session.scalar(select(_judged()).where(FindingRow.run_id == run, FindingRow.id == id_)) or 0
    return FindingView(
        run=run,
        model=about.model,
        finding=found,
        languages=languages,
        items=tuple(shelf.item(key, lang) for key in shown for lang in languages if shelf.has(key, lang)),
        more=len(found.measurement.items) - len(shown),
        reviews=told_count(judged),
        contest=open_marks(session, run).get(id_, ""),
    )


def _languages(found: Finding, *, run: Run, reader: Person) -> tuple[str, ...]:
    scope = found.measurement.scope
    if named := tuple(dict.fromkeys(code for code in (scope.language, scope.other_language) if code in run.languages)):
        return named
    read = [code for code in reader.reads if code in run.languages]
    return tuple([*read, *(code for code in ("en",) if code in run.languages), *run.languages][:1])


def spread(things: Sequence[str], *, most: int) -> list[str]:
    """At most `most` of them, evenly spaced: the first ones alone would all be of one kind."""
    n = min(most, len(things))
    return [things[place * len(things) // n] for place in range(n)]


class _Shelf:
    """The evidence of one run, with its items found by id and language."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        items = evidence.items
        keys = zip(items["suite"], items["item"], items["language"], strict=True)
        self._row = {(f"{suite}/{item}", language): place for place, (suite, item, language) in enumerate(keys)}
        self._scored: dict[tuple[str, str, str], dict[str, float]] = {}
        seen = evidence.observations
        names = ("suite", "item", "language", "context", "answer", "logp")
        for suite, item, language, context, answer, logp in zip(*(seen[name] for name in names), strict=True):
            self._scored.setdefault((f"{suite}/{item}", language, context), {})[answer] = float(logp)

    def has(self, item: str, language: str) -> bool:
        return (item, language) in self._row

    def item(self, item: str, language: str) -> ItemView:
        row = self.evidence.items.iloc[self._row[item, language]]
        return ItemView(
            id=item,
            language=language,
            control=bool(row["control"]),
            origin=row["origin"],
            author=row["author"],
            reviewed=int(row["reviewed"]),
            source=row["source"],
            quarantine=row["quarantine"],
            withheld=not row["texts"],
            prompts=self._prompts(item, language),
            gloss=self._prompts(item, "en") if language != "en" and self.has(item, "en") else (),
        )

    def _prompts(self, item: str, language: str) -> tuple[Prompt, ...]:
        texts = self.evidence.items["texts"].iloc[self._row[item, language]]
        asks = json.loads(texts) if texts else []
        return tuple(
            Prompt(
                context=ask["context"],
                text=ask["prompt"],
                slot=tuple(ask["slot"]) if ask.get("slot") else None,
                answers=_answers(ask["answers"], self._scored.get((item, language, ask["context"]), {})),
            )
            for ask in asks
        )


def _answers(answers: Mapping[str, Sequence[str]], scored: Mapping[str, float]) -> tuple[Answer, ...]:
    finite = {role: logp for role, logp in scored.items() if math.isfinite(logp)}
    top = max(finite.values(), default=0.0)
    total = sum(math.exp(logp - top) for logp in finite.values())
    return tuple(
        Answer(
            role=role,
            spellings=tuple(spellings),
            share=math.exp(finite[role] - top) / total if role in finite else None,
        )
        for role, spellings in answers.items()
    )


def _shelf(run: str, folder: str) -> _Shelf:
    file = Path(folder) / "evidence.json"
    if not file.is_file():
        raise RunError(f"run {run}: no longer in its folder; bring the run again from where it is now")
    return _read_shelf(folder, hashlib.sha256(file.read_bytes()).hexdigest())


@lru_cache(maxsize=4)  # an app shows few runs at a time; a changed digest is another entry
def _read_shelf(folder: str, digest: str) -> _Shelf:
    del digest
    return _Shelf(RunFolder(Path(folder)).read_evidence())
