"""An attestation as it is read: its signature checked against the key that it brings itself.

Whether that key is to be believed is another question, which only the reader can answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.attestation import dsse, files
from audit.attestation.files import UnreadableError
from audit.attestation.keys import key_id
from audit.attestation.statement import PREDICATE, STATEMENT
from audit.runs import canonical

MOST_ATTESTATION = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Attested:
    """What somebody signed of a run."""

    signer: str
    key_id: str
    certificate_sha256: str  # that the same signer signs reports with
    subjects: Mapping[str, str]  # file name -> hex SHA-256
    predicate: Mapping[str, Any]


def read_attestation(file: Path) -> Attested:
    """An attestation whose signature is right by its own key.

    Raises:
        UnreadableError: it is none, of another type than this version reads, or its signature does not hold.
    """
    envelope = dsse.read(files.content(file, most=MOST_ATTESTATION))
    if envelope.payload_type != dsse.IN_TOTO:
        raise UnreadableError("holds a payload of another type than an in-toto statement")
    found = files.parsed(envelope.payload)
    if found.get("_type") != STATEMENT or found.get("predicateType") != PREDICATE:
        raise UnreadableError("is a statement of another type than this version reads")
    try:
        signer = found["predicate"]["signer"]
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer["public_key"]))
        name, of_key, certificate = (str(signer[field]) for field in ("signer", "key_id", "certificate_sha256"))
        subjects = {str(one["name"]): str(one["digest"]["sha256"]) for one in found["subject"]}
    except (KeyError, TypeError, ValueError):
        raise UnreadableError("does not say who signed what") from None
    if not dsse.verifies(envelope, key):
        raise UnreadableError("has a signature that does not fit: it, or what was signed, was changed")
    if len(subjects) != len(found["subject"]) or canonical(found) != envelope.payload:
        raise UnreadableError("is not written as plural-audit writes statements")
    if not of_key == envelope.key_id == key_id(key):
        raise UnreadableError("names another key than the one that signed it")
    return Attested(
        signer=name, key_id=of_key, certificate_sha256=certificate, subjects=subjects, predicate=found["predicate"]
    )
