"""Intervals, paired differences and what a selection gains: rows of a table with how sure they are.

Every drawing function returns a matplotlib figure and the plotted points; none computes a number. Points hold fractions,
axes show percent or percentage points.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.evaluation.comparisons import Comparison, comparison_text, end_text, points_of_percent
from vad_lib.evaluation.intervals import Interval, interval_text
from vad_lib.report.figures.alternative_texts import composed, counted, percent
from vad_lib.report.figures.style import (
    GREEN,
    GREY,
    ORANGE,
    OTHER_LOOK,
    SELECTION_LOOKS,
    VERMILION,
    beside,
    describe,
    headline,
    method_look,
    style,
)
from vad_lib.report.tables.table import METRIC_TITLES, SELECTION_TITLES

FARTHEST = 0.25  # from 0, a fraction: where the axis of differences ends at the latest
WORD_COLOURS = {"better": GREEN, "worse": VERMILION, "cannot tell": GREY}
_SEED: dict[str, Any] = {"ms": 4.2, "alpha": 0.45, "mew": 0}
_STEP: dict[str, Any] = {"marker": "D", "ls": "", "mfc": "white", "mec": ORANGE, "mew": 1.6, "ms": 6}
_SELECTION_WORDS = {"best_on_validation": SELECTION_TITLES["best_on_validation"], "last": "taken last"}


def forest_plot(intervals: Mapping[str, Interval], title: str) -> tuple[Figure, pd.DataFrame]:
    """Rows of a table with mean, interval and the seeds' own values, the highest mean on top.

    Args:
        intervals: name of each row -> its metric; names that are titles of the tables' rows have their method's colour.
        title: of the figure; names the data.

    Returns:
        the figure, and one row each: ``row``, ``mean``, ``sd``, ``low``, ``high``, and ``values`` of the seeds, separated by
        spaces.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric = _one_metric(intervals)
    intervals = dict(sorted(intervals.items(), key=lambda row: -row[1].mean))
    points = []
    with style():
        fig, axes = _rows_of(list(intervals), title)
        for place, (name, found) in enumerate(intervals.items()):
            _draw_interval(axes, place, found, method_look(name).colour)
            beside(axes, place, interval_text(found))
            values = " ".join(f"{value:.6g}" for value in found.values)
            points.append((name, found.mean, found.sd, found.low, found.high, values))
        level = next(iter(intervals.values())).level
        axes.set_xlabel(f"{METRIC_TITLES[metric]} %")
        axes.plot([], [], "o-", color=OTHER_LOOK.colour, lw=2, ms=6.5, label=f"mean and {100 * level:g} % interval")
        axes.plot([], [], "o", color=OTHER_LOOK.colour, **_SEED, label="one seed")
        fig.legend(loc="outside lower center", ncols=5, fontsize=9)
    rows = [f"{name} {percent(mean)} ({percent(low)} to {percent(high)})" for name, mean, _, low, high, _ in points]
    what = f"Forest plot, {title}. {METRIC_TITLES[metric]} in percent of {counted(len(rows), 'row')}, mean and interval"
    describe(fig, composed(what, rows))
    return fig, pd.DataFrame(points, columns=["row", "mean", "sd", "low", "high", "values"])


