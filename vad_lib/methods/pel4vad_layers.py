"""The attention of PEL4VAD (:mod:`vad_lib.methods.pel4vad`).

Shapes: S sequences (videos x crops), T segments, D feature width, d attention width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST_ROOT = 1e-12  # smallest value under a square root, own
UNSEEN = -1e9  # similarity to a segment that gets no weight; finite, for a window may be padding alone


class ContextAttention(nn.Module):
    """Global and local attention over one matrix of similarities (sections III-B and III-C of the paper).

    Args:
        feature_dim: D.
        width: d, of the only head.
        window: segments that local attention sees, odd.
        prior_scale: w of the position prior at the start.
        prior_shift: b of the position prior at the start.
        normalise: whether the attended values go through :func:`root_over_time`.
    """

    def __init__(
        self, feature_dim: int, width: int, window: int, prior_scale: float, prior_shift: float, normalise: bool = True
    ) -> None:
        super().__init__()
        self.width, self.window, self.normalise = width, window, normalise
        self.project = nn.Linear(feature_dim, 3 * width)  # q, k, v
        self.merge = nn.Linear(width, feature_dim)
        self.mixing = nn.Parameter(torch.tensor(0.0))
        self.prior_scale = nn.Parameter(torch.tensor([prior_scale]))
        self.prior_shift = nn.Parameter(torch.tensor([prior_shift]))
        for part in (*self.project.weight.chunk(3), self.merge.weight):
            nn.init.xavier_uniform_(part)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Attend to real segments.

        Args:
            x: float32 (S, T, D).
            real: bool (S, T), True where a segment is real.

        Returns:
            float32 (S, T, D), without the residual.
        """
        query, key, value = self.project(x).chunk(3, dim=-1)  # each (S, T, d)
        similarity = query @ key.mT / math.sqrt(self.width) + self.prior(x.shape[1])  # (S, T, T)
        similarity = similarity.masked_fill(~real[:, None], UNSEEN)
        attended = self.weights(similarity) @ value * real[:, :, None]  # (S, T, d)
        return self.merge(root_over_time(attended) if self.normalise else attended)

    def prior(self, length: int) -> Tensor:
        """G = exp(-|w (i - j)^2 - b|), added to the similarity of segments i and j: (T, T) in [0, 1]."""
        position = torch.arange(length, device=self.mixing.device)
        squared = (position[:, None] - position).square()
        return torch.exp(-(self.prior_scale * squared - self.prior_shift).abs())

    def weights(self, similarity: Tensor) -> Tensor:
        """Attention of each segment: a share of the one to all segments, the rest to those within the window.

        Both kinds of attention meet the same values, so their weights are mixed before the one product.

        Args:
            similarity: float32 (S, T, T).

        Returns:
            float32 (S, T, T), rows sum to 1.
        """
        position, share = torch.arange(similarity.shape[1], device=similarity.device), self.mixing.sigmoid()
        far = (position[:, None] - position).abs() > self.window // 2
        local = similarity.masked_fill(far, -math.inf).softmax(dim=-1)
        return share * similarity.softmax(dim=-1) + (1 - share) * local


def root_over_time(x: Tensor) -> Tensor:
    """sgn(x) sqrt|x|, then unit norm over the time axis (a library's default in the official code).

    Differs from the official code: below 1e-12 the root is a line, whose slope at 0 is finite.

    Args:
        x: float32 (S, T, d).

    Returns:
        float32 (S, T, d) in [-1, 1].

    Example: roots of 2 and 1, whose norm is the square root of 5.
        >>> root_over_time(torch.tensor([[[4.0], [-1.0]]])).flatten()
        tensor([ 0.8944, -0.4472])
    """
    return F.normalize(x * x.abs().clamp(min=SMALLEST_ROOT).rsqrt(), dim=1)
