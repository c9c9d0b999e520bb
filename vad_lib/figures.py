"""Run folders -> figures: score curves with frames, training curves, alignment maps, ROC and PR curves.

Every function returns a matplotlib figure and the plotted points; :func:`save_figure` writes PNG, PDF and the
points with the same bytes for the same input. Nothing here computes a score: what is plotted stands in a run
folder.
"""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import MaxNLocator

from vad_lib.annotations import VideoRecord
from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.datasets import Dataset
from vad_lib.errors import DataError, MissingFileError
from vad_lib.files import atomic_path, read_arrays, read_json, read_text, understood, write_arrays, write_text
from vad_lib.metrics import average_precision, frame_roc_auc, pr_curve, roc_curve
from vad_lib.paths import Layout
from vad_lib.provenance import commit
from vad_lib.scoring import frame_scores
from vad_lib.tables import METRIC_TITLES, RULE_TITLES, Run
from vad_lib.video import find_video, frame_strip

# Okabe and Ito's palette keeps its contrasts for colour-blind readers.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CURVES = {
    "score": ("fused score", BLUE, "-", 1.8),
    "visual": ("visual score", GREEN, "--", 1.0),
    "semantic": ("semantic score", ORANGE, "-.", 1.0),
}
METHOD_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, "#666666", "#000000")
GROUND_TRUTH = "#F3CFC0"  # light vermilion, readable under every curve

FIGURE3_CATEGORIES = ("Arson", "Shoplifting", "Stealing", "Vandalism")
FIGURE4_CATEGORIES = ("Fighting", "Explosion", "CarAccident", "Riot")  # not named in the paper
_OF_PAPER = {"UCF-Crime": ("fig3", FIGURE3_CATEGORIES), "XD-Violence": ("fig4", FIGURE4_CATEGORIES)}

DPI = 180  # a figure 10 inches wide is 1,800 pixels: sharp at twice the README's width
_STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@contextmanager
def style() -> Iterator[None]:
    """The one look of all figures; other figures of a notebook are not changed."""
    with plt.rc_context(_STYLE):
        yield


# --- saving -----------------------------------------------------------------------------------------------


def save_figure(fig: Figure, layout: Layout, name: str, points: pd.DataFrame, stamp: dict[str, Any]) -> dict[str, Path]:
    """Write a figure as PNG and PDF and its points as CSV, and close it.

    The commit and ``stamp`` stand in the metadata of both images; dates do not, so equal figures are equal bytes.

    Args:
        fig: the figure.
        layout: its ``figures`` folder gets the files.
        name: file name without ending.
        points: what is plotted, in long form.
        stamp: parameters to record, such as data set, variant, seed.

    Returns:
        ``png``, ``pdf`` and ``csv`` -> path.

    Raises:
        OutputError: the folder cannot be written; what was there is unchanged.
    """
    made_with = json.dumps({"commit": commit(), **stamp}, sort_keys=True, default=str)
    metadata = {
        "png": {"Software": "vad_lib", "Description": made_with},
        "pdf": {"Creator": "vad_lib", "Subject": made_with, "CreationDate": None},
    }
    paths = {}
    for ending, values in metadata.items():
        paths[ending] = layout.figures / f"{name}.{ending}"
        with atomic_path(paths[ending]) as temporary:
            fig.savefig(temporary, metadata=values, dpi=DPI)
    plt.close(fig)
    text = io.StringIO()
    points.to_csv(text, index=False, lineterminator="\n", float_format="%.6g")
    paths["csv"] = write_text(layout.figures / f"{name}.csv", text.getvalue())
    return paths


def preview(path: Path, width: int = 700) -> bytes:
    """A saved figure, small enough to stand in a notebook: JPEG of ``width`` pixels."""
    image = cv2.imread(str(path))
    height = round(image.shape[0] * width / image.shape[1])
    _, encoded = cv2.imencode(
        ".jpg", cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, 72]
    )
    return encoded.tobytes()


def data_title(dataset: Dataset) -> str:
    """Name of a data set for titles; says so if its videos are rendered."""
    return f"{dataset.title} (rendered videos)" if dataset.synthetic else dataset.title


# --- what figures are made from ---------------------------------------------------------------------------


