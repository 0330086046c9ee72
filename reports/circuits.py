"""Where in the model the stereotype effects are carried: the pages of circuits, for runs that looked inside."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from audit.records import POOLED
from audit.wording import N_, LanguageName, _, name_of, ngettext
from reports import chart_tables, circuit_charts, circuit_graph
from reports.blocks import Block, Column, Facts, Heading, Picture, Table, Text
from reports.case import Case
from reports.circuit_tables import (
    ALL_LANGUAGES,
    ATTENTION,
    CLASSES,
    LENS,
    NONE,
    PROBE,
    Seen,
    graph_language,
    reading_lines,
    seen,
    strongest_edges,
    transfer_cells,
)
from reports.words import (
    NO_NUMBER,
    UNREAD_SIGN,
    and_more,
    in_row,
    in_series,
    listed,
    node_name,
    number,
    of_suite,
    percent,
    signed_percent,
    together,
)

TITLE = N_("Inside the model: the parts that carry the effects")
OBSERVATIONS = N_("Observations, no causal claim")
MOST_PARTS = 12  # nodes in one cell of the table of parts
STRONGEST = 4  # nodes in one row of the table of strongest nodes
MAPS_HEIGHT = 600.0  # points of a page that node maps may take
CURVES_ON_A_PAGE = 16
RANDOM = ("random_mean", "random_low", "random_high")  # columns of the curves
PEAKS = {  # reading -> where it peaks, in words
    LENS: N_("logit lens is largest after layer {layer} ({value})"),
    ATTENTION: N_("attention to the slot is highest after layer {layer} ({value})"),
    PROBE: N_("probe is best after layer {layer} ({value})"),
}


def circuit_pages(case: Case) -> tuple[Block, ...]:
    """The section on circuits; empty where the run did not look inside the model."""
    tables = case.evidence
    if not len(tables.circuits) or not len(tables.patches):
        return ()
    found = seen(tables, case.findings)
    blocks: list[Block] = []
    for one in found:
        title = of_suite(_(TITLE), one.suite) if len(found) > 1 else _(TITLE)
        blocks += [Heading(text=title, level=1, new_page=not blocks), *pages_of(one)]
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
            _("Patching"),
            _(
                "Each item is run twice, once with each of its two groups. Then single parts of the model, attention "
                "heads (written layer.head) and MLPs, get in the first run the output that they had in the second. How "
                "far the answer moves toward that of the second run is what these parts carry. The few parts that "
                "carry most are a circuit."
            ),
        ),
        (
            _("Choice and test"),
            ngettext(
                "A circuit is chosen on one half of the templates and judged on the other half only, each half in "
                "turn, and set beside {n} random circuit for each half with as many heads and MLPs. Control pairs "
                "never choose.",
                "A circuit is chosen on one half of the templates and judged on the other half only, each half in "
                "turn, and set beside {n} random circuits for each half with as many heads and MLPs. Control pairs "
                "never choose.",
                one.draws,
            )
            if one.draws
            else _(
                "A circuit is chosen on one half of the templates and judged on the other half only, each half in "
                "turn. Control pairs never choose."
            ),
        ),
        (_("Single nodes"), _nodes_text(one)),
        (
            _("Languages"),
            together(
                _("Shown: {languages}.", languages=listed(map(name_of, one.languages))) if one.languages else "",
                _(
                    "Not interpretable, since the model was not found to read them: {languages}.",
                    languages=listed(map(name_of, one.unread)),
                )
                if one.unread
                else _("The model reads every language that was looked into."),
            ),
        ),
        (
            _("What it says not"),
            _(
                "A circuit tells which parts these effects pass through on these items. It does not tell what else the "
                "parts do, nor that a model without them would be without the stereotype."
            ),
        ),
    ]
    lead = _(
        "Which parts of the model carry the effects of the stereotype items, and are they the same in each language?"
    )
    pointer = _(
        "Estimates with intervals and verdicts stand in the sections of the circuit measures; here are pictures."
    )
    return (Text(text=lead, style="lead"), Facts(rows=tuple(rows)), Text(text=pointer, style="small"))


def _nodes_text(one: Seen) -> str:
    if one.exact_everywhere:
        return _("Every node was patched by itself; no number rests on an estimate from gradients.")
    text = _(
        "Every node is estimated from gradients; those that look best and a random sample are patched by themselves, "
        "and the random sample tells how far the estimate can be trusted."
    )
    if not one.errors:
        return together(text, _("In this run it came to no number."))
    worst, best = one.errors[0], one.errors[-1]
    if len(one.errors) == 1:
        agreement = _("Rank agreement of estimate and patch (1 is the same order): {agreement}.", agreement=worst)
    else:
        agreement = _(
            "Rank agreement of estimate and patch (1 is the same order): {worst} (lowest) to {best} (highest).",
            worst=worst,
            best=best,
        )
    return together(text, agreement)


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
        Heading(text=_("Where the effect is carried"), level=2),
        Text(
            text=_(
                "One square is one node: an attention head (layer from bottom to top, head from left to right) or the "
                "layer's MLP (last column, M). Its colour is the share of the items' effect that the node carries by "
                "itself, so that languages can be compared. The strongest nodes carry their names. Shares of single "
                "nodes need not add up to the share of all together."
            )
        ),
    ]
    for start in range(0, len(codes), most):
        shown = codes[start : start + most]
        panel = cells[cells["language"].isin(shown)].assign(panel=lambda t: t["language"].map(name_of))
        panel = panel.set_index("language").loc[shown].reset_index()
        draw = functools.partial(_draw, circuit_charts.node_maps, panel)
        blocks.append(Picture(draw=draw, alt=_maps_alt(cells, shown), data=chart_tables.node_shares(panel)))
    return (*blocks, _strongest_table(cells, codes))


def _draw(chart: Any, table: pd.DataFrame, width: float) -> Any:
    return chart(table, width=width)


def _maps_alt(cells: pd.DataFrame, codes: Sequence[str]) -> str:
    first = [in_row([name_of(code), _named_shares(_of(cells, code), n=1)]) for code in codes]
    return _(
        "Share of the effect carried by each node alone. Strongest node by language: {nodes}.", nodes=in_series(first)
    )


def _of(table: pd.DataFrame, code: str) -> pd.DataFrame:
    return table[table["language"] == code]


def _named_shares(cells: pd.DataFrame, *, n: int) -> str:
    order = cells.reindex(cells["share"].abs().sort_values(ascending=False, kind="stable").index)[:n]
    shown = [
        f"{node_name(int(row.layer), int(row.head))} ({signed_percent(float(row.share))})"
        for row in circuit_charts.rows_of(order)
    ]
    return in_row(shown)


def _strongest_table(cells: pd.DataFrame, codes: Sequence[str]) -> Table:
    """The same by number, and how many squares rest on a patch."""
    columns = (
        Column(title=_("Language"), width=1.7),
        Column(title=_("Strongest nodes, share of the effect each carries alone"), width=6.8),
        Column(title=_("Patched, of all"), width=1.2, align="right"),
    )
    rows = []
    for code in codes:
        own = _of(cells, code)
        patched = int((own["basis"] == "exact").sum())
        # i18n: a cell of a table: so many of so many
        of_all = _("{part} of {whole}", part=patched, whole=len(own))
        rows.append((name_of(code), _named_shares(own, n=STRONGEST), of_all))
    return Table(columns=columns, rows=tuple(rows))


def _how_many(one: Seen) -> tuple[Block, ...]:
    points = one.curves[one.curves["share"].notna()] if "share" in one.curves else one.curves
    if not len(points):
        return ()
    necessity = points["part"] == "necessity"
    points = points.assign(**{name: points[name].where(necessity) for name in RANDOM})
    codes = [code for code in one.languages if (points["language"] == code).any()]
    blocks: list[Block] = [
        Heading(text=_("How many parts it takes"), level=2),
        Text(
            text=_(
                "Across: number of nodes in the circuit. Up: share of the items' effect, on templates that had no say "
                "in the choice; 100 % is what the whole model does. Necessity is the effect lost when the circuit is "
                "patched; sufficiency what comes back when the circuit alone is taken from the other prompt. Grey "
                "bars: the middle 95 % of random circuits and their mean (necessity), at the size that is judged."
            )
        ),
    ]
    for start in range(0, len(codes), CURVES_ON_A_PAGE):
        shown = codes[start : start + CURVES_ON_A_PAGE]
        panel = points[points["language"].isin(shown)].assign(panel=lambda t: t["language"].map(name_of))
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
        # i18n: a circuit of so many nodes carries such a share of the effect
        text = ngettext("{n} node {share}", "{n} nodes {share}", int(at["size"]), share=percent(at["share"]))
        # i18n: beside it: the share that random circuits carry
        random = [_("random {share}", share=percent(at["random_mean"]))] if len(beside) else []
        told.append(in_row([name_of(code), text, *random]))
    return _("Share of the effect lost with the circuit, at the size that is judged: {shares}.", shares=in_series(told))


def _across_languages(one: Seen) -> tuple[Block, ...]:
    cells = transfer_cells(one)
    if len(one.languages) < 2 or not cells["share"].notna().any():
        return ()
    draw = functools.partial(_draw, circuit_charts.transfer, cells)
    return (
        Heading(text=_("Does the circuit of one language work in another?"), level=2),
        Text(
            text=_(
                "Each row is a circuit and where it was chosen, each column where it is judged: share of that "
                "language's effect that is lost with the circuit, in percent, on templates that had no say in the "
                "choice. Framed: a language's own circuit."
            )
        ),
        Picture(draw=draw, alt=_transfer_alt(cells), data=chart_tables.transfer_shares(cells)),
    )


def _transfer_alt(cells: pd.DataFrame) -> str:
    known = cells[cells["share"].notna()]
    own, other = known[known["own"]], known[~known["own"] & (known["chosen"] != _(ALL_LANGUAGES))]
    texts = [_("Transfer of circuits.")]
    if len(own):
        texts.append(_("Mean share of a language's own circuit: {share}.", share=percent(own["share"].mean())))
    if len(other):
        order = other.sort_values("share", kind="stable")
        texts.append(
            _(
                "Of circuits from other languages: {mean} (from {lowest} to {highest}).",
                mean=percent(other["share"].mean()),
                lowest=_transfer_pair(order.iloc[0]),
                highest=_transfer_pair(order.iloc[-1]),
            )
        )
    if (cells["word"] == _(UNREAD_SIGN)).any():
        texts.append(_("Grey, “{sign}”: not interpretable.", sign=_(UNREAD_SIGN)))
    if (cells["share"].isna() & (cells["word"] == _(NONE))).any():
        texts.append(_("Grey, “{sign}”: no number.", sign=_(NONE)))
    return together(*texts)


def _transfer_pair(cell: Any) -> str:
    # i18n: the share that a circuit chosen in one language carries in another, as in "40 %, Swahili in Arabic"
    return _(
        "{share}, {chosen} in {judged}",
        share=percent(cell["share"]),
        chosen=cell["chosen"],
        judged=cell["judged"],
    )


def _shared(one: Seen) -> tuple[Block, ...]:
    if not len(one.parts):
        return ()
    columns = (
        # i18n: heading of a column: universal, shared or language-specific
        Column(title=_("Kind"), width=2.2),
        Column(title=_("Languages"), width=4.2),
        Column(title=_("Nodes"), width=4.2),
    )
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    columns_read = (one.parts[name].tolist() for name in ("layer", "head", "class", "languages"))
    for layer, head, kind, languages in zip(*columns_read, strict=True):
        groups.setdefault((kind, tuple(languages.split(", "))), []).append(node_name(layer, head))
    order = sorted(groups, key=lambda key: (CLASSES.index(key[0]), -len(key[1]), key[1]))
    rows = [(_(kind), listed(map(name_of, codes)), _cut(groups[kind, codes])) for kind, codes in order]
    text = _(
        "Which nodes are in the circuits of which languages, circuits chosen on all templates. Universal: in that of "
        "every language that is read; shared: in those of several; language-specific: in one."
    )
    return (
        Heading(text=_("Shared and separate parts"), level=2),
        Text(text=text),
        Table(columns=columns, rows=tuple(rows)),
    )


def _cut(names: Sequence[str]) -> str:
    return in_row(names) if len(names) <= MOST_PARTS else and_more(names, most=MOST_PARTS)


def _joined(one: Seen) -> tuple[Block, ...]:
    code = graph_language(one)
    if not code:
        return ()
    edges = strongest_edges(one.edges, code)
    draw = functools.partial(_draw_graph, edges, one.n_layers)
    if code == POOLED:
        title = _("How the parts are joined: all readable languages, pooled")
        whose = ngettext(
            "The circuit of all readable languages, pooled, chosen on all templates: the {n} strongest connection "
            "between its nodes, from the slot where the two groups differ, below, to the answer, above.",
            "The circuit of all readable languages, pooled, chosen on all templates: the {n} strongest connections "
            "between its nodes, from the slot where the two groups differ, below, to the answer, above.",
            len(edges),
        )
    else:
        title = _("How the parts are joined: {language}", language=LanguageName(code))
        whose = ngettext(
            "The circuit of {language}, chosen on all templates: the {n} strongest connection between its nodes, from "
            "the slot where the two groups differ, below, to the answer, above.",
            "The circuit of {language}, chosen on all templates: the {n} strongest connections between its nodes, from "
            "the slot where the two groups differ, below, to the answer, above.",
            len(edges),
            language=LanguageName(code),
        )
    key = _(
        "Thicker is stronger; dashed and blue works against the effect. Letters say how a head reads: q (what it looks "
        "for), k (where it finds it), v (what it takes from there). Strengths are estimated by integrated gradients; "
        "the table gives those that were also patched, as the mean over items in nats."
    )
    return (
        Heading(text=title, level=2),
        Text(text=together(whose, key)),
        Picture(draw=draw, alt=_graph_alt(edges, one.n_layers)),
        _edge_table(edges, one.n_layers),
    )


def _draw_graph(edges: pd.DataFrame, n_layers: int, width: float) -> Any:
    return circuit_graph.graph(edges, n_layers=n_layers, width=width)


def _end_name(layer: int, head: int, n_layers: int) -> str:
    # i18n: where the graph of a circuit begins: the place of the prompt that names the group
    if layer == -1:
        return _("slot")
    # i18n: where the graph of a circuit ends
    return _("answer") if layer == n_layers else node_name(layer, head)


def _edge_words(row: Any, n_layers: int) -> tuple[str, str]:
    return (
        _end_name(int(row.from_layer), int(row.from_head), n_layers),
        _end_name(int(row.to_layer), int(row.to_head), n_layers),
    )


def _graph_alt(edges: pd.DataFrame, n_layers: int) -> str:
    ends = [_edge_words(row, n_layers) for row in circuit_charts.rows_of(edges[:3])]
    # i18n: a connection between two nodes of a circuit
    first = [_("{one} to {other}", one=one, other=other) for one, other in ends]
    against = int((edges["score"] < 0).sum())
    text = ngettext(
        "Graph of a circuit, {n} connection. Strongest: {strongest}.",
        "Graph of a circuit, {n} connections. Strongest: {strongest}.",
        len(edges),
        strongest=in_series(first),
    )
    if not against:
        return together(text, _("Connections that work against the effect: none."))
    return together(text, _("Connections that work against the effect: {n}.", n=against))


def _edge_table(edges: pd.DataFrame, n_layers: int) -> Table:
    columns = (
        # i18n: heading of a column: the node where a connection begins
        Column(title=_("From"), width=2),
        # i18n: heading of a column: the node where a connection ends
        Column(title=_("To"), width=2),
        # i18n: heading of a column: how a head reads what comes: q, k or v
        Column(title=_("Read as"), width=1.2),
        Column(title=_("Estimate, nats"), width=1.6, align="right"),
        Column(title=_("Patched, nats"), width=1.6, align="right"),
    )
    rows = tuple(
        (
            *_edge_words(row, n_layers),
            row.reader if row.reader in ("q", "k", "v") else NO_NUMBER,
            _nats(row.score),
            NO_NUMBER if pd.isna(row.exact) else _nats(row.exact),
        )
        for row in circuit_charts.rows_of(edges)
    )
    return Table(columns=columns, rows=rows)


def _nats(value: float) -> str:
    return f"{'+' if value > 0 else ''}{number(value, decimals=3)}"


def _observations(one: Seen) -> tuple[Block, ...]:
    lines = reading_lines(one.readings[one.readings["language"].isin(one.languages)])
    if not len(lines):
        return ()
    text = _(
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
        Heading(text=_(OBSERVATIONS), level=2),
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
    for what, peak in PEAKS.items():
        if what in medians.index.get_level_values("what"):
            values = medians[what]
            told.append(_(peak, layer=int(values.idxmax()), value=number(float(values.max()), decimals=2)))
    return _("Readings by layer, medians over languages: {readings}.", readings=in_series(told))
