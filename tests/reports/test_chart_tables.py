"""Tables beside pictures hold the picture's numbers; what has none says so and is never zero."""

from __future__ import annotations

import math

import pandas as pd

from reports import chart_tables
from reports.blocks import Table
from reports.judgement_charts import Bars

NAN = math.nan


def heads(table: Table) -> list[str]:
    return [column.title for column in table.columns]


def test_nodes_stand_in_the_order_of_what_they_carry_in_any_language():
    """The MLP of layer 3 carries most of all, against the effect; head 1.0 is not known in Hindi."""
    cells = pd.DataFrame(
        [
            {"panel": "English", "layer": 1, "head": 0, "share": 0.10},
            {"panel": "English", "layer": 3, "head": -1, "share": -0.40},
            {"panel": "English", "layer": 2, "head": 5, "share": 0.004},
            {"panel": "Hindi", "layer": 3, "head": -1, "share": 0.05},
            {"panel": "Hindi", "layer": 2, "head": 5, "share": 0.30},
        ]
    )
    table = chart_tables.node_shares(cells)
    assert heads(table) == ["Node", "English", "Hindi"]
    assert table.rows == (("M3", "−40 %", "+5 %"), ("2.5", "0 %", "+30 %"), ("1.0", "+10 %", "–"))


def test_of_a_large_model_the_table_has_the_strongest_nodes_alone():
    many = pd.DataFrame([{"panel": "English", "layer": n, "head": 0, "share": n / 1000} for n in range(100)])
    table = chart_tables.node_shares(many)
    assert len(table.rows) == chart_tables.MOST_NODES == 60
    assert table.rows[0] == ("99.0", "+10 %")
    assert heads(table) == ["Node (60 strongest of 100)", "English"]


def test_a_circuit_without_random_ones_beside_it_has_no_number_for_them():
    point = {"panel": "English", "part": "necessity", "size": 4, "share": 0.82, "low": 0.7, "high": 0.94}
    random = {"random_low": 0.1, "random_high": 0.4, "random_mean": 0.24}
    none = dict.fromkeys(random, NAN)
    table = chart_tables.curve_points(pd.DataFrame([{**point, **random}, {**point, "part": "sufficiency", **none}]))
    assert table.rows == (
        ("English", "necessity", "4", "+82 %", "+70 % to +94 %", "+24 %", "+10 % to +40 %"),
        ("English", "sufficiency", "4", "+82 %", "+70 % to +94 %", "–", "–"),
    )


def test_a_transfer_that_cannot_be_read_says_so():
    cells = pd.DataFrame(
        [
            {"chosen": "English", "judged": "English", "share": 0.9, "own": True, "word": "none"},
            {"chosen": "English", "judged": "Swahili", "share": NAN, "own": False, "word": "n.i."},
        ]
    )
    table = chart_tables.transfer_shares(cells)
    assert heads(table) == ["Chosen in", "English", "Swahili"]
    assert table.rows == (("English", "+90 %", "n.i."),)


def test_readings_of_a_layer_are_told_by_lowest_median_and_highest_language():
    lines = pd.DataFrame(
        [
            {"panel": "Probe\n(accuracy)", "series": "measured", "language": code, "layer": 2, "value": value}
            for code, value in (("en", 0.9), ("ar", 0.5), ("hi", 0.61))
        ]
    )
    assert chart_tables.layer_readings(lines).rows == (("Probe (accuracy)", "measured", "2", "0.50", "0.61", "0.90"),)


def test_cells_of_a_map_keep_the_word_that_stands_for_a_number():
    def cells(value: float, word: str) -> pd.DataFrame:
        row = {"row": "Japan", "value": value, "sure": False}
        return pd.DataFrame(
            [{**row, "column": "all", "word": word}, {**row, "column": "Swahili", "value": NAN, "word": "n.i."}]
        )

    alone = chart_tables.cell_values({"Probe, bits": cells(0.514, "")})
    assert (heads(alone), alone.rows) == (["Row", "all", "Swahili"], (("Japan", "0.51", "n.i."),))
    both = chart_tables.cell_values({"Probe, bits": cells(0.514, ""), "Latents, bits": cells(-12.06, "")})
    assert both.rows == (("Japan", "Probe, bits", "0.5", "n.i."), ("Japan", "Latents, bits", "−12.1", "n.i."))


def test_a_profile_that_is_not_known_for_overlapping_cultures_has_no_number_there():
    row = {"q": 1.0, "value": 7.25, "low": 6.0, "high": 8.4, "similar": NAN, "n_cultures": 14}
    assert chart_tables.profile_points({"Probe": pd.DataFrame([row])}).rows == (
        ("Probe", "1.0", "7.2", "6.0 to 8.4", "–", "14"),
    )


def test_an_interval_stands_with_its_number_and_what_has_none_with_a_dash():
    rows = [
        {"row": "Care", "value": 1.55, "low": 0.93, "high": 2.17},
        {"row": "Duty", "value": NAN, "low": NAN, "high": NAN},
    ]
    table = chart_tables.interval_values({"Steering": pd.DataFrame(rows)})
    assert table.rows == (("Care", "1.55 (0.93 to 2.17)"), ("Duty", "–"))


def test_latents_of_no_language_are_named_so():
    sets = pd.DataFrame(
        [{"members": ("English", "Hindi"), "n": 12, "n_content": 3}, {"members": (), "n": 5, "n_content": 0}]
    )
    assert chart_tables.shared_sets(sets).rows == (("English, Hindi", "12", "3"), ("no language", "5", "0"))


def test_bars_are_told_with_judgements_and_severity():
    judged = {"agree": 3, "partly": 0, "disagree": 1, "cannot say": 0}
    severe = {"0": 1, "1": 0, "2": 2, "3": 0, "4": 0, "not said": 1}
    table = chart_tables.bar_counts([Bars(label="Readers", people=4, judged=judged, severe=severe)])
    assert table.rows == (("Readers", "4", "3", "0", "1", "0", "1", "0", "2", "0", "0", "1"),)
    assert heads(table)[2:7] == ["agree", "partly", "disagree", "cannot say", "severity 0"]
    assert heads(table)[-1] == "severity not said"
