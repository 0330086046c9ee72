"""The log: what happened, in order; whether it is whole; the files that others can check."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st
from markupsafe import Markup

from audit.reviews import exchange, logbook
from audit.reviews.logbook import Checked, Entry
from streamlit_app import frame, texts
from streamlit_app.shown import code, english, paragraph, put, table, words
from streamlit_app.texts import _, ngettext

CHECKED = "admin_checked"  # key of the session's state: the last check
SHORT = 8  # characters of an id


def put_log() -> None:
    """The check, the files, the events."""
    put(
        paragraph(
            _(
                "Everything that happens here is written down in order, each event chained to the one before by a "
                "digest. It holds that somebody judged, never what they said."
            )
        )
    )
    if st.button(_("Check that the log is whole")):
        st.session_state[CHECKED] = logbook.check(frame.db(), by=frame.me().id)
    checked: Checked | None = st.session_state.get(CHECKED)
    if checked is not None:
        _put_checked(checked)
    _files()
    _events()


def _put_checked(checked: Checked) -> None:
    if checked.problem is not None:
        st.error(_("The log is not whole. Keep the database as it is and tell whoever runs the desk."))
        put(english(str(checked.problem)))
        return
    st.success(
        ngettext(
            "The log is whole: {n} event, each following the one before, and what people wrote is what they wrote.",
            "The log is whole: {n} events, each following the one before, and what people wrote is what they wrote.",
            checked.head.number,
        )
    )
    put(
        paragraph(
            _("Its end. Write it down elsewhere: whoever has it can tell later whether anything was taken away.")
        ),
        Markup('<p class="desk-text">{}</p>').format(code(f"{checked.head.number} {checked.head.hash}")),
    )


def _files() -> None:
    """Files are made when they are asked for, by whoever asks."""
    makers: tuple[tuple[str, str, str, Callable[[str], bytes]], ...] = (
        (
            _("Download the log (JSON Lines)"),
            "events.jsonl",
            "application/jsonl",
            lambda by: exchange.event_log(frame.db(), by=by),
        ),
        (
            _("Download the moderation log (CSV)"),
            "moderation.csv",
            "text/csv",
            lambda by: exchange.moderation_log(frame.db(), by=by),
        ),
    )
    for column, (label, name, mime, make) in zip(st.columns(2), makers, strict=True):
        column.download_button(label, frame.when_asked(make), file_name=name, mime=mime, on_click="ignore")


def _events() -> None:
    frame.section(_("Events"), level=3)
    state = st.session_state
    kind = str(state.get("log_kind") or "")
    if state.get("log_asked") not in (None, kind):
        state["log_page"] = 1
    state["log_asked"] = kind
    found = logbook.read(frame.db(), kind=kind, page=int(state.get("log_page") or 1), by=frame.me().id)
    st.selectbox(
        _("Kind"),
        ["", *found.kinds],
        format_func=lambda one: one or _("All"),
        key="log_kind",
        persist_state="session",
    )
    put(paragraph(ngettext("{n} event", "{n} events", found.total)))
    header = (_("Number"), _("When"), _("Who"), _("What"), _("Of what"), _("Facts"), _("Digest"))
    put(table(_("Events, the newest first"), header, [_row(one) for one in found.entries]))
    if found.pages > 1:
        st.pagination(found.pages, key="log_page", persist_state="session")


def _row(one: Entry) -> tuple[str | Markup, ...]:
    who = {"system": _("the desk itself"), "command line": _("the command line")}.get(one.actor)
    facts = json.dumps(one.facts, ensure_ascii=False, sort_keys=True)
    return (
        texts.number(one.number),
        texts.minute(one.at),
        who or words(one.actor),
        english(one.kind),
        code(one.subject[:SHORT]),
        Markup('<bdi dir="ltr" style="overflow-wrap:anywhere;font-size:.85em">{}</bdi>').format(facts),
        code(one.hash[:SHORT]),
    )
