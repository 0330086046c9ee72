"""Charts of the pages, each with a sentence for those who do not see it. On white in both themes: their ink is dark."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from audit.records import Estimate, Finding
from reports.blocks import Dot, Plot
from reports.charts import COLOURS, GREY, HAIR, INK, SHAPES, domain
from streamlit_app import texts
from streamlit_app.texts import _

WIDTH, HEIGHT = 620, 46  # pixels
PADDING = {"left": 8, "right": 8, "top": 8, "bottom": 8}  # Streamlit's script breaks on a bare number


def estimate_chart(finding: Finding) -> tuple[Any, str]:
    """The number and its interval on a line, with the place where it would stand if nothing were there."""
    result = finding.measurement.result
    assert isinstance(result, Estimate), "the caller shows a reason where there is no number"
    low, high = _limits(finding, result)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    axis = alt.Axis(tickCount=7, grid=True, domain=False, ticks=False)
    row = pd.DataFrame(
        [{"value": result.value, "low": max(result.low, low), "high": min(result.high, high), "null": result.null}]
    )
    colour = COLOURS[finding.verdict]
    base = alt.Chart(row)
    layers = [
        base.mark_rule(strokeWidth=2, color=colour).encode(
            x=alt.X("low:Q", scale=scale, axis=axis, title=None), x2="high:Q"
        ),
        base.mark_point(filled=True, size=110, opacity=1, color=colour, shape=SHAPES[finding.verdict]).encode(
            x=alt.X("value:Q", scale=scale)
        ),
    ]
    if result.null is not None:
        layers.insert(0, base.mark_rule(strokeDash=[4, 3], color=GREY).encode(x=alt.X("null:Q", scale=scale)))
    drawn = (
        alt.layer(*layers)
        .properties(width=WIDTH, height=HEIGHT, background="#FFFFFF", padding=PADDING)
        .configure_axis(labelFontSize=13, labelColor=INK, gridColor=HAIR)
        .configure_view(stroke=None)
    )
    return drawn, _estimate_alt(result)


def _limits(finding: Finding, result: Estimate) -> tuple[float, float]:
    """Range of the axis: the whole interval, however small the number in it; alone, it makes no other one small."""
    ends = [end for end in (result.value, result.low, result.high) if math.isfinite(end)]
    dots = tuple(Dot(label="", panel="", value=end, low=end, high=end, verdict=finding.verdict) for end in ends)
    return domain(Plot(title="", unit=result.unit, dots=dots, null=result.null, null_label="", alt=""))


def _estimate_alt(result: Estimate) -> str:
    named = {
        "value": texts.number(result.value, decimals=2),
        "low": texts.number(result.low, decimals=2),
        "high": texts.number(result.high, decimals=2),
    }
    if result.null is None:
        return _("A point at {value} on a line from {low} to {high}.", **named)
    return _(
        "A point at {value} on a line from {low} to {high}; a dashed line at {null}, where it would stand if nothing "
        "were there.",
        null=texts.number(result.null, decimals=2),
        **named,
    )
