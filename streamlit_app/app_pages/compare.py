"""Two runs side by side: what each says of the same thing. The difference itself is not tested, and that is said."""

from __future__ import annotations

from typing import Any

import streamlit as st
from markupsafe import Markup

from audit.records import Estimate, Finding
from audit.reviews import library
from audit.reviews.comparing import Compared, Comparison, Which, compare
from audit.reviews.library import RunView
from streamlit_app import figures, frame, plain, texts
from streamlit_app.shown import code, english, paragraph, put, said, table, verdict, words
from streamlit_app.texts import N_, _, ngettext

WHICH = {
    Which.BOTH: N_("In both runs"),
    Which.FIRST: N_("In the first run only"),
    Which.SECOND: N_("In the second run only"),
}


def page() -> None:
    """Two runs, filters, one page of the table."""
    frame.title(_("Compare runs"))
    known = library.runs(frame.db(), by=frame.me().id)
    if len(known) < 2:
        st.info(
            _("Two runs are needed to compare; this desk has fewer. An auditor brings them on the page Administration.")
        )
        return
    first, second = choose(known)
    if first.id == second.id:
        st.warning(_("This is the same run twice. Choose another one."))
        return
    put(
        Markup('<p class="desk-lead">{}</p>').format(
            said(
                _(
                    "The difference between two runs is not tested here. Two numbers beside each other, even where "
                    "their intervals do not meet, are no proof that the models differ; where they meet, no proof that "
                    "they do not."
                )
            )
        ),
        paragraph(
            _(
                "Both runs asked much the same items, so their errors go together. A test of the difference would "
                "compare them item by item; this desk does not make it."
            ),
            kind="quiet",
        ),
    )
    found = compare(frame.db(), first.id, second.id, **asked((first.id, second.id)), by=frame.me().id)
    filters(found)
    put_table(found, first, second)
    if found.pages > 1:
        st.pagination(found.pages, key="c_page", persist_state="session")


def choose(known: tuple[RunView, ...]) -> tuple[RunView, RunView]:
    """The two runs: of ?first= and ?second=, else the two that came last, the older one first."""
    by_id = {one.id: one for one in known}
    ids = list(by_id)
    wanted = {"first": ids[1], "second": ids[0]}
    picked = {}
    for column, name, label in zip(st.columns(2), wanted, (_("First run"), _("Second run")), strict=True):
        asked_for = str(st.query_params.get(name, ""))
        start = asked_for if asked_for in by_id else wanted[name]
        picked[name] = column.selectbox(
            label, ids, index=ids.index(start), format_func=lambda one: f"{by_id[one].model} · {one}", key=f"c_{name}"
        )
    return by_id[picked["first"]], by_id[picked["second"]]


def asked(runs: tuple[str, str]) -> dict[str, Any]:
    """What the filters ask. Their state is kept by Streamlit under their keys, as long as the session."""
    state = st.session_state
    query: dict[str, Any] = {
        "which": Which(state.get("c_which") or Which.BOTH),
        "measure": str(state.get("c_measure") or ""),
        "language": str(state.get("c_language") or ""),
        "differing_only": bool(state.get("c_differing")),
    }
    if state.get("c_asked") not in (None, (runs, query)):
        state["c_page"] = 1  # another question: begin at its first page
    state["c_asked"] = (runs, query)
    return {**query, "page": int(state.get("c_page") or 1)}


def filters(found: Comparison) -> None:
    """Which findings, of which measure and language."""
    with st.container(border=True):
        st.radio(
            _("Which findings"),
            list(Which),
            format_func=lambda one: f"{_(WHICH[one])} ({texts.number(found.counts[one])})",
            horizontal=True,
            key="c_which",
            persist_state="session",
            help=_("Findings are the same where measure, language and all else that they speak of are the same."),
        )
        left, right = st.columns(2)
        left.selectbox(
            _("What was asked"),
            ["", *found.measures],
            format_func=lambda one: plain.question(one) if one else _("All"),
            key="c_measure",
            persist_state="session",
        )
        right.selectbox(
            _("Language"),
            ["", *found.languages],
            format_func=lambda one: texts.name_of(one) if one else _("All"),
            key="c_language",
            persist_state="session",
        )
        st.checkbox(
            ngettext("Only the {n} whose verdicts differ", "Only the {n} whose verdicts differ", found.differing),
            key="c_differing",
            persist_state="session",
            disabled=st.session_state.get("c_which") not in (None, Which.BOTH),
            help=_("A verdict may differ because a number moved across a border by very little."),
        )


def put_table(found: Comparison, first: RunView, second: RunView) -> None:
    """One page as a table of real rows."""
    put(paragraph(ngettext("{n} finding", "{n} findings", found.total)))
    if not found.total:
        put(paragraph(_("Nothing fits these filters. Take one away.")))
        return
    header = (
        _("What it speaks of"),
        _("First run: {model}", model=first.model),
        _("Second run: {model}", model=second.model),
        _("Items that both rest on"),
    )
    rows: list[tuple[str | Markup, ...]] = [
        (
            _subject(one),
            _cell(one.first, run=first.id),
            _cell(one.second, run=second.id),
            _items(one),
        )
        for one in found.rows
    ]
    put(
        table(_("Two runs side by side"), header, rows),
        paragraph(
            _(
                "In each cell: the verdict, the number with its 95 % interval, and on how many independent "
                "items it rests. Where the two rest on different items, a difference may come from these alone."
            ),
            kind="quiet",
        ),
    )


def _subject(one: Compared) -> Markup:
    """Measure and scope in words of the interface; the suite's own labels are its own."""
    finding = one.first or one.second
    assert finding is not None, "a row comes from one run or both"
    scope = finding.measurement.scope
    languages = [texts.name_of(code_) for code_ in (scope.language, scope.other_language) if code_]
    parts: list[Markup] = (
        [Markup("{}").format(" – ".join(languages))] if languages else [said(_("over several languages"))]
    )
    named = (scope.topic, scope.culture, scope.framework, scope.other_framework, scope.lens)
    parts += [english(value.replace("-", " ")) for value in named if value]
    if scope.suite:
        parts.append(said(_("suite {name}"), name=scope.suite))
    units = dict.fromkeys(
        _(plain.UNITS.get(result.unit, result.unit))
        for result in (each.measurement.result for each in (one.first, one.second) if each is not None)
        if isinstance(result, Estimate)
    )
    unit = Markup("").join(Markup('<br><span class="desk-label">{}</span>').format(text) for text in units)
    named_by = plain.question(finding.measurement.measure)
    return Markup("<strong>{}</strong><br>{}{}").format(named_by, Markup(" · ").join(parts), unit)


def _cell(finding: Finding | None, *, run: str) -> Markup:
    if finding is None:
        return Markup("{}").format(_("not in this run"))
    result = finding.measurement.result
    lines = [verdict(finding.verdict), figures.with_interval(result)]
    if isinstance(result, Estimate):
        lines.append(Markup("{}").format(plain.independent(result)))
    link = Markup('<a href="/finding?run={}&amp;id={}" target="_self" style="color:inherit">{}</a>').format(
        run, finding.id, said(_("Finding {id}"), id=code(finding.id[:8]))
    )
    return Markup("<br>").join([*lines, link])


def _items(one: Compared) -> Markup | str:
    if one.first is None or one.second is None:
        return "–"
    if one.shared == one.items:
        return _("the same ones")
    return words(_("{shared} of {items}", shared=texts.number(one.shared), items=texts.number(one.items)))
