"""VadCLIP worked by hand and against loops over chunks. Learned tokens: ``test_learned_prompts.py``."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from bags import assert_crops_are_samples
from both_forms import assert_forms_agree

from vad_lib import registry
from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods.base import Method
from vad_lib.methods.vadclip import XD_VIOLENCE, VadCLIP, VadCLIPSettings
from vad_lib.methods.vadclip_layers import FeedForward, GraphLayer, contrast_loss, distance_graph, quick_gelu, similarity_graph


def small(text_width: int = 8, **options) -> VadCLIP:
    settings = {"feature_dim": 8, "width": 8, "window": 4, "chunk": 16, "prompts": "offset", **options}
    return VadCLIP(VadCLIPSettings(**settings), torch.randn(3, text_width))


def batch(segments: int = 20, crops: int = 1, width: int = 8) -> Batch:
    targets = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 0.5, 0.5]])
    features = torch.randn(4, crops, segments, width)
    return Batch(features, torch.ones(4, segments, dtype=torch.bool), 1 - targets[:, 0], targets, tuple("abcd"))


# --- segments ---------------------------------------------------------------------------------------
@torch.no_grad()
def plain_form(method: VadCLIP, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (T,) and cosines (T, C) of one sequence (T, D), chunk by chunk with full matrices."""
    settings, logits, cosines = method.settings, [], []
    place = torch.arange(settings.chunk)
    same_window = place[:, None] // settings.window == place // settings.window
    decay = torch.exp(-(place[:, None] - place).abs() / settings.distance_scale)
    if settings.distance_graph == "softmax":
        decay = decay / decay.sum(dim=1, keepdim=True)

    def gelu(z):
        return z * (1.702 * z).sigmoid()

    def feed_forward(module, z):
        return module.down(gelu(module.up(z)))

    for start in range(0, len(x), settings.chunk):
        part = x[start : start + settings.chunk]
        n = len(part)
        h = torch.zeros(settings.chunk, settings.width)
        h[:n] = method.project(part)
        h = h + method.positions
        for layer in method.layers:
            query, key, value = layer.project(layer.attention_norm(h)).chunk(3, dim=-1)
            weights = (query @ key.T / math.sqrt(settings.width)).masked_fill(~same_window, -math.inf).softmax(dim=1)
            h = h + layer.merge(weights @ value)
            h = h + feed_forward(layer.feed_forward, layer.feed_forward_norm(h))
        similarity = torch.zeros(settings.chunk, settings.chunk)
        cosine = F.cosine_similarity(h[:n, None], h[None, :n], dim=-1)
        similarity[:n, :n] = torch.where(cosine > settings.similarity_threshold, cosine, 0.0).softmax(dim=1)
        sides = []
        for graph, layers in ((similarity, method.similar), (decay, method.near)):
            around = F.conv1d(h.T, layers[0].residual.weight, layers[0].residual.bias, padding=2).T
            wide = gelu(graph @ (h @ layers[0].weight) + around)
            sides.append(gelu(graph @ (wide @ layers[1].weight) + wide))
        visual = method.merge(torch.cat(sides, dim=1))
        a = method.classifier(visual + feed_forward(method.score_forward, visual)).squeeze(1)
        weights = a.sigmoid() if settings.summary == "scores" else a
        text = method.category_text() + F.normalize(weights @ visual, dim=0)
        text = text + feed_forward(method.text_forward, text)
        logits.append(a[:n])
        cosines.append(F.cosine_similarity(visual[:n, None], text, dim=-1))
    return torch.cat(logits), torch.cat(cosines)


PAPER = {"distance_graph": "softmax", "distance_scale": 1.0, "summary": "scores"}


