from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from audit.errors import ModelError, ResourceError, UsageError
from audit.models import BUILTINS, AuditedModel, accept_terms, prepare, resolve, terms
from audit.models import gguf as conversion
from audit.models.builtin import Builtin
from audit.models.places import cache_folder
from audit.runs import sha256_of

from .tiny_gguf import write_gguf


@pytest.fixture(scope="session")
def gguf_file(tiny_models, tmp_path_factory) -> Path:
    return write_gguf(tiny_models["llama"], tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def converted() -> list[str]:
    """Names in the model cache, locks aside."""
    models = cache_folder() / "models"
    return sorted(path.name for path in models.iterdir() if path.suffix != ".lock") if models.exists() else []


def only_folder() -> Path:
    (name,) = converted()
    return cache_folder() / "models" / name


def test_a_converted_model_is_the_model_it_was_converted_from(gguf_file, tiny_models):
    source, found = AuditedModel.load(str(tiny_models["llama"])), AuditedModel.load(str(gguf_file))
    ids = torch.tensor([[1, 30, 260, 7, 9, 11, 200]])
    logits = [audited.adapter.unembed(audited.adapter.hidden(ids)) for audited in (source, found)]
    torch.testing.assert_close(logits[1], logits[0])
    for text in ("the and", "हिन्दी العربية", "a  b\n日本"):
        plain = [audited.tokenizer(text, add_special_tokens=False).input_ids for audited in (source, found)]
        assert plain[1] == plain[0]
    assert (found.record.source, found.record.ref) == ("gguf", "tiny.gguf")
    assert found.record.name == "tiny, GGUF dequantised"
    assert found.record.n_parameters == source.record.n_parameters


def test_a_conversion_happens_once_and_resolve_knows_it(gguf_file):
    assert resolve(str(gguf_file)) is None
    first = AuditedModel.load(str(gguf_file)).record
    stages: list[str] = []
    again = AuditedModel.load(str(gguf_file), progress=lambda stage, _share: stages.append(stage)).record
    assert first == again == resolve(str(gguf_file))
    assert stages == ["verify", "load", "check", "check"]
    assert resolve(str(gguf_file), dtype="bfloat16") is None  # other numbers, another conversion


def test_conversion_reports_its_stages(gguf_file):
    seen: list[tuple[str, float]] = []
    AuditedModel.load(str(gguf_file), progress=lambda stage, share: seen.append((stage, share)))
    stages = list(dict.fromkeys(stage for stage, _share in seen))
    assert stages == ["tokenizer", "weights", "write", "verify", "load", "check"]
    weights = [share for stage, share in seen if stage == "weights"]
    assert weights == sorted(weights)
    assert len(weights) == 30  # 3 layers x 9 tensors + embedding, final norm, unembedding


def test_a_changed_byte_in_the_weights_is_found(gguf_file):
    AuditedModel.load(str(gguf_file))
    weights = only_folder() / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors: SHA-256 \w{16} is not the recorded \w{16}; delete"):
        AuditedModel.load(str(gguf_file))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("config.json", '"rope_theta": 10000.0', '"rope_theta": 90000.0'),
        ("tokenizer_config.json", '"eos_token": "<eos>"', '"eos_token": "<pad>"'),
    ],
)
def test_a_changed_setting_is_found_even_at_the_same_length(name, old, new, gguf_file):
    AuditedModel.load(str(gguf_file))
    file = only_folder() / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ModelError, match=rf"{name}: SHA-256 \w{{16}} is not the recorded \w{{16}}; delete"):
        AuditedModel.load(str(gguf_file))


def test_a_file_that_came_later_is_refused(gguf_file):
    AuditedModel.load(str(gguf_file))
    (only_folder() / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"adapter_config\.json: not part of the conversion; delete"):
        AuditedModel.load(str(gguf_file))


def test_a_sidecar_that_tells_another_model_is_refused(gguf_file):
    AuditedModel.load(str(gguf_file))
    sidecar = only_folder() / "conversion.json"
    sidecar.write_text(sidecar.read_text().replace('"n_heads": 4', '"n_heads": 8'))
    with pytest.raises(ModelError, match="does not describe its files; delete"):
        AuditedModel.load(str(gguf_file))


