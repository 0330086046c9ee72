"""Pages on findings about features: latents active on their own practices, cultures below the others, conflict."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from audit.measures.activation import CHANCE, MARGIN
from audit.records import Estimate, Finding, Kind, Verdict
from audit.wording import _, name_of, ngettext, spoken
from reports import feature_charts
from reports.blocks import Block, Column, Picture, Table, Text
from reports.case import Case, counted_verdicts
from reports.chart_tables import cell_values
from reports.circuit_charts import rows_of
from reports.feature_tables import (
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
from reports.words import (
    NO_NUMBER,
    UNREAD_SIGN,
    and_more,
    between,
    figure,
    in_row,
    in_series,
    interval,
    lens_name,
    listed,
    number,
    p_value,
    percent,
    together,
    with_interval,
)

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
        blocks.append(titled(_("Are a culture's latents active on its own practices?"), one, cultures))
        if not table["value"].notna().any():
            blocks.append(Text(text=_nothing_weighed(case, one, "scores")))
            continue
        text = _(
            "For each culture: how often its latents are more active on a text about its own practice than on one "
            "about another culture's, or on a neutral one, in the same facet. 0.5 is guessing, 1 is always. The "
            "latents were chosen on other facets. In bold: the interval lies above chance, or above what latents "
            "chosen for shuffled labels reach where that is more; a verdict needs more than that."
        )
        order = target_order({"": table})
        names = names_of(case, order)
        cells = map_cells(table, names=names, order=order, columns=columns_of(table, found))
        panels = {_("Share of texts that the culture's own text is above (AUROC)"): cells}
        draw = functools.partial(feature_charts.draw_maps, panels, feature_charts.AUROC_EDGES)
        blocks += [Text(text=text), Picture(draw=draw, alt=_activation_alt(table, names), data=cell_values(panels))]
    return tuple(blocks)


def _nothing_weighed(case: Case, one: Looked, table: str) -> str:
    if table == "scores" and not len(case.evidence.saes):
        return _("Nobody looked: there was no SAE in this run, so there are no latents to be active.")
    rows = getattr(case.evidence, table)
    if not (rows["suite"] == one.suite).any():
        # i18n: {table} is the name of a file of the run
        return _("Nobody looked: the run has no table of {table} for this suite.", table=table)
    return _("There is no finding to show: none could be told from the table of {table}.", table=table)


def _activation_alt(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    pooled = table[table["language"] == ""]
    sure = [names[row.target] for row in rows_of(pooled) if row.verdict == Verdict.EVIDENCE and row.value > CHANCE]
    even = [names[row.target] for row in rows_of(pooled) if row.uniform]
    text = ngettext(
        "Shows whether cultures' latents tell their own practices, of {n} culture over the readable languages: with "
        "evidence {sure}; as active anywhere (within {margin} of guessing) {even}.",
        "Shows whether cultures' latents tell their own practices, of {n} cultures over the readable languages: with "
        "evidence {sure}; as active anywhere (within {margin} of guessing) {even}.",
        len(pooled),
        sure=listed(sure),
        margin=figure(MARGIN, 6),
        even=listed(even),
    )
    return together(text, _("Does not show that a latent stands for a culture, nor that the model uses it."))


def _below(case: Case, found: Features) -> tuple[Block, ...]:
    cultures = found.of(Kind.CULTURE)
    blocks: list[Block] = []
    for one in cultures:
        blocks.append(titled(_("Cultures that are below the others in two lenses"), one, cultures))
        findings = of_measure(case.findings, "underrepresentation", one.suite)
        if not findings:
            blocks.append(Text(text=_nothing_weighed(case, one, "capacities")))
            continue
        text = _(
            "Underrepresented is only said where two lenses agree; one alone may be a property of the lens. The "
            "numbers are gaps to the mean of the other cultures in this suite, in spreads of a single fact (below "
            "zero: less)."
        )
        blocks.append(Text(text=text))
        blocks += _below_cells(case, findings)
    return tuple(blocks)


def _below_cells(case: Case, findings: Sequence[Finding]) -> list[Block]:
    below = [f for f in findings if f.verdict is Verdict.EVIDENCE and _value(f) < 0]
    below.sort(key=lambda f: (f.measurement.scope.language != "", _value(f), f.id))

    names = names_of(case, sorted({f.measurement.scope.culture for f in findings}))
    alone: list[str] = [
        _cell(f, names) for f in findings if one_lens_only(f) and f.verdict is not Verdict.NOT_INTERPRETABLE
    ]
    # i18n: cells of a table of cultures by languages; {counts} are verdicts, as in "3 evidence and 9 ..."
    told = ngettext(
        "{n} cell (cultures together and by language) was asked about: {counts}.",
        "{n} cells (cultures together and by language) were asked about: {counts}.",
        len(findings),
        counts=counted_verdicts(findings),
    )
    judged = [f for f in findings if f.verdict is not Verdict.NOT_INTERPRETABLE and not math.isnan(_value(f))]
    blocks: list[Block]
    if not judged:
        nothing = _("Nothing can be said: no cell could be measured and interpreted.")
        blocks = [Text(text=together(nothing, told))]
    elif not below:
        none = _("No culture was found below the others in two lenses.")
        blocks = [Text(text=together(none, told, _("That is no proof that all are alike.")))]
    else:
        columns = (
            Column(title=_("Culture"), width=1.8),
            Column(title=_("Language"), width=1.8),
            # i18n: heading of a column: a culture's gap to the others in the lens where it is second lowest
            Column(title=_("Second-lowest gap"), width=2.2, align="right"),
            Column(title=_("p adjusted"), width=1.1, align="right"),
            # i18n: heading of a column: the lenses in which a culture is below the others
            Column(title=_("Below in"), width=3.6),
        )
        rows = tuple(_below_row(f, names) for f in below[:MOST_CELLS])
        blocks = [Table(columns=columns, rows=rows), Text(text=told)]
        if len(below) > MOST_CELLS:
            left = ngettext(
                "{n} more cell is in findings.json.", "{n} more cells are in findings.json.", len(below) - MOST_CELLS
            )
            blocks.append(Text(text=left, style="small"))
    if alone:
        text = _(
            "Below in one lens only, which is not called underrepresentation: {cells}.",
            cells=and_more(sorted(alone), most=MOST_ALONE),
        )
        blocks.append(Text(text=text, style="small"))
    text = _(
        "Does not show why (little text, a hard script, the suite's choice of facts), nor that a culture above the "
        "others is represented well."
    )
    return [*blocks, Text(text=text, style="small")]


def _value(finding: Finding) -> float:
    result = finding.measurement.result
    return result.value if isinstance(result, Estimate) else math.nan


def _cell(finding: Finding, names: Mapping[str, str]) -> str:
    scope = finding.measurement.scope
    return f"{names[scope.culture]} ({_where(scope.language)})"


def _where(language: str) -> str:
    """A language, or all that are read."""
    return name_of(language) if language else _(TOGETHER)


def _below_row(finding: Finding, names: Mapping[str, str]) -> tuple[str, ...]:
    scope, result = finding.measurement.scope, finding.measurement.result
    assert isinstance(result, Estimate)
    details = finding.measurement.details
    lenses = [f"{lens_name(lens)} {number(details[f'gap_{lens}'], decimals=1)}" for lens in lowest_lenses(finding)]
    return (
        names[scope.culture],
        _where(scope.language),
        with_interval(number(result.value, decimals=1), interval(result, decimals=1)),
        p_value(finding.p_adjusted),
        in_row(lenses),
    )


def _conflict(case: Case, found: Features) -> tuple[Block, ...]:
    suites = found.of(Kind.DILEMMA)
    blocks: list[Block] = []
    for one in suites:
        blocks.append(titled(_("Dilemmas on which both frameworks' latents are active"), one, suites))
        findings = of_measure(case.findings, "framework_conflict", one.suite)
        known = [f for f in findings if isinstance(f.measurement.result, Estimate)]
        if not known:
            reasons = dict.fromkeys(getattr(f.measurement.result, "reason", "") for f in findings)
            why = f"({in_series(case.spelled_out(spoken(reason)) for reason in reasons)})" if reasons else ""
            blocks.append(Text(text=together(_nothing_weighed(case, one, "scores"), why)))
            continue
        columns = (
            Column(title=_("Language"), width=2.2),
            # i18n: heading of a column: share of dilemmas on which the latents of both frameworks are active
            Column(title=_("Both active"), width=2.4, align="right"),
            Column(title=_("By chance"), width=1.2, align="right"),
            Column(title=_("Verdict"), width=2.6),
        )
        place = {code: i for i, code in enumerate(("", *found.languages))}
        known.sort(key=lambda f: place.get(f.measurement.scope.language, len(place)))
        text = _(
            "A dilemma sets two frameworks against each other. Share of dilemmas on which the latents of both are more "
            "active than on nine in ten neutral statements; by chance: with the pairs of frameworks dealt out anew."
        )
        limit = _(
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
    shares = with_interval(percent(result.value), between(percent(result.low), percent(result.high)))
    return (_where(language), _(UNREAD_SIGN) if barred else shares, null, finding.verdict)
