"""The one way from words to HTML: what people and suites wrote is escaped, isolated, and given its own direction.

Nothing that people wrote is given to Streamlit's Markdown. `said` is for our own sentences with such words in them.
"""

from __future__ import annotations

import re

import streamlit as st
from markupsafe import Markup, escape

from audit import wording
from audit.records import Verdict
from audit.reviews.words import shown as closed
from streamlit_app.texts import N_, _, language, number

VERDICT_SIGNS = {
    Verdict.EVIDENCE: "●",
    Verdict.NO_EVIDENCE: "■",
    Verdict.INSUFFICIENT: "▲",
    Verdict.NOT_INTERPRETABLE: "✕",
}
VERDICT_CLASSES = {
    Verdict.EVIDENCE: "evidence",
    Verdict.NO_EVIDENCE: "no-evidence",
    Verdict.INSUFFICIENT: "insufficient",
    Verdict.NOT_INTERPRETABLE: "not-interpretable",
}
VERDICT_WORDS = {
    Verdict.EVIDENCE: N_("Evidence"),
    Verdict.NO_EVIDENCE: N_("No evidence, and we would have seen it"),
    Verdict.INSUFFICIENT: N_("Insufficient evidence"),
    Verdict.NOT_INTERPRETABLE: N_("Not interpretable"),
}
MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$:<&])")


def words(text: object, *, language: str = "") -> Markup:
    """What somebody wrote: as data, in its own direction, in `language` (a BCP 47 code) where that is known."""
    marked = Markup(' lang="{}"').format(language) if language else Markup("")
    return Markup('<bdi dir="auto"{}>{}</bdi>').format(marked, closed(str(text)))


def english(text: object) -> Markup:
    """Text that is English whatever the interface: errors, labels of suites."""
    return Markup('<bdi dir="ltr" lang="en">{}</bdi>').format(closed(str(text)))


def of_finding(text: str) -> Markup:
    """What a finding says, in the language of the interface; what was kept without its parts is English."""
    with wording.speaking(language()):
        said_in = wording.language() if isinstance(text, wording.Said) else wording.SOURCE
        marks = Markup('<bdi dir="{}" lang="{}">{}</bdi>')
        return marks.format(wording.direction(said_in), said_in, closed(wording.spoken(text)))


def code(text: object) -> Markup:
    """An id or a digest, left to right in any sentence."""
    return Markup('<bdi dir="ltr"><code>{}</code></bdi>').format(str(text))


def said(sentence: str, **values: object) -> Markup:
    """Our own translated sentence; values that are no HTML of ours are what somebody wrote."""
    parts = {name: value if isinstance(value, Markup) else words(value) for name, value in values.items()}
    return escape(sentence).format(**parts)


def put(*parts: Markup) -> None:
    """Put HTML of ours on the page, if there is any."""
    if html := str(Markup("").join(parts)):
        st.html(html)


def paragraph(sentence: str, *, kind: str = "", **values: object) -> Markup:
    """A paragraph of one of our sentences; `kind` "quiet" for what is beside the point."""
    return Markup('<p class="desk-{}">{}</p>').format(kind or "text", said(sentence, **values))


def heading(text: str | Markup, *, level: int = 2) -> Markup:
    """A heading; `level` 1 is the page's own and comes from `frame.title`."""
    return Markup("<h{0}>{1}</h{0}>").format(level, text)


def block(text: object, *, language: str = "") -> Markup:
    """A longer text of somebody, its line breaks kept."""
    marked = Markup(' lang="{}"').format(language) if language else Markup("")
    return Markup('<div class="desk-words" dir="auto"{}>{}</div>').format(marked, closed(str(text)))


def verdict(value: Verdict) -> Markup:
    """A verdict as sign and word: never by colour alone."""
    return Markup('<span class="desk-verdict desk-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        VERDICT_CLASSES[value], VERDICT_SIGNS[value], _(VERDICT_WORDS[value])
    )


def badge(text: str) -> Markup:
    """A short mark beside a finding."""
    return Markup('<span class="desk-badge">{}</span>').format(text)


def facts(*rows: tuple[str | Markup, str | Markup]) -> Markup:
    """Names and values, two columns."""
    inner = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in rows)
    return Markup('<dl class="desk-facts">{}</dl>').format(inner)


def bullets(*items: str | Markup) -> Markup:
    """A list."""
    return Markup('<ul class="desk-list">{}</ul>').format(
        Markup("").join(Markup("<li>{}</li>").format(item) for item in items)
    )


def table(
    caption: str, header: tuple[str, ...], rows: list[tuple[str | Markup, ...]], *, row_heads: bool = True
) -> Markup:
    """A table of real cells that screen readers walk; the first cell of a row names it.

    Args:
        caption: what the table says, for those who cannot see where it stands.
        header: one title a column.
        rows: cells, plain text or HTML of ours.
        row_heads: whether the first cell names its row.
    """
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(title) for title in header)
    body = Markup("").join(_row(cells, row_heads=row_heads) for cells in rows)
    return Markup(
        '<div class="desk-scroll" role="region" aria-label="{caption}" tabindex="0"><table class="desk-table">'
        "<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    ).format(caption=caption, head=head, body=body)


def _row(cells: tuple[str | Markup, ...], *, row_heads: bool) -> Markup:
    head = Markup('<th scope="row">{}</th>') if row_heads else Markup("<td>{}</td>")
    first = head.format(cells[0])
    rest = Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells[1:])
    return Markup("<tr>{}{}</tr>").format(first, rest)


def bars(caption: str, rows: list[tuple[str | Markup, int, str]]) -> Markup:
    """Counts as bars with their numbers in words beside them: (name, count, class of colour)."""
    most = max((count for _name, count, _kind in rows), default=0) or 1
    inner = Markup("").join(
        Markup(
            '<tr><th scope="row">{name}</th><td class="desk-count">{count}</td><td class="desk-barcell" '
            'aria-hidden="true"><span class="desk-bar desk-{kind}" style="inline-size:{width}%"></span></td></tr>'
        ).format(name=name, count=number(count), kind=kind, width=round(100 * count / most))
        for name, count, kind in rows
    )
    return Markup('<table class="desk-bars"><caption>{}</caption><tbody>{}</tbody></table>').format(caption, inner)


def in_label(text: str) -> str:
    """Somebody's words for the label of a widget, which Streamlit reads as Markdown: every sign of it disarmed."""
    return MARKDOWN.sub(r"\\\1", " ".join(closed(text).split()))
