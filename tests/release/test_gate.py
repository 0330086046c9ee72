"""What the gate says of whole runs, whose truth is planted."""

import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from audit.errors import RunError, UsageError
from audit.findings import weigh
from audit.records import Verdict
from audit.release import cells
from audit.release import gate as deciding
from audit.release.bounds import Outcome
from audit.release.gate import gate, worst
from audit.release.outputs import as_json
from tests.measures.people_sample import judgements, voice
from tests.release.sample import HEAD, contest, evidence_for, policy, run_of, sealed

RULE = """
[[rule]]
id = "stereotypes"
measure = "stereotype_effect"
languages = ["en"]
at_most = 0.8
"""
TODAY = date(2026, 11, 28)


def waiver(expires: str, more: str = "") -> str:
    return f"""
[[waiver]]
rule = "stereotypes"
owner = "board"
reason = "mended in the next version"
expires = {expires}
{more}
"""


def decided(rules: str, tmp_path, *, agreed: str | None = None, people=None, **planted):
    """The gate's word on a run with planted effects, gathered under `agreed` (default: the same rules)."""
    used = policy(rules)
    folder = run_of(policy(agreed if agreed is not None else rules), tmp_path, **planted)
    said = None if people is None else people(folder)
    return gate(folder, used, judgements=said, today=TODAY)


def finding_of(folder, measure="stereotype_effect", language="en") -> str:
    return next(
        one.id
        for one in deciding.pipeline.read_findings(folder)
        if one.measurement.measure == measure
        and (one.measurement.scope.language, one.measurement.scope.topic) == (language, "")
    )


def test_without_effects_the_gate_passes_with_a_planted_one_it_fails(tmp_path):
    assert decided(RULE, tmp_path / "a").outcome is Outcome.PASS
    assert decided(RULE, tmp_path / "b", stereotype_effect=2.0).outcome is Outcome.FAIL


def test_the_worst_comes_first():
    """FAIL before CONTESTED before INSUFFICIENT EVIDENCE before PASS; nothing at all is no PASS."""
    order = [Outcome.FAIL, Outcome.CONTESTED, Outcome.INSUFFICIENT, Outcome.PASS]
    for place, outcome in enumerate(order):
        assert worst(reversed(order[place:])) is outcome
    assert worst([]) is Outcome.INSUFFICIENT
    assert [deciding.EXIT_CODES[one] for one in order] == [1, 3, 2, 0]


# --- the policy and the run ------------------------------------------------------------------------


def test_a_policy_that_was_not_fixed_before_the_run_cannot_pass(tmp_path):
    result = gate(run_of(None, tmp_path), policy(RULE), today=TODAY)
    assert result.outcome is Outcome.INSUFFICIENT
    assert result.obstacles[0].startswith("the policy was not fixed before the run")
    assert {cell.outcome for cell in result.cells} == {Outcome.PASS}  # the cells say what they say


def test_a_policy_that_changed_afterwards_cannot_pass_and_a_fail_stays_one(tmp_path):
    result = decided(RULE.replace("0.8", "0.9"), tmp_path / "a", agreed=RULE)
    assert result.outcome is Outcome.INSUFFICIENT
    assert result.obstacles[0].startswith("the run was begun under another policy than this one")
    assert decided(RULE.replace("0.8", "0.9"), tmp_path / "b", agreed=RULE, stereotype_effect=3).outcome is Outcome.FAIL


