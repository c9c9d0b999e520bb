"""Equation 16: AUC, the area under the ROC curve."""

import numpy as np
import pytest

from vad_lib.metrics import frame_roc_auc, roc_curve

LABELS = np.array([0, 0, 1, 1, 0, 1, 0, 0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.8, 0.9, 0.2, 0.4])


def test_four_frames():
    # Four abnormal-normal pairs; 0.35 against 0.4 is the one out of order.
    assert frame_roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])) == 0.75


def test_eight_frames_with_ties():
    # Normal scores: 0.1 0.2 0.4 0.4 0.8. 0.9 beats five, 0.8 beats four and ties one, 0.35 beats two:
    # (5 + 4.5 + 2) / (3 x 5)
    assert frame_roc_auc(LABELS, SCORES) == pytest.approx(11.5 / 15, abs=1e-15)


def test_a_constant_score_is_worth_one_half():
    assert frame_roc_auc(LABELS, np.full(8, 0.3)) == 0.5


def test_the_curve_and_its_area():
    curve = roc_curve(LABELS, SCORES)
    # thresholds: infinity, 0.9, 0.8, 0.4, 0.35, 0.2, 0.1
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.4, 0.35, 0.2, 0.1]
    assert (3 * curve.true_positive_rate).tolist() == pytest.approx([0, 1, 2, 2, 3, 3, 3])
    assert (5 * curve.false_positive_rate).tolist() == pytest.approx([0, 0, 1, 3, 3, 4, 5])
    assert np.trapezoid(curve.true_positive_rate, curve.false_positive_rate) == pytest.approx(11.5 / 15)
