"""Where in the model the stereotype effects are carried: the pages of circuits, for runs that looked inside."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from audit.records import POOLED, node_name
from audit.suites.languages import language_name
from reports import chart_tables, circuit_charts, circuit_graph
from reports.blocks import Block, Column, Facts, Heading, Picture, Table, Text
from reports.case import Case
from reports.circuit_tables import (
    ALL_LANGUAGES,
    ATTENTION,
    CLASSES,
    LENS,
    PROBE,
    Seen,
    graph_language,
    reading_lines,
    seen,
    strongest_edges,
    transfer_cells,
)
from reports.words import listed

TITLE = "Inside the model: the parts that carry the effects"
OBSERVATIONS = "Observations, no causal claim"
MOST_PARTS = 12  # nodes in one cell of the table of parts
STRONGEST = 4  # nodes in one row of the table of strongest nodes
MAPS_HEIGHT = 600.0  # points of a page that node maps may take
CURVES_ON_A_PAGE = 16
RANDOM = ("random_mean", "random_low", "random_high")  # columns of the curves


def circuit_pages(case: Case) -> tuple[Block, ...]:
    """The section on circuits; empty where the run did not look inside the model."""
    tables = case.evidence
    if not len(tables.circuits) or not len(tables.patches):
        return ()
    found = seen(tables, case.findings)
    blocks: list[Block] = []
    for one in found:
        name = f" ({one.suite})" if len(found) > 1 else ""
        blocks += [Heading(text=f"{TITLE}{name}", level=1, new_page=not blocks), *pages_of(one)]
    return tuple(blocks)


def pages_of(one: Seen) -> tuple[Block, ...]:
    """The pages of one suite, by question; a question without a table is left out."""
    return (
        *_how_it_was_found(one),
        *_how_many(one),
        *_where(one),
        *_across_languages(one),
        *_shared(one),
        *_joined(one),
        *_observations(one),
    )


def _how_it_was_found(one: Seen) -> tuple[Block, ...]:
    rows = [
        (
            "Patching",
            "Each item is run twice, once with each of its two groups. Then single parts of the model, attention heads "
            "(written layer.head) and MLPs, get in the first run the output that they had in the second. How far the "
            "answer moves toward that of the second run is what these parts carry. The few parts that carry most are a "
            "circuit.",
        ),
        (
            "Choice and test",
            "A circuit is chosen on one half of the templates and judged on the other half only, each half in turn, "
            f"and set beside {one.draws} random circuits for each half with as many heads and MLPs. Control pairs "
            "never choose."
            if one.draws
            else "A circuit is chosen on one half of the templates and judged on the other half only, each half in "
            "turn. Control pairs never choose.",
        ),
        ("Single nodes", _nodes_text(one)),
        (
            "Languages",
            (f"Shown: {listed(map(language_name, one.languages))}. " if one.languages else "")
            + (
                f"Not interpretable, since the model was not found to read them: "
                f"{listed(map(language_name, one.unread))}."
                if one.unread
                else "The model reads every language that was looked into."
            ),
        ),
        (
            "What it says not",
            "A circuit tells which parts these effects pass through on these items. It does not tell what else the "
            "parts do, nor that a model without them would be without the stereotype.",
        ),
    ]
    lead = "Which parts of the model carry the effects of the stereotype items, and are they the same in each language?"
    pointer = "Estimates with intervals and verdicts stand in the sections of the circuit measures; here are pictures."
    return (Text(text=lead, style="lead"), Facts(rows=tuple(rows)), Text(text=pointer, style="small"))


def _nodes_text(one: Seen) -> str:
    if one.exact_everywhere:
        return "Every node was patched by itself; no number rests on an estimate from gradients."
    text = (
        "Every node is estimated from gradients; those that look best and a random sample are patched by themselves, "
        "and the random sample tells how far the estimate can be trusted."
    )
    if not one.errors:
        return text + " In this run it came to no number."
    worst, best = one.errors[0], one.errors[-1]
    agreement = f" Rank agreement of estimate and patch (1 is the same order): {worst}"
    return text + (f" (lowest) to {best} (highest)." if len(one.errors) > 1 else f"{agreement}.").replace(
        " (lowest)", f"{agreement} (lowest)", 1
    )


def _where(one: Seen) -> tuple[Block, ...]:
    cells = one.maps[one.maps["share"].notna()] if len(one.maps) else one.maps
    if not len(cells):
        return ()
    n_columns = cells["head"].nunique()
    across = circuit_charts.maps_across(n_columns)
    tall = circuit_charts.cell_height(cells["layer"].nunique()) * cells["layer"].nunique() + 45
    most = across * max(1, int(MAPS_HEIGHT / tall))
    codes = [code for code in one.languages if (cells["language"] == code).any()]
    blocks: list[Block] = [
        Heading(text="Where the effect is carried", level=2),
        Text(
            text="One square is one node: an attention head (layer from bottom to top, head from left to right) or the "
            "layer's MLP (last column, M). Its colour is the share of the items' effect that the node carries by "
            "itself, so that languages can be compared. The strongest nodes carry their names. Shares of single nodes "
            "need not add up to the share of all together."
        ),
    ]
    for start in range(0, len(codes), most):
        shown = codes[start : start + most]
        panel = cells[cells["language"].isin(shown)].assign(panel=lambda t: t["language"].map(language_name))
        panel = panel.set_index("language").loc[shown].reset_index()
        draw = functools.partial(_draw, circuit_charts.node_maps, panel)
        blocks.append(Picture(draw=draw, alt=_maps_alt(cells, shown), data=chart_tables.node_shares(panel)))
    return (*blocks, _strongest_table(cells, codes))


def _draw(chart: Any, table: pd.DataFrame, width: float) -> Any:
    return chart(table, width=width)


def _maps_alt(cells: pd.DataFrame, codes: Sequence[str]) -> str:
    first = [f"{language_name(code)}, {_named_shares(_of(cells, code), n=1)}" for code in codes]
    return f"Share of the effect carried by each node alone. Strongest node by language: {'; '.join(first)}."


def _of(table: pd.DataFrame, code: str) -> pd.DataFrame:
    return table[table["language"] == code]


def _named_shares(cells: pd.DataFrame, *, n: int) -> str:
    order = cells.reindex(cells["share"].abs().sort_values(ascending=False, kind="stable").index)[:n]
    shown = [
        f"{node_name(int(row.layer), int(row.head))} ({circuit_charts.signed_percent(float(row.share))})"
        for row in circuit_charts.rows_of(order)
    ]
    return ", ".join(shown)


def _strongest_table(cells: pd.DataFrame, codes: Sequence[str]) -> Table:
    """The same by number, and how many squares rest on a patch."""
    columns = (
        Column(title="Language", width=1.7),
        Column(title="Strongest nodes, share of the effect each carries alone", width=6.8),
        Column(title="Patched, of all", width=1.2, align="right"),
    )
    rows = []
    for code in codes:
        own = _of(cells, code)
        patched = int((own["basis"] == "exact").sum())
        rows.append((language_name(code), _named_shares(own, n=STRONGEST), f"{patched} of {len(own)}"))
    return Table(columns=columns, rows=tuple(rows))


def _how_many(one: Seen) -> tuple[Block, ...]:
    points = one.curves[one.curves["share"].notna()] if "share" in one.curves else one.curves
    if not len(points):
        return ()
    necessity = points["part"] == "necessity"
    points = points.assign(**{name: points[name].where(necessity) for name in RANDOM})
    codes = [code for code in one.languages if (points["language"] == code).any()]
    blocks: list[Block] = [
        Heading(text="How many parts it takes", level=2),
        Text(
            text="Across: number of nodes in the circuit. Up: share of the items' effect, on templates that had no say "
            "in the choice; 100 % is what the whole model does. Necessity is the effect lost when the circuit is "
            "patched; sufficiency what comes back when the circuit alone is taken from the other prompt. Grey bars: "
            "the middle 95 % of random circuits and their mean (necessity), at the size that is judged."
        ),
    ]
    for start in range(0, len(codes), CURVES_ON_A_PAGE):
        shown = codes[start : start + CURVES_ON_A_PAGE]
        panel = points[points["language"].isin(shown)].assign(panel=lambda t: t["language"].map(language_name))
        panel = panel.set_index("language").loc[shown].reset_index()
        draw = functools.partial(_draw, circuit_charts.curves, panel)
        blocks.append(Picture(draw=draw, alt=_curves_alt(points, shown), data=chart_tables.curve_points(panel)))
    return tuple(blocks)


def _curves_alt(points: pd.DataFrame, codes: Sequence[str]) -> str:
    told = []
    for code in codes:
        own = _of(points, code)
        own = own[own["part"] == "necessity"].sort_values("size")
        if not len(own):
            continue
        beside = own[own["random_mean"].notna()]
        at = (beside if len(beside) else own).iloc[-1]
        text = f"{language_name(code)}, {int(at['size'])} nodes {circuit_charts.percent(at['share'])}"
        if len(beside):
            text += f", random {circuit_charts.percent(at['random_mean'])}"
        told.append(text)
    return f"Share of the effect lost with the circuit, at the size that is judged: {'; '.join(told)}."


def _across_languages(one: Seen) -> tuple[Block, ...]:
    cells = transfer_cells(one)
    if len(one.languages) < 2 or not cells["share"].notna().any():
        return ()
    draw = functools.partial(_draw, circuit_charts.transfer, cells)
    return (
        Heading(text="Does the circuit of one language work in another?", level=2),
        Text(
            text="Each row is a circuit and where it was chosen, each column where it is judged: share of that "
            "language's effect that is lost with the circuit, in percent, on templates that had no say in the choice. "
            "Framed: a language's own circuit."
        ),
        Picture(draw=draw, alt=_transfer_alt(cells), data=chart_tables.transfer_shares(cells)),
    )


def _transfer_alt(cells: pd.DataFrame) -> str:
    known = cells[cells["share"].notna()]
    own, other = known[known["own"]], known[~known["own"] & (known["chosen"] != ALL_LANGUAGES)]
    text = "Transfer of circuits."
    if len(own):
        text += f" Mean share of a language's own circuit: {circuit_charts.percent(own['share'].mean())}."
    if len(other):
        order = other.sort_values("share", kind="stable")
        low, high = order.iloc[0], order.iloc[-1]
        text += (
            f" Of circuits from other languages: {circuit_charts.percent(other['share'].mean())} (from "
            f"{_transfer_pair(low)} to {_transfer_pair(high)})."
        )
    if (cells["word"] == "n.i.").any():
        text += " Grey, “n.i.”: not interpretable."
    return text + (" Grey, “none”: no number." if (cells["share"].isna() & (cells["word"] == "none")).any() else "")


def _transfer_pair(cell: Any) -> str:
    return f"{circuit_charts.percent(cell['share'])}, {cell['chosen']} in {cell['judged']}"


def _shared(one: Seen) -> tuple[Block, ...]:
    if not len(one.parts):
        return ()
    columns = (
        Column(title="Kind", width=2.2),
        Column(title="Languages", width=4.2),
        Column(title="Nodes", width=4.2),
    )
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    columns_read = (one.parts[name].tolist() for name in ("node", "class", "languages"))
    for node, kind, languages in zip(*columns_read, strict=True):
        groups.setdefault((kind, tuple(languages.split(", "))), []).append(node)
    order = sorted(groups, key=lambda key: (CLASSES.index(key[0]), -len(key[1]), key[1]))
    rows = [(kind, listed(map(language_name, codes)), _cut(groups[kind, codes])) for kind, codes in order]
    text = (
        "Which nodes are in the circuits of which languages, circuits chosen on all templates. Universal: in that of "
        "every language that is read; shared: in those of several; language-specific: in one."
    )
    return (
        Heading(text="Shared and separate parts", level=2),
        Text(text=text),
        Table(columns=columns, rows=tuple(rows)),
    )


def _cut(names: Sequence[str]) -> str:
    more = len(names) - MOST_PARTS
    return ", ".join(names[:MOST_PARTS]) + (f" and {more} more" if more > 0 else "")


def _joined(one: Seen) -> tuple[Block, ...]:
    code = graph_language(one)
    if not code:
        return ()
    edges = strongest_edges(one.edges, code)
    draw = functools.partial(_draw_graph, edges, one.n_layers)
    whose = "all readable languages, pooled" if code == POOLED else language_name(code)
    text = (
        f"The circuit of {whose}, chosen on all templates: the {len(edges)} strongest connections between its nodes, "
        "from the slot where the two groups differ, below, to the answer, above. Thicker is stronger; dashed and blue "
        "works against the effect. Letters say how a head reads: q (what it looks for), k (where it finds it), v "
        "(what it takes from there). Strengths are estimated by integrated gradients; the table gives those that were "
        "also patched, as the mean over items in nats."
    )
    return (
        Heading(text=f"How the parts are joined: {whose}", level=2),
        Text(text=text),
        Picture(draw=draw, alt=_graph_alt(edges, one.n_layers)),
        _edge_table(edges, one.n_layers),
    )


def _draw_graph(edges: pd.DataFrame, n_layers: int, width: float) -> Any:
    return circuit_graph.graph(edges, n_layers=n_layers, width=width)


def _end_name(layer: int, head: int, n_layers: int) -> str:
    return "slot" if layer == -1 else "answer" if layer == n_layers else node_name(layer, head)


def _edge_words(row: Any, n_layers: int) -> tuple[str, str]:
    return (
        _end_name(int(row.from_layer), int(row.from_head), n_layers),
        _end_name(int(row.to_layer), int(row.to_head), n_layers),
    )


def _graph_alt(edges: pd.DataFrame, n_layers: int) -> str:
    first = [" to ".join(_edge_words(row, n_layers)) for row in circuit_charts.rows_of(edges[:3])]
    against = int((edges["score"] < 0).sum())
    return (
        f"Graph of a circuit, {len(edges)} connections. Strongest: {'; '.join(first)}. Connections that work against "
        f"the effect: {against or 'none'}."
    )


def _edge_table(edges: pd.DataFrame, n_layers: int) -> Table:
    columns = (
        Column(title="From", width=2),
        Column(title="To", width=2),
        Column(title="Read as", width=1.2),
        Column(title="Estimate, nats", width=1.6, align="right"),
        Column(title="Patched, nats", width=1.6, align="right"),
    )
    rows = tuple(
        (
            *_edge_words(row, n_layers),
            row.reader if row.reader in ("q", "k", "v") else "–",
            _nats(row.score),
            "–" if pd.isna(row.exact) else _nats(row.exact),
        )
        for row in circuit_charts.rows_of(edges)
    )
    return Table(columns=columns, rows=rows)


def _nats(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _observations(one: Seen) -> tuple[Block, ...]:
    lines = reading_lines(one.readings[one.readings["language"].isin(one.languages)])
    if not len(lines):
        return ()
    text = (
        "Watched, not changed: nothing here shows that the model uses what is seen. The logit lens asks what the model "
        "would answer if it stopped after a layer: how much of the difference between the item's two groups could be "
        "read off there. Attention is the share of its view that the model, at the end of the prompt, has on the words "
        "that name the group, for the part of each layer that looks there most. A probe is a small program that is "
        "shown the model's state after a layer and told which of the item's two groups the prompt was about; it then "
        "has to say so itself for prompts made from other templates. Guessing is right half of the time (0.5). With "
        "shuffled labels the two groups have changed places in templates drawn at random, so that there is nothing to "
        "learn: a probe tells something only where it is well above that line. With few templates a probe often learns "
        "nothing though the model does tell the groups apart. Thin lines are languages, thick lines their median."
    )
    return (
        Heading(text=OBSERVATIONS, level=2),
        Text(text=text),
        Picture(
            draw=functools.partial(_draw, circuit_charts.readings, lines),
            alt=_readings_alt(lines),
            data=chart_tables.layer_readings(lines),
        ),
    )


def _readings_alt(lines: pd.DataFrame) -> str:
    medians = lines.groupby(["what", "layer"], sort=False)["value"].median()
    told = []
    for what, sign in ((LENS, "is largest"), (ATTENTION, "is highest"), (PROBE, "is best")):
        if what in medians.index.get_level_values("what"):
            values = medians[what]
            told.append(f"{what} {sign} after layer {int(values.idxmax())} ({values.max():.2f})")
    return f"Readings by layer, medians over languages: {'; '.join(told)}."
