"""Does a culture's name act on the answer through a few components that also serve names of other facets?

For a fact, the name of its culture is swapped for another's, and the margin is that of the culture's answer over the
other's. Per language, the nodes that carry most of such swaps are chosen by screening every second swap of half of the
facets; on the other half they are patched together. Set beside it are control swaps, of the other every second: the
same two names, and the answers of two cultures that neither names.

Both answers are taken up to the first token in which they differ: the margin is one difference of two logits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from audit.circuits.looking import Look, Looker, Portion
from audit.errors import UnsupportedModelError
from audit.models import AuditedModel
from audit.models.spelling import Ids, Refused, spell
from audit.progress import Reporter
from audit.records import CAPACITY_COLUMNS, EXCLUSION_COLUMNS, Ask, Item, Suite
from audit.sharing import Job

Floats = NDArray[np.float64]

PATHWAY = "pathway"
UNREAD = "the model does not read the language"
CONTEXT = "asked/1"
N_NODES = 8
N_FOLDS = 2
PARTS = 2  # every second swap of a fold is screened, every other one has a control swap
PROMPTS_AT_ONCE = 32
FEWEST_CULTURES = 4  # two that are named and two more that are not
FEWEST_CONTROLS = 8  # swaps of a language, for their spread


@dataclass(frozen=True, kw_only=True, eq=False)
class Swaps:
    """Swaps of a language and fold, each as an item with a base, a counterpart and the answers a and b."""

    fold: int
    chooses: bool  # screened, to choose the nodes that other folds are judged by
    own: Portion
    control: Portion


def pathway(
    suite: Suite, *, looker: Callable[[], Looker], unread: Collection[str], reporter: Reporter
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of CAPACITY_COLUMNS, lens "pathway", and of EXCLUSION_COLUMNS, for a culture suite.

    Every language has a looker of its own, so that what is recorded of it need not be kept for the next. Languages that
    the model does not read (`unread`) are left out: nothing found there could be interpreted.

    `bits` holds no bits but the effect of the swap through the kept nodes (nats of margin lost, positive towards the
    culture's own answer) by the standard deviation of the same over the language's control swaps; `control_bits` the
    mean of those control swaps, the same for every item of the language; `layer` is -1; `n_train` the swaps that had a
    say in choosing the nodes.
    """
    wanted = [item for item in suite.items if not item.control and not item.quarantine and item.culture]
    some = [item for item in wanted if item.language not in unread]
    made, refused = _Study(suite, some, looker, reporter).run()
    refused |= {(item.language, item.id, UNREAD) for item in wanted if item.language in unread}
    capacities = pd.DataFrame(made, columns=list(CAPACITY_COLUMNS)).astype(dict(CAPACITY_COLUMNS))
    excluded = [(suite.record.name, *row[:2], "features", f"no pathway: {row[2]}") for row in sorted(refused)]
    return capacities, pd.DataFrame(excluded, columns=list(EXCLUSION_COLUMNS)).astype(dict(EXCLUSION_COLUMNS))


