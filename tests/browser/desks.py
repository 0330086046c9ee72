"""A desk as its users have it: the command `plural-audit app` as a process, and people made through the library."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from measures.synthetic import synthetic_evidence

from audit import pipeline
from audit.records import Evidence
from audit.reviews import accounts, assigning, consent
from audit.reviews.database import Database, open_database
from audit.reviews.roles import Role
from audit.runs import RunFolder

PASSWORD = "seven quiet rivers"
START_S = 90.0  # that a desk gets to answer; a busy machine needs 20
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>[x](javascript:alert(3)) $\\frac{1}{2}$ **bold**"

HOSTILE_ITEM = "gender-1"

# One Arabic template a side, so that a page in English shows text of the other direction.
ARABIC = {
    "base": "قالت الممرضة إنها",
    "counterpart": "قال المهندس إنه",
    "neutral": "قال الشخص إنه",
}


# --- a run -----------------------------------------------------------------------------------


def reworded(evidence: Evidence) -> Evidence:
    """The same evidence with Arabic words on the stereotype items of that language, and hostile ones on an English."""

    def hostile(texts: str) -> str:
        entries = [{**one, "prompt": f"{HOSTILE} {one['prompt']}"} for one in json.loads(texts)]
        return json.dumps(entries, ensure_ascii=False)

    def arabic(texts: str) -> str:
        entries = [
            {**one, "prompt": ARABIC[one["context"]], "answers": {"a": [" متعبة"], "b": [" قوي"]}}
            for one in json.loads(texts)
        ]
        return json.dumps(entries, ensure_ascii=False)

    items = evidence.items.copy()
    stereotypes = items["kind"] == "stereotype"
    for rows, write in (
        (stereotypes & (items["language"] == "ar"), arabic),
        (stereotypes & (items["language"] == "en") & (items["item"] == HOSTILE_ITEM), hostile),
    ):
        items.loc[rows, "texts"] = items.loc[rows, "texts"].map(write)
    return replace(evidence, items=items)


def write_run(folder: Path) -> Path:
    """A complete run in Arabic and English of an imaginary model with a planted stereotype, in `folder`."""
    evidence = reworded(synthetic_evidence(seed=2, languages=("ar", "en"), stereotype_effect={"gender": 1.5}))
    run = RunFolder(folder / evidence.manifest.run_id)
    run.write_evidence(evidence)
    pipeline.weigh(run)
    run.write_result("report.pdf", b"%PDF")
    run.seal(versions={})
    return run.path


# --- people ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """A person with an account, and the secret of a sign-in that a browser may hold as its cookie."""

    id: str
    login: str
    pseudonym: str
    secret: str


# --- the process -----------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class ServedDesk:
    """A desk in a folder, and the process that serves it."""

    folder: Path
    runs: Path
    database: str = ""  # URL; "" for SQLite in the folder
    worker: bool = False
    more: Sequence[str] = ()  # options of the command
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As the browser types it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def db_url(self) -> str:
        """Of its database."""
        return self.database or f"sqlite:///{self.folder / 'desk.db'}"

    @property
    def log(self) -> Path:
        """What the process printed."""
        return self.folder / "server.log"

    def start(self) -> ServedDesk:
        """Start the process and wait until it answers."""
        command = [
            *(str(Path(sys.executable).with_name("plural-audit")), "app", "--no-browser"),
            *("--folder", str(self.folder), "--runs", str(self.runs), "--port", str(self.port)),
            *(() if self.worker else ("--no-worker",)),
            *self.more,
        ]
        environment = {**os.environ, "PLURAL_AUDIT_DB": self.db_url, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._await()
        return self

    def _await(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self.kill()
        raise AssertionError(f"the desk does not answer:\n{self.log.read_text()}")

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it as a power cut does: process group at once, nothing is told."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    # --- what is in it -----------------------------------------------------------------------

    def db(self) -> Database:
        """A connection of the caller's own to the desk's database; they close it."""
        return open_database(self.db_url)


def new_person(
    db: Database,
    name: str,
    role: Role,
    *,
    community: str = "",
    reads: Sequence[str] = ("ar", "en"),
    ui_language: str = "en",
    shortcuts: bool = False,
    agreed: bool = True,
) -> Somebody:
    """Somebody who followed an invitation, filled in a profile and agreed; names are made unique."""
    login = f"{name}-{secrets.token_hex(3)}"
    invitation = accounts.invite_from_command_line(db, role=role, community=community)
    pseudonym = login.title()
    secret = accounts.accept_invitation(
        db, invitation, login=login, pseudonym=pseudonym, password=PASSWORD, ui_language=ui_language
    )
    actor = accounts.person_of(db, secret)
    assert actor is not None, "a new account is signed in"
    version = accounts.profile(db, by=actor.id).version
    accounts.edit_profile(db, version=version, by=actor.id, reads=list(reads), shortcuts=shortcuts)
    if agreed and role in (Role.REVIEWER, Role.STEWARD):
        consent.give(db, by=actor.id)
    return Somebody(id=actor.id, login=login, pseudonym=pseudonym, secret=secret)


def first_admin(db: Database, name: str = "root") -> Somebody:
    """The first administrator, by the link that the command line gives."""
    secret = accounts.first_admin(db)
    assert secret is not None, "the desk has an administrator already"
    held = accounts.set_up(db, secret, login=name, pseudonym=name.title(), password=PASSWORD)
    actor = accounts.person_of(db, held)
    assert actor is not None, "a new account is signed in"
    return Somebody(id=actor.id, login=name, pseudonym=name.title(), secret=held)


def ask(
    db: Database, run: str, findings: Sequence[str], *, community: str, by: Somebody, overlap: int = 1, seed: int = 1
) -> None:
    """Ask people of a community to judge findings."""
    assigning.assign(db, run, community=community, findings=list(findings), overlap=overlap, seed=seed, by=by.id)
