"""Equation 14: TPR = TP / (TP + FN)."""

import numpy as np
import pytest

from vad_lib.metrics import true_positive_rate

# Eight frames, three of them abnormal. At 0.5 frames 3, 4 and 5 (counted from 0) raise an alarm.
LABELS = np.array([0, 0, 1, 1, 0, 1, 0, 0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.8, 0.9, 0.2, 0.4])


def test_two_of_three_abnormal_frames_are_found():
    # TP: 0.8 and 0.9; FN: 0.35
    assert true_positive_rate(LABELS, SCORES) == pytest.approx(2 / 3)


def test_a_score_equal_to_the_threshold_is_an_alarm():
    assert true_positive_rate(LABELS, SCORES, threshold=0.9) == pytest.approx(1 / 3)
    assert true_positive_rate(LABELS, SCORES, threshold=np.nextafter(0.9, 1)) == 0


def test_every_frame_is_an_alarm_at_threshold_zero():
    assert true_positive_rate(LABELS, SCORES, threshold=0) == 1
