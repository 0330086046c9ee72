"""For whoever checks the run: where items come from, what was left out, manifest, reproduction, licences."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence

from audit.suites.languages import language_name
from reports.blocks import Block, Column, Facts, Heading, Table, Text
from reports.case import Case
from reports.words import humanised

MODEL_WORDS = {
    "ref": "Asked for as",
    "n_layers": "Layers",
    "n_heads": "Attention heads per layer",
    "n_parameters": "Parameters",
    "dtype": "Number format",
    "weights_sha256": "Weights, SHA-256",
    "tokenizer_sha256": "Tokenizer, SHA-256",
    "config_sha256": "Configuration, SHA-256",
    "licence_accepted": "Terms accepted",
}


def provenance(case: Case) -> tuple[Block, ...]:
    """Origin, author and review of the items, by suite and language."""
    titles = ("Items", "Native", "Adapted", "Translated", "Person", "Machine", "Reviewed", "Quarantined")
    columns = (
        Column(title="Suite", width=2.2),
        Column(title="Language", width=2.0),
        *(Column(title=title, width=1.15, align="right") for title in titles),
    )
    rows = []
    for (suite, language), group in case.evidence.items.groupby(["suite", "language"], sort=True):
        counts = (
            len(group),
            *((group["origin"] == origin).sum() for origin in ("native", "adapted", "translated")),
            *((group["author"] == author).sum() for author in ("person", "machine")),
            (group["reviewed"] > 0).sum(),
            (group["quarantine"] != "").sum(),
        )
        rows.append((str(suite), language_name(str(language)), *(str(int(count)) for count in counts)))
    text = (
        "Where the words come from: how many items are native to the language, adapted or translated, who wrote them, "
        "how many at least one native speaker has reviewed, and how many are quarantined and support no headline."
    )
    head = Heading(text="Provenance of the items", level=1)
    if not rows:
        return (head, Text(text="This run has no items."))
    return (head, Text(text=text), Table(columns=columns, rows=tuple(rows)), *_quarantine(case))


def _quarantine(case: Case) -> tuple[Block, ...]:
    held = case.evidence.items[case.evidence.items["quarantine"] != ""]
    reasons = Counter(case.spelled_out(str(reason)) for reason in held["quarantine"])
    if not reasons:
        return ()
    rows = [(reason, str(n)) for reason, n in sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))]
    columns = (Column(title="Why quarantined", width=8), Column(title="Items", width=1, align="right"))
    return (Table(columns=columns, rows=tuple(_capped(rows))),)


def _capped(rows: Sequence[tuple[str, ...]], *, most: int = 40, width: int = 2) -> list[tuple[str, ...]]:
    if len(rows) <= most:
        return list(rows)
    rest = sum(int(row[-1]) for row in rows[most:])
    return [*rows[:most], (*("further reasons, in the run folder", *[""] * (width - 2)), str(rest))]


def exclusions(case: Case) -> tuple[Block, ...]:
    """Excluded items, counted by reason."""
    head = Heading(text="What was left out", level=1)
    table = case.evidence.exclusions
    if not len(table):
        return (head, Text(text="No item was excluded."))
    counted = Counter(
        (case.spelled_out(reason), suite, stage)
        for reason, suite, stage in zip(table["reason"], table["suite"], table["stage"], strict=True)
    )
    ordered = sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = _capped([(*key, str(n)) for key, n in ordered], width=4)
    columns = (
        Column(title="Reason", width=6),
        Column(title="Suite", width=2),
        Column(title="Stage", width=1.2),
        Column(title="Items", width=0.9, align="right"),
    )
    text = f"Items excluded, counted once per language: {len(table)}. Each is listed in the run's exclusions file."
    return (head, Text(text=text), Table(columns=columns, rows=tuple(rows)))


def run_manifest(case: Case) -> tuple[Block, ...]:
    """Model, settings, versions and digests that the run rests on."""
    manifest = case.evidence.manifest
    model = [
        (MODEL_WORDS.get(field.name, humanised(field.name)), _shown(getattr(manifest.model, field.name)))
        for field in dataclasses.fields(manifest.model)
    ]
    floor = manifest.noise_floor
    run = [
        ("Run id", manifest.run_id),
        ("Languages", ", ".join(manifest.languages)),
        (
            "Noise floor",
            "not measured" if floor is None else f"{floor.value!r} nats, {floor.n_items} items, {floor.method}",
        ),
    ]
    return (
        Heading(text="Run manifest", level=1),
        Heading(text="Model", level=2),
        Facts(rows=tuple(model)),
        Heading(text="Run", level=2),
        Facts(rows=tuple(run)),
        *_titled_facts("Suites", [(f"{s.name} {s.version}", s.digest or "no digest") for s in manifest.suites]),
        *_titled_facts("Settings that change numbers", [(k, _shown(v)) for k, v in sorted(manifest.settings.items())]),
        *_titled_facts("Versions", [(k, str(v)) for k, v in sorted(manifest.versions.items())]),
    )


def _titled_facts(title: str, rows: list[tuple[str, str]]) -> tuple[Block, ...]:
    return (Heading(text=title, level=2), Facts(rows=tuple(rows))) if rows else ()


def _shown(value: object) -> str:
    if value == "":
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def reproduction(case: Case) -> tuple[Block, ...]:
    """The command that makes the run again."""
    text = (
        "The same inputs give the same run id everywhere, and on the same machine the same report, byte for byte; on "
        "another machine numbers may differ by less than the noise floor. This command makes the run again:"
    )
    return (
        Heading(text="Reproduction", level=1),
        Text(text=text),
        Text(text=case.command or "not recorded", style="code"),
    )


def licences(case: Case) -> tuple[Block, ...]:
    """Licences of model, suites and faces."""
    manifest = case.evidence.manifest
    model = manifest.model
    accepted = f" Terms accepted: {model.licence_accepted}." if model.licence_accepted else ""
    rows = [("Model", f"{model.licence or 'not stated'}.{accepted}")]
    for suite in manifest.suites:
        may = "" if suite.redistributable else "; texts may not be reprinted and are not in this report"
        rows.append((f"Suite {suite.name}", f"{suite.licence}; {case.spelled_out(suite.authors)}{may}"))
    faces = "Set in Noto Sans and other faces of the Noto family (SIL Open Font License 1.1)."
    return (Heading(text="Licences", level=1), Facts(rows=tuple(rows)), Text(text=faces, style="small"))
