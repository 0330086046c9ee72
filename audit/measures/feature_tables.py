"""What was read inside the model about cultures and frameworks, set beside the items it belongs to.

A *lens* is one way to ask how much of a culture or framework is there: what the answers show (knowledge), what a linear
probe reads from the residual stream (probe) or from SAE latents alone (latents), what swapping the culture's name
moves through a circuit (pathway), and what steering along a framework's direction moves (steering).
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.errors import RunError
from audit.measures.competence import readable
from audit.measures.culture import capacity
from audit.measures.view import Cube, Floats, View
from audit.records import Evidence
from audit.wording import LanguageName, Listed, Number, said

KNOWLEDGE, PROBE, LATENTS, PATHWAY, STEERING = "knowledge", "probe", "latents", "pathway", "steering"
RANDOM_MODEL = "latents of a random model"  # what a model that has learnt nothing gives; a comparison, not a lens
CULTURE_LENSES = (KNOWLEDGE, PROBE, LATENTS, PATHWAY)
FRAMEWORK_LENSES = (PROBE, LATENTS, STEERING)
UNITS: Mapping[str, str] = {
    KNOWLEDGE: "bits",
    PROBE: "bits",
    LATENTS: "bits",
    PATHWAY: "control spreads",
    STEERING: "random spreads",
}
WELL_RECONSTRUCTED = 0.75  # of the loss recovered; below, what the SAE shows of a language is little of the model


def looked_at(evidence: Evidence) -> dict[str, frozenset[str]]:
    """Suite -> the lenses it was looked at through; "scores" where the activity of chosen latents was."""
    found: dict[str, set[str]] = {}
    for suite, lens in evidence.capacities[["suite", "lens"]].drop_duplicates().itertuples(index=False, name=None):
        found.setdefault(str(suite), set()).add(str(lens))
    for name, table in ((STEERING, evidence.steering), ("scores", evidence.scores), ("causal", evidence.causal)):
        for suite in table["suite"].unique():
            found.setdefault(str(suite), set()).add(name)
    return {suite: frozenset(lenses) for suite, lenses in found.items()}


# One view is asked by every measure; a weak key lets it go with the view.
_KEPT: weakref.WeakKeyDictionary[View, dict[tuple[str, str], Floats]] = weakref.WeakKeyDictionary()
_LOOKED: weakref.WeakKeyDictionary[View, dict[str, frozenset[str]]] = weakref.WeakKeyDictionary()
_BAD: weakref.WeakKeyDictionary[View, dict[str, float]] = weakref.WeakKeyDictionary()


def lenses_of(view: View, cube: Cube, of: tuple[str, ...]) -> tuple[str, ...]:
    """Which of some lenses a suite was looked at through; knowledge counts where anything inside was looked at."""
    if view not in _LOOKED:
        _LOOKED[view] = looked_at(view.evidence)
    looked = _LOOKED[view].get(cube.suite, frozenset())
    return tuple(lens for lens in of if lens in looked or (lens == KNOWLEDGE and looked))


def row_of(cube: Cube, table: pd.DataFrame) -> NDArray[np.intp]:
    """The row of the cube of each row of a table, -1 where it has none (an item that was excluded)."""
    place = {key: row for row, key in enumerate(zip(cube.language.tolist(), cube.item.tolist(), strict=True))}
    keys = zip(table["language"].tolist(), table["item"].tolist(), strict=True)
    return np.array([place.get(key, -1) for key in keys], dtype=np.intp)


def above_control(view: View, cube: Cube, lens: str) -> Floats:
    """Information on each item about its own culture or framework, above the control task: (n,), NaN where not read.

    Mean over the item's contexts and over layers, where several were read. Bits for knowledge (which has no control
    task but a null of its own), probe and latents; spreads of control swaps for the pathway.

    Raises:
        RunError: an item was read twice in one context, layer and lens.
    """
    kept = _KEPT.setdefault(view, {})
    if (cube.suite, lens) not in kept:
        kept[cube.suite, lens] = capacity(cube)[0] if lens == KNOWLEDGE else _above_control(view, cube, lens)
    return kept[cube.suite, lens]


def _above_control(view: View, cube: Cube, lens: str) -> Floats:
    table = view.evidence.capacities
    table = table[(table["suite"] == cube.suite) & (table["lens"] == lens)]
    _once(table, ["language", "item", "context", "layer", "target"], "capacities")
    row = row_of(cube, table)
    own = np.where(cube.culture != "", cube.culture, cube.framework)
    target = table["target"].to_numpy(dtype=object)
    bits, control = (table[name].to_numpy(dtype=float) for name in ("bits", "control_bits"))
    # A bit is only one above what the same probe makes of shuffled labels; a swap has its controls in its unit.
    beyond = bits - (np.where(np.isfinite(control), control, 0.0) if lens == PATHWAY else control)
    counts = (row >= 0) & np.isfinite(beyond)
    counts[counts] &= target[counts] == own[row[counts]]
    return _mean_by_row(row[counts], beyond[counts], len(cube.item))


def _mean_by_row(row: NDArray[np.intp], values: Floats, n: int) -> Floats:
    """Mean of the values of each row, NaN where there is none."""
    counts = np.bincount(row, minlength=n)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.bincount(row, weights=values, minlength=n) / np.where(counts, counts, np.nan))


def _once(table: pd.DataFrame, keys: list[str], name: str) -> None:
    again = table.duplicated(keys)
    if again.any():
        first = table[again].iloc[0]
        raise RunError(f"{name}: item {first['item']} of suite {first['suite']} appears twice; gather again")


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """How active each target's latents are on the texts of a suite; a text is a row of the cube in one context."""

    row: NDArray[np.intp]  # (texts,) of the cube
    context: NDArray[np.object_]  # (texts,)
    targets: tuple[str, ...]
    score: Floats  # (texts, targets), in RMS activations on the choosing texts; NaN where not read
    permuted: Floats  # the same for latents chosen under permuted labels

    def of(self, target: str) -> tuple[Floats, Floats]:
        """Scores of one target, and its permuted twin's: (texts,) each, NaN if it is none of the targets."""
        if target not in self.targets:
            return np.full(len(self.row), np.nan), np.full(len(self.row), np.nan)
        place = self.targets.index(target)
        return self.score[:, place], self.permuted[:, place]


