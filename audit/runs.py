"""The only writer of results: run folders, and the cache of scored shards.

    runs/<id>/  observations.parquet items.parquet exclusions.parquet observations.csv
                nodes.parquet circuits.parquet patches.parquet edges.parquet readings.parquet   (inside the model)
                saes.parquet capacities.parquet latents.parquet scores.parquet steering.parquet causal.parquet
                contexts.parquet similarities.parquet                                           (features)
                evidence.json     manifest and digests of the tables; its presence means the evidence is whole
                findings.json  report.pdf
                run.json          digests of everything; written last, so its presence means the run is complete
                attestation.dsse.json  report.signed.pdf   signatures of all that, if it is signed (audit.attestation)
                run.log           times and messages; not part of the result

Every file is written beside its place and renamed into it, so a file is whole or absent at any moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import platformdirs

from audit.errors import ResourceError, RunError
from audit.escaping import for_spreadsheet
from audit.records import (
    CAPACITY_COLUMNS,
    CAUSAL_COLUMNS,
    CIRCUIT_COLUMNS,
    CONTEXT_COLUMNS,
    EDGE_COLUMNS,
    EXCLUSION_COLUMNS,
    ITEM_COLUMNS,
    LATENT_COLUMNS,
    NODE_COLUMNS,
    OBSERVATION_COLUMNS,
    PATCH_COLUMNS,
    READING_COLUMNS,
    SAE_COLUMNS,
    SCORE_COLUMNS,
    SIMILARITY_COLUMNS,
    STEERING_COLUMNS,
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
    "nodes": NODE_COLUMNS,
    "circuits": CIRCUIT_COLUMNS,
    "patches": PATCH_COLUMNS,
    "edges": EDGE_COLUMNS,
    "readings": READING_COLUMNS,
    "saes": SAE_COLUMNS,
    "capacities": CAPACITY_COLUMNS,
    "latents": LATENT_COLUMNS,
    "scores": SCORE_COLUMNS,
    "steering": STEERING_COLUMNS,
    "causal": CAUSAL_COLUMNS,
    "contexts": CONTEXT_COLUMNS,
    "similarities": SIMILARITY_COLUMNS,
}
# Columns that give a table its one order, so that shards merged in any order leave the same bytes.
ORDER: Mapping[str, list[str]] = {
    "observations": ["suite", "language", "item", "context", "answer"],
    "items": ["suite", "language", "item"],
    "exclusions": ["suite", "language", "item", "stage", "reason"],
    "nodes": ["suite", "language", "item", "layer", "head"],
    "circuits": ["suite", "circuit", "fold", "rank"],
    "patches": ["suite", "language", "item", "circuit", "fold", "part", "ablation", "size", "draw"],
    "edges": ["suite", "language", "from_layer", "from_head", "to_layer", "to_head", "reader"],
    "readings": ["suite", "language", "what", "layer", "head"],
    "saes": ["sae", "layer", "language"],
    "capacities": ["suite", "language", "item", "context", "lens", "layer", "target"],
    "latents": ["suite", "sae", "layer", "latent"],
    "scores": ["suite", "language", "item", "context", "target"],
    "steering": ["suite", "language", "item", "framework", "direction"],
    "causal": ["suite", "language", "item", "target", "act"],
    "contexts": ["suite", "sae", "layer", "latent", "rank"],
    "similarities": ["suite", "target", "other_target", "language"],
}
EVIDENCE_FILES = (*(f"{name}.parquet" for name in TABLES), "observations.csv")
RESULTS = ("findings.json", "report.pdf")  # each rests on those before it
ATTESTATION, SIGNED_REPORT = "attestation.dsse.json", "report.signed.pdf"  # of a sealed run, and gone with its seal


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


def content_key(model: ModelRecord, *, versions: Mapping[str, str], content: Mapping[str, Any]) -> str:
    """Digest of everything that decides some numbers read from a model.

    That is its files and precision, versions, and what was asked; not the machine, the folder, or what else was asked.
    """
    decides = {
        "weights": model.weights_sha256,
        "tokenizer": model.tokenizer_sha256,
        "config": model.config_sha256,
        "dtype": model.dtype,
        "device": model.device,
        "versions": dict(versions),
    }
    return hashlib.sha256(canonical({**decides, **content})).hexdigest()


@contextlib.contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` when the block ends well, and vanishes otherwise.

    Raises:
        ResourceError: the file system refuses.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        fact = error.strerror or str(error)
        raise ResourceError(f"{path}: cannot be written ({fact}); free some space or choose another folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


# --- cache of shards -------------------------------------------------------------------------


_only_look: ContextVar[bool] = ContextVar("only look", default=False)


class _NotHeldError(Exception):
    """Ends a call that may only look; never leaves this module."""


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

    def kept(self, key: str, make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The content kept under `key`; made and kept if there is none."""
        content = self.read(key)
        if content is None:
            if _only_look.get():
                raise _NotHeldError
            made = make()
            self.write(key, made)
            return made
        return content

    def holds(self, call: Callable[[], object]) -> bool:
        """Whether a call finds everything that it asks of `kept`; nothing is made."""
        token = _only_look.set(True)
        try:
            call()
        except _NotHeldError:
            return False
        finally:
            _only_look.reset(token)
        return True

    def write(self, key: str, content: Mapping[str, Any]) -> None:
        """Keep `content` under `key`, atomically."""
        digest = hashlib.sha256(canonical(content)).hexdigest()
        with whole_or_absent(self._path(key)) as temporary:
            temporary.write_bytes(canonical({"content": content, "sha256": digest}))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` for people to read as well, whole or not at all."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with whole_or_absent(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


# --- run folders -----------------------------------------------------------------------------


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Whoever writes into it holds `lock()`."""

    path: Path

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing into the folder; waits until they are done."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = filelock.FileLock(self.path / ".lock")
            held.acquire()
        except OSError as error:
            fact = error.strerror or str(error)
            raise ResourceError(
                f"{self.path}: cannot be written ({fact}); choose another folder with --runs"
            ) from error
        try:
            yield
        finally:
            held.release()

    @property
    def has_evidence(self) -> bool:
        """Whether gathering ended: its `evidence.json` is there."""
        return (self.path / "evidence.json").is_file()

    @property
    def complete(self) -> bool:
        """Whether the run ended: `run.json` is there, readable, and names every result."""
        try:
            return set(RESULTS) <= set(self._sealed()["sha256"])
        except RunError:
            return False

    def weighed_with(self) -> Mapping[str, str]:
        """Versions of what weighed and reported a complete run; empty for one that is not."""
        return dict(self._sealed()["versions"]) if self.complete else {}

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
        content = {
            "manifest": as_dict(evidence.manifest),
            "sha256": {name: sha256_of(self.path / name) for name in EVIDENCE_FILES},
        }
        self._write_json("evidence.json", {**content, "digest": hashlib.sha256(canonical(content)).hexdigest()})

    def read_evidence(self) -> Evidence:
        """The evidence, every file of it checked against its digest.

        Raises:
            RunError: no evidence here, or a file that is not the one that was written.
        """
        content = self._read_json("evidence.json", "gather it first: plural-audit gather", keys=("manifest", "sha256"))
        digest = content.pop("digest", None)
        manifest = manifest_from_dict(content["manifest"])
        if digest != hashlib.sha256(canonical(content)).hexdigest() or manifest.run_id != run_id_of(manifest):
            raise RunError(f"{self.path / 'evidence.json'}: not what was gathered; restore the file or gather again")
        for name in EVIDENCE_FILES:
            file = self.path / name
            if not file.is_file():
                raise RunError(f"{file}: missing; the evidence is not whole, gather it again")
            if sha256_of(file) != content["sha256"].get(name):
                raise RunError(f"{file}: not the bytes that were gathered; restore the file or gather again")
        tables = {
            name: pd.read_parquet(self.path / f"{name}.parquet").astype(dict(columns))
            for name, columns in TABLES.items()
        }
        return Evidence(manifest=manifest, **tables)

    def write_result(self, name: str, content: bytes) -> None:
        """Write one of RESULTS and remove those that rest on it; the run is open again until `seal`."""
        self.unseal()
        for later in RESULTS[RESULTS.index(name) + 1 :]:
            (self.path / later).unlink(missing_ok=True)
        with whole_or_absent(self.path / name) as temporary:
            temporary.write_bytes(content)

    def seal(self, *, versions: Mapping[str, str]) -> None:
        """Write `run.json`: the digest of every file of the run, and what it was weighed with.

        Raises:
            RunError: a file of the run is missing.
        """
        names = ("evidence.json", *EVIDENCE_FILES, *RESULTS)
        missing = [name for name in names if not (self.path / name).is_file()]
        if missing:
            raise RunError(f"{self.path / missing[0]}: missing, so the run is not complete; run the same command again")
        files = {name: sha256_of(self.path / name) for name in names}
        manifest = self._read_json("evidence.json", "gather it first", keys=("manifest",))["manifest"]
        self._write_json("run.json", {"run_id": manifest["run_id"], "sha256": files, "versions": dict(versions)})

    def unseal(self) -> None:
        """Take `run.json` away before anything changes, and signatures, which were of what it was."""
        for name in (ATTESTATION, SIGNED_REPORT, "run.json"):
            (self.path / name).unlink(missing_ok=True)

    def damaged(self) -> tuple[str, ...]:
        """Files of a complete run that are missing or not the bytes that `run.json` names."""
        recorded: dict[str, str] = self._sealed()["sha256"]
        return tuple(
            name
            for name, digest in sorted(recorded.items())
            if not (self.path / name).is_file() or sha256_of(self.path / name) != digest
        )

    def require_undamaged(self) -> None:
        """Refuse a complete run in which a byte was changed.

        Raises:
            RunError: naming the first such file.
        """
        if self.complete and (damaged := self.damaged()):
            raise RunError(f"{self.path / damaged[0]}: changed after the run was sealed; run it again or restore it")

    def _sealed(self) -> dict[str, Any]:
        return self._read_json("run.json", "the run is not complete: plural-audit run", keys=("sha256", "versions"))

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        write_json(self.path / name, content)

    def _read_json(self, name: str, way_out: str, *, keys: Sequence[str]) -> dict[str, Any]:
        file = self.path / name
        try:
            content = json.loads(file.read_bytes())
        except FileNotFoundError:
            raise RunError(f"{file}: not there; {way_out}") from None
        except ValueError:
            raise RunError(f"{file}: not JSON; remove it and run the same command again") from None
        if not isinstance(content, dict) or any(not isinstance(content.get(key), dict) for key in keys):
            raise RunError(f"{file}: lacks {' or '.join(keys)}; remove it and run the same command again")
        return content


def find_run(reference: str, *, runs: Path) -> RunFolder:
    """A run by its folder, by the start of its id, or "last" for the one gathered last.

    Raises:
        RunError: none, or more than one, fits.
    """
    if reference and (Path(reference) / "evidence.json").is_file():
        return RunFolder(Path(reference))
    known = [RunFolder(file.parent) for file in runs.glob("*/evidence.json")]
    if reference == "last":
        if not known:
            raise RunError(f"{runs}: no runs here; make one: plural-audit run")
        return max(known, key=lambda run: (run.path / "evidence.json").stat().st_mtime)
    fitting = [run for run in known if reference and run.path.name.startswith(reference)]
    if len(fitting) != 1:
        names = ", ".join(sorted(run.path.name for run in known)) or "none"
        fact = "fits no run" if not fitting else "fits several runs"
        raise RunError(f"{reference!r}: {fact} in {runs} (there: {names}); give a folder or the start of one id")
    return fitting[0]


def run_id_of(manifest: Manifest) -> str:
    """Digest of what decides the numbers: not of how the model was named, nor of what was measured."""
    model = manifest.model
    content = {
        "model": [model.weights_sha256, model.tokenizer_sha256, model.config_sha256, model.dtype, model.device],
        "suites": [[suite.name, suite.digest] for suite in manifest.suites],
        "languages": manifest.languages,
        "settings": dict(manifest.settings),
        "versions": dict(manifest.versions),
    }
    return hashlib.sha256(canonical(content)).hexdigest()[:12]


def ordered(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table of Evidence with exactly its columns, their types, and its one order of rows."""
    columns = TABLES[name]
    if name != "exclusions" and table.duplicated(ORDER[name]).any():
        twice = ", ".join(map(str, table.loc[table.duplicated(ORDER[name]), ORDER[name]].iloc[0]))
        raise RunError(f"{name}: two rows for {twice}; two suites of one name? rename one of them")
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
    disarmed = {name: table[name].map(for_spreadsheet, na_action="ignore").astype("string") for name in columns}
    return table.assign(**disarmed)
