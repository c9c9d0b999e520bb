"""CLIP-TSA's choice of segments: draws, gradients, memory; and its reduction. Known answers: ``tests/reference``."""

import math

import pytest
import torch
from both_forms import in_both_forms
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods.clip_tsa import CLIPTSA, SPEC, CLIPTSASettings, PerturbedTopK
from vad_lib.methods.fast_cpu import use_fast_forms, use_plain_forms
from vad_lib.methods.rtfm import RTFM, RTFMOutput, RTFMSettings


def small(**options) -> CLIPTSA:
    return CLIPTSA(CLIPTSASettings(**{"feature_dim": 12, "width": 16, **options}))


def batch(segments: int = 20, crops: int = 1, dimension: int = 12) -> Batch:
    labels = torch.tensor([0.0, 0.0, 1.0, 1.0])
    return Batch(
        torch.randn(4, crops, segments, dimension),
        torch.ones(4, segments, dtype=torch.bool),
        labels,
        torch.stack([1 - labels, labels], dim=1),
        ("n0", "n1", "a0", "a1"),
    )


def topk(scores: torch.Tensor, noise: torch.Tensor, m: int, sigma: float = 0.05, released: bool = True) -> torch.Tensor:
    return PerturbedTopK.apply(scores, noise, m, sigma, released)


def test_inclusion_by_hand():
    """Two draws: the first leaves the order as it is, the second lifts the last segment above the second."""
    scores = torch.tensor([[0.5, 0.4, 0.3]])
    noise = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]])
    assert topk(scores, noise, m=2).tolist() == [[1.0, 0.5, 0.5]]
    assert topk(scores, noise, m=1).tolist() == [[1.0, 0.0, 0.0]]
    assert topk(scores, noise, m=3).tolist() == [[1.0, 1.0, 1.0]]
    assert topk(scores[:, :1], noise[..., :1], m=1).tolist() == [[1.0]]


@pytest.mark.parametrize("m", range(1, 8))
def test_looking_for_those_inside_or_outside_gives_the_same(m):
    scores, noise = torch.rand(3, 7), torch.randn(3, 11, 7)
    disturbed = scores[:, None] + 0.05 * noise
    rank = disturbed.argsort(dim=-1, descending=True).argsort(dim=-1)
    torch.testing.assert_close(topk(scores, noise, m), (rank < m).float().mean(dim=1))


def test_gradients_by_hand():
    """One draw, z = (1, 0), eps = (2, -1), h = (3, 5): released z (eps . h), usual eps (z . h), both over sigma."""
    noise, upstream = torch.tensor([[[2.0, -1.0]]]), torch.tensor([[3.0, 5.0]])
    for released, expected in ((True, [1.0, 0.0]), (False, [6.0, -3.0])):
        scores = torch.tensor([[0.5, 0.4]], requires_grad=True)
        topk(scores, noise, m=1, sigma=0.5, released=released).backward(upstream)
        assert scores.grad[0].tolist() == pytest.approx([value / 0.5 for value in expected])


@pytest.mark.parametrize("released", [True, False])
def test_both_gradients_are_right_in_the_mean(released):
    """Of two segments the first is in with probability Phi(d / (sigma sqrt 2)), which can be differentiated by hand."""
    sigma, difference, draws = 0.05, 0.03, 400_000
    scores = torch.tensor([[0.4 + difference, 0.4]], requires_grad=True)
    inclusion = topk(scores, torch.randn(1, draws, 2), m=1, sigma=sigma, released=released)
    z = difference / (sigma * math.sqrt(2))
    assert inclusion[0, 0].item() == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), abs=4e-3)
    inclusion[0, 0].backward()
    slope = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / (sigma * math.sqrt(2))
    # standard error of a mean of draws of size 1 / sigma: 0.03
    assert scores.grad[0].tolist() == pytest.approx([slope, -slope], abs=0.15)


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor that any operation inside the block makes."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self.bytes = max(self.bytes, value.numel() * value.element_size())
        return result


@pytest.mark.parametrize("kappa", [0.95, 0.5, 0.01])
@pytest.mark.parametrize("released", [True, False])
def test_memory_is_that_of_one_mask(kappa, released):
    """One-hot vectors would need 100 x 190 x 200 numbers per video; nothing here has more than 100 x 200."""
    scores = torch.rand(2, 200, requires_grad=True)
    with Largest() as largest:
        topk(scores, torch.randn(2, 100, 200), m=max(1, int(200 * kappa)), released=released).backward(torch.randn(2, 200))
    assert 0 < largest.bytes <= 2 * 100 * 200 * 4


@pytest.mark.parametrize(("length", "options", "m"), [(40, {}, 38), (40, {"kappa": 0.9}, 36), (1, {}, 1), (10, {"kappa": 0.01}, 1)])
def test_share_of_chosen_segments(length, options, m):
    inclusion = small(**options).eval()(torch.randn(2, 1, length, 12)).inclusion
    torch.testing.assert_close(inclusion.sum(dim=-1), torch.full((2, 1), float(m)))
    assert inclusion.min() >= 0 and inclusion.max() <= 1


@pytest.mark.parametrize("videos", [1, 2])
def test_the_limit_of_m_does_not_ask_how_many_videos_there_are(videos):
    def chosen(length, **options):
        return small(draws=2, **options).eval()(torch.randn(videos, 1, length, 12)).inclusion.sum(dim=-1).mean().item()

    assert chosen(1200) == pytest.approx(1000)
    assert chosen(1050) == pytest.approx(997)
    assert chosen(20, most_chosen=5) == pytest.approx(5)


