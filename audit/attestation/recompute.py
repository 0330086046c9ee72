"""Weighing again: the same evidence must give the same findings, and they the same report."""

from __future__ import annotations

import importlib.metadata
import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit import findings as findings_of
from audit.attestation import files
from audit.attestation.checking import Check, State, differs, listed, ok
from audit.attestation.files import MOST_JSON, MOST_PDF
from audit.commands import command_of
from audit.errors import AuditError, ResourceError
from audit.progress import Reporter
from audit.records import Evidence, Finding
from audit.runs import TABLES, RunFolder
from reports.attachment import digest_of

CLOSE = 1e-9  # relative, and its square absolute: other processors add up in another order
MOST_ROWS, MOST_UNPACKED = 50_000_000, 8 * 2**30  # of a table
FINDINGS, REPORT = "findings weighed again", "report built again"


def recompute(folder: RunFolder, *, reporter: Reporter) -> tuple[Check, ...]:
    """Compare findings.json and report.pdf with what is made of the evidence here.

    Args:
        folder: whose files are those that were sealed.
        reporter: where progress is told.
    """
    try:
        _require_plausible(folder.path)
        evidence = folder.read_evidence()
        recorded = files.content(folder.path / "findings.json", most=MOST_JSON)
        findings = findings_of.from_json(recorded.decode("utf-8"))
    except (AuditError, OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        fact = f"the evidence cannot be read as tables and findings ({_one_line(error)})"
        return (differs(FINDINGS, fact, "ask for the run again"),)
    others = _other_versions(folder)
    reporter.stage("weighing the evidence again")
    weighed = findings_of.to_json(findings_of.weigh(evidence)).encode()
    reporter.stage("building the report again")
    return (_compared(weighed, recorded, others), _report(folder, evidence, findings, others))


def other_tables(folder: Path, recorded: Any) -> str | None:
    """Which tables of a whole run are not those whose digests a report names, in one clause; None where all are.

    Args:
        folder: of the run.
        recorded: table -> digest, as `reports.attachment` writes it.
    """
    try:
        _require_plausible(folder)
        evidence = RunFolder(folder).read_evidence()
    except (AuditError, OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        return f"the evidence cannot be read as tables ({_one_line(error)})"
    found = {name: digest_of(getattr(evidence, name), name) for name in TABLES}
    if not isinstance(recorded, dict):
        return "the report does not say which evidence it rests on"
    odd = sorted(name for name in found.keys() | recorded.keys() if found.get(name) != recorded.get(name))
    return f"the report rests on other evidence than the folder holds ({listed(odd)})" if odd else None


def _require_plausible(folder: Path) -> None:
    """Refuse tables that would fill the memory: what is not signed may have been made by anybody."""
    for name in TABLES:
        meta = pq.ParquetFile(folder / f"{name}.parquet").metadata
        size = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
        if meta.num_rows > MOST_ROWS or size > MOST_UNPACKED:
            raise ResourceError(f"{name}.parquet: {meta.num_rows} rows, {size} bytes unpacked; no run has that many")


def _other_versions(folder: RunFolder) -> tuple[str, ...]:
    """What the run was weighed with and is another version here."""
    odd = []
    for name, version in sorted(folder.weighed_with().items()):
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "not installed"
        if here != version:
            odd.append(f"{name} {version} (here {here})")
    return tuple(odd)


def _compared(weighed: bytes, recorded: bytes, others: Sequence[str]) -> Check:
    if weighed == recorded:
        return ok(FINDINGS, "the same, to the byte")
    place = next(_differences(json.loads(recorded), json.loads(weighed)), "")
    if not place:
        return ok(FINDINGS, f"the same; numbers agree within {CLOSE:g} of their size, as on another processor")
    return _unlike(FINDINGS, place, others)


def _unlike(what: str, fact: str, others: Sequence[str]) -> Check:
    if others:
        return Check(
            what=what,
            state=State.NOT_COMPARED,
            fact=f"{fact}; the run was weighed with {listed(others)}",
            way_out="install those versions and verify again",
        )
    return differs(what, f"{fact}, with the same versions", "do not use these findings; ask how they were made")


def _report(folder: RunFolder, evidence: Evidence, findings: tuple[Finding, ...], others: Sequence[str]) -> Check:
    from reports import build_pdf

    recorded = files.content(folder.path / "report.pdf", most=MOST_PDF)
    with tempfile.TemporaryDirectory(prefix="plural-audit-") as place:
        path = Path(place) / "report.pdf"
        try:
            build_pdf(path, evidence=evidence, findings=findings, command=command_of(evidence.manifest))
        except ResourceError as error:
            fact, _, way_out = str(error).partition("; ")
            return Check(what=REPORT, state=State.NOT_COMPARED, fact=fact, way_out=way_out)
        built = path.read_bytes()
    if built == recorded:
        return ok(REPORT, "the same, to the byte")
    first = next((at for at, (left, right) in enumerate(zip(built, recorded, strict=False)) if left != right), None)
    at = min(len(built), len(recorded)) if first is None else first
    return _unlike(REPORT, f"other bytes from place {at} on ({len(recorded)} recorded, {len(built)} built)", others)


def _differences(recorded: Any, weighed: Any, place: str = "findings") -> Iterator[str]:
    """Where two JSON values differ, in words, numbers within CLOSE being the same."""
    if isinstance(recorded, dict) and isinstance(weighed, dict):
        for key in sorted(recorded.keys() | weighed.keys()):
            if key not in recorded or key not in weighed:
                yield f"{place}: {key!r} is only {'recorded' if key in recorded else 'weighed here'}"
            else:
                yield from _differences(recorded[key], weighed[key], f"{place}.{key}")
    elif isinstance(recorded, list) and isinstance(weighed, list):
        if len(recorded) != len(weighed):
            yield f"{place}: {len(recorded)} recorded, {len(weighed)} weighed here"
        for number, (left, right) in enumerate(zip(recorded, weighed, strict=False)):
            yield from _differences(left, right, _named(left, place, number))
    elif not _same(recorded, weighed):
        yield f"{place} is {_short(recorded)} as recorded, {_short(weighed)} as weighed here"


def _named(value: Any, place: str, number: int) -> str:
    id_ = value.get("id") if isinstance(value, Mapping) else None
    return f"finding {id_}" if isinstance(id_, str) else f"{place}[{number}]"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=CLOSE, abs_tol=CLOSE**2)
    return type(left) is type(right) and bool(left == right)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
