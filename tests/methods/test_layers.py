"""Building blocks against plain loops, and their starting points."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vad_lib.methods import layers


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


@pytest.mark.parametrize("normalise", ["rows", "columns"])
def test_scoring_a_long_video_takes_the_band_of_the_decay(normalise):
    values, temperature = torch.randn(1, 2, layers.MOST_DENSE + 1, 3), torch.tensor([math.e, 1.5])
    whole = layers.local_decay(values, temperature, normalise)  # gradients are on, as in training
    with torch.inference_mode():
        torch.testing.assert_close(layers.local_decay(values, temperature, normalise), whole, rtol=1e-5, atol=1e-6)
        longest = layers.local_decay(torch.ones(1, 1, 61_032, 1), temperature[:1], normalise)  # the matrix would take 60 GB
    torch.testing.assert_close(longest[:, :, 64:-64], torch.ones(1, 1, 61_032 - 128, 1))


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


def test_multi_scale_fusion_reaches_as_far_as_its_dilations():
    for dilations, reach in {(1, 2, 4): 4, (1, 1, 1): 1, (3,): 3}.items():
        fusion, x = layers.MultiScaleFusion(2, 4, dilations), torch.randn(1, 11, 2, requires_grad=True)
        fusion(x)[0, 5].sum().backward()
        assert torch.nonzero(x.grad[0].abs().sum(dim=1)).ravel().max() <= 5 + reach
        assert len(fusion.scales) == len(dilations)


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
