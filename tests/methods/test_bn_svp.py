"""BN-SVP: the graph and the loss, worked by hand. Scenes: ``test_sticky_hmm.py``; choice: ``test_segment_choice.py``."""

import numpy as np
import pytest
import torch
from bags import random_bags
from torch import Tensor

from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods import bn_svp
from vad_lib.methods.bn_svp import BNSVP, SPEC, BNSVPOutput, BNSVPSettings, GraphLayers, propagate


def batch(labels: tuple[float, ...] = (0, 0, 1, 1), segments: int = 16, **more) -> Batch:
    return random_bags(labels, segments, **more)


def small(**options) -> BNSVP:
    return BNSVP(BNSVPSettings(feature_dim=12, graph_width=16, state_width=8, **options))


@pytest.mark.parametrize(("feature_dim", "count"), [(4096, 1_107_553), (2048, 581_217), (1024, 318_049)])
def test_number_of_parameters(feature_dim, count):
    method = BNSVP(BNSVPSettings(**SPEC.sizes(feature_dim, 512)))
    assert sum(parameter.numel() for parameter in method.parameters()) == count


# --- network --------------------------------------------------------------------------------------------


def test_similarity_by_differences():
    graph, features = GraphLayers(12, 4, 0.3), torch.randn(2, 7, 12) + 5
    with torch.no_grad():
        graph.log_length_scales.normal_(std=0.3)
    scaled = (features[:, :, None] - features[:, None]) / graph.length_scales()
    torch.testing.assert_close(graph.similarity(features), torch.exp(-scaled.square().sum(dim=-1) / 2), rtol=1e-4, atol=1e-6)
    assert torch.equal(graph.similarity(features).diagonal(dim1=1, dim2=2), torch.ones(2, 7))


def test_a_longer_scale_makes_segments_more_alike():
    features = torch.randn(1, 5, 12)
    near, far = (GraphLayers(12, 4, scale).similarity(features) for scale in (0.1, 1.0))
    apart = ~torch.eye(5, dtype=torch.bool)
    assert (near[0][apart] < far[0][apart]).all()


def test_similarity_keeps_small_differences_of_large_features():
    """1,000 + 0.01 i: without centring, the squares of a million would drown the differences."""
    features = 1000 + 0.01 * torch.arange(5.0)[None, :, None].expand(1, 5, 4)
    found = GraphLayers(4, 2, 0.01).similarity(features.contiguous())
    step = torch.arange(5.0)
    torch.testing.assert_close(found[0], torch.exp(-(step[:, None] - step).square() / 2), rtol=0.02, atol=1e-3)


def test_graph_layers_by_dense_matrices():
    graph, features = GraphLayers(12, 4, 0.3), torch.randn(1, 6, 12)
    by_feature, by_time = (features[0] @ graph.maps.weight.T + graph.maps.bias).split(4, dim=1)
    step = torch.arange(6.0)

    def normalised(similarity: Tensor) -> Tensor:
        whole = similarity + torch.eye(6)
        root = torch.diag(whole.sum(dim=1) ** -0.5)
        return root @ whole @ root

    expected = (
        normalised(graph.similarity(features)[0]) @ by_feature + normalised(torch.exp(-(step[:, None] - step).abs())) @ by_time
    )
    torch.testing.assert_close(graph(features)[0], expected)
    torch.testing.assert_close(propagate(torch.zeros(3, 3), torch.ones(1, 3, 2)), torch.ones(1, 3, 2))


def test_network_by_its_parts():
    method, features = small().eval(), torch.randn(2, 9, 12)
    with torch.no_grad():
        method.norm.running_mean.normal_(), method.norm.running_var.uniform_(0.5, 2)
    hidden, _ = method.recurrent(method.graph(features).clamp(min=0))
    states = (hidden - method.norm.running_mean) / (method.norm.running_var + 1e-5).sqrt()
    output = method.encode(features)
    torch.testing.assert_close(output.states, states)
    torch.testing.assert_close(output.logits, states @ method.head.weight[0] + method.head.bias)


def test_features_are_normalised_and_not_segments():
    states = small().train()(torch.randn(4, 2, 33, 12)).states
    rows = states.flatten(0, 2)
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(8), atol=1e-5, rtol=0)
    assert (rows.std(dim=0) > 10 * small().eval()(torch.randn(4, 2, 33, 12)).states.flatten(0, 2).std(dim=0)).all()
    assert states.mean(dim=(0, 1, 3)).abs().max() > 1e-3


def test_a_single_segment_can_be_trained_on():
    method = small().train()
    data = batch(lengths=(1, 16, 16, 16))
    total_loss(method.loss(method(data.features, data.mask), data)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in method.parameters())


# --- loss -----------------------------------------------------------------------------------------------


def output(scores: list[list[float]], width: int = 8) -> BNSVPOutput:
    logits = torch.tensor(scores).logit()[:, None]
    return BNSVPOutput(logits, torch.randn(*logits.shape, width))


