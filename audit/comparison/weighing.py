"""compare(): every measure that both runs have, subtracted, corrected for its family, and given a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from audit.comparison import behaviour, features, inside
from audit.comparison.pairing import Compared, Pair, pair
from audit.comparison.records import Comparison, Difference, NotComparable, Outcome
from audit.findings import FAMILIES as FAMILIES_OF_FINDINGS
from audit.findings import FAMILY_LEVEL, Family, filled
from audit.measures import MEASURES
from audit.measures.feature_tables import LATENTS, looked_at
from audit.measures.statistics import detectable_distance, holm
from audit.records import Estimate, Evidence, Finding, Scope, Undefined
from audit.wording import said

# measure -> its differences; the order is that of printing
COMPARED: Mapping[str, Callable[[Pair], Iterator[Compared]]] = {
    "competence": behaviour.competence,
    "bits_per_byte": behaviour.bits_per_byte,
    "stereotype_effect": behaviour.stereotype_effect,
    "standardised_effect": behaviour.standardised_effect,
    "control_effect": behaviour.control_effect,
    "causal_shared_token_score": behaviour.causal_shared_token_score,
    "culture_knowledge": behaviour.culture_knowledge,
    "knowledge_gap": behaviour.knowledge_gap,
    "knowledge_diversity": behaviour.knowledge_diversity,
    "content_tracking": behaviour.content_tracking,
    "values_lean": behaviour.values_lean,
    "paraphrase_agreement": behaviour.paraphrase_agreement,
    "dilemma_lean": behaviour.dilemma_lean,
    "language_shift": behaviour.language_shift,
    "circuit_share": inside.circuit_share,
    "circuit_sufficiency": inside.circuit_sufficiency,
    "circuit_strength": inside.circuit_strength,
    "circuit_controls": inside.circuit_controls,
    "circuit_transfer": inside.circuit_transfer,
    "representation_capacity": features.representation_capacity,
    "representation_gap": features.representation_gap,
    "pathway_capacity": features.pathway_capacity,
    "pathway_gap": features.pathway_gap,
    "context_activation": features.context_activation,
    "framework_capacity": features.framework_capacity,
    "framework_difference": features.framework_difference,
    "steering_capacity": features.steering_capacity,
    "steering_difference": features.steering_difference,
}
# Measures without a value per item whose difference has no interval that was shown to hold: docs/comparing.md.
REFUSED: Mapping[str, str] = {
    "language_dependent_judgement": said(
        "a ratio of variance components that are cut at zero; compare language_shift and dilemma_lean by language"
    ),
    "circuit_overlap": said(
        "compares nodes of two languages within a run; see the rank correlation of the nodes of the two runs"
    ),
    "screening_error": said("tells how well the quick estimate ranks nodes in one run, nothing of the model"),
    "representation_diversity": said(
        "a number that is plausible given the errors of the capacities, not a mean of items; "
        "compare representation_capacity by culture"
    ),
    "underrepresentation": said("combines lenses after ranking within a run; compare the gaps lens by lens"),
    "framework_balance": said(
        "a number that is plausible given the errors of the capacities, not a mean of items; "
        "compare framework_capacity and framework_difference"
    ),
    "framework_conflict": said("counts what is high within its own run, so the same count may mean other activations"),
    "latent_effect": said("rests on latents that each run chose for itself"),
}
# The families of the findings, fixed before any run, and one that puts a language's effects on its own scale.
FAMILIES = (
    *(family for family in FAMILIES_OF_FINDINGS if family.measure in COMPARED),
    Family(
        name="standardised stereotypes by language", measure="standardised_effect", per=("language",), confirmatory=True
    ),
)
MARGINS: Mapping[str, float] = {entry.name: entry.margin for entry in MEASURES}


def compare(
    a: Evidence,
    b: Evidence,
    *,
    findings_a: Sequence[Finding] = (),
    findings_b: Sequence[Finding] = (),
    alpha: float = FAMILY_LEVEL,
    power: float = 0.8,
) -> Comparison:
    """All differences B - A between two runs, on the items that both were asked in the same words.

    Args:
        a: the run to start from.
        b: the run that is set against it.
        findings_a: of run A; differences then name the finding of the same measure and scope.
        findings_b: of run B.
        alpha: chance of any false alarm in a family (Holm 1979).
        power: with which a `detectable` difference would have been found.

    Raises:
        UsageError: the same run twice, or no item in common.
        RunError: tables that do not fit together.
    """
    both = pair(a, b)
    found = {name: list(differences(both)) for name, differences in COMPARED.items()}
    ids = [_ids(findings) for findings in (findings_a, findings_b)]
    differences: list[Difference] = []
    for family in FAMILIES:
        members = [one for one in found[family.measure] if _belongs(one.measurement.scope, family)]
        differences += _corrected(both, family, members, ids[0], ids[1], alpha=alpha, power=power)
    return Comparison(
        run_a=a.manifest,
        run_b=b.manifest,
        same_items=both.same,
        only_a=both.only_a,
        only_b=both.only_b,
        not_comparable=(*both.not_comparable, *_refused(a, b, both)),
        differences=tuple(differences),
        nodes=tuple(inside.node_changes(both, alpha=alpha)),
        likenesses=tuple(inside.likenesses(both)),
        notes=tuple(_notes(both)),
    )


def _belongs(scope: Scope, family: Family) -> bool:
    return filled(scope) == family.per and family.lens in ("", scope.lens)


def _ids(findings: Sequence[Finding]) -> dict[tuple[str, Scope], str]:
    return {(one.measurement.measure, one.measurement.scope): one.id for one in findings}


def _corrected(
    both: Pair,
    family: Family,
    members: Sequence[Compared],
    ids_a: Mapping[tuple[str, Scope], str],
    ids_b: Mapping[tuple[str, Scope], str],
    *,
    alpha: float,
    power: float,
) -> Iterator[Difference]:
    """Differences of one family. What cannot be interpreted or computed stays in the count with p = 1."""
    if not members:
        return
    barred = [both.barred(one.measurement) for one in members]
    adjusted = holm([1.0 if why else _p(one) for why, one in zip(barred, members, strict=True)])
    for one, why, p in zip(members, barred, adjusted, strict=True):
        measurement = one.measurement
        estimate = _with_margin(one, n_tests=len(members), alpha=alpha, power=power)
        untested = bool(why) or isinstance(estimate, Undefined)
        notes = (*measurement.notes, *one.notes, *((why,) if why else _tie(estimate, one.floor)))
        key = (measurement.measure, measurement.scope)
        yield Difference(
            measure=measurement.measure,
            scope=measurement.scope,
            family=family.name,
            family_size=len(members),
            confirmatory=family.confirmatory,
            estimate=estimate,
            p_adjusted=None if untested else float(p),
            verdict=_verdict(estimate, float(p), one.floor, barred=bool(why), alpha=alpha),
            value_a=one.value_a,
            value_b=one.value_b,
            noise_floor=one.floor,
            finding_a=ids_a.get(key, ""),
            finding_b=ids_b.get(key, ""),
            notes=notes,
        )


def _p(one: Compared) -> float:
    result = one.measurement.result
    return 1.0 if isinstance(result, Undefined) or result.p_value is None else result.p_value


def _with_margin(one: Compared, *, n_tests: int, alpha: float, power: float) -> Estimate | Undefined:
    """The estimate with the measure's margin and the smallest difference it would have shown."""
    measurement = one.measurement
    if isinstance(measurement.result, Undefined):
        return measurement.result
    details = measurement.details
    distance = detectable_distance(
        details["standard_error"], details["degrees_of_freedom"], alpha=alpha / n_tests, power=power
    )
    # Nothing below the noise of the two runs counts, however precisely it is measured.
    return replace(
        measurement.result,
        margin=MARGINS[measurement.measure],
        detectable=max(distance, one.floor or 0.0),
        power=power,
    )


