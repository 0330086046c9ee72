"""The part of the command line about trust: keys, sign, verify."""

from __future__ import annotations

import getpass
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from audit import terminal
from audit.errors import AuditError, RunError, SignatureError, UsageError
from audit.progress import ConsoleReporter
from audit.runs import ATTESTATION, SIGNED_REPORT, find_run, whole_or_absent

if TYPE_CHECKING:
    from audit.attestation import PublicKey, SigningKey, Verification

DEFAULT_RUNS = Path("runs")
DEFAULT_NAME = "default"
VARIABLE = "PLURAL_AUDIT_PASSPHRASE"
CRASHED = 99

KEYS_EXAMPLES = """
Examples:

  plural-audit keys new board --signer "Audit board of Example"

  plural-audit keys show                         the keys of this machine

  plural-audit keys export board --to board.pem  the file that readers verify with: publish it where they know you

Keys lie in your configuration folder, encrypted with a passphrase that nobody can recover; $PLURAL_AUDIT_KEYS or --keys
names another folder. Where nobody types, the passphrase is read from $PLURAL_AUDIT_PASSPHRASE.
"""
VERIFY_EXAMPLES = """
Examples:

  plural-audit verify report.pdf --key board.pem                 a report you were sent

  plural-audit verify report.pdf --key board.pem --run c94a6673df1e

  plural-audit verify runs/c94a6673df1e --key board.pem          everything the run rests on

  plural-audit verify last --recompute                           and weigh it again

Exit codes: 0 all that was checked holds; 1 something differs, and the last line says what comes first; 2 nothing
differs, but it is not signed by a key you named; 64 and above: it could not be checked (67 no complete run there,
69 --recompute has other versions here or nothing vouches for a report, 99 the program failed).
"""

