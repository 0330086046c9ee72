"""What poppler makes of a PDF: its text, the places of its words, and a picture in greys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest

SPACES_AND_CONTROLS = re.compile(r"[\s\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def needed() -> None:
    """Skip where poppler is not installed, but fail where CI says that it must be."""
    if shutil.which("pdftotext") and shutil.which("pdftoppm"):
        return
    reason = "poppler is not there: apt-get install poppler-utils"
    assert not os.environ.get("PLURAL_AUDIT_REQUIRE_UNICODE"), reason
    pytest.skip(reason)


def pages(path: Path) -> list[str]:
    """Text of each page."""
    return _run("pdftotext", str(path), "-").decode().split("\f")[:-1]


def bare(text: str) -> str:
    """Text without spaces, which differ where lines end, and without the marks of direction that poppler adds."""
    return SPACES_AND_CONTROLS.sub("", unicodedata.normalize("NFC", text))


def boxes(path: Path, *, page: int = 0) -> list[tuple[float, float, float, float, str]]:
    """Each word of a page, or of the whole document: left, top, right, bottom in points, and what it says."""
    only = ("-f", str(page), "-l", str(page)) if page else ()
    found = re.findall(
        r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>',
        _run("pdftotext", "-bbox", *only, str(path), "-").decode(),
    )
    return [(float(a), float(b), float(c), float(d), text) for a, b, c, d, text in found]


def picture(path: Path, *, dpi: int, page: int = 1) -> np.ndarray:
    """Greys of a page, 0 to 255."""
    raw = _run("pdftoppm", "-gray", "-r", str(dpi), "-f", str(page), "-l", str(page), str(path))
    return greys(raw)


def greys(raw: bytes) -> np.ndarray:
    """A binary PGM as an array."""
    head = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", raw)
    assert head is not None
    return np.frombuffer(raw[head.end() :], dtype=np.uint8).reshape(int(head[2]), int(head[1]))


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout
