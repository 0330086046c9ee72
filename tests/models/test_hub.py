from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import httpx2 as httpx  # the transport of huggingface_hub
import huggingface_hub
import pytest
from huggingface_hub import errors as hub_errors

from audit.errors import ModelError, ResourceError
from audit.models import AuditedModel, hub, resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path) -> Path:
    return tmp_path / "hub"


def put_snapshot(cache: Path, folder: Path) -> Path:
    """Lay a model folder down as the hub's client would after fetching owner/tiny."""
    home = cache / "models--owner--tiny"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(folder, home / "snapshots" / COMMIT))


def answer_with(monkeypatch, answer) -> None:
    """What the hub says when asked about a model; an exception is raised."""

    def model_info(_self, _repo, **_options):
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name, size=size) for name, size in answer.items()])

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)


def refused(ref: str, match: str, kind: type[Exception] = ModelError) -> None:
    with pytest.raises(kind, match=match) as caught:
        AuditedModel.load(ref)
    assert "\n" not in str(caught.value)


def test_a_fetched_model_keeps_its_commit_and_needs_no_network(tiny_models, hub_cache, monkeypatch):
    put_snapshot(hub_cache, tiny_models["qwen2"])
    answer_with(monkeypatch, AssertionError("the network was asked"))
    record = AuditedModel.load("owner/tiny").record
    assert (record.source, record.revision, record.name, record.ref) == ("hub", COMMIT, "owner/tiny", "owner/tiny")
    assert resolve("owner/tiny") == record
    pinned = resolve(f"owner/tiny@{COMMIT}")
    assert pinned is not None
    assert (pinned.revision, pinned.ref) == (COMMIT, f"owner/tiny@{COMMIT}")


def test_a_model_that_was_not_fetched_resolves_to_nothing():
    assert resolve("owner/absent") is None


def test_half_a_download_is_not_taken_for_a_model(tiny_models, hub_cache):
    folder = put_snapshot(hub_cache, tiny_models["qwen2"])
    (folder / "model.safetensors").unlink()
    assert resolve("owner/tiny") is None


def test_no_network_is_told_in_one_line_with_a_way_out(monkeypatch):
    answer_with(monkeypatch, httpx.ConnectError("no route"))
    refused("owner/tiny", r"owner/tiny: hub not reachable \(ConnectError\); use a local folder or a built-in: gemma")
    answer_with(monkeypatch, TimeoutError())
    refused("owner/tiny", r"hub not reachable \(TimeoutError\)")


def test_offline_mode_is_heeded_and_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused("owner/tiny", r"hub not reachable \(HF_HUB_OFFLINE is set\)")


@pytest.mark.parametrize(
    ("error", "fact"),
    [
        (hub_errors.GatedRepoError, "accept there and set HF_TOKEN"),
        (hub_errors.RepositoryNotFoundError, "no such model on the hub"),
        (hub_errors.RevisionNotFoundError, "not this revision"),
        (hub_errors.HfHubHTTPError, r"hub not reachable \(HfHubHTTPError\)"),
    ],
)
def test_what_the_hub_refuses_is_told_plainly(error, fact, monkeypatch):
    response = httpx.Response(404, request=httpx.Request("GET", "https://example.org"))
    answer_with(monkeypatch, error("no", response=response))
    refused("owner/tiny@v1", fact)


def test_a_repository_of_pickles_is_refused_before_any_download(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", forbidden_unless_local(huggingface_hub.snapshot_download))
    answer_with(monkeypatch, {"config.json": 10, "pytorch_model.bin": 10, "onnx/model.safetensors": 10})
    refused("owner/tiny", "only pickle weights; refused")
    answer_with(monkeypatch, {"README.md": 10})
    refused("owner/tiny", "no safetensors weights")


def test_no_room_for_the_download_is_told_before_it(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", forbidden_unless_local(huggingface_hub.snapshot_download))
    answer_with(monkeypatch, {"model.safetensors": 7 * 10**6})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 10**6))
    refused("owner/tiny", "7 MB needed, 1 MB free", ResourceError)


def forbidden_unless_local(download):
    def only_local(*arguments, **options):
        assert options.get("local_files_only"), "something was downloaded"
        return download(*arguments, **options)

    return only_local


def test_only_weights_json_and_the_card_are_fetched(tiny_models, hub_cache, monkeypatch):
    download = huggingface_hub.snapshot_download
    asked: list[dict] = []

    def fetch(repo, **options):
        if options.get("local_files_only"):
            return download(repo, **options)
        asked.append(options)
        return str(put_snapshot(hub_cache, tiny_models["gpt2"]))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    answer_with(monkeypatch, {"model.safetensors": 10, "model.py": 10})
    record = AuditedModel.load("owner/tiny").record
    assert (record.revision, record.architecture) == (COMMIT, "GPT2LMHeadModel")
    (options,) = asked
    kept = list(
        huggingface_hub.utils.filter_repo_objects(
            [
                "model.safetensors",
                "config.json",
                "modeling.py",
                "pytorch_model.bin",
                "onnx/model.safetensors",
                "x.gguf",
            ],
            allow_patterns=options["allow_patterns"],
            ignore_patterns=options["ignore_patterns"],
        )
    )
    assert kept == ["model.safetensors", "config.json"]


def test_a_download_reports_the_share_of_the_bytes_that_arrived():
    from huggingface_hub.utils.tqdm import hf_thread_map

    seen: list[tuple[str, float]] = []
    bar = hub.told_bar(lambda stage, share: seen.append((stage, share)), n_bytes=1000)
    of_bytes = bar(total=0, initial=0, unit="B", unit_scale=True, desc="Downloading", name="transfer")
    hf_thread_map(of_bytes.update, [250, 4, 496, 250], max_workers=1, tqdm_class=bar)
    # 250, 254 (less than a hundredth more: not told), 750, 1000 of 1000; the bar that counts four files is not told
    assert seen == [("download", 0.25), ("download", 0.75), ("download", 1.0)]


def test_a_bar_of_the_download_draws_nothing(capfd):
    with hub.told_bar(print_nothing, n_bytes=10)(total=10, unit="B") as drawn:
        drawn.update(10)
        drawn.set_description("complete")
    assert capfd.readouterr() == ("", "")


def print_nothing(_stage: str, _share: float) -> None:
    """A progress callback."""


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("owner/name", True), ("owner/name@v1.0", True), ("o/n@refs/pr/1", True), ("name", False), ("a/b/c", False)],
)
def test_hub_names_have_an_owner_and_perhaps_a_revision(name, is_one):
    assert hub.is_hub_name(name) is is_one
