"""A comparison as a file: all of it for machines, and what is shown beside findings, which is read back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from audit.comparison.records import Comparison, Difference, NotComparable, Outcome
from audit.errors import RunError
from audit.records import Estimate, Scope, Undefined, as_dict
from audit.runs import write_json
from audit.wording import kept, restored

FORMAT = 1  # raised when a field is taken away or changes its meaning
MOST_BYTES = 20_000_000  # that are read back; a run in eight languages has 2.2 million
SPOKEN = ("method", "reason")  # texts of an estimate that can be said in other languages


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


# --- read back --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What a comparison says of measures: beside findings, items and nodes have no place."""

    differences: tuple[Difference, ...]
    not_comparable: tuple[NotComparable, ...]  # whole measures

    @classmethod
    def of(cls, comparison: Comparison) -> Differences:
        """That part of a comparison."""
        measures = tuple(one for one in comparison.not_comparable if "/" not in one.what)
        return cls(differences=comparison.differences, not_comparable=measures)


def write_differences(path: Path, tested: Differences) -> None:
    """Keep it, whole or not at all; sentences keep their parts, so that they can be said in other languages.

    Raises:
        ResourceError: the file system refuses.
    """
    differences = [_plain(one) for one in tested.differences]
    refused = [{"what": one.what, "reason": kept(one.reason)} for one in tested.not_comparable]
    write_json(path, {"format": FORMAT, "differences": differences, "not_comparable": refused})


def read_differences(path: Path) -> Differences:
    """What `write_differences` kept.

    Raises:
        RunError: no such file, one that is too large, or something else.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        content = json.loads(path.read_bytes(), parse_constant=_no_number)
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        return Differences(
            differences=tuple(_difference(one) for one in content["differences"]),
            not_comparable=tuple(
                NotComparable(what=_text(one["what"]), reason=restored(one["reason"]))
                for one in content["not_comparable"]
            ),
        )
    except (OSError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RunError(f"{path.name}: no differences that this version kept ({error}); test them again") from error


def _plain(one: Difference) -> dict[str, Any]:
    plain = as_dict(one)
    result = plain["estimate"]
    result |= {name: kept(result[name]) for name in SPOKEN if name in result}
    return {**plain, "notes": [kept(note) for note in one.notes]}


def _difference(plain: Mapping[str, Any]) -> Difference:
    names = ("family_size", "p_adjusted", "value_a", "value_b", "noise_floor")
    texts = ("measure", "family", "finding_a", "finding_b")
    return Difference(
        **{
            **plain,
            **{name: _number(plain[name]) for name in names},
            **{name: _text(plain[name]) for name in texts},
            "scope": Scope(**{name: _text(value) for name, value in plain["scope"].items()}),
            "estimate": _result(plain["estimate"]),
            "verdict": Outcome(plain["verdict"]),
            "notes": tuple(restored(note) for note in plain["notes"]),
        }
    )


def _result(plain: Mapping[str, Any]) -> Estimate | Undefined:
    if "reason" in plain:
        return Undefined(**{**plain, "reason": restored(plain["reason"])})
    texts = ("unit", "clusters")
    numbers = {name: _number(value) for name, value in plain.items() if name not in (*texts, *SPOKEN)}
    if any(numbers[name] is None for name in ("value", "low", "high", "level", "n_items", "n_clusters")):
        raise ValueError("an estimate without its numbers")
    named = {name: _text(plain[name]) for name in texts}
    return Estimate(**{**numbers, **named, "method": restored(plain["method"])})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> Any:
    """A finite number, or None for one that there is not."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    raise TypeError(f"{value!r} is no number")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
