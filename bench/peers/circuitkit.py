"""CircuitKit's fork of EAP-IG over all edges, five steps at k/5 for k = 1 to 5."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import circuitkit
import torch
from circuitkit.backends.eap.attribute import attribute
from circuitkit.backends.eap.graph import Graph

from bench.pairs import PAIRS
from bench.peers.measure import open_bench

STEPS = 5


class Batches(list[Any]):
    """Its loader: batches, and its word for text that carries its own first token, so that none is put before it."""

    templated = True


def main() -> None:
    bench = open_bench("CircuitKit", version=version("circuitkit"), second_copy=True)
    hooked = circuitkit.load_model(str(bench.model.config.name_or_path), dtype="float32", device="cpu")
    graph = Graph.from_model(hooked)
    n_edges = int(graph.real_edge_mask.sum())
    labels = torch.tensor([[bench.answer, bench.foil]] * len(PAIRS))
    batches = Batches([([clean for clean, _ in PAIRS], [corrupted for _, corrupted in PAIRS], labels)])

    def metric(logits: torch.Tensor, *_: Any) -> torch.Tensor:
        return bench.difference(logits).sum()  # the library divides by the number of pairs

    with torch.no_grad():
        distance = bench.distance(hooked(bench.clean))
    bench.once(
        f"edges ({n_edges:,}), EAP-IG, {STEPS} steps",
        lambda: attribute(hooked, graph, batches, metric, method="EAP-IG-inputs", ig_steps=STEPS, quiet=True),
        note=f"grid k/{STEPS}, k = 1..{STEPS}; its logits within {distance:.0e} of transformers",
    )


if __name__ == "__main__":
    main()
