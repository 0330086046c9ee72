"""From a reference to a model that can be run, and to the record that says which model it was."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError, ResourceError, UsageError
from audit.models import builtin as packaged
from audit.models import gguf, hub
from audit.models.builtin import BUILTINS
from audit.models.identity import (
    BUFFERS,
    SPECIAL_TOKENS,
    identify,
    read_config,
    read_tokenizer_config,
    tokenizer_file,
)
from audit.models.places import Progress, silent
from audit.models.quiet import quiet_transformers
from audit.records import ModelRecord

if TYPE_CHECKING:
    from audit.models.adapter import Adapter

DTYPES = ("float32", "float16", "bfloat16")
_DEVICE = re.compile(r"cpu|mps|cuda(?::(?P<number>\d+))?")
_NEEDED = ("torch", "transformers", "huggingface_hub")


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditedModel:
    """A model ready to be looked into: in eval mode, without gradients on its weights, its adapter checked."""

    record: ModelRecord
    model: Any  # a transformers causal LM
    tokenizer: Any  # a transformers fast tokenizer
    adapter: Adapter

    @classmethod
    def load(
        cls,
        ref: str,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        accept_terms: bool = False,
        progress: Progress | None = None,
    ) -> AuditedModel:
        """Find, fetch or convert, verify, load and check a model.

        Args:
            ref: a built-in name, a local folder, a .gguf file, or a hub id `owner/name[@revision]`.
            dtype: of weights and arithmetic; "float32" (default), "bfloat16" or "float16".
            device: "cpu" (default), "cuda", "cuda:<number>" or "mps".
            accept_terms: accept the built-in model's terms on behalf of the user, who has been shown `terms(ref)`.
            progress: called with the name of each stage and the share of it that is done.

        Raises:
            ModelError: the model cannot be found, fetched, verified, converted, loaded, or is of a kind that cannot
                be audited; the message says which.
            ResourceError: no disk or memory for it, or a package is missing.
            UsageError: no such dtype, or a device that this machine lacks.
        """
        report = progress or silent
        _require_dtype(dtype)
        _require_torch()
        _require_device(device)
        if accept_terms:
            packaged.accept_terms(ref)
        folder, record = _obtain(ref, dtype=dtype, progress=report)
        record = _for_use(record, ref=ref, device=device)
        report("load", 0.0)
        model = _load_weights(folder, record)
        tokenizer = _load_tokenizer(folder)
        report("check", 0.0)
        adapter = _checked_adapter(model, record)
        report("check", 1.0)
        return cls(record=record, model=model, tokenizer=tokenizer, adapter=adapter)

    @functools.cached_property
    def begin(self) -> tuple[int, ...]:
        """The ids that the tokenizer puts before every text, such as BOS; found by encoding one, not by their names."""
        whole = tuple(self.tokenizer("a").input_ids)
        plain = tuple(self.tokenizer("a", add_special_tokens=False).input_ids)
        starts = (start for start in range(len(whole)) if whole[start : start + len(plain)] == plain)
        return whole[: next(starts, 0)]

    def encode(self, text: str) -> tuple[int, ...]:
        """`begin`, then the ids of a text in which no special token is recognised: "<eos>" is five characters.

        An added token that the tokenizer does not declare special keeps its one id.
        """
        return self.begin + tuple(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)

    @functools.cached_property
    def deepest_branch(self) -> int:
        """Up to how many tokens of a sequence it may share a row with others (audit.models.packing); 0: never."""
        from audit.models.packing import deepest_branch

        return deepest_branch(self.adapter)

    @functools.cached_property
    def context_length(self) -> int:
        """How many positions the model was configured for.

        Raises:
            ModelError: its configuration names no such number.
        """
        length = getattr(self.model.config.get_text_config(decoder=True), "max_position_embeddings", None)
        if not isinstance(length, int):
            raise ModelError(f"{self.record.name}: config.json names no max_position_embeddings; not supported")
        return length


def resolve(ref: str, *, dtype: str = "float32", device: str = "cpu") -> ModelRecord | None:
    """The record of a model that `load` would give, without torch; None if it must first be fetched or converted.

    For folders and hub models the digests are computed; for conversions they are those recorded then, after a look
    at the files' sizes (`load` computes them).

    Raises:
        ModelError: no such model, terms not accepted, or files damaged.
        UsageError: no such dtype or device; whether this machine has the device only `prepare` and `load` look.
    """
    _require_dtype(dtype)
    _require_device_name(device)
    record: ModelRecord | None
    match _kind(ref):
        case "builtin" | "gguf":
            record = gguf.known_conversion(_licensed_source(ref), dtype)
        case "folder":
            record = identify(Path(ref).expanduser(), dtype=dtype)
        case _:
            snapshot = hub.local_snapshot(ref)
            record = identify(snapshot.folder, dtype=dtype, revision=snapshot.commit) if snapshot else None
    return _for_use(record, ref=ref, device=device) if record else None


def prepare(ref: str, *, dtype: str = "float32", device: str = "cpu", progress: Progress | None = None) -> ModelRecord:
    """Fetch or convert a model if that was not done yet, and say which model it is. Torch is needed only if so.

    Raises:
        ModelError, ResourceError, UsageError: as `AuditedModel.load`.
    """
    _require_device(device)
    record = resolve(ref, dtype=dtype, device=device)
    if record is None:
        _obtain(ref, dtype=dtype, progress=progress or silent)
        record = resolve(ref, dtype=dtype, device=device)
    assert record is not None, f"{ref}: fetched, and still not there"
    return record


def load_tokenizer(ref: str) -> Any:
    """The tokenizer of a model alone, in a second or two; fetches or converts the model if need be.

    Raises:
        ModelError, ResourceError: as `AuditedModel.load`.
    """
    folder, _ = _obtain(ref, dtype="float32", progress=silent)
    return _load_tokenizer(folder)


@dataclass(frozen=True, kw_only=True)
class BuiltinState:
    """A built-in model on this machine."""

    name: str
    languages: str
    licence: str
    installed: bool  # the package with its file is there
    converted: bool  # a run can start at once
    install: str  # the command that brings the package


def builtin_states(dtype: str = "float32") -> tuple[BuiltinState, ...]:
    """Every built-in model: whether its package is there, whether it is converted."""
    return tuple(
        BuiltinState(
            name=one.ref,
            languages=one.languages,
            licence=one.licence,
            installed=packaged.is_installed(one),
            converted=_is_converted(one.sha256, dtype),
            install=one.install,
        )
        for one in BUILTINS.values()
    )


def _is_converted(sha256: str, dtype: str) -> bool:
    try:
        return gguf.known_conversion(sha256, dtype) is not None
    except ModelError:  # damaged: no run can start with it, and asking for it says why
        return False


# --- where it comes from ---------------------------------------------------------------------


def _kind(ref: str) -> str:
    """builtin, gguf, folder or hub.

    Raises:
        ModelError: none of them; the message lists the built-ins and the closest name.
    """
    path = Path(ref).expanduser()
    if ref in BUILTINS:
        return "builtin"
    if ref.endswith(".gguf"):
        if path.is_file():
            return "gguf"
        raise ModelError(f"{ref}: no such file; built-in models: {', '.join(BUILTINS)}")
    if path.is_dir():
        return "folder"
    if hub.is_hub_name(ref) and not ref.startswith((".", "~")):
        return "hub"
    near = difflib.get_close_matches(ref.lower(), BUILTINS, n=1, cutoff=0.4)
    closest = f" (closest: {near[0]})" if near else ""
    raise ModelError(
        f"{ref}: no such model{closest}; give a built-in ({', '.join(BUILTINS)}), a folder, a .gguf file or owner/name"
    )


def _obtain(ref: str, *, dtype: str, progress: Progress) -> tuple[Path, ModelRecord]:
    """The model's folder on this disk, and what its bytes decide of its record, digests just computed."""
    kind = _kind(ref)
    _require_torch()
    match kind:
        case "builtin" | "gguf":
            folder = _convert(ref, dtype=dtype, progress=progress)
            progress("verify", 0.0)
            return folder, gguf.verify(folder)
        case "folder":
            folder = Path(ref).expanduser()
            progress("verify", 0.0)
            return folder, identify(folder, dtype=dtype)
        case _:
            snapshot = hub.fetch(ref, progress=progress)
            progress("verify", 0.0)
            return snapshot.folder, identify(snapshot.folder, dtype=dtype, revision=snapshot.commit)


