"""Fast forms of VadCLIP (:mod:`vad_lib.methods.vadclip`) and its layers.

Shapes: S sequences (videos x crops), T segments, R chunks of L positions, L' = min(T, L), W width, C categories.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.methods.fast_cpu.linear import as_image, as_sequences, segment_linear
from vad_lib.methods.vadclip import VadCLIP
from vad_lib.methods.vadclip_layers import FeedForward, GraphLayer, similarity_graph

SLOPE = 1.702  # of CLIP's GELU: z sigmoid(1.702 z) is silu(1.702 z) / 1.702, and silu is one operation


class FastFeedForward(FeedForward):
    """``FeedForward`` with the slope of CLIP's GELU in the weights: scaling them costs less than scaling what they make."""

    def forward(self, x: Tensor) -> Tensor:
        """(R, L, W), same out."""
        hidden = F.silu(segment_linear(x, SLOPE * self.up.weight, SLOPE * self.up.bias))  # (R, L, 4W)
        return segment_linear(hidden, self.down.weight / SLOPE, self.down.bias)


class FastGraphLayer(GraphLayer):
    """``GraphLayer`` whose products run as convolutions; the graph may be smaller than the chunk."""

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """(R, L, in), adjacency (R, L', L') or (L', L') -> (R, L, out); positions behind L' have no neighbours."""
        rows = adjacency.shape[-1]
        collected = adjacency @ segment_linear(x[:, :rows], self.weight.mT)  # (R, L', out)
        collected = F.pad(collected, (0, 0, 0, x.shape[1] - rows))  # (R, L, out)
        return F.silu(SLOPE * (collected + self._residual(x))) / SLOPE

    def _residual(self, x: Tensor) -> Tensor:
        """Segments stay where they are in memory: (R, L, in) -> (R, L, out)."""
        if self.residual is None:
            return x
        kernel = self.residual.weight[:, :, None]  # (out, in, 1, 5)
        return as_sequences(F.conv2d(as_image(x), kernel, self.residual.bias, padding=(0, *self.residual.padding)))


class FastVadCLIP(VadCLIP):
    """``VadCLIP`` that does not compute what padding alone would decide."""

    def windows(self, features: Tensor, real: Tensor) -> Tensor:
        """(S, T, D), bool (S, T) -> (R, L, W).

        Windows without a real segment hold positions only: they are the same for all sequences and computed once.
        """
        chunk, window, width = self.settings.chunk, self.settings.window, self.settings.width
        chunks = math.ceil(real.shape[1] / chunk)
        filling = chunks * chunk - real.shape[1]
        x = F.pad(self.project(features) * real[:, :, None], (0, 0, 0, filling)) + self.positions.repeat(chunks, 1)
        used = F.pad(real, (0, filling)).view(-1, window).any(dim=1).nonzero().squeeze(1)
        x = torch.cat([x.view(-1, window, width).index_select(0, used), self.positions.view(-1, window, width)])
        for layer in self.layers:
            x = layer(x)
        own, empty = x.split([len(x) - chunk // window, chunk // window])
        return empty.repeat(len(real) * chunks, 1, 1).index_copy(0, used, own).view(-1, chunk, width)

    def similarity(self, x: Tensor, real: Tensor) -> Tensor:
        """(R, L, W), bool (S, T) -> (R, L', L'): behind the last segment of a lone chunk the graph is empty."""
        if real.shape[1] > self.settings.chunk:
            return super().similarity(x, real)
        return similarity_graph(x[:, : real.shape[1]], real, self.settings.similarity_threshold)

    def cosines(self, visual: Tensor, text: Tensor) -> Tensor:
        """(R, L, W), (R, C, W) -> (R, L, C); the segments' lengths are divided out where there are C numbers, not W."""
        lengths = torch.linalg.vector_norm(visual, dim=-1, keepdim=True).clamp(min=1e-12)
        return visual @ F.normalize(text, dim=-1).mT / lengths


FORMS: dict[type, type] = {FeedForward: FastFeedForward, GraphLayer: FastGraphLayer, VadCLIP: FastVadCLIP}
