"""Are a culture's latents active where its own practices are spoken of, and not elsewhere?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.errors import TooFewItems
from audit.measures.competence import readable
from audit.measures.feature_tables import poorly_reconstructed, scores_of
from audit.measures.statistics import clustered_mean, one_per_block_p, pooled_mean, pooled_spread, tested
from audit.measures.view import Cube, Floats, Mask, View, measured, over, undefined
from audit.records import Estimate, Kind, Measurement, Scope
from audit.wording import said

CHANCE = 0.5
MARGIN = 0.1  # of an AUROC: within this of chance a culture's latents are as active anywhere
NOT_SCORED = said("no text of the culture was scored beside others of its facet")


def placements(scores: Floats) -> Floats:
    """Share of the other texts that each text is above, ties counting half: (..., texts).

    The mean over the texts of a class is its AUROC against all others (Mann and Whitney 1947; Hanley and McNeil 1982).
    """
    above = scores[..., :, None] > scores[..., None, :]
    ties = scores[..., :, None] == scores[..., None, :]
    n = scores.shape[-1]
    own = np.eye(n, dtype=bool)
    return np.asarray(((above + 0.5 * ties) * ~own).sum(axis=-1) / (n - 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """One culture's practice text among the texts of its facet, in one language."""

    language: str
    facet: str
    culture: str
    value: float  # AUROC of its latents for this one text against all others of the facet
    others: float  # against other cultures' texts only
    neutral: float  # against neutral texts only; NaN if there is none
    permuted: float  # as `value`, of latents chosen under permuted labels
    among: Floats  # (texts,) the place of every practice text on the same latents, its own first


def placed(view: View, cube: Cube) -> list[Place]:
    """Places of all scored practice texts; a facet in a language needs two cultures.

    Only texts of one facet are compared: the latents that score it were chosen on the other facets, so scores of
    different facets come from different latents. A neutral prompt is the same text for every culture and counts once.
    """
    scores = scores_of(view, cube)
    if not len(scores.row):
        return []
    usable = ~cube.control[scores.row] & ~cube.held[scores.row]
    language, facet, culture = cube.language[scores.row], cube.topic[scores.row], cube.culture[scores.row]
    practice = np.array([str(name).startswith("practice") for name in scores.context]) & usable
    # A neutral prompt belongs to the facet, not to the item that it is filed under, which may be quarantined.
    neutral = np.array([str(name).startswith("neutral") for name in scores.context]) & ~cube.control[scores.row]
    found = []
    for where in sorted(set(zip(language[practice].tolist(), facet[practice].tolist(), strict=True))):
        here = (language == where[0]) & (facet == where[1])
        texts, plain = np.flatnonzero(practice & here), np.flatnonzero(neutral & here)
        _, first = np.unique(scores.context[plain].astype(str), return_index=True)
        plain = plain[first]
        for own in texts:
            target = str(culture[own])
            score, permuted = scores.of(target)
            order = [own, *(text for text in texts if text != own)]
            place = _place((*where, target), score[order], score[plain], permuted[[*order, *plain]])
            if place is not None:
                found.append(place)
    return found


