"""Equation 1: V' = W_v F_c + b_v, then unit length."""

import torch
from torch import nn

from vad_lib.model import project_visual


def test_by_hand():
    projection = nn.Linear(2, 2)
    projection.load_state_dict({"weight": torch.tensor([[1.0, 0.0], [0.0, 2.0]]), "bias": torch.tensor([1.0, 0.0])})
    # two segments: (2, 2) -> (2 + 1, 4) = (3, 4), length 5; (-1, 0.5) -> (0, 1)
    features = torch.tensor([[[2.0, 2.0], [-1.0, 0.5]]])
    torch.testing.assert_close(project_visual(features, projection), torch.tensor([[[0.6, 0.8], [0.0, 1.0]]]))
    # without b_v the first would point along (2, 4), not (3, 4)
    nn.init.zeros_(projection.bias)
    assert not torch.allclose(project_visual(features, projection)[0, 0], torch.tensor([0.6, 0.8]))
