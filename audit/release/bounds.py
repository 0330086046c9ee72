"""When a number is within a bound, beyond it, or neither: one-sided limits that hold together for a whole policy.

A policy with m bounds to try (cells times bounds) and confidence 1 - a gives each of them a one-sided limit that is
missed with chance a / m (Bonferroni), so that with confidence 1 - a *all* limits are right together. A cell passes
where the limit excludes being beyond the bound (non-inferiority), fails where the other limit excludes being within,
and is undecided otherwise. docs/gate.md works examples by hand.

Limits are the measure's own 95 % interval, stretched on each side as Student's t says. That keeps the lean of an
interval that is not symmetric, and is exact where the interval is Student's t. Where templates scatter very unevenly
(exponentially), the limit on the side of the long tail misses more often than it should: with 28 templates and ten
bounds in 1.1 to 1.4 % instead of 0.5 % (docs/gate.md). A wrong PASS of a whole run stays rarer than 1 - confidence all
the same, since every cell has to pass (intersection-union test, Berger 1982).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy import special

from audit.measures.statistics import ALPHA, binomial_interval, detectable_distance
from audit.records import Estimate


class Outcome(StrEnum):
    """What the gate says of a cell, a rule, a run. The words are those printed."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    INSUFFICIENT = "INSUFFICIENT EVIDENCE"
    CONTESTED = "CONTESTED"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A value that a measure has to stay at or below (`upper`), or at or above."""

    value: float
    upper: bool

    def __str__(self) -> str:
        return f"at {'most' if self.upper else 'least'} {self.value:g}"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the statistics say of one cell."""

    outcome: Outcome
    reason: str
    low: float  # one-sided limits at the policy's level, in the measure's unit
    high: float
    detectable: float  # distance beyond a bound that would FAIL with the asked power


def decide(
    estimate: Estimate,
    bounds: Sequence[Bound],
    *,
    tail: float,
    power: float,
    resolution: float,
    details: Mapping[str, float] | None = None,
    binomial: bool = False,
    further: float = 0.0,
) -> Decision:
    """Try the bounds on one number.

    The order is part of the meaning. Beyond a bound is a FAIL whatever the power. Not beyond, but with less than the
    asked power to notice an excess of `resolution`, is no PASS either, however the limits fell.

    Args:
        estimate: with its interval at its own level.
        bounds: one or two.
        tail: chance of a one-sided limit to miss.
        power: with which an excess of `resolution` has to be noticed.
        resolution: in the measure's unit.
        details: `standard_error`, `degrees_of_freedom`, `noise_floor`, where the measure has them.
        binomial: the estimate is a share of independent successes: exact limits.
        further: distance beyond the bound that checks besides the limits need for a FAIL, with the same power.
    """
    known = details or {}
    low, high = limits(estimate, tail=tail, details=known, binomial=binomial)
    if binomial:
        reach = max(share_reach(estimate.n_clusters, bounds, tail=tail, power=power), further)
    else:
        reach = max(detectable(estimate, tail=tail, power=power, details=known), further)
    beyond = [bound for bound in bounds if (low > bound.value if bound.upper else high < bound.value)]
    within = all(high <= bound.value if bound.upper else low >= bound.value for bound in bounds)
    span = f"limits {low:.3g} to {high:.3g}"
    if beyond:
        outcome, reason = Outcome.FAIL, f"{span}: beyond the bound, {beyond[0]}"
    elif reach > resolution:
        outcome = Outcome.INSUFFICIENT
        reason = (
            f"an excess of {resolution:.3g} would go unnoticed in more than {_in_a_hundred(1 - power)} audits: the "
            f"smallest that {estimate.n_clusters} independent units find with power {power:g} is {reach:.3g}"
        )
    elif within:
        outcome, reason = Outcome.PASS, f"{span}: within the bound, {' and '.join(map(str, bounds))}"
    else:
        outcome, reason = Outcome.INSUFFICIENT, f"{span}: on both sides of the bound, {' and '.join(map(str, bounds))}"
    return Decision(outcome=outcome, reason=reason, low=low, high=high, detectable=reach)


