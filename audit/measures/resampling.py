"""Bootstrap-t intervals of smooth functions of findings, for statistics of people.

A statistic is given as a function of weights: how often each finding is counted. It returns its value and standard
error for many sets of weights at once, so that resampling is a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audit.terms import so_many
from audit.wording import Said, said, said_n

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], tuple[Floats, Floats]]  # weights (n, findings) -> values (n,), standard errors (n,)

FEWEST_FINDINGS = 8  # with fewer, no interval tried here held what it promised (85 % and less of planted agreement)
RESAMPLES = 1999
AT_ONCE = 500  # resamples


def bootstrap_t(statistic: Weighted, *, n: int, level: float) -> tuple[float, float, Said]:
    """Interval of a statistic of `n` findings, at least `FEWEST_FINDINGS`: studentised bootstrap.

    The statistic should be on a scale on which its error does not depend on its value (a logarithm of a share, Fisher's
    z). Resamples in which it has no value are left out (Efron and Tibshirani 1993, chapter 12).

    Returns:
        Lower and upper bound on the statistic's scale, and the method as printed.
    """
    assert n >= FEWEST_FINDINGS, "callers say why there is no interval"
    value, error = (float(x[0]) for x in statistic(np.ones((1, n))))
    rng = np.random.default_rng([30, n])
    weights = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [statistic(weights[i : i + AT_ONCE]) for i in range(0, RESAMPLES, AT_ONCE)]
        ratios = np.concatenate([(values - value) / errors for values, errors in parts])
    upper, lower = np.quantile(ratios[np.isfinite(ratios)], [(1 + level) / 2, (1 - level) / 2])
    # i18n: how an interval was computed; {number} is as in "12 findings"
    method = said("bootstrap of {number}", number=so_many(n, "findings"))
    return value - float(upper) * error, value - float(lower) * error, method


def too_few(n: int, forms: tuple[str, str]) -> Said | None:
    """Why `n` findings give no interval, or None where they do. `forms` says what they are, for one and for many."""
    if n >= FEWEST_FINDINGS:
        return None
    # i18n: {so_many} is a clause as in "3 findings were judged in both communities"
    return said(
        "{so_many}; an interval that holds what it promises needs {least}",
        so_many=said_n(*forms, n),
        least=FEWEST_FINDINGS,
    )


def weighted_error(weights: Floats, influence: Floats) -> Floats:
    """Standard error of a statistic from each finding's influence on it: shape (n,), both arguments (n, findings)."""
    total = weights.sum(axis=1)
    mean = (weights * influence).sum(axis=1) / total
    squares = (weights * (influence - mean[:, None]) ** 2).sum(axis=1)
    return np.asarray(np.sqrt(squares * total / (total - 1)))
