"""The scores of one made-up run."""

import pytest

from vad_lib.report.figures import run_scores
from vad_lib.runs.run_folder import RunInFolder


@pytest.fixture
def run(made_up) -> run_scores.RunScores:
    return run_scores.load_scores(RunInFolder(made_up.write("synth-crime", "proposed")))
