"""Variance of latents, their kinds, the choice of those that belong to a target, and overlap of targets."""

from __future__ import annotations

import numpy as np
import pytest

from audit.features import latents

# 2 languages x 2 contents x 2 repeats, one latent.
HAND = np.array([[[1.0, 3.0], [5.0, 7.0]], [[0.0, 0.0], [0.0, 0.0]]])[..., None]


def test_a_split_worked_by_hand():
    """Cell means 2, 6 / 0, 0; grand mean 2; languages 4, 0; contents 1, 3.

    language    2 x 2 x (2^2 + 2^2) = 32
    content     2 x 2 x (1^2 + 1^2) = 8
    interaction 2 x (1 + 1 + 1 + 1) = 8: 2 - 4 - 1 + 2 = -1, and so on
    rest        4 x 1^2 = 4
    total       1 + 1 + 9 + 25 + 4 x 4 = 52
    """
    split = latents.variance_split(HAND)
    parts = [float(part[0]) for part in (split.language, split.content, split.interaction, split.rest)]
    assert parts == pytest.approx([32 / 52, 8 / 52, 8 / 52, 4 / 52])


def test_shares_of_any_balanced_layout_sum_to_one_and_a_constant_has_none():
    cells = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    cells[..., 0] = 7.0
    split = latents.variance_split(cells)
    total = split.language + split.content + split.interaction + split.rest
    assert np.isnan(total[0])
    assert total[1:] == pytest.approx(np.ones(5))


def planted(seed: int = 0) -> np.ndarray:
    """4 languages, 6 contents, 4 repeats; latents of language 0, of content 2, of content 2 in language 0, of none."""
    rng = np.random.default_rng(seed)
    cells = rng.random((4, 6, 4, 4)) * 0.4
    cells[0, ..., 0] += 3
    cells[:, 2, :, 1] += 3
    cells[0, 2, :, 2] += 3
    return cells


def test_planted_latents_get_their_kinds():
    cells = planted()
    split = latents.variance_split(cells)
    permuted, p = latents.permuted_content(cells, blocks=True, seed=[0])
    assert latents.kinds(split, permuted, p) == ["language-specific", "content-specific", "mixed", "neither"]
    assert p[1] == pytest.approx(1 / 200)  # no permutation reaches it


def test_permuted_content_is_what_content_would_be_by_chance():
    """A latent that differs between templates alone: its share of content is one of those of permuted labels."""
    rng = np.random.default_rng(1)
    cells = np.repeat(rng.standard_normal((1, 6, 4, 300)), 3, axis=0)  # alike in three languages
    split = latents.variance_split(cells)
    permuted, p = latents.permuted_content(cells, blocks=False, seed=[0])
    assert split.content.mean() == pytest.approx(5 / 23, abs=0.02)  # 5 of 23 degrees of freedom
    assert permuted.mean() == pytest.approx(5 / 23, abs=0.02)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.03)


def texts(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations (n, 40) of 3 targets in 4 languages, 6 texts each: latent t belongs to target t, 10 to language 0."""
    rng = np.random.default_rng(seed)
    label, language = np.tile(np.repeat(np.arange(3), 6), 4), np.repeat(np.arange(4), 18)
    values = rng.random((len(label), 40)) * (rng.random((len(label), 40)) < 0.3)
    for target in range(3):
        values[label == target, target] += 2
    values[language == 0, 10] += 5
    return values, label, language


def test_a_targets_latent_is_chosen_first_and_a_languages_latent_is_not():
    values, label, language = texts()
    found = latents.choose_all(
        values, label, np.roll(label, 7), np.ones(len(label), bool), language=language, n_labels=3, most=2
    )
    assert [found.latents[target][0] for target in range(3)] == [0, 1, 2]
    assert all(10 not in found.latents[target] for target in range(3))
    assert all(len(found.permuted[target]) <= len(found.latents[target]) <= 2 for target in range(3))


def test_texts_without_a_say_do_not_change_the_choice():
    values, label, language = texts()
    say = np.arange(len(label)) % 3 > 0
    first = latents.choose_all(values, label, label, say, language=language, n_labels=3)
    other = values.copy()
    other[~say] = 99.0
    second = latents.choose_all(other, label, label, say, language=language, n_labels=3)
    assert all((first.latents[t] == second.latents[t]).all() for t in range(3))
    assert first.scale == pytest.approx(second.scale)


def test_strength_is_the_mean_activation_in_rms():
    """RMS of 3, 4 over two texts is sqrt(12.5); a text at 3 and 0 has (3 / sqrt(12.5) + 0) / 2."""
    values = np.array([[3.0, 0.0, 1.0], [4.0, 2.0, 0.0]])
    scale = latents.rms(values)
    found = latents.strength(values, np.array([0, 1]), scale)
    assert found[0] == pytest.approx(3 / np.sqrt(12.5) / 2)
    assert np.isnan(latents.strength(values, np.empty(0, dtype=int), scale)).all()


def test_overlap_worked_by_hand():
    """Profiles over two latents at RMS 1: (3, 0), (1, 2), (2, 1); mean (2, 1); above it: (1, 0), (0, 1), (0, 0).

    The first and second share nothing, each is all of itself; the third has nothing of its own to compare.
    """
    values = np.array([[3.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    found = latents.overlaps(values, np.arange(3), np.array([0, 1]), np.ones(2), n_labels=3)
    assert found[0, :2] == pytest.approx([1.0, 0.0])
    assert found[1, :2] == pytest.approx([0.0, 1.0])
    assert found[0, 2] == pytest.approx(0.0)
    assert np.isnan(found[2, 2])
