"""Figures of training: loss terms, the path of the gate, and the step that each selection chooses."""

from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.report.figures.style import BLUE, GREEN, METHOD_COLOURS, VERMILION, hide_unused, style
from vad_lib.report.tables.table import METRIC_TITLES, SELECTION_TITLES
from vad_lib.runs.run_folder import Run

_EVALUATIONS = ("validation/auc", "test/auc", "test/ap")
_SELECTION_LOOKS = {"last": ("o", BLUE), "best_on_validation": ("D", GREEN), "best_on_test": ("|", VERMILION)}


def training_curves(log: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """Every loss term over the steps, unweighted, its weight in the title; then the sum and the evaluations.

    Args:
        log: of :meth:`vad_lib.runs.run_folder.Run.log`.
        title: of the figure.

    Returns:
        the figure, and (step, series, value) rows.
    """
    terms = [column for column in log.columns if column.startswith("loss/")]
    evaluations = [column for column in log.columns if column in _EVALUATIONS]
    panels = [("weighted sum", ["loss"]), *((_term_title(log, term), [term]) for term in terms)]
    panels += [("evaluations", evaluations)] if evaluations else []
    columns = 4
    with style():
        rows = -(-len(panels) // columns)
        fig, grid = plt.subplots(rows, columns, figsize=(10, 2.0 * rows + 0.6), squeeze=False, sharex=True)
        fig.suptitle(title, fontsize=12)
        for axes, (name, series) in zip(grid.flat, panels):
            for column, colour in zip(series, METHOD_COLOURS):
                known = log[["step", column]].dropna()
                label = column.replace("/auc", " AUC").replace("/ap", " AP") if len(series) > 1 else None
                axes.plot(known["step"], known[column], color=colour, lw=1.2, label=label)
            axes.set_title(name, fontsize=8.5)
            if len(series) > 1:
                axes.legend(fontsize=8)
        hide_unused(grid, len(panels))
        fig.supxlabel("step", fontsize=10)
        fig.supylabel("unweighted value (cross-entropies in nats)", fontsize=10)
    return fig, _long_form(log, ["loss", *terms, *evaluations])


def _term_title(log: pd.DataFrame, term: str) -> str:
    """Name of a loss term, and the weight that it enters the sum with."""
    weights = log[term.replace("loss/", "weight/")]
    weight = f"{weights.iloc[0]:g}" if weights.nunique() == 1 else f"{weights.iloc[0]:.2g} to {weights.iloc[-1]:.2g}"
    return f"{term.removeprefix('loss/').replace('_', ' ')}\nx {weight}"


def _long_form(log: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return log.melt("step", list(columns), "series", "value").dropna(ignore_index=True)


def gate_path(logs: Mapping[str, pd.DataFrame], title: str) -> tuple[Figure, pd.DataFrame]:
    """The gate weight w (equation 6) over the steps, one line per run.

    Args:
        logs: name of the line -> :meth:`vad_lib.runs.run_folder.Run.log` of a run with a gate.
        title: of the figure.

    Returns:
        the figure, and (step, series, value, run) rows.

    Raises:
        DataError: a run has no gate.
    """
    points = []
    with style():
        fig, axes = plt.subplots(figsize=(8, 4))
        axes.axhline(0.5, color="#777777", lw=0.8, ls=":")
        for (name, log), colour in zip(logs.items(), METHOD_COLOURS):
            if "monitor/w" not in log.columns:
                raise DataError(f"{name}: the log has no monitor/w; only runs with a gate have one. Leave this run out.")
            known = _long_form(log, ["monitor/w"]).assign(run=name)
            axes.plot(known["step"], known["value"], color=colour, marker=".", lw=1.5, label=name)
            points.append(known)
        axes.set(title=title, xlabel="step", ylabel="w, share of the visual score")
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    return fig, pd.concat(points, ignore_index=True)


def selection_dots(runs: Mapping[str, Sequence[Run]], metric: Literal["auc", "ap"], title: str) -> tuple[Figure, pd.DataFrame]:
    """A metric of several rows under the three selections; how far apart they are is what choosing on the test set gains.

    Args:
        runs: variant -> its runs, a dot for each seed.
        metric: ``auc`` or ``ap``.
        title: of the figure.

    Returns:
        the figure, and (row, seed, selection, value) rows, ``value`` being a fraction.
    """
    points = pd.DataFrame(
        [
            (run.title, run.seed, selection, run.value(metric, selection))
            for done in runs.values()
            for run in done
            for selection in _SELECTION_LOOKS
        ],
        columns=["row", "seed", "selection", "value"],
    )
    rows = list(points["row"].unique())
    with style():
        fig, axes = plt.subplots(figsize=(8, 1.2 + 0.36 * len(rows)))
        for shift, (selection, (marker, colour)) in zip((-0.16, 0, 0.16), _SELECTION_LOOKS.items()):
            theirs = points[points["selection"] == selection]
            heights = np.array([rows.index(row) for row in theirs["row"]]) + shift
            edge = 2 if marker == "|" else 0.5
            axes.plot(100 * theirs["value"], heights, marker, color=colour, ms=6, mew=edge, label=SELECTION_TITLES[selection])
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set(xlabel=f"{METRIC_TITLES[metric]} %", title=title)
        fig.legend(loc="outside lower center", ncols=3)
    return fig, points
