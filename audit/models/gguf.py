"""Turns a GGUF file into safetensors + tokenizer.json, once, in the user's cache: whole or absent."""

from __future__ import annotations

import dataclasses
import errno
import functools
import importlib
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.errors import ModelError, ResourceError
from audit.models.identity import identify
from audit.models.places import Progress, cache_folder, require_disk, silent
from audit.models.quiet import quiet_transformers
from audit.records import ModelRecord
from audit.runs import sha256_of

SIDECAR = "conversion.json"
# Of a record, what the request decides and not the bytes: one conversion serves all who ask for the same file.
_OF_THE_REQUEST = ("name", "ref", "source", "device", "quantisation", "licence", "licence_accepted")
_READ_BY_TRANSFORMERS = (".json", ".safetensors", ".jinja")
_ROOM_FOR_TOKENIZER = 100_000_000  # bytes
_BYTES_PER_WEIGHT = {"float32": 4, "float16": 2, "bfloat16": 2}


def converted_folder(sha256: str, dtype: str) -> Path:
    """Where the conversion of a GGUF file lies; another library version converts anew, as its numbers may differ.

    Raises:
        ResourceError: transformers is not installed.
    """
    try:
        version = importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError:
        raise ResourceError("package transformers is missing; run: pip install plural-audit[models]") from None
    return cache_folder() / "models" / f"{sha256[:16]}-{dtype}-{version}"


def known_conversion(sha256: str, dtype: str) -> ModelRecord | None:
    """The record of a conversion on this disk; None if there is none, or no library that could load it."""
    try:
        return converted_record(converted_folder(sha256, dtype))
    except ResourceError:
        return None


def converted_record(folder: Path) -> ModelRecord | None:
    """What the bytes of a conversion decide of its record, if there is one; sizes are compared, digests by `verify`.

    Raises:
        ModelError: the files or the sidecar are not those that were written.
    """
    if not (folder / SIDECAR).is_file():
        return None
    record, files = _read_sidecar(folder)
    for name, (size, _digest) in files.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else "missing"
        if found != size:
            raise ModelError(f"{folder / name}: {found} instead of {size} bytes; delete {folder} to convert again")
    return record


def verify(folder: Path) -> ModelRecord:
    """The record of a conversion after comparing every file with its digest then, and the record with the files.

    Raises:
        ModelError: a file was changed, added or removed since.
    """
    record, files = _read_sidecar(folder)
    again = f"delete {folder} to convert again"
    if added := sorted(_names(folder) - set(files)):
        raise ModelError(f"{folder / added[0]}: not part of the conversion; {again}")
    found = {name: sha256_of(folder / name) if (folder / name).is_file() else "missing" for name in files}
    for name, (_size, digest) in files.items():
        if found[name] != digest:
            raise ModelError(f"{folder / name}: SHA-256 {found[name][:16]} is not the recorded {digest[:16]}; {again}")
    described = identify(folder, dtype=record.dtype, revision=record.revision, digest=lambda file: found[file.name])
    if _of_the_bytes(described) != _of_the_bytes(record):
        raise ModelError(f"{folder / SIDECAR}: does not describe its files; {again}")
    return record


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix in _READ_BY_TRANSFORMERS} - {SIDECAR}


def _of_the_bytes(record: ModelRecord) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(record).items() if name not in _OF_THE_REQUEST}


def _read_sidecar(folder: Path) -> tuple[ModelRecord, dict[str, tuple[int, str]]]:
    """What the bytes decide of the record, and size and SHA-256 of each file."""
    sidecar = folder / SIDECAR
    try:
        kept = json.loads(sidecar.read_text(encoding="utf-8"))
        left_out: dict[str, Any] = dict.fromkeys(_OF_THE_REQUEST, "")
        record = ModelRecord(**left_out, **kept["record"])
        return record, {name: (int(size), str(digest)) for name, (size, digest) in kept["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{sidecar}: damaged ({error!r}); delete {folder} to convert again") from None


def convert(
    obtain: Callable[[Path], Path],
    *,
    sha256: str,
    dtype: str,
    progress: Progress = silent,
) -> Path:
    """The folder of the converted model, converted now if it was not.

    The work happens in a sibling folder that is renamed at the end, under a lock: a killed conversion leaves no half
    model, and of two at once the second waits and finds the first's. What killed ones left is removed first.

    Args:
        obtain: given a scratch folder, returns the GGUF file (a packaged one is assembled there).
        sha256: digest of that file.
        dtype: "float32", "float16" or "bfloat16".
        progress: told of the stages assemble, tokenizer, weights, write.

    Raises:
        ModelError: not a GGUF file, or one that transformers cannot convert.
        ResourceError: the disk cannot hold it, or the package gguf is missing.
    """
    from filelock import FileLock

    final = converted_folder(sha256, dtype)
    final.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock_file(final)):
        if converted_record(final) is not None:
            return final
        _remove_leftovers(final.parent, locked=final.name)
        scratch = final.with_name(f".{final.name}.partial")
        scratch.mkdir()
        try:
            out = scratch / "model"
            _write_model(obtain(scratch), out, dtype=dtype, progress=progress)
            record = identify(out, dtype=dtype, revision=sha256)
            _write_sidecar(out, record)
            _sync(out)
            if final.exists():  # without a sidecar it is nobody's finished work
                shutil.rmtree(final)
            out.replace(final)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise ResourceError(f"{final.parent}: disk full; free some and try again") from None
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return final


