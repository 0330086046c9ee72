"""A real server, a real browser: what people meet, in Debian's chromium.

The desk is the command `plural-audit app` on a port of loopback, with a run of an imaginary model in Arabic and
English. Where chromium is missing the tests are skipped, or fail if PLURAL_AUDIT_REQUIRE_BROWSER is set.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from audit.findings import from_json
from audit.records import Finding
from audit.reviews import accounts, library
from audit.reviews.database import Database, open_database
from browser import desks
from browser.desks import ServedDesk, Somebody
from streamlit_app import texts

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000  # a step of the browser; the machines of tests are slow and shared
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is marked `browser`: left out unless asked for."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def chromium() -> str:
    """Path of the browser; skips, or fails where it is required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("PLURAL_AUDIT_REQUIRE_BROWSER"):
            pytest.fail("no chromium here: apt-get install chromium")
        pytest.skip("no chromium here: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS])
    yield launched
    launched.close()


# --- a desk ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run in Arabic and English."""
    return desks.write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def findings(run_folder: Path) -> tuple[Finding, ...]:
    """What the run found."""
    return from_json((run_folder / "findings.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def served(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    """The desk that tests share, with its worker; each makes people and a community of its own."""
    desk = ServedDesk(folder=tmp_path_factory.mktemp("desk"), runs=run_folder.parent, worker=True).start()
    yield desk
    desk.stop()


@pytest.fixture(scope="session")
def root(served: ServedDesk) -> Somebody:
    """The shared desk's administrator."""
    db = served.db()
    made = desks.first_admin(db)
    db.close()
    return made


@pytest.fixture
def fresh(run_folder: Path, tmp_path: Path) -> Iterator[ServedDesk]:
    """A desk of the test's own, not started yet, with the run in it and nobody."""
    desk = ServedDesk(folder=tmp_path / "desk", runs=run_folder.parent)
    desk.folder.mkdir()
    db = open_database(desk.db_url)
    library.import_run(db, run_folder, by=None)
    db.close()
    yield desk
    desk.kill()


@pytest.fixture
def db(served: ServedDesk) -> Iterator[Database]:
    """The shared desk's database, as the library opens it."""
    opened = served.db()
    yield opened
    opened.close()


@pytest.fixture
def community(db: Database, root: Somebody) -> str:
    """A community of the test's own that reviews in Arabic and English."""
    id_ = f"c{secrets.token_hex(4)}"
    accounts.create_community(db, id_, name=f"Readers {id_}", languages=["ar", "en"], regions=["Cairo"], by=root.id)
    return id_


# --- browsers --------------------------------------------------------------------------------


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Make a browser with its own cookies: `contexts(served, amina)`; dialogs and errors of scripts fail the test."""
    made: list[BrowserContext] = []
    wrong: list[str] = []

    def new(desk: ServedDesk, person: Somebody | None = None, *, locale: str = "en", **more: object) -> BrowserContext:
        size = {"width": 1280, "height": 1000}
        context = browser.new_context(**{"locale": locale, "color_scheme": "light", "viewport": size, **more})
        context.set_default_timeout(PATIENCE_MS)
        context.on("dialog", lambda dialog: (wrong.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        context.on("weberror", lambda error: wrong.append(f"an error of a script: {error.error}"))
        if person is not None:
            context.add_cookies([{"name": "desk", "value": person.secret, "url": desk.url, "httpOnly": True}])
        made.append(context)
        return context

    yield new
    for context in made:
        context.close()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def open_as(served: ServedDesk, contexts: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """Open a page of the shared desk: `open_as(amina, "/queue", locale="ar")`."""

    def opened(person: Somebody | None, path: str = "/", **more: object) -> Page:
        page = contexts(served, person, **more).new_page()
        page.goto(served.url + path)
        settle(page)
        return page

    return opened


def settle(page: Page) -> None:
    """Wait until the page's script has run to its end; on a form of our own there is nothing to wait for."""
    if "/auth/" in page.url:
        return
    page.wait_for_selector(SETTLED, timeout=PATIENCE_MS)
    page.wait_for_selector("h1", timeout=PATIENCE_MS)


def words_in(language: str) -> Callable[..., str]:
    """Our own texts as the pages show them in a language."""
    return texts.of(language).gettext


def address(run: str, finding: str, *, page: str = "finding") -> str:
    """Address of a finding's page."""
    name = "id" if page == "finding" else "finding"
    return f"/{page}?run={run}&{name}={finding}"
