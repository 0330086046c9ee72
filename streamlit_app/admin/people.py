"""People: who there is, which roles they hold, whether they may sign in."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from audit.reviews import accounts
from audit.reviews.accounts import Account
from audit.reviews.roles import IN_COMMUNITY
from streamlit_app import frame, texts
from streamlit_app.admin.doing import do, form_key, text_of
from streamlit_app.app_pages.me import ROLES, role_name
from streamlit_app.shown import facts, paragraph, put, table, words
from streamlit_app.texts import N_, _, ngettext

PER_PAGE = 50
STATUS = {
    "active": N_("may sign in"),
    "disabled": N_("may not sign in"),
    "withdrawn": N_("has withdrawn"),
}
FRESH = "admin_password"  # key of the session's state: (whose, a new password) until it is shown, once


def put_people() -> None:
    """The list, and one person with what can be done."""
    known = accounts.people(frame.db(), by=frame.me().id)
    names = {one.id: one.name for one in accounts.communities(frame.db(), by=frame.me().id)}
    wanted = st.text_input(_("Search by name"), max_chars=64, key="people_text").strip().casefold()
    found = [one for one in known if wanted in one.pseudonym.casefold() or wanted in one.login.casefold()]
    put(paragraph(ngettext("{n} person", "{n} people", len(found))))
    if not found:
        return
    pages = -(-len(found) // PER_PAGE)
    page = min(int(st.session_state.get("people_page") or 1), pages)
    put(_list(found[(page - 1) * PER_PAGE : page * PER_PAGE], names))
    if pages > 1:
        st.pagination(pages, key="people_page")
    _one(found, names)


def _list(found: list[Account], names: dict[str, str]) -> Markup:
    rows: list[tuple[str | Markup, ...]] = [
        (
            words(one.pseudonym),
            words(one.login),
            _roles(one, names),
            _(STATUS[one.status]),
            texts.listed([texts.name_of(code) for code in dict.fromkeys(one.reads)]) or "–",
        )
        for one in found
    ]
    header = (_("Name that others see"), _("Name to sign in with"), _("Roles"), _("Account"), _("Reads"))
    return table(_("People"), header, rows)


def _roles(one: Account, names: dict[str, str]) -> Markup:
    held = [role_name(role, names.get(community, community)) for role, community in one.grants]
    return Markup("<br>").join(held) if held else Markup("–")


def _one(found: list[Account], names: dict[str, str]) -> None:
    by_id = {one.id: one for one in found}
    frame.section(_("One person"), level=3)
    picked = st.selectbox(
        _("Person"), list(by_id), format_func=lambda one: text_of(by_id[one].pseudonym), key="people_one"
    )
    one = by_id[picked]
    put(
        facts(
            (_("Name that others see"), words(one.pseudonym)),
            (_("Name to sign in with"), words(one.login)),
            (_("Account"), _(STATUS[one.status])),
            (_("Since"), texts.day(one.created_at)),
        )
    )
    _put_password(one)
    if one.status == "withdrawn":
        put(paragraph(_("Nothing of theirs can be changed any more.")))
        return
    _grant(one, names)
    _take(one, names)
    _sign_in(one)


def _grant(one: Account, names: dict[str, str]) -> None:
    with st.form(form_key("grant")):
        left, right = st.columns(2)
        role = left.selectbox(_("Role to give"), [*ROLES], format_func=lambda one: _(ROLES[one]))
        community = right.selectbox(
            _("In the community"),
            [*names, ""],
            format_func=lambda id_: text_of(names[id_]) if id_ else _("none"),
            help=_("Reviewers and stewards are so in a community; the other roles hold everywhere."),
        )
        sent = st.form_submit_button(_("Give the role"))
    if sent:
        where = community if role in IN_COMMUNITY else ""
        do(
            lambda: accounts.grant(frame.db(), one.id, role=role, community=where, by=frame.me().id),
            prefix="grant",
            said=_("The role was given."),
        )


def _take(one: Account, names: dict[str, str]) -> None:
    if not one.grants:
        return
    with st.form(form_key("take")):
        place = st.selectbox(
            _("Role to take away"),
            range(len(one.grants)),
            format_func=lambda place: text_of(
                role_name(one.grants[place][0], names.get(one.grants[place][1], "")).striptags()
            ),
            help=_("What they did in it stays."),
        )
        sent = st.form_submit_button(_("Take the role away"))
    if sent:
        role, community = one.grants[place]
        do(
            lambda: accounts.revoke(frame.db(), one.id, role=role, community=community, by=frame.me().id),
            prefix="take",
            said=_("The role was taken away."),
        )


def _sign_in(one: Account) -> None:
    """Signing in: ended everywhere, stopped, allowed again, a new password."""
    first, second, third = st.columns(3)
    if first.button(_("Sign out everywhere"), key=f"out_{one.id}"):
        do(
            lambda: accounts.end_sign_ins(frame.db(), one.id, by=frame.me().id),
            prefix="out",
            said=_("Every sign-in of this person has ended."),
        )
    if one.status == "active" and second.button(_("Let sign in no more"), key=f"stop_{one.id}"):
        do(
            lambda: accounts.disable(frame.db(), one.id, by=frame.me().id),
            prefix="stop",
            said=_("This person may not sign in any more. What they said stays."),
        )
    if one.status == "disabled" and second.button(_("Let sign in again"), key=f"start_{one.id}"):
        do(
            lambda: accounts.enable(frame.db(), one.id, by=frame.me().id),
            prefix="start",
            said=_("This person may sign in again."),
        )
    if one.has_password and third.button(_("Make a new password"), key=f"fresh_{one.id}"):
        do(lambda: _fresh(one.id), prefix="fresh", said=_("The old password does not work any more."))


def _fresh(person: str) -> None:
    st.session_state[FRESH] = (person, accounts.reset_password(frame.db(), person, by=frame.me().id))


def _put_password(one: Account) -> None:
    person, password = st.session_state.pop(FRESH, ("", ""))
    if person == one.id:
        put(paragraph(_("The new password, shown this once. Hand it to the person, who then chooses their own:")))
        st.code(password, language=None)
