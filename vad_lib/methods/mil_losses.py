"""Loss terms of the compared methods: dual memory, magnitudes, smoothness and sparsity."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.errors import DataError
from vad_lib.losses import TopSegments, mean_at, top_segments, topk_mean

TRIPLET_MARGIN = 1.0  # UR-DMU, official code

MAGNITUDE_MARGIN = 100.0  # UR-DMU, official code


# Dual-memory terms (Zhou, Yu and Yang 2023), named video class first, memory second.
def paired_rows(video_labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the normal and of the abnormal videos; the i-th of one is paired with the i-th of the other.

    Args:
        video_labels: float32 (B,).

    Returns:
        two int64 tensors of equal length.

    Raises:
        DataError: the counts differ, or there is none.
    """
    normal, abnormal = (video_labels == 0).nonzero().squeeze(1), (video_labels == 1).nonzero().squeeze(1)
    if len(normal) != len(abnormal) or not len(normal):
        raise DataError(
            f"batch: these losses pair normal with abnormal videos and need as many of each; got {len(normal)} normal "
            f"and {len(abnormal)} abnormal. Use BalancedBatches, or for UR-DMU and MSF-DMU losses='bce_only'."
        )
    return normal, abnormal


def abnormal_in_abnormal_memory(similarity: Tensor, mask: Tensor, divisor: int = 16) -> Tensor:
    """The top segments of an abnormal video are found in the abnormal memory.

    Args:
        similarity: float32 (b, T) in (0, 1).
        mask: bool (b, T).
        divisor: see :func:`topk_count`.

    Returns:
        float32 scalar, nats per video.
    """
    best = topk_mean(similarity, mask, divisor)
    return F.binary_cross_entropy(best, torch.ones_like(best))


def abnormal_outside_normal_memory(similarity: Tensor, mask: Tensor, divisor: int = 16) -> Tensor:
    """At least some segments of an abnormal video are unlike the normal memory. Arguments as above."""
    return abnormal_in_abnormal_memory(1 - similarity, mask, divisor)


def normal_memory_loss(similarity: Tensor, mask: Tensor, target: float) -> Tensor:
    """Every segment of a normal video is in the normal memory (target 1) and not in the abnormal one (target 0).

    Args:
        similarity: float32 (b, T) in (0, 1).
        mask: bool (b, T).
        target: 1 or 0.

    Returns:
        float32 scalar, nats per segment.
    """
    real = similarity[mask]
    return F.binary_cross_entropy(real, torch.full_like(real, target))


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """max(0, 1 + |a - p| - |a - n|) of unit-norm vectors, mean over pairs.

    Args:
        anchor: float32 (b, W), normal video at its most normal segments.
        positive: float32 (b, W), abnormal video at its most normal segments.
        negative: float32 (b, W), abnormal video at its most abnormal segments.
    """
    return F.triplet_margin_loss(
        F.normalize(anchor, dim=1), F.normalize(positive, dim=1), F.normalize(negative, dim=1), margin=TRIPLET_MARGIN
    )


def kl_loss(mean: Tensor, log_variance: Tensor, mask: Tensor) -> Tensor:
    """Divergence of the normal videos' normal read-outs from N(0, I).

    Args:
        mean: float32 (b, T, W).
        log_variance: float32 (b, T, W).
        mask: bool (b, T).

    Returns:
        float32 scalar: summed over time and averaged over videos and features, as the official code has it
        (the usual form sums features; the two differ by the factor W / T).

    Example: means of 1 with unit variance cost 1/2 a segment.
        >>> kl_loss(torch.ones(1, 3, 4), torch.zeros(1, 3, 4), torch.ones(1, 3, dtype=torch.bool))
        tensor(1.5000)
    """
    per_segment = 1 + log_variance - mean.square() - log_variance.exp()
    return -0.5 * (per_segment * mask[:, :, None]).sum(dim=1).mean()


def magnitude_loss(abnormal: Tensor, normal: Tensor) -> Tensor:
    """max(0, 100 - |abnormal| + |normal|), mean over pairs.

    Args:
        abnormal: float32 (b, W), mapped abnormal read-out of the abnormal video at its most abnormal segments.
        normal: float32 (b, W), sampled normal read-out of the normal video at its most normal segments.
    """
    return (MAGNITUDE_MARGIN - abnormal.norm(dim=1) + normal.norm(dim=1)).clamp(min=0).mean()


# Selection by feature magnitude and the constraints on scores (Sultani et al. 2018; Tian et al. 2021), which several
# compared methods share.
def largest_magnitudes(magnitudes: Tensor, mask: Tensor, k: int, dropped: float = 0.0) -> TopSegments:
    """The k segments of largest magnitude of each video, some left out by chance in training.

    Args:
        magnitudes: float32 (B, T), norms of the segments' features, at least 0.
        mask: bool (B, T).
        k: segments kept; a video with fewer keeps all of its own.
        dropped: probability with which a segment's magnitude counts as 0 (RTFM: 0.7 in training, 0 in testing); a row may then
            keep segments that were dropped, if fewer than k are left.

    Returns:
        indices and weights of the kept segments; mean over them with :func:`mean_at` or ``gather``.

    Example:
        >>> largest_magnitudes(torch.tensor([[1.0, 3.0, 2.0]]), torch.ones(1, 3, dtype=torch.bool), k=2).indices
        tensor([[1, 2]])
    """
    if dropped:
        magnitudes = F.dropout(torch.ones_like(magnitudes), dropped) * magnitudes.detach()
    return top_segments(magnitudes, mask, mask.sum(dim=1).clamp(max=k))


def smoothness(scores: Tensor) -> Tensor:
    """Sum of squared differences of neighbours along the last axis: (..., T) -> scalar, not weighted.

    Example:
        >>> smoothness(torch.tensor([0.0, 1.0, 0.5]))
        tensor(1.2500)
    """
    return scores.diff(dim=-1).square().sum()


def selected_norms(features: Tensor, top: TopSegments) -> Tensor:
    """Norm of the mean feature of the kept segments, the same segments in every crop (RTFM).

    Args:
        features: float32 (B, N, T, W).
        top: indices and weights (B, K) of the videos' kept segments.

    Returns:
        float32 (B, N).
    """
    videos, crops = features.shape[:2]
    of_crops = TopSegments(*(field.repeat_interleave(crops, 0) for field in top))
    return mean_at(features.flatten(0, 1), of_crops).norm(dim=1).view(videos, crops)


def magnitude_gap_loss(abnormal: Tensor, normal: Tensor, margin: float) -> Tensor:
    """(|margin - a| + n) squared: abnormal norms a go to the margin, normal norms n to zero (RTFM's code).

    Args:
        abnormal: float32 (b, N), norms from :func:`selected_norms`.
        normal: float32 (b, N), of the paired normal videos.
        margin: norm that abnormal features should have.

    Returns:
        float32 scalar, mean over pairs and crops.

    Example:
        >>> magnitude_gap_loss(torch.tensor([[97.0]]), torch.tensor([[2.0]]), margin=100.0)
        tensor(25.)
    """
    return ((margin - abnormal).abs() + normal).square().mean()
