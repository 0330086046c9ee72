"""All findings of a run: searched, filtered, fifty a page, each a real link that a keyboard reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from audit.records import Verdict
from audit.reviews import accounts, library
from audit.reviews.library import Order, Page, Query, Row, RunView
from streamlit_app import frame, plain, texts
from streamlit_app.shown import VERDICT_WORDS, badge, of_finding, paragraph, put, said, verdict
from streamlit_app.texts import N_, _, ngettext

ORDERS = {
    Order.REPORT: N_("As in the report"),
    Order.FEWEST: N_("Fewest reviews first"),
    Order.MOST: N_("Most reviews first"),
}


def page() -> None:
    """Filters, count, cards, pages."""
    frame.title(_("Findings"))
    run = frame.choose_run()
    if run is None:
        return
    found = library.find(frame.db(), asked(run), by=frame.me().id)
    filters(found)
    put(paragraph(ngettext("{n} finding", "{n} findings", found.total)))
    if not found.total:
        put(paragraph(_("Nothing fits these filters. Take one away.")))
    for row in found.rows:
        card(run, row)
    if found.pages > 1:
        st.pagination(found.pages, key="f_page", persist_state="session")


def asked(run: RunView) -> Query:
    """The query that the filters make. Their state is kept by Streamlit under their keys, as long as the session."""
    state = st.session_state
    query = Query(
        run=run.id,
        text=str(state.get("f_text") or ""),
        language=str(state.get("f_language") or ""),
        measure=str(state.get("f_measure") or ""),
        verdict=str(state.get("f_verdict") or ""),
        community=str(state.get("f_community") or ""),
        needs_review=bool(state.get("f_needs")),
        contested=bool(state.get("f_contested")),
        confirmatory_only=bool(state.get("f_fixed")),
        order=Order(state.get("f_order") or Order.REPORT),
    )
    if state.get("f_asked") not in (None, query):
        state["f_page"] = 1  # another question: begin at its first page
    state["f_asked"] = query
    return replace(query, page=int(state.get("f_page") or 1))


def filters(found: Page) -> None:
    """What can be asked, with how many findings each choice would give."""
    with st.container(border=True):
        st.text_input(
            _("Search"),
            key="f_text",
            persist_state="session",
            max_chars=200,
            help=_("Words that all occur in the finding, its caveats or its id."),
        )
        first, second = st.columns(2)
        with first:
            choice(_("Language"), "language", found, texts.name_of)
            choice(_("Verdict"), "verdict", found, lambda one: _(VERDICT_WORDS[Verdict(one)]))
        with second:
            choice(_("What was asked"), "measure", found, plain.question)
            known = {one.id: one.name for one in accounts.communities(frame.db(), by=frame.me().id)}
            pick(_("For a community"), "community", known, lambda one: known[one])
        st.checkbox(_("Only those that need more reviews"), key="f_needs", persist_state="session")
        st.checkbox(_("Only contested ones"), key="f_contested", persist_state="session")
        st.checkbox(
            _("Only what was fixed before the run"),
            key="f_fixed",
            persist_state="session",
            help=_("Tests that were planned in advance; the others are leads to follow."),
        )
        st.selectbox(
            _("Order"), list(Order), key="f_order", persist_state="session", format_func=lambda one: _(ORDERS[one])
        )


def choice(label: str, name: str, found: Page, word: Callable[[str], str]) -> None:
    """A filter over one facet; the value chosen stays to choose even where the other filters leave none of it."""
    counts: Mapping[str, int] = found.facets[name]
    held = str(st.session_state.get(f"f_{name}") or "")
    options = dict.fromkeys([*counts, *([held] if held else [])])
    pick(label, name, options, lambda one: f"{word(one)} ({texts.number(counts.get(one, 0))})")


def pick(label: str, name: str, options: Mapping[str, object], word: Callable[[str], str]) -> None:
    """A list that also offers "all"."""
    st.selectbox(
        label,
        ["", *options],
        key=f"f_{name}",
        persist_state="session",
        format_func=lambda one: word(one) if one else _("All"),
        filter_mode="contains",
    )


def card(run: RunView, row: Row) -> None:
    """One finding: verdict, sentence, who judged it, and the way to it."""
    with st.container(border=True):
        marks = [verdict(row.verdict)]
        if row.contest:
            marks.append(badge(_("Contested")))
        if not row.confirmatory:
            marks.append(badge(_("Exploratory")))
        put(
            Markup("<p>{}</p>").format(Markup(" ").join(marks)),
            Markup('<p class="desk-text">{}</p>').format(of_finding(row.sentence)),
            Markup('<p class="desk-quiet">{} · {}</p>').format(plain.question(row.measure), judged(row.reviews)),
        )
        frame.link("finding", _("Open finding {id}", id=row.id[:8]), run=run.id, id=row.id)


def judged(people: int | None) -> Markup:
    """How many people judged a finding; one or two are not told apart, since they could be recognised."""
    if people is None:
        return said(_("judged by one or two people"))
    if not people:
        return said(_("judged by nobody yet"))
    return said(ngettext("judged by {n} person", "judged by {n} people", people))
