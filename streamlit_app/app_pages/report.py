"""Reports: ask for one, wait for it, have it; those that were issued, with what they know and whether they stand."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from audit.commands import command_of
from audit.errors import AuditError, DeskError
from audit.reviews import issued, jobs, library
from audit.reviews.consent import LEFT
from audit.reviews.issued import IssuedView
from audit.reviews.library import RunView
from reports.content import PARTS
from streamlit_app import drafts, frame, texts
from streamlit_app.desk import desk
from streamlit_app.shown import badge, code, english, facts, in_label, paragraph, put, said, words
from streamlit_app.texts import N_, _, ngettext
from streamlit_app.waiting import POLL_S, progress

FORM = "report"  # prefix of the form's keys
MOST_SHOWN = 20
NAMED = {  # of reports.content.PARTS
    "circuits": N_("Circuits inside the model"),
    "features": N_("Features inside the model"),
    "items": N_("The items behind the findings"),
    "appendix": N_("Exploratory results"),
}
REASONS = {
    LEFT: N_("somebody withdrew what they had said"),
    "a contest was upheld": N_("a contest was upheld"),
    "something changed while it was made": N_("something changed while it was made"),
}


def page() -> None:
    """The form, the job that is under way, the list, and the command that makes the run again."""
    frame.title(_("Report"))
    run = frame.choose_run()
    if run is None:
        return
    put(
        paragraph(
            _(
                "A report is one PDF with everything that may be said of a run: findings in plain sentences, their "
                "uncertainty, what people say, what was not tested. It is said in the language that you choose; what "
                "people wrote, and the prompts, stay in their own words."
            )
        )
    )
    put_form(run)
    put_ended()
    put_issued(run)
    put_command(run)


# --- asking ----------------------------------------------------------------------------------


def put_form(run: RunView) -> None:
    """What goes into the report. While one is being made, where that is stands here instead."""
    frame.section(_("Make a report"))
    if f"{FORM}:job" in st.session_state:
        watch()
        return
    form = drafts.held(FORM)  # a second click sends the same form: it is one report
    with st.form(f"{FORM}:{form.submission}"):
        with_people = st.checkbox(
            _("With what people say"),
            True,
            help=_(
                "Judgements, dissent in people's own words, contests. Groups of fewer than three people are never "
                "shown apart. A report without them says nothing of people."
            ),
        )
        parts = st.multiselect(
            _("Details"),
            list(PARTS),
            default=list(PARTS),
            format_func=lambda one: _(NAMED[one]),
            help=_(
                "What limits the findings is in every report: checks, methods, what was not tested. A report without "
                "some details says on its front which."
            ),
        )
        spoken = st.selectbox(
            _("Language of the report"),
            list(texts.LANGUAGES),
            index=texts.LANGUAGES.index(texts.language()),
            format_func=texts.own_name,
            help=_("Translations were made by a machine and wait for people who read them; the report says so."),
        )
        sign = bool(signer()) and st.checkbox(
            in_label(_("Signed by {name}", name=signer())),
            True,
            help=_(
                "A signature says who vouches for these bytes, and lets anybody find a change. It does not say that "
                "the audit asked the right questions."
            ),
        )
        sent = st.form_submit_button(_("Make the report"), type="primary")
    if sent:
        without = [one for one in PARTS if one not in parts]
        ask(run, {"judgements": with_people, "without": without, "language": spoken, "sign": sign})


def signer() -> str:
    """Who signs the reports of this desk; "" where it has no key."""
    return desk().settings.signer


def ask(run: RunView, wishes: dict[str, object]) -> None:
    """Ask the worker; the page then looks every few seconds how far it is."""
    wanted = {"run": run.id, **wishes}
    try:
        job = jobs.ask(frame.db(), "report", wanted, by=frame.me().id)
    except DeskError as error:
        st.error(in_label(str(error)))
        return
    drafts.forget(FORM)
    st.session_state[f"{FORM}:job"] = job
    st.rerun()


@st.fragment(run_every=POLL_S)
def watch() -> None:
    """Where the report is; when it is done the whole page is shown anew, since the list then has it."""
    asked = st.session_state.get(f"{FORM}:job")
    if asked is None:
        return
    try:
        found = jobs.job(frame.db(), asked, by=frame.me().id)
    except AuditError as error:  # signed out meanwhile: this part runs by itself, outside of the frame
        st.warning(in_label(str(error)))
        return
    if found.state in ("waiting", "running"):
        running = _("The report is being made. This takes from seconds to a few minutes; you may go to other pages.")
        put(Markup('<p class="desk-text" role="status">{}</p>').format(progress(found, running=running)))
        return
    del st.session_state[f"{FORM}:job"]
    st.session_state[f"{FORM}_ended"] = found.error
    st.rerun()


def put_ended() -> None:
    """What came of the last one, said once."""
    why = st.session_state.pop(f"{FORM}_ended", None)
    if why == "":
        st.success(_("The report is ready. It is the first of the list below."))
    elif why:
        st.error(_("The report could not be made:"))
        put(english(why))


# --- issued ----------------------------------------------------------------------------------


def put_issued(run: RunView) -> None:
    """Reports of this run, the newest first."""
    frame.section(_("Issued reports"))
    found = issued.reports(frame.db(), run.id, by=frame.me().id)
    if not found:
        put(paragraph(_("No report of this run has been issued.")))
        return
    put(
        paragraph(
            _(
                "Having a report is reading what people said: whoever downloads one cannot judge findings of "
                "its run later."
            ),
            kind="quiet",
        )
    )
    for one in found[:MOST_SHOWN]:
        with st.container(border=True):
            _put_one(one)
    if len(found) > MOST_SHOWN:
        more = len(found) - MOST_SHOWN
        put(paragraph(ngettext("{n} older report is kept.", "{n} older reports are kept.", more), kind="quiet"))


def _put_one(one: IssuedView) -> None:
    stands = (
        Markup('<p class="desk-text">{} {}</p>').format(
            badge(_("To be issued again")),
            said(_("because {reason}"), reason=_(REASONS.get(one.reissue_reason, one.reissue_reason))),
        )
        if one.reissue_reason
        else Markup("")
    )
    put(
        stands,
        facts(
            (_("Made"), said(_("{moment} by {name}"), moment=texts.minute(one.made_at), name=words(one.made_by))),
            (
                _("As of"),
                _("event {number} of the desk's log: what was said later is not in it", number=texts.number(one.as_of)),
            ),
            (_("Language"), words(texts.own_name(one.language), language=one.language)),
            (_("Signature"), said(_("by {name}"), name=words(one.signed_by)) if one.signed_by else said(_("none"))),
            (_("Digest (SHA-256)"), code(one.sha256)),
        ),
        Markup('<p class="desk-links"><a href="/reports/{}.pdf" target="_self">{}</a></p>').format(
            one.id, _("Download the PDF")
        ),
    )


# --- making the run again --------------------------------------------------------------------


def put_command(run: RunView) -> None:
    """The command that makes the run again: whoever has the model can check every number."""
    frame.section(_("Make the run again"))
    try:
        manifest = library.evidence_of(frame.db(), run.id, by=frame.me().id).manifest
    except AuditError as error:
        put(paragraph(_("The run's files cannot be read:")), english(str(error)))
        return
    put(paragraph(_("This command asks the same model the same items. The same versions give the same numbers.")))
    st.code(command_of(manifest), language=None, wrap_lines=True)
