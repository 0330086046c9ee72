"""The command line: one command, one call into the library."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from audit.errors import AuditError, UsageError
from audit.pipeline import DEFAULT_MODEL, Request
from audit.progress import ConsoleReporter
from audit.runs import find_run

EXAMPLES = """
Examples:

  plural-audit run                                     the built-in audit of gemma-3-270m, every language

  plural-audit run --languages en,sw --limit 2         a quick look: two items per topic

  plural-audit run --model ./my-model --suite values   one suite on a model in a folder

  plural-audit show last                               findings of the newest run

  plural-audit suites lint prompts/stereotype          check a suite you wrote

Exit codes: 0 done; 1 the linter found problems or the doctor something missing; 2 wrong usage; 64 the request does not fit; 65 a suite is
refused; 66 a model cannot be had; 67 a run is damaged or incomplete; 69 the machine lacks something; 70 too few items;
130 stopped by the keyboard (the same command goes on).
"""

CONTEXT = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="plural-audit",
    help="Audit an open-weights language model in many languages: stereotypes, cultural knowledge, value frameworks.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    context_settings=CONTEXT,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
suites_app = typer.Typer(help="List, show, check and import suites.", no_args_is_help=True, context_settings=CONTEXT, rich_markup_mode=None)
models_app = typer.Typer(help="List, fetch and describe models.", no_args_is_help=True, context_settings=CONTEXT, rich_markup_mode=None)
app.add_typer(suites_app, name="suites")
app.add_typer(models_app, name="models")

out = Console()
err = Console(stderr=True)

Model = Annotated[str, typer.Option("--model", "-m", help="Built-in name, folder, .gguf file, or hub id owner/name[@revision].")]
Suites = Annotated[list[str] | None, typer.Option("--suite", "-s", help="Suite name or folder; repeat for several. Default: all built-in ones.")]
Languages = Annotated[str, typer.Option("--languages", "-l", help="Codes separated by commas, as en,sw. Default: all that the suites have.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many items per topic: a quick look, not a result.")]
Dtype = Annotated[str, typer.Option(help="float32, bfloat16 or float16. Audits use float32: lower precision moves the numbers.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")]
Accept = Annotated[bool, typer.Option("--accept-terms", help="Accept the model's licence terms (they are shown).")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
RunRef = Annotated[str, typer.Argument(help="Run folder, the start of a run id, or 'last'.")]

DEFAULT_RUNS = Path("runs")


# --- the audit -------------------------------------------------------------------------------


@app.command()
def run(
    model: Model = DEFAULT_MODEL,
    suite: Suites = None,
    languages: Languages = "",
    limit: Limit = None,
    dtype: Dtype = "float32",
    device: Device = "cpu",
    runs: Runs = DEFAULT_RUNS,
    accept_terms: Accept = False,
    as_json: AsJson = False,
) -> None:
    """Gather, weigh and report: the whole audit. A run that was stopped goes on; one that is complete is shown again."""
    from audit import pipeline

    request = _request(model, suite, languages, limit, dtype, device)
    with _progress() as reporter:
        folder = pipeline.run(request, runs=runs, reporter=reporter, accept_terms=accept_terms)
    _show(folder, as_json=as_json)


@app.command()
def gather(
    model: Model = DEFAULT_MODEL,
    suite: Suites = None,
    languages: Languages = "",
    limit: Limit = None,
    dtype: Dtype = "float32",
    device: Device = "cpu",
    runs: Runs = DEFAULT_RUNS,
    accept_terms: Accept = False,
) -> None:
    """Ask the model and keep its answers (needs torch). Prints the run folder."""
    from audit import pipeline

    request = _request(model, suite, languages, limit, dtype, device)
    with _progress() as reporter:
        folder = pipeline.gather(request, runs=runs, reporter=reporter, accept_terms=accept_terms)
    out.print(str(folder.path), highlight=False, markup=False, soft_wrap=True)


@app.command()
def weigh(run: RunRef = "last", runs: Runs = DEFAULT_RUNS, as_json: AsJson = False) -> None:
    """Compute the findings from a run's evidence (works without torch)."""
    from audit import pipeline

    folder = find_run(run, runs=runs)
    with _progress() as reporter:
        pipeline.weigh(folder, reporter=reporter)
    _show(folder, as_json=as_json)


@app.command()
def report(run: RunRef = "last", runs: Runs = DEFAULT_RUNS) -> None:
    """Write the PDF of a run that has been weighed. Prints its path."""
    from audit import pipeline

    folder = find_run(run, runs=runs)
    with _progress() as reporter:
        path = pipeline.report(folder, reporter=reporter)
    out.print(str(path), highlight=False, markup=False, soft_wrap=True)


@app.command()
def show(run: RunRef = "last", runs: Runs = DEFAULT_RUNS, as_json: AsJson = False) -> None:
    """Print the findings of a run: the table, the verdicts, the path of the PDF."""
    _show(find_run(run, runs=runs), as_json=as_json)


def _request(model: str, suite: list[str] | None, languages: str, limit: int | None, dtype: str, device: str) -> Request:
    codes = tuple(sorted({code.strip() for code in languages.split(",") if code.strip()}))
    return Request(model=model, suites=tuple(suite or ()), languages=codes, limit=limit, dtype=dtype, device=device)


def _show(folder: Any, *, as_json: bool) -> None:
    from audit import findings, pipeline

    found = pipeline.read_findings(folder)
    if as_json:
        sys.stdout.write(findings.to_json(found))
        return
    evidence = folder.read_evidence()
    table = findings.findings_table(found)
    grid = Table(title=f"Run {evidence.manifest.run_id}: {evidence.manifest.model.name}", title_justify="left")
    for column in table.columns:
        grid.add_column(column, overflow="fold")
    for row in table.itertuples(index=False):
        grid.add_row(*(str(cell) for cell in row))
    out.print(grid, markup=False)
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in sorted({one.verdict for one in found})}
    out.print("Verdicts: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()), highlight=False, markup=False)
    pdf = folder.path / "report.pdf"
    where = pdf if pdf.is_file() else f"none yet (plural-audit report {folder.path})"
    out.print(f"Report: {where}", highlight=False, markup=False, soft_wrap=True)


# --- suites ----------------------------------------------------------------------------------