@pytest.mark.parametrize("options", [{}, {"layers": 1, "window": 16}, PAPER, {"feature_dim": 5, "similarity_threshold": 0.1}])
@pytest.mark.parametrize("segments", [1, 3, 16, 17, 45])
def test_plain_form_gives_the_same(options, segments):
    method = small(**options).eval()
    x = torch.randn(2, segments, method.feature_dim)
    output = method.encode(x)
    for row, logits, cosines in zip(x, output.logits, output.alignment):
        expected_logits, expected_cosines = plain_form(method, row)
        torch.testing.assert_close(logits, expected_logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(cosines, expected_cosines, rtol=1e-4, atol=1e-5)


def test_chunks_know_nothing_of_each_other():
    method = small().eval()
    x = torch.randn(1, 40, 8)
    whole = method.encode(x)
    for start in (0, 16, 32):
        piece = method.encode(x[:, start : start + 16])
        torch.testing.assert_close(piece.logits, whole.logits[:, start : start + 16])
        torch.testing.assert_close(piece.alignment, whole.alignment[:, start : start + 16])


def test_videos_of_different_lengths_together_are_the_same_as_apart():
    """Several chunks, a chunk and windows without segments, padding that is no zero; gradients too."""
    method, mask = small().eval(), torch.arange(40) < torch.tensor([40, 3, 16, 17])[:, None]
    features = torch.randn(4, 2, 40, 8)
    found = []
    for encode in (method.encode_uneven, partial(Method.encode_uneven, method)):
        method.zero_grad()
        output = encode(features, mask)
        sum(field.square().sum() for field in output).backward()
        found.append([*output, *(parameter.grad for parameter in method.parameters() if parameter.requires_grad)])
    for together, apart in zip(*found, strict=True):
        torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_attention_stays_in_its_window():
    method = small().eval()
    x = torch.randn(1, 16, 8)
    changed = x.clone()
    changed[:, 5] += 1
    real = torch.ones(1, 16, dtype=torch.bool)
    difference = (method.windows(x, real) != method.windows(changed, real)).any(dim=-1)[0]
    assert difference.nonzero().flatten().tolist() == [4, 5, 6, 7]


def test_similarity_graph_by_hand():
    x = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    graph = similarity_graph(x, torch.tensor([[True, True, True, False]]))[0]
    alike, other = math.e / (2 * math.e + 1), 1 / (2 * math.e + 1)  # cosines 1, 1, 0
    assert graph[0].tolist() == pytest.approx([alike, alike, other, 0])
    assert graph[2].tolist() == pytest.approx([1 / (2 + math.e), 1 / (2 + math.e), math.e / (2 + math.e), 0])
    assert graph[3].tolist() == [0, 0, 0, 0]
    # a cosine of sqrt(1/2) is just above 0.7; a higher threshold makes it one of the zeros
    slanted = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    real = torch.ones(1, 2, dtype=torch.bool)
    assert similarity_graph(slanted, real)[0, 0, 1] > similarity_graph(slanted, real, 0.71)[0, 0, 1]


def test_distances_of_the_paper_sum_to_one_and_a_larger_scale_reaches_further():
    torch.testing.assert_close(distance_graph(9, 2.0, "softmax").sum(dim=1), torch.ones(9))
    assert distance_graph(9, 3.0)[0, 8] > distance_graph(9, 2.0)[0, 8]


def test_maps_are_learned_only_where_widths_differ():
    assert not list(small().project.parameters()) and not list(small().project_text.parameters())
    wider = small(feature_dim=12, text_width=6)
    assert wider.project.weight.shape == (8, 12) and wider.project_text.weight.shape == (8, 6)


# --- fast forms -------------------------------------------------------------------------------------
def test_fast_feed_forward():
    assert_forms_agree(FeedForward(8), lambda module, x: module(x), torch.randn(3, 16, 8).double())
    assert quick_gelu(torch.tensor(1.0)).item() == pytest.approx(1 / (1 + math.exp(-1.702)))


@pytest.mark.parametrize("out_width", [8, 16])
@pytest.mark.parametrize("of_each_chunk", [True, False])
def test_fast_graph_layer(out_width, of_each_chunk):
    adjacency = torch.rand(3, 10, 10).double() if of_each_chunk else torch.rand(10, 10).double()
    assert_forms_agree(GraphLayer(16, out_width), lambda module, x: module(x, adjacency), torch.randn(3, 10, 16).double())


@pytest.mark.parametrize("options", [{}, {"window": 16}, {"summary": "scores", "feature_dim": 5}])
@pytest.mark.parametrize("lengths", [(40, 3, 16, 17), (9, 1, 4, 5), (16, 16, 16, 16)])
def test_fast_vadclip(options, lengths):
    """Several chunks, chunks and windows without segments, padding that is no zero."""
    method, longest = small(**options).eval(), max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    features = torch.randn(4, 2, longest, method.feature_dim)
    assert_forms_agree(method, lambda form, x: form(x, mask), features.double())


# --- losses and scores ------------------------------------------------------------------------------
def test_losses_by_hand():
    method, data = small(topk_divisor=4, contrast_weight=0.5), batch(segments=4)
    output = method(data.features)._replace(
        logits=torch.tensor([0.0, 1.0, 2.0, -1.0]).repeat(4, 1, 1),
        alignment=torch.tensor([[0.1, 0.2, 0.0], [0.3, 0.0, 0.1], [0.0, 0.0, 0.4], [0.2, 0.5, 0.0]]).repeat(4, 1, 1, 1),
        text=torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]]).repeat(4, 1, 1, 1),
    )
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0, 2:] = False  # k is 1 there and 2 elsewhere
    terms = method.loss(output, data._replace(mask=mask))
    assert {name: term.weight for name, term in terms.items()} == {"main": 1.0, "align": 1.0, "contrast": 0.5}

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    both = (sigmoid(2) + sigmoid(1)) / 2
    bce = -(math.log(1 - sigmoid(1)) + math.log(1 - both) + 2 * math.log(both)) / 4
    assert terms["main"].value.item() == pytest.approx(bce, rel=1e-5)
    short, full = torch.tensor([0.3, 0.2, 0.1]), torch.tensor([0.25, 0.35, 0.25])
    shares, share = (short / 0.07).log_softmax(0), (full / 0.07).log_softmax(0)
    align = -(shares[0] + share[0] + share[1] + (share[1] + share[2]) / 2) / 4
    assert terms["align"].value.item() == pytest.approx(align.item(), rel=1e-5)
    assert terms["contrast"].value.item() == pytest.approx(math.sqrt(0.5) / 2, rel=1e-5)


