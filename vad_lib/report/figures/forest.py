"""Rendered and real footage side by side: the same differences on every data set, with their intervals.

The figure is drawn of points and computes no number. Points hold fractions, the axis shows percentage points.
"""

from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from vad_lib.errors import DataError
from vad_lib.evaluation.comparisons import end_text, points_of_percent
from vad_lib.report.figures.style import BLUE, GREY, VERMILION, beside, describe, style
from vad_lib.report.rendered_and_real import alternative_text, without_text

WIDTH = 9.0  # inches; shown 900 pixels wide, ten points of a font are 14 pixels
_LINE, _GAP = 0.25, 0.6  # inches from row to row; rows that a heading and the space above it take
# footage -> marker, colour, fill: shape and fill tell them apart without colour
MARKS: dict[str, tuple[str, str, str]] = {"rendered": ("s", BLUE, "white"), "real": ("o", VERMILION, VERMILION)}


def forest(points: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """Differences of rows on rendered and real data sets, a block per question.

    Args:
        points: of :func:`vad_lib.report.rendered_and_real.forest_points`; rows that were not run say so.
        title: of the figure.

    Returns:
        the figure, and the points with ``place``, the height of each row.

    Raises:
        DataError: no row was run.
    """
    there = points.dropna(subset=["difference"])
    if there.empty:
        raise DataError("forest: expected a data set with runs to compare, got none; run notebook 02_training first.")
    places, headings, last = _places(points)
    with style():
        fig, axes = plt.subplots(figsize=(WIDTH, 1.25 + _LINE * (last + 1)))
        axes.set_ylim(last + 0.7, -0.9)
        axes.axvline(0, color="black", lw=1.0)
        for question, place in headings.items():
            _left_of(axes, place, question)
        for place, row in zip(places, points.itertuples()):
            _draw(axes, place, row)
        axes.set_yticks(places, [f"{row.data}{' †' * bool(row.remark)}{' ‡' * bool(row.no_text)}" for row in points.itertuples()])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlim(*_limits(there))
        axes.set_xlabel(f"difference, {points['metric'].iloc[0]} points (right of 0: the first-named row is better)")
        fig.suptitle(title, fontsize=12)
        _legend(fig, axes, points)
    describe(fig, alternative_text(points))
    return fig, points.assign(place=places)


def _places(points: pd.DataFrame) -> tuple[list[float], dict[str, float], float]:
    """Heights of the rows and of the headings above each block, and of the last row."""
    places: list[float] = []
    headings: dict[str, float] = {}
    height = 0.0
    for question in points["question"]:
        if question not in headings:
            height += _GAP * bool(headings)
            headings[question] = height
            height += 1
        places.append(height)
        height += 1
    return places, headings, height - 1


def _limits(there: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axis in points: all intervals, with a little space."""
    low, high = 100 * min(there["low"].min(), 0), 100 * max(there["high"].max(), 0)
    space = 0.04 * (high - low)
    return float(low - space), float(high + space)


def _draw(axes: Axes, place: float, row: Any) -> None:
    """Interval, mark and numbers of one row."""
    if np.isnan(row.difference):
        beside(axes, place, "not run", GREY, size=9.5)
        return
    marker, colour, inside = MARKS[row.footage]
    axes.plot([100 * row.low, 100 * row.high], [place, place], color=colour, lw=2, solid_capstyle="butt")
    axes.plot(100 * row.difference, place, marker, color=colour, mfc=inside, mew=1.8, ms=7)
    difference, low, high = points_of_percent(row.difference), end_text(row.low), end_text(row.high)
    beside(axes, place, f"{difference} [{low}, {high}] {row.word}", size=9.5)


def _left_of(axes: Axes, place: float, text: str) -> None:
    """A heading that begins where the words of the rows do."""
    where = blended_transform_factory(axes.figure.transSubfigure, axes.transData)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}  # a long heading interrupts the zero line
    axes.text(0.012, place, text, transform=where, va="center", fontsize=10.5, fontweight="bold", bbox=box)


def _legend(fig: Figure, axes: Axes, points: pd.DataFrame) -> None:
    for footage, (marker, colour, inside) in MARKS.items():
        if (points.loc[points["footage"] == footage, "word"] != "not run").any():
            label = f"{footage} footage, 95 % interval"
            axes.plot([], [], f"{marker}-", color=colour, mfc=inside, mew=1.8, ms=7, lw=2, label=label)
    doubted = points.loc[points["remark"] != "", ["data", "remark"]].drop_duplicates().itertuples(index=False)
    remarks = [*(f"† {data}: {remark}" for data, remark in doubted), *(f"‡ {sets}" for sets in without_text(points))]
    for remark in remarks:
        axes.plot([], [], " ", label=fill(remark, 62))
    fig.legend(loc="outside lower center", ncols=2, fontsize=9.5, handletextpad=0.5)
