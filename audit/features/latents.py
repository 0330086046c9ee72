"""What the latents of a sparse autoencoder are active on: languages, contents, both; and which belong to a target.

A latent is a direction that a dictionary-learning method found useful. That it is active on texts about a culture is a
fact about those texts; its name is a hypothesis for people to test on the contexts shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

# A share of variance that gives a latent its kind. That of content counts beyond what permuted labels reach.
ENOUGH = 0.10
P_CONTENT = 0.05
N_PERMUTED = 199
MOST_LATENTS = 16  # chosen for a target
FEWEST_ACTIVE = 0.01  # share of texts on which a latent has to be active to be looked at
SPOKEN = 0.10  # share of a language's texts on which a latent counts as active in it


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Shares of each latent's variance; they sum to 1 (NaN where it never varies). Shape: latents."""

    language: Floats
    content: Floats
    interaction: Floats
    rest: Floats


def variance_split(cells: Floats) -> Split:
    """Two-way split of variance in a balanced layout: language x content, with repeats (templates) in each cell.

    Sums of squares, as in a two-way analysis of variance with fixed effects; in a balanced layout they are orthogonal,
    so no order of terms has to be chosen (type I = II = III). `rest` holds what differs between the templates of a
    cell, whether or not it is alike in all languages.

    Args:
        cells: activations, (languages, contents, repeats, latents).
    """
    n_languages, n_contents, n_repeats, _ = cells.shape
    cell = cells.mean(axis=2)
    grand = cell.mean(axis=(0, 1))
    by_language, by_content = cell.mean(axis=1) - grand, cell.mean(axis=0) - grand
    total = ((cells - grand) ** 2).sum(axis=(0, 1, 2))
    language = n_contents * n_repeats * (by_language**2).sum(axis=0)
    content = n_languages * n_repeats * (by_content**2).sum(axis=0)
    within = ((cells - cell[:, :, None]) ** 2).sum(axis=(0, 1, 2))
    # Not by subtraction: what is zero should come out as zero.
    crossed = cell - grand - by_language[:, None] - by_content[None]
    interaction = n_repeats * (crossed**2).sum(axis=(0, 1))
    parts = [_share(part, total) for part in (language, content, interaction, within)]
    return Split(language=parts[0], content=parts[1], interaction=parts[2], rest=parts[3])


def _share(part: Floats, total: Floats) -> Floats:
    return np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)


def permuted_content(cells: Floats, *, blocks: bool, n: int = N_PERMUTED, seed: Sequence[int]) -> tuple[Floats, Floats]:
    """Share of content under permuted labels: its mean, and the p-value of the share that there is.

    Contents exchange their texts, the same way in all languages, so what one template has in all languages stays.

    Args:
        cells: activations, (languages, contents, repeats, latents).
        blocks: repeats are blocks (a facet, in which every culture has one text) and labels are exchanged within each;
            otherwise every template may get every label.
        n: permutations.
        seed: decides them.

    Returns:
        Mean share and p = (1 + permutations with at least the share) / (1 + n), per latent.
    """
    means = cells.mean(axis=0)  # (contents, repeats, latents): content only ever sees the mean over languages
    n_contents, n_repeats, n_latents = means.shape
    grand = means.mean(axis=(0, 1))
    total = ((cells - grand) ** 2).sum(axis=(0, 1, 2))
    factor = len(cells) * n_repeats

    def share(arranged: Floats) -> Floats:
        return _share(factor * ((arranged.mean(axis=1) - grand) ** 2).sum(axis=0), total)

    own = share(means)
    generator = np.random.default_rng(list(seed))
    above, sums = np.zeros(n_latents), np.zeros(n_latents)
    for _ in range(n):
        if blocks:
            order = np.stack([generator.permutation(n_contents) for _ in range(n_repeats)], axis=1)
            arranged = means[order, np.arange(n_repeats)[None, :]]
        else:
            order = generator.permutation(n_contents * n_repeats)
            arranged = means.reshape(-1, n_latents)[order].reshape(means.shape)
        found = share(arranged)
        above += found >= own * (1 - 1e-9)
        sums += found
    p = np.where(np.isfinite(own), (1 + above) / (1 + n), np.nan)
    return sums / n, p


def kinds(split: Split, permuted: Floats, p_content: Floats) -> list[str]:
    """What each latent goes with.

    Content: p <= 0.05 and at least 0.10 of its variance beyond the mean of permuted labels. Language: at least 0.10 of
    its variance. Mixed: both, or at least 0.10 of interaction with content (a content in some languages only).
    """
    content = (p_content <= P_CONTENT) & (split.content - permuted >= ENOUGH)
    language = split.language >= ENOUGH
    crossed = split.interaction >= ENOUGH
    mixed = content & (language | crossed)
    choices = ["mixed", "content-specific", "language-specific"]
    return [str(name) for name in np.select([mixed, content, language], choices, default="neither")]


# --- the latents of a target --------------------------------------------------------------------


