"""Remarks on rows that had not converged."""

import numpy as np
import pandas as pd
import pytest

from vad_lib.errors import DataError
from vad_lib.report.tables import convergence
from vad_lib.storage.paths import PROJECT_ROOT


def log(*values):
    """A log with an evaluation every second step."""
    found = pd.DataFrame({"step": range(1, 2 * len(values) + 1), "validation/auc": np.nan})
    found.loc[1::2, "validation/auc"] = values
    return found


class Logged:
    seed = 3

    selection = "best_on_validation"

    def __init__(self, made, best=(0.8, 40), chosen=(0.8, 40), **train):
        self.made, self.config = made, {"method": "rtfm", "train": {"steps": 40, "choose_after": 0.75} | train}
        found = {"best_on_test": best, "best_on_validation": chosen}
        self.measured = {"selections": {name: {"step": step, "metrics": {"auc": value}} for name, (value, step) in found.items()}}

    def value(self, metric, selection):
        return self.measured["selections"][selection]["metrics"][metric]

    def log(self):
        if self.made is None:
            raise DataError("no log")
        return self.made


def test_the_rise_over_the_last_quarter():
    # eight evaluations: three quarters end with the sixth
    assert convergence.rise(log(0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9)) == pytest.approx(0.85 - 0.65)
    assert convergence.rise(log(0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)) == pytest.approx(0)
    assert np.isnan(convergence.rise(log(0.5, 0.6, 0.7)))
    assert np.isnan(convergence.rise(pd.DataFrame({"step": [1]})))


def test_only_a_rising_row_has_a_remark():
    rising = convergence.remark([Logged(log(0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9))], "auc")
    assert rising.kind == "not converged" and rising.text.startswith(
        "not converged (seed 3): validation AUC rose by 20.0 points over the last quarter"
    )
    for done in (log(*[0.9] * 8), log(0.5, 0.9), None):
        assert convergence.remark([Logged(done)], "auc") is None


def test_a_row_that_had_not_learned_says_so_unless_there_was_nothing_to_learn():
    curve = log(0.6, 0.5, 0.4, 0.4, 0.5, 0.5, 0.48, 0.44)
    said = convergence.remark([Logged(curve)], "auc")
    assert said.kind == "not learned" and said.text.startswith(
        "not learned (seed 3): validation AUC ended at 46.0 % after 16 steps"
    )
    assert convergence.remark([Logged(curve, permute_labels=True)], "auc") is None


def test_the_search_over_steps_is_named_for_the_methods_in_it():
    assert set(pd.read_csv(PROJECT_ROOT / convergence.SEARCH)["method"]) == {*convergence.SEARCHED}
    for curve in (log(*[0.5] * 8), log(0.5, 0.5, 0.5, 0.5, 0.7, 0.7, 0.9, 0.9)):
        run = Logged(curve)
        assert "`results/steps_search.csv` has this method with more steps" in convergence.unfinished(run).text
        run.config["method"] = "fusion-gan"
        assert "steps_search" not in convergence.unfinished(run).text


def test_a_row_that_was_better_before_the_last_quarter_says_by_how_much():
    rising = log(0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9)  # on validation videos it still rose: the test frames count for more
    runs = [Logged(rising, best=(0.9, 10), chosen=(0.7, 40)), Logged(rising, best=(0.8, 15), chosen=(0.8, 35))]
    said = convergence.remark(runs, "auc")
    assert said.kind == "over-trained" and said.text.startswith(
        "over-trained with the common number of steps: in 2 of 2 seeds the test value was highest at steps 10 to 15"
    )
    assert "steps before 30 are not chosen; the best step has 10.0 points more" in said.text
    # a later best step is no over-training, and a small loss is no remark
    assert convergence.over_trained([Logged(rising, best=(0.9, 35), chosen=(0.7, 40))], "auc") is None
    assert convergence.over_trained([Logged(rising, best=(0.74, 10), chosen=(0.7, 40))], "auc") is None
    assert convergence.remark([], "auc") is None
