"""Fine-grained evaluation: which category, and when. Detection mAP over IoU, and the category of whole videos.

Detection takes class probabilities over time, cuts each class's curve into segments, and asks how well they overlap the
annotated events of that class. Two variants differ in what is averaged:

* ``vadclip_code``: as the released code of VadCLIP (Wu et al., AAAI 2024) computes it. The segments of all videos count,
  the mean is over all classes, the normal one included, and a class without any segment makes it 0. Published numbers are
  of this kind. UCF-Crime has no ground truth for the normal class, so that perfect scores reach 13/14 there.
* ``abnormal_only``: segments of abnormal videos, mean over the abnormal classes that have events. What VadCLIP's paper
  describes.

Both have the segments, their scores and the matching in common. All results are fractions.

Legend: T snippets, F frames, C classes (index 0 is normal), I thresholds of IoU, V videos, S segments, B resamples.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoRecord
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation.frame_level import check_videos
from vad_lib.evaluation.scoring import Tail, snippet_frames

Variant = Literal["vadclip_code", "abnormal_only"]

VARIANTS: tuple[Variant, ...] = get_args(Variant)

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


class Detection(NamedTuple):
    """Detection of one test set.

    Attributes:
        ap: float64 (I, C), average precision in [0, 1]; 0 for a class without events or without a hit.
        num_segments: int64 (C,), predicted.
        num_events: int64 (C,), annotated.
    """

    ap: np.ndarray
    num_segments: np.ndarray
    num_events: np.ndarray


def predicted_segments(probabilities: np.ndarray, frames: np.ndarray) -> Segments:
    """Cut each class's probability curve of one video into scored segments.

    With p the curve of a class over the F frames, a segment is a maximal run of frames with
    p > max - 0.6 (max - min), two frames or longer. Its score is the largest p in it plus 0.7 times the video's score for
    the class, the mean of the F // 16 largest p. A constant curve has no segment.

    Args:
        probabilities: float (T, C), in [0, 1].
        frames: int (T,), frames that each row stands for, see :func:`vad_lib.evaluation.scoring.frame_scores`.

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

    Args and errors: as :func:`detect`, which checks the IoUs.
    """
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
    return Matched(*(np.concatenate(column) for column in zip(*parts)), events, abnormal)


def detect(
    probabilities: Mapping[str, np.ndarray],
    records: Sequence[VideoRecord],
    categories: Sequence[str],
    variant: Variant = "vadclip_code",
    *,
    normal_ground_truth: bool = False,
    ious: Sequence[float] = IOUS,
    frames_per_snippet: int = FRAMES_PER_SNIPPET,
    tail: Tail = "exact",
) -> Detection:
    """Average precision of every class at every IoU, from class probabilities: :func:`matched_segments`, then :func:`class_ap`.

    Args:
        probabilities: per video float (T, C), in [0, 1].
        records: the test videos; their events are the ground truth.
        categories: names, the normal one first, in the order of the columns.
        variant: ``abnormal_only`` leaves out the segments of normal videos.
        normal_ground_truth: True if the whole of each normal video counts as one event of the normal class, as in VadCLIP's
            files of XD-Violence; False if normal videos have no event, as in those of UCF-Crime.
        ious: thresholds, in (0, 1].
        frames_per_snippet: frames that one row stands for; 1 for probabilities of frames.
        tail: see :func:`vad_lib.evaluation.scoring.frame_scores`.

    Raises:
        DataError: videos missing, surplus or listed twice; another number of snippets or classes than expected; NaN; a
            probability outside [0, 1]; an abnormal video without events, or no event at all.
        ConfigError: unknown variant, or an IoU outside (0, 1].
    """
    if variant not in VARIANTS or not all(0 < iou <= 1 for iou in ious):
        raise ConfigError(f"detection: expected a variant of {', '.join(VARIANTS)} and IoUs in (0, 1], got {variant!r}, {ious}.")
    matched = matched_segments(
        probabilities,
        records,
        categories,
        normal_ground_truth=normal_ground_truth,
        ious=ious,
        frames_per_snippet=frames_per_snippet,
        tail=tail,
    )
    return class_ap(matched, variant)


def class_ap(matched: Matched, variant: Variant = "vadclip_code") -> Detection:
    """Average precision of every class at every IoU.

    The segments of a class are gone through over all videos in decreasing score, ties in the order of the videos. AP is the
    sum of the precision at each hit, divided by the number of events.

    Raises:
        DataError: no event at all.
    """
    once = np.ones((1, len(matched.abnormal_video)))
    ap, num_segments, num_events = _weighted_ap(matched, once, variant)
    if not num_events.any():
        raise DataError("detection: expected annotated events, got none; add intervals or class_intervals to the test videos.")
    return Detection(ap[0], num_segments[0].astype(np.int64), num_events[0].astype(np.int64))


def _weighted_ap(matched: Matched, counts: np.ndarray, variant: Variant) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AP (B, I, C), segments (B, C) and events (B, C) if each video stands there as often as ``counts``, (B, V), says."""
    if variant == "abnormal_only":
        counts = counts * matched.abnormal_video
    num_events = counts @ matched.events
    num_segments = np.zeros_like(num_events)
    ap = np.zeros((len(counts), matched.hits.shape[1], num_events.shape[1]))
    for c in range(num_events.shape[1]):
        own = np.flatnonzero(matched.category == c)
        own = own[np.argsort(-matched.score[own], kind="stable")]
        videos = matched.video[own]
        num_segments[:, c] = counts @ np.bincount(videos, minlength=counts.shape[1])
        for i, hits in enumerate(matched.hits[own].T):
            places = np.flatnonzero(hits)
            # precision counts at hits only, so all segments from one hit to the next stand together: (hits, V)
            upto = places[-1] + 1 if len(places) else 0
            between = np.zeros((len(places), counts.shape[1]))
            np.add.at(between, (np.searchsorted(places, np.arange(upto)), videos[:upto]), 1)
            found, seen = counts[:, videos[places]], np.cumsum(counts @ between.T, axis=1)
            # copies of a video have one rank; where nothing was drawn yet, nothing is added either
            precision = np.cumsum(found, axis=1) / np.maximum(seen, 1)
            ap[:, i, c] = (found * precision).sum(axis=1) / np.maximum(num_events[:, c], 1)
    return ap, num_segments, num_events


