"""What a reader must know beside the numbers: how to read them, what they do not mean, how they were made."""

from __future__ import annotations

from audit.findings import FAMILY_LEVEL
from audit.measures.statistics import ALPHA
from audit.records import Kind, Verdict
from reports.blocks import Block, Bullets, Column, Facts, Heading, Table, Text
from reports.case import FOUND, Case

VERDICT_MEANING = {
    Verdict.EVIDENCE: "The effect is larger than chance, noise and the number of questions asked can explain. It says "
    "that the model does this on these items; it does not say how often people meet it.",
    Verdict.NO_EVIDENCE: f"Nothing was found, although an effect that matters {FOUND}. It is no promise about smaller "
    "effects or other wordings, and one audit in five would have missed it.",
    Verdict.INSUFFICIENT: "Too few independent items, or too much spread, to say yes or no. It is not good news and "
    "not bad news.",
    Verdict.NOT_INTERPRETABLE: "The model does not read this language, or the suite does not work on it, well enough "
    "for the number to mean anything. Finding no stereotype here would be no comfort.",
}


def how_to_read() -> tuple[Block, ...]:
    """The four verdicts and the interval in plain words."""
    return (
        Heading(text="How to read this report", level=1),
        Text(text="Each finding has one of four verdicts. Charts and tables show it by sign as well as by colour."),
        Table(
            columns=(Column(title="Verdict", width=3.2), Column(title="What it means", width=6.8)),
            rows=tuple((verdict, VERDICT_MEANING[verdict]) for verdict in Verdict),
        ),
        Text(
            text="An estimate is printed with its interval: the range of values that the items are compatible with. "
            "The count beside it is that of independent items. Translations of one item count once, because they move "
            "together. Missing is never zero: where no number could be computed the report says why."
        ),
    )


def what_they_do_not_mean(case: Case) -> tuple[Block, ...]:
    """Limits of the run, and what each suite says it does not show."""
    manifest = case.evidence.manifest
    items = case.evidence.items
    machine = int(((items["author"] == "machine") & (items["reviewed"] == 0)).sum())
    limits = [
        "The numbers describe probabilities that the model gives to prepared answers. They do not show what a product "
        "built on the model says to people, nor how often.",
        "Sizes in nats are not compared between languages; only forms standardised within a language are.",
        "Many questions were asked at once. Adjusted p values answer for their family; across families some findings "
        "will still be chance.",
    ]
    if machine:
        limits.append(f"{machine} of {len(items)} items were written by a machine and reviewed by no native speaker.")
    if manifest.model.quantisation:
        limits.append(f"The weights are quantised ({manifest.model.quantisation}); the published weights may differ.")
    if any(suite.kind is Kind.CULTURE for suite in manifest.suites):
        lenses = (
            "a few lenses: knowledge of practices in the model's answers, and what can be read inside it about the same"
            if len(case.evidence.capacities)
            else "one lens only, knowledge of practices in the model's answers"
        )
        limits.append(
            f"Cultures are seen through {lenses}. Cultures are wider than their answers, and countries are not "
            "cultures."
        )
    if manifest.noise_floor is None:
        limits.append("No noise floor was measured, so very small effects may come from batch size and padding.")
    shown = [(s.name, case.spelled_out(s.not_shown)) for s in manifest.suites]
    blocks: list[Block] = [
        Heading(text="What the numbers do not mean", level=1),
        Bullets(items=tuple(limits)),
        Heading(text="In the words of each suite: what a result does not show", level=2),
        Facts(rows=tuple(shown)) if shown else Text(text="This run has no suites."),
    ]
    return tuple(blocks)


def methods(case: Case) -> tuple[Block, ...]:
    """What is measured, how chance is corrected for, and what each verdict needs."""
    texts = [
        "For each prompt the model's probability of each prepared answer is read, summed over the answer's tokens and "
        "over spellings that are equally right. Nothing is sampled. An effect is a difference of log-probabilities "
        "between contexts that differ in one place, so that the base rates of words cancel.",
        "Templates are the unit of independence: items that share a frame, and translations of one item, move "
        "together. Each estimate carries its interval, its count of independent items and its method, printed under "
        "its table.",
        "Families of tests that were fixed before the run are corrected after Holm; exploratory tables after Benjamini "
        f"and Hochberg. The level of a family is {FAMILY_LEVEL:g}: what it may raise in error, and the bound that an "
        "adjusted p must stay below for “evidence”. It is stricter than the customary 0.05 because some intervals are "
        "approximate.",
        "Evidence of a stereotype also needs the effects to go farther than those of control pairs without social "
        f"meaning (two-sided Welch test, p below {ALPHA:g}).",
        "Findings about cultures that rest mostly on translated texts are “insufficient evidence” however small their "
        "p: translations cannot carry a claim about a culture.",
        f"“No evidence” is only said where an effect of the smallest size that would matter {FOUND}, at the level left "
        "to one test of its family, and where the interval holds the value without effect and no effect that would "
        "matter. The tables give both sizes.",
    ]
    floor = case.evidence.manifest.noise_floor
    if floor is not None:
        texts.append(
            f"Noise floor: {floor.value:.2g} nats ({floor.n_items} items; {floor.method}). "
            "Effects below it count as none."
        )
    return (Heading(text="Methods in short", level=1), *(Text(text=t) for t in texts))
