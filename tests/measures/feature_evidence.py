"""Tables of what an imaginary model's features show, to go with the evidence of synthetic.py; every truth is planted.

With the defaults nothing is in them: no culture or framework can be read above the control task, all are alike, latents
are as active on one text as on another, and steering does no more than random directions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from audit.records import (
    CAPACITY_COLUMNS,
    CAUSAL_COLUMNS,
    CONTEXT_COLUMNS,
    LATENT_COLUMNS,
    SAE_COLUMNS,
    SCORE_COLUMNS,
    SIMILARITY_COLUMNS,
    STEERING_COLUMNS,
    Evidence,
    Kind,
)
from tests.measures.synthetic import evidence_from

LAYER = 3
DIRECTIONS = 8  # random ones
FACT_SPREAD = 0.4  # SD of a fact's bits around its culture's, of which half is common to all languages
STATEMENT_SPREAD = 0.2
FACET_SPREAD = 0.2
Planted = float | Mapping[str, float]


def with_features(
    evidence: Evidence,
    seed: int = 0,
    *,
    probe: Planted = 0.0,
    latents: Planted = 0.0,
    random_model: float = 0.0,
    pathway: Planted | None = 0.0,
    frameworks: Planted = 0.0,
    steering: Planted = 0.0,
    auroc: Planted = 0.5,
    permuted_auroc: float = 0.5,
    conflict: float = 0.0,
    overlap: float = 0.2,
    causal: float = 0.0,
    recovered: Mapping[str, float] | None = None,
    correlation: float = 0.5,
    skip: tuple[str, ...] = (),
) -> Evidence:
    """The evidence with all tables of features.

    Args:
        evidence: of synthetic.py.
        seed: same seed and arguments, same tables.
        probe: bits above the control task by culture (what a mapping does not name has 0), and
        latents: the same from SAE latents.
        random_model: bits above control from the latents of a random model.
        pathway: by culture, in control spreads; None for a run without a circuit.
        frameworks: bits above control by framework, for probe and latents.
        steering: by framework, in spreads of random directions.
        auroc: of a culture's latents for its own practice texts, against those of others and neutral ones.
        permuted_auroc: the same of latents chosen under permuted labels.
        conflict: chance, on top of what happens by itself, that both own frameworks are highly active on a dilemma.
        overlap: between the latents of any two cultures.
        causal: nats by which ablating the chosen latents does more than ablating random ones.
        recovered: language -> share of the loss that the SAE recovers; 0.9 where not named.
        correlation: share of an item's variance that all languages have in common.
        skip: tables to leave empty.
    """
    rng = np.random.default_rng([61, seed])
    items = evidence.items
    tables = {
        "saes": _saes(evidence, recovered or {}),
        "capacities": _capacities(
            rng, items, probe, latents, random_model, pathway, frameworks, correlation=correlation
        ),
        "latents": _latents(rng, items),
        "scores": _scores(rng, items, auroc, permuted_auroc, conflict),
        "steering": _steering(rng, items, steering, correlation),
        "causal": _causal(rng, items, causal),
        "contexts": _contexts(items),
        "similarities": _similarities(items, overlap),
    }
    kept = {
        name: (table.iloc[:0] if name in skip else table)[list(COLUMNS[name])]
        .astype(dict(COLUMNS[name]))
        .reset_index(drop=True)
        for name, table in tables.items()
    }
    return replace(evidence, **kept)


def planted(value: Planted, names: np.ndarray) -> np.ndarray:
    """What was planted for each name."""
    if isinstance(value, Mapping):
        return np.array([value.get(str(name), 0.0) for name in names], dtype=float)
    return np.full(len(names), float(value))


def _of(items: pd.DataFrame, kind: Kind, *, controls: bool = False) -> pd.DataFrame:
    mine = items[items["kind"] == str(kind)]
    return mine if controls else mine[~mine["control"]]


def _grid(table: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Codes of the languages and of the items of a table, and how many there are."""
    language, languages = pd.factorize(table["language"], sort=True)
    item, names = pd.factorize(table[column], sort=True)
    return language, item, len(languages), len(names)


def _noise(rng: np.random.Generator, table: pd.DataFrame, column: str, correlation: float) -> np.ndarray:
    """Unit-variance noise per row, a share of it common to all languages of an item."""
    language, item, n_languages, n_items = _grid(table, column)
    common, own = rng.normal(size=n_items), rng.normal(size=(n_languages, n_items))
    return np.sqrt(correlation) * common[item] + np.sqrt(1 - correlation) * own[language, item]


def _read(table: pd.DataFrame, target: str, lens: str, bits: np.ndarray, control: np.ndarray, contexts) -> pd.DataFrame:
    plain = table[["suite", "language", "item"]].assign(target=table[target], lens=lens, layer=LAYER, n_train=300)
    return pd.concat([plain.assign(context=context, bits=bits + control, control_bits=control) for context in contexts])


