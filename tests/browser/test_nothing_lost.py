"""What is lost when the network goes, or the server dies: nothing that was acknowledged, and nothing is there twice."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from audit.reviews import accounts, events
from audit.reviews.roles import Role
from audit.reviews.tables import Event
from browser import desks
from browser.cable import Cable
from browser.cards import Cards, judged
from browser.conftest import settle

# After the submits were sent: from "none has arrived" to "some are answered". Which is which depends on the machine;
# what must hold is the same at any moment.
DELAYS_S = (0.02, 0.15, 0.5)


def submissions(db, person) -> int:
    """How many events say that the person submitted a review."""
    with db.read() as session:
        which = Event.kind == "review submitted", Event.actor == person.id
        return session.scalar(select(func.count()).select_from(Event).where(*which))


# --- the network -----------------------------------------------------------------------------


@pytest.fixture
def cable(served):
    """The way to the shared desk, which the test cuts."""
    laid = Cable(served.port)
    yield laid
    laid.close()


@pytest.fixture
def nour(db, root, community, run_folder, card):
    """A reviewer with one card."""
    person = desks.new_person(db, "nour", Role.REVIEWER, community=community)
    desks.ask(db, run_folder.name, [card], community=community, by=root)
    return person


@pytest.fixture
def card(findings):
    """The finding on that card."""
    return next(one.id for one in findings if one.measurement.measure == "stereotype_effect")


def queue_over(cable: Cable, served, contexts, person) -> Cards:
    page = contexts(served, person).new_page()
    page.context.add_cookies([{"name": "desk", "value": person.secret, "url": f"http://127.0.0.1:{cable.port}"}])
    page.goto(f"http://127.0.0.1:{cable.port}/queue")
    settle(page)
    cards = Cards(page)
    cards.show()
    return cards


@pytest.mark.parametrize("more", ["", " and after"])
def test_a_connection_that_drops_loses_no_word(served, cable, contexts, db, nour, run_folder, card, more):
    """Words typed before, during and after: all are there when the network is back, and are submitted once."""
    cards = queue_over(cable, served, contexts, nour)
    cards.agree()
    cards.write("before")
    cards.comment.press_sequentially(" and during")  # typed, not yet sent: the field still has the focus
    cable.pull()
    expect(cards.comment).to_be_disabled()
    expect(cards.page.get_by_role("dialog")).to_contain_text("Connection error")
    expect(cards.comment).to_have_value("before and during")
    cable.plug_in()
    expect(cards.comment).to_be_enabled()
    expect(cards.comment).to_have_value("before and during")
    cards.comment.press_sequentially(more)
    cards.submit()
    ((said,),) = judged(db, run_folder.name, [card], by=nour).values()
    assert (said.judgement, said.comment) == ("agree", f"before and during{more}")
    assert submissions(db, nour) == 1


def test_a_submit_that_the_network_swallowed_is_sent_again_as_the_same(
    served, cable, contexts, db, nour, run_folder, card
):
    """The server has it, the answer is lost; the person sends it again, and it is there once."""
    cards = queue_over(cable, served, contexts, nour)
    cards.agree()
    cards.submit_button.click()
    until = time.monotonic() + 20
    while not submissions(db, nour) and time.monotonic() < until:
        time.sleep(0.005)
    cable.pull()
    cable.plug_in()
    cards.page.reload()
    settle(cards.page)
    assert cards.submit_button.count() == 0  # it knows
    expect(cards.page.get_by_text("Nothing waits for you now.")).to_be_visible()
    ((said,),) = judged(db, run_folder.name, [card], by=nour).values()
    assert said.judgement == "agree"
    assert submissions(db, nour) == 1


# --- the server ------------------------------------------------------------------------------


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_a_server_that_is_killed_during_submits_keeps_each_acknowledged_one_once(
    fresh, contexts, run_folder, findings, delay_s
):
    """Three people submit at once, the power goes; whoever was told "saved" is, the others send it again."""
    db = fresh.db()
    root = desks.first_admin(db)
    accounts.create_community(db, "cairo", name="Readers", languages=["ar", "en"], regions=["Cairo"], by=root.id)
    people = [desks.new_person(db, f"reader{number}", Role.REVIEWER, community="cairo") for number in range(3)]
    asked = [one.id for one in findings if one.measurement.measure == "stereotype_effect"][:2]
    desks.ask(db, run_folder.name, asked, community="cairo", by=root, overlap=3)
    fresh.start()
    at_work = []
    for person in people:
        page = contexts(fresh, person).new_page()
        page.goto(f"{fresh.url}/queue")
        settle(page)
        cards = Cards(page)
        cards.show()
        cards.agree()
        cards.submit()  # one is in the log before
        cards.next()
        cards.agree()
        cards.write(f"{person.login} on the second")
        at_work.append(cards)

    for cards in at_work:
        cards.submit_button.click(no_wait_after=True)
    time.sleep(delay_s)
    fresh.kill()
    told = [cards.thanks.is_visible() for cards in at_work]
    fresh.start()

    kept = [len(judged(db, run_folder.name, asked, by=person)) for person in people]
    assert all(n == 2 for n, acknowledged in zip(kept, told, strict=True) if acknowledged), (told, kept)
    for cards, n in zip(at_work, kept, strict=True):
        cards.page.reload()
        settle(cards.page)
        if n == 1:  # neither told nor kept: the card waits, with what was written
            cards.show()
            expect(cards.comment).to_have_value(re.compile("on the second"))
            cards.submit()
    for person in people:
        said = judged(db, run_folder.name, asked, by=person)
        assert sorted(len(revisions) for revisions in said.values()) == [1, 1]
        assert f"{person.login} on the second" in [one.comment for (one,) in said.values()]
        assert submissions(db, person) == 2
    with db.read() as session:
        assert events.verify_chain(session) is None
    db.close()
