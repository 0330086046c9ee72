"""Many at once on one desk: the short form of `python -m bench.desk`, which says what is loaded and what is not."""

from __future__ import annotations

from bench.desk import STEPS, load, percentile


def test_ten_people_who_judge_at_once_lose_and_double_nothing(fresh, run_folder):
    result = load(fresh.start(), run_folder.name, reviewers=10, minutes=1 / 3, pace=1.0)
    assert result.errors == ()
    assert (result.missing, result.chain) == (0, "")
    assert result.submits >= 10  # on a busy machine; some 60 on an idle one
    assert all(len(result.seconds[step]) >= 10 for step in STEPS if step != "next")


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_pass():
    hundred = [float(n) for n in range(100, 0, -1)]
    assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99)] == [50.0, 95.0, 99.0]
    assert percentile([7.0], 0.95) == 7.0
