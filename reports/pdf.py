"""The report on paper: blocks set with reportlab's platypus, tagged for readers who do not see the page.

Same document, same bytes: no clock, no random ids, faces embedded from the package.
"""

from __future__ import annotations

import io
from typing import Any

from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

from audit.errors import UsageError
from audit.wording import _, speaking, spoken
from reports import tagging
from reports.blocks import Document
from reports.charts import HAIR
from reports.setting import Setter
from reports.styles import PAPERS
from reports.typesetting.paragraph import cut, draw_text
from reports.typesetting.structure import TaggedCanvas

AUTHOR = "plural-audit"
MOST_PASSES = 6


def render(document: Document, *, paper: str = "a4") -> bytes:
    """The PDF of `document`, in its language and direction, built to PDF/UA-1 and PDF/A-3a.

    Args:
        document: what it says.
        paper: one of `reports.styles.PAPERS`.

    Raises:
        ResourceError: a text holds a character that no bundled face can draw.
        UsageError: there is no such paper.
    """
    if paper not in PAPERS:
        raise UsageError(f'report: no paper is called "{paper}"; choose one of: {", ".join(PAPERS)}')
    with speaking(document.language):
        setter = Setter(document, PAPERS[paper])
        # Page numbers move the contents list, which may move the pages: until they rest. The first pass only measures.
        known = _Pass(setter, pages={}, total=0, draft=True)
        for _n in range(MOST_PASSES):
            found = _Pass(setter, pages=known.pages, total=known.total)
            if (found.pages, found.total) == (known.pages, known.total):
                return tagging.finished(
                    found.data(),
                    structure=setter.structure,
                    title=spoken(document.title),
                    subject=spoken(document.subtitle),
                    author=AUTHOR,
                    language=document.language,
                    manifest=document.manifest,
                )
            known = found
    raise AssertionError("page numbers did not come to rest")


class _Pass:
    """One setting of the whole document with page numbers known from the pass before."""

    def __init__(self, setter: Setter, *, pages: dict[str, int], total: int, draft: bool = False) -> None:
        self._setter, self._known_total, self._draft = setter, total, draft
        self._buffer = io.BytesIO()
        paper, document = setter.paper, setter.document
        template = BaseDocTemplate(
            self._buffer,
            pagesize=(paper.wide, paper.high),
            invariant=1,
            lang=document.language,
            title=spoken(document.title),
            subject=spoken(document.subtitle),
            author=AUTHOR,
            creator=AUTHOR,
            pageCompression=1,
        )
        template._doSave = 0  # only the pass at which page numbers rest is worth it
        bare = dict.fromkeys(("leftPadding", "rightPadding", "topPadding", "bottomPadding"), 0)
        frame = Frame(paper.margin, paper.margin, paper.width, paper.height, id="body", **bare)
        template.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=self._furniture)])
        template.build(setter.story(pages), canvasmaker=self._canvas)
        self.pages, self.total = setter.pages, template.page

    def _canvas(self, *args: Any, **more: Any) -> TaggedCanvas:
        self._on = TaggedCanvas(*args, **more)
        self._on.draft = self._draft
        return self._on

    def data(self) -> bytes:
        """The file."""
        self._on.save()
        return self._buffer.getvalue()

    def _furniture(self, canvas: TaggedCanvas, template: Any) -> None:
        """Running head and page number."""
        setter, paper = self._setter, self._setter.paper
        head = paper.high - paper.margin + 14
        if template.page > 1:
            running = cut(spoken(setter.document.running), paper.width, setter.styles["running"].size)
            with canvas.artifact("Header"):
                self._line(canvas, running, y=head - 1, right=setter.turned)
                canvas.setStrokeColor(HAIR)
                canvas.setLineWidth(0.5)
                canvas.line(paper.margin, head - 5, paper.margin + paper.width, head - 5)
        foot = _("Page {page} of {pages}", page=template.page, pages=self._known_total)
        with canvas.artifact("Footer"):
            self._line(canvas, foot, y=paper.margin - 28, right=not setter.turned)

    def _line(self, canvas: TaggedCanvas, words: str, *, y: float, right: bool) -> None:
        """A line at the right or left margin."""
        paper, style = self._setter.paper, self._setter.styles["running"]
        draw_text(
            canvas,
            words,
            x=paper.margin + paper.width if right else paper.margin,
            y=y,
            size=style.size,
            colour=style.colour,
            anchor="end" if right else "start",
            base=self._setter.base(words),
        )
