"""Whether people agree, and whether they find worse what was measured as stronger."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from audit.measures.agreement import Agreement, agreements, community_difference
from audit.measures.people import JUDGEMENT, SEVERITY, Question, answers, communities_apart
from audit.measures.severity import severity_association
from audit.records import Estimate, Undefined
from audit.wording import N_, _, spoken
from reports import judgement_charts
from reports.blocks import Block, Column, Heading, Picture, Table, Text
from reports.judgement_charts import Interval
from reports.people import QUESTIONS, Told, everybody, p_within
from reports.words import (
    NO_NUMBER,
    between,
    count,
    in_series,
    interval,
    level_of,
    number,
    p_value,
    percent,
    started,
    together,
)

DIFFERENCE = {  # whether communities differ: what is said of each question
    "judgement": {
        "undefined": N_("Whether communities judge findings differently cannot be said: {reason}."),
        "further": N_(
            "Communities judge findings differently: two people of different communities lie {share} of the scale "
            "further apart than two of the same one ({bounds})."
        ),
        "closer": N_(
            "Communities judge findings differently: two people of different communities lie {share} of the scale "
            "closer together than two of the same one ({bounds})."
        ),
        "none": N_(
            "No systematic difference was found in how communities judge findings: two people of different communities "
            "lie {share} of the scale further apart than two of the same one ({bounds})."
        ),
    },
    "severity": {
        "undefined": N_("Whether communities rate the severity of findings differently cannot be said: {reason}."),
        "further": N_(
            "Communities rate the severity of findings differently: two people of different communities lie {share} of "
            "the scale further apart than two of the same one ({bounds})."
        ),
        "closer": N_(
            "Communities rate the severity of findings differently: two people of different communities lie {share} of "
            "the scale closer together than two of the same one ({bounds})."
        ),
        "none": N_(
            "No systematic difference was found in how communities rate the severity of findings: two people of "
            "different communities lie {share} of the scale further apart than two of the same one ({bounds})."
        ),
    },
}


def agreement_pages(told: Told) -> tuple[Block, ...]:
    """Agreement within and between communities, and whether these differ."""
    found = [a for a in agreements(told.judgements) if a.metric == "ordinal"]
    blocks: list[Block] = [
        Heading(text=_("Do people agree?"), level=2),
        Text(
            text=_(
                "Alpha is 1 where people always give the same answer, 0 where they agree no more than by chance, and "
                "below 0 where they contradict each other (Krippendorff; answers in their order). Within: any two "
                "people of one community. Between: one of each of two communities. Low agreement is no fault of "
                "anybody's: it says that the question has more than one answer."
            )
        ),
    ]
    dots = tuple(
        Interval(
            label=_who(told, a),
            panel=started(_(QUESTIONS[a.question])),
            kind="between" if a.other else "within",
            value=a.result.value,
            low=a.result.low,
            high=a.result.high,
        )
        for a in found
        if isinstance(a.result, Estimate)
    )
    if dots:
        blocks.append(Picture(draw=functools.partial(judgement_charts.agreement, dots), alt=_agreement_alt(dots)))
    blocks += [_agreement_table(told, found), *_no_agreement(told, found)]
    blocks += [Text(text=_difference_text(told, question)) for question in (JUDGEMENT, SEVERITY)]
    return tuple(blocks)


def _who(told: Told, agreement: Agreement) -> str:
    if not agreement.community:
        return everybody()
    if agreement.other:
        return f"{told.name(agreement.community)} – {told.name(agreement.other)}"
    return told.name(agreement.community)


def _agreement_alt(dots: Sequence[Interval]) -> str:
    kinds = {dot.kind for dot in dots}
    text = _("Agreement (alpha) with its 95 % interval. Dashed line: chance.")
    return together(text, _("Hollow: between two communities.") if "between" in kinds else "")


def _agreement_table(told: Told, found: Sequence[Agreement]) -> Table:
    columns = (
        Column(title=_("Who"), width=3),
        Column(title=_("People"), width=0.9, align="right"),
        Column(title=_("Judgement: alpha"), width=1.3, align="right"),
        Column(title=_("95 % interval"), width=1.8, align="right"),
        Column(title=_("Findings"), width=1, align="right"),
        Column(title=_("Severity: alpha"), width=1.3, align="right"),
        Column(title=_("95 % interval"), width=1.8, align="right"),
    )
    rows: dict[tuple[str, str], dict[str, Agreement]] = {}
    for agreement in found:
        rows.setdefault((agreement.community, agreement.other), {})[agreement.question] = agreement
    return Table(columns=columns, rows=tuple(_agreement_row(told, by) for by in rows.values()))


def _agreement_row(told: Told, by: Mapping[str, Agreement]) -> tuple[str, ...]:
    any_ = next(iter(by.values()))
    judged, severe = (by.get(q.name) for q in (JUDGEMENT, SEVERITY))
    n = judged.result.n_clusters if judged is not None and isinstance(judged.result, Estimate) else None
    people = any_.people
    return (
        _who(told, any_),
        NO_NUMBER if people is None else count(people),
        *_alpha_cells(judged),
        NO_NUMBER if n is None else count(n),
        *_alpha_cells(severe),
    )


def _alpha_cells(agreement: Agreement | None) -> tuple[str, str]:
    if agreement is None or isinstance(agreement.result, Undefined):
        return _("undefined"), NO_NUMBER
    return number(agreement.result.value, decimals=2), interval(agreement.result, decimals=2)


def _no_agreement(told: Told, found: Sequence[Agreement]) -> list[Block]:
    """Each reason for a missing number once, with the rows that it holds for; and how intervals were made."""
    reasons: dict[str, list[str]] = {}
    for agreement in found:
        if isinstance(agreement.result, Undefined):
            row = f"{_who(told, agreement)} ({_(QUESTIONS[agreement.question])})"
            reasons.setdefault(agreement.result.reason, []).append(row)
    methods = sorted({a.result.method for a in found if isinstance(a.result, Estimate)})
    texts = [
        _("Undefined: {reason} ({rows}).", reason=spoken(reason), rows=in_series(rows))
        for reason, rows in reasons.items()
    ]
    texts += [_("Intervals: {methods}.", methods=in_series(map(spoken, methods[:4])))] if methods else []
    return [Text(text=text, style="small") for text in texts]


def _difference_text(told: Told, question: Question) -> str:
    found = community_difference(told.judgements, question=question)
    messages = DIFFERENCE[question.name]
    if isinstance(found, Undefined):
        return _(messages["undefined"], reason=spoken(found.reason))
    bounds = _(
        "{level} interval {bounds}, {p}",
        level=level_of(found),
        bounds=between(percent(found.low), percent(found.high)),
        p=p_within(found.p_value),
    )
    if found.p_value is not None and found.p_value <= 1 - found.level:
        which = "further" if found.value >= 0 else "closer"
        return _(messages[which], share=percent(abs(found.value)), bounds=bounds)
    return _(messages["none"], share=percent(found.value), bounds=bounds)


def severity_pages(told: Told) -> tuple[Block, ...]:
    """Whether people find those findings worse that were measured as stronger."""
    named = communities_apart(answers(told.judgements, SEVERITY))
    found = {c: severity_association(told.judgements, told.case.findings, community=c) for c in ("", *named)}
    text = _(
        "Do people find those findings worse that the audit measured as stronger? Compared are pairs of findings that "
        "one person judged and whose sizes compare (same measure and unit, for effects in nats the same language). "
        "Concordance: how many more of these pairs have the stronger finding called worse than called less bad; 1 is "
        "always, 0 is no connection."
    )
    head = (Heading(text=_("Severity and measured strength"), level=2), Text(text=text))
    if all(isinstance(result, Undefined) for result in found.values()):
        pooled = found[""]
        assert isinstance(pooled, Undefined)
        return (*head, Text(text=_("It cannot be said: {reason}.", reason=spoken(pooled.reason))))
    columns = (
        Column(title=_("Who"), width=3),
        Column(title=_("Concordance"), width=1.4, align="right"),
        Column(title=_("95 % interval"), width=2, align="right"),
        Column(title="p", width=1, align="right"),
        Column(title=_("Findings"), width=1, align="right"),
        Column(title=_("Pairs"), width=1, align="right"),
    )
    rows = tuple(_severity_row(told, community, result) for community, result in found.items())
    reasons = [
        Text(
            text=_(
                "Undefined: {reason} ({rows}).",
                reason=spoken(result.reason),
                rows=told.name(c) if c else everybody(),
            ),
            style="small",
        )
        for c, result in found.items()
        if isinstance(result, Undefined)
    ]
    return (*head, Table(columns=columns, rows=rows), *reasons)


def _severity_row(told: Told, community: str, result: Estimate | Undefined) -> tuple[str, ...]:
    who = told.name(community) if community else everybody()
    if isinstance(result, Undefined):
        return (who, _("undefined"), *[NO_NUMBER] * 4)
    value, bounds = number(result.value, decimals=2), interval(result, decimals=2)
    return (who, value, bounds, p_value(result.p_value), count(result.n_clusters), count(result.n_items))
