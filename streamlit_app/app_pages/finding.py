"""One finding: what it says, on which prompts it rests, what was seen inside, what people say, how to contest it."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup, escape

from audit.errors import NotAllowedError, RunError
from audit.records import Finding, Undefined
from audit.reviews import contests, judging, library
from audit.reviews.library import FindingView
from audit.reviews.roles import Action
from audit.reviews.summary import OTHERS
from streamlit_app import frame, plain, texts
from streamlit_app.app_pages.findings import judged
from streamlit_app.inside import put_inside
from streamlit_app.pictures import estimate_chart
from streamlit_app.prompts import put_items
from streamlit_app.shown import (
    badge,
    block,
    bullets,
    code,
    english,
    of_finding,
    paragraph,
    put,
    said,
    table,
    verdict,
    words,
)
from streamlit_app.texts import N_, _

JUDGEMENTS = {
    "agree": N_("agrees"),
    "partly": N_("agrees in part"),
    "disagree": N_("disagrees"),
    "cannot say": N_("cannot say"),
}
SEVERITIES = (N_("no harm"), N_("little harm"), N_("some harm"), N_("much harm"), N_("severe harm"))
PREVALENCES = {
    "common": N_("common where they live"),
    "some": N_("some hold it where they live"),
    "rare": N_("rare where they live"),
    "absent": N_("absent where they live"),
    "cannot say": N_("cannot say whether it exists where they live"),
}
STATES = {
    contests.State.FILED: N_("filed, waiting to be admitted"),
    contests.State.REFUSED: N_("refused"),
    contests.State.ADMITTED: N_("admitted, waiting for an answer"),
    contests.State.ANSWERED: N_("answered, waiting for a decision"),
    contests.State.UNANSWERED: N_("not answered in time, waiting for a decision"),
    contests.State.UPHELD: N_("upheld"),
    contests.State.PARTLY: N_("upheld in part"),
    contests.State.REJECTED: N_("rejected"),
    contests.State.APPEALED: N_("appealed, waiting for the board"),
    contests.State.WITHDRAWN: N_("withdrawn"),
}
READ = "reviews_read"  # key of the session's state: findings whose reviews this person asked to see


def page() -> None:
    """The finding of ?run= and ?id=."""
    run, id_ = str(st.query_params.get("run", "")), str(st.query_params.get("id", ""))
    if not run or not id_:
        frame.title(_("Finding"))
        put(paragraph(_("Choose one from the list.")))
        frame.link("findings", _("All findings"))
        return
    view = library.finding(frame.db(), run, id_, by=frame.me().id)
    frame.title(plain.question(view.finding.measurement.measure))
    put_statement(view)
    put_numbers(view.finding)
    try:
        put_inside(frame.db(), run, view.finding, by=frame.me().id)
    except RunError as error:
        put(paragraph(_("What is inside the model cannot be shown:")), english(str(error)))
    put_prompts(view)
    put_contests(view)
    put_reviews(view)
    put(
        Markup('<p class="desk-quiet">{}</p>').format(said(_("Finding {id} of run {run}"), id=code(id_), run=code(run)))
    )


def put_statement(view: FindingView) -> None:
    """Verdict, the sentence, and the same in plain words of the interface."""
    finding = view.finding
    marks = [verdict(finding.verdict)]
    if view.contest:
        marks.append(badge(_("Contested: {state}", state=_(STATES[contests.State(view.contest)]))))
    put(
        Markup("<p>{}</p>").format(Markup(" ").join(marks)),
        Markup('<p class="desk-lead">{}</p>').format(of_finding(finding.sentence)),
        paragraph(about(view), kind="quiet"),
    )
    frame.section(_("In plain words"))
    put(
        paragraph(plain.looked_at(finding.measurement.measure)),
        paragraph(plain.may_be_said(finding.verdict)),
    )
    if finding.caveats:
        with st.expander(_("Before leaning on this")):
            put(bullets(*(of_finding(caveat) for caveat in finding.caveats)))


def about(view: FindingView) -> str:
    """Of what the finding speaks: languages, by their names."""
    scope = view.finding.measurement.scope
    named = [texts.name_of(one) for one in (scope.language, scope.other_language) if one]
    if len(named) == 2:
        return _("{language} against {other}", language=named[0], other=named[1])
    return _("Language: {language}", language=named[0]) if named else _("Over several languages")


def put_numbers(finding: Finding) -> None:
    """The number with its interval as a picture, and every figure with what it means."""
    frame.section(_("The numbers"))
    result = finding.measurement.result
    if isinstance(result, Undefined):
        put(paragraph(_("There is no number, because:")), of_finding(result.reason))
        return
    chart, alt = estimate_chart(finding)
    st.altair_chart(chart, alt=alt, theme=None)
    header = (_("Number"), _("Value"), _("What it means"))
    put(table(_("The numbers of this finding"), header, [tuple(row) for row in plain.figures(finding)]))


def put_prompts(view: FindingView) -> None:
    """What the model was asked."""
    frame.section(_("What the model was asked"))
    if not view.items:
        put(paragraph(_("The run holds no words for this finding.")))
        return
    put(paragraph(_("Words on a coloured ground are those that differ between the prompts of one item."), kind="quiet"))
    put_items(view)


# --- contests --------------------------------------------------------------------------------


def put_contests(view: FindingView) -> None:
    """Contests of this finding, and the way to file one."""
    frame.section(_("Is it wrong?"))
    known = contests.contests(frame.db(), run=view.run, finding=view.finding.id, by=frame.me().id)
    if known:
        put(bullets(*(_contest_line(one) for one in known)))
    else:
        put(paragraph(_("Nobody has contested this finding.")))
    if frame.me().may(Action.FILE_CONTEST):
        frame.link(
            "contests", _("Contest this finding"), icon=":material/gavel:", run=view.run, finding=view.finding.id
        )


def _contest_line(one: contests.ContestView) -> Markup:
    state = _(STATES[one.state])
    if one.due is None:
        return said(_("Contest of {name}: {state}."), name=one.filed_by, state=state)
    return said(
        _("Contest of {name}: {state}; next step by {day}."), name=one.filed_by, state=state, day=texts.day(one.due)
    )


# --- reviews ---------------------------------------------------------------------------------


def put_reviews(view: FindingView) -> None:
    """One's own judgement, then others': after one's own, or when somebody who never judges asks for them."""
    frame.section(_("What people say"))
    me = frame.me()
    put(Markup('<p class="desk-text">{}</p>').format(judged(view.reviews)))
    own = judging.own_reviews(frame.db(), view.run, view.finding.id, by=me.id)
    if own:
        put(
            paragraph(
                _("Your judgement: {words}"), words=_spoken(own[-1].judgement.judgement, own[-1].judgement.severity)
            )
        )
        frame.link("queue", _("Change my judgement"), run=view.run, finding=view.finding.id)
    elif view.reviews == 0 or (not me.communities() and not _asked_to_read(view)):
        return
    try:
        found = judging.reviews_of(frame.db(), view.run, view.finding.id, by=me.id)
    except NotAllowedError:
        put(paragraph(_("What others said is shown after your own judgement, so that nobody is led by it.")))
        frame.link("queue", _("Go to my reviews"), icon=":material/rate_review:")
        return
    if not found:
        put(paragraph(_("Fewer than three people have judged it. To protect them, nothing of it is shown yet.")))
        return
    put(by_community(found), Markup("").join(_voice(one) for one in found if one.voice.comment or one.hidden))


