"""The worker beside the app: does, in a process of its own, what a page may not wait for.

It takes one job after another (audit.reviews.jobs), tries pairs on one model that it loads once, makes reports, tests
what differs between two runs, and every few minutes sweeps the contests for dates that passed. An error in a job is
one line to whoever asked; the worker goes on. One worker serves a desk: another one that is started on the same folder
ends at once.

    python -m audit.workbench --db sqlite:///desk/desk.db --folder desk --model gemma-3-270m
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import filelock

from audit.commands import command_of
from audit.comparison import compare
from audit.comparison.files import Differences, write_differences
from audit.errors import AuditError, ConflictError, DeskError, ResourceError
from audit.pipeline import DEFAULT_MODEL, Request, prepare_model, read_findings
from audit.progress import Silent
from audit.records import node_name
from audit.reviews import comparing, contests, jobs
from audit.reviews.database import Database, open_database
from audit.reviews.jobs import Issue, Task
from audit.reviews.library import run_of
from audit.reviews.summary import judgements_of
from audit.runs import RunFolder, sha256_of
from audit.suites.languages import language
from audit.suites.pair_text import parse_answer, parse_template
from audit.wording import LANGUAGES, kept

if TYPE_CHECKING:
    from audit.attestation import SigningKey
    from audit.circuits.trial import NodeEffect, Trial
    from audit.models import AuditedModel

LOG = logging.getLogger("plural_audit.workbench")
SWEEP_S = 300.0  # between two sweeps of the contests
PAUSE_S = 1.0  # before looking again when nothing waits
PASSPHRASE = "PLURAL_AUDIT_PASSPHRASE"  # noqa: S105 - the variable's name
SHOWN_NODES = 12  # that carry the effect; a third as many of those against it

Trier = Callable[[Mapping[str, Any]], dict[str, Any]]
# Writes the PDF of a run to the path, for the signer named ("": nobody), and says which event of the desk was the last
# that it knows.
Reporting = Callable[[Path, Database, Mapping[str, Any], str], int]


def run_worker(
    db_url: str,
    *,
    folder: Path,
    model: str = DEFAULT_MODEL,
    stop: threading.Event,
    tries: Trier | None = None,
    reports: Reporting | None = None,
    key: SigningKey | None = None,
    pause: float = PAUSE_S,
) -> None:
    """Work until `stop` is set; a job that has begun is ended first.

    Args:
        db_url: of the desk.
        folder: of the desk; reports go to its folder "reports", differences between runs to "comparisons".
        model: on which pairs are tried: built-in name, folder, .gguf file or hub id. "" tries none.
        stop: ends the loop.
        tries: in place of a trial on the model.
        reports: in place of the report of a run.
        key: that signs the reports which are asked for signed; None signs none.
        pause: seconds before looking again when nothing waits.

    Raises:
        DeskError: the desk cannot be opened, or another worker serves it.
    """
    kinds: Mapping[str, Callable[[Database, Task], None]] = {
        "try": _Trying(tries or Bench(model)),
        "report": _Reporting(reports or report_of, folder / "reports", key),
        "compare": _Comparing(folder),
    }
    with _only_one(folder):
        db = open_database(db_url)
        try:
            _work(db, kinds, stop=stop, pause=pause)
        finally:
            db.close()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".worker.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise DeskError(f"{folder}: a worker serves this desk already; end that one first") from None
    try:
        yield
    finally:
        lock.release()


def _work(
    db: Database, kinds: Mapping[str, Callable[[Database, Task], None]], *, stop: threading.Event, pause: float
) -> None:
    recovered, swept = False, -math.inf
    while not stop.is_set():
        try:
            if not recovered:
                jobs.recover(db)
                recovered = True
            if time.monotonic() - swept >= SWEEP_S:
                contests.sweep(db)
                swept = time.monotonic()
            task = jobs.next_job(db)
            if task is not None:
                _do(db, kinds[task.kind], task)
                continue
        except DeskError as error:  # the database does not answer: it may again
            LOG.warning("%s", error)
        stop.wait(pause)


def _do(db: Database, work: Callable[[Database, Task], None], task: Task) -> None:
    """One job; whatever goes wrong in it is said to who asked for it."""
    try:
        work(db, task)
    except ConflictError as error:  # taken back meanwhile: who asked has left, or the row is another worker's
        LOG.warning("%s", error)
    except AuditError as error:
        jobs.fail(db, task.id, error=str(error))
    except Exception as error:
        LOG.exception("job %s", task.id)
        fact = f"{task.kind}: something went wrong here ({type(error).__name__}); tell whoever runs the desk: {task.id}"
        jobs.fail(db, task.id, error=fact)


# --- trying a pair ---------------------------------------------------------------------------


class _Trying:
    """Jobs of kind "try"."""

    def __init__(self, tries: Trier) -> None:
        self._tries = tries

    def __call__(self, db: Database, task: Task) -> None:
        jobs.finish(db, task.id, answer=self._tries(task.asked))


class Bench:
    """The model on which pairs are tried, loaded when the first one is."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._loaded: AuditedModel | None = None

    def __call__(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Try the pair that `asked` holds (audit.reviews.jobs.ask).

        Raises:
            UsageError: words that this model's tokens cannot compare.
            ModelError: the model cannot be had, or its terms were not accepted on this machine.
            ResourceError: torch is not installed, or this desk tries no pairs.
        """
        base, counterpart = parse_template(asked["template"])
        first, second = (_spaced(answer, of=asked["language"]) for answer in asked["answers"])
        audited = self._audited()
        from audit.circuits.trial import try_pair

        return answer_of(try_pair(audited, base, counterpart, (first, second)))

    def _audited(self) -> AuditedModel:
        if not self._model:
            raise ResourceError("try: this desk has no model to try pairs on; ask whoever runs it")
        if self._loaded is None:
            try:
                from audit.models import AuditedModel
            except ModuleNotFoundError as error:
                raise ResourceError(
                    f"{error.name} is not installed on the desk's machine; pip install 'plural-audit[models]'"
                ) from None
            prepare_model(Request(model=self._model), reporter=Silent(), accept_terms=False)
            self._loaded = AuditedModel.load(self._model)
        return self._loaded


def _spaced(answer: str, *, of: str) -> tuple[str, ...]:
    """The alternatives of an answer with what the language puts between a prompt and what follows it."""
    joiner = language(of).joiner
    return tuple(joiner + alternative.strip() for alternative in parse_answer(answer))


def answer_of(trial: Trial) -> dict[str, Any]:
    """A trial as JSON that a page shows.

    Probabilities are between 0 and 1, effects and margins in nats; shares are of the effect, None where it is too
    small to be shared out.
    """
    from audit.circuits import trial as words

    labels = words.answer_labels(trial.answers)
    return {
        "model": trial.model.name,
        "sentence": kept(words.sentence(trial)),
        "answers": list(labels),
        "sides": [
            {
                "text": side.text,
                "words": side.words,
                "probabilities": [math.exp(logp) for logp in side.logps],
                "margin": side.margin,
            }
            for side in (trial.base, trial.counterpart)
        ],
        "effect": trial.effect,
        "nodes": [
            {"node": node_name(node.layer, node.head), "effect": node.effect, "share": trial.share(node.effect)}
            for node in _leading(trial)
        ],
        "n_nodes": trial.n_nodes,
        "caveats": [kept(one) for one in words.caveats(trial)],
    }


def _leading(trial: Trial) -> list[NodeEffect]:
    """The nodes that carry most of the effect, then those that work most against it."""
    carrying = [node for node in trial.nodes if node.effect * trial.effect > 0]
    against = [node for node in trial.nodes if node.effect * trial.effect < 0]
    return carrying[:SHOWN_NODES] + against[-(SHOWN_NODES // 3) :]


# --- making a report -------------------------------------------------------------------------


class _Reporting:
    """Jobs of kind "report": the file is whole before anybody hears of it."""

    def __init__(self, reports: Reporting, folder: Path, key: SigningKey | None) -> None:
        self._reports = reports
        self._folder = folder
        self._key = key

    def __call__(self, db: Database, task: Task) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{uuid4().hex}.pdf"
        try:
            signer = self._signer(task.asked)
            as_of = self._reports(path, db, task.asked, signer)
            if signer:
                self._sign(path)
            issue = Issue(
                run=task.asked["run"],
                file=path.name,
                sha256=sha256_of(path),
                as_of=as_of,
                language=str(task.asked.get("language", "en")),
                signed_by=signer,
            )
            jobs.finish(db, task.id, answer={"file": issue.file, "sha256": issue.sha256, "as_of": as_of}, issue=issue)
        except BaseException:
            path.unlink(missing_ok=True)  # no row speaks of it
            raise

    def _signer(self, asked: Mapping[str, Any]) -> str:
        """Who signs the report, "" where it is asked for unsigned."""
        if not asked.get("sign", False):
            return ""
        if self._key is None:
            raise DeskError("report: the desk's worker has no key to sign with; start the desk with --sign-with NAME")
        return self._key.public.signer

    def _sign(self, path: Path) -> None:
        from audit.attestation import sign_report

        assert self._key is not None
        path.write_bytes(sign_report(path.read_bytes(), key=self._key))


def report_of(path: Path, db: Database, asked: Mapping[str, Any], signed_by: str = "") -> int:
    """Write the report of a run with the judgements of its findings; returns the number of the last event it knows.

    `asked` holds the run; besides "judgements", false for a copy without them, "without", parts to leave out, and
    "language". `signed_by` is who will sign the file, for its cover.

    Raises:
        DeskError: there is no such part to leave out, or no such language.
        RunError: the run folder is not where it was, or was changed.
        ResourceError: the report libraries are not installed, or a text cannot be drawn.
    """
    from reports import build_pdf
    from reports.content import PARTS

    without = tuple(map(str, asked.get("without", ())))
    if unknown := [part for part in without if part not in PARTS]:
        raise DeskError(f"report: has no part {unknown[0]!r}; leave out some of {', '.join(PARTS)}")
    spoken = str(asked.get("language", "en"))
    if spoken not in LANGUAGES:
        raise DeskError(f"report: is not said in {spoken[:12]!r}; choose one of {', '.join(LANGUAGES)}")
    with db.read() as session:
        run = RunFolder(Path(run_of(session, asked["run"]).folder))
    evidence, findings = run.read_evidence(), read_findings(run)
    judgements = judgements_of(db, asked["run"], by=None)
    command = command_of(evidence.manifest)
    told = judgements if asked.get("judgements", True) else None
    build_pdf(
        path,
        evidence=evidence,
        findings=findings,
        command=command,
        judgements=told,
        without=without,
        language=spoken,
        signed_by=signed_by,
    )
    return judgements.as_of


# --- comparing two runs ----------------------------------------------------------------------


class _Comparing:
    """Jobs of kind "compare": the differences are a whole file before anybody hears of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, db: Database, task: Task) -> None:
        first, second = str(task.asked["first"]), str(task.asked["second"])
        with db.read() as session:
            file = comparing.place(session, first, second, folder=self._folder)
        if (tested := comparing.kept(file)) is None:  # two people may have asked for the same
            tested = differences_of(db, first, second)
            write_differences(file, tested)
        jobs.finish(db, task.id, answer={"file": file.name, "differences": len(tested.differences)})


