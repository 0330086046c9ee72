"""The command line: one command, one call into the library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit import app_cli, attestation_cli, terminal
from audit.comparison_cli import compare_runs
from audit.desk_cli import desk_app
from audit.errors import AuditError, ResourceError, UsageError
from audit.exports_cli import export_run
from audit.pipeline import DEFAULT_MODEL, Depth, Items, Request
from audit.progress import ConsoleReporter
from audit.release_cli import gate_app
from audit.release_cli import plan as plan_release
from audit.runs import RunFolder, find_run, write_json
from audit.suites.pair_text import parse_answer, parse_template
from audit.suites_cli import suites_app

if TYPE_CHECKING:
    from audit.models import AuditedModel

EXAMPLES = """
Examples:

  plural-audit run                                     the short audit of gemma-3-270m: core items, eight languages

  plural-audit run --items all                         every item in every language there is: over an hour

  plural-audit run --languages en,sw --limit 2         a quick look: two items per topic

  plural-audit run --model ./my-model --suite values   one suite on a model in a folder

  plural-audit show last                               findings of the newest run

  plural-audit try "The {nurse|engineer} said that" --answers " she" " he"

                                                       one pair, and the nodes that carry its effect

  plural-audit compare RUN_A RUN_B                     what changed between two runs, with tests

  plural-audit export last --as xlsx --what all        findings, observations and items as a workbook

  plural-audit selftest                                how well looking inside finds what was planted

  plural-audit suites lint prompts/stereotype          check a suite you wrote

  plural-audit app                                     the desk where people judge the findings

  plural-audit gate last --policy policy.toml          may the model be released? exit code 0 to 3

  plural-audit verify report.pdf --key board.pem       was a byte of it changed, and who vouches for it?

Exit codes: 0 done; 1 the linter found problems, the doctor something missing, the self-test missed a target; 2 wrong
usage; 64 the request does not fit; 65 a suite is refused; 66 a model or an SAE cannot be had; 67 a run is damaged or
incomplete; 69 the machine lacks something; 70 too few items; 71 the desk refuses; 72 a policy is refused; 73 a key or
a signature cannot be made or used; 130 stopped by the keyboard (the same command goes on). Of gate: 0 PASS, 1 FAIL,
2 INSUFFICIENT EVIDENCE, 3 CONTESTED, 64 and above no decision. Of verify: 0 holds, 1 differs, 2 not by a key you named.
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
models_app = typer.Typer(
    help="List, fetch and describe models.", no_args_is_help=True, context_settings=CONTEXT, rich_markup_mode=None
)
sae_app = typer.Typer(
    help="Train, list and judge sparse autoencoders.",
    no_args_is_help=True,
    context_settings=CONTEXT,
    rich_markup_mode=None,
)
app.add_typer(suites_app, name="suites")
app.add_typer(models_app, name="models")
app.add_typer(sae_app, name="sae")
app.add_typer(desk_app, name="desk")
attestation_cli.mount(app)
app.add_typer(gate_app, name="gate")
app.command("plan")(plan_release)
app.command("compare")(compare_runs)
app.command("export")(export_run)
app.command("app")(app_cli.open_app)

Model = Annotated[
    str, typer.Option("--model", "-m", help="Built-in name, folder, .gguf file, or hub id owner/name[@revision].")
]
Suites = Annotated[
    list[str] | None,
    typer.Option("--suite", "-s", help="Suite name or folder; repeat for several. Default: all built-in ones."),
]
Languages = Annotated[
    str,
    typer.Option(
        "--languages",
        "-l",
        help="Codes separated by commas, as en,sw. Default: those of the suites' core; with --items all every one.",
    ),
]
ItemsAsked = Annotated[
    Items,
    typer.Option(
        "--items",
        help="core: the items that each suite names as its core, the short audit; all: every item, which takes several "
        "times as long and tells more.",
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="At most this many items per topic: a quick look, not a result.")
]
Circuits = Annotated[
    Depth,
    typer.Option(
        help="Look inside the model on stereotype suites: none; screened (in languages that it reads, every node "
        "estimated, the best and a random sample patched); exact (every node patched, in every language: slower)."
    ),
]
Sae = Annotated[
    str,
    typer.Option(
        "--sae",
        help="The sparse autoencoder for features of culture, values and dilemma suites: bundled, a folder, release/id "
        "of sae-lens' registry; none leaves features out.",
    ),
]
Dtype = Annotated[
    str, typer.Option(help="float32, bfloat16 or float16. Audits use float32: lower precision moves the numbers.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps.")]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", help="Write this release policy's digest into the run, so that the gate may pass it."),
]
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
    items: ItemsAsked = "core",
    limit: Limit = None,
    circuits: Circuits = "screened",
    sae: Sae = "bundled",
    dtype: Dtype = "float32",
    device: Device = "cpu",
    policy: PolicyFile = None,
    runs: Runs = DEFAULT_RUNS,
    accept_terms: Accept = False,
    as_json: AsJson = False,
) -> None:
    """The whole audit: gather, weigh, report. A run that was stopped goes on; a complete one is shown again."""
    from audit import pipeline

    request = _request(model, suite, languages, items, limit, circuits, sae, dtype, device, policy)
    with _progress() as reporter:
        folder = pipeline.run(request, runs=runs, reporter=reporter, accept_terms=accept_terms)
    _show(folder, as_json=as_json)


