"""How names and numbers read in print, in the language in use. The only place of the report that rounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from audit import terms, wording
from audit.records import MLP, Estimate, Scope, SuiteRecord, Verdict
from audit.terms import LENSES, UNITS, VERDICTS
from audit.wording import N_, _, label, language, name_of, ngettext, spoken

SCOPE_TITLES = {
    "suite": N_("Suite"),
    "language": N_("Language"),
    "other_language": N_("Compared with"),
    "topic": N_("Topic"),
    "culture": N_("Culture"),
    "framework": N_("Framework"),
    "other_framework": N_("Compared with framework"),
    "lens": N_("Lens"),
}
MEASURE_NAMES = {
    "competence": N_("Competence"),
    "bits_per_byte": N_("Bits per byte"),
    "stereotype_effect": N_("Stereotype effect"),
    "control_effect": N_("Control effect"),
    "standardised_effect": N_("Standardised effect"),
    "causal_shared_token_score": N_("Causal shared token score"),
    "culture_knowledge": N_("Culture knowledge"),
    "knowledge_gap": N_("Knowledge gap"),
    "knowledge_diversity": N_("Knowledge diversity"),
    "content_tracking": N_("Content tracking"),
    "values_lean": N_("Values lean"),
    "paraphrase_agreement": N_("Paraphrase agreement"),
    "dilemma_lean": N_("Dilemma lean"),
    "language_dependent_judgement": N_("Language dependent judgement"),
    "language_shift": N_("Language shift"),
    "circuit_share": N_("Circuit share"),
    "circuit_sufficiency": N_("Circuit sufficiency"),
    "circuit_strength": N_("Circuit strength"),
    "circuit_controls": N_("Circuit controls"),
    "circuit_transfer": N_("Circuit transfer"),
    "circuit_overlap": N_("Circuit overlap"),
    "screening_error": N_("Screening error"),
    "representation_capacity": N_("Representation capacity"),
    "representation_gap": N_("Representation gap"),
    "pathway_capacity": N_("Pathway capacity"),
    "pathway_gap": N_("Pathway gap"),
    "representation_diversity": N_("Representation diversity"),
    "underrepresentation": N_("Underrepresentation"),
    "context_activation": N_("Context activation"),
    "framework_capacity": N_("Framework capacity"),
    "framework_difference": N_("Framework difference"),
    "steering_capacity": N_("Steering capacity"),
    "steering_difference": N_("Steering difference"),
    "framework_balance": N_("Framework balance"),
    "framework_conflict": N_("Framework conflict"),
    "latent_effect": N_("Latent effect"),
}
IN_SERIES = {"ar": "؛ ", "fr": "\u202f; ", "zh": "；"}  # what stands between the parts of a series; "; " elsewhere
IN_ROW = {"ar": "، ", "zh": "、"}  # between short names; ", " elsewhere
NO_NUMBER = "–"
# i18n: short for "not interpretable", in a cell of a table or a chart
UNREAD_SIGN = N_("n.i.")


# --- names -----------------------------------------------------------------------------------


def humanised(identifier: str) -> str:
    """An id as words: "stereotype_effect" -> "Stereotype effect". For what has no name of its own."""
    words = identifier.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def measure_name(measure: str) -> str:
    """What a measure is called."""
    return _(MEASURE_NAMES[measure]) if measure in MEASURE_NAMES else humanised(measure)


def verdict_name(verdict: Verdict) -> str:
    """The words of a verdict."""
    return _(VERDICTS[verdict])


def unit_name(unit: str) -> str:
    """A unit alone; "" for none."""
    return spoken(terms.unit_name(unit)) if unit else ""


def amount(value: str, unit: str) -> str:
    """A figure with its unit."""
    return _(UNITS[unit][1], x=value) if unit in UNITS else f"{value} {unit}"


def lens_name(lens: str) -> str:
    """A lens within a sentence."""
    return _(LENSES[lens]) if lens in LENSES else lens


def family_name(family: str) -> str:
    """A family of tests; where it is of one lens, with the lens."""
    name, _comma, lens = family.rpartition(", ")
    if lens not in LENSES:
        return _(family)
    # i18n: a family of tests, and the lens that it is of
    return _("{family}, {lens}", family=_(name), lens=lens_name(lens))


def node_name(layer: int, head: int) -> str:
    """A node of the model: an attention head or the MLP of a layer."""
    # i18n: parts of the model: the MLP of a layer, an attention head of a layer
    return _("MLP {layer}", layer=layer) if head == MLP else _("head {layer}.{head}", layer=layer, head=head)


def started(text: str) -> str:
    """`text` with its first letter as at the start of a sentence."""
    return text[:1].upper() + text[1:]


def scope_fields(scope: Scope) -> tuple[str, ...]:
    """Names of the scope's fields that are not empty, in reading order."""
    return tuple(name for name in SCOPE_TITLES if getattr(scope, name))


