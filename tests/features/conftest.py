"""One tiny random model for all tests of features."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import tiny_model_folder

from audit.models import AuditedModel


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A random Gemma 3: three layers, 32 wide, a BOS before every text; named m."""
    return tiny_model_folder(tmp_path_factory.mktemp("tiny") / "m", "gemma3")


@pytest.fixture(scope="session")
def audited(tiny_folder) -> AuditedModel:
    """The same, loaded."""
    return AuditedModel.load(str(tiny_folder))
