"""`plural-audit export`: a run as tables, as JSON, as a part of a model card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from audit import terminal
from audit.errors import UsageError
from audit.progress import ConsoleReporter
from audit.runs import find_run, whole_or_absent


def export_run(
    run: Annotated[str, typer.Argument(help="Run folder, the start of a run id, or 'last'.")] = "last",
    form: Annotated[
        Literal["csv", "parquet", "xlsx", "json", "model-card", "json-schema"],
        typer.Option(
            "--as",
            help="csv, parquet, xlsx: tables. json: findings with the parts of their sentences. model-card: metadata "
            "and a section for the model's README.md. json-schema: form of findings.json and of json; needs no run.",
        ),
    ] = "csv",
    what: Annotated[
        Literal["findings", "observations", "items", "all"],
        typer.Option(help="Which table; all: one workbook, or a folder of files."),
    ] = "findings",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file, or the folder of --what all. Default: here, named by the run."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", "-l", help="Of the sentences in tables: en, fr, es, ar, hi, sw, zh or id.")
    ] = "en",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")] = Path("runs"),
) -> None:
    """Write a run's findings, observations or items for others to read. Prints the paths.

    What is missing is an empty cell, never 0. A text that a spreadsheet could run as a formula gets an apostrophe in
    CSV and XLSX. Texts of suites whose licence forbids copies are in no export. The run folder stays as it is.
    """
    from audit.exports import export
    from audit.exports.content import SCHEMA

    if form == "json-schema":
        if out is None:
            sys.stdout.write(SCHEMA.read_text(encoding="utf-8"))
            return
        if out.exists() and not force:
            raise UsageError(f"{out}: is there already; choose another --out, or --force to replace it")
        with whole_or_absent(out) as temporary:
            temporary.write_bytes(SCHEMA.read_bytes())
        terminal.line(str(out))
        return
    folder = find_run(run, runs=runs)
    with ConsoleReporter(terminal.err) as reporter:
        reporter.stage(f"writing {what} as {form}")
        paths = export(folder, form=form, what=what, out=out, language=language, replace=force)
    for path in paths:
        terminal.line(str(path))
