"""Reading files that somebody else may have made: bounded in size and depth, never through a link."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

MOST_JSON, MOST_PDF = 256 * 2**20, 256 * 2**20  # bytes; a real run has some MB of findings, its report some MB too
MOST_DEPTH = 32  # of JSON; a finding has 7
PORTION = 2**20


class UnreadableError(Exception):
    """A file that cannot be what it should be; says in one clause why."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A plain file to read from: no link, no folder, no pipe, wherever its name came from.

    Raises:
        UnreadableError: it is not there, or is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise UnreadableError("is a link; a run folder holds files only")
    try:
        handle = os.open(path, flags)
    except FileNotFoundError:
        raise UnreadableError("is not there") from None
    except OSError as error:
        raise UnreadableError(f"cannot be read ({error.strerror or error})") from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnreadableError("is no plain file")
        yield file


def digest(path: Path) -> str:
    """Hex SHA-256 of a plain file, read in portions.

    Raises:
        UnreadableError: as `opened`.
    """
    sha = hashlib.sha256()
    with opened(path) as file:
        while portion := file.read(PORTION):
            sha.update(portion)
    return sha.hexdigest()


def content(path: Path, *, most: int) -> bytes:
    """The bytes of a plain file of at most `most`.

    Raises:
        UnreadableError: as `opened`, or it is larger.
    """
    with opened(path) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise UnreadableError(f"is larger than {most // 2**20} MB, so it was not read")
    return found


def parsed(text: bytes) -> dict[str, Any]:
    """A JSON object in the strict sense: UTF-8, no key twice, no NaN, not deeper than MOST_DEPTH.

    Raises:
        UnreadableError: it is not.
    """
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise UnreadableError("is not the JSON that was written") from None
    if not isinstance(found, dict):
        raise UnreadableError("is JSON, but no object")
    _require_shallow(found)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise UnreadableError(f"is nested deeper than {MOST_DEPTH} levels")