def test_no_contrast():
    method, data = small(contrast_weight=0.0), batch()
    assert set(method.loss(method(data.features), data)) == {"main", "align"}


def test_training_drives_texts_apart_and_cosines_to_their_category():
    method, data = small(contrast_weight=1.0), batch()
    optimiser = torch.optim.Adam(method.parameter_groups(0.0), lr=1e-2)
    contrast, chosen = contrast_loss(method.category_text()).item(), []
    for _ in range(30):
        optimiser.zero_grad()
        output = method(data.features)
        chosen.append(output.alignment[2, 0, :, 1].mean().item() - output.alignment[2, 0, :, 0].mean().item())
        total_loss(method.loss(output, data)).backward()
        optimiser.step()
    assert contrast_loss(method.category_text()).item() < contrast
    assert chosen[-1] > chosen[0]


def test_both_scores_and_the_map():
    method, data = small().eval(), batch(crops=2)
    output = method(data.features)
    scores = method.scores(output)
    assert set(scores) == {"score", "alignment"} and method.temperature.item() == pytest.approx(0.07)
    torch.testing.assert_close(scores["score"], output.logits.sigmoid().mean(dim=1))
    torch.testing.assert_close(scores["alignment"], output.alignment.mean(dim=1))
    other = small(score="alignment")
    expected = 1 - (output.alignment / 0.07).softmax(dim=-1)[..., 0]
    torch.testing.assert_close(other.scores(output)["score"], expected.mean(dim=1))


def test_crops_are_samples_of_their_own_and_order_does_not_matter():
    assert_crops_are_samples(small().eval(), batch(crops=2))


# --- errors -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [torch.ones(3), torch.ones(1, 8), torch.full((3, 8), math.nan)])
def test_wrong_text(text):
    with pytest.raises(DataError, match="two categories or more"):
        VadCLIP(VadCLIPSettings(prompts="offset"), text)


def test_other_categories_than_the_text_has():
    method, data = small(), batch()
    with pytest.raises(DataError, match="text features of 3 categories, the batch has 2"):
        method.loss(method(data.features), data._replace(category_targets=torch.eye(2)[[0, 0, 1, 1]]))


def test_options_of_the_other_data_set_are_settings():
    assert set(XD_VIOLENCE) <= set(VadCLIPSettings.model_fields)
    assert registry.METHODS["vadclip"].settings(**XD_VIOLENCE).window == 64
