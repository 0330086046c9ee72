"""Reads source files strictly, and writes a suite's folder whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import regex
import tomli_w

from audit.errors import SuiteError
from audit.suites.load import load_suite


class LeftOut(NamedTuple):
    """A row or line of a source file that was not imported."""

    file: str  # its name, without folders
    line: int  # on which the row begins, counted from 1
    reason: str


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of the rows: each is either imported or left out with its reason."""

    folder: Path
    imported: int  # items; a line that is aligned over languages is one item
    quarantined: tuple[LeftOut, ...]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A suite as an importer made it, before it is written."""

    declaration: Mapping[str, Any]  # the fields of suite.toml before its items; name and version are added
    design: Sequence[Mapping[str, Any]]
    words: Mapping[str, Sequence[Mapping[str, Any]]]  # by language
    provenance: Mapping[str, Mapping[str, Any]]  # by language: author, reviewed, origin
    left_out: tuple[LeftOut, ...]


def read_text(path: Path) -> str:
    r"""A file as text, with a byte-order mark removed and CRLF made LF.

    Raises:
        SuiteError: the file is not there or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read ({error.strerror}); give the file of the set") from None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise SuiteError(f"{path}:{line}: has the byte 0x{byte:02X}, which is not UTF-8; save it as UTF-8") from None


def read_csv(path: Path, *, columns: Sequence[str]) -> tuple[list[tuple[int, dict[str, str]]], list[LeftOut]]:
    """The rows of a CSV file, each with the line it begins on, and those that do not have the header's columns.

    Raises:
        SuiteError: the header lacks one of `columns`, or a quote is amiss, so that nothing after it can be told apart.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    left_out: list[LeftOut] = []
    try:
        header = next(reader, [])
        if missing := [name for name in columns if name not in header]:
            raise SuiteError(f'{path}:1: has no column "{missing[0]}"; this is not the file that the importer reads')
        begins = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                rows.append((begins, dict(zip(header, cells, strict=True))))
            else:
                left_out.append(LeftOut(path.name, begins, f"has {len(cells)} cells under {len(header)} columns"))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise SuiteError(f"{path}:{reader.line_num}: is not valid CSV ({error}); mend the quotes") from None
    return rows, left_out


def declared_licence(files: Sequence[Path], *, licence: str | None) -> str:
    """The licence given, else that of a SOURCE.md ("licence: ...") or a LICENSE beside the files.

    Raises:
        SuiteError: there is none; texts of unknown licence are not taken in.
    """
    if licence and licence.strip():
        return licence.strip()
    beside = files[0].parent
    if (beside / "SOURCE.md").is_file():
        found = regex.search(r"(?mi)^\W*licen[cs]e:\s*(\S.*?)\s*$", read_text(beside / "SOURCE.md"))
        if found:
            return str(found[1])
    for name in ("LICENSE", "LICENSE.md", "LICENSE.txt"):
        if (beside / name).is_file():
            lines = [line.strip() for line in read_text(beside / name).splitlines() if line.strip()]
            if lines:
                return lines[0]
    raise SuiteError(f"{files[0]}: nothing beside it says under which licence it stands; declare the licence")


def may_be_passed_on(licence: str) -> bool:
    """True only for licences known to allow copies for any purpose; everything else counts as not redistributable."""
    if regex.search(r"(?i)\b(nc|nd)\b|non-?commercial|no-?deriv", licence):
        return False
    known = r"(?i)\bcc[ -]?0\b|\bcc[ -]by\b|creative commons attribution|^attribution|\bapache\b|\bmit\b|public domain"
    return regex.search(known, licence) is not None


def write_suite(imported: Imported, folder: Path, *, sources: Sequence[Path]) -> ImportReport:
    """Writes the folder under a passing name, loads it to see that it holds, and only then gives it its name.

    Raises:
        SuiteError: the folder exists, no row could be imported, or the written suite is refused by the linter.
    """
    if os.path.lexists(folder):
        raise SuiteError(f"{folder}: exists already; give a folder that does not, or remove it first")
    if not imported.design:
        first = imported.left_out[0].reason if imported.left_out else "the files are empty"
        raise SuiteError(f"{sources[0]}: has no row that can be imported ({first}); check the format")
    name = folder.absolute().name
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=".importing-") as passing:
        staged = Path(passing) / name
        staged.mkdir()
        head = {"name": name, "version": _version(sources), **imported.declaration}
        _write(staged / "suite.toml", head, imported.design)
        for code, words in imported.words.items():
            _write(staged / f"{code}.toml", {"language": code, **imported.provenance[code]}, words)
        rows = (f"{row.file}\t{row.line}\t{row.reason}\n" for row in imported.left_out)
        (staged / "left-out.tsv").write_text("".join(["file\tline\treason\n", *rows]), encoding="utf-8", newline="\n")
        load_suite(staged)
        staged.rename(folder.absolute())
    return ImportReport(folder=folder, imported=len(imported.design), quarantined=imported.left_out)


def _version(sources: Sequence[Path]) -> str:
    """Digest of the source files' bytes: the same files give the same version."""
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)
    return "sha256-" + hashlib.sha256(digests.encode()).hexdigest()[:16]


def _write(path: Path, head: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> None:
    parts = [tomli_w.dumps(head), *("\n[[item]]\n" + tomli_w.dumps(item) for item in items)]
    path.write_text("".join(parts), encoding="utf-8", newline="\n")
