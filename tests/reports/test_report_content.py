"""What the report says, before it is set: numbers rounded once, items in the order of their effects."""

from __future__ import annotations

import dataclasses

import pytest
import report_sample as sample

from audit.records import Scope, Verdict
from reports import charts, content, items, words
from reports.blocks import Block, Dot, Group, Plot, Table


def document(findings=None):
    found = sample.findings() if findings is None else findings
    return content.report(sample.evidence(), found, command="run", can_draw=lambda _: True, spelled_out=lambda t: t)


def flat(blocks: tuple[Block, ...]) -> list[Block]:
    return [b for block in blocks for b in (block.blocks if isinstance(block, Group) else (block,))]


def test_stereotype_effect_of_an_item_is_the_difference_of_its_two_margins():
    """Item 3: [0.6 - 5 - (-5)] - [-6 - (-6)] = 0.6, first in order; items 2 and 1 follow."""
    effects = items.Effects.of(sample.evidence())
    scope = Scope(language="sw", suite="stereotype", topic="gender")
    found = effects.largest(sample.finding("stereotype_effect", scope, 0.5, Verdict.EVIDENCE), most=3)
    assert list(found["item"]) == ["gender-3", "gender-2", "gender-1"]
    assert list(found["effect"]) == pytest.approx([0.6, 0.4, 0.2])


def test_a_negative_finding_shows_the_items_with_the_lowest_effects_first():
    effects = items.Effects.of(sample.evidence())
    scope = Scope(language="sw", suite="stereotype", topic="gender")
    found = effects.largest(sample.finding("stereotype_effect", scope, -0.5, Verdict.EVIDENCE), most=2)
    assert list(found["item"]) == ["gender-1", "gender-2"]


def test_quarantined_items_and_unreadable_languages_are_not_shown_as_evidence():
    """gender-3 is held in all languages; Swahili is left out of the mean, so its zeros do not count."""
    evidence = sample.evidence()
    table = evidence.items.assign(
        quarantine=evidence.items["quarantine"].mask(evidence.items["item"] == "gender-3", "why")
    )
    logp = evidence.observations["logp"].mask(evidence.observations["language"] == "sw", 0.0)
    changed = dataclasses.replace(evidence, items=table, observations=evidence.observations.assign(logp=logp))
    one = sample.finding("stereotype_effect", Scope(suite="stereotype", topic="gender"), 0.5, Verdict.EVIDENCE)
    found = items.Effects.of(changed).largest(one, most=3, without=("sw",))
    assert list(found["item"]) == ["gender-2", "gender-1"]
    assert list(found["effect"]) == pytest.approx([0.4, 0.2])


def test_rows_with_different_nulls_get_no_line_that_fits_only_one_of_them():
    found = [f for f in sample.findings() if f.measurement.measure == "cultural_knowledge"]
    other = dataclasses.replace(found[0].measurement.result, null=2.0)
    moved = dataclasses.replace(found[0], measurement=dataclasses.replace(found[0].measurement, result=other))
    (plot,) = [b for b in flat(document((moved, *found[1:])).blocks) if isinstance(b, Plot)]
    assert plot.null is None
    assert "differs by row" in plot.null_label


def test_a_script_the_medium_can_show_is_quoted():
    """The same blocks serve a medium with all scripts: Hindi words are in the blocks then."""
    quoted = [line for b in flat(document().blocks) if hasattr(b, "lines") for _, line in b.lines]
    assert any("जब बच्चा रोया" in line for line in quoted)


def test_each_chart_has_its_table_and_the_same_estimates():
    blocks = flat(document().blocks)
    plots = [i for i, b in enumerate(blocks) if isinstance(b, Plot)]
    assert len(plots) == 4  # competence, stereotypes, cultures, pairs
    for i in plots:
        table = blocks[i + 1]
        assert isinstance(table, Table)
        defined = [row for row in table.rows if "undefined" not in row]
        assert len(defined) == len(blocks[i].dots)
        assert blocks[i].alt.startswith(blocks[i].title)


