"""The items behind findings: what the model was asked, in its own script and in English."""

from __future__ import annotations

from audit.records import Estimate, Finding, Verdict
from audit.wording import _, language, name_of, ngettext, spoken
from reports.blocks import Block, Bullets, Facts, Group, Heading, Quote, Text
from reports.case import Case, in_turn, title_of
from reports.items import SIDES, Effects, Wordings
from reports.words import amount, decimals_for, in_row, interval, level_of, number, p_value, together

MOST_LEADS = 10  # with their items; the rest is in findings.json
MOST_ITEMS = 3


def items_behind_leads(case: Case) -> tuple[Block, ...]:
    """Exploratory findings with evidence, each with its caveats and the items that carry it furthest."""
    found = in_turn([f for f in case.substance if f.verdict is Verdict.EVIDENCE and not f.confirmatory])
    if not found:
        return ()
    effects, wordings = Effects.of(case.evidence), Wordings.of(case.evidence)
    blocks: list[Block] = [Heading(text=_("The items behind the leads"), level=2), Text(text=_intro(len(found)))]
    for n, finding in enumerate(found[:MOST_LEADS], start=1):
        blocks += _finding_blocks(case, finding, n=n, effects=effects, wordings=wordings)
    return tuple(blocks)


def _intro(n: int) -> str:
    text = _(
        "For leads with evidence: sentence, caveats, and up to three items, those that carry it furthest. Single items "
        "are illustrations; the finding rests on all of them. Over several languages the count of languages stands for "
        "an item, since its sizes in different languages do not compare. Square brackets hold the competing answers. "
        "English lines are the English item with the same id, as a gloss."
    )
    if n <= MOST_LEADS:
        return text
    more = _(
        "Shown are {shown}, the surest of each measure in turn; {more} more are in findings.json.",
        shown=MOST_LEADS,
        more=n - MOST_LEADS,
    )
    return together(text, more)


def _finding_blocks(case: Case, finding: Finding, *, n: int, effects: Effects, wordings: Wordings) -> list[Block]:
    first: list[Heading | Text | Bullets | Facts | Quote] = [
        Heading(text=f"{n}. {title_of(case, finding)}", level=3),
        Text(text=spoken(finding.sentence)),
        Facts(rows=_finding_facts(finding)),
    ]
    if finding.caveats:
        first.append(Bullets(items=tuple(map(spoken, finding.caveats))))
    shown = quotes(case, finding, effects=effects, wordings=wordings)
    return [Group(blocks=(*first, *shown[:1])), *(Group(blocks=(quote,)) for quote in shown[1:])]


def _finding_facts(finding: Finding) -> tuple[tuple[str, str], ...]:
    result = finding.measurement.result
    # i18n: before the id of a finding
    rows = [(_("Finding"), finding.id)]
    if isinstance(result, Estimate):
        rows += [
            (_("Estimate"), amount_of(result)),
            (_("Rests on"), independent(result)),
            (_("Test"), test_of(finding)),
        ]
    return tuple(rows)


def amount_of(result: Estimate) -> str:
    """An estimate with its unit and its interval."""
    decimals = decimals_for([result])
    # i18n: as in "0.31 nats, 95 % interval 0.12 to 0.48"
    return _(
        "{amount}, {level} interval {bounds}",
        amount=amount(number(result.value, decimals=decimals), result.unit),
        level=level_of(result),
        bounds=interval(result, decimals=decimals),
    )


def test_of(finding: Finding) -> str:
    """Its p value, and the family that it is corrected for."""
    p, n = p_value(finding.p_adjusted), finding.family_size
    if finding.confirmatory:
        return ngettext(
            "p adjusted {p}; confirmatory, one of {n} tests", "p adjusted {p}; confirmatory, one of {n} tests", n, p=p
        )
    return ngettext(
        "p adjusted {p}; exploratory, one of {n} tests", "p adjusted {p}; exploratory, one of {n} tests", n, p=p
    )


def independent(result: Estimate) -> str:
    """How many independent items an estimate rests on."""
    if result.n_items == result.n_clusters:
        return ngettext("{n} independent item", "{n} independent items", result.n_clusters)
    return _("{n} independent items ({all} items in all)", n=result.n_clusters, all=result.n_items)


def quotes(
    case: Case, finding: Finding, *, effects: Effects, wordings: Wordings, most: int = MOST_ITEMS
) -> list[Quote]:
    """The items that carry a finding furthest, each in its languages with the English item as a gloss."""
    scope = finding.measurement.scope
    codes = tuple(code for code in (scope.language, scope.other_language) if code)
    found = []
    for shown in effects.largest(finding, most=most):
        where = _against(codes)
        title = " · ".join(word for word in (f"{shown.suite}/{shown.item}", where, shown.amount) if word)
        told = _quote_lines(case, shown.suite, shown.item, codes, wordings=wordings)
        lines, languages = tuple((name, words) for name, words, _code in told), tuple(code for *_, code in told)
        found.append(Quote(title=title, lines=lines, languages=languages))
    return found


def _against(codes: tuple[str, ...]) -> str:
    """The language, or the two that are compared."""
    names = [name_of(code) for code in codes]
    return _("{one} against {other}", one=names[0], other=names[1]) if len(names) > 1 else "".join(names)


def _quote_lines(
    case: Case, suite: str, item: str, codes: tuple[str, ...], *, wordings: Wordings
) -> tuple[tuple[str, str, str], ...]:
    """What each line is, its words and their language: the English item first, as a gloss."""
    if suite in wordings.closed:
        reason = _("The licence of this suite forbids reprinting its texts; the id finds the item in its source.")
        return (("", reason, language()),)
    table = case.evidence.items
    mine = table[(table["suite"] == suite) & (table["item"] == item)]
    culture = str(mine["culture"].iloc[0]) if len(mine) else ""
    lines: list[tuple[str, str, str]] = []
    for code in dict.fromkeys(("en", *codes)):
        asked = wordings.lines(suite, item, code, culture=culture)
        name = name_of(code)
        if asked is None:
            lines.append((name, _("no wording of this item in this run."), language()))
        elif all(case.can_draw(words) for _side, words in asked):
            lines += [(in_row([name, _(SIDES[side])] if side else [name]), words, code) for side, words in asked]
        else:
            where = _("original wording, in a script without a face here: see the items file.")
            lines.append((name, where, language()))
    return tuple(lines)
