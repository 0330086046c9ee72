"""Which nodes matter, in which languages, and how well the quick estimate tells.

The score of a node in a language is its mean effect over items, each turned to the sign of the item's own effect.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from audit.measures.circuit_shares import FEWEST_TEMPLATES
from audit.measures.circuit_tables import Inside, looked_inside
from audit.measures.statistics import LEVEL, tested
from audit.measures.view import Floats, Mask, View, measured, undefined
from audit.records import MLP, Estimate, Measurement, Scope
from audit.terms import so_many
from audit.wording import LanguageName, said

EXACT, SCREENED = "exact", "screened"
TOP = 8  # nodes compared as a set
FEWEST_NODES = 4
FEWEST_DRAWN = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Turned:
    """Node effects in one language on the items that support findings, each turned to the item's own sign."""

    effect: Floats  # (items, nodes); NaN where an item lacks a node
    template: NDArray[np.object_]  # (items,)
    fold: NDArray[np.int64]
    row: NDArray[np.intp]  # of the cube

    @property
    def complete(self) -> bool:
        """Every node of every item has an effect, on enough templates."""
        return len(set(self.template.tolist())) >= FEWEST_TEMPLATES and bool(np.isfinite(self.effect).all())

    @functools.cached_property
    def score(self) -> Floats:
        """Mean over items of each node, (nodes,)."""
        return np.asarray(self.effect.mean(axis=0))

    @functools.cached_property
    def of_fold(self) -> Floats | None:
        """The same on the items of fold 0 and of fold 1, (2, nodes); None where one has no items."""
        if not all((self.fold == number).any() for number in (0, 1)):
            return None
        return np.stack([self.effect[self.fold == number].mean(axis=0) for number in (0, 1)])

    @functools.cached_property
    def without(self) -> dict[str, Floats]:
        """Template -> ranks of the scores without its items, (nodes,)."""
        names, code = np.unique(self.template.astype(str), return_inverse=True)
        total, n = self.effect.sum(axis=0), len(self.effect)
        found = {}
        for number, name in enumerate(names.tolist()):
            mine = self.effect[code == number]
            found[name] = stats.rankdata((total - mine.sum(axis=0)) / (n - len(mine)))
        return found


def turned(inside: Inside, language: str, basis: str) -> Turned | None:
    """The node effects of a language by one basis; None where nobody looked."""
    nodes = inside.nodes.get(language)
    if nodes is None:
        return None
    kept = inside.real(language)[nodes.row]
    row = nodes.row[kept]
    values = (nodes.exact if basis == EXACT else nodes.screened)[kept]
    return Turned(
        effect=np.sign(inside.total[row])[:, None] * values,
        template=inside.cube.template[row],
        fold=inside.fold[row],
        row=row,
    )


# --- overlap ------------------------------------------------------------------------------------


def circuit_overlap(view: View) -> tuple[Measurement, ...]:
    """Rank correlation of the node scores of two languages, each unordered pair once.

    Interval: jackknife over templates, a template left out in both languages at once. Null: what the
    difference between heads and MLPs alone would make, if nodes of a sort were exchangeable. The p-value is of that
    exchangeability, from scores that share no template (one language's first fold with the other's second): both
    languages have the same templates, whose chance effects would pass for a common circuit.
    """
    found = []
    for inside in looked_inside(view):
        languages = inside.cube.languages
        seen = {(one, basis): turned(inside, one, basis) for one in languages for basis in (EXACT, SCREENED)}
        found += [_overlap(inside, one, other, seen) for one, other in combinations(languages, 2)]
    return tuple(found)


def _overlap(inside: Inside, one: str, other: str, seen: Mapping[tuple[str, str], Turned | None]) -> Measurement:
    scope = Scope(language=one, other_language=other, suite=inside.cube.suite)
    if reason := _not_comparable(inside, one, other):
        return undefined("circuit_overlap", scope, reason)
    for basis in (EXACT, SCREENED):
        first, second = seen[one, basis], seen[other, basis]
        if first is not None and second is not None and first.complete and second.complete:
            return _overlap_of(inside, scope, first, second, basis)
    reason = said(
        "no {n} templates, or not every node of every item, were looked at in both languages", n=FEWEST_TEMPLATES
    )
    return undefined("circuit_overlap", scope, reason)


