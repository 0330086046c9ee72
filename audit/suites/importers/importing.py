"""The formats that can be imported, and the one function that imports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.errors import SuiteError
from audit.suites.importers.crows_pairs import import_crows_pairs
from audit.suites.importers.folder import ImportReport, write_suite
from audit.suites.importers.parallel_text import import_parallel_text

FORMATS = {
    "crows-pairs": "CrowS-Pairs, English: crows_pairs_anonymized.csv",
    "parallel-text": "one <language>.txt per language, aligned line by line",
}


def import_suite(
    format_: str,
    files: Sequence[Path],
    out_folder: Path,
    *,
    licence: str | None = None,
    redistributable: bool | None = None,
    authors: str | None = None,
    source_language: str | None = None,
    limit: int | None = None,
) -> ImportReport:
    """Makes a suite of a published set; the folder appears whole or not at all, and its name is the suite's.

    Args:
        format_: One of `FORMATS`.
        files: The set's files, as published.
        out_folder: A folder that does not exist yet.
        licence: Overrides what the format or the folder of the files says; needed where neither does.
        redistributable: parallel-text: whether texts may be copied into run folders and reports.
        authors: parallel-text: whom to credit.
        source_language: parallel-text: the language the text was first written in.
        limit: parallel-text: only the first lines, as many as this.

    Raises:
        SuiteError: an unknown format, files that are not of it, no licence, or an existing folder.
    """
    paths = [Path(file) for file in files]
    if format_ == "crows-pairs":
        given = {"redistributable": redistributable, "authors": authors, "source_language": source_language}
        if unused := [name for name, value in {**given, "limit": limit}.items() if value is not None]:
            raise SuiteError(f'crows-pairs: does not take "{unused[0]}"; leave it out')
        imported = import_crows_pairs(paths, licence=licence)
    elif format_ == "parallel-text":
        imported = import_parallel_text(
            paths,
            licence=licence,
            redistributable=redistributable,
            authors=authors,
            source_language=source_language,
            limit=limit,
        )
    else:
        raise SuiteError(f'"{format_}" is no format that can be imported; there are {", ".join(FORMATS)}')
    return write_suite(imported, Path(out_folder), sources=paths)
