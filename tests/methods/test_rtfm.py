"""RTFM's choice by magnitude and its losses, worked by hand. Known answers: ``tests/reference``."""

import math

import pytest
import torch
import torch.nn.functional as F

from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import total_loss
from vad_lib.methods import mil_losses
from vad_lib.methods.rtfm import RTFM, SPEC, RTFMOutput, RTFMSettings

# one normal and one abnormal video, four segments; one number per segment says how long its feature is
NORMS = ((1.0, 4.0, 2.0, 3.0), (60.0, 90.0, 93.0, 99.0))
SCORES = ((0.9, 0.2, 0.3, 0.4), (0.5, 0.6, 0.8, 0.7))


def small(**options) -> RTFM:
    return RTFM(RTFMSettings(feature_dim=4, **options)).eval()


def by_hand(norms=NORMS, scores=SCORES, lengths=(4, 4)) -> tuple[RTFMOutput, Batch]:
    """An output whose features all point the same way, and its batch; one crop, videos padded with zeros."""
    width = max(lengths)
    norms, scores = (torch.tensor([row[:width] for row in rows]) for rows in (norms, scores))
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    features = (norms * mask)[:, None, :, None] * torch.tensor([0.6, 0.0, 0.8, 0.0])
    logits = torch.where(mask, scores.logit(), 0.0)[:, None]
    labels = torch.tensor([0.0, 1.0])
    return RTFMOutput(logits, features), Batch(features, mask, labels, torch.stack([1 - labels, labels], dim=1), ("n", "a"))


def values(method: RTFM, output: RTFMOutput, batch: Batch) -> dict[str, float]:
    return {name: term.value.item() for name, term in method.loss(output, batch).items()}


def test_every_term_by_hand():
    terms = small().loss(*by_hand())
    # normal: segments 1, 3, 2 by norm, not 0 of the highest score; abnormal: 3, 2, 1
    expected = {
        "main": (-math.log(1 - 0.3) - math.log(0.7)) / 2,
        "magnitude": ((100 - 94) + 3.0) ** 2,
        "smoothness": 0.1**2 + 0.2**2 + 0.1**2,
        "sparsity": math.sqrt(0.5**2 + 0.6**2 + 0.8**2 + 0.7**2),
    }
    weights = {"main": 1.0, "magnitude": 1e-4, "smoothness": 8e-4, "sparsity": 8e-3}
    assert {name: term.value.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)
    assert {name: term.weight for name, term in terms.items()} == weights
    assert total_loss(terms).item() == pytest.approx(sum(expected[name] * weights[name] for name in expected), rel=1e-5)


def test_fewer_segments_than_are_selected():
    """A video of two segments is represented by both, whatever the other video's length."""
    found = values(small(), *by_hand(lengths=(2, 4)))
    assert found["main"] == pytest.approx((-math.log(1 - (0.9 + 0.2) / 2) - math.log(0.7)) / 2, rel=1e-5)
    assert found["magnitude"] == pytest.approx(((100 - 94) + 2.5) ** 2, rel=1e-5)
    one = values(small(), *by_hand(lengths=(1, 1)))
    assert one["main"] == pytest.approx((-math.log(1 - 0.9) - math.log(0.5)) / 2, rel=1e-5)
    assert one["smoothness"] == 0 and one["sparsity"] == pytest.approx(0.5)


def test_selected_and_margin_are_settings():
    found = values(small(selected=1, margin=10.0), *by_hand())
    assert found["main"] == pytest.approx((-math.log(1 - 0.2) - math.log(0.7)) / 2, rel=1e-5)
    assert found["magnitude"] == pytest.approx(((99 - 10) + 4.0) ** 2, rel=1e-5)


