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

from audit.errors import ModelError, UsageError
from audit.models import AuditedModel, prepare, resolve

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
    assert resolve(ref) == prepare(ref) == AuditedModel.load(ref).record


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


def test_without_torch_models_are_listed_and_needing_one_is_told_in_one_line(tiny_models):
    program = f"""
import importlib.metadata, sys
for name in ("torch", "transformers", "huggingface_hub", "tokenizers", "safetensors", "gguf", "jaxtyping"):
    sys.modules[name] = None  # as if it were not installed
version = importlib.metadata.version
def installed(name):
    if name == "transformers":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = installed
from audit.errors import ResourceError
from audit.models import AuditedModel, builtin_states, load_tokenizer, prepare, resolve
assert [state.converted for state in builtin_states()] == [False, False]
assert resolve("smollm2-135m") is None and resolve("owner/name") is None
folder = {str(tiny_models["llama"])!r}
assert resolve(folder).n_layers == 3 and prepare(folder) == resolve(folder)
needing = ((prepare, "smollm2-135m"), (prepare, "owner/name"), (load_tokenizer, folder), (AuditedModel.load, folder))
for ask, ref in needing:
    try:
        ask(ref)
    except ResourceError as error:
        assert str(error) == "package torch is missing; run: pip install plural-audit[models]", error
    else:
        raise AssertionError(ref)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_digest_of_the_configuration_moves_with_what_it_says_and_not_with_how_it_is_written(tiny_models, tmp_path):
    folder = copy_of(tiny_models["llama"], tmp_path / "copy")
    first = resolve(str(folder)).config_sha256
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(dict(reversed(config.items())), indent=7))
    assert resolve(str(folder)).config_sha256 == first
    edit_config(folder, rms_norm_eps=0.5)
    second = resolve(str(folder)).config_sha256
    tokens = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens | {"chat_template": "none"}))
    assert resolve(str(folder)).config_sha256 == second  # changes no id
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens | {"add_bos_token": False}))
    third = resolve(str(folder)).config_sha256
    assert len({first, second, third}) == 3
    assert AuditedModel.load(str(folder)).record.config_sha256 == third


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_the_tokenizer_puts_before_a_text_is_found_by_encoding_one(architecture, tiny_models):
    audited = AuditedModel.load(str(tiny_models[architecture]))
    assert audited.begin == ((1,) if architecture in WITH_BOS else ())  # all four name <bos>, id 1; two use it
    assert audited.encode(TEXT) == tuple(audited.tokenizer(TEXT).input_ids)
    assert audited.context_length == 512


def test_a_text_that_names_a_special_token_is_read_as_its_characters(tiny_models):
    audited = AuditedModel.load(str(tiny_models["gemma3"]))
    named = [audited.tokenizer.convert_tokens_to_ids(character) for character in "x<eos><bos>"]
    assert None not in named  # one id for each of the eleven characters, none of them special
    assert audited.encode("x<eos><bos>") == (1, *named)
    assert min(named) > 2
    assert 2 in audited.tokenizer("x<eos>").input_ids  # as tokenizers read it unasked, before and after


def test_a_template_that_also_closes_a_text_begins_with_what_stands_before_it(tiny_models, tmp_path):
    from tokenizers import Tokenizer, processors

    folder = copy_of(tiny_models["llama"], tmp_path / "closing")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens = [("<bos>", 1), ("<eos>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<eos> <bos> $A <eos>", special_tokens=tokens)
    tokenizer.save(str(folder / "tokenizer.json"))
    audited = AuditedModel.load(str(folder))
    assert audited.begin == (2, 1)
    assert audited.encode("the")[:2] == (2, 1)
    assert audited.encode("the")[-1] != 2


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


@pytest.mark.parametrize("ask", [resolve, prepare, AuditedModel.load])
def test_an_unknown_dtype_or_device_is_a_usage_error(ask, tiny_models):
    with pytest.raises(UsageError, match="int4: no such dtype; choose one of float32"):
        ask(str(tiny_models["llama"]), dtype="int4")
    for device in ("gpu", "cuda:x", "meta", ""):
        with pytest.raises(UsageError, match=f"{device}: no such device; choose cpu, cuda, cuda:<number> or mps"):
            ask(str(tiny_models["llama"]), device=device)


def rewrite_weights(folder: Path, **changes: torch.Tensor | None) -> Path:
    """Change tensors by name; None deletes one."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors") | changes
    kept = {name: weight.contiguous() for name, weight in weights.items() if weight is not None}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "lm_head.weight", "model.norm.weight"])
def test_a_missing_tensor_is_refused_by_name_and_not_made_up(name, tiny_models, tmp_path):
    folder = rewrite_weights(copy_of(tiny_models["llama"], tmp_path / "holes"), **{name: None})
    refused(folder, f"tensor {name} is missing from the weights")


def test_a_tensor_of_another_shape_is_refused_by_name(tiny_models, tmp_path):
    name = "model.layers.0.mlp.gate_proj.weight"
    folder = rewrite_weights(copy_of(tiny_models["llama"], tmp_path / "shape"), **{name: torch.ones(3, 3)})
    refused(folder, f"tensor {name} has another shape than config.json says")


def test_a_tensor_that_the_model_does_not_have_is_refused_by_name_unless_it_is_an_old_buffer(tiny_models, tmp_path):
    buffer = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    folder = rewrite_weights(copy_of(tiny_models["llama"], tmp_path / "more"), **buffer)
    assert AuditedModel.load(str(folder)).record.n_parameters == resolve(str(tiny_models["llama"])).n_parameters
    rewrite_weights(folder, **{"extra.weight": torch.ones(2)})
    refused(folder, "tensor extra.weight is no part of the language model")


@pytest.mark.parametrize("tied", [True, False])
def test_a_classifier_is_refused(tied, tiny_models, tmp_path):
    from transformers import AutoConfig, LlamaForSequenceClassification

    folder = copy_of(tiny_models["llama"], tmp_path / "classifier")
    config = AutoConfig.from_pretrained(folder, tie_word_embeddings=tied)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    refused(folder, "tensor score.weight is no part" if tied else "tensor lm_head.weight is missing")


def test_quantised_weights_are_refused_by_the_name_of_their_method(tiny_models, tmp_path):
    quantised = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    folder = edit_config(copy_of(tiny_models["llama"], tmp_path / "gptq"), quantization_config=quantised)
    refused(folder, "its weights are quantised as gptq; not supported")


def test_a_folder_with_an_adapter_beside_the_weights_is_refused(tiny_models, tmp_path):
    folder = copy_of(tiny_models["llama"], tmp_path / "adapted")
    (folder / "adapter_config.json").write_text("{}")
    refused(folder, "an adapter lies beside the weights")


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
