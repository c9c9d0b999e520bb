"""Alarms matched with events, point adjustment and its trap, and earliness; worked by hand."""

import numpy as np
import pytest
from made_scores import made, one_video

from vad_lib.errors import ConfigError, UndefinedMetricError
from vad_lib.evaluation import alarms, event_level, operating

# one event of frames 5 to 25 in four pieces of ten frames
EVENT = one_video([0.2, 0.9, 0.1, 0.8], [5, 10, 5, 0], [5, 0, 5, 10], [(0, 5, 25)])


def test_alarms_and_events_by_hand():
    score = [0.1, 0.9, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1]
    events = [(0, 16, 32), (0, 70, 90), (1, 16, 32)]
    scored = one_video(score, [0, 16, 0, 0, 10, 10, 0, 16], [16, 0, 16, 16, 6, 6, 16, 0], events, 2, [0] * 6 + [1] * 2)
    assert event_level.alarm_segments(scored, 0.9).tolist() == [[0, 16, 48], [0, 64, 80], [1, 0, 16]]
    # IoU 16 / 32 and 10 / 26; the third alarm ends where its video's event starts
    found = event_level.event_level(scored, 0.9)
    assert found["iou"].tolist() == [0.1, 0.3, 0.5] and found["matched"].tolist() == [2, 2, 1]
    assert found["precision"].tolist() == found["recall"].tolist() == found["f1"].tolist() == [2 / 3, 2 / 3, 1 / 3]
    # an alarm at the end of a video and one at the start of the next are two
    assert event_level.alarm_segments(scored, 0.0).tolist() == [[0, 0, 96], [1, 0, 32]]
    nothing = event_level.event_level(scored, np.inf, [0.1]).iloc[0]
    assert (nothing["alarms"], nothing["recall"], nothing["f1"]) == (0, 0, 0) and np.isnan(nothing["precision"])
    with pytest.raises(ConfigError, match=r"IoUs in \(0, 1\], got \(0,\)"):
        event_level.event_level(scored, 0.5, (0,))


def test_matching_is_one_to_one_and_takes_the_most_pairs():
    # alarms 0-20 and 22-30; IoU of the first is 4 / 20 with the first event and 16 / 26 with the second, of the other 4 / 26
    scored = one_video([0.9, 0.1, 0.9], [20, 2, 4], [0, 0, 4], [(0, 0, 4), (0, 4, 26)])
    assert event_level.event_level(scored, 0.5, (0.1, 0.16, 0.3))["matched"].tolist() == [2, 1, 1]
    one_alarm_two_events = one_video([0.9], [16], [4], [(0, 0, 8), (0, 12, 20)])
    assert event_level.event_level(one_alarm_two_events, 0.5)["matched"].tolist() == [1, 1, 0]
    two_alarms_one_event = one_video([0.9, 0.1, 0.9, 0.2], [8, 4, 8, 0], [0, 0, 0, 4], [(0, 0, 20)])
    row = event_level.event_level(two_alarms_one_event, 0.5).iloc[1]
    assert (row["precision"], row["recall"]) == (0.5, 1)


def point_adjusted_f1(scored, threshold):
    """F1 of frames at a threshold, events being found whole or not at all."""
    length = scored.events[:, 2] - scored.events[:, 1]
    found = length[event_level._highest_in_events(scored) >= threshold].sum()
    return 2 * found / (found + scored.normal[scored.score >= threshold].sum() + length.sum())


def test_point_adjustment_by_hand():
    assert [point_adjusted_f1(EVENT, threshold) for threshold in (0.95, 0.9, 0.8)] == [0, 1, pytest.approx(40 / 50)]
    assert event_level.best_point_adjusted_f1(EVENT) == (1, 0.9)
    assert operating.best_f1(EVENT).f1 == pytest.approx(20 / 30)  # half of the frames were found


@pytest.mark.parametrize("decimals", [1, 12])
def test_the_best_point_adjusted_f1_is_the_best_of_all_thresholds(decimals):
    scored = made(decimals=decimals)
    each = {threshold: point_adjusted_f1(scored, threshold) for threshold in np.unique(scored.score)}
    best = event_level.best_point_adjusted_f1(scored)
    assert best.f1 == pytest.approx(max(each.values())) == pytest.approx(each[best.threshold])


def test_random_scores_reach_a_high_point_adjusted_f1():
    # 20 videos of 100 snippets; an event fills 40 of them
    inside = np.tile((np.arange(100) >= 30) & (np.arange(100) < 70), 20)
    video, events = np.repeat(np.arange(20), 100), [(v, 480, 1120) for v in range(20)]
    rng = np.random.default_rng(0)
    useless = one_video(rng.random(2000), 16 * inside, 16 * ~inside, events, 20, video)
    good = one_video(np.where(inside & (video < 16), 0.9, 0.1), 16 * inside, 16 * ~inside, events, 20, video)
    assert operating.best_f1(useless).f1 < 0.6  # calling everything abnormal gives 0.8 / 1.4 = 0.571
    assert operating.best_f1(good).f1 == event_level.best_point_adjusted_f1(good).f1 == pytest.approx(1.6 / 1.8)
    # the trap: noise beats a method that finds four events in five without a false alarm
    assert event_level.best_point_adjusted_f1(useless).f1 > 0.9


def test_latency_weighted_ap_by_hand():
    # seen at .9 after 5 of 20 frames, weight .75 at precision 1; at .2 from its start, .25 more at precision 15 / 30
    assert event_level.latency_weighted_ap(EVENT) == pytest.approx(0.75 + 0.25 * 0.5)
    late = one_video([0.1, 0.2, 0.9], [0, 10, 10], [10, 0, 0], [(0, 10, 30)])
    early = one_video([0.1, 0.9, 0.2], [0, 10, 10], [10, 0, 0], [(0, 10, 30)])
    # without false alarms both find all in the end; plain AP cannot tell them apart
    assert late.value("ap") == early.value("ap") == event_level.latency_weighted_ap(early) == 1
    false = one_video([0.3, 0.2, 0.9], [0, 10, 10], [10, 0, 0], [(0, 10, 30)])
    assert event_level.latency_weighted_ap(false) == pytest.approx(0.5 + 0.5 * 20 / 30)


@pytest.mark.parametrize("decimals", [1, 12])
def test_latency_weighted_ap_equals_its_sum_over_thresholds(decimals):
    scored = made(3, decimals=decimals)
    length, value, before = scored.events[:, 2] - scored.events[:, 1], 0.0, 0.0
    for threshold in np.unique(scored.score)[::-1]:
        delay = alarms.detection_delays(scored, threshold, fps=1.0).events["delay_seconds"].to_numpy()
        recall = np.nan_to_num(1 - delay / length).mean()
        alarm = scored.score >= threshold
        value += (recall - before) * scored.abnormal[alarm].sum() / (scored.abnormal + scored.normal)[alarm].sum()
        before = recall
    assert event_level.latency_weighted_ap(scored) == pytest.approx(value, abs=1e-12)


def test_without_events_nothing_is_defined():
    normal = one_video([0.5], [0], [16], [])
    for measure in (event_level.latency_weighted_ap, event_level.best_point_adjusted_f1, lambda r: event_level.event_level(r, 0.5)):
        with pytest.raises(UndefinedMetricError, match="Row: event-level metrics need annotated events, got none"):
            measure(normal)
