"""What comparing two runs leaves behind. Every difference is B - A: positive means larger in B."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audit.records import Estimate, Manifest, Scope, Undefined


class Outcome(StrEnum):
    """What may be said of a difference. The words are those printed."""

    HIGHER = "higher in B"
    LOWER = "lower in B"
    INDISTINGUISHABLE = (
        "indistinguishable"  # not shown to differ; whether it would have been is `Difference.would_show`
    )
    NOT_INTERPRETABLE = "not interpretable"  # one of the models fails a check that the measure rests on
    UNDEFINED = "undefined"


@dataclass(frozen=True, kw_only=True)
class NotComparable:
    """An item, or a whole measure, that both runs have and that cannot be set side by side."""

    what: str  # "suite/language/item", or a measure's name
    reason: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One measure on one scope, B - A on the same items, corrected for its family."""

    measure: str  # of audit.measures.MEASURES
    scope: Scope
    family: str  # of audit.findings.FAMILIES: what was corrected together
    family_size: int
    confirmatory: bool = True  # of a family fixed before the run; the others are leads to follow
    estimate: Estimate | Undefined  # of B - A, in the measure's unit; `n_clusters` counts templates
    p_adjusted: float | None  # Holm within the family; None where there is nothing to test
    verdict: Outcome
    value_a: float | None = None  # the measure in each run on the same items
    value_b: float | None = None
    noise_floor: float | None = None  # of both runs together, in the measure's unit; None where one measured none
    finding_a: str = ""  # id of the finding of each run on the same measure and scope, which has all of its own items
    finding_b: str = ""
    notes: tuple[str, ...] = ()

    @property
    def p(self) -> float | None:
        """Two-sided p-value of "no difference", not corrected."""
        return self.estimate.p_value if isinstance(self.estimate, Estimate) else None

    @property
    def detectable(self) -> float | None:
        """Smallest difference found with power 0.8 at the family's corrected level, in the measure's unit."""
        return self.estimate.detectable if isinstance(self.estimate, Estimate) else None

    @property
    def n_items(self) -> int:
        """Items that both runs have."""
        return self.estimate.n_items if isinstance(self.estimate, Estimate) else 0

    @property
    def n_templates(self) -> int:
        """Independent units among them."""
        return self.estimate.n_clusters if isinstance(self.estimate, Estimate) else 0

    @property
    def would_show(self) -> bool:
        """Whether a difference as large as the measure's margin would have been found with power 0.8."""
        result = self.estimate
        if isinstance(result, Undefined) or result.detectable is None or result.margin is None:
            return False
        return result.detectable <= result.margin


@dataclass(frozen=True, kw_only=True)
class NodeChange:
    """A node of the model whose effect, patched alone on the same items, was set side by side."""

    suite: str
    language: str
    layer: int
    head: int  # -1: the MLP
    value_a: float  # mean effect over items, nats, the sign as in `audit.records.NODE_COLUMNS`
    value_b: float
    estimate: Estimate  # of B - A
    p_adjusted: float  # Holm over the nodes of the suite and language
    verdict: Outcome


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike two runs are in something that is no difference: a correlation, a share."""

    what: str
    scope: Scope
    result: Estimate | Undefined
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs side by side."""

    run_a: Manifest
    run_b: Manifest
    same_items: tuple[str, ...]  # "suite/language/item": identical texts, scored in both
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    not_comparable: tuple[NotComparable, ...]
    differences: tuple[Difference, ...]
    nodes: tuple[NodeChange, ...] = ()
    likenesses: tuple[Likeness, ...] = ()
    notes: tuple[str, ...] = ()
