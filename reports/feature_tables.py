"""Tables that the pages of features show, made from evidence and findings by the functions of the measures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.measures import prepare
from audit.measures.balance import balance_table
from audit.measures.capacity import capacity_map
from audit.measures.competence import readable, unreadable
from audit.measures.diversity import diversity_profile
from audit.measures.feature_tables import (
    CULTURE_LENSES,
    FRAMEWORK_LENSES,
    RANDOM_MODEL,
    above_control,
    looked_at,
    sae_quality,
)
from audit.measures.latent_tables import latent_kinds, latent_sharing, top_contexts
from audit.measures.statistics import ALPHA
from audit.measures.view import Cube, View
from audit.records import Estimate, Evidence, Finding, Kind, Verdict
from audit.wording import N_, _, name_of
from reports.blocks import Heading
from reports.case import Case
from reports.circuit_charts import rows_of
from reports.words import NO_NUMBER, UNREAD_SIGN, of_suite, target_name

FRAMED = {"probe": Kind.VALUES, "latents": Kind.VALUES, "steering": Kind.DILEMMA}  # where a lens is of frameworks
LANGUAGE_AND_CONTENT = (Kind.CULTURE, Kind.VALUES)  # suites whose latents are told by language and content
# i18n: heading of what holds over all languages that the model reads; a cell or a column of a table
TOGETHER = N_("all readable")
MOST_LATENTS = 4  # of a suite, whose texts are shown
MOST_TEXTS = 3  # of a latent
LONGEST_TEXT = 420  # characters of a text that are shown
SHADES = 3  # grounds from weak to strong
FAINT = 0.15  # of the latent's largest activation; below, a token has no ground

ONE_LENS = "below the others in one lens only"
SPECIAL = re.compile(r"<[^<>]+>")
TABLES = ("saes", "capacities", "latents", "scores", "steering", "contexts")


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What the items of one suite showed. Tables name languages by code, cultures and frameworks by id."""

    suite: str
    kind: Kind
    languages: tuple[str, ...]  # that it was asked in, in the run's order
    maps: Mapping[str, pd.DataFrame]  # lens -> as `capacity_map` or `balance_table`, column `target`
    random_model: float  # bits of a random model's latents, mean over items of readable languages; NaN if not made
    profiles: Mapping[str, pd.DataFrame]  # lens -> as `diversity_profile`, over all readable languages
    kinds: pd.DataFrame  # as `latent_kinds`
    sharing: pd.DataFrame  # as `latent_sharing`
    contexts: pd.DataFrame  # as `top_contexts`, of a few latents, with `share_content`, `permuted_content`, `targets`


@dataclass(frozen=True, kw_only=True)
class Features:
    """All that the pages show of one run."""

    languages: tuple[str, ...]  # of the run, in its order
    unread: frozenset[str]  # of them, not interpretable
    quality: pd.DataFrame  # as `sae_quality`, with `added` (nats per token by which the SAE worsens the model)
    suites: tuple[Looked, ...]

    def of(self, *kinds: Kind) -> tuple[Looked, ...]:
        """Suites of some kinds."""
        return tuple(one for one in self.suites if one.kind in kinds)


def has_tables(evidence: Evidence) -> bool:
    """Whether anything was looked at."""
    return any(len(getattr(evidence, name)) for name in TABLES)


def features_of(evidence: Evidence) -> Features:
    """The tables that the pages show.

    Raises:
        RunError: tables that do not fit the items.
    """
    view = prepare(evidence)
    lenses = looked_at(evidence)
    suites = []
    for cube in (*view.of(Kind.CULTURE), *view.of(Kind.VALUES), *view.of(Kind.DILEMMA)):
        found = lenses.get(cube.suite, frozenset())
        kind = next(one.kind for one in evidence.manifest.suites if one.name == cube.suite)
        suites.append(_looked(view, cube, kind, found))
    return Features(
        languages=evidence.manifest.languages,
        unread=frozenset(unreadable(view)),
        quality=_quality(view),
        suites=tuple(suites),
    )


def _looked(view: View, cube: Cube, kind: Kind, found: frozenset[str]) -> Looked:
    suite, cultures = cube.suite, kind is Kind.CULTURE
    # What answers show stands beside what was read inside, and only there.
    wanted = [lens for lens in CULTURE_LENSES if found and lens in {*found, "knowledge"}] if cultures else []
    framed = [lens for lens in FRAMEWORK_LENSES if lens in found and FRAMED[lens] is kind]
    of_latents = kind in LANGUAGE_AND_CONTENT
    none = pd.DataFrame()
    return Looked(
        suite=suite,
        kind=kind,
        languages=tuple(code for code in view.evidence.manifest.languages if code in cube.languages),
        maps={
            **{lens: capacity_map(view, suite, lens).rename(columns={"culture": "target"}) for lens in wanted},
            **{lens: balance_table(view, suite, lens).rename(columns={"framework": "target"}) for lens in framed},
        },
        random_model=_random_model(view, cube) if cultures else math.nan,
        profiles={lens: diversity_profile(view, suite, lens) for lens in wanted},
        kinds=latent_kinds(view, suite) if of_latents else none,
        sharing=latent_sharing(view, suite) if of_latents else none,
        contexts=chosen_contexts(view, suite) if of_latents else none,
    )


