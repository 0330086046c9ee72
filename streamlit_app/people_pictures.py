"""Pictures of what people said, each beside a table that says the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from audit.measures.agreement import Agreement
from audit.measures.opinions import OpinionMap
from audit.records import Estimate
from audit.reviews.words import shown as closed
from reports import judgement_charts
from reports.circuit_charts import ink_on
from reports.judgement_charts import JUDGED, Interval
from streamlit_app import texts
from streamlit_app.pictures import LETTERS, on_white
from streamlit_app.texts import _, ngettext

WIDTH, MAP_WIDTH = 700, 420  # pixels, with the labels; of the square of the points
LEFT_TO_RIGHT, RIGHT_TO_LEFT, FIRST_STRONG, END = "\u2066", "\u2067", "\u2068", "\u2069"  # isolates of Unicode
LONGEST = 44  # characters of a label


def agreement_chart(rows: Sequence[tuple[str | Markup, Agreement]]) -> tuple[Any, str] | None:
    """Dots with intervals; None where no row has a number."""
    dots = [
        Interval(
            label=cut(plain(label)),
            panel="",
            kind="between" if one.other else "within",
            value=one.result.value,
            low=one.result.low,
            high=one.result.high,
        )
        for label, one in rows
        if isinstance(one.result, Estimate)
    ]
    if not dots:
        return None
    alt_text = ngettext(
        "Points with their intervals on a line from 0, which is chance, to 1, {n} row. Hollow points: between two "
        "communities. The table below says the same.",
        "Points with their intervals on a line from 0, which is chance, to 1, {n} rows. Hollow points: between two "
        "communities. The table below says the same.",
        len(dots),
    )
    return on_white(judgement_charts.agreement(dots, WIDTH, size=LETTERS)), alt_text


def map_chart(drawn: OpinionMap, names: dict[str, str]) -> tuple[Any, str]:
    """People as points; communities by colour and shape, named in a legend."""
    first, second = drawn.axes
    titles = (
        cut(_("First direction: {share}", share=texts.percent(first.share))),
        cut(_("Second direction: {share}", share=texts.percent(second.share))),
    )
    shown = {id_: cut(name) for id_, name in names.items()}
    chart = judgement_charts.opinions(drawn.places, names=shown, titles=titles, width=MAP_WIDTH, size=LETTERS)
    alt_text = ngettext(
        "Map with {n} point, one for each person, marked by community. The table below has the same places.",
        "Map with {n} points, one for each person, marked by community. The table below has the same places.",
        len(drawn.places),
    )
    return on_white(chart), alt_text


def stacked(counts: dict[str, int]) -> Markup:
    """A bar of all people of a group, parted by what they said; the counts stand in it and in the cells beside it."""
    total = sum(counts.values()) or 1
    parts = Markup("").join(
        Markup(
            '<span style="display:inline-block;box-sizing:border-box;inline-size:{width}%;background:{ground};'
            'color:{ink};border:1px solid #8B95A1;text-align:center;font-size:.8em;line-height:1.4">{n}</span>'
        ).format(width=f"{100 * n / total:.2f}", ground=JUDGED[name], ink=ink_on(JUDGED[name]), n=texts.number(n))
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
