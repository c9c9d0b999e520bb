"""Losses: equations 9 to 13 of the paper and the main loss L_m.

Every function takes scores, never logits of an unknown kind, and honours a mask. Equation 9 is :func:`total_loss`, its
lambdas are :class:`LossWeights`. Terms of the compared methods are in :mod:`vad_lib.methods.mil_losses`.

Shapes: B videos, T segments, C categories (index 0 is normal), C* the same seen as a video's own, W width, K most segments
kept of one video, R rows.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vad_lib.errors import DataError, one_of


class LossTerm(NamedTuple):
    """One named term of a loss: its bare value (scalar) and the weight that it has in the sum."""

    value: Tensor
    weight: float | Tensor = 1.0


def total_loss(terms: dict[str, LossTerm]) -> Tensor:
    """L_total, the weighted sum of named terms (equation 9): a float32 scalar.

    Example: 0.5 + 0.1 * 2.
        >>> total_loss({"main": LossTerm(torch.tensor(0.5)), "cls": LossTerm(torch.tensor(2.0), 0.1)})
        tensor(0.7000)
    """
    return sum((term.weight * term.value for term in terms.values()), torch.zeros(()))


class LossWeights(nn.Module):
    """The lambdas of equation 9, fixed or learned by homoscedastic uncertainty (Kendall et al. 2018).

    Args:
        start: name of a term -> its lambda, at least 0; terms with 0 are left out.
        learned: whether training moves the lambdas; they start at the given values.

    Attributes:
        start: the terms that are left, with their lambdas at the start.
    """

    def __init__(self, start: dict[str, float], learned: bool) -> None:
        super().__init__()
        self.start = {name: weight for name, weight in start.items() if weight > 0}
        # s = log of the variance; e^{-s} is the weight
        logs = {name: nn.Parameter(torch.tensor(-math.log(weight))) for name, weight in self.start.items()}
        self.log_variances = nn.ParameterDict(logs if learned else {})

    def forward(self, values: dict[str, Tensor]) -> dict[str, LossTerm]:
        """Give the terms their lambdas; learned ones come with the balance that keeps them from falling to zero."""
        if not self.log_variances:
            return {name: LossTerm(value, self.start[name]) for name, value in values.items()}
        terms = {name: LossTerm(value, (-self.log_variances[name]).exp()) for name, value in values.items()}
        return terms | {"adaptive_balance": LossTerm(sum(self.log_variances.values()), 0.5)}

    def monitored(self) -> dict[str, float]:
        """The learned lambdas, ``lambda_NAME``; nothing if they are fixed."""
        return {f"lambda_{name}": math.exp(-s.item()) for name, s in self.log_variances.items()}


class TopSegments(NamedTuple):
    """The k segments of largest value of each row; k differs with the row's length.

    Attributes:
        indices: int64 (R, K), largest first.
        weights: float32 (R, K), 1/k for the first k entries, 0 for the rest.
    """

    indices: Tensor
    weights: Tensor


def topk_count(mask: Tensor, divisor: int = 16) -> Tensor:
    """k = T // divisor + 1 for every video, T counting real segments only; 16 in the paper (section 2.3).

    Args:
        mask: bool (B, T), True where a segment is real.
        divisor: at least 2, so that k never exceeds T.

    Returns:
        int64 (B,).

    Example: 200 segments keep 13.
        >>> topk_count(torch.ones(1, 200, dtype=torch.bool))
        tensor([13])
    """
    return mask.sum(dim=1) // divisor + 1


def top_segments(values: Tensor, mask: Tensor, k: Tensor) -> TopSegments:
    """Where the k largest values of each row are.

    Args:
        values: float32 (R, T).
        mask: bool (R, T), True where a segment is real; others are never kept.
        k: int64 (R,), at least 1 and at most the row's real segments.

    Returns:
        indices and weights (R, K), K the largest k.

    Example:
        >>> top_segments(torch.tensor([[0.1, 0.9, 0.5]]), torch.ones(1, 3, dtype=torch.bool), torch.tensor([2])).indices
        tensor([[1, 2]])
    """
    most = int(k.max())
    indices = values.detach().masked_fill(~mask, -math.inf).topk(most, dim=1).indices
    kept = torch.arange(most, device=values.device) < k[:, None]
    return TopSegments(indices, kept / k[:, None])


def topk_mean(values: Tensor, mask: Tensor | None = None, divisor: int = 16) -> Tensor:
    """Mean of the k largest values over time, k = T // divisor + 1 (the aggregation of equations 4 and 8).

    Args:
        values: float32 (B, T).
        mask: bool (B, T), True where a segment is real; None if all are. T counts real segments.
        divisor: at least 2.

    Returns:
        float32 (B,).

    Example: with 16 segments k is 2.
        >>> topk_mean(torch.arange(16.0)[None])
        tensor([14.5000])
    """
    mask = torch.ones_like(values, dtype=torch.bool) if mask is None else mask
    top = top_segments(values, mask, topk_count(mask, divisor))
    return (values.gather(1, top.indices) * top.weights).sum(dim=1)


def topk_mean_by_category(values: Tensor, mask: Tensor, divisor: int = 16) -> Tensor:
    """:func:`topk_mean` of each category, which has k segments of its own: (B, T, C), mask (B, T) -> (B, C)."""
    videos, segments, categories = values.shape
    by_category = values.transpose(1, 2).reshape(videos * categories, segments)  # (B C, T)
    return topk_mean(by_category, mask.repeat_interleave(categories, 0), divisor).view(videos, categories)


def mean_at(features: Tensor, top: TopSegments) -> Tensor:
    """Mean feature over the kept segments: (R, T, W) -> (R, W)."""
    picked = features.gather(1, top.indices[:, :, None].expand(-1, -1, features.shape[2]))  # (R, K, W)
    return (picked * top.weights[:, :, None]).sum(dim=1)


def score_cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of scores with their targets; all losses on scores and the validation measure it here.

    Args:
        scores: float (R,); clamped to [0, 1], since a mean of ones may exceed 1 by rounding.
        targets: of the same shape and type, in [0, 1].

    Returns:
        scalar, nats per score; finite even at scores of exactly 0 or 1 (the logarithm stops at -100). NaN or infinite where a
        score is, so that training stops with an error that names step, term and videos.

    Example: the wrong one of two scores costs 100 nats.
        >>> score_cross_entropy(torch.tensor([1.0000001, 0.0]), torch.ones(2))
        tensor(50.)
    """
    if not bool(scores.isfinite().all()):
        return scores.sum()
    return F.binary_cross_entropy(scores.clamp(0, 1), targets)


