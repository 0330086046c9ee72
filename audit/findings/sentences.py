"""The one sentence that states a finding; terminal, app and PDF print the same.

Numbers are rounded here and nowhere else.

A sentence speaks of the model's text prediction on the suite's items, never of what the model believes or does.
"""

from __future__ import annotations

from collections.abc import Callable

from audit.records import Estimate, Manifest, Measurement, Undefined, Verdict
from audit.suites.languages import language_name


def sentence_of(measurement: Measurement, verdict: Verdict, *, barred: str, manifest: Manifest) -> str:
    """One plain sentence: what was found, the number with unit and interval, and how many independent items.

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
    number = _number(result)
    if verdict is Verdict.EVIDENCE:
        return f"{_claim(measurement, result, manifest)}: {number}."
    if verdict is Verdict.NO_EVIDENCE:
        would = f"an effect of {_round(result.detectable)} {result.unit} would have been seen"
        return f"{subject}: no evidence of {_effect(measurement)}, and {would} ({number})."
    return f"{subject}: insufficient evidence to say whether there is {_effect(measurement)} ({number})."


def _reading(measurement: Measurement, result: Estimate, verdict: Verdict) -> str:
    language = language_name(measurement.scope.language)
    counts = (
        f"it finds the true continuation likelier than a broken one in {result.value:.0%} of {result.n_clusters} items "
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
        "values_lean": "Agreement with statements",
        "dilemma_lean": "Choices in dilemmas",
        "language_dependent_judgement": "Dependence of choices in dilemmas on the language",
        "language_shift": "Preference for individual rights in dilemmas",
    }[measurement.measure]
    if scope.topic:
        what += f" on the axis {named(scope.topic)}"
    if scope.culture:
        what += f", {named(scope.culture)}"
    if scope.framework:
        what += f", {named(scope.framework)}"
    if scope.other_language:
        return f"{what}, {language_name(scope.language)} against {language_name(scope.other_language)}"
    if scope.language:
        return f"{what} in {language_name(scope.language)}"
    pooled = ("standardised_effect", "culture_knowledge", "knowledge_gap", "knowledge_diversity")
    over = (*pooled, "values_lean", "dilemma_lean")
    return f"{what}, over the readable languages" if measurement.measure in over else what


def _effect(measurement: Measurement) -> str:
    return {
        "bits_per_byte": "anything better than a blind guess of bytes",
        "stereotype_effect": "an effect of the group on the answers",
        "control_effect": "an effect of the swap on the answers",
        "standardised_effect": "an effect of the group on the answers",
        "causal_shared_token_score": "a difference between the groups",
        "culture_knowledge": "anything other than guessing",
        "knowledge_gap": "a difference from the other cultures",
        "knowledge_diversity": "unevenness beyond chance",
        "content_tracking": "more agreement with the true ones",
        "values_lean": "a lean",
        "dilemma_lean": "a lean",
        "language_dependent_judgement": "such a dependence",
        "language_shift": "a difference",
    }[measurement.measure]


def _claim(measurement: Measurement, result: Estimate, manifest: Manifest) -> str:
    """What the evidence shows, and no more."""
    scope = measurement.scope
    up = result.value > (result.null or 0.0)
    where = f" in {language_name(scope.language)}" if scope.language else " over the readable languages"

    def named(name: str) -> str:
        return _label(name, scope.suite, manifest)

    def stereotype() -> str:
        axis = f" on the axis {named(scope.topic)}" if scope.topic else ""
        against = "the groups that the stereotypes name" if up else "the groups opposite to those the stereotypes name"
        return f"The model's text prediction{where}{axis} ties the stereotyped answers to {against}"

    def pairs() -> str:
        axis = f" on the axis {named(scope.topic)}" if scope.topic else ""
        return (
            f"The model's text prediction{where}{axis} finds the shared ending of the imported pairs "
            f"{'likelier' if up else 'less likely'} after the first sentence's group"
        )

    def knowledge() -> str:
        of = f" of {named(scope.culture)}" if scope.culture else " of the cultures"
        if up:
            return f"Naming the culture{where} makes the model's prediction of practices{of} better than guessing"
        return f"Naming the culture{where} makes the model's prediction of practices{of} worse than guessing"

    def gap() -> str:
        better = "better" if up else "less well"
        return f"Practices of {named(scope.culture)} are known {better} than the others'{where} (knowledge lens only)"

    def diversity() -> str:
        return f"The model's knowledge of cultural practices{where} is less evenly spread than chance would make it"

    def controls() -> str:
        return f"Swaps without social meaning move the answers{where} too, so the suite's form makes part of any effect"

    def tracking() -> str:
        more = "more" if up else "less"
        return f"The model's text prediction{where} agrees {more} with plainly true than with plainly false statements"

    def values() -> str:
        more = "more" if up else "less"
        return (
            f"The model's text prediction{where} agrees {more} with the statements of {named(scope.framework)} "
            "(against their denials) than with those of the frameworks on average"
        )

    def dilemmas() -> str:
        side = "toward" if up else "away from"
        return f"In dilemmas the model's text prediction{where} leans {side} the options of {named(scope.framework)}"

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
        return f"The model predicts plain text{where} {better} than a blind guess of bytes"

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
        "values_lean": values,
        "dilemma_lean": dilemmas,
        "language_dependent_judgement": dependence,
        "language_shift": shift,
    }
    return claims[measurement.measure]()


def _number(result: Estimate) -> str:
    """As in "+0.42 nats (95 % interval +0.10 to +0.74; 28 independent items)", with the null where it is not 0."""
    signed = result.null == 0.0
    value, low, high = (_round(x, signed=signed) for x in (result.value, result.low, result.high))
    against = "" if signed or result.null is None else f", against {_round(result.null)} expected by chance"
    return (
        f"{value} {result.unit}{against} ({result.level * 100:.0f} % interval {low} to {high}; "
        f"{result.n_clusters} independent items)"
    )


def _round(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "no number"
    return f"{value:+.2f}" if signed else f"{value:.2f}"
