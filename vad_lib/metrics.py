"""Frame-level metrics, section 3.1 of the paper (equations 14 to 18): from frame labels and scores to numbers.

All are computed from the abnormal and the normal frames at each distinct score, so that frames of equal score, such as the 16
of a snippet, are taken together. A metric that is not defined (one class only, no alarm) is an error, never 0.5.

Legend: F frames, G distinct scores in decreasing order. A frame is called abnormal if its score reaches the threshold.
"""

from typing import Any, NamedTuple

import numpy as np

from vad_lib.errors import ConfigError, DataError, UndefinedMetricError

_CLASSES = ("normal", "abnormal")
_ROUNDING = 1e-6  # a float32 mean of scores may pass 1 by its last digit


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

    Raises:
        DataError: no abnormal frame; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].
        ConfigError: a threshold outside [0, 1] that is not infinity.

    Example: one of two abnormal frames is found.
        >>> true_positive_rate(np.array([0, 1, 1]), np.array([0.6, 0.5, 0.4]))
        0.5
    """
    check_threshold(threshold)
    labels, scores = checked_frames(labels, scores)
    check_classes(labels, "the true positive rate", needed=(1,))
    return float(np.mean(scores[labels == 1] >= threshold))


def false_positive_rate(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> float:
    """Part of the normal frames that is called abnormal, FPR = FP / (FP + TN) (equation 15).

    Args:
        labels: (F,), 1 abnormal, 0 normal.
        scores: (F,), in [0, 1].
        threshold: a frame is called abnormal if its score is at least this.

    Raises:
        DataError: no normal frame; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].
        ConfigError: a threshold outside [0, 1] that is not infinity.

    Example: one of two normal frames raises an alarm.
        >>> false_positive_rate(np.array([0, 0, 1]), np.array([0.6, 0.4, 0.5]))
        0.5
    """
    check_threshold(threshold)
    labels, scores = checked_frames(labels, scores)
    check_classes(labels, "the false positive rate", needed=(0,))
    return float(np.mean(scores[labels == 0] >= threshold))


# Equation 15's second name. The field often counts normal videos only: vad_lib.evaluation.frame_level.evaluate gives both.
false_alarm_rate = false_positive_rate


def frame_roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve (equation 16): the chance that an abnormal frame outscores a normal one, ties one half.

    Args:
        labels: (F,), 1 abnormal, 0 normal.
        scores: (F,), in [0, 1].

    Raises:
        DataError: one class only; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].

    Example: of the four abnormal-normal pairs three are in order.
        >>> frame_roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        0.75
    """
    _, abnormal, normal = _counts_by_score(labels, scores, "AUC")
    return area_under_roc(abnormal, normal)


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision as a step-wise sum, sum over n of (R_n - R_{n-1}) P_n (equation 17).

    Args:
        labels: (F,), 1 abnormal, 0 normal.
        scores: (F,), in [0, 1].

    Raises:
        DataError: one class only; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].

    Example: a constant score gives the part of abnormal frames.
        >>> average_precision(np.array([0, 0, 0, 1]), np.full(4, 0.5))
        0.25
    """
    _, abnormal, normal = _counts_by_score(labels, scores, "AP")
    return area_by_steps(abnormal, normal)


def pr_auc_trapezoid(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the linearly joined precision-recall curve, which several public codes of the field call AP.

    Takes labels (F,), 1 abnormal, and scores (F,) in [0, 1]. The curve starts at recall 0 and precision 1. The area is larger
    than :func:`average_precision` when many scores are tied.

    Raises:
        DataError: one class only; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].

    Example: a constant score gives (1 + part of abnormal frames) / 2.
        >>> pr_auc_trapezoid(np.array([0, 0, 0, 1]), np.full(4, 0.5))
        0.625
    """
    _, abnormal, normal = _counts_by_score(labels, scores, "the area under the precision-recall curve")
    return area_by_trapezoids(abnormal, normal)


