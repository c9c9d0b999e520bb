"""Loss terms of the compared methods: ranking of bags, magnitudes of features, dual memory.

The ranking is Sultani et al.'s (CVPR 2018), magnitudes are RTFM's (Tian et al., ICCV 2021), the terms of the two memories
UR-DMU's (Zhou, Yu and Yang, AAAI 2023). Several methods share them. The losses of the proposed model stand in
:mod:`vad_lib.losses`.

Shapes: B videos, b videos of one class, R rows (a video, or one of its crops), N crops, T segments, W width,
K most segments kept of one video.
"""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.errors import DataError, one_of
from vad_lib.losses import TopSegments, mean_at, score_cross_entropy, top_segments, topk_mean

Pairing = Literal["all", "index"]

TRIPLET_MARGIN = 1.0  # UR-DMU, official code
MAGNITUDE_MARGIN = 100.0  # UR-DMU, official code


def paired_rows(video_labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the normal and of the abnormal videos; the i-th of one is paired with the i-th of the other.

    Args:
        video_labels: float32 (B,), 1 abnormal, 0 normal.

    Returns:
        two int64 tensors (B / 2,), normal rows first.

    Raises:
        DataError: the counts differ, or there is none.

    Example:
        >>> paired_rows(torch.tensor([0.0, 1.0, 1.0, 0.0]))
        (tensor([0, 3]), tensor([1, 2]))
    """
    normal, abnormal = (video_labels == 0).nonzero().squeeze(1), (video_labels == 1).nonzero().squeeze(1)
    if len(normal) != len(abnormal) or not len(normal):
        raise DataError(
            f"batch: these losses pair normal with abnormal videos and need as many of each; got {len(normal)} normal "
            f"and {len(abnormal)} abnormal. Use BalancedBatches, or for UR-DMU and MSF-DMU losses='bce_only'."
        )
    return normal, abnormal


# Ranking of bags (Sultani, BN-SVP) and the constraint that scores change slowly (also RTFM, CLIP-TSA, MGFN)


def best_scores(scores: Tensor, mask: Tensor) -> Tensor:
    """M, the largest score of each row, over real segments only (Sultani et al., CVPR 2018).

    Args:
        scores: float32 (R, T).
        mask: bool (R, T), True where a segment is real; at least one in a row.

    Returns:
        float32 (R,).

    Example: the second segment is padding.
        >>> best_scores(torch.tensor([[0.2, 0.9]]), torch.tensor([[True, False]]))
        tensor([0.2000])
    """
    return scores.masked_fill(~mask, -math.inf).amax(dim=1)


def bag_ranking(abnormal: Tensor, normal: Tensor, pairing: Pairing = "all") -> Tensor:
    """How far abnormal bags fail to score 1 more than normal ones: max(0, 1 - M_a + M_n) (Sultani et al., CVPR 2018).

    Args:
        abnormal: float32 (b,), scores of the abnormal bags.
        normal: float32 (b,), scores of the normal bags.
        pairing: ``all`` pairs, summed over abnormal bags and averaged over normal ones (official code; 0 to 2b); or the
            i-th with the i-th, averaged (``index``, the paper; 0 to 2).

    Returns:
        float32 scalar.

    Raises:
        ConfigError: unknown pairing.

    Example: as long as all bags score alike, every abnormal bag costs 1.
        >>> bag_ranking(torch.full((30,), 0.3), torch.full((30,), 0.3)).item()
        30.0
    """
    one_of(pairing, get_args(Pairing), "pairing")
    if pairing == "index":
        return (1 - abnormal + normal).clamp(min=0).mean()
    return (1 - abnormal[:, None] + normal).clamp(min=0).sum(dim=0).mean()


def smoothness(scores: Tensor) -> Tensor:
    """Sum of the squared differences of neighbours in time (Sultani et al., CVPR 2018).

    Args:
        scores: float32 (..., T), time last.

    Returns:
        float32 scalar, at least 0, not weighted.

    Example:
        >>> smoothness(torch.tensor([0.0, 1.0, 0.5]))
        tensor(1.2500)
    """
    return scores.diff(dim=-1).square().sum()


# Magnitudes of features (RTFM; CLIP-TSA and MGFN choose segments by them too)


def largest_magnitudes(magnitudes: Tensor, mask: Tensor, k: int, dropped: float = 0.0) -> TopSegments:
    """The k segments of largest magnitude of each video, some left out by chance in training (RTFM, ICCV 2021).

    Args:
        magnitudes: float32 (B, T), norms of the segments' features, at least 0.
        mask: bool (B, T), True where a segment is real.
        k: segments kept; a video with fewer keeps all of its own.
        dropped: probability with which a segment's magnitude counts as 0, in [0, 1) (RTFM: 0.7 in training, 0 in testing).
            A row may then keep segments that were dropped, if fewer than k are left.

    Returns:
        indices and weights (B, K) of the kept segments; mean over them with :func:`vad_lib.losses.mean_at` or ``gather``.

    Example:
        >>> largest_magnitudes(torch.tensor([[1.0, 3.0, 2.0]]), torch.ones(1, 3, dtype=torch.bool), k=2).indices
        tensor([[1, 2]])
    """
    if dropped:
        magnitudes = F.dropout(torch.ones_like(magnitudes), dropped) * magnitudes.detach()
    return top_segments(magnitudes, mask, mask.sum(dim=1).clamp(max=k))


def selected_norms(features: Tensor, top: TopSegments) -> Tensor:
    """Norm of the mean feature of the kept segments, the same segments in every crop (RTFM, ICCV 2021).

    Args:
        features: float32 (B, N, T, W).
        top: indices and weights (B, K) of the videos' kept segments, from :func:`largest_magnitudes`.

    Returns:
        float32 (B, N), at least 0.

    Example: the mean of (3, 0) and (3, 8) is (3, 4).
        >>> features = torch.tensor([[[[3.0, 0.0], [3.0, 8.0]]]])
        >>> selected_norms(features, TopSegments(torch.tensor([[0, 1]]), torch.tensor([[0.5, 0.5]])))
        tensor([[5.]])
    """
    videos, crops = features.shape[:2]
    of_crops = TopSegments(*(field.repeat_interleave(crops, 0) for field in top))  # (B N, K)
    return mean_at(features.flatten(0, 1), of_crops).norm(dim=1).view(videos, crops)


def magnitude_gap_loss(abnormal: Tensor, normal: Tensor, margin: float) -> Tensor:
    """(|margin - a| + n) squared: abnormal norms a go to the margin, normal norms n to zero (RTFM's official code).

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


# Dual memory (UR-DMU, AAAI 2023), named video class first, memory second


def abnormal_in_abnormal_memory(similarity: Tensor, mask: Tensor, divisor: int = 16) -> Tensor:
    """Cross-entropy that asks the top segments of abnormal videos to be found in the abnormal memory (UR-DMU, AAAI 2023).

    Args:
        similarity: float32 (b, T) in (0, 1), of the abnormal videos' segments to the abnormal memory.
        mask: bool (b, T), True where a segment is real.
        divisor: the mean is over the k = T // divisor + 1 largest similarities.

    Returns:
        float32 scalar, nats per video.

    Example: the largest of two similarities, and k is 1.
        >>> abnormal_in_abnormal_memory(torch.tensor([[0.1, 0.5]]), torch.ones(1, 2, dtype=torch.bool))
        tensor(0.6931)
    """
    best = topk_mean(similarity, mask, divisor)
    return score_cross_entropy(best, torch.ones_like(best))


def abnormal_outside_normal_memory(similarity: Tensor, mask: Tensor, divisor: int = 16) -> Tensor:
    """Cross-entropy that asks some segments of abnormal videos to be unlike the normal memory (UR-DMU, AAAI 2023).

    Args:
        similarity: float32 (b, T) in (0, 1), of the abnormal videos' segments to the normal memory.
        mask: bool (b, T), True where a segment is real.
        divisor: the mean is over the k = T // divisor + 1 smallest similarities.

    Returns:
        float32 scalar, nats per video.

    Example: the smallest of two similarities, and k is 1.
        >>> abnormal_outside_normal_memory(torch.tensor([[0.9, 0.5]]), torch.ones(1, 2, dtype=torch.bool))
        tensor(0.6931)
    """
    return abnormal_in_abnormal_memory(1 - similarity, mask, divisor)


def normal_memory_loss(similarity: Tensor, mask: Tensor, target: float) -> Tensor:
    """Cross-entropy of every segment of normal videos with one memory (UR-DMU, AAAI 2023).

    Args:
        similarity: float32 (b, T) in (0, 1), of the normal videos' segments to a memory.
        mask: bool (b, T), True where a segment is real.
        target: 1 for the normal memory, 0 for the abnormal one.

    Returns:
        float32 scalar, nats per segment.

    Example:
        >>> normal_memory_loss(torch.tensor([[0.5, 0.5]]), torch.ones(1, 2, dtype=torch.bool), 1.0)
        tensor(0.6931)
    """
    real = similarity[mask]
    return score_cross_entropy(real, torch.full_like(real, target))


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """max(0, 1 + |a - p| - |a - n|) of vectors brought to unit norm (UR-DMU, AAAI 2023).

    Args:
        anchor: float32 (b, W), normal video at its most normal segments.
        positive: float32 (b, W), abnormal video at its most normal segments.
        negative: float32 (b, W), abnormal video at its most abnormal segments.

    Returns:
        float32 scalar in [0, 3], mean over pairs.

    Example: only the direction counts.
        >>> triplet_loss(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[-5.0, 0.0]]))
        tensor(0.)
    """
    return F.triplet_margin_loss(
        F.normalize(anchor, dim=1), F.normalize(positive, dim=1), F.normalize(negative, dim=1), margin=TRIPLET_MARGIN
    )


def kl_loss(mean: Tensor, log_variance: Tensor, mask: Tensor) -> Tensor:
    """Divergence of the normal videos' normal read-outs from N(0, I) (UR-DMU, AAAI 2023).

    Args:
        mean: float32 (b, T, W).
        log_variance: float32 (b, T, W).
        mask: bool (b, T), True where a segment is real.

    Returns:
        float32 scalar: summed over time and averaged over videos and features, as the official code has it
        (the usual form sums features; the two differ by the factor W / T).

    Example: means of 1 with unit variance cost 1/2 a segment.
        >>> kl_loss(torch.ones(1, 3, 4), torch.zeros(1, 3, 4), torch.ones(1, 3, dtype=torch.bool))
        tensor(1.5000)
    """
    per_segment = 1 + log_variance - mean.square() - log_variance.exp()  # (b, T, W)
    return -0.5 * (per_segment * mask[:, :, None]).sum(dim=1).mean()


def magnitude_loss(abnormal: Tensor, normal: Tensor) -> Tensor:
    """max(0, 100 - |abnormal| + |normal|) (UR-DMU, AAAI 2023).

    Args:
        abnormal: float32 (b, W), mapped abnormal read-out of the abnormal video at its most abnormal segments.
        normal: float32 (b, W), sampled normal read-out of the normal video at its most normal segments.

    Returns:
        float32 scalar, at least 0, mean over pairs.

    Example: norms of 50 and 5.
        >>> magnitude_loss(torch.tensor([[30.0, 40.0]]), torch.tensor([[3.0, 4.0]]))
        tensor(55.)
    """
    return (MAGNITUDE_MARGIN - abnormal.norm(dim=1) + normal.norm(dim=1)).clamp(min=0).mean()