@app.command()
def gather(
    model: Model = DEFAULT_MODEL,
    suite: Suites = None,
    languages: Languages = "",
    items: ItemsAsked = "core",
    limit: Limit = None,
    circuits: Circuits = "screened",
    sae: Sae = "bundled",
    dtype: Dtype = "float32",
    device: Device = "cpu",
    policy: PolicyFile = None,
    runs: Runs = DEFAULT_RUNS,
    accept_terms: Accept = False,
) -> None:
    """Ask the model and keep its answers (needs torch). Prints the run folder."""
    from audit import pipeline

    request = _request(model, suite, languages, items, limit, circuits, sae, dtype, device, policy)
    with _progress() as reporter:
        folder = pipeline.gather(request, runs=runs, reporter=reporter, accept_terms=accept_terms)
    terminal.line(str(folder.path))


@app.command()
def weigh(run: RunRef = "last", runs: Runs = DEFAULT_RUNS, as_json: AsJson = False) -> None:
    """Compute the findings from a run's evidence (works without torch)."""
    from audit import pipeline

    folder = find_run(run, runs=runs)
    with _progress() as reporter:
        pipeline.weigh(folder, reporter=reporter)
    _show(folder, as_json=as_json)


@app.command()
def report(
    run: RunRef = "last",
    runs: Runs = DEFAULT_RUNS,
    language: Annotated[
        str, typer.Option("--language", "-l", help="That the report is said in: en, fr, es, ar, hi, sw, zh or id.")
    ] = "en",
    paper: Annotated[str, typer.Option(help="a4 or letter.")] = "a4",
    html: Annotated[bool, typer.Option("--html", help="One HTML file in place of a PDF.")] = False,
    judgements: Annotated[
        Path | None, typer.Option(help="What people said, a file of `plural-audit desk judgements`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where a copy goes, a .pdf or .html. Default: the run's folder.")
    ] = None,
) -> None:
    """Write the report of a run that has been weighed. Prints its path.

    Without options it is the run's own report.pdf, in English on A4. With any, it is a copy beside it, such as
    report.fr.pdf, and the run stays as it is. A report.pdf that comes out the same, to the byte, leaves seal and
    signatures as they are; one that comes out otherwise takes the signatures away.
    """
    from audit import pipeline

    folder = find_run(run, runs=runs)
    with _progress() as reporter:
        if (language, paper, html, judgements, out) == ("en", "a4", False, None, None):
            path = pipeline.report(folder, reporter=reporter)
        else:
            from audit.release.hearing import read_judgements

            parts = ["report", *([language] if language != "en" else []), *([paper] if paper != "a4" else [])]
            parts += ["judged"] if judgements else []
            name = f"{'.'.join(parts)}.{'html' if html else 'pdf'}"
            path = pipeline.report_copy(
                folder,
                out or folder.path / name,
                language=language,
                paper=paper,
                judgements=read_judgements(judgements) if judgements else None,
                reporter=reporter,
            )
    terminal.line(str(path))


