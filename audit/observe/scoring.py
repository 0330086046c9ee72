"""Log-probabilities of answers after prompts.

What prompts and answers begin with alike is run once (audit.models.packing); nothing is padded. Only the positions that
predict an answer token are unembedded: with a vocabulary of 262,144 a logit row costs more than the whole transformer
does for a token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audit.models import AuditedModel
from audit.models.likelihood import token_logps
from audit.models.packing import PACK_TOKENS, packs, run
from audit.models.spelling import Ids, Refused, Spelling, spell
from audit.records import Ask


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
    """Log P(answer | prefix) for every wanted pair. Packs depend on the tokens alone, never on their order.

    Hidden states are gathered first and unembedded together: each pass over a large vocabulary reads all its weights.
    """
    if not wanted:
        return {}
    pairs: dict[Ids, list[tuple[Ids, Ids]]] = {}
    for prefix, answers in wanted.items():
        for answer in sorted(answers):
            pairs.setdefault(prefix + answer[:-1], []).append((prefix, answer))
    states: list[Float[Tensor, "n d"]] = []
    asked: list[tuple[int, int, tuple[Ids, Ids]]] = []  # row among all states, token after it, the pair it counts for
    n_states = 0
    for pack in packs(pairs, most=PACK_TOKENS, deepest=audited.deepest_branch):
        rows: dict[int, int] = {}  # place in the pack -> row among all states
        for sequence, path in pack.paths:
            for pair in pairs[sequence]:
                prefix, answer = pair
                for place, token in zip(path[len(prefix) - 1 :], answer, strict=True):
                    asked.append((rows.setdefault(place, n_states + len(rows)), token, pair))
        states.append(run(audited.adapter, pack)[list(rows)])
        n_states += len(rows)
    with torch.inference_mode():
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
