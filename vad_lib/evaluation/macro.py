"""Macro AUC: the mean over videos of the AUC of each video, beside the micro AUC over the frames of all videos.

Micro AUC is :func:`vad_lib.metrics.frame_roc_auc`. Both are called AUC in papers on Ped2, Avenue and ShanghaiTech, often without a
word on which it is. Micro AUC asks whether one threshold serves all videos, macro AUC whether scores are in order within each
video. A video with frames of one class has no AUC, so macro AUC needs a convention for it.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from vad_lib.errors import UndefinedMetricError, one_of
from vad_lib.evaluation.frame_level import check_videos
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.metrics import checked_frames, frame_roc_auc

OneClass = Literal["pad", "pad-all", "leave-out"]


def macro_auc(labels: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray], one_class: OneClass = "pad") -> float:
    """Mean over videos of the area under the ROC curve of each (Georgescu et al., TPAMI 2021).

    Args:
        labels: per video (F_v,), 1 abnormal, 0 normal.
        scores: per video (F_v,), in [0, 1].
        one_class: what is done about videos with frames of one class. ``pad``: they get a normal frame of score 0 in front and
            an abnormal frame of score 1 behind, and nearly always an AUC of 1. ``pad-all``: all videos get these two frames, as in
            the script of UBnormal (Acsintoae et al., CVPR 2022), which raises the AUC of short videos. ``leave-out``: the mean is
            over the other videos.

    Returns:
        in [0, 1].

    Raises:
        UndefinedMetricError: no video has an AUC.
        DataError: videos missing or surplus in ``scores``; lengths differ; NaN; a score outside [0, 1].
        ConfigError: unknown ``one_class``.

    Example: one of two videos has both classes, its scores are out of order.
        >>> labels = {"a": np.array([0, 1]), "b": np.array([1, 1])}
        >>> scores = {"a": np.array([0.6, 0.4]), "b": np.array([0.2, 0.3])}
        >>> macro_auc(labels, scores), macro_auc(labels, scores, "leave-out")
        (0.5, 0.0)
    """
    found = video_aucs(labels, scores, one_class)
    if not found:
        raise UndefinedMetricError(
            "macro AUC: not defined, no video has both normal and abnormal frames; pad videos of one class, or use other videos."
        )
    return float(np.mean(list(found.values())))


def video_aucs(labels: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray], one_class: OneClass = "pad") -> dict[str, float]:
    """AUC of each video; see :func:`macro_auc`, whose arguments and errors these are.

    Returns:
        AUC by video, in the order of ``labels``; without videos of one class if these are left out.
    """
    one_of(one_class, get_args(OneClass), "macro AUC, one_class")
    check_videos(tuple(labels), scores, "scores")
    found = {}
    for video in labels:
        label, score = checked_frames(labels[video], scores[video], f"video {video}")
        both = 0 < label.sum() < len(label)
        if one_class == "leave-out" and not both:
            continue
        if one_class == "pad-all" or not both:
            label, score = np.concatenate(([0], label, [1])), np.concatenate(([0.0], score, [1.0]))
        found[video] = frame_roc_auc(label, score)
    return found


def macro_auc_of(scored: ScoredVideos, one_class: OneClass = "leave-out") -> float:
    """Macro AUC of a run's test videos; see :func:`macro_auc` for what is done about videos of one class.

    Args:
        scored: scores of a run.
        one_class: ``leave-out``, ``pad`` or ``pad-all``.

    Raises:
        UndefinedMetricError: no video has an AUC.
    """
    frames = np.stack([scored.abnormal, scored.normal], axis=1)
    labels = np.repeat(np.tile([1, 0], len(frames)), frames.ravel())
    scores = np.repeat(scored.score, frames.sum(axis=1))
    ends = np.cumsum(scored.abnormal_frames + scored.normal_frames)[:-1]
    parts = zip(scored.videos, np.split(labels, ends), np.split(scores, ends))
    by_video = {video: (label, score) for video, label, score in parts}
    return macro_auc({v: label for v, (label, _) in by_video.items()}, {v: score for v, (_, score) in by_video.items()}, one_class)
