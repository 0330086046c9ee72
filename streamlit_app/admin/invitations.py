"""Invitations: a link that makes one account, shown once; those that are open, and ending them."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import streamlit as st
from markupsafe import Markup

from audit.reviews import accounts
from audit.reviews.accounts import INVITED_FOR_DAYS, Invited
from audit.reviews.roles import IN_COMMUNITY, Role
from streamlit_app import frame, texts
from streamlit_app.admin.doing import communities_for, do, form_key, nothing, text_of
from streamlit_app.app_pages.me import ROLES, role_name
from streamlit_app.desk import desk
from streamlit_app.shown import paragraph, put, table, words
from streamlit_app.texts import N_, _, ngettext

LINK = "admin_link"  # key of the session's state: an invitation's link until it is shown, once
MOST_DAYS = 90
MOST_SHOWN = 100
STATES = {
    "open": N_("open"),
    "used": N_("used"),
    "revoked": N_("ended"),
    "expired": N_("too old"),
}


def put_invitations() -> None:
    """The new link if one was just made, the form, the list."""
    link = st.session_state.pop(LINK, "")
    if link:
        with st.container(border=True):
            put(
                paragraph(
                    _(
                        "The link, shown this once. Send it to one person only: whoever opens it first makes the "
                        "account."
                    )
                )
            )
            st.code(link, language=None, wrap_lines=True)
    _form()
    _list()


def _form() -> None:
    frame.section(_("Invite somebody"), level=3)
    me = frame.me()
    everywhere = any(role is Role.ADMIN for role, _community in me.grants)
    names = communities_for(me)
    if not names and not everywhere:
        put(nothing(_("You invite for no community.")))
        return
    with st.form(form_key("invite")):
        role = st.selectbox(
            _("Role"), list(Role) if everywhere else list(IN_COMMUNITY), format_func=lambda role: _(ROLES[role])
        )
        community = st.selectbox(
            _("Community"),
            [*names, ""] if everywhere else list(names),
            format_func=lambda id_: text_of(names[id_]) if id_ else _("none"),
            help=_("Reviewers and stewards are so in a community; the other roles hold everywhere."),
        )
        days = st.number_input(_("Days that the link works"), 1, MOST_DAYS, INVITED_FOR_DAYS)
        sent = st.form_submit_button(_("Make the link"), type="primary")
    if sent:
        where = community if role in IN_COMMUNITY else ""
        do(lambda: _invite(role, where, int(days)), prefix="invite", said=_("The invitation was made."))


def _invite(role: Role, community: str, days: int) -> None:
    secret = accounts.invite(frame.db(), role=role, community=community, days=days, by=frame.me().id)
    st.session_state[LINK] = f"{address()}/auth/join?{urlencode({'secret': secret})}"


def address() -> str:
    """The desk as browsers see it: as its owner said, else as this browser called it."""
    known = desk().settings.public_url.rstrip("/")
    if known:
        return known
    here = urlsplit(str(st.context.url or ""))
    return f"{here.scheme}://{here.netloc}" if here.netloc else ""


def _list() -> None:
    frame.section(_("Invitations so far"), level=3)
    found = accounts.invitations(frame.db(), by=frame.me().id)
    if not found:
        put(nothing(_("Nobody has been invited yet.")))
        return
    rows: list[tuple[str | Markup, ...]] = [
        (
            role_name(one.role, one.community_name),
            _(STATES[one.state]),
            texts.day(one.made_at),
            texts.day(one.expires_at),
            _("the command line") if one.made_by == "command line" else words(one.made_by),
        )
        for one in found[:MOST_SHOWN]
    ]
    put(table(_("Invitations"), (_("Role"), _("State"), _("Made"), _("Works until"), _("Made by")), rows))
    if len(found) > MOST_SHOWN:
        more = len(found) - MOST_SHOWN
        put(nothing(ngettext("{n} older one is not shown.", "{n} older ones are not shown.", more)))
    _end([one for one in found if one.state == "open"])


def _end(open_: list[Invited]) -> None:
    if not open_:
        return
    by_id = {one.id: one for one in open_}
    with st.form(form_key("end")):
        picked = st.selectbox(_("Open invitation"), list(by_id), format_func=lambda id_: _label(by_id[id_]))
        sent = st.form_submit_button(_("End this invitation"))
    if sent:
        do(
            lambda: accounts.revoke_invitation(frame.db(), picked, by=frame.me().id),
            prefix="end",
            said=_("The link does not work any more."),
        )


def _label(one: Invited) -> str:
    return _(
        "{role}, made on {day} ({id})",
        role=text_of(role_name(one.role, one.community_name).striptags()),
        day=texts.minute(one.made_at),
        id=one.id[:8],
    )
