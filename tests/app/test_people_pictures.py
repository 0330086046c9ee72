"""Labels and bars of pictures of people: names keep their direction, bars hold their counts."""

from __future__ import annotations

import re

from audit.records import Estimate, Undefined
from streamlit_app import figures, people_pictures
from streamlit_app.shown import said, words


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(
        value=value, low=low, high=high, level=0.95, unit="alpha", n_items=9, n_clusters=9, method="by hand"
    )


def test_a_name_in_a_label_is_isolated_as_it_is_on_the_page():
    label = said("Between {a} and {b}", a=words("قراء"), b=words("Nairobi"))
    assert people_pictures.plain(label) == "Between \u2068قراء\u2069 and \u2068Nairobi\u2069"


def test_tags_that_somebody_wrote_are_text_in_a_label():
    assert people_pictures.plain(words("<b>x</b>")) == "\u2068<b>x</b>\u2069"


def test_a_label_that_is_cut_closes_what_was_open_in_it():
    made = people_pictures.cut("\u2068" + "a" * 60 + "\u2069")
    assert made.startswith("\u2066\u2068aaa")
    assert made.endswith("…\u2069\u2069")
    assert people_pictures.cut("short") == "\u2066short\u2069"


def test_a_bar_is_as_wide_as_the_share_and_holds_the_count():
    made = str(people_pictures.stacked({"agree": 3, "partly": 0, "disagree": 1, "cannot say": 0}))
    assert re.findall(r"inline-size:([\d.]+)%", made) == ["75.00", "25.00"]
    assert re.findall(r">(\d+)</span>", made) == ["3", "1"]


def test_a_number_that_rounds_to_nothing_has_no_sign():
    assert figures.with_interval(estimate(0.01, -0.004, 0.2)) == "0.01 (0.00 to 0.20)"
    assert figures.with_interval(estimate(-0.5, -0.75, 0.0)) == "−0.50 (−0.75 to 0.00)"


def test_what_has_no_number_says_why_as_text():
    made = figures.with_interval(Undefined(reason="a <b> community"))
    assert made == 'No number: <bdi dir="ltr" lang="en">a &lt;b&gt; community</bdi>'


def test_chance_is_never_nothing():
    assert figures.chance(0.0002) == "less than 1 in 1,000"
    assert figures.chance(0.0213) == "0.021"
    assert figures.chance(None) == "–"
