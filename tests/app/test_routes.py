"""Signing in and out, accounts by invitation, and what keeps others out."""

from __future__ import annotations

import re

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.conftest import PASSWORD, People, application
from audit.reviews import accounts
from audit.reviews.roles import Role
from audit.reviews.tables import IssuedReport
from streamlit_app import server
from streamlit_app.desk import Desk, Settings


def token_in(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def sign_in(client: TestClient, login: str, password: str = PASSWORD, *, query: str = ""):
    token = token_in(client.get(f"/auth/sign-in{query}").text)
    return client.post(f"/auth/sign-in{query}", data={"login": login, "password": password, "token": token})


@pytest.fixture
def amina(desk: Desk, people: People, nairobi: str) -> str:
    """A reviewer with a password."""
    return people("amina", (Role.REVIEWER, nairobi), password_hash=accounts._hash(PASSWORD))


# --- signing in ------------------------------------------------------------------------------


def test_a_sign_in_sets_a_cookie_that_scripts_do_not_see_and_leads_to_the_page_asked_for(client, amina):
    answer = sign_in(client, "Amina", query="?next=%2Ffindings%3Frun%3Dx")
    assert (answer.status_code, answer.headers["location"]) == (303, "/findings?run=x")
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("desk="))
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"} <= set(cookie.split("; "))
    assert client.get("/findings").text == "a page"


def test_over_https_cookies_are_secure_and_bound_to_the_host(desk, amina):
    settings = Settings(
        database="", folder=desk.settings.folder, runs=desk.settings.runs, public_url="https://desk.example.org"
    )
    served = application(Desk(settings=settings, db=desk.db))
    with TestClient(served, base_url="https://desk.example.org", follow_redirects=False) as client:
        cookies = sign_in(client, "amina").headers.get_list("set-cookie")
        cookie = next(line for line in cookies if line.startswith("__Host-desk="))
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
        assert client.get("/healthz").headers["strict-transport-security"] == "max-age=31536000"


def test_over_https_a_cookie_that_streamlit_sets_is_secure_too(desk):
    async def streamlit(scope, receive, send):
        answer = PlainTextResponse("")
        answer.set_cookie("_streamlit_user", "somebody")
        answer.set_cookie("kept", "1", secure=True)
        await answer(scope, receive, send)

    for public, secure in (("https://desk.example.org", True), ("", False)):
        settings = Settings(database="", folder=desk.settings.folder, runs=desk.settings.runs, public_url=public)
        client = TestClient(server.Guard(streamlit, desk=Desk(settings=settings, db=desk.db)))
        first, kept = client.get("/_stcore/health").headers.get_list("set-cookie")
        assert ("; Secure" in first) is secure
        assert kept.count("Secure") == 1


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(client, amina):
    wrong, unknown = sign_in(client, "amina", "wrong wrong wrong"), sign_in(client, "nobody", "wrong wrong wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert token_in(wrong.text) == token_in(unknown.text)  # of this browser, not of the name
    assert wrong.text.replace("amina", "nobody") == unknown.text
    assert "The name or the password is not right" in wrong.text


def test_after_five_failures_the_door_is_closed_and_says_how_long(client, amina, clock):
    for _ in range(5):
        assert sign_in(client, "amina", "wrong wrong wrong").status_code == 401
    answer = sign_in(client, "amina")
    assert answer.status_code == 429
    assert "Try again in 15 minutes." in answer.text
    clock.forward(minutes=15)
    assert sign_in(client, "amina").status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/findings",
        "/\\evil.example",
        "/findings//evil.example",
        "javascript:alert(1)",
        "/findings\r\nSet-Cookie: a=b",
        "/unknown",
        "/auth/sign-out",
        "",
    ],
)
def test_nobody_is_led_to_another_site_after_signing_in(target):
    assert server.inside(target) == "/"


