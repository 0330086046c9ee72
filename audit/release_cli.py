"""The part of the command line that decides on a release: gate, its policy, and what a policy can tell."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from audit import terminal
from audit.errors import AuditError, ResourceError, UsageError
from audit.pipeline import Items
from audit.progress import ConsoleReporter
from audit.runs import find_run, whole_or_absent

if TYPE_CHECKING:
    from audit.release.gate import GateResult, RuleResult
    from audit.release.planning import ExpectedTime, Spreads

EXAMPLES = """
Examples:

  plural-audit gate init                                       a commented policy.toml to begin with

  plural-audit gate explain stereotypes                        what would have to be true, in words

  plural-audit plan                                            what the policy can tell, before anything is run

  plural-audit run --policy policy.toml                        its digest is written into the run

  plural-audit gate last                                       the decision: exit code 0, 1, 2 or 3

  plural-audit gate last --baseline c94a --junit gate.xml --markdown gate.md

`plural-audit gate RUN` is `plural-audit gate check RUN`. Exit codes of a decision: 0 PASS, 1 FAIL, 2 INSUFFICIENT
EVIDENCE, 3 CONTESTED; of several, FAIL comes before CONTESTED before INSUFFICIENT EVIDENCE. 64 and above: no decision
was made (64 wrong usage, 67 a run is damaged or incomplete, 72 the policy is refused, 99 the program failed).
"""
CHECK = "check"
CRASHED = 99


class _Gate(TyperGroup):
    """Runs `check` where the first word is no command of its own, and keeps 0 to 3 for decisions.

    A mistyped option would otherwise end with 2 and a crash with 1, which scripts would read as decisions.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `check` before what is no command."""
        given = args if not args or args[0] in (*self.commands, *ctx.help_option_names) else [CHECK, *args]
        with _no_decision():
            return super().parse_args(ctx, given)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _no_decision():
            return super().invoke(ctx)


@contextmanager
def _no_decision() -> Iterator[None]:
    try:
        yield
    except (AuditError, OSError, typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if not hasattr(error, "exit_code"):
            traceback.print_exc()
            raise typer.Exit(CRASHED) from None
        error.exit_code = UsageError.exit_code  # what was typed does not fit
        raise


gate_app = typer.Typer(
    cls=_Gate,
    help="Decide by a policy whether a model may be released: PASS, FAIL, INSUFFICIENT EVIDENCE, CONTESTED.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

PolicyFile = Annotated[Path, typer.Option("--policy", "-p", help="The policy, as `gate init` writes one.")]
DEFAULT_POLICY = Path("policy.toml")
DEFAULT_RUNS = Path("runs")
Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")]


@gate_app.command(CHECK)
def check(
    run: Annotated[str, typer.Argument(help="Run folder, the start of a run id, or 'last'.")],
    policy: PolicyFile = DEFAULT_POLICY,
    baseline: Annotated[
        str, typer.Option("--baseline", help="The run that rules with a margin compare with: as RUN.")
    ] = "",
    judgements: Annotated[
        Path | None, typer.Option("--judgements", help="What people said: a file of `plural-audit desk judgements`.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write JUnit XML to this file.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Also write everything as JSON to this file.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write a summary in Markdown to this file.")
    ] = None,
    today: Annotated[
        str, typer.Option("--today", help="Decide as of this day, as 2026-06-30: which waivers are in force.")
    ] = "",
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Decide on a run. Exit code 0 PASS, 1 FAIL, 2 INSUFFICIENT EVIDENCE, 3 CONTESTED."""
    from audit.release import outputs
    from audit.release.gate import gate
    from audit.release.hearing import read_judgements
    from audit.release.policy import load_policy

    outputs_to = ((junit, outputs.as_junit), (json, outputs.as_json), (markdown, outputs.as_markdown))
    for file, _ in outputs_to:
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"{file}: its folder is not there; make it, or choose another")
    result = gate(
        find_run(run, runs=runs),
        load_policy(policy),
        baseline=find_run(baseline, runs=runs) if baseline else None,
        judgements=read_judgements(judgements) if judgements is not None else None,
        today=_day(today),
    )
    for file, text in outputs_to:
        if file is not None:
            with whole_or_absent(file) as temporary:
                temporary.write_text(text(result), encoding="utf-8")
    if today:
        terminal.line(f"Decided as of {result.day.isoformat()}.")
    _show(result)
    raise typer.Exit(result.exit_code)


