"""Reports have a language and a signature; those made before are in English and unsigned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("language", sa.Text(), server_default="en", nullable=False))
        batch_op.add_column(sa.Column("signed_by", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.drop_column("signed_by")
        batch_op.drop_column("language")
