"""The tables that documents show are those of the measured results; the bench's own arithmetic."""

from __future__ import annotations

import importlib
import json

import pytest

from bench.circuits import spread
from bench.pairs import PAIRS
from bench.results import ROOT, put
from bench.table import RESULTS, SHOWN, filled


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SHOWN)
def test_a_document_shows_the_measured_results_and_nothing_else(name, results):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == filled(text, results, SHOWN[name]), f"{name} is stale: python -m bench.table"


def test_a_figure_changed_by_hand_is_noticed(results):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "| **plural-audit** |" in text
    changed = text.replace("| **plural-audit** |", "| **plural-audit, faster** |", 1)
    assert filled(changed, results, SHOWN["README.md"]) == text


def test_a_document_without_a_place_for_its_table_is_refused(results):
    with pytest.raises(ValueError, match="<!-- bench -->"):
        filled("# no place here\n", results, ("bench",))


def test_a_quoted_figure_is_never_shown_as_measured(results):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = [row for row in results["peers"]["rows"] if row.get("quoted")]
    lines = [line for line in text.splitlines() if line.startswith("| EAP-IG |")]
    assert len(lines) == len(quoted) == 2
    assert all(line.endswith("| quoted |") for line in lines)


@pytest.mark.parametrize("module", ["circuits", "observe", "table", "peers.__main__", "peers.hooks"])
def test_bench_code_imports(module):
    assert callable(importlib.import_module(f"bench.{module}").main)


def test_timed_layers_lie_as_deep_as_all_layers_do():
    """Thirty layers, 0 to 29, lie at 14.5 on average; eighteen at 8.5."""
    assert spread(30, 6) == [2, 7, 12, 17, 22, 27]
    for n_layers, n in ((30, 2), (30, 4), (30, 6), (30, 14), (18, 2), (18, 4), (18, 14), (18, 20)):
        layers = spread(n_layers, n)
        assert len(set(layers)) == len(layers)
        assert sum(layers) / len(layers) == pytest.approx((n_layers - 1) / 2)


def test_a_part_of_the_results_is_replaced_and_the_others_stay(tmp_path):
    file = tmp_path / "results.json"
    put(file, "circuits", {"rows": [1]})
    put(file, "peers", {"rows": [2]})
    put(file, "circuits", {"rows": [3]})
    assert json.loads(file.read_text(encoding="utf-8")) == {"circuits": {"rows": [3]}, "peers": {"rows": [2]}}


def test_the_reference_pairs_differ_in_one_word():
    assert len(set(PAIRS)) == 16
    for base, counterpart in PAIRS:
        differing = [one for one, other in zip(base.split(), counterpart.split(), strict=True) if one != other]
        assert len(differing) == 1
