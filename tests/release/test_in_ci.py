"""The ready-made jobs, run here step by step on a tiny model; a run under a policy; the trainer's callback."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny import tiny_model_folder

import audit
from audit import models, observe, pipeline
from audit.errors import RunError, UsageError
from audit.observe import shards
from audit.pipeline import Request
from audit.release import planning
from audit.release.bounds import Outcome
from audit.release.planning import Spreads
from tests.release.sample import policy

EXAMPLES = Path(__file__).parents[2] / "ci-examples"
READS = '[[rule]]\nid = "reads"\nmeasure = "competence"\nlanguages = ["en"]\nat_least = {bound}\n'
SMALL = Request(suites=("competence",), languages=("en",), circuits="none", sae="none")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model_folder(Path(tmp_path_factory.mktemp("tiny")) / "model", "llama")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))


def steps_of(name: str) -> list[tuple[str, str]]:
    """(name, shell) of every step that runs something, but for the installation."""
    content = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    if name == "github-action.yml":
        steps = content["jobs"]["audit"]["steps"]
        return [(step["name"], step["run"]) for step in steps if "run" in step and step["name"] != "Install"]
    return [(f"line {i}", line) for i, line in enumerate(content["audit"]["script"])]


@pytest.mark.parametrize("name", ["github-action.yml", "gitlab-ci.yml"])
@pytest.mark.parametrize(("bound", "code", "said"), [(0.01, 0, "PASS"), (0.99, 1, "FAIL")])
def test_the_steps_of_a_ready_made_job_decide(name, bound, code, said, model, tmp_path):
    """Each step as the system runs it (`bash -e`), in a folder with model and policy; the step of the gate decides."""
    (tmp_path / "model").symlink_to(model)
    head = 'format = "plural-audit policy 1"\nname = "CI"\nowner = "board"\ndate = 2026-11-01\n'
    rule = READS.format(bound=bound) + "resolution = 0.4\n"
    (tmp_path / "policy.toml").write_text(head + rule)
    content = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    given = content["env"] if name == "github-action.yml" else content["audit"]["variables"]
    environment = {
        **os.environ,
        **{key: value for key, value in given.items() if key != "PLURAL_AUDIT_CACHE"},
        "RUN_OPTIONS": "--suite competence --languages en",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    ended = {}
    for step, shell in steps_of(name):
        done = subprocess.run(
            ["bash", "-e", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, check=False, text=True
        )
        ended[step] = done.returncode
        if "gate last" in shell:
            assert done.returncode == code, done.stdout + done.stderr
            assert done.stdout.splitlines()[-1].startswith(f"{said}: of 1 cell"), done.stdout
        else:
            assert done.returncode == 0, done.stdout + done.stderr
    assert len(ended) >= 3
    assert json.loads((tmp_path / "gate.json").read_text())["outcome"] == said
    assert (tmp_path / "gate.xml").is_file()
    if name == "github-action.yml":
        assert (tmp_path / "summary.md").read_text() == (tmp_path / "gate.md").read_text()


def test_the_jobs_name_no_host():
    for file in EXAMPLES.glob("*.yml"):
        assert "://" not in file.read_text(encoding="utf-8"), file.name


# --- run --policy ----------------------------------------------------------------------------------


def test_a_policy_changes_the_run_but_no_shard_and_no_noise_floor(model, tmp_path, monkeypatch):
    """With a policy the same scores are asked for again under another id, all from the cache: the model stays away."""
    agreed = policy(READS.format(bound=0.01))
    request = Request(**{**vars(SMALL), "model": str(model)})
    plain = pipeline.gather(request, runs=tmp_path / "runs")
    monkeypatch.setattr(observe, "score_shard", None)
    monkeypatch.setattr(models.AuditedModel, "load", None)
    under = pipeline.gather(Request(**{**vars(request), "policy": agreed.digest}), runs=tmp_path / "runs")
    assert under.path.name != plain.path.name
    assert under.read_evidence().manifest.settings["policy"] == agreed.digest
    for name in ("observations.parquet", "items.parquet", "exclusions.parquet"):
        assert (under.path / name).read_bytes() == (plain.path / name).read_bytes()
    assert under.read_evidence().manifest.noise_floor == plain.read_evidence().manifest.noise_floor


def test_shards_and_threads_do_not_change_the_decision(model, tmp_path, monkeypatch):
    """Shards of 5 items on one thread, of 64 on two: the same bytes of evidence or numbers apart by less than noise."""
    import torch

    agreed = policy(READS.format(bound=0.01) + "resolution = 0.4\n")
    request = Request(**{**vars(SMALL), "model": str(model), "policy": agreed.digest})
    told, logps = [], []
    threads = torch.get_num_threads()
    try:
        for n_items, n_threads in ((5, 1), (64, 2)):
            monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / f"cache-{n_items}"))
            monkeypatch.setattr(shards, "ITEMS_PER_SHARD", n_items)
            torch.set_num_threads(n_threads)
            folder = audit.run(request, runs=tmp_path / f"runs-{n_items}")
            told.append([(cell.where, cell.outcome, cell.value) for cell in audit.gate(folder, agreed).cells])
            logps.append(folder.read_evidence().observations["logp"].to_numpy())
    finally:
        torch.set_num_threads(threads)
    assert told[0] == told[1]
    assert abs(logps[0] - logps[1]).max() < 1e-4


def test_the_gate_decides_where_torch_cannot_be_imported(model, tmp_path):
    agreed = policy(READS.format(bound=0.01) + "resolution = 0.4\n")
    folder = audit.run(Request(**{**vars(SMALL), "model": str(model), "policy": agreed.digest}), runs=tmp_path / "runs")
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'transformers'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import pathlib, audit; from audit.release.policy import Policy\n"
        "policy = Policy.model_validate_json(sys.argv[2])\n"
        "print(audit.gate(audit.RunFolder(pathlib.Path(sys.argv[1])), policy).outcome)"
    )
    given = agreed.model_dump_json()
    done = subprocess.run([sys.executable, "-c", code, str(folder.path), given], capture_output=True, check=False)
    assert done.stdout.decode().strip() == "PASS", done.stderr.decode()


def test_the_expected_time_is_what_a_sample_took_times_what_the_rest_costs(model):
    """A clock that ticks one second between two looks: each suite's sample takes 1 s, whatever the machine.

    Of n items a suite has, k are timed: scoring takes the sum of n / k; the known run spent 300 of 900 s on it, so all
    takes three times that.
    """
    known = Spreads(run_id="r", model="m", read=(), labels={}, cells=(), seconds={"scoring": 300.0, "rest": 600.0})
    ticks = itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning.time, "perf_counter", lambda: float(next(ticks)))
        found = planning.expected_time(str(model), known)
    suites = pipeline.load_suites(Request(model=str(model)))
    samples = [len(planning._some(suite, planning.SAMPLE).items) for suite in suites]
    assert all(planning.SAMPLE <= n < 2 * planning.SAMPLE for n in samples)
    assert found.scoring == pytest.approx(sum(len(s.items) / n for s, n in zip(suites, samples, strict=True)))
    assert found.total == pytest.approx(3 * found.scoring)
    assert found.items == sum(len(suite.items) for suite in suites)


def test_a_run_without_a_log_of_scoring_says_nothing_of_time(model):
    with pytest.raises(RunError, match="tells of no scoring"):
        planning.expected_time(
            str(model), Spreads(run_id="r", model="m", read=(), labels={}, cells=(), seconds={"weighing": 1.0})
        )


# --- while training --------------------------------------------------------------------------------


def trained(model: Path, tmp_path: Path, callback, *, steps: int):
    """A trainer of a tiny model that has run `steps` steps, or fewer if it was stopped."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer("the cat is in the house and the dog is on it")["input_ids"]
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=steps,
        per_device_train_batch_size=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=arguments,
        train_dataset=[{"input_ids": ids, "labels": ids}] * 4,
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.train()
    return trainer


