"""Events are only ever added: the database refuses to change or remove one.

This keeps mistakes of ours out; against somebody who owns the database stands the chain. On SQLite a migration that
makes the table `events` anew must make these triggers anew.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MESSAGE = "events are only ever added"


def upgrade() -> None:
    """Refuse changes."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER events_no_{change} BEFORE {change.upper()} ON events "
                f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION events_only_added() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN RAISE EXCEPTION '{MESSAGE}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION events_only_added()"
    )


def downgrade() -> None:
    """Allow them."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER events_no_update")
        op.execute("DROP TRIGGER events_no_delete")
        return
    op.execute("DROP TRIGGER events_only_added ON events")
    op.execute("DROP FUNCTION events_only_added()")
