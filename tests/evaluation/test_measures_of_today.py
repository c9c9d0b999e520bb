"""All measures of one run in one row."""

import numpy as np
import pytest
from made_scores import made, one_video

from vad_lib.errors import ConfigError, UndefinedMetricError
from vad_lib.evaluation import alarms
from vad_lib.evaluation.measures_of_today import measures_of_today


def test_a_perfect_run_has_the_best_of_everything():
    perfect = one_video([1.0, 0.0, 1.0], [16, 0, 16], [0, 32, 0], [(0, 0, 16), (0, 48, 64)])
    found = measures_of_today(perfect, fps=25.0)
    best = {"calibration_error": 0.0, "median_delay_seconds": 0.0}
    assert found == pytest.approx(dict.fromkeys(found, 1.0) | best)


def test_measures_by_hand():
    # 200 normal frames; two of them reach .9, so the threshold of 1 % is .9 and there is none for 0.1 %
    scored = one_video([0.9, 0.3, 0.6], [10, 10, 0], [2, 48, 150], [(0, 2, 22)])
    found = measures_of_today(scored, fps=4.0)
    assert (found["recall_at_1_percent"], found["recall_at_0.1_percent"]) == (0.5, 0)
    assert found["auc"] == pytest.approx((0.5 * (0.99 + 0.005)) + 0.5 * 0.24 / 2)
    # the alarm is frames 0 to 12, the event 2 to 22: IoU 10 / 22
    assert [found[f"event_recall_{iou}"] for iou in (0.1, 0.3, 0.5)] == [1, 1, 0]
    assert found["event_precision_0.3"] == 1 and found["median_delay_seconds"] == 0
    assert (found["best_f1"], found["best_f1_threshold"]) == (pytest.approx(20 / 32), 0.9)
    assert found["point_adjusted_f1"] == pytest.approx(40 / 42)
    assert found["latency_weighted_ap"] == pytest.approx(10 / 12)
    assert found["calibration_error"] == pytest.approx((abs(10.8 - 10) + abs(17.4 - 10) + 90) / 220)


def test_what_is_missing_and_what_is_refused():
    # the highest score is that of normal frames: no alarm is rare enough
    quiet = measures_of_today(one_video([0.9, 0.1], [0, 16], [16, 0], [(0, 16, 32)]), fps=25.0)
    assert np.isnan(quiet["event_precision_0.1"]) and np.isnan(quiet["median_delay_seconds"])
    assert quiet["event_recall_0.1"] == quiet["recall_at_1_percent"] == 0
    scored = made()
    points = alarms.operating_points(scored, 25.0)
    found = measures_of_today(scored, 25.0)
    assert [found["recall_at_1_percent"], found["recall_at_0.1_percent"]] == points["recall"].tolist()
    with pytest.raises(UndefinedMetricError):
        measures_of_today(one_video([0.5], [0], [16], []), 25.0)
    with pytest.raises(ConfigError, match="above 0, got 0"):
        measures_of_today(scored, 0)
