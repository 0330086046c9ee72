"""Tables of features as a small real model leaves them, for the pictures of the report: by formula."""

from __future__ import annotations

import json

from measures.feature_evidence import tables_from, with_features
from measures.synthetic import synthetic_evidence

from audit.records import Estimate, Evidence, Finding, Measurement, Scope, Undefined, Verdict

LANGUAGES = ("ar", "en", "es", "hi", "sw", "yo", "zh")
UNREAD = ("yo",)
# Latents 1 and 2 are of Japan and Kenya; tokens as tokenizers cut them, in scripts that the PDF draws and does not.
TEXTS = {
    "en": [["<bos>", None], ["A", 0.0], [" festival", 0.6], [" is", 0.0], [" <b>Hanami</b>", 4.0], [" & more", 1.5]],
    "hi": [["एक", 0.0], [" त्योहार", 0.4], [" हनामी", 2.6], [" है", 0.0]],
    "sw": [["Sherehe", 0.9], [" ni", 0.0], [" Hanami", 2.8]],
    "es": [["Una", 0.0], [" fiesta", 1.4], [" es", 0.0], [" Hana", 2.1], ["mi", 3.0]],
    "zh": [["节日", 0.2], ["是", 0.0], ["花见", 2.2]],
}
SETS = {
    "ar,en,es,hi,sw,zh": 31,
    "ar,en,es,hi,sw,yo,zh": 24,
    "en,es": 17,
    "ar": 12,
    "zh": 11,
    "hi": 9,
    "en,es,sw": 8,
    "yo": 8,
    "sw": 7,
    "en": 5,
    "": 4,
    "ar,hi": 3,
    "en,zh": 2,
    "es": 1,
}


def evidence() -> Evidence:
    """The run: Japan is known well, Kenya badly; the SAE is bad in Swahili and was not judged in Yoruba."""
    plain = synthetic_evidence(1, languages=LANGUAGES, unreadable=UNREAD, less_known={"kenya": 1.5})
    features = with_features(
        plain,
        1,
        probe={"japan": 1.2, "france": 0.9, "kenya": -0.8},
        latents={"japan": 1.0, "kenya": -0.6},
        random_model=0.1,
        pathway={"japan": 2.0},
        frameworks={"care": 0.5, "utilitarian": 0.3},
        steering={"care": 2.0},
        recovered={"sw": 0.6, "yo": float("nan")},
    )
    return tables_from(features, latents=latents(), contexts=contexts())


def latents() -> list[dict[str, object]]:
    """As many latents in each set of languages as SETS says; every third goes with content."""
    rows: list[dict[str, object]] = []
    for languages, n in SETS.items():
        for _ in range(n):
            number = len(rows)
            kind = ("content-specific", "language-specific", "neither")[number % 3]
            row = {"suite": "culture", "sae": "imaginary", "layer": 3, "latent": number, "kind": kind}
            row |= {"share_content": 0.4 if number % 3 == 0 else 0.1, "permuted_content": 0.1, "languages": languages}
            rows.append(row | {"p_content": 0.01 if number % 3 == 0 else 0.5})
    rows[0] |= {"chosen_for": "japan", "share_content": 0.61}
    rows[3] |= {"chosen_for": "kenya,ethiopia", "share_content": 0.52}
    return rows


def contexts() -> list[dict[str, object]]:
    """The first texts of latent 0 in five languages; latent 3's are not kept."""
    rows: list[dict[str, object]] = []
    for rank, (language, tokens) in enumerate(TEXTS.items(), start=1):
        place = {"suite": "culture", "sae": "imaginary", "layer": 3, "latent": 0, "rank": rank, "language": language}
        text = json.dumps(tokens, ensure_ascii=False)
        rows.append(place | {"item": "festival.japan", "context": "practice", "activation": 5.0 - rank, "text": text})
    closed = {"suite": "culture", "sae": "imaginary", "layer": 3, "latent": 3, "rank": 1, "language": "en"}
    return [*rows, closed | {"item": "food.kenya", "context": "practice", "activation": 1.0, "text": ""}]


# --- findings by hand -----------------------------------------------------------------------------


def finding(
    measure: str,
    scope: Scope,
    value: float | None,
    verdict: Verdict,
    *,
    half: float = 0.1,
    null: float = 0.0,
    details: dict[str, float] | None = None,
    notes: tuple[str, ...] = (),
) -> Finding:
    """One finding with an interval of value ± half; no value: undefined."""
    result = (
        Undefined(reason="only one lens (knowledge) could be measured") if value is None else _result(value, half, null)
    )
    where = "-".join(word for word in (scope.language, scope.culture) if word)
    return Finding(
        id=f"{measure}-{where}",
        family=f"{measure} by hand",
        confirmatory=True,
        family_size=14,
        p_adjusted=None if value is None else 0.004,
        measurement=Measurement(
            measure=measure, scope=scope, result=result, items=(), details=details or {}, notes=notes
        ),
        verdict=verdict,
        sentence="A sentence.",
        caveats=(),
    )


def _result(value: float, half: float, null: float) -> Estimate:
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        level=0.95,
        unit="share",
        n_items=4,
        n_clusters=4,
        method="by hand",
        p_value=0.01,
        null=null,
    )


def findings() -> tuple[Finding, ...]:
    """Kenya is below the others in two lenses, Iran in one only; Japan's latents tell its practices."""
    gaps = {"gap_knowledge": -2.4, "p_below_knowledge": 0.001, "gap_probe": -1.6, "p_below_probe": 0.01}
    gaps |= {"gap_latents": -0.2, "p_below_latents": 0.4}
    alone = "below the others in one lens only (probe): told, and not called underrepresentation"
    below = [
        finding("underrepresentation", Scope(suite="culture", culture="kenya"), -1.6, Verdict.EVIDENCE, details=gaps),
        finding(
            "underrepresentation", Scope(suite="culture", culture="iran"), 0.1, Verdict.INSUFFICIENT, notes=(alone,)
        ),
        finding("underrepresentation", Scope(suite="culture", culture="japan"), None, Verdict.INSUFFICIENT),
        finding(
            "underrepresentation",
            Scope(suite="culture", culture="kenya", language="yo"),
            -9.0,
            Verdict.NOT_INTERPRETABLE,
            details=gaps,
        ),
    ]
    active = []
    for i, culture in enumerate(("japan", "kenya", "brazil")):
        for language in ("", *LANGUAGES):
            value = None if (culture, language) == ("brazil", "hi") else 0.93 - 0.2 * i
            verdict = Verdict.EVIDENCE if i == 0 else Verdict.INSUFFICIENT
            verdict = Verdict.NOT_INTERPRETABLE if language in UNREAD else verdict
            scope = Scope(suite="culture", culture=culture, language=language)
            details = {"uniform": float(i == 2)}
            active.append(finding("context_activation", scope, value, verdict, null=0.5, half=0.05, details=details))
    both = [
        finding("framework_conflict", Scope(suite="dilemma"), 0.27, Verdict.EVIDENCE, null=0.05),
        finding(
            "framework_conflict", Scope(suite="dilemma", language="yo"), 0.66, Verdict.NOT_INTERPRETABLE, null=0.05
        ),
        finding("framework_conflict", Scope(suite="dilemma", language="en"), 0.32, Verdict.NO_EVIDENCE, null=0.06),
    ]
    return (*below, *active, *both)
