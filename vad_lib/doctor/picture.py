"""The doctor's picture: what every convention does to the number, or the way from their number to ours."""

import itertools
import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.doctor.explaining import Explanation
from vad_lib.report.figures.alternative_texts import composed
from vad_lib.report.figures.style import BLACK, BLUE, GREY, VERMILION, describe, headline, style

MOST_BARS = 16
_WRAP = 62  # letters of a line beside a bar


def effects(explanation: Explanation, metric: str) -> tuple[Figure, pd.DataFrame]:
    """A bar for each single convention: how far it moves the number, in points; of many, the largest have one.

    Args:
        explanation: of a case.
        metric: its name, for the axis.

    Returns:
        the figure and its points: ``convention``, ``percent`` and ``points`` (difference to this library's number).
    """
    own = explanation.own.percent or 0.0
    rows = [
        {"convention": one.sentence(), "percent": one.percent, "points": one.percent - own}
        for one in explanation.singles
        if one.percent is not None and shown(one.changes[0], metric)
    ]
    cut = f" (the {MOST_BARS} largest of {len(rows)})" if len(rows) > MOST_BARS else ""
    points = pd.DataFrame(rows[:MOST_BARS], columns=["convention", "percent", "points"])
    with style():
        fig, axes = plt.subplots(figsize=(10, 1.2 + 0.42 * max(1, len(points))))
        places = range(len(points))
        axes.barh(places, points["points"], color=[BLUE if value >= 0 else VERMILION for value in points["points"]])
        axes.set_yticks(places, [textwrap.fill(text, _WRAP) for text in points["convention"]], fontsize=8)
        axes.invert_yaxis()
        axes.axvline(0, color=BLACK, linewidth=0.8)
        for place, value in zip(places, points["points"]):
            axes.annotate(f" {signed(value)} ", (value, place), va="center", ha="left" if value >= 0 else "right", fontsize=8)
        if explanation.claimed is not None:
            axes.axvline(explanation.claimed - own, color=GREY, linestyle="--", linewidth=1.2)
            axes.set_xlabel(f"points of {metric} from {own:.2f}; dashed: the claimed {explanation.claimed:.9g}")
        else:
            axes.set_xlabel(f"points of {metric} from this library's {own:.2f}")
        axes.margins(x=0.15)
        headline(fig, f"What each convention alone does to the number{cut}")
    parts = [f"{text}: {signed(value)}" for text, value in zip(points["convention"], points["points"])]
    describe(fig, composed(f"Bars of points of {metric} from {own:.2f}{cut}", parts))
    return fig, points


def waterfall(steps: Sequence[tuple[str, float]], metric: str) -> tuple[Figure, pd.DataFrame]:
    """From their number to ours, one convention taken back at a time.

    Args:
        steps: of :func:`vad_lib.doctor.explaining.steps`: what was taken back and the number then, in points.
        metric: its name, for the axis.

    Returns:
        the figure and its points: ``taken_back``, ``percent`` and ``points`` (of the step).
    """
    numbers = [value for _, value in steps]
    changes = [0.0, *(after - before for before, after in itertools.pairwise(numbers))]
    points = pd.DataFrame({"taken_back": [text for text, _ in steps], "percent": numbers, "points": changes})
    labels = [f"theirs: {numbers[0]:.2f}", *(f"without: {text}" for text, _ in steps[1:]), f"ours: {numbers[-1]:.2f}"]
    low, high = min(numbers), max(numbers)
    base = low - max(0.3, 0.3 * (high - low))
    with style():
        fig, axes = plt.subplots(figsize=(10, 1.4 + 0.5 * len(labels)))
        axes.barh(0, numbers[0] - base, left=base, color=GREY)
        for place, (before, after) in enumerate(itertools.pairwise(numbers), start=1):
            axes.barh(place, after - before, left=before, color=BLUE if after >= before else VERMILION)
            axes.annotate(f" {signed(after - before)}", (max(before, after), place), va="center", fontsize=8)
        axes.barh(len(labels) - 1, numbers[-1] - base, left=base, color=BLACK)
        axes.set_yticks(range(len(labels)), [textwrap.fill(text, _WRAP) for text in labels], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlim(base, high + 0.15 * (high - base))
        axes.set_xlabel(f"{metric} in points; the axis begins at {base:.1f}")
        headline(fig, "From their number to ours, one convention taken back at a time")
    parts = [f"without {text}: {value:.2f}" for text, value in steps[1:]]
    describe(fig, composed(f"Bars from their {numbers[0]:.2f} to our {numbers[-1]:.2f} points of {metric}", parts))
    return fig, points


def signed(points: float) -> str:
    """A difference in points with its sign; none is minus zero.

    Example:
        >>> signed(1.2345), signed(-0.001)
        ('+1.23', '+0.00')
    """
    return f"{round(points, 2) + 0.0:+.2f}"


def shown(change: tuple[str, str | int], metric: str) -> bool:
    """Whether a change stands in tables and pictures: AUC beside AP, and faults of a file, are tried but are no conventions."""
    axis, choice = change
    return axis != "marked" and choice != "by name" and (axis != "metric" or (metric != "AUC" and choice != "auc"))
