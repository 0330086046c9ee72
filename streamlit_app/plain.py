"""What a finding rests on and what may be said of it, in plain sentences of the interface's language.

A finding's own sentence is made in one place, in English (audit.findings). These stand beside it: what was looked at,
one entry a measure; what its verdict allows one to say; and what each number means.
"""

from __future__ import annotations

from audit.records import Estimate, Finding, Undefined, Verdict
from streamlit_app.texts import N_, _, ngettext, number, percent

LOOKED_AT = {
    "competence": N_(
        "Pairs of sentences, one true and one broken. We counted how often the model finds the true one likelier. A "
        "model that cannot do this does not read the language, and its other results there say nothing."
    ),
    "bits_per_byte": N_(
        "Plain text, the same lines in every language. We measured how well the model predicts what comes next; fewer "
        "bits are better."
    ),
    "stereotype_effect": N_(
        "Sentences in which only the group is swapped. We measured how far the swap moves the model from one answer "
        "to the other, in the direction that a stereotype names."
    ),
    "control_effect": N_(
        "Sentences of the same form in which the swapped words have no social meaning. If answers move here as well, "
        "the form of the sentences makes part of any effect."
    ),
    "standardised_effect": N_(
        "Sentences in which only the group is swapped, over all languages that the model reads. Effects are counted "
        "in steps of what swaps without social meaning do, so that languages can be put together."
    ),
    "causal_shared_token_score": N_(
        "Pairs of sentences from a published set that differ in the group they name. We measured whether the ending "
        "that both share is likelier after the first group."
    ),
    "culture_knowledge": N_(
        "Questions about practices of a culture: food, greetings, festivals. We measured how much naming the culture "
        "helps the model to find its answer among those of other cultures."
    ),
    "knowledge_gap": N_(
        "Questions about practices of cultures. We measured how much better or worse the model knows this culture's "
        "practices than those of the others."
    ),
    "knowledge_diversity": N_(
        "Questions about practices of cultures. We measured over how many cultures the model's knowledge is spread: "
        "the number of equally well known cultures that would be as diverse."
    ),
    "content_tracking": N_(
        "Statements that are plainly true or plainly false. If the model does not agree more with the true ones, its "
        "agreement with other statements says nothing about their content."
    ),
    "values_lean": N_(
        "Statements that an ethical framework endorses or rejects. We measured whether the model agrees more with the "
        "statements of this framework than with those of the others."
    ),
    "paraphrase_agreement": N_(
        "Each dilemma in two wordings. If the two get different answers, the answers hang on the wording and say "
        "nothing about the dilemma."
    ),
    "dilemma_lean": N_(
        "Dilemmas in which two ethical frameworks want different things. We measured how often, and how strongly, the "
        "model leans toward the option of this framework."
    ),
    "language_dependent_judgement": N_(
        "The same dilemmas in several languages. We measured how much of the model's choice depends on the language "
        "in which it is asked."
    ),
    "language_shift": N_(
        "The same dilemmas in two languages, the right of one person against the good of the group. We measured "
        "whether the model prefers the right of the person more in one language than in the other."
    ),
    "circuit_share": N_(
        "The parts inside the model that carry a swap of groups, chosen on some sentences. On other sentences we took "
        "them out and measured how much of the effect is lost."
    ),
    "circuit_sufficiency": N_(
        "The parts inside the model that carry a swap of groups, chosen on some sentences. On other sentences we gave "
        "them alone what they had for the first group and measured how much of the effect comes back."
    ),
    "circuit_strength": N_(
        "The parts inside the model that carry a swap of groups. We measured how strongly they move the answers, and "
        "whether in the direction that a stereotype names."
    ),
    "circuit_controls": N_(
        "The same parts of the model on swaps without social meaning. If they carry these as well, they are not "
        "special to groups of people."
    ),
    "circuit_transfer": N_(
        "Parts of the model that were chosen in one language. We measured how much of the effect they carry in "
        "another language."
    ),
    "circuit_overlap": N_("Which parts of the model matter in two languages. We measured how far the two lists agree."),
    "screening_error": N_(
        "Parts of the model are first estimated, then some are tested one by one. We measured how far the estimate "
        "agrees with the test."
    ),
    "representation_capacity": N_(
        "What the model holds inside while it reads texts about cultures. We measured how well the culture can be "
        "told from it."
    ),
    "representation_gap": N_(
        "What the model holds inside while it reads texts about cultures. We measured how much better or worse this "
        "culture can be told from it than the others."
    ),
    "pathway_capacity": N_(
        "The parts inside the model that carry a swap of a culture's name. We measured how far they move the answers."
    ),
    "pathway_gap": N_(
        "The parts inside the model that carry a swap of a culture's name. We measured whether they do more or less "
        "for this culture than for the others."
    ),
    "representation_diversity": N_(
        "What the model holds inside while it reads texts about cultures. We measured over how many cultures that is "
        "spread."
    ),
    "underrepresentation": N_(
        "Several ways to look at how a culture is represented: in answers, and inside the model. We asked whether the "
        "culture is below the others in two of them at least."
    ),
    "context_activation": N_(
        "Features inside the model that were chosen for a culture. We measured whether they are more active on its own "
        "practices than on other texts."
    ),
    "framework_capacity": N_(
        "What the model holds inside while it reads statements of a framework. We measured how well agreement with "
        "the framework can be told from rejection."
    ),
    "framework_difference": N_(
        "What the model holds inside while it reads statements of two frameworks. We measured whether agreement can "
        "be told from rejection better for one than for the other."
    ),
    "steering_capacity": N_(
        "We pushed the model's inner state in the direction of a framework and measured whether its choices in "
        "dilemmas follow."
    ),
    "steering_difference": N_(
        "We pushed the model's inner state in the directions of two frameworks and measured whether its choices in "
        "dilemmas follow one further than the other."
    ),
    "framework_balance": N_(
        "How clearly each ethical framework is represented inside the model. We measured how evenly that is spread "
        "over them."
    ),
    "framework_conflict": N_(
        "Dilemmas between two frameworks. We counted in how many the inner features of both are highly active together."
    ),
    "latent_effect": N_(
        "Features inside the model that were chosen for a culture or a framework. We switched them off and measured "
        "how far the answers move, beyond what random features do."
    ),
}
MAY_BE_SAID = {
    Verdict.EVIDENCE: N_(
        "The effect is larger than chance explains, after correcting for how many things were tested. It speaks of "
        "this model, these items and these languages; it is not a statement about people."
    ),
    Verdict.NO_EVIDENCE: N_(
        "No effect was found, and the test was sharp enough to have found one that matters. A smaller effect is still "
        "possible."
    ),
    Verdict.INSUFFICIENT: N_(
        "The test cannot tell: there may be an effect or none. This is not good news and not bad news; more items "
        "would be needed."
    ),
    Verdict.NOT_INTERPRETABLE: N_(
        "Something that the test needs is missing, so the number must not be read at all. That nothing was found here "
        "is not good news."
    ),
}
QUESTIONS = {
    "competence": N_("Does the model read the language?"),
    "bits_per_byte": N_("How well does it predict plain text?"),
    "stereotype_effect": N_("Stereotypes in answers"),
    "control_effect": N_("Swaps without social meaning"),
    "standardised_effect": N_("Stereotypes in answers, over languages"),
    "causal_shared_token_score": N_("Imported sentence pairs"),
    "culture_knowledge": N_("Knowledge of cultural practices"),
    "knowledge_gap": N_("Knowledge of one culture against others"),
    "knowledge_diversity": N_("Spread of knowledge over cultures"),
    "content_tracking": N_("Does agreement follow the content?"),
    "values_lean": N_("Agreement with ethical frameworks"),
    "paraphrase_agreement": N_("Do two wordings get one answer?"),
    "dilemma_lean": N_("Choices in dilemmas"),
    "language_dependent_judgement": N_("Do choices depend on the language?"),
    "language_shift": N_("Individual rights in two languages"),
    "circuit_share": N_("Effect lost without the circuit"),
    "circuit_sufficiency": N_("Effect that the circuit alone brings back"),
    "circuit_strength": N_("Strength of the circuit"),
    "circuit_controls": N_("The circuit on swaps without social meaning"),
    "circuit_transfer": N_("A circuit in another language"),
    "circuit_overlap": N_("Circuits of two languages compared"),
    "screening_error": N_("Check of the estimate of parts"),
    "representation_capacity": N_("What can be read about cultures inside"),
    "representation_gap": N_("What can be read about one culture inside"),
    "pathway_capacity": N_("Circuit of a culture's name"),
    "pathway_gap": N_("Circuit of one culture's name against others"),
    "representation_diversity": N_("Spread of representation over cultures"),
    "underrepresentation": N_("Cultures represented less in several ways"),
    "context_activation": N_("Features of a culture on its own practices"),
    "framework_capacity": N_("What can be read about frameworks inside"),
    "framework_difference": N_("Two frameworks compared inside"),
    "steering_capacity": N_("Steering toward a framework"),
    "steering_difference": N_("Steering compared between frameworks"),
    "framework_balance": N_("Balance of frameworks inside"),
    "framework_conflict": N_("Frameworks active together in dilemmas"),
    "latent_effect": N_("What chosen features do to answers"),
}
UNITS = {
    "share": N_("shares: 1 is all, 0 is none"),
    "nats": N_("nats: at 0.69 the odds between two answers double, at −0.69 they halve"),
    "bits": N_("bits: each one more doubles how well something is told"),
    "bits per byte": N_("bits per byte of text: 8 would be blind guessing"),
    "control spreads": N_("steps of what swaps without social meaning do by themselves"),
    "neutral spreads": N_("steps of what neutral statements do by themselves"),
    "typical margins": N_("steps of the model's usual lean in dilemmas"),
    "random spreads": N_("steps of what random directions do by themselves"),
    "fact spreads": N_("steps of what single facts differ by"),
    "effective cultures": N_("cultures: how many equally strong ones would be as diverse"),
    "share of variance": N_("share of the differences, 0 to 1"),
    "share of evenness": N_("evenness: 1 is perfectly even"),
    "share of dilemmas": N_("share of the dilemmas, 0 to 1"),
    "probability": N_("difference of probabilities, −1 to 1"),
    "correlation": N_("correlation: 1 agrees fully, 0 not at all, −1 contradicts"),
    "AUROC": N_("chance that the right text ranks higher: 0.5 is guessing, 1 always"),
}


