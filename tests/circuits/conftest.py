"""Tiny models of many architectures, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import ARCHITECTURES, tiny_model_folder, tiny_tokenizer

from audit.circuits.replay import Replay
from audit.models import AuditedModel

# Post-norms and soft caps; a sliding window in every layer; attention and MLP side by side; norms after both.
OTHERS = ("gemma2", "mistral", "phi", "gpt_neox", "olmo2")
EVERY = (*ARCHITECTURES, *OTHERS)
WINDOW = 8  # of those that slide: shorter than most prompts below
N_LAYERS = 3


def other_config(name: str, vocabulary: int) -> Any:
    import transformers as t

    small: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "vocab_size": vocabulary,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    grouped = small | {"num_key_value_heads": 2}
    caps = {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 2.0}
    makes: dict[str, Callable[[], Any]] = {
        "gemma2": lambda: t.Gemma2Config(
            **grouped, **caps, head_dim=16, query_pre_attn_scalar=16, sliding_window=WINDOW
        ),
        "mistral": lambda: t.MistralConfig(**grouped, sliding_window=WINDOW),
        "phi": lambda: t.PhiConfig(**small),
        "gpt_neox": lambda: t.GPTNeoXConfig(**small),
        "olmo2": lambda: t.Olmo2Config(**grouped),
    }
    return makes[name]()


def other_model_folder(path: Path, name: str) -> Path:
    import torch
    from transformers import AutoModelForCausalLM

    path.mkdir(parents=True)
    config = other_config(name, tiny_tokenizer(path, bos=False))
    auto: Any = AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = auto.from_config(config, dtype=torch.float32)
        for key, weight in model.named_parameters():
            is_norm = "norm" in key and weight.dim() == 1
            centre = 1.0 if is_norm and key.endswith("weight") and name != "gemma2" else 0.0
            torch.nn.init.normal_(weight, mean=centre, std=0.1 if is_norm else 0.2)
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], AuditedModel]:
    """A tiny random model by the name of its architecture; each is made once."""
    made: dict[str, AuditedModel] = {}

    def model(name: str) -> AuditedModel:
        if name not in made:
            path = tmp_path_factory.mktemp("tiny") / name
            folder = other_model_folder(path, name) if name in OTHERS else tiny_model_folder(path, name)
            made[name] = AuditedModel.load(str(folder))
        return made[name]

    return model


@pytest.fixture(params=EVERY)
def audited(request: pytest.FixtureRequest, models: Callable[[str], AuditedModel]) -> AuditedModel:
    """Each architecture in turn."""
    return models(request.param)


@pytest.fixture
def llama(models: Callable[[str], AuditedModel]) -> AuditedModel:
    return models("llama")


@pytest.fixture
def replay(audited: AuditedModel) -> Replay:
    return Replay(audited.adapter)
