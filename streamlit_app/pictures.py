"""Charts of the pages, each with a sentence for those who do not see it: the reports' own, in the size of a screen."""

from __future__ import annotations

from typing import Any

from audit.records import Estimate, Finding
from reports.charts import one_estimate
from streamlit_app import texts
from streamlit_app.texts import _

WIDTH = 620  # pixels
LETTERS = 13  # pixels
PADDING = {"left": 8, "right": 8, "top": 8, "bottom": 8}  # Streamlit's script breaks on a bare number
FONT = "Noto Sans, system-ui, sans-serif"  # browsers bring what they have


def estimate_chart(finding: Finding) -> tuple[Any, str]:
    """The number and its interval on a line, with the place where it would stand if nothing were there."""
    result = finding.measurement.result
    assert isinstance(result, Estimate), "the caller shows a reason where there is no number"
    return on_white(one_estimate(result, finding.verdict, width=WIDTH, size=LETTERS)), _estimate_alt(result)


def on_white(chart: Any) -> Any:
    """A chart of the reports as a page shows it: on white in both themes, for its ink is dark."""
    shown = chart.properties(background="#FFFFFF", padding=PADDING)
    shown.config.font = FONT
    return shown


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
