"""A model card's part about the audit: results in the hub's metadata, and a section in Markdown, in English.

The metadata are a `model-index` (https://github.com/huggingface/hub-docs, modelcard.md): of the findings that were
asked before the run, those that say yes or no. A number that may not be interpreted, or that decides nothing, would
be read there without its verdict; the section counts such findings and says why.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from audit.commands import command_of
from audit.escaping import for_markdown as md
from audit.exports.about import About
from audit.findings import reason_of
from audit.records import Estimate, Evidence, Finding, Verdict

TITLE = "Audit of stereotypes, cultural knowledge and value frameworks"
SAYS = (Verdict.EVIDENCE, Verdict.NO_EVIDENCE)  # yes, and no
TASK = "text-generation"
_ESCAPED = re.compile("[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")


def model_card(evidence: Evidence, findings: Sequence[Finding], origin: About) -> str:
    """Front matter and section, to be merged into a model's README.md."""
    index = {"model-index": model_index(evidence, findings, origin)}
    parts = ["---", *yaml_lines(index), "---", "", *_section(evidence, findings, origin)]
    return "\n".join(parts) + "\n"


# --- metadata ----------------------------------------------------------------------------------


def model_index(evidence: Evidence, findings: Sequence[Finding], origin: About) -> list[dict[str, Any]]:
    """The hub's `model-index`: one result for each suite and language, a metric for each finding."""
    told = [finding for finding in findings if finding.confirmatory and finding.verdict in SAYS]
    suites = {suite.name: suite for suite in evidence.manifest.suites}
    results = []
    for (name, language), group in groupby(sorted(told, key=_place), key=_place):
        suite = suites[name]
        dataset = {
            "name": f"plural-audit suite {name}, version {suite.version}",
            "type": f"plural-audit-{name}",
            "config": language or "all",
            "revision": suite.digest,
        }
        metrics = [metric for finding in group if (metric := _metric(finding, origin))]
        if metrics:
            results.append({"task": {"type": TASK, "name": "Audit"}, "dataset": dataset, "metrics": metrics})
    return [{"name": evidence.manifest.model.name, "results": results}]


def _place(finding: Finding) -> tuple[str, str]:
    return finding.measurement.scope.suite, finding.measurement.scope.language


def _metric(finding: Finding, origin: About) -> dict[str, Any] | None:
    result = finding.measurement.result
    if not isinstance(result, Estimate):
        return None
    scope = {name: value for name, value in vars(finding.measurement.scope).items() if value and name != "suite"}
    figures = {
        "low": result.low,
        "high": result.high,
        "level": result.level,
        "value_under_null": result.null,  # "null" as a key would be no text to YAML
        "p_adjusted": finding.p_adjusted,
        "detectable": result.detectable,
        "n_clusters": result.n_clusters,
    }
    args = {
        **scope,
        "unit": result.unit,
        **{name: value for name, value in figures.items() if value is not None},
        "verdict": str(finding.verdict),
        "evidence_id": finding.id,
        "run": origin.run,
    }
    # The name is shown beside the bare value: it says interval and verdict in words.
    return {
        "type": finding.measurement.measure,
        "value": result.value,
        "name": str(finding.sentence),
        "args": args,
    }


def yaml_lines(content: Any, depth: int = 0) -> Iterator[str]:
    """Plain content as block YAML; every text is quoted, so none can be read as anything else."""
    space = "  " * depth
    if isinstance(content, dict):
        for key, value in content.items():
            if isinstance(value, dict | list) and value:
                yield f"{space}{key}:"
                yield from yaml_lines(value, depth + 1)
            else:
                yield f"{space}{key}: {_scalar(value)}"
    else:
        for value in content:
            lines = list(yaml_lines(value, depth + 1))
            yield f"{space}- {lines[0].lstrip()}"
            yield from lines[1:]


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")  # to YAML 1.1, which the hub reads, 1e-07 is a text
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


# --- section -----------------------------------------------------------------------------------


