"""A run with ten thousand findings on the page that lists them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from playwright.sync_api import Page

from audit.findings import to_json
from audit.reviews.roles import Role
from audit.runs import RunFolder
from browser import desks
from browser.conftest import settle
from browser.desks import ServedDesk

MANY, PER_PAGE = 10_000, 50
TIMES = 5
# The aim is half a second on a machine that does nothing else; what a test may insist on is that no work grows with
# the number of findings beyond the query, on machines that are slow and shared. The figures are printed (-s).
MOST_S = 3.0


@pytest.fixture(scope="module")
def desk(tmp_path_factory, findings, run_folder):
    """A desk with a run of ten thousand findings."""
    folder = tmp_path_factory.mktemp("many")
    run = RunFolder(folder / "runs" / run_folder.name)
    run.write_evidence(RunFolder(run_folder).read_evidence())
    many = [replace(findings[n % len(findings)], id=f"{n:012x}") for n in range(MANY)]
    run.write_result("findings.json", to_json(many).encode())
    run.write_result("report.pdf", b"%PDF")
    run.seal(versions={})
    served = ServedDesk(folder=folder / "desk", runs=run.path.parent).start()
    yield served
    served.stop()


def seconds(page: Page, act: Callable[[], object], shown: str) -> float:
    """From a click until the page shows what a selector names; looked for at every frame."""
    begun = time.perf_counter()
    act()
    page.wait_for_selector(shown)
    taken = time.perf_counter() - begun
    settle(page)
    return taken


def counted(n: str) -> str:
    """Selector of the line that says how many findings fit."""
    return f'p.desk-text:text-is("{n} findings")'


def test_ten_thousand_findings_are_paged_and_filtered_quickly(contexts, desk):
    db = desk.db()
    person = desks.new_person(db, "bodil", Role.BOARD)
    db.close()
    page = contexts(desk, person).new_page()
    page.goto(f"{desk.url}/findings")
    settle(page)
    page.wait_for_selector(counted("10,000"))
    assert page.get_by_role("link", name="Open finding").count() == PER_PAGE

    def turn(number: int) -> float:
        button = page.get_by_role("button", name=f"Page {number}", exact=True)
        return seconds(page, button.click, f'a[href$="id={PER_PAGE * (number - 1):012x}"]')

    def search(words: str, found: str) -> float:
        field = page.get_by_role("textbox", name="Search")
        field.fill(words)
        return seconds(page, lambda: field.press("Enter"), counted(found))

    turned = [turn(number) for number in (2, 3, 4, 3, 2)]
    searched = []
    for number in (7, 8, 9):  # one finding each, by its id
        field = page.get_by_role("textbox", name="Search")
        field.fill(f"{number:012x}")
        searched.append(seconds(page, partial(field.press, "Enter"), 'p.desk-text:text-is("1 finding")'))
        searched.append(search("", "10,000"))
    opened = [seconds(page, page.reload, counted("10,000")) for _ in range(TIMES)]
    figures = {"turned": turned, "searched": searched, "loaded anew, with all of Streamlit": opened}
    for name, taken in figures.items():
        print(f"{name}: median {statistics.median(taken):.2f} s, most {max(taken):.2f} s")  # noqa: T201
    assert statistics.median(turned) < MOST_S
    assert statistics.median(searched) < MOST_S
