"""The numbers of pictures as tables, for who does not see them: from the table of the picture, rounded as it rounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audit.wording import _
from reports.blocks import Column, Table
from reports.circuit_charts import rows_of, short_name
from reports.feature_charts import decimals_of
from reports.judgement_charts import Bars
from reports.people import answer_name
from reports.words import NO_NUMBER, between, count, in_row, number, signed_percent

MOST_NODES = 60  # rows of a table of nodes: large models have thousands


def node_shares(cells: pd.DataFrame) -> Table:
    """Of `node_maps`: nodes by panels, those first that carry most in any panel, at most `MOST_NODES`."""
    panels = list(dict.fromkeys(cells["panel"]))
    wide = cells.pivot_table(index=["layer", "head"], columns="panel", values="share", aggfunc="first", sort=False)
    order = wide.abs().max(axis=1).sort_values(ascending=False, kind="stable").index[:MOST_NODES]
    rows = tuple(
        (short_name(int(layer), int(head)), *(_share(wide.loc[(layer, head)].get(panel)) for panel in panels))
        for layer, head in order
    )
    first = _("Node") if len(rows) == len(wide) else _("Node ({n} strongest of {all})", n=len(rows), all=len(wide))
    return _wide(first, panels, rows)


def curve_points(points: pd.DataFrame) -> Table:
    """Of `curves`."""
    columns = (
        Column(title=_("Language"), width=2),
        # i18n: heading of "necessity" and "sufficiency", the two ways to judge a circuit
        Column(title=_("Part"), width=2),
        Column(title=_("Nodes"), width=1, align="right"),
        Column(title=_("Share of the effect"), width=1.5, align="right"),
        Column(title=_("Interval"), width=2, align="right"),
        Column(title=_("Random circuits"), width=1.5, align="right"),
        Column(title=_("Middle 95 % of them"), width=2, align="right"),
    )
    parts = {"necessity": _("necessity"), "sufficiency": _("sufficiency")}
    rows = tuple(
        (
            str(row.panel),
            parts[row.part],
            count(row.size),
            _share(row.share),
            _range(row.low, row.high),
            _share(row.random_mean),
            _range(row.random_low, row.random_high),
        )
        for row in rows_of(points)
    )
    return Table(columns=columns, rows=rows)


def transfer_shares(cells: pd.DataFrame) -> Table:
    """Of `transfer`: where chosen by where judged."""
    judged = list(dict.fromkeys(cells["judged"]))
    shown = {
        (row.chosen, row.judged): _share(row.share) if math.isfinite(row.share) else str(row.word)
        for row in rows_of(cells)
    }
    rows = tuple(
        (chosen, *(shown.get((chosen, name), NO_NUMBER) for name in judged))
        for chosen in dict.fromkeys(cells["chosen"])
    )
    return _wide(_("Chosen in"), judged, rows)


def layer_readings(lines: pd.DataFrame) -> Table:
    """Of `readings`: the lowest, the median and the highest language at each layer."""
    columns = (
        Column(title=_("Reading"), width=3),
        # i18n: heading of the names of a chart's lines
        Column(title=_("Line"), width=2),
        Column(title=_("Layer"), width=1, align="right"),
        Column(title=_("Lowest language"), width=1.5, align="right"),
        Column(title=_("Median"), width=1.5, align="right"),
        Column(title=_("Highest language"), width=1.5, align="right"),
    )
    grouped = lines.groupby(["panel", "series", "layer"], sort=False)["value"]
    rows = tuple(
        (
            str(panel).replace("\n", " "),
            str(series),
            str(layer),
            *(number(float(value), decimals=2) for value in (values.min(), values.median(), values.max())),
        )
        for (panel, series, layer), values in grouped
    )
    return Table(columns=columns, rows=rows)


def cell_values(panels: Mapping[str, pd.DataFrame]) -> Table:
    """Of `cell_maps`: rows by columns, one panel below the other."""
    columns = list(dict.fromkeys(column for cells in panels.values() for column in cells["column"]))
    decimals = decimals_of([float(v) for cells in panels.values() for v in cells["value"]])
    rows = []
    for title, cells in panels.items():
        shown = {
            (cell.row, cell.column): number(cell.value, decimals=decimals) if math.isfinite(cell.value) else cell.word
            for cell in rows_of(cells)
        }
        for name in dict.fromkeys(cells["row"]):
            values = (shown.get((name, column)) or NO_NUMBER for column in columns)
            rows.append((str(name), *([title.replace("\n", " ")] if len(panels) > 1 else []), *values))
    # i18n: heading of the titles of small maps of cells
    more = (Column(title=_("Map"), width=2),) if len(panels) > 1 else ()
    heads = (Column(title=column, width=1, align="right") for column in columns)
    return Table(columns=(Column(title=_("Row"), width=2), *more, *heads), rows=tuple(rows))


def profile_points(panels: Mapping[str, pd.DataFrame]) -> Table:
    """Of `profiles`."""
    columns = (
        Column(title=_("Lens"), width=2),
        Column(title=_("Order q"), width=1, align="right"),
        Column(title=_("Effective cultures"), width=1.5, align="right"),
        Column(title=_("Interval"), width=2, align="right"),
        Column(title=_("Overlapping ones counting for less"), width=2, align="right"),
        Column(title=_("Cultures"), width=1, align="right"),
    )
    rows = tuple(
        (
            title,
            number(float(row.q), decimals=1),
            number(float(row.value), decimals=1),
            _between(row.low, row.high, decimals=1),
            _figure(row.similar, decimals=1),
            count(row.n_cultures),
        )
        for title, table in panels.items()
        for row in rows_of(table)
    )
    return Table(columns=columns, rows=rows)


def interval_values(panels: Mapping[str, pd.DataFrame]) -> Table:
    """Of `intervals`: a column with value and interval for each panel."""
    values = [float(v) for table in panels.values() for v in table["value"]]
    decimals = decimals_of(values)
    shown = {
        (title, row.row): _("{value} ({low} to {high})", **_figures(row, decimals=decimals))
        for title, table in panels.items()
        for row in rows_of(table)
        if math.isfinite(row.value)
    }
    names = dict.fromkeys(row for table in panels.values() for row in table["row"])
    rows = tuple((str(name), *(shown.get((title, name), NO_NUMBER) for title in panels)) for name in names)
    return _wide(_("Framework"), [title.replace("\n", " ") for title in panels], rows)


def shared_sets(combinations: pd.DataFrame) -> Table:
    """Of `shared`: sets of languages, the commonest first."""
    columns = (
        Column(title=_("Active in"), width=5),
        Column(title=_("Latents"), width=1, align="right"),
        Column(title=_("Of them, go with content"), width=1.5, align="right"),
    )
    rows = tuple(
        (in_row(row.members) or _("no language"), count(row.n), count(row.n_content)) for row in rows_of(combinations)
    )
    return Table(columns=columns, rows=rows)


def bar_counts(bars: Sequence[Bars]) -> Table:
    """Of `distributions`: how many people said what."""
    severe = (_("severity {level}", level=answer_name(level)) for level in bars[0].severe)
    heads = [*map(answer_name, bars[0].judged), *severe]
    counts = (Column(title=title, width=1, align="right") for title in heads)
    rows = tuple((one.label, str(one.people), *map(str, (*one.judged.values(), *one.severe.values()))) for one in bars)
    people = Column(title=_("People"), width=1, align="right")
    return Table(columns=(Column(title=_("Community"), width=2), people, *counts), rows=rows)


def _wide(first: str, names: Sequence[str], rows: tuple[tuple[str, ...], ...]) -> Table:
    heads = (Column(title=name, width=1, align="right") for name in names)
    return Table(columns=(Column(title=first, width=1.5), *heads), rows=rows)


def _share(value: float | None) -> str:
    return NO_NUMBER if value is None or not math.isfinite(value) else signed_percent(value)


def _range(low: float, high: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return NO_NUMBER
    return between(signed_percent(low), signed_percent(high))


def _between(low: float, high: float, *, decimals: int) -> str:
    return between(number(low, decimals=decimals), number(high, decimals=decimals))


def _figures(row: Any, *, decimals: int) -> dict[str, str]:
    return {name: number(float(getattr(row, name)), decimals=decimals) for name in ("value", "low", "high")}


def _figure(value: float, *, decimals: int) -> str:
    return number(value, decimals=decimals) if math.isfinite(value) else NO_NUMBER
