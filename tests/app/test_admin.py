"""Running the desk: each part does what it says once, for those whose roles allow it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from app.conftest import everything, words_of
from app.crowd import ACCRA, CAIRO, HOSTILE, LIMA, NAIROBI, fill, found
from audit import pipeline
from audit.reviews import accounts, exchange, judging, library, logbook
from audit.reviews.moderating import comments
from audit.reviews.roles import Role
from audit.reviews.tables import Assignment, Event, Person
from audit.runs import RunFolder
from streamlit_app.admin import moderation
from streamlit_app.app_pages import admin


@pytest.fixture
def stella(people, nairobi) -> str:
    return people("stella", (Role.STEWARD, nairobi), reads=["sw", "en"])


@pytest.fixture
def ada(people, nairobi) -> str:
    return people("ada", Role.AUDITOR)


def html(test) -> str:
    return "\n".join(str(element.value) for element in everything(test) if element.type == "html")


def part(app, name: str, which: str):
    return app(name, page="admin", part=which)


def field(test, kind: str, label: str):
    return next(one for one in getattr(test, kind) if one.label == label)


def click(test, label: str):
    field(test, "button", label).click().run()
    assert not test.exception, test.exception
    return test


def kinds(desk) -> list[str]:
    with desk.db.read() as session:
        return [event.kind for event in session.query(Event).order_by(Event.number)]


# --- who sees which part ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "parts"),
    [
        (Role.ADMIN, [*admin.PARTS]),
        (Role.AUDITOR, ["assignments", "runs", "data", "log"]),
        (Role.BOARD, ["log"]),
        (Role.STEWARD, ["invitations", "assignments", "moderation"]),
    ],
)
def test_each_role_has_its_parts_and_no_other(app, people, nairobi, role, parts):
    people("somebody", (role, nairobi) if role is Role.STEWARD else role)
    test = app("somebody", page="admin")
    titles = [admin.PARTS[name].title for name in parts]
    assert list(field(test, "radio", "What do you want to look after?").options) == titles
    for name in admin.PARTS:
        shown = part(app, "somebody", name)
        assert not shown.error
        assert shown.header[0].value == admin.PARTS[name if name in parts else parts[0]].title


def test_a_reviewer_runs_nothing(app, people, nairobi):
    people("amina", (Role.REVIEWER, nairobi))
    assert "needs a role that you do not have" in app("amina", page="admin").error[0].value


# --- people ----------------------------------------------------------------------------------


def test_a_role_is_given_and_taken_away(app, desk, people, nairobi):
    people("amina")
    test = part(app, "root", "people")
    field(test, "selectbox", "Person").set_value("amina").run()
    field(test, "selectbox", "Role to give").set_value(Role.STEWARD)
    field(test, "selectbox", "In the community").set_value(nairobi)
    click(test, "Give the role")
    assert accounts.profile(desk.db, by="amina").grants == ((Role.STEWARD, "nairobi"),)
    assert test.success[0].value == "The role was given\\."
    assert "Steward of Nairobi <b>youth</b>" in " ".join(words_of(test).split())
    field(test, "selectbox", "Role to take away").set_value(0)
    click(test, "Take the role away")
    assert accounts.profile(desk.db, by="amina").grants == ()


def test_a_role_that_holds_everywhere_is_given_without_the_community_that_stands_there(app, desk, people, nairobi):
    people("amina")
    test = part(app, "root", "people")
    field(test, "selectbox", "Person").set_value("amina").run()
    field(test, "selectbox", "Role to give").set_value(Role.BOARD)
    field(test, "selectbox", "In the community").set_value(nairobi)
    click(test, "Give the role")
    assert accounts.profile(desk.db, by="amina").grants == ((Role.BOARD, ""),)


def test_somebody_is_signed_out_everywhere_then_kept_out_then_let_in(app, desk, people, nairobi):
    people("amina", (Role.REVIEWER, nairobi))
    secret = people.sign_in("amina")
    test = part(app, "root", "people")
    field(test, "selectbox", "Person").set_value("amina").run()
    click(test, "Sign out everywhere")
    assert accounts.person_of(desk.db, secret) is None
    click(test, "Let sign in no more")
    with pytest.raises(Exception, match="may not sign in"):
        accounts.profile(desk.db, by="amina")
    click(test, "Let sign in again")
    assert accounts.profile(desk.db, by="amina").status == "active"


def test_a_new_password_is_shown_once(app, desk, people, nairobi):
    people("amina", (Role.REVIEWER, nairobi), password_hash="old")
    test = part(app, "root", "people")
    field(test, "selectbox", "Person").set_value("amina").run()
    click(test, "Make a new password")
    password = test.code[0].value
    assert accounts.sign_in(desk.db, login="amina", password=password, address="here")
    assert not test.run().code


def test_the_last_admin_stays_one_and_is_told_why(app, desk, people, nairobi):
    test = part(app, "root", "people")
    click(test, "Let sign in no more")
    assert "this is the last admin" in test.error[0].value
    assert accounts.profile(desk.db, by="root").status == "active"


def test_a_hostile_name_is_text_in_the_list(app, desk, people, nairobi):
    people("amina", (Role.REVIEWER, nairobi))
    with desk.db.write() as session:
        session.get(Person, "amina").pseudonym = HOSTILE
    page = html(part(app, "root", "people"))
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


# --- invitations -----------------------------------------------------------------------------


def test_a_steward_invites_into_their_community_and_the_link_is_shown_once(app, desk, stella):
    test = part(app, "stella", "invitations")
    assert field(test, "selectbox", "Role").options == ["Reviewer", "Steward"]
    assert len(field(test, "selectbox", "Community").options) == 1
    click(test, "Make the link")
    link = urlsplit(test.code[0].value)
    assert link.path == "/auth/join"
    offered = accounts.invitation(desk.db, parse_qs(link.query)["secret"][0])
    assert (offered.role, offered.community) == (Role.REVIEWER, "nairobi")
    assert not test.run().code
    assert "open" in words_of(test)


def test_a_second_click_makes_no_second_invitation(app, desk, stella):
    """The second click of a double click comes from the form that was sent: the page has another one by then."""
    test = part(app, "stella", "invitations")
    sent = field(test, "button", "Make the link").click()
    twice = test._tree.get_widget_states()
    test._run(twice)
    test._run(twice)
    assert not test.exception
    assert field(test, "button", "Make the link").id != sent.id
    assert len(accounts.invitations(desk.db, by="stella")) == 1


def test_an_open_invitation_is_ended(app, desk, stella):
    secret = accounts.invite(desk.db, role=Role.REVIEWER, community="nairobi", by="stella")
    click(part(app, "stella", "invitations"), "End this invitation")
    with pytest.raises(Exception, match="was revoked"):
        accounts.invitation(desk.db, secret)


def test_an_inviter_who_lost_the_role_meanwhile_is_refused_in_words(app, desk, people, stella):
    test = part(app, "stella", "invitations")
    accounts.revoke(desk.db, "stella", role=Role.STEWARD, community="nairobi", by="root")
    accounts.grant(desk.db, "stella", role=Role.REVIEWER, community="nairobi", by="root")
    field(test, "button", "Make the link").click().run()
    assert "needs a role that you do not have" in test.error[0].value
    assert "invitation made" not in kinds(desk)


# --- communities -----------------------------------------------------------------------------


def test_a_community_is_made_and_changed(app, desk, people, nairobi):
    test = part(app, "root", "communities")
    field(test, "text_input", "Id").set_value("accra")
    test.text_input(key="create:name").set_value("Accra <i>readers</i>")
    test.multiselect(key="create:languages").set_value(["en", "ha"])
    test.text_area(key="create:regions").set_value("Accra\n\nTema")
    click(test, "Make the community")
    made = {one.id: one for one in accounts.communities(desk.db, by="root")}["accra"]
    assert (made.name, made.languages, made.regions) == ("Accra <i>readers</i>", ("en", "ha"), ("Accra", "Tema"))
    assert "Accra &lt;i&gt;readers&lt;/i&gt;" in html(test)
    field(test, "selectbox", "Community").set_value("accra").run()
    test.text_input(key="edit_accra:name").set_value("Accra")
    click(test, "Save")
    assert {one.id: one.name for one in accounts.communities(desk.db, by="root")}["accra"] == "Accra"


def test_what_is_wrong_with_a_community_is_said_and_what_was_typed_stays(app, desk, people, nairobi):
    test = part(app, "root", "communities")
    field(test, "text_input", "Id").set_value("Not An Id")
    test.text_input(key="create:name").set_value("Accra")
    test.multiselect(key="create:languages").set_value(["en"])
    click(test, "Make the community")
    assert "not an id" in test.error[0].value
    assert test.text_input(key="create:name").value == "Accra"
    assert len(accounts.communities(desk.db, by="root")) == 1


# --- reviews asked for -----------------------------------------------------------------------


def test_reviews_are_asked_for_and_who_lacks_readers_is_said(app, desk, people, stella, ada, run_folder):
    for name in ("amina", "baraka"):
        people(name, (Role.REVIEWER, "nairobi"), reads=["sw"])
    test = part(app, "ada", "assignments")
    assert "2 more readers are needed" in words_of(test)  # of English: Stella alone reads it
    field(test, "number_input", "Findings at most (0: all)").set_value(6)
    click(test, "Ask")
    words = " ".join(words_of(test).split())
    with desk.db.read() as session:
        n = session.query(Assignment).count()
    assert n > 0
    assert f"{n} new reviews were asked for." in words
    assert "They concern 6 findings." in words
    assert "active in nairobi read en" in words
    field(test, "number_input", "Findings at most (0: all)").set_value(6)
    click(test, "Ask")
    assert "0 new reviews were asked for." in " ".join(words_of(test).split())


def test_a_steward_asks_in_their_own_community_only(app, desk, people, stella):
    accounts.create_community(desk.db, "accra", name="Accra", languages=["en"], by="root")
    test = part(app, "stella", "assignments")
    assert len(field(test, "selectbox", "Community").options) == 1
    assert "Accra" not in words_of(test)


# --- runs, data ------------------------------------------------------------------------------


def test_a_run_is_brought_from_the_folder_of_runs_and_from_nowhere_else(app, desk, ada, run_folder):
    desk.settings.runs.mkdir()
    (desk.settings.runs / "half").mkdir()
    (desk.settings.runs / run_folder.name).symlink_to(run_folder)
    test = part(app, "ada", "runs")
    assert field(test, "selectbox", "Run folder").options == [f"{run_folder.name} (here already)"]
    click(test, "Bring it")
    assert "The run was here already, unchanged." in words_of(test)


def test_a_damaged_run_is_refused_in_one_line(app, desk, ada, run_folder, tmp_path):
    import shutil

    shutil.copytree(run_folder, desk.settings.runs / "copy")
    (desk.settings.runs / "copy" / "findings.json").write_text("[]")
    test = click(part(app, "ada", "runs"), "Bring it")
    assert test.error
    assert len(library.runs(desk.db, by="ada")) == 1


@pytest.fixture
def crowd(desk, people, run_folder) -> str:
    """Nairobi and Cairo, four people each, and three of small communities have judged eight findings."""
    people("root", Role.ADMIN)
    findings = found(pipeline.read_findings(RunFolder(run_folder)), n=8)
    fill(desk.db, run_folder.name, findings, NAIROBI, CAIRO, LIMA, ACCRA, admin="root")
    return run_folder.name


def test_judgements_are_exported_when_asked_and_not_before(app, desk, people, crowd):
    people("ada", Role.AUDITOR)
    test = part(app, "ada", "data")
    assert "judgements exported" not in kinds(desk)
    click(test, "Make the table (CSV)")
    assert kinds(desk).count("judgements exported") == 1
    assert [one.label for one in test.get("download_button")] == [f"Download judgements-{crowd}.csv"]
    test.run()
    assert kinds(desk).count("judgements exported") == 1


def test_an_export_of_somebody_who_still_has_to_judge_is_refused(app, people, crowd):
    people("ada", Role.AUDITOR, (Role.REVIEWER, "nairobi"))
    test = click(part(app, "ada", "data"), "Make the file for another desk (JSON Lines)")
    assert "let somebody export who does not review" in test.error[0].value
    assert not test.get("download_button")


def test_judgements_of_another_desk_are_taken_in_once(app, desk, people, crowd):
    people("ada", Role.AUDITOR)
    content = exchange.export_jsonl(desk.db, crowd, by=None)
    test = part(app, "ada", "data")
    click(test, "Import")
    assert "Choose a file first." in test.warning[0].value
    for answer in ("88 judgements were added.", "0 judgements were added. 88 were here before."):
        test.file_uploader[0].set_value([("j.jsonl", content, "application/jsonl")])
        field(test, "text_input", "Short name of the other desk").set_value("accra-desk")
        click(test, "Import")
        assert test.success[0].value.replace("\\", "") == answer


def test_a_line_that_is_wrong_is_named_and_nothing_is_taken(app, desk, people, crowd):
    people("ada", Role.AUDITOR)
    test = part(app, "ada", "data")
    test.file_uploader[0].set_value([("j.jsonl", b"{}\n<script>\n", "application/jsonl")])
    field(test, "text_input", "Short name of the other desk").set_value("accra-desk")
    click(test, "Import")
    assert "line 1" in test.error[0].value
    assert "line 2" in test.error[0].value
    assert "judgements imported" not in kinds(desk)


# --- comments --------------------------------------------------------------------------------


def test_an_admin_is_told_before_reading_and_hides_a_comment_with_a_reason(app, desk, crowd):
    test = part(app, "root", "moderation")
    assert NAIROBI.comment not in words_of(test)
    click(test, "Show comments")
    assert NAIROBI.comment in words_of(test)
    first = comments(desk.db, crowd, by="root")[0]
    click_hide(test, first.review, "Names <b>a person</b>")
    assert comments(desk.db, crowd, by="root")[0].hidden == "Names <b>a person</b>"
    assert "Names &lt;b&gt;a person&lt;/b&gt;" in html(test)
    assert test.success[0].value == "The comment is hidden; the judgement counts on\\."


def click_hide(test, review: str, reason: str) -> None:
    area = test.text_area(key=f"hide_{review}:reason")
    area.set_value(reason)
    at = [one.key for one in test.text_area].index(area.key)
    [one for one in test.button if one.label == "Hide it"][at].click().run()
    assert not test.exception


def test_who_comes_second_reads_the_first_reason_and_changes_nothing(app, desk, crowd):
    test = click(part(app, "root", "moderation"), "Show comments")
    first = comments(desk.db, crowd, by="root")[0]
    judging.hide_comment(desk.db, first.review, reason="a threat", by="root")
    click_hide(test, first.review, "an insult")
    assert "a threat" in words_of(test)
    assert comments(desk.db, crowd, by="root")[0].hidden == "a threat"


def test_two_moderators_at_the_same_moment_are_told_who_was_faster(app, desk, crowd, monkeypatch):
    """The second one's page has read its list just before the first one wrote."""
    test = click(part(app, "root", "moderation"), "Show comments")
    before = comments(desk.db, crowd, by="root")
    monkeypatch.setattr(moderation, "comments", lambda *_args, **_named: before)
    judging.hide_comment(desk.db, before[0].review, reason="a threat", by="root")
    click_hide(test, before[0].review, "an insult")
    assert "was faster; nothing was written" in test.warning[0].value
    assert comments(desk.db, crowd, by="root")[0].hidden == "a threat"
    assert test.text_area(key=f"hide_{before[0].review}:reason").value == "an insult"


