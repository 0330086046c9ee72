"""Who a model is, read from its files alone: configuration, safetensors headers, digests. Needs no torch."""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.records import ModelRecord
from audit.runs import sha256_of

# Buffers that old checkpoints keep beside the parameters: causal masks and rotary frequencies.
_BUFFERS = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_LONGEST_HEADER = 100_000_000  # bytes; what safetensors itself allows


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a model folder, refused where it could not be audited.

    Raises:
        ModelError: no valid config.json, an encoder-decoder, or a model that needs code from its repository.
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
    if config.get("is_encoder_decoder"):
        kind = config.get("model_type", "unknown")
        raise ModelError(f"{folder}: {kind} is an encoder-decoder; only decoder-only models can be audited")
    return config


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


def weights_digest(files: tuple[Path, ...]) -> str:
    """SHA-256 of the one weights file; of several, that of their `digest  name` lines in order of name."""
    if len(files) == 1:
        return sha256_of(files[0])
    lines = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def n_parameters(files: tuple[Path, ...]) -> int:
    """How many parameters the files hold; an embedding shared with the unembedding counts once."""
    shapes = {name: entry["shape"] for file in files for name, entry in _header(file).items() if name != "__metadata__"}
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(_BUFFERS))


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
    folder: Path,
    *,
    name: str,
    ref: str,
    source: str,
    revision: str | None,
    dtype: str,
    device: str,
    quantisation: str = "",
    licence: str | None = None,
) -> ModelRecord:
    """The record of a model folder; `revision` and `licence` default to the weights' digest and the card's words.

    Raises:
        ModelError: the folder lacks a part of a model, or holds one that cannot be audited.
    """
    config, files = read_config(folder), weight_files(folder)
    text_config = config.get("text_config") or config
    digest = weights_digest(files)
    return ModelRecord(
        name=name,
        ref=ref,
        source=source,
        revision=revision or digest,
        architecture=(config.get("architectures") or [config.get("model_type", "unknown")])[0],
        n_layers=_count(folder, text_config, "num_hidden_layers", "n_layer", "num_layers", "n_layers"),
        n_heads=_count(folder, text_config, "num_attention_heads", "n_head", "num_heads", "n_heads"),
        n_parameters=n_parameters(files),
        dtype=dtype,
        device=device,
        weights_sha256=digest,
        tokenizer_sha256=sha256_of(tokenizer_file(folder)),
        quantisation=quantisation or _quantisation(config),
        licence=licence or stated_licence(folder),
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