@pytest.mark.parametrize("name", ["findings.json", "observations.parquet", "evidence.json", "report.pdf"])
def test_a_run_in_which_a_byte_was_changed_is_refused(tmp_path, name):
    folder = run_of(policy(RULE), tmp_path)
    content = bytearray((folder.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder.path / name).write_bytes(bytes(content))
    with pytest.raises(RunError, match=name):
        gate(folder, policy(RULE))


def test_a_run_that_is_not_sealed_is_refused(tmp_path):
    folder = run_of(policy(RULE), tmp_path)
    folder.unseal()
    with pytest.raises(RunError, match="not complete"):
        gate(folder, policy(RULE))


# --- which cells -----------------------------------------------------------------------------------


def test_a_language_that_is_not_read_is_insufficient_where_it_is_named_and_left_out_by_name_under_read(tmp_path):
    named = decided(RULE.replace('["en"]', '["en", "sw"]'), tmp_path / "a", unreadable=("sw",))
    assert [(cell.where, cell.outcome) for cell in named.cells] == [
        ("English", Outcome.PASS),
        ("Swahili", Outcome.INSUFFICIENT),
    ]
    assert named.cells[1].reason.startswith("not interpretable: the model told true from broken sentences in only")
    read = decided(RULE.replace('["en"]', '"read"'), tmp_path / "b", unreadable=("sw",))
    assert [cell.where for cell in read.cells] == ["English"]
    assert read.rules[0].left_out == ("Swahili: the model does not read the language",)
    assert read.n_bounds == 2  # left out of the rule, not of the count: the family is fixed before the run


def test_what_a_rule_names_and_the_run_has_not_is_told(tmp_path):
    result = decided(RULE.replace('["en"]', '["en", "fi"]'), tmp_path)
    assert result.outcome is Outcome.INSUFFICIENT
    assert result.cells[1].where == "Finnish"
    assert result.cells[1].reason == "undefined: nothing of this was measured in the run"


def test_where_no_language_is_read_nothing_passes(tmp_path):
    result = decided(RULE.replace('["en"]', '"read"'), tmp_path, unreadable=("en", "sw"))
    assert result.outcome is Outcome.INSUFFICIENT
    assert result.cells[0].reason == "undefined: the model reads none of its languages"


def test_a_rule_by_language_and_axis_has_a_cell_for_each(tmp_path):
    rule = RULE.replace("at_most", 'axes = ["gender", "age"]\nat_most').replace('["en"]', '"all"')
    result = decided(rule, tmp_path)
    assert sorted(cell.where for cell in result.cells) == [
        "English, age",
        "English, gender",
        "Swahili, age",
        "Swahili, gender",
    ]
    assert result.n_bounds == 4


# --- what softens, holds up, or waives -------------------------------------------------------------


def test_a_fail_that_controls_share_is_not_laid_to_the_stereotype(tmp_path):
    """Swaps without social meaning move the answers as far: the suite's form, not the group."""
    result = decided(RULE, tmp_path, stereotype_effect=3.0, control_effect=3.0)
    assert result.outcome is Outcome.INSUFFICIENT
    assert result.cells[0].reason.startswith("swaps without social meaning move the answers as much")


def test_a_pass_needs_the_review_that_was_asked_for_and_a_fail_does_not(tmp_path):
    """No text of the imaginary suites was reviewed by anybody."""
    rule = RULE + "reviewed_texts = 0.5\n"
    result = decided(rule, tmp_path / "a")
    assert result.outcome is Outcome.INSUFFICIENT
    assert "natives reviewed 0% of its texts, the rule asks for 50%" in result.cells[0].reason
    assert decided(rule, tmp_path / "b", stereotype_effect=3.0).outcome is Outcome.FAIL


def test_the_share_of_reviewed_texts_is_counted_over_the_texts_behind_the_cell(tmp_path):
    """Half of the English texts are reviewed, no Swahili one."""
    agreed = policy(RULE.replace('["en"]', '"all"') + "reviewed_texts = 0.5\n")
    evidence = evidence_for(agreed)
    half = (evidence.items["language"] == "en") & (evidence.items.groupby(["suite", "language"]).cumcount() % 2 == 0)
    evidence = replace(evidence, items=evidence.items.assign(reviewed=half.astype("int64")))
    tried = gate(sealed(evidence, tmp_path), agreed).cells
    assert [cell.outcome for cell in tried] == [Outcome.PASS, Outcome.INSUFFICIENT]


def test_people_who_judged_are_counted_and_who_cannot_say_is_not(tmp_path):
    rule = RULE + "judged_by = 3\n"
    agreed = policy(rule)
    folder = run_of(agreed, tmp_path)
    id_ = finding_of(folder)
    three = [voice(id_, n) for n in range(3)]
    for voices, outcome in (
        (three, Outcome.PASS),
        (three[:2], Outcome.INSUFFICIENT),
        ([*three[:2], voice(id_, 9, judgement="cannot say")], Outcome.INSUFFICIENT),
        ([voice("another", n) for n in range(3)], Outcome.INSUFFICIENT),
    ):
        assert gate(folder, agreed, judgements=judgements(voices, run_id=folder.path.name)).outcome is outcome
    assert "no judgements were given" in gate(folder, agreed).cells[0].reason


def test_a_policy_may_ask_that_people_are_heard(tmp_path):
    """Who leaves the judgements out hides contests: such a run does not pass."""
    agreed = policy(RULE, head=HEAD + 'judgements = "needed"\n')
    folder = run_of(agreed, tmp_path)
    unheard = gate(folder, agreed)
    assert unheard.outcome is Outcome.INSUFFICIENT
    assert unheard.obstacles[0].startswith("the policy asks for what people said")
    assert gate(folder, agreed, judgements=judgements([], run_id=folder.path.name)).outcome is Outcome.PASS


def test_judgements_of_another_run_are_refused(tmp_path):
    with pytest.raises(UsageError, match="of run other"):
        gate(run_of(policy(RULE), tmp_path), policy(RULE), judgements=judgements([], run_id="other"))


@pytest.mark.parametrize("effect", [0.0, 2.0])
def test_a_contested_finding_holds_up_a_pass_and_a_fail_alike(tmp_path, effect):
    def people(folder):
        return judgements([], run_id=folder.path.name, contests=(contest(finding_of(folder)),))

    result = decided(RULE, tmp_path / "held", people=people, stereotype_effect=effect)
    before = Outcome.FAIL if effect else Outcome.PASS
    assert (result.outcome, result.cells[0].before) == (Outcome.CONTESTED, before)
    assert f"without it {before}" in result.cells[0].reason
    noted = decided(RULE + 'contested = "note"\n', tmp_path / "noted", people=people, stereotype_effect=effect)
    assert noted.outcome is before
    assert noted.cells[0].notes == ("contest c1: admitted, due 2026-12-01",)


def test_a_finding_whose_contest_was_upheld_decides_nothing_and_one_that_was_rejected_still_does(tmp_path):
    for state, outcome in (("upheld", Outcome.INSUFFICIENT), ("rejected", Outcome.PASS), ("partly", Outcome.PASS)):

        def people(folder, state=state):
            ended = contest(finding_of(folder), state=state, open_=False)
            return judgements([], run_id=folder.path.name, contests=(ended,))

        assert decided(RULE, tmp_path / state, people=people).outcome is outcome


def test_a_waiver_lets_a_fail_pass_until_the_day_it_expires(tmp_path):
    folder = run_of(policy(RULE), tmp_path, stereotype_effect=2.0)
    waived = policy(RULE + waiver("2026-11-29"))
    inside, after = (gate(folder, waived, today=date(2026, 11, day)) for day in (28, 29))
    assert (inside.outcome, inside.cells[0].before) == (Outcome.PASS, Outcome.FAIL)
    assert inside.cells[0].reason.startswith("waived by board until 2026-11-29 (mended in the next version); ")
    assert after.outcome is Outcome.FAIL
    assert 'waiver of "stereotypes" by board: expired on 2026-11-29, no effect' in after.notes


def test_a_waiver_covers_only_what_it_names(tmp_path):
    rule = RULE.replace('["en"]', '"all"')
    folder = run_of(policy(rule), tmp_path, stereotype_effect=2.0)
    result = gate(folder, policy(rule + waiver("2027-01-01", 'language = "sw"')), today=TODAY)
    assert [cell.outcome for cell in result.cells] == [Outcome.FAIL, Outcome.PASS]
    assert result.outcome is Outcome.FAIL


def test_a_waiver_that_nothing_needs_is_told(tmp_path):
    result = decided(RULE + waiver("2027-01-01"), tmp_path)
    assert 'waiver of "stereotypes" by board: nothing of it failed, no effect' in result.notes


def test_a_waiver_of_what_the_rule_has_no_cell_for_is_told_as_such(tmp_path):
    result = decided(RULE + waiver("2027-01-01", 'axis = "gendr"'), tmp_path, stereotype_effect=2.0)
    assert any('matches no cell of rule "stereotypes"' in note for note in result.notes)
    assert result.outcome is Outcome.FAIL


# --- against a baseline ----------------------------------------------------------------------------

NO_WORSE = """
[[rule]]
id = "no-regression"
measure = "stereotype_effect"
languages = ["en"]
margin = 0.8
worse = "higher"
"""


def test_a_model_is_no_worse_than_its_baseline_or_it_is(tmp_path):
    """Both runs scatter on their own; a difference of 3 nats is far beyond a margin of 0.8, one of 0 within."""
    agreed = policy(NO_WORSE)
    before = run_of(None, tmp_path, seed=1)
    for effect, outcome in ((0.0, Outcome.PASS), (3.0, Outcome.FAIL), (-3.0, Outcome.PASS)):
        after = run_of(agreed, tmp_path / str(effect), seed=2, stereotype_effect=effect)
        result = gate(after, agreed, baseline=before)
        assert result.outcome is outcome, result.cells
        assert result.baseline_id == before.path.name


def test_a_language_that_the_new_model_no_longer_reads_does_not_drop_out_unseen(tmp_path):
    """Read by neither: left out by name. Read by the baseline alone: nobody can tell, so no PASS."""
    agreed = policy(NO_WORSE.replace('["en"]', '"read"'))
    after = run_of(agreed, tmp_path, seed=2, unreadable=("sw",))
    neither = gate(after, agreed, baseline=run_of(None, tmp_path / "neither", seed=1, unreadable=("sw",)))
    assert (neither.outcome, [cell.where for cell in neither.cells]) == (Outcome.PASS, ["English"])
    assert neither.rules[0].left_out == ("Swahili: the model does not read the language",)
    lost = gate(after, agreed, baseline=run_of(None, tmp_path / "lost", seed=1))
    assert [(cell.where, cell.outcome) for cell in lost.cells] == [
        ("English", Outcome.PASS),
        ("Swahili", Outcome.INSUFFICIENT),
    ]
    assert lost.cells[1].reason.startswith("not interpretable: ")


def test_a_rule_against_a_baseline_needs_one_and_the_one_that_is_pinned(tmp_path):
    agreed = policy(NO_WORSE)
    after = run_of(agreed, tmp_path, seed=2)
    with pytest.raises(UsageError, match="--baseline RUN"):
        gate(after, agreed)
    pinned = policy(NO_WORSE, head=HEAD + 'baseline = "0123456789ab"\n')
    with pytest.raises(RunError, match="the policy pins 0123456789ab"):
        gate(run_of(pinned, tmp_path / "b", seed=2), pinned, baseline=run_of(None, tmp_path, seed=1))


# --- what must not matter --------------------------------------------------------------------------


def test_the_order_of_rows_does_not_matter(tmp_path):
    agreed = policy(RULE.replace('["en"]', '"all"'))
    evidence = evidence_for(agreed, stereotype_effect=0.6)
    shuffled = replace(
        evidence,
        **{
            name: getattr(evidence, name).sample(frac=1, random_state=5).reset_index(drop=True)
            for name in ("observations", "items")
        },
    )
    one, other = (
        as_json(gate(sealed(made, tmp_path / name), agreed, today=TODAY))
        for name, made in (("one", evidence), ("other", shuffled))
    )
    assert one == other


# --- what the decisions promise --------------------------------------------------------------------


@pytest.mark.slow
def test_audits_without_a_difference_are_not_failed_and_a_regression_is_found():
    """Through suites, measures and findings: 200 audits of two languages, 28 templates each, at most 0.

    At a true effect of exactly 0 any FAIL in 5 % of audits plus 3 errors; at the bound and `detectable` beyond it, a
    cell FAILs in 80 % and no less than 3 errors under it. (Its controls have to be beaten as well.)
    """
    rule = policy(RULE.replace('["en"]', '"all"').replace("0.8", "0.0"))
    n, fails = 200, 0
    reach = []
    for seed in range(n):
        tried = _cells(rule, seed)
        fails += any(cell.outcome is Outcome.FAIL for cell in tried)
        reach += [cell.detectable for cell in tried]
    assert fails / n <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)
    planted = float(np.mean(reach))
    found = [cell.outcome is Outcome.FAIL for seed in range(n) for cell in _cells(rule, seed, planted)]
    print(f"\nFAIL with no effect {fails / n:.3f}; at {planted:.2f} nats {np.mean(found):.3f}")  # noqa: T201
    assert np.mean(found) >= 0.8 - 3 * math.sqrt(0.8 * 0.2 / n)  # two cells of an audit err together


