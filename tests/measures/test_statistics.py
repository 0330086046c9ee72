from __future__ import annotations

import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from audit.errors import TooFewItems
from audit.measures import statistics as st


def mean_of(**clusters: list[float]):
    values = [value for members in clusters.values() for value in members]
    labels = [name for name, members in clusters.items() for _ in members]
    return st.clustered_mean(values, labels, unit="nats", null=0.0)[0]


def test_copied_translations_add_no_certainty():
    """Three identical translations of an item carry one item's evidence."""
    once = mean_of(a=[0.1], b=[0.3], c=[0.2])
    thrice = mean_of(a=[0.1] * 3, b=[0.3] * 3, c=[0.2] * 3)
    assert thrice.value == pytest.approx(0.2)  # (0.1 + 0.3 + 0.2) / 3
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    assert thrice.p_value == pytest.approx(once.p_value)
    assert (once.n_items, thrice.n_items, thrice.n_clusters) == (3, 9, 3)


def test_each_template_weighs_the_same_however_many_items_it_has():
    assert mean_of(a=[1.0, 1.0, 1.0, 1.0], b=[0.0]).value == pytest.approx(0.5)  # (1 + 0) / 2, not 4 / 5


def test_an_interval_from_one_cluster_is_refused():
    with pytest.raises(TooFewItems, match="2 independent templates, got 1"):
        mean_of(a=[1.0, 2.0])


def test_few_clusters_get_the_interval_of_statsmodels():
    values = np.array([0.2, 1.4, -0.3, 0.9, 0.5])
    estimate, power = st.clustered_mean(values, list("abcde"), unit="nats", null=0.0)
    fit = sm.OLS(values, np.ones(5)).fit()
    assert (estimate.low, estimate.high) == pytest.approx(tuple(fit.conf_int()[0]))
    assert power["standard_error"] == pytest.approx(fit.bse[0])
    assert estimate.p_value == pytest.approx(fit.pvalues[0])  # signs of five could never tell


def test_the_sign_flip_test_is_used_where_it_is_fine_enough():
    values = [1.0] * 10 + [-0.5]
    alone, _ = st.clustered_mean(values, list("abcdefghijk"), unit="nats", null=0.0)
    # As far from 0 as 9.5: the ones all alike, with either sign of the half: 4 of 2**11 patterns.
    assert alone.p_value == pytest.approx(4 / 2048)
    assert alone.method.endswith("test: exact sign-flip")
    in_family, _ = st.clustered_mean(values, list("abcdefghijk"), unit="nats", null=0.0, n_tests=8)
    assert in_family.method.endswith("test: t(10)")  # 2 / 2048 * 50 > 0.05 / 8
    assert in_family.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_pooled_spread_is_the_residual_spread_of_statsmodels():
    values = np.array([1.0, 2.0, 4.0, 7.0, 9.0])
    cells = np.array(list("aabbb"))
    dummies = (cells[:, None] == np.array(["a", "b"])).astype(float)
    spread, degrees = st.pooled_spread(values, cells)
    fit = sm.OLS(values, dummies).fit()
    assert (spread**2, degrees) == pytest.approx((fit.mse_resid, 3))
    estimate, _ = st.pooled_mean(
        values[2:], spread=spread, degrees_of_freedom=3, unit="nats", null=0.0, n_items=3, borrowed_from="axes"
    )
    assert (estimate.low, estimate.high) == pytest.approx(tuple(fit.conf_int()[1]))
    assert estimate.p_value == pytest.approx(fit.pvalues[1])


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_sign_flip_counts_every_pattern(n: int):
    x = np.random.default_rng(n).normal(0.4, 1, n).round(1)  # rounded, so that ties occur
    sums = [abs(np.dot(signs, x)) for signs in itertools.product((-1, 1), repeat=n)]
    slow = np.mean([s >= abs(x.sum()) - 1e-9 for s in sums])
    assert st.sign_flip_p(x) == pytest.approx(slow)


def test_sign_flip_agrees_with_scipy_and_with_its_sampled_form():
    x = np.random.default_rng(5).normal(0.5, 1, 40)
    exactly = st.sign_flip_p(x[:30])
    other = stats.permutation_test((x[:30],), np.mean, permutation_type="samples", n_resamples=20_000, rng=1).pvalue
    assert exactly == pytest.approx(other, abs=0.01)
    assert st.sign_flip_p(x) == pytest.approx(stats.ttest_1samp(x, 0).pvalue, abs=0.01)
    assert st.sign_flip_p(np.full(40, 1.0)) == 1 / 20_000  # (0 + 1) / (19999 + 1): never zero


