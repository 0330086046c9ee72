"""Signatures in PDFs: made by pyHanko (PAdES baseline B-B, ECDSA on P-256), and checked against its usual tricks.

A signature is appended: the report's own bytes stay as they were in front of it. It shows nowhere on a page; readers
show it in their list of signatures. There is no time-stamp server in it, so its time is what the signer's clock said.

A signed PDF is believed only if the last signature covers the whole file but its own value, if that value fills its
place in the one way in which we write it, and if nothing follows. So each byte is checked; only ECDSA's own twin of
a value, (r, n - s) for (r, s), would pass for it. Who may be believed is not asked of chains of certificates: the
certificate is the one that the reader named, or it is unknown.
"""

from __future__ import annotations

import io
import logging
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from audit.attestation import files
from audit.attestation.files import UnreadableError
from audit.attestation.keys import SigningKey, signer_of
from audit.errors import SignatureError

for _library in ("pyhanko", "pyhanko_certvalidator"):  # what they find is said by us, not on standard error
    logging.getLogger(_library).addHandler(logging.NullHandler())

FIELD = "plural-audit"
MANIFEST = "plural-audit-manifest.json"  # attached to reports
MOST_ATTACHED = 16 * 2**20  # bytes of the manifest, unpacked
MOST_NAMES = 1000  # of attachments


@dataclass(frozen=True, kw_only=True)
class PdfSignature:
    """The last signature of a PDF, which is intact."""

    certificate_sha256: str
    signer: str  # as its certificate says
    claimed_time: datetime | None  # by the signer's clock
    earlier: int  # signatures before it, each intact as well


class BrokenSignatureError(Exception):
    """A signature that does not hold; says in one clause why."""


def sign_pdf(content: bytes, *, key: SigningKey, reason: str = "") -> bytes:
    """A PDF with a signature appended.

    Args:
        content: of the PDF; the result begins with these bytes.
        key: opened by `keys.open_key`.
        reason: shown by readers beside the signature.

    Raises:
        SignatureError: it is no PDF that can be signed.
    """
    from asn1crypto import keys as asn1_keys
    from asn1crypto import x509 as asn1_x509
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign import fields, signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    private = key.report.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(key.public.certificate.public_bytes(serialization.Encoding.DER)),
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]
    )
    # Where no page is: a field that shows nothing but is not marked as hidden, which archives do not allow.
    unseen = fields.InvisSigSettings(set_print_flag=True, set_hidden_flag=False, box_out_of_bounds=True)
    try:
        writer = _appending(content)
        name = _free_name(writer)
        metadata = signers.PdfSignatureMetadata(
            field_name=name,
            name=key.public.signer,
            reason=reason or None,
            md_algorithm="sha256",
            subfilter=fields.SigSeedSubFilter.PADES,
        )
        spec = fields.SigFieldSpec(sig_field_name=name, invis_sig_settings=unseen, readable_field_name="Signature")
        signed = signers.sign_pdf(writer, metadata, signer=signer, new_field_spec=spec)
    except (PdfError, ValueError) as error:
        raise SignatureError(f"report: cannot be signed ({_one_line(error)}); build it again") from error
    return bytes(signed.getbuffer())


