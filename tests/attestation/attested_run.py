"""A small run on imaginary evidence, with a report of one page, that can be signed, copied and spoilt."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pikepdf
from measures.synthetic import synthetic_evidence
from reportlab.pdfgen.canvas import Canvas

from audit import attestation, pipeline
from audit.attestation import dsse, keys, statement
from audit.attestation.keys import PublicKey, SigningKey
from audit.records import Evidence
from audit.runs import ATTESTATION, RunFolder

PASSPHRASE = "five plain words in a row"
FINDINGS = b'[{"id": "aaaaaaaaaaaa"}, {"id": "bbbbbbbbbbbb"}]'


def evidence(seed: int = 0) -> Evidence:
    return synthetic_evidence(languages=("en", "sw"), with_pairs=False, with_parallel=False, seed=seed)


def page(text: str = "A report.", *, manifest: dict | None = None) -> bytes:
    """A PDF of one page, the same bytes each time, with a manifest attached if there is one."""
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1)
    canvas.drawString(72, 720, text)
    canvas.save()
    if manifest is None:
        return file.getvalue()
    attached = io.BytesIO()
    with pikepdf.open(io.BytesIO(file.getvalue())) as pdf:
        data = json.dumps(manifest).encode()
        name = "plural-audit-manifest.json"
        pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, data, filename=name, mime_type="application/json")
        pdf.save(attached, deterministic_id=True)
    return attached.getvalue()


def write_run(path: Path, *, seed: int = 0, report: bytes | None = None, findings: bytes = FINDINGS) -> RunFolder:
    """A complete run, not signed."""
    run = RunFolder(path)
    run.write_evidence(evidence(seed))
    return seal_again(run, report=report, findings=findings)


def seal_again(run: RunFolder, *, report: bytes | None = None, findings: bytes = FINDINGS) -> RunFolder:
    run.write_result("findings.json", findings)
    run.write_result("report.pdf", page() if report is None else report)
    run.seal(versions=pipeline.weighing_versions())
    return run


def made_key(folder: Path, name: str = "board") -> SigningKey:
    keys.make(name, passphrase=PASSPHRASE, signer=f"The {name}", folder=folder)
    return keys.open_key(name, passphrase=PASSPHRASE, folder=folder)


def signed(run: RunFolder, key: SigningKey) -> RunFolder:
    attestation.sign_run(run, open_key=lambda: key)
    return run


def copied(run: RunFolder, to: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(run.path, to)))


def sign_statement(folder: RunFolder, key: SigningKey, **altered: object) -> None:
    """Sign a statement about the run in which some fields of the predicate are altered."""
    made = statement.statement_of(folder.path, signer=key.public, judgements=None)
    made["predicate"] |= altered
    sign_payload(folder, key, statement.payload_of(made))


def sign_payload(run: RunFolder, key: SigningKey, payload: bytes, payload_type: str = dsse.IN_TOTO) -> None:
    envelope = dsse.sign(payload, payload_type=payload_type, key=key.attestation, key_id=key.public.id)
    (run.path / ATTESTATION).write_bytes(envelope)


def state_of(run: RunFolder, *believed: PublicKey, **asked: object) -> tuple[int, str]:
    """Exit code, and the first thing that differs ("" for none)."""
    found = attestation.verify_run(run.path, keys=believed, **asked)
    return found.exit_code, found.first.what if found.first else ""
