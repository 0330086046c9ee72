"""Fetching a model from the hub: safetensors and JSON only, no code, one commit for good."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.models.builtin import BUILTINS
from audit.models.identity import read_config, tokenizer_file, weight_files
from audit.models.places import Progress, require_disk, silent

WANTED = ("*.safetensors", "*.json", "README.md")
UNWANTED = ("*/*", "consolidated*")  # other frameworks' and other precisions' copies live in folders below
_NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One commit of a hub repository on this disk."""

    folder: Path
    repo: str
    commit: str


def is_hub_name(ref: str) -> bool:
    """Whether a reference has the form owner/name[@revision]."""
    return _NAME.fullmatch(ref) is not None


def repository(ref: str) -> str:
    """owner/name without the revision."""
    return _split(ref)[0]


def local_snapshot(ref: str) -> Snapshot | None:
    """The commit of a hub model that was fetched before, if it is whole and the hub's client there; asks nobody."""
    try:
        from huggingface_hub import errors as hub_errors
        from huggingface_hub import snapshot_download
    except ImportError:
        return None

    repo, revision = _split(ref)
    try:
        folder = Path(
            snapshot_download(
                repo, revision=revision, local_files_only=True, allow_patterns=["config.json", "tokenizer.json"]
            )
        )
        read_config(folder)
        weight_files(folder)
        tokenizer_file(folder)
    except (hub_errors.LocalEntryNotFoundError, hub_errors.HFValidationError, ModelError):
        return None  # never fetched, interrupted, or one that fetching will refuse with a reason
    return Snapshot(folder=folder, repo=repo, commit=folder.name)


def fetch(ref: str, *, progress: Progress = silent) -> Snapshot:
    """A hub model on this disk, fetched if it was not; once fetched, a reference keeps its commit.

    The list of files is read first, so that a repository with only pickled weights is refused before anything is
    downloaded. `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_HOME` are heeded by the hub's own client.

    Raises:
        ModelError: not reachable, not found, gated, or only pickled weights.
        ResourceError: the disk cannot hold it.
    """
    snapshot = local_snapshot(ref)
    if snapshot is not None:
        return snapshot
    progress("download", 0.0)
    folder = _download(ref, progress)
    progress("download", 1.0)
    return Snapshot(folder=folder, repo=repository(ref), commit=folder.name)


def _download(ref: str, progress: Progress) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub import errors as hub_errors
    from huggingface_hub.utils.tqdm import disable_progress_bars

    repo, revision = _split(ref)
    disable_progress_bars()
    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True)
        n_bytes = _safetensors(ref, {file.rfilename: file.size or 0 for file in info.siblings or []})
        _require_room(n_bytes)
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                allow_patterns=list(WANTED),
                ignore_patterns=list(UNWANTED),
                tqdm_class=told_bar(progress, n_bytes=n_bytes),
            )
        )
    except hub_errors.GatedRepoError:
        raise ModelError(f"{ref}: its owner asks for acceptance on the hub; accept there and set HF_TOKEN") from None
    except hub_errors.RepositoryNotFoundError:
        raise ModelError(f"{ref}: no such model on the hub, or it is private; check the name or set HF_TOKEN") from None
    except hub_errors.RevisionNotFoundError:
        raise ModelError(f"{ref}: the hub has the model but not this revision; check what follows the @") from None
    except hub_errors.HFValidationError as error:
        raise ModelError(f"{ref}: not a hub name ({error}); names have the form owner/name[@revision]") from None
    except (OSError, RuntimeError) as error:  # the client's own and its transport's errors derive from these
        raise _unreachable(ref, error) from None
    except Exception as error:  # its transport changes name with its version; anything else passes on
        if "httpx" not in type(error).__module__:
            raise
        raise _unreachable(ref, error) from None


def told_bar(progress: Progress, *, n_bytes: int) -> type[Any]:
    """A bar for the hub's client that draws nothing and reports the share of `n_bytes` that has arrived.

    The client counts bytes from the network and bytes on disk in a bar each, and files in a third; the fullest of
    the first two is told.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Told(tqdm):  # type: ignore[misc]
        told = 0.0  # of all bars of one download

        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.of_bytes = options.get("unit") == "B"
            options.pop("name", None)
            super().__init__(*arguments, **options | {"file": io.StringIO(), "disable": False})

        def display(self, *_arguments: Any, **_options: Any) -> bool:
            return True

        def update(self, n: float | None = 1) -> bool | None:
            drawn: bool | None = super().update(n)
            share = min(1.0, self.n / n_bytes) if self.of_bytes and n_bytes else 0.0
            if share >= Told.told + 0.01:  # a report per chunk would be thousands
                Told.told = share
                progress("download", share)
            return drawn

    return Told


def _unreachable(ref: str, error: Exception) -> ModelError:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        why = "HF_HUB_OFFLINE is set"
    else:
        why = type(error).__name__
    return ModelError(f"{ref}: hub not reachable ({why}); use a local folder or a built-in: {', '.join(BUILTINS)}")


def _safetensors(ref: str, sizes: dict[str, int]) -> int:
    """Bytes of the safetensors files that will be fetched."""
    wanted = {name: size for name, size in sizes.items() if "/" not in name and name.endswith(".safetensors")}
    if not wanted:
        pickled = any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in sizes)
        fact = "only pickle weights; refused, since a pickle can run code" if pickled else "no safetensors weights"
        raise ModelError(f"{ref}: {fact}; choose a repository with safetensors")
    return sum(wanted.values())


def _require_room(n_bytes: int) -> None:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    require_disk(cache, n_bytes=n_bytes)


def _split(ref: str) -> tuple[str, str | None]:
    found = _NAME.fullmatch(ref)
    assert found is not None, "callers ask is_hub_name() first"
    return found["repo"], found["revision"]
