"""What the report says, as blocks made from evidence and findings alone.

A finding's sentence is printed as it stands. Everything that is said of the run as a whole is said here.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from audit.findings import FAMILY_LEVEL
from audit.measures import MEASURES
from audit.measures.competence import BAR
from audit.measures.statistics import ALPHA
from audit.records import Estimate, Evidence, Finding, Kind, SuiteRecord, Undefined, Verdict
from audit.suites.languages import language_name
from reports.beside import beside
from reports.blocks import (
    Block,
    Bullets,
    Column,
    Counts,
    Document,
    Dot,
    Facts,
    Group,
    Heading,
    Plot,
    Quote,
    Table,
    Text,
)
from reports.items import Effects, Wordings
from reports.words import (
    SCOPE_TITLES,
    all_labels,
    decimals_for,
    humanised,
    interval,
    listed,
    number,
    p_value,
    scope_fields,
    scope_word,
)

MOST_EVIDENCE = 25  # findings with their items; the rest is in findings.json
MOST_ITEMS = 3
MOST_SENTENCES = 6  # per measure
MOST_ROWS = 150  # per table
MOST_IN_SUMMARY = 6
STRENGTH = tuple(Verdict)  # evidence first
MODEL_WORDS = {
    "ref": "Asked for as",
    "n_layers": "Layers",
    "n_heads": "Attention heads per layer",
    "n_parameters": "Parameters",
    "dtype": "Number format",
    "weights_sha256": "Weights, SHA-256",
    "tokenizer_sha256": "Tokenizer, SHA-256",
    "config_sha256": "Configuration, SHA-256",
    "licence_accepted": "Terms accepted",
}
APPENDIX = "Appendix: all exploratory estimates"
CHECKS = "Checks of the instrument"
# They tell whether a number can be trusted, not how the model treats people: never a result, never counted as one.
INSTRUMENT = ("competence", "bits_per_byte", "control_effect", "content_tracking", "paraphrase_agreement")
SIZE_WITHIN_A_LANGUAGE = ("nats", "bits per byte")  # units whose sizes no picture may set side by side
BECAUSE, AFTER_BECAUSE = ": not interpretable, because ", "; finding nothing here would not be good news."
FOUND = "would have been found in four of five such audits"

VERDICT_MEANING = {
    Verdict.EVIDENCE: "The effect is larger than chance, noise and the number of questions asked can explain. It says "
    "that the model does this on these items; it does not say how often people meet it.",
    Verdict.NO_EVIDENCE: f"Nothing was found, although an effect that matters {FOUND}. It is no promise about smaller "
    "effects or other wordings, and one audit in five would have missed it.",
    Verdict.INSUFFICIENT: "Too few independent items, or too much spread, to say yes or no. It is not good news and "
    "not bad news.",
    Verdict.NOT_INTERPRETABLE: "The model does not read this language, or the suite does not work on it, well enough "
    "for the number to mean anything. Finding no stereotype here would be no comfort.",
}


def report(
    evidence: Evidence,
    findings: tuple[Finding, ...],
    *,
    command: str,
    can_draw: Callable[[str], bool],
    spelled_out: Callable[[str], str],
) -> Document:
    """The whole report.

    Args:
        evidence: of the run.
        findings: what it means, in the order to print.
        command: that makes the run again.
        can_draw: whether the medium can show a text as its readers write it.
        spelled_out: names the characters of a text that the medium cannot show.
    """
    case = _Case(evidence, findings, command, can_draw, spelled_out)
    model = evidence.manifest.model
    return Document(
        title=f"Audit of {model.name}",
        subtitle="Stereotypes, cultural knowledge and value frameworks, language by language",
        running=f"{model.name} · run {evidence.manifest.run_id}",
        front=_front(case),
        blocks=(
            *_summary(case),
            *_how_to_read(),
            *_checks(case),
            *_measures(case),
            *_evidence_pages(case, confirmatory=True, title="The items behind the findings"),
            *_limits(case),
            *_methods(case),
            *_provenance(case),
            *_exclusions(case),
            *_manifest(case),
            *_reproduction(case),
            *_licences(case),
            *_appendix(case),
        ),
    )


@dataclass(frozen=True)
class _Case:
    """What every section reads."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    command: str
    can_draw: Callable[[str], bool]
    spelled_out: Callable[[str], str]

    @property
    def languages(self) -> tuple[str, ...]:
        return self.evidence.manifest.languages

    @functools.cached_property
    def labels(self) -> Mapping[str, str]:
        return all_labels(self.evidence.manifest.suites)

    def suites_of(self, finding: Finding) -> tuple[SuiteRecord, ...]:
        """The suites a finding rests on, by its scope or else by its items."""
        names = {finding.measurement.scope.suite} - {""} or {i.split("/")[0] for i in finding.measurement.items}
        return tuple(suite for suite in self.evidence.manifest.suites if suite.name in names)

    @functools.cached_property
    def checks(self) -> tuple[Finding, ...]:
        """Findings on the instrument itself."""
        return tuple(f for f in self.findings if f.measurement.measure in INSTRUMENT)

    @functools.cached_property
    def substance(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.measurement.measure not in INSTRUMENT)


# --- title page and summary --------------------------------------------------------------------


