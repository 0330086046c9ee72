"""What a reader must know before leaning on a finding, in plain sentences; the same for every measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from audit.findings.words import Words
from audit.measures.capacity import beats_random_model
from audit.measures.circuits import beats_random
from audit.measures.statistics import ALPHA
from audit.measures.stereotype import FEWEST_CONTROLS, beats_controls
from audit.measures.view import View
from audit.records import Estimate, Measurement, Undefined
from audit.terms import amount, counted
from audit.wording import Label, LanguageName, Listed, Number, Share, said, said_n

FEW_CLUSTERS = 8
MANY_TIES = 0.1
STEREOTYPE = ("stereotype_effect", "standardised_effect")
KNOWLEDGE = ("knowledge_gap", "culture_knowledge", "knowledge_diversity")
OF_CULTURES = (
    *("representation_capacity", "representation_gap", "representation_diversity", "underrepresentation"),
    *("pathway_capacity", "pathway_gap", "context_activation"),
)
CULTURE = (*KNOWLEDGE, *OF_CULTURES)
OF_FRAMEWORKS = (
    *("framework_capacity", "framework_difference", "steering_capacity", "steering_difference"),
    *("framework_balance", "framework_conflict"),
)
FROM_INSIDE = (*OF_CULTURES, *OF_FRAMEWORKS, "latent_effect")  # they read the inside of the model
BY_ANSWERS = ("underrepresentation", "steering_capacity", "steering_difference", "latent_effect")  # among others
CARRIED = ("circuit_share", "circuit_sufficiency", "circuit_strength", "circuit_transfer")
REGIONS_TOLD = 3


def caveats_of(
    view: View, measured: Mapping[str, Sequence[Measurement]], words: Words
) -> Callable[[Measurement, bool], tuple[str, ...]]:
    """A function (measurement, confirmatory) -> caveats, with what it needs to know looked up once."""
    moving_controls = {(m.scope.suite, m.scope.language): m for m in measured["control_effect"] if _moves(m)}
    on_controls = {(m.scope.suite, m.scope.language): m for m in measured.get("circuit_controls", ())}
    model = view.evidence.manifest.model
    no_floor = view.evidence.manifest.noise_floor is None

    def caveats(measurement: Measurement, confirmatory: bool) -> tuple[str, ...]:
        told = [*measurement.notes]
        if not confirmatory:
            told.append(said("exploratory: a lead to follow, not a result to rest a headline on"))
        told += _about_the_number(measurement)
        told += _about_controls(measurement, moving_controls)
        told += _about_circuits(measurement, on_controls)
        told += _about_features(measurement)
        told += _about_regions(measurement, words)
        told += _about_the_words(measurement, words)
        if model.quantisation:
            told.append(
                said(
                    "weights are quantised ({how}); nothing is said about the published weights",
                    how=model.quantisation,
                )
            )
        if no_floor:
            told.append(said("this run measured no noise floor, so effects of numerical noise are not told apart"))
        return tuple(dict.fromkeys(told))

    return caveats


def _about_the_number(measurement: Measurement) -> list[str]:
    result = measurement.result
    if isinstance(result, Undefined):
        return []
    told: list[str] = []
    if result.n_clusters < FEW_CLUSTERS:
        # i18n: {number} is as in "5 templates"
        told.append(said("rests on only {number}", number=counted(result)))
    ties = measurement.details.get("share_tied", 0.0)
    if ties > MANY_TIES:
        told.append(said("{share} of the items are ties within the noise floor", share=Share(ties)))
    if measurement.measure in KNOWLEDGE:
        told.append(said("one lens only (knowledge); says nothing about how a culture is represented otherwise"))
    if measurement.measure in ("bits_per_byte", "stereotype_effect", "circuit_strength"):
        told.append(said("not to be compared with the number of another language"))
    low, high = (measurement.details.get(f"{end}_without_one_language") for end in ("lowest", "highest"))
    if low is not None and high is not None:
        told.append(
            said(
                "whichever one language is left out, the mean of the rest lies between {low} and {high}",
                low=Number(low, signed=True),
                high=Number(high, signed=True),
            )
        )
    return told


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
    if not n:
        return [
            said(
                "no control pairs to compare with, {least} are needed: no evidence of an effect is claimed",
                least=FEWEST_CONTROLS,
            )
        ]
    if n < FEWEST_CONTROLS:
        return [
            said_n(
                "only {n} control pair to compare with, {least} are needed: no evidence of an effect is claimed",
                "only {n} control pairs to compare with, {least} are needed: no evidence of an effect is claimed",
                n,
                least=FEWEST_CONTROLS,
            )
        ]
    if "p_beats_controls" not in details:
        return [said("too few templates to compare with the control pairs: no evidence of an effect is claimed")]
    return [
        # i18n: {control} is a figure with its unit
        said_n(
            "not told apart from swaps without social meaning, so no evidence of an effect is claimed: {value} against "
            "{control} in {n} control pair, p = {p}",
            "not told apart from swaps without social meaning, so no evidence of an effect is claimed: {value} against "
            "{control} in {n} control pairs, p = {p}",
            n,
            value=Number(result.value, signed=True),
            control=amount(Number(details["control_mean"], signed=True), result.unit),
            p=Number(details["p_beats_controls"], decimals=3),
        )
    ]


def _moving_controls(measurement: Measurement) -> str:
    result = measurement.result
    assert isinstance(result, Estimate)
    assert result.p_value is not None
    return said(
        "control pairs without social meaning move too in {language} (mean {mean}, p = {p}): part of the effect may "
        "come from the suite's form",
        language=LanguageName(measurement.scope.language),
        mean=amount(Number(result.value, signed=True), "nats"),
        p=Number(result.p_value, decimals=3),
    )


def _moves(measurement: Measurement) -> bool:
    result = measurement.result
    return isinstance(result, Estimate) and result.p_value is not None and result.p_value < ALPHA


def _about_circuits(measurement: Measurement, on_controls: Mapping[tuple[str, str], Measurement]) -> list[str]:
    if measurement.measure not in CARRIED or isinstance(measurement.result, Undefined):
        return []
    told: list[str] = [
        said(
            "effects of taking the outputs of heads and MLPs from the run on the other group's prompt; other ways to "
            "remove a part of a model can give other shares"
        )
    ]
    ablated = measurement.details.get("mean_ablation_share")
    if ablated is not None:
        told.append(
            # i18n: "their" is that of the heads and MLPs named in the sentence before
            said(
                "with their mean over the language's prompts instead, the share is {share}",
                share=Number(ablated),
            )
        )
    if not beats_random(measurement):
        told.append(_not_beyond_random(measurement))
    control = on_controls.get((measurement.scope.suite, measurement.scope.language))
    return told + ([_a_general_path(control)] if control and measurement.scope.language and _general(control) else [])


def _about_features(measurement: Measurement) -> list[str]:
    if measurement.measure not in FROM_INSIDE or isinstance(measurement.result, Undefined):
        return []
    told: list[str] = []
    if measurement.measure not in BY_ANSWERS and measurement.scope.lens not in ("knowledge", "steering"):
        told.append(
            said("read inside the model: what can be read there need not be used in answers, and is no harm by itself")
        )
    if measurement.measure in OF_CULTURES:
        told.append(
            said("a handful of practices stands for a culture; a culture is not a vector, nor a set of latents")
        )
    if not beats_random_model(measurement):
        told.append(_not_beyond_random_model(measurement))
    return told


def _not_beyond_random_model(measurement: Measurement) -> str:
    random = measurement.details.get("random_model_bits")
    if random is None:
        return said("not compared with the latents of a randomly re-initialised model, so no evidence is claimed")
    return said(
        "not told apart from the latents of a randomly re-initialised model ({bits}), so no evidence is claimed",
        bits=amount(Number(random, signed=True), "bits"),
    )


def _not_beyond_random(measurement: Measurement) -> str:
    p = measurement.details.get("p_against_random")
    if p is None:
        return said("not compared with random circuits of the same make-up, so no evidence is claimed")
    return said(
        "not told apart from random circuits of the same make-up, so no evidence is claimed: {share} of them reach as "
        "far",
        share=Share(p),
    )


def _general(control: Measurement) -> bool:
    """The control pairs are not shown to pass through the circuit less than the stereotype items do."""
    result = control.result
    if isinstance(result, Undefined) or result.null is None or result.p_value is None:
        return True
    return result.value >= result.null or result.p_value >= ALPHA


def _a_general_path(control: Measurement) -> str:
    result = control.result
    if isinstance(result, Undefined):
        return said(
            "not known to be special to stereotypes: what the circuit carries of swaps without social meaning could "
            "not be told ({why})",
            why=result.reason,
        )
    language, share = LanguageName(control.scope.language), Number(result.value)
    if result.null is None:
        return said(
            "not known to be special to stereotypes: in {language} the same circuit carries {share} of the effect of "
            "swaps without social meaning; it may be a general path from the changed words to the answer",
            language=language,
            share=share,
        )
    # i18n: {of_groups} is a share of the effect of swapping the groups
    return said(
        "not known to be special to stereotypes: in {language} the same circuit carries {share} of the effect of swaps "
        "without social meaning, and {of_groups} of the groups'; it may be a general path from the changed words to "
        "the answer",
        language=language,
        share=share,
        of_groups=Number(result.null),
    )


def _about_regions(measurement: Measurement, words: Words) -> list[str]:
    """Where the stereotypes are documented, which need not be where the language is spoken."""
    if measurement.measure not in STEREOTYPE or not measurement.items:
        return []
    regions = words.regions(measurement)
    top = sorted(regions.items(), key=lambda one: (-one[1], one[0]))[:REGIONS_TOLD]
    held = _where_spoken(measurement.scope.language)
    if not top:
        # i18n: {held} is a clause on what was not checked
        return [said("no item says where its stereotype is documented; {held}", held=held)]
    (region, n), *others = top
    total = len(measurement.items)
    if not others:
        return [
            # i18n: {n} of the items; {held} is a clause on what was not checked
            said_n(
                "of {total} items, {n} is documented for {region}; {held}",
                "of {total} items, {n} are documented for {region}; {held}",
                n,
                total=total,
                region=Label(region),
                held=held,
            )
        ]
    # i18n: so many items for a region, in a list of such
    further = [said("{n} for {region}", n=count, region=Label(name)) for name, count in others]
    return [
        # i18n: {n} of the items; {others} is a list as in "3 for Kenya, 2 for Peru"; {held} is a clause
        said_n(
            "of {total} items, {n} is documented for {region}, {others}; {held}",
            "of {total} items, {n} are documented for {region}, {others}; {held}",
            n,
            total=total,
            region=Label(region),
            others=Listed(tuple(further), joined=False),
            held=held,
        )
    ]


def _where_spoken(language: str) -> str:
    if not language:
        return said("whether the stereotypes are held where these languages are spoken was not checked")
    return said(
        "whether the stereotypes are held where {language} is spoken was not checked", language=LanguageName(language)
    )


def _about_the_words(measurement: Measurement, words: Words) -> list[str]:
    texts = words.behind(measurement)
    raw, translated = sum(text.unreviewed for text in texts), sum(text.translated for text in texts)
    told: list[str] = []
    if raw:
        told.append(
            said(
                "{n} of {total} texts were written by a machine and reviewed by no native speaker",
                n=raw,
                total=len(texts),
            )
        )
    if not translated or measurement.measure not in CULTURE:
        return told
    counts = {"n": translated, "total": len(texts)}
    if words.mostly_translated(measurement):
        return [
            *told,
            said(
                "{n} of {total} texts are translations, which cannot carry a claim about a culture, so nothing is "
                "claimed",
                **counts,
            ),
        ]
    return [
        *told,
        said("{n} of {total} texts are translations, which cannot carry a claim about a culture", **counts),
    ]