def _not_comparable(inside: Inside, one: str, other: str) -> str:
    """Why the nodes of two languages cannot be set beside each other; "" if they can."""
    named = [inside.nodes.get(language) for language in (one, other)]
    for language, nodes in zip((one, other), named, strict=True):
        if nodes is None:
            return not_looked_at(language)
    layers, heads = ([getattr(nodes, name) for nodes in named] for name in ("layer", "head"))
    if not (np.array_equal(*layers) and np.array_equal(*heads)):
        return said("not the same nodes were looked at in both languages")
    if len(layers[0]) < FEWEST_NODES:
        return said("{n} nodes were looked at; a rank correlation needs {least}", n=len(layers[0]), least=FEWEST_NODES)
    return ""


def not_looked_at(language: str) -> str:
    """The reason where a language has no nodes."""
    return said("no node was looked at in {language}", language=LanguageName(language))


def _overlap_of(inside: Inside, scope: Scope, one: Turned, other: Turned, basis: str) -> Measurement:
    is_mlp = inside.nodes[scope.language].head == MLP
    ranks = [stats.rankdata(language.score) for language in (one, other)]
    value = correlation(*ranks)
    templates = sorted({*one.without, *other.without})
    left = [correlation(one.without.get(t, ranks[0]), other.without.get(t, ranks[1])) for t in templates]
    rows = np.zeros(len(inside.total), dtype=bool)
    rows[np.concatenate([one.row, other.row])] = True
    items = inside.cube.ids(rows)
    if not np.isfinite([value, *left]).all():
        return undefined("circuit_overlap", scope, said("the node scores have no spread to rank"), items)
    low, high = jackknife_correlation(value, left)
    p, across = _across_folds(one, other, is_mlp)
    method = jackknifed(templates)
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=LEVEL,
        unit="correlation",
        n_items=len(items),
        n_clusters=len(templates),
        method=method if p is None else tested(method, said("exchangeable nodes across folds")),
        p_value=p,
        null=None if p is None else between_sorts(*ranks, sort=is_mlp),
        clusters="templates",
    )
    tops = [set(np.argsort(-language.score, kind="stable")[:TOP].tolist()) for language in (one, other)]
    halves = [reliability(language) for language in (one, other)]
    details = {
        "ceiling": float(np.sqrt(halves[0] * halves[1])) if min(halves) > 0 else float("nan"),
        "across_folds": across,
        "n_nodes": float(len(is_mlp)),
        "top_shared": float(len(tops[0] & tops[1])),
        "top_shared_by_chance": TOP**2 / len(is_mlp) if len(is_mlp) >= TOP else float("nan"),
    }
    exact, estimated = said("node effects are exact"), said("node effects are estimates from gradients, not patched")
    notes = (exact if basis == EXACT else estimated,)
    return measured("circuit_overlap", scope, (estimate, {}), items, notes=notes, details=details)


def jackknifed(templates: Collection[str]) -> str:
    """The method of an interval that leaves out one template after the other."""
    return said("clustered on templates, jackknife of {number}", number=so_many(len(templates), "templates"))


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's correlation; NaN where either has no spread."""
    x, y = one - one.mean(), other - other.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else float("nan")


def spearman(one: Floats, other: Floats) -> float:
    """Rank correlation; NaN where either has no spread."""
    return correlation(stats.rankdata(one), stats.rankdata(other))


def reliability(language: Turned) -> float:
    """Rank correlation of the scores of the two folds, stepped up to all templates (Spearman 1910, Brown 1910)."""
    if language.of_fold is None:
        return float("nan")
    half = spearman(*language.of_fold)
    return 2 * half / (1 + half) if half > -1 else float("nan")


