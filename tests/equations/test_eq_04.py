"""Equation 4: a category's video score is the mean of its k largest cosines, k = T // 16 + 1."""

import torch

from vad_lib.model import category_scores

ALIGNMENT = torch.tensor(
    [
        [[0.9, -0.2], [0.1, 0.4], [0.5, 0.2]],
        [[0.2, 0.6], [0.4, 0.0], [0.99, 0.99]],  # two real segments, then padding
    ]
)
MASK = torch.tensor([[True, True, True], [True, True, False]])


def test_by_hand():
    # three and two segments: k = 0 + 1, the largest of each category
    torch.testing.assert_close(category_scores(ALIGNMENT, MASK), torch.tensor([[0.9, 0.4], [0.4, 0.6]]))
    # divisor 2: k = 3 // 2 + 1 = 2 and 2 // 2 + 1 = 2; (0.9 + 0.5) / 2, (0.4 + 0.2) / 2; (0.2 + 0.4) / 2, (0.6 + 0) / 2
    torch.testing.assert_close(category_scores(ALIGNMENT, MASK, divisor=2), torch.tensor([[0.7, 0.3], [0.3, 0.3]]))


def test_sixteen_segments_keep_two():
    alignment = torch.arange(16.0).view(1, 16, 1) / 16
    # the two largest are 15/16 and 14/16
    torch.testing.assert_close(category_scores(alignment, torch.ones(1, 16, dtype=torch.bool)), torch.tensor([[14.5 / 16]]))
