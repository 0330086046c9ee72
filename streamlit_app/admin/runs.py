"""Runs: which are here, and bringing one from the folder of runs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from markupsafe import Markup

from audit.reviews import library
from audit.reviews.library import RunSummary
from audit.runs import RunFolder
from streamlit_app import frame, texts
from streamlit_app.admin.doing import do, form_key, nothing
from streamlit_app.desk import desk
from streamlit_app.shown import code, paragraph, put, table, words
from streamlit_app.texts import N_, _, ngettext

LAST = "admin_brought"  # key of the session's state: the summary of the run brought last, until it is shown
MOST_LISTED = 200
OUTCOMES = {
    "imported": N_("The run was brought in."),
    "unchanged": N_("The run was here already, unchanged."),
    "indexed again": N_("The run was here; its findings have changed and were read anew."),
}


def put_runs() -> None:
    """What came of the last one, those here, those in the folder."""
    last: RunSummary | None = st.session_state.pop(LAST, None)
    if last is not None:
        _put_last(last)
    known = library.runs(frame.db(), by=frame.me().id)
    if known:
        rows: list[tuple[str | Markup, ...]] = [
            (
                code(one.id),
                words(one.model),
                texts.listed([texts.name_of(language) for language in one.languages]),
                texts.number(one.findings),
                texts.day(one.imported_at),
            )
            for one in known
        ]
        header = (_("Run"), _("Model"), _("Languages"), _("Findings"), _("Brought on"))
        put(table(_("Runs at this desk"), header, rows))
    else:
        put(nothing(_("There is no run here yet.")))
    frame.section(_("Bring a run"), level=3)
    folders = complete_runs()
    put(
        paragraph(
            _(
                "Complete runs in the desk's folder of runs, the newest first. A run that is here already is looked at "
                "again: where its findings have changed, judgements stay with those that are the same."
            )
        )
    )
    if not folders:
        put(nothing(_("There is no complete run in the folder. Make one with: plural-audit run")))
        return
    here = {one.id for one in known}
    with st.form(form_key("bring")):
        name = st.selectbox(
            _("Run folder"),
            list(folders),
            format_func=lambda name: _("{name} (here already)", name=name) if name in here else name,
        )
        sent = st.form_submit_button(_("Bring it"), type="primary")
    if sent:
        do(lambda: _bring(folders[name]), prefix="bring", said=_("Done. What came of it stands below."))


def complete_runs() -> dict[str, Path]:
    """Names of complete run folders, the newest first: a page brings what lies there and nothing else."""
    found = sorted(desk().settings.runs.glob("*/run.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return {file.parent.name: file.parent for file in found[:MOST_LISTED] if RunFolder(file.parent).complete}


def _bring(folder: Path) -> None:
    st.session_state[LAST] = library.import_run(frame.db(), folder, by=frame.me().id)


def _put_last(done: RunSummary) -> None:
    with st.container(border=True):
        put(
            paragraph(_(OUTCOMES[done.outcome])),
            paragraph(ngettext("It has {n} finding.", "It has {n} findings.", done.findings)),
        )
        if done.gone:
            rows: list[tuple[str | Markup, ...]] = [
                (code(one.finding[:8]), _judged(one.reviews), texts.number(one.contests)) for one in done.gone
            ]
            put(
                paragraph(
                    _("Findings that people spoke of and that the run has no more; what they said is kept:"),
                ),
                table(_("Findings that are gone"), (_("Finding"), _("Judged by"), _("Contests")), rows),
            )


def _judged(people: int) -> str:
    told = library.told_count(people)
    if told is None:
        return _("one or two people")
    return ngettext("{n} person", "{n} people", told)
