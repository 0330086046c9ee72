"""How much a linear probe can say about a label, in bits, of texts whose template it was not fitted on.

Usable information (Xu et al. 2020, arXiv 2002.10689) of one text: log2 K + log2 q(right label | text), with q from a
ridge classifier. It is what this family of probes gets out of the states, a lower bound of what they hold; below zero
where the probe is confidently wrong. Beside it the control task (Hewitt and Liang 2019, arXiv 1909.03368): the same
with labels permuted between templates, the same permutation in all languages, so that what a probe can make of mere
differences between texts is seen.

Everything here is numpy: labels and their permutations share one decomposition of the texts' kernel per fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Ridge penalties, in units of the kernel's mean eigenvalue, and factors that turn scores into log-odds. The factor 0
# says "I do not know": a probe that finds nothing on the choosing templates gives 0 bits.
PENALTIES = (0.03, 0.3, 3.0, 30.0)
FACTORS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
N_PERMUTED = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """Labelled texts. All arrays have one entry per text.

    `fold` is the part that the text's template belongs to; a text is judged by a probe fitted on other folds, and, if
    `across_languages`, on other languages alone.
    """

    values: Floats  # (n, d), already centred
    label: Codes  # 0 .. K-1
    n_labels: int
    unit: Codes  # the template: its texts in all languages are one piece of evidence
    fold: Codes
    language: Codes
    across_languages: bool

    def judged(self) -> Iterator[tuple[Codes, Codes]]:
        """(texts to fit on, texts to judge), each text judged at most once."""
        yield from _cells(np.arange(len(self.label)), self.fold, self.language, across=self.across_languages)

    def inner(self, fitted: Codes) -> Iterator[tuple[Codes, Codes]]:
        """The same within the texts of a fit; languages in two halves, so that there are few fits.

        A fit of a single language has no other to be judged in: its inner fits are judged on other templates alone.
        """
        across = self.across_languages and len(np.unique(self.language[fitted])) > 1
        half = np.searchsorted(np.unique(self.language[fitted]), self.language[fitted]) % 2
        yield from _cells(fitted, self.fold[fitted], half, across=across)


def _cells(texts: Codes, fold: Codes, language: Codes, *, across: bool) -> Iterator[tuple[Codes, Codes]]:
    for one in np.unique(fold):
        for other in np.unique(language) if across else (None,):
            apart = fold != one if other is None else (fold != one) & (language != other)
            inside = fold == one if other is None else (fold == one) & (language == other)
            if apart.any() and inside.any():
                yield texts[apart], texts[inside]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bits:
    """What a probe says of each text; NaN where no probe could be fitted. Shape: n."""

    bits: Floats
    control: Floats  # mean over permuted labels
    n_train: Codes  # texts of the fit


def held_out_bits(design: Design, permuted: Sequence[Codes] = ()) -> Bits:
    """Bits of each text under the labels, and mean bits under permuted ones.

    The penalty and the factor are chosen on the fit's own templates (inner cross-validation of the log loss), for each
    labelling by itself. A fit on m templates is mixed with one that knows nothing, as if one more template had been
    seen and said nothing: q = (m q_fitted + 1 / K) / (m + 1). From six templates nobody can learn to be certain.

    Args:
        design: the texts.
        permuted: labellings of the same texts.
    """
    labels = np.stack([design.label, *permuted])  # (labellings, n)
    bits = np.full(labels.shape, np.nan)
    n_train = np.zeros(len(design.label), dtype=np.int64)
    for fitted, judged in design.judged():
        known = _present(labels[:, fitted], design.n_labels)
        if not known[0]:
            continue
        inner = [
            (judge, _scores(design.values, labels, fit, judge, n_labels=design.n_labels))
            for fit, judge in design.inner(fitted)
        ]
        if not inner:
            continue
        m = len(np.unique(design.unit[fitted]))
        gains = sum(_gains(scores, labels[:, judge], m=m).sum(axis=-1) for judge, scores in inner)
        scores = _scores(design.values, labels, fitted, judged, n_labels=design.n_labels)
        outer = _gains(scores, labels[:, judged], m=m)  # (penalties, factors, labellings, judged)
        n_labellings = len(labels)
        # Among equals the first: the strongest penalty's order and the smallest factor.
        best = np.asarray(gains).reshape(-1, n_labellings).argmax(axis=0)
        chosen = outer.reshape(-1, n_labellings, len(judged))[best, np.arange(n_labellings)]
        bits[:, judged] = np.where(known[:, None], chosen, np.nan)
        n_train[judged] = len(fitted)
    control = bits[1:]
    seen = np.isfinite(control).any(axis=0) if len(control) else np.zeros(len(n_train), dtype=bool)
    means = np.full(len(n_train), np.nan)
    if seen.any():
        means[seen] = np.nanmean(control[:, seen], axis=0)
    return Bits(bits=bits[0], control=means, n_train=n_train)


def _present(labels: Codes, n_labels: int) -> Mask:
    """Which labellings have every label among the texts."""
    return np.array([len(np.unique(one)) == n_labels for one in labels])


def _scores(values: Floats, labels: Codes, fitted: Codes, judged: Codes, *, n_labels: int) -> Floats:
    """Ridge scores of each label, (penalties, labellings, judged, labels): regression on the labels' indicators.

    Solved in the space of the fitted texts, whose kernel is decomposed once for all penalties and labellings.
    """
    train, test = values[fitted], values[judged]
    eigenvalues, vectors = np.linalg.eigh(train @ train.T)
    eigenvalues = eigenvalues.clip(min=0.0)
    mean = max(float(eigenvalues.mean()), np.finfo(float).tiny)
    targets = (labels[:, fitted, None] == np.arange(n_labels)).astype(float)  # (labellings, fitted, labels)
    targets -= targets.mean(axis=1, keepdims=True)
    wide = np.moveaxis(targets, 1, 0).reshape(len(fitted), -1)
    turned = vectors.T @ wide
    cross = (test @ train.T) @ vectors
    each = [cross @ (turned / (eigenvalues + penalty * mean)[:, None]) for penalty in PENALTIES]
    shape = (len(PENALTIES), len(judged), len(labels), n_labels)
    return np.moveaxis(np.stack(each).reshape(shape), 1, 2)


def _gains(scores: Floats, labels: Codes, *, m: int) -> Floats:
    """log2 K + log2 q(label), (penalties, factors, labellings, texts)."""
    n_labels = scores.shape[-1]
    own = np.take_along_axis(scores, np.broadcast_to(labels[None, :, :, None], (*scores.shape[:-1], 1)), axis=-1)
    apart = np.moveaxis(scores - own, -1, 0)  # (labels, penalties, labellings, texts)
    out = np.empty((len(scores), len(FACTORS), *labels.shape))
    for number, factor in enumerate(FACTORS):
        fitted = 1 / np.exp(np.minimum(factor * apart, 500.0)).sum(axis=0)
        out[:, number] = np.log2((m * n_labels * fitted + 1) / (m + 1))
    return out


# --- getting values ready -----------------------------------------------------------------------


def centred(values: Floats, *groups: Codes) -> Floats:
    """Values less the mean of their group (language and template's part, say), then each dimension scaled.

    The means are of all texts of the group, labels unseen; in a balanced group they cannot tell labels apart. A
    dimension is divided by its standard deviation plus the mean of all dimensions' own: loud dimensions are turned
    down, silent ones are not turned up to noise.
    """
    out = np.array(values, dtype=float)
    if not len(out):
        return out
    _, group = np.unique(np.stack(groups), axis=1, return_inverse=True) if groups else (None, np.zeros(len(out), int))
    group = np.asarray(group).ravel()
    sums = np.zeros((int(group.max()) + 1, out.shape[1]))
    np.add.at(sums, group, out)
    out -= (sums / np.bincount(group)[:, None])[group]
    spread = out.std(axis=0)
    scale = spread + spread.mean()
    return np.divide(out, scale, out=np.zeros_like(out), where=scale > 0)


def permuted_within(
    label: Codes, *, unit: Sequence[str], block: Codes, n: int = N_PERMUTED, seed: Sequence[int]
) -> list[Codes]:
    """Labellings in which units (templates) of one block have exchanged their labels, alike in all their texts.

    Args:
        label: of each text.
        unit: whose texts stay together; all texts of a unit have one label.
        block: labels are exchanged within it.
        n: how many.
        seed: decides them.
    """
    units, first, place = np.unique(np.array(unit, dtype=object).astype(str), return_index=True, return_inverse=True)
    own, blocks = label[first], block[first]
    generator = np.random.default_rng(list(seed))
    out = []
    for _ in range(n):
        new = own.copy()
        for one in np.unique(blocks):
            members = np.flatnonzero(blocks == one)
            new[members] = own[generator.permutation(members)]
        out.append(new[place])
    assert len(units) == len(own)
    return out


def swapped_within(label: Codes, *, unit: Sequence[str], n: int = N_PERMUTED, seed: Sequence[int]) -> list[Codes]:
    """Labellings of two labels in which each unit, whose texts have both, keeps or swaps them by the toss of a coin."""
    units, place = np.unique(np.array(unit, dtype=object).astype(str), return_inverse=True)
    generator = np.random.default_rng(list(seed))
    return [np.where(generator.integers(2, size=len(units))[place] == 1, 1 - label, label) for _ in range(n)]
