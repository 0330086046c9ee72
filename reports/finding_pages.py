"""One page for each finding that says yes or no, or that people judged or contested; the others together, with why.

A page is complete without the others: what was found, how sure it is, what it rests on, what people say of it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from audit.findings import CIRCUITS
from audit.findings.words import Words
from audit.measures.feature_tables import LATENTS
from audit.records import WHOLE, Estimate, Finding, Verdict
from audit.wording import N_, _, ngettext, spoken
from reports.behind import amount_of, independent, quotes, test_of
from reports.blocks import Block, Bullets, Column, Dot, Facts, Group, Heading, Plot, Quote, Sheet, Table, Text
from reports.case import STRENGTH, Case, surest_first, title_of
from reports.contests import contests_on_page
from reports.estimates import IN_ERRORS, SIZE_WITHIN_A_LANGUAGE, in_standard_errors
from reports.items import Effects, Wordings
from reports.people import Told
from reports.people_words import differs_and_exists, on_page
from reports.typesetting.breaks import graphemes
from reports.undecided import absent, undecided, why
from reports.words import (
    amount,
    everything,
    figure,
    in_row,
    in_series,
    measure_name,
    named,
    node_name,
    number,
    percent,
    started,
    together,
    unit_name,
    verdict_name,
)

PAGES = N_("Findings, one page each")
MOST_PAGES = 200
MOST_ABSENT = 8  # pages of one family that say that nothing is there; more than that share a place
MOST_SIBLINGS, MOST_CAVEATS = 8, 4  # drawn and told beside a finding
SIBLINGS_IF_JUDGED, CAVEATS_IF_JUDGED = 3, 2  # so that there is room for what people say
LONGEST_CAVEAT = 240  # characters
MOST_PROMPTS = 2
MOST_PROMPT = 400  # characters of one line
MOST_PARTS = 6  # nodes of a circuit, latents
MEANING = {  # in one line; the section on how to read has it in full
    # i18n: this and the next: what a verdict means, after its name and a colon
    Verdict.EVIDENCE: N_("more than chance, noise and the number of questions asked explain, on these items."),
    Verdict.NO_EVIDENCE: N_("an effect that matters would have been found in four of five such audits."),
    Verdict.NOT_INTERPRETABLE: N_("the model or the suite fails here, so that the number means nothing. No comfort."),
}
OF_CIRCUITS = ("stereotype_effect", *CIRCUITS, "circuit_controls")
OF_LATENTS = ("context_activation", "latent_effect", "framework_conflict", "underrepresentation")


@dataclass(frozen=True)
class Pages:
    """What the pages of findings read: a case, and what its measures say of single items."""

    case: Case
    told: Told | None
    own: tuple[Finding, ...]  # findings with a page, in its order
    absent: tuple[Finding, ...]  # fixed before the run, without evidence, and so many that they share a place
    others: tuple[Finding, ...]  # fixed before the run, and without a page
    with_items: bool

    @classmethod
    def of(cls, case: Case, told: Told | None, *, with_items: bool = True) -> Pages:
        """Which findings get a page.

        Args:
            case: of the report.
            told: what people say; None where nobody was asked.
            with_items: whether the copy shows the words of items.
        """
        judged = set(told.table["finding"]) if told is not None else set()
        contested = {c.finding for c in told.judgements.contests} if told is not None else set()
        clear = (Verdict.EVIDENCE, Verdict.NO_EVIDENCE)

        def rank(finding: Finding) -> tuple[bool, int, tuple[bool, float, float, str]]:
            return (not finding.confirmatory, STRENGTH.index(finding.verdict), surest_first(finding))

        many = _families_of_many(case)
        wanted = [
            f
            for f in case.substance
            if f.id in judged | contested
            or (f.confirmatory and f.verdict in clear and (f.family not in many or f.verdict is Verdict.EVIDENCE))
        ]
        # Should there be too many, contested ones and results keep theirs.
        first = sorted(wanted, key=lambda f: (f.id not in contested, rank(f)))[:MOST_PAGES]
        own = tuple(sorted(first, key=rank))
        ids = {f.id for f in own}
        rest = [f for f in case.substance if f.confirmatory and f.id not in ids]
        absent = tuple(f for f in rest if f.verdict is Verdict.NO_EVIDENCE)
        others = tuple(f for f in rest if f.verdict is not Verdict.NO_EVIDENCE)
        return cls(case, told, own, absent, others, with_items)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the findings with a page."""
        return frozenset(f.id for f in self.own)


def _families_of_many(case: Case) -> frozenset[str]:
    """Families with more than MOST_ABSENT findings without evidence: those share a place."""
    absent = Counter(f.family for f in case.substance if f.confirmatory and f.verdict is Verdict.NO_EVIDENCE)
    return frozenset(family for family, n in absent.items() if n > MOST_ABSENT)


