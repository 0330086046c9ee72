"""DSSE: a payload, its type, and an Ed25519 signature over both, in one JSON file.

The protocol is https://github.com/secure-systems-lab/dsse (v1.0.2); what is signed is the pre-authentication encoding,
so that a payload cannot be read as another type than it was signed as. We write one signature an envelope, and refuse
what has none or several, other fields, or another spelling of the same base64: then every byte of an envelope that
means something is checked.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.attestation.files import UnreadableError, parsed

IN_TOTO = "application/vnd.in-toto+json"


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """An envelope as it was read: nothing in it is believed yet."""

    payload: bytes
    payload_type: str
    key_id: str  # a hint, not signed
    signature: bytes


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, *, payload_type: str, key: Ed25519PrivateKey, key_id: str) -> bytes:
    """The envelope as JSON; the same bytes for the same payload and key."""
    signature = key.sign(pae(payload_type, payload))
    written = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(written, separators=(",", ":"), sort_keys=True).encode()


def read(text: bytes) -> Envelope:
    """An envelope from its JSON.

    Raises:
        UnreadableError: it is none, or not as we write them.
    """
    written = parsed(text)
    signatures = written.get("signatures")
    if set(written) != {"payload", "payloadType", "signatures"} or not isinstance(signatures, list):
        raise UnreadableError("is no DSSE envelope")
    if len(signatures) != 1 or not isinstance(signatures[0], dict) or set(signatures[0]) != {"keyid", "sig"}:
        raise UnreadableError("has not exactly one signature with its key id")
    return Envelope(
        payload=_decoded(written["payload"]),
        payload_type=_text(written["payloadType"]),
        key_id=_text(signatures[0]["keyid"]),
        signature=_decoded(signatures[0]["sig"]),
    )


def verifies(envelope: Envelope, key: Ed25519PublicKey) -> bool:
    """Whether this key signed this payload as this type."""
    try:
        key.verify(envelope.signature, pae(envelope.payload_type, envelope.payload))
    except InvalidSignature:
        return False
    return True


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnreadableError("is no DSSE envelope")
    return value


def _decoded(value: Any) -> bytes:
    try:
        found = base64.b64decode(_text(value), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableError("holds what is not base64") from None
    if base64.b64encode(found).decode() != value:  # bits behind the end, which decoders overlook
        raise UnreadableError("holds base64 that is not written as it should be")
    return found
