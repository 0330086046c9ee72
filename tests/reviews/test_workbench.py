"""The worker: does what was asked, says what went wrong to who asked, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from desk_run import FINDINGS, evidence, weigh_again, write_run
from sqlalchemy import select

from audit import workbench
from audit.comparison import Outcome, compare
from audit.errors import DeskError, ModelError, UsageError
from audit.reviews import comparing, contests, events, issued, jobs
from audit.reviews.library import import_run
from audit.reviews.roles import Role
from audit.reviews.tables import FindingRow, IssuedReport, Run
from audit.runs import RunFolder, run_id_of
from audit.wording import restored
from audit.workbench import Bench, report_of, run_worker

SOON_S = 20.0
PAIR = {"template": "The {nurse|engineer} said that", "answers": ["she|they", "he"], "language": "en"}


@pytest.fixture
def desk(db, community, person):
    community("nairobi")
    person("amina", (Role.REVIEWER, "nairobi"))
    person("ada", Role.AUDITOR)
    with db.write() as session:
        session.add(
            Run(id="run-1", folder="r", model="tiny", languages=["en"], findings_sha256="0" * 64, imported_at=db.now())
        )
    return db


@pytest.fixture
def work(desk, desk_url, tmp_path):
    """Run a worker until a condition holds; it must hold soon."""

    def until(done, **how):
        stop = threading.Event()
        how = {"folder": tmp_path / "desk", "model": "", "pause": 0.01, **how}
        thread = threading.Thread(target=run_worker, args=(desk_url,), kwargs={**how, "stop": stop})
        thread.start()
        try:
            deadline = time.monotonic() + SOON_S
            while not done() and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            stop.set()
            thread.join(SOON_S)
        assert not thread.is_alive()
        assert done()

    return until


def ended(desk, *ids, by="amina"):
    return lambda: all(jobs.job(desk, one, by=by).ended_at for one in ids)


# --- trying ----------------------------------------------------------------------------------


def test_what_was_asked_is_answered(desk, work):
    one = jobs.ask(desk, "try", PAIR, by="amina")
    work(ended(desk, one), tries=lambda asked: {"heard": asked["template"]})
    done = jobs.job(desk, one, by="amina")
    assert (done.state, done.answer) == ("done", {"heard": PAIR["template"]})


def test_an_error_is_one_line_to_who_asked_and_the_worker_goes_on(desk, work, caplog):
    def tries(asked):
        match asked["answers"]:
            case [_, "x"]:
                raise UsageError("answers: too alike; give others")
            case [_, "y"]:
                raise RuntimeError("C:\\secret\nfile")
        return {"well": True}

    ids = [jobs.ask(desk, "try", {**PAIR, "answers": ["she", answer]}, by="amina") for answer in ("x", "y", "z")]
    work(ended(desk, *ids), tries=tries)
    first, second, third = (jobs.job(desk, one, by="amina") for one in ids)
    assert first.error == "answers: too alike; give others"
    assert second.error == f"try: something went wrong here (RuntimeError); tell whoever runs the desk: {ids[1]}"
    assert (third.state, third.answer) == ("done", {"well": True})
    assert "secret" in caplog.text  # whoever runs the desk finds it in the log


def test_a_job_that_a_dead_worker_left_is_done_by_the_next(desk, work):
    one = jobs.ask(desk, "try", PAIR, by="amina")
    jobs.next_job(desk)  # by a worker that then died
    work(ended(desk, one), tries=lambda asked: {"again": True})
    assert jobs.job(desk, one, by="amina").answer == {"again": True}


def test_a_desk_without_a_model_says_so(desk, work):
    one = jobs.ask(desk, "try", PAIR, by="amina")
    work(ended(desk, one))
    assert jobs.job(desk, one, by="amina").error == "try: this desk has no model to try pairs on; ask whoever runs it"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    from tiny import tiny_model_folder

    return str(tiny_model_folder(tmp_path_factory.mktemp("model") / "tiny", "llama"))


def test_the_answer_says_what_the_librarys_trial_says(tiny):
    from audit.circuits.trial import caveats, sentence, try_pair
    from audit.models import AuditedModel

    expected = try_pair(
        AuditedModel.load(tiny), "The nurse said that", "The engineer said that", ((" she", " they"), (" he",))
    )
    answer = Bench(tiny)(PAIR)
    assert answer["effect"] == pytest.approx(expected.effect, abs=1e-5)
    assert restored(answer["sentence"]) == sentence(expected)
    assert [restored(one) for one in answer["caveats"]] == list(caveats(expected))
    base, counterpart = answer["sides"]
    assert answer["effect"] == pytest.approx(base["margin"] - counterpart["margin"])
    assert [base["text"], counterpart["words"]] == ["The nurse said that", "engineer"]
    assert all(0 < chance < 1 for side in answer["sides"] for chance in side["probabilities"])
    first = max(expected.nodes, key=lambda node: node.effect * expected.effect)
    assert answer["nodes"][0]["effect"] == pytest.approx(first.effect, abs=1e-5)


def test_no_space_is_put_before_an_answer_in_a_language_that_has_none(monkeypatch, tiny):
    tried = []
    monkeypatch.setattr("audit.circuits.trial.try_pair", lambda audited, *words: tried.append(words))
    monkeypatch.setattr(workbench, "answer_of", lambda trial: {})
    bench = Bench(tiny)
    bench({"template": "{护士|工程师}说", "answers": ["她", "他"], "language": "zh"})
    bench({"template": "The {nurse|engineer} said", "answers": ["she", " he"], "language": "en"})
    assert tried == [
        ("护士说", "工程师说", (("她",), ("他",))),
        ("The nurse said", "The engineer said", ((" she",), (" he",))),
    ]


def test_a_model_whose_terms_nobody_accepted_here_is_not_loaded(monkeypatch):
    def refuse(request, *, reporter, accept_terms):
        assert accept_terms is False
        raise ModelError(f"{request.model}: its terms were not accepted; accept them first")

    monkeypatch.setattr(workbench, "prepare_model", refuse)
    with pytest.raises(ModelError, match="not accepted"):
        Bench("gemma-3-270m")(PAIR)


# --- reports ---------------------------------------------------------------------------------


def test_a_report_is_a_file_with_its_digest_and_a_row(desk, work, tmp_path):
    def reports(path: Path, db, asked, signed_by) -> int:
        path.write_bytes(b"%PDF of " + asked["run"].encode())
        return 1

    one = jobs.ask(desk, "report", {"run": "run-1"}, by="ada")
    work(ended(desk, one, by="ada"), reports=reports)
    (listed,) = issued.reports(desk, "run-1", by="ada")
    assert (listed.as_of, listed.made_by) == (1, "Ada")
    report = issued.report(desk, listed.id, folder=tmp_path / "desk" / "reports", by="ada")
    assert report.content == b"%PDF of run-1"
    assert jobs.job(desk, one, by="ada").answer == {"file": listed.file, "sha256": listed.sha256, "as_of": 1}


def test_a_report_that_fails_leaves_neither_file_nor_row(desk, work, tmp_path):
    def reports(path: Path, db, asked, signed_by) -> int:
        path.write_bytes(b"half")
        raise DeskError("report: a character cannot be drawn; leave it out")

    one = jobs.ask(desk, "report", {"run": "run-1"}, by="ada")
    work(ended(desk, one, by="ada"), reports=reports)
    assert jobs.job(desk, one, by="ada").error == "report: a character cannot be drawn; leave it out"
    assert list((tmp_path / "desk" / "reports").iterdir()) == []
    with desk.read() as session:
        assert session.scalars(select(IssuedReport)).all() == []


@pytest.mark.parametrize("desk_url", ["sqlite"], indirect=True)  # a PDF takes seconds
def test_the_report_of_a_run_holds_what_people_said_unless_it_is_asked_without(desk, tmp_path):
    run = import_run(desk, write_run(tmp_path / "run"), by="ada").run
    one = contests.file(desk, run, "sw-1", words="Not so where I live.", submission="form", by="amina")
    contests.admit(desk, one.id, version=one.version, by="ada")
    with desk.read() as session:
        head = events.head(session).number
    with_them, without = tmp_path / "with.pdf", tmp_path / "without.pdf"
    assert report_of(with_them, desk, {"run": run}) == head
    assert report_of(without, desk, {"run": run, "judgements": False, "without": ["items"]}) == head
    assert "Not so where I live." in text_of(with_them)
    assert "Not so where I live." not in text_of(without)
    with pytest.raises(DeskError, match="has no part 'dissent'"):
        report_of(without, desk, {"run": run, "without": ["dissent"]})
    with pytest.raises(DeskError, match="is not said in 'xx'; choose one of en, fr"):
        report_of(without, desk, {"run": run, "language": "xx"})


@pytest.mark.parametrize("desk_url", ["sqlite"], indirect=True)  # a PDF takes seconds
def test_a_report_that_is_asked_for_signed_is_signed_by_the_desks_key(desk, work, tmp_path):
    from audit.attestation import keys, paper

    keys.make("board", passphrase="correct horse battery", signer="Board of Nairobi", folder=tmp_path / "keys")
    key = keys.open_key("board", passphrase="correct horse battery", folder=tmp_path / "keys")
    run = import_run(desk, write_run(tmp_path / "run"), by="ada").run
    signed = jobs.ask(desk, "report", {"run": run, "sign": True, "language": "en"}, by="ada")
    plain = jobs.ask(desk, "report", {"run": run}, by="ada")
    work(ended(desk, signed, plain, by="ada"), key=key)
    by_signer = {view.signed_by: view for view in issued.reports(desk, run, by="ada")}
    assert set(by_signer) == {"Board of Nairobi", ""}
    content = {
        name: issued.report(desk, view.id, folder=tmp_path / "desk" / "reports", by="ada").content
        for name, view in by_signer.items()
    }
    found = paper.check_pdf(content["Board of Nairobi"])
    assert found is not None
    assert (found.certificate_sha256, found.signer) == (key.public.fingerprint, "Board of Nairobi")
    assert paper.check_pdf(content[""]) is None
    assert "Board of Nairobi" in text_of(tmp_path / "desk" / "reports" / by_signer["Board of Nairobi"].file)


def test_without_a_key_a_report_that_is_asked_for_signed_is_refused_and_not_made_unsigned(desk, work):
    one = jobs.ask(desk, "report", {"run": "run-1", "sign": True}, by="ada")
    work(ended(desk, one, by="ada"), reports=lambda *_: 1)
    assert "no key to sign with; start the desk with --sign-with NAME" in jobs.job(desk, one, by="ada").error
    assert issued.reports(desk, "run-1", by="ada") == ()


def text_of(file: Path) -> str:
    from pypdf import PdfReader

    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(file).pages)


# --- comparing two runs ----------------------------------------------------------------------


@pytest.fixture
def two(desk, tmp_path) -> tuple[str, str]:
    """Two models that give the same answers: nothing differs."""
    seen = evidence()
    manifest = replace(seen.manifest, model=replace(seen.manifest.model, weights_sha256="b" * 64))
    manifest = replace(manifest, run_id=run_id_of(manifest))
    first = import_run(desk, write_run(tmp_path / "one", seen=seen), by="ada").run
    second = import_run(desk, write_run(tmp_path / "two", seen=replace(seen, manifest=manifest)), by="ada").run
    return first, second


@pytest.mark.parametrize("desk_url", ["sqlite"], indirect=True)  # the tests take seconds
def test_the_differences_that_are_kept_are_those_that_the_library_finds(desk, work, two, tmp_path, monkeypatch):
    asked = {"first": two[0], "second": two[1]}
    one = jobs.ask(desk, "compare", asked, by="amina")  # who reads findings may ask
    work(ended(desk, one))
    assert jobs.job(desk, one, by="amina").error == ""
    folder = tmp_path / "desk"
    (file,) = (folder / "comparisons").iterdir()
    found = comparing.differences_between(desk, *two, folder=folder, by="amina")
    assert comparing.differences_between(desk, *reversed(two), folder=folder, by="amina") is None  # same findings
    expected = compare(*(RunFolder(tmp_path / name).read_evidence() for name in ("one", "two")))
    named = dict.fromkeys(("finding_a", "finding_b"), "")
    assert [replace(each, **named) for each in found.differences] == list(expected.differences)
    assert not {Outcome.HIGHER, Outcome.LOWER} & {each.verdict for each in found.differences}
    assert jobs.job(desk, one, by="amina").answer == {"file": file.name, "differences": len(expected.differences)}
    monkeypatch.setattr(workbench, "differences_of", lambda *_: pytest.fail("were tested before"))
    again = jobs.ask(desk, "compare", asked, by="ada")
    work(ended(desk, again, by="ada"))
    assert jobs.job(desk, again, by="ada").state == "done"


def test_runs_that_cannot_be_compared_are_said_to_who_asked_and_nothing_is_kept(desk, work, two, tmp_path):
    with pytest.raises(DeskError, match="is compared with itself"):
        jobs.ask(desk, "compare", {"first": two[0], "second": two[0]}, by="amina")
    with pytest.raises(DeskError, match="run 'gone': not at this desk"):
        jobs.ask(desk, "compare", {"first": two[0], "second": "gone"}, by="amina")
    weigh_again(tmp_path / "two", FINDINGS[:3])  # and not brought to the desk
    one = jobs.ask(desk, "compare", {"first": two[0], "second": two[1]}, by="amina")
    work(ended(desk, one))
    assert "was weighed anew since it was brought to the desk" in jobs.job(desk, one, by="amina").error
    assert not (tmp_path / "desk" / "comparisons").exists()


# --- the rest --------------------------------------------------------------------------------


def test_the_worker_sweeps_the_contests(desk, desk_url, work):
    with desk.write() as session:
        texts = ("suite", "language", "topic", "culture", "framework", "verdict", "sentence", "searched")
        row = FindingRow(run_id="run-1", id="f", place=0, measure="m", confirmatory=True, content={})
        for name in texts:
            setattr(row, name, "")
        session.add(row)
    one = contests.file(desk, "run-1", "f", words="no", submission="form", by="amina")  # in March; it is later now
    work(lambda: contests.contest(desk, one.id, by="ada").state == "admitted")
    with desk.read() as session:
        assert len(contests.records(session, "run-1")[0].steps) == 2


def test_a_desk_has_one_worker(desk, desk_url, work, tmp_path):
    refused = []

    def second_refused() -> bool:
        if not refused and ended(desk, one)():  # the first is at work
            with pytest.raises(DeskError) as error:
                run_worker(desk_url, folder=tmp_path / "desk", model="", stop=threading.Event())
            refused.append(str(error.value))
        return bool(refused)

    one = jobs.ask(desk, "try", PAIR, by="amina")
    work(second_refused)
    assert refused == [f"{tmp_path / 'desk'}: a worker serves this desk already; end that one first"]


@pytest.mark.parametrize("desk_url", ["sqlite"], indirect=True)  # a process of its own is slow to start
def test_sigterm_ends_the_process_cleanly(desk, desk_url, tmp_path):
    one = jobs.ask(desk, "try", PAIR, by="amina")
    command = [sys.executable, "-m", "audit.workbench", "--folder", str(tmp_path / "desk"), "--model", ""]
    process = subprocess.Popen(command, env={**os.environ, "PLURAL_AUDIT_DB": desk_url}, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 3 * SOON_S
        while not ended(desk, one)() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON_S) == 0
    finally:
        process.kill()
        process.stderr.close()
    assert jobs.job(desk, one, by="amina").state == "failed"  # no model: but it was the worker that said so


def test_a_worker_whose_app_ended_before_it_was_up_ends_too():
    stop = threading.Event()
    workbench._stop_without(os.getpid(), stop)  # not our parent, as one that has ended is not
    assert stop.is_set()


def test_a_database_that_cannot_be_opened_is_said_in_one_line(tmp_path, capsys):
    assert workbench.main(["--db", "mysql://x/y", "--folder", str(tmp_path)]) == DeskError.exit_code
    assert capsys.readouterr().err.count("\n") == 1
