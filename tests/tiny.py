"""Tiny random language models in folders, as a hub would hold them: real architectures, real tokenizer files.

The tokenizer is byte-level BPE, so any UTF-8 text can be encoded and comes back unchanged. Weights are wider than
a fresh model's, so that answers differ by tenths of nats, not by rounding.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

Architecture = Literal["llama", "gemma3", "qwen2", "gpt2"]
ARCHITECTURES: tuple[Architecture, ...] = ("llama", "gemma3", "qwen2", "gpt2")

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
WITH_BOS = ("llama", "gemma3")
MERGES = ("t h", "th e", "Ġ the", "Ġ a", "a n", "an d", "Ġ and", "i s", "Ġ is", "i n", "e r", "o n", "Ġ w")
WIDTH, LAYERS, POSITIONS = 32, 3, 512


def tiny_model_folder(path: Path, architecture: Architecture, seed: int = 0) -> Path:
    """Write config, safetensors and tokenizer of a random model into `path`; the same seed gives the same bytes."""
    import torch
    from transformers import AutoModelForCausalLM

    path.mkdir(parents=True, exist_ok=True)
    vocabulary = tiny_tokenizer(path, bos=architecture in WITH_BOS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        auto: Any = AutoModelForCausalLM
        model = auto.from_config(tiny_config(architecture, vocabulary), dtype=torch.float32)
        for name, weight in model.named_parameters():
            torch.nn.init.normal_(weight, mean=_centre(name, architecture), std=0.1 if "norm" in name else 0.2)
    model.save_pretrained(path)
    return path


def tiny_config(architecture: Architecture, vocabulary: int) -> Any:
    """A configuration with two query heads per key-value head wherever the architecture has that."""
    from transformers import Gemma3TextConfig, GPT2Config, LlamaConfig, Qwen2Config

    ids: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": vocabulary}
    if architecture == "gpt2":
        return GPT2Config(n_embd=WIDTH, n_layer=LAYERS, n_head=4, n_positions=POSITIONS, **ids)
    common: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": POSITIONS,
        **ids,
    }
    if architecture == "llama":
        return LlamaConfig(**common, tie_word_embeddings=False)
    if architecture == "qwen2":
        return Qwen2Config(**common, tie_word_embeddings=True)
    kinds = ["sliding_attention", "sliding_attention", "full_attention"]
    return Gemma3TextConfig(**common, head_dim=16, query_pre_attn_scalar=16, sliding_window=8, layer_types=kinds)


def tiny_tokenizer(path: Path, *, bos: bool) -> int:
    """Write tokenizer.json and tokenizer_config.json of a byte-level BPE tokenizer; returns its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    merges = [(left, right) for left, right in (merge.split(" ") for merge in MERGES)]
    pieces = [PAD, BOS, EOS, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in merges)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([PAD, BOS, EOS])
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    tokenizer.save(str(path / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": BOS,
        "eos_token": EOS,
        "clean_up_tokenization_spaces": False,
        "model_max_length": POSITIONS,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return len(pieces)


def _centre(name: str, architecture: Architecture) -> float:
    """Where norm weights lie: Gemma multiplies by (1 + w), the others by w; a bias and a matrix lie around 0."""
    is_norm = "norm" in name or ".ln_" in name
    return 1.0 if is_norm and name.endswith("weight") and architecture != "gemma3" else 0.0
