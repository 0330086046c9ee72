"""One tiny random model for all tests of features."""

from __future__ import annotations

import pytest
from tiny import tiny_model_folder

from audit.models import AuditedModel


@pytest.fixture(scope="session")
def audited(tmp_path_factory) -> AuditedModel:
    """A random Gemma 3: three layers, 32 wide, a BOS before every text; named m."""
    return AuditedModel.load(str(tiny_model_folder(tmp_path_factory.mktemp("tiny") / "m", "gemma3")))
