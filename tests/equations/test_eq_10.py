"""Equation 10: cross-entropy of the category scores with the video's categories."""

import math

import pytest
import torch

from vad_lib.losses import classification_loss

# tau = 0.1: logits 0 and ln 2, so probabilities 1/3 and 2/3
SCORES = torch.tensor([[0.0, 0.1 * math.log(2)], [0.0, 0.1 * math.log(2)]])


def test_by_hand():
    # first bag abnormal, -ln 2/3 = 0.4055; second normal, -ln 1/3 = 1.0986
    loss = classification_loss(SCORES, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 0.1)
    assert loss.item() == pytest.approx((0.4055 + 1.0986) / 2, abs=1e-4)


def test_several_labels_share_the_target():
    # half of each: (0.4055 + 1.0986) / 2 again; counting the first label only would give one of the two
    loss = classification_loss(SCORES[:1], torch.tensor([[0.5, 0.5]]), 0.1)
    assert loss.item() == pytest.approx(0.7520, abs=1e-4)


def test_temperature_divides():
    target = torch.tensor([[0.0, 1.0]])
    assert classification_loss(SCORES[:1], target, 0.05) < classification_loss(SCORES[:1], target, 0.1)
