"""What people read: the PDF, built from evidence and findings alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from audit.errors import ResourceError
from audit.records import Evidence, Finding, Judgements

__all__ = ["build_pdf"]
NEEDED = ("reportlab", "altair", "vl_convert", "svglib", "uharfbuzz", "fontTools", "budoux")  # by plural-audit[report]


def build_pdf(
    path: str | os.PathLike[str],
    *,
    evidence: Evidence,
    findings: tuple[Finding, ...],
    command: str,
    judgements: Judgements | None = None,
    without: Collection[str] = (),
) -> None:
    """Write the report of a run as a PDF: whole or not at all, and the same bytes for the same input.

    Args:
        path: of the PDF; an existing file is replaced once the new one is complete.
        evidence: of the run.
        findings: what the evidence means, in the order in which the report tells them.
        command: that makes the run again, as printed in the section on reproduction.
        judgements: what people say of the findings, as the desk gives them; None leaves their section out.
        without: parts that this copy does not have, of `reports.content.PARTS`; its front says so.

    Raises:
        RunError: the judgements are of another run.
        ResourceError: the report libraries are not installed, or a text that must be printed holds a character that
            the bundled faces cannot draw.
    """
    try:
        from reports import content, pdf, text

        document = content.report(
            evidence,
            tuple(findings),
            command=command,
            can_draw=text.can_draw,
            spelled_out=text.spelled_out,
            judgements=judgements,
            without=without,
        )
        data = pdf.render(document)
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] not in NEEDED:
            raise
        way_out = "install plural-audit[report]"
        raise ResourceError(f"report: the package {missing.name} is not installed; {way_out}") from missing
    _write_whole(Path(path), data)


def _write_whole(path: Path, data: bytes) -> None:
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
