"""Tables that the pages of circuits show, made from evidence by the functions of the measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from audit.measures import prepare
from audit.measures.circuits import curve, node_map, parts, transfer_matrix
from audit.measures.competence import unreadable
from audit.measures.view import Cube, View
from audit.records import POOLED, Estimate, Evidence, Finding, Kind
from audit.wording import N_, LanguageName, _, name_of
from reports.circuit_charts import rows_of
from reports.words import UNREAD_SIGN, number

MOST_EDGES = 14  # as many as a table has that stays on one page
# i18n: a row of a table of languages: the circuit that was chosen over all of them
ALL_LANGUAGES = N_("all, pooled")
# i18n: in a cell of a table or a chart where there is no number
NONE = N_("none")
LENS, ATTENTION, PROBE, SHUFFLED = "logit lens", "attention to the slot", "probe", "probe of shuffled labels"
CLASSES = (
    # i18n: of a node: in the circuits of every language
    N_("universal"),
    # i18n: of a node: in the circuits of several languages
    N_("shared"),
    # i18n: of a node: in the circuit of one language
    N_("language-specific"),
)
PANELS = {  # titles of small charts; two short lines each
    LENS: N_("Logit lens: effect by layer,\nshare of the language's largest"),
    ATTENTION: N_("Attention to the group's words:\nthe layer's highest head"),
    PROBE: N_("Probe for the group by layer:\nshare right (0.5 is guessing)"),
    SHUFFLED: N_("Probe for the group by layer:\nshare right (0.5 is guessing)"),
}
# i18n: a line in a chart: what was measured
MEASURED = N_("measured")
# i18n: a line in a chart: the same with labels dealt out anew
DEALT = N_("shuffled labels")
SERIES = {LENS: MEASURED, ATTENTION: MEASURED, PROBE: MEASURED, SHUFFLED: DEALT}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the items of one suite showed inside the model. Tables name languages by code."""

    suite: str
    n_layers: int
    languages: tuple[str, ...]  # that were looked into and are read, in the run's order
    unread: tuple[str, ...]  # that were looked into and are not interpretable
    maps: pd.DataFrame  # language, layer, head, share (of the items' mean effect in size), basis
    curves: pd.DataFrame  # language, size, part, share, low, high, random_mean, random_low, random_high
    transfer: pd.DataFrame  # chosen (language or POOLED), judged, share
    parts: pd.DataFrame  # node, layer, head, class (one of CLASSES), languages (codes joined by ", ")
    edges: pd.DataFrame  # as in records.EDGE_COLUMNS, also below
    readings: pd.DataFrame
    draws: int  # random circuits for each fold
    exact_everywhere: bool  # every node was patched
    errors: tuple[str, ...]  # what the estimate from gradients misses, by language, in words


def seen(evidence: Evidence, findings: Sequence[Finding] = ()) -> tuple[Seen, ...]:
    """The tables that the pages show, for each suite whose items were looked at inside the model.

    Args:
        evidence: of the run.
        findings: of the run, for the measured error of the estimate.
    """
    view = prepare(evidence)
    barred = unreadable(view)
    return tuple(
        _seen(view, cube, barred, findings)
        for cube in view.of(Kind.STEREOTYPE)
        if (evidence.circuits["suite"] == cube.suite).any()
    )


def _seen(view: View, cube: Cube, barred: Mapping[str, str], findings: Sequence[Finding]) -> Seen:
    evidence, suite = view.evidence, cube.suite

    def own(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["suite"] == suite].reset_index(drop=True)

    patches, nodes = own(evidence.patches), own(evidence.nodes)
    looked = set(patches["language"])
    codes = [code for code in evidence.manifest.languages if code in looked]
    read = tuple(code for code in codes if code not in barred)
    return Seen(
        suite=suite,
        n_layers=evidence.manifest.model.n_layers,
        languages=read,
        unread=tuple(code for code in codes if code in barred),
        maps=_by_language(read, lambda code: _shares(node_map(view, suite, code))),
        curves=_by_language(read, lambda code: curve(view, suite, code)),
        transfer=transfer_matrix(view, suite),
        parts=parts(view, suite),
        edges=own(evidence.edges),
        readings=own(evidence.readings),
        draws=int(patches["draw"].max()) if len(patches) else 0,
        exact_everywhere=bool(len(nodes)) and bool(nodes["exact"].notna().all()),
        errors=screening_errors(findings, suite),
    )