def _random_model(view: View, cube: Cube) -> float:
    values = above_control(view, cube, RANDOM_MODEL)
    rows = cube.used(values) & np.isin(cube.language, readable(view, cube))
    return float(values[rows].mean()) if rows.any() else math.nan


def _quality(view: View) -> pd.DataFrame:
    keys = ["sae", "layer", "language"]
    losses = view.evidence.saes[[*keys, "loss_model", "loss_sae"]]
    table = sae_quality(view).merge(losses, on=keys, how="left")
    order = {code: i for i, code in enumerate(view.evidence.manifest.languages)}
    table = table.assign(added=table["loss_sae"] - table["loss_model"], place=table["language"].map(order))
    return table.sort_values(["sae", "layer", "place"], kind="stable").reset_index(drop=True)


def titled(text: str, one: Looked, among: Sequence[Looked]) -> Heading:
    """A heading that names the suite where there are several."""
    return Heading(text=of_suite(text, one.suite) if len(among) > 1 else text, level=2)


def columns_of(table: pd.DataFrame, found: Features) -> dict[str, str]:
    """Headings of a map: what holds over the readable languages, then each language that was asked, in order."""
    asked = set(table["language"])
    named = {code: name_of(code) for code in found.languages if code in asked}
    return ({"": _(TOGETHER)} if "" in asked else {}) | named


def names_of(case: Case, targets: Iterable[str]) -> dict[str, str]:
    """Cultures and frameworks as they are printed."""
    return {name: target_name(name, case.labels) for name in targets}


# --- latents for people to read -------------------------------------------------------------------


def chosen_contexts(view: View, suite: str) -> pd.DataFrame:
    """The first texts of a few latents: one for each of some targets, where content explains most beyond chance."""
    table = top_contexts(view, suite)
    if not len(table):
        return table
    latents = view.evidence.latents
    keys = ["layer", "latent"]
    shares = latents[latents["suite"] == suite][[*keys, "share_content", "permuted_content", "chosen_for"]]
    table = table.merge(shares, on=keys, how="left")
    first = table.drop_duplicates(["target", *keys])
    excess = (first["share_content"] - first["permuted_content"]).fillna(-math.inf)
    order = first.assign(excess=excess).sort_values(["excess", *keys], ascending=[False, True, True], kind="stable")
    targets: set[str] = set()
    parts: list[pd.DataFrame] = []
    seen: set[tuple[int, int]] = set()
    for row in rows_of(order):
        place = (int(row.layer), int(row.latent))
        if row.target in targets or place in seen or len(parts) == MOST_LATENTS:
            continue
        targets |= set(str(row.chosen_for).split(","))
        seen.add(place)
        own = (table["target"] == row.target) & (table["layer"] == row.layer) & (table["latent"] == row.latent)
        parts.append(table[own & (table["rank"] <= MOST_TEXTS)])
    return pd.concat(parts, ignore_index=True)


Token = tuple[str, float | None]
Run = tuple[str, int]  # words, and how dark their ground is: 0 (none) to SHADES


def runs_of(tokens: Sequence[Token], *, largest: float, can_draw: Callable[[str], bool]) -> tuple[Run, ...]:
    """A text as runs of words with the strength of the latent; () where it cannot be drawn.

    A letter may be spread over several tokens; such tokens are joined, with the strongest one's activation.

    Args:
        tokens: words and activations (None where not read), in order.
        largest: activation that is drawn darkest.
        can_draw: whether the medium can show a text as its readers write it.
    """
    plain = [(" ".join(word.split("\n")), active) for word, active in tokens]
    while plain and plain[0][1] is None and SPECIAL.fullmatch(plain[0][0]):  # no words: what the tokenizer puts first
        plain = plain[1:]
    text = "".join(word for word, _active in plain)
    if not text or "\ufffd" in text or not can_draw(text):
        return ()
    runs: list[tuple[str, float]] = []
    for word, active in plain:
        value = active if active is not None and math.isfinite(active) else 0.0
        if runs and not (can_draw(word) and can_draw(runs[-1][0])):
            runs[-1] = (runs[-1][0] + word, max(runs[-1][1], value))
        else:
            runs.append((word, value))
    return tuple((word, shade(value, largest=largest)) for word, value in _around_strongest(runs))


