"""Was a method still getting better when its training ended? Its curve of validation AUC says so."""

import pandas as pd

from vad_lib.errors import DataError
from vad_lib.runs.run_folder import Run

STILL_RISING = 0.02  # of validation AUC, over the last quarter of the evaluations
_MEAN_OF = 2  # evaluations at either end: a single one scatters


def rise(log: pd.DataFrame) -> float:
    """Validation AUC at the end of the training, minus that at three quarters of it; each a mean of two evaluations.

    Args:
        log: of a run, with ``validation/auc``, a fraction.

    Returns:
        a fraction; NaN with fewer than eight evaluations, too few to tell.
    """
    measured = log["validation/auc"].dropna() if "validation/auc" in log else pd.Series(dtype=float)
    if len(measured) < 4 * _MEAN_OF:
        return float("nan")
    end = 3 * len(measured) // 4
    return float(measured.iloc[-_MEAN_OF:].mean() - measured.iloc[end - _MEAN_OF : end].mean())


def convergence_note(run: Run) -> str:
    """A remark for a row whose first run had not converged; empty if it had, or if it keeps no log of validation AUC."""
    try:
        gained = rise(run.log())
    except DataError:
        return ""
    if not gained > STILL_RISING:
        return ""
    return (
        f"not converged (seed {run.seed}): validation AUC rose by {100 * gained:.1f} points over the last quarter of the "
        "evaluations; more steps would change this row"
    )
