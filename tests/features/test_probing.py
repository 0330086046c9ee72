"""Bits of a held-out probe, on values whose information is known."""

from __future__ import annotations

import numpy as np
import pytest

from audit.features.probing import Design, centred, held_out_bits, permuted_within, swapped_within

LANGUAGES, FOLDS, PER_FOLD = 4, 3, 20


def two_gaussians(shift: float, *, seed: int = 0) -> tuple[Design, list[str]]:
    """Values N(+-shift, 1) in one dimension, one per template; the same template reads alike in every language."""
    rng = np.random.default_rng(seed)
    rows = [(fold, unit, label) for fold in range(FOLDS) for unit in range(PER_FOLD) for label in (0, 1)]
    own = np.array([shift * (2 * label - 1) + rng.standard_normal() for *_, label in rows])
    values = np.tile(own, LANGUAGES)[:, None]
    many = rows * LANGUAGES
    unit = [f"{fold}.{number}.{label}" for fold, number, label in many]
    design = Design(
        values=values,
        label=np.array([label for *_, label in many]),
        n_labels=2,
        unit=np.unique(unit, return_inverse=True)[1],
        fold=np.array([fold for fold, *_ in many]),
        language=np.repeat(np.arange(LANGUAGES), len(rows)),
        across_languages=True,
    )
    return design, unit


def information(shift: float) -> float:
    """Mutual information of a fair label and N(+-shift, 1), bits: E log2 2q(label), q = 1 / (1 + exp(-2 shift x))."""
    x = np.linspace(-12, 12, 200_001)
    density = np.exp(-((x - shift) ** 2) / 2) / np.sqrt(2 * np.pi)
    return float(np.sum(density * (1 - np.log2(1 + np.exp(-2 * shift * x)))) * (x[1] - x[0]))


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_a_probe_finds_the_information_that_is_there_and_not_more(shift):
    found = [held_out_bits(two_gaussians(shift, seed=seed)[0]).bits.mean() for seed in range(8)]
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert np.mean(found) <= information(shift) + 3 * error
    assert np.mean(found) >= information(shift) - 3 * error - 0.05  # 80 templates leave a little unlearned


def test_permuted_labels_hold_no_information():
    design, unit = two_gaussians(1.5)
    permuted = permuted_within(design.label, unit=unit, block=design.fold, n=10, seed=[0])
    found = held_out_bits(design, permuted)
    assert found.bits.mean() > 0.5
    assert -0.15 < found.control.mean() <= 0.02


def test_values_without_information_give_no_bits():
    found = [held_out_bits(two_gaussians(0.0, seed=seed)[0]).bits.mean() for seed in range(8)]
    assert np.mean(found) == pytest.approx(0, abs=0.05)


def test_a_language_and_a_fold_have_no_say_in_the_probe_that_judges_them():
    design, _ = two_gaussians(1.0)
    for fitted, judged in design.judged():
        assert not set(design.language[fitted]) & set(design.language[judged])
        assert not set(design.fold[fitted]) & set(design.fold[judged])
        for inner, inner_judged in design.inner(fitted):
            assert set(inner) <= set(fitted)
            assert set(inner_judged) <= set(fitted)
            assert not set(design.fold[inner]) & set(design.fold[inner_judged])


def test_every_text_is_judged_once_and_by_so_many_texts():
    design, _ = two_gaussians(1.0)
    judged = np.concatenate([one for _, one in design.judged()])
    assert sorted(judged) == list(range(len(design.label)))
    # 3 other languages x 2 other folds x 20 templates x 2 labels
    assert set(held_out_bits(design).n_train) == {3 * 2 * 20 * 2}


def test_from_m_templates_nobody_learns_to_be_certain():
    """log2 of 2 (m + 1/2) / (m + 1): with m = 4 templates, 0.848 bits at most."""
    values = np.tile(np.array([1.0, -1.0]), 6 * 2)[:, None]
    label = np.tile(np.array([1, 0]), 6 * 2)
    unit = np.tile(np.repeat(np.arange(6), 2), 2)
    design = Design(
        values=values,
        label=label,
        n_labels=2,
        unit=unit,
        fold=unit % 3,
        language=np.repeat([0, 1], 12),
        across_languages=True,
    )
    assert held_out_bits(design).bits == pytest.approx(np.full(24, np.log2(2 * 4.5 / 5)), abs=1e-3)


def test_a_label_that_no_other_fold_has_gives_no_number():
    design = Design(
        values=np.ones((4, 1)),
        label=np.array([0, 1, 0, 2]),
        n_labels=3,
        unit=np.arange(4),
        fold=np.array([0, 0, 1, 1]),
        language=np.zeros(4, dtype=int),
        across_languages=False,
    )
    assert np.isnan(held_out_bits(design).bits).all()


def test_a_permutation_moves_a_template_as_one_and_stays_in_its_block():
    unit = ["a", "b", "c", "d"] * 3  # three languages
    label, block = np.tile([0, 1, 0, 1], 3), np.tile([0, 0, 1, 1], 3)
    for new in permuted_within(label, unit=unit, block=block, n=20, seed=[1]):
        assert (new.reshape(3, 4) == new[:4]).all()
        assert sorted(new[:2]) == [0, 1]
        assert sorted(new[2:4]) == [0, 1]
    swapped = swapped_within(np.tile([0, 1], 6), unit=["x", "x", "y", "y"] * 3, n=20, seed=[1])
    assert {tuple(new[:4]) for new in swapped} == {(0, 1, 0, 1), (1, 0, 0, 1), (0, 1, 1, 0), (1, 0, 1, 0)}
    assert all((new.reshape(3, 4) == new[:4]).all() for new in swapped)


def test_centring_takes_away_what_a_group_has_in_common():
    # Two groups at 10 and 20; +-1 inside. The second dimension is silent.
    values = np.array([[9.0, 0], [11, 0], [19, 0], [21, 0]])
    # Left: +-1, standard deviation 1; divided by 1 + (1 + 0) / 2.
    assert centred(values, np.array([0, 0, 1, 1])) == pytest.approx(np.array([[-1, 0], [1, 0], [-1, 0], [1, 0]]) / 1.5)