@pytest.mark.parametrize("target", ["/", "/findings", "/finding?run=a&id=b", "/reports/abc.pdf", "/auth/password"])
def test_pages_of_the_desk_are_where_one_asked_to_go(target):
    assert server.inside(target) == target


def test_a_form_without_the_cookie_of_its_browser_is_refused(client, desk, amina):
    token = token_in(client.get("/auth/sign-in").text)
    with TestClient(application(desk), follow_redirects=False) as other:  # another site's page in another browser
        answer = other.post("/auth/sign-in", data={"login": "amina", "password": PASSWORD, "token": token})
    assert answer.status_code == 400
    assert "too old" in answer.text
    assert not [line for line in answer.headers.get_list("set-cookie") if line.startswith("desk=")]


def test_a_form_larger_than_a_form_is_not_read(client, amina):
    token = token_in(client.get("/auth/sign-in").text)
    data = {"login": "amina", "password": PASSWORD, "token": token, "more": "x" * 20_000}
    assert client.post("/auth/sign-in", data=data).status_code == 400


# --- signing out -----------------------------------------------------------------------------


def test_signing_out_needs_the_form_and_ends_the_sign_in(client, desk, amina):
    sign_in(client, "amina")
    secret = client.cookies["desk"]
    page = client.get("/auth/sign-out")
    assert accounts.person_of(desk.db, secret).id == "amina"  # asked only
    assert client.post("/auth/sign-out", data={"token": "forged"}).status_code == 400
    assert accounts.person_of(desk.db, secret).id == "amina"
    answer = client.post("/auth/sign-out", data={"token": token_in(page.text)})
    assert answer.status_code == 200
    assert accounts.person_of(desk.db, secret) is None
    assert "desk" not in client.cookies


def test_a_revoked_sign_in_opens_no_page(client, desk, amina):
    sign_in(client, "amina")
    assert client.get("/").status_code == 200
    accounts.sign_out_everywhere(desk.db, by="amina")
    answer = client.get("/finding?run=a&id=b")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/auth/sign-in?next=%2Ffinding%3Frun%3Da%26id%3Db",
    )


def test_signing_in_anew_ends_the_sign_in_before(client, desk, amina):
    sign_in(client, "amina")
    before = client.cookies["desk"]
    sign_in(client, "amina")
    assert client.cookies["desk"] != before
    assert accounts.person_of(desk.db, before) is None


# --- the guard -------------------------------------------------------------------------------


def test_without_a_sign_in_no_page_session_is_opened(client):
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/_stcore/stream", headers={"origin": "http://testserver"}),
    ):
        pass
    assert refused.value.code == 4401


def test_another_sites_page_opens_no_session_with_my_cookie(client, amina):
    sign_in(client, "amina")
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/_stcore/stream", headers={"origin": "https://evil.example"}),
    ):
        pass
    assert refused.value.code == 4401


def test_over_https_a_page_that_came_unencrypted_opens_no_session(desk, amina, people):
    settings = Settings(
        database="", folder=desk.settings.folder, runs=desk.settings.runs, public_url="https://desk.example.org"
    )
    with TestClient(application(Desk(settings=settings, db=desk.db)), base_url="https://desk.example.org") as client:
        client.cookies.set("__Host-desk", people.sign_in("amina"))
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            client.websocket_connect("/_stcore/stream", headers={"origin": "http://desk.example.org"}),
        ):
            pass
    assert refused.value.code == 4401


def test_a_file_that_a_page_hands_out_is_for_who_is_signed_in(client, desk, people, amina):
    """An export lies at an address that holds a digest of it; the address alone does not open it."""
    assert client.get("/media/0123.csv").status_code == 404
    secret = people.sign_in("amina")
    client.cookies.set("desk", secret)
    assert client.get("/media/0123.csv").text == "Streamlit's"
    accounts.sign_out(desk.db, secret)
    assert client.get("/media/0123.csv").status_code == 404


