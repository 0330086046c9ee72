"""Signatures over runs and reports, and the checks by which anybody finds out whether a byte of them was changed.

A signature says who vouches for these bytes. It does not say that the audit asked the right questions.
"""

from __future__ import annotations

from audit.errors import ResourceError

try:
    import asn1crypto  # noqa: F401
    import cryptography  # noqa: F401
    import pyhanko  # noqa: F401
except ModuleNotFoundError as error:
    raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[sign]'") from None

from audit.attestation.checking import Check, State, Verification
from audit.attestation.keys import PublicKey, SigningKey, open_key, public_of, read_public
from audit.attestation.signing import SignatureState, sign_report, sign_run, signature_of
from audit.attestation.verify import verify_report, verify_run

__all__ = [
    "Check",
    "PublicKey",
    "SignatureState",
    "SigningKey",
    "State",
    "Verification",
    "open_key",
    "public_of",
    "read_public",
    "sign_report",
    "sign_run",
    "signature_of",
    "verify_report",
    "verify_run",
]
