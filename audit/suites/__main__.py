"""`python -m audit.suites FOLDER`: prints what the linter finds; exit code 1 if anything is refused or quarantined."""

from __future__ import annotations

import argparse
import sys

from audit.errors import AuditError
from audit.suites.files import NOTE
from audit.suites.lint import lint
from audit.suites.load import suite_folder


def main(arguments: list[str] | None = None) -> int:
    """Lints one suite and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m audit.suites", description=__doc__)
    parser.add_argument("folder", help="a suite's folder, or the name of a built-in suite")
    parser.add_argument("--languages", default=None, help="comma-separated codes; all if left out")
    options = parser.parse_args(arguments)
    codes = options.languages.replace(",", " ").split() if options.languages else None
    try:
        problems = lint(suite_folder(options.folder), languages=codes)
    except AuditError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for problem in problems:
        sys.stdout.write(f"{problem.severity}: {problem} [{problem.rule}]\n")
    counts = ", ".join(f"{sum(p.severity == s for p in problems)} {s}" for s in ("refuse", "quarantine", "note"))
    sys.stdout.write(f"{counts}\n")
    return int(any(problem.severity != NOTE for problem in problems))


if __name__ == "__main__":
    raise SystemExit(main())
