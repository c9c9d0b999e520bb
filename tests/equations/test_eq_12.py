"""Equation 12: the segments most like the video's own category are classified as it."""

import math

import pytest
import torch

from vad_lib.losses import aligned_count, alignment_loss

# tau = 0.1. Bag 0 is of category 1: r = 1/2 keeps ceil(3 / 2) = 2 of three segments, the first and the last,
# with logits (0, 2 ln 2) and (0, 0). Bag 1 is normal: all cosines equal.
ALIGNMENT = torch.tensor([[[0.0, 0.2 * math.log(2)], [0.0, -1.0], [0.0, 0.0]], [[0.3, 0.3], [0.3, 0.3], [0.3, 0.3]]])
MASK = torch.ones(2, 3, dtype=torch.bool)
TARGETS = torch.tensor([[0.0, 1.0], [1.0, 0.0]])


def test_mean_logits_by_hand():
    # mean logits (0, ln 2): -ln 2/3 = 0.4055; the normal bag: ln 2
    loss = alignment_loss(ALIGNMENT, TARGETS, MASK, 0.1, ratio=0.5)
    assert loss.item() == pytest.approx((math.log(1.5) + math.log(2)) / 2)


def test_per_frame_by_hand():
    # logits (0, 2 ln 2): -ln 4/5; (0, 0): ln 2; mean of the two; the normal bag: ln 2
    loss = alignment_loss(ALIGNMENT, TARGETS, MASK, 0.1, ratio=0.5, reduction="per_frame")
    assert loss.item() == pytest.approx(((math.log(1.25) + math.log(2)) / 2 + math.log(2)) / 2)


def test_segments_are_chosen_by_the_true_category():
    # r = 1/3 keeps one segment: for category 1 the first, for category 0 another one
    alignment = torch.tensor([[[0.0, 0.2], [0.3, 0.1], [0.0, 0.0]]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    as_abnormal = alignment_loss(alignment, torch.tensor([[0.0, 1.0]]), mask, 0.1, ratio=1 / 3)
    as_normal = alignment_loss(alignment, torch.tensor([[1.0, 0.0]]), mask, 0.1, ratio=1 / 3)
    assert as_abnormal.item() == pytest.approx(math.log(1 + math.exp(-2)))  # logits (0, 2)
    assert as_normal.item() == pytest.approx(math.log(1 + math.exp(-2)))  # logits (3, 1)
    # several labels: the mean over them
    both = alignment_loss(alignment, torch.tensor([[0.5, 0.5]]), mask, 0.1, ratio=1 / 3)
    assert both.item() == pytest.approx((as_abnormal + as_normal).item() / 2)


def test_padding_is_never_chosen():
    padded = torch.cat([ALIGNMENT, torch.full((2, 4, 2), 0.9)], dim=1)
    mask = torch.cat([MASK, torch.zeros(2, 4, dtype=torch.bool)], dim=1)
    expected = alignment_loss(ALIGNMENT, TARGETS, MASK, 0.1, ratio=0.5)
    torch.testing.assert_close(alignment_loss(padded, TARGETS, mask, 0.1, ratio=0.5), expected)


@pytest.mark.parametrize("numerator, denominator", [(1, 16), (1, 4), (1, 1), (3, 10), (7, 100), (1, 3), (2, 3), (1, 7), (29, 100)])
def test_the_kept_segments_are_those_of_exact_fractions(numerator, denominator):
    mask = torch.arange(1000) < torch.arange(1, 1001)[:, None]
    exact = [-(-length * numerator // denominator) for length in range(1, 1001)]
    assert aligned_count(mask, numerator / denominator).tolist() == exact
    assert aligned_count(mask[:1], 1e-12).tolist() == [1]
