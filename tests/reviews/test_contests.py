"""Contests: what is owed to whom by when, and that nobody decides their own."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import select

from audit.errors import ConflictError, DeskError, NotAllowedError
from audit.reviews import contests, events
from audit.reviews.contests import State, Step
from audit.reviews.roles import Role
from audit.reviews.seen import has_seen
from audit.reviews.tables import Assignment, Contest, ContestStep, Event, FindingRow, IssuedReport, Person, Run

RUN = "run-1"
NUMBERS = count(1)
PEOPLE = ("filer", "neighbour", "near-steward", "far-steward", "ada", "bo", "admin", "board", "board-2")


@pytest.fixture
def desk(db, community, person):
    """Two communities, everybody who can have a part in a contest, and a run with findings f-0 to f-2."""
    for name in ("nairobi", "lima"):
        community(name)
    person("filer", (Role.REVIEWER, "nairobi"))
    person("neighbour", (Role.REVIEWER, "nairobi"))
    person("near-steward", (Role.STEWARD, "nairobi"))
    person("far-steward", (Role.STEWARD, "lima"))
    for name, role in (("ada", Role.AUDITOR), ("bo", Role.AUDITOR), ("admin", Role.ADMIN), ("board", Role.BOARD)):
        person(name, role)
    person("board-2", Role.BOARD)
    with db.write() as session:
        session.add(
            Run(id=RUN, folder="r", model="tiny", languages=["en"], findings_sha256="0" * 64, imported_at=db.now())
        )
        session.flush()
        session.add_all(finding(f"f-{number}") for number in range(3))
    return db


def finding(name: str) -> FindingRow:
    texts = ("suite", "language", "topic", "culture", "framework", "verdict", "sentence", "searched")
    return FindingRow(
        run_id=RUN,
        id=name,
        place=next(NUMBERS),
        measure="answer_shift",
        confirmatory=True,
        content={},
        **dict.fromkeys(texts, ""),
    )


def filed(desk, *, by="filer", community="nairobi", about="f-0", words="not so where I live"):
    return contests.file(desk, RUN, about, words=words, submission=f"form-{next(NUMBERS)}", by=by, community=community)


def admitted(desk, **how):
    one = filed(desk, **how)
    return contests.admit(desk, one.id, version=one.version, by="bo")


def answered(desk, **how):
    one = admitted(desk, **how)
    return contests.answer(desk, one.id, words="the items say so", version=one.version, by="ada")


def decided(desk, verdict=Step.REJECT, *, by="far-steward", **how):
    one = answered(desk, **how)
    return contests.decide(desk, one.id, verdict=verdict, words="weighed", version=one.version, by=by)


def appealed(desk, verdict=Step.REJECT):
    one = decided(desk, verdict)
    return contests.appeal(desk, one.id, words="nobody asked us", version=one.version, by="filer")


def path_of(one):
    return [(step.step, step.by) for step in one.steps]


# --- the table -------------------------------------------------------------------------------


def test_a_contest_goes_from_filed_to_the_boards_final_word(desk, clock):
    start = clock.now
    one = filed(desk)
    assert (one.state, one.due) == (State.FILED, start + timedelta(days=7))
    one = contests.admit(desk, one.id, version=one.version, by="bo")
    assert (one.state, one.due) == (State.ADMITTED, start + timedelta(days=14))
    one = contests.answer(desk, one.id, words="the items say so", version=one.version, by="ada")
    assert (one.state, one.due) == (State.ANSWERED, start + timedelta(days=14))
    one = contests.take(desk, one.id, version=one.version, by="far-steward")
    assert (one.state, one.handler) == (State.ANSWERED, "Far-Steward")
    one = contests.decide(
        desk, one.id, verdict=Step.UPHOLD_IN_PART, words="half", version=one.version, by="far-steward"
    )
    assert (one.state, one.due) == (State.PARTLY, start + timedelta(days=14))
    one = contests.appeal(desk, one.id, words="all of it", version=one.version, by="filer")
    assert (one.state, one.due) == (State.APPEALED, start + timedelta(days=30))
    one = contests.decide_appeal(desk, one.id, verdict=Step.UPHOLD, words="yes", version=one.version, by="board")
    assert (one.state, one.due) == (State.UPHELD, None)
    assert path_of(one) == [
        ("file", "Filer"),
        ("admit", "Bo"),
        ("answer", "Ada"),
        ("take", "Far-Steward"),
        ("uphold in part", "Far-Steward"),
        ("appeal", "Filer"),
        ("uphold", "Board"),
    ]
    assert [step.number for step in one.steps] == [1, 2, 3, 4, 5, 6, 7]


def test_a_refusal_has_reasons_and_may_be_appealed(desk):
    one = filed(desk)
    with pytest.raises(DeskError, match="reasons: empty"):
        contests.refuse(desk, one.id, words=" \n ", version=one.version, by="admin")
    one = contests.refuse(desk, one.id, words="about another finding", version=one.version, by="admin")
    assert (one.state, one.steps[-1].words) == (State.REFUSED, "about another finding")
    one = contests.appeal(desk, one.id, words="it is about this one", version=one.version, by="filer")
    assert one.state == State.APPEALED


def test_a_contest_is_withdrawn_only_by_who_filed_it_and_only_before_it_is_decided(desk):
    one = answered(desk)
    with pytest.raises(NotAllowedError, match="only who filed it"):
        contests.withdraw(desk, one.id, version=one.version, by="neighbour")
    assert contests.withdraw(desk, one.id, version=one.version, by="filer").state == State.WITHDRAWN
    other = decided(desk)
    with pytest.raises(DeskError, match="is rejected, so it cannot be withdrawn; what can be done now: appeal"):
        contests.withdraw(desk, other.id, version=other.version, by="filer")


@pytest.mark.parametrize("who", ["filer", "neighbour", "near-steward", "far-steward", "board"])
def test_only_auditors_answer(desk, who):
    one = admitted(desk)
    with pytest.raises(NotAllowedError, match="may not answer a contest"):
        contests.answer(desk, one.id, words="no", version=one.version, by=who)


def test_nobody_admits_or_answers_what_they_filed(desk):
    one = filed(desk, by="ada", community="")
    with pytest.raises(NotAllowedError, match="took part in it before"):
        contests.admit(desk, one.id, version=one.version, by="ada")
    one = contests.admit(desk, one.id, version=one.version, by="bo")
    with pytest.raises(NotAllowedError, match="took part in it before"):
        contests.answer(desk, one.id, words="indeed", version=one.version, by="ada")


def test_a_contest_is_filed_only_in_the_name_of_ones_own_community(desk):
    with pytest.raises(NotAllowedError, match="for lima"):
        filed(desk, community="lima")
    with pytest.raises(NotAllowedError, match="is not of lima"):  # an auditor's role holds everywhere, their voice not
        filed(desk, by="ada", community="lima")


# --- who decides -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("bo", "took part in it before"),  # admitted it
        ("ada", "took part in it before"),  # answered it
        ("near-steward", "belongs to nairobi"),
        ("neighbour", "may not decide a contest"),
        ("filer", "may not decide a contest"),
        ("board", "may not decide a contest"),
    ],
)
def test_whoever_is_not_independent_does_not_decide(desk, who, why):
    one = answered(desk)
    assert Step.REJECT not in contests.contest(desk, one.id, by=who).may
    for step in (contests.take, contests.decide):
        how = {"verdict": Step.REJECT, "words": "no"} if step is contests.decide else {}
        with pytest.raises(NotAllowedError, match=why):
            step(desk, one.id, version=one.version, by=who, **how)
    assert contests.contest(desk, one.id, by="admin").state == State.ANSWERED


def test_a_steward_of_who_filed_it_does_not_decide_what_was_filed_in_nobodys_name(desk):
    one = answered(desk, community="")
    with pytest.raises(NotAllowedError, match="belongs to nairobi"):
        contests.decide(desk, one.id, verdict=Step.UPHOLD, words="yes", version=one.version, by="near-steward")


def test_what_somebody_took_others_leave_until_its_date_passes(desk, clock, person):
    person("cy", Role.AUDITOR)
    one = answered(desk)
    one = contests.take(desk, one.id, version=one.version, by="far-steward")
    with pytest.raises(NotAllowedError, match="another person has taken it"):
        contests.decide(desk, one.id, verdict=Step.UPHOLD, words="yes", version=one.version, by="cy")
    clock.forward(days=14, seconds=1)
    one = contests.take(desk, one.id, version=one.version, by="cy")
    assert one.handler == "Cy"


def test_a_member_of_the_board_who_took_part_before_leaves_the_appeal_to_another(desk, person):
    person("both", Role.BOARD, Role.AUDITOR)
    one = decided(desk, by="both")
    one = contests.appeal(desk, one.id, words="no", version=one.version, by="filer")
    with pytest.raises(NotAllowedError, match="took part in it before"):
        contests.decide_appeal(desk, one.id, verdict=Step.REJECT, words="no", version=one.version, by="both")
    assert contests.contest(desk, one.id, by="both").may == ()
    done = contests.decide_appeal(desk, one.id, verdict=Step.REJECT, words="no", version=one.version, by="board")
    assert (done.state, done.may) == (State.REJECTED, ())


def test_the_boards_word_cannot_be_appealed(desk):
    one = appealed(desk)
    one = contests.decide_appeal(desk, one.id, verdict=Step.REJECT, words="no", version=one.version, by="board")
    with pytest.raises(DeskError, match="what can be done now: nothing"):
        contests.appeal(desk, one.id, words="again", version=one.version, by="filer")


# --- dates -----------------------------------------------------------------------------------


def test_silence_admits_a_contest_and_then_sends_it_to_be_decided_without_an_answer(desk, clock):
    one = filed(desk)
    clock.forward(days=7)
    assert contests.sweep(desk) == 0  # the last moment of the seventh day is in time
    clock.forward(seconds=1)
    assert contests.sweep(desk) == 1
    one = contests.contest(desk, one.id, by="admin")
    assert (one.state, one.due) == (State.ADMITTED, clock.now + timedelta(days=14))
    clock.forward(days=14, seconds=1)
    assert contests.sweep(desk) == 1
    one = contests.contest(desk, one.id, by="ada")
    assert (one.state, one.due) == (State.UNANSWERED, clock.now + timedelta(days=14))
    assert path_of(one)[1:] == [("deadline passed", ""), ("deadline passed", "")]
    with pytest.raises(DeskError, match="is unanswered, so it cannot be answered"):
        contests.answer(desk, one.id, words="late", version=one.version, by="ada")
    one = contests.decide(desk, one.id, verdict=Step.UPHOLD, words="unanswered", version=one.version, by="far-steward")
    assert one.state == State.UPHELD


def test_a_late_decision_is_recorded_as_late_once_and_stays_open(desk, clock):
    one = answered(desk)
    clock.forward(days=14, seconds=1)
    assert [late.id for late in contests.overdue(desk, by="board")] == [one.id]
    assert contests.sweep(desk) == 1
    clock.forward(days=30)
    assert contests.sweep(desk) == 0
    one = contests.contest(desk, one.id, by="far-steward")
    assert (one.state, one.overdue, path_of(one)[-1]) == (State.ANSWERED, True, ("deadline passed", ""))
    done = contests.decide(desk, one.id, verdict=Step.REJECT, words="late", version=one.version, by="far-steward")
    assert (done.state, done.overdue) == (State.REJECTED, False)


def test_what_is_not_appealed_in_time_is_final(desk, clock):
    one = decided(desk)
    clock.forward(days=14, seconds=1)
    with pytest.raises(DeskError, match="is rejected, so it cannot be appealed"):  # though nothing has swept yet
        contests.appeal(desk, one.id, words="too late", version=one.version, by="filer")
    assert contests.sweep(desk) == 1
    assert contests.sweep(desk) == 0
    one = contests.contest(desk, one.id, by="filer")
    assert (one.state, one.due, one.may, one.overdue) == (State.REJECTED, None, (), False)


def test_a_step_follows_from_the_clock_though_nothing_has_swept(desk, clock):
    one = filed(desk)
    clock.forward(days=8)
    with pytest.raises(DeskError, match="is admitted, so it cannot be refused"):
        contests.refuse(desk, one.id, words="no", version=one.version, by="bo")
    one = contests.answer(desk, one.id, words="here it is", version=one.version, by="ada")
    assert path_of(one)[1:] == [("deadline passed", ""), ("answer", "Ada")]


# --- twice, at once --------------------------------------------------------------------------


def test_two_auditors_answer_at_once_and_one_is_told(desk):
    one = admitted(desk)
    first = contests.answer(desk, one.id, words="mine", version=one.version, by="ada")
    with pytest.raises(ConflictError, match="was first; read it again"):
        contests.answer(desk, one.id, words="no, mine", version=one.version, by="bo")
    assert contests.contest(desk, one.id, by="bo").steps == first.steps


def test_the_same_form_twice_is_one_contest_and_the_same_step_twice_one_step(desk):
    form = {"words": "not so", "submission": "form", "by": "filer", "community": "nairobi"}
    one, again = (contests.file(desk, RUN, "f-0", **form) for _ in range(2))
    assert one == again
    with pytest.raises(ConflictError, match="another person's form"):
        contests.file(desk, RUN, "f-0", **{**form, "by": "neighbour"})
    first, second = (contests.admit(desk, one.id, version=one.version, by="bo") for _ in range(2))
    assert first == second
    assert len(first.steps) == 2


def test_a_person_has_one_open_contest_of_a_finding(desk):
    one = filed(desk)
    with pytest.raises(DeskError, match="still open"):
        filed(desk)
    contests.withdraw(desk, one.id, version=one.version, by="filer")
    assert filed(desk).state == State.FILED


@pytest.mark.parametrize(
    ("about", "words", "fault"),
    [("f-9", "why", "not at this desk"), ("f-0", "  ", "reasons: empty"), ("f-0", "a\x00b", "reasons")],
)
def test_what_cannot_be_filed_is_refused_in_one_line(desk, about, words, fault):
    with pytest.raises(DeskError, match=fault) as refused:
        filed(desk, about=about, words=words)
    assert "\n" not in str(refused.value)
    assert contests.contests(desk, by="admin") == ()


# --- what others see -------------------------------------------------------------------------


def test_a_finding_is_marked_while_a_contest_of_it_is_admitted_and_not_decided(desk):
    admitted(desk, about="f-0", by="neighbour")
    answered(desk, about="f-0")  # furthest along: it is the one shown
    filed(desk, about="f-1")
    decided(desk, about="f-2")
    with desk.read() as session:
        assert contests.open_marks(session, RUN) == {"f-0": State.ANSWERED}
        assert contests.open_marks(session, "run-2") == {}
        told = {(one.finding, one.state): one for one in contests.records(session, RUN)}
    assert {key: one.open for key, one in told.items()} == {
        ("f-0", "admitted"): True,
        ("f-0", "answered"): True,
        ("f-1", "filed"): False,
        ("f-2", "rejected"): False,
    }
    assert told["f-1", "filed"].due == "2026-03-09"  # filed on 2 March
    assert told["f-2", "rejected"].steps == (
        ("file", "2026-03-02", "not so where I live"),
        ("admit", "2026-03-02", ""),
        ("answer", "2026-03-02", "the items say so"),
        ("reject", "2026-03-02", "weighed"),
    )


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [(Step.UPHOLD, "a contest was upheld"), (Step.UPHOLD_IN_PART, "a contest was upheld"), (Step.REJECT, "")],
)
def test_what_is_upheld_marks_the_reports_of_the_run_for_reissue(desk, verdict, reason):
    with desk.write() as session:
        session.add(
            IssuedReport(
                id="report", run_id=RUN, sha256="0" * 64, file="r.pdf", as_of=1, made_by="ada", made_at=desk.now()
            )
        )
    decided(desk, verdict)
    with desk.read() as session:
        assert session.get(IssuedReport, "report").reissue_reason == reason


def test_a_contest_of_what_waits_to_be_judged_blind_is_not_shown_before(desk):
    """To the neighbour whose card it is, until they have judged or skipped it; others and the filer read it."""
    one = filed(desk)
    with desk.write() as session:
        card = Assignment(
            run_id=RUN,
            finding_id="f-0",
            person_id="neighbour",
            community="nairobi",
            state="open",
            place=1,
            made_at=desk.now(),
        )
        session.add(card)
        session.flush()
        key = card.id
    assert contests.contests(desk, by="neighbour") == ()
    with pytest.raises(NotAllowedError, match="judge the finding first"):
        contests.contest(desk, one.id, by="neighbour")
    assert [seen.id for seen in contests.contests(desk, by="filer")] == [one.id]
    assert [seen.id for seen in contests.contests(desk, by="near-steward")] == [one.id]
    with desk.write() as session:
        session.get(Assignment, key).state = "done"
    assert contests.contest(desk, one.id, by="neighbour").id == one.id


def test_who_opens_a_contest_has_read_of_its_finding_and_lists_hold_no_words_for_who_may_judge_it_yet(desk):
    one = filed(desk, words="not so where I live")
    (listed,) = contests.contests(desk, by="neighbour")
    assert [step.words for step in listed.steps] == [""]
    assert [step.words for step in contests.contests(desk, by="ada")[0].steps] == ["not so where I live"]
    with desk.read() as session:
        assert not has_seen(session, person="neighbour", run=RUN, finding="f-0")
    assert contests.contest(desk, one.id, by="neighbour").steps[0].words == "not so where I live"
    contests.contest(desk, one.id, by="filer")
    with desk.read() as session:
        assert has_seen(session, person="neighbour", run=RUN, finding="f-0")
        assert not has_seen(session, person="filer", run=RUN, finding="f-0")  # their own words


def test_words_of_people_of_communities_are_taken_only_if_they_agreed_to_what_happens_to_them(desk):
    with desk.write() as session:
        session.get(Person, "filer").consent_version = "an older text"
    with pytest.raises(DeskError, match="consent: not given yet"):
        filed(desk)
    assert filed(desk, by="ada", community="").mine  # auditors speak for the audit


def test_lists_are_filtered_and_what_is_due_first_comes_first(desk, clock):
    late = filed(desk, about="f-1")
    clock.forward(days=1)
    soon = filed(desk, about="f-2")
    done = filed(desk, about="f-0")
    contests.withdraw(desk, done.id, version=done.version, by="filer")
    assert [one.id for one in contests.contests(desk, by="board")] == [late.id, soon.id, done.id]
    assert [one.id for one in contests.contests(desk, by="board", state=State.WITHDRAWN)] == [done.id]
    assert [one.id for one in contests.contests(desk, by="board", finding="f-2")] == [soon.id]
    assert contests.contests(desk, by="board", run="run-2") == ()


# --- whatever people do ----------------------------------------------------------------------

# The table of contests.py, written a second time: (state, step) -> state; "-" is a date that passed.
TABLE = {
    ("filed", "admit"): "admitted",
    ("filed", "refuse"): "refused",
    ("filed", "withdraw"): "withdrawn",
    ("filed", "-"): "admitted",
    ("admitted", "answer"): "answered",
    ("admitted", "withdraw"): "withdrawn",
    ("admitted", "-"): "unanswered",
    ("refused", "appeal"): "appealed",
    ("refused", "-"): "refused",
    ("appealed", "-"): "appealed",
    **{(state, "-"): state for state in ("answered", "unanswered", "upheld", "partly", "rejected")},
    **{(state, "take"): state for state in ("answered", "unanswered")},
    **{(state, "withdraw"): "withdrawn" for state in ("answered", "unanswered")},
    **{(state, "uphold"): "upheld" for state in ("answered", "unanswered", "appealed")},
    **{(state, "uphold in part"): "partly" for state in ("answered", "unanswered", "appealed")},
    **{(state, "reject"): "rejected" for state in ("answered", "unanswered", "appealed")},
    **{(state, "appeal"): "appealed" for state in ("upheld", "partly", "rejected")},
}
VERDICTS = ("uphold", "uphold in part", "reject")
INDEPENDENT = {"far-steward", "ada", "bo"}  # as far as roles go
ACTS = ("admit", "refuse", "answer", "take", "decide", "appeal", "decide_appeal", "withdraw", "wait")


@pytest.mark.parametrize("seed", range(4))
def test_whatever_people_try_a_contest_follows_the_table_with_one_event_a_step(desk, clock, seed):
    chance = random.Random(seed)
    for number in range(8):
        about = f"g-{number}"
        with desk.write() as session:
            session.add(finding(about))
        one = filed(desk, about=about, community=chance.choice(["nairobi", ""]))
        for _ in range(30):
            tried(desk, clock, one.id, chance)
        with desk.read() as session:
            row = session.get(Contest, one.id)
            chosen = select(ContestStep).where(ContestStep.contest_id == one.id).order_by(ContestStep.number)
            steps = session.scalars(chosen).all()
            followed(row.state, [(step.step, step.person_id) for step in steps])
            told = session.scalars(select(Event).where(Event.subject == one.id).order_by(Event.number)).all()
            assert [event.facts["row"][-1] for event in told] == [step.number for step in steps]
            assert told[-1].facts["state"] == row.state
    with desk.read() as session:
        assert events.verify_chain(session) is None
        assert events.verify_words(session) is None


def tried(desk, clock, contest, chance):
    """One attempt, often one that the state allows; whether this person may is the desk's to say."""
    clock.forward(days=chance.choice([0, 0, 0, 0, 0, 0, 3, 15]))
    before = contests.contest(desk, contest, by="admin")
    act, who = chance.choice(ACTS), chance.choice(PEOPLE)
    if chance.random() < 0.7:
        act = as_called(before.state, chance.choice([step for state, step in TABLE if state == before.state] or ["-"]))
    if act == "wait":
        contests.sweep(desk)
        return
    how = {"verdict": chance.choice([*map(Step, VERDICTS)])} if act.startswith("decide") else {}
    how |= {} if act == "take" else {"words": f"words of {who}"}
    version = before.version - (chance.random() < 0.1)  # from a page that is out of date
    try:
        getattr(contests, act)(desk, contest, version=version, by=who, **how)
    except DeskError:
        assert contests.contest(desk, contest, by="admin") == before  # nothing was written


