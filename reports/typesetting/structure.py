"""What each drawn thing is, for readers who do not see the page: the logical structure of a tagged PDF.

Whoever sets a report makes a tree of nodes in reading order. What is drawn for a node is marked on the page with a
number of its own, and the node keeps page and number, so that the order of reading is that of the tree, wherever the
pieces stand. All other painting (rules, grounds, running heads) is marked as an artifact, which is not read out.
`reports.tagging` writes the tree into the file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reportlab.pdfgen.canvas import Canvas

CELLS = ("TH", "TD", "Lbl", "LBody")  # kept where they are empty: without them their row would have another meaning
# Operators that leave something on the page, at the end of their operands.
PAINTS = re.compile(r"(?:^|[\s\])>])(?:[sSfFbB]\*?|T[jJ]|Do|sh|['\"])(?=\s|$)")
STATE = re.compile(r"[qQ]|[^\n]* cm")  # saves, restores or moves: no part of a picture


class Piece(NamedTuple):
    """A marked stretch of a page's content."""

    page: int  # from 0
    number: int  # the stretch's MCID


class Annotation(NamedTuple):
    """A place of a page that can be clicked."""

    page: int  # from 0
    number: int  # among the annotations of its page, from 0


@dataclass(eq=False, kw_only=True)
class Node:
    """One element of the structure: its standard type, what is in it, and what the type alone does not say."""

    tag: str
    language: str = ""  # BCP 47, where it is not that of what it is in
    alt: str = ""  # what a picture shows
    scope: str = ""  # of a heading cell: "Column" or "Row"
    box: tuple[float, float, float, float] | None = None  # of a picture, in points from the page's lower left
    kids: list[Node | Piece | Annotation] = field(default_factory=list)

    def add(self, tag: str, *, language: str = "", alt: str = "", scope: str = "") -> Node:
        """A new last child."""
        made = Node(tag=tag, language=language, alt=alt, scope=scope)
        self.kids.append(made)
        return made

    @property
    def drawn(self) -> bool:
        """Whether anything of it is on a page."""
        return any(not isinstance(kid, Node) or kid.drawn for kid in self.kids)

    def pruned(self) -> Node:
        """The same without what was never drawn; an empty cell stays in a row of which something was."""
        kids = [kid for kid in self.kids if not isinstance(kid, Node) or kid.drawn or kid.tag in CELLS]
        kept = [kid.pruned() if isinstance(kid, Node) else kid for kid in kids]
        return Node(tag=self.tag, language=self.language, alt=self.alt, scope=self.scope, box=self.box, kids=kept)


class TaggedCanvas(Canvas):  # type: ignore[misc] # reportlab has no types
    """A canvas that marks all it is given to paint: as part of a node, or as an artifact.

    `draft` is for measuring alone: texts and pictures are then placed and not painted, and nothing is saved.
    """

    draft = False
    _code: list[str]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._marks = 0  # on this page
        self._open = False

    def _make_preamble(self) -> None:
        """reportlab's, without the words that set a face which is never used."""
        self._preamble = "1 0 0 1 0 0 cm"

    def setFont(self, *_args: Any, **_more: Any) -> None:  # noqa: N802
        """Nothing: tables choose reportlab's faces for texts of theirs, of which there are none."""

    @contextlib.contextmanager
    def part_of(self, node: Node) -> Iterator[None]:
        """What is painted within belongs to `node`."""
        assert not self._open, "marked stretches do not lie within each other"
        self._open = True
        node.kids.append(Piece(self.getPageNumber() - 1, self._marks))
        self._code.append(f"/{node.tag} <</MCID {self._marks}>> BDC")
        self._marks += 1
        yield
        self._code.append("EMC")
        self._open = False

    @contextlib.contextmanager
    def artifact(self, kind: str) -> Iterator[None]:
        """What is painted within is the page's "Header" or "Footer", no part of what the document says."""
        assert not self._open, "marked stretches do not lie within each other"
        self._open = True
        self._code.append(f"/Artifact <</Type /Pagination /Subtype /{kind}>> BDC")
        yield
        self._code.append("EMC")
        self._open = False

    def link(self, node: Node, *, key: str, says: str, box: tuple[float, float, float, float]) -> None:
        """A place to click, which leads to the bookmark `key` and belongs to `node`."""
        node.kids.append(Annotation(self.getPageNumber() - 1, len(self._annotationrefs)))
        self.linkRect(says, key, box, relative=1)

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """End the page; what nobody marked is an artifact."""
        self._code = _with_artifacts(self._code)
        self._marks = 0
        super().showPage()

    def save(self) -> None:
        """Write the file, if it is one."""
        if not self.draft:
            super().save()


def _with_artifacts(code: list[str]) -> list[str]:
    """A page's content with marks around what is painted outside any; changes of state stay outside."""
    found: list[str] = []
    loose: list[str] = []
    marked = False

    def close() -> None:
        paints = any(PAINTS.search(entry) for entry in loose)
        found.extend(["/Artifact BMC", *loose, "EMC"] if paints else loose)
        loose.clear()

    for entry in code:
        if marked:
            found.append(entry)
            marked = entry != "EMC"
        elif entry.endswith(" BDC") or STATE.fullmatch(entry):
            close()
            found.append(entry)
            marked = entry.endswith(" BDC")
        else:
            loose.append(entry)
    close()
    return found
