"""The report's terms in plain words, each with the sections that use it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from audit.wording import N_, _
from reports.blocks import Block, Column, Heading, Table, Text
from reports.by_measure import CHECKS
from reports.by_measure import MEASURES_TITLE as MEASURES
from reports.case import APPENDIX, Case
from reports.circuits import TITLE as INSIDE
from reports.features import TITLE as FEATURES
from reports.finding_pages import PAGES
from reports.people import TITLE as PEOPLE
from reports.words import in_series

TITLE = N_("Glossary")
METHODS, ITEMS, INDEX = N_("Methods in short"), N_("Provenance of the items"), N_("Index of evidence ids")
Need = Literal["", "circuits", "features", "people"]


@dataclass(frozen=True, kw_only=True)
class Term:
    """A word, what it means, where it is used, and which part a report must have for it to be used at all."""

    word: str
    meaning: str
    used: tuple[str, ...]
    need: Need = ""


# In the order in which a reader meets them: each meaning uses words that stand above it.
TERMS = (
    Term(
        word=N_("Prompt"),
        meaning=N_("The words that the model is asked to continue."),
        used=(PAGES, METHODS),
    ),
    Term(
        word=N_("Item"),
        meaning=N_("One question of a suite, the same in each language: its prompts and the answers that compete."),
        used=(PAGES, ITEMS),
    ),
    Term(
        word=N_("Suite"),
        meaning=N_("A set of items made to answer one question, with its authors and its licence."),
        used=(MEASURES, ITEMS),
    ),
    Term(
        word=N_("Template"),
        meaning=N_(
            "The frame that items share. Items of one frame, and translations of one item, move together; therefore "
            "templates are counted, not items."
        ),
        used=(METHODS, MEASURES),
    ),
    Term(
        word=N_("Finding"),
        meaning=N_("One number of this run with its interval, its verdict and one sentence that says what it means."),
        used=(PAGES, INDEX),
    ),
    Term(
        word=N_("Estimate"),
        meaning=N_("The number itself, computed from the items. Other items would have given a somewhat other number."),
        used=(PAGES, MEASURES),
    ),
    Term(
        word=N_("Interval"),
        meaning=N_(
            "The range of values that the items are compatible with. Of 100 such ranges at 95 % about 95 hold the true "
            "value."
        ),
        used=(PAGES, MEASURES),
    ),
    Term(
        word=N_("Null"),
        meaning=N_("The value that the estimate would have if there were no effect; mostly zero."),
        used=(PAGES, MEASURES),
    ),
    Term(
        word=N_("Margin"),
        meaning=N_("The smallest distance from the null that would matter. It was set before the run."),
        used=(PAGES, METHODS),
    ),
    Term(
        word=N_("Family"),
        meaning=N_("Findings that answer one question together, such as one for each language."),
        used=(PAGES, METHODS),
    ),
    Term(
        word=N_("Adjusted p"),
        meaning=N_(
            "How easily chance alone gives a number as far from the null as this one, with all tests of the family "
            "taken into account. Small means: not easily."
        ),
        used=(PAGES, MEASURES),
    ),
    Term(
        word=N_("Holm; Benjamini and Hochberg"),
        meaning=N_(
            "Two ways to take all tests of a family into account. After Holm, hardly any false alarm in the whole "
            "family; after Benjamini and Hochberg, few among the alarms that are raised."
        ),
        used=(METHODS, MEASURES),
    ),
    Term(
        word=N_("Confirmatory, exploratory"),
        meaning=N_(
            "Confirmatory findings were fixed before the run and count as results. Exploratory ones are leads for a "
            "next run."
        ),
        used=(PAGES, APPENDIX),
    ),
    Term(
        word=N_("Evidence"),
        meaning=N_("The verdict that an effect is there: larger than chance, noise and the number of tests explain."),
        used=(PAGES, METHODS),
    ),
    Term(
        word=N_("No evidence"),
        meaning=N_(
            "The verdict that nothing was found although an effect that matters would probably have been. It is no "
            "promise that nothing is there."
        ),
        used=(PAGES, METHODS),
    ),
    Term(
        word=N_("Insufficient evidence"),
        meaning=N_("The verdict that this run cannot say yes or no. It is neither good nor bad news."),
        used=(PAGES, METHODS),
    ),
    Term(
        word=N_("Not interpretable"),
        meaning=N_("The verdict that a number means nothing, because the model or the suite fails in the language."),
        used=(PAGES, CHECKS),
    ),
    Term(
        word=N_("Competence"),
        meaning=N_("Whether the model tells true from broken sentences of a language: the bar for all that follows."),
        used=(CHECKS,),
    ),
    Term(
        word=N_("Nat, bit"),
        meaning=N_(
            "Units of log-probabilities: 0.69 nats, or one bit, is where the odds between two answers double. Nats of "
            "different languages do not compare."
        ),
        used=(PAGES, MEASURES),
    ),
    Term(
        word=N_("Control pairs"),
        meaning=N_("Items of the same form without any social meaning. They show what mere wording does."),
        used=(CHECKS, METHODS),
    ),
    Term(
        word=N_("Standard error, spread"),
        meaning=N_("How far an estimate, or a single item, typically lies from its mean; used as a unit of size."),
        used=(PAGES, MEASURES),
    ),
    Term(
        word=N_("Noise floor"),
        meaning=N_("How much numbers move when only the computation changes. What is smaller counts as nothing."),
        used=(METHODS,),
    ),
    Term(
        word=N_("Lens"),
        meaning=N_("A way to look at one thing: by the model's answers, or by one of several readings inside it."),
        used=(MEASURES, FEATURES),
        need="features",
    ),
    Term(
        word=N_("Layer"),
        meaning=N_("One of the steps, one after the other, in which the model turns words into an answer."),
        used=(INSIDE,),
        need="circuits",
    ),
    Term(
        word=N_("Head, MLP"),
        meaning=N_("Parts of a layer. A head carries information from word to word; an MLP works on each word alone."),
        used=(INSIDE, PAGES),
        need="circuits",
    ),
    Term(
        word=N_("Circuit"),
        meaning=N_("The few heads and MLPs that together carry most of an effect. Without them the effect shrinks."),
        used=(INSIDE, PAGES),
        need="circuits",
    ),
    Term(
        word=N_("Patching"),
        meaning=N_("Replacing what a part of the model computes by what it computes elsewhere, to see what it causes."),
        used=(INSIDE,),
        need="circuits",
    ),
    Term(
        word=N_("SAE (sparse autoencoder)"),
        meaning=N_("A tool that splits the state of a layer into many single features, few of them active at a time."),
        used=(FEATURES,),
        need="features",
    ),
    Term(
        word=N_("Latent"),
        meaning=N_(
            "One feature of an SAE. What it was chosen for is statistics; what it means is for people to judge."
        ),
        used=(FEATURES, PAGES),
        need="features",
    ),
    Term(
        word=N_("Probe"),
        meaning=N_(
            "A simple reader fitted to a layer's state. That it can read something does not say that the model uses it."
        ),
        used=(FEATURES, INSIDE),
        need="features",
    ),
    Term(
        word=N_("Steering"),
        meaning=N_("Pushing a layer's state in one direction, to see whether answers follow."),
        used=(FEATURES,),
        need="features",
    ),
    Term(
        word=N_("Alpha"),
        meaning=N_("Krippendorff's measure of agreement between people: 1 is always, 0 is no more than chance."),
        used=(PEOPLE,),
        need="people",
    ),
    Term(
        word=N_("Contest"),
        meaning=N_("A formal objection of a community to a finding, which must be answered and decided."),
        used=(PEOPLE, PAGES),
        need="people",
    ),
    Term(
        word=N_("Evidence id"),
        meaning=N_(
            "A digest of what a finding rests on: model, suite, items and number. The same evidence gives the same id "
            "on any machine."
        ),
        used=(PAGES, INDEX),
    ),
)


def glossary(case: Case, *, without: Collection[str] = ()) -> tuple[Block, ...]:
    """The terms that this copy uses.

    Args:
        case: of the report.
        without: parts that this copy does not have.
    """
    has = {
        "": True,
        "circuits": len(case.evidence.nodes) > 0,
        "features": len(case.evidence.capacities) > 0 or len(case.evidence.latents) > 0,
        "people": case.judgements is not None,
    }
    gone = {INSIDE: "circuits", FEATURES: "features", APPENDIX: "appendix"}
    rows = []
    for term in TERMS:
        where = [_(place) for place in term.used if gone.get(place) not in without]
        if has[term.need] and where:
            rows.append((_(term.word), _(term.meaning), in_series(where)))
    columns = (
        Column(title=_("Term"), width=2),
        Column(title=_("In plain words"), width=5.4),
        Column(title=_("Used in"), width=2.6),
    )
    return (
        Heading(text=_(TITLE), level=1),
        Text(
            text=_(
                "Words that have a narrower meaning here than in talk, in the order in which they build on each other."
            )
        ),
        Table(columns=columns, rows=tuple(rows)),
    )
