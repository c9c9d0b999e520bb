"""Fast forms of PEL4VAD (:mod:`vad_lib.methods.pel4vad`).

Shapes: S sequences (videos x crops), T segments, D feature width, d attention width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.methods.fast_cpu.linear import segment_linear
from vad_lib.methods.pel4vad import PEL4VAD
from vad_lib.methods.pel4vad_layers import UNSEEN, ContextAttention, root_over_time


class FastContextAttention(ContextAttention):
    """``ContextAttention`` that adds the prior within the product and computes the window's softmax over its few columns."""

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """(S, T, D), bool (S, T) -> (S, T, D)."""
        query, key, value = self.project(x).chunk(3, dim=-1)  # each (S, T, d)
        scale = 1 / math.sqrt(self.width)
        similarity = torch.baddbmm(self.prior(x.shape[1]), query, key.mT, alpha=scale)  # (S, T, T)
        similarity = similarity.masked_fill(~real[:, None], UNSEEN)
        attended = self.weights(similarity) @ value * real[:, :, None]  # (S, T, d)
        return self.merge(root_over_time(attended) if self.normalise else attended)

    def weights(self, similarity: Tensor) -> Tensor:
        """(S, T, T), same out; the window's weights are added where they belong."""
        length, share = similarity.shape[1], self.mixing.sigmoid()
        around = torch.arange(length, device=similarity.device)[:, None] + torch.arange(
            -(self.window // 2), self.window // 2 + 1, device=similarity.device
        )
        outside = (around < 0) | (around >= length)
        columns = around.clamp(0, length - 1).expand(len(similarity), -1, -1)  # (S, T, window)
        local = similarity.gather(2, columns).masked_fill(outside, UNSEEN).softmax(dim=-1)
        return (share * similarity.softmax(dim=-1)).scatter_add(2, columns, (1 - share) * local)


class FastPEL4VAD(PEL4VAD):
    """``PEL4VAD`` whose head is one product and a sum of diagonals."""

    def look_back(self, hidden: Tensor) -> Tensor:
        """(S, T, hidden) -> (S, T)."""
        kernel = self.settings.kernel
        taps = segment_linear(hidden, self.head.weight[0].mT)  # (S, T, kernel), what a segment gives to those from it on
        sums = F.pad(taps, (0, 0, kernel - 1, 0)).unfold(1, kernel, 1).diagonal(dim1=2, dim2=3).sum(dim=-1)
        return sums + self.head.get_parameter("bias")


FORMS: dict[type, type] = {ContextAttention: FastContextAttention, PEL4VAD: FastPEL4VAD}