class VideoScores(NamedTuple):
    """Scores of one test video.

    Attributes:
        name: of the video.
        categories: of the video.
        labels: uint8 (F,), 1 abnormal.
        curves: ``score`` and, if the method has them, ``visual`` and ``semantic``, float32 (T,) in [0, 1].
        alignment: float32 (T, C), cosines, or None.
    """

    name: str
    categories: tuple[str, ...]
    labels: np.ndarray
    curves: dict[str, np.ndarray]
    alignment: np.ndarray | None


@dataclass(frozen=True)
class RunScores:
    """Everything in a run's ``scores.npz``: its categories and its test videos in list order."""

    title: str
    categories: tuple[str, ...]
    videos: dict[str, VideoScores]

    def frames(self, video: str | None = None, curve: str = "score") -> tuple[np.ndarray, np.ndarray]:
        """Labels and frame scores of one video, or of all of them concatenated; both (F,)."""
        chosen = [self.videos[video]] if video else list(self.videos.values())
        scores = [frame_scores(v.curves[curve], len(v.labels), name=v.name) for v in chosen]
        return np.concatenate([v.labels for v in chosen]), np.concatenate(scores)


def load_scores(folder: Path) -> RunScores:
    """Read the scores of a run folder.

    Raises:
        MissingFileError: no run there.
        DataError: the arrays do not fit each other; the message names the array.
    """
    path = folder / "scores.npz"
    with understood(path, "the scores of a finished run"):
        arrays = read_arrays(path)
        missing = [
            n
            for n in ("videos", "categories", "video_categories", "num_snippets", "num_frames", "labels", "score")
            if n not in arrays
        ]
        if missing:
            raise DataError(f"{path}: array {', '.join(missing)} is missing; run the training of this variant again.")
        snippets, frames = (np.concatenate(([0], np.cumsum(arrays[name]))) for name in ("num_snippets", "num_frames"))
        expected = {
            "labels": frames[-1],
            "score": snippets[-1],
            "visual": snippets[-1],
            "semantic": snippets[-1],
            "alignment": snippets[-1],
        }
        for name, length in expected.items():
            if name in arrays and len(arrays[name]) != length:
                raise DataError(f"{path}: {name} has {len(arrays[name]):,} rows, expected {length:,}; run the training again.")
        videos = {}
        for i, name in enumerate(arrays["videos"].tolist()):
            rows = slice(snippets[i], snippets[i + 1])
            videos[name] = VideoScores(
                name,
                tuple(str(arrays["video_categories"][i]).split(";")),
                arrays["labels"][frames[i] : frames[i + 1]],
                {curve: arrays[curve][rows] for curve in CURVES if curve in arrays},
                arrays["alignment"][rows].astype(np.float32) if "alignment" in arrays else None,
            )
        return RunScores(read_json(folder / "config.json")["title"], tuple(arrays["categories"].tolist()), videos)


def load_log(folder: Path) -> pd.DataFrame:
    """Read a run's ``log.csv``, one row per step.

    Raises:
        DataError: it is empty (a method that takes no steps) or missing.
    """
    path = folder / "log.csv"
    with understood(path, "the log of a run"):
        try:
            return pd.read_csv(io.StringIO(read_text(path, "the log of a run")))
        except (MissingFileError, pd.errors.EmptyDataError):
            raise DataError(
                f"{path}: expected the log of a run with training steps, found none. Train this variant first."
            ) from None


def figure_videos(videos: Sequence[tuple[str, tuple[str, ...]]], categories: Sequence[str]) -> dict[str, str]:
    """The video that stands for each category: the first in list order among those that have it and the fewest others.

    Scores play no part in the choice.

    Args:
        videos: (name, categories) of the test videos, in list order.
        categories: wanted categories.

    Raises:
        DataError: no test video has the category, or all that have it stand for others already.
    """
    chosen: dict[str, str] = {}
    for category in categories:
        found = [(len(theirs), name) for name, theirs in videos if category in theirs and name not in chosen.values()]
        if not found:
            known = ", ".join(sorted({c for _, theirs in videos for c in theirs}))
            raise DataError(f"no test video of category {category!r} is left for a panel; the test videos have {known}.")
        chosen[category] = min(found, key=lambda pair: pair[0])[1]
    return chosen


