"""Building blocks against plain loops, and their starting points."""

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vad_lib.methods import layers


def test_dropout_rate_and_scale():
    dropout = layers.Dropout(0.5).train()
    out = dropout(torch.ones(1000, 1001))
    # standard deviation of the rate is 5e-4
    assert (out == 0).float().mean().item() == pytest.approx(0.5, abs=3e-3)
    assert set(out.unique().tolist()) == {0.0, 2.0}
    quarter = layers.Dropout(0.25).train()(torch.ones(1000, 1000))
    assert (quarter == 0).float().mean().item() == pytest.approx(0.25, abs=3e-3)
    assert quarter.mean().item() == pytest.approx(1.0, abs=5e-3)


def test_dropout_bytes_do_not_repeat():
    """Eight elements share one random word; their fates must not be alike."""
    dropped = (layers.Dropout(0.5).train()(torch.ones(20_000, 8)) == 0).float()
    correlation = torch.corrcoef(dropped.T)[~torch.eye(8, dtype=torch.bool)]
    assert correlation.abs().max() < 0.04  # standard deviation 0.007


def test_dropout_gradient_evaluation_and_seed():
    dropout, x = layers.Dropout(0.5), torch.ones(7, 5, requires_grad=True)
    out = dropout(x)
    out.sum().backward()
    assert torch.equal(x.grad, out)
    assert torch.equal(dropout.eval()(x), x)
    assert torch.equal(layers.Dropout(0.0).train()(x), x)
    dropout.train()
    torch.manual_seed(3)
    first = dropout(x)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x))


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 2, 4, 5, 33])
def test_temporal_conv_is_conv1d(dilation, length):
    ours = layers.TemporalConv(6, 5, dilation)
    x = torch.randn(3, length, 6)
    plain = F.conv1d(x.transpose(1, 2), ours.weight, ours.bias, padding=dilation, dilation=dilation).transpose(1, 2)
    torch.testing.assert_close(ours(x), plain)


def slow_decay(values: torch.Tensor, temperature: torch.Tensor, normalise: str) -> torch.Tensor:
    """Double precision, the whole matrix, nothing cut off."""
    step = torch.arange(values.shape[2], dtype=torch.float64)
    decay = torch.exp(-(step[:, None] - step).abs() / temperature.double()[:, None, None])
    decay = decay / decay.sum(dim=1 if normalise == "columns" else 2, keepdim=True)
    return (decay @ values.double()).float()


@pytest.mark.parametrize("normalise", ["rows", "columns"])
@pytest.mark.parametrize("length", [1, 2, 63, 65, 200, 256, 257, 300, 1000])
def test_local_decay_against_the_whole_matrix(normalise, length):
    values, temperature = torch.randn(2, 2, length, 3), torch.tensor([math.e, 1.5])
    ours = layers.local_decay(values, temperature, normalise)
    torch.testing.assert_close(ours, slow_decay(values, temperature, normalise), rtol=1e-5, atol=1e-6)


def test_rows_and_columns_differ_only_near_the_ends():
    values, temperature = torch.randn(1, 1, 150, 2), torch.tensor([math.e])
    difference = layers.local_decay(values, temperature, "rows") - layers.local_decay(values, temperature, "columns")
    assert difference[0, 0, 0].abs().max() > 0.05
    assert difference[0, 0, 70:80].abs().max() < 1e-6


@pytest.mark.parametrize("length", [200, 400])
def test_far_steps_have_no_weight(length):
    values = torch.zeros(1, 1, length, 1)
    values[0, 0, 100] = 1.0
    out = layers.local_decay(values, torch.tensor([50.0]), "rows").flatten()
    assert out[36:165].min() > 0
    assert out[:36].abs().max() == 0 and out[165:].abs().max() == 0


@pytest.mark.parametrize("normalise", ["rows", "columns"])
def test_band_and_dense_have_the_same_gradients(normalise, monkeypatch):
    values, weights = torch.randn(1, 2, 200, 3), torch.randn(1, 2, 200, 3)
    gradients = []
    for dense_length in (256, 0):
        monkeypatch.setattr(layers, "DENSE_LENGTH", dense_length)
        inputs = values.clone().requires_grad_(), torch.tensor([2.0, 3.0], requires_grad=True)
        (layers.local_decay(*inputs, normalise) * weights).sum().backward()
        gradients.append([tensor.grad for tensor in inputs])
    for dense, band in zip(*gradients):
        torch.testing.assert_close(dense, band, rtol=1e-4, atol=1e-5)