def jackknife_correlation(value: float, without: list[float], *, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a correlation from its values with one unit left out (Tukey 1958), Student's t, within -1 and 1.

    In plain units: Fisher's z runs away where leaving out a template makes few ranks agree wholly.
    """
    n, left = len(without), np.array(without)
    error = float(np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum()))
    reach = float(special.stdtrit(n - 1, (1 + level) / 2)) * error
    return max(value - reach, -1.0), min(value + reach, 1.0)


def _across_folds(one: Turned, other: Turned, is_mlp: Mask) -> tuple[float | None, float]:
    """P-value and mean correlation of scores that share no template; (None, NaN) without two folds."""
    if one.of_fold is None or other.of_fold is None:
        return None, float("nan")
    ours = [stats.rankdata(score) for score in one.of_fold]
    theirs = [stats.rankdata(score) for score in other.of_fold[::-1]]
    across = float(np.mean([correlation(x, y) for x, y in zip(ours, theirs, strict=True)]))
    return exchangeable_p(ours, theirs, sort=is_mlp), across


def between_sorts(one: Floats, other: Floats, *, sort: NDArray[np.bool_]) -> float:
    """The correlation that is expected if values are shuffled within each sort."""
    means = [np.empty(len(sort)) for _ in range(2)]
    for kind in np.unique(sort):
        mine = sort == kind
        for mean, values in zip(means, (one, other), strict=True):
            mean[mine] = values[mine].mean() - values.mean()
    size = np.sqrt(((one - one.mean()) ** 2).sum() * ((other - other.mean()) ** 2).sum())
    return float(means[0] @ means[1] / size)


def exchangeable_p(ones: list[Floats], others: list[Floats], *, sort: NDArray[np.bool_]) -> float:
    """Two-sided p-value of "which value of a node goes with which is chance, within each sort".

    The statistic is the sum over k of the products ones[k] . others[k]; one shuffle moves all of `others` alike. Its
    mean and variance over all shuffles are exact, its shape is taken to be normal.
    """
    distance, variance = 0.0, 0.0
    for kind in np.unique(sort):
        mine = sort == kind
        x, y = (np.stack([values[mine] - values[mine].mean() for values in side]) for side in (ones, others))
        distance += float((x * y).sum())
        if mine.sum() > 1:
            variance += float(((x @ x.T) * (y @ y.T)).sum()) / (int(mine.sum()) - 1)
    return float(2 * special.ndtr(-abs(distance) / np.sqrt(variance))) if variance > 0 else 1.0


# --- the quick estimate ---------------------------------------------------------------------------


def screening_error(view: View) -> tuple[Measurement, ...]:
    """Rank correlation of estimated and exact node scores over the nodes that were drawn at random, by language."""
    return tuple(_screening(inside, language) for inside in looked_inside(view) for language in inside.cube.languages)


def _screening(inside: Inside, language: str) -> Measurement:
    scope = Scope(language=language, suite=inside.cube.suite)
    both = [turned(inside, language, basis) for basis in (SCREENED, EXACT)]
    if both[0] is None or both[1] is None:
        return undefined("screening_error", scope, not_looked_at(language))
    drawn = inside.nodes[language].drawn
    known = np.isfinite(both[0].effect[:, drawn]).all(axis=1) & np.isfinite(both[1].effect[:, drawn]).all(axis=1)
    template, n = both[0].template[known], int(drawn.sum())
    rows = np.zeros(len(inside.total), dtype=bool)
    rows[both[0].row[known]] = True
    if n < FEWEST_DRAWN:
        few = said("{n} nodes were drawn and patched; {least} are needed", n=n, least=FEWEST_DRAWN)
        return undefined("screening_error", scope, few)
    templates = sorted({str(name) for name in template})
    if len(templates) < FEWEST_TEMPLATES:
        few = said(
            "{n} templates have estimates and exact effects; {least} are needed",
            n=len(templates),
            least=FEWEST_TEMPLATES,
        )
        return undefined("screening_error", scope, few, inside.cube.ids(rows))
    estimates, effects = (values.effect[known][:, drawn] for values in both if values is not None)

    def without(name: str) -> float:
        others = template != name
        return spearman(estimates[others].mean(axis=0), effects[others].mean(axis=0))

    estimated, exact = estimates.mean(axis=0), effects.mean(axis=0)
    value, left = spearman(estimated, exact), [without(name) for name in templates]
    if not np.isfinite([value, *left]).all():
        none = said("the drawn nodes have no spread to rank")
        return undefined("screening_error", scope, none, inside.cube.ids(rows))
    low, high = jackknife_correlation(value, left)
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=LEVEL,
        unit="correlation",
        n_items=len(template),
        n_clusters=len(templates),
        method=tested(jackknifed(templates), said("exchangeable nodes")),
        p_value=exchangeable_p([stats.rankdata(estimated)], [stats.rankdata(exact)], sort=np.zeros(n, dtype=bool)),
        null=0.0,
        clusters="templates",
    )
    seen = np.clip(np.sign(exact) * estimated, 0, np.abs(exact))
    details = {
        "n_drawn": float(n),
        "largest_error": float(np.abs(estimated - exact).max()),
        "share_missed": 1 - float(seen.sum() / np.abs(exact).sum()),
    }
    return measured("screening_error", scope, (estimate, {}), inside.cube.ids(rows), details=details)
