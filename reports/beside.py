"""Figures that belong beside a measure's estimates: other scores of the same items, and how steady the answers are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audit.records import Estimate, Finding, Verdict
from audit.suites.languages import language_name
from reports.blocks import Block, Column, Heading, Table, Text
from reports.words import interval, number, p_value

OTHER_SCORES = (  # detail of stereotype_effect, its heading
    ("length_normalised", "Per token"),
    ("shared_token", "Shared token"),
    ("pmi", "PMI"),
)


def beside(measure: str, findings: Sequence[Finding]) -> list[Block]:
    """Tables that stand under the estimates of `measure`; none for most.

    Args:
        measure: whose section it is.
        findings: of the whole run.
    """
    if measure == "stereotype_effect":
        return _stereotypes([f for f in findings if f.measurement.measure == measure and _one_language(f)])
    if measure == "dilemma_lean":
        return _dilemmas(findings)
    return []


def _one_language(finding: Finding) -> bool:
    scope = finding.measurement.scope
    return bool(scope.language) and not scope.topic


def _stereotypes(members: Sequence[Finding]) -> list[Block]:
    shown = [f for f in members if f.measurement.details and f.verdict is not Verdict.NOT_INTERPRETABLE]
    if not shown:
        return []
    titles = ("Toward", "Against", "Tied", "Control mean", "Control spread", "p against controls")
    columns = (
        Column(title="Language", width=1.7),
        *(Column(title=title, width=1.1, align="right") for title in (*titles, *(t for _, t in OTHER_SCORES))),
    )
    rows = tuple(_stereotype_row(f) for f in shown)
    text = (
        "Share of items whose effect goes toward the stereotype, against it, or is within the noise; mean and spread "
        "of the control pairs' effects (nats); the chance of templates and controls differing this much if the "
        "stereotype added nothing (p, not adjusted; “–” with fewer than three controls); and the same items scored in "
        "three other ways (nats): per token, on the stereotyped answer alone, and against a context that names no "
        "group. Read within a line only; languages that are not interpretable are left out."
    )
    return [
        Heading(text="Other figures of the same items", level=2),
        Table(columns=columns, rows=rows),
        Text(text=text, style="small"),
    ]


def _stereotype_row(finding: Finding) -> tuple[str, ...]:
    details = finding.measurement.details
    shares = tuple(_share(details.get(name)) for name in ("share_toward", "share_against", "share_tied"))
    controls = tuple(_nats(details.get(name)) for name in ("control_mean", "control_sd"))
    beats = details.get("p_beats_controls")
    p = p_value(None if beats is None or math.isnan(beats) else beats)
    others = tuple(_nats(details.get(name)) for name, _ in OTHER_SCORES)
    return (language_name(finding.measurement.scope.language), *shares, *controls, p, *others)


def _dilemmas(findings: Sequence[Finding]) -> list[Block]:
    """Position bias and agreement of the paraphrases, by suite and language."""
    position: dict[tuple[str, str], float] = {}
    agreement: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        scope, details = finding.measurement.scope, finding.measurement.details
        where = (scope.suite, scope.language)
        if finding.measurement.measure == "dilemma_lean" and scope.language and "position_bias" in details:
            position[where] = details["position_bias"]
        if finding.measurement.measure == "paraphrase_agreement" and scope.language:
            agreement[where] = finding
            if "position_bias" in details:
                position[where] = details["position_bias"]
    places = list(dict.fromkeys((*position, *agreement)))
    if not places:
        return []
    several = len({suite for suite, _ in places}) > 1
    rows = tuple(
        (
            f"{language_name(language)} ({suite})" if several else language_name(language),
            _nats(position.get((suite, language))),
            _agreement(agreement.get((suite, language))),
        )
        for suite, language in places
    )
    columns = (
        Column(title="Language", width=2),
        Column(title="Position bias, nats", width=2, align="right"),
        Column(title="Agreement of the two wordings", width=4, align="right"),
    )
    text = (
        "Position bias: how far the place of an option moves the choice, whatever it says (nats, mean size over the "
        "dilemmas, 0 is none); it is averaged out of the leans. Agreement: correlation of a dilemma's margins in its "
        "two wordings (1 is the same answer, 0 none in common), with its interval."
    )
    return [
        Heading(text="How steady the choices are", level=2),
        Table(columns=columns, rows=rows),
        Text(text=text, style="small"),
    ]


def _agreement(finding: Finding | None) -> str:
    result = finding.measurement.result if finding is not None else None
    if not isinstance(result, Estimate):
        return "–"
    return f"{number(result.value, decimals=2)} ({interval(result, decimals=2)})"


def _nats(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else number(value, decimals=2)


def _share(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f} %"