def _appending(content: bytes) -> Any:
    """A writer that appends the signature and nothing else.

    pyHanko's own also writes its name and the time into the metadata, of which it loses parts that archives need.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class Appending(IncrementalPdfFileWriter):
        def _update_meta(self) -> None:
            pass

    return Appending(io.BytesIO(content))


def _free_name(writer: Any) -> str:
    from pyhanko.sign.fields import enumerate_sig_fields

    taken = {name for name, _, _ in enumerate_sig_fields(writer)}
    return next(name for name in (FIELD, *(f"{FIELD}-{n}" for n in range(2, 100))) if name not in taken)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# --- checking --------------------------------------------------------------------------------


def check_pdf(content: bytes) -> PdfSignature | None:
    """The last signature of a PDF, or None where it has none.

    Raises:
        BrokenSignatureError: a signature does not hold, or the file is not a PDF that can be read.
    """
    try:
        signatures = _reader(content).embedded_signatures
        if not signatures:
            _require_none_hidden(content)
            return None
        found = [_intact(signature, content) for signature in signatures]
    except BrokenSignatureError:
        raise
    except Exception as error:  # a damaged PDF makes a parser fail in any way there is
        raise BrokenSignatureError(f"cannot be read as a PDF ({_one_line(error)})") from error
    last, rest = found[-1], found[:-1]
    if _end_of(signatures[-1]) != len(content):
        raise BrokenSignatureError(f"{len(content) - _end_of(signatures[-1])} bytes were added after it was signed")
    certificate, time = last
    return PdfSignature(
        certificate_sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        signer=signer_of(certificate),
        claimed_time=time,
        earlier=len(rest),
    )


def _reader(content: bytes) -> Any:
    from pyhanko.pdf_utils.reader import PdfFileReader

    return PdfFileReader(io.BytesIO(content), strict=True)


def _require_none_hidden(content: bytes) -> None:
    """Refuse to say "not signed" of a file whose signature is there, but no longer named by its form."""
    if b"/ByteRange" in content:
        raise BrokenSignatureError("holds the remains of a signature that its form does not name")


def _intact(signature: Any, content: bytes) -> tuple[x509.Certificate, datetime | None]:
    """The certificate and the time of a signature whose digest, value and place are right."""
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    _require_tight(signature, content)
    own = signature.signer_cert
    context = ValidationContext(trust_roots=[own], allow_fetching=False)
    status = validate_pdf_signature(signature, context, skip_diff=True)
    if not status.intact:
        raise BrokenSignatureError("the bytes it covers were changed after it was signed")
    if not status.valid:
        raise BrokenSignatureError("its value does not fit its certificate")
    return x509.load_der_x509_certificate(own.dump()), signature.self_reported_timestamp


def _require_tight(signature: Any, content: bytes) -> None:
    """The covered bytes begin with the file and leave out one thing: the value between < and >, filled up with zeros.

    Whatever else fits in that gap is not covered by any signature, and readers disagree about it.
    """
    first, length, second, rest = (int(number) for number in signature.byte_range)
    gap = content[length:second]
    if first != 0 or not 0 < length < second <= second + rest <= len(content):
        raise BrokenSignatureError("it does not cover the file from its beginning")
    value = gap[1:-1]
    one_case = value in (value.upper(), value.lower())
    if gap[:1] != b"<" or gap[-1:] != b">" or value.strip(b"0123456789abcdefABCDEF") or len(value) % 2 or not one_case:
        raise BrokenSignatureError("something else stands in the place of its value")
    found = bytes.fromhex(value.decode())
    length = _der_length(found)
    if found[length:].strip(b"\0"):
        raise BrokenSignatureError("something else stands behind its value")
    if found[:length] != _own_form(signature):
        raise BrokenSignatureError("its value was changed, or another program than plural-audit made it")
    # pyHanko reads the value through the document; it must be the one that lies in the gap.
    if bytes(signature.pkcs7_content).rstrip(b"\0") != found.rstrip(b"\0"):
        raise BrokenSignatureError("its value is not the one that its place holds")


def _own_form(signature: Any) -> bytes:
    """The value as we write it, from those parts of it that are signed or that the signature is checked with.

    What stands between them in CMS (RFC 5652) is covered by no signature, and parsers overlook much of it.
    """
    from asn1crypto import cms

    signer, certificate = signature.signer_info, signature.signer_cert
    sha256 = {"algorithm": "sha256"}
    by = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    made = {
        "version": "v1",
        "sid": cms.SignerIdentifier("issuer_and_serial_number", by),
        "digest_algorithm": sha256,
        "signed_attrs": cms.CMSAttributes.load(b"\x31" + signer["signed_attrs"].dump()[1:]),
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": signer["signature"].native,
    }
    data = {
        "version": "v1",
        "digest_algorithms": [sha256],
        "encap_content_info": {"content_type": "data"},
        "certificates": [certificate],
        "signer_infos": [made],
    }
    whole: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(data)}).dump()
    return whole


def _der_length(found: bytes) -> int:
    """Length of the first DER element, its header included."""
    if len(found) < 2 or found[0] != 0x30:
        raise BrokenSignatureError("its value is none")
    if found[1] < 0x80:
        return 2 + found[1]
    size = found[1] & 0x7F
    return 2 + size + int.from_bytes(found[2 : 2 + size], "big")


def _end_of(signature: Any) -> int:
    return int(signature.byte_range[2]) + int(signature.byte_range[3])


# --- what is attached ------------------------------------------------------------------------


def manifest_in(content: bytes) -> dict[str, Any] | None:
    """What a report says of itself for machines, or None where it says nothing.

    Raises:
        UnreadableError: it is attached, but cannot be read.
    """
    try:
        found = _attached(_reader(content), MANIFEST)
    except UnreadableError:
        raise
    except Exception as error:  # as above
        raise UnreadableError(f"cannot be read as a PDF ({_one_line(error)})") from error
    return None if found is None else files.parsed(found)


def _attached(reader: Any, name: str) -> bytes | None:
    root = reader.root
    if "/Names" not in root or "/EmbeddedFiles" not in root["/Names"]:
        return None
    nodes, seen = [root["/Names"]["/EmbeddedFiles"]], 0
    while nodes and seen < MOST_NAMES:
        node = nodes.pop()
        seen += 1
        nodes += list(node["/Kids"]) if "/Kids" in node else []
        pairs = list(node["/Names"]) if "/Names" in node else []
        for key, spec in zip(pairs[::2], pairs[1::2], strict=False):
            if str(key) == name:
                return _unpacked(_plain(_plain(spec)["/EF"]["/F"]))
    return None


def _plain(thing: Any) -> Any:
    return thing.get_object() if hasattr(thing, "get_object") else thing


def _unpacked(stream: Any) -> bytes:
    """The bytes of an attachment, of a bounded size whatever they unpack to."""
    packed = bytes(stream.encoded_data)
    kind = str(stream["/Filter"]) if "/Filter" in stream else ""
    if kind not in ("", "/FlateDecode") or "/DecodeParms" in stream:
        raise UnreadableError("is packed in a way that is not ours")
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(packed, MOST_ATTACHED + 1) if kind else packed
    except zlib.error:
        raise UnreadableError("cannot be unpacked") from None
    if len(found) > MOST_ATTACHED:
        raise UnreadableError(f"is larger than {MOST_ATTACHED // 2**20} MB")
    return found