def _capacities(rng, items, probe, latents, random_model, pathway, frameworks, *, correlation):  # type: ignore[no-untyped-def]
    found = []
    culture, values = _of(items, Kind.CULTURE), _of(items, Kind.VALUES)
    facet, _ = pd.factorize(culture["topic"], sort=True)
    for lens, level in (
        ("probe", planted(probe, culture["culture"])),
        ("latents", planted(latents, culture["culture"])),
        ("latents of a random model", np.full(len(culture), random_model)),
        ("pathway", None if pathway is None else planted(pathway, culture["culture"])),
    ):
        if level is None:
            continue
        bits = level + FACT_SPREAD * _noise(rng, culture, "item", correlation)
        bits += FACET_SPREAD * rng.normal(size=facet.max() + 1)[facet] if len(culture) else 0
        control = rng.normal(-0.3, 0.02, len(culture)) if lens != "pathway" else np.zeros(len(culture))
        contexts = ("practice",) if lens != "pathway" else ("asked/1",)
        found.append(_read(culture, "culture", lens, bits, control, contexts))
    for lens in ("probe", "latents", "latents of a random model"):
        level = planted(frameworks if "random" not in lens else random_model, values["framework"])
        bits = level + STATEMENT_SPREAD * _noise(rng, values, "item", correlation)
        control = rng.normal(-0.05, 0.01, len(values))
        found.append(_read(values, "framework", lens, bits, control, ("endorse/1", "reject/1")))
    return pd.concat(found)


def _scores(rng, items, auroc, permuted_auroc, conflict):  # type: ignore[no-untyped-def]
    parts = []
    for kind, column in ((Kind.CULTURE, "culture"), (Kind.VALUES, "framework"), (Kind.DILEMMA, "framework")):
        table = _of(items, kind, controls=kind is Kind.VALUES)
        targets = sorted({name for name in _of(items, kind)[column] if name})
        if kind is Kind.DILEMMA:
            targets = sorted({*targets, *(name for name in _of(items, kind)["other_framework"] if name)})
        contexts = {
            Kind.CULTURE: ("practice", "neutral/1", "neutral/2"),
            Kind.VALUES: ("endorse/1", "reject/1", "neutral/1"),
            Kind.DILEMMA: ("1/ab", "1/ba"),
        }[kind]
        for context in contexts:
            cell = table[["suite", "language", "item"]].assign(context=context)
            if kind is Kind.CULTURE and context.startswith("neutral"):
                # One and the same text for all cultures of a facet.
                where, _ = pd.factorize(table["language"] + "/" + table["topic"])
                score = rng.normal(size=(where.max() + 1, len(targets)))[where]
                permuted = rng.normal(size=(where.max() + 1, len(targets)))[where]
            else:
                score, permuted = (rng.normal(size=(len(table), len(targets))) for _ in range(2))
            if context == "practice":
                own = table["culture"].to_numpy()[:, None] == np.array(targets)[None, :]
                score = score + own * (np.sqrt(2) * ndtri(_aurocs(auroc, targets)))[None, :]
                permuted = permuted + own * np.sqrt(2) * ndtri(permuted_auroc)
            if kind is Kind.DILEMMA:
                sides = [table[name].to_numpy()[:, None] for name in ("framework", "other_framework")]
                own = (sides[0] == np.array(targets)[None, :]) | (sides[1] == np.array(targets)[None, :])
                score = np.where(own & (rng.random((len(table), 1)) < conflict), 9.0, score)
            for place, target in enumerate(targets):
                parts.append(cell.assign(target=target, score=score[:, place], permuted=permuted[:, place]))
    return pd.concat(parts).assign(n_latents=16)


def _aurocs(auroc: Planted, targets: list[str]) -> np.ndarray:
    if isinstance(auroc, Mapping):
        return np.array([auroc.get(target, 0.5) for target in targets])
    return np.full(len(targets), float(auroc))


def _steering(rng, items, steering, correlation):  # type: ignore[no-untyped-def]
    table = _of(items, Kind.DILEMMA)
    found = []
    for side in ("framework", "other_framework"):
        noise = 0.5 * _noise(rng, table, "item", correlation)
        plain = table[["suite", "language", "item"]].assign(framework=table[side], n=4)
        # A random direction has SD 0.01 nats; the planted slope is in such spreads, with noise of half a spread.
        found.append(plain.assign(direction=0, slope=0.01 * (planted(steering, table[side]) + noise)))
        found += [
            plain.assign(direction=number, slope=rng.normal(0, 0.01, len(table))) for number in range(1, DIRECTIONS + 1)
        ]
    return pd.concat(found)


def _causal(rng, items, causal):  # type: ignore[no-untyped-def]
    found = []
    for kind, column in ((Kind.CULTURE, "culture"), (Kind.VALUES, "framework")):
        table = _of(items, kind)
        plain = table[["suite", "language", "item"]].assign(target=table[column], n_latents=16)
        for act, mean in (("ablate", causal), ("ablate random", 0.0), ("clamp", causal)):
            found.append(plain.assign(act=act, effect=mean + 0.1 * _noise(rng, table, "item", 0.5)))
    return pd.concat(found)


