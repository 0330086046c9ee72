import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from measures.synthetic import synthetic_evidence
from tiny import tiny_model_folder

from audit import pipeline
from audit.cli import app, main
from audit.runs import RunFolder


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """One weighed run of imaginary evidence."""
    evidence = synthetic_evidence(seed=1)
    folder = RunFolder(Path(tmp_path_factory.mktemp("runs")) / evidence.manifest.run_id)
    folder.write_evidence(evidence)
    pipeline.weigh(folder)
    return folder.path.parent


def called(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and error of the command line."""
    monkeypatch.setattr(sys, "argv", ["plural-audit", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "--model", "gema-3-270m"], 66, "closest: gemma-3-270m"),
        (["run", "--languages", "xx"], 64, "no suite has xx"),
        (["run", "--suite", "nowhere"], 65, "no folder and no built-in suite"),
        (["show", "nothing-like-this", "--runs", "."], 67, "fits no run"),
        (["weigh", "last", "--runs", "nowhere"], 67, "no runs here"),
        (["models", "show", "./no-such.gguf"], 66, "no such file"),
        (["try", "The nurse said", "--answers", " she", " he"], 64, "no slot"),
        (["try", "The {nurse|cook} said", "--answers", " she|", " he"], 64, "an alternative is empty"),
        (["selftest", "--nats", "much"], 64, "--nats: 'much' is no list of numbers"),
        (["selftest", "--nodes", "fourteen"], 64, "names no node"),
        (["selftest", "--suite", "culture"], 64, "is of kind culture; a self-test plants stereotypes"),
    ],
)
def test_an_error_is_one_line_with_a_way_out_and_its_exit_code(monkeypatch, capsys, words, code, said):
    found, out, err = called(monkeypatch, capsys, *words)
    assert found == code
    assert out == ""
    (line,) = err.strip().splitlines()
    assert line.startswith("plural-audit: ")
    assert said in line


def test_show_prints_the_findings_the_verdicts_and_where_the_report_is(monkeypatch, capsys, runs):
    code, out, _ = called(monkeypatch, capsys, "show", "last", "--runs", str(runs))
    assert code == 0
    assert "stereotypes by language (fixed before the run), nats" in out
    assert "Fixed before the run: " in out
    assert "Report: none yet (plural-audit report " in out


def test_labels_with_markup_or_control_characters_are_shown_as_text(capsys):
    from dataclasses import replace

    from audit import terminal
    from audit.findings import weigh

    evidence = synthetic_evidence(seed=1)
    manifest = evidence.manifest
    suites = tuple(replace(one, labels=dict.fromkeys(one.labels, "[/x] \x1b[2J y")) for one in manifest.suites)
    terminal.findings(replace(manifest, suites=suites), weigh(evidence), everything=False)
    out = capsys.readouterr().out
    assert "[/x] [2J" in out
    assert "\x1b" not in out


def test_stopping_by_the_keyboard_says_that_the_same_command_goes_on(tmp_path):
    """A real SIGINT while the model is loaded: exit code 130 and the way out."""
    model = tiny_model_folder(tmp_path / "model", "llama")
    code = (
        "import os, signal, time\nfrom audit import cli, models\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a script may start us with it ignored
        "models.AuditedModel.load = lambda *a, **k: (os.kill(os.getpid(), signal.SIGINT), time.sleep(60))\ncli.main()"
    )
    words = ["run", "--model", str(model), "--suite", "competence", "--runs", str(tmp_path / "runs")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PLURAL_AUDIT_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 130
    assert done.stderr.strip().splitlines()[-1].startswith("stopped; the same command goes on")


def test_try_asks_one_pair_of_a_model_and_shows_it_or_gives_the_record(monkeypatch, capsys, tmp_path):
    model = str(tiny_model_folder(tmp_path / "model", "llama"))
    words = ["try", "The {nurse|cook} said", "--answers", " she| they", " he", "--model", model]
    code, out, _ = called(monkeypatch, capsys, *words, "--nodes", "3")
    assert code == 0
    assert "the odds of ‘she’ or ‘they’ against ‘he’ are" in out
    assert "One pair is an anecdote" in out
    code, out, _ = called(monkeypatch, capsys, *words, "--json")
    record = json.loads(out)
    assert code == 0
    assert record["answers"] == [[" she", " they"], [" he"]]
    assert len(record["nodes"]) == record["n_nodes"] == 15
    words[3] = " he"
    code, out, err = called(monkeypatch, capsys, *words)
    assert (code, out) == (64, "")
    assert "' he' competes with itself" in err.splitlines()[-1]


def test_show_json_is_findings_json(monkeypatch, capsys, runs):
    code, out, _ = called(monkeypatch, capsys, "show", "last", "--runs", str(runs), "--json")
    assert code == 0
    (file,) = runs.glob("*/findings.json")
    assert json.loads(out) == json.loads(file.read_text(encoding="utf-8"))


def test_show_all_adds_the_exploratory_findings_without_evidence(monkeypatch, capsys, runs):
    _, some, _ = called(monkeypatch, capsys, "show", "last", "--runs", str(runs))
    _, everything, _ = called(monkeypatch, capsys, "show", "last", "--runs", str(runs), "--all")
    assert "are not shown (--all shows them)" in some
    assert "are not shown" not in everything
    assert len(everything.splitlines()) > len(some.splitlines())


@pytest.mark.parametrize("words", [["suites", "list"], ["models", "list"], ["doctor"]])
def test_reading_commands_give_json(monkeypatch, capsys, words):
    _, out, _ = called(monkeypatch, capsys, *words, "--json")
    rows = json.loads(out)
    assert rows
    assert all(isinstance(row, dict) for row in rows)


def test_the_built_in_suites_are_clean(monkeypatch, capsys):
    code, out, _ = called(monkeypatch, capsys, "suites", "lint")
    assert code == 0, out


def test_lint_of_a_faulty_suite_names_it_and_exits_with_1(monkeypatch, capsys, tmp_path):
    suite = tmp_path / "competence"
    suite.mkdir()
    for name in ("suite.toml", "en.toml"):
        text = (Path("prompts/competence") / name).read_text(encoding="utf-8")
        (suite / name).write_text(text.replace('true = ["', 'true = [" ', 1), encoding="utf-8")
    code, out, _ = called(monkeypatch, capsys, "suites", "lint", str(suite))
    assert code == 1
    assert "en.toml:" in out


def test_import_show_and_lint_a_published_set(monkeypatch, capsys, tmp_path):
    source = tmp_path / "en.txt"
    source.write_text("The first line.\nThe second line.\n", encoding="utf-8")
    to = str(tmp_path / "lines")
    code, out, _ = called(
        monkeypatch, capsys, "suites", "import", "parallel-text", str(source), "--out", to, "--licence", "CC0-1.0"
    )
    assert (code, out.strip()) == (0, f"2 items imported into {to}, 0 rows left out")
    assert called(monkeypatch, capsys, "suites", "lint", to)[0] == 0
    code, out, _ = called(monkeypatch, capsys, "suites", "show", to, "--json")
    assert [item["id"] for item in json.loads(out)["items"]] == ["line-1", "line-2"]


def test_every_command_has_help_with_its_purpose(monkeypatch, capsys):
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert {"run", "gather", "weigh", "report", "show", "try", "doctor"} <= set(names)
    for name in names:
        code, out, _ = called(monkeypatch, capsys, name, "-h")
        assert code == 0
        assert len(out.strip().splitlines()) >= 5
    code, out, _ = called(monkeypatch, capsys, "--help")
    assert "Examples:" in out
    assert "Exit codes:" in out


def test_the_installed_command_runs():
    done = subprocess.run(
        [Path(sys.executable).with_name("plural-audit"), "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0.1.0"


def selftest(monkeypatch, capsys, model: str, *words: str) -> tuple[int, str, str]:
    """The command on one axis of the built-in suite in English."""
    asked = ("--languages", "en", "--axes", "gender", "--nodes", "MLP 2", "--nats", "1")
    return called(monkeypatch, capsys, "selftest", "--model", model, *asked, *words)


def test_the_self_test_says_what_was_planted_found_and_where_nothing_is(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))
    model, file = str(tiny_model_folder(tmp_path / "model", "llama")), tmp_path / "found.json"
    code, out, _ = selftest(monkeypatch, capsys, model, "--out", str(file))
    found = json.loads(file.read_text())
    planted, sham = found["plants"]
    assert (planted["node"], planted["nats"], planted["sham"]) == ("MLP 2", 1.0, False)
    assert planted["rise"] == pytest.approx(1.0, rel=0.011)
    assert planted["auroc_twin"] > 0.9  # first or second of fifteen nodes: 13 of 14 others lie lower, or all
    assert sham["sham"]
    assert "axes gender" in out
    assert "MLP 2" in out
    assert "labels shuffled, nothing planted" in out
    assert code == (0 if found["passed"] else 1)
    again, machine, _ = selftest(monkeypatch, capsys, model, "--json")
    assert (again, json.loads(machine)) == (code, found)


@pytest.mark.parametrize(("alarms", "code"), [(0.05, 0), (0.06, 1)])
def test_the_self_tests_exit_code_is_its_verdict(monkeypatch, capsys, tmp_path, alarms, code):
    from audit.circuits.selftest import SelfTest, ShuffleRow

    row = ShuffleRow(language="en", n_templates=28, n_shuffles=1000, alarms=alarms)
    given = {"model": "m", "weights_sha256": "", "languages": ("en",), "topics": ("age",), "n_nodes": 9}
    made = SelfTest(**given, plants=(a_plant(),), shuffles=(row,), left_out=("plant in head 1.1: too weak",))
    monkeypatch.setattr(pipeline, "self_test", lambda *_args, **_kwargs: made)
    found, out, _ = called(monkeypatch, capsys, "selftest")
    assert found == code
    assert "left out: plant in head 1.1: too weak" in out
    assert ("met" if code == 0 else "missed") in out.splitlines()[-1]


def a_plant():
    from audit.circuits.selftest import PlantRow

    numbers = {"n_items": 28, "n_templates": 28, "rise": 1.0, "score": 1.1, "rank_alone": 2, "rank_twin": 1}
    return PlantRow(
        node="head 1.0",
        nats=1.0,
        sham=False,
        weights_changed=0.4,
        language="en",
        **numbers,
        auroc_alone=0.875,
        auroc_twin=1.0,
        found=True,
        strongest="head 1.0",
        n_found=3,
        n_below=1,
        n_above=1,
    )
