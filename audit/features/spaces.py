"""A suite's texts as they were read, and the space of the latents that are active on them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.features import latents as latents_of
from audit.features.probing import permuted_within
from audit.records import Item, Suite

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

PRACTICE = "practice"
N_SIMILAR = 10  # permutations of labels for overlaps


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Texts of a suite as read, one row each; all arrays have one entry per row."""

    suite: Suite
    items: tuple[Item, ...]
    contexts: tuple[str, ...]
    texts: tuple[str, ...]  # the first of those that a row stands for
    language: Codes  # of the suite's languages
    label: Codes  # culture or framework; -1 where the text has none
    fold: Codes
    states: Floats  # (n, d)
    labels: tuple[str, ...]

    @property
    def unit(self) -> list[str]:
        """The template of each row."""
        return [item.template for item in self.items]

    @property
    def units(self) -> Codes:
        """The template of each row, as a number."""
        return np.unique(np.array(self.unit, dtype=str), return_inverse=True)[1].astype(np.int64)

    def rows(self, keep: Mask) -> Texts:
        """Some of the rows."""
        where = np.flatnonzero(keep)
        return Texts(
            suite=self.suite,
            items=tuple(self.items[row] for row in where),
            contexts=tuple(self.contexts[row] for row in where),
            texts=tuple(self.texts[row] for row in where),
            language=self.language[where],
            label=self.label[where],
            fold=self.fold[where],
            states=self.states[where],
            labels=self.labels,
        )

    def begins(self, *beginnings: str) -> Mask:
        """Rows whose context begins with one of the words."""
        return np.array([context.startswith(beginnings) for context in self.contexts], dtype=bool)


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """The live latents of a suite's texts."""

    texts: Texts
    values: Floats  # (n, live latents)
    alive: Codes  # their numbers in the SAE
    label: Codes  # target of the texts that have a say in choosing, -1 for the others
    blocks: bool  # folds are blocks in which every target has a text

    def permuted(self, draw: int) -> Codes:
        """Labels exchanged between templates, alike in all languages."""
        some = self.label >= 0
        block = self.texts.fold if self.blocks else np.zeros(len(self.label), dtype=np.int64)
        units = [unit for unit, there in zip(self.texts.unit, some, strict=True) if there]
        seed = [seed_of(self.texts.suite.record.name), 5, draw]
        (new,) = permuted_within(self.label[some], unit=units, block=block[some], n=1, seed=seed)
        out = self.label.copy()
        out[some] = new
        return out

    def choose(self, held_out: int | None) -> latents_of.Chosen:
        """Latents of every target from all folds but one (from all, if None)."""
        say = np.ones(len(self.label), dtype=bool) if held_out is None else self.texts.fold != held_out
        draw = N_SIMILAR if held_out is None else N_SIMILAR + 1 + held_out
        return self.chosen_under(self.label, self.permuted(draw), say)

    def chosen_under(self, label: Codes, permuted: Codes, say: Mask) -> latents_of.Chosen:
        """Latents of every target under some labels."""
        n = len(self.texts.labels)
        return latents_of.choose_all(self.values, label, permuted, say, language=self.texts.language, n_labels=n)

    def cells(self) -> Floats | None:
        """Activations as (languages, targets, repeats, latents); None where no balanced layout can be made.

        Templates that lack a text in some language are left out; then as many of each target as all have.
        """
        texts = self.texts
        there: dict[tuple[int, int, str], dict[int, int]] = {}
        for row in np.flatnonzero(self.label >= 0):
            key = (int(self.label[row]), int(texts.fold[row]), texts.items[row].template)
            there.setdefault(key, {})[int(texts.language[row])] = int(row)
        languages = sorted({language for one in there.values() for language in one})
        whole = {key: one for key, one in there.items() if len(one) == len(languages)}
        by_target: dict[int, list[tuple[int, str]]] = {}
        for target, fold, template in sorted(whole):
            by_target.setdefault(target, []).append((fold, template))
        n_targets = len(texts.labels)
        if self.blocks:  # a facet that lacks one culture is left out
            common = set.intersection(*({fold for fold, _ in by_target.get(t, [])} for t in range(n_targets)))
            by_target = {t: [one for one in many if one[0] in common] for t, many in by_target.items()}
        n_repeats = min((len(by_target.get(target, [])) for target in range(n_targets)), default=0)
        if len(languages) < 2 or n_targets < 2 or n_repeats < 2:
            return None
        rows = [
            [[whole[target, *one][language] for one in by_target[target][:n_repeats]] for target in range(n_targets)]
            for language in languages
        ]
        return self.values[np.array(rows)]


def practice_texts(item: Item) -> tuple[str, ...]:
    """The neutral prompts of a culture item, each with the right answer; none for other items."""
    if item.culture is None:
        return ()
    return tuple(
        ask.prompt + ask.answers[item.culture][0]
        for ask in item.asks
        if ask.context.startswith("neutral/") and item.culture in ask.answers
    )


def usable(suite: Suite) -> list[Item]:
    """Items that may support something: no controls, none held back; sorted by language, then id."""
    kept = [item for item in suite.items if not item.control and not item.quarantine]
    return sorted(kept, key=lambda item: (item.language, item.id))


def seed_of(name: str) -> int:
    """A number that follows from a name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
