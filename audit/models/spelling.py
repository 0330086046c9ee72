"""Words to tokens: prompt and answers tokenised together, or the reason why they cannot be scored rightly."""

from __future__ import annotations

from dataclasses import dataclass

from audit.models.loading import AuditedModel
from audit.records import Ask
from audit.wording import N_

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Refused:
    """An ask or a pair that cannot be scored rightly, and why."""

    reason: str


@dataclass(frozen=True)
class Spelling:
    """One alternative of one answer, as tokens."""

    prefix: Ids
    answer: Ids
    n_bytes: int


def spell(audited: AuditedModel, ask: Ask) -> dict[str, tuple[Spelling, ...]] | Refused:
    """Tokens of every alternative of every answer, or the reason why the ask cannot be scored.

    Prompt and answer are tokenised together. Where the answer changes the prompt's last token (the boundary merges), or
    a token sequence is longer than the model reads, the ask is refused: the prefix would no longer be shared.
    """
    prompt_ids = audited.encode(ask.prompt)
    spelled: dict[str, tuple[Spelling, ...]] = {}
    for role, alternatives in ask.answers.items():
        spellings = []
        for alternative in alternatives:
            whole = audited.encode(ask.prompt + alternative)
            shared = whole[: len(prompt_ids)]
            if shared != prompt_ids:
                return Refused(f"boundary merges: tokens of the prompt change when {alternative!r} follows")
            prefix, answer = prompt_ids, whole[len(prompt_ids) :]
            n_bytes = len(alternative.encode())
            if not prefix:  # no beginning-of-text token: nothing predicts the first token, so it is not scored
                prefix, answer = whole[:1], whole[1:]
                n_bytes -= _bytes_of_first_token(audited, alternative)
            if not answer:
                return Refused(f"{alternative!r} has no token of its own after the prompt")
            if len(whole) > audited.context_length:
                return Refused(f"{len(whole)} tokens; the model reads {audited.context_length}")
            spellings.append(Spelling(prefix, answer, n_bytes))
        if len({(s.prefix, s.answer) for s in spellings}) < len(spellings):
            return Refused(f"two alternatives of answer {role!r} are the same tokens")
        spelled[role] = tuple(spellings)
    if len({spelling.prefix for spellings in spelled.values() for spelling in spellings}) > 1:
        none = N_("answers compete after nothing, and the model has no beginning-of-text token to score them from")
        return Refused(none)
    return spelled


def _bytes_of_first_token(audited: AuditedModel, text: str) -> int:
    offsets = audited.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return len(text[: offsets[0][1]].encode())