@app.command()
def show(
    run: RunRef = "last",
    runs: Runs = DEFAULT_RUNS,
    everything: Annotated[bool, typer.Option("--all", help="Also the exploratory findings without evidence.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the findings of a run: the tables, the verdicts, the path of the PDF."""
    _show(find_run(run, runs=runs), as_json=as_json, everything=everything)


@app.command("try")
def try_(
    prompt: Annotated[str, typer.Argument(help='With one slot, base first, as "The {nurse|engineer} said that".')],
    answers: Annotated[
        tuple[str, str],
        typer.Option(help='Two that compete, as " she" " he"; alternatives of one with bars, as " she| they" " he".'),
    ],
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float32",
    device: Device = "cpu",
    nodes: Annotated[int, typer.Option(min=1, help="How many leading nodes to show.")] = 12,
    all_nodes: Annotated[bool, typer.Option("--all-nodes", help="Patch every node, however many there are.")] = False,
    accept_terms: Accept = False,
    as_json: AsJson = False,
) -> None:
    """One pair, live: how far swapping words moves the odds of two answers, and which nodes carry it."""
    from audit.records import as_dict

    try:
        from audit.circuits import trial
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[models]'") from None
    base, counterpart = parse_template(prompt)
    first, second = (parse_answer(answer) for answer in answers)
    with _progress() as reporter:
        audited = _loaded(Request(model=model, dtype=dtype, device=device), reporter, accept_terms=accept_terms)
        reporter.stage("patching")
        n_exact = None if all_nodes else max(nodes, trial.N_EXACT)
        found = trial.try_pair(audited, base, counterpart, (first, second), n_exact=n_exact)
    if as_json:
        terminal.as_json(as_dict(found))
    else:
        terminal.trial(found, n_nodes=nodes)


@app.command()
def selftest(
    model: Model = DEFAULT_MODEL,
    suite: Annotated[str, typer.Option("--suite", "-s", help="Stereotype suite: name or folder.")] = "stereotype",
    languages: Annotated[str, typer.Option("--languages", "-l", help="Codes separated by commas.")] = "en,es,zh",
    axes: Annotated[str, typer.Option(help="Axes to plant on, separated by commas, as gender,age. Default: all.")] = "",
    nodes: Annotated[
        str, typer.Option(help='Where to plant, as "14.1, MLP 11". Default: three heads and an MLP over the depth.')
    ] = "",
    nats: Annotated[str, typer.Option(help="How strongly: rises of the mean effect, separated by commas.")] = "0.5,1,2",
    out: Annotated[Path | None, typer.Option(help="Also write everything as JSON to this file.")] = None,
    dtype: Dtype = "float32",
    device: Device = "cpu",
    accept_terms: Accept = False,
    as_json: AsJson = False,
) -> None:
    """Plant known stereotypes in a model and see whether looking inside finds them; and nothing where nothing is.

    Exit code 1 if a target is missed: planted components of 1 nat or more stand above 95 % of the others on average,
    and no more than 5 % of shuffled labels raise an alarm. A test that was stopped goes on.
    """
    from audit import pipeline
    from audit.records import as_dict

    try:
        from audit.circuits.selftest import parse_nodes
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[models]'") from None
    with _progress() as reporter:
        found = pipeline.self_test(
            Request(model=model, suites=(suite,), languages=_words(languages), dtype=dtype, device=device),
            topics=_words(axes),
            strengths=_numbers(nats, "--nats"),
            nodes=parse_nodes(nodes),
            reporter=reporter,
            accept_terms=accept_terms,
        )
    content = {**as_dict(found), "auroc": found.auroc, "alarms": found.alarms, "passed": found.passed}
    if out is not None:
        write_json(out, content)
    terminal.as_json(content) if as_json else terminal.self_test(found)
    raise typer.Exit(0 if found.passed else 1)


def _words(text: str) -> tuple[str, ...]:
    return tuple(sorted({word.strip() for word in text.split(",") if word.strip()}))


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(sorted({float(word) for word in text.split(",") if word.strip()}))
    except ValueError:
        raise UsageError(f"{option}: {text!r} is no list of numbers; write them as 0.5,1,2") from None


def _loaded(request: Request, reporter: ConsoleReporter, *, accept_terms: bool) -> AuditedModel:
    from audit import models, pipeline

    pipeline.prepare_model(request, reporter=reporter, accept_terms=accept_terms)
    reporter.stage("loading the model")
    return models.AuditedModel.load(request.model, dtype=request.dtype, device=request.device)


def _request(
    model: str,
    suite: list[str] | None,
    languages: str,
    items: Items,
    limit: int | None,
    circuits: Depth,
    sae: str,
    dtype: str,
    device: str,
    policy: Path | None,
) -> Request:
    return Request(
        model=model,
        suites=tuple(suite or ()),
        languages=_words(languages),
        items=items,
        limit=limit,
        circuits=circuits,
        sae=sae,
        dtype=dtype,
        device=device,
        policy=_digest_of(policy) if policy is not None else "",
    )


def _digest_of(policy: Path) -> str:
    from audit.release.policy import load_policy

    return load_policy(policy).digest


def _show(folder: RunFolder, *, as_json: bool, everything: bool = False) -> None:
    from audit import findings, pipeline

    found = pipeline.read_findings(folder)
    if as_json:
        sys.stdout.write(findings.to_json(found) + "\n")
        return
    terminal.findings(folder.read_evidence().manifest, found, everything=everything)
    pdf = folder.path / "report.pdf"
    terminal.line(f"Report: {pdf if pdf.is_file() else f'none yet (plural-audit report {folder.path})'}")


# --- models ----------------------------------------------------------------------------------


@models_app.command("list")
def models_list(as_json: AsJson = False) -> None:
    """Built-in models: whether their packages are there, whether they are converted, their licence."""
    from audit import models
    from audit.records import as_dict

    rows = [as_dict(state) for state in models.builtin_states()]
    terminal.as_json(rows) if as_json else terminal.rows(rows)


@models_app.command("get")
def models_get(
    model: Annotated[str, typer.Argument(help="Built-in name, .gguf file or hub id.")],
    accept_terms: Accept = False,
    dtype: Dtype = "float32",
) -> None:
    """Fetch, verify and convert a model once, so that it loads in seconds."""
    from audit import pipeline

    with _progress() as reporter:
        request = Request(model=model, dtype=dtype)
        record = pipeline.prepare_model(request, reporter=reporter, accept_terms=accept_terms)
    terminal.line(f"{record.name}: ready, weights {record.weights_sha256[:12]}")


@models_app.command("show")
def models_show(
    model: Annotated[str, typer.Argument(help="Name, folder, file or hub id.")], dtype: Dtype = "float32"
) -> None:
    """Which model that is, to the byte, as JSON."""
    from audit import models
    from audit.records import as_dict

    record = models.resolve(model, dtype=dtype)
    if record is None:
        raise UsageError(f"{model}: not fetched or converted yet; run: plural-audit models get {model}")
    terminal.as_json(as_dict(record))


# --- SAEs ------------------------------------------------------------------------------------


@sae_app.command("list")
def sae_list(model: Model = DEFAULT_MODEL, as_json: AsJson = False) -> None:
    """SAEs for a model: the bundled one, and those that sae-lens' registry has for its residual stream."""
    saes = _features("saes")
    rows = [
        {"sae": "bundled", "source": f"comes with this package ({folder.name})"}
        for folder in saes.bundled_folders()
        if saes.read_json(folder / saes.RECIPE)["model"]["ref"] == model
    ]
    rows += [
        {"sae": f"{release}/{sae_id}", "source": "sae-lens' registry, fetched from the hub"}
        for release, sae_id in saes.registered(model)
    ]
    if as_json:
        terminal.as_json(rows)
        return
    for row in rows:
        terminal.line(f"{row['sae']}  ({row['source']})")  # whole lines: names are there to be copied
    if not rows:
        terminal.line(f"none for {model}; train one: plural-audit sae train --model {model}")


@sae_app.command("train")
def sae_train(
    layer: Annotated[int, typer.Option(min=0, help="Read the residual stream after this layer, counted from 0.")],
    text: Annotated[Path, typer.Option("--text", help="Folder of <language>.txt files; each language counts alike.")],
    to: Annotated[Path, typer.Option("--out", help="New folder for the SAE.")],
    model: Model = DEFAULT_MODEL,
    latents: Annotated[int, typer.Option(min=2, help="How many latents.")] = 4096,
    l0: Annotated[int, typer.Option(min=1, help="How many of them are active per token, on average.")] = 64,
    tokens: Annotated[int, typer.Option(min=1, help="How many tokens to train on.")] = 1_000_000,
    passes: Annotated[
        int, typer.Option(min=1, help="Train so often on what is read: quicker, with fewer different tokens.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Another seed, another SAE.")] = 0,
    architecture: Annotated[str, typer.Option(help="batchtopk, topk or jumprelu.")] = "batchtopk",
    forward: Annotated[
        str, typer.Option(help="Precision in which the model is read: float32, bfloat16, or auto, which measures.")
    ] = "auto",
    accept_terms: Accept = False,
) -> None:
    """Train an SAE on your own texts. Stopped, the same command goes on. Judge it with: plural-audit sae card."""
    training = _features("training")
    recipe = training.Recipe(
        layer=layer,
        n_latents=latents,
        l0=l0,
        n_tokens=tokens,
        passes=passes,
        seed=seed,
        architecture=architecture,
        forward=forward,
    )
    texts = training.read_texts(text)
    with _progress() as reporter:
        audited = _loaded(Request(model=model), reporter, accept_terms=accept_terms)
        training.train(audited, recipe, texts, out=to, reporter=reporter)
    terminal.line(str(to))


@sae_app.command("card")
def sae_card(
    sae: Annotated[str, typer.Argument(help="'bundled', a folder, or release/id of sae-lens' registry.")] = "bundled",
    model: Model = DEFAULT_MODEL,
    text: Annotated[
        Path | None, typer.Option("--text", help="Judge it now, on this folder of <language>.txt files it never saw.")
    ] = None,
    languages: Languages = "",
    tokens: Annotated[int, typer.Option(min=2, help="How many tokens of each language to judge it on.")] = 1000,
    loss_tokens: Annotated[int, typer.Option(min=2, help="How many of them decide the losses, which cost most.")] = 300,
    save: Annotated[bool, typer.Option("--save", help="Keep the card in the SAE's folder.")] = False,
    accept_terms: Accept = False,
    as_json: AsJson = False,
) -> None:
    """How good an SAE is in each language: variance explained, latents active, loss recovered, and what falls short."""
    saes, cards = _features("saes"), _features("cards")
    folder = saes.bundled_folder(model) if sae == "bundled" else Path(sae)
    if text is None:
        card = cards.read_card(folder)
        if card is None:
            raise UsageError(f"{sae}: no card is kept with it; judge it: plural-audit sae card {sae} --text FOLDER")
    else:
        with _progress() as reporter:
            audited = _loaded(Request(model=model), reporter, accept_terms=accept_terms)
            wanted = {code.strip() for code in languages.split(",") if code.strip()}
            dictionary = saes.load(sae, model=audited)
            card = cards.judge_folder(
                dictionary,
                audited,
                text,
                n_tokens=tokens,
                loss_tokens=loss_tokens,
                languages=wanted,
                reporter=reporter,
            )
        if save:
            cards.write_card(folder, card)
    if as_json:
        terminal.as_json(cards.as_content(card))
        return
    terminal.rows(cards.table(card))
    terminal.line(f"judged on {card.text}; loss in nats per token")
    for flag in card.flags:
        terminal.line(f"falls short: {flag}")


def _features(module: str) -> Any:
    """A module of `audit.features`, or the command that brings what it needs."""
    import importlib

    try:
        return importlib.import_module(f"audit.features.{module}")
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[models,sae]'") from None


# --- the installation ------------------------------------------------------------------------


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check Python, packages, models, fonts, disk, memory. Exit code 1 if something needed is missing."""
    from audit.doctor import examine
    from audit.records import as_dict

    checks = examine()
    rows = [as_dict(check) for check in checks]
    terminal.as_json(rows) if as_json else terminal.rows(rows)
    raise typer.Exit(1 if any(check.state == "missing" for check in checks) else 0)


@app.command()
def version() -> None:
    """The installed version."""
    from importlib.metadata import version as installed

    terminal.line(installed("plural-audit"))


# --- printing --------------------------------------------------------------------------------


@contextmanager
def _progress() -> Iterator[ConsoleReporter]:
    try:
        with ConsoleReporter(terminal.err) as reporter:
            yield reporter
    except KeyboardInterrupt:
        terminal.line("stopped; the same command goes on where it was", console=terminal.err)
        raise


def main() -> None:
    """Run the command line; an error of ours is one line and its exit code."""
    try:
        app(standalone_mode=True)
    except AuditError as error:
        terminal.line(f"plural-audit: {' '.join(str(error).split())}", console=terminal.err)
        sys.exit(error.exit_code)
    except OSError as error:
        terminal.line(f"plural-audit: {error.filename or 'a file'}: {error.strerror or error}", console=terminal.err)
        sys.exit(ResourceError.exit_code)
