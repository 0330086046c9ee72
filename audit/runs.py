"""The only writer of results: run folders, and the cache of scored shards.

    runs/<id>/  observations.parquet items.parquet exclusions.parquet observations.csv
                evidence.json     manifest and digests of the tables; its presence means the evidence is whole
                findings.json  report.pdf
                run.json          digests of everything; written last, so its presence means the run is complete
                run.log           times and messages; not part of the result

Every file is written beside its place and renamed into it, so a file is whole or absent at any moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs

from audit.errors import ResourceError, RunError
from audit.records import (
    EXCLUSION_COLUMNS,
    ITEM_COLUMNS,
    OBSERVATION_COLUMNS,
    Evidence,
    Kind,
    Manifest,
    ModelRecord,
    NoiseFloor,
    SuiteRecord,
    as_dict,
)

TABLES: Mapping[str, Mapping[str, str]] = {
    "observations": OBSERVATION_COLUMNS,
    "items": ITEM_COLUMNS,
    "exclusions": EXCLUSION_COLUMNS,
}
# Columns that give a table its one order, so that shards merged in any order leave the same bytes.
ORDER: Mapping[str, list[str]] = {
    "observations": ["suite", "language", "item", "context", "answer"],
    "items": ["suite", "language", "item"],
    "exclusions": ["suite", "language", "item", "stage", "reason"],
}
RESULTS = ("findings.json", "report.pdf")


def cache_folder() -> Path:
    """Where converted models and scored shards are kept: $PLURAL_AUDIT_CACHE, or the user's cache folder."""
    return Path(os.environ.get("PLURAL_AUDIT_CACHE") or platformdirs.user_cache_path("plural-audit"))


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical(content: Any) -> bytes:
    """JSON that is the same bytes for the same content; refuses NaN."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


@contextlib.contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` when the block ends well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise ResourceError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


# --- cache of shards -------------------------------------------------------------------------


@dataclass(frozen=True)
class ShardCache:
    """Content-keyed JSON files. A damaged file counts as absent: it is computed again."""

    folder: Path

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def read(self, key: str) -> dict[str, Any] | None:
        """The content kept under `key`, or None if there is none that is whole."""
        try:
            kept = json.loads(self._path(key).read_bytes())
            content = kept["content"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = kept.get("sha256") == hashlib.sha256(canonical(content)).hexdigest()
        return content if whole and isinstance(content, dict) else None

    def write(self, key: str, content: Mapping[str, Any]) -> None:
        """Keep `content` under `key`, atomically."""
        digest = hashlib.sha256(canonical(content)).hexdigest()
        with whole_or_absent(self._path(key)) as temporary:
            temporary.write_bytes(canonical({"content": content, "sha256": digest}))


# --- run folders -----------------------------------------------------------------------------


@dataclass(frozen=True)
class RunFolder:
    """One run on disk."""

    path: Path

    @property
    def complete(self) -> bool:
        """Whether the run ended: its `run.json` is there."""
        return (self.path / "run.json").is_file()

    @property
    def has_evidence(self) -> bool:
        """Whether gathering ended: its `evidence.json` is there."""
        return (self.path / "evidence.json").is_file()

    def write_evidence(self, evidence: Evidence) -> None:
        """Write the tables, then `evidence.json`. What rested on older evidence is removed first."""
        self.unseal()
        for name in ("evidence.json", *RESULTS):
            (self.path / name).unlink(missing_ok=True)
        for name in TABLES:
            table = ordered(getattr(evidence, name), name)
            with whole_or_absent(self.path / f"{name}.parquet") as temporary:
                table.to_parquet(temporary, index=False)
        with whole_or_absent(self.path / "observations.csv") as temporary:
            _safe_for_spreadsheets(ordered(evidence.observations, "observations")).to_csv(temporary, index=False)
        files = {f"{name}.parquet": sha256_of(self.path / f"{name}.parquet") for name in TABLES}
        self._write_json("evidence.json", {"manifest": as_dict(evidence.manifest), "sha256": files})

    def read_evidence(self) -> Evidence:
        """The evidence, its tables checked against their digests.

        Raises:
            RunError: no evidence here, or a file that is not the one that was written.
        """
        content = self._read_json("evidence.json", "gather it first: plural-audit gather")
        tables = {}
        for name, columns in TABLES.items():
            file = self.path / f"{name}.parquet"
            if not file.is_file():
                raise RunError(f"{file}: missing; the evidence is not whole, gather it again")
            if sha256_of(file) != content["sha256"].get(file.name):
                raise RunError(f"{file}: not the bytes that were gathered; restore the file or gather again")
            tables[name] = pd.read_parquet(file).astype(dict(columns))
        return Evidence(manifest=manifest_from_dict(content["manifest"]), **tables)

    def write_result(self, name: str, content: bytes) -> None:
        """Write one of RESULTS; the run is open again until `seal`."""
        assert name in RESULTS, name
        self.unseal()
        with whole_or_absent(self.path / name) as temporary:
            temporary.write_bytes(content)

    def seal(self) -> None:
        """Write `run.json`: the digest of every file of the run."""
        names = ["evidence.json", "observations.csv", *(f"{name}.parquet" for name in TABLES), *RESULTS]
        files = {name: sha256_of(self.path / name) for name in names if (self.path / name).is_file()}
        manifest = self._read_json("evidence.json", "gather it first: plural-audit gather")["manifest"]
        self._write_json("run.json", {"run_id": manifest["run_id"], "sha256": files})

    def unseal(self) -> None:
        """Take `run.json` away before anything changes."""
        (self.path / "run.json").unlink(missing_ok=True)

    def damaged(self) -> tuple[str, ...]:
        """Files of a complete run that are missing or not the bytes that `run.json` names."""
        recorded: dict[str, str] = self._read_json("run.json", "the run is not complete: plural-audit run")["sha256"]
        return tuple(
            name
            for name, digest in sorted(recorded.items())
            if not (self.path / name).is_file() or sha256_of(self.path / name) != digest
        )

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        with whole_or_absent(self.path / name) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    def _read_json(self, name: str, way_out: str) -> dict[str, Any]:
        file = self.path / name
        try:
            content: dict[str, Any] = json.loads(file.read_bytes())
        except FileNotFoundError:
            raise RunError(f"{file}: not there; {way_out}") from None
        except ValueError:
            raise RunError(f"{file}: not JSON; the run is damaged, gather it again") from None
        return content


def find_run(reference: str, *, runs: Path) -> RunFolder:
    """A run by its folder, by the start of its id, or "last" for the newest complete one.

    Raises:
        RunError: none, or more than one, fits.
    """
    if Path(reference).is_dir():
        return RunFolder(Path(reference))
    known = sorted(runs.glob("*/evidence.json"), key=lambda file: file.stat().st_mtime)
    if reference == "last":
        if not known:
            raise RunError(f"{runs}: no runs here; make one: plural-audit run")
        return RunFolder(known[-1].parent)
    fitting = [file.parent for file in known if file.parent.name.startswith(reference)]
    if len(fitting) != 1:
        names = ", ".join(file.parent.name for file in known) or "none"
        fact = "fits no run" if not fitting else "fits several runs"
        raise RunError(f"{reference}: {fact} in {runs} (there: {names}); give a folder or the start of one id")
    return RunFolder(fitting[0])


def ordered(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table of Evidence with exactly its columns, their types, and its one order of rows."""
    columns = TABLES[name]
    return table[list(columns)].astype(dict(columns)).sort_values(ORDER[name], kind="stable", ignore_index=True)


def manifest_from_dict(content: Mapping[str, Any]) -> Manifest:
    """The reverse of `as_dict` for a manifest.

    Raises:
        RunError: the manifest has other fields than this version knows.
    """
    try:
        suites: Sequence[Mapping[str, Any]] = content["suites"]
        floor = content["noise_floor"]
        return Manifest(
            **{
                **content,
                "model": ModelRecord(**content["model"]),
                "suites": tuple(SuiteRecord(**{**suite, "kind": Kind(suite["kind"])}) for suite in suites),
                "languages": tuple(content["languages"]),
                "noise_floor": NoiseFloor(**floor) if floor is not None else None,
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"evidence.json: not a manifest this version reads ({error}); gather the run again") from error


def _safe_for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Text cells that a spreadsheet would run as a formula get a leading apostrophe."""
    columns = [name for name, dtype in OBSERVATION_COLUMNS.items() if dtype == "string"]
    disarmed = {name: table[name].str.replace(r"^([=+\-@\t\r])", r"'\1", regex=True) for name in columns}
    return table.assign(**disarmed)
