"""auto-circuit: edge attribution patching (no steps) as the gradient of its edge masks."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import torch
from auto_circuit.data import PromptDataLoader, PromptDataset
from auto_circuit.prune_algos.mask_gradient import mask_gradient_prune_scores
from auto_circuit.types import AblationType
from auto_circuit.utils.graph_utils import patchable_model
from transformer_lens import HookedTransformer
from transformer_lens import loading_from_pretrained as loading

from bench.peers.measure import Bench, open_bench


def main() -> None:
    bench = open_bench("auto-circuit", version=version("auto-circuit"), second_copy=True)
    hooked = open_hooked(bench)
    with torch.no_grad():
        distance = bench.distance(hooked(bench.clean))
    patchable = patchable_model(hooked, factorized=True, slice_output="last_seq", separate_qkv=True)
    n_pairs = len(bench.clean)
    answers = [torch.tensor([bench.answer])] * n_pairs
    foils = [torch.tensor([bench.foil])] * n_pairs
    pairs = PromptDataset(list(bench.clean), list(bench.corrupted), answers, foils)
    loader = PromptDataLoader(pairs, seq_len=None, diverge_idx=0, batch_size=n_pairs)
    bench.once(
        f"edges ({len(patchable.edges):,}), EAP",
        lambda: mask_gradient_prune_scores(
            patchable,
            loader,
            None,
            grad_function="logit",
            answer_function="avg_diff",
            mask_val=0.0,
            ablation_type=AblationType.RESAMPLE,
            clean_corrupt="corrupt",
        ),
        note=f"one gradient, no steps; its logits within {distance:.0e} of transformers",
    )


def open_hooked(bench: Bench) -> Any:
    """The model as its old TransformerLens reimplements it, weights unprocessed, with the hook points of edges.

    Its usual loader takes only names it knows, so its own converter is called on the folder.
    """
    folder = str(bench.model.config.name_or_path)
    cfg = loading.get_pretrained_model_config(
        folder, hf_cfg=bench.model.config.to_dict(), fold_ln=False, device="cpu", dtype=torch.float32
    )
    # That version reads the rotary base only from older configurations.
    cfg.rotary_base = bench.model.config.rope_parameters["rope_theta"]
    hooked = HookedTransformer(cfg, bench.tokenizer, move_to_device=False)
    hooked.load_and_process_state_dict(
        loading.get_pretrained_state_dict(folder, cfg, bench.model, dtype=torch.float32),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    hooked.cfg.use_attn_result = True
    hooked.cfg.use_attn_in = True
    hooked.cfg.use_split_qkv_input = True
    hooked.cfg.use_hook_mlp_in = True
    hooked.cfg.ungroup_grouped_query_attention = True
    hooked.requires_grad_(False)
    return hooked.eval()


if __name__ == "__main__":
    main()
