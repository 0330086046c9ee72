"""nnsight: head patches as one trace each, and as nine invokes of one trace, which run as one wider batch.

Everything a trace names is an argument or a local of the function around it: what it binds does not reach closures.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import torch
from nnsight import LanguageModel

from bench.peers.measure import HEADS_ALL, Bench, open_bench


def main() -> None:
    bench = open_bench("nnsight", version=version("nnsight"))
    traced = LanguageModel(bench.model, tokenizer=bench.tokenizer)
    with torch.no_grad():
        donors = projection_inputs(traced, bench.corrupted)
        base = bench.difference(bench.model(bench.clean, use_cache=False).logits).mean()

        def one_trace_each(layer: int) -> list[float]:
            found = (patch(bench, traced, layer, head, donors[layer]) for head in range(bench.n_heads))
            return [float(difference - base) for difference in found]

        def one_trace_in_all(layer: int) -> list[float]:
            return [float(difference - base) for difference in patch_heads(bench, traced, layer, donors[layer])]

        bench.sweep(HEADS_ALL, one_trace_each, per_layer=bench.n_heads, note="one trace per patch")
        bench.sweep(HEADS_ALL, one_trace_in_all, per_layer=bench.n_heads, note=f"{bench.n_heads} invokes per trace")


def projection_inputs(traced: Any, ids: torch.Tensor) -> list[torch.Tensor]:
    """Of each layer, what its output projection is given: [pairs, positions, heads x width]."""
    found: list[torch.Tensor] = []
    with traced.trace(ids):
        for layer in traced.model.layers:
            found.append(layer.self_attn.o_proj.input.save())  # noqa: PERF401 - a trace runs statements
    return found


def patch(bench: Bench, traced: Any, layer: int, head: int, donor: torch.Tensor) -> torch.Tensor:
    """Mean logit difference with one head of one layer taken from the donor."""
    ids, part, projection = bench.clean, part_of(bench, head), traced.model.layers[layer].self_attn.o_proj
    with traced.trace(ids):
        values = projection.input.clone()
        values[:, :, part] = donor[:, :, part]
        projection.input = values
        logits = traced.lm_head.output.save()
    return bench.difference(logits).mean()


def patch_heads(bench: Bench, traced: Any, layer: int, donor: torch.Tensor) -> list[torch.Tensor]:
    """The same for all heads of a layer, an invoke each."""
    ids, projection = bench.clean, traced.model.layers[layer].self_attn.o_proj
    found = []
    with traced.trace() as tracer:
        for head in range(bench.n_heads):
            part = part_of(bench, head)
            with tracer.invoke(ids):
                values = projection.input.clone()
                values[:, :, part] = donor[:, :, part]
                projection.input = values
                found.append(traced.lm_head.output.save())
    return [bench.difference(logits).mean() for logits in found]


def part_of(bench: Bench, head: int) -> slice:
    """Where a head lies in the input of the output projection."""
    width = bench.model.config.head_dim
    return slice(head * width, (head + 1) * width)


if __name__ == "__main__":
    main()