def test_positions():
    code = layers.positions(4, 6, None, torch.device("cpu"))
    frequency = 10_000 ** (-1 / 3)
    expected = [math.sin(3), math.cos(3), math.sin(3 * frequency), math.cos(3 * frequency)]
    assert code[3, :4].tolist() == pytest.approx(expected, abs=1e-6)
    # the middle of a long and of a short video have the same phase
    long, short = (layers.positions(length, 6, 200, torch.device("cpu")) for length in (400, 10))
    torch.testing.assert_close(long[200], short[5])


def test_multi_scale_fusion_starts_as_plain_concatenation():
    fusion, x = layers.MultiScaleFusion(6, 8), torch.randn(2, 9, 6)
    together = torch.cat([scale(x).relu() for scale in fusion.scales], dim=-1)
    torch.testing.assert_close(fusion(x), fusion.merge(together).relu())


def test_multi_scale_fusion_weights_scales_per_step():
    fusion, x = layers.MultiScaleFusion(6, 8), torch.randn(2, 9, 6)
    with torch.no_grad():
        fusion.scale_logits.bias.copy_(torch.tensor([50.0, 0.0, 0.0]))  # the first scale only, with weight 3
    only_first = torch.cat([3 * fusion.scales[0](x).relu(), torch.zeros(2, 9, 8)], dim=-1)
    torch.testing.assert_close(fusion(x), fusion.merge(only_first).relu())


def test_channel_gate_starts_nearly_open():
    gate, x = layers.ChannelGate(16, 4), torch.zeros(1, 1, 16)
    with torch.no_grad():
        gate.expand.weight.zero_()
    torch.testing.assert_close(gate(x + 1), torch.full((1, 1, 16), 1 / (1 + math.exp(-2))))


@pytest.mark.parametrize("position", ["scaled", "raw"])
def test_position_attention_against_its_formula(position):
    layer = layers.PositionAttentionLayer(16, 2, 0.5, position).eval()
    with torch.no_grad():
        layer.position_logit.copy_(torch.tensor([0.3, -1.0]))
        layer.log_temperature.copy_(torch.tensor([0.5, 1.2]))
    x = torch.randn(1, 7, 16)
    query, key, value, local = (part[0] for part in layer.project(layer.norm(x)).chunk(4, dim=-1))
    code = layers.positions(7, 8, 200 if position == "scaled" else None, x.device)
    parts = []
    for head in range(2):
        of_head = slice(8 * head, 8 * head + 8)
        q, k, v, u = query[:, of_head], key[:, of_head], value[:, of_head], local[:, of_head]
        beta, tau = layer.position_logit[head].sigmoid(), layer.log_temperature[head].exp()
        parts.append((((1 - beta) * q @ k.T + beta * q @ code.T) / math.sqrt(8)).softmax(dim=-1) @ v)
        decay = torch.tensor([[math.exp(-abs(i - j) / tau.item()) for j in range(7)] for i in range(7)])
        parts.append(decay / decay.sum(dim=1, keepdim=True) @ u)
    expected = x + layer.merge(layer.gate(torch.cat(parts, dim=-1)))
    expected = expected + layer.feed_forward(expected)
    torch.testing.assert_close(layer(x), expected)


def test_dual_memory_maps_commute_with_reading():
    memory = layers.DualMemory(16, 20)
    nn.init.normal_(memory.normal)
    attention = memory.attend(torch.randn(2, 5, 16))
    assert attention.shape == (2, 5, 40) and attention.min() > 0 and attention.max() < 1
    to_abnormal, to_normal = attention.split(20, dim=-1)
    abnormal, normal = to_abnormal @ memory.abnormal, to_normal @ memory.normal
    torch.testing.assert_close(memory.context(attention), memory.mean_map(abnormal) + memory.mean_map(normal))
    torch.testing.assert_close(memory.mapped(to_normal, memory.normal), memory.mean_map(normal))
    torch.testing.assert_close(memory.log_variance(to_normal), memory.log_variance_map(normal))


def test_dual_memory_similarity_is_the_mean_of_the_nearest():
    memory = layers.DualMemory(16, 20)  # 20 // 16 + 1 = 2 nearest
    attention = torch.arange(20.0).flip(0)
    assert memory.similarity(attention).item() == 18.5


def test_head_and_noise_are_linear_in_the_context():
    memory = layers.DualMemory(16, 20)
    encoded, attention, noise = torch.randn(1, 3, 16), torch.rand(1, 3, 40), torch.randn(1, 3, 16)
    context = memory.context(attention)
    hidden = memory.hidden(encoded, attention)
    torch.testing.assert_close(hidden, memory.head_in(torch.cat([encoded, context], dim=-1)))
    noisy = torch.cat([encoded, context + noise], dim=-1)
    torch.testing.assert_close(hidden + memory.hidden_noise(noise), memory.head_in(noisy))


