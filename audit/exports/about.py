"""What an export says of itself: which run, which model, under which licences, sealed or not."""

from __future__ import annotations

import json
from dataclasses import dataclass

from audit.records import Evidence
from audit.runs import RunFolder


@dataclass(frozen=True, kw_only=True)
class About:
    """Where the rows of an export come from."""

    run: str
    evidence_digest: str  # of the run's evidence.json, over its manifest and the digests of its tables
    sealed: bool  # complete and undamaged; otherwise nothing vouches for its findings
    model: str
    model_ref: str  # as it was asked for
    model_licence: str
    weights_sha256: str
    languages: tuple[str, ...]
    suites: tuple[tuple[str, str, str, str], ...]  # name, version, licence, digest
    weighed_with: str  # version of plural-audit; "" where the run is not sealed


def about(folder: RunFolder, evidence: Evidence) -> About:
    """What can be said of a run whose evidence was read, and so checked."""
    model = evidence.manifest.model
    return About(
        run=evidence.manifest.run_id,
        evidence_digest=json.loads((folder.path / "evidence.json").read_bytes())["digest"],
        sealed=folder.complete,
        model=model.name,
        model_ref=model.ref,
        model_licence=model.licence,
        weights_sha256=model.weights_sha256,
        languages=tuple(evidence.manifest.languages),
        suites=tuple((one.name, one.version, one.licence, one.digest) for one in evidence.manifest.suites),
        weighed_with=folder.weighed_with().get("plural-audit", ""),
    )
