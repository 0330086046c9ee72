"""The review queue in a browser: what a person does with a card."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from audit.reviews import judging
from audit.reviews.database import Database
from browser.conftest import settle, words_in
from browser.desks import Somebody


class Cards:
    """The queue's page, whose words are in `language`."""

    def __init__(self, page: Page, language: str = "en") -> None:
        self.page = page
        self.t = words_in(language)

    def show(self) -> None:
        """Past the warning, to the first card."""
        self.page.get_by_role("button", name=self.t("Show such cards in this session")).click()
        expect(self.submit_button).to_be_visible()
        settle(self.page)

    def group(self, question: str) -> Locator:
        """The choices of a question."""
        return self.page.get_by_role("radiogroup", name=self.t(question))

    def choose(self, question: str, answer: str) -> None:
        """Choose an answer, and wait until the page has taken it."""
        self.group(question).get_by_text(self.t(answer), exact=True).click()
        expect(self.group(question).get_by_role("radio", name=self.t(answer), exact=True)).to_be_checked()
        settle(self.page)

    def agree(self) -> None:
        """The one answer that is needed."""
        self.choose("Do you agree with what the finding says?", "I agree")

    @property
    def comment(self) -> Locator:
        """Where the comment is written."""
        return self.page.get_by_role("textbox", name=self.t("Comment, in any language"))

    def write(self, words: str) -> None:
        """Write a comment and leave the field, which saves it."""
        self.comment.fill(words)
        self.comment.blur()
        expect(self.page.get_by_text(self.saved)).to_be_visible()
        settle(self.page)

    @property
    def saved(self) -> str:
        """Beginning of the line that says when the draft was saved."""
        return self.t("Saved as a draft, which nobody else sees: {time}.").partition("{time}")[0].strip()

    @property
    def submit_button(self) -> Locator:
        """The button that sends."""
        return self.page.get_by_role("button", name=self.t("Submit my judgement"))

    @property
    def thanks(self) -> Locator:
        """What is shown once the judgement is saved."""
        return self.page.get_by_text(self.t("Your judgement is saved."))

    def submit(self) -> None:
        """Send, and wait for the answer."""
        self.submit_button.click()
        expect(self.thanks).to_be_visible()

    def next(self) -> None:
        """On to the next card."""
        self.page.get_by_role("button", name=self.t("Next card")).click()
        expect(self.thanks).to_be_hidden()
        settle(self.page)


def judged(db: Database, run: str, findings: list[str], *, by: Somebody) -> dict[str, list[judging.Judgement]]:
    """What is written of the findings: every revision, by finding, only those that have one."""
    found = {one: [own.judgement for own in judging.own_reviews(db, run, one, by=by.id)] for one in findings}
    return {finding: said for finding, said in found.items() if said}
