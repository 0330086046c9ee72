"""The tables of bench/results.json, written where they are shown: README.md and docs/speed.md.

    python -m bench.table [bench/results.json]

Each stands between two marks, such as `<!-- bench -->` and `<!-- /bench -->`; what is between them is replaced.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results import ROOT

Row = Mapping[str, Any]

SIDE_BY_SIDE = ("tool", "version", "analysis", "plain forwards", "peak GB", "measured or quoted")
OURS = ("model", "analysis", "threads", "F", "least to most", "F with last logits", "s", "peak GB", "above model GB")
CURVES = ("analysis", "prompts share a beginning", "pairs", "sets of nodes", "tokens", "peak GB", "above model GB")
RESULTS = ROOT / "bench" / "results.json"
# The peers are measured on this model and one thread, so ours beside them is too.
SHARED_MODEL, SHARED_THREADS = "smollm2-135m", 1
# The order in which analyses stand side by side, by how they begin; what is not named here comes last.
ORDER = ("heads, all positions", "heads, last position", "MLPs", "heads and MLPs", "screening", "edges")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS)
    results = json.loads(parser.parse_args().results.read_text(encoding="utf-8"))
    for name, shown in SHOWN.items():
        file = ROOT / name
        file.write_text(filled(file.read_text(encoding="utf-8"), results, shown), encoding="utf-8")


def filled(text: str, results: Mapping[str, Any], shown: Sequence[str]) -> str:
    """A document with its tables made anew.

    Raises:
        ValueError: it has not exactly one place for a table.
    """
    for name in shown:
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{begin} … {end}: needed once, in this order")
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{TABLES[name](results)}\n{end}{after}"
    return text


# --- the tables ----------------------------------------------------------------------------------


def side_by_side(results: Mapping[str, Any]) -> str:
    """Ours and the peers', analysis by analysis, the cheapest first; below it what the marks mean, and the machine."""
    version = results["circuits"]["about"].get("revision") or "unknown"
    ours_ = [
        {**row, "tool": "**plural-audit**", "version": version}
        for row in results["circuits"]["rows"]
        if (row["model"], row["threads"]) == (SHARED_MODEL, SHARED_THREADS)
    ]
    peers = results["peers"]["rows"]
    rows = sorted((*ours_, *peers), key=lambda row: (_place(row["analysis"]), row.get("total_in_F") or float("inf")))
    about, earlier = results["circuits"]["about"], results["peers"]["about"]
    measured = (
        f"{SHARED_MODEL}, 16 pairs of 13 tokens, one thread. Ours: {_machine(about)}. Peers: {_machine(earlier)}."
    )
    return "\n\n".join([_markdown(SIDE_BY_SIDE, map(_side_cells, rows), right=(3, 4)), *_remarks(rows), measured])


def ours(results: Mapping[str, Any]) -> str:
    """Ours alone: every model, thread count and analysis."""
    part = results["circuits"]
    return "\n\n".join([_markdown(OURS, map(_our_cells, part["rows"]), right=(2, 3, 5, 6, 7, 8)), _context(part)])


def memory(results: Mapping[str, Any]) -> str:
    """Peak memory as pairs, sets of nodes and prompts grow."""
    part = results["circuits"]
    rows = sorted(
        part["memory"], key=lambda row: (row["analysis"], row["start"], row["tokens"], row["sets"], row["pairs"])
    )
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    return _markdown(CURVES, map(_curve_cells, rows), right=(2, 3, 4, 5, 6)) + f"\n\n{models}, one thread."


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "bench": side_by_side,
    "bench ours": ours,
    "bench memory": memory,
}
# Which tables a document shows; each stands in one place only.
SHOWN = {"README.md": ("bench",), "docs/speed.md": ("bench ours", "bench memory")}


def _place(analysis: str) -> int:
    return next((number for number, begins in enumerate(ORDER) if analysis.startswith(begins)), len(ORDER))


def _side_cells(row: Row) -> tuple[str, ...]:
    if row.get("failure"):
        return row["tool"], row["version"], row["analysis"], "–", "–", row["failure"]
    analysis = f"{row['analysis']} ({row['n_patches']})" if row.get("n_patches") else row["analysis"]
    if row.get("note") and not row.get("quoted"):
        analysis += f"; {row['note']}"
    status = "quoted" if row.get("quoted") else "measured"
    if (row.get("n_timed") or 0) < (row.get("n_patches") or 0):
        status += f", scaled from {row['n_timed']}"
    star = "*" if row.get("second_copy") else ""
    return row["tool"], row["version"], analysis, _figure(row["total_in_F"]), f"{row['peak_rss_gb']:.1f}{star}", status


def _our_cells(row: Row) -> tuple[str, ...]:
    span = f"{_figure(row['least_in_F'])} to {_figure(row['most_in_F'])}" if row["repeats"] > 1 else "once"
    analysis = f"{row['analysis']} ({row['n_patches']})" if row["n_patches"] else row["analysis"]
    if row["n_patches"] and row["n_timed"] < row["n_patches"]:
        analysis += f", scaled from {row['n_timed']}"
    return (
        row["model"],
        analysis,
        str(row["threads"]),
        _figure(row["total_in_F"]),
        span,
        _figure(row["total_in_F"] * row["F_seconds"] / row["F_last_seconds"]),
        _figure(row["seconds"]),
        f"{row['peak_rss_gb']:.2f}",
        f"{row['above_model_gb']:.2f}",
    )


def _curve_cells(row: Row) -> tuple[str, ...]:
    return (
        row["analysis"],
        "yes" if row["start"] == "difference" else "not used",
        str(row["pairs"]),
        str(row["sets"]) if row["analysis"] == "patches" else "–",
        str(row["tokens"]),
        f"{row['peak_rss_gb']:.2f}",
        f"{row['above_model_gb']:.2f}",
    )


def _remarks(rows: Sequence[Row]) -> list[str]:
    """What the table's marks mean, those of them that occur."""
    found = []
    if any(row.get("second_copy") for row in rows):
        found.append("\\* includes a second copy of the model (0.5 GB), held to time plain forwards.")
    apart = [row["largest_difference_from_hooks"] for row in rows if row.get("largest_difference_from_hooks")]
    if apart:
        found.append(f"Peers' effects of the timed patches are within {max(apart):.0e} logits of those by plain hooks.")
    return found + [f"Quoted: {note}." for note in dict.fromkeys(row["note"] for row in rows if row.get("quoted"))]


def _context(part: Mapping[str, Any]) -> str:
    about = part["about"]
    if about["mode"] == "full":
        return f"Every patch timed; {_machine(about)}."
    return f"Mode `{about['mode']}`; {_machine(about)}."


def _machine(about: Row) -> str:
    """Machine, versions, day and revision, those that are known."""
    machine = about["machine"]
    return ", ".join(
        [
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB",
            *(f"{name} {about[name]}" for name in ("torch", "transformers", "python") if about.get(name)),
            about["date"],
            *([f"commit {about['revision']}"] if about.get("revision") else []),
        ]
    )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _markdown(header: Sequence[str], rows: Any, *, right: Sequence[int]) -> str:
    marks = ["---:" if column in right else "---" for column in range(len(header))]
    lines = [header, marks, *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
