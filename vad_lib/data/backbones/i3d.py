"""Inception-v1 I3D on RGB snippets: the features of the paper (section 3.1).

Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017; the weights are DeepMind's (Apache-2.0).
The feature of a snippet is the mean of the last Inception block (``Mixed_5c``, 1024 channels) over all its
positions. For 16 frames of 224 x 224 that equals the network's own 2 x 7 x 7 average pooling; other sizes work too,
and cost in proportion to their area.

The network here is for inference: batch norm is folded into the convolutions when weights are loaded, memory is
laid out channels last, and a 1 x 1 x 1 convolution is one matrix product. Weights come in the ``pytorch-i3d``
layout, ``Mixed_3b.b1a.conv3d.weight`` and so on, whether converted from DeepMind's or brought by the user.

Set-up step, once: ``python -m vad_lib.data.backbones.i3d_weights --fetch``.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.snippets import resize_frame
from vad_lib.errors import DataError

FEATURE_DIM = 1024

BATCH_NORM_EPS = 1e-3

# Pixels x frames of a CPU's forward: beyond one full snippet the maps of the first layers fall out of its caches.
CPU_PIECE = 16 * 224 * 224

# Channels in; then branch 0, branch 1 (reduce, 3x3x3), branch 2 (reduce, 3x3x3), branch 3 (after the pool).
MIXED_CHANNELS = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}

# Max-pools (kernel, stride) that stand before a unit.
POOLS_BEFORE = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after, as TensorFlow's SAME has it: the odd one goes to the end.

    Example:
        >>> same_padding(224, 7, 2)
        (2, 3)
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def max_pool_same(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Max-pool of (B, C, T, H, W) with SAME padding by minus infinity, axis by axis."""
    for axis, (width, step) in enumerate(zip(kernel, stride), start=2):
        x = _axis_max(x, axis, width, step)
    return x


