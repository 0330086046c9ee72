"""What is done to latents to see whether answers hang on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.features import latents as latents_of
from audit.features.reading import Edit
from audit.features.spaces import Space, seed_of
from audit.features.steering import Setting
from audit.records import Item, Kind

Codes = NDArray[np.int64]

CAUSAL_EVERY = 2  # templates, in turn; each in one of its languages, which go round too
N_FOILS = 3


@dataclass(frozen=True, kw_only=True)
class CausalAct:
    """One item: what is asked of the model with and without its target's latents set.

    `terms` says, for each kind of act, which log-probabilities add up to its effect: (place in `edits`, weight).
    `shared` pools foils: groups of places whose probabilities are averaged before anything else.
    """

    item: Item
    target: str
    n_latents: int
    edits: tuple[Edit, ...]
    groups: tuple[tuple[int, ...], ...]
    terms: Mapping[str, tuple[tuple[int, float], ...]]

    def effects(self, logps: Sequence[float]) -> dict[str, float]:
        """Nats by kind of act; NaN where an answer could not be spelled."""
        pooled = [
            float(np.logaddexp.reduce([logps[place] for place in group]) - np.log(len(group))) for group in self.groups
        ]
        return {kind: sum(weight * pooled[group] for group, weight in terms) for kind, terms in self.terms.items()}


def causal_acts(space: Space, by_fold: Mapping[int, latents_of.Chosen]) -> Iterator[CausalAct]:
    """For every second item, in one of the suite's languages (they go round), the acts on its target's latents.

    Culture: m = log P(right answer) - log P(mean of foils). `ablate`: m with the name as it is, less m with the
    culture's latents set to zero; `ablate random`: the same with as many other latents that are as often active;
    `clamp`: m of the neutral prompt with the latents set to their level on the target's choosing texts, less m as it
    is. Values: m = m(agree) - m(disagree) of the endorsing, less the same of the rejecting statement; the same
    acts, on both.
    """
    texts = space.texts
    kind = texts.suite.record.kind
    items = sorted(
        {
            (item.id, item.language): item for item, label in zip(texts.items, space.label, strict=True) if label >= 0
        }.items()
    )
    known = {(item.id, item.language): row for row, item in enumerate(texts.items) if space.label[row] >= 0}
    by_target: dict[int, list[str]] = {}
    for row in known.values():
        by_target.setdefault(int(space.label[row]), []).append(texts.items[row].id)
    # Of each target's items every second, beginning with its first or its second in turn: no facet goes without.
    wanted = [
        sorted(set(by_target[target]))[number % CAUSAL_EVERY :: CAUSAL_EVERY]
        for number, target in enumerate(sorted(by_target))
    ]
    some = sorted({id_ for many in wanted for id_ in many})
    for number, id_ in enumerate(some):
        many = [item for (of, _), item in items if of == id_]
        item = many[number % len(many)]
        row = known[item.id, item.language]
        chosen = by_fold[int(texts.fold[row])]
        which = int(space.label[row])
        if len(chosen.latents[which]):
            make = _culture_act if kind is Kind.CULTURE else _values_act
            act = make(space, item, which, chosen)
            if act is not None:
                yield act


def _sets(space: Space, item: Item, which: int, chosen: latents_of.Chosen) -> dict[str, Setting]:
    """What is set in each kind of act on a target's latents."""
    places = chosen.latents[which]
    active = (space.values > 0).mean(axis=0)
    taken = set(np.concatenate(list(chosen.latents.values())).tolist())
    free = np.array([place for place in range(len(space.alive)) if place not in taken], dtype=np.int64)
    generator = np.random.default_rng([seed_of(item.id), seed_of(item.language), 6])
    matched: list[int] = []
    for place in places.tolist():
        left = np.array([one for one in free.tolist() if one not in matched], dtype=np.int64)
        if len(left):
            near = left[np.argsort(np.abs(active[left] - active[place]), kind="stable")[:10]]
            matched.append(int(generator.choice(near)))
    numbers = tuple(space.alive[places].tolist())
    levels = tuple(float(value) for value in chosen.level[which])
    others = tuple(space.alive[matched].tolist())
    return {
        "none": Setting(),
        "ablate": Setting(numbers, (0.0,) * len(numbers)),
        "clamp": Setting(numbers, levels),
        "ablate random": Setting(others, (0.0,) * len(others)),
    }


def _culture_act(space: Space, item: Item, which: int, chosen: latents_of.Chosen) -> CausalAct | None:
    asks = {ask.context: ask for ask in item.asks}
    asked, neutral = asks.get("asked/1"), asks.get("neutral/1")
    if asked is None or neutral is None or item.culture is None:
        return None
    foils = sorted(set(asked.answers) - {item.culture}, key=lambda one: seed_of(f"{item.id} {one}"))[:N_FOILS]
    if not foils:
        return None
    sets = _sets(space, item, which, chosen)
    edits: list[Edit] = []
    groups: list[tuple[int, ...]] = []
    margin: dict[tuple[str, str], tuple[int, int]] = {}
    for name, ask, act in (
        ("asked", asked, "none"),
        ("asked", asked, "ablate"),
        ("asked", asked, "ablate random"),
        ("neutral", neutral, "none"),
        ("neutral", neutral, "clamp"),
    ):
        begin = len(edits)
        edits += [
            Edit(prompt=ask.prompt, answer=ask.answers[role], setting=sets[act]) for role in (item.culture, *foils)
        ]
        margin[name, act] = (len(groups), len(groups) + 1)
        groups += [(begin,), tuple(range(begin + 1, len(edits)))]

    def change(before: tuple[str, str], after: tuple[str, str]) -> tuple[tuple[int, float], ...]:
        return (
            (margin[after][0], 1.0), (margin[after][1], -1.0),
            (margin[before][0], -1.0), (margin[before][1], 1.0),
        )  # fmt: skip

    return CausalAct(
        item=item,
        target=space.texts.labels[which],
        n_latents=len(chosen.latents[which]),
        edits=tuple(edits),
        groups=tuple(groups),
        terms={
            "ablate": change(("asked", "ablate"), ("asked", "none")),
            "clamp": change(("neutral", "none"), ("neutral", "clamp")),
            "ablate random": change(("asked", "ablate random"), ("asked", "none")),
        },
    )


def _values_act(space: Space, item: Item, which: int, chosen: latents_of.Chosen) -> CausalAct | None:
    asks = {ask.context.partition("/")[0]: ask for ask in reversed(item.asks)}
    if "endorse" not in asks or "reject" not in asks:
        return None
    sets = _sets(space, item, which, chosen)
    edits: list[Edit] = []
    margin: dict[str, list[tuple[int, float]]] = {}
    for act, setting in sets.items():
        for context, sign in (("endorse", 1.0), ("reject", -1.0)):
            for role, weight in (("agree", sign), ("disagree", -sign)):
                ask = asks[context]
                margin.setdefault(act, []).append((len(edits), weight))
                edits.append(Edit(prompt=ask.prompt, answer=ask.answers[role], setting=setting))

    def change(before: str, after: str) -> tuple[tuple[int, float], ...]:
        return (*margin[after], *((place, -weight) for place, weight in margin[before]))

    return CausalAct(
        item=item,
        target=space.texts.labels[which],
        n_latents=len(chosen.latents[which]),
        edits=tuple(edits),
        groups=tuple((place,) for place in range(len(edits))),
        terms={
            "ablate": change("ablate", "none"),
            "clamp": change("none", "clamp"),
            "ablate random": change("ablate random", "none"),
        },
    )
