"""The frame around every page. Streamlit runs this file from the top at each click; `plural-audit app` serves it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from audit.errors import AuditError, ConflictError
from audit.reviews.roles import Actor
from streamlit_app import frame, style
from streamlit_app.desk import desk
from streamlit_app.oidc import enter_by_provider
from streamlit_app.shown import english, in_label, paragraph, put
from streamlit_app.texts import _

ICON = str(Path(__file__).with_name("icon.svg"))  # a file of ours: a named icon would be fetched from another company


def main() -> None:
    """Language, direction, person, menu, page."""
    st.set_page_config(page_title="plural-audit", page_icon=ICON, layout="wide")
    actor = frame.visitor()
    frame.set_direction(frame.choose_language(actor), style.PAGES)
    if actor is None:
        enter_by_provider()
        welcome()
        return
    frame.begin(actor)
    page = frame.navigation(actor)
    with st.sidebar:
        signed_in(actor)
    try:
        page.run()
    except ConflictError as error:
        st.warning(_("Somebody else, or another tab of yours, was faster; nothing was written. Reload and look again."))
        put(english(str(error)))
    except AuditError as error:
        st.error(in_label(str(error)))


def signed_in(actor: Actor) -> None:
    """Who is here, and the way out."""
    put(paragraph(_("Signed in as {name}"), kind="quiet", name=actor.pseudonym))
    st.html('<p class="desk-links"><a href="/auth/sign-out" target="_self">{}</a></p>'.format(_("Sign out")))


def welcome() -> None:
    """For those who are not signed in: two ways in."""
    frame.title(_("Community desk"))
    if "left" in st.session_state:
        st.success(_("What you said was removed, and your account is closed."))
    put(paragraph(_("Here people judge what an audit of a language model has found. Sign in to go on.")))
    if desk().settings.oidc and st.button(_("Sign in with your organisation"), type="primary"):
        st.login()
    st.html('<p class="desk-links"><a href="/auth/sign-in" target="_self">{}</a></p>'.format(_("Sign in")))


main()
