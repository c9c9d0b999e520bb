"""Events instead of frames: which are found, how many alarms are right, and how early.

An event is a run of abnormal frames within a video, an alarm a maximal run of frames at or above a threshold.
Legend: P pieces (snippets), E events, S alarms, G distinct scores.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from vad_lib.errors import ConfigError, UndefinedMetricError
from vad_lib.evaluation.operating import BestF1, frames_reached, highest_f1
from vad_lib.evaluation.scored_videos import ScoredVideos

IOUS = (0.1, 0.3, 0.5)


def alarm_segments(scored: ScoredVideos, threshold: float) -> np.ndarray:
    """Maximal runs of frames at or above a threshold, within each video.

    Args:
        scored: scores of a run.
        threshold: a frame is called abnormal if its score is at least this.

    Returns:
        int64 (S, 3): place of the video, first frame, and the frame after the last, in the order of the pieces.
    """
    alarm, lengths = scored.score >= threshold, scored.abnormal + scored.normal
    goes_on = alarm[1:] & alarm[:-1] & (np.diff(scored.video) == 0)
    first, last = alarm & ~np.append(False, goes_on), alarm & ~np.append(goes_on, False)
    ends, video = np.cumsum(lengths), scored.video[first]
    offset = scored.first_frames[video]
    return np.column_stack([video, (ends - lengths)[first] - offset, ends[last] - offset]).astype(np.int64)


def event_level(scored: ScoredVideos, threshold: float, ious: Sequence[float] = IOUS) -> pd.DataFrame:
    """Event-level precision and recall: alarms are matched one to one with the annotated events that they overlap enough.

    Of all one-to-one matchings one with the most pairs is taken, so neither the order of events nor a ranking of alarms plays a
    part. An alarm over two events finds one of them; two alarms in one event are one right and one false.

    Args:
        scored: scores of a run.
        threshold: a frame is called abnormal if its score is at least this.
        ious: least overlap of a pair, frames of both over frames of either, each in (0, 1].

    Returns:
        one row per IoU: ``iou``, ``alarms``, ``events``, ``matched``, ``precision`` (matched / alarms, missing without alarms),
        ``recall`` (matched / events) and ``f1``.

    Raises:
        ConfigError: an IoU outside (0, 1].
        UndefinedMetricError: no event.
    """
    if not all(0 < iou <= 1 for iou in ious):
        raise ConfigError(f"event-level metrics: expected IoUs in (0, 1], got {tuple(ious)}.")
    _check_events(scored)
    alarms, events = alarm_segments(scored, threshold), scored.events
    which, of, overlap = _overlapping(alarms, events)
    rows = []
    for iou in ious:
        enough = overlap >= iou
        pairs = sparse.csr_array((np.ones(enough.sum()), (which[enough], of[enough])), shape=(len(alarms), len(events)))
        matched = int((csgraph.maximum_bipartite_matching(pairs, perm_type="column") >= 0).sum()) if enough.any() else 0
        precision = matched / len(alarms) if len(alarms) else np.nan
        f1 = 2 * matched / (len(alarms) + len(events))
        rows.append((iou, len(alarms), len(events), matched, precision, matched / len(events), f1))
    return pd.DataFrame(rows, columns=["iou", "alarms", "events", "matched", "precision", "recall", "f1"])


def _overlapping(alarms: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of an alarm and an event of its video that share frames: places of both, and IoU."""
    parts = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))]
    for event, (video, start, end) in enumerate(events):
        low, high = np.searchsorted(alarms[:, 0], [video, video + 1])
        _, first, behind = alarms[low:high].T
        common = np.minimum(behind, end) - np.maximum(first, start)
        hit = np.flatnonzero(common > 0)
        either = (behind - first + end - start - common)[hit]
        parts.append((low + hit, np.full(len(hit), event), common[hit] / either))
    which, of, overlap = (np.concatenate(column) for column in zip(*parts))
    return which, of, overlap


def best_point_adjusted_f1(scored: ScoredVideos) -> BestF1:
    """The highest F1 of frames after point adjustment over all thresholds, chosen on the test frames.

    Point adjustment counts an event whole once one of its frames is found. **Do not rank methods by it.** A long event is found
    by one high score anywhere in it, so that random scores reach a high F1, often above that of trained methods (Kim et al.,
    Towards a rigorous evaluation of time-series anomaly detection, AAAI 2022). It is here because other papers report it.

    Raises:
        UndefinedMetricError: frames of one class only, or no event.
    """
    _check_events(scored)
    reached = frames_reached(scored, "point-adjusted F1")
    # place of each event's highest score among the decreasing thresholds
    place = np.searchsorted(-reached.thresholds, -_highest_in_events(scored))
    adjusted = np.bincount(place, scored.events[:, 2] - scored.events[:, 1], minlength=len(reached.thresholds))
    return highest_f1(reached._replace(found=np.cumsum(adjusted)))


def latency_weighted_ap(scored: ScoredVideos) -> float:
    """Average precision in which an event counts the more, the earlier it is seen.

    At a threshold, an event of n frames whose first alarm comes d frames after its start counts 1 - d / n, and 0 if it is not
    seen; the mean over events takes the place of recall, R. Precision P is that of frames. The value is the sum over thresholds of
    (R_n - R_{n-1}) P_n, as in equation 17 of the paper. An alarm that is on already when the event starts gives 1.

    The idea, precision against a recall that decays with the delay, is that of the latency-aware average precision (LaAP) of
    Liu et al., arXiv 2505.19022. This is **not** LaAP: that paper's equations were not at hand, so its decay, its precision and
    the events that it counts may be others. The decay here has no free parameter and takes delays as parts of their event.

    Args:
        scored: scores of a run.

    Raises:
        UndefinedMetricError: frames of one class only, or no event.
    """
    _check_events(scored)
    thresholds, found, false = frames_reached(scored, "latency-weighted AP")
    precision, total = found / (found + false), 0.0
    ends = np.cumsum(scored.abnormal + scored.normal)
    begins = np.append(0, ends[:-1])
    for (first, behind), (video, start, end) in zip(_pieces_of_events(scored), scored.events):
        score, begin = scored.score[first:behind], begins[first:behind] - scored.first_frames[video] - start
        # as the threshold falls, the first frame seen moves from one record of the scores to the record before it
        record = score > np.append(-np.inf, np.maximum.accumulate(score)[:-1])
        weight = 1 - np.maximum(begin[record], 0) / (end - start)
        gained = weight - np.append(weight[1:], 0)
        total += float(gained @ precision[np.searchsorted(-thresholds, -score[record])])
    return total / len(scored.events)


def _pieces_of_events(scored: ScoredVideos) -> np.ndarray:
    """First piece with frames of each event, and the piece behind the last one; int64 (E, 2)."""
    ends = np.cumsum(scored.abnormal + scored.normal)
    video, start, end = scored.events.T
    offset = scored.first_frames[video]
    return np.column_stack([np.searchsorted(ends, offset + start, side="right"), np.searchsorted(ends, offset + end) + 1])


def _highest_in_events(scored: ScoredVideos) -> np.ndarray:
    """The highest score within each event, float (E,)."""
    return np.array([scored.score[first:behind].max() for first, behind in _pieces_of_events(scored)])


def _check_events(scored: ScoredVideos) -> None:
    if not len(scored.events):
        raise UndefinedMetricError(
            f"{scored.title}: event-level metrics need annotated events, got none; add abnormal test videos with their intervals."
        )
