"""Had a method learned, and was it still getting better when its training ended? Its curve of validation AUC says so."""

import pandas as pd

from vad_lib.errors import DataError
from vad_lib.runs.run_folder import Run

NOT_LEARNED = 0.7  # of validation AUC at the end; chance is 0.5
STILL_RISING = 0.02  # of validation AUC, over the last quarter of the evaluations
SEARCH = "results/steps_search.csv"  # made by scripts/search_settings.py
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
    """A remark for a row whose first run had not learned or not converged; else empty, and so if it keeps no log of validation AUC.

    With permuted labels nothing is to be learned, so that nothing is said.
    """
    try:
        log = run.log()
    except DataError:
        return ""
    if "validation/auc" not in log or run.config["train"].get("permute_labels"):
        return ""
    ended, gained = log["validation/auc"].dropna().iloc[-_MEAN_OF:].mean(), rise(log)
    if ended < NOT_LEARNED:
        return (
            f"not learned (seed {run.seed}): validation AUC ended at {100 * ended:.1f} % after {len(log)} steps, where 50 % is "
            f"chance; `{SEARCH}` has slow methods with more steps"
        )
    if not gained > STILL_RISING:
        return ""
    return (
        f"not converged (seed {run.seed}): validation AUC rose by {100 * gained:.1f} points over the last quarter of the "
        f"evaluations; more steps would change this row, see `{SEARCH}`"
    )
