"""Tables as CSV, Parquet and XLSX: the same bytes for the same rows, and no cell that a spreadsheet runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import ResourceError, UsageError
from audit.escaping import for_spreadsheet
from audit.exports.about import About
from audit.exports.tables import Kind, Table, What
from audit.runs import whole_or_absent

MOST_ROWS = 1_048_575  # of an XLSX sheet, below its head
MOST_SIGNS = 32_767  # of an XLSX cell, in UTF-16 units
CUT = " … [cut here; the CSV and Parquet exports have all of it]"
WIDTHS = {"sentence": 80, "caveats": 60, "notes": 60, "reason": 50, "texts": 60, "source": 40, "meaning": 80}
FIXED = datetime(2020, 1, 1)  # the same file for the same rows, whenever it is written


def write_csv(path: Path, table: Table) -> None:
    """Comma-separated UTF-8 (RFC 4180). Numbers read back as they were; what is missing is an empty cell."""
    texts = [column.name for column in table.columns if column.kind == "text"]
    rows = table.rows.assign(**{name: table.rows[name].map(for_spreadsheet, na_action="ignore") for name in texts})
    with whole_or_absent(path) as temporary:
        # With \r\n a lone \r in a cell is quoted too.
        rows.to_csv(temporary, index=False, lineterminator="\r\n", encoding="utf-8")


def write_parquet(path: Path, table: Table, origin: About) -> None:
    """Parquet, exact. Its schema's metadata says where the rows come from and what the columns mean."""
    rows = pa.Table.from_pandas(table.rows, preserve_index=False)
    told = {"about": asdict(origin), "columns": [asdict(column) for column in table.columns]}
    metadata = {**(rows.schema.metadata or {}), b"plural-audit": json.dumps(told, ensure_ascii=False).encode()}
    with whole_or_absent(path) as temporary:
        pq.write_table(rows.replace_schema_metadata(metadata), temporary)


def write_xlsx(path: Path, tables: Sequence[Table], origin: About, *, language: str) -> None:
    """A workbook: a sheet "about", then one for each table. Texts are texts, numbers keep 16 digits.

    A text longer than a cell may be is cut, with a mark, and "about" says how many were.

    Raises:
        ResourceError: XlsxWriter is not installed.
        UsageError: more rows than a sheet may have.
    """
    try:
        import xlsxwriter
    except ModuleNotFoundError:
        raise ResourceError("XlsxWriter is not installed; pip install 'plural-audit[report]'") from None
    for table in tables:
        if len(table.rows) > MOST_ROWS:
            raise UsageError(
                f"{table.name}: {len(table.rows)} rows, a sheet has at most {MOST_ROWS}; use --as parquet or csv"
            )
    with whole_or_absent(path) as temporary:
        # Nothing is guessed from texts, and nothing is written beside the file.
        book = xlsxwriter.Workbook(str(temporary), {"in_memory": True})
        book.set_properties({"title": f"plural-audit run {origin.run}", "created": FIXED})
        first, head = book.add_worksheet("about"), book.add_format({"bold": True})
        cut = {table.name: _sheet(book.add_worksheet(table.name), table, head) for table in tables}
        _about(first, tables, origin, head, language=language, cut=cut)
        book.close()


def _sheet(sheet: Any, table: Table, head: Any) -> int:
    """Write a table; the number of cells that were cut."""
    cut = 0
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, column.name, head)
        sheet.set_column(place, place, WIDTHS.get(column.name, 14))
        for row, value in enumerate(table.rows[column.name], start=1):
            cut += _cell(sheet, row, place, value, column.kind)
    return cut


def _cell(sheet: Any, row: int, place: int, value: Any, kind: Kind) -> bool:
    """Write one cell, empty where the value is missing; whether it was cut."""
    if pd.isna(value):
        return False
    if kind == "flag":
        sheet.write_boolean(row, place, bool(value))
    elif kind == "text":
        shown = _fitting(for_spreadsheet(value))
        if shown:
            sheet.write_string(row, place, shown)
        return shown.endswith(CUT) and not value.endswith(CUT)
    elif math.isfinite(value):
        sheet.write_number(row, place, value)
    else:  # no number of a spreadsheet, and not missing either
        sheet.write_string(row, place, for_spreadsheet(str(value)))
    return False


def _fitting(text: str) -> str:
    if len(text.encode("utf-16-le")) <= 2 * MOST_SIGNS:
        return text
    kept = text.encode("utf-16-le")[: 2 * (MOST_SIGNS - len(CUT))]
    return kept.decode("utf-16-le", "ignore") + CUT


def _about(
    sheet: Any, tables: Sequence[Table], origin: About, head: Any, *, language: str, cut: Mapping[What, int]
) -> None:
    sheet.set_column(0, 2, 24)
    sheet.set_column(3, 3, WIDTHS["meaning"])
    sheet.freeze_panes(1, 0)
    for row, cells in enumerate(_lines(tables, origin, language=language, cut=cut)):
        for place, text in enumerate(cells):
            sheet.write_string(row, place, _fitting(for_spreadsheet(text)), *([head] if row == 0 else []))


def _lines(
    tables: Sequence[Table], origin: About, *, language: str, cut: Mapping[What, int]
) -> Iterator[tuple[str, ...]]:
    yield "about", "", "", "plural-audit: figures of an audit, for reading; the run folder is the record"
    yield "run", "", "", origin.run
    yield "model", "", "", f"{origin.model} ({origin.model_ref})"
    yield "licence of the model", "", "", origin.model_licence
    yield "SHA-256 of the weights", "", "", origin.weights_sha256
    yield "digest of the evidence", "", "", origin.evidence_digest
    sealed = f"yes, weighed with plural-audit {origin.weighed_with}" if origin.sealed else "no: the run is not complete"
    yield "sealed", "", "", sealed
    yield "languages", "", "", ", ".join(origin.languages)
    yield "texts are said in", "", "", f"{language}; what is not translated yet is in English"
    for name, version, licence, digest in origin.suites:
        yield "suite", name, f"version {version}", f"{licence}; SHA-256 {digest}"
    yield "empty cells", "", "", "there is no such number or text; it is not zero"
    yield "apostrophes", "", "", "before a text that a spreadsheet could run as a formula; not part of the text"
    for name, n in cut.items():
        if n:
            yield "cut cells", name, str(n), f"texts longer than {MOST_SIGNS} signs, ended by{CUT}"
    yield "", "", "", ""
    yield "sheet", "column", "unit", "meaning"
    for table in tables:
        for column in table.columns:
            yield table.name, column.name, column.unit, column.meaning
