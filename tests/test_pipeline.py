import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_model_folder

from audit import models, observe, pipeline
from audit.errors import UsageError
from audit.pipeline import Request
from audit.runs import RunFolder

TABLES = ("observations.parquet", "items.parquet", "exclusions.parquet", "observations.csv", "evidence.json")
ASKED = {"languages": ("en", "zh"), "limit": 1}

# Gathers in a process of its own and dies, as by kill -9, when it begins its nth shard.
DYING = """
import os, sys, pathlib
from audit import observe, pipeline
model, runs, nth = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
whole, seen = observe.score_shard, []
def score_shard(audited, shard):
    seen.append(shard)
    if len(seen) == nth:
        os.kill(os.getpid(), 9)
    return whole(audited, shard)
observe.score_shard = score_shard
pipeline.gather(pipeline.Request(model=model, languages=("en", "zh"), limit=1), runs=runs)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(tiny_model_folder(Path(tmp_path_factory.mktemp("tiny")) / "model", "gemma3"))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def uninterrupted(model, tmp_path_factory) -> RunFolder:
    """A run that nothing disturbed, weighed and reported."""
    place = Path(tmp_path_factory.mktemp("whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLURAL_AUDIT_CACHE", str(place / "cache"))
        return pipeline.run(Request(model=model, **ASKED), runs=place / "runs")


@pytest.mark.parametrize("nth", [1, 4, 10])
def test_killed_at_any_shard_and_run_again_the_bytes_are_the_same(model, cache, tmp_path, uninterrupted, nth):
    runs = tmp_path / "runs"
    dead = subprocess.run([sys.executable, "-c", DYING, model, str(runs), str(nth)], check=False, capture_output=True)
    assert dead.returncode == -9, dead.stderr.decode()
    assert not list(runs.glob("*/evidence.json"))
    assert len(list(cache.glob("shards/*/*.json"))) == nth  # nth - 1 shards and the noise floor
    folder = pipeline.gather(Request(model=model, **ASKED), runs=runs)
    for name in TABLES:
        assert (folder.path / name).read_bytes() == (uninterrupted.path / name).read_bytes(), name


def test_a_second_run_answers_from_its_folder_without_the_model(model, cache, tmp_path, uninterrupted, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(models.AuditedModel, "load", forbidden)
    before = {file: file.stat().st_mtime_ns for file in uninterrupted.path.iterdir()}
    again = pipeline.run(Request(model=model, **ASKED), runs=uninterrupted.path.parent)
    assert again == uninterrupted
    assert {file: file.stat().st_mtime_ns for file in uninterrupted.path.iterdir()} == before


def test_a_wider_run_scores_only_what_is_new(model, cache, tmp_path, monkeypatch):
    scored = []
    whole = observe.score_shard
    monkeypatch.setattr(
        observe, "score_shard", lambda audited, shard: scored.append(shard.language) or whole(audited, shard)
    )
    pipeline.gather(Request(model=model, languages=("en",), limit=1), runs=tmp_path / "runs")
    assert set(scored) == {"en"}
    scored.clear()
    pipeline.gather(Request(model=model, **ASKED), runs=tmp_path / "runs")
    assert set(scored) == {"zh"}


def test_damaged_evidence_is_gathered_again_from_the_cache(model, cache, tmp_path):
    request = Request(model=model, languages=("en",), suites=("competence",), limit=1)
    folder = pipeline.gather(request, runs=tmp_path / "runs")
    whole = (folder.path / "observations.parquet").read_bytes()
    (folder.path / "observations.parquet").write_bytes(whole[:-1])
    pipeline.gather(request, runs=tmp_path / "runs")
    assert (folder.path / "observations.parquet").read_bytes() == whole


def test_weighing_and_reporting_work_where_torch_cannot_be_imported(uninterrupted, tmp_path):
    """The same findings and the same PDF, in a process in which importing torch or transformers fails."""
    code = (
        "import sys, pathlib; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from audit import pipeline; from audit.runs import RunFolder\n"
        "f = RunFolder(pathlib.Path(sys.argv[1])); pipeline.weigh(f); pipeline.report(f)"
    )
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in TABLES:
        (copy / name).write_bytes((uninterrupted.path / name).read_bytes())
    done = subprocess.run([sys.executable, "-c", code, str(copy)], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    for name in ("findings.json", "report.pdf", "run.json"):
        assert (copy / name).read_bytes() == (uninterrupted.path / name).read_bytes(), name


def test_the_run_id_does_not_depend_on_where_the_model_lies(model, cache, tmp_path, uninterrupted):
    moved = tmp_path / "elsewhere" / "model"
    moved.parent.mkdir()
    moved.symlink_to(model)
    request = Request(model=str(moved), **ASKED)
    suites = pipeline.load_suites(request)
    manifest = pipeline.plan(request, models.prepare(str(moved)), suites)
    assert manifest.run_id == uninterrupted.path.name


@pytest.mark.parametrize(
    "changed", [{"limit": 2}, {"languages": ("en",)}, {"suites": ("competence",)}, {"dtype": "bfloat16"}]
)
def test_the_run_id_changes_with_what_is_asked(model, uninterrupted, changed):
    request = Request(model=model, **{**ASKED, **changed})
    manifest = pipeline.plan(request, models.prepare(model, dtype=request.dtype), pipeline.load_suites(request))
    assert manifest.run_id != uninterrupted.path.name


def test_a_run_holds_no_path_of_this_machine(uninterrupted, tmp_path_factory):
    texts = (uninterrupted.path / name for name in ("evidence.json", "findings.json", "run.json"))
    places = (str(tmp_path_factory.getbasetemp()), str(Path.home()), sys.prefix)
    for file in texts:
        for place in places:
            if place != "/":
                assert place not in file.read_text(encoding="utf-8"), file.name


def test_every_item_asked_is_observed_or_excluded_with_a_reason(uninterrupted):
    evidence = uninterrupted.read_evidence()
    key = ["suite", "language", "item"]
    asked = set(map(tuple, evidence.items[key].values))
    seen = set(map(tuple, evidence.observations[key].values))
    dropped = evidence.exclusions[evidence.exclusions["stage"] == "observe"]
    assert seen | set(map(tuple, dropped[key].values)) == asked
    assert not seen & set(map(tuple, dropped[key].values))
    assert (evidence.exclusions["reason"].str.len() > 0).all()


def test_limit_keeps_the_same_items_in_every_language():
    suites = pipeline.load_suites(Request(languages=("en", "zh"), limit=2))
    for suite in suites:
        english = {item.id for item in suite.items if item.language == "en"}
        assert english == {item.id for item in suite.items if item.language == "zh"}
        per_topic = {}
        for item in suite.items:
            if item.language == "en":
                per_topic.setdefault((item.topic, item.control), []).append(item.id)
        assert max(map(len, per_topic.values())) == 2


def test_unknown_languages_and_repeated_suites_are_refused_by_name():
    with pytest.raises(UsageError, match="no suite has xx"):
        pipeline.load_suites(Request(languages=("en", "xx")))
    with pytest.raises(UsageError, match="the same suite twice"):
        pipeline.load_suites(Request(suites=("values", "values")))


def test_the_command_in_the_report_asks_for_the_same(uninterrupted):
    """The reproduction command, parsed by the command line, makes the request it came from."""
    request = Request(model="m", suites=("values", "a b"), languages=("en", "sw"), limit=3, dtype="bfloat16")
    import shlex

    from audit import cli

    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "run", lambda given, **_: asked.append(given))
        patch.setattr(cli, "_show", lambda *_, **__: None)
        cli.app(shlex.split(request.command())[1:], standalone_mode=False)
    assert asked == [request]


def test_findings_are_json_of_the_findings(uninterrupted):
    content = json.loads((uninterrupted.path / "findings.json").read_text(encoding="utf-8"))
    assert [one["id"] for one in content] == [one.id for one in pipeline.read_findings(uninterrupted)]
    assert (uninterrupted.path / "report.pdf").stat().st_size > 10_000