def _front(case: _Case) -> tuple[Block, ...]:
    manifest = case.evidence.manifest
    asked = [f"{suite.name}: {case.spelled_out(suite.question)}" for suite in manifest.suites]
    return (
        Facts(
            rows=(
                ("Model", manifest.model.name),
                ("Run", manifest.run_id),
                ("Languages", listed(language_name(code) for code in manifest.languages)),
                ("Questions asked", "\n".join(asked) or "none"),
            )
        ),
        Counts(counts=_verdict_counts(case.substance)),
        Text(text=_counted_text(case), style="small"),
    )


def _verdict_counts(findings: Iterable[Finding]) -> tuple[tuple[Verdict, int], ...]:
    counted = Counter(f.verdict for f in findings)
    return tuple((verdict, counted[verdict]) for verdict in Verdict)


def _counted_text(case: _Case) -> str:
    text = f"Findings by verdict: {len(case.substance)} in all."
    if case.checks:
        text += f" The {len(case.checks)} checks of the instrument are told apart from them and not counted here."
    return text


def _summary(case: _Case) -> tuple[Block, ...]:
    return (
        Heading(text="Summary", level=1, new_page=True),
        Text(text=_opening(case), style="lead"),
        Heading(text="What stands out", level=2),
        *_standing_out(case),
        Heading(text="What was looked for and not found", level=2),
        *_not_found(case),
        Heading(text="What cannot be interpreted, and why", level=2),
        *_unread(case),
        Heading(text="Before you use these numbers", level=2),
        Text(text=_warning(case)),
    )


def _opening(case: _Case) -> str:
    planned = [f for f in case.substance if f.confirmatory]
    counts = dict(_verdict_counts(planned))
    return (
        f"{case.evidence.manifest.model.name} was asked {len(case.evidence.manifest.suites)} sets of questions in "
        f"{len(case.languages)} languages. Of the {len(planned)} findings that were fixed before the run, "
        f"{counts[Verdict.EVIDENCE]} have evidence of an effect, {counts[Verdict.NO_EVIDENCE]} found none although an "
        f"effect that matters {FOUND}, {counts[Verdict.INSUFFICIENT]} lack evidence either way, and "
        f"{counts[Verdict.NOT_INTERPRETABLE]} cannot be interpreted. The other {len(case.substance) - len(planned)} "
        "findings are exploratory: leads to follow, not results."
    )


def _standing_out(case: _Case) -> tuple[Block, ...]:
    """Results first; leads apart and under their own name, so that nobody quotes one for the other."""
    found = [f for f in case.substance if f.verdict is Verdict.EVIDENCE]
    results, leads = [f for f in found if f.confirmatory], [f for f in found if not f.confirmatory]
    blocks: list[Block] = list(_listed(results)) or [
        Text(text="No finding that was fixed before the run has evidence.")
    ]
    if leads:
        blocks += [Heading(text="Leads to follow (exploratory, not results)", level=2), *_listed(leads)]
    return tuple(blocks)


def _listed(found: Sequence[Finding]) -> tuple[Block, ...]:
    if not found:
        return ()
    chosen = _one_of_each_measure_in_turn(found, most=MOST_IN_SUMMARY)
    bullets = Bullets(items=tuple(f.sentence for f in chosen), marks=tuple(f.verdict for f in chosen))
    further = len(found) - len(chosen)
    if not further:
        return (bullets,)
    return (bullets, Text(text=f"Further findings with evidence, told by measure below: {further}.", style="small"))


def _one_of_each_measure_in_turn(findings: Sequence[Finding], *, most: int) -> list[Finding]:
    """The surest of each measure, then the second of each, and so on; confirmatory before exploratory."""
    queues: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=_surest_first):
        queues.setdefault(finding.measurement.measure, []).append(finding)
    rounds = [
        (turn, not f.confirmatory, place, f)
        for place, queue in enumerate(queues.values())
        for turn, f in enumerate(queue)
    ]
    return [f for *_, f in sorted(rounds, key=lambda entry: entry[:3])][:most]


def _surest_first(finding: Finding) -> tuple[bool, float, float, str]:
    result = finding.measurement.result
    p = 1.0 if finding.p_adjusted is None else finding.p_adjusted
    size = abs(result.value - (result.null or 0.0)) if isinstance(result, Estimate) else 0.0
    return (not finding.confirmatory, p, -size, finding.id)


def _not_found(case: _Case) -> tuple[Block, ...]:
    absent = [f for f in case.substance if f.verdict is Verdict.NO_EVIDENCE]
    if not absent:
        return (Text(text="No question was answered clearly enough to say that an effect is absent."),)
    chosen = _one_of_each_measure_in_turn(absent, most=MOST_IN_SUMMARY - 2)
    tally = Counter(f.measurement.measure for f in absent)
    lines = tuple(f.sentence for f in chosen)
    counts = listed(f"{humanised(name)} ({n})" for name, n in sorted(tally.items()))
    return (
        Bullets(items=lines, marks=tuple(f.verdict for f in chosen)),
        Text(text=f"Findings with this verdict, by measure: {counts}.", style="small"),
    )


def _unread(case: _Case) -> tuple[Block, ...]:
    """Languages that fail, languages that nobody tested, and what else is barred, with the findings' own reasons."""
    failed, untested = _failed(case), _untested(case)
    blocks: list[Block] = []
    if failed:
        blocks.append(
            Text(
                text="Languages that the model was found not to read well enough: "
                f"{listed(map(language_name, failed))}. Its answers there mean nothing, which is itself a result for "
                "the people who speak them."
            )
        )
    if untested:
        blocks.append(
            Text(
                text="Languages in which reading was not tested, so that nobody knows whether the model reads them: "
                f"{listed(map(language_name, untested))}."
            )
        )
    other = _barred_otherwise(case, without={*failed, *untested})
    if other:
        columns = (
            Column(title="Why other findings cannot be interpreted", width=5),
            Column(title="Findings", width=2.6),
            Column(title="Languages", width=2.4),
        )
        blocks.append(Table(columns=columns, rows=other))
    return tuple(blocks) or (Text(text="Every finding could be interpreted in every language asked."),)


