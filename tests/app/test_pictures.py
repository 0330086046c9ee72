"""The picture of a finding's number: its interval is on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.findings import from_json
from audit.records import Estimate
from streamlit_app import pictures


@pytest.mark.parametrize(("value", "low", "high"), [(-0.08, -1.49, 1.33), (0.0, -0.5, 0.75), (2.0, 1.5, 2.5)])
def test_an_interval_is_drawn_whole_however_small_the_number_in_it(run_folder, value, low, high):
    found = from_json((run_folder / "findings.json").read_text(encoding="utf-8"))
    one = next(finding for finding in found if isinstance(finding.measurement.result, Estimate))
    result = replace(one.measurement.result, value=value, low=low, high=high, null=0.0)
    chart, _alt = pictures.estimate_chart(replace(one, measurement=replace(one.measurement, result=result)))
    ((row,),) = chart.to_dict()["datasets"].values()
    assert (row["low"], row["value"], row["high"]) == (low, value, high)
