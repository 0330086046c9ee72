"""Texts by language from a folder of <language>.txt files, and their digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audit.errors import UsageError
from audit.runs import sha256_of


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Training texts by language: lines, and the SHA-256 of each file."""

    lines: Mapping[str, tuple[str, ...]]
    sha256: Mapping[str, str]


def read_texts(folder: Path) -> Texts:
    """Texts of a folder of <language>.txt files, UTF-8, a sentence or a paragraph a line.

    Raises:
        UsageError: no such folder or no such files in it; a file that is empty or not UTF-8.
    """
    files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    if not files:
        raise UsageError(f"{folder}: no <language>.txt in it; give a folder with one text file per language")
    lines = {}
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"{file}: not UTF-8 (byte {error.start}); convert it") from None
        lines[file.stem] = tuple(line for line in text.splitlines() if line.strip())
        if not lines[file.stem]:
            raise UsageError(f"{file}: empty; fill it or take it away")
    return Texts(lines=lines, sha256={file.stem: sha256_of(file) for file in files})
