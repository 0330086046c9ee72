"""Pairs of prompts as tokens, and batches of them laid out so that positions answer to each other.

A pair's two prompts share their first tokens, differ in a slot, and share their last tokens. Nothing before the slot
can differ between them, so it is run once; what is patched and run again is the *tail*: slot, suffix and answers.

    base          [ shared prefix | slot       | suffix | answers ]
    counterpart   [ shared prefix | other slot | suffix | answers ]

Positions answer to each other counted from the right. Where the base's slot is the longer one, its first tokens have no
position opposite: they keep the base's values in every patched run. Answers of several tokens follow the same prompt
side by side, each seeing the prompt and itself alone (a mask, not a batch row, keeps them apart).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from audit.models import AuditedModel
from audit.models.spelling import Ids, Refused, spell
from audit.records import Ask, Item

# Where a tail begins: at the first token that differs (all patches that can act), at the first token (the same, without
# sharing the prefix), at the prompt's last token (patches there alone).
Start = Literal["difference", "whole", "last"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two prompts and the answers that compete after both, as tokens."""

    item: str
    base: Ids
    counterpart: Ids
    answers: tuple[tuple[Ids, ...], tuple[Ids, ...]]  # alternatives of a, alternatives of b

    @property
    def shared(self) -> int:
        """Leading tokens that both prompts have."""
        n = 0
        while n < min(len(self.base), len(self.counterpart)) and self.base[n] == self.counterpart[n]:
            n += 1
        return n

    @property
    def suffix(self) -> int:
        """Trailing tokens that both prompts have, beyond the shared ones."""
        n, most = 0, min(len(self.base), len(self.counterpart)) - self.shared
        while n < most and self.base[-1 - n] == self.counterpart[-1 - n]:
            n += 1
        return n

    @property
    def continuations(self) -> tuple[Ids, ...]:
        """Per alternative of both answers, what has to be fed to read its later tokens: all but its last token."""
        return tuple(answer[:-1] for alternatives in self.answers for answer in alternatives)

    def turned(self) -> Pair:
        """The same pair with the counterpart as base."""
        return replace(self, base=self.counterpart, counterpart=self.base)

    def tail_length(self, start: Start = "difference") -> int:
        """Tokens of the base's tail with all continuations."""
        return len(self.base) - self.starts(start)[0] + sum(map(len, self.continuations))

    def starts(self, start: Start) -> tuple[int, int]:
        """First position of the tail in base and counterpart."""
        if start == "difference":
            # A prompt that ends where the other goes on still needs its last position: answers are read there.
            return min(self.shared, len(self.base) - 1), min(self.shared, len(self.counterpart) - 1)
        if start == "last":
            return len(self.base) - 1, len(self.counterpart) - 1
        return 0, 0


def pair_of(audited: AuditedModel, item: Item) -> Pair | Refused:
    """The pair of a stereotype item: its base and counterpart contexts, its answers a and b."""
    asks = {ask.context: ask for ask in item.asks}
    return pair_from(audited, asks["base"], asks["counterpart"], item=item.id)


def pair_from(audited: AuditedModel, base: Ask, counterpart: Ask, *, item: str) -> Pair | Refused:
    """A pair from two asks with the answers "a" and "b", or the reason why it cannot be patched rightly."""
    spelled = [spell(audited, ask) for ask in (base, counterpart)]
    for one in spelled:
        if isinstance(one, Refused):
            return one
    first, second = (one for one in spelled if not isinstance(one, Refused))
    tokens = [{role: tuple(s.answer for s in many) for role, many in one.items()} for one in (first, second)]
    if tokens[0] != tokens[1]:
        return Refused("the answers are other tokens after the counterpart; nothing lines up")
    prompts = [one["a"][0].prefix for one in (first, second)]
    if prompts[0] == prompts[1]:
        return Refused("both prompts are the same tokens")
    return Pair(item=item, base=prompts[0], counterpart=prompts[1], answers=(tokens[0]["a"], tokens[0]["b"]))


# Tokens of one batch's tails. Records of every layer are kept for it: about 20 kB per token and layer of a small model.
BATCH_TOKENS = 512
# Padding is cheaper than a batch of its own as long as it stays below this share of the tokens.
MOST_PADDING = 0.15


def batches(
    pairs: Sequence[Pair], *, start: Start = "difference", most_tokens: int = BATCH_TOKENS
) -> list[tuple[Pair, ...]]:
    """Pairs in batches of like tail length, each of `most_tokens` at most (or of one pair)."""
    ordered = sorted(pairs, key=lambda pair: (pair.tail_length(start), len(pair.base), pair.item))
    out: list[list[Pair]] = []
    real = 0
    for pair in ordered:
        length = pair.tail_length(start)
        padded = length * (len(out[-1]) + 1) if out else 0
        if out and padded <= most_tokens and padded <= (1 + MOST_PADDING) * (real + length):
            out[-1].append(pair)
            real += length
        else:
            out.append([pair])
            real = length
    return [tuple(batch) for batch in out]