def shade(value: float, *, largest: float) -> int:
    """Which ground a token has: 0 below FAINT of the largest activation, then SHADES equal steps."""
    share = value / largest if largest > 0 else 0.0
    return 0 if share < FAINT else min(SHADES, 1 + int((share - FAINT) / (1 - FAINT) * SHADES))


def _around_strongest(runs: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """All of a text, or of a long one the stretch around its strongest word, with dots where it was cut."""
    if sum(len(word) for word, _active in runs) <= LONGEST_TEXT:
        return runs
    strongest = max(range(len(runs)), key=lambda i: runs[i][1])
    low = high = strongest
    size = len(runs[strongest][0])
    while True:
        grown = False
        for step in (-1, 1):
            at = low - 1 if step < 0 else high + 1
            if 0 <= at < len(runs) and size + len(runs[at][0]) <= LONGEST_TEXT:
                size += len(runs[at][0])
                low, high = min(low, at), max(high, at)
                grown = True
        if not grown:
            break
    cut = runs[low : high + 1]
    return [*([("… ", 0.0)] if low else []), *cut, *([(" …", 0.0)] if high < len(runs) - 1 else [])]


# --- cells ----------------------------------------------------------------------------------------


def map_cells(
    table: pd.DataFrame, *, names: Mapping[str, str], order: Sequence[str], columns: Mapping[str, str]
) -> pd.DataFrame:
    """Cells of a map of targets by languages, in order.

    Args:
        table: as `capacity_map`.
        names: of targets as printed.
        order: ids of targets from top to bottom.
        columns: language code ("" for all readable ones) -> its heading, from left to right.

    Returns:
        row, column, value (NaN where not shown), word (what stands for a missing number), sure (interval above 0).
    """
    cells = {(str(row.target), str(row.language)): row for row in rows_of(table)}
    rows = []
    for target in order:
        for code, heading in columns.items():
            cell = cells.get((target, code))
            barred = cell is not None and not cell.interpretable
            value = float("nan") if cell is None or barred else float(cell.value)
            rows.append(
                {
                    "row": names[target],
                    "column": heading,
                    "value": value,
                    "word": _(UNREAD_SIGN) if barred else NO_NUMBER if math.isnan(value) else "",
                    "sure": cell is not None and not barred and bool(cell.low > 0),
                }
            )
    return pd.DataFrame(rows)


def target_order(maps: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """Targets from the highest to the lowest number of the first map over the readable languages; unknown ones last."""
    first = next(iter(maps.values()))
    pooled = first[first["language"] == ""]
    value = dict(zip(pooled["target"], pooled["value"], strict=True))
    every = sorted({str(name) for table in maps.values() for name in table["target"]})
    return tuple(
        sorted(every, key=lambda name: (math.isnan(value.get(name, math.nan)), -_known(value.get(name)), name))
    )


def _known(value: float | None) -> float:
    return 0.0 if value is None or math.isnan(value) else value


# --- findings -------------------------------------------------------------------------------------


def of_measure(findings: Sequence[Finding], measure: str, suite: str = "") -> tuple[Finding, ...]:
    """Findings of one measure, of one suite where one is named."""
    return tuple(f for f in findings if f.measurement.measure == measure and suite in ("", f.measurement.scope.suite))


def activation_table(findings: Sequence[Finding], suite: str) -> pd.DataFrame:
    """Findings on context activation by culture, as `capacity_map` has them; `low` is less the null."""
    rows: list[dict[str, Any]] = []
    for finding in of_measure(findings, "context_activation", suite):
        scope, result = finding.measurement.scope, finding.measurement.result
        if not scope.culture:
            continue
        value = low = math.nan
        if isinstance(result, Estimate):
            value, low = result.value, result.low - (result.null or 0.0)
        rows.append(
            {
                "target": scope.culture,
                "language": scope.language,
                "value": value,
                "low": low,
                "interpretable": finding.verdict is not Verdict.NOT_INTERPRETABLE,
                "uniform": bool(finding.measurement.details.get("uniform", 0.0)),
                "verdict": finding.verdict,
            }
        )
    columns = ["target", "language", "value", "low", "interpretable", "uniform", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def one_lens_only(finding: Finding) -> bool:
    """Whether a finding on underrepresentation rests on a single lens, and so is none."""
    return any(note.startswith(ONE_LENS) for note in finding.measurement.notes)


def lowest_lenses(finding: Finding) -> tuple[str, ...]:
    """Lenses in which the culture is below the others at the unadjusted level, the surest first."""
    p = {
        name.removeprefix("p_below_"): value
        for name, value in finding.measurement.details.items()
        if name.startswith("p_below_")
    }
    return tuple(sorted((lens for lens, value in p.items() if value < ALPHA), key=lambda lens: (p[lens], lens)))
