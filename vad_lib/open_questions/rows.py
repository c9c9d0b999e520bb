"""What notebook 10 asks of the rows of the tables: their steps, what choosing on the test set adds, what alarms they would give."""

from collections.abc import Mapping, Sequence

import pandas as pd

from vad_lib.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from vad_lib.evaluation.comparisons import Comparison, compare, selection_gain
from vad_lib.evaluation.scored_videos import Metric, ScoredVideos
from vad_lib.runs.experiments import VARIANTS, ladder
from vad_lib.runs.run_folder import Run
from vad_lib.runs.scored_runs import scored_by_selection

BY_SELECTION = ("ur-dmu", "msf-dmu", "proposed", "proposed-permuted")  # rows that are asked what the choice of the step adds
OPERATING = ["recall", "false_alarms_per_hour", "missed", "events", "median_delay_seconds", "calibration_error"]

Step = tuple[str, str]  # a row of Tables 4 and 5, and the row after it


def compared_steps(
    rows: Mapping[str, Sequence[ScoredVideos]], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[Step, Comparison]:
    """Each step of Tables 4 and 5 whose two rows are there; all steps of the tables share the level.

    Args:
        rows: row -> its seeds.
        metric: ``auc`` or ``ap``.
        bootstrap: level of the intervals before it is shared; number and seed of the draws.
    """
    steps, shared = ladder(), bootstrap.shared(len(ladder()))
    return {(a, b): compare(rows[a], rows[b], metric, shared) for a, b in steps if a in rows and b in rows}


def step_titles(steps: Sequence[Step]) -> dict[Step, str]:
    """What a figure calls each step, in two lines.

    Example:
        >>> step_titles([("pcl-dbagf", "proposed")])
        {('pcl-dbagf', 'proposed'): 'Proposed\\nagainst + PCL + DBAGF'}
    """
    return {(a, b): f"{VARIANTS[b].title}\nagainst {VARIANTS[a].title}" for a, b in steps}


def chosen_on_test(
    runs: Mapping[str, Sequence[Run]], metric: Metric, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[str, dict[str, Comparison]]:
    """Title of each row of :data:`BY_SELECTION` that is there -> what choosing its steps on the test set adds.

    Args:
        runs: row -> its runs.
        metric: that the choice was made by.
        bootstrap: level of the intervals, number and seed of the draws.
    """
    by_selection = {VARIANTS[row].title: scored_by_selection(runs[row]) for row in runs if row in BY_SELECTION}
    return {title: selection_gain(found, metric, bootstrap) for title, found in by_selection.items()}


def means_at_rates(points: Mapping[str, pd.DataFrame], title: str) -> pd.DataFrame:
    """What each row finds at each false alarm rate, means over seeds, as a table; a delay of no event is left empty.

    Args:
        points: row -> what :func:`vad_lib.evaluation.alarms.operating_points_of_runs` found.
        title: of the data set.
    """
    means = {row: found.groupby("rate")[OPERATING].mean() for row, found in points.items()}
    return pd.concat(means, names=[title, "false alarm rate"]).round(3).astype(object).fillna("")
