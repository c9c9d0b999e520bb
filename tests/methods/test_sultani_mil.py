"""Deep MIL ranking, worked by hand."""

import pytest
import torch
from bags import random_bags
from both_forms import assert_forms_agree
from torch import Tensor

from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods.mil_losses import bag_ranking
from vad_lib.methods.sultani_mil import PORT, SPEC, SultaniMIL, SultaniMILOutput, SultaniMILSettings


def small(**options) -> SultaniMIL:
    return SultaniMIL(SultaniMILSettings(feature_dim=12, width=8, bottleneck=4, **options)).eval()


def terms_of(method: SultaniMIL, scores: list[list[float]], labels: tuple[float, ...], lengths=None) -> dict[str, float]:
    """Values of the terms for given scores, one crop; the weight norm, which does not depend on them, apart."""
    logits = torch.tensor(scores).logit()[:, None]
    terms = method.loss(SultaniMILOutput(logits), random_bags(labels, logits.shape[2], lengths))
    return {name: term.value.item() for name, term in terms.items() if name != "weight_norm"}


@pytest.mark.parametrize(("feature_dim", "count"), [(4096, 2_114_113), (2048, 1_065_537), (1024, 541_249)])
def test_number_of_parameters(feature_dim, count):
    method = SultaniMIL(SultaniMILSettings(**SPEC.sizes(feature_dim, 512)))
    assert sum(parameter.numel() for parameter in method.parameters()) == count


# two normal videos with best scores 0.4 and 0.1, two abnormal ones with 0.9 and 0.2
SCORES = [[0.4, 0.2, 0.3], [0.1, 0.1, 0.1], [0.1, 0.9, 0.5], [0.2, 0.2, 0.1]]
LABELS = (0.0, 0.0, 1.0, 1.0)


def test_terms_worked_by_hand():
    """Normal 0.4: 1 - 0.9 + 0.4 and 1 - 0.2 + 0.4; normal 0.1: 1 - 0.9 + 0.1 and 1 - 0.2 + 0.1."""
    terms = terms_of(small(), SCORES, LABELS)
    assert terms["main"] == pytest.approx(((0.5 + 1.2) + (0.2 + 0.9)) / 2)
    assert terms["sparsity"] == pytest.approx(0.1 + 0.9 + 0.5 + 0.2 + 0.2 + 0.1)
    assert terms["smoothness"] == pytest.approx(0.8**2 + 0.4**2 + 0.1**2)


def test_pairs_by_index_worked_by_hand():
    terms = terms_of(small(pairing="index"), SCORES, LABELS)
    assert terms["main"] == pytest.approx((0.5 + 0.9) / 2)
    assert terms["sparsity"] == pytest.approx(2.0 / 2)
    assert terms["smoothness"] == pytest.approx(0.81 / 2)


@pytest.mark.parametrize("constant", [0.1, 0.5, 0.9])
def test_equal_scores(constant):
    """30 and 30 videos of 32 segments that all score c: ranking 30, sparsity 960 c, smoothness 0."""
    terms = terms_of(small(), [[constant] * 32] * 60, (0.0,) * 30 + (1.0,) * 30)
    assert terms["main"] == pytest.approx(30)
    assert terms["sparsity"] == pytest.approx(960 * constant) and terms["smoothness"] == 0


def test_weights_of_the_terms():
    method, data = small(), random_bags(LABELS, 5)
    terms = method.loss(method(data.features), data)
    assert {name: term.weight for name, term in terms.items()} == {
        "main": 1.0,
        "sparsity": 8e-5,
        "smoothness": 8e-5,
        "weight_norm": 1e-3,
    }
    norm = sum(parameter.square().sum() for name, parameter in method.named_parameters() if name.endswith("weight"))
    torch.testing.assert_close(terms["weight_norm"].value, norm)
    assert set(small(weight_norm=0.0).loss(method(data.features), data)) == {"main", "sparsity", "smoothness"}


