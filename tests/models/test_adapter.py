from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import ARCHITECTURES, Architecture, tiny_config
from torch import nn

from audit.errors import ModelError
from audit.models.adapter import check_adapter, find_adapter


def tiny(config) -> nn.Module:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for name, weight in model.named_parameters():
        nn.init.normal_(weight, mean=1.0 if "norm" in name and weight.dim() == 1 else 0.0, std=0.2)
    return model.requires_grad_(False)


def tiny_named(architecture: Architecture) -> nn.Module:
    return tiny(tiny_config(architecture, 272))


def other_configs():
    import transformers as t

    small = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 272,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    grouped = small | {"num_key_value_heads": 2}
    return {
        "gemma2": t.Gemma2Config(**grouped, head_dim=16, attn_implementation="eager", final_logit_softcapping=3.0),
        "qwen3": t.Qwen3Config(**grouped, head_dim=16),
        "mistral": t.MistralConfig(**grouped),
        "gpt_neox": t.GPTNeoXConfig(**small),
        "gpt_neox, sequential": t.GPTNeoXConfig(**small, use_parallel_residual=False),
        "phi": t.PhiConfig(**small),
        "olmo2": t.Olmo2Config(**grouped),
        "cohere": t.CohereConfig(**grouped, logit_scale=0.25),
        "granite": t.GraniteConfig(**grouped, logits_scaling=4.0, residual_multiplier=0.5),
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_tiny_model_of_each_architecture_passes_its_checks(architecture):
    model = tiny_named(architecture)
    adapter = find_adapter(model)
    check_adapter(model, adapter)
    n_kv_heads = 4 if architecture == "gpt2" else 2
    head_dim = 16 if architecture == "gemma3" else 8  # 32 / 4 heads, unless stated
    assert (adapter.n_layers, adapter.n_heads, adapter.n_kv_heads, adapter.head_dim) == (3, 4, n_kv_heads, head_dim)


@pytest.mark.parametrize("name", list(other_configs()))
def test_other_decoders_are_found_by_their_parts(name):
    model = tiny(other_configs()[name])
    adapter = find_adapter(model)
    check_adapter(model, adapter)  # raises unless patching acts as it should
    assert len(adapter.layers) == len(adapter.attention_outputs) == len(adapter.mlps) == adapter.n_layers > 0


def test_final_logits_are_capped_where_the_architecture_caps_them():
    adapter = find_adapter(tiny(other_configs()["gemma2"]))
    logits = adapter.unembed(100 * torch.ones(2, 32))
    assert logits.shape == (2, 272)
    assert float(logits.abs().max()) <= 3.0


def test_hidden_states_at_chosen_places_unembed_to_the_full_rows():
    model = tiny_named("gemma3")
    adapter = find_adapter(model)
    ids = torch.arange(3, 15)[None]
    chosen = adapter.unembed(adapter.hidden(ids)[0, [4, 9]])
    torch.testing.assert_close(chosen, model(input_ids=ids).logits[0, [4, 9]])


def test_checks_leave_no_hooks_behind():
    model = tiny_named("llama")
    check_adapter(model, find_adapter(model))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


# --- each check can fail ---------------------------------------------------------------------


def broken(architecture: Architecture = "llama", **changes):
    model = tiny_named(architecture)
    return model, dataclasses.replace(find_adapter(model), **changes)


def test_a_forgotten_scale_or_cap_is_caught():
    for changes in ({"logit_multiplier": 1.5}, {"logit_cap": 2.0}):
        model, adapter = broken(**changes)
        with pytest.raises(ModelError, match=r"LlamaForCausalLM: .* its logits are not unembed\(body\)"):
            check_adapter(model, adapter)


def test_an_unknown_scale_in_the_architecture_is_caught():
    config = other_configs()["cohere"]
    model = tiny(config)
    with pytest.raises(ModelError, match=r"not unembed\(body\)"):
        check_adapter(model, dataclasses.replace(find_adapter(model), logit_multiplier=1.0))


def test_a_model_that_looks_ahead_is_caught():
    model = tiny_named("qwen2")
    for layer in model.model.layers:
        layer.self_attn.is_causal = False
    model.model.layers[0].mlp.register_forward_hook(lambda _m, _i, out: out + out.mean(dim=1, keepdim=True))
    with pytest.raises(ModelError, match="later tokens change what earlier ones predict"):
        check_adapter(model, find_adapter(model))


def test_a_model_that_is_not_deterministic_is_caught():
    model = tiny_named("gpt2")
    model.transformer.h[1].register_forward_hook(lambda _m, _i, out: out + torch.randn_like(out))
    with pytest.raises(ModelError, match="failed the check at load"):
        check_adapter(model, find_adapter(model))


def test_a_module_that_two_layers_share_is_caught():
    model = tiny_named("llama")
    model.model.layers[1].mlp = model.model.layers[0].mlp  # what is kept of it is its last run only
    with pytest.raises(ModelError, match="patching nothing changes what it predicts"):
        check_adapter(model, find_adapter(model))


def test_a_node_that_was_missed_is_caught():
    model, adapter = broken()
    outputs = adapter.attention_outputs
    for changes in (
        {"mlps": (adapter.mlps[0], adapter.mlps[1], adapter.mlps[1])},
        {"mlps": tuple(mlp.gate_proj for mlp in adapter.mlps)},  # acts, but up_proj leads around it
        {"attention_outputs": (outputs[0], outputs[0], outputs[2])},
        {"attention_outputs": tuple(layer.self_attn.q_proj for layer in adapter.layers)},  # values lead around it
    ):
        with pytest.raises(ModelError, match="its nodes do not hold all that its layers write"):
            check_adapter(model, dataclasses.replace(adapter, **changes))


def test_an_embedding_that_is_not_the_only_entry_is_caught():
    model = tiny_named("gpt2")
    adapter = dataclasses.replace(find_adapter(model), embedding=model.transformer.wpe)
    with pytest.raises(ModelError, match="patching everything does not give the counterpart"):
        check_adapter(model, adapter)


def test_a_module_that_never_runs_is_caught():
    model, adapter = broken()
    idle = (nn.Identity(), *adapter.mlps[1:])
    with pytest.raises(ModelError, match=r"mlp of layer 0 is never run"):
        check_adapter(model, dataclasses.replace(adapter, mlps=idle))


@pytest.mark.parametrize(
    ("dtype", "failure"),
    [
        (torch.float32, "its nodes do not hold all that its layers write"),
        (torch.bfloat16, "patching all MLPs gives all of the counterpart"),
    ],
)
def test_a_node_that_carries_the_whole_residual_is_caught(dtype, failure):
    """BLOOM's MLP adds the residual stream inside the module."""
    from transformers import BloomConfig

    model = tiny(BloomConfig(vocab_size=272, hidden_size=32, n_layer=2, n_head=4)).to(dtype)
    with pytest.raises(ModelError, match=f"BloomForCausalLM: failed the check at load: {failure}"):
        check_adapter(model, find_adapter(model))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_half_precision_passes_its_checks(architecture):
    model = tiny_named(architecture).to(torch.bfloat16)
    adapter = find_adapter(model)
    check_adapter(model, adapter)  # raises unless patching acts as it should
    assert adapter.unembed(torch.ones(1, 32, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_hooks_that_do_not_act_are_caught():
    model, adapter = broken()
    for mlp in adapter.mlps:
        nn.init.zeros_(mlp.down_proj.weight)
    with pytest.raises(ModelError, match="patching all MLPs changes nothing"):
        check_adapter(model, adapter)


def test_a_width_that_contradicts_the_configuration_is_caught():
    model = tiny_named("gpt2")
    model.config.n_head = 5
    with pytest.raises(ModelError, match="attention output reads 32 values, heads x head_dim is 30"):
        find_adapter(model)


def test_a_layer_without_an_output_projection_is_refused():
    model = tiny_named("llama")
    model.model.layers[1].self_attn.o_proj = None
    with pytest.raises(ModelError, match="LlamaForCausalLM: no attention output projection found in LlamaAttention"):
        find_adapter(model)
