"""How the community desk bears many reviewers at once: real server, real pages, simulated people.

What is loaded: the command `plural-audit app` as a process. Each simulated reviewer has a password and signs in by the
form, holds one WebSocket as a browser does, and speaks Streamlit's own protocol: opens the review queue, passes the
warning, chooses an answer (which saves a draft), writes a comment (which saves it again), submits, reads what follows,
takes the next card. Every step is a whole run of the page's script in the server, with its transactions.

What is not: browsers. Nothing is drawn, scripts and styles are not fetched, and the simulated people are threads of one
process that shares the machine with the server, so that times are rather too long than too short. All come from one
address, over loopback, without TLS or a proxy. There is no worker and no model; one run of some 150 findings.

People wait between steps: an exponential time of mean `--pace` seconds, at most four times that. A card is four steps,
so that at ten seconds somebody judges a card in 40 s without a pause: faster than people read one.

    python -m bench.desk --reviewers 50 --minutes 5
    python -m bench.desk --db postgresql+psycopg://postgres@/desk?host=/run/postgresql
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from audit.reviews import accounts, events
from audit.reviews.database import Database
from audit.reviews.roles import Role
from audit.reviews.tables import Event, FindingRow, Review

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))  # the imaginary run and the process are theirs
from browser import desks
from browser.desks import ServedDesk, Somebody

PATIENCE_S = 60.0  # for the answer to a step
SIGN_IN_S = 0.4  # between two people who come in
STEPS = ("open", "choose", "comment", "submit", "next")
WARNING, SUBMIT, NEXT = "Show such cards in this session", "Submit my judgement", "Next card"
SAVED = "Your judgement is saved."


@dataclass
class Seen:
    """What the simulated people saw, all of them together."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    told: list[tuple[str, str]] = field(default_factory=list)  # (person, comment) of every acknowledged submit
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Time a step that goes well."""
        begun = time.perf_counter()
        yield
        with self.lock:
            self.seconds[step].append(time.perf_counter() - begun)


class StepError(Exception):
    """The page did not answer as it does for people."""


# --- one reviewer ----------------------------------------------------------------------------


class Tab:
    """A page of the desk as the browser's program holds it: the elements of the last run, and what was typed."""

    def __init__(self, socket: ClientConnection, page: str) -> None:
        self.socket, self.page, self.script = socket, page, ""
        self.elements: list[Element] = []
        self.states: dict[str, WidgetState] = {}
        self.known: dict[str, ForwardMsg] = {}  # long messages, which the server sends once

    def run(self, pressed: str = "", *, until: Callable[[Tab], bool] = lambda _tab: True) -> None:
        """Run the page's script with what is typed and the button `pressed`; wait until it has ended as expected."""
        message = BackMsg()
        asked = message.rerun_script
        asked.page_script_hash, asked.page_name = self.script, "" if self.script else self.page
        asked.widget_states.widgets.extend(self.states.values())
        if pressed:
            asked.widget_states.widgets.add(id=pressed, trigger_value=True)
        self.socket.send(message.SerializeToString())
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            if self._take(self.socket.recv(timeout=PATIENCE_S)) and until(self):
                return
        raise StepError(f"nothing of what was expected came within {PATIENCE_S:.0f} s")

    def _take(self, content: str | bytes) -> bool:
        """Take in one message; true where a run has ended whole."""
        message = ForwardMsg.FromString(content if isinstance(content, bytes) else content.encode())
        if message.WhichOneof("type") == "ref_hash":
            message = self.known[message.ref_hash]
        elif message.hash:
            self.known[message.hash] = message
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.elements = []
        elif kind == "navigation":
            self.script = message.navigation.page_script_hash
        elif kind == "delta" and message.delta.HasField("new_element"):
            self.elements.append(message.delta.new_element)
        return kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY

    def of(self, kind: str) -> list[Any]:
        """Elements of a kind."""
        return [getattr(one, kind) for one in self.elements if one.WhichOneof("type") == kind]

    def labelled(self, kind: str, label: str) -> Any:
        """The widget with a label."""
        found = [one for one in self.of(kind) if one.label == label]
        if not found:
            shown = [f"{alert.body[:120]!r}" for alert in self.of("alert")]
            raise StepError(f"no {kind} {label!r} on the page; it says {', '.join(shown) or 'nothing'}")
        return found[0]

    def says(self, words: str) -> bool:
        """Whether a message on the page has these words."""
        return any(words in alert.body for alert in self.of("alert"))

    def type(self, id_: str, value: str) -> None:
        """Fill in a widget: chosen words of a radio, or a text."""
        self.states[id_] = WidgetState(id=id_, string_value=value)


