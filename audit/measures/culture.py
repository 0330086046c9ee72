"""Which cultures' practices does the model know, in bits that languages and cultures share as a scale?

One lens only, knowledge: a culture that is known less well here may be represented in other ways, so nothing in this
module says "underrepresented".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from audit.errors import TooFewItems
from audit.measures.competence import readable
from audit.measures.statistics import LEVEL, clustered_mean, one_per_block_p, pooled_mean, tested
from audit.measures.view import Cube, Floats, Mask, View, in_every, mean_by, measured, over, present, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.wording import Listed, Number, said

RESHUFFLES = 1999  # of the cultures' names within each facet, for the diversity test
REDRAWS = 999  # of the facts of each culture, for its interval
FEWEST_NAMES = 3  # in a facet: with fewer, "what any name does" is hardly more than the name itself
MARGIN_BITS = 0.5  # smallest effect that would matter; docs/measures/culture_knowledge.md
LN2 = float(np.log(2))  # nats in a bit
POOLED = said("a fact counts once: the mean over the readable languages")
TOO_FEW_NAMES = said("fewer than {n} cultures' names were scored in the facet", n=FEWEST_NAMES)


# --- capacity of one fact -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class NameTable:
    """One facet in one language: what each culture's name does to each culture's answer."""

    rows: NDArray[np.intp]  # (k,) of the cube, one per culture named
    gains: Floats  # (wordings, named k, answer k), bits; the diagonal holds the capacities

    @property
    def mean(self) -> Floats:
        """Gains averaged over wordings, (named k, answer k)."""
        return np.asarray(self.gains.mean(axis=0))


def name_gains(scores: Floats, answers: NDArray[np.intp]) -> Floats:
    """What naming culture n' does for the answer of culture n, against naming the cultures at large, bits.

    q(c | n') = softmax over candidates c of the score; gain = log2 q(answer of n | n') - log2 mean over all named n' of
    q(answer of n | n'). The mean takes out whatever any name would do to a candidate: a change of the sentence's form,
    or a liking for some answers as soon as a place is named. So the gain is zero where names do not differ, whatever
    they have in common, and at most log2 K.

    Args:
        scores: log P(candidate | asked with the name) - log P(candidate | neutral), nats: (..., named k, candidates).
        answers: which candidate is the answer of each of the k cultures, (k,).

    Returns:
        (..., named k, answer k).
    """
    log_q = (scores - logsumexp(scores, axis=-1, keepdims=True))[..., answers]
    base = logsumexp(log_q, axis=-2, keepdims=True) - np.log(log_q.shape[-2])
    return np.asarray((log_q - base) / np.log(2))


def name_tables(cube: Cube) -> tuple[NameTable, ...]:
    """The tables of all languages and facets with at least `FEWEST_NAMES` cultures that were asked about.

    Only usable facts (no quarantine, observed) are names. Candidates are those scored after every name of the facet.
    """
    found = []
    own = np.array([cube.roles.index(c) if c in cube.roles else -1 for c in cube.culture], dtype=np.intp)
    usable = ~cube.control & ~cube.held & (own >= 0)
    wordings = sorted(context.partition("/")[2] for context in cube.contexts if context.startswith("asked/"))
    scores = [_context(cube, f"asked/{wording}") - _context(cube, f"neutral/{wording}") for wording in wordings]
    for language, facet in sorted(set(zip(cube.language[usable], cube.topic[usable], strict=True))):
        rows = np.flatnonzero(usable & (cube.language == language) & (cube.topic == facet))
        of_facet = [score[rows] for score in scores if np.isfinite(score[rows]).any()]
        if not of_facet:
            continue
        table = np.stack(of_facet)  # (wordings, named, candidates)
        table, rows = _kept(table, rows, np.asarray(np.isfinite(table[:, np.arange(len(rows)), own[rows]]).all(axis=0)))
        offered = np.asarray(np.isfinite(table).all(axis=(0, 1)))
        table, rows = _kept(table, rows, offered[own[rows]])
        if len(rows) >= FEWEST_NAMES:
            place = np.cumsum(offered) - 1  # of a role among the candidates
            found.append(NameTable(rows=rows, gains=name_gains(table[..., offered], place[own[rows]])))
    return tuple(found)


def _kept(table: Floats, rows: NDArray[np.intp], keep: Mask) -> tuple[Floats, NDArray[np.intp]]:
    return table[:, keep], rows[keep]


def _context(cube: Cube, context: str) -> Floats:
    if context not in cube.contexts:
        return np.full((len(cube.item), len(cube.roles)), np.nan)
    scores: Floats = cube.logp[:, cube.contexts.index(context)]
    return scores


def capacity(cube: Cube, tables: Sequence[NameTable] | None = None) -> tuple[Floats, Floats]:
    """Bits by which a culture's own name favours its answer over what any name does, per row; how wordings differ.

    The diagonal of `name_gains`, averaged over wordings *after* the logarithm: a wording that hides the fact costs what
    it costs. log2 K = told for sure by its own name and by no other; 0 = the name changes nothing; below = misled.

    Returns:
        Capacity (n,), NaN where the facet has no table; mean distance between two wordings (n,), bits, NaN with one.
    """
    bits, apart = np.full(len(cube.item), np.nan), np.full(len(cube.item), np.nan)
    for table in name_tables(cube) if tables is None else tables:
        own = np.diagonal(table.gains, axis1=-2, axis2=-1)  # (wordings, k)
        bits[table.rows] = own.mean(axis=0)
        pairs = [np.abs(own[one] - own[other]) for one, other in combinations(range(len(own)), 2)]
        if pairs:
            apart[table.rows] = np.mean(pairs, axis=0)
    return bits, apart


def name_permutation(tables: Sequence[Floats], weights: Sequence[Floats]) -> tuple[float, float]:
    """Test of "names carry no information": names permuted among the contexts of their facet.

    Under it the rows of each table are exchangeable. The statistic is the weighted sum of the diagonals;
    a rearrangement gives each answer the row of another name (a bijection within the facet).

    Args:
        tables: per facet, gains averaged over wordings, (named k, answer k).
        weights: per facet, of each answer in the sum, (k,).

    Returns:
        Two-sided p-value around the permutation mean, (b + 1) / (m + 1); that mean (exact). It is at or below zero: a
        name that moves answers at random costs bits.
    """
    null = float(sum(weight @ table.mean(axis=0) for table, weight in zip(tables, weights, strict=True)))
    observed = float(sum(weight @ np.diagonal(table) for table, weight in zip(tables, weights, strict=True)))
    drawn = np.zeros(RESHUFFLES)
    for number, (table, weight) in enumerate(zip(tables, weights, strict=True)):
        k = len(weight)
        drawn += table[shuffles(number, k), np.arange(k)] @ weight
    slack = 1e-10 * float(sum(np.abs(w) @ np.abs(t).max(axis=0) for t, w in zip(tables, weights, strict=True))) + 1e-300
    far = np.abs(drawn - null) >= abs(observed - null) - slack
    return (int(far.sum()) + 1) / (RESHUFFLES + 1), null


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


def facts_of(values: Floats, cube: Cube, rows: Mask) -> Facts:
    """Some rows as facts: the mean over the languages of each facet and culture."""
    means, (facets, cultures) = mean_by(values[rows], cube.topic[rows], cube.culture[rows])
    return Facts(values=means, facets=facets, cultures=cultures)


# --- measures -----------------------------------------------------------------------------------


def culture_knowledge(view: View) -> tuple[Measurement, ...]:
    """Mean capacity, bits, by language and by culture (over the readable languages). Zero: the name changes nothing.

    Test: under "names carry no information" they are exchangeable among the contexts of their facet. By language they
    are permuted; by culture, all ways to pick one name per facet are counted. The mean over those is printed as null.
    """
    found: list[Measurement] = []
    for cube in view.of(Kind.CULTURE):
        tables = name_tables(cube)
        found += [_language_level(view, cube, tables, language) for language in cube.languages]
        found += _culture_levels(view, cube, tables)
    return tuple(found)


def _language_level(view: View, cube: Cube, tables: Sequence[NameTable], language: str) -> Measurement:
    scope = Scope(language=language, suite=cube.suite)
    bits, apart = capacity(cube, tables)
    rows = cube.used(bits) & (cube.language == language)
    asked = ~cube.control & ~cube.held & (cube.language == language)
    if asked.any() and not rows.any():
        return undefined("culture_knowledge", scope, TOO_FEW_NAMES, cube.ids(asked))
    try:
        result, power = clustered_mean(bits[rows], cube.template[rows], unit="bits", per="facts")
    except TooFewItems as few:
        return undefined("culture_knowledge", scope, few.reason, cube.ids(rows))
    mine = [table for table in tables if cube.language[table.rows[0]] == language]
    names, sizes = np.unique(cube.template[rows].astype(str), return_counts=True)
    share = dict(zip(names, 1 / (sizes * len(names)), strict=True))
    weights = [np.array([share[str(name)] for name in cube.template[table.rows]]) for table in mine]
    p_value, null = name_permutation([table.mean for table in mine], weights)
    test = said(
        "names of cultures permuted within facet, {n} draws; interval and test rest on different models, as facts of "
        "one facet share their candidates",
        n=RESHUFFLES,
    )
    result = replace(result, p_value=p_value, null=null, method=tested(result.method, test))
    details = {
        "wording_difference": float(apart[rows].mean()),
        "share_above_guessing": float((bits[rows] > 0).mean()),
        **view.noise_floor(1 / LN2),
    }
    notes = (*cube.held_note(cube.language == language), *_too_small(cube, asked, rows), *_wordings_differ(apart[rows]))
    return measured("culture_knowledge", scope, (result, power), cube.ids(rows), notes=notes, details=details)


def _too_small(cube: Cube, asked: Mask, rows: Mask) -> tuple[str, ...]:
    facets = sorted(set(cube.topic[asked]) - set(cube.topic[rows]))
    named = Listed(tuple(facets), joined=False)
    return (said("{facets} left out: {why}", facets=named, why=TOO_FEW_NAMES),) if facets else ()


def _wordings_differ(apart: Floats) -> tuple[str, ...]:
    difference = _mean(apart[np.isfinite(apart)])
    if not difference >= MARGIN_BITS:
        return ()
    return (
        said(
            "the two wordings differ by {x} bits on average, more than the smallest effect that would matter",
            x=Number(difference),
        ),
    )


def _culture_levels(view: View, cube: Cube, tables: Sequence[NameTable]) -> list[Measurement]:
    bits, apart = capacity(cube, tables)
    rows, notes, reason = pool(view, cube, bits)
    cultures = sorted(set(cube.culture[~cube.control & ~cube.held]))
    if reason:
        return [undefined("culture_knowledge", Scope(suite=cube.suite, culture=c), reason) for c in cultures]
    facts = facts_of(bits, cube, rows)
    spread, degrees = facts.spread
    blocks = _blocks(cube, tables, rows)
    found = []
    for culture in cultures:
        scope = Scope(suite=cube.suite, culture=culture)
        mine = rows & (cube.culture == culture)
        own = facts.values[facts.cultures == culture]
        try:
            result, power = pooled_mean(
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
            found.append(undefined("culture_knowledge", scope, few.reason, cube.ids(mine)))
            continue
        result = replace(
            result,
            p_value=one_per_block_p(blocks[culture], float(own.sum())),
            null=float(np.mean([block.mean() for block in blocks[culture]])),
            method=tested(
                result.method,
                said(
                    "the culture's answers after any of the names; interval and test rest on different models, as "
                    "facts of one facet share their candidates"
                ),
            ),
        )
        details = {f"bits_{language}": _mean(bits[mine & (cube.language == language)]) for language in cube.languages}
        details |= {"wording_difference": _mean(apart[mine]), **view.noise_floor(1 / LN2)}
        told = (*notes, *_wordings_differ(apart[mine]))
        found.append(measured("culture_knowledge", scope, (result, power), cube.ids(mine), notes=told, details=details))
    return found


def _blocks(cube: Cube, tables: Sequence[NameTable], rows: Mask) -> dict[str, list[Floats]]:
    """Per culture, one block per facet: gains of its answer under every pooled name, mean over the pooled languages."""
    by_facet: dict[str, list[Floats]] = {}
    names: dict[str, list[str]] = {}
    for table in tables:
        kept = rows[table.rows]  # the same cultures in every pooled language, sorted as the rows are
        if kept.any():
            facet = str(cube.topic[table.rows[0]])
            pooled = np.flatnonzero(kept)[np.argsort(cube.culture[table.rows[kept]].astype(str), kind="stable")]
            by_facet.setdefault(facet, []).append(table.mean[np.ix_(pooled, pooled)])
            names[facet] = [str(culture) for culture in cube.culture[table.rows[pooled]]]
    found: dict[str, list[Floats]] = {}
    for facet, gains in by_facet.items():
        for culture, block in zip(names[facet], np.mean(gains, axis=0).T, strict=True):
            found.setdefault(culture, []).append(block)
    return found


def pool(view: View, cube: Cube, values: Floats) -> tuple[Mask, tuple[str, ...], str]:
    """Rows of the facts that every readable language has; notes that say which; a reason where there is none."""
    rows = cube.used(values) & np.isin(cube.language, readable(view, cube))
    usable = present(cube, rows)
    if not usable:
        return rows, (), said("no language of the suite passes the competence bar with facts to score")
    rows, lost = in_every(cube, rows, usable, cube.topic, cube.culture, per="facts")
    if not rows.any():
        return rows, (), said("no fact was scored in every readable language")
    note = over(usable, without=sorted(set(cube.languages) - set(usable)))
    return rows, (note, POOLED, *lost), ""


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def knowledge_gap(view: View) -> tuple[Measurement, ...]:
    """Capacity of a culture minus the mean of the others in the same facets, bits; pooled and by language.

    Test: under "cultures differ by nothing but chance" the cultures' names are exchangeable within each facet; all ways
    to pick one fact per facet are counted. Interval: facts spread alike around facet + culture. Knowledge lens only.
    """
    found: list[Measurement] = []
    floor = view.noise_floor(1 / LN2)
    for cube in view.of(Kind.CULTURE):
        bits, _ = capacity(cube)
        rows, note, reason = pool(view, cube, bits)
        cultures = sorted(set(cube.culture[~cube.control & ~cube.held]))
        if reason:
            found += [undefined("knowledge_gap", Scope(suite=cube.suite, culture=c), reason) for c in cultures]
        else:
            found += gaps(cube, bits, rows, scope=Scope(suite=cube.suite), notes=note, details=floor)
        for language in cube.languages:
            mine = cube.used(bits) & (cube.language == language)
            found += gaps(cube, bits, mine, scope=Scope(language=language, suite=cube.suite), details=floor)
    return tuple(found)


def gaps(
    cube: Cube,
    values: Floats,
    rows: Mask,
    *,
    scope: Scope,
    measure: str = "knowledge_gap",
    unit: str = "bits",
    notes: tuple[str, ...] = (),
    details: Mapping[str, float],
) -> list[Measurement]:
    """Each culture's mean minus that of the others in the same facets, over some rows; nothing where there is none.

    Args:
        cube: of a culture suite.
        values: one per row of the cube, any lens.
        rows: which of them.
        scope: of the measurements but for the culture.
        measure: its name.
        unit: of `values`.
        notes: on all of them.
        details: on all of them.
    """
    if not rows.any():
        return []
    facts = facts_of(values, cube, rows)
    spread, degrees = facts.spread
    differences, sizes = from_the_others(facts)
    found = []
    for culture in facts.names:
        mine = facts.cultures == culture
        at = replace(scope, culture=str(culture))
        items = cube.ids(rows & (cube.culture == culture))
        usable = mine & np.isfinite(differences)
        own = differences[usable]
        try:
            result, power = pooled_mean(
                own,
                spread=spread,
                degrees_of_freedom=degrees,
                weight=float(np.sqrt(np.mean(sizes[usable] / (sizes[usable] - 1)))) if len(own) else None,
                unit=unit,
                null=0.0,
                n_items=len(own),
                per="facts",
                borrowed_from="cultures",
            )
        except TooFewItems as few:
            found.append(undefined(measure, at, few.reason, items))
            continue
        blocks = [differences[facts.facet(facet)] for facet in facts.facets[usable]]
        exact = replace(
            result,
            p_value=one_per_block_p(blocks, float(own.sum())),
            method=tested(result.method, said("cultures permuted within facet")),
        )
        figures = {"capacity": float(facts.values[mine].mean()), **details}
        found.append(measured(measure, at, (exact, power), items, notes=notes, details=figures))
    return found


def from_the_others(facts: Facts) -> tuple[Floats, Floats]:
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
        rows, note, reason = pool(view, cube, bits)
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
        return undefined("knowledge_diversity", scope, said("diversity needs two cultures with facts"), items)
    facts = facts_of(bits, cube, rows)
    names = facts.names
    hill = hill_numbers(mean_by_culture(facts.values, facts))
    if not np.isfinite(hill[1]):
        none = said("no culture's own name favours its answers over what any name does")
        return undefined("knowledge_diversity", scope, none, items)
    shuffled = hill_numbers(mean_by_culture(reordered(facts, by=facts.facets, draw=shuffles), facts))[:, 1]
    redrawn = hill_numbers(mean_by_culture(reordered(facts, by=facts.cultures, draw=redraws), facts))[:, 1]
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
        method=said(
            "Hill number of order 1; interval: reflected bootstrap over facts, how sure the number is; "
            "one-sided test: cultures shuffled within facet, whether the spread is less even than chance makes it; "
            "two questions, so the p-value claims nothing about the interval"
        ),
        p_value=(int((shuffled <= hill[1] + 1e-12).sum()) + 1) / (len(shuffled) + 1),
        null=float(shuffled.mean()),
        clusters="facts",
    )
    clipped = int((mean_by_culture(facts.values, facts) < 0).sum())
    details = {
        "hill_0": hill[0],
        "hill_1": hill[1],
        "hill_2": hill[2],
        "evenness": hill[1] / len(names),
        "n_cultures": len(names),
        "below_zero": float(clipped),
    }
    if clipped:
        notes = (*notes, below_zero(clipped, of=len(names)))
    return measured("knowledge_diversity", scope, (estimate, {}), items, notes=notes, details=details)


def below_zero(n: int, *, of: int) -> str:
    """A note on cultures that a diversity takes to be worth nothing."""
    return said("{n} of {total} cultures' capacities lie below zero and count as zero here", n=n, total=of)


def mean_by_culture(values: Floats, facts: Facts) -> Floats:
    """Mean of each culture's facts: (..., facts) -> (..., cultures)."""
    belongs = (facts.cultures[:, None] == facts.names[None, :]).astype(float)
    means: Floats = values @ (belongs / belongs.sum(axis=0))
    return means


def reordered(facts: Facts, *, by: NDArray[Any], draw: Callable[[int, int], NDArray[np.int64]]) -> Floats:
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
def shuffles(seed: int, n: int) -> NDArray[np.int64]:
    """Random orders of `n` things: (RESHUFFLES, n)."""
    rng = np.random.default_rng([31, seed, n])
    return np.argsort(rng.random((RESHUFFLES, n)), axis=1).astype(np.int64)


@functools.lru_cache(maxsize=512)
def redraws(seed: int, n: int) -> NDArray[np.int64]:
    """Random draws of `n` of `n` things with repetition: (REDRAWS, n)."""
    rng = np.random.default_rng([32, seed, n])
    return rng.integers(n, size=(REDRAWS, n)).astype(np.int64)
