"""What notebook 06 asks of the rows of the tables."""

import pandas as pd
import pytest

from vad_lib.evaluation.bootstrap import Bootstrap
from vad_lib.evaluation.comparisons import compare
from vad_lib.open_questions import rows
from vad_lib.runs.experiments import VARIANTS, ladder
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.runs.scored_runs import scored_rows

FEW = Bootstrap(num_draws=20)


@pytest.fixture
def runs(made_up):
    chosen = ("msf-dmu", "pcl", "proposed", "proposed-permuted")
    return {row: [RunInFolder(made_up.write("synth-crime", row, seed)) for seed in (1, 2)] for row in chosen}


def test_steps_are_those_whose_rows_are_there_and_share_the_level(runs):
    scored = {row: scored_rows(theirs) for row, theirs in runs.items()}
    found = rows.compared_steps(scored, "auc", FEW)
    assert set(found) == {step for step in ladder() if {*step} <= {*runs}}
    assert ("msf-dmu", "pcl") in found
    for (a, b), comparison in found.items():
        assert comparison == compare(scored[a], scored[b], "auc", FEW.shared(len(ladder())))


def test_choosing_on_test_is_asked_of_some_rows_only(runs):
    found = rows.chosen_on_test(runs, "auc", FEW)
    assert list(found) == [VARIANTS[row].title for row in ("msf-dmu", "proposed", "proposed-permuted")]
    assert {*found["Proposed"]} == {"best_on_validation", "last"}


def test_means_at_rates_leave_the_delay_of_no_event_empty():
    table = pd.DataFrame({"rate": [0.1, 0.1], "recall": [0.5, 0.7], "median_delay_seconds": [None, None]}, dtype=float)
    points = {"Proposed": table.assign(**dict.fromkeys(set(rows.OPERATING) - set(table), 1.0))}
    found = rows.means_at_rates(points, "Set A")
    assert found.index.names == ["Set A", "false alarm rate"]
    assert found.loc[("Proposed", 0.1), "recall"] == pytest.approx(0.6)
    assert found.loc[("Proposed", 0.1), "median_delay_seconds"] == ""
