"""Test scores of one run in pieces, and its metrics on any choice of test videos: on all, on all but one, on bootstrap draws."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import sparse

from vad_lib.errors import ConfigError, DataError, UndefinedMetricError
from vad_lib.evaluation import detection, event_matching

Metric = Literal["auc", "ap", "map_vadclip_code", "map_abnormal_only", "category_accuracy", "category_accuracy_abnormal_videos"]

_CHUNK = 2_000_000  # numbers held at once: some 16 MB an array, which stays near the processor


class FineGrained(NamedTuple):
    """What the alignment map of a run says of the categories of the V test videos; see :mod:`vad_lib.evaluation.detection`.

    Attributes:
        named: bool (V,), whether the highest of all categories is one of the video's.
        abnormal_named: bool (V,), the same of the abnormal categories.
        matched: segments and events, None where events are not annotated.
    """

    named: np.ndarray
    abnormal_named: np.ndarray
    matched: event_matching.Matched | None


@dataclass(frozen=True, eq=False)
class ScoredVideos:
    """Test scores of one run in pieces: frames of one video, one after the other, that share a score.

    Attributes:
        title: of the row.
        seed: of the run.
        videos: names, V of them, in the order of the pieces.
        abnormal_video: bool (V,).
        video: int64 (P,), place of the piece's video; increasing, and time increases within a video.
        score: float (P,), in [0, 1].
        abnormal: int64 (P,), abnormal frames of the piece.
        normal: int64 (P,), normal frames of the piece.
        events: int64 (E, 3): place of the video, first abnormal frame, and the frame after the last; runs of abnormal frames.
        fine_grained: of a run with an alignment map, under the selection that the run uses; else None.
        crop_scores: float (N, P), of each crop by itself, of a run with several crops, under that selection; else None.
    """

    title: str
    seed: int
    videos: tuple[str, ...]
    abnormal_video: np.ndarray
    video: np.ndarray
    score: np.ndarray
    abnormal: np.ndarray
    normal: np.ndarray
    events: np.ndarray
    fine_grained: FineGrained | None = None
    crop_scores: np.ndarray | None = None

    @cached_property
    def abnormal_frames(self) -> np.ndarray:
        """Of each video, int64 (V,)."""
        return np.bincount(self.video, self.abnormal, minlength=len(self.videos)).astype(np.int64)

    @cached_property
    def normal_frames(self) -> np.ndarray:
        """Of each video, int64 (V,)."""
        return np.bincount(self.video, self.normal, minlength=len(self.videos)).astype(np.int64)

    @cached_property
    def first_frames(self) -> np.ndarray:
        """Of each video when all stand one after the other, int64 (V,)."""
        lengths = self.abnormal_frames + self.normal_frames
        return np.cumsum(lengths) - lengths

    @cached_property
    def on_draws(self) -> dict[tuple[Metric, object], np.ndarray]:
        """Metric and how videos were drawn -> float64 (1 + J + B,), fractions; kept by ``evaluation.intervals.values_on``."""
        return {}

    @cached_property
    def ranking(self) -> "Ranking":
        """Frames of each video at each score that an abnormal frame has."""
        return _ranked(self)

    def value(self, metric: Metric) -> float:
        """The metric on all videos, a fraction; equals that of :func:`vad_lib.evaluation.frame_level.evaluate`."""
        return float(metric_on_draws(self, np.ones((1, len(self.videos))), metric)[0])

    def with_scores(self, change: Callable[[np.ndarray], np.ndarray]) -> "ScoredVideos":
        """The same pieces with other scores: ``change`` takes those of one video, (T,), and gives as many back."""
        parts = np.split(self.score, np.flatnonzero(np.diff(self.video)) + 1)
        return replace(self, score=np.concatenate([change(part) for part in parts]), fine_grained=None, crop_scores=None)

    def first_crops(self, count: int) -> "ScoredVideos":
        """The same pieces with the mean of the first crops as their score.

        Raises:
            DataError: the run has no scores of so many single crops.
        """
        if self.crop_scores is None or not 1 <= count <= len(self.crop_scores):
            there = 0 if self.crop_scores is None else len(self.crop_scores)
            raise DataError(
                f"{self.title}, seed {self.seed}: expected scores of {count} single crops, got {there}; train on features of "
                "several crops (`python -m vad_lib.data.extraction --crops 10`)."
            )
        return replace(self, score=self.crop_scores[:count].mean(axis=0), fine_grained=None, crop_scores=None)

    def of_videos(self, chosen: np.ndarray) -> "ScoredVideos":
        """The same scores on some of the test videos; ``chosen`` is bool (V,)."""
        place = np.cumsum(chosen) - 1
        pieces, events = chosen[self.video], self.events[chosen[self.events[:, 0]]]
        return replace(
            self,
            videos=tuple(np.array(self.videos, dtype=object)[chosen]),
            abnormal_video=self.abnormal_video[chosen],
            video=place[self.video[pieces]],
            score=self.score[pieces],
            abnormal=self.abnormal[pieces],
            normal=self.normal[pieces],
            events=np.column_stack([place[events[:, 0]], events[:, 1:]]).astype(np.int64),
            fine_grained=None,
            crop_scores=None if self.crop_scores is None else self.crop_scores[:, pieces],
        )


def metric_on_draws(scored: ScoredVideos, counts: np.ndarray, metric: Metric) -> np.ndarray:
    """A metric on many draws of the test videos, frame AUC and step-wise average precision exact with ties.

    Equals :func:`vad_lib.metrics.frame_roc_auc` and :func:`vad_lib.metrics.average_precision` on the frames of each draw, a
    video drawn twice standing there twice. Fine-grained metrics are those of
    :func:`vad_lib.evaluation.fine_grained.fine_grained`, mAP as the mean over IoUs.

    Args:
        scored: scores of a run.
        counts: (B, V), how often each video was drawn.
        metric: one of :data:`Metric`.

    Returns:
        float64 (B,), fractions.

    Raises:
        ConfigError: another metric.
        UndefinedMetricError: a draw has frames of one class only.
        DataError: a fine-grained metric of a run that has none.
    """
    if metric not in get_args(Metric):
        raise ConfigError(f"metric: expected one of {', '.join(get_args(Metric))}, got {metric!r}.")
    counts = np.asarray(counts, dtype=np.float64)
    if metric not in ("auc", "ap"):
        return _fine_grained_on_draws(scored, counts, metric)
    num_abnormal, num_normal = counts @ scored.abnormal_frames, counts @ scored.normal_frames
    if not (num_abnormal.all() and num_normal.all()):
        raise UndefinedMetricError(
            f"{metric.upper()} of {scored.title}: not defined, it needs abnormal and normal frames and a choice of videos has one "
            "class only; add test videos of the other class."
        )
    ranking, values = scored.ranking, np.empty(len(counts))
    step = max(1, _CHUNK // ranking.abnormal.shape[0])
    for start in range(0, len(counts), step):
        chosen = slice(start, start + step)
        drawn = np.ascontiguousarray(counts[chosen].T)
        abnormal, tied = ranking.abnormal @ drawn, ranking.tied @ drawn  # (K, b) frames at each score
        false = ranking.between @ drawn + tied
        np.cumsum(false, axis=0, out=false)  # normal frames with this score or a higher one
        if metric == "auc":
            outscored = num_normal[chosen] - false + tied / 2  # eq. 16, ties one half
            values[chosen] = np.einsum("kb,kb->b", abnormal, outscored) / num_normal[chosen]
        else:
            found = np.cumsum(abnormal, axis=0)
            # eq. 17; where nothing was drawn yet, nothing is added either
            values[chosen] = np.einsum("kb,kb->b", abnormal, found / np.maximum(found + false, 1))
    return values / num_abnormal


class Ranking(NamedTuple):
    """Frames of each video at the K scores that abnormal frames have, in decreasing order; sparse, float64 (K, V) each.

    Only at these scores do the ROC curve rise and the precision count, so normal frames between two of them stand together.
    """

    abnormal: sparse.csr_array
    tied: sparse.csr_array  # normal frames with this very score
    between: sparse.csr_array  # normal frames below the score before and above this one


def _ranked(scored: ScoredVideos) -> Ranking:
    values, rank = np.unique(-scored.score, return_inverse=True)
    has_abnormal = np.bincount(rank, scored.abnormal, minlength=len(values)) > 0
    # for each piece the place of the first such score that is not above its own; K for those below all
    place: np.ndarray = (np.cumsum(has_abnormal) - has_abnormal)[rank]
    shape = (int(has_abnormal.sum()), len(scored.videos))

    def matrix(frames: np.ndarray, chosen: np.ndarray) -> sparse.csr_array:
        chosen = chosen & (frames > 0) & (place < shape[0])
        return sparse.csr_array((frames[chosen].astype(np.float64), (place[chosen], scored.video[chosen])), shape=shape)

    tied = has_abnormal[rank]
    return Ranking(
        matrix(scored.abnormal, np.ones(len(rank), dtype=bool)), matrix(scored.normal, tied), matrix(scored.normal, ~tied)
    )


def _fine_grained_on_draws(scored: ScoredVideos, counts: np.ndarray, metric: str) -> np.ndarray:
    fine = scored.fine_grained
    if fine and metric == "category_accuracy":
        return counts @ fine.named / counts.sum(axis=1)
    if fine and metric == "category_accuracy_abnormal_videos":
        return counts @ (fine.abnormal_named & scored.abnormal_video) / np.maximum(counts @ scored.abnormal_video, 1)
    if fine and fine.matched:
        convention: detection.Convention = "vadclip_code" if metric == "map_vadclip_code" else "abnormal_only"
        return detection.map_on_draws(fine.matched, counts, convention)
    raise DataError(
        f"{metric} of {scored.title}: needs an alignment map and annotated events, and the run has none for this selection; "
        "choose a method with text features, or train it again with this version of the library."
    )
