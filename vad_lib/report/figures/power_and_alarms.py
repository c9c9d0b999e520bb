"""What more seeds and videos would resolve; what a score means; how late an alarm comes.

Every drawing function returns a matplotlib figure and the plotted points; none computes a number. Points hold fractions,
axes show percent or percentage points.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from vad_lib.errors import DataError
from vad_lib.evaluation.alarms import Calibration, Delays
from vad_lib.evaluation.comparisons import Components
from vad_lib.evaluation.power import power_curves
from vad_lib.report.figures.alternative_texts import composed, number, percent
from vad_lib.report.figures.style import BLUE, GREEN, GREY, ORANGE, describe, headline, looks, style

_POWER_LOOKS = {
    "detectable": ("difference seen with 80 % probability", "-", BLUE),
    "half_width": ("half-width of the 95 % interval", "--", GREEN),
}
_UNITS = {"seeds": "seeds", "videos": "test videos"}


def power_panels(components: Components, title: str, steps: Mapping[str, float]) -> tuple[Figure, pd.DataFrame]:
    """What more seeds and more test videos would resolve, both axes logarithmic.

    Args:
        components: measured by :func:`vad_lib.evaluation.comparisons.compare`.
        title: of the figure; names the two rows and the data.
        steps: name -> difference to resolve, a fraction above 0; a horizontal line each.

    Returns:
        the figure, and what :func:`vad_lib.evaluation.power.power_curves` computes, a row per number of seeds or videos.
    """
    points = power_curves(components)
    with style():
        fig, grid = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True)
        fig.suptitle(title, fontsize=12)
        measured = {"seeds": components.num_seeds, "videos": components.num_videos}
        for axes, over, fixed in zip(grid, ("seeds", "videos"), ("videos", "seeds")):
            chosen = points[points["over"] == over]
            for column, (label, line, colour) in _POWER_LOOKS.items():
                axes.plot(chosen[over], 100 * chosen[column], line, color=colour, lw=1.8, label=label)
            axes.axvline(measured[over], color=GREY, lw=0.9, ls=":", label="measured")
            _draw_steps(axes, steps)
            axes.set(xscale="log", yscale="log", xlabel=f"{_UNITS[over]}, with {measured[fixed]:,} {_UNITS[fixed]}")
            ticks = (2, 3, 5, 10, 20, 50) if over == "seeds" else _round_numbers(chosen[over])
            axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
            axes.xaxis.set_minor_formatter(NullFormatter())
            for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                formatter(FuncFormatter(_few_digits))
        grid[0].set_ylabel("difference, percentage points")
        handles, labels = grid[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3)
    said = []
    for over, unit in _UNITS.items():
        rows = points[points["over"] == over]
        least, most = rows.iloc[0], rows.iloc[-1]
        said.append(f"with {least[over]:,.0f} {unit} {_points(least)}, with {most[over]:,.0f} {_points(most)}")
    wanted = ", ".join(f"{100 * step:.2f} ({name})" for name, step in sorted(steps.items(), key=lambda step: step[1]))
    what = (
        f"Two panels, {title}. Difference in percentage points that is seen with 80 % probability, over seeds and over test "
        f"videos, both axes logarithmic; measured were {measured['seeds']} seeds and {measured['videos']} test videos"
    )
    describe(fig, composed(what, said, f"Horizontal lines at the differences to resolve: {wanted}." if wanted else ""))
    return fig, points


def _points(row: pd.Series) -> str:
    return f"{number(100 * row['detectable'])} points"


def _draw_steps(axes: Axes, steps: Mapping[str, float]) -> None:
    """A line with words for each difference to resolve; the lower of two lines that are close has its words below it."""
    ordered = sorted(steps.items(), key=lambda step: step[1])
    for place, (name, step) in enumerate(ordered):
        axes.axhline(100 * step, color=ORANGE, lw=1.2)
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


def reliability_diagram(calibrations: Mapping[str, Calibration], title: str) -> tuple[Figure, pd.DataFrame]:
    """Reliability diagram: abnormal share of the frames over their score, and below it how common each score is.

    Args:
        calibrations: name of each row -> its calibration, at most eight.
        title: of the figure; names the data.

    Returns:
        the figure, and the bins of every row, with ``row`` in front.
    """
    points, drawn_as = [], looks(calibrations)
    with style():
        fig, (axes, below) = plt.subplots(2, 1, figsize=(10, 6.0 + 0.2 * len(calibrations)), sharex=True, height_ratios=(3, 1.1))
        axes.plot([0, 100], [0, 100], color=GREY, lw=0.9, ls=":", label="calibrated")
        for place, (name, found) in enumerate(calibrations.items()):
            (colour, line, marker), bins, known = drawn_as[name], found.bins, found.bins.dropna()
            width = _width(place, len(calibrations))
            label = f"{name} (calibration error {100 * found.expected_error:.1f} %, Brier score {found.brier:.3f})"
            x, y = 100 * known["mean_score"], 100 * known["abnormal_share"]
            axes.plot(x, y, color=colour, ls=line, marker=marker, lw=width, ms=6, label=label)
            edges = 100 * np.append(bins["low"], bins["high"].iloc[-1])
            below.stairs(100 * bins["frames"] / bins["frames"].sum(), edges, color=colour, ls=line, lw=width)
            points.append(bins.assign(row=name))
        axes.set(ylabel="abnormal frames among them, %", xlim=(-1, 101), ylim=(-2, 102))
        nearest = min(calibrations, key=lambda name: calibrations[name].expected_error)
        headline(fig, title, f"smallest calibration error: {nearest}, {percent(calibrations[nearest].expected_error)} %")
        fullness = [found.bins["frames"] / found.bins["frames"].sum() for found in calibrations.values()]
        least = 100 * min(share[share > 0].min() for share in fullness)
        below.set(yscale="log", ylim=(min(least / 2, 5), 150), xlabel="score of the frames, %", ylabel="frames, %")
        below.yaxis.set_major_formatter(FuncFormatter(_few_digits))
        below.yaxis.set_minor_formatter(NullFormatter())
        fig.legend(loc="outside lower center", ncols=1, fontsize=9)
    highest = {name: found.bins.dropna().iloc[-1] for name, found in calibrations.items()}
    said = [
        f"{name} calibration error {percent(calibrations[name].expected_error)} %, in the bin of the highest scores "
        f"{percent(last['abnormal_share'])} % abnormal at a mean score of {percent(last['mean_score'])} %"
        for name, last in highest.items()
    ]
    what = f"Reliability diagram, {title} Share of abnormal frames in percent over the score of the frames in percent"
    describe(fig, composed(what, said, "Below: how many frames have each score."))
    frame = pd.concat(points, ignore_index=True)
    return fig, frame[["row", *frame.columns.drop("row")]]


def _width(place: int, count: int) -> float:
    """Of a line among several: the first is the widest, so that lines that coincide are seen beside each other."""
    return 1.4 + 0.9 * (count - 1 - place)


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
    points, said, drawn_as = [], [], looks(delays)
    with style():
        fig, axes = plt.subplots(figsize=(10, 4.2 + 0.2 * len(delays)))
        seen = {name: np.sort(found.events["delay_seconds"].dropna()) for name, found in delays.items()}
        longest = max((theirs[-1] for theirs in seen.values() if len(theirs)), default=0) or 1.0
        for place, (name, found) in enumerate(delays.items()):
            (colour, line, _), width = drawn_as[name], _width(place, len(delays))
            events, theirs = len(found.events), seen[name]
            if not events:
                raise DataError(f"{name}: delays need events, got none; add test videos with abnormal frames.")
            median = f", median {np.median(theirs):.1f} s" if len(theirs) else ""
            seconds = np.concatenate(([0.0], theirs))
            share = np.arange(len(seconds)) / events
            label = f"{name} ({len(theirs)} of {events} events seen{median})"
            x, y = np.append(seconds, 1.04 * longest), 100 * np.append(share, share[-1])
            axes.step(x, y, where="post", color=colour, ls=line, lw=width, label=label)
            said.append(label)
            points.append(pd.DataFrame({"row": name, "seconds": seconds, "share": share}))
        axes.set(xlabel="seconds after the start of the event", ylabel="events seen by then, %")
        most = max(delays, key=lambda name: len(seen[name]) / len(delays[name].events))
        headline(fig, title, f"most events seen: {most}, {len(seen[most])} of {len(delays[most].events)}")
        axes.set(ylim=(-2, 102), xlim=(0, 1.04 * longest))
        fig.legend(loc="outside lower center", ncols=1, fontsize=9)
    what = f"Step curves, {title}. Events seen, in percent of all, over the seconds since their start, 0 to {number(longest)}"
    describe(fig, composed(what, said))
    return fig, pd.concat(points, ignore_index=True)


def _round_numbers(numbers: pd.Series) -> list[int]:
    """Ticks 1 and 3 times powers of ten within the range of some numbers."""
    return [digit * 10**power for power in range(7) for digit in (1, 3) if numbers.min() <= digit * 10**power <= numbers.max()]


def _few_digits(value: float, _: int) -> str:
    """Labels of a logarithmic axis: 1, 2 and 5 times a power of ten, the others empty."""
    digit = value / 10 ** np.floor(np.log10(value))
    return f"{value:g}" if min(abs(digit - wanted) for wanted in (1, 2, 5)) < 1e-6 else ""
