"""A run handed to others: tables for spreadsheets and statistics, a part of a model card, JSON with a schema.

tables     findings, observations, items: rows, and what each column means
files      tables as CSV, Parquet, XLSX
card       the hub's metadata and a section in Markdown
content    findings as JSON; findings-1.schema.json is its form, and that of findings.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from audit import pipeline
from audit.errors import ResourceError, UsageError
from audit.exports.about import about
from audit.exports.card import model_card
from audit.exports.content import as_content
from audit.exports.files import write_csv, write_parquet, write_xlsx
from audit.exports.tables import WHAT, What, table_of
from audit.runs import RunFolder, whole_or_absent, write_json
from audit.wording import LANGUAGES, SOURCE

Form = Literal["csv", "parquet", "xlsx", "json", "model-card"]
FORMS: tuple[Form, ...] = get_args(Form)
ENDINGS = {"csv": ".csv", "parquet": ".parquet", "xlsx": ".xlsx", "json": ".json", "model-card": ".model-card.md"}
ALL = "all"


def export(
    folder: RunFolder,
    *,
    form: Form,
    what: What | Literal["all"] = "findings",
    out: Path | None = None,
    language: str = SOURCE,
    replace: bool = True,
) -> tuple[Path, ...]:
    """Write a run's findings, observations or items for others; the paths that were written.

    The run folder is only read, and every table of it is checked against its digest first. Texts of suites whose
    licence forbids copies are in no export.

    Args:
        folder: of a run that was weighed; one that is complete must also be undamaged.
        form: csv, parquet, xlsx, json (findings, with their parts) or model-card.
        what: which table, or "all"; json and model-card are of findings.
        out: the file; with "all", of CSV or Parquet, a folder. Default: named by the run, in the working folder.
        language: of sentences, caveats, notes, methods and reasons in tables.
        replace: whether files that are there are replaced, or refused.

    Raises:
        UsageError: these do not go together, `out` is in the run folder, or a file is there that is not to be replaced.
        RunError: the run is damaged or was not weighed.
        ResourceError: the file cannot be written, or a package is missing.
    """
    _require_fitting(form, what, language)
    evidence, found = folder.read_evidence(), pipeline.read_findings(folder)
    origin = about(folder, evidence)
    paths = _paths(folder, origin.run, form=form, what=what, out=out)
    if not replace and (there := next((path for path in paths if path.exists()), None)) is not None:
        raise UsageError(f"{there}: is there already; choose another --out, or --force to replace it")
    if form == "json":
        write_json(paths[0], as_content(found, origin))
    elif form == "model-card":
        with whole_or_absent(paths[0]) as temporary:
            temporary.write_text(model_card(evidence, found, origin), encoding="utf-8")
    else:
        names: tuple[What, ...] = WHAT if what == "all" else (what,)
        tables = [table_of(name, evidence=evidence, findings=found, language=language) for name in names]
        if form == "xlsx":
            write_xlsx(paths[0], tables, origin, language=language)
        elif form == "csv":
            for path, table in zip(paths, tables, strict=True):
                write_csv(path, table)
        else:
            for path, table in zip(paths, tables, strict=True):
                write_parquet(path, table, origin)
    return paths


def _require_fitting(form: str, what: str, language: str) -> None:
    if form not in FORMS:
        raise UsageError(f"--as {form}: no such form; choose one of {', '.join(FORMS)}")
    if what not in (*WHAT, ALL):
        raise UsageError(f"--what {what}: no such table; choose one of {', '.join((*WHAT, ALL))}")
    if language not in LANGUAGES:
        raise UsageError(f"--language {language}: nothing is said in it; choose one of {', '.join(LANGUAGES)}")
    if form in ("json", "model-card") and what != "findings":
        raise UsageError(f"--as {form} --what {what}: this form is of findings alone; use csv, parquet or xlsx")
    if form in ("json", "model-card") and language != SOURCE:
        way_out = "it holds the parts for every language" if form == "json" else "a model card's part is in English"
        raise UsageError(f"--as {form} --language {language}: {way_out}; leave --language out")


def _paths(folder: RunFolder, run: str, *, form: Form, what: str, out: Path | None) -> tuple[Path, ...]:
    """Where the files go: one, or one for each table into a folder."""
    several = what == ALL and form in ("csv", "parquet")
    stem = run if what == ALL or form == "model-card" else f"{run}.{what}"
    place = out or Path(f"{run}-{form}" if several else stem + ENDINGS[form])
    if folder.path.resolve() in (place.resolve(), *place.resolve().parents):
        raise UsageError(f"{place}: is in the run folder, which stays as it is sealed; choose another place")
    if several and place.is_file():
        raise UsageError(f"{place}: is a file; --what all writes several, so --out names a folder")
    if not several and place.is_dir():
        raise ResourceError(f"{place}: is a folder; --out names a file here")
    return tuple(place / f"{name}{ENDINGS[form]}" for name in WHAT) if several else (place,)
