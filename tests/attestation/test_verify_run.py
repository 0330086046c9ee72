from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest
from attested_run import (
    FINDINGS,
    copied,
    made_key,
    page,
    seal_again,
    sign_payload,
    sign_statement,
    signed,
    state_of,
    write_run,
)

from audit import attestation
from audit.attestation import dsse, files, statement, verify
from audit.attestation.attested import read_attestation
from audit.attestation.checking import State
from audit.attestation.files import UnreadableError
from audit.errors import RunError
from audit.runs import ATTESTATION, EVIDENCE_FILES, SIGNED_REPORT

SEALED = ("run.json", "evidence.json", *EVIDENCE_FILES, "findings.json", "report.pdf")
ALL = (*SEALED, SIGNED_REPORT, ATTESTATION)


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def lines(run, *believed, **asked) -> dict[str, tuple[State, str]]:
    return {check.what: (check.state, check.fact) for check in attestation.verify_run(run.path, keys=believed).checks}


# --- what holds ------------------------------------------------------------------------------


def test_a_run_signed_by_a_named_key_holds(run, key):
    assert state_of(run, key.public) == (0, "")
    assert attestation.verify_run(run.path, keys=[key.public]).sentence.startswith(
        f"{run.path}: all that was checked holds. Not checked: suite "
    )


def test_every_file_of_the_folder_has_its_line(run, key):
    said = lines(run, key.public)
    for name in (*SEALED, SIGNED_REPORT):
        assert said[name][0] is State.OK, name
    assert set(said) >= {"signature of the run", f"signature of {SIGNED_REPORT}", "run id", "what was attested"}


def test_a_valid_signature_by_a_key_that_nobody_named_says_so(run, key, stranger):
    assert state_of(run) == (2, "")
    assert state_of(run, stranger.public) == (2, "")
    assert "by an unknown key" in attestation.verify_run(run.path).sentence
    assert key.public.id in attestation.verify_run(run.path).sentence


def test_a_run_that_is_not_signed_holds_unless_a_key_is_named(tmp_path, key):
    run = write_run(tmp_path / "run")
    assert state_of(run) == (0, "")
    assert lines(run)["signature of the run"] == (
        State.NOT_CHECKED,
        "the run is not signed: whoever changed it may have sealed it again",
    )
    assert state_of(run, key.public) == (2, "")


# --- one byte --------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.37, 1.0])
@pytest.mark.parametrize("name", ALL)
def test_one_flipped_byte_in_any_file_is_found_and_its_file_named_first(run, key, name, share):
    flip(run.path / name, int(share * ((run.path / name).stat().st_size - 1)))
    assert state_of(run, key.public) == (1, name)