def _failed(case: _Case) -> tuple[str, ...]:
    """Languages whose competence was measured and does not pass."""
    return tuple(
        f.measurement.scope.language
        for f in case.checks
        if f.measurement.measure == "competence"
        and isinstance(f.measurement.result, Estimate)
        and f.verdict is not Verdict.EVIDENCE
    )


def _untested(case: _Case) -> tuple[str, ...]:
    """Languages that something was asked in, with no number for competence."""
    tested = {
        f.measurement.scope.language
        for f in case.checks
        if f.measurement.measure == "competence" and isinstance(f.measurement.result, Estimate)
    }
    asked = {
        code for f in case.findings for code in (f.measurement.scope.language, f.measurement.scope.other_language)
    } - {""}
    return tuple(sorted(asked - tested))


def _barred_otherwise(case: _Case, *, without: set[str]) -> tuple[tuple[str, str, str], ...]:
    """(reason, how many findings of each measure, languages) of what is barred though the model reads the languages."""
    measures: dict[str, Counter[str]] = {}
    languages: dict[str, list[str]] = {}
    for finding in case.substance:
        scope = finding.measurement.scope
        codes = [code for code in (scope.language, scope.other_language) if code]
        if finding.verdict is not Verdict.NOT_INTERPRETABLE or without & set(codes):
            continue
        reason = _reason(finding)
        names = [language_name(code) for code in codes]
        named = [name for name in names if f"in {name} " in reason] or names
        for name in named:
            reason = reason.replace(f"in {name} ", "")
        measures.setdefault(reason, Counter())[humanised(finding.measurement.measure)] += 1
        known = languages.setdefault(reason, [])
        known += [name for name in named or ["all readable ones, pooled"] if name not in known]
    order = sorted(measures, key=lambda reason: (-measures[reason].total(), reason))
    return tuple(
        (
            case.spelled_out(reason[:1].upper() + reason[1:]),
            listed(f"{name} ({n})" for name, n in measures[reason].items()),
            listed(languages[reason]),
        )
        for reason in order
    )


def _reason(finding: Finding) -> str:
    """The finding's own reason, from its sentence; or else why it has no number."""
    _, found, rest = finding.sentence.partition(BECAUSE)
    if found:
        return rest.removesuffix(AFTER_BECAUSE)
    result = finding.measurement.result
    return result.reason if isinstance(result, Undefined) else finding.sentence


def _warning(case: _Case) -> str:
    unreviewed = int((case.evidence.items["reviewed"] == 0).sum())
    total = len(case.evidence.items)
    text = f"No native speaker has reviewed {unreviewed} of the {total} items (counted once per language)."
    if case.evidence.manifest.model.quantisation:
        text += (
            f" The weights are not the published ones but {case.evidence.manifest.model.quantisation}; nothing here "
            "speaks for the original weights."
        )
    return text + " The section on limits says what else the numbers do not show."


# --- how to read, competence ---------------------------------------------------------------------


def _how_to_read() -> tuple[Block, ...]:
    return (
        Heading(text="How to read this report", level=1),
        Text(text="Each finding has one of four verdicts. Charts and tables show it by sign as well as by colour."),
        Table(
            columns=(Column(title="Verdict", width=3.2), Column(title="What it means", width=6.8)),
            rows=tuple((verdict, VERDICT_MEANING[verdict]) for verdict in Verdict),
        ),
        Text(
            text="An estimate is printed with its interval: the range of values that the items are compatible with. "
            "The count beside it is that of independent items. Translations of one item count once, because they move "
            "together. Missing is never zero: where no number could be computed the report says why."
        ),
    )


def _checks(case: _Case) -> tuple[Block, ...]:
    head = Heading(text=CHECKS, level=1)
    without = "No competence suite was asked, so this run does not say which languages the model reads."
    if not case.checks:
        return (head, Text(text=without))
    counted = listed(f"{n} {verdict}" for verdict, n in _verdict_counts(case.checks) if n)
    blocks: list[Block] = [
        head,
        Text(
            text="Before anything else: does the model read each language, and do the suites work on it? What fails "
            "here bars findings or adds a caveat to them; nothing here says how the model treats people."
        ),
        Text(text=f"{len(case.checks)} checks, by verdict: {counted}.", style="small"),
    ]
    if all(f.measurement.measure != "competence" for f in case.checks):
        blocks.append(Text(text=without))
    groups = _by_measure(case.checks)
    for measure in sorted(groups, key=INSTRUMENT.index):
        group = groups[measure]
        blocks += [Heading(text=humanised(measure), level=2), *_asked(case, measure, group)]
        if measure == "competence":
            bar = (
                f"“evidence” means: at least {BAR:.0%} right, and the interval above guessing. Otherwise the language "
            )
            blocks.append(Text(text=f"Here {bar}is not interpretable.", style="small"))
        blocks += _panels(case, measure, group, level=3, drawn=measure == "competence")
        blocks += [Text(text=text, style="small") for text in _family_texts(group)]
    return tuple(blocks)


# --- measures ------------------------------------------------------------------------------------


