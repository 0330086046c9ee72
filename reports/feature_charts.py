"""Pictures of features, as Altair charts made from tables: maps of cells, profiles, balance, kinds, shared latents.

Numbers come in as the measures made them; nothing is computed here but places and classes. Colours run from light to
dark in one hue, so that they keep their order in grey; what a colour says is also said by a number, a hatch or a dash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audit.wording import N_, _
from reports.charts import GREY, HAIR, INK, beside, styled
from reports.circuit_charts import BLUE, GAP, ORANGE, colour_of, ink_on, rows_of
from reports.text import label as label_of
from reports.text import width as width_of
from reports.words import NO_NUMBER, UNREAD_SIGN, between, count, figure, number

BELOW = "#FFFFFF"  # ground of a number below the scale
GROUNDS = ("#E6EFF6", "#B9D5E9", "#7FB2D6", "#3D85BB", "#005A8E")
HATCH, FRAME = "#8A9099", "#D0D4D9"
AUROC_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9)
CELL = 13.0  # points, height of a cell
MOST_CELL_WIDTH = 34.0
APART = 5.0  # between the first column and the others
MOST_NAME = 96.0  # points, of a name beside a row
# i18n: two kinds of lines in a chart of how many cultures there are in effect
DIVERSITY, SIMILAR = N_("all cultures equally different"), N_("overlapping cultures count for less")
# i18n: two kinds of bars: how many latents there are, and how many of them go with content
ALL, FOLLOW = N_("latents"), N_("of them, activity goes with content (p < {level})")
# i18n: the key of a map: what stands in cells without a number
NOT_READ, NONE = N_("not interpretable"), N_("– no number")
NICE = (1.0, 2.0, 2.5, 5.0)


def short(text: str) -> str:
    """A name as it fits beside a row."""
    return label_of(text, MOST_NAME)


def edges_for(values: Sequence[float]) -> tuple[float, ...]:
    """Bounds of the classes of a map: zero and four more in equal steps that reach to the largest number."""
    top = max([v for v in values if math.isfinite(v)], default=0.0)
    if top <= 0:
        return tuple(round(0.2 * i, 10) for i in range(len(GROUNDS)))
    power = 10.0 ** math.floor(math.log10(top / len(GROUNDS)))
    step = next(n * power for n in (*NICE, 10.0) if n * power * len(GROUNDS) >= top * (1 - 1e-9))
    return tuple(round(step * i, 10) for i in range(len(GROUNDS)))


def decimals_of(values: Sequence[float]) -> int:
    """Decimals that cells of a map show: one where numbers reach ten or more, else two."""
    return 1 if max([abs(v) for v in values if math.isfinite(v)], default=0.0) >= 10 else 2


def _at(name: str, scale: Any) -> dict[str, Any]:
    return {"shorthand": f"{name}:Q", "scale": scale, "axis": None}


def cell_maps(panels: Mapping[str, pd.DataFrame], *, edges: Sequence[float], width: float) -> Any:
    """Rows by columns with a number in each cell, one small map for each panel, all on one scale.

    The first column, which holds over several languages, stands a little apart.

    Args:
        panels: title -> row, column (as printed, in their order), value (NaN where there is none), word (printed where
            there is none), sure (printed bold).
        edges: between the classes; below the first the ground is white.
        width: of the whole picture, in points.
    """
    import altair as alt

    rows = list(dict.fromkeys(row for cells in panels.values() for row in cells["row"]))
    columns = list(dict.fromkeys(column for cells in panels.values() for column in cells["column"]))
    label = max(width_of(short(row)) for row in rows) + 8
    across = 2 if len(panels) > 1 and (width / 2 - label - GAP - APART) / len(columns) >= 17 else 1
    cell = min(MOST_CELL_WIDTH, (width / across - label - GAP - APART) / len(columns))
    head = 0.7 * max(width_of(short(column), 7.5) for column in columns) + 9
    values = [float(v) for cells in panels.values() for v in cells["value"]]
    decimals = decimals_of(values)
    drawn = [
        _cell_map(cells, title, rows, columns, edges, decimals, place=(label, head, cell))
        for title, cells in panels.items()
    ]
    lines = [alt.hconcat(*drawn[i : i + across], spacing=GAP) for i in range(0, len(drawn), across)]
    words = {word for cells in panels.values() for word in cells["word"] if word}
    return styled(alt.vconcat(_map_key(edges, decimals, words, width=width - 10), *lines, spacing=12))


def draw_maps(panels: Mapping[str, pd.DataFrame], edges: Sequence[float], width: float) -> Any:
    """As `cell_maps`, for `Picture.draw`."""
    return cell_maps(panels, edges=edges, width=width)


def _cell_map(
    cells: pd.DataFrame,
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    edges: Sequence[float],
    decimals: int,
    *,
    place: tuple[float, float, float],
) -> Any:
    import altair as alt

    label, head, cell = place
    wide, tall = label + cell * len(columns) + APART + 18, head + CELL * len(rows)
    x_scale = alt.Scale(domain=[0, wide], nice=False, zero=False)
    y_scale = alt.Scale(domain=[tall, 0], nice=False, zero=False)
    data, hatch = [], []
    starts = [label + cell * i + (APART if i else 0.0) for i in range(len(columns))]
    for one in rows_of(cells):
        left, top = starts[columns.index(one.column)], head + CELL * rows.index(one.row)
        known = math.isfinite(one.value)
        fill = colour_of(one.value, edges=edges, colours=(BELOW, *GROUNDS)) if known else BELOW
        data.append(
            {
                "x": left,
                "x2": left + cell,
                "y": top,
                "y2": top + CELL,
                "xc": left + cell / 2,
                "yc": top + CELL / 2,
                "fill": fill,
                "ink": ink_on(fill) if known else GREY,
                "text": number(one.value, decimals=decimals) if known else one.word,
                "sure": bool(one.sure),
                "barred": one.word == _(UNREAD_SIGN),
            }
        )
        if one.word == _(UNREAD_SIGN):
            hatch += _hatched(left, top, cell)
    base = alt.Chart(pd.DataFrame(data))
    x, y = alt.X(**_at("x", x_scale)), alt.Y(**_at("y", y_scale))
    middle = {"x": alt.X(**_at("xc", x_scale)), "y": alt.Y(**_at("yc", y_scale))}
    layers = [
        base.mark_rect(stroke=FRAME, strokeWidth=0.5).encode(
            x=x, x2="x2", y=y, y2="y2", color=alt.Color("fill:N", scale=None)
        )
    ]
    if hatch:
        layers.append(
            alt.Chart(pd.DataFrame(hatch)).mark_rule(color=HATCH, strokeWidth=0.45).encode(x=x, x2="x2", y=y, y2="y2")
        )
    size = 7.5 if cell >= 24 else 6.5
    told = {**middle, "text": alt.Text("text:N"), "color": alt.Color("ink:N", scale=None)}
    plain = base.transform_filter("!datum.sure && !datum.barred")
    layers += [
        plain.mark_text(fontSize=size).encode(**told),
        base.transform_filter("datum.sure").mark_text(fontSize=size, fontWeight="bold").encode(**told),
    ]
    names = pd.DataFrame([{"x": label - 5, "y": head + CELL * (i + 0.5), "text": short(n)} for i, n in enumerate(rows)])
    heads = pd.DataFrame(
        [{"x": x + cell / 2 - 1, "y": head - 4, "text": short(n)} for x, n in zip(starts, columns, strict=True)]
    )
    layers.append(alt.Chart(names).mark_text(align="right", fontSize=8, color=INK).encode(x=x, y=y, text="text:N"))
    layers.append(
        alt.Chart(heads)
        .mark_text(align="left", baseline="middle", angle=315, fontSize=7.5, color=INK)
        .encode(x=x, y=y, text="text:N")
    )
    return alt.layer(*layers).properties(width=wide, height=tall, title=_title(title))


def _title(text: str) -> Any:
    import altair as alt

    return alt.TitleParams(text=text.split("\n"), fontSize=8.5, anchor="start", color=INK, offset=4, fontWeight="bold")


def _hatched(left: float, top: float, cell: float) -> list[dict[str, float]]:
    """Slanted lines across one cell."""
    lines = []
    step = 4.5
    shift = step
    while shift < cell + CELL:
        lines.append(
            {
                "x": left + min(shift, cell),
                "y": top + max(0.0, shift - cell),
                "x2": left + max(0.0, shift - CELL),
                "y2": top + min(shift, CELL),
            }
        )
        shift += step
    return lines


def _map_key(edges: Sequence[float], decimals: int, words: set[str], *, width: float) -> Any:
    """Grounds of the maps with what they mean, and the signs of what has no number; in lines of `width` points."""
    import altair as alt

    places = max(decimals - 1, _needed(edges))
    bounds = [number(edge, decimals=places) for edge in edges]
    entries = [(BELOW, _("below {bound}", bound=bounds[0]))]
    entries += [
        (ground, between(low, high) if high else _("{low} or more", low=low))
        for ground, low, high in zip(GROUNDS, bounds, [*bounds[1:], ""], strict=True)
    ]
    entries += [(BELOW, _(NOT_READ))] if _(UNREAD_SIGN) in words else []
    entries += [(BELOW, _(NONE))] if NO_NUMBER in words else []
    x, y, widest, hatch = 0.0, 0.0, 0.0, []
    data: list[dict[str, Any]] = []
    for fill, text in entries:
        wide = 24 + width_of(text)
        if x + wide > width:
            x, y = 0.0, y + CELL + 3
        data.append({"x": x, "x2": x + 12, "y": y, "y2": y + CELL, "yc": y + CELL / 2, "at": x + 16})
        data[-1] |= {"fill": fill, "text": text}
        hatch += _hatched(x, y, 12) if text == _(NOT_READ) else []
        x += wide
        widest = max(widest, x)
    tall = y + CELL
    x_scale = alt.Scale(domain=[0, widest], nice=False, zero=False)
    y_scale = alt.Scale(domain=[tall, 0], nice=False, zero=False)
    table = pd.DataFrame(data)
    place = {"x": alt.X(**_at("x", x_scale)), "x2": "x2", "y": alt.Y(**_at("y", y_scale)), "y2": "y2"}
    layers = [
        alt.Chart(table)
        .mark_rect(stroke=HATCH, strokeWidth=0.5)
        .encode(**place, color=alt.Color("fill:N", scale=None)),
        alt.Chart(table)
        .mark_text(align="left", fontSize=7.5, color=INK)
        .encode(x=alt.X(**_at("at", x_scale)), y=alt.Y(**_at("yc", y_scale)), text="text:N"),
    ]
    if hatch:
        layers.insert(1, alt.Chart(pd.DataFrame(hatch)).mark_rule(color=HATCH, strokeWidth=0.45).encode(**place))
    return alt.layer(*layers).properties(width=widest, height=tall)


def _needed(edges: Sequence[float]) -> int:
    """Decimals that tell the bounds apart."""
    for places in range(5):
        if all(abs(round(edge, places) - edge) < 1e-9 for edge in edges):
            return places
    return 5


def profiles(panels: Mapping[str, pd.DataFrame], *, width: float) -> Any:
    """Effective number of cultures against the order q, one small plot for each lens.

    Args:
        panels: title -> q, value, low, high, similar (NaN where unknown), n_cultures.
        width: of the whole picture, in points.
    """
    import altair as alt

    across = min(4, len(panels))
    wide = min(190.0, width / across - GAP - 24)
    most = max(float(table["n_cultures"].max()) for table in panels.values())
    names = [_(DIVERSITY)] + ([_(SIMILAR)] if any(t["similar"].notna().any() for t in panels.values()) else [])
    y_scale = alt.Scale(domain=[0, most * 1.06], nice=False)
    drawn = []
    for title, table in panels.items():
        x = alt.X(
            "q:Q",
            title=_("order q"),
            scale=alt.Scale(domain=[0, 2], nice=False),
            axis=alt.Axis(values=[0, 1, 2], format="d", grid=False, ticks=False, labelPadding=4),
        )

        def up(name: str) -> Any:
            axis = alt.Axis(grid=True, ticks=False, domain=False, tickCount=5, format="d")
            return alt.Y(f"{name}:Q", title=None, scale=y_scale, axis=axis)

        data = table[["q", "value", "low", "high", "similar", "n_cultures"]]
        lines = pd.concat(
            [data.assign(series=_(DIVERSITY), at=data["value"]), data.assign(series=_(SIMILAR), at=data["similar"])]
        )
        lines = lines[lines["at"].notna()]
        base = alt.Chart(data)
        key = alt.Legend(title=None, orient="bottom", direction="horizontal", symbolType="stroke", labelLimit=300)
        colour = alt.Color(
            "series:N",
            scale=alt.Scale(domain=names, range=[BLUE, INK][: len(names)]),
            legend=key if len(names) > 1 else None,
        )
        dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=names, range=[[1, 0], [4, 2]][: len(names)]))
        drawn.append(
            alt.layer(
                base.mark_area(color=GROUNDS[1], opacity=0.7).encode(x=x, y=up("low"), y2="high"),
                base.mark_rule(color=GREY, strokeWidth=1.4).encode(y=up("n_cultures")),
                alt.Chart(lines).mark_line(strokeWidth=1.8).encode(x=x, y=up("at"), color=colour, strokeDash=dash),
            ).properties(width=wide, height=110, title=_title(title))
        )
    lines_of = [alt.hconcat(*drawn[i : i + across], spacing=GAP) for i in range(0, len(drawn), across)]
    return styled(alt.vconcat(*lines_of, spacing=14), rows=True)


def intervals(panels: Mapping[str, pd.DataFrame], *, unit: str, width: float) -> Any:
    """Dots with intervals, rows shared by all panels, a dashed line at zero.

    Args:
        panels: title -> row (as printed, in order), value, low, high (NaN where there is no number).
        unit: of all of them.
        width: of the whole picture, in points.
    """
    import altair as alt

    rows = list(dict.fromkeys(short(row) for table in panels.values() for row in table["row"]))
    label = max(map(width_of, rows)) + 10
    wide = min(230.0, (width - label) / len(panels) - GAP)
    ends = [float(v) for t in panels.values() for name in ("low", "high", "value") for v in t[name] if math.isfinite(v)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    pad = (high - low) * 0.05 or 0.5
    scale = alt.Scale(domain=[low - pad, high + pad], nice=False, zero=False)
    drawn = []
    for i, (title, table) in enumerate(panels.items()):
        data = table.assign(row=table["row"].map(short), zero=0.0, missing=table["value"].isna())
        axis = alt.Axis(ticks=False, domain=False, labels=not i, **(beside(rows) if not i else {}))
        y = alt.Y("row:N", sort=rows, title=None, scale=alt.Scale(domain=rows), axis=axis)
        x_axis = alt.Axis(tickCount=5, grid=True, domain=False, ticks=False, labelPadding=4)

        def across(name: str, *, axis: Any = x_axis) -> Any:
            return alt.X(f"{name}:Q", title=unit, scale=scale, axis=axis)

        base = alt.Chart(data)
        known = base.transform_filter("!datum.missing")
        layers = [
            base.mark_rule(color=GREY, strokeDash=[3, 2]).encode(x=across("zero")),
            known.mark_rule(color=BLUE, strokeWidth=1.6).encode(y=y, x=across("low"), x2="high"),
            known.mark_point(filled=True, size=46, opacity=1, color=BLUE).encode(y=y, x=across("value")),
        ]
        if data["missing"].any():
            layers.append(
                base.transform_filter("datum.missing")
                .mark_text(text=_("no number"), fontSize=7.5, color=GREY, align="left", dx=4)
                .encode(y=y, x=across("zero"))
            )
        drawn.append(alt.layer(*layers).properties(width=wide, height=alt.Step(15), title=_title(title)))
    return styled(alt.hconcat(*drawn, spacing=GAP))


def kinds(panels: Mapping[str, pd.DataFrame], *, width: float) -> Any:
    """How many latents are of each kind, how many go with content, and how many would by chance.

    Args:
        panels: title -> kind (as printed, in order), n, with_content, by_chance.
        width: of the whole picture, in points.
    """
    import altair as alt

    names = list(dict.fromkeys(kind for table in panels.values() for kind in table["kind"]))
    label = max(map(width_of, names)) + 10
    wide = min(300.0, (width - label) / len(panels) - GAP - 24)
    follows = _(FOLLOW, level=figure(0.05, 2))
    scale = alt.Scale(domain=[_(ALL), follows], range=[GROUNDS[1], GROUNDS[4]])
    drawn = []
    for i, (title, table) in enumerate(panels.items()):
        axis = alt.Axis(ticks=False, domain=False, labels=not i, **(beside(names) if not i else {}))
        y = alt.Y("kind:N", sort=names, title=None, scale=alt.Scale(domain=names, padding=0.25), axis=axis)
        x_scale = alt.Scale(domain=[0, 1.12 * max(1, int(table["n"].max()))], nice=False)
        x_axis = alt.Axis(tickCount=4, tickMinStep=1, format="d", grid=True, domain=False, ticks=False)
        key = alt.Legend(title=None, orient="bottom", direction="horizontal", labelLimit=400, columnPadding=14)

        def across(name: str, *, scale: Any = x_scale, axis: Any = x_axis) -> Any:
            return alt.X(f"{name}:Q", title=_(ALL), scale=scale, axis=axis)

        colour = alt.Color("series:N", scale=scale, legend=key)
        every = alt.Chart(table.assign(series=_(ALL))).mark_bar(size=13).encode(y=y, x=across("n"), color=colour)
        follow = alt.Chart(table.assign(series=follows)).mark_bar(size=6)
        follow = follow.encode(y=y, x=across("with_content"), color=colour)
        chance = alt.Chart(table).mark_tick(color=ORANGE, thickness=2, size=15).encode(y=y, x=across("by_chance"))
        words = (
            alt.Chart(table.assign(text=[count(row.n) for row in rows_of(table)]))
            .mark_text(align="left", dx=4, fontSize=8, color=INK)
            .encode(y=y, x=across("n"), text="text:N")
        )
        layers = alt.layer(every, follow, chance, words)
        drawn.append(layers.properties(width=wide, height=alt.Step(20), title=_title(title)))
    return styled(alt.hconcat(*drawn, spacing=GAP))


def shared(combinations: pd.DataFrame, *, languages: Sequence[str], marked: Sequence[str], width: float) -> Any:
    """Which languages latents are active in together: bars above, dots of the languages below, joined by a line.

    Args:
        combinations: members (tuple of languages as printed; empty for none), n, n_content; commonest first.
        languages: rows as printed, from top to bottom.
        marked: of them, not interpretable; their rows are hatched.
        width: of the whole picture, in points.
    """
    import altair as alt

    label = max(width_of(short(name)) for name in languages) + 10
    step = min(34.0, (width - label - 10) / max(1, len(combinations)))
    top, row, gap = 78.0, 13.0, 10.0
    wide, tall = label + step * len(combinations) + 4, top + gap + row * len(languages)
    x_scale = alt.Scale(domain=[0, wide], nice=False, zero=False)
    y_scale = alt.Scale(domain=[tall, 0], nice=False, zero=False)
    most = max(1, int(combinations["n"].max()))
    grounds, bars, dots, lines, words = [], [], [], [], []
    for i, name in enumerate(languages):
        above = top + gap + row * i
        fill = "#F1F3F5" if i % 2 == 0 else BELOW
        grounds.append({"x": label, "x2": wide, "y": above, "y2": above + row, "fill": fill})
        words.append({"x": label - 5, "y": above + row / 2, "text": short(name)})
    for i, one in enumerate(rows_of(combinations)):
        middle = label + step * (i + 0.5)
        for n, fill, half in ((one.n, GROUNDS[1], 0.3), (one.n_content, GROUNDS[4], 0.16)):
            tip = top - (top - 14) * n / most
            bars.append({"x": middle - step * half, "x2": middle + step * half, "y": tip, "y2": top, "fill": fill})
        bars[-2]["text"], bars[-2]["xc"] = count(one.n), middle
        at = [j for j, name in enumerate(languages) if name in one.members]
        for j in range(len(languages)):
            fill = INK if j in at else HAIR
            dots.append({"x": middle, "y": top + gap + row * (j + 0.5), "fill": fill})
        if len(at) > 1:
            ends = (top + gap + row * (j + 0.5) for j in (at[0], at[-1]))
            lines.append(dict(zip(("y", "y2"), ends, strict=True), x=middle))
    x, y = alt.X(**_at("x", x_scale)), alt.Y(**_at("y", y_scale))
    colour = alt.Color("fill:N", scale=None)
    bar_table = pd.DataFrame(bars)
    layers = [
        alt.Chart(pd.DataFrame(grounds)).mark_rect().encode(x=x, x2="x2", y=y, y2="y2", color=colour),
        alt.Chart(bar_table).mark_rect().encode(x=x, x2="x2", y=y, y2="y2", color=colour),
        alt.Chart(bar_table[bar_table["text"].notna()])
        .mark_text(fontSize=8, color=INK, dy=-6)
        .encode(x=alt.X(**_at("xc", x_scale)), y=y, text="text:N"),
        alt.Chart(pd.DataFrame(dots)).mark_point(filled=True, size=34, opacity=1).encode(x=x, y=y, color=colour),
        alt.Chart(pd.DataFrame(words)).mark_text(align="right", fontSize=8, color=INK).encode(x=x, y=y, text="text:N"),
    ]
    if lines:
        layers.append(alt.Chart(pd.DataFrame(lines)).mark_rule(color=INK, strokeWidth=1.4).encode(x=x, y=y, y2="y2"))
    hatch = [
        line
        for i, name in enumerate(languages)
        if name in marked
        for line in _hatched_row(label, wide, top + gap + row * i, row)
    ]
    if hatch:
        layers.insert(
            1, alt.Chart(pd.DataFrame(hatch)).mark_rule(color=FRAME, strokeWidth=0.5).encode(x=x, x2="x2", y=y, y2="y2")
        )
    return styled(alt.layer(*layers).properties(width=wide, height=tall))


def _hatched_row(left: float, right: float, top: float, tall: float) -> list[dict[str, float]]:
    """Slanted lines across a row of dots."""
    n = int((right - left - tall) / 7)
    return [{"x": left + tall + 7 * i, "y": top, "x2": left + 7 * i, "y2": top + tall} for i in range(n + 1)]
