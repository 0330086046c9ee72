"""A PDF made accessible and archival: its structure, what it is called, its colours, what it rests on.

`finished` writes what PDF/UA-1 (ISO 14289-1) and PDF/A-3a (ISO 19005-3) ask for around the pages that reportlab made.
`problems` looks for what is missing; it is no validator of either standard, and passing it is no certificate.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from audit.wording import direction
from reports.typesetting.structure import Annotation, Node, Piece

MANIFEST = "plural-audit-manifest.json"
ROLES = {"Title": "P"}  # ours, and the standard type that each is a case of
PRINTED = 4  # flag of an annotation
# What an ICC profile says of when it was made, fixed: the same report is the same bytes.
MADE = slice(24, 36)
MADE_ON = bytes([0x07, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # 2000-01-01, as in the rest of the file
SHOWS = frozenset(
    {"S", "s", "f", "F", "f*", "B", "B*", "b", "b*", "Tj", "TJ", "'", '"', "Do", "sh", "EI", "INLINE IMAGE"}
)
MOST_DEEP = 100  # levels of a structure that is looked through

# PDF/A wants properties that it does not know described; pdfuaid is one of them.
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
    xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
   <dc:format>application/pdf</dc:format>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{subject}</rdf:li></rdf:Alt></dc:description>
   <dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
   <dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
   <xmp:CreatorTool>{author}</xmp:CreatorTool>
   <xmp:CreateDate>2000-01-01T00:00:00+00:00</xmp:CreateDate>
   <xmp:ModifyDate>2000-01-01T00:00:00+00:00</xmp:ModifyDate>
   <pdf:Producer>{producer}</pdf:Producer>
   <pdfaid:part>3</pdfaid:part>
   <pdfaid:conformance>A</pdfaid:conformance>
   <pdfuaid:part>1</pdfuaid:part>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
    xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
   <pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
    <pdfaSchema:schema>PDF/UA Universal Accessibility Schema</pdfaSchema:schema>
    <pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
    <pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
    <pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
     <pdfaProperty:name>part</pdfaProperty:name>
     <pdfaProperty:valueType>Integer</pdfaProperty:valueType>
     <pdfaProperty:category>internal</pdfaProperty:category>
     <pdfaProperty:description>Indicates, which part of ISO 14289 standard is followed</pdfaProperty:description>
    </rdf:li></rdf:Seq></pdfaSchema:property>
   </rdf:li></rdf:Bag></pdfaExtension:schemas>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def finished(
    data: bytes,
    *,
    structure: Node,
    title: str,
    subject: str,
    author: str,
    language: str,
    manifest: Mapping[str, Any] | None,
) -> bytes:
    """The PDF with all that its pages do not hold; the same bytes for the same input.

    Args:
        data: the pages, whose content is marked as `TaggedCanvas` does.
        structure: what is on them, in reading order; what was never drawn is left out.
        title: of the document; a reader's window shows it.
        subject: what it is about, in one line.
        author: of the document.
        language: BCP 47 code, of all whose node names no other.
        manifest: attached as MANIFEST, plain JSON types; None attaches nothing.
    """
    with pikepdf.open(io.BytesIO(data)) as pdf:
        _drop_unused_faces(pdf)
        _write_structure(pdf, structure.pruned())
        root = pdf.Root
        root.Lang = String(language)
        root.MarkInfo = Dictionary(Marked=True)
        root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
        if direction(language) == "rtl":
            root.ViewerPreferences.Direction = Name.R2L
        root.OutputIntents = Array([_srgb(pdf)])
        _write_metadata(pdf, title=title, subject=subject, author=author, language=language)
        if manifest is not None:
            _attach(pdf, manifest)
        out = io.BytesIO()
        modes = pikepdf.ObjectStreamMode
        pdf.save(out, min_version="1.7", object_stream_mode=modes.generate, deterministic_id=True)
    return out.getvalue()


# --- writing -------------------------------------------------------------------------------------


def _drop_unused_faces(pdf: pikepdf.Pdf) -> None:
    """The face that reportlab names on every page, which no text is set in and no file embeds."""
    for page in pdf.pages:
        fonts = page.obj.Resources.get("/Font", Dictionary())
        for name in [name for name, font in fonts.items() if font.Subtype == Name.Type1]:
            del fonts[name]


class _Tree:
    """The structure as objects of a PDF, and the way back from a page's marks to it."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self.pdf, self.pages = pdf, [page.obj for page in pdf.pages]
        self.marks: list[dict[int, pikepdf.Object]] = [{} for _ in self.pages]
        self.annotations: list[pikepdf.Object] = []

    def element(self, node: Node, parent: pikepdf.Object) -> pikepdf.Object:
        """A structure element with all below it."""
        made = self.pdf.make_indirect(Dictionary(Type=Name.StructElem, S=Name(f"/{node.tag}"), P=parent))
        if node.language:
            made.Lang = String(node.language)
        if node.alt:
            made.Alt = String(node.alt)
        attributes = _attributes(node)
        if attributes is not None:
            made.A = attributes
        first = next((kid.page for kid in node.kids if isinstance(kid, Piece)), None)
        if first is not None:
            made.Pg = self.pages[first]
        made.K = Array([self.kid(kid, made, first) for kid in node.kids])
        return made

    def kid(self, kid: Node | Piece | Annotation, parent: pikepdf.Object, page: int | None) -> Any:
        """An element, or a reference to what is on a page; on the element's own page the number is enough."""
        if isinstance(kid, Node):
            return self.element(kid, parent)
        at = self.pages[kid.page]
        if isinstance(kid, Piece):
            self.marks[kid.page][kid.number] = parent
            return kid.number if kid.page == page else Dictionary(Type=Name.MCR, Pg=at, MCID=kid.number)
        annotation = at.Annots[kid.number]
        annotation.StructParent = len(self.pages) + len(self.annotations)
        annotation.F = PRINTED
        self.annotations.append(parent)
        return Dictionary(Type=Name.OBJR, Pg=at, Obj=annotation)


