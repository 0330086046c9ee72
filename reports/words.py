"""How ids, languages and numbers read in print. The only place of the report that rounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from audit.records import Estimate, Scope, SuiteRecord
from audit.suites.languages import language_name

SCOPE_TITLES = {
    "suite": "Suite",
    "language": "Language",
    "other_language": "Compared with",
    "topic": "Topic",
    "culture": "Culture",
    "framework": "Framework",
    "other_framework": "Compared with framework",
    "lens": "Lens",
}


def humanised(identifier: str) -> str:
    """An id as words: "stereotype_effect" -> "Stereotype effect"."""
    words = identifier.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def scope_fields(scope: Scope) -> tuple[str, ...]:
    """Names of the scope's fields that are not empty, in reading order."""
    return tuple(name for name in SCOPE_TITLES if getattr(scope, name))


def scope_word(scope: Scope, name: str, *, labels: Mapping[str, str]) -> str:
    """One field of a scope as it is printed; "all" where the scope does not restrict it."""
    value: str = getattr(scope, name)
    if not value:
        return "all"
    if name in ("language", "other_language"):
        return language_name(value)
    return value if name == "suite" else labels.get(value) or humanised(value)


def all_labels(suites: Iterable[SuiteRecord]) -> dict[str, str]:
    """Labels of all suites; where two suites name one id differently, the first suite's."""
    merged: dict[str, str] = {}
    for suite in suites:
        merged = {**suite.labels, **merged}
    return merged


def number(value: float, *, decimals: int) -> str:
    """A number with a true minus sign and no negative zero."""
    if not math.isfinite(value):
        return "not finite" if math.isnan(value) else ("−∞" if value < 0 else "∞")
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def decimals_for(estimates: Iterable[Estimate]) -> int:
    """Decimals that show two digits of the typical uncertainty, between 0 and 4."""
    widths = sorted((e.high - e.low) / 2 for e in estimates if 0 < e.high - e.low < math.inf)
    if not widths:
        return 2
    return min(4, max(0, 1 - math.floor(math.log10(widths[len(widths) // 2]))))


def interval(estimate: Estimate, *, decimals: int) -> str:
    """Bounds as printed: "0.12 to 0.48"."""
    return f"{number(estimate.low, decimals=decimals)} to {number(estimate.high, decimals=decimals)}"


def p_value(p: float | None) -> str:
    """A p value as printed; a dash where nothing was tested."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def listed(words: Iterable[str]) -> str:
    """Words as an English list: "a, b and c"."""
    parts = list(words)
    return parts[0] if len(parts) == 1 else " and ".join((", ".join(parts[:-1]), parts[-1])) if parts else "none"