class _Study:
    def __init__(self, suite: Suite, items: Sequence[Item], make: Callable[[], Looker], reporter: Reporter) -> None:
        self.suite, self.items, self.make, self.reporter = suite, items, make, reporter
        self.looker = make()
        self.refused: set[tuple[str, str, str]] = set()
        self.rows: list[tuple[Any, ...]] = []

    def run(self) -> tuple[list[tuple[Any, ...]], set[tuple[str, str, str]]]:
        self.reporter.stage(f"features: pathways of {self.suite.record.name}", total=len(self.items), unit="items")
        by_language: dict[str, list[Item]] = {}
        for item in sorted(self.items, key=lambda item: (self.suite.languages.index(item.language), item.id)):
            by_language.setdefault(item.language, []).append(item)
        jobs = [
            Job(do=partial(self._looked_at, language, items), size=len(items))
            for language, items in by_language.items()
        ]
        with suppress(UnsupportedModelError):
            self.looker.share(jobs, done=self.reporter.advance)
        for language, items in by_language.items():
            self.looker = self.make()
            try:
                self._language(language, items)
            except UnsupportedModelError as cannot:
                self.refused |= {(language, item.id, str(cannot)) for item in items}
        return self.rows, self.refused

    def _looked_at(self, language: str, items: Sequence[Item]) -> None:
        """Everything of a language, for what it leaves in the cache alone."""
        _Study(self.suite, items, self.make, self.reporter)._language(language, items)

    def _language(self, language: str, items: Sequence[Item]) -> None:
        facets = sorted({item.topic for item in items})
        pairs: dict[tuple[int, bool, bool], list[Item]] = {}  # fold, chooses, control
        for fold in range(N_FOLDS):
            mine = [item for item in items if facets.index(item.topic) % N_FOLDS == fold]
            for place, item in enumerate(mine):
                made = swapped(item, [other for other in mine if other.topic == item.topic])
                if made is None:
                    self._refuse([item], f"its facet has fewer than {FEWEST_CULTURES} cultures")
                    continue
                chooses = place % PARTS == 0
                pairs.setdefault((fold, chooses, False), []).append(made[0])
                if not chooses:
                    pairs.setdefault((fold, chooses, True), []).append(made[1])
        many = self._swaps(language, pairs)
        screened = {swaps: self._screened(swaps) for swaps in many if swaps.chooses}
        found: dict[str, tuple[float, int]] = {}
        controls: dict[str, float] = {}
        for swaps in many:
            choosing = [effects for other, effects in screened.items() if other.fold != swaps.fold]
            if not sum(map(len, choosing)):
                self._refuse(swaps.own.items, "there are no facets to choose nodes on but its own")
                continue
            look = Look(kept_nodes(np.concatenate(choosing)))
            n = sum(map(len, choosing))
            own, control = (self._effects(portion, look) for portion in (swaps.own, swaps.control))
            found |= {item: (value, n) for item, value in own.items()}
            self._refuse([item for item in swaps.own.items if item.id not in own], "its two prompts cannot be aligned")
            controls |= control
        self._add(language, items, found, controls)

    def _add(
        self,
        language: str,
        items: Sequence[Item],
        effects: Mapping[str, tuple[float, int]],
        controls: Mapping[str, float],
    ) -> None:
        if len(controls) < FEWEST_CONTROLS:
            some = [item for item in items if item.id in effects]
            self._refuse(some, f"{len(controls)} control swaps; their spread needs {FEWEST_CONTROLS}")
            return
        spread, mean = (float(of(list(controls.values()))) for of in (partial(np.std, ddof=1), np.mean))
        for item in items:
            if item.id in effects and spread > 0:
                value, n = effects[item.id]
                of = (self.suite.record.name, language, item.id, CONTEXT, PATHWAY, -1, item.culture)
                self.rows.append((*of, value / spread, mean / spread, n))

    def _refuse(self, items: Sequence[Item], reason: str) -> None:
        self.refused |= {(item.language, item.id, reason) for item in items}

    def _screened(self, swaps: Swaps) -> Floats:
        return self.looker.screened(swaps.own).effects

    def _effects(self, portion: Portion, look: Look) -> dict[str, float]:
        """Of the items that can be patched; the screening of the same portion knows which."""
        if not portion.items:
            return {}
        names = self.looker.aligned(portion).items
        values = self.looker.effects(portion, [look])[0] if names else ()
        return dict(zip(names, map(float, values), strict=True))

    def _swaps(self, language: str, pairs: Mapping[tuple[int, bool, bool], Sequence[Item]]) -> list[Swaps]:
        flat = [pair for many in pairs.values() for pair in many]
        asked = {"look": "one step", "asks": [[asdict(ask) for ask in pair.asks] for pair in flat]}
        # All of a language at once: the same prompts come back as base, as counterpart and in controls.
        steps = iter(self.looker.kept(asked, lambda audited: {"steps": one_steps(audited, flat)})["steps"])
        portions: dict[tuple[int, bool, bool], Portion] = {}
        for (fold, chooses, control), many in pairs.items():
            mine = [next(steps) for _ in many]
            portions[fold, chooses, control] = _portion(language, fold, many, mine, control=control)
            for pair, step in zip(many, mine, strict=True):
                if "refused" in step and not control:
                    self._refuse([pair], step["refused"])
        none = Portion(language=language, fold=0, control=True, items=(), margins=())
        return [
            Swaps(fold=fold, chooses=chooses, own=portion, control=portions.get((fold, chooses, True), none))
            for (fold, chooses, control), portion in portions.items()
            if not control and portion.items
        ]


def _portion(
    language: str, fold: int, pairs: Sequence[Item], steps: Sequence[Mapping[str, Any]], *, control: bool
) -> Portion:
    """Swaps whose answers part in one token, with their margins from plain forwards."""
    there = [(pair, step) for pair, step in zip(pairs, steps, strict=True) if "refused" not in step]
    return Portion(
        language=language,
        fold=fold,
        control=control,
        items=tuple(replace(pair, asks=_cut(pair, step)) for pair, step in there),
        margins=tuple((float(step["base"]), float(step["counterpart"])) for _, step in there),
    )


def kept_nodes(effects: Floats) -> NDArray[np.bool_]:
    """The nodes with the largest mean effect over swaps, (layers, heads + 1); fewer if fewer are above zero.

    Args:
        effects: screened, positive towards the culture's own answer: (swaps, layers, heads + 1).
    """
    mean = effects.mean(axis=0)
    order = np.argsort(-mean.ravel(), kind="stable")[:N_NODES]
    nodes = np.zeros(mean.shape, dtype=bool)
    nodes.flat[order] = mean.ravel()[order] > 0
    return nodes