def limits(
    estimate: Estimate, *, tail: float, details: Mapping[str, float], binomial: bool = False
) -> tuple[float, float]:
    """Lower and upper one-sided limit, each missed with chance `tail`; never nearer to the value than the noise floor.

    Args:
        estimate: with its interval at its own level.
        tail: as in `decide`.
        details: as in `decide`.
        binomial: as in `decide`.
    """
    if binomial:
        n = estimate.n_clusters
        return binomial_interval(round(estimate.value * n), n, level=1 - 2 * tail)
    stretch = _quantile(estimate, details, tail) / _quantile(estimate, details, (1 - estimate.level) / 2)
    floor = details.get("noise_floor", 0.0)
    below, above = (stretch * side for side in (estimate.value - estimate.low, estimate.high - estimate.value))
    return estimate.value - max(below, floor), estimate.value + max(above, floor)


def detectable(estimate: Estimate, *, tail: float, power: float, details: Mapping[str, float]) -> float:
    """How far beyond a bound the truth has to lie for the limit to exclude the bound with `power`.

    By symmetry also how far within it has to lie to pass with that power. The standard error is the measure's own, or
    what half of its interval stands for, where that is more: some intervals know of more than one source of error.

    Args:
        estimate: with its interval at its own level.
        tail: as in `decide`.
        power: asked for.
        details: as in `decide`.
    """
    error = error_of(estimate, details)
    reach = detectable_distance(error, degrees_of(estimate, details), alpha=2 * tail, power=power)
    return max(reach, details.get("noise_floor", 0.0))


def share_reach(n: int, bounds: Sequence[Bound], *, tail: float, power: float) -> float:
    """How far beyond a bound a share of `n` independent successes has to lie to FAIL with `power`: exact, by counts.

    The half width of an observed interval would not do: it is smallest where every count went well, which says nothing
    of a model that does worse. Of several bounds the one that is hardest to break counts.

    Args:
        n: units counted.
        bounds: on the share, each between 0 and 1.
        tail: as in `decide`.
        power: asked for.

    Returns:
        The distance; all the room beyond the bound where no count of `n` breaks it.
    """
    return max(_share_reach(n, bound, tail=tail, power=power) for bound in bounds)


def _share_reach(n: int, bound: Bound, *, tail: float, power: float) -> float:
    # A share at most b is broken as the other share, of what did not succeed, breaks at least 1 - b.
    least = 1 - bound.value if bound.upper else bound.value
    # The upper limit grows with the count: how many counts, from 0, have theirs under the bound.
    few = bisect.bisect_left(range(n + 1), least, key=lambda count: binomial_interval(count, n, level=1 - 2 * tail)[1])
    if not few:
        return least
    # P(count < few) is `power` at this share (beta quantile; Clopper and Pearson 1934).
    return least - float(special.betaincinv(few, n - few + 1, 1 - power))


def beyond_controls(bounds: Sequence[Bound], *, null: float, error: float, degrees: float, power: float) -> float:
    """How far beyond a bound an effect has to lie to be told from what control pairs do, with `power`.

    A FAIL asks that the effect is larger than that of swaps without social meaning (`beats_controls`), which few
    control pairs show badly. The farther the bound lies from no effect, the less that asks.

    Args:
        bounds: those that a large effect can break count; others ask for no such check.
        null: no effect, in the measure's unit.
        error: standard error of the difference from the controls.
        degrees: its degrees of freedom.
        power: asked for.
    """
    away = [abs(bound.value - null) for bound in bounds if (bound.value >= null) == bound.upper or bound.value == null]
    return detectable_distance(error, degrees, alpha=ALPHA, power=power) - min(away) if away else 0.0


def error_of(estimate: Estimate, details: Mapping[str, float]) -> float:
    """Standard error: the measure's own or half of the interval over Student's t, whichever is more."""
    half = (estimate.high - estimate.low) / 2 / _quantile(estimate, details, (1 - estimate.level) / 2)
    return max(half, details.get("standard_error", 0.0))


def degrees_of(estimate: Estimate, details: Mapping[str, float]) -> float:
    """Degrees of freedom of its standard error: told by the measure, or one fewer than independent units."""
    return max(details.get("degrees_of_freedom", estimate.n_clusters - 1.0), 1.0)


def _quantile(estimate: Estimate, details: Mapping[str, float], tail: float) -> float:
    return float(special.stdtrit(degrees_of(estimate, details), 1 - tail))


def _in_a_hundred(share: float) -> str:
    return f"{math.ceil(round(100 * share, 6))} of 100"
