"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from measures.synthetic import synthetic_evidence

from app.conftest import everything, words_of
from audit import pipeline
from audit.comparison import Outcome
from audit.comparison.files import Differences, write_differences
from audit.records import Undefined
from audit.reviews import comparing, jobs, library
from audit.reviews.roles import Role
from audit.runs import RunFolder
from audit.workbench import _Comparing, differences_of

WARNING = "Two numbers beside each other"
BUTTON = "Test the differences"
SPOKEN = ("stereotype_effect", "en")


@pytest.fixture(scope="module")
def second_folder(tmp_path_factory):
    """A run without Arabic and with another model's name, in which the contrary stereotype was planted."""
    evidence = synthetic_evidence(seed=3, languages=("en", "sw"), stereotype_effect={"gender": -1.5})
    model = replace(evidence.manifest.model, name="**other** <b>model</b>")
    evidence = replace(evidence, manifest=replace(evidence.manifest, model=model))
    folder = RunFolder(tmp_path_factory.mktemp("runs") / evidence.manifest.run_id)
    folder.write_evidence(evidence)
    pipeline.weigh(folder)
    folder.write_result("report.pdf", b"%PDF")
    folder.seal(versions={})
    return folder.path


@pytest.fixture
def two(desk, people, clock, run_folder, second_folder) -> tuple[str, str]:
    people("bodil", Role.BOARD)
    clock.forward(days=1)
    library.import_run(desk.db, second_folder, by=None)
    return run_folder.name, second_folder.name


@pytest.fixture
def keep(desk, two):
    """Keep differences of the two runs where the page looks."""

    def kept(found: Differences) -> Differences:
        with desk.db.read() as session:
            write_differences(comparing.place(session, *two, folder=desk.settings.folder), found)
        return found

    return kept


@pytest.fixture
def told(desk, two, keep) -> Differences:
    """The differences of the two runs as the worker tests them."""
    return keep(differences_of(desk.db, *two))


def button(test):
    return next(one for one in test.button if one.label == BUTTON)


def rows_of(test) -> list[str]:
    return html(test).split("<tbody>")[1].split("<tr>")[1:]


def html(test) -> str:
    return "\n".join(str(element.value) for element in everything(test) if element.type == "html")


def test_one_run_alone_cannot_be_compared(app, people, nairobi):
    people("bodil", Role.BOARD)
    assert "Two runs are needed to compare" in app("bodil", page="compare").info[0].value


def test_the_older_run_stands_first_and_what_two_numbers_do_not_show_stands_above(app, two):
    test = app("bodil", page="compare")
    assert (test.selectbox(key="c_first").value, test.selectbox(key="c_second").value) == two
    words = words_of(test)
    assert words.index(WARNING) < words.index("Two runs side by side")


def test_both_numbers_stand_in_one_row_and_the_name_of_a_model_is_text(app, two, run_folder, second_folder):
    test = app("bodil", page="compare")
    first, second = (
        {(one.measurement.measure, one.measurement.scope): one for one in pipeline.read_findings(RunFolder(folder))}
        for folder in (run_folder, second_folder)
    )
    row = html(test).split("<tbody>")[1].split("<tr>")[1]
    both = [key for key in first if key in second]
    assert first[both[0]].id[:8] in row
    assert second[both[0]].id[:8] in row
    assert f"{first[both[0]].measurement.result.value:.2f}" in row
    assert f"{second[both[0]].measurement.result.value:.2f}" in row
    assert "<b>model</b>" not in html(test)
    assert "**other** &lt;b&gt;model&lt;/b&gt;" in html(test)
    assert f"In both runs ({len(both)})" in [str(one) for one in test.radio(key="c_which").options]


def test_what_one_run_alone_has_is_listed_as_such(app, two):
    test = app("bodil", page="compare")
    test.radio(key="c_which").set_value("in the first run only").run()
    assert not test.exception
    assert "not in this run" in words_of(test)
    assert "Arabic" in words_of(test)


