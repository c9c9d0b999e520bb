"""The plain I3D that ``vad_lib.data.backbones.i3d`` is measured against: nothing folded, one layer after the other.

It states the network the slow and obvious way, padding written out and batch norm as a layer of its own, as public
PyTorch versions do. Its state dict is the ``pytorch-i3d`` layout itself.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vad_lib.data.backbones.i3d import BATCH_NORM_EPS, FEATURE_DIM, MIXED_CHANNELS, same_padding


def pad_same(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int], value: float = 0.0) -> Tensor:
    sides = [same_padding(*axis) for axis in zip(x.shape[2:], kernel, stride)]
    return F.pad(x, [side for pair in reversed(sides) for side in pair], value=value)


class PlainUnit(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = (kernel,) * 3, (stride,) * 3
        self.conv3d = nn.Conv3d(channels_in, channels_out, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(channels_out, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(pad_same(x, self.kernel, self.stride))))


class PlainPool(nn.Module):
    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool3d(pad_same(x, self.kernel, self.stride, float("-inf")), self.kernel, self.stride)


class PlainMixed(nn.Module):
    def __init__(self, channels_in: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int) -> None:
        super().__init__()
        self.b0 = PlainUnit(channels_in, b0)
        self.b1a, self.b1b = PlainUnit(channels_in, b1a), PlainUnit(b1a, b1b, 3)
        self.b2a, self.b2b = PlainUnit(channels_in, b2a), PlainUnit(b2a, b2b, 3)
        self.b3a, self.b3b = PlainPool((3, 3, 3), (1, 1, 1)), PlainUnit(channels_in, b3b)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], dim=1)


class PlainI3D(nn.Sequential):
    """Snippets (B, 3, T, H, W) in [-1, 1] to the ``Mixed_5c`` map (B, 1024, T/8, H/32, W/32)."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("Conv3d_1a_7x7", PlainUnit(3, 64, 7, 2))
        self.add_module("MaxPool3d_2a_3x3", PlainPool((1, 3, 3), (1, 2, 2)))
        self.add_module("Conv3d_2b_1x1", PlainUnit(64, 64))
        self.add_module("Conv3d_2c_3x3", PlainUnit(64, 192, 3))
        self.add_module("MaxPool3d_3a_3x3", PlainPool((1, 3, 3), (1, 2, 2)))
        for name, channels in MIXED_CHANNELS.items():
            if name == "Mixed_4b":
                self.add_module("MaxPool3d_4a_3x3", PlainPool((3, 3, 3), (2, 2, 2)))
            if name == "Mixed_5b":
                self.add_module("MaxPool3d_5a_2x2", PlainPool((2, 2, 2), (2, 2, 2)))
            self.add_module(name, PlainMixed(*channels))
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(FEATURE_DIM, 400, 1)})

    def forward(self, x: Tensor) -> Tensor:
        for name, module in self.named_children():
            if name != "logits":
                x = module(x)
        return x
