"""Looks at the installation: what is there, what is missing, and the way out."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from audit.errors import AuditError
from audit.runs import cache_folder

# Library -> (what for, how to get it). Only the first group is needed to weigh; the others for their own stage.
PACKAGES = {
    "torch": ("gathering", "pip install 'plural-audit[models]'"),
    "transformers": ("gathering", "pip install 'plural-audit[models]'"),
    "sae_lens": ("SAE features", "pip install 'plural-audit[models,sae]'"),
    "reportlab": ("reports", "pip install 'plural-audit[report]'"),
    "vl_convert": ("reports", "pip install 'plural-audit[report]'"),
    "pyhanko": ("signing and verifying", "pip install 'plural-audit[sign]'"),
    "streamlit": ("the app", "pip install 'plural-audit[app]'"),
}
DISTRIBUTIONS = {"vl_convert": "vl-convert-python", "sae_lens": "sae-lens"}  # named otherwise than what is imported
CONVERSION_GB = 4.0  # a built-in model at its largest: assembled, converted, and its shards


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    state: Literal["ok", "optional", "missing"]
    fact: str
    way_out: str = ""


def examine() -> tuple[Check, ...]:
    """Everything a user may lack, in the order in which it matters."""
    return (_python(), *_packages(), _suites(), *_models(), _fonts(), _disk(), _memory())


def _python() -> Check:
    fact = ".".join(map(str, sys.version_info[:3]))
    enough = sys.version_info >= (3, 11)
    return Check("Python", "ok" if enough else "missing", fact, "" if enough else "install Python 3.11 or newer")


def _packages() -> Iterator[Check]:
    for module, (purpose, way_out) in PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            yield Check(module, "optional", f"not installed; needed for {purpose}", way_out)
        else:
            yield Check(module, "ok", metadata.version(DISTRIBUTIONS.get(module, module)))


def _suites() -> Check:
    from audit.suites import list_builtin

    try:
        names = list_builtin()
    except AuditError as error:
        return Check("suites", "missing", str(error), "reinstall plural-audit")
    return Check(
        "suites",
        "ok" if names else "missing",
        ", ".join(names) or "none found",
        "" if names else "reinstall plural-audit",
    )


def _models() -> Iterator[Check]:
    from audit.models import builtin_states

    for model in builtin_states():
        there = model.converted or model.installed
        facts = {model.installed: "package installed, not converted yet", model.converted: "converted, ready"}
        fact = facts.get(True, "package not installed")
        yield Check(f"model {model.name}", "ok" if there else "optional", fact, "" if there else model.install)


def _fonts() -> Check:
    import reports

    faces = sorted(file.name for file in (Path(reports.__file__).parent / "fonts").glob("*.ttf"))
    return Check(
        "fonts", "ok" if faces else "missing", ", ".join(faces) or "none", "" if faces else "reinstall plural-audit"
    )


def _disk() -> Check:
    folder = next(parent for parent in (cache_folder(), *cache_folder().parents) if parent.exists())
    free = shutil.disk_usage(folder).free / 1e9
    enough = free >= CONVERSION_GB
    way_out = "" if enough else f"free {CONVERSION_GB:.0f} GB or set PLURAL_AUDIT_CACHE to another folder"
    return Check(
        "disk for the cache", "ok" if enough else "missing", f"{free:.1f} GB free in {cache_folder()}", way_out
    )


def _memory() -> Check:
    if importlib.util.find_spec("psutil") is None:
        return Check("memory", "optional", "not known (psutil is not installed)", "pip install 'plural-audit[models]'")
    import psutil

    free = psutil.virtual_memory().available / 1e9
    return Check(
        "memory",
        "ok" if free >= 6 else "optional",
        f"{free:.1f} GB available",
        "" if free >= 6 else "close programs: the built-in audit needs up to 6 GB",
    )
