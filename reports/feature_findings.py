"""Pages on findings about features: latents active on their own practices, cultures below the others, conflict."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from audit.measures.activation import CHANCE, MARGIN
from audit.records import Estimate, Finding, Kind, Verdict
from audit.suites.languages import language_name
from reports import feature_charts
from reports.blocks import Block, Column, Picture, Table, Text
from reports.case import Case, verdict_counts
from reports.chart_tables import cell_values
from reports.circuit_charts import percent, rows_of
from reports.feature_tables import (
    NO_NUMBER,
    NOT_INTERPRETABLE,
    TOGETHER,
    Features,
    Looked,
    activation_table,
    columns_of,
    lowest_lenses,
    map_cells,
    names_of,
    of_measure,
    one_lens_only,
    target_order,
    titled,
)
from reports.words import interval, listed, number, p_value

MOST_CELLS = 30  # rows of the table of underrepresentation
MOST_ALONE = 12  # cells that are named as low in one lens only


def weighed_pages(case: Case, found: Features) -> tuple[Block, ...]:
    """What the findings say of latents' activity, of underrepresentation and of conflict."""
    return (*_activation(case, found), *_below(case, found), *_conflict(case, found))


def _activation(case: Case, found: Features) -> tuple[Block, ...]:
    cultures = found.of(Kind.CULTURE)
    blocks: list[Block] = []
    for one in cultures:
        table = activation_table(case.findings, one.suite)
        blocks.append(titled("Are a culture's latents active on its own practices?", one, cultures))
        if not table["value"].notna().any():
            blocks.append(Text(text=_nothing_weighed(case, one, "scores", "activity")))
            continue
        text = (
            "For each culture: how often its latents are more active on a text about its own practice than on one "
            "about another culture's, or on a neutral one, in the same facet. 0.5 is guessing, 1 is always. The "
            "latents were chosen on other facets. In bold: the interval lies above chance, or above what latents "
            "chosen for shuffled labels reach where that is more; a verdict needs more than that."
        )
        order = target_order({"": table})
        names = names_of(case, order)
        cells = map_cells(table, names=names, order=order, columns=columns_of(table, found))
        panels = {"Share of texts that the culture's own text is above (AUROC)": cells}
        draw = functools.partial(feature_charts.draw_maps, panels, feature_charts.AUROC_EDGES)
        blocks += [Text(text=text), Picture(draw=draw, alt=_activation_alt(table, names), data=cell_values(panels))]
    return tuple(blocks)


def _nothing_weighed(case: Case, one: Looked, table: str, what: str) -> str:
    if table == "scores" and not len(case.evidence.saes):
        return "Nobody looked: there was no SAE in this run, so there are no latents to be active."
    rows = getattr(case.evidence, table)
    if not (rows["suite"] == one.suite).any():
        return f"Nobody looked: the run has no table of {table} for this suite."
    return f"There is no finding on {what} to show: none could be told from the table of {table}."


