"""The multi-scale temporal network of RTFM (Tian et al., ICCV 2021), which CLIP-TSA uses too, and the parts it shares.

Each segment meets its neighbours in three dilated convolutions and the whole video in a non-local block. Both are fused,
and what comes out is added to the segment's feature.

Shapes: S sequences (videos x crops), T segments, W width. Torch's convolutions over time want (S, W, T): ``x.mT``.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def xavier_start(module: nn.Module) -> None:
    """Give every linear layer inside Xavier uniform weights and zero biases, the start values of RTFM's code."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@torch.no_grad()
def _xavier_taps(*convolutions: nn.Conv1d) -> None:
    """Give convolutions of one shape Xavier uniform weights and zero biases.

    The numbers are drawn tap by tap, not convolution by convolution: a seed keeps the start values that it had when the
    weights were stored as one matrix, and published runs can be repeated.
    """
    wide, narrow, taps = convolutions[0].weight.shape
    bound = math.sqrt(6 / (taps * (wide + narrow)))
    drawn = torch.empty(taps, len(convolutions), wide, narrow).uniform_(-bound, bound)
    for convolution, weight in zip(convolutions, drawn.unbind(1)):
        convolution.weight.copy_(weight.permute(1, 2, 0))


class ScoreHead(nn.Linear):
    """One logit per segment.

    Args:
        width: W.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T), unbounded."""
        return super().forward(x).squeeze(-1)


def score_layers(width: int, hidden: tuple[int, int], dropout: float) -> nn.Sequential:
    """RTFM's score head: three linear layers, with ReLU and dropout after the first two.

    Args:
        width: W.
        hidden: widths of the layers between.
        dropout: probability in [0, 1).

    Returns:
        a module (S, T, W) -> (S, T), unbounded, with PyTorch's start values.
    """
    wide, narrow = hidden
    return nn.Sequential(
        *(nn.Linear(width, wide), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(wide, narrow), nn.ReLU(), nn.Dropout(dropout)),
        ScoreHead(narrow),
    )


class SegmentNorm(nn.BatchNorm1d):
    """Batch normalisation over all segments of all sequences.

    A lone segment has no variance: in training it is normalised with the running statistics, as in testing.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        rows = x.flatten(0, 1)  # (S T, W)
        if self.training and len(rows) == 1:
            normed = F.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        else:
            normed = super().forward(rows)
        return normed.view_as(x)  # (S, T, W)


class NonLocalBlock(nn.Module):
    """x + BN(W_o (Q K^T / T) V): every segment receives a sum over all others, without a softmax.

    The last normalisation starts with gain and shift 0, so the block starts as the identity.

    Args:
        width: W; queries, keys and values have half of it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(width // 2, 1)
        self.project = nn.Linear(width, 3 * inner)  # query, key, value
        self.merge = nn.Linear(inner, width)
        self.norm = SegmentNorm(width)
        xavier_start(self)
        for part in self.project.weight.chunk(3):  # three layers side by side, each with the bound of its own size
            nn.init.xavier_uniform_(part)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        query, key, value = self.project(x).chunk(3, dim=-1)  # each (S, T, W / 2)
        mixed = self.mix(query, key, value)
        return x + self.norm(self.merge(mixed))  # (S, T, W)

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(Q K^T / T) V: three times (S, T, d) -> (S, T, d)."""
        affinity = query @ key.mT / query.shape[1]  # (S, T, T)
        return affinity @ value


class MultiScaleTemporalNetwork(nn.Module):
    """RTFM's temporal network: a pyramid of dilated convolutions beside a non-local block, fused, plus the input.

    Args:
        width: W, of input and output; a multiple of 4.
    """

    DILATIONS = (1, 2, 4)

    def __init__(self, width: int) -> None:
        super().__init__()
        branch = width // 4
        self.pyramid = nn.ModuleList(
            nn.Conv1d(width, branch, kernel_size=3, padding=dilation, dilation=dilation, bias=False) for dilation in self.DILATIONS
        )
        for convolution in self.pyramid:
            convolution.bias = nn.Parameter(torch.zeros(branch))
        self.reduce = nn.Conv1d(width, branch, kernel_size=1, bias=False)
        self.pyramid_norm = SegmentNorm(len(self.DILATIONS) * branch)
        self.non_local = NonLocalBlock(branch)
        self.fuse = nn.Conv1d(width, width, kernel_size=3, padding=1, bias=False)
        self.fuse_norm = SegmentNorm(width)
        _xavier_taps(*self.pyramid)
        _xavier_taps(self.reduce)
        _xavier_taps(self.fuse)

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        pyramid = torch.cat([convolution(x.mT) for convolution in self.pyramid], dim=1).relu()  # (S, 3W / 4, T)
        reduced = self.reduce(x.mT).relu()  # (S, W / 4, T)
        both = torch.cat([self.pyramid_norm(pyramid.mT), self.non_local(reduced.mT)], dim=-1)  # (S, T, W)
        fused = self.fuse(both.mT).relu()  # (S, W, T)
        return x + self.fuse_norm(fused.mT)  # (S, T, W)
