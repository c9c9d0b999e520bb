"""Losses of the compared methods, worked by hand."""

import math

import pytest
import torch

from vad_lib.errors import DataError
from vad_lib.methods import mil_losses


def all_real(rows: int, segments: int) -> torch.Tensor:
    return torch.ones(rows, segments, dtype=torch.bool)


def test_pairs_keep_their_order():
    normal, abnormal = mil_losses.paired_rows(torch.tensor([0.0, 1.0, 1.0, 0.0]))
    assert normal.tolist() == [0, 3] and abnormal.tolist() == [1, 2]


@pytest.mark.parametrize("labels, counts", [([0.0, 0.0, 1.0], "2 normal and 1 abnormal"), ([], "0 normal and 0 abnormal")])
def test_unpaired_videos_are_an_error(labels, counts):
    with pytest.raises(DataError, match=counts):
        mil_losses.paired_rows(torch.tensor(labels))


def test_memory_terms_by_hand():
    similarity = torch.tensor([[0.2, 0.8]])
    # k = 1: the largest, 0.8; the largest of 1 - s is 1 - 0.2 = 0.8
    assert mil_losses.abnormal_in_abnormal_memory(similarity, all_real(1, 2)).item() == pytest.approx(-math.log(0.8))
    assert mil_losses.abnormal_outside_normal_memory(similarity, all_real(1, 2)).item() == pytest.approx(-math.log(0.8))
    # every segment counts: -(ln 0.2 + ln 0.8) / 2 either way, since 1 - 0.2 = 0.8
    expected = -(math.log(0.2) + math.log(0.8)) / 2
    assert mil_losses.normal_memory_loss(similarity, all_real(1, 2), 1.0).item() == pytest.approx(expected)
    assert mil_losses.normal_memory_loss(similarity, all_real(1, 2), 0.0).item() == pytest.approx(expected)
    padded = torch.tensor([[True, False]])
    assert mil_losses.normal_memory_loss(similarity, padded, 1.0).item() == pytest.approx(-math.log(0.2))


def test_triplet_by_hand():
    anchor, negative = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    # unit vectors: |a - p| = 0, |a - n| = sqrt 2: 1 + 0 - 1.41 < 0; the other way round 1 + sqrt 2
    assert mil_losses.triplet_loss(anchor, anchor, negative).item() == 0.0
    assert mil_losses.triplet_loss(anchor, negative, anchor).item() == pytest.approx(1 + math.sqrt(2), abs=1e-4)


def test_kl_sums_over_time_and_honours_the_mask():
    mean, log_variance = torch.ones(1, 3, 4), torch.zeros(1, 3, 4)
    # 1 + 0 - 1 - 1 = -1 per entry; three segments: 3/2, two: 1; a sum over the four features would give 2 a segment
    assert mil_losses.kl_loss(mean, log_variance, all_real(1, 3)).item() == pytest.approx(1.5)
    assert mil_losses.kl_loss(mean, log_variance, torch.tensor([[True, True, False]])).item() == pytest.approx(1.0)
    assert mil_losses.kl_loss(0 * mean, log_variance, all_real(1, 3)).item() == 0.0


def test_magnitude_by_hand():
    # |(30, 40)| = 50 and |(3, 4)| = 5: 100 - 50 + 5; an abnormal norm of 200 costs nothing
    abnormal, normal = torch.tensor([[30.0, 40.0], [200.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert mil_losses.magnitude_loss(abnormal, normal).item() == pytest.approx(55 / 2)


def test_selected_norms_are_norms_of_means():
    features, mask = torch.randn(2, 3, 6, 4), torch.arange(6) < torch.tensor([[6], [2]])
    top = mil_losses.largest_magnitudes(features.norm(dim=-1).mean(dim=1), mask, k=3)
    found = mil_losses.selected_norms(features, top)
    for video, count in enumerate((3, 2)):
        for crop in range(3):
            chosen = features[video, crop, top.indices[video, :count]]
            torch.testing.assert_close(found[video, crop], chosen.mean(dim=0).norm())


def test_magnitude_gap_by_hand():
    """Both sides of the margin cost; normal norms add to the distance before it is squared."""
    abnormal, normal = torch.tensor([[90.0, 103.0]]), torch.tensor([[2.0, 1.0]])
    assert mil_losses.magnitude_gap_loss(abnormal, normal, 100.0).item() == pytest.approx((12**2 + 4**2) / 2)
