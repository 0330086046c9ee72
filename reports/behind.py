"""The pages of items behind the findings with evidence."""

from __future__ import annotations

from audit.records import Estimate, Finding, Verdict
from audit.suites.languages import language_name
from reports.blocks import Block, Bullets, Facts, Group, Heading, Quote, Text
from reports.case import APPENDIX, Case, surest_first
from reports.items import Effects, Wordings
from reports.words import decimals_for, humanised, interval, number, p_value, scope_fields, scope_word

MOST_EVIDENCE = 25  # findings with their items; the rest is in findings.json
MOST_ITEMS = 3


def evidence_pages(case: Case, *, confirmatory: bool, title: str) -> tuple[Block, ...]:
    """Findings with evidence, each with its caveats and the items that carry it furthest."""
    found = sorted(
        (f for f in case.substance if f.verdict is Verdict.EVIDENCE and f.confirmatory is confirmatory),
        key=surest_first,
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


def _finding_blocks(case: Case, finding: Finding, *, n: int, effects: Effects, wordings: Wordings) -> list[Block]:
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


def _quotes(case: Case, finding: Finding, *, effects: Effects, wordings: Wordings) -> list[Quote]:
    scope = finding.measurement.scope
    codes = tuple(code for code in (scope.language, scope.other_language) if code)
    quotes = []
    for shown in effects.largest(finding, most=MOST_ITEMS):
        where = " against ".join(map(language_name, codes))
        title = " · ".join(word for word in (f"{shown.suite}/{shown.item}", where, shown.amount) if word)
        told = _quote_lines(case, shown.suite, shown.item, codes, wordings=wordings)
        lines, languages = tuple((name, words) for name, words, _ in told), tuple(code for *_, code in told)
        quotes.append(Quote(title=title, lines=lines, languages=languages))
    return quotes


def _quote_lines(
    case: Case, suite: str, item: str, codes: tuple[str, ...], *, wordings: Wordings
) -> tuple[tuple[str, str, str], ...]:
    """What each line is, its words and their language: the English item first, as a gloss."""
    if suite in wordings.closed:
        reason = "The licence of this suite forbids reprinting its texts; the id finds the item in its source."
        return (("", reason, "en"),)
    table = case.evidence.items
    mine = table[(table["suite"] == suite) & (table["item"] == item)]
    culture = str(mine["culture"].iloc[0]) if len(mine) else ""
    lines: list[tuple[str, str, str]] = []
    for code in dict.fromkeys(("en", *codes)):
        asked = wordings.lines(suite, item, code, culture=culture)
        name = language_name(code)
        if asked is None:
            lines.append((name, "no wording of this item in this run.", "en"))
        elif all(case.can_draw(words) for _, words in asked):
            lines += [(f"{name}, {side}" if side else name, words, code) for side, words in asked]
        else:
            lines.append((name, "original wording, in a script without a face here: see the items file.", "en"))
    return tuple(lines)
