"""Charts within HTML: what vl-convert writes, without what only its own viewer needs, and safe beside other charts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from markupsafe import Markup

SVG = "{http://www.w3.org/2000/svg}"
DROPPED = ("class", "role", "pointer-events", "font-family", "style", "stroke-miterlimit")
REFERENCE = re.compile(r"url\(#([^)]*)\)")
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
    # vl-convert counts on from chart to chart: its own numbers would tell how many were drawn before.
    ids = [one.get("id") for one in root.iter() if "id" in one.attrib]
    _tidy(root, {str(id_): f"{name}-part-{i}" for i, id_ in enumerate(ids, start=1)})
    wide, tall = f"{width * magnified:.0f}", f"{height * magnified:.0f}"
    attributes = {"viewBox": f"0 0 {width:g} {height:g}", "width": wide, "height": tall, "aria-hidden": "true"}
    root.attrib.clear()
    root.attrib.update(attributes)
    return Markup(ElementTree.tostring(root, encoding="unicode", method="html"))  # noqa: S704 - escaped by ElementTree


def _tidy(element: ElementTree.Element, names: Mapping[str, str]) -> None:
    """Without namespaces, invisible parts and empty groups; ids get their new names."""
    element.tag = element.tag.removeprefix(SVG)
    idle = [key for key, value in element.attrib.items() if _is_idle(key, value)]
    element.attrib = {key: _renamed(key, value, names) for key, value in element.attrib.items() if key not in idle}
    kept: list[ElementTree.Element] = []
    for child in element:
        if _is_hidden(child):
            continue
        _tidy(child, names)
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


def _renamed(key: str, value: str, names: Mapping[str, str]) -> str:
    if key == "id":
        return names[value]
    if "url(#" in value:
        return REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", value)
    return DECIMALS.sub(r"\1", value) if key in ("d", "transform", "x", "y", "x2", "y2") else value
