"""Fast forms of linear layers, of convolutions over time and of dropout.

A convolution with kernel 1 is a linear layer, and on a CPU the convolution's library uses all of the processor's
vector units where the matrix product's does not: measured on AMD, half the time from a hundred rows on.

Shapes: S sequences (videos x crops), T segments, D input width, W output width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST_WEIGHT = 2**20  # elements of one convolution; gradients of larger ones take up to twice as long per element
WEIGHT_ROWS = 512  # of one block of a larger weight
NARROW = 8  # outputs; a convolution gains nothing below


def segment_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` for sequences on a CPU, as a convolution with kernel 1: up to rounding the same numbers.

    Nothing is copied for it, but what the blocks of a large weight make is put together. On other devices, for inputs
    of other than three axes and while a graph is exported it is ``F.linear``.

    Args:
        x: float32 (S, T, D).
        weight: float32 (W, D).
        bias: float32 (W,), or None.

    Returns:
        float32 (S, T, W).
    """
    if x.device.type != "cpu" or x.dim() != 3 or torch.compiler.is_exporting():
        return F.linear(x, weight, bias)
    whole = weight.numel() <= LARGEST_WEIGHT or len(weight) <= WEIGHT_ROWS or not torch.is_grad_enabled()
    if whole:
        return as_sequences(F.conv2d(as_image(x), weight[..., None, None], bias))
    weights = weight.split(WEIGHT_ROWS)
    biases = [None] * len(weights) if bias is None else bias.split(WEIGHT_ROWS)
    return torch.cat([segment_linear(x, *block) for block in zip(weights, biases)], dim=-1)


def as_image(x: Tensor) -> Tensor:
    """(S, T, D) as images of height 1 whose channels lie last in memory, (S, D, 1, T)."""
    return x.transpose(1, 2)[:, :, None]


def as_sequences(image: Tensor) -> Tensor:
    """(S, W, 1, T) -> (S, T, W); undoes :func:`as_image`."""
    return image.squeeze(2).transpose(1, 2)


class FastLinear(nn.Linear):
    """``nn.Linear`` that runs as a convolution, unless it has fewer than eight outputs."""

    def forward(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, T, W); other shapes as ``nn.Linear``."""
        linear = segment_linear if self.out_features >= NARROW else F.linear
        return linear(x, self.weight, self.bias)


class FastDropout(nn.Dropout):
    """``nn.Dropout`` that spends one random byte per element instead of one float.

    The probability is rounded to a multiple of 1/256, at most 255/256 below 1; the survivors are scaled by the rounded one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, same out."""
        if self.training and self.p == 1:
            return x * 0
        dropped = min(round(self.p * 256), 255)  # byte values 0..255 below this one are dropped
        if not self.training or dropped == 0:
            return x
        count = x.numel()
        words = torch.empty((count + 7) // 8, dtype=torch.int64, device=x.device).random_(-(2**63), None)
        kept = words.view(torch.uint8)[:count].view(x.shape) >= dropped
        return x * kept.to(x.dtype).mul_(256 / (256 - dropped))


FORMS: dict[type, type] = {nn.Linear: FastLinear, nn.Dropout: FastDropout}
