"""The file that all circuit benchmarks write into, each its own part, and what is said of the machine in it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]


def put(file: Path, part: str, content: dict[str, Any]) -> None:
    """Replace one part of a results file, which is made if it is not there; the others stay."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps({**known, part: content}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def about() -> dict[str, Any]:
    """Machine, versions, day and revision of a measurement."""
    return {
        "machine": machine(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "revision": revision(),
    }


def machine() -> dict[str, Any]:
    """Cores, processor and memory (GB of 10^9 bytes)."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.is_file() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def revision() -> str | None:
    """The checkout's commit, with "+" if files differ from it; None outside a checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    try:
        commit, changed = (
            _said(git, *words) for words in (("rev-parse", "--short", "HEAD"), ("diff", "HEAD", "--stat"))
        )
    except subprocess.CalledProcessError:
        return None
    return commit + ("+" if changed else "")


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - git, and our words
    return done.stdout.strip()