def test_padding_is_neither_best_nor_constrained():
    padded = [[*row, 0.99] for row in SCORES]
    assert terms_of(small(), padded, LABELS, (3, 3, 3, 3)) == terms_of(small(), SCORES, LABELS)
    shorter = terms_of(small(), SCORES, LABELS, (3, 3, 1, 2))
    assert shorter["main"] == pytest.approx(((1.3 + 1.2) + (1.0 + 0.9)) / 2)  # the 0.9 is padding, and 0.1 is left
    assert shorter["sparsity"] == pytest.approx(0.1 + 0.4) and shorter["smoothness"] == pytest.approx(0)


def test_single_segments_have_no_steps():
    assert terms_of(small(), [[0.3], [0.6]], (0.0, 1.0))["smoothness"] == 0


def test_labels_may_come_in_any_order():
    order = torch.tensor([2, 0, 3, 1])
    mixed = [SCORES[i] for i in order]
    assert terms_of(small(), mixed, tuple(LABELS[i] for i in order)) == pytest.approx(terms_of(small(), SCORES, LABELS))


def test_crops_are_bags_of_their_own_in_training_and_averaged_in_scores():
    logits = torch.tensor(SCORES).logit()
    crops = logits.view(2, 2, 3)  # two videos of two crops instead of four videos
    terms = small().loss(SultaniMILOutput(crops), random_bags((0.0, 1.0), 3, crops=2))
    for name, value in terms_of(small(), SCORES, LABELS).items():
        assert terms[name].value.item() == pytest.approx(value)
    score = small().scores(SultaniMILOutput(crops))["score"]
    torch.testing.assert_close(score, torch.tensor([[0.25, 0.15, 0.2], [0.15, 0.55, 0.3]]))


def test_the_hinge_ends_at_a_distance_of_one():
    """Scores stay within 0 and 1, dropped ones of the port do not."""
    assert bag_ranking(torch.tensor([2.0]), torch.tensor([0.5])).item() == 0
    assert bag_ranking(torch.tensor([1.0]), torch.tensor([0.0])).item() == 0
    assert bag_ranking(torch.tensor([0.0]), torch.tensor([1.0])).item() == 2


def test_a_higher_best_abnormal_score_and_a_lower_normal_one_cost_less():
    abnormal, normal = torch.tensor([0.5, 0.6]), torch.tensor([0.4, 0.3])
    for pairing in ("all", "index"):
        cost = bag_ranking(abnormal, normal, pairing)
        assert bag_ranking(abnormal + 0.1, normal, pairing) < cost < bag_ranking(abnormal, normal + 0.1, pairing)


def test_only_the_best_segment_of_a_video_is_ranked():
    logits = torch.tensor(SCORES).logit()[:, None].requires_grad_()
    small().loss(SultaniMILOutput(logits), random_bags(LABELS, 3))["main"].value.backward()
    assert (logits.grad[:, 0] != 0).nonzero().tolist() == [[0, 0], [1, 0], [1, 1], [1, 2], [2, 1], [3, 0], [3, 1]]  # ties share
    assert (logits.grad[2:] <= 0).all() and (logits.grad[:2] >= 0).all()