def test_only_rows_whose_verdicts_differ_can_be_asked_for(app, two):
    test = app("bodil", page="compare")
    test.checkbox(key="c_differing").set_value(True).run()
    assert not test.exception
    rows = html(test).split("<tbody>")[1].split("<tr>")[1:]
    assert rows
    for row in rows:
        marks = [
            one for one in ("desk-evidence", "desk-no-evidence", "desk-insufficient", "desk-not-int") if one in row
        ]
        assert len(marks) == 2


def test_a_filter_begins_at_its_first_page(app, two):
    test = app("bodil", page="compare")
    test.session_state["c_page"] = 2
    test.run()
    test.selectbox(key="c_language").set_value("en").run()
    assert not test.exception
    assert test.session_state["c_page"] == 1


def test_the_same_run_twice_is_not_compared(app, two):
    test = app("bodil", page="compare", first=two[0], second=two[0])
    assert "This is the same run twice" in test.warning[0].value


def test_who_may_read_no_findings_compares_none(app, people, two):
    people("nobody")
    assert "needs a role that you do not have" in app("nobody", page="compare").error[0].value


# --- differences that are tested -----------------------------------------------------------------


def test_the_differences_are_asked_for_waited_for_and_then_stand_in_the_table(app, desk, two):
    test = app("bodil", page="compare")
    assert "Second run minus first" not in html(test)
    assert BUTTON in [one.label for one in test.button]
    button(test).click().run()
    assert not test.exception
    assert "Waiting for the worker." in words_of(test)
    assert BUTTON not in [one.label for one in test.button]
    (asked,) = jobs.own_jobs(desk.db, by="bodil")
    assert (asked.kind, asked.asked) == ("compare", {"first": two[0], "second": two[1]})
    task = jobs.next_job(desk.db)
    test.run()
    assert "The differences are being tested." in words_of(test)
    _Comparing(desk.settings.folder)(desk.db, task)
    test.run()
    assert not test.exception
    assert "Second run minus first" in html(test)
    assert WARNING not in words_of(test)
    assert BUTTON not in [one.label for one in test.button]


def test_why_nothing_could_be_tested_is_said_and_it_can_be_asked_for_again(app, desk, two):
    test = app("bodil", page="compare")
    button(test).click().run()
    jobs.fail(desk.db, jobs.next_job(desk.db).id, error="run <b>: its folder is gone; put it back")
    test.run()
    assert "could not be tested" in test.error[0].value
    assert "run &lt;b&gt;: its folder is gone; put it back" in html(test)
    assert BUTTON in [one.label for one in test.button]


def test_each_row_says_what_the_test_of_its_difference_found(app, two, told):
    """Stereotypes in English: on the axis gender 1.5 nats were planted in the first run, -1.5 in the second."""
    test = app("bodil", page="compare")
    test.selectbox(key="c_language").set_value("en").run()
    test.selectbox(key="c_measure").set_value("stereotype_effect").run()
    assert not test.exception
    known = {one.scope.topic: one for one in told.differences if (one.measure, one.scope.language) == SPOKEN}
    assert known["gender"].verdict is Outcome.LOWER
    (gender,) = (row for row in rows_of(test) if ">gender<" in row)
    assert "Lower in the second run" in gender
    value = known["gender"].estimate
    assert f"{value.value:.2f} ({value.low:.2f} to {value.high:.2f})".replace("-", "−") in gender
    (other,) = (row for row in rows_of(test) if ">age<" in row)
    assert known["age"].verdict is Outcome.INDISTINGUISHABLE
    assert "Indistinguishable" in other
    assert f">{known['age'].detectable:.2f}</bdi> would have been found in four of five" in other