def swapped(item: Item, facet: Sequence[Item]) -> tuple[Item, Item] | None:
    """The swap of an item's culture for another's, and the control swap of the same names.

    Which culture it is swapped for, and whose answers the control has, follow from the item's id alone.
    """
    named = {ask.context: ask for ask in item.asks}.get(CONTEXT)
    others = {
        other.culture: ask
        for other in facet
        for ask in other.asks
        if other.culture and other.culture != item.culture and ask.context == CONTEXT
    }
    if named is None or item.culture is None:
        return None
    others = {culture: ask for culture, ask in others.items() if culture in named.answers}
    if item.culture not in named.answers or len(others) + 1 < FEWEST_CULTURES:
        return None
    order = sorted(others, key=lambda culture: hashlib.sha256(f"{item.id} {culture}".encode()).digest())
    partner, *rest = order

    def pair(a: str, b: str) -> Item:
        asks = (named, others[partner])
        answers = {"a": named.answers[a], "b": named.answers[b]}
        made = tuple(
            Ask(context=context, prompt=ask.prompt, answers=answers)
            for context, ask in zip(("base", "counterpart"), asks, strict=True)
        )
        return replace(item, asks=made)

    return pair(item.culture, partner), pair(rest[0], rest[1])


def _cut(pair: Item, step: Mapping[str, Any]) -> tuple[Ask, ...]:
    """The asks with what both answers begin with as part of the prompt, and one token of each as the answers."""
    answers = {"a": (step["a"],), "b": (step["b"],)}
    return tuple(replace(ask, prompt=ask.prompt + step["shared"], answers=answers) for ask in pair.asks)


def one_steps(audited: AuditedModel, pairs: Sequence[Item]) -> list[dict[str, Any]]:
    """Per swap, both answers up to the first token in which they differ, as text, and both margins; or why not."""
    steps = [_one_step(audited, pair) for pair in pairs]
    asked = [
        (step, side, *_ids(audited, ask))
        for pair, step in zip(pairs, steps, strict=True)
        if "refused" not in step
        for side, ask in zip(("base", "counterpart"), _cut(pair, step), strict=True)
    ]
    # The model is causal: what fills a row up on the right is not seen.
    unique = sorted({ids for _, _, ids, _ in asked}, key=lambda ids: (len(ids), ids))
    ends: dict[Ids, torch.Tensor] = {}
    for begin in range(0, len(unique), PROMPTS_AT_ONCE):
        some = unique[begin : begin + PROMPTS_AT_ONCE]
        rows = [ids + ids[-1:] * (len(some[-1]) - len(ids)) for ids in some]
        with torch.inference_mode():
            hidden = audited.adapter.hidden(torch.tensor(rows, device=audited.model.device))
        ends |= {ids: row[len(ids) - 1] for ids, row in zip(some, hidden, strict=True)}
    for step, side, ids, labels in asked:
        with torch.inference_mode():
            logits = audited.adapter.candidate_logits(ends[ids], torch.tensor(labels, device=ends[ids].device))
        step[side] = float(logits[0] - logits[1])
    return steps


def _ids(audited: AuditedModel, ask: Ask) -> tuple[Ids, tuple[int, int]]:
    spelled = spell(audited, ask)
    assert not isinstance(spelled, Refused)
    return spelled["a"][0].prefix, (spelled["a"][0].answer[0], spelled["b"][0].answer[0])


def _one_step(audited: AuditedModel, pair: Item) -> dict[str, Any]:
    base, _ = pair.asks
    first = {role: (texts[0],) for role, texts in base.answers.items()}
    spelled = spell(audited, replace(base, answers=first))
    if isinstance(spelled, Refused):
        return {"refused": spelled.reason}
    pieces = {role: _pieces(audited, base.prompt, texts[0]) for role, texts in first.items()}
    tokens = {role: many[0].answer for role, many in spelled.items()}
    n = 0
    while n < min(map(len, tokens.values())) and tokens["a"][n] == tokens["b"][n]:
        n += 1
    if n >= min(map(len, tokens.values())):
        return {"refused": "one answer begins with the whole of the other"}
    if any(len(pieces[role]) != len(tokens[role]) for role in pieces):
        return {"refused": "tokens of an answer do not end where its letters do"}
    step = {"shared": "".join(pieces["a"][:n]), "a": pieces["a"][n], "b": pieces["b"][n]}
    for ask in _cut(pair, step):
        again = spell(audited, ask)
        if isinstance(again, Refused) or any(len(many[0].answer) != 1 for many in again.values()):
            return {"refused": "the beginning of an answer is other tokens than the answer begins with"}
    return step


def _pieces(audited: AuditedModel, prompt: str, answer: str) -> list[str]:
    """The answer cut at its tokens' ends, as tokenised after the prompt; fewer than tokens where letters are split."""
    spans = audited.tokenizer(
        prompt + answer, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )["offset_mapping"]
    ends = [end for _, end in spans if end > len(prompt)]
    if len(set(ends)) < len(ends) or not ends:
        return []
    text = prompt + answer
    return [text[start:end] for start, end in zip([len(prompt), *ends[:-1]], ends, strict=True)]
