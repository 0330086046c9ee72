from pathlib import Path

import pytest
from measures.synthetic import synthetic_evidence
from streamlit.testing.v1 import AppTest

from audit import pipeline
from audit.records import Verdict
from audit.runs import RunFolder


def app_on(runs: Path) -> AppTest:
    code = f"from pathlib import Path\nfrom streamlit_app.app import page\npage(Path({str(runs)!r}))"
    return AppTest.from_string(code, default_timeout=60).run()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    evidence = synthetic_evidence(seed=2)
    folder = RunFolder(Path(tmp_path_factory.mktemp("runs")) / evidence.manifest.run_id)
    folder.write_evidence(evidence)
    pipeline.weigh(folder)
    folder.write_result("report.pdf", b"%PDF")
    folder.seal(versions={})
    return folder


def test_the_app_shows_the_sentences_of_findings_json(run):
    app = app_on(run.path.parent)
    assert not app.exception
    shown = [text.value for text in app.text]
    wanted = [one for one in pipeline.read_findings(run) if one.confirmatory and one.verdict is Verdict.EVIDENCE]
    assert wanted
    for finding in wanted:
        assert finding.sentence in shown


def test_without_a_run_the_app_says_how_to_make_one(tmp_path):
    app = app_on(tmp_path)
    assert not app.exception
    assert app.title[0].value == "No finished run yet"


def test_a_damaged_run_is_an_error_on_the_page_not_a_crash(tmp_path, run):
    folder = tmp_path / run.path.name
    folder.mkdir()
    for file in run.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "observations.parquet").write_bytes(b"x")
    app = app_on(tmp_path)
    assert not app.exception
    assert "changed after the run was sealed" in app.error[0].value
