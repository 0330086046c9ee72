"""How alembic runs our migrations: on the connection it is handed, in the transaction that is open there."""

from typing import Any, Literal

from alembic import context

from audit.reviews.migrations import VERSION_TABLE
from audit.reviews.tables import Base, Moment


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Migrations stand on their own: they name SQLAlchemy's types, never ours."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite cannot alter a table: it is made anew
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
