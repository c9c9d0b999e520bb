"""Detection mAP over IoU: which category, and when.

Class probabilities over time are cut into segments and matched with the annotated events
(:mod:`vad_lib.evaluation.event_matching`); here the matches become average precision and its mean. Two conventions differ in
what is averaged:

* ``vadclip_code``: as the released code of VadCLIP (Wu et al., AAAI 2024) computes it. The segments of all videos count,
  the mean is over all classes, the normal one included, and a class without any segment makes it 0. Published numbers are
  of this kind. UCF-Crime has no ground truth for the normal class, so that perfect scores reach 13/14 there.
* ``abnormal_only``: segments of abnormal videos, mean over the abnormal classes that have events. What VadCLIP's paper
  describes.

All results are fractions.

Legend: T snippets, C classes (index 0 is normal), I thresholds of IoU, V videos, S segments, H hits, B draws of the test videos.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import sparse

from vad_lib.errors import UndefinedMetricError, one_of
from vad_lib.evaluation.event_matching import Matched

Convention = Literal["vadclip_code", "abnormal_only"]

CONVENTIONS: tuple[Convention, ...] = get_args(Convention)


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


def class_ap(matched: Matched, convention: Convention = "vadclip_code") -> Detection:
    """Average precision of every class at every IoU.

    The segments of a class are gone through over all videos in decreasing score, equal ones in the order of the videos (scores
    are sums: two that should be equal may differ in the last digit, and that decides). AP is the sum of the precision at each hit,
    divided by the number of events.

    Args:
        matched: from :func:`vad_lib.evaluation.event_matching.matched_segments`.
        convention: ``vadclip_code`` takes the segments of all videos, ``abnormal_only`` those of abnormal ones.

    Raises:
        UndefinedMetricError: no event at all.
    """
    once = np.ones((1, len(matched.abnormal_video)))
    ap, num_segments, num_events = _weighted_ap(matched, once, convention)
    if not num_events.any():
        raise UndefinedMetricError(
            "detection: expected annotated events, got none; add intervals or class_intervals to the test videos."
        )
    return Detection(ap[0], num_segments[0].astype(np.int64), num_events[0].astype(np.int64))


def mean_ap(detection: Detection, convention: Convention = "vadclip_code") -> np.ndarray:
    """mAP at every IoU, float64 (I,), a fraction.

    Args:
        detection: average precision of every class.
        convention: ``vadclip_code``, the mean over all classes, 0 if one of them has no segment; ``abnormal_only``, over the
            abnormal classes that have events.

    Raises:
        UndefinedMetricError: ``abnormal_only`` and no abnormal class has an event.
    """
    one_of(convention, CONVENTIONS, "detection, convention")
    if convention == "vadclip_code":
        return detection.ap.mean(axis=1) * bool(detection.num_segments.all())
    chosen = np.flatnonzero(detection.num_events[1:]) + 1
    if not len(chosen):
        raise UndefinedMetricError("mAP: expected events of abnormal categories, got none; add class_intervals to the test videos.")
    return detection.ap[:, chosen].mean(axis=1)


def map_on_draws(matched: Matched, counts: np.ndarray, convention: Convention) -> np.ndarray:
    """mAP, the mean over IoUs, on many draws of the test videos.

    Args:
        matched: from :func:`vad_lib.evaluation.event_matching.matched_segments`.
        counts: (B, V), how often each video was drawn. Copies of a video share a rank.
        convention: ``vadclip_code``, the mean over all classes; ``abnormal_only``, over the abnormal classes that have events
            in the draw.

    Returns:
        float64 (B,), fractions; each video once gives the mean over IoUs of :func:`mean_ap`.
    """
    ap, num_segments, num_events = _weighted_ap(matched, counts, convention)
    if convention == "vadclip_code":
        return ap.mean(axis=(1, 2)) * num_segments.all(axis=1)
    there = num_events[:, 1:] > 0
    return ap[:, :, 1:].mean(axis=1).sum(axis=1, where=there) / np.maximum(there.sum(axis=1), 1)


def _weighted_ap(matched: Matched, counts: np.ndarray, convention: Convention) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AP (B, I, C), segments (B, C) and events (B, C) if each video stands there as often as ``counts``, (B, V), says."""
    one_of(convention, CONVENTIONS, "detection, convention")
    if convention == "abnormal_only":
        counts = counts * matched.abnormal_video
    num_events = counts @ matched.events
    num_segments = np.zeros_like(num_events)
    ap = np.zeros((len(counts), matched.hits.shape[1], num_events.shape[1]))
    drawn = np.ascontiguousarray(counts.T, dtype=np.float64)  # (V, B): the draws of a video lie side by side
    for c in range(num_events.shape[1]):
        own = np.flatnonzero(matched.category == c)
        own = own[np.argsort(-matched.score[own], kind="stable")]
        videos = matched.video[own]
        num_segments[:, c] = counts @ np.bincount(videos, minlength=counts.shape[1])
        for i, hits in enumerate(matched.hits[own].T):
            ap[:, i, c] = _sum_of_precisions(np.flatnonzero(hits), videos, drawn) / np.maximum(num_events[:, c], 1)
    return ap, num_segments, num_events


def _sum_of_precisions(places: np.ndarray, videos: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Sum of the precision at each hit, float64 (B,).

    Args:
        places: int64 (H,), of the hits among the segments of a class.
        videos: int64 (S,), of the segments, in decreasing score.
        drawn: float64 (V, B), how often each video was drawn.
    """
    if not len(places):
        return np.zeros(drawn.shape[1])
    # precision counts at hits only, so all segments from one hit to the next stand together
    upto = places[-1] + 1
    cells = (np.searchsorted(places, np.arange(upto)), videos[:upto])
    between = sparse.csr_array((np.ones(upto), cells), shape=(len(places), len(drawn)))
    found, seen = drawn[videos[places]], np.cumsum(between @ drawn, axis=0)  # (H, B)
    # copies of a video have one rank; where nothing was drawn yet, nothing is added either
    precision = np.cumsum(found, axis=0) / np.maximum(seen, 1)
    return np.einsum("hb,hb->b", found, precision)