@contextmanager
def opened(desk: ServedDesk, cookie: str, page: str) -> Iterator[Tab]:
    """A page of the desk, until the work is done."""
    with connect(
        f"ws://127.0.0.1:{desk.port}/_stcore/stream",
        additional_headers={"Cookie": cookie},
        origin=desk.url,  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
        open_timeout=PATIENCE_S,
        proxy=None,
    ) as socket:
        yield Tab(socket, page)


def sign_in(desk: ServedDesk, person: Somebody) -> str:
    """Sign in by the form; returns the cookie as a browser sends it."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), NoRedirect())
    address = f"{desk.url}/auth/sign-in"
    page = opener.open(address, timeout=PATIENCE_S).read().decode()
    token = re.search(r'name="token" value="([^"]+)"', page)
    form = {"login": person.login, "password": desks.PASSWORD, "token": token[1] if token else ""}
    opener.open(address, urllib.parse.urlencode(form).encode(), timeout=PATIENCE_S).close()
    held = [f"{cookie.name}={cookie.value}" for cookie in jar if cookie.name == "desk"]
    if not held:
        raise StepError(f"{person.login}: is not signed in by the form")
    return held[0]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Stay where the form answers: the page behind it is opened by the WebSocket."""

    def http_error_303(self, _request: Any, answer: Any, *_more: Any) -> Any:
        return answer


def review(desk: ServedDesk, person: Somebody, seen: Seen, *, until: float, pace: float, seed: int) -> None:
    """Judge cards until the time is over, the last one at the same pace; what goes wrong ends this reviewer."""
    dice = random.Random(seed)  # noqa: S311 - waiting times

    def think() -> None:
        time.sleep(min(dice.expovariate(1 / pace), 4 * pace))

    try:
        with opened(desk, sign_in(desk, person), "queue") as tab:
            with seen.timed("open"):
                tab.run(until=lambda tab: bool(tab.of("button")))
            while time.monotonic() < until:
                think()
                judge(tab, person, seen, think)
    except (StepError, OSError, WebSocketException, TimeoutError) as error:
        with seen.lock:
            seen.errors.append(f"{person.login}: {type(error).__name__}: {error}")


def judge(tab: Tab, person: Somebody, seen: Seen, think: Callable[[], None]) -> None:
    """One card, as a person goes about it."""
    shown = [one for one in tab.of("button") if one.label == WARNING]
    if shown:
        tab.run(shown[0].id, until=lambda tab: bool(tab.of("text_area")))
        think()
    question = tab.labelled("radio", "Do you agree with what the finding says?")
    tab.type(question.id, question.options[len(seen.told) % len(question.options)])
    with seen.timed("choose"):
        tab.run()
    think()
    comment = f"{person.login}, card {time.monotonic_ns()}: هكذا يقال عندنا"
    tab.type(tab.labelled("text_area", "Comment, in any language").id, comment)
    with seen.timed("comment"):
        tab.run()
    think()
    with seen.timed("submit"):
        tab.run(tab.labelled("button", SUBMIT).id, until=lambda tab: tab.says(SAVED))
    with seen.lock:
        seen.told.append((person.id, comment))
    think()
    tab.states.clear()
    with seen.timed("next"):
        tab.run(tab.labelled("button", NEXT).id, until=lambda tab: not tab.says(SAVED))


