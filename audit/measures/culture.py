"""Which cultures' practices does the model know, in bits that languages and cultures share as a scale?

One lens only, knowledge: a culture that is known less well here may be represented in other ways, so nothing in this
module says "underrepresented".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from audit.errors import TooFewItems
from audit.measures.competence import readable
from audit.measures.statistics import LEVEL, clustered_mean, one_per_block_p, pooled_mean
from audit.measures.view import Cube, Floats, Mask, View, mean_by, measured, undefined
from audit.records import Estimate, Kind, Measurement, Scope

RESHUFFLES = 1999  # of the cultures' names within each facet, for the diversity test
REDRAWS = 999  # of the facts of each culture, for its interval
POOLED = "a fact counts once: the mean over the readable languages"


# --- capacity of one fact -----------------------------------------------------------------------


def capacity(cube: Cube) -> tuple[Floats, Floats]:
    """Bits that the name of the culture gives about its practice, per row, and how far the wordings differ.

    For each wording: score of a candidate = log P(candidate | asked) - log P(candidate | neutral); softmax over the K
    candidates of the facet; capacity = log2 K + log2 p(right). Averaged over wordings *after* the logarithm: a wording
    that hides the fact costs what it costs. log2 K = knows it for sure; 0 = no better than guessing; below = misled.

    Returns:
        Capacity (n,), NaN where a wording is missing; mean distance of a wording from the mean (n,), bits.
    """
    wordings = sorted(context.partition("/")[2] for context in cube.contexts if context.startswith("asked/"))
    bits = np.stack([_bits(cube, wording) for wording in wordings], axis=1)  # (n, wordings)
    mean = bits.mean(axis=1)
    return mean, np.abs(bits - mean[:, None]).mean(axis=1)


def _bits(cube: Cube, wording: str) -> Floats:
    asked, neutral = (_context(cube, f"{name}/{wording}") for name in ("asked", "neutral"))
    score = asked - neutral  # (n, cultures)
    offered = np.isfinite(score)
    right = cube.culture[:, None] == np.array(cube.roles, dtype=object)[None, :]
    known = (right & offered).any(axis=1) & (offered.sum(axis=1) >= 2)
    bits = np.full(len(score), np.nan)
    log_p = score[known] - logsumexp(np.where(offered, score, -np.inf)[known], axis=1, keepdims=True)
    bits[known] = np.log2(offered[known].sum(axis=1)) + log_p[right[known]] / np.log(2)
    return bits


def _context(cube: Cube, context: str) -> Floats:
    if context not in cube.contexts:
        return np.full((len(cube.item), len(cube.roles)), np.nan)
    scores: Floats = cube.logp[:, cube.contexts.index(context)]
    return scores


# --- a table of facts: facets x cultures --------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """Mean capacity of each (facet, culture), and the additive model that gives their common spread."""

    values: Floats  # (n,)
    facets: NDArray[Any]
    cultures: NDArray[Any]

    @functools.cached_property
    def spread(self) -> tuple[float, int]:
        """SD of a fact around facet + culture, and its degrees of freedom."""
        design = np.hstack([self.facets[:, None] == np.unique(self.facets), self.cultures[:, None] == self.names])
        solution, _, rank, _ = np.linalg.lstsq(design.astype(float), self.values, rcond=None)
        residuals = self.values - design @ solution
        degrees = len(self.values) - int(rank)
        return (float(np.sqrt(residuals @ residuals / degrees)) if degrees > 0 else float("nan")), degrees

    @property
    def names(self) -> NDArray[Any]:
        """The cultures, sorted."""
        return np.unique(self.cultures)

    def facet(self, name: str) -> Mask:
        """Rows of one facet."""
        return np.asarray(self.facets == name)


def _facts(values: Floats, cube: Cube, rows: Mask) -> Facts:
    means, (facets, cultures) = mean_by(values[rows], cube.topic[rows], cube.culture[rows])
    return Facts(values=means, facets=facets, cultures=cultures)


# --- measures -----------------------------------------------------------------------------------


def culture_knowledge(view: View) -> tuple[Measurement, ...]:
    """Mean capacity, bits, by language and by culture (over the readable languages). Zero is guessing."""
    found: list[Measurement] = []
    for cube in view.of(Kind.CULTURE):
        bits, wobble = capacity(cube)
        for language in cube.languages:
            rows = cube.used(bits) & (cube.language == language)
            found.append(_language_level(cube, bits, wobble, rows, language))
        found += _culture_levels(view, cube, bits)
    return tuple(found)


def _language_level(cube: Cube, bits: Floats, wobble: Floats, rows: Mask, language: str) -> Measurement:
    scope = Scope(language=language, suite=cube.suite)
    try:
        result = clustered_mean(bits[rows], cube.template[rows], unit="bits", null=0.0, per="facts")
    except TooFewItems as few:
        return undefined("culture_knowledge", scope, str(few), cube.ids(rows))
    details = {"wording_difference": float(wobble[rows].mean()), "share_above_guessing": float((bits[rows] > 0).mean())}
    notes = cube.held_note(cube.language == language)
    return measured("culture_knowledge", scope, result, cube.ids(rows), notes=notes, details=details)


def _culture_levels(view: View, cube: Cube, bits: Floats) -> list[Measurement]:
    rows, note, reason = _pool(view, cube, bits)
    cultures = sorted(set(cube.culture[cube.used(bits)]))
    if reason:
        return [undefined("culture_knowledge", Scope(suite=cube.suite, culture=c), reason) for c in cultures]
    facts = _facts(bits, cube, rows)
    spread, degrees = facts.spread
    found = []
    for culture in cultures:
        scope = Scope(suite=cube.suite, culture=culture)
        mine = rows & (cube.culture == culture)
        own = facts.values[facts.cultures == culture]
        try:
            result = pooled_mean(
                own,
                spread=spread,
                degrees_of_freedom=degrees,
                unit="bits",
                null=0.0,
                n_items=len(own),
                per="facts",
                borrowed_from="cultures",
            )
        except TooFewItems as few:
            found.append(undefined("culture_knowledge", scope, str(few), cube.ids(mine)))
            continue
        details = {f"bits_{language}": _mean(bits[mine & (cube.language == language)]) for language in cube.languages}
        found.append(measured("culture_knowledge", scope, result, cube.ids(mine), notes=note, details=details))
    return found


def _pool(view: View, cube: Cube, values: Floats) -> tuple[Mask, tuple[str, ...], str]:
    """Rows of the readable languages; a note that names them; a reason where there is none."""
    usable = readable(view, cube)
    rows = cube.used(values) & np.isin(cube.language, usable)
    if not rows.any():
        return rows, (), "no language of the suite passes the competence bar"
    without = sorted(set(cube.languages) - set(usable))
    note = f"over {', '.join(usable)}" + (f"; without {', '.join(without)}" if without else "")
    return rows, (note, POOLED), ""


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def knowledge_gap(view: View) -> tuple[Measurement, ...]:
    """Capacity of a culture minus the mean of the others in the same facets, bits; pooled and by language.

    Test: under "cultures differ by nothing but chance" the cultures' names are exchangeable within each facet; all ways
    to pick one fact per facet are counted. Interval: facts spread alike around facet + culture. Knowledge lens only.
    """
    found: list[Measurement] = []
    for cube in view.of(Kind.CULTURE):
        bits, _ = capacity(cube)
        rows, note, reason = _pool(view, cube, bits)
        cultures = sorted(set(cube.culture[cube.used(bits)]))
        if reason:
            found += [undefined("knowledge_gap", Scope(suite=cube.suite, culture=c), reason) for c in cultures]
        else:
            found += _gaps(cube, bits, rows, language="", notes=note)
        for language in cube.languages:
            found += _gaps(cube, bits, cube.used(bits) & (cube.language == language), language=language, notes=())
    return tuple(found)


def _gaps(cube: Cube, bits: Floats, rows: Mask, *, language: str, notes: tuple[str, ...]) -> list[Measurement]:
    if not rows.any():
        return []
    facts = _facts(bits, cube, rows)
    spread, degrees = facts.spread
    differences, sizes = _from_the_others(facts)
    found = []
    for culture in facts.names:
        mine = facts.cultures == culture
        scope = Scope(language=language, suite=cube.suite, culture=str(culture))
        items = cube.ids(rows & (cube.culture == culture))
        usable = mine & np.isfinite(differences)
        own = differences[usable]
        try:
            result, power = pooled_mean(
                own,
                spread=spread,
                degrees_of_freedom=degrees,
                weight=float(np.sqrt(np.mean(sizes[usable] / (sizes[usable] - 1)))) if len(own) else None,
                unit="bits",
                null=0.0,
                n_items=len(own),
                per="facts",
                borrowed_from="cultures",
            )
        except TooFewItems as few:
            found.append(undefined("knowledge_gap", scope, str(few), items))
            continue
        blocks = [differences[facts.facet(facet)] for facet in facts.facets[usable]]
        exact = Estimate(
            **{
                **vars(result),
                "p_value": one_per_block_p(blocks, float(own.sum())),
                "method": f"{result.method}; test: cultures permuted within facet",
            }
        )
        details = {"capacity": float(facts.values[mine].mean())}
        found.append(measured("knowledge_gap", scope, (exact, power), items, notes=notes, details=details))
    return found


def _from_the_others(facts: Facts) -> tuple[Floats, Floats]:
    """Each fact minus the mean of the other cultures' facts in its facet (NaN if alone), and the facet's size."""
    differences, sizes = np.full(len(facts.values), np.nan), np.zeros(len(facts.values))
    for facet in np.unique(facts.facets):
        rows = facts.facet(facet)
        n = int(rows.sum())
        sizes[rows] = n
        if n > 1:
            differences[rows] = (facts.values[rows] - facts.values[rows].mean()) * n / (n - 1)
    return differences, sizes


# --- diversity ----------------------------------------------------------------------------------


def hill_numbers(capacities: Floats, *, floor: float = 0.0) -> Floats:
    """Hill numbers of order 0, 1, 2 of the shares of capacity (Hill 1973): shape (..., 3).

    "How many equally well known cultures would be as diverse." Capacities below `floor` count as `floor` (no culture
    has less than no share); NaN where all of them do.
    """
    kept = np.maximum(capacities, floor)
    total = kept.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = kept / total
        richness = (share > 0).sum(axis=-1).astype(float)
        entropy = -np.where(share > 0, share * np.log(np.where(share > 0, share, 1.0)), 0.0).sum(axis=-1)
        concentration = (share**2).sum(axis=-1)
        hill = np.stack([richness, np.exp(entropy), 1 / concentration], axis=-1)
    return np.where(total > 0, hill, np.nan)


def knowledge_diversity(view: View) -> tuple[Measurement, ...]:
    """Hill number of order 1 over the cultures' capacities, pooled and by language: "effective cultures".

    Its null is not the number of cultures (chance alone makes capacities uneven) but its mean when the cultures' names
    are shuffled within each facet; the test is one-sided: less even than that.
    """
    found: list[Measurement] = []
    for cube in view.of(Kind.CULTURE):
        bits, _ = capacity(cube)
        rows, note, reason = _pool(view, cube, bits)
        if reason:
            found.append(undefined("knowledge_diversity", Scope(suite=cube.suite), reason))
        else:
            found.append(_diversity(cube, bits, rows, Scope(suite=cube.suite), note))
        for language in cube.languages:
            scope = Scope(language=language, suite=cube.suite)
            found.append(_diversity(cube, bits, cube.used(bits) & (cube.language == language), scope, ()))
    return tuple(found)


def _diversity(cube: Cube, bits: Floats, rows: Mask, scope: Scope, notes: tuple[str, ...]) -> Measurement:
    items = cube.ids(rows)
    if len(set(cube.culture[rows])) < 2:
        return undefined("knowledge_diversity", scope, "diversity needs two cultures with facts", items)
    facts = _facts(bits, cube, rows)
    names = facts.names
    hill = hill_numbers(_capacities(facts.values, facts))
    if not np.isfinite(hill[1]):
        return undefined("knowledge_diversity", scope, "no culture is known better than guessing", items)
    shuffled = hill_numbers(_capacities(_reordered(facts, by=facts.facets, draw=_permutations), facts))[:, 1]
    redrawn = hill_numbers(_capacities(_reordered(facts, by=facts.cultures, draw=_redraws), facts))[:, 1]
    shuffled, redrawn = shuffled[np.isfinite(shuffled)], redrawn[np.isfinite(redrawn)]
    upper, lower = np.quantile(redrawn, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    estimate = Estimate(
        value=float(hill[1]),
        # Redrawn facts are always more uneven than the facts; reflecting takes that bias out.
        low=float(np.clip(2 * hill[1] - upper, 1.0, len(names))),
        high=float(np.clip(2 * hill[1] - lower, 1.0, len(names))),
        level=LEVEL,
        unit="effective cultures",
        n_items=len(facts.values),
        n_clusters=len(facts.values),
        method="Hill number of order 1, reflected bootstrap over facts; one-sided test: cultures shuffled within facet",
        p_value=(int((shuffled <= hill[1] + 1e-12).sum()) + 1) / (len(shuffled) + 1),
        null=float(shuffled.mean()),
    )
    capacities = _capacities(facts.values, facts)
    details = {
        "hill_0": hill[0],
        "hill_1": hill[1],
        "hill_2": hill[2],
        "evenness": hill[1] / len(names),
        "n_cultures": len(names),
        "below_guessing": float((capacities < 0).sum()),
    }
    return measured("knowledge_diversity", scope, (estimate, {}), items, notes=notes, details=details)


def _capacities(values: Floats, facts: Facts) -> Floats:
    """Mean of each culture's facts: (..., facts) -> (..., cultures)."""
    belongs = (facts.cultures[:, None] == facts.names[None, :]).astype(float)
    means: Floats = values @ (belongs / belongs.sum(axis=0))
    return means


def _reordered(facts: Facts, *, by: NDArray[Any], draw: Callable[[int, int], NDArray[np.int64]]) -> Floats:
    """The facts with those of each group redrawn or shuffled among themselves: (draws, n)."""
    columns, blocks = [], []
    for number, group in enumerate(np.unique(by)):
        rows = np.flatnonzero(by == group)
        columns.append(rows)
        blocks.append(facts.values[rows][draw(number, len(rows))])
    drawn = np.empty((len(blocks[0]), len(facts.values)))
    drawn[:, np.concatenate(columns)] = np.concatenate(blocks, axis=1)
    return drawn


@functools.lru_cache(maxsize=512)
def _permutations(seed: int, n: int) -> NDArray[np.int64]:
    rng = np.random.default_rng([31, seed, n])
    return np.argsort(rng.random((RESHUFFLES, n)), axis=1).astype(np.int64)


@functools.lru_cache(maxsize=512)
def _redraws(seed: int, n: int) -> NDArray[np.int64]:
    rng = np.random.default_rng([32, seed, n])
    return rng.integers(n, size=(REDRAWS, n)).astype(np.int64)
