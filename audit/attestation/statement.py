"""What is attested of a run: an in-toto Statement v1 whose subjects are the run's files.

Everything in it is read from the run folder; there is no time in it, so that the same run and key give the same bytes.
Its form is `run-attestation-1.schema.json` beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.attestation import files
from audit.attestation.files import MOST_JSON, UnreadableError
from audit.attestation.keys import PublicKey, record_of
from audit.runs import ATTESTATION, EVIDENCE_FILES, RESULTS, canonical

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:plural-audit:run-attestation:1"
SEALED = ("evidence.json", *EVIDENCE_FILES, *RESULTS)  # what run.json names
BESIDE = ("report*.pdf", "report*.html")  # copies of the report, signed or in other languages
LOGS = ("run.log",)  # in the folder, but no part of the result

MODEL = (
    "name",
    "revision",
    "architecture",
    "dtype",
    "device",
    "quantisation",
    "licence",
    "weights_sha256",
    "tokenizer_sha256",
    "config_sha256",
)
SUITE = ("name", "version", "digest", "licence")


def copies(folder: Path) -> tuple[str, ...]:
    """Names of the report's copies in a run folder, beside report.pdf itself."""
    found = {file.name for pattern in BESIDE for file in folder.glob(pattern)}
    return tuple(sorted(found - set(SEALED)))


def unknown(folder: Path) -> tuple[str, ...]:
    """Names in a run folder that nothing speaks of."""
    known = {*SEALED, *copies(folder), *LOGS, "run.json", ATTESTATION, ".lock"}
    return tuple(sorted(file.name for file in folder.iterdir() if file.name not in known))


def statement_of(folder: Path, *, signer: PublicKey, judgements: Mapping[str, Any] | None) -> dict[str, Any]:
    """The statement about a run folder as it lies there.

    Args:
        folder: complete and undamaged: whoever signs has checked that.
        signer: whose signature will stand under it.
        judgements: event and head of the desk's log that the report knows; None where it holds no judgements.

    Raises:
        UnreadableError: a file of the run cannot be read.
    """
    names = ("run.json", *SEALED, *copies(folder))
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": files.digest(folder / name)}} for name in names],
        "predicateType": PREDICATE,
        "predicate": predicate_of(folder, signer=record_of(signer), judgements=judgements),
    }


def predicate_of(folder: Path, *, signer: Mapping[str, Any], judgements: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the files of a run say of it.

    Raises:
        UnreadableError: one of them does not say it.
    """
    run = files.parsed(files.content(folder / "run.json", most=MOST_JSON))
    evidence = files.parsed(files.content(folder / "evidence.json", most=MOST_JSON))
    try:
        manifest = evidence["manifest"]
        return {
            "run": manifest["run_id"],
            "model": {name: manifest["model"][name] for name in MODEL},
            "suites": [{name: suite[name] for name in SUITE} for suite in manifest["suites"]],
            "languages": manifest["languages"],
            "settings": manifest["settings"],
            "versions": {"gathered": manifest["versions"], "weighed": run["versions"]},
            "policy": manifest["settings"].get("policy") or None,
            "evidence": evidence["digest"],
            "findings": finding_ids(folder),
            "judgements": dict(judgements) if judgements is not None else None,
            "signer": dict(signer),
        }
    except (KeyError, TypeError, AttributeError):
        raise UnreadableError("does not say of a run what this version reads") from None


def finding_ids(folder: Path) -> list[str]:
    """Ids of the findings, in their order.

    Raises:
        UnreadableError: findings.json holds none.
    """
    text = files.content(folder / "findings.json", most=MOST_JSON)
    found = files.parsed(b'{"findings":' + text + b"}")["findings"]  # the file is a list, and is checked as strictly
    try:
        return [str(finding["id"]) for finding in found]
    except (KeyError, TypeError):
        raise UnreadableError("holds no findings") from None


def payload_of(statement: Mapping[str, Any]) -> bytes:
    """A statement as the bytes that are signed."""
    return canonical(statement)