def test_of_what_is_not_tested_the_reason_stands_there(app, two, told):
    (refused,) = (one for one in told.not_comparable if one.what == "language_dependent_judgement")
    test = app("bodil", page="compare")
    test.selectbox(key="c_measure").set_value(refused.what).run()
    assert not test.exception
    assert f"Cannot be said: {refused.reason}" in words_of(test).replace("  ", " ")


def test_a_difference_that_may_not_be_read_is_not_shown_and_a_missing_one_is_no_zero(app, two, told, keep):
    first, second, *_rest = told.differences
    barred = replace(first, verdict=Outcome.NOT_INTERPRETABLE, notes=("a note", "in run A: it does not read"))
    missing = replace(second, verdict=Outcome.UNDEFINED, estimate=Undefined(reason="fewer than two <templates>"))
    keep(replace(told, differences=(barred, missing)))
    rows = rows_of(app("bodil", page="compare"))
    (row,) = (row for row in rows if first.finding_a[:8] in row)
    assert "Cannot be said: <" in row
    assert "in run A: it does not read" in row
    assert f"{first.estimate.value:.2f} ({first.estimate.low:.2f}" not in row
    (row,) = (row for row in rows if second.finding_a[:8] in row)
    assert "fewer than two &lt;templates&gt;" in row
    (row,) = (row for row in rows if told.differences[2].finding_a[:8] in row)
    assert "no numbers of this that could be set against each other" in row


def test_what_was_found_and_has_no_row_is_counted(app, two, told, keep):
    """No finding speaks of the axis "height"."""
    (one,) = (
        one for one in told.differences if (one.measure, one.scope.language, one.scope.topic) == (*SPOKEN, "gender")
    )
    test = app("bodil", page="compare")
    assert "has no row here" not in words_of(test)
    keep(replace(told, differences=(one, replace(one, scope=replace(one.scope, topic="height")))))
    test.run()
    assert "1 difference that was found has no row here" in words_of(test)
    assert "1 that is higher or lower" in test.checkbox(key="c_changed").label


def test_only_what_is_higher_or_lower_can_be_asked_for(app, two, told):
    test = app("bodil", page="compare")
    test.checkbox(key="c_changed").set_value(True).run()
    assert not test.exception
    moved = [one for one in told.differences if one.verdict in (Outcome.HIGHER, Outcome.LOWER)]
    assert len(moved) > 1
    assert f"{len(moved)} that are higher or lower" in test.checkbox(key="c_changed").label
    assert len(rows_of(test)) == len(moved)
    assert all("Higher in the second run" in row or "Lower in the second run" in row for row in rows_of(test))


def test_what_is_higher_or_lower_is_no_filter_where_nothing_was_tested(app, two, told):
    """The filter is kept as long as the session; the runs the other way round are not tested yet."""
    test = app("bodil", page="compare")
    test.checkbox(key="c_changed").set_value(True).run()
    test.selectbox(key="c_first").set_value(two[1])
    test.selectbox(key="c_second").set_value(two[0]).run()
    assert not test.exception
    assert BUTTON in [one.label for one in test.button]
    assert len(rows_of(test)) > len([one for one in told.differences if one.verdict is Outcome.LOWER])


def test_what_cannot_be_ruled_out_is_never_said_to_be_nothing(app, two, told):
    """Sizes below 0.005 are written with the digits that they need."""
    from streamlit_app.app_pages.compare import _decimals

    one = told.differences[0]
    for size, decimals in ((0.17, 2), (0.0049, 3), (0.0004, 4), (1e-9, 6), (0.0, 2), (None, 2)):
        assert _decimals(replace(one, estimate=replace(one.estimate, detectable=size))) == decimals


@pytest.mark.parametrize("language", ["ar", "zh"])
def test_the_differences_are_said_in_the_language_of_the_interface(app, people, two, told, language):
    people("zahra", Role.BOARD, ui_language=language)
    test = app("zahra", page="compare")
    assert not test.exception
    assert "Indistinguishable" not in words_of(test)
    assert "would have been found" not in words_of(test)
