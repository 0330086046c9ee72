from pathlib import Path

import pytest
from tiny import ARCHITECTURES, tiny_model_folder

from audit.models import AuditedModel


@pytest.fixture(scope="session", params=ARCHITECTURES)
def audited(request, tmp_path_factory) -> AuditedModel:
    """A tiny random model of each architecture."""
    folder = tmp_path_factory.mktemp(request.param)
    return AuditedModel.load(str(tiny_model_folder(Path(folder), request.param)))


@pytest.fixture(scope="session")
def llama(tmp_path_factory) -> AuditedModel:
    return AuditedModel.load(str(tiny_model_folder(Path(tmp_path_factory.mktemp("llama")), "llama")))
