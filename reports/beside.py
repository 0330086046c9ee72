"""Figures that belong beside a measure's estimates: other scores of the same items, and how steady the answers are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audit.records import Estimate, Finding, Verdict
from audit.wording import N_, _, name_of
from reports.blocks import Block, Column, Heading, Table, Text
from reports.words import NO_NUMBER, interval, number, p_value, percent, with_interval

OTHER_SCORES = (  # detail of stereotype_effect, its heading
    # i18n: heading of a column of effects, divided by the number of tokens of the answer
    ("length_normalised", N_("Per token")),
    # i18n: heading of a column of effects, on the stereotyped answer alone
    ("shared_token", N_("Shared token")),
    # i18n: heading of a column: pointwise mutual information
    ("pmi", N_("PMI")),
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
    titles = (
        # i18n: heading of a column: share of items whose effect goes toward the stereotype
        _("Toward"),
        # i18n: heading of a column: share of items whose effect goes against the stereotype
        _("Against"),
        # i18n: heading of a column: share of items whose effect is within the noise, neither toward nor against
        _("Tied"),
        _("Control mean"),
        # i18n: heading of a column: the spread (standard deviation) of control pairs' effects
        _("Control spread"),
        _("p against controls"),
    )
    columns = (
        Column(title=_("Language"), width=1.7),
        *(Column(title=title, width=1.1, align="right") for title in (*titles, *(_(t) for _name, t in OTHER_SCORES))),
    )
    rows = tuple(_stereotype_row(f) for f in shown)
    text = _(
        "Share of items whose effect goes toward the stereotype, against it, or is within the noise; mean and spread "
        "of the control pairs' effects (nats); the chance of templates and controls differing this much if the "
        "stereotype added nothing (p, not adjusted; “–” with fewer than three controls); and the same items scored in "
        "three other ways (nats): per token, on the stereotyped answer alone, and against a context that names no "
        "group. Read within a line only; languages that are not interpretable are left out."
    )
    return [
        Heading(text=_("Other figures of the same items"), level=3),
        Table(columns=columns, rows=rows),
        Text(text=text, style="small"),
    ]


def _stereotype_row(finding: Finding) -> tuple[str, ...]:
    details = finding.measurement.details
    shares = tuple(_share(details.get(name)) for name in ("share_toward", "share_against", "share_tied"))
    controls = tuple(_nats(details.get(name)) for name in ("control_mean", "control_sd"))
    beats = details.get("p_beats_controls")
    p = p_value(None if beats is None or math.isnan(beats) else beats)
    others = tuple(_nats(details.get(name)) for name, _title in OTHER_SCORES)
    return (name_of(finding.measurement.scope.language), *shares, *controls, p, *others)


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
    several = len({suite for suite, _language in places}) > 1
    rows = tuple(
        (
            f"{name_of(language)} ({suite})" if several else name_of(language),
            _nats(position.get((suite, language))),
            _agreement(agreement.get((suite, language))),
        )
        for suite, language in places
    )
    columns = (
        Column(title=_("Language"), width=2),
        Column(title=_("Position bias, nats"), width=2, align="right"),
        Column(title=_("Agreement of the two wordings"), width=4, align="right"),
    )
    text = _(
        "Position bias: how far the place of an option moves the choice, whatever it says (nats, mean size over the "
        "dilemmas, 0 is none); it is averaged out of the leans. Agreement: correlation of a dilemma's margins in its "
        "two wordings (1 is the same answer, 0 none in common), with its interval."
    )
    return [
        Heading(text=_("How steady the choices are"), level=3),
        Table(columns=columns, rows=rows),
        Text(text=text, style="small"),
    ]


def _agreement(finding: Finding | None) -> str:
    result = finding.measurement.result if finding is not None else None
    if not isinstance(result, Estimate):
        return NO_NUMBER
    return with_interval(number(result.value, decimals=2), interval(result, decimals=2))


def _nats(value: float | None) -> str:
    return NO_NUMBER if value is None or math.isnan(value) else number(value, decimals=2)


def _share(value: float | None) -> str:
    return NO_NUMBER if value is None or math.isnan(value) else percent(value)