def _section(evidence: Evidence, findings: Sequence[Finding], origin: About) -> Iterator[str]:
    yield from (f"## {TITLE}", "")
    version = f" {md(origin.weighed_with)}" if origin.weighed_with else ""
    yield (
        f"What plural-audit{version} found on the items that it asked, and no more: an audit certifies nothing, "
        "and what was not asked was not tested."
    )
    yield ""
    yield from _facts(evidence, origin)
    yield from _counts(findings)
    told = [finding for finding in findings if finding.confirmatory]
    yield from _sentences("Evidence", [one for one in told if one.verdict is Verdict.EVIDENCE])
    yield from _sentences("No evidence, and we would have seen it", [one for one in told if one.verdict is SAYS[1]])
    yield from _unanswered(findings)
    yield from _limits(evidence)
    yield from _again(evidence, origin)


def _facts(evidence: Evidence, origin: About) -> Iterator[str]:
    model = evidence.manifest.model
    yield from ("| what | which |", "| --- | --- |")
    yield f"| model | {md(model.name)} ({md(model.ref)}) |"
    yield f"| licence of the model | {md(model.licence)} |"
    yield f"| weights, SHA-256 | {md(model.weights_sha256)} |"
    yield f"| languages | {md(', '.join(evidence.manifest.languages))} |"
    for name, version, licence, digest in origin.suites:
        yield f"| suite | {md(name)}, version {md(version)}, {md(licence)}, digest {md(digest[:12])} |"
    yield f"| run | {md(origin.run)} |"
    yield ""


def _counts(findings: Sequence[Finding]) -> Iterator[str]:
    counts = Counter((finding.verdict, finding.confirmatory) for finding in findings)
    yield from ("### Verdicts", "")
    yield from ("| verdict | asked before the run | exploratory |", "| --- | ---: | ---: |")
    for verdict in Verdict:
        yield f"| {verdict} | {counts[verdict, True]} | {counts[verdict, False]} |"
    yield from ("", "Exploratory findings are leads to follow, not results; they are in the report, not below.", "")


def _sentences(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    yield from (f"### {title}", "")
    if not findings:
        yield from ("None among the questions that were asked before the run.", "")
    for family, group in groupby(findings, key=lambda finding: finding.family):
        yield from (f"#### {md(family)}", "")
        for finding in group:
            yield f"- {md(str(finding.sentence))} Evidence id {md(finding.id)}."
            yield from (f"  - {md(str(caveat))}" for caveat in finding.caveats)
        yield ""


def _unanswered(findings: Sequence[Finding]) -> Iterator[str]:
    yield from ("### Not answered", "")
    barred = Counter(reason_of(one) or "no reason kept" for one in findings if one.verdict is Verdict.NOT_INTERPRETABLE)
    open_ = sum(one.verdict is Verdict.INSUFFICIENT for one in findings)
    yield from (f"- not interpretable, {_so_many(n)}: {md(reason)}" for reason, n in barred.most_common())
    yield f"- insufficient evidence, {_so_many(open_)}: nothing is said either way"
    yield ""


def _so_many(n: int) -> str:
    return f"{n} finding{'s' if n != 1 else ''}"


def _limits(evidence: Evidence) -> Iterator[str]:
    words = evidence.items
    machine = int((words["author"] == "machine").sum())
    reviewed = int((words["reviewed"] > 0).sum())
    yield from ("### Limits", "")
    yield (
        f"- Of {len(words)} wordings (an item in a language) {machine} were written by a machine; {reviewed} were "
        "reviewed by a native speaker."
    )
    yield f"- {len(evidence.exclusions)} wordings or parts of the audit were left out; the run folder says why."
    if quantised := evidence.manifest.model.quantisation:
        yield f"- The weights are quantised ({md(quantised)}); nothing is said about the published ones."
    yield from (f"- {md(suite.name)}: {md(suite.not_shown)}" for suite in evidence.manifest.suites)
    yield ""


def _again(evidence: Evidence, origin: About) -> Iterator[str]:
    command = command_of(evidence.manifest)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", command))])
    yield from ("### To check and to repeat", "")
    state = "is sealed" if origin.sealed else "is not complete, so nothing vouches for its findings"
    yield f"The run {state}; digest of its evidence: {md(origin.evidence_digest)}. Each evidence id stands in the"
    yield "report's index and in findings.json. `plural-audit verify RUN` says whether a byte of a run folder was"
    yield "changed, and who vouches for it. The same questions are asked by"
    yield from ("", f"{fence}sh", command, fence)