def as_called(state, step):
    """The function that takes a step."""
    if step in VERDICTS:
        return "decide_appeal" if state == "appealed" else "decide"
    return "wait" if step == "-" else step


def followed(state, steps):
    """Replays the steps by the table, and asks of each decision who took it."""
    reached, done = "filed", [("file", "filer")]
    assert steps[0] == ("file", "filer")
    for step, who in steps[1:]:
        before = reached
        reached = TABLE[before, "-" if who is None else step]
        assert (who is None) == (step == "deadline passed")
        if step in VERDICTS and before == "appealed":
            assert who in {"board", "board-2"}
        elif step in (*VERDICTS, "take"):
            earlier = {name for kind, name in done if kind in ("file", "admit", "answer")}
            assert who in INDEPENDENT - earlier
        elif step in ("appeal", "withdraw"):
            assert who == "filer"
        elif step == "answer":
            assert who in {"ada", "bo"}
        elif step in ("admit", "refuse"):
            assert who in {"ada", "bo", "admin"}
        done.append((step, who))
    assert state == reached


# --- who leaves ------------------------------------------------------------------------------


def test_who_leaves_takes_their_open_contests_along_and_gives_back_what_they_had_taken(desk, clock):
    theirs, other = admitted(desk), answered(desk, by="neighbour", about="f-1")
    contests.take(desk, other.id, version=other.version, by="far-steward")
    done = decided(desk, about="f-2")
    for person in ("filer", "far-steward"):
        with desk.write() as session:
            contests.leave(session, person=person, at=clock.now)
    assert contests.contest(desk, theirs.id, by="admin").state == State.WITHDRAWN
    assert contests.contest(desk, done.id, by="admin").state == State.REJECTED
    freed = contests.contest(desk, other.id, by="admin")
    assert (freed.state, freed.handler) == (State.ANSWERED, "")
