"""Losses: masks, and safety at 0 and 1. Equations: ``tests/equations``; of other methods: ``methods/test_mil_losses.py``."""

import pytest
import torch

from vad_lib import losses
from vad_lib.methods import mil_losses


def all_real(rows: int, segments: int) -> torch.Tensor:
    return torch.ones(rows, segments, dtype=torch.bool)


def test_topk_count_follows_each_length():
    mask = torch.arange(200) < torch.tensor([1, 15, 16, 32, 200])[:, None]
    assert losses.topk_count(mask).tolist() == [1, 1, 2, 3, 13]


def test_topk_mean_never_sees_padding():
    values = torch.tensor([[0.1, 0.5, 0.3, 0.9], [0.4, 0.2, 0.6, 0.8]])
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    # divisor 2: k = 2 and 3
    torch.testing.assert_close(losses.topk_mean(values, mask, 2), torch.tensor([0.4, 0.6]))


def test_mean_at_takes_the_kept_rows():
    features = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [5.0, 4.0]], [[7.0, 7.0], [0.0, 0.0], [9.0, 9.0]]])
    values = torch.tensor([[0.1, 0.9, 0.5], [0.9, 0.1, 0.2]])
    top = losses.top_segments(values, all_real(2, 3), torch.tensor([2, 1]))
    torch.testing.assert_close(losses.mean_at(features, top), torch.tensor([[4.0, 3.0], [7.0, 7.0]]))


@pytest.mark.parametrize("score", [0.0, 1.0, -0.3, 1.7])
def test_main_loss_is_finite_at_the_ends(score):
    scores = torch.full((1,), score, requires_grad=True)
    loss = losses.main_loss(scores, torch.tensor([1.0]))
    loss.backward()
    assert loss.isfinite() and scores.grad.isfinite().all()


def test_scores_that_round_above_one_cost_nothing():
    saturated = losses.topk_mean(torch.ones(1, 150))
    assert saturated > 1  # ten times 0.1 in float32
    assert losses.main_loss(saturated, torch.ones(1)) == 0
    assert mil_losses.abnormal_in_abnormal_memory(torch.ones(1, 150), all_real(1, 150)) == 0


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_broken_scores_break_the_loss(broken):
    found = losses.score_cross_entropy(torch.tensor([broken, 0.3], requires_grad=True), torch.ones(2))
    found.backward()
    assert not found.isfinite()
