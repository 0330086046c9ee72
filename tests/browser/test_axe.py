"""axe-core on every page: no serious or critical issue, but those of Streamlit itself that are named here.

axe-core is fetched by npm into a folder of the test (its licence asks more of a copy than this project wants to owe);
PLURAL_AUDIT_AXE names one that is there. Without npm the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page

from audit.reviews import accounts, consent, contests, judging
from audit.reviews.roles import Role
from browser import desks
from browser.conftest import settle

AXE = "axe-core@4.14.1"
WITHIN = "([target, selector]) => document.querySelector(target)?.closest(selector) != null"
GRAVE = {"serious", "critical"}


@dataclass(frozen=True)
class Excused:
    """An issue of Streamlit's own elements, which no page of ours can mend; `why` says what it means for people."""

    rule: str
    within: str  # selector of Streamlit's element
    why: str


NAVIGATION = '[data-testid="stSidebarNavItems"]'
EXCUSED = (
    Excused("list", NAVIGATION, "sections of the menu lie between the list and its items: it is not read as one list"),
    Excused("listitem", NAVIGATION, "the same, of each link: it is read as a link, without its place in the list"),
)


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script, as text."""
    given = os.environ.get("PLURAL_AUDIT_AXE")
    if given:
        return Path(given).read_text(encoding="utf-8")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"no npm here to fetch {AXE}; install npm, or name axe.min.js in PLURAL_AUDIT_AXE")
    folder = tmp_path_factory.mktemp("axe")
    options = ("--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--no-save")
    fetched = subprocess.run([npm, "install", *options, AXE], capture_output=True, text=True, timeout=300, check=False)
    if fetched.returncode:
        reason = f"npm cannot fetch {AXE}: {(fetched.stderr.strip().splitlines() or ['?'])[-1]}"
        pytest.fail(reason) if os.environ.get("PLURAL_AUDIT_REQUIRE_BROWSER") else pytest.skip(reason)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def issues(page: Page, axe: str) -> list[str]:
    """Grave issues that nobody excused, one line each."""
    page.evaluate(axe)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    lines = []
    for violation in found["violations"]:
        if violation["impact"] not in GRAVE:
            continue
        for node in violation["nodes"]:
            target = " ".join(map(str, node["target"]))
            if not any(one.rule == violation["id"] and page.evaluate(WITHIN, [target, one.within]) for one in EXCUSED):
                lines.append(f"{violation['id']} ({violation['impact']}): {target}: {node['html'][:160]}")
    return lines


# --- a desk on which everything has happened -------------------------------------------------


@pytest.fixture(scope="module")
def people(served, root, run_folder, findings):
    """Somebody of each role, in each language; cards, three judgements of one finding, and a contest."""
    db = served.db()
    accounts.create_community(db, "axe", name="Readers of axe", languages=["ar", "en"], regions=["Cairo"], by=root.id)
    stereotypes = [one.id for one in findings if one.measurement.measure == "stereotype_effect"]
    judged, waiting = stereotypes[0], stereotypes[1:3]
    known = {"run": run_folder.name, "finding": judged}
    for language in ("en", "ar"):
        for role in Role:
            community = "axe" if role in (Role.REVIEWER, Role.STEWARD) else ""
            known[f"{role} {language}"] = desks.new_person(
                db, str(role), role, community=community, ui_language=language
            )
    said_by = [desks.new_person(db, f"voice{number}", Role.REVIEWER, community="axe") for number in range(3)]
    desks.ask(db, run_folder.name, [judged], community="axe", by=root, overlap=20)
    for person in (*said_by, known["reviewer en"], known["reviewer ar"]):
        entry = next(one for one in judging.queue(db, by=person.id).entries if one.finding == judged)
        said = judging.Judgement(judgement="partly", severity=2, comment="قول", comment_language="ar")
        judging.submit(db, entry.assignment, said, submission=person.login, by=person.id)
    desks.ask(db, run_folder.name, waiting, community="axe", by=root, overlap=20)
    filed = contests.file(
        db, run_folder.name, judged, words="لا", submission="axe contest", by=said_by[0].id, community="axe"
    )
    known["contest"] = filed.id
    consent.give(db, by=said_by[0].id)
    db.close()
    return known


FINDING = "/finding?run={run}&id={finding}"
PAGES = {
    "overview": ("reviewer", "/"),
    "findings": ("reviewer", "/findings"),
    "finding": ("reviewer", FINDING),
    "finding, to the board": ("board", FINDING),
    "queue": ("steward", "/queue"),
    "change of mind": ("reviewer", "/queue?run={run}&finding={finding}"),
    "contests": ("auditor", "/contests"),
    "contest": ("auditor", "/contests?id={contest}"),
    "filing": ("reviewer", "/contests?run={run}&finding={finding}"),
    "propose": ("reviewer", "/propose"),
    "communities": ("auditor", "/communities"),
    "compare": ("auditor", "/compare"),
    "report": ("auditor", "/report"),
    "admin": ("admin", "/admin"),
    "refused": ("reviewer", "/admin"),
    "me": ("reviewer", "/me"),
    "glossary": ("reviewer", "/glossary"),
}


ADMINISTRATION = "people invitations communities assignments runs data moderation log backups"


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_grave_issue(open_as, people, axe, name, language):
    role, path = PAGES[name]
    page = open_as(people[f"{role} {language}"], path.format_map(people), locale=language)
    assert page.locator("h1").count() == 1
    assert not (found := issues(page, axe)), "\n".join(found)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_card_has_no_grave_issue(open_as, people, axe, language):
    page = open_as(people[f"steward {language}"], "/queue", locale=language)
    page.get_by_test_id("stMain").get_by_test_id("stBaseButton-primary").first.click()
    page.get_by_role("textbox").first.wait_for()
    settle(page)
    assert not (found := issues(page, axe)), "\n".join(found)


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("part", ADMINISTRATION.split())
def test_a_part_of_the_administration_has_no_grave_issue(open_as, people, axe, part, language):
    page = open_as(people[f"admin {language}"], f"/admin?part={part}", locale=language)
    assert not (found := issues(page, axe)), "\n".join(found)


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("path", ["/auth/sign-in", "/auth/join?secret=gone", "/auth/password", "/auth/sign-out"])
def test_a_form_of_ours_has_no_issue_at_all(open_as, people, axe, path, language):
    person = None if path == "/auth/sign-in" else people[f"reviewer {language}"]
    page = open_as(person, f"{path}{'&' if '?' in path else '?'}lang={language}", locale=language)
    page.evaluate(axe)
    found = page.evaluate("() => axe.run(document)")
    assert [one["id"] for one in found["violations"]] == []
