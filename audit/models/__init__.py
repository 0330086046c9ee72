"""The only place that loads a model: built-in, from the hub, from a folder, or from a GGUF file.

Importing this package, `resolve`, `terms` and `accept_terms` need no torch; `AuditedModel.load` imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.models.builtin import BUILTINS, accept_terms, terms
from audit.models.loading import AuditedModel, BuiltinState, builtin_states, load_tokenizer, prepare, resolve

if TYPE_CHECKING:
    from audit.models.adapter import Adapter, check_adapter

__all__ = [
    "BUILTINS",
    "Adapter",
    "AuditedModel",
    "BuiltinState",
    "accept_terms",
    "builtin_states",
    "check_adapter",
    "load_tokenizer",
    "prepare",
    "resolve",
    "terms",
]


def __getattr__(name: str) -> Any:
    """The two names that live beside torch, imported when first asked for."""
    if name in ("Adapter", "check_adapter"):
        from audit.models import adapter

        return getattr(adapter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
