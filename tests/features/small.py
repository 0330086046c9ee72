"""Small SAEs in sae-lens' own format, written without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

WIDTH, LATENTS = 32, 48
HOOK = "blocks.1.hook_resid_post"


def small_sae(
    folder: Path,
    *,
    hook: str,
    seed: int = 0,
    width: int = WIDTH,
    half: bool = False,
    metadata: dict[str, Any] | None = None,
    **config: Any,
) -> dict[str, Tensor]:
    """Write a random JumpReLU SAE and return its weights; the same seed gives the same bytes."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    weights = {
        "W_enc": normal(width, LATENTS) / width**0.5,
        "W_dec": normal(LATENTS, width) / width**0.5,
        "b_enc": 0.1 * normal(LATENTS),
        "b_dec": normal(width),
        "threshold": normal(LATENTS).abs(),
    }
    folder.mkdir(parents=True)
    kept = {name: (value.half() if half else value).contiguous() for name, value in weights.items()}
    save_file(kept, folder / "sae_weights.safetensors")
    stated = {
        "architecture": "jumprelu",
        "d_in": width,
        "d_sae": LATENTS,
        "dtype": "float16" if half else "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": "6.54.12", "model_name": "tiny", "hook_name": hook, **(metadata or {})},
    }
    (folder / "cfg.json").write_text(json.dumps(stated | config))
    return weights
