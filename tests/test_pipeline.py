import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import tiny_model_folder

from audit import cli, models, observe, pipeline, sharing
from audit.circuits import Looker, looking
from audit.errors import ModelError, RunError, UnsupportedModelError, UsageError
from audit.pipeline import Request
from audit.records import Kind
from audit.runs import ATTESTATION, EVIDENCE_FILES, RunFolder, ShardCache
from audit.suites import suite_folder
from tests.suites.writing import DECLARATION, header

TABLES = ("evidence.json", *EVIDENCE_FILES)
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
        "import sys, pathlib\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'transformers'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
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


def planned(model: str, **asked) -> str:
    """The id that a run would have."""
    request = Request(model=model, **{**ASKED, **asked})
    record = models.prepare(model, dtype=request.dtype)
    return pipeline.plan(request, record, pipeline.load_suites(request)).run_id


def test_a_copy_of_the_model_under_another_name_is_the_same_run(model, tmp_path, uninterrupted):
    copy = shutil.copytree(model, tmp_path / "renamed")
    assert planned(str(copy)) == uninterrupted.path.name


def test_a_changed_configuration_is_another_run(model, tmp_path, uninterrupted):
    """Weights alone do not decide the numbers: the base of the rotations does too."""
    copy = shutil.copytree(model, tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    assert planned(str(copy)) != uninterrupted.path.name


@pytest.mark.parametrize(
    "changed", [{"limit": 2}, {"languages": ("en",)}, {"suites": ("competence",)}, {"dtype": "bfloat16"}]
)
def test_the_run_id_changes_with_what_is_asked(model, uninterrupted, changed):
    assert planned(model, **changed) != uninterrupted.path.name


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
        whole = suite.record.kind is Kind.COMPETENCE  # the bar needs all of it
        assert max(map(len, per_topic.values())) == (8 if whole else 2)


def test_the_digest_of_a_limited_suite_is_of_what_is_asked():
    """Other items under the same limit must be another run; competence, kept whole, keeps its digest."""
    whole = {s.record.name: s.record.digest for s in pipeline.load_suites(Request(languages=("en",)))}
    limited = {s.record.name: s.record.digest for s in pipeline.load_suites(Request(languages=("en",), limit=1))}
    assert limited["competence"] == whole["competence"]
    assert all(limited[name] != whole[name] for name in whole if name != "competence")


def test_unknown_languages_and_repeated_suites_are_refused_by_name():
    with pytest.raises(UsageError, match="no suite has xx"):
        pipeline.load_suites(Request(languages=("en", "xx")))
    with pytest.raises(UsageError, match="the same suite twice"):
        pipeline.load_suites(Request(suites=("values", "values")))


@pytest.mark.parametrize("asked", [{}, {"suites": ("values", "competence"), "limit": 3, "dtype": "bfloat16"}])
def test_the_command_in_the_report_asks_for_the_same_run(model, monkeypatch, asked):
    """The reproduction command, parsed by the command line in the folder above the model, makes the same run id."""
    monkeypatch.chdir(Path(model).parent)
    request = Request(model="model", **{**ASKED, **asked})
    manifest = pipeline.plan(request, models.prepare("model", dtype=request.dtype), pipeline.load_suites(request))
    parsed = []
    monkeypatch.setattr(pipeline, "run", lambda given, **_: parsed.append(given))
    monkeypatch.setattr(cli, "_show", lambda *_, **__: None)
    cli.app(shlex.split(pipeline.command_of(manifest))[1:], standalone_mode=False)
    (again,) = parsed
    record = models.prepare(again.model, dtype=again.dtype)
    assert pipeline.plan(again, record, pipeline.load_suites(again)).run_id == manifest.run_id


def test_a_run_that_was_only_weighed_is_finished_by_running_it(model, uninterrupted, tmp_path, monkeypatch):
    """Killed between weighing and reporting: the same command makes the report."""
    folder = copied(uninterrupted, tmp_path / "runs")
    pipeline.weigh(folder)
    assert not folder.complete
    monkeypatch.setattr(models.AuditedModel, "load", None)  # everything is in the evidence
    again = pipeline.run(Request(model=model, **ASKED), runs=folder.path.parent)
    assert again.complete
    assert (again.path / "report.pdf").read_bytes() == (uninterrupted.path / "report.pdf").read_bytes()


def test_findings_of_an_older_version_are_weighed_again(model, uninterrupted, tmp_path):
    folder = copied(uninterrupted, tmp_path / "runs")
    folder.seal(versions={"plural-audit": "0.0.1"})
    pipeline.run(Request(model=model, **ASKED), runs=folder.path.parent)
    assert folder.weighed_with() == pipeline.weighing_versions()


def test_findings_changed_after_sealing_are_not_shown(uninterrupted, tmp_path):
    folder = copied(uninterrupted, tmp_path / "runs")
    text = (folder.path / "findings.json").read_text(encoding="utf-8")
    (folder.path / "findings.json").write_text(text.replace("evidence", "proof", 1), encoding="utf-8")
    with pytest.raises(RunError, match=r"findings\.json: changed after the run was sealed"):
        pipeline.read_findings(folder)


def test_two_suites_of_one_name_are_refused(tmp_path):
    copy = shutil.copytree(suite_folder("competence"), tmp_path / "competence")
    with pytest.raises(UsageError, match="two suites are called competence"):
        pipeline.load_suites(Request(suites=("competence", str(copy)), languages=("en",)))


def copied(run: RunFolder, runs: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(run.path, runs / run.path.name)))


