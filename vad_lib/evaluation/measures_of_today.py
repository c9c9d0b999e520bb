"""What papers of today report beside AUC and AP, of one run, in one row."""

import math
from collections.abc import Callable

from vad_lib.errors import UndefinedMetricError
from vad_lib.evaluation import alarms, event_level, operating
from vad_lib.evaluation.macro import macro_auc_of
from vad_lib.evaluation.scored_videos import ScoredVideos

FALSE_POSITIVE_RATE = 0.01  # at whose threshold events are judged


def measures_of_today(scored: ScoredVideos, fps: float | None) -> dict[str, float]:
    """All measures of one run on all its test videos.

    Args:
        scored: scores of a run.
        fps: frames per second of the videos; None if unknown, which leaves out the delay.

    Returns:
        fractions, unless said otherwise: ``auc``, ``ap``; ``macro_auc``, the mean over videos with both classes;
        ``recall_at_1_percent`` and ``recall_at_0.1_percent`` of normal frames; ``partial_auc`` up to 0.1 of them, standardised;
        ``best_f1`` and ``best_f1_threshold`` of frames; ``event_precision_IOU`` and ``event_recall_IOU`` for IoU 0.1, 0.3 and 0.5,
        and ``median_delay_seconds`` of events that are seen, at the threshold of ``recall_at_1_percent``; ``point_adjusted_f1``,
        which random scores reach too; ``latency_weighted_ap``; ``calibration_error``. Thresholds are chosen on the test frames.
        Precision without an alarm, a delay without an event seen and macro AUC without a video of both classes are missing (NaN).

    Raises:
        ConfigError: fps not above 0.
        UndefinedMetricError: frames of one class only.
    """
    threshold = alarms.threshold_at(scored, FALSE_POSITIVE_RATE)
    best = operating.best_f1(scored)
    measures = {
        "auc": scored.value("auc"),
        "ap": scored.value("ap"),
        "macro_auc": _or_missing(macro_auc_of, scored),
        "recall_at_1_percent": operating.recall_at(scored, FALSE_POSITIVE_RATE),
        "recall_at_0.1_percent": operating.recall_at(scored, 0.001),
        "partial_auc": operating.partial_auc(scored),
        "best_f1": best.f1,
        "best_f1_threshold": best.threshold,
    }
    for row in event_level.event_level(scored, threshold).itertuples():
        measures |= {f"event_precision_{row.iou}": row.precision, f"event_recall_{row.iou}": row.recall}
    if fps is not None:
        delays = alarms.detection_delays(scored, threshold, fps).events["delay_seconds"]
        measures["median_delay_seconds"] = float(delays.median())
    return measures | {
        "point_adjusted_f1": event_level.best_point_adjusted_f1(scored).f1,
        "latency_weighted_ap": event_level.latency_weighted_ap(scored),
        "calibration_error": alarms.calibration(scored).expected_error,
    }


def _or_missing(measure: Callable[[ScoredVideos], float], scored: ScoredVideos) -> float:
    try:
        return measure(scored)
    except UndefinedMetricError:
        return math.nan
