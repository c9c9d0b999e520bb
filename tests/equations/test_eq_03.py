"""Equation 3: A_tc = cos(V'_t, T^_c)."""

import torch

from vad_lib.model import alignment_map


def test_by_hand():
    visual = torch.tensor([[[0.6, 0.8], [1.0, 0.0]]])  # two segments
    text = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]])  # three categories
    # second row: the cosines with (1, 0) are the first coordinates; 0.6 * 0.8 + 0.8 * 0.6 = 0.96
    expected = torch.tensor([[[0.6, 0.8, 0.96], [1.0, 0.0, 0.8]]])
    torch.testing.assert_close(alignment_map(visual, text), expected)


def test_every_video_meets_its_own_text():
    visual = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    text = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert alignment_map(visual, text).flatten().tolist() == [1.0, 0.0]
