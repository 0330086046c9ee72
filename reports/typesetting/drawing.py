"""Vector drawings whose texts are shaped as paragraphs are: labels of charts in any script, in the report's faces."""

from __future__ import annotations

from typing import Any

from reportlab.graphics import renderPDF
from reportlab.platypus import Flowable

from reports.typesetting.paragraph import draw_text
from reports.typesetting.structure import Node


class Chart(Flowable):  # type: ignore[misc] # reportlab has no types
    """A reportlab drawing on the page; without `node` it is no part of what the document says."""

    def __init__(self, drawing: Any, node: Node | None = None) -> None:
        super().__init__()
        self.drawing, self.node = drawing, node
        self.width, self.height = float(drawing.width), float(drawing.height)

    def of(self, node: Node) -> Chart:
        """The same drawing in another place of a document."""
        return Chart(self.drawing, node)

    def wrap(self, width: float, height: float) -> tuple[float, float]:  # noqa: ARG002
        """Its own size."""
        return self.width, self.height

    def draw(self) -> None:
        """Paint it."""
        if getattr(self.canv, "draft", False):
            return
        if self.node is None:
            self._paint()
            return
        left, foot = self.canv.absolutePosition(0, 0)
        self.node.box = (left, foot, left + self.width, foot + self.height)
        with self.canv.part_of(self.node):
            self._paint()

    def _paint(self) -> None:
        _Painter().draw(renderPDF.renderScaledDrawing(self.drawing), self.canv, 0, 0, showBoundary=0)


class _Painter(renderPDF._PDFRenderer):  # type: ignore[misc]
    """reportlab's own, but for texts; it never names a face that is not embedded."""

    def applyStateChanges(self, delta: dict[str, Any], newState: dict[str, Any]) -> None:  # noqa: N802, N803
        """All but the font, which reportlab would look up."""
        plain = {name: value for name, value in delta.items() if name not in ("fontName", "fontSize")}
        super().applyStateChanges(plain, newState)

    def drawString(self, node: Any) -> None:  # noqa: N802
        """One line of text at its place."""
        if not node.text.strip() or not self._fill:
            return
        state = self._tracker.getState()
        draw_text(
            self._canvas,
            node.text,
            x=node.x,
            y=node.y,
            size=state["fontSize"],
            bold="bold" in str(state["fontName"]).lower(),
            anchor=state["textAnchor"],
        )
