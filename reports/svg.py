"""Charts within HTML: what vl-convert writes, without what only its own viewer needs, and safe beside other charts."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from markupsafe import Markup

SVG = "{http://www.w3.org/2000/svg}"
DROPPED = ("class", "role", "pointer-events", "font-family", "style", "stroke-miterlimit")
DECIMALS = re.compile(r"(\.\d{2})\d+")  # a hundredth of a point is nobody's to see


def inline(svg: str, *, name: str, magnified: float) -> Markup:
    """A chart as an element of an HTML page; its texts stay texts, in the page's faces.

    Args:
        svg: of `reports.charts.svg`.
        name: of its own within the page, for its inner references.
        magnified: pixels for each point.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - vl-convert's, which knows no entities
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    _tidy(root, name)
    wide, tall = f"{width * magnified:.0f}", f"{height * magnified:.0f}"
    attributes = {"viewBox": f"0 0 {width:g} {height:g}", "width": wide, "height": tall, "aria-hidden": "true"}
    root.attrib.clear()
    root.attrib.update(attributes)
    return Markup(ElementTree.tostring(root, encoding="unicode", method="html"))  # noqa: S704 - escaped by ElementTree


def _tidy(element: ElementTree.Element, name: str) -> None:
    """Without namespaces, invisible parts and empty groups; ids get `name`."""
    element.tag = element.tag.removeprefix(SVG)
    idle = [key for key, value in element.attrib.items() if _is_idle(key, value)]
    element.attrib = {key: _renamed(key, value, name) for key, value in element.attrib.items() if key not in idle}
    kept: list[ElementTree.Element] = []
    for child in element:
        if _is_hidden(child):
            continue
        _tidy(child, name)
        kept += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = [child for child in kept if len(child) or child.attrib or child.text]


def _is_idle(key: str, value: str) -> bool:
    return key.startswith("aria-") or key in DROPPED or (key == "opacity" and float(value) == 1)


def _is_hidden(element: ElementTree.Element) -> bool:
    """What is not there, or has no extent and no paint."""
    if element.get("display") == "none" or element.get("opacity") == "0":
        return True
    unpainted = element.get("fill") is None and element.get("stroke") is None
    return element.tag == f"{SVG}path" and unpainted and "background" in element.get("class", "")


def _renamed(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if "url(#" in value:
        return value.replace("url(#", f"url(#{name}-")
    return DECIMALS.sub(r"\1", value) if key in ("d", "transform", "x", "y", "x2", "y2") else value