def test_draws_of_testing_are_fixed_and_those_of_training_are_not():
    method, device = small().eval(), torch.device("cpu")
    first = method.noise(3, 20, device)
    torch.manual_seed(99)
    assert first.shape == (1, 100, 20) and torch.equal(first, method.noise(5, 20, device))
    assert not torch.equal(first, small(test_seed=1).eval().noise(1, 20, device))
    assert abs(first.mean().item()) < 0.1 and first.std().item() == pytest.approx(1, abs=0.1)
    method.train()
    torch.manual_seed(3)
    drawn = method.noise(3, 20, device)
    assert drawn.shape == (3, 100, 20) and not torch.equal(drawn[0], drawn[1])
    torch.manual_seed(3)
    assert torch.equal(drawn, method.noise(3, 20, device))


def test_testing_takes_nothing_from_the_global_generator():
    method, features = small().eval(), torch.randn(1, 1, 5, 12)
    before = torch.get_rng_state()
    method(features)
    assert torch.equal(before, torch.get_rng_state())


def test_the_gradient_option_reaches_the_chooser():
    """Same weights, same draws: only the chooser's gradients differ."""
    data, gradients = batch(), []
    released = small(dropout=0.0, selection_dropout=0.0)
    usual = small(dropout=0.0, selection_dropout=0.0, gradient="usual")
    usual.load_state_dict(released.state_dict())
    for method in (released, usual):
        torch.manual_seed(0)
        total_loss(method.loss(method(data.features), data)).backward()
        gradients.append({name: p.grad for name, p in method.named_parameters()})
    assert not torch.allclose(gradients[0]["chooser.2.weight"], gradients[1]["chooser.2.weight"])
    torch.testing.assert_close(gradients[0]["head.6.weight"], gradients[1]["head.6.weight"])


def test_without_the_choice_every_segment_is_kept():
    method = small(attention="none").train()
    output = method((data := batch()).features)
    assert (output.inclusion == 1).all()
    total_loss(method.loss(output, data)).backward()
    assert not any(p.requires_grad for p in method.chooser.parameters())


def test_the_mask_multiplies_the_features():
    method = small(feature_dim=16, kappa=0.5).eval()
    features = torch.randn(1, 1, 10, 16)
    output = method(features)
    expected = method.temporal(features[0] * output.inclusion[0, :, :, None])
    torch.testing.assert_close(output.features[0], expected)


def test_reduction_is_used_only_for_features_of_another_width():
    """Unused, it holds parameters that are counted and saved, and never trained."""
    unused, features = small(feature_dim=16), torch.randn(1, 1, 5, 16)
    without = small(feature_dim=16, unused_reduction=False)
    missing = without.load_state_dict(unused.state_dict(), strict=False)
    assert {name.split(".")[0] for name in missing.unexpected_keys} == {"reduction"} and not missing.missing_keys
    assert torch.equal(unused.eval()(features).logits, without.eval()(features).logits)
    assert not any(p.requires_grad for p in unused.reduction.parameters())
    used = small(feature_dim=12, unused_reduction=False)
    assert [tuple(p.shape) for p in used.reduction.parameters()] == [(32, 12), (32,), (16, 32), (16,)]
    assert all(p.requires_grad for p in used.reduction.parameters())
    assert used.eval()(torch.randn(1, 1, 5, 12)).logits.shape == (1, 1, 5)


def test_sizes_for_other_features_and_profiles():
    assert SPEC.sizes(512, 256) == {"feature_dim": 512, "width": 512}  # CLIP features enter as they are
    assert SPEC.sizes(1024, 256) == {"feature_dim": 1024, "width": 256}
    method = CLIPTSA(CLIPTSASettings(**SPEC.sizes(1024, 256)))
    assert method.chooser[0].weight.shape == (128, 256) and method.head[0].weight.shape == (128, 256)


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_losses_are_those_of_rtfm(mode, crops):
    data, method = batch(crops=crops), getattr(small(), mode)()
    output = method(data.features)
    rtfm = getattr(RTFM(RTFMSettings(feature_dim=16)), mode)()
    torch.manual_seed(7)
    ours = method.loss(output, data)
    torch.manual_seed(7)
    theirs = rtfm.loss(RTFMOutput(output.logits, output.features), data)
    assert {n: (t.value.item(), t.weight) for n, t in ours.items()} == {n: (t.value.item(), t.weight) for n, t in theirs.items()}


def test_fast_and_plain_forms_have_the_same_losses_and_gradients():
    data, method = batch(crops=2), small(dropout=0.0, selection_dropout=0.0)
    found = []
    for form in (use_plain_forms, use_fast_forms):
        form(method).zero_grad()
        torch.manual_seed(3)  # the same draws
        loss = total_loss(method.loss(method(data.features), data))
        loss.backward()
        found.append({"loss": loss.detach(), **{name: p.grad.clone() for name, p in method.named_parameters()}})
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-3, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


@in_both_forms
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_videos_with_fewer_segments_than_are_selected(segments, form):
    method, data = form(small()).train(), batch(segments)
    loss = total_loss(method.loss(method(data.features), data))
    loss.backward()
    assert loss.isfinite()


@in_both_forms
def test_half_precision_forward(form):
    """The scores are disturbed in float32: bf16 would round the noise to a few steps."""
    method, data = form(small()).train(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        output = method(data.features)
    assert output.inclusion.dtype == torch.float32
    total_loss(method.loss(type(output)(*(field.float() for field in output)), data)).backward()
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


def test_unequal_numbers_of_videos():
    method, data = small().eval(), batch()
    with pytest.raises(DataError, match="1 normal and 3 abnormal"):
        method.loss(method(data.features), data._replace(video_labels=torch.tensor([0.0, 1.0, 1.0, 1.0])))