def _asked_to_read(view: FindingView) -> bool:
    """Whether somebody without a community asked to see the reviews: it is written down that they have."""
    asked = st.session_state.setdefault(READ, set())
    key = (view.run, view.finding.id)
    if key not in asked:
        put(
            paragraph(
                _("Reading what people said is written down: whoever has read it cannot judge this finding later.")
            )
        )
        if st.button(_("Show what people said")):
            asked.add(key)
    return key in asked


def by_community(found: tuple[judging.ReviewView, ...]) -> Markup:
    """How many of each community said what, side by side; never one label for all."""
    names = list(dict.fromkeys(one.community for one in found))
    rows: list[tuple[str | Markup, ...]] = []
    for name in names:
        said_so = [one.voice.judgement for one in found if one.community == name]
        rows.append((group_name(name), *(texts.number(said_so.count(one)) for one in JUDGEMENTS)))
    header = (_("Community"), *(_(word) for word in JUDGEMENTS.values()))
    return table(_("Judgements by community"), header, rows)


def group_name(name: str) -> Markup | str:
    """A community's own name, or ours for small ones that are shown together."""
    return _("other communities") if name == OTHERS else words(name)


def _voice(one: judging.ReviewView) -> Markup:
    voice = one.voice
    who = said(_("Person {number} of {community}"), number=voice.person, community=group_name(one.community))
    mine = Markup(" ") + badge(_("You")) if one.own else Markup("")
    changed = (
        said(_("First said: {judgement}"), judgement=_(JUDGEMENTS[voice.blind]))
        if voice.revised and voice.blind != voice.judgement
        else Markup("")
    )
    words_ = (
        Markup('<p class="desk-quiet">{}</p>').format(_("The comment was hidden by a moderator."))
        if one.hidden
        else block(voice.comment, language=voice.comment_language)
    )
    where = _(PREVALENCES[voice.prevalence]) if voice.prevalence in PREVALENCES else ""
    region = said(_("lives in {region}"), region=voice.region) if voice.region else Markup("")
    line = Markup(" · ").join(
        part for part in (_spoken(voice.judgement, voice.severity), escape(where), region, changed) if part
    )
    return Markup('<section class="desk-prompt"><p class="desk-label">{}{} · {}</p>{}</section>').format(
        who, mine, line, words_
    )


def _spoken(judgement: str, severity: int | None) -> Markup:
    """A judgement in words."""
    parts = [_(JUDGEMENTS[judgement])]
    if severity is not None:
        parts.append(_(SEVERITIES[severity]))
    return Markup(" · ").join(Markup("{}").format(part) for part in parts)
