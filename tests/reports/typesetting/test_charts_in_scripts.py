"""Labels of charts in any script: none is a box, none runs into another or into the dots, and each can be found."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import poppler
import pypdf
import pytest

from audit.records import Verdict
from reports import pdf
from reports.blocks import Block, Document, Dot, Heading, Picture, Plot
from reports.judgement_charts import Bars, distributions

NAMES = (
    "everybody",
    "العربية والنوع",
    "हिन्दी · लिंग",
    "简体中文",
    "نستعلیق اردو",
    "ภาษาไทย",
    "தமிழ் பாலினம்",
    "Yorùbá ẹ̀sìn",
    "עברית",
    "አማርኛ ጾታ",
    "日本語の性別",
    "한국어 성별",
    "বাংলা ধর্ম",
    "A very long label of a row that cannot fit beside the dots at all",
    "نص عربي طويل جدا لا يمكن أن يسع بجانب النقاط على الإطلاق في هذا الرسم",
)
MARGIN, A4 = 57.0, 595.28


def plot(*dots: Dot) -> Plot:
    return Plot(title="t", unit="nats", dots=dots, null=0.0, null_label="none", alt="Alt.")


def dot(label: str, value: float, panel: str = "") -> Dot:
    return Dot(label=label, panel=panel, value=value, low=value - 0.2, high=value + 0.2, verdict=Verdict.EVIDENCE)


def built(path: Path, *blocks: Block) -> Path:
    head = Heading(text="Charts", level=1, new_page=True)
    path.write_bytes(pdf.render(Document(title="T", subtitle="s", running="r", front=(), blocks=(head, *blocks))))
    return path


@pytest.fixture(autouse=True)
def _poppler() -> None:
    poppler.needed()


def crossing(boxes):
    """Pairs of words on one line (by their middles; faces differ in height) that share more than 0.8 points."""
    return [
        (a[-1], b[-1])
        for a, b in itertools.combinations(boxes, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > 0.8 and abs(a[1] + a[3] - b[1] - b[3]) / 2 < 5
    ]


def test_labels_beside_rows_stand_in_their_scripts_and_cross_nothing(tmp_path):
    path = built(tmp_path / "a.pdf", plot(*(dot(name, 0.1 * i) for i, name in enumerate(NAMES))))
    found = poppler.bare(poppler.pages(path)[1])
    for name in NAMES[:-2]:
        for word in name.split():
            assert poppler.bare(word) in found
    words = [box for box in poppler.boxes(path, page=2) if box[1] > 60]
    assert crossing(words) == []
    assert min(left for left, *_ in words) >= MARGIN - 1
    assert max(right for _, _, right, *_ in words) <= A4 - MARGIN + 1


def test_panels_have_their_names_and_their_numbers_do_not_touch(tmp_path):
    panels = ("العربية", "हिन्दी", "中文")
    rows = [dot(name, 0.1 * i, panel) for panel in panels for i, name in enumerate(NAMES[:6])]
    path = built(tmp_path / "a.pdf", plot(*rows[:-2]))
    found = poppler.bare(poppler.pages(path)[1])
    assert all(panel in found for panel in panels)
    assert crossing([box for box in poppler.boxes(path, page=2) if box[1] > 60]) == []


def test_bars_have_names_in_their_scripts_with_numbers_after_them(tmp_path):
    judged = {"agree": 2, "partly": 1, "disagree": 2, "cannot say": 0}
    severe = {"0": 1, "1": 1, "2": 1, "3": 1, "4": 1, "not said": 0}
    bars = tuple(Bars(label=name, people=5, judged=judged, severe=severe) for name in NAMES)
    path = built(tmp_path / "a.pdf", Picture(draw=functools.partial(distributions, bars), alt="Bars."))
    words = [box for box in poppler.boxes(path, page=2) if box[1] > 60]
    assert crossing(words) == []
    assert min(left for left, *_ in words) >= MARGIN - 1
    assert (
        poppler.bare(poppler.pages(path)[1]).count("(5)") >= len(NAMES) - 4
    )  # beside Arabic and Hebrew on either side


def test_charts_of_latin_labels_are_drawn_in_the_latin_face_alone(tmp_path):
    path = built(tmp_path / "a.pdf", plot(dot("Gender", 0.1), dot("Âge", 0.3)))
    fonts = [font for page in pypdf.PdfReader(path).pages for font in page["/Resources"]["/Font"].values()]
    names = {str(font["/BaseFont"]).split("+")[1].removesuffix("-Bold") for font in fonts}
    assert names == {"NotoSans"}