def test_only_who_may_bring_data_hands_files_in(client, people, amina):
    """What is handed in is held in memory as long as its page: nobody else may fill it."""
    people("ada", Role.AUDITOR)
    upload = "/_stcore/upload_file/session/file"
    assert client.put(upload).status_code == 404
    client.cookies.set("desk", people.sign_in("amina"))
    assert client.put(upload).status_code == 404
    client.cookies.set("desk", people.sign_in("ada"))
    assert client.put(upload).text == "Streamlit's"


def test_figures_on_sessions_and_the_way_in_for_programs_are_nobodys(client, people):
    people("root2", Role.ADMIN)
    client.cookies.set("desk", people.sign_in("root2"))
    assert client.get("/_stcore/metrics").status_code == 404
    for path in ("interact", "mcp"):
        assert client.post(f"/_stcore/agent/{path}").status_code == 404
    assert client.get("/_stcore/health").text == "Streamlit's"


def test_every_answer_forbids_frames_sniffing_and_referrers(client):
    for path in ("/auth/sign-in", "/healthz", "/", "/nowhere"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_forms_run_no_script_and_are_kept_by_no_cache(client):
    headers = client.get("/auth/sign-in").headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["cache-control"] == "no-store"


def test_the_desk_says_whether_it_can_read_its_database(client, desk):
    assert client.get("/healthz").json() == {"status": "ok"}


# --- forms in other languages ----------------------------------------------------------------


def test_a_form_has_the_language_asked_for_then_the_browsers(client):
    def tag(path: str, accepted: str = "") -> str:
        return re.search(r"<html[^>]*>", client.get(path, headers={"accept-language": accepted}).text)[0]

    assert tag("/auth/sign-in?lang=ar", "fr") == '<html lang="ar" dir="rtl">'
    assert tag("/auth/sign-in", "de;q=1, sw-KE;q=0.8, en;q=0.5") == '<html lang="sw" dir="ltr">'
    assert tag("/auth/sign-in?lang=%22%3E%3Cscript%3E", "") == '<html lang="en" dir="ltr">'


def test_what_was_typed_is_escaped_and_a_password_is_not_given_back(client, amina):
    page = sign_in(client, '"><script>x', "wrong wrong wrong").text
    assert "<script>" not in page
    assert "&#34;&gt;&lt;script&gt;x" in page
    assert "wrong wrong" not in page


def test_every_field_has_its_label(client):
    page = client.get("/auth/sign-in").text
    fields = re.findall(r'<input id="([^"]+)"', page)
    assert fields == ["login", "password"]
    assert re.findall(r'<label for="([^"]+)"', page) == fields


# --- new accounts ----------------------------------------------------------------------------


def new_account(client: TestClient, path: str, secret: str, **typed: str):
    page = client.get(f"{path}?secret={secret}&lang=sw").text
    data = {"login": "zuri", "pseudonym": "Zuri", "password": PASSWORD, "again": PASSWORD, "token": token_in(page)}
    return client.post(f"{path}?secret={secret}&lang=sw", data={**data, **typed})


def test_the_set_up_link_makes_the_first_admin_once(client, desk):
    secret = accounts.first_admin(desk.db)
    answer = new_account(client, "/auth/set-up", secret)
    assert answer.status_code == 303
    actor = accounts.person_of(desk.db, client.cookies["desk"])
    assert (actor.pseudonym, actor.grants) == ("Zuri", {(Role.ADMIN, "")})
    assert client.get(f"/auth/set-up?secret={secret}").status_code == 410
    assert accounts.first_admin(desk.db) is None


def test_who_joins_has_the_role_offered_and_the_language_of_the_form(client, desk, nairobi):
    secret = accounts.invite(desk.db, role=Role.REVIEWER, community=nairobi, by="root")
    assert new_account(client, "/auth/join", secret).status_code == 303
    actor = accounts.person_of(desk.db, client.cookies["desk"])
    assert actor.grants == {(Role.REVIEWER, "nairobi")}
    assert accounts.profile(desk.db, by=actor.id).ui_language == "sw"
    assert client.get(f"/auth/join?secret={secret}").status_code == 410


def test_an_invitation_makes_no_first_admin(client, desk, nairobi):
    secret = accounts.invite(desk.db, role=Role.ADMIN, by="root")
    assert new_account(client, "/auth/set-up", secret).status_code == 400


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"again": "something else here"}, "The two passwords differ."),
        ({"password": "short", "again": "short"}, "The password is too short."),
        ({"login": "x"}, "That did not work."),
        ({"token": "forged"}, "This form was too old."),
    ],
)
def test_what_is_wrong_with_a_new_account_is_said_and_the_invitation_stays(client, desk, nairobi, typed, words):
    secret = accounts.invite(desk.db, role=Role.REVIEWER, community=nairobi, by="root")
    page = client.get(f"/auth/join?secret={secret}").text
    data = {"login": "zuri", "pseudonym": "Zuri", "password": PASSWORD, "again": PASSWORD, "token": token_in(page)}
    answer = client.post(f"/auth/join?secret={secret}", data={**data, **typed})
    assert answer.status_code == 400
    assert words in answer.text
    assert PASSWORD not in answer.text
    assert accounts.invitation(desk.db, secret).state == "open"


