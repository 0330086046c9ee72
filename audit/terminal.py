"""What the command line prints: plain tables that fit a terminal and survive a pipe."""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.records import Estimate, Finding, Manifest, Scope, Undefined, Verdict, node_name
from audit.suites import language_name
from audit.suites.pair_text import isolated

if TYPE_CHECKING:
    from audit.circuits.selftest import SelfTest
    from audit.circuits.trial import NodeEffect, Trial

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
        grid.add_row(Text(harmless(about(one.measurement.scope, labels))), *_figures(one), verdict)
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


def about(scope: Scope, labels: Mapping[str, str]) -> str:
    """The filled parts of a scope in words."""
    languages = [language_name(code) for code in (scope.language, scope.other_language) if code]
    others = (scope.topic, scope.culture, scope.framework, scope.other_framework, scope.lens)
    words = [" – ".join(languages), *(labels.get(id_, id_) for id_ in others if id_)]
    return ", ".join(word for word in words if word) or "all"


# --- one pair --------------------------------------------------------------------------------


def trial(one: Trial, *, n_nodes: int) -> None:
    """One pair: the answers after both prompts, the effect in words, the nodes that carry it, how far they go together.

    Args:
        one: the trial.
        n_nodes: nodes to show that carry the effect; a third as many of those against it, if there are.
    """
    from audit.circuits import trial as words

    line(f"{one.model.name}\n")
    _answers(one, words.answer_labels(one.answers))
    line(f"\n{words.sentence(one)}")
    line(f"Effect: {one.effect:+.2f} nats, the first margin less the second; a margin is log P(a) - log P(b).\n")
    _nodes(one, n_nodes)
    _sets(one)
    for caveat in words.caveats(one):
        line(caveat)


# --- the tool's own accuracy -----------------------------------------------------------------


def self_test(found: SelfTest) -> None:
    """How well planted components were found, by plant and language; alarms where nothing was planted; the verdict."""
    line(f"{found.model}: {found.n_nodes} nodes; axes {', '.join(found.topics)}\n")
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for column in ("planted", "language", "found"):
        grid.add_column(column, no_wrap=True)
    for column in ("nats", "rise", "rank", "alone", "AUROC", "alone", "below", "above"):
        grid.add_column(column, justify="right", no_wrap=True)
    for row in found.plants:
        nats = f"±{row.nats:g}" if row.sham else f"{row.nats:g}"
        ranks = (str(row.rank_twin), str(row.rank_alone), f"{row.auroc_twin:.3f}", f"{row.auroc_alone:.3f}")
        shown = ("", "", "", "") if row.sham else ranks
        others = (str(row.n_below), str(row.n_above))
        verdict = "yes" if row.found else "no"
        grid.add_row(row.node, language_name(row.language), verdict, nats, f"{row.rise:+.2f}", *shown, *others)
    out.print(grid)
    line("rise: of the mean effect, nats. found: its change differs from 0 (t over templates, Holm over nodes).")
    line("rank, AUROC: of the planted component's change among all nodes'; alone: without knowing the unplanted model.")
    line("below, above: other nodes found, which may bring the planted one what it reads, or pass its effect on.")
    line("±: a sham, half of the templates pushed the other way; on average nothing is there.\n")
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    grid.add_column("labels shuffled, nothing planted")
    for column in ("templates", "shuffles", "alarms"):
        grid.add_column(column, justify="right")
    for one in found.shuffles:
        alarms = f"{100 * one.alarms:.1f} %"
        grid.add_row(language_name(one.language), str(one.n_templates), str(one.n_shuffles), alarms)
    out.print(grid)
    for why in found.left_out:
        line(f"left out: {why}")
    figures = ("AUROC at 1 nat or more", found.auroc, ".3f"), ("alarms on shuffled labels", found.alarms, ".3f")
    said = "; ".join(
        f"{name} {'not measured' if value is None else format(value, how)}" for name, value, how in figures
    )
    line(f"{said}. Targets (0.95 or more; 0.05 or less) {'met' if found.passed else 'missed'}.")


def _answers(one: Trial, labels: tuple[str, str]) -> None:
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    grid.add_column("after", overflow="fold")
    for role, label in zip("ab", labels, strict=True):
        grid.add_column(Text(f"{role}: {harmless(label)}"), justify="right", overflow="fold")
    grid.add_column("margin", justify="right", no_wrap=True)
    for side in (one.base, one.counterpart):
        cells = (f"{_percent(math.exp(logp))}\n{logp:.2f} nats" for logp in side.logps)
        grid.add_row(Text(harmless(isolated(side.text))), *cells, f"{side.margin:+.2f}")
    out.print(grid)


def _nodes(one: Trial, n_nodes: int) -> None:
    def carries(node: NodeEffect) -> bool:
        return node.effect * one.effect > 0

    leading = [node for node in one.nodes if carries(node)][:n_nodes]
    against = [node for node in one.nodes if node.effect * one.effect < 0][-max(1, n_nodes // 3) :]
    longest = max((abs(node.effect) for node in (*leading, *against)), default=0.0)
    width = max(4, min(40, out.width - 26))
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    grid.add_column("node", no_wrap=True)
    for column in ("nats", "share"):
        grid.add_column(column, justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True, overflow="crop")
    for node in (*leading, *against):
        sign, colour = ("█", "cyan") if carries(node) else ("░", "magenta")
        bar = Text(sign * max(1, round(width * abs(node.effect) / longest)), style=colour)
        grid.add_row(node_name(node.layer, node.head), f"{node.effect:+z.3f}", _share(one, node.effect), bar)
    out.print(grid)
    line("█ carries the effect  ░ works against it. Nodes act through each other: shares overlap, they do not add up.")


def _sets(one: Trial) -> None:
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    grid.add_column("\ntogether", no_wrap=True)
    for column in ("effect lost\nwithout them", "brought back\nby them alone"):
        grid.add_column(column, justify="right", no_wrap=True)
    for nodes in one.sets:
        name = "all nodes" if nodes.size == one.n_nodes else f"first {nodes.size}"
        parts = (f"{nats:+z.3f} {_share(one, nats):>6}" for nats in (nodes.necessity, nodes.sufficiency))
        grid.add_row(name, *parts)
    line("")
    out.print(grid)
    line("Without: they take their values from the second prompt. Back: the model reads it, they alone the first.\n")


def _share(one: Trial, nats: float) -> str:
    share = one.share(nats)
    return "–" if share is None else f"{100 * share:z.0f} %"


def _percent(probability: float) -> str:
    percent = 100 * probability
    return f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.3f} %" if percent >= 0.001 else "<0.001 %"