def test_loss_worked_by_hand(monkeypatch):
    """Normal maxima 0.4 and 0.1; abnormal bags (0.9 + 0.5) / 2 = 0.7 and 0.6."""
    monkeypatch.setattr(bn_svp, "sticky_hdp_hmm", lambda *_: np.array([[0, 0, 1], [2, 2, 2]]))
    method = small(percentile=0.0)
    data = batch(segments=3)
    terms = method.loss(output([[0.4, 0.2, 0.3], [0.1, 0.1, 0.1], [0.9, 0.2, 0.5], [0.6, 0.2, 0.1]]), data)
    assert set(terms) == {"main"} and terms["main"].weight == 1
    assert terms["main"].value.item() == pytest.approx(((0.7 + 0.8) + (0.4 + 0.5)) / 2)


def test_normal_padding_is_not_the_maximum(monkeypatch):
    monkeypatch.setattr(bn_svp, "sticky_hdp_hmm", lambda *_: np.array([[0, 0, 0]]))
    terms = small().loss(output([[0.4, 0.2, 0.9], [0.6, 0.2, 0.9]]), batch((0, 1), 3, lengths=(2, 2)))
    assert terms["main"].value.item() == pytest.approx(1 - 0.6 + 0.4)


def test_crops_are_bags_of_their_own(monkeypatch):
    monkeypatch.setattr(bn_svp, "sticky_hdp_hmm", lambda *_: np.array([[0, 0], [0, 0]]))
    scores = torch.tensor([[[0.4, 0.2], [0.1, 0.1]], [[0.7, 0.2], [0.6, 0.2]]])
    made = BNSVPOutput(scores.logit(), torch.randn(2, 2, 2, 8))
    assert small().loss(made, batch((0, 1), 2, crops=2))["main"].value.item() == pytest.approx(((0.7 + 0.8) + (0.4 + 0.5)) / 2)
    torch.testing.assert_close(small().scores(made)["score"], torch.tensor([[0.25, 0.15], [0.65, 0.2]]))


def test_training_draws_scenes_from_the_global_generator_and_evaluation_always_alike():
    method, states, real = small(stickiness=0.0), torch.randn(3, 20, 2), torch.ones(3, 20).bool()
    method.train()
    state = torch.get_rng_state()
    first, second = method.find_scenes(states, real), method.find_scenes(states, real)
    torch.set_rng_state(state)
    assert torch.equal(first, method.find_scenes(states, real)) and not torch.equal(first, second)
    method.eval()
    state = torch.get_rng_state()
    assert torch.equal(method.find_scenes(states, real), method.find_scenes(states, real))
    assert torch.equal(state, torch.get_rng_state())


def test_stickiness_counts_real_segments(monkeypatch):
    seen = []
    monkeypatch.setattr(bn_svp, "sticky_hdp_hmm", lambda z, mask, prior, sweeps, rng: seen.append((prior, sweeps)) or mask * 0)
    small(stickiness=0.5, scenes=7, sweeps=3).find_scenes(torch.randn(2, 6, 8), torch.arange(6) < torch.tensor([[6], [2]]))
    assert seen == [(bn_svp.ScenePrior(states=7, kappa=4.0), 3)]


OPTIONS = [
    {},
    {"partition": "segments"},
    {"choice": "facility-location"},
    {"partition": "segments", "choice": "facility-location", "percentile": 0.0, "across": 0.0},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_gives_gradients_to_every_parameter(options):
    method, data = small(**options).train(), batch(lengths=(16, 9, 16, 9))
    total_loss(method.loss(method(data.features, data.mask), data)).backward()
    assert [n for n, p in method.named_parameters() if not p.grad.any() or not p.grad.isfinite().all()] == []


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_learns_two_kinds_of_anomaly(options):
    """From labels of videos alone: abnormal videos have two short stretches, each with a shift of its own."""
    method = BNSVP(BNSVPSettings(feature_dim=12, graph_width=32, state_width=16, **options)).train()
    data = batch((0,) * 4 + (1,) * 4, 20)
    data.features[4:, :, 4:7, 0] += 5.0
    data.features[4:, :, 14:17, 1] += 5.0
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        total_loss(method.loss(method(data.features), data)).backward()
        optimiser.step()
    score = method.eval().scores(method(data.features))["score"]
    assert score[4:].amax(dim=1).min() > score[:4].amax() + 0.2


def test_unequal_numbers_are_errors():
    method, data = small(), batch((0, 1, 1))
    with pytest.raises(DataError, match="1 normal and 2 abnormal"):
        method.loss(method(data.features), data)


def test_sizes_and_monitored():
    assert SPEC.sizes(1024, 32) == {"feature_dim": 1024, "graph_width": 32, "state_width": 16, "layers": 1}
    assert SPEC.sizes(1024, 256) == {"feature_dim": 1024, "graph_width": 64, "state_width": 16, "layers": 1}
    assert SPEC.sizes(1024, 512)["layers"] == 5 == BNSVPSettings().layers
    assert small().monitored() == {"length_scale": pytest.approx(1.0)}
