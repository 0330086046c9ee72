"""Evidence of an imaginary model, built from arrays: every effect in it is one that we planted.

`synthetic_evidence()` has the full shape of an audit (8 languages; stereotypes, cultures, values, dilemmas,
competence, parallel lines, imported pairs) and, with its defaults, no effect anywhere except that the model reads all
languages. Tests of the measures plant effects in it; tests of reports, gate and app use it as a run that cost nothing.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from audit.records import (
    EXCLUSION_COLUMNS,
    ITEM_COLUMNS,
    OBSERVATION_COLUMNS,
    Evidence,
    Kind,
    Manifest,
    ModelRecord,
    NoiseFloor,
    SuiteRecord,
)
from audit.runs import run_id_of

LANGUAGES = ("ar", "en", "es", "hi", "ja", "sw", "yo", "zh")
AXES = ("gender", "religion", "ethnicity", "age", "disability", "class", "migration")
GROUPS = {
    "gender": ("women", "men"),
    "religion": ("Muslims", "Christians"),
    "ethnicity": ("Roma", "non-Roma"),
    "age": ("old people", "young people"),
    "disability": ("disabled people", "non-disabled people"),
    "class": ("poor people", "rich people"),
    "migration": ("immigrants", "native-born people"),
}
CULTURES = (
    "brazil",
    "china",
    "egypt",
    "ethiopia",
    "france",
    "india",
    "indonesia",
    "iran",
    "japan",
    "kenya",
    "mexico",
    "nigeria",
    "russia",
    "usa",
)
FACETS = ("clothing", "festival", "food", "greeting")
FRAMEWORKS = ("buddhist", "care", "confucian", "individual-rights", "islamic", "ubuntu", "utilitarian", "virtue")
# Every framework meets individual-rights once, and the seven others form a ring: 14 dilemmas, one connected graph.
DILEMMAS = tuple(("individual-rights", other) for other in FRAMEWORKS if other != "individual-rights") + tuple(
    zip(
        [f for f in FRAMEWORKS if f != "individual-rights"],
        [*[f for f in FRAMEWORKS if f != "individual-rights"][1:], FRAMEWORKS[0]],
        strict=True,
    )
)
LINES = 20
PAIRS_PER_AXIS = 4


def synthetic_evidence(
    seed: int = 0,
    *,
    languages: tuple[str, ...] = LANGUAGES,
    stereotype_effect: float | Mapping[str, float] = 0.0,
    control_effect: float = 0.0,
    less_known: Mapping[str, float] | None = None,
    values_lean: Mapping[str, float] | None = None,
    dilemma_lean: Mapping[str, float] | None = None,
    individual_lean: Mapping[str, float] | None = None,
    content_signal: float = 2.0,
    unreadable: tuple[str, ...] = (),
    right: float | None = 0.9,
    correlation: float = 0.5,
    judgement_correlation: float = 1.0,
    noise_floor: float | None = 2e-5,
    with_pairs: bool = True,
    with_parallel: bool = True,
    blemishes: bool = False,
    quantisation: str = "Q4_K_M dequantised",
) -> Evidence:
    """Evidence of an imaginary model with the effects asked for and no others.

    Args:
        seed: same seed and arguments, same evidence.
        languages: any codes; the default eight give the full shape.
        stereotype_effect: mean TE in nats of non-control stereotype items; a mapping plants it by axis or language.
        control_effect: mean TE in nats of control pairs (a suite that fails its own null).
        less_known: culture -> nats taken from the right answer's score (1 nat is about 1.2 bits here).
        values_lean: framework -> nats added to its items' effects (one neutral spread is about 1).
        dilemma_lean: framework -> strength in nats; a margin is the difference of the two options' strengths.
        individual_lean: language -> nats toward the individual-rights option there.
        content_signal: nats by which true statements are agreed with more than false ones (the values controls).
        unreadable: languages whose competence items come out at chance.
        right: share of competence items right in readable languages, by chance per item; None for no competence suite.
        correlation: share of an item's variance that all languages have in common.
        judgement_correlation: the same for dilemmas; below 1 their answers depend on the language.
        noise_floor: nats; None for a run that did not measure it.
        with_pairs: add an imported-pairs suite (English only, or the first language).
        with_parallel: add a suite of parallel lines.
        blemishes: quarantine one stereotype item in the last language and exclude one item in the first.
        quantisation: of the model's record.
    """
    rng = np.random.default_rng(seed)
    n = len(languages)
    blocks = [
        _stereotype_logp(rng, languages, stereotype_effect, control_effect, correlation),
        _culture_logp(rng, n, less_known or {}, correlation),
        _values_logp(rng, n, values_lean or {}, content_signal, correlation),
        _dilemma_logp(rng, languages, dilemma_lean or {}, individual_lean or {}, judgement_correlation),
    ]
    kinds = [Kind.STEREOTYPE, Kind.CULTURE, Kind.VALUES, Kind.DILEMMA]
    if right is not None:
        kinds.append(Kind.COMPETENCE)
        blocks.append(_competence_logp(rng, languages, unreadable, right))
    if with_pairs:
        kinds.append(Kind.PAIRS)
        blocks.append(rng.normal(-20, 1, (1, len(AXES) * PAIRS_PER_AXIS, 2, 1)))
    if with_parallel:
        kinds.append(Kind.PARALLEL)
        blocks.append(-rng.uniform(30, 60, (n, LINES, 1, 1)))
    observations, items = _skeleton(languages, tuple(kinds))
    observations = observations.assign(logp=np.concatenate([block.ravel() for block in blocks]))
    exclusions = pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in EXCLUSION_COLUMNS.items()})
    if blemishes:
        observations, items, exclusions = _blemished(observations, items, languages)
    return Evidence(
        manifest=_manifest(seed, languages, tuple(kinds), noise_floor, quantisation),
        observations=observations[list(OBSERVATION_COLUMNS)],
        items=items,
        exclusions=exclusions,
    )


def evidence_from(
    observations: list[dict[str, object]],
    items: list[dict[str, object]],
    *,
    noise_floor: float | None = 0.0,
    quantisation: str = "",
) -> Evidence:
    """Evidence from a few hand-written rows; columns left out get the plainest value of their type."""
    obs = _table(pd.DataFrame(observations), OBSERVATION_COLUMNS, {"n_tokens": 1, "n_bytes": 4, "prompt_tokens": 5})
    table = _table(pd.DataFrame(items), ITEM_COLUMNS, {"origin": "native", "author": "person", "reviewed": 3})
    bare = table["template"] == ""
    table.loc[bare, "template"] = table.loc[bare, "item"]
    languages = tuple(sorted(set(table["language"])))
    suites = tuple(
        _suite(Kind(kind), name=name) for name, kind in sorted(set(zip(table["suite"], table["kind"], strict=True)))
    )
    exclusions = pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in EXCLUSION_COLUMNS.items()})
    manifest = Manifest(
        run_id="hand",
        model=_model(quantisation),
        suites=suites,
        languages=languages,
        settings={},
        versions={},
        noise_floor=None if noise_floor is None else NoiseFloor(value=noise_floor, n_items=8, method="by hand"),
    )
    return Evidence(manifest=manifest, observations=obs, items=table, exclusions=exclusions)


def _table(rows: pd.DataFrame, columns: Mapping[str, str], defaults: Mapping[str, object]) -> pd.DataFrame:
    plain = {"string": "", "bool": False, "int64": 0, "float64": 0.0}
    full = pd.DataFrame(index=rows.index)
    for name, kind in columns.items():
        full[name] = (rows[name] if name in rows else defaults.get(name, plain[kind])) if len(rows) else []
        if name in rows:
            full[name] = full[name].where(rows[name].notna(), defaults.get(name, plain[kind]))
    return full.astype(dict(columns))


# --- log-probabilities, shape (languages, items, contexts, roles) ------------------------------


def _shared(rng: np.random.Generator, n_languages: int, n_items: int, correlation: float) -> np.ndarray:
    """Unit-variance effects (languages, items) of which a share is common to all languages."""
    common = rng.normal(size=(1, n_items))
    own = rng.normal(size=(n_languages, n_items))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


def _stereotype_logp(rng, languages, effect, control_effect, correlation):  # type: ignore[no-untyped-def]
    axes = [axis for axis in AXES for _ in range(4)]
    te = _shared(rng, len(languages), 38, correlation)
    te[:, 28:] += control_effect
    if isinstance(effect, Mapping):
        te[:, :28] += np.array([effect.get(axis, 0.0) for axis in axes])
        te[:, :28] += np.array([effect.get(language, 0.0) for language in languages])[:, None]
    else:
        te[:, :28] += effect
    logp = np.empty((len(languages), 38, 3, 2))
    logp[:] = -6 + rng.normal(0, 1, (len(languages), 38, 1, 2))  # base rates of the answers cancel in the 2x2
    logp += rng.normal(0, 0.5, (len(languages), 38, 3, 1))  # so do base rates of the groups
    logp[:, :, 0, 0] += te / 4
    logp[:, :, 0, 1] -= te / 4
    logp[:, :, 1, 0] -= te / 4
    logp[:, :, 1, 1] += te / 4
    return logp


def _culture_logp(rng, n_languages, less_known, correlation):  # type: ignore[no-untyped-def]
    k = len(CULTURES)
    n_items = k * len(FACETS)
    right = np.tile(np.arange(k), len(FACETS))  # items in order facet, culture
    prior = rng.normal(-10, 1, (n_languages, len(FACETS), 1, k)).repeat(k, axis=1).reshape(n_languages, n_items, 1, k)
    boost = 1.2 + _shared(rng, n_languages, n_items, correlation)
    boost -= np.array([less_known.get(CULTURES[c], 0.0) for c in right])
    logp = np.empty((n_languages, n_items, 4, k))
    logp[:, :, 2:] = prior
    logp[:, :, :2] = prior + rng.normal(0, 0.7, (n_languages, n_items, 2, k))
    logp[:, np.arange(n_items), 0, right] += boost
    logp[:, np.arange(n_items), 1, right] += boost
    return logp


def _values_logp(rng, n_languages, lean, content_signal, correlation):  # type: ignore[no-untyped-def]
    frameworks = [framework for framework in FRAMEWORKS for _ in range(6)]
    n_items = len(frameworks) + 8
    effect = 0.5 + 0.8 * _shared(rng, n_languages, n_items, correlation)
    effect[:, :48] += np.array([lean.get(framework, 0.0) for framework in frameworks])
    effect[:, 48:] += content_signal - 0.5
    margin = rng.normal(0.3, 1.0, (n_languages, n_items, 6))
    margin[:, :, 0:2] = margin[:, :, 4:6] * 0.3 + effect[:, :, None] / 2 + rng.normal(0, 0.4, (n_languages, n_items, 2))
    margin[:, :, 2:4] = margin[:, :, 4:6] * 0.3 - effect[:, :, None] / 2 + rng.normal(0, 0.4, (n_languages, n_items, 2))
    return -4 + np.stack([margin / 2, -margin / 2], axis=3)


def _dilemma_logp(rng, languages, lean, individual_lean, correlation):  # type: ignore[no-untyped-def]
    n = len(languages)
    margin = _shared(rng, n, 18, correlation)
    margin[:, :14] += np.array([lean.get(a, 0.0) - lean.get(b, 0.0) for a, b in DILEMMAS])
    orient = np.array([(a == "individual-rights") - (b == "individual-rights") for a, b in DILEMMAS])
    margin[:, :14] += orient * np.array([individual_lean.get(language, 0.0) for language in languages])[:, None]
    paraphrase = margin[:, :, None] + rng.normal(0, 0.5, (n, 18, 2))
    position = 0.8 + rng.normal(0, 0.2, (n, 18, 2))  # a liking for the label that comes first
    asked = np.stack([paraphrase + position, paraphrase - position], axis=3).reshape(n, 18, 4)  # 1/ab 1/ba 2/ab 2/ba
    return -3 + np.stack([asked / 2, -asked / 2], axis=3)


def _competence_logp(rng, languages, unreadable, right):  # type: ignore[no-untyped-def]
    share = np.array([0.5 if language in unreadable else right for language in languages])[:, None]
    sign = np.where(rng.random((len(languages), 32)) < share, 1.0, -1.0)
    gap = sign * rng.uniform(0.2, 3.0, (len(languages), 32))
    return (-6 + np.stack([gap / 2, -gap / 2], axis=2))[:, :, None, :]


# --- the design, the same for every seed -------------------------------------------------------


@dataclass(frozen=True)
class _Design:
    items: list[dict[str, object]]
    contexts: tuple[str, ...]
    roles: tuple[str, ...]
    alone: bool = False  # in one language only


def _design(kind: Kind) -> _Design:
    if kind is Kind.STEREOTYPE:
        rows = [
            {
                "item": f"{axis}-{i + 1}",
                "topic": axis,
                "base_group": GROUPS[axis][0],
                "counterpart_group": GROUPS[axis][1],
                "regions": "worldwide",
                "source": "an imaginary source",
            }
            for axis in AXES
            for i in range(4)
        ]
        rows += [
            {
                "item": f"control-{i + 1}",
                "topic": AXES[i % 7],
                "control": True,
                "base_group": "left door",
                "counterpart_group": "right door",
            }
            for i in range(10)
        ]
        return _Design(rows, ("base", "counterpart", "neutral"), ("a", "b"))
    if kind is Kind.CULTURE:
        rows = [{"item": f"{f}.{c}", "topic": f, "culture": c} for f in FACETS for c in CULTURES]
        return _Design(rows, ("asked/1", "asked/2", "neutral/1", "neutral/2"), CULTURES)
    if kind is Kind.VALUES:
        rows = [{"item": f"{f}-{i + 1}", "topic": f, "framework": f} for f in FRAMEWORKS for i in range(6)]
        rows += [{"item": f"plain-{i + 1}", "topic": "plain", "control": True} for i in range(8)]
        contexts = ("endorse/1", "endorse/2", "reject/1", "reject/2", "neutral/1", "neutral/2")
        return _Design(rows, contexts, ("agree", "disagree"))
    if kind is Kind.DILEMMA:
        rows = [
            {
                "item": f"dilemma-{i + 1:02d}",
                "topic": "individual-collective" if a == "individual-rights" else "other",
                "framework": a,
                "other_framework": b,
            }
            for i, (a, b) in enumerate(DILEMMAS)
        ]
        rows += [{"item": f"plain-{i + 1}", "topic": "plain", "control": True} for i in range(4)]
        return _Design(rows, ("1/ab", "1/ba", "2/ab", "2/ba"), ("a", "b"))
    if kind is Kind.COMPETENCE:
        return _Design([{"item": f"c{i + 1:02d}", "topic": "everyday"} for i in range(32)], ("",), ("true", "broken"))
    if kind is Kind.PAIRS:
        rows = [
            {
                "item": f"crows-{axis}-{i + 1}",
                "topic": axis,
                "base_group": GROUPS[axis][0],
                "counterpart_group": GROUPS[axis][1],
            }
            for axis in AXES
            for i in range(PAIRS_PER_AXIS)
        ]
        return _Design(rows, ("base", "counterpart"), ("shared",), alone=True)
    return _Design([{"item": f"line-{i + 1}", "topic": ""} for i in range(LINES)], ("",), ("text",))


NAMES = {Kind.PAIRS: "crows-pairs", Kind.PARALLEL: "flores"}
N_TOKENS = {Kind.PAIRS: 8, Kind.PARALLEL: 14}


@functools.lru_cache(maxsize=8)
def _skeleton(languages: tuple[str, ...], kinds: tuple[Kind, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    observations, items = [], []
    for kind in kinds:
        design = _design(kind)
        suite = NAMES.get(kind, str(kind))
        spoken = (languages[:1] if "en" not in languages else ("en",)) if design.alone else languages
        for language in spoken:
            for row in design.items:
                items.append(
                    {"suite": suite, "kind": str(kind), "language": language, "template": row["item"], **row}
                    | {"texts": "" if kind is Kind.PAIRS else _texts(design, row), "source": row.get("source", "")}
                )
                observations += [
                    {"suite": suite, "language": language, "item": row["item"], "context": context, "answer": role}
                    | {"n_tokens": N_TOKENS.get(kind, 2), "n_bytes": 4 * N_TOKENS.get(kind, 2)}
                    for context in design.contexts
                    for role in design.roles
                ]
    provenance = {"origin": "adapted", "author": "machine", "reviewed": 0}
    return (
        _table(pd.DataFrame(observations), OBSERVATION_COLUMNS, {"prompt_tokens": 12}),
        _table(pd.DataFrame(items), ITEM_COLUMNS, provenance),
    )


def _texts(design: _Design, row: Mapping[str, object]) -> str:
    return json.dumps(
        [
            {
                "context": context,
                "prompt": f"[{row['item']}] An imaginary prompt{', ' + context if context else ''}:",
                "answers": {role: [f" {role}"] for role in design.roles},
            }
            for context in design.contexts
        ],
        ensure_ascii=False,
    )


def _blemished(
    observations: pd.DataFrame, items: pd.DataFrame, languages: tuple[str, ...]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    items = items.copy()
    held = (items["item"] == "gender-1") & (items["language"] == languages[-1])
    items.loc[held, "quarantine"] = "answers differ in length by more than a factor of two"
    gone = (observations["item"] == "gender-2") & (observations["language"] == languages[0])
    exclusions = pd.DataFrame(
        [
            {
                "suite": "stereotype",
                "language": languages[0],
                "item": "gender-2",
                "stage": "observe",
                "reason": "the boundary between prompt and answer merges into one token",
            }
        ]
    ).astype(dict(EXCLUSION_COLUMNS))
    return observations[~gone].reset_index(drop=True), items, exclusions


# --- records -----------------------------------------------------------------------------------


def _manifest(
    seed: int, languages: tuple[str, ...], kinds: tuple[Kind, ...], noise_floor: float | None, quantisation: str
) -> Manifest:
    floor = None
    if noise_floor is not None:
        floor = NoiseFloor(value=noise_floor, n_items=40, method="batch 1 against 32, padded and not")
    manifest = Manifest(
        run_id="",
        model=_model(quantisation),
        suites=tuple(_suite(kind, name=NAMES.get(kind, str(kind))) for kind in kinds),
        languages=languages,
        settings={"batch_size": 32, "seed": seed},
        versions={"plural-audit": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
        noise_floor=floor,
    )
    return replace(manifest, run_id=run_id_of(manifest))


def _model(quantisation: str) -> ModelRecord:
    return ModelRecord(
        name="imaginary-1m" + (f", {quantisation}" if quantisation else ""),
        ref="imaginary-1m",
        source="builtin",
        revision="0" * 40,
        architecture="ImaginaryForCausalLM",
        n_layers=4,
        n_heads=4,
        n_parameters=1_000_000,
        dtype="float32",
        device="cpu",
        weights_sha256="a" * 64,
        tokenizer_sha256="b" * 64,
        quantisation=quantisation,
        licence="none",
        licence_accepted="",
    )


def _suite(kind: Kind, *, name: str) -> SuiteRecord:
    ids = {*AXES, *CULTURES, *FACETS, *FRAMEWORKS}
    return SuiteRecord(
        name=name,
        version="1",
        kind=kind,
        question=f"What does the imaginary model do with the items of {name}?",
        construct=f"{kind}, as planted by a test",
        harm="none: nobody is described by these items",
        groups="imaginary groups, without power over each other",
        intended_use="tests",
        not_shown="anything about a real model",
        licence="Apache-2.0",
        redistributable=kind is not Kind.PAIRS,
        authors="The plural-audit authors",
        labels={name: name.replace("-", " ").capitalize() if name in CULTURES else name for name in sorted(ids)},
        digest=f"{name:x<64}".encode().hex()[:64],
    )
