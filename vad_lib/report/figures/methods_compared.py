"""The methods side by side: one video through all of them, and accuracy against cost."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vad_lib.errors import DataError
from vad_lib.metrics import frame_roc_auc
from vad_lib.report.figures.run_scores import RunScores
from vad_lib.report.figures.score_curves import shade_abnormal, snippet_edges
from vad_lib.report.figures.style import BLUE, hide_unused, style
from vad_lib.report.tables.table import METRIC_TITLES
from vad_lib.runs.run_folder import Run


def method_curves(runs: Sequence[RunScores], video: str, title: str, *, columns: int = 3) -> tuple[Figure, pd.DataFrame]:
    """Scores of one test video by several methods, a panel each, abnormal frames shaded.

    Args:
        runs: on the same test videos, in the order of the panels.
        video: name of a test video.
        title: of the figure.
        columns: panels beside each other.

    Returns:
        the figure, and one row per method and snippet.

    Raises:
        DataError: a run does not have the video.
    """
    points = []
    with style():
        rows = -(-len(runs) // columns)
        fig, grid = plt.subplots(rows, columns, figsize=(10, 1.55 * rows + 0.9), sharex=True, sharey=True, squeeze=False)
        fig.suptitle(title, fontsize=12)
        for axes, run in zip(grid.flat, runs):
            if video not in run.videos:
                raise DataError(f"{run.title} has no scores of {video}; run it on the data set that the other methods were run on.")
            shown = run.videos[video]
            edges, score = snippet_edges(shown), shown.curves["score"]
            shade_abnormal(axes, shown.labels)
            axes.stairs(score, edges, baseline=None, color=BLUE, lw=1.4)
            axes.set_title("\n".join(wrap(run.title + _auc_inside(run, video), 38)), fontsize=8.5)
            axes.set(xlim=(0, edges[-1]), ylim=(-0.03, 1.03), yticks=(0, 0.5, 1))
            points.append(pd.DataFrame({"method": run.title, "video": video, "first_frame": edges[:-1], "score": score}))
        hide_unused(grid, len(runs))
        fig.supxlabel("frame (shaded: abnormal); AUC: inside this video", fontsize=9.5)
        fig.supylabel("anomaly score", fontsize=9.5)
    return fig, pd.concat(points, ignore_index=True)


def _auc_inside(run: RunScores, video: str) -> str:
    """AUC on the frames of one video, in words; empty where all frames are of one class."""
    labels, values = run.frames(video)
    return f", AUC {100 * frame_roc_auc(labels, values):.0f} %" if 0 < labels.sum() < len(labels) else ""


def method_points(runs: Mapping[str, Sequence[Run]], metric: str, selection: str) -> pd.DataFrame:
    """Accuracy and cost of each method, for :func:`accuracy_against`.

    Args:
        runs: variant -> its runs.
        metric: ``auc`` or ``ap``.
        selection: of the step whose metric counts.

    Returns:
        a row per variant with runs: ``method``, ``value`` (percent, mean over seeds), ``parameters``, and ``milliseconds`` of
        testing per minute of video (median over seeds; missing where it was not measured).
    """
    rows = []
    for done in runs.values():
        if not done:
            continue
        speeds = [run.timing().get("test_milliseconds_per_video_minute") for run in done]
        rows.append(
            {
                "method": done[0].title,
                "value": 100 * float(np.mean([run.value(metric, selection) for run in done])),
                "parameters": done[0].config["parameters"],
                "milliseconds": float(np.median([speed for speed in speeds if speed is not None] or [np.nan])),
            }
        )
    return pd.DataFrame(rows)


def accuracy_against(points: pd.DataFrame, metric: str, title: str) -> tuple[Figure, pd.DataFrame]:
    """Accuracy against parameters and against testing time, a dot per method, names in the margins.

    Args:
        points: of :func:`method_points`; a method without a measured time is left out of the right panel.
        metric: ``auc`` or ``ap``, for the label.
        title: of the figure.

    Returns:
        the figure, and the points themselves.
    """
    panels = (("parameters", "parameters"), ("milliseconds", "testing, milliseconds per minute of video"))
    with style():
        fig, both = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True)
        fig.suptitle(title, fontsize=12)
        for axes, (column, label) in zip(both, panels):
            known = points[points[column] > 0]
            axes.scatter(known[column], known["value"], color=BLUE, s=34, zorder=3)
            axes.set(xscale="log", xlabel=label)
            _name_dots(axes, known[column].to_numpy(float), known["value"].to_numpy(float), known["method"].tolist())
        both[0].set_ylabel(f"{METRIC_TITLES[metric]} %, step chosen on validation")
    return fig, points


def _name_dots(axes: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> None:
    """Names in a column right of the dots, in the dots' order and evenly spread, a thin line to each: nothing can overlap."""
    low, high = y.min(), y.max()
    span = max(high - low, 1.0)
    axes.set_ylim(low - 0.12 * span, high + 0.12 * span)
    bottom, top = axes.get_ylim()
    left, right = np.log10(x.min()), np.log10(x.max())
    width = max(right - left, 0.5)
    axes.set_xlim(10 ** (left - 0.08 * width), 10 ** (right + 0.95 * width))
    axes.set_xticks([10.0**power for power in range(int(np.ceil(left - 0.08 * width)), int(np.floor(right + 0.08 * width)) + 1)])
    axes.minorticks_off()
    places = np.linspace(bottom + 0.04 * (top - bottom), top - 0.04 * (top - bottom), len(y)) if len(y) > 1 else y
    for place, dot in zip(places, np.argsort(y, kind="stable")):
        column = 10 ** (right + 0.16 * width)
        axes.plot([x[dot], column], [y[dot], place], color="#BBBBBB", lw=0.7, zorder=1)
        axes.text(column, place, f" {names[dot]}", fontsize=8, va="center", ha="left")
