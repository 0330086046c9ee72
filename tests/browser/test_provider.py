"""Sign-in by an organisation's provider: it says who somebody is, and the desk's own rows what they may do."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from audit.reviews import accounts
from audit.reviews.roles import Role
from audit.reviews.tables import Person
from browser import desks
from browser.conftest import settle
from browser.provider import Provider


@pytest.fixture
def provider():
    """A provider on loopback."""
    running = Provider(port=desks.free_port()).start()
    yield running
    running.stop()


@pytest.fixture
def desk(fresh, provider):
    """A desk that trusts the provider."""
    secrets_file = fresh.folder / "oidc.toml"
    secrets_file.write_text(
        f"""[auth]
redirect_uri = "{fresh.url}/oauth2callback"
cookie_secret = "not a secret: loopback only, for a minute"
client_id = "desk"
client_secret = "loopback"
server_metadata_url = "{provider.metadata}"
""",
        encoding="utf-8",
    )
    fresh.more = ("--oidc", str(secrets_file))
    return fresh.start()


@pytest.fixture
def db(desk):
    opened = desk.db()
    yield opened
    opened.close()


def come_in(page: Page) -> None:
    page.get_by_role("button", name="Sign in with your organisation").click()
    expect(page.get_by_text("Signed in as")).to_be_visible()
    settle(page)


def person_of(db, subject: str) -> Person | None:
    with db.read() as session:
        row = session.scalar(select(Person).where(Person.oidc_subject.endswith(f" {subject}")))
        session.expunge_all()
        return row


def cookies(page: Page) -> set[str]:
    return {one["name"] for one in page.context.cookies()}


def test_who_is_new_waits_for_a_role_and_then_comes_to_the_page_they_asked_for(contexts, desk, db, provider):
    root = desks.first_admin(db)
    page = contexts(desk).new_page()
    page.goto(f"{desk.url}/report")
    come_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Report")
    expect(page.get_by_text("This page needs a role that you do not have.")).to_be_visible()
    assert "desk" in cookies(page)
    ada = person_of(db, "u1")
    assert (ada.oidc_subject, ada.login, ada.status) == (f"{provider.issuer} u1", "Ada".casefold(), "active")
    assert accounts.profile(db, by=ada.id).grants == ()  # whatever roles the provider claims

    accounts.grant(db, ada.id, role=Role.AUDITOR, by=root.id)
    page.reload()
    settle(page)
    expect(page.get_by_role("button", name="Make the report")).to_be_visible()


def test_who_came_by_a_provider_reads_files_and_is_signed_out_at_both_places(contexts, desk, db, provider):
    """The cookie of the desk is theirs too: addresses outside of Streamlit's pages know them."""
    root = desks.first_admin(db)
    page = contexts(desk).new_page()
    page.goto(desk.url)
    come_in(page)
    accounts.grant(db, person_of(db, "u1").id, role=Role.AUDITOR, by=root.id)
    answer = page.request.get(f"{desk.url}/reports/none.pdf")
    assert answer.status == 404  # known and allowed; there is no such report
    held = next(one for one in page.context.cookies() if one["name"] == "desk")
    assert (held["httpOnly"], held["sameSite"]) == (True, "Lax")

    page.reload()
    settle(page)
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("signed out at the provider")).to_be_visible()
    assert provider.ended == ["desk"]
    assert accounts.person_of(db, held["value"]) is None
    assert not cookies(page) & {"desk", "_streamlit_user"}
    page.goto(desk.url)
    settle(page)
    expect(page.get_by_role("button", name="Sign in with your organisation")).to_be_visible()


def test_the_same_subject_is_the_same_person_and_another_is_another(contexts, desk, db, provider):
    first, second = contexts(desk).new_page(), contexts(desk).new_page()
    first.goto(desk.url)
    come_in(first)
    provider.name = "Ada Lovelace"  # names change, subjects do not
    second.goto(desk.url)
    come_in(second)
    assert first.get_by_text("Signed in as").inner_text() == second.get_by_text("Signed in as").inner_text()
    provider.subject = "u2"
    third = contexts(desk).new_page()
    third.goto(desk.url)
    come_in(third)
    with db.read() as session:
        known = set(session.scalars(select(Person.oidc_subject)))
    assert known == {f"{provider.issuer} u1", f"{provider.issuer} u2"}


def test_who_was_signed_out_or_disabled_does_not_come_back_by_the_providers_old_cookie(contexts, desk, db, provider):
    root = desks.first_admin(db)
    provider.age_s = 400.0  # beyond what counts as just now
    page = contexts(desk).new_page()
    page.goto(desk.url)
    page.get_by_role("button", name="Sign in with your organisation").click()
    expect(page.get_by_role("button", name="Sign in with your organisation")).to_be_visible()
    page.wait_for_timeout(2000)
    assert "desk" not in cookies(page)
    assert person_of(db, "u1") is None

    provider.age_s = 0.0
    come_in(page)
    ada = person_of(db, "u1")
    accounts.disable(db, ada.id, by=root.id)
    page.reload()
    settle(page)
    expect(page.get_by_text("this desk does not let you in")).to_be_visible()
    expect(page.get_by_text("Signed in as")).to_be_hidden()


def test_a_key_of_somebody_elses_browser_signs_nobody_in(contexts, desk, db, provider):
    """Whoever has the address of a hand-over, before or after it was used, gets nothing with it."""
    page = contexts(desk).new_page()
    seen = []
    page.on("request", lambda request: "/auth/enter" in request.url and seen.append(request.url))
    page.route("**/auth/enter*", lambda route: route.abort())  # caught on its way: not collected yet
    page.goto(desk.url)
    page.get_by_role("button", name="Sign in with your organisation").click()
    page.wait_for_timeout(100)
    while not seen:
        page.wait_for_timeout(100)
    other = contexts(desk).new_page()
    assert other.goto(seen[0]).status == 410
    assert "desk" not in cookies(other)
    page.unroute("**/auth/enter*")
    assert page.goto(seen[0]).status == 410  # it was asked for by somebody else: burnt
