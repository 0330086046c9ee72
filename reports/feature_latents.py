"""Pages on SAE latents: what their activity goes with, which languages share them, which texts activate them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audit.records import Kind
from audit.wording import N_, _, language, name_of, ngettext
from reports import feature_charts
from reports.blocks import Block, Column, Heading, Marked, Picture, Table, Text
from reports.case import Case
from reports.chart_tables import shared_sets
from reports.circuit_charts import rows_of
from reports.feature_tables import Features, Looked, names_of, runs_of
from reports.items import Wordings
from reports.words import (
    NO_NUMBER,
    UNREAD_SIGN,
    count,
    everything,
    figure,
    in_series,
    listed,
    number,
    percent,
    together,
)

MOST_COMBINATIONS = 12
KIND_WORDS = {
    # i18n: what a latent's activity goes with: the language of a text; a cell of a table
    "language-specific": N_("language"),
    # i18n: what a latent's activity goes with: the content of a text; a cell of a table
    "content-specific": N_("content"),
    # i18n: a latent's activity goes with both language and content; a cell of a table
    "mixed": N_("mixed"),
    # i18n: a latent's activity goes with neither language nor content; a cell of a table
    "neither": N_("neither"),
}
GOES_WITH = {
    "language-specific": N_("goes with language"),
    "content-specific": N_("goes with content"),
    "mixed": N_("goes with mixed"),
    "neither": N_("goes with neither"),
}


def latent_pages(case: Case, found: Features) -> tuple[Block, ...]:
    """What the run shows of latents, in suites of cultures and of values."""
    return (*_kinds(found), *_sharing(found), *_contexts(case, found))


def _no_latents(found: Features) -> str:
    if not len(found.quality):
        return _("Nobody looked at latents: there was no SAE.")
    return _("Nobody looked at latents: no latent was active on this suite's texts.")


def _kinds(found: Features) -> tuple[Block, ...]:
    suites = found.of(Kind.CULTURE, Kind.VALUES)
    if not suites:
        return ()
    blocks: list[Block] = [Heading(text=_("What the activity of latents goes with"), level=2)]
    known = [one for one in suites if len(one.kinds)]
    if not known:
        split = _("No latent's activity could be split: that takes templates in every language, and several of them.")
        return (*blocks, Text(text=split if any(len(one.sharing) for one in suites) else _no_latents(found)))
    text = _(
        "Each latent that is active on a suite's texts is sorted by what its activity varies with: the language of the "
        "text, its content (which culture, which framework) whatever the language, both, or neither. The narrow dark "
        "bar: how many go with content at p below 0.05; the upright stroke: how many would by chance, as labels dealt "
        "out anew show. A kind is partly defined by that p, so only the first row compares the two fairly."
    )
    panels, tables = {}, []
    for one in known:
        for layer in sorted({int(layer) for layer in one.kinds["layer"]}):
            of = one.kinds[one.kinds["layer"] == layer]
            where = _("{suite}, layer {layer}", suite=one.suite, layer=layer)
            panels[where] = _kind_rows(of)
            tables.append(_kinds_table(where, panels[where], of))
    draw = functools.partial(_draw_kinds, panels)
    blocks += [Text(text=text), Picture(draw=draw, alt=_kinds_alt(panels)), *tables]
    return tuple(blocks)


def _kind_rows(kinds: pd.DataFrame) -> pd.DataFrame:
    rows = kinds[["kind", "n", "with_content", "by_chance"]].assign(kind=kinds["kind"].map(lambda k: _(KIND_WORDS[k])))
    total = {name: rows[name].sum() for name in ("n", "with_content", "by_chance")}
    return pd.concat([pd.DataFrame([{"kind": everything(), **total}]), rows], ignore_index=True)


def _draw_kinds(panels: Mapping[str, pd.DataFrame], width: float) -> Any:
    return feature_charts.kinds(panels, width=width)


def _kinds_alt(panels: Mapping[str, pd.DataFrame]) -> str:
    told = []
    for where, table in panels.items():
        every = table.iloc[0]
        told.append(
            ngettext(
                "{where}: {n} latent, {with_content} go with content, {by_chance} would by chance",
                "{where}: {n} latents, {with_content} go with content, {by_chance} would by chance",
                int(every["n"]),
                where=where,
                with_content=int(every["with_content"]),
                by_chance=number(every["by_chance"], decimals=1),
            )
        )
    return _(
        "Shows how many latents are of each kind ({kinds}). Does not show a test: all latents are judged on the same "
        "few templates and err together.",
        kinds=in_series(told),
    )


def _kinds_table(where: str, rows: pd.DataFrame, kinds: pd.DataFrame) -> Table:
    columns = (
        # i18n: what the activity of latents goes with; {where} is a suite and a layer
        Column(title=_("Goes with ({where})", where=where), width=3.0),
        Column(title=_("Latents"), width=1.2, align="right"),
        Column(title=_("Share of variance by content"), width=2.2, align="right"),
        Column(title=_("the same, permuted labels"), width=2.2, align="right"),
        Column(title=f"p < {figure(0.05, 2)}", width=1.2, align="right"),
        # i18n: heading of a column: how many there would be by chance
        Column(title=_("by chance"), width=1.2, align="right"),
    )
    shares = {_(KIND_WORDS[row.kind]): (row.share_content, row.permuted_content) for row in rows_of(kinds)}
    shares[everything()] = (_over_all(kinds, "share_content"), _over_all(kinds, "permuted_content"))
    cells = tuple(
        (
            row.kind,
            count(int(row.n)),
            *map(_share, shares[row.kind]),
            count(int(row.with_content)),
            number(float(row.by_chance), decimals=1),
        )
        for row in rows_of(rows)
    )
    return Table(columns=columns, rows=cells)


def _over_all(kinds: pd.DataFrame, name: str) -> float:
    """Mean over all latents, from the means over kinds."""
    known = kinds[kinds[name].notna() & (kinds["n"] > 0)]
    return float((known[name] * known["n"]).sum() / known["n"].sum()) if len(known) else math.nan


def _share(value: float) -> str:
    return percent(value) if math.isfinite(value) else NO_NUMBER


def _sharing(found: Features) -> tuple[Block, ...]:
    suites = [one for one in found.of(Kind.CULTURE, Kind.VALUES) if len(one.sharing)]
    if not suites:
        return ()
    text = _(
        "One column is a set of languages (dark dots): the bar above counts the latents that are active on at least a "
        "tenth of the texts in just these languages, the narrow dark bar those of them that go with content. Many dots "
        "under the tallest bars: languages share latents; single dots: each has its own."
    )
    blocks: list[Block] = [Heading(text=_("Which languages share latents"), level=2), Text(text=text)]
    for one in suites:
        combinations = _combinations(one)
        shown, left = combinations[:MOST_COMBINATIONS], ""
        if len(combinations) > len(shown):
            rest = combinations[MOST_COMBINATIONS:]
            left = ngettext(
                "Not drawn: {n} rarer set with {latents} latents.",
                "Not drawn: {n} rarer sets with {latents} latents.",
                len(rest),
                latents=int(rest["n"].sum()),
            )
        names = tuple(map(name_of, one.languages))
        marked = tuple(name_of(code) for code in one.languages if code in found.unread)
        draw = functools.partial(_draw_shared, shown, names, marked)
        alt = together(_sharing_alt(one, combinations, marked), left)
        blocks.append(Picture(draw=draw, alt=alt, data=shared_sets(shown)))
    return tuple(blocks)


def _combinations(one: Looked) -> pd.DataFrame:
    """Sets of languages with names instead of codes, the commonest first."""
    members = [tuple(name_of(code) for code in codes.split(",") if code) for codes in one.sharing["languages"]]
    held = pd.Series(members, index=one.sharing.index, dtype=object)
    return one.sharing.assign(members=held).sort_values("n", ascending=False, kind="stable").reset_index(drop=True)


def _draw_shared(shown: pd.DataFrame, names: Sequence[str], marked: Sequence[str], width: float) -> Any:
    return feature_charts.shared(shown, languages=names, marked=marked, width=width)


def _sharing_alt(one: Looked, combinations: pd.DataFrame, marked: Sequence[str]) -> str:
    total, most = int(combinations["n"].sum()), len(one.languages)

    def in_so_many(n_languages: int) -> int:
        return int(combinations.loc[combinations["n_languages"] == n_languages, "n"].sum())

    return together(
        ngettext(
            "Shows in which languages latents are active together ({suite}): of {all} latents {everywhere} in the one "
            "language, {single} in one only, {none} in none often enough.",
            "Shows in which languages latents are active together ({suite}): of {all} latents {everywhere} in all {n} "
            "languages, {single} in one only, {none} in none often enough.",
            most,
            suite=one.suite,
            all=total,
            everywhere=in_so_many(most),
            single=in_so_many(1),
            none=in_so_many(0),
        ),
        _("Hatched: not interpretable ({languages}).", languages=listed(marked)) if marked else "",
        _("Does not show that a shared latent means the same in each language."),
    )


# --- texts ----------------------------------------------------------------------------------------


def _contexts(case: Case, found: Features) -> tuple[Block, ...]:
    suites = found.of(Kind.CULTURE, Kind.VALUES)
    if not any(len(one.sharing) or len(one.contexts) for one in suites):
        return ()
    head = Heading(text=_("Texts that activate a latent most"), level=2)
    known = [one for one in suites if len(one.contexts)]
    if not known:
        return (head, Text(text=_("No latent was chosen for a culture or framework, so there are no texts to show.")))
    text = _(
        "For a few latents, those whose activity goes with content farthest beyond chance (one per culture or "
        "framework), the texts on which they are most active. Darker ground: more active at that word; bold: near the "
        "latent's highest here. What a latent was chosen for is a statistic of this suite; whether it means that is "
        "for the reader to judge, and for other texts to test."
    )
    wordings = Wordings.of(case.evidence)
    blocks: list[Block] = [head, Text(text=text)]
    for one in known:
        for _latent_of, table in one.contexts.groupby(["layer", "latent"], sort=False):
            blocks.append(_latent(case, found, one, table, wordings))
    return tuple(blocks)


def _latent(case: Case, found: Features, one: Looked, table: pd.DataFrame, wordings: Wordings) -> Marked:
    first = table.iloc[0]
    targets = [name for name in str(first["chosen_for"]).split(",") if name]
    names = names_of(case, targets)
    title = " · ".join(
        (
            # i18n: {latent} and {layer} are numbers that name, and count nothing
            _("Latent {latent} of layer {layer}", latent=str(int(first["latent"])), layer=int(first["layer"])),
            one.suite,
            _("chosen for {targets}", targets=listed(names[name] for name in targets)),
            *([_(GOES_WITH[first["kind"]])] if first["kind"] in GOES_WITH else []),  # none where nothing was split
            _(
                "share of variance by content {share} (permuted labels {permuted})",
                share=_share(float(first["share_content"])),
                permuted=_share(float(first["permuted_content"])),
            ),
        )
    )
    actives = [active for tokens in table["tokens"] for _word, active in tokens if active is not None]
    largest = max([a for a in actives if math.isfinite(a)], default=0.0)
    lines: list[tuple[str, tuple[tuple[str, int], ...]]] = []
    languages: list[str] = []
    for row in rows_of(table.sort_values("rank", kind="stable")):
        name = name_of(row.language) + (f" ({_(UNREAD_SIGN)})" if row.language in found.unread else "")
        label = f"{int(row.rank)}. {name} · {number(float(row.activation), decimals=1)}"
        if one.suite in wordings.closed or not row.tokens:
            kept = _("{item}: the text is not kept; its licence may forbid copies.", item=row.item)
            lines.append((label, ((kept, 0),)))
            languages.append(language())
            continue
        runs = runs_of(row.tokens, largest=largest, can_draw=case.can_draw)
        lines.append((label, runs or ((_not_drawn(row), 0),)))
        languages.append(row.language if runs else language())
        if row.language != "en":
            gloss = _gloss(case, one, row, wordings)
            lines += gloss
            languages += ["en"] * len(gloss)
    return Marked(title=case.spelled_out(title), lines=tuple(lines), languages=tuple(languages))


def _not_drawn(row: Any) -> str:
    known = [(active, i) for i, (_word, active) in enumerate(row.tokens, start=1) if active is not None]
    if not known:
        return _(
            "Not drawn, for this report has no letters for it: item {item} in the table “contexts”.", item=row.item
        )
    strongest = max(known, key=lambda pair: (pair[0], -pair[1]))[1]
    return _(
        "Not drawn, for this report has no letters for it: item {item} in the table “contexts”, most active at token "
        "{token} of {all}.",
        item=row.item,
        token=strongest,
        all=len(row.tokens),
    )


def _gloss(case: Case, one: Looked, row: Any, wordings: Wordings) -> list[tuple[str, tuple[tuple[str, int], ...]]]:
    """The English item of the same id, where the run has it."""
    items = case.evidence.items
    mine = items[(items["suite"] == one.suite) & (items["item"] == row.item)]
    culture = str(mine["culture"].iloc[0]) if len(mine) else ""
    asked = wordings.lines(one.suite, row.item, "en", culture=culture) or ()
    side = str(row.context).split("/")[0]
    words = next((text for context, text in asked if context == side), asked[0][1] if asked else "")
    return [(_("English item"), ((words, 0),))] if words and case.can_draw(words) else []
