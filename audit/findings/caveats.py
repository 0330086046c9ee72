"""What a reader must know before leaning on a finding, in plain sentences; the same for every measure."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

from audit.measures.competence import unreadable
from audit.measures.statistics import ALPHA
from audit.measures.view import View
from audit.records import Estimate, Measurement, Scope, Undefined

FEW_CLUSTERS = 8
MANY_TIES = 0.1
STEREOTYPE = ("stereotype_effect", "standardised_effect")


def caveats_of(
    view: View, measured: Mapping[str, Sequence[Measurement]]
) -> Callable[[Measurement, bool], tuple[str, ...]]:
    """A function (measurement, confirmatory) -> caveats, with what it needs to know looked up once."""
    provenance = _provenance(view)
    unread = unreadable(view)
    moving_controls = {(m.scope.suite, m.scope.language): m for m in measured["control_effect"] if _moves(m)}
    model = view.evidence.manifest.model
    no_floor = view.evidence.manifest.noise_floor is None

    def caveats(measurement: Measurement, confirmatory: bool) -> tuple[str, ...]:
        said = list(measurement.notes)
        if not confirmatory:
            said.append("exploratory: a lead to follow, not a result to rest a headline on")
        said += _about_the_number(measurement)
        said += _about_controls(measurement, moving_controls)
        said += _about_the_words(measurement, provenance, unread)
        if model.quantisation:
            said.append(f"weights are quantised ({model.quantisation}); nothing is said about the published weights")
        if no_floor:
            said.append("this run measured no noise floor, so effects of numerical noise are not told apart")
        return tuple(dict.fromkeys(said))

    return caveats


def _about_the_number(measurement: Measurement) -> list[str]:
    result = measurement.result
    if isinstance(result, Undefined):
        return []
    said = []
    if result.n_clusters < FEW_CLUSTERS:
        said.append(f"rests on only {result.n_clusters} independent items")
    ties = measurement.details.get("share_tied", 0.0)
    if ties > MANY_TIES:
        said.append(f"{ties:.0%} of the items are ties within the noise floor")
    if measurement.measure in ("knowledge_gap", "culture_knowledge", "knowledge_diversity"):
        said.append("one lens only (knowledge); says nothing about how a culture is represented otherwise")
    if measurement.measure in ("bits_per_byte", "stereotype_effect"):
        said.append("not to be compared with the number of another language")
    return said


def _about_controls(measurement: Measurement, moving: Mapping[tuple[str, str], Measurement]) -> list[str]:
    if measurement.measure not in STEREOTYPE:
        return []
    suite, language = measurement.scope.suite, measurement.scope.language
    hit = [m for (of, where), m in moving.items() if of == suite and language in ("", where)]
    return [_moving_controls(m) for m in hit]


def _moving_controls(measurement: Measurement) -> str:
    result = measurement.result
    assert isinstance(result, Estimate)
    return (
        f"control pairs without social meaning move too in {measurement.scope.language} "
        f"(mean {result.value:+.2f} nats, p = {result.p_value:.3f}): part of the effect may come from the suite's form"
    )


def _moves(measurement: Measurement) -> bool:
    result = measurement.result
    return isinstance(result, Estimate) and result.p_value is not None and result.p_value < ALPHA


def _provenance(view: View) -> dict[str, dict[str, tuple[bool, bool]]]:
    """suite/item -> language -> (written by a machine and reviewed by nobody, translated)."""
    items = view.evidence.items
    names = ("suite", "item", "language", "author", "reviewed", "origin")
    found: dict[str, dict[str, tuple[bool, bool]]] = {}
    for suite, item, language, author, reviewed, origin in zip(*(items[n].tolist() for n in names), strict=True):
        words = (author == "machine" and reviewed == 0, origin == "translated")
        found.setdefault(f"{suite}/{item}", {})[language] = words
    return found


def _about_the_words(
    measurement: Measurement,
    provenance: Mapping[str, Mapping[str, tuple[bool, bool]]],
    unread: Container[str],
) -> list[str]:
    words = [
        words
        for item in measurement.items
        for language, words in provenance.get(item, {}).items()
        if _in_scope(language, measurement.scope, unread)
    ]
    raw, translated = sum(words_[0] for words_ in words), sum(words_[1] for words_ in words)
    said = []
    if raw:
        said.append(f"{raw} of {len(words)} texts were written by a machine and reviewed by no native speaker")
    if translated:
        said.append(f"{translated} of {len(words)} texts are translations, which cannot carry a claim about a culture")
    return said


def _in_scope(language: str, scope: Scope, unread: Container[str]) -> bool:
    if not scope.language:
        return language not in unread  # what speaks of all languages is pooled over the readable ones
    return language in (scope.language, scope.other_language)
