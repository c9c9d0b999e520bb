"""Equation 18: R = TP / (TP + FN), P = TP / (TP + FP)."""

import numpy as np
import pytest

from vad_lib.metrics import pr_curve, precision_recall

LABELS = np.array([0, 0, 1, 1, 0, 1, 0, 0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.8, 0.9, 0.2, 0.4])


def test_at_one_threshold():
    # alarms 0.8, 0.8, 0.9: two are right, and one of three abnormal frames is missed
    assert precision_recall(LABELS, SCORES) == pytest.approx((2 / 3, 2 / 3))
    # 0.4 adds two false alarms
    assert precision_recall(LABELS, SCORES, threshold=0.4) == pytest.approx((2 / 5, 2 / 3))


def test_at_every_threshold():
    curve = pr_curve(LABELS, SCORES)
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.4, 0.35, 0.2, 0.1]
    assert curve.recall.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1])
    assert curve.precision.tolist() == pytest.approx([1, 1, 2 / 3, 2 / 5, 3 / 6, 3 / 7, 3 / 8])
