import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from measures.synthetic import synthetic_evidence

from audit.errors import ResourceError, RunError
from audit.records import as_dict
from audit.runs import RunFolder, ShardCache, find_run, manifest_from_dict, whole_or_absent


@pytest.fixture(scope="module")
def evidence():
    return synthetic_evidence(seed=0)


@pytest.fixture
def folder(tmp_path, evidence):
    folder = RunFolder(tmp_path / "runs" / evidence.manifest.run_id)
    folder.write_evidence(evidence)
    return folder


def test_evidence_comes_back_as_it_was_written(folder, evidence):
    back = folder.read_evidence()
    assert back.manifest == evidence.manifest
    key = ["suite", "language", "item", "context", "answer"]
    left = back.observations.sort_values(key, ignore_index=True)
    right = evidence.observations.sort_values(key, ignore_index=True)[left.columns].astype(left.dtypes.to_dict())
    pd.testing.assert_frame_equal(left, right)


def test_rows_in_another_order_leave_the_same_bytes(tmp_path, folder, evidence):
    from dataclasses import replace

    shuffled = replace(evidence, observations=evidence.observations.sample(frac=1, random_state=1))
    other = RunFolder(tmp_path / "other")
    other.write_evidence(shuffled)
    for name in ("observations.parquet", "observations.csv", "evidence.json"):
        assert (other.path / name).read_bytes() == (folder.path / name).read_bytes()


@pytest.mark.parametrize("name", ["observations.parquet", "items.parquet", "exclusions.parquet"])
def test_one_changed_byte_in_a_table_is_found(folder, name):
    content = bytearray((folder.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder.path / name).write_bytes(content)
    with pytest.raises(RunError, match=name):
        folder.read_evidence()


def sealed(folder: RunFolder) -> RunFolder:
    folder.write_result("findings.json", b"[]")
    folder.write_result("report.pdf", b"%PDF")
    folder.seal(versions={"numpy": "2"})
    return folder


def test_a_run_is_complete_only_once_sealed_and_open_again_when_written(folder):
    assert folder.has_evidence
    assert not folder.complete
    assert sealed(folder).complete
    assert folder.damaged() == ()
    assert folder.weighed_with() == {"numpy": "2"}
    folder.write_result("findings.json", b"[1]")
    assert not folder.complete
    assert folder.weighed_with() == {}


def test_a_run_that_lacks_a_result_cannot_be_sealed(folder):
    """Killed between weighing and reporting, a run must not count as complete."""
    folder.write_result("findings.json", b"[]")
    with pytest.raises(RunError, match=r"report\.pdf: missing"):
        folder.seal(versions={})
    assert not folder.complete


def test_new_findings_remove_the_report_on_the_old(folder):
    sealed(folder).write_result("findings.json", b"[1]")
    assert not (folder.path / "report.pdf").exists()


@pytest.mark.parametrize("name", ["findings.json", "report.pdf", "evidence.json", "observations.csv"])
def test_a_file_changed_after_sealing_is_named(folder, name):
    sealed(folder)
    with (folder.path / name).open("ab") as file:
        file.write(b" ")
    assert folder.damaged() == (name,)
    with pytest.raises(RunError, match=name):
        folder.require_undamaged()


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"sha256": 1, "versions": {}}'])
def test_a_broken_run_json_means_not_complete(folder, content):
    sealed(folder)
    (folder.path / "run.json").write_text(content)
    assert not folder.complete
    assert folder.weighed_with() == {}


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"manifest": {}, "sha256": {}}'])
def test_a_broken_evidence_json_is_refused_in_one_line(folder, content):
    (folder.path / "evidence.json").write_text(content)
    with pytest.raises(RunError, match=r"evidence\.json"):
        folder.read_evidence()


def test_an_edited_manifest_is_found(folder):
    """Another noise floor, another model: the digest in the file, or the run's id, no longer fits."""
    file = folder.path / "evidence.json"
    content = json.loads(file.read_text())
    content["manifest"]["noise_floor"]["value"] = 99.0
    file.write_text(json.dumps(content))
    with pytest.raises(RunError, match="not what was gathered"):
        folder.read_evidence()