@dataclass(frozen=True)
class _Read:
    """What is read once for all pages: single items, their wordings, and where their texts come from."""

    effects: Effects
    wordings: Wordings
    words: Words

    @classmethod
    def of(cls, case: Case) -> _Read:
        effects = Effects.of(case.evidence)
        return cls(effects, Wordings.of(case.evidence), Words.of(effects.view, effects.gate))


def finding_pages(pages: Pages) -> tuple[Block, ...]:
    """The rule and the list of the pages, the pages, and the findings that share one with their reasons."""
    case = pages.case
    if not pages.own and not pages.absent and not pages.others:
        return _list(pages)
    read = _Read.of(case)
    families: dict[str, list[Finding]] = {}
    for finding in case.findings:
        families.setdefault(finding.family, []).append(finding)
    sheets = [_sheet(pages, finding, families[finding.family], read) for finding in pages.own]
    return (*_list(pages), *sheets, *absent(case, pages.absent), *undecided(case, pages.others, read.words))


# --- the list --------------------------------------------------------------------------------


def _list(pages: Pages) -> tuple[Block, ...]:
    """Which findings have a page, and why."""
    blocks: list[Block] = [Heading(text=_(PAGES), level=1, new_page=True), Text(text=_rule(pages))]
    if pages.own:
        columns = (
            Column(title=_("Verdict"), width=3),
            Column(title=_("Finding"), width=5.5),
            # i18n: heading of a column: the id of a finding
            Column(title=_("Id"), width=1.5),
        )
        rows = tuple((f.verdict, _listed_title(pages.case, f), pages.case.short_id(f)) for f in pages.own)
        blocks.append(Table(columns=columns, rows=rows))
    return tuple(blocks)


def _rule(pages: Pages) -> str:
    asked = _(
        "A finding has a page of its own if it was fixed before the run and says yes or no (“{yes}”, “{no}”), or if "
        "people judged or contested it.",
        yes=verdict_name(Verdict.EVIDENCE),
        no=verdict_name(Verdict.NO_EVIDENCE),
    )
    rest = ngettext(
        "One other finding that was fixed before the run says neither; it stands after these pages, with its reason.",
        "The other {n} findings that were fixed before the run say neither; they stand together after these pages, "
        "with their reasons.",
        len(pages.others),
    )
    shared = _(
        "Where more than {most} findings of one family say “{no}”, they stand together after these pages.",
        most=MOST_ABSENT,
        no=verdict_name(Verdict.NO_EVIDENCE),
    )
    return together(
        asked,
        shared if pages.absent else "",
        rest if pages.others else "",
        _("Exploratory findings are leads, not results, and stand in tables only."),
    )


def _listed_title(case: Case, finding: Finding) -> str:
    title = title_of(case, finding)
    if finding.id in case.contested:
        title = _("Contested: {what}", what=title)
    return title if finding.confirmatory else _("{measure} (exploratory)", measure=title)


# --- one page --------------------------------------------------------------------------------


def _sheet(pages: Pages, finding: Finding, family: Sequence[Finding], read: _Read) -> Sheet:
    case, told = pages.case, pages.told
    people = on_page(told, finding) if told is not None else ()
    siblings, caveats = (SIBLINGS_IF_JUDGED, CAVEATS_IF_JUDGED) if people else (MOST_SIBLINGS, MOST_CAVEATS)
    meaning = _meaning(case, finding, read.words)
    verdict = named(started(verdict_name(finding.verdict)), meaning)
    blocks: list[Block] = [
        Heading(text=title_of(case, finding), level=2),
        Text(text=case.spelled_out(spoken(finding.sentence)), style="lead"),
        Bullets(items=(verdict,), marks=(finding.verdict,)),
        Facts(rows=(*_facts(case, finding), *_contests(told, finding))),
        *_caveats(case, finding, most=caveats),
    ]
    shown = quotes(case, finding, effects=read.effects, wordings=read.wordings, most=MOST_PROMPTS)
    prompts = [
        dataclasses.replace(q, lines=tuple((name, _cut(line)) for name, line in q.lines))
        for q in shown
        if pages.with_items
    ]
    spare = (
        *_plot(case, finding, family, siblings=siblings),
        *people,
        *prompts[:1],
        *_inside(case, finding),
        *(Text(text=text, style="small") for text in (differs_and_exists(told, finding.id) if told else ())),
        *prompts[1:],
    )
    return Sheet(blocks=tuple(blocks), spare=spare, cut=_cut_texts(len(spare), finding))


def _shortened(quote: Quote) -> Quote:
    return dataclasses.replace(quote, lines=tuple((name, _cut(words)) for name, words in quote.lines))


