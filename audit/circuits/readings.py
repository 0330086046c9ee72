"""What can be seen in a model without changing it: observations, which support no causal claim.

What each can and cannot show: docs/measures/readings.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from audit.circuits.patching import Batch, Record
from audit.circuits.replay import Replay, Tails
from audit.models.spelling import Ids
from audit.records import READING_COLUMNS, Item

Floats = NDArray[np.float64]

LENS, ATTENTION, PROBE, SHUFFLED = "logit lens", "attention to the slot", "probe", "probe of shuffled labels"
RESIDUAL = -1  # the head number of what is read from the residual stream after a layer

# Items of a language that the lens reads, topic by topic in turn: where answers have several tokens it takes a
# normaliser over the vocabulary for each layer, and would cost more than all patching.
LENS_ITEMS = 12
MOST_FOLDS = 5
MIN_TEMPLATES = 4  # of a topic; a probe fitted on fewer than three has nothing to generalise from
SHUFFLES = 20
RIDGE = 0.01  # times the mean squared length of the centred training vectors

# Largest accepted difference between the heads whose attention is read and those that were recorded, as a share of the
# largest value.
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_HALF_TOLERANCE = 5e-2


@dataclass(frozen=True, eq=False)
class _Seen:
    """What was read of n items, in the order of their names."""

    items: tuple[Item, ...]
    lens: Floats  # (LENS_ITEMS at most, layers) nats, each turned to the item's own effect
    streams: NDArray[np.float32]  # (n, 2, layers, d) after each layer, at the last position of base and counterpart
    attention: Floats | None  # (n, layers, heads); NaN where a prompt has no token of its own


def readings_of(
    batches: Sequence[Batch], items: Sequence[Item], *, suite: str, language: str, seed: int
) -> pd.DataFrame:
    """Logit lens, attention to the slot, and probes of the batches of one language.

    Control items and quarantined ones are in no reading. A reading that no item has is NaN with `n_items` 0: attention
    where every pair has a prompt without a token of its own, probes where no topic has MIN_TEMPLATES templates. Rows of
    attention are left out altogether where the model does not hand out its attention, or where the implementation that
    does (transformers' "eager") gives other numbers than the one that was run.

    Args:
        batches: recorded pairs; of one model.
        items: what the pairs were made of; may hold others.
        suite: written into the rows.
        language: written into the rows.
        seed: of the labels that are shuffled.

    Returns:
        READING_COLUMNS; no rows without batches.
    """
    table = pd.DataFrame(_rows(batches, items, seed=seed), columns=["what", "layer", "head", "value", "n_items"])
    return table.assign(suite=suite, language=language)[list(READING_COLUMNS)].astype(dict(READING_COLUMNS))


def _rows(batches: Sequence[Batch], items: Sequence[Item], *, seed: int) -> Iterator[tuple[str, int, int, float, int]]:
    if not batches:
        return
    seen = _seen(batches, {item.id: item for item in items})
    for layer, value in enumerate(_means(seen.lens)):
        yield LENS, layer, RESIDUAL, value, len(seen.lens)
    if seen.attention is not None:
        counted = ~np.isnan(seen.attention).any(axis=(1, 2))
        shares = _means(seen.attention[counted])
        for layer, head in np.ndindex(*shares.shape):
            yield ATTENTION, layer, head, float(shares[layer, head]), int(counted.sum())
    right, n_items = probe(seen.streams, seen.items, seed=seed)
    for what, values in zip((PROBE, SHUFFLED), right, strict=True):
        for layer, value in enumerate(values):
            yield what, layer, RESIDUAL, float(value), n_items


def _means(values: Floats) -> Floats:
    """Means over items; NaN where there are none."""
    return values.mean(axis=0) if len(values) else np.full(values.shape[1:], np.nan)


def _seen(batches: Sequence[Batch], items: Mapping[str, Item]) -> _Seen:
    names = [pair.item for batch in batches for pair in batch.pairs]
    chosen = _in_turn([items[name] for name in names if _counts(items[name])], LENS_ITEMS)
    lens = {
        name: values
        for batch in batches
        for name, values in _lens_of(batch, [n for n, pair in enumerate(batch.pairs) if pair.item in chosen])
    }
    streams = np.concatenate([_streams(batch) for batch in batches])
    shares = [attention_to_slot(batch) for batch in batches]
    known = [share.double().cpu().numpy() for share in shares if share is not None]
    attention = np.concatenate(known) if len(known) == len(batches) else None
    # The order of batches must not decide how sums are rounded.
    order = sorted((name, row) for row, name in enumerate(names) if _counts(items[name]))
    rows = [row for _, row in order]
    return _Seen(
        items=tuple(items[name] for name, _ in order),
        lens=np.array([lens[name] for name in sorted(chosen)]).reshape(len(chosen), batches[0].replay.adapter.n_layers),
        streams=streams[rows],
        attention=None if attention is None else attention[rows],
    )


def _counts(item: Item) -> bool:
    return not item.control and not item.quarantine


def _in_turn(items: Sequence[Item], n: int) -> set[str]:
    """Names of up to n items, one of each topic in turn, whatever order they come in."""
    by_topic: dict[str, list[str]] = {}
    for item in items:
        by_topic.setdefault(item.topic, []).append(item.id)
    turns = [(turn, topic, name) for topic, many in by_topic.items() for turn, name in enumerate(sorted(many))]
    return {name for _, _, name in sorted(turns)[:n]}


# --- logit lens ----------------------------------------------------------------------------------


def _lens_of(batch: Batch, rows: Sequence[int]) -> Iterator[tuple[str, Floats]]:
    if rows:
        values = logit_lens(batch, rows=torch.tensor(rows, device=batch.tails.ids.device)).T.double().cpu().numpy()
        yield from zip((batch.pairs[row].item for row in rows), values, strict=True)


@torch.no_grad()
def logit_lens(batch: Batch, *, rows: Int[Tensor, " r"] | None = None) -> Float[Tensor, "layers r"]:
    """How much of each pair's effect the final norm and the unembedding read from the stream after each layer.

    sign(TE) * (m(base) - m(counterpart)) with the margins of the stream after the layer (nostalgebraist 2020); nats.
    All tokens of answers are read, each at the position that predicts it. After the last layer it is |TE|.

    Args:
        batch: recorded pairs.
        rows: which of them; None: all.
    """
    if rows is None:
        rows = torch.arange(len(batch.pairs), device=batch.tails.ids.device)
    sides = ((batch.tails, batch.base), (batch.counterpart_tails, batch.counterpart))
    base, counterpart = (_margins(batch, tails, record, rows) for tails, record in sides)
    return torch.sign(batch.effects[rows]) * (base - counterpart)


def _margins(batch: Batch, tails: Tails, record: Record, rows: Tensor) -> Float[Tensor, "layers r"]:
    """Margins read after each layer; all at once, since a normaliser reads the whole unembedding for any number."""
    before_last = record.entering[1:-1]
    if not before_last:
        return record.margins[rows][None]
    streams = torch.cat([entering[rows] for entering in before_last])
    early = batch.replay.margins(streams, tails, rows.repeat(len(before_last))).view(-1, len(rows))
    return torch.cat((early, record.margins[rows][None]))


def _streams(batch: Batch) -> NDArray[np.float32]:
    """The residual stream after each layer at the last position of both prompts: (b, 2, layers, d)."""
    sides = ((batch.tails, batch.base), (batch.counterpart_tails, batch.counterpart))
    both = [_at_last(tails, record).float().cpu().numpy() for tails, record in sides]
    return np.stack(both, axis=1)


def _at_last(tails: Tails, record: Record) -> Float[Tensor, "b layers d"]:
    rows = torch.arange(len(tails.pairs), device=tails.ids.device)
    return torch.stack([entering[rows, tails.prompt - 1] for entering in record.entering[1:]], dim=1)


# --- attention -----------------------------------------------------------------------------------


@torch.no_grad()
def attention_to_slot(batch: Batch) -> Float[Tensor, "b layers heads"] | None:
    """Share of each head's attention that goes from a prompt's last position to the tokens only this prompt has.

    The mean over the pair's two prompts; NaN where one of them has no token of its own (a word is left out). Each
    layer's attention is run once more on the recorded stream with transformers' "eager" implementation, since faster
    ones do not hand out their weights. None where the model cannot do that, or where its heads then give other values
    than were recorded.
    """
    sides = (
        (batch.tails, batch.base, [pair.base for pair in batch.pairs]),
        (batch.counterpart_tails, batch.counterpart, [pair.counterpart for pair in batch.pairs]),
    )
    shares = []
    with ExitStack() as stack:
        try:
            stack.enter_context(eager(batch.replay.adapter.body))
        except (AttributeError, ValueError):
            return None
        for tails, record, prompts in sides:
            weights = [_weights(batch.replay, layer, tails, record) for layer in range(len(record.heads))]
            known = [one for one in weights if one is not None]
            if len(known) < len(weights):
                return None
            slot = _slot(tails, prompts)
            share = (torch.stack(known, dim=1) * slot[:, None, None]).sum(dim=3)
            shares.append(share.masked_fill(~slot.any(dim=1)[:, None, None], float("nan")))
    return (shares[0] + shares[1]) / 2


def _slot(tails: Tails, prompts: Sequence[Ids]) -> Bool[Tensor, "b s"]:
    """Which keys, those of the prefix first, are of tokens that only this prompt has."""
    n_prefix = tails.prefix_keys[0].shape[2]
    slot = torch.zeros(len(prompts), n_prefix + tails.ids.shape[1], dtype=torch.bool)
    for row, (pair, prompt) in enumerate(zip(tails.pairs, prompts, strict=True)):
        begin = len(prompt) - int(tails.prompt[row])  # tokens of the prompt that are in the prefix
        for position in range(pair.shared, len(prompt) - pair.suffix):
            slot[row, position if position < begin else n_prefix + position - begin] = True
    return slot.to(tails.ids.device)


def _weights(replay: Replay, layer: int, tails: Tails, record: Record) -> Float[Tensor, "b heads s"] | None:
    """What each head of a layer looks at from the prompts' last positions; None where it does not tell rightly."""
    rows, last = torch.arange(len(tails.pairs), device=tails.ids.device), tails.prompt - 1
    n_keys = tails.masks[layer].shape[-1]
    seen: list[Tensor] = []
    alike: list[bool] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        shape = (len(rows), replay.adapter.n_heads, tails.ids.shape[1], n_keys)
        given = output if isinstance(output, tuple) else ()
        seen.extend(one[rows, :, last].float() for one in given if isinstance(one, Tensor) and one.shape == shape)

    def compare(heads: Tensor) -> Tensor:
        alike.append(_alike(heads[rows, last], record.heads[layer][rows, last]))
        return heads

    hook = replay.adapter.attentions[layer].register_forward_hook(keep)
    try:
        replay.layer(layer, record.entering[layer], tails, on_heads=compare, mlp=record.mlp[layer])
    finally:
        hook.remove()
    return seen[0] if seen and all(alike) else None


@contextmanager
def eager(body: Any) -> Iterator[None]:
    """Let a transformers model compute its attention step by step for a while.

    Raises:
        AttributeError: no transformers model.
        ValueError: it has no such implementation.
    """
    before = body.config._attn_implementation
    if before == "eager":
        yield
        return
    try:
        body.set_attn_implementation("eager")
        yield
    finally:
        body.set_attn_implementation(before)


def _alike(found: Tensor, expected: Tensor) -> bool:
    tolerance = TOLERANCE.get(expected.dtype, _HALF_TOLERANCE)
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


# --- probes --------------------------------------------------------------------------------------


def probe(
    streams: NDArray[np.floating[Any]], items: Sequence[Item], *, seed: int
) -> tuple[Float[np.ndarray, "2 layers"], int]:
    """Share of held-out prompts that a linear probe tells rightly as base or counterpart, and for how many items.

    Within each topic with MIN_TEMPLATES templates or more, a ridge classifier is fitted on all folds of templates but
    one and asked about the prompts of that one; topics weigh as many items as they have. In the second row base and
    counterpart have changed places in templates drawn at random, in training and in test alike (a control task, after
    Hewitt & Liang 2019, arXiv 1909.03368); the mean over SHUFFLES draws. As no template is on both sides of a fold,
    chance is a half. NaN where no topic is large enough.

    Args:
        streams: (items, 2, layers, d), the base's first.
        items: what the rows belong to.
        seed: of the draws.
    """
    n_layers = streams.shape[2]
    by_topic: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        by_topic.setdefault(item.topic, []).append(row)
    right = []
    for topic in sorted(by_topic):
        rows = by_topic[topic]
        templates = [items[row].template for row in rows]
        if len(set(templates)) < MIN_TEMPLATES:
            continue
        labels, fold_of = _labels(templates, seed=[seed, _number(topic)]), folds(templates)
        fold = np.array([fold_of[template] for template in templates])
        layers = [
            cross_validated(streams[rows, :, layer].astype(np.float64), labels, fold=fold) for layer in range(n_layers)
        ]
        right.append(np.stack(layers, axis=1))  # (items, layers, labels)
    if not right:
        return np.full((2, n_layers), np.nan), 0
    shares = np.concatenate(right).mean(axis=0)
    return np.stack((shares[:, 0], shares[:, 1:].mean(axis=1))), sum(map(len, right))


def folds(templates: Sequence[str]) -> dict[str, int]:
    """Template -> fold, MOST_FOLDS of them or as many as there are templates, of like size."""
    ordered = sorted(set(templates), key=_number)
    n = min(MOST_FOLDS, len(ordered))
    return {template: place % n for place, template in enumerate(ordered)}


def _labels(templates: Sequence[str], *, seed: Sequence[int]) -> Floats:
    """1 where the base is called the base, -1 where it is called the counterpart: first the truth, then the draws."""
    ordered = sorted(set(templates))
    drawn = np.random.default_rng(list(seed)).choice((-1.0, 1.0), size=(len(ordered), SHUFFLES))
    by_template = dict(zip(ordered, drawn, strict=True))
    return np.stack([np.concatenate(([1.0], by_template[template])) for template in templates])


def cross_validated(x: Float[np.ndarray, "n 2 d"], labels: Floats, *, fold: NDArray[np.int_]) -> Floats:
    """Share of both prompts of each item that a ridge classifier fitted on the other folds tells rightly.

    Args:
        x: base and counterpart of each item.
        labels: (n, k) 1 or -1, of the base; the counterpart's is the opposite.
        fold: of each item.

    Returns:
        (n, k): 0, a half or 1; a prompt on the boundary counts half.
    """
    signed = np.stack((labels, -labels), axis=1)  # (n, 2, k)
    right = np.empty_like(labels)
    for one in np.unique(fold):
        train, test = fold != one, fold == one
        fitted = x[train].reshape(-1, x.shape[2])
        centre = fitted.mean(axis=0)
        fitted = fitted - centre
        gram = fitted @ fitted.T
        # Any value serves where all vectors are the same: the scores are zero.
        ridge = RIDGE * np.trace(gram) / len(gram) or 1.0
        weights = fitted.T @ np.linalg.solve(gram + ridge * np.eye(len(gram)), signed[train].reshape(len(gram), -1))
        right[test] = (0.5 + 0.5 * np.sign(((x[test] - centre) @ weights) * signed[test])).mean(axis=1)
    return right


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
