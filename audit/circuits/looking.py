"""Looks at portions of items inside the model, each look kept under the digest of what decides it.

Every number a study needs of the model comes from here: a portion that was looked at before, by a run that was stopped
or by another run, is not looked at again, and the model is loaded only if something is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from audit.circuits.edges import EdgeScores, Node, edge_rows, edge_scores, path_effects, strongest_paths
from audit.circuits.means import Means, mean_ablated_effects, means_of
from audit.circuits.pairs import Pair, batches, pair_of
from audit.circuits.patching import Batch, check, effects_of, sufficiency_of
from audit.circuits.readers import Readers
from audit.circuits.readings import readings_of
from audit.circuits.replay import Replay
from audit.circuits.screening import screen
from audit.models import AuditedModel
from audit.models.spelling import Refused
from audit.records import EDGE_COLUMNS, READING_COLUMNS, Item, ModelRecord
from audit.runs import ShardCache, content_key
from audit.sharing import Job, share

Floats = NDArray[np.float64]
Nodes = NDArray[np.bool_]  # (layers, heads + 1), the MLP in the last column

# What is recorded is kept in memory so that the next look need not record again: `record` fills up to this share of
# what is free, once for all processes; besides, each process may keep so many bytes of its own.
RECORDED_SHARE = 0.25
RECORDED_BYTES = 512 * 2**20
# Points between the embeddings where gradients are taken. Five are the usual number; on gemma-3-270m two rank nodes as
# well (docs/speed.md), and what is ranked first is patched in any case.
STEPS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Portion:
    """Items of one language and fold that are looked at together: few enough that a killed run loses little."""

    language: str
    fold: int
    control: bool
    items: tuple[Item, ...]
    margins: tuple[tuple[float, float], ...]  # per item m(base), m(counterpart) from plain forwards, nats


class Look(NamedTuple):
    """One set of nodes and what is asked of it."""

    nodes: Nodes
    part: str = "necessity"  # | sufficiency
    ablation: str = "counterfactual"  # | mean


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What every node is estimated to do, by item. Shape of `effects`: (items, layers, heads + 1), nats or NaN."""

    items: tuple[str, ...]
    effects: Floats
    refused: tuple[tuple[str, str], ...]  # item, reason