def resampled_map(matched: Matched, counts: np.ndarray, variant: Variant) -> np.ndarray:
    """mAP, the mean over IoUs, on many resamples of the test videos.

    Args:
        matched: from :func:`matched_segments`.
        counts: (B, V), how often each video was drawn. Copies of a video share a rank.
        variant: as in :func:`mean_ap`; classes without events in a resample are left out of ``abnormal_only``'s mean.

    Returns:
        float64 (B,), fractions; each video once gives :func:`mean_ap`'s mean over IoUs.
    """
    ap, num_segments, num_events = _weighted_ap(matched, counts, variant)
    if variant == "vadclip_code":
        return ap.mean(axis=(1, 2)) * num_segments.all(axis=1)
    there = num_events[:, 1:] > 0
    return ap[:, :, 1:].mean(axis=1).sum(axis=1, where=there) / np.maximum(there.sum(axis=1), 1)


def mean_ap(detection: Detection, variant: Variant = "vadclip_code") -> np.ndarray:
    """mAP at every IoU, float64 (I,), a fraction: the mean over classes that the variant asks for (top of this module).

    Raises:
        DataError: ``abnormal_only`` and no abnormal class has an event.
    """
    if variant == "vadclip_code":
        return detection.ap.mean(axis=1) * bool(detection.num_segments.all())
    chosen = np.flatnonzero(detection.num_events[1:]) + 1
    if not len(chosen):
        raise DataError("mAP: expected events of abnormal categories, got none; add class_intervals to the test videos.")
    return detection.ap[:, chosen].mean(axis=1)


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
