"""No screen, every figure closed, and the scores of one made-up run."""

import matplotlib.pyplot as plt
import pytest

from vad_lib.report.figures import run_scores
from vad_lib.runs.run_folder import RunInFolder


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def run(made_up) -> run_scores.RunScores:
    return run_scores.load_scores(RunInFolder(made_up.write("synth-crime", "proposed")))
