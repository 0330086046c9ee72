"""What the report rests on, for machines: attached to the PDF, so that a copy on its own says where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audit.findings import to_json
from audit.records import Evidence, Finding, Judgements, as_dict
from audit.runs import TABLES, ordered


def manifest_of(
    evidence: Evidence, findings: Sequence[Finding], judgements: Judgements | None = None
) -> Mapping[str, Any]:
    """Run, model, suites, settings and versions, the ids of the findings, and digests of findings and evidence.

    Whoever has the run folder can make it again from there and compare; `findings_sha256` is that of its
    `findings.json`.

    Args:
        evidence: of the run.
        findings: of the run as they were weighed, all of them, in their order.
        judgements: that the report tells; the manifest names the end of the desk's log as it was then.
    """
    manifest = evidence.manifest
    return {
        "format": 1,
        "run_id": manifest.run_id,
        "model": as_dict(manifest.model),
        "suites": [
            {"name": suite.name, "version": suite.version, "digest": suite.digest, "licence": suite.licence}
            for suite in manifest.suites
        ],
        "languages": list(manifest.languages),
        "settings": dict(manifest.settings),
        "versions": dict(manifest.versions),
        "findings": [finding.id for finding in findings],
        "findings_sha256": hashlib.sha256(to_json(tuple(findings)).encode()).hexdigest(),
        "judgements": {"event": judgements.as_of, "head": judgements.head} if judgements is not None else None,
        "evidence_sha256": {name: digest_of(getattr(evidence, name), name) for name in TABLES},
    }


def digest_of(table: pd.DataFrame, name: str) -> str:
    """SHA-256 of a table of Evidence as CSV, rows and columns in the order of the run folder, floats in full."""
    return hashlib.sha256(ordered(table, name).to_csv(index=False, lineterminator="\n").encode()).hexdigest()