def _convert(ref: str, *, dtype: str, progress: Progress) -> Path:
    """The folder of the conversion, from the package or, where the reference is a file, from that."""
    sha256 = _licensed_source(ref)

    def source(scratch: Path) -> Path:
        if ref not in BUILTINS:
            return Path(ref).expanduser().resolve()
        whole = scratch / "whole.gguf"
        packaged.assemble(BUILTINS[ref], whole, progress=progress)
        return whole

    return gguf.convert(source, sha256=sha256, dtype=dtype, progress=progress)


def _licensed_source(ref: str) -> str:
    """SHA-256 of the GGUF file that a built-in's name or a path means; refused while its terms are not accepted."""
    builtin = packaged.builtin_of(ref)
    if builtin is None:
        return packaged.source_digest(Path(ref).expanduser())
    packaged.acceptance(builtin)
    return builtin.sha256


def _for_use(record: ModelRecord, *, ref: str, device: str) -> ModelRecord:
    """A record with what the request adds to the bytes: name, source, licence, device, how terms were accepted.

    Of a local path only the last part is kept, as records hold no machine paths.
    """
    named = dataclasses.replace(record, device=device, licence_accepted="")
    builtin = packaged.builtin_of(ref)
    if builtin is not None:
        return dataclasses.replace(
            named,
            name=builtin.name,
            ref=builtin.ref,
            source="builtin",
            quantisation=builtin.quantisation,
            licence=builtin.licence,
            licence_accepted=packaged.acceptance(builtin),
        )
    path = Path(ref).expanduser()
    match _kind(ref):
        case "gguf":
            how = "GGUF dequantised"
            name = f"{path.stem}, {how}"
            return dataclasses.replace(
                named, name=name, ref=path.name, source="gguf", quantisation=how, licence="not stated"
            )
        case "folder":
            return dataclasses.replace(named, name=path.resolve().name, ref=path.resolve().name, source="folder")
        case _:
            return dataclasses.replace(named, name=hub.repository(ref), ref=ref, source="hub")


