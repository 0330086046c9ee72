"""Commands for people who write suites: new, add, diff, translate-sheet, data-sheet, and lint --watch."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from audit import terminal
from audit.errors import UsageError
from audit.records import Kind

if TYPE_CHECKING:
    from audit.suites import Problem
    from audit.suites.changes import Change, Difference

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")]
SEVERITIES = ("refuse", "quarantine", "note")


def mount(app: typer.Typer) -> None:
    """Add the commands to `plural-audit suites`."""
    app.command("new")(new)
    app.command("add")(add)
    app.command("diff")(diff)
    app.command("translate-sheet")(translate_sheet)
    app.command("data-sheet")(make_data_sheet)


# --- new, add ----------------------------------------------------------------------------------


def new(
    folder: Annotated[Path, typer.Argument(help="New folder; its name is the suite's.")],
    kind: Annotated[Kind, typer.Option("--kind", "-k", help="What its items look like (docs/suite-format.md).")],
    language: Annotated[
        list[str], typer.Option("--language", "-l", help="Code such as sw or pt-BR; repeat for several.")
    ],
) -> None:
    """A suite to begin with: every line commented, two items to replace, clean under the linter. Prints the files.

    The words in it are names of days, months and countries, since those are there in every language.
    """
    from audit.suites.skeleton import new_suite

    for path in new_suite(folder, kind=kind, languages=tuple(dict.fromkeys(language))):
        terminal.line(str(path))


def add(
    folder: Annotated[Path, typer.Argument(help="The suite's folder.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the new item, the same in every language.")],
    design: Annotated[
        list[str] | None,
        typer.Option(
            "--design", "-d", help="Field of suite.toml, as topic=gender or control=true; repeat for several."
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--words", "-w", help='Field of a language, as sw.text="…"; texts of a list as sw.a="… | …". Repeat.'
        ),
    ] = None,
    absent: Annotated[
        list[str] | None,
        typer.Option("--absent", help='A language in which the item makes no sense, and why, as hi="…"; repeat.'),
    ] = None,
) -> None:
    """Add an item: its design to suite.toml, its words to every language file. Nothing else of the files changes.

    Words that are not given are left empty for you to write; the linter, whose lines on the item are printed, refuses
    the suite until they are. Raise the suite's version when you are done.
    """
    from audit.suites import lint
    from audit.suites.adding import add_item

    by_language: dict[str, dict[str, str]] = {}
    for key, value in _pairs(words, "--words").items():
        language, dot, name = key.partition(".")
        if not dot:
            raise UsageError(f'--words {key}=…: names no language; write it as --words sw.{key}="…"')
        by_language.setdefault(language, {})[name] = value
    added = add_item(
        folder,
        id_,
        design=_pairs(design, "--design"),
        words=by_language,
        absent=_pairs(absent, "--absent"),
    )
    terminal.line(f"{id_}: added to {', '.join(added.files)}")
    for language, fields in added.to_write.items():
        terminal.line(f"{language}.toml: to write: {', '.join(fields)}")
    for problem in lint(folder):
        if problem.item == id_:
            terminal.line(str(problem))


def _pairs(given: Sequence[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in given or ():
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise UsageError(f'{option} {one}: is not of the form NAME=VALUE; write it as {option} name="value"')
        if key in pairs:
            raise UsageError(f"{option} {key}: is given twice; give it once")
        pairs[key] = value
    return pairs


# --- lint --watch ------------------------------------------------------------------------------


def watch(folders: Sequence[Path], tokenizer: Any) -> Sequence[Problem]:
    """Check suites at every change until the keyboard stops it; what is there then."""
    from audit.suites import lint
    from audit.suites.watching import watch as news_of

    now: Sequence[Problem] = ()
    first = True
    try:
        for news in news_of(folders, lambda folder: lint(folder, tokenizer=tokenizer)):
            now = news.now
            for problem in news.gone:
                terminal.line(f"- {problem}")
            for problem in news.new:
                terminal.line(str(problem) if first else f"+ {problem}")
            terminal.line(f"{tally(now)}{'; watching, Ctrl-C to stop' if first else ''}")
            first = False
    except KeyboardInterrupt:
        terminal.line("")
    return now


def tally(problems: Sequence[Problem]) -> str:
    """How many of each severity, in words."""
    counts = Counter(one.severity for one in problems)
    return ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES)


# --- diff --------------------------------------------------------------------------------------


def diff(
    old: Annotated[str, typer.Argument(help="Suite name, folder, or RUN/SUITE: as a run was asked it.")],
    new: Annotated[str, typer.Argument(help="The same.")],
    run: Annotated[
        str, typer.Option("--run", help="Also: which findings of this run, which was asked OLD, rest on what changed.")
    ] = "",
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """What changed between two versions of a suite: items, words, design, and findings that are not comparable.

    Exit code 0, whether anything changed or not.
    """
    from dataclasses import replace

    from audit.pipeline import read_findings
    from audit.records import as_dict
    from audit.runs import find_run
    from audit.suites import changes

    before, after = changes.version_of(old, runs=runs), changes.version_of(new, runs=runs)
    found = changes.difference(before, after)
    if run:
        folder = find_run(run, runs=runs)
        name = before.record.name
        asked = changes.stored(folder.read_evidence(), name, label=f"{run}/{name}")
        if otherwise := changes.asked_otherwise(before, asked):
            raise UsageError(
                f"--run {run}: was asked {otherwise[0]} in other words than {old} has; name what it was asked as OLD: "
                f"{run}/{name}"
            )
        rests, n = changes.resting_on(found, read_findings(folder), name)
        found = replace(found, findings=rests, n_findings=n)
    if as_json:
        terminal.as_json(as_dict(found))
    else:
        _show(found)


def _show(found: Difference) -> None:
    versions = f"version {found.old_version} to {found.new_version}"
    if found.old_version == found.new_version:
        versions = f"both of version {found.old_version}"
    terminal.line(f"{found.old} to {found.new}: {versions}")
    if found.changes and found.old_version == found.new_version:
        terminal.line("items changed under the same version; raise it in suite.toml")
    for what, languages in (("new", found.languages_added), ("gone", found.languages_removed)):
        if languages:
            terminal.line(f"languages that are {what}: {', '.join(languages)}")
    if found.declared:
        terminal.line(f"declared otherwise: {', '.join(name.replace('_', ' ') for name in found.declared)}")
    for what, ids in (("asks now", found.core_added), ("asks no longer", found.core_removed)):
        if ids:
            terminal.line(f"the short audit {what}: {', '.join(ids)}")
    for change in found.changes:
        terminal.line(f"{change.language} {change.item}: {', '.join(change.what)}")
        for key in {**change.before, **change.after}:
            for sign, side in (("-", change.before), ("+", change.after)):
                if key in side:
                    terminal.line(f"  {sign} {key}: {side[key]}")
    terminal.line(_counted(found.changes, found.unchanged))
    if found.n_findings is None:
        return
    terminal.line(
        f"\n{len(found.findings)} of {found.n_findings} findings rest on items that are not the same any more; "
        "plural-audit compare uses the others alone"
    )
    for one in found.findings:
        terminal.line(f"{one.finding}: {one.sentence}")
        terminal.line(f"  {len(one.changed)} of {one.n_items} items: {', '.join(one.changed)}")


def _counted(changes: Sequence[Change], unchanged: int) -> str:
    kinds = Counter(
        change.what[0] if change.what[0] in {"added", "removed", "declared absent"} else "changed" for change in changes
    )
    told = [f"{kinds[kind]} {kind}" for kind in ("added", "removed", "declared absent", "changed") if kinds[kind]]
    return f"wordings, an item in a language: {', '.join([*told, f'{unchanged} unchanged'])}"


# --- translate-sheet ---------------------------------------------------------------------------


def translate_sheet(
    suite: Annotated[str, typer.Argument(help="Suite name or folder.")],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Code of the language to be written, such as yo or pt-BR.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Make a sheet: a new .xlsx (best for Excel) or .csv.")
    ] = None,
    taken: Annotated[
        Path | None, typer.Option("--in", "-i", help="Take the words of a sheet that came back, .xlsx or .csv.")
    ] = None,
    author: Annotated[
        Literal["person", "machine"] | None,
        typer.Option("--author", help="With --in: who wrote the words that changed, a person or a machine."),
    ] = None,
    origin: Annotated[
        Literal["native", "adapted", "translated"], typer.Option(help="With --in: of the words that changed.")
    ] = "translated",
    source: Annotated[str, typer.Option("--from", help="The language that is translated from.")] = "en",
) -> None:
    """Words of a suite out to a spreadsheet, for people to translate, and back in through the linter.

    Taken in, words that did not change keep their author and reviews; words that did are by --author, and nobody has
    reviewed them. If the linter refuses a word, its row is named and nothing is written.
    """
    from audit.suites import suite_folder
    from audit.suites.sheets import read_sheet, write_sheet

    folder = suite_folder(suite)
    if (out is None) == (taken is None):
        raise UsageError("translate-sheet: give either --out, to make a sheet, or --in, to take one")
    if out is not None:
        rows = write_sheet(folder, lang, out, source=source)
        terminal.line(f"{out}: {rows} rows")
        return
    assert taken is not None
    if author is None:
        raise UsageError("--in: say who wrote the words, --author person or --author machine; reports print it")
    found = read_sheet(folder, lang, taken, author=author, origin=origin, source=source)
    for problem in found.problems:
        terminal.line(problem)
    absent = f", {len(found.absent)} absent" if found.absent else ""
    terminal.line(f"{found.file}: {len(found.changed)} items changed{absent}; raise the version in suite.toml")


# --- data-sheet --------------------------------------------------------------------------------


def make_data_sheet(
    suite: Annotated[str, typer.Argument(help="Suite name or folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it to this file, in place of printing it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What to know of a suite before using it: motive, contents, sources, uses, licence, faults (Gebru et al. 2021)."""
    import json

    from audit.records import as_dict
    from audit.runs import whole_or_absent
    from audit.suites import suite_folder
    from audit.suites.data_sheet import as_markdown, data_sheet

    sheet = data_sheet(suite_folder(suite))
    text = json.dumps(as_dict(sheet), indent=1, ensure_ascii=False) + "\n" if as_json else as_markdown(sheet)
    if out is None:
        sys.stdout.write(text)
        return
    with whole_or_absent(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    terminal.line(str(out))
