"""`plural-audit compare`: two runs side by side in the terminal, as JSON, as PDF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from audit.comparison import Comparison, Difference, Likeness, NodeChange, Outcome, compare
from audit.comparison.files import as_content
from audit.errors import ResourceError, UsageError
from audit.progress import ConsoleReporter
from audit.records import Estimate, Evidence, Finding, Undefined, node_name
from audit.runs import RunFolder, find_run, write_json
from audit.suites import language_name
from audit.terminal import about, err, harmless, line, out

MARKS = {
    Outcome.HIGHER: "▲",
    Outcome.LOWER: "▼",
    Outcome.INDISTINGUISHABLE: "=",
    Outcome.NOT_INTERPRETABLE: "–",
    Outcome.UNDEFINED: "?",
}
CHANGED = (Outcome.HIGHER, Outcome.LOWER)
MOST_NODES = 12  # of a language, in the terminal
MOST_REASONS = 6  # of one kind


def compare_runs(
    run_a: Annotated[str, typer.Argument(help="Run A: folder, the start of a run id, or 'last'.")],
    run_b: Annotated[str, typer.Argument(help="Run B, which is set against it: positive differences are larger in B.")],
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")] = Path("runs"),
    everything: Annotated[bool, typer.Option("--all", help="Also the exploratory differences that show none.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything as JSON to this file.")] = None,
    transfer: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="B's model, by name or folder: also ask it how much of its effect A's circuits carry (needs torch).",
        ),
    ] = "",
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="With --transfer: accept the licence terms of B's model.")
    ] = False,
    pdf_file: Annotated[Path | None, typer.Option("--pdf", help="Write it as a PDF to this file.")] = None,
) -> None:
    """Two runs on the items that both were asked in the same words: what is higher in B, lower, or neither.

    Differences are taken item by item, clustered on templates and corrected within families that were fixed before the
    runs. Works from the run folders alone, without torch, unless --transfer is given.
    """
    folders = [find_run(one, runs=runs) for one in (run_a, run_b)]
    if folders[0].path.resolve() == folders[1].path.resolve():
        raise UsageError(f"{folders[0].path}: the same run twice; name two runs to compare")
    with ConsoleReporter(err) as reporter:
        reporter.stage("reading the runs")
        evidence = [folder.read_evidence() for folder in folders]
        found = [_findings(folder) for folder in folders]
        reporter.stage("comparing")
        comparison = compare(evidence[0], evidence[1], findings_a=found[0], findings_b=found[1])
        if transfer:
            comparison = _with_transfer(comparison, evidence, transfer, reporter, accept_terms=accept_terms)
    if json_file is not None:
        write_json(json_file, as_content(comparison))
    if pdf_file is not None:
        from reports.comparison import build_comparison_pdf

        build_comparison_pdf(pdf_file, comparison)
    show(comparison, everything=everything)


def _with_transfer(
    comparison: Comparison, evidence: Sequence[Evidence], model: str, reporter: ConsoleReporter, *, accept_terms: bool
) -> Comparison:
    try:
        from audit.transfer import with_transfer

        return with_transfer(comparison, *evidence, model=model, reporter=reporter, accept_terms=accept_terms)
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[models]'") from None


def _findings(folder: RunFolder) -> tuple[Finding, ...]:
    """The findings of a run that was weighed; none of one that was only gathered."""
    from audit import pipeline

    folder.require_undamaged()
    return pipeline.read_findings(folder) if (folder.path / "findings.json").is_file() else ()


# --- in the terminal ------------------------------------------------------------------------


def show(comparison: Comparison, *, everything: bool) -> None:
    """Differences by family: those asked before the runs, then leads that stand out; all of them if `everything`."""
    suites = (*comparison.run_a.suites, *comparison.run_b.suites)
    labels = {id_: name for suite in suites for id_, name in suite.labels.items()}
    _head(comparison)
    shown = [one for one in comparison.differences if everything or one.confirmatory or one.verdict in CHANGED]
    shown.sort(key=lambda one: not one.confirmatory)
    for (family, confirmatory), group in groupby(shown, key=lambda one: (one.family, one.confirmatory)):
        kind = "fixed before the runs" if confirmatory else "exploratory: a lead, not a result"
        _family(f"{family} ({kind})", list(group), labels)
    if hidden := len(comparison.differences) - len(shown):
        line(f"{hidden} exploratory comparisons without a difference are not shown (--all shows them)")
    _nodes(comparison.nodes, everything=everything)
    _likenesses(comparison.likenesses)
    _left_out(comparison, everything=everything)
    line("; ".join(f"{mark} {outcome}" for outcome, mark in MARKS.items()) + ". Every number is B - A.")
    line("n counts templates; p is corrected for the family (Holm).")
    line("detects: the difference that would have been found in 80 of 100 such comparisons.")
    line("= says that no difference was shown, not that there is none: see what it detects.")
    for title, part in (("Fixed before the runs", True), ("Exploratory", False)):
        counts = Counter(one.verdict for one in comparison.differences if one.confirmatory is part)
        told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        line(f"{title}: {told or 'none'}")


def _head(comparison: Comparison) -> None:
    for run, manifest in (("A", comparison.run_a), ("B", comparison.run_b)):
        line(f"{run}: run {manifest.run_id}, {manifest.model.name}")
    differ = sum(1 for one in comparison.not_comparable if "/" in one.what)
    line(
        f"{len(comparison.same_items)} items in common; {len(comparison.only_a)} only in A, "
        f"{len(comparison.only_b)} only in B, {differ} in both but not comparable"
    )
    for note in comparison.notes:
        line(f"  {note}")


def _family(title: str, group: Sequence[Difference], labels: Mapping[str, str]) -> None:
    unit = next((f", {one.estimate.unit}" for one in group if isinstance(one.estimate, Estimate)), "")
    line(f"\n{title}{unit}")
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    grid.add_column("", no_wrap=True)
    grid.add_column("about", overflow="fold", min_width=14)
    for column in ("A", "B", "B - A", "95 % interval", "n", "p", "detects"):
        grid.add_column(column, justify="right", no_wrap=True)
    for one in group:
        grid.add_row(MARKS[one.verdict], Text(harmless(about(one.scope, labels))), *_figures(one))
    out.print(grid)
    reasons = {one.estimate.reason for one in group if isinstance(one.estimate, Undefined)}
    for reason in sorted(reasons)[:MOST_REASONS]:
        line(f"  undefined: {reason}")
    barred = {one.notes[-1] for one in group if one.verdict is Outcome.NOT_INTERPRETABLE and one.notes}
    for reason in sorted(barred)[:MOST_REASONS]:
        line(f"  not interpretable {reason}")


def _figures(one: Difference) -> tuple[str, ...]:
    sides = tuple("" if value is None else f"{value:+.2f}" for value in (one.value_a, one.value_b))
    result = one.estimate
    if isinstance(result, Undefined):
        return (*sides, "", "undefined", "", "", "")
    detects = "" if one.detectable is None else f"{one.detectable:.2f}"
    interval = f"{result.low:+.2f} to {result.high:+.2f}"
    return (*sides, f"{result.value:+.2f}", interval, str(result.n_clusters), _p(one.p_adjusted), detects)


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.3f}" if p >= 0.001 else "<.001"


def _nodes(nodes: Sequence[NodeChange], *, everything: bool) -> None:
    """Nodes that gained or lost effect, the largest change first."""
    for (suite, language), group in groupby(nodes, key=lambda one: (one.suite, one.language)):
        many = list(group)
        changed = [one for one in many if everything or one.verdict in CHANGED]
        changed.sort(key=lambda one: -abs(one.estimate.value))
        told = sum(one.verdict in CHANGED for one in many)
        line(
            f"\nNodes in {language_name(language)}, {suite} (exploratory), nats: {told} of {len(many)} that both runs "
            "patched one by one changed"
        )
        if not changed:
            continue
        grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
        grid.add_column("", no_wrap=True)
        grid.add_column("node", no_wrap=True)
        for column in ("A", "B", "B - A", "95 % interval", "p"):
            grid.add_column(column, justify="right", no_wrap=True)
        for one in changed if everything else changed[:MOST_NODES]:
            result = one.estimate
            grid.add_row(
                MARKS[one.verdict],
                node_name(one.layer, one.head),
                f"{one.value_a:+.3f}",
                f"{one.value_b:+.3f}",
                f"{result.value:+.3f}",
                f"{result.low:+.3f} to {result.high:+.3f}",
                _p(one.p_adjusted),
            )
        out.print(grid)


def _likenesses(likenesses: Sequence[Likeness]) -> None:
    if not likenesses:
        return
    line("\nHow alike inside")
    for one in likenesses:
        result, where = one.result, f"{one.what}, {language_name(one.scope.language)} ({one.scope.suite})"
        if isinstance(result, Undefined):
            line(f"  {where}: undefined: {result.reason}")
            continue
        notes = f"; {'; '.join(one.notes)}" if one.notes else ""
        interval = f"{result.low:.2f} to {result.high:.2f}"
        line(f"  {where}: {result.value:.2f} {result.unit} ({interval}, {result.n_clusters} templates){notes}")


def _left_out(comparison: Comparison, *, everything: bool) -> None:
    items = [one for one in comparison.not_comparable if "/" in one.what]
    reasons = Counter(str(one.reason) for one in items)
    if reasons:
        line("\nItems of both runs that are not compared")
        for reason, n in reasons.most_common(None if everything else MOST_REASONS):
            first = next(one.what for one in items if one.reason == reason)
            line(f"  {n}: {reason} ({first}{' …' if n > 1 else ''})")
    line("\nNot compared as a whole")
    for one in comparison.not_comparable:
        if "/" not in one.what:
            line(f"  {one.what}: {one.reason}")
    line("")
