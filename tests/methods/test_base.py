"""The interface of methods: crops and padding cannot leak into each other; refusals."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from vad_lib.errors import DataError
from vad_lib.losses import LossTerm, total_loss
from vad_lib.methods.base import Method


class TinyOutput(NamedTuple):
    """Output with a time axis, without one, and no tensor at all."""

    context: Tensor
    pooled: Tensor
    note: str


class TinyMethod(Method):
    """A bidirectional GRU: every step sees the whole sequence, so any leak shows."""

    feature_dim = 3
    without_time = ("pooled",)

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(3, 2, bidirectional=True, batch_first=True)
        self.lengths = []

    def encode(self, features):
        self.lengths.append(features.shape[:2])
        context = self.rnn(features)[0]
        return TinyOutput(context, context.mean(dim=1), "tiny")

    def loss(self, output, batch):
        return {"mean": LossTerm(output.pooled.mean())}

    def scores(self, output):
        return {"score": output.context.mean(dim=-1).sigmoid().mean(dim=1)}


@pytest.fixture
def method():
    return TinyMethod().eval()


def test_crops_of_videos_become_sequences_and_come_back(method):
    features = torch.randn(2, 3, 5, 3)
    output = method(features)
    assert output.context.shape == (2, 3, 5, 4)
    assert output.pooled.shape == (2, 3, 4)
    assert output.note == "tiny"
    alone = method(features[1:, 2:])
    torch.testing.assert_close(output.context[1:, 2:], alone.context)


def test_padding_changes_nothing(method):
    lengths = [5, 2, 4, 2]
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    features = torch.randn(4, 2, 5, 3)
    output = method(features, mask)
    assert output.context.shape == (4, 2, 5, 4)
    for video, length in enumerate(lengths):
        alone = method(features[video : video + 1, :, :length])
        torch.testing.assert_close(output.context[video, :, :length], alone.context[0])
        torch.testing.assert_close(output.pooled[video], alone.pooled[0])
        assert not output.context[video, :, length:].any()
    assert method.lengths[:3] == [(4, 2), (2, 4), (2, 5)]  # videos of equal length share one call


def test_a_full_mask_is_no_mask(method):
    features = torch.randn(2, 1, 4, 3)
    assert torch.equal(method(features, torch.ones(2, 4, dtype=torch.bool)).context, method(features).context)


def test_gradients_pass_through_padding(method):
    features = torch.randn(2, 1, 4, 3, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    method(features, mask).context.sum().backward()
    assert features.grad[1, 0, :2].abs().min() > 0
    assert not features.grad[1, 0, 2:].any()


@pytest.mark.parametrize(
    ("features", "mask", "message"),
    [
        (torch.zeros(2, 4, 3), None, r"expected shape \(videos, crops, segments, width\), got \(2, 4, 3\)"),
        (torch.zeros(2, 1, 4, 5), None, "built for width 3, got 5"),
        (torch.full((2, 1, 4, 3), torch.nan), None, "got NaN or infinity"),
        (torch.full((2, 1, 4, 3), torch.inf), None, "got NaN or infinity"),
        (torch.zeros(2, 1, 4, 3).half(), None, r"expected torch.float32 as the weights, got torch.float16; convert"),
        (torch.zeros(2, 1, 4, 3).double(), None, r"got torch.float64; convert them with features.to\(torch.float32\)"),
        (torch.zeros(2, 1, 4, 3), torch.ones(4, dtype=torch.bool), r"\(2, 4\), got torch.bool of \(4,\)"),
        (torch.zeros(2, 1, 4, 3), torch.ones(1, 4, dtype=torch.bool), r"got torch.bool of \(1, 4\)"),
        (torch.zeros(2, 1, 4, 3), torch.ones(2, 4), r"mask: expected bool .* got torch.float32"),
        (torch.zeros(1, 1, 4, 3), torch.tensor([[True, False, True, True]]), "real segments must come first"),
        (torch.zeros(1, 1, 4, 3), torch.tensor([[False] * 4]), "each video needs at least one"),
    ],
)
def test_wrong_input_is_refused(method, features, mask, message):
    with pytest.raises(DataError, match=message):
        method(features, mask)


def test_large_features_are_finite_though_their_sum_is_not(method):
    assert method(torch.full((2, 1, 4, 3), 3e38)).context.shape == (2, 1, 4, 4)


def test_features_have_the_type_of_the_weights(method):
    assert method.double()(torch.zeros(2, 1, 4, 3).double()).context.dtype == torch.float64


def test_total_loss_is_the_weighted_sum():
    terms = {
        "a": LossTerm(torch.tensor(2.0)),
        "b": LossTerm(torch.tensor(3.0), 0.5),
        "c": LossTerm(torch.tensor(1.0), torch.tensor(4.0)),
    }
    assert total_loss(terms).item() == 2 + 1.5 + 4


def test_frozen_parameters_are_not_optimised(method):
    method.rnn.bias_hh_l0.requires_grad_(False)
    (group,) = method.parameter_groups(0.25)
    assert group["weight_decay"] == 0.25
    assert len(group["params"]) == len(list(method.parameters())) - 1
    assert all(parameter is not method.rnn.bias_hh_l0 for parameter in group["params"])


def test_nothing_is_monitored_unless_a_method_says_so(method):
    assert method.monitored() == {}
