"""Which segments stand for an abnormal video, given their scores and scenes (for BN-SVP, Sapkota and Yu, CVPR 2022).

Two choices: the best segment of each scene, as in BN-SVP's code, or the greedy choice of their paper, which maximises a
submodular function.

Shapes: b videos, T segments, H width of the features that scenes are found in, K most segments chosen of one video.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def bag_scores(scores: Tensor, scenes: Tensor, mask: Tensor, share: float, similarity: Tensor | None = None) -> Tensor:
    """S_v, the score of an abnormal video: the mean over a varied subset of its better segments (BN-SVP).

    Args:
        scores: float32 (b, T), at least 0; gradients pass through those that are chosen.
        scenes: int64 (b, T), which scene a segment is in, from 0 on.
        mask: bool (b, T), True where a segment is real; at least one in a row.
        share: segments below this quantile of the video's own scores are no candidates, in [0, 1].
        similarity: float32 (b, T, T) in [0, 1] for the greedy choice; None for the best candidate of each scene.

    Returns:
        float32 (b,).

    Example: the better of two scenes' segments, 0.9 and 0.5; with one scene, 0.9 alone.
        >>> scores, real = torch.tensor([[0.9, 0.8, 0.5, 0.4]]), torch.ones(1, 4, dtype=torch.bool)
        >>> bag_scores(scores, torch.tensor([[0, 0, 1, 1]]), real, 0.25), bag_scores(scores, torch.zeros(1, 4).long(), real, 0.25)
        (tensor([0.7000]), tensor([0.9000]))
    """
    values = scores.detach()
    threshold = values.masked_fill(~mask, math.nan).nanquantile(share, dim=1, keepdim=True)
    candidates = (values >= threshold) & mask
    member = F.one_hot(scenes).bool() & candidates[:, :, None]  # (b, T, scenes)
    found = member.any(dim=1)  # (b, scenes), whether a scene has a candidate
    if similarity is None:
        chosen = values[:, :, None].masked_fill(~member, -1.0).argmax(dim=1)  # (b, scenes)
    else:
        budget = found.sum(dim=1)
        chosen = facility_location(similarity * values[:, None], candidates, budget)  # (b, K)
        found = torch.arange(chosen.shape[1], device=budget.device) < budget[:, None]
    return (scores.gather(1, chosen) * found).sum(dim=1) / found.sum(dim=1)


def graded_similarity(states: Tensor, scenes: Tensor, across: float) -> Tensor:
    """Likeness of every two segments: by distance, and less if they are in different scenes.

    A choice of ours; the paper grades by scene and by mixture components within scenes, which are not sampled here.

    Args:
        states: float32 (b, T, H), of about unit variance.
        scenes: int64 (b, T), which scene a segment is in.
        across: factor for segments of different scenes, in [0, 1]; with 0 these have nothing in common.

    Returns:
        float32 (b, T, T) in [0, 1].

    Example: equal features in two scenes keep half of their likeness.
        >>> graded_similarity(torch.zeros(1, 2, 3), torch.tensor([[0, 1]]), across=0.5)
        tensor([[[1.0000, 0.5000],
                 [0.5000, 1.0000]]])
    """
    alike = torch.exp(torch.cdist(states, states).square() / (-2 * states.shape[-1]))
    return alike.where(scenes[:, :, None] == scenes[:, None], across * alike)


def facility_location(worth: Tensor, candidates: Tensor, budget: Tensor) -> Tensor:
    """Greedy choice of the candidates that together serve all candidates best.

    Maximises f(A) = sum_i max_{j in A} worth_ij, monotone and submodular, so that the greedy set reaches at least
    1 - 1/e of the best value. With worth_ij = similarity_ij s_j and a similarity of 1 within scenes and 0 across,
    it is the best score of each scene.

    Written out: apricot-select's last release is of 2021, submodlib-py serves one set at a time, and either brings numba.

    Args:
        worth: float32 (b, T, T), at least 0; what j would be to i.
        candidates: bool (b, T), at least one in a row.
        budget: int64 (b,), how many to choose; at least 1 and at most the row's candidates.

    Returns:
        int64 (b, K), K the largest budget: positions in order of choice; those past a row's budget mean nothing.

    Example: the second choice serves what the first leaves over.
        >>> worth = torch.tensor([[[0.9, 0.8, 0.0], [0.9, 0.8, 0.0], [0.0, 0.0, 0.3]]])
        >>> facility_location(worth, torch.ones(1, 3, dtype=torch.bool), torch.tensor([2]))
        tensor([[0, 2]])
    """
    worth = worth * candidates[:, :, None]
    open_to_choice = candidates.clone()
    served = worth.new_zeros(worth.shape[:2])
    chosen = []
    for _ in range(int(budget.max())):
        gain = (worth - served[:, :, None]).clamp(min=0).sum(dim=1)  # (b, T)
        best = gain.masked_fill(~open_to_choice, -1.0).argmax(dim=1, keepdim=True)
        served = torch.maximum(served, worth.gather(2, best[:, None].expand(-1, worth.shape[1], -1)).squeeze(2))
        open_to_choice.scatter_(1, best, False)
        chosen.append(best)
    return torch.cat(chosen, dim=1)
