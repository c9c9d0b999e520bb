"""Fast form of the dual memory: map and memory are multiplied first.

A read-out is a M, and the maps that follow are linear, so map and memory are one matrix: the sequence meets matrices
with one row for each prototype only, and the context is never built for the head.

Shapes: S sequences (videos x crops), T segments, W encoder width, M prototypes of one memory.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.methods.fast_cpu.linear import segment_linear
from vad_lib.methods.layers import DualMemory


class FastDualMemory(DualMemory):
    """:class:`DualMemory` with weights multiplied out."""

    def attend(self, encoded: Tensor) -> Tensor:
        """(S, T, W) -> (S, T, 2M), abnormal memory first."""
        memories = torch.cat([self.abnormal, self.normal])
        return segment_linear(encoded, memories / math.sqrt(encoded.shape[-1])).sigmoid()

    def _mapped_memories(self) -> Tensor:
        return self.mean_map.weight @ torch.cat([self.abnormal, self.normal]).T  # (W, 2M)

    def context(self, attention: Tensor) -> Tensor:
        """(S, T, 2M) -> (S, T, W)."""
        return segment_linear(attention, self._mapped_memories(), 2 * self.mean_map.bias)

    def mapped(self, attention: Tensor, memory: Tensor) -> Tensor:
        """(..., M) -> (..., W)."""
        return F.linear(attention, self.mean_map.weight @ memory.T, self.mean_map.bias)

    def log_variance(self, attention: Tensor) -> Tensor:
        """(..., M) -> (..., W)."""
        return F.linear(attention, self.log_variance_map.weight @ self.normal.T, self.log_variance_map.bias)

    def hidden(self, encoded: Tensor, attention: Tensor) -> Tensor:
        """(S, T, W), (S, T, 2M) -> (S, T, W / 4)."""
        of_encoded, of_context = self.head_in.weight.split(encoded.shape[-1], dim=1)  # each (W / 4, W)
        bias = F.linear(2 * self.mean_map.bias, of_context, self.head_in.bias)
        return segment_linear(encoded, of_encoded, bias) + segment_linear(attention, of_context @ self._mapped_memories())


FORMS: dict[type, type] = {DualMemory: FastDualMemory}
