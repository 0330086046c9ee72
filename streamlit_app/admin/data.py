"""Judgements out of the desk and in; what leaves is what others may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from audit.errors import AuditError
from audit.reviews import exchange
from audit.reviews.database import Database
from audit.reviews.exchange import MOST_BYTES, Imported
from audit.reviews.roles import Action
from streamlit_app import frame, texts
from streamlit_app.admin.doing import choose_run, do, form_key
from streamlit_app.shown import in_label, paragraph, put
from streamlit_app.texts import N_, _, ngettext

READY = "admin_export"  # key of the session's state: the file that was made last
IN_MB = 1_000_000


@dataclass(frozen=True)
class Kind:
    """A form in which judgements leave the desk."""

    title: str
    make: Callable[[Database, str, str], bytes]
    ending: str
    mime: str


KINDS = (
    Kind(N_("Make the table (CSV)"), lambda db, run, by: exchange.export_csv(db, run, by=by), "csv", "text/csv"),
    Kind(
        N_("Make the file for another desk (JSON Lines)"),
        lambda db, run, by: exchange.export_jsonl(db, run, by=by),
        "jsonl",
        "application/jsonl",
    ),
)


def put_data() -> None:
    """Out, then in, as far as the roles allow."""
    me = frame.me()
    if me.may(Action.EXPORT):
        _out()
    if me.may(Action.IMPORT_RUN):
        _in()


def _out() -> None:
    frame.section(_("Export judgements"), level=3)
    run = choose_run("export_run")
    if run is None:
        return
    put(
        paragraph(
            _(
                "What is exported is what others may read: people are tokens that say nothing, small groups are put "
                "together. That a file was made is written into the log, and whoever makes one cannot judge this run "
                "later."
            )
        )
    )
    for place, (column, kind) in enumerate(zip(st.columns(len(KINDS)), KINDS, strict=True)):
        if column.button(_(kind.title), key=f"export_{place}"):
            try:
                content = kind.make(frame.db(), run.id, frame.me().id)
            except AuditError as error:
                st.error(in_label(str(error)))
                continue
            st.session_state[READY] = (run.id, place, content)
    ready = st.session_state.get(READY)
    if ready is not None and ready[0] == run.id:
        kind, content = KINDS[ready[1]], ready[2]
        st.download_button(
            _("Download judgements-{run}.{ending}", run=run.id, ending=kind.ending),
            content,
            file_name=f"judgements-{run.id}.{kind.ending}",
            mime=kind.mime,
            on_click="ignore",
        )
        put(paragraph(_("{size} kB", size=texts.number(max(1, len(content) // 1000))), kind="quiet"))


def _in() -> None:
    frame.section(_("Import judgements of another desk"), level=3)
    put(
        paragraph(
            _(
                "A JSON Lines file that another desk exported of a run that is here. Each line is checked; one that is "
                "wrong is named, and then nothing is taken. The same file again adds nothing."
            )
        )
    )
    with st.form(form_key("import")):
        file = st.file_uploader(
            _("File"), type=["jsonl"], max_upload_size=max(1, MOST_BYTES // IN_MB), key=f"{form_key('import')}:file"
        )
        source = st.text_input(
            _("Short name of the other desk"),
            max_chars=40,
            help=_("Small latin letters, digits and hyphens, as accra-desk. Its people stand under this name here."),
        )
        sent = st.form_submit_button(_("Import"))
    if sent and file is None:
        st.warning(_("Choose a file first."))
    elif sent and file is not None:
        content = file.getvalue()
        do(
            lambda: exchange.import_judgements(frame.db(), content, source=source.strip(), by=frame.me().id),
            prefix="import",
            said=_imported,
        )


def _imported(done: Imported) -> str:
    sentences = [ngettext("{n} judgement was added.", "{n} judgements were added.", done.new)]
    if done.known:
        sentences.append(ngettext("{n} was here before.", "{n} were here before.", done.known))
    if done.differing:
        n = len(done.differing)
        sentences.append(
            ngettext(
                "{n} says something else than before and was left as it was.",
                "{n} say something else than before and were left as they were.",
                n,
            )
        )
    return " ".join(sentences)
