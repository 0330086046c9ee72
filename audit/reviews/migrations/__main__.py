"""Write a migration for what changed in `tables.py` since the last one.

python -m audit.reviews.migrations "what changes"

Read what it wrote before committing it: a renamed column looks like one that went and one that came.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from audit.reviews import migrations
from audit.reviews.database import open_database


def main(message: str) -> None:
    """The next migration in `versions`, named by its number and `message`."""
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(f"sqlite:///{Path(folder) / 'desk.db'}")
        with db.engine.begin() as connection:
            config = migrations.config_for(connection)
            number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
            command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        db.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
