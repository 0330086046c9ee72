"""What CI systems are given: JUnit, Markdown, the judgements file, plans."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date

import pytest

from audit.errors import RunError
from audit.records import Scope
from audit.release import hearing, planning
from audit.release.bounds import Outcome
from audit.release.cells import absent_from
from audit.release.gate import Cell, GateResult, RuleResult
from audit.release.outputs import as_junit, as_markdown, summary
from audit.release.planning import Spread, Spreads, packaged_spreads, plan
from tests.measures.people_sample import judgements, voice
from tests.release.sample import contest, policy

RULE = '[[rule]]\nid = "r1"\nmeasure = "stereotype_effect"\nlanguages = "all"\nat_most = 1.4\n'


def result(*outcomes: Outcome, reason: str = "because") -> GateResult:
    agreed = policy(RULE)
    cells = tuple(
        Cell(where=f"place {i}", scope=Scope(language="en"), finding="f", outcome=one, before=one, reason=reason)
        for i, one in enumerate(outcomes)
    )
    worst = outcomes[0]
    rule = RuleResult(rule=agreed.rule[0], outcome=worst, cells=cells)
    return GateResult(
        outcome=worst,
        run_id="abc",
        model="imaginary",
        baseline_id="",
        policy=agreed,
        day=date(2026, 11, 28),
        n_bounds=len(cells),
        rules=(rule,),
        notes=("no judgements were given",),
    )


def test_junit_counts_a_fail_as_failure_and_what_is_undecided_as_error():
    """The structure that CI systems read: testsuites > testsuite > testcase > failure or error, with counts."""
    root = ET.fromstring(as_junit(result(Outcome.FAIL, Outcome.CONTESTED, Outcome.INSUFFICIENT, Outcome.PASS)))
    assert root.tag == "testsuites"
    assert [suite.get("name") for suite in root] == ["policy", "r1"]
    suite = root[1]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "2",
        "skipped": "0",
    }
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "5",  # and the suite "policy"
        "failures": "1",
        "errors": "2",
    }
    assert [[child.tag for child in case] for case in suite] == [["failure"], ["error"], ["error"], ["system-out"]]
    assert [case[0].get("type") for case in suite[:3]] == ["FAIL", "CONTESTED", "INSUFFICIENT EVIDENCE"]
    for case in root.iter("testcase"):
        assert case.get("classname")
        assert case.get("name")
        float(case.get("time", ""))


def test_junit_shows_no_green_page_for_a_policy_that_was_not_fixed():
    unfixed = replace(result(Outcome.PASS), outcome=Outcome.INSUFFICIENT, obstacles=("not fixed",))
    assert summary(unfixed) == "INSUFFICIENT EVIDENCE: of 1 cell 1 PASS; not fixed"
    root = ET.fromstring(as_junit(unfixed))
    assert root.get("errors") == "1"
    assert root[0].get("errors") == "1"
    assert ET.fromstring(as_junit(result(Outcome.PASS))).get("errors") == "0"


def test_text_from_outside_breaks_neither_xml_nor_markdown():
    nasty = 'a <b> & "c" \x00\x1b[31m | `d`\n# e'
    made = result(Outcome.FAIL, reason=nasty)
    told = ET.fromstring(as_junit(made))[1][0][0].text
    assert told is not None
    assert 'a <b> & "c" \ufffd\ufffd[31m | `d`' in told
    (line,) = [line for line in as_markdown(made).splitlines() if line.startswith("| place 0")]
    assert "\\<b\\>" in line
    assert "\\|" in line
    assert "\\`d\\` \\# e" in line


def test_the_summary_counts_every_cell_and_names_waivers():
    made = result(Outcome.FAIL, Outcome.PASS, Outcome.PASS)
    assert summary(made) == "FAIL: of 3 cells 1 FAIL, 2 PASS"
    assert as_markdown(made).startswith("## FAIL: of 3 cells 1 FAIL, 2 PASS\n")


# --- judgements as a file --------------------------------------------------------------------------


def test_judgements_come_back_as_they_were_written(tmp_path):
    said = judgements(
        [voice("f1", 1, comment="“so”", severity=2)], run_id="run", contests=(contest("f1"),), communities={"a": "A"}
    )
    hearing.write_judgements(tmp_path / "said.json", said)
    assert hearing.read_judgements(tmp_path / "said.json") == said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"voices": 3}, "voices"),
        ({"more": 1}, "more"),
        ({"format": "plural-audit judgements 1"}, "format"),
        ({"contests": [{"id": "x"}]}, "contests.0"),
    ],
)
def test_a_file_that_is_no_judgements_is_refused_with_its_place(tmp_path, change, told):
    file = tmp_path / "said.json"
    hearing.write_judgements(file, judgements([voice("f1", 1)]))
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(RunError, match=f"said.json: {told}.*desk judgements RUN FILE"):
        hearing.read_judgements(file)


def test_too_large_a_file_of_judgements_is_not_read(tmp_path, monkeypatch):
    hearing.write_judgements(tmp_path / "said.json", judgements([voice("f1", 1)]))
    monkeypatch.setattr(hearing, "MOST_BYTES", 10)
    with pytest.raises(RunError, match="at most 10 are read"):
        hearing.read_judgements(tmp_path / "said.json")


# --- plans -----------------------------------------------------------------------------------------


def spreads(*cells: Spread) -> Spreads:
    return Spreads(run_id="r", model="imaginary", read=("en",), labels={}, cells=cells, seconds={})


def cell(n: int, error: float, **changes: object) -> Spread:
    plain: dict[str, object] = {"measure": "stereotype_effect", "scope": Scope(language="en", suite="s")}
    numbers = {"n_clusters": n, "error": error, "degrees": n - 1.0, "noise_floor": 0.0}
    return Spread(**{**plain, **numbers, **changes})  # type: ignore[arg-type]


def test_the_needed_number_is_the_first_that_is_enough():
    """Twin: all numbers in turn. With 28, error 0.3, it finds 0.767; for 0.693 28 (0.767 / 0.693)^2 = 34.3."""
    made = plan(policy(RULE), spreads(cell(28, 0.3)))
    (one,) = made.rules[0].cells
    assert one.detectable == pytest.approx(2.558 * 0.3, abs=0.01)
    asked = planning._Asked(bounds=policy(RULE).rule[0].bounds, tail=0.05, power=0.8, by_counts=False)
    enough = [n for n in range(2, 200) if planning._detectable(cell(28, 0.3), n, asked) <= 0.6931471805599453]
    assert one.needed == enough[0] == 34  # a little less than 34.3: degrees of freedom grow too
    assert not made.enough


def test_a_plan_counts_the_cells_that_the_run_lacks_as_the_gate_does():
    """English was measured and Swahili was not: two bounds share the confidence, and there is not enough."""
    asked = RULE.replace('"all"', '["en", "sw"]')
    both = plan(policy(asked), spreads(cell(28, 0.1)))
    assert both.n_bounds == 2
    assert not both.enough
    assert "no number of stereotype_effect of Swahili" in both.rules[0].unknown
    assert [one.where for one in both.rules[0].cells] == ["English"]
    assert any("enough where it was measured" in line for line in planning.in_words(both, None))


def test_what_a_rule_lists_is_asked_in_every_combination():
    listed = RULE.replace('"all"', '["en", "sw"]\naxes = ["gender", "gendr"]')
    found = absent_from(
        policy(listed).rule[0], [Scope(language="en", topic="gender"), Scope(language="sw", topic="age")]
    )
    assert [(one.language, one.topic) for one in found] == [("en", "gendr"), ("sw", "gender"), ("sw", "gendr")]


def test_a_difference_from_a_baseline_is_planned_with_both_models_scatter():
    """Twice the variance: 1.414 times the error."""
    rule = RULE.replace("at_most = 1.4", 'margin = 1.4\nworse = "higher"')
    plain, against = (plan(policy(text), spreads(cell(28, 0.3))).rules[0].cells[0] for text in (RULE, rule))
    assert against.detectable == pytest.approx(2**0.5 * plain.detectable)


def test_controls_that_tell_little_are_counted_where_the_bound_is_near_no_effect():
    """At a bound of 0 the effect has to be told from that of the controls; at 1.4 that asks nothing more."""
    few = cell(28, 0.1, control_error=0.5, control_degrees=12.0)
    near, far = (
        plan(policy(RULE.replace("1.4", bound)), spreads(few)).rules[0].cells[0].detectable for bound in ("0.0", "1.4")
    )
    assert far == pytest.approx(2.558 * 0.1, abs=0.01)
    assert near > 1.2  # 0.51 * (2.18 + 0.87)


def test_below_the_noise_floor_no_number_of_templates_helps():
    made = plan(policy(RULE), spreads(cell(28, 0.3, noise_floor=0.8)))
    assert made.rules[0].cells[0].needed is None
    assert any("ask for less" in line for line in planning.in_words(made, None))


def test_what_the_known_run_has_nothing_of_is_said_and_is_not_enough():
    made = plan(policy(RULE), spreads())
    assert made.rules[0].unknown.startswith("run r has no number of stereotype_effect there")
    assert not made.enough


@pytest.mark.parametrize("items", ["core", "all"])
def test_the_packaged_spreads_hold_the_built_in_audit(items):
    known = packaged_spreads(items)
    assert known.model.startswith("gemma-3-270m")
    assert {one.measure for one in known.cells} >= {"competence", "stereotype_effect", "knowledge_gap"}
    assert all(one.error > 0 and one.n_clusters > 1 for one in known.cells)
    assert known.seconds["scoring"] > 0


def test_the_whole_audit_has_more_templates_and_languages_than_the_short_one():
    """Whether a plan is of the one or of the other must show: 28 templates of stereotypes against 61."""
    short, whole = packaged_spreads("core"), packaged_spreads("all")
    assert set(short.read) < set(whole.read)

    def most(known: Spreads) -> int:
        return max(one.n_clusters for one in known.cells if one.measure == "stereotype_effect")

    assert (most(short), most(whole)) == (28, 61)


def test_work_is_summed_by_stage_and_nights_are_left_out(tmp_path):
    (tmp_path / "run.log").write_text(
        "2026-11-28T00:00:00 scoring: 10 items\n"
        "2026-11-28T00:00:10 scoring: 5/10 items, 0.5/s, 10 s left\n"  # killed here
        "2026-11-28T08:00:00 loading the model\n"
        "2026-11-28T08:00:04 scoring: 5 items\n"
        "2026-11-28T08:00:14 weighing the evidence\n"
        "not a line of a log\n"
    )
    assert planning._seconds(tmp_path / "run.log") == {"scoring": 20.0, "loading the model": 4.0}
    assert planning._seconds(tmp_path / "none.log") == {}