keys_app = typer.Typer(
    help="Make, show and export the keys that sign runs and reports.",
    epilog=KEYS_EXAMPLES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

Keys = Annotated[
    Path | None,
    typer.Option("--keys", envvar="PLURAL_AUDIT_KEYS", help="Folder of keys. Default: in your configuration."),
]
Name = Annotated[str, typer.Argument(help="Name of the key on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")]


class Verifying(TyperCommand):
    """A command whose exit codes 1 and 2 are findings: wrong usage ends with 64, a failure of the program with 99."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if getattr(error, "exit_code", 0) == 2:
                error.exit_code = UsageError.exit_code  # type: ignore[attr-defined]
            raise

    def invoke(self, ctx: Any) -> Any:
        """Verify."""
        try:
            return super().invoke(ctx)
        except (AuditError, OSError, typer.Exit, typer.Abort):
            raise
        except Exception:
            traceback.print_exc()
            raise typer.Exit(CRASHED) from None


# --- keys ------------------------------------------------------------------------------------


@keys_app.command("new")
def new(
    name: Name = DEFAULT_NAME,
    signer: Annotated[str, typer.Option(help="Who signs, as readers of a report see it. Default: the name.")] = "",
    keys: Keys = None,
) -> None:
    """Make a key: Ed25519 for attestations, P-256 with a certificate of its own for PDFs. Asks for a passphrase."""
    made = _attestation("keys")
    public = made.make(name, passphrase=_new_passphrase(made), signer=signer, folder=keys)
    _show(name, public, folder=keys)
    terminal.line(f"readers verify with its public file: plural-audit keys export {name} --to {name}.pem")


@keys_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the key. Default: all of them.")] = "",
    keys: Keys = None,
    as_json: AsJson = False,
) -> None:
    """Public key, key id, certificate and place of the keys of this machine."""
    made = _attestation("keys")
    found = {one: made.public_of(one, folder=keys) for one in ([name] if name else made.names(keys))}
    if as_json:
        terminal.as_json([_record(one, public, folder=keys) for one, public in found.items()])
        return
    for one, public in found.items():
        _show(one, public, folder=keys)
    if not found:
        terminal.line(f"{keys or made.keys_folder()}: no keys here; make one: plural-audit keys new")


@keys_app.command("export")
def export(
    name: Name,
    to: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
    keys: Keys = None,
) -> None:
    """The public file that others verify with: PEM, with the public key and the certificate."""
    text = _attestation("keys").public_of(name, folder=keys).as_pem()
    if to is None:
        sys.stdout.write(text.decode())
        return
    if to.exists():
        raise SignatureError(f"{to}: is there already; name a new file")
    with whole_or_absent(to) as temporary:
        temporary.write_bytes(text)
    terminal.line(str(to))


def _show(name: str, public: PublicKey, *, folder: Path | None) -> None:
    record = _record(name, public, folder=folder)
    terminal.line(f"{name}: {record['signer']}")
    terminal.line(f"  key id: sha256:{record['key_id']}")
    terminal.line(f"  public key: {record['public_key']}")
    terminal.line(f"  certificate: sha256:{record['certificate_sha256']}")
    terminal.line(f"  folder: {record['folder']}")


def _record(name: str, public: PublicKey, *, folder: Path | None) -> dict[str, str]:
    made = _attestation("keys")
    return {
        "name": name,
        **made.record_of(public),
        "folder": str((folder or made.keys_folder()) / name),
    }


def _new_passphrase(made: Any) -> str:
    if (given := os.environ.get(VARIABLE)) is not None:
        made.require_strong(given)
        return given
    first = _asked(f"New passphrase, at least {made.SHORTEST} characters: ")
    made.require_strong(first)
    if _asked("Again: ") != first:
        raise UsageError("passphrase: the two are not the same; run the command again")
    return first


def passphrase_of(name: str) -> str:
    """The passphrase of a key: from the environment, or asked for.

    Raises:
        UsageError: there is nobody to ask.
    """
    given = os.environ.get(VARIABLE)
    return given if given is not None else _asked(f"Passphrase of {name}: ")


def _asked(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"passphrase: there is nobody to ask; set {VARIABLE}")
    return getpass.getpass(prompt, stream=sys.stderr)


# --- sign ------------------------------------------------------------------------------------


def sign(
    run: Annotated[str, typer.Argument(help="Run folder, the start of a run id, or 'last'.")],
    key: Annotated[str, typer.Option("--key", help="Name of the key.")] = DEFAULT_NAME,
    runs: Runs = DEFAULT_RUNS,
    keys: Keys = None,
) -> None:
    """Sign a complete run: an attestation over all its files, and a signed copy of the report. Asks for the passphrase.

    Checks the run first. A run that is weighed again afterwards, or whose report comes out otherwise, has to be signed
    again.
    """
    attestation, made = _attestation(""), _attestation("keys")
    folder = find_run(run, runs=runs)
    made.public_of(key, folder=keys)  # a key that is not there is said before anybody types

    def opened() -> SigningKey:
        found: SigningKey = made.open_key(key, passphrase=passphrase_of(key), folder=keys)
        return found

    state = attestation.sign_run(folder, open_key=opened)
    terminal.line(f"signed by {state.signer!r}, key sha256:{state.key_id}")
    for name in (ATTESTATION, SIGNED_REPORT):
        terminal.line(str(folder.path / name))


# --- verify ----------------------------------------------------------------------------------


def verify(
    what: Annotated[
        str,
        typer.Argument(metavar="REPORT_OR_RUN", help="A report's PDF, a run folder, the start of an id, or 'last'."),
    ],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public file of a signer whom you believe; repeat for several."),
    ] = None,
    run: Annotated[
        str,
        typer.Option(
            "--run",
            help="The run of a report: folder, start of an id, or 'last'. Default: where it lies, or by its id.",
        ),
    ] = "",
    desk: Annotated[
        str, typer.Option("--desk", help="Database URL or backup of the desk whose judgements the report holds.")
    ] = "",
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Weigh the evidence and build the report again, and compare.")
    ] = False,
    runs: Runs = DEFAULT_RUNS,
    as_json: AsJson = False,
) -> None:
    """Check, offline, whether a byte of a report or a run was changed, and who vouches for it.

    One line a check: ✓ holds, ✗ differs, ? not by a key you named, ! could not be compared, – not checked. The last
    line says what follows.
    """
    attestation = _attestation("")
    believed = [attestation.read_public(file) for file in key or ()]
    with ConsoleReporter(terminal.err) as reporter:
        if Path(what).is_file():
            found: Verification = attestation.verify_report(
                Path(what),
                keys=believed,
                run=_run_of(Path(what), run, runs),
                desk=desk,
                again=recompute,
                reporter=reporter,
            )
        else:
            if run:
                raise UsageError("--run: goes with a report; give the run alone, or a PDF with it")
            found = attestation.verify_run(
                _folder(what, runs), keys=believed, desk=desk, again=recompute, reporter=reporter
            )
    _print(found, as_json=as_json)
    raise typer.Exit(found.exit_code)


def _folder(reference: str, runs: Path) -> Path:
    """A run folder, also one in which something is missing."""
    return Path(reference) if Path(reference).is_dir() else find_run(reference, runs=runs).path


def _run_of(report: Path, reference: str, runs: Path) -> Path | None:
    """The run of a report: the one that was named, the one whose folder it lies in, or one in `runs` by its id."""
    if reference:
        return _folder(reference, runs)
    verifying = _attestation("verify")
    folder: Path | None = verifying.folder_of(report)
    if folder is not None:
        return folder
    named = verifying.run_named_in(report)
    try:
        return find_run(named, runs=runs).path if named else None
    except RunError:
        return None


def _print(found: Verification, *, as_json: bool) -> None:
    if as_json:
        checks = [asdict(check) for check in found.checks]
        content = {"place": found.place, "exit_code": found.exit_code, "sentence": found.sentence, "checks": checks}
        terminal.as_json(content)
        return
    signs = _attestation("checking").SIGNS
    for check in found.checks:
        terminal.line(f"{signs[check.state]} {check.what}: {check.fact}")
    terminal.line(found.sentence)


def _attestation(module: str) -> Any:
    """The package, or a module of it; says what brings what it needs."""
    import importlib

    return importlib.import_module(f"audit.attestation.{module}" if module else "audit.attestation")


def mount(app: typer.Typer) -> None:
    """Put the commands into the command line; the examples of `verify` stand in its help."""
    app.add_typer(keys_app, name="keys")
    app.command("sign")(sign)
    app.command("verify", cls=Verifying, epilog=VERIFY_EXAMPLES)(verify)
