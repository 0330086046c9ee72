"""TransformerLens through its own patching functions; its edge attribution refuses models with grouped queries."""

from __future__ import annotations

import copy
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis.attribution_patching import EdgeAttributionConfig, attribution_patch

from bench.peers.measure import HEADS_ALL, HEADS_LAST, MLPS, Bench, open_bench


def main() -> None:
    bench = open_bench("TransformerLens", version=version("transformer-lens"), second_copy=True)
    with torch.no_grad():
        bridge = open_bridge(bench)
        _, cache = bridge.run_with_cache(bench.corrupted)
        base = float(bench.difference(bridge(bench.clean)).mean())

        def effects(name: str, index: list[list[int]], setter: Any) -> list[float]:
            patched = patching.generic_activation_patch(
                bridge,
                bench.clean,
                cache,
                lambda logits: bench.difference(logits).mean(),
                setter,
                name,
                index_df=pd.DataFrame(index),
            )
            return [float(value) - base for value in patched]

        def heads(layer: int, setter: Any) -> list[float]:
            return effects("z", [[layer, head] for head in range(bench.n_heads)], setter)

        all_positions = patching.layer_head_vector_patch_setter
        bench.sweep(HEADS_ALL, lambda layer: heads(layer, all_positions), per_layer=bench.n_heads)
        bench.sweep(HEADS_LAST, lambda layer: heads(layer, last_position), per_layer=bench.n_heads)
        bench.sweep(MLPS, lambda layer: effects("mlp_out", [[layer]], whole), per_layer=1)
    edges(bench, bridge)


def open_bridge(bench: Bench) -> Any:
    """The library's view of a copy of the model: it changes the module it is given."""
    own = copy.deepcopy(bench.model)
    return TransformerBridge.boot_transformers(
        own.config.name_or_path, hf_model=own, tokenizer=bench.tokenizer, device="cpu", dtype=torch.float32
    )


def edges(bench: Bench, bridge: Any) -> None:
    """Edge attribution, or the library's own words on why not."""
    analysis = "edges, EAP"
    config = EdgeAttributionConfig(granularity="edge")

    def metric(logits: torch.Tensor) -> torch.Tensor:
        return bench.difference(logits).sum()

    try:
        bench.once(analysis, lambda: attribution_patch(bridge, bench.clean, bench.corrupted, metric, config))
    except (NotImplementedError, ValueError) as refusal:
        bench.refused(analysis, f"refused: {str(refusal).split('. ')[0]}")


def last_position(values: torch.Tensor, index: list[int], donor: torch.Tensor) -> torch.Tensor:
    """As the library's setters, which write in place."""
    values[:, -1, index[1]] = donor[:, -1, index[1]]
    return values


def whole(_values: torch.Tensor, _index: list[int], donor: torch.Tensor) -> torch.Tensor:
    return donor


if __name__ == "__main__":
    main()
