"""Scores of a run as figures need them: cut at its videos."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from vad_lib.errors import DataError
from vad_lib.evaluation.scoring import frame_scores
from vad_lib.report.figures.style import CURVES
from vad_lib.runs.run_folder import Run
from vad_lib.storage.reading import damaged_as_data_error

_PER_VIDEO = ("videos", "categories", "video_categories", "num_snippets", "num_frames")


class VideoScores(NamedTuple):
    """Scores of one test video.

    Attributes:
        name: of the video.
        categories: of the video.
        labels: uint8 (F,), one per frame, 1 abnormal.
        curves: ``score`` and, if the method has them, ``visual`` and ``semantic``: float32 (T,), one per snippet, in [0, 1].
        alignment: float32 (T, C), cosines of each snippet with each category, or None.
    """

    name: str
    categories: tuple[str, ...]
    labels: np.ndarray
    curves: dict[str, np.ndarray]
    alignment: np.ndarray | None


@dataclass(frozen=True)
class RunScores:
    """Scores of a run on its test videos.

    Attributes:
        title: of the run's row.
        categories: of the data set, C of them, the normal one first.
        videos: name -> scores, in the order of the list.
        tail: what holds where features end before the video does: ``exact`` or ``extend``.
        seed: of the run.
    """

    title: str
    categories: tuple[str, ...]
    videos: dict[str, VideoScores]
    tail: Literal["exact", "extend"] = "exact"
    seed: int = 0

    def frames(self, video: str | None = None, curve: str = "score") -> tuple[np.ndarray, np.ndarray]:
        """Labels and frame scores of one video, or of all of them one after the other.

        Args:
            video: its name; None for all.
            curve: ``score``, ``visual`` or ``semantic``.

        Returns:
            uint8 (F,) and float32 (F,).
        """
        chosen = [self.videos[video]] if video else list(self.videos.values())
        scores = [frame_scores(v.curves[curve], len(v.labels), name=v.name, tail=self.tail) for v in chosen]
        return np.concatenate([v.labels for v in chosen]), np.concatenate(scores)


def load_scores(run: Run) -> RunScores:
    """Read the scores of a finished run.

    Raises:
        MissingFileError: the run has no scores.
        DataError: an array is missing, or arrays do not fit each other; the message names the array.
    """
    with damaged_as_data_error(run.name, "the scores of a finished run"):
        arrays = run.scores()
        missing = [name for name in (*_PER_VIDEO, "labels", "score") if name not in arrays]
        if missing:
            raise DataError(f"{run.name}: array {', '.join(missing)} is missing from its scores; run the training again.")
        snippets, frames = (np.concatenate(([0], np.cumsum(arrays[name]))) for name in ("num_snippets", "num_frames"))
        for name in ("labels", *CURVES, "alignment"):
            length = (frames if name == "labels" else snippets)[-1]
            if name in arrays and len(arrays[name]) != length:
                raise DataError(f"{run.name}: {name} has {len(arrays[name]):,} rows, expected {length:,}; run the training again.")
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
        tail = run.config.get("dataset_info", {}).get("tail", "exact")
        return RunScores(run.title, tuple(arrays["categories"].tolist()), videos, tail, run.seed)
