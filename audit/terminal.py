"""What the command line prints: plain tables that fit a terminal and survive a pipe."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.records import Estimate, Finding, Manifest, Scope, Undefined, Verdict
from audit.suites import language_name

out = Console()
err = Console(stderr=True)

MARKS = {
    Verdict.EVIDENCE: "●",
    Verdict.NO_EVIDENCE: "○",
    Verdict.INSUFFICIENT: "?",
    Verdict.NOT_INTERPRETABLE: "–",
}

SHORT = {
    Verdict.EVIDENCE: "evidence",
    Verdict.NO_EVIDENCE: "no evidence",
    Verdict.INSUFFICIENT: "insufficient",
    Verdict.NOT_INTERPRETABLE: "not interpretable",
}


def line(text: str, *, console: Console = out) -> None:
    """One line as it is: no markup, no colours guessed, no wrapping, no control characters."""
    console.print(harmless(text), highlight=False, markup=False, soft_wrap=True)


def harmless(text: str) -> str:
    """Text without the control characters by which a terminal can be made to do things."""
    return "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign) != "Cc")


def as_json(content: Any) -> None:
    """Content as JSON on standard output."""
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, default=list) + "\n")


def rows(content: Sequence[Mapping[str, Any]]) -> None:
    """Records of the same fields as a table, a field a column."""
    grid = Table(box=SIMPLE_HEAD)
    for column in content[0] if content else ():
        grid.add_column(column.replace("_", " "), overflow="fold")
    for row in content:
        grid.add_row(*(Text("" if cell is None else harmless(str(cell))) for cell in row.values()))
    out.print(grid)


def findings(manifest: Manifest, found: Sequence[Finding], *, everything: bool) -> None:
    """The findings by family: what was asked before the run, then leads that stand out; all of them if `everything`."""
    line(f"Run {manifest.run_id}: {manifest.model.name}; languages {', '.join(manifest.languages)}")
    labels = {id_: name for suite in manifest.suites for id_, name in suite.labels.items()}
    shown = [one for one in found if everything or one.confirmatory or one.verdict == Verdict.EVIDENCE]
    for (family, confirmatory), group in groupby(shown, key=lambda one: (one.family, one.confirmatory)):
        kind = "fixed before the run" if confirmatory else "exploratory: a lead, not a result"
        _family(f"{family} ({kind})", list(group), labels)
    hidden = len(found) - len(shown)
    if hidden:
        line(f"{hidden} exploratory findings without evidence are not shown (--all shows them)")
    legend = "; ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
    line(f"{legend}. n counts independent items; p is corrected for the family.")
    line("detects: the distance from no effect that would have been found in 80 of 100 such audits.")
    for title, part in (("Fixed before the run", True), ("Exploratory", False)):
        counts = Counter(one.verdict for one in found if one.confirmatory is part)
        line(
            f"{title}: " + (", ".join(f"{counts[verdict]} {verdict}" for verdict in MARKS if counts[verdict]) or "none")
        )


def _family(title: str, group: Sequence[Finding], labels: Mapping[str, str]) -> None:
    results = [one.measurement.result for one in group]
    unit = next((f", {result.unit}" for result in results if isinstance(result, Estimate)), "")
    line(f"\n{title}{unit}")
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    grid.add_column("about", overflow="fold", min_width=16)
    for column in ("value", "95 % interval", "n", "p", "detects"):
        grid.add_column(column, justify="right", no_wrap=True)
    grid.add_column("verdict", no_wrap=True)
    for one in group:
        verdict = f"{MARKS[one.verdict]} {SHORT[one.verdict]}"
        grid.add_row(Text(harmless(_about(one.measurement.scope, labels))), *_figures(one), verdict)
    out.print(grid)
    for reason in sorted({result.reason for result in results if isinstance(result, Undefined)}):
        line(f"  undefined: {reason}")


def _figures(finding: Finding) -> tuple[str, str, str, str, str]:
    result = finding.measurement.result
    if isinstance(result, Undefined):
        return ("", "undefined", "", "", "")
    p = "" if finding.p_adjusted is None else f"{finding.p_adjusted:.3f}" if finding.p_adjusted >= 0.001 else "<.001"
    detects = "" if result.detectable is None else f"{result.detectable:.2f}"
    interval = f"{result.low:+.2f} to {result.high:+.2f}"
    return (f"{result.value:+.2f}", interval, str(result.n_clusters), p, detects)


def _about(scope: Scope, labels: Mapping[str, str]) -> str:
    """The filled parts of a scope in words."""
    languages = [language_name(code) for code in (scope.language, scope.other_language) if code]
    others = (scope.topic, scope.culture, scope.framework, scope.other_framework)
    words = [" – ".join(languages), *(labels.get(id_, id_) for id_ in others if id_)]
    return ", ".join(word for word in words if word) or "all"
