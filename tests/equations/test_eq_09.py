"""Equation 9: L_total = L_m + lambda_1 L_align + lambda_2 L_cls + lambda_3 L_con."""

import math

import pytest
import torch

from vad_lib.data.batches import Batch
from vad_lib.losses import LossTerm, total_loss
from vad_lib.model import Proposed, ProposedSettings


def batch(categories: int = 3) -> Batch:
    labels = torch.tensor([0.0, 1.0])
    targets = torch.eye(categories)[[0, 2]]
    return Batch(torch.randn(2, 1, 5, 4), torch.ones(2, 5, dtype=torch.bool), labels, targets, ("n", "a"))


def proposed(**options) -> Proposed:
    return Proposed(ProposedSettings(feature_dim=4, width=16, **options), torch.randn(3, 6))


def test_by_hand():
    terms = {
        "main": LossTerm(torch.tensor(0.5)),
        "align": LossTerm(torch.tensor(1.0), 0.1),
        "cls": LossTerm(torch.tensor(2.0), 0.1),
        "con": LossTerm(torch.tensor(0.4), 0.05),
    }
    # 0.5 + 0.1 + 0.2 + 0.02
    assert total_loss(terms).item() == pytest.approx(0.82)


def test_model_gives_the_lambdas():
    method, data = proposed(losses="bce_only", lambda_align=0.3, lambda_cls=0.2, lambda_con=0.7), batch()
    terms = method.loss(method(data.features), data)
    assert {name: term.weight for name, term in terms.items()} == {"main": 1.0, "align": 0.3, "cls": 0.2, "con": 0.7}


def test_lambda_zero_leaves_the_term_out():
    method, data = proposed(losses="bce_only", lambda_align=0, lambda_con=0), batch()
    assert set(method.loss(method(data.features), data)) == {"main", "cls"}


def test_adaptive_weights_by_hand():
    """Weight e^{-s} and the term s / 2: they start at the lambdas and settle where e^{-s} = 1 / (2 L)."""
    method = proposed(loss_weights="adaptive", lambda_align=0.5, lambda_cls=0, lambda_con=0)
    loss = torch.tensor(2.0)
    terms = method.lambdas({"align": loss})
    s = -math.log(0.5)
    assert total_loss(terms).item() == pytest.approx(0.5 * 2 + s / 2)
    total_loss(terms).backward()
    # d/ds (e^{-s} L + s / 2) = -0.5 * 2 + 0.5: the weight of a loss as large as 2 should fall, so s rises
    assert method.lambdas.log_variances["align"].grad.item() == pytest.approx(-0.5 * 2 + 0.5)
    assert method.monitored()["lambda_align"] == pytest.approx(0.5)
