"""The built-in models, for tests marked `model`."""

from __future__ import annotations

import os

import pytest

from audit.errors import ModelError
from audit.models import AuditedModel, builtin
from audit.models.builtin import BUILTINS


def load_installed(ref: str, **options: bool) -> AuditedModel:
    """A built-in model; the test is skipped where its package is not installed, unless models are required."""
    try:
        builtin.packaged_file(BUILTINS[ref], *BUILTINS[ref].parts[0])
    except ModelError as error:
        if os.environ.get("PLURAL_AUDIT_REQUIRE_MODELS"):  # in CI a skipped test of a model would be a green nothing
            raise
        pytest.skip(str(error))
    return AuditedModel.load(ref, **options)
