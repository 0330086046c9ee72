"""The scale of charts."""

import pytest

from audit.records import Verdict
from reports.blocks import Dot, Plot
from reports.charts import domain


def plot(*dots: tuple[float, float, float]) -> Plot:
    made = tuple(
        Dot(label=str(number), panel="", value=value, low=low, high=high, verdict=Verdict.INSUFFICIENT)
        for number, (value, low, high) in enumerate(dots)
    )
    return Plot(title="", unit="nats", dots=made, null=None, null_label="", alt="")


def test_the_interval_of_a_dot_alone_is_drawn_whole():
    """-0.08 within -1.49 and 1.33: 2.82 wide, and 4 % more at either side."""
    assert domain(plot((-0.08, -1.49, 1.33))) == pytest.approx((-1.49 - 0.1128, 1.33 + 0.1128))


def test_an_interval_that_is_absurdly_wide_does_not_shrink_the_others_to_dots():
    """Values 0 and 1 are one apart: the axis ends three of that beyond them, 0.28 more for the rim."""
    assert domain(plot((0.0, -0.1, 0.1), (1.0, -100.0, 100.0))) == pytest.approx((-3 - 0.28, 4 + 0.28))
