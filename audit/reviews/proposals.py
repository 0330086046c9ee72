"""Pairs that people propose to ask, in their own language, and what other readers of the language say of them.

    draft, returned  --submit-->  submitted  --two others accept, no refusal stands unanswered-->  accepted
                                  submitted  --one asks for a change-->  returned, with their words
    draft, returned, submitted, accepted and not yet in a suite  --withdraw-->  withdrawn

Only who wrote a pair edits, submits and withdraws it, and never reviews it. A review counts for the words it was given
on: once a pair is submitted again it needs new ones. A refusal stands in the way until who proposed the pair has
answered its reasons; refusal and answer stay beside the pair, also once it is accepted.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.errors import ConflictError, DeskError, NotAllowedError, SuiteError, UsageError
from audit.reviews import events
from audit.reviews.database import Database
from audit.reviews.roles import Action, Actor, permitted
from audit.reviews.tables import Person, Proposal, ProposalReview, new_id
from audit.reviews.terms import require_agreed
from audit.reviews.words import clean
from audit.suites.files import NOTE, REFUSE, Problem, Source, SuiteFiles
from audit.suites.languages import language as known_language
from audit.suites.languages import language_name
from audit.suites.lint import examine
from audit.suites.pair_text import Slot, parse_answer, parse_slot
from audit.suites.schema import StereotypeFile, StereotypeSuite

ACCEPTING = 2  # others who must accept a pair
LIMITS: Mapping[str, int] = {
    "topic": 60,
    "template": 400,
    "answer_a": 80,
    "answer_b": 80,
    "gloss": 400,
    "source": 1000,
    "region": 80,
}  # characters
MOST_REGIONS = 10
JUDGEMENTS = ("accept", "change", "refuse")
WHERE = "this pair"  # the place that a problem names
# Rules on a suite as a whole, or on what a person does not write.
_NOT_OF_A_PAIR = frozenset({"controls", "labels", "template"})


@dataclass(frozen=True, kw_only=True)
class PairText:
    """What a person writes of a pair. Answers without the space before them: the language puts it there."""

    community: str
    language: str  # BCP 47
    topic: str
    template: str  # "The {nurse|engineer} said that"
    answer_a: str  # what the stereotype ties to the first word of the slot; alternatives separated by bars
    answer_b: str
    gloss: str = ""  # in English, with the same slot
    source: str = ""  # who holds the stereotype to exist
    regions: tuple[str, ...] = ()  # where


@dataclass(frozen=True, kw_only=True)
class ReviewOfPair:
    """What another reader said of a pair."""

    by: str  # pseudonym
    mine: bool
    judgement: str  # accept | change | refuse; "" where its author withdrew consent
    words: str
    answer: str  # of who proposed the pair, to a refusal
    at: datetime
    counts: bool  # given on the words that stand now


@dataclass(frozen=True, kw_only=True)
class ProposalView:
    """A proposed pair as one person sees it."""

    id: str
    pair: PairText
    state: str  # draft | submitted | accepted | returned | withdrawn
    proposer: str  # pseudonym
    mine: bool
    effect: Mapping[str, Any] | None  # what the last trial of these words said, and of which model
    published: str  # the suite version that carries it: "nairobi-sw 2"
    reviews: tuple[ReviewOfPair, ...]
    may_review: bool
    made_at: datetime
    version: int  # to be given back with a change


# --- writing a pair --------------------------------------------------------------------------


def propose(db: Database, pair: PairText, *, submission: str, by: str) -> ProposalView:
    """Begin a pair as a draft, which nobody else sees. The same submission again gives back the same draft.

    Raises:
        NotAllowedError: no role that proposes in that community.
        DeskError: a text that is too long or holds control characters.
    """
    written, once = _cleaned(pair), clean(submission, what="submission", limit=80)

    def work(session: Session) -> ProposalView:
        actor = permitted(session, by, Action.PROPOSE, community=written.community)
        require_agreed(session, by)
        row = session.scalar(select(Proposal).where(Proposal.submission == once))
        if row is not None and row.person_id != by:
            raise ConflictError("submission: another person's form has this number; open the form again")
        if row is None:
            row = Proposal(
                id=new_id(), person_id=by, state="draft", submission=once, made_at=db.now(), **_fields(written)
            )
            session.add(row)
            _tell(session, row, "proposal drafted", by=by, at=db.now())
        return _view(session, row, actor=actor)

    return db.in_write(work)


def edit(db: Database, proposal: str, pair: PairText, *, version: int, by: str) -> ProposalView:
    """Change a pair that is a draft or was returned. What a trial said of other words is forgotten.

    Raises:
        NotAllowedError: not theirs, or no role that proposes in that community.
        ConflictError: it changed since they saw it; nothing was written.
        DeskError: no such pair, not one that can be edited now, or a text that is too long.
    """
    written = _cleaned(pair)

    def work(session: Session) -> ProposalView:
        actor = permitted(session, by, Action.PROPOSE, community=written.community)
        row = _own(session, proposal, states=("draft", "returned"), to="edited", version=version, actor=actor)
        if text_of(row) != written:
            if _asked(text_of(row)) != _asked(written):
                row.effect = None
            for name, value in _fields(written).items():
                setattr(row, name, value)
            _tell(session, row, "proposal edited", by=by, at=db.now())
        return _view(session, row, actor=actor)

    return db.in_write(work)


def submit(db: Database, proposal: str, *, version: int, by: str) -> ProposalView:
    """Give a pair to the other readers of its language.

    Raises:
        NotAllowedError: not theirs, or no role that proposes.
        ConflictError: it changed since they saw it; nothing was written.
        DeskError: no such pair, not one that can be submitted now, the linter objects, or it is proposed already.
    """

    def work(session: Session) -> ProposalView:
        actor = permitted(session, by, Action.PROPOSE)
        require_agreed(session, by)
        row = _own(session, proposal, states=("draft", "returned"), to="submitted", version=version, actor=actor)
        pair = text_of(row)
        _require_sound(pair, reads=session.get_one(Person, by).reads)
        _require_new(session, row, pair)
        row.state, row.submitted_at = "submitted", db.now()
        _tell(session, row, "proposal submitted", by=by, at=db.now())
        return _view(session, row, actor=actor)

    return db.in_write(work)


def withdraw(db: Database, proposal: str, *, version: int, by: str) -> ProposalView:
    """Take one's own pair back, as long as no suite carries it.

    Raises:
        NotAllowedError: not theirs, or no role that proposes.
        ConflictError: it changed since they saw it; nothing was written.
        DeskError: no such pair, or withdrawn or published already.
    """

    def work(session: Session) -> ProposalView:
        actor = permitted(session, by, Action.PROPOSE)
        standing = ("draft", "returned", "submitted", "accepted")
        row = _own(session, proposal, states=standing, to="withdrawn", version=version, actor=actor)
        if row.published:
            raise DeskError(f"{_name(row)}: is in {row.published} already; withdraw consent to have its words removed")
        row.state = "withdrawn"
        _tell(session, row, "proposal withdrawn", by=by, at=db.now())
        return _view(session, row, actor=actor)

    return db.in_write(work)


# --- reviewing a pair ------------------------------------------------------------------------


def review_proposal(
    db: Database, proposal: str, *, judgement: str, version: int, by: str, words: str = ""
) -> ProposalView:
    """Accept another person's pair, ask for a change, or refuse it. A later review of one person replaces the earlier.

    Args:
        db: the desk.
        proposal: its id.
        judgement: accept | change | refuse.
        version: of the pair as the person saw it: a review is of words.
        by: id of the person.
        words: why; needed to ask for a change or to refuse.

    Raises:
        NotAllowedError: no role that reviews pairs, their own pair, or a language they do not read.
        ConflictError: it changed since they saw it; nothing was written.
        DeskError: no such pair, not one under review, no such judgement, or no words.
    """
    said = clean(words, what="reasons")
    if judgement not in JUDGEMENTS:
        raise DeskError(f"judgement {judgement!r}: no judgement of a pair; choose {', '.join(JUDGEMENTS)}")
    if judgement != "accept" and not said:
        raise DeskError(f"reasons: empty; to {judgement} a pair needs words that its author can answer")

    def work(session: Session) -> ProposalView:
        actor = permitted(session, by, Action.REVIEW_PROPOSAL)
        require_agreed(session, by)
        row = _row(session, proposal)
        if reason := _why_no_review(session, row, actor):
            raise NotAllowedError(f"{_name(row)}: {reason}")
        review = session.get(ProposalReview, (row.id, by))
        if review is None or not _counts(row, review) or (review.judgement, review.words) != (judgement, said):
            _require_version(row, version)
            if row.state != "submitted":
                raise DeskError(f"{_name(row)}: is {row.state}; only a submitted pair is reviewed")
            _reviewed(session, row, review, judgement=judgement, words=said, by=by, at=db.now())
        return _view(session, row, actor=actor)

    return db.in_write(work)


def answer_refusal(db: Database, proposal: str, *, reviewer: str, words: str, by: str) -> ProposalView:
    """Answer the reasons of a refusal, which then no longer stands in the way; both stay beside the pair.

    Args:
        db: the desk.
        proposal: its id.
        reviewer: pseudonym of who refused.
        words: the answer.
        by: id of who proposed the pair.

    Raises:
        NotAllowedError: not theirs, or no role that proposes.
        DeskError: no such pair or refusal, or no words.
    """
    said = clean(words, what="answer")
    if not said:
        raise DeskError("answer: empty; say what you hold of the reasons")

    def work(session: Session) -> ProposalView:
        actor = permitted(session, by, Action.PROPOSE)
        row = _own(session, proposal, states=("submitted",), to="defended", version=None, actor=actor)
        review = session.scalar(
            select(ProposalReview)
            .join(Person, Person.id == ProposalReview.person_id)
            .where(ProposalReview.proposal_id == row.id, Person.pseudonym == reviewer)
        )
        if review is None or review.judgement != "refuse" or not _counts(row, review):
            raise DeskError(f"{_name(row)}: {reviewer} has not refused these words; choose a refusal that stands")
        if review.answer != said:
            review.answer = said
            _accept_if_ready(session, row)
            facts = {"reviewer": review.person_id, "state": row.state, **events.seal(session, review)}
            events.append(session, at=db.now(), actor=by, kind="refusal answered", subject=row.id, facts=facts)
        return _view(session, row, actor=actor)

    return db.in_write(work)


# --- reading ---------------------------------------------------------------------------------


def proposal(db: Database, proposal: str, *, by: str) -> ProposalView:
    """One pair.

    Raises:
        NotAllowedError: no role at the desk.
        DeskError: no such pair, or another person's that is not submitted.
    """
    with db.read() as session:
        actor = permitted(session, by, Action.READ_FINDINGS)
        row = _row(session, proposal)
        if not _seen_by(row, actor):
            raise DeskError(f"{_name(row)}: its author has not submitted it; choose one from the list")
        return _view(session, row, actor=actor)


def proposals(
    db: Database, *, by: str, state: str | None = None, language: str | None = None
) -> tuple[ProposalView, ...]:
    """One's own pairs, and those of others that were submitted or accepted; the newest first.

    Raises:
        NotAllowedError: no role at the desk.
    """
    chosen = select(Proposal).where(Proposal.erased_at.is_(None)).order_by(Proposal.made_at.desc(), Proposal.id)
    if state is not None:
        chosen = chosen.where(Proposal.state == state)
    if language is not None:
        chosen = chosen.where(Proposal.language == language)
    with db.read() as session:
        actor = permitted(session, by, Action.READ_FINDINGS)
        return tuple(_view(session, row, actor=actor) for row in session.scalars(chosen) if _seen_by(row, actor))


def to_review(db: Database, *, by: str) -> tuple[ProposalView, ...]:
    """Pairs of others, in languages the person reads, that they have not reviewed as they stand; the oldest first.

    Raises:
        NotAllowedError: no role at the desk.
    """
    waiting = [one for one in proposals(db, by=by, state="submitted") if one.may_review]
    return tuple(one for one in reversed(waiting) if not any(review.mine and review.counts for review in one.reviews))


def keep_effect(session: Session, proposal: str, *, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Keep what a trial said beside the pair, if its words are still those that were tried; says whether they were."""
    row = session.get(Proposal, proposal)
    if row is None or row.erased_at is not None or _asked(text_of(row)) != dict(asked):
        return False
    row.effect = dict(answer)
    return True