# --- into memory -----------------------------------------------------------------------------


def _load_weights(folder: Path, record: ModelRecord) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    config = _native_config(folder)
    try:
        with quiet_transformers():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=getattr(torch, record.dtype),
                # sdpa cannot cap attention scores, so those models get the plain implementation.
                attn_implementation="eager" if getattr(config, "attn_logit_softcapping", None) else None,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                # Without these two, a tensor that is missing or of another shape becomes random numbers.
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
            model, found = loaded
            _require_whole(found, record.name)
            model = model.to(record.device)
    except ImportError as error:
        fact = f"its weights are quantised as {record.quantisation}" if record.quantisation else _first_line(error)
        raise ModelError(f"{record.name}: {fact}; not supported") from None
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" in str(error).lower():
            raise ResourceError(
                f"{record.name}: not enough memory on {record.device}; choose a smaller model"
            ) from None
        fact = _first_line(error)
        raise ModelError(f"{record.name}: transformers cannot load it ({fact}); this model is not supported") from None
    return model.eval().requires_grad_(False)


def _require_whole(found: Mapping[str, Any], name: str) -> None:
    """Refuse a checkpoint unless it holds each tensor of the model, and no other but the buffers of old ones.

    A tied unembedding is not missing: transformers leaves it out of what it reports.
    """
    faults = {
        "is missing from the weights": sorted(found["missing_keys"]),
        "has another shape than config.json says": sorted(key for key, *_shapes in found["mismatched_keys"]),
        "is no part of the language model": sorted(
            key for key in found["unexpected_keys"] if not key.endswith(BUFFERS)
        ),
    }
    for fault, keys in faults.items():
        if keys:
            others = f" ({len(keys) - 1} more)" if len(keys) > 1 else ""
            raise ModelError(f"{name}: tensor {keys[0]}{others} {fault}; fetch the whole causal language model again")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _native_config(folder: Path) -> Any:
    """The configuration as transformers' own class, never one from the repository.

    Raises:
        ModelError: transformers has no class of its own for it.
    """
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    stated = read_config(folder)
    kind = stated.get("model_type")
    if kind not in CONFIG_MAPPING:
        if "auto_map" in stated:
            raise ModelError(f"{folder.name}: asks for remote code; refused, since code from a repository is never run")
        raise ModelError(f"{folder.name}: model type {kind!r} is unknown to transformers; this model is not supported")
    with quiet_transformers():
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _load_tokenizer(folder: Path) -> Any:
    """The tokenizer as tokenizer.json has it; only the names of special tokens come from its configuration.

    The same ids as AutoTokenizer's in a fifth of its time, which goes into formats that are not there.
    """
    from transformers import PreTrainedTokenizerFast

    stated = read_tokenizer_config(folder)
    special = {name: stated[name] for name in SPECIAL_TOKENS if stated.get(name) is not None}
    texts = {name: token["content"] if isinstance(token, dict) else token for name, token in special.items()}
    template = folder / "chat_template.jinja"
    chat = template.read_text(encoding="utf-8") if template.is_file() else stated.get("chat_template")
    with quiet_transformers():
        try:
            return PreTrainedTokenizerFast(
                tokenizer_file=str(tokenizer_file(folder)),
                clean_up_tokenization_spaces=False,
                chat_template=chat,
                **texts,
            )
        except Exception as error:
            # tokenizers raises bare Exception for whatever is wrong in the file.
            raise ModelError(f"{folder.name}: tokenizer.json cannot be read ({error}); fetch the model again") from None


def _checked_adapter(model: Any, record: ModelRecord) -> Adapter:
    from audit.models.adapter import check_adapter, find_adapter

    adapter = find_adapter(model)
    if (adapter.n_layers, adapter.n_heads) != (record.n_layers, record.n_heads):
        raise ModelError(f"{record.name}: layers or heads are not those of its config.json; fetch the model again")
    check_adapter(model, adapter)
    return adapter


def _require_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise UsageError(f"{dtype}: no such dtype; choose one of {', '.join(DTYPES)}")


def _require_device_name(device: str) -> None:
    if _DEVICE.fullmatch(device) is None:
        raise UsageError(f"{device}: no such device; choose cpu, cuda, cuda:<number> or mps")


def _require_device(device: str) -> None:
    """Refuse a device that is unknown or not there, before anything is fetched or converted for it."""
    _require_device_name(device)
    if device == "cpu":
        return
    _require_torch()
    import torch

    if device == "mps":
        there = torch.backends.mps.is_available()
    else:
        found = _DEVICE.fullmatch(device)
        number = int(found["number"] or 0) if found else 0
        there = torch.cuda.is_available() and number < torch.cuda.device_count()
    if not there:
        raise UsageError(f"{device}: not available on this machine; choose cpu")


def _require_torch() -> None:
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            raise ResourceError(f"package {package} is missing; run: pip install plural-audit[models]")
