"""MGFN's parts and every term of its loss, worked by hand. Known answers: ``tests/reference``."""

import math

import pytest
import torch
from bags import random_bags
from both_forms import assert_forms_agree, in_both_forms

from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods.mgfn import HEAD_WIDTH, MGFN, SPEC, Block, ChannelNorm, Focus, Glance, HeadFilters, MGFNOutput, MGFNSettings


def small(**options) -> MGFN:
    return MGFN(MGFNSettings(feature_dim=12, widths=(64, 64, 64), blocks=(1, 1, 1), **options))


def output(scores, magnitudes, l1_norms) -> MGFNOutput:
    """Output with these scores; every argument (B, N, T)."""
    return MGFNOutput(torch.tensor(scores).logit(), torch.tensor(magnitudes), torch.tensor(l1_norms))


def rows(*videos: tuple[float, ...]) -> MGFNOutput:
    """Two segments and one crop a video, and their L1 norms; the first segment has the larger magnitude."""
    l1_norms = [[list(video)] for video in videos]
    same = [[[0.5, 0.5]]] * len(videos)
    return output(same, [[[2.0, 1.0]]] * len(videos), l1_norms)


def terms(method: MGFN, found: MGFNOutput, labels: tuple[float, ...], lengths: tuple[int, ...] | None = None) -> dict[str, float]:
    data = random_bags(labels, found.logits.shape[2], lengths)
    return {name: term.value.item() for name, term in method.loss(found, data).items()}


# parts


@in_both_forms
def test_channel_norm_puts_the_stabiliser_beside_the_deviation(form):
    norm, x = form(ChannelNorm(4)), torch.tensor([[[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 2e-5, 2e-5]]])
    with torch.no_grad():
        norm.gain.fill_(2.0), norm.shift.fill_(0.5)
    # deviations 1 and 1e-5: the second is halved by the stabiliser
    torch.testing.assert_close(norm(x)[0], torch.tensor([[-1.5, -1.5, 2.5, 2.5], [-0.5, -0.5, 1.5, 1.5]]), rtol=1e-4, atol=1e-4)


@in_both_forms
def test_channel_norm_has_the_gradient_of_its_formula(form):
    norm, x = form(ChannelNorm(8)), torch.randn(2, 3, 8, requires_grad=True)
    upstream = torch.randn(2, 3, 8)
    with torch.no_grad():
        norm.gain.normal_(), norm.shift.normal_()
    plain = (x - x.mean(-1, keepdim=True)) / (x.std(-1, correction=0, keepdim=True) + 1e-5) * norm.gain + norm.shift
    for ours, expected in zip(*(torch.autograd.grad(y, (x, norm.gain, norm.shift), upstream) for y in (norm(x), plain))):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@in_both_forms
def test_channel_norm_of_equal_channels_is_the_shift(form):
    norm, x = form(ChannelNorm(4)), torch.full((1, 1, 4), 3.0, requires_grad=True)
    norm(x).sum().backward()
    assert not norm(x).any() and x.grad.isfinite().all()


