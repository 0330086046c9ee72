"""Findings as one JSON object that says where they come from. Its form, and that of findings.json, is a JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audit.exports.about import About
from audit.findings import to_plain
from audit.records import Finding

FORMAT = "plural-audit findings 1"
SCHEMA = Path(__file__).with_name("findings-1.schema.json")


def as_content(findings: Sequence[Finding], origin: About) -> dict[str, Any]:
    """JSON-ready: the format, the run, and the findings as in findings.json."""
    told = asdict(origin)
    told["languages"] = list(origin.languages)
    told["suites"] = [
        dict(zip(("name", "version", "licence", "digest"), suite, strict=True)) for suite in origin.suites
    ]
    return {"format": FORMAT, "about": told, "findings": [to_plain(finding) for finding in findings]}
