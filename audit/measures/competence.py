"""Can the model read the language at all? Every other measure rests on the answer."""

from __future__ import annotations

import weakref

import numpy as np

from audit.errors import TooFewItems
from audit.measures.statistics import LEVEL, binomial_interval, binomial_p, clustered_mean
from audit.measures.view import Cube, View, mean_by, measured, prepare, undefined
from audit.records import Estimate, Evidence, Kind, Measurement, Scope, Undefined
from audit.wording import LanguageName, Share, in_turn, said

BAR = 0.75  # share of items that a readable language gets right
GUESSING = 0.5  # two continuations, one of them right
NOT_ASKED = said("no competence suite was run, so nobody knows whether the model reads the language")
RANDOM_BYTES = 8.0  # bits per byte of a model that knows nothing of the text


def competence(view: View) -> tuple[Measurement, ...]:
    """Share of items whose true continuation is likelier than the broken one, by language.

    log P is summed over the tokens, as everywhere else: the other measures rest on the same comparison. The share by
    log P per token is a detail. A difference within the noise floor is a tie, and a tie is no success. Items of one
    template count once: successes are the floor of the sum of the templates' shares.
    """
    return tuple(_competence(view, cube, language) for cube in view.of(Kind.COMPETENCE) for language in cube.languages)


def _competence(view: View, cube: Cube, language: str) -> Measurement:
    scope = Scope(language=language, suite=cube.suite)
    gap = cube.at("", "true") - cube.at("", "broken")
    rows = cube.used(gap) & (cube.language == language)
    if not rows.any():
        none = said("no competence item in {language} could be scored", language=LanguageName(language))
        return undefined("competence", scope, none)
    right, _ = mean_by((gap[rows] > view.floor).astype(float), cube.template[rows])
    n, successes = len(right), int(np.floor(right.sum() + 1e-9))
    low, high = binomial_interval(successes, n)
    per_token = (cube.at("", "true", normalised=True) - cube.at("", "broken", normalised=True))[rows]
    estimate = Estimate(
        value=successes / n,
        low=low,
        high=high,
        level=LEVEL,
        unit="share",
        n_items=int(rows.sum()),
        n_clusters=n,
        method=said("exact binomial, {n} of {total} templates", n=successes, total=n),
        p_value=binomial_p(successes, n, null=GUESSING),
        null=GUESSING,
        clusters="templates",
    )
    details = {
        "share_right_per_token": float((per_token > 0).mean()),
        "share_tied": float((np.abs(gap[rows]) <= view.floor).mean()),
    }
    notes = cube.held_note(cube.language == language)
    return measured("competence", scope, (estimate, {}), cube.ids(rows), notes=notes, details=details)


def passes(result: Estimate | Undefined) -> bool:
    """The bar: three quarters right, and more than guessing even at the lower exact 95 % bound."""
    return isinstance(result, Estimate) and result.value >= BAR and result.low > GUESSING


def failed_competence(evidence: Evidence) -> tuple[str, ...]:
    """The languages that were asked and do not pass; one that was not asked has not failed."""
    failed = {found.scope.language for found in competence(prepare(evidence)) if not passes(found.result)}
    return tuple(sorted(failed))


# One view is asked by every measure; a weak key lets it go with the view.
_READING: weakref.WeakKeyDictionary[View, dict[str, str]] = weakref.WeakKeyDictionary()


def unreadable(view: View) -> dict[str, str]:
    """The languages in which nothing can be interpreted, each with the reason.

    Every competence suite that was asked in a language has to be passed.
    """
    if view.unread is not None:
        return dict(view.unread)
    if view not in _READING:
        _READING[view] = _unreadable(view)
    return _READING[view]


def _unreadable(view: View) -> dict[str, str]:
    asked: dict[str, list[Measurement]] = {}
    for found in competence(view):
        asked.setdefault(found.scope.language, []).append(found)
    reasons: dict[str, str] = {}
    for language in sorted({language for cube in view.cubes for language in cube.languages}):
        if language not in asked:
            reasons[language] = NOT_ASKED
        elif failed := [
            _failure(found, alone=len(asked[language]) == 1) for found in asked[language] if not passes(found.result)
        ]:
            reasons[language] = in_turn(failed)
    return reasons


def _failure(found: Measurement, *, alone: bool) -> str:
    """Why a language does not pass; names the suite where there is another."""
    result, suite = found.result, found.scope.suite
    if isinstance(result, Undefined):
        # i18n: a suite of items by its name, and why there is no number
        return result.reason if alone else said("{suite}: {why}", suite=suite, why=result.reason)
    figures: dict[str, Share] = {
        "share": Share(result.value),
        "low": Share(result.low),
        "high": Share(result.high),
        "bar": Share(BAR),
    }
    if alone:
        return said(
            "the model told true from broken sentences in only {share} of the competence items "
            "(95 % interval {low} to {high}; bar {bar})",
            **figures,
        )
    return said(
        "the model told true from broken sentences in only {share} of the items of {suite} "
        "(95 % interval {low} to {high}; bar {bar})",
        suite=suite,
        **figures,
    )


def readable(view: View, cube: Cube) -> tuple[str, ...]:
    """The languages of a suite that pass the bar."""
    return tuple(language for language in cube.languages if language not in unreadable(view))


def bits_per_byte(view: View) -> tuple[Measurement, ...]:
    """Mean over lines of -log2 P(line) per UTF-8 byte, by language. Scripts differ in bytes: not for comparison."""
    return tuple(_bits_per_byte(cube, language) for cube in view.of(Kind.PARALLEL) for language in cube.languages)


def _bits_per_byte(cube: Cube, language: str) -> Measurement:
    scope = Scope(language=language, suite=cube.suite)
    n_bytes = cube.n_bytes[:, 0, 0] if cube.logp.size else np.empty(0)
    bits = -cube.at("", "text") / np.log(2) / n_bytes
    rows = cube.used(bits) & (cube.language == language)
    try:
        estimate = clustered_mean(bits[rows], cube.template[rows], unit="bits per byte", null=RANDOM_BYTES, per="lines")
    except TooFewItems as few:
        return undefined("bits_per_byte", scope, few.reason, cube.ids(rows))
    return measured("bits_per_byte", scope, estimate, cube.ids(rows), notes=cube.held_note(cube.language == language))
