"""The run at a glance: what was found, where people are needed, what is contested."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from audit.records import Verdict
from audit.reviews import accounts, library
from audit.reviews.library import Query, RunView
from audit.reviews.roles import Action
from streamlit_app import frame, texts
from streamlit_app.shown import VERDICT_CLASSES, VERDICT_WORDS, badge, bars, bullets, of_finding, paragraph, put, table
from streamlit_app.texts import _, ngettext

MOST_CONTESTS = 10


def page() -> None:
    """The newest run, or the one chosen."""
    frame.title(_("Overview"))
    run = frame.choose_run()
    if run is None:
        return
    about(run)
    verdicts(run)
    needed(run)
    contested(run)


def about(run: RunView) -> None:
    """Which model, which languages, since when."""
    languages = texts.listed([texts.name_of(code) for code in run.languages])
    put(
        paragraph(
            _("This audit looked at the model {model} in these languages: {languages}."),
            kind="lead",
            model=run.model,
            languages=languages,
        ),
        paragraph(
            ngettext("It has {n} finding.", "It has {n} findings.", run.findings)
            + " "
            + _("It came to the desk on {day}.", day=texts.day(run.imported_at)),
        ),
        paragraph(
            _(
                "A finding speaks of how this model predicts text on these items. It is not a statement about people, "
                "and not every finding matters: that is for the people concerned to judge."
            ),
            kind="quiet",
        ),
    )
    if frame.me().may(Action.REVIEW):
        frame.link("queue", _("Go to my reviews"), icon=":material/rate_review:")
    frame.link("findings", _("Look at all findings"), icon=":material/search:", run=run.id)


def verdicts(run: RunView) -> None:
    """How many findings have each verdict."""
    frame.section(_("What was found"))
    counts = library.find(frame.db(), Query(run=run.id, per_page=1), by=frame.me().id).facets["verdict"]
    rows: list[tuple[str | Markup, int, str]] = [
        (_(VERDICT_WORDS[one]), counts.get(str(one), 0), VERDICT_CLASSES[one]) for one in Verdict
    ]
    put(bars(_("Findings by verdict"), rows))
    with st.expander(_("What the verdicts mean")):
        from streamlit_app.plain import may_be_said

        for one in Verdict:
            put(paragraph(f"{_(VERDICT_WORDS[one])}: {may_be_said(one)}"))


def needed(run: RunView) -> None:
    """Where judgements are missing: languages by communities."""
    frame.section(_("Where reviews are needed"))
    who = accounts.communities(frame.db(), by=frame.me().id)
    if not who:
        put(paragraph(_("There is no community here yet. An administrator adds one on the page Administration.")))
        return
    missing = {one.id: _missing(run, one.id) for one in who}
    header = (_("Language"), *(one.name for one in who))
    rows: list[tuple[str | Markup, ...]] = [
        (texts.name_of(code), *(_cell(code, one.languages, missing[one.id]) for one in who)) for code in run.languages
    ]
    put(
        table(_("Findings that too few people have judged"), header, rows),
        paragraph(_("A dash: the community does not review in this language."), kind="quiet"),
    )


def _missing(run: RunView, community: str) -> dict[str, int]:
    query = Query(run=run.id, community=community, needs_review=True, per_page=1)
    return dict(library.find(frame.db(), query, by=frame.me().id).facets["language"])


def _cell(language: str, reviews_in: tuple[str, ...], missing: dict[str, int]) -> str:
    return texts.number(missing.get(language, 0)) if language in reviews_in else "–"


def contested(run: RunView) -> None:
    """Findings under an open contest."""
    frame.section(_("Contested findings"))
    query = Query(run=run.id, contested=True, per_page=MOST_CONTESTS)
    found = library.find(frame.db(), query, by=frame.me().id)
    if not found.total:
        put(paragraph(_("No finding of this run is contested now.")))
        return
    put(paragraph(ngettext("{n} finding is contested now.", "{n} findings are contested now.", found.total)))
    put(bullets(*(badge(_("Contested")) + Markup(" ") + of_finding(row.sentence) for row in found.rows)))
    frame.link("contests", _("Go to the contests"), icon=":material/gavel:")
