"""A circuit as a graph: nodes by layer and head, edges from the slot to the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from audit.records import MLP
from audit.wording import _
from reports.charts import GREY, HAIR, INK, styled
from reports.circuit_charts import BLUE, CARRIES, OPPOSES, ORANGE, rows_of
from reports.text import LABEL_SIZE


def graph(edges: pd.DataFrame, *, n_layers: int, width: float, size: float = LABEL_SIZE) -> Any:
    """Nodes and the edges between them, layers from the slot below to the answer above.

    Args:
        edges: from_layer, from_head, to_layer, to_head, reader, score (signed). Layer -1 is the embedding of the
            slot, `n_layers` the answer.
        n_layers: of the model.
        width: of the whole picture.
        size: of its letters, in the unit of `width`.
    """
    import altair as alt

    larger = size / LABEL_SIZE
    places = graph_places(edges, n_layers=n_layers)
    nodes = pd.DataFrame(
        [
            {"x": x, "y": y, "name": _graph_name(layer, head, n_layers=n_layers)}
            for (layer, head), (x, y) in places.items()
        ]
    )
    lines, readers = _graph_lines(edges, places)
    heights = {y: layer for (layer, _head), (_x, y) in places.items()}
    marks = pd.DataFrame([{"y": y, "name": _("layer {n}", n=of)} for y, of in heights.items() if 0 <= of < n_layers])
    right = max(x for x, _y in places.values()) + 0.6
    left = -0.6 - (right + 0.6) * 0.12  # room for the names of the layers
    sx = alt.Scale(domain=[left, right], nice=False, zero=False)
    sy = alt.Scale(domain=[-0.45, len(heights) - 0.55], nice=False, zero=False)

    x, y = alt.X("x:Q", scale=sx, axis=None), alt.Y("y:Q", scale=sy, axis=None)
    layers = []
    if len(marks):
        layers.append(
            alt.Chart(marks.assign(x=left))
            .mark_text(fontSize=size - 0.5, color=GREY, align="left")
            .encode(x=x, y=y, text="name:N")
        )
        layers.append(
            alt.Chart(marks.assign(x=left + (right - left) * 0.09, x2=right))
            .mark_rule(color=HAIR, strokeWidth=0.5)
            .encode(x=x, x2="x2", y=y)
        )
    colour = alt.Color(
        "sign:N",
        scale=alt.Scale(domain=[_(CARRIES), _(OPPOSES)], range=[ORANGE, BLUE]),
        legend=alt.Legend(title=None, orient="top", direction="horizontal", symbolType="stroke", symbolStrokeWidth=2.5),
    )
    dash = alt.StrokeDash(
        "sign:N",
        scale=alt.Scale(domain=[_(CARRIES), _(OPPOSES)], range=[[1, 0], [5, 3]]),
        legend=alt.Legend(title=None, orient="top", direction="horizontal", symbolType="stroke"),
    )
    for _edge, line in lines.groupby("edge", sort=True):
        layers.append(
            alt.Chart(line)
            .mark_line(interpolate="linear", strokeWidth=larger * float(line["width"].iloc[0]), opacity=0.75)
            .encode(x=x, y=y, order="step:Q", color=colour, strokeDash=dash)
        )
    layers.append(
        alt.Chart(nodes)
        .mark_rect(
            width=48 * larger, height=16 * larger, cornerRadius=4, fill="#FFFFFF", stroke=INK, strokeWidth=0.9 * larger
        )
        .encode(x=x, y=y)
    )
    layers.append(
        alt.Chart(nodes).mark_text(fontSize=size, color=INK, fontWeight="bold").encode(x=x, y=y, text="name:N")
    )
    if len(readers):
        layers.append(
            alt.Chart(readers)
            .mark_point(shape="circle", filled=True, fill="#FFFFFF", opacity=1, size=75 * larger**2)
            .encode(x=x, y=y)
        )
        layers.append(
            alt.Chart(readers)
            .mark_text(fontSize=size - 0.5, color=INK, fontWeight="bold")
            .encode(x=x, y=y, text="reader:N")
        )
    tall = larger * min(500.0, 46.0 * len(heights))
    return styled(alt.layer(*layers).properties(width=width - 20, height=tall), size=size)


def graph_places(edges: pd.DataFrame, *, n_layers: int) -> dict[tuple[int, int], tuple[float, float]]:
    """A place for each node: x goes by its head, MLPs last, as in the maps; y counts the levels that are used.

    A level is the heads of a layer, or its MLP, which stands above them as it reads what they write. Slot and answer
    stand in the middle, below and above all.
    """
    ends = {
        _end(layer, head, n_layers)
        for source in ("from", "to")
        for layer, head in zip(edges[f"{source}_layer"], edges[f"{source}_head"], strict=True)
    }
    inner = {node for node in ends if 0 <= node[0] < n_layers}
    columns = sorted({head for _layer, head in inner}, key=lambda head: (head == MLP, head))
    levels = sorted({(layer, layer in range(n_layers) and head == MLP) for layer, head in ends})
    middle = (len(columns) - 1) / 2
    return {
        (layer, head): (
            float(columns.index(head)) if (layer, head) in inner else middle,
            float(levels.index((layer, (layer, head) in inner and head == MLP))),
        )
        for layer, head in sorted(ends)
    }


def _end(layer: int, head: int, n_layers: int) -> tuple[int, int]:
    """A node's key; slot and answer are one node each, whatever their head says."""
    return (int(layer), 0 if layer in (-1, n_layers) else int(head))


