"""What a reader must know before leaning on a finding, in plain sentences; the same for every measure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from audit.findings.sentences import FROM_INSIDE, counted, rounded
from audit.findings.words import Words
from audit.measures.capacity import beats_random_model
from audit.measures.circuits import beats_random
from audit.measures.statistics import ALPHA
from audit.measures.stereotype import FEWEST_CONTROLS, beats_controls
from audit.measures.view import View
from audit.records import Estimate, Measurement, Undefined
from audit.suites.languages import language_name

FEW_CLUSTERS = 8
MANY_TIES = 0.1
STEREOTYPE = ("stereotype_effect", "standardised_effect")
KNOWLEDGE = ("knowledge_gap", "culture_knowledge", "knowledge_diversity")
OF_CULTURES = (
    *("representation_capacity", "representation_gap", "representation_diversity", "underrepresentation"),
    *("pathway_capacity", "pathway_gap", "context_activation"),
)
CULTURE = (*KNOWLEDGE, *OF_CULTURES)
BY_ANSWERS = ("underrepresentation", "steering_capacity", "steering_difference", "latent_effect")  # among others
CARRIED = ("circuit_share", "circuit_sufficiency", "circuit_strength", "circuit_transfer")
REGIONS_TOLD = 3
LANGUAGES_LISTED = re.compile(r"^over ([^;]+)(?:; without ([^;]+))?$")


def caveats_of(
    view: View, measured: Mapping[str, Sequence[Measurement]], words: Words
) -> Callable[[Measurement, bool], tuple[str, ...]]:
    """A function (measurement, confirmatory) -> caveats, with what it needs to know looked up once."""
    moving_controls = {(m.scope.suite, m.scope.language): m for m in measured["control_effect"] if _moves(m)}
    on_controls = {(m.scope.suite, m.scope.language): m for m in measured.get("circuit_controls", ())}
    model = view.evidence.manifest.model
    no_floor = view.evidence.manifest.noise_floor is None

    def caveats(measurement: Measurement, confirmatory: bool) -> tuple[str, ...]:
        said = [_with_names(note) for note in measurement.notes]
        if not confirmatory:
            said.append("exploratory: a lead to follow, not a result to rest a headline on")
        said += _about_the_number(measurement)
        said += _about_controls(measurement, moving_controls)
        said += _about_circuits(measurement, on_controls)
        said += _about_features(measurement)
        said += _about_regions(measurement, words)
        said += _about_the_words(measurement, words)
        if model.quantisation:
            said.append(f"weights are quantised ({model.quantisation}); nothing is said about the published weights")
        if no_floor:
            said.append("this run measured no noise floor, so effects of numerical noise are not told apart")
        return tuple(dict.fromkeys(said))

    return caveats


def _with_names(note: str) -> str:
    """A list of languages by name, where a note has it by code."""
    listed = LANGUAGES_LISTED.match(note)
    if not listed:
        return note
    over, without = (
        ", ".join(language_name(code) for code in codes.split(", ")) if codes else "" for codes in listed.groups()
    )
    return f"over {over}" + (f"; without {without}" if without else "")


def _about_the_number(measurement: Measurement) -> list[str]:
    result = measurement.result
    if isinstance(result, Undefined):
        return []
    said = []
    if result.n_clusters < FEW_CLUSTERS:
        said.append(f"rests on only {counted(result)}")
    ties = measurement.details.get("share_tied", 0.0)
    if ties > MANY_TIES:
        said.append(f"{ties:.0%} of the items are ties within the noise floor")
    if measurement.measure in KNOWLEDGE:
        said.append("one lens only (knowledge); says nothing about how a culture is represented otherwise")
    if measurement.measure in ("bits_per_byte", "stereotype_effect", "circuit_strength"):
        said.append("not to be compared with the number of another language")
    without = [measurement.details.get(f"{end}_without_one_language") for end in ("lowest", "highest")]
    if without[0] is not None and without[1] is not None:
        low, high = (rounded(value, signed=True) for value in without)
        said.append(f"whichever one language is left out, the mean of the rest lies between {low} and {high}")
    return said


def _about_controls(measurement: Measurement, moving: Mapping[tuple[str, str], Measurement]) -> list[str]:
    if measurement.measure not in STEREOTYPE or isinstance(measurement.result, Undefined):
        return []
    suite, language = measurement.scope.suite, measurement.scope.language
    hit = [m for (of, where), m in moving.items() if of == suite and language in ("", where)]
    return [*_not_beaten(measurement, measurement.result), *(_moving_controls(m) for m in hit)]


def _not_beaten(measurement: Measurement, result: Estimate) -> list[str]:
    """Why the control pairs let no evidence be claimed; nothing where the group moves the answers farther."""
    details = measurement.details
    if beats_controls(measurement):
        return []
    n = int(details.get("n_controls", 0))
    if n < FEWEST_CONTROLS:
        have = f"only {n} control pair{'s' if n > 1 else ''}" if n else "no control pairs"
        return [f"{have} to compare with, {FEWEST_CONTROLS} are needed: no evidence of an effect is claimed"]
    if "p_beats_controls" not in details:
        return ["too few templates to compare with the control pairs: no evidence of an effect is claimed"]
    return [
        "not told apart from swaps without social meaning, so no evidence of an effect is claimed: "
        f"{rounded(result.value, signed=True)} against {rounded(details['control_mean'], signed=True)} {result.unit} "
        f"in {n} control pairs, p = {details['p_beats_controls']:.3f}"
    ]


def _moving_controls(measurement: Measurement) -> str:
    result = measurement.result
    assert isinstance(result, Estimate)
    return (
        f"control pairs without social meaning move too in {language_name(measurement.scope.language)} "
        f"(mean {rounded(result.value, signed=True)} nats, p = {result.p_value:.3f}): "
        "part of the effect may come from the suite's form"
    )


def _moves(measurement: Measurement) -> bool:
    result = measurement.result
    return isinstance(result, Estimate) and result.p_value is not None and result.p_value < ALPHA


def _about_circuits(measurement: Measurement, on_controls: Mapping[tuple[str, str], Measurement]) -> list[str]:
    if measurement.measure not in CARRIED or isinstance(measurement.result, Undefined):
        return []
    said = [
        "effects of taking the outputs of heads and MLPs from the run on the other group's prompt; "
        "other ways to remove a part of a model can give other shares"
    ]
    ablated = measurement.details.get("mean_ablation_share")
    if ablated is not None:
        said.append(f"with their mean over the language's prompts instead, the share is {rounded(ablated)}")
    if not beats_random(measurement):
        said.append(_not_beyond_random(measurement))
    control = on_controls.get((measurement.scope.suite, measurement.scope.language))
    return said + ([_a_general_path(control)] if control and measurement.scope.language and _general(control) else [])


def _about_features(measurement: Measurement) -> list[str]:
    if measurement.measure not in FROM_INSIDE or isinstance(measurement.result, Undefined):
        return []
    said = []
    if measurement.measure not in BY_ANSWERS and measurement.scope.lens not in ("knowledge", "steering"):
        said.append(
            "read inside the model: what can be read there need not be used in answers, and is no harm by itself"
        )
    if measurement.measure in OF_CULTURES:
        said.append("a handful of practices stands for a culture; a culture is not a vector, nor a set of latents")
    if not beats_random_model(measurement):
        random = measurement.details.get("random_model_bits")
        seen = "" if random is None else f" ({rounded(random, signed=True)} bits)"
        how = "not told apart from" if random is not None else "not compared with"
        said.append(f"{how} the latents of a randomly re-initialised model{seen}, so no evidence is claimed")
    return said


def _not_beyond_random(measurement: Measurement) -> str:
    p = measurement.details.get("p_against_random")
    if p is None:
        return "not compared with random circuits of the same make-up, so no evidence is claimed"
    return (
        "not told apart from random circuits of the same make-up, so no evidence is claimed: "
        f"{p:.0%} of them reach as far"
    )


def _general(control: Measurement) -> bool:
    """The control pairs are not shown to pass through the circuit less than the stereotype items do."""
    result = control.result
    if isinstance(result, Undefined) or result.null is None or result.p_value is None:
        return True
    return result.value >= result.null or result.p_value >= ALPHA


def _a_general_path(control: Measurement) -> str:
    result, language = control.result, language_name(control.scope.language)
    unknown = "not known to be special to stereotypes"
    if isinstance(result, Undefined):
        return (
            f"{unknown}: what the circuit carries of swaps without social meaning could not be told ({result.reason})"
        )
    against = "" if result.null is None else f", and {rounded(result.null)} of the groups'"
    return (
        f"{unknown}: in {language} the same circuit carries {rounded(result.value)} of the effect of swaps without "
        f"social meaning{against}; it may be a general path from the changed words to the answer"
    )


def _about_regions(measurement: Measurement, words: Words) -> list[str]:
    """Where the stereotypes are documented, which need not be where the language is spoken."""
    if measurement.measure not in STEREOTYPE or not measurement.items:
        return []
    regions = words.regions(measurement)
    top = sorted(regions.items(), key=lambda one: (-one[1], one[0]))[:REGIONS_TOLD]
    language = measurement.scope.language
    spoken = f"{language_name(language)} is" if language else "these languages are"
    held = f"whether the stereotypes are held where {spoken} spoken was not checked"
    if not top:
        return [f"no item says where its stereotype is documented; {held}"]
    (first, n), *others = top
    where = "".join(f", {count} for {region}" for region, count in others)
    documented = f"of {len(measurement.items)} items, {n} {'are' if n > 1 else 'is'} documented for {first}{where}"
    return [f"{documented}; {held}"]


def _about_the_words(measurement: Measurement, words: Words) -> list[str]:
    texts = words.behind(measurement)
    raw, translated = sum(text.unreviewed for text in texts), sum(text.translated for text in texts)
    said = []
    if raw:
        said.append(f"{raw} of {len(texts)} texts were written by a machine and reviewed by no native speaker")
    if translated and measurement.measure in CULTURE:
        so = ", so nothing is claimed" if words.mostly_translated(measurement) else ""
        said.append(
            f"{translated} of {len(texts)} texts are translations, which cannot carry a claim about a culture{so}"
        )
    return said
