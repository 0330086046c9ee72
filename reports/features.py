"""What can be read inside the model about cultures and frameworks: the pages of features."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audit.measures.feature_tables import UNITS, WELL_RECONSTRUCTED
from audit.records import Estimate, Kind
from audit.wording import N_, _, name_of
from reports import chart_tables, feature_charts
from reports.blocks import Block, Column, Facts, Heading, Picture, Table, Text
from reports.case import APPENDIX, Case
from reports.circuit_charts import rows_of
from reports.feature_findings import weighed_pages
from reports.feature_latents import latent_pages
from reports.feature_tables import (
    Features,
    Looked,
    columns_of,
    features_of,
    has_tables,
    map_cells,
    names_of,
    of_measure,
    target_order,
    titled,
)
from reports.words import (
    NO_NUMBER,
    between,
    count,
    decimals_for,
    figure,
    in_row,
    in_series,
    interval,
    lens_name,
    listed,
    number,
    percent,
    started,
    together,
    unit_name,
    with_interval,
)

TITLE = N_("Cultures and frameworks inside the model")
ASKED = (Kind.CULTURE, Kind.VALUES, Kind.DILEMMA)
PROFILE_UP_TO = 2.0
MOST_MAP_ROWS = 16  # of maps of several lenses in one picture; more would not fit a page at a size to read
LENS_WORDS = {
    "knowledge": N_("Knowledge: answers"),
    "probe": N_("Probe: the model's states"),
    "latents": N_("Latents: the SAE's part of them"),
    "pathway": N_("Pathway: swapping the name"),
    "steering": N_("Steering: pushing the answer"),
}


def feature_pages(case: Case) -> tuple[Block, ...]:
    """The section on features; empty where the run has no suite that features are looked at for."""
    suites = [suite for suite in case.evidence.manifest.suites if suite.kind in ASKED]
    if not suites:
        return ()
    if not has_tables(case.evidence):
        return (Heading(text=_(TITLE), level=1), Text(text=_("Nobody looked: {why}.", why=_why_not(case))))
    found = features_of(case.evidence)
    return (
        Heading(text=_(TITLE), level=1, new_page=True),
        *_lead(found),
        *_instrument(case, found),
        *_capacity(case, found),
        *_diversity(found),
        *_balance(case, found),
        *latent_pages(case, found),
        *weighed_pages(case, found),
    )


def _why_not(case: Case) -> str:
    sae = case.evidence.manifest.settings.get("sae")
    if sae is None:
        return _("the run does not say that features were asked for")
    if sae == "none":
        return _("the run was made without features (--sae none)")
    return _(
        "the run asked for features (--sae {sae}), but its tables of them are empty", sae=case.spelled_out(str(sae))
    )


def _lead(found: Features) -> tuple[Block, ...]:
    rows = [
        (
            _("Probe"),
            _(
                "A small program that sees only the model's inner state at one layer and has to say which culture, or "
                "endorsing or rejecting, a text is about. It learns on some templates and is judged on others. Its "
                "success is counted in bits, above what it makes of shuffled labels."
            ),
        ),
        (
            _("Latents"),
            _(
                "A sparse autoencoder (SAE) writes that inner state as a sum of a few directions out of thousands, its "
                "latents. The same probe is given nothing but those."
            ),
        ),
        (
            _("Labels"),
            _(
                "The label of a latent is a hypothesis: it says on which of these texts the latent was active, not "
                "what the latent means to the model. A culture is not a vector, and here a culture is a handful of "
                "facts."
            ),
        ),
        (
            _("What it says not"),
            _(
                "What can be read inside is not what the model says, and not harm by itself. What cannot be read by a "
                "linear probe at one layer may still be there. Estimates with intervals and verdicts stand in the "
                "sections of the measures and in “{appendix}”; here are pictures.",
                appendix=_(APPENDIX),
            ),
        ),
    ]
    barred = [name_of(code) for code in found.languages if code in found.unread]
    if barred:
        told = _(
            "Not interpretable: {languages}. It was not shown that the model reads them, so what is found or not found "
            "there says nothing; pictures show them hatched.",
            languages=listed(barred),
        )
        rows.append((_("Languages"), told))
    lead = _(
        "How much can be read inside the model about each culture and each value framework, and in which languages?"
    )
    return (Text(text=lead, style="lead"), Facts(rows=tuple(rows)))


# --- the SAE --------------------------------------------------------------------------------------


def _instrument(case: Case, found: Features) -> tuple[Block, ...]:
    blocks: list[Block] = [Heading(text=_("The instrument: how well the SAE reads each language"), level=2)]
    if not len(found.quality):
        return (*blocks, Text(text=_("Nobody looked through an SAE: {why}.", why=_why_no_sae(case))))
    for _sae, table in found.quality.groupby(["sae", "layer"], sort=False):
        blocks += _one_sae(case, table)
    return tuple(blocks)


def _why_no_sae(case: Case) -> str:
    if case.evidence.manifest.settings.get("sae") == "bundled":
        return _(
            "none comes with the package for this model, so probes and steering read the model's own states and there "
            "are no latents"
        )
    return _("its table is empty in this run")


def _one_sae(case: Case, table: pd.DataFrame) -> list[Block]:
    name, layer = str(table["sae"].iloc[0]), int(table["layer"].iloc[0])
    dead = float(table["dead_share"].iloc[0])
    text = together(
        _("SAE “{name}” reads the model's state after layer {layer}.", name=case.spelled_out(name), layer=layer),
        _("{share} of its latents are active on none of this run's texts.", share=percent(dead))
        if math.isfinite(dead)
        else _("An unknown share of its latents are active on none of this run's texts."),
        _(
            "Explained variance: how much of what varies in the state the latents reproduce (1 is all). Active: "
            "latents at work per token (L0). Loss recovered: 1 means that the model predicts as well from the latents "
            "alone as from its own state, 0 as badly as with no state at all, which is a low bar; so the worse "
            "prediction that remains stands beside it."
        ),
    )
    columns = (
        Column(title=_("Language"), width=1.8),
        # i18n: heading of a column: how well the SAE reads a language, in words
        Column(title=_("In words"), width=3.2),
        Column(title=_("Tokens"), width=1.0, align="right"),
        Column(title=_("Explained variance"), width=1.4, align="right"),
        # i18n: heading of a column: how many latents are active per token
        Column(title=_("Active"), width=1.0, align="right"),
        Column(title=_("Loss recovered"), width=1.4, align="right"),
        Column(title=_("Loss added, nats"), width=1.4, align="right"),
    )
    rows = tuple(
        (
            name_of(row.language),
            _quality_words(row),
            count(int(row.n_tokens)),
            _plain(row.explained_variance, decimals=2),
            _plain(row.l0, decimals=0),
            _plain(row.loss_recovered, decimals=2),
            _plain(row.added, decimals=2),
        )
        for row in rows_of(table)
    )
    bad = [name_of(row.language) for row in rows_of(table) if row.flagged]
    bar = figure(WELL_RECONSTRUCTED, 6)
    verdict = (
        _(
            "The SAE stands badly for {languages}: less than {bar} of the loss is recovered there, or nobody measured "
            "it. Little or nothing in its latents there may be the SAE's lack and not the model's.",
            languages=listed(bad),
            bar=bar,
        )
        if bad
        else _("At least {bar} of the loss is recovered in every language.", bar=bar)
    )
    return [Text(text=text), Table(columns=columns, rows=rows), Text(text=verdict)]


def _quality_words(row: Any) -> str:
    if math.isnan(row.loss_recovered):
        return _("not measured: do not rely on latents")
    if row.flagged:
        return _("badly read: below {bar}", bar=figure(WELL_RECONSTRUCTED, 6))
    # i18n: the SAE reads the language; a cell of a table
    return _("reads it")


def _plain(value: float, *, decimals: int) -> str:
    return number(value, decimals=decimals) if math.isfinite(value) else NO_NUMBER


# --- cultures -------------------------------------------------------------------------------------


def _capacity(case: Case, found: Features) -> tuple[Block, ...]:
    cultures = found.of(Kind.CULTURE)
    title = _("How much can be read about each culture")
    blocks: list[Block] = []
    for one in cultures:
        blocks.append(titled(title, one, cultures))
        if not set(one.maps) - {"knowledge"}:
            blocks.append(Text(text=_("Nobody looked inside the model for this suite, so there is no map.")))
            continue
        blocks.append(Text(text=_capacity_text(one)))
        blocks += _maps(case, found, one)
    return tuple(blocks)


def _capacity_text(one: Looked) -> str:
    texts = [
        _(
            "One row is a culture, one column a language; the first column is the mean over the languages that the "
            "model reads. Knowledge is what its answers show; probe and latents are what can be read inside, in bits "
            "above shuffled labels. In bold: the interval lies above zero (each cell for itself; among many cells a "
            "few do so by chance)."
        )
    ]
    if math.isfinite(one.random_model):
        texts.append(
            _(
                "Beside them: latents of a model with random weights reach {bits} bits on average over the readable "
                "languages, which is in the texts and not in what the model learned.",
                bits=number(one.random_model, decimals=2),
            )
        )
    if "pathway" not in one.maps:
        texts.append(
            _("Nobody swapped the cultures' names inside the model in this run, so there is no map of pathways.")
        )
    return together(*texts)


def _maps(case: Case, found: Features, one: Looked) -> list[Block]:
    order = target_order(one.maps)
    blocks: list[Block] = []
    names = names_of(case, order)
    bits = {lens: table for lens, table in one.maps.items() if UNITS[lens] == "bits"}
    others = {lens: table for lens, table in one.maps.items() if lens not in bits}
    for group in (bits, others):
        if not group:
            continue
        panels = {
            in_row([_(LENS_WORDS[lens]), unit_name(UNITS[lens])]): map_cells(
                table, names=names, order=order, columns=columns_of(table, found)
            )
            for lens, table in group.items()
        }
        shown = [float(v) for cells in panels.values() for v in cells["value"]]
        if not any(map(math.isfinite, shown)):
            blocks.append(
                Text(
                    # i18n: {lenses} are names of lenses, such as "probe and latents"
                    text=_(
                        "Nothing to draw for {lenses}: {why}.",
                        lenses=listed(map(lens_name, group)),
                        why=_no_cell(found, one),
                    )
                )
            )
            continue
        edges = feature_charts.edges_for(shown)
        together = (
            [(panels, group)]
            if len(order) <= MOST_MAP_ROWS
            else [
                ({title: cells}, {lens: group[lens]})
                for (title, cells), lens in zip(panels.items(), group, strict=True)
            ]
        )
        for some, lenses in together:
            draw = functools.partial(feature_charts.draw_maps, some, edges)
            blocks.append(Picture(draw=draw, alt=_maps_alt(lenses, names), data=chart_tables.cell_values(some)))
    return blocks


def _no_cell(found: Features, one: Looked) -> str:
    if set(one.languages) <= found.unread:
        return _("no language of the suite was shown to be read by the model")
    return _("no cell has a number")


def _maps_alt(group: Mapping[str, pd.DataFrame], names: Mapping[str, str]) -> str:
    told = []
    for lens, table in group.items():
        pooled = table[(table["language"] == "") & table["value"].notna() & table["interpretable"]]
        if not len(pooled):
            told.append(_("{lens}: no number over the readable languages", lens=lens_name(lens)))
            continue
        ranked = pooled.sort_values("value", kind="stable")
        low, high = ranked.iloc[0], ranked.iloc[-1]
        told.append(_from_to(lens, low, high, names))
    if "pathway" in group:
        return _(
            "Shows how far an answer moves when another culture's name is swapped in through the parts of the model "
            "that carry it, in spreads of swaps that should not matter: {lenses}. Does not show bits, and is not to be "
            "set against the maps above.",
            lenses=in_series(told),
        )
    return _(
        "Shows how much can be read about each culture, over the readable languages: {lenses}. Does not show why a "
        "number is low, nor how sure a single cell is: a cell rests on a few facts.",
        lenses=in_series(told),
    )


def _from_to(lens: str, low: pd.Series, high: pd.Series, names: Mapping[str, str]) -> str:
    """The lowest and the highest number of a lens, and whose they are."""
    # i18n: as in "probe from 0.10 (Kenya) to 0.45 (Japan)"
    return _(
        "{lens} from {low} ({lowest}) to {high} ({highest})",
        lens=lens_name(lens),
        low=number(low["value"], decimals=2),
        lowest=names[low["target"]],
        high=number(high["value"], decimals=2),
        highest=names[high["target"]],
    )


def _diversity(found: Features) -> tuple[Block, ...]:
    cultures = found.of(Kind.CULTURE)
    blocks: list[Block] = []
    for one in cultures:
        known = {lens: table[table["q"] <= PROFILE_UP_TO] for lens, table in one.profiles.items() if len(table)}
        blocks.append(titled(_("Over how many cultures it is spread"), one, cultures))
        if not known:
            blocks.append(Text(text=_("There is no profile: {why}.", why=_no_profile(found, one))))
            continue
        absent = [lens for lens in one.profiles if lens not in known]
        text = _(
            "If all cultures were equally well represented, the line would lie on the grey one above: as many as there "
            "are. Order q says what counts: at 0 every culture of which anything can be read, at 1 each by its share, "
            "at 2 mostly the best represented. Shaded: the 95 % interval of the solid line. Dashed, where it is known: "
            "two cultures that the model's latents hardly tell apart count for less than two."
        )
        if absent:
            missing = _(
                "No profile for {lenses}: nothing can be read there above the control.",
                lenses=listed(map(lens_name, absent)),
            )
            text = together(text, missing)
        panels = {_profile_title(lens): table for lens, table in known.items()}
        draw = functools.partial(_draw_profiles, panels)
        picture = Picture(draw=draw, alt=_profile_alt(known), data=chart_tables.profile_points(panels))
        blocks += [Text(text=text), picture]
    return tuple(blocks)


def _no_profile(found: Features, one: Looked) -> str:
    if not one.profiles:
        return _("nobody looked inside the model for this suite")
    if set(one.languages) <= found.unread:
        return _no_cell(found, one)
    return _("no lens reads anything above its control")


def _profile_title(lens: str) -> str:
    name = started(lens_name(lens))
    # i18n: title of a small chart: a lens whose unit is another than that of the charts beside it
    return name if UNITS[lens] == "bits" else _("{lens} (other unit)", lens=name)


def _draw_profiles(panels: Mapping[str, pd.DataFrame], width: float) -> Any:
    return feature_charts.profiles(panels, width=width)


def _profile_alt(known: Mapping[str, pd.DataFrame]) -> str:
    told = []
    for lens, table in known.items():
        row = table[table["q"] == 1].iloc[0]
        value, low, high = (number(float(row[name]), decimals=1) for name in ("value", "low", "high"))
        told.append(
            # i18n: an effective number of cultures, of so many in the suite, as in "probe 8.2 (7.1 to 9.0) of 12"
            _(
                "{lens} {value} ({interval}) of {n}",
                lens=lens_name(lens),
                value=value,
                interval=between(low, high),
                n=int(row["n_cultures"]),
            )
        )
    return _(
        "Shows the effective number of cultures over the readable languages, at order 1: {lenses}. Does not show which "
        "cultures are missing, nor diversity among people: other cultures in the suite would give another number.",
        lenses=in_series(told),
    )


# --- frameworks -----------------------------------------------------------------------------------


def _balance(case: Case, found: Features) -> tuple[Block, ...]:
    suites = found.of(Kind.VALUES, Kind.DILEMMA)
    if not suites:
        return ()
    blocks: list[Block] = [Heading(text=_("How evenly the value frameworks are represented"), level=2)]
    read = [one for one in suites if one.maps]
    if not read:
        return (
            *blocks,
            Text(text=_("Nobody looked inside the model for the suites of frameworks, so there is no chart.")),
        )
    text = _(
        "For each framework, over the languages that the model reads: can a probe tell inside the model whether a "
        "statement endorses or rejects it (probe, latents; in bits), and does a push along the framework's direction "
        "move the answers to dilemmas more than random pushes do (steering; in spreads of random directions, another "
        "unit, so in a chart of its own)? Lines: 95 % intervals; dashed: nothing beyond the control."
    )
    blocks.append(Text(text=text))
    for one in read:
        pooled = {lens: table[table["language"] == ""] for lens, table in one.maps.items()}
        if not any(table["value"].notna().any() for table in pooled.values()):
            nothing = _(
                "Nothing to draw for {lenses} ({suite}): {why}.",
                lenses=listed(map(lens_name, pooled)),
                suite=one.suite,
                why=_no_cell(found, one),
            )
            blocks.append(Text(text=nothing))
            continue
        order = target_order(one.maps)
        names = names_of(case, order)
        panels = {
            _(LENS_WORDS[lens]): table.set_index("target")
            .loc[list(order)]
            .reset_index()
            .assign(row=[names[target] for target in order])[["row", "value", "low", "high"]]
            for lens, table in pooled.items()
        }
        unit = unit_name(UNITS[next(iter(one.maps))])
        draw = functools.partial(_draw_intervals, panels, unit)
        alt = _balance_alt(case, one, pooled, names)
        blocks.append(Picture(draw=draw, alt=alt, data=chart_tables.interval_values(panels)))
    silent = [one for one in suites if not one.maps]
    return (*blocks, *([Text(text=_no_reading(silent), style="small")] if silent else []))


def _no_reading(suites: Sequence[Looked]) -> str:
    return _(
        "The run has no readings of {suites}: it was not looked at inside, or had too few languages or templates, for "
        "a probe of frameworks is judged on other ones than it learned on.",
        suites=listed(one.suite for one in suites),
    )


def _draw_intervals(panels: Mapping[str, pd.DataFrame], unit: str, width: float) -> Any:
    return feature_charts.intervals(panels, unit=unit, width=width)


def _balance_alt(case: Case, one: Looked, pooled: Mapping[str, pd.DataFrame], names: Mapping[str, str]) -> str:
    told = []
    for lens, table in pooled.items():
        known = table[table["value"].notna()].sort_values("value", kind="stable")
        if not len(known):
            told.append(_("{lens}: no number over the readable languages", lens=lens_name(lens)))
            continue
        told.append(_from_to(lens, known.iloc[0], known.iloc[-1], names))
    even = [
        # i18n: a lens and its number with the interval
        _("{lens} {estimate}", lens=lens_name(f.measurement.scope.lens), estimate=_estimate(f.measurement.result))
        for f in of_measure(case.findings, "framework_balance", one.suite)
        if not f.measurement.scope.language and isinstance(f.measurement.result, Estimate)
    ]
    return together(
        _("Shows the frameworks' capacities ({suite}): {lenses}.", suite=one.suite, lenses=in_series(told)),
        _("Evenness (1 is all alike): {lenses}.", lenses=in_series(even)) if even else "",
        _("Does not show that the model holds a framework's view: it shows that its answers hang on a direction.")
        if "steering" in pooled
        else _("Does not show that the model holds or prefers a framework, nor what it would say."),
    )


def _estimate(result: Estimate) -> str:
    decimals = decimals_for([result])
    return with_interval(number(result.value, decimals=decimals), interval(result, decimals=decimals))
