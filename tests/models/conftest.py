"""Fixtures of the model tests: tiny models on disk, made once, and a cache of their own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import ARCHITECTURES, tiny_model_folder


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No test writes into the user's folders, and none reaches the network."""
    monkeypatch.setenv("PLURAL_AUDIT_DATA", str(tmp_path / "data"))
    if request.node.get_closest_marker("model") is None:  # real conversions are worth keeping
        monkeypatch.setenv("PLURAL_AUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {name: tiny_model_folder(root / name, name) for name in ARCHITECTURES}