def _saes(evidence: Evidence, recovered: Mapping[str, float]) -> pd.DataFrame:
    rows = [
        {
            "sae": "imaginary",
            "layer": LAYER,
            "language": language,
            "n_tokens": 1000,
            "explained_variance": 0.8,
            "l0": 32.0,
            "dead_share": 0.05,
            "loss_recovered": recovered.get(language, 0.9),
            "loss_model": 3.0,
            "loss_sae": 3.5,
            "loss_ablated": 8.0,
        }
        for language in evidence.manifest.languages
    ]
    return pd.DataFrame(rows)


def _latents(rng: np.random.Generator, items: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for kind, column in ((Kind.CULTURE, "culture"), (Kind.VALUES, "framework")):
        table = _of(items, kind)
        targets = sorted(set(table[column]))
        languages = sorted(set(table["language"]))
        for latent in range(40):
            name = ("language-specific", "content-specific", "mixed", "neither")[latent % 4]
            spoken = languages[:1] if name == "language-specific" else languages
            rows += [
                {
                    "suite": suite,
                    "sae": "imaginary",
                    "layer": LAYER,
                    "latent": latent,
                    "share_language": 0.5,
                    "share_content": 0.3,
                    "share_interaction": 0.1,
                    "share_rest": 0.1,
                    "kind": name,
                    "active_share": 0.2,
                    "languages": ",".join(spoken),
                    "permuted_content": 0.1,
                    "p_content": float(rng.random()) if name != "content-specific" else 0.001,
                    "chosen_for": targets[latent % len(targets)] if name == "content-specific" else "",
                }
                for suite in sorted(set(table["suite"]))
            ]
    return pd.DataFrame(rows, columns=list(LATENT_COLUMNS))


def _contexts(items: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for kind, context in ((Kind.CULTURE, "practice"), (Kind.VALUES, "endorse/1")):
        table = _of(items, kind)
        for latent in range(1, 40, 4):
            for rank, (suite, language, item) in enumerate(
                table[["suite", "language", "item"]].iloc[latent : latent + 5].itertuples(index=False, name=None), 1
            ):
                text = json.dumps([[f"[{item}]", 0.0], [" a practice", 2.0 / rank]])
                plain = {"suite": suite, "sae": "imaginary", "layer": LAYER, "latent": latent, "rank": rank}
                plain |= {"language": language, "item": item, "context": context}
                rows.append(plain | {"activation": 2.0 / rank, "text": text})
    return pd.DataFrame(rows, columns=list(CONTEXT_COLUMNS))


def _similarities(items: pd.DataFrame, overlap: float) -> pd.DataFrame:
    rows = []
    for kind, column in ((Kind.CULTURE, "culture"), (Kind.VALUES, "framework")):
        table = _of(items, kind)
        for suite in sorted(set(table["suite"])):
            for one, other in permutations(sorted(set(table[column])), 2):
                pair = {"suite": suite, "target": one, "other_target": other}
                rows.append(pair | {"language": "", "overlap": overlap, "permuted": 0.15})
    return pd.DataFrame(rows, columns=list(SIMILARITY_COLUMNS))


# --- by hand ------------------------------------------------------------------------------------

PLAIN = {"string": "", "bool": False, "int64": 0, "float64": 0.0}
COLUMNS = {
    "saes": SAE_COLUMNS,
    "capacities": CAPACITY_COLUMNS,
    "latents": LATENT_COLUMNS,
    "scores": SCORE_COLUMNS,
    "steering": STEERING_COLUMNS,
    "causal": CAUSAL_COLUMNS,
    "contexts": CONTEXT_COLUMNS,
    "similarities": SIMILARITY_COLUMNS,
}


def tables_from(evidence: Evidence, **rows: list[dict[str, object]]) -> Evidence:
    """The evidence with tables of a few hand-written rows; columns left out get the plainest value of their type."""
    full = {}
    for name, some in rows.items():
        table = pd.DataFrame([{column: PLAIN[kind] for column, kind in COLUMNS[name].items()} | row for row in some])
        full[name] = table[list(COLUMNS[name])].astype(dict(COLUMNS[name]))
    return replace(evidence, **full)


def reading(language: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """A competence suite of ten sentences that are all told right."""
    place = [{"suite": "c", "language": language, "item": f"c{i}"} for i in range(10)]
    observations = [
        row | {"context": "", "answer": role, "logp": logp}
        for row in place
        for role, logp in (("true", -1.0), ("broken", -2.0))
    ]
    return observations, [row | {"kind": "competence"} for row in place]


def by_hand(kind: Kind, items: list[dict[str, object]], languages: tuple[str, ...] = ("en",)) -> Evidence:
    """A suite "s" of some items in each language, each observed once so that it counts; all languages are read."""
    observations, table = [], []
    for language in languages:
        seen, known = reading(language)
        observations, table = observations + seen, table + known
        for item in items:
            place = {"suite": "s", "language": language, "item": item["item"]}
            observations.append(place | {"context": "asked/1", "answer": "x", "logp": -1.0})
            table.append(place | {"kind": str(kind)} | item)
    return evidence_from(observations, table)
