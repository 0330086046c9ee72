"""How much numbers move when nothing changes but the arrangement of the computation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import combinations, islice, pairwise

from audit.models import AuditedModel
from audit.models.spelling import Refused
from audit.observe.scoring import Scored, score, score_plainly
from audit.records import Ask, NoiseFloor, Suite
from audit.wording import N_

SAMPLE = 16


def measure_noise(audited: AuditedModel, suites: Sequence[Suite], *, sample: int = SAMPLE) -> NoiseFloor | None:
    """The largest move of an effect between three arrangements of the same computation (nats).

    A sample of asks, spread over suites and languages by the digest of their words and cut to two answers, is scored
    (i) packed together, as the run does, (ii) whole and left-padded in batches of eight, (iii) whole
    and one at a time. An effect is a difference of two margins, so the floor is twice the largest move of a margin. It
    covers packing, batch size and padding, within the run's own dtype; not the quantisation of the weights.

    Returns:
        None if no ask could be scored: nothing was measured, which is not zero.
    """
    asks = list(islice(_spread(suites), 4 * sample))  # more than needed: some may be refused
    together = [(ask, one) for ask, one in zip(asks, score(audited, asks), strict=True) if not isinstance(one, Refused)]
    together = together[:sample]
    if not together:
        return None
    kept = [ask for ask, _ in together]
    arrangements = (score(audited, kept), score_plainly(audited, kept), score_plainly(audited, kept, batch=1))
    moves = [
        abs(_margin(one, pair) - _margin(other, pair))
        for results in zip(*arrangements, strict=True)
        for one, other in combinations(results, 2)
        for pair in _pairs(one)
    ]
    # Kept in the manifest as plain text and translated where it is printed.
    method = N_("2 x largest move of a margin between packed texts, left-padded batches of 8, and one at a time")
    return NoiseFloor(value=2 * max(moves), n_items=len(kept), method=method)


def _spread(suites: Sequence[Suite]) -> Iterator[Ask]:
    """Per suite and language in turn, the asks in the order of the digest of their words, cut to two answers."""
    groups: dict[tuple[str, str], list[Ask]] = {}
    for suite in suites:
        for item in suite.items:
            groups.setdefault((suite.record.name, item.language), []).extend(item.asks)
    for asks in groups.values():
        asks.sort(key=_digest)
    deepest = max((len(asks) for asks in groups.values()), default=0)
    for depth in range(deepest):
        for _, asks in sorted(groups.items()):
            if depth < len(asks):
                yield _first_pair(asks[depth])


def _first_pair(ask: Ask) -> Ask:
    """The ask with two answers at most, one spelling each: enough for a margin."""
    first = list(ask.answers.items())[:2]
    return replace(ask, answers={role: alternatives[:1] for role, alternatives in first})


def _digest(ask: Ask) -> str:
    return hashlib.sha256(json.dumps(asdict(ask), sort_keys=True).encode()).hexdigest()


def _pairs(scored: dict[str, Scored] | Refused) -> list[tuple[str, str | None]]:
    """Neighbouring answers, whose difference is a margin; a single answer stands alone."""
    roles = list(scored) if isinstance(scored, dict) else []
    return list(pairwise(roles)) or [(role, None) for role in roles]


def _margin(scored: dict[str, Scored] | Refused, pair: tuple[str, str | None]) -> float:
    assert isinstance(scored, dict)
    first, second = pair
    return scored[first].logp - (scored[second].logp if second is not None else 0.0)
