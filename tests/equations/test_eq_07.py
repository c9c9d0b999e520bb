"""Equation 7: S_fused = w S_c + (1 - w) S_a."""

import pytest
import torch

from vad_lib.errors import DataError
from vad_lib.model import fuse


def test_by_hand():
    visual, semantic = torch.tensor([[0.8, 0.0, 1.0]]), torch.tensor([[0.4, 1.0, 1.0]])
    # 0.75 * 0.8 + 0.25 * 0.4 = 0.7; 0.25; 1
    torch.testing.assert_close(fuse(visual, semantic, 0.75), torch.tensor([[0.7, 0.25, 1.0]]))


def test_w_belongs_to_the_visual_branch():
    visual, semantic = torch.tensor([0.9]), torch.tensor([0.1])
    assert torch.equal(fuse(visual, semantic, 1.0), visual)
    assert torch.equal(fuse(visual, semantic, 0.0), semantic)


def test_scores_of_other_shapes_are_not_broadcast():
    with pytest.raises(DataError, match=r"fusion: .* got \(4, 8\) and \(8,\)"):
        fuse(torch.rand(4, 8), torch.rand(8), 0.5)