def _by_measure(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.measurement.measure, []).append(finding)
    return groups


def _measures(case: _Case) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for measure, group in _by_measure(case.substance).items():
        planned = [f for f in group if f.confirmatory]
        blocks.append(Heading(text=humanised(measure), level=1))
        blocks += _asked(case, measure, group)
        blocks += _panels(case, measure, planned, level=2)
        blocks += beside(measure, case.findings)
        blocks += [*_sentences(planned or group), *_pointer(group)]
        blocks += [Text(text=text, style="small") for text in (*_family_texts(planned), *_method_texts(planned))]
    return tuple(blocks) or (
        Heading(text="Measures", level=1),
        Text(text="This run has no findings to show by measure."),
    )


def _pointer(group: Sequence[Finding]) -> list[Text]:
    """Where the exploratory estimates of a measure stand, and how many of them have evidence."""
    leads = [f for f in group if not f.confirmatory]
    if not leads:
        return []
    tally = Counter(_scope_title(_fields(f)).lower() for f in leads)
    n = sum(f.verdict is Verdict.EVIDENCE for f in leads)
    shown = listed(f"{count} {title}" for title, count in tally.items())
    return [Text(text=f"Exploratory estimates: {shown}; {n} with evidence. Charts and tables: see “{APPENDIX}”.")]


def _appendix(case: _Case) -> tuple[Block, ...]:
    """Charts and tables of the leads, last because they are long and no result."""
    leads = [f for f in case.substance if not f.confirmatory]
    if not leads:
        return ()
    blocks: list[Block] = [
        Heading(text=APPENDIX, level=1, new_page=True),
        Text(
            text="Leads to follow, not results: these families were not the question that the run was made to answer."
        ),
    ]
    for measure, group in _by_measure(leads).items():
        blocks.append(Heading(text=f"{humanised(measure)} (exploratory)", level=2))
        blocks += _panels(case, measure, group, level=3)
        blocks += [Text(text=text, style="small") for text in (*_family_texts(group), *_method_texts(group))]
    if any(f.verdict is Verdict.EVIDENCE for f in leads):
        blocks += _evidence_pages(case, confirmatory=False, title="The items behind the leads")
    return tuple(blocks)


def _asked(case: _Case, measure: str, group: Sequence[Finding]) -> list[Text]:
    """The measure's own question, as the catalogue has it, and those of its suites."""
    suites = {suite.name: suite for f in group for suite in case.suites_of(f)}
    asked = [f"Suite {s.name}, version {s.version}: {case.spelled_out(s.question)}" for s in suites.values()]
    texts = [Text(text=entry.question, style="lead") for entry in MEASURES if entry.name == measure]
    margins = [
        f"The smallest effect that would matter: {entry.margin:.2g} {entry.unit}."
        for entry in MEASURES
        if entry.name == measure
    ]
    return [*texts, *(Text(text=text) for text in asked), *(Text(text=text, style="small") for text in margins)]


def _panels(
    case: _Case, measure: str, group: Sequence[Finding], *, level: Literal[2, 3], drawn: bool = True
) -> list[Block]:
    """A table, and if `drawn` a chart, for each kind of scope (by language, by language and topic, ...) and unit."""
    panels: dict[tuple[tuple[str, ...], str], list[Finding]] = {}
    for finding in sorted(group, key=lambda f: len(scope_fields(f.measurement.scope))):
        result = finding.measurement.result
        fields = _fields(finding)
        unit = result.unit if isinstance(result, Estimate) else _unit_of(group, fields)
        panels.setdefault((fields, unit), []).append(finding)
    blocks: list[Block] = []
    for (fields, unit), members in panels.items():
        if len(panels) > 1:
            blocks.append(Heading(text=_scope_title(fields), level=level))
        if drawn:
            blocks += _plots(case, measure, fields, unit, members)
        blocks += _tables(case, fields, unit, members)
    return blocks


def _fields(finding: Finding) -> tuple[str, ...]:
    return tuple(name for name in scope_fields(finding.measurement.scope) if name != "suite")


def _scope_title(fields: tuple[str, ...]) -> str:
    title = "By " + listed(SCOPE_TITLES[name].lower() for name in fields) if fields else "Overall"
    return title.replace("language and compared with", "pair of languages")


def _unit_of(group: Sequence[Finding], fields: tuple[str, ...]) -> str:
    """Unit of the estimates with the same scope, for a measurement that came to none."""
    for finding in group:
        result = finding.measurement.result
        if isinstance(result, Estimate) and _fields(finding) == fields:
            return result.unit
    return ""


def _plots(case: _Case, measure: str, fields: tuple[str, ...], unit: str, members: Sequence[Finding]) -> list[Plot]:
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
            words.append(finding.measurement.scope.suite or "all suites")
        value, low, high = _in_standard_errors(finding, estimate) if in_errors else _as_measured(estimate)
        dots.append(
            Dot(
                panel=words[0] if split else "",
                label=" · ".join(words[1:] if split else words) or "all",
                value=value,
                low=low,
                high=high,
                verdict=finding.verdict,
            )
        )
    nulls = {0.0} if in_errors else {e.null for _, e in drawn if e.null is not None}
    null = 0.0 if not nulls else next(iter(nulls)) if len(nulls) == 1 else None
    title, missing = humanised(measure), len(members) - len(drawn)
    if in_errors:
        alt = _alt_in_errors(title, unit, dots, undefined=missing)
    else:
        alt = _alt(title, unit, dots, [e for _, e in drawn], undefined=missing)
    return [
        Plot(
            title=title,
            unit="standard errors from no effect" if in_errors else unit,
            dots=tuple(dots),
            null=null,
            null_label=_null_label(null, tested=bool(nulls)),
            alt=alt,
        )
    ]


