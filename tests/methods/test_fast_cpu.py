"""Fast forms for processors: what is swapped, and the same numbers as the plain forms. Other methods' forms: their own tests."""

import math

import pytest
import torch
import torch.nn.functional as F
from both_forms import assert_forms_agree
from torch import nn

from vad_lib.methods import causal, layers
from vad_lib.methods.fast_cpu import FAST, attention, linear, use_fast_forms, use_plain_forms
from vad_lib.methods.msf_dmu import MSFDMU, MSFDMUSettings
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings
from vad_lib.model import Proposed, ProposedSettings

SMALL = {"feature_dim": 12, "width": 32}
MODELS = {
    "ur-dmu": lambda: URDMU(URDMUSettings(**SMALL)),
    "msf-dmu": lambda: MSFDMU(MSFDMUSettings(**SMALL)),
    "msf-dmu, causal": lambda: MSFDMU(MSFDMUSettings(**SMALL, context="causal", lookback=9)),
    "proposed": lambda: Proposed(ProposedSettings(**SMALL), torch.randn(4, 16)),
    "proposed, causal": lambda: Proposed(ProposedSettings(**SMALL, context="causal"), torch.randn(4, 16)),
}


def call(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return module(x)


def test_every_fast_form_is_its_plain_class_with_other_methods_only():
    for plain, fast in FAST.items():
        assert issubclass(fast, plain) and fast.__init__ is plain.__init__, fast


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_swapping_keeps_the_parameters_and_can_be_undone(build):
    model = build()
    before, classes = dict(model.named_parameters()), [type(module) for module in model.modules()]
    assert use_fast_forms(model) is model
    swapped = [type(module) for module in model.modules()]
    assert swapped != classes and not set(swapped) & set(FAST)
    after = dict(model.named_parameters())
    assert list(before) == list(after) and all(before[name] is after[name] for name in before)
    assert [type(module) for module in use_plain_forms(model).modules()] == classes


@pytest.mark.parametrize("segments", [1, 20, 300, 600])
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_whole_models_score_alike(build, segments):
    plain, x = build().eval(), torch.randn(2, 1, segments, 12)
    with torch.inference_mode():
        expected = plain.scores(plain(x))
        found = plain.scores(use_fast_forms(plain)(x))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("length", [1, 5, 33, 300])
@pytest.mark.parametrize(
    "module",
    [
        lambda: layers.TemporalConv(8, 6, dilation=2),
        lambda: causal.CausalConv(8, 6, dilation=2),
        lambda: layers.MultiScaleFusion(8, 16),
        lambda: layers.MultiScaleFusion(8, 16, (1, 1)),
        lambda: causal.CausalFusion(8, 16),
        lambda: causal.CausalFusion(8, 16, (1, 3)),
        lambda: layers.GlobalLocalLayer(8, 2, 0.5),
        lambda: layers.PositionAttentionLayer(8, 2, 0.5, "scaled"),
        lambda: causal.CausalPositionAttention(8, 2, 0.5, "raw", 40),
        lambda: nn.Linear(8, 16),
        lambda: nn.Linear(8, 16, bias=False),
    ],
)
def test_modules_agree(module, length):
    assert_forms_agree(module().eval(), call, torch.randn(3, length, 8))


@pytest.mark.parametrize(
    "method",
    [
        lambda memory, x: memory.attend(x),
        lambda memory, x: memory.context(memory.attend(x)),
        lambda memory, x: memory.mapped(memory.attend(x)[..., :20], memory.abnormal),
        lambda memory, x: memory.log_variance(memory.attend(x)[..., 20:]),
        lambda memory, x: memory.hidden(x, memory.attend(x)),
    ],
    ids=["attend", "context", "mapped", "log_variance", "hidden"],
)
def test_dual_memory_agrees(method):
    memory = layers.DualMemory(16, 20)
    nn.init.normal_(memory.normal)
    assert_forms_agree(memory, method, torch.randn(2, 5, 16))


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 5), (3, 5), (20, 7)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("in_blocks", [False, True])
def test_segment_linear_is_linear(shape, bias, in_blocks, monkeypatch):
    if in_blocks:  # of three rows and one
        monkeypatch.setattr(linear, "LARGEST_WEIGHT", 10)
        monkeypatch.setattr(linear, "WEIGHT_ROWS", 3)
    layer, x, upstream = nn.Linear(6, 4, bias=bias), torch.randn(*shape, 6, requires_grad=True), torch.randn(*shape, 4)
    out = linear.segment_linear(x, layer.weight, layer.bias)
    assert out.shape == (*shape, 4) and out.is_contiguous()
    torch.testing.assert_close(out, layer(x))
    found = torch.autograd.grad((out * upstream).sum(), [x, *layer.parameters()])
    expected = torch.autograd.grad((layer(x) * upstream).sum(), [x, *layer.parameters()])
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other)