class Looker:
    """Asks one model, or the cache.

    Args:
        load: gives the model; called at most once, when something is missing.
        model: which model that is.
        versions: what else decides numbers.
        cache: where looks are kept.
    """

    def __init__(
        self, load: Callable[[], AuditedModel], *, model: ModelRecord, versions: Mapping[str, str], cache: ShardCache
    ) -> None:
        self._load, self._model, self._cache = load, model, cache
        self._versions = dict(versions)
        self._audited: AuditedModel | None = None
        self._replay: Replay | None = None
        self._readers: Readers | None = None
        self._recorded: dict[Portion, tuple[Batch, ...]] = {}
        self._room = RECORDED_BYTES  # what is left for it
        self._means: tuple[tuple[Portion, ...], Means] | None = None

    # --- what can be asked --------------------------------------------------------------------

    def screened(self, portion: Portion) -> Screened:
        """Every node's estimated effect on each item of a portion, and the items that cannot be patched rightly.

        Raises:
            UnsupportedModelError: the model's layers cannot be replayed, or do not give its own margins.
        """
        kept = self._kept([portion], {"look": "screen"}, lambda: self._screen(portion))
        effects = np.array(kept["effects"], dtype=float).reshape(len(kept["items"]), *kept["shape"])
        return Screened(items=tuple(kept["items"]), effects=effects, refused=tuple((a, b) for a, b in kept["refused"]))

    def effects(self, portion: Portion, looks: Sequence[Look], *, language: Sequence[Portion] = ()) -> Floats:
        """Effect of each set of nodes on each item that can be patched, (looks, items) nats.

        Args:
            portion: the items.
            looks: what is asked.
            language: all portions of the language, whose means mean ablation takes.
        """
        if not looks:
            return np.empty((0, 0))
        asked = [[_packed(look.nodes), look.part, look.ablation] for look in looks]
        by_mean = any(look.ablation == "mean" for look in looks)
        kept = self._kept(
            [portion, *(language if by_mean else ())],
            {"look": "effects", "sets": asked},
            lambda: {"effects": self._patch(portion, looks, language).tolist()},
        )
        return np.array(kept["effects"], dtype=float)

    def edges(self, portions: Sequence[Portion], nodes: Sequence[tuple[int, int]], *, most: int) -> pd.DataFrame:
        """The strongest edges between some nodes, each patched as well; EDGE_COLUMNS, suite and language empty."""
        kept = self._kept(
            portions,
            {"look": "edges", "nodes": [list(node) for node in nodes], "most": most},
            lambda: {"rows": _plain_rows(self._edges(portions, nodes, most))},
        )
        return _table(kept["rows"], EDGE_COLUMNS)

    def readings(self, portions: Sequence[Portion]) -> pd.DataFrame:
        """Logit lens, attention to the slot and probes of one language; READING_COLUMNS, suite and language empty."""
        kept = self._kept(portions, {"look": "readings"}, lambda: {"rows": _plain_rows(self._readings(portions))})
        return _table(kept["rows"], READING_COLUMNS)

    def aligned(self, portion: Portion) -> Screened:
        """The items of a portion that `effects` gives numbers for, in their order; nothing is estimated (NaN)."""
        kept = self._kept([portion], {"look": "aligned"}, lambda: self._aligned(portion))
        shape = (len(kept["items"]), self._model.n_layers, self._model.n_heads + 1)
        refused = tuple((a, b) for a, b in kept["refused"])
        return Screened(items=tuple(kept["items"]), effects=np.full(shape, np.nan), refused=refused)

    def kept(self, asked: Mapping[str, Any], make: Callable[[AuditedModel], dict[str, Any]]) -> Mapping[str, Any]:
        """Something else that the model decides, from the cache or made now."""
        return self._kept([], dict(asked), lambda: make(self._load_once()))

    def holds(self, calls: Sequence[Callable[[], object]]) -> bool:
        """Whether calls of this looker find everything in the cache."""
        return all(self._cache.holds(call) for call in calls)

    def record(self, portions: Sequence[Portion], *, done: Callable[[int], None]) -> None:
        """Run the model on portions and keep what it did in memory, as far as there is room: for every later look.

        Processes that are forked afterwards have it too, without a copy.

        Raises:
            UnsupportedModelError: as `screened`.
        """
        self._room = int(psutil.virtual_memory().available * RECORDED_SHARE)
        full = False
        for portion in portions:
            if not full:
                self._batches(portion)
                full = portion not in self._recorded
            done(len(portion.items))
        self._room = min(self._room, RECORDED_BYTES)

    def share(self, jobs: Sequence[Job], *, done: Callable[[int], None]) -> None:
        """Do what several calls of this looker need, in as many processes as there are; see `audit.sharing`."""
        share(jobs, cache=self._cache, load=self._load_once, done=done)

    # --- asking the model ---------------------------------------------------------------------

    def _kept(
        self, portions: Sequence[Portion], asked: Mapping[str, Any], make: Callable[[], dict[str, Any]]
    ) -> Mapping[str, Any]:
        items = [
            [item.id, item.topic, item.template, [asdict(ask) for ask in item.asks]]
            for portion in portions
            for item in portion.items
        ]
        key = content_key(self._model, versions=self._versions, content={**asked, "items": items})
        return self._cache.kept(key, make)

    @property
    def replay(self) -> Replay:
        """The loaded model's layers."""
        if self._replay is None:
            self._replay = Replay(self._load_once().adapter)
        return self._replay

    def _load_once(self) -> AuditedModel:
        self._audited = self._audited or self._load()
        return self._audited

    def _batches(self, portion: Portion) -> tuple[Batch, ...]:
        if portion in self._recorded:
            return self._recorded[portion]
        pairs, _ = self._pairs(portion)
        made = tuple(Batch.of(self.replay, some) for some in batches(pairs))
        plain = {item.id: margins for item, margins in zip(portion.items, portion.margins, strict=True)}
        for batch in made:
            expected = torch.tensor([plain[pair.item] for pair in batch.pairs], device=self.replay.device)
            check(batch, expected[:, 0])
            check(batch.turned(), expected[:, 1])
        size = sum(map(_size, made))
        if size <= self._room:
            self._recorded[portion] = made
            self._room -= size
        return made

    def _pairs(self, portion: Portion) -> tuple[list[Pair], list[tuple[str, str]]]:
        audited = self._audited or self._load_once()
        pairs, refused = [], []
        for item in portion.items:
            pair = pair_of(audited, item)
            if isinstance(pair, Refused):
                refused.append((item.id, pair.reason))
            else:
                pairs.append(pair)
        return pairs, refused

    def _aligned(self, portion: Portion) -> dict[str, Any]:
        pairs, refused = self._pairs(portion)
        return {"items": [pair.item for pair in pairs], "refused": refused}

    def _screen(self, portion: Portion) -> dict[str, Any]:
        pairs, refused = self._pairs(portion)
        shape = [self.replay.adapter.n_layers, self.replay.adapter.n_heads + 1]
        made = self._batches(portion)
        by_item = {
            pair.item: effects.flatten().tolist()
            for batch in made
            for pair, effects in zip(batch.pairs, screen(batch, steps=STEPS).double().cpu(), strict=True)
        }
        items = [pair.item for pair in pairs]
        return {"items": items, "shape": shape, "effects": [by_item[item] for item in items], "refused": refused}

    def _patch(self, portion: Portion, looks: Sequence[Look], language: Sequence[Portion]) -> Floats:
        columns: dict[str, Floats] = {}
        for batch in self._batches(portion):
            values = torch.empty(len(looks), len(batch.pairs), dtype=torch.float64)
            for part, ablation in sorted({(look.part, look.ablation) for look in looks}):
                these = [number for number, look in enumerate(looks) if (look.part, look.ablation) == (part, ablation)]
                sets = [looks[number].nodes for number in these]
                values[these] = self._by(part, ablation)(batch, sets, language).double().cpu()
            columns |= {pair.item: values[:, number].numpy() for number, pair in enumerate(batch.pairs)}
        return np.stack([columns[item.id] for item in portion.items if item.id in columns], axis=1)

    def _by(self, part: str, ablation: str) -> Callable[[Batch, Sequence[Nodes], Sequence[Portion]], Tensor]:
        if (part, ablation) == ("necessity", "mean"):
            return lambda batch, sets, language: mean_ablated_effects(batch, sets, self._means_of(language))
        return {
            ("necessity", "counterfactual"): lambda batch, sets, _: effects_of(batch, sets),
            ("sufficiency", "counterfactual"): lambda batch, sets, _: sufficiency_of(batch, sets),
        }[part, ablation]

    def _means_of(self, language: Sequence[Portion]) -> Means:
        portions = tuple(language)
        if self._means is None or self._means[0] != portions:
            self._means = portions, means_of([batch for one in portions for batch in self._batches(one)])
        return self._means[1]

    def _edges(self, portions: Sequence[Portion], nodes: Sequence[tuple[int, int]], most: int) -> pd.DataFrame:
        self._readers = self._readers or Readers(self.replay)
        made = [batch for portion in portions for batch in self._batches(portion)]
        scores: list[EdgeScores] = [edge_scores(batch, steps=STEPS, readers=self._readers) for batch in made]
        paths = strongest_paths(scores, {Node(*node) for node in nodes}, most=most)
        exact = torch.cat([path_effects(batch, paths, readers=self._readers) for batch in made], dim=1)
        return edge_rows(scores, paths, suite="", language="", exact=exact)

    def _readings(self, portions: Sequence[Portion]) -> pd.DataFrame:
        made = [batch for portion in portions for batch in self._batches(portion)]
        items = [item for portion in portions for item in portion.items]
        return readings_of(made, items, suite="", language="", seed=0)


def _packed(nodes: Nodes) -> str:
    return np.packbits(nodes).tobytes().hex()


def _size(batch: Batch) -> int:
    """Bytes that a recorded batch holds."""
    sides = (batch.base, batch.counterpart)
    values = [
        value for side in sides for many in (side.entering, side.heads, side.attention, side.mlp) for value in many
    ]
    return sum(value.numel() * value.element_size() for value in values)


def _plain_rows(table: pd.DataFrame) -> list[list[Any]]:
    """Rows as JSON has them; NaN as None."""
    return [[None if value != value else value for value in row] for row in table.itertuples(index=False, name=None)]


def _table(rows: Sequence[Sequence[Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(dict(columns))
