"""How much of B's effects A's circuits carry: asks B's model what no run has stored. Needs torch.

The circuits are those that A chose, fold by fold, and they are judged on B's items of the templates that had no say in
the choice, as each run judges its own.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.comparison import Comparison, Likeness
from audit.comparison.inside import TRANSFER, both_inside, carried_likeness, kept_nodes, other_shape
from audit.comparison.pairing import Pair, pair
from audit.errors import ModelError, UsageError
from audit.measures.circuit_tables import Inside
from audit.measures.view import Floats
from audit.pipeline import LOOKING, OBSERVING, Request, prepare_model
from audit.progress import Reporter
from audit.records import MLP, Ask, Evidence, Item, ModelRecord, Scope, Undefined
from audit.runs import ShardCache, cache_folder
from audit.wording import said

if TYPE_CHECKING:
    from audit.circuits import Looker


def with_transfer(
    comparison: Comparison, a: Evidence, b: Evidence, *, model: str, reporter: Reporter, accept_terms: bool = False
) -> Comparison:
    """The comparison, its undefined shares of A's circuits in B measured on B's model where that can be done.

    Args:
        comparison: of a and b.
        a: whose circuits are carried over.
        b: whose model is asked.
        model: where that model is (a run does not keep its folder); it has to have the bytes that B audited.
        reporter: told what is done.
        accept_terms: accept the licence terms of the model on the user's behalf.

    Raises:
        UsageError: the two models have not the same nodes, or a run did not look inside.
        ModelError: B's model cannot be had, or is not the one that was audited.
    """
    both = pair(a, b)
    if reason := other_shape(both):
        raise UsageError(f"--transfer: {reason}")
    open_ = [one for one in comparison.likenesses if one.what == TRANSFER and isinstance(one.result, Undefined)]
    if not any(one.what == TRANSFER for one in comparison.likenesses):
        raise UsageError("--transfer: both runs have to have looked inside in a language that both models read")
    if not open_:
        return comparison
    looker = _looker(model, b.manifest.model, reporter, accept_terms=accept_terms)
    reporter.stage("patching A's circuits in B", total=len(open_), unit="languages")
    measured = {}
    for one in open_:
        measured[one.scope] = _measured(both, one.scope, looker)
        reporter.advance(1)
    return replace(
        comparison,
        likenesses=tuple(
            measured.get(one.scope, one) if one.what == TRANSFER else one for one in comparison.likenesses
        ),
    )


def _looker(ref: str, record: ModelRecord, reporter: Reporter, *, accept_terms: bool) -> Looker:
    from audit import models
    from audit.circuits import Looker

    request = Request(model=ref, dtype=record.dtype, device=record.device)
    found = prepare_model(request, reporter=reporter, accept_terms=accept_terms)
    if (found.weights_sha256, found.tokenizer_sha256) != (record.weights_sha256, record.tokenizer_sha256):
        raise ModelError(f"{ref}: not the model that run B audited ({record.name}); give that one")
    return Looker(
        lambda: models.AuditedModel.load(ref, dtype=record.dtype, device=record.device),
        model=found,
        versions={**{name: importlib.metadata.version(name) for name in OBSERVING}, "looking": str(LOOKING)},
        cache=ShardCache(cache_folder() / "shards"),
    )


def _measured(both: Pair, scope: Scope, looker: Looker) -> Likeness:
    a, b = next(two for two in both_inside(both) if two[0].cube.suite == scope.suite)
    kept = kept_nodes(both.a, scope.suite, scope.language)
    if not kept:
        reason = said("run A chose no circuit here")
        return Likeness(what=TRANSFER, scope=scope, result=Undefined(reason=reason))
    effect = np.full(len(b.total), np.nan)
    for fold, nodes in sorted(kept.items()):
        rows = np.flatnonzero(b.real(scope.language) & (a.fold == fold))
        for item, value in _effects(both.b.evidence, b, rows, fold, nodes, looker).items():
            effect[rows[b.cube.item[rows] == item]] = value
    return carried_likeness(both.b, b, scope, effect, note=said("A's nodes patched in B's model for this comparison"))


def _effects(
    evidence: Evidence,
    b: Inside,
    rows: NDArray[np.intp],
    fold: int,
    nodes: set[tuple[int, int]],
    looker: Looker,
) -> Mapping[str, float]:
    """Item -> effect lost with the nodes, nats; items that cannot be patched rightly are left out."""
    from audit.circuits.looking import Look, Portion

    if not len(rows):
        return {}
    language = str(b.cube.language[rows[0]])
    table = evidence.items[(evidence.items["suite"] == b.cube.suite) & (evidence.items["language"] == language)]
    texts = dict(zip(table["item"], table["texts"], strict=True))
    margins = _margins(b)
    portion = Portion(
        language=language,
        fold=fold,
        control=False,
        items=tuple(_item(b, int(row), texts[b.cube.item[row]]) for row in rows),
        margins=tuple((float(margins[0][row]), float(margins[1][row])) for row in rows),
    )
    model = evidence.manifest.model
    mask = np.zeros((model.n_layers, model.n_heads + 1), dtype=bool)
    for layer, head in nodes:
        mask[layer, model.n_heads if head == MLP else head] = True
    patched = looker.effects(portion, [Look(mask)])
    return dict(zip(looker.aligned(portion).items, patched[0].tolist(), strict=True))


def _margins(b: Inside) -> tuple[Floats, Floats]:
    """Log P(a) - log P(b) of every row after the base and after the counterpart, nats."""
    base, counterpart = (b.cube.at(context, "a") - b.cube.at(context, "b") for context in ("base", "counterpart"))
    return base, counterpart


def _item(b: Inside, row: int, texts: str) -> Item:
    """An item as it was asked, from the words that the run kept.

    Raises:
        UsageError: the suite's licence keeps its words out of run folders.
    """
    if not texts or pd.isna(texts):
        raise UsageError(
            f"--transfer: the words of suite {b.cube.suite} are not in the run folder, so none can be asked"
        )
    asks = tuple(
        Ask(
            context=ask["context"],
            prompt=ask["prompt"],
            answers={role: tuple(many) for role, many in ask["answers"].items()},
            slot=tuple(ask["slot"]) if ask.get("slot") else None,
        )
        for ask in json.loads(texts)
    )
    return Item(
        id=str(b.cube.item[row]),
        language=str(b.cube.language[row]),
        template=str(b.cube.template[row]),
        topic=str(b.cube.topic[row]),
        control=False,
        asks=asks,
        origin="",
        author="",
        reviewed=0,
    )
