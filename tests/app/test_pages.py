"""The pages, one after another, by the test harness of Streamlit: what they say, to whom, and what they let through."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.conftest import everything, judge, words_of
from audit import pipeline
from audit.errors import NotAllowedError
from audit.records import Finding, Verdict
from audit.reviews import accounts, contests, library, terms
from audit.reviews.roles import Role
from audit.runs import RunFolder
from streamlit_app import frame, plain
from streamlit_app.app_pages import glossary


@pytest.fixture
def findings(run_folder) -> tuple[Finding, ...]:
    return pipeline.read_findings(RunFolder(run_folder))


@pytest.fixture
def amina(people, nairobi) -> str:
    return people("amina", (Role.REVIEWER, nairobi), reads=["sw", "en"])


def html(test) -> str:
    return "\n".join(str(element.value) for element in everything(test) if element.type == "html")


# --- the frame -------------------------------------------------------------------------------


def test_who_is_not_signed_in_sees_nothing_of_the_audit(app, findings):
    test = app()
    assert test.title[0].value == "Community desk"
    assert not any(finding.sentence in words_of(test) for finding in findings)


def test_a_revoked_sign_in_shows_nothing_at_the_next_click(app, desk, amina):
    test = app("amina")
    assert test.title[0].value == "Overview"
    accounts.sign_out_everywhere(desk.db, by="amina")
    assert test.run().title[0].value == "Community desk"


def test_a_page_that_another_person_takes_up_holds_no_word_of_the_first(app, people, amina, nairobi):
    """Two people at one computer: a tab that lost its connection comes back with the cookies of who signed in since."""
    people("baraka", (Role.REVIEWER, nairobi))
    test = app("amina")
    test.session_state["card:1:comment"] = "half a sentence"
    assert test.run().session_state["card:1:comment"] == "half a sentence"
    test.session_state[frame.SIGN_IN] = people.sign_in("baraka")
    test.run()
    assert "Signed in as Baraka" in re.sub("<[^<>]+>|[\u2068\u2069]", "", str(test.sidebar[0].value))
    assert "card:1:comment" not in test.session_state


def test_a_file_is_made_when_its_button_is_pressed_for_who_is_still_signed_in(app, desk, nairobi, monkeypatch):
    """Streamlit makes it outside of any page, in another thread."""
    made, real = [], frame.when_asked
    monkeypatch.setattr(frame, "when_asked", lambda make: made.append(real(make)) or made[-1])
    app("root", page="admin", part="log")
    with ThreadPoolExecutor(1) as elsewhere:
        assert b'"community made"' in elsewhere.submit(made[0]).result()
        accounts.sign_out_everywhere(desk.db, by="root")
        with pytest.raises(NotAllowedError, match="You are signed out"):
            elsewhere.submit(made[0]).result()


def test_the_profile_decides_the_language_then_the_address(app, people, nairobi):
    people("zahra", (Role.REVIEWER, nairobi), ui_language="ar")
    assert "documentElement.dir='rtl'" in html(app("zahra", lang="fr"))
    assert "documentElement.lang='fr'" in html(app(lang="fr"))
    assert "documentElement.lang='en'" in html(app(lang="'};alert(1)//"))


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        (Role.REVIEWER, {"finding", "report", "admin"}),
        (Role.STEWARD, {"finding", "report"}),
        (Role.AUDITOR, {"finding", "queue"}),
        (Role.BOARD, {"finding", "queue", "propose"}),
        (Role.ADMIN, {"finding", "queue", "propose", "report"}),
    ],
)
def test_the_menu_has_the_pages_that_a_role_can_use(people, nairobi, desk, role, hidden):
    name = people("somebody", (role, nairobi) if role in (Role.REVIEWER, Role.STEWARD) else role)
    actor = accounts.person_of(desk.db, people.sign_in(name))
    assert {place.name for place in frame.PLACES if not (place.listed and place.open_to(actor))} == hidden


def test_a_page_that_a_role_cannot_use_says_so(app, amina):
    test = app("amina", page="report")
    assert "needs a role that you do not have" in test.error[0].value


# --- overview --------------------------------------------------------------------------------


def test_the_overview_counts_verdicts_and_missing_reviews(app, amina, findings):
    test = app("amina")
    for verdict in Verdict:
        assert f'<td class="desk-count">{sum(one.verdict is verdict for one in findings)}</td>' in html(test)
    needed = sum(one.verdict is Verdict.EVIDENCE and one.measurement.scope.language == "sw" for one in findings)
    assert needed > 0
    assert f'<th scope="row">Swahili</th><td>{needed}</td></tr>' in html(test)
    assert '<th scope="row">Arabic</th><td>–</td>' in html(test)  # not a language of theirs


def test_the_name_of_a_community_is_text_on_every_page(app, amina):
    assert "Nairobi &lt;b&gt;youth&lt;/b&gt;" in html(app("amina"))


def test_a_desk_without_a_run_says_how_one_comes(app, desk, amina, monkeypatch):
    monkeypatch.setattr(library, "runs", lambda *_args, **_named: ())
    for page in ("", "findings"):
        assert "There is no run here yet" in app("amina", page=page).info[0].value


# --- findings --------------------------------------------------------------------------------


def test_a_page_of_findings_has_fifty_real_links(app, amina, findings):
    test = app("amina", page="findings")
    shown = [one.sentence for one in findings if one.sentence in words_of(test)]
    assert len(findings) > 50
    assert len(shown) >= 50
    assert f"{len(findings)} findings" in words_of(test)


def test_a_filter_begins_at_its_first_page(app, amina, findings):
    test = app("amina", page="findings")
    test.session_state["f_page"] = 2
    test.run()
    assert findings[50].sentence in words_of(test)
    test.selectbox(key="f_verdict").set_value(str(Verdict.EVIDENCE)).run()
    assert not test.exception
    wanted = [one for one in findings if one.verdict is Verdict.EVIDENCE]
    assert test.session_state["f_page"] == 1
    for one in wanted[:50]:
        assert one.sentence in words_of(test)


def test_a_search_that_fits_nothing_says_so(app, amina):
    test = app("amina", page="findings")
    test.text_input(key="f_text").set_value("no such words <b>").run()
    assert not test.exception
    assert "Nothing fits these filters" in words_of(test)


# --- one finding -----------------------------------------------------------------------------


def of_measure(findings, measure: str, *, language: str = "") -> Finding:
    return next(
        one
        for one in findings
        if one.measurement.measure == measure and (not language or one.measurement.scope.language == language)
    )


@pytest.mark.parametrize("measure", ["stereotype_effect", "knowledge_gap", "values_lean", "dilemma_lean", "competence"])
def test_a_finding_says_its_sentence_what_was_looked_at_and_what_may_be_said(app, amina, findings, run_folder, measure):
    finding = of_measure(findings, measure)
    test = app("amina", page="finding", run=run_folder.name, id=finding.id)
    words = words_of(test)
    for sentence in (finding.sentence, plain.LOOKED_AT[measure], plain.MAY_BE_SAID[finding.verdict]):
        assert sentence in words
    for caveat in finding.caveats:
        assert caveat in words


def test_headings_are_in_order(app, amina, findings, run_folder):
    finding = of_measure(findings, "stereotype_effect", language="sw")
    test = app("amina", page="finding", run=run_folder.name, id=finding.id)
    assert len(test.title) == 1
    assert [one.value for one in test.header] == [
        "In plain words",
        "The numbers",
        "What the model was asked",
        "Is it wrong?",
        "What people say",
    ]


def test_prompts_stand_in_their_language_with_the_english_item_beside_them(app, amina, findings, run_folder):
    finding = of_measure(findings, "stereotype_effect", language="ar")
    page = html(app("amina", page="finding", run=run_folder.name, id=finding.id))
    assert '<bdi dir="auto" lang="ar">' in page
    assert "The same item in English:" in page
    assert "times that it goes on with one of the two," in page


def test_a_finding_that_is_not_here_is_an_error_in_words(app, amina, run_folder):
    assert "not at this desk" in app("amina", page="finding", run=run_folder.name, id="gone").error[0].value
    assert "Choose one from the list" in words_of(app("amina", page="finding"))


def test_a_contest_marks_the_finding(app, desk, people, amina, findings, run_folder):
    people("otto", Role.AUDITOR)
    finding = of_measure(findings, "stereotype_effect", language="sw")
    people.agree("amina")
    filed = contests.file(desk.db, run_folder.name, finding.id, words="Not so.", submission="1", by="amina")
    contests.admit(desk.db, filed.id, version=filed.version, by="otto")
    page = html(app("amina", page="finding", run=run_folder.name, id=finding.id))
    assert "Contested: admitted, waiting for an answer" in page
    assert "next step by" in page
    assert "1 finding is contested now." in words_of(app("otto"))


# --- what people say -------------------------------------------------------------------------


def test_nobody_is_led_by_others_before_their_own_judgement(app, desk, people, nairobi, amina, findings, run_folder):
    finding = of_measure(findings, "stereotype_effect", language="sw")
    for name in ("baraka", "chiku", "dalila"):
        people(name, (Role.REVIEWER, nairobi), reads=["sw"])
        judge(desk.db, run_folder.name, finding.id, nairobi, by=name, comment="Ni <i>kweli</i>")
    before = words_of(app("amina", page="finding", run=run_folder.name, id=finding.id))
    assert "shown after your own judgement" in before
    assert "kweli" not in before
    judge(desk.db, run_folder.name, finding.id, nairobi, by="amina", comment="Sio kweli")
    after = html(app("amina", page="finding", run=run_folder.name, id=finding.id))
    assert after.count("Ni &lt;i&gt;kweli&lt;/i&gt;") == 3
    assert "Your judgement:" in after


def test_fewer_than_three_judgements_are_not_shown(app, desk, people, nairobi, amina, findings, run_folder):
    finding = of_measure(findings, "stereotype_effect", language="sw")
    people("baraka", (Role.REVIEWER, nairobi), reads=["sw"])
    for name in ("amina", "baraka"):
        judge(desk.db, run_folder.name, finding.id, nairobi, by=name, comment="Siri ya " + name)
    words = words_of(app("amina", page="finding", run=run_folder.name, id=finding.id))
    assert "Fewer than three people have judged it" in words
    assert "judged by one or two people" in words
    assert "Siri ya baraka" not in words


def test_who_never_judges_is_told_before_reading_that_it_is_written_down(
    app, desk, people, nairobi, findings, run_folder
):
    finding = of_measure(findings, "stereotype_effect", language="sw")
    people("bodil", Role.BOARD)
    for name in ("baraka", "chiku", "dalila"):
        people(name, (Role.REVIEWER, nairobi), reads=["sw"])
        judge(desk.db, run_folder.name, finding.id, nairobi, by=name, comment="Ni kweli")
    test = app("bodil", page="finding", run=run_folder.name, id=finding.id)
    assert "Ni kweli" not in words_of(test)
    next(one for one in test.button if one.label == "Show what people said").click().run()
    assert words_of(test).count("Ni kweli") == 3


# --- one's own account -----------------------------------------------------------------------


def test_consent_is_given_by_the_person_once(app, desk, amina):
    test = app("amina", page="me")
    for sentence in terms.CONSENT:
        assert sentence in words_of(test)
    next(one for one in test.button if one.label == "I agree").click().run()
    assert accounts.profile(desk.db, by="amina").consent_version == terms.CONSENT_VERSION
    assert "I agree" not in [one.label for one in test.button]


def test_a_profile_is_saved_and_the_page_speaks_the_new_language_at_once(app, desk, amina):
    test = app("amina", page="me")
    next(one for one in test.selectbox if one.label == "Language of these pages").set_value("ar")
    next(one for one in test.multiselect if one.label == "Languages that I read well").set_value(["sw", "ar"])
    next(one for one in test.button if one.label == "Save").click().run()
    account = accounts.profile(desk.db, by="amina")
    assert (account.ui_language, account.reads) == ("ar", ("sw", "ar"))
    assert "documentElement.dir='rtl'" in html(test)


def test_leaving_needs_ones_name_and_takes_everything_out(app, desk, amina):
    test = app("amina", page="me")
    field = next(one for one in test.text_input if one.label.startswith("Write the name that others see"))
    leave = next(one for one in test.button if one.label == "Withdraw for good")
    field.set_value("Somebody else")
    leave.click().run()
    assert "Nothing was removed" in test.warning[0].value
    field.set_value("Amina")
    leave.click().run()
    assert test.title[0].value == "Community desk"
    assert "your account is closed" in test.success[0].value


def test_an_invitation_gives_a_role_to_who_has_an_account(app, desk, people, amina):
    accounts.create_community(desk.db, "accra", name="Accra", languages=["en"], by="root")
    secret = accounts.invite(desk.db, role=Role.STEWARD, community="accra", by="root")
    test = app("amina", page="me", invitation=secret)
    assert "Steward of Accra" in " ".join(words_of(test).split())
    next(one for one in test.button if one.label == "Accept").click().run()
    assert ("steward", "accra") in accounts.profile(desk.db, by="amina").grants


def test_the_glossary_explains_every_word_it_has(app, amina):
    words = words_of(app("amina", page="glossary"))
    for word, meaning in glossary.WORDS:
        assert word in words
        assert meaning in words
