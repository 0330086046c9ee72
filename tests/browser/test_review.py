"""Judging cards in a browser: right to left, saved as one goes, once whatever one clicks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from audit.reviews.roles import Role
from browser import desks
from browser.cards import Cards, judged
from browser.conftest import address, settle

ARABIC_COMMENT = "ليس هذا صحيحا عندنا (2026-03-02)، والممرضون كثر."


@pytest.fixture
def cards_of(findings):
    """Ids of the findings on stereotypes in a language."""

    def of(language: str) -> list[str]:
        return [
            one.id
            for one in findings
            if one.measurement.measure == "stereotype_effect" and one.measurement.scope.language == language
        ]

    return of


@pytest.fixture
def amina(db, root, community, run_folder, cards_of):
    """A reviewer who reads Arabic pages and has eight cards."""
    person = desks.new_person(db, "amina", Role.REVIEWER, community=community, ui_language="ar")
    desks.ask(db, run_folder.name, cards_of("ar"), community=community, by=root)
    return person


@pytest.fixture
def elif_(db, root, community, run_folder, cards_of):
    """A reviewer who reads English pages and has eight cards in English."""
    person = desks.new_person(db, "elif", Role.REVIEWER, community=community)
    desks.ask(db, run_folder.name, cards_of("en"), community=community, by=root)
    return person


def computed(locator, name: str) -> str:
    return locator.evaluate("(element, name) => getComputedStyle(element)[name]", name)


def left_edge(locator) -> float:
    return locator.bounding_box()["x"]


# --- in Arabic -------------------------------------------------------------------------------


def test_a_card_in_arabic_is_read_from_the_right(open_as, amina):
    cards = Cards(open_as(amina, "/queue"), "ar")
    cards.show()
    page, t = cards.page, cards.t
    html = page.locator("html")
    assert (html.get_attribute("lang"), html.get_attribute("dir")) == ("ar", "rtl")
    assert computed(page.get_by_test_id("stMain"), "direction") == "rtl"
    for heading in page.get_by_test_id("stHeading").all():
        assert computed(heading, "textAlign") == "start"
    assert left_edge(page.get_by_test_id("stSidebar")) > left_edge(page.get_by_test_id("stMain"))

    prompt = page.locator(".desk-prompt bdi[lang=ar]").first
    assert prompt.inner_text() == desks.ARABIC["base"]
    assert computed(prompt, "direction") == "rtl"
    sentence = page.locator(".desk-lead bdi[lang=ar]").first  # a finding is said in the language of the interface
    assert computed(sentence, "direction") == "rtl"

    page.get_by_text(t("Not now, or not at all")).click()
    skip = page.get_by_role("button", name=t("Skip this card for good"))
    later = page.get_by_role("button", name=t("Leave it for later"))
    assert left_edge(skip) > left_edge(later)  # the first of two columns is the right one


def test_a_review_in_arabic_survives_a_reload_and_is_written_as_it_was_typed(open_as, amina, db, run_folder, cards_of):
    cards = Cards(open_as(amina, "/queue"), "ar")
    cards.show()
    cards.choose("Do you agree with what the finding says?", "I agree in part")
    cards.choose("How much harm do you see in it?", "Some harm")
    cards.choose("Does what the model shows exist where you live?", "It is rare")
    cards.write(ARABIC_COMMENT)
    assert computed(cards.comment, "direction") == "rtl"

    cards.page.reload()
    settle(cards.page)
    cards.show()
    for question, answer in (
        ("Do you agree with what the finding says?", "I agree in part"),
        ("How much harm do you see in it?", "Some harm"),
        ("Does what the model shows exist where you live?", "It is rare"),
    ):
        expect(cards.group(question).get_by_role("radio", name=cards.t(answer), exact=True)).to_be_checked()
    expect(cards.comment).to_have_value(ARABIC_COMMENT)
    cards.submit()

    ((said,),) = judged(db, run_folder.name, cards_of("ar"), by=amina).values()
    assert (said.judgement, said.severity, said.prevalence) == ("partly", 2, "rare")
    assert (said.comment, said.comment_language) == (ARABIC_COMMENT, "ar")


# --- once ------------------------------------------------------------------------------------


def test_a_double_click_is_one_review_and_touches_no_other_card(open_as, elif_, db, run_folder, cards_of):
    cards = Cards(open_as(elif_, "/queue"))
    cards.show()
    cards.agree()
    cards.submit_button.dblclick()
    expect(cards.thanks).to_be_visible()
    settle(cards.page)
    cards.page.wait_for_timeout(1000)
    (said,) = judged(db, run_folder.name, cards_of("en"), by=elif_).values()
    assert [one.judgement for one in said] == ["agree"]


def test_two_tabs_that_say_different_things_lose_neither(open_as, elif_, db, run_folder, cards_of):
    left = Cards(open_as(elif_, "/queue"))
    left.show()
    page = left.page.context.new_page()
    page.goto(left.page.url)
    settle(page)
    right = Cards(page)
    right.show()
    left.write("said on the left")
    right.comment.fill("said on the right")
    right.comment.blur()
    expect(page.get_by_text("Another tab has saved something else")).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_text("said on the left", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stHtml").get_by_text("said on the right", exact=True)).to_be_visible()
    page.get_by_role("button", name="Go on with what is on this page").click()
    expect(page.get_by_text("Another tab has saved something else")).to_be_hidden()
    settle(page)
    right.agree()
    right.submit()

    left.page.get_by_role("button", name="Submit my judgement").click()
    settle(left.page)
    (said,) = judged(db, run_folder.name, cards_of("en"), by=elif_).values()
    assert [(one.judgement, one.comment) for one in said] == [("agree", "said on the right")]


def test_after_a_review_the_next_card_is_an_empty_one(open_as, elif_):
    cards = Cards(open_as(elif_, "/queue"))
    cards.show()
    first = cards.page.locator(".desk-lead").inner_text()
    cards.agree()
    cards.write("of the first card")
    cards.submit()
    cards.next()
    expect(cards.submit_button).to_be_visible()
    assert cards.page.locator(".desk-lead").inner_text() != first
    expect(cards.comment).to_have_value("")
    question = cards.group("Do you agree with what the finding says?")
    assert question.get_by_role("radio", checked=True).count() == 0
    expect(cards.page.get_by_text("7 cards are left in your queue.")).to_be_visible()


# --- blind, and hostile ----------------------------------------------------------------------


def test_hostile_words_are_shown_as_words(open_as, db, root, community, run_folder, findings, cards_of):
    """A suite's prompt and three people's comments hold HTML, a script, a link, TeX; each is read as it was typed."""
    finding = next(
        one.id
        for one in findings
        if one.id in cards_of("en") and f"stereotype/{desks.HOSTILE_ITEM}" in one.measurement.items[:1]
    )
    people = [desks.new_person(db, f"reader{number}", Role.REVIEWER, community=community) for number in range(4)]
    desks.ask(db, run_folder.name, [finding], community=community, by=root, overlap=4)
    for person in people:
        cards = Cards(open_as(person, "/queue"))
        cards.show()
        cards.agree()
        cards.write(desks.HOSTILE)
        cards.submit()
    page = open_as(people[0], address(run_folder.name, finding))
    comments = page.get_by_test_id("stMain").locator(".desk-words")
    expect(comments).to_have_count(4)
    assert set(comments.all_inner_texts()) == {desks.HOSTILE}
    assert page.locator(".desk-prompt p bdi").first.inner_text().startswith(desks.HOSTILE)
    made_of_it = "img[src=x], a[href^='javascript'], .katex, .desk-words strong, .desk-prompt strong"
    assert page.get_by_test_id("stMain").locator(made_of_it).count() == 0
