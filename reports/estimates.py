"""Estimates as charts and tables, one of each for every kind of scope and unit."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

from audit.findings import FAMILY_LEVEL
from audit.records import Estimate, Finding, Undefined, Verdict
from audit.wording import N_, _, ngettext, spoken
from reports.blocks import Block, Column, Dot, Heading, Plot, Table, Text
from reports.case import STRENGTH, Case, surest_first
from reports.words import (
    NO_NUMBER,
    SCOPE_TITLES,
    amount,
    and_more,
    between,
    count,
    decimals_for,
    everything,
    figure,
    in_series,
    interval,
    level_of,
    listed,
    measure_name,
    number,
    p_value,
    scope_fields,
    scope_word,
    together,
    unit_name,
)

SCOPE_NOUNS = {
    # i18n: within a list of what estimates are told by, as in "by language and topic"
    "language": N_("language"),
    "other_language": N_("language compared with"),
    # i18n: within a list of what estimates are told by, as in "by language and topic"
    "topic": N_("topic"),
    # i18n: within a list of what estimates are told by, as in "by language and topic"
    "culture": N_("culture"),
    # i18n: within a list of what estimates are told by, as in "by language and topic"
    "framework": N_("framework"),
    "other_framework": N_("framework compared with"),
    # i18n: within a list of what estimates are told by, as in "by language and topic"
    "lens": N_("lens"),
}
PAIRS = {
    ("language", "other_language"): N_("pair of languages"),
    ("framework", "other_framework"): N_("pair of frameworks"),
}
IN_ERRORS = N_("standard errors from no effect")
MOST_ROWS, MOST_LEADS = 150, 40  # per table, and in its chart, of what was fixed before the run and of leads
MOST_REASONS, MOST_NAMED = 8, 12  # why numbers are missing, and rows that are named in a text
SIZE_WITHIN_A_LANGUAGE = ("nats", "bits per byte")  # units whose sizes no picture may set side by side


def charts_and_tables(
    case: Case, measure: str, group: Sequence[Finding], *, level: Literal[2, 3], drawn: bool = True
) -> list[Block]:
    """A table, and if `drawn` a chart, for each kind of scope (by language, by language and topic, ...) and unit."""
    panels = _panels(group)
    blocks: list[Block] = []
    for (fields, unit), members in panels.items():
        if len(panels) > 1:
            blocks.append(Heading(text=scope_title(fields), level=level))
        shown = _surest(members)
        if drawn:
            blocks += _plots(case, measure, fields, unit, shown)
        blocks += _tables(case, fields, unit, shown, more=len(members) - len(shown))
    return blocks


def shown_ids(group: Sequence[Finding]) -> frozenset[str]:
    """Ids of the findings of a measure that its tables show; the others are counted below them."""
    return frozenset(f.id for members in _panels(group).values() for f in _surest(members))


def _panels(group: Sequence[Finding]) -> dict[tuple[tuple[str, ...], str], list[Finding]]:
    """Findings by kind of scope and unit, the coarsest scopes first."""
    panels: dict[tuple[tuple[str, ...], str], list[Finding]] = {}
    for finding in sorted(group, key=lambda f: len(scope_fields(f.measurement.scope))):
        result = finding.measurement.result
        fields = scope_names(finding)
        unit = result.unit if isinstance(result, Estimate) else _unit_of(group, fields)
        panels.setdefault((fields, unit), []).append(finding)
    return panels


def _surest(members: Sequence[Finding]) -> list[Finding]:
    """As many of a panel as are shown, in the order they came."""
    most = MOST_ROWS if any(f.confirmatory for f in members) else MOST_LEADS
    ordered = sorted(members, key=lambda f: (STRENGTH.index(f.verdict), surest_first(f)))
    kept = {f.id for f in ordered[:most]}
    return [f for f in members if f.id in kept][:most]


def scope_names(finding: Finding) -> tuple[str, ...]:
    """Fields of the scope that a table shows as columns, the suite aside."""
    return tuple(name for name in scope_fields(finding.measurement.scope) if name != "suite")


def scope_title(fields: tuple[str, ...]) -> str:
    """Heading of the estimates that share these fields: "By language and topic"."""
    # i18n: heading; {fields} is a list of nouns, as in "By language and topic"
    return _("By {fields}", fields=_nouns(fields)) if fields else _("Overall")


def scope_by(fields: tuple[str, ...]) -> str:
    """The same within a sentence: "by language and topic"."""
    # i18n: within a sentence; {fields} is a list of nouns, as in "by language and topic"
    return _("by {fields}", fields=_nouns(fields)) if fields else _("overall")


def _nouns(fields: tuple[str, ...]) -> str:
    paired = {one: noun for (one, other), noun in PAIRS.items() if {one, other} <= set(fields)}
    seconds = {other for one, other in PAIRS if one in paired}
    return listed(_(paired.get(name, SCOPE_NOUNS[name])) for name in fields if name not in seconds)


def _unit_of(group: Sequence[Finding], fields: tuple[str, ...]) -> str:
    """Unit of the estimates with the same scope, for a measurement that came to none."""
    for finding in group:
        result = finding.measurement.result
        if isinstance(result, Estimate) and scope_names(finding) == fields:
            return result.unit
    return ""


def _plots(case: Case, measure: str, fields: tuple[str, ...], unit: str, members: Sequence[Finding]) -> list[Plot]:
    drawn = [(f, f.measurement.result) for f in members if isinstance(f.measurement.result, Estimate)]
    if not drawn or unit == "bits per byte":  # languages differ in bytes by letter: there is nothing to see
        return []
    in_errors = unit in SIZE_WITHIN_A_LANGUAGE
    split = len(fields) > 1 and len(drawn) > 14  # one small plot per value of the first field
    suites = {f.measurement.scope.suite for f, _ in drawn}
    dots = []
    for finding, estimate in drawn:
        words = [scope_word(finding.measurement.scope, name, labels=case.labels) for name in fields]
        if len(suites) > 1:
            words.append(finding.measurement.scope.suite or _("all suites"))
        value, low, high = in_standard_errors(finding, estimate) if in_errors else _as_measured(estimate)
        dots.append(
            Dot(
                panel=words[0] if split else "",
                label=" · ".join(_marked(case, finding, words[1:] if split else words)) or everything(),
                value=value,
                low=low,
                high=high,
                verdict=finding.verdict,
            )
        )
    nulls = {0.0} if in_errors else {e.null for _, e in drawn if e.null is not None}
    null = 0.0 if not nulls else next(iter(nulls)) if len(nulls) == 1 else None
    title, missing = measure_name(measure), len(members) - len(drawn)
    if in_errors:
        alt = _alt_in_errors(title, unit, dots, undefined=missing)
    else:
        alt = _alt(title, unit, dots, [e for _, e in drawn], undefined=missing)
    return [
        Plot(
            title=title,
            unit=_(IN_ERRORS) if in_errors else unit_name(unit),
            dots=tuple(dots),
            null=null,
            null_label=_null_label(null, tested=bool(nulls)),
            alt=alt,
        )
    ]


def _as_measured(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def in_standard_errors(finding: Finding, estimate: Estimate) -> tuple[float, float, float]:
    """Value and bounds as distances from the null in the estimate's own standard error.

    Where the measure gives no standard error, the one that a normal interval of the same width would have.
    """
    error = finding.measurement.details.get("standard_error")
    if error is None:
        error = (estimate.high - estimate.low) / (2 * NormalDist().inv_cdf((1 + estimate.level) / 2))
    null = estimate.null or 0.0
    if not error > 0:
        return 0.0, 0.0, 0.0
    value, low, high = ((number_ - null) / error for number_ in _as_measured(estimate))
    return value, low, high


def _alt_in_errors(title: str, unit: str, dots: Sequence[Dot], *, undefined: int) -> str:
    """Names what has evidence and ranks nothing: sizes of different languages do not compare."""
    found = [" · ".join(w for w in (d.panel, d.label) if w) for d in dots if d.verdict is Verdict.EVIDENCE]
    text = _(
        "{measure}: each effect and its interval in units of its own standard error, so that the picture shows how far "
        "from chance an effect is, not how large. Sizes in {unit} are in the table; they do not compare between "
        "languages. With evidence: {found}.",
        measure=title,
        unit=unit_name(unit),
        found=and_more(found, most=MOST_NAMED),
    )
    return together(text, _without_number(undefined))


def _without_number(n: int) -> str:
    """How many rows of the table are not in the picture."""
    if not n:
        return ""
    return ngettext("{n} without a number is in the table only.", "{n} without a number are in the table only.", n)


def _null_label(null: float | None, *, tested: bool) -> str:
    # i18n: what a dashed line in a chart stands for, after "Dashed line:"
    if null is None:
        return _("the value without any effect, which differs by row")
    # i18n: what a dashed line in a chart stands for
    return _("the value without any effect ({value})", value=figure(null, 3)) if tested else _("zero")


def _alt(title: str, unit: str, dots: Sequence[Dot], estimates: Sequence[Estimate], *, undefined: int) -> str:
    decimals = decimals_for(estimates)

    def told(dot: Dot) -> str:
        name = " · ".join(word for word in (dot.panel, dot.label) if word)
        value, low, high = (number(v, decimals=decimals) for v in (dot.value, dot.low, dot.high))
        # i18n: a row of a chart, its number and its interval
        return _("{name}, {value} ({interval})", name=name, value=value, interval=between(low, high))

    text = _("{measure}: estimates with intervals, in {unit}.", measure=title, unit=unit_name(unit))
    read = [dot for dot in dots if dot.verdict is not Verdict.NOT_INTERPRETABLE]
    if not read:
        more = _("None of them can be interpreted.")
    elif len(read) == 1:
        more = _("{estimate}.", estimate=told(read[0]))
    else:
        highest, lowest = max(read, key=lambda d: d.value), min(read, key=lambda d: d.value)
        more = _("Highest: {highest}. Lowest: {lowest}.", highest=told(highest), lowest=told(lowest))
    return together(text, more, _without_number(undefined))


def _tables(case: Case, fields: tuple[str, ...], unit: str, members: Sequence[Finding], *, more: int) -> list[Block]:
    """A table of the members, and how many `more` there are."""
    several = len({f.measurement.scope.suite for f in members}) > 1
    names = (*fields, "suite") if several else fields
    estimates = [f.measurement.result for f in members if isinstance(f.measurement.result, Estimate)]
    decimals = decimals_for(estimates)
    level = listed(sorted({level_of(e) for e in estimates})) if estimates else ""
    detects = any(f.confirmatory for f in members) and any(e.detectable is not None for e in estimates)
    # i18n: heading of a column: the smallest effect that the audit would have found
    detectable = (Column(title=_("Detectable"), width=1.4, align="right"),) if detects else ()
    chance = any(e.null for e in estimates)  # some value other than zero is what no effect looks like
    # i18n: heading of a column: the value that would be seen without any effect
    by_chance = (Column(title=_("By chance"), width=1.2, align="right"),) if chance else ()
    table = Table(
        columns=(
            *(Column(title=_(SCOPE_TITLES[name]), width=2.0 if detects else 2.6) for name in names or ("suite",)),
            Column(
                title=_("Estimate, {unit}", unit=unit_name(unit)) if unit else _("Estimate"), width=1.8, align="right"
            ),
            # i18n: heading of a column, as in "95 % interval"
            Column(title=_("{level} interval", level=level) if level else _("interval"), width=2.2, align="right"),
            *by_chance,
            Column(title=_("Items"), width=0.8, align="right"),
            Column(title=_("p adjusted"), width=1.3, align="right"),
            *detectable,
            Column(title=_("Verdict"), width=2.8),
            # i18n: heading of a column: the id of a finding
            Column(title=_("Id"), width=1.45),
        ),
        rows=tuple(_row(case, names, f, decimals=decimals, detects=detects, chance=chance) for f in members),
    )
    blocks: list[Block] = [table]
    if detects:
        blocks.append(Text(text=_detectable_text(estimates), style="small"))
    blocks += _undefined_texts(case, fields, members)
    if more:
        text = ngettext(
            "{n} more row is in findings.json; the surest are shown.",
            "{n} more rows are in findings.json; the surest are shown.",
            more,
        )
        blocks.append(Text(text=text, style="small"))
    return blocks


def _detectable_text(estimates: Sequence[Estimate]) -> str:
    margins = {amount(figure(e.margin, 2), e.unit) for e in estimates if e.margin is not None}
    text = _(
        "Detectable: the distance from the value without effect that would be found in four of five such audits, at "
        "the level left to one test of the family ({level} in all).",
        level=figure(FAMILY_LEVEL, 6),
    )
    if not margins:
        return text
    needed = _(
        "“No evidence” needs it to be at most the smallest that would matter, {amounts}.",
        amounts=listed(sorted(margins)),
    )
    return together(text, needed)


def _row(
    case: Case, names: tuple[str, ...], finding: Finding, *, decimals: int, detects: bool, chance: bool
) -> tuple[str | Verdict, ...]:
    scope, result = finding.measurement.scope, finding.measurement.result
    words = _marked(case, finding, [scope_word(scope, name, labels=case.labels) for name in names] or [everything()])
    if isinstance(result, Undefined):
        none = (NO_NUMBER,) * (2 + chance)
        last = (NO_NUMBER,) if detects else ()
        # i18n: stands in a table where there is no number; the reason stands below
        return (
            *words,
            _("undefined"),
            *none,
            p_value(finding.p_adjusted),
            *last,
            finding.verdict,
            case.short_id(finding),
        )
    detectable = NO_NUMBER if result.detectable is None else number(result.detectable, decimals=decimals)
    return (
        *words,
        number(result.value, decimals=decimals),
        interval(result, decimals=decimals),
        *((NO_NUMBER if result.null is None else number(result.null, decimals=decimals),) if chance else ()),
        count(result.n_clusters),
        p_value(finding.p_adjusted),
        *((detectable,) if detects else ()),
        finding.verdict,
        case.short_id(finding),
    )


def _marked(case: Case, finding: Finding, words: list[str]) -> list[str]:
    """The words, the first with a mark before it where the finding is contested."""
    if not words or finding.id not in case.contested:
        return words
    # i18n: before the language, culture or topic of a finding that somebody contests
    return [_("Contested: {what}", what=words[0]), *words[1:]]


def _undefined_texts(case: Case, fields: tuple[str, ...], members: Sequence[Finding]) -> list[Text]:
    """Each reason once, with the rows it holds for."""
    rows: dict[str, list[str]] = {}
    for finding in members:
        if isinstance(finding.measurement.result, Undefined):
            words = [scope_word(finding.measurement.scope, name, labels=case.labels) for name in fields]
            rows.setdefault(finding.measurement.result.reason, []).append(" · ".join(words) or everything())
    texts = []
    for reason, where in list(rows.items())[:MOST_REASONS]:
        left = len(where) - MOST_NAMED
        more = [ngettext("and {n} more", "and {n} more", left)] if left > 0 else []
        text = _(
            "Undefined: {reason} ({rows}).",
            reason=case.spelled_out(spoken(reason)),
            rows=in_series([*where[:MOST_NAMED], *more]),
        )
        texts.append(Text(text=text, style="small"))
    if len(rows) > MOST_REASONS:
        text = ngettext(
            "{n} more reason is in findings.json.",
            "{n} more reasons are in findings.json.",
            len(rows) - MOST_REASONS,
        )
        texts.append(Text(text=text, style="small"))
    return texts