def _by_language(codes: Iterable[str], table: Any) -> pd.DataFrame:
    """Tables of several languages under each other, with a column that says whose each row is."""
    found = [table(code).assign(language=code) for code in codes]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame({"language": []})


def _shares(nodes: pd.DataFrame) -> pd.DataFrame:
    """Effects of nodes as shares of the mean size of the items' own effects.

    Nats of different languages do not compare; these shares do.
    """
    return nodes.assign(share=nodes["effect"] / nodes["size"].where(nodes["size"] > 0))


def screening_errors(findings: Sequence[Finding], suite: str) -> tuple[str, ...]:
    """Rank agreement of estimate and patch by language, in words, the worst first."""
    found = [
        (f.measurement.result.value, name_of(f.measurement.scope.language))
        for f in findings
        if f.measurement.measure == "screening_error"
        and f.measurement.scope.suite == suite
        and isinstance(f.measurement.result, Estimate)
    ]
    return tuple(f"{name} {number(value, decimals=2)}" for value, name in sorted(found))


def transfer_cells(one: Seen) -> pd.DataFrame:
    """Every pair of languages, and the pooled circuit: the share, or the word that stands for the missing number."""
    shares = {(str(row.chosen), str(row.judged)): float(row.share) for row in rows_of(one.transfer)}
    codes = (*one.languages, *one.unread)
    pooled = (POOLED,) if any(circuit == POOLED for circuit, _judged in shares) else ()
    rows = []
    for chosen in (*pooled, *codes):
        for judged in codes:
            barred = {chosen, judged} & set(one.unread)
            share = float("nan") if barred else shares.get((chosen, judged), float("nan"))
            rows.append(
                {
                    "chosen": _circuit_name(chosen, one.unread),
                    "judged": name_of(judged),
                    "share": share,
                    "own": chosen == judged,
                    "word": _(UNREAD_SIGN) if barred else _(NONE),
                }
            )
    return pd.DataFrame(rows)


def _circuit_name(code: str, unread: Sequence[str]) -> str:
    if code == POOLED:
        return _(ALL_LANGUAGES)
    # i18n: a language that the model does not read
    return _("{language} (not interpretable)", language=LanguageName(code)) if code in unread else name_of(code)


def graph_language(one: Seen) -> str:
    """Whose edges are drawn: the pooled circuit's, or those of the language whose circuit carries most; "" if none."""
    known = set(one.edges["language"]) if len(one.edges) else set()
    if POOLED in known:
        return POOLED
    own = one.transfer[one.transfer["chosen"] == one.transfer["judged"]] if len(one.transfer) else one.transfer
    order = list(own.sort_values("share", ascending=False)["judged"]) if len(own) else []
    return next((code for code in (*order, *one.languages) if code in known and code in one.languages), "")


def strongest_edges(edges: pd.DataFrame, code: str) -> pd.DataFrame:
    """The edges of one language's circuit with the largest scores in size, at most MOST_EDGES, strongest first."""
    own = edges[(edges["language"] == code) & edges["score"].notna() & (edges["score"] != 0)]
    order = own["score"].abs().sort_values(ascending=False, kind="stable").index
    return own.loc[order[:MOST_EDGES]].reset_index(drop=True)


def reading_lines(table: pd.DataFrame) -> pd.DataFrame:
    """Readings as lines: panel, series, language, layer, value.

    The logit lens is divided by the language's largest value in size, as nats do not compare between languages; the
    attention of a layer is that of its highest head.
    """
    known = table[table["what"].isin(list(PANELS)) & table["value"].notna()]
    if not len(known):
        return pd.DataFrame({"panel": []})
    lines = known.groupby(["what", "language", "layer"], sort=False, as_index=False)["value"].max()
    lens = lines["what"] == LENS
    largest = lines["value"].abs().where(lens).groupby(lines["language"]).transform("max")
    lines["value"] = lines["value"].where(~lens, lines["value"] / largest.where(largest > 0))
    place = {what: i for i, what in enumerate(PANELS)}
    lines = lines[lines["value"].notna()].sort_values("what", key=lambda w: w.map(place), kind="stable")
    named = lines.assign(
        panel=lines["what"].map(lambda what: _(PANELS[what])), series=lines["what"].map(lambda what: _(SERIES[what]))
    )
    drawn: pd.DataFrame = named.reset_index(drop=True)
    return drawn
