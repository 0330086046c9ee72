"""A shard is the unit of work that is cached: some items of one suite in one language, scored together.

Its key is a digest of everything that decides its numbers (weights, tokenizer, dtype, library versions, the asks
themselves) and of nothing else: not the machine, the folder, the order of the run or the other shards. The batches
inside a shard depend on its content alone, so a shard that is computed again has the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from audit.models import AuditedModel
from audit.models.spelling import Refused
from audit.observe.scoring import score
from audit.records import Item, ModelRecord, Suite
from audit.runs import content_key

# Small enough that a killed run loses little, large enough that batches fill.
ITEMS_PER_SHARD = 80


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Items of one suite in one language, and the digest their observations are kept under."""

    suite: str
    language: str
    items: tuple[Item, ...]
    key: str


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """What a shard's scoring left: rows of the observation and exclusion tables, without the suite's name.

    The name is added when shards are merged, so that a renamed suite keeps its cache.
    """

    observations: tuple[
        tuple[str, str, str, float, int, int, int], ...
    ]  # item, context, answer, logp, tokens, bytes, prompt
    exclusions: tuple[tuple[str, str], ...]  # item, reason


def plan_shards(suites: Sequence[Suite], *, model: ModelRecord, versions: Mapping[str, str]) -> tuple[Shard, ...]:
    """Cut suites into shards, in a fixed order; `versions` names everything else that decides numbers."""
    shards = []
    for suite in suites:
        ordered = sorted(suite.items, key=lambda item: (item.language, item.id))
        for language, group in groupby(ordered, key=lambda item: item.language):
            items = tuple(group)
            size = -(-len(items) // -(-len(items) // ITEMS_PER_SHARD))  # shards of one size, or nearly so
            for start in range(0, len(items), size):
                some = items[start : start + size]
                asked = [[item.id, [asdict(ask) for ask in item.asks]] for item in some]
                key = content_key(model, versions=versions, content={"items": asked})
                shards.append(Shard(suite=suite.record.name, language=language, items=some, key=key))
    return tuple(shards)


def score_shard(audited: AuditedModel, shard: Shard) -> ShardResult:
    """Score a shard. An item of which one ask is refused is excluded whole: half an item has no effect."""
    flat = [(item.id, ask) for item in shard.items for ask in item.asks]
    results = score(audited, [ask for _, ask in flat])
    refused: dict[str, str] = {}
    for (item, ask), result in zip(flat, results, strict=True):
        if isinstance(result, Refused):
            place = f"{ask.context}: " if ask.context else ""
            refused.setdefault(item, f"{place}{result.reason}")
    rows = tuple(
        (item, ask.context, answer, one.logp, one.n_tokens, one.n_bytes, one.prompt_tokens)
        for (item, ask), result in zip(flat, results, strict=True)
        if item not in refused and not isinstance(result, Refused)
        for answer, one in result.items()
    )
    return ShardResult(observations=rows, exclusions=tuple(sorted(refused.items())))