def test_a_checkpoint_is_audited_while_it_trains_and_at_the_end(model, tmp_path):
    agreed = policy(READS.format(bound=0.01) + "resolution = 0.4\n")
    callback = audit.AuditCallback(SMALL, agreed, every=2, runs=tmp_path / "runs")
    trainer = trained(model, tmp_path, callback, steps=3)
    assert [step for step, _ in callback.results] == [2, 3]
    assert {result.outcome for _, result in callback.results} == {Outcome.PASS}
    one, other = (result.run_id for _, result in callback.results)
    assert one != other  # training moved the weights
    logged = [entry for entry in trainer.state.log_history if "audit_exit_code" in entry]
    assert [(entry["step"], entry["audit_exit_code"], entry["audit_pass"]) for entry in logged] == [
        (2, 0, 1),
        (3, 0, 1),
    ]


def test_a_fail_stops_the_training(model, tmp_path):
    callback = audit.AuditCallback(SMALL, policy(READS.format(bound=0.99)), every=1, runs=tmp_path / "runs")
    trainer = trained(model, tmp_path, callback, steps=3)
    assert trainer.state.global_step == 1
    assert [(step, result.outcome) for step, result in callback.results] == [(1, Outcome.FAIL)]


def test_a_callback_without_steps_between_audits_is_refused():
    with pytest.raises(UsageError, match="every=0"):
        audit.AuditCallback(SMALL, policy(READS.format(bound=0.5)), every=0)
