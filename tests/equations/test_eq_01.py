"""Equation 1: V' = W_v F_c + b_v, then unit length."""

import torch

from vad_lib.model import project_visual


def test_by_hand():
    weight, bias = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([1.0, 0.0])
    # two segments: (2, 2) -> (2 + 1, 4) = (3, 4), length 5; (-1, 0.5) -> (0, 1)
    features = torch.tensor([[[2.0, 2.0], [-1.0, 0.5]]])
    torch.testing.assert_close(project_visual(features, weight, bias), torch.tensor([[[0.6, 0.8], [0.0, 1.0]]]))
    # without b_v the first would point along (2, 4), not (3, 4)
    assert not torch.allclose(project_visual(features, weight, 0 * bias)[0, 0], torch.tensor([0.6, 0.8]))
