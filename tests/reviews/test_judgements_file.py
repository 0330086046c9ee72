"""What people said, handed to the gate as a file."""

import sys
from itertools import count

import pytest

from audit.cli import main
from audit.release.hearing import read_judgements
from audit.reviews import contests
from audit.reviews.roles import Role
from audit.reviews.summary import judgements_of

FORMS = count(1)


def test_the_file_holds_what_the_report_would_show_contests_with_it(
    db, desk_url, run, person, community, tmp_path, monkeypatch, capsys
):
    community("nairobi")
    person("filer", (Role.REVIEWER, "nairobi"))
    person("auditor", (Role.AUDITOR, ""))
    filed = contests.file(
        db, run, "sw-1", words="not so where I live", submission=f"form-{next(FORMS)}", by="filer", community="nairobi"
    )
    contests.admit(db, filed.id, version=filed.version, by="auditor")
    file = tmp_path / "judgements.json"
    monkeypatch.setattr(sys, "argv", ["plural-audit", "desk", "judgements", run, str(file), "--db", desk_url])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, capsys.readouterr().err
    said = read_judgements(file)
    assert said == judgements_of(db, run, by=None)
    assert [(one.finding, one.state, one.open) for one in said.contests] == [("sw-1", "admitted", True)]
    assert "judgements: 0; contests: 1" in capsys.readouterr().out