def _as_measured(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _in_standard_errors(finding: Finding, estimate: Estimate) -> tuple[float, float, float]:
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
    shown = listed(found[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "")
    text = (
        f"{title}: each effect and its interval in units of its own standard error, so that the picture shows how far "
        f"from chance an effect is, not how large. Sizes in {unit} are in the table; they do not compare between "
        f"languages. With evidence: {shown}."
    )
    return text + (f" {undefined} without a number are in the table only." if undefined else "")


def _null_label(null: float | None, *, tested: bool) -> str:
    if null is None:
        return "the value without any effect, which differs by row"
    return f"the value without any effect ({null:.3g})" if tested else "zero"


def _alt(title: str, unit: str, dots: Sequence[Dot], estimates: Sequence[Estimate], *, undefined: int) -> str:
    decimals = decimals_for(estimates)

    def told(dot: Dot) -> str:
        name = " · ".join(word for word in (dot.panel, dot.label) if word)
        shown = [number(v, decimals=decimals) for v in (dot.value, dot.low, dot.high)]
        return f"{name}, {shown[0]} ({shown[1]} to {shown[2]})"

    text = f"{title}: estimates with intervals, in {unit}. "
    read = [dot for dot in dots if dot.verdict is not Verdict.NOT_INTERPRETABLE]
    if not read:
        text += "None of them can be interpreted."
    elif len(read) == 1:
        text += f"{told(read[0])}."
    else:
        highest, lowest = max(read, key=lambda d: d.value), min(read, key=lambda d: d.value)
        text += f"Highest: {told(highest)}. Lowest: {told(lowest)}."
    return text + (f" {undefined} without a number are in the table only." if undefined else "")


def _tables(case: _Case, fields: tuple[str, ...], unit: str, members: Sequence[Finding]) -> list[Block]:
    shown = members
    if len(members) > MOST_ROWS:
        kept = {f.id for f in sorted(members, key=lambda f: (STRENGTH.index(f.verdict), _surest_first(f)))[:MOST_ROWS]}
        shown = [f for f in members if f.id in kept][:MOST_ROWS]
    several = len({f.measurement.scope.suite for f in members}) > 1
    names = (*fields, "suite") if several else fields
    estimates = [f.measurement.result for f in shown if isinstance(f.measurement.result, Estimate)]
    decimals = decimals_for(estimates)
    level = listed(sorted({f"{100 * e.level:g} %" for e in estimates})) if estimates else ""
    detects = any(f.confirmatory for f in members) and any(e.detectable is not None for e in estimates)
    detectable = (Column(title="Detectable", width=1.4, align="right"),) if detects else ()
    chance = any(e.null for e in estimates)  # some value other than zero is what no effect looks like
    by_chance = (Column(title="By chance", width=1.2, align="right"),) if chance else ()
    table = Table(
        columns=(
            *(Column(title=SCOPE_TITLES[name], width=2.0 if detects else 2.6) for name in names or ("suite",)),
            Column(title=f"Estimate, {unit}" if unit else "Estimate", width=1.5, align="right"),
            Column(title=f"{level} interval".strip(), width=2.4, align="right"),
            *by_chance,
            Column(title="Items", width=0.8, align="right"),
            Column(title="p adjusted", width=1.3, align="right"),
            *detectable,
            Column(title="Verdict", width=3.3),
        ),
        rows=tuple(_row(case, names, f, decimals=decimals, detects=detects, chance=chance) for f in shown),
    )
    blocks: list[Block] = [table]
    if detects:
        blocks.append(Text(text=_detectable_text(estimates), style="small"))
    blocks += _undefined_texts(case, fields, shown)
    if len(members) > len(shown):
        more = len(members) - len(shown)
        blocks.append(Text(text=f"{more} more rows are in findings.json; the surest are shown.", style="small"))
    return blocks


def _detectable_text(estimates: Sequence[Estimate]) -> str:
    margins = {f"{e.margin:.2g} {e.unit}" for e in estimates if e.margin is not None}
    against = f" “No evidence” needs it to be at most the smallest that would matter, {listed(sorted(margins))}."
    return (
        "Detectable: the distance from the value without effect that would be found in four of five such audits, at "
        f"the level left to one test of the family ({FAMILY_LEVEL:g} in all)." + (against if margins else "")
    )


def _row(
    case: _Case, names: tuple[str, ...], finding: Finding, *, decimals: int, detects: bool, chance: bool
) -> tuple[str | Verdict, ...]:
    scope, result = finding.measurement.scope, finding.measurement.result
    words = [scope_word(scope, name, labels=case.labels) for name in names] or ["all"]
    if isinstance(result, Undefined):
        none = ("–",) * (2 + chance)
        last = ("–",) if detects else ()
        return (*words, "undefined", *none, p_value(finding.p_adjusted), *last, finding.verdict)
    detectable = "–" if result.detectable is None else number(result.detectable, decimals=decimals)
    return (
        *words,
        number(result.value, decimals=decimals),
        interval(result, decimals=decimals),
        *(("–" if result.null is None else number(result.null, decimals=decimals),) if chance else ()),
        str(result.n_clusters),
        p_value(finding.p_adjusted),
        *((detectable,) if detects else ()),
        finding.verdict,
    )


def _undefined_texts(case: _Case, fields: tuple[str, ...], members: Sequence[Finding]) -> list[Text]:
    """Each reason once, with the rows it holds for."""
    rows: dict[str, list[str]] = {}
    for finding in members:
        if isinstance(finding.measurement.result, Undefined):
            words = [scope_word(finding.measurement.scope, name, labels=case.labels) for name in fields]
            rows.setdefault(finding.measurement.result.reason, []).append(" · ".join(words) or "all")
    texts = []
    for reason, where in list(rows.items())[:8]:
        shown = "; ".join(where[:12]) + (f"; and {len(where) - 12} more" if len(where) > 12 else "")
        texts.append(Text(text=f"Undefined: {case.spelled_out(reason)} ({shown}).", style="small"))
    if len(rows) > 8:
        texts.append(Text(text=f"{len(rows) - 8} more reasons are in findings.json.", style="small"))
    return texts


def _sentences(group: Sequence[Finding]) -> list[Block]:
    told = [f for f in group if f.verdict in (Verdict.EVIDENCE, Verdict.NO_EVIDENCE)]
    chosen = sorted(told, key=lambda f: (STRENGTH.index(f.verdict), _surest_first(f)))[:MOST_SENTENCES]
    if not chosen:
        chosen = list(group[:2])
    blocks: list[Block] = [
        Heading(text="In sentences", level=3),
        Bullets(items=tuple(f.sentence for f in chosen), marks=tuple(f.verdict for f in chosen)),
    ]
    if len(group) > len(chosen):
        text = f"Findings of this measure whose sentences stand in findings.json only: {len(group) - len(chosen)}."
        blocks.append(Text(text=text, style="small"))
    return blocks


def _family_texts(group: Sequence[Finding]) -> list[str]:
    families = {(f.family, f.confirmatory, f.family_size) for f in group}
    return [
        f"Family “{family}”: {size} tests, {'fixed before the run' if confirmatory else 'exploratory'}, p adjusted "
        f"after {'Holm' if confirmatory else 'Benjamini and Hochberg'}; evidence needs less than {FAMILY_LEVEL:g}."
        for family, confirmatory, size in sorted(families)
    ]


def _method_texts(group: Sequence[Finding]) -> list[str]:
    methods = sorted({f.measurement.result.method for f in group if isinstance(f.measurement.result, Estimate)})
    if not methods:
        return []
    more = f" (and {len(methods) - 4} variants of it)" if len(methods) > 4 else ""
    return [f"Intervals: {'; '.join(methods[:4])}{more}."]


# --- the items behind the findings ----------------------------------------------------------------


def _evidence_pages(case: _Case, *, confirmatory: bool, title: str) -> tuple[Block, ...]:
    found = sorted(
        (f for f in case.substance if f.verdict is Verdict.EVIDENCE and f.confirmatory is confirmatory),
        key=_surest_first,
    )
    head = Heading(text=title, level=1 if confirmatory else 2)
    if not found:
        return (head, Text(text="No finding has evidence of an effect, so no items are shown."))
    effects, wordings = Effects.of(case.evidence), Wordings.of(case.evidence)
    blocks: list[Block] = [head, Text(text=_evidence_intro(len(found)))]
    if confirmatory and any(f.verdict is Verdict.EVIDENCE and not f.confirmatory for f in case.substance):
        blocks.append(Text(text=f"Items behind exploratory leads: see “{APPENDIX}”.", style="small"))
    for n, finding in enumerate(found[:MOST_EVIDENCE], start=1):
        blocks += _finding_blocks(case, finding, n=n, effects=effects, wordings=wordings)
    return tuple(blocks)


def _evidence_intro(n: int) -> str:
    text = (
        "For each finding with evidence: its sentence, its caveats, and up to three of its items, those that carry "
        "it furthest. Single items are illustrations; the finding rests on all of them. Over several languages the "
        "count of languages stands for an item, since its sizes in different languages do not compare. "
        "Square brackets hold the competing answers. English lines are the English item with the same id, as a gloss."
    )
    if n > MOST_EVIDENCE:
        text += f" The {MOST_EVIDENCE} surest are shown; {n - MOST_EVIDENCE} more are in findings.json."
    return text


def _finding_blocks(case: _Case, finding: Finding, *, n: int, effects: Effects, wordings: Wordings) -> list[Block]:
    scope = finding.measurement.scope
    words = [scope_word(scope, name, labels=case.labels) for name in scope_fields(scope) if name != "suite"]
    title = f"{n}. {humanised(finding.measurement.measure)}" + (f": {' · '.join(words)}" if words else "")
    first: list[Heading | Text | Bullets | Facts | Quote] = [
        Heading(text=title, level=3),
        Text(text=finding.sentence),
        Facts(rows=_finding_facts(finding)),
    ]
    if finding.caveats:
        first.append(Bullets(items=finding.caveats))
    quotes = _quotes(case, finding, effects=effects, wordings=wordings)
    return [Group(blocks=(*first, *quotes[:1])), *(Group(blocks=(quote,)) for quote in quotes[1:])]


def _finding_facts(finding: Finding) -> tuple[tuple[str, str], ...]:
    result = finding.measurement.result
    rows = [("Finding", finding.id)]
    if isinstance(result, Estimate):
        decimals = decimals_for([result])
        shown = f"{number(result.value, decimals=decimals)} {result.unit}"
        rows.append(("Estimate", f"{shown}, {100 * result.level:g} % interval {interval(result, decimals=decimals)}"))
        rows.append(("Rests on", _rests_on(result)))
        kind = "confirmatory" if finding.confirmatory else "exploratory"
        rows.append(("Test", f"p adjusted {p_value(finding.p_adjusted)}; {kind}, one of {finding.family_size} tests"))
    return tuple(rows)


def _rests_on(result: Estimate) -> str:
    more = f" ({result.n_items} items in all)" if result.n_items != result.n_clusters else ""
    return f"{result.n_clusters} independent items{more}"


def _quotes(case: _Case, finding: Finding, *, effects: Effects, wordings: Wordings) -> list[Quote]:
    scope = finding.measurement.scope
    codes = tuple(code for code in (scope.language, scope.other_language) if code)
    quotes = []
    for shown in effects.largest(finding, most=MOST_ITEMS):
        where = " against ".join(map(language_name, codes))
        title = " · ".join(word for word in (f"{shown.suite}/{shown.item}", where, shown.amount) if word)
        lines = _quote_lines(case, shown.suite, shown.item, codes, wordings=wordings)
        quotes.append(Quote(title=title, lines=lines))
    return quotes


def _quote_lines(
    case: _Case, suite: str, item: str, codes: tuple[str, ...], *, wordings: Wordings
) -> tuple[tuple[str, str], ...]:
    if suite in wordings.closed:
        return (("", "The licence of this suite forbids reprinting its texts; the id finds the item in its source."),)
    table = case.evidence.items
    mine = table[(table["suite"] == suite) & (table["item"] == item)]
    culture = str(mine["culture"].iloc[0]) if len(mine) else ""
    lines: list[tuple[str, str]] = []
    for code in dict.fromkeys(("en", *codes)):
        asked = wordings.lines(suite, item, code, culture=culture)
        name = language_name(code)
        if asked is None:
            lines.append((name, "no wording of this item in this run."))
        elif all(case.can_draw(words) for _, words in asked):
            lines += [(f"{name}, {side}" if side else name, words) for side, words in asked]
        else:
            lines.append((name, "original wording: see observations / items file."))
    return tuple(lines)


# --- where the items come from, what was left out --------------------------------------------------


def _provenance(case: _Case) -> tuple[Block, ...]:
    titles = ("Items", "Native", "Adapted", "Translated", "Person", "Machine", "Reviewed", "Quarantined")
    columns = (
        Column(title="Suite", width=2.2),
        Column(title="Language", width=2.0),
        *(Column(title=title, width=1.15, align="right") for title in titles),
    )
    rows = []
    for (suite, language), group in case.evidence.items.groupby(["suite", "language"], sort=True):
        counts = (
            len(group),
            *((group["origin"] == origin).sum() for origin in ("native", "adapted", "translated")),
            *((group["author"] == author).sum() for author in ("person", "machine")),
            (group["reviewed"] > 0).sum(),
            (group["quarantine"] != "").sum(),
        )
        rows.append((str(suite), language_name(str(language)), *(str(int(count)) for count in counts)))
    text = (
        "Where the words come from: how many items are native to the language, adapted or translated, who wrote them, "
        "how many at least one native speaker has reviewed, and how many are quarantined and support no headline."
    )
    head = Heading(text="Provenance of the items", level=1)
    if not rows:
        return (head, Text(text="This run has no items."))
    return (head, Text(text=text), Table(columns=columns, rows=tuple(rows)), *_quarantine(case))


def _quarantine(case: _Case) -> tuple[Block, ...]:
    held = case.evidence.items[case.evidence.items["quarantine"] != ""]
    reasons = Counter(case.spelled_out(str(reason)) for reason in held["quarantine"])
    if not reasons:
        return ()
    rows = [(reason, str(n)) for reason, n in sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))]
    columns = (Column(title="Why quarantined", width=8), Column(title="Items", width=1, align="right"))
    return (Table(columns=columns, rows=tuple(_capped(rows))),)


