"""Equation 17: AP = sum over n of (R_n - R_{n-1}) P_n."""

import numpy as np
import pytest

from vad_lib.metrics import average_precision, pr_auc_trapezoid

LABELS = np.array([0, 0, 1, 1, 0, 1, 0, 0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.8, 0.9, 0.2, 0.4])


def test_eight_frames_step_by_step():
    # Recall rises by 1/3 at 0.9 (precision 1), at 0.8 (2 of 3) and at 0.35 (3 of 6).
    assert average_precision(LABELS, SCORES) == pytest.approx((1 + 2 / 3 + 3 / 6) / 3, abs=1e-15)


def test_the_trapezoid_is_another_number():
    # Precision before each rise: 1 (by convention), 1 and 2/5 (at 0.4).
    expected = ((1 + 1) / 2 + (1 + 2 / 3) / 2 + (2 / 5 + 3 / 6) / 2) / 3
    assert pr_auc_trapezoid(LABELS, SCORES) == pytest.approx(expected, abs=1e-15)
    assert expected == pytest.approx(0.761111, abs=1e-6)


def test_a_constant_score():
    # prevalence 3/8: the step form gives it, the trapezoid (1 + 3/8) / 2
    assert average_precision(LABELS, np.full(8, 0.3)) == pytest.approx(3 / 8)
    assert pr_auc_trapezoid(LABELS, np.full(8, 0.3)) == pytest.approx(11 / 16)
