from __future__ import annotations

import io
import json
from dataclasses import replace

import pikepdf
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attested_run import copied, evidence, made_key, signed, state_of

from audit import attestation, pipeline
from audit.attestation import recompute
from audit.attestation.checking import State
from audit.runs import RunFolder
from reports.tagging import problems


@pytest.fixture(scope="module")
def weighed(tmp_path_factory) -> RunFolder:
    """A run that was really weighed and reported."""
    run = RunFolder(tmp_path_factory.mktemp("weighed") / "run")
    run.write_evidence(evidence())
    pipeline.weigh(run)
    pipeline.report(run)
    return run


@pytest.fixture
def altered(weighed, tmp_path):
    """Makes a copy in which findings.json is what a function makes of it, sealed so that every digest fits."""

    def made(alter, versions=None) -> RunFolder:
        run = copied(weighed, tmp_path / "altered")
        findings = json.loads((run.path / "findings.json").read_bytes())
        report = (run.path / "report.pdf").read_bytes()
        alter(findings)
        text = json.dumps(findings, ensure_ascii=False, indent=1)
        run.write_result("findings.json", text.encode())
        run.write_result("report.pdf", report)
        run.seal(versions=versions or pipeline.weighing_versions())
        return run

    return made


def number(finding):
    """The estimate of a finding that has one."""
    return finding["measurement"]["result"]


def first_with_a_number(findings):
    return next(finding for finding in findings if "value" in number(finding))


def test_a_run_weighed_again_gives_the_same_bytes(weighed):
    found = {check.what: check for check in attestation.verify_run(weighed.path, again=True).checks}
    assert found["findings weighed again"].fact == "the same, to the byte"
    assert found["report built again"].fact == "the same, to the byte"


def test_a_built_report_stays_archival_and_its_metadata_untouched_when_it_is_signed(weighed, tmp_path):
    """What tells an archive what the file is must not lose parts, and must say the same in both of its places."""
    report = (weighed.path / "report.pdf").read_bytes()
    signed_too = attestation.sign_report(report, key=made_key(tmp_path / "keys"))
    assert problems(report) == problems(signed_too) == ()
    with pikepdf.open(io.BytesIO(report)) as before, pikepdf.open(io.BytesIO(signed_too)) as after:
        assert after.Root.Metadata.read_bytes() == before.Root.Metadata.read_bytes()
        assert dict(after.docinfo) == dict(before.docinfo)


def test_altered_findings_that_were_sealed_again_are_found_by_weighing_again_alone(altered):
    def alter(findings):
        number(first_with_a_number(findings))["value"] += 0.25

    run = altered(alter)
    assert state_of(run) == (0, "")  # every digest fits, and nobody signed
    assert state_of(run, again=True) == (1, "findings weighed again")
    sentence = attestation.verify_run(run.path, again=True).sentence
    assert "measurement.result.value is " in sentence
    assert "as recorded" in sentence


def test_altered_findings_that_the_signer_signed_are_found_as_well(altered, tmp_path):
    def alter(findings):
        findings[0]["verdict"] = "no evidence, and we would have seen it"

    key = made_key(tmp_path / "keys")
    run = signed(altered(alter), key)
    assert state_of(run, key.public) == (0, "")
    assert state_of(run, key.public, again=True) == (1, "findings weighed again")


def test_a_finding_that_was_left_out_is_found(altered):
    assert state_of(altered(lambda findings: findings.pop()), again=True) == (1, "findings weighed again")


def test_a_report_of_other_words_is_found(altered, weighed):
    run = altered(lambda findings: None)
    report = (weighed.path / "report.pdf").read_bytes()
    run.write_result("report.pdf", report + b"\n")
    run.seal(versions=pipeline.weighing_versions())
    assert state_of(run, again=True) == (1, "report built again")


def test_numbers_that_differ_by_rounding_are_the_same_and_it_is_said(altered):
    def alter(findings):
        number(first_with_a_number(findings))["value"] *= 1 + 1e-13

    run = altered(alter)
    found = {check.what: check for check in attestation.verify_run(run.path, again=True).checks}
    assert found["findings weighed again"].state is State.OK
    assert "agree within 1e-09 of their size" in found["findings weighed again"].fact


def test_with_other_versions_a_difference_proves_nothing_and_they_are_named(altered):
    def alter(findings):
        number(first_with_a_number(findings))["value"] += 0.25

    run = altered(alter, versions=pipeline.weighing_versions() | {"numpy": "1.0", "gone": "2"})
    found = attestation.verify_run(run.path, again=True)
    assert found.exit_code == 69
    assert "gone 2 (here not installed), numpy 1.0 (here " in found.sentence


def test_evidence_that_is_not_whole_is_not_weighed(weighed, tmp_path):
    run = copied(weighed, tmp_path / "run")
    with (run.path / "items.parquet").open("ab") as file:
        file.write(b" ")
    found = {check.what: check for check in attestation.verify_run(run.path, again=True).checks}
    assert found["findings weighed again"].state is State.NOT_CHECKED
    assert found["findings weighed again"].fact == "items.parquet differs"


def test_tables_that_would_fill_the_memory_are_not_read(weighed, monkeypatch):
    monkeypatch.setattr(recompute, "MOST_ROWS", 1)
    assert state_of(weighed, again=True) == (1, "findings weighed again")


def test_a_table_of_garbage_under_right_digests_is_a_difference_not_a_crash(weighed, tmp_path):
    run = copied(weighed, tmp_path / "run")
    kept = {name: (run.path / name).read_bytes() for name in ("findings.json", "report.pdf")}
    run.write_evidence(replace(evidence()))
    pq.write_table(pa.table({"x": [1]}), run.path / "items.parquet")
    content = json.loads((run.path / "evidence.json").read_bytes())
    del content["digest"]
    from hashlib import sha256

    from audit.runs import canonical, sha256_of, write_json

    content["sha256"]["items.parquet"] = sha256_of(run.path / "items.parquet")
    write_json(run.path / "evidence.json", {**content, "digest": sha256(canonical(content)).hexdigest()})
    for name, text in kept.items():
        run.write_result(name, text)
    run.seal(versions=pipeline.weighing_versions())
    assert state_of(run) == (0, "")
    assert state_of(run, again=True) == (1, "findings weighed again")
