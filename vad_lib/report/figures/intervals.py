"""Records of :mod:`vad_lib.evaluation.intervals` -> figures: intervals, paired differences, power, selection, calibration, delays.

As in :mod:`vad_lib.report.figures.score_curves`, every function returns a matplotlib figure and the plotted points, and nothing here computes
a number. Points hold fractions, axes show percent or percentage points.
"""

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from vad_lib.errors import DataError
from vad_lib.evaluation.alarms import Calibration, Delays
from vad_lib.evaluation.comparisons import Comparison, Components, comparison_text
from vad_lib.evaluation.intervals import Interval, interval_text
from vad_lib.evaluation.power import power_curves
from vad_lib.report.figures.style import BLUE, GREEN, METHOD_COLOURS, ORANGE, VERMILION, style
from vad_lib.report.tables.table import METRIC_TITLES, RULE_TITLES

GREY = "#777777"
WORD_COLOURS = {"better": GREEN, "worse": VERMILION, "cannot tell": GREY}
_SEED = {"ms": 4.2, "alpha": 0.45, "mew": 0}
_STEP = {"marker": "D", "ls": "", "mfc": "white", "mec": ORANGE, "mew": 1.6, "ms": 6}
_RULE_WORDS = {"best_on_validation": RULE_TITLES["best_on_validation"], "last": "taken last"}


def forest(intervals: Mapping[str, Interval], title: str, steps: Mapping[str, float] | None = None) -> tuple[Figure, pd.DataFrame]:
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
            axes.plot([100 * found.low, 100 * found.high], [place, place], color=BLUE, lw=2, solid_capstyle="butt")
            axes.plot(100 * found.mean, place, "o", color=BLUE, ms=6.5)
            axes.plot(100 * np.array(found.values), np.full(found.num_seeds, place + 0.25), "o", color=BLUE, **_SEED)
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
        steps: name of a row -> the paper's step, a fraction.

    Returns:
        the figure, and one row each: ``row``, ``first``, ``second``, ``difference``, ``low``, ``high``, ``word``, ``step``.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric, steps = _one_metric(comparisons), steps or {}
    points = []
    with style():
        fig, axes = _rows_of(list(comparisons), title)
        axes.axvline(0, color="black", lw=0.9)
        for place, (name, found) in enumerate(comparisons.items()):
            colour = WORD_COLOURS[found.word]
            axes.plot([100 * found.low, 100 * found.high], [place, place], color=colour, lw=2, solid_capstyle="butt")
            axes.plot(100 * found.mean, place, "o", color=colour, ms=6.5)
            axes.plot(100 * np.array(found.values), np.full(found.num_seeds, place + 0.25), "o", color=colour, **_SEED)
            step = steps.get(name, np.nan)
            axes.plot(100 * step, place - 0.25, **_STEP)
            _beside(axes, place, comparison_text(found), color=colour)
            points.append((name, found.first, found.second, found.mean, found.low, found.high, found.word, step))
        axes.set_xlabel(f"difference, {METRIC_TITLES[metric]} points")
        for word, colour in WORD_COLOURS.items():
            if any(point[6] == word for point in points):
                axes.plot([], [], "o-", color=colour, lw=2, ms=6.5, label=word)
        axes.plot([], [], "o", color=GREY, **_SEED, label="one seed")
        _legend(fig, axes, "the paper's step", {*steps} & {*comparisons})
    return fig, pd.DataFrame(points, columns=["row", "first", "second", "difference", "low", "high", "word", "step"])


