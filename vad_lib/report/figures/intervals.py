"""Intervals, paired differences and what a selection gains: rows of a table with how sure they are.

Every drawing function returns a matplotlib figure and the plotted points; none computes a number. Points hold fractions,
axes show percent or percentage points.
"""

from collections.abc import Mapping
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.evaluation.comparisons import Comparison, comparison_text
from vad_lib.evaluation.intervals import Interval, interval_text
from vad_lib.report.figures.style import BLUE, GREEN, GREY, ORANGE, VERMILION, style
from vad_lib.report.tables.table import METRIC_TITLES, SELECTION_TITLES

WORD_COLOURS = {"better": GREEN, "worse": VERMILION, "cannot tell": GREY}
_SEED: dict[str, Any] = {"ms": 4.2, "alpha": 0.45, "mew": 0}
_STEP: dict[str, Any] = {"marker": "D", "ls": "", "mfc": "white", "mec": ORANGE, "mew": 1.6, "ms": 6}
_SELECTION_WORDS = {"best_on_validation": SELECTION_TITLES["best_on_validation"], "last": "taken last"}


def forest_plot(
    intervals: Mapping[str, Interval], title: str, steps: Mapping[str, float] | None = None
) -> tuple[Figure, pd.DataFrame]:
    """Rows of a table with mean, interval and the seeds' own values.

    Args:
        intervals: name of each row -> its metric, in the order of the rows.
        title: of the figure; names the data.
        steps: name of a row -> the paper's gain over the row above it, a fraction; marked at the mean above plus this.

    Returns:
        the figure, and one row each: ``row``, ``mean``, ``sd``, ``low``, ``high``, ``expected`` (where the paper's step leads,
        missing without one), and ``values`` of the seeds, separated by spaces.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric, steps = _one_metric(intervals), steps or {}
    names, points = list(intervals), []
    with style():
        fig, axes = _rows_of(names, title)
        for place, (name, found) in enumerate(intervals.items()):
            _draw_interval(axes, place, found, BLUE)
            expected = intervals[names[place - 1]].mean + steps[name] if place and name in steps else np.nan
            axes.plot(100 * expected, place - 0.25, **_STEP)
            _beside(axes, place, interval_text(found))
            values = " ".join(f"{value:.6g}" for value in found.values)
            points.append((name, found.mean, found.sd, found.low, found.high, expected, values))
        level = next(iter(intervals.values())).level
        axes.set_xlabel(f"{METRIC_TITLES[metric]} %")
        axes.plot([], [], "o-", color=BLUE, lw=2, ms=6.5, label=f"mean and {100 * level:g} % interval")
        axes.plot([], [], "o", color=BLUE, **_SEED, label="one seed")
        _legend(fig, axes, "the row above plus the paper's step", {*steps} & {*names[1:]})
    return fig, pd.DataFrame(points, columns=["row", "mean", "sd", "low", "high", "expected", "values"])


def paired_differences(
    comparisons: Mapping[str, Comparison], title: str, steps: Mapping[str, float] | None = None
) -> tuple[Figure, pd.DataFrame]:
    """Each row against another, usually the one above: difference, interval, and what may be said.

    Args:
        comparisons: name of each row -> its comparison.
        title: of the figure; names the data, and what rows are compared with.
        steps: name of a row -> the paper's gain over the row above it, a fraction; marked.

    Returns:
        the figure, and one row each: ``row``, ``first``, ``second``, ``difference``, ``low``, ``high``, ``verdict``, ``step``.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric, steps = _one_metric(comparisons), steps or {}
    points = []
    with style():
        fig, axes = _rows_of(list(comparisons), title)
        axes.axvline(0, color="black", lw=0.9)
        for place, (name, found) in enumerate(comparisons.items()):
            colour = WORD_COLOURS[found.verdict]
            _draw_interval(axes, place, found, colour)
            step = steps.get(name, np.nan)
            axes.plot(100 * step, place - 0.25, **_STEP)
            _beside(axes, place, comparison_text(found), color=colour)
            points.append((name, found.first, found.second, found.mean, found.low, found.high, found.verdict, step))
        axes.set_xlabel(f"difference, {METRIC_TITLES[metric]} points")
        for word, colour in WORD_COLOURS.items():
            if any(point[6] == word for point in points):
                axes.plot([], [], "o-", color=colour, lw=2, ms=6.5, label=word)
        axes.plot([], [], "o", color=GREY, **_SEED, label="one seed")
        _legend(fig, axes, "the paper's step", {*steps} & {*comparisons})
    return fig, pd.DataFrame(points, columns=["row", "first", "second", "difference", "low", "high", "verdict", "step"])


