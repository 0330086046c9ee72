"""The gate's decision for machines and for pages: JSON, JUnit XML, Markdown. The terminal's own is in release_cli.

JUnit has no word for "we cannot tell": what is INSUFFICIENT EVIDENCE or CONTESTED is an <error>, a FAIL is a <failure>,
so that no page shows either as passed.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from typing import Any

from audit.release.bounds import Outcome
from audit.release.gate import WORST_FIRST, Cell, GateResult, RuleResult
from audit.release.policy import Rule, Waiver

FORMAT = "plural-audit gate 1"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")


def requirement(rule: Rule) -> str:
    """What a rule asks of its measure, as in "stereotype_effect at most 1.4"."""
    if rule.against_baseline:
        return f"{rule.measure} no {_worse(rule)} than the baseline by more than {rule.margin:g}"
    return f"{rule.measure} {' and '.join(map(str, rule.bounds))}"


def summary(result: GateResult) -> str:
    """The decision in one sentence, as in "FAIL: of 12 cells 1 FAIL, 11 PASS (1 waived)"."""
    counts = Counter(cell.outcome for cell in result.cells)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in WORST_FIRST if counts[outcome])
    waived = sum(cell.waiver is not None for cell in result.cells)
    n = len(result.cells)
    said = f"{result.outcome}: of {n} cell{'s' if n != 1 else ''} {told}" + (f" ({waived} waived)" if waived else "")
    return "; ".join((said, *result.obstacles))


def figures(cell: Cell) -> tuple[str, str]:
    """A cell's value and its limits, "" where there is no number."""
    if cell.value is None or cell.low is None or cell.high is None:
        return "", ""
    value, low, high = (f"{round(one, 2) + 0.0:+.2f}" for one in (cell.value, cell.low, cell.high))  # no negative zero
    return f"{value} {cell.unit}".rstrip(), f"{low} to {high}"


def shown(cell: Cell) -> str:
    """The outcome of a cell, a waiver never left out."""
    return f"{cell.outcome} (waived)" if cell.waiver is not None else str(cell.outcome)


# --- JSON ------------------------------------------------------------------------------------------


def as_json(result: GateResult) -> str:
    """Everything, as JSON text (docs/gate.md names the fields)."""
    policy = result.policy
    content = {
        "format": FORMAT,
        "outcome": str(result.outcome),
        "exit_code": result.exit_code,
        "run_id": result.run_id,
        "model": result.model,
        "baseline_id": result.baseline_id or None,
        "policy": {
            "name": policy.name,
            "owner": policy.owner,
            "date": policy.date.isoformat(),
            "sha256": policy.digest,
            "confidence": policy.confidence,
        },
        "day": result.day.isoformat(),
        "n_bounds": result.n_bounds,
        "obstacles": list(result.obstacles),
        "notes": list(result.notes),
        "rules": [
            {
                "rule": one.rule.model_dump(mode="json", exclude_none=True),
                "outcome": str(one.outcome),
                "cells": [_cell(cell) for cell in one.cells],
                "left_out": list(one.left_out),
            }
            for one in result.rules
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _cell(cell: Cell) -> dict[str, Any]:
    scope = {name: value for name, value in vars(cell.scope).items() if value}
    return {
        "where": cell.where,
        "scope": scope,
        "finding": cell.finding or None,
        "outcome": str(cell.outcome),
        "before_contest_and_waiver": str(cell.before),
        "reason": cell.reason,
        "unit": cell.unit or None,
        "value": cell.value,
        "low": cell.low,
        "high": cell.high,
        "n_clusters": cell.n_clusters,
        "detectable": cell.detectable,
        "waiver": None if cell.waiver is None else _waiver(cell.waiver),
        "notes": list(cell.notes),
    }


def _waiver(waiver: Waiver) -> dict[str, Any]:
    return waiver.model_dump(mode="json", exclude_defaults=True)


# --- JUnit -----------------------------------------------------------------------------------------


def as_junit(result: GateResult) -> str:
    """JUnit XML: a suite for each rule, a case for each cell, and a suite "policy" for what holds of the whole run."""
    root = ET.Element("testsuites", name=_xml(result.policy.name))
    kept = Outcome.INSUFFICIENT if result.obstacles else Outcome.PASS
    _suite(root, "policy", [("the run may pass at all", kept, "; ".join((*result.obstacles, *result.notes)))])
    for one in result.rules:
        cases = [(cell.where, cell.outcome, _told(cell)) for cell in one.cells]
        _suite(root, one.rule.id, cases)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, name: str, cases: Sequence[tuple[str, Outcome, str]]) -> None:
    failures = sum(outcome is Outcome.FAIL for _, outcome, _ in cases)
    errors = sum(outcome in (Outcome.INSUFFICIENT, Outcome.CONTESTED) for _, outcome, _ in cases)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_xml(name),
        tests=str(len(cases)),
        failures=str(failures),
        errors=str(errors),
        skipped="0",
        time="0",
    )
    for where, outcome, told in cases:
        case = ET.SubElement(suite, "testcase", classname=f"plural-audit.{_xml(name)}", name=_xml(where), time="0")
        if outcome is not Outcome.PASS:
            kind = "failure" if outcome is Outcome.FAIL else "error"
            ET.SubElement(case, kind, type=str(outcome), message=_xml(told)).text = _xml(told)
        elif told:
            ET.SubElement(case, "system-out").text = _xml(told)


def _told(cell: Cell) -> str:
    value, limits = figures(cell)
    number = f"{value}, limits {limits}. " if value else ""
    notes = "".join(f" {note}." for note in cell.notes)
    return f"{number}{cell.reason}.{notes}"


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 forbids."""
    return _NOT_XML.sub("\ufffd", text)


# --- Markdown --------------------------------------------------------------------------------------


def as_markdown(result: GateResult) -> str:
    """A page for a CI system: the decision first, then what did not pass, then all cells."""
    policy = result.policy
    against = f" against the baseline {_md(result.baseline_id)}" if result.baseline_id else ""
    lines = [
        f"## {_md(summary(result))}",
        "",
        f"{_md(result.model)}, run {_md(result.run_id)}{against}, by the policy {_md(policy.name)} of "
        f"{_md(policy.owner)} ({policy.date.isoformat()}, `{policy.digest[:12]}`), on {result.day.isoformat()}.",
        "",
        *(f"- {_md(note)}" for note in (*result.obstacles, *result.notes)),
        "",
    ]
    for one in result.rules:
        lines += _section(one)
    return "\n".join(lines)


def _section(one: RuleResult) -> list[str]:
    lines = [
        f"### {one.outcome}: {_md(one.rule.id)}",
        "",
        f"{_md(requirement(one.rule))}. {_md(one.rule.why)}".rstrip(),
    ]
    lines += ["", "| where | outcome | value | limits | units | reason |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for cell in sorted(one.cells, key=lambda cell: WORST_FIRST.index(cell.outcome)):
        value, limits = figures(cell)
        n = "" if cell.n_clusters is None else str(cell.n_clusters)
        reason = "; ".join((cell.reason, *cell.notes))
        lines.append(f"| {_md(cell.where)} | {shown(cell)} | {_md(value)} | {limits} | {n} | {_md(reason)} |")
    lines += ["", *(f"Not asked here: {_md(name)}" for name in one.left_out), *([""] if one.left_out else [])]
    return lines


def _md(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _worse(rule: Rule) -> str:
    return {"higher": "higher", "lower": "lower", "either": "higher or lower"}[rule.worse or "either"]