def _axis_max(x: Tensor, axis: int, kernel: int, stride: int) -> Tensor:
    """Largest of shifted views along one axis; faster than max_pool3d, which also writes where each maximum was."""
    size = x.shape[axis]
    outputs, before = -(-size // stride), same_padding(size, kernel, stride)[0]
    pooled = None
    for tap in sorted(range(kernel), key=lambda tap: tap != before):  # this tap never leaves the input: it comes first
        first = max(-((tap - before) // stride), 0)  # outputs before this one have the tap in the padding
        start = first * stride + tap - before
        count = min((size - 1 - start) // stride + 1, outputs - first)
        if count < 1:
            continue
        view = x.narrow(axis, start, (count - 1) * stride + 1)[(slice(None),) * axis + (slice(None, None, stride),)]
        if pooled is None:
            pooled = view.clone() if kernel > 1 else view
        else:
            part = pooled.narrow(axis, first, count)
            torch.maximum(part, view, out=part)
    assert pooled is not None  # the first tap has every output
    return pooled


class Unit(nn.Module):
    """Convolution with SAME padding, batch norm folded in, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        weight = torch.empty(channels_out, channels_in, kernel, kernel, kernel)
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last_3d), requires_grad=False)
        self.bias = nn.Parameter(torch.empty(channels_out), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel == 1:
            rows = x.permute(0, 2, 3, 4, 1)
            return F.linear(rows, self.weight.flatten(1), self.bias).relu_().permute(0, 4, 1, 2, 3)
        if self.stride == 1:
            padding = self.kernel // 2
        else:
            # F.pad counts from the last axis
            x = F.pad(x, [side for size in reversed(x.shape[2:]) for side in same_padding(size, self.kernel, self.stride)])
            padding = 0
        if x.is_cpu and torch.backends.mkldnn.is_available():
            # conv3d takes a slow way for a single small snippet; this is the routine that it calls for larger input
            strides, paddings = (self.stride,) * 3, (padding,) * 3
            return torch.mkldnn_convolution(x, self.weight, self.bias, paddings, strides, (1, 1, 1), 1).relu_()
        return F.conv3d(x, self.weight, self.bias, self.stride, padding).relu_()


class Mixed(nn.Module):
    """Inception block: four branches, their channels one after the other."""

    def __init__(self, channels_in: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int) -> None:
        super().__init__()
        self.b0 = Unit(channels_in, b0)
        self.b1a, self.b1b = Unit(channels_in, b1a), Unit(b1a, b1b, kernel=3)
        self.b2a, self.b2b = Unit(channels_in, b2a), Unit(b2a, b2b, kernel=3)
        self.b3b = Unit(channels_in, b3b)

    def forward(self, x: Tensor) -> Tensor:
        pooled = max_pool_same(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class I3D(nn.Module):
    """The RGB network, for inference only.

    Attributes:
        backbone: its name in feature contracts.
        dimension: width of its features.
        resize: how frames are brought to its size.
        places: the frames of a snippet that it looks at.
        weights_sha256: hash of the loaded weights' names and values.
        weights_note: empty, or what a reader must know of the weights.
    """

    backbone: ClassVar = "i3d-kinetics400"
    dimension: ClassVar = FEATURE_DIM
    resize = staticmethod(resize_frame)
    places: ClassVar = range(FRAMES_PER_SNIPPET)

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.weights_sha256 = ""
        self.weights_note = ""
        self.trunk = nn.ModuleDict(
            {
                "Conv3d_1a_7x7": Unit(3, 64, kernel=7, stride=2),
                "Conv3d_2b_1x1": Unit(64, 64),
                "Conv3d_2c_3x3": Unit(64, 192, kernel=3),
                **{name: Mixed(*channels) for name, channels in MIXED_CHANNELS.items()},
            }
        )
        self.classifier = nn.Linear(FEATURE_DIM, num_classes).requires_grad_(False)

    @torch.inference_mode()
    def forward(self, snippets: Tensor) -> Tensor:
        """Features of snippets.

        Args:
            snippets: float32 (B, 3, T, H, W), RGB in [-1, 1]; T, H, W from 16, 32, 32 up.

        Returns:
            float32 (B, 1024), not negative.
        """
        if not snippets.is_cpu:
            return self._features(snippets)
        piece = max(1, CPU_PIECE // snippets[0, 0].numel())
        return torch.cat([self._features(part) for part in snippets.split(piece)])

    def _features(self, snippets: Tensor) -> Tensor:
        x = snippets.contiguous(memory_format=torch.channels_last_3d)
        for name, unit in self.trunk.items():
            if name in POOLS_BEFORE:
                x = max_pool_same(x, *POOLS_BEFORE[name])
            x = unit(x)
        return x.mean(dim=(2, 3, 4))

    @torch.inference_mode()
    def logits(self, snippets: Tensor) -> Tensor:
        """Class logits of snippets, before the softmax.

        Args:
            snippets: float32 (B, 3, T, H, W), RGB in [-1, 1]; T, H, W from 16, 32, 32 up.

        Returns:
            float32 (B, classes).
        """
        return self.classifier(self(snippets))

    def load_folded(self, state: dict[str, Tensor], source: str) -> None:
        """Take weights in the ``pytorch-i3d`` layout, folding batch norm into the convolutions.

        Args:
            state: float tensors by name, e.g. ``Mixed_3b.b0.conv3d.weight`` and ``Mixed_3b.b0.bn.running_var``.
            source: what to call them in error messages.

        Raises:
            DataError: a tensor is missing, has another shape, or holds NaN or infinity.
        """

        def take(name: str, shape: tuple[int, ...]) -> Tensor:
            if name not in state:
                raise DataError(
                    f"{source}: tensor {name} is missing; expected the layout of pytorch-i3d "
                    f"(RGB, Inception v1). The file holds e.g. {', '.join(sorted(state)[:3]) or 'nothing'}."
                )
            if tuple(state[name].shape) != shape:
                raise DataError(f"{source}: tensor {name} should have shape {shape}, got {tuple(state[name].shape)}.")
            value = state[name].float()
            if not math.isfinite(value.sum()):
                raise DataError(f"{source}: tensor {name} holds NaN or infinity; the checkpoint is damaged, get it again.")
            return value

        for name, unit in self.trunk.named_modules():
            if not isinstance(unit, Unit):
                continue
            channels = (unit.weight.shape[0],)
            scale = take(f"{name}.bn.weight", channels) / (take(f"{name}.bn.running_var", channels) + BATCH_NORM_EPS).sqrt()
            kernel = take(f"{name}.conv3d.weight", tuple(unit.weight.shape))
            unit.weight.copy_(kernel * scale[:, None, None, None, None])
            unit.bias.copy_(take(f"{name}.bn.bias", channels) - take(f"{name}.bn.running_mean", channels) * scale)
        classes = self.classifier.out_features
        self.classifier.weight.copy_(take("logits.conv3d.weight", (classes, FEATURE_DIM, 1, 1, 1)).flatten(1))
        self.classifier.bias.copy_(take("logits.conv3d.bias", (classes,)))
