"""Brings published sets into a suite's folder; nothing of them is part of this project (docs/importers.md)."""

from audit.suites.importers.folder import ImportReport, LeftOut
from audit.suites.importers.importing import FORMATS, import_suite

__all__ = ["FORMATS", "ImportReport", "LeftOut", "import_suite"]