def _write_structure(pdf: pikepdf.Pdf, structure: Node) -> None:
    tree = _Tree(pdf)
    root = pdf.make_indirect(Dictionary(Type=Name.StructTreeRoot))
    root.K = Array([tree.element(structure, root)])
    root.RoleMap = Dictionary({f"/{ours}": Name(f"/{standard}") for ours, standard in ROLES.items()})
    parents: list[Any] = []
    for number, (page, marks) in enumerate(zip(tree.pages, tree.marks, strict=True)):
        page.StructParents, page.Tabs = number, Name.S
        parents += [number, pdf.make_indirect(Array([marks[i] for i in range(len(marks))]))]
    for number, element in enumerate(tree.annotations, start=len(tree.pages)):
        parents += [number, element]
    root.ParentTree = pdf.make_indirect(Dictionary(Nums=Array(parents)))
    root.ParentTreeNextKey = len(tree.pages) + len(tree.annotations)
    pdf.Root.StructTreeRoot = root


def _attributes(node: Node) -> pikepdf.Object | None:
    if node.scope:
        return Dictionary(O=Name.Table, Scope=Name(f"/{node.scope}"))
    if node.tag == "L":
        return Dictionary(O=Name.List, ListNumbering=Name.Disc)
    if node.box is not None:
        return Dictionary(O=Name.Layout, Placement=Name.Block, BBox=Array([round(x, 2) for x in node.box]))
    return None


def _write_metadata(pdf: pikepdf.Pdf, *, title: str, subject: str, author: str, language: str) -> None:
    """Title and all else for programs that list files, as XMP; the older dictionary says the same."""
    information = pdf.docinfo
    for name in [name for name, value in information.items() if not str(value)]:
        del information[name]
    said = {"title": title, "subject": subject, "author": author, "language": language}
    said["producer"] = str(information.get("/Producer", author))
    packet = XMP.format(**{name: escape(_without_controls(words)) for name, words in said.items()})
    stream = pdf.make_stream(packet.encode())
    stream.Type, stream.Subtype = Name.Metadata, Name.XML
    pdf.Root.Metadata = stream


def _without_controls(text: str) -> str:
    """XML has no way to write most control characters."""
    return "".join(c for c in text if c >= " " or c in "\t\n\r")


