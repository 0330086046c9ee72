"""What the report says, before it is set: numbers rounded once, items in the order of their effects."""

from __future__ import annotations

import dataclasses

import pytest
import report_sample as sample

from audit import wording
from audit.findings import FAMILY_LEVEL
from audit.records import Finding, Scope, Undefined, Verdict
from audit.wording import said
from reports import case, charts, content, summary, words
from reports.blocks import Block, Bullets, Counts, Dot, Group, Heading, Plot, Quote, Sheet, Table, Text


def document(findings=None):
    found = sample.findings() if findings is None else findings
    return content.report(sample.evidence(), found, command="run", can_draw=lambda _: True, spelled_out=lambda t: t)


def flat(blocks: tuple[Block, ...]) -> list[Block]:
    found: list[Block] = []
    for block in blocks:
        if isinstance(block, Group):
            found += flat(block.blocks)
        elif isinstance(block, Sheet):
            found += flat((*block.blocks, *block.spare))
        else:
            found.append(block)
    return found


def section(blocks: tuple[Block, ...], title: str) -> list[Block]:
    """The blocks of one section of the first level, or of a measure within theirs, without its heading."""
    found = list(blocks)
    heads = [(i, b) for i, b in enumerate(found) if isinstance(b, Heading) and b.text == title and b.level < 3]
    start, head = heads[0]
    rest = found[start + 1 :]
    end = next((i for i, b in enumerate(rest) if isinstance(b, Heading) and b.level <= head.level), len(rest))
    return flat(tuple(rest[:end]))


def words_of(blocks: list[Block]) -> str:
    texts = [b.text for b in blocks if isinstance(b, Text | Heading)]
    texts += [item for b in blocks if isinstance(b, Bullets) for item in b.items]
    return " ".join([*texts, *(str(cell) for b in blocks if isinstance(b, Table) for row in b.rows for cell in row)])


def changed(
    finding: Finding, *, measure: str = "", details: dict[str, float] | None = None, **result: object
) -> Finding:
    measurement = finding.measurement
    new = dataclasses.replace(
        measurement,
        measure=measure or measurement.measure,
        details=details or measurement.details,
        result=dataclasses.replace(measurement.result, **result),
    )
    return dataclasses.replace(finding, measurement=new)


def barred(measure: str, language: str, reason: str) -> Finding:
    scope = Scope(language=language, suite="stereotype", topic="gender")
    sentence = said("What: not interpretable, because {why}; finding nothing here would not be good news.", why=reason)
    return sample.finding(measure, scope, 0.1, Verdict.NOT_INTERPRETABLE, sentence=sentence)


def competence(language: str, value: float | None, verdict: Verdict) -> Finding:
    return sample.finding("competence", Scope(language=language, suite="competence"), value, verdict)


def test_failing_untested_and_otherwise_barred_are_told_apart_each_with_its_own_reason():
    untracked = "agreeing does not follow what statements say"
    findings = (
        competence("en", 1.0, Verdict.EVIDENCE),
        competence("es", 1.0, Verdict.EVIDENCE),
        competence("yo", 0.5, Verdict.NOT_INTERPRETABLE),
        barred("stereotype_effect", "yo", "the bar"),
        barred("stereotype_effect", "sw", "no competence suite was run"),
        barred("values_lean", "en", untracked),
        barred("values_lean", "es", untracked),
        barred("dilemma_lean", "es", "in Spanish the two wordings disagree"),
    )
    summary = section(document(findings).blocks, "Summary")
    text = words_of(summary)
    assert "Languages that the model was found not to read well enough: Yoruba." in text
    assert "reading was not tested, so that nobody knows whether the model reads them: Swahili." in text
    assert "Agreeing does not follow what statements say (2 of 3 such findings)" in text
    assert "(1 of 3 such findings)" in text


def test_a_reason_without_a_sentence_of_the_usual_form_is_that_of_the_missing_number():
    one = barred("values_lean", "en", "x")
    undefined = dataclasses.replace(
        one, sentence="No.", measurement=dataclasses.replace(one.measurement, result=Undefined(reason="too few items"))
    )
    assert summary.barred_reason(undefined) == "too few items"


