"""Scores of a run as figures need them."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vad_lib.errors import DataError, MissingFileError
from vad_lib.evaluation.scoring import frame_scores
from vad_lib.report.figures.style import CURVES
from vad_lib.storage.reading import read_arrays, read_json, read_text, understood


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