@functools.cache
def _profile() -> bytes:
    from PIL import ImageCms

    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    raw[MADE] = MADE_ON
    return bytes(raw)


def _srgb(pdf: pikepdf.Pdf) -> pikepdf.Object:
    """What the colours of the pages mean."""
    profile = pdf.make_stream(_profile())
    profile.N = 3
    return pdf.make_indirect(
        Dictionary(
            Type=Name.OutputIntent,
            S=Name.GTS_PDFA1,
            OutputConditionIdentifier=String("sRGB IEC61966-2.1"),
            Info=String("sRGB IEC61966-2.1"),
            DestOutputProfile=profile,
        )
    )


def _attach(pdf: pikepdf.Pdf, manifest: Mapping[str, Any]) -> None:
    content = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False).encode()
    pdf.attachments[MANIFEST] = pikepdf.AttachedFileSpec(
        pdf,
        content,
        filename=MANIFEST,
        description="What this report rests on",
        mime_type="application/json",
        relationship=Name.Data,
        creation_date="D:20000101000000Z",
        mod_date="D:20000101000000Z",
    )
    pdf.Root.AF = Array([pdf.attachments[MANIFEST].obj])


# --- looking -------------------------------------------------------------------------------------


def problems(data: bytes) -> tuple[str, ...]:
    """What a tagged, archival PDF must have and this one has not, each with its place; empty where nothing is found.

    Raises:
        pikepdf.PdfError: it is no PDF that can be read.
    """
    with pikepdf.open(io.BytesIO(data)) as pdf:
        broken = pdf.check_pdf_syntax()
        if broken:
            return tuple(broken)
        found = [*_of_the_document(pdf), *_of_metadata(pdf), *_of_fonts(pdf)]
        if "/StructTreeRoot" in pdf.Root:
            found += [*_of_elements(pdf), *_of_marks(pdf)]
    return tuple(found)


def _of_the_document(pdf: pikepdf.Pdf) -> Iterator[str]:
    root = pdf.Root
    if not str(root.get("/Lang", "")):
        yield "document: no language"
    if not root.get("/MarkInfo", Dictionary()).get("/Marked", False):
        yield "document: not said to be tagged"
    if "/StructTreeRoot" not in root:
        yield "document: no structure"
    if not root.get("/ViewerPreferences", Dictionary()).get("/DisplayDocTitle", False):
        yield "document: its file name would be shown for its title"
    if not any("/DestOutputProfile" in one for one in root.get("/OutputIntents", Array())):
        yield "document: no colour profile"
    for page in pdf.pages:
        if page.obj.get("/Tabs") != Name.S:
            yield f"page {page.index + 1}: links are not reached in reading order"
    for name, attached in pdf.attachments.items():
        if "/AFRelationship" not in attached.obj:
            yield f"attachment {name}: nothing says what it is to the document"


def _of_metadata(pdf: pikepdf.Pdf) -> Iterator[str]:
    if "/Metadata" not in pdf.Root:
        yield "document: no metadata"
        return
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as told:
        expected = {"pdfuaid:part": "1", "pdfaid:part": "3", "pdfaid:conformance": "A"}
        for name, value in expected.items():
            if told.get(name) != value:
                yield f"metadata: {name} is not {value}"
        if not told.get("dc:title"):
            yield "metadata: no title"


def _of_fonts(pdf: pikepdf.Pdf) -> Iterator[str]:
    seen = set()
    for page in pdf.pages:
        fonts = page.obj.Resources.get("/Font", Dictionary())
        used = {str(one.operands[0]) for one in pikepdf.parse_content_stream(page, "Tf")}
        for name in sorted(used - set(fonts.keys())):
            yield f"page {page.index + 1}: font {name} is used and not there"
        for name, font in fonts.items():
            if font.objgen in seen and font.is_indirect:
                continue
            seen.add(font.objgen)
            descendants = font.get("/DescendantFonts")
            described = (descendants[0] if descendants is not None else font).get("/FontDescriptor", Dictionary())
            if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(described.keys()):
                yield f"font {name} {font.get('/BaseFont', '')}: not embedded"
            if "/ToUnicode" not in font:
                yield f"font {name} {font.get('/BaseFont', '')}: its letters say nothing when copied"


