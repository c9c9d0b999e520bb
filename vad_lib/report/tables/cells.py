"""Cells of tables."""

import numpy as np
import pandas as pd

from vad_lib.evaluation import comparisons, intervals, scored_videos
from vad_lib.report.tables.captions import Subject, selection_of
from vad_lib.report.tables.table import NOT_RUN
from vad_lib.runs.comparable import Run

INTERVAL_COLUMN, AGAINST_COLUMN = "95 % interval", "against the row above"


def run_status(data: list[tuple[Subject, dict[str, list[Run]]]], variant: str, *, fine_grained: bool = False) -> str:
    def ran(runs: dict[str, list[Run]]) -> bool:
        return any(not fine_grained or run.fine_grained(selection_of(runs)) for run in runs.get(variant, []))

    missing = [subject.title for subject, runs in data if not ran(runs)]
    return "run" if not missing else NOT_RUN if len(missing) == len(data) else f"{NOT_RUN} on {', '.join(missing)}"


def mean_of(values: list[float]) -> float:
    return float(np.mean(values))


def percent_cell(values: list[float]) -> str:
    """Mean over seeds in percent, with the standard deviation if there are several."""
    if not values:
        return NOT_RUN
    return f"{100 * mean_of(values):.2f}" + (f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


def metric_cell(runs: list[Run], metric: str, rule: str) -> str:
    return percent_cell([run.value(metric, rule) for run in runs])


def interval_cell(runs: list[Run], metric: str) -> str:
    """95 % interval of a row, in percent, at the runs' own selection rule."""
    if not runs:
        return NOT_RUN
    found = intervals.interval(scored_videos.load_all(runs), metric)
    return f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"


def paired_cell(before: list[Run], after: list[Run], metric: str) -> str:
    """Difference of a row to the one before it on the same seeds and videos, its interval, and the word for it."""
    seeds = {run.config["seed"] for run in before} & {run.config["seed"] for run in after}
    if not seeds:
        return NOT_RUN
    one, other = ([run for run in runs if run.config["seed"] in seeds] for runs in (before, after))
    return comparisons.comparison_text(comparisons.compare(scored_videos.load_all(one), scored_videos.load_all(other), metric))


def reported_cell(rows: pd.DataFrame, origin: str, metric: str) -> str:
    found = rows[(rows["origin"] == origin) & (rows["metric"] == metric)]
    return f"{found['value'].iloc[0]:.{found['decimals'].iloc[0]}f}" if len(found) else ""
