"""Faces in the PDF: only the glyphs that are used, each with the exact text that it stands for.

A face becomes a composite font (Type 0, Identity-H). Every letter has a code of its own for each text that it stands
for, and a letter of several glyphs becomes one glyph made of them, so that copying and searching find what was written.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from typing import Any

from reports.typesetting.faces import Face
from reports.typesetting.shaping import Cluster, Glyph

DROPPED = (
    "GSUB",
    "GPOS",
    "GDEF",
    "STAT",
    "DSIG",
    "MATH",
    "BASE",
    "VORG",
    "vhea",
    "vmtx",
    "meta",
    "gasp",
    "cmap",
    "name",
)
MOST_CODES = 65_000
MOST_APART = 8  # characters of one letter that have places of their own
LONGEST_TEXT = 60  # UTF-16 units that one code may stand for; readers take no more
Built = tuple[tuple[Glyph, ...], float]  # what it draws, and how wide it is
Code = tuple[tuple[Glyph, ...], str, float]  # what it draws, what it says, and how wide it is if not as its glyph


class EmbeddedFace:
    """The codes of one face in one document; reportlab asks it for its objects when the document is saved."""

    def __init__(self, of: Face, document: Any, *, number: int) -> None:
        self.of, self.fontName = of, f"{of.key}{'-Bold' if of.bold else ''}-{number}"
        self.name = f"T{number}"
        self.codes: dict[Code, int] = {((), "", 0.0): 0}
        self.advances: list[float] = [0.0]
        document.fontMapping[self.fontName] = f"/{self.name}"
        document.delayedFonts.append(self)

    def code(self, cluster: Cluster, text: str) -> int:
        """The code that draws a cluster and says its text."""
        return self._code(cluster.glyphs, text, cluster.advance)

    def codes_right_to_left(self, cluster: Cluster, text: str) -> list[int]:
        """Codes that draw a cluster and say its text, from left to right, so the last character comes first.

        Readers turn what runs right to left around character by character, so that each needs a place of its own. The
        first one draws the whole, moved back over the places of the others, which draw nothing.
        """
        if len(text) == 1 or len(text) > MOST_APART:
            return [self.code(cluster, text)]
        step = cluster.advance / len(text)
        back = round(step * (len(text) - 1))
        moved = tuple(Glyph(glyph.id, glyph.x - back, glyph.y) for glyph in cluster.glyphs)
        empty = [self._code((), c, round(step, 1)) for c in reversed(text[1:])]
        return [*empty, self._code(moved, text[0], cluster.advance - back)]

    def mark(self, text: str) -> int:
        """A code that says `text` and takes no room."""
        return self._code((), text, 0.0)

    def _code(self, glyphs: tuple[Glyph, ...], text: str, advance: float) -> int:
        alone = _alone(glyphs)
        key = (glyphs, text, 0.0 if alone else advance)
        found = self.codes.get(key)
        if found is None:
            found = self.codes[key] = len(self.codes)
            assert found < MOST_CODES, "a report has no more letters than a font has codes"
            self.advances.append(self.of.advance(glyphs[0].id) if alone else advance)
        return found

    def addObjects(self, document: Any) -> None:  # noqa: N802 - reportlab calls it
        """Put the font into the document."""
        from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFString

        data, mapping = _subset(self.of, tuple(self.codes))
        base = PDFName(f"{_tag(self.name)}+{self.of.key}{'-Bold' if self.of.bold else ''}")
        descriptor = {
            "Type": PDFName("FontDescriptor"),
            "FontName": base,
            "Flags": 4,
            "FontBBox": PDFArray([-1000, round(-self.of.descent), 2000, round(self.of.ascent)]),
            "ItalicAngle": 0,
            "Ascent": round(self.of.ascent),
            "Descent": round(-self.of.descent),
            "CapHeight": 714,
            "StemV": 140 if self.of.bold else 80,
            "FontFile2": document.Reference(_stream(data, Length1=len(data))),
        }
        descendant = {
            "Type": PDFName("Font"),
            "Subtype": PDFName("CIDFontType2"),
            "BaseFont": base,
            "CIDSystemInfo": PDFDictionary(
                {"Registry": PDFString("Adobe"), "Ordering": PDFString("Identity"), "Supplement": 0}
            ),
            "FontDescriptor": document.Reference(PDFDictionary(descriptor)),
            "DW": 1000,
            "W": PDFArray([0, PDFArray([round(width, 2) for width in self.advances])]),
            "CIDToGIDMap": document.Reference(_stream(mapping)),
        }
        whole = {
            "Type": PDFName("Font"),
            "Subtype": PDFName("Type0"),
            "BaseFont": base,
            "Encoding": PDFName("Identity-H"),
            "DescendantFonts": PDFArray([document.Reference(PDFDictionary(descendant))]),
            "ToUnicode": document.Reference(_stream(_to_unicode([text for _, text, _ in self.codes]))),
        }
        fonts = document.idToObject["BasicFonts"].dict
        fonts[self.name] = document.Reference(PDFDictionary(whole))


def embedded(of: Face, document: Any) -> EmbeddedFace:
    """The face in the document, put there when it is first asked for."""
    known: dict[tuple[str, bool], EmbeddedFace] = document.__dict__.setdefault("_plural_audit_faces", {})
    key = (of.key, of.bold)
    if key not in known:
        known[key] = EmbeddedFace(of, document, number=len(known) + 1)
    return known[key]


def _tag(name: str) -> str:
    """Six capitals that mark a subset; the same ones for the same place in the document."""
    number = int(name[1:])
    return "".join(chr(65 + number // 26**i % 26) for i in range(6))


def _stream(data: bytes, **entries: int) -> Any:
    from reportlab.pdfbase.pdfdoc import PDFStream, PDFZCompress

    found = PDFStream(content=data)
    found.filters = [PDFZCompress]
    for name, value in entries.items():
        found.dictionary[name] = value
    return found


def _to_unicode(texts: Sequence[str]) -> bytes:
    """The map from codes to text."""
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CIDSystemInfo <</Registry (Adobe)/Ordering (UCS)/Supplement 0>> def",
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
        "1 begincodespacerange <0000> <FFFF> endcodespacerange",
    ]
    told = [(code, text) for code, text in enumerate(texts) if text]
    for start in range(0, len(told), 100):
        some = told[start : start + 100]
        lines.append(f"{len(some)} beginbfchar")
        lines += [f"<{code:04X}> <{_utf16(text)}>" for code, text in some]
        lines.append("endbfchar")
    lines.append("endcmap CMapName currentdict /CMap defineresource pop end end")
    return "\n".join(lines).encode("ascii")


def _utf16(text: str) -> str:
    cut = text.encode("utf-16-be")[: 2 * LONGEST_TEXT].decode("utf-16-be", errors="ignore")
    return cut.encode("utf-16-be").hex().upper()


@functools.lru_cache(maxsize=64)
def _subset(of: Face, codes: tuple[Code, ...]) -> tuple[bytes, bytes]:
    """A TrueType file with the glyphs of `codes`, and the map from codes to them."""
    import uharfbuzz as hb

    request = hb.SubsetInput()
    request.glyph_set.update({0} | {glyph.id for glyphs, _, _ in codes for glyph in glyphs})
    # No outline for .notdef, which thus is what draws nothing: no box can come into a report even by mistake.
    request.flags = hb.SubsetFlags.NO_LAYOUT_CLOSURE | hb.SubsetFlags.NO_HINTING
    request.drop_table_tag_set.update(int.from_bytes(tag.encode("ascii"), "big") for tag in DROPPED)
    for tag, value in of.axes:
        request.pin_axis_location(of.blob, tag, value)
    plan = hb.SubsetPlan(of.blob, request)
    data = bytes(plan.execute().blob.data)
    places = {int(old): int(new) for old, new in plan.old_to_new_glyph_mapping.items()}
    # What draws nothing has a glyph of its own: texts of an archival PDF must not use .notdef.
    told = [(glyphs, advance) for glyphs, _, advance in codes]
    built = [one for one in dict.fromkeys(told[1:]) if not _alone(one[0])]
    data, made = _with_built(data, built, places, 1 / of.scale) if built else (data, {})
    ids = [0, *(made[one] if one in made else places[one[0][0].id] for one in told[1:])]
    return data, b"".join(i.to_bytes(2, "big") for i in ids)


def _alone(glyphs: tuple[Glyph, ...]) -> bool:
    """Whether it is one glyph of the face at its own place."""
    return len(glyphs) == 1 and not glyphs[0].x and not glyphs[0].y


def _with_built(
    data: bytes, built: Sequence[Built], places: dict[int, int], units: float
) -> tuple[bytes, dict[Built, int]]:
    """`data` with a glyph for each letter that is made of several, of one moved from its place, or of none.

    They are as wide as the PDF says that they are: in an archival one the two must agree.
    """
    from fontTools.ttLib import TTFont
    from fontTools.ttLib.tables._g_l_y_f import Glyph as Outline
    from fontTools.ttLib.tables._g_l_y_f import GlyphComponent

    font = TTFont(io.BytesIO(data), recalcTimestamp=False)
    order = list(font.getGlyphOrder())
    outlines, metrics = font["glyf"], font["hmtx"]
    made: dict[Built, int] = {}
    for glyphs, advance in built:
        parts = []
        for glyph in glyphs:
            name = order[places[glyph.id]]
            if outlines[name].numberOfContours == 0:
                continue
            part = GlyphComponent()
            part.glyphName, part.x, part.y = name, round(glyph.x * units), round(glyph.y * units)
            part.flags = 0x0004  # round to the grid, as faces do
            parts.append(part)
        outline = Outline()
        outline.numberOfContours = -1 if parts else 0
        if parts:
            outline.components = parts
        name = f"built{len(made)}"
        made[glyphs, advance] = len(order) + len(made)
        outlines.glyphs[name] = outline
        metrics[name] = (round(advance * units), 0)
    font.setGlyphOrder([*order, *(f"built{i}" for i in range(len(made)))])
    outlines.glyphOrder = font.getGlyphOrder()
    font["post"].formatType = 3.0
    for i in range(len(made)):
        outline = outlines.glyphs[f"built{i}"]
        if outline.numberOfContours:
            outline.recalcBounds(outlines)
            metrics[f"built{i}"] = (metrics[f"built{i}"][0], outline.xMin)
    out = io.BytesIO()
    font.save(out)
    return out.getvalue(), made
