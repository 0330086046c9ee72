"""What several people do together on a desk: a contest, a proposed pair, a report that has their judgements."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from audit.reviews import accounts, contests, judging, proposals
from audit.reviews.contests import Step
from audit.reviews.roles import Role
from browser import desks
from browser.cards import Cards
from browser.conftest import address, settle
from streamlit_app.app_pages.contests import CHOICES
from streamlit_app.app_pages.propose import JUDGEMENTS, STATES

REPORT_MS = 180_000  # to build a PDF beside a busy browser


@pytest.fixture
def finding(findings):
    """A finding in English."""
    return next(
        one.id
        for one in findings
        if one.measurement.measure == "stereotype_effect" and one.measurement.scope.language == "en"
    )


# --- a contest -------------------------------------------------------------------------------


def step(page: Page, taken: Step, reasons: str) -> None:
    """Take a step of the contest that is open on the page."""
    settle(page)
    choice = CHOICES[taken]
    options = page.get_by_role("radiogroup", name="Step")
    options.get_by_text(choice, exact=True).click()
    expect(options.get_by_role("radio", name=choice, exact=True)).to_be_checked()
    page.get_by_role("textbox", name="Reasons, in any language").fill(reasons)
    page.get_by_role("button", name="Take this step").click()
    expect(page.locator(".desk-prompt .desk-words").filter(has_text=reasons)).to_be_visible()
    settle(page)


def test_a_contest_goes_through_four_people_and_marks_the_finding(open_as, db, root, community, run_folder, finding):
    accounts.create_community(db, f"x{community}", name="Elsewhere", languages=["en"], regions=["Lagos"], by=root.id)
    filer = desks.new_person(db, "faris", Role.REVIEWER, community=community)
    admits, answers = (desks.new_person(db, name, Role.AUDITOR) for name in ("ada", "anselm"))
    decides = desks.new_person(db, "dunya", Role.STEWARD, community=f"x{community}")

    page = open_as(filer, address(run_folder.name, finding))
    page.get_by_role("link", name="Contest this finding").click()
    page.get_by_role("textbox", name="What is wrong with it").fill("هذا لا يصح عندنا")
    page.get_by_role("button", name="Contest it").click()
    expect(page.locator(".desk-words")).to_have_text("هذا لا يصح عندنا")
    settle(page)
    contest = re.search(r"id=(\w+)", page.url)[1]
    assert page.locator(".desk-words").evaluate("one => getComputedStyle(one).direction") == "rtl"
    expect(page.get_by_role("radio", name="Admit", exact=False)).to_have_count(0)  # not one's own

    where = f"/contests?id={contest}"
    step(open_as(admits, where), Step.ADMIT, "It gives reasons.")
    marked = open_as(filer, address(run_folder.name, finding))
    expect(marked.get_by_text("Contested: admitted, waiting for an answer")).to_be_visible()
    step(open_as(answers, where), Step.ANSWER, "The items are worded as they are said there.")
    step(open_as(decides, where), Step.UPHOLD, "Two of the items are not said so.")

    done = contests.contest(db, contest, by=filer.id)
    assert [(one.step, one.by) for one in done.steps] == [
        (Step.FILE, filer.pseudonym),
        (Step.ADMIT, admits.pseudonym),
        (Step.ANSWER, answers.pseudonym),
        (Step.UPHOLD, decides.pseudonym),
    ]
    page = open_as(filer, where)
    for words in ("It gives reasons.", "The items are worded as they are said there.", "Two of the items are not"):
        expect(page.get_by_text(words)).to_be_visible()


def test_who_was_slower_keeps_their_words_and_writes_nothing(open_as, db, community, run_folder, finding):
    filer = desks.new_person(db, "faris", Role.REVIEWER, community=community)
    first, second = (desks.new_person(db, name, Role.AUDITOR) for name in ("ada", "anselm"))
    filed = contests.file(db, run_folder.name, finding, words="Not so.", submission=filer.login, by=filer.id)
    contests.admit(db, filed.id, version=filed.version, by=first.id)
    page = open_as(second, f"/contests?id={filed.id}")
    page.get_by_role("radiogroup", name="Step").get_by_text(CHOICES[Step.ANSWER], exact=True).click()
    page.get_by_role("textbox", name="Reasons, in any language").fill("A slow and careful answer.")
    now = contests.contest(db, filed.id, by=first.id)
    contests.answer(db, filed.id, words="A quick answer.", version=now.version, by=first.id)
    page.get_by_role("button", name="Take this step").click()
    expect(page.get_by_text("What you had written and not sent:")).to_be_visible()
    expect(page.locator(".desk-words").filter(has_text="A slow and careful answer.")).to_be_visible()
    steps = contests.contest(db, filed.id, by=first.id).steps
    assert [one.words for one in steps] == ["Not so.", "", "A quick answer."]


# --- a proposed pair -------------------------------------------------------------------------


def write(page: Page, label: str, words: str) -> None:
    field = page.get_by_role("textbox", name=label)
    field.fill(words)
    field.press("Tab")
    settle(page)


def test_a_pair_is_proposed_in_arabic_and_accepted_by_two_readers(open_as, db, community):
    writer, *readers = (
        desks.new_person(db, name, Role.REVIEWER, community=community, reads=["ar"])
        for name in ("wafa", "rana", "rami")
    )
    page = open_as(writer, "/propose")
    write(page, "Sentence with the two words", "قالت {الممرضة|المهندسة} إنها ستكون")
    sentence = page.get_by_role("textbox", name="Sentence with the two words")
    assert sentence.evaluate("one => getComputedStyle(one).unicodeBidi") == "plaintext"  # turns with what is typed
    write(page, "Expected after the first word", "لطيفة")
    write(page, "Expected after the second word", "ذكية")
    write(page, "What it is about", "work")
    write(page, "What you know it from", "a saying")
    write(page, "Where people hold it", "القاهرة")
    expect(page.get_by_text("Saved as a draft")).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_role("textbox", name="Expected after the second word")).to_have_value("ذكية")
    page.get_by_role("button", name="Give it to other readers").click()
    expect(page.get_by_text(STATES["submitted"]).first).to_be_visible()
    settle(page)
    (pair,) = (one for one in proposals.proposals(db, by=writer.id) if one.mine)
    assert (pair.state, pair.pair.template) == ("submitted", "قالت {الممرضة|المهندسة} إنها ستكون")

    for reader in readers:
        page = open_as(reader, "/propose")
        page.get_by_role("radiogroup", name="What do you want to do?").get_by_text("Read pairs of others").click()
        expect(page.get_by_text("الممرضة").first).to_be_visible()
        settle(page)
        page.get_by_text(JUDGEMENTS["accept"]).first.click()
        page.get_by_role("button", name="Say it").first.click()
        expect(page.get_by_text("No pair in a language that you read waits for you.")).to_be_visible()
        settle(page)
    assert proposals.proposal(db, pair.id, by=writer.id).state == "accepted"


# --- a report --------------------------------------------------------------------------------


def test_a_report_is_asked_for_and_downloaded_and_has_the_judgements(
    open_as, db, root, community, run_folder, finding, tmp_path
):
    people = [desks.new_person(db, f"reader{number}", Role.REVIEWER, community=community) for number in range(3)]
    desks.ask(db, run_folder.name, [finding], community=community, by=root, overlap=3)
    for number, person in enumerate(people):
        (entry,) = judging.queue(db, by=person.id).entries
        words = f"Nurses here are men, says reader {number}."
        said = judging.Judgement(judgement="disagree", severity=3, comment=words, comment_language="en")
        judging.submit(db, entry.assignment, said, submission=person.login, by=person.id)
    auditor = desks.new_person(db, "otto", Role.AUDITOR)

    page = open_as(auditor, "/report")
    page.get_by_role("button", name="Make the report").click()
    expect(page.get_by_text("The report is ready.")).to_be_visible(timeout=REPORT_MS)
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the PDF").first.click()
    file = tmp_path / "report.pdf"
    download.value.save_as(file)
    assert file.read_bytes().startswith(b"%PDF-")
    text = " ".join(" ".join(sheet.extract_text() for sheet in PdfReader(file).pages).split())
    assert "Nurses here are men, says reader" in text
    assert f"Readers{community}" in text.replace(" ", "")  # a long name may go on in the next line

    reader = Cards(open_as(people[0], "/report"))
    expect(reader.page.get_by_text("This page needs a role that you do not have.")).to_be_visible()
