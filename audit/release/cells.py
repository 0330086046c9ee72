"""Where a rule is tried in a run, and the number it is tried on. Lost places are told, never dropped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from audit.comparison.records import Comparison, Difference, Outcome
from audit.findings import reason_of
from audit.findings.gate import READING
from audit.records import Estimate, Finding, Manifest, Scope, Undefined, Verdict
from audit.release.policy import Rule, speaks_of, values_of
from audit.suites import language_name


@dataclass(frozen=True, kw_only=True)
class Against:
    """The baseline that a run is set against."""

    comparison: Comparison
    read: frozenset[str]  # languages that the baseline reads


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a rule is tried, and the number it is tried on."""

    scope: Scope
    where: str  # in words
    result: Estimate | Undefined
    finding: Finding | None  # of this run
    barred: str = ""  # why the number must not be interpreted
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A rule and its places in one run."""

    rule: Rule
    cells: tuple[Place, ...]
    unread: tuple[str, ...]  # left out, since the rule asks only for languages that are read


def places_of(rule: Rule, manifest: Manifest, found: Sequence[Finding], against: Against | None) -> Asked:
    """The places of a rule, whether or not they have a number.

    Under `languages = "read"` a difference is asked for where either model reads the language: one that a new model no
    longer reads must not drop out unseen.

    Args:
        rule: asks.
        manifest: of the run.
        found: all findings of the run.
        against: for rules with a margin.
    """
    labels = {id_: name for suite in manifest.suites for id_, name in suite.labels.items()}
    read = read_languages(found)
    if rule.against_baseline and against is not None:
        read |= against.read
        known = {(one.measurement.measure, one.measurement.scope): one for one in found}
        differences = (one for one in against.comparison.differences if speaks_of(rule, one.measure, one.scope))
        places = [_difference(one, known.get((one.measure, one.scope)), labels) for one in differences]
    else:
        mine = (one for one in found if speaks_of(rule, one.measurement.measure, one.measurement.scope))
        places = [_number(one, labels) for one in mine]
    wanted = [place for place in places if rule.languages != "read" or languages_of(place.scope) <= read]
    unread = [place for place in places if place not in wanted]
    return Asked(
        rule=rule,
        cells=(*wanted, *_absent(rule, wanted, labels, unread=bool(unread))),
        unread=tuple(f"{place.where}: the model does not read the language" for place in unread),
    )


def read_languages(found: Iterable[Finding]) -> frozenset[str]:
    """Languages that the model reads: every competence suite that was asked in them is passed."""
    reading = [one for one in found if one.measurement.measure == "competence"]
    failed = {one.measurement.scope.language for one in reading if one.verdict is not Verdict.EVIDENCE}
    return frozenset({one.measurement.scope.language for one in reading} - failed)


def languages_of(scope: Scope) -> set[str]:
    """The languages of a scope, both of a pair."""
    return values_of(scope, "language")


def in_words(scope: Scope, labels: Mapping[str, str]) -> str:
    """A scope as people read it, as in "English, gender"."""
    languages = [language_name(code) for code in (scope.language, scope.other_language) if code]
    others = (scope.topic, scope.culture, scope.framework, scope.other_framework, scope.lens)
    words = [" and ".join(languages), *(labels.get(id_, id_) for id_ in others if id_)]
    return ", ".join(word for word in words if word) or "all together"


def _number(finding: Finding, labels: Mapping[str, str]) -> Place:
    measurement = finding.measurement
    barred = finding.verdict is Verdict.NOT_INTERPRETABLE and measurement.measure not in READING
    return Place(
        scope=measurement.scope,
        where=in_words(measurement.scope, labels),
        result=measurement.result,
        finding=finding,
        barred=reason_of(finding) or str(finding.verdict) if barred else "",
        details=measurement.details,
    )


def _difference(one: Difference, finding: Finding | None, labels: Mapping[str, str]) -> Place:
    barred = one.verdict is Outcome.NOT_INTERPRETABLE
    return Place(
        scope=one.scope,
        where=in_words(one.scope, labels),
        result=one.estimate,
        finding=finding,
        barred="; ".join(one.notes) or str(one.verdict) if barred else "",
        details={} if one.noise_floor is None else {"noise_floor": one.noise_floor},
    )


def absent_from(rule: Rule, scopes: Sequence[Scope]) -> list[Scope]:
    """What a rule names that none of `scopes` is about; all of it as one where there are none.

    Every combination counts of the values that the rule lists: English and gender, English and age.
    """
    listed = {name: values for name, values in rule.chosen.items() if not isinstance(values, str)}
    missing = [
        Scope(suite=rule.suite, lens=rule.lens, **dict(zip(listed, values, strict=True)))
        for values in itertools.product(*listed.values())
        if not any(
            all(value in values_of(scope, name) for name, value in zip(listed, values, strict=True)) for scope in scopes
        )
    ]
    return missing if listed else [] if scopes else [Scope(suite=rule.suite, lens=rule.lens)]


def _absent(rule: Rule, places: Sequence[Place], labels: Mapping[str, str], *, unread: bool) -> list[Place]:
    """A place for everything that the rule names and the run has nothing on; one where there is nothing at all."""
    missing = absent_from(rule, [place.scope for place in places])
    why = (
        "the model reads none of its languages" if unread and not places else "nothing of this was measured in the run"
    )
    return [
        Place(scope=one, where=in_words(one, labels), result=Undefined(reason=why), finding=None) for one in missing
    ]
