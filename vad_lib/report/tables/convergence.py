"""Had a method learned, was it still getting better when its training ended, or had it been better before?"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from vad_lib.errors import DataError
from vad_lib.runs.run_folder import Run

NOT_LEARNED = 0.7  # of validation AUC at the end; chance is 0.5
STILL_RISING = 0.02  # of validation AUC, over the last quarter of the evaluations
OVER_TRAINED = 0.05  # of the headline metric: best step less the chosen one, mean over the seeds
SEARCH = "results/steps_search.csv"  # made by scripts/search_settings.py
SEARCHED = ("bn-svp", "clip-tsa", "rtfm", "sultani-mil")  # methods in that file
_MEAN_OF = 2  # evaluations at either end: a single one scatters


class Remark(NamedTuple):
    """What to know of a row's training: of which kind it is, and the whole sentence without a full stop."""

    kind: Literal["over-trained", "not learned", "not converged"]
    text: str


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


def remark(runs: Sequence[Run], metric: str) -> Remark | None:
    """What to know of a row's training: over-trained, not learned, or not converged; None if there is nothing to say.

    With permuted labels nothing is to be learned, so that nothing is said.

    Args:
        runs: the seeds of the row.
        metric: ``auc`` or ``ap``.
    """
    if not runs or runs[0].config["train"].get("permute_labels"):
        return None
    return over_trained(runs, metric) or unfinished(runs[0])


def over_trained(runs: Sequence[Run], metric: str) -> Remark | None:
    """A remark for a row whose test value was much better before the steps that may be chosen; else None.

    It looks at test labels, so it says what was lost and chooses nothing.
    """
    train = runs[0].config["train"]
    first = train.get("choose_after", 0) * train.get("steps", 0)
    best = [run.measured["selections"]["best_on_test"] for run in runs]
    early = [each for each in best if each.get("step", first) < first]
    lost = np.mean([run.value(metric, "best_on_test") - run.value(metric, run.selection) for run in runs])
    if not early or lost < OVER_TRAINED:
        return None
    steps = sorted({each["step"] for each in early})
    where = f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"
    return Remark(
        "over-trained",
        f"over-trained with the common number of steps: in {len(early)} of {len(runs)} seeds the test value was highest at {where} "
        f"of {train['steps']}, and steps before {first:.0f} are not chosen; the best step has {100 * lost:.1f} points more, mean "
        "over the seeds",
    )


def unfinished(run: Run) -> Remark | None:
    """A remark for a run that had not learned or not converged; else None, and so if it keeps no log of validation AUC."""
    try:
        log = run.log()
    except DataError:
        return None
    if "validation/auc" not in log:
        return None
    ended, gained = log["validation/auc"].dropna().iloc[-_MEAN_OF:].mean(), rise(log)
    pointer = f"; `{SEARCH}` has this method with more steps" if run.config["method"] in SEARCHED else ""
    if ended < NOT_LEARNED:
        return Remark(
            "not learned",
            f"not learned (seed {run.seed}): validation AUC ended at {100 * ended:.1f} % after {len(log)} steps, where 50 % is "
            f"chance{pointer}",
        )
    if not gained > STILL_RISING:
        return None
    return Remark(
        "not converged",
        f"not converged (seed {run.seed}): validation AUC rose by {100 * gained:.1f} points over the last quarter of the "
        f"evaluations; more steps would change this row{pointer}",
    )
