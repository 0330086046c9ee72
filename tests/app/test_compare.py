"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from measures.synthetic import synthetic_evidence

from app.conftest import everything, words_of
from audit import pipeline
from audit.reviews import library
from audit.reviews.roles import Role
from audit.runs import RunFolder

WARNING = "The difference between two runs is not tested here."


@pytest.fixture(scope="module")
def second_folder(tmp_path_factory):
    """A run without Arabic and with another model's name, in which nothing was planted."""
    evidence = synthetic_evidence(seed=3, languages=("en", "sw"))
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


def html(test) -> str:
    return "\n".join(str(element.value) for element in everything(test) if element.type == "html")


def test_one_run_alone_cannot_be_compared(app, people, nairobi):
    people("bodil", Role.BOARD)
    assert "Two runs are needed to compare" in app("bodil", page="compare").info[0].value


def test_the_older_run_stands_first_and_that_nothing_is_tested_stands_above(app, two):
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