def power_panels(components: Components, title: str, steps: Mapping[str, float]) -> tuple[Figure, pd.DataFrame]:
    """What more seeds and more test videos would resolve, both axes logarithmic.

    Args:
        components: measured by :func:`vad_lib.evaluation.comparisons.compare`.
        title: of the figure; names the two rows and the data.
        steps: name -> difference to resolve, a fraction above 0; a horizontal line each.

    Returns:
        the figure, and the rows of :func:`vad_lib.evaluation.power.power_curves`.
    """
    points = power_curves(components)
    looks = (
        ("detectable", "difference seen with 80 % probability", "-", BLUE),
        ("half_width", "half-width of the 95 % interval", "--", GREEN),
    )
    with style():
        fig, grid = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True)
        fig.suptitle(title, fontsize=12)
        measured = {"seeds": components.num_seeds, "videos": components.num_videos}
        for axes, over, fixed in zip(grid, ("seeds", "videos"), ("videos", "seeds")):
            chosen = points[points["over"] == over]
            for column, label, line, colour in looks:
                axes.plot(chosen[over], 100 * chosen[column], line, color=colour, lw=1.8, label=label)
            axes.axvline(measured[over], color=GREY, lw=0.9, ls=":", label="measured")
            ordered = sorted(steps.items(), key=lambda step: step[1])
            for place, (name, step) in enumerate(ordered):
                axes.axhline(100 * step, color=ORANGE, lw=1.2)
                # the lower of two lines that are close has its words below it
                crowded = place + 1 < len(ordered) and ordered[place + 1][1] < 1.25 * step
                axes.annotate(
                    f"{100 * step:.2f} ({name})",
                    (0.01, 100 * step),
                    xycoords=("axes fraction", "data"),
                    xytext=(0, -3 if crowded else 2),
                    textcoords="offset points",
                    va="top" if crowded else "bottom",
                    fontsize=8.5,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
                )
            unit = {"seeds": "seeds", "videos": "test videos"}
            axes.set(xscale="log", yscale="log", xlabel=f"{unit[over]}, with {measured[fixed]:,} {unit[fixed]}")
            ticks = (2, 3, 5, 10, 20, 50) if over == "seeds" else _round_numbers(chosen[over])
            axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
            axes.xaxis.set_minor_formatter(NullFormatter())
            for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                formatter(FuncFormatter(_few_digits))
        grid[0].set_ylabel("difference, percentage points")
        handles, labels = grid[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3)
    return fig, points


def selection_gains(gains: Mapping[str, Mapping[str, Comparison]], title: str) -> tuple[Figure, pd.DataFrame]:
    """What choosing the step on the test set is worth, per method.

    Args:
        gains: name of each row -> what :func:`vad_lib.evaluation.comparisons.selection_gain` found.
        title: of the figure; names the data.

    Returns:
        the figure, and a row per method and rule: ``row``, ``rule``, ``gain``, ``low``, ``high``, ``word``.

    Raises:
        DataError: no row, or rows of different metrics.
    """
    metric = _one_metric({f"{name}, {rule}": found for name, rules in gains.items() for rule, found in rules.items()})
    looks: dict[str, tuple[Literal["D", "o"], str, float]] = {
        "best_on_validation": ("D", GREEN, -0.14),
        "last": ("o", BLUE, 0.14),
    }
    points = []
    with style():
        fig, axes = _rows_of(list(gains), title)
        axes.axvline(0, color="black", lw=0.9)
        for place, (name, rules) in enumerate(gains.items()):
            for rule, found in rules.items():
                marker, colour, shift = looks[rule]
                axes.plot([100 * found.low, 100 * found.high], [place + shift] * 2, color=colour, lw=1.8, solid_capstyle="butt")
                axes.plot(100 * found.mean, place + shift, marker, color=colour, ms=5.5)
                points.append((name, rule, found.mean, found.low, found.high, found.word))
        axes.set_xlabel(f"{METRIC_TITLES[metric]} points gained by choosing the step on the test set")
        for rule, (marker, colour, _) in looks.items():
            axes.plot([], [], marker + "-", color=colour, lw=1.8, ms=5.5, label=f"over the step {_RULE_WORDS[rule]}")
        fig.legend(loc="outside lower center", ncols=2)
    return fig, pd.DataFrame(points, columns=["row", "rule", "gain", "low", "high", "word"])


