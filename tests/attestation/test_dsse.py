from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from audit.attestation import dsse
from audit.attestation.files import UnreadableError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PAYLOAD = '{"name":"نص हिन्दी"}'.encode()


def envelope() -> bytes:
    return dsse.sign(PAYLOAD, payload_type=dsse.IN_TOTO, key=KEY, key_id="k")


def test_what_is_signed_is_the_encoding_of_the_protocol():
    """The example of protocol.md, and lengths counted in bytes: each of the two Arabic letters has two."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("t", "نص".encode()) == b"DSSEv1 1 t 4 " + "نص".encode()


def test_another_implementation_verifies_what_we_sign():
    theirs = TheirEnvelope.from_dict(json.loads(envelope()))
    raw = KEY.public_key().public_bytes_raw().hex()
    key = SSlibKey("k", "ed25519", "ed25519", {"public": raw})
    assert list(theirs.verify([key], 1)) == ["k"]
    changed = TheirEnvelope(PAYLOAD + b" ", theirs.payload_type, theirs.signatures)
    with pytest.raises(VerificationError):
        changed.verify([key], 1)


def test_we_verify_what_another_implementation_signs():
    signer = CryptoSigner.generate_ed25519()
    theirs = TheirEnvelope(PAYLOAD, dsse.IN_TOTO, {})
    theirs.sign(signer)
    found = dsse.read(json.dumps(theirs.to_dict()).encode())
    raw = bytes.fromhex(signer.public_key.keyval["public"])
    assert found.payload == PAYLOAD
    assert dsse.verifies(found, Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()) is False
    assert dsse.verifies(found, Ed25519PublicKey.from_public_bytes(raw))


def test_the_same_payload_and_key_give_the_same_bytes():
    assert envelope() == envelope()


@pytest.mark.parametrize(("field", "value"), [("payload", "e30="), ("payloadType", "text/plain")])
def test_another_payload_or_type_under_the_signature_does_not_verify(field, value):
    found = dsse.read(json.dumps(json.loads(envelope()) | {field: value}).encode())
    assert not dsse.verifies(found, KEY.public_key())
    assert dsse.verifies(dsse.read(envelope()), KEY.public_key())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"extra": 1}, "no DSSE envelope"),
        ({"payload": 1}, "no DSSE envelope"),
        ({"payload": "e30"}, "not base64"),
        ({"payload": "e31="}, "not written as it should be"),  # decodes as e30= does: two bits are overlooked
        ({"payload": "e3\n0="}, "not base64"),
        ({"signatures": []}, "exactly one signature"),
        ({"signatures": [{"keyid": "k", "sig": ""}] * 2}, "exactly one signature"),
        ({"signatures": [{"sig": ""}]}, "exactly one signature"),
        ({"signatures": [1]}, "exactly one signature"),
    ],
)
def test_an_envelope_of_another_form_is_refused(changed, said):
    with pytest.raises(UnreadableError, match=said):
        dsse.read(json.dumps(json.loads(envelope()) | changed).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"payload": NaN}',
        b'{"payload": "", "payload": ""}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"[" * 100_000,
    ],
)
def test_text_that_is_not_strict_json_of_bearable_depth_is_refused(text):
    with pytest.raises(UnreadableError):
        dsse.read(text)