def test_new_evidence_removes_what_rested_on_the_old(folder, evidence):
    sealed(folder).write_evidence(evidence)
    assert not (folder.path / "findings.json").exists()
    assert not (folder.path / "report.pdf").exists()
    assert not folder.complete


def test_two_rows_for_one_answer_are_refused(tmp_path, evidence):
    """Two suites of one name would merge into one."""
    from dataclasses import replace

    doubled = replace(evidence, observations=pd.concat([evidence.observations, evidence.observations.head(1)]))
    with pytest.raises(RunError, match="two rows for"):
        RunFolder(tmp_path / "x").write_evidence(doubled)


def test_a_second_writer_waits_for_the_first(folder):
    code = (
        "import sys, pathlib; from audit.runs import RunFolder\n"
        "with RunFolder(pathlib.Path(sys.argv[1])).lock(): print('in', flush=True)"
    )
    with folder.lock():
        other = subprocess.Popen([sys.executable, "-c", code, str(folder.path)], stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=3)
    assert other.communicate(timeout=30)[0].strip() == b"in"


def test_a_place_that_cannot_be_written_is_one_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be written"), whole_or_absent(tmp_path / "file" / "x"):
        pass
    with pytest.raises(ResourceError, match="cannot be written"), RunFolder(tmp_path / "file" / "x").lock():
        pass


def test_a_failing_writer_leaves_the_old_file_and_no_rubbish(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_or_absent(target) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    """The process dies inside the block, as with kill -9: what was there stays whole."""
    target = tmp_path / "file"
    target.write_text("old")
    code = (
        "import os, sys, pathlib; from audit.runs import whole_or_absent\n"
        "with whole_or_absent(pathlib.Path(sys.argv[1])) as t:\n t.write_text('half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -9
    assert target.read_text() == "old"


def test_the_cache_gives_back_what_it_was_given(tmp_path):
    cache = ShardCache(tmp_path)
    assert cache.read("ab") is None
    cache.write("ab", {"x": [0.1, "é"]})
    assert cache.read("ab") == {"x": [0.1, "é"]}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"content": {"x": [0.2, "\xc3\xa9"]}, "sha256": "0"}'])
def test_a_damaged_shard_counts_as_absent(tmp_path, damage):
    cache = ShardCache(tmp_path)
    cache.write("ab", {"x": [0.1, "é"]})
    (file,) = tmp_path.glob("*/*.json")
    file.write_bytes(damage)
    assert cache.read("ab") is None


def test_a_run_is_found_by_folder_by_id_and_as_the_last(tmp_path, folder):
    runs = folder.path.parent
    os.utime(folder.path / "evidence.json", (1, 1))
    assert find_run(str(folder.path), runs=runs) == folder
    assert find_run(folder.path.name[:4], runs=runs) == folder
    assert find_run("last", runs=runs) == folder
    with pytest.raises(RunError, match="fits no run"):
        find_run("zzzz", runs=runs)
    with pytest.raises(RunError, match="fits no run"):
        find_run("", runs=runs)
    with pytest.raises(RunError, match="no runs here"):
        find_run("last", runs=tmp_path / "nowhere")


def test_the_last_run_is_the_one_gathered_last_complete_or_not(folder, evidence):
    """So that `weigh last` and then `report last` speak of one run."""
    sealed(folder)
    os.utime(folder.path / "evidence.json", (1, 1))
    other = RunFolder(folder.path.parent / "other")
    other.write_evidence(evidence)
    assert find_run("last", runs=folder.path.parent) == other


def test_a_manifest_of_another_version_is_refused(evidence):
    content = json.loads(json.dumps(as_dict(evidence.manifest)))
    assert manifest_from_dict(content) == evidence.manifest
    with pytest.raises(RunError, match="gather the run again"):
        manifest_from_dict({**content, "unheard_of": 1})


def test_cells_that_a_spreadsheet_would_run_are_disarmed(tmp_path, evidence):
    from dataclasses import replace

    risky = evidence.observations.head(1).assign(item="=HYPERLINK(1)")
    folder = RunFolder(tmp_path / "risky")
    folder.write_evidence(replace(evidence, observations=risky))
    assert "'=HYPERLINK(1)" in (folder.path / "observations.csv").read_text()
    assert folder.read_evidence().observations["item"][0] == "=HYPERLINK(1)"
