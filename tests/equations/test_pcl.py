"""Prompt construction and learning: T~_c = L2norm(T_c + Delta_c), Delta_c zero at the start."""

import torch

from vad_lib.model import Proposed, ProposedSettings, learned_text


def test_by_hand():
    text = torch.tensor([[0.3, 0.4], [0.6, 0.8]])
    # without an offset only the length changes: (0.3, 0.4) / 0.5
    torch.testing.assert_close(learned_text(text, torch.zeros(2, 2)), torch.tensor([[0.6, 0.8], [0.6, 0.8]]))
    # (0.3, 0.4) + (0.1, -0.4) = (0.4, 0); (0.6, 0.8) + (-0.6, 0.8) = (0, 1.6)
    offset = torch.tensor([[0.1, -0.4], [-0.6, 0.8]])
    torch.testing.assert_close(learned_text(text, offset), torch.eye(2))


def test_offset_learns_and_text_does_not():
    method = Proposed(ProposedSettings(feature_dim=4, width=16, dropout=0.0), torch.randn(3, 6))
    before = method.text_features.clone()
    assert method.prompt_offset.count_nonzero() == 0
    optimiser = torch.optim.Adam(method.parameters(), lr=0.01)
    method(torch.randn(2, 1, 5, 4)).semantic_scores.sum().backward()
    optimiser.step()
    assert torch.equal(method.text_features, before)
    assert method.prompt_offset.count_nonzero() == method.prompt_offset.numel()
