"""Text files `<language>.txt` that are aligned line by line, as a suite of kind parallel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.errors import SuiteError
from audit.suites.importers.folder import Imported, LeftOut, declared_licence, may_be_passed_on, read_text
from audit.suites.languages import language


def import_parallel_text(
    files: Sequence[Path],
    *,
    licence: str | None = None,
    redistributable: bool | None = None,
    authors: str | None = None,
    source_language: str | None = None,
    limit: int | None = None,
) -> Imported:
    """One item per line; a line that is empty in one language is left out in all.

    Args:
        files: One `<language>.txt` per language.
        licence: The texts' licence; if None, that of a SOURCE.md or LICENSE beside the first file.
        redistributable: Whether texts may be copied into run folders; if None, whether the licence is known to allow.
        authors: Whom to credit; if None, the suite says that they are named in the source.
        source_language: The language the text was written in; the others are marked as translated. All if None.
        limit: Take only the first lines, as many as this.

    Raises:
        SuiteError: no licence, a file not named after a language, files of unequal numbers of lines, or bad encoding.
    """
    if limit is not None and limit < 1:
        raise SuiteError(f"parallel-text: a limit of {limit} lines leaves nothing; give at least 1")
    if not files:
        raise SuiteError("parallel-text: got no files; give one <language>.txt per language")
    lines: dict[str, list[str]] = {}
    for path in files:
        code = path.stem
        if code in lines:
            raise SuiteError(f'{path}: is a second file for "{code}"; give one per language')
        language(code)
        lines[code] = read_text(path).removesuffix("\n").split("\n")
    if source_language is not None and source_language not in lines:
        raise SuiteError(
            f'parallel-text: the source language "{source_language}" has no file; give {source_language}.txt'
        )
    _refuse_unequal(files, lines)

    terms = declared_licence(files, licence=licence)
    n = min(len(next(iter(lines.values()))), limit or len(next(iter(lines.values()))))
    left_out = [
        LeftOut(path.name, number + 1, "is empty; the line is left out in every language")
        for number in range(n)
        for path in files
        if not lines[path.stem][number].strip()
    ]
    empty = {row.line - 1 for row in left_out}
    kept = [number for number in range(n) if number not in empty]
    return Imported(
        declaration={
            "kind": "parallel",
            "question": "How well does the model predict the same text in each language?",
            "construct": "Bits that a model needs for the same content in different languages.",
            "harm": "Speakers of languages that a model reads badly, who are served worse.",
            "groups": "Speakers of the languages imported.",
            "intended_use": "Telling in which languages a model reads well enough for other measures to mean anything.",
            "not_shown": (
                "Nothing about stereotypes or values. Translated text is easier or harder than text first written in a "
                "language, and a model may have seen these lines in training."
            ),
            "licence": terms,
            "redistributable": may_be_passed_on(terms) if redistributable is None else redistributable,
            "authors": authors or "Not recorded on import; named in the source of the texts.",
        },
        design=[{"id": f"line-{number + 1}"} for number in kept],
        words={
            code: [{"id": f"line-{number + 1}", "text": texts[number].strip()} for number in kept]
            for code, texts in lines.items()
        },
        provenance={
            code: {"author": "person", "reviewed": 0, "origin": "native" if code == source_language else "translated"}
            for code in lines
        },
        left_out=tuple(left_out),
    )


def _refuse_unequal(files: Sequence[Path], lines: dict[str, list[str]]) -> None:
    first = files[0]
    for path in files[1:]:
        if len(lines[path.stem]) != len(lines[first.stem]):
            raise SuiteError(
                f"{path}: has {len(lines[path.stem])} lines but {first.name} has {len(lines[first.stem])}; "
                "cut both to the lines that are aligned"
            )