def two_abnormal() -> tuple[RTFMOutput, Batch]:
    """The hand-made pair twice; the second abnormal video has two segments and other scores."""
    first, batch = by_hand()
    second, shorter = by_hand(scores=(SCORES[0], (0.1, 0.2, 0.0, 0.0)), lengths=(4, 2))
    output = RTFMOutput(*(torch.cat([a, F.pad(b, (0,) * 2 * (a.dim() - b.dim()))]) for a, b in zip(first, second)))
    return output, Batch(*(torch.cat(pair) for pair in zip(batch[:4], shorter[:4])), ("n", "a", "m", "b"))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({}, {"smoothness": 0.06 + 0.6**2 + 0.1**2, "sparsity": math.sqrt(1.74 + 0.05)}),
        ({"smoothness": "within_videos"}, {"smoothness": 0.06 + 0.1**2}),
        ({"sparsity": "sum"}, {"sparsity": 2.6 + 0.3}),
    ],
)
def test_forms_of_the_constraints(option, expected):
    found = values(small(**option), *two_abnormal())
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_crops_share_the_segments_and_keep_their_norms():
    """Scores and magnitudes are averaged over crops first; the magnitude term squares crop by crop."""
    output, batch = by_hand()
    twice = RTFMOutput(
        torch.cat([output.logits, torch.full_like(output.logits, -20.0)], dim=1),
        torch.cat([output.features, 0.5 * output.features], dim=1),
    )
    found = values(small(), twice, batch)
    assert found["main"] == pytest.approx((-math.log(1 - 0.15) - math.log(0.35)) / 2, rel=1e-5)
    assert found["magnitude"] == pytest.approx((9.0**2 + (100 - 47 + 1.5) ** 2) / 2, rel=1e-5)
    # a second crop in which other segments are longest, by more, decides for both
    output.features[:] = 1.0
    decisive = torch.zeros_like(output.features)
    decisive[:, :, 0] = 50.0
    both = RTFMOutput(output.logits.repeat(1, 2, 1), torch.cat([output.features, decisive], dim=1))
    found = values(small(selected=1), both, batch)
    assert found["main"] == pytest.approx((-math.log(1 - 0.9) - math.log(0.5)) / 2, rel=1e-5)


def test_the_choice_leaves_segments_out_by_chance_in_training():
    output, batch = by_hand()
    method = small(selected=1).train()
    seen = set()
    for seed in range(40):
        torch.manual_seed(seed)
        kept = F.dropout(torch.ones(2, 4), 0.7) * torch.tensor(NORMS)
        chosen = kept.argmax(dim=1)
        torch.manual_seed(seed)
        found = values(method, output, batch)
        if (kept.amax(dim=1) > 0).all():  # otherwise every norm is zero and any segment may be kept
            seen.add(chosen[1].item())
            scores = [SCORES[row][place] for row, place in enumerate(chosen.tolist())]
            assert found["main"] == pytest.approx((-math.log(1 - scores[0]) - math.log(scores[1])) / 2, rel=1e-5)
    assert seen == {0, 1, 2, 3}
    quiet = small(selected=1, selection_dropout=0.0).train()
    assert values(quiet, output, batch) == values(quiet.eval(), output, batch)


def test_norms_and_head_see_the_same_dropped_features():
    method = RTFM(RTFMSettings(feature_dim=12)).train()
    method.head.eval()
    output = method(torch.randn(2, 1, 40, 12))
    assert (output.features == 0).float().mean().item() == pytest.approx(0.7, abs=0.05)
    torch.testing.assert_close(method.head(output.features), output.logits)


def test_a_step_drives_the_norms_apart():
    """The magnitude term alone: abnormal features grow, normal ones shrink."""
    torch.manual_seed(1)
    method = RTFM(RTFMSettings(feature_dim=12, margin=20.0)).eval()
    features = torch.randn(4, 2, 16, 12)
    batch = Batch(
        features, torch.ones(4, 16, dtype=torch.bool), torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.eye(2)[[0, 0, 1, 1]], tuple("nmab")
    )

    def norms() -> torch.Tensor:
        output = method(features)
        magnitudes = output.features.norm(dim=-1).mean(dim=1)
        return mil_losses.selected_norms(output.features, mil_losses.largest_magnitudes(magnitudes, batch.mask, 3)).mean(dim=1)

    before, optimiser = norms(), torch.optim.Adam(method.parameters(), lr=1e-3)
    for _ in range(20):
        optimiser.zero_grad()
        method.loss(method(features), batch)["magnitude"].value.backward()
        optimiser.step()
    after = norms()
    assert after[:2].mean() < before[:2].mean() and after[2:].mean() > before[2:].mean()


def test_other_feature_widths():
    method = RTFM(RTFMSettings(feature_dim=1024))
    assert [convolution.weight.shape for convolution in method.temporal.pyramid] == 3 * [(256, 1024, 3)]
    assert method.temporal.fuse.weight.shape == (1024, 1024, 3)
    assert method.head[0].weight.shape == (512, 1024)
    assert SPEC.sizes(1024, 32) == {"feature_dim": 1024}


def test_unequal_numbers_of_videos():
    output, batch = by_hand()
    with pytest.raises(DataError, match="0 normal and 2 abnormal"):
        small().loss(output, batch._replace(video_labels=torch.ones(2)))
