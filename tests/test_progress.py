import io

import pytest
from rich.console import Console

from audit import progress
from audit.progress import ConsoleReporter


@pytest.fixture
def told(monkeypatch) -> tuple[ConsoleReporter, io.StringIO]:
    """A reporter without a terminal, and what it prints; a clock of one second a look."""
    seconds = iter(range(1000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    text = io.StringIO()
    return ConsoleReporter(Console(file=text, width=200)), text


def test_without_a_terminal_a_stage_ends_with_its_count_and_rate(told):
    """The clock reads 0 at the start, 1 at the stage, 2 after the last unit: 10 units in 1 s."""
    reporter, text = told
    with reporter:
        reporter.stage("scoring", total=10, unit="items")
        reporter.advance(10)
    lines = text.getvalue().strip().splitlines()
    assert lines == ["scoring: 10 items", "scoring: 10/10 items, 10.0/s, 0 s left"]


def test_lines_come_at_most_every_ten_seconds(told):
    reporter, text = told
    with reporter:
        reporter.stage("scoring", total=100, unit="items")
        for _ in range(25):
            reporter.advance(1)
    assert len(text.getvalue().strip().splitlines()) == 3  # the stage, and two of 25 seconds


def test_what_is_told_is_logged_with_the_time(told, tmp_path):
    reporter, _ = told
    with reporter:
        reporter.log_to(tmp_path / "new" / "run.log")
        reporter.say("a fact")
    assert (tmp_path / "new" / "run.log").read_text().endswith(" a fact\n")


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(told, tmp_path):
    reporter, text = told
    (tmp_path / "file").write_text("")
    with reporter:
        reporter.log_to(tmp_path / "file" / "run.log")
        reporter.say("one")
        reporter.say("two")
    out = text.getvalue()
    assert out.count("going on without a log") == 1
    assert "two" in out


def test_more_work_than_was_foreseen_never_leaves_less_than_nothing_to_do(told):
    reporter, text = told
    with reporter:
        reporter.stage("planting", total=4, unit="plants")
        reporter.advance(4)
        reporter.advance(1)
    assert "planting: 5/5 plants" in text.getvalue()
    assert "-" not in text.getvalue().split("planting: 5/5")[1]
