"""Fast forms of RTFM's multi-scale temporal network and of its normalisation.

A convolution with kernel 3 is one matrix product and two shifted sums. The pyramid's nine products and the reduction have
the same input, so here they are a single product, with the weights put below each other.

Shapes: S sequences (videos x crops), T segments, W width.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vad_lib.methods.fast_cpu.linear import as_image, as_sequences, segment_linear
from vad_lib.methods.temporal_network import MultiScaleTemporalNetwork, NonLocalBlock, ScoreHead, SegmentNorm


class _SumOfTaps(torch.autograd.Function):
    """Sum of three taps' products, each shifted to its place, for channels in blocks of different dilation.

    Written with its gradient because autograd's, for six slices and paddings per dilation, takes longer than the
    products themselves at small widths.
    """

    @staticmethod
    def _shifts(taps: Tensor, whole: Tensor, dilations: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs of views of equal shape: what a tap holds, and where it belongs in the sum (S, T, W)."""
        length, width = whole.shape[1], whole.shape[2] // len(dilations)
        before, _, after = taps.chunk(3, dim=-1)
        for i, dilation in enumerate(dilations):
            step, block = min(dilation, length), slice(i * width, (i + 1) * width)
            yield before[:, : length - step, block], whole[:, step:, block]
            yield after[:, step:, block], whole[:, : length - step, block]

    @staticmethod
    def forward(ctx: Any, taps: Tensor, dilations: tuple[int, ...]) -> Tensor:
        """Products (S, T, 3W), the taps before, here and after -> (S, T, W)."""
        ctx.dilations = dilations
        total = taps.chunk(3, dim=-1)[1].clone(memory_format=torch.contiguous_format)
        for tap, place in _SumOfTaps._shifts(taps, total, dilations):
            place += tap
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        gradient = upstream.new_zeros(*upstream.shape[:2], 3 * upstream.shape[2])
        gradient.chunk(3, dim=-1)[1].copy_(upstream)
        for tap, place in _SumOfTaps._shifts(gradient, upstream, ctx.dilations):
            tap.copy_(place)
        return gradient, None


def _stacked_taps(*convolutions: nn.Conv1d) -> list[Tensor]:
    """Weights of the taps before of all convolutions, then of the taps here and after: each (W, D)."""
    return [weight for taps in zip(*(convolution.weight.unbind(2) for convolution in convolutions)) for weight in taps]


class FastSegmentNorm(SegmentNorm):
    """:class:`SegmentNorm` on images, the only inputs that torch normalises fast with channels last in memory."""

    def _check_input_dim(self, image: Tensor) -> None:
        """Accept the four axes of an image."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        if x.shape[:2].numel() == 1:
            return super().forward(x)
        normed = as_sequences(_BatchNorm.forward(self, as_image(x)))
        if normed.requires_grad and not torch.compiler.is_compiling():
            # the gradient of a concatenated part has gaps, for which torch takes a path several times slower
            normed.register_hook(Tensor.contiguous)
        return normed


class FastScoreHead(ScoreHead):
    """:class:`ScoreHead` as a convolution with kernel 1, by which the committed runs were trained."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W) -> (S, T)."""
        return segment_linear(x, self.weight, self.bias).squeeze(-1)


class FastNonLocalBlock(NonLocalBlock):
    """:class:`NonLocalBlock` without a T x T matrix where T is large; no softmax is between the products."""

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Three times (S, T, d) -> (S, T, d)."""
        length = query.shape[1]
        if length > query.shape[-1]:
            return query @ (key.mT @ value / length)
        return super().mix(query, key, value)


class FastMultiScaleTemporalNetwork(MultiScaleTemporalNetwork):
    """:class:`MultiScaleTemporalNetwork` with two products in place of five convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, W), same out."""
        taps = _stacked_taps(*self.pyramid)  # nine times (W / 4, W)
        products = segment_linear(x, torch.cat([*taps, self.reduce.weight.squeeze(2)]))  # (S, T, 10W / 4)
        branch = self.reduce.out_channels
        products, reduced = products.split([len(taps) * branch, branch], dim=-1)
        bias = torch.cat([convolution.get_parameter("bias") for convolution in self.pyramid])
        pyramid = (_SumOfTaps.apply(products, self.DILATIONS) + bias).relu()  # (S, T, 3W / 4)
        both = torch.cat([self.pyramid_norm(pyramid), self.non_local(reduced.relu())], dim=-1)
        fused = _SumOfTaps.apply(segment_linear(both, torch.cat(_stacked_taps(self.fuse))), (1,)).relu()
        return x + self.fuse_norm(fused)


FORMS: dict[type, type] = {
    SegmentNorm: FastSegmentNorm,
    ScoreHead: FastScoreHead,
    NonLocalBlock: FastNonLocalBlock,
    MultiScaleTemporalNetwork: FastMultiScaleTemporalNetwork,
}
