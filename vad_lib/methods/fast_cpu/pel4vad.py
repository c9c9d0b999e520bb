"""Fast forms of PEL4VAD (:mod:`vad_lib.methods.pel4vad`).

Shapes: S sequences (videos x crops), T segments, D feature width, d attention width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.methods.fast_cpu.linear import segment_linear
from vad_lib.methods.pel4vad import PEL4VAD, PEL4VADOutput
from vad_lib.methods.pel4vad_layers import ContextAttention, root_over_time

UNSEEN = -1e9  # similarity to a segment that gets no weight


class FastContextAttention(ContextAttention):
    """``ContextAttention`` that computes the window's softmax over its few columns, and may be told what is padding."""

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """(S, T, D) -> (S, T, D); segments that are not real (bool (S, T), real ones first) are left out."""
        query, key, value = self.project(x).chunk(3, dim=-1)  # each (S, T, d)
        scale = 1 / math.sqrt(self.width)
        similarity = torch.baddbmm(self.prior(x.shape[1]), query, key.mT, alpha=scale)  # (S, T, T)
        if real is not None:
            similarity = similarity.masked_fill(~real[:, None], UNSEEN)
        attended = self.weights(similarity) @ value  # (S, T, d)
        if real is not None:
            attended = attended * real[:, :, None]
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
    """``PEL4VAD`` that encodes videos of different lengths at once, and whose head is one product and a sum of diagonals."""

    def encode_uneven(self, features: Tensor, mask: Tensor) -> PEL4VADOutput:
        """All videos at once, padding masked: cheaper than many small groups, as only attention mixes segments both ways."""
        videos, crops = features.shape[:2]
        features, real = features.flatten(0, 1), mask.repeat_interleave(crops, 0)
        logits, context = self._unfold(self.score(self.norm(features + self.attention(features, real))), videos, crops)
        return PEL4VADOutput(logits * mask[:, None], context * mask[:, None, :, None])

    def look_back(self, hidden: Tensor) -> Tensor:
        """(S, T, hidden) -> (S, T)."""
        kernel = self.settings.kernel
        taps = segment_linear(hidden, self.head.weight[0].mT)  # (S, T, kernel), what a segment gives to those from it on
        return F.pad(taps, (0, 0, kernel - 1, 0)).unfold(1, kernel, 1).diagonal(dim1=2, dim2=3).sum(dim=-1) + self.head.bias


FORMS: dict[type, type] = {ContextAttention: FastContextAttention, PEL4VAD: FastPEL4VAD}
