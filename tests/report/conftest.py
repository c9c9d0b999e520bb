"""No screen, and every figure closed."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("Agg")
    yield
    plt.close("all")