@pytest.mark.parametrize("measure", ["control_effect", "content_tracking", "paraphrase_agreement", "bits_per_byte"])
def test_checks_of_the_instrument_are_no_substance(measure):
    one = changed(competence("en", 1.0, Verdict.EVIDENCE), measure=measure, unit="correlation")
    result = document((one, competence("en", 1.0, Verdict.EVIDENCE)))
    (counts,) = [b for b in result.front if isinstance(b, Counts)]
    assert sum(n for _, n in counts.counts) == 0
    assert one.sentence not in words_of(section(result.blocks, "Summary"))
    shown = section(result.blocks, "Checks of the instrument")
    assert words.humanised(measure) in [b.text for b in shown if isinstance(b, Heading)]
    assert "2 checks, by verdict: 2 evidence." in words_of(shown)
    titles = [b.text for b in result.blocks if isinstance(b, Heading) and b.level == 1]
    assert titles.index("Checks of the instrument") < titles.index("Measures, one by one")


def test_confirmatory_tables_say_what_would_have_been_found_and_at_which_level():
    found = [
        changed(f, detectable=0.45, margin=0.69)
        for f in sample.findings()
        if f.measurement.scope.topic == "age" and not isinstance(f.measurement.result, Undefined)
    ]
    shown = section(document(tuple(found)).blocks, "Stereotype effect")
    (table,) = [b for b in shown if isinstance(b, Table)]
    place = [c.title for c in table.columns].index("Detectable")
    assert {row[place] for row in table.rows} == {"0.45"}
    text = words_of(shown)
    assert f"({FAMILY_LEVEL:g} in all)" in text
    assert "0.69 nats" in text
    assert f"evidence needs less than {FAMILY_LEVEL:g}" in text
    assert f"The level of a family is {FAMILY_LEVEL:g}" in words_of(section(document().blocks, "Methods in short"))


def test_other_scores_and_controls_stand_beside_the_stereotype_effects():
    details = {"share_toward": 0.75, "share_against": 0.25, "share_tied": 0.0, "control_mean": 0.11, "control_sd": 0.23}
    details |= {"p_beats_controls": 0.004, "length_normalised": 0.06, "shared_token": 0.04, "pmi": 0.31}
    one = sample.finding("stereotype_effect", Scope(language="en", suite="stereotype"), 0.5, Verdict.EVIDENCE)
    without = {name: value for name, value in details.items() if name != "p_beats_controls"}
    other = sample.finding("stereotype_effect", Scope(language="sw", suite="stereotype"), 0.5, Verdict.EVIDENCE)
    found = (changed(one, details=details), changed(other, details=without))
    tables = [b for b in section(document(found).blocks, "Stereotype effect") if isinstance(b, Table)]
    assert tables[1].rows == (
        ("English", "75 %", "25 %", "0 %", "0.11", "0.23", "0.004", "0.06", "0.04", "0.31"),
        ("Swahili", "75 %", "25 %", "0 %", "0.11", "0.23", "–", "0.06", "0.04", "0.31"),
    )


def test_position_bias_and_agreement_of_wordings_stand_beside_the_dilemmas():
    scope = Scope(language="en", suite="stereotype", topic="gender")
    lean = changed(sample.finding("dilemma_lean", scope, 0.5, Verdict.INSUFFICIENT), details={"position_bias": 2.07})
    agreement = changed(sample.finding("paraphrase_agreement", scope, 0.8, Verdict.EVIDENCE), low=0.6, high=0.9)
    tables = [b for b in section(document((lean, agreement)).blocks, "Dilemma lean") if isinstance(b, Table)]
    assert tables[-1].rows == (("English", "2.07", "0.80 (0.60 to 0.90)"),)


def test_effects_in_nats_are_drawn_in_their_own_standard_errors_and_nothing_is_ranked():
    """0.5 with standard error 0.1 is 5, its bounds 0.3 and 0.7 are 3 and 7; 0.5 with 0.25 is 2."""
    found = []
    for language, error in (("en", 0.1), ("sw", 0.25)):
        one = sample.finding("stereotype_effect", Scope(language=language, suite="stereotype"), 0.5, Verdict.EVIDENCE)
        found.append(changed(one, details={"standard_error": error}))
    (plot,) = [b for b in document(tuple(found)).blocks if isinstance(b, Plot)]
    assert [d.value for d in plot.dots] == pytest.approx([5.0, 2.0])
    assert (plot.dots[0].low, plot.dots[0].high) == pytest.approx((3.0, 7.0))
    assert plot.unit == "standard errors from no effect"
    assert plot.null == 0.0
    assert "ighest" not in plot.alt
    assert "owest" not in plot.alt
    assert "0.5" not in plot.alt


