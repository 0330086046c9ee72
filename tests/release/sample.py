"""Runs of an imaginary model, sealed and ready for the gate, and short ways to write a policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from audit import pipeline
from audit.records import ContestRecord, Evidence
from audit.release.policy import Policy, parse_policy
from audit.runs import RunFolder, run_id_of
from tests.measures.synthetic import synthetic_evidence

HEAD = """format = "plural-audit policy 1"
name = "Release"
owner = "release board"
date = 2026-11-01
"""


def policy(rules: str, *, head: str = HEAD) -> Policy:
    return parse_policy((head + rules).encode(), name="policy.toml")


def evidence_for(agreed: Policy | None, **planted: object) -> Evidence:
    """Imaginary evidence that was gathered under a policy, or under none."""
    plain: dict[str, object] = {"languages": ("en", "sw"), "with_pairs": False, "with_parallel": False}
    evidence = synthetic_evidence(**{**plain, **planted})  # type: ignore[arg-type]
    settings = {**evidence.manifest.settings, **({"policy": agreed.digest} if agreed is not None else {})}
    manifest = replace(evidence.manifest, settings=settings)
    return replace(evidence, manifest=replace(manifest, run_id=run_id_of(manifest)))


def sealed(evidence: Evidence, runs: Path) -> RunFolder:
    """A complete run of it. The gate reads no report, so a page of nothing stands for one."""
    folder = RunFolder(runs / evidence.manifest.run_id)
    folder.write_evidence(evidence)
    pipeline.weigh(folder)
    folder.write_result("report.pdf", b"%PDF-1.7 nothing")
    folder.seal(versions=pipeline.weighing_versions())
    return folder


def run_of(agreed: Policy | None, runs: Path, **planted: object) -> RunFolder:
    return sealed(evidence_for(agreed, **planted), runs)


def contest(finding: str, *, state: str = "admitted", open_: bool = True) -> ContestRecord:
    return ContestRecord(
        id="c1",
        finding=finding,
        community="youth",
        state=state,
        open=open_,
        due="2026-12-01" if open_ else "",
        steps=(("file", "2026-11-20", "this is not how we speak"),),
    )
