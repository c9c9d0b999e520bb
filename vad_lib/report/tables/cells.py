"""Cells of tables: means over seeds, intervals, paired differences, reported numbers. All in percent, all text."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vad_lib.evaluation import comparisons, intervals
from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP
from vad_lib.evaluation.scored_videos import Metric
from vad_lib.report.tables.table import NOT_RUN
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_rows

INTERVAL_COLUMN, AGAINST_COLUMN = "95 % interval", "against the row above"


def percent_cell(values: Sequence[float]) -> str:
    """Mean of fractions in percent, with the standard deviation if there are several, such as ``71.72 ± 12.32``."""
    if not values:
        return NOT_RUN
    mean, sd = f"{100 * np.mean(values):.2f}", f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return mean + sd


def mean_metric_cell(runs: Sequence[Run], metric: str, selection: str) -> str:
    """A metric of the steps that a selection chose, mean over the seeds of a row; empty if it is not defined on the test videos."""
    if any(run.undefined(metric, selection) for run in runs):
        return ""
    return percent_cell([run.value(metric, selection) for run in runs])


def interval_cell(runs: Sequence[Run], metric: Metric) -> str:
    """95 % interval of a row, of the steps that its runs selected, such as ``[55.83, 87.21]``.

    Empty where the metric is the same in every seed and on every draw of the test videos: no width would look like certainty.
    """
    if not runs:
        return NOT_RUN
    found = intervals.interval(scored_rows(runs), metric)
    return f"[{100 * found.low:.2f}, {100 * found.high:.2f}]" if found.high > found.low else ""


def paired_difference_cell(before: Sequence[Run], after: Sequence[Run], metric: Metric, steps: int) -> str:
    """A row less the one before it on the seeds that both have, with its interval, and better, worse or cannot tell.

    Args:
        before, after: runs of the two rows.
        metric: that is compared.
        steps: that share the level of 95 % with this one, itself counted.
    """
    seeds = {run.seed for run in before} & {run.seed for run in after}
    if not seeds:
        return NOT_RUN
    one, other = (scored_rows([run for run in runs if run.seed in seeds]) for runs in (before, after))
    return comparisons.comparison_text(comparisons.compare(one, other, metric, DEFAULT_BOOTSTRAP.shared(steps)))


def reported_cell(reported: pd.DataFrame, origin: str, metric: str) -> str:
    """A number of the paper or of a method's authors with the decimals that they printed; empty if they gave none.

    Args:
        reported: rows of :func:`vad_lib.report.tables.reported.read_reported` on one method and data set.
        origin: ``paper`` or ``authors``.
        metric: such as ``auc``.
    """
    found = reported[(reported["origin"] == origin) & (reported["metric"] == metric)]
    return f"{found['value'].iloc[0]:.{found['decimals'].iloc[0]}f}" if len(found) else ""


def joined_notes(reported: pd.DataFrame) -> str:
    """Notes on reported numbers, each once, in one line; empty if there are none."""
    return "; ".join(dict.fromkeys(note for note in reported["note"] if note))


def status_cell(was_run: Mapping[str, bool]) -> str:
    """``run``, ``not run``, or where a row was not run, such as ``not run on SynthCrime``.

    Args:
        was_run: title of each data set of the table -> whether the row was run on it.
    """
    missing = [title for title, yes in was_run.items() if not yes]
    return "run" if not missing else NOT_RUN if len(missing) == len(was_run) else f"{NOT_RUN} on {', '.join(missing)}"
