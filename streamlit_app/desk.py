"""The desk that this process serves: its database, its folder, and what its owner decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.errors import DeskError
from audit.reviews.database import Database, open_database


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `plural-audit app` was told."""

    database: str  # URL
    folder: Path  # holds issued reports and the desk's suites
    runs: Path  # where run folders lie
    public_url: str = ""  # as browsers see it; "" on one machine. With https, cookies are sent over https only
    model: str = ""  # for live pairs; "" offers none
    signer: str = ""  # who signs reports, as the key's certificate names them; "" offers no signing
    oidc: dict[str, Any] = field(default_factory=dict)  # the [auth] table of the secrets file; {} for local accounts

    @property
    def reports(self) -> Path:
        """Where issued reports lie."""
        return self.folder / "reports"

    @property
    def secure(self) -> bool:
        """Whether browsers reach the desk over https."""
        return self.public_url.startswith("https://")

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds a sign-in; the prefix makes browsers insist on https and this host."""
        return "__Host-desk" if self.secure else "desk"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Settings and the open database."""

    settings: Settings
    db: Database


_open: list[Desk] = []  # of this process: Streamlit runs its pages in threads of the server


def open_desk(settings: Settings) -> Desk:
    """Open the database and make this desk the one that pages of this process show."""
    desk = Desk(settings=settings, db=open_database(settings.database))
    serve(desk)
    return desk


def serve(desk: Desk) -> None:
    """Make `desk` the one that pages show."""
    _open[:] = [desk]


def desk() -> Desk:
    """The desk that is open.

    Raises:
        DeskError: none is; the page was started by itself.
    """
    if not _open:
        raise DeskError("app.py: no desk is open; start it with: plural-audit app")
    return _open[0]
