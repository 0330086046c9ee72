"""What the model was asked, as people read it: prompts in their script and direction, and what would follow them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from markupsafe import Markup, escape

from audit.reviews.library import Answer, FindingView, ItemView, Prompt
from streamlit_app import texts
from streamlit_app.shown import badge, code, paragraph, put, said, words
from streamlit_app.texts import N_, _, ngettext

FIRST_ITEMS = 3
MOST_PROMPTS = 4  # of an item
MOST_ANSWERS = 3  # of a prompt with many
CONTEXTS = {
    "base": N_("with the first group"),
    "counterpart": N_("with the second group"),
    "asked": N_("with the culture's name"),
    "neutral": N_("without a name"),
    "endorse": N_("statement that endorses"),
    "reject": N_("statement that rejects"),
    "true": N_("plainly true statement"),
    "false": N_("plainly false statement"),
    "ab": N_("options in one order"),
    "ba": N_("options in the other order"),
}
ORIGINS = {
    "native": N_("written in this language"),
    "adapted": N_("adapted from another language"),
    "translated": N_("translated"),
}


def put_items(view: FindingView) -> None:
    """The items behind a finding: a few at once, the others on demand, and how many are in the run's files only."""
    for item in view.items[:FIRST_ITEMS]:
        put(item_words(item))
    rest = view.items[FIRST_ITEMS:]
    if rest:
        with st.expander(ngettext("{n} more item", "{n} more items", len(rest))):
            for item in rest:
                put(item_words(item))
    if view.more:
        put(
            paragraph(
                ngettext("{n} more item is in the run's files.", "{n} more items are in the run's files.", view.more),
                kind="quiet",
            )
        )


def item_words(item: ItemView) -> Markup:
    """One item: its prompts, what the model made of them, the English item beside it, and where its words come from."""
    if item.withheld:
        return said(
            _("The licence of {item} forbids copying its words; the id finds it in its source."), item=code(item.id)
        )
    parts = [prompt_words(one, language=item.language) for one in item.prompts[:MOST_PROMPTS]]
    more = len(item.prompts) - MOST_PROMPTS
    if more > 0:
        parts.append(
            paragraph(ngettext("{n} more wording of this item", "{n} more wordings of this item", more), kind="quiet")
        )
    if item.gloss:
        parts.append(paragraph(_("The same item in English:"), kind="quiet"))
        parts += [prompt_words(one, language="en", shares=False) for one in item.gloss[: min(2, MOST_PROMPTS)]]
    return Markup('<section class="desk-prompt">{}{}</section>').format(Markup("").join(parts), provenance(item))


def prompt_words(prompt: Prompt, *, language: str, shares: bool = True) -> Markup:
    """One prompt with the words that differ marked, and its answers."""
    name = context_word(prompt.context)
    label = Markup('<span class="desk-label">{}</span> ').format(f"{name}:") if name else Markup("")
    text = Markup("<p>{}{}</p>").format(label, marked(prompt, language=language)) if prompt.text else Markup("")
    return text + answer_words(prompt.answers, language=language, shares=shares)


def marked(prompt: Prompt, *, language: str) -> Markup:
    """The prompt's text; what differs between the prompts of its item is marked."""
    if prompt.slot is None:
        return words(prompt.text, language=language)
    low, high = prompt.slot
    inner = Markup('{}<mark class="desk-slot">{}</mark>{}').format(
        prompt.text[:low], prompt.text[low:high], prompt.text[high:]
    )
    return Markup('<bdi dir="auto" lang="{}">{}</bdi>').format(language, inner)


def context_word(context: str) -> str:
    """Which prompt of its item it is, in words; "" where the item has but one."""
    known = [part for part in context.split("/") if part in CONTEXTS]
    return _(CONTEXTS[known[0]]) if known else ""


def answer_words(answers: Sequence[Answer], *, language: str, shares: bool) -> Markup:
    """What the model would go on with, as people count: of a hundred times."""

    def spelled(answer: Answer) -> Markup:
        text = " / ".join(one.strip() for one in answer.spellings)
        return Markup("«{}»").format(words(text, language=language))

    known = [answer for answer in answers if answer.share is not None]
    if not shares or len(known) < 2:
        listed = Markup(" · ").join(spelled(answer) for answer in answers[:MOST_ANSWERS])
        return Markup('<p class="desk-label">{}</p>').format(said(_("Answers: {answers}"), answers=listed))
    ranked = sorted(known, key=lambda answer: -(answer.share or 0))
    times = _times(ranked)
    if len(known) == 2:
        first, second = ranked
        n = _of(times, first)
        if n == times:  # rarer than the most times that we count
            hardly = _("It nearly always goes on with {first}, and hardly ever with {second}.")
            return Markup("<p>{}</p>").format(said(hardly, first=spelled(first), second=spelled(second)))
        return Markup("<p>{}</p>").format(
            said(
                _("Of {times} times that it goes on with one of the two, {n} with {first} and {m} with {second}."),
                times=escape(texts.number(times)),
                n=escape(texts.number(n)),
                first=spelled(first),
                m=escape(texts.number(times - n)),
                second=spelled(second),
            )
        )
    lines = [
        Markup("<li>{}</li>").format(
            said(_("{n} with {answer}"), n=escape(texts.number(_of(times, one))), answer=spelled(one))
        )
        for one in ranked[:MOST_ANSWERS]
    ]
    rest = len(known) - len(lines)
    head = _(
        "Of {times} times that it goes on with one of {n} answers, most often:",
        times=texts.number(times),
        n=texts.number(len(known)),
    )
    tail = ngettext("and {n} other answer", "and {n} other answers", rest) if rest > 0 else ""
    end = Markup("<li>{}</li>").format(tail) if tail else Markup("")
    return Markup('<p>{}</p><ul class="desk-list">{}{}</ul>').format(head, Markup("").join(lines), end)


def _times(ranked: Sequence[Answer]) -> int:
    """Of how many times to speak: a hundred, or so many that the rarest answer named does not seem impossible."""
    rarest = ranked[: max(2, MOST_ANSWERS)][-1].share or 0.0
    return next((times for times in (100, 1000, 10_000) if round(times * rarest) >= 1), 10_000)


def _of(times: int, answer: Answer) -> int:
    return round(times * (answer.share or 0.0))


def provenance(item: ItemView) -> Markup:
    """Where the words come from, and what is known against them."""
    facts = [_(ORIGINS[item.origin])] if item.origin in ORIGINS else []
    facts.append(_("by a person") if item.author == "person" else _("by a machine"))
    facts.append(ngettext("read by {n} reviewer", "read by {n} reviewers", item.reviewed))
    marks = [badge(_("Control"))] if item.control else []
    if item.quarantine:
        marks.append(badge(_("Held back from headlines")))
    line = Markup('<p class="desk-label">{} · {} {}</p>').format(
        code(item.id), " · ".join(facts), Markup(" ").join(marks)
    )
    if item.source:
        line += Markup('<p class="desk-label">{}</p>').format(said(_("Source: {source}"), source=item.source))
    return line