def differences(values: Floats, own: Mask, others: Mask) -> Floats:
    """Standardised difference of each latent between a target's texts and others', (latents,).

    Difference of means by the pooled standard deviation; zero where a latent never varies.
    """
    one, other = values[own], values[others]
    pooled = np.sqrt((one.var(axis=0) + other.var(axis=0)) / 2)
    apart = one.mean(axis=0) - other.mean(axis=0)
    # A latent on for all of one side and for none of the other varies within neither: the floor keeps it in.
    floor = 1e-3 * np.abs(apart)
    return np.divide(apart, pooled + floor, out=np.zeros_like(apart), where=(pooled + floor) > 0)


def chosen(values: Floats, own: Mask, others: Mask, *, most: int = MOST_LATENTS) -> Codes:
    """The latents that tell a target's texts from others' best: at most `most`, each more active on its own."""
    if not own.any() or not others.any():
        return np.empty(0, dtype=np.int64)
    apart = differences(values, own, others)
    order = np.lexsort((np.arange(len(apart)), -apart))[:most]
    return order[apart[order] > 0].astype(np.int64)


def rms(values: Floats) -> Floats:
    """Root mean square of each latent over some texts, (latents,); zero where it is never active."""
    return np.asarray(np.sqrt((values**2).mean(axis=0))) if len(values) else np.zeros(values.shape[1])


def strength(values: Floats, latents: Codes, scale: Floats) -> Floats:
    """Mean over some latents of activation / RMS, per text; NaN where there is no latent."""
    usable = latents[scale[latents] > 0]
    if not len(usable):
        return np.full(len(values), np.nan)
    return np.asarray((values[:, usable] / scale[usable]).mean(axis=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """Per target, its latents, those chosen for it under permuted labels, and how active its latents are.

    `level`: mean activation of each of the target's latents on those of its choosing texts on which it is active.
    `scale`: RMS activation of every latent on all choosing texts.
    """

    latents: Mapping[int, Codes]
    permuted: Mapping[int, Codes]
    level: Mapping[int, Floats]
    scale: Floats


def choose_all(
    values: Floats,
    label: Codes,
    permuted: Codes,
    texts: Mask,
    *,
    language: Codes,
    n_labels: int,
    most: int = MOST_LATENTS,
) -> Chosen:
    """Latents of every target, from some texts.

    Latents are compared within languages (less the mean of the language's choosing texts): one that is active on all
    texts of a language tells no target apart.

    Args:
        values: activations, (n, latents).
        label: target of each text; -1 has none and has no say.
        permuted: the same, permuted.
        texts: which texts have a say.
        language: of each text.
        n_labels: targets are 0 .. n_labels - 1.
        most: latents of one target.
    """
    say = texts & (label >= 0)
    apart = values.copy()
    for one in np.unique(language[say]):
        mine = say & (language == one)
        apart[mine] -= values[mine].mean(axis=0)
    own, other, level = {}, {}, {}
    for target in range(n_labels):
        mine = say & (label == target)
        own[target] = chosen(apart, mine, say & ~mine, most=most)
        level[target] = _mean_where_active(values[mine][:, own[target]])
        drawn = say & (permuted == target)
        other[target] = chosen(apart, drawn, say & ~drawn, most=most)[: len(own[target])]
    return Chosen(latents=own, permuted=other, level=level, scale=rms(values[say]))


def _mean_where_active(values: Floats) -> Floats:
    active = values > 0
    return np.divide(values.sum(axis=0), active.sum(axis=0), out=np.zeros(values.shape[1]), where=active.any(axis=0))


# --- overlap of targets -------------------------------------------------------------------------


def overlaps(values: Floats, label: Codes, latents: Codes, scale: Floats, *, n_labels: int) -> Floats:
    """Overlap of targets' mean activation profiles, (targets, targets); NaN for a target without texts.

    A profile is the mean activation / RMS over a target's texts of every chosen latent, less the mean profile of all
    targets; what is left above zero is what the target has more of than the others. Overlap is the weighted Jaccard
    index of two such profiles: sum of the smaller by sum of the larger.
    """
    usable = latents[scale[latents] > 0]
    profiles = np.full((n_labels, len(usable)), np.nan)
    for target in range(n_labels):
        mine = label == target
        if mine.any():
            profiles[target] = (values[mine][:, usable] / scale[usable]).mean(axis=0)
    there = np.isfinite(profiles).all(axis=1) & (len(usable) > 0)
    out = np.full((n_labels, n_labels), np.nan)
    if not there.any():
        return out
    more = (profiles - profiles[there].mean(axis=0)).clip(min=0)
    for one in np.flatnonzero(there):
        smaller = np.minimum(more[one], more[there]).sum(axis=1)
        larger = np.maximum(more[one], more[there]).sum(axis=1)
        out[one, there] = np.divide(smaller, larger, out=np.full(len(larger), np.nan), where=larger > 0)
    return out
