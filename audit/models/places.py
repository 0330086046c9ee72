"""Where converted models and accepted terms lie on this machine, and whether there is room for more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import platformdirs

from audit.errors import ResourceError
from audit.runs import cache_folder

__all__ = ["APPLICATION", "Progress", "cache_folder", "data_folder", "require_disk", "silent"]

APPLICATION = "plural-audit"

# Told of each stage: its name, and the share of it that is done (0 to 1).
Progress = Callable[[str, float], None]


def data_folder() -> Path:
    """Holds what cannot be made again, such as accepted terms. `PLURAL_AUDIT_DATA` moves it."""
    return Path(os.environ.get("PLURAL_AUDIT_DATA") or platformdirs.user_data_path(APPLICATION))


def require_disk(folder: Path, *, n_bytes: int) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        ResourceError: fewer than `n_bytes` are free where `folder` lies.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        needed_mb, free_mb = -(-n_bytes // 10**6), free // 10**6
        raise ResourceError(
            f"{folder}: {needed_mb} MB needed, {free_mb} MB free; free some, or set PLURAL_AUDIT_CACHE to another disk"
        )


def silent(stage: str, share: float) -> None:
    """The progress callback of those who asked for none."""
