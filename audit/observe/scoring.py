"""Log-probabilities of answers, scored from one shared prefix.

A prompt is run once and its keys and values kept; the answers that compete after it continue from there. Prompts run in
batches of equal token length, and so do the answers: nothing is ever padded. Only the positions that predict an answer
token are unembedded: with a vocabulary of 262,144 a logit row costs more than the whole transformer does for a token.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audit.models import AuditedModel
from audit.models.likelihood import token_logps
from audit.models.spelling import Ids, Refused, Spelling, spell
from audit.records import Ask

# Tokens in one forward. Larger batches gain nothing on CPU and cost memory: keys and values grow with it.
BATCH_TOKENS = 1024


@dataclass(frozen=True)
class Scored:
    """One answer after one prompt."""

    logp: float  # nats, summed over tokens, log-sum-exp over alternatives
    n_tokens: int  # of the likeliest alternative
    n_bytes: int  # of the likeliest alternative, UTF-8
    prompt_tokens: int


def score(audited: AuditedModel, asks: Sequence[Ask]) -> list[dict[str, Scored] | Refused]:
    """Score every answer of every ask; results in the order of `asks`.

    Prompt and answer are tokenised together. Where the answer changes the prompt's last token (the boundary merges), or
    a token sequence is longer than the model reads, the ask is refused: the prefix would no longer be shared.
    """
    spelled = [spell(audited, ask) for ask in asks]
    wanted: dict[Ids, set[Ids]] = {}
    for one in spelled:
        if not isinstance(one, Refused):
            for spellings in one.values():
                for spelling in spellings:
                    wanted.setdefault(spelling.prefix, set()).add(spelling.answer)
    logps = _score_tokens(audited, wanted)
    return [one if isinstance(one, Refused) else _combine(audited, one, logps) for one in spelled]


def score_plainly(audited: AuditedModel, asks: Sequence[Ask], *, batch: int = 8) -> list[dict[str, Scored] | Refused]:
    """The same numbers the slow and obvious way: whole sequences, left-padded batches, all logits, no cache.

    The twin that `score` is tested against, and the other arrangement that the noise floor is measured with.
    """
    spelled = [spell(audited, ask) for ask in asks]
    pairs = sorted(
        {(s.prefix, s.answer) for one in spelled if not isinstance(one, Refused) for many in one.values() for s in many}
    )
    logps: dict[tuple[Ids, Ids], float] = {}
    for start in range(0, len(pairs), batch):
        logps |= _plain_batch(audited, pairs[start : start + batch])
    return [one if isinstance(one, Refused) else _combine(audited, one, logps) for one in spelled]


def _combine(
    audited: AuditedModel, spelled: Mapping[str, tuple[Spelling, ...]], logps: Mapping[tuple[Ids, Ids], float]
) -> dict[str, Scored] | Refused:
    scored = {}
    for role, spellings in spelled.items():
        each = [logps[s.prefix, s.answer] for s in spellings]
        if not all(map(math.isfinite, each)):
            return Refused(f"log-probability of answer {role!r} is not a finite number in {audited.record.dtype}")
        best = spellings[each.index(max(each))]
        total = float(np.logaddexp.reduce(each)) if len(each) > 1 else each[0]
        scored[role] = Scored(total, len(best.answer), best.n_bytes, len(best.prefix))
    return scored


# --- tokens to log-probabilities -------------------------------------------------------------


def _score_tokens(audited: AuditedModel, wanted: Mapping[Ids, set[Ids]]) -> dict[tuple[Ids, Ids], float]:
    """Log P(answer | prefix) for every wanted pair. Batches depend on the tokens alone, never on their order.

    Hidden states are gathered first and unembedded together: each pass over a large vocabulary reads all its weights.
    """
    if not wanted:
        return {}
    states: list[Float[Tensor, "n d"]] = []
    asked: list[tuple[int, int, tuple[Ids, Ids]]] = []  # row among all states, token after it, the pair it counts for
    n_states = 0
    with torch.inference_mode():
        for prefixes in _equal_length_batches(wanted):
            out = audited.adapter.body(input_ids=torch.tensor(prefixes, device=audited.model.device), use_cache=True)
            pairs = [(row, answer) for row, prefix in enumerate(prefixes) for answer in sorted(wanted[prefix])]
            asked += [(n_states + row, answer[0], (prefixes[row], answer)) for row, answer in pairs]
            states.append(out.last_hidden_state[:, -1].clone())  # a view would keep every position alive
            n_states += len(prefixes)
            for chunk in _equal_length_chunks([pair for pair in pairs if len(pair[1]) > 1]):
                hidden = _continue(audited, out.past_key_values, chunk)
                after = [(token, (prefixes[row], answer)) for row, answer in chunk for token in answer[1:]]
                asked += [(n_states + place, token, pair) for place, (token, pair) in enumerate(after)]
                states.append(hidden)
                n_states += len(hidden)
        each = token_logps(
            audited.adapter,
            torch.cat(states),
            rows=[row for row, _, _ in asked],
            tokens=[token for _, token, _ in asked],
        )
    logps: dict[tuple[Ids, Ids], float] = {}
    for (_, _, pair), logp in zip(asked, each, strict=True):
        logps[pair] = logps.get(pair, 0.0) + logp
    return logps


def _equal_length_batches(wanted: Mapping[Ids, set[Ids]]) -> Iterator[list[Ids]]:
    for length, group in groupby(sorted(wanted, key=lambda ids: (len(ids), ids)), key=len):
        prefixes = list(group)
        size = max(1, BATCH_TOKENS // length)
        for start in range(0, len(prefixes), size):
            yield prefixes[start : start + size]


def _equal_length_chunks(pairs: list[tuple[int, Ids]]) -> Iterator[list[tuple[int, Ids]]]:
    """(row, answer) pairs in chunks whose answers have one length, of BATCH_TOKENS at most."""
    by_length = sorted(pairs, key=lambda pair: (len(pair[1]), pair))
    for length, group in groupby(by_length, key=lambda pair: len(pair[1])):
        same = list(group)
        size = max(1, BATCH_TOKENS // (length - 1))
        for start in range(0, len(same), size):
            yield same[start : start + size]


def _continue(audited: AuditedModel, cache: Any, chunk: list[tuple[int, Ids]]) -> Float[Tensor, "n d"]:
    """Hidden states after every answer token but the last, answer by answer, going on from the prompts' cache."""
    fed = torch.tensor([answer[:-1] for _, answer in chunk], device=audited.model.device)
    picked = _select(cache, [row for row, _ in chunk])
    out = audited.adapter.body(input_ids=fed, past_key_values=picked, use_cache=True)
    hidden: Tensor = out.last_hidden_state
    return hidden.flatten(end_dim=1)


