"""The part of the command line that is about suites: list, show, check, write, translate, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from audit import authoring_cli, importing_cli, terminal
from audit.errors import UsageError

suites_app = typer.Typer(
    help="List, show, check, write, translate, compare, import and export suites.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

authoring_cli.mount(suites_app)
importing_cli.mount(suites_app)

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@suites_app.command("list")
def suites_list(as_json: AsJson = False) -> None:
    """The built-in suites: kind, version, languages, items."""
    from audit import suites
    from audit.records import as_dict
    from audit.suites.describe import describe

    described = {name: describe(suites.load_suite(name)) for name in suites.list_builtin()}
    if as_json:
        terminal.as_json([{"suite": name, **as_dict(row)} for name, many in described.items() for row in many])
        return
    for name, many in described.items():
        one = max(many, key=lambda row: row.items)
        counts = f"{one.items} items, {one.controls} of them controls, {one.prompts} prompts"
        terminal.line(f"{name}: {counts} in each of {', '.join(row.language for row in many)}")
        if absent := [f"{len(row.absent)} in {row.language}" for row in many if row.absent]:
            terminal.line(f"  less items that make no sense there (suites show says why): {', '.join(absent)}")
        words, written = sum(row.items for row in many), sum(row.by_machine for row in many)
        reviewed, quarantined = sum(row.reviewed for row in many), sum(row.quarantined for row in many)
        terminal.line(f"  {words} wordings: {written} machine-written, {reviewed} reviewed, {quarantined} quarantined")


@suites_app.command("show")
def suites_show(
    suite: Annotated[str, typer.Argument(help="Suite name or folder.")],
    language: Annotated[str, typer.Option("--language", "-l", help="Which language's wording to show.")] = "en",
    as_json: AsJson = False,
) -> None:
    """What a suite declares, and each prompt of it in one language, filled in, with the answers that compete."""
    from audit import suites
    from audit.records import as_dict

    loaded = suites.load_suite(suite, languages=[language])
    if as_json:
        terminal.as_json(as_dict(loaded))
        return
    record = loaded.record
    for name in ("question", "construct", "harm", "groups", "intended_use", "not_shown", "licence", "authors"):
        terminal.line(f"{name.replace('_', ' ')}: {getattr(record, name)}")
    for item in loaded.items:
        kind = "control" if item.control else item.topic
        held = f"; quarantined: {item.quarantine}" if item.quarantine else ""
        terminal.line(f"\n{item.id} ({kind}; {item.origin}, {item.author}, {item.reviewed} reviews{held})")
        for ask in item.asks:
            answers = " | ".join(" = ".join(alternatives) for alternatives in ask.answers.values())
            terminal.line(f"  {ask.context + ': ' if ask.context else ''}{ask.prompt} [{answers} ]")
    for id_, reason in record.absent.get(language, {}).items():
        terminal.line(f"\n{id_} is not asked in this language: {reason}")


@suites_app.command("lint")
def suites_lint(
    folders: Annotated[
        list[str] | None, typer.Argument(help="Suite names or folders. Default: all built-in ones.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Check token balance with this model's tokenizer.")] = "",
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Check again at every change of a file; print only what is new or gone."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check suites: what is refused, quarantined, worth a look. Exit code 1 if anything is refused or quarantined."""
    from audit import suites
    from audit.records import as_dict

    counter = _token_counter(model) if model else None
    places = [suites.suite_folder(name) for name in folders or suites.list_builtin()]
    if watch and as_json:
        raise UsageError("--watch: prints lines for people as they come; leave out --json")
    if watch:
        problems = authoring_cli.watch(places, counter)
    else:
        problems = [one for place in places for one in suites.lint(place, tokenizer=counter)]
        if as_json:
            terminal.as_json([as_dict(one) for one in problems])
        else:
            for one in problems:
                terminal.line(str(one))
            terminal.line(authoring_cli.tally(problems))
    raise typer.Exit(1 if any(one.severity != "note" for one in problems) else 0)


@suites_app.command("schema")
def suites_schema() -> None:
    """JSON schemas of the suite files."""
    from audit import suites

    terminal.as_json(suites.json_schemas())


@suites_app.command("quality")
def suites_quality(
    runs_of: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs that asked the suites, of as many models as there are.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the Markdown to this file instead of the screen.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds the run folders.")] = Path("runs"),
) -> None:
    """How good the items are, from the answers of runs: sides, controls, competence, halves, items that tell nothing.

    Best of runs with --items all --circuits none --sae none, which take less than half of the time.
    """
    from audit import suite_quality
    from audit.runs import find_run

    text = suite_quality.as_markdown([find_run(one, runs=runs).read_evidence() for one in runs_of])
    if out is None:
        terminal.line(text)
        return
    out.write_text(text, encoding="utf-8")
    terminal.line(f"{out}: written")


def _token_counter(model: str) -> Any:
    from audit import models

    tokenizer = models.load_tokenizer(model)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
