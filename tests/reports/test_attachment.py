"""What the report rests on, as it is attached: enough to find the run again and to see that it is the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pandas as pd
import report_sample as sample

from audit.findings import to_json
from audit.records import EXCLUSION_COLUMNS
from reports.attachment import digest_of, manifest_of


def test_it_names_run_model_suites_and_findings_in_plain_json():
    told = json.loads(json.dumps(manifest_of(sample.evidence(), sample.findings()), allow_nan=False))
    assert told["run_id"] == "7f3a9c1e5b2d"
    assert told["model"]["weights_sha256"] == "a" * 64
    assert [suite["digest"] for suite in told["suites"]] == ["c" * 64] * 4
    assert told["findings"] == [finding.id for finding in sample.findings()]
    assert told["settings"] == {"batch_size": 32, "seed": 0, "languages": list(sample.LANGUAGES)}


def test_the_digest_of_findings_is_that_of_the_file_in_the_run_folder():
    text = to_json(sample.findings())
    told = manifest_of(sample.evidence(), sample.findings())
    assert told["findings_sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_one_number_of_the_evidence_changes_the_digest_of_its_table_alone():
    before = sample.evidence()
    changed = before.observations.copy()
    changed.loc[0, "logp"] += 1e-12
    after = dataclasses.replace(before, observations=changed)
    first, second = (manifest_of(one, sample.findings())["evidence_sha256"] for one in (before, after))
    assert [name for name in first if first[name] != second[name]] == ["observations"]


def test_a_tables_digest_is_that_of_its_rows_as_csv_in_their_one_order():
    """Worked out by hand: heading, then rows sorted by suite, language, item, whatever order they come in."""
    rows = [
        {"suite": "s", "language": "sw", "item": "b", "stage": "observe", "reason": "two, quoted"},
        {"suite": "s", "language": "en", "item": "a", "stage": "observe", "reason": "one"},
    ]
    table = pd.DataFrame(rows, columns=list(EXCLUSION_COLUMNS)).astype(dict(EXCLUSION_COLUMNS))
    text = ",".join(EXCLUSION_COLUMNS) + "\n"
    for row in (rows[1], rows[0]):
        text += ",".join(f'"{row[c]}"' if "," in row[c] else row[c] for c in EXCLUSION_COLUMNS) + "\n"
    assert digest_of(table, "exclusions") == hashlib.sha256(text.encode()).hexdigest()
