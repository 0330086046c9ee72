"""Are the latents of a dilemma's two frameworks active together on it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.measures.competence import readable
from audit.measures.feature_tables import poorly_reconstructed, scores_of
from audit.measures.statistics import LEVEL, binomial_interval, tested
from audit.measures.view import Cube, Floats, View, measured, over, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.wording import Listed, said

HIGH = 0.9  # quantile of a framework's scores on neutral statements
FEWEST_NEUTRAL = 20  # texts in a language that set it: with fewer, the highest tenth is one text
REARRANGED = 1999


@dataclass(frozen=True, kw_only=True, eq=False)
class Active:
    """How often each framework's latents are highly active on each dilemma of one language."""

    language: str
    dilemmas: tuple[str, ...]  # templates, sorted
    frameworks: tuple[str, ...]
    high: NDArray[np.bool_]  # (dilemmas, contexts, frameworks), any dilemma in all contexts
    pairs: NDArray[np.intp]  # (dilemmas, 2) the dilemma's own frameworks

    def both(self, order: NDArray[np.intp]) -> Floats:
        """Share of its contexts in which both frameworks of dilemma order[i] are active on dilemma i; as `order`."""
        one, other = self.pairs[order, 0], self.pairs[order, 1]  # (..., dilemmas)
        place = np.arange(len(self.dilemmas))
        return np.asarray((self.high[place, :, one] & self.high[place, :, other]).mean(axis=-1))


def framework_conflict(view: View) -> tuple[Measurement, ...]:
    """Share of dilemmas with both frameworks' latents highly active, over the readable languages and by language.

    Highly: above the 90th percentile of the framework's scores on neutral statements of the same language. Null: the
    same with the pairs of frameworks dealt out to the dilemmas at random.
    """
    found: list[Measurement] = []
    for cube in view.of(Kind.DILEMMA):
        if not (view.evidence.scores["suite"] == cube.suite).any():
            continue
        thresholds = _thresholds(view)
        active = {language: _active(view, cube, language, thresholds) for language in cube.languages}
        read = [language for language in readable(view, cube) if isinstance(active[language], Active)]
        note = over(read, without=sorted(set(cube.languages) - set(read)))
        pooled = [one for one in (active[language] for language in read) if isinstance(one, Active)]
        found.append(_conflict(view, cube, pooled, Scope(suite=cube.suite), (note,)))
        for language in cube.languages:
            one, scope = active[language], Scope(language=language, suite=cube.suite)
            if isinstance(one, str):
                found.append(undefined("framework_conflict", scope, one))
            else:
                found.append(_conflict(view, cube, [one], scope, ()))
    return tuple(found)


def _thresholds(view: View) -> dict[tuple[str, str], float]:
    """(language, framework) -> the 90th percentile of its scores on neutral statements; absent with too few."""
    texts: dict[tuple[str, str], list[Floats]] = {}
    for cube in view.of(Kind.VALUES):
        scores = scores_of(view, cube)
        neutral = np.array([str(name).startswith("neutral") for name in scores.context], dtype=bool)
        for language in cube.languages:
            mine = neutral & (cube.language[scores.row] == language)
            for place, framework in enumerate(scores.targets):
                texts.setdefault((language, framework), []).append(scores.score[mine, place])
    found = {}
    for key, parts in texts.items():
        values = np.concatenate(parts)
        values = values[np.isfinite(values)]
        if len(values) >= FEWEST_NEUTRAL:
            found[key] = float(np.quantile(values, HIGH))
    return found