def _graph_name(layer: int, head: int, *, n_layers: int) -> str:
    if layer == -1:
        return _("slot")
    if layer == n_layers:
        return _("answer")
    return f"MLP {layer}" if head == MLP else f"{layer}.{head}"


def _graph_lines(
    edges: pd.DataFrame, places: dict[tuple[int, int], tuple[float, float]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points of each edge's curve, and where the letter of its reader stands."""
    largest = float(edges["score"].abs().max()) or 1.0
    between: dict[tuple[tuple[int, int], tuple[int, int]], int] = {}
    points, readers = [], []
    t = np.linspace(0, 1, 17)
    middle = max(x for x, _y in places.values())  # twice the middle of the picture
    for i, edge in enumerate(rows_of(edges)):
        source, target = (_key(places, edge.from_layer, edge.from_head), _key(places, edge.to_layer, edge.to_head))
        (x0, y0), (x1, y1) = places[source], places[target]
        twins = between[source, target] = between.get((source, target), -1) + 1
        # Edges over other layers swing out so as not to run through what lies between; twins swing to both sides.
        side = 1 if x0 + x1 >= middle else -1
        straight = abs(x1 - x0) < 0.3
        swing = side * (0.22 if straight else 0.07) * max(0.0, y1 - y0 - 1) ** 0.6 + (0.0, 0.16, -0.16)[min(twins, 2)]
        cx, cy = (x0 + x1) / 2 + 2 * swing, (y0 + y1) / 2
        xs = (1 - t) ** 2 * x0 + 2 * t * (1 - t) * cx + t**2 * x1
        ys = (1 - t) ** 2 * y0 + 2 * t * (1 - t) * cy + t**2 * y1
        sign = _(CARRIES) if edge.score >= 0 else _(OPPOSES)
        wide = 0.8 + 4.2 * abs(float(edge.score)) / largest
        points += [
            {"edge": i, "step": s, "x": a, "y": b, "sign": sign, "width": wide}
            for s, (a, b) in enumerate(zip(xs, ys, strict=True))
        ]
        if edge.reader in ("q", "k", "v"):
            readers.append({"x": xs[12], "y": ys[12], "reader": edge.reader})
    return pd.DataFrame(points), pd.DataFrame(readers)


def _key(places: dict[tuple[int, int], tuple[float, float]], layer: int, head: int) -> tuple[int, int]:
    key = (int(layer), int(head))
    return key if key in places else (int(layer), 0)
