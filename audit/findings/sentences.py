"""The one sentence that states a finding; terminal, app and PDF print the same, in any language.

A sentence speaks of the model's text prediction on the suite's items, never of what the model believes or does. It is
kept with its parts (audit.wording): the subject, what is claimed of it, and the number are each said whole in one
message, so that no translator has to glue words together. Which message it is, the tables of audit.findings.tables
say.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.findings.tables import AGAINST, BY_CHANCE, CLAIMS, CLAIMS_ALONE, EFFECTS, SUBJECTS
from audit.records import Estimate, Finding, Manifest, Measurement, Undefined, Verdict
from audit.terms import amount, counted, lens_name
from audit.wording import Label, LanguageName, Listed, Number, Said, Share, Value, said

USUAL_POWER = 0.8  # said in words
GAP = "gap_"  # details of an underrepresentation: this and the lens


def sentence_of(measurement: Measurement, verdict: Verdict, *, barred: str, manifest: Manifest) -> Said:
    """One plain sentence: what was found, the number with unit and interval, its null, and how much it rests on.

    Args:
        measurement: with its margin and detectable distance filled in.
        verdict: as weighed.
        barred: why the cell must not be interpreted, "" if it may be.
        manifest: names of suites' topics, cultures and frameworks.
    """
    result = measurement.result
    if measurement.measure == "competence" and isinstance(result, Estimate):
        return _reading(measurement, result, verdict)
    names = _names(measurement, manifest)
    subject = said(SUBJECTS[measurement.measure][_shape(measurement)], **names)
    if barred:
        # i18n: {subject} is a heading such as "Stereotyped answers in French", {why} a complete clause
        return said(
            "{subject}: not interpretable, because {why}; finding nothing here would not be good news.",
            subject=subject,
            why=barred,
        )
    if isinstance(result, Undefined):
        # i18n: {subject} is a heading such as "Stereotyped answers in French", {why} a complete clause
        return said("{subject}: no number, because {why}.", subject=subject, why=result.reason)
    number = number_of(measurement.measure, result)
    if verdict is Verdict.EVIDENCE:
        return _evidence(measurement, result, names, number)
    none, unsure = (said(message) for message in EFFECTS[measurement.measure])
    if verdict is Verdict.NO_EVIDENCE:
        return _no_evidence(result, subject, none, number)
    # i18n: {insufficient} is a clause "insufficient evidence to say whether there is ..."
    return said("{subject}: {insufficient}; measured: {number}.", subject=subject, insufficient=unsure, number=number)


def reason_of(finding: Finding) -> str:
    """Why a finding is not interpretable or has no number, as its sentence has it; "" where there is no such reason.

    Findings of older files keep only the English of their sentences; of those, the reason of a missing number is known.
    """
    why = finding.sentence.values.get("why") if isinstance(finding.sentence, Said) else None
    if isinstance(why, str):
        return why
    result = finding.measurement.result
    return result.reason if isinstance(result, Undefined) else ""


def _names(measurement: Measurement, manifest: Manifest) -> dict[str, Value]:
    """What the scope is made of, as values of a sentence."""
    scope = measurement.scope
    labels: Mapping[str, str] = next((suite.labels for suite in manifest.suites if suite.name == scope.suite), {})
    names: dict[str, Value] = {
        name: Label(labels.get(value, value))
        for name in ("topic", "culture", "framework", "other_framework")
        if (value := getattr(scope, name))
    }
    names |= {name: LanguageName(value) for name in ("language", "other_language") if (value := getattr(scope, name))}
    return names | ({"lens": lens_name(scope.lens)} if scope.lens else {})


def _shape(measurement: Measurement, *, languages: bool = True) -> str:
    """The fields of the scope that a table of messages tells apart: "language topic"."""
    told = [
        *(("language", "other_language") if languages else ()),
        *("topic", "culture", "framework", "other_framework"),
    ]
    return " ".join(name for name in told if getattr(measurement.scope, name))


def _reading(measurement: Measurement, result: Estimate, verdict: Verdict) -> Said:
    values: dict[str, Value] = {
        "language": LanguageName(measurement.scope.language),
        "share": Share(result.value),
        "count": counted(result),
        "low": Share(result.low),
        "high": Share(result.high),
    }
    if verdict is Verdict.EVIDENCE:
        # i18n: {count} is as in "28 templates"
        return said(
            "The model reads {language} well enough for its other results to be interpreted: it finds the true "
            "continuation likelier than a broken one in {share} of {count} (95 % interval {low} to {high}).",
            **values,
        )
    # i18n: {count} is as in "28 templates"
    return said(
        "The model cannot be taken to read {language}: it finds the true continuation likelier than a broken one in "
        "{share} of {count} (95 % interval {low} to {high}); its other results there are not interpretable.",
        **values,
    )


def _evidence(measurement: Measurement, result: Estimate, names: Mapping[str, Value], number: Said) -> Said:
    """What the evidence shows, and no more."""
    alone = CLAIMS_ALONE.get(measurement.measure)
    forms = alone or CLAIMS[measurement.measure]
    up, down = forms[_shape(measurement, languages=alone is not None)]
    claim = said(up if result.value > (result.null or 0.0) else down, **names, **_lowest(measurement))
    if alone:
        # i18n: {claim} is a complete clause, {number} the figure with its interval
        return said("{claim}: {number}.", claim=claim, number=number)
    if language := names.get("language"):
        # i18n: {claim} is a complete clause, {number} the figure with its interval
        return said("In {language}, {claim}: {number}.", language=language, claim=claim, number=number)
    # i18n: {claim} is a complete clause, {number} the figure with its interval
    return said("Over the readable languages, {claim}: {number}.", claim=claim, number=number)


def _lowest(measurement: Measurement) -> dict[str, Value]:
    """The two lenses in which a culture is furthest below the others, where that was measured."""
    gaps = {name.removeprefix(GAP): gap for name, gap in measurement.details.items() if name.startswith(GAP)}
    lowest = sorted(gaps, key=lambda one: gaps[one])[:2]
    return {"lowest": Listed(tuple(map(lens_name, lowest)))} if lowest else {}


def _no_evidence(result: Estimate, subject: Said, none: Said, number: Said) -> Said:
    assert result.detectable is not None, "the verdict rests on it"
    size = amount(Number(result.detectable), result.unit)
    if result.power in (None, USUAL_POWER):
        # i18n: {none} is a clause "no evidence of ...", {size} a figure with its unit
        return said(
            "{subject}: {none}, and an effect of {size} would have been found in four of five such audits; measured: "
            "{number}.",
            subject=subject,
            none=none,
            size=size,
            number=number,
        )
    # i18n: {none} is a clause "no evidence of ...", {size} a figure with its unit, {power} a share
    return said(
        "{subject}: {none}, and an effect of {size} would have been found in {power} of such audits; measured: "
        "{number}.",
        subject=subject,
        none=none,
        size=size,
        power=Share(result.power or 0.0),
        number=number,
    )


def number_of(measure: str, result: Estimate) -> Said:
    """As in "+0.42 nats (95 % interval +0.10 to +0.74), from 28 templates"; the null where it is not 0."""
    signed = result.null == 0.0 or min(result.low, result.null or 0.0) < 0
    value, low, high = (Number(x, signed=signed) for x in (result.value, result.low, result.high))
    values: dict[str, Value] = {
        "value": amount(value, result.unit),
        "level": Number(100 * result.level, decimals=0),
        "low": low,
        "high": high,
        "count": counted(result),
    }
    if not result.null:
        # i18n: {value} is a figure with its unit, {level} as in "95", {count} as in "28 templates"
        return said("{value} ({level} % interval {low} to {high}), from {count}", **values)
    against = said(AGAINST.get(measure, BY_CHANCE), null=Number(result.null, signed=signed))
    # i18n: {value} is a figure with its unit, {against} as in "against 0.50 expected by chance", {count} "28 templates"
    return said("{value} ({level} % interval {low} to {high}), {against}, from {count}", **values, against=against)
