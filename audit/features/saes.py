"""One SAE at one place of a model: found, loaded through sae-lens, checked against the model, and read.

The place is always the residual stream after a decoder layer (`adapter.layers[layer]`'s output). Activations come from
the audited model itself, never from TransformerLens' copy of it. Leading special tokens are never read: their
activations are ten times those of ordinary tokens and say nothing about the text.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from audit.errors import DictionaryError, ResourceError
from audit.models import AuditedModel

BUNDLED = Path(__file__).parent / "bundled"
WEIGHTS, CONFIG = "sae_weights.safetensors", "cfg.json"  # sae-lens' own names
RECIPE, CARD = "recipe.json", "card.json"
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")

# sae-lens' loaders that read safetensors or plain arrays; all others unpickle.
SAFE_LOADERS = (None, "sae_lens", "gemma_2", "gemma_3", "llama_scope", "sparsify")
# Releases name models as the hub does; the built-in ones have shorter names here.
HUB_NAMES = {"gemma-3-270m": "google/gemma-3-270m", "smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct"}

_AFTER_LAYER = re.compile(r"blocks\.(\d+)\.hook_resid_post|(?:model\.|transformer\.)?(?:layers|h)\.(\d+)(?:\.output)?")
_BEFORE_LAYER = re.compile(r"blocks\.(\d+)\.hook_resid_pre")
_LINEARITY_ROWS, _LINEARITY_TOLERANCE = 8, 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Dictionary:
    """An SAE whose latents can be read and written at one place of a model.

    `resid` is the residual stream after layer `layer`, one row per token. It always equals
    `decode(encode(resid)) + error(resid)`: what the latents do not say is kept, not dropped.
    """

    name: str
    layer: int  # it reads what `adapter.layers[layer]` gives
    n_latents: int
    width: int  # of the residual stream
    digest: str  # SHA-256 over names, shapes and float32 values of all weights
    source: str  # "bundled", "folder" or "registry"
    architecture: str  # as sae-lens calls it
    trained_on: str  # the model's name in its configuration; "" where it names none
    directions: Float[Tensor, "latents d"] = field(repr=False)  # what one unit of a latent writes
    sae: Any = field(repr=False)  # sae_lens.SAE, float32, without gradients on its weights

    def encode(self, resid: Float[Tensor, "n d"]) -> Float[Tensor, "n latents"]:
        """Activations of the latents, never negative in the architectures that sae-lens trains by default."""
        latents: Tensor = self.sae.encode(resid.to(self.directions))
        return latents

    def decode(self, latents: Float[Tensor, "n latents"]) -> Float[Tensor, "n d"]:
        """The residual stream that latents stand for: `latents @ directions` and a constant."""
        resid: Tensor = self.sae.decode(latents.to(self.directions))
        return resid

    def error(self, resid: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """What the latents leave unsaid."""
        return resid - self.decode(self.encode(resid))


def load(ref: str | Path, *, model: AuditedModel) -> Dictionary:
    """The SAE that a reference means, checked against a model.

    Args:
        ref: "bundled" (the package's own, where it has one for this model), a folder in sae-lens' format, or
            "release/id" of sae-lens' registry, which is fetched from the hub.
        model: the model whose residual stream it will read.

    Raises:
        DictionaryError: no such SAE; it does not read the residual stream after a layer; its width is not the model's;
            its weights are pickled; its decoder is not linear in its latents; the hub does not give it.
        ResourceError: sae-lens is not installed.
    """
    sae_lens = import_sae_lens()
    if str(ref) == "bundled":
        folder = bundled_folder(model.record.ref)
        return _checked(_from_folder(sae_lens, folder), name=folder.name, source="bundled", model=model)
    folder = Path(ref).expanduser()
    if folder.is_dir():
        return _checked(_from_folder(sae_lens, folder), name=folder.resolve().name, source="folder", model=model)
    return _checked(_from_registry(sae_lens, str(ref)), name=str(ref), source="registry", model=model)


def bundled_folder(model_ref: str) -> Path:
    """Where the package keeps its SAE for a built-in model.

    Raises:
        DictionaryError: it has none for this model.
    """
    for folder in bundled_folders():
        if read_json(folder / RECIPE)["model"]["ref"] == model_ref:
            return folder
    names = ", ".join(folder.name for folder in bundled_folders()) or "none"
    raise DictionaryError(
        f"bundled: no SAE comes with this package for {model_ref} (there is: {names}); "
        "train one: plural-audit sae train"
    )


def bundled_folders() -> tuple[Path, ...]:
    """The folders of all bundled SAEs."""
    return tuple(sorted(recipe.parent for recipe in BUNDLED.glob(f"*/{RECIPE}")))


def registered(model_ref: str) -> tuple[tuple[str, str], ...]:
    """(release, id) of every SAE that sae-lens' registry has for a model's residual stream and that `load` can read.

    The registry does not state hook points; releases for attention, MLPs and transcoders are told by their names.
    """
    import_sae_lens()
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    wanted = HUB_NAMES.get(model_ref, model_ref.partition("@")[0]).lower()
    other = re.compile(r"transcoder|clt|attn|att\b|-att-|mlp|hook_z|resid[-_]mid")
    return tuple(
        (release, sae_id)
        for release, entry in sorted(get_pretrained_saes_directory().items())
        if wanted in (entry.model.lower(), entry.model.lower().rpartition("/")[2])
        and entry.conversion_func in SAFE_LOADERS
        for sae_id, path in entry.saes_map.items()
        if not other.search(f"{release} {sae_id} {path}")
    )


def layer_of(hook_name: str, *, where: str) -> int:
    """The layer after which a hook name reads the residual stream.

    Raises:
        DictionaryError: it reads something else.
    """
    after, before = _AFTER_LAYER.fullmatch(hook_name), _BEFORE_LAYER.fullmatch(hook_name)
    if after is not None:
        return int(after[1] or after[2])
    if before is not None and int(before[1]) > 0:
        return int(before[1]) - 1  # the same tensor, named from the other side
    raise DictionaryError(
        f"{where}: reads {hook_name or 'an unnamed place'}, not the residual stream after a layer; "
        "choose one trained on hook_resid_post"
    )


def hook_name(layer: int) -> str:
    """What sae-lens calls the residual stream after a layer."""
    return f"blocks.{layer}.hook_resid_post"


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        DictionaryError: the file is missing or is no JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DictionaryError(f"{file}: cannot be read ({error.strerror}); give a folder in sae-lens' format") from None
    except ValueError as error:
        raise DictionaryError(f"{file}: not valid JSON ({error}); save the SAE again") from None
    if not isinstance(content, dict):
        raise DictionaryError(f"{file}: not a JSON object; save the SAE again")
    return content


def import_sae_lens() -> Any:
    """The library, without its advice about TransformerLens' names.

    Raises:
        ResourceError: it is not installed.
    """
    for package in ("sae_lens", "transformer_lens"):
        if importlib.util.find_spec(package) is None:
            raise ResourceError(f"{package} is not installed; pip install 'plural-audit[models,sae]'")
    with quiet_sae_lens():
        import sae_lens
    return sae_lens


@contextmanager
def quiet_sae_lens() -> Iterator[None]:
    """Within: no warnings from sae-lens about things that users of this package cannot change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --- loading ---------------------------------------------------------------------------------


def _from_folder(sae_lens: Any, folder: Path) -> Any:
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
        fact = f"{pickled[0]} is pickled, which can run code" if pickled else f"no {WEIGHTS}"
        raise DictionaryError(f"{folder}: {fact}; give a folder in sae-lens' format (safetensors)")
    stated = read_json(folder / CONFIG)
    with quiet_sae_lens():
        try:
            return sae_lens.SAE.load_from_disk(folder, device="cpu", dtype="float32")
        except Exception as error:  # its loaders raise whatever torch, safetensors or dataclasses do
            what = f"architecture {stated.get('architecture')!r}"
            raise DictionaryError(f"{folder}: sae-lens cannot load it ({what}: {_first_line(error)})") from None


def _from_registry(sae_lens: Any, ref: str) -> Any:
    release, sae_id = _registry_entry(ref)
    with quiet_sae_lens():
        try:
            return sae_lens.SAE.from_pretrained(release, sae_id, device="cpu", dtype="float32")
        except Exception as error:  # the hub's client and a dozen loaders, each with errors of its own
            raise DictionaryError(
                f"{ref}: sae-lens cannot fetch or load it ({_first_line(error)}); check the connection to the hub, "
                "or give a folder"
            ) from None


def _registry_entry(ref: str) -> tuple[str, str]:
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    release, _, sae_id = ref.partition("/")
    entry = get_pretrained_saes_directory().get(release)
    if entry is None:
        raise DictionaryError(
            f"{ref}: no such SAE; give 'bundled', a folder in sae-lens' format, or release/id (plural-audit sae list)"
        )
    if sae_id not in entry.saes_map:
        some = ", ".join(list(entry.saes_map)[:3])
        raise DictionaryError(f"{ref}: release {release} has no {sae_id or 'SAE without an id'}; it has {some}, ...")
    if entry.conversion_func not in SAFE_LOADERS:
        raise DictionaryError(f"{ref}: its weights are pickled, which can run code; choose another release")
    return release, sae_id


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _checked(sae: Any, *, name: str, source: str, model: AuditedModel) -> Dictionary:
    """The dictionary of a loaded SAE, refused unless it fits the model."""
    sae = sae.to(model.record.device).eval().requires_grad_(False)
    stated: Mapping[str, Any] = sae.cfg.metadata.to_dict()
    layer = layer_of(str(stated.get("hook_name") or ""), where=name)
    width = model.model.config.get_text_config(decoder=True).hidden_size
    if sae.cfg.d_in != width:
        raise DictionaryError(f"{name}: reads {sae.cfg.d_in} values, {model.record.name} has {width}; another model's")
    if layer >= model.adapter.n_layers:
        fact = f"reads layer {layer}, {model.record.name} has layers 0 to {model.adapter.n_layers - 1}"
        raise DictionaryError(f"{name}: {fact}; another model's")
    if (stated.get("model_from_pretrained_kwargs") or {}).get("center_writing_weights"):
        raise DictionaryError(
            f"{name}: trained on activations that TransformerLens had centred, which are not the model's own; "
            "choose one trained without processing"
        )
    return Dictionary(
        name=name,
        layer=layer,
        n_latents=int(sae.cfg.d_sae),
        width=width,
        digest=_digest(sae),
        source=source,
        architecture=sae.cfg.architecture(),
        trained_on=str(stated.get("model_name") or ""),
        directions=_directions(sae, name),
        sae=sae,
    )


@torch.no_grad()
def _directions(sae: Any, name: str) -> Float[Tensor, "latents d"]:
    """What one unit of each latent writes; refused where that depends on the text.

    Some SAEs scale every position by its own norm or deviation: their latents have no fixed direction.
    """
    runtime = sae.cfg.normalize_activations
    if runtime in ("layer_norm", "constant_norm_rescale", "expected_average_only_in", "covariance_whitening"):
        raise DictionaryError(
            f"{name}: normalises activations at run time ({runtime}), so its latents have no fixed directions; "
            "choose one with normalize_activations none"
        )
    directions = sae.W_dec.detach()
    if getattr(sae.cfg, "rescale_acts_by_decoder_norm", False):
        directions = directions / directions.norm(dim=-1, keepdim=True).clamp(min=1e-8)
    generator = torch.Generator().manual_seed(0)
    latents = torch.rand(_LINEARITY_ROWS, len(directions), generator=generator)
    latents = (latents * (torch.rand(latents.shape, generator=generator) < 0.05)).to(directions)
    constant = sae.decode(torch.zeros_like(latents))
    found, expected = sae.decode(latents) - constant, latents @ directions
    if not float((found - expected).abs().max()) <= _LINEARITY_TOLERANCE * float(expected.abs().max()):
        raise DictionaryError(f"{name}: its decoder is not linear in its latents; choose another architecture")
    return directions


def _digest(sae: Any) -> str:
    digest = hashlib.sha256()
    for key, weight in sorted(sae.state_dict().items()):
        digest.update(f"{key}{tuple(weight.shape)}".encode())
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