@pytest.mark.parametrize("name", [name for name in SEALED if name != "run.json"])
def test_one_flipped_byte_is_found_in_a_run_that_is_not_signed(tmp_path, name):
    run = write_run(tmp_path / "run")
    flip(run.path / name, (run.path / name).stat().st_size // 2)
    assert state_of(run) == (1, name)


def test_each_single_byte_of_an_attestation_counts(run, key):
    """Flipped, it is unreadable: no byte of it is free to be anything."""
    file = run.path / ATTESTATION
    whole = file.read_bytes()
    assert read_attestation(file).key_id == key.public.id
    free = []
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        file.write_bytes(changed)
        try:
            read_attestation(file)
        except UnreadableError:
            continue
        free.append(at)
    assert free == []


@pytest.mark.parametrize("name", ALL)
def test_a_truncated_file_is_found(run, key, name):
    content = (run.path / name).read_bytes()
    (run.path / name).write_bytes(content[: len(content) // 2])
    assert state_of(run, key.public) == (1, name)


@pytest.mark.parametrize("name", [name for name in ALL if name != ATTESTATION])
def test_a_deleted_file_is_found(run, key, name):
    (run.path / name).unlink()
    code, first = state_of(run, key.public)
    assert (code, first) == (1, name if name != SIGNED_REPORT else "what was attested")


def test_a_deleted_attestation_is_found_by_the_signed_report_that_is_left(run, key):
    (run.path / ATTESTATION).unlink()
    assert state_of(run, key.public) == (1, ATTESTATION)
    (run.path / SIGNED_REPORT).unlink()  # now it is a run that was never signed
    assert state_of(run, key.public) == (2, "")


@pytest.mark.parametrize("name", ["observations.parquet", "run.json", "findings.json", SIGNED_REPORT])
def test_a_file_of_another_run_with_the_same_signer_is_found(run, other_run, key, name):
    shutil.copy(other_run.path / name, run.path / name)
    assert state_of(run, key.public) == (1, name)


def test_the_attestation_of_another_run_with_the_same_signer_is_found(run, other_run, key):
    shutil.copy(other_run.path / ATTESTATION, run.path / ATTESTATION)
    code, first = state_of(run, key.public)
    assert (code, first) == (1, "run.json")


def test_the_first_thing_that_differs_is_named_with_place_fact_and_way_out(run, key):
    flip(run.path / "items.parquet", 10)
    flip(run.path / "report.pdf", 10)
    sentence = attestation.verify_run(run.path, keys=[key.public]).sentence
    assert sentence.startswith(f"{run.path}: items.parquet: is not the file that was signed: sha256 ")
    assert sentence.endswith("; restore the folder from where you had it, or ask for it again")


# --- sealed again, signed again --------------------------------------------------------------


def test_findings_that_were_altered_and_sealed_again_are_found_by_the_signature(run, key):
    kept = {name: (run.path / name).read_bytes() for name in (ATTESTATION, SIGNED_REPORT)}
    seal_again(run, findings=FINDINGS.replace(b"aaaa", b"abcd"))
    for name, content in kept.items():
        (run.path / name).write_bytes(content)
    assert state_of(run, key.public) == (1, "run.json")


def test_whoever_signs_again_is_another_signer(run, key, stranger):
    seal_again(run, findings=FINDINGS.replace(b"aaaa", b"abcd"))
    signed(run, stranger)
    assert state_of(run, key.public) == (2, "")
    assert state_of(run, stranger.public) == (0, "")


def test_a_stranger_who_takes_the_name_of_a_signer_stays_a_stranger(run, key, tmp_path):
    false = made_key(tmp_path / "keys", "board")  # the same name in its certificate
    signed(run, false)
    assert false.public.signer == key.public.signer
    assert state_of(run, key.public) == (2, "")


def test_a_key_id_that_names_another_key_is_refused(run, key, stranger):
    """The signature is a stranger's, the hint beside it the signer's."""
    made = statement.statement_of(run.path, signer=stranger.public, judgements=None)
    payload = statement.payload_of(made)
    envelope = dsse.sign(payload, payload_type=dsse.IN_TOTO, key=stranger.attestation, key_id=key.public.id)
    (run.path / ATTESTATION).write_bytes(envelope)
    assert state_of(run, key.public) == (1, ATTESTATION)


def test_after_a_rotation_old_runs_verify_with_the_old_key_and_new_ones_with_the_new(run, key, tmp_path):
    new = made_key(tmp_path / "keys", "board-2027")
    later = signed(write_run(tmp_path / "later"), new)
    assert state_of(later, key.public) == (2, "")
    assert state_of(later, new.public) == (0, "")
    assert state_of(run, new.public) == (2, "")
    for one in (run, later):
        assert state_of(one, key.public, new.public) == (0, "")
    signed(run, new)  # an old run signed anew
    assert state_of(run, new.public) == (0, "")


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        ({"findings": ["aaaaaaaaaaaa"]}, "findings"),
        ({"languages": ["en"]}, "languages"),
        ({"run": "0" * 12}, "run"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_signed_statement_that_says_other_than_the_files_is_found(run, key, altered, named):
    sign_statement(run, key, **altered)
    assert state_of(run, key.public) == (1, "what was attested")
    assert lines(run, key.public)["what was attested"][1].startswith(f"{named}: not as the files")


def test_a_payload_of_another_type_is_refused_though_its_signature_holds(run, key):
    payload = dsse.read((run.path / ATTESTATION).read_bytes()).payload
    sign_payload(run, key, payload, payload_type="application/json")
    assert state_of(run, key.public) == (1, ATTESTATION)
    sign_payload(run, key, payload.replace(b"run-attestation:1", b"run-attestation:2"))
    assert state_of(run, key.public) == (1, ATTESTATION)


def test_a_payload_replaced_under_a_signature_is_refused(run, key):
    written = json.loads((run.path / ATTESTATION).read_bytes())
    payload = base64.b64decode(written["payload"]).replace(b"aaaaaaaaaaaa", b"aaaaaaaaaaab")
    written["payload"] = base64.b64encode(payload).decode()
    (run.path / ATTESTATION).write_text(json.dumps(written))
    assert state_of(run, key.public) == (1, ATTESTATION)
    assert "signature that does not fit" in attestation.verify_run(run.path).sentence


# --- what lies beside ------------------------------------------------------------------------


def test_a_file_that_nothing_speaks_of_is_named_as_not_checked(run, key):
    (run.path / "notes.txt").write_text("mine")
    assert state_of(run, key.public) == (0, "")
    assert lines(run, key.public)["notes.txt"] == (State.NOT_CHECKED, "in the folder, but no part of the run")


@pytest.mark.parametrize("name", ["report-fr.pdf", "report.html"])
def test_a_copy_put_into_a_signed_run_is_not_checked_until_it_is_signed(run, key, name):
    (run.path / name).write_bytes(page("False."))
    assert state_of(run, key.public) == (0, "")
    assert lines(run, key.public)[name] == (State.NOT_CHECKED, "not among what was signed")
    signed(run, key)
    assert lines(run, key.public)[name][0] is State.OK
    assert state_of(run, key.public) == (0, "")
    flip(run.path / name, 100)
    assert state_of(run, key.public) == (1, name)


def test_a_signed_copy_that_is_not_of_this_report_is_found_though_all_is_signed(run, other_run, key):
    shutil.copy(other_run.path / SIGNED_REPORT, run.path / SIGNED_REPORT)
    sign_statement(run, key)
    assert state_of(run, key.public) == (1, SIGNED_REPORT)


def test_a_signed_copy_under_another_certificate_than_the_attestations_is_found(run, key, stranger):
    (run.path / SIGNED_REPORT).write_bytes(attestation.sign_report(page(), key=stranger))
    sign_statement(run, key)
    assert state_of(run, key.public) == (1, SIGNED_REPORT)


@pytest.mark.parametrize("name", ["observations.parquet", "run.json", "findings.json", SIGNED_REPORT, ATTESTATION])
def test_a_link_is_refused_even_to_the_right_bytes(run, key, tmp_path, name):
    outside = tmp_path / "outside"
    (run.path / name).replace(outside)
    (run.path / name).symlink_to(outside)
    assert state_of(run, key.public) == (1, name)


def test_a_pipe_is_refused_and_not_waited_for(run, key):
    (run.path / "items.parquet").unlink()
    os.mkfifo(run.path / "items.parquet")
    assert state_of(run, key.public) == (1, "items.parquet")
    assert lines(run)["items.parquet"] == (State.DIFFERS, "is no plain file")


def test_what_is_larger_than_it_may_be_is_not_read(run, monkeypatch):
    monkeypatch.setattr(verify, "MOST_JSON", 100)
    assert state_of(run) == (1, "run.json")
    with pytest.raises(UnreadableError, match="larger than"):
        files.content(run.path / "report.pdf", most=10)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"a":' * 50 + b"1" + b"}" * 50, b"\xff"])
@pytest.mark.parametrize("name", ["run.json", "evidence.json", "findings.json", ATTESTATION])
def test_garbage_is_a_difference_never_a_crash(run, key, name, content):
    (run.path / name).write_bytes(content)
    assert state_of(run, key.public) == (1, name)


def test_a_name_in_a_file_is_never_opened_as_a_path(run, key, tmp_path):
    """A statement whose subject lies outside, signed by the named key: it is not there, whatever lies there."""
    (tmp_path / "secret").write_bytes(b"x")
    made = statement.statement_of(run.path, signer=key.public, judgements=None)
    made["subject"].append({"name": "../secret", "digest": {"sha256": files.digest(tmp_path / "secret")}})
    sign_payload(run, key, statement.payload_of(made))
    assert state_of(run, key.public) == (1, "what was attested")


def test_a_run_that_is_not_complete_or_no_run_cannot_be_verified(tmp_path):
    run = write_run(tmp_path / "run")
    run.unseal()
    with pytest.raises(RunError, match="not complete"):
        attestation.verify_run(run.path)
    with pytest.raises(RunError, match="no run there"):
        attestation.verify_run(tmp_path)


# --- signing ---------------------------------------------------------------------------------


def test_signing_again_with_the_same_key_changes_no_byte(run, key):
    before = {name: (run.path / name).read_bytes() for name in ALL}
    signed(run, key)
    assert {name: (run.path / name).read_bytes() for name in ALL} == before


def test_the_report_itself_stays_as_it_was_and_begins_its_signed_copy(run):
    assert (run.path / "report.pdf").read_bytes() == page()
    assert (run.path / SIGNED_REPORT).read_bytes().startswith(page())


def test_a_statement_fits_its_published_schema(run):
    schema = json.loads((Path(statement.__file__).parent / "run-attestation-1.schema.json").read_text())
    written = json.loads(dsse.read((run.path / ATTESTATION).read_bytes()).payload)
    jsonschema.Draft202012Validator(schema).validate(written)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(written | {"predicateType": "another"})


def test_a_statement_says_what_was_audited(run, key):
    predicate = read_attestation(run.path / ATTESTATION).predicate
    manifest = run.read_evidence().manifest
    assert predicate["run"] == manifest.run_id
    assert predicate["model"]["weights_sha256"] == manifest.model.weights_sha256
    assert [suite["digest"] for suite in predicate["suites"]] == [suite.digest for suite in manifest.suites]
    assert predicate["findings"] == ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]
    assert predicate["judgements"] is None
    assert predicate["versions"]["weighed"] == dict(run.weighed_with())
    assert predicate["signer"]["key_id"] == key.public.id


@pytest.mark.parametrize("name", ["observations.parquet", "findings.json", "report.pdf"])
def test_a_damaged_run_is_not_signed_and_no_passphrase_is_asked_for(tmp_path, name):
    run = write_run(tmp_path / "run")
    flip(run.path / name, 10)
    with pytest.raises(RunError, match=name):
        attestation.sign_run(run, open_key=lambda: pytest.fail("asked"))
    assert not (run.path / ATTESTATION).exists()


def test_a_run_that_is_not_complete_is_not_signed(tmp_path):
    run = write_run(tmp_path / "run")
    run.unseal()
    with pytest.raises(RunError, match="not complete"):
        attestation.sign_run(run, open_key=lambda: pytest.fail("asked"))


def test_weighing_again_takes_the_signatures_away(run):
    seal_again(run)
    assert not (run.path / ATTESTATION).exists()
    assert not (run.path / SIGNED_REPORT).exists()


def test_the_state_of_a_signature_can_be_read(run, key, tmp_path):
    state = attestation.signature_of(run)
    assert (state.signer, state.key_id, state.holds, state.fact) == ("The board", key.public.id, True, "")
    assert attestation.signature_of(write_run(tmp_path / "unsigned")) is None
    flip(run.path / "findings.json", 3)
    assert attestation.signature_of(run).fact == "findings.json is not what was signed"
    flip(run.path / ATTESTATION, 40)
    assert not attestation.signature_of(run).holds


def test_a_copy_of_a_folder_under_another_name_verifies_as_well(run, key, tmp_path):
    assert state_of(copied(run, tmp_path / "renamed"), key.public) == (0, "")
