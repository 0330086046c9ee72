"""`plural-audit app`: the community desk on this machine, and the worker beside it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
import tomllib
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from audit import terminal
from audit.errors import AuditError, DeskError, ResourceError, UsageError

DEFAULT_RUNS = Path("runs")
MOST_RUNS = 5  # brought in at a start, the newest ones
WORKER_S = 20.0  # that a worker gets to end the job it is at
OIDC_NEEDS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")


def desk_folder() -> Path:
    """Where the desk of this machine lies unless another place is named."""
    from audit.models.places import data_folder

    return data_folder() / "desk"


def open_app(
    runs: Annotated[
        Path, typer.Option("--runs", help="Folder of run folders; the newest complete ones are brought in.")
    ] = DEFAULT_RUNS,
    db: Annotated[
        str,
        typer.Option(
            envvar="PLURAL_AUDIT_DB",
            help="sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME. Default: a SQLite file in your data folder.",
        ),
    ] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the desk: issued reports, suites. Default: in your data folder.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on. Others reach 127.0.0.1 through a proxy only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    url: Annotated[
        str, typer.Option("--url", help="As browsers see the desk, as https://desk.example.org, behind a proxy.")
    ] = "",
    model: Annotated[
        str, typer.Option("--model", "-m", help="On which proposed pairs are tried; its terms accepted before.")
    ] = "",
    sign_with: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Key that signs reports (plural-audit keys new NAME). Asks for its passphrase at the start.",
        ),
    ] = "",
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Start the worker: live pairs, reports.")] = True,
    oidc: Annotated[Path | None, typer.Option(help="TOML file with [auth]: sign-in by your organisation.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the desk in a browser.")] = True,
) -> None:
    """Open the community desk: people judge findings, contest them, propose pairs.

    The first start prints a link by which the first administrator makes an account. Ctrl-C ends the desk and its
    worker; what was saved is saved.
    """
    place = (folder or desk_folder()).resolve()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)  # its reports hold what people said
    database = db or f"sqlite:///{place / 'desk.db'}"
    passphrase, signer = _signing(sign_with) if sign_with else ("", "")
    served = _built(database, place, runs=runs, url=url, model=model, oidc=oidc, signer=signer)
    address = url.rstrip("/") or f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared
    if warning := in_the_clear(host, url):
        terminal.line(warning, console=terminal.err)
    _bring(runs)
    opened = _first_start(address) or address
    signing = (sign_with, passphrase) if sign_with else None
    with _worker(database, place, model=model, signing=signing) if worker else _nothing():
        _serve(served, host=host, port=port, opened=opened if browser else "")


def in_the_clear(host: str, url: str) -> str:
    """What to say where passwords would cross a network that others may listen to; "" where they do not."""
    if host in ("127.0.0.1", "::1", "localhost") or url.startswith("https://"):
        return ""
    return (
        f"{host}: passwords and sign-ins cross the network unencrypted; put a proxy with TLS before the desk and name "
        "it: --url https://..."
    )


def _signing(name: str) -> tuple[str, str]:
    """The passphrase of the key, which is tried here so that a wrong one is told at once, and who signs with it."""
    from audit.attestation_cli import passphrase_of

    passphrase = passphrase_of(name)
    from audit.attestation import open_key

    return passphrase, open_key(name, passphrase=passphrase).public.signer


def _built(database: str, folder: Path, *, runs: Path, url: str, model: str, oidc: Path | None, signer: str) -> Any:
    try:
        from streamlit_app.desk import Settings
        from streamlit_app.server import build
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[app]'") from None
    auth = read_oidc(oidc) if oidc else {}
    settings = Settings(
        database=database, folder=folder, runs=runs, public_url=url, model=model, signer=signer, oidc=auth
    )
    return build(settings)


def read_oidc(file: Path) -> dict[str, Any]:
    """The [auth] table of a secrets file, as Streamlit reads it.

    Raises:
        UsageError: the file cannot be read, or lacks what a provider needs.
    """
    try:
        content: Mapping[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file}: cannot be read as TOML ({error}); see docs/desk-deployment.md for an example"
        ) from None
    found = content.get("auth")
    auth: dict[str, Any] = found if isinstance(found, dict) else {}
    missing = [name for name in OIDC_NEEDS if not auth.get(name)]
    if missing:
        raise UsageError(f"{file}: [auth] lacks {', '.join(missing)}; see docs/desk-deployment.md for an example")
    return auth


def _bring(runs: Path) -> None:
    """Bring in the newest complete runs; one that cannot be brought is named, and the others are."""
    from audit.reviews.library import import_run
    from audit.runs import RunFolder
    from streamlit_app.desk import desk

    found = sorted(runs.glob("*/run.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    complete = [file.parent for file in found if RunFolder(file.parent).complete][:MOST_RUNS]
    for folder in reversed(complete):  # the newest last: it is the one that the desk opens on
        try:
            brought = import_run(desk().db, folder, by=None)
        except AuditError as error:
            terminal.line(f"not brought in: {error}", console=terminal.err)
        else:
            if brought.outcome != "unchanged":
                terminal.line(f"run {brought.run}: {brought.findings} findings ({brought.model})")
    if not complete:
        terminal.line(f"{runs}: no complete run here yet; make one with plural-audit run, or bring one on the desk")


def _first_start(address: str) -> str:
    """The link that makes the first administrator, printed; "" where there is one."""
    from audit.reviews.accounts import first_admin
    from streamlit_app.desk import desk

    secret = first_admin(desk().db)
    if secret is None:
        terminal.line(f"desk: {address}")
        return ""
    link = f"{address}/auth/set-up?secret={secret}"
    terminal.line("First start. Make the administrator's account here, within a day:")
    terminal.line(link)
    return link


# --- processes -------------------------------------------------------------------------------


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _worker(database: str, folder: Path, *, model: str, signing: tuple[str, str] | None) -> Iterator[None]:
    """The worker as a process of its own, ended with the app; secrets go by the environment, not the command line."""
    command = [sys.executable, "-m", "audit.workbench", "--folder", str(folder), "--model", model]
    command += ["--with-parent", str(os.getpid())]
    environment = {**os.environ, "PLURAL_AUDIT_DB": database}
    if signing:
        command += ["--sign-with", signing[0]]
        environment["PLURAL_AUDIT_PASSPHRASE"] = signing[1]
    process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603 - our own module
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=WORKER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _serve(served: Any, *, host: str, port: int, opened: str) -> None:
    import uvicorn

    config = uvicorn.Config(served, host=host, port=port, log_level="warning", timeout_graceful_shutdown=3)
    logging.getLogger("uvicorn.access").disabled = True  # addresses hold the secrets of links
    server = uvicorn.Server(config)
    if opened:
        threading.Thread(target=_open, args=(server, opened), daemon=True).start()
    try:
        server.run()
    except SystemExit:  # uvicorn's way to say that it cannot begin
        raise DeskError(f"{host}:{port}: cannot listen there; another desk may, so choose another --port") from None


def _open(server: Any, address: str) -> None:
    while not server.started:
        time.sleep(0.1)
        if server.should_exit:
            return
    webbrowser.open(address)