def _place(of: tuple[str, str, str], practice: Floats, neutral: Floats, permuted: Floats) -> Place | None:
    """The place of the first practice text; None where its own score or all others are missing."""
    if not np.isfinite(practice[0]):
        return None
    practice, neutral = practice[np.isfinite(practice)], neutral[np.isfinite(neutral)]
    if len(practice) < 2:
        return None
    among = placements(np.concatenate([practice, neutral]))
    twin = np.isfinite(permuted)
    language, facet, culture = of
    return Place(
        language=language,
        facet=facet,
        culture=culture,
        value=float(among[0]),
        others=float(placements(practice)[0]),
        neutral=float(placements(np.concatenate([practice[:1], neutral]))[0]) if len(neutral) else float("nan"),
        permuted=float(placements(permuted[twin])[0]) if twin[0] and twin.sum() > 1 else float("nan"),
        among=among[: len(practice)],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Fact:
    """A culture's practice in a facet: its place, over some languages."""

    facet: str
    culture: str
    value: float
    permuted: float
    among: Floats  # places that its score could have had, if any practice text of the facet were its own


def _facts(places: list[Place]) -> list[Fact]:
    by: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        by.setdefault((place.facet, place.culture), []).append(place)
    facts = []
    for (facet, culture), of in sorted(by.items()):
        same = len({len(one.among) for one in of}) == 1
        among = np.mean([one.among for one in of], axis=0) if same else of[0].among
        value = float(np.mean([one.value for one in of]))
        permuted = np.array([one.permuted for one in of])
        known = permuted[np.isfinite(permuted)]
        twin = float(known.mean()) if len(known) else float("nan")
        facts.append(Fact(facet=facet, culture=culture, value=value, permuted=twin, among=among))
    return facts


def context_activation(view: View) -> tuple[Measurement, ...]:
    """AUROC of a culture's latents for its own practice texts against other cultures' and neutral ones.

    By culture (over the readable languages), by language, and by language and culture. Null: 0.5, or what latents
    chosen under permuted labels reach on average, where that is more.
    """
    return tuple(m for cube in view.of(Kind.CULTURE) for m in _activation(view, cube))


def _activation(view: View, cube: Cube) -> Iterator[Measurement]:
    if not (view.evidence.scores["suite"] == cube.suite).any():
        return
    places = placed(view, cube)
    cultures = sorted(set(cube.culture[~cube.control & ~cube.held]))
    read = readable(view, cube)
    pooled, lost = _in_every([place for place in places if place.language in read])
    spoken = sorted({place.language for place in pooled})
    note = over(spoken, without=sorted(set(cube.languages) - set(spoken)))
    weak = poorly_reconstructed(view, tuple(spoken))
    yield from _by_culture(cube, pooled, cultures, language="", notes=(note, *lost, *weak))
    for language in cube.languages:
        mine = [place for place in places if place.language == language]
        notes = poorly_reconstructed(view, (language,))
        yield _by_language(cube, mine, language, notes)
        yield from _by_culture(cube, mine, cultures, language=language, notes=notes)


def _in_every(places: list[Place]) -> tuple[list[Place], tuple[str, ...]]:
    """The practices that were scored in every language that has any, and a note on the others."""
    by: dict[str, set[tuple[str, str]]] = {}
    for place in places:
        by.setdefault(place.language, set()).add((place.facet, place.culture))
    everywhere = set.intersection(*by.values()) if by else set()
    lost = len(set().union(*by.values())) - len(everywhere) if by else 0
    kept = [place for place in places if (place.facet, place.culture) in everywhere]
    note = said("{n} facts left out: not scored in every pooled language", n=lost)
    return kept, (note,) if lost else ()


def _by_language(cube: Cube, places: list[Place], language: str, notes: tuple[str, ...]) -> Measurement:
    scope = Scope(language=language, suite=cube.suite)
    if not places:
        return undefined("context_activation", scope, NOT_SCORED)
    values = np.array([place.value for place in places])
    facets = np.array([place.facet for place in places], dtype=object)
    null, twin = _null(places, float(values.mean()))
    try:
        result, power = clustered_mean(values, facets, unit="AUROC", null=null, per="facets")
        chance, _ = clustered_mean(values, facets, unit="AUROC", null=CHANCE, per="facets")
    except TooFewItems as few:
        return undefined("context_activation", scope, few.reason, _ids(cube, places))
    p = max(float(result.p_value or 0.0), float(chance.p_value or 0.0))
    result = replace(result, low=max(result.low, 0.0), high=min(result.high, 1.0), p_value=p)
    details = _details(places, result) | twin
    return measured("context_activation", scope, (result, power), _ids(cube, places), notes=notes, details=details)


def _by_culture(
    cube: Cube, places: list[Place], cultures: list[str], *, language: str, notes: tuple[str, ...]
) -> Iterator[Measurement]:
    facts = _facts(places)
    values, labels = np.array([fact.value for fact in facts]), np.array([fact.culture for fact in facts], dtype=object)
    spread, degrees = pooled_spread(values, labels) if len(facts) else (float("nan"), 0)
    for culture in cultures:
        scope = Scope(language=language, suite=cube.suite, culture=culture)
        own = [fact for fact in facts if fact.culture == culture]
        null, twin = _null(places, float(np.mean([fact.value for fact in own])) if own else CHANCE)
        mine = [place for place in places if place.culture == culture]
        try:
            if not own:
                raise TooFewItems(NOT_SCORED)
            result, power = pooled_mean(
                np.array([fact.value for fact in own]),
                spread=spread,
                degrees_of_freedom=degrees,
                unit="AUROC",
                null=null,
                n_items=len(own),
                per="facts",
                borrowed_from="cultures",
            )
        except TooFewItems as few:
            yield undefined("context_activation", scope, few.reason, _ids(cube, mine))
            continue
        exact = one_per_block_p([fact.among for fact in own], float(sum(fact.value for fact in own)))
        # Two questions, and both must be answered: is it more than any text's place, and more than the null?
        p = max(exact, float(result.p_value or 0.0)) if null > CHANCE else exact
        result = replace(
            result,
            low=max(result.low, 0.0),
            high=min(result.high, 1.0),
            p_value=p,
            method=tested(result.method, said("the culture's text exchanged with the others of its facet")),
        )
        details = _details(mine, result) | twin
        told = (*notes, *_uniform(result))
        yield measured("context_activation", scope, (result, power), _ids(cube, mine), notes=told, details=details)


def _null(places: list[Place], value: float) -> tuple[float, dict[str, float]]:
    """0.5, or the mean AUROC of latents chosen under permuted labels where that is more; the latter as a detail.

    A value below 0.5 is set against 0.5: it must not pass for less than chance because permuted labels did better.
    """
    permuted = np.array([place.permuted for place in places])
    permuted = permuted[np.isfinite(permuted)]
    if not len(permuted):
        return CHANCE, {}
    mean = float(permuted.mean())
    return (max(CHANCE, mean) if value > CHANCE else CHANCE), {"permuted": mean}


def _details(places: list[Place], result: Estimate) -> dict[str, float]:
    neutral = np.array([place.neutral for place in places])
    neutral = neutral[np.isfinite(neutral)]
    return {
        "against_others": float(np.mean([place.others for place in places])),
        "against_neutral": float(neutral.mean()) if len(neutral) else float("nan"),
        "uniform": float(bool(_uniform(result))),
    }


def _uniform(result: Estimate) -> tuple[str, ...]:
    """Uniform activation: the whole interval lies within 0.1 of chance."""
    if result.low >= CHANCE - MARGIN and result.high <= CHANCE + MARGIN:
        return (said("uniform: the culture's latents are as active on other texts as on its own"),)
    return ()


def _ids(cube: Cube, places: list[Place]) -> tuple[str, ...]:
    keys = {(place.language, place.facet, place.culture) for place in places}
    rows: NDArray[np.bool_] | Mask = np.array(
        [key in keys for key in zip(cube.language.tolist(), cube.topic.tolist(), cube.culture.tolist(), strict=True)],
        dtype=bool,
    )
    return cube.ids(rows)
