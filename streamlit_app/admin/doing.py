"""How a part of the page does something once, says what came of it, and shows a fresh form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st
from markupsafe import Markup

from audit.errors import AuditError, ConflictError
from audit.reviews import accounts, library
from audit.reviews.roles import IN_COMMUNITY, Actor, Role
from audit.reviews.words import shown as closed
from streamlit_app import drafts, frame, texts
from streamlit_app.shown import english, in_label, paragraph, put
from streamlit_app.texts import _

SAID = "admin_said"  # key of the session's state: what the last click did, until it is shown
Done = TypeVar("Done")


def form_key(prefix: str) -> str:
    """Key of a form that can be sent once: after it was, the next one has another, and a second click meets nothing."""
    return f"{prefix}:{drafts.held(prefix).submission}"


def do(work: Callable[[], Done], *, prefix: str, said: str | Callable[[Done], str]) -> None:
    """Do what a form asks for; say so on the page as it is afterwards, or say what the library said against it."""
    try:
        done = work()
    except ConflictError as error:
        st.warning(_("Somebody else, or another tab of yours, was faster; nothing was written. Reload and look again."))
        put(english(str(error)))
        return
    except AuditError as error:
        st.error(in_label(str(error)))
        return
    drafts.forget(prefix)
    st.session_state[SAID] = said(done) if callable(said) else said
    st.rerun()


def put_said() -> None:
    """What the last click did."""
    text = st.session_state.pop(SAID, "")
    if text:
        st.success(in_label(text))


def text_of(label: str) -> str:
    """What somebody wrote, as the choice of a list: that is plain text, so only its direction has to be closed."""
    return closed(label)


def communities_for(actor: Actor) -> dict[str, str]:
    """Communities in which they act, with their names: all of them for those who act everywhere."""
    known = {one.id: one.name for one in accounts.communities(frame.db(), by=actor.id)}
    if any(role not in IN_COMMUNITY for role, _community in actor.grants):
        return known
    mine = actor.communities(Role.STEWARD)
    return {id_: name for id_, name in known.items() if id_ in mine}


def choose_run(key: str) -> library.RunView | None:
    """A list of the runs that are here; None and a sentence where there are none."""
    known = {one.id: one for one in library.runs(frame.db(), by=frame.me().id)}
    if not known:
        put(paragraph(_("There is no run here yet. An auditor brings one on the page Administration.")))
        return None
    picked = st.selectbox(_("Run"), list(known), format_func=lambda one: f"{known[one].model} · {one}", key=key)
    return known[picked]


def languages_field(label: str, chosen: tuple[str, ...], *, key: str | None = None) -> list[str]:
    """Languages by their names; a code that is not in the list can be typed."""
    from streamlit_app.app_pages.me import READABLE

    options = list(dict.fromkeys([*READABLE, *chosen]))
    return st.multiselect(
        label,
        options,
        default=list(chosen),
        format_func=lambda one: f"{texts.name_of(one)} · {one}" if one in options else one,
        accept_new_options=True,
        key=key,
        help=_("A language that is not in the list can be typed by its code, as sw or zh-Hant."),
    )


def nothing(text: str) -> Markup:
    """A sentence for an empty list."""
    return paragraph(text, kind="quiet")
