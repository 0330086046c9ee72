"""The residual stream after one layer, of texts without padding, and the same stream edited.

Where more than the last token of a text is read or edited, texts of like length run together, filled up on the right:
the model is causal (checked when it is loaded), so nothing that is read sees what comes after it. What the tokenizer
puts before every text (BOS) is left out everywhere: its activations are hundreds of times larger than any other's and
say nothing of the text. Where a tokenizer puts nothing there, the first token takes that part (Xiao et al. 2024, arXiv
2309.17453) and is left out instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audit.models import AuditedModel
from audit.models.likelihood import token_logps
from audit.models.packing import PACK_TOKENS, packs, run
from audit.models.spelling import Ids

# Tokens in one forward, and how much longer than its shortest text the longest of a batch may be.
BATCH_TOKENS = 1024
MOST_PADDING = 0.25


class _ReadEnoughError(Exception):
    """Ends a forward at the layer that was read; never leaves this module."""


def first_token(audited: AuditedModel) -> int:
    """Position of the first token that is read: what comes before is BOS, or stands in for it."""
    return max(1, len(audited.begin))


def last_states(audited: AuditedModel, layer: int, texts: Sequence[Ids]) -> Float[Tensor, "n d"]:
    """Residual stream after `layer` at the last token of each text, float32; layers above are not run.

    What texts begin with alike is run once (audit.models.packing).
    """
    states: dict[Ids, Tensor] = {}
    for pack in packs(texts, most=PACK_TOKENS, deepest=audited.deepest_branch):
        seen = _after(audited, layer, partial(run, audited.adapter, pack))[0]
        states |= {ids: seen[path[-1]].float().cpu() for ids, path in pack.paths}
    width = audited.adapter.unembedding.weight.shape[1]
    return torch.stack([states[ids] for ids in texts]) if texts else torch.empty(0, width)


def all_states(audited: AuditedModel, layer: int, texts: Sequence[Ids]) -> list[Float[Tensor, "tokens d"]]:
    """The same at every token of each text from `first_token` on."""
    states: dict[Ids, Tensor] = {}
    first = first_token(audited)
    for batch in like_length_batches(texts):
        seen = _after(audited, layer, partial(audited.adapter.hidden, filled(batch, device=audited.model.device)))
        states |= {ids: row[first : len(ids)].float().cpu() for ids, row in zip(batch, seen, strict=True)}
    return [states[ids] for ids in texts]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An answer asked for after a prompt; `edit` names the edit of the prompt's states, 0 none."""

    prompt: Ids
    answer: Ids
    edit: int = 0


# New states for states, each token by itself; which edit each token gets, (n,).
Edited = Callable[[Float[Tensor, "n d"], Int[Tensor, " n"]], Float[Tensor, "n d"]]


def edited_logps(audited: AuditedModel, layer: int, asked: Sequence[Asked], edit: Edited) -> list[float]:
    """Log P(answer | prompt), nats, with the residual stream after `layer` replaced at the prompt's tokens.

    Args:
        audited: the model.
        layer: after which the stream is edited.
        asked: prompts, answers of at least one token, and the number of the edit.
        edit: tokens of edit 0 and of answers are never given to it: what is asked is what the model makes of a prompt.
    """
    adapter, first = audited.adapter, first_token(audited)
    by_text: dict[tuple[Ids, int, int], list[Ids]] = {}  # answers of one token after one prompt are read in one row
    for one in sorted(set(asked), key=lambda one: one.answer):
        by_text.setdefault((one.prompt + one.answer[:-1], len(one.prompt), one.edit), []).append(one.answer)
    hidden: list[Tensor] = []
    rows: list[int] = []
    tokens: list[int] = []
    place: dict[tuple[Ids, Ids, int], range] = {}
    n_hidden = 0
    with torch.inference_mode():
        for batch in _batches(list(by_text), size=lambda row: len(row[0])):
            given = filled([ids for ids, *_ in batch], device=audited.model.device)
            which = torch.zeros_like(given)
            for row, (_, n_prompt, number) in enumerate(batch):
                which[row, first:n_prompt] = number
            with at_layer(adapter.layers[layer], _edit_where(which, edit)):
                seen = adapter.hidden(given)
            for row, (ids, n_prompt, number) in enumerate(batch):
                for answer in by_text[ids, n_prompt, number]:
                    place[ids[:n_prompt], answer, number] = range(len(tokens), len(tokens) + len(answer))
                    rows += range(n_hidden, n_hidden + len(answer))
                    tokens += answer
                hidden.append(seen[row, n_prompt - 1 : len(ids)])
                n_hidden += len(ids) - n_prompt + 1
        if not tokens:
            return []
        # All together: each pass over a large vocabulary reads all its weights.
        each = token_logps(adapter, torch.cat(hidden), rows=rows, tokens=tokens)
    return [sum(each[number] for number in place[one.prompt, one.answer, one.edit]) for one in asked]


def like_length_batches(texts: Sequence[Ids]) -> Iterator[list[Ids]]:
    """Each text once, in batches of like length and of BATCH_TOKENS at most (or of one text)."""
    yield from _batches(list(set(texts)), size=len)


def filled(batch: Sequence[Ids], *, device: Any) -> Int[Tensor, "n tokens"]:
    """Rows of one length, the shorter ones filled up on the right with their last token."""
    longest = max(map(len, batch))
    return torch.tensor([ids + ids[-1:] * (longest - len(ids)) for ids in batch], device=device)


def _batches(rows: Sequence[Any], *, size: Callable[[Any], int]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for row in sorted(rows, key=lambda row: (size(row), row)):
        padded = size(row) * (len(batch) + 1)
        if batch and (padded > BATCH_TOKENS or size(row) > (1 + MOST_PADDING) * size(batch[0])):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _after(audited: AuditedModel, layer: int, run_model: Callable[[], object]) -> Float[Tensor, "n tokens d"]:
    """What a layer gives while the model runs; it is not run further."""
    kept: list[Tensor] = []

    def stop(states: Tensor) -> Tensor:
        kept.append(states)
        raise _ReadEnoughError

    with torch.inference_mode(), at_layer(audited.adapter.layers[layer], stop), suppress(_ReadEnoughError):
        run_model()
    return kept[0]


def _edit_where(which: Int[Tensor, "n tokens"], edit: Edited) -> Callable[[Tensor], Tensor]:
    where = which > 0

    def write(states: Tensor) -> Tensor:
        if not where.any():
            return states
        new = states.clone()
        new[where] = edit(states[where].float(), which[where]).to(states.dtype)
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