def test_reading_competence_is_not_counted_among_findings_about_people():
    one = sample.finding("competence", Scope(language="en", suite="competence"), 1.0, Verdict.EVIDENCE)
    blocks = document((one,)).front
    assert dict(blocks[1].counts)[Verdict.EVIDENCE] == 0


def test_the_most_even_summary_takes_measures_in_turn():
    found = [f for f in sample.findings() if f.verdict is Verdict.EVIDENCE and f.measurement.measure != "competence"]
    chosen = content._one_of_each_measure_in_turn(found, most=3)
    assert {f.measurement.measure for f in chosen} == {"stereotype_effect", "cultural_knowledge", "pair_preference"}


@pytest.mark.parametrize(
    ("value", "decimals", "printed"),
    [(-0.004, 2, "0.00"), (-1.25, 1, "−1.2"), (0.0, 0, "0"), (1234.5, 0, "1234"), (float("nan"), 2, "not finite")],
)
def test_numbers_have_a_true_minus_and_no_negative_zero(value, decimals, printed):
    assert words.number(value, decimals=decimals) == printed


@pytest.mark.parametrize(("half", "decimals"), [(0.2, 2), (0.034, 3), (4.0, 1), (250.0, 0), (0.0, 2)])
def test_decimals_show_two_digits_of_the_uncertainty(half, decimals):
    assert words.decimals_for([sample.estimate(1.0, half=half)]) == decimals


def test_p_values_are_never_printed_as_zero():
    assert [words.p_value(p) for p in (None, 0.0, 0.0009, 0.0123, 1.0)] == ["–", "<0.001", "<0.001", "0.012", "1.000"]


def test_lists_read_as_english():
    assert [words.listed(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["none", "a", "a and b", "a, b and c"]


def dot(value: float, *, half: float = 0.1, label: str = "x", panel: str = "") -> Dot:
    return Dot(label=label, panel=panel, value=value, low=value - half, high=value + half, verdict=Verdict.EVIDENCE)


def plot(*dots: Dot, null: float = 0.0) -> Plot:
    return Plot(title="T", unit="nats", dots=dots, null=null, null_label="zero", alt="T.")


def test_the_scale_holds_every_interval_and_the_null():
    low, high = charts.domain(plot(dot(1.0), dot(2.0)))
    assert low < 0.0
    assert high > 2.1


def test_a_null_far_away_does_not_crush_the_estimates():
    low, high = charts.domain(plot(dot(1.0), dot(1.2), null=8.0))
    assert 0.8 < low < 0.9
    assert 1.3 < high < 1.4


def test_one_endless_interval_leaves_the_others_readable():
    endless = dataclasses.replace(dot(1.0), high=float("inf"), low=float("-inf"))
    low, high = charts.domain(plot(endless, dot(2.0)))
    assert (low, high) == (pytest.approx(0, abs=0.2), pytest.approx(2.1, abs=0.2))


def test_pieces_of_a_long_plot_hold_each_dot_once():
    dots = tuple(dot(i, label=str(i)) for i in range(95))
    found = list(charts.pieces(plot(*dots)))
    assert [len(piece.dots) for piece in found] == [40, 40, 15]
    assert sum((piece.dots for piece in found), ()) == dots


def test_pieces_keep_the_panels_whole():
    dots = tuple(dot(i, label=str(i), panel=f"p{p}") for p in range(7) for i in range(20))
    found = list(charts.pieces(plot(*dots)))
    assert [sorted({d.panel for d in piece.dots}) for piece in found] == [
        ["p0", "p1", "p2"],
        ["p3", "p4", "p5"],
        ["p6"],
    ]
    assert all(len(piece.dots) % 20 == 0 for piece in found)


def test_verdicts_differ_in_shape_and_in_colour():
    assert len(set(charts.SHAPES.values())) == len(set(charts.COLOURS.values())) == len(Verdict)
