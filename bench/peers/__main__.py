"""Measure other circuit tools on the reference pairs, each in its own environment and process.

    python -m bench.peers --out bench/results.json [--model smollm2-135m] [--envs FOLDER] [--only NAME ...]

An environment is made when its peer is first measured (1 to 2 GB, a minute or two each) and kept. A peer that fails
leaves a row that says why. Progress goes to stderr; `python -m bench.table FILE` puts the rows where they are shown.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from audit.errors import AuditError
from audit.models import BUILTINS, prepare
from audit.models.gguf import converted_folder
from audit.models.places import require_disk
from bench.results import about, put

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROOM_FOR_ENVIRONMENT = 4_000_000_000  # bytes; the largest takes 2 GB, and pip unpacks beside it
LONGEST = 3600  # seconds; what the slowest peer needs, ten times over


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A tool, and the script here that measures it; `script.txt` holds its pinned packages."""

    tool: str
    script: str
    own_environment: bool = True  # False: needs only what plural-audit itself needs


PEERS = (
    Peer(tool="transformers + hooks", script="hooks", own_environment=False),
    Peer(tool="TransformerLens", script="transformer_lens"),
    Peer(tool="nnsight", script="nnsight"),
    Peer(tool="CircuitKit", script="circuitkit"),
    Peer(tool="auto-circuit", script="auto_circuit"),
)

_EARLIER = (
    "on no package index, so not measurable here; from an earlier measurement of the same pairs, "
    "in which CircuitKit's EAP-IG took 193 F and auto-circuit's EAP 142 F"
)
# Peers that cannot be installed: figures measured earlier, never mixed with measured ones unmarked.
QUOTED: tuple[dict[str, Any], ...] = tuple(
    {
        "tool": "EAP-IG",
        "version": "commit 795f560, TransformerLens 3.9",
        "analysis": analysis,
        "total_in_F": forwards,
        "cpu_seconds": seconds,
        "peak_rss_gb": peak,
        "second_copy": True,
        "quoted": True,
        "note": _EARLIER,
    }
    for analysis, forwards, seconds, peak in (
        ("edges (123,211), EAP", 73.5, 38.7, 4.7),
        ("edges (123,211), EAP-IG, 5 steps", 252.0, 133.0, 5.9),
    )
)


class PeerError(Exception):
    """A peer could not be installed or run; the message is one line."""


def main() -> None:
    names = [peer.script for peer in PEERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="results file to write the part `peers` of")
    parser.add_argument("--model", default="smollm2-135m", help="built-in name, or folder of a Llama-like model")
    parser.add_argument("--envs", type=Path, default=platformdirs.user_cache_path("plural-audit") / "peers")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    given = parser.parse_args()
    try:
        folder = model_folder(given.model)
    except AuditError as error:
        parser.exit(1, f"{error}\n")
    rows = measure(folder, envs=given.envs, only=given.only)
    described = {
        **about(),
        "model": given.model,
        "unit": "F: one plain transformers forward of 16 prompts of 13 tokens, one thread, same process",
    }
    put(given.out, "peers", {"about": described, "rows": rows})


def model_folder(ref: str) -> Path:
    """Where a model lies as transformers reads it; a built-in is converted first if need be.

    Raises:
        AuditError: no such model, or it cannot be converted.
    """
    record = prepare(ref)
    return converted_folder(BUILTINS[ref].sha256, record.dtype) if ref in BUILTINS else Path(ref).resolve()


def measure(folder: Path, *, envs: Path, only: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the peers whose scripts are named, then those of the quoted.

    Args:
        folder: of the model.
        envs: where the peers' environments are, or will be made.
        only: names of scripts.
    """
    rows: list[dict[str, Any]] = []
    for peer in PEERS:
        if peer.script not in only:
            continue
        _tell(f"{peer.tool}: measuring")
        found, failure = run(peer, folder, envs=envs)
        if failure:
            found.append(
                {"tool": peer.tool, "version": "", "analysis": "all" if not found else "rest", "failure": failure}
            )
        for row in found:
            _tell(f"  {row['analysis']}: {row.get('failure') or format(row['total_in_F'], '.1f') + ' F'}")
        rows += found
    return [*compared(rows), *QUOTED]


def run(peer: Peer, folder: Path, *, envs: Path) -> tuple[list[dict[str, Any]], str]:
    """The rows one peer wrote, and one line on why it stopped early, or an empty one."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = Path(scratch, "rows.jsonl")
        rows.touch()
        failure = ""
        try:
            python = environment(peer, envs) if peer.own_environment else Path(sys.executable)
            # Its working folder is empty: some tools write where they are started.
            _call(
                [str(python), "-m", f"bench.peers.{peer.script}", "--model", str(folder), "--rows", str(rows)],
                cwd=scratch,
            )
        except (PeerError, OSError, AuditError) as error:
            failure = str(error)
        return [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()], failure


def environment(peer: Peer, envs: Path) -> Path:
    """The Python of a peer's environment, made unless it is there with these very requirements.

    Raises:
        PeerError: its packages cannot be installed.
        ResourceError: the disk is too full.
    """
    requirements = HERE / f"{peer.script}.txt"
    folder = envs / peer.script
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "installed.txt"
    wanted = requirements.read_text(encoding="utf-8")
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return python
    _tell(f"{peer.tool}: installing, once")
    folder.mkdir(parents=True, exist_ok=True)
    require_disk(folder, n_bytes=ROOM_FOR_ENVIRONMENT)
    shutil.rmtree(folder)  # what an earlier, broken installation left
    venv.create(folder, with_pip=True)
    _call([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)], cwd=envs)
    ready.write_text(wanted, encoding="utf-8")
    return python


def compared(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with their effects replaced by the largest difference from those of plain hooks, where both are there."""
    hooks = {row["analysis"]: row["effects"] for row in rows if row["tool"] == PEERS[0].tool and row.get("effects")}
    result = []
    for row in rows:
        effects, reference = row.get("effects"), hooks.get(row["analysis"])
        largest = max(abs(a - b) for a, b in zip(effects, reference, strict=True)) if effects and reference else None
        result.append({**{key: row[key] for key in row if key != "effects"}, "largest_difference_from_hooks": largest})
    return result


def _call(command: Sequence[str], *, cwd: str | Path) -> None:
    """Run a command, quietly.

    Raises:
        PeerError: it failed or took too long; says the last line it wrote.
    """
    settings = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",  # the model is on the disk; nothing else is to be fetched
        "TQDM_DISABLE": "1",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own scripts, and pip
            command, cwd=cwd, env=settings, capture_output=True, text=True, errors="replace", timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"stopped after {LONGEST} s") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise PeerError((said[-1] if said else f"ended with code {done.returncode}")[:200])


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
