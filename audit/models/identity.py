"""Who a model is, read from its files alone: configuration, safetensors headers, digests. Needs no torch."""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.records import ModelRecord
from audit.runs import canonical, sha256_of

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
# What of tokenizer_config.json can change token ids; the chat template cannot, as no chat is held.
_TOKEN_SETTINGS = (*SPECIAL_TOKENS, "additional_special_tokens", "add_bos_token", "add_eos_token", "add_prefix_space")

# Buffers that old checkpoints keep beside the parameters: causal masks and rotary frequencies.
BUFFERS = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_LONGEST_HEADER = 100_000_000  # bytes; what safetensors itself allows


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a model folder, refused where it could not be audited.

    Raises:
        ModelError: no valid config.json, an encoder-decoder, or weights that an adapter is to change.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder}: no config.json; give a folder written by save_pretrained()") from None
    except ValueError as error:
        raise ModelError(f"{file}: not valid JSON ({error}); fetch the model again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{file}: not a JSON object; fetch the model again")
    if (folder / "adapter_config.json").is_file():
        # transformers would apply it at load, and no digest would tell.
        raise ModelError(f"{folder}: an adapter lies beside the weights; merge it into them and save the whole model")
    if config.get("is_encoder_decoder"):
        kind = config.get("model_type", "unknown")
        raise ModelError(f"{folder}: {kind} is an encoder-decoder; only decoder-only models can be audited")
    return config


def read_tokenizer_config(folder: Path) -> dict[str, Any]:
    """The tokenizer_config.json of a model folder; empty where there is none.

    Raises:
        ModelError: it is not a JSON object.
    """
    file = folder / "tokenizer_config.json"
    if not file.is_file():
        return {}
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: not valid JSON ({error}); fetch the model again") from None
    if not isinstance(stated, dict):
        raise ModelError(f"{file}: not a JSON object; fetch the model again")
    return stated


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model folder, whole: every shard that the index names.

    Raises:
        ModelError: only pickled weights, no weights, or a missing shard.
    """
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if single.is_file():
        return (single,)
    if index.is_file():
        return _shards(folder, index)
    found = sorted(folder.glob("*.safetensors"))
    if len(found) == 1:
        return (found[0],)
    if any(any(folder.glob(pattern)) for pattern in _PICKLES):
        raise ModelError(f"{folder}: only pickle weights; refused, since a pickle can run code; convert to safetensors")
    raise ModelError(f"{folder}: no safetensors weights; give a folder that holds model.safetensors")


def _shards(folder: Path, index: Path) -> tuple[Path, ...]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{index}: not a safetensors index ({error!r}); fetch the model again") from None
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: {len(missing)} of {len(names)} weight files missing ({missing[0]}); fetch again")
    return tuple(folder / name for name in names)


def tokenizer_file(folder: Path) -> Path:
    """The tokenizer.json of a model folder.

    Raises:
        ModelError: there is none; other tokenizer formats are rebuilt differently by different libraries.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"{folder}: no tokenizer.json; save the model's fast tokenizer there with save_pretrained()")
    return file


def weights_digest(files: tuple[Path, ...], *, digest: Callable[[Path], str] = sha256_of) -> str:
    """SHA-256 of the one weights file; of several, that of their `digest  name` lines in order of name."""
    if len(files) == 1:
        return digest(files[0])
    lines = "".join(f"{digest(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def config_digest(folder: Path) -> str:
    """SHA-256 of what config.json says, and tokenizer_config.json of special tokens: neither spacing nor order counts.

    The same weights give other numbers under another configuration, and other ids under other special tokens.
    """
    # Canonical JSON has no Infinity; some configurations do.
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"), parse_constant=str)
    stated = read_tokenizer_config(folder)
    used = {name: stated[name] for name in _TOKEN_SETTINGS if stated.get(name) is not None}
    return hashlib.sha256(canonical({"config": config, "tokenizer": used})).hexdigest()


def n_parameters(files: tuple[Path, ...]) -> int:
    """How many parameters the files hold; an embedding shared with the unembedding counts once."""
    shapes = {name: entry["shape"] for file in files for name, entry in _header(file).items() if name != "__metadata__"}
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(BUFFERS))


def _header(file: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file (eight bytes of length, then the header)."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _LONGEST_HEADER:
                raise ValueError(f"header of {length} bytes")
            header: dict[str, Any] = json.loads(stream.read(length))
    except (ValueError, struct.error) as error:
        raise ModelError(f"{file}: not a safetensors file ({error}); fetch the model again") from None
    return header


def stated_licence(folder: Path) -> str:
    """The licence that the model card names in its front matter, or "not stated"."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    front = re.match(r"---\n(.*?)\n---", text, flags=re.DOTALL)
    found = re.search(r"^license:\s*(\S.*)$", front.group(1), flags=re.MULTILINE) if front else None
    return found.group(1).strip().strip("'\"") if found else "not stated"


def identify(
    folder: Path, *, dtype: str, revision: str | None = None, digest: Callable[[Path], str] = sha256_of
) -> ModelRecord:
    """The record of a model folder as far as its bytes decide it; name, ref, source and acceptance are left empty.

    Args:
        folder: config.json, safetensors and tokenizer.json.
        dtype: in which it is to be loaded.
        revision: hub commit or digest of the source file; the weights' digest where there is neither.
        digest: gives the SHA-256 of a file, for those who have it already.

    Raises:
        ModelError: the folder lacks a part of a model, or holds one that cannot be audited.
    """
    config, files = read_config(folder), weight_files(folder)
    text_config = config.get("text_config") or config
    weights = weights_digest(files, digest=digest)
    return ModelRecord(
        name="",
        ref="",
        source="",
        revision=revision or weights,
        architecture=(config.get("architectures") or [config.get("model_type", "unknown")])[0],
        n_layers=_count(folder, text_config, "num_hidden_layers", "n_layer", "num_layers", "n_layers"),
        n_heads=_count(folder, text_config, "num_attention_heads", "n_head", "num_heads", "n_heads"),
        n_parameters=n_parameters(files),
        dtype=dtype,
        device="cpu",
        weights_sha256=weights,
        tokenizer_sha256=digest(tokenizer_file(folder)),
        config_sha256=config_digest(folder),
        quantisation=_quantisation(config),
        licence=stated_licence(folder),
        licence_accepted="",
    )


def _count(folder: Path, config: dict[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise ModelError(f"{folder}: config.json names no {names[0]}; its architecture is not supported")


def _quantisation(config: dict[str, Any]) -> str:
    stated = config.get("quantization_config")
    return str(stated.get("quant_method", "unnamed method")) if isinstance(stated, dict) else ""
