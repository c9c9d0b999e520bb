"""From frame scores and frame labels to numbers (equations 14 to 18); numpy only.

One sort serves all of them: the distinct scores are ranked once, and each metric is a sum over the
numbers of abnormal and normal frames that share a score. Tied frames are therefore always one group,
which matters here: the 16 frames of a snippet have the same score.

A metric that is not defined (frames of one class only, nothing predicted abnormal) is an error, never 0.5.
All results are fractions.

Legend: F frames, G distinct scores in decreasing order, V videos, P abnormal and N normal frames.
"""

from typing import NamedTuple

import numpy as np

from vad_lib.errors import DataError

_ROUNDING = 1e-6  # a float32 weighted mean of scores may pass 1 by its last digit


class RocCurve(NamedTuple):
    """Points of the ROC curve, from (0, 0) to (1, 1); float64 (G + 1,) each, thresholds decreasing from infinity."""

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    thresholds: np.ndarray


class PrCurve(NamedTuple):
    """Points of the precision-recall curve, from recall 0 and precision 1; float64 (G + 1,) each, thresholds decreasing."""

    recall: np.ndarray
    precision: np.ndarray
    thresholds: np.ndarray


def true_positive_rate(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> float:
    """Part of the abnormal frames that is called abnormal, TPR = TP / (TP + FN) (equation 14).

    Args:
        labels: (F,), 1 abnormal, 0 normal.
        scores: (F,), in [0, 1].
        threshold: a frame is called abnormal if its score is at least this.

    Returns:
        fraction in [0, 1].

    Raises:
        DataError: no abnormal frame; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].

    Example: one of two abnormal frames is found.
        >>> true_positive_rate(np.array([0, 1, 1]), np.array([0.6, 0.5, 0.4]))
        0.5
    """
    labels, scores = checked_arrays(labels, scores)
    require_classes(labels, abnormal=True, normal=False, metric="the true positive rate")
    return float(np.mean(scores[labels == 1] >= threshold))


def false_positive_rate(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> float:
    """Part of the normal frames that is called abnormal, FPR = FP / (FP + TN) (equation 15).

    Args and errors as in :func:`true_positive_rate`, but at least one normal frame is needed.

    Example: one of two normal frames raises an alarm.
        >>> false_positive_rate(np.array([0, 0, 1]), np.array([0.6, 0.4, 0.5]))
        0.5
    """
    labels, scores = checked_arrays(labels, scores)
    require_classes(labels, abnormal=False, normal=True, metric="the false positive rate")
    return float(np.mean(scores[labels == 0] >= threshold))


# Equation 15 gives the false positive rate this second name. The field reports it over the frames of
# normal videos, the paper's formula reads as over all normal frames: `evaluate` gives both.
false_alarm_rate = false_positive_rate


def precision_recall(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> tuple[float, float]:
    """Precision TP / (TP + FP) and recall TP / (TP + FN) at one threshold (equation 18).

    Args and errors as in :func:`true_positive_rate`; also a DataError if no frame is called abnormal,
    because precision is then not defined.

    Example: three alarms, two of them right; both abnormal frames found.
        >>> precision, recall = precision_recall(np.array([0, 1, 1, 0]), np.array([0.7, 0.6, 0.8, 0.1]))
        >>> round(precision, 4), recall
        (0.6667, 1.0)
    """
    labels, scores = checked_arrays(labels, scores)
    recall = true_positive_rate(labels, scores, threshold)
    alarms = scores >= threshold
    if not alarms.any():
        raise DataError(f"precision: not defined, no score reaches the threshold {threshold}; lower the threshold.")
    return float(np.mean(labels[alarms])), recall


def frame_roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve (equation 16): the chance that an abnormal frame outscores a normal one, ties one half.

    Args:
        labels: (F,), 1 abnormal, 0 normal.
        scores: (F,), in [0, 1].

    Returns:
        fraction in [0, 1].

    Raises:
        DataError: one class only; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].

    Example: of the four abnormal-normal pairs three are in order.
        >>> frame_roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        0.75
    """
    _, *counts = _ranked(labels, scores, "AUC")
    return area_under_roc(*counts)


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision as a step-wise sum, sum over n of (R_n - R_{n-1}) P_n (equation 17).

    Args, errors as in :func:`frame_roc_auc`.

    Example: a constant score gives the part of abnormal frames.
        >>> average_precision(np.array([0, 0, 0, 1]), np.full(4, 0.5))
        0.25
    """
    _, *counts = _ranked(labels, scores, "AP")
    return area_by_steps(*counts)


def pr_auc_trapezoid(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the linearly joined precision-recall curve, with recall 0 and precision 1 put in front.

    Several public codes of the field call this AP. It is larger than :func:`average_precision` when many
    scores are tied, so both are reported. Args, errors as in :func:`frame_roc_auc`.

    Example: a constant score gives (1 + part of abnormal frames) / 2.
        >>> pr_auc_trapezoid(np.array([0, 0, 0, 1]), np.full(4, 0.5))
        0.625
    """
    _, *counts = _ranked(labels, scores, "the area under the precision-recall curve")
    return area_by_trapezoids(*counts)


def roc_curve(labels: np.ndarray, scores: np.ndarray) -> RocCurve:
    """The curve whose area is :func:`frame_roc_auc`; args, errors as there."""
    values, abnormal, normal = _ranked(labels, scores, "the ROC curve")
    return RocCurve(
        np.append(0, np.cumsum(normal) / normal.sum()),
        np.append(0, np.cumsum(abnormal) / abnormal.sum()),
        np.append(np.inf, values),
    )


def pr_curve(labels: np.ndarray, scores: np.ndarray) -> PrCurve:
    """Precision and recall (equation 18) at every distinct score; args, errors as in :func:`frame_roc_auc`."""
    values, abnormal, normal = _ranked(labels, scores, "the precision-recall curve")
    found = np.cumsum(abnormal)
    return PrCurve(
        np.append(0, found / abnormal.sum()),
        np.append(1, found / (found + np.cumsum(normal))),
        np.append(np.inf, values),
    )


def area_under_roc(abnormal: np.ndarray, normal: np.ndarray) -> float:
    # Twice the area in whole numbers, so that the order of frames cannot move the last digit.
    above = np.cumsum(abnormal) - abnormal
    doubled = np.sum(normal * (2 * above + abnormal))
    return float(doubled / (2 * int(abnormal.sum()) * int(normal.sum())))


def area_by_steps(abnormal: np.ndarray, normal: np.ndarray) -> float:
    return float(np.sum(abnormal / abnormal.sum() * _precision(abnormal, normal)))


def area_by_trapezoids(abnormal: np.ndarray, normal: np.ndarray) -> float:
    precision = np.append(1, _precision(abnormal, normal))
    return float(np.sum(abnormal / abnormal.sum() * (precision[1:] + precision[:-1]) / 2))


def _precision(abnormal: np.ndarray, normal: np.ndarray) -> np.ndarray:
    found = np.cumsum(abnormal)
    return found / (found + np.cumsum(normal))


def _ranked(labels: np.ndarray, scores: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores in decreasing order, and the abnormal and the normal frames at each; int64 (G,)."""
    labels, scores = checked_arrays(labels, scores)
    require_classes(labels, abnormal=True, normal=True, metric=metric)
    values, rank = distinct_scores(scores)
    return values, *rank_counts(rank, labels)


def distinct_scores(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct scores in decreasing order (G,), and the place of every frame among them (F,)."""
    values, rank = np.unique(scores, return_inverse=True)
    return values[::-1], len(values) - 1 - rank


def rank_counts(rank: np.ndarray, labels: np.ndarray, lengths: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Abnormal and normal frames at each rank, int64 (G,); an entry stands for ``lengths`` frames, or for one."""
    together = np.bincount(rank, lengths)
    abnormal = np.bincount(rank, labels if lengths is None else labels * lengths, minlength=len(together))
    # with weights numpy adds floats, exact far beyond any number of frames
    return abnormal.astype(np.int64), (together - abnormal).astype(np.int64)


def checked_arrays(labels: np.ndarray, scores: np.ndarray, name: str = "frames") -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 1 or scores.ndim != 1:
        raise DataError(f"{name}: expected one label and one score per frame, got shapes {labels.shape} and {scores.shape}.")
    if len(labels) != len(scores):
        raise DataError(
            f"{name}: {len(labels):,} frame labels but {len(scores):,} frame scores; check frames_per_snippet or the trimming rule."
        )
    if not len(labels):
        raise DataError(f"{name}: expected at least one frame, got none; remove the video from the list.")
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"{name}: labels must be 0 (normal) or 1 (abnormal), got {np.unique(labels)[:5].tolist()}.")
    # NaN fails both comparisons, so it is caught by the same line.
    if not (scores.min() >= -_ROUNDING and scores.max() <= 1 + _ROUNDING):
        raise DataError(
            f"{name}: scores must be numbers in [0, 1], got {scores.min()} to {scores.max()}; "
            "apply the sigmoid to logits, and look for NaN in the features."
        )
    return labels, scores


def require_classes(labels: np.ndarray, *, abnormal: bool, normal: bool, metric: str, frames: int | None = None) -> None:
    has_abnormal, has_normal = bool((labels == 1).any()), bool((labels == 0).any())
    if (abnormal and not has_abnormal) or (normal and not has_normal):
        found = "abnormal" if has_abnormal else "normal"
        wanted = "abnormal and normal" if abnormal and normal else "abnormal" if abnormal else "normal"
        raise DataError(
            f"{metric}: not defined, it needs {wanted} frames and all {frames or len(labels):,} frames are {found}; "
            "check the intervals or add videos of the other class."
        )