def main_loss(video_scores: Tensor, video_labels: Tensor) -> Tensor:
    """L_m: binary cross-entropy between each video's score and its label.

    Called ranking-based in the paper and described as cross-entropy there; it is cross-entropy here.

    Args:
        video_scores: float32 (B,), mean of the k largest scores of the video (equation 8, :func:`topk_mean`); clamped to
            [0, 1], since the literal sum of equation 5 can leave it.
        video_labels: float32 (B,), 1 abnormal, 0 normal.

    Returns:
        float32 scalar, nats per video; finite even at scores of exactly 0 or 1 (the logarithm stops at -100).

    Example: an undecided video costs ln 2.
        >>> main_loss(torch.tensor([0.5]), torch.ones(1))
        tensor(0.6931)
    """
    return score_cross_entropy(video_scores, video_labels)


def classification_loss(category_scores: Tensor, category_targets: Tensor, temperature: Tensor | float) -> Tensor:
    """L_cls: cross-entropy of the video's category scores with its categories (equation 10).

    Args:
        category_scores: float32 (B, C), mean top cosines (equation 4).
        category_targets: float32 (B, C), rows sum to 1; several labels share the row evenly.
        temperature: tau, positive; the logits are scores / tau.

    Returns:
        float32 scalar, nats per video.

    Example: two equal scores cost ln 2, whatever the temperature.
        >>> classification_loss(torch.tensor([[0.3, 0.3]]), torch.tensor([[0.0, 1.0]]), 0.07)
        tensor(0.6931)
    """
    return F.cross_entropy(category_scores / temperature, category_targets)


def normal_suppression_loss(category_scores: Tensor, video_labels: Tensor) -> Tensor:
    """Mean squared score of the abnormal categories in normal videos (the term that equation 11 adds).

    Args:
        category_scores: float32 (B, C), bare cosines, column 0 normal.
        video_labels: float32 (B,), 1 abnormal, 0 normal.

    Returns:
        float32 scalar; 0 if the batch holds no normal video.

    Example:
        >>> normal_suppression_loss(torch.tensor([[0.9, 0.2, 0.4]]), torch.zeros(1))
        tensor(0.1000)
    """
    abnormal_scores = category_scores[video_labels == 0, 1:]
    return abnormal_scores.square().mean() if abnormal_scores.numel() else category_scores.new_zeros(())