def _write_model(file: Path, out: Path, *, dtype: str, progress: Progress) -> None:
    import torch

    try:
        import gguf  # noqa: F401 - transformers needs it
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    except ImportError as error:
        raise ResourceError(
            f"{file.name}: package {error.name} is missing; run: pip install plural-audit[models]"
        ) from None

    with fast_reader() as read, quiet_transformers():
        try:
            n_weights = sum(int(tensor.n_elements) for tensor in read(str(file)).tensors)
        except (ValueError, IndexError, KeyError) as error:
            raise ModelError(f"{file.name}: not a readable GGUF file ({error}); fetch it again") from None
        require_disk(out.parent, n_bytes=n_weights * _BYTES_PER_WEIGHT[dtype] + _ROOM_FOR_TOKENIZER)
        source: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
        try:
            progress("tokenizer", 0.0)
            AutoTokenizer.from_pretrained(str(file.parent), **source).save_pretrained(out)
            with reported_bar(progress):
                model = AutoModelForCausalLM.from_pretrained(
                    str(file.parent),
                    dtype=getattr(torch, dtype),
                    quantization_config=GgufConfig(dequantize=True),
                    **source,
                )
        except (ValueError, KeyError, NotImplementedError, AttributeError) as error:
            fact = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{file.name}: transformers cannot convert it ({fact}); use safetensors instead") from None
        progress("write", 0.0)
        model.save_pretrained(out, max_shard_size="100GB")
    progress("write", 1.0)


@contextmanager
def fast_reader() -> Iterator[Callable[[str], Any]]:
    """Within: gguf reads each file once, and over an array; yields that reader.

    transformers 5.23 parses a file anew for tokenizer, configuration and weights, and gguf 0.19 slices a
    `numpy.memmap` once per token of the vocabulary, each slice a costly object: 20 s a time at 262,144 tokens.
    """
    package: Any = importlib.import_module("gguf")
    module: Any = importlib.import_module("gguf.gguf_reader")
    numpy, reader = module.np, package.GGUFReader

    class PlainArrays:
        """numpy, except that a mapped file comes as a plain array over the same pages."""

        def __getattr__(self, name: str) -> Any:
            return getattr(numpy, name)

        def memmap(self, *args: Any, **kwargs: Any) -> Any:
            return numpy.asarray(numpy.memmap(*args, **kwargs))

    once = functools.lru_cache(maxsize=1)(reader)
    module.np, package.GGUFReader = PlainArrays(), once
    try:
        yield once
    finally:
        module.np, package.GGUFReader = numpy, reader
        once.cache_clear()


@contextmanager
def reported_bar(progress: Progress) -> Iterator[None]:
    """Within: the bar that transformers draws while it dequantises becomes reports of the stage "weights"."""
    module: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    drawn = module.tqdm

    def told(tensors: Sequence[Any], **_appearance: Any) -> Iterator[Any]:
        for number, tensor in enumerate(tensors):
            progress("weights", number / len(tensors))
            yield tensor

    module.tqdm = told
    try:
        yield
    finally:
        module.tqdm = drawn


def _write_sidecar(out: Path, record: ModelRecord) -> None:
    files = {name: [(out / name).stat().st_size, sha256_of(out / name)] for name in sorted(_names(out))}
    text = json.dumps({"record": _of_the_bytes(record), "files": files}, indent=2, ensure_ascii=False)
    (out / SIDECAR).write_text(text + "\n", encoding="utf-8")


def _sync(folder: Path) -> None:
    """Make sure that the bytes are on the disk before the rename that declares them complete."""
    for path in (*sorted(folder.iterdir()), folder):
        if path.is_dir() and sys.platform == "win32":
            continue  # folders cannot be opened there
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock_file(final: Path) -> Path:
    return final.with_name(f".{final.name}.lock")


def _remove_leftovers(models: Path, *, locked: str) -> None:
    """Delete scratch folders of conversions that are no longer running, that is, whose lock is free."""
    from filelock import FileLock, Timeout

    for scratch in models.glob(".*.partial"):
        name = scratch.name.removeprefix(".").removesuffix(".partial")
        if name == locked:
            shutil.rmtree(scratch)
            continue
        try:
            with FileLock(models / f".{name}.lock", timeout=0):
                shutil.rmtree(scratch)
        except Timeout:
            continue