def _capped(rows: Sequence[tuple[str, ...]], *, most: int = 40, width: int = 2) -> list[tuple[str, ...]]:
    if len(rows) <= most:
        return list(rows)
    rest = sum(int(row[-1]) for row in rows[most:])
    return [*rows[:most], (*("further reasons, in the run folder", *[""] * (width - 2)), str(rest))]


def _exclusions(case: _Case) -> tuple[Block, ...]:
    head = Heading(text="What was left out", level=1)
    table = case.evidence.exclusions
    if not len(table):
        return (head, Text(text="No item was excluded."))
    counted = Counter(
        (case.spelled_out(reason), suite, stage)
        for reason, suite, stage in zip(table["reason"], table["suite"], table["stage"], strict=True)
    )
    ordered = sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = _capped([(*key, str(n)) for key, n in ordered], width=4)
    columns = (
        Column(title="Reason", width=6),
        Column(title="Suite", width=2),
        Column(title="Stage", width=1.2),
        Column(title="Items", width=0.9, align="right"),
    )
    text = f"Items excluded, counted once per language: {len(table)}. Each is listed in the run's exclusions file."
    return (head, Text(text=text), Table(columns=columns, rows=tuple(rows)))


# --- limits, methods, manifest ---------------------------------------------------------------------


def _limits(case: _Case) -> tuple[Block, ...]:
    manifest = case.evidence.manifest
    items = case.evidence.items
    machine = int(((items["author"] == "machine") & (items["reviewed"] == 0)).sum())
    limits = [
        "The numbers describe probabilities that the model gives to prepared answers. They do not show what a product "
        "built on the model says to people, nor how often.",
        "Sizes in nats are not compared between languages; only forms standardised within a language are.",
        "Many questions were asked at once. Adjusted p values answer for their family; across families some findings "
        "will still be chance.",
    ]
    if machine:
        limits.append(f"{machine} of {len(items)} items were written by a machine and reviewed by no native speaker.")
    if manifest.model.quantisation:
        limits.append(f"The weights are quantised ({manifest.model.quantisation}); the published weights may differ.")
    if any(suite.kind is Kind.CULTURE for suite in manifest.suites):
        limits.append(
            "Cultures are seen through one lens only, knowledge of practices in the model's answers. Cultures are "
            "wider than their answers, and countries are not cultures."
        )
    if manifest.noise_floor is None:
        limits.append("No noise floor was measured, so very small effects may come from batch size and padding.")
    shown = [(s.name, case.spelled_out(s.not_shown)) for s in manifest.suites]
    blocks: list[Block] = [
        Heading(text="What the numbers do not mean", level=1),
        Bullets(items=tuple(limits)),
        Heading(text="In the words of each suite: what a result does not show", level=2),
        Facts(rows=tuple(shown)) if shown else Text(text="This run has no suites."),
    ]
    return tuple(blocks)


