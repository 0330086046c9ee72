"""Two runs compared, as a section of blocks and as a PDF of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from audit.comparison import Comparison, Difference, Likeness, NodeChange, Outcome
from audit.errors import ResourceError
from audit.findings import FAMILY_LEVEL
from audit.records import Estimate, Manifest, Undefined
from audit.runs import whole_or_absent
from audit.wording import N_, _, name_of, ngettext, spoken
from reports.blocks import Block, Bullets, Column, Document, Facts, Heading, Table, Text
from reports.words import (
    NO_NUMBER,
    all_labels,
    count,
    decimals_for,
    everything,
    figure,
    interval,
    measure_name,
    node_name,
    number,
    p_value,
    scope_fields,
    scope_word,
    unit_name,
)

MOST_ROWS = 60  # of a family
MOST_NODES = 20  # of a language
OUTCOMES = {
    Outcome.HIGHER: N_("higher in B"),
    Outcome.LOWER: N_("lower in B"),
    Outcome.INDISTINGUISHABLE: N_("indistinguishable"),
    Outcome.NOT_INTERPRETABLE: N_("not interpretable"),
    Outcome.UNDEFINED: N_("undefined"),
}
CHANGED = (Outcome.HIGHER, Outcome.LOWER)


def build_comparison_pdf(path: Path, comparison: Comparison) -> None:
    """Write a comparison as a PDF, whole or not at all.

    Raises:
        ResourceError: the report libraries are not installed, or the file cannot be written.
    """
    try:
        from reports import pdf
    except ModuleNotFoundError as missing:
        raise ResourceError(
            f"comparison: the package {missing.name} is not installed; install plural-audit[report]"
        ) from missing
    a, b = comparison.run_a, comparison.run_b
    document = Document(
        title=_("Two audits compared"),
        subtitle=_("A: {a}; B: {b}", a=a.model.name, b=b.model.name),
        running=_("run {a} and run {b}", a=a.run_id, b=b.run_id),
        front=_who(comparison),
        blocks=comparison_section(comparison),
    )
    data = pdf.render(document)
    with whole_or_absent(path) as temporary:
        temporary.write_bytes(data)


def comparison_section(comparison: Comparison) -> tuple[Block, ...]:
    """What changed from A to B: in short, family by family, inside the models, and what was not compared."""
    labels = all_labels((*comparison.run_a.suites, *comparison.run_b.suites))
    return (
        Heading(text=_("What changed from A to B"), level=1),
        *_summary(comparison, labels),
        *_families(comparison, labels, confirmatory=True),
        *_inside(comparison),
        *_families(comparison, labels, confirmatory=False),
        *_left_out(comparison),
    )


def _who(comparison: Comparison) -> tuple[Block, ...]:
    def told(manifest: Manifest) -> str:
        return _("{model}, run {run}", model=manifest.model.name, run=manifest.run_id)

    differ = sum("/" in one.what for one in comparison.not_comparable)
    return (
        Facts(
            rows=(
                # i18n: the first of the two runs that are compared
                (_("Run A"), told(comparison.run_a)),
                (_("Run B"), told(comparison.run_b)),
                (_("Items in common"), count(len(comparison.same_items))),
                (_("Items of A alone"), count(len(comparison.only_a))),
                (_("Items of B alone"), count(len(comparison.only_b))),
                (_("Items of both that cannot be compared"), count(differ)),
            )
        ),
        *(Text(text=spoken(note), style="small") for note in comparison.notes),
    )


def _summary(comparison: Comparison, labels: Mapping[str, str]) -> tuple[Block, ...]:
    own = [one for one in comparison.differences if one.confirmatory]
    counts = Counter(one.verdict for one in own)
    changed = [one for one in own if one.verdict in CHANGED]
    blocks: list[Block] = [
        Text(
            text=_(
                "Every difference is B minus A, on the items that both runs were asked in the same words, template by "
                "template. Tests are corrected (Holm) within families that were fixed before the runs: where nothing "
                "differs, a family is to raise a false alarm in at most {level} of comparisons. A difference that was "
                "not shown is not shown to be none: the tables say which size would have been found in four of five "
                "comparisons.",
                level=figure(FAMILY_LEVEL, 2),
            )
        ),
        Table(
            columns=(
                Column(title=_("Verdict"), width=4.0),
                Column(title=_("Fixed before the runs"), width=3.0, align="right"),
            ),
            rows=tuple((_(OUTCOMES[outcome]), count(counts[outcome])) for outcome in Outcome),
        ),
    ]
    if changed:
        blocks.append(Bullets(items=tuple(_sentence(one, labels) for one in changed)))
    else:
        blocks.append(Text(text=_("None of the questions fixed before the runs shows a difference."), style="lead"))
    return tuple(blocks)


def _sentence(one: Difference, labels: Mapping[str, str]) -> str:
    result = one.estimate
    assert isinstance(result, Estimate), "only estimates are higher or lower"
    decimals = decimals_for([result])
    return _(
        "{measure}, {where}: {verdict}, by {value} {unit} ({interval}; p adjusted {p}, {n} templates).",
        measure=measure_name(one.measure),
        where=_where(one, labels),
        verdict=_(OUTCOMES[one.verdict]),
        value=number(result.value, decimals=decimals),
        unit=unit_name(result.unit),
        interval=interval(result, decimals=decimals),
        p=p_value(one.p_adjusted),
        n=result.n_clusters,
    )


def _where(one: Difference, labels: Mapping[str, str]) -> str:
    fields = [name for name in scope_fields(one.scope) if name != "suite"]
    return " · ".join(scope_word(one.scope, name, labels=labels) for name in fields) or everything()


def _families(comparison: Comparison, labels: Mapping[str, str], *, confirmatory: bool) -> list[Block]:
    """A table per family; of exploratory ones only what differs."""
    shown = [
        one
        for one in comparison.differences
        if one.confirmatory is confirmatory and (confirmatory or one.verdict in CHANGED)
    ]
    title = _("Questions fixed before the runs") if confirmatory else _("Leads: exploratory differences")
    blocks: list[Block] = [Heading(text=title, level=2)]
    if not shown:
        blocks.append(Text(text=_("None.")))
    for family, group in groupby(shown, key=lambda one: one.family):
        blocks += _table(family, list(group), labels)
    return blocks


def _table(family: str, group: Sequence[Difference], labels: Mapping[str, str]) -> list[Block]:
    estimates = [one.estimate for one in group if isinstance(one.estimate, Estimate)]
    decimals, unit = decimals_for(estimates), unit_name(estimates[0].unit) if estimates else ""
    measure = measure_name(group[0].measure)
    # i18n: heading of a table: a measure, and the group of questions that are corrected together
    blocks: list[Block] = [Heading(text=_("{measure}: {family}", measure=measure, family=family), level=3)]
    rows = tuple(_row(one, labels, decimals=decimals) for one in group[:MOST_ROWS])
    blocks.append(
        Table(
            columns=(
                Column(title=_("About"), width=2.6),
                # i18n: headings of columns: the value in run A, in run B, and their difference
                Column(title=_("A"), width=1.35, align="right"),
                Column(title=_("B"), width=1.35, align="right"),
                Column(title=_("B − A, {unit}", unit=unit) if unit else _("B − A"), width=1.5, align="right"),
                Column(title=_("interval"), width=2.7, align="right"),
                Column(title=_("Templates"), width=1.3, align="right"),
                Column(title=_("p adjusted"), width=1.3, align="right"),
                Column(title=_("Detectable"), width=1.4, align="right"),
                Column(title=_("Verdict"), width=2.4),
            ),
            rows=rows,
        )
    )
    if len(group) > MOST_ROWS:
        more = len(group) - MOST_ROWS
        text = ngettext("{n} more row is in the JSON file.", "{n} more rows are in the JSON file.", more)
        blocks.append(Text(text=text, style="small"))
    blocks += [Text(text=reason, style="small") for reason in _reasons(group)]
    return blocks


def _reasons(group: Sequence[Difference]) -> list[str]:
    """Each reason once: why there is no number, and why a number must not be interpreted."""
    found: dict[str, None] = {}
    for one in group:
        if isinstance(one.estimate, Undefined):
            found[_("Undefined: {why}.", why=spoken(one.estimate.reason))] = None
        if one.verdict is Outcome.NOT_INTERPRETABLE and one.notes:
            found[_("Not interpretable {why}.", why=spoken(one.notes[-1]))] = None
    return list(found)


def _row(one: Difference, labels: Mapping[str, str], *, decimals: int) -> tuple[str, ...]:
    sides = tuple(
        NO_NUMBER if value is None else number(value, decimals=decimals) for value in (one.value_a, one.value_b)
    )
    result, verdict = one.estimate, _(OUTCOMES[one.verdict])
    if isinstance(result, Undefined):
        return (_where(one, labels), *sides, *(NO_NUMBER,) * 5, verdict)
    return (
        _where(one, labels),
        *sides,
        number(result.value, decimals=decimals),
        interval(result, decimals=decimals),
        count(result.n_clusters),
        p_value(one.p_adjusted),
        NO_NUMBER if one.detectable is None else number(one.detectable, decimals=decimals),
        verdict,
    )


# --- inside ---------------------------------------------------------------------------------


def _inside(comparison: Comparison) -> list[Block]:
    if not comparison.nodes and not comparison.likenesses:
        return []
    blocks: list[Block] = [Heading(text=_("Inside the models"), level=2)]
    if comparison.likenesses:
        blocks.append(Bullets(items=tuple(_likeness(one) for one in comparison.likenesses)))
    for (suite, language), group in groupby(comparison.nodes, key=lambda one: (one.suite, one.language)):
        blocks += _nodes(suite, language, list(group))
    return blocks


def _likeness(one: Likeness) -> str:
    where = {"what": spoken(one.what), "language": name_of(one.scope.language), "suite": one.scope.suite}
    if isinstance(one.result, Undefined):
        return _("{what}, {language} ({suite}): undefined: {why}.", **where, why=spoken(one.result.reason))
    return _(
        "{what}, {language} ({suite}): {value} ({interval}, {n} templates).",
        **where,
        value=number(one.result.value, decimals=2),
        interval=interval(one.result, decimals=2),
        n=one.result.n_clusters,
    )


def _nodes(suite: str, language: str, group: Sequence[NodeChange]) -> list[Block]:
    """The nodes that gained or lost effect, the largest change first."""
    changed = sorted((one for one in group if one.verdict in CHANGED), key=lambda one: -abs(one.estimate.value))
    text = _(
        "{language}, {suite}: {changed} of {n} nodes that both runs patched one by one changed their effect.",
        language=name_of(language),
        suite=suite,
        changed=len(changed),
        n=len(group),
    )
    if not changed:
        return [Text(text=text)]
    rows = tuple(
        (
            node_name(one.layer, one.head),
            number(one.value_a, decimals=3),
            number(one.value_b, decimals=3),
            number(one.estimate.value, decimals=3),
            interval(one.estimate, decimals=3),
            p_value(one.p_adjusted),
        )
        for one in changed[:MOST_NODES]
    )
    return [
        Text(text=text),
        Table(
            columns=(
                Column(title=_("Node"), width=2.0),
                Column(title=_("A"), width=1.2, align="right"),
                Column(title=_("B"), width=1.2, align="right"),
                Column(title=_("B − A, {unit}", unit=unit_name("nats")), width=1.6, align="right"),
                Column(title=_("interval"), width=2.4, align="right"),
                Column(title=_("p adjusted"), width=1.4, align="right"),
            ),
            rows=rows,
        ),
    ]


# --- what was not compared ------------------------------------------------------------------


def _left_out(comparison: Comparison) -> list[Block]:
    items = Counter(one.reason for one in comparison.not_comparable if "/" in one.what)
    whole = [one for one in comparison.not_comparable if "/" not in one.what]
    blocks: list[Block] = [Heading(text=_("What was not compared"), level=2)]
    lines = [
        ngettext("{n} item: {why}.", "{n} items: {why}.", n, why=spoken(reason)) for reason, n in items.most_common()
    ]
    lines += [_("{measure}: {why}.", measure=measure_name(one.what), why=spoken(one.reason)) for one in whole]
    if lines:
        blocks.append(Bullets(items=tuple(lines)))
    else:
        blocks.append(Text(text=_("Everything that both runs have was compared.")))
    return blocks
