"""Pictures of what people said, as Altair charts: judgements side by side, and agreement with its intervals.

Bars carry their counts, so that nothing rests on colour alone, and answers stand in the order of their scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from audit.measures.opinions import Place
from audit.measures.people import CANNOT_SAY, NOT_SAID, SEVERITY
from audit.wording import _
from reports.charts import GREY, INK, beside, styled
from reports.circuit_charts import ink_on
from reports.people import answer_name
from reports.text import LABEL_SIZE, isolated, label
from reports.text import width as width_of
from reports.words import unit_name

JUDGED = {
    "agree": "#1B7F63",
    "partly": "#BFE0D4",
    "disagree": "#8E4A86",
    CANNOT_SAY: "#FFFFFF",
}
SEVERE = {
    **dict(zip(SEVERITY.values, ("#F4F1EA", "#EBD9AE", "#DDB55F", "#B97A22", "#7A4A0C"), strict=True)),
    NOT_SAID: "#FFFFFF",
}
ROW, BAR, GAP, LABEL = 15.0, 11.0, 16.0, 118.0  # points
MOST_NAME = 200.0  # points, of a label beside intervals
FRAME = "#B4B9C0"
Side = Literal["left", "right"]
Weight = Literal["normal", "bold"]
DOT = {"within": "#22272E", "between": "#7A4A0C"}
# Okabe and Ito's colours with shapes, as many as differ clearly; further communities take them again with another shape
MARKS = (
    ("#0072B2", "circle"),
    ("#D55E00", "square"),
    ("#1B7F63", "triangle-up"),
    ("#8E4A86", "diamond"),
    ("#22272E", "cross"),
    ("#9A5B13", "triangle-down"),
)


@dataclass(frozen=True, kw_only=True)
class Bars:
    """One community's answers on one finding."""

    label: str
    people: int
    judged: Mapping[str, int]  # agree, partly, disagree, cannot say
    severe: Mapping[str, int]  # "0" .. "4", not said


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One agreement with its interval; `kind` is within or between communities."""

    label: str
    panel: str
    kind: str
    value: float
    low: float
    high: float


def answered(rows: Sequence[Bars], width: float) -> Any:
    """`distributions` below the key to their colours."""
    import altair as alt

    return styled(alt.vconcat(_key(width), _distributions(rows, width), spacing=4))


def distributions(rows: Sequence[Bars], width: float) -> Any:
    """Two bars for each community, of judgements and of severity; each bar is all its people."""
    return styled(_distributions(rows, width))


def _distributions(rows: Sequence[Bars], width: float) -> Any:
    import altair as alt

    wide = (width - LABEL - GAP - 8) / 2
    data: list[dict[str, Any]] = []
    for i, row in enumerate(rows):
        data += _pieces(row.judged, JUDGED, left=LABEL, top=i * ROW, wide=wide)
        data += _pieces(row.severe, SEVERE, left=LABEL + wide + GAP, top=i * ROW, wide=wide)
    names = [{"x": LABEL - 6, "y": i * ROW + ROW / 2, "text": _beside(row)} for i, row in enumerate(rows)]
    tall = ROW * len(rows)
    drawn = alt.layer(
        *_rectangles(data, width - 8, tall), _texts(names, width - 8, tall, align="right", color=alt.value(INK))
    )
    return drawn.properties(width=width - 8, height=tall)


def _beside(row: Bars) -> str:
    """A name with its number of people, which stays where the name is cut."""
    count = f" ({row.people})"
    return isolated(label(row.label, LABEL - 8 - width_of(count))) + count


def key(width: float) -> Any:
    """What the colours of `distributions` stand for; the same places as the bars."""
    return styled(_key(width))


def _key(width: float) -> Any:
    import altair as alt

    wide = (width - LABEL - GAP - 8) / 2
    data: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    for left, title, colours in (
        (LABEL, _("Judgement: the finding is right"), JUDGED),
        (LABEL + wide + GAP, _("Severity: no harm (0) to severe (4)"), SEVERE),
    ):
        words.append({"x": left, "y": 6, "text": title, "bold": True})
        x = left
        told = {answer_name(answer): colour for answer, colour in colours.items()}
        spare = (wide - sum(12 + width_of(name) for name in told)) / len(told)
        for name, colour in told.items():
            data.append({"x": x, "x2": x + 9, "y": 15, "y2": 24, "fill": colour, "ink": INK, "text": "", "xc": x})
            words.append({"x": x + 12, "y": 19.5, "text": name, "bold": False})
            x += 12 + width_of(name) + max(2.5, min(6.0, spare))
    plain = [w for w in words if not w["bold"]]
    bold = [w for w in words if w["bold"]]
    layers = [
        *_rectangles(data, width - 8, 26),
        _texts(plain, width - 8, 26, align="left", color=alt.value(INK)),
        _texts(bold, width - 8, 26, align="left", color=alt.value(INK), weight="bold"),
    ]
    return alt.layer(*layers).properties(width=width - 8, height=26)


def _pieces(
    counts: Mapping[str, int], colours: Mapping[str, str], *, left: float, top: float, wide: float
) -> list[dict[str, Any]]:
    total, x = sum(counts.values()), left
    found = []
    for name, colour in colours.items():
        if not counts[name]:
            continue
        step = wide * counts[name] / total
        y = top + (ROW - BAR) / 2
        found.append(
            {"x": x, "x2": x + step, "y": y, "y2": y + BAR, "xc": x + step / 2, "yc": top + ROW / 2}
            | {"fill": colour, "ink": ink_on(colour), "text": str(counts[name])}
        )
        x += step
    return found


def _scales(width: float, tall: float) -> tuple[Any, Any]:
    import altair as alt

    x = alt.Scale(domain=[0, width], nice=False, zero=False)
    return x, alt.Scale(domain=[tall, 0], nice=False, zero=False)


def _rectangles(data: Sequence[Mapping[str, Any]], width: float, tall: float) -> list[Any]:
    import altair as alt

    x, y = _scales(width, tall)
    base = alt.Chart(pd.DataFrame(list(data)))
    bars = base.mark_rect(stroke=FRAME, strokeWidth=0.5).encode(
        x=alt.X("x:Q", scale=x, axis=None),
        x2="x2",
        y=alt.Y("y:Q", scale=y, axis=None),
        y2="y2",
        color=alt.Color("fill:N", scale=None),
    )
    told = [row for row in data if row["text"]]
    if not told:
        return [bars]
    text = (
        alt.Chart(pd.DataFrame(told))
        .mark_text(fontSize=7.5, baseline="middle")
        .encode(
            x=alt.X("xc:Q", scale=x, axis=None),
            y=alt.Y("yc:Q", scale=y, axis=None),
            text="text:N",
            color=alt.Color("ink:N", scale=None),
        )
    )
    return [bars, text]


def _texts(
    data: Sequence[Mapping[str, Any]], width: float, tall: float, *, align: Side, color: Any, weight: Weight = "normal"
) -> Any:
    import altair as alt

    x, y = _scales(width, tall)
    return (
        alt.Chart(pd.DataFrame([{"x": d["x"], "y": d["y"], "text": d["text"]} for d in data]))
        .mark_text(fontSize=8, align=align, baseline="middle", fontWeight=weight)
        .encode(x=alt.X("x:Q", scale=x, axis=None), y=alt.Y("y:Q", scale=y, axis=None), text="text:N", color=color)
    )


def agreement(rows: Sequence[Interval], width: float, *, size: float = LABEL_SIZE) -> Any:
    """Dots with intervals, one small plot for each question, on one scale; between communities the dots are hollow.

    Args:
        rows: their labels, numbers and panels; a panel without a name has no title.
        width: of the whole picture.
        size: of its letters, in the unit of `width`.
    """
    import altair as alt

    larger = size / LABEL_SIZE
    panels = list(dict.fromkeys(row.panel for row in rows))
    names = {row.label: label(row.label, MOST_NAME * larger, size) for row in rows}
    labels = list(dict.fromkeys(names.values()))
    aside = max(width_of(text, size) for text in labels) + 16
    low = min(0.0, *(row.low for row in rows))
    scale = alt.Scale(domain=[max(-1.0, low - 0.04), 1.0], nice=False, zero=False)
    drawn = []
    for i, panel in enumerate(panels):
        data = pd.DataFrame(
            [
                {
                    "label": names[r.label],
                    "value": r.value,
                    "low": r.low,
                    "high": r.high,
                    "zero": 0.0,
                    "kind": r.kind,
                }
                for r in rows
                if r.panel == panel
            ]
        )
        y = alt.Y(
            "label:N",
            sort=labels,
            scale=alt.Scale(domain=labels),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, **beside(labels, size=size)) if i == 0 else None,
        )
        axis = alt.Axis(tickCount=5, grid=True, domain=False, ticks=False, labelPadding=4)
        x = alt.X("value:Q", scale=scale, axis=axis, title=unit_name("alpha"))
        colour = alt.Color("kind:N", scale=alt.Scale(domain=list(DOT), range=list(DOT.values())), legend=None)
        base = alt.Chart(data)
        layers = [
            base.mark_rule(color=GREY, strokeWidth=1, strokeDash=[3, 2]).encode(
                x=alt.X("zero:Q", scale=scale, axis=axis)
            ),
            base.mark_rule(strokeWidth=1.4 * larger).encode(
                y=y, x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", color=colour
            ),
        ]
        for kind, filled in (("within", True), ("between", False)):
            layers.append(
                base.transform_filter(f"datum.kind == '{kind}'")
                .mark_point(
                    size=38 * larger**2,
                    opacity=1,
                    strokeWidth=1.4 * larger,
                    **({"filled": True} if filled else {"fill": "#FFFFFF"}),
                )
                .encode(y=y, x=x, color=colour)
            )
        each = (width - aside - GAP * (len(panels) - 1) - 14) / len(panels)
        one = alt.layer(*layers).properties(width=each, height=alt.Step(14 * larger))
        if panel:
            title = alt.TitleParams(
                text=panel, fontSize=size + 0.5, anchor="start", color=INK, offset=4, fontWeight="bold"
            )
            one = one.properties(title=title)
        drawn.append(one)
    return styled(alt.hconcat(*drawn, spacing=GAP) if len(drawn) > 1 else drawn[0], size=size)


def opinions(
    places: Sequence[Place],
    *,
    names: Mapping[str, str],
    titles: tuple[str, str],
    width: float,
    size: float = LABEL_SIZE,
) -> Any:
    """People as points, near to each other where they judge alike; communities by colour and shape, with a key.

    Where several people stand in one place, their number stands beside the point.

    Args:
        places: of the people.
        names: of their communities, by id.
        titles: of the two directions, across and upward.
        width: of the square of the points; its height too.
        size: of the letters, in the unit of `width`.
    """
    import altair as alt

    larger = size / LABEL_SIZE
    marks = {names[id_]: MARKS[i % len(MARKS)] for i, id_ in enumerate(sorted(names))}
    data = pd.DataFrame(
        [{"x": round(one.at[0], 2), "y": round(one.at[1], 2), "community": names[one.community]} for one in places]
    )
    data = data.groupby(["x", "y", "community"], as_index=False).size()  # who answered alike stands in one place
    data["people"] = [str(n) if n > 1 else "" for n in data["size"]]
    reach = 1.08 * max(float(data[["x", "y"]].abs().to_numpy().max()), 1e-9)
    scale = alt.Scale(domain=[-reach, reach], nice=False, zero=False)  # one scale both ways: distances compare
    kind = {
        "color": alt.Color(
            "community:N",
            scale=alt.Scale(domain=list(marks), range=[colour for colour, _ in marks.values()]),
            legend=alt.Legend(title=None, orient="bottom", labelLimit=185 * larger, columns=2),
        ),
        "shape": alt.Shape(
            "community:N", scale=alt.Scale(domain=list(marks), range=[shape for _, shape in marks.values()])
        ),
    }
    axis = alt.Axis(labels=False, ticks=False, grid=False, domain=True, titleFontWeight="normal")
    base = alt.Chart(data).encode(
        x=alt.X("x:Q", scale=scale, axis=axis, title=titles[0]), y=alt.Y("y:Q", scale=scale, axis=axis, title=titles[1])
    )
    points = base.mark_point(filled=True, size=50 * larger**2, opacity=0.85).encode(**kind)
    counts = base.mark_text(dx=9 * larger, dy=-6 * larger, fontSize=size, color=INK).encode(text="people:N")
    return styled(alt.layer(points, counts).properties(width=width, height=width), size=size)
