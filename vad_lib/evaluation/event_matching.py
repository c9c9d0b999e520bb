"""Class probabilities over time -> segments, matched with the annotated events of the same class.

Legend: T snippets, F frames, C classes (index 0 is normal), I thresholds of IoU, V videos, S segments, E events.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoRecord
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation.frame_level import check_videos
from vad_lib.evaluation.scoring import Tail, snippet_frames

IOUS = (0.1, 0.2, 0.3, 0.4, 0.5)

# VadCLIP, released code: threshold, weight of the video score, shortest segment in frames
_DROP, _VIDEO_WEIGHT, _SHORTEST = 0.6, 0.7, 2


class Segments(NamedTuple):
    """Predicted segments of one video, all classes.

    Attributes:
        category: int64 (S,), index of the class.
        start: int64 (S,), first frame.
        end: int64 (S,), frame behind the last one.
        score: float64 (S,), at most 1.7.
    """

    category: np.ndarray
    start: np.ndarray
    end: np.ndarray
    score: np.ndarray


class Matched(NamedTuple):
    """Predicted segments of all test videos, matched with their events; in the order of the videos.

    Attributes:
        video: int64 (S,), place of the segment's video.
        category: int64 (S,), index of the class.
        score: float64 (S,), at most 1.7.
        hits: bool (S, I), whether it is a hit at each IoU.
        events: int64 (V, C), annotated events.
        abnormal_video: bool (V,).
    """

    video: np.ndarray
    category: np.ndarray
    score: np.ndarray
    hits: np.ndarray
    events: np.ndarray
    abnormal_video: np.ndarray


def predicted_segments(probabilities: np.ndarray, frames: np.ndarray) -> Segments:
    """Cut each class's probability curve of one video into scored segments.

    With p the curve of a class over the F frames, a segment is a maximal run of frames with
    p > max - 0.6 (max - min), two frames or longer. Its score is the largest p in it plus 0.7 times the video's score for
    the class, the mean of the F // 16 largest p. A constant curve has no segment.

    Args:
        probabilities: float (T, C), in [0, 1].
        frames: int (T,), frames that each row stands for, see :func:`vad_lib.evaluation.scoring.snippet_frames`.

    Differs from the code: a video of fewer than 16 frames has the largest p as its score; there the mean of none is NaN.

    Example: the curve of the second class crosses 0.9 - 0.6 * 0.8 = 0.42 once, for 32 frames.
        >>> found = predicted_segments(np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.7, 0.3]]), np.full(4, 16))
        >>> found.start[found.category == 1].tolist(), found.end[found.category == 1].tolist()
        ([16], [48])
    """
    curves = np.asarray(probabilities, dtype=np.float64).T  # (C, T)
    bounds = np.append(0, np.cumsum(frames))
    highest, lowest = curves.max(axis=1, keepdims=True), curves.min(axis=1, keepdims=True)
    above = curves > highest - _DROP * (highest - lowest)
    change = np.diff(np.pad(above, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    # both in the same order: class by class, and runs of one class in time
    category, first = np.nonzero(change == 1)
    _, behind = np.nonzero(change == -1)
    # one column more, so that the end of a run at the video's end is an index too
    flat, width = np.pad(curves, ((0, 0), (0, 1))).ravel(), curves.shape[1] + 1
    runs = np.stack([category * width + first, category * width + behind], axis=1).ravel()
    peak = np.maximum.reduceat(flat, runs)[::2] if len(runs) else np.empty(0)
    score = peak + _VIDEO_WEIGHT * _mean_of_largest(curves, frames)[category]
    start, end = bounds[first], bounds[behind]
    long = end - start >= _SHORTEST
    return Segments(category[long], start[long], end[long], score[long])


def _mean_of_largest(curves: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Mean of the F // 16 largest of F frame values, each snippet's value counted once per frame: (C, T) -> (C,)."""
    kept = max(int(frames.sum()) // FRAMES_PER_SNIPPET, 1)
    order = np.argsort(-curves, axis=1, kind="stable")
    counts = frames[order]
    before = np.cumsum(counts, axis=1) - counts
    return (np.take_along_axis(curves, order, axis=1) * np.clip(kept - before, 0, counts)).sum(axis=1) / kept


def matched_segments(
    probabilities: Mapping[str, np.ndarray],
    records: Sequence[VideoRecord],
    categories: Sequence[str],
    *,
    normal_ground_truth: bool = False,
    ious: Sequence[float] = IOUS,
    frames_per_snippet: int = FRAMES_PER_SNIPPET,
    tail: Tail = "exact",
) -> Matched:
    """Cut the curves of every video into segments and match them with its events.

    Within a video the segments of a class are gone through in decreasing score. One is a hit if an event of its class, not
    taken yet, overlaps it with at least the IoU; it takes the one that overlaps most. Events are compared as annotated, in
    frames, not cut to the video's length.

    Args:
        probabilities: per video float (T, C), in [0, 1].
        records: the test videos; their events are the ground truth.
        categories: names, the normal one first, in the order of the columns.
        normal_ground_truth: True if the whole of each normal video counts as one event of the normal class, as in VadCLIP's
            files of XD-Violence; False if normal videos have no event, as in those of UCF-Crime.
        ious: thresholds, in (0, 1].
        frames_per_snippet: frames that one row stands for; 1 for probabilities of frames.
        tail: ``extend`` lets the features end up to one snippet early; the last row then holds to the end.

    Raises:
        DataError: videos missing, surplus or listed twice; another number of snippets or classes than expected; NaN; a
            probability outside [0, 1]; an abnormal video without events.
        ConfigError: an IoU outside (0, 1].
    """
    if not all(0 < iou <= 1 for iou in ious):
        raise ConfigError(f"detection: expected IoUs in (0, 1], got {ious}.")
    check_videos([record.name for record in records], probabilities, "class probabilities")
    parts: list[tuple[np.ndarray, ...]] = []
    events = np.zeros((len(records), len(categories)), dtype=np.int64)
    for place, record in enumerate(records):
        curves = probabilities[record.name]
        _check(record, curves, categories)
        segments = predicted_segments(curves, snippet_frames(len(curves), record.num_frames, frames_per_snippet, record.name, tail))
        truth = _events(record, categories, normal_ground_truth)
        hits = np.zeros((len(segments.score), len(ious)), dtype=bool)
        for c in np.unique(truth[:, 0]):
            mine = segments.category == c
            spans = truth[truth[:, 0] == c, 1:]
            events[place, c] = len(spans)
            hits[mine] = _hits(segments.start[mine], segments.end[mine], segments.score[mine], spans, ious).T
        parts.append((np.full(len(hits), place), segments.category, segments.score, hits))
    abnormal = np.array([categories[0] not in record.categories for record in records])
    video, category, score, hits = (np.concatenate(column) for column in zip(*parts))
    return Matched(video, category, score, hits, events, abnormal)


def _check(record: VideoRecord, probabilities: np.ndarray, categories: Sequence[str]) -> None:
    values = np.asarray(probabilities)
    if values.ndim != 2 or values.shape[1] != len(categories) or not len(values):
        raise DataError(
            f"video {record.name}: expected class probabilities of shape (snippets, {len(categories)}), got {values.shape}; "
            "give one column per category, the normal one first."
        )
    # NaN fails both comparisons
    if not (values.min() >= 0 and values.max() <= 1 + 1e-6):
        raise DataError(
            f"video {record.name}: class probabilities must be numbers in [0, 1], got {values.min()} to {values.max()}; "
            "apply the softmax to logits, and look for NaN in the features."
        )


def _events(record: VideoRecord, categories: Sequence[str], normal_ground_truth: bool) -> np.ndarray:
    """int64 (E, 3): class, start, end of a video's events."""
    if categories[0] in record.categories:
        spans = [(0, 0, record.num_frames)] if normal_ground_truth else []
    else:
        spans = [(categories.index(category), start, end) for category, start, end in record.events()]
        if not spans:
            raise DataError(
                f"video {record.name}: no events of {' and '.join(record.categories)} are annotated, so they cannot be told "
                "apart; add class_intervals to its line of videos.csv, or leave detection out."
            )
    return np.array(spans, dtype=np.int64).reshape(-1, 3)


def _hits(start: np.ndarray, end: np.ndarray, score: np.ndarray, truth: np.ndarray, ious: Sequence[float]) -> np.ndarray:
    """Which segments of one class in one video are hits, bool (I, S); ``truth`` is int64 (E, 2)."""
    hits = np.zeros((len(ious), len(start)), dtype=bool)
    if not len(truth) or not len(start):
        return hits
    common = np.minimum(end[:, None], truth[:, 1]) - np.maximum(start[:, None], truth[:, 0])
    common = np.maximum(common, 0)
    overlap = common / ((end - start)[:, None] + (truth[:, 1] - truth[:, 0]) - common)
    order = np.argsort(-score, kind="stable")
    for i, iou in enumerate(ious):
        free = overlap.copy()
        for segment in order:
            best = free[segment].argmax()
            if free[segment, best] >= iou:
                hits[i, segment] = True
                free[:, best] = 0
    return hits
