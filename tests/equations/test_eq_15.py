"""Equation 15: FPR = FP / (FP + TN), also called FAR."""

import numpy as np
import pytest

from vad_lib.evaluation.frame_level import evaluate
from vad_lib.metrics import false_alarm_rate, false_positive_rate

LABELS = np.array([0, 0, 1, 1, 0, 1, 0, 0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.8, 0.9, 0.2, 0.4])


def test_one_of_five_normal_frames_is_a_false_alarm():
    # FP: the 0.8 at frame 4; TN: 0.1, 0.4, 0.2, 0.4
    assert false_positive_rate(LABELS, SCORES) == pytest.approx(1 / 5)
    assert false_alarm_rate(LABELS, SCORES) == false_positive_rate(LABELS, SCORES)


def test_a_lower_threshold_counts_the_tied_frames_together():
    # 0.8 and both 0.4
    assert false_positive_rate(LABELS, SCORES, threshold=0.4) == pytest.approx(3 / 5)


def test_over_normal_videos_and_over_all_normal_frames_are_two_numbers():
    labels = {"quiet": np.array([0, 0, 0, 0]), "fight": np.array([0, 1])}
    scores = {"quiet": np.array([0.5, 0.1, 0.1, 0.1]), "fight": np.array([0.7, 0.9])}
    result = evaluate(labels, scores, {"quiet": ["Normal"], "fight": ["Fighting"]}, "Normal")
    assert result["far_normal_videos"] == pytest.approx(1 / 4)  # the 0.5, of four frames
    assert result["far_all_normal_frames"] == pytest.approx(2 / 5)  # and the 0.7 of the fight
