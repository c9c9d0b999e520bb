"""Equation 6: w = sigmoid(g)."""

import math

import pytest
import torch

from vad_lib.model import Proposed, ProposedSettings, gate_weight


def test_by_hand():
    # 1 / (1 + e^0) = 1/2; 1 / (1 + e^{-ln 3}) = 3/4
    assert gate_weight(torch.tensor(0.0)).item() == 0.5
    assert gate_weight(torch.tensor(math.log(3))).item() == pytest.approx(0.75)


@pytest.mark.parametrize("gate", ["learnable", "fixed"])
def test_gate_learns_only_if_asked(gate):
    method = Proposed(ProposedSettings(feature_dim=4, width=16, gate=gate, gate_start=math.log(3)), torch.randn(3, 6))
    assert method.monitored()["w"] == pytest.approx(0.75)
    method(torch.randn(2, 1, 5, 4)).fused_scores.sum().backward()
    assert (method.gate_logit.grad is not None) == (gate == "learnable")
