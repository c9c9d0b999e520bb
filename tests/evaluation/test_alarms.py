"""Calibration, thresholds and delays, worked by hand."""

import numpy as np
import pytest
from made_scores import expanded, made, one_video

from vad_lib import metrics
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation import alarms


def test_calibration_by_hand():
    # frames: 10 with score 0.1 (1 abnormal), 10 with 0.3 (2), 4 with 1.0 (4)
    scored = one_video([0.1, 0.3, 1.0], [1, 2, 4], [9, 8, 0], [(0, 0, 7)])
    found = alarms.calibration(scored, num_bins=2)
    assert found.bins["frames"].tolist() == [20, 4] and found.bins["low"].tolist() == [0, 0.5]
    assert found.bins["mean_score"].tolist() == pytest.approx([0.2, 1]) and found.bins["abnormal_share"].tolist() == [0.15, 1]
    assert found.expected_error == pytest.approx(20 / 24 * 0.05)
    assert found.brier == pytest.approx((1 * 0.81 + 9 * 0.01 + 2 * 0.49 + 8 * 0.09) / 24)
    empty = alarms.calibration(scored, num_bins=10).bins
    assert empty["frames"].sum() == 24 and empty["abnormal_share"].isna().sum() == 7
    with pytest.raises(ConfigError, match="expected one bin or more, got 0"):
        alarms.calibration(scored, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("num_bins", [10, 49, 100])
def test_a_score_on_an_edge_is_in_the_bin_above_whatever_its_type(dtype, num_bins):
    """As float32, 0.7 is a little less than as float64: it was counted in the bin from 0.6 to 0.7, with the scores of 0.6."""
    score = (np.arange(num_bins + 1) / num_bins).astype(dtype)
    frames = np.ones(num_bins + 1, dtype=int)
    found = alarms.calibration(one_video(score, 0 * frames, frames, []), num_bins)
    assert found.bins["frames"].tolist() == [1] * (num_bins - 1) + [2]  # the last one holds 1 too
    assert found.bins["low"].tolist() == [place / num_bins for place in range(num_bins)]


def test_thresholds_keep_the_rate():
    scored = one_video([0.9, 0.8, 0.5, 0.2], [8, 0, 8, 0], [1, 4, 5, 90], [(0, 0, 8), (0, 20, 28)])
    assert alarms.threshold_at(scored, 0.01) == 0.9
    assert alarms.threshold_at(scored, 0.05) == 0.8
    assert alarms.threshold_at(scored, 0.099) == 0.8
    assert alarms.threshold_at(scored, 0.1) == 0.5
    assert alarms.threshold_at(scored, 0.001) == np.inf
    with pytest.raises(ConfigError, match=r"expected a fraction in \[0, 1\), got 5"):
        alarms.threshold_at(scored, 5)
    with pytest.raises(DataError, match="a false alarm rate needs normal frames, got none"):
        alarms.threshold_at(one_video([0.5], [16], [0], [(0, 0, 16)]), 0.01)


def test_delays_by_hand():
    # video 0: event 8..40, alarms in 16..32; video 1: event 0..16 under an alarm, event 32..40 without one
    score = [0.1, 0.9, 0.1, 0.9, 0.2, 0.1]
    events = [(0, 8, 40), (1, 0, 16), (1, 32, 40)]
    scored = one_video(score, [8, 16, 8, 16, 0, 8], [8, 0, 8, 0, 16, 8], events, 2, [0, 0, 0, 1, 1, 1])
    found = alarms.detection_delays(scored, 0.9, fps=4)
    assert found.events["delay_seconds"].tolist()[:2] == [2, 0] and np.isnan(found.events["delay_seconds"][2])
    assert found.missed == 1 and found.threshold == 0.9 and found.events["video"].tolist() == ["v0", "v1", "v1"]
    nothing = alarms.detection_delays(scored, np.inf, fps=4)
    assert nothing.missed == 3 and nothing.events["delay_seconds"].isna().all()
    assert alarms.detection_delays(scored, 0.1, fps=4).events["delay_seconds"].tolist() == [0, 0, 0]
    with pytest.raises(ConfigError, match="expected frames per second above 0, got 0"):
        alarms.detection_delays(scored, 0.5, 0)


def test_an_alarm_before_the_event_or_in_the_next_video_does_not_count():
    scored = one_video([0.9, 0.1, 0.9], [0, 16, 0], [16, 0, 16], [(0, 16, 32)], 2, [0, 0, 1])
    assert alarms.detection_delays(scored, 0.5, fps=1).missed == 1


def test_false_alarms_are_runs_that_touch_no_event():
    # runs above 0.5: pieces 0-1 (normal), 3-4 (touches the event), 6 of the first video and 7 of the second (two runs)
    score = [0.9, 0.8, 0.1, 0.7, 0.6, 0.1, 0.9, 0.9, 0.1]
    abnormal = [0, 0, 0, 0, 16, 0, 0, 0, 0]
    normal = [16, 16, 16, 16, 0, 16, 16, 16, 16]
    scored = one_video(score, abnormal, normal, [(0, 64, 80)], 2, [0] * 7 + [1] * 2)
    hours = 8 * 16 / 2 / 3600
    assert alarms.false_alarms_per_hour(scored, 0.5, fps=2) == pytest.approx(3 / hours)
    assert alarms.false_alarms_per_hour(scored, 0.85, fps=2) == pytest.approx(3 / hours)
    assert alarms.false_alarms_per_hour(scored, 0.0, fps=2) == pytest.approx(1 / hours)  # the second video is one alarm
    assert alarms.false_alarms_per_hour(scored, np.inf, fps=2) == 0
    with pytest.raises(ConfigError, match="got -1"):
        alarms.false_alarms_per_hour(scored, 0.5, -1)
    with pytest.raises(DataError, match="false alarms need normal frames, got none"):
        alarms.false_alarms_per_hour(one_video([0.5], [16], [0], [(0, 0, 16)]), 0.5, 25)


def test_operating_points_put_it_together():
    scored = made(decimals=3)
    found = alarms.operating_points(scored, fps=25.0, rates=(0.2, 0.0))
    assert (found["reached_rate"] <= found["rate"]).all() and found["recall"].is_monotonic_decreasing
    labels, scores = expanded(scored, np.ones(12))
    row = found.iloc[0]
    assert row["recall"] == pytest.approx(metrics.true_positive_rate(labels, scores, row["threshold"]))
    assert row["reached_rate"] == pytest.approx(metrics.false_positive_rate(labels, scores, row["threshold"]))
    assert row["events"] == len(scored.events) and row["missed"] == alarms.detection_delays(scored, row["threshold"], 25.0).missed
    assert found["false_alarms_per_hour"].iloc[1] == 0


def test_without_events_recall_and_delay_are_missing_and_false_alarms_are_not():
    scored = one_video([0.9, 0.1], [0, 0], [16, 16], [])
    found = alarms.operating_points(scored, fps=1.0, rates=(0.5,)).iloc[0]
    assert np.isnan(found["recall"]) and np.isnan(found["median_delay_seconds"])
    assert (found["events"], found["missed"], found["false_alarms_per_hour"]) == (0, 0, pytest.approx(3600 / 32))
    delays = alarms.detection_delays(scored, 0.5, fps=1.0)
    assert delays.events.empty and delays.missed == 0
    # an event that no threshold reaches has no delay, and counts as missed
    unseen = one_video([0.9, 0.1], [0, 16], [16, 0], [(0, 16, 32)])
    found = alarms.operating_points(unseen, fps=1.0, rates=(0.01,)).iloc[0]
    assert (found["recall"], found["missed"]) == (0, 1) and np.isnan(found["median_delay_seconds"])
