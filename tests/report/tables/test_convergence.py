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

    def __init__(self, made, **train):
        self.made, self.config = made, {"train": train}

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
    rising = convergence.convergence_note(Logged(log(0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9)))
    assert rising.startswith("not converged (seed 3): validation AUC rose by 20.0 points over the last quarter")
    for done in (log(*[0.9] * 8), log(0.5, 0.9), None):
        assert convergence.convergence_note(Logged(done)) == ""


def test_a_row_that_had_not_learned_says_so_unless_there_was_nothing_to_learn():
    curve = log(0.6, 0.5, 0.4, 0.4, 0.5, 0.5, 0.48, 0.44)
    remark = convergence.convergence_note(Logged(curve))
    assert remark.startswith("not learned (seed 3): validation AUC ended at 46.0 % after 16 steps")
    assert (PROJECT_ROOT / convergence.SEARCH).is_file()
    assert convergence.convergence_note(Logged(curve, permute_labels=True)) == ""
