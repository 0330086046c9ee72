"""Numbers of people as they stand in tables: value with interval, or why there is none."""

from __future__ import annotations

from markupsafe import Markup, escape

from audit.records import Estimate, Undefined
from streamlit_app import texts
from streamlit_app.shown import of_finding, said
from streamlit_app.texts import _

DECIMALS = 2


def with_interval(result: Estimate | Undefined, *, decimals: int = DECIMALS) -> Markup:
    """The value and where the true one may lie; or the reason for which there is none, in English as the library's."""
    if isinstance(result, Undefined):
        return said(_("No number: {reason}"), reason=of_finding(result.reason))
    return escape(_("{value} ({low} to {high})", **bounds(result, decimals=decimals)))


def bounds(result: Estimate, *, decimals: int = DECIMALS) -> dict[str, str]:
    """What fills {value}, {low} and {high}. Adding 0.0 turns what was rounded to −0 into 0."""
    named = {"value": result.value, "low": result.low, "high": result.high}
    return {name: texts.number(round(number, decimals) + 0.0, decimals=decimals) for name, number in named.items()}


def share(result: Estimate) -> Markup:
    """A share as whole percent with its interval."""
    named = {"value": result.value, "low": result.low, "high": result.high}
    return escape(_("{value} ({low} to {high})", **{name: texts.percent(number) for name, number in named.items()}))


def chance(p_value: float | None) -> str:
    """How often chance alone would give as much."""
    if p_value is None:
        return "–"
    return _("less than 1 in 1,000") if p_value < 0.001 else texts.number(p_value, decimals=3)
