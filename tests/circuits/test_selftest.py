"""The self-test finds what it planted, raises no alarm where nothing is, and goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.circuits import selftest
from audit.circuits.planting import survey
from audit.circuits.selftest import SelfTest, auroc, by_template, found_nodes, parse_nodes, rank, self_test
from audit.errors import ModelError, TooFewItems, UsageError
from audit.models import AuditedModel
from audit.progress import Silent
from audit.records import MLP
from audit.runs import ShardCache
from circuits.test_planting import cases


def run_on(audited: AuditedModel, folder: Path, **asked: Any) -> SelfTest:
    given: dict[str, Any] = {"strengths": (2.0,), "nodes": ((2, MLP),)} | asked
    n = given.pop("templates", 6)
    cache = ShardCache(folder)
    return self_test(survey(audited, cases(n)), cache=cache, versions={}, reporter=Silent(), **given)


@pytest.fixture(scope="module")
def found(models: Callable, tmp_path_factory: pytest.TempPathFactory) -> SelfTest:
    return run_on(models("llama"), tmp_path_factory.mktemp("cache"), strengths=(0.5, 2.0))


# --- numbers, by hand ----------------------------------------------------------------------------


def test_rank_and_auroc_by_hand():
    scores = np.array([0.1, 0.7, 0.7, -2.0, 0.9])
    assert rank(scores, 4) == 1
    assert rank(scores, 1) == 3  # one higher, and the tie counts against it
    assert auroc(scores, 4) == 1.0  # all four others are lower
    assert auroc(scores, 1) == pytest.approx((2 + 0.5) / 4)  # two lower, one tie, one higher


def test_the_units_are_templates_whatever_their_number_of_items():
    values = np.array([[1.0], [3.0], [5.0]])
    assert by_template(values, ["b", "a", "a"]).tolist() == [[4.0], [1.0]]  # a: (3 + 5) / 2


def test_a_node_is_found_by_holm_over_nodes():
    """t = mean / (sd / 2) on 3 degrees of freedom; Holm compares the smallest p with 0.05 / 2, the next with 0.05."""
    steady = [1.0, 1.1, 0.9, 1.0]  # sd 0.0816, t 24.5, p 0.00015
    lesser = [1.0, 2.0, 0.4, 0.6]  # sd 0.712, t 2.81, p 0.067
    assert found_nodes(np.array([steady, lesser]).T).tolist() == [True, False]
    second = [1.0, 1.6, 0.5, 0.9]  # sd 0.455, t 4.40, p 0.022: below 0.05, which is what it is compared with
    assert found_nodes(np.array([steady, second]).T).tolist() == [True, True]
    third = [0.0, 0.1, -0.1, 0.0]
    assert found_nodes(np.array([third, second, third]).T).tolist() == [False, False, False]  # 0.022 > 0.05 / 3


def test_a_node_that_never_changes_is_not_found():
    assert not found_nodes(np.zeros((5, 3))).any()
    assert not found_nodes(np.full((5, 1), 0.0)).any()


def test_where_nothing_is_there_alarms_are_rare():
    """400 draws of 28 templates and 90 nodes that hang together: at most 5 in 100, and two standard errors."""
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(90, 90)) / 9
    alarms = [found_nodes(rng.standard_t(4, size=(28, 90)) @ mixing).any() for _ in range(400)]
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


# --- what it finds -------------------------------------------------------------------------------


def test_a_strong_plant_is_found_and_stands_first(found: SelfTest):
    rows = [row for row in found.plants if not row.sham and row.nats == 2.0]
    assert {row.language for row in rows} == {"en", "sw"}
    for row in rows:
        assert row.found
        assert (row.node, row.strongest, row.rank_twin, row.auroc_twin) == ("MLP 2", "MLP 2", 1, 1.0)
        assert row.n_items == row.n_templates == 12  # two axes of six templates
    assert np.mean([row.rise for row in rows]) == pytest.approx(2.0, rel=0.011)


def test_a_sham_is_no_finding(found: SelfTest):
    shams = [row for row in found.plants if row.sham]
    assert len(shams) == 2
    assert not any(row.found for row in shams)


def test_nothing_stands_above_the_last_mlp(found: SelfTest):
    assert all(row.n_above == 0 for row in found.plants)


def test_shuffled_labels_raise_few_alarms(found: SelfTest):
    assert [row.language for row in found.shuffles] == ["en", "sw"]
    assert found.alarms == pytest.approx(np.mean([row.alarms for row in found.shuffles]))
    assert found.alarms <= 0.05


def test_the_targets_speak_of_strong_plants_only(found: SelfTest):
    strong = [row.auroc_twin for row in found.plants if not row.sham and row.nats == 2.0]
    assert found.auroc == np.mean(strong) == 1.0
    assert found.passed


def test_a_target_that_was_not_measured_is_not_met(models: Callable, tmp_path: Path):
    weak = run_on(models("llama"), tmp_path, strengths=(0.5,))
    assert weak.auroc is None
    assert not weak.passed


def test_only_the_axes_asked_for_are_planted_and_looked_at(models: Callable, tmp_path: Path):
    one = run_on(models("llama"), tmp_path, topics=("age",))
    assert one.topics == ("age",)
    assert {row.n_items for row in one.plants} == {6}


def test_what_was_kept_of_all_axes_is_not_taken_for_one(models: Callable, tmp_path: Path):
    audited = models("llama")
    run_on(audited, tmp_path / "shared")
    again = run_on(audited, tmp_path / "shared", topics=("age",))
    assert asdict(again) == asdict(run_on(audited, tmp_path / "fresh", topics=("age",)))


def test_a_layers_heads_run_before_its_mlp_and_beside_each_other(models: Callable, tmp_path: Path):
    """Llama of three layers and four heads, every node found: below and above as they run."""
    known = survey(models("llama"), cases(6))
    test = selftest._SelfTest(known, (), ShardCache(tmp_path), {}, Silent())
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(24, 15))
    rises, twin = np.zeros(24), np.zeros((24, 15))

    def counts(layer: int, head: int) -> tuple[int, int, int]:
        row = test._row(replace(test.plan, layer=layer, head=head), "en", 1 + noise, twin, rises, 0.0)
        return row.n_found, row.n_below, row.n_above

    assert counts(1, 2) == (15, 5, 6)  # below: layer 0 of five nodes; above: its own MLP, layer 2
    assert counts(1, MLP) == (15, 9, 5)  # below: layer 0, the four heads of its own; above: layer 2


def test_heads_and_mlps_are_proposed_over_the_depth(models: Callable, tmp_path: Path):
    some = run_on(models("qwen2"), tmp_path, nodes=(), strengths=(0.3,))
    planted = {row.node for row in some.plants}
    assert any(name.startswith("MLP") for name in planted)
    assert any(name.startswith("head") for name in planted)


# --- nothing lost, nothing wrong -----------------------------------------------------------------


def test_a_test_that_was_stopped_goes_on_and_says_the_same(
    models: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    audited = models("llama")
    whole = run_on(audited, tmp_path / "whole", strengths=(0.5, 2.0))
    looks = 0
    own = selftest._SelfTest._look

    def stopped(self: Any, **given: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt
        return own(self, **given)

    monkeypatch.setattr(selftest._SelfTest, "_look", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_on(audited, tmp_path / "stopped", strengths=(0.5, 2.0))
    again = run_on(audited, tmp_path / "stopped", strengths=(0.5, 2.0))
    assert asdict(again) == asdict(whole)
    assert looks == 3 + 2  # the twin and the first plant were kept; the second plant and the sham were left


def test_a_component_that_cannot_be_planted_is_named_and_the_rest_goes_on(models: Callable, tmp_path: Path):
    some = run_on(models("gpt2"), tmp_path, nodes=((1, MLP), (1, 0)), strengths=(0.3,))
    assert {row.node for row in some.plants} == {"head 1.0"}
    assert some.left_out == ("plant in MLP 1: GPT2MLP is no gated MLP; plant a head instead",)


def test_nothing_planted_at_all_is_an_error(models: Callable, tmp_path: Path):
    with pytest.raises(ModelError, match="nothing could be planted; plant in MLP 1"):
        run_on(models("gpt2"), tmp_path, nodes=((1, MLP),))


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"strengths": ()}, UsageError, "a plant needs a strength above 0"),
        ({"strengths": (-1.0,)}, UsageError, "a plant needs a strength above 0"),
        ({"strengths": (float("nan"),)}, UsageError, "a plant needs a strength above 0"),
        ({"nodes": ((3, 0),)}, UsageError, "there is no head 3.0; layers are 0 to 2, heads 0 to 3"),
        ({"topics": ("religion",)}, UsageError, "the suite has no religion; there are age, gender"),
        ({"templates": 1}, TooFewItems, "en: 2 templates; a self-test needs 4"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(models: Callable, tmp_path: Path, asked: dict, error: type, words: str):
    with pytest.raises(error, match=words):
        run_on(models("llama"), tmp_path, **asked)


def test_nodes_are_read_as_people_write_them():
    assert parse_nodes("14.1, MLP 11,head 3.0") == ((14, 1), (11, MLP), (3, 0))
    assert parse_nodes("") == ()


@pytest.mark.parametrize("word", ["11", "MLP", "MLP 3.1", "head", "a.b", "3.", "-1.2"])
def test_a_word_that_names_no_node_is_refused(word: str):
    with pytest.raises(UsageError, match=r"names no node; write 14\.1 for head 1 of layer 14"):
        parse_nodes(word)
