"""Where on its curve a method is used: recall at few false alarms, the left end of the ROC curve, the best F1.

All is computed from the abnormal and the normal frames at each distinct score, exact with ties. All values are fractions.
Legend: P pieces (snippets), G distinct scores in decreasing order, V test videos, B draws of the videos.
"""

from typing import NamedTuple

import numpy as np
from scipy import integrate, sparse

from vad_lib import metrics
from vad_lib.errors import ConfigError, UndefinedMetricError
from vad_lib.evaluation.alarms import check_rate, threshold_at
from vad_lib.evaluation.scored_videos import ScoredVideos

_BLOCK = 250  # distinct scores that are counted at once; a rate of 1 % is often reached within a few hundred


class Reached(NamedTuple):
    """Frames with a score of at least each distinct one, (G,) each.

    Attributes:
        thresholds: the distinct scores, decreasing.
        found: int64, abnormal frames that reach it; the last entry counts all of them.
        false: int64, normal frames that reach it.
    """

    thresholds: np.ndarray
    found: np.ndarray
    false: np.ndarray


class BestF1(NamedTuple):
    """The highest F1, and the highest threshold that gives it; fractions."""

    f1: float
    threshold: float


def frames_reached(scored: ScoredVideos, metric: str) -> Reached:
    """Abnormal and normal frames at or above every distinct score of a run.

    Args:
        scored: scores of a run.
        metric: what they are counted for, for the message.

    Raises:
        UndefinedMetricError: the run has frames of one class only.
    """
    if not (scored.abnormal.any() and scored.normal.any()):
        raise UndefinedMetricError(
            f"{metric} of {scored.title}: not defined, it needs abnormal and normal frames; add test videos of the other class."
        )
    thresholds, rank = metrics.ranked_scores(scored.score)
    counted = (np.bincount(rank, frames) for frames in (scored.abnormal, scored.normal))
    return Reached(thresholds, *(np.cumsum(frames).astype(np.int64) for frames in counted))


def recall_at(scored: ScoredVideos, rate: float) -> float:
    """Part of the abnormal frames found when at most ``rate`` of the normal frames are called abnormal.

    The threshold is :func:`vad_lib.evaluation.alarms.threshold_at`, set on the test frames themselves, so this is an upper bound
    of what a threshold set on other footage would find. Nothing is interpolated: where scores are tied, the threshold stays
    on the side of fewer false alarms.

    Args:
        scored: scores of a run.
        rate: false positive rate in [0, 1), such as 0.01 or 0.001.

    Raises:
        ConfigError: a rate outside [0, 1).
        UndefinedMetricError: no abnormal or no normal frame.
    """
    frames_reached(scored, f"recall at a false positive rate of {rate:g}")
    return float(scored.abnormal[scored.score >= threshold_at(scored, rate)].sum() / scored.abnormal.sum())


def recall_on_draws(scored: ScoredVideos, counts: np.ndarray, rate: float) -> np.ndarray:
    """:func:`recall_at` on many draws of the test videos, the threshold set anew on the normal frames of each draw.

    From the highest score down, frames are counted until every draw has had too many false alarms; a video that was drawn twice
    counts twice.

    Args:
        scored: scores of a run.
        counts: (B, V), how often each video was drawn.
        rate: false positive rate in [0, 1).

    Returns:
        float64 (B,).

    Raises:
        ConfigError: a rate outside [0, 1).
        UndefinedMetricError: a draw has frames of one class only.
    """
    check_rate(rate)
    drawn = np.asarray(counts, dtype=np.float64).T
    num_abnormal, num_normal = scored.abnormal_frames @ drawn, scored.normal_frames @ drawn
    if not (num_abnormal.all() and num_normal.all()):
        raise UndefinedMetricError(
            f"recall of {scored.title}: not defined, a choice of videos has no abnormal or no normal frames; add test videos of "
            "the other class."
        )
    thresholds, rank = metrics.ranked_scores(scored.score)
    pieces, shape = (rank, scored.video), (len(thresholds), len(scored.videos))
    abnormal, normal = (sparse.csr_array((frames, pieces), shape=shape) for frames in (scored.abnormal, scored.normal))
    found, false = np.zeros(drawn.shape[1]), np.zeros(drawn.shape[1])
    for start in range(0, len(thresholds), _BLOCK):
        block = slice(start, start + _BLOCK)
        reached = false + np.cumsum(normal[block] @ drawn, axis=0)  # (block, B) normal frames with this score or a higher one
        allowed = reached / num_normal <= rate  # in each draw true down to its threshold, then false
        found += ((abnormal[block] @ drawn) * allowed).sum(axis=0)
        if not allowed[-1].any():
            break
        false = reached[-1]
    return found / num_abnormal


def partial_auc(scored: ScoredVideos, max_rate: float = 0.1, *, standardised: bool = True) -> float:
    """Area under the ROC curve from false positive rate 0 to ``max_rate``.

    Points of the curve are joined by straight lines, also at ``max_rate`` itself. Standardised (McClish, 1989), a method at chance
    has 0.5 and a perfect one 1, as in ``sklearn.metrics.roc_auc_score(max_fpr=...)``; not standardised, it is the area itself,
    from ``max_rate ** 2 / 2`` at chance to ``max_rate``.

    Args:
        scored: scores of a run.
        max_rate: false positive rate in (0, 1].
        standardised: whether chance is 0.5 and the best 1.

    Raises:
        ConfigError: a rate outside (0, 1].
        UndefinedMetricError: frames of one class only.
    """
    if not 0 < max_rate <= 1:
        raise ConfigError(f"partial AUC: expected a largest false positive rate in (0, 1], got {max_rate}.")
    _, found, false = frames_reached(scored, "partial AUC")
    rate, recall = np.append(0, false / false[-1]), np.append(0, found / found[-1])
    inside = int(np.searchsorted(rate, max_rate, side="right"))
    end = np.interp(max_rate, rate, recall)  # of several points with one rate the last, the top of a vertical part
    area = float(integrate.trapezoid(np.append(recall[:inside], end), np.append(rate[:inside], max_rate)))
    chance = max_rate**2 / 2
    return (1 + (area - chance) / (max_rate - chance)) / 2 if standardised else area


def best_f1(scored: ScoredVideos) -> BestF1:
    """The highest F1 of frames over all thresholds, F1 = 2 TP / (2 TP + FP + FN), and the threshold it needs.

    The threshold is chosen on the test frames that it is then judged on, so the value is an upper bound; a method that is used
    has to set it on other footage.

    Args:
        scored: scores of a run.

    Raises:
        UndefinedMetricError: frames of one class only.
    """
    return highest_f1(frames_reached(scored, "F1"))


def highest_f1(reached: Reached) -> BestF1:
    """The highest F1 over thresholds, from what each of them finds."""
    f1 = 2 * reached.found / (reached.found + reached.false + reached.found[-1])  # TP + FN is all abnormal frames
    best = int(f1.argmax())
    return BestF1(float(f1[best]), float(reached.thresholds[best]))