def _meaning(case: Case, finding: Finding, words: Words) -> str:
    if finding.verdict is Verdict.INSUFFICIENT:
        return _("{why}. That is neither good nor bad news.", why=case.spelled_out(why(finding, words)))
    return _(MEANING[finding.verdict])


def _facts(case: Case, finding: Finding) -> tuple[tuple[str, str], ...]:
    result = finding.measurement.result
    rows: list[tuple[str, str]] = []
    if isinstance(result, Estimate):
        # i18n: of a finding: its number
        rows += [(_("Estimate"), amount_of(result)), (_("Test"), test_of(finding))]
        # i18n: what an estimate is held against
        rows.append((_("Yardstick"), _yardstick(result)))
    else:
        rows.append((_("No number"), case.spelled_out(spoken(result.reason))))
    rows += [(_("Rests on"), _rests_on(case, finding)), (_("Evidence id"), finding.id)]
    return tuple((name, text) for name, text in rows if text)


def _yardstick(result: Estimate) -> str:
    """The value without effect, the smallest effect that would matter, and what would have been found."""
    told = []
    if result.null is not None:
        told.append(_("no effect is {value}", value=figure(result.null, 3)))
    if result.margin is not None:
        least = amount(figure(result.margin, 2), result.unit)
        told.append(_("the smallest effect that would matter is {amount}", amount=least))
    if result.detectable is not None:
        found = amount(figure(result.detectable, 2), result.unit)
        told.append(_("{amount} would be found in four of five such audits", amount=found))
    return in_series(told)


def _rests_on(case: Case, finding: Finding) -> str:
    result = finding.measurement.result
    told = [independent(result)] if isinstance(result, Estimate) else []
    told += [
        _(
            "suite {suite}, version {version}, digest {digest}",
            suite=suite.name,
            version=suite.version,
            # i18n: instead of a digest
            digest=suite.digest[:12] or _("none"),
        )
        for suite in case.suites_of(finding)
    ]
    # i18n: instead of the items that a finding rests on
    return in_series(told) or _("nothing")


def _contests(told: Told | None, finding: Finding) -> tuple[tuple[str, str], ...]:
    lines = contests_on_page(told, finding) if told is not None else ()
    return ((_("Contests"), "\n".join(lines)),) if lines else ()


def _caveats(case: Case, finding: Finding, *, most: int) -> tuple[Block, ...]:
    told = [started(_cut(case.spelled_out(spoken(caveat)), most=LONGEST_CAVEAT)) for caveat in finding.caveats]
    if not told:
        return ()
    left = len(told) - most
    more = (
        [ngettext("{n} more caveat is in findings.json.", "{n} more caveats are in findings.json.", left)]
        if left > 0
        else []
    )
    return (
        Heading(text=_("Before leaning on this"), level=3),
        Bullets(items=(*told[:most], *more)),
    )


def _cut(text: str, *, most: int = MOST_PROMPT) -> str:
    """`text` with no more than so many characters, and how many are not shown."""
    if len(text) <= most:
        return text
    end = max(i for i in graphemes(text[: most + 1]) if i <= most)
    return _("{beginning} … [{n} more characters in the run folder]", beginning=text[:end].rstrip(), n=len(text) - end)


def _cut_texts(n: int, finding: Finding) -> tuple[str, ...]:
    return tuple(
        ngettext(
            "{n} more part had no room on this page: findings.json and the items of the run have it under {id}.",
            "{n} more parts had no room on this page: findings.json and the items of the run have them under {id}.",
            left,
            id=finding.id,
        )
        for left in range(1, n + 1)
    )


# --- its chart -------------------------------------------------------------------------------


def _plot(case: Case, finding: Finding, family: Sequence[Finding], *, siblings: int) -> tuple[Plot, ...]:
    """The estimate among those of its family that have a number in its unit: they are drawn lighter."""
    result = finding.measurement.result
    if not isinstance(result, Estimate):
        return ()
    numbered = [(f, f.measurement.result) for f in family if isinstance(f.measurement.result, Estimate)]
    near = {f.id for f in _nearest(finding, [f for f, e in numbered if e.unit == result.unit])[:siblings]}
    drawn = [(f, e) for f, e in numbered if f.id in near or f.id == finding.id]
    in_errors = result.unit in SIZE_WITHIN_A_LANGUAGE and len(drawn) > 1
    several = len({f.measurement.scope.suite for f, _estimate in drawn}) > 1
    dots = []
    for other, estimate in drawn:
        values = in_standard_errors(other, estimate) if in_errors else (estimate.value, estimate.low, estimate.high)
        value, low, high = values
        label = " · ".join((case.where(other) or everything(), *([other.measurement.scope.suite] if several else ())))
        faint = other.id != finding.id
        dots.append(Dot(label=label, panel="", value=value, low=low, high=high, verdict=other.verdict, faint=faint))
    nulls = {0.0} if in_errors else {e.null for _finding, e in drawn}
    null = nulls.pop() if len(nulls) == 1 else None
    return (
        Plot(
            title=measure_name(finding.measurement.measure),
            unit=_(IN_ERRORS) if in_errors else unit_name(result.unit),
            dots=tuple(dots),
            null=null,
            null_label=_null_label(null, several=len(nulls) > 1),
            alt=_alt(len(drawn) - 1, result, in_errors=in_errors, banded=null is not None and not in_errors),
            margin=None if in_errors or null is None else result.margin,
        ),
    )