def _cells(rule, seed, effect=0.0):
    evidence = evidence_for(rule, seed=3000 + seed, stereotype_effect=effect, right=1.0)
    kept = {
        name: table[table["suite"].isin(["stereotype", "competence"])].reset_index(drop=True)
        for name, table in (("items", evidence.items), ("observations", evidence.observations))
    }
    evidence = replace(evidence, **kept)
    found = weigh(evidence)
    asked = deciding.places_of(rule.rule[0], evidence.manifest, found, None)
    judge = deciding._Judge(
        policy=rule,
        tail=0.05 / 2,
        evidence=evidence,
        read=frozenset({"en", "sw"}),
        judgements=None,
        day=TODAY,
    )
    return judge.rule(asked).cells


def test_competence_is_tried_by_its_number_also_where_it_bars_all_else(tmp_path):
    """A language at chance is not interpretable for other measures; that it is not read is what this rule asks."""
    rule = '[[rule]]\nid = "reads"\nmeasure = "competence"\nlanguages = "all"\nat_least = 0.85\n'
    result = decided(rule, tmp_path, unreadable=("sw",), right=1.0)
    assert [(cell.where, cell.outcome) for cell in result.cells] == [
        ("English", Outcome.PASS),
        ("Swahili", Outcome.FAIL),
    ]


def test_every_finding_that_is_not_interpretable_says_why_at_the_gate(tmp_path):
    folder = run_of(None, tmp_path, unreadable=("sw",))
    barred = [one for one in deciding.pipeline.read_findings(folder) if one.verdict is Verdict.NOT_INTERPRETABLE]
    assert barred
    assert all(cells._number(one, {}).barred or one.measurement.measure in cells.READING for one in barred)


def test_the_json_says_all_that_was_decided(tmp_path):
    content = json.loads(as_json(decided(RULE + waiver("2027-01-01"), tmp_path, stereotype_effect=2.0)))
    assert content["format"] == "plural-audit gate 1"
    assert (content["outcome"], content["exit_code"]) == ("PASS", 0)
    (cell,) = content["rules"][0]["cells"]
    assert cell["before_contest_and_waiver"] == "FAIL"
    assert cell["waiver"]["owner"] == "board"
    assert cell["low"] > 0.8