def paired_differences(
    comparisons: Mapping[str, Comparison], title: str, steps: Mapping[str, float] | None = None, finding: str = ""
) -> tuple[Figure, pd.DataFrame]:
    """Each row against another: difference, interval, and what may be said; the largest difference on top.

    With the paper's steps the rows stay in their order, since each stands against the one before. The axis ends :data:`FARTHEST`
    from 0, or a little behind a mean that lies farther out; arrows stand for what goes on behind its ends, with the seeds there.

    Args:
        comparisons: name of each row -> its comparison.
        title: of the figure; names the data, and what rows are compared with.
        steps: name of a row -> the paper's gain over the row above it, a fraction; marked.
        finding: what the rows say, below the title; how many have which word by default.

    Returns:
        the figure, and one row each: ``row``, ``first``, ``second``, ``difference``, ``low``, ``high``, ``verdict``, ``step``.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric, steps = _one_metric(comparisons), steps or {}
    if not steps:
        comparisons = dict(sorted(comparisons.items(), key=lambda row: -row[1].mean))
    points = []
    with style():
        fig, axes = _rows_of(list(comparisons), title, finding or verdicts(found.verdict for found in comparisons.values()))
        axes.axvline(0, color="black", lw=0.9)
        for place, (name, found) in enumerate(comparisons.items()):
            colour = WORD_COLOURS[found.verdict]
            _draw_interval(axes, place, found, colour)
            step = steps.get(name, np.nan)
            axes.plot(100 * step, place - 0.25, **_STEP)
            beside(axes, place, comparison_text(found), colour)
            points.append((name, found.first, found.second, found.mean, found.low, found.high, found.verdict, step))
        _end_axis(axes, list(comparisons.values()))
        axes.set_xlabel(f"difference, {METRIC_TITLES[metric]} points")
        for word, colour in WORD_COLOURS.items():
            if any(point[6] == word for point in points):
                axes.plot([], [], "o-", color=colour, lw=2, ms=6.5, label=word)
        axes.plot([], [], "o", color=GREY, **_SEED, label="one seed")
        if steps.keys() & comparisons.keys():
            axes.plot([], [], **_STEP, label="the paper's step")
        fig.legend(loc="outside lower center", ncols=5, fontsize=9)
    rows = [
        f"{' '.join(name.split())} {points_of_percent(mean)} ({end_text(low)} to {end_text(high)}) {word}"
        for name, _, _, mean, low, high, word, _ in points
    ]
    what = f"Forest plot, {title}. Differences in {METRIC_TITLES[metric]} points with intervals, {counted(len(rows), 'row')}"
    describe(fig, composed(what, rows))
    return fig, pd.DataFrame(points, columns=["row", "first", "second", "difference", "low", "high", "verdict", "step"])


def _end_axis(axes: Axes, rows: list[Comparison]) -> None:
    means, (low, high) = [100 * found.mean for found in rows], axes.get_xlim()
    left, right = max(low, min(-100 * FARTHEST, min(means) - 2)), min(high, max(100 * FARTHEST, max(means) + 2))
    axes.set_xlim(left, right)
    for place, found in enumerate(rows):
        for edge, side, end in ((left, -1, found.low), (right, 1, found.high)):
            outside = [100 * value for value in found.values if side * (100 * value - edge) > 0]
            if outside or side * (100 * end - edge) > 0:
                beyond(axes, place, edge, side, outside, WORD_COLOURS[found.verdict])


def beyond(axes: Axes, place: float, edge: float, side: int, values: Iterable[float], colour: str) -> None:
    """An arrow at an end of the axis, and below it the values of seeds that lie behind it.

    Args:
        axes: of the rows.
        place: of the row.
        edge: where the axis ends.
        side: -1 on the left, 1 on the right.
        values: of the seeds, in percent or points.
        colour: of the row.
    """
    axes.plot(edge, place, "<" if side < 0 else ">", color=colour, ms=6, clip_on=False)
    beside: dict[str, Any] = {"xytext": (-5 * side, -8), "textcoords": "offset points", "va": "center"}
    said = ", ".join(f"{value:.0f}" for value in sorted(values))
    axes.annotate(said, (edge, place), fontsize=8.5, color=colour, ha="left" if side < 0 else "right", **beside)


def verdicts(words: Iterable[str]) -> str:
    """How many differences have which word, for a title.

    Example:
        >>> verdicts(["better", "cannot tell", "better"])
        '2 better, 1 cannot tell'
    """
    found = list(words)
    return ", ".join(f"{found.count(word)} {word}" for word in (*WORD_COLOURS, "the same") if word in found)


def selection_gains(gains: Mapping[str, Mapping[str, Comparison]], title: str) -> tuple[Figure, pd.DataFrame]:
    """What choosing the step on the test set gains over the other selections, per method, the largest gain on top.

    Args:
        gains: name of each row -> selection -> gain over it, of :func:`vad_lib.evaluation.comparisons.selection_gain`.
        title: of the figure; names the data.

    Returns:
        the figure, and a row per method and selection: ``row``, ``selection``, ``gain``, ``low``, ``high``, ``verdict``.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric = _one_metric({f"{name}, {selection}": found for name, theirs in gains.items() for selection, found in theirs.items()})
    shifts = {"best_on_validation": -0.14, "last": 0.14}
    gains = dict(sorted(gains.items(), key=lambda row: -max(found.mean for found in row[1].values())))
    points = []
    with style():
        over = {name: theirs["best_on_validation"].mean for name, theirs in gains.items()}
        ends = [
            f"{points_of_percent(over[name])} ({name})"
            for name in (min(over, key=over.__getitem__), max(over, key=over.__getitem__))
        ]
        fig, axes = _rows_of(list(gains), title, f"from {' to '.join(ends)}" if len(over) > 1 else ends[0])
        axes.axvline(0, color="black", lw=0.9)
        for place, (name, theirs) in enumerate(gains.items()):
            for selection, found in theirs.items():
                (marker, colour), shift = SELECTION_LOOKS[selection], shifts[selection]
                axes.plot([100 * found.low, 100 * found.high], [place + shift] * 2, color=colour, lw=1.8, solid_capstyle="butt")
                axes.plot(100 * found.mean, place + shift, marker, color=colour, ms=5.5)
                points.append((name, selection, found.mean, found.low, found.high, found.verdict))
        axes.set_xlabel(f"{METRIC_TITLES[metric]} points gained by choosing the step on the test set")
        for selection in shifts:
            marker, colour = SELECTION_LOOKS[selection]
            words = f"over the step {_SELECTION_WORDS[selection]}"
            axes.plot([], [], marker + "-", color=colour, lw=1.8, ms=5.5, label=words)
        fig.legend(loc="outside lower center", ncols=2)
    rows = [
        f"{name} {points_of_percent(mean)} ({end_text(low)} to {end_text(high)}) over the step {_SELECTION_WORDS[selection]}"
        for name, selection, mean, low, high, _ in points
    ]
    what = f"Forest plot, {title}. {METRIC_TITLES[metric]} points gained by choosing the step on the test set, with intervals"
    describe(fig, composed(what, rows))
    return fig, pd.DataFrame(points, columns=["row", "selection", "gain", "low", "high", "verdict"])


def _one_metric(rows: Mapping[str, Interval]) -> str:
    metrics = {found.metric for found in rows.values()}
    if len(metrics) != 1:
        raise DataError(
            f"figure: expected rows of one metric, got {', '.join(sorted(metrics)) or 'no row'}; draw a figure for each."
        )
    return metrics.pop()


def _rows_of(names: list[str], title: str, finding: str = "") -> tuple[Figure, Axes]:
    """A figure with one named row each, the first on top."""
    fig, axes = plt.subplots(figsize=(10, 1.5 + 0.2 * bool(finding) + 0.46 * len(names)))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    headline(fig, title, finding)
    return fig, axes


def _draw_interval(axes: Axes, place: int, found: Interval, colour: str) -> None:
    """Interval and mean of a row, and below them a dot for each seed."""
    axes.plot([100 * found.low, 100 * found.high], [place, place], color=colour, lw=2, solid_capstyle="butt")
    axes.plot(100 * found.mean, place, "o", color=colour, ms=6.5)
    axes.plot(100 * np.array(found.values), np.full(found.num_seeds, place + 0.25), "o", color=colour, **_SEED)
