"""The proposed model: equations in their places, options, errors. The equations themselves: ``tests/equations``."""

import math

import pytest
import torch
import torch.nn.functional as F

from vad_lib import model
from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods.causal import causal_alignment_map
from vad_lib.methods.msf_dmu import MSFDMU
from vad_lib.model import Proposed, ProposedSettings


@pytest.fixture(autouse=True)
def _one_thread():
    """The models here are so small that threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def proposed(categories: int = 4, text_width: int = 6, **options) -> Proposed:
    return Proposed(ProposedSettings(feature_dim=12, width=32, **options), torch.randn(categories, text_width))


def batch(categories: int = 4) -> Batch:
    targets = torch.zeros(4, categories)
    targets[:2, 0], targets[2, 1], targets[3, 2:] = 1.0, 1.0, 0.5
    mask = torch.arange(20) < torch.tensor([20, 11, 20, 17])[:, None]
    return Batch(torch.randn(4, 1, 20, 12), mask, torch.tensor([0.0, 0.0, 1.0, 1.0]), targets, ("n0", "n1", "a0", "a1"))


def test_output_follows_the_equations():
    method = proposed().eval()
    features = torch.randn(3, 2, 9, 12)
    output = method(features)
    f_c = output.context_features.flatten(0, 1)
    learned = model.learned_text(method.text_features, method.prompt_offset)
    projected = model.project_visual(f_c, method.project)
    delta = model.modulation_vector(f_c.mean(dim=1), method.modulate, method.modulate_norm)
    alignment = model.alignment_map(projected, model.category_text(learned, delta, method.modulation_scale))
    semantic = model.semantic_score(alignment, 0.07)
    torch.testing.assert_close(output.alignment.flatten(0, 1), alignment)
    torch.testing.assert_close(output.semantic_scores.flatten(0, 1), semantic)
    torch.testing.assert_close(output.hidden.flatten(0, 1), method.visual_branch.memory.head_in(f_c))
    torch.testing.assert_close(output.visual_scores, output.logits.sigmoid())
    torch.testing.assert_close(output.fused_scores, (output.visual_scores + output.semantic_scores) / 2)
    assert output.alignment.abs().max() <= 1 + 1e-6
    assert output.alignment.shape == (3, 2, 9, 4) and output.context_features.shape == (3, 2, 9, 64)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_causal_alignment_is_that_of_texts_of_their_own(scale):
    projected, delta = F.normalize(torch.randn(2, 5, 6), dim=-1), 3 * torch.randn(2, 5, 6)
    learned = F.normalize(torch.randn(4, 6), dim=-1)
    texts = model.category_text(learned, delta.flatten(0, 1), scale).unflatten(0, (2, 5))  # (S, T, C, D_t)
    expected = (projected[:, :, None] * texts).sum(dim=-1)
    torch.testing.assert_close(causal_alignment_map(projected, learned, delta, scale), expected)


def test_causal_context_is_the_mean_so_far():
    method = proposed(context="causal").eval()
    with torch.no_grad():
        method.modulation_scale.fill_(0.7)
    output = method(torch.randn(2, 1, 9, 12))
    f_c = output.context_features[:, 0]
    projected = model.project_visual(f_c, method.project)
    for t in range(9):
        text = method.category_text(f_c[:, : t + 1])  # equation 2 on the video up to here
        expected = model.alignment_map(projected[:, t : t + 1], text)[:, 0]
        torch.testing.assert_close(output.alignment[:, 0, t], expected)


def test_visual_branch_is_msf_dmu():
    method = proposed().eval()
    baseline = MSFDMU(method.visual_branch.settings).eval()
    baseline.load_state_dict(method.visual_branch.state_dict())
    features = torch.randn(2, 3, 9, 12)
    assert torch.equal(method.scores(method(features))["visual"], baseline.scores(baseline(features))["score"])


def test_base_loss_sees_the_fused_score_of_the_sampled_read_out():
    method, data = proposed(dropout=0.0, losses="bce_only", lambda_align=0, lambda_cls=0, lambda_con=0).train(), batch()
    output = method(data.features, data.mask)
    torch.manual_seed(1)
    value = method.loss(output, data)["main"].value
    torch.manual_seed(1)
    visual = method.visual_branch.training_view(output, data).logits.sigmoid()
    fused = (visual + output.semantic_scores[:, 0]) / 2
    expected = torch.nn.functional.binary_cross_entropy(model.video_score(fused, data.mask), data.video_labels)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"modulation": "literal"},
        {"modulation": "off"},
        {"semantic_score": "sum"},
        {"learn_temperature": False},
        {"gate": "fixed"},
        {"align_reduction": "per_frame", "align_ratio": 1.0},
        {"loss_weights": "adaptive"},
        {"losses": "bce_only"},
        {"losses": "bce_only", "lambda_align": 0, "lambda_cls": 0, "lambda_con": 0, "loss_weights": "adaptive"},
        {"topk_divisor": 2, "alpha": 0.0, "position": "raw"},
    ],
)
def test_every_option_trains(options):
    method, data = proposed(**options), batch()
    optimiser = torch.optim.Adam(method.parameter_groups(5e-5), lr=1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        loss = total_loss(method.loss(method(data.features, data.mask), data))
        loss.backward()
        optimiser.step()
    assert loss.isfinite()
    trained = [p for p in method.parameters() if p.requires_grad]
    assert all(p.isfinite().all() for p in trained)
    assert sum(len(group["params"]) for group in method.parameter_groups(0.1)) == len(trained)


@pytest.mark.parametrize("text_width", [384, 512])
def test_text_of_other_encoders(text_width):
    scores = (method := proposed(text_width=text_width).eval()).scores(method(torch.randn(1, 1, 5, 12)))
    assert scores["alignment"].shape == (1, 5, 4)


def test_several_crops_are_samples_of_their_own():
    method, data = proposed().eval(), batch()
    twice = data._replace(features=data.features.repeat(1, 2, 1, 1))
    expected = total_loss(method.loss(method(data.features, data.mask), data))
    torch.testing.assert_close(total_loss(method.loss(method(twice.features, twice.mask), twice)), expected)


def test_learned_scalars_escape_weight_decay_and_are_logged():
    method = proposed(loss_weights="adaptive")
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    bare = {names[id(p)] for p in method.parameter_groups(0.1)[1]["params"] if not names[id(p)].startswith("visual_branch.")}
    scalars = {"gate_logit", "log_temperature", "modulation_scale"}
    assert bare == scalars | {f"lambdas.log_variances.{name}" for name in ("align", "cls", "con")}
    logged = method.monitored()
    assert logged["w"] == 0.5 and logged["tau"] == pytest.approx(0.07)
    assert logged["modulation_scale"] == pytest.approx(0.1 / math.sqrt(6))
    assert logged["lambda_con"] == pytest.approx(0.05)
    assert logged["decay_steps_layer1"] == pytest.approx(math.e)


@pytest.mark.parametrize("text", [torch.randn(4), torch.randn(1, 6), torch.full((3, 6), math.nan)])
def test_wrong_text_features(text):
    with pytest.raises(DataError, match="text features"):
        Proposed(ProposedSettings(feature_dim=12, width=32), text)


def test_targets_of_another_data_set():
    method, data = proposed(categories=4), batch(categories=5)
    with pytest.raises(DataError, match=r"4 categories, the batch has 5"):
        method.loss(method(data.features, data.mask), data)
