"""Equation 13: mean squared difference of the two branches' video scores."""

import pytest
import torch

from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import consistency_loss
from vad_lib.model import Proposed, ProposedSettings


def test_by_hand():
    # (0.9 - 0.5)^2 = 0.16 and 0; mean 0.08
    loss = consistency_loss(torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.1]))
    assert loss.item() == pytest.approx(0.08)


def test_both_branches_are_drawn():
    visual, semantic = torch.tensor([0.9], requires_grad=True), torch.tensor([0.5], requires_grad=True)
    consistency_loss(visual, semantic).backward()
    # derivative 2 * 0.4, with opposite signs
    assert visual.grad.item() == pytest.approx(0.8) and semantic.grad.item() == pytest.approx(-0.8)


def test_video_scores_are_top_means_of_each_branch():
    method = Proposed(ProposedSettings(feature_dim=4, width=16), torch.randn(3, 6)).eval()
    features, labels = torch.randn(2, 1, 5, 4), torch.tensor([0.0, 1.0])
    output = method(features)
    term = method.loss(output, Batch(features, torch.ones(2, 5, dtype=torch.bool), labels, torch.eye(3)[:2], ("n", "a")))["con"]
    # five segments, k = 1: the largest score of each branch, wherever it lies
    expected = (output.visual_scores[:, 0].amax(1) - output.semantic_scores[:, 0].amax(1)).square().mean()
    torch.testing.assert_close(term.value, expected)


def test_scores_of_other_shapes_are_not_broadcast():
    with pytest.raises(DataError, match=r"one shape, got \(2,\) and \(2, 1\)"):
        consistency_loss(torch.tensor([0.9, 0.1]), torch.tensor([[0.9], [0.1]]))
