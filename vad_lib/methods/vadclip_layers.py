"""Building blocks of VadCLIP (:mod:`vad_lib.methods.vadclip`): attention in windows and two graphs.

Shapes: R chunks of L positions, W width, w segments of a window.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

UNSEEN = -1e9  # in place of a cosine whose segment gets no weight


def quick_gelu(x: Tensor) -> Tensor:
    """CLIP's GELU, x sigmoid(1.702 x): any shape, same out.

    Example:
        >>> quick_gelu(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8458])
    """
    return x * torch.sigmoid(1.702 * x)


class FeedForward(nn.Module):
    """Linear map to four times the width, CLIP's GELU, linear map back; the residual is the caller's.

    Args:
        width: W.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., W), same out."""
        return self.down(quick_gelu(self.up(x)))


class WindowLayer(nn.Module):
    """Transformer layer with one head, normalised before each part. Windows are samples of their own: no mask is needed.

    Args:
        width: W.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)  # query, key, value
        self.merge = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)
        # as torch's own attention starts
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        nn.init.zeros_(self.merge.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(windows, w, W), same out."""
        query, key, value = self.project(self.attention_norm(x)).chunk(3, dim=-1)  # each (windows, w, W)
        x = x + self.merge(F.scaled_dot_product_attention(query, key, value))
        return x + self.feed_forward(self.feed_forward_norm(x))


class GraphLayer(nn.Module):
    """Graph convolution gelu(A x W + r(x)); r is a convolution over 5 positions, or nothing where the width stays.

    Args:
        in_width: of the input.
        out_width: of the output.
    """

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(in_width, out_width)))
        self.residual = nn.Conv1d(in_width, out_width, kernel_size=5, padding=2) if in_width != out_width else None

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Collect from neighbours.

        Args:
            x: float32 (R, L, in).
            adjacency: float32 (R, L, L), or (L, L) for all chunks.

        Returns:
            float32 (R, L, out).
        """
        residual = x if self.residual is None else self.residual(x.mT).mT  # (R, L, out)
        return quick_gelu(adjacency @ (x @ self.weight) + residual)


def similarity_graph(x: Tensor, real: Tensor, threshold: float = 0.7) -> Tensor:
    """S: softmax over the cosines of real positions; cosines up to the threshold become 0 first and keep the weight exp(0).

    Args:
        x: float32 (R, L, W).
        real: bool (R, L); rows and columns of other positions are 0.
        threshold: a cosine, in [-1, 1].

    Returns:
        float32 (R, L, L); rows of real positions sum to 1.

    Example: the first two positions are alike, the third differs from both.
        >>> x = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]])
        >>> similarity_graph(x, torch.ones(1, 3, dtype=torch.bool))[0, 0]
        tensor([0.4223, 0.4223, 0.1554])
    """
    unit = F.normalize(x, dim=-1)
    cosine = F.threshold(unit @ unit.mT, threshold, 0.0)  # (R, L, L)
    return cosine.masked_fill(~real[:, None], UNSEEN).softmax(dim=-1) * real[:, :, None]


def distance_graph(length: int, scale: float, kind: Literal["plain", "softmax"] = "plain") -> Tensor:
    """D: exp(-|i - j| / scale), larger for neighbours in time.

    Args:
        length: positions L.
        scale: in segments, positive.
        kind: ``softmax`` divides each row by its sum, as the paper has it; the official code does not.

    Returns:
        float32 (L, L) in [0, 1].

    Example:
        >>> distance_graph(3, 1.0)[0]
        tensor([1.0000, 0.3679, 0.1353])
    """
    position = torch.arange(length)
    graph = torch.exp(-(position[:, None] - position).abs() / scale)
    return graph / graph.sum(dim=1, keepdim=True) if kind == "softmax" else graph


def contrast_loss(text: Tensor) -> Tensor:
    """L_cts, mean absolute cosine of the normal text and the others.

    Args:
        text: float32 (C, W), category 0 normal.

    Returns:
        float32 scalar in [0, 1].

    Example: cosines of 0 and -1.
        >>> contrast_loss(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]))
        tensor(0.5000)
    """
    return F.cosine_similarity(text[:1], text[1:], dim=-1).abs().mean()
