"""A map of who judges alike: people as points, by principal components of their judgements.

Each person has one place for each finding they judged: 0 disagree, 1 partly, 2 agree. A finding's mean is taken away,
what somebody did not judge is put at that mean, and the two directions in which people differ most are drawn. Who
judged little would stand near the middle for that alone, so places are stretched by the root of (findings / answered):
all as in Polis (Small, Bjorkegren, Erkkila, Shaw and Megill 2021, Recerca 26(2)).

Principal components find a direction in any table. So each axis is told beside what it would hold had people exchanged
their answers, finding by finding, at random (parallel analysis: Horn 1965, Psychometrika 30, 179-185).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.measures.people import JUDGEMENT, LEAST, answers, communities_apart
from audit.measures.resampling import Floats
from audit.records import Judgements, Undefined
from audit.wording import said

FEWEST_ANSWERS = 5  # of a person: fewer place nobody
FEWEST_PEOPLE = 6  # on a map: fewer lie in a plane by themselves
FEWEST_DIVIDING = 8  # findings on which those on the map differ
EXCHANGES = 199
CHANCE = 0.95  # quantile of what exchanged answers give
LEADING = 5  # findings told of an axis
N_AXES = 2


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one person stands; distances are comparable between both axes."""

    person: str  # a number within these judgements
    community: str
    at: tuple[float, float]
    answered: int  # findings of the map that they judged


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction in which people differ."""

    share: float  # of all differences between people, 0 to 1
    by_chance: float  # share that is reached in one of twenty exchanges of answers
    leading: tuple[tuple[str, float], ...]  # (finding, weight): to the positive side stand those who agree where > 0

    @property
    def more_than_chance(self) -> bool:
        """Whether the direction holds more than exchanged answers give."""
        return self.share > self.by_chance


@dataclass(frozen=True, kw_only=True)
class OpinionMap:
    """People of communities that can be shown apart, by their blind judgements."""

    places: tuple[Place, ...]  # by community, then number
    axes: tuple[Axis, Axis]
    findings: int  # on which those on the map differ


def opinion_map(judgements: Judgements) -> OpinionMap | Undefined:
    """People as points, near to each other where they judge alike.

    Only people of communities of which three or more are on the map: the others are not drawn, and enter no axis.
    People who stand under "others" have another number on each finding and could not be placed anyway.
    """
    table = _placed(answers(judgements, JUDGEMENT))
    people, findings = int(table["person"].nunique()), int(table["finding"].nunique())
    if people < FEWEST_PEOPLE:
        return Undefined(
            reason=said(
                "a map needs {least} people of communities that can be shown apart, with {answers} judgements each; "
                "{n} have them",
                least=FEWEST_PEOPLE,
                answers=FEWEST_ANSWERS,
                n=people,
            )
        )
    if findings < FEWEST_DIVIDING:
        return Undefined(
            reason=said(
                "a map needs {least} findings on which people differ; there are {n}", least=FEWEST_DIVIDING, n=findings
            )
        )
    wide = table.pivot(index="person", columns="finding", values="value")
    values = wide.to_numpy(dtype=float)
    given = np.isfinite(values)
    centred = _centred(values, given)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    shares = sizes**2 / (sizes**2).sum()
    directions = directions[:N_AXES] * _signs(directions[:N_AXES])
    reach = np.sqrt(values.shape[1] / given.sum(axis=1))
    at = (centred @ directions.T) * reach[:, None]
    chance = _by_chance(values, given)
    axes = [
        Axis(share=float(shares[i]), by_chance=float(chance[i]), leading=_leading(directions[i], list(wide.columns)))
        for i in range(N_AXES)
    ]
    places = [
        _place(str(person), at=at[i], answered=int(given[i].sum())) for i, person in enumerate(wide.index.astype(str))
    ]
    return OpinionMap(
        places=tuple(sorted(places, key=lambda p: (p.community, len(p.person), p.person))),
        axes=(axes[0], axes[1]),
        findings=findings,
    )


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of people who can be placed and of findings that tell them apart: taken away until nothing more goes."""
    n = -1
    while n != len(table):
        n = len(table)
        table = table[table["community"].isin(communities_apart(table))]
        table = table[table.groupby("finding")["value"].transform("nunique") > 1]
        table = table[table.groupby("person")["value"].transform("size") >= FEWEST_ANSWERS]
    return table


def _centred(values: Floats, given: NDArray[np.bool_]) -> Floats:
    """Distance from the finding's mean; 0 where nothing was said."""
    filled = np.where(given, values, 0.0)
    means = filled.sum(axis=-2, keepdims=True) / given.sum(axis=-2, keepdims=True)
    return np.where(given, values - means, 0.0)


def _signs(directions: Floats) -> Floats:
    """A direction is as good as its opposite: the one is taken in which the largest weight is positive."""
    largest = np.abs(directions).argmax(axis=1)
    return np.asarray(np.sign(directions[np.arange(len(directions)), largest])[:, None])


def _by_chance(values: Floats, given: NDArray[np.bool_]) -> Floats:
    """Share of each axis that exchanged answers reach in one of twenty."""
    rng = np.random.default_rng([33, *values.shape])
    found = np.empty((EXCHANGES, N_AXES))
    for i in range(EXCHANGES):
        centred = _centred(_exchanged(values, given, rng=rng), given)
        spectrum = np.linalg.eigvalsh(centred @ centred.T)[::-1]
        found[i] = spectrum[:N_AXES] / spectrum.sum()
    return np.asarray(np.quantile(found, CHANCE, axis=0))


def _exchanged(values: Floats, given: NDArray[np.bool_], *, rng: np.random.Generator) -> Floats:
    """The answers to each finding dealt out anew among the people who judged it."""
    places = np.argsort(~given, axis=0, kind="stable")  # who judged the finding come first, in their order
    drawn = np.argsort(np.where(given, rng.random(values.shape), np.inf), axis=0)  # and here in one drawn at random
    dealt = np.empty_like(values)
    np.put_along_axis(dealt, places, np.take_along_axis(values, drawn, axis=0), axis=0)
    return dealt


def _leading(direction: Floats, findings: list[str]) -> tuple[tuple[str, float], ...]:
    order = sorted(range(len(findings)), key=lambda i: (-abs(direction[i]), findings[i]))[:LEADING]
    return tuple((findings[i], float(direction[i])) for i in order)


def _place(person: str, *, at: Floats, answered: int) -> Place:
    number, _, community = person.partition("/")
    return Place(person=number, community=community, at=(float(at[0]), float(at[1])), answered=answered)


assert LEAST <= FEWEST_PEOPLE  # one community alone is a map as well
