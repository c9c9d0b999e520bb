"""Seed by seed: does a method beat logistic regression with the labels of whole videos?

A mean over seeds hides a training that broke down. One seed below the simplest method that there is says so.
"""

from collections.abc import Sequence

import pandas as pd

from vad_lib.runs.experiments import VARIANTS
from vad_lib.runs.finished_runs import load_runs
from vad_lib.storage.paths import Layout

YARDSTICK = "logistic-regression"
JUDGED = ("ur-dmu", "msf-dmu", "proposed")
COLUMNS = ["data set", "row", "seed", "value", "yardstick", "same seed", "above"]


def beside_yardstick(layout: Layout, datasets: Sequence[str]) -> pd.DataFrame:
    """Headline metric of every run of the main rows beside logistic regression's.

    Args:
        layout: where the runs are.
        datasets: names of data sets.

    Returns:
        a row for each data set, row and seed: ``data set``, ``row`` (its title), ``seed``, ``value`` and ``yardstick`` (fractions),
        ``same seed`` (else the yardstick lacks the seed, and its mean is taken), ``above``. Empty where nothing was run.

    Raises:
        DataError: runs do not belong into one table.
    """
    found = []
    for dataset in datasets:
        runs = load_runs(layout, dataset, (*JUDGED, YARDSTICK))
        simple = {run.seed: run.value(run.config["headline_metric"], run.selection) for run in runs.get(YARDSTICK, [])}
        for row in JUDGED if simple else ():
            for run in runs.get(row, []):
                value = run.value(run.config["headline_metric"], run.selection)
                beside = simple.get(run.seed, sum(simple.values()) / len(simple))
                found.append((dataset, VARIANTS[row].title, run.seed, value, beside, run.seed in simple, value > beside))
    return pd.DataFrame(found, columns=COLUMNS)


def sentence(found: pd.DataFrame) -> str:
    """What was found, in words; names every run that is not above.

    Args:
        found: of :func:`beside_yardstick`.

    Example:
        >>> sentence(pd.DataFrame([("a", "UR-DMU", 1, 0.9, 0.7, True, True)], columns=COLUMNS))
        'All 1 runs beat logistic regression with the same seed.'
    """
    title = "logistic regression with the same seed"
    if found.empty:
        return f"Nothing was run here that could be compared with {title}."
    if lacking := int((~found["same seed"]).sum()):
        title += f" (for {lacking} of them with the mean over its seeds, since it lacks theirs)"
    below = found[~found["above"]]
    if below.empty:
        return f"All {len(found)} runs beat {title}."
    named = "; ".join(
        f"{row['row']} on {row['data set']}, seed {row['seed']} ({100 * row['value']:.2f} against {100 * row['yardstick']:.2f} %)"
        for _, row in below.iterrows()
    )
    return f"{len(found) - len(below)} of {len(found)} runs beat {title}. Not above it: {named}."