def test_a_new_password_ends_every_other_sign_in(client, desk, people, amina):
    elsewhere = people.sign_in("amina")
    sign_in(client, "amina")
    token = token_in(client.get("/auth/password").text)
    fresh = "eleven loud mountains"
    answer = client.post("/auth/password", data={"old": PASSWORD, "password": fresh, "again": fresh, "token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    assert accounts.person_of(desk.db, elsewhere) is None
    assert accounts.person_of(desk.db, client.cookies["desk"]).id == "amina"
    assert sign_in(client, "amina", PASSWORD).status_code == 401
    assert sign_in(client, "amina", fresh).status_code == 303


# --- reports ---------------------------------------------------------------------------------


@pytest.fixture
def report(desk: Desk, people: People, run_folder) -> str:
    """An issued report of the run."""
    people("otto", Role.AUDITOR)
    desk.settings.reports.mkdir()
    (desk.settings.reports / "a.pdf").write_bytes(b"%PDF-1.7 report")
    digest = "1e3b8db4e8ed8f4e9b08efa32b5c1d0ab2f3d2b24dbf1f23ab1fb0f04e6a8b5c"
    with desk.db.write() as session:
        session.add(
            IssuedReport(
                id="r1",
                run_id=run_folder.name,
                sha256=digest,
                file="a.pdf",
                as_of=1,
                made_by="otto",
                made_at=desk.db.now(),
            )
        )
    return "r1"


def as_person(client: TestClient, people: People, name: str) -> None:
    client.cookies.set("desk", people.sign_in(name))


def test_who_judges_blind_does_not_read_reports(client, people, amina, report):
    as_person(client, people, "amina")
    assert client.get(f"/reports/{report}.pdf").status_code == 403


def test_a_report_whose_file_is_not_what_was_issued_is_not_handed_out(client, people, report):
    as_person(client, people, "otto")
    answer = client.get(f"/reports/{report}.pdf")
    assert answer.status_code == 404
    assert "is not what was issued" in answer.text


def test_who_issues_reports_gets_their_bytes(client, desk, people, report):
    import hashlib

    with desk.db.write() as session:
        session.get_one(IssuedReport, report).sha256 = hashlib.sha256(b"%PDF-1.7 report").hexdigest()
    as_person(client, people, "otto")
    answer = client.get(f"/reports/{report}.pdf")
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.7 report")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_report_asks_for_a_sign_in_and_leads_back(client, report):
    answer = client.get(f"/reports/{report}.pdf")
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sign-in?next=/reports/r1.pdf")
