"""The part of the command line that looks after a desk: backup, restore, verify, judgements, links for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from audit import terminal
from audit.app_cli import desk_folder
from audit.errors import ResourceError, UsageError

if TYPE_CHECKING:
    from audit.reviews.database import Database

EXAMPLES = """
Examples:

  plural-audit desk backup monday.zip            while the desk runs

  plural-audit desk verify --since monday.zip    and since that backup

  plural-audit desk restore monday.zip --db sqlite:////srv/desk/desk.db

  plural-audit desk judgements c94a judgements.json    what people said of a run, for the gate

  plural-audit desk invite --role reviewer --community nairobi-youth

  plural-audit desk admin                        when the password is lost

The desk is the one of `plural-audit app`: a SQLite file in your data folder (PLURAL_AUDIT_DATA moves it), unless --db
names another. A backup holds everything that people said: keep it as you keep the desk.
"""

desk_app = typer.Typer(
    help="Look after a community desk: backup, restore, verify, judgements, invite.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

Url = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="PLURAL_AUDIT_DB",
        help="The desk's database: sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME. "
        "Default: the desk of this user.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="The desk's folder, with its reports and suites. Default: in your data folder."),
]
PublicUrl = Annotated[str, typer.Option("--url", help="Where people open the desk; the link begins with it.")]
LOCAL = "http://127.0.0.1:8501"


def default_url() -> str:
    """Database of this user's desk."""
    return f"sqlite:///{desk_folder() / 'desk.db'}"


def link(base: str, path: str, secret: str) -> str:
    """A link that carries a secret."""
    return f"{base.rstrip('/')}{path}?{urlencode({'secret': secret})}"


@desk_app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The new .zip file.")],
    db: Url = "",
    folder: Folder = None,
    even_if_damaged: Annotated[
        bool, typer.Option("--even-if-damaged", help="Also when the log does not verify, to look into it.")
    ] = False,
) -> None:
    """Write everything the desk holds into one new file, while the desk runs. Sign-ins are not in it."""
    made = _reviews("backup")
    with _opened(db) as desk:
        summary = made.backup(desk, file, folder=folder or desk_folder(), even_if_damaged=even_if_damaged)
    terminal.line(f"{file}: {summary}")


@desk_app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `desk backup` made.")],
    db: Url = "",
    folder: Folder = None,
) -> None:
    """Make a desk from a backup, in an empty database of either kind: whole and verified, or not at all."""
    summary = _reviews("backup").restore(file, db or default_url(), folder=folder or desk_folder())
    terminal.line(f"restored and verified: {summary}")
    terminal.line("people sign in again; whoever withdrew after the backup was made has to be taken out again")


@desk_app.command()
def verify(
    db: Url = "",
    since: Annotated[
        list[Path] | None,
        typer.Option("--since", help="A backup: the log must have gone through its end. Repeat for several."),
    ] = None,
) -> None:
    """Check the log: each event follows the one before, and what people wrote is what they wrote."""
    heads = _reviews("backup").heads_of(since or [])
    events = _reviews("events")
    with _opened(db) as desk, desk.read() as session:
        head = events.require_whole(session, place=desk.place, heads=heads)
    checked = f", through {len(heads)} of {len(heads)} backups" if heads else ""
    terminal.line(f"whole: {head.number} events{checked}; head {head.hash}")


@desk_app.command()
def admin(db: Url = "", url: PublicUrl = LOCAL) -> None:
    """Print a link that makes an admin, once, within a day; or sets a new password for the admin whose login is typed.

    Links printed before stop working.
    """
    accounts = _reviews("accounts")
    with _opened(db) as desk:
        secret = accounts.set_up_link(desk)
    terminal.line(link(url, "/auth/set-up", secret))


@desk_app.command()
def invite(
    role: Annotated[str, typer.Option(help="reviewer, steward, auditor, board or admin.")],
    community: Annotated[str, typer.Option(help="Id of the community, for reviewers and stewards.")] = "",
    days: Annotated[int, typer.Option(min=1, max=90, help="How long the link works.")] = 14,
    db: Url = "",
    url: PublicUrl = LOCAL,
) -> None:
    """Print a link by which one person makes an account. Send it to that person only."""
    accounts, roles = _reviews("accounts"), _reviews("roles")
    if role not in list(roles.Role):
        raise UsageError(f"--role {role}: no such role; one of {', '.join(roles.Role)}")
    with _opened(db) as desk:
        secret = accounts.invite_from_command_line(desk, role=roles.Role(role), community=community, days=days)
    terminal.line(link(url, "/auth/join", secret))


@desk_app.command()
def judgements(
    run: Annotated[str, typer.Argument(help="Id of a run of the desk.")],
    file: Annotated[Path, typer.Argument(help="The new file.")],
    db: Url = "",
) -> None:
    """Write what people said of a run, contests among it, to a file that `plural-audit gate --judgements` reads.

    Nobody is named in it and small groups are put together, as in the report.
    """
    from audit.release.hearing import write_judgements

    with _opened(db) as desk:
        said = _reviews("summary").judgements_of(desk, run, by=None)
    write_judgements(file, said)
    counts = f"judgements: {len(said.voices)}; contests: {len(said.contests)}"
    terminal.line(f"{file}: {counts}; as of event {said.as_of}")


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    """The desk, which must be there, closed at the end."""
    desk: Database = _reviews("database").open_database(url or default_url(), make=False)
    try:
        yield desk
    finally:
        desk.close()


def _reviews(module: str) -> Any:
    """A module of `audit.reviews`, or the command that brings what it needs."""
    import importlib

    try:
        return importlib.import_module(f"audit.reviews.{module}")
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[app]'") from None