def _methods(case: _Case) -> tuple[Block, ...]:
    texts = [
        "For each prompt the model's probability of each prepared answer is read, summed over the answer's tokens and "
        "over spellings that are equally right. Nothing is sampled. An effect is a difference of log-probabilities "
        "between contexts that differ in one place, so that the base rates of words cancel.",
        "Templates are the unit of independence: items that share a frame, and translations of one item, move "
        "together. Each estimate carries its interval, its count of independent items and its method, printed under "
        "its table.",
        "Families of tests that were fixed before the run are corrected after Holm; exploratory tables after Benjamini "
        f"and Hochberg. The level of a family is {FAMILY_LEVEL:g}: what it may raise in error, and the bound that an "
        "adjusted p must stay below for “evidence”. It is stricter than the customary 0.05 because some intervals are "
        "approximate.",
        "Evidence of a stereotype also needs the effects to go farther than those of control pairs without social "
        f"meaning (two-sided Welch test, p below {ALPHA:g}).",
        "Findings about cultures that rest mostly on translated texts are “insufficient evidence” however small their "
        "p: translations cannot carry a claim about a culture.",
        f"“No evidence” is only said where an effect of the smallest size that would matter {FOUND}, at the level left "
        "to one test of its family, and where the interval holds the value without effect and no effect that would "
        "matter. The tables give both sizes.",
    ]
    floor = case.evidence.manifest.noise_floor
    if floor is not None:
        texts.append(
            f"Noise floor: {floor.value:.2g} nats ({floor.n_items} items; {floor.method}). "
            "Effects below it count as none."
        )
    return (Heading(text="Methods in short", level=1), *(Text(text=t) for t in texts))


