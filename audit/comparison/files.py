"""A comparison as a file for machines."""

from __future__ import annotations

from typing import Any

from audit.comparison.records import Comparison
from audit.records import as_dict

FORMAT = 1  # raised when a field is taken away or changes its meaning


def as_content(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain JSON types. Every number is B - A, in the unit beside it; null is "none", never zero."""
    content = as_dict(comparison)
    for plain, one in zip(content["differences"], comparison.differences, strict=True):
        plain |= {
            "p": one.p,
            "detectable": one.detectable,
            "would_show": one.would_show,
            "n_items": one.n_items,
            "n_templates": one.n_templates,
        }
    return {"format": FORMAT, "direction": "B - A", **content}
