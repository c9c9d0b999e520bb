"""Figures 3 and 4: scores over the frames of a video, the ground truth, and frames of the video itself.

Every drawing function of this package returns a matplotlib figure and the plotted points, which
:func:`vad_lib.report.figures.style.save_figure` writes as PNG, PDF and CSV. None computes a score: what is plotted stands
in a run.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import MaxNLocator

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import mask_intervals
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.report.figures.alternative_texts import composed, number
from vad_lib.report.figures.run_scores import RunScores, VideoScores
from vad_lib.report.figures.strips import PAPER_FIGURE_CATEGORIES, Strip, figure_videos
from vad_lib.report.figures.style import CURVES, GREY, GROUND_TRUTH, VERMILION, describe, headline, style


def plan_score_figure(dataset: Dataset) -> tuple[str, tuple[str, ...]]:
    """File name of the score figure of a data set, and the categories of its panels.

    Returns:
        ``fig3`` or ``fig4`` with the paper's four categories, if the data set is or stands for one of the paper's. For another
        one, or where the test videos lack one of the four, the first four categories that a test video can stand for.
    """
    name, categories = PAPER_FIGURE_CATEGORIES.get(dataset.counterpart, (f"scores-{dataset.name}", ()))
    videos = [(record.name, record.categories) for record in dataset.videos.split("test")]
    there = {category for _, theirs in videos for category in theirs}
    if categories and there.issuperset(categories):
        return name, categories
    found: tuple[str, ...] = ()
    for category in dataset.categories[1:]:
        with suppress(DataError):
            figure_videos(videos, (*found, category))
            found += (category,)
    return name, found[:4]


def score_panels(
    scores: RunScores,
    strips: Mapping[str, Strip],
    categories: Sequence[str],
    title: str,
    curves: Sequence[str] = ("score",),
) -> tuple[Figure, pd.DataFrame]:
    """Figures 3 and 4: panels with score over frames, ground truth and the video's own frames.

    Each panel shows the first test video of its category among those with the fewest other categories, whatever its
    score, see :func:`vad_lib.report.figures.strips.figure_videos`.

    Args:
        scores: of a run.
        strips: frames of these videos by name; empty for a data set that came as features.
        categories: one panel each, at most four.
        title: of the figure; names the data.
        curves: any of ``score``, ``visual``, ``semantic``.

    Returns:
        the figure, and one row per panel and snippet.

    Raises:
        DataError: a curve that the method does not have, a category without test video, a video without strip.
    """
    chosen = figure_videos([(v.name, v.categories) for v in scores.videos.values()], categories)
    points = []
    with style():
        rows = -(-len(chosen) // 2)
        fig = plt.figure(figsize=(10, 3.6 * rows if strips else 2.8 * rows))
        higher = [_higher_in_the_event(scores.videos[name], curves[0]) for name in chosen.values()]
        words = f"{CURVES[curves[0]][0]}: mean higher in the event than outside in {sum(higher)} of {len(chosen)} videos"
        headline(fig, title, words)
        grid = fig.add_gridspec(rows, min(len(chosen), 2), hspace=0.06, wspace=0.08)
        for position, (category, name) in enumerate(chosen.items()):
            video, cell = scores.videos[name], grid[position]
            _check_panel(scores, video, curves, strips)
            parts = cell.subgridspec(2, 1, height_ratios=(2.5, 1), hspace=0.0) if strips else None
            axes = fig.add_subplot(parts[0] if parts is not None else cell)
            _draw_scores(axes, video, curves)
            axes.set_title(f"({'abcd'[position]}) {category}: {name}", loc="left")
            if parts is not None:
                _draw_strip(fig, axes, parts[1], strips[name], video.labels)
            points.append(_score_points(category, video, curves))
        handles, names = fig.axes[0].get_legend_handles_labels()
        fig.legend(handles, names, loc="outside lower center", ncols=len(handles))
    said = [f"{category} {_said(scores.videos[video], curves)}" for category, video in chosen.items()]
    below = " with frames of the video below" if strips else ""
    what = f"{title}: scores from 0 to 1 over frames, {len(chosen)} test videos in a panel each{below}. {_MEANS}"
    describe(fig, composed(what, said))
    return fig, pd.concat(points, ignore_index=True)


_MEANS = "Mean score on abnormal and on normal frames"


def _said(video: VideoScores, curves: Sequence[str]) -> str:
    """When something abnormal happens in a video, and the mean of each score on abnormal and on normal frames."""
    abnormal = video.labels.astype(bool)
    events = ", ".join(f"{start} to {end}" for start, end in mask_intervals(video.labels))
    parts = []
    for curve in curves:
        frames = np.repeat(video.curves[curve], np.diff(snippet_edges(video)))
        means = [f"{frames[part].mean():.2f}" if part.any() else "none" for part in (abnormal, ~abnormal)]
        parts.append(f"{CURVES[curve][0].removesuffix(' score')} {' and '.join(means)}")
    where = f"(abnormal {events} of {len(abnormal)})" if events else f"({len(abnormal)} frames, none abnormal)"
    return f"{where} {', '.join(parts)}"


def _higher_in_the_event(video: VideoScores, curve: str) -> bool:
    """Whether the mean score of the abnormal frames is above that of the normal ones; false where one kind is missing."""
    frames, abnormal = np.repeat(video.curves[curve], np.diff(snippet_edges(video))), video.labels.astype(bool)
    return bool(abnormal.any() and not abnormal.all() and frames[abnormal].mean() > frames[~abnormal].mean())


def _check_panel(scores: RunScores, video: VideoScores, curves: Sequence[str], strips: Mapping[str, Strip]) -> None:
    unknown = [curve for curve in curves if curve not in video.curves]
    if unknown:
        raise DataError(f"{scores.title} has no {', '.join(unknown)} score; it has {', '.join(video.curves)}. Choose among these.")
    if strips and video.name not in strips:
        raise DataError(f"video {video.name}: no frames stored for the strip; run notebook 01 again. Stored: {', '.join(strips)}.")


def score_curve(video: VideoScores, strip: Strip | None, seconds: np.ndarray, title: str) -> tuple[Figure, pd.DataFrame]:
    """All scores of one video over seconds, with frames of it below.

    Args:
        video: its scores; labels that are all 0 draw no ground truth.
        strip: frames of the video; None for no pictures.
        seconds: float (F,), when each frame is shown, growing.
        title: of the figure.

    Returns:
        the figure, and one row per snippet.
    """
    curves = tuple(video.curves)
    with style():
        fig = plt.figure(figsize=(10, 4 if strip else 2.9))
        cell = fig.add_gridspec(1, 1)[0].subgridspec(2 if strip else 1, 1, height_ratios=(2.5, 1) if strip else None, hspace=0.0)
        axes = fig.add_subplot(cell[0])
        _draw_scores(axes, video, curves)
        ticks = MaxNLocator(nbins=10, steps=(1, 2, 3, 5, 6, 10)).tick_values(seconds[0], seconds[-1])
        frames = np.arange(len(seconds))
        places = [(np.interp(tick, seconds, frames), f"{tick:g}") for tick in ticks if seconds[0] <= tick <= seconds[-1]]
        axes.set_xticks(*zip(*places))
        axes.set_xlabel("seconds")  # keeps place and box of the other score curves
        axes.set_title(title, loc="left")
        if strip:
            _draw_strip(fig, axes, cell[1], strip, video.labels)
        handles, names = axes.get_legend_handles_labels()
        fig.legend(handles, names, loc="outside lower center", ncols=len(handles))
    what = f"{title}: scores from 0 to 1 over {number(seconds[-1])} seconds of a video. {_MEANS}"
    describe(fig, composed(what, [_said(video, curves)]))
    return fig, _score_points("", video, curves).drop(columns="category")


def _draw_scores(axes: Axes, video: VideoScores, curves: Sequence[str]) -> None:
    frames = len(video.labels)
    shade_abnormal(axes, video.labels, "abnormal frames (ground truth)")
    for curve in sorted(curves, key=lambda name: name == "score"):  # the fused score on top
        label, colour, line, width = CURVES[curve]
        axes.stairs(video.curves[curve], snippet_edges(video), baseline=None, color=colour, ls=line, lw=width, label=label)
    axes.set(xlim=(0, frames), ylim=(-0.02, 1.02), ylabel="anomaly score")
    # Lines to the frames of the strip pass here: the white boxes keep the words legible.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.set_xlabel("frame", loc="right", bbox=box)
    plt.setp(axes.get_xticklabels(), bbox=box)


def shade_abnormal(axes: Axes, labels: np.ndarray, words: str | None = None) -> None:
    """Shade the abnormal frames of a video, with words for the legend.

    Args:
        axes: frames along x.
        labels: uint8 (F,), 1 abnormal.
        words: for the legend; None for no entry.
    """
    for i, (start, end) in enumerate(mask_intervals(labels)):
        axes.axvspan(start, end, color=GROUND_TRUTH, lw=0, label=words if i == 0 else None)


def snippet_edges(video: VideoScores) -> np.ndarray:
    """First frame of each snippet, and the number of frames, int64 (T + 1,)."""
    return np.append(np.arange(len(video.curves["score"])) * FRAMES_PER_SNIPPET, len(video.labels))


def abnormal_snippets(video: VideoScores) -> np.ndarray:
    """Whether each snippet has an abnormal frame, bool (T,)."""
    return np.maximum.reduceat(video.labels, snippet_edges(video)[:-1]) > 0


def _draw_strip(fig: Figure, axes: Axes, cell: Any, strip: Strip, labels: np.ndarray) -> None:
    """Frames side by side below the axis; a line leads from each to its place in time."""
    grid = cell.subgridspec(1, len(strip.frame_indices), wspace=0.03)
    for part, position, image in zip(grid, strip.frame_indices, strip.images, strict=True):
        colour = VERMILION if labels[position] else GREY
        thumbnail = fig.add_subplot(part)
        thumbnail.imshow(image, interpolation="antialiased")
        thumbnail.set(xticks=[], yticks=[])
        thumbnail.grid(False)
        for spine in thumbnail.spines.values():
            spine.set(visible=True, color=colour, linewidth=1.6)
        axes.plot([position], [0], marker="^", color=colour, ms=6, clip_on=False, zorder=5)
        line = ConnectionPatch(
            (position, 0), (0.5, 1), coordsA="data", coordsB="axes fraction", axesA=axes, axesB=thumbnail, color=colour, lw=0.8
        )
        line.set(in_layout=False, zorder=-1)
        fig.add_artist(line)


def _score_points(category: str, video: VideoScores, curves: Sequence[str]) -> pd.DataFrame:
    starts = snippet_edges(video)[:-1]
    abnormal = np.add.reduceat(video.labels.astype(int), starts)
    frame = pd.DataFrame({"category": category, "video": video.name, "first_frame": starts, "abnormal_frames": abnormal})
    return frame.assign(**{curve: video.curves[curve] for curve in curves})
