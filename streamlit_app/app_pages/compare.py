"""Two runs side by side: what each says of the same thing, and the differences where the worker tested them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st
from markupsafe import Markup

from audit.comparison import Difference, Outcome
from audit.comparison.files import Differences
from audit.errors import AuditError, DeskError
from audit.records import Estimate, Finding, Undefined
from audit.reviews import jobs, library
from audit.reviews.comparing import Compared, Comparison, Which, compare, differences_between
from audit.reviews.library import RunView
from streamlit_app import figures, frame, plain, texts
from streamlit_app.desk import desk
from streamlit_app.shown import code, english, in_label, of_finding, paragraph, put, said, table, verdict, words
from streamlit_app.texts import N_, _, ngettext
from streamlit_app.waiting import POLL_S, progress

WHICH = {
    Which.BOTH: N_("In both runs"),
    Which.FIRST: N_("In the first run only"),
    Which.SECOND: N_("In the second run only"),
}
MOST_DECIMALS = 6
OUTCOMES = {  # sign, class of colour, words; of what was not found the words say how large it could have been
    Outcome.HIGHER: ("↑", "moved", N_("Higher in the second run")),
    Outcome.LOWER: ("↓", "moved", N_("Lower in the second run")),
    Outcome.INDISTINGUISHABLE: ("≈", "unmoved", N_("Indistinguishable")),
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
    differences = differences_between(frame.db(), first.id, second.id, folder=desk().settings.folder, by=frame.me().id)
    if differences is None:
        put_untested(first, second)
    else:
        put_tested()
    query = asked((first.id, second.id), with_differences=differences is not None)
    found = compare(frame.db(), first.id, second.id, tested=differences, **query, by=frame.me().id)
    filters(found, with_differences=differences is not None)
    put_table(found, first, second, differences)
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


# --- testing the differences -------------------------------------------------------------------


def put_untested(first: RunView, second: RunView) -> None:
    """What two numbers do not show, and the button that asks for tests, or where these are."""
    put(
        Markup('<p class="desk-lead">{}</p>').format(
            said(
                _(
                    "Two numbers beside each other, even where their intervals do not meet, are no proof that the "
                    "models differ; where they meet, no proof that they do not."
                )
            )
        ),
        paragraph(
            _(
                "Both runs asked much the same items, so their errors go together. A test of the differences compares "
                "them item by item; for these two runs it has not been made."
            ),
            kind="quiet",
        ),
    )
    key = f"c_job:{first.id}:{second.id}"
    why = st.session_state.pop(f"{key}:ended", "")
    if why:
        st.error(_("The differences could not be tested:"))
        put(english(why))
    if key in st.session_state:
        watch(key)
    elif st.button(_("Test the differences"), type="primary"):
        ask(first, second, key)


def ask(first: RunView, second: RunView, key: str) -> None:
    """Ask the worker; the page then looks every few seconds how far it is."""
    try:
        job = jobs.ask(frame.db(), "compare", {"first": first.id, "second": second.id}, by=frame.me().id)
    except DeskError as error:
        st.error(in_label(str(error)))
        return
    st.session_state[key] = job
    st.rerun()


@st.fragment(run_every=POLL_S)
def watch(key: str) -> None:
    """Where the tests are; when they are done the whole page is shown anew, since it then has them."""
    job = st.session_state.get(key)
    if job is None:
        return
    try:
        found = jobs.job(frame.db(), job, by=frame.me().id)
    except AuditError as error:  # signed out meanwhile: this part runs by itself, outside of the frame
        st.warning(in_label(str(error)))
        return
    if found.state in ("waiting", "running"):
        running = _("The differences are being tested. This takes from seconds to a minute; you may go to other pages.")
        put(Markup('<p class="desk-text" role="status">{}</p>').format(progress(found, running=running)))
        return
    del st.session_state[key]
    st.session_state[f"{key}:ended"] = found.error
    st.rerun()


def put_tested() -> None:
    """How to read the differences."""
    put(
        Markup('<p class="desk-lead">{}</p>').format(
            said(
                _(
                    "Differences are tested item by item, on the items that both runs were asked in the same words. "
                    "Each is the second run minus the first."
                )
            )
        ),
        paragraph(
            _(
                "Indistinguishable does not mean equal: no difference was shown. That many things were tested together "
                "is corrected for. In reasons, A is the first run and B the second."
            ),
            kind="quiet",
        ),
    )


# --- the table ----------------------------------------------------------------------------------


def asked(runs: tuple[str, str], *, with_differences: bool) -> dict[str, Any]:
    """What the filters ask. Their state is kept by Streamlit under their keys, as long as the session."""
    state = st.session_state
    which = Which(state.get("c_which") or Which.BOTH)
    query: dict[str, Any] = {
        "which": which,
        "measure": str(state.get("c_measure") or ""),
        "language": str(state.get("c_language") or ""),
        "differing_only": bool(state.get("c_differing")) and which is Which.BOTH,
        "changed_only": bool(state.get("c_changed")) and which is Which.BOTH and with_differences,
    }
    if state.get("c_asked") not in (None, (runs, query)):
        state["c_page"] = 1  # another question: begin at its first page
    state["c_asked"] = (runs, query)
    return {**query, "page": int(state.get("c_page") or 1)}


def filters(found: Comparison, *, with_differences: bool) -> None:
    """Which findings, of which measure and language; of those in both, which differ."""
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
        if with_differences:
            st.checkbox(
                ngettext(
                    "Only the {n} that is higher or lower in the second run",
                    "Only the {n} that are higher or lower in the second run",
                    found.changed,
                ),
                key="c_changed",
                persist_state="session",
                disabled=st.session_state.get("c_which") not in (None, Which.BOTH),
                help=_("Where the test of the difference found one, after correcting for how many were made."),
            )


def put_table(found: Comparison, first: RunView, second: RunView, differences: Differences | None) -> None:
    """One page as a table of real rows."""
    put(paragraph(ngettext("{n} finding", "{n} findings", found.total)))
    if found.unseen:
        put(paragraph(_unseen(found.unseen), kind="quiet"))
    if not found.total:
        put(paragraph(_("Nothing fits these filters. Take one away.")))
        return
    refused = {one.what: one.reason for one in differences.not_comparable} if differences else {}
    header = (
        _("What it speaks of"),
        _("First run: {model}", model=first.model),
        _("Second run: {model}", model=second.model),
        *([_("Second run minus first")] if differences else []),
        _("Items that both rest on"),
    )
    rows: list[tuple[str | Markup, ...]] = [
        (
            _subject(one),
            _cell(one.first, run=first.id),
            _cell(one.second, run=second.id),
            *([_difference(one, refused)] if differences else []),
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


def _difference(row: Compared, refused: Mapping[str, str]) -> Markup:
    """What the test of a row's difference says, or why none could be made."""
    if row.first is None or row.second is None:
        return Markup("–")
    one = row.difference
    if one is None:
        reason = refused.get(row.first.measurement.measure)
        if reason is not None:
            return _unsaid(reason)
        return said(_("Cannot be said: the two runs have no numbers of this that could be set against each other."))
    if one.verdict is Outcome.NOT_INTERPRETABLE:  # an instrument fails; the last note says which, in which run
        return _unsaid(one.notes[-1])
    if isinstance(one.estimate, Undefined):
        return _unsaid(one.estimate.reason)
    lines = [
        _outcome(one.verdict),
        figures.with_interval(one.estimate, decimals=_decimals(one)),
        *_detectable(one),
        Markup("{}").format(plain.independent(one.estimate)),
    ]
    if not one.confirmatory:
        lines.append(
            Markup('<span class="desk-label">{}</span>').format(_("Exploratory: a lead to follow, not a result."))
        )
    return Markup("<br>").join(lines)


