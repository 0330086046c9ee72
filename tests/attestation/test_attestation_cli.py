from __future__ import annotations

import json
import sys

import pytest
from attested_run import PASSPHRASE, write_run

from audit import attestation_cli
from audit.cli import main


@pytest.fixture
def said(monkeypatch, capsys):
    """Calls the command line: exit code, standard output, error."""

    def called(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["plural-audit", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return called


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.setenv("PLURAL_AUDIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("PLURAL_AUDIT_PASSPHRASE", PASSPHRASE)
    return tmp_path / "keys"


@pytest.fixture
def run(tmp_path):
    run = write_run(tmp_path / "runs" / "run")
    return run.path.rename(run.path.parent / run.read_evidence().manifest.run_id)


def test_from_a_key_to_a_verified_run(said, keys, run, tmp_path):
    code, out, _ = said("keys", "new", "board", "--signer", "Audit board")
    assert code == 0
    assert out.startswith("board: Audit board\n  key id: sha256:")
    assert said("keys", "export", "board", "--to", tmp_path / "board.pem")[0] == 0
    runs = ("--runs", run.parent)
    assert said("verify", run, "--key", tmp_path / "board.pem")[0] == 2  # not signed yet
    code, out, _ = said("sign", "last", "--key", "board", *runs)
    assert code == 0
    assert out.splitlines()[0].startswith("signed by 'Audit board', key sha256:")
    code, out, _ = said("verify", run.name[:6], "--key", tmp_path / "board.pem", *runs)
    assert code == 0
    assert out.splitlines()[0].startswith("✓ signature of the run: by 'Audit board', key sha256:")
    assert "✓ observations.parquet: sha256 " in out
    assert "– the model's answers: the model was not asked again" in out
    assert out.splitlines()[-1].startswith(f"{run}: all that was checked holds. Not checked: ")
    assert said("verify", run)[0] == 2
    assert said("verify", run / "report.signed.pdf", "--key", tmp_path / "board.pem", "--run", run)[0] == 0
    with (run / "findings.json").open("ab") as file:
        file.write(b" ")
    code, out, _ = said("verify", run, "--key", tmp_path / "board.pem")
    assert code == 1
    assert "✗ findings.json: is not the file that was signed" in out


def test_a_report_is_checked_with_the_run_whose_folder_it_lies_in(said, keys, run, tmp_path, monkeypatch):
    said("keys", "new", "board")
    said("keys", "export", "board", "--to", tmp_path / "board.pem")
    said("sign", run, "--key", "board")
    (run / "report.fr.pdf").write_bytes(b"%PDF-stray")
    decoy = write_run(tmp_path / "elsewhere" / "runs" / run.name, seed=1)
    monkeypatch.chdir(decoy.path.parent.parent)
    code, out, _ = said("verify", run / "report.signed.pdf", "--key", tmp_path / "board.pem")
    assert code == 0
    assert out.splitlines()[-1].startswith(f"{run / 'report.signed.pdf'}, with the run in {run}: all that was checked")
    assert "– report.fr.pdf: not among what was signed" in out


def test_a_file_that_is_no_pdf_is_wrong_usage(said, tmp_path):
    for name, way_out in (("policy.toml", "give a report's PDF or a run folder"), ("r.html", "verify the run folder")):
        (tmp_path / name).write_text("<html>")
        code, _, err = said("verify", tmp_path / name)
        assert code == 64
        assert way_out in err.replace("\n", " ")


def test_json_says_the_same(said, run):
    code, out, _ = said("verify", run, "--json")
    content = json.loads(out)
    assert (code, content["exit_code"]) == (0, 0)
    assert {"what": "run.json", "state": "ok", "fact": "names 20 files", "way_out": ""} in content["checks"]


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["verify"], 64, "Missing argument"),
        (["verify", "last", "--kye", "x"], 64, "No such option"),
        (["verify", "nowhere", "--runs", "nowhere"], 67, "fits no run"),
        (["verify", ".", "--runs", "nowhere"], 67, "no run there"),
        (["sign", "nothing", "--runs", "nowhere"], 67, "fits no run"),
        (["keys", "show", "nobody"], 73, "no key there (there: none)"),
        (["keys", "new", "../x"], 64, "no name for a key"),
    ],
)
def test_what_cannot_be_checked_ends_with_64_or_more(said, keys, words, code, fact):
    found, _, err = said(*words)
    assert found == code
    assert fact in err


def test_a_failure_of_the_program_is_not_taken_for_a_difference(said, run, monkeypatch):
    monkeypatch.setattr("audit.attestation.verify_run", lambda *_, **__: 1 / 0)
    code, _, err = said("verify", run)
    assert code == 99
    assert "ZeroDivisionError" in err


def test_a_wrong_passphrase_signs_nothing(said, keys, run, monkeypatch):
    said("keys", "new", "board")
    monkeypatch.setenv("PLURAL_AUDIT_PASSPHRASE", "not the right words")
    code, _, err = said("sign", run, "--key", "board")
    assert code == 73
    assert "the passphrase does not open it" in err
    assert not (run / "attestation.dsse.json").exists()


def test_a_passphrase_is_asked_for_twice_and_never_where_nobody_types(said, keys, monkeypatch):
    monkeypatch.delenv("PLURAL_AUDIT_PASSPHRASE")
    code, _, err = said("keys", "new", "board")
    assert code == 64
    assert "there is nobody to ask; set PLURAL_AUDIT_PASSPHRASE" in err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    typed = iter(["a passphrase of words", "another passphrase of words"])
    monkeypatch.setattr(attestation_cli.getpass, "getpass", lambda *_, **__: next(typed))
    code, _, err = said("keys", "new", "board")
    assert code == 64
    assert "the two are not the same" in err
    assert not keys.exists()


@pytest.mark.parametrize("given", ["", "short"])
def test_a_short_passphrase_from_the_environment_is_refused(said, keys, monkeypatch, given):
    monkeypatch.setenv("PLURAL_AUDIT_PASSPHRASE", given)
    code, _, err = said("keys", "new", "board")
    assert code == 64
    assert "12 are the least" in err


def test_a_key_is_not_made_in_a_run_folder(said, keys, run):
    code, _, err = said("keys", "new", "board", "--keys", run)
    assert code == 64
    assert "lies in the run folder" in err


def test_an_exported_file_is_never_overwritten(said, keys, tmp_path):
    said("keys", "new", "board")
    (tmp_path / "board.pem").write_text("mine")
    code, _, err = said("keys", "export", "board", "--to", tmp_path / "board.pem")
    assert code == 73
    assert "is there already" in err
    assert said("keys", "export", "board")[1].count("-----BEGIN") == 2


def test_keys_that_are_there_are_shown(said, keys):
    assert "no keys here" in said("keys", "show")[1]
    said("keys", "new", "board")
    (shown,) = json.loads(said("keys", "show", "--json")[1])
    assert (shown["name"], shown["signer"]) == ("board", "board")
    assert len(bytes.fromhex(shown["key_id"])) == 32
