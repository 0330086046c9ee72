"""Who is asked to judge what: how far it has come, where readers are lacking, and asking."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from audit.reviews.assigning import SHARE, Assigned, assign
from audit.reviews.library import OVERLAP, RunView
from audit.reviews.workload import Workload, workload
from streamlit_app import frame, texts
from streamlit_app.admin.doing import choose_run, communities_for, do, form_key, nothing, text_of
from streamlit_app.shown import code, english, paragraph, put, table, words
from streamlit_app.texts import _, ngettext

LAST = "admin_assigned"  # key of the session's state: what asking came to, until it is shown
MOST_SHORT = 50


def put_assignments() -> None:
    """What came of the last one, the state, the form."""
    run = choose_run("assign_run")
    if run is None:
        return
    last: Assigned | None = st.session_state.pop(LAST, None)
    if last is not None and last.run == run.id:
        _put_last(last)
    found = workload(frame.db(), run.id, by=frame.me().id)
    if not found:
        put(nothing(_("No community reviews in a language of this run.")))
        return
    put(
        _table(found),
        paragraph(
            _(
                "Each finding should be judged by three people at least, so that they may differ. Where fewer read a "
                "language, invite more, or ask fewer about each finding."
            ),
            kind="quiet",
        ),
    )
    _form(run)


def _table(found: tuple[Workload, ...]) -> Markup:
    rows: list[tuple[str | Markup, ...]] = [
        (
            words(one.name),
            texts.name_of(one.language),
            texts.number(one.readers),
            texts.number(one.findings),
            texts.number(one.open),
            texts.number(one.done),
            ngettext("{n} more reader is needed", "{n} more readers are needed", one.lacks)
            if one.lacks
            else _("enough readers"),
        )
        for one in found
    ]
    header = (
        _("Community"),
        _("Language"),
        _("People who read it"),
        _("Findings"),
        _("Reviews asked for and open"),
        _("Done"),
        _("Readers"),
    )
    return table(_("Reviews asked for in this run"), header, rows)


def _form(run: RunView) -> None:
    frame.section(_("Ask for reviews"), level=3)
    names = communities_for(frame.me())
    with st.form(form_key("assign")):
        community = st.selectbox(_("Community"), list(names), format_func=lambda id_: text_of(names[id_]))
        first, second, third = st.columns(3)
        overlap = first.number_input(
            _("People asked about each finding"), 1, 20, OVERLAP, help=_("Fewer than three are never shown apart.")
        )
        share = second.slider(
            _("Of a hundred, without evidence"),
            0,
            60,
            round(100 * SHARE),
            help=_(
                "Findings without evidence are mixed in unmarked, so that reviewers do not learn that whatever comes "
                "to them is so."
            ),
        )
        most = third.number_input(_("Findings at most (0: all)"), 0, 10_000, 0)
        seed = st.number_input(
            _("Seed"), 0, 2**31 - 1, 1, help=_("Of what is drawn at random. The same seed asks the same people again.")
        )
        sent = st.form_submit_button(_("Ask"), type="primary")
    if sent:
        do(
            lambda: _assign(run.id, community, int(overlap), share / 100, int(most) or None, int(seed)),
            prefix="assign",
            said=_("Reviews were asked for. What came of it stands below."),
        )


def _assign(run: str, community: str, overlap: int, share: float, most: int | None, seed: int) -> None:
    st.session_state[LAST] = assign(
        frame.db(),
        run,
        community=community,
        overlap=overlap,
        share=share,
        at_most=most,
        seed=seed,
        by=frame.me().id,
    )


def _put_last(done: Assigned) -> None:
    """What was asked, and which findings have too few people."""
    with st.container(border=True):
        put(
            paragraph(ngettext("{n} new review was asked for.", "{n} new reviews were asked for.", done.new)),
            paragraph(ngettext("It concerns {n} finding.", "They concern {n} findings.", done.findings)),
        )
        if done.released:
            put(
                paragraph(
                    ngettext(
                        "{n} was taken back from somebody who has left.",
                        "{n} were taken back from people who have left.",
                        done.released,
                    )
                )
            )
        if not done.short:
            put(paragraph(_("There were enough people for every finding.")))
            return
        rows: list[tuple[str | Markup, ...]] = [
            (
                code(one.finding[:8]),
                _("{asked} of {wanted}", asked=texts.number(one.asked), wanted=texts.number(one.wanted)),
                english(one.reason),
            )
            for one in done.short[:MOST_SHORT]
        ]
        put(table(_("Findings for which people are lacking"), (_("Finding"), _("Asked"), _("Why")), rows))
        more = len(done.short) - MOST_SHORT
        if more > 0:
            put(nothing(ngettext("and {n} more", "and {n} more", more)))