def selection_gains(gains: Mapping[str, Mapping[str, Comparison]], title: str) -> tuple[Figure, pd.DataFrame]:
    """What choosing the step on the test set gains over the other selections, per method.

    Args:
        gains: name of each row -> selection -> gain over it, of :func:`vad_lib.evaluation.comparisons.selection_gain`.
        title: of the figure; names the data.

    Returns:
        the figure, and a row per method and selection: ``row``, ``selection``, ``gain``, ``low``, ``high``, ``verdict``.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric = _one_metric({f"{name}, {selection}": found for name, theirs in gains.items() for selection, found in theirs.items()})
    looks: dict[str, tuple[Literal["D", "o"], str, float]] = {
        "best_on_validation": ("D", GREEN, -0.14),
        "last": ("o", BLUE, 0.14),
    }
    points = []
    with style():
        fig, axes = _rows_of(list(gains), title)
        axes.axvline(0, color="black", lw=0.9)
        for place, (name, theirs) in enumerate(gains.items()):
            for selection, found in theirs.items():
                marker, colour, shift = looks[selection]
                axes.plot([100 * found.low, 100 * found.high], [place + shift] * 2, color=colour, lw=1.8, solid_capstyle="butt")
                axes.plot(100 * found.mean, place + shift, marker, color=colour, ms=5.5)
                points.append((name, selection, found.mean, found.low, found.high, found.verdict))
        axes.set_xlabel(f"{METRIC_TITLES[metric]} points gained by choosing the step on the test set")
        for selection, (marker, colour, _) in looks.items():
            words = f"over the step {_SELECTION_WORDS[selection]}"
            axes.plot([], [], marker + "-", color=colour, lw=1.8, ms=5.5, label=words)
        fig.legend(loc="outside lower center", ncols=2)
    return fig, pd.DataFrame(points, columns=["row", "selection", "gain", "low", "high", "verdict"])


def _one_metric(rows: Mapping[str, Interval]) -> str:
    metrics = {found.metric for found in rows.values()}
    if len(metrics) != 1:
        raise DataError(
            f"figure: expected rows of one metric, got {', '.join(sorted(metrics)) or 'no row'}; draw a figure for each."
        )
    return metrics.pop()


def _rows_of(names: list[str], title: str) -> tuple[Figure, Axes]:
    """A figure with one named row each, the first on top."""
    fig, axes = plt.subplots(figsize=(10, 1.5 + 0.46 * len(names)))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    fig.suptitle(title, fontsize=12)
    return fig, axes


def _draw_interval(axes: Axes, place: int, found: Interval, colour: str) -> None:
    """Interval and mean of a row, and below them a dot for each seed."""
    axes.plot([100 * found.low, 100 * found.high], [place, place], color=colour, lw=2, solid_capstyle="butt")
    axes.plot(100 * found.mean, place, "o", color=colour, ms=6.5)
    axes.plot(100 * np.array(found.values), np.full(found.num_seeds, place + 0.25), "o", color=colour, **_SEED)


def _beside(axes: Axes, place: int, text: str, color: str = "black") -> None:
    """Words at the right of a row."""
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (8, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(text, (1, place), **where, fontsize=9, color=color, annotation_clip=False)


def _legend(fig: Figure, axes: Axes, step: str, marked: set[str]) -> None:
    """The legend, with words for the paper's step if a row is marked with it."""
    if marked:
        axes.plot([], [], **_STEP, label=step)
    fig.legend(loc="outside lower center", ncols=5, fontsize=9)