def _activation_alt(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    pooled = table[table["language"] == ""]
    sure = [names[row.target] for row in rows_of(pooled) if row.verdict == Verdict.EVIDENCE and row.value > CHANCE]
    even = [names[row.target] for row in rows_of(pooled) if row.uniform]
    text = (
        f"Shows whether cultures' latents tell their own practices, of {len(pooled)} cultures over the readable "
        f"languages: with evidence {listed(sure)}; as active anywhere (within {MARGIN:g} of guessing) {listed(even)}."
    )
    return f"{text} Does not show that a latent stands for a culture, nor that the model uses it."


def _below(case: Case, found: Features) -> tuple[Block, ...]:
    cultures = found.of(Kind.CULTURE)
    blocks: list[Block] = []
    for one in cultures:
        blocks.append(titled("Cultures that are below the others in two lenses", one, cultures))
        findings = of_measure(case.findings, "underrepresentation", one.suite)
        if not findings:
            blocks.append(Text(text=_nothing_weighed(case, one, "capacities", "underrepresentation")))
            continue
        text = (
            "Underrepresented is only said where two lenses agree; one alone may be a property of the lens. The "
            "numbers are gaps to the mean of the other cultures in this suite, in spreads of a single fact (below "
            "zero: less)."
        )
        blocks.append(Text(text=text))
        blocks += _below_cells(case, findings)
    return tuple(blocks)


def _below_cells(case: Case, findings: Sequence[Finding]) -> list[Block]:
    said = [f for f in findings if f.verdict is Verdict.EVIDENCE and _value(f) < 0]
    said.sort(key=lambda f: (f.measurement.scope.language != "", _value(f), f.id))
    counted = listed(f"{n} {verdict}" for verdict, n in verdict_counts(findings) if n)
    names = names_of(case, sorted({f.measurement.scope.culture for f in findings}))
    alone: list[str] = [
        _cell(f, names) for f in findings if one_lens_only(f) and f.verdict is not Verdict.NOT_INTERPRETABLE
    ]
    told = f"{len(findings)} cells (cultures together and by language) were asked about: {counted}."
    judged = [f for f in findings if f.verdict is not Verdict.NOT_INTERPRETABLE and not math.isnan(_value(f))]
    blocks: list[Block]
    if not judged:
        blocks = [Text(text=f"Nothing can be said: no cell could be measured and interpreted. {told}")]
    elif not said:
        blocks = [
            Text(
                text=f"No culture was found below the others in two lenses. {told} That is no proof that all are alike."
            )
        ]
    else:
        columns = (
            Column(title="Culture", width=1.8),
            Column(title="Language", width=1.8),
            Column(title="Second-lowest gap", width=2.2, align="right"),
            Column(title="p adjusted", width=1.1, align="right"),
            Column(title="Below in", width=3.6),
        )
        rows = tuple(_below_row(f, names) for f in said[:MOST_CELLS])
        blocks = [Table(columns=columns, rows=rows), Text(text=told)]
        if len(said) > MOST_CELLS:
            blocks.append(Text(text=f"{len(said) - MOST_CELLS} more cells are in findings.json.", style="small"))
    if alone:
        shown = sorted(alone)[:MOST_ALONE]
        more = [f"{len(alone) - len(shown)} more"] if len(alone) > len(shown) else []
        text = f"Below in one lens only, which is not called underrepresentation: {listed([*shown, *more])}."
        blocks.append(Text(text=text, style="small"))
    text = (
        "Does not show why (little text, a hard script, the suite's choice of facts), nor that a culture above the "
        "others is represented well."
    )
    return [*blocks, Text(text=text, style="small")]


def _value(finding: Finding) -> float:
    result = finding.measurement.result
    return result.value if isinstance(result, Estimate) else math.nan


def _cell(finding: Finding, names: Mapping[str, str]) -> str:
    scope = finding.measurement.scope
    return f"{names[scope.culture]} ({language_name(scope.language) if scope.language else TOGETHER})"


def _below_row(finding: Finding, names: Mapping[str, str]) -> tuple[str, ...]:
    scope, result = finding.measurement.scope, finding.measurement.result
    assert isinstance(result, Estimate)
    details = finding.measurement.details
    lenses = [f"{lens} {number(details[f'gap_{lens}'], decimals=1)}" for lens in lowest_lenses(finding)]
    return (
        names[scope.culture],
        language_name(scope.language) if scope.language else TOGETHER,
        f"{number(result.value, decimals=1)} ({interval(result, decimals=1)})",
        p_value(finding.p_adjusted),
        ", ".join(lenses),
    )


def _conflict(case: Case, found: Features) -> tuple[Block, ...]:
    suites = found.of(Kind.DILEMMA)
    blocks: list[Block] = []
    for one in suites:
        blocks.append(titled("Dilemmas on which both frameworks' latents are active", one, suites))
        findings = of_measure(case.findings, "framework_conflict", one.suite)
        known = [f for f in findings if isinstance(f.measurement.result, Estimate)]
        if not known:
            reasons = Counter(getattr(f.measurement.result, "reason", "") for f in findings)
            why = f" ({'; '.join(case.spelled_out(reason) for reason in reasons)})" if reasons else ""
            blocks.append(Text(text=_nothing_weighed(case, one, "scores", "conflict") + why))
            continue
        columns = (
            Column(title="Language", width=2.2),
            Column(title="Both active", width=2.4, align="right"),
            Column(title="By chance", width=1.2, align="right"),
            Column(title="Verdict", width=2.6),
        )
        place = {code: i for i, code in enumerate(("", *found.languages))}
        known.sort(key=lambda f: place.get(f.measurement.scope.language, len(place)))
        text = (
            "A dilemma sets two frameworks against each other. Share of dilemmas on which the latents of both are more "
            "active than on nine in ten neutral statements; by chance: with the pairs of frameworks dealt out anew."
        )
        limit = (
            "Does not show that the model weighs two views: topics bring latents with them. Neither more nor less is "
            "good."
        )
        blocks += [
            Text(text=text),
            Table(columns=columns, rows=tuple(map(_conflict_row, known))),
            Text(text=limit, style="small"),
        ]
    return tuple(blocks)


def _conflict_row(finding: Finding) -> tuple[str | Verdict, ...]:
    language, result = finding.measurement.scope.language, finding.measurement.result
    assert isinstance(result, Estimate)
    barred = finding.verdict is Verdict.NOT_INTERPRETABLE
    null = NO_NUMBER if result.null is None or barred else percent(result.null)
    shares = f"{percent(result.value)} ({percent(result.low)} to {percent(result.high)})"
    name = language_name(language) if language else TOGETHER
    return (name, NOT_INTERPRETABLE if barred else shares, null, finding.verdict)
