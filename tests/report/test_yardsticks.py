"""Seed by seed against logistic regression: planted runs, one of them below."""

import pandas as pd

from vad_lib.report import yardsticks


def table(*rows):
    return pd.DataFrame(rows, columns=yardsticks.COLUMNS)


def test_names_every_run_that_is_not_above():
    found = table(("synth-crime", "UR-DMU", 1, 0.91, 0.71, True, True), ("synth-crime", "Proposed", 2, 0.655, 0.7, True, False))
    said = yardsticks.sentence(found)
    assert said.startswith("1 of 2 runs beat")
    assert "Proposed on synth-crime, seed 2 (65.50 against 70.00 %)" in said and "UR-DMU" not in said


def test_nothing_run_says_so():
    assert yardsticks.sentence(table()).startswith("Nothing was run here")


def test_seeds_are_compared_with_their_own_yardstick(monkeypatch):
    class Run:
        config = {"headline_metric": "auc"}  # noqa: RUF012
        selection = "best_on_validation"

        def __init__(self, seed, value):
            self.seed, self.auc = seed, value

        def value(self, metric, selection):
            return self.auc

    runs = {"logistic-regression": [Run(1, 0.6), Run(2, 0.8)], "proposed": [Run(1, 0.7), Run(2, 0.7), Run(3, 0.71)]}
    monkeypatch.setattr(yardsticks, "load_runs", lambda layout, dataset, rows: runs)
    found = yardsticks.beside_yardstick(None, ["synth-crime"])
    assert found["above"].tolist() == [True, False, True]  # the third beside the mean, 0.7
    assert found["yardstick"].round(3).tolist() == [0.6, 0.8, 0.7]
    said = yardsticks.sentence(found)
    assert said.startswith("2 of 3 runs beat logistic regression with the same seed (for 1 of them with the mean over its seeds,")