def scope_word(scope: Scope, name: str, *, labels: Mapping[str, str]) -> str:
    """One field of a scope as it is printed; "all" where the scope does not restrict it."""
    value: str = getattr(scope, name)
    if not value:
        return everything()
    if name in ("language", "other_language"):
        return name_of(value)
    if name == "suite":
        return value
    return started(lens_name(value)) if value in LENSES else target_name(value, labels)


def everything() -> str:
    """What stands for a scope without bounds."""
    # i18n: all languages, topics or suites together; a cell of a table
    return _("all")


def target_name(identifier: str, labels: Mapping[str, str]) -> str:
    """A topic, culture or framework, by the name that its suite gives it."""
    return label(labels.get(identifier) or humanised(identifier))


def told_by_suite(text: str) -> str:
    """What a suite says of itself in English, its question or its limits, where the catalogue has it."""
    return _(text) if text else ""


def all_labels(suites: Iterable[SuiteRecord]) -> dict[str, str]:
    """English labels of all suites; where two suites name one id differently, the first suite's."""
    merged: dict[str, str] = {}
    for suite in suites:
        merged = {**suite.labels, **merged}
    return merged


# --- numbers ---------------------------------------------------------------------------------


def number(value: float, *, decimals: int) -> str:
    """A number with a true minus sign and no negative zero."""
    if math.isnan(value):
        return _("not finite")
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    return wording.number(value, decimals=decimals).replace("-", "−")


def count(n: float) -> str:
    """A whole number."""
    return number(n, decimals=0)


def figure(value: float, digits: int) -> str:
    """A number rounded to some significant digits, without idle zeros: 0.69, 2, 1e-05."""
    text = f"{value:.{digits}g}"
    return text if "e" in text or not math.isfinite(value) else number(value, decimals=len(text.partition(".")[2]))


def percent(share: float) -> str:
    """A share as a whole percentage: "10 %", "−3 %"."""
    n = round(100 * share)
    if language() == "en":
        return f"{'−' if n < 0 else ''}{abs(n)} %"
    return wording.share(n / 100).replace("-", "−")


def signed_percent(share: float) -> str:
    """A share as a whole percentage with its sign: "+10 %", "−3 %", "0 %"."""
    return f"{'+' if round(100 * share) > 0 else ''}{percent(share)}"


def level_of(estimate: Estimate) -> str:
    """Coverage of an estimate's interval: "95 %"."""
    whole = round(100 * estimate.level)
    if math.isclose(100 * estimate.level, whole):
        return percent(estimate.level)
    return f"{figure(100 * estimate.level, 6)} %"


def decimals_for(estimates: Iterable[Estimate]) -> int:
    """Decimals that show two digits of the typical uncertainty, between 0 and 4."""
    widths = sorted((e.high - e.low) / 2 for e in estimates if 0 < e.high - e.low < math.inf)
    if not widths:
        return 2
    return min(4, max(0, 1 - math.floor(math.log10(widths[len(widths) // 2]))))


def interval(estimate: Estimate, *, decimals: int) -> str:
    """Bounds as printed: "0.12 to 0.48"."""
    return between(number(estimate.low, decimals=decimals), number(estimate.high, decimals=decimals))


def between(low: str, high: str) -> str:
    """Two figures as the bounds of an interval."""
    # i18n: the bounds of an interval, as in "0.12 to 0.48"
    return _("{low} to {high}", low=low, high=high)


def with_interval(value: str, bounds: str) -> str:
    """An estimate with its interval behind it."""
    return f"{value} ({bounds})"


def p_value(p: float | None) -> str:
    """A p value as printed; a dash where nothing was tested."""
    if p is None:
        return NO_NUMBER
    return f"<{number(0.001, decimals=3)}" if p < 0.001 else number(p, decimals=3)


# --- several things --------------------------------------------------------------------------


def listed(words: Iterable[str]) -> str:
    """Words as a list of the language: "a, b and c"."""
    # i18n: instead of a list with nothing in it
    return wording.listed(list(words)) or _("none")


def in_series(parts: Iterable[str]) -> str:
    """Longer parts after each other: "a; b; c"."""
    return IN_SERIES.get(language(), "; ").join(parts)


def in_row(names: Iterable[str]) -> str:
    """Short names after each other: "a, b, c"."""
    return IN_ROW.get(language(), ", ").join(names)


def and_more(names: Iterable[str], *, most: int) -> str:
    """At most so many words as a list, and how many more there are."""
    words = list(names)
    left = len(words) - most
    # i18n: the end of a list that is cut, as in "a, b and 3 more"
    return listed([*words[:most], *([ngettext("{n} more", "{n} more", left)] if left > 0 else [])])


def together(*sentences: str) -> str:
    """Whole sentences after each other; empty ones left out."""
    return ("" if language() == "zh" else " ").join(one for one in sentences if one)


def named(name: str, what: str) -> str:
    """What belongs to a name: "name: what"."""
    # i18n: a name and what belongs to it, as in "Stereotype effect: Swahili"
    return _("{name}: {what}", name=name, what=what)


def of_suite(title: str, suite: str) -> str:
    """A heading that says of which suite its section is."""
    return f"{title} ({suite})"