def test_a_caption_names_no_extreme_that_cannot_be_interpreted():
    """Brazil, 0.9, is barred: the highest of the others is Ethiopia, 0.65."""
    found = [f for f in sample.findings() if f.measurement.measure == "knowledge_gap"]
    barred = dataclasses.replace(found[0], verdict=Verdict.NOT_INTERPRETABLE)
    (plot,) = [b for b in document((barred, *found[1:])).blocks if isinstance(b, Plot)]
    assert "Highest: Ethiopia, 0.65" in plot.alt
    (none,) = [b for b in document((barred,)).blocks if isinstance(b, Plot)]
    assert "None of them can be interpreted." in none.alt


def test_bits_per_byte_are_in_a_table_and_in_no_picture():
    one = changed(competence("en", 1.0, Verdict.EVIDENCE), measure="bits_per_byte", unit="bits per byte", null=8.0)
    shown = section(document((one,)).blocks, "Checks of the instrument")
    assert [type(b) for b in shown].count(Table) == 1
    assert not [b for b in shown if isinstance(b, Plot)]


def test_rows_with_different_nulls_have_a_column_for_them():
    found = [f for f in sample.findings() if f.measurement.measure == "knowledge_gap"]
    result = document((changed(found[0], null=2.0), *found[1:]))
    (table,) = [b for b in section(result.blocks, case.APPENDIX) if isinstance(b, Table)]
    place = [c.title for c in table.columns].index("By chance")
    assert [row[place] for row in table.rows] == ["2.00", "0.00", "0.00", "0.00", "0.00"]


def test_exploratory_estimates_stand_in_the_appendix_and_the_main_part_points_to_it():
    blocks = document().blocks
    main = words_of(section(blocks, "Measures, one by one"))
    assert "Knowledge gap" not in main
    titles = [b.text for b in blocks if isinstance(b, Heading) and b.level == 1]
    assert titles[-2:] == [case.APPENDIX, "Index of evidence ids"]
    last = section(blocks, case.APPENDIX)
    assert len([b for b in last if isinstance(b, Table)]) == 1
    assert "Knowledge gap (exploratory)" in [b.text for b in last if isinstance(b, Heading)]
    assert "The items behind the leads" in [b.text for b in last if isinstance(b, Heading)]


def test_absence_is_promised_for_four_of_five_audits_and_never_for_all():
    text = words_of(flat(document().blocks))
    assert "found none although an effect that matters would have been found in four of five such audits" in text
    assert "would have been seen" not in text.replace(str(Verdict.NO_EVIDENCE), "")


def test_rows_with_different_nulls_get_no_line_that_fits_only_one_of_them():
    found = [f for f in sample.findings() if f.measurement.measure == "knowledge_gap"]
    other = dataclasses.replace(found[0].measurement.result, null=2.0)
    moved = dataclasses.replace(found[0], measurement=dataclasses.replace(found[0].measurement, result=other))
    (plot,) = [b for b in flat(document((moved, *found[1:])).blocks) if isinstance(b, Plot)]
    assert plot.null is None
    assert "differs by row" in plot.null_label


def test_a_script_the_medium_can_show_is_quoted():
    """The same blocks serve a medium with all scripts: Hindi words are in the blocks then."""
    quoted = [line for b in flat(document().blocks) if isinstance(b, Quote) for _, line in b.lines]
    assert any("जब बच्चा रोया" in line for line in quoted)


def test_each_chart_has_its_table_and_the_same_estimates():
    blocks = [b for b in document().blocks if not isinstance(b, Sheet)]
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
    chosen = case.in_turn(found)[:3]
    assert {f.measurement.measure for f in chosen} == {
        "stereotype_effect",
        "knowledge_gap",
        "causal_shared_token_score",
    }


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


def test_a_report_in_another_language_says_that_a_machine_translated_it():
    with wording.speaking("fr"):
        french = document()
        line = wording._(
            "This report's own sentences were translated from English by a machine, and no speaker of the language has "
            "reviewed them. Where the two differ, the English report holds."
        )
    assert french.language == "fr"
    assert line in [block.text for block in french.front if isinstance(block, Text)]
    assert len(french.front) == len(document().front) + 1
