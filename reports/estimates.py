"""Estimates as charts and tables, one of each for every kind of scope and unit."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

from audit.findings import FAMILY_LEVEL
from audit.records import Estimate, Finding, Undefined, Verdict
from reports.blocks import Block, Column, Dot, Heading, Plot, Table, Text
from reports.case import STRENGTH, Case, surest_first
from reports.words import (
    SCOPE_TITLES,
    decimals_for,
    humanised,
    interval,
    listed,
    number,
    p_value,
    scope_fields,
    scope_word,
)

MOST_ROWS = 150  # per table
SIZE_WITHIN_A_LANGUAGE = ("nats", "bits per byte")  # units whose sizes no picture may set side by side


def charts_and_tables(
    case: Case, measure: str, group: Sequence[Finding], *, level: Literal[2, 3], drawn: bool = True
) -> list[Block]:
    """A table, and if `drawn` a chart, for each kind of scope (by language, by language and topic, ...) and unit."""
    panels: dict[tuple[tuple[str, ...], str], list[Finding]] = {}
    for finding in sorted(group, key=lambda f: len(scope_fields(f.measurement.scope))):
        result = finding.measurement.result
        fields = scope_names(finding)
        unit = result.unit if isinstance(result, Estimate) else _unit_of(group, fields)
        panels.setdefault((fields, unit), []).append(finding)
    blocks: list[Block] = []
    for (fields, unit), members in panels.items():
        if len(panels) > 1:
            blocks.append(Heading(text=scope_title(fields), level=level))
        if drawn:
            blocks += _plots(case, measure, fields, unit, members)
        blocks += _tables(case, fields, unit, members)
    return blocks


def scope_names(finding: Finding) -> tuple[str, ...]:
    """Fields of the scope that a table shows as columns, the suite aside."""
    return tuple(name for name in scope_fields(finding.measurement.scope) if name != "suite")


def scope_title(fields: tuple[str, ...]) -> str:
    """Heading of the estimates that share these fields: "By language and topic"."""
    title = "By " + listed(SCOPE_TITLES[name].lower() for name in fields) if fields else "Overall"
    return title.replace("language and compared with", "pair of languages")


def _unit_of(group: Sequence[Finding], fields: tuple[str, ...]) -> str:
    """Unit of the estimates with the same scope, for a measurement that came to none."""
    for finding in group:
        result = finding.measurement.result
        if isinstance(result, Estimate) and scope_names(finding) == fields:
            return result.unit
    return ""


def _plots(case: Case, measure: str, fields: tuple[str, ...], unit: str, members: Sequence[Finding]) -> list[Plot]:
    drawn = [(f, f.measurement.result) for f in members if isinstance(f.measurement.result, Estimate)]
    if not drawn or unit == "bits per byte":  # languages differ in bytes by letter: there is nothing to see
        return []
    in_errors = unit in SIZE_WITHIN_A_LANGUAGE
    split = len(fields) > 1 and len(drawn) > 14  # one small plot per value of the first field
    suites = {f.measurement.scope.suite for f, _ in drawn}
    dots = []
    for finding, estimate in drawn:
        words = [scope_word(finding.measurement.scope, name, labels=case.labels) for name in fields]
        if len(suites) > 1:
            words.append(finding.measurement.scope.suite or "all suites")
        value, low, high = _in_standard_errors(finding, estimate) if in_errors else _as_measured(estimate)
        dots.append(
            Dot(
                panel=words[0] if split else "",
                label=" · ".join(_marked(case, finding, words[1:] if split else words)) or "all",
                value=value,
                low=low,
                high=high,
                verdict=finding.verdict,
            )
        )
    nulls = {0.0} if in_errors else {e.null for _, e in drawn if e.null is not None}
    null = 0.0 if not nulls else next(iter(nulls)) if len(nulls) == 1 else None
    title, missing = humanised(measure), len(members) - len(drawn)
    if in_errors:
        alt = _alt_in_errors(title, unit, dots, undefined=missing)
    else:
        alt = _alt(title, unit, dots, [e for _, e in drawn], undefined=missing)
    return [
        Plot(
            title=title,
            unit="standard errors from no effect" if in_errors else unit,
            dots=tuple(dots),
            null=null,
            null_label=_null_label(null, tested=bool(nulls)),
            alt=alt,
        )
    ]


def _as_measured(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _in_standard_errors(finding: Finding, estimate: Estimate) -> tuple[float, float, float]:
    """Value and bounds as distances from the null in the estimate's own standard error.

    Where the measure gives no standard error, the one that a normal interval of the same width would have.
    """
    error = finding.measurement.details.get("standard_error")
    if error is None:
        error = (estimate.high - estimate.low) / (2 * NormalDist().inv_cdf((1 + estimate.level) / 2))
    null = estimate.null or 0.0
    if not error > 0:
        return 0.0, 0.0, 0.0
    value, low, high = ((number_ - null) / error for number_ in _as_measured(estimate))
    return value, low, high


def _alt_in_errors(title: str, unit: str, dots: Sequence[Dot], *, undefined: int) -> str:
    """Names what has evidence and ranks nothing: sizes of different languages do not compare."""
    found = [" · ".join(w for w in (d.panel, d.label) if w) for d in dots if d.verdict is Verdict.EVIDENCE]
    shown = listed(found[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "")
    text = (
        f"{title}: each effect and its interval in units of its own standard error, so that the picture shows how far "
        f"from chance an effect is, not how large. Sizes in {unit} are in the table; they do not compare between "
        f"languages. With evidence: {shown}."
    )
    return text + (f" {undefined} without a number are in the table only." if undefined else "")


def _null_label(null: float | None, *, tested: bool) -> str:
    if null is None:
        return "the value without any effect, which differs by row"
    return f"the value without any effect ({null:.3g})" if tested else "zero"


def _alt(title: str, unit: str, dots: Sequence[Dot], estimates: Sequence[Estimate], *, undefined: int) -> str:
    decimals = decimals_for(estimates)

    def told(dot: Dot) -> str:
        name = " · ".join(word for word in (dot.panel, dot.label) if word)
        shown = [number(v, decimals=decimals) for v in (dot.value, dot.low, dot.high)]
        return f"{name}, {shown[0]} ({shown[1]} to {shown[2]})"

    text = f"{title}: estimates with intervals, in {unit}. "
    read = [dot for dot in dots if dot.verdict is not Verdict.NOT_INTERPRETABLE]
    if not read:
        text += "None of them can be interpreted."
    elif len(read) == 1:
        text += f"{told(read[0])}."
    else:
        highest, lowest = max(read, key=lambda d: d.value), min(read, key=lambda d: d.value)
        text += f"Highest: {told(highest)}. Lowest: {told(lowest)}."
    return text + (f" {undefined} without a number are in the table only." if undefined else "")


def _tables(case: Case, fields: tuple[str, ...], unit: str, members: Sequence[Finding]) -> list[Block]:
    shown = members
    if len(members) > MOST_ROWS:
        kept = {f.id for f in sorted(members, key=lambda f: (STRENGTH.index(f.verdict), surest_first(f)))[:MOST_ROWS]}
        shown = [f for f in members if f.id in kept][:MOST_ROWS]
    several = len({f.measurement.scope.suite for f in members}) > 1
    names = (*fields, "suite") if several else fields
    estimates = [f.measurement.result for f in shown if isinstance(f.measurement.result, Estimate)]
    decimals = decimals_for(estimates)
    level = listed(sorted({f"{100 * e.level:g} %" for e in estimates})) if estimates else ""
    detects = any(f.confirmatory for f in members) and any(e.detectable is not None for e in estimates)
    detectable = (Column(title="Detectable", width=1.4, align="right"),) if detects else ()
    chance = any(e.null for e in estimates)  # some value other than zero is what no effect looks like
    by_chance = (Column(title="By chance", width=1.2, align="right"),) if chance else ()
    table = Table(
        columns=(
            *(Column(title=SCOPE_TITLES[name], width=2.0 if detects else 2.6) for name in names or ("suite",)),
            Column(title=f"Estimate, {unit}" if unit else "Estimate", width=1.5, align="right"),
            Column(title=f"{level} interval".strip(), width=2.4, align="right"),
            *by_chance,
            Column(title="Items", width=0.8, align="right"),
            Column(title="p adjusted", width=1.3, align="right"),
            *detectable,
            Column(title="Verdict", width=3.3),
        ),
        rows=tuple(_row(case, names, f, decimals=decimals, detects=detects, chance=chance) for f in shown),
    )
    blocks: list[Block] = [table]
    if detects:
        blocks.append(Text(text=_detectable_text(estimates), style="small"))
    blocks += _undefined_texts(case, fields, shown)
    if len(members) > len(shown):
        more = len(members) - len(shown)
        blocks.append(Text(text=f"{more} more rows are in findings.json; the surest are shown.", style="small"))
    return blocks


def _detectable_text(estimates: Sequence[Estimate]) -> str:
    margins = {f"{e.margin:.2g} {e.unit}" for e in estimates if e.margin is not None}
    against = f" “No evidence” needs it to be at most the smallest that would matter, {listed(sorted(margins))}."
    return (
        "Detectable: the distance from the value without effect that would be found in four of five such audits, at "
        f"the level left to one test of the family ({FAMILY_LEVEL:g} in all)." + (against if margins else "")
    )


def _row(
    case: Case, names: tuple[str, ...], finding: Finding, *, decimals: int, detects: bool, chance: bool
) -> tuple[str | Verdict, ...]:
    scope, result = finding.measurement.scope, finding.measurement.result
    words = _marked(case, finding, [scope_word(scope, name, labels=case.labels) for name in names] or ["all"])
    if isinstance(result, Undefined):
        none = ("–",) * (2 + chance)
        last = ("–",) if detects else ()
        return (*words, "undefined", *none, p_value(finding.p_adjusted), *last, finding.verdict)
    detectable = "–" if result.detectable is None else number(result.detectable, decimals=decimals)
    return (
        *words,
        number(result.value, decimals=decimals),
        interval(result, decimals=decimals),
        *(("–" if result.null is None else number(result.null, decimals=decimals),) if chance else ()),
        str(result.n_clusters),
        p_value(finding.p_adjusted),
        *((detectable,) if detects else ()),
        finding.verdict,
    )


def _marked(case: Case, finding: Finding, words: list[str]) -> list[str]:
    """The words, the first with a mark before it where the finding is contested."""
    return [f"Contested: {words[0]}", *words[1:]] if words and finding.id in case.contested else words


def _undefined_texts(case: Case, fields: tuple[str, ...], members: Sequence[Finding]) -> list[Text]:
    """Each reason once, with the rows it holds for."""
    rows: dict[str, list[str]] = {}
    for finding in members:
        if isinstance(finding.measurement.result, Undefined):
            words = [scope_word(finding.measurement.scope, name, labels=case.labels) for name in fields]
            rows.setdefault(finding.measurement.result.reason, []).append(" · ".join(words) or "all")
    texts = []
    for reason, where in list(rows.items())[:8]:
        shown = "; ".join(where[:12]) + (f"; and {len(where) - 12} more" if len(where) > 12 else "")
        texts.append(Text(text=f"Undefined: {case.spelled_out(reason)} ({shown}).", style="small"))
    if len(rows) > 8:
        texts.append(Text(text=f"{len(rows) - 8} more reasons are in findings.json.", style="small"))
    return texts