def test_narrow_layers_and_other_numbers_of_axes_take_the_product_itself():
    narrow, wide = nn.Linear(6, 7), nn.Linear(6, 8)
    three, two, four = torch.randn(3, 5, 6), torch.randn(5, 6), torch.randn(2, 3, 5, 6)
    expected = narrow(three), wide(two), wide(four)
    narrow, wide = use_fast_forms(narrow), use_fast_forms(wide)
    assert all(torch.equal(*pair) for pair in zip(expected, (narrow(three), wide(two), wide(four))))


@pytest.mark.parametrize("length", [513, 1000])
def test_attention_in_blocks(length):
    query, key, value = torch.randn(3, 2, 2, length, 4)
    expected = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    with torch.inference_mode():
        torch.testing.assert_close(attention.attend(query, key, value), expected)


@pytest.mark.parametrize("normalise", ["rows", "columns"])
@pytest.mark.parametrize("length", [256, 257, 300, 1000])
def test_band_of_the_decay(normalise, length):
    values, temperature = torch.randn(2, 2, length, 3), torch.tensor([math.e, 1.5])
    expected = layers.local_decay(values, temperature, normalise)
    torch.testing.assert_close(attention.local_decay(values, temperature, normalise), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("normalise", ["rows", "columns"])
def test_band_has_the_gradients_of_the_whole_matrix(normalise):
    values, weights = torch.randn(1, 2, 300, 3), torch.randn(1, 2, 300, 3)
    gradients = []
    for decay in (layers.local_decay, attention.local_decay):
        inputs = values.clone().requires_grad_(), torch.tensor([2.0, 3.0], requires_grad=True)
        (decay(*inputs, normalise) * weights).sum().backward()
        gradients.append([tensor.grad for tensor in inputs])
    for whole, band in zip(*gradients):
        torch.testing.assert_close(band, whole, rtol=1e-4, atol=1e-5)


def test_chunks_of_causal_attention_change_nothing(monkeypatch):
    layer, x = causal.CausalPositionAttention(16, 2, 0.5, "scaled", 9).eval(), torch.randn(2, 50, 16)
    whole, layer = layer(x), use_fast_forms(layer)
    for chunk in (1, 7, 49, 256):
        monkeypatch.setattr(attention, "CHUNK", chunk)
        torch.testing.assert_close(layer(x), whole)


def dropout(probability: float) -> nn.Module:
    return use_fast_forms(nn.Dropout(probability)).train()


def test_dropout_rate_and_scale():
    out = dropout(0.5)(torch.ones(1000, 1001))
    # standard deviation of the rate is 5e-4
    assert (out == 0).float().mean().item() == pytest.approx(0.5, abs=3e-3)
    assert set(out.unique().tolist()) == {0.0, 2.0}
    quarter = dropout(0.25)(torch.ones(1000, 1000))
    assert (quarter == 0).float().mean().item() == pytest.approx(0.25, abs=3e-3)
    assert quarter.mean().item() == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize("probability", [0.999, 1.0])
def test_dropout_of_nearly_all(probability):
    x = torch.ones(100, 1000, requires_grad=True)
    out = dropout(probability)(x)
    out.sum().backward()
    assert out.isfinite().all() and x.grad.isfinite().all()
    # the nearest share that a byte can say keeps one of 256
    assert out.mean().item() == pytest.approx(float(probability < 1), abs=0.2)


def test_dropout_bytes_do_not_repeat():
    """Eight elements share one random word; their fates must not be alike."""
    dropped = (dropout(0.5)(torch.ones(20_000, 8)) == 0).float()
    correlation = torch.corrcoef(dropped.T)[~torch.eye(8, dtype=torch.bool)]
    assert correlation.abs().max() < 0.04  # standard deviation 0.007


def test_dropout_gradient_evaluation_and_seed():
    layer, x = dropout(0.5), torch.ones(7, 5, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert torch.equal(x.grad, out)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(dropout(0.0)(x), x)
    layer.train()
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(first, layer(x))
