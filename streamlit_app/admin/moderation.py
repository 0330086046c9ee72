"""Comments: what stands, what was hidden and why; hiding one."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from audit.reviews import judging
from audit.reviews.moderating import Comment, comments
from audit.reviews.summary import OTHERS
from streamlit_app import frame
from streamlit_app.admin.doing import choose_run, do, form_key, nothing
from streamlit_app.shown import badge, block, paragraph, put, said, words
from streamlit_app.texts import _, ngettext

PER_PAGE = 20
READ = "comments_read"  # key of the session's state: runs whose comments this person asked to see


def put_moderation() -> None:
    """The rule, then the comments of a run, twenty a page."""
    put(
        paragraph(
            _(
                "Hide a comment where it harms somebody: names a person, threatens, insults. Disagreement is no "
                "reason. The judgement counts on; the author and the readers see why the words are hidden."
            )
        )
    )
    run = choose_run("moderate_run")
    if run is None or not _may_be_shown(run.id):
        return
    wanted = st.text_input(_("Search in comments"), max_chars=200, key="comments_text").strip().casefold()
    found = [
        one
        for one in comments(frame.db(), run.id, by=frame.me().id)
        if wanted in one.comment.casefold() or wanted in one.hidden.casefold()
    ]
    put(paragraph(ngettext("{n} comment", "{n} comments", len(found))))
    if not found:
        put(nothing(_("Comments appear here once three people have judged a finding, and you yourself if you review.")))
        return
    pages = -(-len(found) // PER_PAGE)
    page = min(int(st.session_state.get("comments_page") or 1), pages)
    for one in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
        with st.container(border=True):
            _put_one(one, run=run.id)
    if pages > 1:
        st.pagination(pages, key="comments_page")


def _may_be_shown(run: str) -> bool:
    """Whether somebody who never judges asked to see the comments: that they have read them is written down."""
    if frame.me().communities():
        return True
    asked = st.session_state.setdefault(READ, set())
    if run not in asked:
        put(
            paragraph(
                _(
                    "Reading what people said is written down: whoever has read it cannot judge findings of "
                    "this run later."
                )
            )
        )
        if st.button(_("Show comments")):
            asked.add(run)
            st.rerun()
    return run in asked


def _put_one(one: Comment, *, run: str) -> None:
    community = _("other communities") if one.community == OTHERS else words(one.community)
    put(
        Markup('<p class="desk-label">{}</p>').format(
            said(_("Person {number} of {community}"), number=one.person, community=community)
        )
    )
    frame.link("finding", _("Open finding {id}", id=one.finding[:8]), run=run, id=one.finding)
    if one.hidden:
        put(Markup('<p class="desk-text">{} {}</p>').format(badge(_("Hidden")), words(one.hidden)))
        return
    put(block(one.comment, language=one.language))
    prefix = f"hide_{one.review}"
    with st.expander(_("Hide this comment")), st.form(form_key(prefix)):
        reason = st.text_area(_("Why, for the author and the readers"), max_chars=500, key=f"{prefix}:reason")
        sent = st.form_submit_button(_("Hide it"))
    if sent:
        do(
            lambda: judging.hide_comment(frame.db(), one.review, reason=reason, by=frame.me().id),
            prefix=prefix,
            said=_("The comment is hidden; the judgement counts on."),
        )
