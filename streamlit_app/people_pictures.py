"""Pictures of what people said, each beside a table that says the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
from markupsafe import Markup

from audit.measures.agreement import Agreement
from audit.measures.opinions import OpinionMap
from audit.records import Estimate
from audit.reviews.words import shown as closed
from reports.charts import GREY, INK, styled
from streamlit_app import texts
from streamlit_app.pictures import PADDING
from streamlit_app.texts import _, ngettext

WIDTH = 560  # pixels of the part with the scale
WITHIN, BETWEEN = "#22272E", "#9A5B13"
JUDGED = {  # of a stacked bar: colour and ink; counts stand in it, so that nothing rests on colour alone
    "agree": ("#1B7F63", "#FFFFFF"),
    "partly": ("#BFE0D4", "#22272E"),
    "disagree": ("#8E4A86", "#FFFFFF"),
    "cannot say": ("#FFFFFF", "#22272E"),
}
# Okabe and Ito's colours with shapes, as many as differ clearly; further communities take them again with another shape
MARKS = (
    ("#0072B2", "circle"),
    ("#D55E00", "square"),
    ("#1B7F63", "triangle-up"),
    ("#8E4A86", "diamond"),
    ("#22272E", "cross"),
    ("#9A5B13", "triangle-down"),
)
LEFT_TO_RIGHT, RIGHT_TO_LEFT, FIRST_STRONG, END = "\u2066", "\u2067", "\u2068", "\u2069"  # isolates of Unicode
LONGEST = 44  # characters of a label


def agreement_chart(rows: Sequence[tuple[str | Markup, Agreement]]) -> tuple[Any, str] | None:
    """Dots with intervals; None where no row has a number."""
    drawn = [
        {
            "label": cut(plain(label)),
            "value": one.result.value,
            "low": one.result.low,
            "high": one.result.high,
            "zero": 0.0,
            "between": bool(one.other),
        }
        for label, one in rows
        if isinstance(one.result, Estimate)
    ]
    if not drawn:
        return None
    data = pd.DataFrame(drawn)
    scale = alt.Scale(domain=[max(-1.0, min(0.0, float(data["low"].min())) - 0.04), 1.0], nice=False, zero=False)
    axis = alt.Axis(tickCount=6, grid=True, domain=False, ticks=False, labelPadding=4)
    names = list(dict.fromkeys(data["label"]))
    y = alt.Y("label:N", sort=names, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=340))
    colour = alt.condition("datum.between", alt.value(BETWEEN), alt.value(WITHIN))
    fill = alt.condition("datum.between", alt.value("#FFFFFF"), alt.value(WITHIN))
    x = alt.X("value:Q", scale=scale, axis=axis, title=None)
    base = alt.Chart(data)
    chart = alt.layer(
        base.mark_rule(strokeDash=[4, 3], color=GREY).encode(x=alt.X("zero:Q", scale=scale, axis=axis, title=None)),
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", scale=scale, axis=axis, title=None), x2="high:Q", y=y, color=colour
        ),
        base.mark_point(size=70, opacity=1, strokeWidth=2).encode(x=x, y=y, color=colour, fill=fill),
    )
    alt_text = ngettext(
        "Points with their intervals on a line from 0, which is chance, to 1, {n} row. Hollow points: between two "
        "communities. The table below says the same.",
        "Points with their intervals on a line from 0, which is chance, to 1, {n} rows. Hollow points: between two "
        "communities. The table below says the same.",
        len(drawn),
    )
    return _finished(chart.properties(width=WIDTH, height=alt.Step(26))), alt_text


def map_chart(drawn: OpinionMap, names: dict[str, str]) -> tuple[Any, str]:
    """People as points; communities by colour and shape, named in a legend."""
    labels = {id_: cut(name) for id_, name in names.items()}
    marks = {labels[id_]: MARKS[i % len(MARKS)] for i, id_ in enumerate(sorted(labels))}
    data = pd.DataFrame(
        [
            {"x": round(one.at[0], 2), "y": round(one.at[1], 2), "community": labels[one.community]}
            for one in drawn.places
        ]
    )
    data = data.groupby(["x", "y", "community"], as_index=False).size()  # who answered alike stands in one place
    data["people"] = [texts.number(n) if n > 1 else "" for n in data["size"]]
    reach = 1.08 * max(float(data[["x", "y"]].abs().to_numpy().max()), 1e-9)
    scale = alt.Scale(domain=[-reach, reach], nice=False, zero=False)  # one scale both ways: distances compare
    domain = list(marks)
    first, second = drawn.axes
    kind = {
        "color": alt.Color(
            "community:N",
            scale=alt.Scale(domain=domain, range=[marks[one][0] for one in domain]),
            legend=alt.Legend(title=None, orient="bottom", labelLimit=300, columns=2),
        ),
        "shape": alt.Shape("community:N", scale=alt.Scale(domain=domain, range=[marks[one][1] for one in domain])),
    }
    axis = alt.Axis(labels=False, ticks=False, grid=False, domain=True)
    across = cut(_("First direction: {share}", share=texts.percent(first.share)))
    upward = cut(_("Second direction: {share}", share=texts.percent(second.share)))
    base = alt.Chart(data).encode(
        x=alt.X("x:Q", scale=scale, axis=axis, title=across), y=alt.Y("y:Q", scale=scale, axis=axis, title=upward)
    )
    points = base.mark_point(filled=True, size=130, opacity=0.85).encode(**kind)
    counts = base.mark_text(dx=14, dy=-10, fontSize=13, color=INK).encode(text="people:N")
    chart = alt.layer(points, counts).properties(width=420, height=420)
    alt_text = ngettext(
        "Map with {n} point, one for each person, marked by community. The table below has the same places.",
        "Map with {n} points, one for each person, marked by community. The table below has the same places.",
        len(drawn.places),
    )
    return _finished(chart), alt_text


def stacked(counts: dict[str, int]) -> Markup:
    """A bar of all people of a group, parted by what they said; the counts stand in it and in the cells beside it."""
    total = sum(counts.values()) or 1
    parts = Markup("").join(
        Markup(
            '<span style="display:inline-block;box-sizing:border-box;inline-size:{width}%;background:{ground};'
            'color:{ink};border:1px solid #8B95A1;text-align:center;font-size:.8em;line-height:1.4">{n}</span>'
        ).format(width=f"{100 * n / total:.2f}", ground=JUDGED[name][0], ink=JUDGED[name][1], n=texts.number(n))
        for name, n in counts.items()
        if n
    )
    return Markup('<span aria-hidden="true" style="display:flex;inline-size:11rem">{}</span>').format(parts)


def plain(label: str | Markup) -> str:
    """HTML of ours as text without tags; names keep their own direction within it."""
    if not isinstance(label, Markup):
        return label
    isolated = re.sub(r"<bdi\b[^>]*>", FIRST_STRONG, str(label)).replace("</bdi>", END)
    return Markup(isolated).striptags()  # noqa: S704 - made of a Markup, and its tags are taken away


def cut(text: str) -> str:
    """A label for a picture: at most `LONGEST` characters, in the direction of the page whatever stands in it."""
    kept = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    opened = RIGHT_TO_LEFT if texts.direction(texts.language()) == "rtl" else LEFT_TO_RIGHT
    return f"{opened}{closed(kept)}{END}"


def _finished(chart: Any) -> Any:
    drawn = styled(chart).properties(background="#FFFFFF", padding=PADDING)
    return drawn.configure_axis(labelFontSize=13, titleFontSize=13, labelColor=INK).configure_legend(
        labelFontSize=13, labelColor=INK
    )
