"""Figures of the first two notebooks: bags, cosines and scores worked by hand; frames, crops and snippets of videos.

Every function returns a matplotlib figure with its alternative text, and the plotted points. Legend: T segments, C categories.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.data.video_files import find_video
from vad_lib.report.figures.alternative_texts import composed, counted, course, largest_cells, listing, number
from vad_lib.report.figures.strips import frame_strip, strip_frames
from vad_lib.report.figures.style import (
    BLUE,
    FUSED,
    GROUND_TRUTH,
    LINE_COLOURS,
    SEMANTIC,
    VERMILION,
    VISUAL,
    describe,
    headline,
    style,
)

_CALM, _NORMAL = "#BBBBBB", "#9BB8CC"  # of a bar, and of a dot, that is not what a figure is about
_BAGS = ("normal bag", "abnormal bag")


def pushed_scores(bags: np.ndarray, pushes: np.ndarray, k: int) -> tuple[Figure, pd.DataFrame]:
    """A normal and an abnormal bag: scores of the segments, the top k in red, and below them how the loss pushes each.

    Args:
        bags: (2, T), scores in [0, 1], the normal bag first.
        pushes: (2, T), minus the gradient of the loss for each score.
        k: highest scores of a bag that make its video score.

    Returns:
        the figure, and one row per segment: ``bag``, ``segment``, ``score``, ``push``, ``top``.
    """
    points = pd.DataFrame(
        {
            "bag": np.repeat(_BAGS, bags.shape[1]),
            "segment": np.tile(np.arange(bags.shape[1]), 2),
            "score": bags.ravel(),
            "push": np.asarray(pushes).ravel(),
            "top": (np.argsort(np.argsort(bags, axis=1), axis=1) >= bags.shape[1] - k).ravel(),
        }
    )
    with style():
        fig, axes = plt.subplots(2, 2, figsize=(9, 4), sharex=True, sharey="row")
        for (above, below), (bag, rows) in zip(axes.T, points.groupby("bag", sort=False)):
            above.bar(rows["segment"], rows["score"], color=np.where(rows["top"], VERMILION, _CALM))
            below.bar(rows["segment"], rows["push"], color=BLUE)
            above.set(title=f"{bag} (top {k} in red)", ylim=(0, 1))
            below.set(xlabel="segment", xticks=rows["segment"])
        axes[0, 0].set_ylabel("visual score")
        axes[1, 0].set_ylabel("push on the score\n(minus gradient)")
    said = [
        listing(f"{what}, {bag}", rows[column])
        for what, column in (("scores", "score"), ("push", "push"))
        for bag, rows in points.groupby("bag", sort=False)
    ]
    what = (
        f"Bars over {counted(bags.shape[1], 'segment')}, normal bag left, abnormal bag right, scores above with the top {k} in red"
    )
    describe(fig, composed(f"{what}, push below", said))
    return fig, points


def circle_and_map(
    segment_angles: np.ndarray, text_angles: np.ndarray, alignment: np.ndarray, categories: Sequence[str]
) -> tuple[Figure, pd.DataFrame]:
    """Vectors of two dimensions on a circle, segments as dots and categories as arrows; beside them their alignment map.

    Args:
        segment_angles: (T,), radians.
        text_angles: (C,), radians.
        alignment: (T, C), cosines.
        categories: names, in the order of the columns.

    Returns:
        the figure, and one row per cell of the map: ``category``, ``segment``, ``cosine``.
    """
    table = pd.DataFrame(alignment.T, index=list(categories))
    with style():
        fig, (circle, heat) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 1.7))
        _draw_circle(circle, segment_angles, dict(zip(categories, text_angles)))
        image = heat.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        ticks = {"yticks": range(len(table)), "yticklabels": categories, "xticks": table.columns}
        heat.set(xlabel="segment", title="alignment map A", **ticks)
        heat.grid(False)
        fig.colorbar(image, ax=heat, label="cosine")
    said = [cell.replace(",", ", segment") for cell in largest_cells(table, 4, 2)]
    what = f"{counted(len(segment_angles), 'segment')} as dots and {len(table)} categories as arrows on a circle"
    describe(fig, composed(f"{what}; beside it the alignment map, highest and lowest cosines", said))
    points = table.rename_axis("category").reset_index().melt("category", var_name="segment", value_name="cosine")
    return fig, points


def _draw_circle(axes: Axes, segment_angles: np.ndarray, text_angles: Mapping[str, float]) -> None:
    axes.plot(np.cos(segment_angles), np.sin(segment_angles), "o", color=BLUE)
    for segment, angle in enumerate(segment_angles):
        axes.text(1.13 * np.cos(angle), 1.13 * np.sin(angle), str(segment), ha="center", va="center", fontsize=8)
    for name, angle in text_angles.items():
        axes.annotate("", (0.97 * np.cos(angle), 0.97 * np.sin(angle)), (0, 0), arrowprops={"arrowstyle": "->"})
        axes.text(0.55 * np.cos(angle), 0.55 * np.sin(angle), name, ha="center", va="center", backgroundcolor="white")
    axes.set(xlim=(-1.3, 1.3), ylim=(-0.5, 1.3), aspect="equal", xlabel="component 1", ylabel="component 2")
    axes.set_title("segments and categories")


def mixed_scores(visual: np.ndarray, semantic: np.ndarray, fused: np.ndarray, event: range, k: int) -> tuple[Figure, pd.DataFrame]:
    """The scores of both branches and their mixture over the segments of one bag; the title names the top k segments.

    Args:
        visual, semantic, fused: (T,), in [0, 1].
        event: segments that are abnormal.
        k: highest scores that make the video score.

    Returns:
        the figure, and one row per segment: ``segment``, ``visual``, ``semantic``, ``fused``.
    """
    points = pd.DataFrame({"segment": range(len(visual)), "visual": visual, "semantic": semantic, "fused": fused})
    with style():
        fig, axes = plt.subplots(figsize=(8, 3.2))
        top = {name: ", ".join(map(str, sorted(points[name].nlargest(k).index))) for name in ("visual", "fused")}
        finding = f"top {k} segments: {top['visual']} by the visual score alone, {top['fused']} by the fused score"
        headline(fig, f"Both scores and their mixture; the event is in segments {event.start} to {event.stop - 1}", finding)
        axes.axvspan(event.start - 0.5, event.stop - 0.5, color=GROUND_TRUTH, lw=0, label="what nobody told the model")
        axes.plot(visual, "--", color=VISUAL, label="visual $S_c$")
        axes.plot(semantic, "-.", color=SEMANTIC, label="semantic $S_a$")
        axes.plot(fused, color=FUSED, lw=2, label="fused")
        axes.set(xlabel="segment", ylabel="score", ylim=(-0.02, 1.02), xticks=points["segment"])
        axes.legend(loc="upper left")
    said = [course(f"{name} score", points["segment"], points[name], "segment") for name in points.columns[1:]]
    what = f"Three lines over {counted(len(points), 'segment')}, segments {event.start} to {event.stop - 1} are abnormal"
    describe(fig, composed(what, said, f"The {finding}."))
    return fig, points


def example_frames(
    videos: Path, records: Mapping[str, VideoRecord], title: str, count: int = 6, height: int = 120
) -> tuple[Figure, pd.DataFrame]:
    """Frames of some videos, a row each, their numbers above them; numbers of abnormal frames are red.

    An abnormal video is shown before, in and after its events, a normal one from its first to its last frame.

    Args:
        videos: folder of the video files.
        records: name of each row -> video.
        title: names the data.
        count: frames of a row, at least 3.
        height: of a frame, pixels.

    Returns:
        the figure, and one row per frame: ``row``, ``video``, ``frame``, ``abnormal``.

    Raises:
        MissingFileError: a video has no file.
        DataError: a video cannot be decoded.
    """
    points = []
    with style():
        fig, grid = plt.subplots(len(records), count, figsize=(8.6, 0.4 + 1.25 * len(records)), squeeze=False)
        for row, (name, record) in zip(grid, records.items()):
            spread = np.linspace(0, record.num_frames - 1, count).astype(int)
            positions = strip_frames(record, count) if record.intervals else spread
            images = frame_strip(find_video(videos, record.name), positions.tolist(), height)
            abnormal = record.frame_labels()[positions].astype(bool)
            for axes in row:
                axes.set_axis_off()
            for axes, image, position, red in zip(row, images, positions, abnormal):
                axes.imshow(image)
                words = f"{name}, {position}" if axes is row[0] else f"{position}"
                axes.set_title(words, fontsize=8, color=VERMILION if red else "black", pad=2)
            points.append(pd.DataFrame({"row": name, "video": record.name, "frame": positions, "abnormal": abnormal}))
        fig.suptitle(f"{title}: frame numbers above, red = abnormal")
    said = [
        f"{name} ({record.name}) abnormal {', '.join(f'{start} to {end}' for start, end in record.intervals) or 'nowhere'}"
        for name, record in records.items()
    ]
    what = f"{counted(count, 'frame')} each of {counted(len(said), 'test video')} of {title}, numbers of abnormal frames in red"
    describe(fig, composed(f"{what}; frames", said))
    return fig, pd.concat(points, ignore_index=True)


def ten_crops(frame: np.ndarray, corners: Sequence[tuple[int, int]], views: np.ndarray) -> tuple[Figure, pd.DataFrame]:
    """A frame with its five crops as squares, and beside it these crops and their mirror images.

    Args:
        frame: uint8 (height, width, 3), resized.
        corners: top and left of each of the five crops, pixels.
        views: uint8 (10, size, size, 3), the crops in the order of :data:`vad_lib.data.snippets.CROP_NAMES`.

    Returns:
        the figure, and one row per square: ``crop``, ``top``, ``left``, ``size``.
    """
    size, names = views.shape[1], [name.replace("_", " ") for name in CROP_NAMES[10]]
    with style():
        fig = plt.figure(figsize=(11, 3.4))
        grid = fig.add_gridspec(2, 8)
        whole = fig.add_subplot(grid[:, :3])
        whole.imshow(frame)
        for (top, left), colour in zip(corners, LINE_COLOURS):
            whole.add_patch(plt.Rectangle((left, top), size - 1, size - 1, fill=False, lw=2, color=colour))
        whole.set(xlabel="pixels", ylabel="pixels", title="resized frame and its five crops")
        whole.grid(False)
        for place, (view, name) in enumerate(zip(views, names, strict=True)):
            axes = fig.add_subplot(grid[place // 5, 3 + place % 5])
            axes.imshow(view)
            axes.set_axis_off()
            axes.set_title(name.replace(" ", "\n"), fontsize=7, pad=2)
    what = f"A frame with five squares of {size} pixels at its corners and its centre, and beside it the ten crops"
    describe(fig, composed(what, names))
    tops, lefts = zip(*corners)
    return fig, pd.DataFrame({"crop": names[: len(corners)], "top": tops, "left": lefts, "size": size})


def snippet_plane(points: np.ndarray, shares: np.ndarray, abnormal: np.ndarray, video: np.ndarray) -> tuple[Figure, pd.DataFrame]:
    """Snippets in the plane in which they vary most, coloured by label, and those of some videos by video.

    Args:
        points: (S, 2), two components of each of S snippets.
        shares: (2,), fractions of the variance that the components explain.
        abnormal: bool (S,).
        video: int (S,), number of each snippet's video.

    Returns:
        the figure, and one row per snippet: ``component 1``, ``component 2``, ``abnormal``, ``video``.
    """
    frame = pd.DataFrame({"component 1": points[:, 0], "component 2": points[:, 1], "abnormal": abnormal, "video": video})
    centres = []
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True)
        for chosen, colour, name in ((~abnormal, _NORMAL, "normal"), (abnormal, VERMILION, "abnormal")):
            left.scatter(*points[chosen].T, s=9, color=colour, label=f"{name} snippets")
            if chosen.any():
                x, y = points[chosen].mean(axis=0)
                centres.append(f"centre of the {name} snippets at {number(x)}, {number(y)}")
        left.legend(loc="best", fontsize=8)
        right.scatter(*points.T, s=9, color="#DDDDDD")
        names, colours = np.unique(video), LINE_COLOURS[:6]
        shown = names[np.unique(np.linspace(0, len(names) - 1, len(colours)).round().astype(int))]
        for name, colour in zip(shown, colours):
            right.scatter(*points[video == name].T, s=12, color=colour)
        left.set(title="coloured by label", ylabel=f"component 2 ({100 * shares[1]:.0f} % of variance)")
        right.set(title=f"the same, {counted(len(shown), 'video')} in colour")
        for axes in (left, right):
            axes.set_xlabel(f"component 1 ({100 * shares[0]:.0f} % of variance)")
    what = f"{len(points)} snippets of {counted(len(np.unique(video)), 'video')} as dots on two components"
    describe(fig, composed(f"{what}, coloured by label left, {counted(len(shown), 'video')} in colour right", centres))
    return fig, frame
