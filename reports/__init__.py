"""What people read: the PDF and its HTML twin, built from evidence and findings alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from audit.errors import ResourceError
from audit.records import Evidence, Finding, Judgements
from audit.wording import speaking

__all__ = ["build_html", "build_pdf"]
# By plural-audit[report].
NEEDED = ("reportlab", "altair", "vl_convert", "svglib", "uharfbuzz", "fontTools", "budoux", "pikepdf", "markupsafe")


def build_pdf(
    path: str | os.PathLike[str],
    *,
    evidence: Evidence,
    findings: tuple[Finding, ...],
    command: str,
    judgements: Judgements | None = None,
    without: Collection[str] = (),
    language: str = "en",
    paper: str = "a4",
    signed_by: str = "",
) -> None:
    """Write the report of a run as a PDF: whole or not at all, and the same bytes for the same input.

    Args:
        path: of the PDF; an existing file is replaced once the new one is complete.
        evidence: of the run.
        findings: what the evidence means, in the order in which the report tells them.
        command: that makes the run again, as printed in the section on reproduction.
        judgements: what people say of the findings, as the desk gives them; None leaves their section out.
        without: parts that this copy does not have, of `reports.content.PARTS`; its front says so.
        language: that the report is said in; English where it has no catalogue.
        paper: "a4" or "letter".
        signed_by: who is to sign the file when it is complete, for its cover.

    Raises:
        RunError: the judgements are of another run.
        UsageError: there is no such paper.
        ResourceError: the report libraries are not installed, or a text that must be printed holds a character that
            the bundled faces cannot draw.
    """
    with _libraries(), speaking(language):
        from reports import content, pdf, text

        document = content.report(
            evidence,
            tuple(findings),
            command=command,
            can_draw=text.can_draw,
            spelled_out=text.spelled_out,
            judgements=judgements,
            without=without,
            signed_by=signed_by,
        )
        data = pdf.render(document, paper=paper)
    _write_whole(Path(path), data)


def build_html(
    path: str | os.PathLike[str],
    *,
    evidence: Evidence,
    findings: tuple[Finding, ...],
    command: str,
    judgements: Judgements | None = None,
    without: Collection[str] = (),
    language: str = "en",
    signed_by: str = "",
) -> None:
    """Write the report of a run as one HTML file, which says what the PDF says and has its charts.

    The file asks for nothing from elsewhere: no script, no font, no picture. It is written whole or not at all, and the
    same bytes for the same input.

    Args:
        path: of the file; an existing one is replaced once the new one is complete.
        evidence: of the run.
        findings: what the evidence means, in the order in which the report tells them.
        command: that makes the run again, as shown in the section on reproduction.
        judgements: what people say of the findings, as the desk gives them; None leaves their section out.
        without: parts that this copy does not have, of `reports.content.PARTS`; its front says so.
        language: that the report is said in; English where it has no catalogue.
        signed_by: who is to sign the file when it is complete, for its first lines.

    Raises:
        RunError: the judgements are of another run.
        ResourceError: the report libraries are not installed.
    """
    with _libraries(), speaking(language):
        from reports import content, html

        document = content.report(
            evidence,
            tuple(findings),
            command=command,
            can_draw=html.can_show,
            spelled_out=html.shown,
            judgements=judgements,
            without=without,
            signed_by=signed_by,
        )
        data = html.render(document)
    _write_whole(Path(path), data)


@contextlib.contextmanager
def _libraries() -> Iterator[None]:
    """What is within needs the libraries of reports; says how to get one that is missing."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] not in NEEDED:
            raise
        way_out = "install plural-audit[report]"
        raise ResourceError(f"report: the package {missing.name} is not installed; {way_out}") from missing


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
