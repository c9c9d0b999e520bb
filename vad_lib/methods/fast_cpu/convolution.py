"""Fast forms of convolutions over time: one product for all taps, then shifted sums.

A convolution with kernel 3 is a product with each tap's weights, shifted by a step and added. Taps of several
convolutions with the same input stand one below the other, so that their products are a single large one.

Shapes: S sequences (videos x crops), T segments, D input width, W output width of one convolution.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.methods.causal import CausalConv, CausalFusion
from vad_lib.methods.fast_cpu.linear import segment_linear
from vad_lib.methods.layers import MultiScaleFusion, TemporalConv


class FastTemporalConv(TemporalConv):
    """:class:`TemporalConv` as one product and two shifted sums."""

    def stacked_taps(self) -> Tensor:
        """Weights of the three taps, one below the other: (3W, D)."""
        return self.weight.permute(2, 0, 1).reshape(-1, self.in_channels)

    def combine(self, taps: Tensor) -> Tensor:
        """Sum the taps' products (S, T, 3W), each shifted to its place: (S, T, W)."""
        step, length = self.dilation[0], taps.shape[1]
        before, here, after = taps.chunk(3, dim=-1)
        shifted = F.pad(before, (0, 0, step, 0))[:, :length] + F.pad(after, (0, 0, 0, step))[:, step:]
        return here + self.bias + shifted

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W)."""
        return self.combine(segment_linear(x, self.stacked_taps()))


class FastCausalConv(FastTemporalConv, CausalConv):
    """:class:`CausalConv` as one product and two shifted sums."""

    def combine(self, taps: Tensor) -> Tensor:
        """Sum the taps' products (S, T, 3W), each shifted to its place: (S, T, W)."""
        step, length = self.dilation[0], taps.shape[1]
        earliest, earlier, here = taps.chunk(3, dim=-1)
        return here + self.bias + F.pad(earlier, (0, 0, step, 0))[:, :length] + F.pad(earliest, (0, 0, 2 * step, 0))[:, :length]


class FastMultiScaleFusion(MultiScaleFusion):
    """:class:`MultiScaleFusion` with one product for the taps of all scales."""

    def stacked_taps(self) -> Tensor:
        """Weights of the taps of all scales, one below the other: (9W, D)."""
        return torch.cat([scale.stacked_taps() for scale in self.scales])  # type: ignore[operator]

    def fuse_taps(self, taps: Tensor) -> Tensor:
        """Products of all taps (S, T, 9W) -> what :class:`MultiScaleFusion` returns."""
        parts = zip(self.scales, taps.chunk(len(self.scales), dim=-1))
        return self.fuse([scale.combine(part) for scale, part in parts])  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, 2W)."""
        return self.fuse_taps(segment_linear(x, self.stacked_taps()))


class FastCausalFusion(FastMultiScaleFusion, CausalFusion):
    """:class:`CausalFusion` that keeps, in a stream, the products of its last inputs and the stacked weights."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, 2W)."""
        if self.past is None:
            return FastMultiScaleFusion.forward(self, x)
        if not self.past:
            weights = self.stacked_taps()
            self.past.update(weights=weights, taps=x.new_zeros(len(x), self.reach, len(weights)))
        taps = torch.cat([self.past["taps"], F.linear(x, self.past["weights"])], dim=1)
        self.past["taps"] = taps[:, -self.reach :]
        return self.fuse_taps(taps)[:, self.reach :]


FORMS: dict[type, type] = {
    TemporalConv: FastTemporalConv,
    CausalConv: FastCausalConv,
    MultiScaleFusion: FastMultiScaleFusion,
    CausalFusion: FastCausalFusion,
}