def score_figure(dataset: Dataset) -> tuple[str, tuple[str, ...]]:
    """Name of a data set's score figure and the categories of its panels.

    Returns:
        ``fig3`` or ``fig4`` with the paper's four categories for a counterpart of its data sets. For another data
        set, or where the test videos lack one of the four, the first four categories that a test video can stand for.
    """
    name, categories = _OF_PAPER.get(dataset.counterpart, (f"scores-{dataset.name}", ()))
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


# --- strips of frames -------------------------------------------------------------------------------------


class Strip(NamedTuple):
    """Frames of a video: their positions (n,), and the images uint8 (n, h, w, 3), RGB."""

    frame_indices: np.ndarray
    images: np.ndarray


def strip_frames(record: VideoRecord, count: int) -> np.ndarray:
    """Positions of the frames to show: one before and one after the abnormal frames, the others spread within.

    Args:
        record: an abnormal test video.
        count: frames, at least 3.

    Returns:
        int64, at most ``count``, increasing; fewer if the event touches an end of the video.
    """
    abnormal = np.flatnonzero(record.frame_labels())
    inside = abnormal[np.linspace(0, len(abnormal) - 1, count).astype(int)[1:-1]]
    before, after = abnormal[0] // 2, (abnormal[-1] + record.num_frames) // 2
    return np.unique(np.concatenate(([before], inside, [after])))


def save_strips(layout: Layout, dataset: Dataset, categories: Sequence[str], *, count: int = 6, height: int = 96) -> Path:
    """Store frames of the figure's videos, so that a figure can be redrawn without the videos.

    Args:
        layout: where to write, :meth:`vad_lib.paths.Layout.strips`.
        dataset: without a folder of videos, an empty file is written and the figure has no strips.
        categories: of the panels.
        count: frames per video.
        height: pixels.
    """
    records = {record.name: record for record in dataset.videos.split("test")}
    chosen = figure_videos([(name, record.categories) for name, record in records.items()], categories)
    if not layout.videos(dataset.name).is_dir():
        chosen = {}
    arrays = {"videos": np.array(list(chosen.values()), dtype=str)}
    for i, name in enumerate(chosen.values()):
        positions = strip_frames(records[name], count)
        images = frame_strip(find_video(layout.videos(dataset.name), name), positions.tolist(), height)
        arrays[f"frames_{i}"] = positions
        for j, image in enumerate(images):
            # JPEG: these files are committed, and as arrays they would be ten times as large.
            arrays[f"image_{i}_{j}"] = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].ravel()
    return write_arrays(layout.strips(dataset.name), arrays)


def load_strips(layout: Layout, dataset: str) -> dict[str, Strip]:
    """Read what :func:`save_strips` wrote, video name -> strip.

    Raises:
        MissingFileError: there is none; notebook 01 makes it.
    """
    path = layout.strips(dataset)
    arrays, strips = read_arrays(path), {}
    with understood(path, "strips of frames"):
        for i, name in enumerate(arrays["videos"].tolist()):
            positions = arrays[f"frames_{i}"]
            images = [cv2.imdecode(arrays[f"image_{i}_{j}"], cv2.IMREAD_COLOR)[..., ::-1] for j in range(len(positions))]
            strips[name] = Strip(positions, np.stack(images))
    return strips


# --- figures 3 and 4 --------------------------------------------------------------------------------------