def reliability(calibrations: Mapping[str, Calibration], title: str) -> tuple[Figure, pd.DataFrame]:
    """Reliability diagram: abnormal share of the frames over their score, and below it how common each score is.

    Args:
        calibrations: name of each row -> its calibration, at most eight.
        title: of the figure; names the data.

    Returns:
        the figure, and the bins of every row, with ``row`` in front.
    """
    points = []
    with style():
        fig, (axes, below) = plt.subplots(2, 1, figsize=(8, 5.8 + 0.2 * len(calibrations)), sharex=True, height_ratios=(3, 1.1))
        axes.plot([0, 100], [0, 100], color=GREY, lw=0.9, ls=":", label="calibrated")
        for (name, found), colour in zip(calibrations.items(), METHOD_COLOURS):
            bins, known = found.bins, found.bins.dropna()
            label = f"{name} (calibration error {100 * found.expected_error:.1f} %, Brier score {found.brier:.3f})"
            axes.plot(100 * known["mean_score"], 100 * known["abnormal_share"], "o-", color=colour, lw=1.4, ms=5, label=label)
            edges = 100 * np.append(bins["low"], bins["high"].iloc[-1])
            below.stairs(100 * bins["frames"] / bins["frames"].sum(), edges, color=colour, lw=1.4)
            points.append(bins.assign(row=name))
        axes.set(ylabel="abnormal frames among them, %", xlim=(-1, 101), ylim=(-2, 102), title=title)
        fullness = [found.bins["frames"] / found.bins["frames"].sum() for found in calibrations.values()]
        least = 100 * min(share[share > 0].min() for share in fullness)
        below.set(yscale="log", ylim=(min(least / 2, 5), 150), xlabel="score of the frames, %", ylabel="frames, %")
        below.yaxis.set_major_formatter(FuncFormatter(_few_digits))
        below.yaxis.set_minor_formatter(NullFormatter())
        fig.legend(loc="outside lower center", ncols=1, fontsize=9)
    frame = pd.concat(points, ignore_index=True)
    return fig, frame[["row", *frame.columns.drop("row")]]


def delay_recall(delays: Mapping[str, Delays], title: str) -> tuple[Figure, pd.DataFrame]:
    """How many events are seen within a time of their start; a curve ends at the share that is seen at all.

    Args:
        delays: name of each curve (a method, or a false alarm rate) -> its delays, at most eight.
        title: of the figure; names the data and what the thresholds are.

    Returns:
        the figure, and one row per step of a curve: ``row``, ``seconds``, ``share`` of all events.

    Raises:
        DataError: a row without events.
    """
    points = []
    with style():
        fig, axes = plt.subplots(figsize=(8, 4.0 + 0.2 * len(delays)))
        seen = {name: np.sort(found.events["delay_seconds"].dropna()) for name, found in delays.items()}
        longest = max((theirs[-1] for theirs in seen.values() if len(theirs)), default=0) or 1.0
        for (name, found), colour in zip(delays.items(), METHOD_COLOURS):
            events, theirs = len(found.events), seen[name]
            if not events:
                raise DataError(f"{name}: delays need events, got none; add test videos with abnormal frames.")
            median = f", median {np.median(theirs):.1f} s" if len(theirs) else ""
            seconds = np.concatenate(([0.0], theirs))
            share = np.arange(len(seconds)) / events
            label = f"{name} ({len(theirs)} of {events} events seen{median})"
            axes.step(
                np.append(seconds, 1.04 * longest),
                100 * np.append(share, share[-1]),
                where="post",
                color=colour,
                lw=1.6,
                label=label,
            )
            points.append(pd.DataFrame({"row": name, "seconds": seconds, "share": share}))
        axes.set(
            xlabel="seconds after the start of the event",
            ylabel="events seen by then, %",
            title=title,
            ylim=(-2, 102),
            xlim=(0, 1.04 * longest),
        )
        fig.legend(loc="outside lower center", ncols=1, fontsize=9)
    return fig, pd.concat(points, ignore_index=True)


# --- parts ------------------------------------------------------------------------------------------------


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


def _beside(axes: Axes, place: int, text: str, color: str = "black") -> None:
    """Words at the right of a row."""
    axes.annotate(
        text,
        (1, place),
        xycoords=("axes fraction", "data"),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=color,
        annotation_clip=False,
    )


def _legend(fig: Figure, axes: Axes, step: str, marked: set[str]) -> None:
    if marked:
        axes.plot([], [], **_STEP, label=step)
    fig.legend(loc="outside lower center", ncols=5, fontsize=9)


def _round_numbers(numbers: pd.Series) -> list[int]:
    """Ticks 1 and 3 times powers of ten within the range of some numbers."""
    return [digit * 10**power for power in range(7) for digit in (1, 3) if numbers.min() <= digit * 10**power <= numbers.max()]


def _few_digits(value: float, _: int) -> str:
    """Labels of a logarithmic axis: 1, 2 and 5 times a power of ten, the others empty."""
    digit = value / 10 ** np.floor(np.log10(value))
    return f"{value:g}" if min(abs(digit - wanted) for wanted in (1, 2, 5)) < 1e-6 else ""
