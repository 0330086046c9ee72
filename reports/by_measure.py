"""One section per measure, the checks of the instrument before them, and the leads in the appendix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from audit.findings import FAMILY_LEVEL
from audit.measures import INSTRUMENT, MEASURES
from audit.measures.competence import BAR
from audit.records import Estimate, Finding, Verdict
from audit.wording import N_, Share, _, ngettext, spoken
from reports.behind import items_behind_leads
from reports.beside import beside
from reports.blocks import Block, Heading, Text
from reports.case import APPENDIX, Case, counted_verdicts, grouped_by_measure
from reports.estimates import charts_and_tables, scope_by, scope_names
from reports.words import amount, family_name, figure, in_series, listed, measure_name, told_by_suite

CHECKS = N_("Checks of the instrument")
MEASURES_TITLE = N_("Measures, one by one")
MOST_METHODS = 4  # that are told in words


def checks(case: Case) -> tuple[Block, ...]:
    """Whether the model reads each language, and whether the suites work on it."""
    head = Heading(text=_(CHECKS), level=1)
    without = _("No competence suite was asked, so this run does not say which languages the model reads.")
    if not case.checks:
        return (head, Text(text=without))
    counted = counted_verdicts(case.checks)
    blocks: list[Block] = [
        head,
        Text(
            text=_(
                "Before anything else: does the model read each language, and do the suites work on it? What fails "
                "here bars findings or adds a caveat to them; nothing here says how the model treats people."
            )
        ),
        Text(
            text=ngettext(
                "{n} check, by verdict: {counts}.",
                "{n} checks, by verdict: {counts}.",
                len(case.checks),
                counts=counted,
            ),
            style="small",
        ),
    ]
    if all(f.measurement.measure != "competence" for f in case.checks):
        blocks.append(Text(text=without))
    groups = grouped_by_measure(case.checks)
    for measure in sorted(groups, key=INSTRUMENT.index):
        group = groups[measure]
        blocks += [Heading(text=measure_name(measure), level=2), *_asked(case, measure, group)]
        if measure == "competence":
            bar = _(
                "Here “evidence” means: at least {bar} right, and the interval above guessing. Otherwise the language "
                "is not interpretable.",
                bar=Share(BAR),
            )
            blocks.append(Text(text=bar, style="small"))
        blocks += charts_and_tables(case, measure, group, level=3, drawn=measure == "competence")
        blocks += [Text(text=text, style="small") for text in _family_texts(group)]
    return tuple(blocks)


def measure_sections(case: Case) -> tuple[Block, ...]:
    """Each measure that something was fixed for before the run: its numbers, and where its leads stand."""
    head = Heading(text=_(MEASURES_TITLE), level=1, new_page=True)
    groups = grouped_by_measure(case.substance)
    measures = [measure for measure, group in groups.items() if any(f.confirmatory for f in group)]
    if not measures:
        return (head, Text(text=_("This run has no findings that were fixed before it.")))
    blocks: list[Block] = [
        head,
        Text(
            text=_(
                "The numbers of all findings that were fixed before the run. What single ones mean stands on their "
                "pages."
            )
        ),
    ]
    for measure in measures:
        group = groups[measure]
        planned = [f for f in group if f.confirmatory]
        blocks.append(Heading(text=measure_name(measure), level=2))
        blocks += _asked(case, measure, group)
        blocks += charts_and_tables(case, measure, planned, level=3)
        blocks += [*beside(measure, case.findings), *_pointer(group)]
        blocks += [Text(text=text, style="small") for text in (*_family_texts(planned), *_method_texts(planned))]
    return tuple(blocks)


def appendix(case: Case) -> tuple[Block, ...]:
    """Charts and tables of the leads, last because they are long and no result."""
    leads = [f for f in case.substance if not f.confirmatory]
    if not leads:
        return ()
    blocks: list[Block] = [
        Heading(text=_(APPENDIX), level=1, new_page=True),
        Text(
            text=_(
                "Leads to follow, not results: these families were not the question that the run was made to answer."
            )
        ),
    ]
    planned = {f.measurement.measure for f in case.substance if f.confirmatory}
    for measure, group in grouped_by_measure(leads).items():
        blocks.append(Heading(text=_("{measure} (exploratory)", measure=measure_name(measure)), level=2))
        if measure not in planned:  # the others have their question in the sections by measure
            blocks += _asked(case, measure, group)
        blocks += charts_and_tables(case, measure, group, level=3)
        blocks += [Text(text=text, style="small") for text in (*_family_texts(group), *_method_texts(group))]
    return (*blocks, *items_behind_leads(case))


def _pointer(group: Sequence[Finding]) -> list[Text]:
    """Where the exploratory estimates of a measure stand, and how many of them have evidence."""
    leads = [f for f in group if not f.confirmatory]
    if not leads:
        return []
    tally = Counter(scope_by(scope_names(f)) for f in leads)
    n = sum(f.verdict is Verdict.EVIDENCE for f in leads)
    shown = listed(
        # i18n: how many estimates of a kind, as in "24 by language and topic"
        _("{count} {by}", count=count, by=title)
        for title, count in tally.items()
    )
    return [
        Text(
            text=_(
                "Exploratory estimates: {counts}; {evident} with evidence. Charts and tables: see “{section}”.",
                counts=shown,
                evident=n,
                section=_(APPENDIX),
            )
        )
    ]


def _asked(case: Case, measure: str, group: Sequence[Finding]) -> list[Text]:
    """The measure's own question, as the catalogue has it, and those of its suites."""
    suites = {suite.name: suite for f in group for suite in case.suites_of(f)}
    asked = [
        _(
            "Suite {suite}, version {version}: {question}",
            suite=s.name,
            version=s.version,
            question=case.spelled_out(told_by_suite(s.question)),
        )
        for s in suites.values()
    ]
    texts = [Text(text=_(entry.question), style="lead") for entry in MEASURES if entry.name == measure]
    margins = [
        _(
            "The smallest effect that would matter: {amount}.",
            amount=amount(figure(entry.margin, 2), entry.unit),
        )
        for entry in MEASURES
        if entry.name == measure
    ]
    return [*texts, *(Text(text=text) for text in asked), *(Text(text=text, style="small") for text in margins)]