@pytest.fixture(scope="module")
def separate():
    """The multi-scale temporal network as separate convolutions."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "reference" / "temporal_network.py")))


@pytest.mark.parametrize("length", [1, 2, 4, 5, 33])  # the inner width is 2: both orders of the non-local products
def test_temporal_network_is_separate_convolutions(separate, length):
    tensors = {name: torch.randn(shape).requires_grad_() for name, shape in separate.shapes(16).items()}
    ours, x, upstream = layers.MultiScaleTemporalNetwork(16).train(), torch.randn(3, length, 16), torch.randn(3, length, 16)
    ours.load_state_dict(separate.library_layout(tensors), strict=False)
    expected, found = separate.plain(tensors, x), ours(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    (expected * upstream).sum().backward()
    (found * upstream).sum().backward()
    gradients = separate.library_layout({name: tensor.grad for name, tensor in tensors.items()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-3, atol=1e-4, msg=lambda m, name=name: f"{name}: {m}")


def test_non_local_block_starts_as_the_identity_and_needs_no_square_matrix():
    block, x = layers.NonLocalBlock(8).eval(), torch.randn(2, 5, 8)
    assert torch.equal(block(x), x)
    nn.init.ones_(block.norm.weight)
    for length in (3, 4, 5, 400):
        x = torch.randn(2, length, 8)
        query, key, value = block.project(x).chunk(3, dim=-1)
        plain = x + block.norm(block.merge((query @ key.mT / length) @ value))
        torch.testing.assert_close(block(x), plain)


def test_start_values_of_the_temporal_network_are_xavier():
    """Each block of a stacked weight has the bound of the layer that it is: sqrt(6 / (fan in + fan out))."""
    network = layers.MultiScaleTemporalNetwork(256)
    pyramid, reduction = network.spread.weight.split([9 * 64, 64])
    blocks = ((pyramid, 3 * (256 + 64)), (reduction, 256 + 64), (network.fuse.weight, 3 * 2 * 256))
    blocks += (*((part, 96) for part in network.non_local.project.weight.chunk(3)), (network.non_local.merge.weight, 96))
    for weight, fans in blocks:
        bound = math.sqrt(6 / fans)
        assert 0.98 * bound < weight.abs().max().item() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not network.non_local.project.bias.any() and not network.pyramid_bias.any() and not network.non_local.norm.weight.any()
    assert (network.pyramid_norm.weight == 1).all() and (network.fuse_norm.weight == 1).all()


def test_segment_norm_is_batch_norm_over_sequences_and_time():
    ours, plain, x = layers.SegmentNorm(6), nn.BatchNorm1d(6), torch.randn(3, 5, 6)
    torch.testing.assert_close(ours(x), plain(x.transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(ours.running_var, plain.running_var)
    torch.testing.assert_close(ours.eval()(x), plain.eval()(x.transpose(1, 2)).transpose(1, 2))
    lone, before = torch.randn(1, 1, 6), ours.running_mean.clone()
    torch.testing.assert_close(ours.train()(lone), ours.eval()(lone))
    assert torch.equal(ours.running_mean, before)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 5), (3, 5), (20, 7)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("in_blocks", [False, True])
def test_segment_linear_is_linear(shape, bias, in_blocks, monkeypatch):
    if in_blocks:  # of three rows and one
        monkeypatch.setattr(layers, "LARGEST_WEIGHT", 10)
        monkeypatch.setattr(layers, "WEIGHT_ROWS", 3)
    ours, x, upstream = layers.SegmentLinear(6, 4, bias=bias), torch.randn(*shape, 6, requires_grad=True), torch.randn(*shape, 4)
    out = ours(x)
    assert out.shape == (*shape, 4) and out.is_contiguous()
    torch.testing.assert_close(out, F.linear(x, ours.weight, ours.bias))
    found = torch.autograd.grad((out * upstream).sum(), [x, *ours.parameters()])
    expected = torch.autograd.grad((F.linear(x, ours.weight, ours.bias) * upstream).sum(), [x, *ours.parameters()])
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other)
    assert torch.equal(ours(x[None]), F.linear(x[None], ours.weight, ours.bias))  # other numbers of axes: the product itself


@pytest.mark.parametrize("length", [1, 2, 7])
def test_segment_conv_is_a_convolution(length):
    ours, x = layers.SegmentConv(6, 4, kernel=5), torch.randn(3, length, 6)
    out = ours(x)
    assert out.shape == (3, length, 4) and out.is_contiguous()
    torch.testing.assert_close(out, F.conv1d(x.mT, ours.weight, ours.bias, padding=2).mT)
