"""Looks inside open-weights language models, in many languages at once.

    folder = audit.run(audit.Request(model="smollm2-135m", languages=("en",)))
    findings = audit.weigh(folder.read_evidence())
    decision = audit.gate(folder, audit.load_policy("policy.toml"))

Names are imported when first used, so that weighing and reading never load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.findings import findings_table, weigh
    from audit.models import AuditedModel
    from audit.pipeline import Request, gather, run
    from audit.release.gate import gate
    from audit.release.policy import load_policy
    from audit.release.training import AuditCallback
    from audit.runs import RunFolder, find_run
    from audit.suites import load_suite

__all__ = [
    "AuditCallback",
    "AuditedModel",
    "Request",
    "RunFolder",
    "find_run",
    "findings_table",
    "gate",
    "gather",
    "load_policy",
    "load_suite",
    "run",
    "weigh",
]

_HOME = {
    "AuditCallback": "audit.release.training",
    "AuditedModel": "audit.models",
    "Request": "audit.pipeline",
    "RunFolder": "audit.runs",
    "find_run": "audit.runs",
    "findings_table": "audit.findings",
    "gate": "audit.release.gate",
    "gather": "audit.pipeline",
    "load_policy": "audit.release.policy",
    "load_suite": "audit.suites",
    "run": "audit.pipeline",
    "weigh": "audit.findings",
}


def __getattr__(name: str) -> Any:
    """The public names, from where they live."""
    if name not in _HOME:
        raise AttributeError(f"module 'audit' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)
