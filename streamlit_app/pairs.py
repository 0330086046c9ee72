"""A proposed pair on a page: its two sentences, what the linter says of it, and what a model makes of it, live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st
from markupsafe import Markup

from audit.errors import AuditError, DeskError, UsageError
from audit.reviews import jobs, proposals
from audit.reviews.library import Answer, Prompt
from audit.reviews.proposals import PairText, ProposalView
from audit.suites.files import NOTE, Problem
from audit.suites.pair_text import parse_slot
from audit.wording import restored
from streamlit_app import frame, texts
from streamlit_app.desk import desk
from streamlit_app.prompts import answer_words, marked
from streamlit_app.shown import bullets, english, facts, in_label, of_finding, paragraph, put, said, table, words
from streamlit_app.texts import N_, _, ngettext
from streamlit_app.waiting import POLL_S, progress

CHANGED = "changed"  # the words, while they were tried

# What each rule of the linter asks for. Its own message, in English, says where.
RULES = {
    "empty": N_("Something that is needed is not written yet."),
    "length": N_("A text is too long."),
    "line": N_("Write it on one line."),
    "language": N_("The language is not one that you have said you read."),
    "slot": N_("The sentence needs one place where two words are swapped: both in braces, with a bar between them."),
    "source": N_("Say what you know the stereotype from, and where people hold it."),
    "space": N_("There are spaces where none belong."),
    "nfc": N_("Some letters are written in an unusual way; type them again."),
    "invisible": N_("There are signs that nobody can see; type the text again."),
    "script": N_("The words are not in the script of the language."),
    "punctuation": N_("The sentence ends in a punctuation mark, so no word can follow it."),
    "same-answer": N_("The two answers are the same."),
    "nested": N_("One answer begins with the other, so they cannot be told apart."),
    "equal-sides": N_("The two words to be swapped are the same."),
    "one-difference": N_("The two sentences differ in more than one place."),
    "answer-in-prompt": N_("The answer stands in the sentence already."),
    "duplicate": N_("The same is asked twice."),
    "prompt-ends": N_("The sentence is finished; leave it open, so that the answer completes it."),
}


# --- the words -------------------------------------------------------------------------------


def put_pair(pair: PairText, effect: Mapping[str, Any] | None = None) -> None:
    """Both sentences with what the model goes on with, if that was tried; then gloss, axis, source and regions."""
    put(pair_words(pair, effect), about(pair))


def pair_words(pair: PairText, effect: Mapping[str, Any] | None = None) -> Markup:
    """The two sentences, the words that are swapped on a coloured ground; the text itself where it has no slot yet."""
    prompts = prompts_of(pair, effect)
    if not prompts:
        return Markup('<section class="desk-prompt"><p>{}</p></section>').format(
            words(pair.template, language=pair.language)
        )
    parts = [Markup("<p>{}</p>").format(marked(one, language=pair.language)) for one in prompts]
    if effect is None:
        parts.append(answer_words(prompts[0].answers, language=pair.language, shares=False))
    else:
        parts = [
            part + answer_words(one.answers, language=pair.language, shares=True)
            for part, one in zip(parts, prompts, strict=True)
        ]
    return Markup('<section class="desk-prompt">{}</section>').format(Markup("").join(parts))


def prompts_of(pair: PairText, effect: Mapping[str, Any] | None = None) -> tuple[Prompt, ...]:
    """The pair as prompts of an item are shown; () where it cannot be read yet."""
    try:
        slot = parse_slot(pair.template)
        answers = [proposals.answers_of(text) if text else () for text in (pair.answer_a, pair.answer_b)]
    except UsageError:
        return ()
    begin = len(slot.before)
    shares = [_shares(side["probabilities"]) for side in effect["sides"]] if effect else [(None, None)] * 2
    return tuple(
        Prompt(
            context="",
            text=text,
            slot=(begin, begin + len(filler)),
            answers=tuple(
                Answer(role=role, spellings=spellings, share=share)
                for role, spellings, share in zip("ab", answers, of_side, strict=True)
                if spellings
            ),
        )
        for text, filler, of_side in zip(slot.filled(), (slot.base, slot.counterpart), shares, strict=True)
    )


def _shares(probabilities: Sequence[float]) -> tuple[float, float] | tuple[None, None]:
    """Of the two answers alone, how often each; None where the model gives neither."""
    first, second = probabilities
    total = first + second
    return (first / total, second / total) if total > 0 else (None, None)


def about(pair: PairText) -> Markup:
    """What its author says beside the sentence."""
    rows: list[tuple[str | Markup, str | Markup]] = [(_("Language"), texts.name_of(pair.language))]
    if pair.topic:
        rows.append((_("About"), words(pair.topic)))
    if pair.gloss:
        rows.append((_("In English"), english(pair.gloss)))
    if pair.source:
        rows.append((_("Known from"), words(pair.source)))
    if pair.regions:
        rows.append((_("Where"), Markup(" · ").join(words(region) for region in pair.regions)))
    return facts(*rows)


# --- the linter ------------------------------------------------------------------------------


def put_problems(problems: Iterable[Problem]) -> None:
    """What is to be mended, what is worth a look, or that nothing is."""
    found = list(problems)
    missing = [one for one in found if one.rule == "empty"]
    hard = [one for one in found if one.severity != NOTE and one not in missing]
    soft = [one for one in found if one.severity == NOTE]
    if missing:
        put(paragraph(_("Still to be written: the sentence, both answers, and what it is about.")))
    if hard:
        put(paragraph(_("To be mended before others get it:")), bullets(*(_problem(one) for one in hard)))
    if soft:
        put(paragraph(_("Worth a look:")), bullets(*(_problem(one) for one in soft)))
    if not found:
        put(
            Markup('<p class="desk-text" role="status"><span aria-hidden="true">✓</span> {}</p>').format(
                _("Nothing is to be mended: other readers can be given it.")
            )
        )


def _problem(one: Problem) -> Markup:
    rule = RULES.get(one.rule)
    if rule is None:
        return english(one.message)
    return Markup('{} <span class="desk-label">{}</span>').format(_(rule), english(one.message))


# --- live ------------------------------------------------------------------------------------


def put_trial(view: ProposalView) -> None:
    """What the model made of the pair; a button that asks it, and how far it has come."""
    if view.effect is not None:
        put_effect(view.effect)
    if not desk().settings.model:
        return
    key = f"trial:{view.id}"
    if key not in st.session_state:
        label = _("Try it on the model") if view.effect is None else _("Try it again")
        if st.button(label, key=f"{key}:ask", icon=":material/science:"):
            ask(view, key)
        return
    watch(view.id, key)


def ask(view: ProposalView, key: str) -> None:
    """Ask the worker; the page then looks again every few seconds."""
    try:
        st.session_state[key] = jobs.try_proposal(frame.db(), view.id, by=frame.me().id)
    except (DeskError, UsageError) as error:
        st.error(in_label(str(error)))
        return
    st.rerun()


@st.fragment(run_every=POLL_S)
def watch(proposal: str, key: str) -> None:
    """Where the trial is; when it is done the whole page is shown anew, since it then knows more."""
    asked = st.session_state.get(key)
    if asked is None:
        return
    try:
        by = frame.me().id
        found = jobs.job(frame.db(), asked, by=by)
        if found.state in ("waiting", "running"):
            running = _("The model is trying it. This takes from seconds to a few minutes.")
            put(Markup('<p class="desk-text" role="status">{}</p>').format(progress(found, running=running)))
            return
        kept = proposals.proposal(frame.db(), proposal, by=by).effect is not None
    except AuditError as error:  # signed out meanwhile: this part runs by itself, outside of the frame
        st.warning(in_label(str(error)))
        return
    del st.session_state[key]
    st.session_state[f"{key}:ended"] = found.error or ("" if kept else CHANGED)
    st.rerun()


def put_ended(proposal: str) -> None:
    """Why the last trial left nothing, said once."""
    why = st.session_state.pop(f"trial:{proposal}:ended", "")
    if why == CHANGED:
        st.info(_("The words changed while they were tried. Try them again."))
    elif why:
        st.error(_("The model could not try this pair:"))
        put(english(why))


def put_effect(effect: Mapping[str, Any]) -> None:
    """The sentence, of a hundred times on both sides, the parts of the model that lead, and what to know before."""
    put(
        paragraph(_("What the model {model} does with it:"), model=effect["model"]),
        Markup('<p class="desk-lead">{}</p>').format(of_finding(restored(effect["sentence"]))),
        *(of_hundred(side, effect["answers"]) for side in effect["sides"]),
    )
    with st.expander(_("Before leaning on this")):
        put(bullets(*(of_finding(restored(one)) for one in effect["caveats"])))
    if effect["nodes"]:
        with st.expander(_("Which parts of the model carry it")):
            put(nodes_table(effect))


def of_hundred(side: Mapping[str, Any], answers: Sequence[str]) -> Markup:
    """After one sentence: of 100 times with one of the two answers, how many with each, as bars."""
    shares = _shares(side["probabilities"])
    if shares[0] is None:
        return paragraph(_("After “{text}” the model gives neither answer any chance."), text=side["text"])
    caption = said(_("After “{text}”, of 100 times that the model goes on with one of the two:"), text=side["text"])
    rows = Markup("").join(
        Markup(
            '<tr><th scope="row">{answer}</th><td class="desk-count">{shown}</td><td class="desk-barcell" '
            'aria-hidden="true"><span class="desk-bar desk-{kind}" style="inline-size:{count}%"></span></td></tr>'
        ).format(answer=words(answer), shown=_counted(share), count=round(100 * share), kind=kind)
        for answer, share, kind in zip(answers, shares, ("plain", "insufficient"), strict=True)
    )
    return Markup('<table class="desk-bars"><caption>{}</caption><tbody>{}</tbody></table>').format(caption, rows)


def _counted(share: float) -> str:
    """How many times of a hundred; what is rare is not said to be never."""
    if 0 < share < 0.005:
        return _("fewer than 1")
    return _("more than 99") if 0.995 < share < 1 else texts.number(round(100 * share))


def nodes_table(effect: Mapping[str, Any]) -> Markup:
    """The nodes that lead, each with how far it moves the odds and what share of the effect that is."""
    rows: list[tuple[str | Markup, ...]] = [
        (
            english(node["node"]),
            texts.number(node["effect"], decimals=3),
            _("too small to be shared out") if node["share"] is None else texts.percent(node["share"]),
        )
        for node in effect["nodes"]
    ]
    header = (_("Part (layer and head)"), _("Moves the odds by (nats)"), _("Share of the effect"))
    taken = ngettext(
        "Each part was taken from the other sentence, alone; the model has {n} such part.",
        "Each part was taken from the other sentence, alone; the model has {n} such parts.",
        effect["n_nodes"],
    )
    whole = _(
        "The swap of the words moves the odds by {effect} nats. Parts with the same sign carry that; the others work "
        "against it.",
        effect=texts.number(effect["effect"], decimals=3),
    )
    return table(_("Parts of the model that lead"), header, rows) + paragraph(taken, kind="quiet") + paragraph(whole)
