"""One section per measure, the checks of the instrument before them, and the leads in the appendix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from audit.findings import FAMILY_LEVEL
from audit.measures import INSTRUMENT, MEASURES
from audit.measures.competence import BAR
from audit.records import Estimate, Finding, Verdict
from reports.behind import evidence_pages
from reports.beside import beside
from reports.blocks import Block, Bullets, Heading, Text
from reports.case import APPENDIX, STRENGTH, Case, grouped_by_measure, surest_first, verdict_counts
from reports.estimates import charts_and_tables, scope_names, scope_title
from reports.words import humanised, listed

CHECKS = "Checks of the instrument"
MOST_SENTENCES = 6  # per measure


def checks(case: Case) -> tuple[Block, ...]:
    """Whether the model reads each language, and whether the suites work on it."""
    head = Heading(text=CHECKS, level=1)
    without = "No competence suite was asked, so this run does not say which languages the model reads."
    if not case.checks:
        return (head, Text(text=without))
    counted = listed(f"{n} {verdict}" for verdict, n in verdict_counts(case.checks) if n)
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
    groups = grouped_by_measure(case.checks)
    for measure in sorted(groups, key=INSTRUMENT.index):
        group = groups[measure]
        blocks += [Heading(text=humanised(measure), level=2), *_asked(case, measure, group)]
        if measure == "competence":
            bar = (
                f"“evidence” means: at least {BAR:.0%} right, and the interval above guessing. Otherwise the language "
            )
            blocks.append(Text(text=f"Here {bar}is not interpretable.", style="small"))
        blocks += charts_and_tables(case, measure, group, level=3, drawn=measure == "competence")
        blocks += [Text(text=text, style="small") for text in _family_texts(group)]
    return tuple(blocks)


def measure_sections(case: Case) -> tuple[Block, ...]:
    """A section for each measure of substance: what was fixed before the run, and where its leads stand."""
    blocks: list[Block] = []
    for measure, group in grouped_by_measure(case.substance).items():
        planned = [f for f in group if f.confirmatory]
        blocks.append(Heading(text=humanised(measure), level=1))
        blocks += _asked(case, measure, group)
        blocks += charts_and_tables(case, measure, planned, level=2)
        blocks += beside(measure, case.findings)
        blocks += [*_sentences(planned or group), *_pointer(group)]
        blocks += [Text(text=text, style="small") for text in (*_family_texts(planned), *_method_texts(planned))]
    return tuple(blocks) or (
        Heading(text="Measures", level=1),
        Text(text="This run has no findings to show by measure."),
    )


def appendix(case: Case) -> tuple[Block, ...]:
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
    for measure, group in grouped_by_measure(leads).items():
        blocks.append(Heading(text=f"{humanised(measure)} (exploratory)", level=2))
        blocks += charts_and_tables(case, measure, group, level=3)
        blocks += [Text(text=text, style="small") for text in (*_family_texts(group), *_method_texts(group))]
    if any(f.verdict is Verdict.EVIDENCE for f in leads):
        blocks += evidence_pages(case, confirmatory=False, title="The items behind the leads")
    return tuple(blocks)


def _pointer(group: Sequence[Finding]) -> list[Text]:
    """Where the exploratory estimates of a measure stand, and how many of them have evidence."""
    leads = [f for f in group if not f.confirmatory]
    if not leads:
        return []
    tally = Counter(scope_title(scope_names(f)).lower() for f in leads)
    n = sum(f.verdict is Verdict.EVIDENCE for f in leads)
    shown = listed(f"{count} {title}" for title, count in tally.items())
    return [Text(text=f"Exploratory estimates: {shown}; {n} with evidence. Charts and tables: see “{APPENDIX}”.")]


def _asked(case: Case, measure: str, group: Sequence[Finding]) -> list[Text]:
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


def _sentences(group: Sequence[Finding]) -> list[Block]:
    told = [f for f in group if f.verdict in (Verdict.EVIDENCE, Verdict.NO_EVIDENCE)]
    chosen = sorted(told, key=lambda f: (STRENGTH.index(f.verdict), surest_first(f)))[:MOST_SENTENCES]
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
