"""Blocks without look-ahead: against their formulas, and what they may see."""

import math

import pytest
import torch
import torch.nn.functional as F
from both_forms import in_both_forms

from vad_lib.errors import ConfigError
from vad_lib.methods import causal, layers
from vad_lib.methods.msf_dmu import MSFDMU, MSFDMUSettings
from vad_lib.model import Proposed, ProposedSettings


def msf_dmu(**options) -> MSFDMU:
    return MSFDMU(MSFDMUSettings(feature_dim=12, width=32, **{"context": "causal", **options}))


def proposed(**options) -> Proposed:
    return Proposed(ProposedSettings(feature_dim=12, width=32, **{"context": "causal", **options}), torch.randn(4, 6))


def stirred(method):
    """The method with all its parameters moved, so that nothing is zero, equal or closed."""
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return method.eval()


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 2, 5, 33])
def test_causal_conv_is_conv1d_padded_on_the_left(dilation, length):
    ours, x = causal.CausalConv(6, 5, dilation), torch.randn(3, length, 6)
    padded = F.pad(x.transpose(1, 2), (2 * dilation, 0))
    plain = F.conv1d(padded, ours.weight, ours.bias, dilation=dilation).transpose(1, 2)
    torch.testing.assert_close(ours(x), plain)


def test_causal_conv_by_hand():
    conv = causal.CausalConv(1, 1)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[100.0, 10.0, 1.0]]]))  # two earlier, one earlier, here
        conv.bias.zero_()
    assert conv(torch.tensor([[[1.0], [2.0], [3.0]]])).flatten().tolist() == [1, 12, 123]


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_products_move_to_the_columns_of_their_segments(rows):
    """Row r is segment 5 - rows + r; before the move column c holds the distance 4 - c."""
    of_distance = torch.randn(2, rows, 5)
    expected = torch.zeros(2, rows, 5)
    for row in range(rows):
        segment = 5 - rows + row
        for column in range(segment + 1):
            expected[:, row, column] = of_distance[:, row, 4 - (segment - column)]
    assert torch.equal(causal.shifted_to_columns(of_distance), expected)


@pytest.mark.parametrize("position", ["scaled", "raw"])
@pytest.mark.parametrize("lookback", [1, 3, 20])
def test_causal_attention_against_its_formula(position, lookback):
    layer = causal.CausalPositionAttention(16, 2, 0.5, position, lookback).eval()
    with torch.no_grad():
        layer.position_logit.copy_(torch.tensor([0.3, -1.0]))
        layer.log_temperature.copy_(torch.tensor([0.5, 1.2]))
    x = torch.randn(1, 7, 16)
    query, key, value, local = (part[0] for part in layer.project(layer.norm(x)).chunk(4, dim=-1))
    code = layers.position_codes(torch.arange(7) * (200 / lookback if position == "scaled" else 1.0), 8)
    rows = []
    for i in range(7):
        parts, seen = [], range(max(0, i - lookback + 1), i + 1)
        for head in range(2):
            of_head = slice(8 * head, 8 * head + 8)
            beta, tau = layer.position_logit[head].sigmoid(), layer.log_temperature[head].exp()
            q = query[i, of_head]
            logits = torch.stack([q @ ((1 - beta) * key[j, of_head] + beta * code[i - j]) for j in seen]) / math.sqrt(8)
            parts.append(logits.softmax(dim=0) @ value[list(seen), of_head])
            decay = torch.stack([torch.exp((j - i) / tau) for j in seen])
            parts.append(decay / decay.sum() @ local[list(seen), of_head])
        rows.append(torch.cat(parts))
    expected = x + layer.merge(layer.gate(torch.stack(rows)))
    expected = expected + layer.feed_forward(expected)
    torch.testing.assert_close(layer(x), expected)


def test_decay_ends_where_the_full_form_ends():
    layer = causal.CausalPositionAttention(16, 2, 0.0, "raw", 200)
    with torch.no_grad():
        layer.log_temperature.fill_(4.0)  # slow enough to reach beyond the band
    seen = torch.zeros(1, 100, 3, 2, 8)
    seen[:, 10, 2] = 1.0
    local = layer.look_back(torch.zeros(1, 100, 2, 8), seen).unflatten(-1, (2, 2, 8))[0, :, 0, 1, 0]
    assert local[10 : 10 + layers.BAND + 1].min() > 0
    assert not local[:10].any() and not local[10 + layers.BAND + 1 :].any()