def _manifest(case: _Case) -> tuple[Block, ...]:
    manifest = case.evidence.manifest
    model = [
        (MODEL_WORDS.get(field.name, humanised(field.name)), _shown(getattr(manifest.model, field.name)))
        for field in dataclasses.fields(manifest.model)
    ]
    floor = manifest.noise_floor
    run = [
        ("Run id", manifest.run_id),
        ("Languages", ", ".join(manifest.languages)),
        (
            "Noise floor",
            "not measured" if floor is None else f"{floor.value!r} nats, {floor.n_items} items, {floor.method}",
        ),
    ]
    return (
        Heading(text="Run manifest", level=1),
        Heading(text="Model", level=2),
        Facts(rows=tuple(model)),
        Heading(text="Run", level=2),
        Facts(rows=tuple(run)),
        *_titled_facts("Suites", [(f"{s.name} {s.version}", s.digest or "no digest") for s in manifest.suites]),
        *_titled_facts("Settings that change numbers", [(k, _shown(v)) for k, v in sorted(manifest.settings.items())]),
        *_titled_facts("Versions", [(k, str(v)) for k, v in sorted(manifest.versions.items())]),
    )


def _titled_facts(title: str, rows: list[tuple[str, str]]) -> tuple[Block, ...]:
    return (Heading(text=title, level=2), Facts(rows=tuple(rows))) if rows else ()


def _shown(value: object) -> str:
    if value == "":
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _reproduction(case: _Case) -> tuple[Block, ...]:
    text = (
        "The same inputs give the same run id everywhere, and on the same machine the same report, byte for byte; on "
        "another machine numbers may differ by less than the noise floor. This command makes the run again:"
    )
    return (
        Heading(text="Reproduction", level=1),
        Text(text=text),
        Text(text=case.command or "not recorded", style="code"),
    )


def _licences(case: _Case) -> tuple[Block, ...]:
    manifest = case.evidence.manifest
    model = manifest.model
    accepted = f" Terms accepted: {model.licence_accepted}." if model.licence_accepted else ""
    rows = [("Model", f"{model.licence or 'not stated'}.{accepted}")]
    for suite in manifest.suites:
        may = "" if suite.redistributable else "; texts may not be reprinted and are not in this report"
        rows.append((f"Suite {suite.name}", f"{suite.licence}; {case.spelled_out(suite.authors)}{may}"))
    faces = "Set in Noto Sans (SIL Open Font License 1.1)."
    return (Heading(text="Licences", level=1), Facts(rows=tuple(rows)), Text(text=faces, style="small"))