def score_panels(
    scores: RunScores,
    strips: dict[str, Strip],
    categories: Sequence[str],
    title: str,
    curves: Sequence[str] = ("score",),
) -> tuple[Figure, pd.DataFrame]:
    """Figures 3 and 4: panels with score over frames, ground truth and the video's own frames.

    Each panel shows the video of :func:`figure_videos`, whatever its score.

    Args:
        scores: of a run.
        strips: frames of these videos; empty for a data set that came as features.
        categories: one panel each, at most four, see :func:`score_figure`.
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
        fig.suptitle(title, fontsize=12)
        grid = fig.add_gridspec(rows, min(len(chosen), 2), hspace=0.06, wspace=0.08)
        for position, (cell, (category, name)) in enumerate(zip(grid, chosen.items())):
            video = scores.videos[name]
            unknown = [curve for curve in curves if curve not in video.curves]
            if unknown:
                raise DataError(f"{scores.title} has no {', '.join(unknown)} score; it has {', '.join(video.curves)}.")
            if strips and name not in strips:
                raise DataError(
                    f"video {name}: no frames stored for the strip; run notebook 01 again. Stored: {', '.join(strips)}."
                )
            parts = cell.subgridspec(2, 1, height_ratios=(2.5, 1), hspace=0.0) if strips else (cell,)
            axes = fig.add_subplot(parts[0])
            _draw_scores(axes, video, curves)
            axes.set_title(f"({'abcd'[position]}) {category}: {name}", loc="left")
            if strips:
                _draw_strip(fig, axes, parts[1], strips[name], video.labels)
            points.append(_score_points(category, video, curves))
        handles, names = fig.axes[0].get_legend_handles_labels()
        fig.legend(handles, names, loc="outside lower center", ncols=len(handles))
    return fig, pd.concat(points, ignore_index=True)


def score_curve(video: VideoScores, strip: Strip, fps: float, title: str) -> tuple[Figure, pd.DataFrame]:
    """Scores of one video over seconds, all its curves, with frames of it below.

    Args:
        video: scores; labels that are all 0 draw no ground truth.
        strip: frames of the video.
        fps: frames per second.
        title: of the figure.

    Returns:
        the figure, and one row per snippet.
    """
    curves = tuple(video.curves)
    with style():
        fig = plt.figure(figsize=(10, 4))
        cell = fig.add_gridspec(1, 1)[0].subgridspec(2, 1, height_ratios=(2.5, 1), hspace=0.0)
        axes = fig.add_subplot(cell[0])
        _draw_scores(axes, video, curves)
        seconds = MaxNLocator(nbins=10, steps=(1, 2, 3, 5, 6, 10)).tick_values(0, len(video.labels) / fps)
        places = [(second * fps, f"{second:g}") for second in seconds if 0 <= second * fps <= len(video.labels)]
        axes.set_xticks(*zip(*places))
        axes.set_xlabel("seconds")  # keeps place and box of the other score curves
        axes.set_title(title, loc="left")
        _draw_strip(fig, axes, cell[1], strip, video.labels)
        handles, names = axes.get_legend_handles_labels()
        fig.legend(handles, names, loc="outside lower center", ncols=len(handles))
    return fig, _score_points("", video, curves).drop(columns="category")


def _draw_scores(axes: Axes, video: VideoScores, curves: Sequence[str]) -> None:
    frames = len(video.labels)
    edges = np.append(np.arange(len(video.curves["score"])) * FRAMES_PER_SNIPPET, frames)
    changes = np.flatnonzero(np.diff(np.concatenate(([0], video.labels, [0])).astype(int)))
    for i, (start, end) in enumerate(changes.reshape(-1, 2)):
        axes.axvspan(start, end, color=GROUND_TRUTH, lw=0, label="abnormal frames (ground truth)" if i == 0 else None)
    for curve in sorted(curves, key=lambda name: name == "score"):  # the fused score on top
        label, colour, line, width = CURVES[curve]
        axes.stairs(video.curves[curve], edges, baseline=None, color=colour, ls=line, lw=width, label=label)
    axes.set(xlim=(0, frames), ylim=(-0.02, 1.02), ylabel="anomaly score")
    # Lines to the frames of the strip pass here: the white boxes keep the words legible.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.set_xlabel("frame", loc="right", bbox=box)
    plt.setp(axes.get_xticklabels(), bbox=box)


def _draw_strip(fig: Figure, axes: Axes, cell: Any, strip: Strip, labels: np.ndarray) -> None:
    """Frames side by side below the axis; a line leads from each to its place in time."""
    grid = cell.subgridspec(1, len(strip.frame_indices), wspace=0.03)
    for part, position, image in zip(grid, strip.frame_indices, strip.images, strict=True):
        colour = VERMILION if labels[position] else "#777777"
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
    starts = np.arange(len(video.curves["score"])) * FRAMES_PER_SNIPPET
    abnormal = np.add.reduceat(video.labels.astype(int), starts)
    frame = pd.DataFrame({"category": category, "video": video.name, "first_frame": starts, "abnormal_frames": abnormal})
    return frame.assign(**{curve: video.curves[curve] for curve in curves})


# --- beyond the paper -------------------------------------------------------------------------------------


def training_curves(log: pd.DataFrame, title: str) -> tuple[Figure, pd.DataFrame]:
    """Every loss term over the steps, unweighted, its weight in the title; then the sum and the evaluations.

    Args:
        log: of :func:`load_log`.
        title: of the figure.

    Returns:
        the figure, and (step, series, value) rows.
    """
    terms = [column for column in log.columns if column.startswith("loss/")]
    panels: list[tuple[str, list[str]]] = [("weighted sum", ["loss"])]
    for term in terms:
        weights = log[term.replace("loss/", "weight/")]
        weight = f"{weights.iloc[0]:g}" if weights.nunique() == 1 else f"{weights.iloc[0]:.2g} to {weights.iloc[-1]:.2g}"
        panels.append((f"{term.removeprefix('loss/').replace('_', ' ')}\nx {weight}", [term]))
    evaluations = [column for column in log.columns if column in ("validation/auc", "test/auc", "test/ap")]
    if evaluations:
        panels.append(("evaluations", evaluations))
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
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for column in range(min(columns, len(panels))):
            lowest = [axes for axes in grid[:, column] if axes.get_visible()][-1]
            lowest.xaxis.set_tick_params(labelbottom=True)
        fig.supxlabel("step", fontsize=10)
        fig.supylabel("unweighted value (cross-entropies in nats)", fontsize=10)
    return fig, _long(log, ["loss", *terms, *evaluations])


def _long(log: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return log.melt("step", list(columns), "series", "value").dropna(ignore_index=True)


def gate_path(logs: dict[str, pd.DataFrame], title: str) -> tuple[Figure, pd.DataFrame]:
    """The path of the gate weight w (equation 6) over the steps, one line per run.

    Args:
        logs: name of the line -> log with ``monitor/w``.
        title: of the figure.

    Raises:
        DataError: a run has no gate.
    """
    points = []
    with style():
        fig, axes = plt.subplots(figsize=(8, 4))
        axes.axhline(0.5, color="#777777", lw=0.8, ls=":")
        for (name, log), colour in zip(logs.items(), METHOD_COLOURS):
            if "monitor/w" not in log.columns:
                raise DataError(f"{name}: the log has no monitor/w; only runs with a gate have one.")
            known = _long(log, ["monitor/w"]).assign(run=name)
            axes.plot(known["step"], known["value"], color=colour, marker=".", lw=1.5, label=name)
            points.append(known)
        axes.set(title=title, xlabel="step", ylabel="w, share of the visual score")
        fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    return fig, pd.concat(points, ignore_index=True)


def alignment_heatmap(scores: RunScores, video: str, title: str) -> tuple[Figure, pd.DataFrame]:
    """The alignment map A of a video (equation 3): categories x snippets, ground truth above.

    Raises:
        DataError: the method has no alignment map.
    """
    shown = scores.videos[video]
    if shown.alignment is None:
        raise DataError(f"{scores.title} has no alignment map; only methods with the alignment branch have one.")
    frames, count = len(shown.labels), len(scores.categories)
    with style():
        fig, (bar, axes) = plt.subplots(2, 1, figsize=(9, 0.6 + 0.36 * count + 1.0), sharex=True, height_ratios=(1, 2 * count))
        extent = (0, len(shown.alignment) * FRAMES_PER_SNIPPET, count - 0.5, -0.5)
        image = axes.imshow(shown.alignment.T, aspect="auto", cmap="cividis", interpolation="nearest", extent=extent)
        axes.grid(False)
        axes.set_yticks(range(count), scores.categories)
        for tick, category in zip(axes.get_yticklabels(), scores.categories):
            tick.set_fontweight("bold" if category in shown.categories else "normal")
        axes.set(xlabel="frame", xlim=(0, frames))
        bar.imshow(
            shown.labels[None], aspect="auto", cmap="Reds", vmin=0, vmax=1.4, interpolation="nearest", extent=(0, frames, 0, 1)
        )
        bar.set_yticks([0.5], ["ground truth"])
        bar.grid(False)
        bar.tick_params(bottom=False, left=False)
        bar.set_title(title)
        fig.colorbar(image, ax=[bar, axes], label="cosine", pad=0.015)
    starts = np.arange(len(shown.alignment)) * FRAMES_PER_SNIPPET
    points = pd.DataFrame(shown.alignment, columns=list(scores.categories)).assign(video=video, first_frame=starts)
    return fig, points[["video", "first_frame", *scores.categories]]


def roc_and_pr(runs: Sequence[RunScores], title: str, *, max_points: int = 300) -> tuple[Figure, pd.DataFrame]:
    """ROC and precision-recall curves of several runs over all test frames (equations 14 to 18).

    Args:
        runs: on the same test videos.
        title: of the figure.
        max_points: points kept per curve in the CSV; the drawn curves have all.

    Raises:
        DataError: the runs have different test frames.
    """
    labels = runs[0].frames()[0]
    points = []
    with style():
        fig, (roc, pr) = plt.subplots(1, 2, figsize=(10, 5.4))
        fig.suptitle(title, fontsize=12)
        roc.plot([0, 1], [0, 1], color="#777777", lw=0.8, ls=":", label=f"chance (AUC 0.500, AP {labels.mean():.3f})")
        pr.axhline(labels.mean(), color="#777777", lw=0.8, ls=":")
        for run, colour in zip(runs, METHOD_COLOURS):
            theirs, scores = run.frames()
            if not np.array_equal(theirs, labels):
                raise DataError(
                    f"{run.title} was scored on other test frames than {runs[0].title}; run both again on one data set."
                )
            fpr, tpr, _ = roc_curve(labels, scores)
            recall, precision, _ = pr_curve(labels, scores)
            areas = f"AUC {frame_roc_auc(labels, scores):.3f}, AP {average_precision(labels, scores):.3f}"
            roc.plot(fpr, tpr, color=colour, lw=1.4, label=f"{run.title} ({areas})")
            pr.step(recall, precision, where="pre", color=colour, lw=1.4)
            for curve, x, y in (("roc", fpr, tpr), ("pr", recall, precision)):
                kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), max_points)).astype(int))
                points.append(pd.DataFrame({"method": run.title, "curve": curve, "x": x[kept], "y": y[kept]}))
        roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (area: AUC)")
        pr.set(xlabel="recall", ylabel="precision", title="Precision-recall (area: AP)")
        for axes in (roc, pr):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        fig.legend(fontsize=9, loc="outside lower center", ncols=2)
    return fig, pd.concat(points, ignore_index=True)


def selection_dots(runs: dict[str, list[Run]], metric: Literal["auc", "ap"], title: str) -> tuple[Figure, pd.DataFrame]:
    """A metric of several rows under the three selection rules; how far apart they are is what choosing on test gains.

    Args:
        runs: of :func:`vad_lib.tables.load_runs`; several seeds give several dots.
        metric: ``auc`` or ``ap``.
        title: of the figure.
    """
    looks = {"last": ("o", BLUE), "best_on_validation": ("D", GREEN), "best_on_test": ("|", VERMILION)}
    points = pd.DataFrame(
        [
            (run.config["title"], run.config["seed"], rule, run.value(metric, rule))
            for done in runs.values()
            for run in done
            for rule in looks
        ],
        columns=["row", "seed", "rule", "value"],
    )
    rows = list(points["row"].unique())
    with style():
        fig, axes = plt.subplots(figsize=(8, 1.2 + 0.36 * len(rows)))
        for shift, (rule, (marker, colour)) in zip((-0.16, 0, 0.16), looks.items()):
            theirs = points[points["rule"] == rule]
            heights = [rows.index(row) + shift for row in theirs["row"]]
            axes.plot(
                100 * theirs["value"], heights, marker, color=colour, ms=6, mew=2 if marker == "|" else 0.5, label=RULE_TITLES[rule]
            )
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set(xlabel=f"{METRIC_TITLES[metric]} %", title=title)
        fig.legend(loc="outside lower center", ncols=3)
    return fig, points
