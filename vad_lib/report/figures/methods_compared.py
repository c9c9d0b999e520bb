"""Figures that set the methods side by side: one video through all of them, accuracy against cost, and the map of ideas."""

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from vad_lib import registry
from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.errors import DataError
from vad_lib.metrics import frame_roc_auc
from vad_lib.report.figures.run_scores import RunScores
from vad_lib.report.figures.style import BLUE, GREEN, GROUND_TRUTH, style
from vad_lib.report.tables.table import METRIC_TITLES
from vad_lib.runs.run_folder import Run
from vad_lib.runs.experiments import COMPARED, VARIANTS


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
            frames, score = len(shown.labels), shown.curves["score"]
            edges = np.append(np.arange(len(score)) * FRAMES_PER_SNIPPET, frames)
            changes = np.flatnonzero(np.diff(np.concatenate(([0], shown.labels, [0])).astype(int))).reshape(-1, 2)
            for start, end in changes:
                axes.axvspan(start, end, color=GROUND_TRUTH, lw=0)
            axes.stairs(score, edges, baseline=None, color=BLUE, lw=1.4)
            inside = ""
            if 0 < shown.labels.sum() < frames:
                labels, values = run.frames(video)
                inside = f", AUC {100 * frame_roc_auc(labels, values):.0f} %"
            axes.set_title("\n".join(wrap(run.title + inside, 38)), fontsize=8.5)
            axes.set(xlim=(0, frames), ylim=(-0.03, 1.03), yticks=(0, 0.5, 1))
            starts = np.arange(len(score)) * FRAMES_PER_SNIPPET
            points.append(pd.DataFrame({"method": run.title, "video": video, "first_frame": starts, "score": score}))
        for axes in grid.flat[len(runs) :]:
            axes.set_visible(False)
        for column in range(min(columns, len(runs))):
            lowest = [axes for axes in grid[:, column] if axes.get_visible()][-1]
            lowest.xaxis.set_tick_params(labelbottom=True)
        fig.supxlabel("frame (shaded: abnormal); AUC: inside this video", fontsize=9.5)
        fig.supylabel("anomaly score", fontsize=9.5)
    return fig, pd.concat(points, ignore_index=True)


def method_points(runs: dict[str, list[Run]], timings: dict[str, list[dict]], metric: str, rule: str) -> pd.DataFrame:
    """A row per method for :func:`accuracy_against`: its mean metric in percent, parameters, and seconds.

    Args:
        runs: of :func:`vad_lib.runs.finished_runs.load_runs`.
        timings: per variant the contents of its runs' ``timing.json``.
        metric: ``auc`` or ``ap``.
        rule: selection rule.
    """
    rows = []
    for variant, done in runs.items():
        if not done:
            continue
        speeds = [t["test_milliseconds_per_video_minute"] for t in timings[variant]]
        rows.append(
            {
                "method": done[0].config["title"],
                "value": 100 * float(np.mean([run.value(metric, rule) for run in done])),
                "parameters": done[0].config["parameters"],
                "milliseconds": float(np.median([s for s in speeds if s is not None] or [np.nan])),
            }
        )
    return pd.DataFrame(rows)