def asked_of(session: Session, proposal: str, *, by: str) -> dict[str, Any]:
    """What a trial of a pair asks the model: template, answers, language.

    Raises:
        DeskError: no such pair, or another person's that is not submitted.
    """
    row = _row(session, proposal)
    if row.person_id != by and row.state not in _SHOWN:
        raise DeskError(f"{_name(row)}: its author has not submitted it; choose one from the list")
    return _asked(text_of(row))


# --- the linter ------------------------------------------------------------------------------


def lint(pair: PairText, *, reads: Collection[str] | None = None) -> tuple[Problem, ...]:
    """What is wrong with a pair, as its author writes it: the rules for suites, and those for a person.

    Args:
        pair: as written so far.
        reads: languages that its author reads; None leaves that out.

    Returns:
        Problems in the order in which to mend them. `refuse` and `quarantine` keep a pair from being submitted.
    """
    problems = [*_limits_passed(pair), *_wrong_language(pair, reads)]
    slot, unreadable = _slot(pair)
    problems += [*unreadable, *_unreadable_answers(pair)]
    if slot is not None and not problems:
        problems = _one_item(pair)
    return tuple(problems)


def item_of(pair: PairText, id_: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A pair as an item of a stereotype suite: its table in suite.toml, and in <language>.toml.

    Raises:
        UsageError: the template or an answer cannot be read.
    """
    slot = parse_slot(pair.template)
    base, counterpart = groups_of(id_)
    design = {
        "id": id_,
        "topic": pair.topic,
        "base_group": base,
        "counterpart_group": counterpart,
        "regions": list(pair.regions),
        "source": pair.source,
    }
    words = {
        "id": id_,
        "text": slot.before + "{}" + slot.after,
        "base": slot.base,
        "counterpart": slot.counterpart,
        "a": list(answers_of(pair.answer_a)),
        "b": list(answers_of(pair.answer_b)),
    }
    return design, words


def groups_of(id_: str) -> tuple[str, str]:
    """Ids of the two groups of a pair: people name them in words, so each pair has its own."""
    return f"{id_}-base", f"{id_}-counterpart"


def answers_of(text: str) -> tuple[str, ...]:
    """The alternatives of an answer as suites write them: without spaces around.

    Raises:
        UsageError: an alternative is empty.
    """
    return tuple(alternative.strip() for alternative in parse_answer(text))


def names_of(pair: PairText) -> tuple[str, str]:
    """What the two groups are called in English: by the gloss where it has a slot, else as in the pair itself.

    Raises:
        UsageError: the template cannot be read.
    """
    slot = parse_slot(pair.template)
    with contextlib.suppress(UsageError):  # no gloss, or one in plain words
        slot = parse_slot(pair.gloss)
    return slot.base or slot.counterpart, slot.counterpart or slot.base


def _limits_passed(pair: PairText) -> Iterator[Problem]:
    for name, text in _texts(pair):
        if not text and name in ("topic", "template", "answer_a", "answer_b"):
            yield _problem("empty", f"has an empty {_spoken(name)}; write it")
        elif len(text) > LIMITS[name]:
            fact = f"has {len(text)} characters in its {_spoken(name)}; {LIMITS[name]} are allowed, shorten it"
            yield _problem("length", fact)
        elif "\n" in text and name != "source":
            yield _problem("line", f"has a line break in its {_spoken(name)}; write it on one line")
    if len(pair.regions) > MOST_REGIONS:
        yield _problem("length", f"names {len(pair.regions)} regions; name {MOST_REGIONS} at most")


def _wrong_language(pair: PairText, reads: Collection[str] | None) -> Iterator[Problem]:
    try:
        known_language(pair.language)
    except SuiteError as error:
        yield _problem("language", f"has no known language: {error}")
        return
    if reads is not None and pair.language not in reads:
        name = language_name(pair.language)
        yield _problem("language", f"is in {name}, which you have not said that you read; say so in your profile")


def _slot(pair: PairText) -> tuple[Slot | None, list[Problem]]:
    if not pair.template:
        return None, []
    try:
        slot = parse_slot(pair.template)
    except UsageError as error:
        return None, [_problem("slot", f"cannot be read: {error}")]
    if not slot.base or not slot.counterpart:
        return None, [_problem("slot", "has an empty side in its slot; write words on both sides of the bar")]
    if "{}" in slot.before + slot.after:
        return None, [_problem("slot", 'has "{}" as words, which stands for the slot in a suite; leave it out')]
    return slot, []


def _unreadable_answers(pair: PairText) -> Iterator[Problem]:
    for text in (pair.answer_a, pair.answer_b):
        try:
            if text and not all(answers_of(text)):
                yield _problem("empty", "has an answer of spaces alone; write words")
        except UsageError as error:
            yield _problem("empty", f"cannot be read: {error}")


def _one_item(pair: PairText) -> list[Problem]:
    """What the linter of suites says of a suite that holds nothing else."""
    design, words = item_of(pair, "pair")
    head = dict.fromkeys(
        ("question", "construct", "harm", "groups", "intended_use", "not_shown", "licence", "authors"), "-"
    )
    suite = {**head, "name": "pair", "version": "1", "kind": "stereotype", "redistributable": False, "item": [design]}
    file = {"language": pair.language, "author": "person", "reviewed": 0, "origin": "native", "item": [words]}
    files = SuiteFiles(
        design=StereotypeSuite.model_validate(suite),
        words={pair.language: StereotypeFile.model_validate(file)},
        sources={"": Source(file=WHERE, language=""), pair.language: Source(file=WHERE, language=pair.language)},
    )
    found = (problem for problem in examine(files, ()) if problem.rule not in _NOT_OF_A_PAIR)
    return [dataclasses.replace(problem, item="", line=None) for problem in dict.fromkeys(found)]


def _problem(rule: str, message: str) -> Problem:
    return Problem(severity=REFUSE, file=WHERE, line=None, item="", language="", rule=rule, message=message)


# --- a pair and its row ----------------------------------------------------------------------


def _texts(pair: PairText) -> Iterator[tuple[str, str]]:
    for name in ("topic", "template", "answer_a", "answer_b", "gloss", "source"):
        yield name, getattr(pair, name)
    yield from (("region", region) for region in pair.regions)


def _spoken(name: str) -> str:
    return {"answer_a": "first answer", "answer_b": "second answer"}.get(name, name)


def _cleaned(pair: PairText) -> PairText:
    """As it is kept: in normal form, without spaces around, and no longer than allowed."""
    kept = {
        name: clean(text, what=_spoken(name), limit=LIMITS[name]) for name, text in _texts(pair) if name != "region"
    }
    regions = (clean(region, what="region", limit=LIMITS["region"]) for region in pair.regions[: MOST_REGIONS + 1])
    named = tuple(dict.fromkeys(region for region in regions if region))
    if len(named) > MOST_REGIONS:
        raise DeskError(f"regions: more than {MOST_REGIONS}; name those where it is held most")
    language = clean(pair.language, what="language", limit=40)
    if not pair.community:
        raise DeskError("community: none is named; propose in the name of your own")
    kept["topic"] = kept["topic"].casefold()  # an axis is one axis, however it is written
    return PairText(community=pair.community, language=language, regions=named, **kept)


def _fields(pair: PairText) -> dict[str, Any]:
    return {**dataclasses.asdict(pair), "regions": list(pair.regions)}


def text_of(row: Proposal) -> PairText:
    """The words of a row."""
    names = [field.name for field in dataclasses.fields(PairText) if field.name != "regions"]
    return PairText(**{name: getattr(row, name) for name in names}, regions=tuple(row.regions))


def _asked(pair: PairText) -> dict[str, Any]:
    return {"template": pair.template, "answers": [pair.answer_a, pair.answer_b], "language": pair.language}


def _require_sound(pair: PairText, *, reads: Sequence[str]) -> None:
    wrong = [problem for problem in lint(pair, reads=reads) if problem.severity != NOTE]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise DeskError(f"{wrong[0]}{more}")


def _require_new(session: Session, row: Proposal, pair: PairText) -> None:
    """A pair that asks the same as another adds no evidence, and a suite refuses it."""
    others = select(Proposal).where(
        Proposal.language == pair.language, Proposal.state.in_(("submitted", "accepted")), Proposal.erased_at.is_(None)
    )
    if any(_same(pair, text_of(other)) for other in session.scalars(others) if other.id != row.id):
        raise DeskError(f"{WHERE}: somebody has proposed the same; review theirs, or ask something else")


def _same(one: PairText, other: PairText) -> bool:
    return _prompts(one) == _prompts(other)


def _prompts(pair: PairText) -> frozenset[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    answers = answers_of(pair.answer_a), answers_of(pair.answer_b)
    return frozenset((prompt, *answers) for prompt in parse_slot(pair.template).filled())


def _row(session: Session, proposal: str) -> Proposal:
    row = session.get(Proposal, proposal)
    if row is None or row.erased_at is not None:
        raise DeskError(f"pair {proposal[:12]!r}: not at this desk; choose one from the list")
    return row


def _own(
    session: Session, proposal: str, *, states: Sequence[str], to: str, version: int | None, actor: Actor
) -> Proposal:
    row = _row(session, proposal)
    if row.person_id != actor.id:
        raise NotAllowedError(f"{_name(row)}: only who proposed it does that; review it or propose your own")
    if version is not None:
        _require_version(row, version)
    if row.state not in states:
        raise DeskError(f"{_name(row)}: is {row.state}, so it cannot be {to}; that is for {', '.join(states)}")
    return row


def _require_version(row: Proposal, version: int) -> None:
    if row.version != version:
        raise ConflictError(f"{_name(row)}: somebody else, or another tab, was first; read it again")


def _name(row: Proposal) -> str:
    return f"pair {row.id[:8]}"


def _tell(session: Session, row: Proposal, kind: str, *, by: str, at: datetime) -> None:
    facts = {"state": row.state, **events.seal(session, row)}
    events.append(session, at=at, actor=by, kind=kind, subject=row.id, facts=facts)


# --- reviews and their rows ------------------------------------------------------------------

_SHOWN = ("submitted", "accepted")  # to others than who wrote it


def _seen_by(row: Proposal, actor: Actor) -> bool:
    return row.person_id == actor.id or row.state in _SHOWN


def _why_no_review(session: Session, row: Proposal, actor: Actor) -> str:
    if row.person_id == actor.id:
        return "nobody reviews their own; two others who read the language do"
    if not actor.may(Action.REVIEW_PROPOSAL):
        return f"{actor.pseudonym} may not {Action.REVIEW_PROPOSAL}; ask whoever runs the desk for the role"
    if row.language not in session.get_one(Person, actor.id).reads:
        name = language_name(row.language)
        return f"is in {name}, which you have not said that you read; say so in your profile, or leave it to others"
    return ""


def _counts(row: Proposal, review: ProposalReview) -> bool:
    return row.submitted_at is not None and review.at >= row.submitted_at and review.erased_at is None


def _reviews(session: Session, row: Proposal) -> list[ProposalReview]:
    chosen = select(ProposalReview).where(ProposalReview.proposal_id == row.id)
    return list(session.scalars(chosen.order_by(ProposalReview.at, ProposalReview.person_id)))


def accepting(session: Session, row: Proposal) -> int:
    """How many people accepted a pair as it stands."""
    return sum(review.judgement == "accept" and _counts(row, review) for review in _reviews(session, row))


def _reviewed(
    session: Session,
    row: Proposal,
    review: ProposalReview | None,
    *,
    judgement: str,
    words: str,
    by: str,
    at: datetime,
) -> None:
    if review is None:
        review = ProposalReview(proposal_id=row.id, person_id=by)
        session.add(review)
    review.judgement, review.words, review.answer, review.at = judgement, words, "", at
    session.flush()
    if judgement == "change":
        row.state = "returned"
    _accept_if_ready(session, row)
    facts = {"state": row.state, **events.seal(session, review)}
    events.append(session, at=at, actor=by, kind="proposal reviewed", subject=row.id, facts=facts)


def _accept_if_ready(session: Session, row: Proposal) -> None:
    standing = [review for review in _reviews(session, row) if _counts(row, review)]
    refused = any(review.judgement == "refuse" and not review.answer for review in standing)
    if row.state == "submitted" and not refused and accepting(session, row) >= ACCEPTING:
        row.state = "accepted"


def _view(session: Session, row: Proposal, *, actor: Actor) -> ProposalView:
    session.flush()
    reviews = _reviews(session, row)
    people = {row.person_id, *(review.person_id for review in reviews)}
    named = session.execute(select(Person.id, Person.pseudonym).where(Person.id.in_(people)))
    names = {person.id: person.pseudonym for person in named}
    return ProposalView(
        id=row.id,
        pair=text_of(row),
        state=row.state,
        proposer=names[row.person_id],
        mine=row.person_id == actor.id,
        effect=row.effect,
        published=row.published,
        reviews=tuple(
            ReviewOfPair(
                by=names[review.person_id],
                mine=review.person_id == actor.id,
                judgement=review.judgement,
                words=review.words,
                answer=review.answer,
                at=review.at,
                counts=_counts(row, review),
            )
            for review in reviews
        ),
        may_review=row.state == "submitted" and not _why_no_review(session, row, actor),
        made_at=row.made_at,
        version=row.version,
    )