def by_hand(method: SultaniMIL, features: Tensor, relu: bool) -> Tensor:
    first, second, third = method.linear_layers()
    hidden = (features @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias
    return ((hidden.clamp(min=0) if relu else hidden) @ third.weight.T + third.bias).squeeze(-1)


@pytest.mark.parametrize("relu", [False, True])
def test_network(relu):
    method, features = small(bottleneck_relu=relu), torch.randn(3, 1, 7, 12)
    torch.testing.assert_close(method(features).logits, by_hand(method, features, relu))
    assert not torch.allclose(method(features).logits, by_hand(method, features, not relu))


@pytest.mark.parametrize("options", [{}, {"bottleneck_relu": True, "normalise_features": True}])
def test_fast_sultani_mil(options):
    method = SultaniMIL(SultaniMILSettings(feature_dim=12, width=16, bottleneck=9, **options)).eval()
    assert_forms_agree(method, lambda form, x: form(x), torch.randn(3, 2, 7, 12).double())


def test_a_segment_is_scored_by_itself():
    method, features = small(), torch.randn(1, 1, 9, 12)
    alone = torch.cat([method(features[:, :, i : i + 1]).logits for i in range(9)], dim=2)
    torch.testing.assert_close(method(features).logits, alone)


def test_normalised_features_have_no_length():
    features = torch.randn(2, 1, 5, 12)
    scaled, plain = small(normalise_features=True), small()
    torch.testing.assert_close(scaled(features).logits, scaled(7 * features).logits)
    torch.testing.assert_close(scaled(features).logits, by_hand(scaled, features / features.norm(dim=-1, keepdim=True), False))
    assert not torch.allclose(plain(features).logits, plain(7 * features).logits)
    assert scaled(torch.zeros(1, 1, 2, 12)).logits.isfinite().all()


@pytest.mark.parametrize("start", ["normal", "uniform"])
def test_start_values(start):
    """Glorot: variance 2 / (inputs + outputs). A uniform distribution ends at 1.73 deviations."""
    first, second, third = SultaniMIL(SultaniMILSettings(start=start)).linear_layers()
    deviation = (2 / (1024 + 512)) ** 0.5
    assert first.weight.std().item() == pytest.approx(deviation, rel=0.01)
    assert second.weight.std().item() == pytest.approx((2 / (512 + 32)) ** 0.5, rel=0.05)
    assert (first.weight.abs().max() > 2 * deviation) == (start == "normal")
    assert not any(layer.bias.any() for layer in (first, second, third))


def test_dropout_only_in_training():
    method, features = small(), torch.randn(1, 1, 50, 12)
    assert torch.equal(method(features).logits, method(features).logits)
    method.train()
    assert not torch.equal(method(features).logits, method(features).logits)


def test_the_port_differs_in_all_of_its_options():
    port = SultaniMIL(SultaniMILSettings(**PORT))
    assert all(getattr(port.settings, name) != getattr(SultaniMILSettings(), name) for name in PORT)
    data = random_bags(LABELS, 200)
    output = SultaniMILOutput(torch.full((4, 1, 200), 10.0))
    assert port.eval().loss(output, data)["sparsity"].value.item() == pytest.approx(200, rel=1e-3)  # mean over two pairs
    # in training six scores in ten are dropped and the others grow to 1 / 0.4: the sum keeps its mean and varies
    sums = torch.stack([port.train().loss(output, data)["sparsity"].value for _ in range(50)])
    assert sums.mean().item() == pytest.approx(200, rel=0.05) and sums.std() > 5
    # two dropped best scores of one size cost 1, whatever was dropped elsewhere
    assert port.loss(output, data)["main"].value.item() == pytest.approx(1)


@pytest.mark.parametrize("pairing", ["all", "index"])
def test_unequal_numbers_are_errors(pairing):
    method, data = small(pairing=pairing), random_bags((0.0, 1.0, 1.0), 4)
    with pytest.raises(DataError, match="1 normal and 2 abnormal"):
        method.loss(method(data.features), data)


def test_narrow_profiles_keep_enough_for_the_dropout():
    assert SPEC.sizes(1024, 32) == {"feature_dim": 1024, "width": 128}
    assert SPEC.sizes(1024, 256)["width"] == 256 and SPEC.sizes(2048, 512)["width"] == 512


@pytest.mark.parametrize("options", [{}, PORT])
def test_learns_which_segments_are_abnormal(options):
    """From labels of videos alone: six videos, a planted shift in segments 4 to 6 of the abnormal ones."""
    method = SultaniMIL(SultaniMILSettings(feature_dim=12, width=128, **options)).train()
    data = random_bags((0.0,) * 3 + (1.0,) * 3, 20)
    data.features[3:, :, 4:7, 0] += 6.0
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        total_loss(method.loss(method(data.features), data)).backward()
        optimiser.step()
    score = method.eval().scores(method(data.features))["score"]
    assert score[3:, 4:7].mean() > score[3:, 7:].mean() + 0.2
    assert score[3:].amax(dim=1).min() > score[:3].amax()