def accuracy_against(points: pd.DataFrame, metric: str, title: str) -> tuple[Figure, pd.DataFrame]:
    """Accuracy against parameters and against testing time, a dot per method, names in the margins.

    Args:
        points: of :func:`method_points`; a method without a measured time is left out of the right panel.
        metric: ``auc`` or ``ap``, for the label.
        title: of the figure.
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


class _Idea(NamedTuple):
    name: str
    title: str
    paper: str
    idea: str
    question: str
    builds_on: tuple[str, ...]


# a lane of the map each
_QUESTIONS = {
    "selection": ("Which segments stand for a video?", BLUE),
    "context": ("What is normal, and what does a segment see?", GREEN),
    "language": ("What does language add?", "#B87A00"),
}


def _ideas() -> list[_Idea]:
    """Every compared row; methods speak for themselves, the pixel method is described here."""
    found = []
    for variant in COMPARED:
        title, spec = VARIANTS[variant].title, registry.METHODS.get(VARIANTS[variant].method)
        if spec:
            found.append(_Idea(variant, title, spec.paper, spec.idea, spec.question, spec.builds_on))
        else:
            idea = "no labels and no features: predicts frames of normal videos and scores what it cannot predict"
            found.append(_Idea(variant, title, "for Zhao, Yang, Xiang et al., 2025", idea, "context", ()))
    return found


def idea_map(title: str = "What each method adds to multiple-instance learning") -> tuple[Figure, pd.DataFrame]:
    """A one-page map: a box per compared method with its idea, in lanes by the question it answers, arrows from what it builds on.

    Returns:
        the figure, and (method, lane, builds_on, paper, idea) rows.
    """
    width, height, gap_x, gap_y = 3.3, 1.0, 0.75, 0.28
    ideas, rows, boxes = _ideas(), [], {}
    deepest = max(sum(idea.question == question for idea in ideas) for question in _QUESTIONS)
    with style():
        fig, axes = plt.subplots(figsize=(12, 1.28 * deepest + 1.0))
        for lane, (question, (words, colour)) in enumerate(_QUESTIONS.items()):
            x = lane * (width + gap_x)
            axes.text(x + width / 2, 0.3, words, ha="center", fontsize=11, weight="bold", color=colour)
            for row, idea in enumerate(one for one in ideas if one.question == question):
                y = -row * (height + gap_y)
                boxes[idea.name] = (x, y)
                shape = "round,pad=0.02,rounding_size=0.08"
                axes.add_patch(FancyBboxPatch((x, y - height), width, height, boxstyle=shape, fc="white", ec=colour, lw=1.4))
                axes.text(x + 0.1, y - 0.14, idea.title, fontsize=9.5, weight="bold", va="center")
                axes.text(x + 0.1, y - 0.34, idea.paper, fontsize=7, va="center", color="#555555")
                axes.text(x + 0.1, y - 0.46, "\n".join(wrap(idea.idea, 54)), fontsize=7.4, va="top", linespacing=1.15)
                parents = [VARIANTS[parent].title for parent in idea.builds_on]
                rows.append((idea.title, words, "; ".join(parents), idea.paper, idea.idea))
        pairs = [(parent, idea.name, place > 0) for idea in ideas for place, parent in enumerate(idea.builds_on)]
        for lane, (parent, name, dashed) in enumerate(pairs):
            _arrow(axes, boxes[parent], boxes[name], width, height, dashed=dashed, lane=0 if dashed else lane % 4)
        axes.set_title(title, loc="left", fontsize=13)
        axes.set(xlim=(-0.6, 3 * width + 2 * gap_x + 0.4), ylim=(-deepest * (height + gap_y) + 0.1, 0.55))
        axes.set_aspect("equal")
        axes.axis("off")
    return fig, pd.DataFrame(rows, columns=["method", "lane", "builds_on", "paper", "idea"])


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
    height: float,
    *,
    dashed: bool = False,
    lane: int = 0,
) -> None:
    """From a box to the one that builds on it: straight to a neighbour, else around the boxes between, ``lane`` steps out."""
    (x0, y0), (x1, y1) = start, end
    look = {"color": "#777777", "lw": 1.1, "ls": "--" if dashed else "-"}
    if x0 == x1 and (dashed or abs(y0 - y1) > 1.5 * height):
        edge, out = (x0 + width, 1) if dashed else (x0, -1)
        side = edge + out * (0.14 + 0.11 * lane)
        shift = (0.06 * lane, -0.06 * lane)  # several arrows that leave or reach one box stay apart
        axes.plot([edge, side, side], [y0 - height / 2 + shift[0], y0 - height / 2 + shift[0], y1 - height / 2 + shift[1]], **look)
        start, end = (side, y1 - height / 2 + shift[1]), (edge, y1 - height / 2 + shift[1])
    elif x0 == x1:
        start, end = (x0 + 0.3, y0 - height), (x1 + 0.3, y1)
    else:
        start, end = (x0 + width, y0 - height / 2), (x1, y1 - height / 2)
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=1, zorder=0, **look))