def _elements(kids: Any, deep: int = 0) -> Iterator[pikepdf.Object]:
    """All structure elements below, each once, parents first."""
    assert deep < MOST_DEEP, "a structure that deep is not ours"
    for kid in kids if isinstance(kids, Array) else [kids]:
        if isinstance(kid, Dictionary) and "/S" in kid:
            yield kid
            yield from _elements(kid.get("/K", Array()), deep + 1)


def _of_elements(pdf: pikepdf.Pdf) -> Iterator[str]:
    allowed = {"TR": {"Table", "THead", "TBody"}, "TH": {"TR"}, "TD": {"TR"}, "LI": {"L"}, "TOCI": {"TOC"}}
    level = 0
    for element in _elements(pdf.Root.StructTreeRoot.K):
        tag, inside = str(element.S)[1:], str(element.P.get("/S", "/"))[1:]
        if tag == "Figure" and not str(element.get("/Alt", "")):
            yield "structure: a Figure without a text that stands for it"
        if tag == "TH" and "/Scope" not in element.get("/A", Dictionary()):
            yield "structure: a heading cell that says not what it heads"
        if inside not in allowed.get(tag, {inside}):
            yield f"structure: {tag} within {inside}"
        if tag[0] == "H" and tag[1:].isdigit():
            if int(tag[1:]) > level + 1:
                yield f"structure: {tag} after " + (f"H{level}" if level else "no heading")
            level = int(tag[1:])


def _of_marks(pdf: pikepdf.Pdf) -> Iterator[str]:
    numbers = pdf.Root.StructTreeRoot.get("/ParentTree", Dictionary()).get("/Nums", Array())
    parents = {int(numbers[i]): numbers[i + 1] for i in range(0, len(numbers), 2)}
    for page in pdf.pages:
        place = f"page {page.index + 1}"
        known = parents.get(int(page.obj.get("/StructParents", -1)))
        marked, loose = _painted(page)
        if loose:
            yield f"{place}: {loose} things painted that are neither part of the structure nor an artifact"
        total = 0 if known is None else len(known)
        for number in sorted(marked):
            if known is None or number >= total or not _holds(known[number], number, page.obj):
                yield f"{place}: mark {number} leads to no element of the structure"
        for annotation in page.obj.get("/Annots", Array()):
            if _off_the_page(annotation, page.mediabox):
                continue  # a signature shows nothing and needs no element (PDF/UA-1, 7.18.1)
            if not str(annotation.get("/Contents", "")):
                yield f"{place}: a link that says not where it leads"
            if int(annotation.get("/StructParent", -1)) not in parents:
                yield f"{place}: a link outside the structure"


def _off_the_page(annotation: Any, box: Any) -> bool:
    """Whether an annotation lies where no page is: left, right, below or above it."""
    left, bottom, right, top = (float(side) for side in annotation.Rect)
    return right <= float(box[0]) or left >= float(box[2]) or top <= float(box[1]) or bottom >= float(box[3])


def _holds(element: Any, number: int, page: pikepdf.Object) -> bool:
    """Whether an element names a mark of a page as its own."""
    if not isinstance(element, Dictionary) or "/K" not in element:
        return False
    kids: Any = element.K
    for kid in kids if isinstance(kids, Array) else [kids]:
        mine, at = (kid.get("/MCID"), kid.get("/Pg")) if isinstance(kid, Dictionary) else (kid, element.get("/Pg"))
        if mine == number and at is not None and at.objgen == page.objgen:
            return True
    return False


def _painted(page: pikepdf.Page) -> tuple[set[int], int]:
    """Marks of a page, and how many things are painted under none."""
    marks: set[int] = set()
    loose = deep = 0
    for one in pikepdf.parse_content_stream(page):
        name, operands = str(one.operator), one.operands
        if name in ("BDC", "BMC"):
            deep += 1
            if name == "BDC" and isinstance(operands[1], Dictionary) and "/MCID" in operands[1]:
                marks.add(int(operands[1].MCID))
        elif name == "EMC":
            deep -= 1
        elif name in SHOWS and deep == 0:
            loose += 1
    return marks, loose
