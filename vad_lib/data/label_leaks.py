"""Controls: what a video's label can be guessed from without watching the video.

Weakly trained scores are worth something only if the label is in the event. Two guesses that must stay near
chance on the test split: from the first frame alone (scene, light, who stands there), and from the size of the
file and its number of frames alone. Where events may have begun before their video, the first frame can show one, so that a
few points above chance need not be a leak. The third control, training with permuted labels, is ``permute_labels`` of
:class:`~vad_lib.config.TrainSettings`.
"""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.data.importing.import_record import read_import_record, videos_folder
from vad_lib.data.video import read_frames
from vad_lib.data.video_files import find_videos
from vad_lib.errors import DataError, MissingFileError

THUMBNAIL = (8, 6)  # width and height, pixels
STRENGTH = 0.01  # inverse regularisation: more inputs than videos


def guesses(dataset: Dataset) -> dict[str, np.ndarray]:
    """Fit a guess of each kind to the labels of the training videos, and score the test videos with it.

    Args:
        dataset: any; features are not needed. Its videos are found as extraction finds them; without a folder of videos, or with a
            part of the videos beside imported features, only the lengths are there to guess from.

    Returns:
        for ``first_frame`` and ``file_size``, or for ``length`` without videos: float64 (V,), unbounded, higher for videos that
        look abnormal.

    Raises:
        MissingFileError: a listed video has no file, or several, and the features are made of the videos.
        DataError: the training videos are of one class only, or a video's first frame cannot be decoded.
    """
    labels, paths = _train_labels(dataset), _files(dataset)
    train, test = (_known(dataset, split, paths) for split in ("train", "test"))
    found = {}
    for name in train:
        guess = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000))
        found[name] = guess.fit(train[name], labels).decision_function(test[name])
    return found


def _train_labels(dataset: Dataset) -> np.ndarray:
    """bool (V,)."""
    labels = np.array([dataset.videos.is_abnormal(record) for record in dataset.videos.split("train")], dtype=bool)
    if labels.all() or not labels.any():
        raise DataError(
            f"{dataset.name}: controls need normal and abnormal train videos, got {len(labels) - labels.sum()} normal "
            f"and {labels.sum()} abnormal. Add videos of the other class."
        )
    return labels


def _files(dataset: Dataset) -> dict[str, Path]:
    """The file of each video; none without a folder of videos, or with a part of the videos beside imported features."""
    folder, names = videos_folder(dataset.folder), [record.name for record in dataset.videos.records]
    if not folder.is_dir():
        return {}
    found, problems = find_videos(folder, names)
    if problems and read_import_record(dataset.folder).get("store"):
        return {}
    if problems:
        raise MissingFileError(
            f"{dataset.name}: expected one file of each of {len(names)} videos, got {len(found)}; the first without: "
            f"{next(iter(problems.values()))} Controls read the videos, not features."
        )
    return found


def _known(dataset: Dataset, split: Literal["train", "test"], paths: dict[str, Path]) -> dict[str, np.ndarray]:
    """What is known of a split's videos without watching them, float (V, D) of each kind."""
    records = dataset.videos.split(split)
    if not paths:
        return {"length": np.log([[record.num_frames] for record in records])}
    return {
        "first_frame": np.stack([_first_frame(paths[record.name]) for record in records]),
        "file_size": np.stack([_size(paths[record.name], record) for record in records]),
    }


def _first_frame(path: Path) -> np.ndarray:
    """float32 (150,): mean and standard deviation of each channel, and a thumbnail."""
    image = np.ascontiguousarray(next(read_frames(path))[..., ::-1], dtype=np.float32)  # blue first
    thumbnail = cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.concatenate([image.mean(axis=(0, 1)), image.std(axis=(0, 1)), thumbnail.ravel()])


def _size(path: Path, record: VideoRecord) -> np.ndarray:
    """float64 (3,): logarithms of bytes, frames, and bytes per frame."""
    size = path.stat().st_size
    return np.log([size, record.num_frames, size / record.num_frames])