@in_both_forms
def test_channels_take_the_heads_filters_in_turn(form):
    filters = form(HeadFilters(heads=2))
    with torch.no_grad():
        filters.weight.copy_(torch.tensor([[[0.0, 0.0, 1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0, 0.0, 2.0]]]))
        filters.bias.copy_(torch.tensor([0.0, 10.0]))
    x = torch.zeros(1, 6, 4)
    x[0, 3] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    result = filters(x)[0].T
    assert result[0].tolist() == [0, 0, 0, 1, 0, 0]
    assert result[2].tolist() == [0, 0, 0, 3, 0, 0]
    assert result[1].tolist() == [10, 10 + 2 * 2, 10, 10, 10, 10 + 2]  # two steps ahead twice, two steps back once
    assert result[3].tolist() == [10, 10 + 2 * 4, 10, 10, 10, 10 + 4]


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("build", [ChannelNorm, lambda width: HeadFilters(width // HEAD_WIDTH)])
def test_fast_forms_are_the_plain_ones(build, length):
    module = build(128)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    assert_forms_agree(module, lambda form, x: form(x), torch.randn(3, length, 128))  # the fast norm's gradient is not exact


@in_both_forms
def test_glance_sees_the_whole_video_and_focus_five_segments(form):
    x = torch.randn(1, 20, 64)
    moved = x.clone()
    moved[0, 10, :32] += 1.0  # the norm would remove what all channels share
    for mixer, seen in ((form(Glance(64)), range(20)), (form(Focus(64)).eval(), range(8, 13))):
        changed = (mixer(moved) - mixer(x)).abs().amax(dim=-1)[0] > 1e-7
        assert changed.nonzero().flatten().tolist() == list(seen)


def test_a_block_adds_three_parts():
    block, x = Block(64, Focus).eval(), torch.randn(2, 5, 64)
    with torch.no_grad():
        for last in (block.shortcut, block.mixer.merge, block.feed_forward[-1]):
            last.weight.zero_(), last.bias.fill_(1.0)
    torch.testing.assert_close(block(x), x + 3.0)


def test_the_norm_enters_with_a_tenth():
    method, seen = small(), []
    with torch.no_grad():
        method.embed.weight.zero_(), method.embed.bias.zero_(), method.embed_norm.bias.zero_()
        method.embed_norm.weight.copy_(torch.tensor([0.0, 1.0, 2.0]).expand(64, 1, 3))
    method.stages[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    features = torch.zeros(1, 2, 12)
    features[0, 0, :2] = torch.tensor([3.0, 4.0])
    features[0, 1, 5] = -2.0
    method.encode(features)
    # 5 and 2, each with twice its successor
    torch.testing.assert_close(seen[0], torch.tensor([0.9, 0.2])[None, :, None].expand(1, 2, 64))


def test_magnitudes_start_equal_and_have_no_gradient():
    found = small()(torch.randn(2, 3, 5, 12))
    torch.testing.assert_close(found.magnitudes, torch.full((2, 3, 5), 8.0), rtol=1e-3, atol=0)  # root of 64
    assert not found.magnitudes.requires_grad and found.l1_norms.requires_grad
    assert (found.l1_norms >= found.magnitudes * 0.999).all()


@in_both_forms
def test_a_lone_segment_can_be_trained_on(form):
    method = form(small())
    assert method(torch.randn(1, 1, 1, 12)).logits.isfinite().all()


# losses


def test_magnitudes_choose_the_segments_and_scores_are_theirs():
    found = output(
        [[[0.1, 0.3, 0.9, 0.2]], [[0.6, 0.8, 0.1, 0.1]]], [[[5.0, 4.0, 1.0, 2.0]], [[1.0, 2.0, 4.0, 3.0]]], [[[0.0] * 4]] * 2
    )
    expected = -(math.log(1 - 0.2) + math.log(0.1)) / 2
    assert terms(small(kept=2).eval(), found, (0.0, 1.0))["main"] == pytest.approx(expected, rel=1e-5)


def test_crops_share_the_choice_and_average_their_scores():
    found = output(
        [[[0.2, 0.9], [0.4, 0.9]], [[0.5, 0.1], [0.7, 0.1]]],
        [[[9.0, 2.0], [1.0, 2.0]], [[1.0, 2.0], [4.0, 1.0]]],  # means: first segment in both videos
        [[[1.0, 50.0], [4.0, 50.0]], [[10.0, 50.0], [16.0, 50.0]]],
    )
    found_terms = terms(small(kept=1).eval(), found, (0.0, 1.0))
    assert found_terms["main"] == pytest.approx(-(math.log(1 - 0.3) + math.log(0.6)) / 2, rel=1e-5)
    # halves are the two crops of the same video
    assert found_terms["within_normal"] == pytest.approx(9.0, rel=1e-4)
    assert found_terms["within_abnormal"] == pytest.approx(36.0, rel=1e-4)
    # crop by crop: 9 and 12 apart
    assert found_terms["between"] == pytest.approx((191.0**2 + 188.0**2) / 2, rel=1e-5)


def test_pairs_of_the_code():
    """Rows (3, 4), (0, 0), (1, 1) against (6, 8), (0, 0), (5, 1): an odd last row has no partner in its class."""
    found = rows((3.0, 4.0), (0.0, 0.0), (1.0, 1.0), (6.0, 8.0), (0.0, 0.0), (5.0, 1.0))
    found_terms = terms(small(kept=2).eval(), found, (0.0, 0.0, 0.0, 1.0, 1.0, 1.0))
    assert found_terms["within_normal"] == pytest.approx(25.0, rel=1e-4)
    assert found_terms["within_abnormal"] == pytest.approx(100.0, rel=1e-4)
    assert found_terms["between"] == pytest.approx((195.0**2 + 200.0**2 + 196.0**2) / 3, rel=1e-5)


def test_rows_are_ordered_crop_by_crop():
    """Two videos, two crops: the first half holds the first crop of both videos, so no video is pulled to another."""
    l1_norms = [[[1.0], [2.0]], [[100.0], [103.0]], [[0.0], [0.0]], [[0.0], [0.0]]]
    found = output([[[0.5], [0.5]]] * 4, [[[1.0], [1.0]]] * 4, l1_norms)
    found_terms = terms(small().eval(), found, (0.0, 0.0, 1.0, 1.0))
    assert found_terms["within_normal"] == pytest.approx((1.0 + 9.0) / 2, rel=1e-4)


def test_pairs_of_the_paper():
    found = rows((3.0, 4.0), (0.0, 0.0), (6.0, 8.0), (0.0, 1.0))
    found_terms = terms(small(kept=2, contrast="paper").eval(), found, (0.0, 0.0, 1.0, 1.0))
    assert found_terms["within_normal"] == pytest.approx(25.0, rel=1e-4)
    assert found_terms["within_abnormal"] == pytest.approx(36.0 + 49.0, rel=1e-4)
    distances = (5.0, math.sqrt(18.0), 10.0, 1.0)
    assert found_terms["between"] == pytest.approx(sum((200 - d) ** 2 for d in distances) / 4, rel=1e-5)


@pytest.mark.parametrize("contrast", ["code", "paper"])
def test_a_single_row_has_no_partner_in_its_class(contrast):
    method, l1_norms = small(kept=2, contrast=contrast).eval(), torch.tensor([[[3.0, 4.0]], [[6.0, 8.0]]], requires_grad=True)
    found = rows((0.0, 0.0), (0.0, 0.0))._replace(l1_norms=l1_norms)
    found_terms = method.loss(found, random_bags((0.0, 1.0), 2))
    assert found_terms["within_normal"].value == 0 and found_terms["within_abnormal"].value == 0
    assert found_terms["between"].value.item() == pytest.approx(195.0**2, rel=1e-5)
    total_loss(found_terms).backward()
    assert l1_norms.grad.isfinite().all()


def test_contrast_ends_at_the_margin_and_pulls_a_class_together():
    method, labels = small(kept=2).eval(), (0.0, 0.0, 1.0, 1.0)
    near = terms(method, rows((0.0, 0.0), (0.0, 0.0), (50.0, 0.0), (50.0, 0.0)), labels)
    far = terms(method, rows((0.0, 0.0), (0.0, 0.0), (150.0, 0.0), (150.0, 0.0)), labels)
    beyond = terms(method, rows((0.0, 0.0), (0.0, 0.0), (201.0, 0.0), (300.0, 0.0)), labels)
    assert near["between"] > far["between"] > beyond["between"] == 0
    assert beyond["within_abnormal"] > far["within_abnormal"] == pytest.approx(0, abs=1e-9)


def test_a_short_video_repeats_its_last_segment():
    l1_norms = [[[3.0, 9.0, 9.0]], [[1.0, 2.0, 5.0]]]
    found = output([[[0.5] * 3]] * 2, [[[1.0, 8.0, 8.0]], [[9.0, 8.0, 7.0]]], l1_norms)
    found_terms = terms(small(kept=3).eval(), found, (0.0, 1.0), lengths=(1, 3))
    distance = math.sqrt(2.0**2 + 1.0**2 + 2.0**2)  # (3, 3, 3) and (1, 2, 5)
    assert found_terms["between"] == pytest.approx((200 - distance) ** 2, rel=1e-5)


def test_scores_are_smooth_in_all_videos_and_sparse_in_normal_ones():
    scores = [[[0.1, 0.3, 0.9]], [[0.5, 0.5, 0.6]], [[0.2, 0.2, 0.4]], [[0.7, 0.9, 0.1]]]
    found = output(scores, [[[1.0, 1.0, 1.0]]] * 4, [[[0.0] * 3]] * 4)
    found_terms = terms(small().eval(), found, (0.0, 1.0, 1.0, 0.0), lengths=(2, 3, 3, 2))
    assert found_terms["smoothness"] == pytest.approx(0.2**2 + 0.1**2 + 0.2**2 + 0.2**2, rel=1e-5)
    assert found_terms["sparsity"] == pytest.approx(math.sqrt(0.1**2 + 0.3**2 + 0.7**2 + 0.9**2), rel=1e-5)


def test_weights_of_the_terms():
    method, data = small(), random_bags((0.0, 1.0), 4)
    weights = {name: term.weight for name, term in method.loss(method(data.features), data).items()}
    assert weights == {
        "main": 1.0,
        "between": 1e-6,
        "within_normal": 1e-3,
        "within_abnormal": 1e-3,
        "smoothness": 8e-4,
        "sparsity": 8e-3,
    }


def test_segments_are_passed_over_in_training_only():
    method = small(kept=1, dropped=0.7)
    scores, magnitudes = [[[0.2, 0.4, 0.8, 0.9]]] * 2, [[[4.0, 3.0, 2.0, 1.0]]] * 2
    found = output(scores, magnitudes, [[[0.0] * 4]] * 2)
    data = random_bags((0.0, 1.0), 4)
    for training, several in ((True, True), (False, False)):
        method.train(training)
        values = {method.loss(found, data)["main"].value.item() for _ in range(30)}
        assert (len(values) > 1) == several
    steady = small(kept=1, dropped=0.0).train()
    assert len({steady.loss(found, data)["main"].value.item() for _ in range(10)}) == 1


@pytest.mark.parametrize("contrast", ["code", "paper"])
def test_labels_may_come_in_any_order(contrast):
    method, data = small(contrast=contrast).eval(), random_bags((0.0, 0.0, 1.0, 1.0), 6, crops=2)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = Batch(*(field[order] for field in data[:4]), data.videos)
    loss = total_loss(method.loss(method(data.features), data))
    torch.testing.assert_close(total_loss(method.loss(method(shuffled.features), shuffled)), loss)


def test_a_batch_out_of_balance_is_an_error():
    method, data = small(), random_bags((0.0, 1.0, 1.0), 4)
    with pytest.raises(DataError, match="1 normal and 2 abnormal"):
        method.loss(method(data.features), data)


# settings


@pytest.mark.parametrize(("width", "last"), [(512, 1024), (256, 512), (32, 64), (16, 64), (300, 640)])
def test_only_the_last_stage_follows_the_profile(width, last):
    assert SPEC.sizes(1024, width) == {"feature_dim": 1024, "widths": (64, 128, last)}
    MGFNSettings(**SPEC.sizes(1024, width))
