"""Equation 11: normal videos also pay for the squared scores of the abnormal categories."""

import pytest
import torch

from vad_lib.losses import normal_suppression_loss

SCORES = torch.tensor([[0.9, 0.2, -0.4], [0.1, 0.7, 0.5]])


def test_by_hand():
    # bag 0 is normal: (0.2^2 + 0.4^2) / 2; its 0.9 for "normal" and the abnormal bag do not count
    loss = normal_suppression_loss(SCORES, torch.tensor([0.0, 1.0]))
    assert loss.item() == pytest.approx(0.10)
    # both normal: (0.04 + 0.16 + 0.49 + 0.25) / 4
    assert normal_suppression_loss(SCORES, torch.zeros(2)).item() == pytest.approx(0.235)


def test_no_normal_video_costs_nothing():
    assert normal_suppression_loss(SCORES, torch.ones(2)).item() == 0.0
