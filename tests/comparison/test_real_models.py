"""Demonstrations on the built-in models, on few items: quantised weights, a planted stereotype, another model."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from audit import models, pipeline
from audit.circuits.planting import Plan, cases_of, planted, survey
from audit.comparison import Comparison, Difference, Outcome, compare
from audit.models import AuditedModel
from audit.pipeline import Request
from audit.records import MLP, Estimate, Evidence
from tests.real import load_installed

pytestmark = pytest.mark.model
GEMMA, SMOLLM = "gemma-3-270m", "smollm2-135m"
ASKED = {"suites": ("competence", "stereotype"), "languages": ("en",), "limit": 3, "circuits": "none", "sae": "none"}


@pytest.fixture(scope="module")
def gemma() -> AuditedModel:
    return load_installed(GEMMA, accept_terms=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def base(gemma: AuditedModel, folder: Path) -> Evidence:
    return gathered(gemma, folder)


def gathered(audited: AuditedModel, folder: Path, **asked: object) -> Evidence:
    """A run of a model in memory, by the pipeline itself, its shards in a cache of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PLURAL_AUDIT_CACHE", str(folder / "cache"))
        patched.setattr(models, "prepare", lambda *_, **__: audited.record)
        patched.setattr(models.AuditedModel, "load", lambda *_, **__: audited)
        request = Request(model=audited.record.ref, **{**ASKED, **asked})  # type: ignore[arg-type]
        return pipeline.gather(request, runs=folder / "runs").read_evidence()


@contextmanager
def rounded(audited: AuditedModel, *, bits: int) -> Iterator[AuditedModel]:
    """The model with every matrix of its layers rounded to so many bits per weight, a scale per row."""
    matrices = [one for name, one in audited.model.named_parameters() if one.ndim == 2 and "embed" not in name]
    kept = [one.detach().clone() for one in matrices]
    most = 2 ** (bits - 1) - 1
    try:
        with torch.no_grad():
            for one in matrices:
                scale = one.abs().amax(dim=1, keepdim=True) / most
                one.copy_((one / scale).round() * scale)
        digest = hashlib.sha256(f"{audited.record.weights_sha256} {bits}".encode()).hexdigest()
        record = dataclasses.replace(audited.record, name=f"{bits} bits", weights_sha256=digest)
        yield dataclasses.replace(audited, record=record)
    finally:
        with torch.no_grad():
            for one, before in zip(matrices, kept, strict=True):
                one.copy_(before)


def of(comparison: Comparison, measure: str, **scope: str) -> Difference:
    wanted = {"language": "", "topic": "", **scope}
    (found,) = (
        one
        for one in comparison.differences
        if one.measure == measure and all(getattr(one.scope, name) == value for name, value in wanted.items())
    )
    return found


def test_eight_bits_cannot_be_told_from_the_model_and_two_bits_cannot_read(
    gemma: AuditedModel, base: Evidence, folder: Path
):
    with rounded(gemma, bits=8) as quantised:
        fine = compare(base, gathered(quantised, folder))
    assert {one.verdict for one in fine.differences if one.confirmatory} == {Outcome.INDISTINGUISHABLE}
    effect = of(fine, "stereotype_effect", language="en")
    assert effect.detectable is not None
    assert effect.detectable < 0.2  # nats: a difference that mattered would have been seen
    with rounded(gemma, bits=2) as broken:
        coarse = compare(base, gathered(broken, folder))
    reading, effect = of(coarse, "competence", language="en"), of(coarse, "stereotype_effect", language="en")
    assert reading.verdict is Outcome.LOWER
    assert effect.verdict is Outcome.NOT_INTERPRETABLE
    assert any(note.startswith("in run B") for note in effect.notes)


def test_a_planted_stereotype_is_higher_on_its_axis_and_nowhere_else(gemma: AuditedModel, base: Evidence, folder: Path):
    (suite,) = pipeline.load_suites(Request(suites=("stereotype",), languages=("en",), limit=3))
    known = survey(gemma, cases_of(gemma, [item for item in suite.items if not item.quarantine]))
    plan = Plan(layer=11, head=MLP, topics=("gender",), languages=("en",), nats=3.0)
    with planted(known, plan) as plant:
        comparison = compare(base, gathered(plant.audited, folder))
    found = of(comparison, "stereotype_effect", language="en", topic="gender")
    assert found.verdict is Outcome.HIGHER
    assert isinstance(found.estimate, Estimate)
    assert found.estimate.value == pytest.approx(3.0, abs=0.05)  # what was planted, to the planter's own accuracy
    others = [
        one
        for one in comparison.differences
        if one.family == "stereotypes by language and axis" and one.scope.topic != "gender"
    ]
    assert len(others) == 6
    assert {one.verdict for one in others} == {Outcome.INDISTINGUISHABLE}
    assert of(comparison, "competence", language="en").verdict is Outcome.INDISTINGUISHABLE


def test_two_models_of_other_makes_are_compared_where_they_can_be(base: Evidence, folder: Path):
    smollm = gathered(load_installed(SMOLLM), folder)
    comparison = compare(base, smollm)
    assert any("different tokenizers" in note for note in comparison.notes)
    assert comparison.nodes == ()
    effect = of(comparison, "stereotype_effect", language="en")
    assert effect.verdict is not Outcome.UNDEFINED
    assert effect.n_templates >= 20
    assert isinstance(of(comparison, "standardised_effect", language="en").estimate, Estimate)
