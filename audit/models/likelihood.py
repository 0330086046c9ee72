"""Hidden states to log-probabilities, a block of the vocabulary at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from audit.models.adapter import Adapter

# Tokens of the vocabulary unembedded at once: 2,048 logits of 768 rows stay in the processor's cache. 4,096 took up
# to a third longer: from 12 MB on, memory for each block may be fetched from the system anew.
VOCABULARY_BLOCK = 2048
ROW_BLOCK = 768


def token_logps(
    adapter: Adapter, hidden: Float[Tensor, "n d"], *, rows: Sequence[int], tokens: Sequence[int]
) -> list[float]:
    """Log P of `tokens[i]` from the hidden state `rows[i]`.

    Rows and vocabulary go by in blocks that stay in the processor's cache: logits are summed up while they are there
    and never stored whole, which takes less than half the time of logits followed by log-softmax.
    """
    row, token = torch.tensor(rows, device=hidden.device), torch.tensor(tokens, device=hidden.device)
    picked = torch.empty(len(rows), device=hidden.device)
    norm = torch.empty(len(hidden), device=hidden.device)
    for top in range(0, len(hidden), ROW_BLOCK):
        some, parts = slice(top, top + ROW_BLOCK), []
        for start in range(0, adapter.n_vocab, VOCABULARY_BLOCK):
            logits = adapter.unembed(hidden[some], start=start, stop=start + VOCABULARY_BLOCK).float()
            parts.append(torch.logsumexp(logits, dim=-1))
            here = (row >= top) & (row < top + ROW_BLOCK) & (token >= start) & (token < start + VOCABULARY_BLOCK)
            picked[here] = logits[row[here] - top, token[here] - start]
        norm[some] = torch.logsumexp(torch.stack(parts), dim=0)
    logps: list[float] = (picked.cpu().double() - norm[row].cpu().double()).tolist()
    return logps


def log_normaliser(adapter: Adapter, hidden: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Log of the sum over the whole vocabulary of exp(logit); differentiable."""
    parts = []
    for top in range(0, len(hidden), ROW_BLOCK):
        some = hidden[top : top + ROW_BLOCK]
        blocks = [
            torch.logsumexp(adapter.unembed(some, start=start, stop=start + VOCABULARY_BLOCK).float(), dim=-1)
            for start in range(0, adapter.n_vocab, VOCABULARY_BLOCK)
        ]
        parts.append(torch.logsumexp(torch.stack(blocks), dim=0))
    return torch.cat(parts) if parts else hidden.new_zeros(0)
