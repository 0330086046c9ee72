"""The frame around every page. Streamlit runs this file from the top at each click; `plural-audit app` serves it."""

from __future__ import annotations

import streamlit as st

from audit.errors import AuditError, ConflictError
from streamlit_app import frame, style
from streamlit_app.oidc import enter_by_provider
from streamlit_app.shown import paragraph, put
from streamlit_app.texts import _


def main() -> None:
    """Language, direction, person, menu, page."""
    st.set_page_config(page_title="plural-audit", page_icon=":material/balance:", layout="wide")
    actor = frame.visitor() or enter_by_provider()
    frame.set_direction(frame.choose_language(actor), style.PAGES)
    if actor is None:
        welcome()
        return
    page = frame.navigation(actor)
    with st.sidebar:
        put(paragraph(_("Signed in as {name}"), kind="quiet", name=actor.pseudonym))
        st.html('<p class="desk-links"><a href="/auth/sign-out" target="_self">{}</a></p>'.format(_("Sign out")))
    try:
        page.run()
    except ConflictError as error:
        st.warning(_("Somebody else, or another tab of yours, was faster; nothing was written. Reload and look again."))
        put(paragraph("{error}", kind="quiet", error=str(error)))
    except AuditError as error:
        st.error(str(error))


def welcome() -> None:
    """For those who are not signed in: two ways in."""
    frame.title(_("Community desk"))
    put(paragraph(_("Here people judge what an audit of a language model has found. Sign in to go on.")))
    if frame.desk().settings.oidc and st.button(_("Sign in with your organisation"), type="primary"):
        st.login()
    st.html('<p class="desk-links"><a href="/auth/sign-in" target="_self">{}</a></p>'.format(_("Sign in")))


main()
