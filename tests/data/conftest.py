"""A hub that tests of weights share."""

import pytest


@pytest.fixture
def unreachable_hub(tmp_path, monkeypatch):
    """An empty hub cache, and a hub at a port of this machine where nobody listens."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hub"
