"""The desk without a mouse: every step of a review by keys alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from audit.reviews.roles import Role
from browser import desks
from browser.cards import Cards, judged
from browser.conftest import settle

MOST_STEPS = 150  # of the Tab key to reach a thing on one page
IN_FOCUS = """() => {
    const at = document.activeElement
    const labelled = (at.getAttribute('aria-labelledby') || '').split(' ').map(
        id => document.getElementById(id)?.innerText || '').join(' ')
    const label = at.closest('label')?.innerText || at.labels?.[0]?.innerText || ''
    const own = ['A', 'BUTTON', 'SUMMARY'].includes(at.tagName) ? at.innerText : ''
    return [at.getAttribute('aria-label') || labelled || label || own || at.name || '', at.type || at.tagName]
}"""


def tab_to(page: Page, words: str) -> None:
    """Press Tab until the thing with these words has the focus; it must be seen to have it."""
    passed = []
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        name, kind = page.evaluate(IN_FOCUS)
        if words in name:
            return
        passed.append(f"{kind}: {name[:40]!r}")
    raise AssertionError(f"{words!r} is not reached by Tab; passed: {passed}")


@pytest.fixture
def findings_of_two(findings):
    """Two findings in English."""
    return [one.id for one in findings if one.measurement.scope.language == "en"][:2]


def press(page: Page, key: str, *, chosen: Locator) -> None:
    """Press a key as a person does: once more if nothing happened, since a page is there before its keys listen."""
    for _ in range(5):
        page.keyboard.press(key)
        try:
            expect(chosen).to_be_checked(timeout=5000)
        except AssertionError:
            continue
        return


@pytest.mark.parametrize("keys", [False, True], ids=["plain", "single keys"])
def test_two_cards_are_judged_without_a_mouse(open_as, db, root, community, run_folder, findings_of_two, keys):
    person = desks.new_person(db, "kay", Role.REVIEWER, community=community, shortcuts=keys)
    desks.ask(db, run_folder.name, findings_of_two, community=community, by=root)
    page = open_as(None, "/queue")
    page.keyboard.press("Tab")
    page.keyboard.type(person.login)
    page.keyboard.press("Tab")
    page.keyboard.type(desks.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Review")
    settle(page)
    cards = Cards(page)
    warning = page.get_by_role("button", name="Show such cards in this session")
    for _card in (1, 2):
        if warning.is_visible():
            tab_to(page, "Show such cards in this session")
            page.keyboard.press("Enter")
            expect(warning).to_be_hidden()
            settle(page)
        agree = cards.group("Do you agree with what the finding says?").get_by_role(
            "radio", name="I agree in part", exact=True
        )
        if keys:
            press(page, "2", chosen=agree)
        else:
            tab_to(page, "I agree")  # the group is one stop; arrows move in it
            page.keyboard.press("ArrowDown")
        expect(agree).to_be_checked()
        settle(page)
        if keys:
            page.keyboard.press("s")
        else:
            tab_to(page, "Submit my judgement")
            page.keyboard.press("Enter")
        expect(cards.thanks).to_be_visible()
        settle(page)
        if keys:
            page.keyboard.press("n")
        else:
            tab_to(page, "Next card")
            page.keyboard.press("Enter")
        expect(cards.thanks).to_be_hidden()
        settle(page)
    expect(page.get_by_text("Nothing waits for you now.")).to_be_visible()
    said = judged(db, run_folder.name, findings_of_two, by=person)
    assert {finding: [one.judgement for one in all_] for finding, all_ in said.items()} == {
        finding: ["partly"] for finding in findings_of_two
    }


def test_what_has_the_focus_can_be_seen(open_as, db, community):
    """Each of the first stops of Tab on a page has a ring, an underline or a ground that it lacks without focus."""
    person = desks.new_person(db, "kay", Role.REVIEWER, community=community)
    page = open_as(person, "/me")
    unseen = []
    for _ in range(25):
        page.keyboard.press("Tab")
        page.wait_for_timeout(150)  # rings fade in
        seen, name = page.evaluate(
            """() => {
            const at = document.activeElement
            const look = one => ['outline', 'outlineWidth', 'boxShadow', 'borderColor', 'backgroundColor'].map(
                name => getComputedStyle(one)[name]).join('|')
            const near = [at, at.parentElement, at.parentElement?.parentElement, ...at.parentElement.children]
            const before = near.map(look)
            at.blur()
            document.body.offsetHeight
            return new Promise(done => setTimeout(() => {
                const after = near.map(look)
                at.focus({focusVisible: true, preventScroll: true})
                done([before.some((one, place) => one !== after[place]), at.outerHTML.slice(0, 120)])
            }, 300))
        }"""
        )
        if not seen:
            unseen.append(name)
    assert not unseen
