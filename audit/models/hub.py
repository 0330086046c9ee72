"""Fetching a model from the hub: safetensors and JSON only, no code, one commit for good."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from audit.errors import ModelError
from audit.models.identity import read_config, tokenizer_file, weight_files
from audit.models.places import Progress, silent

WANTED = ("*.safetensors", "*.json", "README.md")
UNWANTED = ("*/*",)  # other frameworks' and other precisions' copies live in folders below
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


def local_snapshot(ref: str) -> Snapshot | None:
    """The commit of a hub model that was fetched before, if it is whole; asks nobody."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    repo, revision = _split(ref)
    try:
        folder = Path(snapshot_download(repo, revision=revision, local_files_only=True, allow_patterns=list(WANTED)))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    try:
        read_config(folder), weight_files(folder), tokenizer_file(folder)
    except ModelError:
        return None  # an interrupted download, or one that fetching will refuse with a reason
    return Snapshot(folder=folder, repo=repo, commit=folder.name)


def fetch(ref: str, *, progress: Progress = silent) -> Snapshot:
    """A hub model on this disk, fetched if it was not; once fetched, a reference keeps its commit.

    Only safetensors, JSON and the model card are fetched. The list of files is read first, so that a repository
    with pickled weights is refused before anything is downloaded.

    Raises:
        ModelError: not reachable, not found, gated, or only pickled weights.
    """
    snapshot = local_snapshot(ref)
    if snapshot is not None:
        return snapshot
    repo, revision = _split(ref)
    progress("download", 0.0)
    folder = _download(ref, repo, revision)
    progress("download", 1.0)
    return Snapshot(folder=folder, repo=repo, commit=folder.name)


def _download(ref: str, repo: str, revision: str | None) -> Path:
    import httpx
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub import errors as hub_errors
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    try:
        info = HfApi().model_info(repo, revision=revision)
        _require_safetensors(ref, [sibling.rfilename for sibling in info.siblings or []])
        folder = snapshot_download(
            repo, revision=info.sha, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED)
        )
        return _pin(Path(folder), repo, revision)
    except hub_errors.GatedRepoError:
        raise ModelError(f"{ref}: its owner asks for acceptance on the hub; accept there and set HF_TOKEN") from None
    except hub_errors.RepositoryNotFoundError:
        raise ModelError(f"{ref}: no such model on the hub, or it is private; check the name or set HF_TOKEN") from None
    except hub_errors.RevisionNotFoundError:
        raise ModelError(f"{ref}: the hub has the model but not this revision; check what follows the @") from None
    except hub_errors.HFValidationError as error:
        raise ModelError(f"{ref}: not a hub name ({error}); names have the form owner/name[@revision]") from None
    except (hub_errors.OfflineModeIsEnabled, httpx.HTTPError, ConnectionError, hub_errors.LocalEntryNotFoundError):
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise ModelError(f"{ref}: hub not reachable{offline}; use a local folder or a built-in model") from None