def _verdict(estimate: Estimate | Undefined, p: float, floor: float | None, *, barred: bool, alpha: float) -> Outcome:
    if barred:
        return Outcome.NOT_INTERPRETABLE
    if isinstance(estimate, Undefined):
        return Outcome.UNDEFINED
    return inside.outcome(estimate, p, floor, alpha=alpha)


def _tie(estimate: Estimate | Undefined, floor: float | None) -> tuple[str, ...]:
    """A note where nothing but the noise of the two runs is left."""
    if floor is None or isinstance(estimate, Undefined) or max(abs(estimate.low), abs(estimate.high)) > floor:
        return ()
    return (said("a tie: the whole interval lies within the noise floors of both runs"),)


# --- what is not said -----------------------------------------------------------------------


def _refused(a: Evidence, b: Evidence, both: Pair) -> Iterator[NotComparable]:
    """Whole measures that are not compared, of those that the two runs could have."""
    kinds = {str(kind) for kind in both.a.evidence.items["kind"]}
    looked = [frozenset().union(*looked_at(one).values()) for one in (a, b)]
    inside_both = bool(len(a.nodes) and len(b.nodes))
    having = {
        "language_dependent_judgement": "dilemma" in kinds,
        "circuit_overlap": inside_both,
        "screening_error": inside_both,
    }
    for measure, reason in REFUSED.items():
        if having.get(measure, bool(looked[0] and looked[1])):
            yield NotComparable(what=measure, reason=reason)
    if (LATENTS in looked[0] or LATENTS in looked[1]) and (reason := features.other_sae(both)):
        yield NotComparable(what=LATENTS, reason=reason)
    if inside_both and (reason := inside.other_shape(both)):
        yield NotComparable(what=inside.RANKS, reason=reason)


def _notes(both: Pair) -> Iterator[str]:
    """What stands between the two runs besides the model."""
    one, other = both.a.evidence.manifest, both.b.evidence.manifest
    if one.model.tokenizer_sha256 != other.model.tokenizer_sha256:
        yield said(
            "the models have different tokenizers: effects are of whole answers and can be compared, "
            "levels only in bits per byte"
        )
    for name in sorted({*one.versions, *other.versions}):
        a, b = one.versions.get(name, "–"), other.versions.get(name, "–")
        if a != b:
            yield said("{name} is {a} in A and {b} in B, which can move numbers", name=name, a=a, b=b)
    for name in ("scoring", "looking", "features", "circuits"):
        a, b = (str(manifest.settings.get(name, "–")) for manifest in (one, other))
        if a != b:
            yield said("{name} is {a} in A and {b} in B", name=name, a=a, b=b)
    for run, model in (("A", one.model), ("B", other.model)):
        if model.quantisation:
            yield said(
                "run {run} is of quantised weights ({how}), not of those published", run=run, how=model.quantisation
            )
    for run, manifest in (("A", one), ("B", other)):
        if manifest.noise_floor is None:
            yield said("run {run} measured no noise floor, so no difference is taken for noise", run=run)


def counts(comparison: Comparison) -> dict[Outcome, int]:
    """How many differences have each verdict, in the order of `Outcome`."""
    verdicts = [one.verdict for one in comparison.differences]
    return {outcome: verdicts.count(outcome) for outcome in Outcome}