def _select(cache: Any, rows: list[int]) -> Any:
    """The cache with its batch rows picked (and repeated), leaving the original as it was."""
    picked = copy.copy(cache)
    picked.layers = [copy.copy(layer) for layer in cache.layers]
    picked.batch_select_indices(torch.tensor(rows, device=cache.layers[0].keys.device))
    return picked


def _plain_batch(audited: AuditedModel, pairs: list[tuple[Ids, Ids]]) -> dict[tuple[Ids, Ids], float]:
    width = max(len(prefix) + len(answer) for prefix, answer in pairs)
    ids = torch.zeros(len(pairs), width, dtype=torch.long, device=audited.model.device)
    mask = torch.zeros_like(ids)
    for row, (prefix, answer) in enumerate(pairs):
        whole = torch.tensor(prefix + answer)
        ids[row, width - len(whole) :] = whole
        mask[row, width - len(whole) :] = 1
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    logps = {}
    with torch.inference_mode():
        logits = audited.model(ids, attention_mask=mask, position_ids=positions, use_cache=False).logits
        for row, (prefix, answer) in enumerate(pairs):
            before = logits[row, width - len(answer) - 1 : -1]
            each = torch.log_softmax(before.float(), dim=-1).gather(1, torch.tensor(answer, device=ids.device)[:, None])
            logps[prefix, answer] = float(each.cpu().double().sum())
    return logps