def _family_texts(group: Sequence[Finding]) -> list[str]:
    families = {(f.family, f.confirmatory, f.family_size) for f in group}
    return [
        _family_text(family_name(family), confirmatory=confirmatory, size=size)
        for family, confirmatory, size in sorted(families)
    ]


def _family_text(family: str, *, confirmatory: bool, size: int) -> str:
    level = figure(FAMILY_LEVEL, 6)
    if confirmatory:
        return ngettext(
            "Family “{family}”: {n} test, fixed before the run, p adjusted after Holm; evidence needs less than "
            "{level}.",
            "Family “{family}”: {n} tests, fixed before the run, p adjusted after Holm; evidence needs less than "
            "{level}.",
            size,
            family=family,
            level=level,
        )
    return ngettext(
        "Family “{family}”: {n} test, exploratory, p adjusted after Benjamini and Hochberg; evidence needs less than "
        "{level}.",
        "Family “{family}”: {n} tests, exploratory, p adjusted after Benjamini and Hochberg; evidence needs less than "
        "{level}.",
        size,
        family=family,
        level=level,
    )


def _method_texts(group: Sequence[Finding]) -> list[str]:
    methods = sorted({f.measurement.result.method for f in group if isinstance(f.measurement.result, Estimate)})
    if not methods:
        return []
    shown = in_series(map(spoken, methods[:MOST_METHODS]))
    if len(methods) <= MOST_METHODS:
        return [_("Intervals: {methods}.", methods=shown)]
    more = len(methods) - MOST_METHODS
    return [
        ngettext(
            "Intervals: {methods} (and {n} variant of it).",
            "Intervals: {methods} (and {n} variants of it).",
            more,
            methods=shown,
        )
    ]
