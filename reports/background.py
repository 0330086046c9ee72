"""What a reader must know beside the numbers: how to read them, what they do not mean, how they were made."""

from __future__ import annotations

from audit.findings import FAMILY_LEVEL
from audit.measures.statistics import ALPHA
from audit.records import Kind, Verdict
from audit.wording import N_, _
from reports.blocks import Block, Bullets, Column, Facts, Heading, Table, Text
from reports.case import Case
from reports.words import figure, told_by_suite

VERDICT_MEANING = {
    Verdict.EVIDENCE: N_(
        "The effect is larger than chance, noise and the number of questions asked can explain. It says that the model "
        "does this on these items; it does not say how often people meet it."
    ),
    Verdict.NO_EVIDENCE: N_(
        "Nothing was found, although an effect that matters would have been found in four of five such audits. It is "
        "no promise about smaller effects or other wordings, and one audit in five would have missed it."
    ),
    Verdict.INSUFFICIENT: N_(
        "Too few independent items, or too much spread, to say yes or no. It is not good news and not bad news."
    ),
    Verdict.NOT_INTERPRETABLE: N_(
        "The model does not read this language, or the suite does not work on it, well enough for the number to mean "
        "anything. Finding no stereotype here would be no comfort."
    ),
}


def how_to_read() -> tuple[Block, ...]:
    """The four verdicts and the interval in plain words."""
    return (
        Heading(text=_("How to read this report"), level=1),
        Text(text=_("Each finding has one of four verdicts. Charts and tables show it by sign as well as by colour.")),
        Table(
            columns=(Column(title=_("Verdict"), width=3.2), Column(title=_("What it means"), width=6.8)),
            rows=tuple((verdict, _(VERDICT_MEANING[verdict])) for verdict in Verdict),
        ),
        Text(
            text=_(
                "An estimate is printed with its interval: the range of values that the items are compatible with. The "
                "count beside it is that of independent items. Translations of one item count once, because they move "
                "together. Missing is never zero: where no number could be computed the report says why."
            )
        ),
    )


def what_they_do_not_mean(case: Case) -> tuple[Block, ...]:
    """Limits of the run, and what each suite says it does not show."""
    manifest = case.evidence.manifest
    items = case.evidence.items
    machine = int(((items["author"] == "machine") & (items["reviewed"] == 0)).sum())
    limits = [
        _(
            "The numbers describe probabilities that the model gives to prepared answers. They do not show what a "
            "product built on the model says to people, nor how often."
        ),
        _("Sizes in nats are not compared between languages; only forms standardised within a language are."),
        _(
            "Many questions were asked at once. Adjusted p values answer for their family; across families some "
            "findings will still be chance."
        ),
    ]
    if machine:
        limits.append(
            _(
                "{machine} of {all} items were written by a machine and reviewed by no native speaker.",
                machine=machine,
                all=len(items),
            )
        )
    if manifest.model.quantisation:
        limits.append(
            _(
                "The weights are quantised ({quantisation}); the published weights may differ.",
                quantisation=manifest.model.quantisation,
            )
        )
    if any(suite.kind is Kind.CULTURE for suite in manifest.suites):
        limits.append(
            _(
                "Cultures are seen through a few lenses: knowledge of practices in the model's answers, and what can "
                "be read inside it about the same. Cultures are wider than their answers, and countries are not "
                "cultures."
            )
            if len(case.evidence.capacities)
            else _(
                "Cultures are seen through one lens only, knowledge of practices in the model's answers. Cultures are "
                "wider than their answers, and countries are not cultures."
            )
        )
    if manifest.noise_floor is None:
        limits.append(_("No noise floor was measured, so very small effects may come from batch size and padding."))
    shown = [(s.name, case.spelled_out(told_by_suite(s.not_shown))) for s in manifest.suites]
    blocks: list[Block] = [
        Heading(text=_("What the numbers do not mean"), level=1),
        Bullets(items=tuple(limits)),
        Heading(text=_("In the words of each suite: what a result does not show"), level=2),
        Facts(rows=tuple(shown)) if shown else Text(text=_("This run has no suites.")),
    ]
    return tuple(blocks)


def methods(case: Case) -> tuple[Block, ...]:
    """What is measured, how chance is corrected for, and what each verdict needs."""
    texts = [
        _(
            "For each prompt the model's probability of each prepared answer is read, summed over the answer's tokens "
            "and over spellings that are equally right. Nothing is sampled. An effect is a difference of "
            "log-probabilities between contexts that differ in one place, so that the base rates of words cancel."
        ),
        _(
            "Templates are the unit of independence: items that share a frame, and translations of one item, move "
            "together. Each estimate carries its interval, its count of independent items and its method, printed "
            "under its table."
        ),
        _(
            "Families of tests that were fixed before the run are corrected after Holm; exploratory tables after "
            "Benjamini and Hochberg. The level of a family is {level}: what it may raise in error, and the bound that "
            "an adjusted p must stay below for “evidence”. It is stricter than the customary {customary} because some "
            "intervals are approximate.",
            level=figure(FAMILY_LEVEL, 6),
            customary=figure(0.05, 6),
        ),
        _(
            "Evidence of a stereotype also needs the effects to go farther than those of control pairs without social "
            "meaning (two-sided Welch test, p below {level}).",
            level=figure(ALPHA, 6),
        ),
        _(
            "Findings about cultures that rest mostly on translated texts are “insufficient evidence” however small "
            "their p: translations cannot carry a claim about a culture."
        ),
        _(
            "“No evidence” is only said where an effect of the smallest size that would matter would have been found "
            "in four of five such audits, at the level left to one test of its family, and where the interval holds "
            "the value without effect and no effect that would matter. The tables give both sizes."
        ),
    ]
    floor = case.evidence.manifest.noise_floor
    if floor is not None:
        texts.append(
            _(
                "Noise floor: {floor} nats ({n} items; {method}). Effects below it count as none.",
                floor=figure(floor.value, 2),
                n=floor.n_items,
                method=_(floor.method),
            )
        )
    return (Heading(text=_("Methods in short"), level=1), *(Text(text=t) for t in texts))
