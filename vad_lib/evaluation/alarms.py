"""From scores to alarms: is a score a probability, which threshold, how much is found and how late.

All values are fractions unless said otherwise. Legend: V test videos, P pieces (snippets), E events.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vad_lib.errors import ConfigError, UndefinedMetricError
from vad_lib.evaluation.scored_videos import ScoredVideos


class Calibration(NamedTuple):
    """Whether a score of 0.7 means that 70 % of such frames are abnormal.

    Attributes:
        bins: a row per bin of scores: ``low``, ``high``, ``frames``, ``mean_score`` and ``abnormal_share``, the last two
            missing in an empty bin.
        expected_error: expected calibration error, the mean of |mean score - abnormal share| over frames, in [0, 1].
        brier: mean of (score - label) squared over frames, in [0, 1].
    """

    bins: pd.DataFrame
    expected_error: float
    brier: float


def calibration(scored: ScoredVideos, num_bins: int = 10) -> Calibration:
    """Reliability of the scores over all test frames, in bins of equal width.

    A score on the edge of two bins is in the upper one, 1 is in the last. No method here is trained to be calibrated, and AUC and
    AP do not see it: they know only the order of scores.

    Args:
        scored: scores of a run.
        num_bins: bins of equal width in [0, 1].

    Raises:
        ConfigError: no bin.
    """
    if num_bins < 1:
        raise ConfigError(f"calibration: expected one bin or more, got {num_bins}.")
    frames, score = scored.abnormal + scored.normal, scored.score.astype(np.float64)
    edges = np.arange(num_bins + 1) / num_bins
    # edges in the scores' own type: as float32, 0.7 is a little less than as float64
    own = edges.astype(np.result_type(scored.score.dtype, np.float16))
    place = np.clip(np.searchsorted(own, scored.score, side="right") - 1, 0, num_bins - 1)
    total, scores, abnormal = (np.bincount(place, w, num_bins) for w in (frames, score * frames, scored.abnormal))
    known = np.where(total > 0, total, np.nan)
    bins = pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "frames": total.astype(np.int64),
            "mean_score": scores / known,
            "abnormal_share": abnormal / known,
        }
    )
    squared = scored.abnormal * (score - 1) ** 2 + scored.normal * score**2
    return Calibration(bins, float(np.abs(scores - abnormal).sum() / total.sum()), float(squared.sum() / total.sum()))


def check_rate(rate: float) -> None:
    """A ConfigError unless a false alarm rate lies in [0, 1)."""
    if not 0 <= rate < 1:
        raise ConfigError(f"false alarm rate: expected a fraction in [0, 1), got {rate}.")


def threshold_at(scored: ScoredVideos, rate: float) -> float:
    """The lowest score that, as a threshold, calls at most this part of the normal frames abnormal.

    Args:
        scored: scores of a run. The threshold is set on the very frames that it is then judged on.
        rate: fraction of all normal frames, those of abnormal videos included.

    Returns:
        in [0, 1]; infinity if even the highest score is too common among normal frames.

    Raises:
        ConfigError: a rate outside [0, 1).
        UndefinedMetricError: no normal frame.
    """
    check_rate(rate)
    total = scored.normal.sum()
    if not total:
        raise UndefinedMetricError(f"{scored.title}: a false alarm rate needs normal frames, got none; add normal test videos.")
    values, rank = np.unique(-scored.score, return_inverse=True)
    false = np.cumsum(np.bincount(rank, scored.normal)) / total
    allowed = int(np.searchsorted(false, rate, side="right"))
    return float(-values[allowed - 1]) if allowed else np.inf


class Delays(NamedTuple):
    """How soon each event is seen.

    Attributes:
        events: a row per event: ``video``, ``start`` and ``end`` (frames, end excluded), ``delay_seconds`` from its start to
            its first frame at or above the threshold, missing if there is none.
        missed: events without such a frame.
        threshold: that was used.
    """

    events: pd.DataFrame
    missed: int
    threshold: float


def detection_delays(scored: ScoredVideos, threshold: float, fps: float) -> Delays:
    """Seconds from the start of each event to the first of its frames that is called abnormal.

    An event is a run of abnormal frames. An alarm that is on already when the event starts gives 0; an alarm before or
    after the event does not count.

    Args:
        scored: scores of a run.
        threshold: a frame is called abnormal if its score is at least this.
        fps: frames per second of the videos.

    Raises:
        ConfigError: fps not above 0.
    """
    if not fps > 0:
        raise ConfigError(f"detection delay: expected frames per second above 0, got {fps}.")
    ends = np.cumsum(scored.abnormal + scored.normal)
    alarm = scored.score >= threshold
    # frames counted over all videos; a sentinel stands for "no further alarm"
    alarm_ends = np.append(ends[alarm], np.iinfo(np.int64).max)
    alarm_starts = np.append((ends - scored.abnormal - scored.normal)[alarm], np.iinfo(np.int64).max)
    video, start, end = scored.events.T
    first = scored.first_frames[video]
    following = np.searchsorted(alarm_ends, first + start, side="right")
    seen = np.maximum(alarm_starts[following], first + start)
    found = seen < first + end
    delay = np.where(found, (seen - first - start) / fps, np.nan)
    names = np.array(scored.videos, dtype=object)[video]
    events = pd.DataFrame({"video": names, "start": start, "end": end, "delay_seconds": delay})
    return Delays(events, int((~found).sum()), float(threshold))


def false_alarms_per_hour(scored: ScoredVideos, threshold: float, fps: float) -> float:
    """False alarms per hour of normal frames.

    An alarm is a maximal run of frames at or above the threshold within a video; it is false if none of them is abnormal.
    One that begins too early or ends too late is none, though its normal frames count in a false alarm *rate*.

    Args:
        scored: scores of a run.
        threshold: a frame is called abnormal if its score is at least this.
        fps: frames per second of the videos.

    Raises:
        ConfigError: fps not above 0.
        UndefinedMetricError: no normal frame.
    """
    if not fps > 0:
        raise ConfigError(f"false alarms: expected frames per second above 0, got {fps}.")
    hours = scored.normal.sum() / fps / 3600
    if not hours:
        raise UndefinedMetricError(f"{scored.title}: false alarms need normal frames, got none; add normal test videos.")
    alarm = scored.score >= threshold
    begins = alarm & ~(np.append(False, alarm[:-1]) & np.append(False, np.diff(scored.video) == 0))
    number = np.cumsum(begins)[alarm] - 1
    return float((np.bincount(number, scored.abnormal[alarm]) == 0).sum() / hours) if alarm.any() else 0.0


def operating_points(scored: ScoredVideos, fps: float, rates: Sequence[float] = (0.01, 0.001)) -> pd.DataFrame:
    """What a method does at a false alarm rate that one could live with.

    Args:
        scored: scores of a run.
        fps: frames per second of the videos.
        rates: wanted parts of the normal frames that are called abnormal.

    Returns:
        one row per rate: ``rate``, ``threshold``, ``reached_rate`` (at most ``rate``), ``recall`` of abnormal frames, missing
        if there are none, ``false_alarms_per_hour``, ``events``, ``missed``, and ``median_delay_seconds`` of the events that are
        seen, missing if none is. Thresholds are set on the test frames themselves, so recall is an upper bound.
    """
    rows, abnormal = [], int(scored.abnormal.sum())
    for rate in rates:
        threshold = threshold_at(scored, rate)
        alarm, delays = scored.score >= threshold, detection_delays(scored, threshold, fps)
        rows.append(
            {
                "rate": rate,
                "threshold": threshold,
                "reached_rate": float(scored.normal[alarm].sum() / scored.normal.sum()),
                "recall": float(scored.abnormal[alarm].sum() / abnormal) if abnormal else np.nan,
                "false_alarms_per_hour": false_alarms_per_hour(scored, threshold, fps),
                "events": len(delays.events),
                "missed": delays.missed,
                "median_delay_seconds": delays.events["delay_seconds"].median(),
            }
        )
    return pd.DataFrame(rows)


def operating_points_of_runs(runs: Sequence[ScoredVideos], fps: float) -> pd.DataFrame:
    """What each run does at a false alarm rate that one could live with, and how well it is calibrated.

    Args:
        runs: the seeds of one row, one or more.
        fps: frames per second of the videos.

    Returns:
        one row per seed and rate: the columns of :func:`operating_points`, ``seed``, and ``calibration_error``, the mean of
        |mean score - abnormal share| over frames.
    """
    found = []
    for run in runs:
        points = operating_points(run, fps)
        found.append(points.assign(seed=run.seed, calibration_error=calibration(run).expected_error))
    return pd.concat(found, ignore_index=True)