@gate_app.command("init")
def init(file: Annotated[Path, typer.Argument(help="The new file.")] = DEFAULT_POLICY) -> None:
    """Write a commented policy to begin with. Its numbers are places to begin and no recommendation."""
    from audit.release.policy import write_start

    write_start(file)
    terminal.line(f"{file}: agree on it, then: plural-audit run --policy {file}")


@gate_app.command("explain")
def explain(
    rule: Annotated[str, typer.Argument(help="Id of a rule; none: all of them.")] = "",
    policy: PolicyFile = DEFAULT_POLICY,
) -> None:
    """Say in words what would have to be true for a rule to pass, to fail, or to be undecided."""
    from audit.release.explaining import explained
    from audit.release.policy import load_policy

    loaded = load_policy(policy)
    for place, one in enumerate((loaded.rule_named(rule),) if rule else loaded.rule):
        terminal.line(("\n" if place else "") + explained(one, loaded))


def plan(
    policy: PolicyFile = DEFAULT_POLICY,
    spread_from: Annotated[
        str,
        typer.Option(
            "--from", help="Take spreads from this run (folder, start of an id, 'last'). Default: a packaged one."
        ),
    ] = "",
    items: Annotated[
        Items, typer.Option("--items", help="Plan the short audit (core) or one of all items, as run --items.")
    ] = "core",
    model: Annotated[
        str, typer.Option("--model", "-m", help="Also measure this model's rate here and estimate the time of a run.")
    ] = "",
    runs: Runs = DEFAULT_RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """What a policy can tell before anything is run: the smallest excess each rule would find, templates to add, time.

    Exit code 1 if a rule lacks the power it asks for.
    """
    from audit.records import as_dict
    from audit.release import planning
    from audit.release.policy import load_policy

    loaded = load_policy(policy)
    known = planning.spreads_of(find_run(spread_from, runs=runs)) if spread_from else planning.packaged_spreads(items)
    made = planning.plan(loaded, known)
    time = _expected_time(model, known, items) if model else None
    if as_json:
        terminal.as_json({**as_dict(made), "time": None if time is None else as_dict(time)})
    else:
        for text in planning.in_words(made, time):
            terminal.line(text)
    raise typer.Exit(0 if made.enough else 1)


def _expected_time(model: str, known: Spreads, items: Items) -> ExpectedTime:
    from audit.release import planning

    try:
        with ConsoleReporter(terminal.err) as reporter:
            return planning.expected_time(model, known, items=items, reporter=reporter)
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[models]'") from None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(f"--today: {text!r} is no day; write it as 2026-06-30") from None


# --- what is printed -----------------------------------------------------------------------------


def _show(result: GateResult) -> None:
    from audit.release.outputs import summary

    policy = result.policy
    against = f", against {result.baseline_id}" if result.baseline_id else ""
    terminal.line(f"Run {result.run_id}: {result.model}{against}")
    terminal.line(f"Policy {policy.digest[:12]}: {policy.name}; {policy.owner}, {policy.date.isoformat()}")
    for one in result.rules:
        _rule(one)
    terminal.line("")
    for note in result.notes:
        terminal.line(f"note: {note}")
    bounds = f"{result.n_bounds} bound{'s' if result.n_bounds != 1 else ''}"
    terminal.line(f"Limits are one-sided and right together over {bounds} with confidence {policy.confidence:g}.")
    terminal.line(summary(result))


def _rule(one: RuleResult) -> None:
    from audit.release.outputs import figures, requirement, shown

    terminal.line(f"\n{one.outcome}: {one.rule.id}: {requirement(one.rule)}")
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    grid.add_column("where", overflow="fold", min_width=16)
    for column in ("value", "limits", "n"):
        grid.add_column(column, justify="right", no_wrap=True)
    grid.add_column("outcome", no_wrap=True)
    for cell in one.cells:
        n = "" if cell.n_clusters is None else str(cell.n_clusters)
        grid.add_row(Text(terminal.harmless(cell.where)), *figures(cell), n, shown(cell))
    terminal.out.print(grid)
    for cell in one.cells:
        plain = cell.outcome == "PASS" and cell.waiver is None
        for text in (*(() if plain else (cell.reason,)), *cell.notes):
            terminal.line(f"  {cell.where}: {text}")
    for text in one.left_out:
        terminal.line(f"  not asked here: {text}")
