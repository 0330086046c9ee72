"""The newest run in a browser: its findings as they stand, nothing computed here.

streamlit run streamlit_app/app.py -- [RUNS FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from audit.errors import AuditError
from audit.findings import from_json
from audit.records import Estimate, Finding, Verdict
from audit.runs import RunFolder, find_run


def page(runs: Path) -> None:
    """Choose a run, filter its findings, read them one by one."""
    st.set_page_config(page_title="plural-audit", layout="centered")
    names = sorted(file.parent.name for file in runs.glob("*/run.json"))
    if not names:
        st.title("No finished run yet")
        st.text(f"Make one with: plural-audit run --runs {runs}")
        return
    newest = find_run("last", runs=runs).path.name
    chosen = st.selectbox("Run", names, index=names.index(newest) if newest in names else 0)
    try:
        show(RunFolder(runs / chosen))
    except AuditError as error:
        st.error(str(error))


def show(folder: RunFolder) -> None:
    """The findings of one run. Texts are shown as they are, never as markup."""
    folder.require_undamaged()
    findings = from_json((folder.path / "findings.json").read_text(encoding="utf-8"))
    model = folder.read_evidence().manifest.model
    st.title("What was found")
    st.text(f"{model.name}: {len(findings)} findings")
    verdicts = st.multiselect("Verdicts", [str(verdict) for verdict in Verdict], default=[str(Verdict.EVIDENCE)])
    only = st.checkbox("Only what was fixed before the run", value=True)
    kept = [one for one in findings if str(one.verdict) in verdicts and (one.confirmatory or not only)]
    st.text(f"{len(kept)} shown" if kept else "Nothing to show: choose other verdicts.")
    for finding in kept:
        card(finding)


def card(finding: Finding) -> None:
    """One finding: its sentence, verdict, figures and caveats."""
    with st.container(border=True):
        st.text(finding.sentence)
        st.caption(f"{finding.verdict} · {finding.family} · id {finding.id}")
        result = finding.measurement.result
        if isinstance(result, Estimate):
            st.caption(f"Method: {result.method}")
        with st.expander("Before leaning on this"):
            for caveat in finding.caveats:
                st.text(f"• {caveat}")


if __name__ == "__main__":
    page(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs"))
