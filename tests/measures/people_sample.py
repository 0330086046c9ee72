"""Short ways to write judgements for tests, and people whose agreement is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from audit.records import Estimate, Finding, Judgements, Measurement, Scope, Verdict, Voice

SCALE = ("disagree", "partly", "agree")


def voice(finding: str, person: object, community: str = "a", judgement: str = "agree", **changes: object) -> Voice:
    plain: dict[str, object] = {
        "finding": finding,
        "person": str(person),
        "community": community,
        "judgement": judgement,
        "severity": None,
        "prevalence": "",
        "region": "",
        "comment": "",
        "comment_language": "",
        "revised": False,
        "blind": judgement,
        "blind_severity": changes.get("severity"),
    }
    return Voice(**{**plain, **changes})  # type: ignore[arg-type]


def judgements(voices: Sequence[Voice], **changes: object) -> Judgements:
    plain: dict[str, object] = {
        "run_id": "run",
        "as_of": 1,
        "head": "00",
        "communities": {},
        "voices": tuple(voices),
        "contests": (),
        "withdrawn": 0,
    }
    return Judgements(**{**plain, **changes})  # type: ignore[arg-type]


def from_rows(rows: Mapping[str, tuple[str, str]]) -> Judgements:
    """person -> (community, one letter per finding: d, p, a, or . for none); findings are f0, f1, ..."""
    names = {"d": "disagree", "p": "partly", "a": "agree"}
    return judgements(
        [
            voice(f"f{i}", person, community, names[letter])
            for person, (community, letters) in rows.items()
            for i, letter in enumerate(letters)
            if letter != "."
        ]
    )


def finding(id_: str, size: float, *, language: str = "en", unit: str = "nats", **changes: object) -> Finding:
    """A finding whose value lies `size` above its null of 1."""
    result = Estimate(
        value=1 + size, low=0, high=2, level=0.95, unit=unit, n_items=9, n_clusters=9, method="none", null=1.0
    )
    measurement = Measurement(
        measure="stereotype_effect", scope=Scope(language=language, suite="s"), result=result, items=()
    )
    plain: dict[str, object] = {
        "id": id_,
        "family": "f",
        "confirmatory": True,
        "family_size": 1,
        "p_adjusted": 0.01,
        "measurement": measurement,
        "verdict": Verdict.EVIDENCE,
        "sentence": "Said.",
        "caveats": (),
    }
    return Finding(**{**plain, **changes})  # type: ignore[arg-type]


def agreeing(
    rng: np.random.Generator, *, alpha: float, shares: Sequence[float], people: int, findings: int, missing: float = 0.0
) -> np.ndarray:
    """Counts (findings, values) of people whose Krippendorff alpha is `alpha`, whatever the metric.

    Each finding has a true answer drawn from `shares`. A person gives it with probability sqrt(alpha), otherwise an
    answer drawn from `shares`. A pair gives the true answer twice with probability alpha, and is otherwise as two
    answers to different findings: so disagreement is (1 - alpha) of what is expected, and alpha is `alpha`.
    """
    k = len(shares)
    truth = rng.choice(k, p=shares, size=findings)
    counts = np.zeros((findings, k))
    for _ in range(people):
        given = np.where(rng.random(findings) < np.sqrt(alpha), truth, rng.choice(k, p=shares, size=findings))
        kept = rng.random(findings) >= missing
        np.add.at(counts, (np.flatnonzero(kept), given[kept]), 1)
    return counts


def crowd(
    rng: np.random.Generator,
    *,
    sizes: Sequence[int],
    findings: int,
    shift: float = 0.0,
    lenient: float = 0.5,
    shares: Sequence[float] = (),
) -> Judgements:
    """Communities c0, c1, ... that judge alike but for `shift`: the first lies lower on a third of the findings.

    People differ in how lenient they are throughout (`lenient`: a standard deviation, that of the noise is 0.6).
    `shares`: of the first half of the findings, the part that people of each community judge; of the rest it is 0.8.
    """
    base = rng.normal(0, 0.8, findings)
    voices = []
    for c, size in enumerate(sizes):
        share = shares[c] if shares else 0.8
        for person in range(size):
            own = rng.normal(0, lenient)
            for f in range(findings):
                if rng.random() >= (share if f < findings // 2 else 0.8):
                    continue
                level = base[f] + own + rng.normal(0, 0.6) - (shift if c == 0 and f % 3 == 0 else 0.0)
                voices.append(voice(f"f{f}", f"{c}-{person}", f"c{c}", SCALE[int(np.digitize(level, [-0.4, 0.4]))]))
    return judgements(voices)