def _null_label(null: float | None, *, several: bool) -> str:
    if null is None:
        # i18n: what a dashed line in a chart stands for, after "Dashed line:"
        return _("the value without any effect, which differs by row") if several else _("nothing is tested")
    # i18n: what a dashed line in a chart stands for
    return _("the value without any effect ({value})", value=figure(null, 3))


def _nearest(finding: Finding, family: Sequence[Finding]) -> list[Finding]:
    """Others of the family: those that share most of the scope, then those nearest in value."""
    scope, result = vars(finding.measurement.scope), finding.measurement.result
    assert isinstance(result, Estimate)

    def apart(other: Finding) -> tuple[int, float, str]:
        shared = sum(bool(v) and vars(other.measurement.scope)[name] == v for name, v in scope.items())
        estimate = other.measurement.result
        assert isinstance(estimate, Estimate)
        return (-shared, abs(estimate.value - result.value), other.id)

    return sorted((f for f in family if f.id != finding.id), key=apart)


def _alt(others: int, result: Estimate, *, in_errors: bool, banded: bool) -> str:
    texts = [_("The estimate of this page with its interval.")]
    if others:
        texts = [
            ngettext(
                "The estimate of this page and, lighter, {n} of its family.",
                "The estimate of this page and, lighter, {n} of its family.",
                others,
            )
        ]
    if in_errors:
        texts.append(_("Each in units of its own standard error: how far from chance, not how large."))
    elif banded and result.margin is not None:
        texts.append(_("On light ground: too near to no effect to matter."))
    return together(*texts)


# --- inside the model ------------------------------------------------------------------------


def _inside(case: Case, finding: Finding) -> tuple[Block, ...]:
    rows = [*_nodes(case, finding), *_latents(case, finding)]
    if not rows:
        return ()
    return (Group(blocks=(Heading(text=_("Inside the model"), level=3), Facts(rows=tuple(rows)))),)


def _nodes(case: Case, finding: Finding) -> list[tuple[str, str]]:
    """The nodes of the circuit of the finding's language, the strongest first."""
    scope, table = finding.measurement.scope, case.evidence.circuits
    if finding.measurement.measure not in OF_CIRCUITS or not scope.language:
        return []
    chosen = (table["circuit"] == scope.language) & (table["fold"] == WHOLE) & table["kept"]
    own = table[chosen & (table["suite"] == scope.suite)].sort_values("rank")
    if not len(own):
        return []
    shown = [
        f"{node_name(int(layer), int(head))} ({amount(number(float(score), decimals=2), 'nats')})"
        for layer, head, score in own[["layer", "head", "score"]].head(MOST_PARTS).itertuples(index=False)
    ]
    if len(own) > MOST_PARTS:
        shown.append(ngettext("{n} more", "{n} more", len(own) - MOST_PARTS))
    # i18n: heads and MLPs of the model that carry most of the effect
    return [(_("Leading parts"), in_row(shown))]


def _latents(case: Case, finding: Finding) -> list[tuple[str, str]]:
    """The latents that were chosen for the finding's culture or frameworks, those with most by content first."""
    scope, table = finding.measurement.scope, case.evidence.latents
    if scope.lens != LATENTS and finding.measurement.measure not in OF_LATENTS:
        return []
    rows, columns = [], ["layer", "latent", "share_content"]
    for target in filter(None, (scope.culture, scope.framework, scope.other_framework)):
        chosen = table["chosen_for"].str.split(",").map(lambda targets, one=target: one in targets)
        own = table[chosen & ((table["suite"] == scope.suite) | (scope.suite == ""))]
        own = own.sort_values(["share_content", "layer", "latent"], ascending=[False, True, True])
        shown = [
            _(
                "layer {layer}, latent {latent} ({share} by content)",
                layer=int(layer),
                latent=str(int(latent)),
                share=percent(float(share)),
            )
            for layer, latent, share in own[columns].head(MOST_PARTS // 2).itertuples(index=False)
        ]
        if len(own) > len(shown):
            shown.append(ngettext("{n} more", "{n} more", len(own) - len(shown)))
        if shown:
            rows.append((_("Latents: {target}", target=case.target(target)), in_series(shown)))
    return rows