def _active(view: View, cube: Cube, language: str, thresholds: dict[tuple[str, str], float]) -> Active | str:
    """What is active on the dilemmas of a language, or why that cannot be said."""
    scores = scores_of(view, cube)
    mine = (cube.language[scores.row] == language) & ~cube.control[scores.row] & ~cube.held[scores.row]
    frameworks = sorted(
        {str(f) for names in (cube.framework, cube.other_framework) for f in names[scores.row[mine]] if f}
    )
    if not mine.any():
        return said("no dilemma was scored")
    lacking = [f for f in frameworks if (language, f) not in thresholds or f not in scores.targets]
    if lacking:
        return said(
            "fewer than {n} neutral statements say when the latents of {frameworks} are active",
            n=FEWEST_NEUTRAL,
            frameworks=Listed(tuple(lacking), joined=False),
        )
    columns = [scores.targets.index(f) for f in frameworks]
    limit = np.array([thresholds[language, f] for f in frameworks])
    contexts = sorted(set(scores.context[mine].tolist()))
    table: dict[str, dict[str, Floats]] = {}
    pairs: dict[str, tuple[int, int]] = {}
    for text in np.flatnonzero(mine):
        row = scores.row[text]
        dilemma = str(cube.template[row])
        table.setdefault(dilemma, {})[str(scores.context[text])] = scores.score[text, columns]
        pairs[dilemma] = (
            frameworks.index(str(cube.framework[row])),
            frameworks.index(str(cube.other_framework[row])),
        )
    whole = {
        dilemma: np.array([of[context] for context in contexts])
        for dilemma, of in sorted(table.items())
        if len(of) == len(contexts) and all(np.isfinite(of[context]).all() for context in contexts)
    }
    if len(whole) < 2:
        return said("{n} dilemmas were scored in full; shuffling their frameworks needs 2", n=len(whole))
    return Active(
        language=language,
        dilemmas=tuple(whole),
        frameworks=tuple(frameworks),
        high=np.array([values > limit for values in whole.values()]),
        pairs=np.array([pairs[dilemma] for dilemma in whole], dtype=np.intp),
    )


def _conflict(view: View, cube: Cube, active: list[Active], scope: Scope, notes: tuple[str, ...]) -> Measurement:
    if not active:
        reason = said("no readable language has dilemmas and neutral statements that were scored")
        return undefined("framework_conflict", scope, reason)
    common = sorted(set.intersection(*(set(one.dilemmas) for one in active)))
    if len(common) < 2:
        few = said("fewer than 2 dilemmas were scored in every readable language")
        return undefined("framework_conflict", scope, few)
    active = [_only(one, common) for one in active]
    n = len(common)
    shares = np.mean([one.both(np.arange(n)) for one in active], axis=0)
    observed = float(shares.mean())
    rng = np.random.default_rng([51, n])
    orders = np.argsort(rng.random((REARRANGED, n)), axis=1).astype(np.intp)
    drawn = np.mean([one.both(orders) for one in active], axis=(0, 2))
    null, scatter = float(drawn.mean()), float(drawn.std(ddof=1))
    far = int((np.abs(drawn - null) >= abs(observed - null) - 1e-12).sum())
    # A share per dilemma scatters no more than a yes or no would, so the exact interval of whole successes is wide
    # enough; it is taken from the whole numbers on either side.
    total = float(shares.sum())
    low, _ = binomial_interval(int(np.floor(total + 1e-9)), n)
    _, high = binomial_interval(int(np.ceil(total - 1e-9)), n)
    estimate = Estimate(
        value=observed,
        low=low,
        high=high,
        level=LEVEL,
        unit="share of dilemmas",
        n_items=n * len(active),
        n_clusters=n,
        method=tested(
            said("clustered on dilemmas, exact binomial"), said("pairs of frameworks permuted between dilemmas")
        ),
        p_value=(far + 1) / (REARRANGED + 1),
        null=null,
        clusters="dilemmas",
    )
    details = {"one_of_the_two": float(np.mean([_either(one) for one in active]))}
    if scatter > 0:
        details |= {"standard_error": scatter, "degrees_of_freedom": float(n - 1)}
    rows = np.isin(cube.template, common) & np.isin(cube.language, [one.language for one in active])
    weak = poorly_reconstructed(view, tuple(one.language for one in active))
    return measured("framework_conflict", scope, (estimate, {}), cube.ids(rows), notes=(*notes, *weak), details=details)


def _only(active: Active, dilemmas: list[str]) -> Active:
    kept = np.array([active.dilemmas.index(name) for name in dilemmas], dtype=np.intp)
    return Active(
        language=active.language,
        dilemmas=tuple(dilemmas),
        frameworks=active.frameworks,
        high=active.high[kept],
        pairs=active.pairs[kept],
    )


def _either(active: Active) -> float:
    """Mean share of single frameworks of the dilemma that are highly active."""
    place = np.arange(len(active.dilemmas))
    return float(np.mean([active.high[place, :, active.pairs[:, side]].mean() for side in (0, 1)]))
