"""Equation 8: S_video is the mean of the k largest fused scores; L_m compares it with the video label."""

import math

import pytest
import torch

from vad_lib.losses import main_loss
from vad_lib.model import video_score

FUSED = torch.tensor([[0.2, 0.9, 0.5], [0.1, 0.3, 0.8]])
MASK = torch.tensor([[True, True, True], [True, True, False]])  # 0.8 is padding


def test_by_hand():
    # k = 1: the largest; divisor 2, k = 2: (0.9 + 0.5) / 2 and (0.1 + 0.3) / 2
    torch.testing.assert_close(video_score(FUSED, MASK), torch.tensor([0.9, 0.3]))
    torch.testing.assert_close(video_score(FUSED, MASK, divisor=2), torch.tensor([0.7, 0.2]))


def test_main_loss_by_hand():
    # abnormal video at 0.7, normal one at 0.2: -(ln 0.7 + ln 0.8) / 2 = (0.3567 + 0.2231) / 2
    loss = main_loss(video_score(FUSED, MASK, divisor=2), torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(-(math.log(0.7) + math.log(0.8)) / 2)


def test_only_the_top_segments_get_a_gradient():
    fused = FUSED.clone().requires_grad_()
    main_loss(video_score(fused, MASK, divisor=2), torch.tensor([1.0, 0.0])).backward()
    assert (fused.grad != 0).tolist() == [[False, True, True], [True, True, False]]
