"""The residual stream after one layer, of texts without padding, and the same stream edited.

Texts run in batches of equal token length, so no text meets another's padding. What the tokenizer puts before every
text (BOS) is left out everywhere: its activations are hundreds of times larger than any other's and say nothing of the
text. Where a tokenizer puts nothing there, the first token takes that part (Xiao et al. 2024, arXiv 2309.17453) and is
left out instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from audit.models import AuditedModel
from audit.models.likelihood import token_logps
from audit.models.spelling import Ids

# Tokens in one forward.
BATCH_TOKENS = 1024


class _ReadEnoughError(Exception):
    """Ends a forward at the layer that was read; never leaves this module."""


def first_token(audited: AuditedModel) -> int:
    """Position of the first token that is read: what comes before is BOS, or stands in for it."""
    return max(1, len(audited.begin))


def last_states(audited: AuditedModel, layer: int, texts: Sequence[Ids]) -> Float[Tensor, "n d"]:
    """Residual stream after `layer` at the last token of each text, float32; layers above are not run."""
    states: dict[Ids, Tensor] = {}
    for batch in equal_length_batches(texts):
        seen = _after(audited, layer, batch)[:, -1].float().cpu()
        states |= dict(zip(batch, seen, strict=True))
    width = audited.adapter.unembedding.weight.shape[1]
    return torch.stack([states[ids] for ids in texts]) if texts else torch.empty(0, width)


def all_states(audited: AuditedModel, layer: int, texts: Sequence[Ids]) -> list[Float[Tensor, "tokens d"]]:
    """The same at every token of each text from `first_token` on."""
    states: dict[Ids, Tensor] = {}
    first = first_token(audited)
    for batch in equal_length_batches(texts):
        seen = _after(audited, layer, batch)[:, first:].float().cpu()
        states |= dict(zip(batch, seen, strict=True))
    return [states[ids] for ids in texts]


def edited_logps(
    audited: AuditedModel,
    layer: int,
    sequences: Sequence[tuple[Ids, Ids]],
    edit: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d"]] | None,
) -> list[float]:
    """Log P(answer | prompt), nats, with the residual stream after `layer` replaced at the prompt's tokens.

    Args:
        audited: the model.
        layer: after which the stream is edited.
        sequences: prompt and answer; the answer has at least one token.
        edit: gives new states for states, each token by itself; None edits nothing. Tokens of the answer are left
            alone: what is asked is what the prompt makes of it.
    """
    adapter, first = audited.adapter, first_token(audited)
    logps: dict[tuple[Ids, Ids], float] = {}
    unique = sorted(set(sequences), key=lambda one: (len(one[0]) + len(one[1]), one))
    with torch.inference_mode():
        for _, group in groupby(unique, key=lambda one: (len(one[0]), len(one[1]))):
            for batch in _chunks(list(group), size=lambda one: len(one[0]) + len(one[1])):
                n_prompt = len(batch[0][0])
                ids = torch.tensor([prompt + answer[:-1] for prompt, answer in batch], device=audited.model.device)
                with at_layer(adapter.layers[layer], _edit_at(slice(first, n_prompt), edit)):
                    hidden = adapter.hidden(ids)[:, n_prompt - 1 :]
                n, per = hidden.shape[:2]
                tokens = [token for _, answer in batch for token in answer]
                each = token_logps(adapter, hidden.flatten(end_dim=1), rows=list(range(n * per)), tokens=tokens)
                for number, one in enumerate(batch):
                    logps[one] = sum(each[number * per : (number + 1) * per])
    return [logps[one] for one in sequences]


def equal_length_batches(texts: Sequence[Ids]) -> Iterator[list[Ids]]:
    """Each text once, in batches of one length and of BATCH_TOKENS at most (or of one text)."""
    for _, group in groupby(sorted(set(texts), key=lambda ids: (len(ids), ids)), key=len):
        yield from _chunks(list(group), size=len)


def _chunks(many: list[Any], size: Callable[[Any], int]) -> Iterator[list[Any]]:
    at_once = max(1, BATCH_TOKENS // size(many[0]))
    for begin in range(0, len(many), at_once):
        yield many[begin : begin + at_once]


def _after(audited: AuditedModel, layer: int, batch: Sequence[Ids]) -> Float[Tensor, "n tokens d"]:
    kept: list[Tensor] = []

    def stop(states: Tensor) -> Tensor:
        kept.append(states)
        raise _ReadEnoughError

    with torch.inference_mode(), at_layer(audited.adapter.layers[layer], stop), suppress(_ReadEnoughError):
        audited.adapter.hidden(torch.tensor(batch, device=audited.model.device))
    return kept[0]


def _edit_at(
    where: slice, edit: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d"]] | None
) -> Callable[[Tensor], Tensor]:
    def write(states: Tensor) -> Tensor:
        if edit is None:
            return states
        some = states[:, where]
        new = states.clone()
        new[:, where] = edit(some.flatten(end_dim=1).float()).view_as(some).to(states.dtype)
        return new

    return write


@contextmanager
def at_layer(layer: nn.Module, see: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Pass what a layer gives, the residual stream after it, through `see` while the model runs."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            return see(output)
        return (see(output[0]), *output[1:])

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
