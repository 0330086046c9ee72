"""Taking one's words back: they are nowhere any more, and the log still holds together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from audit.errors import DeskError, NotAllowedError
from audit.reviews import assigning, consent, contests, events, jobs, judging, proposals
from audit.reviews.judging import Judgement
from audit.reviews.proposals import PairText
from audit.reviews.roles import Role
from audit.reviews.summary import judgements_of
from audit.reviews.tables import (
    Assignment,
    Base,
    Draft,
    Event,
    IssuedReport,
    Job,
    Person,
    Proposal,
    ProposalReview,
    Review,
    SignIn,
    new_id,
)
from audit.reviews.terms import CONSENT_VERSION

MARK = "zebrafish"  # in everything that amina writes, and nowhere else


@pytest.fixture
def desk(db, community, person):
    community("nairobi", languages=["sw", "en"])
    for name in ("amina", "baraka", "chebet", "dalila"):
        person(name, (Role.REVIEWER, "nairobi"), reads=["sw", "en"], region="Nairobi")
    with db.write() as session:
        amina = session.get(Person, "amina")
        amina.login, amina.pseudonym, amina.region = f"{MARK}@example.org", f"The {MARK}", f"{MARK} valley"
        amina.password_hash, amina.oidc_subject = f"$argon2id${MARK}", f"https://issuer {MARK}"
    person("ada", Role.AUDITOR)
    person("admin", Role.ADMIN)
    return db


@pytest.fixture
def full(desk, run):
    """A desk on which amina has left words in every place where one can."""
    assigning.assign(desk, run, community="nairobi", findings=["sw-1", "sw-2", "sw-3"], overlap=4, seed=1, by="ada")
    with desk.read() as session:
        cards = {(row.person_id, row.finding_id): row.id for row in session.scalars(select(Assignment))}
    for name in ("amina", "baraka", "chebet", "dalila"):
        said = Judgement(
            judgement="disagree" if name == "amina" else "agree",
            severity=4,
            prevalence="common",
            comment=f"{MARK} in my street" if name == "amina" else "Ndiyo.",
            comment_language="sw",
            items={("stereotype/gender-1", "sw"): "wrong"},
        )
        judging.submit(desk, cards[name, "sw-1"], said, submission=f"form {name}", by=name)
    judging.revise(
        desk, run, "sw-1", Judgement(judgement="partly", comment=f"{MARK} again"), submission="second", by="amina"
    )
    judging.save_draft(desk, cards["amina", "sw-2"], {"comment": f"half a {MARK}"}, version=0, by="amina")
    judging.skip(desk, cards["amina", "sw-3"], reason="other", by="amina")
    contests.file(desk, run, "sw-2", words=f"a {MARK} says no", submission="c1", by="amina", community="nairobi")
    with desk.write() as session:
        session.add_all(_words_elsewhere(desk, run))
    return desk


def _words_elsewhere(db, run):
    later = db.now() + timedelta(days=1)
    for name, owner in (("hers", "amina"), ("his", "baraka")):
        words = f"the {MARK}" if owner == "amina" else "the weaver"
        yield Proposal(
            id=name,
            person_id=owner,
            community="nairobi",
            language="sw",
            topic=words,
            template=words,
            answer_a=words,
            answer_b=words,
            gloss=words,
            source=words,
            regions=[words],
            state="accepted",
            effect={"sentence": words},
            published="desk-1.0.0" if owner == "amina" else "",
            submission=name,
            made_at=db.now(),
        )
    yield ProposalReview(proposal_id="his", person_id="amina", judgement="refuse", words=f"no {MARK}", at=db.now())
    yield ProposalReview(
        proposal_id="hers", person_id="baraka", judgement="refuse", words="why?", answer=f"my {MARK}", at=db.now()
    )
    yield Job(
        id="job",
        kind="try",
        asked_by="amina",
        asked={"template": MARK},
        state="waiting",
        answer={"sentence": MARK},
        error=MARK,
        asked_at=db.now(),
    )
    yield SignIn(secret_sha256="0" * 64, person_id="amina", made_at=db.now(), expires_at=later)
    for name, reason in (("r1", ""), ("r2", "a contest was upheld")):
        yield IssuedReport(
            id=name,
            run_id=run,
            sha256="0",
            file=f"{name}.pdf",
            as_of=1,
            made_by="ada",
            made_at=db.now(),
            reissue_reason=reason,
        )


def everything(db):
    """(table, column) -> all that is in it, as text, read past the models."""
    with db.read() as session:
        return {
            (table.name, column.name): "\n".join(
                str(value)
                for (value,) in session.execute(text(f'SELECT CAST("{column.name}" AS TEXT) FROM {table.name}'))
            )
            for table in Base.metadata.sorted_tables
            for column in table.columns
        }


def test_after_withdrawal_no_column_of_any_table_holds_a_word_of_the_person(full):
    before = {place for place, content in everything(full).items() if MARK in content}
    # contest steps 1, drafts 1, jobs 3, people 5, proposals 8, what was said of proposals 2, reviews 2
    assert len(before) == 22
    done = consent.withdraw(full, by="amina")
    assert (done.reviews, done.published) == (2, ("desk-1.0.0",))
    assert [place for place, content in everything(full).items() if MARK in content] == []
    with full.read() as session:
        assert events.verify_chain(session) is None
        assert events.verify_words(session) is None


def test_an_answer_of_who_leaves_is_taken_out_of_anothers_review_and_the_log_still_verifies(desk, clock):
    pair = PairText(
        community="nairobi",
        language="sw",
        topic="gender",
        template="{Muuguzi|Mhandisi} huyo alisema kwamba",
        answer_a="mama",
        answer_b="baba",
        source="What people say.",
        regions=("Nairobi",),
    )
    view = proposals.propose(desk, pair, submission="pair", by="amina")
    view = proposals.submit(desk, view.id, version=view.version, by="amina")
    clock.forward(minutes=1)
    proposals.review_proposal(desk, view.id, judgement="refuse", words="No.", version=view.version, by="baraka")
    proposals.answer_refusal(desk, view.id, reviewer="Baraka", words=MARK, by="amina")
    tried = jobs.try_proposal(desk, view.id, by="baraka")  # another tries her words
    consent.withdraw(desk, by="amina")
    with desk.read() as session:
        assert events.verify_chain(session) is None
        assert events.verify_words(session) is None
        review = session.get_one(ProposalReview, (view.id, "baraka"))
        assert (review.judgement, review.words, review.answer) == ("refuse", "No.", "")
    job = jobs.job(desk, tried, by="baraka")
    assert (job.asked, job.state, job.error) == ({}, "failed", "whoever wrote the words has left")


def test_after_withdrawal_the_files_of_sqlite_hold_no_word_of_the_person(full, tmp_path):
    if full.engine.dialect.name != "sqlite":
        pytest.skip("a server's files are its own")

    def holding():
        return [file.name for file in tmp_path.glob("desk.db*") if MARK.encode() in file.read_bytes()]

    assert holding() != []
    consent.withdraw(full, by="amina")
    assert holding() == []


def test_an_erased_judgement_cannot_be_guessed_from_the_log(full, run):
    consent.withdraw(full, by="amina")
    with full.read() as session:
        shells = session.scalars(select(Review).where(Review.person_id == "amina").order_by(Review.revision)).all()
        sealed = {
            tuple(event.facts["row"]): event.facts["sha256"]
            for event in session.scalars(select(Event).where(Event.kind.startswith("review")))
            if "row" in event.facts
        }
    for shell in shells:
        assert (shell.judgement, shell.severity, shell.comment, shell.salt) == ("", None, "", "")
        assert (shell.prevalence, shell.region, shell.comment_language) == ("", "", "")
        assert shell.erased_at == full.now()
        assert shell.submission.startswith("erased ")
        guess = {
            "judgement": "disagree",
            "severity": 4,
            "prevalence": "common",
            "region": f"{MARK} valley",
            "comment": f"{MARK} in my street",
            "comment_language": "sw",
        }
        assert events.digest_of(guess, salt="") != sealed["reviews", shell.id]
    assert len(shells) == 2


def test_numbers_are_those_of_who_is_left(full, run):
    assert len(judgements_of(full, run, by=None).voices) == 4
    consent.withdraw(full, by="amina")
    said = judgements_of(full, run, by=None)
    assert [voice.judgement for voice in said.voices] == ["agree"] * 3
    assert said.withdrawn == 1  # one judgement, of two revisions


def test_what_others_said_stays(full):
    consent.withdraw(full, by="amina")
    with full.read() as session:
        assert [row.comment for row in session.scalars(select(Review).where(Review.person_id == "baraka"))] == [
            "Ndiyo."
        ]
        assert session.get(Proposal, "his").template == "the weaver"
        review = session.get(ProposalReview, ("hers", "baraka"))
        assert (review.judgement, review.words, review.answer) == ("refuse", "why?", "")
        mine = session.get(ProposalReview, ("his", "amina"))
        assert (mine.judgement, mine.words) == ("", "")


def test_reports_of_the_run_are_marked_to_be_issued_anew(full, run):
    done = consent.withdraw(full, by="amina")
    assert (done.reports, done.runs) == (1, (run,))
    with full.read() as session:
        assert session.get(IssuedReport, "r1").reissue_reason == "a person withdrew consent"
        assert session.get(IssuedReport, "r2").reissue_reason == "a contest was upheld"  # it stands marked already


def test_the_account_is_closed_and_its_open_work_is_free_for_others(full, run):
    consent.withdraw(full, by="amina")
    with full.read() as session:
        person = session.get(Person, "amina")
        assert (person.status, person.password_hash, person.oidc_subject) == ("withdrawn", None, None)
        assert (person.region, person.reads, person.consent_at) == ("", [], None)
        assert session.get(SignIn, "0" * 64).revoked_at == full.now()
        assert {row.state for row in session.scalars(select(Assignment).filter_by(person_id="amina"))} == {"withdrawn"}
        assert session.scalars(select(Draft)).all() == []
        assert (session.get(Job, "job").state, session.get(Job, "job").asked) == ("failed", {})
    with pytest.raises(NotAllowedError):
        judging.queue(full, by="amina")
    with pytest.raises(NotAllowedError, match="may not sign in"):
        consent.withdraw(full, by="amina")


def test_an_undecided_contest_of_who_leaves_is_withdrawn(full, run):
    consent.withdraw(full, by="amina")
    (contest,) = contests.contests(full, by="ada", run=run)
    assert contest.state == contests.State.WITHDRAWN
    assert [(step.step, step.words) for step in contest.steps] == [("file", ""), ("withdraw", "")]


def test_what_fails_halfway_takes_nothing_out(full, monkeypatch):
    before = everything(full)

    def dies(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(consent, "_close", dies)
    with pytest.raises(KeyboardInterrupt):
        consent.withdraw(full, by="amina")
    assert everything(full) == before


def test_an_admin_withdraws_for_who_asked_and_nobody_else_does(full):
    for name in ("baraka", "ada"):
        with pytest.raises(NotAllowedError, match="may not manage people"):
            consent.withdraw(full, by=name, person="amina")
    assert consent.withdraw(full, by="admin", person="amina").reviews == 2
    with pytest.raises(DeskError, match="has withdrawn already"):
        consent.withdraw(full, by="admin", person="amina")


def test_consent_is_given_once_to_the_present_text(desk):
    with desk.write() as session:
        session.get(Person, "amina").consent_version = "an older text"
    assert judging.queue(desk, by="amina").agreed is False
    consent.give(desk, by="amina")
    consent.give(desk, by="amina")
    assert judging.queue(desk, by="amina").agreed is True
    with desk.read() as session:
        given = session.scalars(select(Event).filter_by(kind="consent given")).all()
        assert [(event.actor, event.facts) for event in given] == [("amina", {"version": CONSENT_VERSION})]


def test_who_may_not_sign_in_gives_no_consent(desk):
    with desk.write() as session:
        session.get(Person, "amina").status = "disabled"
    for name in ("amina", new_id()):
        with pytest.raises(NotAllowedError, match="may not sign in"):
            consent.give(desk, by=name)