# --- all of them -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a load gave."""

    reviewers: int
    minutes: float
    pace: float
    database: str
    submits: int  # acknowledged
    errors: tuple[str, ...]
    seconds: dict[str, list[float]]
    missing: int  # acknowledged and not in the database exactly once, or without their event
    chain: str  # "" where the log verifies
    cpu_s: float  # of the server
    memory_mb: float  # of the server, at the end


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not pass; nan of none."""
    ranked = sorted(values)
    return ranked[math.ceil(share * len(ranked)) - 1] if ranked else float("nan")


def load(desk: ServedDesk, run: str, *, reviewers: int, minutes: float, pace: float) -> Load:
    """Fill a started desk with people, let them judge, and count what is there afterwards."""
    seen = Seen()
    with closing(desk.db()) as db:
        people = invited(db, run, reviewers)
        server = psutil.Process(desk.process.pid if desk.process else None)
        begun, until = server.cpu_times(), time.monotonic() + 60 * minutes + SIGN_IN_S * reviewers
        threads = []
        for number, person in enumerate(people):
            more = {"until": until, "pace": pace, "seed": number}
            threads.append(threading.Thread(target=review, args=(desk, person, seen), kwargs=more, daemon=True))
            threads[-1].start()
            time.sleep(SIGN_IN_S)
        for thread in threads:
            thread.join(timeout=60 * minutes + 20 * pace + 4 * PATIENCE_S)
        seen.errors.extend("a reviewer hangs" for thread in threads if thread.is_alive())
        ended = server.cpu_times()
        with db.read() as session:
            chain = events.verify_chain(session)
        return Load(
            reviewers=reviewers,
            minutes=minutes,
            pace=pace,
            database=desk.db_url.partition(":")[0],
            submits=len(seen.told),
            errors=tuple(seen.errors),
            seconds=seen.seconds,
            missing=missing(db, seen.told),
            chain=str(chain) if chain else "",
            cpu_s=ended.user + ended.system - begun.user - begun.system,
            memory_mb=server.memory_info().rss / 2**20,
        )


def invited(db: Database, run: str, reviewers: int) -> list[Somebody]:
    """So many reviewers of one community; each finding is given to twenty of them, the most that the desk allows."""
    root = desks.first_admin(db)
    accounts.create_community(db, "many", name="Many", languages=["ar", "en"], regions=[], by=root.id)
    people = [desks.new_person(db, f"reader{number}", Role.REVIEWER, community="many") for number in range(reviewers)]
    with db.read() as session:
        readable = FindingRow.run_id == run, FindingRow.language.in_(["ar", "en"])
        cards = list(session.scalars(select(FindingRow.id).where(*readable).order_by(FindingRow.place)))
    desks.ask(db, run, cards, community="many", by=root, overlap=min(20, reviewers))
    return people


def missing(db: Database, told: Sequence[tuple[str, str]]) -> int:
    """How many acknowledged submits are not there once, each with one event of that person."""
    with db.read() as session:
        found = session.execute(select(Review.person_id, Review.comment, func.count()).group_by("person_id", "comment"))
        there = {(person, comment): n for person, comment, n in found}
        counted = select(Event.actor, func.count()).where(Event.kind == "review submitted").group_by(Event.actor)
        logged = {actor: n for actor, n in session.execute(counted)}  # noqa: C416 - rows are no pairs to dict()
    by_person: dict[str, int] = {}
    for person, _comment in told:
        by_person[person] = by_person.get(person, 0) + 1
    lost = sum(there.get(one, 0) != 1 for one in told)
    return lost + sum(max(0, n - logged.get(person, 0)) for person, n in by_person.items())


def table(result: Load) -> str:
    """The result, as it is printed."""
    lines = [
        f"{result.reviewers} reviewers, {result.minutes:g} min, a step about every {result.pace:g} s each, "
        f"{result.database}: {result.submits} submits, {len(result.errors)} errors, {result.missing} missing, "
        f"log {'verifies' if not result.chain else result.chain}; server {result.cpu_s:.0f} s of CPU, "
        f"{result.memory_mb:.0f} MB",
        f"{'step':10}{'n':>7}{'p50 s':>9}{'p95 s':>9}{'p99 s':>9}{'most':>9}",
    ]
    for step, seconds in result.seconds.items():
        figures = [statistics.median(seconds) if seconds else float("nan"), percentile(seconds, 0.95)]
        figures += [percentile(seconds, 0.99), max(seconds, default=float("nan"))]
        lines.append(f"{step:10}{len(seconds):7}" + "".join(f"{one:9.3f}" for one in figures))
    return "\n".join([*lines, *(f"  {line}" for line in result.errors[:20])])


def main() -> None:
    """Make a desk, load it, print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reviewers", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--pace", type=float, default=10.0, help="seconds between the steps of one person, on average")
    parser.add_argument("--db", default="", help="URL of an empty database; default: SQLite in a temporary folder")
    parser.add_argument("--out", type=Path, help="JSON file for every time that was measured")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-load-") as folder:
        run = desks.write_run(Path(folder) / "runs")
        desk = ServedDesk(folder=Path(folder) / "desk", runs=run.parent, database=asked.db).start()
        try:
            result = load(desk, run.name, reviewers=asked.reviewers, minutes=asked.minutes, pace=asked.pace)
        finally:
            desk.stop()
    print(table(result))
    if asked.out:
        asked.out.write_text(json.dumps(vars(result)), encoding="utf-8")
    sys.exit(bool(result.errors or result.missing or result.chain))


if __name__ == "__main__":
    main()