def test_a_conversion_of_an_older_version_counts_as_none_and_is_made_anew(gguf_file):
    AuditedModel.load(str(gguf_file))
    folder = only_folder()
    (folder / "conversion.json").rename(folder / "record.json")
    assert resolve(str(gguf_file)) is None
    assert AuditedModel.load(str(gguf_file)).record.config_sha256
    assert sorted(folder.glob("*record.json")) == []


def test_a_truncated_or_missing_file_is_found_without_reading_it(gguf_file):
    AuditedModel.load(str(gguf_file))
    weights = only_folder() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"instead of \d+ bytes; delete"):
        resolve(str(gguf_file))
    weights.unlink()
    with pytest.raises(ModelError, match="missing instead of"):
        resolve(str(gguf_file))


def test_a_damaged_record_is_refused(gguf_file):
    AuditedModel.load(str(gguf_file))
    (only_folder() / "conversion.json").write_text('{"record": {}}')
    with pytest.raises(ModelError, match=r"conversion\.json: damaged"):
        resolve(str(gguf_file))


def test_a_failed_conversion_leaves_nothing(gguf_file):
    def fail(stage: str, _share: float) -> None:
        if stage == "write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        AuditedModel.load(str(gguf_file), progress=fail)
    assert converted() == []
    assert AuditedModel.load(str(gguf_file)).record.source == "gguf"


def test_a_killed_conversion_leaves_no_model_and_the_next_one_cleans_up(gguf_file):
    program = (
        "import os, signal\nfrom audit.models import AuditedModel\n"
        "kill = lambda stage, share: stage == 'write' and share == 1 and os.kill(os.getpid(), signal.SIGKILL)\n"
        f"AuditedModel.load({str(gguf_file)!r}, progress=kill)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [name.endswith(".partial") for name in converted()] == [True]
    assert resolve(str(gguf_file)) is None

    other = cache_folder() / "models" / ".0123456789abcdef-float32-5.0.0.partial"  # another file's, also killed
    other.mkdir()
    AuditedModel.load(str(gguf_file))
    assert [name.endswith("partial") for name in converted()] == [False]


def test_a_conversion_that_is_running_is_left_alone(gguf_file):
    from filelock import FileLock

    models = cache_folder() / "models"
    models.mkdir(parents=True)
    running = models / ".0123456789abcdef-float32-5.0.0.partial"
    running.mkdir()
    with FileLock(models / ".0123456789abcdef-float32-5.0.0.lock"):
        AuditedModel.load(str(gguf_file))
    assert running.exists()


def test_two_conversions_at_once_make_one_model(gguf_file, monkeypatch):
    n_written: list[Path] = []
    write = conversion._write_model
    monkeypatch.setattr(
        conversion, "_write_model", lambda file, out, **rest: (n_written.append(out), write(file, out, **rest))
    )
    with ThreadPoolExecutor(2) as pool:
        records = list(pool.map(lambda _n: conversion_of(gguf_file), range(2)))
    assert records[0] == records[1]
    assert len(n_written) == 1


def conversion_of(file: Path) -> Path:
    return conversion.convert(
        lambda _scratch: file,
        sha256="0" * 64,
        dtype="float32",
    )


def test_a_full_disk_is_refused_before_the_work(gguf_file, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 5_000_000))
    with pytest.raises(ResourceError, match=r"101 MB needed, 5 MB free; free some, or set PLURAL_AUDIT_CACHE"):
        AuditedModel.load(str(gguf_file))  # 45,280 weights x 4 bytes + 100 MB
    assert converted() == []


def test_a_disk_that_fills_up_meanwhile_is_told_and_leaves_nothing(gguf_file, monkeypatch):
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(conversion, "_write_sidecar", full)
    with pytest.raises(ResourceError, match="disk full"):
        AuditedModel.load(str(gguf_file))
    assert converted() == []


def test_what_is_not_a_gguf_file_is_refused(tmp_path):
    (tmp_path / "not.gguf").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ModelError, match=r"not\.gguf: not a readable GGUF file"):
        AuditedModel.load(str(tmp_path / "not.gguf"))
    assert converted() == []