def scores_of(view: View, cube: Cube) -> Scores:
    """The scores of a suite; no text where it was not looked at.

    Raises:
        RunError: a score that appears twice.
    """
    table = view.evidence.scores
    table = table[table["suite"] == cube.suite]
    _once(table, ["language", "item", "context", "target"], "scores")
    row = row_of(cube, table)
    table, row = table[row >= 0], row[row >= 0]
    context, contexts = pd.factorize(table["context"].to_numpy(dtype=object), sort=True)
    target, targets = pd.factorize(table["target"].to_numpy(dtype=object), sort=True)
    text = row * max(len(contexts), 1) + context
    texts, place = np.unique(text, return_inverse=True)
    matrices = []
    for name in ("score", "permuted"):
        matrix = np.full((len(texts), len(targets)), np.nan)
        matrix[place, target] = table[name].to_numpy(dtype=float)
        matrices.append(matrix)
    return Scores(
        row=(texts // max(len(contexts), 1)).astype(np.intp),
        context=np.asarray(contexts, dtype=object)[texts % max(len(contexts), 1)],
        targets=tuple(str(name) for name in targets),
        score=matrices[0],
        permuted=matrices[1],
    )


# --- the SAE itself -----------------------------------------------------------------------------


def sae_quality(view: View) -> pd.DataFrame:
    """How well the SAE stands for the model in each language: an observation without interval, no finding.

    Returns:
        Columns `sae`, `layer`, `language`, `n_tokens`, `explained_variance`, `l0`, `dead_share`, `loss_recovered`,
        and `flagged`: less than 0.75 of the loss recovered, or not measured.
    """
    columns = ["sae", "layer", "language", "n_tokens", "explained_variance", "l0", "dead_share", "loss_recovered"]
    table = view.evidence.saes[columns].sort_values(["sae", "layer", "language"], kind="stable")
    recovered = table["loss_recovered"].to_numpy(dtype=float)
    return table.assign(flagged=~(recovered >= WELL_RECONSTRUCTED)).reset_index(drop=True)


def poorly_reconstructed(view: View, languages: tuple[str, ...]) -> tuple[str, ...]:
    """A note for measures that rest on SAE latents: which of some languages the SAE stands for badly."""
    if view not in _BAD:
        table = sae_quality(view)
        bad = table[table["flagged"]].groupby("language", sort=True)["loss_recovered"].min()
        _BAD[view] = {str(language): float(share) for language, share in bad.items()}
    told = tuple(
        # i18n: a language, and the share of the model's loss that the SAE recovers in it
        LanguageName(language)
        if np.isnan(share)
        else said("{language} ({share})", language=LanguageName(language), share=Number(share))
        for language, share in _BAD[view].items()
        if language in languages
    )
    if not told:
        return ()
    return (
        said(
            "the SAE itself stands badly for {languages}: share of the model's loss recovered, below {bar}; little or "
            "nothing in its latents there may be the SAE's lack and not the model's",
            languages=Listed(told, joined=False),
            bar=Number(WELL_RECONSTRUCTED),
        ),
    )


def latent_note(view: View, cube: Cube, lens: str, language: str) -> tuple[str, ...]:
    """The same for one measurement: nothing unless its lens is the latents."""
    if lens != LATENTS:
        return ()
    return poorly_reconstructed(view, (language,) if language else readable(view, cube))
