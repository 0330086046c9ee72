"""What we ask: reads `prompts/` (docs/suite-format.md), checks it, and compiles it into `audit.records.Suite`."""

from audit.suites.describe import ItemRow, LanguageRow, describe, item_rows
from audit.suites.files import NOTE, QUARANTINE, REFUSE, Problem
from audit.suites.languages import BUILT_IN, Language, builtin_languages, language
from audit.suites.lint import lint
from audit.suites.load import builtin_folder, digest_of, list_builtin, load_suite, suite_folder, written_languages
from audit.suites.schema import json_schemas

__all__ = [
    "BUILT_IN",
    "NOTE",
    "QUARANTINE",
    "REFUSE",
    "ItemRow",
    "Language",
    "LanguageRow",
    "Problem",
    "builtin_folder",
    "builtin_languages",
    "describe",
    "digest_of",
    "item_rows",
    "json_schemas",
    "language",
    "lint",
    "list_builtin",
    "load_suite",
    "suite_folder",
    "written_languages",
]
