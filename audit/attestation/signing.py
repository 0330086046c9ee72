"""Signing a run, and reading of a run whether it is signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audit.attestation import dsse, files, paper, statement
from audit.attestation.attested import Attested, read_attestation
from audit.attestation.files import MOST_PDF, UnreadableError
from audit.attestation.keys import SigningKey
from audit.errors import RunError
from audit.runs import ATTESTATION, SIGNED_REPORT, RunFolder, whole_or_absent

REASON = "The report of a run of plural-audit; plural-audit verify checks what it rests on"


@dataclass(frozen=True, kw_only=True)
class SignatureState:
    """Whether and by whom a run is signed, as its folder says; whether to believe the key is the reader's to say."""

    signer: str  # as the signer gave it
    key_id: str
    holds: bool  # the signature is right, and run.json and findings are what was signed
    fact: str  # why not, in one clause; "" where it holds


def sign_run(folder: RunFolder, *, open_key: Callable[[], SigningKey]) -> SignatureState:
    """Sign a complete run: `report.signed.pdf` and, over it and everything else, `attestation.dsse.json`.

    What was signed with the same key and still holds is left as it is.

    Args:
        folder: of the run.
        open_key: gives the key; asked once the run is known to be whole.

    Raises:
        RunError: the run is incomplete or damaged, or a file in it is not what it should be.
        SignatureError: the key cannot be opened, or the report cannot be signed.
    """
    with folder.lock():
        if not folder.complete:
            raise RunError(f"{folder.path}: the run is not complete; finish it: plural-audit run, or report")
        folder.require_undamaged()
        folder.read_evidence()  # the digests within the evidence, and its id
        key = open_key()
        try:
            return _signed(folder, key)
        except UnreadableError as error:
            raise RunError(f"{folder.path}: a file {error}; restore the folder or run it again") from None


def sign_report(content: bytes, *, key: SigningKey) -> bytes:
    """A report with a signature appended, for who issues it: the desk.

    Raises:
        SignatureError: it is no PDF that can be signed.
    """
    return paper.sign_pdf(content, key=key, reason=REASON)


def signature_of(folder: RunFolder) -> SignatureState | None:
    """The state of a run's signature, or None where it is not signed."""
    if not (folder.path / ATTESTATION).exists():
        return None
    try:
        attested = read_attestation(folder.path / ATTESTATION)
    except UnreadableError as error:
        return SignatureState(signer="", key_id="", holds=False, fact=f"{ATTESTATION} {error}")
    fact = next((f"{name} is not what was signed" for name in _changed(folder.path, attested)), "")
    return SignatureState(signer=attested.signer, key_id=attested.key_id, holds=not fact, fact=fact)


def _changed(folder: Path, attested: Attested) -> list[str]:
    """Of the files that stand for the others: run.json names them all, findings and report are what is read."""
    changed = []
    for name in ("run.json", "findings.json", "report.pdf"):
        try:
            found = files.digest(folder / name)
        except UnreadableError:
            found = ""
        if attested.subjects.get(name) != found:
            changed.append(name)
    return changed


def _signed(folder: RunFolder, key: SigningKey) -> SignatureState:
    report = files.content(folder.path / "report.pdf", most=MOST_PDF)
    if not _is_signed_copy(folder.path / SIGNED_REPORT, report, key):
        with whole_or_absent(folder.path / SIGNED_REPORT) as temporary:
            temporary.write_bytes(sign_report(report, key=key))
    made = statement.statement_of(folder.path, signer=key.public, judgements=judgements_in(report))
    envelope = dsse.sign(
        statement.payload_of(made), payload_type=dsse.IN_TOTO, key=key.attestation, key_id=key.public.id
    )
    with whole_or_absent(folder.path / ATTESTATION) as temporary:
        temporary.write_bytes(envelope)
    return SignatureState(signer=key.public.signer, key_id=key.public.id, holds=True, fact="")


def _is_signed_copy(file: Path, report: bytes, key: SigningKey) -> bool:
    """Whether a signed copy of this report by this key is there: another one would differ in its time alone."""
    try:
        content = files.content(file, most=MOST_PDF)
        found = paper.check_pdf(content)
    except (UnreadableError, paper.BrokenSignatureError):
        return False
    by_us = found is not None and found.certificate_sha256 == key.public.fingerprint and found.earlier == 0
    return by_us and content.startswith(report)


def judgements_in(report: bytes) -> dict[str, object] | None:
    """Event and head of the desk's log that a report's own manifest names; None where it holds no judgements."""
    try:
        manifest = paper.manifest_in(report) or {}
    except UnreadableError:
        return None
    found = manifest.get("judgements")
    return found if isinstance(found, dict) else None