def differences_of(db: Database, first: str, second: str) -> Differences:
    """What differs between two runs of the desk, second minus first, from their folders.

    Raises:
        DeskError: no such run here, or its findings are not those that the desk has.
        RunError: a run folder is not where it was, or was changed.
        UsageError: no item in common.
    """
    evidence, findings = [], []
    for id_ in (first, second):
        with db.read() as session:
            row = run_of(session, id_)
            run, known = RunFolder(Path(row.folder)), row.findings_sha256
        findings.append(read_findings(run))
        if sha256_of(run.path / "findings.json") != known:
            raise DeskError(
                f"run {id_}: was weighed anew since it was brought to the desk; an auditor can bring it again"
            )
        evidence.append(run.read_evidence())
    return Differences.of(compare(*evidence, findings_a=findings[0], findings_b=findings[1]))


# --- the process -----------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Serve a desk until SIGTERM or SIGINT, or until the process that started it is gone; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m audit.workbench", description=__doc__.splitlines()[0])
    parser.add_argument("--db", default=os.environ.get("PLURAL_AUDIT_DB", ""), help="URL; or in $PLURAL_AUDIT_DB")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the desk, where reports go")
    parser.add_argument("--model", default=DEFAULT_MODEL, help='on which pairs are tried; "" for none')
    parser.add_argument(
        "--sign-with", default="", metavar="NAME", help="key that signs reports; its passphrase in $" + PASSPHRASE
    )
    parser.add_argument(
        "--with-parent", type=int, metavar="PID", help="end when this process, which started it, has ended"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if options.with_parent:  # told, not looked up: it may have ended before we got here
        threading.Thread(target=_stop_without, args=(options.with_parent, stop), daemon=True).start()
    try:
        key = signing_key(options.sign_with) if options.sign_with else None
        run_worker(options.db, folder=options.folder, model=options.model, stop=stop, key=key)
    except AuditError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def signing_key(name: str) -> SigningKey:
    """The key that signs the desk's reports, opened with the passphrase in the environment.

    Raises:
        ResourceError: the libraries for signatures are not installed.
        SignatureError: no such key, or the passphrase does not open it.
    """
    from audit.attestation import open_key

    return open_key(name, passphrase=os.environ.get(PASSPHRASE, ""))


def _stop_without(parent: int, stop: threading.Event) -> None:
    """A worker whose app was killed must not keep its model in memory for ever."""
    while os.getppid() == parent:
        if stop.wait(PAUSE_S):
            return
    stop.set()


if __name__ == "__main__":
    raise SystemExit(main())
