"""The rows of `python -m bench.peers` as a Markdown table.

python -m bench.peers.table bench/results.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HEADER = ("tool", "version", "analysis", "plain forwards", "peak GB", "measured or quoted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    print(table(json.loads(parser.parse_args().results.read_text(encoding="utf-8"))["rows"]))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown; below it what the marks mean, and the notes of the quoted."""
    lines = [HEADER, ("---", "---", "---", "---:", "---:", "---"), *(cells(row) for row in rows)]
    text = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    return "\n\n".join([text, *remarks(rows)])


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table."""
    status = "quoted" if row.get("quoted") else "measured"
    if row.get("failure"):
        return row["tool"], row["version"], row["analysis"], "–", "–", row["failure"]
    analysis = f"{row['analysis']} ({row['n_patches']})" if row.get("n_patches") else row["analysis"]
    if row.get("note") and not row.get("quoted"):
        analysis += f"; {row['note']}"
    if (row.get("n_timed") or 0) < (row.get("n_patches") or 0):
        status += f", scaled from {row['n_timed']}"
    star = "*" if row.get("second_copy") else ""
    forwards = row["total_in_F"]
    return (
        row["tool"],
        row["version"],
        analysis,
        f"{forwards:.0f}" if forwards >= 100 else f"{forwards:.1f}",
        f"{row['peak_rss_gb']:.1f}{star}",
        status,
    )


def remarks(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What the table's marks mean, those of them that occur."""
    found = []
    if any(row.get("second_copy") for row in rows):
        found.append(
            "\\* includes a second copy of the model, held to time plain forwards. Peaks are of the process up to then."
        )
    apart = [row["largest_difference_from_hooks"] for row in rows if row.get("largest_difference_from_hooks")]
    if apart:
        found.append(f"Effects of the timed patches are within {max(apart):.0e} logits of those by plain hooks.")
    found += [f"Quoted: {note}." for note in dict.fromkeys(row["note"] for row in rows if row.get("quoted"))]
    return found


if __name__ == "__main__":
    main()
