"""Equation 2: delta = LayerNorm(W_c C_v + b_c), and what it does to the text features."""

import pytest
import torch
from torch import nn

from vad_lib.model import Proposed, ProposedSettings, category_text, modulation_vector


def test_by_hand():
    # two segments (1, 3) and (3, 1): C_v = (2, 2)
    context = torch.tensor([[[1.0, 3.0], [3.0, 1.0]]]).mean(dim=1)
    linear = nn.Linear(2, 2)
    linear.load_state_dict({"weight": torch.tensor([[1.0, 0.0], [0.0, 2.0]]), "bias": torch.tensor([0.0, 2.0])})
    # W_c C_v + b_c = (2, 6): mean 4, standard deviation 2
    delta = modulation_vector(context, linear, nn.LayerNorm(2))
    torch.testing.assert_close(delta, torch.tensor([[-1.0, 1.0]]), rtol=0, atol=1e-5)


def test_bare_delta_makes_categories_alike():
    text, delta = torch.eye(2), torch.tensor([[10.0, 10.0]])

    def cosine(scale):
        first, second = category_text(text, delta, scale)[0]
        return (first @ second).item()

    # (11, 10).(10, 11) / 221 = 220 / 221
    assert cosine(1.0) == pytest.approx(220 / 221)
    # scale 0.01: (1.1, 0.1).(0.1, 1.1) / 1.22 = 0.22 / 1.22
    assert cosine(0.01) == pytest.approx(0.22 / 1.22)
    assert cosine(0.0) == 0.0


@pytest.mark.parametrize("modulation, least, most", [("off", -0.2, 0.2), ("scaled", -0.2, 0.25), ("literal", 0.9, 1.0)])
def test_choice_in_the_model(modulation, least, most):
    """Mean pairwise cosine of T^_c: small by default, near 1 if delta is added as printed."""
    text = nn.functional.normalize(torch.randn(7, 384), dim=1)
    method = Proposed(ProposedSettings(feature_dim=4, width=16, modulation=modulation), text)
    categories = method.category_text(torch.randn(2, 5, 32))[0]
    pairs = (categories @ categories.T)[~torch.eye(7, dtype=torch.bool)]
    assert least < pairs.mean() < most
