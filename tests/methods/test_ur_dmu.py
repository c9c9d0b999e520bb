"""UR-DMU against its reference form, and the sampling of normal read-outs. Known answers: ``tests/reference``."""

import pytest
import torch
from both_forms import in_both_forms
from reference_forms.ur_dmu import ReferenceURDMU

from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings


def batch(segments: int = 20, labels: tuple[float, ...] = (0, 0, 1, 1)) -> Batch:
    video_labels = torch.tensor(labels, dtype=torch.float32)
    return Batch(
        torch.randn(len(labels), 1, segments, 12),
        torch.ones(len(labels), segments, dtype=torch.bool),
        video_labels,
        torch.stack([1 - video_labels, video_labels], dim=1),
        tuple(f"v{i}" for i in range(len(labels))),
    )


def small(**options) -> URDMU:
    return URDMU(URDMUSettings(feature_dim=12, width=32, **options))


@in_both_forms
@pytest.mark.parametrize("segments", [1, 20, 300])
def test_reference_form_gives_the_same_scores_losses_and_gradients(form, segments):
    ours, data = form(small(dropout=0.0, reparameterise=False)), batch(segments)
    reference = ReferenceURDMU(12, 32, dropout=0.0, noise=False)
    reference.load_state_dict(ours.state_dict())
    output = ours(data.features)
    torch.testing.assert_close(ours.scores(output)["score"], reference(data.features[:, 0]))
    our_loss, their_loss = total_loss(ours.loss(output, data)), reference.loss(data.features[:, 0])
    torch.testing.assert_close(our_loss, their_loss)
    our_loss.backward(), their_loss.backward()
    expected = dict(reference.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad, expected[name].grad, rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_labels_may_come_in_any_order():
    method, data = small().eval(), batch()
    order = torch.tensor([2, 0, 3, 1])
    shuffled = Batch(*(field[order] for field in data[:4]), data.videos)
    loss = total_loss(method.loss(method(data.features), data))
    torch.testing.assert_close(total_loss(method.loss(method(shuffled.features), shuffled)), loss)


def test_only_normal_videos_are_sampled_and_only_in_training():
    method, data = small(dropout=0.0).train(), batch()
    output = method(data.features)
    view = method.training_view(output, data)
    changed = (view.logits != output.logits[:, 0]).all(dim=1)
    assert changed.tolist() == [True, True, False, False]
    assert not torch.equal(view.sample, view.mean)
    view = method.eval().training_view(output, data)
    assert torch.equal(view.logits, output.logits[:, 0]) and torch.equal(view.sample, view.mean)


def test_sample_is_centred_on_the_mean_with_its_variance():
    method = small(dropout=0.0).train()
    with torch.no_grad():
        method.memory.log_variance_map.weight.zero_()
        method.memory.log_variance_map.bias.fill_(-2.0)
    view = method.training_view(method(data := batch(400).features), batch(400)._replace(features=data))
    deviation = view.sample - view.mean
    assert deviation.mean().abs() < 0.02  # 25,600 draws: standard error 0.0023
    assert deviation.std().item() == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.03)


def test_several_crops_are_samples_of_their_own():
    method, data = small().eval(), batch()
    twice = data._replace(features=data.features.repeat(1, 2, 1, 1))
    expected = total_loss(method.loss(method(data.features), data))
    torch.testing.assert_close(total_loss(method.loss(method(twice.features), twice)), expected)


def test_bce_only_keeps_one_term_and_needs_no_pairs():
    method, data = small(losses="bce_only"), batch(labels=(1, 1, 0))
    assert set(method.loss(method(data.features), data)) == {"main"}
    with pytest.raises(DataError, match="1 normal and 2 abnormal"):
        small().loss(method(data.features), data)
