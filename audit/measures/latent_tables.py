"""SAE latents: what their activity depends on, which languages share them, and what taking them away does.

A latent is a direction that an SAE has found, and what it is chosen for is a statistic of this suite's texts. A label
is a hypothesis; the texts that activate a latent most are kept so that people can look.
"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pandas as pd

from audit.errors import TooFewItems
from audit.measures.competence import readable
from audit.measures.feature_tables import poorly_reconstructed, row_of
from audit.measures.statistics import ALPHA, clustered_mean
from audit.measures.view import Cube, Floats, Mask, View, mean_by, measured, over, present, undefined
from audit.records import Kind, Measurement, Scope
from audit.wording import said

KINDS = ("language-specific", "content-specific", "mixed", "neither")
ABLATE, CLAMP, ABLATE_RANDOM = "ablate", "clamp", "ablate random"


# --- the causal check ---------------------------------------------------------------------------


def latent_effect(view: View) -> tuple[Measurement, ...]:
    """What ablating the chosen latents does to the answers on held-out items, beyond as many random latents; nats.

    Positive: what the latents should do if they carry their target. Over the readable languages and by language, on
    suites of cultures and of values.
    """
    found: list[Measurement] = []
    for cube in (*view.of(Kind.CULTURE), *view.of(Kind.VALUES)):
        if not (view.evidence.causal["suite"] == cube.suite).any():
            continue
        ablated, random, clamped = (_effects(view, cube, act) for act in (ABLATE, ABLATE_RANDOM, CLAMP))
        beyond = ablated - random
        rows = cube.used(beyond) & np.isin(cube.language, readable(view, cube))
        spoken = present(cube, rows)
        note = over(spoken, without=sorted(set(cube.languages) - set(spoken)))
        # Ablating is dear, so gathering tries it on other items in each language: none need be in every one.
        notes = (note, said("items are spread over the languages; one tried in several counts once, their mean"))
        found.append(_effect(view, cube, beyond, clamped, rows, Scope(suite=cube.suite), notes))
        for language in cube.languages:
            mine = cube.used(beyond) & (cube.language == language)
            found.append(_effect(view, cube, beyond, clamped, mine, Scope(language=language, suite=cube.suite), ()))
    return tuple(found)


def _effects(view: View, cube: Cube, act: str) -> Floats:
    """Mean effect of an act on each row of the cube over its own targets, NaN where there is none."""
    table = view.evidence.causal
    table = table[(table["suite"] == cube.suite) & (table["act"] == act)]
    row, effect = row_of(cube, table), table["effect"].to_numpy(dtype=float)
    own = np.where(cube.culture != "", cube.culture, cube.framework)
    counts = (row >= 0) & np.isfinite(effect)
    counts[counts] &= table["target"].to_numpy(dtype=object)[counts] == own[row[counts]]
    n = np.bincount(row[counts], minlength=len(cube.item))
    with np.errstate(invalid="ignore"):
        sums = np.bincount(row[counts], weights=effect[counts], minlength=len(cube.item))
        return np.asarray(sums / np.where(n, n, np.nan))


def _effect(
    view: View, cube: Cube, beyond: Floats, clamped: Floats, rows: Mask, scope: Scope, notes: tuple[str, ...]
) -> Measurement:
    try:
        values, (templates,) = mean_by(beyond[rows], cube.template[rows])
        result = clustered_mean(values, templates, unit="nats", null=0.0, per="items")
    except TooFewItems as few:
        return undefined("latent_effect", scope, few.reason, cube.ids(rows))
    details = view.noise_floor()
    both = rows & np.isfinite(clamped)
    if both.any():
        try:
            clamp, _ = clustered_mean(clamped[both], cube.template[both], unit="nats", per="items")
            details |= {"clamp": clamp.value, "clamp_low": clamp.low, "clamp_high": clamp.high}
        except TooFewItems:
            pass
    weak = poorly_reconstructed(view, (scope.language,) if scope.language else present(cube, rows))
    return measured("latent_effect", scope, result, cube.ids(rows), notes=(*notes, *weak), details=details)


# --- for pictures -------------------------------------------------------------------------------


def latent_kinds(view: View, suite: str) -> pd.DataFrame:
    """How many active latents follow the language, the content (culture or framework), both, or neither.

    A count of latents, not a test: all latents are judged on the same few templates, so they err together.

    Returns:
        Columns `layer`, `kind`, `n`, `share`; `with_content` (of them, p of content below 0.05), `by_chance` (as many
        as permuted labels would bring below 0.05), `share_content` and `permuted_content` (means over them). Kinds that
        no latent has are listed with 0; no row where no latent's activity could be split (too few templates), or none
        was looked at: what was not split is of no kind, and not none of each.
    """
    table = view.evidence.latents
    table = table[(table["suite"] == suite) & table["kind"].isin(KINDS)]
    rows = []
    for layer, of in table.groupby("layer", sort=True):
        for kind in KINDS:
            own = of[of["kind"] == kind]
            content, permuted = (own[name].to_numpy(dtype=float) for name in ("share_content", "permuted_content"))
            p = own["p_content"].to_numpy(dtype=float)
            tested = int(np.isfinite(p).sum())
            rows.append(
                {
                    "layer": layer,
                    "kind": kind,
                    "n": len(own),
                    "share": len(own) / len(of),
                    "with_content": int((p < ALPHA).sum()),
                    "by_chance": ALPHA * tested,
                    "share_content": _mean(content),
                    "permuted_content": _mean(permuted),
                }
            )
    columns = ["layer", "kind", "n", "share", "with_content", "by_chance", "share_content", "permuted_content"]
    return pd.DataFrame(rows, columns=columns)


def _mean(values: Floats) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def latent_sharing(view: View, suite: str) -> pd.DataFrame:
    """Which languages latents are active in together: one row per set of languages, the commonest first.

    Returns:
        Columns `languages` (codes joined by ","; active on at least 10 % of the language's texts), `n_languages`, `n`
        (latents active in exactly these), and `n_content` (of them, content-specific or mixed). Latents that reach 10 %
        in no language stand under "".
    """
    table = view.evidence.latents
    table = table[table["suite"] == suite]
    counts, content = Counter[str](), Counter[str]()
    for languages, kind in zip(table["languages"].tolist(), table["kind"].tolist(), strict=True):
        key = ",".join(sorted(code for code in languages.split(",") if code))
        counts[key] += 1
        content[key] += kind in ("content-specific", "mixed")
    order = sorted(counts, key=lambda key: (-counts[key], key))
    rows = [(key, len(key.split(",")) if key else 0, counts[key], content[key]) for key in order]
    return pd.DataFrame(rows, columns=["languages", "n_languages", "n", "n_content"])


def top_contexts(view: View, suite: str, target: str = "") -> pd.DataFrame:
    """The texts that activate the chosen latents most, for people to read.

    Args:
        view: of the run.
        suite: of the texts.
        target: a culture or framework; "" for all.

    Returns:
        One row per target, latent and text: columns `target`, `layer`, `latent`, `kind`, `rank`, `language`, `item`,
        `context`, `activation`, `tokens` (list of (text, activation), None where a token's was not read; empty where
        the licence forbids copies).
    """
    contexts, latents = view.evidence.contexts, view.evidence.latents
    contexts, latents = contexts[contexts["suite"] == suite], latents[latents["suite"] == suite]
    key = ["sae", "layer", "latent"]
    chosen = latents[[*key, "kind", "chosen_for"]].assign(target=latents["chosen_for"].str.split(",")).explode("target")
    chosen = chosen[chosen["target"].fillna("") != ""]
    if target:
        chosen = chosen[chosen["target"] == target]
    joined = chosen.merge(contexts, on=key, how="inner")
    tokens = [
        [(str(token), None if active is None else float(active)) for token, active in json.loads(text)] if text else []
        for text in joined["text"].tolist()
    ]
    columns = ["target", "layer", "latent", "kind", "rank", "language", "item", "context", "activation"]
    table = joined[columns].assign(tokens=pd.Series(tokens, index=joined.index, dtype=object))
    return table.sort_values(["target", "layer", "latent", "rank"], kind="stable").reset_index(drop=True)