def test_findings_are_json_of_the_findings(uninterrupted):
    content = json.loads((uninterrupted.path / "findings.json").read_text(encoding="utf-8"))
    assert [one["id"] for one in content] == [one.id for one in pipeline.read_findings(uninterrupted)]
    assert (uninterrupted.path / "report.pdf").stat().st_size > 10_000


# --- circuits --------------------------------------------------------------------------------

DESIGN = "".join(
    f"[[item]]\nid = '{topic or 'door'}-{n}'\n"
    + (f"topic = '{topic}'\n" if topic else "control = true\n")
    + "base_group = 'first'\ncounterpart_group = 'second'\nsource = 'a survey'\nregions = ['everywhere']\n"
    for topic, many in (("age", 3), ("gender", 3), ("", 2))
    for n in range(many)
)
FILLERS = {
    "en": {"age": ("an old one", "a boy"), "gender": ("my mum", "my dad"), "door": ("the left", "the right")},
    "de": {"age": ("ein Alter", "ein Kind"), "gender": ("die Frau", "der Mann"), "door": ("es rechts", "es links")},
}
FRAMES = {"en": ("When {} came, they", "So {} then", "Now {}"), "de": ("Als {} kam, da", "Und {} dann", "Da {}")}
ANSWERS = {"en": (["was in", "is"], ["ran"]), "de": (["war da", "ist"], ["lief"])}


def words_of(language: str) -> str:
    (a, b), out = ANSWERS[language], header(language)
    for name, (base, counterpart) in FILLERS[language].items():
        for n in range(2 if name == "door" else 3):
            out += f"[[item]]\nid = '{name}-{n}'\ntext = '{FRAMES[language][n]}'\n"
            out += f"base = '{base}'\ncounterpart = '{counterpart}'\na = {a}\nb = {b}\n"
    return out


