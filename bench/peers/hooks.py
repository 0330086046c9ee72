"""transformers with plain forward hooks and no library: the floor for any tool that runs one forward per patch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import torch

from bench.peers.measure import HEADS_ALL, HEADS_LAST, MLPS, Bench, open_bench

ALL, LAST = slice(None), slice(-1, None)


def main() -> None:
    bench = open_bench("transformers + hooks", version=version("transformers"))
    with torch.no_grad():
        patcher = Patcher(bench)
        heads = bench.n_heads
        bench.sweep(HEADS_ALL, lambda layer: [patcher.head(layer, h, ALL) for h in range(heads)], per_layer=heads)
        bench.sweep(HEADS_LAST, lambda layer: [patcher.head(layer, h, LAST) for h in range(heads)], per_layer=heads)
        bench.sweep(MLPS, lambda layer: [patcher.mlp(layer)], per_layer=1)


class Patcher:
    """Runs the clean prompts with one part's output taken from the corrupted ones."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._layers = bench, bench.model.model.layers
        self._width = bench.model.config.head_dim
        self._heads: dict[int, torch.Tensor] = {}  # input of each output projection: [pairs, positions, heads x width]
        self._mlps: dict[int, torch.Tensor] = {}
        self._base = self._run(bench.clean)
        with contextlib.ExitStack() as hooks:
            for number, layer in enumerate(self._layers):
                hooks.enter_context(
                    _removed(layer.self_attn.o_proj.register_forward_pre_hook(self._keep_heads(number)))
                )
                hooks.enter_context(_removed(layer.mlp.register_forward_hook(self._keep_mlp(number))))
            self._run(bench.corrupted)

    def head(self, layer: int, head: int, positions: slice) -> float:
        """Mean effect of one head."""
        part = slice(head * self._width, (head + 1) * self._width)

        def swap(_module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            values = inputs[0].clone()
            values[:, positions, part] = self._heads[layer][:, positions, part]
            return (values, *inputs[1:])

        with _removed(self._layers[layer].self_attn.o_proj.register_forward_pre_hook(swap)):
            return float((self._run(self._bench.clean) - self._base).mean())

    def mlp(self, layer: int) -> float:
        """Mean effect of one MLP's output at all positions."""
        with _removed(self._layers[layer].mlp.register_forward_hook(lambda *_: self._mlps[layer])):
            return float((self._run(self._bench.clean) - self._base).mean())

    def _run(self, ids: torch.Tensor) -> torch.Tensor:
        return self._bench.difference(self._bench.model(ids, use_cache=False).logits)

    def _keep_heads(self, layer: int) -> Callable[[Any, tuple[torch.Tensor, ...]], None]:
        return lambda _module, inputs: self._heads.__setitem__(layer, inputs[0])

    def _keep_mlp(self, layer: int) -> Callable[[Any, Any, torch.Tensor], None]:
        return lambda _module, _inputs, output: self._mlps.__setitem__(layer, output)


@contextlib.contextmanager
def _removed(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


if __name__ == "__main__":
    main()