def looked_at(measure: str) -> str:
    """What was looked at, in one or two sentences."""
    return _(LOOKED_AT[measure])


def question(measure: str) -> str:
    """A short name of the measure, for lists and filters."""
    return _(QUESTIONS[measure])


def may_be_said(verdict: Verdict) -> str:
    """What the verdict allows one to say."""
    return _(MAY_BE_SAID[verdict])


def figures(finding: Finding) -> list[tuple[str, str, str]]:
    """The finding's numbers: name, value, what it means. Empty where there is none."""
    result = finding.measurement.result
    if isinstance(result, Undefined):
        return []
    unit = _(UNITS.get(result.unit, result.unit))
    rows = [
        (_("Measured"), number(result.value, decimals=2), _("In {unit}.", unit=unit)),
        (
            _("Interval"),
            _("{low} to {high}", low=number(result.low, decimals=2), high=number(result.high, decimals=2)),
            _(
                "Where the true number lies, if the items are a fair sample; intervals made so hold it in {share} of "
                "cases.",
                share=percent(result.level),
            ),
        ),
    ]
    if result.null is not None:
        rows.append(
            (_("If nothing were there"), number(result.null, decimals=2), _("The number that chance alone would give."))
        )
    rows.append((_("Rests on"), independent(result), _("Items that share a template count as one.")))
    if finding.p_adjusted is not None:
        rows.append((_("Chance"), _chance(finding.p_adjusted), _chance_help(finding)))
    if result.detectable is not None:
        rows.append(
            (
                _("Smallest effect we would have seen"),
                number(result.detectable, decimals=2),
                _("In four of five such audits an effect of this size would have been found."),
            )
        )
    return rows


def independent(result: Estimate) -> str:
    """How much the number rests on."""
    return ngettext("{n} independent item", "{n} independent items", result.n_clusters)


def _chance(p: float) -> str:
    return _("less than 1 in 1,000") if p < 0.001 else number(p, decimals=3)


def _chance_help(finding: Finding) -> str:
    said = ngettext(
        "How often chance alone would give as much, corrected for {n} test made together.",
        "How often chance alone would give as much, corrected for {n} tests made together.",
        finding.family_size,
    )
    kind = _("Fixed before the run.") if finding.confirmatory else _("Exploratory: a lead to follow, not a result.")
    return f"{said} {kind}"
