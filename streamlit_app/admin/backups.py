"""Backups are made on the desk's machine: how."""

from __future__ import annotations

import streamlit as st

from streamlit_app.shown import paragraph, put
from streamlit_app.texts import N_, _

COMMANDS = (
    (
        N_("Everything that the desk holds into one new file, while people work. Sign-ins are not in it."),
        "plural-audit desk backup desk-2026-01-31.zip",
    ),
    (
        N_("A desk from that file, in an empty database: whole and verified, or not at all."),
        "plural-audit desk restore desk-2026-01-31.zip",
    ),
    (
        N_("Whether the log is whole and has gone through the end of an earlier backup."),
        "plural-audit desk verify --since desk-2026-01-31.zip",
    ),
)


def put_backups() -> None:
    """The three commands."""
    put(
        paragraph(
            _(
                "Backups are made on the machine that runs the desk, by whoever may use its command line, and not "
                "from a browser: a backup holds what everybody said."
            )
        )
    )
    for what, command in COMMANDS:
        put(paragraph(_(what)))
        st.code(command, language=None, wrap_lines=True)
    put(
        paragraph(
            _(
                "Keep backups where others cannot read them. Who withdrew after a backup was made has to be taken out "
                "again after it is restored."
            )
        )
    )