def test_one_per_block_counts_every_arrangement():
    blocks = [np.array([0.0, 1.0, 5.0]), np.array([2.0, 2.0, 3.0, 9.0])]
    observed = 5.0 + 9.0
    centre = 2.0 + 4.0  # means of the blocks
    slow = np.mean([abs(a + b - centre) >= abs(observed - centre) for a in blocks[0] for b in blocks[1]])
    assert slow == 1 / 12  # only 5 + 9 lies 8 from 6
    assert st.one_per_block_p(blocks, observed) == pytest.approx(slow)


def test_label_permutation_agrees_with_counting():
    values = np.array([3.0, 2.5, 0.1, 0.2, -0.4, 0.3, 0.0])
    labels = np.array(list("aabbbcc"))
    pairs = list(itertools.combinations(values - values.mean(), 2))
    for label in "ac":
        far = abs((values[labels == label] - values.mean()).sum())
        slow = np.mean([abs(sum(pair)) >= far - 1e-9 for pair in pairs])
        assert st.label_permutation_p(values, labels)[label] == pytest.approx(slow, abs=0.01)
    with pytest.raises(TooFewItems, match="2 labels"):
        st.label_permutation_p(values, np.array(["a"] * 7))


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (24, 32), (30, 32)])
def test_binomial_interval_is_scipys_exact_one(successes: int, n: int):
    twin = stats.binomtest(successes, n).proportion_ci(0.95, method="exact")
    assert st.binomial_interval(successes, n) == pytest.approx((twin.low, twin.high))
    with pytest.raises(TooFewItems):
        st.binomial_interval(0, 0)


def test_corrections_are_those_of_statsmodels():
    p = np.random.default_rng(0).uniform(0, 0.2, 25)
    p[3] = p[4]
    assert st.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert st.benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_detectable_distance_is_that_of_statsmodels():
    twin = TTestPower().solve_power(effect_size=None, nobs=28, alpha=0.05 / 8, power=0.8)  # in SDs
    assert st.detectable_distance(1 / np.sqrt(28), 27, alpha=0.05 / 8) == pytest.approx(twin, rel=1e-3)


def test_bootstrap_interval_agrees_with_a_slow_loop():
    x = np.random.default_rng(3).exponential(size=12)
    rng = np.random.default_rng(9)
    ratios = []
    for _ in range(4000):
        again = x[rng.integers(12, size=12)]
        ratios.append((again.mean() - x.mean()) / (again.std(ddof=1) / np.sqrt(12)))
    error = x.std(ddof=1) / np.sqrt(12)
    slow = (x.mean() - np.quantile(ratios, 0.975) * error, x.mean() - np.quantile(ratios, 0.025) * error)
    assert st.studentised_interval(x) == pytest.approx(slow, abs=0.2 * error)


def test_equal_values_give_an_interval_without_width_and_no_warning():
    assert st.studentised_interval(np.full(10, 0.3)) == (pytest.approx(0.3), pytest.approx(0.3))


DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.exponential(size=n) - 1,
    "heavy": lambda rng, n: rng.standard_t(4, size=n),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", DRAWS)
@pytest.mark.parametrize("n", [8, 12, 20, 40])
def test_intervals_cover_as_promised(n: int, shape: str):
    """93 to 97 % of nominal 95 % intervals hold the truth, give or take three errors of 3000 simulations (1.2 %)."""
    rng = np.random.default_rng(n)
    sizes = rng.integers(1, 6, size=n)
    for unequal in (False, True):
        held = 0
        for _ in range(3000):
            values = DRAWS[shape](rng, n)
            if unequal:  # items scatter around their template's effect
                values = values + rng.normal(size=n) / np.sqrt(sizes)
            low, high = st.studentised_interval(values)
            held += low <= 0 <= high
        assert 0.93 - 0.012 <= held / 3000 <= 0.97 + 0.012, (shape, n, unequal, held / 3000)
        print(shape, n, "unequal" if unequal else "equal", held / 3000)  # noqa: T201
