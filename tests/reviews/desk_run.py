"""A small run that can be judged: findings made by hand on the items of the imaginary model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from measures.synthetic import synthetic_evidence

from audit.findings import to_json
from audit.records import Estimate, Evidence, Finding, Measurement, Scope, Verdict
from audit.runs import RunFolder

LANGUAGES = ("ar", "en", "sw")
ITEMS = tuple(f"stereotype/gender-{number}" for number in range(1, 5))


def estimate(value: float) -> Estimate:
    return Estimate(
        value=value, low=0.1, high=0.9, level=0.95, unit="nats", n_items=4, n_clusters=4, method="by hand", null=0.0
    )


def made(
    id_: str,
    *,
    language: str = "sw",
    other_language: str = "",
    measure: str = "stereotype_effect",
    topic: str = "gender",
    verdict: Verdict = Verdict.EVIDENCE,
    items: Sequence[str] = ITEMS,
    confirmatory: bool = True,
    sentence: str = "",
) -> Finding:
    scope = Scope(language=language, other_language=other_language, suite="stereotype", topic=topic)
    return Finding(
        id=id_,
        family="by hand",
        confirmatory=confirmatory,
        family_size=1,
        p_adjusted=0.01,
        measurement=Measurement(measure=measure, scope=scope, result=estimate(0.5), items=tuple(items)),
        verdict=verdict,
        sentence=sentence or f"In {language or 'all languages'}, {id_} was found.",
        caveats=("Machine-written items.",),
    )


# 6 with evidence in Swahili, 2 in English, one of all languages, one of two; 4 without evidence; one that says nothing.
FINDINGS = (
    *(made(f"sw-{number}") for number in range(1, 7)),
    *(made(f"en-{number}", language="en", topic="age") for number in range(1, 3)),
    made("all-1", language="", topic="religion", measure="standardised_effect"),
    made("shift-1", language="en", other_language="sw", measure="language_shift", topic=""),
    *(made(f"none-{number}", verdict=Verdict.NO_EVIDENCE, confirmatory=False) for number in range(1, 5)),
    made("mute-1", verdict=Verdict.NOT_INTERPRETABLE),
)


def evidence() -> Evidence:
    return synthetic_evidence(languages=LANGUAGES, with_pairs=False, with_parallel=False)


def write_run(path: Path, findings: Sequence[Finding] = FINDINGS, *, seen: Evidence | None = None) -> Path:
    """A complete run folder with these findings."""
    run = RunFolder(path)
    run.write_evidence(seen or evidence())
    return weigh_again(path, findings)


def weigh_again(path: Path, findings: Sequence[Finding]) -> Path:
    """The same evidence, other findings."""
    run = RunFolder(path)
    run.write_result("findings.json", to_json(findings).encode())
    run.write_result("report.pdf", b"%PDF-")
    run.seal(versions={"plural-audit": "test"})
    return path


def without(findings: Sequence[Finding], *ids: str) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.id not in ids)


def saying(finding: Finding, sentence: str) -> Finding:
    return replace(finding, sentence=sentence)
