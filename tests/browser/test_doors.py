"""The ways in and out of the desk, as somebody with a browser meets them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from audit.reviews import accounts
from audit.reviews.roles import Role
from browser import desks
from browser.conftest import settle


@pytest.fixture
def amina(db, community):
    return desks.new_person(db, "amina", Role.REVIEWER, community=community)


def fill_in(page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"input[name={name}]").fill(value)
    page.locator("button[type=submit]").click()


def test_who_signs_in_comes_to_the_page_they_asked_for_and_signs_out_again(open_as, amina):
    page = open_as(None, "/findings")
    assert page.url.endswith("/auth/sign-in?next=%2Ffindings")
    fill_in(page, login=amina.login, password=desks.PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Findings")
    assert page.url.endswith("/findings")
    expect(page.get_by_text(f"Signed in as {amina.pseudonym}")).to_be_visible()
    cookie = next(one for one in page.context.cookies() if one["name"] == "desk")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Findings")

    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.go_back()  # nothing of the desk comes back out of the browser's memory
    page.goto(page.url.split("/auth")[0] + "/findings")
    assert "/auth/sign-in" in page.url


def test_a_wrong_password_opens_nothing_and_says_so(open_as, amina):
    page = open_as(None, "/")
    fill_in(page, login=amina.login, password="seven loud rivers")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is not right")
    expect(page.locator("input[name=login]")).to_have_value(amina.login)
    expect(page.locator("input[name=password]")).to_have_value("")
    assert not [one for one in page.context.cookies() if one["name"] == "desk"]


def test_the_link_of_the_first_start_makes_the_administrator(fresh, contexts):
    fresh.start()
    link = re.search(r"http\S+/auth/set-up\?secret=\S+", fresh.log.read_text())[0]
    page = contexts(fresh).new_page()
    page.goto(link)
    fill_in(page, login="root", pseudonym="Root", password=desks.PASSWORD, again=desks.PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name="Administration")).to_be_visible()
    page.goto(link)
    expect(page.get_by_text("This link does not work any more.")).to_be_visible()


def test_who_is_invited_makes_an_account_in_their_language_and_agrees(open_as, served, db, community):
    secret = accounts.invite_from_command_line(db, role=Role.REVIEWER, community=community)
    page = open_as(None, f"/auth/join?secret={secret}", locale="ar")
    assert page.locator("html").get_attribute("dir") == "rtl"
    name = f"zuri-{secret[:5].lower().strip('-_')}x"
    fill_in(page, login=name, pseudonym=name, password=desks.PASSWORD, again=desks.PASSWORD)
    settle(page)
    page.goto(f"{served.url}/me")
    settle(page)
    assert page.evaluate("document.documentElement.dir") == "rtl"
    consent_button = page.locator("[data-testid=stBaseButton-primary]").first
    consent_button.click()
    settle(page)
    held = next(one["value"] for one in page.context.cookies() if one["name"] == "desk")
    account = accounts.profile(db, by=accounts.person_of(db, held).id)
    assert (account.grants, account.ui_language) == (((Role.REVIEWER, community),), "ar")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_sign_in_that_was_ended_elsewhere_opens_no_page(open_as, db, amina):
    page = open_as(amina, "/findings")
    accounts.sign_out_everywhere(db, by=amina.id)
    page.reload()
    expect(page.locator("input[name=password]")).to_be_visible()