def aligned_count(mask: Tensor, ratio: float) -> Tensor:
    """k = ceil(T r) of equation 12 for every video, T counting real segments only: bool (B, T) -> int64 (B,).

    Example: three tenths of 200 segments are 60.
        >>> aligned_count(torch.ones(1, 200, dtype=torch.bool), 0.3)
        tensor([60])
    """
    # in double: float32 makes 60.000001 of 200 x 0.3, and so do doubles of other products in their last digit
    return (mask.sum(dim=1).double() * ratio - 1e-9).ceil().clamp(min=1).long()


def alignment_loss(
    alignment: Tensor,
    category_targets: Tensor,
    mask: Tensor,
    temperature: Tensor | float,
    ratio: float = 1 / 16,
    reduction: str = "mean_logits",
) -> Tensor:
    """L_align: the frames that look most like the video's own category should be classified as it (equation 12).

    For a video of category c* the k = ceil(T r) segments with the largest cosine to c* are kept; several
    categories are treated one by one and averaged with the weights of ``category_targets``.

    Args:
        alignment: float32 (B, T, C), cosines (equation 3).
        category_targets: float32 (B, C), rows sum to 1.
        mask: bool (B, T), True where a segment is real.
        temperature: tau, positive.
        ratio: r, in (0, 1].
        reduction: ``mean_logits`` for the loss of the mean logits, ``per_frame`` for the mean of the frames' losses.

    Returns:
        float32 scalar, nats per video.

    Raises:
        ConfigError: unknown reduction.

    Example: one segment, cosines equal, costs ln 2.
        >>> alignment_loss(torch.zeros(1, 1, 2), torch.tensor([[0.0, 1.0]]), torch.ones(1, 1, dtype=torch.bool), 0.07)
        tensor(0.6931)
    """
    one_of(reduction, ("mean_logits", "per_frame"), "align_reduction")
    videos, segments, categories = alignment.shape
    k = aligned_count(mask, ratio)  # (B,)
    # one row for each video and category c*: which segments have the largest cosine to c*
    own = alignment.transpose(1, 2).reshape(videos * categories, segments)  # (B C, T)
    top = top_segments(own, mask.repeat_interleave(categories, 0), k.repeat_interleave(categories))  # (B C, K)
    # the cosines of these segments to all categories
    indices = top.indices.reshape(videos, -1, 1).expand(-1, -1, categories)  # (B, C K, C)
    logits = alignment.gather(1, indices).reshape(videos, categories, -1, categories) / temperature  # (B, C*, K, C)
    weights = top.weights.reshape(videos, categories, -1, 1)  # (B, C*, K, 1)
    if reduction == "mean_logits":
        log_probabilities = (logits * weights).sum(dim=2).log_softmax(dim=-1)  # (B, C*, C)
    else:
        log_probabilities = (logits.log_softmax(dim=-1) * weights).sum(dim=2)  # (B, C*, C)
    per_category = -log_probabilities.diagonal(dim1=1, dim2=2)  # (B, C), cross-entropy with c* itself
    return (per_category * category_targets).sum(dim=1).mean()


def consistency_loss(visual_scores: Tensor, semantic_scores: Tensor) -> Tensor:
    """L_con: mean squared difference of the two branches' video scores (equation 13).

    Args:
        visual_scores: float32 (B,), mean of the k largest visual scores.
        semantic_scores: float32 (B,), mean of the k largest semantic scores.

    Returns:
        float32 scalar.

    Raises:
        DataError: the shapes differ.

    Differs from paper: the printed formula has a comma where the minus belongs.

    Example:
        >>> consistency_loss(torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.1]))
        tensor(0.0800)
    """
    check_same_shape(visual_scores, semantic_scores, "consistency loss")
    return (visual_scores - semantic_scores).square().mean()


def check_same_shape(visual_scores: Tensor, semantic_scores: Tensor, what: str) -> None:
    """Refuse scores of the two branches that do not stand for the same things; torch would broadcast them."""
    if visual_scores.shape != semantic_scores.shape:
        raise DataError(
            f"{what}: expected visual and semantic scores of one shape, got {tuple(visual_scores.shape)} and "
            f"{tuple(semantic_scores.shape)}; give both for the same videos and segments."
        )
