"""Article 1 of the Universal Declaration of Human Rights, shortened, in 26 languages; and hard letters."""

from __future__ import annotations

from pathlib import Path

LINES = (Path(__file__).parent / "languages.tsv").read_text(encoding="utf-8").splitlines()
SAMPLES = tuple((code, name, text) for code, name, text in (line.split("\t") for line in LINES))
MIXED = "English with العربية ۱۲۳ (الف) and 中文，日本語 हिन्दी ไทย שלום 12 עולם አማርኛ end."
