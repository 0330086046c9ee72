"""The slow and obvious twin of the patching engine: whole sequences, one forward each, hooks, all logits.

It shares nothing with the fast engine but the pairs and the adapter: no cache, no tails, no masks, no batches. The fast
engine is tested against it, and every batch's base margins are compared with its margins before they are believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from audit.circuits.pairs import Pair, Start
from audit.models import AuditedModel
from audit.models.adapter import Adapter
from audit.models.spelling import Ids

# The node values of one sequence: per layer the heads side by side, (tokens, heads * head_dim), and the MLP's output.
Values = tuple[list[Tensor], list[Tensor]]


def plain_margins(audited: AuditedModel, pairs: Sequence[Pair]) -> Float[Tensor, " b"]:
    """Log P(a) - log P(b) of each pair's base, nats, from one forward per pair and alternative.

    What a batch's replayed margins must equal before anything is patched in it.
    """
    margins = [plain_margin(audited, pair) for pair in pairs]
    return torch.tensor(margins, device=audited.adapter.unembedding.weight.device)


def plain_effects(
    audited: AuditedModel, pairs: Sequence[Pair], sets: Sequence[NDArray[np.bool_]], *, start: Start = "difference"
) -> Float[Tensor, "sets b"]:
    """m(base) - m(base with the set from the counterpart) of each set of nodes on each pair, nats."""
    base = plain_margins(audited, pairs)
    patched = [[plain_margin(audited, pair, nodes=nodes, start=start) for pair in pairs] for nodes in sets]
    return base - torch.tensor(patched, device=base.device)


@torch.no_grad()
def plain_margin(
    audited: AuditedModel, pair: Pair, *, nodes: NDArray[np.bool_] | None = None, start: Start = "difference"
) -> float:
    """Log P(a) - log P(b) of a pair's base with some nodes' values taken from the counterpart.

    Every alternative of both answers is appended to both prompts and run as a whole. Alternatives of an answer are
    summed by log-sum-exp.

    Args:
        audited: the model.
        pair: the two prompts and their answers.
        nodes: (layers, heads + 1), the MLP in the last column; None or none chosen: the base as it is.
        start: where patching begins. What both prompts share at their beginning is the same in both runs and never
            patched, so "whole" is "difference" here.

    Returns:
        Nats.
    """
    logps = [
        torch.stack([_answer_logp(audited, pair, answer, nodes, start) for answer in alternatives])
        for alternatives in pair.answers
    ]
    return float(torch.logsumexp(logps[0], dim=0) - torch.logsumexp(logps[1], dim=0))


def donors(pair: Pair, n_tokens: int, *, start: Start = "difference") -> dict[int, int]:
    """Base position -> counterpart position that its values are taken from, of sequences with the same last tokens.

    Counted from the right; positions before either prompt's first difference neither give nor take.

    Args:
        pair: the two prompts.
        n_tokens: of the base's whole sequence, prompt and what follows it.
        start: where patching begins.
    """
    first_base, first_counterpart = pair.starts("difference" if start == "whole" else start)
    longer = len(pair.counterpart) - len(pair.base)
    found = {}
    for position in range(n_tokens):
        opposite = position + longer
        if position >= first_base and opposite >= first_counterpart:
            found[position] = opposite
    return found


def _answer_logp(
    audited: AuditedModel, pair: Pair, answer: Ids, nodes: NDArray[np.bool_] | None, start: Start
) -> Tensor:
    """Sum of the log-probabilities of an answer's tokens, in double precision."""
    base = pair.base + answer
    if nodes is None or not nodes.any():
        logits = _logits(audited, base)
    else:
        with _seen(audited.adapter) as values:
            _logits(audited, pair.counterpart + answer)
        with _patched(audited.adapter, nodes, values, donors(pair, len(base), start=start)):
            logits = _logits(audited, base)
    logps = torch.log_softmax(logits.double(), dim=-1)
    total = torch.zeros((), dtype=torch.float64, device=logits.device)
    for place, token in enumerate(answer):
        total = total + logps[len(pair.base) + place - 1, token]
    return total


def _logits(audited: AuditedModel, ids: Ids) -> Float[Tensor, "n vocab"]:
    logits: Tensor = audited.model(torch.tensor([ids], device=audited.model.device), use_cache=False).logits
    return logits[0]


@contextmanager
def _seen(adapter: Adapter) -> Iterator[Values]:
    """Keep the nodes' values of the one sequence that is run meanwhile."""
    heads: list[Tensor] = []
    mlps: list[Tensor] = []

    def see_heads(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        heads.append(inputs[0][0].clone())

    def see_mlp(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        mlps.append(output[0].clone())

    with ExitStack() as hooks:
        for projection, mlp in zip(adapter.attention_outputs, adapter.mlps, strict=True):
            hooks.callback(projection.register_forward_pre_hook(see_heads).remove)
            hooks.callback(mlp.register_forward_hook(see_mlp).remove)
        yield heads, mlps


@contextmanager
def _patched(adapter: Adapter, nodes: NDArray[np.bool_], values: Values, places: dict[int, int]) -> Iterator[None]:
    """Write the chosen nodes' values, position by position, while the model runs one sequence."""
    heads, mlps = values

    with ExitStack() as hooks:
        for layer in range(adapter.n_layers):

            def write_heads(_module: nn.Module, inputs: tuple[Any, ...], *, layer: int = layer) -> tuple[Any, ...]:
                changed = inputs[0].clone()
                for head in np.flatnonzero(nodes[layer, :-1]).tolist():
                    columns = slice(head * adapter.head_dim, (head + 1) * adapter.head_dim)
                    for position, donor in places.items():
                        changed[0, position, columns] = heads[layer][donor, columns]
                return (changed, *inputs[1:])

            def write_mlp(_module: nn.Module, _inputs: Any, output: Tensor, *, layer: int = layer) -> Tensor:
                changed = output.clone()
                for position, donor in places.items():
                    changed[0, position] = mlps[layer][donor]
                return changed

            hooks.callback(adapter.attention_outputs[layer].register_forward_pre_hook(write_heads).remove)
            if nodes[layer, -1]:
                hooks.callback(adapter.mlps[layer].register_forward_hook(write_mlp).remove)
        yield
