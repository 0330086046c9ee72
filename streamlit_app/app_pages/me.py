"""One's own account: consent, languages, name, limits, sign-ins; and leaving."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from audit.errors import DeskError
from audit.reviews import accounts, consent, terms
from audit.reviews.accounts import DAILY_MOST, Account
from audit.reviews.roles import Action, Role
from audit.suites.languages import language
from streamlit_app import frame, texts
from streamlit_app.shown import bullets, facts, paragraph, put, said, words
from streamlit_app.texts import LANGUAGES, N_, _, own_name

# The same sentences as audit.reviews.terms.CONSENT, here to be translated; a test holds the two together.
CONSENT = (
    N_(
        "You judge what an audit found in a language model. Some of it repeats stereotypes and may hurt. You may skip "
        "any card and stop at any time, without giving a reason."
    ),
    N_(
        "Others see your judgement, your comment, your community and, where at least three people share it, your "
        "region. They never see your name; a group of fewer than three people is never shown apart."
    ),
    N_("What you said goes into reports that may be published, and into the data that auditors export."),
    N_(
        "You may withdraw at any time. Your words and judgements are then removed here, the numbers are computed "
        "anew, and reports that rest on them are marked to be issued anew. Copies that others already have cannot be "
        "called back."
    ),
    N_("A log keeps that you judged, contested or proposed something, and when; never what you said."),
)
ROLES = {
    Role.REVIEWER: N_("Reviewer"),
    Role.STEWARD: N_("Steward"),
    Role.AUDITOR: N_("Auditor"),
    Role.BOARD: N_("Board"),
    Role.ADMIN: N_("Administrator"),
}
# Languages that one can say to read: those of the interface and the larger ones of the suites; more are typed.
READABLE = tuple(
    "am ar bn de en es fa fr ha hi id ja ko pt ru sw ta te th tr ur vi yo zh".split()  # noqa: SIM905 - to be read
)


def page() -> None:
    """Everything that a person decides for themselves."""
    frame.title(_("My account"))
    account = accounts.profile(frame.db(), by=frame.me().id)
    put_invitation()
    put_roles(account)
    if frame.me().may(Action.REVIEW):
        put_consent(account)
    put_profile(account)
    put_sign_ins(account)
    put_leaving(account)


def put_invitation() -> None:
    """A role that was offered to somebody who has an account already."""
    secret = str(st.query_params.get("invitation", ""))
    if not secret:
        return
    try:
        offered = accounts.invitation(frame.db(), secret)
    except DeskError:
        st.warning(_("This invitation does not work any more. Ask whoever sent it for a new one."))
        return
    with st.container(border=True):
        role = _(ROLES[offered.role])
        if offered.community:
            put(paragraph(_("You are invited: {role} of {community}."), role=role, community=offered.community_name))
        else:
            put(paragraph(_("You are invited: {role}."), role=role))
        if st.button(_("Accept"), type="primary"):
            accounts.join(frame.db(), secret, by=frame.me().id)
            del st.query_params["invitation"]
            st.rerun()


def role_name(role: Role, community: str) -> Markup:
    """A role, with the name of its community where it is held in one."""
    if not community:
        return said(_(ROLES[role]))
    return said(_("{role} of {community}"), role=_(ROLES[role]), community=community)


def put_roles(account: Account) -> None:
    """What the person is here."""
    frame.section(_("My roles"))
    names = {one.id: one.name for one in accounts.communities(frame.db(), by=account.id)}
    if not account.grants:
        put(paragraph(_("You have no role yet. Somebody who administers the desk gives you one.")))
        return
    put(bullets(*(role_name(Role(role), names.get(community, "")) for role, community in account.grants)))


def put_consent(account: Account) -> None:
    """What happens to what one says, and agreeing to it: without that nothing is taken."""
    frame.section(_("What happens to what you say"))
    put(bullets(*(_(sentence) for sentence in CONSENT)))
    if account.consent_at is not None and account.consent_version == terms.CONSENT_VERSION:
        put(paragraph(_("You agreed to this on {day}.", day=texts.day(account.consent_at)), kind="quiet"))
        return
    if st.button(_("I agree"), type="primary"):
        consent.give(frame.db(), by=account.id)
        st.rerun()


# --- profile ---------------------------------------------------------------------------------


def put_profile(account: Account) -> None:
    """Name, languages, region, keys, limit."""
    frame.section(_("About me"))
    with st.form("profile"):
        pseudonym = st.text_input(_("Name that others see"), account.pseudonym, max_chars=40)
        ui_language = st.selectbox(
            _("Language of these pages"),
            LANGUAGES,
            index=LANGUAGES.index(account.ui_language) if account.ui_language in LANGUAGES else 0,
            format_func=own_name,
        )
        reads = st.multiselect(
            _("Languages that I read well"),
            list(dict.fromkeys([*READABLE, *account.reads])),
            default=list(account.reads),
            format_func=language_label,
            help=_("You are asked to judge texts in these languages only."),
        )
        region = st.text_input(
            _("Where I live"),
            account.region,
            max_chars=200,
            help=_("In your words. It stands beside your judgements, and is shown only where three people share it."),
        )
        limit = st.number_input(
            _("Most cards a day"),
            1,
            DAILY_MOST,
            min(account.daily_limit, DAILY_MOST),
            help=_("Reading stereotypes is tiring. When the limit is reached, the queue waits until tomorrow."),
        )
        shortcuts = st.checkbox(
            _("Use single keys in the review queue"),
            account.shortcuts,
            help=_("Off unless you ask for it, since single keys can surprise screen readers and speech input."),
        )
        sent = st.form_submit_button(_("Save"), type="primary")
    if sent:
        accounts.edit_profile(
            frame.db(),
            version=account.version,
            by=account.id,
            pseudonym=pseudonym,
            ui_language=ui_language,
            reads=reads,
            region=region,
            shortcuts=shortcuts,
            daily_limit=int(limit),
        )
        st.session_state["saved"] = True
        st.rerun()
    if st.session_state.pop("saved", False):
        st.success(_("Saved."))


def language_label(code: str) -> str:
    """A language by its own name and by that of the interface."""
    return f"{language(code).autonym} · {texts.name_of(code)}"


# --- sign-ins, leaving -----------------------------------------------------------------------


def put_sign_ins(account: Account) -> None:
    """Password, and every browser that is signed in."""
    frame.section(_("Signing in"))
    put(facts((_("Name to sign in with"), words(account.login))))
    if account.has_password:
        st.html(f'<p class="desk-links"><a href="/auth/password" target="_self">{_("Change the password")}</a></p>')
    if st.button(_("Sign out of every browser")):
        accounts.sign_out_everywhere(frame.db(), by=account.id)
        st.rerun()


def put_leaving(account: Account) -> None:
    """Withdrawing consent: asked twice, since it cannot be taken back."""
    frame.section(_("Leaving"))
    put(
        paragraph(
            _(
                "If you withdraw, everything that you said is removed here, the numbers are computed anew, and your "
                "account is closed for good."
            )
        )
    )
    with st.expander(_("Withdraw what I said and close my account")), st.form("leave"):
        typed = st.text_input(_("Write the name that others see of you, to be sure that it is meant"))
        sent = st.form_submit_button(_("Withdraw for good"))
    if sent and typed.strip() != account.pseudonym:
        st.warning(_("That is not the name. Nothing was removed."))
    elif sent:
        done = consent.withdraw(frame.db(), by=account.id)
        st.session_state["left"] = done.reviews
        st.rerun()