def test_running_mean():
    mean, x = causal.RunningMean(), torch.randn(2, 5, 3)
    torch.testing.assert_close(mean(x), torch.stack([x[:, : t + 1].mean(dim=1) for t in range(5)], dim=1))


LAYERS = {
    "mean": causal.RunningMean,
    "fusion": lambda: causal.CausalFusion(8, 8),
    "fusion that reaches one segment": lambda: causal.CausalFusion(8, 8, (1, 1, 1)),
    "attention": lambda: causal.CausalPositionAttention(8, 2, 0.5, "scaled", 9),
}


@in_both_forms
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_go_on_from_their_past(kind, form):
    layer, x = form(LAYERS[kind]()).eval(), torch.randn(2, 30, 8)
    whole = layer(x)
    layer.past = {}
    pieces = [layer(piece) for piece in x.split([1, 1, 2, 9, 17], dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)
    layer.past = None
    torch.testing.assert_close(layer(x), whole)


@in_both_forms
@pytest.mark.parametrize("modulation", ["scaled", "literal", "off"])
def test_nothing_later_is_seen(modulation, form):
    method, x = form(stirred(proposed(modulation=modulation))), torch.randn(2, 1, 300, 12)
    before = method(x)
    for t in (0, 1, 7, 100, 299):
        changed = x.clone()
        changed[:, :, t:] += torch.randn(2, 1, 300 - t, 12)
        for name, old, new in zip(before._fields, before, method(changed)):
            assert torch.equal(old[:, :, :t], new[:, :, :t]), name
            assert not torch.equal(old[:, :, t], new[:, :, t]), name


def test_the_full_form_does_look_ahead():
    method, x = stirred(proposed(context="full")), torch.randn(1, 1, 30, 12)
    changed = x.clone()
    changed[:, :, 29] += 1
    assert not torch.equal(method(x).fused_scores[:, :, 0], method(changed).fused_scores[:, :, 0])


def test_how_far_back_segments_see():
    """Each layer looks back over lookback - 1 segments, the convolutions over eight."""
    method, x = stirred(msf_dmu(lookback=5, layers=2)), torch.randn(1, 1, 60, 12)
    reach, changed = 2 * 4 + 8, x.clone()
    changed[:, :, 20] += 1
    before, after = method(x).logits.flatten(), method(changed).logits.flatten()
    assert not torch.equal(before[20 + reach], after[20 + reach])
    torch.testing.assert_close(before[20 + reach + 1 :], after[20 + reach + 1 :], rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", [msf_dmu, proposed])
def test_parameters_are_those_of_the_full_form(make):
    torch.manual_seed(3)
    full = make(context="full").state_dict()
    torch.manual_seed(3)
    ours = make(context="causal").state_dict()
    assert list(full) == list(ours)
    assert all(torch.equal(full[name], ours[name]) for name in full)


def test_full_is_the_default_and_has_the_plain_blocks():
    method = MSFDMU(MSFDMUSettings(feature_dim=12, width=32))
    assert type(method.embed) is layers.MultiScaleFusion and type(method.layers[0]) is layers.PositionAttentionLayer
    assert type(method.embed.scales[0]) is layers.TemporalConv
    whole = Proposed(ProposedSettings(feature_dim=12, width=32), torch.randn(4, 6))
    assert not any(isinstance(module, causal.Causal) for module in whole.modules())


def test_default_outputs_have_not_moved():
    """Numbers of the version without the option."""
    generator = torch.Generator().manual_seed(1)
    method = MSFDMU(MSFDMUSettings(feature_dim=4, width=16, heads=2, prototypes=3)).eval()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    expected = [-0.2057598, -0.1334415, -0.2132177, -0.2425256, -0.2343875, -0.3469309]
    found = method(torch.randn(1, 1, 6, 4, generator=generator)).logits.flatten()
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_every_parameter_of_the_causal_form_learns():
    method = proposed().train()
    method(torch.randn(2, 1, 20, 12)).fused_scores.sum().backward()
    unused = {"visual_branch.memory.log_variance_map.weight", "visual_branch.memory.log_variance_map.bias"}  # of the losses
    found = {name for name, parameter in method.named_parameters() if parameter.grad is None or not parameter.grad.any()}
    assert found == unused


def test_unknown_context_and_no_lookback():
    with pytest.raises(ConfigError, match="context"):
        msf_dmu(context="future")
    with pytest.raises(ConfigError, match="lookback"):
        msf_dmu(lookback=0)
