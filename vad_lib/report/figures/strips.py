"""Frames of the videos that Figures 3 and 4 show."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.data.snippets import resize_frame
from vad_lib.data.video import read_frames
from vad_lib.data.video_files import find_videos
from vad_lib.errors import DataError
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import damaged_as_data_error, read_arrays
from vad_lib.storage.writing import write_arrays

FIGURE3_CATEGORIES = ("Arson", "Shoplifting", "Stealing", "Vandalism")
FIGURE4_CATEGORIES = ("Fighting", "Explosion", "CarAccident", "Riot")  # not named in the paper
COUNT, HEIGHT = 6, 96  # frames of a strip, and their pixels
PAPER_FIGURE_CATEGORIES = {"UCF-Crime": ("fig3", FIGURE3_CATEGORIES), "XD-Violence": ("fig4", FIGURE4_CATEGORIES)}


class Strip(NamedTuple):
    """Frames of a video to show beneath its scores.

    Attributes:
        frame_indices: int64 (n,), increasing.
        images: uint8 (n, height, width, 3), RGB.
    """

    frame_indices: np.ndarray
    images: np.ndarray


def frame_strip(path: Path | str, frame_indices: Sequence[int], height: int) -> np.ndarray:
    """Some frames of a video, for the strip beneath a score curve.

    Args:
        path: the video.
        frame_indices: which frames, in any order.
        height: pixels of the pictures; the width follows.

    Returns:
        uint8 (len(frame_indices), height, width, 3), RGB, in the order asked for.

    Raises:
        MissingFileError: no such video.
        DataError: an index outside the video, or a video that cannot be decoded.
    """
    wanted, found, count = set(frame_indices), {}, 0
    # Seeking lands on neighbours of the frame in many containers, so the video is read from its start.
    for index, frame in enumerate(read_frames(path)):
        count = index + 1
        if index in wanted:
            found[index] = resize_frame(frame, height, max(round(frame.shape[1] * height / frame.shape[0]), 1))
        if len(found) == len(wanted):
            break
    if missing := sorted(wanted - set(found)):
        raise DataError(f"{path}: has frames 0 to {count - 1}, asked for {', '.join(map(str, missing))}; choose frames within.")
    return np.stack([found[index] for index in frame_indices])


def figure_videos(videos: Sequence[tuple[str, tuple[str, ...]]], categories: Sequence[str]) -> dict[str, str]:
    """The video that stands for each category: the first in list order among those that have it and the fewest others.

    Scores play no part in the choice.

    Args:
        videos: (name, categories) of the test videos, in list order.
        categories: to find a video for, in this order.

    Returns:
        category -> name of a video, each video once.

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


def strip_frames(record: VideoRecord, count: int) -> np.ndarray:
    """Positions of the frames to show: one before the abnormal frames, one after them, the others spread within.

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


def save_strips(layout: Layout, dataset: Dataset, categories: Sequence[str]) -> Path:
    """Store frames of the figure's videos, so that a figure can be redrawn without the videos.

    Args:
        layout: where the strips are kept.
        dataset: videos that are not in its folder of videos get no strip.
        categories: of the panels.

    Returns:
        path of the file, for :func:`load_strips`.

    Raises:
        DataError: a category without a test video, or a video that cannot be decoded.
    """
    records = {record.name: record for record in dataset.videos.split("test")}
    chosen = figure_videos([(name, record.categories) for name, record in records.items()], categories)
    found, _ = find_videos(layout.videos(dataset.name), chosen.values())  # beside imported features there may be a part of them
    chosen = {category: name for category, name in chosen.items() if name in found}
    arrays = {"videos": np.array(list(chosen.values()), dtype=str)}
    for i, name in enumerate(chosen.values()):
        positions = strip_frames(records[name], COUNT)
        images = frame_strip(found[name], positions.tolist(), HEIGHT)
        arrays[f"frames_{i}"] = positions
        for j, image in enumerate(images):
            # JPEG: these files are committed, and as arrays they would be ten times as large.
            arrays[f"image_{i}_{j}"] = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].ravel()
    return write_arrays(layout.strips(dataset.name), arrays)


def load_strips(layout: Layout, dataset: str) -> dict[str, Strip]:
    """Read what :func:`save_strips` wrote.

    Args:
        layout: where the strips are kept.
        dataset: name of its folder.

    Returns:
        name of a video -> strip; empty for a data set without videos.

    Raises:
        MissingFileError: there are none; notebook 01 makes them.
        DataError: the file is damaged.
    """
    path = layout.strips(dataset)
    arrays, strips = read_arrays(path), {}
    with damaged_as_data_error(path, "strips of frames"):
        for i, name in enumerate(arrays["videos"].tolist()):
            positions = arrays[f"frames_{i}"]
            images = [_decoded(arrays[f"image_{i}_{j}"]) for j in range(len(positions))]
            strips[name] = Strip(positions, np.stack(images))
    return strips


def _decoded(jpeg: np.ndarray) -> np.ndarray:
    """Pixels of a JPEG, uint8 (height, width, 3), RGB."""
    image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("a picture is no JPEG")
    return image[..., ::-1]
