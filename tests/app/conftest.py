"""A desk with a run, some people and the whole application, without a browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from measures.synthetic import synthetic_evidence
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from audit import pipeline
from audit.reviews import accounts, consent, judging, library
from audit.reviews.database import Database, open_database
from audit.reviews.roles import Role
from audit.reviews.tables import Assignment, Grant, Person
from audit.runs import RunFolder
from streamlit_app import desk as served
from streamlit_app import server
from streamlit_app.desk import Desk, Settings
from streamlit_app.frame import SIGN_IN

PASSWORD = "seven quiet rivers"


class Clock:
    """The desk's time: stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Move it, as `forward(hours=12)`."""
        self.now += timedelta(**by)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of an imaginary model with one planted stereotype."""
    evidence = synthetic_evidence(seed=2, languages=("ar", "en", "sw"), stereotype_effect={"gender": 1.5})
    folder = RunFolder(tmp_path_factory.mktemp("runs") / evidence.manifest.run_id)
    folder.write_evidence(evidence)
    pipeline.weigh(folder)
    folder.write_result("report.pdf", b"%PDF")
    folder.seal(versions={})
    return folder.path


@pytest.fixture(scope="session")
def filled_file(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk that has the run; copied for each test."""
    file = tmp_path_factory.mktemp("desk") / "desk.db"
    db = open_database(f"sqlite:///{file}", clock=Clock())
    library.import_run(db, run_folder, by=None)
    db.close()
    return file


@dataclass
class People:
    """Makes people who may sign in."""

    db: Database

    def __call__(self, name: str, *grants: tuple[Role, str] | Role, **columns: object) -> str:
        """A person with these roles; the id is the name."""
        filled = {"status": "active", "reads": ["en"], "password_hash": None, **columns}
        with self.db.write() as session:
            session.add(Person(id=name, login=name, pseudonym=name.title(), created_at=self.db.now(), **filled))
            session.flush()
            for grant in grants:
                role, where = grant if isinstance(grant, tuple) else (grant, "")
                session.add(Grant(person_id=name, role=role, community=where, granted_at=self.db.now()))
        return name

    def agree(self, *names: str) -> None:
        """Let them agree to what happens to their words."""
        for name in names:
            consent.give(self.db, by=name)

    def sign_in(self, name: str) -> str:
        """Secret of a new sign-in of the person."""
        with self.db.write() as session:
            return accounts._new_sign_in(session, name, self.db.now())


@pytest.fixture
def clock() -> Clock:
    """Monday 2 March 2026, nine in the morning UTC, until the test moves it."""
    return Clock()


@pytest.fixture
def desk(filled_file: Path, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    """A desk with a run and nobody, served on one machine over http."""
    shutil.copy(filled_file, tmp_path / "desk.db")
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    db = open_database(url, clock=clock)
    made = Desk(settings=Settings(database=url, folder=tmp_path, runs=tmp_path / "runs"), db=db)
    served.serve(made)
    yield made
    db.close()


@pytest.fixture
def people(desk: Desk) -> People:
    """Makes people: `people("amina", (Role.REVIEWER, "nairobi"))`."""
    return People(desk.db)


@pytest.fixture
def nairobi(desk: Desk, people: People) -> str:
    """A community that reviews in Swahili and English, and the admin "root" who made it."""
    people("root", Role.ADMIN)
    accounts.create_community(
        desk.db, "nairobi", name="Nairobi <b>youth</b>", languages=["sw", "en"], regions=["Nairobi"], by="root"
    )
    return "nairobi"


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    """Our routes behind our guard; where Streamlit would answer, a word does."""
    with TestClient(application(desk), follow_redirects=False) as found:
        yield found


def application(desk: Desk) -> Starlette:
    """What `server.build` makes, without Streamlit's runtime: there can be but one in a process."""
    pages = [Route(f"/{name}", lambda _request: PlainTextResponse("a page")) for name in server.PAGES]
    pages += [
        Route(
            f"/{path}{{rest:path}}", lambda _request: PlainTextResponse("Streamlit's"), methods=["GET", "PUT", "POST"]
        )
        for path in ("media/", "_stcore/")
    ]
    return Starlette(routes=[*server.routes_of(desk), *pages], middleware=[Middleware(server.Guard, desk=desk)])


@pytest.fixture
def app(desk: Desk, people: People) -> Callable[..., AppTest]:
    """Open the app as somebody: `app("amina", page="findings", lang="ar", id="...")`."""

    def opened(name: str = "", *, page: str = "", **query: str) -> AppTest:
        test = AppTest.from_file(str(Path(server.__file__).with_name("app.py")), default_timeout=30)
        for key, value in query.items():
            test.query_params[key] = value
        if name:
            test.session_state[SIGN_IN] = people.sign_in(name)
        if page:
            test._page_hash = page_hash(page)
        test.run()
        assert not test.exception, test.exception
        return test

    return opened


def judge(db: Database, run: str, finding: str, community: str, *, by: str, comment: str) -> None:
    """Let somebody who reads the language judge a finding, from an assignment of their own."""
    consent.give(db, by=by)
    with db.write() as session:
        row = Assignment(
            run_id=run, finding_id=finding, person_id=by, community=community, state="open", place=1, made_at=db.now()
        )
        session.add(row)
        session.flush()
        assignment = row.id
    said = judging.Judgement(judgement="agree", severity=2, comment=comment, comment_language="sw")
    judging.submit(db, assignment, said, submission=f"{by} {finding}", by=by)


def page_hash(name: str) -> str:
    """How Streamlit names a page by its address."""
    return calc_hash(name)


def words_of(test: AppTest) -> str:
    """Everything that stands on the page, as one text: our HTML without its tags."""
    parts = [str(getattr(element, "value", "") or getattr(element, "label", "")) for element in everything(test)]
    return unescape(re.sub(r"<[^<>]+>", " ", "\n".join(parts)))


def everything(test: AppTest) -> list[Any]:
    """Every element of the page's main part, in order."""
    return [node for node in test.main if not hasattr(node, "children")]


def html_of(test: AppTest) -> str:
    """Our HTML on the page, as it is sent."""
    return "\n".join(str(element.value) for element in everything(test) if element.type == "html")
