"""A run handed to others: exact numbers, nothing missing turned into zero, nothing that a reader's program runs."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
import shutil
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from measures.synthetic import synthetic_evidence

from audit.cli import main
from audit.errors import ResourceError, RunError, UsageError
from audit.escaping import for_markdown, for_spreadsheet
from audit.exports import export, files
from audit.exports.card import yaml_lines
from audit.exports.content import SCHEMA
from audit.exports.tables import COLUMNS
from audit.findings import reason_of, to_json, weigh
from audit.records import ITEM_COLUMNS, OBSERVATION_COLUMNS, Estimate, Evidence, Finding, Undefined, Verdict
from audit.runs import RunFolder, run_id_of
from audit.wording import Number, said

HOSTILE = ("=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "\r=1", "\u202e=1", " =1", "＝1", 'x";=1', "a\n=1")


SECRET = "SECRET WORDS"  # of a suite whose licence forbids copies; no run of ours would hold them


@functools.cache
def sample() -> Evidence:
    """A small run with every verdict: Swahili is not read, and English and Spanish have an effect."""
    evidence = synthetic_evidence(seed=1, languages=("en", "es", "sw"), unreadable=("sw",), stereotype_effect=1.0)
    closed = evidence.items["suite"] == "crows-pairs"
    return replace(evidence, items=evidence.items.assign(texts=evidence.items["texts"].mask(closed, SECRET)))


@functools.cache
def sample_findings() -> tuple[Finding, ...]:
    """Those of the run, and the last one without a number."""
    *others, last = weigh(sample())
    nothing = replace(last.measurement, result=Undefined(reason="fewer than two independent items"))
    return (*others, replace(last, measurement=nothing, p_adjusted=None, sentence="Undefined."))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> RunFolder:
    """The run, complete; tests write into copies of it."""
    return sealed(RunFolder(tmp_path_factory.mktemp("whole") / "run"), sample(), sample_findings())


def sealed(folder: RunFolder, evidence: Evidence, findings: tuple[Finding, ...]) -> RunFolder:
    folder.write_evidence(evidence)
    return with_findings(folder, findings)


def with_findings(folder: RunFolder, findings: tuple[Finding, ...]) -> RunFolder:
    folder.write_result("findings.json", to_json(findings).encode())
    folder.write_result("report.pdf", b"%PDF")
    folder.seal(versions={"plural-audit": "0.1.0"})
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(whole.path, tmp_path / "run")))


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def cells_of(path: Path, sheet: int) -> list[dict[str, tuple[str, str]]]:
    """Rows of a sheet (1 is "about"): column letter -> (type, content), read from the XML as it stands in the file."""
    name = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        texts = ["".join(one.itertext()) for one in ET.fromstring(book.read("xl/sharedStrings.xml"))]
        rows = ET.fromstring(book.read(f"xl/worksheets/sheet{sheet}.xml")).iter(f"{name}row")
    found = []
    for row in rows:
        cells = {}
        for cell in row:
            assert cell.find(f"{name}f") is None  # a formula
            kind, content = cell.get("t", "n"), cell.findtext(f"{name}v", "")
            place = re.sub(r"\d", "", cell.get("r", ""))
            cells[place] = (kind, texts[int(content)] if kind == "s" else content)
        found.append(cells)
    return found


def by_name(rows: list[dict[str, tuple[str, str]]]) -> list[dict[str, tuple[str, str]]]:
    names = {place: content for place, (_, content) in rows[0].items()}
    return [{names[place]: cell for place, cell in row.items()} for row in rows[1:]]


# --- tables ------------------------------------------------------------------------------------


def test_parquet_has_every_number_as_it_was(folder, tmp_path):
    (path,) = export(folder, form="parquet", out=tmp_path / "f.parquet")
    back = pd.read_parquet(path).set_index("id")
    for finding in sample_findings():
        row, result = back.loc[finding.id], finding.measurement.result
        assert row["verdict"] == str(finding.verdict)
        if isinstance(result, Estimate):
            assert (row["value"], row["low"], row["high"]) == (result.value, result.low, result.high)
            assert row["n_clusters"] == result.n_clusters


def test_csv_has_digits_enough_to_read_every_number_back(folder, tmp_path):
    third = replace(estimate := sample_findings()[0].measurement.result, value=1 / 3, low=5e-324, high=1e300)
    assert isinstance(estimate, Estimate)
    one = sample_findings()[0]
    with_findings(folder, (replace(one, measurement=replace(one.measurement, result=third)),))
    (path,) = export(folder, form="csv", out=tmp_path / "f.csv")
    (row,) = rows_of(path)
    assert [float(row[name]) for name in ("value", "low", "high")] == [1 / 3, 5e-324, 1e300]


def test_csv_has_all_observations_in_their_order(folder, tmp_path):
    (path,) = export(folder, form="csv", what="observations", out=tmp_path / "o.csv")
    kept = folder.read_evidence().observations
    assert [(row["item"], float(row["logp"]), int(row["n_tokens"])) for row in rows_of(path)] == list(
        zip(kept["item"], kept["logp"], kept["n_tokens"], strict=True)
    )


def test_what_is_missing_is_an_empty_cell_in_every_form_and_never_zero(folder, tmp_path):
    undefined = {one.id for one in sample_findings() if isinstance(one.measurement.result, Undefined)}
    assert undefined
    numbers = [one.name for one in COLUMNS["findings"] if one.kind in ("number", "whole") and one.name != "family_size"]
    (table,) = export(folder, form="csv", out=tmp_path / "f.csv")
    (exact,) = export(folder, form="parquet", out=tmp_path / "f.parquet")
    (book,) = export(folder, form="xlsx", out=tmp_path / "f.xlsx")
    assert {row["id"] for row in rows_of(table) if not any(row[name] for name in numbers)} == undefined
    frame = pd.read_parquet(exact)
    assert set(frame.loc[frame[numbers].isna().all(axis=1), "id"]) == undefined
    cells = by_name(cells_of(book, 2))
    assert {row["id"][1] for row in cells if not set(numbers) & set(row)} == undefined
    reasons = {row["id"]: row["reason"] for row in rows_of(table)}
    assert reasons == {one.id: reason_of(one) for one in sample_findings()}


def test_zero_is_written_as_a_number(folder, tmp_path):
    one = sample_findings()[0]
    zero = replace(one.measurement, result=replace(one.measurement.result, value=0.0))
    with_findings(folder, (replace(one, measurement=zero),))
    (table,) = export(folder, form="csv", out=tmp_path / "f.csv")
    (book,) = export(folder, form="xlsx", out=tmp_path / "f.xlsx")
    assert rows_of(table)[0]["value"] == "0.0"
    assert by_name(cells_of(book, 2))[0]["value"] == ("n", "0")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_form_for_spreadsheets_has_a_text_that_one_would_run(folder, tmp_path, text):
    hostile = replace(sample_findings()[0], sentence=text, caveats=(text, text))
    with_findings(folder, (hostile,))
    (table,) = export(folder, form="csv", out=tmp_path / "f.csv")
    (book,) = export(folder, form="xlsx", out=tmp_path / "f.xlsx")
    (exact,) = export(folder, form="parquet", out=tmp_path / "f.parquet")
    shown = rows_of(table)[0]["sentence"]
    for part in re.split("[;\n\r\t]", shown):
        assert not part.lstrip(" \u202e").startswith(("=", "+", "-", "@", "＝"))
    assert shown.replace("'", "", 1) == text
    assert by_name(cells_of(book, 2))[0]["sentence"][0] == "s"
    with zipfile.ZipFile(book) as parts:
        assert not any("hyperlink" in name or b"hyperlink" in parts.read(name) for name in parts.namelist())
    assert pd.read_parquet(exact)["sentence"][0] == text  # exact: no spreadsheet reads it


def test_texts_that_look_like_numbers_or_links_stay_texts_in_a_workbook(folder, tmp_path):
    one = replace(sample_findings()[0], sentence="https://example.org", caveats=("007",))
    (book,) = export(with_findings(folder, (one,)), form="xlsx", out=tmp_path / "f.xlsx")
    row = by_name(cells_of(book, 2))[0]
    assert (row["sentence"], row["caveats"]) == (("s", "https://example.org"), ("s", "007"))


def test_a_text_longer_than_a_cell_is_cut_with_a_mark_in_a_workbook_alone(folder, tmp_path):
    # Signs outside the basic plane count twice in a cell: 20 000 of them are 40 000 units.
    for text in ("x" * 40_000, "𒀀" * 20_000):
        long = replace(sample_findings()[0], sentence=text)
        with_findings(folder, (long,))
        (book,) = export(folder, form="xlsx", out=tmp_path / "f.xlsx")
        (table,) = export(folder, form="csv", out=tmp_path / "f.csv")
        shown = by_name(cells_of(book, 2))[0]["sentence"][1]
        assert shown.endswith(files.CUT)
        assert len(shown.encode("utf-16-le")) // 2 in (32_766, 32_767)
        assert rows_of(table)[0]["sentence"] == text
        about = [tuple(content for _, content in row.values()) for row in cells_of(book, 1)]
        assert [row[1:3] for row in about if row[:1] == ("cut cells",)] == [("findings", "1")]


def test_more_rows_than_a_sheet_may_have_are_refused_by_name(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_ROWS", 3)
    with pytest.raises(UsageError, match=r"observations: \d+ rows, a sheet has at most 3; use --as parquet"):
        export(folder, form="xlsx", what="observations", out=tmp_path / "o.xlsx")
    assert not (tmp_path / "o.xlsx").exists()


@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx", "json", "model-card"])
def test_the_same_run_gives_the_same_bytes(folder, tmp_path, form):
    (first,) = export(folder, form=form, out=tmp_path / "one")
    (second,) = export(folder, form=form, out=tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()


def test_no_workbook_says_when_it_was_written(folder, tmp_path):
    (path,) = export(folder, form="xlsx", out=tmp_path / "f.xlsx")
    with zipfile.ZipFile(path) as book:
        times = set(re.findall(rb"\d{4}-\d\d-\d\dT[\d:]+Z", book.read("docProps/core.xml")))
        assert times == {files.FIXED.strftime("%Y-%m-%dT%H:%M:%SZ").encode()}
        assert {part.date_time for part in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
def test_texts_whose_licence_forbids_copies_are_in_no_export(folder, tmp_path, form):
    assert SECRET in set(folder.read_evidence().items["texts"])
    paths = export(folder, form=form, what="all", out=tmp_path / "out")
    whole = b"".join(path.read_bytes() for path in paths)
    if form == "xlsx":
        with zipfile.ZipFile(paths[0]) as book:
            whole = b"".join(book.read(name) for name in book.namelist())
    if form == "parquet":
        whole = "".join(pd.read_parquet(path).to_csv() for path in paths).encode()
    open_text = json.loads(sample().items["texts"][0])[0]["prompt"]
    assert SECRET.encode() not in whole
    assert open_text.encode() in whole


def test_columns_are_explained_and_are_those_of_the_tables(folder, tmp_path):
    assert [one.name for one in COLUMNS["observations"]] == list(OBSERVATION_COLUMNS)
    assert [one.name for one in COLUMNS["items"]] == list(ITEM_COLUMNS)
    (book,) = export(folder, form="xlsx", what="all", out=tmp_path / "all.xlsx")
    about = [tuple(content for _, content in row.values()) for row in cells_of(book, 1)]
    explained = {row[:2] for row in about}
    assert {(what, one.name) for what, columns in COLUMNS.items() for one in columns} <= explained
    manifest = folder.read_evidence().manifest
    said_there = {row[-1] for row in about if row}
    digest = json.loads((folder.path / "evidence.json").read_text())["digest"]
    assert {manifest.run_id, manifest.model.licence, digest} <= said_there
    (exact,) = export(folder, form="parquet", out=tmp_path / "f.parquet")
    told = json.loads(pq.read_schema(exact).metadata[b"plural-audit"])
    assert told["about"]["run"] == manifest.run_id
    assert {one["name"] for one in told["columns"]} == {one.name for one in COLUMNS["findings"]}


def test_sentences_are_said_in_the_language_asked_for_and_keys_stay(folder, tmp_path):
    one = replace(
        sample_findings()[0],
        sentence=said("{subject}: {n}", subject=said("Reading in {language}", language="x"), n=Number(0.5)),
    )
    with_findings(folder, (one,))
    (english,) = export(folder, form="csv", out=tmp_path / "en.csv")
    (arabic,) = export(folder, form="csv", out=tmp_path / "ar.csv", language="ar")
    left, right = rows_of(english)[0], rows_of(arabic)[0]
    assert left["sentence"] == "Reading in x: 0.50"
    assert re.search("[\u0600-\u06ff]", right["sentence"])
    assert left["verdict"] == right["verdict"] == "evidence"


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["findings.json", "observations.parquet", "evidence.json"])
def test_a_damaged_run_is_refused_by_the_name_of_the_file(folder, tmp_path, name):
    content = bytearray((folder.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder.path / name).write_bytes(content)
    with pytest.raises(RunError, match=name):
        export(folder, form="csv", out=tmp_path / "f.csv")
    assert not (tmp_path / "f.csv").exists()


def test_a_run_that_is_not_sealed_is_exported_and_says_so(folder, tmp_path):
    folder.unseal()
    (path,) = export(folder, form="json", out=tmp_path / "f.json")
    assert json.loads(path.read_text())["about"]["sealed"] is False
    (folder.path / "findings.json").unlink()
    with pytest.raises(RunError, match="weigh the run first"):
        export(folder, form="json", out=tmp_path / "g.json")


@pytest.mark.parametrize(
    ("asked", "said_then"),
    [
        ({"form": "json", "what": "items"}, "of findings alone"),
        ({"form": "model-card", "language": "ar"}, "in English"),
        ({"form": "csv", "language": "xx"}, "choose one of en"),
        ({"form": "odt"}, "no such form"),
        ({"form": "csv", "what": "secrets"}, "no such table"),
    ],
)
def test_what_does_not_go_together_is_refused_with_a_way_out(folder, asked, said_then):
    with pytest.raises(UsageError, match=said_then):
        export(folder, **asked)


def test_nothing_is_written_into_the_run_folder(folder, tmp_path):
    before = sorted(folder.path.iterdir())
    for out in (
        folder.path / "observations.parquet",
        folder.path / "x" / "f.csv",
        tmp_path / "run" / ".." / "run" / "a",
    ):
        with pytest.raises(UsageError, match="stays as it is sealed"):
            export(folder, form="csv", out=out)
    with pytest.raises(ResourceError, match="is a folder"):
        export(folder, form="csv", out=tmp_path)
    assert sorted(folder.path.iterdir()) == before


# --- model card --------------------------------------------------------------------------------


def card_of(folder: RunFolder, tmp_path: Path) -> tuple[dict, str]:
    (path,) = export(folder, form="model-card", out=tmp_path / "card.md")
    _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_hub_reads_the_results_of_the_card_with_their_intervals(folder, tmp_path):
    from huggingface_hub import ModelCard

    (path,) = export(folder, form="model-card", out=tmp_path / "card.md")
    results = {one.metric_args["evidence_id"]: one for one in ModelCard(path.read_text()).data.eval_results}
    told = [
        one for one in sample_findings() if one.confirmatory and one.verdict in (Verdict.EVIDENCE, Verdict.NO_EVIDENCE)
    ]
    assert set(results) == {one.id for one in told}
    for finding in told:
        one, result = results[finding.id], finding.measurement.result
        assert isinstance(result, Estimate)
        assert (one.metric_type, one.metric_value) == (finding.measurement.measure, result.value)
        assert (one.metric_args["low"], one.metric_args["high"]) == (result.low, result.high)
        assert one.metric_args["verdict"] == str(finding.verdict)
        assert one.metric_name == finding.sentence


def test_what_is_not_interpretable_is_no_result_of_the_card_but_is_told(folder, tmp_path):
    front, body = card_of(folder, tmp_path)
    barred = {one.id for one in sample_findings() if one.verdict is Verdict.NOT_INTERPRETABLE}
    assert barred
    assert not [id_ for id_ in barred if id_ in json.dumps(front)]
    counts = Counter((one.verdict, one.confirmatory) for one in sample_findings())
    for verdict in Verdict:
        assert f"| {verdict} | {counts[verdict, True]} | {counts[verdict, False]} |" in body
    assert sum(map(int, re.findall(r"- not interpretable, (\d+) findings?: ", body))) == len(barred)


def test_the_card_praises_no_model(folder, tmp_path):
    _, body = card_of(folder, tmp_path)
    assert not re.search(r"\b(fair|safe|unbiased|harmless|neutral|certified|bias-free)\b", body, re.IGNORECASE)
    assert "an audit certifies nothing" in body


def test_the_card_says_how_to_check_and_to_repeat(folder, tmp_path):
    _, body = card_of(folder, tmp_path)
    assert json.loads((folder.path / "evidence.json").read_text())["digest"] in body
    assert "plural-audit run --model imaginary-1m" in body
    assert "0 were reviewed by a native speaker" in body


def test_markup_in_names_is_shown_as_text_in_the_card(tmp_path):
    bad = "**x**<script>alert(1)</script> [a](https://evil.example) | `--- \n---\n# head\u202e"
    model = replace(sample().manifest.model, name=bad)
    one = replace(sample_findings()[0], sentence=bad, family=bad, caveats=(bad,))
    suites = tuple(replace(suite, not_shown=bad) for suite in sample().manifest.suites)
    manifest = replace(sample().manifest, model=model, suites=suites)
    evidence = replace(sample(), manifest=replace(manifest, run_id=run_id_of(manifest)))
    front, body = card_of(sealed(RunFolder(tmp_path / "run"), evidence, (one,)), tmp_path)
    assert front["model-index"][0]["name"] == bad
    assert front["model-index"][0]["results"][0]["metrics"][0]["name"] == bad
    assert "\u202e" not in body
    for sign in ("**", "<script", "](", "://"):
        assert sign not in re.sub(r"\\.", "", body)
    headings = [line for line in body.splitlines() if line.startswith("#")]
    assert not [line for line in headings if "head" in line and "\\# head" not in line]


@pytest.mark.parametrize(
    "text",
    ["yes", "null", "1e5", "- a", "a: b", "'\"", "a\nb", "\u2028", "\u202e", "𒀀", "\x00\x7f\x85", "---", "#", "\ufeff"],
)
def test_every_text_comes_back_from_the_metadata_as_it_was(text):
    content = {"a": [{"name": text, "args": {"value": 1e-7, "n": 3}}, {"name": "", "args": {"value": 1e22}}]}
    assert yaml.safe_load("\n".join(yaml_lines(content))) == content


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b", "a\\_b"),
        ("1. a", "1\\. a"),
        ("0.1.0", "0.1.0"),
        ("- a", "\\- a"),
        ("a - b: 1.5", "a - b: 1.5"),
        ("&lt;", "\\&lt;"),
        ("www.x.org", "www\\.x.org"),
        ("@you", "\\@you"),
        ("a\n\n# b", "a \\# b"),
        ("\x1b[31m", "\ufffd\\[31m"),
    ],
)
def test_markdown_shows_a_text_as_it_is(text, shown):
    assert for_markdown(text) == shown


def test_an_ordinary_text_is_left_alone():
    for text in ("a=1", "a; b - c", 'two\nlines, "and" more', "", "0.5", "العربية"):
        assert for_spreadsheet(text) == text


# --- JSON --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    content = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


def test_findings_that_were_weighed_and_their_export_have_the_form_that_is_published(schema, folder, tmp_path):
    (path,) = export(folder, form="json", out=tmp_path / "f.json")
    content, kept = json.loads(path.read_text()), json.loads((folder.path / "findings.json").read_text())
    schema.validate(kept)
    schema.validate(content)
    assert content["findings"] == kept
    assert any(isinstance(one["sentence"], dict) for one in kept)  # the form with parts was tried


def test_the_schema_refuses_what_no_finding_holds(schema, folder):
    good = json.loads((folder.path / "findings.json").read_text())
    schema.validate(good)
    bad = (
        {**good[0], "verdict": "fair"},
        {**good[0], "score": 1},
        {**good[0], "p_adjusted": 1.5},
        {name: value for name, value in good[0].items() if name != "caveats"},
        {**good[0], "sentence": {"text": "without its parts"}},
        {**good[0], "measurement": {**good[0]["measurement"], "result": {"value": 0.0}}},
    )
    for one in bad:
        assert not schema.is_valid([one])
    assert not schema.is_valid({"findings": good})


# --- command line ------------------------------------------------------------------------------


def called(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["plural-audit", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_the_command_prints_what_it_wrote_named_by_the_run(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = folder.read_evidence().manifest.run_id
    for words, names in (
        ([], [f"{run}.findings.csv"]),
        (["--as", "csv", "--what", "all"], [f"{run}-csv/{what}.csv" for what in COLUMNS]),
        (["--as", "xlsx", "--what", "all"], [f"{run}.xlsx"]),
        (["--as", "model-card"], [f"{run}.model-card.md"]),
    ):
        code, out, _ = called(monkeypatch, capsys, "export", str(folder.path), *words)
        assert (code, out.split()) == (0, names)
        assert all(Path(name).is_file() for name in names)


@pytest.mark.parametrize("form", ["csv", "json-schema"])
def test_the_command_replaces_a_file_only_when_told_to(folder, tmp_path, monkeypatch, capsys, form):
    (tmp_path / "mine").write_text("mine")
    words = ("export", str(folder.path), "--as", form, "--out", str(tmp_path / "mine"))
    code, _, err = called(monkeypatch, capsys, *words)
    assert code == UsageError.exit_code
    assert "--force to replace it" in err.replace("\n", " ")
    assert (tmp_path / "mine").read_text() == "mine"
    assert called(monkeypatch, capsys, *words, "--force")[0] == 0
    assert (tmp_path / "mine").read_text() != "mine"


def test_the_schema_is_printed_without_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, _ = called(monkeypatch, capsys, "export", "--as", "json-schema")
    assert code == 0
    assert json.loads(out) == json.loads(SCHEMA.read_text(encoding="utf-8"))
    code, out, _ = called(monkeypatch, capsys, "export", "--as", "json-schema", "--out", "s.json")
    assert json.loads(Path("s.json").read_text()) == json.loads(SCHEMA.read_text(encoding="utf-8"))
