"""How a page hands a provider's sign-in over to the route that sets the cookie: once, soon, to the same browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from app.conftest import application
from audit.reviews import accounts
from streamlit_app import oidc, server
from streamlit_app.desk import Desk
from streamlit_app.oidc import HandOver, browser_of, fresh

HERS = {"_streamlit_user": "signed by us, of the provider"}


@pytest.fixture
def trusting(desk):
    """The desk with a provider."""
    return Desk(settings=replace(desk.settings, oidc={"client_id": "desk"}), db=desk.db)


@pytest.fixture
def client(trusting):
    with TestClient(application(trusting), follow_redirects=False) as found:
        yield found


def test_a_sign_in_is_collected_once(monkeypatch):
    held = HandOver()
    key = held.leave("secret", browser="hers")
    assert held.collect(key, browser="hers") == "secret"
    assert held.collect(key, browser="hers") is None


def test_another_browser_gets_nothing_and_burns_the_key():
    held = HandOver()
    key = held.leave("secret", browser="hers")
    assert held.collect(key, browser="his") is None
    assert held.collect(key, browser="hers") is None


def test_what_nobody_collects_within_a_minute_is_gone(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(oidc.time, "monotonic", lambda: now[0])
    held = HandOver()
    key, late = held.leave("in time", browser="hers"), held.leave("late", browser="hers")
    now[0] = 59.9
    assert held.collect(key, browser="hers") == "in time"
    now[0] = 60.1
    assert held.collect(late, browser="hers") is None


def test_what_is_held_does_not_grow_without_end():
    held = HandOver()
    keys = [held.leave(str(number), browser="hers") for number in range(oidc.MOST_HELD + 1)]
    assert held.collect(keys[0], browser="hers") is None  # the oldest made room
    assert held.collect(keys[1], browser="hers") == "1"


@pytest.mark.parametrize(
    ("said_at", "counts"), [(1000.0, True), (701, True), (699, False), (1301.0, False), ("1000", False), (None, False)]
)
def test_only_what_the_provider_said_within_five_minutes_counts(said_at, counts):
    assert fresh({"iat": said_at}, now=1000.0) is counts


def test_a_browser_is_known_by_the_providers_cookies_alone():
    assert browser_of({"desk": "x"}) == ""
    assert browser_of({**HERS, "desk": "x"}) == browser_of(HERS) != browser_of({"_streamlit_user": "another"})


def test_the_route_sets_the_cookie_and_leads_to_the_page_asked_for(client, trusting, people):
    wanted = client.get("/findings?run=a&text=%D8%A3").headers["set-cookie"]
    assert wanted.startswith("desk-wanted=%2Ffindings%3Frun%3Da%26text%3D%25D8%25A3; HttpOnly; Max-Age=600; Path=/; ")
    secret = people.sign_in(people("ada"))
    client.cookies.update(HERS)
    key = oidc.handed.leave(secret, browser=browser_of(HERS))
    answer = client.get(f"/auth/enter?key={key}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/findings?run=a&text=%D8%A3")
    assert client.cookies["desk"] == secret
    assert "desk-wanted" not in client.cookies
    assert client.get(f"/auth/enter?key={key}").status_code == 410


def test_a_remembered_page_of_another_site_leads_nowhere(client, people):
    client.cookies.update({**HERS, "desk-wanted": "https%3A//evil.example/"})
    key = oidc.handed.leave(people.sign_in(people("ada")), browser=browser_of(HERS))
    assert client.get(f"/auth/enter?key={key}").headers["location"] == "/"


def test_signing_out_ends_the_providers_sign_in_too(client, trusting, people):
    secret = people.sign_in(people("ada"))
    client.cookies.update({**HERS, trusting.settings.cookie: secret})
    answer = client.post("/auth/sign-out", data={"token": accounts.csrf_token(secret)})
    assert answer.headers["refresh"] == "0; url=/auth/logout"
    assert accounts.person_of(trusting.db, secret) is None


def test_without_a_provider_no_page_is_remembered(desk, people):
    with TestClient(application(desk), follow_redirects=False) as client:
        answer = client.get("/findings")
        assert answer.headers["location"] == "/auth/sign-in?next=%2Ffindings"
        assert server.WANTED_COOKIE not in client.cookies
