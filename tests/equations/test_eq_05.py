"""Equation 5: S_a sums the abnormal categories, after a softmax (default) or as printed."""

import math

import pytest
import torch

from vad_lib.model import Proposed, ProposedSettings, semantic_score


def test_softmax_by_hand():
    # tau = 0.5: logits 0, ln 2, 0, so probabilities 1/4, 2/4, 1/4, of which the last two are abnormal
    alignment = torch.tensor([[[0.0, math.log(2) / 2, 0.0]]])
    assert semantic_score(alignment, 0.5).item() == pytest.approx(0.75)


def test_lower_temperature_is_sharper():
    alignment = torch.tensor([[[0.2, 0.5]]])
    assert semantic_score(alignment, 0.05) > semantic_score(alignment, 0.5) > 0.5


def test_literal_sum_leaves_the_unit_interval():
    alignment = torch.tensor([[[0.9, 0.8, 0.7], [0.1, -0.2, -0.3]]])
    # 0.8 + 0.7 and -0.2 - 0.3
    torch.testing.assert_close(semantic_score(alignment, 0.07, "sum"), torch.tensor([[1.5, -0.5]]))
    softmax = semantic_score(alignment, 0.07)
    assert softmax.min() > 0 and softmax.max() < 1


def test_literal_sum_is_clamped_in_scores():
    method = Proposed(ProposedSettings(feature_dim=4, width=16, semantic_score="sum"), torch.randn(9, 6)).eval()
    output = method(torch.randn(3, 1, 40, 4))
    scores = method.scores(output)
    assert output.semantic_scores.min() < 0 or output.semantic_scores.max() > 1
    for name in ("score", "semantic"):
        assert scores[name].min() >= 0 and scores[name].max() <= 1
