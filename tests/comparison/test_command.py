"""`plural-audit compare`: what people see, the files it leaves, what it refuses."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit import pipeline, transfer
from audit.cli import main
from audit.comparison.inside import both_inside, kept_nodes
from audit.comparison.pairing import pair
from audit.pipeline import Request
from audit.progress import Silent
from audit.records import Evidence
from audit.runs import RunFolder
from tests.measures.circuit_evidence import with_circuits
from tests.measures.synthetic import synthetic_evidence
from tests.tiny import tiny_model_folder


def imaginary(seed: int, **planted: object) -> Evidence:
    return with_circuits(synthetic_evidence(seed, languages=("en", "sw"), **planted), seed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with two weighed runs, and their ids: B has a stereotype of its own and does not read Swahili."""
    folder = tmp_path_factory.mktemp("runs")
    ids = []
    for evidence in (imaginary(1), imaginary(2, stereotype_effect={"gender": 3.0}, unreadable=("sw",))):
        run = RunFolder(folder / evidence.manifest.run_id)
        run.write_evidence(evidence)
        pipeline.weigh(run)
        ids.append(evidence.manifest.run_id)
    return folder, ids[0], ids[1]


def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and error of the command line."""
    monkeypatch.setattr(sys, "argv", ["plural-audit", *words])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_two_runs_are_printed_side_by_side(monkeypatch, capsys, runs):
    folder, a, b = runs
    code, out, _ = called(monkeypatch, capsys, "compare", a, b, "--runs", str(folder))
    assert code == 0
    assert f"A: run {a}" in out
    assert f"B: run {b}" in out
    assert "fixed before the runs" in out
    assert "not interpretable in run B: the model told true from broken sentences" in out
    assert "Every number is B - A." in out
    assert "language_dependent_judgement: a ratio of variance components" in out
    assert "▲ higher in B" in out


def test_all_shows_more(monkeypatch, capsys, runs):
    folder, a, b = runs
    _, short, _ = called(monkeypatch, capsys, "compare", a, b, "--runs", str(folder))
    _, whole, _ = called(monkeypatch, capsys, "compare", a, b, "--runs", str(folder), "--all")
    assert "are not shown (--all shows them)" in short
    assert "are not shown" not in whole
    assert len(whole) > len(short)


def test_json_and_pdf_are_written(monkeypatch, capsys, runs, tmp_path):
    folder, a, b = runs
    files = ["--json", str(tmp_path / "c.json"), "--pdf", str(tmp_path / "c.pdf")]
    assert called(monkeypatch, capsys, "compare", a, b, "--runs", str(folder), *files)[0] == 0
    content = json.loads((tmp_path / "c.json").read_text())
    assert (content["run_a"]["run_id"], content["run_b"]["run_id"]) == (a, b)
    named = [one for one in content["differences"] if one["finding_a"] and one["finding_b"]]
    assert len(named) > 50  # both runs were weighed, so their findings are named
    text = "".join(page.extract_text() for page in pypdf_pages(tmp_path / "c.pdf"))
    assert "Two audits compared" in text
    assert "What was not compared" in text
    assert "Inside the models" in text


def pypdf_pages(path: Path):
    import pypdf

    return pypdf.PdfReader(path).pages


def test_the_same_run_twice_is_one_line_and_its_exit_code(monkeypatch, capsys, runs):
    folder, a, _ = runs
    code, out, err = called(monkeypatch, capsys, "compare", a, a, "--runs", str(folder))
    assert (code, out) == (64, "")
    assert "the same run twice; name two runs to compare" in err


def test_a_damaged_run_is_refused_by_the_name_of_its_file(monkeypatch, capsys, runs, tmp_path):
    import shutil

    folder, a, b = runs
    shutil.copytree(folder, tmp_path / "runs")
    file = tmp_path / "runs" / b / "observations.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    code, out, err = called(monkeypatch, capsys, "compare", a, b, "--runs", str(tmp_path / "runs"))
    assert (code, out) == (67, "")
    assert "observations.parquet: not the bytes that were gathered" in err


def test_a_run_that_was_only_gathered_is_compared_without_findings(monkeypatch, capsys, runs, tmp_path):
    folder, a, _ = runs
    other = imaginary(3)
    RunFolder(tmp_path / other.manifest.run_id).write_evidence(other)
    file = tmp_path / "c.json"
    words = ("compare", str(folder / a), str(tmp_path / other.manifest.run_id), "--json", str(file))
    assert called(monkeypatch, capsys, *words)[0] == 0
    assert {one["finding_b"] for one in json.loads(file.read_text())["differences"]} == {""}


def test_models_with_other_nodes_cannot_carry_circuits_over(runs):
    folder, a, b = runs
    one, other = (RunFolder(folder / id_).read_evidence() for id_ in (a, b))
    model = replace(other.manifest.model, n_layers=99)
    other = replace(other, manifest=replace(other.manifest, model=model))
    from audit.comparison import compare
    from audit.errors import UsageError

    with pytest.raises(UsageError, match="--transfer: not comparable: A is"):
        transfer.with_transfer(compare(one, other), one, other, model="unused", reporter=Silent())


def test_what_is_patched_for_the_comparison_is_what_a_run_would_have_stored(tmp_path, monkeypatch):
    """B is a copy of A, so A's circuit in B is what A's own run says of it, item by item."""
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))
    model = str(tiny_model_folder(tmp_path / "model", "llama"))
    asked = Request(
        model=model, suites=("stereotype", "competence"), languages=("en",), limit=1, circuits="exact", sae="none"
    )
    a = pipeline.gather(asked, runs=tmp_path / "runs").read_evidence()
    both = pair(a, replace(a, manifest=replace(a.manifest, run_id="copy")))
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "another"))  # nothing is answered from what A kept
    looker = transfer._looker(model, a.manifest.model, Silent(), accept_terms=False)
    ((one, b),) = both_inside(both)
    stored = one.effect("en")
    assert np.isfinite(stored).any()
    for fold, nodes in kept_nodes(both.a, "stereotype", "en").items():
        rows = np.flatnonzero(b.real("en") & (one.fold == fold))
        found = transfer._effects(both.b.evidence, b, rows, fold, nodes, looker)
        expected = {str(b.cube.item[row]): stored[row] for row in rows if np.isfinite(stored[row])}
        assert found == pytest.approx(expected, abs=1e-5)
