"""Imaginary judgements of the sample run's findings: two communities that differ, two too small to be shown apart."""

from __future__ import annotations

import numpy as np
import report_sample as sample

from audit.records import ContestRecord, Judgements, Voice

COMMUNITIES = {
    "mathare-youth": "Mathare Youth Forum",
    "kano-elders": "Dattawan Kano",
    "oslo": "Oslo lesegruppe",
    "lagos": "Lagos",
}
SIZES = {"mathare-youth": 5, "kano-elders": 4, "oslo": 2, "lagos": 1}
REGIONS = {"mathare-youth": "Nairobi", "kano-elders": "Kano", "oslo": "Oslo", "lagos": "Lagos"}
CONTESTED = sample.id_of("stereotype_effect-en-gender")
LONE = sample.id_of("stereotype_effect-sw-age")  # one of all differs
SCALE = ("disagree", "partly", "agree")
ARABIC, HOSTILE = "هذا ليس صحيحا عندنا", '<b>not</b> so & <font name="x">here</font> =1+1'
COMMENTS = {
    "agree": "It is said like this at the market, every day.",
    "partly": "Among the old yes, among the young no longer.",
    "disagree": "Nobody here would say so; the sentence was made elsewhere.",
}


def judgements(**changes: object) -> Judgements:
    """Of the stereotype findings in English, Swahili and Spanish; `changes` replace fields."""
    rng = np.random.default_rng(7)
    ids = [f.id for f in sample.findings() if f.measurement.measure == "stereotype_effect"]
    voices: list[Voice] = []
    person = 0
    for community, size in SIZES.items():
        for _ in range(size):
            person += 1
            for n, finding in enumerate(ids):
                voices.append(_voice(rng, finding, n, community=community, person=str(person)))
    plain: dict[str, object] = {
        "run_id": "7f3a9c1e5b2d",
        "as_of": 812,
        "head": "9c" * 32,
        "communities": COMMUNITIES,
        "voices": tuple(voices),
        "contests": contests(),
        "withdrawn": 3,
    }
    return Judgements(**{**plain, **changes})  # type: ignore[arg-type]


def _voice(rng: np.random.Generator, finding: str, n: int, *, community: str, person: str) -> Voice:
    level = (n % 4) / 2 + (-1.4 if community == "kano-elders" and n % 3 == 0 else 0)
    place = int(np.clip(round(level + rng.normal(0, 0.45)), 0, 2))
    if finding == LONE:
        place = 0 if person == "1" else 2
    judgement = SCALE[place]
    comment, language = (COMMENTS[judgement], "en") if rng.random() < 0.25 else ("", "")
    if finding == CONTESTED and person in ("6", "7"):
        comment, language = (ARABIC, "ar") if person == "6" else (HOSTILE, "en")
    if finding == LONE and person == "1":
        comment, language = "Not in my quarter.", "en"
    severity = None if rng.random() < 0.1 else int(np.clip(round(1 + n % 3 + rng.normal(0, 0.7)), 0, 4))
    return Voice(
        finding=finding,
        person=person,
        community=community,
        judgement=judgement,
        severity=severity,
        prevalence=("absent", "rare", "some", "common")[int(np.clip(round(place + rng.normal(0.5, 0.6)), 0, 3))],
        region=REGIONS[community],
        comment=comment,
        comment_language=language,
        revised=False,
        blind=judgement,
        blind_severity=severity,
    )


def contests() -> tuple[ContestRecord, ...]:
    """One open, one decided."""
    return (
        ContestRecord(
            id="c1" * 16,
            finding=CONTESTED,
            community="kano-elders",
            state="answered",
            open=True,
            due="2026-12-09",
            steps=(
                ("file", "2026-11-18", "The English sentences use names that nobody in Kano bears."),
                ("admit", "2026-11-20", "The claim can be checked."),
                (
                    "answer",
                    "2026-11-25",
                    "The names are those of the suite; a version with names from Kano is proposed.",
                ),
            ),
        ),
        ContestRecord(
            id="c2" * 16,
            finding=sample.id_of("stereotype_effect-sw-gender"),
            community="mathare-youth",
            state="rejected",
            open=False,
            due="",
            steps=(
                ("file", "2026-10-02", "Two of the items say the same."),
                ("admit", "2026-10-03", ""),
                ("reject", "2026-10-20", "They differ in the answer; both stay."),
            ),
        ),
    )
