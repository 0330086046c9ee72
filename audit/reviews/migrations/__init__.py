"""Migrations of the desk's tables: one set for SQLite and PostgreSQL, run when a desk is opened."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from audit.errors import DeskError
from audit.reviews.tables import Base

VERSION_TABLE = "desk_version"  # not alembic's own name: another application may share the server's database


class State(Enum):
    """How the tables stand against this version."""

    EMPTY = "no tables yet"
    OLDER = "to be upgraded"
    CURRENT = "as this version has them"


def config_for(connection: Connection) -> Config:
    """What alembic's commands need; they run in the transaction of `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def state(connection: Connection, *, place: str) -> State:
    """How the tables of this database stand.

    Raises:
        DeskError: a newer version made them, or they are not a desk's.
    """
    scripts = ScriptDirectory.from_config(config_for(connection))
    current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if current == scripts.get_current_head():
        return State.CURRENT
    if current is not None:
        if current not in {script.revision for script in scripts.walk_revisions()}:
            raise DeskError(
                f"{place}: a newer plural-audit made it (tables {current}, this version knows up to "
                f"{scripts.get_current_head()}); upgrade plural-audit, or name another database"
            )
        return State.OLDER
    taken = sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))
    if taken:
        raise DeskError(f"{place}: has a table {taken[0]!r} that is not a desk's; name an empty database")
    return State.EMPTY


def versions() -> tuple[str, ...]:
    """Every version of the tables that this code knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(Path(__file__).parent)).walk_revisions())


def upgrade(connection: Connection, *, place: str, to: str = "head") -> None:
    """Bring the tables to this version, in the transaction of `connection`. Another process may have done so already.

    Args:
        connection: of a write transaction; on SQLite with foreign keys off.
        place: for messages.
        to: an earlier version, for a restore.

    Raises:
        DeskError: as `state`; or rows point to rows that are not there.
    """
    if state(connection, place=place) is State.CURRENT:
        return
    command.upgrade(config_for(connection), to)
    require_keys(connection, place=place)


def require_keys(connection: Connection, *, place: str) -> None:
    """That no row points to one that is not there: SQLite's foreign keys are off while tables change.

    Raises:
        DeskError: one does.
    """
    if connection.dialect.name != "sqlite":
        return
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if dangling is not None:
        raise DeskError(
            f"{place}: row {dangling[1]} of {dangling[0]!r} points to none of {dangling[2]!r}; "
            "nothing was changed: restore another backup"
        )
