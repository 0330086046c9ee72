"""Communities: made once, their fields written anew as often as needed."""

from __future__ import annotations

from typing import Any

import streamlit as st
from markupsafe import Markup

from audit.reviews import accounts
from audit.reviews.accounts import CommunityRecord
from streamlit_app import frame, texts
from streamlit_app.admin.doing import do, form_key, languages_field, nothing, text_of
from streamlit_app.shown import code, put, table, words
from streamlit_app.texts import _


def put_communities() -> None:
    """The list, one to change, a new one."""
    known = accounts.communities(frame.db(), by=frame.me().id)
    if known:
        put(_list(known))
        frame.section(_("Change a community"), level=3)
        by_id = {one.id: one for one in known}
        picked = st.selectbox(
            _("Community"), list(by_id), format_func=lambda id_: text_of(by_id[id_].name), key="community_one"
        )
        _edit(by_id[picked])
    else:
        put(nothing(_("There is no community yet.")))
    frame.section(_("Make a community"), level=3)
    _create()


def _list(known: tuple[CommunityRecord, ...]) -> Markup:
    rows: list[tuple[str | Markup, ...]] = [
        (
            words(one.name),
            code(one.id),
            texts.listed([texts.name_of(language) for language in one.languages]),
            Markup(", ").join(words(region) for region in one.regions) or "–",
        )
        for one in known
    ]
    return table(_("Communities"), (_("Name"), _("Id"), _("Reviews in"), _("Regions")), rows)


def _edit(one: CommunityRecord) -> None:
    prefix = f"edit_{one.id}"
    with st.form(form_key(prefix)):
        fields = _fields(one, key=prefix)
        sent = st.form_submit_button(_("Save"))
    if sent:
        do(
            lambda: accounts.edit_community(frame.db(), one.id, **fields, by=frame.me().id),
            prefix=prefix,
            said=_("Saved."),
        )


def _create() -> None:
    with st.form(form_key("create")):
        id_ = st.text_input(
            _("Id"),
            max_chars=60,
            help=_("Small latin letters, digits and hyphens, as nairobi-youth. It stands in tables and never changes."),
        )
        fields = _fields(None, key="create")
        sent = st.form_submit_button(_("Make the community"), type="primary")
    if sent:
        do(
            lambda: accounts.create_community(frame.db(), id_.strip(), **fields, by=frame.me().id),
            prefix="create",
            said=_("The community was made. Invite its people next."),
        )


def _fields(one: CommunityRecord | None, *, key: str) -> dict[str, Any]:
    name = st.text_input(_("Name, as its people write it"), one.name if one else "", max_chars=200, key=f"{key}:name")
    languages = languages_field(
        _("Languages in which it reviews"), one.languages if one else (), key=f"{key}:languages"
    )
    regions = st.text_area(
        _("Where its people live, one place a line"),
        "\n".join(one.regions) if one else "",
        max_chars=5000,
        key=f"{key}:regions",
    )
    about = st.text_area(_("Who they are"), one.about if one else "", max_chars=4000, key=f"{key}:about")
    return {"name": name, "languages": languages, "regions": regions.splitlines(), "about": about}
