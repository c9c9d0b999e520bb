"""RTFM's multi-scale temporal network in both forms: against its formula, fast against plain, and its start values."""

import math

import pytest
import torch
from both_forms import assert_forms_agree, in_both_forms
from reference_forms import temporal_network as reference
from torch import nn

from vad_lib.methods.temporal_network import (
    MultiScaleTemporalNetwork,
    NonLocalBlock,
    ScoreHead,
    SegmentNorm,
    score_layers,
    xavier_start,
)

LENGTHS = [1, 2, 4, 5, 33]  # shorter and longer than the dilations and than the width of the non-local products


def started(module: nn.Module) -> nn.Module:
    """Without the zeros and ones that start values have: they would hide errors."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


@in_both_forms
@pytest.mark.parametrize("length", LENGTHS)
def test_the_network_is_its_formula(form, length):
    tensors = {name: torch.randn(shape).requires_grad_() for name, shape in reference.shapes(16).items()}
    ours, x, upstream = MultiScaleTemporalNetwork(16).train(), torch.randn(3, length, 16), torch.randn(3, length, 16)
    ours.load_state_dict(reference.library_layout(tensors), strict=False)
    expected, found = reference.forward(tensors, x), form(ours)(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    (expected * upstream).sum().backward()
    (found * upstream).sum().backward()
    gradients = reference.library_layout({name: tensor.grad for name, tensor in tensors.items()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-3, atol=1e-4, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("build", [MultiScaleTemporalNetwork, NonLocalBlock, SegmentNorm, ScoreHead])
def test_fast_forms_are_the_plain_ones(build, length, training):
    module = started(build(16)).train(training)
    assert_forms_agree(module, lambda form, x: form(x), torch.randn(3, length, 16).double())


@in_both_forms
def test_non_local_block_starts_as_the_identity(form):
    block, x = form(NonLocalBlock(8)).eval(), torch.randn(2, 5, 8)
    assert torch.equal(block(x), x)
    nn.init.ones_(block.norm.weight)
    assert not torch.allclose(block(x), x)


@in_both_forms
@pytest.mark.parametrize("length", [3, 4, 5, 400])
def test_every_segment_receives_a_sum_over_all(form, length):
    query, key, value = torch.randn(3, 2, length, 4)
    mixed = form(NonLocalBlock(8)).mix(query, key, value)
    expected = torch.stack(
        [sum((query[:, i] * key[:, j]).sum(-1, keepdim=True) * value[:, j] for j in range(length)) for i in range(min(length, 5))],
        dim=1,
    )
    torch.testing.assert_close(mixed[:, :5], expected / length, rtol=1e-4, atol=1e-5)


def test_start_values_are_xavier():
    """Each weight has the bound of its layer, sqrt(6 / (fan in + fan out)); biases and the block's last gain are zero."""
    network = MultiScaleTemporalNetwork(256)
    layers = [(convolution.weight, 3 * (256 + 64)) for convolution in network.pyramid]
    layers += [(network.reduce.weight, 256 + 64), (network.fuse.weight, 3 * 2 * 256), (network.non_local.merge.weight, 96)]
    layers += [(part, 96) for part in network.non_local.project.weight.chunk(3)]
    for weight, fans in layers:
        bound = math.sqrt(6 / fans)
        assert 0.98 * bound < weight.abs().max().item() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    zeros = [network.non_local.project.bias, network.non_local.norm.weight, *(c.bias for c in network.pyramid)]
    assert not any(parameter.any() for parameter in zeros)
    assert (network.pyramid_norm.weight == 1).all() and (network.fuse_norm.weight == 1).all()


def test_a_seed_keeps_its_start_values():
    """Runs of earlier versions drew all weights with one input as one matrix, tap by tap, and nothing for the biases."""
    torch.manual_seed(0)
    nn.Linear(8, 10 * 2, bias=False), NonLocalBlock(2), nn.Linear(8, 3 * 8, bias=False)  # drawn, but not used
    pyramid = torch.empty(3, 3, 2, 8).uniform_(-math.sqrt(6 / 30), math.sqrt(6 / 30))  # tap, dilation, out, in
    reduction = torch.empty(2, 8).uniform_(-math.sqrt(6 / 10), math.sqrt(6 / 10))
    fusion = torch.empty(3, 8, 8).uniform_(-math.sqrt(6 / 48), math.sqrt(6 / 48))  # tap, out, in
    state = torch.get_rng_state()
    torch.manual_seed(0)
    network = MultiScaleTemporalNetwork(8)
    assert torch.equal(torch.get_rng_state(), state)
    for convolution, weight in zip(network.pyramid, pyramid.unbind(1)):
        torch.testing.assert_close(convolution.weight.permute(2, 0, 1), weight)
    torch.testing.assert_close(network.reduce.weight.squeeze(2), reduction)
    torch.testing.assert_close(network.fuse.weight.permute(2, 0, 1), fusion)


@in_both_forms
def test_segment_norm_is_batch_norm_over_sequences_and_time(form):
    ours, plain, x = form(SegmentNorm(6)), nn.BatchNorm1d(6), torch.randn(3, 5, 6)
    torch.testing.assert_close(ours(x), plain(x.mT).mT)
    torch.testing.assert_close(ours.running_var, plain.running_var)
    torch.testing.assert_close(ours.eval()(x), plain.eval()(x.mT).mT)
    lone, before = torch.randn(1, 1, 6), ours.running_mean.clone()
    torch.testing.assert_close(ours.train()(lone), ours.eval()(lone))
    assert torch.equal(ours.running_mean, before)


def test_score_layers_give_one_logit_per_segment():
    layers = score_layers(12, (8, 4), dropout=0.5)
    xavier_start(layers)
    assert layers(torch.randn(2, 5, 12)).shape == (2, 5)
    assert not any(layer.bias.any() for layer in layers if isinstance(layer, nn.Linear))
    assert [tuple(layer.weight.shape) for layer in layers if isinstance(layer, nn.Linear)] == [(8, 12), (4, 8), (1, 4)]