def _unsaid(reason: str) -> Markup:
    return said(_("Cannot be said: {reason}"), reason=of_finding(reason))


def _outcome(found: Outcome) -> Markup:
    sign, kind, named = OUTCOMES[found]
    return Markup('<span class="desk-verdict desk-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        kind, sign, _(named)
    )


def _detectable(one: Difference) -> list[Markup]:
    """Of a difference that was not shown: how large it would have had to be."""
    if one.verdict is not Outcome.INDISTINGUISHABLE or one.detectable in (None, 0):  # 0: nothing varied at all
        return []
    size = texts.number(one.detectable, decimals=_decimals(one))
    return [said(_("A difference of {size} would have been found in four of five such comparisons."), size=size)]


def _decimals(one: Difference) -> int:
    """As everywhere, or as many as it takes for what would have been found not to read as 0.00."""
    if one.detectable in (None, 0):
        return figures.DECIMALS
    return min(max(figures.DECIMALS, math.ceil(-math.log10(one.detectable))), MOST_DECIMALS)


def _unseen(n: int) -> str:
    return ngettext(
        "{n} difference that was found has no row here, since no finding of both runs speaks of it; the command "
        "plural-audit compare lists it.",
        "{n} differences that were found have no row here, since no findings of both runs speak of them; the command "
        "plural-audit compare lists them.",
        n,
    )


def _items(one: Compared) -> Markup | str:
    if one.first is None or one.second is None:
        return "–"
    if one.shared == one.items:
        return _("the same ones")
    return words(_("{shared} of {items}", shared=texts.number(one.shared), items=texts.number(one.items)))
