"""From a reference to a model that can be run, and to the record that says which model it was."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError, ResourceError
from audit.models import builtin as packaged
from audit.models import gguf, hub
from audit.models.builtin import BUILTINS, Builtin
from audit.models.identity import identify, read_config, tokenizer_file
from audit.models.places import Progress, silent
from audit.models.quiet import quiet_transformers
from audit.records import ModelRecord
from audit.runs import sha256_of

if TYPE_CHECKING:
    from audit.models.adapter import Adapter

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
DTYPES = ("float32", "float16", "bfloat16")


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
            device: as torch names it.
            accept_terms: accept the built-in model's terms on behalf of the user, who has been shown `terms(ref)`.
            progress: called with the name of each stage and the share of it that is done.

        Raises:
            ModelError: the model cannot be found, fetched, verified, converted, loaded, or is of a kind that cannot
                be audited; the message says which.
            ResourceError: no disk or memory for it, or a package is missing.
        """
        report = progress or silent
        _require_dtype(dtype)
        _require_torch()
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


def resolve(ref: str, *, dtype: str = "float32", device: str = "cpu") -> ModelRecord | None:
    """The record of a model that `load` would give, without torch; None if it must first be fetched or converted.

    For folders and hub models the digests are computed; for conversions they are those recorded then, after a look
    at the files' sizes (`load` computes them).

    Raises:
        ModelError: no such model, terms not accepted, or files damaged.
    """
    _require_dtype(dtype)
    record: ModelRecord | None
    match _kind(ref):
        case "builtin":
            packaged.acceptance(BUILTINS[ref])
            record = gguf.converted_record(gguf.converted_folder(BUILTINS[ref].sha256, dtype))
        case "gguf":
            record = gguf.converted_record(gguf.converted_folder(sha256_of(Path(ref).expanduser()), dtype))
        case "folder":
            record = _folder_record(Path(ref).expanduser(), dtype=dtype)
        case _:
            snapshot = hub.local_snapshot(ref)
            record = _snapshot_record(snapshot, ref=ref, dtype=dtype) if snapshot else None
    return _for_use(record, ref=ref, device=device) if record else None


def prepare(ref: str, *, dtype: str = "float32", device: str = "cpu", progress: Progress | None = None) -> ModelRecord:
    """Fetch or convert a model if that was not done yet, and say which model it is. Torch is needed only if so.

    Raises:
        ModelError, ResourceError: as `AuditedModel.load`.
    """
    record = resolve(ref, dtype=dtype, device=device)
    if record is None:
        _require_torch()
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
            converted=gguf.converted_record(gguf.converted_folder(one.sha256, dtype)) is not None,
            install=one.install,
        )
        for one in BUILTINS.values()
    )


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
    """The model's folder on this disk, and its record, digests just computed."""
    match _kind(ref):
        case "builtin":
            return _verified(_convert_builtin(BUILTINS[ref], dtype=dtype, progress=progress), progress)
        case "gguf":
            return _verified(_convert_file(Path(ref).expanduser(), dtype=dtype, progress=progress), progress)
        case "folder":
            folder = Path(ref).expanduser()
            progress("verify", 0.0)
            return folder, _folder_record(folder, dtype=dtype)
        case _:
            snapshot = hub.fetch(ref, progress=progress)
            progress("verify", 0.0)
            return snapshot.folder, _snapshot_record(snapshot, ref=ref, dtype=dtype)


def _convert_builtin(builtin: Builtin, *, dtype: str, progress: Progress) -> Path:
    packaged.acceptance(builtin)

    def assembled(scratch: Path) -> Path:
        whole = scratch / "whole.gguf"
        packaged.assemble(builtin, whole, progress=progress)
        return whole

    return gguf.convert(
        assembled,
        sha256=builtin.sha256,
        dtype=dtype,
        name=builtin.name,
        ref=builtin.ref,
        source="builtin",
        quantisation=builtin.quantisation,
        licence=builtin.licence,
        progress=progress,
    )


def _convert_file(file: Path, *, dtype: str, progress: Progress) -> Path:
    return gguf.convert(
        lambda _scratch: file.resolve(),
        sha256=sha256_of(file),
        dtype=dtype,
        name=f"{file.stem}, GGUF dequantised",
        ref=file.name,
        source="gguf",
        quantisation="GGUF dequantised",
        licence="not stated",
        progress=progress,
    )


def _verified(folder: Path, progress: Progress) -> tuple[Path, ModelRecord]:
    record = gguf.converted_record(folder)
    assert record is not None
    progress("verify", 0.0)
    gguf.verify(folder, record)
    return folder, record


def _folder_record(folder: Path, *, dtype: str) -> ModelRecord:
    name = folder.resolve().name
    return identify(folder, name=name, ref=name, source="folder", revision=None, dtype=dtype, device="cpu")


def _snapshot_record(snapshot: hub.Snapshot, *, ref: str, dtype: str) -> ModelRecord:
    return identify(
        snapshot.folder, name=snapshot.repo, ref=ref, source="hub", revision=snapshot.commit, dtype=dtype, device="cpu"
    )


def _for_use(record: ModelRecord, *, ref: str, device: str) -> ModelRecord:
    """What does not lie with the files: the device, how terms were accepted, and the name asked for.

    Of a local path only the last part is kept, as records hold no machine paths.
    """
    accepted = packaged.acceptance(BUILTINS[ref]) if record.source == "builtin" else ""
    asked = Path(ref).expanduser().resolve().name if record.source in ("folder", "gguf") else ref
    return dataclasses.replace(record, ref=asked, device=device, licence_accepted=accepted)


# --- into memory -----------------------------------------------------------------------------


def _load_weights(folder: Path, record: ModelRecord) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    config = _native_config(folder)
    try:
        with quiet_transformers():
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=getattr(torch, record.dtype),
                # sdpa cannot cap attention scores, so those models get the plain implementation.
                attn_implementation="eager" if getattr(config, "attn_logit_softcapping", None) else None,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
            )
            model = model.to(record.device)
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" in str(error).lower():
            raise ResourceError(
                f"{record.name}: not enough memory on {record.device}; choose a smaller model"
            ) from None
        fact = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{record.name}: transformers cannot load it ({fact}); this model is not supported") from None
    return model.eval().requires_grad_(False)


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

    file = folder / "tokenizer_config.json"
    stated = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
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
        raise ModelError(f"{dtype}: no such dtype; choose one of {', '.join(DTYPES)}")


def _require_torch() -> None:
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise ResourceError(f"package {package} is missing; run: pip install plural-audit[models]")
