"""Looks inside open-weights language models, in many languages at once.

    folder = audit.run(audit.Request(model="smollm2-135m", languages=("en",)))
    findings = audit.weigh(folder.read_evidence())

Names are imported when first used, so that weighing and reading never load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.findings import findings_table, weigh
    from audit.models import AuditedModel
    from audit.pipeline import Request, gather, run
    from audit.runs import RunFolder, find_run
    from audit.suites import load_suite

__all__ = [
    "AuditedModel",
    "Request",
    "RunFolder",
    "find_run",
    "findings_table",
    "gather",
    "load_suite",
    "run",
    "weigh",
]

_HOME = {
    "AuditedModel": "audit.models",
    "Request": "audit.pipeline",
    "RunFolder": "audit.runs",
    "find_run": "audit.runs",
    "findings_table": "audit.findings",
    "gather": "audit.pipeline",
    "load_suite": "audit.suites",
    "run": "audit.pipeline",
    "weigh": "audit.findings",
}


def __getattr__(name: str) -> Any:
    """The public names, from where they live."""
    if name not in _HOME:
        raise AttributeError(f"module 'audit' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)
