"""Features as part of a run: what decides its id, resuming after a kill, what is refused before the work begins."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_model_folder

from audit import models, observe, pipeline, sharing
from audit.errors import AuditError, DictionaryError
from audit.pipeline import Request
from audit.runs import EVIDENCE_FILES
from tests.features.small import HOOK, small_sae

ASKED = {"languages": ("en", "sw"), "limit": 2, "suites": ("culture", "values", "dilemma"), "circuits": "none"}
FEATURES = ("saes", "capacities", "latents", "scores", "steering", "causal", "contexts", "similarities")

# Dies, as by kill -9, when it is about to keep its nth reading.
DYING = """
import os, sys, pathlib
from audit import pipeline
from audit.features.reading import Reader
model, sae, runs, nth = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
whole, made = Reader._kept, []
def _kept(self, content, make):
    def dying():
        made.append(1)
        if len(made) == nth:
            os.kill(os.getpid(), 9)
        return make()
    return whole(self, content, dying)
Reader._kept = _kept
asked = dict(languages=("en", "sw"), limit=2, suites=("culture", "values", "dilemma"), circuits="none")
pipeline.gather(pipeline.Request(model=model, sae=sae, **asked), runs=runs)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(tiny_model_folder(Path(tmp_path_factory.mktemp("tiny")) / "model", "gemma3"))


@pytest.fixture(scope="module")
def sae(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("sae") / "small"
    small_sae(folder, hook=HOOK)
    return str(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = Path(tmp_path_factory.mktemp("whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLURAL_AUDIT_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def whole(model, sae, place):
    """A run that nothing disturbed."""
    return pipeline.gather(Request(model=model, sae=sae, **ASKED), runs=place / "runs")


def test_a_run_holds_the_tables_of_features(whole):
    evidence = whole.read_evidence()
    assert all(len(getattr(evidence, name)) for name in FEATURES)
    assert set(evidence.saes["sae"]) == {"small"}
    assert evidence.manifest.settings["sae"] == "small"
    assert "sae-lens" in evidence.manifest.versions


@pytest.mark.parametrize("nth", [7])
def test_killed_at_a_reading_and_run_again_the_bytes_are_the_same(nth, model, sae, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))
    command = [sys.executable, "-c", DYING, model, sae, str(tmp_path / "runs"), str(nth)]
    dead = subprocess.run(command, check=False, capture_output=True)
    assert dead.returncode == -9, dead.stderr.decode()
    folder = pipeline.gather(Request(model=model, sae=sae, **ASKED), runs=tmp_path / "runs")
    assert folder.path.name == whole.path.name
    for name in EVIDENCE_FILES:
        assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_read_by_two_processes_the_bytes_are_the_same(model, sae, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sharing, "processes_for", lambda _audited: 2)
    fork, forked = sharing._fork, []

    def noted(jobs, n, done):
        forked.append(len(jobs))
        fork(jobs, n, done)

    monkeypatch.setattr(sharing, "_fork", noted)
    folder = pipeline.gather(Request(model=model, sae=sae, **ASKED), runs=tmp_path / "runs")
    assert len(forked) >= 4  # scores, states, the same of a random model, dilemmas
    for name in EVIDENCE_FILES:
        assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_a_model_without_an_sae_of_its_own_has_probes_and_steering(model, place):
    evidence = pipeline.gather(Request(model=model, **ASKED), runs=place / "runs").read_evidence()
    assert set(evidence.capacities["lens"]) == {"probe"}
    assert set(evidence.capacities["layer"]) == {3 // 2}  # the middle of three
    assert len(evidence.steering)
    assert not len(evidence.latents)


def test_without_features_their_tables_are_empty(model, place):
    evidence = pipeline.gather(Request(model=model, sae="none", **ASKED), runs=place / "runs").read_evidence()
    assert not any(len(getattr(evidence, name)) for name in FEATURES)


def test_the_id_of_a_run_rests_on_the_weights_of_its_sae_not_on_their_folder(model, sae, tmp_path, place):
    def run_id(ref: str, **changed) -> str:
        request = Request(model=model, sae=ref, **{**ASKED, **changed})
        return pipeline.plan(request, models.prepare(model), pipeline.load_suites(request)).run_id

    small_sae(tmp_path / "else" / "small", hook=HOOK)
    small_sae(tmp_path / "other" / "small", hook=HOOK, seed=1)
    assert run_id(str(tmp_path / "else" / "small")) == run_id(sae)
    ids = {run_id(sae), run_id(str(tmp_path / "other" / "small")), run_id("bundled"), run_id("none")}
    assert len(ids) == 4
    only = {"suites": ("competence",)}  # nothing here has features: the SAE decides nothing
    assert run_id(sae, **only) == run_id("none", **only)


def test_the_command_names_the_sae_without_its_folder(whole, model, place):
    assert "--sae small" in pipeline.command_of(whole.read_evidence().manifest)
    request = Request(model=model, **ASKED)
    manifest = pipeline.plan(request, models.prepare(model), pipeline.load_suites(request))
    assert "--sae" not in pipeline.command_of(manifest)
    none = dataclasses.replace(request, sae="none")
    manifest = pipeline.plan(none, models.prepare(model), pipeline.load_suites(none))
    assert "--sae none" in pipeline.command_of(manifest)


@pytest.mark.parametrize("ref", ["nowhere/at-all", "empty"])
def test_an_sae_that_is_not_there_is_refused_before_anything_is_scored(ref, model, tmp_path, place, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("scored")

    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(observe, "score_shard", forbidden)
    with pytest.raises((DictionaryError, AuditError)):
        pipeline.gather(Request(model=model, sae=ref, **ASKED), runs=tmp_path / "runs")


def test_pathways_leave_out_the_languages_that_the_model_does_not_read(model, sae, place, tmp_path, monkeypatch):
    monkeypatch.setattr("audit.measures.failed_competence", lambda evidence: ("sw",))
    request = Request(model=model, sae=sae, **ASKED)
    excluded = pipeline.gather(request, runs=tmp_path / "runs").read_evidence().exclusions
    unread = excluded[excluded["reason"] == "no pathway: the model does not read the language"]
    assert len(unread)
    assert set(unread["language"]) == {"sw"}
    assert set(unread["suite"]) == {"culture"}
