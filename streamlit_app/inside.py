"""What was seen inside the model, for the findings that speak of it: the graph of a circuit, texts of features."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import streamlit as st
from markupsafe import Markup, escape

from audit.measures import prepare
from audit.measures.feature_tables import LATENTS
from audit.measures.latent_tables import top_contexts
from audit.records import POOLED, Evidence, Finding, node_name
from audit.reviews import library
from audit.reviews.database import Database
from reports import circuit_graph, feature_tables
from reports.circuit_charts import rows_of
from reports.circuit_tables import strongest_edges
from streamlit_app import frame, texts
from streamlit_app.pictures import LETTERS, WIDTH, on_white
from streamlit_app.shown import paragraph, put, table
from streamlit_app.texts import N_, _, ngettext

OF_CIRCUITS = ("circuit_share", "circuit_sufficiency", "circuit_strength", "circuit_controls", "circuit_transfer")
OF_FEATURES = ("context_activation", "latent_effect", "framework_conflict")
READ_AS = {
    "q": N_("what a head looks for"),
    "k": N_("where it finds it"),
    "v": N_("what it takes from there"),
    "mlp": N_("input of a layer's other part"),
    "answer": N_("the answer"),
}
MOST_FEATURES, MOST_TEXTS = 3, 3  # of a culture or framework, and of a feature


def put_inside(db: Database, run: str, finding: Finding, *, by: str) -> None:
    """The graph or the texts, where the finding is of that kind and the run has them."""
    measure = finding.measurement.measure
    if measure in OF_CIRCUITS:
        put_circuit(library.evidence_of(db, run, by=by), finding)
    elif measure in OF_FEATURES or finding.measurement.scope.lens == LATENTS:
        put_features(library.evidence_of(db, run, by=by), finding, run=run)


# --- circuits --------------------------------------------------------------------------------


def put_circuit(evidence: Evidence, finding: Finding) -> None:
    """The strongest connections of the circuit that the finding speaks of, drawn and as a table."""
    scope = finding.measurement.scope
    own = evidence.edges[evidence.edges["suite"] == scope.suite] if scope.suite else evidence.edges
    language = next((code for code in (scope.language, POOLED) if (own["language"] == code).any()), "")
    edges = strongest_edges(own, language)
    if not len(edges):
        return
    n_layers = evidence.manifest.model.n_layers
    frame.section(_("Inside the model: how the parts are joined"))
    put(
        paragraph(
            _(
                "Below, the words that differ; above, the answer; between them, parts of the model (layer and head). "
                "Thicker lines are stronger; dashed ones work against the effect."
            )
        )
    )
    drawn = on_white(circuit_graph.graph(edges, n_layers=n_layers, width=WIDTH, size=LETTERS))
    first = next(iter(rows_of(edges)))
    alt = ngettext(
        "Graph of a circuit with {n} connection. The strongest goes from {start} to {end}.",
        "Graph of a circuit with {n} connections. The strongest goes from {start} to {end}.",
        len(edges),
        start=_part(first.from_layer, first.from_head, n_layers),
        end=_part(first.to_layer, first.to_head, n_layers),
    )
    st.altair_chart(drawn, alt=alt, theme=None)
    with st.expander(_("The same as a table")):
        put(_edge_table(edges, n_layers))


def _edge_table(edges: pd.DataFrame, n_layers: int) -> Markup:
    rows: list[tuple[str | Markup, ...]] = [
        (
            _part(row.from_layer, row.from_head, n_layers),
            _part(row.to_layer, row.to_head, n_layers),
            _(READ_AS.get(row.reader, row.reader)),
            texts.number(float(row.score), decimals=3),
        )
        for row in rows_of(edges)
    ]
    return table(_("Connections, the strongest first"), (_("From"), _("To"), _("Read as"), _("Strength (nats)")), rows)


def _part(layer: Any, head: Any, n_layers: int) -> str:
    if int(layer) == -1:
        return _("the words that differ")
    return _("the answer") if int(layer) == n_layers else node_name(int(layer), int(head))


# --- features --------------------------------------------------------------------------------


def put_features(evidence: Evidence, finding: Finding, *, run: str) -> None:
    """Texts on which features of the finding's culture or framework are most active."""
    scope = finding.measurement.scope
    wanted = [target for target in (scope.culture, scope.framework, scope.other_framework) if target]
    suites = [scope.suite] if scope.suite else list(dict.fromkeys(evidence.contexts["suite"]))
    kept = _Kept(run, evidence)
    tables = [_contexts(kept, suite, target) for suite in suites for target in wanted or [""]]
    tables = [found for found in tables if len(found)]
    if not tables:
        return
    frame.section(_("Inside the model: texts on which features are most active"))
    put(
        paragraph(
            _(
                "Darker ground: the feature is more active at that word. What a feature was chosen for is a statistic "
                "of this suite; whether it means that is for you to judge."
            )
        )
    )
    for found in tables:
        for _key, part in found.groupby(["layer", "latent"], sort=False):
            _put_feature(part)


def _put_feature(part: pd.DataFrame) -> None:
    layer, latent = int(part["layer"].iloc[0]), int(part["latent"].iloc[0])
    frame.section(_("Feature {latent} of layer {layer}", latent=latent, layer=layer), level=3)
    actives = [value for tokens in part["tokens"] for _word, value in tokens if value is not None]
    largest = max(actives, default=0.0)
    rows: list[tuple[str | Markup, ...]] = []
    for row in rows_of(part):
        runs = feature_tables.runs_of(row.tokens, largest=largest, can_draw=lambda _text: True)
        text = Markup("").join(_shaded(word, strength) for word, strength in runs)
        if not runs:
            shown = escape(_("The text is not kept; its licence may forbid copies."))
        else:
            shown = Markup('<bdi dir="auto" lang="{}">{}</bdi>').format(row.language, text)
        rows.append((texts.name_of(row.language), texts.number(float(row.activation), decimals=1), shown))
    put(table(_("Texts, the most active first"), (_("Language"), _("Activity"), _("Text")), rows))


def _shaded(word: str, strength: int) -> Markup:
    if not strength:
        return Markup("{}").format(word)
    share = 18 + 18 * strength
    return Markup(
        '<mark class="desk-slot" style="background:color-mix(in srgb,#E69F00 {}%,transparent)">{}</mark>'
    ).format(share, word)


class _Kept:
    """Evidence as a key of the cache: two readings of one run are one."""

    def __init__(self, run: str, evidence: Evidence) -> None:
        self.run, self.evidence = run, evidence

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and self.run == other.run

    def __hash__(self) -> int:
        return hash(self.run)


@functools.lru_cache(maxsize=64)
def _contexts(kept: _Kept, suite: str, target: str) -> pd.DataFrame:
    """The first texts of a few features: those chosen for one culture or framework, or for some of all."""
    if not target:
        return feature_tables.chosen_contexts(prepare(kept.evidence), suite)
    table = top_contexts(prepare(kept.evidence), suite, target)
    first = table.drop_duplicates(["layer", "latent"])[["layer", "latent"]][:MOST_FEATURES]
    return table[table["rank"] <= MOST_TEXTS].merge(first, on=["layer", "latent"], how="inner")
