"""The gate on the command line: decisions by exit code, all else above 63; the rehearsal that docs/gate.md prints."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from audit import cli, pipeline
from audit.pipeline import Request
from audit.release import gate as deciding
from tests.release.rehearsal import rehearse
from tests.release.sample import HEAD, policy, run_of

DOCS = Path(__file__).parents[2] / "docs"
RULE = '[[rule]]\nid = "stereotypes"\nmeasure = "stereotype_effect"\nlanguages = ["en"]\nat_most = 0.8\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a policy and two runs under it: one within its bound, one beyond."""
    folder = Path(tmp_path_factory.mktemp("place"))
    (folder / "policy.toml").write_text(HEAD + RULE)
    for name, effect in (("good", 0.0), ("bad", 3.0)):
        run_of(policy(RULE), folder / "runs", stereotype_effect=effect, seed=len(name)).path.rename(
            folder / "runs" / name
        )
    return folder


@pytest.fixture
def called(monkeypatch, capsys, place):
    """Exit code, standard output and error of the command line, called in that folder."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["plural-audit", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def test_the_exit_code_is_the_decision_and_the_files_say_the_same(called, place, tmp_path):
    for run, code, outcome in (("good", 0, "PASS"), ("bad", 1, "FAIL")):
        junit, json_, markdown = (str(tmp_path / f"{run}.{kind}") for kind in ("xml", "json", "md"))
        ended, out, err = called("gate", run, "--junit", junit, "--json", json_, "--markdown", markdown)
        assert (ended, err) == (code, "")
        assert out.splitlines()[-1] == f"{outcome}: of 1 cell 1 {outcome}"
        assert json.loads(Path(json_).read_text())["outcome"] == outcome
        assert int(ET.parse(junit).getroot().get("failures", "")) == (outcome == "FAIL")
        assert Path(markdown).read_text().startswith(f"## {outcome}: ")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gate", "good", "--polcy", "policy.toml"], 64, "No such option: --polcy"),
        (["gate", "--policy", "policy.toml"], 64, "Missing argument"),
        (["gate", "good", "--today", "soon"], 64, "'soon' is no day"),
        (["gate", "good", "--today", "2026-10-31"], 64, "is before 2026-11-01, the policy's own date"),
        (["gate", "good", "--json", "nowhere/gate.json"], 64, "its folder is not there"),
        (["gate", "nowhere"], 67, "fits no run"),
        (["gate", "good", "--policy", "none.toml"], 72, "gate init"),
        (["gate", "good", "--judgements", "none.json"], 67, "desk judgements RUN FILE"),
        (["gate", "explain", "other"], 72, "no such rule; the policy has stereotypes"),
        (["gate", "init"], 72, "is there already"),
        (["plan", "--from", "nowhere"], 67, "fits no run"),
    ],
)
def test_what_is_no_decision_ends_above_63(called, words, code, said):
    ended, out, err = called(*words)
    assert ended == code, err
    assert said in " ".join(err.split())
    assert not out


def test_a_crash_is_no_fail(called, monkeypatch):
    """Python ends a crash with 1, which would read as a decision."""

    def broken(*_args, **_kwargs):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(deciding, "gate", broken)
    ended, _, err = called("gate", "good")
    assert ended == 99
    assert "a fault of ours" in err


def test_the_commands_around_the_decision_say_what_they_do(called, tmp_path):
    ended, out, _ = called("gate", "init", str(tmp_path / "new.toml"))
    assert (ended, (tmp_path / "new.toml").is_file()) == (0, True)
    ended, out, _ = called("gate", "explain")
    assert ended == 0
    assert "stereotypes: stereotype_effect at most 0.8" in out
    ended, out, _ = called("gate", "--help")
    assert ended == 0
    assert "plural-audit gate RUN" in out


def test_a_plan_says_what_lacks_and_ends_with_1_where_something_does(called, place):
    (place / "strict.toml").write_text(HEAD + RULE + "resolution = 0.1\n")
    ended, out, _ = called("plan", "--policy", "strict.toml")
    assert ended == 1
    assert "independent units needed" in out
    ended, out, _ = called("plan", "--from", "good", "--json")
    content = json.loads(out)
    assert content["rules"][0]["cells"][0]["n_clusters"] == 28
    assert ended == (0 if content["rules"][0]["cells"][0]["detectable"] <= content["rules"][0]["resolution"] else 1)


def test_run_takes_the_digest_of_a_policy_and_refuses_one_that_is_none(called, monkeypatch, place):
    asked: list[Request] = []
    monkeypatch.setattr(pipeline, "run", lambda request, **_: asked.append(request))
    monkeypatch.setattr(cli, "_show", lambda *_, **__: None)
    assert called("run", "--policy", "policy.toml")[0] == 0
    assert asked[0].policy == policy(RULE).digest
    (place / "broken.toml").write_text("name = 3")
    ended, _, err = called("run", "--policy", "broken.toml")
    assert (ended, len(asked)) == (72, 1)
    assert "broken.toml:1: name" in err


def test_the_rehearsal_ends_as_it_should_and_the_documentation_prints_it(tmp_path):
    """A clean pass, a regression, an underpowered rule, a contest, a waiver past and in force, a tampered run."""
    scenes = list(rehearse(tmp_path))
    assert [scene.exit_code for scene in scenes] == [0, 1, 2, 3, 1, 0, 67]
    page = (DOCS / "gate.md").read_text(encoding="utf-8")
    for scene in scenes:
        assert f"### {scene.title}\n\n```\n{scene.block}\n```" in page, (
            f"{scene.title}: python -m tests.release.rehearsal"
        )