def precision_recall(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> tuple[float, float]:
    """Precision TP / (TP + FP) and recall TP / (TP + FN) at one threshold (equation 18).

    Args:
        labels: (F,), 1 abnormal, 0 normal.
        scores: (F,), in [0, 1].
        threshold: a frame is called abnormal if its score is at least this.

    Raises:
        DataError: no frame is called abnormal, so that precision is not defined; no abnormal frame; lengths differ; NaN; a
            label other than 0 and 1; a score outside [0, 1].
        ConfigError: a threshold outside [0, 1] that is not infinity.

    Example: three alarms, two of them right; both abnormal frames found.
        >>> precision, recall = precision_recall(np.array([0, 1, 1, 0]), np.array([0.7, 0.6, 0.8, 0.1]))
        >>> round(precision, 4), recall
        (0.6667, 1.0)
    """
    recall = true_positive_rate(labels, scores, threshold)
    labels, scores = checked_frames(labels, scores)
    alarms = scores >= threshold
    if not alarms.any():
        raise UndefinedMetricError(f"precision: not defined, no score reaches the threshold {threshold}; lower the threshold.")
    return float(np.mean(labels[alarms])), recall


def roc_curve(labels: np.ndarray, scores: np.ndarray) -> RocCurve:
    """Both rates (equations 14, 15) at every distinct score, of labels (F,), 1 abnormal, and scores (F,) in [0, 1].

    Raises:
        DataError: one class only; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].
    """
    thresholds, abnormal, normal = _counts_by_score(labels, scores, "the ROC curve")
    false_rate, true_rate = np.cumsum(normal) / normal.sum(), np.cumsum(abnormal) / abnormal.sum()
    return RocCurve(np.append(0, false_rate), np.append(0, true_rate), np.append(np.inf, thresholds))


def pr_curve(labels: np.ndarray, scores: np.ndarray) -> PrCurve:
    """Precision and recall (equation 18) at every distinct score, of labels (F,), 1 abnormal, and scores (F,) in [0, 1].

    Raises:
        DataError: one class only; lengths differ; NaN; a label other than 0 and 1; a score outside [0, 1].
    """
    thresholds, abnormal, normal = _counts_by_score(labels, scores, "the precision-recall curve")
    recall = np.cumsum(abnormal) / abnormal.sum()
    return PrCurve(np.append(0, recall), np.append(1, _precision(abnormal, normal)), np.append(np.inf, thresholds))


def area_under_roc(abnormal: np.ndarray, normal: np.ndarray) -> float:
    """Equation 16 from the abnormal and the normal frames at each distinct score, int64 (G,), highest score first."""
    # Twice the area in whole numbers, so that the order of frames cannot move the last digit.
    above = np.cumsum(abnormal) - abnormal
    doubled = np.sum(normal * (2 * above + abnormal))
    return float(doubled / (2 * int(abnormal.sum()) * int(normal.sum())))


def area_by_steps(abnormal: np.ndarray, normal: np.ndarray) -> float:
    """Equation 17 from the abnormal and the normal frames at each distinct score, int64 (G,), highest score first."""
    return float(np.sum(abnormal / abnormal.sum() * _precision(abnormal, normal)))


def area_by_trapezoids(abnormal: np.ndarray, normal: np.ndarray) -> float:
    """:func:`pr_auc_trapezoid` from the abnormal and the normal frames at each distinct score, int64 (G,), highest first."""
    precision = np.append(1, _precision(abnormal, normal))
    return float(np.sum(abnormal / abnormal.sum() * (precision[1:] + precision[:-1]) / 2))


def _precision(abnormal: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return np.cumsum(abnormal) / np.cumsum(abnormal + normal)


def _counts_by_score(labels: np.ndarray, scores: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores, highest first, and the abnormal and the normal frames at each; (G,)."""
    labels, scores = checked_frames(labels, scores)
    check_classes(labels, metric)
    distinct, rank = ranked_scores(scores)
    return distinct, *counts_by_rank(rank, labels)


def ranked_scores(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct scores (G,), highest first, and the place of every frame's score among them, int (F,)."""
    distinct, place = np.unique(scores, return_inverse=True)
    return distinct[::-1], len(distinct) - 1 - place


def counts_by_rank(rank: np.ndarray, labels: np.ndarray, lengths: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Abnormal and normal frames at each rank, int64 (G,); an entry stands for ``lengths`` equal frames, or for one."""
    together = np.bincount(rank, lengths)
    abnormal = np.bincount(rank, labels if lengths is None else labels * lengths, minlength=len(together))
    # with weights numpy adds floats, exact far beyond any number of frames
    return abnormal.astype(np.int64), (together - abnormal).astype(np.int64)


def checked_frames(labels: np.ndarray, scores: np.ndarray, name: str = "frames") -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores as arrays (F,); a DataError that begins with ``name`` if they are no frames that can be measured.

    Tensors of torch are taken as they are, on any device and with a gradient too.
    """
    labels, scores = _plain_numbers(labels, f"{name}, labels"), _plain_numbers(scores, f"{name}, scores")
    if labels.ndim != 1 or scores.ndim != 1:
        raise DataError(f"{name}: expected one label and one score per frame, got shapes {labels.shape} and {scores.shape}.")
    if len(labels) != len(scores):
        raise DataError(f"{name}: {len(labels):,} frame labels but {len(scores):,} frame scores; check frames_per_snippet.")
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


def _plain_numbers(values: Any, what: str) -> np.ndarray:
    if hasattr(values, "detach"):  # of torch, which this module does without
        values = values.detach().cpu()
        values = values.float() if "bfloat16" in str(values.dtype) else values  # numpy has no such type
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{what}: expected whole or real numbers, got {values.dtype}; convert them first.")
    return values


def check_threshold(threshold: float) -> None:
    """A ConfigError unless scores can reach a threshold or not: it is in [0, 1], or infinity, which none reaches."""
    if not (-_ROUNDING <= threshold <= 1 + _ROUNDING or threshold == np.inf):
        raise ConfigError(f"threshold: expected a number in [0, 1], or infinity for no alarm at all, got {threshold}.")


def check_classes(labels: np.ndarray, metric: str, needed: tuple[int, ...] = (0, 1), frames: int | None = None) -> None:
    """An UndefinedMetricError if the labels lack a class that a metric needs.

    Args:
        labels: (F,), 1 abnormal, 0 normal; of frames, or of runs of equal frames.
        metric: its name, for the message.
        needed: labels that must occur.
        frames: number of frames where a label stands for several.
    """
    if missing := [label for label in needed if not (labels == label).any()]:
        wanted = " and ".join(_CLASSES[label] for label in sorted(needed, reverse=True))
        raise UndefinedMetricError(
            f"{metric}: not defined, it needs {wanted} frames and all {frames or len(labels):,} frames are "
            f"{_CLASSES[1 - missing[0]]}; check the intervals or add videos of the other class."
        )