def small_suite(folder: Path, name: str = "small", *, de: str = "") -> str:
    """Six stereotypes on two topics and two controls, in English and German."""
    folder.mkdir()
    labels = "[labels]\nage = 'age'\ngender = 'gender'\nfirst = 'first'\nsecond = 'second'\n"
    declared = f'name = "{name}"\nkind = "stereotype"' + DECLARATION + labels + DESIGN
    (folder / "suite.toml").write_text(declared, encoding="utf-8")
    (folder / "en.toml").write_text(words_of("en"), encoding="utf-8")
    (folder / "de.toml").write_text(de or words_of("de"), encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> str:
    return small_suite(tmp_path_factory.mktemp("suite") / "small")


@pytest.fixture(scope="module")
def looked(model, small, tmp_path_factory) -> RunFolder:
    """A run that looked inside on the small suite alone, weighed and reported."""
    place = Path(tmp_path_factory.mktemp("looked"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLURAL_AUDIT_CACHE", str(place / "cache"))
        return pipeline.run(Request(model=model, suites=(small,)), runs=place / "runs")


def used(cache: Path, looked: RunFolder) -> Path:
    """The cache of the run that looked, copied."""
    return Path(shutil.copytree(looked.path.parent.parent / "cache", cache))


@pytest.fixture
def looks(monkeypatch) -> list[str]:
    """What is asked of the model inside, in order."""
    made: list[str] = []
    for name in ("_aligned", "_screen", "_patch", "_edges", "_readings"):
        monkeypatch.setattr(Looker, name, _counted(getattr(Looker, name), name, made))
    return made


def _counted(look, name, made):
    def counted(self, *given):
        made.append(name)
        return look(self, *given)

    return counted


def text_of(folder: RunFolder) -> str:
    pypdf = pytest.importorskip("pypdf")
    return " ".join(page.extract_text() for page in pypdf.PdfReader(folder.path / "report.pdf").pages)


INSIDE = ("nodes", "circuits", "patches", "edges", "readings")
TITLE = "Inside the model: the parts that carry the effects"


def test_a_run_looks_inside_and_its_report_says_so(looked):
    evidence = looked.read_evidence()
    assert all(len(getattr(evidence, name)) for name in INSIDE)
    assert evidence.exclusions.empty
    assert set(evidence.nodes["language"]) == {"en", "de"}
    assert looked.complete
    assert TITLE in text_of(looked)


@pytest.mark.parametrize("nth", [1, 9, 25])
def test_stopped_while_looking_inside_and_run_again_the_bytes_are_the_same(
    model, small, cache, tmp_path, looked, looks, nth, monkeypatch
):
    """Nothing is scored twice, the look that was cut short is made again, those before it are not."""
    request = Request(model=model, suites=(small,))
    write = ShardCache.write

    def dying(self, key, content):
        if len(looks) == nth:
            raise KeyboardInterrupt
        write(self, key, content)

    with monkeypatch.context() as patch:
        patch.setattr(ShardCache, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            pipeline.gather(request, runs=tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*/evidence.json"))
    monkeypatch.setattr(observe, "score_shard", None)
    monkeypatch.setattr(observe, "measure_noise", None)
    looks.clear()
    folder = pipeline.gather(request, runs=tmp_path / "runs")
    kept = len(list(cache.rglob("shards/*/*.json")))
    assert kept == len(list(looked.path.parent.parent.rglob("shards/*/*.json")))
    assert len(looks) == kept - 3 - (nth - 1)  # a shard for each language and the noise floor are no looks
    for name in ("evidence.json", *EVIDENCE_FILES):
        assert (folder.path / name).read_bytes() == (looked.path / name).read_bytes(), name


def test_asked_by_two_processes_the_bytes_are_the_same(model, small, cache, tmp_path, looked, looks, monkeypatch):
    monkeypatch.setattr(sharing, "processes_for", lambda _audited: 2)
    folder = pipeline.gather(Request(model=model, suites=(small,)), runs=tmp_path / "runs")
    assert looks == []  # by this one
    for name in ("evidence.json", *EVIDENCE_FILES):
        assert (folder.path / name).read_bytes() == (looked.path / name).read_bytes(), name


def test_a_run_that_lost_its_folder_is_made_from_the_cache_without_the_model(
    model, small, cache, tmp_path, looked, monkeypatch
):
    used(cache, looked)
    monkeypatch.setattr(models.AuditedModel, "load", None)
    folder = pipeline.gather(Request(model=model, suites=(small,)), runs=tmp_path / "runs")
    for name in ("evidence.json", *EVIDENCE_FILES):
        assert (folder.path / name).read_bytes() == (looked.path / name).read_bytes(), name


def test_a_renamed_suite_is_looked_into_no_second_time(model, cache, tmp_path, looked, looks):
    used(cache, looked)
    other = small_suite(tmp_path / "other", name="other")
    folder = pipeline.gather(Request(model=model, suites=(other,)), runs=tmp_path / "runs")
    assert looks == []
    assert folder.path.name != looked.path.name
    before, after = looked.read_evidence(), folder.read_evidence()
    for name in INSIDE:
        table = getattr(after, name)
        assert set(table["suite"]) == {"other"}
        assert table.drop(columns="suite").equals(getattr(before, name).drop(columns="suite"))


def test_the_other_depths_are_other_runs_and_do_what_they_say(model, small, cache, tmp_path, looked):
    """exact: every node of every real item is patched; none: nothing is looked at, and no page speaks of it."""
    used(cache, looked)
    runs = {
        depth: pipeline.run(Request(model=model, suites=(small,), circuits=depth), runs=tmp_path / "runs")
        for depth in ("exact", "none")
    }
    assert len({looked.path.name, *(folder.path.name for folder in runs.values())}) == 3
    exact, none = (runs[depth].read_evidence() for depth in ("exact", "none"))
    assert exact.nodes.loc[~exact.nodes["item"].str.startswith("door"), "exact"].notna().all()
    assert not any(len(getattr(none, name)) for name in INSIDE)
    assert none.observations.equals(looked.read_evidence().observations)
    assert none.exclusions.empty
    assert TITLE in text_of(runs["exact"])
    assert TITLE not in text_of(runs["none"])
    assert runs["none"].complete


def test_languages_that_are_not_read_are_looked_into_only_where_every_node_is(
    model, small, cache, tmp_path, looked, looks, monkeypatch
):
    """German is left out with the reason, English is what it was; depth "exact" leaves nobody out."""
    used(cache, looked)
    monkeypatch.setattr("audit.measures.failed_competence", lambda evidence: ("de",))
    request = Request(model=model, suites=(small,))
    evidence = pipeline.gather(request, runs=tmp_path / "runs").read_evidence()
    assert set(evidence.nodes["language"]) == set(evidence.patches["language"]) == {"en"}
    german = set(evidence.items.loc[evidence.items["language"] == "de", "item"])
    rows = set(evidence.exclusions[["language", "item", "stage", "reason"]].itertuples(index=False, name=None))
    assert rows == {("de", item, "circuits", pipeline.UNREAD) for item in german}
    screened = evidence.nodes[["item", "layer", "head", "screened"]].reset_index(drop=True)
    before = looked.read_evidence().nodes
    assert screened.equals(before.loc[before["language"] == "en", list(screened)].reset_index(drop=True))
    exact = pipeline.gather(replace(request, circuits="exact"), runs=tmp_path / "runs").read_evidence()
    assert set(exact.nodes["language"]) == {"en", "de"}
    assert exact.exclusions.empty


def test_a_model_that_cannot_be_replayed_is_audited_all_the_same(model, small, cache, tmp_path, looked, monkeypatch):
    """Each item is an exclusion of the circuits, with the reason; what was observed stands, and there is a report."""

    def cannot(_adapter):
        raise UnsupportedModelError("odd: its layers take no key-value cache; circuits are not supported")

    monkeypatch.setattr(looking, "Replay", cannot)
    folder = pipeline.run(Request(model=model, suites=(small,)), runs=tmp_path / "runs")
    assert folder.complete
    evidence = folder.read_evidence()
    assert not any(len(getattr(evidence, name)) for name in INSIDE)
    reason = "odd: its layers take no key-value cache; circuits are not supported"
    rows = set(evidence.exclusions.itertuples(index=False, name=None))
    asked = evidence.items[["suite", "language", "item"]].itertuples(index=False, name=None)
    assert rows == {(*one, "circuits", reason) for one in asked}
    assert evidence.observations.equals(looked.read_evidence().observations)
    text = text_of(folder)
    assert TITLE not in text
    assert "take no key-value cache" in re.sub(r"\s+", " ", text)


def test_items_that_are_held_back_or_cannot_be_patched_are_not_in_the_circuits(model, cache, tmp_path):
    """German gender-1 asks what gender-0 asks, and is quarantined; English is whole."""
    twin = words_of("de").replace("id = 'gender-1'\ntext = 'Und {} dann'", "id = 'gender-1'\ntext = 'Als {} kam, da'")
    suite = small_suite(tmp_path / "small", de=twin)
    evidence = pipeline.gather(Request(model=model, suites=(suite,)), runs=tmp_path / "runs").read_evidence()
    rows = evidence.exclusions[["language", "item", "stage"]].to_numpy().tolist()
    assert rows == [["de", "gender-1", "lint"]]
    german = evidence.items[evidence.items["language"] == "de"]
    for table, there in ((evidence.nodes, german[~german["control"]]), (evidence.patches, german)):
        assert set(table.loc[table["language"] == "de", "item"]) == set(there["item"]) - {"gender-1"}
        assert "gender-1" in set(table.loc[table["language"] == "en", "item"])


def test_a_model_that_changed_between_scoring_and_looking_stops_the_run(
    model, small, cache, tmp_path, looked, monkeypatch
):
    """All is scored, nothing looked at, and then the model cannot be loaded: no evidence without circuits is left."""
    used(cache, looked)
    request = Request(model=model, suites=(small,))
    keep = ShardCache.read
    monkeypatch.setattr(
        ShardCache, "read", lambda self, key: None if (kept := keep(self, key)) and _is_look(kept) else kept
    )

    def changed(*_args, **_kwargs):
        raise ModelError("model: its files changed while the run was prepared; run the command again")

    monkeypatch.setattr(models.AuditedModel, "load", changed)
    with pytest.raises(ModelError, match="its files changed"):
        pipeline.gather(request, runs=tmp_path / "runs")


def _is_look(kept) -> bool:
    return bool({"effects", "rows"} & set(kept))


def test_the_same_report_again_leaves_seal_and_signatures_and_another_one_takes_them(uninterrupted, tmp_path):
    run = copied(uninterrupted, tmp_path / "runs")
    (run.path / ATTESTATION).write_text("signed")
    before = {file.name: file.read_bytes() for file in run.path.iterdir() if file.name != ".lock"}
    pipeline.report(run)
    assert {file.name: file.read_bytes() for file in run.path.iterdir() if file.name != ".lock"} == before
    report = (run.path / "report.pdf").read_bytes()
    run.write_result("report.pdf", b"older")
    run.seal(versions={})
    (run.path / ATTESTATION).write_text("signed")
    pipeline.report(run)
    assert (run.path / "report.pdf").read_bytes() == report
    assert not (run.path / ATTESTATION).exists()
    assert run.damaged() == ()


@pytest.mark.parametrize(("name", "begins"), [("report.fr.html", b"<!DOCTYPE html>"), ("report.letter.pdf", b"%PDF-")])
def test_a_copy_of_the_report_leaves_the_run_as_it_is_sealed(uninterrupted, tmp_path, name, begins):
    run = copied(uninterrupted, tmp_path / "runs")
    before = (run.path / "run.json").read_bytes()
    copy = pipeline.report_copy(run, run.path / name, paper="letter")
    assert copy.read_bytes()[: len(begins)].lower() == begins.lower()
    assert (run.path / "run.json").read_bytes() == before
    assert run.complete
    assert run.damaged() == ()


@pytest.mark.parametrize(
    ("name", "how", "fact"),
    [
        ("report.docx", {}, "is a .pdf or an .html"),
        ("report.pdf", {}, "is the run's own report"),
        ("copy.pdf", {"language": "xx"}, "no report in it; choose one of en, fr"),
        ("copy.pdf", {"paper": "a3"}, "a3"),
    ],
)
def test_a_copy_that_cannot_be_is_refused_by_name(uninterrupted, tmp_path, name, how, fact):
    run = copied(uninterrupted, tmp_path / "runs")
    with pytest.raises(UsageError, match=re.escape(fact)):
        pipeline.report_copy(run, run.path / name, **how)
    assert run.damaged() == ()
