"""Controls: what a video's label can be guessed from without watching the video.

Weakly trained scores are worth something only if the label is in the event. Two guesses that must stay near
chance on the test split: from the first frame alone (scene, light, who stands there), and from the size of the
file and its number of frames alone. The third control, training with permuted labels, is ``permute_labels`` of
:class:`~vad_lib.config.TrainSettings`.
"""

from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.data.video import read_frames
from vad_lib.errors import DataError, MissingFileError

THUMBNAIL = (8, 6)  # width and height, pixels
RESAMPLES = 2000
STRENGTH = 0.01  # inverse regularisation: more inputs than videos


def control_scores(dataset: Dataset, seed: int = 0) -> dict[str, float]:
    """Fit both controls on the training videos' labels and measure them on the test videos.

    Args:
        dataset: any; features are not needed. Without a ``videos/`` folder only the lengths are there to guess from.
        seed: of the bootstrap.

    Returns:
        for ``first_frame`` and ``file_size``, or for ``length`` without videos: ``NAME_auc``, video-level ROC-AUC in
        [0, 1], and ``NAME_low``, ``NAME_high``, its 95 % bootstrap interval over the test videos of each class.

    Raises:
        MissingFileError: a listed video has no file.
        DataError: a split holds one class only, or a video's first frame cannot be decoded.
    """
    sides = {}
    for split in ("train", "test"):
        records = dataset.videos.split(split)
        labels = np.array([dataset.videos.is_abnormal(record) for record in records], dtype=bool)
        if labels.all() or not labels.any():
            raise DataError(
                f"{dataset.name}: controls need normal and abnormal {split} videos, got {len(labels) - labels.sum()} normal "
                f"and {labels.sum()} abnormal. Add videos of the other class."
            )
        if (dataset.folder / "videos").is_dir():
            paths = [_video_file(dataset, record) for record in records]
            known = {
                "first_frame": np.stack([_first_frame(path) for path in paths]),
                "file_size": np.stack([_size(path, record) for path, record in zip(paths, records)]),
            }
        else:
            known = {"length": np.log([[record.num_frames] for record in records])}
        sides[split] = (labels, known)
    (train_labels, train), (test_labels, test) = sides["train"], sides["test"]
    result = {}
    for name in train:
        guess = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000))
        scores = guess.fit(train[name], train_labels).decision_function(test[name])
        result |= _auc_interval(name, scores[test_labels], scores[~test_labels], seed)
    return result


def _video_file(dataset: Dataset, record: VideoRecord) -> Path:
    path = dataset.folder / "videos" / f"{record.name}.mp4"
    if not path.is_file():
        raise MissingFileError(
            f"{path}: expected the video {record.name}, found no such file. Controls read the videos, not features."
        )
    return path


def _first_frame(path: Path) -> np.ndarray:
    """float32 (150,): mean and standard deviation of each channel, and a thumbnail."""
    image = np.ascontiguousarray(next(read_frames(path))[..., ::-1], dtype=np.float32)  # blue first
    thumbnail = cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.concatenate([image.mean(axis=(0, 1)), image.std(axis=(0, 1)), thumbnail.ravel()])


def _size(path: Path, record: VideoRecord) -> np.ndarray:
    """float64 (3,): logarithms of bytes, frames, and bytes per frame."""
    size = path.stat().st_size
    return np.log([size, record.num_frames, size / record.num_frames])


def _auc_interval(name: str, abnormal: np.ndarray, normal: np.ndarray, seed: int) -> dict[str, float]:
    # AUC is the share of (abnormal, normal) pairs in the right order, ties count half
    pairs = (abnormal[:, None] > normal) + 0.5 * (abnormal[:, None] == normal)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(abnormal), (RESAMPLES, len(abnormal)))
    columns = rng.integers(0, len(normal), (RESAMPLES, len(normal)))
    resampled = [pairs[np.ix_(i, j)].mean() for i, j in zip(rows, columns)]
    low, high = np.quantile(resampled, (0.025, 0.975))
    return {f"{name}_auc": float(pairs.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}