def test_the_faster_reader_is_put_back(gguf_file):
    import gguf
    import numpy
    from gguf import gguf_reader
    from transformers import modeling_gguf_pytorch_utils as utils

    before = (gguf.GGUFReader, gguf_reader.np, utils.tqdm)
    with contextlib.suppress(RuntimeError), conversion.fast_reader() as read, conversion.reported_bar(print):
        assert read(str(gguf_file)) is read(str(gguf_file))
        assert gguf_reader.np is not numpy
        raise RuntimeError
    assert (gguf.GGUFReader, gguf_reader.np, utils.tqdm) == before
    slow = gguf.GGUFReader(gguf_file)
    with conversion.fast_reader() as read:
        for fast, plain in zip(read(str(gguf_file)).tensors, slow.tensors, strict=True):
            assert (fast.name, fast.data.tobytes()) == (plain.name, plain.data.tobytes())


def test_the_sidecar_holds_no_path_and_no_time(gguf_file, tmp_path):
    AuditedModel.load(str(gguf_file))
    sidecar = (only_folder() / "conversion.json").read_text()
    assert str(tmp_path) not in sidecar
    assert str(gguf_file.parent) not in sidecar
    assert set(json.loads(sidecar)) == {"record", "files"}


# --- one conversion, several names -----------------------------------------------------------


@pytest.fixture
def packaged(gguf_file, tmp_path, monkeypatch) -> Builtin:
    """A built-in with terms, whose package carries the tiny GGUF file."""
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(gguf_file, site / "model")
    (site / "TERMS").write_text("be kind")
    installed = importlib.metadata.distribution

    class Carrier:
        def locate_file(self, name: str) -> Path:
            return site / name

    monkeypatch.setattr(importlib.metadata, "distribution", lambda n: Carrier() if n == "made-up" else installed(n))
    one = Builtin(
        ref="made-up",
        name="made-up, F32 dequantised",
        quantisation="F32 dequantised",
        licence="Made-up Terms",
        sha256=sha256_of(gguf_file),
        parts=(("made-up", "model"),),
        install="pip install made-up",
        languages="none",
        terms_file=("made-up", "TERMS"),
    )
    monkeypatch.setitem(BUILTINS, one.ref, one)
    return one


@pytest.mark.parametrize("first_by_name", [True, False])
def test_a_file_with_a_builtins_bytes_is_that_builtin_whichever_was_asked_first(first_by_name, packaged, gguf_file):
    accept_terms("made-up")
    refs = ["made-up", str(gguf_file)] if first_by_name else [str(gguf_file), "made-up"]
    records = [AuditedModel.load(ref).record for ref in refs]
    assert records[0] == records[1] == resolve(refs[0]) == resolve(refs[1]) == prepare(refs[1])
    assert (records[0].name, records[0].ref, records[0].source) == (packaged.name, "made-up", "builtin")
    assert (records[0].licence, records[0].quantisation) == ("Made-up Terms", "F32 dequantised")
    assert records[0].licence_accepted.startswith("Made-up Terms, text of SHA-256 ")
    assert len(converted()) == 1


def test_a_file_with_a_builtins_bytes_comes_under_its_terms(packaged, gguf_file):
    for ask in (resolve, prepare, AuditedModel.load):
        with pytest.raises(ModelError, match="made-up: the Made-up Terms are not accepted"):
            ask(str(gguf_file))
    assert converted() == []
    assert accept_terms(str(gguf_file)) == accept_terms("made-up") != ""
    assert (terms(str(gguf_file)) is None) == (terms("made-up") is None) is False
    assert AuditedModel.load(str(gguf_file)).record.source == "builtin"


def test_a_conversion_says_of_each_request_what_that_request_said(gguf_file, tmp_path):
    other = Path(shutil.copy(gguf_file, tmp_path / "other.gguf"))
    first, second = AuditedModel.load(str(gguf_file)).record, AuditedModel.load(str(other)).record
    assert (first.ref, second.ref) == ("tiny.gguf", "other.gguf")
    assert second == dataclasses.replace(first, ref="other.gguf", name="other, GGUF dequantised")
    assert (first.licence, first.quantisation) == ("not stated", "GGUF dequantised")
    assert len(converted()) == 1


def test_a_device_that_is_not_there_is_refused_before_the_work(gguf_file):
    absent = "mps" if not torch.backends.mps.is_available() else "cuda:99"
    for ask in (prepare, AuditedModel.load):
        with pytest.raises(UsageError, match=f"{absent}: not available on this machine; choose cpu"):
            ask(str(gguf_file), device=absent)
    assert converted() == []