def test_no_reason_is_no_hiding(app, desk, crowd):
    test = click(part(app, "root", "moderation"), "Show comments")
    first = comments(desk.db, crowd, by="root")[0]
    click_hide(test, first.review, " ")
    assert "empty; say why" in test.error[0].value
    assert comments(desk.db, crowd, by="root")[0].hidden == ""


def test_a_steward_sees_nothing_of_findings_that_they_still_have_to_judge(app, people, crowd):
    people("stella", (Role.STEWARD, "nairobi"))
    test = part(app, "stella", "moderation")
    assert "0 comments" in words_of(test)
    assert NAIROBI.comment not in words_of(test)


# --- the log ---------------------------------------------------------------------------------


def test_the_log_is_read_and_checked(app, desk, people, crowd):
    people("bodil", Role.BOARD)
    test = part(app, "bodil", "log")
    assert "review submitted" in words_of(test)
    assert NAIROBI.comment not in words_of(test)
    click(test, "Check that the log is whole")
    head = logbook.check(desk.db, by="bodil").head
    assert f"{head.number} {head.hash}" in words_of(test)
    assert f"The log is whole: {head.number} events" in test.success[0].value
    field(test, "selectbox", "Kind").set_value("community made").run()
    assert "4 events" in words_of(test)
    assert "review submitted" not in html(test)


def test_an_attack_on_the_log_is_said_with_the_event_that_is_wrong(app, desk, people, crowd):
    from sqlalchemy import text

    people("bodil", Role.BOARD)
    with desk.db.write() as session:
        session.execute(text("DROP TRIGGER events_no_update"))
        session.execute(text("UPDATE events SET actor = 'mallory' WHERE number = 5"))
    test = click(part(app, "bodil", "log"), "Check that the log is whole")
    assert "The log is not whole" in test.error[0].value
    assert "event 5: was changed after it was written" in words_of(test)
