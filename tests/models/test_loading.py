from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import ARCHITECTURES, WITH_BOS

from audit.errors import ModelError
from audit.models import AuditedModel, resolve

TEXT = "the cat العربية हिन्दी 日本 'n  and 🙂"


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def edit_config(folder: Path, **changes: object) -> Path:
    file = folder / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    return folder


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_loads_with_its_own_logits_and_ids(architecture, tiny_models):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_models[architecture]
    audited = AuditedModel.load(str(folder))
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt").input_ids
    assert audited.tokenizer(TEXT).input_ids == ids[0].tolist()
    assert audited.tokenizer.decode(ids[0], skip_special_tokens=True) == TEXT
    assert (audited.tokenizer(TEXT).input_ids[0] == audited.tokenizer.bos_token_id) == (architecture in WITH_BOS)
    with torch.inference_mode():
        found = audited.adapter.unembed(audited.adapter.hidden(ids))
        torch.testing.assert_close(found, plain(input_ids=ids).logits)


def test_a_loaded_model_cannot_be_trained_by_accident(tiny_models):
    model = AuditedModel.load(str(tiny_models["llama"])).model
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_record_counts_what_torch_counts(architecture, tiny_models):
    audited = AuditedModel.load(str(tiny_models[architecture]))
    record, folder = audited.record, tiny_models[architecture]
    assert record.n_parameters == sum(parameter.numel() for parameter in audited.model.parameters())
    assert (record.n_layers, record.n_heads) == (3, 4)
    assert record.architecture == type(audited.model).__name__
    assert record.weights_sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert record.tokenizer_sha256 == hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_resolve_gives_the_record_that_load_gives(architecture, tiny_models):
    ref = str(tiny_models[architecture])
    assert resolve(ref) == AuditedModel.load(ref).record


def test_a_record_holds_no_machine_path(tiny_models):
    record = resolve(str(tiny_models["gpt2"]))
    assert record is not None
    assert record.ref == "gpt2"
    assert str(tiny_models["gpt2"].parent) not in json.dumps(dataclasses.asdict(record))


def test_naming_and_resolving_models_needs_no_torch(tiny_models):
    program = (
        "import sys; from audit.models import AuditedModel, resolve, terms; "
        f"assert resolve({str(tiny_models['llama'])!r}).n_layers == 3; assert resolve('smollm2-135m') is None; "
        "assert terms('smollm2-135m') is None; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_loading_prints_nothing(tiny_models, capfd):
    AuditedModel.load(str(tiny_models["gemma3"]))
    assert capfd.readouterr() == ("", "")


def test_progress_names_the_stages_in_order(tiny_models):
    seen: list[tuple[str, float]] = []
    AuditedModel.load(str(tiny_models["llama"]), progress=lambda stage, share: seen.append((stage, share)))
    assert seen == [("verify", 0.0), ("load", 0.0), ("check", 0.0), ("check", 1.0)]


def test_weights_in_shards_load_like_weights_in_one_file(tiny_models, tmp_path):
    whole = AuditedModel.load(str(tiny_models["llama"]))
    folder = copy_of(tiny_models["llama"], tmp_path / "shards")
    (folder / "model.safetensors").unlink()
    whole.model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    shards = AuditedModel.load(str(folder))
    ids = torch.tensor([[1, 5, 9]])
    assert torch.equal(shards.adapter.hidden(ids), whole.adapter.hidden(ids))
    assert shards.record.n_parameters == whole.record.n_parameters

    max(folder.glob("*.safetensors")).unlink()
    with pytest.raises(ModelError, match="weight files missing"):
        AuditedModel.load(str(folder))


# --- refusals --------------------------------------------------------------------------------


def refused(ref: Path | str, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        AuditedModel.load(str(ref))
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_builtins_and_the_closest():
    refused("gemma-270m", r"closest: gemma-3-270m\); give a built-in \(gemma-3-270m, smollm2-135m\)")
    refused("absent.gguf", "no such file")
    refused("./absent", "no such model")


def test_an_unknown_dtype_is_refused(tiny_models):
    with pytest.raises(ModelError, match="int4: no such dtype; choose one of float32"):
        AuditedModel.load(str(tiny_models["llama"]), dtype="int4")


def test_pickled_weights_are_refused(tiny_models, tmp_path):
    folder = copy_of(tiny_models["llama"], tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "only pickle weights; refused")
    (folder / "pytorch_model.bin").unlink()
    refused(folder, "no safetensors weights")


def test_a_model_that_needs_its_own_code_is_refused_and_the_code_not_run(tiny_models, tmp_path):
    folder = edit_config(
        copy_of(tiny_models["llama"], tmp_path / "remote"),
        model_type="unheard_of",
        auto_map={"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"},
    )
    witness = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(witness)!r}, 'w')")
    refused(folder, "asks for remote code; refused")
    assert not witness.exists()


def test_a_native_model_with_code_beside_it_loads_natively(tiny_models, tmp_path):
    folder = edit_config(copy_of(tiny_models["llama"], tmp_path / "both"), auto_map={"AutoConfig": "code.Config"})
    (folder / "code.py").write_text("raise SystemExit")
    assert AuditedModel.load(str(folder)).record.architecture == "LlamaForCausalLM"


def test_unsupported_kinds_are_refused_by_name(tiny_models, tmp_path):
    base = tiny_models["llama"]
    refused(edit_config(copy_of(base, tmp_path / "t5"), is_encoder_decoder=True), "llama is an encoder-decoder")
    refused(edit_config(copy_of(base, tmp_path / "odd"), model_type="odd"), "model type 'odd' is unknown")
    refused(edit_config(copy_of(base, tmp_path / "bare"), num_hidden_layers=None), "names no num_hidden_layers")


def test_an_architecture_without_the_expected_parts_is_refused(tmp_path, tiny_models):
    from transformers import BertConfig, BertLMHeadModel

    config = BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=300,
        is_decoder=True,
    )
    BertLMHeadModel(config).save_pretrained(tmp_path / "bert")
    shutil.copy(tiny_models["llama"] / "tokenizer.json", tmp_path / "bert")
    refused(tmp_path / "bert", "no decoder layers found in")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_folder_without_a_part_is_refused_by_the_name_of_the_part(name, tiny_models, tmp_path):
    folder = copy_of(tiny_models["qwen2"], tmp_path / "part")
    (folder / name).unlink()
    refused(folder, f"no {name}")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_refused_by_name(name, tiny_models, tmp_path):
    folder = copy_of(tiny_models["qwen2"], tmp_path / "damaged")
    (folder / name).write_bytes(b"{" * 20)
    refused(folder, name)


def test_a_card_states_the_licence(tiny_models, tmp_path):
    folder = copy_of(tiny_models["gpt2"], tmp_path / "card")
    assert resolve(str(folder)).licence == "not stated"
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: 'mit'\n---\nlicense: no\n")
    assert resolve(str(folder)).licence == "mit"
