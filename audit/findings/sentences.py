"""The one sentence that states a finding; terminal, app and PDF print the same.

Numbers are rounded here and nowhere else.

A sentence speaks of the model's text prediction on the suite's items, never of what the model believes or does.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from audit.records import Estimate, Manifest, Measurement, Scope, Undefined, Verdict
from audit.suites.languages import language_name

# Measures that read the inside of the model, each also pooled over the readable languages.
FROM_INSIDE = (
    "representation_capacity",
    "representation_gap",
    "pathway_capacity",
    "pathway_gap",
    "representation_diversity",
    "underrepresentation",
    "context_activation",
    "framework_capacity",
    "framework_difference",
    "steering_capacity",
    "steering_difference",
    "framework_balance",
    "framework_conflict",
    "latent_effect",
)
# What an estimate's method names as its units.
UNITS_NAMED = re.compile(
    r"clustered on (\w+)|bootstrap over (\w+)|bootstrap of \d+ (\w+)"
    r"|comparison over \d+ (\w+)|binomial, \d+ of \d+ (\w+)"
)


def sentence_of(measurement: Measurement, verdict: Verdict, *, barred: str, manifest: Manifest) -> str:
    """One plain sentence: what was found, the number with unit and interval, its null, and how much it rests on.

    Args:
        measurement: with its margin and detectable distance filled in.
        verdict: as weighed.
        barred: why the cell must not be interpreted, "" if it may be.
        manifest: names of suites' topics, cultures and frameworks.
    """
    subject = _subject(measurement, manifest)
    result = measurement.result
    if measurement.measure == "competence" and isinstance(result, Estimate):
        return _reading(measurement, result, verdict)
    if barred:
        return f"{subject}: not interpretable, because {barred}; finding nothing here would not be good news."
    if isinstance(result, Undefined):
        return f"{subject}: no number, because {result.reason}."
    number = _number(measurement, result)
    if verdict is Verdict.EVIDENCE:
        return f"{_claim(measurement, result, manifest)}: {number}."
    if verdict is Verdict.NO_EVIDENCE:
        effect = f"an effect of {rounded(result.detectable)} {result.unit}"
        would = f"{effect} would have been found in {_how_often(result)} such audits"
        return f"{subject}: no evidence of {_effect(measurement)}, and {would}; measured: {number}."
    return f"{subject}: insufficient evidence to say whether there is {_effect(measurement)}; measured: {number}."


def counted(result: Estimate) -> str:
    """What the estimate rests on, as in "28 templates" or "1 fact"; "items" where its method does not say."""
    named = UNITS_NAMED.search(result.method)
    plural = next((noun for noun in named.groups() if noun), "items") if named else "items"
    return f"{result.n_clusters} {plural.removesuffix('s') if result.n_clusters == 1 else plural}"


def rounded(value: float | None, *, signed: bool = False) -> str:
    """A figure as printed: two decimals, with its sign where asked; what rounds to zero has none."""
    if value is None:
        return "no number"
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return "0.00" if float(text) == 0 else text


def _how_often(result: Estimate) -> str:
    return "four of five" if result.power in (None, 0.8) else f"{result.power:.0%} of"


def _reading(measurement: Measurement, result: Estimate, verdict: Verdict) -> str:
    language = language_name(measurement.scope.language)
    counts = (
        f"it finds the true continuation likelier than a broken one in {result.value:.0%} of {counted(result)} "
        f"(95 % interval {result.low:.0%} to {result.high:.0%})"
    )
    if verdict is Verdict.EVIDENCE:
        return f"The model reads {language} well enough for its other results to be interpreted: {counts}."
    return f"The model cannot be taken to read {language}: {counts}; its other results there are not interpretable."


# --- parts ----------------------------------------------------------------------------------------


def _label(name: str, suite: str, manifest: Manifest) -> str:
    for record in manifest.suites:
        if record.name == suite and name in record.labels:
            return str(record.labels[name])
    return name


def _subject(measurement: Measurement, manifest: Manifest) -> str:
    """What is spoken of: "Stereotypes of gender in English"."""
    scope = measurement.scope

    def named(name: str) -> str:
        return _label(name, scope.suite, manifest)

    what = {
        "competence": "Reading",
        "bits_per_byte": "Prediction of plain text",
        "stereotype_effect": "Stereotyped answers",
        "control_effect": "Control pairs without social meaning",
        "standardised_effect": "Stereotyped answers",
        "causal_shared_token_score": "Imported sentence pairs",
        "culture_knowledge": "Knowledge of cultural practices",
        "knowledge_gap": "Knowledge of cultural practices against the other cultures",
        "knowledge_diversity": "Spread of knowledge over cultures",
        "content_tracking": "Agreement with plainly true against plainly false statements",
        "paraphrase_agreement": "Agreement of the answers to two wordings of a dilemma",
        "values_lean": "Agreement with statements",
        "dilemma_lean": "Choices in dilemmas",
        "language_dependent_judgement": "Dependence of choices in dilemmas on the language",
        "language_shift": "Preference for individual rights in dilemmas",
        "circuit_share": "Share of the group's effect that is lost without the circuit chosen on other templates",
        "circuit_sufficiency": "Share of the group's effect that the chosen circuit alone brings back",
        "circuit_strength": "Stereotyped answers by way of the chosen circuit",
        "circuit_controls": "Share of the effect of swaps without social meaning that is lost without the same circuit",
        "circuit_transfer": "Share of the group's effect that is lost without",
        "circuit_overlap": "Overlap of the nodes that matter",
        "screening_error": "Agreement of the gradient estimate with exact patching of nodes",
        "representation_capacity": "What can be read about cultures inside the model",
        "representation_gap": "What can be read about a culture inside the model against the other cultures",
        "pathway_capacity": "Effect of swapping a culture's name through the chosen circuit",
        "pathway_gap": "Effect of swapping a culture's name through the chosen circuit, against the other cultures",
        "representation_diversity": "Spread of representation over cultures",
        "underrepresentation": "Representation in the second-lowest lens, against the other cultures",
        "context_activation": "Activity of a culture's latents on its own practices",
        "framework_capacity": "Telling endorsement of a framework from rejection inside the model",
        "framework_difference": "Telling endorsement from rejection inside the model",
        "steering_capacity": "Steering of dilemmas along a framework's direction",
        "steering_difference": "Steering of dilemmas along frameworks' directions",
        "framework_balance": "Evenness of the frameworks' representation",
        "framework_conflict": "Joint activity of the latents of a dilemma's two frameworks",
        "latent_effect": "Effect of ablating the chosen latents, beyond random ones",
    }[measurement.measure]
    if measurement.measure == "circuit_transfer":
        return f"{what} the circuit chosen {_chosen(scope)}, judged in {language_name(scope.other_language)}"
    if scope.topic:
        what += f" on the axis {named(scope.topic)}"
    if scope.culture:
        what += f", {named(scope.culture)}"
    if scope.framework:
        what += f", {named(scope.framework)}" + (
            f" against {named(scope.other_framework)}" if scope.other_framework else ""
        )
    if scope.lens:
        what += f" (lens: {scope.lens})"
    if scope.other_language:
        return f"{what}, {language_name(scope.language)} against {language_name(scope.other_language)}"
    if scope.language:
        return f"{what} in {language_name(scope.language)}"
    pooled = ("standardised_effect", "culture_knowledge", "knowledge_gap", "knowledge_diversity")
    over = (*pooled, "values_lean", "dilemma_lean", *FROM_INSIDE)
    return f"{what}, over the readable languages" if measurement.measure in over else what


def _chosen(scope: Scope) -> str:
    return f"in {language_name(scope.language)}" if scope.language else "over the readable languages"


def _effect(measurement: Measurement) -> str:
    return {
        "bits_per_byte": "anything better than a blind guess of bytes",
        "stereotype_effect": "an effect of the group on the answers",
        "control_effect": "an effect of the swap on the answers",
        "standardised_effect": "an effect of the group on the answers",
        "causal_shared_token_score": "a difference between the groups",
        "culture_knowledge": "an effect of naming the culture",
        "knowledge_gap": "a difference from the other cultures",
        "knowledge_diversity": "unevenness beyond chance",
        "content_tracking": "more agreement with the true ones",
        "paraphrase_agreement": "any agreement",
        "values_lean": "a lean",
        "dilemma_lean": "a lean",
        "language_dependent_judgement": "such a dependence",
        "language_shift": "a difference",
        "circuit_share": "a larger share than random circuits carry",
        "circuit_sufficiency": "a larger share than random circuits carry",
        "circuit_strength": "an effect by way of the circuit",
        "circuit_controls": "a difference from the stereotype items",
        "circuit_transfer": "a larger share than random circuits carry",
        "circuit_overlap": "more overlap than the difference between heads and MLPs makes",
        "screening_error": "any agreement",
        "representation_capacity": "more than the control task gives",
        "representation_gap": "a difference from the other cultures",
        "pathway_capacity": "an effect of the culture's name by this path",
        "pathway_gap": "a difference from the other cultures",
        "representation_diversity": "unevenness beyond chance",
        "underrepresentation": "less than for the others in two lenses",
        "context_activation": "more activity there than elsewhere",
        "framework_capacity": "more than the control task gives",
        "framework_difference": "a difference",
        "steering_capacity": "more than random directions do",
        "steering_difference": "a difference",
        "framework_balance": "unevenness beyond chance",
        "framework_conflict": "more joint activity than with the frameworks dealt out at random",
        "latent_effect": "an effect beyond that of random latents",
    }[measurement.measure]


def _claim(measurement: Measurement, result: Estimate, manifest: Manifest) -> str:
    """What the evidence shows, and no more."""
    scope = measurement.scope
    up = result.value > (result.null or 0.0)
    where = f"In {language_name(scope.language)}" if scope.language else "Over the readable languages"

    def named(name: str) -> str:
        return _label(name, scope.suite, manifest)

    def stereotype() -> str:
        axis = f" on the axis {named(scope.topic)}" if scope.topic else ""
        against = "the groups that the stereotypes name" if up else "the groups opposite to those the stereotypes name"
        return f"{where}, the model's text prediction{axis} ties the stereotyped answers to {against}"

    def pairs() -> str:
        axis = f" on the axis {named(scope.topic)}" if scope.topic else ""
        likelier = "likelier" if up else "less likely"
        return f"{where}, the shared ending of the imported pairs{axis} is {likelier} after the first sentence's group"

    def knowledge() -> str:
        culture = named(scope.culture) if scope.culture else "a culture"
        than = f"{'better' if up else 'worse'} than with the names shuffled"
        return f"{where}, naming {culture} makes the model's prediction of its practices {than}"

    def gap() -> str:
        better = "better" if up else "less well"
        return f"{where}, practices of {named(scope.culture)} are known {better} than the others' (knowledge lens only)"

    def diversity() -> str:
        spread = "less" if not up else "more"
        return (
            f"{where}, the model's knowledge of cultural practices is {spread} evenly spread than chance would make it"
        )

    def controls() -> str:
        return (
            f"{where}, swaps without social meaning move the answers too, so the suite's form makes part of any effect"
        )

    def tracking() -> str:
        more = "more" if up else "less"
        return (
            f"{where}, the model's text prediction agrees {more} with plainly true than with plainly false statements"
        )

    def agreement() -> str:
        how = "agreeing" if up else "opposite"
        return f"{where}, the two wordings of a dilemma get {how} answers"

    def values() -> str:
        more = "more" if up else "less"
        return (
            f"{where}, the model's text prediction agrees {more} with the statements of {named(scope.framework)} "
            "(against their denials) than with those of the frameworks on average"
        )

    def dilemmas() -> str:
        side = "toward" if up else "away from"
        return f"{where}, the model's text prediction in dilemmas leans {side} the options of {named(scope.framework)}"

    def dependence() -> str:
        return "The model's choices in dilemmas depend on the language they are asked in"

    def shift() -> str:
        more = "more" if up else "less"
        return (
            f"In dilemmas the model's text prediction favours individual rights {more} in "
            f"{language_name(scope.language)} than in {language_name(scope.other_language)}"
        )

    def bits() -> str:
        better = "better" if not up else "worse"
        return f"{where}, the model predicts plain text {better} than a blind guess of bytes"

    def share() -> str:
        return (
            f"{where}, the heads and MLPs chosen on other templates carry more of the group's effect on the answers "
            "than random ones of the same make-up"
        )

    def sufficiency() -> str:
        return (
            f"{where}, the heads and MLPs chosen on other templates alone bring back more of the group's effect on the "
            "answers than random ones of the same make-up"
        )

    def strength() -> str:
        axis = f" on the axis {named(scope.topic)}" if scope.topic else ""
        against = "the groups that the stereotypes name" if up else "the groups opposite to those the stereotypes name"
        return f"{where}, what passes through the chosen circuit{axis} ties the stereotyped answers to {against}"

    def on_controls() -> str:
        more = "more" if up else "less"
        return (
            f"{where}, the same circuit carries {more} of the effect of swaps without social meaning "
            "than of the effect of the groups"
        )

    def transfer() -> str:
        return (
            f"The heads and MLPs chosen {_chosen(scope)} carry more of the group's effect on the answers in "
            f"{language_name(scope.other_language)} than random circuits that are no smaller"
        )

    def overlap() -> str:
        pair = f"{language_name(scope.language)} and {language_name(scope.other_language)}"
        more = "more" if up else "less"
        return f"The same heads and MLPs matter in {pair} {more} than chance would make it, also on different templates"

    def screening() -> str:
        how = "in line with" if up else "against"
        return f"{where}, the gradient estimate ranks randomly drawn heads and MLPs {how} exact patching"

    more = "more" if up else "less"
    culture = named(scope.culture) if scope.culture else "cultures"
    framework = named(scope.framework) if scope.framework else "the frameworks"
    lens = f" (lens: {scope.lens})" if scope.lens else ""

    def read() -> str:
        return f"{where}, {more} about {culture} can be read inside the model{lens} than shuffled labels give"

    def read_gap() -> str:
        return f"{where}, {more} about {culture} can be read inside the model than about the others{lens}"

    def pathway() -> str:
        way = "with" if up else "against"
        return (
            f"{where}, the chosen circuit moves the answers {way} the name of {culture} when it is swapped for another"
        )

    def pathway_less() -> str:
        return f"{where}, the chosen circuit carries {more} of the name of {culture} than of the others' names"

    def spread() -> str:
        return f"{where}, representation is less evenly spread over cultures than chance would make it{lens}"

    def below() -> str:
        gaps = {name.removeprefix("gap_"): gap for name, gap in measurement.details.items() if name.startswith("gap_")}
        lowest = " and ".join(sorted(gaps, key=lambda one: gaps[one])[:2])
        return f"{where}, {culture} is underrepresented: below the other cultures in two lenses at least ({lowest})"

    def activation() -> str:
        where_active = (
            "on texts about its own practices than on others" if up else "on its own practices than elsewhere"
        )
        whose = f"the latents chosen for {culture} are" if scope.culture else "the latents chosen for a culture are"
        return f"{where}, {whose} {more} active {where_active}"

    def told() -> str:
        how = "better" if up else "worse"
        them = "it" if scope.framework else "them"
        return f"{where}, endorsing {framework} can be told from rejecting {them} {how} than chance{lens}"

    def told_apart() -> str:
        better = "better" if up else "less well"
        other = named(scope.other_framework)
        return f"{where}, endorsement can be told from rejection {better} for {framework} than for {other}{lens}"

    def steered() -> str:
        way = "toward" if up else "away from"
        return (
            f"{where}, steering along the direction of {framework} moves dilemmas {way} its option beyond random ones"
        )

    def steered_apart() -> str:
        further = "further" if up else "less far"
        return f"{where}, steering moves dilemmas {further} for {framework} than for {named(scope.other_framework)}"

    def balance() -> str:
        return f"{where}, the frameworks are represented less evenly than chance would make it{lens}"

    def conflict() -> str:
        return (
            f"{where}, the latents of a dilemma's two frameworks are highly active on it together {more} often "
            "than with the frameworks dealt out at random"
        )

    def ablation() -> str:
        way = "the way they should" if up else "against the way they should"
        return f"{where}, ablating the chosen latents moves the answers {way}, beyond random latents"

    claims: dict[str, Callable[[], str]] = {
        "bits_per_byte": bits,
        "stereotype_effect": stereotype,
        "control_effect": controls,
        "standardised_effect": stereotype,
        "causal_shared_token_score": pairs,
        "culture_knowledge": knowledge,
        "knowledge_gap": gap,
        "knowledge_diversity": diversity,
        "content_tracking": tracking,
        "paraphrase_agreement": agreement,
        "values_lean": values,
        "dilemma_lean": dilemmas,
        "language_dependent_judgement": dependence,
        "language_shift": shift,
        "circuit_share": share,
        "circuit_sufficiency": sufficiency,
        "circuit_strength": strength,
        "circuit_controls": on_controls,
        "circuit_transfer": transfer,
        "circuit_overlap": overlap,
        "screening_error": screening,
        "representation_capacity": read,
        "representation_gap": read_gap,
        "pathway_capacity": pathway,
        "pathway_gap": pathway_less,
        "representation_diversity": spread,
        "underrepresentation": below,
        "context_activation": activation,
        "framework_capacity": told,
        "framework_difference": told_apart,
        "steering_capacity": steered,
        "steering_difference": steered_apart,
        "framework_balance": balance,
        "framework_conflict": conflict,
        "latent_effect": ablation,
    }
    return claims[measurement.measure]()


# What the null stands for, where it is not simply chance.
NULLS = {
    "bits_per_byte": "of a blind guess",
    "culture_knowledge": "with the names shuffled",
    "circuit_share": "for random circuits",
    "circuit_sufficiency": "for random circuits",
    "circuit_controls": "of the stereotype items' effect",
    "circuit_transfer": "for random circuits",
    "circuit_overlap": "from heads and MLPs being different",
    "representation_diversity": "if all were represented alike",
    "framework_balance": "if all were represented alike",
    "framework_conflict": "with the frameworks dealt out at random",
}


def _number(measurement: Measurement, result: Estimate) -> str:
    """As in "+0.42 nats (95 % interval +0.10 to +0.74), from 28 templates"; the null where it is not 0."""
    signed = result.null == 0.0 or min(result.low, result.null or 0.0) < 0
    value, low, high = (rounded(x, signed=signed) for x in (result.value, result.low, result.high))
    of_what = NULLS.get(measurement.measure, "expected by chance")
    against = "" if not result.null else f", against {rounded(result.null, signed=signed)} {of_what}"
    interval = f"({result.level * 100:.0f} % interval {low} to {high})"
    return f"{value} {result.unit} {interval}{against}, from {counted(result)}"
